"""The contract of an environment, as tests: what `il.check` asks of a stranger's file, and our own suite of every file.

Each test is a generator of sentences; no sentence means it holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from gymnasium import spaces

from ..core.env import Env, Expert
from ..core.rollout import action_size
from ..core.settings import per_run_fields
from ..core.streams import Streams
from .lipschitz import EPISODES, attained, exceeded, explore, largest_stretch, random_drive


def check(env: Env, expert: Expert | None = None) -> None:
    """Run the contract tests over an environment, and over its expert where one is given.

    Raises:
        ValueError: with one sentence for each way in which the contract is broken.
    """
    found = problems(env, expert)
    if found:
        raise ValueError(f"{type(env).__name__} breaks its contract: " + "; ".join(found))


def problems(env: Env, expert: Expert | None = None) -> list[str]:
    """What is wrong with an environment, in sentences; an empty list when nothing is."""
    found: list[str] = []
    for test in (shapes, determinism, independence, lipschitz, numpy_twin, picture):
        try:
            found += test(env)
        except Exception as error:  # a stranger's code may raise anything; the sentence names the test that it broke
            found.append(f"{test.__name__}: raised {type(error).__name__} ({str(error)[:200]})")
        if found:
            return found  # what follows would only repeat it
    return found + (list(answers(env, expert)) if expert is not None else [])


def shapes(env: Env) -> Iterator[str]:
    """Arrays have the shapes and types that the letters say."""
    runs, size = env.runs, len(env.states)
    state = env.initial(Streams(env.seeds, env.device), EPISODES)
    if tuple(state.shape) != (runs, EPISODES, size):
        yield f"initial: expected (R={runs}, E={EPISODES}, X={size}) as `states` names them, got {tuple(state.shape)}"
        return
    if state.dtype != torch.float64:
        yield f"initial: expected float64, got {state.dtype}; small errors grow, and float32 has none to lose"
    action, _ = random_drive(env)(0, state, None)
    before = state.clone()
    after = env.transition(
        state, action, torch.zeros(runs, EPISODES, env.noise_size, dtype=torch.float64)
    )
    outputs = {
        "transition": (after, (runs, EPISODES, size)),
        "observation": (
            env.observation(after),
            (runs, EPISODES, *(env.observation_space.shape or ())),
        ),
        "reward": (env.reward(state, action, after), (runs, EPISODES)),
        "terminal": (env.terminal(after), (runs, EPISODES)),
        "distance": (env.distance(state, after), (runs, EPISODES)),
    }
    for name, (array, shape) in outputs.items():
        if tuple(array.shape) != shape:
            yield f"{name}: expected shape {shape}, got {tuple(array.shape)}"
    if after.dtype != torch.float64:
        yield f"transition: expected float64, got {after.dtype}; keep the type of the state"
    if not torch.equal(before, state):
        yield "transition: changed the state that it was given; return a new one"
    if env.terminal(after).dtype != torch.bool:
        yield f"terminal: expected bool, got {env.terminal(after).dtype}"


def determinism(env: Env) -> Iterator[str]:
    """The same streams and actions give the same states, bit for bit."""
    if not torch.equal(explore(env).state, explore(env).state):
        yield "transition: two rollouts with the same seed and actions differ; take every random number from `noise`"
    seen = explore(env)
    low, high = (
        torch.as_tensor(b).double() for b in (env.observation_space.low, env.observation_space.high)
    )
    runs, size = env.runs, seen.state.shape[-1]
    obs = env.observation(seen.state.reshape(runs, -1, size)).cpu()
    if ((obs < low - 1e-6) | (obs > high + 1e-6)).any():
        yield "observation: left observation_space under random actions; widen its bounds"


def independence(env: Env) -> Iterator[str]:
    """A run is the same alone and among others, bit for bit."""
    pick = env.runs - 1
    if not torch.equal(explore(env).state[pick], explore(env[pick]).state[0]):
        yield f"run {pick} alone differs from run {pick} of {env.runs}; use self.per_run for settings, one row a run"


def lipschitz(env: Env) -> Iterator[str]:
    """The certificate's constant is attained by its pair and exceeded by no random pair."""
    certificate = env.certificate()
    if len(certificate.value) != env.runs:
        yield f"certificate: expected one value for each of {env.runs} runs, got {len(certificate.value)}"
    elif "lipschitz" in per_run_fields(env) and certificate.value != env.values("lipschitz"):
        yield f"certificate: declares {certificate.value} where the setting says {env.values('lipschitz')}"
    elif certificate.kind != "estimated":
        yield from attained(env, certificate)
        yield from exceeded(env, largest_stretch(env, 4096))


def numpy_twin(env: Env) -> Iterator[str]:
    """Where `arrays` says "any", NumPy gives what torch gives."""
    if env.arrays != "any":
        return
    alone = env[0]
    seen = explore(alone)
    state, action = seen.state[:, :, -2], seen.action[:, :, -1]
    noise = torch.ones(*state.shape[:2], alone.noise_size, dtype=torch.float64)
    expected = alone.transition(state, action, noise)
    got = alone.transition(state.numpy(), action.numpy(), noise.numpy())
    if not isinstance(got, np.ndarray) or not np.allclose(got, expected, rtol=1e-12, atol=1e-12):
        yield 'transition: NumPy and torch disagree; write it with xp = namespace(state), or say arrays = "torch"'


def picture(env: Env) -> Iterator[str]:
    """`draw` returns one RGB frame of the size that was asked for."""
    state = env[0].initial(Streams(env.seeds[:1]), 1)[0, 0].cpu().numpy()
    frame = env[0].draw(state, (160, 120), ghost=state)
    if frame.shape != (120, 160, 3) or frame.dtype != np.uint8:
        yield f"draw: expected a uint8 frame (120, 160, 3) for size (160, 120), got {frame.dtype} {frame.shape}"


def answers(env: Env, expert: Expert) -> Iterator[str]:
    """The expert gives finite actions of the right shape within the action space."""
    state = explore(env).state[:, :, :-1].flatten(1, 2)
    action = torch.as_tensor(expert.act(state))
    want = (*state.shape[:2], action_size(env))
    if tuple(action.shape) != want:
        yield f"expert: expected actions {want}, got {tuple(action.shape)}"
    elif not action.isfinite().all():
        yield "expert: gave actions that are not finite in states of a random rollout"
    elif isinstance(env.action_space, spaces.Box):
        low, high = (
            torch.as_tensor(b).double() for b in (env.action_space.low, env.action_space.high)
        )
        if ((action < low - 1e-6) | (action > high + 1e-6)).any() and math.isfinite(
            float(high.max())
        ):
            yield "expert: gave actions outside action_space; clip them, or learners cannot imitate them"
