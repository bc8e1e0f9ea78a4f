"""Quantities: what is measured of a learner in a Record, one number for each run, or the reason why it cannot be had.

The bounds T^2 error and R hold for errors counted as 0 or 1 and rewards in [0, 1]; where actions are a Box an error is
a length, and their ratios are units to compare with, not bounds. u T error is a bound where u is the largest cost of a
wrong action; u is a quantile here, as the largest one met is noise. The growths L + L_a Lip(policy) and rho + C L_a
Lip(error) bound what grows where their constants hold everywhere; here these are the largest along the expert's path,
and so the growths are estimates. Whatever of it a Record contradicts, its words say.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import torch

from ..core.chance import bound
from ..core.env import Env, Expert, RecurrentExpert
from ..core.policy import Policy
from ..core.rollout import Rollout, by_expert, rollout
from ..core.streams import Streams
from ..records.fates import fates_of
from ..records.record import Record
from ..records.rows import VARIABLES
from ..stats.growth import Growth
from ..stats.intervals import mean_error, ratio
from . import loops, probes
from .probes import Unanswerable

PROBED = 16
"""Rollouts of each run that are spent on each probe."""


KICK = 1e-3
"""Length of the kick whose recovery is timed, as a part of the ceiling."""


DISAGREEMENT = 0.1
"""Box actions disagree where they differ by more than this part of the expert's own spread."""


def asked_once(question: Callable[[Any], Any]) -> Any:
    """A property whose answer is kept in `answers`; so is the reason why there is none."""
    name = question.__name__

    def answer(self: Any) -> Any:
        if name not in self.answers:
            try:
                self.answers[name] = question(self)
            except Unanswerable as reason:
                self.answers[name] = reason
        kept = self.answers[name]
        if isinstance(kept, Unanswerable):
            raise Unanswerable(*kept.args)
        return kept

    answer.__doc__ = question.__doc__
    return property(answer)


def _available(thing: Any) -> Any:
    """The thing itself; a text is the reason why it cannot be had."""
    if isinstance(thing, str):
        raise Unanswerable(thing)
    return thing


