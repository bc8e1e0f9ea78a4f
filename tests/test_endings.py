"""Nothing is lost at the end: the Record is there whatever becomes of its pictures, and rounds whatever stops them."""

import gc
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from il_bench.envs.lane import Lane

import il_bench as il
from il_bench import run
from il_bench.jobs import session
from il_bench.records.record import Record
from il_bench.show import plots, video

QUICK = ["--seeds", "2", "--rollouts", "3", "--horizon", "12", "--hidden", "8", "--updates", "40"]
QUICK += ["--rounds", "3"]


def finished(capsys, *flags):
    """A run, whose Record must be there, and what was said, on one line."""
    run.main([*flags, *QUICK, "--out", "a"])
    assert il.load("a").learners[0] == "expert"
    return " ".join(capsys.readouterr().out.split())


def drawing(answer):
    """A `draw` that gives something else from its third call on."""
    calls = []
    real = Lane.draw

    def draw(self, state, size, *rest, **named):
        calls.append(1)
        return answer(size) if len(calls) > 2 else real(self, state, size, *rest, **named)

    return draw


def raising(size):
    raise RuntimeError("no such context")


PICTURES = {
    "none": lambda size: None,
    "grey": lambda size: np.zeros(size[::-1], np.uint8),
    "rgba": lambda size: np.zeros((*size[::-1], 4), np.uint8),
    "raises": raising,
}


@pytest.mark.parametrize("answer", PICTURES.values(), ids=PICTURES)
def test_a_picture_that_fails_costs_the_film_alone(monkeypatch, capsys, answer):
    monkeypatch.setattr(Lane, "draw", drawing(answer))
    monkeypatch.setattr(plots, "plot", lambda comparison, path: path.touch())
    words = finished(capsys)
    assert "rollout.mp4 is missing: " in words
    assert "the Record is kept (python -m il_bench.render a draws a film again" in words
    assert Path("a/drift.png").is_file()
    assert not [path for path in Path("a").iterdir() if path.name.startswith(".")]


@pytest.mark.usefixtures("no_figures")
def test_an_encoder_that_dies_costs_the_film_alone(monkeypatch, capsys):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    assert "rollout.mp4 is missing: film: the encoder failed (" in finished(capsys)
    gc.collect()


def test_a_disk_that_is_full_costs_the_pictures_alone(monkeypatch, capsys):
    def full(*rest, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plots, "plot", full)
    monkeypatch.setattr(video, "film", full)
    words = finished(capsys)
    assert "raised OSError ([Errno 28] No space left on device)" in words
    assert "rollout.mp4 is missing" in words


def test_a_training_that_diverges_is_a_record(capsys):
    words = finished(capsys, "--lr", "1e20")
    assert "NaN or infinite" in words
    assert Path("a/drift.png").is_file()


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(monkeypatch, capsys):
    monkeypatch.setattr(session, "_compared", lambda *rest: pytest.fail("worked"))
    Path("file").write_text("")
    for place in ("file", "file/a"):
        with pytest.raises(SystemExit):
            run.main([*QUICK, "--out", place])
        assert "il_bench: out: " in capsys.readouterr().err


@pytest.mark.usefixtures("no_figures")
def test_two_runs_that_choose_a_name_at_once_take_two(monkeypatch):
    real = Path.mkdir
    raced = []

    def mkdir(self, *rest, **named):
        if self.name == "lane-dagger-001" and not raced:
            raced.append(real(self, *rest, **named))  # another run was faster
        return real(self, *rest, **named)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    run.main([*QUICK, "--no-video"])
    assert il.load("runs/lane-dagger-002").learners


def test_a_run_that_fails_leaves_no_folder(monkeypatch, capsys):
    def fails(*rest, **named):
        raise ValueError("on purpose")

    monkeypatch.setattr(session, "compare", fails)
    with pytest.raises(SystemExit):
        run.main([*QUICK, "--out", "a"])
    assert not Path("a").exists()


