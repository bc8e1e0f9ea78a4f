"""The border to Gymnasium, inwards: anyone's id as an Env, anyone's callable or model as an Expert."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, make_dataclass
from functools import cached_property
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from .canvas import bars, resized
from .core import Certificate, Env, Expert
from .settings import require
from .streams import Streams


@dataclass(frozen=True, kw_only=True)
class Foreign(Env):
    """A Gymnasium environment that we did not make: R x E copies, reset with one seed each.

    Its state is its observation; two copies reset with the same seed are twins. A copy is stepped where it stands, so
    transitions come in order; a state that is not a copy's own is refused.
    """

    gymnasium_id: ClassVar[str] = ""
    noise_size: ClassVar = 0

    def validate(self) -> None:
        """Boxes of numbers in, a Box or Discrete out."""
        probe = self._make()
        require(
            isinstance(probe.observation_space, spaces.Box) and len(probe.observation_space.shape) == 1,
            f"{self.gymnasium_id}: expected a flat Box of observations, got {probe.observation_space}; wrap it first",
        )
        require(
            isinstance(probe.action_space, spaces.Box | spaces.Discrete),
            f"{self.gymnasium_id}: expected Box or Discrete actions, got {probe.action_space}; wrap it first",
        )
        start = getattr(probe.action_space, "start", 0)
        require(
            start == 0,
            f"{self.gymnasium_id}: expected actions that begin at 0, got {probe.action_space}; wrap it first",
        )
        self._held["spaces"] = probe.observation_space, probe.action_space

    @cached_property
    def _held(self) -> dict[str, Any]:
        """The copies and what their last step gave: the one thing that changes."""
        return {}

    def _make(self, **settings: Any) -> gymnasium.Env:
        return gymnasium.make(self.gymnasium_id, max_episode_steps=-1, disable_env_checker=True, **settings)

    @property
    def states(self) -> dict[str, str]:  # type: ignore[override]
        """Observation coordinates by number."""
        return {f"o{i}": "" for i in range(self.observation_space.shape[0])}

    @property
    def observation_space(self) -> spaces.Box:
        """As the environment has it."""
        return self._held["spaces"][0]

    @property
    def action_space(self) -> spaces.Box | spaces.Discrete:
        """As the environment has it."""
        return self._held["spaces"][1]

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Copies reset with seeds drawn from the streams."""
        runs, held = len(streams.seeds), self._held
        seeds = [
            [int(streams.generator(r, "initial", e).integers(2**31)) for e in range(episodes)] for r in range(runs)
        ]
        copies = held.get("copies", [])
        if [len(row) for row in copies] != [episodes] * runs:
            self.close()
            copies = [[self._make() for _ in range(episodes)] for _ in range(runs)]
        first = [[c.reset(seed=s)[0] for c, s in zip(*row, strict=True)] for row in zip(copies, seeds, strict=True)]
        state = torch.tensor(np.array(first), dtype=torch.float64, device=self.device)
        never = torch.zeros(runs, episodes, dtype=torch.bool)
        held.update(copies=copies, state=state, terminated=never, stopped=never, reward=never.double())
        return state

    def close(self) -> None:
        """Close the copies."""
        for row in self._held.pop("copies", []):
            for copy in row:
                copy.close()

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """Every copy that goes on takes its step; one whose state or action is not finite has stopped."""
        held = self._held
        stopped = held["stopped"] | ~(held["state"].isfinite().all(-1) & action.isfinite().all(-1)).cpu()
        same = "copies" in held and held["state"].shape == state.shape and (held["state"] == state)[~stopped].all()
        require(
            bool(same), "transition: expected the states of the last step, got others; this environment only steps on"
        )
        following, reward, terminated = state.clone(), torch.zeros_like(held["reward"]), held["terminated"].clone()
        for r, e in (~stopped).nonzero().tolist():
            chosen = self._native(action[r, e])
            obs, paid, over, truncated, _ = held["copies"][r][e].step(chosen)
            following[r, e] = torch.as_tensor(np.asarray(obs, dtype=np.float64))
            reward[r, e], terminated[r, e], stopped[r, e] = float(paid), bool(over), bool(over or truncated)
        held.update(state=following, reward=reward, terminated=terminated, stopped=stopped)
        return following

    def _native(self, action: torch.Tensor) -> Any:
        """One action (U,) as the environment takes it."""
        if isinstance(self.action_space, spaces.Discrete):
            return int(action[0])
        return action.cpu().numpy().astype(self.action_space.dtype).reshape(self.action_space.shape)

    def observation(self, state: Any) -> Any:
        """The state, which is the observation."""
        return state

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """What the last step paid."""
        return self._held["reward"].to(state.device)

    def terminal(self, state: Any) -> Any:
        """What the last step said."""
        return self._held["terminated"].to(state.device)

    def difference(self, state: Any, other: Any) -> Any:
        """Of the observations."""
        return state - other

    def certificate(self) -> Certificate:
        """The largest growth of a deviation in one step that paired resets have shown: an estimate from below."""
        return Certificate(
            (self._estimate,) * self.runs, "Euclidean over observations", "estimated", note="from paired resets"
        )

    @cached_property
    def _estimate(self) -> float:
        """Two copies with one seed, the first action apart, all others equal: largest D_{t+1} / D_t."""
        rng, largest = np.random.default_rng(0), 0.0
        for seed in range(8):
            pair = [self._make(), self._make()]
            for copy in pair:
                copy.reset(seed=seed)
                copy.action_space.seed(int(rng.integers(2**31)))
            actions = [[copy.action_space.sample()] for copy in pair]
            common = [pair[0].action_space.sample() for _ in range(30)]
            last = 0.0
            for mine, its in zip(actions[0] + common, actions[1] + common, strict=True):
                (one, _, over, *_), (two, _, done, *_) = pair[0].step(mine), pair[1].step(its)
                apart = float(np.linalg.norm(np.subtract(one, two)))
                largest = max(largest, apart / last if last > 1e-3 else 0.0)  # float32 observations: below is rounding
                last = apart
                if over or done:
                    break
        return largest or math.nan

    def draw(self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None) -> np.ndarray:
        """The environment's own picture where an observation sets its state, else bars of the observation."""
        frame = self._picture(state)
        return bars(state, ghost, self.observation_space, size) if frame is None else resized(frame, size)

    def _picture(self, state: np.ndarray) -> np.ndarray | None:
        if "camera" not in self._held:
            camera = None
            with contextlib.suppress(Exception), _no_display():  # no renderer, or none installed: bars will do
                camera = self._make(render_mode="rgb_array")
                camera.reset(seed=0)
                camera.render()  # opens what it needs now
            self._held["camera"] = camera
        camera = self._held["camera"]
        inner = getattr(getattr(camera, "unwrapped", None), "state", None)
        if inner is None:
            return None
        if self.gymnasium_id.startswith("Pendulum"):
            state = np.array([math.atan2(state[1], state[0]), state[2]])
        if np.shape(inner) != np.shape(state):
            return None
        camera.unwrapped.state = np.asarray(state)
        return np.asarray(camera.render())


