import subprocess
import sys

import numpy as np
import pytest

from il_bench.stats import intervals


@pytest.mark.parametrize("runs", [6, 7, 8, 16, 31])
def test_the_interval_of_a_median_covers_it_in_95_cases_of_100(runs):
    """Exactly: the chance that the median lies outside two order statistics is a binomial sum."""
    from scipy.stats import binom

    low, high = intervals.order_statistics(runs)
    outside = binom.cdf(low, runs, 0.5) + binom.sf(high, runs, 0.5)
    assert outside <= 0.05
    narrower = binom.cdf(low + 1, runs, 0.5) + binom.sf(high - 1, runs, 0.5)
    assert narrower > 0.05  # the narrowest symmetric one


def test_the_interval_is_that_of_scipy_s_quantile_test():
    from scipy.stats import quantile_test

    for runs in range(intervals.FEWEST, 65):
        ordered = np.arange(float(runs))
        test = quantile_test(ordered, q=float(np.median(ordered)), p=0.5)
        ends = test.confidence_interval(0.95)
        assert intervals.order_statistics(runs) == (ends.low, ends.high)


def test_no_part_of_scipy_is_imported_for_an_interval():
    code = (
        "import sys, numpy as np; from il_bench.stats.intervals import interval;"
        "interval(np.arange(9.0)); sys.exit('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_value_alone_shows_no_interval():
    assert str(intervals.interval(np.arange(9.0)).alone()) == "4.0"


def test_the_interval_covers_as_often_in_simulation():
    rng = np.random.default_rng(0)
    hits = [
        i.low <= 1 <= i.high
        for i in (intervals.interval(rng.lognormal(size=8)) for _ in range(2000))
    ]
    assert np.mean(hits) >= 0.95


@pytest.mark.parametrize("runs", [1, 2, 5])
def test_few_runs_show_their_extremes(runs):
    assert intervals.order_statistics(runs) == (0, runs - 1)


def test_interval_takes_infinities_and_says_how_many_are_known():
    got = intervals.interval(np.array([1.0, 2.0, np.inf, np.inf, np.inf, np.nan]))
    assert got.value == np.inf
    assert (got.known, got.runs) == (5, 6)
    assert got.texts()[1] == "[1.0, inf] (5 of 6)"
    assert intervals.interval(np.array([np.nan])).texts() == ("n/a", "(0 of 1)")
    assert intervals.interval(np.array([2.0, 2.0])) == intervals.Interval(2, 2, 2, 2, 2)


def test_less_than_half_of_the_runs_is_no_answer():
    got = intervals.interval(np.array([3.0, 2.9, 3.0] + [np.nan] * 5))
    assert got.texts() == ("n/a", "(3 of 8)")


def test_verdicts_are_paired():
    rng = np.random.default_rng(0)
    base = rng.lognormal(sigma=3, size=12)
    assert intervals.verdict(base / 3, base) == "better"
    assert intervals.verdict(base * 3, base) == "worse"
    assert intervals.verdict(base, base) == "same"
    assert intervals.verdict(base * 1.01, base) == "worse"  # by little, but surely
    assert intervals.verdict(base * rng.lognormal(sigma=1, size=12), base) == "underpowered"
    assert intervals.verdict(base[:5] / 100, base[:5]) == "underpowered"
    assert intervals.verdict(np.zeros(8), np.zeros(8)) == "same"
    assert intervals.verdict(np.zeros(8), np.ones(8)) == "better"


def test_identical_learners_are_rarely_told_apart():
    rng, apart = np.random.default_rng(1), 0
    for _ in range(1000):
        one, two = rng.lognormal(size=(2, 8))
        apart += intervals.verdict(one, two) in ("better", "worse")
    assert apart <= 50


def test_the_paired_gain_is_the_factor_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    theirs = rng.lognormal(size=(12, 1)) * rng.lognormal(sigma=0.3, size=(12, 50))
    gain, low, high = intervals.paired_gain(
        theirs / 4 * rng.lognormal(sigma=0.2, size=(12, 50)), theirs
    )
    assert low < 4 < high
    assert gain == pytest.approx(4, rel=0.1)


def test_an_indicator_is_averaged_and_a_length_is_not():
    assert intervals.typical(np.array([[0.0, 0.0, 1.0, 1.0, 1.0]]), True)[0] == pytest.approx(0.6)
    assert intervals.typical(np.array([[0.1, 0.2, np.inf]]), False)[0] == 0.2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (4.16, "4.2"),
        (0.0068, "6.8e-3"),
        (0.068, "0.068"),
        (335, "335"),
        (3350.4, "3350"),
        (2.5e7, "2.5e7"),
        (0.0999, "0.10"),
    ],
)
def test_numbers_read_in_passing(value, text):
    assert intervals.short(value) == text


def test_mean_error_is_of_the_steps_lived_and_infinite_where_a_run_broke():
    error = np.array([[[[3.0, 4.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]]])
    whole, broken = np.array([[2, 2]]), np.array([[-1, 1]])
    assert intervals.mean_error(error, np.array([[-1, -1]]), whole) == pytest.approx([2.5])
    assert intervals.mean_error(error, broken, whole) == np.inf


def test_ratio_of_nothing_to_nothing_is_one():
    assert intervals.ratio(np.array([0.0, 2.0, 1.0]), np.array([0.0, 1.0, 0.0])).tolist() == [
        1,
        2,
        np.inf,
    ]
