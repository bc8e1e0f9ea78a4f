"""Four regimes of drift: an expert plus a small error, in loops that saturate, add up, diffuse and explode."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from claims import Claim, goal
from publish import figure, publish, table
from scipy.stats import linregress

import il_bench as il
from il_bench.core.streams import white
from il_bench.stats.intervals import short
from il_bench.stats.theory import diffusion, envelope, regime

HORIZON, SEEDS, EPISODES, EPSILON, AT = 100, 64, 64, 1e-4, (10, 30, 100)
ANGLE = 0.5
"""Radians by which linear turns in a step."""
LOOPS = (0.6, 1.0, 1.08)
"""Closed loops: below, at and above 1."""
PLACES = "tube", "linear"
PLAN = (
    *((*place, loop) for loop in LOOPS for place in (("tube", "constant"), ("linear", "aligned"))),
    ("tube", "zero-mean", 1.0),
    ("linear", "zero-mean", 1.0),
    ("linear", "constant", 1.0),
)
"""Environment, error and loop of each line."""


@dataclass(frozen=True)
class Pull(il.Expert):
    """On the tube: cancels the pull, and all of L q but `loop`."""

    env: il.Env
    loop: float

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        excess = self.env.lipschitz - self.loop
        push = self.env.pull(state) - excess * state[..., 0]
        return (push / self.env.gain)[..., None]


@dataclass(frozen=True)
class Probe(il.Expert):
    """pi* + epsilon v: the expert with an error of size epsilon, in units of the state.

    v is constant, or "aligned" with the deviation as the loop carries it on, or of random direction ("zero-mean").
    """

    env: il.Env
    expert: il.Expert
    way: str

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        size = EPSILON / self.env.gain
        return self.expert.act(state) + size * self.direction(state)

    def direction(self, state: torch.Tensor) -> torch.Tensor:
        """The unit vector v, (R, E, U), a function of the state alone."""
        place = state[..., :-1]
        first = torch.zeros_like(place)
        first[..., 0] = 1
        if self.way == "constant":
            return first
        if self.way == "aligned":
            length = place.norm(dim=-1, keepdim=True)
            along = torch.where(length > 0, place / length, first)
            return self.env.rotated(along)
        return self.anywhere(state, first)

    def anywhere(self, state: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """A unit vector of random direction, or sign; `first` is the first axis."""
        chance = white(state[..., -1:])
        if first.shape[-1] == 1:
            return torch.where(chance < 0.5, -first, first)
        turn = 2 * math.pi * chance
        return torch.cat((torch.cos(turn), torch.sin(turn)), -1)


@dataclass(frozen=True)
class Line:
    """Drift of the probe beside the theory's, in one loop.

    Attributes:
        environment: its name.
        error: constant, aligned or zero-mean.
        loop: the closed loop's growth a step.
        measured: D over time, (T+1,): root mean square over rollouts.
        standard_error: of it, (T+1,).
        theory: what it should be, (T+1,).
        growth: fitted, the median over runs.
    """

    environment: str
    error: str
    loop: float
    measured: np.ndarray
    standard_error: np.ndarray
    theory: np.ndarray
    growth: float

    @property
    def random(self) -> bool:
        """Whether the error is."""
        return self.error == "zero-mean"

    @property
    def kind(self) -> str:
        """The regime."""
        if (self.environment, self.error) == ("linear", "constant"):
            return "saturating"  # it turns
        return regime(round(self.loop, 12), aligned=not self.random)

    @property
    def apart(self) -> float:
        """Largest relative distance of the measured drift from the theory's."""
        ratios = self.measured[1:] / self.theory[1:]
        return float(np.abs(ratios - 1).max())

    @property
    def sigmas(self) -> float:
        """The distance in standard errors, at the time of `AT` where it is largest."""
        times = list(AT)
        gaps = np.abs(self.measured - self.theory)[times]
        errors = np.maximum(self.standard_error[times], 1e-300)
        return float((gaps / errors).max())

    @property
    def exponent(self) -> float:
        """Of D in t over the last three quarters."""
        late = np.arange(HORIZON // 4, HORIZON + 1)
        return float(linregress(np.log(late), np.log(self.measured[late])).slope)

    def cells(self) -> list[str]:
        """A line of the table."""
        return [
            self.kind,
            self.environment,
            self.error,
            f"{self.loop:g}",
            *(self.cell(time) for time in AT),
            f"{self.sigmas:.1f} s.e." if self.random else f"{self.apart:.0e}",
            f"{self.exponent:.2f}",
            f"{self.growth:.4f}",
        ]

    def cell(self, time: int) -> str:
        """D at a time, and the theory's."""
        value = short(self.measured[time], 3)
        expected = short(self.theory[time], 3)
        if not self.random:
            return f"{value} ({expected})"
        error = short(self.standard_error[time], 1)
        return f"{value} ± {error} ({expected})"

    def entry(self) -> dict[str, Any]:
        """Its entry in the result file, curves at every twentieth of the horizon."""
        step = HORIZON // 20
        curves = {
            name: getattr(self, name)[::step].tolist()
            for name in ("measured", "standard_error", "theory")
        }
        facts = {name: getattr(self, name) for name in ("environment", "error", "loop", "growth")}
        return {**facts, "exponent": self.exponent, **curves}


def theory(name: str, way: str, loop: float) -> np.ndarray:
    """What D_t should be, (T+1,): root mean square of zero-mean errors, the length itself of the others."""
    if way == "zero-mean":
        return diffusion(EPSILON, loop, HORIZON)
    if (name, way) == ("linear", "constant"):
        # The loop turns: sum_i (loop e^{i angle})^i, no two errors are aligned.
        turn = loop * np.exp(1j * ANGLE)
        powers = turn ** np.arange(HORIZON + 1)
        return EPSILON * np.abs((powers - 1) / (turn - 1))
    return envelope(EPSILON, loop, HORIZON)


def results(first: int = 0, seeds: int = SEEDS) -> list[Line]:
    """Every regime in one dimension and in a plane that turns; the first seed is `first`."""
    chosen = range(first, first + seeds)
    return [measured(*place, chosen) for place in PLAN]


def measured(name: str, way: str, loop: float, seeds: range) -> Line:
    """Drift of the probe beside the theory's."""
    dial = {"alpha": loop} if name == "linear" else {}
    env = il.make(name, horizon=HORIZON, seeds=seeds, **dial)
    expert = Pull(env, loop) if name == "tube" else il.expert(env)
    probe = Probe(env, expert, way)
    record = il.compare(env, expert, episodes=EPISODES, probe=probe)
    fits = [fit.alpha for fit in record.growth(1)]
    growth = float(np.median(fits))
    # A probe has not learned: all its rollouts are independent.
    drifts = record.arrays["divergence"][1].reshape(-1, HORIZON + 1)
    size, error = root_mean_square(drifts)
    expected = theory(name, way, loop)
    return Line(name, way, loop, size, error, expected, growth)


def root_mean_square(drifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of drifts (n, T+1), and its standard error, (T+1,) each."""
    squares = drifts**2
    size = np.sqrt(squares.mean(0))
    error = squares.std(0, ddof=1) / len(squares) ** 0.5
    twice = 2 * np.maximum(size, 1e-300)
    return size, error / twice


def claims(lines: list[Line]) -> list[Claim]:
    """What is said of the table, with its conditions."""
    exact = max(line.apart for line in lines if not line.random)
    sigmas = max(line.sigmas for line in lines if line.random)
    return [
        goal(
            "Where the error is not random the measured drift is the theory's (in brackets) to "
            f"{exact:.0e} at every t up to {HORIZON} (goal: 1e-09)",
            exact < 1e-9,
        ),
        goal(
            f"Where it is, it is so within {sigmas:.1f} standard errors at these (goal: 3)",
            sigmas < 3,
        ),
        exponents(lines),
        turning(lines),
        misread(line_of(lines, "linear", "aligned", LOOPS[0])),
    ]


def line_of(lines: list[Line], environment: str, error: str, loop: float) -> Line:
    """One line of the table."""
    place = environment, error, loop
    return next(line for line in lines if (line.environment, line.error, line.loop) == place)


def exponents(lines: list[Line]) -> Claim:
    """That D goes with the power of t that the regime has."""
    powers = {"constant": (0.6, 0.0), "zero-mean": (1.0, 0.5)}
    tube = [line_of(lines, "tube", way, loop) for way, (loop, _) in powers.items()]
    tube.append(line_of(lines, "tube", "constant", 1.0))
    fitted = [line.exponent for line in tube]
    words = ", ".join(f"{exponent:.2f}" for exponent in fitted)
    gaps = np.abs(np.array(fitted) - (0, 0.5, 1))
    return goal(
        "On the tube the exponent of D in t over the last three quarters is, saturating, diffusive "
        f"and linear, {words} (theory: 0, 1/2, 1; goal: ± .1)",
        bool(gaps.max() <= 0.1),
    )


def turning(lines: list[Line]) -> Claim:
    """That errors which do not turn with the loop do not add up."""
    largest = line_of(lines, "linear", "constant", 1.0).measured.max()
    bound = EPSILON / np.sin(ANGLE / 2)
    return Claim(
        f"In a plane that turns by {ANGLE:g} rad a step a constant error stays below "
        f"{largest:.1e}, although the loop preserves every length: what adds up is an error that "
        "turns with the loop.",
        bool(largest <= bound * (1 + 1e-9)),
    )


def misread(line: Line) -> Claim:
    """That an error which turns with the deviation is taken for growth."""
    words = f"{line.growth:.2f}, the loop's {line.loop:g}"
    return Claim(
        f"Where it turns with the deviation, the fitted growth is not the loop's ({words}): the "
        "fit knows the error on the expert's path alone.",
        abs(line.growth - line.loop) > 0.1,
        f"Where it turns with the deviation, the fitted growth is near the loop's ({words}).",
    )


def draw(lines: list[Line]) -> None:
    """Measured drift over time on logarithmic axes, the theory dashed on top."""
    with figure("regimes", len(PLACES), sharey=True) as panels:
        for panel, name in zip(panels, PLACES, strict=True):
            mine = [line for line in lines if line.environment == name]
            for number, line in enumerate(mine):
                draw_line(panel, line, f"C{number}")
            panel.set(title=name, xscale="log", yscale="log", xlabel="time t (steps)")
            panel.legend(frameon=False, fontsize=7)
        panels[0].set_ylabel(r"root mean square of $D_t$; theory dashed")


def draw_line(panel: Any, line: Line, colour: str) -> None:
    """One of them."""
    words = f"{line.error} error, loop {line.loop:g}"
    drift = np.maximum(line.measured, 1e-9)[1:]
    panel.plot(drift, color=colour, lw=3, alpha=0.4, label=words)
    panel.plot(line.theory[1:], "--", color=colour, lw=1)


def main() -> None:
    """64 runs of 64 rollouts in each of nine loops."""
    torch.set_num_threads(1)
    lines = results()
    draw(lines)
    header = [
        "regime",
        "environment",
        "error",
        "loop",
        *(f"D at t={time}" for time in AT),
        "apart",
        "exponent",
        "growth",
    ]
    publish(
        "regimes",
        claims(lines),
        table(header, [line.cells() for line in lines]),
        f"An expert plus an error of {EPSILON:g}.",
        t=list(range(0, HORIZON + 1, HORIZON // 20)),
        loops=[line.entry() for line in lines],
    )


if __name__ == "__main__":
    main()
