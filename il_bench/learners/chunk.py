"""Action chunking: cloning of the expert's next actions as a whole, which are then executed without looking.

Zhao et al. (2023), ACT. Executing a plan opens the loop: the copy's errors are not fed back for so many steps. That
cures drift where the plant by itself contracts, and is a catastrophe where it does not (Simchowitz et al. 2025, Zhang
et al. 2025). Not to be confused with planning far and looking again at each step (`execute 1`), which cures nothing.
Net `chunk` is the same for every other learner.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.registry import name_of
from ..core.settings import Values, as_tuple, require, require_counts
from ..core.streams import Streams
from ..fit.chunks import require_horizon
from ..fit.collect import demonstrate_budget
from ..fit.course import Course
from ..fit.fitting import fit
from ..fit.training import Training
from ..nets.chunk import Chunks
from ..nets.mlp import MLP


@dataclass(frozen=True)
class Chunk:
    """Cloning of plans: several actions from one observation, executed without looking."""

    episodes: int = 8
    """Expert episodes to learn from."""
    chunk: int = 8
    """Actions planned from one observation, l, at most the horizon; 1 is cloning."""
    execute: int = 0
    """How many of them are executed before the next plan; 0 executes all, 1 plans anew at each step."""
    ensemble: bool = False
    """Plan anew at each step, and execute the weighted mean of what all plans have for it (Box actions only)."""
    decay: float = 0.01
    """Of k plans for a step the i-th oldest weighs exp(-decay i) in that mean."""
    training: Training = field(default_factory=Training)
    """How the labels become a policy; of its net, mlp, the hidden layers are taken."""
    labels: Values = 0.0
    """Labels to learn from, instead: as many episodes as hold them, the last one in part; 0 takes the episodes."""

    nets: ClassVar[tuple[str, ...]] = ("mlp",)

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes")
        require(min(as_tuple(self.labels)) >= 0, f"labels: expected at least 0, got {self.labels}")
        self.net()

    def net(self) -> Chunks:
        """What is fitted, with the hidden layers of the training's net."""
        net = self.training.net
        hidden = net.hidden if isinstance(net, MLP) else MLP().hidden
        return Chunks(hidden, self.chunk, self.execute, self.ensemble, self.decay)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives, every visited state is labelled with what it does from there on."""
        self.require_possible(env)
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        own = course.streams.fork("demonstrations")
        data = demonstrate_budget(env, course.expert, own, self.episodes, self.labels, course.log)
        training = dataclasses.replace(self.training, net=self.net())
        policy = fit(data, training, env, course.streams.fork("fit"), course.log)
        course.log.iterate(0, policy)
        return course.log.close(self, policy)

    def require_possible(self, env: Env) -> None:
        """Refuse plans longer than an episode, and nets that have no plans."""
        require_horizon("chunk", self.chunk, env.horizon)
        net = self.training.net
        reason = f"expected net mlp, got {name_of(net)}"
        advice = "use --net mlp, whose hidden layers it takes, or bc"
        require(isinstance(net, MLP), f"chunk: {reason}; {advice}")
