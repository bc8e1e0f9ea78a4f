"""Spread: how large the expert's actions are, which is the unit of noise on them and of errors of their copies."""

from __future__ import annotations

import torch
from gymnasium import spaces

from ..core.env import Env
from .dataset import Dataset


def spread(env: Env, data: Dataset) -> torch.Tensor:
    """Standard deviation of the labels (R, U), float64; 1 where actions are Discrete, which are right or wrong."""
    labels = data.action
    size = labels.shape[-1]
    if isinstance(env.action_space, spaces.Discrete):
        return labels.new_ones((len(labels), size), dtype=torch.float64)
    moments = data.moments
    variance = moments.scatter / moments.weight.clamp_min(1)
    return variance[:, 0, -size:].sqrt()
