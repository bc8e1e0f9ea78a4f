"""Estimators and life tables of room exposure: properties, closed forms, and how often their intervals cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_bench.exposure import estimators, lifetables, survival
from il_bench.exposure.lifetables import life_table

ROWS = st.lists(
    st.tuples(st.floats(-5, 5), st.floats(0.05, 1.0), st.integers(0, 3)), min_size=2, max_size=12
)
LIVES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.floats(0.1, 3), st.booleans()),
    min_size=2,
    max_size=14,
)

QUICK = settings(deadline=None, max_examples=25)


def columns(rows):
    return [np.array(column) for column in zip(*rows, strict=True)]


@given(rows=ROWS, scale=st.floats(0.1, 10))
@QUICK
def test_hajek_forgets_the_scale_of_exposure(rows, scale):
    reward, chance, _ = columns(rows)
    one = estimators.hajek(reward, chance)
    other = estimators.hajek(reward, scale * chance)
    np.testing.assert_allclose([one.value, one.error], [other.value, other.error], atol=1e-9)


@given(rows=ROWS)
@QUICK
def test_power_zero_is_naive_bit_for_bit(rows):
    reward, chance, unit = columns(rows)
    assert str(estimators.power(reward, chance, 0.0, unit)) == str(estimators.naive(reward, unit))
    naive = estimators.naive(reward)
    assert estimators.power(reward, chance, 0.0).value == naive.value
    full = estimators.power(reward, chance, 1.0).value
    np.testing.assert_allclose(full, estimators.hajek(reward, chance).value)


@given(rows=ROWS)
@QUICK
def test_whole_weights_are_repeated_rows(rows):
    reward, _, times = columns(rows)
    times[0] = 1
    repeated = estimators.naive(np.repeat(reward, times))
    np.testing.assert_allclose(estimators.weighted(reward, times).value, repeated.value)
    # And their interval, where the copies of a row are one unit.
    unit = np.repeat(np.arange(len(times)), times)
    again = estimators.naive(np.repeat(reward, times), unit)
    kept = times > 0
    one = estimators.weighted(reward[kept], times[kept])
    np.testing.assert_allclose(one.error, again.error, atol=1e-12)
    assert one.units == again.units


@given(rows=ROWS, seed=st.integers(0, 99))
@QUICK
def test_the_order_of_rows_does_not_matter(rows, seed):
    reward, chance, unit = columns(rows)
    order = np.random.default_rng(seed).permutation(len(reward))
    calls = {
        "hajek": lambda o: estimators.hajek(reward[o], chance[o], unit[o]),
        "ratio": lambda o: estimators.ratio(reward[o], chance[o], unit[o]),
        "total": lambda o: estimators.horvitz_thompson(reward[o], chance[o], 99, unit[o]),
    }
    for call in calls.values():
        one, other = call(np.arange(len(reward))), call(order)
        parts = [one.value, one.error], [other.value, other.error]
        np.testing.assert_allclose(*parts, atol=1e-9)


@pytest.mark.parametrize("number", [0.0, 1.0, 0.1, 1 / 3])
def test_a_constant_reward_has_no_width(number):
    chance = np.linspace(0.1, 0.9, 7)
    reward = np.full(7, number)
    for got in (
        estimators.naive(reward),
        estimators.hajek(reward, chance),
        estimators.pooled(reward, [chance, chance[::-1]]),
        estimators.power(reward, chance, 0.5),
        estimators.clip(reward, chance, 2.0, unit=np.arange(7) // 2),
    ):
        assert got.low == got.value == got.high == number
    even = estimators.ratio(number * chance, chance)
    np.testing.assert_allclose([even.low, even.high], number)


def test_several_rewards_are_estimated_at_once():
    reward = np.array([[0.0, 1, 1], [1, 0, 5]])
    both = estimators.hajek(reward, [0.5, 0.2, 1.0])
    for row, value, error in zip(reward, both.value, both.error, strict=True):
        one = estimators.hajek(row, [0.5, 0.2, 1.0])
        np.testing.assert_allclose([one.value, one.error], [value, error])


def test_units_count_once():
    reward, chance = np.array([0.0, 1, 1, 0]), np.array([0.5, 0.2, 1.0, 0.7])
    once = estimators.hajek(reward, chance)
    twice = estimators.hajek(np.tile(reward, 2), np.tile(chance, 2), np.tile(np.arange(4), 2))
    np.testing.assert_allclose([once.value, once.error], [twice.value, twice.error])
    assert twice.units == 4


def test_doubly_robust_is_right_whatever_is_foretold():
    """Clicks on one item at ranks that are drawn: the mean over draws, exactly, is its relevance."""
    theta, share, relevance = np.array([1.0, 0.5, 0.0]), np.array([0.2, 0.5, 0.3]), 0.4
    expected = np.full(3, theta @ share)
    for foretold in (0.0, 0.4, 0.9):
        click = relevance * theta
        each = [
            estimators.doubly_robust([c], [t], [e], foretold).value
            for c, t, e in zip(click, theta, expected, strict=True)
        ]
        np.testing.assert_allclose(np.dot(share, each), relevance)


def test_affine_undoes_trust():
    alpha, beta, relevance = np.array([0.8, 0.4]), np.array([0.1, 0.05]), np.array([0.3, 0.3])
    got = estimators.affine(alpha * relevance + beta, alpha, beta)
    np.testing.assert_allclose(got.value, 0.3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: estimators.hajek([1, 2], [0.5, 0.0]), "exposure: expected finite numbers above 0"),
        (lambda: estimators.hajek([1, 2], [0.5, np.nan]), "got nan at 1"),
        (lambda: estimators.hajek([1, 2], [0.5]), r"exposure: expected shape \(2,\)"),
        (lambda: estimators.ratio([1, 2], [0.5, -1]), "exposure: expected 0 or more, got -1 at 1"),
        (lambda: estimators.ratio([0, 0], [0.0, 0.0]), "expected a row that could be seen"),
        (lambda: estimators.naive([]), "reward: expected"),
        (lambda: estimators.naive([1, np.inf]), "reward: expected finite numbers, got inf at 1"),
        (lambda: estimators.naive([1, 2], unit=[1]), "unit: expected"),
        (lambda: estimators.horvitz_thompson([1, 2], [0.5, 2], 9), "chances up to 1, got 2 at 1"),
        (lambda: estimators.horvitz_thompson([1, 2], [0.5, 1], 1), "at least the 2 seen, got 1"),
        (lambda: life_table([1, -2]), "age: expected years, 0 or more, got -2, life 1"),
        (lambda: life_table([1, 2], entry=[0, 3]), "entry at 3 after death at 2, life 1"),
        (lambda: life_table([1, 25], omega=25), "age: expected ages below ω = 25, got 25"),
        (lambda: life_table([1, 2], weight=[1]), r"weight: expected \(2,\)"),
        (lambda: life_table([1, 2], weight=[1, np.nan]), "weight: expected finite"),
        (lambda: life_table([]), "at least one life"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def coverage(estimate, truth, repeats=400, seed=0):
    rng = np.random.default_rng(seed)
    intervals = [estimate(rng) for _ in range(repeats)]
    return np.mean([got.low <= truth <= got.high for got in intervals])


def world(rng, kind):
    """300 units of chances .1 to 1; rewards of mean one half, and the larger the easier they are seen."""
    chance = rng.uniform(0.1, 1, 300)
    reward = (rng.random(300) < chance / 1.1).astype(float)
    seen = rng.random(300) < chance
    if kind == "hajek":
        return estimators.hajek(reward[seen], chance[seen])
    if kind == "total":
        return estimators.horvitz_thompson(reward[seen], chance[seen], 300, schedule=True)
    if kind == "ratio":
        return estimators.ratio((rng.random(300) < chance / 2).astype(float), chance)
    return estimators.naive(reward[seen])


@pytest.mark.parametrize("kind", ["hajek", "total", "ratio"])
def test_intervals_cover(kind):
    """0.95 of 400 has a standard error of .011; the naive interval knows nothing of what it did not see."""
    assert 0.915 < coverage(lambda rng: world(rng, kind), 0.5) < 0.985


def test_the_naive_interval_does_not():
    assert coverage(lambda rng: world(rng, "naive"), 0.5, 100) < 0.2


# --- Life tables ----------------------------------------------------------------------------------


def lives(rows):
    """First and last ages, weights, and who died."""
    one, other, weight, died = columns(rows)
    return np.minimum(one, other), np.maximum(one, other), weight, died


@given(rows=LIVES)
@QUICK
def test_it_is_cloning_on_person_years(rows):
    """The weighted Bernoulli likelihood of "dies within this year", a row a year, has its maximum at the table's q."""
    first, last, weight, died = lives(rows)
    years = [
        (age, age == end and dead, heavy)
        for begin, end, heavy, dead in zip(first, last, weight, died, strict=True)
        for age in range(begin, end + 1)
    ]
    age, death, heavy = columns(years)
    got = life_table(last, weight, first, died)
    for here in np.unique(age):
        rows = age == here
        np.testing.assert_allclose(got.q[here], np.average(death[rows], weights=heavy[rows]))
    np.testing.assert_allclose(got.l[1:], np.cumprod(1 - np.nan_to_num(got.q)), atol=1e-15)


