"""Canvas, the lane's picture and films: pure, antialiased, without a display, whole or not at all."""

import inspect
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import imageio_ffmpeg
import numpy as np
import pytest
import torch
import xarray
from conftest import tiny

import il_bench as il
from il_bench.core.rollout import by_expert, rollout
from il_bench.paint import actors, camera, canvas
from il_bench.show import axes, encode, painter, sheet, style, take, trace, video

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
    return video.sheet_of(record).size[::-1]


def as_record(data, env, uncoupled=0.0):
    """A Record as far as films look into it, in which learners did not share their noise in some of the rollouts."""
    shares = np.full(data.sizes["run"], uncoupled)
    return types.SimpleNamespace(data=data, env=env, uncoupled=lambda learner: shares)


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
    return as_record(data.assign_coords(learner=["expert", "bc", "idle"], **runs), env)


def test_importing_pictures_opens_no_display_and_waits_with_pygame():
    code = "import sys, il_bench.paint.canvas, il_bench.paint.actors; assert 'pygame' not in sys.modules"
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
    actors.car.cache_clear()
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
    assert last[take.typical(record.data, 1)] == np.sort(last, axis=None)[5]
    assert last[take.typical(record.data, 1, run=4)] == last[4].min()
    assert take.typical(record.data, 1, run=4, episode=1) == (4, 1)
    with pytest.raises(ValueError, match=r"run: expected 0 to 5, got 12; this record has 6"):
        take.typical(record.data, 1, run=12)
    with pytest.raises(ValueError, match=r"episode: expected 0 to 1, got -1"):
        take.typical(record.data, 1, episode=-1)


def apart_at(*steps):
    """Data of one run whose copies come apart at some steps of 10, once and for all; those at None never."""
    drift = np.zeros((2, 1, len(steps), 11))
    for episode, step in enumerate(steps):
        if step is not None:
            drift[1, 0, episode, step:] = 1.0
    dims = ("learner", "run", "episode", "time")
    return xarray.Dataset({"divergence": (dims, drift)}, {"learner": ["expert", "bc"]})


@pytest.mark.parametrize(
    ("steps", "episode", "note"),
    [
        ((None, None, None, 7, None, 2, None, 5), 7, "bc ends apart in 38 %; here is one"),
        ((None, None), 0, "bc ends apart in none"),
        ((4, 1, 9), 0, "bc ends apart in all; here is one"),
        ((3,), 0, ""),
    ],
)
def test_of_rollouts_that_part_or_do_not_a_film_shows_one_that_parts(steps, episode, note):
    """The median of an indicator of which most are 0 is a rollout in which nothing happens."""
    data = apart_at(*steps)
    assert take.typical(data, 1, indicator=True) == (0, episode)
    assert take.parting(data, 1) == note
    assert take.typical(data, 1, episode=0, indicator=True) == (0, 0)
    assert take.parting(data, 1, episode=0) == ""


def test_a_film_of_an_indicator_says_of_how_many_its_rollout_is_one():
    env = il.make("parity", horizon=6, seeds=2)
    bc = il.BC(1, il.Training(hidden=(4,), updates=2)).learn(env, il.expert(env))
    record = il.compare(env, il.expert(env), episodes=12, bc=bc)
    chosen = take.typical_take(record, 1)
    apart = record.arrays["divergence"][1, ..., -1]
    assert chosen.drift[1, -1] == 1
    assert take.film_title([chosen], None).endswith(f"in {100 * apart.mean():.0f} %; here is one")
    assert "ends apart" not in take.film_title([take.typical_take(record, 1, 0, 0)], None)


def test_a_film_does_not_say_that_noise_was_shared_which_was_not(record):
    here, there = (take.typical_take(as_record(record.data, record.env, x), 1) for x in (0.0, 0.3))
    assert here.coupled
    assert not there.coupled
    unlike = [sheet.Sheet([one], [0, 1], "lane").image(0)[: sheet.HEAD] for one in (here, there)]
    assert (unlike[0] != unlike[1]).any()


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
    assert all(words in about for words in ("yuv420p(tv, bt709", f"{sheet.WIDE}x", " 10 fps"))
    assert len(frames) == 13 + 10  # T + 1 states, and the last one for a second
    assert np.abs(frames[0].astype(int) - frames[12]).mean() > 1
    assert (tmp_path / "film.gif").read_bytes()[:4] == b"GIF8"
    assert [p.name for p in path.parent.iterdir()] == ["film.mp4"]


