"""The wrong world: clicks that are corrected for a visitor who is not there, and by how much the correction is off.

Dividing clicks by the chance that a rank is looked at is right where a visitor looks at each rank by itself. One who
leaves with the first click (cascade), or who trusts the order, is another; and the chances may be misjudged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from claims import Claim
from publish import publish, table

from il_bench import exposure
from il_bench.stats.intervals import interval

ITEMS, LISTS, SEEDS, ETA = 10, 20_000, 200, 2.0
TRUTH = np.linspace(0.5, 0.05, ITEMS)
WORLDS = "position", "cascade", "trust"
POWERS = 0.5, 1.5
"""Of the true chances, taken for them."""
RIGHT = 0.05
"""Relative error up to which relevance counts as found."""


@dataclass(frozen=True)
class Answer:
    """What one way of reading the log makes of it.

    Attributes:
        world, way: who clicked, and how it is read.
        error: mean relative error (R,) of the items' relevance, scaled to the best fit.
        gain: nDCG (R,) of the list sorted by it.
    """

    world: str
    way: str
    error: np.ndarray
    gain: np.ndarray

    def cells(self) -> list[str]:
        """A line of the table."""
        error, gain = interval(self.error), interval(self.gain)
        return [
            self.world,
            self.way,
            str(error),
            f"{gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]",
        ]


def results(first: int = 0, seeds: int = SEEDS) -> list[Answer]:
    """Each world read in each way; the first seed is `first`."""
    theta = exposure.examination(ITEMS, ETA)
    every: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for seed in range(first, first + seeds):
        random = np.random.default_rng(seed)
        # Yesterday's list leans to items for reasons of its own, not for their relevance.
        order = exposure.plackett_luce(np.tile(random.normal(size=ITEMS), (LISTS, 1)), random)
        for world in WORLDS:
            clicked = exposure.clicks(TRUTH[order], theta, random, world)
            for way, relevance in readings(world, order, clicked, theta).items():
                every.setdefault((world, way), []).append(judged(relevance))
    return [Answer(*key, *np.array(pairs).T) for key, pairs in every.items()]


def readings(
    world: str, order: np.ndarray, clicked: np.ndarray, theta: np.ndarray
) -> dict[str, Any]:
    """Relevance (n,) of each item by each way to read the log."""
    ways = {
        "naive": per_item(order, clicked, np.ones(ITEMS)),
        "divided by θ": per_item(order, clicked, theta),
    }
    if world == "position":
        for power in POWERS:
            ways[f"divided by θ^{power:g}"] = per_item(order, clicked, theta**power)
    if world == "trust":
        slope, offset = exposure.trust(theta)
        ways["affine"] = per_item(order, clicked - offset, slope)
    return ways


def per_item(order: np.ndarray, clicks: np.ndarray, looks: np.ndarray) -> np.ndarray:
    """Clicks over looks (n,), both summed over the ranks at which an item stood."""
    shown = order.ravel()
    clicked = np.bincount(shown, np.asarray(clicks, float).ravel(), ITEMS)
    looked = np.bincount(shown, np.broadcast_to(looks, order.shape).ravel(), ITEMS)
    return clicked / looked


def judged(relevance: np.ndarray) -> tuple[float, float]:
    """Relative error after the best scale, and nDCG of the order."""
    scale = (relevance * TRUTH).sum() / np.square(relevance).sum()
    error = float(np.abs(scale * relevance / TRUTH - 1).mean())
    best_first = np.argsort(-relevance)
    return error, float(exposure.ndcg(TRUTH[best_first]))


def claims(answers: list[Answer]) -> list[Claim]:
    """Where the correction is right, and where and by how much it fails: beside itself in its own world, log by log."""
    errors = {(answer.world, answer.way): answer.error for answer in answers}
    home = errors["position", "divided by θ"]
    own, naive = interval(home), interval(errors["position", "naive"])
    affine = interval(errors["trust", "affine"])
    said = [
        Claim(
            f"In its own world the correction finds relevance within {own} (naive {naive}).",
            own.high < RIGHT < naive.low,
        )
    ]
    worlds = {
        "Of visitors who leave with the first click": errors["cascade", "divided by θ"],
        "Of visitors who trust the order": errors["trust", "divided by θ"],
    }
    for power in POWERS:
        words = f"Where the chances are taken for their power {power:g}"
        worlds[words] = errors["position", f"divided by θ^{power:g}"]
    for words, error in worlds.items():
        times = interval(error / home)
        said.append(
            Claim(f"{words} it is off by {interval(error)}, {times} times as much.", times.low > 1)
        )
    trusting = interval(errors["trust", "affine"] / errors["trust", "divided by θ"])
    said.append(
        Claim(
            f"The affine correction, which knows of trust, is off by {affine}, {trusting} times as much as the plain one.",
            trusting.high < 1,
        )
    )
    return said


def main() -> None:
    """200 logs of 20,000 lists of ten."""
    answers = results()
    publish(
        "wrong_world",
        claims(answers),
        table(
            ["who clicked", "how it is read", "relative error", "nDCG"],
            [one.cells() for one in answers],
        ),
        f"Median over {SEEDS} logs of {LISTS:,} lists [interval], rank k looked at by k^-{ETA:g}.",
        errors={f"{one.world}, {one.way}": one.error.tolist() for one in answers},
    )


if __name__ == "__main__":
    main()
