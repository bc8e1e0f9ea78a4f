"""context' = the last n - 1 symbols, a: a text whose next symbol is foretold by the last few, as often as in a real one.

An n-gram model, smoothed after Witten and Bell so that no symbol is impossible, of the help that comes with Python or of
any file. It recovers by itself: n - 1 symbols after an error nothing is left of it, whoever wrote them. So this is the
honest counterexample: one's own errors lead into prefixes that are not harder than others, and hardly accumulate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from il_bench import Automaton, Language, require
from il_bench.datasets import texts
from il_bench.datasets.ngrams import witten_bell

SHOWN = {" ": "_", "\n": "¶", "\t": "→"}
"""Characters that would not be seen."""
HIGHEST = 5


@dataclass(frozen=True, kw_only=True)
class Text(Language):
    """The n-grams of a real text, character by character: an error is forgotten as soon as it is out of sight."""

    text_file: str = ""
    """A text in UTF-8; without one, the help on Python's topics that comes with Python."""
    vocabulary: int = 64
    """Characters that are told apart at most, V: the most frequent; all others are one."""
    order: int = 3
    """Characters of an n-gram, n: the next is foretold by the n - 1 before it."""
    sha256: str = ""
    """Of the text that is meant, which is filled in; where it is given, another text is refused."""

    def require_language(self) -> None:
        """A text that is the one that is meant, and long enough."""
        size, order = self.vocabulary, self.order
        require(size >= 2, f"vocabulary: expected at least 2 characters, got {size}; try 64")
        some = 1 <= order <= HIGHEST
        require(some, f"order: expected from 1 to {HIGHEST} characters, got {order}; try 3")
        found = self._text.sha256
        other = f"sha256: expected a text of {self.sha256}, got one of {found}"
        same = self.sha256 in ("", found)
        require(same, f"{other}; name that text's file, or leave sha256 out to take this one")
        object.__setattr__(self, "sha256", found)
        _ = self.automaton

    @cached_property
    def _text(self) -> texts.Text:
        """What is counted."""
        return texts.read(self.text_file, self.vocabulary)

    @cached_property
    def automaton(self) -> Automaton:
        """A node for each context that occurs in the text, the empty one first."""
        return witten_bell(self._text, self.order)

    @property
    def symbol_bytes(self) -> tuple[float, ...]:
        """Bytes of the characters in UTF-8; of what stands for those that are too rare, the mean of theirs."""
        return self._text.bytes

    @property
    def signs(self) -> tuple[str, ...]:
        """The characters, blanks and ends of lines as signs."""
        alphabet = self._text.alphabet
        return tuple(SHOWN.get(character, character) for character in alphabet)
