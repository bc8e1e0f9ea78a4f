"""Gates of interactive imitation: when the expert takes over from its copy, and when it hands back.

Errors and doubts are lengths of differences between actions, in units of the length of the labels' spread; where actions
are Discrete an action is wrong (1) or not (0), so that the square of a doubt is half of the share of pairs that differ.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces

from ..core.env import Env
from ..core.gate import Moment
from ..core.policy import Policy
from .dataset import Dataset
from .errors import errors
from .spread import spread

KNOWN = 0.1
"""Weight of the sample that is as wrong as can be and lies everywhere: where there is no other nothing is known."""

WIDTH = 1.0
"""Of the kernel, in standard deviations of what was observed."""

FLOOR = 1e-3
"""Smallest deviation of an observation, as `std_floor` is for networks."""

MOST = 2**20
"""Pairs of a state and a labelled one of which a classifier thinks at a time."""

GAIN = 0.05
"""How far the level of a budgeted gate moves when the expert acts."""


@dataclass(frozen=True)
class Ruler:
    """Measures differences of actions.

    Attributes:
        unit: (R, 1) length of the labels' spread.
        discrete: whether actions are right or wrong.
    """

    unit: torch.Tensor
    discrete: bool

    @classmethod
    def of(cls, env: Env, data: Dataset) -> Ruler:
        """In units of the labels of a dataset."""
        length = spread(env, data).norm(dim=-1)
        unit = length.clamp_min(1e-12)[:, None]
        return cls(unit, isinstance(env.action_space, spaces.Discrete))

    def length(self, difference: torch.Tensor) -> torch.Tensor:
        """Lengths (R, ...) of differences (R, ..., U)."""
        unit = self.unit.reshape(-1, *[1] * (difference.dim() - 2))
        return difference.norm(dim=-1) / unit

    def between(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """How far actions (R, ..., U) are from others (R, ...)."""
        if self.discrete:
            return self.length((one != other).double())
        return self.length(one - other)

    def error(self, moment: Moment) -> torch.Tensor:
        """How wrong the policy's action would be (R, E)."""
        return self.between(moment.own, moment.label)


