"""Freedom: the variance of a weighted mean and Student's degrees of freedom, against matrices and exact intervals."""

import numpy as np
import pytest
from scipy import stats

from il_bench.exposure import estimators, freedom
from il_bench.exposure.lifetables import life_table

SHARES = [np.full(5, 0.2), np.array([0.7, 0.2, 0.1, 0.0]), 0.5 ** np.arange(1, 9) * 256 / 255]


def by_matrix(share, variance):
    """What is left of squared deviations, and the degrees of freedom, from their covariance, entry by entry."""
    pull = np.eye(len(share)) - np.outer(share, np.ones(len(share)))
    covariance = pull @ np.diag(variance) @ pull.T
    left = np.divide(np.diag(covariance), variance, out=np.ones(len(share)), where=variance > 0)
    product = np.diag(1 / left) @ covariance
    return left, np.trace(product) ** 2 / np.trace(product @ product)


@pytest.mark.parametrize("share", SHARES)
def test_sums_are_those_of_the_matrix(share):
    counts = freedom.of_counts(7 * share)
    rewards = freedom.of_rewards(7 * share)
    for got, variance in ((counts, share), (rewards, share**2 / (share**2).sum())):
        left, degrees = by_matrix(share, variance)
        heavy = share > 0
        np.testing.assert_allclose(got.left[heavy], left[heavy])
        np.testing.assert_allclose(got.degrees, degrees)


def test_equal_weights_are_student_s():
    reward = np.array([0.3, -1.0, 2.5, 0.0, 0.7])
    low, high = stats.t.interval(0.95, 4, reward.mean(), stats.sem(reward))
    for got in (estimators.naive(reward), estimators.hajek(reward, np.full(5, 0.3))):
        np.testing.assert_allclose([got.low, got.high, got.degrees], [low, high, 4])
    same = freedom.alike(5)
    np.testing.assert_allclose([same.left, same.degrees], [0.8, 4])


def by_units(got):
    """Whether 0 lies within Student's interval of units - 1 degrees of freedom."""
    return np.abs(got.value) <= freedom.quantile(got.units - 1) * got.error


def test_unequal_weights_cover():
    """4,000 means of 30 normal numbers of weights .9^i; a share of .95 has a standard error of .0035."""
    reward = np.random.default_rng(0).normal(size=(4000, 30))
    got = estimators.weighted(reward, 0.9 ** np.arange(30))
    covers = (got.low <= 0) & (got.high >= 0)
    assert 8 < got.degrees < 9
    assert 0.94 < covers.mean() < 0.97
    assert by_units(got).mean() < 0.94


def test_few_that_were_hardly_ever_met_are_few_degrees_of_freedom():
    """1,000 samples of some hundred of 300, met with chances of .02 to 1; standard error of a share .007."""
    random = np.random.default_rng(0)
    covers, plain, degrees = [], [], []
    for _ in range(1000):
        chance = 0.02 + 0.98 * random.random(300) ** 2
        reward = random.random(300) < np.where(chance > 0.3, 0.8, 0.2)
        met = random.random(300) < chance
        truth = 0.2 + 0.6 * (1 - np.sqrt(0.28 / 0.98))
        got = estimators.hajek(reward[met] - truth, chance[met])
        covers.append(got.low <= 0 <= got.high)
        plain.append(by_units(got))
        degrees.append(got.degrees)
    assert np.median(degrees) < 6
    assert 0.935 < np.mean(covers) < 0.975
    assert np.mean(plain) < 0.93


def test_a_heavy_life_widens_the_table():
    age = np.array([0, 1, 1, 2, 3, 3, 4])
    weight = np.array([1.0, 1, 1, 50, 1, 1, 1])
    got = life_table(age, weight)
    reaches = estimators.weighted(age >= 2, weight)
    np.testing.assert_allclose(got.degrees, reaches.degrees)
    np.testing.assert_allclose(got.l[2] - got.error[2], reaches.value - reaches.error)
    assert 1 < got.degrees < 1.1


def test_one_alone_knows_nothing():
    for got in (estimators.naive([1.0]), estimators.ratio([1.0], [0.5]), life_table([3])):
        assert np.isnan(got.degrees)
        assert np.isnan(got.low).all()
    with pytest.raises(ValueError, match="weight: expected a life that counts, got 0 everywhere"):
        life_table([1, 2], weight=[0, 0])
