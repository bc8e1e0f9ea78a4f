"""The fast way through many steps of gated recurrent cells, R runs side by side: both passes by hand.

What it computes is `gru.cell`, step after step, and its gradient. Autograd would record a dozen nodes for each step and
keep what each of them made; by hand a step is a product and five passes over the numbers forth, two products and a dozen
passes back, over buffers of which only the three that the way back needs stay.

A product of one matrix is rounded in another way than that of one among several (see `core.arrays.affine`). The numbers for
reset, update and content are kept apart, so that even a single run has three.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

GATES = 3
"""Reset, update, and the content, which is no gate but is multiplied like one."""

sigmoid_slope = torch.ops.aten.sigmoid_backward.grad_input
tanh_slope = torch.ops.aten.tanh_backward.grad_input
"""(gradient of the function's value, the value) -> gradient of its argument, written where it is told."""


class Trace(NamedTuple):
    """What the way back needs of each step; time comes first.

    Attributes:
        products: (L, 3, R, B, H) reset and update, and what the state adds to the content before it is reset.
        content: (L, R, B, H) the new one.
        states: (L + 1, R, B, H) from the first, which was given.
    """

    products: torch.Tensor
    content: torch.Tensor
    states: torch.Tensor

    @classmethod
    def empty(cls, entering: torch.Tensor, state: torch.Tensor) -> Trace:
        """Room for the steps of `entering` (R, L, B, 3H), begun with a state (R, B, H)."""
        steps = entering.shape[1]
        size = state.shape
        states = state.new_empty(steps + 1, *size)
        states[0] = state
        products = state.new_empty(steps, GATES, *size)
        return cls(products, torch.empty_like(states[1:]), states)


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
        run(trace, by_gate(entering), by_gate(weight).contiguous(), by_gate(bias))
        ctx.trace = trace
        ctx.save_for_backward(weight)
        return trace.states[1:].transpose(0, 1).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Gradients of the four arguments, from that of the states (R, L, B, H)."""
        (weight,) = ctx.saved_tensors
        return slopes(ctx.trace, by_gate(weight), slope)


def by_gate(array: torch.Tensor) -> torch.Tensor:
    """Numbers (..., 3H) as (3, ..., H)."""
    parts = array.unflatten(-1, (GATES, -1))
    return parts.movedim(-2, 0)


def side_by_side(parts: torch.Tensor) -> torch.Tensor:
    """The way back: numbers (3, ..., H) as (..., 3H)."""
    return parts.movedim(0, -2).flatten(-2)


def run(trace: Trace, entering: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Fill the trace, forth: what enters is (3, R, L, B, H), weights are (3, R, H, H), biases (3, R, 1, H)."""
    for step, products in enumerate(trace.products):
        state, after = trace.states[step : step + 2]
        content = trace.content[step]
        gates = products[:2]
        torch.add(entering[:2, :, step], bias[:2], out=gates)
        products[2] = bias[2]
        add_products(products, state, weight)
        gates.sigmoid_()
        reset, keep, recurrent = products
        torch.addcmul(entering[2, :, step], reset, recurrent, out=content)
        content.tanh_()
        torch.lerp(content, state, keep, out=after)


def slopes(trace: Trace, weight: torch.Tensor, slope: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The way back: gradients of `Unroll`'s arguments, from that of its states (R, L, B, H)."""
    runs, steps, batch, size = slope.shape
    back = weight.mT.contiguous().flatten(0, 1)
    of_entering = slope.new_empty(runs, steps, batch, GATES * size)
    entering = by_gate(of_entering)
    of_weight = slope.new_zeros(weight.shape)
    of_bias = slope.new_zeros(GATES, runs, batch, size)
    of_products = torch.empty_like(of_bias)
    of_reset, of_keep, of_recurrent = of_products
    sent = torch.empty_like(of_bias)
    of_state = slope.new_zeros(runs, batch, size)
    of_content, whole, part = (torch.empty_like(of_state) for _ in range(3))
    for step in reversed(range(steps)):
        reset, keep, recurrent = trace.products[step]
        state, content = trace.states[step], trace.content[step]
        torch.add(of_state, slope[:, step], out=whole)
        torch.sub(state, content, out=part)
        part.mul_(whole)
        sigmoid_slope(part, keep, grad_input=of_keep)
        torch.mul(whole, keep, out=of_state)
        whole.sub_(of_state)
        tanh_slope(whole, content, grad_input=of_content)
        torch.mul(of_content, reset, out=of_recurrent)
        torch.mul(of_content, recurrent, out=part)
        sigmoid_slope(part, reset, grad_input=of_reset)
        entering[:2, :, step] = of_products[:2]
        entering[2, :, step] = of_content
        of_bias += of_products
        add_products(of_weight, state.mT, of_products)
        torch.bmm(of_products.flatten(0, 1), back, out=sent.flatten(0, 1))
        for share in sent:
            of_state += share
    bias = side_by_side(of_bias.sum(2, keepdim=True))
    return of_entering, of_state, side_by_side(of_weight), bias


def add_products(totals: torch.Tensor, one: torch.Tensor, others: torch.Tensor) -> None:
    """Add the products of a matrix (R, ., .) and of each gate's (3, R, ., .) to their totals (3, R, ., .)."""
    if len(one) == 1:
        totals[:, 0].baddbmm_(one.expand(GATES, -1, -1), others[:, 0])
        return
    for total, other in zip(totals, others, strict=True):
        total.baddbmm_(one, other)
