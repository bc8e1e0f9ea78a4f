"""The phase diagram: how often cloning and DAgger are lost, by amplification L and coverage sigma, on the tube."""

from __future__ import annotations

import numpy as np
import torch
from claims import Claim, Share, share
from publish import figure, publish, table

import il_bench as il
from il_bench.stats.intervals import short

DIALS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
NOISES = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
SEEDS, HORIZON = 64, 150
LOST = 0.1
"""D from which a copy counts as lost: a hundredth of the way to the clip."""


def results(first: int = 0, seeds: int = SEEDS) -> dict[str, np.ndarray]:
    """Median D at the horizon of each run, (L, sigma, R), for each learner; the first seed is `first`."""
    chosen = range(first, first + seeds)
    env = il.make("tube", lipschitz=DIALS, noise=NOISES, seeds=chosen, horizon=HORIZON)
    expert = il.expert(env)
    learners = {"bc": il.BC(episodes=8), "dagger": il.DAgger(rounds=8, episodes=1)}
    drifts = {}
    for name, learner in learners.items():
        print(f"{name}: {env.runs} runs ...", flush=True)
        record = il.compare(env, expert, episodes=64, policy=learner.learn(env, expert))
        drifts[name] = record.drift(1, HORIZON).reshape(len(DIALS), len(NOISES), seeds)
    return drifts


def shares(drift: np.ndarray) -> list[list[Share]]:
    """How many runs are lost in each cell, of D (L, sigma, R)."""
    return [[share(cell >= LOST) for cell in row] for row in drift]


def claims(drifts: dict[str, np.ndarray]) -> list[Claim]:
    """What is said of the grid, with its conditions."""
    cloned = shares(drifts["bc"])
    quiet = [row[0] for row in cloned]
    contracting = [row for dial, row in zip(DIALS, quiet, strict=True) if dial < 1]
    covered = max((row[-1] for row in cloned), key=lambda cell: cell.value)
    enough = next((j for j in range(len(NOISES)) if _covers(cloned, j)), None)
    dagger = share(drifts["dagger"] >= LOST)
    spoken = "; ".join(f"{cell} at L = {dial:g}" for dial, cell in zip(DIALS, quiet, strict=True))
    return [
        Claim(
            f"Without noise the share of clones that are lost (D of at least {LOST:g} at t = {HORIZON}) grows with L: {spoken}.",
            quiet[-1].ends[0] > quiet[0].ends[1],
        ),
        Claim(
            "L above 1 is not necessary: a copied slope destabilises a contracting plant too.",
            all(cell.ends[0] > 0.01 for cell in contracting),
        ),
        Claim(
            f"With a noise of {NOISES[-1]:g} in the demonstrations at most {covered} are lost, at any L; "
            f"the least noise of this grid that does it is {NOISES[enough] if enough is not None else np.nan:g}.",
            covered.ends[1] < 0.06,
        ),
        Claim(f"DAgger is lost in {dagger.count} of {dagger.of} runs.", dagger.ends[1] < 0.01),
    ]


def _covers(cells: list[list[Share]], noise: int) -> bool:
    """Whether fewer than 6 % are lost for sure, at every L, at this noise."""
    return all(row[noise].ends[1] < 0.06 for row in cells)


def draw(drifts: dict[str, np.ndarray]) -> None:
    """A heat map of the shares for each learner, the median D written into its cells."""
    with figure("phase_diagram", 2, (5.0, 4.2), sharey=True) as panels:
        for panel, (name, drift) in zip(panels, drifts.items(), strict=True):
            lost = (drift >= LOST).mean(-1)
            columns, rows = np.arange(len(NOISES) + 1), np.arange(len(DIALS) + 1)
            image = panel.pcolormesh(columns, rows, lost, vmin=0, vmax=1)
            for (i, j), value in np.ndenumerate(lost):
                words = f"{value:.0%}\n{short(np.median(drift[i, j]), 1)}"
                ink = "white" if value < 0.6 else "black"
                place = {"ha": "center", "va": "center"}
                panel.text(j + 0.5, i + 0.5, words, fontsize=7, color=ink, **place)
            panel.set_title(name)
            panel.set_xlabel(r"noise $\sigma$ in the demonstrations and in the rollouts")
            panel.set_xticks(columns[:-1] + 0.5, [f"{noise:g}" for noise in NOISES])
            panel.set_yticks(rows[:-1] + 0.5, [f"{dial:g}" for dial in DIALS])
        panels[0].set_ylabel("L")
        words = f"share of runs lost at t = {HORIZON}; beneath, median D"
        panels[0].figure.colorbar(image, ax=panels, label=words)


def main() -> None:
    """6 dials x 6 noises x 64 seeds, 64 twin rollouts each; equal labels and updates for both learners."""
    torch.set_num_threads(1)
    drifts = results()
    draw(drifts)
    lines = []
    for name, drift in drifts.items():
        for dial, row, cells in zip(DIALS, drift, shares(drift), strict=True):
            texts = [
                f"{short(np.median(values))}, {cell}"
                for values, cell in zip(row, cells, strict=True)
            ]
            lines.append([name, f"{dial:g}", *texts])
    header = ["learner", "L", *(f"noise {noise:g}" for noise in NOISES)]
    kept = {name: drift.tolist() for name, drift in drifts.items()}
    caption = f"Median D at t = {HORIZON}, and the share of {SEEDS} runs that are lost [exact 95 % interval]."
    publish(
        "phase_diagram",
        [Claim(caption), *claims(drifts)],
        table(header, lines),
        dials=DIALS,
        noises=NOISES,
        drift=kept,
    )


if __name__ == "__main__":
    main()
