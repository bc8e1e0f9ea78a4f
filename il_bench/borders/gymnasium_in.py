"""The border to Gymnasium, inwards: anyone's id as an Env, anyone's callable or model as an Expert."""

from __future__ import annotations

import contextlib
import math
import warnings
from dataclasses import dataclass, field, make_dataclass
from functools import cached_property
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.wrappers import OrderEnforcing

from ..core.env import Certificate, Env
from ..core.settings import require
from ..core.streams import Streams
from ..paint.canvas import bars, resized
from .estimate import estimate
from .gymnasium_picture import _no_display


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
        try:
            probe = self._make()
        except (gymnasium.error.Error, ImportError) as error:
            raise ValueError(f"{self.gymnasium_id}: Gymnasium cannot make it ({error})") from error
        require(
            isinstance(probe.observation_space, spaces.Box)
            and len(probe.observation_space.shape) == 1,
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
        """A copy, without the wrapper that only asks at every step whether there was a reset."""
        made = gymnasium.make(
            self.gymnasium_id, max_episode_steps=-1, disable_env_checker=True, **settings
        )
        return made.env if type(made) is OrderEnforcing else made

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
        seeds = [seed for row in self.reset_seeds(streams, episodes) for seed in row]
        if len(held.get("copies", [])) != len(seeds):
            self.close()
            held["copies"] = [self._make() for _ in seeds]
        first = [copy.reset(seed=seed)[0] for copy, seed in zip(held["copies"], seeds, strict=True)]
        state = torch.tensor(np.array(first), dtype=torch.float64, device=self.device).reshape(
            runs, episodes, -1
        )
        never = torch.zeros(runs, episodes, dtype=torch.bool)
        held.update(state=state, terminated=never, stopped=never, reward=never.double())
        return state

    def reset_seeds(self, streams: Streams, episodes: int) -> list[list[int]]:
        """What each copy is reset with (R, E)."""
        runs = range(len(streams.seeds))
        return [
            [int(streams.generator(r, "initial", e).integers(2**31)) for e in range(episodes)]
            for r in runs
        ]

    def close(self) -> None:
        """Close the copies."""
        for copy in self._held.pop("copies", []):
            copy.close()

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """Every copy that goes on takes its step; one whose state or action is not finite has stopped."""
        held = self._held
        stopped = (
            held["stopped"] | ~(held["state"].isfinite().all(-1) & action.isfinite().all(-1)).cpu()
        )
        same = (
            "copies" in held
            and held["state"].shape == state.shape
            and (held["state"] == state)[~stopped].all()
        )
        require(
            bool(same),
            "transition: expected the states of the last step, got others; this environment only steps on",
        )
        # NumPy's and Python's numbers: a tensor's cost more in this loop than many an environment's step.
        chosen, over, halted = (
            self._native(action),
            held["terminated"].numpy().copy(),
            stopped.numpy(),
        )
        following, reward = state.cpu().numpy().copy(), np.zeros(over.shape)
        rows, paid, ended, stop = (
            following.reshape(over.size, -1),
            reward.ravel(),
            over.ravel(),
            halted.ravel(),
        )
        for i in np.flatnonzero(~stop).tolist():
            rows[i], paid[i], done, truncated, _ = held["copies"][i].step(chosen[i])
            if done or truncated:
                ended[i], stop[i] = done, True
        after, gained, terminated = (
            torch.from_numpy(following),
            torch.from_numpy(reward),
            torch.from_numpy(over),
        )
        held.update(
            state=after.to(state.device), reward=gained, terminated=terminated, stopped=stopped
        )
        return held["state"]

    def _native(self, action: torch.Tensor) -> Any:
        """Actions (R, E, U), those of all copies in a row, as the environment takes them."""
        if isinstance(self.action_space, spaces.Discrete):
            return action[..., 0].nan_to_num().long().ravel().tolist()
        return (
            action.cpu()
            .numpy()
            .astype(self.action_space.dtype)
            .reshape(-1, *self.action_space.shape)
        )

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
        """The largest growth of a deviation in one step that pairs of copies have shown: an estimate from below."""
        value, note = self._estimate
        return Certificate(
            (value,) * self.runs, "Euclidean over observations", "estimated", note=note
        )

    @cached_property
    def _estimate(self) -> tuple[float, str]:
        return estimate(self._make)

    def draw(
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """The environment's own picture where an observation sets its state, else bars of the observation."""
        frame = self._picture(state)
        return (
            bars(state, ghost, self.observation_space, size)
            if frame is None
            else resized(frame, size)
        )

    def _picture(self, state: np.ndarray) -> np.ndarray | None:
        if "camera" not in self._held:
            camera = None
            with contextlib.suppress(Exception), warnings.catch_warnings(), _no_display():
                warnings.simplefilter(
                    "ignore"
                )  # no renderer, or none installed, in whatever words: bars will do
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


def wrapper(identifier: str) -> type[Env]:
    """The class of environments around a Gymnasium id."""
    steps = gymnasium.spec(identifier).max_episode_steps or 200
    fields = [("horizon", int, field(default=steps))]
    return make_dataclass(
        identifier.replace("-", "_").replace("/", "_"), fields, bases=(Foreign,), frozen=True, kw_only=True,
        namespace={"gymnasium_id": identifier, "__doc__": f"{identifier}, through Gymnasium.", "__module__": __name__},
    )  # fmt: skip
