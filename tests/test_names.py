"""Names on the command line: several learners in one run, and settings that two have, qualified by their owner."""

import re

import pytest

import il_bench as il
from il_bench import run, sweep
from il_bench.cli import flags
from il_bench.cli.owners import Owner, each_run, read
from il_bench.core.registry import LEARNERS
from il_bench.jobs.matched import cloning_beside

pytestmark = pytest.mark.usefixtures("no_figures")

QUICK = ["--seeds", "2", "--rollouts", "3", "--horizon", "12", "--hidden", "8", "--updates", "40", "--no-video"]  # fmt: skip


def settings(record, learner):
    return record.config["algorithms"][learner]["settings"]


def refusal(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        run.main([*args, *QUICK, "--out", "a"])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_setting_that_two_have_is_qualified():
    flags = ["--env", "power", "--power.p", "2", "--dagger.p", "0.5", "--beta", "constant"]
    run.main([*flags, *QUICK, "--out", "a"])
    record = il.load("a")
    assert record.config["env"]["settings"]["p"] == 2
    assert settings(record, "dagger")["p"] == 0.5


def test_an_unqualified_one_is_refused_with_both_forms(capsys):
    words = refusal(capsys, "--env", "power", "--p", "2")
    assert "--p: power and dagger both have such a setting; write --power.p or --dagger.p" in words


def test_a_qualified_flag_of_one_owner_is_its_plain_one():
    run.main(["--lane.wind", "0.01", "--dagger.rounds", "2", *QUICK, "--out", "a"])
    record = il.load("a")
    assert record.config["env"]["settings"]["wind"] == 0.01
    assert settings(record, "dagger")["rounds"] == 2


def test_several_learners_share_plain_flags_and_keep_qualified_ones():
    flags = ["--algo", "bc", "dagger", "smile", "--rounds", "2", "--smile.rounds", "3"]
    run.main([*flags, "--lr", "0.002", *QUICK, "--out", "a"])
    record = il.load("a")
    assert record.learners == ["expert", "bc", "dagger", "smile"]
    assert record.config["match"] == []
    assert [settings(record, name)["rounds"] for name in ("dagger", "smile")] == [2, 3]
    rates = [settings(record, name)["training"]["lr"] for name in ("bc", "dagger", "smile")]
    assert rates == [0.002] * 3


def test_several_values_of_a_shared_flag_are_one_axis():
    owners = [Owner(name, LEARNERS[name], "learner") for name in ("bc", "dagger")]
    together = each_run(owners, read(owners, ["--lr", "0.1", "0.2"], "test"), 3)
    assert together["bc"]["lr"] == together["dagger"]["lr"] == (0.1,) * 3 + (0.2,) * 3
    apart = read(owners, ["--bc.lr", "0.1", "0.2", "--dagger.lr", "0.3", "0.4"], "test")
    assert len(each_run(owners, apart, 3)["bc"]["lr"]) == 12


@pytest.mark.parametrize(
    ("names", "args", "said"),
    [
        (["dagger"], ["--dagger.lr", "x"], "--dagger.lr: expected numbers, got x"),
        (["dagger"], ["--dagger.lr=x"], "--dagger.lr: expected numbers, got x"),
        (["dagger"], ["--lr", "x"], "--lr: expected numbers, got x"),
        (["bc", "dagger"], ["--lr", "x"], "--lr: expected numbers, got x"),
        (["bc", "dagger"], ["--lr", "1", "--bc.lr", "x"], "--bc.lr: expected numbers, got x"),
        (["dagger"], ["--dagger.beta", "x"], "--dagger.beta: expected indicator, constant"),
    ],
)
def test_a_complaint_names_the_flag_as_it_was_typed(names, args, said):
    owners = [Owner(name, LEARNERS[name], "learner") for name in names]
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        read(owners, args, "test")


def test_two_of_one_name_are_refused(capsys):
    words = refusal(capsys, "--algo", "bc", "bc")
    assert "algo: expected learners of different names, got bc bc; name each once" in words


def test_a_run_of_several_is_repeated(capsys):
    run.main(["--algo", "bc", "dagger", "--rounds", "2", *QUICK, "--out", "a"])
    run.main(["--from", "a", "--no-video", "--out", "b"])
    assert "Every array is identical" in capsys.readouterr().out


def test_a_sweep_takes_qualified_flags():
    flags = ["--env", "power", "--algo", "dagger", "--power.p", "1", "2", "--dagger.p", "0.5", "--beta", "constant"]  # fmt: skip
    sweep.main([*flags, *QUICK[:-1], "--rounds", "2", "--jobs", "1", "--out", "a"])
    data = il.open("a")
    assert sorted(set(data["power.p"].values)) == [1, 2]


def test_cloning_beside_a_learner_has_its_labels_run_by_run():
    env = il.make("lane", seeds=3, horizon=12)
    learner = il.DAgger(rounds=2, training=il.Training(hidden=(4,), updates=10))
    policy = learner.learn(env, il.expert(env))
    cloning = cloning_beside(learner, policy, env)
    assert cloning.labels == tuple(float(count) for count in policy.log.labels)
    assert cloning.training == learner.training


@pytest.mark.parametrize("learner", LEARNERS)
def test_no_net_has_a_setting_of_a_learner_that_takes_it(learner):
    """Two flags of one name ended in a traceback; `chunk` alone takes no nets of its own kind."""
    cls = LEARNERS[learner]
    for net in il.NETS if flags.plugs(cls) else ():
        if learner == "chunk" and net in ("chunk", "mdn", "flow"):
            with pytest.raises(ValueError, match="has a setting of this name, and so has Chunk"):
                flags.flags_of(cls, chosen={"net": net})
        else:
            flags.flags_of(cls, chosen={"net": net})


def test_the_words_beneath_a_field_are_its_help_wherever_its_class_stands():
    class Within:
        """A class of a function's, whose name another one has."""

        slope: float = 1.0
        """How steep it is,
        in metres."""
        bare: int = 3

    made = type("Made", (Within,), {})
    assert flags.field_docs(Within) == {"slope": "How steep it is, in metres."}
    assert flags.field_docs(made) == flags.field_docs(Within)
