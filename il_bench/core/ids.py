"""Numbers of a vocabulary as observations: tables index by them, nets embed them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from gymnasium import spaces


def vocabulary(space: spaces.Space) -> tuple[int, ...]:
    """How many values each observed number has, (O,); empty where observations are no numbers of a vocabulary."""
    return tuple(space.nvec.tolist()) if isinstance(space, spaces.MultiDiscrete) else ()


def place(ids: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """The place (...) int64 of numbers (..., O) among all that they can be, the last one counted first."""
    number = torch.zeros_like(ids[..., 0], dtype=torch.long)
    for position, size in enumerate(sizes):
        number = number * size + ids[..., position].long()
    return number


def places(sizes: Sequence[int]) -> int:
    """How many places there are."""
    return math.prod(sizes)


def firsts(sizes: Sequence[int], device: torch.device) -> torch.Tensor:
    """Where the values of each observed number begin, when those of all stand in one row (O,)."""
    ends = list(itertools.accumulate(sizes))
    places = [0, *ends[:-1]]
    return torch.tensor(places, device=device)


def one_hot(ids: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Numbers (..., O) as vectors (..., sum of sizes) with a one for each of them, float32: a first layer embeds them."""
    *axes, _ = ids.shape
    hot = ids.long() + firsts(sizes, ids.device)
    width = sum(sizes)
    vectors = torch.zeros(*axes, width, device=ids.device)
    return vectors.scatter_(-1, hot, 1.0)
