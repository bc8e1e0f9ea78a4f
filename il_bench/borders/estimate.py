"""Estimating L of an environment that nobody certified: pairs of states a little apart, one step, how far apart then.

Where a copy can be put into a state, the pairs lie around the states that random actions visit, in the direction in
which the step stretches most there. Where it cannot, two copies with one seed part by their first action. Both are
ratios that a pair has shown: lower bounds, which say nothing about states that were not visited.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import gymnasium
import numpy as np

from .gymnasium_answers import stepped

EPISODES, STEPS = 8, 60
"""Resets, and random steps after each, that the pairs are found on."""


EVERY = 6
"""One state out of so many is examined where copies can be put into it."""


Ends: TypeAlias = "tuple[np.ndarray, np.ndarray] | None"
"""Observations before and after a step, or differences of such; None where it led out of the finite numbers."""


Step: TypeAlias = "Callable[[np.ndarray], Ends]"
"""One step from a state (X,)."""


SMALL = 1e-3
"""Of each coordinate's spread: how far the states of a pair lie apart. Observations are often rounded to 1e-7."""


@dataclass(frozen=True)
class Access:
    """How a copy is put into a state.

    Attributes:
        name: what holds the state, in words.
        get: the state of a copy, a flat array.
        put: puts a copy, just reset, into a state.
        see: its observation there, without a step.
    """

    name: str
    get: Callable[[Any], np.ndarray]
    put: Callable[[Any, np.ndarray], None]
    see: Callable[[Any], np.ndarray]


def _get_mujoco(inner: Any) -> np.ndarray:
    return np.concatenate((inner.data.qpos, inner.data.qvel))


def _put_mujoco(inner: Any, state: np.ndarray) -> None:
    places = inner.model.nq
    inner.set_state(state[:places].copy(), state[places:].copy())


def _get_own(inner: Any) -> np.ndarray:
    return inner.get_state()


def _put_own(inner: Any, state: np.ndarray) -> None:
    inner.set_state(state.copy())


def _get_attribute(inner: Any) -> np.ndarray:
    return np.array(inner.state, dtype=float)


def _observation(inner: Any) -> np.ndarray:
    """What a copy shows without a step: as its own method has it, or its state."""
    for name in ("_get_obs", "_get_ob"):
        method = getattr(inner, name, None)
        if method is not None:
            return np.asarray(method(), dtype=float)
    return np.asarray(inner.state, dtype=float)


def _put_attribute(inner: Any, state: np.ndarray) -> None:
    inner.state = np.array(state)


def _candidates(inner: Any) -> Iterator[Access]:
    """The ways into this environment's state that its attributes suggest."""
    settable = hasattr(inner, "set_state")
    if settable and hasattr(getattr(inner, "data", None), "qpos"):
        yield Access("qpos and qvel", _get_mujoco, _put_mujoco, _observation)
    elif settable and hasattr(inner, "get_state"):
        yield Access("get_state and set_state", _get_own, _put_own, _observation)
    elif np.ndim(getattr(inner, "state", 0)) == 1:
        yield Access("unwrapped.state", _get_attribute, _put_attribute, _observation)


def access(copy: gymnasium.Env) -> Access | None:
    """The way into an environment's state, tried out: a copy put into a state steps on as the original did."""
    copy.reset(seed=0)
    copy.action_space.seed(0)
    way = next(_candidates(copy.unwrapped), None)
    if way is None:
        return None
    try:
        works = all(_repeats(copy, way) for _ in range(5))
    except Exception:  # a stranger's attributes may mean anything; then copies are only stepped on
        return None
    return way if works else None


def _repeats(copy: gymnasium.Env, way: Access) -> bool:
    """Whether a copy put back into its state shows what it showed, and steps on as it did."""
    before = way.get(copy.unwrapped)
    shown = way.see(copy.unwrapped)
    action = copy.action_space.sample()
    expected = np.asarray(copy.step(action)[0], dtype=float)
    after = way.get(copy.unwrapped)
    again = _stepped(copy, way, 0, action, before)
    if again is None:
        return False
    way.put(copy.unwrapped, after)
    first, then = again
    same = bool(np.allclose(first, shown))
    return same and _near(then, expected, shown)


def _near(one: np.ndarray, two: np.ndarray, before: np.ndarray) -> bool:
    """Whether two observations after a step are the same, but for a solver that was started from elsewhere."""
    difference = np.linalg.norm(one - two)
    step = np.linalg.norm(two - before)
    allowed = 1e-6 + 1e-4 * step
    return bool(difference <= allowed)


def _stepped(copy: gymnasium.Env, way: Access, seed: int, action: Any, state: np.ndarray) -> Ends:
    """Observations before and after one step from a state; a reset first forgets whatever else a copy holds."""
    copy.reset(seed=seed)
    way.put(copy.unwrapped, state)
    before = np.array(way.see(copy.unwrapped))
    observation, *_ = stepped(copy, action)
    after = np.asarray(observation, dtype=float)
    both = np.concatenate((before, after), axis=None)
    if not np.isfinite(both).all():
        return None
    return before, after


