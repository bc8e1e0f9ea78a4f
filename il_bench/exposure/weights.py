"""Weights: what was seen with a known chance counts for all that was not, E[f] = E_seen[f / e] / E_seen[1 / e].

With weights 1/e the sample stands for the whole; weights in between buy less noise with a little bias.
Nothing here imports torch, and everything takes its tensors as well as NumPy's arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.settings import require

KINDS = {
    "none": "weight one: as if all had been seen alike",
    "ips": "1/e, inverse propensity scores",
    "pooled": "1/mean e over all loggers that could have logged the sample: the balance heuristic",
    "power": "power:0.5 is e^-0.5, from none at 0 to ips at 1",
    "clip": "clip:5 is 1/e, but at most 5 times the median of 1/e; brings back bias",
}
"""How weights follow from exposure, in words."""

FORMS = "none, ips, pooled, power:0.5 or clip:5"


@dataclass(frozen=True)
class Correction:
    """How weights follow from exposure.

    Attributes:
        kind: one of `KINDS`.
        amount: the power from 0 to 1, or how many medians a clipped weight is at most; NaN of the others.
    """

    kind: str
    amount: float = math.nan

    def __str__(self) -> str:
        return self.kind if math.isnan(self.amount) else f"{self.kind}:{self.amount:g}"


def correction(text: str | Correction) -> Correction:
    """A correction from its text: `none`, `ips`, `pooled`, `power:0.5` or `clip:5`.

    Raises:
        ValueError: for any other text.
    """
    if isinstance(text, Correction):
        return text
    kind, colon, number = str(text).partition(":")
    has_amount = kind in ("power", "clip")
    well_formed = kind in KINDS and has_amount == bool(colon)
    require(well_formed, f"weights: expected {FORMS}, got {text!r}; choose one")
    if not has_amount:
        return Correction(kind)
    amount = _number(number)
    if kind == "power":
        inside = 0 <= amount <= 1
        require(inside, f"weights: expected power:0 to power:1, got {text!r}; 1 is the same as ips")
    else:
        positive = 0 < amount < math.inf
        require(positive, f"weights: expected clip: and a number above 0, got {text!r}; try clip:5")
    return Correction(kind, amount)


def _number(text: str) -> float:
    """The number that a text is; NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def weigh(exposure: Any, how: str | Correction = "ips", pooled: Any = None, of: Any = None) -> Any:
    """Weights of samples that were seen with a known chance, of mean one so that learning rates keep their meaning.

    A weight is right when it is 1/e, or 1 over the mean of e among all loggers that could have logged the same thing
    (`pooled`: other birth years, other ranks). The second is steadier: a sample that was lucky to be seen by its own
    logger does not count for many, where another logger would have seen it anyhow.

    Args:
        exposure: (..., N) the chance, or the rate, with which each sample was seen: above 0, NumPy's or torch's.
        how: `none`, `ips`, `pooled`, `power:0.5` or `clip:5`.
        pooled: (..., N) mean exposure over all loggers of what each sample shows; for `pooled`. Where the loggers are
            known, `table[logger, thing].mean(0)[thing]`; from the samples alone, `mean_exposure`.
        of: (..., N) what each sample weighs besides; mean one is then Σ of·w = Σ of, and what weighs nothing is not
            looked at and gets no weight. By default all weigh one.

    Returns:
        (..., N) weights, of the kind of `exposure`.

    Raises:
        ValueError: for exposure that is not above 0, NaN or infinite, with its place; for parts of different shapes.
    """
    rule = correction(how)
    given = _numbers(exposure)
    besides = np.ones_like(given) if of is None else _numbers(of)
    _require_alike("of", besides, given)
    counted = besides > 0
    chance = _checked("exposure", given, counted)
    if rule.kind == "pooled":
        chance = _checked("pooled", _pooled(pooled, given), counted)
    raw = _raw(chance, rule, besides)
    kept = np.where(counted, raw, 0.0)
    total = kept * besides
    mean = _total(total) / _total(besides)
    return _like(exposure, kept / mean)


def _total(numbers: np.ndarray) -> np.ndarray:
    """Sums (..., 1) over samples (..., N), one where there is nothing."""
    total = numbers.sum(-1, keepdims=True)
    return np.where(total > 0, total, 1.0)


def _pooled(pooled: Any, exposure: np.ndarray) -> np.ndarray:
    """The mean exposures (..., N) that `pooled` weights need."""
    wanted = "the mean exposure of each sample over all loggers"
    advice = "give it, or take ips, which needs each sample's own exposure alone"
    require(pooled is not None, f"pooled: expected {wanted}, got none; {advice}")
    means = _numbers(pooled)
    _require_alike("pooled", means, exposure)
    return means


def _raw(chance: np.ndarray, rule: Correction, besides: np.ndarray) -> np.ndarray:
    """Weights (..., N) before they are scaled."""
    if rule.kind == "none":
        return np.ones_like(chance)
    if rule.kind == "power":
        return chance**-rule.amount
    own = 1 / chance
    if rule.kind == "clip":
        most = rule.amount * median(own, besides)
        return np.minimum(own, most)
    return own


