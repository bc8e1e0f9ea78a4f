"""Measures of texts: swapped symbols, calibration, and what a recurrent network remembers, on answers that are known."""

import math

import numpy as np
import pytest
import torch
from conftest import tiny
from gymnasium import spaces
from test_conditionals import entropy, uniform

import il_bench as il
from il_bench.core.chance import bound
from il_bench.core.policy import Policy
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.measures import continuations, headings, memories
from il_bench.measures.continuations import Swap
from il_bench.measures.probes import Unanswerable
from il_bench.measures.quantities import HEADINGS
from il_bench.nets.gru import GRUPolicy

SMALL = {"net": "gru", "updates": 20, "units": 6, "embedding": 3, "sequences": 4}


class Oracle(Policy):
    """Writes by the oracle's own chances."""

    sees_state = True

    def __init__(self, env):
        self.env, self.action_space, self.runs = env, env.action_space, env.runs

    def distribution(self, obs, memory=None):
        return self.env.oracle(obs), memory

    def act(self, obs, memory=None, draw=None):
        return self.env.oracle(obs).argmax(-1, keepdim=True), memory

    def __getitem__(self, run):
        return self


def written(env, episodes=8, policy=None):
    """Texts of the expert, or of a policy under the same chance."""
    streams = Streams(env.seeds)
    if policy is not None:
        return rollout(env, by_policy(env, policy, streams, episodes), streams, episodes)
    expert = bound(env, il.expert(env), streams, episodes)
    return rollout(env, by_expert(env, expert), streams, episodes)


def network(scale=1.0, seed=0, runs=2, units=5, symbols=4, width=3, **parts):
    """A network with random weights, or with given ones: `keep`, `reset` biases, a recurrent `content`, no embedding."""
    random = np.random.default_rng(seed)
    shapes = [
        (symbols + 1, width),
        (width, 3 * units),
        (1, 3 * units),
        (units, 3 * units),
        (1, 3 * units),
        (units, symbols),
        (1, symbols),
    ]
    layers = [torch.from_numpy(scale * random.normal(size=(runs, *shape))) for shape in shapes]
    if parts:
        for number in (0, 2, 3, 4):
            layers[number].zero_()
        layers[2][..., :units] = parts["reset"]
        layers[2][..., units : 2 * units] = parts["keep"]
        layers[3][..., 2 * units :] = parts["content"]
    one = torch.ones(runs, 1, 1, dtype=torch.float64)
    scaling = {"mean": 0 * one, "std": one, "shift": 0 * one, "scale": one}
    return GRUPolicy(layers, scaling, spaces.Discrete(symbols), (symbols + 1,))


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_certificate_bounds_every_slope_that_is_met(scale, seed):
    policy = network(scale, seed)
    random = np.random.default_rng(seed + 100)
    memory = torch.from_numpy(random.uniform(-1, 1, (2, 200, 5)))
    symbols = torch.from_numpy(random.integers(0, 4, (2, 200, 1))).double()
    gains = policy.gains()
    met = memories.stretches(lambda h: policy.act(symbols, h)[1], memory)
    assert (met <= gains.memory[:, None]).all()
    loop = memories.stretches(policy.soft_step, memory)
    assert (loop <= gains.loop[:, None]).all()


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_certificate_bounds_what_the_entering_symbol_does(scale):
    """Two symbols' embeddings move the state by no more than L_x times their distance."""
    policy = network(scale)
    random = np.random.default_rng(1)
    memory = torch.from_numpy(random.uniform(-1, 1, (2, 50, 5)))
    ends = []
    for symbol in (0.0, 1.0):
        obs = torch.full((2, 50, 1), symbol)
        ends.append(policy.act(obs, memory)[1])
    moved = (ends[0] - ends[1]).norm(dim=-1)
    table = policy.layers[0]
    apart = (table[:, 0] - table[:, 1]).norm(dim=-1)
    assert (moved <= policy.gains().entering[:, None] * apart[:, None] + 1e-12).all()


def test_slopes_are_those_of_differences():
    policy = network()
    memory = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (2, 3, 5)))
    slopes = memories.slopes(policy.soft_step, memory)
    step = 1e-6 * torch.eye(5, dtype=torch.float64)
    for unit in range(5):
        above, below = policy.soft_step(memory + step[unit]), policy.soft_step(memory - step[unit])
        column = (above - below) / 2e-6
        assert slopes[..., unit].numpy() == pytest.approx(column.numpy(), abs=1e-8)


