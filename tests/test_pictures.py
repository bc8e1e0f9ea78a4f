"""Canvas, the lane's picture and films: pure, antialiased, without a display, whole or not at all."""

import subprocess
import sys
import types

import imageio_ffmpeg
import numpy as np
import pytest
import torch
import xarray

import il_bench as il
from il_bench.core.rollout import by_expert, rollout
from il_bench.paint import camera, canvas, scenery
from il_bench.show import encode, video

SIZE = (80, 60)
SKY_BLUE, YELLOW = np.array([86, 180, 233]), np.array([242, 183, 5])


def lane(**settings):
    return il.make("lane", **{"horizon": 12, **settings})


def weight_left(picture, colour, near=60):
    """Mean column, from -1 at the left to 1 at the right, of the pixels near a colour."""
    columns = np.nonzero(np.abs(picture.astype(float) - colour).sum(-1) < near)[1]
    return columns.mean() / picture.shape[1] * 2 - 1


def page_size(record):
    """Height and width of a film's frames."""
    return video._Page(record, None, None, None, None).size[::-1]


@pytest.fixture(scope="module")
def record():
    """The expert and two who never steer, on two settings and three seeds: a Record as far as films look into it."""
    env = lane(lipschitz=(1.2, 1.4), seeds=3, spread=0.3)
    streams = il.Streams(env.seeds)
    drivers = (
        by_expert(env, il.expert(env)),
        *[lambda step, state, memory: (torch.zeros(6, 2, 1), None)] * 2,
    )
    seen = [rollout(env, drive, streams, 2) for drive in drivers]
    arrays = {
        "state": (("learner", "run", "episode", "time", "x"), [s.state for s in seen]),
        "divergence": (
            ("learner", "run", "episode", "time"),
            [env.distance(s.state, seen[0].state) for s in seen],
        ),
        "length": (("learner", "run", "episode"), [s.length for s in seen]),
        "terminated": (("learner", "run", "episode"), [s.terminated for s in seen]),
    }
    data = xarray.Dataset(
        {k: (dims, torch.stack(parts).numpy()) for k, (dims, parts) in arrays.items()}
    )
    runs = {"lipschitz": ("run", list(env.values("lipschitz"))), "seed": ("run", list(env.seeds))}
    return types.SimpleNamespace(
        data=data.assign_coords(learner=["expert", "bc", "idle"], **runs), env=env
    )


def test_importing_pictures_opens_no_display_and_waits_with_pygame():
    code = "import sys, il_bench.paint.canvas, il_bench.paint.scenery; assert 'pygame' not in sys.modules"
    paint = "il_bench.paint.canvas.Canvas((4, 4)).image(); import pygame; assert not pygame.display.get_init()"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {paint}"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_edges_are_antialiased_and_half_a_pixel_is_half_a_tone():
    page = canvas.Canvas((4, 4), "#000000")
    page.polygon(
        [(0, 0), (1, 0), (1, 4), (0, 4)], "#ffffff"
    )  # pygame fills the border too: one fine column more
    row = page.image()[2, :, 0]
    assert row[0] == 255
    assert 100 < row[1] < 155
    assert row[2] == row[3] == 0


def test_a_layer_blends_its_overlapping_parts_once_and_leaves_the_rest_alone():
    page = canvas.Canvas((8, 8), "#204060")
    with page.layer(0.5):
        for _ in range(3):
            page.polygon([(0, 0), (3, 0), (3, 7), (0, 7)], "#ffffff")
    image = page.image().astype(int)
    assert np.abs(image[3, 1] - (canvas.rgb("#204060") + 255) / 2).max() <= 1
    assert (image[:, 6:] == canvas.rgb("#204060")).all()


def test_text_is_as_wide_as_it_says_and_lies_on_the_side_asked_for():
    page = canvas.Canvas((120, 20))
    width = page.text("drift", (100, 10), part=1)
    columns = np.nonzero(page.image().min((0, 2)) < 128)[0]
    assert columns.max() <= 100
    assert columns.min() >= 100 - width - 1


