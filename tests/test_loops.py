"""Loops: what is foretold of a deviation's growth, on plants whose loops are known."""

import dataclasses

import numpy as np
import pytest
import torch

import il_bench as il
from il_bench.core.rollout import action_size, by_expert, rollout
from il_bench.core.streams import Streams
from il_bench.measures import loops, probes
from il_bench.measures.quantities import Assessment, Reference

EXCESS = "largest D / limit by the small gain"
LYAPUNOV = "growth a step, Lyapunov, learner's path"
KICK = "kick forgotten after, learner"


class Skewed(il.Expert):
    """A copy of an expert of `shift` that forgets less of the last place, and errs by a constant."""

    def __init__(self, env, slope, error):
        self.env, self.slope, self.error = env, slope, error

    def act(self, state):
        right = il.expert(self.env).act(state)
        return right + self.slope * state[..., -2:-1] + self.error


class Still(il.Expert):
    """Whoever does the same everywhere.

    Args:
        env: for its actions.
        action: of each motor.
    """

    def __init__(self, env, action):
        self.size = action_size(env)
        self.action = action

    def act(self, state):
        shape = (*state.shape[:2], self.size)
        return torch.full(shape, self.action, dtype=torch.float64)


def assessment(env, who):
    expert = il.expert(env)
    record = il.compare(env, expert, episodes=3, who=who)
    return Assessment(Reference(record, env, expert), 1, who)


def values(env, who):
    return il.assess(env, il.expert(env), who, episodes=3).rows[0]["values"]


def own_path(env, who, episodes=2):
    return rollout(env, by_expert(env, who), Streams(env.seeds), episodes)


def test_a_slope_that_makes_the_register_grow_is_not_foretold_to_shrink():
    """With slope k left the loop's eigenvalues are the 16th roots of L^15 k: 1.1, where rho + L_a Lip(error) is .30."""
    from il_bench.envs.shift import GAIN

    env = il.make("shift", size=16, horizon=48)
    slope = 1.1**16 / 1.2**15
    expert = il.expert(env)
    own = loops.lyapunov(env, expert, own_path(env, expert), Streams(env.seeds))
    assert own.item() == 0
    assert slope < 0.31
    a = assessment(env, Skewed(env, slope / GAIN, 1e-9))
    assert a.small_gain[0] >= 1.1
    assert 0 < a.excess <= 1


def test_a_loop_that_forgets_slowly_keeps_its_own_rate():
    env = il.make("linear", alpha=0.9, horizon=20)
    expert = il.expert(env)
    loop = loops.contraction(env, expert, own_path(env, expert), Streams(env.seeds))
    growth, constant = loop.small_gain(np.array([0.05]))
    assert growth.tolist() == pytest.approx([0.95], rel=1e-6)
    assert constant.tolist() == pytest.approx([1], rel=1e-6)
    assert loop.longest[0] == pytest.approx(0.9 ** np.arange(21), rel=1e-6)


def test_a_steps_stretches_are_those_of_the_powers_of_the_loop():
    """System 1 of the pair shrinks by half in the long run, and its powers are known."""
    env = il.make("pair", system=1, horizon=12)
    expert = il.expert(env)
    loop = loops.contraction(env, expert, own_path(env, expert), Streams(env.seeds))
    matrix = env.matrices()[0] * [[0], [1]]
    powers = [np.linalg.norm(np.linalg.matrix_power(matrix, k), 2) for k in range(13)]
    assert loop.longest[0] == pytest.approx(powers, abs=1e-7)


@pytest.mark.parametrize("seed", range(8))
def test_the_small_gain_bounds_every_power_of_a_loop_with_an_error(seed):
    """Loops that stretch first and forget later: no error of this slope makes them grow faster than C growth^k."""
    rng = np.random.default_rng(seed)
    loop = np.triu(rng.normal(size=(4, 4)), 1) + np.diag(rng.uniform(-0.9, 0.9, 4))
    powers = [np.linalg.norm(np.linalg.matrix_power(loop, k), 2) for k in range(41)]
    slope = 10 ** rng.uniform(-4, 0)
    growth, constant = loops.Contraction(np.array([powers])).small_gain(np.array([slope]))
    for _ in range(20):
        error = rng.normal(size=(4, 4))
        both = loop + slope * error / np.linalg.norm(error, 2)
        assert np.abs(np.linalg.eigvals(both)).max() <= growth[0] * (1 + 1e-9)
        for k in (1, 3, 10, 100):
            stretch = np.linalg.norm(np.linalg.matrix_power(both, k), 2)
            assert stretch <= constant[0] * growth[0] ** k * (1 + 1e-9)


