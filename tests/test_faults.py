"""One bad cell costs no other: whatever it does, it is named and kept as failed, and all others are finished."""

import dataclasses
import faulthandler
import os
import shutil
import subprocess
import sys
from pathlib import Path

import faults
import pytest

import il_bench as il
from il_bench import sweep, table
from il_bench.core.files import sweep_away
from il_bench.jobs import crew, digest, plan, store, traces, workers

TINY = ["--rollouts", "3", "--horizon", "6", "--jobs", "1"]
ONE = ["--env", "tube", "--algo", "bc", "--hidden", "4", "--updates", "4", *TINY]
SMALL = [*ONE, "--seeds", "2"]
FAULTY = ["--env", "tube", "--algo", "faulty:Faulty", "--lipschitz", "0.9", "1.1", "1.2", *TINY]
FAULTY += ["--seeds", "2"]


def ended(capsys, *args, main=sweep.main):
    """What a command that does not end well says."""
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("fault", faults.CELLS, ids=lambda fault: fault.__name__)
def test_a_bad_cell_is_named_and_kept_as_failed_and_the_others_go_on(capsys, fault):
    faults.write_learner(fault)
    said = ended(capsys, *FAULTY, "--out", "a")
    assert "2 of 6 runs failed, all others are kept in a; --retry tries them again" in said
    assert "tube, faulty:Faulty, lipschitz = 1.1, seed 0, 1: learner Faulty: " in said
    assert f"raised {faults.CELLS[fault]}" in said
    assert sorted(il.open("a").lipschitz.values) == [0.9, 0.9, 1.2, 1.2]
    table.main(["a"])
    assert "2 runs failed and are not in the table" in capsys.readouterr().out


def test_what_failed_is_tried_again_when_that_is_asked_for(capsys):
    faults.write_learner(faults.raises)
    ended(capsys, *FAULTY, "--out", "a")
    Path("mended").touch()
    said = ended(capsys, *FAULTY, "--out", "a")
    assert "2 of 6 runs failed" in said
    sweep.main([*FAULTY, "--out", "a", "--retry"])
    assert "4 of them finished before, 2 to do" in capsys.readouterr().out
    assert il.open("a").sizes["run"] == 6
    assert not store.failures(Path("a"))


def test_what_failed_with_code_that_has_changed_is_forgotten(capsys, monkeypatch):
    faults.write_learner(faults.raises)
    ended(capsys, *FAULTY, "--out", "a")
    Path("mended").touch()
    monkeypatch.setattr(digest, "ROOMS", ("core",))
    sweep.main([*FAULTY, "--out", "a"])
    assert not store.failures(Path("a"))


def test_where_everything_failed_there_is_a_sentence(capsys):
    faults.write_learner(faults.raises)
    ended(capsys, *FAULTY[:4], "--lipschitz", "1.1", *TINY, "--seeds", "1", "--out", "a")
    assert "holds no results, 1 runs failed" in ended(capsys, "a", main=table.main)


def is_bad(orders, batch):
    return 1.1 in il.as_tuple(batch.values["lipschitz"])


def with_crew(monkeypatch, ends, error=None):
    monkeypatch.setattr(workers, "crew_of", lambda options: faults.Fragile(ends, error))


def test_a_worker_that_somebody_killed_is_replaced(monkeypatch):
    killed = []
    with_crew(monkeypatch, lambda *rest: len(killed) < 5 and not killed.append(1))
    sweep.main([*ONE, "--seeds", "8", "--out", "a", "--batch", "2"])
    assert il.open("a").sizes["run"] == 8


def test_a_cell_that_ends_its_workers_is_known_by_its_settings(capsys, monkeypatch):
    with_crew(monkeypatch, is_bad)
    said = ended(capsys, *SMALL, "--lipschitz", "0.9", "1.1", "1.2", "--out", "a")
    assert "tube, bc, lipschitz = 1.1, seed 0, 1: its worker process ended, SIGKILL(-9)" in said
    assert sorted(il.open("a").lipschitz.values) == [0.9, 0.9, 1.2, 1.2]


def test_where_all_are_blamed_a_suspect_is_tried_alone(capsys, monkeypatch):
    monkeypatch.setattr(workers, "crew_of", lambda options: faults.Blaming(is_bad))
    said = ended(capsys, *SMALL, "--lipschitz", "1.1", "0.9", "1.2", "--batch", "1", "--out", "a")
    assert "2 of 6 runs failed" in said
    assert sorted(il.open("a").lipschitz.values) == [0.9, 0.9, 1.2, 1.2]
    assert len(list(Path("a").glob("*.failed.json"))) == 2


def test_workers_that_never_begin_end_the_sweep(capsys, monkeypatch):
    with_crew(monkeypatch, lambda *rest: True, faults.STILLBORN)
    said = ended(capsys, *SMALL, "--out", "a")
    assert "3 workers in a row ended before they could begin (EXIT(1))" in said
    assert not store.failures(Path("a"))


