"""The fast engine: the gradient of R tanh networks by hand, as a list of NumPy calls over buffers that stay.

`loop.Autograd` is the reference, for every network and device; this is its equal (tested to 1e-5 over 1,000 updates)
for tanh networks on the CPU, where it takes a third of the time for 64 runs and a tenth for one. What makes it so:

* A layer is one matrix (in + 1, out) whose last row is the bias, and every activation carries a one in its last column:
  bias and its gradient cost no call of their own.
* All calls are prepared once and take their operands from, and leave their results in, the same buffers.
* NumPy's tanh takes a seventh of torch's time (with AVX-512; with AVX2 alone about as long), and its matmul calls the
  library run by run, so that a run's numbers cannot depend on how many runs there are; all other operations are single,
  exactly rounded ones.

What else was tried stands in `benchmarks/NOTES.md`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch

Call: TypeAlias = "Callable[[], Any]"
Matrices: TypeAlias = "list[np.ndarray]"
Slope: TypeAlias = "Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]"
"""(outputs (R, B, V), targets (R, B, U), slope) -> each sample's loss (R, B, 1); its slope (R, B, V) in the outputs is
left in the last argument."""


VECTOR, MATRIX = 9_216, 2 * 262_144
"""Multiplications from which OpenBLAS gives a matrix-vector or a matrix product to several threads, whatever torch was
told. Products from there on are torch's, one run at a time, which obeys `torch.set_num_threads`."""


CACHE = 2 << 20
"""Bytes that the runs trained side by side may take. Fewer runs pay more for each call of Python's, more runs leave the
processor's cache: the time of a run's update is flat within 5 % from 1 to 4 MB at widths from 32 to 256, 10 % longer at
10 MB and, at width 256, 30 % longer at 40 MB."""


ONE = 20.0
"""Its tanh is 1 in float32: written once beside the pre-activations, it keeps the ones of the activations."""


def suits(obs: torch.Tensor) -> bool:
    """Whether the engine can train on these observations: on the CPU."""
    return obs.device.type == "cpu"


def bytes_of_a_run(sizes: list[int], batch: int) -> int:
    """What training one run takes: its parameters with gradient, two moments and a transposed copy; its activations."""
    weights = sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(sizes))
    activations = batch * (sum(sizes) + len(sizes))
    return 4 * (5 * weights + 2 * activations)