@given(rows=LIVES)
@QUICK
def test_without_delay_it_is_hajek_s_mean_of_who_reaches_an_age(rows):
    _, last, weight, _ = lives(rows)
    got = life_table(last, weight)
    reaches = last >= np.arange(last.max() + 2)[:, None]
    mean = estimators.weighted(reaches, weight)
    np.testing.assert_allclose(got.l, mean.value, atol=1e-12)
    np.testing.assert_allclose(got.error, mean.error, atol=1e-12)
    np.testing.assert_allclose(got.mean_age, np.average(last, weights=weight))


@given(rows=LIVES, seed=st.integers(0, 99))
@QUICK
def test_order_copies_and_units_of_lives(rows, seed):
    first, last, _, died = lives(rows)
    rng = np.random.default_rng(seed)
    order, times = rng.permutation(len(last)), rng.integers(1, 4, len(last))
    got = life_table(last, times, first, died)
    shuffled = life_table(last[order], times[order], first[order], died[order])
    unit = np.repeat(np.arange(len(last)), times)
    copies = life_table(last[unit], None, first[unit], died[unit], unit)
    for other in (shuffled, copies):
        np.testing.assert_allclose(other.l, got.l, atol=1e-12)
        np.testing.assert_allclose(other.error, got.error, atol=1e-12)
        assert other.units == got.units


