"""Adam (Kingma & Ba 2015) for R runs at once: one optimiser on one buffer is R optimisers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ..core.settings import Values, as_tuple

LINE = 16
"""Numbers of float32 in a cache line. Each run's row is whole lines: a kernel that rounds the last few numbers of an
array in another way than the rest then never meets a rest, and run 2 of 4 is run 2 alone."""


FIXED: dict[str, Any] = {
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "weight_decay": 0.0,
    "amsgrad": False,
    "maximize": False,
}
"""What the fused kernel is told besides, as in the paper."""


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
        sizes = (layer[0].numel() for layer in layers)
        self._places = list(itertools.accumulate(sizes, initial=0))
        self._shapes = [layer.shape for layer in layers]
        width = math.ceil(self._places[-1] / LINE) * LINE
        buffers = [torch.zeros(runs, width, device=device) for _ in range(4)]
        self.flat, self.grad = buffers[:2]
        self.slopes = self._cut(self.grad)
        views = self._cut(self.flat)
        for view, values in zip(views, layers, strict=True):
            view.copy_(values)
        self.layers = [view.detach().requires_grad_() for view in views]
        self.clip = torch.tensor(as_tuple(clip), device=device).expand(runs)[:, None]
        self.decay = torch.tensor(as_tuple(ema), device=device).expand(runs)[:, None]
        self.clips = max(as_tuple(clip)) > 0
        self.keeps = max(as_tuple(ema)) > 0
        self.mean = self.flat.clone() if self.keeps else self.flat
        self.steps = 0
        self._count = torch.zeros((), device=device)
        self._one = torch.ones((), device=device)
        groups = _groups(as_tuple(lr), runs)
        self._updates = [self._update(buffers, rate, rows) for rate, rows in groups]

    def _update(self, buffers: list[torch.Tensor], rate: float, rows: slice) -> Callable[[], None]:
        """The call that updates some of the runs."""
        operands = [[buffer[rows]] for buffer in buffers]
        return partial(torch._fused_adam_, *operands, [], [self._count], lr=rate, **FIXED)

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
            most = (1 + self.steps) / (10 + self.steps)
            decay = self.decay.clamp_max(most)
            self.mean = self.flat - (self.flat - self.mean) * decay

    def _shorten(self) -> None:
        """Shorten each run's gradient to the run's `clip`; every row is summed by itself, in its own order."""
        squares = [row.square().sum() for row in self.grad]
        norm = torch.stack(squares).sqrt()[:, None]
        shorter = self.clip / torch.maximum(norm, self.clip)
        factor = torch.where(self.clip > 0, shorter, 1.0)
        self.grad *= factor

    def average(self) -> list[torch.Tensor]:
        """The moving average of the parameters, or the last ones when none is kept."""
        return [part.clone() for part in self._cut(self.mean)]

    def last(self) -> list[torch.Tensor]:
        """The parameters as the last step left them, with which a warm start goes on."""
        return [part.clone() for part in self._cut(self.flat)]

    def _cut(self, buffer: torch.Tensor) -> list[torch.Tensor]:
        """Views of a buffer (R, P) in the layers' shapes."""
        places = itertools.pairwise(self._places)
        pairs = zip(places, self._shapes, strict=True)
        return [buffer[:, first:end].view(shape) for (first, end), shape in pairs]


def _groups(rates: tuple[float, ...], runs: int) -> list[tuple[float, slice]]:
    """Runs next to one another that have the same learning rate."""
    if len(rates) == 1:
        return [(rates[0], slice(0, runs))]
    groups: list[tuple[float, slice]] = []
    first = 0
    for rate, equal in itertools.groupby(rates[:runs]):
        end = first + len(list(equal))
        groups.append((rate, slice(first, end)))
        first = end
    return groups
