"""mixture: policies of which one acts at each step, chosen anew by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.env import Env
from ..core.policy import Log, Policy, choose
from ..core.settings import one_of, require
from ..core.streams import Streams
from ..fit.dataset import Dataset
from ..fit.fitting import restore
from ..fit.training import Training


class MixturePolicy(Policy):
    """Policies of which one acts at each step, chosen anew by chance; each acts deterministically once it is chosen.

    Without a draw it does what it does on average: the weighted mean of Box actions, the weighted vote of Discrete ones.

    Args:
        parts: K policies of R runs.
        chances: (R, K) of each part; they sum to one.
    """

    def __init__(self, parts: list[Any], chances: torch.Tensor):
        self.parts, self.chances, self.action_space = parts, chances, parts[0].action_space
        self.runs, self.device = len(chances), str(chances.device)

    def __repr__(self) -> str:
        """What it is, not all of it."""
        return f"MixturePolicy({len(self.parts)} x {self.parts[0]})"

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; `draw` chooses who acts. The parts' memories stand side by side, (R, E, K, ...)."""
        held = [None] * len(self.parts) if memory is None else memory.unbind(2)
        answers = [part.act(obs, own) for part, own in zip(self.parts, held, strict=True)]
        kept = [own for _, own in answers]
        memory = None if kept[0] is None else torch.stack(kept, 2)
        actions, chances = torch.stack([action for action, _ in answers], 2), self.chances[:, None]
        if draw is not None:
            who = choose(chances, draw)[..., None]
            return actions.gather(2, who.expand(-1, -1, -1, actions.shape[-1]))[:, :, 0], memory
        if isinstance(self.action_space, spaces.Box):
            mean = torch.zeros_like(actions[:, :, 0])
            # A sum over a stack would round differently for fewer runs.
            for k, action in enumerate(actions.unbind(2)):
                mean = mean + chances[..., k, None] * action
            return mean, memory
        votes = torch.zeros(
            *obs.shape[:2], int(self.action_space.n), dtype=chances.dtype, device=obs.device
        )
        votes = votes.scatter_add(2, actions[..., 0], chances.expand(-1, obs.shape[1], -1))
        return votes.argmax(-1, keepdim=True), memory

    def __getitem__(self, run: int) -> MixturePolicy:
        """The policy of one run."""
        return MixturePolicy(
            [part[run] for part in self.parts], self.chances[one_of(run, self.runs)]
        )

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name; those of part 3 begin with `part.003.mlp.`."""
        held = {
            f"part.{k:03d}.{part.kind}.{name}": array
            for k, part in enumerate(self.parts)
            for name, array in part.arrays(resume).items()
        }
        return {"chances": self.chances, **held}


@dataclass(frozen=True)
class Mixture:
    """Made by a learner that mixes fitted policies, such as SMILe; not fitted itself."""

    descends: ClassVar[bool] = False

    def fit(
        self,
        data: Dataset,
        training: Training,
        env: Env,
        streams: Streams,
        log: Log,
        updates: int,
        start: Policy | None,
    ) -> MixturePolicy:
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
        for name in sorted(arrays):
            if name.startswith("part."):
                _, number, kind, own = name.split(".", 3)
                parts.setdefault((number, kind), {})[own] = arrays[name]
        require(len(parts) > 0, "policy: expected the parts of a mixture, got none")
        policies = [restore(kind, own, action_space) for (_, kind), own in parts.items()]
        return MixturePolicy(policies, arrays["chances"])

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        return 0
