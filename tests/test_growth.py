"""The growth fit on recursions whose growth and class are known."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from il_bench.stats import foresight, growth, poles
from il_bench.stats.recursion import pairs_of


def recursion(m, inject, episodes=32, steps=100, seed=0, persistent=False):
    """Deviations of delta' = M delta + N e + b under known errors e."""
    rng, dims = np.random.default_rng(seed), len(m)
    delta, error = np.zeros((episodes, steps + 1, dims)), rng.normal(size=(episodes, steps, 1))
    if persistent:  # errors that change slowly, as those along a road do
        phase = rng.uniform(0, 6.28, (episodes, 1)) + 0.07 * np.arange(steps)
        error = np.sin(phase)[..., None]
    for t in range(steps):
        delta[:, t + 1] = delta[:, t] @ m.T + error[:, t] @ inject.T + 0.001
    return delta, error, np.ones((episodes, steps), dtype=bool)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.7, 0.95, 1.0, 1.05, 1.3])
@pytest.mark.parametrize("persistent", [False, True])
def test_growth_is_exact_on_an_affine_recursion(alpha, persistent):
    turn = ortho_group.rvs(2, random_state=1)
    m = alpha * turn
    delta, error, alive = recursion(m, np.array([[0.01], [0.02]]), persistent=persistent)
    assert growth.fit(delta, error, alive, np.inf).alpha == pytest.approx(alpha, abs=1e-6)


def test_leaving_persistent_errors_out_would_read_a_growth_near_one():
    delta, error, alive = recursion(
        np.diag([0.7, 0.4]), np.array([[0.01], [0.02]]), persistent=True
    )
    assert growth.fit(delta, error, alive, np.inf).alpha == pytest.approx(0.7, abs=1e-6)
    assert growth.fit(delta, 0 * error, alive, np.inf).alpha > 0.9


def test_growth_ignores_what_the_ceiling_stops():
    delta, error, alive = recursion(np.array([[1.2]]), np.array([[1e-3]]))
    stopped = np.clip(delta, -5, 5)
    assert growth.fit(stopped, error, alive, 10.0).alpha == pytest.approx(1.2, abs=1e-6)


def test_growth_says_nan_where_it_cannot_know():
    delta, error, alive = recursion(np.array([[0.5]]), np.array([[0.0]]))
    assert growth.fit(0 * delta, error, alive, 1.0).kind == "none"
    assert np.isnan(growth.fit(delta[:1, :4], error[:1, :3], alive[:1, :3], 1.0).alpha)


def scalar(alpha, kind, steps, seed, episodes=50):
    """delta' = alpha delta + error, its errors aligned or of zero mean, and unknown to the fit."""
    rng = np.random.default_rng(seed)
    delta = np.zeros((episodes, steps + 1, 1))
    for t in range(steps):
        error = rng.normal(size=(episodes, 1)) * (0.3 if kind == "aligned" else 1) + (
            kind == "aligned"
        )
        delta[:, t + 1] = alpha * delta[:, t] + 1e-3 * error
    return growth.fit(
        delta, np.zeros((episodes, steps, 1)), np.ones((episodes, steps), dtype=bool), np.inf, 200
    )


def expected(alpha, kind, steps):
    """The class of a recursion, or None where it cannot be resolved: within a band of 1/T about 1, 1 itself apart."""
    if alpha == 1:
        return "linear" if kind == "aligned" else "diffusive"
    if abs(alpha - 1) <= 1 / steps:
        return None
    return "explosive" if alpha > 1 else "saturating"


def test_the_class_is_right_in_98_of_100_resolvable_recursions():
    """240 recursions: alpha in [0.5, 1.5], errors aligned or of zero mean, T = 50, 100, 200."""
    right = wrong = said = 0
    for steps in (50, 100, 200):
        for kind in ("aligned", "zero-mean"):
            for i, alpha in enumerate(np.linspace(0.5, 1.5, 30).tolist() + [1.0] * 10):
                got, want = scalar(alpha, kind, steps, seed=i), expected(alpha, kind, steps)
                if want is None or got.kind in ("marginal", "underpowered"):
                    assert (
                        abs(alpha - 1) < 3 / steps
                    )  # only close to 1 may the answer be that it cannot be told
                    said += want is not None
                else:
                    right, wrong = right + (got.kind == want), wrong + (got.kind != want)
    assert right + wrong + said > 220
    assert right >= 0.98 * (right + wrong)
    assert said < 0.05 * (right + wrong)


