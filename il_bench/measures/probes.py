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

from ..core.env import Env, Expert
from ..core.policy import Policy
from ..core.rollout import Driver, Rollout, action_size, by_expert, by_policy, rollout
from ..core.settings import require
from ..core.streams import Streams


class Unanswerable(ValueError):
    """A probe that this environment or policy cannot be asked, with the reason."""


def driver(env: Env, who: Policy | Expert) -> Driver:
    """Whoever it is, at the wheel."""
    return by_expert(env, who) if isinstance(who, Expert) else by_policy(env, who)


def dial_coordinates(env: Env, state: torch.Tensor) -> torch.Tensor:
    """Which coordinates (X,) bool of states (R, E, X) the dial acts on: moving one alone makes a distance."""
    found = []
    for i in range(state.shape[-1]):
        moved = state.clone()
        moved[..., i] += 1e-3
        found.append(bool((env.distance(state, moved) > 0).any()))
    return torch.tensor(found, device=state.device)


def _require_pure(env: Env) -> None:
    if env.foreign:
        raise Unanswerable(
            "needs an environment that can be put into a state; this one only steps on"
        )


def _require_smooth(env: Env) -> None:
    _require_pure(env)
    if isinstance(env.action_space, spaces.Discrete):
        raise Unanswerable("needs a derivative; Discrete actions have none")


def acting(env: Env, who: Policy | Expert) -> Callable[[torch.Tensor], torch.Tensor]:
    """Somebody's actions (R, E, U) as a function of the state (R, E, X), without memory."""
    return who.act if isinstance(who, Expert) else lambda state: who.act(env.observation(state))[0]


STEP = 1e-6
"""Half the width of central differences: in float64 they are then right to nine digits, clipped policies included."""


def lyapunov(env: Env, who: Policy | Expert, path: Rollout, streams: Streams) -> torch.Tensor:
    """Growth a step (R,) of an infinitesimal deviation along somebody's path, exp of the largest Lyapunov exponent.

    A tangent vector is carried along the living steps of every rollout by the closed loop's derivative and renormalised
    at each step; the geometric mean of its stretches is the number.

    Raises:
        Unanswerable: for Discrete actions, or an environment that cannot be put into a state.
    """
    _require_smooth(env)
    episodes, horizon = path.action.shape[1:3]
    noise = streams.normal("noise", episodes, env.horizon, env.noise_size).unbind(2)
    keep, act = dial_coordinates(env, path.state[:, :, 0]), acting(env, who)
    way = streams.fork("tangent").normal("start", episodes, path.state.shape[-1]) * keep
    total = torch.zeros(path.length.shape, dtype=torch.float64, device=way.device)
    with torch.no_grad():
        for t in range(horizon):
            state = path.state[:, :, t]
            way = (
                way / env.distance(state, state + STEP * way)[..., None].clamp_min(1e-300) * STEP
            )  # of length one
            ends = [
                env.transition(s, act(s), noise[t])
                for s in (state + STEP * way, state - STEP * way)
            ]
            size = env.distance(*ends) / (2 * STEP)
            total += torch.where(
                t < path.length, size.clamp_min(1e-300).log(), torch.zeros_like(size)
            )
            moved = (ends[0] - ends[1]) * keep
            way = torch.where(size[..., None] > 0, moved, way)
    return (total.sum(1) / path.length.sum(1).clamp_min(1)).exp()


def action_gain(env: Env, path: Rollout, streams: Streams) -> torch.Tensor:
    """L_a (R,): the largest stretch from an action to the next state that is met along a path."""
    _require_smooth(env)
    state, action = (a[:, :, ::10].flatten(1, 2) for a in (path.state[:, :, :-1], path.action))
    noise = torch.zeros(*state.shape[:2], env.noise_size, dtype=torch.float64, device=state.device)
    columns = []
    for i in range(action.shape[-1]):
        moved = action.clone()
        moved[..., i] += STEP * torch.where(action[..., i] > 0, -1.0, 1.0)  # inwards, off the clip
        apart = env.difference(
            env.transition(state, moved, noise), env.transition(state, action, noise)
        )
        columns.append(apart / (moved - action)[..., i, None])
    return torch.linalg.matrix_norm(torch.stack(columns, -1), 2).amax(1)


