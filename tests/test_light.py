"""Help answers without torch, whatever a command imports for its work."""

import json
import os
import subprocess
import sys

import pytest

import il_bench as il
from il_bench.cli import light

ASK = """
import importlib, json, os, sys
import il_bench

def ask(module, args, light):
    try:
        importlib.import_module(f"il_bench.{module}").main([*args, "--help"])
    except SystemExit as stop:
        assert not stop.code, stop.code
    if not light:
        return
    heavy = {"torch", "scipy", "stable_baselines3", "xarray", "typeguard"} & set(sys.modules)
    assert not heavy, f"imported {sorted(heavy)}"

for name, args in json.loads(sys.argv[1]).items():
    child = os.fork()
    if not child:
        for stream, end in (sys.stdout, "out"), (sys.stderr, "err"):
            os.dup2(os.open(f"{name}.{end}", os.O_WRONLY | os.O_CREAT), stream.fileno())
        ask(name.split()[0], args, name not in sys.argv[2:])
        sys.exit()
    os.waitpid(child, 0)
"""
"""Every command in a process of its own, each of which has imported `il_bench` and nothing else."""

COMMANDS = {
    "run": [],
    "run --algo": ["--algo", *il.LEARNERS],
    "run --net": ["--algo", "bc", "--net", "gru"],
    "run --env": ["--env", "golden"],
    "sweep": [],
    "table": [],
    "render": [],
    "measure": [],
    "measure --policy": ["--policy", "mine:act", "--env", "tube"],
    "certify": [],
    "certify lane": ["lane"],
    "sb3 train": ["train"],
    "fetch": [],
    "museum": [],
    "ranking": [],
}


HEAVY = ("run --algo", "run --net", "run --env")
"""Those that name classes whose files ask for parts of torch as soon as they are read: they answer, and later."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The folder of what the commands say."""
    folder = tmp_path_factory.mktemp("help")
    words = [sys.executable, "-c", ASK, json.dumps(COMMANDS), *HEAVY]
    subprocess.run(words, cwd=folder, check=True)
    return folder


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command, answers):
    assert (answers / f"{command}.err").read_text() == ""
    assert "usage" in (answers / f"{command}.out").read_text()


def test_what_is_postponed_is_imported_when_it_is_used():
    sys.modules.pop("colorsys", None)
    with light.postponed("colorsys"):
        import colorsys
    assert "colorsys" not in sys.modules
    assert colorsys.rgb_to_hsv(0, 0, 1) == (2 / 3, 1, 1)
    assert "colorsys" in sys.modules


def test_a_part_of_what_is_postponed_is_postponed_as_well():
    """`import torch.nn` was said to be not installed: help on recurrent nets, texts and many a file of one's own ended so."""
    names = ("xml", "xml.sax", "xml.sax.saxutils")
    kept = {name: sys.modules.pop(name, None) for name in names}
    try:
        with light.postponed("xml"):
            import xml.sax.saxutils as one

            assert isinstance(one, light.Postponed)
            assert one.escape("<") == "&lt;"
            from xml.sax.saxutils import escape
        assert not any(isinstance(sys.modules[name], light.Postponed) for name in names)
        assert escape is one.escape
    finally:
        sys.modules.update({name: module for name, module in kept.items() if module})


def test_nothing_stands_in_after_a_mistake():
    sys.modules.pop("colorsys", None)
    with pytest.raises(KeyError), light.postponed("colorsys"):
        raise KeyError("no such environment")
    assert "colorsys" not in sys.modules
