"""What a Record names is never imported, unpickled or written to: only what the command line names is."""

import json
import shutil
import sys
from pathlib import Path

import pytest

import il_bench as il
from il_bench import measure, run
from il_bench.measures import assess
from il_bench.records import record

EVIL = """
open("executed", "w").close()
from dataclasses import dataclass
@dataclass(frozen=True)
class Net:
    def fit(self): pass
    def restore(self): pass
    def footprint(self): pass
def act(obs):
    return obs[:, :1]
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    env = il.make("tube", horizon=6, seeds=2)
    expert = il.expert(env)
    copy = il.DAgger(2, 1, training=il.Training(hidden=(4,), updates=4)).learn(env, expert)
    options = {"env": "tube", "algo": ["dagger"], "rollouts": 2, "expert": None}
    found = il.compare(env, expert, episodes=2, dagger=copy, notes={"options": options})
    return found.save(tmp_path_factory.mktemp("kept") / "record")


@pytest.fixture
def folder(compared, tmp_path):
    """A copy of the Record, beside a file that leaves a mark when it is imported."""
    Path("evil.py").write_text(EVIL)
    Path("mine.py").write_text("from il_bench.envs.tube import Tube as Env\n")
    yield shutil.copytree(compared, tmp_path / "record")
    sys.modules.pop("evil", None)
    assert not Path("executed").exists()


def edit(folder, change):
    path = folder / "record.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


@pytest.mark.parametrize("named", ["evil:act", "evil:Net", "sb3:evil.zip", "evil"])
def test_measure_imports_no_expert_that_the_record_names(folder, capsys, named):
    edit(folder, lambda config: config.update(expert=named))
    measure.main([str(folder), "--env", "mine:Env", "--trust"])
    assert f"its expert {named!r} is a file's; name it with --expert" in capsys.readouterr().out


def test_the_expert_in_the_environment_s_own_file_was_named_with_it(folder):
    Path("own.py").write_text(
        "from dataclasses import dataclass\n"
        "import il_bench as il\nfrom il_bench.envs import tube\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Env(tube.Tube): pass\n"
        "@dataclass(frozen=True)\nclass Push(il.Expert):\n"
        "    env: Env\n    def act(self, state): return -state[..., :1]\n"
    )
    edit(folder, lambda config: config.update(expert="own:Push"))
    table = assess.of_record(record.load(folder), "own:Env")
    assert isinstance(table.errors, dict)


def put_net(config):
    config["algorithms"]["dagger"]["settings"]["training"]["net"] = "evil:Net"


def put_learner(config):
    config["algorithms"]["dagger"]["name"] = "evil:Net"


@pytest.mark.parametrize("change", [put_net, put_learner])
def test_a_repetition_imports_nothing_that_the_record_names(folder, capsys, change):
    edit(folder, change)
    with pytest.raises(SystemExit):
        run.main(["--from", str(folder), "--no-video"])
    assert "'evil:Net' is not registered; run it with --algo instead" in capsys.readouterr().err


def test_a_repetition_writes_nowhere_that_the_record_names(folder, monkeypatch, no_figures):
    Path("taken").touch()
    places = {"out": "taken", "tensorboard": "elsewhere"}
    edit(folder, lambda config: config["options"].update(places))
    run.main(["--from", str(folder), "--no-video"])
    assert il.load("runs/tube-dagger-001").learners
    assert not Path("elsewhere").exists()


def test_no_setting_of_a_record_names_a_file_to_gymnasium(folder, capsys):
    strange = {"name": "GymV26Environment-v0", "settings": {"env_id": "evil:Env-v0"}}
    edit(folder, lambda config: config.update(env=strange))
    measure.main([str(folder)])
    assert "record: env_id of its environment may name a file" in capsys.readouterr().out


def test_an_environment_that_is_not_installed_keeps_the_rest(folder, capsys):
    edit(folder, lambda config: config["env"].update(name="theirs"))
    measure.main([str(folder)])
    assert "no environment named 'theirs'" in capsys.readouterr().out


def test_a_link_that_a_record_holds_is_not_followed(folder):
    Path("mine.txt").write_text("mine")
    (folder / "measures.json").symlink_to(Path("mine.txt").absolute())
    measure.main([str(folder)])
    assert Path("mine.txt").read_text() == "mine"
    assert not (folder / "measures.json").is_symlink()


def test_a_record_that_cannot_be_written_is_measured_and_that_is_said(folder, capsys, monkeypatch):
    def full(*rest, **named):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    measure.main([str(folder)])
    said = capsys.readouterr().out
    assert said.startswith("drift ")
    assert "measures.json cannot be written (Read-only file system)" in said.splitlines()[-1]
