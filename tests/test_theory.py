import decimal
import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from il_bench.stats import theory


@given(st.floats(0, 1.5), st.floats(1e-9, 1.0), st.integers(1, 60))
def test_envelope_is_its_recursion(growth, epsilon, horizon):
    y, steps = 0.0, [0.0]
    for _ in range(horizon):
        y = growth * y + epsilon
        steps.append(y)
    np.testing.assert_allclose(theory.envelope(epsilon, growth, horizon), steps, rtol=1e-9)


def test_envelope_has_three_regimes():
    assert theory.envelope(0.1, 0.5, 500)[-1] == pytest.approx(0.2)
    assert theory.envelope(0.1, 1.0, 500)[-1] == pytest.approx(50)
    assert theory.envelope(0.1, 1 + 1e-13, 500)[-1] == pytest.approx(50)


def gap_by_enumeration(error, horizon):
    """Sum over steps of the chance that the first error has happened."""
    return math.fsum(1 - (1 - error) ** t for t in range(1, horizon + 1))


@pytest.mark.parametrize("error", [1.0, 0.5, 0.03, 1e-3])
@pytest.mark.parametrize("horizon", [1, 7, 100])
def test_absorbing_gap_is_the_enumerated_one(error, horizon):
    assert theory.absorbing_gap(error, horizon) == pytest.approx(
        gap_by_enumeration(error, horizon), rel=1e-10
    )


def test_absorbing_gap_keeps_its_digits_when_errors_are_rare():
    # 100 * 101 / 2 * 1e-12 - ...; the naive form loses every digit here
    assert theory.absorbing_gap(1e-12, 100) == pytest.approx(5050e-12, rel=1e-9)
    assert theory.absorbing_gap(0.0, 100) == 0


def test_reset_cliff_value_of_the_literature():
    q = theory.missing_mass(10, 5, 200)
    assert theory.absorbing_gap(q, 40) == pytest.approx(8.310, abs=5e-4)


def test_missing_mass_is_the_enumerated_one():
    """All demonstrations of one step, and the state after them: the common one, 2, may be missing as well as the rare."""
    rho, missing = (1 / 4, 1 / 4, 1 / 2), 0.0
    for *shown, state in itertools.product(range(3), repeat=4):
        chance = math.prod(rho[s] for s in (*shown, state))
        missing += chance * (state not in shown)
    assert theory.missing_mass(4, 2, 3) == pytest.approx(missing / 2, rel=1e-12)
    assert theory.missing_mass(4, 2, 1) == pytest.approx(0.25, rel=1e-12)  # two rare ones of 1/2
    assert theory.missing_mass(2, 4, 0) == 0.75  # nothing was demonstrated


