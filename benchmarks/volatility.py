"""Volatility: how much drift differs from one checkpoint to the next, last weights against their moving average."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from claims import Claim
from publish import figure, publish, table

import il_bench as il
from il_bench.stats.intervals import contrast, interval

SEEDS, CHECKPOINTS, DECAYS = 8, tuple(range(2000, 4001, 100)), (0.9, 0.99, 0.999)
PLACES: dict[str, tuple[str, dict[str, float]]] = {
    "lane, wind 0.005": ("lane", {"wind": 0.005}),
    "tube, noise 0.05": ("tube", {"noise": 0.05}),
}
LAST, AVERAGE = "last weights", "average, decay 0.99"

Drifts = dict[str, dict[str, np.ndarray]]
"""D at the horizon (checkpoints, R), by place and by the way to take the weights."""


def results(first: int = 0, seeds: int = SEEDS) -> Drifts:
    """Both places, in each way; the first seed is `first`."""
    chosen = range(first, first + seeds)
    return {place: drifts(name, settings, chosen) for place, (name, settings) in PLACES.items()}


def drifts(name: str, settings: dict[str, float], seeds: range) -> dict[str, np.ndarray]:
    """Median D at the horizon (checkpoints, R) of each way to take the weights.

    A training to n updates is the beginning of a longer one, bit for bit, so that each checkpoint is trained anew; the
    last weights of an averaged training are those of a plain one.
    """
    env = il.make(name, seeds=seeds, **settings)
    ways = {}
    for decay in (0.0, *DECAYS):
        way = f"average, decay {decay:g}" if decay else LAST
        rows = [drift(env, updates, decay) for updates in CHECKPOINTS]
        ways[way] = np.stack(rows)
        print(f"{name}: {way}", flush=True)
    return ways


def drift(env: il.Env, updates: int, decay: float) -> np.ndarray:
    """Median D at the horizon (R,) of BC after so many updates."""
    expert = il.expert(env)
    training = il.Training(updates=updates, ema=decay)
    bc = il.BC(8, training).learn(env, expert)
    return il.compare(env, expert, bc=bc).drift(1, env.horizon)


def spread(drift: np.ndarray) -> np.ndarray:
    """Standard deviation over checkpoints of log D of each run, (R,)."""
    return np.log(drift).std(0, ddof=1)


def claims(results: Drifts) -> list[Claim]:
    """What is said of the last weights against their average, with its conditions."""
    windy, noisy = PLACES
    source = "source: 0.74 and 0.17, a factor of 4.4, on a dial that it does not name"
    return [
        calmer(results[windy], windy, f" ({source})"),
        calmer(results[noisy], noisy),
    ]


def calmer(ways: dict[str, np.ndarray], place: str, source: str = "") -> Claim:
    """That the average's drift differs less from checkpoint to checkpoint, by the ratio of each run."""
    last, average = (spread(ways[way]) for way in (LAST, AVERAGE))
    factor = contrast(last, average).by
    both = f"{interval(last)} for the last weights and {interval(average)} for their average"
    words = f"{place}: sd of log D over checkpoints {both} (decay 0.99)"
    return Claim(
        f"{words}, {factor} times as much by run{source}.",
        factor.low > 1,
        f"{words}; the ratio by run, {factor}, does not tell which is less{source}.",
    )


def draw(results: Drifts) -> None:
    """Drift against updates, of the first seed."""
    with figure("volatility", len(PLACES)) as panels:
        for panel, (place, ways) in zip(panels, results.items(), strict=True):
            for number, (way, drift) in enumerate(ways.items()):
                panel.semilogy(CHECKPOINTS, drift[:, 0], color=f"C{number}", label=way)
            panel.set(title=f"{place}, one seed", xlabel="updates")
        panels[0].set_ylabel("median D at the horizon")
        panels[-1].legend(frameon=False, fontsize=8)


def cells(place: str, way: str, drift: np.ndarray) -> list[str]:
    """A line of the table."""
    middle = np.median(drift, 0)
    worst = drift.max(0) / middle
    parts = [interval(values) for values in (spread(drift), middle, worst)]
    return [place, way, *map(str, parts)]


def main() -> None:
    """8 seeds, 21 checkpoints of the second half of a training, 64 twin rollouts each."""
    torch.set_num_threads(1)
    outcome = results()
    draw(outcome)
    header = [
        "environment",
        "weights",
        "sd of log D over checkpoints",
        "median D",
        "worst checkpoint / median one",
    ]
    rows = [cells(place, *way) for place, ways in outcome.items() for way in ways.items()]
    numbers: dict[str, Any] = {
        place: {way: drift.tolist() for way, drift in ways.items()}
        for place, ways in outcome.items()
    }
    caption = f"D at the horizon, over the last {len(CHECKPOINTS)} checkpoints of {SEEDS} runs."
    publish("volatility", claims(outcome), table(header, rows), caption, drifts=numbers)


if __name__ == "__main__":
    main()
