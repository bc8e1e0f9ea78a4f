import math
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
    assert got.texts()[1] == "[1.0, inf; 94%] (5 of 6)"
    assert intervals.interval(np.array([np.nan])).texts() == ("n/a", "(0 of 1)")
    assert intervals.interval(np.array([2.0, 2.0])) == intervals.Interval(2, 2, 2, 2, 2, level=0.5)


def test_less_than_half_of_the_runs_is_no_answer():
    got = intervals.interval(np.array([3.0, 2.9, 3.0] + [np.nan] * 5))
    assert got.texts() == ("n/a", "(3 of 8)")


def test_an_interval_tells_the_level_that_it_has():
    """Exactly that of the binomial sum; simulated at eight runs."""
    from scipy.stats import binom

    for runs in range(1, 65):
        low, high = intervals.order_statistics(runs)
        outside = binom.cdf(low, runs, 0.5) + binom.sf(high, runs, 0.5)
        assert intervals.median_level(runs) == pytest.approx(1 - outside, abs=1e-12)
    assert intervals.interval(np.arange(8.0)).level == 1 - 2 / 2**8
    samples = np.random.default_rng(0).lognormal(sigma=3, size=(20_000, 8))
    covered = (samples.min(1) < 1) & (samples.max(1) > 1)
    assert covered.mean() == pytest.approx(1 - 2 / 2**8, abs=2e-3)


def test_an_interval_of_few_runs_is_marked_by_its_level():
    assert intervals.interval(np.array([1.0, 2.0, 3.0])).texts() == ("2.0", "[1.0, 3.0; 75%]")
    assert intervals.interval(np.arange(1.0, 7.0)).texts() == ("3.5", "[1.0, 6.0]")


def test_the_interval_of_a_proportion_is_clopper_s_and_pearson_s():
    from scipy.stats import binomtest

    for count, of in ((0, 1), (0, 64), (3, 64), (12, 32), (64, 64), (700, 4096)):
        ends = binomtest(count, of).proportion_ci(0.95, method="exact")
        got = intervals.proportion(count, of)
        assert (got.low, got.high) == pytest.approx((ends.low, ends.high), abs=1e-9)
        assert (got.value, got.known, got.runs) == (count / of, of, of)


@pytest.mark.parametrize(("count", "of"), [(1, 0), (0, 0), (-1, 5), (6, 5)])
def test_a_proportion_needs_a_count_of_cases(count, of):
    with pytest.raises(ValueError, match="expected a count from 0 to the number of cases"):
        intervals.proportion(count, of)


def test_verdicts_are_paired():
    rng = np.random.default_rng(0)
    base = rng.lognormal(sigma=3, size=12)
    noise = rng.lognormal(sigma=1, size=12)

    def verdict(ours, theirs, **how):
        return intervals.contrast(ours, theirs, **how).verdict

    assert verdict(base / 3, base) == "better"
    assert verdict(base * 3, base) == "worse"
    assert verdict(base, base) == "same"
    assert verdict(base * noise, base) == "cannot tell"
    assert verdict(base[:5] / 100, base[:5]) == "cannot tell"
    assert verdict(np.zeros(8), np.zeros(8)) == "same"
    assert verdict(np.zeros(8), np.ones(8)) == "better"


def test_surely_a_little_worse_is_the_same_within_the_margin():
    base = np.random.default_rng(0).lognormal(size=12)
    assert intervals.contrast(base * 1.01, base).verdict == "same"
    assert intervals.contrast(base * 1.01, base, margin=1.001).verdict == "worse"
    shares = np.linspace(0, 0.5, 12)
    assert intervals.contrast(shares + 0.01, shares, margin=0.05).verdict == "same"
    assert intervals.contrast(shares + 0.01, shares).verdict == "worse"


def test_paired_intervals_tell_apart_where_single_ones_overlap():
    """Every run is three times better; the intervals of the two medians overlap nevertheless."""
    theirs = np.random.default_rng(3).lognormal(sigma=2, size=8)
    ours = theirs / 3
    assert intervals.interval(ours).high > intervals.interval(theirs).low
    got = intervals.contrast(ours, theirs)
    assert got.verdict == "better"
    assert got.by.value == pytest.approx(1 / 3)
    assert got.by.level == pytest.approx(0.992, abs=1e-3)
    assert got.texts() == ("× 0.33", "[0.33, 0.33]")


def test_the_interval_of_a_paired_ratio_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(500):
        theirs = rng.lognormal(sigma=3, size=7)
        by = intervals.contrast(theirs / 2 * rng.lognormal(size=7), theirs).by
        hits.append(by.low <= 0.5 <= by.high)
    expected = intervals.median_level(7)
    assert np.mean(hits) == pytest.approx(expected, abs=3 * math.sqrt(expected * 0.016 / 500))


