"""Ranking: who looks where in a list, who clicks on what, in which order things are shown, and how good an order is.

Ranks are counted from 1 in words and from 0 in arrays. θ_k is the chance that rank k is looked at, γ the relevance of
an item: the chance of a click by one who looks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.settings import require

EYES = (0.68, 0.61, 0.48, 0.34, 0.28, 0.20, 0.11, 0.10, 0.08, 0.06)
"""θ of ranks 1 to 10 by eye tracking (Joachims et al. 2017, "Accurately interpreting clickthrough data")."""
RIGHTLY = 0.98
"""Chance of a click on what is looked at and relevant, where the order is trusted (Agarwal et al. 2019)."""
WRONGLY = 0.65
"""That on what is looked at and not relevant, at the first rank; at rank k a k-th of it."""
MODELS = ("position", "cascade", "trust")
"""How visitors click: by rank alone; on the first thing they like; or because of the rank as well."""
BATCH = 16_384
"""Clicks that are drawn at once: as many as stay near the processor."""


def examination(ranks: int, eta: float = 1.0, eyes: bool = False, cutoff: int = 0) -> np.ndarray:
    """The chance (K,) that each rank is looked at: k^-η, or that of eye tracking to the power η.

    Args:
        ranks: how many, K.
        eta: the strength of position bias, 0 or more; at 0 all are looked at alike.
        eyes: whether to take the table of eye tracking, of ten ranks.
        cutoff: how many ranks are shown; 0 shows all, nobody looks below.
    """
    require(ranks >= 1, f"ranks: expected at least 1, got {ranks}; a list has one")
    require(eta >= 0, f"eta: expected 0 or more, got {eta:g}; 0 is no position bias")
    count = _counted(cutoff, ranks, "are shown")
    known = len(EYES)
    fits = ranks <= known or not eyes
    require(fits, f"ranks: eye tracking knows {known}, got {ranks}; take fewer")
    place = np.arange(ranks)
    base = 1 / (1 + place)
    if eyes:
        base = np.array(EYES)[:ranks]
    chance = base**eta
    chance[count:] = 0
    return chance


def _counted(cutoff: int, ranks: int, what: str) -> int:
    """How many ranks a cutoff leaves."""
    fits = 0 <= cutoff <= ranks
    wanted = f"cutoff: expected 1 to {ranks} ranks that {what}"
    require(fits, f"{wanted}, got {cutoff}; leave it out for all")
    return cutoff or ranks


def trust(theta: Any) -> tuple[np.ndarray, np.ndarray]:
    """Slope α and offset β (K,) of a click's chance, α·γ + β, where visitors trust the order and click wrongly too."""
    looked_at = np.asarray(theta, dtype=float)
    ranks = len(looked_at)
    place = np.arange(ranks)
    wrongly = WRONGLY / (1 + place)
    gain = RIGHTLY - wrongly
    slope = looked_at * gain
    offset = looked_at * wrongly
    return slope, offset


def click_chances(relevance: Any, theta: Any, model: str = "position") -> np.ndarray:
    """The chance (..., K) of a click by one who has not clicked before.

    Args:
        relevance: (..., K) γ of what is shown, in the order of the list.
        theta: (K,) chances that ranks are looked at.
        model: one of `MODELS`.
    """
    liked = np.asarray(relevance, dtype=float)
    ranks = liked.shape[-1]
    slope, offset = _line(theta, ranks, model)
    chance = slope * liked
    return chance + offset