def near(picture, colour, within=6):
    """Which pixels are close to a colour."""
    return np.abs(picture.astype(float) - canvas.rgb(colour)).sum(-1) < within


def test_a_page_tells_who_left_the_road_and_when_and_hides_nothing_of_the_picture(record):
    gone = np.argwhere(record.data["terminated"].values[1])
    run, episode = gone[0].tolist()
    page = video.sheet_of(record, run, episode)
    block = page.blocks[0]
    end = int(record.data["length"].values[1, run, episode])
    before = block.trace._parted[1] - 1
    orange, none = (near(page.image(t), canvas.colour_of(1)).sum() for t in (end, before))
    assert orange > none + canvas.BANNER * block.layout.panel[0] / 2
    assert page.image(0).shape == (*page.size[::-1], 3)
    size = block.layout.panel
    left, top = block.parts[1].left, sheet.HEAD + sheet.CAPTION
    shown = sheet.Part(left, top, *size).of(page.image(end))
    state = record.data["state"].values[:, run, episode, end]
    assert (shown == block.panels[1].painter.picture(1, end)).all()
    assert shown.tobytes() == drawn_by_hand(record.env[run], state[1], size, state[0])


def drawn_by_hand(env, state, size, ghost):
    """The first learner's picture, in its colour where `draw` knows one."""
    parameters = inspect.signature(env.draw).parameters
    how = {"colour": canvas.colour_of(1)} if "colour" in parameters else {}
    return env.draw(state, size, ghost, **how).tobytes()


def test_a_page_is_the_same_whatever_was_painted_before(record):
    page, fresh = (video.sheet_of(record, 0, 0) for _ in range(2))
    for t in (3, 12, 7):
        page.image(t)
    assert (page.image(5) == fresh.image(5)).all()


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


ENCODERS = {
    "dies": "kill -9 $$",
    "stops reading": "exit 0",
    "ends in an error": "cat > /dev/null; echo half > $last; echo 'disk is full' >&2; exit 1",
    "outgrows its limit": "cat > /dev/null; echo half > $last; kill -XFSZ $$",
}
"""What is done in place of the encoder, a line of shell each; $last is the file that it should write."""


@pytest.mark.parametrize("line", ENCODERS.values(), ids=ENCODERS)
def test_an_encoder_that_fails_leaves_a_sentence_and_what_was_there(tmp_path, monkeypatch, line):
    program = tmp_path / "encoder"
    program.write_text(f"#!/bin/sh\nfor last; do :; done\n{line}\n")
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    (tmp_path / "film.mp4").write_bytes(b"before")
    frames = [np.zeros((64, 64, 3), np.uint8)] * 100
    with pytest.raises(ValueError, match=r"film: the encoder failed \(.+\); mend that, or name"):
        encode.write_mp4(tmp_path / "film.mp4", frames, 10, (64, 64))
    assert (tmp_path / "film.mp4").read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["encoder", "film.mp4"]


def test_an_encoder_that_is_not_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    with pytest.raises(ValueError, match="film: the encoder cannot be started"):
        encode.write_mp4(tmp_path / "film.mp4", [], 10, (32, 32))


