"""Tokens: whether a larger vocabulary, and so fewer steps, makes a cascade of errors cheaper; per byte, at equal bytes.

A text of so many bytes is fewer steps in a larger vocabulary, but each is more often wrong. The two pull against each
other, and only what a byte costs decides. Byte-pair encodings of the help that comes with Python, and for each a model of
pairs of tokens (smoothed after Witten and Bell) that writes beside held-out text: after the text itself, and after its
own tokens.

    pip install -e ".[tokens]"
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from claims import Claim
from publish import figure, publish, table

from il_bench.stats.theory import cascade

SEEDS = 5
VOCABULARIES = 300, 512, 1_024, 2_048, 4_096, 8_192
WINDOW, WINDOWS, DRAWS = 512, 30, 8
"""Bytes of a piece of held-out text, how many pieces, and how often each is written beside."""
HELD_OUT = 0.1
PUBLISHED = {300: (1.42, 2.99), 8_192: (4.25, 1.45)}
"""Characters a token, and nats a character under the tokens' own frequencies."""
NEAR = 0.1
"""Part by which ours may differ from the published numbers, and the formula from what is measured."""


def words_of_python() -> str:
    """The help on Python's topics that comes with Python."""
    from pydoc_data.topics import topics

    return "\n".join(topics.values())