def test_the_soft_step_reads_the_mean_of_what_would_be_written():
    """Where one symbol is certain, reading the mean is reading it."""
    policy = network()
    policy._layers[-1][..., 2] += 1e4
    memory = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (2, 3, 5)))
    read = policy.act(torch.full((2, 3, 1), 2.0), memory)[1]
    assert policy.soft_step(memory).numpy() == pytest.approx(read.numpy(), abs=1e-12)


@pytest.mark.parametrize("keeps", [0.4, 1.3])
def test_of_a_network_without_gates_all_four_numbers_are_its_matrix_s(keeps):
    """z = 0 and r = 1 leave h' = tanh(W h), at 0: slopes and growth are W's, the certificate 1 + ||W||."""
    env = il.make("clock", horizon=30, vocabulary=4, patterns=2, seeds=2)
    turn = torch.linalg.qr(torch.from_numpy(np.random.default_rng(0).normal(size=(5, 5))))[0]
    policy = network(keep=-60.0, reset=60.0, content=keeps * turn)
    path = written(env, 3)
    assert memories.lyapunov(env, policy, path).tolist() == pytest.approx([keeps] * 2, rel=1e-9)
    met = memories.met(env, policy, path)
    assert met.numpy() == pytest.approx(keeps, rel=1e-9)
    assert policy.gains().memory.tolist() == pytest.approx([1 + keeps] * 2, rel=1e-6)


def test_a_tanh_cell_with_normalised_weights_has_its_constant_by_construction():
    """h' = tanh(A h + B E softmax(W h)) attains L_h + L_x L_fb where its parts are aligned, and nowhere exceeds it."""
    hold, read, fed = 0.5, 0.6, 0.7
    first = torch.zeros(3, 3, dtype=torch.float64)
    first[0, 0] = 1.0
    embedding = torch.zeros(2, 3, dtype=torch.float64)
    embedding[:, 0] = torch.tensor([1.0, -1.0], dtype=torch.float64) / math.sqrt(2)
    answer = 2 * fed * embedding.T

    def step(h):
        entering = (h @ answer).softmax(-1) @ embedding
        return (hold * h @ first + read * entering @ first).tanh()

    at_rest = torch.zeros(1, 1, 3, dtype=torch.float64)
    alpha = hold + read * fed
    assert memories.stretches(step, at_rest).item() == pytest.approx(alpha, rel=1e-12)
    anywhere = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 200, 3)))
    assert (memories.stretches(step, anywhere) <= alpha + 1e-12).all()


def test_of_one_text_nothing_deviates():
    env = il.make("keyed", horizon=6, seeds=2)
    policy = il.BC(4, il.Training(**SMALL)).learn(env, il.expert(env))
    path = written(env)
    same = memories.deviation(env, policy, path, path)
    assert (same.last == 0).all()
    assert (same.ceiling > 0).all()
    assert same.equal.isnan().all()
    other = memories.deviation(env, policy, written(env, policy=policy), path)
    assert (other.different > 0).all()


def test_a_memory_that_is_no_vector_has_no_deviation():
    env = il.make("keyed", horizon=6)
    policy = il.BC(4, il.Training(net="table")).learn(env, il.expert(env))
    with pytest.raises(Unanswerable, match="needs a policy that remembers a vector"):
        memories.reading(env, policy, written(env))


def test_a_swapped_symbol_is_another_and_each_is_alike():
    env = il.make("golden", horizon=4, vocabulary=4, slip=1.0)
    path = written(env, 3000)
    after = continuations.swapped(env, path, Streams((0,)), 1)
    shift = (after[..., 2] - path.action[:, :, 1, 0]) % 4
    counts = torch.bincount(shift.long().flatten(), minlength=4)
    assert counts[0] == 0
    assert counts[1:] / 3000 == pytest.approx(1 / 3, abs=0.035)
    with pytest.raises(ValueError, match="at: expected a step from 0 to 2, got 3"):
        continuations.swapped(env, path, Streams((0,)), 3)


def test_a_rewritten_text_has_all_other_symbols():
    env = il.make("keyed", horizon=8, slip=0.3)
    path = written(env, 20)
    other = continuations.rewritten(env, path, Streams((0,)), 2)
    differs = (other.state[..., 2] != path.state[..., 2]).any(0).any(0)
    assert differs.tolist() == [False, False, False, True, *[False] * 5]
    assert (other.state[..., 0] != path.state[..., 0]).any()


def test_the_oracle_is_not_confused_by_a_swap_and_who_writes_anything_as_its_entropy_says():
    env = il.make("golden", horizon=9, seeds=2, absorbing=False)
    path = written(env, 4)
    ask = Streams(env.seeds)
    calm = continuations.swap(env, il.expert(env), Oracle(env), path, ask, 2)
    assert calm.kl.shape == (2, 6)
    assert (calm.kl == 0).all()
    assert calm.half_life().isnan().all()
    other = continuations.swap(env, il.expert(env), uniform(env), path, ask, 2)
    assert other.calm[:, 0].numpy() == pytest.approx(math.log(16))
    after = continuations.swapped(env, path, ask, 2)
    expected = math.log(16) - entropy(env.oracle(after))
    assert other.kl[:, 0].numpy() == pytest.approx(expected.mean(1).numpy())


