"""Probes: questions that are put to an environment, an expert and a policy by rolling out, once they are at hand.

Each probe works on one environment of R runs and returns one number for each run (R,), or says why it cannot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from ..core.chance import bound
from ..core.disturbance import anywhere
from ..core.env import Env, Expert, RecurrentExpert
from ..core.policy import Policy
from ..core.rollout import Driver, Rollout, action_size, by_expert, by_policy, ended, rest, rollout
from ..core.settings import require
from ..core.shifted import Shifted
from ..core.streams import Streams
from ..stats.intervals import typical


class Unanswerable(ValueError):
    """A probe that this environment or policy cannot be asked, with the reason."""


def driver(env: Env, who: Policy | Expert) -> Driver:
    """Whoever it is, at the wheel."""
    if isinstance(who, Expert):
        return by_expert(env, who)
    return by_policy(env, who)


def dial_coordinates(env: Env, state: torch.Tensor) -> torch.Tensor:
    """Which coordinates (X,) bool of states (R, E, X) the dial acts on: moving one alone makes a distance."""
    size = state.shape[-1]
    acted_on = [_makes_distance(env, state, place) for place in range(size)]
    return torch.tensor(acted_on, device=state.device)


def _makes_distance(env: Env, state: torch.Tensor, place: int) -> bool:
    """Whether moving one coordinate alone makes a distance."""
    moved = state.clone()
    moved[..., place] += 1e-3
    distance = env.distance(state, moved)
    apart = distance > 0
    return bool(apart.any())


def where_answerable(numbers: np.ndarray, answerable: np.ndarray, reason: str) -> np.ndarray:
    """Numbers (R,), NaN for the runs that are not `answerable` (R,): a run's answer depends on none of the others.

    Raises:
        Unanswerable: with the reason, where no run is.
    """
    if not answerable.any():
        raise Unanswerable(reason)
    return np.where(answerable, numbers, np.nan)


def require_pure(env: Env) -> None:
    """Refuse an environment that cannot be put into a state."""
    if env.foreign:
        raise Unanswerable(
            "needs an environment that can be put into a state; this one only steps on"
        )


def require_gradual(env: Env) -> None:
    """Refuse actions that are right or wrong and nothing in between."""
    if isinstance(env.action_space, spaces.Discrete):
        raise Unanswerable("needs actions that can be wrong by a little; these are Discrete")


def require_smooth(env: Env) -> None:
    """Refuse an environment in which nothing has a derivative."""
    require_pure(env)
    if isinstance(env.action_space, spaces.Discrete):
        raise Unanswerable("needs a derivative; Discrete actions have none")


def acting(env: Env, who: Policy | Expert) -> Callable[[torch.Tensor], torch.Tensor]:
    """Somebody's actions (R, E, U) as a function of the state (R, E, X).

    Raises:
        Unanswerable: when it is asked and remembers: its action is then no function of the state alone.
    """
    forgetful = "needs one without memory, who is a function of the state alone"
    if isinstance(who, RecurrentExpert):
        raise Unanswerable(forgetful)
    if isinstance(who, Expert):
        return who.act

    def act(state: torch.Tensor) -> torch.Tensor:
        seen = state if who.sees_state else env.observation(state)
        action, memory = who.act(seen)
        if memory is not None:
            raise Unanswerable(forgetful)
        return action

    return act


STEP = 1e-6
"""Half the width of central differences: in float64 they are then right to nine digits, clipped policies included."""

TINY = 1e-300
"""What lengths are kept above before they divide, or their logarithm is taken."""


FORGOTTEN = 1e-8
"""The part of a deviation below which nothing of it is left: derivatives are right to nine digits."""


def reacts(env: Env) -> torch.Tensor:
    """Whether a run's plant lets a deviation pass at all, (R, 1) bool: one whose dial is 0 forgets by nature."""
    certificate = env.certificate()
    dial = torch.tensor(certificate.value, device=env.device)
    return dial[:, None] > 0


