"""Scaling: the scales of observations and actions from the weighted samples."""

from __future__ import annotations

import torch

from ..core.arrays import Arrays
from .dataset import Dataset


def scales(data: Dataset, floor: tuple[float, ...], zscore: bool, actions: int | None) -> Arrays:
    """Scales of observations (R, 1, O) and actions (R, 1, U) from the weighted samples, float32.

    Args:
        data: samples of R runs.
        floor: the smallest deviation of an observation, one for all runs or one for each.
        zscore: whether observations are scaled at all.
        actions: how many Discrete actions there are, whose logits are not scaled; None for Box actions.
    """
    moments = data.moments
    size = data.obs.shape[2]
    widths = [size, moments.mean.shape[-1] - size]  # observations, actions
    variance = moments.scatter / moments.weight.clamp_min(1e-300)
    mean, shift = moments.mean.split(widths, -1)
    std, scale = variance.sqrt().split(widths, -1)
    if zscore:
        least = torch.tensor(floor, dtype=torch.float64, device=data.obs.device)
        least = least.reshape(-1, 1, 1)
        std = torch.maximum(std, least)
    else:
        mean = torch.zeros_like(mean)
        std = torch.ones_like(std)
    if actions is None:
        scale = scale.clamp_min(1e-6)
    else:
        shift = shift.new_zeros(len(shift), 1, actions)
        scale = torch.ones_like(shift)
    scaling = {"mean": mean, "std": std, "shift": shift, "scale": scale}
    return {name: value.float() for name, value in scaling.items()}