def test_rollouts_that_ended_say_nothing_of_longer_stretches():
    env = il.make("linear", horizon=20)
    expert = il.expert(env)
    path = own_path(env, expert)
    short = dataclasses.replace(path, length=torch.full_like(path.length, 5))
    loop = loops.contraction(env, expert, short, Streams(env.seeds))
    assert not np.isnan(loop.longest[0, :6]).any()
    assert np.isnan(loop.longest[0, 6:]).all()


def test_a_limit_that_the_drift_exceeds_is_said_to_be_refuted():
    """A copy that is right on the expert's path and off it does not hold: nothing measured on that path foretells it."""

    env = il.make("tube", horizon=20)
    bias = 0.2 * 0.64 / env.gain

    class Trusting(il.Expert):
        """A little off up to where no demonstration comes; beyond it pushes the wrong way."""

        def act(self, state):
            right = il.expert(env).act(state)
            lost = state[..., :1].abs() > 0.15
            return torch.where(lost, torch.ones_like(right), right + bias)

    table = il.assess(env, il.expert(env), Trusting(), episodes=3)
    assert table.rows[0]["values"][EXCESS].value > 1
    assert "its drift refutes that, it reached" in table.summary["bounds"]


STUCK = {"tube": 1.0, "quad": -1.0}


@pytest.mark.parametrize("name", STUCK)
def test_whoever_is_clipped_or_crashed_forgets_no_kick(name):
    env = il.make(name, horizon=60)
    who = Still(env, STUCK[name])
    calm = own_path(env, who)
    with pytest.raises(probes.Unanswerable, match="clipped, absorbed or over"):
        probes.kick(env, who, Streams(env.seeds), calm, 1e-3, 45).median()


def test_whoever_is_stuck_at_a_clip_has_no_growth():
    env = il.make("tube", horizon=30)
    who = Still(env, 1.0)
    with pytest.raises(probes.Unanswerable, match="clipped, absorbed or over"):
        loops.lyapunov(env, who, own_path(env, who), Streams(env.seeds))
    table = il.assess(env, il.expert(env), who, episodes=2)
    for quantity in (LYAPUNOV, KICK):
        assert "clipped, absorbed or over" in table.rows[0]["values"][quantity]


def test_where_most_runs_are_stuck_the_row_says_in_how_many_and_why():
    env = il.make("tube", horizon=30, seeds=3)

    class Partly(il.Expert):
        """Stuck at the clip in two of three runs, its expert's equal in the third."""

        def act(self, state):
            action = il.expert(env).act(state)
            action[:2] = 1.0
            return action

    row = values(env, Partly())
    for quantity in (LYAPUNOV, KICK):
        assert row[quantity].startswith("n/a: in 2 of 3 runs")
        assert "clipped, absorbed or over" in row[quantity]


def test_a_run_that_is_free_at_most_steps_counts_those_alone():
    """On its way to the clip the open loop grows by L, at the clip by nothing: L is what is measured."""
    env = il.make("tube", horizon=10, lipschitz=1.2)
    who = Still(env, 0.0)
    path = own_path(env, who)
    at_the_clip = path.state[0, 0, :, 0].abs() == 10
    assert 0 < at_the_clip.sum() < 5
    growth = loops.lyapunov(env, who, path, Streams(env.seeds))
    assert growth.tolist() == pytest.approx([1.2], rel=1e-6)


def test_a_loop_that_forgets_at_once_has_growth_zero_and_a_kick_of_one_step():
    env = il.make("circle", horizon=20)
    expert = il.expert(env)
    path = own_path(env, expert)
    streams = Streams(env.seeds)
    assert loops.lyapunov(env, expert, path, streams).tolist() == [0]
    assert probes.kick(env, expert, streams, path, 1e-3, 5).median().tolist() == [1]


def test_where_states_are_whole_no_kick_is_small():
    env = il.make("recover", horizon=12)
    expert = il.expert(env)
    with pytest.raises(probes.Unanswerable, match="a little apart"):
        probes.kick(env, expert, Streams(env.seeds), own_path(env, expert), 1e-3, 5)


def test_steps_that_nobody_lived_have_no_slopes():
    """A path whose later states are far out: only those that were lived are asked about."""
    env = il.make("lane", horizon=60)
    expert = il.expert(env)
    path = own_path(env, expert)
    state = path.state.clone()
    state[:, :, 20:, 1] = 1.5
    wild = dataclasses.replace(path, state=state, length=torch.full_like(path.length, 20))
    calm = loops.sensitivity(env, lambda s: s[..., 1:2] ** 3, wild)
    assert calm.item() < 0.1
    assert (
        loops.sensitivity(
            env, lambda s: s[..., 1:2] ** 3, dataclasses.replace(wild, length=path.length)
        ).item()
        > 6
    )
