"""Gates of interactive imitation: when the expert takes over from its copy, and when it hands back.

Errors and doubts are lengths of differences between actions, in units of the length of the labels' spread; where actions
are Discrete an action is wrong (1) or not (0), and doubt is the share of members that choose another one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch

from ..core.env import Env
from ..core.gate import Moment
from ..core.policy import Policy
from ..core.rollout import action_error
from .dataset import Dataset
from .errors import errors
from .spread import spread

KNOWN = 0.1
"""Weight of the sample that is as wrong as can be and lies everywhere: where there is no other nothing is known."""

WIDTH = 1.0
"""Of the kernel, in standard deviations of what was observed."""

FLOOR = 1e-3
"""Smallest deviation of an observation, as `std_floor` is for networks."""

GAIN = 0.05
"""How far the level of a budgeted gate moves when the expert acts."""


@dataclass(frozen=True)
class Ruler:
    """Measures differences of actions.

    Attributes:
        env: whose actions they are.
        unit: (R, 1) length of the labels' spread.
    """

    env: Env
    unit: torch.Tensor

    @classmethod
    def of(cls, env: Env, data: Dataset) -> Ruler:
        """In units of the labels of a dataset."""
        length = spread(env, data).norm(dim=-1)
        return cls(env, length.clamp_min(1e-12)[:, None])

    def length(self, difference: torch.Tensor) -> torch.Tensor:
        """Lengths (R, E) of differences (R, E, U)."""
        return difference.norm(dim=-1) / self.unit

    def error(self, moment: Moment) -> torch.Tensor:
        """How wrong the policy's action would be (R, E)."""
        difference = action_error(self.env, moment.own, moment.label)
        return self.length(difference)


class Risk:
    """The chance that a policy errs by more than tau, from where it did: a kernel average over what was labelled.

    Where nothing was labelled nearby it is 1.

    Args:
        ruler: the unit of errors.
        policy: who errs.
        data: labelled states.
        tau: (R, 1).
    """

    def __init__(self, ruler: Ruler, policy: Policy, data: Dataset, tau: torch.Tensor):
        signed = errors(ruler.env, policy, data)
        error = ruler.length(signed)
        wrong = error > tau
        obs = data.obs.double()
        deviation = obs.std(1, keepdim=True)
        self._wrong = wrong.double()
        self._weight = data.weight.double()
        self._scale = WIDTH * deviation.clamp_min(FLOOR)
        self._obs = obs / self._scale

    def __call__(self, obs: torch.Tensor) -> torch.Tensor:
        """Chances (R, E) at observations (R, E, O)."""
        here = obs.double() / self._scale
        chances = [self._at(place) for place in here.unbind(1)]
        return torch.stack(chances, 1)

    def _at(self, place: torch.Tensor) -> torch.Tensor:
        """Chances (R,) at one observation of each run (R, O), in units of the kernel."""
        way = self._obs - place[:, None]
        square = way.square().sum(-1)
        kernel = (-square / 2).exp()
        near = self._weight * kernel
        wrong = near * self._wrong
        total = KNOWN + near.sum(1)
        return (KNOWN + wrong.sum(1)) / total