@dataclass(frozen=True)
class Reference:
    """The expert in its environment: what these answer is the same for every learner of a Record, and is asked once.

    Attributes:
        record: the comparison.
        env_or_reason: the environment of all runs, or the reason why it cannot be had.
        expert_or_reason: likewise.
        answers: what was asked so far.
    """

    record: Record
    env_or_reason: Env | str
    expert_or_reason: Expert | str
    answers: dict[str, Any] = field(default_factory=dict)

    @property
    def env(self) -> Env:
        """The environment.

        Raises:
            Unanswerable: with the reason why it cannot be had; so do all that need it.
        """
        env: Env = _available(self.env_or_reason)
        return env

    @property
    def expert(self) -> Expert:
        """The expert."""
        expert: Expert = _available(self.expert_or_reason)
        if isinstance(expert, RecurrentExpert):
            raise Unanswerable("needs an expert without a memory, which answers in any state")
        return expert

    @asked_once
    def streams(self) -> Streams:
        """Those that the rollouts of the Record were made with; earlier Records name none."""
        env = self.env
        drawn = self.record.config.get("streams")
        if drawn is None:
            return Streams(env.seeds, env.device).fork("evaluation")
        return Streams(drawn["seeds"], env.device, drawn["path"], drawn["first"])

    def path(self, learner: int = 0) -> Rollout:
        """A learner's first rollouts of each run, as `rollout` gave them; the expert's are those of number 0."""
        parts = {}
        for part in dataclasses.fields(Rollout):
            array = self.record.arrays[part.name][learner]
            first = array[:, :PROBED].copy()
            parts[part.name] = torch.from_numpy(first)
        return Rollout(**parts)

    @asked_once
    def lead(self) -> Rollout:
        """The expert's first rollouts, driven here: on another machine than the Record's they may differ by rounding."""
        expert = bound(self.env, self.expert, self.streams, PROBED)
        drive = by_expert(self.env, expert)
        return rollout(self.env, drive, self.streams, PROBED)

    @asked_once
    def independent(self) -> np.ndarray:
        """How far noise alone puts two experts apart, for each run (R,), see `probes.independent`."""
        env = self.env
        expert = self.expert
        probes.require_pure(env)
        return probes.independent(env, expert, self.lead, self.streams)

    @asked_once
    def action_gain(self) -> np.ndarray:
        """L_a of each run (R,), see `loops.action_gain`."""
        gain = loops.action_gain(self.env, self.path())
        return gain.cpu().numpy()

    @asked_once
    def contraction(self) -> loops.Contraction:
        """How the expert's own loop forgets along its path, see `loops.contraction`."""
        return loops.contraction(self.env, self.expert, self.path(), self.streams)

    @asked_once
    def ceilings(self) -> np.ndarray:
        """The deviation of two unrelated states of each run (R,)."""
        runs = range(self.record.runs)
        ceilings = [self.record.ceiling(run) for run in runs]
        return np.array(ceilings)

    @asked_once
    def kick(self) -> np.ndarray:
        """Steps after which the expert has forgotten a kick, for each run (R,), see `probes.kick`."""
        expert = self.expert
        probes.require_pure(self.env)
        return self.kicked(expert, self.lead)

    def kicked(self, who: Policy | Expert, calm: Rollout) -> np.ndarray:
        """Steps after which somebody, whose calm path is given, has forgotten a kick, for each run (R,)."""
        env = self.env
        sizes = KICK * self.ceilings
        at = env.horizon // 4
        recovery = probes.kick(env, who, self.streams, calm, sizes, at)
        return recovery.median()

    @asked_once
    def constant_response(self) -> np.ndarray:
        """What a constant error of the expert leaves at the horizon, for each run (R,), see `probes.response`."""
        return self._response("constant")

    @asked_once
    def zero_mean_response(self) -> np.ndarray:
        """The same of errors that change their sign at random."""
        return self._response("zero-mean")

    @asked_once
    def worst_response(self) -> np.ndarray:
        """The same of the errors that do most harm."""
        return self._response("adversarial")

    def _response(self, way: str) -> np.ndarray:
        env = self.env
        expert = self.expert
        probes.require_gradual(env)
        answer = probes.response(env, expert, way, self.lead, self.streams)
        return answer.cpu().numpy()

    @asked_once
    def demonstrated(self) -> np.ndarray:
        """What the expert's states differ by from their mean, (R, E (T+1), D), along the directions of the dial.

        Zero at steps that no episode lived.
        """
        states = torch.from_numpy(self.record.arrays["state"][0])
        state = states.flatten(1, 2)
        lived = torch.from_numpy(self.visited).flatten(1, 2)
        weight = lived.double()[..., None]
        total = (state * weight).sum(1, keepdim=True)
        mean = total / weight.sum(1, keepdim=True)
        away = self.env.difference(state, mean.expand_as(state))
        return (away * weight).cpu().numpy()

    @property
    def visited(self) -> np.ndarray:
        """Whether the expert's episode was in a state before or at its end, (R, E, T+1) bool."""
        length = self.record.arrays["length"][0]
        times = np.arange(self.record.horizon + 1)
        return times <= length[..., None]

    @asked_once
    def spreads(self) -> np.ndarray:
        """Standard deviations (R, D) of the expert's states along their directions, the most visited first."""
        lengths = np.linalg.svd(self.demonstrated, compute_uv=False)
        states = self.visited.sum((1, 2))
        return lengths / np.sqrt(states)[:, None]