@contextlib.contextmanager
def _no_display() -> Iterator[None]:
    """Within, SDL looks neither for a screen nor for a loudspeaker: frames are drawn into arrays."""
    names = ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "dummy"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def wrapper(identifier: str) -> type[Env]:
    """The class of environments around a Gymnasium id."""
    steps = gymnasium.spec(identifier).max_episode_steps or 200
    fields = [("horizon", int, field(default=steps))]
    return make_dataclass(
        identifier.replace("-", "_").replace("/", "_"), fields, bases=(Foreign,), frozen=True, kw_only=True,
        namespace={"gymnasium_id": identifier, "__doc__": f"{identifier}, through Gymnasium.", "__module__": __name__},
    )  # fmt: skip


class CallableExpert(Expert):
    """Any callable, or anything with `predict`, as an expert; it sees observations (n, O) and returns actions (n, U).

    Args:
        env: whose observations it sees.
        source: the callable, or an object with stable-baselines3's `predict`.
    """

    def __init__(self, env: Env, source: Any):
        self.env, self.source = env, source

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        obs = self.env.observation(state).to(torch.float32).flatten(0, 1).cpu().numpy()
        out = self.source.predict(obs, deterministic=True)[0] if hasattr(self.source, "predict") else self.source(obs)
        action = torch.as_tensor(np.array(out), dtype=torch.float64, device=state.device)
        wrong = f"expert's actions: expected one for each of {len(obs)} observations, got shape {tuple(action.shape)}"
        require(action.dim() >= 1 and len(action) == len(obs), f"{wrong}; return (n, U)")
        return action.reshape(*state.shape[:2], -1)
