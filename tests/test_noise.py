"""Noise in the demonstrations: what is executed, what is labelled, and the noise that DART fits to a copy's errors."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import SMALL, tiny

import il_bench as il
from il_bench.core.disturbance import gaussian, replacing
from il_bench.core.rollout import by_policy, label, rollout
from il_bench.core.streams import Streams
from il_bench.fit import collect
from il_bench.fit.dataset import dataset
from il_bench.fit.errors import covariance, errors, root
from il_bench.fit.spread import spread


@pytest.fixture
def visits(monkeypatch):
    """The rollouts that are learned from, in their order."""
    rollouts = []
    roll_in = collect.roll_in

    def recording(*rest):
        rollouts.append(roll_in(*rest))
        return rollouts[-1]

    monkeypatch.setattr(collect, "roll_in", recording)
    return rollouts


@pytest.fixture
def lessons(monkeypatch):
    """The data of each fit, in their order."""
    from il_bench.learners import noise

    data = []
    fit = noise.fit
    monkeypatch.setattr(noise, "fit", lambda *rest: (data.append(rest[0]), fit(*rest))[1])
    return data


def meant(env, seen):
    """What the expert chooses in the states of a rollout."""
    return il.expert(env).act(seen.state[:, :, :-1].flatten(1, 2)).view_as(seen.action)


def test_half_is_executed_under_noise_and_the_labels_are_what_the_expert_meant(visits, lessons):
    env = tiny("tube", seeds=2, horizon=100)
    policy = il.Noise(episodes=8, std=(0.5, 2.0), training=SMALL).learn(env, il.expert(env))
    clean, noised = visits
    assert clean.action.shape[1] == noised.action.shape[1] == 4
    assert torch.equal(clean.action, meant(env, clean))
    unit = meant(env, clean).flatten(1).std(1, correction=0)
    apart = (noised.action - meant(env, noised)).flatten(1).std(1)
    torch.testing.assert_close(apart / unit, torch.tensor([0.5, 2.0]).double(), rtol=0.1, atol=0)
    half = lessons[0].action[:, 400:].reshape(2, 4, 100, 1)
    torch.testing.assert_close(half, meant(env, noised).float(), rtol=1e-6, atol=1e-7)
    assert policy.log.labels.tolist() == policy.log.asked.tolist() == [800, 800]


def test_noised_labels_are_what_was_executed(visits, lessons):
    env = tiny("tube", seeds=2)
    il.Noise(2, label="noised", training=SMALL).learn(env, il.expert(env))
    half = lessons[0].action[:, 12:].reshape(2, 1, 12, 1)
    assert torch.equal(half, visits[1].action.float())


def test_where_labels_are_limited_half_of_them_are_still_under_noise(visits):
    env = tiny("tube", seeds=2)
    log = il.Log(limit=torch.tensor([9, 40]))
    il.Noise(8, training=SMALL).learn(env, il.expert(env), None, log)
    assert log.labels.tolist() == [9, 40]
    assert [seen.length.sum(1).tolist() for seen in visits] == [[5, 20], [4, 20]]


def test_no_noise_is_cloning_of_as_many_episodes(lessons):
    env = tiny("tube", seeds=2)
    il.Noise(2, std=0.0, label="noised", training=SMALL).learn(env, il.expert(env))
    il.Noise(2, std=0.0, training=SMALL).learn(env, il.expert(env))
    assert torch.equal(lessons[0].action, lessons[1].action)


def test_discrete_actions_are_replaced_by_chance(visits):
    env = tiny("resetcliff", seeds=2, horizon=200, actions=5)
    learner = il.Noise(20, chance=(0.0, 0.5), training=dataclasses.replace(SMALL, net="table"))
    learner.learn(env, il.expert(env))
    seen = visits[1]
    other = (seen.action != meant(env, seen))[seen.alive.cumsum(-1) > 0]
    per_run = (seen.action != meant(env, seen)).double().mean((1, 2, 3))
    assert other.any()
    assert per_run[0] == 0
    assert per_run[1].item() == pytest.approx(0.5, abs=0.05)


def test_noise_has_the_covariance_of_its_root_and_its_mean_is_the_action():
    env = tiny("quad", seeds=2, horizon=100)
    wanted = torch.tensor([[[4.0, 1.0], [1.0, 1.0]], [[1.0, -1.0], [-1.0, 1.0]]]).double() * 1e-4
    disturb = gaussian(env, root(wanted), Streams(env.seeds), 200)
    calm = torch.full((2, 200, 2), 0.1).double()
    noise = torch.stack([disturb(t, calm) for t in range(100)], 2) - 0.1
    flat = noise.flatten(1, 2)
    weight = torch.ones(flat.shape[:2])
    torch.testing.assert_close(covariance(flat, weight), wanted, rtol=0.05, atol=2e-6)
    assert flat.mean(1).abs().max() < 5e-4


def test_noise_stays_within_the_box_and_replacements_within_the_labels():
    env = tiny("tube")
    disturb = gaussian(env, torch.full((1, 1, 1), 50.0).double(), Streams(env.seeds), 30)
    assert disturb(3, torch.zeros(1, 30, 1)).abs().max() == 1
    chain = tiny("resetcliff")
    replace = replacing(chain, torch.ones(1).double(), Streams(chain.seeds), 300)
    taken = replace(3, torch.zeros(1, 300, 1).double())
    # One of the others: replaced by itself it would not be disturbed.
    assert set(taken.flatten().tolist()) == set(range(1, chain.action_space.n))


def test_noise_cures_what_cloning_cannot_do():
    """Where demonstrations excite nothing and L = 1.2: a shorter training than the default one shows it already."""
    env = il.make("tube", seeds=3, horizon=60)
    expert, training = il.expert(env), il.Training(updates=800, hidden=(32,))
    policies = {"bc": il.BC(4, training).learn(env, expert)}
    policies["noise"] = il.Noise(4, training=training).learn(env, expert)
    record = il.compare(env, expert, episodes=8, **policies)
    bc, noise = (record.typical(k)[:, -1] for k in (1, 2))
    assert np.median(bc) > 10 * np.median(noise)
    assert policies["bc"].log.labels.tolist() == policies["noise"].log.labels.tolist()


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"episodes": 1}, "episodes: expected at least 2, of which half are executed under noise"),
        ({"std": -0.1}, "std: expected a number of at least 0, got -0.1"),
        ({"chance": 1.1}, "chance: expected a number from 0 to 1, got 1.1"),
        ({"label": "dirty"}, "label: expected clean or noised, got 'dirty'"),
    ],
)
def test_settings_that_noise_cannot_have_are_sentences(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        il.Noise(**setting)


# DART


def test_the_noise_has_the_direction_of_the_errors_and_the_size_alpha():
    """Sigma_alpha = alpha Sigma^ / (T tr Sigma^), alpha being T times the setting in the action's own unit."""
    generator = torch.Generator().manual_seed(0)
    factor = torch.randn(3, 2, 2, generator=generator).double()
    shape = factor @ factor.mT
    unit = torch.tensor([1.0, 2.0, 3.0]).double()
    learner = il.learner("dart", alpha=(0.25, 0.5, 0.0))
    scaled = learner.scaled(shape, unit)
    horizon = 40
    alpha = horizon * torch.tensor([0.25, 0.5]).double() * unit[:2]
    trace = shape.diagonal(dim1=1, dim2=2).sum(1)
    expected = (alpha / (horizon * trace[:2]))[:, None, None] * shape[:2]
    torch.testing.assert_close(scaled[:2], expected, rtol=1e-12, atol=0)
    assert torch.equal(scaled[2], shape[2])
    torch.testing.assert_close(root(scaled) @ root(scaled).mT, scaled, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("task", ["tube", "resetcliff"])
@pytest.mark.parametrize("net", ["mlp", "table-per-step"])
def test_errors_on_data_are_those_of_the_policy_along_its_rollouts(task, net):
    if task == "tube" and net != "mlp":
        pytest.skip("a table needs one-hot observations")
    env = tiny(task, seeds=2)
    expert = il.expert(env)
    training = dataclasses.replace(SMALL, net=net)
    policy = il.BC(2, training).learn(env, expert)
    seen = rollout(env, by_policy(env, policy), Streams(env.seeds), 3)
    labels = label(env, expert, seen, il.Log())
    data = dataset(env, seen, labels)
    found = errors(env, policy, data).view_as(seen.action)
    wrong = seen.action != labels if task == "resetcliff" else seen.action - labels
    torch.testing.assert_close(found, wrong.double(), rtol=0, atol=1e-6)


def test_darts_copy_never_drives_and_its_first_round_is_calm(visits):
    env = tiny("tube", seeds=2, horizon=60)
    policy = il.learner("dart", rounds=3, alpha=1.0, training=SMALL).learn(env, il.expert(env))
    first, *others = visits
    assert torch.equal(first.action, meant(env, first))
    unit = meant(env, first).flatten(1).std(1)
    for seen in others:
        apart = (seen.action - meant(env, seen)).flatten(1).std(1)
        assert ((apart > 0.5 * unit) & (apart < 2 * unit)).all()
    assert policy.log.labels.tolist() == policy.log.asked.tolist() == [180, 180]


def test_a_discrete_action_is_replaced_no_more_often_than_the_copy_errs(visits):
    env = tiny("resetcliff", seeds=2, horizon=30)
    training = dataclasses.replace(SMALL, net="table-per-step")
    learner = il.learner("dart", rounds=3, episodes=4, training=training)
    learner.learn(env, il.expert(env))
    for seen in visits:  # the table has every label that it was given
        assert torch.equal(seen.action, meant(env, seen).masked_fill(~seen.alive[..., None], 0))


def test_settings_that_dart_cannot_have_are_sentences():
    with pytest.raises(ValueError, match="alpha: expected a number of at least 0, got -1"):
        il.learner("dart", alpha=-1.0)
    with pytest.raises(ValueError, match="updates: expected at least one for each of 8 rounds"):
        il.learner("dart", training=il.Training(updates=3))


def test_the_unit_is_the_spread_of_living_labels():
    env = tiny("tube", seeds=2)
    seen = rollout(
        env, by_policy(env, il.BC(1, SMALL).learn(env, il.expert(env))), Streams(env.seeds), 2
    )
    data = dataset(env, seen, seen.action)
    expected = seen.action.float().double().flatten(1).std(1, correction=0)
    torch.testing.assert_close(spread(env, data)[:, 0], expected, rtol=1e-9, atol=0)
