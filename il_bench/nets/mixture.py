"""mixture: policies of which one acts at each step, chosen anew by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.policy import Policy, choose
from ..core.settings import one_of, require
from ..fit.fitting import restore
from ..fit.training import Lesson

FLAGS = "by_chance", "drawn_twice"
"""What a mixture says of itself besides its numbers; files from before have neither, and are as if it were not so."""


class MixturePolicy(Policy):
    """Policies of which one acts at each step, chosen anew by chance.

    Without a draw it does what it does on average: the weighted mean of Box actions, the weighted vote of Discrete ones.

    Args:
        parts: K policies of R runs.
        chances: (R, K) of each part; they sum to one.
        by_chance: whether it is there to be drawn from, see `Policy`; that of parts that are, is too.
        drawn_twice: whether the part that is chosen acts by chance as well, as one that is there for it always does, by
            what is left of the draw; others act deterministically once they are chosen.
    """

    def __init__(
        self,
        parts: list[Any],
        chances: torch.Tensor,
        by_chance: bool = False,
        drawn_twice: bool = False,
    ):
        self.parts = parts
        self.chances = chances
        are_drawn = any(part.by_chance for part in parts)
        self.by_chance = by_chance or are_drawn
        self.drawn_twice = drawn_twice or are_drawn
        self.action_space = parts[0].action_space
        self.runs = len(chances)
        self.device = str(chances.device)

    def __repr__(self) -> str:
        """What it is, not all of it."""
        return f"MixturePolicy({len(self.parts)} x {self.parts[0]})"

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; `draw` chooses who acts. The parts' memories stand side by side, (R, E, K, ...)."""
        action, _, memory = self.act_in_parts(obs, memory, draw)
        return action, memory

    def act_in_parts(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, Any]:
        """See `Policy.act_in_parts`."""
        memories = [None] * len(self.parts) if memory is None else memory.unbind(2)
        answers = []
        memory_after = []
        for part, own in zip(self.parts, memories, strict=True):
            action, after = part.act(obs, own)
            answers.append(action)
            memory_after.append(after)
        actions = torch.stack(answers, 2)
        remembers = memory_after[0] is not None
        memory = torch.stack(memory_after, 2) if remembers else None
        done = actions
        if draw is not None and self.drawn_twice:
            rests = self._rests(draw).unbind(2)
            each = zip(self.parts, memories, rests, strict=True)
            drawn = [part.act(obs, own, rest)[0] for part, own, rest in each]
            done = torch.stack(drawn, 2)
        return self._together(done, draw), actions, memory

    def _rests(self, draw: torch.Tensor) -> torch.Tensor:
        """What is left of draws (R, E) once a part is chosen by them, (R, E, K): uniform again where it is that part."""
        before = self.chances.cumsum(1) - self.chances
        rest = (draw[..., None] - before[:, None]) / self.chances[:, None].clamp_min(1e-300)
        return rest.clamp(0, 1 - 2**-53)

    def _together(self, actions: torch.Tensor, draw: torch.Tensor | None) -> torch.Tensor:
        """What the parts do together (R, E, U), of their actions (R, E, K, U)."""
        if draw is not None:
            return self._one(actions, draw)
        if isinstance(self.action_space, spaces.Box):
            return self._mean(actions)
        return self._vote(actions)

    def _one(self, actions: torch.Tensor, draw: torch.Tensor) -> torch.Tensor:
        """The action of the part that is drawn, of the parts' actions (R, E, K, U)."""
        part = choose(self.chances[:, None], draw)[..., None]
        index = part.expand(-1, -1, -1, actions.shape[-1])
        return actions.gather(2, index)[:, :, 0]

    def _mean(self, actions: torch.Tensor) -> torch.Tensor:
        """The weighted mean of the parts' actions (R, E, K, U); a sum over a stack would round with the number of runs."""
        mean = torch.zeros_like(actions[:, :, 0])
        for k, action in enumerate(actions.unbind(2)):
            mean = mean + self.chances[:, None, k, None] * action
        return mean

    def _vote(self, actions: torch.Tensor) -> torch.Tensor:
        """The action for which the parts that choose it weigh most, of the parts' actions (R, E, K, 1)."""
        runs, episodes, *_ = actions.shape
        space: Any = self.action_space
        count = int(space.n)
        chances = self.chances[:, None].expand(-1, episodes, -1)
        nothing = chances.new_zeros(runs, episodes, count)
        votes = nothing.scatter_add(2, actions[..., 0], chances)
        return votes.argmax(-1, keepdim=True)

    def __getitem__(self, run: int) -> MixturePolicy:
        """The policy of one run."""
        parts = [part[run] for part in self.parts]
        chances = self.chances[one_of(run, self.runs)]
        return MixturePolicy(parts, chances, self.by_chance, self.drawn_twice)

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name; those of part 3 begin with `part.003.mlp.`."""
        arrays = {"chances": self.chances}
        for name in FLAGS:
            arrays[name] = torch.full((self.runs,), getattr(self, name), device=self.device)
        for k, part in enumerate(self.parts):
            prefix = f"part.{k:03d}.{part.kind}"
            own = part.arrays(resume)
            arrays |= {f"{prefix}.{name}": array for name, array in own.items()}
        return arrays


@dataclass(frozen=True)
class Mixture:
    """Made by a learner that mixes fitted policies, such as SMILe; not fitted itself."""

    descends: ClassVar[bool] = False

    def fit(self, lesson: Lesson) -> MixturePolicy:
        """There is nothing to fit.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "net mixture: a learner such as smile mixes fitted nets; choose mlp, or --algo smile"
        )

    def restore(self, arrays: Arrays, action_space: Any) -> MixturePolicy:
        """See `Net.restore`; the parts' kinds stand in the names of their arrays."""
        parts: dict[tuple[str, str], Arrays] = {}
        names = [name for name in sorted(arrays) if name.startswith("part.")]
        for name in names:
            _, number, kind, own = name.split(".", 3)
            part = parts.setdefault((number, kind), {})
            part[own] = arrays[name]
        require(len(parts) > 0, "policy: expected the parts of a mixture, got none")
        policies = []
        for (_, kind), part in parts.items():
            policy = restore(kind, part, action_space)
            policies.append(policy)
        flags = {name: bool(arrays[name].any()) for name in FLAGS if name in arrays}
        return MixturePolicy(policies, arrays["chances"], **flags)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        return 0
