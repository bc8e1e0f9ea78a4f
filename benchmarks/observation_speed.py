"""How fast biased observation is undone: life tables beside lifelines, and clicks on lists; CPU time, one thread."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np
from claims import Claim, goal
from publish import publish, table

from il_bench.exposure import clicks, examination, life_table, survival
from il_bench.exposure.lifetables import Lives, counts

LISTS, RANKS = 1_000_000, 10
FASTER, MOST = 50, 10e6
"""Goals: how many times faster than lifelines, and clicked lists a second."""


def seconds(work: Callable[[], object], times: int) -> float:
    """CPU seconds of one piece of work: the least of several."""
    work()
    least = np.inf
    for _ in range(times):
        start = time.process_time()
        work()
        least = min(least, time.process_time() - start)
    return float(least)


def animals() -> survival.Animals:
    """A museum of some 13,000 animals."""
    uniform = np.random.default_rng(0).random((100 * 320, 2))
    effort, visible = survival.effort(), survival.visibility()
    return survival.animals(survival.siler(), effort, visible, 0.1, 320, uniform).museum


def tables(lives: survival.Animals) -> dict[str, float]:
    """Seconds for a weighted life table: with intervals, its counts alone, and by lifelines where it is installed."""
    weight = 1 / lives.exposure
    bare = Lives(lives.age, weight=weight)
    took = {
        "with intervals": seconds(lambda: life_table(lives.age, weight, omega=25), 200),
        "delayed": seconds(lambda: life_table(lives.age, entry=lives.met, omega=25), 100),
        "counts": seconds(lambda: counts(bare, 25), 200),
    }
    try:
        from lifelines import KaplanMeierFitter
    except ImportError:
        return took
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        end = lives.age + 1
        took["lifelines"] = seconds(lambda: KaplanMeierFitter().fit(end, weights=weight), 20)
        took["lifelines, delayed"] = seconds(
            lambda: KaplanMeierFitter().fit(end, entry=lives.met), 10
        )
    return took


def lists_a_second() -> dict[str, float]:
    """Lists of ten that are clicked in a second, by click model."""
    relevance = np.tile(np.linspace(0.5, 0.05, RANKS), (LISTS, 1))
    theta = examination(RANKS)
    random = np.random.Generator(np.random.SFC64(0))
    return {
        model: LISTS / seconds(lambda model=model: clicks(relevance, theta, random, model), 8)
        for model in ("position", "cascade", "trust")
    }


def claims(count: int, took: dict[str, float], lists: dict[str, float]) -> list[Claim]:
    """What was measured, with its goals."""
    said = [
        goal(
            f"{lists['position'] / 1e6:.1f} M lists of {RANKS} are clicked a second, each visitor drawn by itself (goal "
            f"{MOST / 1e6:.0f} M)",
            lists["position"] >= MOST,
        )
    ]
    if "lifelines" not in took:
        return said
    whole = took["lifelines"] / took["with intervals"]
    bare = took["lifelines"] / took["counts"]
    delayed = took["lifelines, delayed"] / took["delayed"]
    table_alone = f"A weighted life table of {count:,} animals is made {bare:.0f} times faster than by lifelines (goal {FASTER})"
    with_intervals = (
        f"With its checks and intervals, which lifelines makes too, it is {whole:.0f} times faster, with delayed entry "
        f"{delayed:.0f} times (goal {FASTER})"
    )
    return [
        goal(table_alone, bare >= FASTER),
        goal(with_intervals, min(whole, delayed) >= FASTER),
        *said,
    ]


def main() -> None:
    """Everything in one run: on a busy machine the ratios still mean something."""
    lives = animals()
    took = tables(lives)
    lists = lists_a_second()
    rows = [[f"life table, {name}", f"{1e3 * took[name]:.3f} ms"] for name in took]
    rows += [[f"clicks, {name}", f"{lists[name] / 1e6:.1f} M lists/s"] for name in lists]
    publish(
        "observation_speed",
        claims(len(lives), took, lists),
        table(["what", "CPU"], rows),
        animals=len(lives),
        tables=took,
        lists=lists,
    )


if __name__ == "__main__":
    main()
