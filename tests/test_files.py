"""Files: a place is reserved before the work and can be written after it; what was there before is not touched."""

import os
import stat

import pytest

from il_bench.core import files

PLACES = {
    "new": "a/b/c",
    "long": "n" * 248,
    "markup": "x[/b]",
    "here": ".",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_reservation_that_was_not_used_leaves_things_as_they_were(tmp_path, place):
    with pytest.raises(KeyError), files.reservation(place):
        raise KeyError
    assert tmp_path.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_that_was_there_stays(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to("mine")
    (tmp_path / "mounted" / "lost+found").mkdir(parents=True)
    (tmp_path / "killed" / ".il_bench-draft-123").mkdir(parents=True)
    for place in ("mine", "link", "mounted", "killed"):
        with files.reservation(place) as folder:
            (folder / "file").touch()
            (folder / "file").unlink()
        assert (tmp_path / place).is_dir()


def test_what_was_filled_stays(tmp_path):
    with files.reservation("a/b") as folder, files.filling(folder, "last") as draft:
        (draft / "last").touch()
    assert (tmp_path / "a/b/last").is_file()


def test_next_numbers_are_taken_once_and_names_are_cut(tmp_path):
    stem = "[x]é" * 99
    with (
        files.next_reservation(tmp_path, stem) as one,
        files.next_reservation(tmp_path, stem) as two,
    ):
        assert (one.name[-4:], two.name[-4:]) == ("-001", "-002")
        (two / "file").touch()
    with files.next_reservation(tmp_path, stem) as three:
        assert three.name.endswith("-003")
    assert [path.name for path in tmp_path.iterdir()] == [two.name]


def test_what_a_killed_run_left_is_swept_away_by_the_next(tmp_path):
    draft = tmp_path / "x-001" / ".il_bench-draft-123"
    young = tmp_path / "x-002" / ".il_bench-draft-456"
    for left in (draft, young):
        left.mkdir(parents=True)
    os.utime(draft, (0, 0))
    with files.next_reservation(tmp_path, "x") as folder:
        assert folder.name == "x-003"
    assert not draft.exists()
    assert young.exists()


def test_nobody_else_s_folder_is_taken_for_a_draft(tmp_path):
    mine = tmp_path / ".draft-of-a-thesis"
    mine.mkdir()
    os.utime(mine, (0, 0))
    with pytest.raises(ValueError, match="already holds files"), files.reservation("."):
        pass
    assert mine.is_dir()


def test_a_file_may_have_the_longest_name_there_is(tmp_path):
    files.write_whole(tmp_path / ("n" * 255), b"content")


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "place").symlink_to("mine")
    files.write_whole(tmp_path / "place", b"new")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "place").is_symlink()


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_files_follow_the_mask(tmp_path, mask):
    before = os.umask(mask)
    try:
        files.write_whole(tmp_path / "file", b"")
        with files.reservation("folder") as folder, files.filling(folder, "last") as draft:
            (draft / "last").touch()
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    plain = 0o666 & ~mask
    assert modes == {"file": plain, "last": plain, "folder": 0o777 & ~mask}
