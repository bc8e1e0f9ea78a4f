"""Ross, Gordon & Bagnell (2011), section 5.3: handwriting as a decision process, ten folds, all of Taskar's letters.

Linear support vector machines for all pairs of letters (C = 0.1), which see a picture and the letter that they wrote
before. Each fold's words are read once each by copies that learned from all the words of the nine others.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
import time
from typing import Any

import joblib
import numpy as np
import torch
from claims import Claim, Mean, goal, mean
from publish import figure, publish, table

import il_bench as il
from il_bench.datasets import letters
from il_bench.paint.canvas import colour_of

COST, ROUNDS = 0.1, 4
PAPER = {"no structure": 82.0, "supervised": 83.6, "dagger": 85.5}
"""Per cent of the letters that are right, as the paper has them."""
NAMES = {
    "no structure": "no structure: the picture alone",
    "supervised": "supervised (BC): the letter before is the true one",
    "dagger": f"DAgger, {ROUNDS} rounds, C / {ROUNDS} on their sum",
    "dagger, C on the sum": f"DAgger, {ROUNDS} rounds, C on their sum",
}


def learners(words: int) -> dict[str, Any]:
    """Behaviour cloning and DAgger from all the words; DAgger's data grows with its rounds, and its C may shrink."""
    one = il.Training(net="svm", cost=COST)
    shared = il.Training(net="svm", cost=COST / ROUNDS)
    return {
        "supervised": il.BC(words, one),
        "dagger": il.DAgger(rounds=ROUNDS, episodes=words, training=shared),
        "dagger, C on the sum": il.DAgger(rounds=ROUNDS, episodes=words, training=one),
    }


Fold = dict[str, dict[str, np.ndarray]]
"""For each method the letters that are right, wrong ones on its own path and on the true one, by place."""


def read(fold: int) -> Fold:
    """One fold, with every method."""
    torch.set_num_threads(1)
    return read_by(fold, False) | read_by(fold, True)


def read_by(fold: int, previous: bool) -> Fold:
    """The methods that know the letter before, or the one that does not."""
    train = il.make("ocr", fold=float(fold), previous=previous)
    test = dataclasses.replace(train, split="test")
    words = test.words[0]
    chosen = learners(len(train.words[0]))
    if not previous:
        chosen = {"no structure": chosen["supervised"]}
    expert = il.expert(train)
    policies = {name: learner.learn(train, expert) for name, learner in chosen.items()}
    arrays = il.compare(test, il.expert(test), policies, episodes=len(words)).arrays
    # Every word of the fold, each once.
    assert np.array_equal(np.sort(arrays["state"][0, 0, :, 0, 0]), words)
    lengths = arrays["length"][0, 0][:, None]
    alive = np.arange(test.horizon) < lengths
    counts = {}
    for number, name in enumerate(policies, 1):
        errors = {where: arrays[f"error_{where}"][number, 0, ..., 0] for where in ("on", "off")}
        wrong = {where: (error * alive).sum(0) for where, error in errors.items()}
        right = arrays["reward"][number, 0].sum()
        counts[name] = {"right": right, "letters": alive.sum(0), **wrong}
    return counts


def draw(folds: list[Fold]) -> None:
    """Wrong letters by their place in the word: on the copy's own path, and where the true letter is put before it."""
    with figure("ross2011_ocr", 1, (7.0, 4.4)) as (panel,):
        for number, name in enumerate(NAMES, 1):
            colour = colour_of(number)
            draw_curve(panel, folds, name, "on", ls="-", color=colour, label=name)
            if name in ("supervised", "dagger"):
                words = f"{name}, the true letter before"
                draw_curve(panel, folds, name, "off", ls=":", color=colour, label=words)
        panel.set(xlabel="place in the word", ylabel="letters that are wrong, %", ylim=(0, None))
        panel.legend(frameon=False, fontsize=8)


def draw_curve(panel: Any, folds: list[Fold], name: str, which: str, **style: Any) -> None:
    """One method's wrong letters."""
    wrong = summed(folds, name, which) / summed(folds, name, "letters")
    places = np.arange(1, len(wrong) + 1)
    panel.plot(places, 100 * wrong, **style)


def summed(folds: list[Fold], name: str, what: str) -> np.ndarray:
    """Numbers of letters of a method over all folds, by their place."""
    return np.sum([fold[name][what] for fold in folds], 0)


