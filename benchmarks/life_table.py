"""A museum's life tables: what survivor bias costs, what corrections give back, and whether their intervals are to be trusted."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from claims import Claim
from publish import publish, table

from il_bench.exposure import Estimate, LifeTable, clip, horvitz_thompson, survival, weights
from il_bench.exposure.lifetables import life_table
from il_bench.exposure.survival import OMEGA, Animals

MUSEUMS = 800
"""Repetitions at each η: of fewer the noise of a coverage is as wide as what is claimed of it."""
ETAS = (0.0, 0.5, 1.0, 1.5, 2.0)
RATE, BIRTHS, YEARS = 0.02, 100, 100
SHARES = (0.005, 0.02, 0.1, 0.5)
"""Rates at which more and more is collected."""
AGES = slice(1, 16)
"""Ages of which coverage is counted: later ones are reached by too few to have an interval."""
TRUTH = survival.survivors(survival.siler())


@dataclass(frozen=True)
class Museum:
    """A museum, and what is known of its collectors.

    Attributes:
        lives: of those that were met.
        work: (n,) effort while each was alive.
        average: (n,) chance to be met, over years of birth, at its age.
    """

    lives: Animals
    work: np.ndarray
    average: np.ndarray


@dataclass(frozen=True)
class World:
    """Collectors of one visibility."""

    effort: np.ndarray
    visible: np.ndarray
    work: np.ndarray
    chance: np.ndarray

    @classmethod
    def of(cls, eta: float, rate: float = RATE) -> World:
        """By η and rate."""
        effort = survival.effort(YEARS)
        visible = survival.visibility(OMEGA, eta)
        work = survival.meetings(effort, visible, rate)[:, 1:]
        return cls(effort, visible, work, survival.exposures(effort, visible, rate))

    def museum(self, seed: int) -> Museum:
        """One that was filled by chance."""
        uniform = np.random.default_rng(seed).random((YEARS * BIRTHS, 2))
        everyone = survival.animals(
            survival.siler(), self.effort, self.visible, RATE, BIRTHS, uniform
        )
        lives = everyone.museum
        average = self.chance.mean(0)
        return Museum(lives, self.work[lives.born, lives.age], average[lives.age])


def by_weights(museum: Museum, weight: np.ndarray) -> LifeTable:
    return life_table(museum.lives.age, weight, omega=OMEGA)


def reaches(museum: Museum) -> np.ndarray:
    """Whether each reached each age, (ω + 1, n)."""
    return museum.lives.age >= np.arange(OMEGA + 1)[:, None]


ESTIMATORS: dict[str, Callable[[Museum], LifeTable | Estimate]] = {
    "as collected (naive)": lambda m: life_table(m.lives.age, omega=OMEGA),
    "own weights (Hájek)": lambda m: by_weights(m, 1 / m.lives.exposure),
    "pooled weights": lambda m: by_weights(m, 1 / m.average),
    "delayed entry": lambda m: life_table(m.lives.age, entry=m.lives.met, omega=OMEGA),
    "Horvitz–Thompson": lambda m: horvitz_thompson(
        reaches(m), m.lives.exposure, YEARS * BIRTHS, schedule=True
    ),
    "weights clipped at 5 medians": lambda m: clip(reaches(m), m.lives.exposure, 5.0),
    "1/effort": lambda m: by_weights(m, 1 / m.work),
}


@dataclass(frozen=True)
class Score:
    """How an estimator did over many museums.

    Attributes:
        bias: largest over ages of the mean error of l_x.
        error: largest over ages of its root mean square.
        coverage: share of 95 % intervals that hold the truth, mean over `AGES`.
    """

    bias: float
    error: float
    coverage: float


def scores(eta: float) -> dict[str, Score]:
    """Each estimator at one η."""
    world = World.of(eta)
    errors: dict[str, list[np.ndarray]] = {name: [] for name in ESTIMATORS}
    hits: dict[str, list[np.ndarray]] = {name: [] for name in ESTIMATORS}
    for seed in range(MUSEUMS):
        museum = world.museum(seed)
        for name, estimate in ESTIMATORS.items():
            got = estimate(museum)
            value = got.l if isinstance(got, LifeTable) else got.value
            errors[name].append(value - TRUTH)
            hits[name].append((got.low <= TRUTH) & (got.high >= TRUTH))
    return {name: score(np.array(errors[name]), np.array(hits[name])) for name in ESTIMATORS}


def score(errors: np.ndarray, hits: np.ndarray) -> Score:
    """Of errors and hits (museums, ω + 1)."""
    bias = np.abs(errors.mean(0)).max()
    error = np.sqrt((errors**2).mean(0)).max()
    return Score(float(bias), float(error), float(hits[:, AGES].mean()))


# --- Without chance: what follows from the formulas -----------------------------------------------


def off(kept: np.ndarray) -> float:
    """Largest error of l_x where deaths are seen in these proportions (ω,)."""
    died = survival.deaths(survival.siler())
    return float(np.abs(np.cumsum(kept / kept.sum() - died)).max())


def rule() -> dict[float, dict[str, float]]:
    """The share collected at each rate, and what naive, 1/effort and 1/chance are off by."""
    died = survival.deaths(survival.siler())
    rows = {}
    for rate in SHARES:
        world = World.of(1.0, rate)
        kept = world.chance.mean(0) * died
        rows[rate] = {
            "share": float(kept.sum()),
            "naive": off(kept),
            "effort": off(died * (world.chance / world.work).mean(0)),
            "chance": off(died * (world.chance / world.chance).mean(0)),
        }
    return rows


def geometric(q: float = 0.1, omega: int = 400) -> dict[str, float]:
    """Length bias of geometric lifetimes, computed, beside its closed forms."""
    died = survival.deaths(survival.geometric(omega, q))
    years = np.arange(1, omega + 1)
    kept = died * years / (died @ years)
    return {
        "mean": float(kept @ years),
        "mean, closed": (2 - q) / q,
        "reach 5": float(1 - kept[:5].sum()),
        "reach 5, closed": (1 - q) ** 5 * (1 + 5 * q),
        "effective": weights.exact_ratio(years, died),
        "effective, closed": (1 - q) / float(np.log(1 / q)),
    }


# --- Real lives -----------------------------------------------------------------------------------


def real() -> dict[str, dict[str, list[float]]]:
    """The senators and the AIDS cohort that lifelines ships; nothing without lifelines."""
    try:
        from lifelines import datasets
    except ImportError:
        return {}
    return {"aids": cohort(datasets), "senators": senators(datasets)}


def cohort(datasets: object) -> dict[str, list[float]]:
    """Shares that live 1, 2, 3, 5 years with AIDS: all from diagnosis, and each from when it joined the study."""
    from il_bench.exposure import product_limit

    data = datasets.load_multicenter_aids_cohort_study()  # type: ignore[attr-defined]
    time, died, entry = (data[name].to_numpy() for name in ("T", "D", "W"))
    years = [1, 2, 3, 5]
    naive = product_limit(time, years, died)
    delayed = product_limit(time, years, died, entry)
    return {"naive": naive.share.tolist(), "delayed": delayed.share.tolist()}


def senators(datasets: object) -> dict[str, list[float]]:
    """Canadian senators whose terms are over: who collects them finds long terms more easily, and the truth is known.

    Mean terms in completed years and the share of intervals of "longer than 10 years" that hold it: as collected, by
    own weights, and by the weighted intervals of lifelines.
    """
    data = datasets.load_canadian_senators()  # type: ignore[attr-defined]
    ended = data[data["observed"]]
    term = np.floor(ended["diff_days"].to_numpy() / 365.25).astype(int)
    chance = -np.expm1(-0.05 * (term + 1))
    truth = float((term >= 10).mean())
    rows = []
    for seed in range(200):
        met = np.random.default_rng(seed).random(len(term)) < chance
        naive = life_table(term[met], omega=60)
        weighted = life_table(term[met], 1 / chance[met], omega=60)
        ours = weighted.low[10] <= truth <= weighted.high[10]
        bare = naive.low[10] <= truth <= naive.high[10]
        theirs = peer_holds(term[met], 1 / chance[met], truth)
        rows.append([naive.mean_age, weighted.mean_age, bare, ours, theirs])
    names = ("naive", "weighted", "naive holds", "weighted holds", "lifelines holds")
    means = dict(zip(names, np.mean(rows, 0).tolist(), strict=True))
    return {"truth": [float(term.mean()), truth], **{name: [mean] for name, mean in means.items()}}


def peer_holds(term: np.ndarray, weight: np.ndarray, truth: float) -> bool:
    """Whether the weighted 95 % interval of lifelines holds the share of terms of ten years and more."""
    from lifelines import KaplanMeierFitter

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # it says itself that its weighted intervals are not to be trusted
        fit = KaplanMeierFitter().fit(term + 1, weights=weight)
    ends = fit.confidence_interval_survival_function_.loc[:10].iloc[-1]
    return bool(ends.iloc[0] <= truth <= ends.iloc[1])


# --- What is said ---------------------------------------------------------------------------------


def claims(
    by_eta: dict[float, dict[str, Score]],
    ruled: dict[float, dict[str, float]],
    closed: dict[str, float],
    lives: dict[str, dict[str, list[float]]],
) -> list[Claim]:
    """The sentences, each with its condition."""
    return [*of_estimators(by_eta), *of_rule(ruled), of_geometric(closed), *of_real(lives)]


def of_estimators(by_eta: dict[float, dict[str, Score]]) -> list[Claim]:
    """Of the simulated museums."""
    one = by_eta[1.0]
    own, pooled, delayed = (
        one[name] for name in ("own weights (Hájek)", "pooled weights", "delayed entry")
    )
    naive, clipped = one["as collected (naive)"], one["weights clipped at 5 medians"]
    covers = [score.coverage for score in (own, pooled, delayed)]
    ratio = max(s["pooled weights"].error / s["own weights (Hájek)"].error for s in by_eta.values())
    none = by_eta[0.0]
    worse = none["own weights (Hájek)"].error / none["as collected (naive)"].error
    alike = none["pooled weights"].error / none["as collected (naive)"].error
    return [
        Claim(
            f"Where long lives are found in proportion to their length (η = 1), the naive table is off by up to "
            f"{naive.bias:.3f}; own weights, pooled weights and delayed entry leave {own.bias:.3f}, {pooled.bias:.3f} "
            f"and {delayed.bias:.3f}; clipping brings {clipped.bias:.3f} of it back.",
            naive.bias > 0.3 and max(own.bias, pooled.bias, delayed.bias) < 0.01 < clipped.bias,
        ),
        Claim(
            f"Their 95 % intervals hold the truth in {covers[0]:.1%}, {covers[1]:.1%} and {covers[2]:.1%} of cases "
            f"(ages 1 to 15, {MUSEUMS} museums); the naive ones in {naive.coverage:.1%}.",
            min(covers) >= 0.93 and max(covers) <= 0.96,
        ),
        Claim(
            f"Pooled weights, 1 over the mean chance of all years of birth, err less than own weights at every η (at most "
            f"{ratio:.2f} times as much).",
            ratio < 1,
        ),
        Claim(
            f"Without survivor bias (η = 0) own weights are worse than none ({worse:.2f} times the error), pooled ones "
            f"are not ({alike:.2f} times).",
            worse > 1.1 and alike < 1.02,
        ),
    ]


def of_rule(ruled: dict[float, dict[str, float]]) -> list[Claim]:
    """Of weights 1/effort."""
    shares = list(ruled.values())
    rare, most = shares[0], shares[-1]
    listed = ", ".join(f"{row['share']:.0%}: {row['effort']:.3f}" for row in shares)
    bare = ", ".join(f"{row['naive']:.3f}" for row in shares)
    return [
        Claim(
            f"The rule of thumb, weights of 1 over the effort while alive, is right only while collecting is rare "
            f"(error by share collected: {listed}; naive {bare}): at {most['share']:.0%} it is worse than doing nothing. "
            f"1/(1 - exp(-rate·effort)) never errs.",
            rare["effort"] < 0.01
            and most["effort"] > most["naive"]
            and all(row["chance"] < 1e-12 for row in shares),
        )
    ]


def of_geometric(closed: dict[str, float]) -> Claim:
    """Of the closed forms."""
    pairs = [(closed[name], closed[f"{name}, closed"]) for name in ("mean", "reach 5", "effective")]
    agree = all(abs(value - form) < 1e-9 for value, form in pairs)
    return Claim(
        f"Of geometric lifetimes all is known: at q = 0.1 a museum shows a mean of {closed['mean']:.1f} years begun where "
        f"10 is true, {closed['reach 5']:.5f} that reach age 5 where .59049 do, and {closed['effective']:.4f} of the "
        "specimens are worth anything once weighted: (2 - q)/q, (1 - q)^x (1 + qx) and (1 - q)/ln(1/q).",
        agree,
    )


def of_real(lives: dict[str, dict[str, list[float]]]) -> list[Claim]:
    """Of the senators and the AIDS cohort."""
    if not lives:
        return []
    aids, terms = lives["aids"], lives["senators"]
    naive, delayed = (" ".join(f"{share:.3f}" for share in aids[name]) for name in aids)
    mean, _ = terms["truth"]
    ours, theirs = terms["weighted holds"][0], terms["lifelines holds"][0]
    return [
        Claim(
            f"Of the AIDS cohort {naive} live 1, 2, 3, 5 years if all are counted from diagnosis; counted from when each "
            f"joined the study, {delayed}.",
            all(b < a for a, b in zip(aids["naive"], aids["delayed"], strict=True)),
        ),
        Claim(
            f"Canadian senators served {mean:.1f} completed years; a collector who finds long terms more easily would say "
            f"{terms['naive'][0]:.1f}, corrected {terms['weighted'][0]:.1f}. Intervals of the share of ten years and more "
            f"hold it in {ours:.0%} of 200 collections; the weighted ones of lifelines, which says so itself, in "
            f"{theirs:.0%}; the naive ones in {terms['naive holds'][0]:.0%}.",
            abs(terms["weighted"][0] - mean) < 0.2 and ours >= 0.93 > theirs,
        ),
    ]


def main() -> None:
    """800 museums of 10,000 animals at each of five η, and what needs no chance."""
    by_eta = {eta: scores(eta) for eta in ETAS}
    ruled = rule()
    closed = geometric()
    lives = real()
    rows = []
    for name in ESTIMATORS:
        each = [by_eta[eta][name] for eta in ETAS]
        rows.append([name, *(f"{s.bias:.3f} / {s.error:.3f} / {s.coverage:.2f}" for s in each)])
    header = ["bias / RMSE / coverage", *(f"η = {eta:g}" for eta in ETAS)]
    publish(
        "life_table",
        claims(by_eta, ruled, closed, lives),
        table(header, rows),
        caption="Largest bias and root-mean-square error of l_x over ages, and how often the 95 % interval holds the "
        "truth, of museums in which 13 % of 10,000 animals are met at η = 1.",
        scores={str(eta): {n: vars(s) for n, s in row.items()} for eta, row in by_eta.items()},
        rule={str(rate): row for rate, row in ruled.items()},
        geometric=closed,
        real=lives,
    )


if __name__ == "__main__":
    main()
