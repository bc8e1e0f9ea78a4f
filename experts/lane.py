"""a = -K (e, psi) + h kappa / c: the linear-quadratic regulator with curvature feed-forward."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.linalg import solve_discrete_are

from il_bench import Expert

from ..envs.lane import STEER, Lane

Q = np.eye(2)
R = np.array([[0.1]])


@dataclass(frozen=True)
class LaneExpert(Expert):
    """LQR (Q = I, R = 0.1) about the centre line, plus the steering that the bend needs."""

    env: Lane

    @cached_property
    def gain(self) -> torch.Tensor:
        """K (R, 1, 2)."""
        steering = np.array([[0], [STEER]])
        gains = [lqr(jacobian, steering) for jacobian in self.env.jacobians()]
        return torch.from_numpy(np.stack(gains)).to(self.env.device)

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        car = state[..., :2]
        feedback = -(car * self.gain).sum(-1)
        advance = self.env.per_run(self.env.advance)
        bend = advance * self.env.curvature(state)
        action = feedback + bend / STEER
        return action[..., None].clamp(-1, 1)


def lqr(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The optimal gain K of u = -K x for x' = A x + B u under Q and R; (U, X).

    At L = max(1, yaw) the car does not advance, and nothing steers its offset: the heading is then regulated alone.
    """
    advance = a[0, 1]
    if advance < 1e-6:
        turn = lqr_1d(a[1, 1], b[1, 0])
        return np.array([[0.0, turn]])
    cost = solve_discrete_are(a, b, Q, R)
    pull = b.T @ cost
    return np.linalg.solve(R + pull @ b, pull @ a)


def lqr_1d(a: float, b: float) -> float:
    """The same for one state and one input: the positive root of the scalar Riccati equation."""
    q = Q[1, 1]
    r = R[0, 0]
    excess = r * (a * a - 1)
    half = (excess + q * b * b) / 2
    product = q * r * b * b
    square = half * half + product
    root = np.sqrt(square)
    cost = (half + root) / (b * b)
    stiffness = r + b * b * cost
    return a * b * cost / stiffness
