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

from ..core.env import Env, Expert, RecurrentExpert
from ..core.policy import Policy
from ..core.rollout import Driver, Rollout, action_size, by_expert, by_policy, ended, rollout
from ..core.settings import require
from ..core.streams import Streams


class Unanswerable(ValueError):
    """A probe that this environment or policy cannot be asked, with the reason."""


def driver(env: Env, who: Policy | Expert) -> Driver:
    """Whoever it is, at the wheel."""
    return by_expert(env, who) if isinstance(who, Expert) else by_policy(env, who)


def dial_coordinates(env: Env, state: torch.Tensor) -> torch.Tensor:
    """Which coordinates (X,) bool of states (R, E, X) the dial acts on: moving one alone makes a distance."""
    acted_on = []
    for i in range(state.shape[-1]):
        moved = state.clone()
        moved[..., i] += 1e-3
        distance = env.distance(state, moved)
        acted_on.append(bool((distance > 0).any()))
    return torch.tensor(acted_on, device=state.device)


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


def _require_smooth(env: Env) -> None:
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
        action, memory = who.act(env.observation(state))
        if memory is not None:
            raise Unanswerable(forgetful)
        return action

    return act


STEP = 1e-6
"""Half the width of central differences: in float64 they are then right to nine digits, clipped policies included."""

TINY = 1e-300
"""What lengths are kept above before they divide, or their logarithm is taken."""


def _of_length_one(env: Env, state: torch.Tensor, way: torch.Tensor) -> torch.Tensor:
    """Directions (R, E, X) at states (R, E, X), scaled to length one in the dial's metric."""
    length = env.distance(state, state + STEP * way)
    return way / length[..., None].clamp_min(TINY) * STEP


def _noise(env: Env, streams: Streams, episodes: int) -> tuple[torch.Tensor, ...]:
    """What a rollout under these streams is disturbed by, (R, E, W) for each step."""
    return streams.normal("noise", episodes, env.horizon, env.noise_size).unbind(2)


@torch.no_grad()
def lyapunov(env: Env, who: Policy | Expert, path: Rollout, streams: Streams) -> torch.Tensor:
    """Growth a step (R,) of an infinitesimal deviation along somebody's path, exp of the largest Lyapunov exponent.

    A tangent vector is carried along the living steps of every rollout by the closed loop's derivative and renormalised
    at each step; the geometric mean of its stretches is the number.

    Raises:
        Unanswerable: for Discrete actions, an environment that cannot be put into a state, or a policy that remembers.
    """
    _require_smooth(env)
    episodes, horizon = path.action.shape[1:3]
    noise = _noise(env, streams, episodes)
    keep = dial_coordinates(env, path.state[:, :, 0])
    act = acting(env, who)
    start = streams.fork("tangent").normal("start", episodes, path.state.shape[-1])
    way = start * keep
    total = torch.zeros(path.length.shape, dtype=torch.float64, device=way.device)
    for t in range(horizon):
        state = path.state[:, :, t]
        way = _of_length_one(env, state, way)
        above = state + STEP * way
        below = state - STEP * way
        end_above = env.transition(above, act(above), noise[t])
        end_below = env.transition(below, act(below), noise[t])
        stretch = env.distance(end_above, end_below) / (2 * STEP)
        logarithm = stretch.clamp_min(TINY).log()
        alive = t < path.length
        total += torch.where(alive, logarithm, torch.zeros_like(stretch))
        moved = (end_above - end_below) * keep
        way = torch.where(stretch[..., None] > 0, moved, way)
    steps = path.length.sum(1).clamp_min(1)
    return (total.sum(1) / steps).exp()


def action_gain(env: Env, path: Rollout) -> torch.Tensor:
    """L_a (R,): the largest stretch from an action to the next state that is met along a path."""
    _require_smooth(env)
    state = path.state[:, :, :-1:10].flatten(1, 2)
    action = path.action[:, :, ::10].flatten(1, 2)
    noise = torch.zeros(*state.shape[:2], env.noise_size, dtype=torch.float64, device=state.device)
    columns = []
    for i in range(action.shape[-1]):
        moved = action.clone()
        inwards = torch.where(action[..., i] > 0, -1.0, 1.0)  # off the clip
        moved[..., i] += STEP * inwards
        ends = env.transition(state, moved, noise), env.transition(state, action, noise)
        shift = moved - action
        columns.append(env.difference(*ends) / shift[..., i, None])
    return _largest_norm(columns)


