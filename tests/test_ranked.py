"""Environment `ranked`: a list that is sorted by its own clicks, against the closed forms of two items."""

import math

import numpy as np
import pytest
import torch
from conftest import tiny

import il_bench as il
from il_bench.core.rollout import by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.exposure.feedback import Pair, amplification, hard_limit

READERS = "naive", "corrected"


def days(env, name, episodes):
    """What a probe makes of a list."""
    policy = il.learner(name).learn(env, il.expert(env))
    return rollout(env, by_policy(env, policy), Streams(env.seeds).fork("evaluation"), episodes)


def normal(count, size):
    """Standard normal numbers (1, count, size)."""
    return Streams((1,)).normal("noise", 1, count, size)[:, 0]


def wrong(env, state):
    """Whether the best item stands elsewhere than first by what a probe remembers, (...)."""
    clicks, exposure, relevance, _ = env.parts(state)
    best = relevance.argmax(-1)
    return (clicks.argmax(-1) != best), ((clicks / exposure).argmax(-1) != best)


def test_the_mean_step_of_two_items_is_the_closed_form():
    env = il.make("ranked", items=2, eta=1.0, temperature=0.1, best=0.6, worst=0.4, horizon=1)
    pair = Pair(0.6, 0.4, 1.0, 0.5, env.memory, env.temperature)
    for gap in (-0.2, 0.0, 0.3):
        state = torch.zeros(1, 20_000, 8, dtype=torch.float64)
        state[..., 0] = gap
        state[..., 4], state[..., 5] = 0.6, 0.4
        noise = normal(20_000, env.noise_size)
        clicks = env.parts(env.transition(state, state[..., :2], noise))[0]
        after = (clicks[..., 0] - clicks[..., 1]).mean().item()
        assert after == pytest.approx(pair.step(gap), abs=7e-4)


def test_alpha_of_two_items_is_what_the_map_does_where_no_order_is_preferred():
    pair = Pair(0.6, 0.4, 1.0, 0.5, memory=0.1, temperature=0.1)
    slope = (pair.step(1e-6) - pair.step(-1e-6)) / 2e-6
    loop = pair.loop
    assert loop.amplification == pytest.approx(slope, abs=1e-9) == pytest.approx(1.025)
    assert (loop.memory, loop.answer) == (0.9, 2.5)
    of_many = amplification(np.array([0.4, 0.6]), np.array([1.0, 0.5]), 0.1, 0.1)
    assert of_many.amplification == pytest.approx(1.025, abs=1e-12)
    env = il.make("ranked", items=2, temperature=0.1, best=0.6, worst=0.4)
    assert "alpha = L_h + L_x L_fb = 1.02 (exact for two items)" in env.certificate().note


def test_alpha_of_many_items_is_the_slope_of_their_mean_step():
    """By the derivative of the chance of orders, which is that of their logarithm times the order."""
    relevance = np.array([0.2, 0.5, 0.4])
    looked_at = np.array([1.0, 0.5, 1 / 3])
    loop = amplification(relevance, looked_at, 0.1, 0.2)
    shown = lambda scores: mean_looks(scores / 0.2, looked_at)  # noqa: E731
    columns = [(shown(1e-5 * one) - shown(-1e-5 * one)) / 2e-5 for one in np.eye(3)]
    jacobian = 0.9 * np.eye(3) + 0.1 * relevance[:, None] * np.stack(columns, -1)
    assert loop.amplification == pytest.approx(np.linalg.eigvals(jacobian).real.max(), abs=1e-8)


def mean_looks(scores, looked_at):
    """The mean chance to be looked at of three items under Plackett & Luce, over all six orders."""
    total = np.zeros(3)
    odds = np.exp(scores)
    for first, second, third in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        chance = odds[first] / odds.sum() * odds[second] / (odds[second] + odds[third])
        total[[first, second, third]] += chance * looked_at
    return total


