"""Divergences: what a student loses against chances it should have, after logits, at each sample."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

Kind: TypeAlias = Literal["forward", "reverse", "jsd"]
"""KL(o || p), KL(p || o), or the generalised Jensen-Shannon divergence between the two."""


@dataclass(frozen=True)
class Divergence:
    """From the expert's chances o to the student's p, in nats.

    Attributes:
        kind: forward KL(o || p) covers all that the expert does; reverse KL(p || o) keeps to what it does; jsd is
            b KL(o || m) + (1 - b) KL(p || m) with m = b o + (1 - b) p, divided by b (1 - b), which is forward as b goes
            to 0 and reverse as b goes to 1.
        balance: b, above 0 and below 1.
        temperature: by which the logits of both are divided.
        smoothing: share of a uniform distribution in o; without it the reverse divergence is infinite where o is 0.
    """

    kind: Kind
    balance: float = 0.5
    temperature: float = 1.0
    smoothing: float = 0.0

    def __call__(self, logits: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
        """Of each sample (R, n), for logits and chances (R, n, A)."""
        own = (logits / self.temperature).log_softmax(-1)
        its = self._expert(chances).log()
        return _OF_KIND[self.kind](its, own, self.balance)

    def _expert(self, chances: torch.Tensor) -> torch.Tensor:
        """The expert's chances, smoothed, and at the temperature."""
        exact = (1 - self.smoothing) * chances
        smooth = exact + self.smoothing / chances.shape[-1]
        if self.temperature == 1:
            return smooth
        powers = smooth ** (1 / self.temperature)
        return powers / powers.sum(-1, keepdim=True)


def kullback_leibler(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """KL(one || two) over the last axis, of log-chances; what one never does costs nothing."""
    chance = one.exp()
    never = chance == 0
    apart = (one - two).masked_fill(never, 0.0)
    terms = chance * apart
    return terms.sum(-1)


def _forward(its: torch.Tensor, own: torch.Tensor, balance: float) -> torch.Tensor:
    return kullback_leibler(its, own)


def _reverse(its: torch.Tensor, own: torch.Tensor, balance: float) -> torch.Tensor:
    return kullback_leibler(own, its)


def _between(its: torch.Tensor, own: torch.Tensor, balance: float) -> torch.Tensor:
    rest = 1 - balance
    middle = torch.logaddexp(its + math.log(balance), own + math.log(rest))
    of_expert = balance * kullback_leibler(its, middle)
    of_student = rest * kullback_leibler(own, middle)
    both = of_expert + of_student
    return both / (balance * rest)


_OF_KIND: dict[str, Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]] = {
    "forward": _forward,
    "reverse": _reverse,
    "jsd": _between,
}
