"""Arrays: settings that broadcast over runs, and the affine map of every run."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import torch

from .settings import Values


def namespace(array: Any) -> Any:
    """The module, numpy or torch, whose functions take `array`: an environment written with it runs on both."""
    return np if isinstance(array, np.ndarray | np.generic) else torch


def coordinates(array: Any) -> list[Any]:
    """Each coordinate (R, E) of an array (R, E, X), in their order, so that they can be named where they are used."""
    return [array[..., number] for number in range(array.shape[-1])]


@lru_cache(maxsize=4096)
def column(values: tuple[float, ...], axes: int, device: str) -> torch.Tensor:
    """One number for each run as a tensor (R, 1, ...) with `axes` axes, float64."""
    return torch.tensor(values, dtype=torch.float64, device=device).reshape(-1, *(1,) * (axes - 1))


def per_run(value: Values, axes: int = 2, device: str = "cpu") -> Any:
    """A setting that broadcasts over arrays with `axes` axes: the number itself, or a tensor (R, 1, ...)."""
    return column(tuple(value), axes, device) if isinstance(value, tuple) else value


Arrays: TypeAlias = "dict[str, torch.Tensor]"


def affine(bias: torch.Tensor, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """X W + b for every run: x (R, B, in), W (R, in, out), b (R, 1, out).

    MKL takes another kernel for a batch of one, which rounds differently; a phantom second run keeps run 2 of 4 equal
    to run 2 alone, bit for bit, at 5 % of a small layer's time.
    """
    if len(weight) > 1:
        return torch.baddbmm(bias, x, weight)
    return torch.baddbmm(bias.expand(2, -1, -1), x.expand(2, -1, -1), weight.expand(2, -1, -1))[:1]
