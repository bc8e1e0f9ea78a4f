"""Layers: what nets that remember have in common, from observations to vectors, from logits to actions, and by name."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.ids import firsts
from ..core.policy import choose
from ..core.settings import one_of
from ..core.streams import Streams
from .optimiser import Layers

SCALES = "mean", "std", "shift", "scale"
"""Of observations and of actions."""


def embedded(table: torch.Tensor, obs: torch.Tensor, sizes: tuple[int, ...]) -> torch.Tensor:
    """The sum (R, n, D) of the embeddings of observed numbers (R, n, O), from each run's table (R, V, D)."""
    runs, rows, width = table.shape
    device = obs.device
    offsets = firsts(sizes, device)
    ids = obs.long() + offsets
    run = torch.arange(runs, device=device)
    first = rows * run
    # One table of all runs: a row for each of their symbols.
    together = table.reshape(-1, width)
    places = ids + first[:, None, None]
    vectors = torch.nn.functional.embedding(places, together)
    return vectors.sum(2)


def embeddings(streams: Streams, symbols: int, width: int) -> torch.Tensor:
    """A table (R, V, D) to begin with, standard normal."""
    drawn = streams.normal("embedding", 1, symbols, width)
    return drawn[:, 0].float()


def uniform_layer(
    streams: Streams, number: int, rows: int, columns: int, inputs: int
) -> torch.Tensor:
    """The first values (R, rows, columns) of a layer, uniform in +-1/sqrt(inputs), keyed by each run's seed."""
    draw = streams.uniform(f"weight {number}", 1, rows, columns)
    even = 2 * draw[:, 0] - 1
    values = even / math.sqrt(inputs)
    return values.float()


def actions_of(
    out: torch.Tensor, space: spaces.Box | spaces.Discrete, draw: torch.Tensor | None
) -> torch.Tensor:
    """Actions (R, E, U) of answers (R, E, A): within a Box, the likeliest one, or one by chance with a draw (R, E)."""
    if isinstance(space, spaces.Box):
        bounds = space.low.ravel(), space.high.ravel()
        low, high = [torch.from_numpy(bound).to(out) for bound in bounds]
        return out.clamp(low, high)
    if draw is None:
        return out.argmax(-1, keepdim=True)
    chances = out.softmax(-1)
    return choose(chances, draw)


def in_units(out: torch.Tensor, scaling: Arrays) -> torch.Tensor:
    """Logits or scaled actions (R, B, L, A) in their own units."""
    scale = scaling["scale"]
    shift = scaling["shift"]
    return out * scale[:, None] + shift[:, None]


class Stored(NamedTuple):
    """What makes a policy of a net that remembers.

    Attributes:
        layers: its parameters, each (R, ...).
        scaling: "mean", "std" (R, 1, O) of observations, "shift", "scale" (R, 1, A) of actions.
        sizes: of the vocabulary (O,); empty for other observations.
        trained: the layers as training left them, where `layers` are their average and training is to go on.
    """

    layers: Layers
    scaling: Arrays
    sizes: tuple[int, ...]
    trained: Layers | None = None


def one_run(stored: Stored, run: int) -> Stored:
    """What makes the policy of one run, which nobody trains on."""
    runs = len(stored.layers[0])
    pick = one_of(run, runs)
    layers = [layer[pick] for layer in stored.layers]
    scaling = {name: value[pick] for name, value in stored.scaling.items()}
    return Stored(layers, scaling, stored.sizes)


def to_arrays(stored: Stored) -> Arrays:
    """A policy by names."""
    arrays = {f"scaling.{name}": value for name, value in stored.scaling.items()}
    arrays |= _numbered("layer", stored.layers)
    arrays |= _numbered("trained", stored.trained or [])
    if stored.sizes:
        runs = len(stored.layers[0])
        arrays["sizes"] = torch.tensor([stored.sizes] * runs)
    return arrays


def from_arrays(arrays: Arrays) -> Stored:
    """The way back."""
    scaling = {name: arrays[f"scaling.{name}"] for name in SCALES}
    layers = _in_order("layer", arrays)
    trained = _in_order("trained", arrays)
    none = torch.zeros(1, 0)
    of_each_run = arrays.get("sizes", none)
    sizes = tuple(map(int, of_each_run[0]))
    return Stored(layers, scaling, sizes, trained or None)


def _numbered(name: str, layers: Layers) -> Arrays:
    """Layers under numbered names."""
    return {f"{name}.{number}": layer for number, layer in enumerate(layers)}


def _in_order(name: str, arrays: Arrays) -> Layers:
    """Layers that were numbered, in their order."""
    prefix = f"{name}."
    named = [key for key in arrays if key.startswith(prefix)]
    numbers = range(len(named))
    return [arrays[f"{prefix}{number}"] for number in numbers]
