"""Gates: a policy drives, and at each step a gate says whether the expert acts in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from .env import Env, Expert
from .policy import Policy
from .rollout import Answer, Rollout, action_size, ask_on, view


@dataclass(frozen=True)
class Moment:
    """What a gate may look at.

    Attributes:
        step: of the episode.
        obs: (R, E, O) what the policy is shown.
        own: (R, E, U) what it would do.
        label: (R, E, U) what the expert would do; a gate that does not watch may look where the expert drives alone.
        drives: (R, E) bool, whether the expert drove the step before.
    """

    step: int
    obs: torch.Tensor
    own: torch.Tensor
    label: torch.Tensor
    drives: torch.Tensor


Gate: TypeAlias = "Callable[[Moment, Any], tuple[torch.Tensor, Any]]"
"""(moment, memory) -> (whether the expert acts (R, E) bool, memory to hand back at the next step)."""


class Takeover:
    """A driver: a policy, and the expert where the gate says so. Who acted is kept, see `expert_acts`.

    Args:
        env: the environment, R runs.
        policy: who drives.
        expert: who takes over.
        gate: who says when.
        draws: (R, E, T) uniform numbers for a policy that acts by chance; None asks for deterministic actions.
    """

    def __init__(
        self,
        env: Env,
        policy: Policy,
        expert: Expert,
        gate: Gate,
        draws: torch.Tensor | None = None,
    ):
        self.env = env
        self.policy = policy
        self.expert = expert
        self.gate = gate
        self.draws = draws
        self._size = action_size(env)
        self._acts: list[list[torch.Tensor]] = []

    def __call__(self, step: int, state: torch.Tensor, memory: Any) -> Answer:
        """See `rollout.Driver`."""
        env = self.env
        own_memory, its_memory, drives, gate_memory = memory or _beginning(state)
        obs = view(env, self.policy, state)
        draw = None if self.draws is None else self.draws[..., step]
        own, own_memory = self.policy.act(obs, own_memory, draw)
        own = own.to(torch.float64)
        label, its_memory = ask_on(env, self.expert, state, its_memory, self._size)
        moment = Moment(step, obs, own, label, drives)
        drives, gate_memory = self.gate(moment, gate_memory)
        self._keep(step, drives)
        action = torch.where(drives[..., None], label, own)
        memory = own_memory, its_memory, drives, gate_memory
        return action, memory

    def _keep(self, step: int, drives: torch.Tensor) -> None:
        if step == 0:
            self._acts.append([])
        self._acts[-1].append(drives)

    def expert_acts(self, seen: Rollout) -> torch.Tensor:
        """Whether the expert acted (R, E, T) bool, at each lived step of the one rollout that this drove."""
        acts = torch.zeros_like(seen.alive)
        episodes = acts.shape[1]
        for number, steps in enumerate(self._acts):
            drives = torch.stack(steps, 2)
            length = drives.shape[2]
            if len(self._acts) == 1:
                acts[:, :, :length] = drives
            else:  # one episode after the other, see `rollout`
                own = divmod(number, episodes)
                acts[own][:length] = drives[own]
        return acts & seen.alive


def _beginning(state: torch.Tensor) -> tuple[Any, ...]:
    """What is remembered at first: the policy drives."""
    shape = state.shape[:2]
    nobody = torch.zeros(shape, dtype=torch.bool, device=state.device)
    return None, None, nobody, None


def switches(acts: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
    """How often the wheel changes hands (R,), of who acts (R, E, T) in living steps; at first it is the policy's."""
    first = torch.zeros_like(acts[..., :1])
    before = torch.cat((first, acts[..., :-1]), -1)
    changes = (acts != before) & alive
    return changes.sum((1, 2))