@pytest.mark.parametrize("demonstrations", [7, 8, 20])
def test_the_cliff_with_few_demonstrations_is_the_simulated_one(demonstrations):
    """Tables from demonstrations, then steps: without the common state q is up to a quarter too small."""
    states, actions, cases = 10, 5, 40_000
    rng = np.random.default_rng(demonstrations)
    rare = 1 / (demonstrations + 1)
    uniform = rng.random((cases, demonstrations + 1))
    drawn = np.minimum(uniform // rare, states - 2)
    unseen = (drawn[:, :-1] != drawn[:, -1:]).all(1)
    errs = unseen & (rng.random(cases) < 1 - 1 / actions)
    error = 3 * errs.std() / cases**0.5
    assert errs.mean() == pytest.approx(
        theory.missing_mass(states, actions, demonstrations), abs=error
    )


def test_beta_schedules_begin_with_the_expert_and_fall():
    for kind, p in (("indicator", 1.0), ("linear", 4.0), ("exponential", 0.5), ("sigmoid", 4.0)):
        values = [theory.beta(kind, i, p) for i in range(12)]
        assert values[0] == 1
        assert all(a >= b for a, b in itertools.pairwise(values))
        assert values[-1] < 0.3
    assert theory.beta("exponential", 3, 0.5) == 0.125
    assert theory.beta("linear", 3, 4.0) == 0.25
    assert theory.beta("constant", 7, 0.3) == 0.3
    with pytest.raises(ValueError, match="expected indicator"):
        theory.beta("cosine", 0, 1)


# Drift in a metric: the small-gain bound, its regimes, and the time it takes


def small_gain_system(rho, slope, constant, epsilon, horizon):
    """x' = rho x + C (epsilon + l |x|), on which the bound is attained."""
    x = [0.0]
    for _ in range(horizon):
        x.append(rho * x[-1] + constant * (epsilon + slope * abs(x[-1])))
    return np.array(x)


@given(st.floats(0, 1.2), st.floats(0, 0.3), st.floats(1, 3), st.floats(1e-9, 1))
def test_small_gain_is_attained_by_the_system_of_the_literature(rho, slope, constant, epsilon):
    growth = theory.small_gain(rho, slope, constant)
    bound = constant * theory.envelope(epsilon, growth, 40)
    np.testing.assert_allclose(
        small_gain_system(rho, slope, constant, epsilon, 40), bound, rtol=1e-10
    )


def test_the_regimes_of_small_gain_and_what_each_does():
    for growth, aligned, name in (
        (0.9, True, "saturating"), (1.0, True, "linear"), (1.0, False, "diffusive"), (1.1, False, "explosive"),
    ):  # fmt: skip
        assert theory.regime(growth, aligned) == name
    assert theory.plateau(0.1, 0.8, 2.0) == pytest.approx(
        2 * theory.envelope(0.1, 0.8, 400)[-1], rel=1e-12
    )
    assert theory.plateau(0.1, 1.0) == theory.plateau(0.1, 1.3) == math.inf


def test_a_growth_that_the_horizon_cannot_tell_from_one_is_not_told_from_one():
    assert theory.regime(1.009, horizon=100) == theory.regime(0.991, horizon=100) == "linear"
    assert theory.regime(1.011, horizon=100) == "explosive"
    assert theory.regime(0.989, horizon=100) == "saturating"


@pytest.mark.parametrize("growth", [0.6, 1.0, 1.05])
def test_diffusion_is_the_simulated_spread(growth):
    rng, y = np.random.default_rng(0), np.zeros(40_000)
    for _ in range(30):
        y = growth * y + 0.1 * rng.choice((-1.0, 1.0), len(y))
    squares, expected = y**2, theory.diffusion(0.1, growth, 30)[-1] ** 2
    assert abs(squares.mean() - expected) < 3 * squares.std() / len(y) ** 0.5


def test_diffusion_is_its_sum():
    sums = [math.sqrt(math.fsum(1.07 ** (2 * i) for i in range(t))) for t in range(41)]
    np.testing.assert_allclose(theory.diffusion(0.3, 1.07, 40), 0.3 * np.array(sums), rtol=1e-12)
    np.testing.assert_allclose(
        theory.diffusion(0.3, 1.0, 40), 0.3 * np.arange(41) ** 0.5, rtol=1e-12
    )


@given(st.floats(0.5, 1.5), st.floats(1e-12, 1.0), st.integers(1, 60))
def test_passage_time_is_the_inverse_of_the_envelope(growth, epsilon, t):
    assume(
        growth**t > 1e-6
    )  # nearer to its plateau an envelope is flat, and the level's digits do not hold the time
    level = float(theory.envelope(epsilon, growth, t)[-1])
    assert theory.passage_time(epsilon, growth, level) == pytest.approx(t, rel=1e-7)


@given(st.floats(0.5, 1.5), st.floats(1e-6, 1.0), st.floats(1e-6, 100.0))
def test_crossing_time_is_the_first_step_above(growth, epsilon, level):
    steps = theory.envelope(epsilon, growth, 400)
    above = np.flatnonzero(steps > level)
    found = theory.crossing_time(epsilon, growth, level)
    assert found == above[0] if len(above) else found > 400


def test_crossing_time_of_an_exploding_error_and_of_one_that_never_comes():
    assert theory.crossing_time(1e-3, 1.2, 10.0) == 42  # log(1 + 2000) / log 1.2 = 41.69
    assert theory.passage_time(1e-3, 1.2, 10.0) == pytest.approx(
        math.log(2001) / math.log(1.2), rel=1e-14
    )
    assert theory.crossing_time(0.1, 0.5, 0.2) == math.inf  # the plateau itself is never exceeded
    assert theory.crossing_time(1e-3, 1 + 1e-12, 1e6) == pytest.approx(1e9, rel=1e-3)
    assert theory.crossing_time(0.1, 0.0, 0.05) == 1  # forgets at once: it is where a step puts it
    assert theory.crossing_time(0.1, 0.0, 0.1) == theory.crossing_time(0.0, 2.0, 1.0) == math.inf
    with pytest.raises(ValueError, match=r"growth: expected 0 or more, got -0\.5"):
        theory.passage_time(0.1, -0.5, 1.0)


def exactly(*numbers):
    """Floating-point numbers as decimals of 60 digits."""
    decimal.getcontext().prec = 60
    return [decimal.Decimal(number) for number in numbers]


@pytest.mark.parametrize(
    ("epsilon", "growth", "horizon"),
    [(1e-3, 1.5, 1000), (1e-12, 1.5, 1800), (0.3, 1 + 1e-9, 700), (1.0, 0.5, 80), (1e-200, 3, 900)],
)
def test_envelope_and_diffusion_keep_their_digits_up_to_the_largest_number(
    epsilon, growth, horizon
):
    e, g = exactly(epsilon, growth)
    linear = e * (g**horizon - 1) / (g - 1)
    squares = (g ** (2 * horizon) - 1) / (g * g - 1)
    got = theory.envelope(epsilon, growth, horizon)[-1]
    spread = theory.diffusion(epsilon, growth, horizon)[-1]
    assert got == pytest.approx(float(linear), rel=1e-12)
    assert spread == pytest.approx(float(e * squares.sqrt()), rel=1e-12)


def test_an_alternating_envelope_is_its_recursion_even_when_it_explodes():
    assert theory.envelope(1.0, -2.0, 4).tolist() == [0, 1, -1, 3, -5]
    assert np.abs(theory.envelope(1.0, -2.0, 2000)[-1]) == math.inf
    assert theory.diffusion(0.1, -0.9, 30) == pytest.approx(theory.diffusion(0.1, 0.9, 30))


@pytest.mark.parametrize(
    ("epsilon", "growth", "level"),
    [(1e-3, 1 - 1e-9, 1e6), (1e-12, 1.5, 1e300), (1e-12, 1 + 1e-12, 1e6), (1e-5, 0.999, 9.99e-3)],
)
def test_crossing_times_are_right_however_late(epsilon, growth, level):
    e, g, y = exactly(epsilon, growth, level)
    passed = (1 + y * (g - 1) / e).ln() / g.ln()
    assert theory.crossing_time(epsilon, growth, level) == pytest.approx(
        float(passed), rel=1e-6, abs=1
    )


def test_a_crossing_later_than_whole_numbers_reach_is_a_time_all_the_same():
    assert theory.crossing_time(1e-12, 1, 1e6) == pytest.approx(1e18)
    assert theory.crossing_time(1e-3, 1 - 1e-9, 1e6) == pytest.approx(1.738e10, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.regime(-2), "growth: expected 0 or more, got -2"),
        (lambda: theory.plateau(1, -2), "growth: expected 0 or more, got -2"),
        (lambda: theory.plateau(-1, 0.5), "epsilon: expected 0 or more, got -1"),
        (lambda: theory.plateau(1, 0.5, 0.2), "constant: expected 1 or more, got 0.2"),
        (lambda: theory.passage_time(1, 2, -1), "level: expected 0 or more, got -1"),
        (lambda: theory.small_gain(-0.5, 1), "contraction: expected 0 or more"),
        (lambda: theory.missing_mass(1000, 5, 10), "demonstrations: expected 997 or more, got 10"),
        (lambda: theory.missing_mass(1, 5, 10), "states: expected 2 or more"),
        (lambda: theory.absorbing_gap(2.5, 9), "error: expected 0 to 2, got 2.5"),
        (lambda: theory.absorbing_gap(-0.1, 9), "error: expected 0 to 2, got -0.1"),
        (lambda: theory.parity_gap(1.1, 9), "error: expected 0 to 1, got 1.1"),
        (lambda: theory.cascade(0.1, 9, recovery=-1), "recovery: expected 0 to 1"),
        (lambda: theory.recover_gap(1.5, 2, 9), "error: expected 0 to 1"),
        (lambda: theory.return_gap(0.5, 0, 9), "k: expected 1 or more, got 0"),
        (lambda: theory.trap_gap(-0.1, 9), "error: expected 0 or more"),
        (lambda: theory.chunk_threshold(0.5, 0.9), "constant: expected 1 or more, got 0.5"),
        (lambda: theory.chunk_threshold(2, -0.9), "contraction: expected 0 or more"),
        (lambda: theory.beta("linear", 1, 0), "p: expected more than 0 rounds for linear, got 0"),
        (lambda: theory.beta("sigmoid", 1, 0), "p: expected more than 0 rounds for sigmoid, got 0"),
        (lambda: theory.beta("constant", 1, 1.5), "p: expected 0 to 1, got 1.5"),
        (lambda: theory.dagger_bound(0, 0, 1, 9, [1.5, 1]), "betas: expected 0 to 1, got 1.5"),
        (lambda: theory.dagger_bound(0, 0, 1, 0, [1]), "horizon: expected 1 or more, got 0"),
        (lambda: theory.regime(0.5, horizon=0), "horizon: expected 1 or more, got 0"),
        (lambda: theory.beta("linear", -1, 2), "i: expected 0 or more, got -1"),
        (lambda: theory.teacher_share("linear", -10, 5), "i: expected 0 or more, got -10"),
        (lambda: theory.trajectory_bound(1, 1.5), "disagreement: expected 0 to 1, got 1.5"),
        (lambda: theory.recoverable_bound(-1, 0.1, 9), "recoverability: expected 0 or more"),
        (lambda: theory.quadratic_bound(-1, 10), "error: expected 0 or more, got -1"),
        (lambda: theory.naive_growth(-1, 1, -2), "lipschitz: expected 0 or more, got -1"),
        (lambda: theory.naive_growth(1, 1, -2), "policy_lipschitz: expected 0 or more, got -2"),
        (lambda: theory.diffusion(-1e-3, 1, 9), "epsilon: expected 0 or more, got -0.001"),
        (lambda: theory.trap_gap(0.1, -3), "horizon: expected 1 or more, got -3"),
        (lambda: theory.regime(math.nan), "growth: expected 0 or more, got nan"),
    ],
)  # fmt: skip
def test_what_lies_outside_a_formulas_domain_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("length", [1, 10, 1000, 10**6])
def test_chunk_threshold_is_exact_where_the_open_loop_hardly_contracts(length):
    contraction = 1 - 1 / (3 * length)
    stretch = contraction**-length
    assert theory.chunk_threshold(stretch, contraction) == length
    assert theory.chunk_threshold(stretch * 1.001, contraction) > length