@pytest.mark.parametrize("name", ["clock", "keyed"])
def test_an_unseen_start_is_one_that_the_expert_never_writes(name):
    env = il.make(name, horizon=6, seeds=2)
    path = written(env, 50)
    first = path.state[:, :, 0]
    ask = Streams(env.seeds)
    state = continuations.unseen_state(env, il.expert(env), path, ask)
    symbol = env.observation(state).long()
    assert (env.oracle(first).gather(-1, symbol) == 0).all()
    assert len(symbol.unique()) > 5
    shift = continuations.unseen_start(env, il.expert(env), uniform(env), path, ask)
    assert shift.kl.shape == (2, 5)
    expected = math.log(16) - entropy(env.oracle(state))
    assert shift.kl[:, 0].numpy() == pytest.approx(expected.mean(1).numpy())
    same = math.log(16) - entropy(env.oracle(path.state[:, :, 1]))
    assert shift.calm[:, 0].numpy() == pytest.approx(same.mean(1).numpy())


def test_where_any_start_is_possible_it_is_another_than_the_expert_s():
    env = il.make("text", horizon=2, vocabulary=4, order=1)
    path = written(env, 200)
    state = continuations.unseen_state(env, il.expert(env), path, Streams(env.seeds))
    symbol = env.observation(state)[..., 0]
    assert (symbol != path.action[:, :, 0, 0]).all()
    assert len(symbol.unique()) == 4
    one = il.make("text", horizon=1, vocabulary=4, order=1)
    with pytest.raises(ValueError, match="at: expected a step from 0 to -1, got 0"):
        continuations.unseen_state(one, il.expert(one), written(one), Streams(one.seeds))


def test_the_half_life_is_the_first_lag_with_half_of_what_was_added():
    kl = torch.tensor([[9.0, 7.0, 5.0, 2.0], [2.0, 3.0, 4.0, 5.0], [1.0, 1.0, 1.0, 1.0]])
    half = Swap(kl, torch.ones_like(kl)).half_life()
    assert half[:2].tolist() == [3, math.inf]
    assert half[2].isnan()


def test_the_oracle_is_calibrated_and_who_writes_anything_errs_by_the_difference():
    env = il.make("clock", horizon=12, seeds=2)
    path = written(env, 6)
    expert = il.expert(env)
    assert (continuations.miscalibration(env, expert, Oracle(env), path) == 0).all()
    error = continuations.miscalibration(env, expert, uniform(env), path)
    states = path.state[:, :, 1:-1].flatten(1, 2)
    truth = env.oracle(states)[..., 0].mean(1)
    assert error.numpy() == pytest.approx((1 / 16 - truth).abs().numpy())


def test_texts_are_measured_under_a_heading_of_their_own():
    env = il.make("keyed", horizon=8, slip=0.1, seeds=2)
    expert = il.expert(env)
    policy = il.BC(8, il.Training(**SMALL)).learn(env, expert)
    found = il.assess(env, expert, policy, episodes=4)
    values = found.rows[0]["values"]
    texts = headings.ALL["texts"]
    assert set(texts) <= set(values)
    reasons = {name: values[name] for name in texts if isinstance(values[name], str)}
    late = [f"KL at lag {lag} after a swapped symbol" for lag in (8, 16, 32)]
    late += [f"memory D / ceiling, lag {lag} after a swap" for lag in (8, 16, 32)]
    bytes_ = [name for name in texts if name.startswith("NLL a byte")]
    assert len(bytes_) == 2
    assert set(reasons) == {*late, *bytes_}
    assert "\n  texts\n" in str(found)
    assert values["off the path at the end"].runs == 2
    largest = values["memory: slope met, largest"].value
    assert largest <= values["memory: certificate L_h"].value
    ours, theirs = (
        values[f"KL {which}, nats a symbol"].value
        for which in ("on (own prefixes)", "off (expert's prefixes)")
    )
    assert values["%ExAccErr"].runs == 2
    assert min(ours, theirs) > 0


def test_nothing_of_that_stands_in_the_table_of_control():
    env = tiny("lane")
    found = il.assess(env, il.expert(env), il.expert(env), episodes=8)
    assert set(found.rows[0]["values"]) == {name for part in HEADINGS.values() for name in part}
    assert "texts" not in str(found)
