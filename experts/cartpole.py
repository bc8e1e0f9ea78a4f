"""F = -K (x, x', theta, theta'): the linear-quadratic regulator, of whose force Gymnasium's CartPole-v1 takes the sign.

Gymnasium's pole of half-length l obeys, near upright, theta'' = (g theta - F / M) / (l (4/3 - m / M)) and x'' = F / M -
m l theta'' / M, with M the mass of cart and pole, in Euler steps of 0.02 s; left to itself it falls by 1 + 0.02 * 3.972
a step. The force is 10 N to either side, so that the regulated pole trembles about upright.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.linalg import solve_discrete_are

from il_bench import Env, Expert

GRAVITY = 9.8  # m/s^2
POLE = 0.1  # kg
MASS = 1.1  # of cart and pole, kg
LENGTH = 0.5  # m
STEP = 0.02  # s
Q = np.diag([1.0, 1.0, 10.0, 1.0])
R = np.array([[0.1]])


def linearised() -> tuple[np.ndarray, np.ndarray]:
    """A (4, 4) and B (4, 1) of a step about upright, in (x, x', theta, theta') and newtons."""
    inertia = LENGTH * (4 / 3 - POLE / MASS)
    turn = GRAVITY / inertia  # theta'' for each radian,
    push = -1 / (MASS * inertia)  # and for each newton
    lever = -POLE * LENGTH / MASS
    rate = np.array(
        [
            [0, 1, 0, 0],
            [0, 0, lever * turn, 0],
            [0, 0, 0, 1],
            [0, 0, turn, 0],
        ]
    )
    force = np.array([[0], [1 / MASS + lever * push], [0], [push]])
    return np.eye(4) + STEP * rate, STEP * force


@dataclass(frozen=True)
class CartPoleExpert(Expert):
    """LQR for CartPole-v1: 1 pushes to the right, 0 to the left."""

    env: Env

    @cached_property
    def gain(self) -> torch.Tensor:
        """K (4,), newtons for each unit of the state."""
        a, b = linearised()
        cost = solve_discrete_are(a, b, Q, R)
        pull = b.T @ cost
        gain = np.linalg.solve(R + pull @ b, pull @ a)
        return torch.from_numpy(gain[0]).to(self.env.device)

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        pull = (state * self.gain).sum(-1, keepdim=True)
        return (pull < 0).to(state.dtype)
