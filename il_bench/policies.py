"""Policies with a run axis: a network, a table of counts, a mixture, a vote of pairs, R of each side by side."""

from __future__ import annotations

import itertools
import math
from typing import Any, TypeAlias

import torch
from gymnasium import spaces

from .core import Policy
from .settings import one_of, require
from .streams import Streams

Arrays: TypeAlias = "dict[str, torch.Tensor]"


def affine(bias: torch.Tensor, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """X W + b for every run: x (R, B, in), W (R, in, out), b (R, 1, out).

    MKL takes another kernel for a batch of one, which rounds differently; a phantom second run keeps run 2 of 4 equal
    to run 2 alone, bit for bit, at 5 % of a small layer's time.
    """
    if len(weight) > 1:
        return torch.baddbmm(bias, x, weight)
    return torch.baddbmm(bias.expand(2, -1, -1), x.expand(2, -1, -1), weight.expand(2, -1, -1))[:1]


def mlp(layers: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Tanh network: layers are W, b, W, b, ...; x (R, B, in) to (R, B, out)."""
    for w, b in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        x = affine(b, x, w).tanh()
    return affine(layers[-1], x, layers[-2])


def initial_layers(sizes: list[int], streams: Streams) -> list[torch.Tensor]:
    """Weights and biases uniform in +-1/sqrt(fan in), as torch.nn.Linear draws them, keyed by each run's seed."""
    layers = []
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        bound = 1 / math.sqrt(fan_in)
        for name, rows in (("weight", fan_in), ("bias", 1)):
            draw = streams.uniform(f"{name} {i}", 1, rows, fan_out)[:, 0]
            layers.append(((2 * draw - 1) * bound).to(torch.float32))
    return layers


def _choose(chances: torch.Tensor, draw: torch.Tensor) -> torch.Tensor:
    """Inverse of the cumulated chances (R, E, A) at uniform numbers (R, E): actions (R, E, 1)."""
    below = chances.cumsum(-1) < draw[..., None] * chances.sum(-1, keepdim=True)
    return below.sum(-1, keepdim=True).clamp_max(chances.shape[-1] - 1)


class MLPPolicy(Policy):
    """Tanh networks on normalised observations.

    Weights are trained in float32 and evaluated in float64: one observation alone then gives the same action as in a
    batch, to 1e-16, and an unforgiving environment cannot tell the two apart.

    Args:
        layers: W (R, in, out), b (R, 1, out), alternating, float32.
        scaling: "mean", "std" (R, 1, O) of observations, "shift", "scale" (R, 1, U) of actions; float32.
        action_space: Gymnasium's space of one action; actions are clipped to a Box, logits cover a Discrete.
        trained: the layers as training left them, where `layers` are their average; a warm start goes on with these.
    """

    kind = "mlp"

    def __init__(
        self,
        layers: list[torch.Tensor],
        scaling: Arrays,
        action_space: spaces.Box | spaces.Discrete,
        trained: list[torch.Tensor] | None = None,
    ):
        self.trained = layers if trained is None else trained
        self.layers, self.scaling, self.action_space = (
            [p.detach() for p in layers],
            scaling,
            action_space,
        )
        self.runs, self.device = len(layers[0]), str(layers[0].device)
        self._layers = [p.double() for p in self.layers]
        self._scaling = {k: v.double() for k, v in scaling.items()}
        if isinstance(action_space, spaces.Box):
            self._low = torch.as_tensor(action_space.low.ravel(), device=self.device).double()
            self._high = torch.as_tensor(action_space.high.ravel(), device=self.device).double()

    def __repr__(self) -> str:
        """What it is, not all of it."""
        sizes = [self.layers[0].shape[1], *(b.shape[-1] for b in self.layers[1::2])]
        return f"MLPPolicy({' -> '.join(map(str, sizes))}; R={self.runs})"

    def output(self, obs: torch.Tensor) -> torch.Tensor:
        """Unclipped actions, or logits, (R, E, U or A), float64, for obs (R, E, O); differentiable in obs."""
        s = self._scaling
        expected = s["mean"].shape[-1]
        require(
            obs.dim() == 3 and obs.shape[0] == self.runs and obs.shape[2] == expected,
            f"observations: expected (R={self.runs}, E, O={expected}), got {tuple(obs.shape)}; pass one row an episode",
        )
        return mlp(self._layers, (obs.double() - s["mean"]) / s["std"]) * s["scale"] + s["shift"]

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; a Box action is deterministic."""
        out = self.output(obs)
        if isinstance(self.action_space, spaces.Box):
            return out.clamp(self._low, self._high), memory
        if draw is None:
            return out.argmax(-1, keepdim=True), memory
        return _choose(out.softmax(-1), draw), memory

    def __getitem__(self, run: int) -> MLPPolicy:
        """The policy of one run."""
        pick = one_of(run, self.runs)
        scaling = {name: value[pick] for name, value in self.scaling.items()}
        return MLPPolicy([p[pick] for p in self.layers], scaling, self.action_space)

    def arrays(self) -> Arrays:
        """Everything that makes this policy, by name."""
        layers = {f"layer.{i:02d}": p for i, p in enumerate(self.layers)}
        return layers | {f"scaling.{name}": value for name, value in self.scaling.items()}


class TablePolicy(Policy):
    """Tables of counted labels: chances are relative counts, uniform where nothing was counted.

    Args:
        counts: (R, T, S, A) weights of the labels seen at step t in state s; T = 1 for one table shared over time.
        fill: (R, T, S) the action that stands for an unseen cell when a deterministic action is asked for, drawn once.
        action_space: Gymnasium's Discrete space of actions.

    Observations are one-hot (R, E, S). Memory counts the steps, so that each step finds its table.
    """

    kind = "table"
    action_space: spaces.Discrete

    def __init__(self, counts: torch.Tensor, fill: torch.Tensor, action_space: spaces.Discrete):
        self.counts, self.fill, self.action_space = counts, fill, action_space
        self.runs, self.device = len(counts), str(counts.device)

    def __repr__(self) -> str:
        """What it is, not all of it."""
        _, steps, states, actions = self.counts.shape
        return f"TablePolicy({steps} tables of {states} states x {actions} actions; R={self.runs})"

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; `draw` asks for a random action of the counted chances."""
        step = (
            torch.zeros(obs.shape[:2], dtype=torch.long, device=obs.device)
            if memory is None
            else memory
        )
        run = torch.arange(self.runs, device=obs.device)[:, None]
        cell = run, step.clamp_max(self.counts.shape[1] - 1), obs.argmax(-1)
        counts, unseen = self.counts[cell], self.counts[cell].sum(-1, keepdim=True) == 0
        if draw is None:
            action = torch.where(
                unseen, self.fill[cell][..., None], counts.argmax(-1, keepdim=True)
            )
        else:
            action = _choose(torch.where(unseen, torch.ones_like(counts), counts), draw)
        return action, step + 1

    def __getitem__(self, run: int) -> TablePolicy:
        """The policy of one run."""
        pick = one_of(run, self.runs)
        return TablePolicy(self.counts[pick], self.fill[pick], self.action_space)

    def arrays(self) -> Arrays:
        """Everything that makes this policy, by name."""
        return {"counts": self.counts, "fill": self.fill}


class MixturePolicy(Policy):
    """Policies of which one acts at each step, chosen anew by chance; each acts deterministically once it is chosen.

    Without a draw it does what it does on average: the weighted mean of Box actions, the weighted vote of Discrete ones.

    Args:
        parts: K policies of R runs.
        chances: (R, K) of each part; they sum to one.
    """

    kind = "mixture"

    def __init__(self, parts: list[Any], chances: torch.Tensor):
        self.parts, self.chances, self.action_space = parts, chances, parts[0].action_space
        self.runs, self.device = len(chances), str(chances.device)

    def __repr__(self) -> str:
        """What it is, not all of it."""
        return f"MixturePolicy({len(self.parts)} x {self.parts[0]})"

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; `draw` chooses who acts. The parts' memories stand side by side, (R, E, K, ...)."""
        held = [None] * len(self.parts) if memory is None else memory.unbind(2)
        answers = [part.act(obs, own) for part, own in zip(self.parts, held, strict=True)]
        kept = [own for _, own in answers]
        memory = None if kept[0] is None else torch.stack(kept, 2)
        actions, chances = torch.stack([action for action, _ in answers], 2), self.chances[:, None]
        if draw is not None:
            who = _choose(chances, draw)[..., None]
            return actions.gather(2, who.expand(-1, -1, -1, actions.shape[-1]))[:, :, 0], memory
        if isinstance(self.action_space, spaces.Box):
            mean = torch.zeros_like(actions[:, :, 0])
            for k, action in enumerate(
                actions.unbind(2)
            ):  # a sum over a stack rounds differently for fewer runs
                mean = mean + chances[..., k, None] * action
            return mean, memory
        votes = torch.zeros(
            *obs.shape[:2], int(self.action_space.n), dtype=chances.dtype, device=obs.device
        )
        votes = votes.scatter_add(2, actions[..., 0], chances.expand(-1, obs.shape[1], -1))
        return votes.argmax(-1, keepdim=True), memory

    def __getitem__(self, run: int) -> MixturePolicy:
        """The policy of one run."""
        return MixturePolicy(
            [part[run] for part in self.parts], self.chances[one_of(run, self.runs)]
        )

    def arrays(self) -> Arrays:
        """Everything that makes this policy, by name; those of part 3 begin with `part.003.mlp.`."""
        held = {
            f"part.{k:03d}.{part.kind}.{name}": array
            for k, part in enumerate(self.parts)
            for name, array in part.arrays().items()
        }
        return {"chances": self.chances, **held}


def _parts(arrays: Arrays, action_space: Any) -> list[Any]:
    """The parts of a mixture, from its arrays."""
    found: dict[tuple[str, str], Arrays] = {}
    for name in sorted(arrays):
        if name.startswith("part."):
            _, number, kind, own = name.split(".", 3)
            found.setdefault((number, kind), {})[own] = arrays[name]
    return [restore(kind, own, action_space) for (_, kind), own in found.items()]


class VotePolicy(Policy):
    """One linear classifier for each pair of actions, all-pairs: each votes, and the action with most votes is taken.

    Hastie & Tibshirani (1998). Among equal votes decides who won by more, s / (3 (|s| + 1)) of the summed margins s,
    which never outweighs a vote; so does scikit-learn.

    Args:
        weight: (R, O, P) float32, one column for each pair (0, 1), (0, 2), ..., (A-2, A-1) of actions.
        bias: (R, 1, P) float32; a margin above 0 is a vote for the second action of the pair, else for the first.
        action_space: Gymnasium's Discrete space of actions.
    """

    kind = "vote"
    action_space: spaces.Discrete

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, action_space: spaces.Discrete):
        self.weight, self.bias, self.action_space = weight, bias, action_space
        self.runs, self.device = len(weight), str(weight.device)
        self._layers = weight.double(), bias.double()
        first, second = torch.triu_indices(
            int(action_space.n), int(action_space.n), 1, device=weight.device
        )
        one_hot = torch.nn.functional.one_hot
        sides = one_hot(second, int(action_space.n)) - one_hot(first, int(action_space.n))  # (P, A)
        self._sides = sides.double().expand(self.runs, -1, -1)

    def __repr__(self) -> str:
        """What it is, not all of it."""
        _, size, pairs = self.weight.shape
        return (
            f"VotePolicy({size} -> {pairs} pairs of {self.action_space.n} actions; R={self.runs})"
        )

    def votes(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Votes for each action and its summed margins, both (R, E, A), float64, for obs (R, E, O)."""
        weight, bias = self._layers
        expected = weight.shape[1]
        require(
            obs.dim() == 3 and obs.shape[0] == self.runs and obs.shape[2] == expected,
            f"observations: expected (R={self.runs}, E, O={expected}), got {tuple(obs.shape)}; pass one row an episode",
        )
        margin, none = (
            affine(bias, obs.double(), weight),
            bias.new_zeros(self.runs, 1, int(self.action_space.n)),
        )
        won = torch.where(margin > 0, 1.0, -1.0).to(margin.dtype)
        balance, sums = (affine(none.double(), part, self._sides) for part in (won, margin))
        return (balance + int(self.action_space.n) - 1) / 2, sums

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; `draw` asks for a random action, each as likely as its share of the votes."""
        votes, sums = self.votes(obs)
        if draw is not None:
            return _choose(votes, draw), memory
        return (votes + sums / (3 * (sums.abs() + 1))).argmax(-1, keepdim=True), memory

    def __getitem__(self, run: int) -> VotePolicy:
        """The policy of one run."""
        pick = one_of(run, self.runs)
        return VotePolicy(self.weight[pick], self.bias[pick], self.action_space)

    def arrays(self) -> Arrays:
        """Everything that makes this policy, by name."""
        return {"weight": self.weight, "bias": self.bias}


Learned: TypeAlias = "MLPPolicy | TablePolicy | MixturePolicy | VotePolicy"
"""What `restore` gives back."""


def restore(kind: str, arrays: Arrays, action_space: Any) -> Learned:
    """The policy that `arrays()` described.

    Raises:
        ValueError: when the kind is unknown or an array is missing.
    """
    if kind == "table" and {"counts", "fill"} <= set(arrays):
        return TablePolicy(arrays["counts"], arrays["fill"], action_space)
    if kind == "mixture" and "chances" in arrays and (parts := _parts(arrays, action_space)):
        return MixturePolicy(parts, arrays["chances"])
    if kind == "vote" and {"weight", "bias"} <= set(arrays):
        return VotePolicy(arrays["weight"], arrays["bias"], action_space)
    layers = [arrays[name] for name in sorted(arrays) if name.startswith("layer.")]
    scaling = {
        name.removeprefix("scaling."): v
        for name, v in arrays.items()
        if name.startswith("scaling.")
    }
    require(
        kind == "mlp" and len(layers) >= 2 and set(scaling) == {"mean", "std", "shift", "scale"},
        f"policy: expected the arrays of an mlp, a table, a mixture or a vote, got kind {kind!r} with {sorted(arrays)}; "
        "save it again",
    )
    return MLPPolicy(layers, scaling, action_space)


def assemble(policies: list[Any], choice: list[int]) -> Learned:
    """One policy of R runs that takes run r from `policies[choice[r]]`."""
    parts = [policies[pick].arrays() for pick in choice]
    arrays = {
        name: torch.stack([part[name][run] for run, part in enumerate(parts)]) for name in parts[0]
    }
    return restore(policies[0].kind, arrays, policies[0].action_space)


def side_by_side(policies: list[MLPPolicy]) -> MLPPolicy:
    """One policy of all the runs of several, in order."""

    def joined(each: list[list[torch.Tensor]]) -> list[torch.Tensor]:
        return [torch.cat(parts) for parts in zip(*each, strict=True)]

    scaling = {name: torch.cat([p.scaling[name] for p in policies]) for name in policies[0].scaling}
    layers, trained = joined([p.layers for p in policies]), joined([p.trained for p in policies])
    return MLPPolicy(layers, scaling, policies[0].action_space, trained)
