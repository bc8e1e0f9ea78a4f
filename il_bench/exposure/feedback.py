"""Feedback: a list that is sorted by its own clicks. L_h + L_x L_fb is how fast its order believes in itself, literally.

Two items at two ranks, looked at with chances t1 > t2. With D the difference of their remembered clicks, the chance of A to
stand first is that of Plackett & Luce, 1/(1 + exp(-D/tau)), and on average, with a share rho of the memory new each day,

    D' = (1 - rho) D + rho [(gA - gB) (t1 + t2)/2 + K tanh(D / 2 tau)],    K = (gA + gB) (t1 - t2)/2.

What is remembered is L_h = 1 - rho, what a day adds for each certainty of the order is L_x = 2 rho K, what a click does
to that certainty is L_fb = 1/(4 tau). Whoever divides clicks by the chance to be looked at has L_x = 0 on average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from ..core.settings import require

GRID = 2001
"""Places at which a map is looked at for a change of sign."""


@dataclass(frozen=True)
class Loop:
    """What a list makes of its own order in a day.

    Attributes:
        memory: L_h, what is left of yesterday's clicks.
        exposure: L_x, clicks that a certain order earns in a day for being that order.
        answer: L_fb, how much more certain an order becomes by a click; infinite where the list is sorted without noise.
    """

    memory: float
    exposure: float
    answer: float

    @property
    def amplification(self) -> float:
        """Alpha = L_h + L_x L_fb: above 1 a small preference grows by itself where nothing is preferred."""
        if self.exposure == 0:
            return self.memory
        return self.memory + self.exposure * self.answer


def amplification(
    relevance: np.ndarray, looked_at: np.ndarray, memory: float, temperature: float
) -> Loop:
    """The loop of n items where all have the same score, by linearisation; of two items exactly that of the module.

    A list in any order shows item i at rank r with chance 1/n, and the derivative of its chance by a score is
    h(r) = 1 - 1/n - 1/(n-1) - ... (r terms), over tau. The rest is the largest eigenvalue of an n x n matrix.

    Args:
        relevance: (n,) chance of a click on an item that is looked at.
        looked_at: (n,) chance that each rank is looked at.
        memory: rho, the share of the memory that is new each day.
        temperature: tau of Plackett & Luce.

    Raises:
        ValueError: for one item, or for lengths that differ.
    """
    items = len(relevance)
    require(items >= 2, f"relevance: expected at least 2 items, got {items}; one has no order")
    ranks = len(looked_at)
    require(ranks == items, f"looked_at: expected {items} ranks, one for each item, got {ranks}")
    steepest = _steepest(relevance)
    gain = _gain(looked_at)
    # L_x = 2 rho K, as of two items.
    exposure = 4 * memory * gain * steepest
    answer = _answer(temperature)
    return Loop(1 - memory, exposure, answer)


def _steepest(relevance: np.ndarray) -> float:
    """By how much most the clicks on items (n,) change with their scores, in looks.

    A score draws looks to its own item and from the others, in all none.
    """
    items = len(relevance)
    own = items * np.eye(items)
    towards = (own - 1) / (items - 1)
    clicks = relevance[:, None] * towards
    values = np.linalg.eigvals(clicks)
    return float(values.real.max())


def _gain(looked_at: np.ndarray) -> float:
    """The looks that an item gains by its score over tau, where all orders are alike."""
    items = len(looked_at)
    left = np.arange(items, 0, -1)
    chances = 1 / left
    slope = 1 - np.cumsum(chances)
    # The slopes add up to nothing; so looks that are all the same gain nothing, to the last bit.
    more = looked_at - looked_at[-1]
    each = more * slope
    return float(each.mean())


def _answer(temperature: float) -> float:
    """L_fb = 1 / (4 tau)."""
    return 1 / (4 * temperature) if temperature > 0 else math.inf


@dataclass(frozen=True)
class Pair:
    """Two items, of which A is the better one, sorted by their own clicks.

    Attributes:
        better: gA.
        worse: gB.
        first: t1, chance that the first rank is looked at.
        second: t2, that of the second.
        memory: rho.
        temperature: tau; 0 sorts without noise.
    """

    better: float
    worse: float
    first: float
    second: float
    memory: float = 0.1
    temperature: float = 0.1

    @property
    def merit(self) -> float:
        """(gA - gB) (t1 + t2)/2, what the better item earns whatever the order."""
        looks = (self.first + self.second) / 2
        return (self.better - self.worse) * looks

    @property
    def bias(self) -> float:
        """K = (gA + gB) (t1 - t2)/2, what being first earns, whoever it is."""
        advantage = (self.first - self.second) / 2
        return (self.better + self.worse) * advantage

    @property
    def loop(self) -> Loop:
        """L_h, L_x and L_fb where no order is preferred."""
        exposure = 2 * self.memory * self.bias
        answer = _answer(self.temperature)
        return Loop(1 - self.memory, exposure, answer)

    def step(self, gap: np.ndarray | float) -> np.ndarray:
        """The mean difference of clicks tomorrow for one of today, (...)."""
        today = np.asarray(gap, dtype=float)
        sharpness = 2 * self.temperature
        order = np.tanh(today / sharpness) if sharpness > 0 else np.sign(today)
        kept = (1 - self.memory) * today
        earned = self.merit + self.bias * order
        return kept + self.memory * earned

    @property
    def locks_in(self) -> bool:
        """Whether the wrong order is a stable fate: g > 1 and the merit below a limit of g = K / (2 tau).

        Without noise: whether being first earns more than being better, gB t1 > gA t2.
        """
        if self.temperature == 0:
            return self.bias > self.merit
        gain = self.bias / (2 * self.temperature)
        if gain <= 1:
            return False
        root = math.sqrt(1 - 1 / gain)
        limit = self.bias * root - 2 * self.temperature * math.atanh(root)
        return self.merit < limit

    @property
    def fates(self) -> list[float]:
        """Differences of clicks that stay as they are, from the wrong order to the right one: one, or three."""
        reach = 1.01 * (abs(self.merit) + self.bias)
        grid = np.linspace(-reach, reach, GRID)
        rises = self._change(grid) > 0
        turns = np.flatnonzero(rises[1:] != rises[:-1])
        ends = zip(grid[turns], grid[turns + 1], strict=True)
        return [self._root(low, high) for low, high in ends]

    def _change(self, gap: np.ndarray | float) -> np.ndarray:
        """By how much a difference changes in a day, (...)."""
        return self.step(gap) - gap

    def _root(self, low: float, high: float) -> float:
        """Where the change of a difference is nothing, between two where its sign differs."""
        root = brentq(self._change, low, high, xtol=1e-14)
        return float(root)


def hard_limit(better: float, worse: float) -> float:
    """The power of rank up from which a list without noise stays wrong: log2(gA / gB) where rank k is looked at by k^-eta."""
    return math.log2(better / worse)