def test_a_ratio_turned_round_is_its_reciprocal():
    ours, theirs = np.random.default_rng(0).lognormal(size=(2, 8))
    one, other = intervals.contrast(ours, theirs), intervals.contrast(theirs, ours)
    assert one.by.value == pytest.approx(1 / other.by.value)
    assert (one.by.low, one.by.high) == pytest.approx((1 / other.by.high, 1 / other.by.low))


def test_where_zero_occurs_the_difference_is_compared():
    ours, theirs = np.array([0.0, 0.1, 0.2, 0.0, 0.1, 0.3]), np.full(6, 0.5)
    got = intervals.contrast(ours, theirs)
    assert not got.ratio
    assert got.verdict == "better"
    assert got.texts() == ("-0.40", "[-0.50, -0.20]")
    forced = intervals.contrast(ours, theirs, ratio=True)
    assert forced.by.low == 0


def test_the_lost_and_the_unknown_take_part_as_they_are():
    inf, nan = np.inf, np.nan
    both = intervals.contrast(np.array([inf] * 6), np.array([inf] * 6))
    assert both.verdict == "same"
    lost = intervals.contrast(np.array([inf] * 6), np.ones(6))
    assert (lost.verdict, lost.by.value) == ("worse", inf)
    unknown = intervals.contrast(np.array([0.1] * 6 + [nan] * 7), np.ones(13))
    assert unknown.verdict == "cannot tell"
    assert intervals.contrast(np.array([nan] * 8), np.ones(8)).texts() == ("n/a", "(0 of 8)")


def test_a_contrast_is_of_the_same_runs():
    with pytest.raises(ValueError, match="compare the same runs"):
        intervals.contrast(np.ones(8), np.ones(6))


def test_identical_learners_are_rarely_told_apart():
    rng, apart = np.random.default_rng(1), 0
    for _ in range(1000):
        one, two = rng.lognormal(size=(2, 8))
        apart += intervals.contrast(one, two).verdict in ("better", "worse")
    assert apart <= 50


@pytest.mark.parametrize("runs", [8, 16, 64])
@pytest.mark.parametrize("lost", [0.01, 0.05, 0.3, 0.95])
def test_the_interval_of_a_chance_covers_it_where_runs_are_lost_whole(runs, lost):
    """Where no run, or every one, was lost it had no width, and held a chance of 5 % in as few cases as 34 of 100."""
    rng = np.random.default_rng(0)
    shares = (rng.random((400, runs)) < lost).astype(float)
    pooled = [intervals.chance(each) for each in shares]
    holds = np.mean([one.low <= lost <= one.high for one in pooled])
    assert holds >= 0.9


def test_runs_that_all_say_never_tell_as_much_as_so_many_cases():
    never, always = intervals.chance(np.zeros(64)), intervals.chance(np.ones(64))
    assert (never.value, never.low, never.high) == (0, 0, pytest.approx(1 - 0.025 ** (1 / 64)))
    assert (always.value, always.low, always.high) == (1, pytest.approx(0.025 ** (1 / 64)), 1)
    assert never.texts() == ("0", "[0, 0.056]")


@pytest.mark.parametrize("share", [0.1, 0.3, 1 / 3, 1e-300, 1 - 1e-16])
@pytest.mark.parametrize("runs", [6, 7, 10, 64])
def test_runs_that_agree_have_an_interval_about_what_they_say(share, runs):
    """Rounding made some variance of none, and NaN or ends the wrong way round of that."""
    shares = np.full(runs, share)
    for spread in (0, 1e-300, 1e-17, 1e-12, 1e-6):
        shares[0] = min(share + spread, 1)
        one = intervals.chance(shares)
        assert 0 <= one.low <= one.value <= one.high <= 1


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


@pytest.mark.parametrize(
    ("below", "above", "verdict"),
    [(20, 0, "better"), (0, 8, "worse"), (1, 0, "same"), (0, 3, "same"), (3, 3, "cannot tell")],
)
def test_a_median_of_ties_does_not_hide_those_who_differ(below, above, verdict):
    """Lost in all 64 runs against lost in 44 of them was called the same, since most pairs are."""
    ours = np.ones(64)
    ours[:below] = 0.0
    ours[64 - above :] = 2.0
    said = intervals.contrast(ours, np.ones(64), ratio=False)
    assert said.verdict == verdict
    assert said.by.value == pytest.approx((above - below) / 64)
    assert said.by.low <= said.by.value <= said.by.high


def test_nobody_who_differs_is_the_same():
    said = intervals.contrast(np.ones(64), np.ones(64), ratio=False)
    assert (said.verdict, said.by.value) == ("same", 0)