class Risk:
    """The chance that a policy errs by more than tau, from where it did: a kernel average over what was labelled.

    Where nothing was labelled nearby it is 1.

    Args:
        error: (R, N) how wrong the policy was.
        data: labelled states.
        tau: (R, 1).
    """

    def __init__(self, error: torch.Tensor, data: Dataset, tau: torch.Tensor):
        wrong = error > tau
        obs = data.obs.double()
        self._wrong = wrong.double()[:, None]
        self._weight = data.weight.double()[:, None]
        self._scale = WIDTH * _deviation(obs, lived(data)).clamp_min(FLOOR)
        scaled = obs / self._scale
        self._obs = [each.contiguous()[:, None] for each in scaled.unbind(-1)]

    @classmethod
    def of(cls, ruler: Ruler, env: Env, policy: Policy, data: Dataset, tau: torch.Tensor) -> Risk:
        """Of a policy as it is now."""
        signed = errors(env, policy, data)
        return cls(ruler.length(signed), data, tau)

    def __call__(self, obs: torch.Tensor) -> torch.Tensor:
        """Chances (R, E) at observations (R, E, O)."""
        here = obs.double() / self._scale
        several = max(1, MOST // self._wrong.numel())
        chances = [self._at(places) for places in here.split(several, 1)]
        return torch.cat(chances, 1)

    def _at(self, places: torch.Tensor) -> torch.Tensor:
        """Chances (R, E) at observations (R, E, O), in units of the kernel."""
        square = torch.zeros((), dtype=places.dtype, device=places.device)
        for own, place in zip(self._obs, places.split(1, -1), strict=True):
            square = (own - place).square_() + square
        near = square.mul_(-0.5).exp_().mul_(self._weight)
        total = KNOWN + near.sum(-1)
        wrong = near.mul_(self._wrong)
        return (KNOWN + wrong.sum(-1)) / total


def lived(data: Dataset) -> torch.Tensor:
    """Which samples (R, N) somebody was there for, labelled or not; those of old checkpoints know of the labelled alone."""
    return data.weight > 0 if data.lived is None else data.lived


def _deviation(obs: torch.Tensor, lived: torch.Tensor) -> torch.Tensor:
    """The standard deviation (R, 1, O) of observations (R, N, O), of those that were lived (R, N)."""
    # Beside one more column, with which sums over one number round as sums over several do, whatever the runs.
    known = lived[..., None].to(obs.dtype)
    here = torch.cat((obs * known, known), -1)
    sums = here.sum(1, keepdim=True)
    count = sums[..., -1:]
    mean = sums / count.clamp_min(1)
    away = (here - mean) * known
    squares = away.square().sum(1, keepdim=True)
    variance = squares / (count - 1).clamp_min(1)
    return variance[..., :-1].sqrt()


def doubt(ruler: Ruler, parts: torch.Tensor) -> torch.Tensor:
    """How far members' actions (R, E, K, U) are from one another (R, E): root mean square over pairs, over sqrt 2."""
    pairs = itertools.combinations(range(parts.shape[2]), 2)
    one, other = torch.tensor(list(pairs), device=parts.device).T
    parts = parts.double()
    square = ruler.between(parts[:, :, one], parts[:, :, other]).square()
    return (square.mean(-1) / 2).sqrt()


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
    tau: torch.Tensor
    limit: torch.Tensor

    def __call__(self, moment: Moment, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `Gate`; it watches."""
        doubts = doubt(self.ruler, moment.parts) > self.limit
        errs = self.ruler.error(moment) > self.tau
        return errs | doubts, memory


@dataclass(frozen=True)
class Lazy:
    """Hoque et al. (2021), LazyDAgger: from where the copy is likely to err until it errs by less than `back`."""

    ruler: Ruler
    risk: Risk
    back: torch.Tensor

    def __call__(self, moment: Moment, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `Gate`."""
        begins = self.risk(moment.obs) > 0.5
        return _held(self.ruler, moment, self.back, begins), memory


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
class Ordered:
    """Numbers of R runs in ascending order.

    Attributes:
        numbers: (R, M) behind minus infinity; some runs have fewer, and end with what does not count.
        count: (R, 1) how many each has.
    """

    numbers: torch.Tensor
    count: torch.Tensor

    @classmethod
    def of(cls, numbers: torch.Tensor, these: torch.Tensor) -> Ordered:
        """Those of the numbers (R, N) that count (R, N)."""
        known = numbers.masked_fill(~these, torch.inf)
        first = known.new_full((len(known), 1), -torch.inf)
        return cls(torch.cat((first, known.sort(1).values), 1), these.sum(1, keepdim=True))

    def quantile(self, level: torch.Tensor) -> torch.Tensor:
        """What a share `level` (R, E) of them lie above; infinite at the ends."""
        above = (level * self.count).floor().long()
        place = (self.count - above).clamp_min(0).minimum(self.count)
        limit = self.numbers.gather(1, place)
        return torch.where(level > 0, limit, torch.inf)


@dataclass(frozen=True)
class Thrifty:
    """Hoque et al. (2021), ThriftyDAgger: at the most novel and the most risky states, as many as the budget has.

    Novelty is the doubt of an ensemble, risk the chance of an error above tau (the source learns the value of reaching a
    goal, which most environments here do not have). Thresholds are quantiles of what the last round met, at a level that
    follows what was spent (Gibbs & Candes, 2021), so that the rate is kept however the states change.

    Attributes:
        ruler, risk: how both are measured.
        novelties, risks: those of the states that the last round lived in.
        rate: (R, 1) share of steps that the expert may act.
        back: (R, 1) error below which it hands back.
    """

    ruler: Ruler
    risk: Risk
    novelties: Ordered
    risks: Ordered
    rate: torch.Tensor
    back: torch.Tensor

    def __call__(self, moment: Moment, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `Gate`; it remembers the level."""
        level = self.rate.expand(moment.drives.shape) if memory is None else memory
        novelty = doubt(self.ruler, moment.parts)
        is_novel = novelty > self.novelties.quantile(level)
        is_risky = self.risk(moment.obs) > self.risks.quantile(level)
        begins = is_novel | is_risky
        acts = _held(self.ruler, moment, self.back, begins)
        spent = moment.drives & (level <= 0)
        acts = acts & ~spent
        left = self.rate - acts.double()
        return acts, level + GAIN * left


def _held(ruler: Ruler, moment: Moment, back: torch.Tensor, begins: torch.Tensor) -> torch.Tensor:
    """Who acts (R, E), where the expert takes over where it `begins`, and goes on until the error is below `back`."""
    if not moment.drives.any():
        return begins
    goes_on = ruler.error(moment) > back
    return torch.where(moment.drives, goes_on, begins)


def thrifty(
    ruler: Ruler,
    policy: Policy,
    risk: Risk,
    last: tuple[torch.Tensor, torch.Tensor],
    rate: torch.Tensor,
    back: torch.Tensor,
) -> Thrifty:
    """A budgeted gate, whose thresholds are those of the last round: what it observed (R, E, T, O), and where it lived."""
    obs, lived = last[0], last[1].flatten(1)
    with torch.no_grad():
        parts = _parts_along(policy, obs).flatten(1, 2)
        risks = risk(obs.flatten(1, 2))
    novelties = doubt(ruler, parts)
    return Thrifty(ruler, risk, Ordered.of(novelties, lived), Ordered.of(risks, lived), rate, back)


def _parts_along(policy: Policy, obs: torch.Tensor) -> torch.Tensor:
    """What each member would do (R, E, T, K, U) at observations (R, E, T, O)."""
    _, parts, memory = policy.act_in_parts(obs.flatten(1, 2))
    if memory is None:
        return parts.unflatten(1, obs.shape[1:3])
    memory, each = None, []
    for now in obs.unbind(2):
        _, parts, memory = policy.act_in_parts(now, memory)
        each.append(parts)
    return torch.stack(each, 2)
