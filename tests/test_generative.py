"""Nets that are drawn from: mixtures against torch's distributions, flows to a known normal one, and who acts by chance."""

import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, tiny
from gymnasium import spaces
from torch import distributions

import il_bench as il
from il_bench.core.policy import Log
from il_bench.core.rollout import by_policy, chance_of, rollout
from il_bench.core.streams import Streams, normals
from il_bench.fit.dataset import Dataset
from il_bench.fit.fitting import fit, restore
from il_bench.jobs.checkpoint import Checkpoint
from il_bench.nets import _mlp_engine
from il_bench.nets.mdn import NARROW, Beginning, Mixtures, likelihood_slope

NETS = ("mdn", "flow")
COMPONENTS, NUMBERS, FLOOR = 3, 4, 0.1


def outputs(runs=2, batch=5):
    """What a network says, and targets of which some are missing."""
    random = torch.Generator().manual_seed(0)
    size = COMPONENTS * (1 + 2 * NUMBERS)
    out = torch.randn(runs, batch, size, generator=random)
    target = torch.randn(runs, batch, NUMBERS, generator=random)
    return out, target


def test_the_likelihood_is_that_of_torchs_mixture():
    out, target = outputs()
    own = Mixtures.of(out.double(), COMPONENTS, FLOOR)
    of_components = distributions.Independent(
        distributions.Normal(own.mean, own.variance.sqrt()), 1
    )
    chances = distributions.Categorical(logits=own.logits)
    wanted = distributions.MixtureSameFamily(chances, of_components).log_prob(target.double())
    torch.testing.assert_close(own.log_density(target.double()), wanted)
    assert (own.variance > FLOOR**2).all()


def test_what_is_missing_is_integrated_out():
    out, target = outputs()
    own = Mixtures.of(out.double(), COMPONENTS, FLOOR)
    gaps = target.double().clone()
    gaps[..., 1:] = math.inf
    alone = dataclasses.replace(own, mean=own.mean[..., :1], variance=own.variance[..., :1])
    torch.testing.assert_close(own.log_density(gaps), alone.log_density(gaps[..., :1]))


def test_the_slope_by_hand_is_the_derivative():
    out, target = outputs()
    target[0, :3, 2:] = math.inf
    out = out.double().requires_grad_()
    loss = -Mixtures.of(out, COMPONENTS, FLOOR).log_density(target.double())
    (wanted,) = torch.autograd.grad(loss.sum(), out)
    left = np.zeros(out.shape, np.float32)
    numbers = out.detach().float().numpy()
    each = likelihood_slope(COMPONENTS, FLOOR, numbers, target.numpy(), left)
    torch.testing.assert_close(torch.from_numpy(left), wanted.float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.from_numpy(each)[..., 0], loss.detach().float())


