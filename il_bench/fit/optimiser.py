"""Adam (Kingma & Ba 2015) and plain descent for R runs at once: one optimiser on one buffer is R optimisers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import torch

from ..core.settings import Values, as_tuple

Layers: TypeAlias = "list[torch.Tensor]"
"""Parameters, each (R, ...)."""
Update: TypeAlias = "Callable[[], None]"
"""A call that moves the parameters of some runs."""


LINE = 16
"""Numbers of float32 in a cache line. Each run's row is whole lines: a kernel that rounds the last few numbers of an
array in another way than the rest then never meets a rest, and run 2 of 4 is run 2 alone."""


ADAM: dict[str, Any] = {
    "beta1": 0.9,
    "beta2": 0.999,
    "weight_decay": 0.0,
    "amsgrad": False,
    "maximize": False,
}
"""What the fused kernel of Adam is told besides, as in the paper."""


DESCENT: dict[str, Any] = {
    "weight_decay": 0.0,
    "dampening": 0.0,
    "nesterov": False,
    "maximize": False,
    "is_first_step": False,
}
"""What the fused kernel of descent is told besides: its momentum starts from zero."""


MOMENTUM = {"momentum": 0.9, "sgd": 0.0}
"""How much of its last step descent repeats."""


class Optimiser:
    """Adam or descent on a buffer (R, P) that holds each run's parameters in one row.

    The update is torch's fused kernel. `torch.optim` is the same to rounding (tested), but its first call imports a
    compiler for .75 s, it has one learning rate, and it works on each parameter by itself, whose tail it rounds
    differently.

    Args:
        layers: parameters, each (R, ...), float32.
        lr: learning rate, one number or one for each run.
        clip: longest gradient of a run; 0 does not clip.
        ema: decay of a moving average of the parameters; 0 keeps none.
        rule: adam, momentum or sgd.
        epsilon: what Adam adds to the size of a gradient before it divides by it.

    Attributes:
        flat: (R, P) the parameters of each run one after another, zeros behind them.
        grad: (R, P) their gradient: whoever computes it writes it here.
        layers: the parameters as autograd's leaves, views of `flat`.
        slopes: their gradients, views of `grad`.
    """

    def __init__(
        self,
        layers: Layers,
        lr: Values,
        clip: Values = 0.0,
        ema: Values = 0.0,
        rule: str = "adam",
        epsilon: Values = 1e-8,
    ):
        runs, device = len(layers[0]), layers[0].device
        sizes = [layer[0].numel() for layer in layers]
        self._places = list(itertools.accumulate(sizes, initial=0))
        self._shapes = [layer.shape for layer in layers]
        lines = math.ceil(sum(sizes) / LINE)
        width = lines * LINE
        buffers = [torch.zeros(runs, width, device=device) for _ in range(4)]
        self.flat, self.grad = buffers[:2]
        self.slopes = self._cut(self.grad)
        views = self._cut(self.flat)
        for view, values in zip(views, layers, strict=True):
            view.copy_(values)
        self.layers = [view.detach().requires_grad_() for view in views]
        self.clip = _each_run(clip, runs, device)
        self.decay = _each_run(ema, runs, device)
        self.clips = max(as_tuple(clip)) > 0
        self.keeps = max(as_tuple(ema)) > 0
        self.mean = self.flat.clone() if self.keeps else self.flat
        self.steps = 0
        self._count = torch.zeros((), device=device)
        self._one = torch.ones((), device=device)
        kernel = _adam if rule == "adam" else partial(_descent, MOMENTUM[rule])
        groups = _groups(as_tuple(lr), as_tuple(epsilon), runs)
        self._updates: list[Update] = []
        for rate, least, rows in groups:
            parts = [buffer[rows] for buffer in buffers]
            update = kernel(parts, self._count, rate, least)
            self._updates.append(update)

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

    def average(self) -> Layers:
        """The moving average of the parameters, or the last ones when none is kept."""
        return [part.clone() for part in self._cut(self.mean)]

    def last(self) -> Layers:
        """The parameters as the last step left them, with which a warm start goes on."""
        return [part.clone() for part in self._cut(self.flat)]

    def _cut(self, buffer: torch.Tensor) -> Layers:
        """Views of a buffer (R, P) in the layers' shapes."""
        places = itertools.pairwise(self._places)
        parts = [buffer[:, first:end] for first, end in places]
        pairs = zip(parts, self._shapes, strict=True)
        return [part.view(shape) for part, shape in pairs]


def _each_run(values: Values, runs: int, device: torch.device) -> torch.Tensor:
    """A setting as a column (R, 1)."""
    numbers = torch.tensor(as_tuple(values), device=device)
    return numbers.expand(runs)[:, None]


def _adam(buffers: Layers, count: torch.Tensor, rate: float, epsilon: float) -> Update:
    """The call that makes Adam's update of the parameters in the first of four buffers."""
    operands = [[buffer] for buffer in buffers]
    return partial(torch._fused_adam_, *operands, [], [count], lr=rate, eps=epsilon, **ADAM)


def _descent(
    momentum: float, buffers: Layers, count: torch.Tensor, rate: float, epsilon: float
) -> Update:
    """The call that makes descent's update, whose last steps lie in the third buffer."""
    flat, grad, steps, _ = buffers
    kept = [steps] if momentum else []
    operands = [flat], [grad], kept
    return partial(torch._fused_sgd_, *operands, lr=rate, momentum=momentum, **DESCENT)


def _groups(
    rates: tuple[float, ...], epsilons: tuple[float, ...], runs: int
) -> list[tuple[float, float, slice]]:
    """Runs next to one another that have the same learning rate and epsilon."""
    if len(rates) == len(epsilons) == 1:
        return [(rates[0], epsilons[0], slice(0, runs))]
    each_rate = rates if len(rates) > 1 else rates * runs
    each_epsilon = epsilons if len(epsilons) > 1 else epsilons * runs
    pairs = list(zip(each_rate, each_epsilon, strict=False))[:runs]
    groups: list[tuple[float, float, slice]] = []
    first = 0
    for (rate, epsilon), equal in itertools.groupby(pairs):
        end = first + len(list(equal))
        groups.append((rate, epsilon, slice(first, end)))
        first = end
    return groups
