"""Oracle: who knows the exact chances of the next symbol after every prefix, and what of a prefix it goes by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch


class Oracle(ABC):
    """What a prefix is to an oracle are P numbers, float64: the place where it stands. It answers on their device.

    Attributes:
        coordinates: name and meaning of each of them; ClassVar or property.
    """

    coordinates: ClassVar[dict[str, str]]

    @property
    @abstractmethod
    def symbols(self) -> int:
        """How many, V."""

    @abstractmethod
    def first(self, draw: torch.Tensor) -> torch.Tensor:
        """Places (R, E, P) with nothing written, by uniform numbers (R, E, 1)."""

    @abstractmethod
    def at(self, place: torch.Tensor) -> torch.Tensor:
        """Chances (R, E, V) of the next symbol at places (R, E, P), which may be any numbers."""

    def chance(self, place: torch.Tensor, symbol: torch.Tensor) -> torch.Tensor:
        """Chances (R, E) of symbols (R, E) at places (R, E, P)."""
        chances = self.at(place)
        column = symbol.long()[..., None]
        return chances.gather(-1, column)[..., 0]

    @abstractmethod
    def after(self, place: torch.Tensor, symbol: torch.Tensor) -> torch.Tensor:
        """The places (R, E, P) that follow symbols (R, E) at places (R, E, P)."""

    @abstractmethod
    def off_path(self, place: torch.Tensor) -> torch.Tensor:
        """Whether no text of the oracle's own comes to places (R, E, P) unless a symbol slips, (R, E) bool."""
