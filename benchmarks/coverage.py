"""How little coverage suffices, and what the optimiser has to do with it: clones lost on the tube at L = 1.2."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from claims import Claim, Share, pairs, share
from publish import device, figure, publish, table

import il_bench as il
from il_bench.stats.intervals import contrast, short

NOISES = (0.0, 1e-7, 1e-5, 3e-5, 1e-4, 1e-3)
SEEDS, HORIZON, DIAL, LOST = 64, 150, 1.2, 0.1
RULES = {
    "Adam, epsilon 1e-12": il.Training(epsilon=1e-12),
    "Adam, epsilon 1e-8": il.Training(),
    "Adam, epsilon 1e-6": il.Training(epsilon=1e-6),
    "momentum, rate 0.01": il.Training(optimiser="momentum", lr=1e-2),
    "descent, rate 0.1": il.Training(optimiser="sgd", lr=1e-1),
}
"""Plain descent at ten times the rate of a momentum of 0.9 goes as far in a step."""


def results(first: int = 0, seeds: int = SEEDS) -> dict[str, np.ndarray]:
    """For each rule median D at the horizon and mean error on the expert's states, (2, sigma, R)."""
    chosen = range(first, first + seeds)
    env = il.make(
        "tube", lipschitz=DIAL, noise=NOISES, seeds=chosen, horizon=HORIZON, device=device()
    )
    shape = 2, len(NOISES), seeds
    measured = {}
    for name, training in RULES.items():
        print(f"{name}: {env.runs} runs ...", flush=True)
        both = drift_and_error(env, training)
        measured[name] = both.reshape(shape)
    return measured


def drift_and_error(env: il.Env, training: il.Training) -> np.ndarray:
    """Both of each run, (2, R)."""
    expert = il.expert(env)
    bc = il.BC(episodes=8, training=training).learn(env, expert)
    record = il.compare(env, expert, episodes=64, bc=bc)
    lengths = np.linalg.norm(record.arrays["error_off"][1], axis=-1)
    error = lengths.mean((1, 2))
    return np.stack([record.drift(1, HORIZON), error])


def shares(drift: np.ndarray) -> list[Share]:
    """How many runs are lost at each noise, of D (sigma, R)."""
    return [share(cell >= LOST) for cell in drift]


def claims(results: dict[str, np.ndarray]) -> list[Claim]:
    """What is said of the curves, with its conditions."""
    lost = {name: shares(drift) for name, (drift, _) in results.items()}
    small = NOISES.index(1e-4)
    coarse, usual = (
        results[f"Adam, epsilon {size}"][0][small] >= LOST for size in ("1e-6", "1e-8")
    )
    more = pairs(coarse, usual)
    ends = [cells[-1] for cells in lost.values()]
    covered = max(ends, key=lambda cell: cell.value)
    return [
        Claim(
            f"At epsilon 1e-6 a noise of 1e-4 no longer suffices: {share(coarse)} are lost, with the usual 1e-8 "
            f"{share(usual)} (by seed {more.first} alone against {more.second}).",
            more.more,
        ),
        Claim(
            f"A noise of {NOISES[-1]:g} suffices whatever the rule: at most {covered} are lost.",
            covered.ends[1] < 0.06,
            f"A noise of {NOISES[-1]:g} does not suffice for every rule: up to {covered} are lost.",
        ),
        _smaller(results),
    ]


def _smaller(results: dict[str, np.ndarray]) -> Claim:
    """Whether a smaller epsilon than the usual one loses fewer, run by run over all noises."""
    pair = (results[f"Adam, epsilon {size}"][0] >= LOST for size in ("1e-12", "1e-8"))
    fine, usual = (lost.sum(0).astype(float) for lost in pair)
    fewer, more = (fine < usual).sum(), (fine > usual).sum()
    words = (
        f"Of {len(fine)} runs {fewer} are lost at fewer of the {len(NOISES)} noises with epsilon 1e-12 than with the usual "
        f"1e-8, and {more} at more"
    )
    better = contrast(fine, usual, ratio=False).verdict == "better"
    return Claim(
        f"{words}: a smaller epsilon loses fewer.", better, f"{words}, which tells nothing."
    )


def draw(results: dict[str, np.ndarray]) -> None:
    """A curve of shares for each rule."""
    with figure("coverage") as (panel,):
        places = np.arange(len(NOISES))
        for name, (drift, _) in results.items():
            draw_curve(panel, places, shares(drift), name)
        panel.set_xticks(places, [f"{noise:g}" for noise in NOISES])
        panel.set_xlabel(r"noise $\sigma$ in the demonstrations and in the rollouts")
        panel.set_ylabel(f"share of clones lost at t = {HORIZON}")
        panel.set_ylim(0, 1)
        panel.legend(frameon=False, fontsize=8)


def draw_curve(panel: Any, places: np.ndarray, cells: list[Share], name: str) -> None:
    """One rule's, with its intervals."""
    values = np.array([cell.value for cell in cells])
    ends = np.array([cell.ends for cell in cells]).T
    panel.errorbar(places, values, np.abs(ends - values), label=name, capsize=2)


def line(name: str, both: np.ndarray) -> list[str]:
    """A row of the table, of drift and error (2, sigma, R)."""
    drift, error = both
    least, most = (short(np.median(error[number])) for number in (0, -1))
    return [name, *map(str, shares(drift)), f"{least} to {most}"]


def main() -> None:
    """5 rules x 6 noises x 64 seeds, 64 twin rollouts each."""
    torch.set_num_threads(1)
    outcome = results()
    draw(outcome)
    lines = [line(name, both) for name, both in outcome.items()]
    header = ["rule", *(f"noise {noise:g}" for noise in NOISES), "action error"]
    caption = (
        f"Share of {SEEDS} clones that are lost (D of at least {LOST:g} at t = {HORIZON}) on the "
        f"tube at L = {DIAL:g} [exact 95 % interval], and the median error on the expert's states "
        "at the least and the most noise."
    )
    publish(
        "coverage",
        claims(outcome),
        table(header, lines),
        caption,
        noises=NOISES,
        drift_and_error={name: both.tolist() for name, both in outcome.items()},
    )


if __name__ == "__main__":
    main()
