"""Languages: what all of them show, and what those have that have no dial, so that a file holds nothing but its language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from il_bench import Certificate, TokenEnv, apart, zero_or_one
from il_bench.paint.ribbon import written


@dataclass(frozen=True, kw_only=True)
class TextEnv(TokenEnv):
    """A language whose texts are shown as ribbons, with a metric and a certificate of its own."""

    @property
    def signs(self) -> tuple[str, ...]:
        """How symbols are shown (V,); by their numbers where there are none."""
        return ()

    @final
    def draw(
        self,
        state: np.ndarray,
        size: tuple[int, int],
        ghost: np.ndarray | None = None,
        colour: str | None = None,
        kl: np.ndarray | None = None,
    ) -> np.ndarray:
        """The texts; see `Env.draw`."""
        return written(self, state, size, ghost, colour, kl, self.signs)


@dataclass(frozen=True, kw_only=True)
class Language(TextEnv):
    """A language in the 0/1 metric: two prefixes are the same to its oracle, or they are not."""

    indicator: ClassVar = True

    @final
    def difference(self, state: Any, other: Any) -> Any:
        """0 where both are at one node of the automaton, and both or neither have just left the language; else 1."""
        return apart(state, other)

    @final
    def certificate(self) -> Certificate:
        """A language has no dial of this kind."""
        return zero_or_one(self)