def test_a_draw_of_mixtures_has_their_mean_and_variance():
    out, _ = outputs(1, 1)
    own = Mixtures.of(out.double(), COMPONENTS, FLOOR)
    many = 20_000
    wide = dataclasses.replace(
        own, **{name: value.expand(1, many, *value.shape[2:]) for name, value in vars(own).items()}
    )
    chance = torch.rand(1, many, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = wide.draw(chance)[0]
    share = own.logits[0, 0].softmax(-1)[:, None]
    mean = (share * own.mean[0, 0]).sum(0)
    spread = (share * (own.variance[0, 0] + own.mean[0, 0] ** 2)).sum(0) - mean**2
    torch.testing.assert_close(drawn.mean(0), mean, rtol=0, atol=0.05 * spread.max().sqrt().item())
    torch.testing.assert_close(drawn.var(0), spread, rtol=0.06, atol=0)


def test_without_chance_a_mixture_is_its_most_likely_component():
    out, _ = outputs()
    own = Mixtures.of(out, COMPONENTS, FLOOR)
    best = own.logits.argmax(-1)
    assert torch.equal(own.draw(None)[1, 2], own.mean[1, 2, best[1, 2]])


def test_numbers_of_a_draw_are_normal_and_independent():
    draw = Streams((3,)).uniform("policy", 1, 20_000)[:, 0]
    numbers = normals(draw, 3)[0]
    assert numbers.isfinite().all()
    assert numbers.mean(0).abs().max() < 0.03
    assert torch.allclose(torch.cov(numbers.T), torch.eye(3).double(), atol=0.03)


BOX = spaces.Box(-10.0, 10.0, (1,))


class Env:
    """What a fit needs of an environment."""

    horizon = 20
    action_space = BOX


def fitted(net, labels, updates, runs=1, **settings):
    """A net fitted to labels (N,) under one observation, each an episode."""
    count = len(labels)
    obs = torch.zeros(runs, count, 1)
    action = labels[None, :, None].expand(runs, -1, -1).contiguous()
    data = Dataset(obs, action, torch.ones(runs, count), (1,) * count)
    training = il.Training(net, updates=updates, hidden=(16,), chunk=1, lr=1e-2, **settings)
    return fit(data, training, Env(), Streams(range(runs)), Log())


def drawn(policy, count=4000):
    """Draws (R, count) under the one observation."""
    obs = torch.zeros(policy.runs, count, 1)
    chance = Streams(range(policy.runs)).uniform("policy", 1, count)[:, 0]
    return policy.act(obs, None, chance)[0][..., 0]


@pytest.mark.parametrize("net", NETS)
def test_a_normal_distribution_is_learned(net):
    """In the mean over runs; one run's last updates leave it a sixth of a deviation aside."""
    labels = 2 + 0.5 * torch.randn(400, generator=torch.Generator().manual_seed(0))
    labels = 2 + 0.5 * (labels - labels.mean()) / labels.std()
    numbers = drawn(fitted(net, labels, 300, runs=16))
    assert numbers.mean(1).mean().item() == pytest.approx(2, abs=0.1)
    assert numbers.std(1).mean().item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("net", "updates"), [("mdn", 400), ("flow", 1200)])
def test_two_ways_are_both_drawn_where_the_mean_is_neither(net, updates):
    labels = torch.tensor([-1.0, 1.0]).repeat(100)
    numbers = drawn(fitted(net, labels, updates))[0]
    assert 0.35 < (numbers > 0).double().mean() < 0.65
    assert ((numbers.abs() - 1).abs() < 0.4).double().mean() > 0.85


def forked(net, runs, updates, **settings):
    """Fitted to plans of four numbers, of which the last alone has two ways: -1 and 1."""
    ways = torch.tensor([-1.0, 1.0]).repeat(8)
    plans = torch.zeros(16, 4)
    plans[:, 3] = ways
    obs = torch.linspace(0, 1.5, 4).repeat(16)
    obs, action = (each.flatten()[None, :, None].expand(runs, -1, -1) for each in (obs, plans))
    data = Dataset(obs.contiguous(), action.contiguous(), torch.ones(runs, obs.shape[1]), (4,) * 16)
    training = il.Training(net, updates=updates, hidden=(16,), chunk=4, lr=1e-2, **settings)
    return fit(data, training, Env(), Streams(range(runs)), Log())


@pytest.mark.parametrize(("net", "updates"), [("mdn", 120), ("flow", 1600)])
def test_few_draws_lie_between_two_ways(net, updates):
    """In 64 runs; a third does where components have no time to settle, a half where a flow foretells velocities."""
    runs, count = 64, 100
    policy = forked(net, runs, updates)
    chance = Streams(range(runs)).uniform("policy", 1, count)[:, 0]
    drawn = policy.act(torch.zeros(runs, count, 1), None, chance)[1][..., 3]
    neither = (drawn.abs() - 1).abs() > 0.4
    assert neither.double().mean() < 0.1
    assert 0.4 < (drawn > 0).double().mean() < 0.6