@pytest.mark.parametrize("eta", [0.3, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("temperature", [0.0, 0.02, 0.05, 0.1])
def test_the_wrong_order_is_a_fate_where_the_criterion_says(eta, temperature):
    pair = Pair(0.6, 0.4, 1.0, 2.0**-eta, 0.1, temperature)
    stays = [gap for gap in pair.fates if gap < 0 and abs(pair.step(gap) - gap) < 1e-9]
    assert (min(pair.fates) < -1e-9 and len(stays) >= 1) == pair.locks_in
    if pair.locks_in and temperature:
        assert pair.loop.amplification > 1  # necessary
    gap = -10.0
    for _ in range(2000):
        gap = pair.step(gap)
    assert (gap < 0) == pair.locks_in


def test_an_alpha_above_one_is_not_enough_to_lock_in():
    pair = Pair(0.6, 0.4, 1.0, 0.5, memory=0.05, temperature=0.1)
    assert pair.loop.amplification == pytest.approx(1.0125)
    assert not pair.locks_in


def test_without_noise_lists_stay_wrong_above_the_critical_power():
    limit = hard_limit(0.5, 0.4)
    assert limit == pytest.approx(0.3219, abs=1e-4)
    settings = {"items": 2, "best": 0.5, "worst": 0.4, "temperature": 0.0, "visits": 1000.0}
    env = il.make("ranked", eta=(limit - 0.15, limit + 0.3), horizon=80, **settings)
    end = days(env, "naive", 64).state[:, :, -1]
    below, above = wrong(env, end)[0].double().mean(1).tolist()
    assert below < 0.1
    assert above > 0.9
    end = days(env, "corrected", 64).state[:, :, -1]
    assert not wrong(env, end)[1].any()


def test_clicks_have_the_mean_and_the_variance_of_a_binomial_share():
    env = il.make("ranked", visits=50.0)
    chance = torch.full((1, 100_000, 1), 0.2, dtype=torch.float64)
    share = env.counted(chance, normal(100_000, 1))
    assert share.mean().item() == pytest.approx(0.2, abs=1e-3)
    assert share.var().item() == pytest.approx(0.2 * 0.8 / 50, rel=0.03)
    assert (share > 0).all()


def test_a_list_that_starts_wrong_is_sorted_by_exposure_and_not_by_clicks():
    env = il.make("ranked", eta=(1.0, 2.0), horizon=40)
    naive, corrected = (days(env, name, 32).reward.mean(1) for name in READERS)
    assert (corrected[:, 0] > naive[:, 0] + 0.05).all()
    assert (corrected[:, -1] > 0.99).all()
    assert (naive[:, -1] < corrected[:, -1]).all()
    expert = rollout(
        env, lambda step, state, memory: (il.expert(env).act(state), memory), Streams(env.seeds), 2
    )
    assert torch.allclose(expert.reward, torch.ones_like(expert.reward))


def test_what_is_never_shown_cannot_be_corrected():
    env = il.make("ranked", cutoff=4, temperature=0.0, explore=(0.0, 0.1), seeds=1, horizon=60)
    never, sometimes = days(env, "corrected", 32).reward[:, :, -1].mean(1).tolist()
    assert never < 0.5
    assert sometimes > 0.8


@pytest.mark.parametrize(
    ("clicks", "expected"),
    [
        ("position", [0.5, 0.2, 0.1]),
        ("cascade", [0.5, 0.5 * 0.2, 0.5 * 0.8 * 0.1]),
        ("trust", [0.98 * 0.5 + 0.65 * 0.5, (0.98 * 0.4 + 0.325 * 0.6) / 2, 0]),
    ],
)
def test_click_models(clicks, expected):
    env = il.make("ranked", items=3, clicks=clicks, cutoff=0 if clicks != "trust" else 2)
    relevance = torch.tensor([[[0.5, 0.4, 0.3]]], dtype=torch.float64)
    rank = torch.tensor([[[0.0, 1.0, 2.0]]], dtype=torch.float64)
    assert env.click_chance(relevance, rank)[0, 0].tolist() == pytest.approx(expected)
    reversed_ = env.click_chance(relevance.flip(-1), rank.flip(-1)).flip(-1)
    assert reversed_[0, 0].tolist() == pytest.approx(expected)


def test_eyes_look_as_the_table_says_and_to_a_power():
    env = il.make("ranked", curve="eyes", eta=(1.0, 2.0))
    rank = torch.arange(10.0, dtype=torch.float64).expand(2, 1, 10)
    first, second = env.attention(rank)[:, 0].numpy()
    assert first[0] == 0.68
    assert second == pytest.approx(first**2)


def test_orders_are_those_of_plackett_and_luce():
    env = il.make("ranked", items=3, temperature=0.1)
    scores = torch.tensor([0.1, 0.0, 0.05], dtype=torch.float64).expand(1, 20_000, 3)
    noise = normal(20_000, env.noise_size)
    looked_at = np.array([1.0, 0.5, 1 / 3])
    mean = env.attention(env.order(scores, noise)).mean(1)[0].numpy()
    assert mean == pytest.approx(mean_looks(scores[0, 0].numpy() / 0.1, looked_at), abs=0.012)


def test_logarithms_are_another_language_for_the_same_list():
    plain, logs = (
        il.make("ranked", scale=scale, seeds=2, horizon=20) for scale in ("plain", "log")
    )
    for name in READERS:
        one, other = (days(env, name, 3) for env in (plain, logs))
        assert torch.allclose(one.state, other.state)
        assert torch.allclose(one.reward, other.reward)
    state = logs.initial(Streams((0, 1)), 3)
    assert torch.allclose(logs.observation(state).exp(), plain.observation(state))


def test_a_run_of_a_probe_alone_is_the_run_among_others():
    env = tiny("ranked", seeds=4)
    for name in READERS:
        many, alone = (days(one, name, 3) for one in (env, env[2]))
        assert torch.equal(many.state[2], alone.state[0])


@pytest.mark.parametrize("name", READERS)
def test_a_reader_needs_a_log(name):
    env = tiny("lane")
    with pytest.raises(
        ValueError, match=r"env: expected one with a log .*, got lane; use bc there"
    ):
        il.learner(name).learn(env, il.expert(env))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"items": 1}, "items: expected at least 2, got 1"),
        ({"items": 12, "curve": "eyes"}, "items: the eye-tracking table has 10 ranks, got 12"),
        ({"cutoff": 11}, "cutoff: expected 1 to 10 ranks that are shown, got 11; 0 shows all"),
        ({"eta": -1.0}, "eta: expected a number of at least 0, got -1"),
        ({"memory": 0.0}, "memory: expected a chance from 0 to 1, got 0"),
        ({"best": 1.5}, "best: expected a chance from 0 to 1, got 1.5"),
        ({"visits": 0.0}, "visits: expected at least 1 a day, got 0"),
        ({"clicks": "love"}, "clicks: expected position, cascade or trust, got 'love'"),
    ],
)
def test_lists_that_nobody_could_sort_are_sentences(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        il.make("ranked", **settings)


def test_the_loop_without_noise_is_infinite_and_one_item_has_none():
    env = il.make("ranked", temperature=0.0)
    assert env.loops[0].amplification == math.inf
    with pytest.raises(ValueError, match="relevance: expected at least 2 items, got 1"):
        amplification(np.ones(1), np.ones(1), 0.1, 0.1)
    with pytest.raises(ValueError, match="looked_at: expected 2 ranks"):
        amplification(np.ones(2), np.ones(3), 0.1, 0.1)
    flat = il.make("ranked", eta=0.0, temperature=0.0)
    assert flat.loops[0].amplification == pytest.approx(0.9)


def test_the_picture_shows_order_cutoff_and_twin():
    env = il.make("ranked", cutoff=4)
    state = env.initial(Streams((0,)), 2)[0].numpy()
    alone = env.draw(state[0], (320, 240))
    assert not np.array_equal(alone, env.draw(state[1], (320, 240)))
    assert not np.array_equal(alone, env.draw(state[0], (320, 240), ghost=state[1]))