def test_colours_are_told_apart_and_follow_the_order_of_a_record():
    assert canvas.colour_of(0) not in [canvas.colour_of(k) for k in range(1, 20)]
    assert len({canvas.colour_of(k) for k in range(7)}) == 7


def test_a_camera_sees_what_lies_left_on_the_left_and_what_is_twice_as_far_half_as_large():
    eye = camera.Camera((200, 100), (1.0, 2.0, 0.5), height=2.0, focal=100.0, horizon=40.0)
    ahead, left = np.array([np.cos(0.5), np.sin(0.5), 0]), np.array([-np.sin(0.5), np.cos(0.5), 0])
    near, far = (eye.project(np.array([1.0, 2.0, 0.0]) + d * ahead + left) for d in (5, 10))
    assert near == pytest.approx((100 - 100 / 5, 40 + 200 / 5, 5))
    assert far[:2] - (100, 40) == pytest.approx((near[:2] - (100, 40)) / 2)


def test_somebody_elses_picture_is_fitted_undistorted_and_numbers_become_bars():
    fitted = canvas.resized(np.zeros((40, 20, 3), np.uint8), (30, 20))
    assert fitted.shape == (20, 30, 3)
    assert (fitted[:, 10:20] == 0).all()
    assert (fitted[:, :9] == 255).all()
    space = types.SimpleNamespace(low=np.array([-1.0, -np.inf]), high=np.array([1.0, np.inf]))
    low, high = (
        canvas.bars(np.array([x, 0.0]), np.array([0.0, x]), space, SIZE) for x in (-0.9, 0.9)
    )
    assert low.shape == (60, 80, 3)
    assert (low != high).any()


def test_a_lane_is_drawn_the_same_whenever_it_is_drawn_and_otherwise_elsewhere():
    env, state = lane()[0], np.array([0.4, 0.1, 2.0, 1.0])
    ghost = state + np.array([0.5, 0, 0, 0])
    first = env.draw(state, SIZE, ghost)
    others = [
        env.draw(state + np.eye(4)[i], SIZE) for i in range(4)
    ]  # also drives the first scene out of the cache
    scenery.car.cache_clear()
    again = env.draw(state, SIZE, ghost)
    assert (first.shape, first.dtype) == ((60, 80, 3), np.uint8)
    assert first.tobytes() == again.tobytes()
    assert len({picture.tobytes() for picture in [*others, first]}) == 5


def test_positive_offsets_are_left_and_the_ditch_is_in_the_picture():
    env = lane(bends=0.0)[0]
    place = [
        weight_left(env.draw(np.array([e, 0, 2.0, 1.0]), (200, 150)), YELLOW)
        for e in (4.3, 2.0, 0.0, -2.0, -4.3)
    ]
    assert place == sorted(place)
    assert -0.8 < place[0] < -0.4
    assert place[2] == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(
    "settings", [{"lipschitz": 1.0, "yaw": 1.0}, {"lipschitz": 2.5}, {"bends": 3.0}]
)
def test_every_road_can_be_drawn(settings):
    picture = lane(**settings)[0].draw(
        np.array([4.3, -1.6, 30.0, 80.0]), SIZE, np.array([0.0, 0.0, 29.0, 77.0])
    )
    assert picture.std() > 20


def test_a_twin_that_drives_on_is_seen_further_up_the_road():
    env, here = lane(bends=0.0)[0], np.array([-2.0, 0.0, 2.0, 1.0])
    rows = []
    for steps in (0, 40):
        ghost = np.array([0.0, 0.0, 2.0 + 0.07 * steps, 1.0 + 0.19 * steps])
        with_ghost, without = (
            env.draw(here, (200, 150), ghost).astype(int),
            env.draw(here, (200, 150)).astype(int),
        )
        rows.append(np.nonzero(np.abs(with_ghost - without).sum(-1))[0].mean())
    assert rows[1] < rows[0] - 20