@pytest.mark.parametrize("fast", [True, False])
def test_components_settle_before_they_learn_how_wide_they_are(fast, monkeypatch):
    """Of four updates three move the means alone: the others' last biases make one of Adam's steps, of at most lr."""
    if not fast:
        monkeypatch.setattr(_mlp_engine, "suits", lambda obs: False)
    first, last = (
        forked("mdn", 2, updates, settle=0.75).network.layers[-1][:, 0] for updates in (1, 4)
    )
    moved = (last - first).abs()
    means = slice(4, 4 + 4 * 4)
    assert (moved[:, means] > 0.015).any()
    chances = moved[:, :4]
    deviations = moved[:, 4 + 4 * 4 :]
    assert max(chances.max(), deviations.max()) < 0.04


def test_while_components_settle_only_places_are_heard():
    narrow = math.log(NARROW)
    fresh = Beginning(2, 1, 2, True)
    assert fresh.offset.tolist() == pytest.approx([0, 0, 0, 0, narrow, narrow])
    heard = [fresh.heard().tolist() for _ in range(3)]
    assert heard == [[0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0], [1] * 6]
    later = Beginning(2, 1, 0, False)
    assert later.heard().tolist() == [1] * 6
    assert not later.offset.any()


class Straight:
    """A network that knows where the path through a point ends: z goes to m + s z."""

    def __init__(self, shift, scale):
        self.shift, self.scale = shift, scale

    def output(self, inputs):
        point, time = inputs[..., 1:2], inputs[..., 2:3]
        start = (point - time * self.shift) / (1 - time + time * self.scale)
        return self.shift + self.scale * start


class Likely(Straight):
    """One that knows the mean of the ends of all paths through a point, where z and y are independent normal numbers."""

    def output(self, inputs):
        point, time = inputs[..., 1:2], inputs[..., 2:3]
        weight = time * self.scale**2 / ((time * self.scale) ** 2 + (1 - time) ** 2)
        return self.shift + weight * (point - time * self.shift)


BEGIN = torch.tensor([[[-1.0], [0.0], [2.0]]], dtype=torch.float64)


def carried(network, midpoints):
    """Where `BEGIN` is carried."""
    policy = fitted("flow", torch.linspace(-1, 1, 10), 1)
    policy.network, policy.midpoints = network, midpoints
    return policy.carried(torch.zeros(1, 3, 1), BEGIN)


@pytest.mark.parametrize("midpoints", [1, 10])
def test_straight_paths_end_where_they_should(midpoints):
    end = carried(Straight(2.0, 0.5), midpoints)
    torch.testing.assert_close(end, 2 + 0.5 * BEGIN)


def test_normal_numbers_are_carried_to_normal_ones_the_better_the_more_steps():
    """The path of the mean velocity bends, and still ends at m + s z; the midpoint rule is of second order at least."""
    wanted = 2 + 0.5 * BEGIN
    ends = [carried(Likely(2.0, 0.5), midpoints) for midpoints in (10, 20, 40)]
    gaps = [(end - wanted).abs().max() for end in ends]
    assert gaps[0] < 5e-4
    for wide, narrow in itertools.pairwise(gaps):
        assert wide / narrow > 3.9


def test_a_flow_of_an_earlier_version_is_a_sentence():
    policy = fitted("flow", torch.linspace(-1, 1, 10), 1)
    arrays = policy.arrays()
    arrays["plan.euler"] = arrays.pop("plan.midpoints")
    with pytest.raises(
        ValueError,
        match=r"^net flow: this policy foretells velocities, .*; open it with il_bench 0.7, or",
    ):
        restore("flow", arrays, policy.action_space)


def test_flows_on_either_engine_are_one(monkeypatch):
    labels = torch.linspace(-1, 1, 40)
    for net in NETS:
        fast = fitted(net, labels, 40, runs=2)
        with monkeypatch.context() as patch:
            patch.setattr(_mlp_engine, "suits", lambda obs: False)
            slow = fitted(net, labels, 40, runs=2)
        for name, array in fast.arrays().items():
            torch.testing.assert_close(array, slow.arrays()[name], rtol=1e-3, atol=1e-4)