@dataclass(frozen=True)
class Assessment:
    """One learner of a Record, and whatever is at hand to ask further.

    Attributes:
        reference: the Record, its environment and its expert.
        learner: the learner's number in it; 0 is the expert.
        policy_or_reason: the policy, or the reason why it cannot be had.
        answers: what was asked so far.
    """

    reference: Reference
    learner: int
    policy_or_reason: Policy | Expert | str
    answers: dict[str, Any] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        """The comparison."""
        return self.reference.record

    @property
    def env(self) -> Env:
        """The environment."""
        return self.reference.env

    @property
    def policy(self) -> Policy | Expert:
        """The learner's policy.

        Raises:
            Unanswerable: with the reason why it cannot be had.
        """
        policy: Policy | Expert = _available(self.policy_or_reason)
        return policy

    @property
    def horizon(self) -> int:
        """Steps in a rollout, T."""
        return self.record.horizon

    def array(self, name: str) -> np.ndarray:
        """One array of the learner in the Record, (R, E, ...)."""
        return self.record.arrays[name][self.learner]

    def experts(self, name: str) -> np.ndarray:
        """The same array of the expert, (R, E, ...)."""
        return self.record.arrays[name][0]

    @property
    def path(self) -> Rollout:
        """The learner's first rollouts of each run."""
        return self.reference.path(self.learner)

    @property
    def final(self) -> np.ndarray:
        """Divergence (R, E) at the horizon."""
        return self.array("divergence")[..., -1]

    @cached_property
    def growth(self) -> list[Growth]:
        """The growth fit of each run, its class and interval included."""
        return self.record.growth(self.learner, resamples=300)

    @cached_property
    def alpha(self) -> np.ndarray:
        """Fitted growth a step of each run (R,)."""
        return np.array([fit.alpha for fit in self.growth])

    @cached_property
    def error_off(self) -> np.ndarray:
        """Mean action error of each run (R,) on the expert's states."""
        broke, length = self.experts("broke"), self.experts("length")
        return mean_error(self.array("error_off"), broke, length)

    @cached_property
    def error_on(self) -> np.ndarray:
        """Mean action error of each run (R,) on the learner's own states."""
        broke, length = self.array("broke"), self.array("length")
        return mean_error(self.array("error_on"), broke, length)

    @cached_property
    def gap(self) -> np.ndarray:
        """What each run (R,) loses of the expert's return, paired."""
        return self.record.cost_gap(self.learner)

    @asked_once
    def recoverability(self) -> np.ndarray:
        """What one wrong action costs, u of each run (R,), see `probes.recoverability`."""
        env = self.env
        known = self.reference
        cost = probes.recoverability(env, known.expert, self.path, known.streams)
        return cost.cpu().numpy()

    @asked_once
    def naive(self) -> np.ndarray:
        """L + L_a Lip(policy) of each run (R,): the growth that credits no cancellation."""
        env = self.env
        act = probes.acting(env, self.policy)
        slope = loops.sensitivity(env, act, self.reference.path())
        lipschitz = np.array(env.certificate().value)
        return lipschitz + self.reference.action_gain * slope.cpu().numpy()

    @asked_once
    def error_gain(self) -> np.ndarray:
        """L_a Lip(policy - expert) of each run (R,), as far as the expert's path shows it."""
        env = self.env
        known = self.reference
        act = probes.acting(env, self.policy)
        label = probes.acting(env, known.expert)

        def error(state: torch.Tensor) -> torch.Tensor:
            return act(state) - label(state)

        slope = loops.sensitivity(env, error, known.path())
        return known.action_gain * slope.cpu().numpy()

    @asked_once
    def small_gain(self) -> tuple[np.ndarray, np.ndarray]:
        """The small gain rho + C L_a Lip(policy - expert) of each run (R,), and its C (R,), see `loops.Contraction`."""
        return self.reference.contraction.small_gain(self.error_gain)

    @cached_property
    def lead_alive(self) -> np.ndarray:
        """Whether the expert's episode was alive at a step, (R, E, T) bool."""
        return self.record.alive(0)

    @cached_property
    def alive(self) -> np.ndarray:
        """Whether the learner's episode and its twin's were both alive at a step, (R, E, T) bool."""
        return self.record.alive(self.learner)

    @asked_once
    def excess(self) -> np.ndarray:
        """The largest D of each run (R,) as a part of its limit by the small gain; above 1 the estimate does not hold.

        The limit is fed by L_a times the largest error on the expert's path, see `loops.Contraction.limits`.
        """
        error = np.linalg.norm(self.array("error_off"), axis=-1)
        lived = np.where(self.lead_alive, error, 0.0)
        known = self.reference
        fed = known.action_gain * lived.max((1, 2))
        limits = known.contraction.limits(self.error_gain, fed)
        later = self.array("divergence")[..., 1:]
        drift = np.where(self.alive, later, 0.0).max(1)
        parts = ratio(drift, limits[:, 1:])
        return parts.max(1)

    @cached_property
    def disagrees(self) -> np.ndarray:
        """Whether the learner disagrees with the expert at a living step of the expert's path, (R, E, T) bool.

        Discrete actions disagree where they differ, Box actions by more than a part of the expert's own spread in that run.
        """
        error = np.linalg.norm(self.array("error_off"), axis=-1)
        runs = zip(error, self.experts("action"), self.lead_alive, strict=True)
        allowed = np.array(
            [_allowed(errors[lived], actions[lived]) for errors, actions, lived in runs]
        )
        apart: np.ndarray = np.logical_and(error > allowed[:, None, None], self.lead_alive)
        return apart

    @cached_property
    def ever_disagrees(self) -> np.ndarray:
        """Whether it does so anywhere, (R, E) bool."""
        ever: Any = self.disagrees.any(-1)
        return np.asarray(ever)

    @cached_property
    def first_disagreement(self) -> np.ndarray:
        """First step (R, E) at which it does; the horizon where it never does."""
        return np.where(self.ever_disagrees, self.disagrees.argmax(-1), self.horizon)