def tokeniser(text: str, vocabulary: int) -> Any:
    """A byte-pair encoding of so many tokens, learned from a text.

    Raises:
        ImportError: where the package is not installed.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    encoding = Tokenizer(models.BPE())
    encoding.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False
    )
    encoding.train_from_iterator([text], trainer)
    return encoding


class Pairs:
    """Which token follows which, smoothed after Witten and Bell by the tokens' own frequencies.

    Args:
        tokens: of the text that is learned from, (n,).
        vocabulary: how many different ones there are, V.
    """

    def __init__(self, tokens: np.ndarray, vocabulary: int):
        self.vocabulary = vocabulary
        before, after = tokens[:-1], tokens[1:]
        counts = np.bincount(tokens, minlength=vocabulary) + 1.0
        self.alone = counts / counts.sum()
        self._through = self.alone.cumsum()
        self._codes, self._counts = np.unique(before * vocabulary + after, return_counts=True)
        self._total = np.bincount(before, minlength=vocabulary)
        self._kinds = np.bincount(self._codes // vocabulary, minlength=vocabulary)
        order = np.argsort(before, kind="stable")
        self._following = after[order]
        self._first = np.concatenate(([0], self._total.cumsum()[:-1]))

    def chance(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Of tokens (n,) after others (n,)."""
        codes = before * self.vocabulary + after
        place = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
        seen = np.where(self._codes[place] == codes, self._counts[place], 0)
        kinds, total = self._kinds[before], self._total[before]
        known = total > 0
        smoothed = (seen + kinds * self.alone[after]) / np.where(known, total + kinds, 1)
        chances: np.ndarray = np.where(known, smoothed, self.alone[after])
        return chances

    def draw(self, before: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """A token after each of some (n,), by these chances."""
        kinds, total = self._kinds[before], self._total[before]
        alone = random.random(len(before)) * (total + kinds) <= kinds
        place = np.searchsorted(self._through, random.random(len(before)))
        pick = (random.random(len(before)) * total).astype(int)
        following = self._following[(self._first[before] + pick).clip(max=len(self._following) - 1)]
        drawn: np.ndarray = np.where(alone, place.clip(max=self.vocabulary - 1), following)
        return drawn


@dataclass(frozen=True)
class Vocabulary:
    """One vocabulary, a number for each seed (R,) unless said otherwise.

    Attributes:
        size: tokens, V.
        characters: of a token, one number.
        nats: a character under the tokens' own frequencies, one number.
        steps: tokens of a piece of text.
        error: chance that a token is not the text's, after the text.
        recovery: chance that one is, after a wrong one.
        more: nats that the text's next token costs more after a wrong one.
        cost: nats a byte that the text costs more after one's own tokens, measured.
    """

    size: int
    characters: float
    nats: float
    steps: np.ndarray
    error: np.ndarray
    recovery: np.ndarray
    more: np.ndarray
    cost: np.ndarray

    @cached_property
    def foretold(self) -> np.ndarray:
        """The same by the cascade's formula, (d - c) S(T, e, r) over the bytes, (R,)."""
        rates = zip(self.error, self.steps, self.more, self.recovery, strict=True)
        lost = [cascade(e, round(steps) - 1, more, r) for e, steps, more, r in rates]
        return np.array(lost) / WINDOW

    def cells(self) -> list[str]:
        """A row of the table: medians."""
        each = [self.steps, self.error, self.recovery, self.more, self.cost, self.foretold]
        return [
            f"{self.size:,}",
            f"{self.characters:.2f}",
            f"{self.nats:.2f}",
            *(f"{np.median(one):.3g}" for one in each),
        ]


def pieces(text: str, encoding: Any, random: np.random.Generator) -> list[np.ndarray]:
    """The tokens of pieces of a text, each as many bytes long."""
    starts = random.integers(len(text) - WINDOW, size=WINDOWS)
    return [np.array(encoding.encode(text[at : at + WINDOW]).ids) for at in starts]


def beside(model: Pairs, piece: np.ndarray, random: np.random.Generator) -> dict[str, float]:
    """What a model does that writes beside a piece of text (T,), after its own tokens, several times: sums."""
    own = np.full(DRAWS, piece[0])
    totals = dict.fromkeys(("right", "wrong", "returns", "more"), 0.0)
    for before, after in itertools.pairwise(piece):
        target = np.full(DRAWS, after)
        off = own != before
        here = model.chance(own, target)
        there = model.chance(np.full(DRAWS, before), target)
        totals["right"] += float((1 - there).mean())
        totals["wrong"] += float(off.mean())
        totals["returns"] += float((here * off).mean())
        totals["more"] += float((np.log(there / here) * off).mean())
        own = model.draw(own, random)
    return totals | {"steps": float(len(piece))}


def measured(text: str, size: int, seeds: range) -> Vocabulary:
    """One vocabulary, learned from all of the text but what is held out."""
    cut = int(len(text) * (1 - HELD_OUT))
    known, held_out = text[:cut], text[cut:]
    encoding = tokeniser(known, size)
    tokens = np.array(encoding.encode(known).ids)
    model = Pairs(tokens, size)
    nats = -np.log(model.alone[tokens]).mean()
    characters = len(known) / len(tokens)
    rows = []
    for seed in seeds:
        random = np.random.default_rng(seed)
        sums = [beside(model, piece, random) for piece in pieces(held_out, encoding, random)]
        rows.append({name: np.mean([one[name] for one in sums]) for name in sums[0]})
    each = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    later = each["steps"] - 1
    return Vocabulary(
        size,
        characters,
        nats / characters,
        each["steps"],
        each["right"] / later,
        each["returns"] / each["wrong"],
        each["more"] / each["wrong"],
        each["more"] / WINDOW,
    )


def results(first: int = 0, seeds: int = SEEDS) -> list[Vocabulary]:
    """All vocabularies, the smallest first; the first seed is `first`."""
    text = words_of_python()
    return [measured(text, size, range(first, first + seeds)) for size in VOCABULARIES]


def claims(rows: list[Vocabulary]) -> list[Claim]:
    """What is said of vocabularies, and what is so."""
    smallest, largest = rows[0], rows[-1]
    errors = [np.median(row.error) for row in rows]
    costs = [np.median(row.cost) for row in rows]
    apart = max(float(np.abs(row.foretold / row.cost - 1).max()) for row in rows)
    rises = all(one < other for one, other in itertools.pairwise(errors))
    cheaper = bool((largest.cost < smallest.cost).all())
    worst = rows[int(np.argmax(errors))]
    ends = f"{errors[0]:.3f} a token at V = {smallest.size} and {errors[-1]:.3f} at V = {largest.size:,}"
    steps = (
        f"and takes fewer steps, {np.median(smallest.steps):.0f} and {np.median(largest.steps):.0f}"
    )
    spread = f"{costs[0]:.2f} nats a byte at V = {smallest.size} and {costs[-1]:.2f} at V = {largest.size:,}"
    return [
        *[known(row) for row in rows if row.size in PUBLISHED],
        Claim(
            f"A larger vocabulary errs more often, {ends}, at each step between, {steps}.",
            rises,
            f"A larger vocabulary errs more often, {ends}, though most often, {max(errors):.3f}, at V = {worst.size:,}, {steps}.",
        ),
        Claim(
            f"Per byte at equal bytes the cascade is cheaper in the larger vocabulary: {spread}.",
            cheaper,
            f"Per byte at equal bytes the cascade is not cheaper in the larger vocabulary: {spread}.",
        ),
        Claim(
            f"The formula with e, r and d - c as they are foretells these costs to {apart:.0%} (goal: {NEAR:.0%}).",
            apart <= NEAR,
        ),
    ]


def known(row: Vocabulary) -> Claim:
    """Whether a vocabulary is what was published of it."""
    characters, nats = PUBLISHED[row.size]
    near = abs(row.characters / characters - 1) <= NEAR and abs(row.nats / nats - 1) <= NEAR
    words = (
        f"At V = {row.size:,} a token has {row.characters:.2f} characters (published: {characters:g}) and a character "
        f"costs {row.nats:.2f} nats by the tokens' frequencies ({nats:g}; goal: within {NEAR:.0%})."
    )
    return Claim(words, near)


def draw(rows: list[Vocabulary]) -> None:
    """Error per token and cost per byte, by the vocabulary."""
    with figure("tokens", 2) as (left, right):
        sizes = [row.size for row in rows]
        left.semilogx(sizes, [row.error for row in rows], "o-", color="C0")
        left.set_ylabel("error a token, after the text")
        right.semilogx(sizes, [row.cost for row in rows], "o", color="C0")
        right.semilogx(sizes, [np.median(row.foretold) for row in rows], "--", color="0.4")
        right.set_ylabel("nats a byte that own tokens cost; dashed: the formula")
        for panel in (left, right):
            panel.set_xlabel("vocabulary")


def main() -> None:
    """5 seeds, of 30 pieces of 512 bytes each."""
    try:
        rows = results()
    except ImportError:
        raise SystemExit(
            'tokens: needs the package tokenizers; pip install -e ".[tokens]"'
        ) from None
    draw(rows)
    header = ["V", "characters a token", "nats a character", "tokens in 512 bytes", "e", "r"]
    header += ["d - c, nats", "nats a byte lost", "by the formula"]
    publish(
        "tokens",
        claims(rows),
        table(header, [row.cells() for row in rows]),
        f"Pairs of tokens beside held-out text, medians of {SEEDS} seeds.",
        costs={str(row.size): row.cost.tolist() for row in rows},
    )


if __name__ == "__main__":
    main()
