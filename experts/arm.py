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
        angles, speeds, pushes = self.env.reference(state[..., 4])
        if self.env.control == "position":
            # The command lies so far ahead that the servo, which covers a share of the way, arrives in time.
            ahead = angles + speeds * STEP / self.env.per_run(self.env.servo, 3)
            return (ahead / LIMIT).clamp(-1, 1)
        # The loop q'' = -(q - q_ref) (1 - POLE)^2 / h^2 - ... has POLE twice; the joint's own stiffness does its part.
        pull = ((1 - POLE) / STEP) ** 2
        brake = 2 * (1 - POLE) / STEP
        q, w = state[..., :2], state[..., 2:4]
        wish = pushes - pull * (q - angles) - brake * (w - speeds)
        own = self.env.per_run(self.env.stiffness, 3) * q
        return ((wish + own) / TORQUE).clamp(-1, 1)
