"""The border to Gymnasium, outwards: our environments as gymnasium.Env and VectorEnv.

`gymnasium.make("il_bench/Lane-v0", lipschitz=1.3)`; inwards it is crossed in gymnasium_in.py, `il.make("Pendulum-v1")`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ..core.env import Env
from ..core.registry import name_of
from ..core.rollout import endings
from ..core.settings import require
from ..core.streams import Streams
from .resolve import make

SIZE = 400, 300


def _numpy_if_possible(
    env: Env, arrays: str
) -> tuple[Callable[[Any], Any], Callable[[Any], np.ndarray]]:
    """How arrays go in and come out: NumPy all along where the environment takes it (three times as fast for one)."""
    require(
        arrays in ("any", "torch"),
        f"arrays: expected any or torch, got {arrays!r}; any is faster, torch repeats",
    )
    if arrays == env.arrays == "any":
        return np.asarray, np.asarray
    return torch.as_tensor, lambda tensor: tensor.numpy()


def _streams(seeds: Sequence[int], purpose: str) -> Streams:
    return Streams(seeds).fork(purpose) if purpose else Streams(seeds)


def _number(chance: np.random.Generator, seed: int | None) -> int:
    """A seed, drawn where none is given."""
    return int(chance.integers(2**31)) if seed is None else seed


def _episode(options: dict[str, Any] | None, following: int) -> int:
    """The number of the episode to begin: the following one unless the options ask for another."""
    number = (options or {}).get("episode", following)
    well = isinstance(number, int | np.integer) and number >= 0
    require(
        bool(well),
        f"episode: expected a whole number of at least 0, got {number!r}; episodes count from 0",
    )
    return int(number)


def _checked(action: Any, space: spaces.Space, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(action)
    fits = array.shape == shape and array.dtype.kind in "iuf"
    if not fits or not np.isfinite(array).all():
        shown = array.tolist() if array.size < 9 else f"{array.dtype} {array.shape}"
        raise ValueError(
            f"action: expected finite numbers of shape {shape} for {space}, got {shown}; sample the action space"
        )
    if isinstance(space, spaces.Discrete):
        within = (array >= 0) & (array < space.n)
        whole = array == array.astype(int)
        require(
            bool((within & whole).all()),
            f"action: expected integers from 0 to {space.n - 1}, got {array.tolist()}; sample the action space",
        )
    return array.astype(np.float64)


class GymEnv(gymnasium.Env[np.ndarray, Any]):
    """One episode after another of a registered environment.

    `reset(seed=s)` begins episode 0 of run seed s, every further `reset()` the next one: the same states that
    `rollout(env, drive, Streams((s,)).fork("gym"), episodes)` visits.

    Args:
        env: a registered name, `module:Class`, or an environment of one run.
        render_mode: "rgb_array", "human", or None.
        purpose: the streams' purpose; "evaluation" replays what `il.compare` measured.
        arrays: "any" computes in NumPy where it can; "torch" as the harness does, whose states are then repeated bit
            for bit, at a third of the speed.
        **settings: the environment's fields.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 25}

    def __init__(
        self,
        env: str | Env = "lane",
        render_mode: str | None = None,
        purpose: str = "gym",
        arrays: str = "any",
        **settings: Any,
    ):
        self.task = make(env, **settings) if isinstance(env, str) else env
        require(
            self.task.runs == 1,
            f"GymEnv: expected an environment of one run, got {self.task.runs}; pass env[r]",
        )
        require(
            render_mode in (None, "rgb_array", "human"),
            f"render_mode: expected rgb_array or human, got {render_mode!r}",
        )
        self.observation_space = self.task.observation_space
        self.action_space = self.task.action_space
        self.render_mode, self.purpose = render_mode, purpose
        self._into, self._out = _numpy_if_possible(self.task, arrays)
        self._episode, self._streams = -1, Streams(())
        self._state: Any = None
        self._window: Any = None
        self._action_shape = self.action_space.shape or ()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; see Gymnasium. The info holds the whole state (X,), which experts may see.

        Args:
            seed: of the run; its first episode begins.
            options: {"episode": e} begins that one.
        """
        super().reset(seed=seed)
        if seed is not None or not self._streams.seeds:
            number = _number(self.np_random, seed)
            self._streams = _streams((number,), self.purpose)
            self._episode = -1
        self._episode = _episode(options, self._episode + 1)
        self._begin(self._streams.from_episode(self._episode))
        if self.render_mode == "human":
            self.render()
        whole = self._out(self._state)[0, 0]
        return self._observe(), {"state": whole.copy()}

    def _begin(self, streams: Streams) -> None:
        """Put the environment at the beginning of the streams' first episode."""
        task = self.task
        noise = streams.normal("noise", 1, task.horizon, task.noise_size)
        state = task.initial(streams, 1)
        self._noise = self._into(noise.numpy())
        self._state = self._into(state.cpu().numpy())
        self._step = 0

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step; see Gymnasium.

        Raises:
            ValueError: for an action of the wrong shape, or one that is not finite.
        """
        require(
            self._state is not None, "step: expected reset() first; call it to begin an episode"
        )
        chosen = _checked(action, self.action_space, self._action_shape).reshape(-1)
        # An environment that others made has one copy here, and steps it itself.
        step = getattr(self.task, "step_itself", self._advance)
        self._state, reward, terminated, truncated = step(chosen)
        self._step += 1
        if self.render_mode == "human":
            self.render()
        late = self._step >= self.task.horizon
        info = {"state": self._out(self._state)[0, 0]}
        return self._observe(), reward, terminated, truncated or late, info

    def _advance(self, action: np.ndarray) -> tuple[Any, float, bool, bool]:
        """The state after an action (U,), what the step paid, and whether it ended the episode or cut it off."""
        task = self.task
        array = self._into(action[None, None])
        last = task.horizon - 1
        noise = self._noise[:, :, min(self._step, last)]
        state = task.transition(self._state, array, noise)
        reward = task.reward(self._state, array, state)
        terminated, truncated = (bool(part[0, 0]) for part in endings(task, state))
        return state, float(reward[0, 0]), terminated, truncated

    def _observe(self) -> np.ndarray:
        observation = self.task.observation(self._state)
        return self._out(observation)[0, 0].astype(self.observation_space.dtype)

    def render(self) -> np.ndarray | None:
        """The present frame (height, width, 3), or the window that shows it."""
        if self.render_mode is None:
            return None
        frame = self.task.draw(np.asarray(self._out(self._state)[0, 0]), SIZE)
        if self.render_mode == "rgb_array":
            return frame
        import pygame

        if self._window is None:
            pygame.display.init()  # not pygame.init(): that opens the loudspeakers as well
            self._window = pygame.display.set_mode(SIZE)
            pygame.display.set_caption(f"il_bench: {name_of(self.task)}")
            self._clock = pygame.time.Clock()
        self._window.blit(pygame.surfarray.make_surface(frame.swapaxes(0, 1)), (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(self.metadata["render_fps"])
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            import pygame

            pygame.display.quit()
            self._window = None


class GymVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """`num_envs` episodes of a registered environment in one array; an ended one begins anew at the next step.

    Environment i of `reset(seed=s)` visits the states of `GymEnv.reset(seed=s + i)`.

    Args:
        num_envs: how many, n.
        env: a registered name, `module:Class`, or an environment of one run.
        render_mode: None; films are made from Records.
        purpose: the streams' purpose.
        arrays: "any" or "torch", as for one.
        **settings: the environment's fields.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        num_envs: int,
        env: str | Env = "lane",
        render_mode: str | None = None,
        purpose: str = "gym",
        arrays: str = "any",
        **settings: Any,
    ):
        require(num_envs >= 1, f"num_envs: expected at least 1, got {num_envs}")
        self.task = make(env, **settings) if isinstance(env, str) else env
        require(
            self.task.runs == 1,
            f"GymVectorEnv: expected an environment of one run, got {self.task.runs}; pass env[r]",
        )
        self.num_envs, self.render_mode, self.purpose = num_envs, render_mode, purpose
        self.single_observation_space = self.task.observation_space
        self.single_action_space = self.task.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._into, self._out = _numpy_if_possible(self.task, arrays)
        self._streams, self._state = Streams(()), cast(Any, None)
        self._action_shape = (num_envs, *(self.single_action_space.shape or ()))

    def reset(
        self, *, seed: int | list[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin all episodes; see Gymnasium. One seed is that of the first environment, a list has one for each."""
        several = seed if isinstance(seed, list | tuple) else None
        single = None if isinstance(seed, list | tuple) else seed
        super().reset(seed=single)
        if seed is not None or not self._streams.seeds:
            first = _number(self.np_random, single)
            self._begin_runs(several or range(first, first + self.num_envs))
        self._begin(np.arange(self.num_envs))
        return self._observe(), {"state": np.array(self._state[0])}

    def _begin_runs(self, seeds: Sequence[int]) -> None:
        """Take one run's seed for each environment; none of their episodes has begun."""
        count, task = self.num_envs, self.task
        require(len(seeds) == count, f"seed: expected {count} seeds, got {len(seeds)}")
        self._streams = _streams(seeds, self.purpose)
        self._episode = np.full(count, -1)
        self._steps = np.zeros(count, dtype=int)
        self._noise = np.empty((count, task.horizon, task.noise_size))
        self._over = np.zeros(count, dtype=bool)
        self._state = None

    def _begin(self, which: np.ndarray) -> None:
        """Begin the next episode of the environments `which`."""
        self._episode[which] += 1
        numbers = self._episode[which]
        streams = self._streams.of(which).from_episode(numbers)
        noise = streams.normal("noise", 1, *self._noise.shape[1:])
        self._noise[which] = noise[:, 0].numpy()
        # One run for each, so that an environment may ask how many there are; then all in a row, as one run.
        task = dataclasses.replace(self.task, seed=tuple(streams.seeds))
        first = task.initial(streams, 1).numpy()
        state = first.swapaxes(0, 1)
        if self._state is None or len(which) == self.num_envs:
            self._state = state.copy()
        else:
            self._state[:, which] = state
        self._steps[which] = 0
        self._over[which] = False

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of all; see Gymnasium. Where an episode ended at the last step, this one only resets it."""
        require(
            self._state is not None, "step: expected reset() first; call it to begin the episodes"
        )
        task = self.task
        chosen = _checked(actions, self.action_space, self._action_shape)
        action = self._into(chosen.reshape(1, self.num_envs, -1))
        fresh = np.flatnonzero(self._over)
        now = self._into(self._state)
        following = task.transition(now, action, self._present_noise())
        reward = self._first_row(task.reward(now, action, following))
        over, cut = (self._first_row(part) for part in endings(task, following))
        self._state = self._out(following)
        self._steps += 1
        if len(fresh):
            self._begin(fresh)
            for values in (reward, over, cut):
                values[fresh] = 0
        late = cut | (self._steps >= task.horizon)
        self._over = over | late
        return self._observe(), reward, over, late, {"state": np.array(self._state[0])}

    def _present_noise(self) -> Any:
        """The noise of each environment's present step (1, n, W)."""
        last = self.task.horizon - 1
        steps = np.minimum(self._steps, last)
        noise = self._noise[np.arange(self.num_envs), steps]
        return self._into(noise[None])

    def _first_row(self, values: Any) -> np.ndarray:
        """Numbers (1, n) as an array (n,) that may be written into."""
        return self._out(values)[0].copy()

    def _observe(self) -> np.ndarray:
        observation = self.task.observation(self._into(self._state))
        return self._out(observation)[0].astype(self.observation_space.dtype)
