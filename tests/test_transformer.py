"""Nets that remember, and the transformer among them: cached acting is the full pass, windows slide, files come back."""

import math

import numpy as np
import pytest
import torch

import il_bench as il
from il_bench.core.chance import bound
from il_bench.core.rollout import by_expert, by_policy, rollout

SMALL = {
    "gru": il.Training("gru", updates=5, units=8, embedding=4, sequences=4),
    "transformer": il.Training(
        "transformer", updates=5, width=8, heads=2, blocks=2, span=4, sequences=4
    ),
}
TASKS = "lane", "keyed", "resetcliff"


def learned(name, net="transformer", learner=None, **settings):
    env = il.make(name, horizon=9, **settings)
    learner = learner or il.BC(5, SMALL[net])
    return env, learner.learn(env, il.expert(env))


def texts(env, episodes=3):
    """Observations (R, E, T, O) along the expert's own episodes."""
    streams = il.Streams(env.seeds)
    expert = bound(env, il.expert(env), streams, episodes)
    seen = rollout(env, by_expert(env, expert), streams, episodes)
    flat = env.observation(seen.lived.flatten(1, 2))
    return flat.float().unflatten(1, seen.lived.shape[1:3])


@pytest.mark.parametrize("name", TASKS)
def test_acting_with_a_cache_is_the_full_pass(name):
    """Nine steps with a window of four: it slides."""
    env, policy = learned(name, seeds=2)
    obs = texts(env)
    whole, _ = policy.along(obs)
    memory = None
    for step in range(9):
        one, memory = policy.go_on(obs[:, :, step], memory)
        assert (one - whole[:, :, step]).abs().max() < 1e-12
    first, memory = policy.along(obs[:, :, :4])
    rest, _ = policy.along(obs[:, :, 4:], memory)
    assert (torch.cat((first, rest), 2) - whole).abs().max() < 1e-12


def test_a_step_sees_the_last_steps_alone():
    """Of a single block the last four; of two, four more but one, through what those before have seen."""
    env, policy = learned("keyed")
    obs = texts(env)
    whole, _ = policy.along(obs)
    for changed in range(9):
        other = obs.clone()
        other[:, :, changed] = (other[:, :, changed] + 1) % 16
        apart = (policy.along(other)[0] - whole).abs().amax((0, 1, 3)) > 1e-12
        reach = range(changed, min(changed + 7, 9))
        assert apart.nonzero()[:, 0].tolist() == list(reach)


def naive(policy, symbols):
    """The same transformer for one text, written out step by step and head by head, float64."""
    layers = [layer[0].double().numpy() for layer in policy.layers]
    table, *blocks = layers[:-4]
    gain, bias, weight, shift = layers[-4:]
    heads, span = policy.shape.heads, policy.shape.span
    stream = table[symbols]
    half = table.shape[1] // heads // 2
    rates = 1e4 ** -(np.arange(half) / half)

    def norm(x, g, b):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * g[0] + b[0]

    def turn(x, position):
        angle = position * rates
        pair = (x[:half] + 1j * x[half:]) * np.exp(1j * angle)
        return np.concatenate((pair.real, pair.imag))

    for start in range(0, len(blocks), 12):
        g1, b1, w1, c1, w2, c2, g2, b2, w3, c3, w4, c4 = blocks[start : start + 12]
        asked = norm(stream, g1, b1) @ w1 + c1[0]
        query, key, value = (
            part.reshape(len(symbols), heads, -1) for part in np.split(asked, 3, -1)
        )
        mixed = np.zeros_like(stream).reshape(query.shape)
        for now in range(len(symbols)):
            past = range(max(0, now - span + 1), now + 1)
            for head in range(heads):
                mine = turn(query[now, head], now)
                scores = [mine @ turn(key[t, head], t) / math.sqrt(2 * half) for t in past]
                weights = np.exp(scores) / np.exp(scores).sum()
                mixed[now, head] = sum(
                    w * value[t, head] for w, t in zip(weights, past, strict=True)
                )
        stream = stream + mixed.reshape(stream.shape) @ w2 + c2[0]
        hidden = norm(stream, g2, b2) @ w3 + c3[0]
        active = hidden * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2))) / 2
        stream = stream + active @ w4 + c4[0]
    return norm(stream, gain, bias) @ weight + shift[0]


