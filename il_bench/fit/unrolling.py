"""Unrolling: the one loop of nets that remember, which descend along sequences, for R runs at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from gymnasium import spaces

from ..core.arrays import Arrays
from ..core.ids import vocabulary
from ..core.policy import Log, Policy
from ..core.registry import name_of
from ..core.settings import as_tuple, require
from .loop import sign
from .optimiser import Layers, Optimiser
from .scaling import scales
from .sequences import Answer, Renew, Sequences, windows
from .training import Lesson, Training, Watch

Answers: TypeAlias = "Callable[[Arrays, Layers, torch.Tensor, torch.Tensor | None], tuple[torch.Tensor, torch.Tensor]]"
"""(scaling, layers, obs (R, B, L, O), memory) -> (logits or scaled actions (R, B, L, A), memory (R, B, ...)); None begins."""
CROWD = 1 << 24
"""Numbers of float32 that are kept for one gradient at most. Runs are computed in groups, one after the other, so that what
a group keeps is written where the one before kept its own, and not to memory that was never touched."""


class Cut(Protocol):
    """How a net's training cuts sequences."""

    @property
    def sequences(self) -> int:
        """Episodes in a minibatch."""

    @property
    def truncate(self) -> int:
        """Steps of a window; 0 takes whole episodes."""

    @property
    def between(self) -> str:
        """Whether memory is carried from window to window, or reset."""

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`."""


@dataclass(frozen=True)
class Recurrence:
    """What the loop descends on.

    Attributes:
        layers: first parameters, each (R, ...), float32.
        answers: what they answer along sequences.
        policy: made of the parameters of a moment.
    """

    layers: Layers
    answers: Answers
    policy: Callable[[Optimiser], Policy]


class Group:
    """Some of the runs, which are computed together.

    Args:
        rows: which.
        optimiser: of all runs.
        scaling: of all runs.

    Attributes:
        rows, scaling: of these.
        memory: of these at the end of the last window, or None.
    """

    def __init__(self, rows: slice, optimiser: Optimiser, scaling: Arrays):
        self.rows = rows
        self.scaling = {name: value[rows] for name, value in scaling.items()}
        self.memory: torch.Tensor | None = None
        self._layers = [layer.detach()[rows].requires_grad_() for layer in optimiser.layers]
        self._slopes = [slope[rows] for slope in optimiser.slopes]

    def descend(self, lesson: Lesson, answers: Answers, part: Sequences) -> torch.Tensor:
        """Write the gradient on a window of these runs to where the optimiser reads it; the losses (R,)."""
        out, memory = answers(self.scaling, self._layers, part.obs, self.memory)
        self.memory = memory.detach()
        losses = _mean(_errors(lesson, self.scaling, out, part), part)
        slopes = torch.autograd.grad(losses.sum(), self._layers)
        for place, slope in zip(self._slopes, slopes, strict=True):
            place.copy_(slope)
        return losses.detach()


def descend_along(lesson: Lesson, net: Recurrence, cut: Cut, scaling: Arrays) -> Policy:
    """The policy after the lesson's updates."""
    data = Sequences.of(lesson.data)
    training = lesson.training
    rule = (training.lr, training.clip, training.ema, training.optimiser, training.epsilon)
    optimiser = Optimiser(net.layers, *rule)
    updates = lesson.updates
    losses = torch.empty(lesson.runs, updates)
    groups = [Group(rows, optimiser, scaling) for rows in _crowds(lesson, data, cut)]
    renew = _renew(lesson, partial(net.answers, scaling), optimiser)
    parts = windows(data, cut.sequences, cut.truncate, updates, lesson.streams, renew)
    # A run that becomes NaN or infinite is named, and no warning.
    with np.errstate(all="ignore"):
        for update, window in enumerate(parts):
            anew = window.begins or cut.between == "reset"
            for group in groups:
                if anew:
                    group.memory = None
                part = window.part.of_runs(group.rows)
                losses[group.rows, update] = group.descend(lesson, net.answers, part)
            optimiser.step()
            done = (update + 1) / updates
            lesson.report(done, f"loss {losses[:, update].median():.2e}")
            lesson.watch(update + 1, partial(net.policy, optimiser))
    sign(lesson, [losses])
    return net.policy(optimiser)


def _crowds(lesson: Lesson, data: Sequences, cut: Cut) -> list[slice]:
    """Runs that are computed together, in groups of one size or nearly: as many as `CROWD` allows, or all on a GPU."""
    if data.obs.device.type != "cpu":
        return [slice(0, lesson.runs)]
    steps, observed = data.obs.shape[2:]
    window = min(cut.truncate or steps, steps)
    of_a_run = cut.footprint(observed, outputs_of(lesson), window)
    most = max(CROWD // of_a_run, 1)
    count = math.ceil(lesson.runs / most)
    ends = [lesson.runs * number // count for number in range(count + 1)]
    return [slice(first, end) for first, end in itertools.pairwise(ends)]


def _renew(lesson: Lesson, answers: Callable[..., Any], optimiser: Optimiser) -> Renew | None:
    """What becomes of a minibatch, by the weights of the moment, where the lesson has a source."""
    source = lesson.source
    if source is None:
        return None

    def renew(given: Sequences, update: int) -> Sequences:
        answer: Answer = partial(answers, optimiser.layers)
        with torch.no_grad():
            return source.batch(given, update, answer)

    return renew


def _mean(each: torch.Tensor, part: Sequences) -> torch.Tensor:
    """Weighted mean (R,) of the losses (R, n) of samples."""
    weight = part.weight.flatten(1)
    total = weight.sum(1, keepdim=True)
    heavy = total.clamp_min(1e-12)
    weighted = each * weight / heavy
    return weighted.sum(1)


def _errors(lesson: Lesson, scaling: Arrays, answers: torch.Tensor, part: Sequences) -> Any:
    """The loss of each sample (R, n): squared error, or cross-entropy against labels or their chances, or the source's."""
    out = answers.flatten(1, 2)
    action = part.action.flatten(1, 2)
    if action.is_floating_point():
        wanted = (action - scaling["shift"]) / scaling["scale"]
        return (out - wanted).square().sum(-1)
    its = None if lesson.source is None else lesson.source.errors
    target = None if part.target is None else part.target.flatten(1, 2)
    if its is not None and target is not None:
        return its(out, target)
    likelihood = out.log_softmax(-1)
    if lesson.training.soft and target is not None:
        weighted = target * likelihood
        return -weighted.sum(-1)
    own = likelihood.gather(-1, action)
    surprise = -own[..., 0]
    return surprise if part.gain is None else part.gain.flatten(1) * surprise


def first_layers_of(lesson: Lesson, kind: type[Any], drawn: Callable[[], Layers]) -> Layers:
    """The weights with which training begins: those of the lesson's start, if it is a policy of this kind, else drawn ones."""
    start: Any = lesson.start
    if isinstance(start, kind):
        layers: Layers = start.trained
        return layers
    device = lesson.data.obs.device
    return [layer.to(device) for layer in drawn()]


def outputs_of(lesson: Lesson) -> int:
    """Logits, or numbers of an action."""
    space = lesson.env.action_space
    return int(space.n) if isinstance(space, spaces.Discrete) else lesson.data.action.shape[2]


def scaling_of(lesson: Lesson) -> Arrays:
    """The scales of observations, which numbers of a vocabulary do not have, and of actions."""
    training, space = lesson.training, lesson.env.action_space
    ids = bool(vocabulary(lesson.env.observation_space))
    logits = int(space.n) if isinstance(space, spaces.Discrete) else None
    zscore = training.normalise == "zscore" and not ids
    scaling = scales(lesson.data, as_tuple(training.std_floor), zscore, logits)
    if training.targets == "none":
        scaling["shift"] = torch.zeros_like(scaling["shift"])
        scaling["scale"] = torch.ones_like(scaling["scale"])
    return scaling


def require_unrolled(learner: str, training: Training) -> None:
    """Refuse a net that does not learn along sequences, of which a learner writes its own."""
    name = name_of(training.net)
    along = getattr(training.net, "along_sequences", False)
    require(along, f"{learner}: expected net gru or transformer, got {name}; use --net gru")


def iterated(log: Log, updates: int, times: int, first: int = 0) -> Watch:
    """Who shows the log the policy of the moment, so many times, evenly, in so many updates.

    Args:
        log: whose `iterate` is called.
        updates: in all.
        times: how often.
        first: updates that were made before this fit.
    """

    def watch(made: int, policy: Callable[[], Policy]) -> None:
        done = first + made
        now = done * times // updates
        if now > (done - 1) * times // updates:
            log.iterate(now - 1, policy())

    return watch
