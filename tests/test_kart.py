"""The kart: its track closes, its camera is a pinhole, its noise a function of the state, and its expert an arc."""

import math

import numpy as np
import pytest
import torch
from conftest import tiny
from il_bench.envs import kart

import il_bench as il
from il_bench.core.policy import Log
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.streams import Streams
from il_bench.fit.dataset import Dataset
from il_bench.fit.fitting import fit
from il_bench.measures.lipschitz import random_drive
from il_bench.paint.camera import Camera

NOTHING = torch.zeros(1, 1, 3, dtype=torch.float64)


def states(count=50, **held):
    """States (1, count, 6) all over the track; `held` are the coordinates that are not drawn."""
    draw = Streams((0,)).uniform("states", 1, count, 6)[0, 0]
    low, high = torch.tensor(
        [[0, -1.4, -0.5, 0, 0, 0], [800, 1.4, 0.5, 0, 0, 1]], dtype=torch.float64
    )
    state = low + (high - low) * draw
    for name, value in held.items():
        state[:, list(kart.Kart.states).index(name)] = value
    return state[None]


def steer(*actions):
    return torch.tensor(actions, dtype=torch.float64).reshape(1, -1, 1)


def test_the_track_closes_after_800_metres_and_one_turn():
    line = kart.line()
    assert (line[0] - line[-1]).norm() < 1e-6
    assert line.diff(dim=0).norm(dim=-1).sum() == pytest.approx(800, rel=1e-6)
    metres = torch.tensor([0.0, 800.0], dtype=torch.float64)
    assert kart.heading(metres).diff().item() == pytest.approx(2 * math.pi)


def test_the_centre_line_goes_where_the_track_heads():
    metres = 800 * Streams((0,)).uniform("metres", 1, 100)[0, 0]
    gone = (kart.centre(metres + 0.01) - kart.centre(metres)) / 0.01
    way = kart.heading(metres + 0.005)
    torch.testing.assert_close(gone, torch.stack((way.cos(), way.sin()), -1), rtol=0, atol=0.005)
    torch.testing.assert_close(kart.centre(metres + 800), kart.centre(metres))


def test_the_track_never_comes_near_itself_and_can_be_steered():
    points = kart.line()[:-1:20]
    behind = (torch.arange(len(points)) - torch.arange(len(points))[:, None]).abs()
    far = torch.minimum(behind, len(points) - behind) > 30  # 60 metres of track
    assert torch.cdist(points, points)[far].min() > 2 * (kart.HALF + kart.EDGE + kart.FAR)
    turn = kart.heading(torch.arange(1001.0, dtype=torch.float64) * kart.STEP).diff()
    assert turn.abs().max() < 0.7 * kart.STEER


def test_a_kart_stands_as_far_from_the_centre_line_as_its_offset_says():
    state = states()
    nearest = torch.cdist(kart.Kart().place(state)[0], kart.line()).min(1).values
    beyond = (
        nearest.square() - state[0, :, 1].square()
    )  # up to half of the way between two points of the line
    assert beyond.min() > -1e-3
    assert beyond.max() < 0.05**2 + 1e-3


def test_distances_on_the_grid_are_those_from_the_line():
    state = states(200)
    off = state[..., 1].abs()
    found = kart._aside(kart.Kart().place(state), torch.zeros(1, 200, 1, 2))[..., 0]
    assert (found - off)[off > 1].abs().max() < 0.01
    assert (
        found - off
    ).abs().max() < kart.CELL / 2  # along the line runs a crease, which a grid rounds


def test_pure_pursuit_is_the_circle_through_the_point_ahead():
    """A circle of curvature k that touches the kart's heading goes through (x, y) iff x^2 + y^2 = 2 y / k."""
    env, state = kart.Kart(), states()
    action = il.expert(env).act(state)[..., 0]
    curvature, free = action * kart.STEER / kart.STEP, action.abs() < 1
    facing = kart.heading(state[..., 0]) + state[..., 2]
    east, north = (kart.centre(state[..., 0] + 6) - env.place(state)).unbind(-1)
    x, y = east * facing.cos() + north * facing.sin(), north * facing.cos() - east * facing.sin()
    torch.testing.assert_close((curvature * (x * x + y * y))[free], 2 * y[free])
    assert 20 < free.sum() < 50
    assert (y[~free] * action[~free] > 0).all()


