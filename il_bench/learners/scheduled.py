"""Scheduled sampling: copy texts whose symbols are, more and more of them, replaced by the student's own.

Bengio, Vinyals, Jaitly & Shazeer (2015). At every symbol a coin says whether the demonstration's stands before the next
label or what the student would write at this moment; how often falls over training. No gradient goes through what is
written. Not to be confused with DAgger, which asks the expert what it would write after what the student wrote: here the
label stays the demonstration's next symbol. That is its flaw (Huszar 2015): where texts go on by what was written, the
optimum at the end of the schedule is a product of marginals, which ignores the prefix; where they go on by the clock, the
label is right and no question is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import Values, as_tuple, require, require_choice, require_counts
from ..core.streams import Streams
from ..fit.collect import demonstrate
from ..fit.course import Course
from ..fit.fitting import fit
from ..fit.roll_ins import CoinedSymbols, require_text
from ..fit.training import Training, require_positive
from ..fit.unrolling import iterated, require_unrolled
from ..stats.theory import teacher_share


@dataclass(frozen=True)
class Scheduled:
    """Scheduled sampling: the prefixes that are learned from become the student's own, their labels stay as they are."""

    episodes: int = 8
    """Expert episodes to learn from."""
    schedule: Literal["linear", "exponential", "sigmoid", "constant"] = "sigmoid"
    """How the chance of the demonstration's symbol falls from one: linear, exponential, inverse sigmoid; or is constant."""
    half: Values = 0.0
    """The update at which that chance is 1/2; 0 is the middle of training."""
    least: Values = 0.0
    """The chance below which it does not fall; where the schedule is constant, the chance itself."""
    protect: int = 1
    """The first symbols of a text, so many, are always the demonstration's; 0 replaces the first one too, as in the paper."""
    iterates: int = 1
    """How often, evenly, the policy of the moment is shown while it is learned."""
    training: Training = field(default_factory=Training)
    """How the labels become a policy, by a net that remembers."""

    actions: ClassVar[str] = "symbols"

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_choice(self)
        require_counts(self, "episodes", "iterates")
        require_positive(self, "half", zero=True)
        for least in as_tuple(self.least):
            require(0 <= least <= 1, f"least: expected a chance from 0 to 1, got {least}; try 0")
        require(self.protect >= 0, f"protect: expected at least 0 symbols, got {self.protect}")

    def chances(self, i: int) -> list[float]:
        """Chance of the demonstration's symbol after i updates: one for all runs, or one for each."""
        halves, leasts = as_tuple(self.half), as_tuple(self.least)
        runs = max(len(halves), len(leasts))
        each_half = halves * (runs // len(halves))
        each_least = leasts * (runs // len(leasts))
        pairs = zip(each_half, each_least, strict=True)
        return [self._chance(i, half, least) for half, least in pairs]

    def _chance(self, i: int, half: float, least: float) -> float:
        """The same for one run."""
        if self.schedule == "constant":
            return least
        middle = half or self.training.updates / 2
        share = teacher_share(self.schedule, i, middle)
        return max(share, least)

    def require_possible(self, env: Env) -> None:
        """Refuse what is no text, and nets that do not remember."""
        require_text("scheduled", env)
        require_unrolled("scheduled", self.training)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives once; its texts are rewritten in part at each update, its labels are not."""
        self.require_possible(env)
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        own = course.streams.fork("demonstrations")
        data = demonstrate(env, course.expert, own, self.episodes, course.log)
        source = CoinedSymbols(course.streams.fork("roll-in"), self.chances, self.protect)
        watch = iterated(course.log, self.training.updates, self.iterates)
        fitting = course.streams.fork("fit")
        policy = fit(data, self.training, env, fitting, course.log, source=source, watch=watch)
        return course.log.close(self, policy)