@torch.no_grad()
def sensitivity(
    env: Env, act: Callable[[torch.Tensor], torch.Tensor], path: Rollout
) -> torch.Tensor:
    """Lip (R,) of actions (R, E, U) = act(state) in the dial's metric, as far as the states of a path show it."""
    _require_smooth(env)
    state = path.state[:, :, :-1:10].flatten(1, 2)
    columns = []
    for i in dial_coordinates(env, state).nonzero()[:, 0].tolist():
        shift = torch.zeros_like(state)
        shift[..., i] = STEP
        apart = env.distance(state + shift, state - shift)[..., None]
        change = act(state + shift) - act(state - shift)
        columns.append(change / apart.clamp_min(TINY))
    return _largest_norm(columns)


def _largest_norm(columns: list[torch.Tensor]) -> torch.Tensor:
    """The largest spectral norm (R,) of the Jacobians (R, n, D, columns)."""
    norms = torch.linalg.matrix_norm(torch.stack(columns, -1), 2)
    return norms.amax(1)


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
    runs, episodes, horizon = path.action.shape[:3]
    row = torch.arange(runs, device=path.state.device)[:, None]
    episode = streams.integers("pick", episodes, samples)
    last = path.length[row, episode] - 1
    drawn = streams.integers("time", horizon, samples)
    time = torch.minimum(drawn, last.clamp_min(0))
    start = path.state[row, episode, time]
    left = horizon - time
    noise = streams.normal("noise", samples, horizon, env.noise_size).unbind(2)
    wrong = _any_action(env, streams, samples)
    value = _return(env, expert, start, left, noise, None)
    after_wrong = _return(env, expert, start, left, noise, wrong)
    return torch.quantile(value - after_wrong, 0.95, dim=1)


def _any_action(env: Env, streams: Streams, samples: int) -> torch.Tensor:
    draw = streams.uniform("action", samples, action_size(env))
    if isinstance(env.action_space, spaces.Discrete):
        return (draw * int(env.action_space.n)).floor()
    low = torch.as_tensor(np.clip(env.action_space.low, -1e3, 1e3), device=draw.device)
    high = torch.as_tensor(np.clip(env.action_space.high, -1e3, 1e3), device=draw.device)
    return low + (high - low) * draw


@torch.no_grad()
def _return(
    env: Env, expert: Expert, state: torch.Tensor, left: torch.Tensor, noise: Any, opening: Any
) -> torch.Tensor:
    """The expert's return (R, n) over the `left` steps from `state`, after an opening action where one is given."""
    total = torch.zeros(state.shape[:2], dtype=torch.float64, device=state.device)
    over = ended(env, state)
    for t in range(int(left.max())):
        opens = t == 0 and opening is not None
        action = opening if opens else expert.act(state).to(torch.float64)
        following = env.transition(state, action, noise[t])
        live = ~over & (t < left)
        reward = env.reward(state, action, following)
        total += torch.where(live, reward, torch.zeros_like(total))
        state = torch.where(live[..., None], following, state)
        over = over | ended(env, state)
    return total


@dataclass(frozen=True)
class Recovery:
    """Steps that a kick takes to be forgotten.

    Attributes:
        steps: (R, E) steps until the deviation stays below a tenth of the kick; all that were left where it never does.
        recovered: (R, E) bool; where False the time is censored, not missing.
    """

    steps: torch.Tensor
    recovered: torch.Tensor

    def median(self) -> np.ndarray:
        """Kaplan-Meier median of each run (R,); inf where fewer than half recover."""
        rows = zip(self.steps.cpu().numpy(), self.recovered.cpu().numpy(), strict=True)
        return np.array([kaplan_meier_median(steps, done) for steps, done in rows])


def kaplan_meier_median(times: np.ndarray, happened: np.ndarray) -> float:
    """The time by which half have seen the event, under censoring; inf where the curve stays above one half."""
    from scipy.stats import CensoredData, ecdf

    if not happened.any():
        return math.inf
    curve = ecdf(CensoredData.right_censored(times.astype(float), ~happened)).sf
    below = np.flatnonzero(curve.probabilities <= 0.5)
    return float(curve.quantiles[below[0]]) if len(below) else math.inf


def kick(
    env: Env, who: Policy | Expert, streams: Streams, calm: Rollout, size: float, at: int
) -> Recovery:
    """Push somebody by `size` in a random direction at step `at`, and see how long the push is felt.

    Args:
        env: the environment, R runs.
        who: policy or expert.
        streams: start, noise and direction.
        calm: the same driver's rollouts under these streams, E of each run.
        size: length of the kick in the dial's metric.
        at: the step of the kick.

    Raises:
        Unanswerable: for an environment that cannot be put into a state.
    """
    require_pure(env)
    require(
        0 <= at < env.horizon,
        f"at: expected a step from 0 to {env.horizon - 1}, got {at}; kick within the horizon",
    )
    episodes = calm.state.shape[1]
    state = calm.state[:, :, at]
    draw = streams.fork("kick").normal("way", episodes, state.shape[-1])
    way = _of_length_one(env, state, draw * dial_coordinates(env, state))
    noise = _noise(env, streams, episodes)
    deviations = list(_apart(env, who, state + size * way, calm, noise, at))
    felt = torch.stack(deviations, -1)
    return _recovery(felt < 0.1 * size)


