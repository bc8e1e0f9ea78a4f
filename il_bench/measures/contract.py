"""The contract of an environment, as tests: what `il.check` asks of a stranger's file, and our own suite of every file.

Each test is a generator of sentences; no sentence means it holds.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from ..core import strangers
from ..core.env import Env, Expert
from ..core.rollout import action_size
from ..core.settings import per_run_fields
from ..core.streams import Streams
from .lipschitz import (
    EPISODES,
    attained,
    exceeded,
    explore,
    largest_stretch,
    loop_exceeded,
    no_noise,
    random_drive,
)

APART = 7
"""Steps between the shifts at which the states of random rollouts are paired; prime, so that all pairs are varied."""


def check(env: Env, expert: Expert | None = None) -> None:
    """Run the contract tests over an environment, and over its expert where one is given.

    Raises:
        ValueError: with one sentence for each way in which the contract is broken.
    """
    wrong = problems(env, expert)
    if wrong:
        name = type(env).__name__
        sentences = "; ".join(wrong)
        raise ValueError(f"{name} breaks its contract: {sentences}")


def problems(env: Env, expert: Expert | None = None) -> list[str]:
    """What is wrong with an environment, in sentences; an empty list when nothing is."""
    for test in (shapes, determinism, independence, indicator, lipschitz, numpy_twin, picture):
        wrong = _tested(test, env)
        # What follows would only repeat it.
        if wrong:
            return wrong
    if expert is None:
        return []
    return list(answers(env, expert))


def _tested(test: Callable[[Env], Iterator[str]], env: Env) -> list[str]:
    """What one test finds wrong."""
    wrong: list[str] = []
    try:
        wrong += test(env)
    # A stranger's code may raise anything; the sentence names the test that it broke.
    except Exception as error:
        if os.environ.get(strangers.TRACEBACK):
            raise
        words = strangers.sentence(error) or f"raised {strangers.in_words(error)}"
        wrong.append(f"{test.__name__}: {words}")
    return wrong


def shapes(env: Env) -> Iterator[str]:
    """Arrays have the shapes and types that the letters say."""
    runs = env.runs
    size = len(env.states)
    streams = Streams(env.seeds, env.device)
    state = env.initial(streams, EPISODES)
    shape = tuple(state.shape)
    if shape != (runs, EPISODES, size):
        yield f"initial: expected (R={runs}, E={EPISODES}, X={size}) as `states` names them, got {shape}"
        return
    if state.dtype != torch.float64:
        yield f"initial: expected float64, got {state.dtype}; small errors grow, and float32 has none to lose"
    yield from _shapes_of_a_step(env, state)


def _shapes_of_a_step(env: Env, state: torch.Tensor) -> Iterator[str]:
    """The same of what follows from first states (R, E, X)."""
    action, _ = random_drive(env)(0, state, None)
    before = state.clone()
    after = env.transition(state, action, no_noise(env, state))
    if _shape(after) != _shape(state):
        yield f"transition: expected shape {_shape(state)}, got {_shape(after)}"
        return
    outputs = _outputs(env, state, action, after)
    for name, (array, expected) in outputs.items():
        shape = _shape(array)
        if shape != expected:
            yield f"{name}: expected shape {expected}, got {shape}"
    if after.dtype != torch.float64:
        yield f"transition: expected float64, got {after.dtype}; keep the type of the state"
    if not torch.equal(before, state):
        yield "transition: changed the state that it was given; return a new one"
    over = env.terminal(after)
    if over.dtype != torch.bool:
        yield f"terminal: expected bool, got {over.dtype}"


def _shape(answer: Any) -> Any:
    """Of what a method returned; what it is, where it has none."""
    return tuple(answer.shape) if hasattr(answer, "shape") else answer


def _outputs(
    env: Env, state: torch.Tensor, action: torch.Tensor, after: torch.Tensor
) -> dict[str, tuple[torch.Tensor, tuple[int, ...]]]:
    """What each method gives for a step, and the shape that it should have."""
    each = (env.runs, EPISODES)
    observed = env.observation_space.shape or ()
    return {
        "transition": (after, (*each, len(env.states))),
        "observation": (env.observation(after), (*each, *observed)),
        "reward": (env.reward(state, action, after), each),
        "terminal": (env.terminal(after), each),
        "distance": (env.distance(state, after), each),
    }


def determinism(env: Env) -> Iterator[str]:
    """The same streams and actions give the same states, bit for bit, and observations lie in their space."""
    states = explore(env).state
    again = explore(env).state
    if not torch.equal(states, again):
        yield "transition: two rollouts with the same seed and actions differ; take every random number from `noise`"
    flat = states.flatten(1, 2)
    observed = env.observation(flat).cpu()
    if _outside(observed, env.observation_space):
        yield "observation: left observation_space under random actions; widen its bounds"


def _bounds_of(space: spaces.Box | spaces.MultiDiscrete) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest observation (O,)."""
    if isinstance(space, spaces.Box):
        return space.low, space.high
    highest = space.nvec - 1
    return np.zeros_like(highest), highest