@pytest.mark.parametrize("alpha", [0.7, 0.9, 1.1, 1.3])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(alpha):
    fits = [scalar(alpha, "zero-mean", 50, seed) for seed in range(40)]
    assert (
        sum(f.low <= alpha <= f.high for f in fits) >= 33
    )  # 38 expected; 33 is three standard deviations below


@pytest.mark.parametrize("power", [2.0, 3.0])
def test_a_polynomial_growth_is_not_called_exponential(power):
    rng = np.random.default_rng(0)
    delta = 1e-3 * (np.arange(101.0) ** power * rng.uniform(0.5, 2, (50, 1)))[..., None]
    got = growth.fit(delta, np.zeros((50, 100, 1)), np.ones((50, 100), dtype=bool), np.inf)
    assert got.kind == "polynomial"
    assert got.exponent == pytest.approx(power, abs=1e-6)


@pytest.mark.parametrize("power", [-2.0, -1.0])
def test_a_polynomial_decay_is_not_called_exponential(power):
    rng = np.random.default_rng(0)
    delta = (np.arange(1, 102.0) ** power * rng.uniform(0.5, 2, (50, 1)))[..., None]
    got = growth.fit(delta, np.zeros((50, 100, 1)), np.ones((50, 100), dtype=bool), np.inf)
    assert got.kind == "polynomial"


def test_a_kick_that_decays_exponentially_is_saturating():
    delta = 0.8 ** np.arange(101.0)[None, :, None] * np.random.default_rng(0).uniform(
        0.5, 2, (50, 1, 1)
    )
    got = growth.fit(delta, np.zeros((50, 100, 1)), np.ones((50, 100), dtype=bool), np.inf)
    assert got.kind == "saturating"
    assert got.alpha == pytest.approx(0.8)


def test_the_plateau_is_where_the_deviation_ends():
    delta, error, alive = recursion(np.array([[0.8]]), np.array([[0.0]]))
    got = growth.fit(delta, error, alive, np.inf)
    assert got.epsilon == pytest.approx(0.001)
    assert got.plateau == pytest.approx(delta[:, -1].mean(), rel=0.01)


def test_few_rollouts_are_underpowered_not_wrong():
    rng = np.random.default_rng(1)
    delta = np.cumsum(rng.normal(size=(3, 51, 1)), 1)
    got = growth.fit(
        delta - delta[:, :1], np.zeros((3, 50, 1)), np.ones((3, 50), dtype=bool), np.inf
    )
    assert got.kind == "underpowered"


def test_an_error_that_is_not_finite_counts_for_nothing():
    delta, error, alive = recursion(np.array([[0.9]]), np.array([[0.01]]))
    spoilt = error.copy()
    spoilt[3, 7:] = np.nan
    spoilt[4, 9] = np.inf
    got = growth.fit(delta, spoilt, alive, np.inf)
    assert got.alpha == pytest.approx(0.9, abs=1e-6)


# Recursions that one constant map with simple poles, far from a ceiling, does not describe


def simulated(step, dims=1, episodes=16, steps=60, seed=0, errors=None, start=0.0):
    """Deviations of delta' = step(delta, t) + 1e-3 error, whose errors the fit does not know."""
    rng = np.random.default_rng(seed)
    draw = errors or rng.standard_normal
    delta = np.zeros((episodes, steps + 1, dims))
    delta[:, 0] = start * rng.standard_normal((episodes, dims))
    for t in range(steps):
        delta[:, t + 1] = step(delta[:, t], t) + 1e-3 * draw((episodes, dims))
    return delta


def fitted(delta, ceiling=np.inf, resamples=300):
    episodes, times = delta.shape[:2]
    unknown = np.zeros((episodes, times - 1, 1))
    alive = np.ones((episodes, times - 1), dtype=bool)
    return growth.fit(delta, unknown, alive, ceiling, resamples)


def holding(truth, fits):
    """How many of the fits give no interval that leaves the truth out."""
    return sum(np.isnan(fit.low) or fit.low <= truth <= fit.high for fit in fits)


@pytest.mark.parametrize(("gains", "kind"), [((1.5, 0.6), "saturating"), ((1.6, 0.8), "explosive")])
def test_a_loop_whose_gain_alternates_has_the_growth_of_its_period(gains, kind):
    truth = np.prod(gains) ** (1 / len(gains))
    for seed in range(10):
        got = fitted(simulated(lambda delta, t: gains[t % 2] * delta, seed=seed, start=0.1))
        assert got.kind == kind
        assert got.alpha == pytest.approx(truth, abs=0.05)