def test_a_film_may_be_called_as_a_protocol_is(record, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    video.film(record, "http:film.mp4", gif="-film.gif")
    assert Path("-film.gif").read_bytes().startswith(b"GIF89a")


def test_an_infinite_divergence_stands_at_the_head_of_the_axes(record):
    data = record.data.copy(deep=True)
    data["divergence"][1, :, :, 5:] = np.inf
    data["divergence"][2] = 0.0
    page = video.sheet_of(as_record(data, record.env), 0, 0)
    block = page.blocks[0]
    assert block.trace._parted[1] <= 5
    assert np.isfinite(block.trace._axes.place(12, np.inf)).all()
    assert page.image(12).shape[2] == 3


def test_zero_has_a_place_of_its_own_below_the_decades_and_a_chance_goes_from_0_to_1():
    decades = axes.Axes((100, 100), (10, 10, 10, 10), 10, low=-3, high=1)
    rows = decades.place(0, [0.0, 1e-9, 1e-3, 10.0, np.inf])[:, 1]
    assert rows.tolist() == [90, 90 - axes.NOUGHT, 90 - axes.NOUGHT, 10, 10]
    chance = axes.Axes((100, 100), (10, 10, 10, 10), 10)
    assert chance.place(0, [0.0, 0.5, 1.0])[:, 1].tolist() == [90, 50, 10]


def test_a_learner_has_its_look_whoever_stands_beside_it():
    assert style.looks(["expert", "bc", "dagger"]) == (0, 1, 2)
    assert style.looks(["expert", "dagger", "mine", "yours", "bc"]) == (0, 2, 3, 4, 1)
    # Readers of logs have the hue that they have without company, and a line without gaps.
    assert style.looks(["expert", "naive", "corrected"]) == (0, 4, 3)
    assert style.looks(["expert", "bc", "corrected", "naive", "dagger"]) == (0, 1, 3, 4, 2)
    assert style.looks(["expert", "chunk", "corrected"]) == (0, 3, 1)
    names = [*style.LOOKS, "mine", "yours"]
    looks = {(canvas.colour_of(k), style.pattern_of(k)) for k in style.looks(names)}
    assert len(looks) == len(names)
    assert all(name == "expert" or name in il.LEARNERS for name in style.LOOKS)


def test_colour_and_pattern_of_a_learner_never_repeat_and_at_most_eight_colours_do_it():
    looks = {(canvas.colour_of(k), style.pattern_of(k)) for k in range(40)}
    assert len(looks) == 40
    assert len({colour for colour, _ in looks}) <= 8
    assert not any(style.pattern_of(k) for k in range(7))


def test_a_pattern_leaves_out_what_it_says():
    strip = canvas.Canvas((200, 8))
    style.paint_line(strip, np.array([(0.0, 4.0), (200.0, 4.0)]), 7)
    row = near(strip.image()[4:5], canvas.colour_of(7))
    assert 0.5 < row.mean() < 0.9


@dataclass(frozen=True)
class Screen:
    """A picture of a square at x, by a `draw` that knows no ghost, or no colour."""

    indicator: ClassVar = False
    ending: ClassVar = "ended"
    draws_path: ClassVar = False

    def draw(self, state, size, ghost=None):
        picture = np.full((size[1], size[0], 3), 250, np.uint8)
        left = int(state[0])
        picture[10:20, left : left + 10] = (120, 20, 20)
        return picture


def screen_take(env):
    state = np.zeros((2, 4, 1))
    state[1] += np.array([0, 10, 20, 30])[:, None]
    drift, end = np.abs(state[..., 0]), np.array([4, 4])
    return take.Take(env, "", ("expert", "bc"), state, drift, end, 1.0, bounded=False)


def test_a_distance_that_is_0_or_1_is_said_in_words():
    class Same(Screen):
        indicator: ClassVar = True

    own = screen_take(Same())
    size = (300, 224)
    panel = sheet.Panel(own, 1, painter.Painter(own, size), size)
    assert [panel._distance(time) for time in (0, 3)] == ["same", "apart"]
    layout = trace.axes_of([own], [0, 1], sheet.WIDE)
    assert [words for _, words in layout._values()] == ["same", "apart"]
    plain = screen_take(Screen())
    assert sheet.Panel(plain, 1, painter.Painter(plain, size), size)._distance(3) == "D = 30"


def test_the_twin_is_laid_over_a_picture_that_cannot_show_it():
    pictures = painter.Painter(screen_take(Screen()), (80, 60))
    shown = pictures.picture(1, 3)
    assert (shown[15, 35] == (120, 20, 20)).all()
    twin = shown[15, 5].astype(float)
    assert np.abs(twin - canvas.rgb(canvas.colour_of(0))).sum() < 150
    assert (shown[40] == 250).all()


def test_a_twin_that_hides_behind_its_learner_at_first_is_not_laid_over_it():
    class Hidden(Screen):
        def draw(self, state, size, ghost=None):
            picture = super().draw(state, size)
            if ghost is not None and ghost[0] > state[0]:
                picture[10:20, int(ghost[0]) + 10] = (0, 0, 200)
            return picture

    assert painter.Painter(screen_take(Hidden()), (80, 60))._shows_twin
    assert not painter.Painter(screen_take(Screen()), (80, 60))._shows_twin


def test_a_body_has_its_learner_s_colour_where_draw_knows_one():
    class Coloured(Screen):
        def draw(self, state, size, ghost=None, colour=None):
            return np.full((size[1], size[0], 3), canvas.rgb(colour), np.uint8)

    pictures = painter.Painter(screen_take(Coloured()), (8, 6))
    for k in (0, 1):
        assert (pictures.picture(k, 2) == canvas.rgb(canvas.colour_of(k))).all()


def test_several_settings_stand_side_by_side(record, tmp_path):
    page = video.sheet_of(record, by="lipschitz")
    assert [block.words.split("    ")[0] for block in page.blocks] == [
        "L = 1.2",
        "L = 1.4",
    ]
    assert [panel.learner for panel in page.blocks[0].panels] == [1, 2]
    assert page.image(12).shape == (*page.size[::-1], 3)
    assert video.film(record, tmp_path / "by.mp4", by="lipschitz").stat().st_size > 1000
    with pytest.raises(ValueError, match=r"by: expected a setting .* \(lipschitz\), got wind"):
        video.sheet_of(record, by="wind")


def test_a_notebook_plays_a_film_that_no_file_holds(record, tmp_path):
    clip = video.film(record, fps=5)
    assert clip._repr_html_().startswith("<video controls")
    assert b"ftyp" in clip.mp4[:16]
    assert clip.save(tmp_path / "new" / "clip.mp4").read_bytes() == clip.mp4


def test_a_clip_is_saved_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"before")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(ValueError, match=r"film: .* cannot be written \(No space left on device\)"):
        video.Clip(b"film").save(path)
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 1e300, 1e-300])
def test_no_divergence_breaks_a_film(record, value):
    data = record.data.copy(deep=True)
    data["divergence"][:] = value
    page = video.sheet_of(as_record(data, record.env))
    pages = [page.image(time) for time in (0, 6, 12)]
    assert len({part.shape for part in pages}) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308, -1e308, 1e9, 1e6])
