"""The table of a sweep: its results, grouped and pooled."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.settings import require
from ..records.rows import (
    Texts,
    against,
    against_title,
    any_falls,
    are_indicators,
    contrast_texts,
    cut_off,
    drift_of,
    line,
    line_texts,
    not_same_noise,
    title_of,
)
from .words import value_text

if TYPE_CHECKING:
    import xarray

USUAL = "bc"
"""The learner with which others are compared where it is there."""

OWN = ("algo", "code")
"""Coordinates in which partners differ: learners, and with them their sources."""


def lines(
    data: xarray.Dataset, by: tuple[str, ...] = (), at: tuple[int, ...] = ()
) -> list[dict[str, Texts]]:
    """The cells of each line by their titles, value and interval: medians over runs, chances as means.

    Of several learners each stands beside one of them, bc if it is there, run by run (see `partners`): by the last of
    the divergences, and where the environment ended rollouts by the share of these, too.

    Args:
        data: what `il.open` gives.
        by: coordinates whose values make a line each; all but the seed unless given.
        at: times of the divergence; the last one of each line unless given.

    Raises:
        ValueError: for a coordinate or a time that the results do not have.
    """
    known = [str(name) for name in data.coords if name != "seed"]
    _require_known(by, known)
    _require_within(at, data.sizes["time"] - 1)
    names = by or tuple(known)
    pairs = _pairs(data, at)
    rows = []
    for runs in _groups(data, names):
        row = _line(data, np.array(runs), names, at, pairs)
        rows.append(row)
    return rows


def _require_known(by: tuple[str, ...], known: list[str]) -> None:
    unknown = [name for name in by if name not in known]
    choice, wrong = ", ".join(known), ", ".join(unknown)
    require(
        not unknown,
        f"by: expected coordinates among {choice}, got {wrong}; choose of these",
    )


def _require_within(at: tuple[int, ...], last: int) -> None:
    late = [str(t) for t in at if not 0 <= t <= last]
    wrong = ", ".join(late)
    require(
        not late,
        f"at: expected times from 0 to {last}, got {wrong}; choose within the horizon",
    )


def pooled(data: xarray.Dataset, by: tuple[str, ...]) -> dict[str, int]:
    """Coordinates, seeds apart, of which one line holds several values, and how many at most: versions of the code too."""
    if not by:
        return {}
    groups = _groups(data, by)
    most = {}
    for coordinate in data.coords:
        name = str(coordinate)
        if name not in ("seed", *by):
            texts = data[name].values.astype(str)
            counts = [_different(texts[runs]) for runs in groups]
            most[name] = max(counts)
    return {name: count for name, count in most.items() if count > 1}


def remarks(data: xarray.Dataset) -> list[str]:
    """What must be known of D: of which learners the twins shared no noise, and whose rollouts were cut off."""
    return [*_uncoupled(data), *_cut_off(data)]


def _uncoupled(data: xarray.Dataset) -> list[str]:
    """A sentence for each environment and learner whose twins shared no noise."""
    sentences = []
    share = _shares(data, "uncoupled")
    for (env, algo), runs in _by_env_and_learner(data):
        part = float(share[runs].mean())
        if part > 0:
            sentences.append(not_same_noise(env, algo, part))
    return sentences


def _cut_off(data: xarray.Dataset) -> list[str]:
    """A sentence for each environment that cut rollouts off."""
    own, experts = (_shares(data, name) for name in ("cut", "expert_cut"))
    by_env: dict[str, dict[str, float]] = {}
    for (env, algo), runs in _by_env_and_learner(data):
        shares = by_env.setdefault(env, {"expert": 0.0})
        shares[algo] = float(own[runs].mean())
        shares["expert"] = max(shares["expert"], float(experts[runs].mean()))
    sentences = [cut_off(env, shares) for env, shares in by_env.items()]
    return list(filter(None, sentences))


def _shares(data: xarray.Dataset, name: str) -> np.ndarray:
    """A share of each run (R,), none where it is not known."""
    known = data[name].values if name in data else np.zeros(data.sizes["run"])
    return np.nan_to_num(known)


def _by_env_and_learner(data: xarray.Dataset) -> Iterator[tuple[tuple[str, str], list[int]]]:
    """The runs of each environment and learner."""
    for runs in _groups(data, ("env", "algo")):
        first = runs[0]
        yield (str(data["env"].values[first]), str(data["algo"].values[first])), runs


def indicators(data: xarray.Dataset) -> np.ndarray:
    """Whether D is 0 or 1 in each run (R,)."""
    told = data["indicator"].values if "indicator" in data else None
    return are_indicators(data["env"].values.tolist(), told)


def _different(texts: np.ndarray) -> int:
    """How many different values there are, unknown ones apart."""
    known = set(texts) - {"nan", ""}
    return len(known)


def _groups(data: xarray.Dataset, names: tuple[str, ...]) -> list[list[int]]:
    """The runs of each line, in the lines' order."""
    columns = [data[name].values.tolist() for name in names]
    rows = zip(*columns, strict=True)
    lines: dict[tuple[Any, ...], list[int]] = {}
    for run, values in enumerate(rows):
        ranks = tuple(map(_rank, values))
        runs = lines.setdefault(ranks, [])
        runs.append(run)
    ordered = sorted(lines)
    return [lines[ranks] for ranks in ordered]


