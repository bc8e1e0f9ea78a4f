"""Adam (Kingma & Ba 2015) for R runs at once: one optimiser on one buffer is R optimisers."""

from __future__ import annotations

import itertools
import math
from functools import partial

import torch

from ..core.settings import Values, as_tuple

LINE = 16
"""Numbers of float32 in a cache line. Each run's row is whole lines: a kernel that rounds the last few numbers of an
array in another way than the rest then never meets a rest, and run 2 of 4 is run 2 alone."""


class Adam:
    """Adam on a buffer (R, P) that holds each run's parameters in one row.

    The update is torch's fused kernel. `torch.optim.Adam` is the same to rounding (tested), but its first call imports a
    compiler for .75 s, it has one learning rate, and it works on each parameter by itself, whose tail it rounds
    differently.

    Args:
        layers: parameters, each (R, ...), float32.
        lr: learning rate, one number or one for each run.
        clip: longest gradient of a run; 0 does not clip.
        ema: decay of a moving average of the parameters; 0 keeps none.

    Attributes:
        flat: (R, P) the parameters of each run one after another, zeros behind them.
        grad: (R, P) their gradient: whoever computes it writes it here.
        layers: the parameters as autograd's leaves, views of `flat`.
        slopes: their gradients, views of `grad`.
    """

    def __init__(
        self, layers: list[torch.Tensor], lr: Values, clip: Values = 0.0, ema: Values = 0.0
    ):
        runs, device = len(layers[0]), layers[0].device
        self.places = list(itertools.accumulate((p[0].numel() for p in layers), initial=0))
        width = math.ceil(self.places[-1] / LINE) * LINE
        buffers = [torch.zeros(runs, width, device=device) for _ in range(4)]
        self.flat, self.grad = buffers[:2]
        shapes = [p.shape for p in layers]
        self.layers, self.slopes = (_cut(buffer, self.places, shapes) for buffer in buffers[:2])
        for view, values in zip(self.layers, layers, strict=True):
            view.copy_(values)
        self.layers = [view.detach().requires_grad_() for view in self.layers]
        self.clip, self.decay = (
            torch.tensor(as_tuple(v), device=device).expand(runs)[:, None] for v in (clip, ema)
        )
        self.clips, self.keeps = max(as_tuple(clip)) > 0, max(as_tuple(ema)) > 0
        self.mean = self.flat.clone() if self.keeps else self.flat
        self.steps, self._count, self._one = (
            0,
            torch.zeros((), device=device),
            torch.ones((), device=device),
        )
        fixed = {
            "beta1": 0.9,
            "beta2": 0.999,
            "eps": 1e-8,
            "weight_decay": 0.0,
            "amsgrad": False,
            "maximize": False,
        }
        self._updates = [
            partial(
                torch._fused_adam_,
                *([buffer[rows]] for buffer in buffers),
                [],
                [self._count],
                lr=rate,
                **fixed,
            )
            for rate, rows in _groups(as_tuple(lr), runs)
        ]

    def step(self) -> None:
        """One update from the gradient that lies in `grad`."""
        if self.clips:
            self._shorten()
        self.steps += 1
        self._count.add_(self._one)  # a number in Python costs three times as much to add
        for update in self._updates:
            update()
        if self.keeps:
            # The average begins with few weights and forgets the first, random ones sooner than the last. Written so
            # that a decay of 0 gives the weights themselves.
            decay = self.decay.clamp_max((1 + self.steps) / (10 + self.steps))
            self.mean = self.flat - (self.flat - self.mean) * decay

    def _shorten(self) -> None:
        """Shorten each run's gradient to the run's `clip`; every row is summed by itself, in its own order."""
        norm = torch.stack([row.square().sum() for row in self.grad]).sqrt()[:, None]
        factor = torch.where(self.clip > 0, self.clip / torch.maximum(norm, self.clip), 1.0)
        self.grad *= factor

    def average(self) -> list[torch.Tensor]:
        """The moving average of the parameters, or the last ones when none is kept."""
        return self._copied(self.mean)

    def last(self) -> list[torch.Tensor]:
        """The parameters as the last step left them, with which a warm start goes on."""
        return self._copied(self.flat)

    def _copied(self, buffer: torch.Tensor) -> list[torch.Tensor]:
        return [part.clone() for part in _cut(buffer, self.places, [p.shape for p in self.layers])]


def _cut(buffer: torch.Tensor, places: list[int], shapes: list[torch.Size]) -> list[torch.Tensor]:
    """Views of a buffer (R, P) in the layers' shapes."""
    return [
        buffer[:, a:b].view(shape)
        for (a, b), shape in zip(itertools.pairwise(places), shapes, strict=True)
    ]


def _groups(rates: tuple[float, ...], runs: int) -> list[tuple[float, slice]]:
    """Runs next to one another that have the same learning rate."""
    if len(rates) == 1:
        return [(rates[0], slice(0, runs))]
    ends = [r for r in range(1, runs) if rates[r] != rates[r - 1]]
    return [(rates[a], slice(a, b)) for a, b in itertools.pairwise([0, *ends, runs])]
