"""Learners of texts: closed forms of their optima on languages small enough to write down, and what they count."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import pytest
import torch

import il_bench as il
from il_bench.core.policy import Log
from il_bench.fit.collect import demonstrate
from il_bench.fit.roll_ins import CoinedSymbols
from il_bench.fit.sequences import Sequences
from il_bench.stats.theory import teacher_share

SMALL = {"net": "gru", "updates": 6, "units": 8, "embedding": 4, "sequences": 4}


@dataclass(frozen=True, kw_only=True)
class Pair(il.TokenEnv):
    """Two symbols, of which the second depends on the first: a language that can be written down."""

    indicator: ClassVar = True

    first: ClassVar = torch.tensor([0.25, 0.75], dtype=torch.float64)
    second: ClassVar = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64)

    def require_language(self):
        pass

    @cached_property
    def automaton(self):
        chances = torch.cat((self.first[None], self.second))[None]
        following = torch.tensor([[1, 2]] * 3)
        start = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
        return il.Automaton(chances, following, start)

    def difference(self, state, other):
        return il.apart(state, other)

    def certificate(self):
        return il.zero_or_one(self)

    def draw(self, state, size, ghost=None, colour=None):
        raise NotImplementedError


class Oracle(il.StochasticExpert):
    """The language itself."""

    def __init__(self, env):
        self.env = env

    def distribution(self, state):
        return self.env.oracle(state)


def second_symbol(policy):
    """The chances (R, 2, V) of a policy's second symbol after each first one."""
    runs = policy.runs
    nothing = torch.full((runs, 2, 1), 2.0)
    both = torch.tensor([0.0, 1.0]).expand(runs, -1)[..., None]
    _, memory = policy.go_on(nothing, None)
    logits, _ = policy.go_on(both, memory)
    return logits.softmax(-1)


def sequences(env):
    """Four texts of the expert."""
    return Sequences.of(demonstrate(env, il.expert(env), il.Streams(env.seeds), 4, Log()))


# Scheduled sampling


def test_the_optimum_of_scheduled_sampling_is_huszars():
    """Q(x2|x1) = e P(x2|x1) + (1 - e) P(x2): the conditional at e = 1, at e = 0 the marginal whatever was written."""
    shares = (1.0, 0.5, 0.0)
    env = Pair(horizon=2, seed=(0, 1, 2))
    training = il.Training("gru", units=4, embedding=4, updates=250, lr=2e-2, sequences=64, soft=True, ema=0.95)  # fmt: skip
    learner = il.Scheduled(512, "constant", least=shares, protect=0, training=training)
    policy = learner.learn(env, Oracle(env))
    marginal = env.first @ env.second
    for share, chances in zip(shares, second_symbol(policy), strict=True):
        optimum = share * env.second + (1 - share) * marginal
        assert (chances - optimum).abs().max() < 0.03


def test_scheduled_sampling_that_replaces_nothing_is_cloning_bit_for_bit():
    env = il.make("clock", horizon=6, seeds=2)
    training = il.Training(**SMALL)
    cloned = il.BC(8, training).learn(env, il.expert(env))
    kept = (
        il.Scheduled(8, "constant", least=1.0, training=training),
        il.Scheduled(8, "linear", protect=6, training=training),
        il.Scheduled(8, "linear", half=1e12, training=training),
    )
    for learner in kept:
        policy = learner.learn(env, il.expert(env))
        for one, two in zip(policy.layers, cloned.layers, strict=True):
            assert torch.equal(one, two)
        assert torch.equal(policy.log.labels, cloned.log.labels)
    changed = il.Scheduled(8, "constant", training=training).learn(env, il.expert(env))
    assert not torch.equal(changed.layers[0], cloned.layers[0])


def test_schedules_are_their_closed_forms():
    half = 300
    k = next(k / 1000 for k in range(1001, 10**6) if k / 1000 * math.log(k / 1000) >= half)
    for i in (0, 100, half, 500):
        assert teacher_share("linear", i, half) == max(0, 1 - i / 600)
        assert teacher_share("exponential", i, half) == pytest.approx(0.5 ** (i / half))
        exact = k / (k + math.exp(i / k))
        assert teacher_share("sigmoid", i, half) == pytest.approx(exact, abs=1e-4)
    for kind in ("linear", "exponential", "sigmoid"):
        assert teacher_share(kind, half, half) == pytest.approx(0.5)
        assert teacher_share(kind, 1e9, half) == 0
    with pytest.raises(ValueError, match="decay: expected linear, exponential or sigmoid"):
        teacher_share("cosine", 1, half)


def test_a_schedule_of_each_run_and_where_it_ends():
    learner = il.Scheduled(schedule="linear", half=(10.0, 20.0), least=(0.0, 0.6))
    assert learner.chances(10) == [0.5, 0.75]
    assert learner.chances(1000) == [0.0, 0.6]
    in_the_middle = il.Scheduled(training=il.Training("gru", updates=80))
    assert in_the_middle.chances(40) == [pytest.approx(0.5)]


def test_no_gradient_goes_through_what_is_written_and_the_labels_stay():
    """The student writes with the weights of the moment; what it learns from then is a fixed text."""
    env = il.make("keyed", horizon=5)
    parts = []
    source = CoinedSymbols(il.Streams((0,)), lambda i: [0.0], 1)
    given = sequences(env)
    logits = torch.zeros(1, 4, 1, 16)
    logits[..., 9] = 50.0

    def always_nine(obs, memory):
        parts.append(obs)
        return logits, memory

    seen = source.batch(given, 0, always_nine)
    assert torch.equal(seen.obs[:, :, :2], given.obs[:, :, :2])
    assert (seen.obs[:, :, 2:] == 9).all()
    assert torch.equal(seen.action, given.action)
    assert not seen.obs.requires_grad
    # It has read its own symbols, not the demonstration's.
    assert (parts[2] == 9).all()


def test_behind_the_last_symbol_stand_those_before():
    env = il.make("keyed", horizon=5, context=3)
    source = CoinedSymbols(il.Streams((0,)), lambda i: [0.0], 0)
    logits = torch.zeros(1, 4, 1, 16)
    logits[..., 9] = 50.0
    seen = source.batch(sequences(env), 0, lambda obs, memory: (logits, memory))
    assert seen.obs[0, 0].tolist() == [[16] * 3, [9, 16, 16], [9, 9, 16], [9] * 3, [9] * 3]