def runs_at_once(sizes: list[int], batch: int) -> int:
    """How many runs are trained side by side: as many as the cache holds, at least one."""
    return max(1, CACHE // bytes_of_a_run(sizes, batch))


class Tape:
    """Forward and backward of R tanh networks on minibatches of B samples.

    Args:
        flat: (R, P) float32, each run's weights and biases W, b, W, b, ... one after another; read at every step.
        grad: (R, P) float32, where their gradient is left.
        sizes: widths from observations (O) to outputs (U or A).
        batch: samples in a minibatch, B.
        discrete: cross-entropy of A outputs; squared error otherwise.
        gaps: whether targets may be missing, infinite.
        slope: another loss instead.
    """

    def __init__(
        self,
        flat: torch.Tensor,
        grad: torch.Tensor,
        sizes: list[int],
        batch: int,
        discrete: bool,
        gaps: bool = False,
        slope: Slope | None = None,
    ):
        runs = len(flat)
        layers = list(matrices(flat.numpy(), sizes))
        slopes = list(matrices(grad.numpy(), sizes))
        observations, *hidden, outputs = sizes

        def room(width: int, value: float) -> np.ndarray:
            return np.full((runs, batch, width), value, np.float32)

        inputs = room(observations + 1, 1.0)
        before = [room(width + 1, ONE) for width in hidden]
        after = [inputs, *map(np.empty_like, before)]
        # At least two columns, the second of zeros: see `times_transposed`.
        error = room(max(outputs, 2), 0.0)
        self._discrete = discrete
        self._gaps = gaps
        self._slope = slope
        self._squares = slope is None and not discrete
        self._inputs = inputs[..., :-1]
        self._out = room(outputs, 0.0)
        self._error = error[..., :outputs]
        first = np.arange(0, self._out.size, outputs)
        self._first = first.reshape(runs, 1, batch)
        self._forward = forward(layers, before, after, self._out)
        last = product(transposed(after[-1]), self._error, slopes[-1])
        self._backward = [last, *backward(layers, slopes, before, after, error)]

    def steps(
        self, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor, losses: torch.Tensor
    ) -> Iterator[None]:
        """See `Gradient.steps`."""
        shares, targets = share.numpy()[..., None], y.numpy()
        weights = shares
        each = np.empty_like(shares)
        if self._slope is not None:
            loss = self._by_slope
        elif self._discrete:
            loss = self._cross_entropy
            targets = targets[..., 0] + self._first  # where each label stands among all outputs
        else:
            loss = self._error_where_known if self._gaps else self._squared_error
            weights = 2 * shares
            each = np.empty_like(targets)
        parts = (x.numpy(), targets, weights, each)
        by_step = (part.swapaxes(0, 1) for part in parts)
        for observation, target, weight, left in zip(*by_step, strict=True):
            np.copyto(self._inputs, observation)
            for call in self._forward:
                call()
            loss(target, weight, left)
            for call in self._backward:
                call()
            yield
        if self._squares:
            np.square(each, each)
        total = (each * shares).sum((-2, -1))
        losses.copy_(torch.from_numpy(total))

    def _squared_error(self, target: np.ndarray, weight: np.ndarray, left: np.ndarray) -> None:
        """The slope of the squared error, and in `left` the error itself (R, B, U)."""
        np.subtract(self._out, target, left)
        np.multiply(left, weight, self._error)

    def _error_where_known(self, target: np.ndarray, weight: np.ndarray, left: np.ndarray) -> None:
        """The same where targets are missing, infinite, which count nothing."""
        np.subtract(self._out, target, left)
        left[np.isposinf(target)] = 0
        np.multiply(left, weight, self._error)

    def _by_slope(self, target: np.ndarray, weight: np.ndarray, left: np.ndarray) -> None:
        """The slope of another loss, and in `left` each sample's (R, B, 1)."""
        assert self._slope is not None
        left[:] = self._slope(self._out, target, self._error)
        np.multiply(self._error, weight, self._error)

    def _cross_entropy(self, target: np.ndarray, weight: np.ndarray, left: np.ndarray) -> None:
        """The slope of the cross-entropy, and in `left` each sample's (R, B, 1)."""
        out = self._out
        out -= out.max(-1, keepdims=True)
        label = out.reshape(-1)[target][..., None]
        np.exp(out, out)
        total = out.sum(-1, keepdims=True)
        np.subtract(np.log(total), label, left)
        out /= total
        out.reshape(-1)[target] -= 1
        np.multiply(out, weight, self._error)


def forward(layers: Matrices, before: Matrices, after: Matrices, out: np.ndarray) -> list[Call]:
    """The calls that leave a network's outputs in `out`.

    Args:
        layers: matrices (R, in + 1, out).
        before: (R, B, width + 1) of each hidden layer, its pre-activations.
        after: (R, B, width + 1) of the inputs and of each hidden layer, its activations.
        out: (R, B, U or A).
    """
    calls: list[Call] = []
    for k, z in enumerate(before):
        linear = product(after[k], layers[k], z[..., :-1])
        squash = partial(np.tanh, z, after[k + 1])
        calls += [linear, squash]
    last = product(after[-1], layers[-1], out)
    calls.append(last)
    return calls


def backward(
    layers: Matrices,
    slopes: Matrices,
    before: Matrices,
    after: Matrices,
    error: np.ndarray,
) -> Iterator[Call]:
    """The calls that leave the gradients of all layers but the last in `slopes`, for the outputs' `error`."""
    for k in reversed(range(len(before))):
        z = before[k]
        h = after[k + 1]
        weights = layers[k + 1][:, :-1]
        yield from times_transposed(error, weights, z[..., :-1])
        # dz = dh (1 - h h), in place of h; dh came in place of z, whose ones are left as they were.
        yield partial(np.multiply, h, h, h)
        yield partial(np.multiply, z, h, h)
        yield partial(np.subtract, z, h, h)
        error = h[..., :-1]
        inputs = transposed(after[k])
        yield product(inputs, error, slopes[k])


def transposed(matrices: np.ndarray) -> np.ndarray:
    """Views (R, n, m) of matrices (R, m, n)."""
    return matrices.transpose(0, 2, 1)


def matrices(flat: np.ndarray, sizes: list[int]) -> Iterator[np.ndarray]:
    """Views (R, in + 1, out) of (R, P): each layer's weights, and as the last row its bias."""
    at = 0
    for fan_in, fan_out in itertools.pairwise(sizes):
        rows = fan_in + 1
        end = at + rows * fan_out
        yield flat[:, at:end].reshape(-1, rows, fan_out)
        at = end


def small(rows: int, inner: int, columns: int) -> bool:
    """Whether NumPy's library computes such a product in the calling thread alone."""
    return rows * inner * columns < (VECTOR if min(rows, columns) == 1 else MATRIX)


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Call:
    """The call that leaves a (R, m, k) times b (R, k, n) in out (R, m, n); m, k and n alone decide which it is."""
    rows, inner, columns = *a.shape[1:], b.shape[2]
    if small(rows, inner, columns):
        return partial(np.matmul, a, b, out)
    runs = zip(a, b, out, strict=True)
    each = [tuple(map(torch.from_numpy, run)) for run in runs]

    def one_by_one() -> None:
        for x, y, result in each:
            torch.mm(x, y, out=result)

    return one_by_one


def times_transposed(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> list[Call]:
    """The calls that leave a (R, m, k) times the transposes of b (R, n, k) in out (R, m, n).

    Where k is 1, a has a second column, of zeros: OpenBLAS takes ten times as long for an outer product.
    """
    flipped = transposed(b)
    runs, columns, width = b.shape
    inner = a.shape[2]
    if width > 1 and not small(a.shape[1], inner, columns):
        return [product(a, flipped, out)]
    # OpenBLAS loses more on a transposed operand than this copy costs.
    room = np.zeros((runs, inner, columns), b.dtype)
    copy = partial(np.copyto, room[:, :width], flipped)
    return [copy, product(a, room, out)]
