"""table_per_step: counts of the labels seen in each state, in one table for each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.arrays import Arrays
from ..fit.training import Lesson
from .table import TablePolicy, count, restored


@dataclass(frozen=True)
class TablePerStep:
    """Counts of the labels seen in each state of a one-hot observation, one table for each step: nothing is shared."""

    descends: ClassVar[bool] = False

    def fit(self, lesson: Lesson) -> TablePolicy:
        """See `Net.fit`."""
        return count(lesson, lesson.env.horizon)

    def restore(self, arrays: Arrays, action_space: Any) -> TablePolicy:
        """See `Net.restore`."""
        return restored(arrays, action_space)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        return horizon * observation * outputs
