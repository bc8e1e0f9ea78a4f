"""The drone, the arm and the cart-pole's regulator: closed forms, exact constants, exact flights, pictures."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from il_bench.envs import arm
from il_bench.experts.cartpole import linearised
from scipy.linalg import solve_discrete_lyapunov

import il_bench as il
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.streams import Streams
from il_bench.measures import lipschitz

EARTH, YELLOW = 0.04 * math.sqrt(9.81), np.array([242, 183, 5])


def flown(env, episodes=4, start=None):
    """States (R, E, T+1, X) and actions of the expert's own rollouts."""
    seen = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds), episodes)
    return seen.state, seen.action


def stepped(env, state, actions):
    """The states (T+1, X) that actions (T, U) lead to from one state (X,), without noise."""
    states = [torch.as_tensor(state, dtype=torch.float64)[None, None]]
    for action in actions:
        pushed = torch.as_tensor(action, dtype=torch.float64)[None, None]
        states.append(
            env.transition(
                states[-1], pushed, torch.zeros(1, 1, env.noise_size, dtype=torch.float64)
            )
        )
    return torch.cat(states)[:, 0]


def near(picture, colour=YELLOW, within=60):
    """Rows and columns of the pixels near a colour."""
    return np.argwhere(np.abs(picture.astype(float) - colour).sum(-1) < within)


# The drone


@pytest.mark.parametrize("gravity", [1.62, 9.81, 24.8])
def test_the_drones_constant_is_the_norm_of_a_chain_of_integrators(gravity):
    h = 0.04 * math.sqrt(gravity)
    chain = np.eye(4) + h * np.diag(
        [1.0, 2.0, 1.0], 1
    )  # place, speed, tilt, spin; the thrust is twice that of hovering
    certificate = il.make("quad", gravity=gravity).certificate()
    assert certificate.value == pytest.approx([np.linalg.norm(chain, 2)], rel=1e-12)
    assert certificate.kind == "exact"


