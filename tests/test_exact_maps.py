"""Shift, cliff, circle and modular: their constants are exact, and so is what their experts do."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from conftest import SMALL, tiny

import il_bench as il
from il_bench.core.env import Env
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.streams import Streams
from il_bench.measures import lipschitz

DIALS = {
    "shift": (0.7, 1.0, 1.25, 2.5),
    "cliff": (0.7, 1.0, 1.05, 1.4, 2.5),
    "circle": (1.0, 2.0, 3.0, 8.0),
    "modular": (1.0, 2.0, 3.0, 30.0),
}


def states(*rows):
    return torch.tensor(rows, dtype=torch.float64)[None]


def walk(env, state, steps, expert=None):
    """States (R, E, T+1, X) under an expert, or under no action, without noise and without anything being frozen."""
    path, noise = [state], torch.zeros(*state.shape[:2], env.noise_size, dtype=torch.float64)
    for _ in range(steps):
        action = torch.zeros_like(state[..., :1]) if expert is None else expert.act(path[-1])
        path.append(env.transition(path[-1], action, noise))
    return torch.stack(path, 2)


@dataclass(frozen=True)
class Idle(il.Expert):
    """Never acts."""

    env: Env

    def act(self, state):
        return torch.zeros_like(state[..., :1])


@pytest.mark.parametrize("name", DIALS)
def test_the_dial_is_exact_from_both_sides_at_every_setting(name):
    env = il.make(name, lipschitz=DIALS[name], horizon=40)
    lipschitz.assert_lipschitz(env, pairs=20_000)
    one, two = env.certificate().pair
    after = [walk(env, s, 1)[:, :, -1] for s in (one, two)]
    stretch = env.distance(*after) / env.distance(one, two)
    assert stretch[:, 0].tolist() == pytest.approx(DIALS[name], rel=1e-12)
    found = torch.maximum(lipschitz.steepest(env), lipschitz.largest_stretch(env, 20_000))
    assert (found > 0.98 * torch.tensor(DIALS[name])).all()


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("shift", {"lipschitz": 0.0}, "lipschitz: expected L > 0, got 0"),
        ("shift", {"size": 17}, "size: expected 2 to 16 places, got 17; try 4"),
        ("shift", {"pull": -1.0}, "pull: expected at least 0, got -1"),
        ("cliff", {"lipschitz": -1.0}, "lipschitz: expected L > 0, got -1"),
        ("cliff", {"pull": 1.0}, "pull: expected at least 0 and below 1, the push, got 1"),
        (
            "circle",
            {"lipschitz": 1.5},
            "circle needs a whole number of at least 1, got 1.5; a fraction tears",
        ),
        (
            "circle",
            {"lipschitz": (2.0, 0.0)},
            r"circle needs a whole number of at least 1, got \(2.0, 0.0\)",
        ),
        ("modular", {"lipschitz": 2.5}, "modular needs a whole number from 1 to M/2 = 30, got 2.5"),
        (
            "modular",
            {"lipschitz": 6.0, "size": 11},
            "modular needs a whole number from 1 to M/2 = 5, got 6.0; try 2, or",
        ),
        ("modular", {"size": 1}, "size: expected at least 2 places, got 1"),
        *((name, {"noise": -0.1}, "noise: expected sigma >= 0, got -0.1") for name in DIALS),
    ],
)
def test_settings_that_no_exact_map_can_have_are_sentences(name, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        il.make(name, **settings)


@pytest.mark.parametrize("size", [2, 5, 16])
@pytest.mark.parametrize("lipschitz", [0.5, 1.0, 1.125])
def test_the_register_forgets_a_kick_in_exactly_n_steps_after_it_grew_to_its_power(size, lipschitz):
    env = il.make("shift", size=size, lipschitz=lipschitz, pull=0.0)
    kick = torch.eye(size + 1, dtype=torch.float64)[None, :1] * 2**-4
    length = walk(env, kick, size + 3, il.expert(env))[..., :-1].norm(dim=-1)[0, 0]
    # 9/8 has four binary digits, so that all these products are numbers of 53 digits: equality, not approximation.
    assert length[:size].tolist() == [2**-4 * lipschitz**k for k in range(size)]
    assert length[size:].tolist() == [0.0] * 4


def test_no_bit_of_any_state_of_the_register_is_left():
    """Whatever the numbers, the action takes away what comes back to the last bit: its unit is a power of two."""
    env = il.make("shift", size=3, lipschitz=1.3, pull=0.0)
    start = torch.rand(1, 100, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert (walk(env, start, 3, il.expert(env))[0, :, -1, :-1] == 0).all()


def test_a_kick_anywhere_in_the_register_is_forgotten_under_the_pull_too():
    env = il.make("shift", size=6, lipschitz=1.3)
    start = states([0.1, -0.2, 0.3, 0.05, -0.1, 0.2, 1.0], [0, 0, 0, 0, 0, 0, 1.0])
    kicked, calm = walk(env, start, 8, il.expert(env)).unbind(1)
    apart = env.distance(kicked, calm)[0]
    assert apart[6:].max() < 1e-14
    assert apart[5] == pytest.approx(
        0.1 * 1.3**5, rel=1e-12
    )  # what began in the first place is the last to go


def test_the_closed_register_is_nilpotent_and_its_certificate_says_so():
    env = il.make("shift", size=4, lipschitz=1.2)
    loop = np.zeros((4, 4))
    basis = torch.cat((torch.eye(4, dtype=torch.float64), torch.zeros(4, 1)), -1)[None]
    rest = walk(env, torch.zeros(1, 1, 5, dtype=torch.float64), 1, il.expert(env))[0, 0, 1, :-1]
    loop = (walk(env, basis, 1, il.expert(env))[0, :, 1, :-1] - rest).T.numpy()
    assert np.linalg.norm(loop, 2) == pytest.approx(env.certificate().closed_loop[0], rel=1e-12)
    assert np.abs(np.linalg.matrix_power(loop, 4)).max() < 1e-14
    assert np.linalg.norm(np.linalg.matrix_power(loop, 3), 2) == pytest.approx(1.2**3, rel=1e-12)


def corners_of_the_register(size):
    """Every place at the clip, either way, at several phases."""
    signs = torch.cartesian_prod(*[torch.tensor([-10.0, 10.0], dtype=torch.float64)] * size)
    phases = torch.linspace(0, 6, 8, dtype=torch.float64)
    rows = [torch.cat((signs, phase.expand(len(signs), 1)), -1) for phase in phases]
    return torch.cat(rows)[None]


def test_up_to_where_the_push_suffices_the_register_forgets_the_farthest_state():
    """10 L + 1.5 pull <= 32 is L <= 3.05 at the default pull; there the register's reach is the clip."""
    env = il.make("shift", size=4, lipschitz=3.05)
    assert env.reach == (10.0,)
    after = walk(env, corners_of_the_register(4), 4, il.expert(env))[0, :, -1, :-1]
    assert after.abs().max() < 1e-12


