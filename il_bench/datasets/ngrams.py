"""N-grams: what follows the last symbols of a text, smoothed so that nothing is impossible, as an automaton.

Witten & Bell (1991): after a context h that T(h) different symbols have followed, c(h) times in all, a symbol a has the
chance (c(h a) + T(h) p(a | h')) / (c(h) + T(h)), where h' is h without its oldest symbol, and each of V symbols 1/V
beneath the empty context. A context that never occurred says what the longest of its endings that did says, so that a
node is a context that occurred, and the automaton is exact on every prefix.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from ..core.automaton import Automaton
from ..core.settings import require
from .texts import Text

MOST = 20_000_000
"""Cells of an automaton's tables, 16 bytes each."""


class Contexts(NamedTuple):
    """The contexts of one length that something followed.

    Attributes:
        length: symbols.
        codes: (C,) int64, ascending: the symbols as digits of a number to the base V, the latest last.
        counts: (C, V) how often each symbol followed.
    """

    length: int
    codes: np.ndarray
    counts: np.ndarray


@lru_cache(maxsize=4)
def witten_bell(text: Text, order: int) -> Automaton:
    """The automaton of a text's n-grams.

    Args:
        text: what is counted.
        order: n, symbols; the next one is foretold by the n - 1 before it.

    Raises:
        ValueError: when the text is too short, or its contexts are too many.
    """
    size = len(text.alphabet)
    length = len(text.symbols)
    enough = length > order and size > 1
    wanted = f"expected more than {order} characters, of 2 kinds at least"
    advice = "name a longer text, or lower --order"
    require(enough, f"text_file: {wanted}, got {length} of {size}; {advice}")
    every = [_contexts(text.symbols, size, length) for length in range(order)]
    chances = torch.from_numpy(_chances(every, size))
    following = torch.from_numpy(_following(every, size))
    start = torch.zeros(len(following), dtype=torch.float64)
    start[0] = 1
    return Automaton(chances[None], following, start)


def _chances(every: list[Contexts], size: int) -> np.ndarray:
    """Chances (N, V) of what follows all contexts, the shortest first."""
    empty, *_ = every
    even = np.full((1, size), 1 / size)
    last = _smoothed(empty, even)
    chances = [last]
    for shorter, longer in itertools.pairwise(every):
        endings = _endings(longer.codes, shorter.length, size)
        places = np.searchsorted(shorter.codes, endings)
        last = _smoothed(longer, last[places])
        chances.append(last)
    return np.concatenate(chances)


def _endings(codes: np.ndarray, length: int, size: int) -> np.ndarray:
    """The codes of the last symbols, so many, of coded contexts."""
    base = size**length
    return codes % base


def _contexts(symbols: np.ndarray, size: int, length: int) -> Contexts:
    """The contexts of a length in a text of numbers below `size`."""
    ends = len(symbols) - length
    code = np.zeros(ends, dtype=np.int64)
    for place in range(length):
        last = place + ends
        digit = symbols[place:last]
        code = code * size + digit
    codes, places = np.unique(code, return_inverse=True)
    cells = len(codes) * size
    many = f"order: expected tables of at most {MOST:,} cells, got {cells:,}"
    require(cells <= MOST, f"{many}; lower --order or --vocabulary")
    next_ones = symbols[length:]
    row = places.ravel() * size
    flat = np.bincount(row + next_ones, minlength=cells)
    counts = flat.reshape(-1, size)
    return Contexts(length, codes, counts)


def _smoothed(contexts: Contexts, shorter: np.ndarray) -> np.ndarray:
    """Chances (C, V) of what follows contexts, from their counts and the chances (C, V) after their endings."""
    counts = contexts.counts
    occurs = counts > 0
    kinds = occurs.sum(1, keepdims=True)
    total = counts.sum(1, keepdims=True)
    weighted = counts + kinds * shorter
    smooth: np.ndarray = weighted / (total + kinds)
    return smooth


def _following(every: list[Contexts], size: int) -> np.ndarray:
    """The node (N, V) of the longest ending of each context and symbol that is a context itself."""
    sizes = [len(contexts.codes) for contexts in every]
    firsts = np.cumsum([0, *sizes])
    symbols = np.arange(size)
    rows = []
    for contexts in every:
        longer = contexts.codes[:, None] * size + symbols
        node = np.zeros_like(longer)
        most = contexts.length + 2
        for ending in every[1:most]:
            codes = _endings(longer, ending.length, size)
            place, occurs = _places(ending, codes)
            its = firsts[ending.length] + place
            node[occurs] = its[occurs]
        rows.append(node)
    return np.concatenate(rows)


def _places(contexts: Contexts, code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places (...) of codes (...) among contexts, and whether they are there at all."""
    known = contexts.codes
    after = np.searchsorted(known, code)
    last = len(known) - 1
    place = after.clip(max=last)
    return place, known[place] == code