@given(st.floats(1.0, 50.0), st.floats(0.05, 0.98))
def test_chunk_threshold_is_the_first_length_that_does_not_stretch(constant, contraction):
    length = theory.chunk_threshold(constant, contraction)
    assert constant * contraction**length <= 1 + 1e-9
    assert length == 1 or constant * contraction ** (length - 1) > 1 - 1e-9


def test_chunks_do_not_help_where_the_open_loop_does_not_contract():
    assert theory.chunk_threshold(2.0, 1.0) == theory.chunk_threshold(1.0, 1.1) == math.inf
    assert theory.chunk_threshold(4.0, 0.5) == 2
    assert theory.chunk_threshold(1.0, 1.0) == theory.chunk_threshold(3.0, 0.0) == 1


# Chains: loss of return in closed form, against the chain itself


def chain(matrix, horizon):
    """Chances (T+1, S) of the states of a Markov chain that begins in its first."""
    rows = [np.eye(len(matrix))[0]]
    for _ in range(horizon):
        rows.append(rows[-1] @ matrix)
    return np.array(rows)


@pytest.mark.parametrize("horizon", [1, 2, 7, 100])
@pytest.mark.parametrize(
    ("error", "recovery"), [(0.03, 0.0), (0.03, 0.2), (0.5, 0.5), (0.9, 0.8), (1.0, 0.0), (1, 1)]
)
def test_cascade_is_the_two_state_chain(error, recovery, horizon):
    matrix = np.array([[1 - error, error], [recovery, 1 - recovery]])
    expected = 1.7 * chain(matrix, horizon)[:-1, 1].sum()
    assert theory.cascade(error, horizon, 1.7, recovery) == pytest.approx(
        expected, rel=1e-10, abs=1e-14
    )