def test_beyond_it_what_comes_back_too_large_is_never_forgotten_and_a_small_kick_is():
    env = il.make("shift", size=4, lipschitz=3.5)
    (reach,) = env.reach
    assert reach == pytest.approx(30.5 / 3.5)
    lost = walk(env, corners_of_the_register(4), 40, il.expert(env))[0, :, -1, :-1]
    assert (lost.abs().amax(-1) == 10).all()
    largest = 0.999 * reach / 3.5**3
    kick = states([largest, 0, 0, 0, 1.0])
    assert walk(env, kick, 4, il.expert(env))[0, 0, -1, :-1].abs().max() < 1e-12
    assert "as long as its push suffices" in env.certificate().note


def test_left_alone_the_register_turns_every_state_and_stretches_it():
    env = il.make("shift", size=5, lipschitz=1.25, pull=0.0)
    start = states([1.0, -0.5, 0.25, 0.125, 2.0, 0.0])
    after = walk(env, start, 5)[0, 0, -1]
    assert after[:-1].tolist() == [1.25**5 * s for s in start[0, 0, :-1].tolist()]


@pytest.mark.parametrize("lipschitz", [1.05, 1.2, 2.0, 3.0])
@pytest.mark.parametrize("pull", [0.0, 0.3, 0.9])
def test_the_cliff_has_its_edge_exactly_where_the_formula_says(lipschitz, pull):
    env = il.make("cliff", lipschitz=lipschitz, pull=pull)
    phase = torch.linspace(-3, 3, 13, dtype=torch.float64).repeat(2)
    side = torch.tensor([-1.0, 1.0], dtype=torch.float64).repeat_interleave(13)
    reach, steps = 1 / (lipschitz - 1), math.ceil(math.log(1e8) / math.log(lipschitz)) + 60
    middle = env.centre(torch.stack((phase * 0, phase), -1)[None])[0]
    for factor, comes_back in ((1 - 1e-6, True), (1 + 1e-6, False)):
        start = torch.stack((middle + side * reach * factor, phase), -1)[None]
        assert (env.terminal(start) == (not comes_back)).all()
        path = walk(env, start, steps, il.expert(env))
        assert (
            (path[0, :, -1, 0].abs().max() < 1e-12)
            if comes_back
            else (path[0, :, -1, 0].abs().min() > reach)
        )
        # The expert never makes matters worse: the recoverable stays so, the lost stays lost.
        assert (env.terminal(path.flatten(1, 2)) == (not comes_back)).all()


