"""Energy pump, then a linear catch: the scripted expert of Gymnasium's Pendulum-v1.

Far from upright it feeds or drains the pendulum's energy until that of resting upright is reached (Astrom & Furuta
2000); near it a linear controller takes over. Gymnasium's pendulum has theta'' = 3 g sin(theta) / (2 l) + 3 u / (m
l**2), theta = 0 upright, |u| <= 2; observations are (cos, sin, theta').
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Env, Expert, coordinates

GRAVITY = 10.0
TORQUE = 2.0
CATCH = 0.45  # radians from upright within which the linear controller holds the pendulum
GAIN = 9.0, 2.0  # of angle and angular velocity, N m / rad and N m s / rad


@dataclass(frozen=True)
class PendulumExpert(Expert):
    """Energy pump with a linear catch for Pendulum-v1."""

    env: Env

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        cos, sin, speed = coordinates(state)
        angle = torch.atan2(sin, cos)
        catch = -(GAIN[0] * angle + GAIN[1] * speed)
        near = angle.abs() + 0.1 * speed.abs() < CATCH
        torque = torch.where(near, catch, _pump(cos, speed))
        return torque.clamp(-TORQUE, TORQUE)[..., None]


def _pump(cos: torch.Tensor, speed: torch.Tensor) -> torch.Tensor:
    """Torques (R, E) that feed or drain energy until that of resting upright is reached."""
    # Of a rod, per m l^2: theta'^2 / 6 + g cos(theta) / 2, and g / 2 when it rests upright.
    lift = GRAVITY / 2 * (1 - cos)
    missing = lift - speed.square() / 6
    still = torch.ones_like(speed)
    way = torch.where(speed == 0, still, speed.sign())
    share = (4 * missing).clamp(-1, 1)
    return TORQUE * way * share
