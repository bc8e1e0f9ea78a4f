"""i' = i + 1, letter i' = a: spell a handwritten word, one letter after the other, from its pictures and what one wrote.

Real words, Taskar's letters: 6,877 of them in 10 folds, which hold the same 55 words in other hands; spelling is a
decision process as in Ross, Gordon & Bagnell (2011), section 5.3. One observes the picture of the letter that is due
and the letter that one wrote before it, right or wrong. Learn in the words of nine folds (`split` train) and compare
in those of the tenth: `dataclasses.replace(env, split="test")`. Episodes take the words in a random order that comes
back to none before all were there, so that as many episodes as words are each word once.

What was written touches the next state through the policy alone: under the same action any two states of a place are
the same after it, L = 0. Whatever drifts here drifts in the closed loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from gymnasium import spaces

from il_bench import Certificate, Env, Streams, Values, require
from il_bench.datasets import letters
from il_bench.datasets.letters import ALPHABET, FOLDS, HEIGHT, LONGEST, WIDTH
from il_bench.paint.canvas import BANNER, INK, PAPER, RULE, SOFT, Canvas, colour_of, mix

PIXELS = HEIGHT * WIDTH
# Of the picture: letters as they were written, and where the next is due.
RIGHT = "#009E73"
WRONG = "#B5179E"
DUE = "#fff3c4"
STATES = {"word": "number of the word", "position": "letters written"}


@lru_cache(maxsize=1024)  # of two bytes a word: 13 MB
def _order(seed: int, path: str, epoch: int, count: int) -> np.ndarray:
    """The order of the words (count,) in one pass through them."""
    order = Streams((seed,), path=path).permutation("words", epoch, count)
    return order[0].numpy().astype(np.int16)


@dataclass(frozen=True, kw_only=True)
class Ocr(Env):
    """i' = i + 1, letter i' = a: spell handwritten words; a misread letter misleads the next. Real data, fetched once."""

    horizon: int = LONGEST
    """Steps in an episode, T; the longest word has 14 letters."""
    fold: Values = 0.0
    """The tenth of the words that is held out, 0 to 9; learn in the others."""
    split: Literal["train", "test"] = "train"
    """Words of the nine other folds, or of the one held out; run draws both learning and comparison from one split."""
    previous: bool = True
    """Whether one sees the letter that one wrote before; without, each letter is read for itself."""

    indicator: ClassVar = True
    states: ClassVar = STATES | dict.fromkeys(
        [f"letter {k}" for k in range(1, LONGEST + 1)],
        "0 to 25 for a to z, -1 before it is written",
    )
    noise_size: ClassVar = 0
    ending: ClassVar = "word ended"

    def validate(self) -> None:
        """A fold that there is, and words on this machine."""
        folds = self.values("fold")
        require(
            all(fold in range(FOLDS) for fold in folds),
            f"fold: expected whole numbers from 0 to {FOLDS - 1}, got {self.fold}; try 0",
        )
        letters.load()

    @cached_property
    def _data(self) -> dict[str, torch.Tensor]:
        """Pictures and labels of all letters, start and length of all words."""
        data = letters.load()
        return {
            "pixels": self._tensor(data.pixels),
            "letter": self._tensor(data.letter),
            "start": self._tensor(data.start),
            "length": self._tensor(data.length),
        }

    def _tensor(self, part: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(part.copy()).to(self.device)

    @cached_property
    def words(self) -> list[np.ndarray]:
        """The numbers of the words that each run may meet, in the order of the data."""
        fold = letters.load().fold
        test = self.split == "test"
        chosen = self.values("fold")
        numbers = {}
        for out in set(chosen):
            in_fold = fold == out
            numbers[out] = np.flatnonzero(in_fold == test)
        return [numbers[out] for out in chosen]

    @property
    def observation_space(self) -> spaces.Box:
        """The picture's pixels, and one bit for each letter that may have been written before; none at the first."""
        return spaces.Box(0.0, 1.0, (PIXELS + ALPHABET * self.previous,))

    @property
    def action_space(self) -> spaces.Discrete:
        """The letter that is written, a to z."""
        return spaces.Discrete(ALPHABET)

    def _word(self, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The word (R, E), the place of the letter that is due, and the word's length, for any numbers in a state."""
        lengths = self._data["length"]
        most = len(lengths) - 1
        number = state[..., 0].long()
        word = number.clamp(0, most)
        length = lengths[word].long()
        count = state[..., 1].long()
        position = count.clamp_min(0)
        place = torch.minimum(position, length - 1)
        return word, place, length

    def _due(self, state: torch.Tensor) -> torch.Tensor:
        """The number (R, E) of the letter, among all of the data, that is due; at the end, the last."""
        word, place, _ = self._word(state)
        first = self._data["start"][word]
        return first + place

    def right(self, state: torch.Tensor) -> torch.Tensor:
        """The letter (R, E) that is due, 0 to 25, in float64."""
        due = self._due(state)
        letter = self._data["letter"][due]
        return letter.to(torch.float64)

    def written(self, state: torch.Tensor) -> torch.Tensor:
        """The letter (R, E) that was written last, -1 at the beginning."""
        count = state[..., 1].long()
        place = count.clamp(0, LONGEST)
        before = (place - 1).clamp_min(0)
        own = state[..., 2:]
        last = own.gather(-1, before[..., None])
        return torch.where(place > 0, last[..., 0], -1.0)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Words in an order of their own for each run and purpose, each once before any comes again."""
        size = 2 + LONGEST
        state = torch.full((self.runs, episodes, size), -1.0, dtype=torch.float64)
        state[..., 1] = 0
        for run, words in enumerate(self.words):
            order = _turns(streams, run, episodes, len(words))
            state[run, :, 0] = torch.from_numpy(words[order])
        return state.to(self.device)

    def transition(
        self, state: torch.Tensor, action: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """The letter is written down and the next is due; beyond the end the last is written over."""
        _, place, _ = self._word(state)
        places = torch.arange(LONGEST, device=state.device)
        here = places == place[..., None]
        own = state[..., 2:]
        after = torch.where(here, action, own)
        position = (place + 1).to(state.dtype)
        word = state[..., :1]
        return torch.cat((word, position[..., None], after), -1)

    def observation(self, state: torch.Tensor) -> torch.Tensor:
        """The picture of the letter that is due, and the letter before as it was written, one-hot."""
        due = self._due(state)
        pixels = self._data["pixels"][due]
        picture = pixels.to(torch.float32)
        if not self.previous:
            return picture
        alphabet = torch.arange(ALPHABET, device=state.device)
        before = self.written(state)[..., None] == alphabet
        return torch.cat((picture, before.to(torch.float32)), -1)

    def reward(
        self, state: torch.Tensor, action: torch.Tensor, next_state: torch.Tensor
    ) -> torch.Tensor:
        """1 for the right letter."""
        right = action[..., 0] == self.right(state)
        return right.to(state.dtype)

    def terminal(self, state: torch.Tensor) -> torch.Tensor:
        """At the end of the word."""
        _, _, length = self._word(state)
        return state[..., 1] >= length

    def difference(self, state: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """0 where the same letter was written last, 1 where not."""
        apart = self.written(state) != self.written(other)
        return apart.to(state.dtype)[..., None]

    def certificate(self) -> Certificate:
        """0: a step writes the same letter into both states, whatever was written before."""
        size = 2 + LONGEST
        first = [float(words[0]) for words in self.words]
        one = torch.full((self.runs, 1, size), -1.0, dtype=torch.float64)
        one[:, 0, 0] = torch.tensor(first)
        one[..., 1] = 1
        one[..., 2] = 0
        other = one.clone()
        other[..., 2] = 1
        zero = (0.0,) * self.runs
        one_apart = (1.0,) * self.runs
        return Certificate(
            value=zero,
            metric="0/1",
            kind="exact",
            pair=(one, other),
            closed_loop=one_apart,
            diameter=one_apart,
            note="of the letter written last, which reaches the next through the policy alone; the expert parts places",
        )

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The word's pictures in a row, beneath them as what they were read (wrong ones boxed), then the twin's."""
        canvas = Canvas(size)
        word = int(state[0])
        position = int(state[1])
        data = letters.load()
        first = data.start[word]
        last = first + int(data.length[word])
        label = data.letter[first:last].tolist()
        row = _Row(size, last - first)
        row.titles(canvas, ghost is not None)
        row.due(canvas, position, self.previous)
        row.handwriting(canvas, data.pixels[first:last], position)
        row.spelling(canvas, 0.65, state[2:], label, colour or RIGHT)
        if ghost is not None:
            row.spelling(canvas, 0.89, ghost[2:], None, colour_of(0))
        row.score(canvas, state[2 : 2 + position], label)
        return canvas.image()


def _turns(streams: Streams, run: int, episodes: int, count: int) -> np.ndarray:
    """Which of `count` words each episode (E,) of a run takes, pass after pass through all of them."""
    first = streams.first
    if not isinstance(first, int):
        first = int(first[run])
    numbers = first + np.arange(episodes)
    epoch, place = np.divmod(numbers, count)
    seed = streams.seeds[run]
    start = epoch[0]
    passes = range(start, epoch[-1] + 1)
    orders = [_order(seed, streams.path, number, count) for number in passes]
    return np.stack(orders)[epoch - start, place]


def _box(x: float, y: float, half: float, tall: float) -> list[tuple[float, float]]:
    """Corners of a box around (x, y), half its width and half its height to each side; pixels."""
    left = x - half
    right = x + half
    top = y - tall
    foot = y + tall
    return [
        (left, top),
        (right, top),
        (right, foot),
        (left, foot),
    ]


class _Row:
    """Where the letters of a word stand in a picture, pixels.

    Args:
        size: of the picture.
        length: of the word, letters.
    """

    def __init__(self, size: tuple[int, int], length: int):
        self.width, height = size
        self.tall = height - BANNER
        widest = 0.96 * self.width / length
        self.step = min(widest, 0.17 * self.tall)
        numbers = np.arange(length)
        from_middle = numbers - (length - 1) / 2
        self.x = self.width / 2 + from_middle * self.step

    def y(self, share: float) -> float:
        """A row of the picture, by its share of what lies beneath a film's banner."""
        return BANNER + share * self.tall

    def titles(self, canvas: Canvas, twin: bool) -> None:
        """What the rows are."""
        rows = {"handwriting": 0.05, "read as": 0.55}
        if twin:
            rows["read by the twin"] = 0.8
        size = max(7, round(0.036 * self.tall))
        left = 0.02 * self.width
        for words, share in rows.items():
            canvas.text(words, (left, self.y(share)), SOFT, size)

    def due(self, canvas: Canvas, position: int, previous: bool) -> None:
        """Where the next letter is due, and the one before it, if both are seen."""
        if position >= len(self.x):
            return
        here = self.x[position]
        half = 0.48 * self.step
        box = _box(here, self.y(0.27), half, 0.17 * self.tall)
        canvas.polygon(box, DUE)
        if position and previous:
            before = self.x[position - 1], self.y(0.58)
            after = here, self.y(0.45)
            canvas.line([before, after], INK, 0.006 * self.tall)

    def handwriting(self, canvas: Canvas, inks: np.ndarray, position: int) -> None:
        """The pictures (letters, pixels) of the word; those to come are fainter."""
        faint = mix(PAPER, INK, 0.35)
        pictures = inks.reshape(-1, HEIGHT, WIDTH)
        for k, ink in enumerate(pictures):
            colour = INK if k <= position else faint
            self._letter(canvas, self.x[k], ink, colour)

    def _letter(self, canvas: Canvas, middle: float, ink: np.ndarray, colour: Any) -> None:
        """A picture (HEIGHT, WIDTH) around a column."""
        half = 0.4 * self.step / WIDTH  # a pixel's side
        level = self.y(0.27)
        dots = np.argwhere(ink)
        across = 2 * dots[:, 1] + 1 - WIDTH
        down = 2 * dots[:, 0] + 1 - HEIGHT
        columns = middle + across * half
        rows = level + down * half
        for x, y in zip(columns, rows, strict=True):
            canvas.polygon(_box(x, y, half, half), colour)

    def spelling(
        self, canvas: Canvas, share: float, written: np.ndarray, label: Any, colour: str
    ) -> None:
        """A row of written letters in a colour; those that are not the label's white in a box."""
        half = 0.4 * self.step
        y = self.y(share)
        foot = y + half
        for k, x in enumerate(self.x):
            canvas.line([(x - half, foot), (x + half, foot)], RULE, 2)
            letter = int(written[k])
            if letter < 0:
                continue
            wrong = label is not None and letter != label[k]
            if wrong:
                canvas.polygon(_box(x, y, half, half), WRONG)
            tone = PAPER if wrong else colour
            self._print(canvas, letter, (x, y), tone)

    def _print(self, canvas: Canvas, letter: int, at: tuple[float, float], tone: str) -> None:
        """A letter, 0 to 25, in print."""
        sign = chr(ord("a") + letter)
        size = max(6, round(0.55 * self.step))
        canvas.text(sign, at, tone, size, bold=True, part=0.5)

    def score(self, canvas: Canvas, written: np.ndarray, label: list[int]) -> None:
        """How many of the letters written were wrong."""
        letters_so_far = min(len(written), len(label))
        apart = written[:letters_so_far] != label[:letters_so_far]
        wrong = int(apart.sum())
        words = f"a word of {len(label)} letters"
        if letters_so_far:
            words = f"{wrong} of {letters_so_far} wrong"
        right = 0.98 * self.width
        at = right, self.y(0.05)
        colour = WRONG if wrong else SOFT
        size = max(7, round(0.045 * self.tall))
        canvas.text(words, at, colour, size, part=1.0)
