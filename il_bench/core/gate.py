"""Gates: a policy drives, and at each step a gate says whether the expert acts in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeAlias

import torch

from .env import Env, Expert, RecurrentExpert
from .policy import Policy
from .rollout import Answer, Rollout, action_size, ask, ask_on, view


@dataclass(frozen=True)
class Moment:
    """What a gate may look at.

    Attributes:
        step: of the episode.
        obs: (R, E, O) what the policy is shown.
        own: (R, E, U) what it would do.
        parts: (R, E, K, U) what each of its members would do; of one that is no mixture, its own.
        drives: (R, E) bool, whether the expert drove the step before.
        ask: the expert, see `label`.
    """

    step: int
    obs: torch.Tensor
    own: torch.Tensor
    parts: torch.Tensor
    drives: torch.Tensor
    ask: Callable[[], torch.Tensor]

    @cached_property
    def label(self) -> torch.Tensor:
        """(R, E, U) what the expert would do, asked when somebody looks; a gate that does not watch looks where it drives."""
        return self.ask()


Asking: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"
"""(who acts (R, E, T), which steps were lived) -> where a gate looked at what the expert would do (R, E, T) bool."""

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
        own, parts, own_memory = self.policy.act_in_parts(obs, own_memory, draw)
        own = own.to(torch.float64)
        ask, its_memory = self._questioner(state, its_memory)
        moment = Moment(step, obs, own, parts, drives, ask)
        drives, gate_memory = self.gate(moment, gate_memory)
        self._keep(step, drives)
        action = torch.where(drives[..., None], moment.label, own) if drives.any() else own
        memory = own_memory, its_memory, drives, gate_memory
        return action, memory

    def _questioner(
        self, state: torch.Tensor, memory: Any
    ) -> tuple[Callable[[], torch.Tensor], Any]:
        """Who asks the expert in states (R, E, X); one with a memory has to go along, and is asked at once."""
        if not isinstance(self.expert, RecurrentExpert):
            return partial(ask, self.env, self.expert, state, self._size), memory
        label, memory = ask_on(self.env, self.expert, state, memory, self._size)
        return lambda: label, memory

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


def always(acts: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
    """Who watches asks at every step."""
    return alive


def at_the_wheel(acts: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
    """The expert is asked where it acts."""
    return acts & alive


def until_handed_back(acts: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
    """It is also asked at the step at which it hands back, for that is how a gate knows that the copy does well again."""
    return (acts | _step_before(acts)) & alive


def _step_before(acts: torch.Tensor) -> torch.Tensor:
    """Whether the expert acted the step before (R, E, T); at first nobody did."""
    nobody = torch.zeros_like(acts[..., :1])
    return torch.cat((nobody, acts[..., :-1]), -1)


def switches(acts: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
    """How often the wheel changes hands (R,), of who acts (R, E, T) in living steps; at first it is the policy's."""
    changes = (acts != _step_before(acts)) & alive
    return changes.sum((1, 2))