def test_the_motion_is_that_of_its_equations():
    env, state = il.make("kart", wind=0.1), states(1, offset=0.3, heading=0.2)
    noise = torch.tensor([[[1.0, -2.0, 0.5]]], dtype=torch.float64)
    after = env.transition(state, steer(0.5), noise)[0, 0]
    turn = kart.heading(state[0, 0, 0] + 0.8) - kart.heading(state[0, 0, 0])
    aligned = [
        state[0, 0, 0] + 0.8,
        0.3 + 0.8 * math.sin(0.2) + 0.1,
        0.2 + 0.05 - turn - 0.2,
        0,
        0,
        0.5,
    ]
    assert after.tolist() == pytest.approx([float(v) for v in aligned], abs=1e-12)


def test_a_fall_costs_one_once_and_the_next_step_puts_the_kart_back():
    env, action = kart.Kart(wind=0.0), steer(1.0)
    before = states(1, offset=1.45, heading=0.4)
    fallen = env.transition(before, action, NOTHING)
    rescued = env.transition(fallen, action, NOTHING)
    assert fallen[0, 0, 1] > kart.HALF
    assert [
        env.reward(before, action, fallen).item(),
        env.reward(fallen, action, rescued).item(),
    ] == [-1, 0]
    assert rescued[0, 0, 1:5].tolist() == [0, 0, 0, 1]
    assert rescued[0, 0, 0].item() == pytest.approx(
        before[0, 0, 0].item() + 1.6
    )  # the track goes on meanwhile


def test_returns_are_the_falls_and_no_episode_ends():
    env = tiny("kart", seeds=2, horizon=60)
    seen = rollout(env, lambda step, state, memory: (torch.ones(2, 3, 1), None), Streams((0, 1)), 3)
    assert (seen.returns < 0).all()
    assert torch.equal(seen.state[:, :, -1, 4], -seen.returns)
    assert (seen.length == 60).all()


def test_the_expert_stays_on_the_track_for_a_lap_in_twenty_times_the_wind():
    env = il.make("kart", wind=(0.005, 0.02, 0.1))
    seen = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds), 2)
    falls = -seen.returns.sum(1)
    assert falls[:2].tolist() == [0, 0]
    assert falls[2] > 0  # and this wind is one that a kart can fall by
    assert seen.state[0, ..., 1].abs().max() < 0.4


def test_the_certificate_is_the_top_singular_value_in_closed_form():
    h = kart.STEP
    assert kart.Kart().certificate().value == pytest.approx([(h + math.sqrt(h * h + 4)) / 2])


def test_that_a_kart_has_fallen_is_context_and_its_rescue_is_the_jump():
    """Two karts a hair apart, of which one falls, are still a hair apart; then one is put back and the other is not."""
    env, still, calm = kart.Kart(wind=0.0), steer(0.0, 0.0), NOTHING.expand(1, 2, 3)
    pair = states(1, heading=0.0).expand(1, 2, 6).clone()
    pair[0, :, 1] = torch.tensor([kart.HALF - 1e-9, kart.HALF + 1e-9], dtype=torch.float64)
    after = env.transition(pair, still, calm)
    assert env.distance(after[:, :1], after[:, 1:]).item() == pytest.approx(2e-9, rel=1e-3)
    assert after[0, :, 3].tolist() == [0, 1]
    later = env.transition(after, still, calm)
    assert env.distance(later[:, :1], later[:, 1:]) > 1.4


def test_every_pixel_looks_where_a_pinhole_sees_it():
    ahead, left, _ = kart._pixels("cpu")[0].double().numpy()
    camera = Camera(
        (kart.WIDE, kart.TALL), (-kart.BACK, 0, 0), kart.HEIGHT, kart.FOCAL, kart.HORIZON
    )
    seen = camera.project(np.stack((ahead, left, 0 * ahead), -1)).reshape(kart.TALL, kart.WIDE, 3)
    row, column = np.mgrid[: kart.TALL, : kart.WIDE] + 0.5
    np.testing.assert_allclose(seen[..., 0], column, atol=1e-4)
    np.testing.assert_allclose(seen[3:, :, 1], row[3:], atol=1e-4)


