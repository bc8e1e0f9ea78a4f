"""Language: what every language has that has no dial of its own, so that its file holds nothing but the language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from il_bench import Certificate, TokenEnv, apart, zero_or_one
from il_bench.paint.ribbon import written


@dataclass(frozen=True, kw_only=True)
class Language(TokenEnv):
    """A language in the 0/1 metric: two prefixes are the same to its oracle, or they are not."""

    indicator: ClassVar = True

    @property
    def signs(self) -> tuple[str, ...]:
        """How symbols are shown (V,); by their numbers where there are none."""
        return ()

    @final
    def difference(self, state: Any, other: Any) -> Any:
        """0 where both are at one node of the automaton, and both or neither have just left the language; else 1."""
        return apart(state, other)

    @final
    def certificate(self) -> Certificate:
        """A language has no dial of this kind."""
        return zero_or_one(self)

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
