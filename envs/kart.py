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

from il_bench import Certificate, Env, Streams, Values, coordinates, namespace, require, white
from il_bench.paint.actors import car
from il_bench.paint.camera import Camera
from il_bench.paint.canvas import Canvas, bodies, mix, rgb
from il_bench.paint.road import along, beside, paint_road
from il_bench.paint.scenery import space

LENGTH = 800.0  # of the track, metres
LAP = 1000  # steps
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
WIDE = 25
TALL = 19
BACK = 2.0
HEIGHT = 2.0
FOCAL = 22.5
HORIZON = 3.0
VOID = "#0b1026"
EDGES = "#ffd34d", "#ff9a3d"
DECK = "#8f97a8"
EDGE = 0.3  # how far the bright edges reach beyond the track, metres
CELL = 0.5  # of the grid that keeps distances to the track, metres
FAR = 8.0  # the largest of them, metres
GRAINS = 2**16  # normal numbers, of which every row of pixels reads a stretch
STRIPS = (
    (HALF + 0.9, "#161d40", "#161d40"),
    (HALF + EDGE, *EDGES),
    (HALF, DECK, DECK),
    (0.06, "#cfd6e4", DECK),
)
PAINT = "#f2f4f8"  # of the kart
KART = 0.75  # its size beside a car


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
        place, grain = coordinates(streams.uniform("initial", episodes, 2))
        metres = LENGTH * place
        zero = torch.zeros_like(metres)
        return torch.stack((metres, zero, zero, zero, zero, grain), -1)

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step along the track, or the rescue of who has fallen."""
        metres, e, psi, fallen, falls, _ = coordinates(state)
        push, twist, grain = coordinates(noise)
        wind = self.per_run(self.wind)
        full = action[..., 0].clip(-1, 1)
        ahead = metres + STEP
        turn = heading(ahead) - heading(metres)
        sway = STEP * torch.sin(psi)
        aside = e + sway + wind * push
        facing = psi + STEER * full - turn
        facing = facing + wind * twist
        up = fallen < 0.5
        e = torch.where(up, aside, 0.0)
        psi = torch.where(up, facing, 0.0)
        off = (abs(e) > HALF).to(e.dtype)
        after = (ahead, e, psi, off, falls + off, grain)
        return torch.stack(after, -1)

    def observation(self, state: Any) -> Any:
        """What the camera sees."""
        return self.grainy_image(state)

    def grainy_image(self, state: Any) -> Any:
        """The image under noise that is a function of the state's last number, (R, E, 1425), float32."""
        device = state.device
        values = self.per_run(self.grain, 3)
        grain = torch.as_tensor(values, dtype=torch.float32, device=device)
        rows = torch.arange(TALL, device=device)
        chance = white(state[..., 5:] + rows)
        first = (GRAINS * chance).long()
        stretches = _grains(str(device))
        noise = stretches[first].flatten(-2)
        image = self.image(state).flatten(-3)
        return image + grain * noise

    def image(self, state: torch.Tensor) -> torch.Tensor:
        """What the camera sees without noise, (R, E, 19, 25, 3), from 0 to 1, float32."""
        looks, (void, edge, deck) = _pixels(str(state.device))
        ahead, left, blur = looks
        metres, _, psi, *_ = coordinates(state)
        facing = heading(metres) + psi
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
        metres = state[..., 0]
        e = state[..., 1:2]
        across = heading(metres) + math.pi / 2
        east = torch.cos(across)
        north = torch.sin(across)
        way = torch.stack((east, north), -1)
        return centre(metres) + e * way

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """-1 for a fall."""
        return -next_state[..., 3]

    def terminal(self, state: Any) -> Any:
        """Never: who falls is put back."""
        first = state[..., 0]
        return first != first

    def difference(self, state: Any, other: Any) -> Any:
        """Offset and heading; the place along the track is the same for both."""
        apart = state - other
        return apart[..., 1:3]

    def certificate(self) -> Certificate:
        """The top singular value of [[1, h], [0, 1]], attained between the centre and a small step along its vector."""
        jacobian = np.array([[1, STEP], [0, 1]])
        _, values, ways = np.linalg.svd(jacobian)
        zero = torch.zeros(self.runs, 1, 6, dtype=torch.float64)
        other = zero.clone()
        other[:, 0, 1:3] = 1e-6 * torch.from_numpy(ways[0])
        farthest = 2 * math.hypot(HALF + STEP, math.pi / 2)
        return Certificate(
            value=(float(values[0]),) * self.runs,
            metric="Euclidean over (offset, heading), between falls",
            kind="exact",
            pair=(zero, other),
            radius=(1.0,) * self.runs,
            diameter=(farthest,) * self.runs,
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
            pose, tilt = _pose(road, who)
            canvas.solid(camera, car(paint, KART), pose, tilt, alpha)
        canvas.inset(self._photograph(state), "what a learner sees", PAINT)
        foot = size[1] - 14
        canvas.text(f"falls: {state[4]:.0f}", (8, foot), PAINT, 13, bold=True)
        return canvas.image()

    def _photograph(self, state: np.ndarray) -> np.ndarray:
        """The noisy image that belongs to one state (X,), (19, 25, 3), uint8."""
        one = torch.tensor(state, dtype=torch.float64)
        obs = self.grainy_image(one[None, None])
        colours = obs.view(TALL, WIDE, 3)
        shades = 255 * colours.clamp(0, 1)
        return shades.byte().numpy()


def heading(metres: Any) -> Any:
    """Of the track at some metres (...) along it, radians; it gains 2 pi a lap."""
    sin = namespace(metres).sin
    angle = 2 * math.pi / LENGTH * metres
    swing = 0
    for number, size, phase in WAVES:
        turned = number * angle + phase
        swing = swing + size * sin(turned)
    return angle + swing


@lru_cache(maxsize=4)
def line(device: str = "cpu") -> torch.Tensor:
    """Points (n, 2) on the centre line every 0.1 m of a lap, metres; the last is the first again."""
    count = np.arange(10 * LENGTH)
    between = (count + 0.5) / 10
    facing = heading(between)
    way = np.cos(facing), np.sin(facing)
    steps = np.stack(way, -1) / 10
    start = np.zeros(2)
    points = np.vstack((start, steps.cumsum(0)))
    return torch.from_numpy(points).to(device)


def centre(metres: torch.Tensor) -> torch.Tensor:
    """Points (..., 2) on the centre line at some metres (...) along it."""
    points = line(str(metres.device))
    at = metres % LENGTH * 10
    before = at.long().clamp_max(len(points) - 2)
    beyond = (at - before)[..., None]
    return torch.lerp(points[before], points[before + 1], beyond)


@lru_cache(maxsize=4)
def _field(device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Distances (1, 1, H, W) from the centre line on a grid, FAR at most; its corner (2,), and its half sides (2,)."""
    points = line().numpy()
    sides = _sides(points)
    grid = np.stack(np.meshgrid(*sides), -1)
    track = cKDTree(points)
    nearest, _ = track.query(grid, distance_upper_bound=FAR)
    far = nearest.clip(max=FAR)
    field = torch.from_numpy(far).float()
    first = torch.tensor([side[0] for side in sides])
    last = torch.tensor([side[-1] for side in sides])
    half = (last - first) / 2
    field = field[None, None].to(device)
    return field, first.to(device), half.float().to(device)


def _sides(points: np.ndarray) -> list[np.ndarray]:
    """The columns and rows of a grid that reaches FAR beyond points (n, 2), metres."""
    low = points.min(0) - FAR
    high = points.max(0) + FAR
    ends = zip(low, high, strict=True)
    return [np.arange(*end, CELL) for end in ends]


def _aside(place: torch.Tensor, ground: torch.Tensor) -> torch.Tensor:
    """Distance (R, E, P) from the centre line of points `ground` (R, E, P, 2) relative to places (R, E, 2)."""
    field, corner, half = _field(str(place.device))
    middle = (place - corner).float()
    points = middle[..., None, :] + ground
    at = points / half - 1
    grid = at.flatten(0, 1)[None]
    distance = torch.nn.functional.grid_sample(
        field,
        grid,
        padding_mode="border",
        align_corners=True,
    )
    return distance.view(at.shape[:-1])


def _share_within(half: float, aside: torch.Tensor, blur: torch.Tensor) -> torch.Tensor:
    """How much of each pixel (R, E, P, 1), as wide as `blur`, lies within `half` metres of the centre line."""
    share = (half - aside) / blur + 0.5
    return share.clamp(0, 1)[..., None]


@lru_cache(maxsize=4)
def _pixels(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Metres (3, P) that each pixel looks ahead and to the left, and how wide it is there; colours (3, 3)."""
    corners = np.mgrid[:TALL, :WIDE].reshape(2, -1)
    row, column = corners + 0.5
    below = np.maximum(row - HORIZON, 0.5)
    ground = FOCAL * HEIGHT / below
    in_sky = row <= HORIZON
    # There is no track in the sky.
    depth = np.where(in_sky, 1e6, ground)
    aside = WIDE / 2 - column
    left = aside * depth / FOCAL
    blur = depth / FOCAL
    ahead = depth - BACK
    looks = np.stack((ahead, left, blur))
    metres = torch.tensor(looks, dtype=torch.float32, device=device)
    edge = mix(*EDGES, 0.5)
    colours = np.stack((rgb(VOID), edge, rgb(DECK)))
    shares = torch.tensor(colours / 255)
    return metres, shares.float().to(device)


@lru_cache(maxsize=4)
def _grains(device: str) -> torch.Tensor:
    """Stretches (GRAINS, 75) of one long row of normal numbers, float32."""
    width = 3 * WIDE
    count = GRAINS + width - 1
    numbers = Streams((0,)).normal("grain", 1, count)
    row = numbers[0, 0].float().to(device)
    return row.unfold(0, width, 1)


@lru_cache(maxsize=4)  # the twins of a film see one track
def _scene(metres: float, size: tuple[int, int]) -> tuple[Canvas, Camera, np.ndarray]:
    """Space and the track without karts, who looks at it, and the whole lap as it is seen from here."""
    road = _lap(metres)
    looks = metres + np.array([-2, 0, 5])
    behind, here, ahead = along(road, looks)
    x, y, _ = here
    east, north, _ = ahead - behind
    facing = math.atan2(north, east)
    camera = Camera.behind(size, x, y, facing, back=8.0, height=3.2)
    canvas = Canvas(size)
    space(canvas, camera)
    paint_road(canvas, camera, road, STRIPS, math.inf)
    return canvas, camera, road


def _lap(metres: float) -> np.ndarray:
    """The track (n, 4) around a kart, finer where it is near: metres, x, y, heading."""
    near = np.arange(-12, 60, 0.5)
    far = np.arange(60, LENGTH - 12, 2)
    away = np.append(near, far)
    at = torch.from_numpy(metres + away)
    place = centre(at)
    return np.column_stack((at, place, heading(at)))


def _pose(road: np.ndarray, kart: np.ndarray) -> tuple[tuple[float, float, float, float], float]:
    """Where a kart (X,) stands and looks, (x, y, z, angle), and how it tilts; who has fallen tips over the edge."""
    metres, offset, psi, fallen, *_ = kart
    pose = along(road, metres)
    drop = np.array([0, 0, 0.6 * fallen])
    x, y, z = beside(pose, offset) - drop
    angle = pose[2] + psi
    tilt = -0.5 * math.copysign(fallen, offset)
    return (x, y, z, angle), tilt
