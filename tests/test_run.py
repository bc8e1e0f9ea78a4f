"""The commands as a user types them, and every mistake as the sentence that answers it."""

import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import il_bench as il
from il_bench import render, run
from il_bench.core import registry

ROOT = Path(__file__).parents[1]
QUICK = [
    "--seeds",
    "2",
    "--rollouts",
    "3",
    "--horizon",
    "12",
    "--hidden",
    "8",
    "--updates",
    "40",
    "--rounds",
    "3",
    "--no-video",
]


@pytest.fixture
def figures():
    """Asked for by the tests whose runs draw their figure."""


@pytest.fixture(autouse=True)
def _no_figure_unless_asked_for(request):
    if "figures" not in request.fixturenames:
        request.getfixturevalue("no_figures")


def command(*args, main=run.main):
    main([str(a) for a in args])


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A Record of the run command."""
    place = tmp_path_factory.mktemp("quick") / "record"
    command(*QUICK, "--out", place)
    return place


@pytest.fixture
def quick_record(quick, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(quick, tmp_path / "record")


def refused(capsys, *args, main=run.main):
    """What a command says when it refuses: one sentence on stderr, exit code 2, no traceback."""
    with pytest.raises(SystemExit) as stop:
        command(*args, main=main)
    said = capsys.readouterr()
    assert stop.value.code == 2
    assert "Traceback" not in said.err + said.out
    assert len(said.err.strip().splitlines()) == 1
    assert said.err.startswith("il_bench: ")
    return said.err


def test_the_front_door(capsys, figures):
    command("--algo", "dagger", *QUICK)
    said = capsys.readouterr().out
    for word in (
        "lane",
        "bc",
        "dagger",
        "growth",
        "on/off error",
        "return",
        "of expert's",
        "cost gap",
        "falls",
        "labels",
        "updates",
        "seconds",
    ):
        assert word in said
    assert "After 12 steps" in said or "after 12 steps" in said or "cannot be told apart" in said
    folder = Path("runs/lane-dagger-001")
    assert {p.name for p in folder.iterdir()} == {
        "arrays.safetensors",
        "policy.safetensors",
        "record.json",
        "drift.png",
    }
    record = il.load(folder)
    assert record.learners == ["expert", "bc", "dagger"]
    assert (
        record.config["budgets"]["bc"]["updates"]
        == record.config["budgets"]["dagger"]["updates"]
        == 40
    )
    assert (record.data["broke"] == -1).all()


def test_cloning_gets_no_fewer_labels_and_as_many_updates():
    command(*QUICK, "--episodes", 2, "--out", "a")
    budgets = il.load("a").config["budgets"]
    assert min(budgets["bc"]["labels"]) >= max(budgets["dagger"]["labels"])
    assert budgets["bc"]["updates"] == budgets["dagger"]["updates"]


def test_the_same_command_twice_leaves_identical_arrays():
    for out in "ab":
        command(*QUICK, "--wind", "0.01", "--out", out)
    one, two = il.load("a"), il.load("b")
    for name in one.arrays:
        np.testing.assert_array_equal(one.arrays[name], two.arrays[name])
    for name in one.weights:
        np.testing.assert_array_equal(one.weights[name], two.weights[name])


def test_several_values_are_a_sweep_of_environment_and_learner():
    command(*QUICK, "--lipschitz", 1.1, 1.2, "--lr", 1e-3, 1e-2, "--out", "a")
    record = il.load("a")
    assert record.env.runs == 8
    assert record.data.lr.values.tolist() == [1e-3, 1e-3, 1e-2, 1e-2] * 2
    assert [tuple(r["settings"].values()) for r in record.rows()][::2] == [
        (1.1, 1e-3),
        (1.1, 1e-2),
        (1.2, 1e-3),
        (1.2, 1e-2),
    ]
    command(*QUICK, "--lipschitz", 1.2, "--lr", 1e-2, "--out", "b")
    np.testing.assert_array_equal(record.arrays["state"][:, 6:], il.load("b").arrays["state"])


def test_a_record_is_repeated_bit_for_bit(capsys):
    command(*QUICK, "--lipschitz", 1.1, 1.2, "--wind", 0.01, "--beta", "exponential", "--out", "a")
    command("--from", "a", "--no-video", "--out", "b")
    assert "Every array is identical to those of a" in capsys.readouterr().out.replace("\n", " ")
    one, two = il.load("a"), il.load("b")
    for name in one.arrays:
        np.testing.assert_array_equal(one.arrays[name], two.arrays[name])


def without(flag):
    """QUICK but for a flag and its value."""
    place = QUICK.index(flag)
    return QUICK[:place] + QUICK[place + 2 :]


def test_bc_alone():
    command("--algo", "bc", *without("--rounds"), "--out", "a")
    assert il.load("a").learners == ["expert", "bc"]


def test_a_table_on_a_discrete_task(capsys):
    quick = without("--hidden")  # a table has no layers
    command("--env", "resetcliff", "--net", "table-per-step", "--sample", *quick, "--out", "a")
    assert "sampled evaluation" in capsys.readouterr().out.replace("\n", " ")


def test_a_gymnasium_id_and_a_callable_expert(tmp_path):
    Path("desk.py").write_text(
        "import numpy as np\ndef brake(obs):\n    return np.clip(-0.5 * obs[:, 2:], -2, 2)\n"
    )
    command("--env", "Pendulum-v1", "--expert", "desk:brake", *QUICK, "--out", "a")
    assert il.load("a").config["expert"] == "desk:brake"


def test_the_film_is_drawn_again_into_the_record_and_over_nothing(capsys):
    command(*QUICK, "--lipschitz", 1.1, 1.2, "--out", "a")
    capsys.readouterr()
    for name in ("rollout-run-1.mp4", "rollout-run-1-2.mp4"):
        command("a", "--run", 1, main=render.main)
        assert Path("a", name).stat().st_size > 1000
        assert capsys.readouterr().out.strip() == str(Path("a", name).absolute())
    command("a", "--by", "lipschitz", "--learners", "bc", main=render.main)
    assert Path("a/rollout-by-lipschitz-bc.mp4").exists()
    taken = refused(capsys, "a", "--out", "a/rollout-run-1.mp4", main=render.main)
    assert "is there already; name another" in taken
    assert il.load("a").learners == ["expert", "bc", "dagger"]


def test_the_film_is_made_with_the_record(figures):
    command(*[a for a in QUICK if a != "--no-video"], "--out", "a")
    assert {"rollout.mp4", "rollout.gif", "drift.png"} <= {p.name for p in Path("a").iterdir()}


def test_list_shows_what_there_is_with_a_line_each(capsys):
    command("--list")
    said = capsys.readouterr().out
    for things in (il.ENVS, il.EXPERTS, il.LEARNERS):
        for name in things:
            assert re.search(rf"^  {name} +\S.*", said, re.M)


def test_help_names_every_setting(capsys):
    """That it imports no torch is a matter of tests/test_light.py."""
    with pytest.raises(SystemExit):
        command("--help")
    said = capsys.readouterr().out
    for flag in (
        "--env",
        "--algo",
        "--lipschitz",
        "--wind",
        "--seeds",
        "--rounds",
        "--device",
        "--out",
        "--video",
        "--lr",
        "--beta",
    ):
        assert flag in said


def test_the_module_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "il_bench.run", "--env", "lan"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "il_bench: no environment named 'lan'; did you mean 'lane'?\n"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--env", "lan"], "no environment named 'lan'; did you mean 'lane'?"),
        (["--env", "zzz"], "no environment named 'zzz'; there are "),
        (["--algo", "dager"], "no learner named 'dager'; did you mean 'dagger'?"),
        (["--expert", "lame"], "no expert named 'lame'; did you mean 'lane'?"),
        (["--env", "nowhere:Env"], "no module named 'nowhere' for environment 'nowhere:Env'"),
        (["--env", "json:Env"], "module 'json' has no 'Env'; name a class of it"),
        (["--lipschitz", "0"], "lipschitz: lane needs L >= max(1, yaw) = 1.05, got 0"),
        (["--lipschitz", "nan"], "lipschitz: expected finite numbers, got nan"),
        (["--lipschitz", "1.2", "inf"], "lipschitz: expected finite numbers, got (1.2"),
        (
            ["--lipschitz", "1.01"],
            "lipschitz: lane needs L >= max(1, yaw) = 1.05, got 1.01; raise L or lower --yaw",
        ),
        (["--seeds", "0"], "seeds: expected at least 1, got 0; try 8"),
        (["--rounds", "0"], "rounds: expected a whole number of at least 1, got 0"),
        (["--episodes", "0"], "episodes: expected a whole number of at least 1, got 0"),
        (["--rollouts", "0"], "rollouts: expected a whole number of at least 1, got 0"),
        (["--threads", "0"], "threads: expected at least 1, got 0"),
        (["--updates", "9" * 400], "updates: expected at most 9,007,199,254,740,992, got more"),
        (["--hidden", "9" * 400], "hidden: expected at most 9,007,199,254,740,992, got more"),
        (["--rollouts", "9" * 400], "rollouts: expected at most 9,007,199,254,740,992, got more"),
        (["--seeds", "9" * 400], "seeds: expected at most 1,000,000, got more; ask for fewer"),
        (["--memory", "inf"], "memory: expected gigabytes, at least 0, got inf; 0 sets no limit"),
        (["--device", "tpu"], "device: expected cpu or cuda, got 'tpu'"),
        (["--from", "nowhere"], "nowhere is not a Record"),
        (["--env", "resetcliff", "--mix", "average"], "mix average: expected Box actions"),
    ],
)
def test_a_mistake_is_a_sentence_and_leaves_nothing(capsys, args, sentence):
    assert sentence in refused(capsys, *args)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--lipshitz", "1.2"], "--lipshitz, 1.2; did you mean --lipschitz?"),
        (["--lipschitz", "fast"], "--lipschitz: expected numbers, got fast"),
        (["--dagger.lr", "abc"], "--dagger.lr: expected numbers, got abc"),
        (["--algo", "bc", "dagger", "--dagger.lr", "1", "abc"], "--dagger.lr: expected numbers, got 1 abc"),
        (["--seeds", "1.5"], "--seeds: expected whole numbers, got 1.5"),
        (["--hidden", "a"], "--hidden: expected whole numbers, got a"),
        (["--mix", "stir"], "--mix: expected choose or average, got stir"),
        (["--out"], "--out: expected a value after it, got none"),
    ],
)  # fmt: skip
def test_a_flag_that_cannot_be_read_is_a_sentence(capsys, args, sentence):
    assert sentence in refused(capsys, *args)


def test_cuda_without_a_gpu_is_a_sentence(capsys, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "device: cuda was asked for, but torch finds no GPU here" in refused(
        capsys, *QUICK, "--device", "cuda"
    )


def test_a_folder_in_use_is_refused_before_any_work(capsys):
    Path("kept").mkdir()
    Path("kept/record.json").write_text("{}")
    assert "kept already holds files; name a new folder" in refused(capsys, "--out", "kept")
    assert Path("kept/record.json").read_text() == "{}"
    Path("file").write_text("")
    assert "cannot be written" in refused(capsys, "--out", "file/out")


def test_a_record_that_is_none_cannot_be_drawn(capsys):
    assert "is not a Record" in refused(capsys, "nowhere", main=render.main)


def test_a_run_that_a_record_does_not_have_is_a_sentence(capsys):
    command(*QUICK, "--out", "a")
    assert "run: expected 0 to 1, got 7" in refused(capsys, "a", "--run", 7, main=render.main)
    assert not list(Path("a").glob("*.mp4"))


def test_ctrl_c_is_a_sentence(capsys, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("il_bench.jobs.session.compare", interrupt)
    with pytest.raises(SystemExit) as stop:
        command(*QUICK)
    assert stop.value.code == 130
    assert "interrupted; nothing was kept" in capsys.readouterr().err
    assert not list(Path("runs").glob("*/*"))


MINE = '''
    """A ball on a hill, an environment from somebody's desk."""
    from dataclasses import dataclass
    from typing import ClassVar
    import numpy as np, torch
    from gymnasium import spaces
    from il_bench import Certificate, Env, Expert, Values

    @dataclass(frozen=True, kw_only=True)
    class Hill(Env):
        """x' = L x + a."""
        horizon: int = 12
        lipschitz: Values = 1.1
        """L."""
        states: ClassVar = {"x": "m"}
        def validate(self): pass
        @property
        def observation_space(self): return spaces.Box(-100.0, 100.0, (1,))
        @property
        def action_space(self): return spaces.Box(-1.0, 1.0, (1,))
        def initial(self, streams, episodes): return streams.uniform("initial", episodes, 1)
        def transition(self, state, action, noise): return FACTOR * self.per_run(self.lipschitz, 3) * state + action
        def observation(self, state): return state
        def reward(self, state, action, next_state): return -next_state[..., 0].abs()
        def terminal(self, state): return state[..., 0].abs() > 50
        def difference(self, state, other): return state - other
        def certificate(self):
            zero = torch.zeros(self.runs, 1, 1, dtype=torch.float64)
            return Certificate(self.values("lipschitz"), "metres", "exact", pair=(zero, zero + 1))
        def draw(self, state, size, ghost=None): return np.zeros((size[1], size[0], 3), dtype=np.uint8)

    @dataclass(frozen=True)
    class Push(Expert):
        env: Hill
        def act(self, state): return (-state * GAIN).clamp(-1, 1)
