"""Quantities: what is measured of a learner in a Record, one number for each run, or the reason why it cannot be had.

The bounds T^2 error, u T error and R hold for errors counted as 0 or 1; where actions are a Box an error is a length,
and their ratios are units to compare with, not bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ..core.env import Env, Expert, RecurrentExpert
from ..core.policy import Policy
from ..core.rollout import Rollout
from ..core.streams import Streams
from ..records.record import Record
from ..stats.growth import Growth
from ..stats.intervals import mean_error, ratio
from . import probes
from .probes import Unanswerable

PROBED = 16
"""Rollouts of each run that are spent on each probe."""


KICK = 1e-3
"""Length of the kick whose recovery is timed, as a part of the ceiling."""


@dataclass(frozen=True)
class Assessment:
    """One learner of a Record, and whatever is at hand to ask further.

    Attributes:
        found: the comparison.
        learner: the learner's number in it; 0 is the expert.
        env: of all runs, or the reason why it cannot be had.
        expert: likewise.
        policy: likewise.
    """

    found: Record
    learner: int
    env: Env | str
    expert: Expert | str
    policy: Policy | Expert | str

    @property
    def horizon(self) -> int:
        """Steps in a rollout, T."""
        return int(self.found.arrays["reward"].shape[-1])

    def array(self, name: str, learner: int | None = None) -> np.ndarray:
        """One array of the learner (or of another) in the Record, (R, E, ...)."""
        return self.found.arrays[name][self.learner if learner is None else learner]

    def alive(self, learner: int) -> np.ndarray:
        """(R, E, T) bool."""
        return np.arange(self.horizon) < self.array("length", learner)[..., None]

    def having(self) -> tuple[Env, Expert, Any]:
        """Environment, expert and policy.

        Raises:
            Unanswerable: with the reason why one of them cannot be had.
        """
        if isinstance(self.expert, RecurrentExpert):
            raise Unanswerable("needs an expert without a memory, which answers in any state")
        for thing in (self.env, self.expert, self.policy):
            if isinstance(thing, str):
                raise Unanswerable(thing)
        return self.env, self.expert, self.policy  # type: ignore[return-value]

    @cached_property
    def streams(self) -> Streams:
        """Those that the rollouts of the Record were made with."""
        env = self.having()[0]
        return Streams(env.seeds, env.device).fork("evaluation")

    def path(self, learner: int) -> Rollout:
        """The first rollouts of each run, as `rollout` gave them."""
        parts = {
            n: torch.from_numpy(self.array(n, learner)[:, :PROBED].copy())
            for n in ("state", "action", "reward")
        }
        ends = {
            n: torch.from_numpy(self.array(n, learner)[:, :PROBED].copy())
            for n in ("length", "terminated", "broke")
        }
        return Rollout(**parts, **ends)

    @cached_property
    def growth(self) -> list[Growth]:
        """The growth fit of each run, its class and interval included."""
        return self.found.growth(self.learner, resamples=300)

    @cached_property
    def errors(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean action error of each run (R,) on the expert's states and on the learner's own."""
        off = mean_error(self.array("error_off"), self.array("broke", 0))
        return off, mean_error(self.array("error_on"), self.array("broke"))

    @cached_property
    def gap(self) -> np.ndarray:
        """What each run (R,) loses of the expert's return, paired."""
        return self.found.cost_gap(self.learner)

    @cached_property
    def recoverability(self) -> np.ndarray:
        """What one wrong action costs, u of each run (R,), see `probes.recoverability`."""
        env, expert, _ = self.having()
        return (
            probes.recoverability(env, expert, self.path(self.learner), self.streams).cpu().numpy()
        )

    @cached_property
    def independent(self) -> np.ndarray:
        """How far noise alone puts two experts apart, for each run (R,), see `probes.independent`."""
        env, expert, _ = self.having()
        return probes.independent(env, expert, self.streams, PROBED).cpu().numpy()

    @cached_property
    def naive(self) -> np.ndarray:
        """L + L_a Lip(policy) of each run (R,): the bound that credits no cancellation."""
        env, _, policy = self.having()
        slope = probes.sensitivity(env, probes.acting(env, policy), self.path(0))
        return np.array(env.certificate().value) + self.action_gain * slope.cpu().numpy()

    @cached_property
    def small_gain(self) -> np.ndarray:
        """The expert's own growth on its path plus L_a Lip(policy - expert), for each run (R,)."""
        env, expert, policy = self.having()
        path, act, label = self.path(0), probes.acting(env, policy), probes.acting(env, expert)
        own = probes.lyapunov(env, expert, path, self.streams).cpu().numpy()
        slope = probes.sensitivity(env, lambda state: act(state) - label(state), path)
        return own + self.action_gain * slope.cpu().numpy()

    @cached_property
    def action_gain(self) -> np.ndarray:
        """L_a of each run (R,), see `probes.action_gain`."""
        return probes.action_gain(self.having()[0], self.path(0), self.streams).cpu().numpy()

    @cached_property
    def alpha(self) -> np.ndarray:
        """Fitted growth a step of each run (R,)."""
        return np.array([g.alpha for g in self.growth])

    @cached_property
    def disagreement(self) -> tuple[np.ndarray, np.ndarray]:
        """First step (R, E) at which the learner on the expert's path disagrees, and whether it does (R, E).

        Discrete actions disagree where they differ, Box actions by more than a tenth of the expert's own spread.
        """
        error = np.linalg.norm(self.array("error_off"), axis=-1)
        spread = np.linalg.norm(self.array("action", 0).std((0, 1, 2)))
        wrong = (error > (0.1 * spread if spread > 0 else 0)) & self.alive(0)
        return np.where(wrong.any(-1), wrong.argmax(-1), self.horizon), wrong.any(-1)