def _outside(array: torch.Tensor, space: spaces.Box | spaces.MultiDiscrete) -> bool:
    """Whether any number lies outside the bounds of a space, rounding allowed."""
    lowest, highest = _bounds_of(space)
    low = torch.as_tensor(lowest).double()
    high = torch.as_tensor(highest).double()
    below = array < low - 1e-6
    above = array > high + 1e-6
    beyond = below | above
    return bool(beyond.any())


def independence(env: Env) -> Iterator[str]:
    """A run is the same alone and among others, bit for bit."""
    pick = env.runs - 1
    among = explore(env).state[pick]
    alone = explore(env[pick]).state[0]
    if not torch.equal(among, alone):
        yield f"run {pick} alone differs from run {pick} of {env.runs}; use self.per_run for settings, one row a run"


def lipschitz(env: Env) -> Iterator[str]:
    """The certificate's constant is attained by its pair and exceeded by no random pair."""
    certificate = env.certificate()
    claimed = len(certificate.value)
    has_dial = "lipschitz" in per_run_fields(env)
    dial = env.values("lipschitz") if has_dial else certificate.value
    if claimed != env.runs:
        yield f"certificate: expected one value for each of {env.runs} runs, got {claimed}"
    elif certificate.value != dial:
        yield f"certificate: declares {certificate.value} where the setting says {dial}"
    elif certificate.kind != "estimated":
        yield from attained(env, certificate)
        yield from exceeded(env, largest_stretch(env, 4096))


def indicator(env: Env) -> Iterator[str]:
    """A distance is declared to be 0 or 1 where it is, and only there."""
    state = explore(env).state.flatten(1, 2)
    others = [state.roll(shift, 1) for shift in range(1, state.shape[1], APART)]
    distances = torch.stack([env.distance(state, other) for other in others])
    between = (distances != 0) & (distances != 1)
    if env.indicator and between.any():
        value = float(distances[between][0])
        yield f"distance: declared an indicator, but {value:.4g} occurs; leave `indicator` out, or return 0 and 1 alone"
    if not env.indicator and distances.any() and not between.any():
        yield "distance: is 0 or 1 wherever random actions lead; say so by indicator: ClassVar = True"


def numpy_twin(env: Env) -> Iterator[str]:
    """Where `arrays` says "any", NumPy gives what torch gives."""
    if env.arrays != "any":
        return
    alone = env[0]
    lived = explore(alone)
    state = lived.state[:, :, -2]
    action = lived.action[:, :, -1]
    noise = torch.ones_like(no_noise(alone, state))
    step = (state, action, noise)
    by_torch = alone.transition(*step)
    by_numpy = alone.transition(*(array.numpy() for array in step))
    is_numpy = isinstance(by_numpy, np.ndarray)
    if not is_numpy or not np.allclose(by_numpy, by_torch, rtol=1e-12, atol=1e-12):
        yield 'transition: NumPy and torch disagree; write it with xp = namespace(state), or say arrays = "torch"'


def picture(env: Env) -> Iterator[str]:
    """`draw` returns one RGB frame of the size that was asked for."""
    alone = env[0]
    streams = Streams(alone.seeds)
    first = alone.initial(streams, 1)
    state = first[0, 0].cpu().numpy()
    frame = alone.draw(state, (160, 120), ghost=state)
    right = frame.shape == (120, 160, 3) and frame.dtype == np.uint8
    if not right:
        yield f"draw: expected a uint8 frame (120, 160, 3) for size (160, 120), got {frame.dtype} {frame.shape}"


def answers(env: Env, expert: Expert) -> Iterator[str]:
    """The expert gives finite actions of the right shape within the action space, and closes the loop as certified."""
    lived = explore(env).state[:, :, :-1]
    state = lived.flatten(1, 2)
    action = torch.as_tensor(expert.act(state))
    shape = tuple(action.shape)
    wanted = (*state.shape[:2], action_size(env))
    if shape != wanted:
        yield f"expert: expected actions {wanted}, got {shape}"
    elif not action.isfinite().all():
        yield "expert: gave actions that are not finite in states of a random rollout"
    elif _beyond_the_clip(env.action_space, action):
        yield "expert: gave actions outside action_space; clip them, or learners cannot imitate them"
    else:
        yield from loop_exceeded(env, expert, 4096)


def _beyond_the_clip(space: spaces.Space[Any], action: torch.Tensor) -> bool:
    """Whether actions lie outside the bounds that a Box clips them to."""
    if not isinstance(space, spaces.Box):
        return False
    highest = float(space.high.max())
    return math.isfinite(highest) and _outside(action, space)