def test_the_drones_jacobian_has_one_norm_at_every_tilt_and_a_smaller_one_at_less_thrust():
    env = il.make("quad")
    full, noise = env.certificate().value[0], torch.zeros(1, 1, 2, dtype=torch.float64)

    def norm(tilt, thrust):
        state = torch.zeros(1, 1, 11, dtype=torch.float64)
        state[..., 2] = tilt
        action = torch.full((1, 1, 2), thrust, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(
            lambda s: env.transition(s, action, noise), state
        )
        return np.linalg.norm(jacobian[0, 0, :6, 0, 0, :6].numpy(), 2)

    assert [norm(tilt, 1.0) for tilt in np.linspace(-3, 3, 13)] == pytest.approx(
        [full] * 13, rel=1e-12
    )
    assert norm(0.7, -1) < norm(0.7, 0) < norm(0.7, 0.9) < full - 1e-3


def test_the_drones_constant_is_attained_under_the_action_that_its_certificate_names_and_under_no_other():
    env = il.make("quad", gravity=(3.0, 9.81))
    certificate = env.certificate()
    assert list(lipschitz.attained(env, certificate)) == []
    hovering = dataclasses.replace(certificate, action=(0.0, 0.0))
    assert "the attaining pair of run 0 is stretched by" in next(lipschitz.attained(env, hovering))


def test_with_lag_the_drones_constant_is_a_bound_that_is_nearly_reached():
    env = il.make("quad", lag=(0.0, 0.6))
    certificate = env.certificate()
    assert certificate.kind == "upper"
    assert certificate.value[1] > certificate.value[0]
    lipschitz.assert_lipschitz(env, pairs=40_000)
    top = np.linalg.svd(env.linear(1, 2.0)[0])[2][0] / np.array([1] * 6 + [0.6] * 2)
    one = torch.tensor([[0.0] * 6 + [1 - 1e-5] * 2 + [0] * 3] * 2, dtype=torch.float64)[:, None]
    two = one.clone()
    two[1, 0, :8] += 1e-5 * torch.from_numpy(top)
    full = torch.ones(2, 1, 2, dtype=torch.float64)
    after = [env.transition(s, full, 0 * full) for s in (one, two)]
    assert (env.distance(*after) / env.distance(one, two))[1].item() == pytest.approx(
        certificate.value[1], rel=1e-5
    )


def test_left_alone_a_turning_drone_leaves_its_place_as_the_third_binomial():
    env, spin, steps = il.make("quad"), 1e-7, 40
    states = stepped(env, [0, 2, 0, 0, 0, spin, 0, 0, 0, 0, 0], np.zeros((steps, 2)))
    expected = [-(EARTH**3) * math.comb(n, 3) * spin for n in range(steps + 1)]
    assert states[:, 0].tolist() == pytest.approx(expected, rel=1e-6)
    assert env.certificate().radius == (1.0,)


def test_the_expert_flies_the_eight_exactly_with_and_without_lag():
    env = il.make("quad", gravity=(1.62, 9.81, 24.8), lag=(0.0, 0.6))
    state, action = flown(env)
    flat = state.flatten(1, 2)
    assert (flat[..., :6] - env.reference(flat[..., 10])[0]).abs().max() < 1e-8
    assert action.abs().max() < 0.6
    assert not env.terminal(flat).any()


def test_the_drones_expert_is_the_optimal_regulator():
    """No gain near K has a smaller cost: the cost of u = -K x, from the discrete Lyapunov equation, has no gradient."""
    env = il.make("quad", lag=0.3)
    (a, b), (gain, radius) = (part[:6] for part in env.linear(0)), env.regulator(0)
    a = a[:, :6]

    def cost(k):
        return np.trace(solve_discrete_lyapunov((a - b @ k).T, np.eye(6) + k.T @ k))

    for i, j in np.ndindex(2, 6):
        step = np.zeros((2, 6))
        step[i, j] = 1e-4
        assert abs(cost(gain + step) - cost(gain - step)) / 2e-4 < 1e-5 * cost(gain)
    assert env.certificate().loop_radius == (radius,)
    assert 0.5 < radius < 1


def test_about_hovering_the_regulated_drone_forgets_a_kick_at_the_rate_of_the_certificate():
    env = il.make("quad")
    gain, radius = env.regulator(0)
    state, lengths = torch.tensor([[[1e-3] * 6 + [0.0] * 5]], dtype=torch.float64), []
    for _ in range(200):
        state = env.transition(
            state, -state[..., :6] @ torch.from_numpy(gain).T, torch.zeros(1, 1, 2)
        )
        lengths.append(state[..., :6].norm().item())
    assert (lengths[199] / lengths[99]) ** 0.01 == pytest.approx(radius, rel=0.003)


def test_a_drone_kicked_off_the_eight_comes_back():
    env = il.make("quad", seeds=8)
    expert, noise = il.expert(env), torch.zeros(8, 1, 2, dtype=torch.float64)
    state = env.initial(Streams(env.seeds), 1)
    state[..., 0] += 0.3
    for _ in range(200):
        state = env.transition(state, expert.act(state), noise)
    assert (state[..., :6] - env.reference(state[..., 10])[0]).abs().max() < 1e-4


@pytest.mark.parametrize("wind", [0.0, 0.05])
def test_a_wreck_does_not_drift_while_its_twin_flies_on(wind):
    """Its place is that of the crash, the twin's goes round the eight: what they were apart then is what they are."""
    env = il.make("quad", horizon=80, wind=wind, seeds=2)

    class Off(il.Expert):
        """Lets the drone fall."""

        def act(self, state):
            return -torch.ones(*state.shape[:2], 2, dtype=torch.float64)

    record = il.compare(env, il.expert(env), episodes=3, off=Off())
    divergence, delta = (record.arrays[name][1] for name in ("divergence", "delta"))
    assert record.arrays["terminated"][1].all()
    for place, length in np.ndenumerate(record.arrays["length"][1]):
        assert 0 < length < 80
        assert np.ptp(divergence[place][length - 1 : length + 1]) > 0
        assert np.ptp(divergence[place][length:]) == 0
        assert np.ptp(delta[place][length:], axis=0).max() == 0


def test_a_rotor_obeys_as_slowly_as_its_lag_says():
    states = stepped(il.make("quad", lag=0.6), [0, 2] + [0] * 9, np.ones((8, 2)))
    assert states[:, 6].tolist() == pytest.approx([1 - 0.6**n for n in range(9)], rel=1e-12)


def test_gusts_are_as_strong_as_asked_for_from_the_first_step_to_the_last():
    state, _ = flown(il.make("quad", wind=0.05, horizon=20), episodes=1500)
    assert state[0, :, ::10, 8:10].std(0).flatten().tolist() == pytest.approx([0.05] * 6, rel=0.06)


@pytest.mark.parametrize(
    ("coordinate", "value"), [(0, -0.1), (0, -2.6), (1, 2.3), (1, -0.01), (2, 1.6), (2, -1.6)]
)
def test_a_drone_ends_lost_turned_over_or_on_the_ground(coordinate, value):
    env = il.make("quad")
    phase = torch.full((1, 1), 3 * math.pi / 4, dtype=torch.float64)  # lowest, 1 m above the ground
    state = torch.cat((*env.reference(phase), torch.zeros(1, 1, 2), phase[..., None]), -1)
    assert not env.terminal(state)
    state[..., coordinate] = value
    assert env.terminal(state)


# The arm


@pytest.mark.parametrize("stiffness", [-16.0, -9.0, 0.0, 9.0])
def test_the_torque_arms_constant_is_a_norm_in_closed_form(stiffness):
    certificate = il.make("arm", stiffness=stiffness).certificate()
    p, q = 3 * 0.04, -stiffness * 0.04 / 3  # of [[1, p], [q, 1]]
    norm = math.sqrt((2 + p * p + q * q + math.hypot(p * p - q * q, 2 * (p + q))) / 2)
    assert certificate.value == pytest.approx([norm], rel=1e-9)
    assert certificate.radius == pytest.approx(
        [abs(1 + 0.04 * complex(-stiffness) ** 0.5)], rel=1e-9
    )


def test_one_arm_forgets_or_amplifies_by_what_an_action_means():
    for control, factor in (("position", 0.7), ("torque", 1.12)):
        env = il.make("arm", control=control)
        shift = torch.tensor(
            [0.01, -0.02, 0.03, -0.06, 0]
        )  # along (rad, 3 rad/s), torque's growing direction
        one, two = (stepped(env, s, np.full((10, 2), 0.02)) for s in (torch.zeros(5), shift))
        apart = env.distance(one[:, None], two[:, None])[:, 0]
        assert (apart[1:] / apart[:-1]).tolist() == pytest.approx([factor] * 10, rel=1e-5)
        assert env.certificate().value == pytest.approx([factor], rel=1e-12)


def test_the_hand_is_where_its_joints_say():
    for x, y in arm.CORNERS:
        one, two = np.cumsum(arm.joints(x, y))
        hand = -1.0 * math.sin(one) - 0.8 * math.sin(two), math.cos(one) + 0.8 * math.cos(two)
        assert hand == pytest.approx((x, y), abs=1e-12)


def test_the_star_rests_in_its_corners_and_is_fastest_halfway_with_minimum_jerk():
    env, steps = il.make("arm"), torch.arange(151, dtype=torch.float64)[None] * arm.TURN
    angles, speeds, _ = env.reference(steps)
    corners = np.array([arm.joints(x, y) for x, y in arm.CORNERS]) - arm.REST
    assert angles[0, ::30].numpy() == pytest.approx(corners, abs=1e-6)
    assert speeds[0, ::30].abs().max() < 0.02
    assert (
        angles[0, 15]
        - torch.from_numpy(arm.joints(*(arm.CORNERS[0] + arm.CORNERS[1]) / 2) - arm.REST)
    ).norm() < 1e-9


@pytest.mark.parametrize("control", ["torque", "position"])
def test_the_expert_draws_the_star_exactly(control):
    env = il.make("arm", control=control, seeds=2)
    state, action = flown(env)
    flat = state.flatten(1, 2)
    assert (flat[..., :2] - env.reference(flat[..., 4])[0]).abs().max() < 1e-9
    assert action.abs().max() < 0.9


def test_torque_gains_leave_a_double_pole_whatever_the_stiffness():
    env, pole = il.make("arm", stiffness=(-9.0, 0.0, 20.0)), arm.POLE
    expert, noise = il.expert(env), torch.zeros(3, 1, 2, dtype=torch.float64)
    state = env.initial(Streams((0, 0, 0)), 1)
    state[..., :2] += 0.01
    off = []
    for _ in range(30):
        off.append((state[..., :2] - env.reference(state[..., 4])[0])[..., 0])
        state = env.transition(state, expert.act(state), noise)
    expected = [0.01 * (1 + n * (1 - pole) / pole) * pole**n for n in range(30)]
    for run in range(3):
        assert torch.stack(off)[:, run, 0].tolist() == pytest.approx(expected, abs=1e-9)


def test_a_servo_bounds_what_a_constant_error_can_do():
    env = il.make("arm", control="position", servo=0.3, horizon=40)

    class Off(il.Expert):
        """Commands an angle too far."""

        def act(self, state):
            return il.expert(env).act(state) + 0.01

    drift = il.compare(env, il.expert(env), episodes=2, off=Off()).arrays["divergence"][1]
    expected = [0.01 * arm.LIMIT * math.sqrt(2) * (1 - 0.7**n) for n in range(41)]
    assert drift[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


# The cart-pole


def test_the_cart_poles_linearisation_falls_at_the_known_rate():
    rate = math.sqrt(9.8 * 1.1 / (0.5 * (4 / 3 * 1.1 - 0.1)))
    assert rate == pytest.approx(3.972, abs=5e-4)
    assert abs(np.linalg.eigvals(linearised()[0])).max() == pytest.approx(
        1 + 0.02 * rate, rel=1e-12
    )


def test_the_cart_poles_linearisation_is_that_of_gymnasium():
    import gymnasium

    cart, (a, b) = gymnasium.make("CartPole-v1").unwrapped, linearised()
    cart.reset(seed=0)
    for action, force in ((0, -10.0), (1, 10.0)):
        cart.state = start = np.array([0.02, -0.01, 0.003, 0.004])
        after = cart.step(action)[0]
        assert after == pytest.approx(a @ start + b[:, 0] * force, abs=2e-5)


def test_the_regulator_balances_the_pole_from_every_start():
    env = il.make("CartPole-v1", seeds=20)
    seen = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds), 1)
    assert (seen.length == 500).all()
    assert seen.state[..., 0].abs().max() < 0.5