def test_the_typical_rollout_is_the_median_of_all_and_says_where_there_is_none(record):
    last = record.data["divergence"].values[1, :, :, -1]
    assert last[video.typical(record.data, 1)] == np.sort(last, axis=None)[5]
    assert last[video.typical(record.data, 1, run=4)] == last[4].min()
    assert video.typical(record.data, 1, run=4, episode=1) == (4, 1)
    with pytest.raises(ValueError, match=r"run: expected 0 to 5, got 12; this record has 6"):
        video.typical(record.data, 1, run=12)
    with pytest.raises(ValueError, match=r"episode: expected 0 to 1, got -1"):
        video.typical(record.data, 1, episode=-1)


def test_a_film_is_readable_and_as_long_as_its_episode(record, tmp_path):
    path = video.film(record, tmp_path / "new" / "film.mp4", gif=tmp_path / "film.gif", fps=10)
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-i",
        str(path),
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    read = subprocess.run(command, capture_output=True, check=True)
    about = next(line for line in read.stderr.decode().splitlines() if "Video: h264" in line)
    frames = np.frombuffer(read.stdout, np.uint8).reshape(-1, *page_size(record), 3)
    assert all(words in about for words in ("yuv420p(tv, bt709", f"{video.WIDE}x", " 10 fps"))
    assert len(frames) == 13 + 10  # T + 1 states, and the last one for a second
    assert np.abs(frames[0].astype(int) - frames[12]).mean() > 1
    assert (tmp_path / "film.gif").read_bytes()[:4] == b"GIF8"
    assert [p.name for p in path.parent.iterdir()] == ["film.mp4"]


def test_a_page_tells_who_left_the_road_and_when(record):
    gone = np.argwhere(record.data["terminated"].values[1])
    run, episode = gone[0].tolist()
    page = video._Page(record, run, episode, None, None)
    end = int(record.data["length"].values[1, run, episode])
    orange = np.abs(page.image(end).astype(float) - canvas.rgb(canvas.colour_of(1))).sum(-1) < 6
    before = (
        np.abs(page.image(page.parted[1] - 1).astype(float) - canvas.rgb(canvas.colour_of(1))).sum(
            -1
        )
        < 6
    )
    assert orange.sum() > before.sum() + video.BAR * page.panel[0] / 2
    assert page.image(0).shape == (page.size[1], page.size[0], 3)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"run": 6}, "run: expected 0 to 5, got 6"),
        (
            {"learners": ["bc", "dager"]},
            "learners: expected names among expert, bc, idle, got dager",
        ),
        ({"path": "film.avi"}, r"path: expected a name that ends in \.mp4, got 'film\.avi'"),
    ],
)
def test_a_film_that_cannot_be_made_says_so_in_a_sentence_and_leaves_nothing(
    record, tmp_path, wrong, sentence
):
    with pytest.raises(ValueError, match=sentence):
        video.film(record, **{"path": tmp_path / "film.mp4", **wrong})
    assert not list(tmp_path.iterdir())


def test_what_breaks_off_leaves_nothing(tmp_path):
    def frames():
        yield np.zeros((32, 32, 3), np.uint8)
        raise KeyError("no more")

    with pytest.raises(KeyError):
        encode.write_mp4(tmp_path / "film.mp4", frames(), 10, (32, 32))
    assert not list(tmp_path.iterdir())


def test_an_infinite_divergence_stands_at_the_head_of_the_axes(record):
    data = record.data.copy(deep=True)
    data["divergence"][1, :, :, 5:] = np.inf
    data["divergence"][2] = 0.0  # a perfect copy has no place on a log axis
    page = video._Page(types.SimpleNamespace(data=data, env=record.env), 0, 0, None, None)
    assert page.parted[1] <= 5
    assert np.isfinite(page.axes.place(12, np.inf)).all()
    assert page.image(12).shape[2] == 3
