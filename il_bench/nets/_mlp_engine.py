"""The fast engine: the gradient of R tanh networks by hand, as a list of NumPy calls over buffers that stay.

`train.Autograd` is the reference, for every network and device; this is its equal (tested to 1e-5 over 1,000 updates)
for tanh networks on the CPU, where it takes a third of the time for 64 runs and a tenth for one. What makes it so:

* A layer is one matrix (in + 1, out) whose last row is the bias, and every activation carries a one in its last column:
  bias and its gradient cost no call of their own.
* All calls are prepared once and take their operands from, and leave their results in, the same buffers.
* NumPy's tanh takes a seventh of torch's time, and its matmul calls the library run by run, so that a run's numbers
  cannot depend on how many runs there are; all other operations are single, exactly rounded ones.

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
    weights = sum((a + 1) * b for a, b in itertools.pairwise(sizes))
    return 4 * (5 * weights + 2 * batch * (sum(sizes) + len(sizes)))


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
    """

    def __init__(
        self, flat: torch.Tensor, grad: torch.Tensor, sizes: list[int], batch: int, discrete: bool
    ):
        layers, slopes = (list(matrices(buffer.numpy(), sizes)) for buffer in (flat, grad))
        room = len(flat), batch
        inputs = np.ones((*room, sizes[0] + 1), np.float32)
        self._inputs, self._discrete = inputs[..., :-1], discrete
        self._out, wide = (
            np.empty((*room, sizes[-1]), np.float32),
            np.zeros((*room, max(sizes[-1], 2)), np.float32),
        )
        self._error = wide[..., : sizes[-1]]
        self._first = np.arange(0, self._out.size, sizes[-1]).reshape(len(flat), 1, batch)
        before = [np.full((*room, n + 1), ONE, np.float32) for n in sizes[1:-1]]
        after = [inputs, *(np.empty_like(z) for z in before)]
        self._forward: list[Call] = []
        for x, layer, z, h in zip(after, layers, before, after[1:], strict=False):
            self._forward += [product(x, layer, z[..., :-1]), partial(np.tanh, z, h)]
        self._forward.append(product(after[-1], layers[-1], self._out))
        self._backward, error = (
            [product(after[-1].transpose(0, 2, 1), self._error, slopes[-1])],
            wide,
        )
        for k in reversed(range(len(before))):
            z, h = before[k], after[k + 1]
            self._backward += times_transposed(error, layers[k + 1][:, :-1], z[..., :-1])
            # dz = dh (1 - h h), in place of h; dh came in place of z, whose ones are left as they were.
            self._backward += [
                partial(np.multiply, h, h, h),
                partial(np.multiply, z, h, h),
                partial(np.subtract, z, h, h),
            ]
            error = h[..., :-1]
            self._backward.append(product(after[k].transpose(0, 2, 1), error, slopes[k]))

    def steps(
        self, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor, losses: torch.Tensor
    ) -> Iterator[None]:
        """See `train.Autograd.steps`."""
        shares, targets, loss = share.numpy()[..., None], y.numpy(), self._squared_error
        weights, left = 2 * shares, np.empty_like(targets)
        if self._discrete:
            targets = targets[..., 0] + self._first  # where each label stands among all outputs
            weights, left, loss = shares, np.empty_like(shares), self._cross_entropy
        steps = (part.swapaxes(0, 1) for part in (x.numpy(), targets, weights, left))
        for observation, target, weight, each in zip(*steps, strict=True):
            np.copyto(self._inputs, observation)
            for call in self._forward:
                call()
            loss(target, weight, each)
            for call in self._backward:
                call()
            yield
        each = left if self._discrete else np.square(left, left)
        losses.copy_(torch.from_numpy((each * shares).sum((-2, -1))))

    def _squared_error(self, target: np.ndarray, weight: np.ndarray, left: np.ndarray) -> None:
        """The slope of the squared error, and in `left` the error itself (R, B, U)."""
        np.subtract(self._out, target, left)
        np.multiply(left, weight, self._error)

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


def matrices(flat: np.ndarray, sizes: list[int]) -> Iterator[np.ndarray]:
    """Views (R, in + 1, out) of (R, P): each layer's weights, and as the last row its bias."""
    at = 0
    for fan_in, fan_out in itertools.pairwise(sizes):
        count = (fan_in + 1) * fan_out
        yield flat[:, at : at + count].reshape(-1, fan_in + 1, fan_out)
        at += count


def small(rows: int, inner: int, columns: int) -> bool:
    """Whether NumPy's library computes such a product in the calling thread alone."""
    return rows * inner * columns < (VECTOR if min(rows, columns) == 1 else MATRIX)


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Call:
    """The call that leaves a (R, m, k) times b (R, k, n) in out (R, m, n); m, k and n alone decide which it is."""
    if small(a.shape[1], a.shape[2], b.shape[2]):
        return partial(np.matmul, a, b, out)
    each = [[torch.from_numpy(part) for part in run] for run in zip(a, b, out, strict=True)]

    def one_by_one() -> None:
        for x, y, result in each:
            torch.mm(x, y, out=result)

    return one_by_one


def times_transposed(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> list[Call]:
    """The calls that leave a (R, m, k) times the transposes of b (R, n, k) in out (R, m, n).

    Where k is 1, a has a second column, of zeros: OpenBLAS takes ten times as long for an outer product.
    """
    flipped = b.transpose(0, 2, 1)
    if b.shape[2] > 1 and not small(a.shape[1], a.shape[2], b.shape[1]):
        return [product(a, flipped, out)]
    room = np.zeros((len(b), a.shape[2], b.shape[1]), b.dtype)
    # OpenBLAS loses more on a transposed operand than this copy costs.
    return [partial(np.copyto, room[:, : b.shape[2]], flipped), product(a, room, out)]
