"""Survival: mortality in closed form, life tables with weights and delayed entry, and a museum that collects by chance.

Ages are completed years 0, 1, ... below ω. `q` (..., ω) is the chance to die within a year of age, `l` (..., ω + 1) the
share that reaches an age. Who dies at age x lived through x years and died within the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.settings import require

SILER = {"a0": 0.5, "a1": 1.2, "c": 0.03, "b0": 0.004, "b1": 0.28}
"""A mammal's: deadly first years, few deaths in the middle, age at the end; for ω = 25."""
GOMPERTZ = {"b0": 0.02, "b1": 0.2}
"""Age alone; for ω = 25."""
OMEGA = 25
"""The age that nobody passes unless told."""
WARS = ((1914, 1918), (1939, 1945))
"""First and last years in which little was collected."""


def siler(omega: int = OMEGA, **rates: Any) -> np.ndarray:
    """Chances to die (..., ω) under the hazard a0·exp(-a1·x) + c + b0·exp(b1·x), integrated over each year of age.

    Args:
        omega: how many ages there are.
        **rates: a0, a1, c, b0, b1, a year; numbers, or arrays (..., 1). By default those of `SILER`.
    """
    a0, a1, c, b0, b1 = _rates(SILER, rates)
    age = _ages(omega)
    fading = np.exp(-a1 * age)
    faded = 1 - fading
    young = a0 / a1 * faded
    lasting = c * age
    old = _growing(b0, b1, age)
    hazard = young + lasting + old
    return _chances(hazard)


def gompertz(omega: int = OMEGA, **rates: Any) -> np.ndarray:
    """Chances to die (..., ω) under the hazard b0·exp(b1·x), integrated over each year of age.

    Args:
        omega: how many ages there are.
        **rates: b0, b1, a year; numbers, or arrays (..., 1). By default those of `GOMPERTZ`.
    """
    b0, b1 = _rates(GOMPERTZ, rates)
    age = _ages(omega)
    old = _growing(b0, b1, age)
    return _chances(old)


def _growing(b0: np.ndarray, b1: np.ndarray, age: np.ndarray) -> np.ndarray:
    """The hazard b0·exp(b1·x) summed up to each age."""
    factor = np.expm1(b1 * age)
    return b0 / b1 * factor


def geometric(omega: int = OMEGA, q: Any = 0.1) -> np.ndarray:
    """The same chance to die (..., ω) at every age, a number or an array (..., 1): lifetimes are geometric."""
    chance = np.asarray(q, dtype=float)
    least = chance.min()
    most = chance.max()
    is_chance = least > 0 and most < 1
    require(is_chance, f"q: expected a chance between 0 and 1, got {q}; try 0.1")
    return chance + np.zeros(omega)


def _rates(defaults: dict[str, float], given: dict[str, Any]) -> list[np.ndarray]:
    """The rates of a law, those that were given in place of its defaults."""
    wanted = ", ".join(defaults)
    for name in given:
        known = name in defaults
        require(known, f"{name}: expected one of the rates {wanted}; leave it out")
    rates = []
    for name, default in defaults.items():
        number = given.get(name, default)
        rate = np.asarray(number, dtype=float)
        least = rate.min()
        wanted = f"{name}: expected a rate above 0"
        require(least > 0, f"{wanted}, got {least:g}; try {default:g}")
        rates.append(rate)
    return rates


def _ages(omega: int) -> np.ndarray:
    """The ages (ω + 1,) at which years begin and end."""
    require(omega >= 1, f"omega: expected at least one age, got {omega}; try {OMEGA}")
    return np.arange(omega + 1.0)


def _chances(cumulative: np.ndarray) -> np.ndarray:
    """Chances to die (..., ω) from the hazard (..., ω + 1) summed up to each age."""
    within = np.diff(cumulative)
    return -np.expm1(-within)


def survivors(q: np.ndarray) -> np.ndarray:
    """The share `l` (..., ω + 1) that reaches each age; what is left at ω dies there."""
    through = 1 - q
    alive = np.cumprod(through, -1)
    born = alive[..., :1]
    everyone = np.ones_like(born)
    return np.concatenate((everyone, alive), -1)


def deaths(q: np.ndarray) -> np.ndarray:
    """The share (..., ω) that dies at each age; the last age takes all that are left."""
    alive = survivors(q)
    alive[..., -1] = 0
    return -np.diff(alive)


# --- A museum -------------------------------------------------------------------------------------


def effort(
    years: int = 100,
    first: int = 1900,
    growth: float = 0.02,
    wars: Sequence[tuple[int, int]] = WARS,
    left: float = 0.15,
) -> np.ndarray:
    """Effort of the collectors in each year (years,), of mean one: exp(growth·t), of which wars leave a part.

    Args:
        years: how many.
        first: the first of them.
        growth: a year.
        wars: first and last year of each.
        left: the part that a war leaves.
    """
    time = np.arange(years)
    year = first + time
    work = np.exp(growth * time)
    for begin, end in wars:
        at_war = (begin <= year) & (year <= end)
        work[at_war] *= left
    return work / work.mean()


