"""s' = L Q s + b a - g(xi) + sigma w: a similarity, stretched by exactly L in every direction and at every pair.

Q is a rotation by a fixed angle in the plane of each pair of coordinates; g is the pull of an exogenous phase xi,
which is part of the observation. The expert a = (-K s + g(xi)) / b with K = (L - alpha) Q leaves the closed loop alpha
Q: a second exact dial, and the demonstration that drift grows by the closed loop and not by L. States are clipped to
+-10.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, namespace, require
from il_bench.paint.canvas import PAPER, SOFT, Canvas, bodies, colour_of
from il_bench.paint.panel import ball, dial, headline, key, scaled

CLIP = 10.0  # where each coordinate is stopped
ANGLE = 0.5  # of the rotation Q, radians
# Of the picture.
RING = "#d5dae0"
WAVE = "#9cc4e8"
MARKS = 10.0, 1.0, 0.1, 0.01  # radii of its rings
TURN = 0.3  # of the phase, radians a step


@dataclass(frozen=True, kw_only=True)
class Linear(Env):
    """s' = L Q s + b a - g(xi) + sigma w: a rotation stretched by exactly L, closed loop exactly alpha."""

    horizon: int = 100
    """Steps in an episode, T."""
    lipschitz: Values = 1.2
    """L of the transition."""
    alpha: Values = 0.5
    """What the expert leaves of a deviation in a step: the closed loop is alpha Q."""
    noise: Values = 0.0
    """Standard deviation sigma of the noise on every coordinate, which also spreads the demonstrations."""
    size: int = 2
    """Coordinates of s: 2, 4, 6 or 8."""

    arrays: ClassVar = "any"
    excitation: ClassVar = {"noise": 0.05}

    def validate(self) -> None:
        """L above 0, alpha and sigma at least 0, an even number of coordinates."""
        require(
            min(self.values("lipschitz")) > 0,
            f"lipschitz: expected L > 0, got {self.lipschitz}; try 1.2",
        )
        require(
            min(self.values("alpha")) >= 0, f"alpha: expected at least 0, got {self.alpha}; try 0.5"
        )
        require(
            min(self.values("noise")) >= 0,
            f"noise: expected sigma >= 0, got {self.noise}; try 0.05",
        )
        require(
            self.size in (2, 4, 6, 8),
            f"size: expected 2, 4, 6 or 8 coordinates, got {self.size}; try 2",
        )

    @property
    def states(self) -> dict[str, str]:  # type: ignore[override]
        """Coordinates, then the phase."""
        places = {f"s{number}": "" for number in range(self.size)}
        return places | {"phase": "rad"}

    @property
    def noise_size(self) -> int:  # type: ignore[override]
        """One number for each coordinate."""
        return self.size

    @property
    def observation_space(self) -> spaces.Box:
        """Coordinates, and the phase as a point on the circle."""
        limits = [CLIP] * self.size
        high = np.array([*limits, 1, 1], dtype=np.float32)
        return spaces.Box(-high, high)

    @property
    def action_space(self) -> spaces.Box:
        """Push on each coordinate, -1 to 1, in units of b."""
        return spaces.Box(-1.0, 1.0, (self.size,))

    @cached_property
    def gain(self) -> Values:
        """b, what full action moves: all that the expert may need at the clip, so that it never saturates."""
        dials = zip(self.values("lipschitz"), self.values("alpha"), strict=True)
        gains = tuple(_need(big, alpha) for big, alpha in dials)
        return gains if len(set(gains)) > 1 else gains[0]

    @cached_property
    def shifts(self) -> np.ndarray:
        """Phase shifts of the pull on each coordinate (X-1,)."""
        return np.arange(self.size) * 2.0

    def rotated(self, s: Any) -> Any:
        """Q s, (R, E, X-1)."""
        cos = math.cos(ANGLE)
        sin = math.sin(ANGLE)
        even = s[..., 0::2]
        odd = s[..., 1::2]
        first = cos * even - sin * odd
        second = sin * even + cos * odd
        pairs = namespace(s).stack((first, second), -1)
        return pairs.reshape(s.shape)

    def pull(self, state: Any) -> Any:
        """g(xi), (R, E, X-1)."""
        phase = state[..., -1:]
        shifts: Any = self.shifts
        if isinstance(state, torch.Tensor):
            shifts = torch.as_tensor(shifts, device=state.device)
        return namespace(state).sin(phase + shifts)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """At rest, at any phase."""
        chance = streams.uniform("initial", episodes, 1)
        phase = 2 * math.pi * chance
        zero = torch.zeros_like(phase)
        rest = zero.expand(-1, -1, self.size)
        return torch.cat((rest, phase), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        s = state[..., :-1]
        phase = state[..., -1:]
        full = action.clip(-1, 1)
        push = self.per_run(self.gain, 3) * full
        sigma = self.per_run(self.noise, 3)
        big = self.per_run(self.lipschitz, 3)
        s = big * self.rotated(s)
        s = s + push
        s = s - self.pull(state)
        s = s + sigma * noise
        kept = s.clip(-CLIP, CLIP)
        return namespace(state).concatenate((kept, phase + TURN), -1)

    def observation(self, state: Any) -> Any:
        """Coordinates and point on the circle."""
        xp = namespace(state)
        s = state[..., :-1]
        phase = state[..., -1:]
        point = xp.cos(phase), xp.sin(phase)
        return xp.concatenate((s, *point), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """1 at rest, 0 or less at the clip."""
        s = next_state[..., :-1] / CLIP
        return 1 - (s * s).sum(-1)

    def terminal(self, state: Any) -> Any:
        """Never."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """Of the coordinates; the phase is the same for both."""
        apart = state - other
        return apart[..., :-1]

    def certificate(self) -> Certificate:
        """L, attained by every pair whose images stay off the clip."""
        dials = self.values("lipschitz")
        inside = [0.5 / max(1.0, big) for big in dials]
        zero = torch.zeros(self.runs, 1, self.size + 1, dtype=torch.float64)
        other = zero.clone()
        other[:, 0, 0] = torch.tensor(inside)
        across = 2 * CLIP * math.sqrt(self.size)
        return Certificate(
            value=dials,
            metric="Euclidean over s",
            kind="exact",
            pair=(zero, other),
            closed_loop=self.values("alpha"),
            radius=dials,
            diameter=(across,) * self.runs,
            note="every pair that stays off the clip attains it; the phase is exogenous and excluded",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """Each pair of coordinates as a point in the plane, on a logarithmic radius; its twin, and the pull on it."""
        canvas = Canvas(size)
        _rings(canvas)
        for k in range(0, self.size, 2):
            pull = np.sin(state[-1] + self.shifts[k : k + 2])
            _ray(canvas, -pull)
        for who, paint, alpha in bodies(state, ghost, colour or colour_of(1), faint=0.6):
            _points(canvas, who[:-1], paint, alpha)
        key(canvas, (10, size[1] - 26), (("rings: |s|", RING), ("pull", WAVE)))
        length = np.linalg.norm(state[:-1])
        headline(canvas, f"|s| = {length:.2g}")
        return canvas.image()


def _need(big: float, alpha: float) -> float:
    """What the expert may have to move at the clip."""
    kept = abs(big - alpha) * CLIP
    return kept * math.sqrt(2) + 1


def _place(canvas: Canvas, pair: np.ndarray) -> np.ndarray:
    """Where a pair of coordinates (2,) is painted, pixels (2,)."""
    across, up = pair
    length = float(np.hypot(across, up))
    return dial(canvas).place(np.arctan2(up, across), scaled(length))


def _rings(canvas: Canvas) -> None:
    """Circles of equal |s|, and their radii."""
    turn = np.linspace(0, 2 * math.pi, 90)
    face = dial(canvas)
    for mark in MARKS:
        share = scaled(mark)
        canvas.line(face.place(turn, share), RING)
        top = face.place(math.pi / 2, share)
        canvas.text(f"{mark:g}", top - (-4, 6), SOFT, 9)


def _ray(canvas: Canvas, way: np.ndarray) -> None:
    """Where the pull drives a pair of coordinates."""
    face = dial(canvas)
    length = 0.3 * face.reach
    end = face.middle + length * way * (1, -1)
    canvas.line([face.middle, end], WAVE, 3)


def _points(canvas: Canvas, s: np.ndarray, paint: str, alpha: float) -> None:
    """A ball for each pair of coordinates; numbered where there are several."""
    pairs = s.reshape(-1, 2)
    several = len(pairs) > 1
    radius = 0.02 * canvas.size[1] + 2 + 2 * several
    for number, pair in enumerate(pairs, 1):
        at = _place(canvas, pair)
        ball(canvas, at, radius, paint, alpha)
        if several:
            canvas.text(f"{number}", at, PAPER, 9, bold=True, part=0.5)
