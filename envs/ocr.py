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
from il_bench.paint.canvas import INK, PAPER, RULE, SOFT, Canvas, colour_of, mix

PIXELS = HEIGHT * WIDTH
RIGHT, WRONG, DUE = (
    "#009E73",
    "#B5179E",
    "#fff3c4",
)  # of the picture: what was written, and where the next is due


def _box(x: float, y: float, half: float, tall: float) -> list[tuple[float, float]]:
    """Corners of a box around (x, y), half its width and half its height to each side; pixels."""
    return [(x - half, y - tall), (x + half, y - tall), (x + half, y + tall), (x - half, y + tall)]


@lru_cache(maxsize=1024)  # of two bytes a word: 13 MB
def _order(seed: int, path: str, epoch: int, count: int) -> np.ndarray:
    """The order of the words (count,) in one pass through them."""
    return (
        Streams((seed,), path=path).permutation("words", epoch, count)[0].numpy().astype(np.int16)
    )


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

    states: ClassVar = {
        "word": "number of the word",
        "position": "letters written",
        **{
            f"letter {k + 1}": "0 to 25 for a to z, -1 before it is written" for k in range(LONGEST)
        },
    }
    noise_size: ClassVar = 0
    ending: ClassVar = "word ended"

    def validate(self) -> None:
        """A fold that there is, and words on this machine."""
        known = all(fold in range(FOLDS) for fold in self.values("fold"))
        require(
            known, f"fold: expected whole numbers from 0 to {FOLDS - 1}, got {self.fold}; try 0"
        )
        letters.load()

    @cached_property
    def _held(self) -> dict[str, torch.Tensor]:
        """Pictures and labels of all letters, start and length of all words."""
        held = letters.load()
        parts = {
            "pixels": held.pixels,
            "letter": held.letter,
            "start": held.start,
            "length": held.length,
        }
        return {name: torch.from_numpy(part.copy()).to(self.device) for name, part in parts.items()}

    @cached_property
    def words(self) -> list[np.ndarray]:
        """The numbers of the words that each run may meet, in the order of the data."""
        fold, test, chosen = letters.load().fold, self.split == "test", self.values("fold")
        found = {out: np.flatnonzero((fold == out) == test) for out in set(chosen)}
        return [found[out] for out in chosen]

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
        word = state[..., 0].long().clamp(0, len(self._held["start"]) - 1)
        length = self._held["length"][word].long()
        return word, torch.minimum(state[..., 1].long().clamp_min(0), length - 1), length

    def _due(self, state: torch.Tensor) -> torch.Tensor:
        """The number (R, E) of the letter, among all of the data, that is due; at the end, the last."""
        word, place, _ = self._word(state)
        return self._held["start"][word] + place

    def right(self, state: torch.Tensor) -> torch.Tensor:
        """The letter (R, E) that is due, 0 to 25, in float64."""
        return self._held["letter"][self._due(state)].to(torch.float64)

    def written(self, state: torch.Tensor) -> torch.Tensor:
        """The letter (R, E) that was written last, -1 at the beginning."""
        place = state[..., 1].long().clamp(0, LONGEST)
        last = state[..., 2:].gather(-1, (place - 1).clamp_min(0)[..., None])[..., 0]
        return torch.where(place > 0, last, -1.0)

    def initial(self, streams: Streams, episodes: int) -> torch.Tensor:
        """Words in an order of their own for each run and purpose, each once before any comes again."""
        state = torch.full((self.runs, episodes, 2 + LONGEST), -1.0, dtype=torch.float64)
        for run, words in enumerate(self.words):
            first = streams.first if isinstance(streams.first, int) else int(streams.first[run])
            epoch, place = np.divmod(first + np.arange(episodes), len(words))
            passes = [
                _order(streams.seeds[run], streams.path, e, len(words))
                for e in range(epoch[0], epoch[-1] + 1)
            ]
            state[run, :, 0] = torch.from_numpy(words[np.stack(passes)[epoch - epoch[0], place]])
        state[..., 1] = 0
        return state.to(self.device)

    def transition(
        self, state: torch.Tensor, action: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """The letter is written down and the next is due; beyond the end the last is written over."""
        _, place, _ = self._word(state)
        here = torch.arange(LONGEST, device=state.device) == place[..., None]
        after = torch.where(here, action, state[..., 2:])
        return torch.cat((state[..., :1], (place + 1)[..., None].to(state.dtype), after), -1)

    def observation(self, state: torch.Tensor) -> torch.Tensor:
        """The picture of the letter that is due, and the letter before as it was written, one-hot."""
        picture = self._held["pixels"][self._due(state)].to(torch.float32)
        if not self.previous:
            return picture
        before = self.written(state)[..., None] == torch.arange(ALPHABET, device=state.device)
        return torch.cat((picture, before.to(torch.float32)), -1)

    def reward(
        self, state: torch.Tensor, action: torch.Tensor, next_state: torch.Tensor
    ) -> torch.Tensor:
        """1 for the right letter."""
        return (action[..., 0] == self.right(state)).to(state.dtype)

    def terminal(self, state: torch.Tensor) -> torch.Tensor:
        """At the end of the word."""
        return state[..., 1] >= self._word(state)[2]

    def difference(self, state: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """0 where the same letter was written last, 1 where not."""
        return (self.written(state) != self.written(other)).to(state.dtype)[..., None]

    def certificate(self) -> Certificate:
        """0: a step writes the same letter into both states, whatever was written before."""
        one = torch.full((self.runs, 1, 2 + LONGEST), -1.0, dtype=torch.float64)
        one[:, 0, 0] = torch.tensor([float(words[0]) for words in self.words])
        one[..., 1], one[..., 2] = 1, 0
        other = one.clone()
        other[..., 2] = 1
        zero = (0.0,) * self.runs
        return Certificate(
            value=zero, metric="0/1", kind="exact", pair=(one, other), closed_loop=zero, diameter=(1.0,) * self.runs,
            note="of the letter written last; it reaches the next one through the policy alone",
        )  # fmt: skip

    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
    ) -> np.ndarray:
        """The word's pictures in a row, beneath them as what they were read (wrong ones boxed), then the twin's."""
        (w, h), canvas, held, word = size, Canvas(size), letters.load(), int(state[0])
        start, length, position = held.start[word], int(held.length[word]), int(state[1])
        inks = held.pixels[start : start + length].reshape(length, HEIGHT, WIDTH)
        label = held.letter[start : start + length].tolist()
        step = min(0.96 * w / length, 0.17 * h)
        x = w / 2 + (np.arange(length) - (length - 1) / 2) * step
        rows = {"handwriting": 0.14 * h, "read as": 0.6 * h, "read by the twin": 0.82 * h}
        for words, y in list(rows.items())[: 2 if ghost is None else 3]:
            canvas.text(words, (0.02 * w, y), SOFT, max(7, round(0.032 * h)))
        dot = 0.4 * step / WIDTH  # half a pixel's side
        if position < length:
            canvas.polygon(_box(x[position], 0.34 * h, 0.48 * step, 0.16 * h), DUE)
            if (
                position and self.previous
            ):  # both are seen: what is due, and what was written before
                canvas.line([(x[position - 1], 0.625 * h), (x[position], 0.51 * h)], INK, 0.006 * h)
        for k in range(length):
            for row, column in np.argwhere(inks[k]):
                at = x[k] + (2 * column + 1 - WIDTH) * dot, 0.34 * h + (2 * row + 1 - HEIGHT) * dot
                canvas.polygon(_box(*at, dot, dot), INK if k <= position else mix(PAPER, INK, 0.35))
        self._line(canvas, x, 0.68 * h, step, state[2:], label)
        if ghost is not None:
            self._line(canvas, x, 0.9 * h, step, ghost[2:], None)
        wrong = sum(
            int(a) != b for a, b in zip(state[2 : 2 + min(position, length)], label, strict=False)
        )
        said = f"{wrong} of {position} wrong" if position else f"a word of {length} letters"
        canvas.text(
            said,
            (0.98 * w, rows["handwriting"]),
            WRONG if wrong else SOFT,
            max(7, round(0.04 * h)),
            part=1.0,
        )
        return canvas.image()

    def _line(
        self, canvas: Canvas, x: np.ndarray, y: float, step: float, letter: np.ndarray, label: Any
    ) -> None:
        """A row of written letters: right ones green, wrong ones white in a box; all of them the twin's without a label."""
        half = 0.4 * step
        for k, here in enumerate(x):
            canvas.line([(here - half, y + half), (here + half, y + half)], RULE, 2)
            if letter[k] < 0:
                continue
            colour = colour_of(0) if label is None else RIGHT
            if label is not None and int(letter[k]) != label[k]:
                canvas.polygon(_box(here, y, half, half), WRONG)
                colour = PAPER
            canvas.text(
                chr(ord("a") + int(letter[k])),
                (here, y),
                colour,
                max(6, round(0.55 * step)),
                True,
                0.5,
            )
