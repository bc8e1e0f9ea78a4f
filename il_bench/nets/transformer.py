"""transformer: small causal transformers, R of them side by side, which look back at the last steps of an episode.

Vaswani et al. (2017), with the norms before attention and the feed-forward part, and rotary positions (Su et al. 2021),
which tell how far back a step lies and not which it is. A step attends to the last `span` steps, itself among them; along
longer episodes that is a window that slides. Acting step by step, keys and values of those steps are remembered.
"""

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
from ..fit.optimiser import Layers, Optimiser
from ..fit.training import Lesson
from ..fit.unrolling import (
    Recurrence,
    descend_along,
    first_layers_of,
    outputs_of,
    scaling_of,
)

LAYERS = 12
"""Of a block: two of a norm, two each of what is asked and answered, of the mixture, a norm, and of two layers."""
WIDER = 4
"""How many times as wide as the rest the hidden layer of a block is."""
SLOWEST = 1e4
"""Ratio of the fastest rotation to the slowest."""

Memory: TypeAlias = torch.Tensor
"""(R, B, 1 + 2 M S D): how many steps there were, and keys and values of the last S of them in M blocks."""
Pair: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"
"""A weight (R, in, out) and a bias (R, 1, out), or a gain and a bias (R, 1, D)."""
Turn: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"
"""Cosines and sines (R, B, L, d / 2) of angles."""


@dataclass(frozen=True)
class Shape:
    """What weights do not tell.

    Attributes:
        heads: of attention.
        span: steps that are attended to, S.
        sizes: of the vocabulary (O,); empty for other observations.
    """

    heads: int
    span: int
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sight:
    """Which steps there are, and which see which.

    Attributes:
        turn: cosines and sines (R, B, L, d / 2) of the new steps' positions.
        hidden: (R, B, 1, L, S + L) bool, what a new step does not see of the remembered and the new ones.
    """

    turn: Turn
    hidden: torch.Tensor


def sight(shape: Shape, count: torch.Tensor, steps: int, kept: int, half: int) -> Sight:
    """What `steps` new steps see, after `count` (R, B) of which `kept` are remembered; `half` of a head is d / 2."""
    device = count.device
    before = torch.arange(-kept, 0, device=device)
    new = torch.arange(steps, device=device)
    places = torch.cat((before, new))
    counted = count[..., None]
    back = new[:, None] - places
    ahead = back < 0
    too_far = back >= shape.span
    never = places < -counted
    outside = ahead | too_far
    hidden = outside | never[:, :, None]
    angle = angles(counted + new, half)
    turn = angle.cos(), angle.sin()
    return Sight(turn, hidden[:, :, None])


def angles(position: torch.Tensor, half: int) -> torch.Tensor:
    """By how much each of so many pairs of numbers is turned, (R, B, L, half), at positions (R, B, L)."""
    number = torch.arange(half, dtype=position.dtype, device=position.device)
    exponents = number / half
    rates = SLOWEST**-exponents
    return position[..., None] * rates


def turned(vectors: torch.Tensor, turn: Turn) -> torch.Tensor:
    """Heads (R, B, L, N, d), of which the two halves are turned against one another by their position."""
    cosine, sine = [each.unsqueeze(3) for each in turn]
    one, two = vectors.chunk(2, -1)
    first = one * cosine - two * sine
    second = one * sine + two * cosine
    return torch.cat((first, second), -1)


def attention(
    heads: int, asked: torch.Tensor, past: torch.Tensor, look: Sight
) -> tuple[torch.Tensor, torch.Tensor]:
    """What steps gather (R, B, L, D) by what they ask, hold and tell (R, B, L, 3D), and what is remembered then.

    Args:
        heads: N.
        asked: queries, keys and values.
        past: keys and values (R, B, S, 2D) of the steps before.
        look: which see which.
    """
    question, held, told = asked.chunk(3, -1)
    queries = in_heads(question, heads)
    new_keys = in_heads(held, heads)
    query = turned(queries, look.turn)
    key = turned(new_keys, look.turn)
    new = torch.cat((key.flatten(3), told), -1)
    known = torch.cat((past, new), 2)
    all_held, all_told = known.chunk(2, -1)
    keys = in_heads(all_held, heads)
    values = in_heads(all_told, heads)
    weights = attended(query, keys, look.hidden)
    gathered = products(weights, values.transpose(2, 3))
    by_step = gathered.transpose(2, 3)
    return by_step.flatten(3), known