@dataclass(frozen=True)
class Doubt:
    """How far the members of an ensemble are from one another.

    Attributes:
        ruler: the unit.
        members: the policies.
    """

    ruler: Ruler
    members: list[Policy]

    def __call__(self, obs: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
        """Doubts (R, E) at observations (R, E, O), and the members' memories."""
        memories = memory or [None] * len(self.members)
        actions, after = [], []
        for member, own in zip(self.members, memories, strict=True):
            action, own = member.act(obs, own)
            actions.append(action.double())
            after.append(own)
        return self._of(actions), after

    def _of(self, actions: list[torch.Tensor]) -> torch.Tensor:
        """Of the members' actions (R, E, U) the root mean square distance from one another, over sqrt 2 (R, E)."""
        env = self.ruler.env
        squares = []
        for one, other in itertools.combinations(actions, 2):
            difference = action_error(env, one, other)
            length = self.ruler.length(difference)
            squares.append(length.square())
        mean = sum(squares) / (2 * len(squares))
        return torch.as_tensor(mean).sqrt()


@dataclass(frozen=True)
class Safe:
    """Zhang & Cho (2017), SafeDAgger: the expert acts where the copy is likely to err by more than tau."""

    risk: Risk

    def __call__(self, moment: Moment, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `Gate`."""
        return self.risk(moment.obs) > 0.5, memory


@dataclass(frozen=True)
class Ensemble:
    """Menda, Driggs-Campbell & Kochenderfer (2019), EnsembleDAgger: where it errs, or an ensemble doubts, by too much."""

    ruler: Ruler
    doubt: Doubt
    tau: torch.Tensor
    limit: torch.Tensor

    def __call__(self, moment: Moment, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `Gate`; it watches."""
        doubt, memory = self.doubt(moment.obs, memory)
        errs = self.ruler.error(moment) > self.tau
        return errs | (doubt > self.limit), memory


@dataclass(frozen=True)
class Lazy:
    """Hoque et al. (2021), LazyDAgger: from where the copy is likely to err until it errs by less than `back`."""

    ruler: Ruler
    risk: Risk
    back: torch.Tensor

    def __call__(self, moment: Moment, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `Gate`."""
        goes_on = self.ruler.error(moment) > self.back
        begins = self.risk(moment.obs) > 0.5
        return torch.where(moment.drives, goes_on, begins), memory


@dataclass(frozen=True)
class Human:
    """Kelly et al. (2019), HG-DAgger: somebody who watches takes over at an error above tau, until it is below `back`."""

    ruler: Ruler
    tau: torch.Tensor
    back: torch.Tensor

    def __call__(self, moment: Moment, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `Gate`; it watches."""
        limit = torch.where(moment.drives, self.back, self.tau)
        return self.ruler.error(moment) > limit, memory


@dataclass(frozen=True)
class Thrifty:
    """Hoque et al. (2021), ThriftyDAgger: at the most novel and the most risky states, as many as the budget has.

    Novelty is the doubt of an ensemble, risk the chance of an error above tau (the source learns the value of reaching a
    goal, which most environments here do not have). Thresholds are quantiles of what the last round met, at a level that
    follows what was spent (Gibbs & Candes, 2021), so that the rate is kept however the states change.

    Attributes:
        ruler, doubt, risk: how both are measured.
        novelties, risks: (R, M) those of the last round's states, in ascending order.
        rate: (R, 1) share of steps that the expert may act.
        back: (R, 1) error below which it hands back.
    """

    ruler: Ruler
    doubt: Doubt
    risk: Risk
    novelties: torch.Tensor
    risks: torch.Tensor
    rate: torch.Tensor
    back: torch.Tensor

    def __call__(self, moment: Moment, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `Gate`."""
        start = self.rate.expand(moment.drives.shape)
        level, members = memory or (start, None)
        doubt, members = self.doubt(moment.obs, members)
        risk = self.risk(moment.obs)
        is_novel = doubt > _quantile(self.novelties, level)
        is_risky = risk > _quantile(self.risks, level)
        begins = is_novel | is_risky
        errs = self.ruler.error(moment) > self.back
        goes_on = errs & (level > 0)
        acts = torch.where(moment.drives, goes_on, begins)
        left = self.rate - acts.double()
        level = level + GAIN * left
        return acts, (level, members)


def thrifty(
    ruler: Ruler,
    doubt: Doubt,
    risk: Risk,
    obs: torch.Tensor,
    rate: torch.Tensor,
    back: torch.Tensor,
) -> Thrifty:
    """A budgeted gate whose thresholds are those of what the last round observed (R, E, T, O)."""
    memory, novelties, risks = None, [], []
    with torch.no_grad():
        for now in obs.unbind(2):
            novelty, memory = doubt(now, memory)
            novelties.append(novelty)
            risks.append(risk(now))
    return Thrifty(ruler, doubt, risk, _ordered(novelties), _ordered(risks), rate, back)


def _ordered(numbers: list[torch.Tensor]) -> torch.Tensor:
    """Numbers (R, E) of several steps, in ascending order (R, M)."""
    together = torch.cat(numbers, 1)
    return together.sort(1).values


def _quantile(ordered: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """What a share `level` (R, E) of numbers (R, M) in ascending order lie above; infinite at the ends."""
    runs, count = ordered.shape
    end = ordered.new_full((runs, 1), torch.inf)
    padded = torch.cat((-end, ordered, end), 1)
    above = (level * count).floor().long()
    place = (count - above).clamp(0, count)
    limit = padded.gather(1, place)
    return torch.where(level > 0, limit, torch.inf)
