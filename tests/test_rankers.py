"""Ranker: a convex loss whose mean over who looks where is that of visitors who look everywhere."""

import itertools

import numpy as np
import pytest
from conftest import tiny

import il_bench as il
from il_bench.core.rollout import by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.exposure import ranker, rankers

WORTH = np.array([1.2, -0.7, 0.4])


def world(lists=60, items=5, seed=0):
    """Features, relevance and exposure (power 2) of lists that stand the wrong way round."""
    features = np.random.default_rng(seed).uniform(-1, 1, (lists, items, 3))
    relevance = 0.2 * np.exp(features @ WORTH)
    rank = np.argsort(np.argsort(relevance, 1), 1)
    return features, relevance, 1 / (1.0 + rank) ** 2


def lists_of(features, worth):
    return rankers.Lists(features, worth, np.ones(worth.shape, bool))


def test_the_true_weights_come_back_from_corrected_clicks_and_their_reverse_from_clicks():
    features, relevance, looks = world()
    got = ranker(features, looks * relevance, looks)
    np.testing.assert_allclose(got.weight, WORTH, atol=1e-6)
    np.testing.assert_allclose(got.level, 0.2, atol=1e-6)
    new = world(seed=1)
    np.testing.assert_allclose(got.relevance(new[0]), new[1], atol=1e-6)
    naive = ranker(features, looks * relevance)
    assert naive.weight @ WORTH < 0


def test_the_weighted_loss_is_unbiased_over_who_looks_where():
    """All 32 ways in which a visitor may look at five ranks, each with its chance."""
    features, relevance, looks = world(lists=1)
    weight = np.array([0.3, 0.1, -0.5])
    total = relevance.sum()
    mean = 0.0
    for looked in itertools.product((0, 1), repeat=5):
        chance = np.where(looked, looks, 1 - looks).prod()
        worth = np.array([looked]) * relevance / looks
        if worth.sum() > 0:
            mean += (
                chance * worth.sum() / total * rankers.loss(weight, lists_of(features, worth)).value
            )
    assert mean == pytest.approx(rankers.loss(weight, lists_of(features, relevance)).value)


def test_slope_and_curvature_are_differences_and_the_loss_is_convex():
    features, relevance, _ = world(lists=7)
    lists = lists_of(features, relevance)
    weight = np.array([0.5, -1.0, 2.0])
    at = rankers.loss(weight, lists)
    steps = 1e-5 * np.eye(3)
    above = [rankers.loss(weight + step, lists) for step in steps]
    below = [rankers.loss(weight - step, lists) for step in steps]
    slope = [(one.value - other.value) / 2e-5 for one, other in zip(above, below, strict=True)]
    bend = [(one.slope - other.slope) / 2e-5 for one, other in zip(above, below, strict=True)]
    np.testing.assert_allclose(at.slope, slope, atol=1e-9)
    np.testing.assert_allclose(at.curvature, bend, atol=1e-9)
    for far in np.random.default_rng(0).normal(size=(20, 3)) * 5:
        assert np.linalg.eigvalsh(rankers.loss(far, lists).curvature).min() > 0


def test_scales_and_what_was_not_shown_do_not_matter():
    features, relevance, looks = world()
    got = ranker(features, looks * relevance, looks).weight
    scale = np.array([1e-6, 1.0, 1e6])
    scaled = ranker(features * scale, looks * relevance, 7 * looks)
    np.testing.assert_allclose(scaled.weight * scale, got, rtol=1e-6)
    shown = np.where(looks < 0.1, 0.0, looks)
    np.testing.assert_allclose(ranker(features, shown * relevance, shown).weight, WORTH, atol=1e-6)
    strange = np.where((looks < 0.1)[..., None], 1e3, features)
    np.testing.assert_allclose(ranker(strange, shown * relevance, shown).weight, WORTH, atol=1e-6)


def test_trust_is_undone_by_its_slope_and_offset():
    features, relevance, looks = world()
    slope, offset = 0.8 * looks, 0.3 * looks
    got = ranker(features, slope * relevance, slope)
    clicks = slope * relevance + offset
    np.testing.assert_allclose(ranker(features, clicks - offset, slope).weight, got.weight)


