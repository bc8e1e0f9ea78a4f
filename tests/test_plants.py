"""The plants on which stability does not protect a copy: the challenging pair, its scalar analogue, p-power plants."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import SMALL
from il_bench.envs import power
from torch.autograd.functional import jacobian

import il_bench as il
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.streams import Streams

BOTH = (1.0, 2.0)
PINNED = -0.3939905344211037  # the first weight of h: another key or generator is another task


class Law(il.Expert):
    """Whoever acts by a function of states."""

    def __init__(self, act):
        self._act = act

    def act(self, state):
        return self._act(state)


def idle(env):
    return Law(
        lambda state: torch.zeros(*state.shape[:2], env.action_space.shape[0], dtype=torch.float64)
    )


def loops(env, expert):
    """The Jacobian of a step at the origin in the coordinates of the dial, one (D, D) for each run."""
    origin = torch.zeros(env.runs, 1, len(env.states), dtype=torch.float64)
    noise = torch.zeros(env.runs, 1, env.noise_size, dtype=torch.float64)
    size = env.difference(origin, origin).shape[-1]
    found = jacobian(lambda state: env.transition(state, expert.act(state), noise), origin)
    return [found[run, 0, :size, run, 0, :size].numpy() for run in range(env.runs)]


def radius(matrix):
    return np.abs(np.linalg.eigvals(matrix)).max()


def growth(env, expert, law):
    """Fitted growth a step of each run while deviations are small."""
    env = dataclasses.replace(env, horizon=8)
    return np.array(
        [fit.alpha for fit in il.compare(env, expert, episodes=8, copy=Law(law)).growth(1)]
    )


def test_the_pair_has_its_published_radii_in_both_systems():
    env = il.make("pair", system=BOTH, mu=(0.05, 0.25, 0.5))
    for open_loop, closed, mu in zip(
        loops(env, idle(env)), loops(env, il.expert(env)), env.values("mu"), strict=True
    ):
        # A double eigenvalue moves by the root of the rounding error.
        assert radius(open_loop) == pytest.approx(1 - mu / 2, abs=1e-7)
        assert radius(closed) == pytest.approx(1 - 2 * mu, abs=1e-12)
    default = il.make("pair", system=BOTH)
    assert default.certificate().radius == (0.875, 0.875)
    assert default.certificate().loop_radius == (0.5, 0.5)
    assert [radius(loop) for loop in loops(default, il.expert(default))] == pytest.approx(
        [0.5, 0.5]
    )


@pytest.mark.parametrize("name", ["pair", "sign"])
def test_certificates_are_the_norms_of_both_loops(name):
    env = il.make(name, system=BOTH)
    certificate, expert = env.certificate(), il.expert(env)
    assert certificate.value == pytest.approx(
        [np.linalg.norm(j, 2) for j in loops(env, idle(env))], rel=1e-12
    )
    assert certificate.closed_loop == pytest.approx(
        [np.linalg.norm(j, 2) for j in loops(env, expert)], abs=1e-12
    )
    assert certificate.radius == pytest.approx([radius(j) for j in loops(env, idle(env))], abs=1e-7)


@pytest.mark.parametrize("name", ["pair", "sign"])
def test_no_demonstration_tells_the_systems_apart_bit_for_bit(name):
    env = il.make(name, system=BOTH, seeds=2)
    expert = il.expert(env)
    seen = rollout(env, by_expert(env, expert), Streams(env.seeds), 200)
    assert (seen.state[..., 0] == 0).all()
    assert (seen.state[:, :, 0, -1].abs() > 0).all()
    assert (seen.state[:, :, 1:, -1] == 0).all()  # the context is seen once
    assert seen.action[:, :, 0, 0].abs().min() > 0
    assert torch.equal(seen.state[:2], seen.state[2:])
    assert torch.equal(seen.action[:2], seen.action[2:])
    policy = il.BC(episodes=2, training=SMALL).learn(env, expert)
    assert all(torch.equal(layer[:2], layer[2:]) for layer in policy.layers)
    assert not any(torch.equal(layer[0], layer[1]) for layer in policy.layers)


@pytest.mark.parametrize("name", ["pair", "sign"])
def test_noise_spreads_the_demonstrations_and_tells_the_systems_apart(name):
    env = il.make(name, system=BOTH, noise=0.01)
    seen = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds), 8)
    assert seen.state[:, :, 1:, 0].std() == pytest.approx(0.01, rel=0.1)
    assert not torch.equal(seen.action[0], seen.action[1])


@pytest.mark.parametrize(
    ("name", "dials"), [("pair", {"mu": (0.01, 0.5)}), ("sign", {"rho": (0.1, 0.99)})]
)
def test_the_experts_cancel_everywhere_within_the_clip(name, dials):
    env = il.make(name, system=BOTH, **dials)
    corners = torch.cartesian_prod(
        *[torch.tensor([-1.0, 1])] * len(env.states)
    ).double() * torch.from_numpy(env.observation_space.high)
    state = corners.expand(env.runs, -1, -1)
    noise = torch.zeros(env.runs, len(corners), env.noise_size, dtype=torch.float64)
    assert (env.transition(state, il.expert(env).act(state), noise)[..., 0] == 0).all()


def test_a_copy_blind_to_x1_grows_by_one_plus_mu_in_system_1_alone():
    env = il.make("pair", system=BOTH, mu=(0.1, 0.25))
    expert = il.expert(env)
    found = growth(env, expert, lambda s: expert.act(s * torch.tensor([0.0, 1, 1])) + 1e-5)
    assert found == pytest.approx([1.1, 1.25, 0.95, 0.875], rel=1e-6)


def test_the_other_systems_expert_is_no_expert_here():
    env = il.make("pair", system=BOTH)
    other = il.expert(dataclasses.replace(env, system=(2.0, 1.0)))
    assert growth(env, il.expert(env), lambda s: other.act(s) + 1e-5) == pytest.approx(
        [2.125, 2.125], rel=1e-6
    )


def test_no_slope_is_right_in_both_systems_of_the_pair():
    for mu in (0.05, 0.25, 0.5):
        env = il.make("pair", system=BOTH, mu=mu)
        for k in np.linspace(-2.511, 2.512, 100):
            stable = [
                radius(a * [[0, 0], [1, 1]] + np.diag([a[0, 0] + k, 0])) < 1 for a in env.matrices()
            ]
            assert sum(stable) < 2
            assert stable == [bool(-2 - mu < k < -mu), bool(-mu / 2 < k < 2 - mu / 2)]


@pytest.mark.parametrize("k", [0.0, 0.03, 0.2, -0.9])
def test_a_slope_leaves_rho_plus_its_size_in_one_of_the_two_signs(k):
    env = il.make("sign", system=BOTH, rho=0.9)
    expert = il.expert(env)

    def copy(state):
        return expert.act(state * torch.tensor([0.0, 1])) + (k * state[..., :1] + 1e-4) / 16

    found = growth(env, expert, copy)
    assert found == pytest.approx([abs(0.9 + k), abs(-0.9 + k)], abs=1e-6)
    assert found.max() == pytest.approx(0.9 + abs(k), abs=1e-6)


def test_the_experts_of_the_two_signs_are_each_others_opposite():
    env = il.make("sign", system=BOTH, rho=0.9)
    other = il.expert(dataclasses.replace(env, system=(2.0, 1.0)))
    state = torch.tensor([[[2.0, 0.0]], [[2.0, 0.0]]], dtype=torch.float64)
    assert torch.equal(other.act(state), -il.expert(env).act(state))
    assert growth(env, il.expert(env), lambda s: other.act(s) + 1e-5) == pytest.approx(
        [1.8, 1.8], rel=1e-6
    )


def test_a_constant_error_moves_the_power_plant_to_its_root():
    """Coordinate by coordinate: an error d in one moves that one to d^(1/(p+1)), and the same in ten moves all ten."""
    ps = (1.0, 2.0, 3.0, 4.0, 5.0)
    env = il.make("power", p=ps, horizon=600)
    expert = il.expert(env)
    errors = torch.zeros(5, 2, 10, dtype=torch.float64)
    errors[:, 0, 0], errors[:, 1] = -0.3, 0.1
    at_rest, noise = torch.zeros_like(errors), torch.zeros(5, 2, 1, dtype=torch.float64)
    state = at_rest
    for _ in range(env.horizon):
        state = env.transition(state, expert.act(state) + errors / power.GAIN, noise)
    for run, p in enumerate(ps):
        assert state[run, 0].tolist() == pytest.approx(
            [-(0.3 ** (1 / (p + 1))), *[0] * 9], rel=1e-7, abs=1e-9
        )
        assert state[run, 1].tolist() == pytest.approx([0.1 ** (1 / (p + 1))] * 10, rel=1e-7)
    assert torch.equal(env.transition(at_rest, expert.act(at_rest), noise), at_rest)


def test_the_power_experts_loop_contracts_everywhere_but_at_the_origin():
    env = il.make("power", p=(1.0, 3.0, 8.0))
    expert, noise = il.expert(env), torch.zeros(3, 400, 1, dtype=torch.float64)
    one = Streams((0,) * 3).uniform("states", 400, 10) * 6 - 3
    two = one + 1e-4 * Streams((1,) * 3).normal("steps", 400, 10)
    after = [env.transition(state, expert.act(state), noise) for state in (one, two)]
    ratio = (after[1] - after[0]) / (two - one)
    assert ratio.min() > 0  # each coordinate keeps its order
    assert ratio.max() < 1 + 1e-10  # the steps are 1e-4 long
    assert ratio[one.abs() > 0.5].max() < 0.9999
    assert [np.linalg.norm(loop - np.eye(10)) for loop in loops(env, expert)] == pytest.approx(
        [0, 0, 0], abs=1e-12
    )
    assert env.certificate().closed_loop == (1.0,) * 3


def test_the_pull_is_the_same_for_every_run_odd_and_smaller_than_one():
    env = il.make("power", p=(1.0, 5.0), seeds=(0, 7))
    state = (Streams((0,)).uniform("states", 50, 10) * 6 - 3).expand(4, -1, -1)
    pull = env.pull(state)
    assert (pull == pull[:1]).all()
    assert torch.equal(env.pull(-state), -pull)
    assert 0.5 < pull.abs().max() < 1
    assert env[0].pull(state[:1].numpy()) == pytest.approx(pull[:1].numpy(), abs=1e-14)
    assert [w.shape for w in power.WEIGHTS] == [(10, 32), (32, 32), (32, 10)]
    assert power.WEIGHTS[0][0, 0] == pytest.approx(PINNED, rel=1e-12)


@pytest.mark.parametrize(("p", "eta"), [(1.0, 0.66), (2.0, 0.57), (5.0, 0.39)])
def test_nothing_leaves_the_reach_of_the_power_plant(p, eta):
    env = il.make("power", p=p, eta=eta)
    corners = Streams((0,)).uniform("corners", 2000, 20).round() * 2 - 1
    state = torch.cat(
        (
            corners[..., :10] * power.REACH,
            torch.linspace(-3, 3, 2000)[None, :, None].expand(-1, -1, 10),
        ),
        1,
    )
    action = corners[..., 10:].repeat(1, 2, 1)
    after = env.transition(state, action, torch.zeros(1, 4000, 1, dtype=torch.float64))
    assert after.abs().max() <= power.REACH


def test_the_power_plants_bound_is_made_of_bounds():
    r = np.linspace(0, 3, 300_001)
    for p in (1.0, 2.0, 3.5, 5.0):
        assert np.abs(np.diff(1 / (1 + r**p)) / np.diff(r)).max() == pytest.approx(
            power.steepest(p), rel=1e-4
        )
    env = il.make("power")
    states = torch.cat((torch.zeros(1, 1, 10).double(), Streams((0,)).normal("states", 20, 10)), 1)
    slopes = [
        jacobian(lambda s: env.pull(s)[0, 0], state[None, None])[:, 0, 0].numpy()
        for state in states[0]
    ]
    norms = [np.linalg.norm(slope, 2) for slope in slopes]
    product = np.prod([np.linalg.norm(w, 2) for w in power.WEIGHTS])
    assert max(norms) < power.lipschitz_of_pull() < product
    assert norms[0] == pytest.approx(
        np.linalg.norm(power.WEIGHTS[0] @ power.WEIGHTS[1] @ power.WEIGHTS[2], 2)
    )
    assert env.certificate().radius == pytest.approx([radius(loops(env, idle(env))[0])])
    assert env.certificate().radius[0] > 1


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("pair", {"mu": 0.0}, "mu: expected above 0 and at most 0.5, got 0"),
        ("pair", {"mu": (0.25, 0.6)}, "mu: expected above 0 and at most 0.5"),
        ("pair", {"system": 3.0}, "system: expected 1 or 2, got 3"),
        ("pair", {"noise": -0.1}, "noise: expected sigma >= 0"),
        ("sign", {"rho": 1.0}, "rho: expected above 0 and below 1, got 1"),
        ("sign", {"system": 1.5}, "system: expected 1 or 2, got 1.5"),
        ("sign", {"noise": -0.1}, "noise: expected sigma >= 0"),
        ("power", {"p": 0.5}, "p: expected at least 1, got 0.5"),
        ("power", {"p": 9.0}, r"eta: expected above 0 and below 4/\(5\+p\) = 0.286, got 0.3"),
    ],
)
def test_settings_that_no_plant_can_have_are_sentences(name, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        il.make(name, **settings)