def deck(**held):
    """Mean column, from -1 at the left to 1 at the right, of the deck in the lower half of the image (count,)."""
    image = kart.Kart().image(states(**held))[0, :, kart.TALL // 2 :]
    share = 1 - (image - torch.tensor([0x8F, 0x97, 0xA8]) / 255).abs().sum(-1).clamp(0, 1)
    return (share * torch.linspace(-1, 1, kart.WIDE)).sum((1, 2)) / share.sum((1, 2))


def test_a_kart_to_the_left_or_facing_left_sees_the_track_to_its_right():
    for one, other in (({"offset": 1.0}, {"offset": -1.0}), ({"heading": 0.3}, {"heading": -0.3})):
        still = {"offset": 0.0, "heading": 0.0}
        assert (deck(**{**still, **one}) > deck(**{**still, **other}) + 0.3).all()


def test_noise_is_a_function_of_the_state_and_looks_normal_and_independent():
    env, held = kart.Kart(), {"metres": 10.0, "offset": 0.0, "heading": 0.0}
    state = states(400, **held)
    obs = env.observation(state)
    assert torch.equal(obs, env.observation(state))
    noise = ((obs - env.image(state).flatten(-3)) / 0.7)[0].double()
    size = noise.numel()
    assert abs(noise.mean()) < 4 / size**0.5 + 0.005  # the table's own mean included
    assert noise.square().mean().item() == pytest.approx(1, abs=0.02)
    assert noise.pow(4).mean().item() == pytest.approx(3, abs=0.1)
    among_images, among_pixels = (noise @ noise.T / 1425, noise.T @ noise / 400)
    for products, count in ((among_images, 1425), (among_pixels, 400)):
        off = products[~torch.eye(len(products), dtype=bool)]
        assert off.std().item() == pytest.approx(count**-0.5, rel=0.03)
        assert off.abs().max() < 6 * count**-0.5


def test_without_grain_the_observation_is_the_image():
    state = states(5)
    assert torch.equal(
        kart.Kart(grain=0.0).observation(state), kart.Kart().image(state).flatten(-3)
    )


def test_twins_see_one_noise_wherever_they_are():
    env = tiny("kart", seeds=2)
    drives = by_expert(env, il.expert(env)), lambda step, state, memory: (torch.ones(2, 3, 1), None)
    one, two = (rollout(env, drive, Streams((0, 1)), 3) for drive in drives)
    assert torch.equal(one.state[..., 5], two.state[..., 5])
    assert torch.equal(one.state[..., 0], two.state[..., 0])
    assert not torch.equal(one.state[..., 1], two.state[..., 1])


def test_images_of_one_run_are_the_same_alone_and_among_others():
    env = tiny("kart", seeds=3, grain=(0.5, 0.7))
    seen = rollout(env, random_drive(env), Streams(env.seeds), 3).state.flatten(1, 2)
    for run in (0, 4):
        assert torch.equal(env.observation(seen)[run], env[run].observation(seen[run : run + 1])[0])


def test_a_linear_map_of_the_clean_image_reads_where_the_kart_is():
    """Ridge regression on 200 images of ten metres of track finds the offset in others to a tenth of its spread."""
    held = states(250, metres=torch.linspace(100, 110, 250, dtype=torch.float64))
    order = Streams((0,)).permutation("order", 0, 250)[0]
    obs, offset = kart.Kart(grain=0.0).observation(held)[:, order], held[:, order, 1:2].float()
    data = Dataset(obs[:, :200], offset[:, :200], torch.ones(1, 200), (200,))
    policy = fit(data, il.Training(net="ridge"), kart.Kart(), Streams((0,)), Log())
    error = policy.output(obs[:, 200:]) - offset[:, 200:]
    assert error.square().mean().sqrt() < 0.1 * offset.std()


@pytest.mark.parametrize("name", ["wind", "grain"])
def test_settings_that_no_kart_can_have_are_sentences(name):
    with pytest.raises(ValueError, match=f"{name}: expected a number of at least 0, got -0.1"):
        il.make("kart", **{name: -0.1})


def test_the_picture_shows_the_fall_the_count_and_what_the_learner_sees():
    env = kart.Kart()
    right, twin, fallen, later = (
        np.array([100.0, *rest, 0.5])
        for rest in ((0, 0, 0, 0), (0.8, 0.2, 0, 0), (-1.9, -0.3, 1, 1), (0, 0, 0, 12))
    )
    frames = [
        env.draw(one, (240, 180), other)
        for one, other in ((right, None), (right, twin), (fallen, twin))
    ]
    assert len({frame.tobytes() for frame in frames}) == 3
    grains = [
        env.draw(np.array([100.0, 0, 0, 0, 0, grain]), (240, 180))[30:70, 180:234]
        for grain in (0.5, 0.25)
    ]
    assert (grains[0] != grains[1]).any(-1).mean() > 0.6
    apart = (env.draw(later, (240, 180)) != frames[0]).any(-1)
    assert apart.any()
    assert not apart[:150].any()  # only the number beneath differs
