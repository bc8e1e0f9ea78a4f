"""Training: the settings of supervised learning, and the net that is trained."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

from ..core.arrays import Arrays
from ..core.env import Env
from ..core.policy import Log, Policy
from ..core.registry import NETS
from ..core.settings import (
    Values,
    as_tuple,
    in_plain_numbers,
    per_run_fields,
    require,
    require_choice,
    require_counts,
)
from ..core.streams import Streams
from ..exposure.weights import correction
from .dataset import Dataset
from .sequences import Source

Watch: TypeAlias = "Callable[[int, Callable[[], Policy]], None]"
"""(updates made, what makes the policy of that moment) -> nothing; it is called after every update."""


def unwatched(updates: int, policy: Callable[[], Policy]) -> None:
    """Nobody looks on."""


class Net(Protocol):
    """The fourth plug: one file in nets/, a frozen dataclass whose fields are its settings."""

    descends: ClassVar[bool]
    """Whether it is found by gradient updates; what is solved for counts as one. A net that learns along sequences, from
    the lesson's source where it has one, says `along_sequences = True` besides."""

    def fit(self, lesson: Lesson) -> Policy:
        """R policies fitted to the lesson's data, from the weights of its `start` where there are some to begin with."""

    def restore(self, arrays: Arrays, action_space: Any) -> Policy:
        """The policy that its `arrays()` described.

        Raises:
            KeyError or ValueError: where they describe none.
        """

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """How many numbers one run's policy holds, for observations of so many numbers and so many outputs."""


@dataclass(frozen=True)
class Lesson:
    """What a net is fitted to, and with what: all that one fit is given.

    Attributes:
        data: samples of R runs.
        training: the settings.
        env: for its spaces and its horizon.
        streams: first weights and shuffling, of this fit alone.
        log: where a net that descends counts its updates, and says how far it is.
        updates: gradient updates of this fit.
        start: a policy whose weights to begin with, if there is one.
        source: whence the sequences of an update come, of a net that learns along sequences; None takes the data.
        watch: who looks on while such a net trains.
    """

    data: Dataset
    training: Training
    env: Env
    streams: Streams
    log: Log
    updates: int
    start: Policy | None = None
    source: Source | None = None
    watch: Watch = unwatched

    def report(self, share: float, words: str) -> None:
        """Say that a share of this fit's updates has been made."""
        done = self.log.updates + share * self.updates
        self.log.report(done / self.training.updates, words)

    @property
    def runs(self) -> int:
        """How many, R."""
        return len(self.data.obs)


@dataclass(frozen=True, init=False)
class Training:
    """How a dataset becomes a policy.

    The settings of the net may stand beside those of the training: `Training(hidden=(32,))` is
    `Training(net=MLP(hidden=(32,)))`, and `Training(net="ridge", penalty=0.1)` is `Training(net=Ridge(penalty=0.1))`.
    """

    net: Net = field(default="mlp", metadata={"plug": NETS})  # type: ignore[assignment]
    """What is fitted: a registered name (mlp, relu, chunk, mdn, flow, gru, transformer, table, ridge, svm, ...) or module:Class."""
    updates: int = 4000
    """Gradient updates in all; DAgger divides them among its rounds."""
    batch: int = 64
    """Samples in a minibatch."""
    lr: Values = 1e-3
    """Learning rate of the optimiser."""
    optimiser: Literal["adam", "momentum", "sgd"] = "adam"
    """How the gradient is followed: Adam, or descent with or without a momentum of 0.9."""
    epsilon: Values = 1e-8
    """What Adam adds to a gradient's size before it divides by it: smaller gradients are hardly followed."""
    normalise: Literal["none", "zscore"] = "none"
    """Observations as they are, or with the data's mean and deviation removed."""
    std_floor: Values = 1e-3
    """Smallest deviation that zscore divides by: an almost constant observation is not blown up beyond 1/std_floor."""
    targets: Literal["zscore", "none"] = "zscore"
    """Box actions are learned with the data's mean and deviation removed, or as they are."""
    soft: bool = False
    """Learn the chances of an expert that acts by chance, where its labels tell them, and not what it drew."""
    weights: str = "none"
    """How samples count that were seen with a known chance: none (all alike), ips, pooled, power:0.5 or clip:5."""
    ema: Values = 0.0
    """Decay of a moving average of the weights, which then is the policy; 0 takes the last weights."""
    clip: Values = 0.0
    """Longest gradient of a run; 0 does not clip."""

    def __init__(self, net: str | Net = "mlp", **settings: Any) -> None:
        """The net by name or as an object; settings of the training, and of the net.

        Raises:
            KeyError: when there is no such net; TypeError for a setting of neither; ValueError for an impossible one.
        """
        own = {}
        for setting in dataclasses.fields(self):
            if setting.name != "net":
                own[setting.name] = settings.pop(setting.name, setting.default)
        own["net"] = NETS.made(net, settings, "training")
        for name, value in own.items():
            object.__setattr__(self, name, value)
        self._validate()

    def _validate(self) -> None:
        """Refuse settings that no training can have."""
        require_choice(self)
        require_counts(self, "updates", "batch")
        require_positive(self, "lr", "epsilon", "std_floor")
        require_positive(self, "ema", "clip", zero=True)
        correction(self.weights)
        decay = max(as_tuple(self.ema))
        require(decay < 1, f"ema: expected a decay below 1, got {self.ema}; try 0.999")

    def require_runs(self, runs: int) -> None:
        """Refuse settings, those of the net included, of another number of runs."""
        for settings in (self, self.net):
            for name in per_run_fields(settings):
                count = len(as_tuple(getattr(settings, name)))
                require(
                    count in (1, runs),
                    f"{name}: expected one value or one for each of {runs} runs, got {count}",
                )

    def of(self, runs: slice) -> Training:
        """The settings of some of the runs."""
        return dataclasses.replace(_of(self, runs), net=_of(self.net, runs))


def _of(settings: Any, runs: slice) -> Any:
    """A settings dataclass with the values of some of the runs."""
    values = {name: as_tuple(getattr(settings, name)) for name in per_run_fields(settings)}
    part = {name: value[runs] for name, value in values.items() if len(value) > 1}
    return dataclasses.replace(settings, **part) if part else settings


def require_positive(settings: Any, *names: str, zero: bool = False) -> None:
    """Refuse numbers that are not above 0, or at least 0 with `zero`, and finite; all come to be Python's own."""
    in_plain_numbers(settings)
    for name in names:
        for value in as_tuple(getattr(settings, name)):
            enough = value >= 0 if zero else value > 0
            wanted = "of at least 0" if zero else "above 0"
            fits = enough and value < math.inf
            require(fits, f"{name}: expected a number {wanted}, got {value}")
