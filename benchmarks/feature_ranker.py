"""Items that nobody has clicked yet: what a ranker learns of features from clicks, as they are and corrected.

Relevance is log-linear in five features. Yesterday's ranker leans to features for reasons of its own, visitors look at
rank k with chance k^-2, and what is learned from their clicks ranks new items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from claims import Claim
from publish import publish, table

from il_bench import exposure
from il_bench.stats.intervals import Interval, interval

ITEMS, FEATURES, LISTS, NEW, SEEDS, ETA = 10, 5, 10_000, 500, 64, 2.0
BEST, WORST = 0.5, 0.02
"""Relevance of the best and the worst conceivable item."""
WORLDS = "position", "cascade", "trust"
LEAST = 0.1
"""What smaller chances are often taken for, lest few clicks weigh too much."""
CLIPPED = f"weighted, chances below {LEAST:g} taken for it"


@dataclass(frozen=True)
class Answer:
    """What one way to read the clicks of one world makes of them.

    Attributes:
        world, way: who clicked, and how it is read.
        gain: nDCG (R,) of lists of new items.
        error: (R,) length of the error of the weights over that of the true ones.
    """

    world: str
    way: str
    gain: np.ndarray
    error: np.ndarray

    def cells(self) -> list[str]:
        """A line of the table."""
        return [self.world, self.way, digits(interval(self.gain)), str(interval(self.error))]


@dataclass(frozen=True)
class World:
    """What visitors like, (d,), and lists of items that were shown to them.

    Attributes:
        taste: weights of features.
        features: (L, n, d) in the order of each list, the first above.
        relevance: (L, n).
    """

    taste: np.ndarray
    features: np.ndarray
    relevance: np.ndarray

    @classmethod
    def of(cls, random: np.random.Generator, lists: int) -> World:
        """Lists in the order of a ranker that knows nothing of taste."""
        taste = random.normal(size=FEATURES)
        taste /= np.abs(taste).sum()
        features = random.uniform(-1, 1, (lists, ITEMS, FEATURES))
        lean = random.normal(size=FEATURES)
        order = exposure.plackett_luce(features @ lean, random)
        shown = np.take_along_axis(features, order[..., None], 1)
        steepness = np.log(BEST / WORST) / 2
        relevance = np.sqrt(BEST * WORST) * np.exp(steepness * shown @ taste)
        return cls(steepness * taste, shown, relevance)


def results(first: int = 0, seeds: int = SEEDS) -> list[Answer]:
    """Each world read in each way; the first seed is `first`."""
    theta = exposure.examination(ITEMS, ETA)
    every: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for seed in range(first, first + seeds):
        random = np.random.default_rng(seed)
        world = World.of(random, LISTS + NEW)
        for clicker in WORLDS:
            clicked = exposure.clicks(world.relevance[:LISTS], theta, random, clicker)
            for way, weight in readings(clicker, world.features[:LISTS], clicked, theta).items():
                every.setdefault((clicker, way), []).append(judged(weight, world))
    return [Answer(*key, *np.array(pairs).T) for key, pairs in every.items()]


def readings(
    clicker: str, features: np.ndarray, clicked: np.ndarray, theta: np.ndarray
) -> dict[str, np.ndarray]:
    """Weights of features by each way to read clicks."""
    looks = np.broadcast_to(theta, clicked.shape)
    ways = {
        "naive": exposure.ranker(features, clicked),
        "weighted 1/θ": exposure.ranker(features, clicked, looks),
    }
    if clicker == "position":
        ways[CLIPPED] = exposure.ranker(features, clicked, np.maximum(looks, LEAST))
    if clicker == "trust":
        slope, offset = exposure.trust(theta)
        looks = np.broadcast_to(slope, clicked.shape)
        ways["affine"] = exposure.ranker(features, clicked - offset, looks)
    return {name: one.weight for name, one in ways.items()}


def judged(weight: np.ndarray, world: World) -> tuple[float, float]:
    """Gain (nDCG) of lists of new items, and the relative error of the weights."""
    order = np.argsort(-(world.features[LISTS:] @ weight), 1)
    sorted_by = np.take_along_axis(world.relevance[LISTS:], order, 1)
    apart = np.linalg.norm(weight - world.taste)
    return float(exposure.ndcg(sorted_by).mean()), float(apart / np.linalg.norm(world.taste))


def digits(gain: Interval) -> str:
    """An nDCG, to four digits."""
    return f"{gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]"


def claims(answers: list[Answer]) -> list[Claim]:
    """What correction is worth to things that nobody has clicked yet."""
    gain = {(answer.world, answer.way): answer.gain for answer in answers}
    own, naive = (interval(gain["position", way]) for way in ("weighted 1/θ", "naive"))
    clipped = interval(gain["position", "weighted 1/θ"] - gain["position", CLIPPED])
    cascade = interval(gain["cascade", "weighted 1/θ"] - gain["cascade", "naive"])
    trust = interval(gain["trust", "affine"] - gain["trust", "weighted 1/θ"])
    return [
        Claim(
            f"A ranker learned from weighted clicks orders items that nobody has clicked yet with an nDCG of {digits(own)}; "
            f"from clicks as they are with {digits(naive)}.",
            own.low > 0.98 and naive.high < own.low,
        ),
        Claim(
            f"Clipping weights (chances below {LEAST:g} taken for it) loses {digits(clipped)} of that.",
            clipped.low > 0,
        ),
        Claim(
            f"Where visitors leave with the first click weights still gain {digits(cascade)} on none.",
            cascade.low > 0,
        ),
        Claim(
            f"Where visitors trust the order, the affine correction gains {digits(trust)} on weights alone.",
            trust.low > 0,
        ),
    ]


def main() -> None:
    """64 worlds of 10,000 lists of ten, and 500 new ones."""
    answers = results()
    publish(
        "feature_ranker",
        claims(answers),
        table(
            ["who clicked", "how it is read", "nDCG of new items", "error of the weights"],
            [one.cells() for one in answers],
        ),
        f"Median over {SEEDS} worlds of {LISTS:,} lists [interval], rank k looked at by k^-{ETA:g}; the error is relative.",
        gain={f"{one.world}, {one.way}": one.gain.tolist() for one in answers},
    )


if __name__ == "__main__":
    main()