def visibility(omega: int = OMEGA, eta: float = 1.0) -> np.ndarray:
    """How visible an animal is at each age (ω,): (x+1)^η - x^η, which sums up to (x+1)^η over a life of x years.

    At η = 0 all of a life's visibility lies in its first year, so that long lives are found no more easily; at η = 1
    every year is alike and long lives are found in proportion to their length; above 1 the old are easier to find.
    """
    require(eta >= 0, f"eta: expected 0 or more, got {eta}; 0 is no survivor bias, 1 length bias")
    age = _ages(omega)
    whole = age**eta
    # Nobody is visible before birth, whatever 0 to the power of 0 is.
    whole[0] = 0
    return np.diff(whole)


def meetings(effort: np.ndarray, visibility: np.ndarray, rate: float) -> np.ndarray:
    """Expected meetings with collectors (B, ω + 1) up to each age, of animals born in each year of the window.

    Args:
        effort: (B,) in each year; afterwards nobody collects.
        visibility: (ω,) at each age.
        rate: meetings a year at effort and visibility one.
    """
    require(rate > 0, f"rate: expected meetings above 0, got {rate}; try 0.02")
    window = len(effort)
    omega = len(visibility)
    lasting = np.zeros(window + omega)
    lasting[:window] = effort
    born = np.arange(window)[:, None]
    age = np.arange(omega)
    year = born + age
    work = lasting[year]
    so_far = np.cumsum(work * visibility, 1)
    expected = np.zeros((window, omega + 1))
    expected[:, 1:] = rate * so_far
    return expected


def exposures(effort: np.ndarray, visibility: np.ndarray, rate: float) -> np.ndarray:
    """The chance (B, ω) to be met within a life, by year of birth and age at death; arguments as of `meetings`."""
    expected = meetings(effort, visibility, rate)
    whole = expected[:, 1:]
    return -np.expm1(-whole)


@dataclass(frozen=True)
class Animals:
    """Animals, those in the museum and those that nobody met.

    Attributes:
        born: (n,) year of birth, from 0.
        age: (n,) at death.
        met: (n,) age at the first meeting with a collector; -1 of whom nobody met.
        exposure: (n,) chance to be met within its life.
    """

    born: np.ndarray
    age: np.ndarray
    met: np.ndarray
    exposure: np.ndarray

    def __len__(self) -> int:
        return len(self.age)

    @property
    def museum(self) -> Animals:
        """Those that were met."""
        kept = self.met >= 0
        return Animals(
            born=self.born[kept],
            age=self.age[kept],
            met=self.met[kept],
            exposure=self.exposure[kept],
        )


def animals(
    q: np.ndarray,
    effort: np.ndarray,
    visibility: np.ndarray,
    rate: float,
    births: int,
    uniform: np.ndarray,
) -> Animals:
    """Lives and first meetings by inversion, all at once.

    An animal of age x meets collectors as a Poisson process of `rate`·effort·visibility_x and goes to the museum at
    the first meeting; its age at death becomes known all the same. In the year in which it dies it can be met as in any.

    Args:
        q: (ω,) chances to die.
        effort: (B,) of the collectors in each year of the window.
        visibility: (ω,) at each age.
        rate: meetings a year at effort and visibility one.
        births: each year.
        uniform: (B·births, 2) numbers in [0, 1): for the death and for the meeting of each animal.
    """
    window = len(effort)
    expected = (window * births, 2)
    shape = uniform.shape
    require(shape == expected, f"uniform: expected (B·births, 2) = {expected}, got {shape}")
    years = np.arange(window)
    born = np.repeat(years, births)
    death, meeting = uniform.T
    age = ages_at_death(q, death)
    until = meetings(effort, visibility, rate)
    life = until[born, age + 1]
    # An exponential amount of expected meetings passes until the first.
    waiting = -np.log1p(-meeting)
    first = _rows_searched(until[:, 1:], born, waiting)
    # Rounding in the search shall not let an animal be met after its death.
    alive = np.minimum(first, age)
    met = np.where(waiting < life, alive, -1)
    chance = -np.expm1(-life)
    return Animals(born, age, met, chance)


def ages_at_death(q: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Ages (n,) at which animals die, from chances (ω,) and uniform numbers (n,); who is left at the last age dies."""
    dead = np.cumsum(deaths(q))
    age = np.searchsorted(dead, uniform, side="right")
    last = len(q) - 1
    return np.minimum(age, last)


def _rows_searched(table: np.ndarray, row: np.ndarray, value: np.ndarray) -> np.ndarray:
    """In each named row (n,) of a table (B, ω) that rises along its rows, the first place (n,) above a value (n,)."""
    rows, columns = table.shape
    height = table.max() + 1
    # One search through all rows, each lifted above the one before.
    number = np.arange(rows)
    lift = height * number
    lifted = table + lift[:, None]
    line = lifted.ravel()
    within = np.minimum(value, height)
    wanted = within + lift[row]
    place = np.searchsorted(line, wanted, side="right")
    return place - columns * row