def _allowed(errors: np.ndarray, actions: np.ndarray) -> float:
    """The error up to which one agrees, of the errors (n,) and the expert's actions (n, U) of one run."""
    if np.isin(errors, (0, 1)).all():  # as errors of Discrete actions are
        return 0.0
    spread = np.linalg.norm(actions.std(0))
    return float(DISAGREEMENT * spread)


Quantity: TypeAlias = "Callable[[Assessment], np.ndarray]"
"""One number for each run (R,)."""


def _drift(part: float) -> Quantity:
    """A quantile of D over the rollouts."""

    def quantile(a: Assessment) -> np.ndarray:
        _require_lengths(a)
        return np.quantile(a.final, part, axis=1, method="inverted_cdf")

    return quantile


def _require_lengths(a: Assessment) -> None:
    """Refuse a D that is 0 or 1: its mean says all, and nothing grows in it."""
    if a.record.indicator:
        raise Unanswerable("D is 0 or 1 here: its arithmetic mean is the chance to be apart")


def _typical(a: Assessment) -> np.ndarray:
    """The median of D at the horizon; where D is 0 or 1, the chance to be apart."""
    return a.record.drift(a.learner, a.horizon)


def _of_fits(part: str) -> Quantity:
    """A part of the growth fit of each run."""

    def measure(a: Assessment) -> np.ndarray:
        _require_lengths(a)
        return np.array([getattr(fit, part) for fit in a.growth])

    return measure


LOST = "rollouts lost"
"""Share of a learner's rollouts that are lost, see `fates.Fates.lost`."""

ENDED = "rollouts that ended early"
"""Share of a learner's rollouts that the environment ended."""

EXPERT_ENDED = "expert's rollouts that ended early"
"""That of its twins'."""


def _lost(a: Assessment) -> np.ndarray:
    _require_lengths(a)
    return fates_of(a.record, a.learner).lost


def _ended(name: str) -> Quantity:
    """A share of rollouts that the environment ended."""
    return lambda a: VARIABLES[name].measure(a.record, a.learner)


def _geometric(a: Assessment) -> np.ndarray:
    _require_lengths(a)
    drift = a.final
    moved: np.ndarray = np.all(drift > 0, axis=1)
    logarithm = np.log(np.where(moved[:, None], drift, 1.0))
    means = np.exp(logarithm.mean(1))
    reason = "some rollouts end without any drift, whose logarithm there is none"
    return probes.where_answerable(means, moved, reason)


def _late_against_plateau(a: Assessment) -> np.ndarray:
    """Late median drift over the plateau that the fit predicts, for the saturating runs."""
    _require_lengths(a)
    half = a.horizon // 2
    later = a.array("divergence")[..., half:]
    late = np.median(later, axis=(1, 2))
    level = np.array([_plateau(fit) for fit in a.growth])
    if np.isnan(level).all():
        raise Unanswerable("no run is saturating")
    return late / level


def _plateau(fit: Growth) -> float:
    saturates = fit.kind == "saturating" and fit.plateau > 0
    return fit.plateau if saturates else math.nan


def _lyapunov(a: Assessment, path: Rollout) -> np.ndarray:
    growth = loops.lyapunov(a.env, a.policy, path, a.reference.streams)
    return growth.cpu().numpy()


def _learners_kick(a: Assessment) -> np.ndarray:
    env = a.env
    policy = a.policy
    probes.require_pure(env)
    drive = probes.driver(env, policy)
    calm = rollout(env, drive, a.reference.streams, PROBED)
    return a.reference.kicked(policy, calm)


def _first(a: Assessment) -> np.ndarray:
    """Kaplan-Meier median step of the first disagreement on the expert's path; inf where most never disagree."""
    return probes.kaplan_meier_medians(a.first_disagreement, a.ever_disagrees)


def _trajectory_bound(a: Assessment) -> np.ndarray:
    """R of the trajectory bound times the chance of a first disagreement.

    R is the width of the interval of 0 and all returns met: the expert's largest where no reward is negative.
    """
    experts = a.experts("reward").sum(-1)
    own = a.array("reward").sum(-1)
    largest = experts.max(-1).clip(0)
    smallest = own.min(-1).clip(None, 0)
    width = largest - smallest
    chance = a.ever_disagrees.mean(-1)
    return width * chance