def test_without_pull_the_edge_is_the_reciprocal_of_the_dial_less_one():
    env = il.make("cliff", lipschitz=(1.0, 1.2, 1.5), pull=0.0)
    assert env.reach == pytest.approx((math.inf, 5.0, 2.0))
    where = torch.tensor([1.99, 2.01, 4.99, 5.01, 1e6], dtype=torch.float64)
    over = env.terminal(torch.stack((where, where * 0), -1).expand(3, -1, -1))
    assert over.int().sum(1).tolist() == [0, 2, 4]


def test_beyond_the_edge_the_distance_from_it_grows_by_the_dial_whatever_the_pull():
    """With c(z) as the origin the pull is gone: (s - c)' = L (s - c) + a."""
    env = il.make("cliff", lipschitz=1.3, pull=0.4, noise=0.0)
    path = walk(env, states([0.5, 0.7], [-1.0, 2.0]), 5)
    offset = path[..., 0] - env.centre(path)
    assert torch.allclose(offset[..., 1:], 1.3 * offset[..., :-1], atol=1e-14)


def test_whoever_is_stopped_at_the_limit_is_lost_and_is_told_so():
    env = il.make("cliff", lipschitz=(1.005, 1.2, 3.0), pull=0.9)
    assert env.limit == pytest.approx((100, 2 * 1.9 * 5, 1.9), rel=1e-12)
    far = torch.tensor(env.limit, dtype=torch.float64)[:, None].expand(3, 7)
    phase = torch.linspace(-3, 3, 7, dtype=torch.float64).expand(3, 7)
    assert env.terminal(torch.stack((far, phase), -1)).all(1).tolist() == [False, True, True]
    assert env.certificate().diameter == tuple(2 * v for v in env.limit)


@pytest.mark.parametrize("lipschitz", [1.0, 2.0, 3.0, 5.0])
def test_the_circle_left_alone_has_the_logarithm_of_its_dial_as_lyapunov_exponent(lipschitz):
    env = il.make("circle", lipschitz=lipschitz)
    steps = 7
    one = walk(env, states([0.3, 0.0], [2.0, 0.0], [-3.1, 0.0]), steps)
    two = walk(env, states([0.3 + 1e-6, 0.0], [2.0 - 1e-6, 0.0], [-3.1 - 1e-6, 0.0]), steps)
    apart = env.distance(one.flatten(1, 2), two.flatten(1, 2)).reshape(3, -1)
    assert (torch.log(apart[:, -1] / apart[:, 0]) / steps).tolist() == pytest.approx(
        [math.log(lipschitz)] * 3, abs=1e-9
    )


def test_what_is_lost_on_the_circle_is_half_pi_away_on_average():
    """On a grid of 2^k angles, doubling and turning permute the distances: their mean is pi/2, not about pi/2."""
    env = il.make("circle", lipschitz=2.0)
    grid = (torch.arange(1024, dtype=torch.float64) + 0.5) * (2 * math.pi / 1024) - math.pi
    start = torch.stack((grid, grid), -1)[None]
    left, led = walk(env, start, 12), walk(env, start, 12, il.expert(env))
    apart = env.distance(left.flatten(1, 2), led.flatten(1, 2)).reshape(1024, -1)
    assert apart.mean(0)[1:].tolist() == pytest.approx([math.pi / 2] * 12, abs=1e-9)
    assert apart[:, 0].max() == 0


def test_two_independent_rollouts_of_the_circle_saturate_at_the_same_distance():
    env = il.make("circle", horizon=60, seeds=2)
    record = il.compare(env, il.expert(env), episodes=64, idle=Idle(env))
    late = record.arrays["divergence"][1, :, :, 20:]
    # Each of the 128 rollouts is a sample of uniform angles, whose deviation is pi / sqrt(12) = 0.91.
    assert late.mean() == pytest.approx(math.pi / 2, abs=4 * 0.91 / math.sqrt(128))
    assert late.max() <= math.pi


@pytest.mark.parametrize("lipschitz", [1.0, 2.0, 3.0])
def test_the_circles_expert_winds_against_it_so_that_no_continuous_policy_is_right_everywhere(
    lipschitz,
):
    env = il.make("circle", lipschitz=lipschitz)
    theta = torch.linspace(-math.pi, math.pi, 2001, dtype=torch.float64)
    action = il.expert(env).act(torch.stack((theta, 0 * theta + 0.7), -1)[None])[0, :, 0] * math.pi
    steps = (action.diff() + math.pi) % (2 * math.pi) - math.pi
    assert steps.sum().item() == pytest.approx(-2 * math.pi * lipschitz, rel=1e-12)
    assert (
        action.diff().abs() > 3
    ).sum() == lipschitz  # as many jumps from one half turn to the other