def test_cascade_keeps_its_digits_when_errors_are_rare():
    assert theory.cascade(1e-12, 100) == pytest.approx(4.95e-9, rel=1e-9)
    naive = 100 - (1 - (1 - 1e-12) ** 100) / 1e-12
    assert naive == pytest.approx(2.2e-3, rel=0.05)
    assert theory.cascade(1e-12, 100, recovery=1e-12) == pytest.approx(4.95e-9, rel=1e-9)
    assert theory.cascade(0.0, 100) == theory.cascade(0.0, 100, recovery=0.3) == 0


@given(st.floats(1e-15, 1.0), st.integers(1, 400))
def test_absorbing_gap_has_twelve_digits_at_every_rate(error, horizon):
    """Against the recursion of the chance that the first error has happened, which subtracts nothing."""
    happened, terms = 0.0, []
    for _ in range(horizon):
        happened += (1 - happened) * error
        terms.append(happened)
    assert theory.absorbing_gap(error, horizon) == pytest.approx(math.fsum(terms), rel=1e-12)


@pytest.mark.parametrize("horizon", [1, 7, 100])
@pytest.mark.parametrize("error", [1e-9, 0.01, 0.3, 0.5, 0.8, 1.0])
def test_parity_gap_is_the_two_state_chain(error, horizon):
    flips = np.array([[1 - error, error], [error, 1 - error]])
    assert theory.parity_gap(error, horizon) == pytest.approx(
        chain(flips, horizon)[1:, 1].sum(), rel=1e-10
    )


