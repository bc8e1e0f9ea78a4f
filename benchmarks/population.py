"""A biased life table in two recursions: the error of a cohort fades, that of a population's forecast grows for ever.

A museum shows long lives more often. What it says of a cohort is wrong for a while, because all die in the end. The same
table with births in it (a Leslie matrix) is a loop whose growth is off, and a wrong growth compounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from claims import Claim
from publish import publish, table

from il_bench.exposure.survival import deaths, siler, survivors
from il_bench.stats.intervals import short

MUSEUMS, SPECIMENS, ETA, MATURE, YEARS = 200, 1300, 1.0, 3, 50
"""Collecting is rare, so that the chance to be found is in proportion to (age + 1)^eta."""
AT = 1, 5, 10, 20


@dataclass(frozen=True)
class Tables:
    """What museums say, naive and corrected.

    Attributes:
        names: of the ways.
        error: (ways, museums, ages) of the share that reaches each age.
        growth: (ways, museums) of the population, a year; in truth 1.
    """

    names: tuple[str, ...]
    error: np.ndarray
    growth: np.ndarray


def results(first: int = 0, seeds: int = MUSEUMS) -> Tables:
    """So many museums; the first one's seed is `first`."""
    q = siler()
    truth = survivors(q)
    births = 1 / truth[MATURE : len(q)].sum()
    seen = (np.arange(len(q)) + 1.0) ** ETA
    share = deaths(q) * seen
    numbers = [np.random.default_rng(seed) for seed in range(first, first + seeds)]
    counts = [random.multinomial(SPECIMENS, share / share.sum()) for random in numbers]
    specimens = np.stack(counts)
    ways = {"as collected": specimens, "corrected": specimens / seen}
    lives = np.stack([life(found) for found in ways.values()])
    growth = np.array([[rate(l, births) for l in way] for way in lives])
    return Tables(tuple(ways), lives - truth, growth)


def life(found: np.ndarray) -> np.ndarray:
    """The share (..., ω + 1) that reaches each age, of numbers (..., ω) of deaths."""
    left = found[..., ::-1].cumsum(-1)[..., ::-1]
    l = np.zeros((*found.shape[:-1], found.shape[-1] + 1))
    l[..., :-1] = left / left[..., :1]
    return l


def rate(l: np.ndarray, births: float) -> float:
    """Growth a year of a population with a life table (ω + 1,) and so many births a year of each adult."""
    size = len(l) - 1
    leslie = np.zeros((size, size))
    leslie[0, MATURE - 1 : -1] = births * l[MATURE:size] / l[MATURE - 1 : size - 1].clip(1e-12)
    kept = l[1:size] / l[: size - 1].clip(1e-12)
    leslie[np.arange(1, size), np.arange(size - 1)] = kept
    return float(np.abs(np.linalg.eigvals(leslie)).max())


def factor(growth: np.ndarray) -> np.ndarray:
    """By how much a forecast is wrong in the end."""
    return growth**YEARS


def claims(tables: Tables) -> list[Claim]:
    """Both regimes."""
    naive, corrected = np.abs(tables.error).mean(1)
    peak, last = naive.max(), naive[AT[-1]]
    age = int(naive.argmax())
    wrong, right = (np.median(factor(growth)) for growth in tables.growth)
    low, high = np.quantile(factor(tables.growth[1]), (0.025, 0.975))
    yearly = np.median(tables.growth[0])
    return [
        Claim(
            f"A cohort's error as collected is {peak:.2f} at age {age} and {last:.3f} at age {AT[-1]}: it fades, "
            f"as everybody dies; corrected it is {corrected.max():.3f} at most.",
            last < peak / 4 and corrected.max() < peak / 4,
        ),
        Claim(
            f"With births the same table says that a population grows by {yearly:.3f} a year, where it stands still: "
            f"after {YEARS} years the forecast is wrong by a factor of {short(wrong)}; corrected, of "
            f"{right:.2f} (95 % of museums: {low:.2f} to {high:.2f}).",
            wrong > 2 and low < 1 < high,
        ),
    ]


def rows(tables: Tables) -> list[list[str]]:
    """A line for each way."""
    every = []
    for name, error, growth in zip(tables.names, tables.error, tables.growth, strict=True):
        size = np.abs(error).mean(0)
        ends = np.quantile(factor(growth), (0.025, 0.5, 0.975))
        least, middle, most = (f"{end:.2f}" for end in ends)
        cells = [f"{size[age]:.3f}" for age in AT]
        every.append([name, *cells, f"{np.median(growth):.4f}", f"{middle} [{least}, {most}]"])
    return every


def main() -> None:
    """200 museums of 1,300 animals."""
    tables = results()
    header = ["life table", *(f"error at age {age}" for age in AT), "growth a year (truth 1)"]
    header.append(f"forecast after {YEARS} years (truth 1)")
    caption = f"Mean absolute error of l over {MUSEUMS} museums of {SPECIMENS} specimens; middle 95 % of forecasts."
    publish(
        "population",
        claims(tables),
        table(header, rows(tables)),
        caption,
        growth=dict(zip(tables.names, tables.growth.tolist(), strict=True)),
    )


if __name__ == "__main__":
    main()
