"""How much a gated recurrent network can stretch a deviation in a step: closed forms from its weights alone.

The next state is n + z (h - n) with gates r, z and content n, and |h| <= 1 in every unit. There a gate's slope is at most
1/4 and the content's at most 1, so that the sums below bound every slope that can be met. They are sufficient alone: a network
whose bound is far above one may forget within a few steps.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from ..fit.optimiser import Layers


class Gains(NamedTuple):
    """Lipschitz constants of R networks, (R,) each.

    Attributes:
        memory: L_h, of the next state in the state.
        entering: L_x, of the next state in what enters, embedded.
        feedback: L_fb, of what enters in the state, where the expected embedding is fed back at temperature 1.
    """

    memory: torch.Tensor
    entering: torch.Tensor
    feedback: torch.Tensor

    @property
    def loop(self) -> torch.Tensor:
        """Alpha = L_h + L_x L_fb (R,): by how much a step of the closed loop stretches a deviation at most."""
        fed_back = self.entering * self.feedback
        return self.memory + fed_back


def gains(layers: Layers, symbols: int) -> Gains:
    """The constants of networks whose first layer embeds so many symbols, see `GRUPolicy`; of temperature 1."""
    exact = [layer.double() for layer in layers]
    table, w_in, _, w_state, b_state, w_out, _ = exact
    recurrent = _norms(w_state)
    forward = _norms(w_in)
    *_, content = w_state.chunk(3, -1)
    *_, bias = b_state.chunk(3, -1)
    weights = content.abs().sum(1)
    summed = weights + bias.abs()[:, 0]
    largest = summed.amax(-1)
    memory = 1 + _stretch(recurrent, largest)
    entering = _stretch(forward, largest)
    embedding = _norm(table[:, :symbols])
    answer = _norm(w_out)
    return Gains(memory, entering, embedding * answer / 2)


def _stretch(norms: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    """Half the keeping gate's norm, the content's, and a quarter of the reset gate's times what it lets through, (R,)."""
    reset, keep, content = norms
    by_reset = largest * reset / 4
    return keep / 2 + content + by_reset


def _norms(weight: torch.Tensor) -> torch.Tensor:
    """Spectral norms (3, R) of the parts of a weight (R, D, 3H)."""
    parts = weight.chunk(3, -1)
    return torch.stack([_norm(part) for part in parts])


def _norm(weight: torch.Tensor) -> torch.Tensor:
    """Spectral norms (R,) of matrices (R, n, m)."""
    norm: torch.Tensor = torch.linalg.matrix_norm(weight, ord=2)
    return norm
