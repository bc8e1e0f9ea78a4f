"""The sweep: what it plans, that nothing is computed twice, and that no interruption shows in what it leaves."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import faults
import numpy as np
import pytest
import xarray
from safetensors import safe_open
from safetensors.numpy import save_file

import il_bench as il
from il_bench import sweep, table
from il_bench.borders import minari_in
from il_bench.cli import flags, owners
from il_bench.jobs import digest, plan, workers
from il_bench.jobs.sealed import CHECKSUM, sealed
from il_bench.records.rows import VARIABLES

TINY = [
    "--seeds",
    "2",
    "--rollouts",
    "3",
    "--horizon",
    "10",
    "--hidden",
    "4",
    "--updates",
    "4",
    "--jobs",
    "1",
]
AXES = [
    "--algo",
    "bc",
    "dagger",
    "--rounds",
    "2",
    "--lipschitz",
    "0.9:1.1:0.2",
    *TINY,
]
PLAN = ["--env", "tube", "linear", *AXES]
RUNS = 2 * 2 * 2 * 2
"""Of PLAN: environments, learners, values of L, seeds."""
TUBE = ["--env", "tube", *AXES]
"""Half of it."""
ONE = ["--env", "tube", "--algo", "bc", *TINY]
"""Two runs that differ in their seeds."""


def swept(*args):
    sweep.main([str(a) for a in args])


def refused(capsys, *args, main=sweep.main):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said.startswith("il_bench: ")
    assert "Traceback" not in said
    return said


def same(one: xarray.Dataset, two: xarray.Dataset) -> bool:
    """All but the seconds, which are the machine's, is the same bit for bit."""
    return one.drop_vars("seconds").identical(two.drop_vars("seconds"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of ONE."""
    folder = tmp_path_factory.mktemp("swept") / "a"
    swept(*ONE, "--out", folder)
    return folder


@pytest.fixture
def a(results):
    """A copy of them, to be damaged."""
    return shutil.copytree(results, "a")


@pytest.mark.parametrize(
    ("token", "numbers"),
    [
        ("0.8:1.3:0.1", ["0.8", "0.9", "1.0", "1.1", "1.2", "1.3"]),
        ("1:2:0.4", ["1.0", "1.4", "1.8"]),
        ("5:5:1", ["5"]),
        ("20:60:20", ["20", "40", "60"]),
        ("module:Class", ["module:Class"]),
        ("1.2", ["1.2"]),
    ],
)
def test_a_range_is_its_numbers_both_ends_included(token, numbers):
    assert plan.spread(token) == numbers


@pytest.mark.parametrize(
    "token",
    ["0:1:1e-9", "1:inf:1", "-inf:1:1", "nan:1:1", "1e308:1.1e308:1", "0:1:0", "0:1:5e-324"],
)
def test_a_range_without_end_or_measure_is_a_sentence(token):
    with pytest.raises(ValueError, match=f"range {token}: expected (first:last:step|at most)"):
        plan.spread(token)


def test_every_combination_is_there_once_with_its_labels(capsys):
    swept(*PLAN, "--out", "a")
    data = il.open("a")
    assert data.sizes["run"] == RUNS
    columns = [data[name].values.tolist() for name in ("env", "algo", "lipschitz", "seed")]
    runs = set(zip(*columns, strict=True))
    assert runs == set(itertools.product(("tube", "linear"), ("bc", "dagger"), (0.9, 1.1), (0, 1)))
    assert (data.sel(run=data.algo == "bc").labels == 8 * 10).all()
    assert np.isfinite(data.drift).all()
    assert (data.drift[:, 0] == 0).all()
    table.main(["a", "--by", "lipschitz,algo", "--at", "5", "--csv", "t.csv"])
    assert capsys.readouterr().out.count("dagger") >= 2
    assert len(Path("t.csv").read_text().splitlines()) == 5
    kept = Path("t.csv").read_bytes()
    said = refused(capsys, "a", "--csv", "t.csv", main=table.main)
    assert "csv: t.csv already exists; name another file" in said
    said = refused(capsys, "a", "--plot", "t.csv", main=table.main)
    assert "plot: t.csv already exists; name another file" in said
    assert Path("t.csv").read_bytes() == kept
    Path("file").write_text("")
    assert "cannot be written" in refused(capsys, "a", "--csv", "file/t.csv", main=table.main)


def test_a_row_is_what_the_comparison_says(a):
    env = il.make("tube", horizon=10, seeds=2)
    expert = il.expert(env)
    bc = il.BC(training=il.Training(hidden=(4,), updates=4)).learn(env, expert)
    record = il.compare(env, expert, episodes=3, bc=bc)
    data = il.open(a)
    for t in (3, 10):
        np.testing.assert_array_equal(data.drift[:, t], record.drift(1, t))
    np.testing.assert_array_equal(data.cost_gap, record.cost_gap(1))


def test_batches_do_not_show_and_nothing_is_computed_twice(capsys, monkeypatch):
    swept(*TUBE, "--out", "a", "--batch", 1)
    swept(*TUBE, "--out", "b", "--batch", 64)
    assert same(il.open("a"), il.open("b"))
    capsys.readouterr()
    monkeypatch.setattr(workers, "compute", lambda *a: pytest.fail("computed again"))
    swept(*TUBE, "--out", "a")
    assert "8 runs, 8 of them finished before, 0 to do" in capsys.readouterr().out


def test_a_sweep_that_grew_computes_what_is_new(capsys):
    swept(*TUBE, "--out", "a")
    bigger = [*TUBE[: TUBE.index("--seeds")], *TINY[2:], "--seeds", "3"]
    capsys.readouterr()
    swept(*bigger, "--out", "a")
    assert "12 runs, 8 of them finished before, 4 to do" in capsys.readouterr().out
    swept(*bigger, "--out", "b")
    assert same(il.open("a"), il.open("b"))


def test_a_changed_setting_or_source_is_a_new_run(monkeypatch):
    (group,) = plan.groups("tube", "bc", {}, 1, {"expert": None, "rollouts": 4, "sample": False})
    before = digest.key(group.identities()[0])
    (other,) = plan.groups("tube", "bc", {"--lr": ["0.01"]}, 1, group.common)
    assert digest.key(other.identities()[0]) != before
    monkeypatch.setattr(digest, "ROOMS", ("core",))
    assert digest.key(group.identities()[0]) != before


def test_where_the_sources_lie_does_not_matter(monkeypatch, tmp_path):
    env, learner = il.make("lane"), il.BC()
    things = (env, learner, il.expert(env))
    here = digest.code_of(*things)
    for thing in things:
        module = sys.modules[type(thing).__module__]
        moved = tmp_path / module.__name__
        shutil.copy(module.__file__, moved.with_suffix(".py"))
        monkeypatch.setattr(module, "__file__", str(moved.with_suffix(".py")))
    shutil.copytree(digest.LIBRARY, tmp_path / "library")
    monkeypatch.setattr(digest, "LIBRARY", tmp_path / "library")
    assert digest.code_of(*things).address == here.address
    with (tmp_path / "library" / "fit" / "loop.py").open("a") as file:
        file.write("# other\n")
    other = digest.code_of(*things)
    assert other.address != here.address
    assert here.apart(other) == "il_bench.fit.loop"


def test_a_limit_of_memory_makes_smaller_batches_and_the_same_rows(capsys):
    small = {"--horizon": ["30"], "--hidden": ["4"], "--updates": ["4"]}
    sizes = [word for flag, values in small.items() for word in (flag, *values)]
    runs = ["--seeds", 24, "--rollouts", 20, "--jobs", 1]
    args = ["--env", "tube", "--algo", "bc", *sizes, *runs]
    swept(*args, "--out", "a")
    assert "24 to do in 2 batches" in capsys.readouterr().out
    common = {"expert": None, "rollouts": 20, "sample": False}
    (group,) = plan.groups("tube", "bc", small, 24, common)
    needs = plan.memory(group)
    limit = (needs.total - 16 * needs.one) / 1e9  # eight runs at a time
    swept(*args, "--out", "b", "--memory", limit)
    assert "24 to do in 4 batches" in capsys.readouterr().out
    assert same(il.open("a"), il.open("b"))
    assert "memory: expected at least" in refused(capsys, *args, "--out", "c", "--memory", 1e-3)


def test_a_setting_that_runs_cannot_differ_in_makes_groups():
    common = {"expert": None, "rollouts": 4, "sample": False}
    groups = list(
        plan.groups(
            "tube", "dagger", {"--beta": ["linear", "constant"], "--lr": ["0.1", "0.2"]}, 2, common
        )
    )
    assert [(g.values["beta"], g.runs, g.values["lr"]) for g in groups] == [
        ("linear", 4, (0.1, 0.1, 0.2, 0.2)),
        ("constant", 4, (0.1, 0.1, 0.2, 0.2)),
    ]


def test_what_one_environment_cannot_have_is_left_out_and_said(capsys):
    swept("--env", "tube", "lane", "--algo", "bc", "--lipschitz", "0.9", "1.1", *TINY, "--out", "a")
    assert (
        "left out: lane, bc, lipschitz = 0.9: lipschitz: lane needs L >= max(1, yaw)"
        in capsys.readouterr().out
    )
    assert set(il.open("a").sel(run=il.open("a").env == "lane").lipschitz.values) == {1.1}


def test_all_mistakes_are_said_at_once_before_anything_is_computed(capsys):
    said = refused(
        capsys,
        "--env",
        "lane",
        "--lipschitz",
        "0.8",
        "1.2",
        "--wind",
        "-1",
        "--lipshitz",
        "1",
        "--out",
        "a",
    )
    assert (
        "--lipshitz: no environment and no learner here has it; did you mean --lipschitz?" in said
    )
    assert "lane, bc, lipschitz = 0.8: lipschitz: lane needs L" in said
    assert "lane, dagger, lipschitz = 1.2: wind: expected" in said
    assert not Path("a").exists()
    said = refused(
        capsys, "--env", "tub", "lane", "--algo", "bc", "dager", "--lipschitz", "-1", "--out", "a"
    )
    assert "3 mistakes" in said
    assert "no environment named 'tub'; did you mean 'tube'?" in said
    assert "no learner named 'dager'; did you mean 'dagger'?" in said
    assert "lane, bc: lipschitz: lane needs L" in said


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--env", "tub"], "no environment named 'tub'; did you mean 'tube'?"),
        (["--algo", "dager"], "no learner named 'dager'; did you mean 'dagger'?"),
        (["--seeds", "0"], "seeds: expected a whole number of at least 1, got 0"),
        (["--lipschitz", "1.3:0.8:0.1"], "range 1.3:0.8:0.1: expected first:last:step, upwards"),
        (["tube"], "expected a flag, got 'tube'"),
        (["--env", "tube", "--env", "lane"], "--env: given twice"),
        (["--algo", "aggrevate"], "tube, aggrevate: aggrevate: expected Discrete actions, got Box"),
        (["--scheduler", "tcp://127.0.0.1:1"], "scheduler: it goes with --backend dask"),
    ],
)
def test_a_mistake_is_a_sentence(capsys, args, sentence):
    assert sentence in refused(capsys, *args, "--out", "a")
    assert not Path("a").exists()


def test_a_disk_that_is_full_is_a_sentence_and_leaves_no_half(capsys, monkeypatch):
    swept(*ONE, "--out", "a")
    kept = sorted(Path("a").iterdir())
    with monkeypatch.context() as patch:
        faults.fill_disk(patch)
        said = refused(capsys, *ONE, "--lr", "0.01", "--out", "a")
    assert (
        "a cannot be written (No space left on device); mend that and give the same command again"
        in said
    )
    assert sorted(Path("a").iterdir()) == kept


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[: len(data) // 2], "is damaged"),
        (lambda data: b"", "is damaged"),
        (
            lambda data: (10**10).to_bytes(8, "little") + data[8:],
            "declares a header of 10,000,000,000 bytes",
        ),
        (lambda data: data.replace(b'"format":"1"', b'"format":"9"'), "is damaged"),
        (lambda data: data.replace(b'"keys":"[', b'"keys":"{'), "is damaged"),
        (lambda data: sealed({}, {"format": "9", "keys": "", "runs": ""}), "no result of format 1"),
        (lambda data: sealed({}, {"format": "1", "keys": "{}", "runs": ""}), "lists no runs"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_in_a_sentence(a, capsys, damage, sentence):
    (path,) = Path(a).iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert sentence in refused(capsys, "a", main=table.main)


def test_drafts_of_killed_sweeps_are_swept_away_and_others_left(capsys):
    for name in (".il_bench-draft-old", ".il_bench-draft-young"):
        Path("a", name).mkdir(parents=True)
        Path("a", name, "half.safetensors").write_bytes(b"half")
    yesterday = time.time() - 86_400
    for part in (Path("a/.il_bench-draft-old/half.safetensors"), Path("a/.il_bench-draft-old")):
        os.utime(part, (yesterday, yesterday))
    swept(*ONE, "--out", "a")
    assert [path.name for path in Path("a").glob(".*")] == [".il_bench-draft-young"]


def test_drafts_and_links_are_never_read(a, capsys):
    (path,) = Path(a).iterdir()
    Path("a/.il_bench-draft-x.safetensors").write_bytes(b"half")
    assert il.open(a).sizes["run"] == 2
    Path("a/link.safetensors").symlink_to(path.absolute())
    assert "is a link; copy the file itself there" in refused(capsys, "a", main=table.main)


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_no_results_is_a_sentence(capsys, folder):
    Path("empty").mkdir()
    assert "results: " in refused(capsys, folder, main=table.main)


def test_a_coordinate_or_a_time_that_is_not_there_is_a_sentence(a, capsys):
    assert "by: expected coordinates among env, algo, got noise" in refused(
        capsys, "a", "--by", "noise", main=table.main
    )
    assert "at: expected times from 0 to 10, got 11" in refused(
        capsys, "a", "--at", "11", main=table.main
    )


def test_a_table_says_what_a_line_pools(capsys, monkeypatch):
    swept("--env", "tube", "--algo", "bc", "--noise", "0", "0.1", *TINY, "--out", "a")
    capsys.readouterr()
    table.main(["a", "--by", "noise,algo"])
    assert "pools" not in capsys.readouterr().out
    table.main(["a", "--by", "algo"])
    assert "a line pools up to 2 values of noise; add them to --by" in capsys.readouterr().out
    monkeypatch.setattr(digest, "ROOMS", ("core",))  # the code has changed since
    swept("--env", "tube", "--algo", "bc", "--noise", "0", *TINY, "--out", "a")
    table.main(["a", "--by", "noise"])
    assert "a line pools up to 2 values of code" in capsys.readouterr().out


def test_killing_it_does_not_show():
    """SIGKILL to all of it: the same command then does the rest. `benchmarks/unbreakable.py` kills by the dozen."""
    command = [sys.executable, "-m", "il_bench.sweep", *TUBE[:-2], "--jobs", "2", "--batch", "1"]
    work = subprocess.Popen(
        [*command, "--out", "a"], start_new_session=True, stdout=subprocess.DEVNULL
    )
    while not list(Path("a").glob("[!.]*")) and work.poll() is None:
        time.sleep(0.02)
    os.killpg(work.pid, signal.SIGKILL)
    assert work.wait() == -signal.SIGKILL
    swept(*TUBE, "--out", "a")
    swept(*TUBE, "--out", "whole")
    assert same(il.open("a"), il.open("whole"))


def test_workers_end_when_their_parent_alone_is_killed():
    child = "import time; from il_bench.jobs.lifeline import end_with; end_with({}); print('.', flush=True); time.sleep(600)"
    parent = f"""if True:
        import os, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", {child!r}.format(os.getpid())])
        time.sleep(600)"""
    work = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    with work.stdout as pipe:
        assert pipe.read(1) == b"."  # the child is there
        work.kill()
        work.wait()
        assert pipe.read() == b"\n"  # ends when nobody holds its other end any more


def planned(*args):
    options, settings = plan.asked([str(a) for a in args])
    pairs = [(env, algo) for env in options.env for algo in options.algo]
    return plan.planned(options, settings, pairs)[0]


def address(*args):
    """The key of the only run of a sweep."""
    return planned(*args, "--seeds", "1")[0].keys()[0]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working directory whose files are imported anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("mine", "aid", "desk"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield
    for name in ("mine", "aid", "desk"):
        sys.modules.pop(name, None)


DESK = {
    "aid.py": "GAIN = -0.5\n",
    "mine.py": "import aid\ndef act(obs):\n    return aid.GAIN * obs[:, :1]\n",
}


@pytest.mark.parametrize("edited", ["mine.py", "aid.py"])
def test_an_edited_expert_or_what_it_uses_is_a_new_run(desk, edited):
    for name, text in DESK.items():
        Path(name).write_text(text)
    flags = ("--env", "lane", "--algo", "bc", "--expert", "mine:act")
    before = address(*flags)
    assert address(*flags) == before
    Path(edited).write_text(DESK[edited] + "# another\n")
    assert address(*flags) != before


def test_an_edited_net_of_a_file_is_a_new_run(desk):
    text = (
        "from dataclasses import dataclass\nfrom typing import ClassVar\n"
        "@dataclass(frozen=True)\nclass Net:\n    descends: ClassVar[bool] = False\n"
        "    def fit(self): ...\n    def restore(self): ...\n    def footprint(self): ...\n"
    )
    Path("desk.py").write_text(text)
    flags = ("--env", "lane", "--algo", "bc", "--net", "desk:Net")
    before = address(*flags)
    Path("desk.py").write_text(text + "# another\n")
    assert address(*flags) != before


@pytest.mark.parametrize("spelling", ["sb3:agent.zip", "sb3:agent"])
def test_a_rewritten_zip_or_its_statistics_are_a_new_run(spelling):
    class Model:
        """What an expert out of a zip came from."""

    class FromZip(il.Expert):
        source = Model()

        def act(self, state):
            return state

    Model.spelling = spelling
    learner, env = il.BC(), il.make("lane")
    keys = []
    for file, content in (
        ("agent.zip", b"1"),
        ("agent.zip", b"2"),
        ("agent.vecnormalize.pkl", b"1"),
    ):
        Path(file).write_bytes(content)
        keys.append(digest.code_of(env, learner, FromZip()))
    assert len(set(keys)) == 3
    assert digest.code_of(env, learner, FromZip()) == keys[-1]


def test_rewritten_demonstrations_are_a_new_run(tmp_path, monkeypatch):
    monkeypatch.setattr(minari_in, "folder", lambda identifier: tmp_path / identifier)
    (tmp_path / "lane" / "data").mkdir(parents=True)
    file = tmp_path / "lane" / "data" / "main_data.hdf5"
    learner, env = il.BC(demos="minari:lane"), il.make("lane")
    keys = []
    for content in (b"one", b"one", b"two"):
        file.write_bytes(content)
        keys.append(digest.code_of(env, learner, il.expert(env)))
    assert keys[0] == keys[1] != keys[2]


def test_flags_are_parsed_once_whatever_the_number_of_their_values(monkeypatch):
    parsed = []
    real = flags.parsed
    for place in (flags, owners):
        monkeypatch.setattr(place, "parsed", lambda *rest: (parsed.append(1), real(*rest))[1])
    groups = planned("--env", "tube", "--algo", "bc", "--horizon", "20:60:1", "--seeds", "2")
    assert len(groups) == 41
    assert [group.values["horizon"] for group in groups] == list(range(20, 61))
    assert len(parsed) == 2  # the sweep's own flags, and the settings


def test_sources_are_digested_once_and_travel_with_the_batch(monkeypatch):
    digests = []
    real = digest.code_of
    monkeypatch.setattr(digest, "code_of", lambda *things: digests.append(1) or real(*things))
    planned("--env", "tube", "--algo", "bc", "--horizon", "20:60:1", "--seeds", "2")
    assert len(digests) == 1
    groups = planned("--env", "tube", "--algo", "bc", "--seeds", "40")
    monkeypatch.setattr(digest, "code_of", lambda *things: pytest.fail("digested again"))
    batches = list(plan.batched(groups, set(), 8, 2))
    assert len({key for batch in batches for key in batch.keys()}) == 40  # noqa: SIM118


def test_the_first_row_of_a_large_sweep_comes_alone():
    groups = planned("--env", "tube", "--algo", "bc", "--seeds", "40")
    assert [batch.runs for batch in plan.batched(groups, set(), 32, 1)] == [1, 32, 7]
    default = planned("--env", "tube", "--algo", "bc")
    assert next(plan.batched(default, set(), 64, 1)).runs == 1
    small = planned("--env", "tube", "--algo", "bc", "--seeds", "8")
    assert [batch.runs for batch in plan.batched(small, set(), 32, 2)] == [4, 4]


def test_whether_d_is_a_chance_is_kept_of_a_strangers_environment_too(capsys):
    """FrozenLake's D is 0 or 1, and no name in the registry says so."""
    Path("ice.py").write_text("def down(obs):\n    return [1] * len(obs)\n")
    flags = ["--env", "FrozenLake-v1", "--expert", "ice:down", "--algo", "bc", *TINY]
    sweep.main([*flags, "--out", "lake"])
    assert il.open("lake")["indicator"].values.tolist() == [1.0, 1.0]


def test_results_of_versions_that_kept_no_return_still_open(a, capsys):
    whole = il.open(a)
    (path,) = Path(a).glob("*.safetensors")
    with safe_open(path, "np") as file:
        texts = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del texts[CHECKSUM]  # nor that
    late = [name for name, one in VARIABLES.items() if one.late and not one.needs]
    save_file({name: array for name, array in arrays.items() if name not in late}, path, texts)
    old = il.open(a)
    assert late
    for name in late:
        assert old[name].isnull().all()
    assert old.drop_vars(late).equals(whole.drop_vars(late))
    table.main(["a"])
    assert "of expert's" in capsys.readouterr().out
