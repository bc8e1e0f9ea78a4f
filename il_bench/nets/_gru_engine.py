"""The fast way through many steps of gated recurrent cells, R runs side by side: both passes by hand.

What it computes is `gru.cell`, step after step, and its gradient. Autograd would record a dozen nodes for each step and
keep what each of them made; by hand a step is two products and five passes over the numbers forth, four products and a
dozen passes back, over buffers of which only the four that the way back needs stay.

A product of one matrix is rounded in another way than that of one among several (see `core.arrays.affine`). Hence what
products are added to has room for two runs at least, of which the second may be nobody's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

sigmoid_slope = torch.ops.aten.sigmoid_backward.grad_input
tanh_slope = torch.ops.aten.tanh_backward.grad_input
"""(gradient of the function's value, the value) -> gradient of its argument, written where it is told."""


class Trace(NamedTuple):
    """What the way back needs of each step; time comes first.

    Attributes:
        gates: reset and update (L, R or 2, B, 2H).
        recurrent: (L, R or 2, B, H) what the state adds to the content before it is reset.
        content: (L, R, B, H) the new one.
        states: (L + 1, R, B, H) from the first, which was given.
    """

    gates: torch.Tensor
    recurrent: torch.Tensor
    content: torch.Tensor
    states: torch.Tensor

    @classmethod
    def empty(cls, entering: torch.Tensor, state: torch.Tensor) -> Trace:
        """Room for the steps of `entering` (R, L, B, 3H), begun with a state (R, B, H)."""
        steps = entering.shape[1]
        runs, batch, size = state.shape
        states = state.new_empty(steps + 1, runs, batch, size)
        states[0] = state
        gates = state.new_empty(steps, room(runs), batch, 2 * size)
        recurrent = state.new_empty(steps, room(runs), batch, size)
        return cls(gates, recurrent, torch.empty_like(states[1:]), states)


class Unroll(torch.autograd.Function):
    """States (R, L, B, H) after each step.

    Args:
        entering: (R, L, B, 3H) what enters, already multiplied: for reset, update, content.
        state: (R, B, H) before the first step.
        weight: (R, H, 3H) of the state.
        bias: (R, 1, 3H) of the same product.
    """

    @staticmethod
    def forward(
        ctx: Any,
        entering: torch.Tensor,
        state: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        """See the class."""
        trace = Trace.empty(entering, state)
        run(trace, entering, weight, bias)
        ctx.trace = trace
        ctx.save_for_backward(weight)
        return trace.states[1:].transpose(0, 1).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Gradients of the four arguments, from that of the states (R, L, B, H)."""
        (weight,) = ctx.saved_tensors
        return slopes(ctx.trace, weight, slope)


def run(trace: Trace, entering: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Fill the trace, forth."""
    size = weight.shape[1]
    batch = entering.shape[2]
    for_gates, for_content = _parts(entering, size)
    weight_gates, weight_content = (part.contiguous() for part in _parts(weight, size))
    bias_gates, bias_content = _parts(bias, size)
    spread = bias_content.expand(-1, batch, -1)
    runs = len(weight)
    for step in range(entering.shape[1]):
        state, after = trace.states[step : step + 2]
        content = trace.content[step]
        sums, products = trace.gates[step], trace.recurrent[step]
        gates, recurrent = sums[:runs], products[:runs]
        torch.add(for_gates[:, step], bias_gates, out=gates)
        add_product(sums, state, weight_gates)
        gates.sigmoid_()
        reset, keep = gates.split(size, -1)
        recurrent.copy_(spread)
        add_product(products, state, weight_content)
        torch.addcmul(for_content[:, step], reset, recurrent, out=content)
        content.tanh_()
        torch.lerp(content, state, keep, out=after)


def slopes(trace: Trace, weight: torch.Tensor, slope: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The way back: gradients of `Unroll`'s arguments, from that of its states (R, L, B, H)."""
    runs, steps, batch, size = slope.shape
    back_gates, back_content = (part.mT.contiguous() for part in _parts(weight, size))
    of_entering = slope.new_empty(runs, steps, batch, 3 * size)
    of_weight_gates = slope.new_zeros(room(runs), size, 2 * size)
    of_weight_content = slope.new_zeros(room(runs), size, size)
    of_bias_gates = slope.new_zeros(runs, batch, 2 * size)
    of_bias_content = slope.new_zeros(runs, batch, size)
    of_gates = torch.empty_like(of_bias_gates)
    of_reset, of_keep = of_gates.split(size, -1)
    of_content = torch.empty_like(of_bias_content)
    of_recurrent = torch.empty_like(of_content)
    sums = slope.new_zeros(room(runs), batch, size)
    of_state = sums[:runs]
    whole = torch.empty_like(of_content)
    part = torch.empty_like(of_content)
    for step in reversed(range(steps)):
        reset, keep = trace.gates[step, :runs].split(size, -1)
        state, content = trace.states[step], trace.content[step]
        torch.add(of_state, slope[:, step], out=whole)
        torch.sub(state, content, out=part)
        part.mul_(whole)
        sigmoid_slope(part, keep, grad_input=of_keep)
        torch.mul(whole, keep, out=of_state)
        whole.sub_(of_state)
        tanh_slope(whole, content, grad_input=of_content)
        torch.mul(of_content, reset, out=of_recurrent)
        torch.mul(of_content, trace.recurrent[step, :runs], out=part)
        sigmoid_slope(part, reset, grad_input=of_reset)
        now = of_entering[:, step]
        now[..., : 2 * size] = of_gates
        now[..., 2 * size :] = of_content
        of_bias_gates += of_gates
        of_bias_content += of_recurrent
        add_product(of_weight_gates, state.mT, of_gates)
        add_product(of_weight_content, state.mT, of_recurrent)
        add_product(sums, of_gates, back_gates)
        add_product(sums, of_recurrent, back_content)
    of_weight = torch.cat((of_weight_gates, of_weight_content), -1)[:runs]
    of_bias = torch.cat((of_bias_gates, of_bias_content), -1)
    return of_entering, of_state, of_weight, of_bias.sum(1, keepdim=True)


def room(runs: int) -> int:
    """Runs of which there is room where products are added."""
    return max(runs, 2)


def add_product(total: torch.Tensor, one: torch.Tensor, two: torch.Tensor) -> None:
    """Add the products of R matrices to `total` (R, ., .), or (2, ., .) where R is 1."""
    count = len(total)
    total.baddbmm_(one.expand(count, -1, -1), two.expand(count, -1, -1))


def _parts(array: torch.Tensor, size: int) -> tuple[torch.Tensor, ...]:
    """The numbers for both gates and those for the content, of (..., 3H)."""
    return array.split([2 * size, size], -1)