def attended(query: torch.Tensor, keys: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """How much each step heeds each (R, B, N, L, S + L), by likeness of queries (R, B, L, N, d) to keys (R, B, S + L, N, d)."""
    by_head = query.transpose(2, 3)
    across = keys.permute(0, 1, 3, 4, 2)
    likeness = products(by_head, across)
    scores = likeness / math.sqrt(query.shape[-1])
    visible = scores.masked_fill(hidden, -math.inf)
    return visible.softmax(-1)


def in_heads(vectors: torch.Tensor, heads: int) -> torch.Tensor:
    """Vectors (R, B, L, D) as so many (R, B, L, N, d)."""
    return vectors.unflatten(-1, (heads, -1))


def products(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Products of matrices (R, B, N, ., .); of a single one as of two, see `affine`."""
    first = one.flatten(0, 2)
    second = two.flatten(0, 2)
    count = len(first)
    if count == 1:
        first = first.expand(2, -1, -1)
        second = second.expand(2, -1, -1)
    product = torch.bmm(first, second)
    return product[:count].unflatten(0, one.shape[:3])


def in_pairs(layers: Layers) -> list[Pair]:
    """Layers two by two: a weight and a bias, or a gain and a bias."""
    evens = layers[::2]
    odds = layers[1::2]
    return list(zip(evens, odds, strict=True))


def linear(stream: torch.Tensor, pair: Pair) -> torch.Tensor:
    """Vectors (R, B, L, D) times weights (R, D, .), and a bias."""
    weight, bias = pair
    flat = stream.flatten(1, 2)
    out = affine(bias, flat, weight)
    return out.unflatten(1, stream.shape[1:3])


def normed(stream: torch.Tensor, pair: Pair) -> torch.Tensor:
    """Vectors (R, B, L, D) without mean and scale, by a gain and a bias."""
    gain, bias = pair
    flat = stream.flatten(1, 2)
    standard = torch.nn.functional.layer_norm(flat, flat.shape[-1:])
    scaled = standard * gain + bias
    return scaled.unflatten(1, stream.shape[1:3])


def block(
    layers: Layers, heads: int, stream: torch.Tensor, past: torch.Tensor, look: Sight
) -> tuple[torch.Tensor, torch.Tensor]:
    """The stream (R, B, L, D) after attention and two layers were added, and what is remembered then."""
    norm, ask, mix, other_norm, widen, narrow = in_pairs(layers)
    before = normed(stream, norm)
    asked = linear(before, ask)
    gathered, known = attention(heads, asked, past, look)
    stream = stream + linear(gathered, mix)
    between = normed(stream, other_norm)
    hidden = linear(between, widen)
    active = torch.nn.functional.gelu(hidden)
    return stream + linear(active, narrow), known


def answers(
    shape: Shape, scaling: Arrays, layers: Layers, obs: torch.Tensor, memory: Memory | None
) -> tuple[torch.Tensor, Memory]:
    """Logits or scaled actions (R, B, L, A) along observations (R, B, L, O), and what is remembered; None begins."""
    steps = obs.shape[2]
    stream = entering(layers, obs, scaling, shape.sizes)
    blocks = blocks_of(layers, shape)
    count, pasts = recalled(memory, stream, len(blocks), shape.span)
    kept = pasts[0].shape[2]
    half = stream.shape[3] // shape.heads // 2
    look = sight(shape, count, steps, kept, half)
    known = []
    for part, past in zip(blocks, pasts, strict=True):
        stream, now = block(part, shape.heads, stream, past, look)
        known.append(now)
    norm, answer = in_pairs(layers[-4:])
    final = normed(stream, norm)
    after = remembered(known, count + steps, shape.span)
    return linear(final, answer), after


def blocks_of(layers: Layers, shape: Shape) -> list[Layers]:
    """The layers of each block: those between what enters and what answers."""
    entrance = 1 if shape.sizes else 2
    inner = layers[entrance:-4]
    firsts = range(0, len(inner), LAYERS)
    return [inner[first : first + LAYERS] for first in firsts]


def entering(
    layers: Layers, obs: torch.Tensor, scaling: Arrays, sizes: tuple[int, ...]
) -> torch.Tensor:
    """Vectors (R, B, L, D) of observations (R, B, L, O): of numbers the sum of their embeddings."""
    flat = obs.flatten(1, 2)
    if sizes:
        vectors = embedded(layers[0], flat, sizes)
        return vectors.unflatten(1, obs.shape[1:3])
    centred = flat - scaling["mean"]
    scaled = centred / scaling["std"]
    together = scaled.unflatten(1, obs.shape[1:3])
    weight, bias, *_ = layers
    return linear(together, (weight, bias))


def recalled(
    memory: Memory | None, stream: torch.Tensor, blocks: int, span: int
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """How many steps there were (R, B), and of each block keys and values (R, B, S, 2D) of the last ones."""
    runs, batch, _, width = stream.shape
    size = 2 * width
    if memory is None:
        nothing = stream.new_zeros(runs, batch, 0, size)
        none = stream.new_zeros(runs, batch)
        return none, [nothing] * blocks
    count = memory[..., 0]
    numbers = memory[..., 1:]
    rows = numbers.unflatten(-1, (blocks, span, size))
    return count, list(rows.unbind(2))


def remembered(known: list[torch.Tensor], count: torch.Tensor, span: int) -> Memory:
    """The memory of keys and values (R, B, n, 2D) of each block, of which the last are kept."""
    counted = count[..., None]
    kept = [counted]
    for rows in known:
        last = rows[:, :, -span:]
        lacking = span - last.shape[2]
        ahead = (0, 0, lacking, 0)
        full = torch.nn.functional.pad(last, ahead)
        kept.append(full.flatten(2))
    return torch.cat(kept, -1)


class TransformerPolicy(Policy):
    """Transformers that look back along the episode; trained in float32, evaluated in float64.

    Args:
        layers: what enters, an embedding (R, V, D) of a vocabulary or W (R, O, D), b (R, 1, D); twelve of each block;
            gain and bias of the last norm, W (R, D, A), b (R, 1, A) of the answer.
        scaling: "mean", "std" (R, 1, O) of observations, "shift", "scale" (R, 1, A) of actions.
        action_space: Gymnasium's space of one action.
        shape: what weights do not tell.
        trained: the layers as training left them, where `layers` are their average.
    """

    def __init__(
        self,
        layers: Layers,
        scaling: Arrays,
        action_space: spaces.Box | spaces.Discrete,
        shape: Shape,
        trained: Layers | None = None,
    ):
        self.trained = layers if trained is None else trained
        self.layers = [layer.detach() for layer in layers]
        self.scaling = scaling
        self.action_space = action_space
        self.shape = shape
        self.runs = len(layers[0])
        self.device = str(layers[0].device)
        self._layers = [layer.double() for layer in self.layers]
        self._scaling = {name: value.double() for name, value in scaling.items()}

    def __repr__(self) -> str:
        """What it is, not all of it."""
        width = self.layers[-4].shape[-1]
        span = self.shape.span
        return f"TransformerPolicy({width} wide, looks back {span} steps; R={self.runs})"

    def go_on(self, obs: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Memory]:
        """Logits or unclipped actions (R, E, A) for observations (R, E, O), and what is remembered."""
        one_step = obs.unsqueeze(2)
        out, after = self.along(one_step, memory)
        return out.squeeze(2), after

    def along(self, obs: torch.Tensor, memory: Any = None) -> tuple[torch.Tensor, Memory]:
        """The same along whole sequences: (R, E, L, A) for observations (R, E, L, O)."""
        before = None if memory is None else memory.double()
        exact = obs.double()
        out, after = answers(self.shape, self._scaling, self._layers, exact, before)
        return in_units(out, self._scaling), after

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; a Box action is deterministic."""
        out, after = self.go_on(obs, memory)
        return actions_of(out, self.action_space, draw), after

    def distribution(self, obs: torch.Tensor, memory: Any = None) -> tuple[torch.Tensor, Memory]:
        """See `StochasticPolicy`."""
        out, after = self.go_on(obs, memory)
        return out.softmax(-1), after

    def __getitem__(self, run: int) -> TransformerPolicy:
        """The policy of one run."""
        all_runs = Stored(self.layers, self.scaling, self.shape.sizes)
        own = one_run(all_runs, run)
        return TransformerPolicy(own.layers, own.scaling, self.action_space, self.shape)

    def arrays(self, resume: bool = False) -> Arrays:
        """Everything that makes this policy, by name; with `resume` also what a warm start goes on with."""
        trained = self.trained if resume else None
        stored = Stored(self.layers, self.scaling, self.shape.sizes, trained)
        numbers = self.shape.heads, self.shape.span
        shape = torch.tensor([numbers] * self.runs)
        return to_arrays(stored) | {"shape": shape}


@dataclass(frozen=True)
class Transformer:
    """Small causal transformers with rotary positions, trained on whole sequences."""

    width: int = 32
    """Numbers of each step's vector, D."""
    heads: int = 4
    """Heads of attention, N; each has D / N numbers, an even count."""
    blocks: int = 2
    """Blocks, each of attention and of two layers."""
    span: int = 64
    """Steps back that a step sees, itself among them; along longer episodes that is a window that slides."""
    sequences: int = 16
    """Episodes in a minibatch; `batch` counts single samples, and is not used."""
    truncate: int = 0
    """Steps of a window, through which the gradient goes back; each window is an update. 0 takes whole episodes."""
    between: Literal["carry", "reset"] = "carry"
    """From one window to the next keys and values are carried, without their gradient, or forgotten."""

    descends: ClassVar[bool] = True
    along_sequences: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse what no network has."""
        require_choice(self)
        require_counts(self, "width", "heads", "blocks", "span", "sequences")
        width, heads = self.width, self.heads
        unit = 2 * heads
        nearest = unit * max(width // unit, 1)
        wanted = f"width: expected a multiple of {unit}, an even count for each of {heads} heads"
        require(width % unit == 0, f"{wanted}, got {width}; try {nearest}")
        steps = self.truncate
        require(steps >= 0, f"truncate: expected at least 0 steps, got {steps}; 0 takes them all")

    def fit(self, lesson: Lesson) -> Policy:
        """See `Net.fit`; all runs train side by side."""
        space = lesson.env.action_space
        shape = Shape(self.heads, self.span, vocabulary(lesson.env.observation_space))
        scaling = scaling_of(lesson)

        def policy(optimiser: Optimiser) -> TransformerPolicy:
            return TransformerPolicy(optimiser.average(), scaling, space, shape, optimiser.last())

        drawn = partial(self._drawn, lesson, shape.sizes)
        first = first_layers_of(lesson, TransformerPolicy, drawn)
        net = Recurrence(first, partial(answers, shape), policy)
        return descend_along(lesson, net, self, scaling)

    def _drawn(self, lesson: Lesson, sizes: tuple[int, ...]) -> Layers:
        """New weights."""
        draw = Drawing(lesson.streams)
        width = self.width
        layers = self._entrance(lesson, sizes, draw)
        for _ in range(self.blocks):
            layers += draw.block(width, 2 * self.blocks)
        layers += draw.norm(width)
        layers += draw.layer(width, outputs_of(lesson))
        return layers

    def _entrance(self, lesson: Lesson, sizes: tuple[int, ...], draw: Drawing) -> Layers:
        """The layers that make a vector of an observation."""
        if sizes:
            return [embeddings(lesson.streams, sum(sizes), self.width)]
        return draw.layer(lesson.data.obs.shape[2], self.width)

    def restore(self, arrays: Arrays, action_space: Any) -> TransformerPolicy:
        """See `Net.restore`."""
        stored = from_arrays(arrays)
        ends = 5 if stored.sizes else 6
        inner = len(stored.layers) - ends
        whole = inner > 0 and inner % LAYERS == 0
        require(whole, f"policy: expected {LAYERS} layers of each block, got {inner} in all")
        heads, span = arrays["shape"][0].tolist()
        shape = Shape(heads, span, stored.sizes)
        return TransformerPolicy(stored.layers, stored.scaling, action_space, shape, stored.trained)

    def footprint(self, observation: int, outputs: int, horizon: int) -> int:
        """See `Net.footprint`; vectors and attention of whole episodes are kept for the gradient."""
        width = self.width
        steps = self.sequences * horizon
        weights = (4 + 2 * WIDER) * width * width
        vectors = (8 + 2 * WIDER) * width
        attention = 3 * self.heads * horizon
        kept = steps * (vectors + attention)
        of_a_block = weights + kept
        ends = (observation + outputs) * width
        return ends + self.blocks * of_a_block


class Drawing:
    """First weights, drawn one layer after the other, keyed by each run's seed."""

    def __init__(self, streams: Streams):
        self._streams = streams
        self._count = 0

    def layer(self, inputs: int, outputs: int, share: float = 1.0) -> Layers:
        """Weights (R, in, out), uniform in +-1/sqrt(in) times a share, and biases of zero."""
        weight = uniform_layer(self._streams, self._count, inputs, outputs, inputs)
        self._count += 1
        bias = torch.zeros(len(weight), 1, outputs, device=weight.device)
        return [share * weight, bias]

    def norm(self, width: int) -> Layers:
        """A gain of one and a bias of zero."""
        runs = len(self._streams.seeds)
        gain = torch.ones(runs, 1, width, device=self._streams.device)
        return [gain, torch.zeros_like(gain)]

    def block(self, width: int, additions: int) -> Layers:
        """A block's; what is added to the stream is smaller the more there are to add (Radford et al. 2019)."""
        share = additions**-0.5
        attention = self.norm(width) + self.layer(width, 3 * width)
        mixture = self.layer(width, width, share)
        hidden = self.norm(width) + self.layer(width, WIDER * width)
        back = self.layer(WIDER * width, width, share)
        return attention + mixture + hidden + back
