"""The layer that scales observations in front of a network of stable-baselines3."""

from __future__ import annotations

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor


class Scaler(BaseFeaturesExtractor):
    """(observation - mean) / std, in float64: of an almost constant observation nothing is rounded away.

    Args:
        observation_space: of flat observations (O,).
        mean: what is subtracted (O,).
        std: what is divided by (O,).
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, observation_space: spaces.Box, mean: list[float], std: list[float]):
        BaseFeaturesExtractor.__init__(self, observation_space, len(mean))
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float64))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Scaled observations (B, O), float32."""
        scaled = (observations.double() - self.mean) / self.std
        return scaled.float()