def _line(theta: Any, ranks: int, model: str) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset (K,) of the chance of a click over relevance."""
    wanted = ", ".join(MODELS)
    known = model in MODELS
    require(known, f"model: expected one of {wanted}, got {model!r}; choose one")
    looked_at = np.asarray(theta, dtype=float)
    expected = (ranks,)
    got = looked_at.shape
    fits = got == expected
    require(fits, f"theta: expected {expected}, one for each rank, got {got}; cut the list")
    if model == "trust":
        return trust(looked_at)
    return looked_at, np.zeros(ranks)


def clicks(
    relevance: Any, theta: Any, random: np.random.Generator, model: str = "position"
) -> np.ndarray:
    """Clicks (..., K), booleans, on lists that are shown once each; arguments as of `click_chances`.

    Under `cascade` a visitor leaves with the first click: what stands below what is liked is clicked less than θ says.
    """
    liked = np.asarray(relevance, dtype=float)
    ranks = liked.shape[-1]
    slope, offset = _line(theta, ranks, model)
    # One long row of many lists: loops over short ones cost as much as what is done in them.
    lists = max(BATCH // ranks, 1)
    slopes = np.tile(slope, lists)
    offsets = np.tile(offset, lists)
    size = len(slopes)
    flat = liked.reshape(-1)
    clicked: np.ndarray = np.empty(flat.shape, bool)
    for start in range(0, len(flat), size):
        part = flat[start : start + size]
        many = len(part)
        chance = slopes[:many] * part
        if model == "trust":
            chance += offsets[:many]
        uniform = random.random(many, np.float32)
        # Comparing numbers of two kinds takes longer than to make them alike.
        alike = uniform.astype(float)
        end = start + many
        np.less(alike, chance, out=clicked[start:end])
    clicked = clicked.reshape(liked.shape)
    if model == "cascade":
        return _first(clicked)
    return clicked


def _first(clicked: np.ndarray) -> np.ndarray:
    """The first click of each list (..., K) alone."""
    so_far = np.cumsum(clicked, -1)
    is_first = so_far == 1
    return clicked & is_first


def plackett_luce(score: Any, random: np.random.Generator, temperature: float = 1.0) -> np.ndarray:
    """Orders (..., n), best first, of Plackett & Luce: the next item is drawn in proportion to exp(score/τ).

    By Gumbel's numbers: sorting scores with such noise is the same as drawing one item after the other.

    Args:
        score: (..., n).
        random: what draws.
        temperature: τ; 0 sorts without noise.
    """
    possible = temperature >= 0
    wanted = "temperature: expected 0 or more"
    require(possible, f"{wanted}, got {temperature:g}; 0 only sorts")
    scores = np.asarray(score, dtype=float)
    if temperature > 0:
        size = scores.shape
        noise = random.gumbel(size=size)
        scores = scores + temperature * noise
    falling = -scores
    return np.argsort(falling, -1, kind="stable")


def ndcg(relevance: Any, cutoff: int = 0) -> Any:
    """Discounted gain of lists over that of the best order: 1 is best, where nothing is relevant all are.

    Args:
        relevance: (..., n) γ of the items in the order of the list.
        cutoff: how many ranks count; 0 counts all.
    """
    gains = np.asarray(relevance, dtype=float)
    items = gains.shape[-1]
    count = _counted(cutoff, items, "count")
    place = np.arange(count)
    step = np.log2(2 + place)
    discount = 1 / step
    shown = gains[..., :count]
    ours = shown @ discount
    negative = np.sort(-gains, -1)
    first = -negative[..., :count]
    best = first @ discount
    relevant = best > 0
    most = np.where(relevant, best, 1.0)
    quality = np.where(relevant, ours / most, 1.0)
    return _number(quality)


def kendall_tau(one: Any, other: Any) -> float:
    """Kendall's rank correlation τ_b of two scores (n,): 1 for the same order, -1 for the reverse; NaN without an order."""
    first = np.subtract.outer(one, one)
    second = np.subtract.outer(other, other)
    first_sign = np.sign(first)
    second_sign = np.sign(second)
    agreement = (first_sign * second_sign).sum()
    in_one = np.count_nonzero(first)
    in_other = np.count_nonzero(second)
    pairs = in_one * in_other
    if not pairs:
        return np.nan
    share = agreement / np.sqrt(pairs)
    return float(share)


def gini(exposure: Any) -> Any:
    """How unequally exposure (..., n) is spread: 0 where all have the same, 1 - 1/n where one has all."""
    amounts = np.asarray(exposure, dtype=float)
    sorted_up = np.sort(amounts, -1)
    items = amounts.shape[-1]
    total = items * amounts.sum(-1)
    place = np.arange(items)
    middle = (items - 1) / 2
    lean = 2 * (place - middle)
    uneven = sorted_up @ lean
    some = np.where(total > 0, total, 1.0)
    return _number(uneven / some)


def _number(value: np.ndarray) -> Any:
    """A number where there is one, an array where there are several."""
    return value if np.ndim(value) else float(value)
