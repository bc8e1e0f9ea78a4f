"""chunk: tanh networks that plan the next actions from one observation, and execute them without looking.

Action chunking (Zhao et al. 2023, "Learning fine-grained bimanual manipulation with low-cost hardware", ACT). While a
plan is executed the loop is open: what the copy gets wrong is not fed back, which helps where the plant by itself
contracts and is catastrophic where it does not (Simchowitz et al. 2025, Zhang et al. 2025). Not to be confused with
planning far and looking again at each step, `--execute 1`, which leaves the loop as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.policy import Policy, choose
from ..core.settings import one_of, require, require_counts
from ..fit.chunks import (
    MISSING,
    anything,
    average,
    chunked,
    execute,
    require_horizon,
    require_plan,
    space_of_plans,
)
from ..fit.loop import Autograd, Block, Gradient
from ..fit.optimiser import Layers, Optimiser
from ..fit.training import Lesson, require_positive
from .mlp import MLP, MLPPolicy, mlp, scaling_of, steepness_of, train


class ChunkPolicy(Policy):
    """Tanh networks whose outputs are the actions of several steps.

    Memory is what is left of the plan, or, where plans are averaged, the sums of what has been planned for each step.

    Args:
        network: from observations to plans, (R, E, L U), or the logits of every step, (R, E, L A).
        action_space: Gymnasium's space of one action.
        steps: how many actions of a plan are executed before the next one is made, from 1 to L.
        decay: of the weights of an average of all plans, which are then made anew at each step; None takes no average.
    """

    def __init__(
        self,
        network: MLPPolicy,
        action_space: spaces.Box | spaces.Discrete,
        steps: int,
        decay: float | None = None,
    ):
        self.network = network
        self.action_space = action_space
        self.steps = steps
        self.decay = decay
        self.runs = network.runs
        self.device = network.device

    def __repr__(self) -> str:
        """What it is, not all of it."""
        how = f"{self.steps} executed" if self.decay is None else "averaged"
        return f"ChunkPolicy({self.network}, {how})"

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; with `draw` a plan of Discrete actions is drawn, each by the number of its first step."""
        plan = partial(self.plan, obs, draw)
        if self.decay is not None:
            return average(memory, plan(), self.decay)
        action, memory = execute(memory, plan, self.steps)
        discrete = isinstance(self.action_space, spaces.Discrete)
        return action.long() if discrete else action, memory

    def plan(self, obs: torch.Tensor, draw: torch.Tensor | None = None) -> torch.Tensor:
        """The next actions (R, E, L, U), float64, for observations (R, E, O)."""
        out, _ = self.network.act(obs)
        if isinstance(self.action_space, spaces.Box):
            size = self.action_space.low.size
            return out.unflatten(-1, (-1, size))
        logits = out.unflatten(-1, (-1, int(self.action_space.n)))
        if draw is None:
            labels = logits.argmax(-1, keepdim=True)
        else:
            each_step = draw[..., None].expand(logits.shape[:-1])
            labels = choose(logits.softmax(-1), each_step)
        return labels.double()

    def __getitem__(self, run: int) -> ChunkPolicy:
        """The policy of one run."""
        one_of(run, self.runs)
        return ChunkPolicy(self.network[run], self.action_space, self.steps, self.decay)

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name; an average is told by a decay that is not negative."""
        decay = -1.0 if self.decay is None else self.decay
        steps = torch.full((self.runs,), self.steps)
        decays = torch.full((self.runs,), decay, dtype=torch.float64)
        return self.network.arrays(resume) | {"plan.steps": steps, "plan.decay": decays}


@dataclass(frozen=True)
class Chunks:
    """Tanh networks that plan several actions from one observation, trained on squared error or cross-entropy."""

    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
    chunk: int = 8
    """Actions planned from one observation, l, at most the horizon; 1 is net mlp."""
    execute: int = 0
    """How many of them are executed before the next plan; 0 executes all, 1 plans anew at each step."""
    ensemble: bool = False
    """Plan anew at each step, and execute the weighted mean of what all plans have for it (Box actions only)."""
    decay: float = 0.01
    """Of k plans for a step the i-th oldest weighs exp(-decay i) in that mean."""

    descends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse widths that no network has, and plans that nobody can execute."""
        require_counts(self, "hidden")
        require_plan(self)
        require_positive(self, "decay", zero=True)
        alone = not self.ensemble or self.execute == 0
        reason = "an ensemble plans anew at each step"
        require(alone, f"execute: {reason}, got {self.execute}; leave it at 0")

    def fit(self, lesson: Lesson) -> ChunkPolicy:
        """See `Net.fit`; the loss of a plan is the sum of its steps', of which those beyond the episode count nothing.

        Raises:
            ValueError: for a chunk longer than the horizon, or an ensemble of Discrete actions.
        """
        space = lesson.env.action_space
        require_horizon("chunk", self.chunk, lesson.env.horizon)
        possible = not (self.ensemble and isinstance(space, spaces.Discrete))
        require(possible, "net chunk: ensemble: Discrete actions have no mean; leave it out")
        start = lesson.start.network if isinstance(lesson.start, ChunkPolicy) else None
        plans = replace(lesson, data=chunked(lesson.data, self.chunk))
        network = self._network(plans, space, start)
        steps = self.execute or self.chunk
        return ChunkPolicy(network, space, steps, self.decay if self.ensemble else None)

    def _network(self, lesson: Lesson, space: Any, start: MLPPolicy | None) -> MLPPolicy:
        """The networks from observations to plans."""
        discrete = isinstance(space, spaces.Discrete)
        several = self.chunk > 1
        logits = self.chunk * int(space.n) if discrete else None
        outputs = logits or lesson.data.action.shape[2]
        observation = lesson.data.obs.shape[2]
        sizes = [observation, *self.hidden, outputs]
        scaling = partial(scaling_of, logits=logits)
        steepness: Callable[[Block], Callable[[Optimiser], Gradient]]
        steepness = partial(steepness_of, sizes=sizes, discrete=discrete, gaps=several)
        if discrete and several:
            steepness = partial(_by_logits, actions=int(space.n))
        networks = train(lesson, sizes, scaling, steepness, start)
        of_plans = anything(outputs) if discrete else space_of_plans(space, self.chunk)
        return MLPPolicy(networks.layers, networks.scaling, of_plans, networks.trained)

    def restore(self, arrays: Arrays, action_space: Any) -> ChunkPolicy:
        """See `Net.restore`."""
        steps = int(arrays["plan.steps"][0])
        decay = float(arrays["plan.decay"][0])
        outputs = arrays["scaling.scale"].shape[-1]
        if isinstance(action_space, spaces.Discrete):
            of_plans = anything(outputs)
        else:
            of_plans = space_of_plans(action_space, outputs // action_space.low.size)
        network = MLP().restore(arrays, of_plans)
        return ChunkPolicy(network, action_space, steps, None if decay < 0 else decay)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`; what does not fit into the horizon is refused here, before anybody has driven.

        Raises:
            ValueError: for a chunk longer than the horizon.
        """
        require_horizon("chunk", self.chunk, horizon)
        return MLP(self.hidden).footprint(observation, self.chunk * outputs, horizon)


def _by_logits(block: Block, actions: int) -> Callable[[Optimiser], Gradient]:
    """Who computes the gradient of the cross-entropy of all steps of a plan, for some runs."""

    def loss(layers: Layers, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        logits = mlp(layers, x).unflatten(-1, (-1, actions))
        each = torch.nn.functional.cross_entropy(
            logits.flatten(0, 2), y.flatten(), reduction="none", ignore_index=MISSING
        )
        of_plan = each.view_as(y).sum(-1)
        return (share * of_plan).sum(1)

    return partial(Autograd, loss=loss)