def test_intervals_of_weights_cover():
    """100 logs of 300 lists, three weights each; a share of .95 of 100 logs has a standard error of .022."""
    hits = []
    for seed in range(100):
        features, relevance, looks = world(300, seed=seed)
        random = np.random.default_rng(seed + 1000)
        clicks = random.random(relevance.shape) < looks * relevance
        got = ranker(features, clicks, looks, np.arange(300) // 2)
        assert got.units == 150
        hits.append((got.low <= WORTH) & (got.high >= WORTH))
    assert 0.88 < np.mean(hits) <= 1


def test_no_contradiction_drives_weights_without_end():
    features = np.array([[[0.0], [1.0]], [[1.0], [0.0]]])
    got = ranker(features, features[..., 0])
    assert 5 < got.weight[0] < 100


ONE = np.ones((2, 2, 1))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.ones((2, 2)), np.ones((2, 2))), r"features: expected \(L, n, d\)"),
        ((ONE * np.nan, np.ones((2, 2))), "got NaN or infinity"),
        ((ONE, np.ones(2)), r"click: expected \(2, 2\), one a thing, got \(2,\)"),
        ((ONE, np.ones((2, 2)), np.ones(2)), r"exposure: expected \(2, 2\)"),
        ((ONE, np.ones((2, 2)), -np.ones((2, 2))), "exposure: expected finite numbers, 0 or more"),
        ((ONE, np.ones((2, 2)), np.zeros((2, 2))), "and none where exposure is 0"),
        ((ONE, np.zeros((2, 2))), "click: expected some, got none in any list"),
        ((ONE, np.ones((2, 2))), "features: expected each to differ within lists"),
    ],
)
def test_a_log_that_says_nothing_is_refused_in_a_sentence(arguments, words):
    with pytest.raises(ValueError, match=words):
        ranker(*arguments)


# --- Lists of things that nobody has clicked yet --------------------------------------------------


def gain(env, name):
    """Mean nDCG (R,) of the first day, on lists of new things."""
    policy = il.learner(name).learn(env, il.expert(env))
    streams = Streams(env.seeds).fork("evaluation")
    return rollout(env, by_policy(env, policy), streams, 16).reward[..., 0].mean(1)


def test_correction_ranks_what_nobody_has_clicked():
    env = il.make("ranked", features=3, eta=2.0, horizon=1, seeds=8)
    corrected, naive = gain(env, "corrected"), gain(env, "naive")
    assert (corrected > 0.99).all()
    assert (naive < corrected - 0.05).all()


def test_relevance_is_log_linear_in_features_and_within_its_bounds():
    env = il.make("ranked", features=2, seeds=3)
    state = env.initial(Streams(env.seeds), 50)
    relevance = env.parts(state)[2]
    features = env.described(state)
    sums = torch_sum(env.taste, features)
    ratio = np.log(env.best / env.worst)
    middle = np.log(env.best * env.worst) / 2
    np.testing.assert_allclose(relevance.log(), middle + ratio * sums / 2)
    assert (relevance > env.worst).all()
    assert (relevance < env.best).all()
    assert env.observation_space.shape[0] == env.observation(state).shape[-1] == 40
    after = env.transition(state, relevance, Streams(env.seeds).normal("n", 50, env.noise_size))
    assert (env.described(after) == features).all()


def torch_sum(taste, features):
    return np.einsum("rd,rend->ren", taste.numpy(), features.numpy())


def test_a_rule_for_every_item_learns_features_from_an_expert():
    """Net itemwise is a ranker of features already where an expert says what they are worth."""
    env = il.make("ranked", features=2, eta=2.0, horizon=3, seeds=2, worst=0.3)
    learner = il.BC(episodes=8, training=il.Training(net="itemwise"))
    policy = learner.learn(env, il.expert(env))
    days = rollout(env, by_policy(env, policy), Streams(env.seeds).fork("evaluation"), 16)
    assert (days.reward.mean((1, 2)) > 0.99).all()


def test_a_run_with_features_alone_is_the_run_among_others():
    env = tiny("ranked", seeds=4, features=2)
    for name in ("naive", "corrected"):
        assert gain(env, name)[2] == gain(env[2], name)[0]


def test_lists_with_features_keep_the_contract():
    il.check(tiny("ranked", features=2, lists=5))
