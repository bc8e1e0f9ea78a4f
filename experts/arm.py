"""a = a_ref - (P (q - q_ref) + D (w - w_ref)) / c under torque, a_ref alone by angle: both draw the star exactly."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from il_bench import Expert

from ..envs.arm import LIMIT, POLE, STEP, TORQUE, Arm


@dataclass(frozen=True)
class ArmExpert(Expert):
    """Feed-forward along the star; proportional and derivative gains under torque, a servo's own under position."""

    env: Arm

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        if self.env.control == "position":
            return self._command(state)
        angles, speeds, pushes = self.env.reference(state[..., 4])
        # The loop q'' = -(q - q_ref) (1 - POLE)^2 / h^2 - ... has POLE twice; the joint's own stiffness does its part.
        pull = ((1 - POLE) / STEP) ** 2
        brake = 2 * (1 - POLE) / STEP
        q = state[..., :2]
        w = state[..., 2:4]
        off = q - angles
        faster = w - speeds
        wish = pushes - pull * off - brake * faster
        own = self.env.per_run(self.env.stiffness, 3) * q
        action = (wish + own) / TORQUE
        return action.clamp(-1, 1)

    def _command(self, state: torch.Tensor) -> torch.Tensor:
        """Angles so far ahead that the servo, which covers a share of the way, arrives in time."""
        angles, speeds, _ = self.env.reference(state[..., 4])
        share = self.env.per_run(self.env.servo, 3)
        way = speeds * STEP / share
        action = (angles + way) / LIMIT
        return action.clamp(-1, 1)