def merges(
    env: Env, one: torch.Tensor, two: torch.Tensor, action: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """Whether the plant makes one state of two near ones (R, E), whoever acts: clipped or absorbed, or by nature."""
    exact = action.to(torch.float64)
    end = env.transition(one, exact, noise)
    other_end = env.transition(two, exact, noise)
    before = env.distance(one, two)
    left = env.distance(end, other_end)
    return left <= FORGOTTEN * before


def of_length_one(env: Env, state: torch.Tensor, way: torch.Tensor) -> torch.Tensor:
    """Directions (R, E, X) at states (R, E, X), scaled to length one in the dial's metric."""
    beside = state + STEP * way
    length = env.distance(state, beside)
    kept = length[..., None].clamp_min(TINY)
    return way / kept * STEP


def noise_of(env: Env, streams: Streams, episodes: int) -> tuple[torch.Tensor, ...]:
    """What a rollout under these streams is disturbed by, (R, E, W) for each step."""
    noise = streams.normal("noise", episodes, env.horizon, env.noise_size)
    return noise.unbind(2)


def recoverability(
    env: Env, expert: Expert, path: Rollout, streams: Streams, samples: int = 256
) -> torch.Tensor:
    """What one wrong action costs an expert who takes over after it, u (R,): the 95 % quantile of V* - Q*.

    Visited states (t, s) and actions are sampled; the expert then drives on under shared noise to the horizon. The
    maximum would be biased by noise, the quantile is not.

    Raises:
        Unanswerable: for an environment that cannot be put into a state.
    """
    require_pure(env)
    streams = streams.fork("recoverability")
    start, time = _visited(path, streams, samples)
    left = path.action.shape[2] - time
    noise = noise_of(env, streams, samples)
    draw = streams.uniform("action", samples, action_size(env))
    wrong = anywhere(env, draw)
    drive = by_expert(env, expert)
    value, _ = rest(env, drive, start, left, noise)
    after_wrong, _ = rest(env, drive, start, left, noise, wrong)
    cost = value - after_wrong
    return torch.quantile(cost, 0.95, dim=1)


def _visited(path: Rollout, streams: Streams, samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """States (R, n, X) drawn from the living steps of a path, and their times (R, n)."""
    runs, episodes, horizon = path.action.shape[:3]
    rows = torch.arange(runs, device=path.state.device)
    run = rows[:, None]
    episode = streams.integers("pick", episodes, samples)
    drawn = streams.integers("time", horizon, samples)
    length = path.length[run, episode]
    last = (length - 1).clamp_min(0)
    time = torch.minimum(drawn, last)
    state = path.state[run, episode, time]
    return state, time


@dataclass(frozen=True)
class Recovery:
    """Steps that a kick takes to be forgotten.

    Attributes:
        steps: (R, E) steps until the deviation stays below a tenth of the kick; all that were left where it never does.
        recovered: (R, E) bool; where False the time is censored, not missing.
        felt: (R, E) bool; where False the kick met an episode that was over, or a plant that is clipped or absorbed
            and swallows it, whoever acts.
    """

    steps: torch.Tensor
    recovered: torch.Tensor
    felt: torch.Tensor

    def median(self) -> np.ndarray:
        """Kaplan-Meier median of each run (R,) over the kicks that were felt; inf where fewer than half recover.

        NaN where fewer than half of the kicks were felt.

        Raises:
            Unanswerable: where that is so in every run.
        """
        steps = self.steps.cpu().numpy()
        recovered = self.recovered.cpu().numpy()
        felt = self.felt.cpu().numpy()
        rows = zip(steps, recovered, felt, strict=True)
        medians = [kaplan_meier_median(time[kick], done[kick]) for time, done, kick in rows]
        numbers = np.array(medians)
        known = felt.mean(1) >= 0.5
        return where_answerable(numbers, known, SWALLOWED)


SWALLOWED = (
    "when it is kicked it is clipped, absorbed or over: the kick is swallowed, not forgotten"
)


def kaplan_meier_medians(times: np.ndarray, happened: np.ndarray) -> np.ndarray:
    """The median of each run (R,), of times (R, E), see `kaplan_meier_median`."""
    rows = zip(times, happened, strict=True)
    medians = [kaplan_meier_median(*row) for row in rows]
    return np.array(medians)


def kaplan_meier_median(times: np.ndarray, happened: np.ndarray) -> float:
    """The time by which half have seen the event, under censoring; inf where the curve stays above one half."""
    from scipy.stats import CensoredData, ecdf

    if not happened.any():
        return math.inf
    censored = ~happened
    numbers = times.astype(float)
    data = CensoredData.right_censored(numbers, censored)
    curve = ecdf(data).sf
    below = curve.probabilities <= 0.5
    if not below.any():
        return math.inf
    first = below.argmax()
    return float(curve.quantiles[first])


def kick(
    env: Env,
    who: Policy | Expert,
    streams: Streams,
    calm: Rollout,
    size: float | np.ndarray,
    at: int,
) -> Recovery:
    """Push somebody by `size` in a random direction at step `at`, and see how long the push is felt.

    Args:
        env: the environment, R runs.
        who: policy or expert.
        streams: start, noise and direction.
        calm: the same driver's rollouts under these streams, E of each run.
        size: length of the kick in the dial's metric, one or one for each run (R,).
        at: the step of the kick.

    Raises:
        Unanswerable: for an environment that cannot be put into a state, or whose states cannot be a little apart.
    """
    require_pure(env)
    last = env.horizon - 1
    within = 0 <= at <= last
    require(within, f"at: expected a step from 0 to {last}, got {at}; kick within the horizon")
    state = calm.state[:, :, at]
    _, episodes, coordinates = state.shape
    draw = streams.fork("kick").normal("way", episodes, coordinates)
    acted_on = dial_coordinates(env, state)
    way = of_length_one(env, state, draw * acted_on)
    noise = noise_of(env, streams, episodes)
    sizes = torch.as_tensor(size, device=state.device).reshape(-1, 1, 1)
    kicked = state + sizes * way
    length = env.distance(state, kicked)
    small = (length > 0) & (length < 2 * sizes[..., 0])
    if not small.any():
        raise Unanswerable("needs states that can be a little apart; here there is nothing between")
    action = calm.action[:, :, at]
    swallowed = merges(env, kicked, state, action, noise[at])
    deviations = list(_apart(env, who, kicked, calm, noise, at))
    apart = torch.stack(deviations, -1)
    quiet = apart < 0.1 * sizes
    felt = small & (at < calm.length) & ~(swallowed & reacts(env))
    return _recovery(quiet, felt)


def _recovery(quiet: torch.Tensor, felt: torch.Tensor) -> Recovery:
    """When a deviation that is small at some steps (R, E, n) is small for good."""
    backwards = quiet.flip(-1).int()
    lasting = backwards.cummin(-1).values
    for_good = lasting.flip(-1)
    recovered = for_good.any(-1)
    first = for_good.argmax(-1) + 1
    never = quiet.shape[-1]
    steps = torch.where(recovered, first, never)
    return Recovery(steps, recovered, felt)


@torch.no_grad()
def _apart(
    env: Env,
    who: Policy | Expert,
    state: torch.Tensor,
    calm: Rollout,
    noise: tuple[torch.Tensor, ...],
    at: int = 0,
) -> Iterator[torch.Tensor]:
    """Deviations (R, E) from a calm path, step by step, of one that is in `state` at step `at`."""
    drive = driver(env, who)
    over = ended(env, state)
    memory = _memory(drive, calm, at)
    for t in range(at, len(noise)):
        action, memory = drive(t, state, memory)
        exact = action.to(torch.float64)
        following = env.transition(state, exact, noise[t])
        finite = following.isfinite().all(-1)
        stays = over | ~finite
        state = torch.where(stays[..., None], state, following)
        over = over | ended(env, state)
        twin = calm.state[:, :, t + 1]
        yield env.distance(state, twin)


def _memory(drive: Driver, calm: Rollout, at: int) -> Any:
    """What a driver remembers at step `at` of its own path."""
    memory = None
    for t in range(at):
        state = calm.state[:, :, t]
        _, memory = drive(t, state, memory)
    return memory


def response(
    env: Env, expert: Expert, way: str, lead: Rollout, streams: Streams, size: float = 1e-3
) -> torch.Tensor:
    """Deviation a unit of error leaves at the horizon, D_T / epsilon (R,), median over rollouts, for one kind of error.

    Args:
        env: the environment, R runs.
        expert: who errs by a little.
        way: "constant" or "zero-mean", see `Shifted`, or "adversarial", see `_worst_end`.
        lead: the expert's rollouts without an error, E of each run.
        streams: start, noise and signs.
        size: epsilon, the length of the error of an action.

    Raises:
        Unanswerable: where actions are Discrete, or an adversary cannot try before it errs.
    """
    require_gradual(env)
    if way == "adversarial":
        end = _worst_end(env, expert, lead, streams, size)
    else:
        signs = streams.fork("probe")
        shifted = Shifted(env, expert, size, way, signs)
        end = _shifted_end(env, shifted, lead, streams)
    twin = lead.state[:, :, -1]
    apart = env.distance(end, twin)
    middle = apart.median(1)
    return middle.values / size


def _shifted_end(env: Env, shifted: Shifted, lead: Rollout, streams: Streams) -> torch.Tensor:
    """Last states (R, E, X) of an expert with an error."""
    episodes = lead.state.shape[1]
    drive = by_expert(env, shifted)
    twins = rollout(env, drive, streams, episodes)
    return twins.state[:, :, -1]


@torch.no_grad()
def _worst_end(
    env: Env, expert: Expert, lead: Rollout, streams: Streams, size: float
) -> torch.Tensor:
    """Last states (R, E, X) under a greedy adversary: of the errors +-epsilon in each action it makes the one after
    which the twins are furthest apart.
    """
    require_pure(env)
    _, episodes, horizon, size_of_action = lead.action.shape
    noise = noise_of(env, streams, episodes)
    directions = torch.eye(size_of_action, dtype=torch.float64, device=lead.state.device)
    upwards = size * directions
    errors = torch.cat((upwards, -upwards))
    state = lead.state[:, :, 0]
    over = ended(env, state)
    for t in range(horizon):
        label = expert.act(state).to(torch.float64)
        ends = [env.transition(state, label + error, noise[t]) for error in errors]
        twin = lead.state[:, :, t + 1]
        candidates = torch.stack(ends)
        worst = _furthest(env, candidates, twin)
        state = torch.where(over[..., None], state, worst)
        over = over | ended(env, state)
    return state


def _furthest(env: Env, ends: torch.Tensor, twin: torch.Tensor) -> torch.Tensor:
    """Of several ends (n, R, E, X) of each rollout the one (R, E, X) that is furthest from its twin."""
    distances = [env.distance(end, twin) for end in ends]
    apart = torch.stack(distances)
    furthest = apart.argmax(0)
    row = furthest[None, ..., None]
    rows = row.expand(1, *twin.shape)
    worst = ends.gather(0, rows)
    return worst[0]


def independent(env: Env, expert: Expert, lead: Rollout, streams: Streams) -> np.ndarray:
    """Distance (R,) at the horizon of two expert runs with one start and independent noise, see `intervals.typical`.

    Args:
        env: the environment, R runs.
        expert: who drives both.
        lead: the one rollout of each pair, E of each run.
        streams: those of the lead.

    Raises:
        Unanswerable: where nothing is random after the start, or the environment only steps on.
    """
    require_pure(env)
    episodes = lead.state.shape[1]
    others = streams.fork("independent")
    noise = noise_of(env, others, episodes)
    start = lead.state[:, :, 0]
    other = bound(env, expert, others, episodes)
    *_, last = _apart(env, other, start, lead, noise)
    apart = last.cpu().numpy()
    reason = "nothing is random after the start: two expert runs are one"
    some: np.ndarray = np.any(apart, axis=1)
    return where_answerable(typical(apart, env.indicator), some, reason)
