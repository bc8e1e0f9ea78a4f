"""Cards: a list as it is shown beside the list as it should be, with a tie from each thing's place to its right one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .canvas import BANNER, INK, PAPER, SOFT, Canvas, colour_of, mix
from .panel import block, lettering, note

CLICKED = "#7b8794"
"""The bar of what a thing was clicked."""
WANTED = "#2f855a"
"""The bar of what it is worth."""
PALE = "#eef4ee"
RICH = "#8fc9a3"
"""Cards of the least and of the most worth."""
TIE = "#c9ced6"
WRONG = "#c0392b"
"""Of a tie: its thing stands far too low."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Card(NamedTuple):
    """One thing of a list.

    Attributes:
        place: where it stands, from 0.
        right: where it should.
        worth: how likely it is clicked by whoever looks at it.
        clicks: how often it was clicked, of a visit.
        twin: where it stands in the expert's list; -1 where nobody asks.
    """

    place: int
    right: int
    worth: float
    clicks: float
    twin: int = -1

    @property
    def name(self) -> str:
        """A letter: A is the best."""
        return LETTERS[self.right % len(LETTERS)]


class Page:
    """A picture with two columns of cards.

    Args:
        size: width and height, pixels.
        count: cards in a column.
    """

    def __init__(self, size: tuple[int, int], count: int):
        width, height = size
        self.canvas = Canvas(size)
        self.count = count
        self.top = BANNER + 26
        self.step = (height - self.top - 6) / count
        self.width = 0.36 * width
        self.height = 0.8 * self.step
        self.left = 0.07 * width
        self.right = 0.6 * width
        letter = 0.55 * self.height
        least = max(letter, 7)
        self.letter = int(min(least, 15))

    def middle(self, place: int) -> float:
        """The middle row of a card."""
        top = self.top + place * self.step
        return top + self.height / 2

    def title(self, left: float, words: str, colour: str, beside: str = "") -> None:
        """What a column is, and what its bars are."""
        row = BANNER + 12
        size = lettering(self.canvas) + 1
        place = left, row
        width = self.canvas.text(words, place, colour, size, bold=True)
        start = left + width + 6
        note(self.canvas, beside, (start, row))

    def tie(self, card: Card) -> None:
        """From where a thing stands to where it should, the redder the more it stands too low."""
        below = card.place - card.right
        part = 2 * below / self.count
        share = np.clip(part, 0, 1)
        beside = self.left + self.width
        here = self.middle(card.place)
        there = self.middle(card.right)
        start = beside, here
        end = self.right, there
        paint = mix(TIE, WRONG, share)
        thick = 1.5 + 2 * share
        self.canvas.line([start, end], paint, thick)

    def card(self, left: float, place: int, name: str, paper: Any) -> None:
        """A card with its letter."""
        middle = self.middle(place)
        half = self.width / 2
        centre = left + half
        thick = self.height / 2
        self._block(centre, half, middle, thick, paper)
        start = left + 5, middle
        self.canvas.text(name, start, INK, self.letter, bold=True)

    def bar(self, left: float, place: int, part: float, colour: str) -> None:
        """A bar on a card, a part of the longest."""
        start = left + 2.2 * self.letter
        room = left + self.width - 8 - start
        half = 0.5 * room * part
        if half > 0.25:
            centre = start + half
            middle = self.middle(place)
            thick = 0.22 * self.height
            self._block(centre, half, middle, thick, colour)

    def _block(self, centre: float, half: float, middle: float, thick: float, paint: Any) -> None:
        """A filled rectangle: its middle, and half of its width and height."""
        top = middle - thick
        foot = middle + thick
        block(self.canvas, centre, half, (top, foot), paint)

    def twin(self, card: Card) -> None:
        """A thing's letter where it stands in the expert's list, beside the cards."""
        if card.twin < 0:
            return
        place = self.left - 6, self.middle(card.twin)
        paint = colour_of(0)
        self.canvas.text(card.name, place, paint, self.letter, bold=True, part=1)

    def fold(self, limit: int) -> None:
        """The line below which nothing is shown."""
        above = limit - 0.1
        row = self.top + above * self.step
        end = self.left + self.width
        start = self.left, row
        self.canvas.line([start, (end, row)], WRONG, 2)
        column = end - 4
        beneath = row + 0.5 * self.step
        note(self.canvas, "not shown", (column, beneath), SOFT, part=1)


def cards(
    size: tuple[int, int], shown: Sequence[Card], limit: int, colour: str | None = None
) -> np.ndarray:
    """A picture (height, width, 3) of a list, first what stands first.

    Args:
        size: width and height, pixels.
        shown: the things, in any order.
        limit: how many places are shown at all.
        colour: of whose list it is; the first learner's unless given.
    """
    count = len(shown)
    page = Page(size, count)
    paint = colour or colour_of(1)
    page.title(page.left, "today", paint, "bar: clicks")
    page.title(page.right, "as it should be", WANTED)
    for card in shown:
        page.tie(card)
    most = max(card.clicks for card in shown)
    clicks = max(most, 1e-9)
    worth = max(card.worth for card in shown)
    for card in shown:
        part = card.worth / worth
        tint = mix(PALE, RICH, part)
        is_shown = card.place < limit
        paper = tint if is_shown else PAPER
        clicked = card.clicks / clicks
        page.card(page.left, card.place, card.name, paper)
        page.bar(page.left, card.place, clicked, CLICKED)
        page.card(page.right, card.right, card.name, tint)
        page.bar(page.right, card.right, part, WANTED)
        page.twin(card)
    if limit < count:
        page.fold(limit)
    return page.canvas.image()
