"""Random numbers as a function of (seed, purpose, episode): no generator is shared, so none can be disturbed.

Every number that the library draws comes from a counter-based generator (Philox: Salmon et al., SC 2011) whose key
is the run's seed and the purpose, and whose counter starts at the episode. Time runs along the stream. Hence

* run r draws the same numbers alone or among others, and episode e the same among 4 episodes or 400;
* the expert's twin sees the learner's noise, however many numbers the learner drew for itself;
* a longer horizon only appends.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch


@lru_cache(maxsize=4096)
def _purpose_key(path: str, purpose: str) -> int:
    name = f"{path}/{purpose}".encode()
    digest = hashlib.blake2b(name, digest_size=8).digest()
    return int.from_bytes(digest, "little")


_EMPTY = np.zeros(4, dtype=np.uint64)


class Streams:
    """The random numbers of R runs.

    Args:
        seeds: one non-negative integer for each run (R,).
        device: where the drawn tensors are put.
        path: the purposes above this one; `fork` extends it.
        first: the number of the first episode, one for all runs or one for each (R,).
        numbers: each episode's own number (R, E), where they do not follow one another; they count from the first.
        generator: a Philox generator to use; it is keyed anew for every stream, so that sharing it changes nothing.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        device: str = "cpu",
        path: str = "",
        first: int | Sequence[int] = 0,
        generator: np.random.Generator | None = None,
        numbers: np.ndarray | None = None,
    ):
        for seed in seeds:
            _require_seed(seed)
        self.seeds = tuple(seeds)
        self.device = device
        self.path = path
        self.first = first
        self.numbers = numbers
        self._generator = generator or np.random.Generator(np.random.Philox(key=0))

    def fork(self, *labels: str | int) -> Streams:
        """The streams of a purpose below this one, such as `streams.fork("round", 3)`."""
        names = map(str, labels)
        path = "/".join((self.path, *names))
        return Streams(self.seeds, self.device, path, self.first, self._generator)

    def from_episode(self, first: int | Sequence[int]) -> Streams:
        """The same streams, beginning with episode `first`."""
        return Streams(self.seeds, self.device, self.path, first, self._generator)

    def at(self, numbers: np.ndarray) -> Streams:
        """The same streams at episodes of these numbers (R, E), of each run its own; `fork` goes back to all of them."""
        return Streams(self.seeds, self.device, self.path, self.first, self._generator, numbers)

    def later(self, episodes: int) -> Streams:
        """The same streams, beginning so many episodes later."""
        if isinstance(self.first, int):
            return self.from_episode(self.first + episodes)
        return self.from_episode([first + episodes for first in self.first])

    def of(self, runs: Iterable[int]) -> Streams:
        """The streams of some of the runs."""
        runs = list(runs)
        seeds = [self.seeds[run] for run in runs]
        first = self.first
        if not isinstance(first, int):
            first = [first[run] for run in runs]
        return Streams(seeds, self.device, self.path, first, self._generator)

    def generator(self, run: int, purpose: str, episode: int = 0) -> np.random.Generator:
        """NumPy's generator at the head of one stream; valid until the next call (re-keying is 6 x cheaper)."""
        first = self.first if isinstance(self.first, int) else self.first[run]
        if self.numbers is not None:
            episode = int(self.numbers[run, episode])
        self._generator.bit_generator.state = {
            "bit_generator": "Philox",
            "state": {
                "counter": (0, 0, int(first) + episode, 0),
                "key": (self.seeds[run], _purpose_key(self.path, purpose)),
            },
            "buffer": _EMPTY,
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        return self._generator

    def normal(self, purpose: str, episodes: int, *shape: int) -> torch.Tensor:
        """Standard normal numbers (R, E, *shape), float64."""
        numbers = np.empty((len(self.seeds), episodes, *shape))
        for place in self._places(episodes):
            generator = self.generator(place[0], purpose, place[1])
            generator.standard_normal(out=numbers[place])
        return torch.from_numpy(numbers).to(self.device)

    def uniform(self, purpose: str, episodes: int, *shape: int) -> torch.Tensor:
        """Uniform numbers in [0, 1), (R, E, *shape), float64."""
        numbers = np.empty((len(self.seeds), episodes, *shape))
        for place in self._places(episodes):
            generator = self.generator(place[0], purpose, place[1])
            generator.random(out=numbers[place])
        return torch.from_numpy(numbers).to(self.device)

    def _places(self, episodes: int) -> Iterator[tuple[int, int]]:
        """Every run and episode."""
        return itertools.product(range(len(self.seeds)), range(episodes))

    def permutation(self, purpose: str, index: int, count: int) -> torch.Tensor:
        """One permutation of `count` things for each run (R, count), int64."""
        generators = self._each(purpose, index)
        rows = [generator.permutation(count) for generator in generators]
        return self._stacked(rows)

    def integers(self, purpose: str, high: int, *shape: int) -> torch.Tensor:
        """Integers below `high` (R, *shape), int64."""
        generators = self._each(purpose, 0)
        rows = [generator.integers(high, size=shape) for generator in generators]
        return self._stacked(rows)

    def _stacked(self, rows: list[np.ndarray]) -> torch.Tensor:
        """What was drawn for each run, as one tensor (R, ...)."""
        numbers = np.stack(rows)
        return torch.from_numpy(numbers).to(self.device)

    def _each(self, purpose: str, episode: int) -> Iterator[np.random.Generator]:
        """The generator at the head of each run's stream, one after the other."""
        for run in range(len(self.seeds)):
            yield self.generator(run, purpose, episode)


def _require_seed(seed: float) -> None:
    """Refuse what is no key of a generator."""
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not whole or not 0 <= seed < 2**63:
        raise ValueError(
            f"seed: expected integers from 0 to 2**63 - 1, got {seed!r}; name each run's seed so"
        )


def white(numbers: torch.Tensor) -> torch.Tensor:
    """Numbers in [0, 1) that look independent of one another, from all digits of float64 ones (mixed as in MurmurHash).

    For environments whose observation is noisy but must be a function of the state: of one number drawn for the step.
    """
    bits = numbers.contiguous().view(torch.int64)
    for factor in (-0xAE502812AA7333, -0x3B314601E57A13AD):
        bits = (bits ^ _upper(bits)) * factor
    return _upper(bits).double() / 2**31


def _upper(bits: torch.Tensor) -> torch.Tensor:
    """The upper 31 of 64 bits, as a number that is not negative."""
    return (bits >> 33) & 0x7FFFFFFF


def normals(draw: torch.Tensor, count: int) -> torch.Tensor:
    """Standard normal numbers (..., count) that look independent of one another, from one uniform number each (...)."""
    places = torch.arange(count, device=draw.device)
    mixed = white(draw[..., None] + places)
    # `white` gives multiples of 2**-31: in the middle between them nothing is infinite.
    inner = mixed + 2.0**-32
    return torch.special.ndtri(inner)