def test_it_is_the_transformer_of_the_books():
    env, policy = learned("keyed")
    obs = texts(env, 1)
    whole, _ = policy.along(obs)
    expected = naive(policy, obs[0, 0, :, 0].long().numpy())
    assert np.abs(whole[0, 0].numpy() - expected).max() < 1e-9


@pytest.mark.parametrize("net", SMALL)
@pytest.mark.parametrize("name", TASKS)
def test_a_run_is_the_same_alone_and_among_others(name, net):
    env, among = learned(name, net, seeds=4)
    alone = il.BC(5, SMALL[net]).learn(env[2], il.expert(env[2]))
    for one, all_of_them in zip(alone.layers, among.layers, strict=True):
        assert torch.equal(one[0], all_of_them[2])
    obs = texts(env)
    both = among.go_on(obs[:, :, 0], None)[0], among[2].go_on(obs[2:3, :, 0], None)[0]
    assert torch.equal(both[0][2], both[1][0])


def test_a_single_head_of_a_single_run_is_rounded_alike():
    training = il.Training("transformer", updates=5, width=8, heads=1, sequences=1)
    env, among = learned("keyed", learner=il.BC(5, training), seeds=2)
    alone = il.BC(5, training).learn(env[1], il.expert(env[1]))
    for one, both in zip(alone.layers, among.layers, strict=True):
        assert torch.equal(one[0], both[1])


@pytest.mark.parametrize("net", SMALL)
@pytest.mark.parametrize("name", TASKS)
def test_a_file_brings_it_back_and_an_episode_begins_anew(name, net, tmp_path):
    env, policy = learned(name, net)
    again = il.load_policy(policy.save(tmp_path / "policy"))
    streams = il.Streams((3,))
    one, two = (rollout(env, by_policy(env, who), streams, 2) for who in (policy, again))
    assert torch.equal(one.state, two.state)
    size = env.observation_space.shape
    some, other = np.zeros(size), np.ones(size)
    first, state = policy.predict(other)
    _, state = policy.predict(some, state)
    begun, fresh = policy.predict(other[None], state, np.array([True]))
    assert (begun[0] == first).all()
    assert fresh.shape == state.shape


@pytest.mark.parametrize("net", SMALL)
def test_a_warm_start_goes_on_from_the_weights(net):
    learner = il.DAgger(rounds=3, episodes=2, training=SMALL[net])
    env, policy = learned("clock", net, learner)
    assert policy.log.updates == 5
    still = il.DAgger(rounds=1, episodes=2, training=SMALL[net]).learn(env, il.expert(env))
    assert [len(policy.layers), policy.runs] == [len(still.layers), 1]
    arrays = policy.arrays(resume=True)
    back = SMALL[net].net.restore(arrays, env.action_space)
    for one, two in zip(back.trained, policy.trained, strict=True):
        assert torch.equal(one, two)


def test_windows_carry_keys_and_values_without_their_gradient():
    changed = []
    for between in ("carry", "reset"):
        training = il.Training(
            "transformer", updates=6, width=8, heads=2, sequences=4, truncate=3, between=between
        )
        changed.append(learned("keyed", learner=il.BC(5, training))[1].layers[0])
    assert not torch.equal(*changed)


def test_it_learns_what_stands_further_back_than_one_step():
    """The last symbol is the first one again, of which nobody can tell who has forgotten it."""
    env = il.make("recall", horizon=5, delay=4, vocabulary=6)
    training = il.Training("transformer", updates=60, lr=3e-2, width=8, heads=2, blocks=1, sequences=16, soft=True)  # fmt: skip
    policy = il.BC(32, training).learn(env, il.expert(env))
    obs = texts(env, 16)
    out, _ = policy.along(obs)
    mark = obs[:, :, 1].long()
    chance = out[:, :, 4].softmax(-1).gather(-1, mark)
    assert chance.min() > 0.9


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 12, "heads": 4}, "width: expected a multiple of 8, .* got 12; try 8"),
        ({"span": 0}, "span: expected"),
        ({"truncate": -1}, "truncate: expected at least 0 steps, got -1"),
    ],
)
def test_what_no_transformer_has_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        il.Transformer(**settings)


def test_arrays_of_something_else_are_refused():
    env, policy = learned("keyed")
    arrays = {name: part for name, part in policy.arrays().items() if name != "layer.3"}
    with pytest.raises((ValueError, KeyError)):
        SMALL["transformer"].net.restore(arrays, env.action_space)
