"""Gated imitation: the copy drives until a gate hands the wheel to the expert; what the expert then does is learned from.

Five gates of the field behind one loop (each is told in `fit/gates.py`): `safe` (SafeDAgger, Zhang & Cho 2017), `ensemble`
(EnsembleDAgger, Menda et al. 2019), `lazy` (LazyDAgger, Hoque et al. 2021), `thrifty` (ThriftyDAgger, Hoque et al. 2021)
and `human` (HG-DAgger, Kelly et al. 2019; the human is the expert itself, who sees how wrong the copy is). Not to be
confused with DAgger, whose expert labels every state and never takes over: here it is asked for few labels and pays with
its hands. `human` and `ensemble` need somebody who watches all the time, `lazy` and `thrifty` ask once more where the expert
hands back: a Record counts all of these as `asked`, as `labels` what was learned from, as `interventions` steps taken over,
as `switches` how often the wheel changed hands.

The classifier of `safe` and `lazy` learns from the errors of the copy on what was labelled. A copy that has converged errs
there by a hundredth of the labels' spread or less: a tau above that tells unfamiliar states alone, and is no dial; at one far
below it the expert drives all the time, which is cloning, and drifts as cloning does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch

from ..borders import resolve
from ..core.chance import PURPOSE, bound
from ..core.env import Env, Expert
from ..core.gate import Asking, Gate, Takeover, always, at_the_wheel, until_handed_back
from ..core.policy import Log, Policy
from ..core.rollout import chance_of
from ..core.settings import Values, as_tuple, require, require_choice, require_counts
from ..core.streams import Streams
from ..fit import gates
from ..fit.collect import collect_gated, demonstrate
from ..fit.course import Course
from ..fit.dataset import Dataset
from ..fit.fitting import fit
from ..fit.rounds import All, in_rounds, require_updates, shared
from ..fit.training import Training, require_positive
from ..nets.mixture import MixturePolicy

ASKS: dict[str, Asking] = {
    "safe": at_the_wheel,
    "lazy": until_handed_back,
    "thrifty": until_handed_back,
    "ensemble": always,
    "human": always,
}
"""Where each gate looks at what the expert would do; those that always do watch."""

OF_MEMBERS = ("ensemble", "thrifty")
"""Gates that ask an ensemble how sure it is."""


@dataclass(frozen=True)
class Gated:
    """The copy drives, and the expert takes over where a gate says so."""

    gate: Literal["safe", "ensemble", "lazy", "thrifty", "human"] = "lazy"
    """Who decides: a classifier (safe), one with hysteresis (lazy), who watches (ensemble, human), a budget (thrifty)."""
    rounds: int = 8
    """Rounds of collecting and learning, N; in the first the expert drives alone."""
    episodes: int = 1
    """Episodes collected in each round."""
    tau: Values = 0.1
    """Error of an action above which it is wrong, in standard deviations of the expert's labels."""
    back: Values = 0.5
    """Share of tau below which lazy, thrifty and human hand the wheel back."""
    doubt: Values = 0.1
    """Disagreement of the ensemble above which `ensemble` takes over, in the unit of tau."""
    members: int = 3
    """Policies in the ensemble of ensemble and thrifty; they share the updates, and their mean acts."""
    rate: Values = 0.2
    """Share of steps that the expert of `thrifty` may act in, after the first round."""
    training: Training = field(default_factory=Training)
    """How the labels become a policy."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_choice(self)
        require_counts(self, "rounds", "episodes", "members")
        require_positive(self, "tau", "doubt")
        alone = self.members >= 2 or self.gate not in OF_MEMBERS
        reason = f"gate {self.gate} asks at least 2 members how far they are apart"
        require(alone, f"members: {reason}, got {self.members}; try 3")
        for back in as_tuple(self.back):
            fits = 0 <= back <= 1
            require(fits, f"back: expected a share of tau from 0 to 1, got {back}; try 0.5")
        for rate in as_tuple(self.rate):
            fits = 0 < rate < 1
            require(fits, f"rate: expected a share between 0 and 1, got {rate}; try 0.2")
        require_updates(self.training, self.rounds, self.rounds * self._policies)

    @property
    def _policies(self) -> int:
        """How many policies are fitted in each round."""
        return self.members if self.gate in OF_MEMBERS else 1

    def updates(self, i: int) -> int:
        """Gradient updates of fit i = 0, 1, ..., member after member; they add up to `training.updates`."""
        fits = self.rounds * self._policies
        return shared(self.training.updates, [1] * fits, i)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The copy drives but where the gate says no; the expert's own actions are labels."""
        course = Course.begun(env, resolve.expert(env, expert), streams, log)
        collect = partial(self._collect, course)
        fit_round = partial(self._fit, course)
        *_, policy = in_rounds(course, self.rounds, All(), collect, fit_round)
        return course.log.close(self, policy)

    def _fit(self, course: Course, i: int, before: Policy | None, data: Dataset) -> Policy:
        """The policy of round i, which goes on from the last round's; an ensemble, where the gate asks one."""
        starts = _members(before, self._policies)
        members = []
        for k, start in enumerate(starts):
            number = i * self._policies + k
            streams = course.streams.fork("fit", number)
            updates = self.updates(number)
            policy = fit(data, self.training, course.env, streams, course.log, updates, start)
            members.append(policy)
        if self.gate not in OF_MEMBERS:
            return members[0]
        runs = course.env.runs
        chances = torch.full((runs, len(members)), 1 / len(members), dtype=torch.float64)
        device = course.env.device
        return MixturePolicy(members, chances.to(device), drawn_twice=course.env.by_chance)

    def _collect(
        self, course: Course, i: int, policy: Policy | None, data: Dataset | None
    ) -> Dataset:
        """What the expert did in round i, alone or where the gate asked for it."""
        env, log = course.env, course.log
        streams = course.streams.fork("round", i)
        if policy is None or data is None:
            return demonstrate(env, course.expert, streams, self.episodes, log)
        expert = bound(env, course.expert, streams, self.episodes)
        gate = self._gate(env, policy, data)
        draws = None
        if chance_of(policy, streams, env.by_chance) is not None:
            draws = streams.uniform(PURPOSE, self.episodes, env.horizon)
        drive = Takeover(env, policy, expert, gate, draws)
        return collect_gated(env, drive, ASKS[self.gate], streams, self.episodes, log)

    def _gate(self, env: Env, policy: Policy, data: Dataset) -> Gate:
        """The gate of a round, from what was labelled until then."""
        ruler = gates.Ruler.of(env, data)
        tau = _column(self.tau, env)
        back = tau * _column(self.back, env)
        if self.gate == "human":
            return gates.Human(ruler, tau, back)
        if self.gate == "ensemble":
            return gates.Ensemble(ruler, tau, _column(self.doubt, env))
        risk = gates.Risk.of(ruler, env, policy, data, tau)
        if self.gate == "safe":
            return gates.Safe(risk)
        if self.gate == "lazy":
            return gates.Lazy(ruler, risk, back)
        rate = _column(self.rate, env)
        return gates.thrifty(ruler, policy, risk, self._last(data), rate, back)

    def _last(self, data: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
        """What was observed in the last round (R, E, T, O), and where somebody lived (R, E, T)."""
        steps = data.lengths[-1]
        both = data.obs, gates.lived(data)
        obs, lived = (each.unflatten(1, (-1, steps))[:, -self.episodes :] for each in both)
        return obs, lived


def _members(policy: Policy | None, count: int) -> list[Policy | None]:
    """The members of an ensemble, or the only policy; nobody before the first round."""
    if isinstance(policy, MixturePolicy) and count > 1:
        return list(policy.parts)
    return [policy] * count


def _column(values: Values, env: Env) -> torch.Tensor:
    """One number for each run (R, 1), float64."""
    numbers = torch.tensor(as_tuple(values), dtype=torch.float64, device=env.device)
    return numbers.expand(env.runs)[:, None]