@pytest.mark.parametrize("name", il.ENVS)
def test_a_state_that_no_rollout_reaches_is_drawn_or_refused_at_once(name, value):
    """A hostile Record holds any state: a road was summed up over 1e9 steps for one frame."""
    env = tiny(name)
    size = len(env.states)
    start = np.zeros(size)
    far = np.full(size, value)
    horizon = env.horizon
    drift = np.zeros((2, horizon + 1))
    state = np.stack([np.tile(start, (horizon + 1, 1)), np.tile(far, (horizon + 1, 1))])
    end = np.full(2, horizon + 1)
    rollout = take.Take(env, "", ("expert", "copy"), state, drift, end, 1.0, False)
    try:
        painter.Painter(rollout, (64, 48)).picture(1, 1)
    except ValueError as error:
        assert str(error).startswith(f"film: {name} has no picture of the state [")


def test_a_text_is_shaded_by_how_far_its_writer_s_chances_are():
    """By the Record's own numbers where it tells them, each learner by its own; who tells none by what its symbols cost."""
    env = il.make("keyed", horizon=6, slip=0.5)
    policy = il.BC(2, il.Training(net="gru", updates=2, units=4)).learn(env, il.expert(env))
    record = il.compare(env, il.expert(env), bc=policy, episodes=2)
    shown = take.take_of(record, 0, 1)
    assert np.array_equal(shown.kl, record.arrays["kl_on"][:, 0, 1])
    size = (120, 120)
    pictures = painter.Painter(shown, size)
    state, ghost = shown.state[1], shown.state[0]
    drawn = env.draw(state, size, ghost, canvas.colour_of(1), kl=shown.kl[1])
    assert np.array_equal(pictures.picture(1, 6), drawn)
    nothing = env.draw(state, size, ghost, canvas.colour_of(1), kl=np.zeros(6))
    assert not np.array_equal(nothing, drawn)
    del record.arrays["kl_on"]
    plain = painter.Painter(
        take.take_of(il.Record(record.arrays, record.config, known_env=env), 0, 1), size
    )
    assert np.array_equal(plain.picture(1, 6), env.draw(state, size, ghost, canvas.colour_of(1)))


@pytest.mark.parametrize(
    "name", ["golden", "clock", "keyed", "dyck", "expanding", "recall", "noisy", "text"]
)
def test_every_language_is_shaded(name):
    env = il.make(name, horizon=4)
    record = il.compare(env, il.expert(env), copy=il.expert(env), episodes=1)
    path, size = record.arrays["state"][1, 0, 0], (100, 100)
    pale = env.draw(path, size, kl=np.zeros(4))
    deep = env.draw(path, size, kl=np.full(4, 9.0))
    assert pale.sum() > deep.sum()
