"""The verdicts: what is said of exposure bias and its kin, beside what was measured here, from the result files alone.

    python benchmarks/verdicts.py    # writes docs/verdicts.md; computes nothing

A verdict stands only while every sentence that it rests on holds in its result file; else the page says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from publish import table

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "verdicts.md"
HEAD = """# What is said, and what is so

One phenomenon has many names: exposure bias, compounding error, position bias, survivor bias. Each line takes a sentence
that is often said of it, a command that puts it to the test, what came out, and the verdict. The numbers are those of the
result files beside the commands in `benchmarks/`; [results.md](results.md) has the tables. This page is written by
`python benchmarks/verdicts.py`, which withdraws a verdict when a sentence that it rests on no longer holds. How many seeds
carry a sentence stands with its table; five in `curricula` and `exposure_bias` make first findings.
"""


@dataclass(frozen=True)
class Saying:
    """A sentence that is often said.

    Attributes:
        words: the sentence.
        benchmark: that tests it.
        rests: which of the benchmark's claims, by a few words that each holds and no other.
        verdict: what is so, if they hold.
    """

    words: str
    benchmark: str
    rests: tuple[str, ...]
    verdict: str

    def row(self) -> list[str]:
        """Its line of the page."""
        command = f"`{self.benchmark}.py`"
        path = HERE / f"{self.benchmark}.json"
        if not path.exists() or not self.rests:
            return [self.words, command, "not measured yet", "open"]
        entries = json.loads(path.read_text())["claims"]
        quoted = [only(entries, words, self.benchmark) for words in self.rests]
        measured = " ".join(entry["sentence"].replace("|", "/") for entry in quoted)
        holds = all(entry["holds"] for entry in quoted)
        return [self.words, command, measured, self.verdict if holds else "**withdrawn**"]


def only(entries: list[dict], words: str, benchmark: str) -> dict:
    """The one claim that has these words.

    Raises:
        ValueError: where none has, or several.
    """
    those = [entry for entry in entries if words in entry["sentence"]]
    if len(those) != 1:
        raise ValueError(
            f"{benchmark}: expected one claim with the words {words!r}, got {len(those)}; "
            "name it by words that its sentence has now"
        )
    return those[0]


@dataclass(frozen=True)
class Chapter:
    """Sayings of one field."""

    title: str
    sayings: tuple[Saying, ...]

    def text(self) -> str:
        """Title and table."""
        header = ["what is said", "command", "what was measured", "verdict"]
        rows = [saying.row() for saying in self.sayings]
        return f"## {self.title}\n\n{table(header, rows)}\n"


CHAPTERS = (
    Chapter(
        "Control",
        (
            Saying(
                "An unstable plant makes cloning drift, a contracting one forgives it.",
                "tube",
                ("At L = 0.8 without noise", "With noise 0.05 at most"),
                "too simple: a copied slope destabilises a contracting plant, and coverage saves an unstable one",
            ),
            Saying(
                "Where plant and expert's loop contract, cloning is safe.",
                "stable_yet_exponential",
                ("In the pair's system 1", "In system 2 the same weights"),
                "not so: it grows exponentially in one of two systems that the data cannot tell apart",
            ),
            Saying(
                "Cloning costs T squared, DAgger T.",
                "horizon",
                (
                    "Where one can come back",
                    "There DAgger's loss grows",
                    "Where one cannot, DAgger",
                ),
                "so where one can come back; where one cannot, DAgger is no better",
            ),
            Saying(
                "Ask the expert on the learner's own states, and drift is mended.",
                "signs",
                ("fork, where nobody sees which way",),
                "not where the expert means what nobody sees: its labels contradict each other there, and a good clone is lost",
            ),
            Saying(
                "Deviation obeys D' = alpha D + epsilon: it saturates, adds up or explodes.",
                "regimes",
                ("Where the error is not random", "In a plane that turns"),
                "so, to rounding; but which regime depends on how errors line up, not on alpha alone",
            ),
            Saying(
                "Cloning fails on robots that walk, where DAgger works.",
                "locomotion",
                (
                    "HalfCheetah: BC",
                    "Walker2d by TQC, one start: from",
                    "Walker2d by SAC: at the most labels",
                    "HalfCheetah by SAC: at the most labels",
                    "Hopper by TRPO: at the most labels",
                ),
                "so from one start of most by SAC and TQC (8 seeds); varied starts surely mend two of four, TRPO's needs none",
            ),
            Saying(
                "Fine-tuning from a clone spares reinforcement learning most of its way.",
                "finetuning",
                ("PPO: 90 % of the way", "SAC: 90 % of the way", "PPO, critic not warmed up"),
                "so, by the median more than half of its steps; a critic that warms up first keeps it from falling",
            ),
            Saying(
                "Reinforcement learning forgets the clone that it begins from.",
                "finetuning",
                ("SAC, no leash", "SAC, neither"),
                "so of SAC that seeks no entropy: by a third of the way without a leash, by most of it with a cold critic too",
            ),
        ),
    ),
    Chapter(
        "Texts",
        (
            Saying(
                "Once off the path a text stays off, and the loss adds up as (d - c) S(T).",
                "cascade",
                ("By enumeration the formula", "A network taught by clean texts"),
                "so, for a trained network too and without a free parameter, where clean texts hold no way back",
            ),
            Saying(
                "A copy cannot learn to recover: the gradient of what it would need is zero.",
                "zero_gradient",
                ("In a table the rows", "Where rows share a bias", "A network that never saw"),
                "so in a table; a network is worse off, it unlearns the way back",
            ),
            Saying(
                "Language models have exposure bias; or have none to speak of.",
                "exposure_bias",
                (
                    "which recovers by itself",
                    "On `clock` it is",
                    "On `keyed` it is",
                    "both are above that of",
                ),
                "both: it is a matter of whether a language recovers by itself, over four orders of magnitude",
            ),
            Saying(
                "%ExAccErr tells who suffers from it.",
                "exposure_bias",
                ("the ratio alone is no measure of quality", "it hides exposure bias"),
                "only beside both errors, and of one sampler: ruin and low temperature lower it, too",
            ),
            Saying(
                "Hidden states drift by D' = alpha D + epsilon, and explode where alpha = L_h + L_x L_fb > 1.",
                "hidden_state",
                (
                    "the recursion bounds all",
                    "Above it nothing explodes",
                    "Trained networks have a certificate",
                ),
                "so below one; above one it foretells nothing, and trained networks are all above",
            ),
            Saying(
                "A hidden state that returns to the teacher-forced one has recovered.",
                "hidden_state",
                ("to forget is not to recover",),
                "not so: who does not know what a wrong symbol means forgets it soonest",
            ),
            Saying(
                "A larger vocabulary takes fewer steps, and so suffers less.",
                "tokens",
                ("Per byte at equal bytes", "The formula with e, r and d - c"),
                "so per byte, though each step is wrong more often",
            ),
            Saying(
                "Truncated backpropagation cannot learn what lies further back than its window.",
                "truncation",
                ("the slope in the mark", "begins with an empty state"),
                "so where every window begins anew",
            ),
            Saying(
                "It can, if the state is carried from window to window.",
                "truncation",
                (
                    "the state is carried",
                    "the last window is the answer alone",
                    "instead of its symbols",
                ),
                "so where the last window holds a few steps before the answer, and labels are symbols",
            ),
            Saying(
                "Perplexity on the expert's texts tells who writes well.",
                "curricula",
                (
                    "The expert's texts cost them",
                    "own texts of teacher forcing cost 1",
                    "own texts of DAgger",
                ),
                "not so: the same to a hundredth, where their own texts differ by up to a factor of two",
            ),
            Saying(
                "Scheduled sampling cures exposure bias.",
                "curricula",
                ("those of scheduled sampling cost", "What scheduled sampling unlearns"),
                "it helps where the next symbol is a matter of time; where it depends on what was written it ruins the model",
            ),
        ),
    ),
    Chapter(
        "What is seen, and what is not",
        (
            Saying(
                "Specimens show how long animals live.",
                "life_table",
                ("Where long lives are found", "Of geometric lifetimes all is known"),
                "not so: who lives long can be found for longer; weights of 1 over the chance to be found undo it",
            ),
            Saying(
                "Weigh each specimen by 1 over the effort spent while it lived.",
                "life_table",
                ("The rule of thumb",),
                "only while collecting is rare; where most are collected it is worse than nothing",
            ),
            Saying(
                "A biased life table is a little wrong.",
                "population",
                ("A cohort's error as collected", "With births the same table"),
                "of a cohort, and it fades; of a population it compounds",
            ),
            Saying(
                "Weights are always worth their variance.",
                "life_table",
                ("Without survivor bias", "Pooled weights, 1 over the mean"),
                "not so: where nothing is biased own weights lose; pooled ones cost nothing",
            ),
            Saying(
                "The success rate of what was saved is that of what was done.",
                "success_only",
                ("Where failures are kept", "Divided by the chance"),
                "not so, and a known chance mends it at the price of an effective size",
            ),
            Saying(
                "A list that learns from its clicks goes wrong where alpha = L_h + L_x L_fb > 1.",
                "feedback_loop",
                ("Two items: ", "The wrong order is a fate", "is necessary and not sufficient"),
                "alpha is literally that, and must exceed one; that it does is not enough",
            ),
            Saying(
                "A little exploration mends it; what was logged can be corrected.",
                "feedback_loop",
                ("Exploring every tenth day", "What is never shown"),
                "the reverse: exploration alone is no cure, correction is, of what is shown at all",
            ),
            Saying(
                "Clicks divided by the chance to be seen are relevance.",
                "wrong_world",
                (
                    "In its own world",
                    "Of visitors who leave",
                    "Of visitors who trust",
                    "The affine correction",
                ),
                "in the world that they assume",
            ),
            Saying(
                "Inverse propensity weighting must be known to be used.",
                "rediscovery",
                ("A clone divides clicks", "DAgger's last round", "After 60 days"),
                "not so: labels on its own lists teach a learner to divide; cloning teaches it to divide too little",
            ),
        ),
    ),
)


def page() -> str:
    """All of it, from the result files."""
    chapters = [chapter.text() for chapter in CHAPTERS]
    return "\n".join([HEAD, *chapters])


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())
    print(page())


if __name__ == "__main__":
    main()