def test_a_cluster_that_went_away_is_a_sentence(capsys, monkeypatch):
    with_crew(monkeypatch, lambda *rest: True, faults.CLUSTER_GONE)
    assert "scheduler: the cluster went away" in ended(capsys, *SMALL, "--out", "a")


def test_a_process_that_leaves_or_crashes_costs_no_other():
    processes = crew.Processes(2, faults.nothing)
    try:
        answers = [processes.submit(fault) for fault in (faults.leaves, faults.crashes)]
        assert not processes.has_room()
        for answer, how in zip(answers, (r"EXIT\(0\)", r"SIGSEGV\(-11\)"), strict=True):
            with pytest.raises(crew.Ended, match=how):
                processes.result(answer)
        assert processes.has_room()
    finally:
        processes.dismiss()


def test_a_process_that_hangs_is_ended_and_says_where():
    program = (
        "from pathlib import Path\nfrom il_bench.jobs.traces import watched\nimport faults\n"
        "def attempt():\n    with watched(Path('trace'), 0.1):\n        faults.hangs()\nattempt()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(faults.__file__).parent)}
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, env=environment, check=False).returncode == 1
    assert traces.hang(Path("trace"), "attempt").startswith("hangs, faults.py, line ")
    assert not Path("trace").exists()
    with traces.watched(Path("trace"), 60):
        pass
    assert not Path("trace").exists()


TRACE = """Timeout (0:00:05)!
Thread 1 (most recent call first):
  File "a/mine.py", line 3 in act
  File "workers.py", line 9 in attempt
"""


def test_a_batch_that_hung_is_told_with_its_place(capsys, monkeypatch):
    def hangs(orders, batch):
        bad = is_bad(orders, batch)
        if bad:
            orders.trace(batch).write_text(TRACE)
        return bad

    with_crew(monkeypatch, hangs)
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda *rest, **named: None)
    said = ended(capsys, *SMALL, "--lipschitz", "0.9", "1.1", "--timeout", "5", "--out", "a")
    words = "no result after --timeout 5 s; it hung in act, mine.py, line 3"
    assert f"tube, bc, lipschitz = 1.1, seed 0, 1: {words}" in said


def test_a_worker_with_other_code_is_refused_with_both_named(capsys, monkeypatch):
    real = workers.attempt

    def elsewhere(orders, batch):
        code = dict(batch.code.parts) | {"torch": "1.0.0", "mine": "0123"}
        other = digest.Code(tuple(sorted(code.items())))
        return real(orders, dataclasses.replace(batch, code=other))

    monkeypatch.setattr(workers, "attempt", elsewhere)
    said = ended(capsys, *SMALL, "--out", "a")
    assert "sweep: it was planned with code " in said
    assert "which differs in mine (only here), torch (1.0.0, there " in said
    assert not list(Path("a").glob("*.safetensors"))


@pytest.mark.parametrize("lost", [1, None], ids=["one", "all"])
def test_rows_that_are_not_there_at_the_end_are_missed(capsys, monkeypatch, lost):
    real = workers.carry_out

    def losing(options, *rest):
        real(options, *rest)
        if lost is None:
            shutil.rmtree(options.out)
        for path in list(Path("a").glob("*.safetensors"))[:lost]:
            path.unlink()

    monkeypatch.setattr(workers, "carry_out", losing)
    said = ended(capsys, *SMALL, "--batch", "1", "--out", "a")
    assert f"{lost or 2} of 2 runs are not in a although they were computed" in said


def test_a_folder_that_cannot_be_made_is_refused_before_the_first_batch(capsys, monkeypatch):
    monkeypatch.setattr(workers, "compute", lambda *rest: pytest.fail("computed"))
    Path("file").touch()
    assert "results: " in ended(capsys, *SMALL, "--out", "file/a")


def test_a_clock_that_jumps_costs_nothing(monkeypatch):
    sweep.main([*SMALL, "--out", "a"])
    Path("a/.il_bench-draft-half").mkdir()
    faults.jump_clock(monkeypatch, -86_400)
    sweep_away(Path("a"))
    assert Path("a/.il_bench-draft-half").exists()
    sweep.main([*SMALL, "--out", "a", "--no-resume"])
    assert il.open("a").sizes["run"] == 2


def test_an_interruption_counts_what_the_folder_has(capsys):
    sweep.main([*SMALL, "--out", "a"])
    options, settings = plan.asked([*ONE, "--seeds", "3"])
    groups, _ = plan.planned(options, settings, [("tube", "bc")])
    workers._tell_interruption(Path("a"), groups)
    assert "interrupted; 2 of 3 runs are kept in a, the same command" in capsys.readouterr().err


def test_a_reader_who_has_read_enough_does_not_end_the_sweep(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        sweep.main([*SMALL, "--out", "a"])
    assert il.open("a").sizes["run"] == 2


def test_a_dask_cluster_gives_the_same_rows():
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    sweep.main([*SMALL, "--out", "a"])
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False}
    with distributed.LocalCluster(**options, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        sweep.main([*SMALL, "--backend", "dask", "--scheduler", address, "--out", "b"])
    one, two = (il.open(folder).drop_vars("seconds") for folder in "ab")
    assert one.identical(two)
