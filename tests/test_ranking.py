"""Ranked lists of room exposure: who looks, who clicks, how good an order is, and what a log tells of its bias."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_bench.exposure import estimators, propensity, ranking
from il_bench.exposure.propensity import em, pairs, randomised

SCORES = st.lists(st.integers(0, 4), min_size=2, max_size=9).map(np.array)
QUICK = settings(deadline=None, max_examples=25)


def test_examination_curves():
    np.testing.assert_allclose(ranking.examination(3, 2.0), [1, 1 / 4, 1 / 9])
    np.testing.assert_array_equal(ranking.examination(4, 0.0), 1)
    np.testing.assert_array_equal(ranking.examination(3, cutoff=2), [1, 0.5, 0])
    assert ranking.examination(10, eyes=True)[-1] == 0.06


@given(score=SCORES, other=SCORES)
@QUICK
def test_kendall_s_tau_is_scipy_s(score, other):
    from scipy.stats import kendalltau

    count = min(len(score), len(other))
    one, two = score[:count], other[:count]
    ours = ranking.kendall_tau(one, two)
    if np.ptp(one) and np.ptp(two):
        np.testing.assert_allclose(ours, kendalltau(one, two).statistic)
    else:
        assert np.isnan(ours)


def test_the_discounted_gain():
    relevance = np.array([0.0, 1.0, 0.5])
    best = 1 + 0.5 / np.log2(3)
    np.testing.assert_allclose(ranking.ndcg(relevance), (1 / np.log2(3) + 0.25) / best)
    assert ranking.ndcg([3.0, 2.0, 1.0]) == 1
    assert ranking.ndcg([0.0, 1.0], cutoff=1) == 0
    assert ranking.ndcg([0.0, 0.0]) == 1
    assert ranking.ndcg(np.ones((2, 5))).shape == (2,)


def test_how_unequally_exposure_is_spread():
    assert ranking.gini([1.0, 1, 1, 1]) == 0
    np.testing.assert_allclose(ranking.gini([0.0, 0, 0, 5]), 0.75)


def test_orders_of_plackett_and_luce():
    """The first is drawn in proportion to exp(score / τ), and so is the second among the others."""
    score = 0.5 * np.log([4.0, 2.0, 2.0])
    rng = np.random.default_rng(0)
    orders = ranking.plackett_luce(np.tile(score, (40_000, 1)), rng, temperature=0.5)
    np.testing.assert_allclose(np.bincount(orders[:, 0]) / 40_000, [0.5, 0.25, 0.25], atol=0.01)
    after = orders[orders[:, 0] == 1, 1]
    np.testing.assert_allclose((after == 0).mean(), 2 / 3, atol=0.02)
    np.testing.assert_array_equal(ranking.plackett_luce([0.1, 0.3, 0.2], rng, 0.0), [1, 2, 0])


def test_click_models():
    relevance, theta = np.array([0.5, 0.5]), np.array([1.0, 0.4])
    rng = np.random.default_rng(0)
    lists = np.tile(relevance, (40_000, 1))
    rates = {m: ranking.clicks(lists, theta, rng, m).mean(0) for m in ranking.MODELS}
    np.testing.assert_allclose(rates["position"], [0.5, 0.2], atol=0.01)
    np.testing.assert_allclose(rates["cascade"], [0.5, 0.1], atol=0.01)
    alpha, beta = ranking.trust(theta)
    np.testing.assert_allclose(rates["trust"], alpha * relevance + beta, atol=0.01)
    assert ranking.clicks(lists, theta, rng, "cascade").sum(1).max() == 1
    assert ranking.clicks(relevance, [1.0, 0.0], rng).shape == (2,)


def lists(random, visits=3000, items=6, eta=1.0, mixed=0.5):
    """A log of lists, more or less in the order of relevance: thing, rank, click, visit, and the truth."""
    relevance, theta = np.linspace(0.6, 0.1, items), ranking.examination(items, eta)
    order = ranking.plackett_luce(np.tile(relevance, (visits, 1)), random, mixed)
    click = ranking.clicks(relevance[order], theta, random)
    rank = np.tile(np.arange(1, items + 1), (visits, 1))
    visit = np.repeat(np.arange(visits), items)
    return order.ravel(), rank.ravel(), click.ravel(), visit, relevance, theta


def test_position_bias_is_read_from_what_was_shown_at_two_ranks():
    thing, rank, click, visit, _, theta = lists(np.random.default_rng(1), 20_000)
    by_pairs, by_em = pairs(thing, rank, click, visit), em(thing, rank, click)
    np.testing.assert_allclose(by_pairs.theta, theta, rtol=0.1)
    np.testing.assert_allclose(by_em.theta, theta, rtol=0.1)
    np.testing.assert_array_equal(by_pairs.of([1, 3]), by_pairs.theta[[0, 2]])
    # Clicks alone, rank by rank, take the better items' relevance for attention.
    assert (randomised(rank, click).theta[1:] < by_pairs.theta[1:]).all()


def test_random_order_needs_no_pairs():
    thing, rank, click, _, _, theta = lists(np.random.default_rng(2), 20_000, mixed=1e9)
    np.testing.assert_allclose(randomised(rank, click).theta, theta, rtol=0.1)
    assert thing.max() == 5


def test_intervals_of_position_bias_cover():
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(150):
        thing, rank, click, visit, _, theta = lists(rng, 400)
        got = pairs(thing, rank, click, visit)
        hits.append((got.low <= theta) & (theta <= got.high))
    assert 0.90 < np.mean(hits, 0)[1:].mean() < 0.99


def test_the_relevance_of_an_item_by_pooled_weights():
    thing, rank, click, visit, relevance, theta = lists(np.random.default_rng(3), 20_000)
    for item in range(len(relevance)):
        here = thing == item
        got = estimators.ratio(click[here], theta[rank[here] - 1], visit[here])
        np.testing.assert_allclose(got.value, relevance[item], rtol=0.1)


def test_what_no_thing_ties_together_is_not_identified():
    """Item a at ranks 1 and 2, item b at rank 3 alone: whether b is bad or rank 3 unseen, nobody can tell."""
    thing, rank = np.array([*"aaaabb"]), np.array([1, 1, 2, 2, 3, 3])
    click = np.array([1, 0, 1, 0, 1, 0])
    for tell in (pairs, em):
        with pytest.warns(UserWarning, match="not identified at rank 3: nothing"):
            got = tell(thing, rank, click)
        np.testing.assert_array_equal(got.known, [True, True, False])
        np.testing.assert_allclose(got.theta[:2], 1, atol=1e-4)


def test_a_rank_without_clicks_is_not_identified():
    with pytest.warns(UserWarning, match="not identified at rank 2"):
        got = pairs([0, 0], [1, 2], [1, 0])
    assert got.theta[0] == 1
    assert got.error[0] == 0


@given(seed=st.integers(0, 99))
@QUICK
def test_names_and_order_of_things_do_not_matter(seed):
    thing, rank, click, visit, _, _ = lists(np.random.default_rng(5), 200)
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(len(rank)), rng.permutation(6).astype(str)
    one = pairs(thing, rank, click, visit)
    other = pairs(names[thing[order]], rank[order], click[order], visit[order])
    np.testing.assert_allclose(other.theta, one.theta, rtol=1e-6)
    np.testing.assert_allclose(other.error, one.error, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ranking.examination(0), "ranks: expected at least 1, got 0"),
        (lambda: ranking.examination(3, cutoff=4), "cutoff: expected 1 to 3 ranks that are shown"),
        (lambda: ranking.examination(3, cutoff=-1), "cutoff: expected"),
        (lambda: ranking.examination(11, eyes=True), "eye tracking knows 10, got 11"),
        (lambda: ranking.examination(3, -1.0), "eta: expected 0 or more"),
        (lambda: ranking.click_chances([1.0], [1.0], "browse"), "model: expected one of position"),
        (lambda: ranking.click_chances([1.0], [1.0, 2]), "theta: expected"),
        (lambda: ranking.plackett_luce([1.0], None, -1.0), "temperature: expected 0 or more"),
        (lambda: pairs([0, 0], [1, 0], [1, 0]), "rank: expected whole numbers from 1, got 0, disp"),
        (lambda: pairs([0, 0], [1, 2], [1, 2]), "click: expected 0 or 1, got 2, display 1"),
        (lambda: pairs([0], [1, 2], [1, 1]), "thing: expected"),
        (lambda: em([], [], []), "at least one display"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_of_one_unit_nothing_is_certain():
    got = pairs([0, 0], [1, 2], [1, 1], [0, 0])
    assert np.isnan(got.error).all()
    assert propensity.quantile(1) > 12