def sensitivity(
    env: Env, act: Callable[[torch.Tensor], torch.Tensor], path: Rollout
) -> torch.Tensor:
    """Lip (R,) of actions (R, E, U) = act(state) in the dial's metric, as far as the states of a path show it."""
    _require_smooth(env)
    state = path.state[:, :, :-1:10].flatten(1, 2)
    columns = []
    with torch.no_grad():
        for i in dial_coordinates(env, state).nonzero()[:, 0].tolist():
            shift = torch.zeros_like(state)
            shift[..., i] = STEP
            apart = env.distance(state + shift, state - shift)[..., None].clamp_min(1e-300)
            columns.append((act(state + shift) - act(state - shift)) / apart)
    return torch.linalg.matrix_norm(torch.stack(columns, -1), 2).amax(1)


def recoverability(
    env: Env, expert: Expert, path: Rollout, streams: Streams, samples: int = 256
) -> torch.Tensor:
    """What one wrong action costs an expert who takes over after it, u (R,): the 95 % quantile of V* - Q*.

    Visited states (t, s) and actions are sampled; the expert then drives on under shared noise to the horizon. The
    maximum would be biased by noise, the quantile is not.

    Raises:
        Unanswerable: for an environment that cannot be put into a state.
    """
    _require_pure(env)
    streams = streams.fork("recoverability")
    runs, episodes, horizon = path.action.shape[:3]
    pick = streams.integers("pick", episodes, samples), streams.integers("time", horizon, samples)
    row = torch.arange(runs, device=path.state.device)[:, None]
    pick = pick[0], torch.minimum(pick[1], (path.length[row, pick[0]] - 1).clamp_min(0))
    start, left = path.state[row, pick[0], pick[1]], horizon - pick[1]
    noise = streams.normal("noise", samples, horizon, env.noise_size).unbind(2)
    first = _any_action(env, streams, samples)
    costs = [_return(env, expert, start, left, noise, opening) for opening in (None, first)]
    return torch.quantile(costs[0] - costs[1], 0.95, dim=1)


def _any_action(env: Env, streams: Streams, samples: int) -> torch.Tensor:
    draw = streams.uniform("action", samples, action_size(env))
    if isinstance(env.action_space, spaces.Discrete):
        return (draw * int(env.action_space.n)).floor()
    bounds = env.action_space.low, env.action_space.high
    low, high = (torch.as_tensor(np.clip(b, -1e3, 1e3), device=draw.device) for b in bounds)
    return low + (high - low) * draw


def _return(
    env: Env, expert: Expert, state: torch.Tensor, left: torch.Tensor, noise: Any, opening: Any
) -> torch.Tensor:
    """The expert's return (R, n) over the `left` steps from `state`, after an opening action where one is given."""
    total, over = (
        torch.zeros(state.shape[:2], dtype=torch.float64, device=state.device),
        env.terminal(state),
    )
    with torch.no_grad():
        for t in range(int(left.max())):
            action = (
                opening if t == 0 and opening is not None else expert.act(state).to(torch.float64)
            )
            following = env.transition(state, action, noise[t])
            live = ~over & (t < left)
            total += torch.where(
                live, env.reward(state, action, following), torch.zeros_like(total)
            )
            state = torch.where(live[..., None], following, state)
            over = over | env.terminal(state)
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
    env: Env, who: Policy | Expert, streams: Streams, episodes: int, size: float, at: int
) -> Recovery:
    """Push somebody by `size` in a random direction at step `at`, and see how long the push is felt.

    Args:
        env: the environment, R runs.
        who: policy or expert.
        streams: start, noise and direction.
        episodes: rollouts of each run, E.
        size: length of the kick in the dial's metric.
        at: the step of the kick.

    Raises:
        Unanswerable: for an environment that cannot be put into a state.
    """
    _require_pure(env)
    require(
        0 <= at < env.horizon,
        f"at: expected a step from 0 to {env.horizon - 1}, got {at}; kick within the horizon",
    )
    calm = rollout(env, driver(env, who), streams, episodes).state[:, :, at:]
    state = calm[:, :, 0]
    way = streams.fork("kick").normal("way", episodes, state.shape[-1]) * dial_coordinates(
        env, state
    )
    way = way / env.distance(state, state + 1e-6 * way)[..., None].clamp_min(1e-300) * 1e-6
    noise = streams.normal("noise", episodes, env.horizon, env.noise_size)[:, :, at:].unbind(2)
    felt = torch.stack(list(_apart(env, who, state + size * way, calm, noise)), -1)
    quiet = (felt < 0.1 * size).flip(-1).int().cummin(-1).values.flip(-1)  # from here on, for good
    recovered = quiet.any(-1)
    return Recovery(torch.where(recovered, quiet.argmax(-1) + 1, felt.shape[-1]), recovered)


