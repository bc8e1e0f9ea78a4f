"""e' = e + h sin(psi) + wind,  psi' = psi + c a - turn + wind: a kart on a narrow track in space, seen by a grainy camera.

After Ross, Gordon & Bagnell (2011), section 5.1. A lap of the closed track is 1000 steps of h = 0.8 m; e is the offset
to the left of the centre line in metres, psi the heading against it, `turn` what the track's own heading gains in the
step. Whoever leaves the track has fallen, which costs 1; the next step puts the kart back, at the centre and aligned.
The learner sees 25 x 19 pixels from behind and above, each under noise of its own: one image is hardly readable, but a
linear map averages over all of them. The expert sees e and psi.

Certified is the motion between falls. That a kart has fallen is written into the state when it happens and belongs to
the context, as its place along the track does, which is exogenous. For the same context the transition is Lipschitz;
that one of two karts is put back and the other is not is a jump, which no constant bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from scipy.spatial import cKDTree

from il_bench import Certificate, Env, Streams, Values, namespace, require, white
from il_bench.paint.actors import car
from il_bench.paint.camera import Camera
from il_bench.paint.canvas import Canvas, bodies, mix, rgb
from il_bench.paint.road import along, beside, paint_road
from il_bench.paint.scenery import space

LENGTH, LAP = 800.0, 1000  # of the track, metres and steps
STEP = LENGTH / LAP  # h, metres
HALF = 1.5  # half-width of the track, metres
STEER = 0.1  # c, radians of heading a step at full steering: no circle is smaller than 8 m

# The waves of its heading: number a lap, radians, phase. Even numbers only, so that half a lap turns it by half a turn:
# whatever their sizes, the track closes.
WAVES = (
    (4, 0.8, 0.0),
    (6, 0.5, 2.0),
    (10, 0.25, 3.5),
    (14, 0.15, 1.0),
)

# The camera: pixels, where it stands, metres behind the kart and above the track, focal length and horizon in pixels.
WIDE, TALL, BACK, HEIGHT, FOCAL, HORIZON = 25, 19, 2.0, 2.0, 22.5, 3.0
VOID, EDGES, DECK = "#0b1026", ("#ffd34d", "#ff9a3d"), "#8f97a8"
EDGE = 0.3  # how far the bright edges reach beyond the track, metres
CELL, FAR = 0.5, 8.0  # of the grid that keeps distances to the track, and the largest, metres
GRAINS = 2**16  # normal numbers, of which every row of pixels reads a stretch
STRIPS = (
    (HALF + 0.9, "#161d40", "#161d40"),
    (HALF + EDGE, *EDGES),
    (HALF, DECK, DECK),
    (0.06, "#cfd6e4", DECK),
)
PAINT, KART = "#f2f4f8", 0.75  # of the kart: colour, and size beside a car


@dataclass(frozen=True, kw_only=True)
class Kart(Env):
    """e' = e + h sin(psi), psi' = psi + c a - turn: a kart that must not fall off its track, from noisy pixels."""

    horizon: int = LAP
    """Steps in an episode, T; a lap is 1000."""
    wind: Values = 0.005
    """Standard deviation of the gusts that push (metres) and turn (radians) the kart at each step."""
    grain: Values = 0.7
    """Standard deviation of the noise on each of the 1425 numbers of an image, whose colours go from 0 to 1."""

    states: ClassVar = {
        "metres": "m",
        "offset": "m",
        "heading": "rad",
        "fallen": "",
        "falls": "",
        "grain": "",
    }
    noise_size: ClassVar = 3
    excitation: ClassVar = {"wind": 0.02}

    def validate(self) -> None:
        """Wind and grain at least 0."""
        for name in ("wind", "grain"):
            require(
                min(self.values(name)) >= 0,
                f"{name}: expected a number of at least 0, got {getattr(self, name)}",
            )

    @property
    def observation_space(self) -> spaces.Box:
        """Colours, row by row of pixels, as far as noise can carry them."""
        reach = max(self.values("grain")) * float(_grains("cpu").abs().max())
        return spaces.Box(-reach, 1 + reach, (TALL * WIDE * 3,))

    @property
    def action_space(self) -> spaces.Box:
        """Steering, -1 to 1, positive to the left."""
        return spaces.Box(-1.0, 1.0, (1,))

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """At the centre and aligned, anywhere on the track."""
        draw = streams.uniform("initial", episodes, 2)
        zero = torch.zeros_like(draw[..., 0])
        return torch.stack((LENGTH * draw[..., 0], zero, zero, zero, zero, draw[..., 1]), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step along the track, or the rescue of who has fallen."""
        metres, e, psi, fallen, falls, _ = state.unbind(-1)
        wind = self.per_run(self.wind)
        steer = STEER * action[..., 0].clip(-1, 1)
        turn = heading(metres + STEP) - heading(metres)
        aside = e + STEP * torch.sin(psi) + wind * noise[..., 0]
        facing = psi + steer - turn + wind * noise[..., 1]
        up = fallen < 0.5
        e = torch.where(up, aside, 0.0)
        psi = torch.where(up, facing, 0.0)
        off = (abs(e) > HALF).to(e.dtype)
        after = (metres + STEP, e, psi, off, falls + off, noise[..., 2])
        return torch.stack(after, -1)

    def observation(self, state: Any) -> Any:
        """The image under noise that is a function of the state's last number, (R, E, 1425), float32."""
        device = state.device
        grain = torch.as_tensor(self.per_run(self.grain, 3), dtype=torch.float32, device=device)
        rows = white(state[..., 5:] + torch.arange(TALL, device=device))
        noise = _grains(str(device))[(GRAINS * rows).long()]
        return self.image(state).flatten(-3) + grain * noise.flatten(-2)

    def image(self, state: torch.Tensor) -> torch.Tensor:
        """What the camera sees without noise, (R, E, 19, 25, 3), from 0 to 1, float32."""
        (ahead, left, blur), (void, edge, deck) = _pixels(str(state.device))
        facing = heading(state[..., 0]) + state[..., 2]
        cos = torch.cos(facing).float()[..., None]
        sin = torch.sin(facing).float()[..., None]
        east = cos * ahead - sin * left
        north = sin * ahead + cos * left
        ground = torch.stack((east, north), -1)
        aside = _aside(self.place(state), ground)
        on_deck = _share_within(HALF, aside, blur)
        on_edge = _share_within(HALF + EDGE, aside, blur)
        colours = void + on_edge * (edge - void)
        colours = colours + on_deck * (deck - edge)
        return colours.unflatten(-2, (TALL, WIDE))

    def place(self, state: torch.Tensor) -> torch.Tensor:
        """Where karts are, x and y (R, E, 2), metres."""
        metres, e = state[..., 0], state[..., 1:2]
        across = heading(metres) + math.pi / 2
        return centre(metres) + e * torch.stack((torch.cos(across), torch.sin(across)), -1)

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """-1 for a fall."""
        return -next_state[..., 3]

    def terminal(self, state: Any) -> Any:
        """Never: who falls is put back."""
        return state[..., 0] != state[..., 0]

    def difference(self, state: Any, other: Any) -> Any:
        """Offset and heading; the place along the track is the same for both."""
        return state[..., 1:3] - other[..., 1:3]

    def certificate(self) -> Certificate:
        """The top singular value of [[1, h], [0, 1]], attained between the centre and a small step along its vector."""
        _, values, ways = np.linalg.svd(np.array([[1, STEP], [0, 1]]))
        zero = torch.zeros(self.runs, 1, 6, dtype=torch.float64)
        other = zero.clone()
        other[:, 0, 1:3] = 1e-6 * torch.from_numpy(ways[0])
        return Certificate(
            value=(float(values[0]),) * self.runs,
            metric="Euclidean over (offset, heading), between falls",
            kind="exact",
            pair=(zero, other),
            radius=(1.0,) * self.runs,
            diameter=(2 * math.hypot(HALF + STEP, math.pi / 2),) * self.runs,
            note="for karts of which both or neither have just fallen: being put back is a jump, which no constant bounds",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The track in space from behind the kart and its twin, and in the corner what the learner sees."""
        scene, camera, road = _scene(float(state[0]), tuple(size))
        canvas = scene.copy()
        for who, paint, alpha in bodies(state, ghost, colour or PAINT, faint=0.6):
            _, offset, psi, fallen = who[:4]
            x, y, angle = along(road, who[0])
            tilt = -0.5 * math.copysign(fallen, offset)  # who has fallen tips over the edge
            place = beside(np.array([x, y, angle]), offset) - (0, 0, 0.6 * fallen)
            canvas.solid(camera, car(paint, KART), (*place, angle + psi), tilt, alpha)
        obs = self.observation(torch.tensor(state, dtype=torch.float64)[None, None])
        pixels = (255 * obs.view(TALL, WIDE, 3).clamp(0, 1)).byte()
        canvas.inset(pixels.numpy(), "what a learner sees", PAINT)
        canvas.text(f"falls: {state[4]:.0f}", (8, size[1] - 14), PAINT, 13, bold=True)
        return canvas.image()


def heading(metres: Any) -> Any:
    """Of the track at some metres (...) along it, radians; it gains 2 pi a lap."""
    xp = namespace(metres)
    angle = 2 * math.pi / LENGTH * metres
    waves = [size * xp.sin(number * angle + phase) for number, size, phase in WAVES]
    return angle + sum(waves)


@lru_cache(maxsize=4)
def line(device: str = "cpu") -> torch.Tensor:
    """Points (n, 2) on the centre line every 0.1 m of a lap, metres; the last is the first again."""
    between = (np.arange(10 * LENGTH) + 0.5) / 10
    steps = np.stack((np.cos(heading(between)), np.sin(heading(between))), -1) / 10
    return torch.from_numpy(np.vstack((np.zeros(2), steps.cumsum(0)))).to(device)


def centre(metres: torch.Tensor) -> torch.Tensor:
    """Points (..., 2) on the centre line at some metres (...) along it."""
    points, at = line(str(metres.device)), metres % LENGTH * 10
    before = at.long().clamp_max(len(points) - 2)
    return torch.lerp(points[before], points[before + 1], (at - before)[..., None])


@lru_cache(maxsize=4)
def _field(device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Distances (1, 1, H, W) from the centre line on a grid, FAR at most; its corner (2,), and its half sides (2,)."""
    points = line().numpy()
    low, high = points.min(0) - FAR, points.max(0) + FAR
    across, up = zip(low, high, strict=True)
    sides = [np.arange(*across, CELL), np.arange(*up, CELL)]
    mesh = np.meshgrid(*sides)
    grid = np.stack(mesh, -1)
    nearest, _ = cKDTree(points).query(grid, distance_upper_bound=FAR)
    far = torch.from_numpy(nearest.clip(max=FAR)).float()
    corner = torch.tensor([side[0] for side in sides])
    width = [side[-1] - side[0] for side in sides]
    half = torch.tensor(width) / 2
    field = far[None, None].to(device)
    return field, corner.to(device), half.float().to(device)


def _aside(place: torch.Tensor, ground: torch.Tensor) -> torch.Tensor:
    """Distance (R, E, P) from the centre line of points `ground` (R, E, P, 2) relative to places (R, E, 2)."""
    field, corner, half = _field(str(place.device))
    middle = (place - corner).float()[..., None, :]
    at = (middle + ground) / half - 1
    distance = torch.nn.functional.grid_sample(
        field, at.flatten(0, 1)[None], padding_mode="border", align_corners=True
    )
    return distance.view(at.shape[:-1])


def _share_within(half: float, aside: torch.Tensor, blur: torch.Tensor) -> torch.Tensor:
    """How much of each pixel (R, E, P, 1), as wide as `blur`, lies within `half` metres of the centre line."""
    return ((half - aside) / blur + 0.5).clamp(0, 1)[..., None]


@lru_cache(maxsize=4)
def _pixels(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Metres (3, P) that each pixel looks ahead and to the left, and how wide it is there; colours (3, 3)."""
    row, column = (n.ravel() + 0.5 for n in np.mgrid[:TALL, :WIDE])
    below = np.maximum(row - HORIZON, 0.5)
    ground = FOCAL * HEIGHT / below
    depth = np.where(row > HORIZON, ground, 1e6)  # no track in the sky
    aside = WIDE / 2 - column
    left = aside * depth / FOCAL
    looks = np.stack((depth - BACK, left, depth / FOCAL))
    colours = rgb(VOID), mix(*EDGES, 0.5), rgb(DECK)
    metres = torch.tensor(looks, dtype=torch.float32, device=device)
    shares = torch.tensor(np.stack(colours) / 255)
    return metres, shares.float().to(device)


@lru_cache(maxsize=4)
def _grains(device: str) -> torch.Tensor:
    """Stretches (GRAINS, 75) of one long row of normal numbers, float32."""
    numbers = Streams((0,)).normal("grain", 1, GRAINS + 3 * WIDE - 1)[0, 0].float()
    return numbers.to(device).unfold(0, 3 * WIDE, 1)


@lru_cache(maxsize=4)  # the twins of a film see one track
def _scene(metres: float, size: tuple[int, int]) -> tuple[Canvas, Camera, np.ndarray]:
    """Space and the track without karts, who looks at it, and the whole lap as it is seen from here."""
    near = np.arange(-12, 60, 0.5)
    far = np.arange(60, LENGTH - 12, 2)
    at = torch.from_numpy(metres + np.append(near, far))
    road = np.column_stack((at, centre(at), heading(at)))
    (x, y, _), place, (u, v, _) = along(road, metres + np.array([-2, 0, 5]))
    facing = math.atan2(v - y, u - x)
    camera = Camera.behind(size, place[0], place[1], facing, back=8.0, height=3.2)
    canvas = Canvas(size)
    space(canvas, camera)
    paint_road(canvas, camera, road, STRIPS, math.inf)
    return canvas, camera, road
