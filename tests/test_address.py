"""A result is what its address says: the address covers all that made the numbers, and a flipped bit is noticed."""

import dataclasses
import os
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import il_bench as il
from il_bench import sweep
from il_bench.datasets import letters
from il_bench.jobs import digest, imports, plan, store
from il_bench.jobs.sealed import CHECKSUM, opened, sealed

ACT = "def act(obs):\n    return {} * obs[:, :1]\n"
CLASS = "class Agent:\n    def __init__(self, gain):\n        self.gain = gain\n"
CLASS += "    def __call__(self, obs):\n        return self.gain * obs[:, :1]\n"
EXPERTS = {
    "a constant": ("from aid import GAIN\n" + ACT.format("GAIN"), "GAIN = -0.5\n"),
    "within a function": ("def act(obs):\n    import aid\n    return aid.GAIN * obs[:, :1]\n", "GAIN = -0.5\n"),
    "an object": ("from aid import Agent\nact = Agent(-0.5)\n", CLASS),
    "a partial": (
        "from functools import partial\nfrom aid import push\nact = partial(push, -0.5)\n",
        "def push(gain, obs):\n    return gain * obs[:, :1]\n",
    ),
}  # fmt: skip
"""An expert on the desk, and the file beside it that it uses."""


@pytest.fixture(autouse=True)
def _desk(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))


def address(*flags):
    """What one run is made of; files are imported anew."""
    for name in ("mine", "aid", "kit", "kit.aid", "kit.mine"):
        sys.modules.pop(name, None)
    options, settings = plan.asked([*flags, "--seeds", "1"])
    pairs = [(env, algo) for env in options.env for algo in options.algo]
    (group,) = plan.planned(options, settings, pairs)[0]
    return group.code


def difference(file, *flags):
    """In what the code differs after a file was edited; nothing before."""
    before = address(*flags)
    assert address(*flags).address == before.address
    with Path(file).open("a") as source:
        source.write("# another\n")
    return before.apart(address(*flags))


@pytest.mark.parametrize("edited", ["mine", "aid"])
@pytest.mark.parametrize(("mine", "aid"), EXPERTS.values(), ids=EXPERTS)
def test_an_expert_and_whatever_it_imports_count(mine, aid, edited):
    Path("mine.py").write_text(mine)
    Path("aid.py").write_text(aid)
    flags = ("--env", "lane", "--algo", "bc", "--expert", "mine:act")
    assert difference(f"{edited}.py", *flags) == edited


def test_a_package_is_followed_by_its_relative_imports():
    Path("kit").mkdir()
    Path("kit/__init__.py").write_text("")
    Path("kit/aid.py").write_text("GAIN = -0.5\n")
    Path("kit/mine.py").write_text("from .aid import GAIN\n" + ACT.format("GAIN"))
    flags = ("--env", "lane", "--algo", "bc", "--expert", "kit.mine:act")
    assert difference("kit/aid.py", *flags) == "kit.aid"
    assert difference("kit/__init__.py", *flags) == "kit"


POLE = """
import gymnasium
from aid import LENGTH
def make():
    env = gymnasium.make("CartPole-v1")
    env.unwrapped.length = LENGTH
    return env
def act(obs):
    return (obs[:, 2] > 0).astype(int)
gymnasium.register("Mine-v0", entry_point=make)
"""


@pytest.mark.parametrize("env", ["mine:make", "mine:Mine-v0"])
def test_a_gymnasium_environment_of_a_file_counts_with_what_it_imports(env):
    Path("mine.py").write_text(POLE)
    Path("aid.py").write_text("LENGTH = 0.5\n")
    flags = ("--env", env, "--algo", "bc", "--expert", "mine:act", "--horizon", "5")
    gymnasium.registry.pop("Mine-v0", None)
    with warnings.catch_warnings(action="ignore"):  # it registers itself again
        assert difference("aid.py", *flags) == "aid"
        assert difference("mine.py", *flags) == "mine"
    gymnasium.registry.pop("Mine-v0", None)


def test_versions_of_packages_count_and_are_named(monkeypatch):
    flags = ("--env", "tube", "--algo", "bc")
    before = address(*flags)
    monkeypatch.setattr(imports, "version", {"numpy": "1.0.0", "torch": "2.0.0"}.get)
    different = before.apart(address(*flags))
    assert f"numpy ({np.__version__}, there 1.0.0)" in different
    assert "scipy (only here)" in different
    monkeypatch.undo()
    assert imports.version("sklearn") == imports.version("scikit-learn") != ""
    assert imports.version("no_such_package") == ""


def test_a_net_counts_with_the_package_that_it_uses():
    parts = dict(address("--env", "tube", "--algo", "bc", "--net", "svm").parts)
    assert parts["sklearn"] == imports.version("scikit-learn")


def test_letters_count_by_content(monkeypatch, tmp_path):
    env = il.make("ocr")
    things = (env, il.BC(), il.expert(env))
    before = digest.code_of(*things)
    file = tmp_path / letters.FILE
    file.write_bytes(letters.file().read_bytes() + b" ")
    monkeypatch.setattr(letters, "file", lambda: file)
    different = before.apart(digest.code_of(*things))
    assert different == f"data {letters.FILE}"


def test_a_zip_that_is_spelled_with_its_algorithm_counts():
    class Zip:
        spelling = "sb3:PPO:agent.zip"

    @dataclasses.dataclass
    class Expert:
        source: object = dataclasses.field(default_factory=Zip)

    env, keys = il.make("lane"), set()
    for content in (b"1", b"2"):
        Path("agent.zip").write_bytes(content)
        keys.add(digest.code_of(env, il.BC(), Expert()).address)
    assert len(keys) == 2


def test_a_network_counts_by_its_weights():
    env = il.make("lane")
    network = torch.nn.Linear(env.observation_space.shape[0], 1)
    expert = il.expert(env, network)
    before = digest.code_of(env, il.BC(), expert)
    with torch.no_grad():
        network.bias += 1
    assert before.apart(digest.code_of(env, il.BC(), expert)) == "expert's weights"


TINY = ["--rollouts", "2", "--horizon", "4", "--hidden", "2", "--updates", "2", "--seeds", "1"]


def test_any_flipped_bit_of_a_result_is_noticed():
    sweep.main(["--env", "tube", "--algo", "bc", *TINY, "--jobs", "1", "--out", "a"])
    (path,) = Path("a").iterdir()
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(len(whole), size=200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="is damaged"):
            store.keys(Path("a"))


def test_a_file_of_a_version_without_checksums_still_opens():
    arrays, texts = {"x": np.arange(3.0)}, {"kind": "mlp"}
    save_file(arrays, "old.safetensors", texts)
    Path("new.safetensors").write_bytes(sealed(arrays, texts))
    for name in ("old", "new"):
        own, numbers = opened(Path(f"{name}.safetensors"), {"kind"})
        np.testing.assert_array_equal(numbers["x"], arrays["x"])
        assert {key: text for key, text in own.items() if key != CHECKSUM} == texts


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "nothing", "hole"])
def test_what_is_no_file_is_refused_at_once(kind):
    path = Path("a.safetensors")
    {
        "pipe": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to("elsewhere"),
        "folder": path.mkdir,
        "nothing": lambda: path.write_bytes(b""),
        "hole": lambda: [path.touch(), os.truncate(path, 2**36)],
    }[kind]()
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        opened(path, {"kind"})
