"""The phase diagram: how often cloning and DAgger are lost, by amplification L and coverage sigma, on the tube."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from claims import Claim, Share, goal, pairs, share
from publish import device, figure, publish, table

import il_bench as il
from il_bench.stats.intervals import short

DIALS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
NOISES = (0.0, 1e-5, 1e-4, 1e-3, 1e-2)
SEEDS, HORIZON = 64, 150
LOST = 0.1
"""D from which a copy counts as lost: a hundredth of the way to the clip."""


def results(first: int = 0, seeds: int = SEEDS) -> dict[str, np.ndarray]:
    """Median D at the horizon of each run, (L, sigma, R), for each learner; the first seed is `first`."""
    chosen = range(first, first + seeds)
    env = il.make(
        "tube", lipschitz=DIALS, noise=NOISES, seeds=chosen, horizon=HORIZON, device=device()
    )
    expert = il.expert(env)
    learners = {"bc": il.BC(episodes=8), "dagger": il.DAgger(rounds=8, episodes=1)}
    shape = len(DIALS), len(NOISES), seeds
    drifts = {}
    for name, learner in learners.items():
        print(f"{name}: {env.runs} runs ...", flush=True)
        policy = learner.learn(env, expert)
        record = il.compare(env, expert, episodes=64, policy=policy)
        drifts[name] = record.drift(1, HORIZON).reshape(shape)
    return drifts


def shares(drift: np.ndarray) -> list[list[Share]]:
    """How many runs are lost in each cell, of D (L, sigma, R)."""
    return [[share(cell >= LOST) for cell in row] for row in drift]


def claims(drifts: dict[str, np.ndarray]) -> list[Claim]:
    """What is said of the grid, with its conditions."""
    cloned = shares(drifts["bc"])
    quiet = dict(zip(DIALS, (row[0] for row in cloned), strict=True))
    contracting = [cell for dial, cell in quiet.items() if dial < 1]
    dagger = share(drifts["dagger"] >= LOST)
    calm = drifts["bc"][:, 0] >= LOST
    grows = pairs(calm[-1], calm[0])
    spoken = "; ".join(f"{cell} at L = {dial:g}" for dial, cell in quiet.items())
    return [
        Claim(
            f"Without noise the share of clones that are lost (D of at least {LOST:g} at t = "
            f"{HORIZON}) grows with L: {spoken} (by seed {grows.first} at the largest alone, {grows.second} at "
            "the least).",
            grows.more,
        ),
        Claim(
            "L above 1 is not necessary: a copied slope destabilises a contracting plant too.",
            all(cell.ends[0] > 0.01 for cell in contracting),
        ),
        covering(cloned),
        goal(
            f"DAgger is lost in {dagger.count} of {dagger.of} runs (goal: below 1 % for sure)",
            dagger.ends[1] < 0.01,
        ),
    ]


def covering(cloned: list[list[Share]]) -> Claim:
    """That the largest noise suffices at every L, and which is the least that does."""
    most = max((row[-1] for row in cloned), key=lambda cell: cell.value)
    words = (
        f"With a noise of {NOISES[-1]:g} in the demonstrations at most {most} are lost, at any L"
    )
    enough = [noise for number, noise in enumerate(NOISES) if _covers(cloned, number)]
    if not enough:
        return Claim(f"{words}.", False, f"{words}: no noise of this grid suffices for sure.")
    least = f"the least noise of this grid that suffices for sure is {min(enough):g}"
    return Claim(f"{words}; {least}.", most.ends[1] < 0.06)


def _covers(cells: list[list[Share]], noise: int) -> bool:
    """Whether fewer than 6 % are lost for sure, at every L, at this noise."""
    return all(row[noise].ends[1] < 0.06 for row in cells)


def draw(drifts: dict[str, np.ndarray]) -> None:
    """A heat map of the shares for each learner, the median D written into its cells."""
    with figure("phase_diagram", 2, (5.0, 4.2), sharey=True) as panels:
        for panel, (name, drift) in zip(panels, drifts.items(), strict=True):
            image = draw_map(panel, drift)
            panel.set_title(name)
        panels[0].set_ylabel("L")
        words = f"share of runs lost at t = {HORIZON}; beneath, median D"
        panels[0].figure.colorbar(image, ax=panels, label=words)


def draw_map(panel: Any, drift: np.ndarray) -> Any:
    """One learner's; the image."""
    lost = (drift >= LOST).mean(-1)
    medians = np.median(drift, -1)
    columns = np.arange(len(NOISES) + 1)
    rows = np.arange(len(DIALS) + 1)
    image = panel.pcolormesh(columns, rows, lost, vmin=0, vmax=1)
    style = {"ha": "center", "va": "center", "fontsize": 7}
    for (row, column), value in np.ndenumerate(lost):
        words = f"{value:.0%}\n{short(medians[row, column], 1)}"
        ink = "white" if value < 0.6 else "black"
        panel.text(column + 0.5, row + 0.5, words, color=ink, **style)
    panel.set_xlabel(r"noise $\sigma$ in the demonstrations and in the rollouts")
    panel.set_xticks(columns[:-1] + 0.5, [f"{noise:g}" for noise in NOISES])
    panel.set_yticks(rows[:-1] + 0.5, [f"{dial:g}" for dial in DIALS])
    return image


def lines(name: str, drift: np.ndarray) -> list[list[str]]:
    """One learner's lines of the table, of D (L, sigma, R)."""
    medians = np.median(drift, -1)
    every = []
    for dial, row, cells in zip(DIALS, medians, shares(drift), strict=True):
        texts = [f"{short(middle)}, {cell}" for middle, cell in zip(row, cells, strict=True)]
        every.append([name, f"{dial:g}", *texts])
    return every


def main() -> None:
    """6 dials x 5 noises x 64 seeds, 64 twin rollouts each; equal labels and updates for both learners."""
    torch.set_num_threads(1)
    drifts = results()
    draw(drifts)
    rows = [line for name, drift in drifts.items() for line in lines(name, drift)]
    header = ["learner", "L", *(f"noise {noise:g}" for noise in NOISES)]
    caption = (
        f"Median D at t = {HORIZON}, and the share of {SEEDS} runs that are lost [exact 95 % "
        "interval]."
    )
    publish(
        "phase_diagram",
        claims(drifts),
        table(header, rows),
        caption,
        dials=DIALS,
        noises=NOISES,
        drift={name: drift.tolist() for name, drift in drifts.items()},
    )


if __name__ == "__main__":
    main()