Quantity = Callable[[Assessment], np.ndarray]


def _drift(part: float) -> Quantity:
    return lambda a: np.quantile(
        a.array("divergence")[..., -1], part, axis=1, method="inverted_cdf"
    )


def _geometric(a: Assessment) -> np.ndarray:
    drift = a.array("divergence")[..., -1]
    if (drift == 0).any():
        raise Unanswerable("some rollouts end without any drift, whose logarithm there is none")
    return np.exp(np.log(drift).mean(1))


def _ceiling(a: Assessment) -> np.ndarray:
    return np.array([a.found.ceiling(r) for r in range(len(a.gap))])


def _late_against_plateau(a: Assessment) -> np.ndarray:
    """Late median drift over the plateau that the fit predicts, for the saturating runs."""
    late = np.median(a.array("divergence")[..., a.horizon // 2 :], axis=(1, 2))
    level = np.array(
        [g.plateau if g.kind == "saturating" and g.plateau > 0 else np.nan for g in a.growth]
    )
    if np.isnan(level).all():
        raise Unanswerable("no run is saturating")
    return late / level


def _lyapunov(learner_path: bool) -> Quantity:
    def measure(a: Assessment) -> np.ndarray:
        env, _, policy = a.having()
        path = a.path(a.learner if learner_path else 0)
        return probes.lyapunov(env, policy, path, a.streams).cpu().numpy()

    return measure


def _kick(who: str) -> Quantity:
    def measure(a: Assessment) -> np.ndarray:
        env, expert, policy = a.having()
        size = KICK * float(np.min(_ceiling(a)))
        chosen = expert if who == "expert" else policy
        return probes.kick(env, chosen, a.streams, PROBED, size, at=env.horizon // 4).median()

    return measure


def _bound(denominator: Callable[[Assessment], np.ndarray]) -> Quantity:
    return lambda a: ratio(a.gap, denominator(a))


def _reward_range(a: Assessment) -> np.ndarray:
    """The largest return seen, R of the trajectory bound, times the chance of a first disagreement."""
    largest = a.array("reward", 0).sum(-1).max(-1)
    return largest * a.disagreement[1].mean(-1)


def horizon_law(a: Assessment) -> tuple[np.ndarray, np.ndarray]:
    """Slope of log gap on log T for each run (R,), and whether a power explains it better than an exponential (R,)."""
    gaps = (a.array("reward", 0) - a.array("reward")).cumsum(-1).mean(1)
    horizons = np.unique(np.geomspace(max(4, a.horizon // 16), a.horizon, 6).astype(int))
    if len(horizons) < 5 or (gaps[:, horizons - 1] <= 0).any():
        raise Unanswerable("needs a loss at five horizons or more; some show none")
    logs, x = np.log(gaps[:, horizons - 1]).T, np.log(horizons)
    power, exponential = (np.polyfit(at, logs, 1, full=True) for at in (x, horizons))
    return power[0][0], power[1] < exponential[1]


def _demonstrated(a: Assessment) -> np.ndarray:
    """What the expert's states differ by from their mean, (R, E T, D), along the directions of the dial."""
    env = a.having()[0]
    state = torch.from_numpy(a.array("state", 0)).flatten(1, 2)
    return env.difference(state, state.mean(1, keepdim=True).expand_as(state)).cpu().numpy()


def _coverage(which: int) -> Quantity:
    """Standard deviation of the expert's states along their most (0) or least (-1) visited direction of the dial."""

    def measure(a: Assessment) -> np.ndarray:
        away = _demonstrated(a)
        return np.linalg.svd(away, compute_uv=False)[:, which] / math.sqrt(away.shape[1])

    return measure


def _unexcited_angle(a: Assessment) -> np.ndarray:
    """Angle in degrees between the drift's main direction and the least visited direction of the demonstrations."""
    away = _demonstrated(a)
    if away.shape[-1] < 2:
        raise Unanswerable("there is one direction only")
    delta = np.clip(a.array("delta"), -1e100, 1e100).reshape(len(away), -1, away.shape[-1])
    least = np.linalg.svd(away, full_matrices=False)[2][:, -1]
    main = np.linalg.svd(delta, full_matrices=False)[2][:, 0]
    return np.degrees(np.arccos(np.clip(np.abs((least * main).sum(-1)), 0, 1)))


def _response(way: str) -> Quantity:
    def measure(a: Assessment) -> np.ndarray:
        env, expert, _ = a.having()
        return probes.response(env, expert, way, a.streams, PROBED).cpu().numpy()

    return measure


def _budget(name: str) -> Quantity:
    def measure(a: Assessment) -> np.ndarray:
        budget = a.found.config["budgets"].get(a.found.learners[a.learner])
        if budget is None:
            raise Unanswerable("no learner signed this policy")
        return np.broadcast_to(np.asarray(budget[name], dtype=float), a.gap.shape)

    return measure


def _collecting(a: Assessment) -> tuple[int, np.ndarray, np.ndarray]:
    """Episodes that were driven to learn from; their returns and early ends, summed, (R,) each.

    Raises:
        Unanswerable: where nobody drove, since the demonstrations were there before.
    """
    collected, falls = _budget("collected")(a), _budget("falls")(a)
    episodes = a.found.config["budgets"][a.found.learners[a.learner]]["episodes"]
    if not episodes:
        raise Unanswerable("no episodes were driven to learn from")
    return episodes, collected, falls


def _lost_collecting(a: Assessment) -> np.ndarray:
    """What the collecting policy lost of the expert's return, per episode; other episodes, so that it is not paired."""
    episodes, collected, _ = _collecting(a)
    return a.array("reward", 0).sum(-1).mean(-1) - collected / episodes


QUANTITIES: dict[str, Quantity] = {
    "D at the horizon, median": _drift(0.5),
    "D at the horizon, 10 %": _drift(0.1),
    "D at the horizon, 90 %": _drift(0.9),
    "D at the horizon, geometric mean": _geometric,
    "D at the horizon, arithmetic mean": lambda a: a.array("divergence")[..., -1].mean(1),
    "ceiling": _ceiling,
    "D of two experts under independent noise": lambda a: a.independent,
    "D / that": lambda a: ratio(_drift(0.5)(a), a.independent),
    "D / ceiling": lambda a: _drift(0.5)(a) / _ceiling(a),
    "growth a step, fitted": lambda a: a.alpha,
    "deviation that a step adds": lambda a: np.array([g.epsilon for g in a.growth]),
    "late D / predicted plateau": _late_against_plateau,
    "growth a step, Lyapunov, learner's path": _lyapunov(True),
    "growth a step, Lyapunov, expert's path": _lyapunov(False),
    "naive bound L + L_a Lip(policy)": lambda a: a.naive,
    "small gain rho + L_a Lip(error)": lambda a: a.small_gain,
    "naive bound / fitted growth": lambda a: a.naive / a.alpha,
    "small gain / fitted growth": lambda a: a.small_gain / a.alpha,
    "action error off (expert's states)": lambda a: a.errors[0],
    "action error on (own states)": lambda a: a.errors[1],
    "exposure gap on - off": lambda a: a.errors[1] - a.errors[0],
    "exposure gap on / off": lambda a: ratio(a.errors[1], a.errors[0]),
    "first disagreement, median step": lambda a: _first(a),
    "no disagreement until the horizon": lambda a: 1 - a.disagreement[1].mean(-1),
    "recoverability u": lambda a: a.recoverability,
    "kick forgotten after, learner": _kick("learner"),
    "kick forgotten after, expert": _kick("expert"),
    "cost gap": lambda a: a.gap,
    "cost gap / (T^2 error off)": _bound(lambda a: a.horizon**2 * a.errors[0]),
    "cost gap / (u T error on)": _bound(lambda a: a.recoverability * a.horizon * a.errors[1]),
    "cost gap / (R first disagreement)": _bound(_reward_range),
    "horizon exponent of the cost gap": lambda a: horizon_law(a)[0],
    "labels": _budget("labels"),
    "environment steps": _budget("steps"),
    "return lost an episode while collecting": _lost_collecting,
    "episodes ended early while collecting": lambda a: _collecting(a)[2],
    "updates": _budget("updates"),
    "seconds": _budget("seconds"),
    "demonstrations' smallest deviation": _coverage(-1),
    "demonstrations' largest deviation": _coverage(0),
    "drift to least covered direction, degrees": _unexcited_angle,
    "plant's response to a constant error": _response("constant"),
    "plant's response to zero-mean errors": _response("zero-mean"),
    "plant's response to the worst errors": _response("adversarial"),
}
"""What is measured, in the order of the table; each gives one number for each run (R,)."""


def _first(a: Assessment) -> np.ndarray:
    """Kaplan-Meier median step of the first disagreement on the expert's path; inf where most never disagree."""
    return np.array(
        [probes.kaplan_meier_median(s, d) for s, d in zip(*a.disagreement, strict=True)]
    )


def classes(a: Assessment, runs: np.ndarray) -> str:
    """The classes of the growth of some runs, the most frequent first, such as "explosive 7, marginal 1"."""
    kinds = [a.growth[r].kind for r in runs]
    return ", ".join(
        f"{kind} {kinds.count(kind)}" for kind in sorted(set(kinds), key=kinds.count, reverse=True)
    )
