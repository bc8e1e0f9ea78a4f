"""Filter: what is believed of a hidden chain after every prefix, by Bayes' rule, where any symbol may be a substitute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .arrays import per_run
from .oracle import Oracle
from .settings import Values

TINY = 1e-300
"""What a sum is divided by instead of zero."""


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
        states = range(len(self.start))
        return {f"belief {state}": "" for state in states}

    @property
    def symbols(self) -> int:
        """See `Oracle.symbols`."""
        return self.emission.shape[1]

    def first(self, draw: torch.Tensor) -> torch.Tensor:
        """See `Oracle.first`; nothing is drawn."""
        runs, episodes, _ = draw.shape
        start = self.start.to(draw.device)
        return start.expand(runs, episodes, -1).clone()

    def at(self, place: torch.Tensor) -> torch.Tensor:
        """See `Oracle.at`: what the states say, weighted by the belief."""
        belief = self.belief(place)
        return _mixed(belief, self.emission)

    def after(self, place: torch.Tensor, symbol: torch.Tensor) -> torch.Tensor:
        """See `Oracle.after`: Bayes' rule, and then the chain moves."""
        device = str(place.device)
        eta = per_run(self.eta, 3, device)
        said = self.emission.T.to(device)
        meant = said[symbol.long()]
        belief = self.belief(place)
        joint = belief * self._blurred(meant, eta)
        total = joint.sum(-1, keepdim=True)
        return _mixed(joint / total, self.motion)

    def _blurred(self, meant: torch.Tensor, eta: Any) -> torch.Tensor:
        """The likelihood of a symbol, which may be a substitute, from the chances that it was said."""
        own = (1 - eta) * meant
        return own + eta / self.symbols

    def off_path(self, place: torch.Tensor) -> torch.Tensor:
        """See `Oracle.off_path`: nowhere, for a belief does not tell whether its own texts come to it."""
        first = place[..., 0]
        return first != first

    def belief(self, place: torch.Tensor) -> torch.Tensor:
        """Chances (..., S) of the states; numbers that are none, as a certificate's search tries, are made so."""
        least = place.clamp_min(0.0)
        total = least.sum(-1, keepdim=True)
        share = least / total.clamp_min(TINY)
        states = place.shape[-1]
        return torch.where(total > 0, share, 1 / states)

    def stretch(self, eta: float) -> float:
        """By how much a step can stretch the total variation of two beliefs, at most.

        Bayes' rule stretches it by no more than the largest ratio of a symbol's likelihoods, and the motion multiplies
        it by at most the largest total variation between two of its rows (Dobrushin 1956).
        """
        likelihood = self._blurred(self.emission, eta)
        least = likelihood.amin(0)
        ratios = likelihood.amax(0) / least
        rows = torch.cdist(self.motion, self.motion, p=1.0)
        mixing = 0.5 * rows.max()
        stretch = mixing * ratios.max()
        return float(stretch)


def _mixed(weights: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Rows (S, K) weighted by chances (R, E, S), (R, E, K); added in one order, however many runs stand side by side."""
    total = torch.zeros(())
    for number, row in enumerate(rows.to(weights.device)):
        share = weights[..., number, None]
        total = total + share * row
    return total
