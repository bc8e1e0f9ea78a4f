"""The panels of the small plants and exact maps: nothing beneath the banner, the learner's own colour, its twin."""

import numpy as np
import pytest

import il_bench as il
from il_bench.paint import canvas, panel
from il_bench.paint.canvas import Canvas, colour_of, rgb

NAMES = "sign", "power", "pair", "shift", "cliff", "circle", "modular", "linear", "tube"
SIZES = (310, 224), (226, 162)  # of a film with three panels beside each other, and with four
GREEN = "#009E73"


def states(env):
    """Where an episode begins, where random pushes lead, and the far corners (n, X)."""
    streams = il.Streams(env.seeds)
    state, path = env.initial(streams, 1).numpy(), []
    rng = np.random.default_rng(0)
    pushes = max(env.action_space.shape, default=1)
    for _ in range(12):
        path.append(state[0, 0])
        action = rng.uniform(-1, 1, (1, 1, pushes)).round()
        state = env.transition(state, action, np.ones((1, 1, env.noise_size)))
    far = 10 * np.ones_like(path[0])
    return [*path, far, -far]


def pixels(picture, colour, near=30):
    """How many pixels have about a colour."""
    return int((np.abs(picture - rgb(colour)).sum(-1) < near).sum())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_lies_beneath_the_banner_of_a_film(name, size):
    env = il.make(name)
    for state in states(env):
        strip = env.draw(state, size, ghost=-state)[: canvas.BANNER]
        assert (strip == strip[0, 0]).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_body_has_the_learners_own_colour_and_the_first_learners_by_default(name):
    env = il.make(name)
    one, two = states(env)[:2]
    usual, own = (env.draw(two, SIZES[0], one, colour) for colour in (None, GREEN))
    orange = colour_of(1)
    assert (pixels(usual, orange) > 15, pixels(usual, GREEN)) == (True, 0)
    assert (pixels(own, GREEN) > 15, pixels(own, orange)) == (True, 0)
    assert (usual == env.draw(two, SIZES[0], one, orange)).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "shift"])
def test_a_twin_in_the_same_spot_still_shows(name):
    env = il.make(name)
    state = states(env)[3]
    alone, together = env.draw(state, SIZES[0]), env.draw(state, SIZES[0], state)
    assert (alone != together).any()
    assert pixels(together, colour_of(1)) > 0.5 * pixels(alone, colour_of(1))


def test_of_several_pairs_of_coordinates_all_have_the_learners_colour():
    env = il.make("linear", size=6)
    state = np.array([5.0, 0, 0, 5, -5, -5, 0])
    one = env.draw(np.zeros(7), SIZES[0], colour=GREEN)
    assert pixels(env.draw(state, SIZES[0], colour=GREEN), GREEN) > 2 * pixels(one, GREEN)


def test_a_scale_ends_at_ten_and_has_fewer_numbers_on_a_low_panel():
    assert panel.scaled(np.array([-1e9, -10, 0, 10, 1e9])).tolist() == [-1, -1, 0, 1, 1]
    roomy, low = Canvas((310, 224)), Canvas((226, 162))
    assert set(panel.marks(low)) < set(panel.marks(roomy))
    assert panel.rows(roomy, 10, foot=24) == panel.TOP
    assert panel.rows(roomy, -10, foot=24) == 200
    assert panel.lettering(low) < panel.lettering(roomy)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("name", NAMES)
def test_a_state_that_became_nan_or_infinite_can_be_drawn(name, value):
    env = il.make(name)
    state = states(env)[0]
    with np.errstate(all="ignore"):
        picture = env.draw(np.full_like(state, value), SIZES[0], state)
    assert pixels(picture, colour_of(0), near=150) > 15
