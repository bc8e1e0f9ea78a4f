"""Environment `exposed`: demonstrations that are kept with a chance that depends on how they went."""

import pytest
import torch

import il_bench as il
from il_bench.core.policy import Log
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.streams import Streams
from il_bench.fit.collect import demonstrate


def short(**settings):
    return il.make("exposed", **{"horizon": 60, **settings})


def test_it_is_the_environment_itself():
    env = short(of="lane wind=0.01 lipschitz=1.1", seeds=2)
    plain = il.make("lane", wind=0.01, lipschitz=1.1, horizon=60, seeds=2)
    paths = [
        rollout(one, by_expert(one, il.expert(one)), Streams(one.seeds), 3) for one in (env, plain)
    ]
    assert torch.equal(paths[0].state, paths[1].state)
    assert torch.equal(paths[0].reward, paths[1].reward)
    assert env.certificate().value == (1.1, 1.1)


def test_the_believed_success_rate_is_too_high_and_the_weighted_one_is_right():
    env = short(seeds=1, kept=0.2, horizon=150)
    expert = il.expert(env)
    streams = Streams(env.seeds)
    everything = env.succeeded(env.demonstrations(expert, streams, 400)).double().mean().item()
    archive = env.log(expert, streams, 400)
    there = archive.visits.length > 0
    success = env.succeeded(archive.visits)[there].double()
    weight = 1 / archive.exposure[there]
    believed = success.mean().item()
    corrected = ((weight * success).sum() / weight.sum()).item()
    assert 0.1 < everything < 0.9
    assert believed > everything + 0.05
    assert corrected == pytest.approx(everything, abs=0.05)


def test_samples_know_the_chance_that_they_were_kept():
    env = short(seeds=2, kept=0.2)
    log = Log()
    data = demonstrate(env, il.expert(env), Streams(env.seeds), 20, log)
    live = data.weight > 0
    kept = torch.tensor([0.2, 1.0])
    assert torch.isin(data.exposure[live], kept).all()
    assert torch.equal(log.labels, live.sum(1))
    for weights in ("none", "ips"):
        training = il.Training(net="ridge", weights=weights)
        assert il.BC(20, training).learn(env, il.expert(env)).runs == 2


def test_a_discrete_environment_s_demonstrators_slip():
    env = il.make("exposed", of="recover", horizon=20, success=0.8, clumsy=0.5)
    expert = il.expert(env)
    visits = env.demonstrations(expert, Streams(env.seeds), 40)
    rate = env.succeeded(visits).double().mean().item()
    assert 0 < rate < 1
    assert env.log(expert, Streams(env.seeds), 40).exposure.min() == pytest.approx(0.1)


def test_run_1_of_2_is_run_1_alone():
    env = short(seeds=2, kept=(0.1, 0.5))
    expert, streams = il.expert(env), Streams(env.seeds)
    many = env.log(expert, streams, 6)
    alone = env[3].log(il.expert(env[3]), streams.of([3]), 6)
    assert torch.equal(many.visits.length[3], alone.visits.length[0])
    assert torch.equal(many.visits.action[3], alone.visits.action[0])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kept": 1.5}, "kept: expected a number from 0 to 1, got 1.5"),
        ({"of": "lane wind"}, "of: expected settings such as wind=0.005, got 'wind'"),
        ({"of": "lane seed=3"}, "of: expected settings such as wind=0.005, got 'seed=3'"),
        ({"of": "keyed"}, "of: expected an environment of gradual distances"),
    ],
)
def test_what_cannot_be_kept_in_part_is_a_sentence(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        short(**settings)


def test_an_unknown_environment_is_a_sentence():
    with pytest.raises(KeyError, match="no environment named 'lain'; did you mean 'lane'"):
        short(of="lain")
