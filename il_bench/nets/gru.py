"""gru: gated recurrent networks, R of them side by side, for what one observation does not tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from gymnasium import spaces

from ..core.arrays import Arrays, affine
from ..core.ids import vocabulary
from ..core.policy import Policy
from ..core.settings import require, require_choice, require_counts
from ..core.streams import Streams
from ..fit.layers import (
    Stored,
    actions_of,
    embedded,
    embeddings,
    from_arrays,
    in_units,
    one_run,
    to_arrays,
    uniform_layer,
)
from ..fit.optimiser import LINE, Layers, Optimiser
from ..fit.training import Lesson
from ..fit.unrolling import (
    Recurrence,
    descend_along,
    first_layers_of,
    outputs_of,
    scaling_of,
)
from ._gru_engine import GATES, Unroll
from ._gru_gains import Gains, gains

State: TypeAlias = torch.Tensor
"""What is remembered, (R, B, H)."""


def entering_of(
    layers: Layers, obs: torch.Tensor, scaling: Arrays, sizes: tuple[int, ...]
) -> torch.Tensor:
    """What enters the cell, (R, n, D), for observations (R, n, O): scaled, or the sum of their embeddings."""
    if sizes:
        return embedded(layers[0], obs, sizes)
    return (obs - scaling["mean"]) / scaling["std"]


def cell(layers: Layers, entering: torch.Tensor, state: State) -> State:
    """The next state (R, B, H) from what enters, already multiplied (R, B, 3H), and the state.

    Cho et al. (2014), with torch's reset gate, which acts on the recurrent product.
    """
    recurrent, bias = layers[-4:-2]
    product = affine(bias, state, recurrent)
    size = state.shape[-1]
    widths = [2 * size, size]
    for_gates, for_content = entering.split(widths, -1)
    by_gates, by_content = product.split(widths, -1)
    gates = (for_gates + by_gates).sigmoid()
    reset, keep = gates.split(size, -1)
    content = for_content + reset * by_content
    new = content.tanh()
    return new + keep * (state - new)


def unrolled(layers: Layers, entering: torch.Tensor, state: State) -> torch.Tensor:
    """States after each step (R, L, B, H) of inputs (R, L, B, D)."""
    runs, steps, batch, width = entering.shape
    weight, bias, recurrent, its_bias = layers[-6:-2]
    flat = entering.reshape(runs, steps * batch, width)
    product = affine(bias, flat, weight)
    if steps == 1:
        return cell(layers, product, state)[:, None]
    products = product.reshape(runs, steps, batch, -1)
    return Unroll.apply(products, state, recurrent, its_bias)


def read_out(layers: Layers, states: torch.Tensor) -> torch.Tensor:
    """Logits or actions (R, n, A) from states (R, n, H)."""
    weight, bias = layers[-2:]
    return affine(bias, states, weight)


def answers(
    sizes: tuple[int, ...],
    scaling: Arrays,
    layers: Layers,
    obs: torch.Tensor,
    state: State | None,
) -> tuple[torch.Tensor, State]:
    """Logits or scaled actions (R, B, L, A) along observations (R, B, L, O), and the last state; None begins."""
    batch = obs.shape[1]
    recurrent = layers[-4]
    units = recurrent.shape[1]
    rows = whole_lines(batch, units)
    # Each step's numbers lie together.
    by_step = padded(obs, rows).transpose(1, 2)
    runs, steps = by_step.shape[:2]
    if state is None:
        state = recurrent.new_zeros(runs, rows, units)
    flat = by_step.flatten(1, 2)
    vectors = entering_of(layers, flat, scaling, sizes)
    entering = vectors.unflatten(1, (steps, rows))
    states = unrolled(layers, entering, padded(state, rows))
    out = read_out(layers, states.flatten(1, 2))
    answer = out.unflatten(1, (steps, rows))
    return answer[:, :, :batch].transpose(1, 2), states[:, -1, :batch]


def whole_lines(batch: int, units: int) -> int:
    """The least number of sequences, at least `batch`, of whose states each run has whole lines.

    Vectorised exponentials round the last few numbers of an array in another way than the rest; then there is no rest.
    """
    together = LINE // math.gcd(LINE, units)
    return math.ceil(batch / together) * together


def padded(array: torch.Tensor, rows: int) -> torch.Tensor:
    """An array (R, B, ...) with zeros behind, (R, rows, ...)."""
    lacking = rows - array.shape[1]
    if lacking == 0:
        return array
    others = array.new_zeros(len(array), lacking, *array.shape[2:])
    return torch.cat((array, others), 1)


class GRUPolicy(Policy):
    """Recurrent networks that remember the episode; trained in float32, evaluated in float64.

    Args:
        layers: an embedding (R, V, D) where observations are numbers of a vocabulary; then W (R, D, 3H), b (R, 1, 3H) of
            what enters, W (R, H, 3H), b (R, 1, 3H) of what is remembered, W (R, H, A), b (R, 1, A) of the answer.
        scaling: "mean", "std" (R, 1, O) of observations, "shift", "scale" (R, 1, A) of actions.
        action_space: Gymnasium's space of one action.
        sizes: of the vocabulary (O,); empty for other observations.
        trained: the layers as training left them, where `layers` are their average.
    """

    def __init__(
        self,
        layers: Layers,
        scaling: Arrays,
        action_space: spaces.Box | spaces.Discrete,
        sizes: tuple[int, ...] = (),
        trained: Layers | None = None,
    ):
        self.trained = layers if trained is None else trained
        self.layers = [layer.detach() for layer in layers]
        self.scaling = scaling
        self.action_space = action_space
        self.sizes = sizes
        self.runs = len(layers[0])
        self.device = str(layers[0].device)
        self._layers = [layer.double() for layer in self.layers]
        self._scaling = {name: value.double() for name, value in scaling.items()}

    @property
    def units(self) -> int:
        """Numbers that are remembered, H."""
        recurrent = self.layers[-4]
        return recurrent.shape[1]

    def __repr__(self) -> str:
        """What it is, not all of it."""
        return f"GRUPolicy({self.units} units; R={self.runs})"

    def go_on(self, obs: torch.Tensor, memory: Any) -> tuple[torch.Tensor, State]:
        """Logits or unclipped actions (R, E, A) for observations (R, E, O), and what is remembered (R, E, H)."""
        before = None if memory is None else memory.double()
        one_step = obs.double().unsqueeze(2)
        out, state = answers(self.sizes, self._scaling, self._layers, one_step, before)
        answer = in_units(out, self._scaling)
        return answer.squeeze(2), state

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; a Box action is deterministic."""
        out, state = self.go_on(obs, memory)
        return actions_of(out, self.action_space, draw), state

    def distribution(self, obs: torch.Tensor, memory: Any = None) -> tuple[torch.Tensor, State]:
        """See `StochasticPolicy`."""
        out, state = self.go_on(obs, memory)
        return out.softmax(-1), state

    @property
    def reads_itself(self) -> bool:
        """Whether what it writes is all that it reads: one symbol of a vocabulary."""
        return len(self.sizes) == 1 and isinstance(self.action_space, spaces.Discrete)

    def gains(self) -> Gains:
        """How much a step can stretch a deviation of what is remembered, of one that `reads_itself`."""
        assert isinstance(self.action_space, spaces.Discrete)
        space: Any = self.action_space
        return gains(self.layers, int(space.n))

    def soft_step(self, state: State) -> State:
        """What is remembered (R, E, H) next by one that `reads_itself`, if it reads the mean of what it would write."""
        table, weight, bias, *_ = self._layers
        out = read_out(self._layers, state)
        chances = out.softmax(-1)
        symbols = chances.shape[-1]
        entering = torch.baddbmm(bias, chances @ table[:, :symbols], weight)
        return cell(self._layers, entering, state)

    def __getitem__(self, run: int) -> GRUPolicy:
        """The policy of one run."""
        all_runs = Stored(self.layers, self.scaling, self.sizes)
        own = one_run(all_runs, run)
        return GRUPolicy(own.layers, own.scaling, self.action_space, self.sizes)

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name; with `resume` also what a warm start goes on with."""
        trained = self.trained if resume else None
        return to_arrays(Stored(self.layers, self.scaling, self.sizes, trained))


@dataclass(frozen=True)
class GRU:
    """Gated recurrent networks, trained on whole sequences by backpropagation through time, truncated or not."""

    units: int = 64
    """What is remembered, H numbers."""
    embedding: int = 32
    """Numbers, D, into which each symbol of a vocabulary is embedded."""
    sequences: int = 16
    """Episodes in a minibatch; `batch` counts single samples, and is not used."""
    truncate: int = 0
    """Steps of a window, through which the gradient goes back; each window is an update. 0 takes whole episodes."""
    between: Literal["carry", "reset"] = "carry"
    """From one window to the next the state is carried, without its gradient, or begins anew."""

    descends: ClassVar[bool] = True
    along_sequences: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse what no network has."""
        require_choice(self)
        require_counts(self, "units", "embedding", "sequences")
        steps = self.truncate
        require(steps >= 0, f"truncate: expected at least 0 steps, got {steps}; 0 takes them all")

    def fit(self, lesson: Lesson) -> Policy:
        """See `Net.fit`; all runs train side by side."""
        space = lesson.env.action_space
        sizes = vocabulary(lesson.env.observation_space)
        scaling = scaling_of(lesson)

        def policy(optimiser: Optimiser) -> GRUPolicy:
            return GRUPolicy(optimiser.average(), scaling, space, sizes, optimiser.last())

        drawn = partial(self._drawn, lesson, sizes)
        first = first_layers_of(lesson, GRUPolicy, drawn)
        net = Recurrence(first, partial(answers, sizes), policy)
        return descend_along(lesson, net, self, scaling)

    def _drawn(self, lesson: Lesson, sizes: tuple[int, ...]) -> Layers:
        """New weights."""
        entering = self.embedding if sizes else lesson.data.obs.shape[2]
        outputs = outputs_of(lesson)
        layers = first_layers(lesson.streams, entering, self.units, outputs)
        if sizes:
            table = embeddings(lesson.streams, sum(sizes), self.embedding)
            layers.insert(0, table)
        return layers

    def restore(self, arrays: Arrays, action_space: Any) -> GRUPolicy:
        """See `Net.restore`."""
        stored = from_arrays(arrays)
        count = len(stored.layers)
        require(count in (6, 7), f"policy: expected 6 or 7 layers, got {count}")
        return GRUPolicy(stored.layers, stored.scaling, action_space, stored.sizes, stored.trained)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`; states of whole episodes are kept for the gradient."""
        gates = GATES * self.units
        entering = observation + self.embedding + self.units + 2
        weights = gates * entering
        answers = outputs * (self.units + 1)
        steps = self.sequences * horizon
        kept = 4 * gates * steps
        return weights + answers + kept


def first_layers(streams: Streams, entering: int, units: int, outputs: int) -> Layers:
    """Weights and biases uniform in +-1/sqrt(H), as torch.nn.GRU and Linear draw them, keyed by each run's seed."""
    gates = GATES * units
    shapes = (
        (entering, gates),
        (1, gates),
        (units, gates),
        (1, gates),
        (units, outputs),
        (1, outputs),
    )
    return [
        uniform_layer(streams, number, rows, columns, units)
        for number, (rows, columns) in enumerate(shapes)
    ]