def generative(net, **settings):
    own = {"chunk": 3, "hidden": (16,), **settings}
    return dataclasses.replace(SMALL, net=il.net(net, **own))


def cloned(env, training):
    return il.BC(2, training).learn(env, il.expert(env))


@pytest.mark.parametrize("net", NETS)
def test_a_plan_is_drawn_as_a_whole_and_executed_before_the_next(net):
    env = tiny("lane")
    policy = cloned(env, generative(net))
    obs = env.observation(env.initial(Streams(env.seeds), 4)).float()
    one, other = (torch.full((1, 4), chance, dtype=torch.float64) for chance in (0.2, 0.7))
    first, memory = policy.act(obs, None, one)
    assert not torch.equal(first, policy.act(obs, None, other)[0])
    second = policy.act(obs, memory, one)
    assert torch.equal(second[0], policy.act(2 * obs, memory, other)[0])
    assert torch.equal(policy.act(obs, 0 * memory, one)[0], first)


@pytest.mark.parametrize("net", NETS)
def test_who_is_there_to_act_by_chance_does_so_in_comparisons_and_is_repeated(net):
    env = tiny("lane", seeds=2)
    expert = il.expert(env)
    policy = cloned(env, generative(net))
    plain = cloned(env, SMALL)
    streams = Streams(env.seeds).fork("evaluation")
    assert chance_of(policy, streams) is streams
    assert chance_of(plain, streams) is None
    record = il.compare(env, expert, episodes=3, own=policy)
    again = il.compare(env, expert, episodes=3, own=policy)
    assert np.array_equal(record.arrays["state"], again.arrays["state"])
    chance = rollout(env, by_policy(env, policy, streams, 3), streams, 3)
    assert np.array_equal(record.arrays["state"][1], chance.state.numpy())
    calm = rollout(env, by_policy(env, policy), streams, 3)
    assert not torch.equal(calm.state, chance.state)


@pytest.mark.parametrize("net", NETS)
def test_the_deterministic_answer_is_the_same_every_time(net):
    policy = cloned(tiny("lane"), generative(net))
    obs = np.zeros((2, 4), np.float32)
    assert np.array_equal(policy.predict(obs)[0], policy.predict(obs)[0])
    moved = [policy.predict(obs, deterministic=False)[0] for _ in range(2)]
    assert not np.array_equal(*moved)


@pytest.mark.parametrize("net", NETS)
def test_rounds_of_draws_are_kept_and_resumed(net):
    env = tiny("lane", seeds=2)
    learner = il.DAgger(rounds=3, training=generative(net))
    whole = learner.learn(env, il.expert(env))
    log = Log(checkpoint=Checkpoint(Path("rounds")))
    learner.learn(env, il.expert(env), None, log)
    sorted(Path("rounds").iterdir())[-1].unlink()
    resumed = learner.learn(env, il.expert(env), None, Log(checkpoint=Checkpoint(Path("rounds"))))
    for name, array in whole.arrays().items():
        assert torch.equal(array, resumed.arrays()[name]), name


@pytest.mark.parametrize("net", NETS)
def test_what_nobody_can_draw_is_a_sentence(net):
    with pytest.raises(ValueError, match=f"net {net}: expected Box actions, got Discrete ones"):
        cloned(tiny("resetcliff"), generative(net))
    with pytest.raises(ValueError, match=f"net {net}: chunk: expected at most the horizon, T = 12"):
        cloned(tiny("lane"), generative(net, chunk=13))
    with pytest.raises(ValueError, match=r"execute: expected 0 \(all\) to 3, the chunk, got 4"):
        generative(net, execute=4)


def test_components_that_never_learn_how_wide_they_are_is_a_sentence():
    with pytest.raises(ValueError, match=r"settle: expected a share below 1, got 1.0; try 0.5"):
        il.net("mdn", settle=1.0)
