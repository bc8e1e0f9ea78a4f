"""The front-door demonstration in numbers: BC and DAgger on the lane, by dial and by wind in the demonstrations."""

from __future__ import annotations

import torch
from publish import publish, table

import il_bench as il

DIALS, WINDS, SEEDS, AT = (1.1, 1.2), (0.0, 0.005), 16, (10, 50, 200)


def main() -> None:
    """16 seeds x 2 dials x 2 winds, 64 twin rollouts each; matched labels and updates."""
    torch.set_num_threads(1)
    env = il.make("lane", lipschitz=DIALS, wind=WINDS, seeds=SEEDS)
    expert = il.expert(env)
    bc, dagger = (
        il.BC(episodes=8).learn(env, expert),
        il.DAgger(rounds=8, episodes=1).learn(env, expert),
    )
    record = il.compare(env, expert, bc=bc, dagger=dagger)
    rows = record.rows(at=AT)
    cells = [
        [r["learner"], f"{r['settings']['lipschitz']:g}", f"{r['settings']['wind']:g}", *map(str, r["drift"].values()),
         " ".join(r["growth"].texts(3)), f"{r['falls']:.0%}", f"{r['labels']:,}"]
        for r in rows
    ]  # fmt: skip
    header = ["learner", "L", "wind", *(f"D at t={t}" for t in AT), "growth", "falls", "labels"]
    by = {
        (r["learner"], r["settings"]["lipschitz"], r["settings"]["wind"]): r["drift"][200]
        for r in rows
    }
    quiet, windy = (by["bc", 1.2, w] for w in WINDS)
    held = by["dagger", 1.2, 0.0]
    ratio, apart = quiet.value / held.value, quiet.low > held.high
    claim = (
        f"At L = 1.2 and without wind cloning drifts {ratio:,.0f} times further than DAgger at equal labels and "
        f"updates (goal: 10 times, intervals {'apart' if apart else 'overlapping'}); with a wind of 0.005 in the same "
        f"number of demonstrations it stays at {windy}: coverage decides, not L alone."
    )
    publish("lane", claim, table(header, cells), ratio=ratio, intervals_apart=apart, cells=cells)


if __name__ == "__main__":
    main()