def test_parity_value_of_the_literature():
    assert theory.parity_gap(0.01, 100) == pytest.approx(28.749, abs=5e-4)
    assert theory.parity_gap(0.01, 100) == pytest.approx(
        50 - (1 - 0.98**101) / 0.04 + 0.5, rel=1e-12
    )


def test_the_trap_is_its_chain():
    error, horizon = 0.004, 25  # states: fork, path, pit
    away = np.array([[0, 1 - error * horizon, error * horizon], [0, 1, 0], [0, 0, 1]])
    lost = chain(away, horizon)[
        1:, 2
    ].sum()  # charged at the step that errs, so in the state after it
    assert theory.trap_gap(error, horizon) == pytest.approx(lost, rel=1e-12)
    with pytest.raises(ValueError, match=r"error: expected at most 1/T = 0\.04, got 0\.05"):
        theory.trap_gap(0.05, horizon)


def walk_back(error, off_error, k):
    """The chain of steps off the path."""
    matrix = np.zeros((k + 1, k + 1))
    for off in range(k + 1):
        wrong = off_error if off else error
        matrix[off, k] += wrong
        matrix[off, max(off - 1, 0)] += 1 - wrong
    return matrix


@pytest.mark.parametrize("k", [1, 2, 5, 30, 50])
@pytest.mark.parametrize("error", [1e-9, 0.02, 0.4, 1.0])
def test_recover_gap_is_the_chain_with_errors_everywhere_or_on_the_path_alone(error, k):
    for gap, off_error in ((theory.recover_gap, error), (theory.return_gap, 0.0)):
        lost = chain(walk_back(error, off_error, k), 30)[1:, 1:].sum()
        assert gap(error, k, 30) == pytest.approx(lost, rel=1e-10)


