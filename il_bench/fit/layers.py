"""Layers: what nets that remember have in common, from observations to vectors, from logits to actions, and by name."""

from __future__ import annotations

import math
from typing import Any

import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.ids import firsts
from ..core.policy import choose
from ..core.streams import Streams
from .optimiser import Layers


def embedded(table: torch.Tensor, obs: torch.Tensor, sizes: tuple[int, ...]) -> torch.Tensor:
    """The sum (R, n, D) of the embeddings of observed numbers (R, n, O), from each run's table (R, V, D)."""
    runs, rows, width = table.shape
    offsets = firsts(sizes, obs.device)
    ids = obs.long() + offsets
    run = torch.arange(runs, device=obs.device)
    own = rows * run[:, None, None]
    # One table of all runs: a row for each of their symbols.
    together = table.reshape(-1, width)
    vectors = torch.nn.functional.embedding(ids + own, together)
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
        low = torch.from_numpy(space.low.ravel())
        high = torch.from_numpy(space.high.ravel())
        return out.clamp(low.to(out), high.to(out))
    if draw is None:
        return out.argmax(-1, keepdim=True)
    chances = out.softmax(-1)
    return choose(chances, draw)


def to_arrays(layers: Layers, scaling: Arrays, sizes: tuple[int, ...]) -> Arrays:
    """A policy's layers, scales and vocabulary by name."""
    arrays = {f"scaling.{name}": value for name, value in scaling.items()}
    arrays |= numbered("layer", layers)
    if sizes:
        runs = len(layers[0])
        arrays["sizes"] = torch.tensor([sizes] * runs)
    return arrays


def from_arrays(arrays: Arrays) -> tuple[Layers, Arrays, tuple[int, ...]]:
    """The way back."""
    names = ("mean", "std", "shift", "scale")
    scaling = {name: arrays[f"scaling.{name}"] for name in names}
    sizes: list[Any] = arrays["sizes"][0].tolist() if "sizes" in arrays else []
    return in_order("layer", arrays), scaling, tuple(sizes)


def numbered(name: str, layers: Layers) -> Arrays:
    """Layers under numbered names."""
    return {f"{name}.{number}": layer for number, layer in enumerate(layers)}


def in_order(name: str, arrays: Arrays) -> Layers:
    """Layers that were numbered, in their order."""
    count = sum(key.startswith(f"{name}.") for key in arrays)
    return [arrays[f"{name}.{i}"] for i in range(count)]
