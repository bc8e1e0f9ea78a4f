"""Shifted experts: experts with a known error, which ask what a plant does with errors, without any learner."""

from __future__ import annotations

import math
from typing import Any

import torch

from .disturbance import anywhere
from .env import Env, Expert, RecurrentExpert, StochasticExpert
from .rollout import Answer, action_size, ask_on
from .settings import require
from .streams import Streams


class Shifted(RecurrentExpert):
    """The expert with an error added to its action: epsilon times a direction of unit length.

    Args:
        env: the environment.
        expert: who is copied.
        size: epsilon, one or one for each run (R, 1, 1).
        way: "constant" (one direction) or "zero-mean" (a new sign for each number, rollout and step).
        streams: signs of the zero-mean error.
    """

    def __init__(
        self, env: Env, expert: Expert, size: float | torch.Tensor, way: str, streams: Streams
    ):
        known = way in ("constant", "zero-mean")
        require(known, f"way: expected constant or zero-mean, got {way!r}; choose one of them")
        self.env = env
        self.expert = expert
        self.streams = streams
        self.size = size
        self.way = way

    def go_on(self, state: torch.Tensor, memory: Any) -> Answer:
        """See `RecurrentExpert.go_on`; each step has its own sign."""
        step, its_memory = memory or (0, None)
        label, its_memory = ask_on(self.env, self.expert, state, its_memory)
        length = math.sqrt(label.shape[-1])
        sign = self._sign(label, step)
        error = self.size * sign
        memory = step + 1, its_memory
        return label + error / length, memory

    def _sign(self, label: torch.Tensor, step: int) -> torch.Tensor:
        if self.way == "constant":
            return torch.ones_like(label)
        streams = self.streams.fork("sign", step)
        _, episodes, size = label.shape
        draw = streams.uniform("sign", episodes, size)
        return torch.where(draw < 0.5, -1.0, 1.0)


class Slipping(RecurrentExpert):
    """The expert that takes another Discrete action with a chance, at each step anew, the others each alike.

    Args:
        env: the environment.
        expert: who is copied.
        chance: of an error, (R, 1).
        streams: when it errs, and how.
    """

    def __init__(self, env: Env, expert: Expert, chance: torch.Tensor, streams: Streams):
        self.env = env
        self.expert = expert
        self.chance = chance
        self.streams = streams

    def go_on(self, state: torch.Tensor, memory: Any) -> Answer:
        """See `RecurrentExpert.go_on`."""
        episodes = state.shape[1]
        step, draw, its_memory = memory or (0, self._draw(episodes), None)
        label, its_memory = ask_on(self.env, self.expert, state, its_memory)
        now = draw[:, :, step]
        coin, place = now.split(1, -1)
        wrong = self._another(label, place)
        slips = coin < self.chance[..., None]
        action = torch.where(slips, wrong, label)
        memory = step + 1, draw, its_memory
        return action, memory

    def _draw(self, episodes: int) -> torch.Tensor:
        """Whether and how it errs: uniform numbers (R, E, T, 2) of whole episodes."""
        return self.streams.uniform("slip", episodes, self.env.horizon, 2)

    def _another(self, label: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """One of the other actions (R, E, 1), each alike, for uniform numbers (R, E, 1)."""
        space: Any = self.env.action_space
        count = int(space.n)
        ahead = 1 + (place * (count - 1)).floor()
        return (label + ahead) % count


class Blurred(StochasticExpert):
    """An expert that acts by chance, and with a chance of its own takes another action than it drew, each alike.

    Args:
        expert: who is copied.
        chance: of an error, (R, 1).
    """

    def __init__(self, expert: StochasticExpert, chance: torch.Tensor):
        self.expert = expert
        self.chance = chance[..., None]

    def distribution(self, state: torch.Tensor) -> torch.Tensor:
        """See `StochasticExpert.distribution`."""
        its = self.expert.distribution(state)
        others = its.shape[-1] - 1
        meant = (1 - self.chance) * its
        slipped = self.chance * (1 - its)
        return meant + slipped / others


class Wandering(RecurrentExpert):
    """Whoever takes any action at each step, each alike.

    Args:
        env: the environment.
        streams: where its actions are drawn.
    """

    def __init__(self, env: Env, streams: Streams):
        self.env = env
        self.streams = streams

    def go_on(self, state: torch.Tensor, memory: Any) -> Answer:
        """See `RecurrentExpert.go_on`."""
        step, actions = memory or (0, self._actions(state.shape[1]))
        return actions[:, :, step], (step + 1, actions)

    def _actions(self, episodes: int) -> torch.Tensor:
        """Actions (R, E, T, U) of whole episodes."""
        env = self.env
        draw = self.streams.uniform("action", episodes, env.horizon, action_size(env))
        return anywhere(env, draw)
