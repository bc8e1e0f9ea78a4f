"""Help answers without torch, whatever a command imports for its work."""

import subprocess
import sys

import pytest

from il_bench.cli import light

ASK = """
import sys, importlib
module, *args = sys.argv[1:]
try:
    importlib.import_module(f"il_bench.{module}").main([*args, "--help"])
except SystemExit as stop:
    assert not stop.code, stop.code
heavy = {"torch", "scipy", "stable_baselines3", "xarray", "typeguard"} & set(sys.modules)
sys.exit(f"imported {sorted(heavy)}" if heavy else 0)
"""

COMMANDS = {
    "run": [],
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


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command):
    module = command.split()[0]
    asked = subprocess.run(
        [sys.executable, "-c", ASK, module, *COMMANDS[command]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    assert "usage" in asked.stdout


def test_what_is_postponed_is_imported_when_it_is_used():
    sys.modules.pop("colorsys", None)
    with light.postponed("colorsys"):
        import colorsys
    assert "colorsys" not in sys.modules
    assert colorsys.rgb_to_hsv(0, 0, 1) == (2 / 3, 1, 1)
    assert "colorsys" in sys.modules


def test_nothing_stands_in_after_a_mistake():
    sys.modules.pop("colorsys", None)
    with pytest.raises(KeyError), light.postponed("colorsys"):
        raise KeyError("no such environment")
    assert "colorsys" not in sys.modules
