"""Painting: a canvas averages only what is new, roads do not flicker, bodies bear colours, banners hide nothing."""

import math

import numpy as np
import pytest
import torch
from conftest import tiny

from il_bench.core.rollout import rollout
from il_bench.core.streams import Streams
from il_bench.measures.lipschitz import random_drive
from il_bench.paint import canvas, road
from il_bench.paint.camera import Camera

NAMES = ["lane", "kart", "quad", "arm", "recover", "trap", "resetcliff", "parity", "ocr"]
PANELS = [(310, 224), (226, 162)]  # of films with three panels a row, and with four
BLUE = "#0072b2"


def states(name):
    """An environment of one run, and states (n, X) that it comes to when driven at random."""
    env = tiny(name)
    rows = rollout(env, random_drive(env), Streams(env.seeds), 3).state[0]
    return env, rows[:, [0, 3, -1]].flatten(0, 1).numpy()


def near(picture, colour, within=30):
    """How many pixels are near a colour."""
    return (np.abs(picture.astype(float) - canvas.rgb(colour)).sum(-1) < within).sum()


def scribble(page, number):
    """Something of everything."""
    x = 7.3 * number
    page.polygon([(x, 3.2), (x + 9, 5), (x + 2, 14)], "#aa3311")
    page.line([(x, 20), (x + 5, 24.4)], "#114488", 3)
    page.circle((x + 3, 30), 3.4, "#22aa55")
    page.text("drift", (x, 38))
    with page.layer(0.5, [(x, 20), (x + 9, 30)]):
        page.circle((x + 4, 25), 4, "#ffffff")
    page.picture(np.full((4, 6, 3), 40 * number, np.uint8), (3 * number, 42))


def test_averaging_what_is_new_gives_the_picture_that_averaging_all_gives():
    page = canvas.Canvas((60, 50), "#eeeeff")
    for number in range(5):
        scribble(page, number)
        page.image()
        page = page.copy()
    at_once = canvas.Canvas((60, 50), "#eeeeff")
    for number in range(5):
        scribble(at_once, number)
    assert np.array_equal(page.image(), at_once.image())


def test_a_copy_is_painted_on_apart():
    page = canvas.Canvas((60, 50))
    other = page.copy()
    scribble(other, 2)
    assert (page.image() == 255).all()
    assert not np.array_equal(other.image(), page.image())


@pytest.mark.parametrize("at", [(-3, -2), (6, 5), (-3, 5), (20, 1)])
def test_what_a_picture_has_beyond_the_edges_is_left_out(at):
    pixels = np.random.default_rng(0).integers(0, 255, (4, 7, 3), dtype=np.uint8)
    page = canvas.Canvas((9, 8), "#000000")
    page.picture(pixels, at)
    wide = np.zeros((40, 60, 3), np.uint8)
    wide[20 + at[1] : 24 + at[1], 20 + at[0] : 27 + at[0]] = pixels
    assert np.array_equal(page.image(), wide[20:28, 20:29])


def test_packed_colours_are_the_colours():
    page = canvas.Canvas((2, 1))
    page.picture(canvas.packed(np.array([[(1, 2, 3), (250, 128, 7)]])))
    assert page.image().tolist() == [[[1, 2, 3], [250, 128, 7]]]


def test_far_pieces_of_a_road_do_not_change_their_colour_with_where_one_stands():
    eye, strips = Camera((60, 40), (0, 0, 0), 3.0, 40.0, 10.0), ((1.0, "#ff0000", "#0000ff"),)
    shown = []
    for first in (0, 1):
        metres = np.arange(4.0, 40.0, 2)
        line = np.stack((metres + first, metres, 0 * metres, 0 * metres), -1)
        page = canvas.Canvas((60, 40))
        road.paint_road(page, eye, line, strips, math.inf)
        shown.append(page.image())
    assert np.array_equal(*shown)
    assert near(shown[0], "#7f007f") > 20


def test_a_road_that_begins_behind_the_camera_reaches_the_pictures_edge():
    eye, strips = Camera((60, 40), (0, 0, 0.3), 3.0, 40.0, 10.0), ((5.0, "#ff0000", "#ff0000"),)
    metres = np.arange(-20.0, 30, 0.5)
    line = np.stack((metres, metres, 0 * metres, 0 * metres), -1)
    page = canvas.Canvas((60, 40))
    road.paint_road(page, eye, line, strips, math.inf)
    assert near(page.image()[-1:], "#ff0000") == 60


@pytest.mark.parametrize("name", NAMES)
def test_the_drawn_body_bears_the_colour_that_it_is_given(name):
    env, rows = states(name)
    if name == "ocr":  # an expert's letters are right: only those bear a colour
        rows[:, 2:] = env.right(torch.tensor([[[rows[0, 0], 0, *[-1.0] * 14]]])).item()
        rows[:, 0], rows[:, 1] = rows[0, 0], 1
    state = rows[1]
    plain, blue = env.draw(state, (310, 224)), env.draw(state, (310, 224), colour=BLUE)
    assert near(blue, BLUE, 60) > near(plain, BLUE, 60) + 20
    assert np.array_equal(plain, env.draw(state, (310, 224), colour=None))
    ghosts = [env.draw(state, (310, 224), rows[-1], colour) for colour in (None, BLUE)]
    assert near(ghosts[1], BLUE, 60) > near(ghosts[0], BLUE, 60) + 20


@pytest.mark.parametrize("size", PANELS)
@pytest.mark.parametrize("name", ["quad", "arm", "recover", "trap", "resetcliff", "parity", "ocr"])
def test_nothing_that_tells_anything_lies_under_a_films_banner(name, size):
    env, rows = states(name)
    heads = {env.draw(row, size, rows[0])[: canvas.BANNER].tobytes() for row in rows}
    heads |= {env.draw(row, size)[: canvas.BANNER].tobytes() for row in rows}
    assert len(heads) == 1


@pytest.mark.parametrize("size", PANELS)
@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("quad", [1.3, 3.55, 0.2, *[0.0] * 7, 0.79]),  # not quite lost, above the eight
        ("arm", [-0.7, -1.6, 0.0, 0.0, 0.0]),  # stretched towards the ceiling
        ("parity", [1.0, 1.0, 0.0, 0.0]),  # both lamps are lit
    ],
)
def test_what_reaches_highest_does_not_reach_the_banner(name, state, size):
    env, rows = states(name)
    head = env.draw(np.array(state), size)[: canvas.BANNER]
    assert np.array_equal(head, env.draw(0 * rows[0], size)[: canvas.BANNER])
