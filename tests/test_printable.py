"""Names do nothing where they are shown: no escape reaches a terminal, no markup or mathematics is read."""

import ast
import io
import shutil
import sys
from pathlib import Path

import pytest
from matplotlib.text import Text

import il_bench as il
from il_bench import measure, render, run, table
from il_bench.cli.console import console
from il_bench.cli.progress import progress
from il_bench.core.printable import harmless
from il_bench.paint.canvas import Canvas
from il_bench.show import terminal

ROOT = Path(__file__).parents[1]
HOSTILE = "a\x1b[31mb\x1b]0;c\x07[/b]\x9b2J\u202ed\x00\ud800"
ACTING = "\x1b\x07\x9b\u202e\x00\ud800"
MATHEMATICS = "$x^$ [red]_$"


def quiet(text):
    return not set(text) & set(ACTING)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A Record whose names are all a stranger's."""
    env = il.make("tube", horizon=6, lipschitz=(1.0, 1.1), seeds=1)
    expert = il.expert(env)
    names = ("copy", "other")
    record = il.compare(env, expert, {name: expert for name in names}, episodes=2)
    config = record.config
    config["learners"] = ["expert", HOSTILE, MATHEMATICS]
    config["runs"][HOSTILE] = config["runs"].pop("lipschitz")
    config["one"] = []
    config["metric"] = config["expert"] = HOSTILE + MATHEMATICS
    config["warnings"] = [HOSTILE, MATHEMATICS]
    config["env"]["name"] = HOSTILE
    return record.save(tmp_path_factory.mktemp("kept") / "record")


def test_what_acts_is_spelled_out_and_the_rest_stays():
    assert harmless("é ± 長 [b]\n") == "é ± 長 [b]\n"
    assert harmless("\x1b[2J\r\n", breaks="") == r"\x1b[2J\r\n"
    assert quiet(harmless(HOSTILE))


def test_a_console_keeps_its_own_colours_alone(monkeypatch):
    paper = io.StringIO()
    monkeypatch.setattr(sys, "stdout", paper)
    monkeypatch.setenv("FORCE_COLOR", "1")
    console().print(f"[bold]{HOSTILE}", markup=False, highlight=False)
    console().print("[bold]own[/bold]", end="")
    first, own = paper.getvalue().splitlines()
    assert quiet(first)
    assert "[bold]" in first
    assert own.startswith("\x1b[1m")


def test_a_bar_takes_names_as_they_are(capsys):
    with progress(counted=True) as add:
        add("[b]x\x1b[2J")(1, "[/b]\x1b[2J")
    said = capsys.readouterr().out
    assert quiet(said)
    assert "[b]x" in said
    assert "[/b]" in said


def test_a_table_is_as_wide_as_it_shows(capsys):
    cells = {HOSTILE: (HOSTILE, ""), "[b]L[/b]": ("[red]", ""), "D at t=1": ("1", "[0, 2]")}
    for part in terminal.tables_of([cells], 200):
        console().print(part)
    said = capsys.readouterr().out
    assert quiet(said)
    assert "[b]L[/b]" in said
    assert "…" not in said


COMMANDS = {
    "measure": (measure.main, ["{record}"]),
    "another place": (run.main, ["--out", HOSTILE.replace("\x00", "") + "/" + "n" * 300]),
    "another environment": (run.main, ["--env", HOSTILE]),
    "another file's": (run.main, ["--env", f"{HOSTILE}:{HOSTILE}"]),
    "another learner": (run.main, ["--algo", HOSTILE]),
    "another flag": (run.main, [f"--{HOSTILE}", "1"]),
    "another value": (run.main, ["--lipschitz", HOSTILE]),
    "repetition": (run.main, ["--from", "{record}"]),
    "no record": (render.main, [HOSTILE.replace("\x00", "")]),
    "no results": (table.main, [HOSTILE.replace("\x00", "")]),
    "render": (render.main, ["{record}", "--learners", HOSTILE]),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_no_command_says_a_name_that_acts(case, compared, capsys, tmp_path):
    main, words = COMMANDS[case]
    folder = shutil.copytree(compared, tmp_path / "copy")
    try:
        main([word.format(record=folder) if word[0] == "{" else word for word in words])
    except SystemExit as stop:
        assert stop.code == 2
    said = capsys.readouterr()
    assert said.out + said.err
    assert quiet(said.out + said.err)


@pytest.mark.filterwarnings("error")
def test_figures_show_names_as_they_are(compared):
    """A name that matplotlib reads as mathematics would keep the figure from being drawn."""
    record = il.load(compared)
    figure = il.plot(record)
    figure.canvas.draw()
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert all(map(quiet, texts))
    assert any(r"\$x^\$ [red]_\$" in text for text in texts)


def test_a_canvas_writes_any_name():
    assert Canvas((80, 20)).text(HOSTILE, (0, 10)) > 10


def test_commands_speak_through_the_console_alone():
    """A bare print would let a name act."""
    spoken = [*ROOT.glob("il_bench/*.py"), *ROOT.glob("il_bench/jobs/*.py")]
    for path in spoken:
        calls = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        ]
        words = [call for call in calls if getattr(call.func, "id", "") == "print" and call.args]
        assert not words, path.name