def _apart(
    env: Env, who: Policy | Expert, state: torch.Tensor, calm: torch.Tensor, noise: Any
) -> Iterator[torch.Tensor]:
    """Deviations (R, E) from a calm path (R, E, T+1, X), step by step, of one that begins in `state`."""
    drive, memory, over = driver(env, who), None, env.terminal(state)
    with torch.no_grad():
        for t, gust in enumerate(noise):
            action, memory = drive(t, state, memory)
            following = env.transition(state, action.to(torch.float64), gust)
            state = torch.where(
                over[..., None] | ~following.isfinite().all(-1, keepdim=True), state, following
            )
            over = over | env.terminal(state)
            yield env.distance(state, calm[:, :, t + 1])


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
        self.env, self.expert, self.size, self.way, self.streams, self.asked = (
            env,
            expert,
            size,
            way,
            streams,
            0,
        )

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`; each call takes the next sign."""
        label = self.expert.act(state)
        sign = torch.ones_like(label)
        if self.way == "zero-mean":
            draw = self.streams.fork("sign", self.asked).uniform(
                "sign", state.shape[1], label.shape[-1]
            )
            sign, self.asked = torch.where(draw < 0.5, -1.0, 1.0), self.asked + 1
        return label + self.size * sign / math.sqrt(label.shape[-1])


def response(
    env: Env, expert: Expert, way: str, streams: Streams, episodes: int, size: float = 1e-3
) -> torch.Tensor:
    """Deviation a unit of error leaves at the horizon, D_T / epsilon (R,), median over rollouts, for one kind of error.

    Args:
        env: the environment, R runs.
        expert: who errs by a little.
        way: "constant" or "zero-mean", see `Shifted`, or "adversarial", see `_worst_end`.
        streams: start, noise and signs.
        episodes: rollouts of each run, E.
        size: epsilon, the length of the error of an action.

    Raises:
        Unanswerable: where actions are Discrete, or an adversary cannot try before it errs.
    """
    if isinstance(env.action_space, spaces.Discrete):
        raise Unanswerable("needs actions that can be wrong by a little; these are Discrete")
    lead = rollout(env, by_expert(env, expert), streams, episodes)
    if way == "adversarial":
        end = _worst_end(env, expert, lead, streams, size)
    else:
        shifted = Shifted(env, expert, size, way, streams.fork("probe"))
        end = rollout(env, by_expert(env, shifted), streams, episodes).state[:, :, -1]
    return env.distance(end, lead.state[:, :, -1]).median(1).values / size


def _worst_end(
    env: Env, expert: Expert, lead: Rollout, streams: Streams, size: float
) -> torch.Tensor:
    """Last states (R, E, X) under a greedy adversary: of the errors +-epsilon in each action it makes the one after
    which the twins are furthest apart.
    """
    _require_pure(env)
    episodes, size_of_action = lead.action.shape[1], lead.action.shape[-1]
    noise = streams.normal("noise", episodes, env.horizon, env.noise_size).unbind(2)
    errors = size * torch.eye(size_of_action, dtype=torch.float64, device=lead.state.device)
    state, over = lead.state[:, :, 0], env.terminal(lead.state[:, :, 0])
    with torch.no_grad():
        for t in range(env.horizon):
            label = expert.act(state).to(torch.float64)
            tried = torch.stack(
                [env.transition(state, label + e, noise[t]) for e in torch.cat((errors, -errors))]
            )
            apart = torch.stack([env.distance(one, lead.state[:, :, t + 1]) for one in tried])
            worst = tried.gather(0, apart.argmax(0)[None, ..., None].expand(1, *state.shape))[0]
            state = torch.where(over[..., None], state, worst)
            over = over | env.terminal(state)
    return state


def independent(env: Env, expert: Expert, streams: Streams, episodes: int) -> torch.Tensor:
    """Distance (R,) at the horizon of two expert runs with one start and independent noise, median over rollouts.

    Raises:
        Unanswerable: where nothing is random after the start, or the environment only steps on.
    """
    _require_pure(env)
    path = rollout(env, by_expert(env, expert), streams, episodes).state
    noise = (
        streams.fork("independent").normal("noise", episodes, env.horizon, env.noise_size).unbind(2)
    )
    *_, last = _apart(env, expert, path[:, :, 0], path, noise)
    if not last.any():
        raise Unanswerable("nothing is random after the start: two expert runs are one")
    return last.median(1).values