@given(st.floats(1e-9, 0.5), st.integers(1, 80), st.integers(1, 80))
def test_recovery_leads_from_the_linear_bound_to_the_absorbing_one(error, k, horizon):
    gap = theory.recover_gap(error, k, horizon)
    assert gap <= theory.recoverable_bound(min(k, horizon), error, horizon) * (1 + 1e-12)
    assert theory.return_gap(error, k, horizon) <= gap * (1 + 1e-12)
    assert theory.recover_gap(error, 1, horizon) == pytest.approx(horizon * error, rel=1e-10)
    assert theory.recover_gap(error, horizon, horizon) == theory.absorbing_gap(error, horizon)


def test_reset_cliff_gap_is_the_simulated_one():
    assert theory.reset_cliff_gap(10, 5, 200, 40) == pytest.approx(8.310, abs=5e-4)
    rng, q = np.random.default_rng(0), theory.missing_mass(10, 5, 200)
    first = rng.geometric(q, 100_000)  # the step of the first error
    lost = np.clip(41 - first, 0, None)
    assert (
        abs(lost.mean() - theory.reset_cliff_gap(10, 5, 200, 40))
        < 3 * lost.std() / len(lost) ** 0.5
    )


# Tabular identities and bounds


def tabular(seed, states=4, actions=3, horizon=9):
    """A random task: transition, reward, two policies that change over time, start."""
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.full(states, 0.5), (states, actions))
    policies = [rng.dirichlet(np.full(actions, 0.4), (horizon, states)) for _ in range(2)]
    return (
        transition,
        rng.standard_normal((states, actions)),
        *policies,
        rng.dirichlet(np.ones(states)),
        horizon,
    )


@given(st.integers(0, 10_000))
def test_the_performance_difference_lemma_is_an_equality(seed):
    gap, advantages = theory.performance_difference(*tabular(seed))
    assert gap == pytest.approx(advantages, abs=1e-12)
    assert abs(gap) > 1e-6


def test_values_and_visits_are_those_of_every_path():
    """Three steps, two states, two actions: all paths, one by one."""
    transition, reward, policy, _, start, _ = tabular(3, states=2, actions=2, horizon=3)
    total, seen = 0.0, np.zeros((3, 2))
    for s0, a0, s1, a1, s2, a2 in itertools.product(range(2), repeat=6):
        chance = start[s0] * policy[0, s0, a0] * transition[s0, a0, s1] * policy[1, s1, a1]
        chance *= transition[s1, a1, s2] * policy[2, s2, a2]
        total += chance * (reward[s0, a0] + reward[s1, a1] + reward[s2, a2])
        seen[range(3), (s0, s1, s2)] += chance
    _, v = theory.state_action_values(transition, reward, policy, 3)
    assert start @ v[0] == pytest.approx(total, abs=1e-12)
    np.testing.assert_allclose(theory.visits(transition, policy, start, 3), seen, atol=1e-12)


def recover_table(k):
    """The chain of `recover` as a table: actions right and wrong, 1 for a step that ends on the path."""
    transition = np.zeros((k + 1, 2, k + 1))
    transition[range(k + 1), 0, [max(off - 1, 0) for off in range(k + 1)]] = 1
    transition[:, 1, k] = 1
    return transition, transition[:, :, 0]


@pytest.mark.parametrize("k", [1, 4, 12, 20])
def test_an_error_on_the_way_back_costs_k_steps_or_what_is_left(k):
    right = np.tile([1.0, 0.0], (k + 1, 1))
    assert theory.recoverability(*recover_table(k), right, 12) == pytest.approx(
        min(k, 12), abs=1e-12
    )


