"""The same tanh networks, trained to match the slopes of the labels as well: Sobolev training.

Czarnecki et al. (2017). A step along each direction goes through the network beside the sample itself (forward mode), so
that the derivatives of the loss are an ordinary backward pass of twice the depth.
"""

from __future__ import annotations

import dataclasses
from functools import partial

import torch

from ..core.arrays import Arrays, affine
from ..core.settings import Values, as_tuple
from ..core.threads import few_threads
from ..fit.dataset import Dataset
from ..fit.loop import Autograd, Block, Descent, Loss, descend, in_blocks, sign, squared_error
from ..fit.optimiser import Layers
from ..fit.slopes import Slopes
from ..fit.training import Lesson
from . import _mlp_engine
from .mlp import MLP, MLPPolicy, Networks, first_layers, scaling_of, side_by_side


@few_threads
def fit_slopes(lesson: Lesson, slopes: Slopes, weight: Values) -> MLPPolicy:
    """R networks fitted to labels and to their slopes: squared error of actions + `weight` times that of derivatives.

    Both errors are in units of the data's deviation of each action, the derivatives a unit of the state's coordinate.

    Args:
        lesson: the labels; its training's net is an mlp.
        slopes: at the same samples.
        weight: of the derivatives, one for all runs or one for each.
    """
    lesson.training.require_runs(lesson.runs)
    weights = torch.tensor(as_tuple(weight), device=lesson.data.obs.device)
    weights = weights.expand(lesson.runs)
    parts: list[Networks] = []
    losses: Layers = []
    for block in in_blocks(_runs_at_once(lesson, slopes), lesson):
        own = _of(slopes, block.runs)
        part, values = _fitted(lesson, block, own, weights[block.runs])
        parts.append(part)
        losses.append(values)
    sign(lesson, losses)
    networks = side_by_side(parts)
    space = lesson.env.action_space
    return MLPPolicy(networks.layers, networks.scaling, space, networks.trained)


def _fitted(
    lesson: Lesson, block: Block, slopes: Slopes, weight: torch.Tensor
) -> tuple[Networks, torch.Tensor]:
    """The networks of some runs, and its losses (R, updates): the one loop, on rows that hold samples and slopes."""
    sizes = _widths(lesson)
    layers = first_layers(lesson.start, block, sizes)
    scaling = scaling_of(block)
    loss = sobolev(sizes[0], sizes[-1], weight)
    rows = dataclasses.replace(block, data=_packed(block.data, slopes))
    scales = _packed_scales(scaling, slopes.way.shape[2])
    descent = Descent(layers, scales, partial(Autograd, loss=loss))
    optimiser, losses = descend(rows, descent, lesson.updates)
    return Networks(optimiser.average(), optimiser.last(), scaling), losses


def sobolev(observations: int, actions: int, weight: torch.Tensor) -> Loss:
    """The loss of samples whose rows hold what `_packed` puts there.

    Args:
        observations: numbers in an observation, O.
        actions: numbers in an action, U.
        weight: (R,) of the derivatives.
    """

    def loss(layers: Layers, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        obs, way = _split(x, observations)
        label, slope = _split(y, actions)
        steps = way.unflatten(-1, (-1, observations))
        out, moves = along(layers, obs, steps)
        off = squared_error(out, label, share)
        bent = squared_error(moves.flatten(2), slope, share)
        return off + weight * bent

    return loss


def _split(row: torch.Tensor, size: int) -> list[torch.Tensor]:
    """The first `size` numbers of each row, and the others."""
    others = row.shape[-1] - size
    return list(row.split([size, others], -1))


def along(
    layers: Layers, x: torch.Tensor, steps: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A tanh network's outputs (R, B, U) at x (R, B, O), and their derivatives (R, B, X, U) along steps (R, B, X, O)."""
    *hidden, last_weight, last_bias = layers
    for weight, bias in zip(hidden[::2], hidden[1::2], strict=True):
        x = affine(bias, x, weight).tanh()
        steep = 1 - x.square()
        steps = _linear(steps, weight) * steep[:, :, None]
    return affine(last_bias, x, last_weight), _linear(steps, last_weight)


def _linear(steps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """What a layer's weights (R, in, out) make of steps (R, B, X, in)."""
    shape = steps.shape[1:3]
    nothing = weight.new_zeros(1, 1, 1)
    moves = affine(nothing, steps.flatten(1, 2), weight)
    return moves.unflatten(1, shape)


def _packed(data: Dataset, slopes: Slopes) -> Dataset:
    """Each observation with its X derivatives behind it, (R, N, O + X O), and each action with its own."""
    obs = torch.cat((data.obs, slopes.way.flatten(2)), -1)
    action = torch.cat((data.action, slopes.action.flatten(2)), -1)
    return dataclasses.replace(data, obs=obs, action=action)


def _packed_scales(scaling: Arrays, ways: int) -> Arrays:
    """The scales of such rows: derivatives are divided as what they are of, and nothing is taken from them."""
    packed = {}
    for name in ("std", "scale"):
        packed[name] = scaling[name].repeat(1, 1, 1 + ways)
    for name in ("mean", "shift"):
        own = scaling[name]
        nothing = torch.zeros_like(own).repeat(1, 1, ways)
        packed[name] = torch.cat((own, nothing), -1)
    return packed


def _of(slopes: Slopes, runs: slice) -> Slopes:
    """The slopes of some of the runs."""
    return Slopes(slopes.way[runs], slopes.action[runs])


def _runs_at_once(lesson: Lesson, slopes: Slopes) -> int:
    """How many runs train side by side: as many as the cache holds, all of them on a GPU."""
    if not _mlp_engine.suits(slopes.way):
        return lesson.runs
    ways = slopes.way.shape[2]
    rows = lesson.training.batch * (1 + ways)
    return _mlp_engine.runs_at_once(_widths(lesson), rows)


def _widths(lesson: Lesson) -> list[int]:
    """Numbers in each layer of the network."""
    net = lesson.training.net
    assert isinstance(net, MLP), "refused before"
    return net.widths(lesson.data, lesson.env)