def _rank(value: Any) -> tuple[int, float, str]:
    """Numbers by size, NaN first, texts by letter."""
    if not isinstance(value, int | float):
        return 1, 0, str(value)
    unknown = value != value
    return 0, -np.inf if unknown else value, ""


@dataclass(frozen=True)
class Pairs:
    """Each run beside one of a reference's, by the numbers that can be compared.

    Attributes:
        reference: the learner with which the others are compared.
        algos: the learner of each run (R,).
        partner: the number of its partner (R,); -1 where it has none.
        measures: what is compared, by its heading: the number of each run (R,); the first is the last divergence.
    """

    reference: str
    algos: np.ndarray
    partner: np.ndarray
    measures: dict[str, np.ndarray]

    def cells(self, runs: np.ndarray, indicator: bool) -> dict[str, Texts]:
        """How the runs of a line stand to their partners; nothing of the reference itself."""
        partner = self.partner[runs]
        alone = (partner < 0).all()
        own = self.algos[runs] == self.reference
        cells = {}
        for number, (measure, values) in enumerate(self.measures.items()):
            title = against_title(measure, self.reference)
            cells[title] = ("", "")
            if alone or own.any():
                continue
            theirs = np.where(partner < 0, np.nan, values[partner])
            share = indicator or number > 0
            pair = against(values[runs], theirs, share)
            cells[title] = contrast_texts(pair)
        return cells


def _pairs(data: xarray.Dataset, at: tuple[int, ...]) -> Pairs | None:
    """Each run beside its partner of the reference; None where there is one learner only."""
    algos = sorted(set(data["algo"].values.tolist()))
    if len(algos) == 1:
        return None
    reference = USUAL if USUAL in algos else str(algos[0])
    drift = _drift(data, at)
    *_, last = drift
    measures = {last: drift[last]}
    ended = data["ended"].values
    if any_falls([ended]):
        measures["falls"] = ended
    return Pairs(reference, data["algo"].values, partners(data, reference), measures)


def partners(data: xarray.Dataset, reference: str) -> np.ndarray:
    """For each run (R,) the number of the reference's run that is its partner; -1 where there is none, or several.

    Partners agree in the seed and in every coordinate that the reference's run has; what only the other learner has,
    its rounds, is no difference.
    """
    theirs = np.flatnonzero(data["algo"].values == reference).tolist()
    columns = [data[name].values for name in data.coords if name not in OWN]
    known = np.stack([~_unknown(column) for column in columns], 1)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    # What the reference's runs have, and under its values the runs that have them: one look for each run.
    alike: dict[tuple[bool, ...], dict[tuple[Any, ...], list[int]]] = {}
    for run in theirs:
        has = tuple(known[run].tolist())
        values = _taken(rows[run], has)
        places = alike.setdefault(has, {})
        runs = places.setdefault(values, [])
        runs.append(run)
    partner = np.full(len(rows), -1)
    for run, row in enumerate(rows):
        fits: list[int] = []
        for has, places in alike.items():
            values = _taken(row, has)
            fits += places.get(values, [])
        if len(fits) == 1:
            partner[run] = fits[0]
    return partner


def _taken(row: tuple[Any, ...], which: tuple[bool, ...]) -> tuple[Any, ...]:
    """Some of the values of a row."""
    return tuple(itertools.compress(row, which))


def _unknown(values: np.ndarray) -> np.ndarray:
    """Where a coordinate has no value: NaN, or an empty text."""
    unknown: np.ndarray = (values != values) | (values == "")
    return unknown


def _line(
    data: xarray.Dataset,
    runs: np.ndarray,
    names: tuple[str, ...],
    at: tuple[int, ...],
    pairs: Pairs | None,
) -> dict[str, Texts]:
    """The cells of the line of some runs."""
    part = data.isel(run=runs)
    indicator = bool(indicators(part).all())
    cells = {}
    for name in names:
        value = part[name].values[0]
        cells[title_of(name)] = (value_text(value), "")
    for title, drift in _drift(part, at).items():
        cells[title] = drift_of(drift, indicator).texts()
    if pairs is not None:
        cells |= pairs.cells(runs, indicator)
    numbers = {str(name): variable.values for name, variable in part.data_vars.items()}
    pooled = line(numbers)
    return cells | line_texts(pooled) | {"runs": (f"{len(runs):,}", "")}


def _drift(part: xarray.Dataset, at: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The divergence (n,) at some times, or where each run ends: runs of a shorter horizon are filled with NaN."""
    drift = part["drift"].values
    if at:
        return {f"D at t={t}": drift[:, t] for t in at}
    return {"D at the end": last_divergence(part)}


def last_divergence(data: xarray.Dataset) -> np.ndarray:
    """The divergence of each run (R,) at its own last time; an infinite one is known."""
    drift = data["drift"].values
    known = ~np.isnan(drift)
    ends = known.cumsum(1).argmax(1)
    return drift[np.arange(len(drift)), ends]
