"""The phase diagram: where cloning explodes and where DAgger does, by amplification L and coverage sigma, on the tube."""

from __future__ import annotations

import numpy as np
import torch
from publish import figure, publish, table

import il_bench as il
from il_bench.stats.intervals import short

DIALS = (0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.3)
NOISES = (0.0, 1e-6, 1e-5, 3e-5, 1e-4, 1e-3, 1e-2, 5e-2)
SEEDS, HORIZON, APART = (
    6,
    150,
    0.1,
)  # D from which a copy counts as lost: a hundredth of the way to the clip


def measure() -> dict[str, np.ndarray]:
    """Median over seeds of the median D at the horizon, (L, sigma), for each learner."""
    env = il.make("tube", lipschitz=DIALS, noise=NOISES, seeds=SEEDS, horizon=HORIZON)
    expert = il.expert(env)
    found: dict[str, np.ndarray] = {}
    for name, learner in {
        "bc": il.BC(episodes=8),
        "dagger": il.DAgger(rounds=8, episodes=1),
    }.items():
        print(f"{name}: {env.runs} runs ...", flush=True)
        record = il.compare(env, expert, episodes=64, policy=learner.learn(env, expert))
        drift = record.drift(1, HORIZON).reshape(len(DIALS), len(NOISES), SEEDS)
        found[name] = np.median(drift, axis=-1)
    return found


def draw(found: dict[str, np.ndarray]) -> None:
    """A heat map for each learner, the line at which it is lost."""
    with figure("phase_diagram", 2, (5.0, 4.2), sharey=True) as panels:
        for panel, (name, drift) in zip(panels, found.items(), strict=True):
            logs = np.log10(drift)
            image = panel.pcolormesh(
                np.arange(len(NOISES) + 1), np.arange(len(DIALS) + 1), logs, vmin=-3.5, vmax=1
            )
            for (i, j), value in np.ndenumerate(drift):
                panel.text(j + 0.5, i + 0.5, short(value, 1), ha="center", va="center", fontsize=7,
                           color="white" if logs[i, j] < -1.2 else "black")  # fmt: skip
            panel.set(
                title=name, xlabel=r"noise $\sigma$ in the demonstrations and in the rollouts"
            )
            panel.set_xticks(np.arange(len(NOISES)) + 0.5, [f"{s:g}" for s in NOISES], fontsize=8)
            panel.set_yticks(np.arange(len(DIALS)) + 0.5, [f"{d:g}" for d in DIALS], fontsize=8)
        panels[0].set_ylabel("L")
        panels[0].figure.colorbar(
            image, ax=panels, label=rf"$\log_{{10}}$ median $D_{{{HORIZON}}}$"
        )


def main() -> None:
    """9 dials x 8 noises x 6 seeds, 64 twin rollouts each; equal labels and updates for both learners."""
    torch.set_num_threads(1)
    found = measure()
    draw(found)
    cells = [
        [f"{dial:g}", *(f"{short(b)} / {short(d)}" for b, d in zip(bc, dagger, strict=True))]
        for dial, bc, dagger in zip(DIALS, found["bc"], found["dagger"], strict=True)
    ]
    lost = {name: drift >= APART for name, drift in found.items()}
    where = [(DIALS[i], NOISES[j]) for i, j in np.argwhere(lost["bc"])]
    least, most = (
        (min(d for d, _ in where), max(s for _, s in where)) if where else (np.nan, np.nan)
    )
    claim = (
        f"Median D at t = {HORIZON}, BC / DAgger. BC is lost (D of at least {APART:g}) in {lost['bc'].sum()} of "
        f"{lost['bc'].size} cells, all at L of {least:g} or more and sigma of {most:g} or less; DAgger in "
        f"{lost['dagger'].sum()}. Amplification and missing coverage must come together (source: BC explodes at L > 1 "
        "and sigma near 0 alone). How little noise is enough is Adam's doing: it divides out how small a gradient is, down "
        "to its epsilon (benchmarks/NOTES.md)."
    )
    header = ["L", *(f"noise {s:g}" for s in NOISES)]
    kept = {name: drift.tolist() for name, drift in found.items()}
    publish("phase_diagram", claim, table(header, cells), dials=DIALS, noises=NOISES, drift=kept)


if __name__ == "__main__":
    main()