@pytest.mark.parametrize("name", ["circle", "modular"])
def test_one_step_of_the_expert_meets_the_phase_from_everywhere(name):
    env = il.make(name, lipschitz=3.0)
    size = env.certificate().diameter[0] * 2
    where = (
        torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * size
    )
    start = where.floor()[None] if name == "modular" else where[None] - math.pi
    after = walk(env, start, 1, il.expert(env))[:, :, -1]
    gap = env.difference(after, after.flip(-1))
    assert gap.abs().max() < (1e-14 if name == "circle" else 0) + 1e-15
    assert env.certificate().closed_loop == (0.0,)


def test_a_difference_of_angles_takes_the_shorter_way_round():
    env = il.make("circle")
    delta = env.difference(
        states([3.0, 0.0], [-3.0, 0.0], [1.0, 2.0]), states([-3.0, 5.0], [3.0, 0.0], [0.5, 0.0])
    )
    assert delta[0, :, 0].tolist() == pytest.approx([6 - 2 * math.pi, 2 * math.pi - 6, 0.5])
    ring = il.make("modular", size=7)
    delta = ring.difference(states([0, 0], [6, 0], [3, 0]), states([6, 0], [1, 0], [0, 4]))
    assert delta[0, :, 0].tolist() == [1, -2, 3]


@pytest.mark.parametrize(("size", "lipschitz"), [(61, 2), (61, 7), (31, 3), (7, 3)])
def test_what_is_lost_on_a_prime_ring_is_uniform_over_it(size, lipschitz):
    """From every start at once: (L^t - 1) phi - t runs through all places unless L^t = 1 mod M."""
    env = il.make("modular", size=size, lipschitz=float(lipschitz), noise=0.0)
    start = torch.arange(size, dtype=torch.float64)[:, None].expand(-1, 2)[None]
    left, led = walk(env, start, 12), walk(env, start, 12, il.expert(env))
    apart = env.distance(left.flatten(1, 2), led.flatten(1, 2)).reshape(size, -1)
    for t in range(1, 13):
        if pow(lipschitz, t, size) != 1:
            assert apart[:, t].sum() == (size * size - 1) / 4


def test_differences_die_out_where_dial_and_ring_share_their_factors():
    env = il.make("modular", size=64, lipschitz=2.0, noise=0.0)
    one, two = walk(env, states([0, 0], [13, 0]), 6).unbind(1)
    apart = env.distance(one, two)[0].tolist()
    assert apart == [13, 26, 12, 24, 16, 32, 0]


def test_an_image_is_l_times_as_far_up_to_half_the_ring():
    env = il.make("modular", size=12, lipschitz=3.0, noise=0.0)
    for far, image in ((1, 3), (2, 6), (3, 3), (4, 0), (6, 6)):
        after = walk(env, states([5, 0], [5 + far, 0]), 1)[:, :, -1]
        assert env.distance(after[:, :1], after[:, 1:]).item() == image


def test_the_ring_slips_as_often_as_its_setting_says_and_the_twins_slip_alike():
    env = il.make("modular", noise=0.25, horizon=100, seeds=2)
    seen = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds), 100)
    slip = env.difference(
        seen.state[:, :, 1:].flatten(1, 2), seen.state[:, :, 1:].flatten(1, 2).flip(-1)
    ).abs()
    chance = math.erfc(2 / math.sqrt(2))  # |0.25 w| > 1/2
    assert slip.mean() == pytest.approx(chance, abs=4 * math.sqrt(chance / 20_000))
    assert slip.max() == 1


def test_the_rings_observation_is_two_one_hots():
    env = il.make("modular", size=5)
    obs = env.observation(states([3, 0], [1, 4]))
    assert obs.tolist() == [[[0, 0, 0, 1, 0, 1, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]]]


@pytest.mark.parametrize("name", ["shift", "cliff", "circle"])
def test_cloning_is_lost_off_the_path_and_the_certificates_diameter_bounds_how_far(name):
    env = tiny(name, horizon=60, seeds=2)
    policy = il.BC(episodes=2, training=SMALL).learn(env, il.expert(env))
    drift = il.compare(env, il.expert(env), episodes=4, bc=policy).arrays["divergence"]
    assert (drift[0] == 0).all()
    bound = np.array(env.certificate().diameter)[:, None, None]
    assert ((drift[1] > 0.1).any(-1)).all()
    assert (drift[1] <= bound).all()


@pytest.mark.parametrize("name", DIALS)
def test_the_picture_shows_the_twin_and_the_state(name):
    env = il.make(name)
    one, two = (s[0, 0].numpy() for s in env.certificate().pair)
    frames = [env.draw(a, (320, 240), b) for a, b in ((one, None), (two, None), (one, two))]
    assert all(
        (a != b).any()
        for a, b in ((frames[0], frames[1]), (frames[0], frames[2]), (frames[1], frames[2]))
    )