def estimate(make: Callable[[], gymnasium.Env]) -> tuple[float, str]:
    """The largest stretch of a step that pairs have shown, and how it was looked for, in one sentence.

    Args:
        make: makes a copy of the environment, without a limit on its time.
    """
    copy = make()
    way = access(copy)
    stretches = list(_by_resets(copy) if way is None else _by_states(copy, way))
    copy.close()
    clear = np.array([stretch for stretch in stretches if math.isfinite(stretch)])
    if not len(clear):
        return math.nan, "no two copies could be brought apart by a little; nothing is known"
    if way is None:
        where = (
            f"in {len(clear)} steps of copies reset with one seed, their first actions different and all others equal "
            "(its state cannot be set)"
        )
    else:
        where = (
            f"around {len(clear)} states that random actions visit, {way.name} moved by {SMALL:g} of its spread in each "
            "coordinate and then in the steepest direction"
        )
    half = f"half of them stretch by less than {np.median(clear):.4g}"
    return float(clear.max()), f"a lower bound: the largest stretch of pairs {where}; {half}"


def _visited(copy: gymnasium.Env, way: Access) -> Iterator[tuple[int, np.ndarray, Any]]:
    """(reset, state, action) that random actions visit, some of them."""
    for episode in range(EPISODES):
        copy.reset(seed=episode)
        copy.action_space.seed(episode)
        for step in range(STEPS):
            action = copy.action_space.sample()
            if step % EVERY == 0:
                yield episode, way.get(copy.unwrapped), action
            _, _, over, cut = stepped(copy, action)
            if over or cut:
                break


def _by_states(copy: gymnasium.Env, way: Access) -> Iterator[float]:
    """The largest stretch at each visited state: of a pair for each coordinate, and one in the steepest direction."""
    places = list(_visited(copy, way))
    states = [state for _, state, _ in places]
    spread = np.std(states, axis=0)
    size = SMALL * (spread + SMALL)
    for seed, state, action in places:
        step = partial(_stepped, copy, way, seed, action)
        stretches = _stretches(step, state, size)
        if stretches:
            yield max(filter(math.isfinite, stretches), default=math.nan)


def _stretches(step: Step, state: np.ndarray, size: np.ndarray) -> list[float]:
    """How far a step stretches the moves of a state by `size` (X,), one by one, and the steepest; none where it fails.

    Args:
        step: takes a state, and gives the observations before and after, or None.
        state: (X,).
        size: (X,) of the moves.
    """
    here = step(state)
    ends = [step(state + move) for move in np.diag(size)]
    apart = [_differences(end, here) for end in ends]
    moves = [pair for pair in apart if pair is not None]
    if len(moves) < len(ends):
        return []
    first = np.array([before for before, _ in moves]).T
    then = np.array([after for _, after in moves]).T
    steepest = state + _steepest(first, then, size)
    last = _differences(step(steepest), here)
    if last is not None:
        moves.append(last)
    return [_ratio(*move) for move in moves]


def _differences(end: Ends, here: Ends) -> Ends:
    """Of two steps, how far the observations before are apart, and those after; None where one step failed."""
    if end is None or here is None:
        return None
    before = end[0] - here[0]
    after = end[1] - here[1]
    return before, after


def _steepest(first: np.ndarray, then: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The mixture of moves (X,) that a step stretches most, from what each does alone; its largest part is a whole move.

    Args:
        first: (O, X) what each move changes in the observation.
        then: (O, X) what is left of it after the step.
        size: (X,) of the moves.
    """
    # A coordinate that is not observed is moved in no pair.
    inverse = np.linalg.pinv(first, rcond=1e-4)
    step = then @ inverse
    _, _, directions = np.linalg.svd(step)
    mix = inverse @ directions[0]
    largest = np.abs(mix).max()
    return size * mix / max(largest, 1e-300)


def _by_resets(copy: gymnasium.Env) -> list[float]:
    """Stretches of two episodes with one seed along a common sequence of actions, their first ones different."""
    stretches = []
    actions = copy.action_space
    for seed in range(EPISODES):
        actions.seed(2 * seed)
        first = actions.sample()
        common = [actions.sample() for _ in range(STEPS)]
        actions.seed(2 * seed + 1)
        other = actions.sample()
        one = _episode(copy, seed, [first, *common])
        two = _episode(copy, seed, [other, *common])
        steps = min(len(one), len(two))
        differences = one[:steps] - two[:steps]
        apart = [np.zeros(1), *differences]
        stretches += [_ratio(*pair) for pair in itertools.pairwise(apart)]
    return stretches


def _episode(copy: gymnasium.Env, seed: int, actions: list[Any]) -> np.ndarray:
    """Observations (n, O) after each action of an episode, until it ends."""
    copy.reset(seed=seed)
    obs = []
    for action in actions:
        after, _, over, done = stepped(copy, action)
        obs.append(np.array(after, dtype=float))
        if over or done:
            break
    return np.array(obs)


def _ratio(before: np.ndarray, after: np.ndarray) -> float:
    """How much longer a difference has become; nan where it was lost in the rounding of float32 observations."""
    length = float(np.linalg.norm(before))
    longer = float(np.linalg.norm(after))
    if length <= 1e-5:
        return math.nan
    return longer / length
