"""Coupling: whether twins really share start and noise, looked at and not assumed.

What an environment draws from `noise` is the same for both twins by construction. An environment that others made draws
from generators of its own, which a common seed puts in the same place; the actions may move them on by different
numbers of draws, and from there on the twins have the same seed and not the same noise. Where these generators stand is
compared before every step. They are left where they are: keyed anew at each step they would give both twins the same
numbers again, but not within a step that draws a different number of them, and the episodes would no longer be those
that `reset(seed=...)` begins, which a Record promises to whoever replays it.

A generator that Python cannot see, in a simulator's own library, is not compared.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import numpy as np
import torch

from ..core.env import DrawingEnv, Env, Expert, RecurrentExpert
from ..core.registry import name_of
from ..core.rollout import Driver, Rollout, by_expert
from ..core.streams import Streams
from .rows import not_same_noise

ASKED_AGAIN = 8
"""First steps at which the expert is asked a second time, and as many later ones: a chance is caught at the first."""


AT_ONCE = 65_536
"""States whose transitions are computed in one call: more of them would not be faster, and take memory."""


class Watch:
    """A driver that notes where the environment's own generators stand before each step.

    Args:
        env: the environment, R runs.
        drive: who decides the actions.
    """

    def __init__(self, env: DrawingEnv, drive: Driver):
        self._env, self._drive = env, drive
        self._turns: list[list[np.ndarray]] = []

    def __call__(self, step: int, state: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `Driver`; where episodes take turns, each begins anew at step 0."""
        if step == 0:
            self._turns.append([])
        self._turns[-1].append(self._env.drawn())
        return self._drive(step, state, memory)

    def places(self, seen: Rollout) -> np.ndarray:
        """Where they stood before each step (R, E, T) of the rollout that was driven; zeros where it was not noted."""
        runs, episodes, horizon, _ = seen.action.shape
        all_episodes = runs * episodes
        places = np.zeros((horizon, all_episodes), dtype=np.int64)
        first = 0
        for turn in self._turns:
            noted = np.stack(turn)
            steps, count = noted.shape
            last = first + count
            places[:steps, first:last] = noted
            first = last
        if first != all_episodes:
            places[:] = 0
        return places.T.reshape(runs, episodes, horizon)


def uncoupled(env: Env, who: str, parted: np.ndarray) -> str:
    """What a reader must know where twins' generators came apart, `parted` (R, E, T) bool; "" where they did not."""
    places = np.argwhere(parted).tolist()
    if not places:
        return ""
    run, episode, step = min(places, key=itemgetter(2))
    first = f" (first at run {run}, episode {episode}, step {step})"
    rollouts = parted.any(-1)
    share = float(rollouts.mean())
    name = name_of(env)
    return not_same_noise(name, who, share, first)


def require_same_answers(env: Env, expert: Expert, lead: Rollout) -> None:
    """Ask the expert again in states of his own rollout: the same answers, or no twins.

    Who remembers is asked along the whole of it. Anybody else answers the state alone, and is asked at the first steps,
    from the last one backwards, and at the first one: whoever counts steps of his own is at another one by then.

    Raises:
        ValueError: with both answers.
    """
    if not lead.alive.any():
        return
    drive = by_expert(env, expert)
    memory = None
    states = lead.lived.unbind(2)
    longest = int(lead.length.max())
    for step in _steps_again(expert, longest):
        with torch.no_grad():
            answer, memory = drive(step, states[step], memory)
        _require_same(lead, step, answer)


def _steps_again(expert: Expert, steps: int) -> list[int]:
    """At which of so many steps an expert is asked again, in this order."""
    if isinstance(expert, RecurrentExpert):
        return list(range(steps))
    if steps <= ASKED_AGAIN:
        return [*range(steps), 0]
    first = range(ASKED_AGAIN)
    spread = np.linspace(steps - 1, ASKED_AGAIN, ASKED_AGAIN)
    numbers = spread.round().astype(int)
    later = dict.fromkeys(numbers.tolist())
    return [*first, *later, 0]


def _require_same(lead: Rollout, step: int, answer: torch.Tensor) -> None:
    """Refuse an expert's second answers (R, E, U) to the states at a step, where they are not the first ones."""
    given = lead.action[:, :, step]
    alive = lead.alive[:, :, step]
    apart = _apart(given, answer) & alive
    places = apart.nonzero().tolist()
    if not places:
        return
    run, episode = places[0]
    one = given[run, episode].tolist()
    two = answer[run, episode].tolist()
    where = f"at run {run}, episode {episode}, step {step}"
    advice = "let it act without a chance or a memory of its own"
    raise ValueError(
        f"expert: expected one answer to one state, got {one} and {two} {where}; {advice}"
    )


def repeats(env: Env, lead: Rollout, streams: Streams) -> bool:
    """Whether starts and transitions of a rollout are the same bits when they are asked for once more.

    Many steps at once, which costs a fraction of a second rollout. False proves nothing: an environment may only step
    on, or round otherwise in another company; then the second rollout decides.
    """
    runs, episodes, steps, _ = lead.action.shape
    drawn = streams.normal("noise", episodes, steps, env.noise_size)
    noise = drawn.to(lead.state.device)
    span = max(1, AT_ONCE // (runs * episodes))
    parts = [slice(first, first + span) for first in range(0, steps, span)]
    try:
        with torch.no_grad():
            if not all(_same_steps(env, lead, noise, part) for part in parts):
                return False
            start = env.initial(streams, episodes)
    except (ValueError, RuntimeError):
        return False
    before = lead.state[:, :, 0]
    return not _apart(start, before).any()


def _same_steps(env: Env, lead: Rollout, noise: torch.Tensor, part: slice) -> bool:
    """Whether some steps of all episodes lead to the same states again, as far as these were alive."""
    states = lead.state[:, :, :-1]
    following = lead.state[:, :, 1:]
    given = [array[:, :, part].flatten(1, 2) for array in (states, lead.action, noise)]
    after = following[:, :, part]
    flat = env.transition(*given)
    again = flat.reshape(after.shape)
    alive = lead.alive[:, :, part]
    apart = _apart(again, after) & alive
    return not apart.any()


def same_actions(lead: Rollout) -> Driver:
    """The actions of a rollout once more."""
    return lambda step, state, memory: (lead.action[:, :, step], memory)


def _apart(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Where two arrays (..., X) differ, (...); NaN equals NaN."""
    neither = one.isnan() & two.isnan()
    different = (one != two) & ~neither
    return different.any(-1)


def require_coupling(env: Env, one: Rollout, two: Rollout) -> None:
    """Two rollouts of the same actions under one noise are equal, or nothing measured here means anything."""
    apart = _apart(one.state, two.state)
    places = apart.nonzero().tolist()
    if places:
        run, episode, step = min(places, key=itemgetter(2))
        raise ValueError(
            f"twins: two rollouts of the expert in {name_of(env)} with the same seed part at run {run}, episode "
            f"{episode}, step {step}; the environment draws random numbers of its own: take them all from "
            "reset(seed=...) or from `noise`"
        )
