"""On-policy distillation: learn the expert's chances of every next symbol in texts that the student writes itself.

Agarwal, Vieillard et al. (2024), "On-policy distillation of language models", GKD: a share lambda of each minibatch is
what the student writes at this moment, the rest are demonstrations, and everywhere a divergence between the expert's
chances and the student's is descended on. No gradient goes through what is written. Not to be confused with DAgger, which
keeps all rounds' data and labels: here each text is learned from once, and the labels are whole distributions (one
question for each symbol, counted); nor with reinforcement learning on the reverse divergence, whose gradient goes through
the writing too. It begins as a clone, since texts without a sense teach little about those with one; how much that
matters depends on the language (`--forced 0` leaves it out).

By default the divergence is the one between the two. The forward one pulls with all its force, p - o, wherever the
student is altogether wrong, which right after a short clone is much of what it writes, and unlearns on the way what was
nearly right; the one between them hardly pulls there. On `clock` it ends at the oracle's own cost, on `keyed` too along texts
that are no longer than those learned from; the forward one ends above it or far above (benchmarks/NOTES.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import require, require_choice, require_counts
from ..core.streams import Streams
from ..fit.collect import demonstrate
from ..fit.course import Course
from ..fit.divergences import Divergence, Kind
from ..fit.own_episodes import LabelledEpisodes, after_cloning, require_chances
from ..fit.training import Training, require_positive
from ..fit.unrolling import require_unrolled


@dataclass(frozen=True)
class Distil:
    """Generalised knowledge distillation: the expert's chances along the student's own texts, and along its own."""

    episodes: int = 8
    """Expert episodes to learn from."""
    own: float = 1.0
    """Share of texts in a minibatch that the student writes itself, lambda; the others are the expert's."""
    divergence: Kind = "jsd"
    """Between expert o and student p: forward KL(o || p), reverse KL(p || o), or jsd, which is between the two."""
    balance: float = 0.5
    """Of jsd, above 0 and below 1: towards 0 it is the forward divergence, towards 1 the reverse one."""
    sampling_temperature: float = 1.0
    """At which the student writes what it learns from."""
    loss_temperature: float = 1.0
    """At which the chances of both are compared."""
    smoothing: float = 1e-3
    """Share of a uniform distribution in the expert's chances: what it never does would cost the reverse one infinitely."""
    forced: float = 0.5
    """Share of the updates that clone the demonstrations first; 0 begins with random weights."""
    iterates: int = 1
    """How often, evenly, the policy of the moment is shown while it is learned."""
    training: Training = field(default_factory=Training)
    """How the labels become a policy, by a net that remembers."""

    actions: ClassVar[str] = "symbols"

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_choice(self)
        require_counts(self, "episodes", "iterates")
        require_positive(self, "sampling_temperature", "loss_temperature")
        for name in ("own", "smoothing", "forced"):
            share = getattr(self, name)
            require(0 <= share <= 1, f"{name}: expected a share from 0 to 1, got {share}")
        inside = 0 < self.balance < 1
        require(inside, f"balance: expected above 0 and below 1, got {self.balance}; try 0.5")
        finite = self.divergence != "reverse" or self.smoothing > 0
        require(finite, "smoothing: expected above 0 for divergence reverse, got 0; try 0.001")

    def require_possible(self, env: Env) -> None:
        """Refuse nets that do not remember."""
        require_unrolled("distil", self.training)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives, then the student by chance; the expert's chances are the labels."""
        self.require_possible(env)
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        require_chances("distil", course)
        own = course.streams.fork("demonstrations")
        data = demonstrate(env, course.expert, own, self.episodes, course.log)
        source = self._source(course)
        policy = after_cloning(course, data, self.training, self.forced, source, self.iterates)
        return course.log.close(self, policy)

    def _source(self, course: Course) -> LabelledEpisodes:
        """Whence the texts of an update come, and what is lost on them."""
        smoothing = self.smoothing if self.divergence == "reverse" else 0.0
        lost = Divergence(self.divergence, self.balance, self.loss_temperature, smoothing)
        streams = course.streams.fork("texts")
        return LabelledEpisodes(course, streams, self.own, self.sampling_temperature, lost)
