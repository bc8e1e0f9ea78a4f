"""Coverage against amplification: BC and DAgger on the tube, by L, by noise in the demonstrations, raw and z-scored."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from claims import Claim, Share, share
from publish import publish, table

import il_bench as il
from il_bench.stats.intervals import interval

DIALS, NOISES, SEEDS, HORIZON, LOST = (0.8, 1.0, 1.2), (0.0, 0.05), 64, 150, 0.1
INPUTS = {"none": "raw", "zscore": "z-scored"}


def results(first: int = 0, seeds: int = SEEDS) -> dict[tuple[str, float, float, str], Any]:
    """D at the horizon (R,) and its row, by input, L, noise and learner; the first seed is `first`."""
    chosen = range(first, first + seeds)
    env = il.make("tube", lipschitz=DIALS, noise=NOISES, seeds=chosen, horizon=HORIZON)
    expert = il.expert(env)
    found = {}
    for normalise in INPUTS:
        training = il.Training(normalise=normalise)
        bc = il.BC(episodes=8, training=training).learn(env, expert)
        dagger = il.DAgger(rounds=8, episodes=1, training=training).learn(env, expert)
        record = il.compare(env, expert, bc=bc, dagger=dagger)
        runs_of = record.groups()
        for row in record.rows(at=(HORIZON,)):
            settings, learner = row["settings"], row["learner"]
            drift = record.drift(record.number_of(learner), HORIZON)
            key = normalise, settings["lipschitz"], settings["noise"], learner
            found[key] = drift[runs_of[tuple(settings.items())]], row["growth"]
    return found


def claims(found: dict[tuple[str, float, float, str], Any]) -> list[Claim]:
    """What is said of the table, with its conditions."""
    lost: dict[Any, Share] = {key: share(drift >= LOST) for key, (drift, _) in found.items()}
    quiet = lost["none", 1.2, 0.0, "bc"]
    dagger = lost["none", 1.2, 0.0, "dagger"]
    covered = max((lost["none", big, 0.05, "bc"] for big in DIALS), key=lambda cell: cell.value)
    raw, scaled = (lost[inputs, 0.8, 0.0, "bc"] for inputs in INPUTS)
    middle = {who: np.median(found["none", 1.2, 0.0, who][0]) for who in ("bc", "dagger")}
    return [
        Claim(
            f"Raw inputs, L = 1.2, noise 0: {quiet} of the clones are lost, of DAgger's {dagger}; median D {middle['bc']:.2g} "
            f"(goal: at least 1) and {middle['dagger']:.2g} (goal: at most 0.05).",
            quiet.ends[0] > dagger.ends[1] and middle["bc"] >= 1 and middle["dagger"] <= 0.05,
        ),
        Claim(
            f"With noise 0.05 at most {covered} of the clones are lost, at any L.",
            covered.ends[1] < 0.06,
        ),
        Claim(
            f"At L = 0.8 without noise {raw} of the clones are lost with raw inputs: a copied slope destabilises it.",
            raw.ends[0] > 0.01,
        ),
        Claim(
            f"z-scoring a feature that hardly varies loses {scaled} there.",
            scaled.ends[0] > raw.ends[1],
        ),
    ]


def _cell(drift: np.ndarray, growth: Any) -> str:
    return f"{interval(drift)}, lost {share(drift >= LOST)}, × {growth.texts()[0]}"


def main() -> None:
    """64 seeds x 3 dials x 2 noises x 2 input scalings, 64 twin rollouts each."""
    torch.set_num_threads(1)
    found = results()
    columns = [(noise, learner) for noise in NOISES for learner in ("bc", "dagger")]
    cells = [
        [words, f"{big:g}", *(_cell(*found[inputs, big, *column]) for column in columns)]
        for inputs, words in INPUTS.items()
        for big in DIALS
    ]
    header = ["inputs", "L", *(f"{learner}, noise {noise:g}" for noise, learner in columns)]
    caption = (
        f"Median D at t = {HORIZON} [interval], share of {SEEDS} runs that are lost (D of at least {LOST:g}) "
        "[exact 95 % interval], and fitted growth a step."
    )
    drifts = {" ".join(map(str, key)): drift.tolist() for key, (drift, _) in found.items()}
    publish("tube", [Claim(caption), *claims(found)], table(header, cells), drift=drifts)


if __name__ == "__main__":
    main()