def test_the_interval_of_a_period_holds_its_growth():
    gains = (1.4, 0.9, 0.7)
    fits = [
        fitted(simulated(lambda delta, t: gains[t % 3] * delta, seed=seed)) for seed in range(20)
    ]
    assert holding(np.prod(gains) ** (1 / 3), fits) >= 17


@pytest.mark.parametrize("gain", [1.2, 1.5])
def test_a_map_that_saturates_by_itself_is_no_linear_recursion_and_says_why(gain):
    for seed in range(10):
        got = fitted(simulated(lambda delta, t: np.tanh(gain * delta), seed=seed))
        assert got.kind == "not linear"
        assert np.isnan(got.low)
        assert "large deviations grow by" in got.reason or "persist" in got.reason


def test_errors_that_persist_and_are_not_known_are_no_linear_recursion():
    rng = np.random.default_rng(0)
    bias = rng.choice((-1.0, 1.0), (16, 1)) * rng.uniform(0.5, 2, (16, 1))
    got = fitted(simulated(lambda delta, t: 0.6 * delta + 0.01 * bias))
    assert got.kind == "not linear"
    assert "persist" in got.reason


def misses(size, seed):
    """Whether the forecast misses deviations under errors of each rollout's own, so large, that nobody recorded."""
    rng = np.random.default_rng(seed)
    bias = size * rng.choice((-1.0, 1.0), (16, 1)) * rng.uniform(0.5, 2, (16, 1))
    delta = simulated(lambda delta, t: 0.6 * delta + bias, seed=seed)
    pairs = pairs_of(delta, np.zeros((16, 60, 1)), np.ones((16, 60), dtype=bool), np.inf)
    return foresight._misses(pairs, poles.loop_of(pairs))


def test_the_forecast_holds_under_noise_and_misses_about_half_of_what_persists():
    assert not any(misses(0.0, seed) for seed in range(16))
    assert sum(misses(0.03, seed) for seed in range(16)) >= 4


@pytest.mark.parametrize("pole", [0.9, 1.1])
def test_the_interval_holds_many_equal_poles(pole):
    fits = [fitted(simulated(lambda delta, t: pole * delta, 4, seed=seed)) for seed in range(20)]
    assert holding(pole, fits) >= 18
    assert all(abs(fit.alpha - pole) < 0.05 for fit in fits)


@pytest.mark.parametrize(("pole", "size"), [(0.9, 3), (1.05, 2)])
def test_the_interval_holds_the_pole_of_a_defective_block(pole, size):
    block = pole * np.eye(size) + np.eye(size, k=1)
    fits = [
        fitted(simulated(lambda delta, t: delta @ block.T, size, seed=seed)) for seed in range(20)
    ]
    assert holding(pole, fits) >= 18


@pytest.mark.parametrize("alpha", [0.7, 0.9])
def test_noise_that_carries_deviations_over_the_cut_does_not_bias_the_growth(alpha):
    """Their usual size is a fifth of the ceiling; leaving out what crosses it would read 0.33 and 0.71."""
    ceiling = 5e-3 / np.sqrt(1 - alpha**2)
    fits = [
        fitted(simulated(lambda delta, t: alpha * delta, seed=seed), ceiling) for seed in range(20)
    ]
    assert np.median([fit.alpha for fit in fits]) == pytest.approx(alpha, abs=0.03)
    assert holding(alpha, fits) >= 17


def test_pairs_of_a_strong_stretch_keep_their_later_deviation_below_the_cut():
    """Beyond the cut the map turns round: none of that is fitted."""

    def turning(delta, t):
        ahead = 4 * delta
        return np.where(np.abs(ahead) > 0.3, -ahead / 8, ahead)

    assert fitted(simulated(turning), ceiling=1.0).alpha == pytest.approx(4, rel=0.02)


def test_heavy_tails_do_not_break_the_interval():
    fits = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        errors = lambda shape, rng=rng: rng.standard_t(2, shape)  # noqa: E731
        fits.append(fitted(simulated(lambda delta, t: 0.8 * delta, seed=seed, errors=errors)))
    assert holding(0.8, fits) >= 17


def test_few_rollouts_and_no_resamples_have_no_interval():
    delta = simulated(lambda delta, t: 0.8 * delta, episodes=5)
    assert np.isnan(fitted(delta).low)
    assert fitted(delta).kind == "underpowered"
    assert np.isnan(fitted(simulated(lambda delta, t: 0.8 * delta), resamples=0).low)


def test_students_quantile_is_scipy_s():
    from scipy.stats import t as students

    for freedom in (7, 15, 63):
        assert poles.student(freedom) == pytest.approx(students.ppf(0.975, freedom), rel=2e-3)