def horizon_law(a: Assessment) -> tuple[np.ndarray, np.ndarray]:
    """Slope of log gap on log T for each run (R,), and whether a power explains it better than an exponential (R,)."""
    reason = "needs a loss at five horizons or more; some show none"
    lost = a.experts("reward") - a.array("reward")
    lost_so_far = lost.cumsum(-1).mean(1)
    shortest = max(4, a.horizon // 16)
    spaced = np.geomspace(shortest, a.horizon, 6)
    horizons = np.unique(spaced.astype(int))
    gaps = lost_so_far[:, horizons - 1]
    shown = (gaps > 0).all(1) & (len(horizons) >= 5)
    logs = np.log(np.where(shown[:, None], gaps, 1.0))
    slopes, power = _lines(np.log(horizons), logs)
    _, exponential = _lines(horizons, logs)
    return probes.where_answerable(slopes, shown, reason), power < exponential


def _lines(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes (R,) of the straight lines through points (n,) and (R, n), and sums of their squared residuals (R,)."""
    aside = x - x.mean()
    up = y - y.mean(-1, keepdims=True)
    product = aside * up
    square = aside * aside
    slopes = product.sum(-1) / square.sum()
    residuals = up - slopes[:, None] * aside
    squares = residuals * residuals
    return slopes, squares.sum(-1)


def _unexcited_angle(a: Assessment) -> np.ndarray:
    """Angle in degrees between the drift's main direction and the least visited direction of the demonstrations."""
    away = a.reference.demonstrated
    runs, _, size = away.shape
    if size < 2:
        raise Unanswerable("there is one direction only")
    lived = a.alive[..., None]
    delta = np.clip(a.array("delta")[:, :, 1:], -1e100, 1e100) * lived
    least = _directions(away)[:, -1]
    main = _directions(delta.reshape(runs, -1, size))[:, 0]
    product = (least * main).sum(-1)
    cosine = np.abs(product).clip(0, 1)
    return np.degrees(np.arccos(cosine))


def _directions(vectors: np.ndarray) -> np.ndarray:
    """The principal directions (R, D, D) of vectors (R, n, D), the longest first."""
    return np.linalg.svd(vectors, full_matrices=False)[2]


def _budget_of(a: Assessment) -> dict[str, Any]:
    """What the learner's log counted.

    Raises:
        Unanswerable: where the policy was trained elsewhere.
    """
    name = a.record.learners[a.learner]
    budget = a.record.index.budgets.get(name)
    if budget is None:
        raise Unanswerable("the policy was trained elsewhere")
    return vars(budget)


def _budget(name: str) -> Quantity:
    def measure(a: Assessment) -> np.ndarray:
        budget = _budget_of(a)
        spent = np.asarray(budget[name], dtype=float)
        return np.broadcast_to(spent, a.gap.shape)

    return measure


def _driven_episodes(a: Assessment) -> np.ndarray:
    """Episodes of each run (R,) that were driven to learn from; NaN where there were none.

    Raises:
        Unanswerable: where nobody drove in any, since the demonstrations were there before.
    """
    episodes = _budget("episodes")(a)
    return probes.where_answerable(episodes, episodes > 0, "no episodes were driven to learn from")


def _lost_collecting(a: Assessment) -> np.ndarray:
    """What the collecting policy lost of the expert's return, per episode; other episodes, so that it is not paired."""
    collected = _budget("collected")(a)
    each = collected / _driven_episodes(a)
    return a.record.returns(0) - each


def _early_ends(a: Assessment) -> np.ndarray:
    falls = _budget("falls")(a)
    return np.where(np.isnan(_driven_episodes(a)), np.nan, falls)


DRIFT: dict[str, Quantity] = {
    "D at the horizon, median": _drift(0.5),
    "D at the horizon, 10 %": _drift(0.1),
    "D at the horizon, 90 %": _drift(0.9),
    "D at the horizon, geometric mean": _geometric,
    "D at the horizon, arithmetic mean": lambda a: a.final.mean(1),
    "ceiling": lambda a: a.reference.ceilings,
    "D of two experts under independent noise": lambda a: a.reference.independent,
    "D / that": lambda a: ratio(_typical(a), a.reference.independent),
    "D / ceiling": lambda a: _typical(a) / a.reference.ceilings,
    LOST: _lost,
    ENDED: _ended("ended"),
    EXPERT_ENDED: _ended("expert_ended"),
}

GROWTH: dict[str, Quantity] = {
    "growth a step, fitted": _of_fits("alpha"),
    "deviation that a step adds": _of_fits("epsilon"),
    "late D / predicted plateau": _late_against_plateau,
    "growth a step, Lyapunov, learner's path": lambda a: _lyapunov(a, a.path),
    "growth a step, Lyapunov, expert's path": lambda a: _lyapunov(a, a.reference.path()),
    "kick forgotten after, learner": _learners_kick,
    "kick forgotten after, expert": lambda a: a.reference.kick,
}

CAUSES: dict[str, Quantity] = {
    "action error off (expert's states)": lambda a: a.error_off,
    "action error on (own states)": lambda a: a.error_on,
    "exposure gap on - off": lambda a: a.error_on - a.error_off,
    "exposure gap on / off": lambda a: ratio(a.error_on, a.error_off),
    "first disagreement, median step": _first,
    "no disagreement until the horizon": lambda a: 1 - a.ever_disagrees.mean(-1),
    "demonstrations' smallest deviation": lambda a: a.reference.spreads[:, -1],
    "demonstrations' largest deviation": lambda a: a.reference.spreads[:, 0],
    "drift to least covered direction, degrees": _unexcited_angle,
    "plant's response to a constant error": lambda a: a.reference.constant_response,
    "plant's response to zero-mean errors": lambda a: a.reference.zero_mean_response,
    "plant's response to the worst errors": lambda a: a.reference.worst_response,
}

BOUNDS: dict[str, Quantity] = {
    "naive growth L + L_a Lip(policy), estimate": lambda a: a.naive,
    "small gain rho + C L_a Lip(error), estimate": lambda a: a.small_gain[0],
    "C of the expert's loop, estimate": lambda a: a.small_gain[1],
    "naive / fitted growth": lambda a: a.naive / a.alpha,
    "small gain / fitted growth": lambda a: a.small_gain[0] / a.alpha,
    "largest D / limit by the small gain": lambda a: a.excess,
    "recoverability u, 95 % quantile": lambda a: a.recoverability,
    "cost gap / (T^2 error off)": lambda a: ratio(a.gap, a.horizon**2 * a.error_off),
    "cost gap / (u T error on)": lambda a: ratio(a.gap, a.recoverability * a.horizon * a.error_on),
    "cost gap / (R first disagreement)": lambda a: ratio(a.gap, _trajectory_bound(a)),
}

COST: dict[str, Quantity] = {
    "expert's return": lambda a: a.record.returns(0),
    "cost gap": lambda a: a.gap,
    "horizon exponent of the cost gap": lambda a: horizon_law(a)[0],
    "labels": _budget("labels"),
    "derivatives of the expert": _budget("derivatives"),
    "steps that the expert took over": _budget("interventions"),
    "changes of who drives": _budget("switches"),
    "environment steps": _budget("steps"),
    "return lost an episode while collecting": _lost_collecting,
    "episodes ended early while collecting": _early_ends,
    "updates": _budget("updates"),
    "seconds": _budget("seconds"),
}

HEADINGS: dict[str, dict[str, Quantity]] = {
    "drift": DRIFT,
    "growth": GROWTH,
    "causes": CAUSES,
    "bounds": BOUNDS,
    "cost": COST,
}
"""What is measured, in the order of the table, by what it answers: how far, how fast, why, how bad at most, at what cost."""


UNKNOWN: dict[str, str] = {
    "growth a step, Lyapunov, learner's path": loops.NOT_FREE,
    "growth a step, Lyapunov, expert's path": loops.NOT_FREE,
    "kick forgotten after, learner": probes.SWALLOWED,
    "kick forgotten after, expert": probes.SWALLOWED,
}
"""Why some runs may have no number while others have one, by the name of the quantity."""


def classes(a: Assessment, runs: np.ndarray) -> dict[str, int]:
    """How many of some runs are of which class of growth, the most frequent first, else whose run comes first."""
    counts = Counter(a.growth[run].kind for run in runs)
    return dict(counts.most_common())


def why_not_linear(a: Assessment, runs: np.ndarray) -> str:
    """Why no linear recursion foretells the deviations, in the first of some runs where none does; "" without one."""
    for run in runs:
        reason = a.growth[run].reason
        if reason:
            return f"{reason} (run {run})"
    return ""
