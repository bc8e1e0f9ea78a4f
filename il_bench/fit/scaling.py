"""Scaling: the scales of observations and actions from the weighted samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .dataset import Dataset

if TYPE_CHECKING:
    pass


def scales(
    data: Dataset, floor: tuple[float, ...], zscore: bool, actions: int | None
) -> dict[str, torch.Tensor]:
    """Scales of observations (R, 1, O) and actions (R, 1, U) from the weighted samples, float32.

    Args:
        data: samples of R runs.
        floor: the smallest deviation of an observation, one for all runs or one for each.
        zscore: whether observations are scaled at all.
        actions: how many Discrete actions there are, whose logits are not scaled; None for Box actions.
    """
    held, size = data.moments, data.obs.shape[2]
    deviation = (held.scatter / held.weight.clamp_min(1e-300)).sqrt()
    mean, shift = held.mean[..., :size], held.mean[..., size:]
    std, scale = deviation[..., :size], deviation[..., size:]
    least = torch.tensor(floor, dtype=torch.float64, device=data.obs.device).reshape(-1, 1, 1)
    scaling = {
        "mean": mean,
        "std": torch.maximum(std, least),
        "shift": shift,
        "scale": scale.clamp_min(1e-6),
    }
    if not zscore:
        scaling |= {"mean": torch.zeros_like(mean), "std": torch.ones_like(std)}
    if actions is not None:
        scaling |= {
            "shift": shift.new_zeros(len(shift), 1, actions),
            "scale": shift.new_ones(len(shift), 1, actions),
        }
    return {name: value.float() for name, value in scaling.items()}
