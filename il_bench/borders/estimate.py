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
from typing import Any

import gymnasium
import numpy as np

EPISODES, STEPS = 8, 60
"""Resets, and random steps after each, that the pairs are found on."""


EVERY = 6
"""One state out of so many is examined where copies can be put into it."""


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


def _put_mujoco(inner: Any, state: np.ndarray) -> None:
    inner.set_state(state[: inner.model.nq].copy(), state[inner.model.nq :].copy())


def _put_attribute(inner: Any, state: np.ndarray) -> None:
    inner.state = np.array(state)


def _candidates(inner: Any) -> Iterator[Access]:
    """The ways into this environment's state that its attributes suggest."""
    see = next(
        (getattr(inner, name) for name in ("_get_obs", "_get_ob") if hasattr(inner, name)), None
    )

    def seen(inner: Any) -> np.ndarray:
        return np.asarray(see() if see else inner.state, dtype=float)

    if hasattr(inner, "set_state") and hasattr(getattr(inner, "data", None), "qpos"):
        yield Access(
            "qpos and qvel", lambda i: np.concatenate((i.data.qpos, i.data.qvel)), _put_mujoco, seen
        )
    elif hasattr(inner, "set_state") and hasattr(inner, "get_state"):
        yield Access(
            "get_state and set_state",
            lambda i: i.get_state(),
            lambda i, s: i.set_state(s.copy()),
            seen,
        )
    elif np.ndim(getattr(inner, "state", 0)) == 1:
        yield Access(
            "unwrapped.state", lambda i: np.array(i.state, dtype=float), _put_attribute, seen
        )


def access(copy: gymnasium.Env) -> Access | None:
    """The way into an environment's state, tried out: a copy put into a state steps on as the original did."""
    copy.reset(seed=0)
    copy.action_space.seed(0)
    for way in _candidates(copy.unwrapped):
        try:
            for _ in range(5):
                before, shown = way.get(copy.unwrapped), way.see(copy.unwrapped)
                action = copy.action_space.sample()
                expected = np.asarray(copy.step(action)[0], dtype=float)
                after = way.get(copy.unwrapped)
                again = _stepped(copy, way, before, action, 0)
                if again is None or not (
                    np.allclose(again[0], shown) and _near(again[1], expected, shown)
                ):
                    return None
                way.put(copy.unwrapped, after)
        except (
            Exception
        ):  # a stranger's attributes may mean anything; then copies are only stepped on
            return None
        return way
    return None


def _near(one: np.ndarray, two: np.ndarray, before: np.ndarray) -> bool:
    """Whether two observations after a step are the same, but for a solver that was started from elsewhere."""
    return float(np.linalg.norm(one - two)) <= 1e-6 + 1e-4 * float(np.linalg.norm(two - before))


def _stepped(
    copy: gymnasium.Env, way: Access, state: np.ndarray, action: Any, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Observations before and after one step from a state; a reset first forgets whatever else a copy holds."""
    copy.reset(seed=seed)
    way.put(copy.unwrapped, state)
    before = np.array(way.see(copy.unwrapped))
    observation, *_ = copy.step(action)
    after = np.asarray(observation, dtype=float)
    finite = np.isfinite(before).all() and np.isfinite(after).all()
    return (before, after) if finite else None


def estimate(make: Callable[[], gymnasium.Env]) -> tuple[float, str]:
    """The largest stretch of a step that pairs have shown, and how it was looked for, in one sentence.

    Args:
        make: makes a copy of the environment, without a limit on its time.
    """
    copy = make()
    way = access(copy)
    found, what = (_by_resets(copy), "") if way is None else (list(_by_states(copy, way)), way.name)
    copy.close()
    clear = np.array([stretch for stretch in found if math.isfinite(stretch)])
    if not len(clear):
        return math.nan, "no two copies could be brought apart by a little; nothing is known"
    where = (
        f"around {len(clear)} states that random actions visit, {what} moved by {SMALL:g} of its spread in each "
        "coordinate and then in the steepest direction"
        if what
        else f"in {len(clear)} steps of copies reset with one seed, their first actions different and all others equal "
        "(its state cannot be set)"
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
            if copy.step(action)[2]:
                break


def _by_states(copy: gymnasium.Env, way: Access) -> Iterator[float]:
    """The largest stretch at each visited state: of a pair for each coordinate, and one in the steepest direction."""
    places = list(_visited(copy, way))
    size = SMALL * (np.std([state for _, state, _ in places], axis=0) + SMALL)
    for seed, state, action in places:
        here = _stepped(copy, way, state, action, seed)
        ends = [_stepped(copy, way, state + step, action, seed) for step in np.diag(size)]
        if here is None or any(end is None for end in ends):
            continue
        first, then = (np.array([end[k] - here[k] for end in ends if end]).T for k in (0, 1))
        inverse = np.linalg.pinv(
            first, rcond=1e-4
        )  # a coordinate that is not observed is moved in no pair
        mix = inverse @ np.linalg.svd(then @ inverse)[2][0]
        last = (
            _stepped(copy, way, state + size * mix / max(np.abs(mix).max(), 1e-300), action, seed)
            or here
        )
        differences = zip([*first.T, last[0] - here[0]], [*then.T, last[1] - here[1]], strict=True)
        yield max(
            (r for r in (_ratio(*pair) for pair in differences) if math.isfinite(r)),
            default=math.nan,
        )


def _by_resets(copy: gymnasium.Env) -> list[float]:
    """Stretches of two episodes with one seed along a common sequence of actions, their first ones different."""
    stretches = []
    for seed in range(EPISODES):
        copy.action_space.seed(2 * seed)
        first, *common = [copy.action_space.sample() for _ in range(STEPS + 1)]
        copy.action_space.seed(2 * seed + 1)
        other = copy.action_space.sample()
        one = _episode(copy, seed, [first, *common])
        two = _episode(copy, seed, [other, *common])
        steps = min(len(one), len(two))
        apart = [np.zeros(1), *(one[:steps] - two[:steps])]
        stretches += [_ratio(*pair) for pair in itertools.pairwise(apart)]
    return stretches


def _episode(copy: gymnasium.Env, seed: int, actions: list[Any]) -> np.ndarray:
    """Observations (n, O) after each action of an episode, until it ends."""
    copy.reset(seed=seed)
    obs = []
    for action in actions:
        after, _, over, done, _ = copy.step(action)
        obs.append(np.array(after, dtype=float))
        if over or done:
            break
    return np.array(obs)


def _ratio(before: np.ndarray, after: np.ndarray) -> float:
    """How much longer a difference has become; nan where it was lost in the rounding of float32 observations."""
    length = float(np.linalg.norm(before))
    return float(np.linalg.norm(after)) / length if length > 1e-5 else math.nan