def median(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Medians (..., 1) of values (..., N), each repeated as often as its weight says, which may be a fraction."""
    order = np.argsort(values, -1)
    ordered = np.take_along_axis(values, order, -1)
    heavy = np.take_along_axis(weight, order, -1)
    below = np.cumsum(heavy, -1)
    half = below[..., -1:] / 2
    low = _at(ordered, below < half)
    high = _at(ordered, below <= half)
    return (low + high) / 2


def _at(ordered: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The first of ordered values (..., N) that is not below, or the last: (..., 1)."""
    count = below.sum(-1, keepdims=True)
    last = ordered.shape[-1] - 1
    place = np.minimum(count, last)
    return np.take_along_axis(ordered, place, -1)


def mean_exposure(exposure: Any, thing: Any) -> Any:
    """The mean exposure over loggers of what each sample shows, estimated from the samples that were seen.

    Among samples of one thing (a state, an item, an age) the own weights 1/e average to 1 over the mean of e over all
    loggers, seen and unseen, because what is seen is drawn in proportion to e. Where the loggers are known (years of
    birth and their effort, ranks and their shares), average their exposures instead: that is exact.

    Args:
        exposure: (..., N) above 0.
        thing: (..., N) whole numbers, or other labels, alike where samples show the same thing.

    Returns:
        (..., N), of the kind of `exposure`: the harmonic mean of e among samples of the same thing.
    """
    chance = checked(exposure)
    labels = _plain(thing)
    _require_alike("thing", labels, chance)
    means = np.empty_like(chance)
    rows = np.ndindex(chance.shape[:-1])
    for row in rows:
        means[row] = _harmonic(chance[row], labels[row])
    return _like(exposure, means)


def _harmonic(chance: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each sample (N,) the harmonic mean of those of its label."""
    _, place = np.unique(labels, return_inverse=True)
    own = 1 / chance
    total = np.bincount(place, own)
    count = np.bincount(place)
    means = count / total
    return means[place]


def effective_size(weight: Any) -> Any:
    """(Σw)²/Σw² of weights (..., N): how many samples of equal weight would be as certain.

    Computed from the samples it is optimistic, because the heaviest were not seen; `exact_ratio` is its limit.
    """
    numbers = _numbers(weight)
    total = numbers.sum(-1)
    squares = (numbers**2).sum(-1)
    some = np.where(squares > 0, squares, 1.0)
    return _like(weight, total**2 / some)


def exact_ratio(exposure: Any, share: Any = None) -> float:
    """The effective size as a share of the samples seen, in the limit: harmonic over arithmetic mean of exposure.

    Args:
        exposure: (N,) of the whole population or of its kinds, those that were not seen included.
        share: (N,) how many there are of each kind; by default one.
    """
    chance = checked(exposure)
    many = np.ones_like(chance) if share is None else _numbers(share)
    _require_alike("share", many, chance)
    total = many.sum()
    arithmetic = (many * chance).sum() / total
    inverse = (many / chance).sum() / total
    return float(1 / (arithmetic * inverse))


def checked(exposure: Any, of: Any = None) -> np.ndarray:
    """Exposure (..., N) as NumPy's float64, once it is known to be one for every sample.

    Args:
        exposure: to be checked.
        of: (..., N) something else of the same samples, whose shape it must have.

    Raises:
        ValueError: when it is not above 0, NaN or infinite, with its place; when it is of another shape.
    """
    given = _numbers(exposure)
    if of is not None:
        samples = _numbers(of)
        _require_alike("exposure", given, samples)
    everywhere = np.ones(given.shape, bool)
    return _checked("exposure", given, everywhere)


def _checked(name: str, chance: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Exposure where it counts, one elsewhere."""
    usable = np.isfinite(chance) & (chance > 0)
    wrong = np.argwhere(counted & ~usable)
    if len(wrong):
        place = tuple(wrong[0].tolist())
        value = chance[place]
        where = place[0] if len(place) == 1 else place
        raise ValueError(
            f"{name}: expected finite numbers above 0, got {value:g} at {where}; "
            "leave out what could not be seen, for no weight can stand for it"
        )
    return np.where(counted, chance, 1.0)


def _require_alike(name: str, part: np.ndarray, exposure: np.ndarray) -> None:
    """Refuse a part of another shape than exposure's."""
    got = part.shape
    expected = exposure.shape
    other = "samples" if name == "exposure" else "exposure"
    sentence = f"{name}: expected shape {expected}, that of {other}, got {got}; give one for each"
    require(got == expected, sentence)


def _numbers(array: Any) -> np.ndarray:
    """An array as NumPy's float64."""
    return _plain(array).astype(float)


def _plain(array: Any) -> np.ndarray:
    """A tensor, an array or a list as NumPy's array."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
    return np.asarray(array)


def _like(array: Any, numbers: np.ndarray) -> Any:
    """Numbers of the kind of an array: a tensor of its type where it is one."""
    if not hasattr(array, "new_tensor"):
        return numbers
    kind = array.dtype if array.is_floating_point() else None
    return array.new_tensor(numbers, dtype=kind)