'''


def desk(factor="1.0", gain="1.0", name="my_module"):
    Path(f"{name}.py").write_text(
        textwrap.dedent(MINE).replace("FACTOR", factor).replace("GAIN", gain)
    )
    sys.modules.pop(name, None)


def test_an_environment_from_ones_desk_with_the_expert_beside_it():
    desk()
    command("--env", "my_module:Hill", *QUICK, "--lipschitz", 1.1, 1.3, "--out", "a")
    record = il.load("a")
    assert record.config["env"]["name"] == "my_module:Hill"
    assert record.config["expert"] == "my_module:Push"
    assert record.data.lipschitz.values.tolist() == [1.1, 1.1, 1.3, 1.3]


def test_a_desks_record_is_drawn_and_repeated_only_when_its_file_is_named(capsys):
    desk()
    command("--env", "my_module:Hill", *QUICK, "--out", "a")
    assert "its environment 'my_module:Hill' is a file's; name it" in refused(
        capsys, "a", main=render.main
    )
    command("a", "--env", "my_module:Hill", main=render.main)
    assert "name it, as in --env my_module:Hill" in refused(capsys, "--from", "a")
    command("--from", "a", "--env", "my_module:Hill", "--no-video", "--out", "b")
    np.testing.assert_array_equal(il.load("a").arrays["state"], il.load("b").arrays["state"])


def test_a_record_runs_no_expert_that_was_not_named(capsys):
    command(*QUICK, "--out", "a")
    Path("evil.py").write_text(
        "open('executed', 'w').close()\ndef act(obs):\n    return obs[:, :1]\n"
    )
    config = json.loads(Path("a/record.json").read_text())
    config["options"]["expert"] = config["expert"] = "evil:act"
    Path("a/record.json").write_text(json.dumps(config))
    assert "its expert 'evil:act' is a file's; name it" in refused(
        capsys, "--from", "a", "--no-video"
    )
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"colour": 1}, "has 'colour' among its options, unknown here; repeat it in Python"),
        ({"rollouts": "4"}, "has '4' as rollouts among its options; repeat it in Python"),
        ({"algo": [3]}, "has [3] as algo among its options; repeat it in Python"),
        ({"memory": None}, "has None as memory among its options; repeat it in Python"),
        ({"expert": ["evil"]}, "has ['evil'] as expert among its options; repeat it in Python"),
        ({"algo": None}, "lacks algo among its options; repeat it in Python"),
    ],
)
def test_damaged_options_of_a_record_are_named(quick_record, capsys, change, sentence):
    path = quick_record / "record.json"
    config = json.loads(path.read_text())
    config["options"] |= change
    if change == {"algo": None}:
        del config["options"]["algo"]
    path.write_text(json.dumps(config))
    assert sentence in refused(capsys, "--from", str(quick_record))


def test_damaged_settings_of_a_record_s_learner_are_its_own(quick_record, capsys):
    path = quick_record / "record.json"
    config = json.loads(path.read_text())
    config["algorithms"]["dagger"]["settings"]["rounds"] = "three"
    config["algorithms"]["dagger"]["settings"]["training"]["hidden"] = None
    path.write_text(json.dumps(config))
    said = refused(capsys, "--from", str(quick_record))
    assert said.startswith("il_bench: record: ")


def test_the_labels_are_matched_run_by_run_and_do_not_depend_on_the_sweep():
    args = [*QUICK, "--episodes", 2, "--hidden", 4]
    command(*args, "--lipschitz", 1.1, 3.0, "--out", "a")
    command(*args, "--lipschitz", 3.0, "--out", "b")
    many, alone = il.load("a"), il.load("b")
    for record in (many, alone):
        budgets = record.config["budgets"]
        assert budgets["bc"]["labels"] == budgets["dagger"]["labels"]
    assert min(many.config["budgets"]["dagger"]["labels"]) < 72  # some episodes did end early
    np.testing.assert_array_equal(many.arrays["state"][:, 2:], alone.arrays["state"])


@pytest.mark.parametrize(
    ("files", "args", "sentence"),
    [
        ({"bad.py": "def broken(:\n"}, ["--env", "bad:Env"], "importing it raised SyntaxError"),
        ({"bad.py": "1 / 0\n"}, ["--env", "bad:Env"], "importing it raised ZeroDivisionError"),
        (
            {"bad.py": "import numppy\n"},
            ["--env", "bad:Env"],
            "its file imports 'numppy', which is not installed",
        ),
        (
            {"bad.py": "class Env: pass\n"},
            ["--env", "bad:Env"],
            "'bad:Env' is no environment dataclass; name one",
        ),
        ({"bad.py": ""}, ["--env", "bad"], "for a class of bad.py write bad:Class"),
        (
            {"bad.py": "def boom(obs): raise RuntimeError('no')\n"},
            ["--expert", "bad:boom"],
            "expert bad:boom: asked for actions, boom in bad.py, line 1, raised RuntimeError (no), as expert at run 0; ",
        ),
        ({}, ["--expert", "tube"], "TubeExpert is an expert of Tube, not of lane"),
        (
            {},
            ["--env", "Acrobot-v1"],
            "Acrobot-v1 has no scripted expert; give one, as in --expert module:function",
        ),
        ({}, ["--env", "Pendulum-v9"], "did you mean 'Pendulum-v1'?"),
        ({}, ["--lipschitz"], "lipschitz: expected one number or several, got none"),
        ({}, ["--from"], "from: expected the folder of a Record"),
        ({}, ["--list", "tube"], "list: expected no other flag, got"),
        ({}, ["--spread", "100"], "spread: starts up to 100 m off the road"),
        ({}, ["--ema", "-0.1"], "ema: expected a number of at least 0, got -0.1"),
        (
            {},
            ["--beta", "linear", "--p", "0.5"],
            "p: beta linear falls over p rounds, at least 1, got 0.5",
        ),
        ({}, ["--updates", "3"], "updates: expected at least one for each of 8 rounds, got 3"),
    ],
)
def test_a_strangers_mistake_is_a_sentence_too(capsys, files, args, sentence):
    for name, text in files.items():
        Path(name).write_text(text)
    sys.modules.pop("bad", None)
    assert sentence in refused(capsys, *args)


def test_our_own_gymnasium_id_is_the_environment_itself():
    command("--env", "il_bench/Lane-v0", *QUICK, "--out", "a")
    assert il.load("a").config["env"]["name"] == "lane"


def test_a_sweep_s_table_can_be_read_at_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    command(*QUICK, "--lipschitz", 1.1, 1.2, "--wind", 0, 0.005, "--out", "a")
    said = capsys.readouterr().out
    assert "…" not in said
    assert said.count("0.005") >= 4


def test_an_environment_that_breaks_its_contract_is_refused(capsys):
    desk(factor="1.01")
    said = refused(capsys, "--env", "my_module:Hill", *QUICK)
    assert "Hill breaks its contract: certificate: a pair of run 0 is stretched by 1.111" in said


def test_an_expert_that_is_not_finite_is_refused(capsys):
    desk(gain="float('nan')")
    assert "expert: gave actions that are not finite" in refused(
        capsys, "--env", "my_module:Hill", *QUICK
    )


def declare(package, name, value):
    """Metadata on the path, as an installed package with one environment has it; nothing is installed."""
    info = Path(f"{package}-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[il_bench.envs]\n{name} = {value}\n")


def test_another_packages_entry_point_is_found(tmp_path, monkeypatch):
    """A package is a module and its metadata on the path; nothing is edited, nothing installed over."""
    desk(name="their_package")
    declare("their_package", "hill", "their_package:Hill")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(vars(registry.ENVS), "_sources", raising=False)  # as if imported just now
    monkeypatch.setattr(registry.ENVS, "_loaded", {})
    registry.register_with_gymnasium()
    try:
        assert "hill" in il.ENVS
        assert type(il.expert(il.make("hill"))).__name__ == "Push"
        gymnasium.make("il_bench/Hill-v0", lipschitz=1.3).reset(seed=0)
        assert registry.name_of(il.make("hill")) == "hill"
    finally:
        del gymnasium.registry["il_bench/Hill-v0"]


def test_two_packages_of_one_name_are_refused(tmp_path, monkeypatch):
    declare("rude", "lane", "rude:Lane")
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = registry.Registry("environment", "il_bench.envs", registry.ENVS.verbs)
    twice = "environment 'lane' is registered twice, by il_bench.envs.lane and rude:Lane; the first is kept"
    with pytest.warns(UserWarning, match=twice):
        assert mine["lane"].__module__ == "il_bench.envs.lane"


def test_a_file_put_into_envs_is_an_environment(tmp_path, monkeypatch):
    """The folder is read, not a list: a new file is an entry by existing."""
    import il_bench.envs

    desk(name="hill")
    monkeypatch.setattr(il_bench.envs, "__path__", [*il_bench.envs.__path__, str(tmp_path)])
    mine = registry.Registry("environment", "il_bench.envs", registry.ENVS.verbs)
    assert "hill" in mine
    assert mine["hill"].__name__ == "Hill"
    with pytest.raises(TypeError):
        mine["mine"] = object  # read-only


PAGES = [ROOT / "README.md", ROOT / "docs" / "guide.md"]
"""Whose examples are run."""


def pages():
    return "\n".join(page.read_text() for page in PAGES)


def python_blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.S)


def test_the_readme_s_examples_run():
    """Every Python block of the README and the guide, in order, as one file that is run; only made smaller."""
    blocks = python_blocks(pages())
    code = "\n".join(blocks)
    assert "il.compare(" in code
    for big, small in (
        ("seeds=16", "seeds=1, horizon=20"),
        ("(10, 50, 200)", "(10, 20)"),
        ("episodes=64", "episodes=2"),
        ("run=63", "run=3"),
        ("dagger[63]", "dagger[3]"),
    ):
        assert big in code
        code = code.replace(big, small)
    code = code.replace("il.BC(", "il.BC(training=SMALL, ").replace(
        "il.DAgger(", "il.DAgger(training=SMALL, "
    )
    namespace = {"SMALL": il.Training(hidden=(8,), updates=20), "__name__": "__main__"}
    exec(compile(code, "README.md", "exec"), namespace)
    assert Path("drift.png").exists()
    assert Path("side_by_side.mp4").exists()


def test_the_readme_s_environment_works_as_a_file_on_the_desk():
    block = next(b for b in python_blocks(pages()) if b.startswith("# hill.py"))
    Path("hill.py").write_text(block)
    sys.modules.pop("hill", None)
    command("--env", "hill:Hill", *QUICK, "--out", "a")
    assert il.load("a").config["expert"] == "hill:Push"
    runpy.run_path("hill.py", run_name="__main__")


def told():
    """What the run commands of the pages are told, but for files of one's own (`hill`) and what shows something and ends."""
    lines = re.findall(r"python -m il_bench\.run ([^\n`#]*)", pages())
    whole = {line.strip() for line in lines if "[" not in line}
    return sorted(line for line in whole if "hill" not in line and "--list" not in line)


@pytest.mark.parametrize("line", told())
def test_the_pages_name_no_flag_that_its_command_does_not_have(line, capsys):
    """Of the very learners and nets that it names: a flag of anybody's had passed for everybody's."""
    with pytest.raises(SystemExit):
        command(*shlex.split(line), "--help")
    shown = capsys.readouterr().out
    for flag in re.findall(r"(?<!\S)--([a-z-]+)", line):
        # Of several learners each has it under its own name.
        assert re.search(rf"(--|\.){flag}(?![\w-])", shown), flag


def test_one_version_stands_everywhere():
    stated = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    cited = re.search(r"^version: (.+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert stated[1] == cited[1] == newest[1] == il.__version__


@pytest.mark.parametrize("register", [il.ENVS, il.LEARNERS, il.NETS])
def test_the_first_page_names_everything_that_is_registered(register):
    text = (ROOT / "README.md").read_text()
    assert [name for name in register if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_results_on_the_pages_come_from_their_files(page):
    """Each table between markers is what its benchmark's JSON says today; without one nothing is said."""
    text = (ROOT / page).read_text()
    names = re.findall(r"<!-- benchmark: (\w+) -->", text)
    assert names
    for name in names:
        path = ROOT / "benchmarks" / f"{name}.json"
        readme = json.loads(path.read_text())["readme"] if path.exists() else ""
        block = text.split(f"<!-- benchmark: {name} -->")[1].split("<!-- end -->")[0].strip()
        assert block == readme.strip()


def test_the_readme_is_short_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 200
    for page in (*PAGES, ROOT / "docs" / "results.md", ROOT / "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
