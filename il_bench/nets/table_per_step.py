"""table_per_step: counts of the labels seen in each state, in one table for each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.arrays import Arrays
from ..core.env import Env
from ..core.policy import Log, Policy
from ..core.streams import Streams
from ..fit.dataset import Dataset
from ..fit.training import Training
from .table import TablePolicy, count


@dataclass(frozen=True)
class TablePerStep:
    """Counts of the labels seen in each state of a one-hot observation, one table for each step: nothing is shared."""

    descends: ClassVar[bool] = False

    def fit(
        self,
        data: Dataset,
        training: Training,
        env: Env,
        streams: Streams,
        log: Log,
        updates: int,
        start: Policy | None,
    ) -> TablePolicy:
        """See `Net.fit`."""
        return count(data, env, streams, env.horizon)

    def restore(self, arrays: Arrays, action_space: Any) -> TablePolicy:
        """See `Net.restore`."""
        return TablePolicy(arrays["counts"], arrays["fill"], action_space)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""
        return horizon * observation * outputs