def test_who_interrupts_the_pictures_is_told_that_the_record_is_kept(monkeypatch, capsys):
    def stops(*rest, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(plots, "plot", stops)
    with pytest.raises(SystemExit) as stop:
        run.main([*QUICK, "--no-video", "--out", "a"])
    assert stop.value.code == 130
    assert "il_bench: interrupted; the Record is kept in a\n" in capsys.readouterr().err
    assert il.load("a").learners


@pytest.mark.usefixtures("no_figures")
def test_a_folder_that_somebody_else_filled_costs_its_name_alone(monkeypatch, capsys):
    real = session.compare

    def meanwhile(*rest, **named):
        Path("a/theirs").touch()
        return real(*rest, **named)

    monkeypatch.setattr(session, "compare", meanwhile)
    run.main([*QUICK, "--no-video", "--out", "a"])
    said = capsys.readouterr().err
    assert "a already holds files; name a new folder; the Record is in " in said
    assert il.load("a-001").learners
    assert [path.name for path in Path("a").iterdir()] == ["theirs"]


@pytest.mark.usefixtures("no_figures")
def test_a_disk_that_became_full_costs_the_place_alone(monkeypatch, capsys, tmp_path):
    real = Record.save

    def save(self, path):
        if "packed" in path.parts:
            raise ValueError("out: cannot be written (No space left on device)")
        return real(self, path)

    monkeypatch.setattr(Record, "save", save)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    run.main([*QUICK, "--no-video", "--out", "packed/a"])
    assert "(No space left on device); the Record is in " in capsys.readouterr().err
    assert il.load("temporary/a-001").learners
    assert not Path("packed").exists()


def interrupted(monkeypatch, capsys, *flags):
    """A run that is interrupted after its training, and what it said."""
    with monkeypatch.context() as patch:

        def stops(*rest, **named):
            raise KeyboardInterrupt

        patch.setattr(session, "compare", stops)
        with pytest.raises(SystemExit) as stop:
            run.main([*flags, *QUICK, "--no-video"])
    assert stop.value.code == 130
    return capsys.readouterr().err


@pytest.mark.usefixtures("no_figures")
def test_an_interruption_says_what_was_kept_and_the_next_run_where_it_goes_on(monkeypatch, capsys):
    flags = ["--checkpoint-every", "2"]
    words = interrupted(monkeypatch, capsys, *flags)
    assert "interrupted; rounds are kept (3 of dagger); the same command goes on" in words
    run.main([*flags, *QUICK, "--no-video", "--out", "a"])
    assert "dagger goes on after round 3, which was kept" in capsys.readouterr().out
    run.main([*QUICK, "--no-video", "--out", "b"])
    one, two = il.load("a"), il.load("b")
    assert all(np.array_equal(one.arrays[name], two.arrays[name]) for name in one.arrays)
    assert not list(Path("runs/.rounds").iterdir())


@pytest.mark.usefixtures("no_figures")
def test_a_record_that_cannot_be_written_leaves_the_rounds(monkeypatch, capsys):
    def full(*rest, **named):
        raise ValueError("record: a cannot be written (No space left on device)")

    monkeypatch.setattr(Record, "save", full)
    with pytest.raises(SystemExit):
        run.main([*QUICK, "--rounds", "2", "--checkpoint-every", "1", "--no-video"])
    said = capsys.readouterr().err
    assert "cannot be written (No space left on device)" in said
    assert "; rounds are kept (2 of dagger)" in said
    assert list(Path("runs/.rounds").iterdir())


def test_an_interruption_without_kept_rounds_says_how_to_keep_them(monkeypatch, capsys):
    words = interrupted(monkeypatch, capsys)
    assert "interrupted; nothing was kept (--checkpoint-every 1 keeps the rounds" in words


@pytest.mark.usefixtures("no_figures")
def test_an_ascii_console_is_no_reason_to_fail(monkeypatch):
    bytes_written = io.BytesIO()
    console = io.TextIOWrapper(bytes_written, encoding="ascii")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", console)
        run.main([*QUICK, "--no-video", "--out", "a"])
    console.flush()
    said = bytes_written.getvalue().decode("ascii")
    assert "the Record: il.load(folder)" in said
    with pytest.raises(UnicodeEncodeError):  # as it would have been, had the command not seen to it
        io.TextIOWrapper(io.BytesIO(), encoding="ascii").write("±")