@given(rows=LIVES)
@QUICK
def test_exact_times_make_the_same_table(rows):
    """Times of death as ages: who was first seen at age 2 was at risk after time 1."""
    first, last, weight, died = lives(rows)
    table = life_table(last, weight, first, died)
    ages = np.arange(last.max() + 1)
    curve = lifetables.product_limit(last, ages, died, first - 1, weight)
    np.testing.assert_allclose(curve.share, table.l[1:], atol=1e-12)
    np.testing.assert_allclose(curve.error, table.error[1:], atol=1e-12)


def log(seed, eta=1.0, births=40):
    """A museum of which half the animals were met or so."""
    q = survival.siler()
    effort, visible = survival.effort(), survival.visibility(eta=eta)
    uniform = np.random.default_rng(seed).random((100 * births, 2))
    return survival.animals(q, effort, visible, 0.1, births, uniform).museum


def test_life_tables_of_a_museum_cover_the_truth():
    """150 museums: weighted and delayed tables cover l at ages 1 and 5 in 95 of 100, the naive one never."""
    truth = survival.survivors(survival.siler())
    hits = {"weighted": [], "delayed": [], "naive": []}
    for seed in range(150):
        museum = log(seed)
        tables = {
            "weighted": life_table(museum.age, 1 / museum.exposure, omega=25),
            "delayed": life_table(museum.age, entry=museum.met, omega=25),
            "naive": life_table(museum.age, omega=25),
        }
        for name, got in tables.items():
            hits[name].append((got.low <= truth) & (truth <= got.high))
    for name in ("weighted", "delayed"):
        assert (np.mean(hits[name], 0)[[1, 5]] > 0.90).all()
    assert not np.mean(hits["naive"], 0)[[1, 5]].any()


def test_without_survivor_bias_all_tables_agree():
    museum = log(0, eta=0.0, births=400)
    naive = life_table(museum.age, omega=25).l
    weighted = life_table(museum.age, 1 / museum.exposure, omega=25).l
    truth = survival.survivors(survival.siler())
    np.testing.assert_allclose(naive[1:6], truth[1:6], atol=0.04)
    np.testing.assert_allclose(weighted[1:6], truth[1:6], atol=0.06)