def claims(right: dict[str, np.ndarray], forced: dict[str, float]) -> list[Claim]:
    """What is said of the per cent right of each fold, and of those with the true letter before; against the paper."""
    means = {name: float(per_fold.mean()) for name, per_fold in right.items()}
    structure = mean(right["supervised"] - right["no structure"])
    other = mean(right["dagger, C on the sum"] - right["supervised"])
    gaps = [abs(means[name] - value) for name, value in PAPER.items()]
    costs = {name: forced[name] - means[name] for name in ("supervised", "dagger")}
    return [
        better(right),
        Claim(f"Where C weighs the growing sum it is {other.text()} points."),
        Claim(
            f"With true letters put before, cloning reads {forced['supervised']:.2f}: its own "
            f"mistakes cost it {costs['supervised']:.2f} points, DAgger {costs['dagger']:.2f}.",
            costs["supervised"] > costs["dagger"] and costs["supervised"] > 0,
        ),
        Claim(
            "The order is the paper's.",
            sure(structure) and sure(mean(right["dagger"] - right["supervised"])),
            "The order is not the paper's beyond two standard errors.",
        ),
        goal(
            f"No number is further than {max(gaps):.1f} points from the paper's (goal: 1.5)",
            max(gaps) <= 1.5,
        ),
    ]


def better(right: dict[str, np.ndarray]) -> Claim:
    """That DAgger reads more than cloning."""
    gains = right["dagger"] - right["supervised"]
    gain = mean(gains)
    wins = int((gains > 0).sum())
    return Claim(
        f"DAgger reads {gain.text()} points more than cloning, in {wins} of {len(gains)} folds.",
        sure(gain),
        f"That DAgger reads more does not show: {gain.text()} points, in {wins} of {len(gains)} "
        "folds.",
    )


def sure(gain: Mean) -> bool:
    """Whether it is above zero by more than two standard errors."""
    return gain.value > 2 * gain.error


def read_all() -> list[Fold]:
    """Ten folds on all cores."""
    began = time.perf_counter()
    tasks = map(joblib.delayed(read), range(letters.FOLDS))
    folds: list[Fold] = []
    for fold in joblib.Parallel(-1, return_as="generator")(tasks):
        parts = {name: per_cent(counts) for name, counts in fold.items()}
        words = ", ".join(f"{name} {part:.2f} %" for name, part in parts.items())
        print(f"fold {len(folds)} ({time.perf_counter() - began:.0f} s): {words}", flush=True)
        folds.append(fold)
    return folds


def per_cent(counts: dict[str, np.ndarray]) -> float:
    """Of a fold's letters, those that are right."""
    return float(100 * counts["right"].sum() / counts["letters"].sum())


def main() -> None:
    """Ten folds on all cores, where the letters are."""
    if importlib.util.find_spec("sklearn") is None:
        sys.exit("ross2011_ocr: needs scikit-learn; install it with pip install il-bench[bench]")
    try:
        letters.load()
    except ValueError as missing:
        sys.exit(f"ross2011_ocr: {missing}")
    folds = read_all()
    draw(folds)
    right = {name: np.array([per_cent(fold[name]) for fold in folds]) for name in NAMES}
    total = int(summed(folds, "supervised", "letters").sum())
    pooled = {name: 100 * float(summed(folds, name, "right")) / total for name in NAMES}
    wrong = {name: float(summed(folds, name, "off").sum()) / total for name in NAMES}
    forced = {name: 100 - 100 * part for name, part in wrong.items()}
    header = [
        "method",
        "letters right, %",
        f"of all {total:,}",
        "the true letter before",
        "Ross et al. 2011",
    ]
    rows = []
    for name, per_fold in right.items():
        numbers = mean(per_fold).text(), f"{pooled[name]:.2f}", f"{forced[name]:.2f}"
        rows.append([NAMES[name], *numbers, f"{PAPER.get(name, '')}"])
    publish(
        "ross2011_ocr",
        claims(right, forced),
        table(header, rows),
        "Per cent of the letters that are right, mean ± standard error over ten folds; each word "
        "is read once.",
        rounds=ROUNDS,
        cost=COST,
        per_fold={name: per_fold.round(3).tolist() for name, per_fold in right.items()},
        pooled=pooled,
        forced=forced,
    )


if __name__ == "__main__":
    main()
