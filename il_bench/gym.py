"""An alias: every registered id and every stored Minari spec names its environment `il_bench.gym:GymEnv`."""

from .borders.gymnasium_out import GymEnv, GymVectorEnv

__all__ = ["GymEnv", "GymVectorEnv"]
