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


def read(fold: int) -> dict[str, dict[str, np.ndarray]]:
    """One fold: for each method the letters that are right, wrong ones on its own path and on the true one, by place."""
    torch.set_num_threads(1)
    found = {}
    for previous in (False, True):
        train = il.make("ocr", fold=float(fold), previous=previous)
        test = dataclasses.replace(train, split="test")
        expert, words = il.expert(train), test.words[0]
        chosen = learners(len(train.words[0]))
        chosen = chosen if previous else {"no structure": chosen["supervised"]}
        policies = {name: learner.learn(train, expert) for name, learner in chosen.items()}
        a = il.compare(test, il.expert(test), policies, episodes=len(words)).arrays
        assert np.array_equal(
            np.sort(a["state"][0, 0, :, 0, 0]), words
        )  # every word of the fold, each once
        alive = np.arange(test.horizon) < a["length"][0, 0][:, None]
        for k, name in enumerate(policies, 1):
            wrong = {w: (a[f"error_{w}"][k, 0, ..., 0] * alive).sum(0) for w in ("on", "off")}
            found[name] = {"right": a["reward"][k, 0].sum(), "letters": alive.sum(0), **wrong}
    return found


def draw(folds: list[dict]) -> None:
    """Wrong letters by their place in the word: on the copy's own path, and where the true letter is put before it."""
    with figure("ross2011_ocr", 1, (7.0, 4.4)) as (panel,):
        for k, name in enumerate(NAMES, 1):
            curves = {"on": ("-", ""), "off": (":", ", the true letter before")}
            for which in ("on", "off") if name in ("supervised", "dagger") else ("on",):
                line, words = curves[which]
                wrong = 100 * summed(folds, name, which) / summed(folds, name, "letters")
                panel.plot(
                    np.arange(1, len(wrong) + 1),
                    wrong,
                    line,
                    color=colour_of(k),
                    label=name + words,
                )
        panel.set(xlabel="place in the word", ylabel="letters that are wrong, %", ylim=(0, None))
        panel.legend(frameon=False, fontsize=8)


def summed(folds: list[dict], name: str, what: str) -> np.ndarray:
    """Numbers of letters of a method over all folds, by their place."""
    return np.sum([fold[name][what] for fold in folds], 0)


def error(per_fold: np.ndarray) -> float:
    """Standard error of the mean over folds."""
    return float(per_fold.std(ddof=1) / len(per_fold) ** 0.5)


def sentence(shown: dict[str, np.ndarray], forced: dict[str, float]) -> str:
    """What was found, against the paper."""
    mean = {name: float(per_fold.mean()) for name, per_fold in shown.items()}
    gain, other = (shown[name] - shown["supervised"] for name in ("dagger", "dagger, C on the sum"))
    apart = max(abs(mean[name] - value) for name, value in PAPER.items())
    agrees = mean["no structure"] < mean["supervised"] < mean["dagger"]
    return (
        f"Per cent of the letters that are right, mean ± standard error over ten folds; each word is read once. DAgger "
        f"reads {gain.mean():.2f} ± {error(gain):.2f} points more than cloning, in {(gain > 0).sum()} of 10 folds ("
        f"{other.mean():.2f} ± {error(other):.2f} where C weighs the growing sum). With true letters put before, cloning reads "
        f"{forced['supervised']:.2f}: its own mistakes cost it {forced['supervised'] - mean['supervised']:.2f} points, DAgger "
        f"{forced['dagger'] - mean['dagger']:.2f}. The order is {'' if agrees else 'not '}the paper's, and no number is "
        f"further than {apart:.1f} points from it."
    )


def main() -> None:
    """Ten folds on all cores."""
    if importlib.util.find_spec("sklearn") is None:
        sys.exit("ross2011_ocr: needs scikit-learn; install it with pip install il-bench[bench]")
    try:
        letters.load()
    except ValueError as missing:
        sys.exit(f"ross2011_ocr: {missing}")
    began, folds = time.perf_counter(), []
    for found in joblib.Parallel(-1, return_as="generator")(
        map(joblib.delayed(read), range(letters.FOLDS))
    ):
        said = ", ".join(
            f"{name} {100 * f['right'].sum() / f['letters'].sum():.2f} %"
            for name, f in found.items()
        )
        print(f"fold {len(folds)} ({time.perf_counter() - began:.0f} s): {said}", flush=True)
        folds.append(found)
    draw(folds)
    shown = {
        name: np.array([100 * f[name]["right"] / f[name]["letters"].sum() for f in folds])
        for name in NAMES
    }
    total = int(summed(folds, "supervised", "letters").sum())
    pooled = {name: 100 * float(summed(folds, name, "right")) / total for name in NAMES}
    forced = {name: 100 - 100 * float(summed(folds, name, "off").sum()) / total for name in NAMES}
    cells = [
        [
            NAMES[name],
            f"{x.mean():.2f} ± {error(x):.2f}",
            f"{pooled[name]:.2f}",
            f"{forced[name]:.2f}",
            f"{PAPER.get(name, '')}",
        ]
        for name, x in shown.items()
    ]
    header = [
        "method",
        "letters right, %",
        f"of all {total:,}",
        "the true letter before",
        "Ross et al. 2011",
    ]
    kept = {
        "per_fold": {name: x.round(3).tolist() for name, x in shown.items()},
        "pooled": pooled,
        "forced": forced,
    }
    publish(
        "ross2011_ocr",
        sentence(shown, forced),
        table(header, cells),
        rounds=ROUNDS,
        cost=COST,
        **kept,
    )


if __name__ == "__main__":
    main()