@given(st.integers(0, 10_000))
def test_the_three_bounds_hold_in_random_tasks(seed):
    """Costs of 0 to 1, an expert that is optimal, a learner that errs now and then."""
    transition, cost, errs, _, start, horizon = tabular(seed)
    reward = -np.abs(np.tanh(cost))
    best = np.zeros_like(errs)
    v = np.zeros(len(start))
    for t in reversed(range(horizon)):
        q = reward + transition @ v
        best[t], v = np.eye(q.shape[1])[q.argmax(1)], q.max(1)
    learner = 0.9 * best + 0.1 * errs
    gap = -theory.performance_difference(transition, reward, learner, best, start, horizon)[0]
    wrong = 1 - (learner * best).sum(-1)
    on, off = (
        (theory.visits(transition, p, start, horizon) * wrong).sum() / horizon
        for p in (learner, best)
    )
    u = theory.recoverability(transition, reward, best, horizon)
    assert -1e-12 <= gap <= theory.quadratic_bound(off, horizon) + 1e-12
    assert gap <= theory.recoverable_bound(u, on, horizon) + 1e-12
    disagree = 1 - kept(transition, learner, best, start)
    assert gap <= theory.trajectory_bound(horizon, disagree) + 1e-12
    assert gap >= 1e-9


def kept(transition, learner, expert, start):
    """The chance that the learner does what the expert does all along the expert's path."""
    alive = start
    for own, other in zip(learner, expert, strict=True):
        alive = np.einsum("s,sa,sax->x", alive, own * (other > 0), transition)
    return alive.sum()


def test_daggers_bound_term_by_term():
    terms = theory.dagger_bound(0.1, 0.02, 3.0, 10, [1.0, 0.5, 0.25, 0.1, 0.01, 0.0])
    assert terms["early rounds"] == pytest.approx(2 * 3 / 6 * 3)
    assert terms["later rounds"] == pytest.approx(2 * 3 / 6 * 10 * 0.11)
    assert terms["total"] == pytest.approx(0.12 + 3 + 1.1)
    with pytest.raises(ValueError, match="betas: expected one a round, none above the one before"):
        theory.dagger_bound(0.1, 0.0, 1.0, 10, [0.5, 1.0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(1, 50))
def test_daggers_schedule_costs_the_smaller_of_two_bounds_in_each_round(betas, horizon):
    terms = theory.dagger_bound(0.0, 0.0, 1.0, horizon, sorted(betas, reverse=True))
    expected = 2 / len(betas) * sum(min(1, horizon * b) for b in betas)
    assert terms["total"] == pytest.approx(expected, rel=1e-12)


@given(st.integers(0, 10_000))
def test_daggers_bound_holds_where_every_term_is_enumerated(seed):
    """Iterates drawn at random, mixtures driven in a random task, 0-1 losses; hindsight over the iterates."""
    transition, _, expert, _, start, horizon = tabular(seed, horizon=6)
    rng = np.random.default_rng(seed)
    iterates = rng.dirichlet(np.full(3, 0.4), (5, *expert.shape[:2]))
    betas = [theory.beta("exponential", i, 0.3) for i in range(5)]
    # The expert acts by chance: a policy's loss in a state is its chance to answer otherwise than the expert's label.
    losses = 1 - (iterates * expert).sum(-1)
    mixed = [
        theory.visits(transition, b * expert + (1 - b) * p, start, horizon)
        for b, p in zip(betas, iterates, strict=True)
    ]
    own = [theory.visits(transition, p, start, horizon) for p in iterates]
    of = np.array(
        [[(d * loss).sum() / horizon for d in mixed] for loss in losses]
    )  # iterate, round
    error, played = of.mean(1).min(), np.diag(of).mean()
    reached = min((d * loss).sum() / horizon for d, loss in zip(own, losses, strict=True))
    for d, m, b in zip(own, mixed, betas, strict=True):
        assert np.abs(d - m).sum(1).mean() <= min(2, 2 * horizon * b) + 1e-12
    assert (
        reached <= theory.dagger_bound(error, played - error, 1.0, horizon, betas)["total"] + 1e-12
    )


def test_a_chunk_of_a_loop_that_stretches_without_end_is_endless():
    assert theory.chunk_threshold(math.inf, 0.5) == math.inf