def _recovery(quiet: torch.Tensor) -> Recovery:
    """When a deviation that is small at some steps (R, E, n) is small for good."""
    backwards = quiet.flip(-1).int().cummin(-1).values
    for_good = backwards.flip(-1)
    recovered = for_good.any(-1)
    first = for_good.argmax(-1) + 1
    return Recovery(torch.where(recovered, first, quiet.shape[-1]), recovered)


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
    drive, over = driver(env, who), ended(env, state)
    memory = _memory(drive, calm, at)
    for t in range(at, len(noise)):
        action, memory = drive(t, state, memory)
        following = env.transition(state, action.to(torch.float64), noise[t])
        broke = ~following.isfinite().all(-1, keepdim=True)
        state = torch.where(over[..., None] | broke, state, following)
        over = over | ended(env, state)
        yield env.distance(state, calm.state[:, :, t + 1])


def _memory(drive: Driver, calm: Rollout, at: int) -> Any:
    """What a driver remembers at step `at` of its own path."""
    memory = None
    for t in range(at):
        _, memory = drive(t, calm.state[:, :, t], memory)
    return memory


class Shifted(Expert):
    """The expert with an error added to its action: epsilon times a direction of unit length.

    It asks what the plant does with errors, without any learner.

    Args:
        env: the environment.
        expert: who is copied.
        size: epsilon.
        way: "constant" (one direction) or "zero-mean" (a new sign for each rollout and step).
        streams: signs of the zero-mean error.
    """

    def __init__(self, env: Env, expert: Expert, size: float, way: str, streams: Streams):
        require(
            way in ("constant", "zero-mean"), f"way: expected constant or zero-mean, got {way!r}"
        )
        self.env, self.expert, self.streams = env, expert, streams
        self.size, self.way = size, way
        self.asked = 0

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`; each call takes the next sign."""
        label = self.expert.act(state)
        length = math.sqrt(label.shape[-1])
        return label + self.size * self._sign(label) / length

    def _sign(self, label: torch.Tensor) -> torch.Tensor:
        if self.way == "constant":
            return torch.ones_like(label)
        streams = self.streams.fork("sign", self.asked)
        draw = streams.uniform("sign", label.shape[1], label.shape[-1])
        self.asked += 1
        return torch.where(draw < 0.5, -1.0, 1.0)


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
        shifted = Shifted(env, expert, size, way, streams.fork("probe"))
        episodes = lead.state.shape[1]
        end = rollout(env, by_expert(env, shifted), streams, episodes).state[:, :, -1]
    apart = env.distance(end, lead.state[:, :, -1])
    return apart.median(1).values / size


@torch.no_grad()
def _worst_end(
    env: Env, expert: Expert, lead: Rollout, streams: Streams, size: float
) -> torch.Tensor:
    """Last states (R, E, X) under a greedy adversary: of the errors +-epsilon in each action it makes the one after
    which the twins are furthest apart.
    """
    require_pure(env)
    episodes = lead.action.shape[1]
    noise = _noise(env, streams, episodes)
    directions = torch.eye(lead.action.shape[-1], dtype=torch.float64, device=lead.state.device)
    upwards = size * directions
    errors = torch.cat((upwards, -upwards))
    state = lead.state[:, :, 0]
    over = ended(env, state)
    for t in range(env.horizon):
        label = expert.act(state).to(torch.float64)
        twin = lead.state[:, :, t + 1]
        ends = torch.stack([env.transition(state, label + error, noise[t]) for error in errors])
        apart = torch.stack([env.distance(end, twin) for end in ends])
        furthest = apart.argmax(0)[None, ..., None]
        worst = ends.gather(0, furthest.expand(1, *state.shape))[0]
        state = torch.where(over[..., None], state, worst)
        over = over | ended(env, state)
    return state


def independent(env: Env, expert: Expert, lead: Rollout, streams: Streams) -> torch.Tensor:
    """Distance (R,) at the horizon of two expert runs with one start and independent noise, median over rollouts.

    Args:
        env: the environment, R runs.
        expert: who drives both.
        lead: the one rollout of each pair, E of each run.
        streams: those of the lead.

    Raises:
        Unanswerable: where nothing is random after the start, or the environment only steps on.
    """
    require_pure(env)
    noise = _noise(env, streams.fork("independent"), lead.state.shape[1])
    *_, last = _apart(env, expert, lead.state[:, :, 0], lead, noise)
    if not last.any():
        raise Unanswerable("nothing is random after the start: two expert runs are one")
    return last.median(1).values