# Pictures and settings


def test_the_picture_shows_the_drone_where_it_is():
    env, rows, columns = il.make("quad"), [], []
    for x, z in ((-1.5, 0.8), (0.0, 1.9), (1.5, 2.8)):
        place = near(env.draw(np.array([x, z] + [0.0] * 9), (200, 150))).mean(0)
        rows.append(place[0])
        columns.append(place[1])
    assert columns == sorted(columns)
    assert rows == sorted(rows, reverse=True)
    assert columns[1] == pytest.approx(100, abs=3)


@pytest.mark.parametrize("name", ["quad", "arm"])
def test_every_coordinate_that_matters_is_seen(name):
    env = il.make(name)
    state = env.initial(Streams((0,)), 1)[0, 0].numpy()
    seen = [0, 1, 2, 6, 7, 8] if name == "quad" else [0, 1]
    pictures = [env.draw(state + 0.4 * np.eye(len(state))[i], (160, 120)) for i in seen]
    pictures += [env.draw(state, (160, 120)), env.draw(state, (160, 120), state + 0.2)]
    assert len({p.tobytes() for p in pictures}) == len(pictures)
    assert env.draw(state, (160, 120)).tobytes() == pictures[-2].tobytes()


def test_a_crashed_drone_gives_no_thrust():
    env, flames = il.make("quad"), np.array([255, 140, 43])
    flying = np.array([0, 2.3, 0.3] + [0.0] * 8)
    crashed = flying + np.eye(11)[2] * 1.4
    assert len(near(env.draw(flying, (400, 300)), flames)) > 20
    assert len(near(env.draw(crashed, (400, 300)), flames)) == 0


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("quad", {"gravity": 0.0}, "gravity: expected more than 0"),
        ("quad", {"lag": 1.0}, "lag: expected from 0 to below 1, got 1"),
        ("quad", {"wind": -1.0}, "wind: expected at least 0"),
        ("arm", {"control": "speed"}, "control: expected torque or position, got 'speed'"),
        ("arm", {"stiffness": -19.0}, r"stiffness: expected above -18.75"),
        ("arm", {"stiffness": 700.0}, r"stiffness: expected below 625"),
        ("arm", {"servo": 1.5}, "servo: expected above 0, at most 1"),
        ("arm", {"tremor": -1.0}, "tremor: expected at least 0"),
    ],
)
def test_settings_that_neither_can_have_are_sentences(name, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        il.make(name, **settings)


def test_where_demonstrations_never_leave_the_path_cloning_cannot_come_back():
    """What the two show: a policy without feedback stays where the servo forgets, and is lost where deviations grow."""
    lost = {}
    for control in ("torque", "position"):
        env = il.make("arm", control=control, horizon=80)
        expert = il.expert(env)

        class Blind(il.Expert):
            """Knows the star by heart, up to a small error, and does not look."""

            def act(self, state, env=env, expert=expert):
                angles, speeds, _ = env.reference(state[..., 4])
                return expert.act(torch.cat((angles, speeds, state[..., 4:]), -1)) + 1e-4

        lost[control] = (
            il.compare(env, expert, episodes=2, it=Blind()).arrays["divergence"][1, 0, :, -1].min()
        )
    assert lost["position"] < 1e-3
    assert lost["torque"] > 1
