"""Filter: what is believed of a hidden chain after every prefix, by Bayes' rule, where any symbol may be a substitute."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .arrays import per_run
from .oracle import Oracle
from .settings import Values


@dataclass(frozen=True)
class Filter(Oracle):
    """A hidden chain of S states that says V symbols; a place is the belief, the chance of each state, float64.

    The filter takes each symbol for what the state said, or with chance eta for a uniform substitute (Rabiner 1989,
    with the emission blurred). So no prefix is impossible, and the larger eta is the less a single symbol says.

    Attributes:
        motion: (S, S) chances of the next state from each state.
        emission: (S, V) chances of a symbol in each state.
        start: (S,) chances of the first state.
        eta: one or one for each run (R,), above 0.
    """

    motion: torch.Tensor
    emission: torch.Tensor
    start: torch.Tensor
    eta: Values

    @property
    def coordinates(self) -> dict[str, str]:  # type: ignore[override]
        """The chance of each hidden state."""
        return {f"belief {state}": "" for state in range(len(self.start))}

    @property
    def symbols(self) -> int:
        """See `Oracle.symbols`."""
        return self.emission.shape[1]

    def first(self, draw: torch.Tensor) -> torch.Tensor:
        """See `Oracle.first`; nothing is drawn."""
        return self.start.expand(*draw.shape[:2], -1).clone()

    def at(self, place: torch.Tensor) -> torch.Tensor:
        """See `Oracle.at`: what the states say, weighted by the belief."""
        belief = self.belief(place)
        return _mixed(belief, self.emission)

    def after(self, place: torch.Tensor, symbol: torch.Tensor) -> torch.Tensor:
        """See `Oracle.after`: Bayes' rule, and then the chain moves."""
        meant = self.emission.T[symbol.long()]
        eta = per_run(self.eta, 3, str(place.device))
        likelihood = (1 - eta) * meant + eta / self.symbols
        joint = self.belief(place) * likelihood
        posterior = joint / joint.sum(-1, keepdim=True)
        return _mixed(posterior, self.motion)

    def belief(self, place: torch.Tensor) -> torch.Tensor:
        """Chances (..., S) of the states; numbers that are none, as a certificate's search tries, are made so."""
        least = place.clamp_min(0.0)
        total = least.sum(-1, keepdim=True)
        even = torch.full_like(least, 1 / place.shape[-1])
        return torch.where(total > 0, least / total.clamp_min(1e-300), even)

    def stretch(self, eta: float) -> float:
        """By how much a step can stretch the total variation of two beliefs, at most.

        Bayes' rule stretches it by no more than the largest ratio of a symbol's likelihoods, and the motion multiplies
        it by at most the largest total variation between two of its rows (Dobrushin 1956).
        """
        likelihood = (1 - eta) * self.emission + eta / self.symbols
        largest = likelihood.amax(0)
        ratio = (largest / likelihood.amin(0)).max()
        rows = torch.cdist(self.motion, self.motion, p=1.0)
        mixing = 0.5 * rows.max()
        return float(ratio * mixing)


def _mixed(weights: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Rows (S, K) weighted by chances (R, E, S), (R, E, K); added in one order, however many runs stand side by side."""
    shares = weights.unbind(-1)
    total = shares[0][..., None] * rows[0]
    for share, row in zip(shares[1:], rows[1:], strict=True):
        total = total + share[..., None] * row
    return total
