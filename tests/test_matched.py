"""Matched comparisons: labels run by run, updates, what is said of both, and what cannot be matched."""

import importlib
import re

import numpy as np
import pytest
import torch
from conftest import SMALL, learners, tiny

import il_bench as il
from il_bench import run
from il_bench.core.policy import Log
from il_bench.jobs.matched import matched
from il_bench.records.rows import spending

command = importlib.import_module("il_bench.compare")


def test_a_limit_is_kept_run_by_run_and_changes_no_other_run():
    env = tiny("tube", seeds=3, horizon=6)
    learner = il.DAgger(rounds=3, episodes=2, training=SMALL)
    log = Log(limit=torch.tensor([36, 20, 13]))
    policy = learner.learn(env, il.expert(env), None, log)
    assert log.labels.tolist() == [36, 20, 13]
    assert log.steps.tolist() == [36, 20, 13]
    alone = Log(limit=torch.tensor([20]))
    single = learner.learn(env[1], il.expert(env[1]), None, alone)
    for one, among in zip(single.layers, policy.layers, strict=True):
        assert torch.equal(one[0], among[1])


def test_what_a_limit_cuts_off_has_not_fallen():
    """One episode that falls at the fork's next step is no fall where its first step is the last that may be taken."""
    env = il.make("quad", horizon=200)
    training = il.Training(updates=2, hidden=(4,))
    free = il.DAgger(rounds=2, episodes=2, training=training).learn(env, il.expert(env)).log
    held = Log(limit=torch.tensor([int(free.labels) - 5]))
    il.DAgger(rounds=2, episodes=2, training=training).learn(env, il.expert(env), None, held)
    assert free.falls.item() == 2
    assert held.falls.item() == 1
    assert held.labels.item() == free.labels.item() - 5


def test_learners_have_the_same_labels_in_every_run():
    env = il.make("quad", seeds=2, horizon=120)
    training = il.Training(updates=4, hidden=(4,))
    learners = {
        "bc": il.BC(6, training),
        "dagger": il.DAgger(rounds=3, episodes=2, training=il.Training(updates=9, hidden=(4,))),
    }
    record = matched(env, il.expert(env), learners, episodes=2)
    budgets = record.index.budgets
    assert budgets["bc"].labels == budgets["dagger"].labels
    assert len(set(budgets["bc"].labels)) > 1  # each run fell when it fell
    assert budgets["dagger"].updates == 4
    assert spending(record)[0].startswith("Held equal, run by run: labels, updates and steps.")


def test_learners_that_take_few_labels_have_the_same_steps_in_every_run():
    """A gate's labels are fewer than its steps; held equal are the steps that were driven, and no more is said."""
    env = tiny("tube", seeds=2)
    gated = il.learner("gated", gate="human", rounds=4, training=SMALL)
    learners = {"gated": gated, "bc": il.BC(9, SMALL)}
    record = matched(env, il.expert(env), learners, ("steps", "updates"), episodes=2)
    budgets = record.index.budgets
    assert budgets["bc"].steps == budgets["gated"].steps == [4 * env.horizon] * 2
    (said,) = spending(record)
    assert said.startswith("Held equal, run by run: updates and steps. Not equal: labels (gated ")


def test_cloning_by_labels_keeps_to_a_limit_too():
    env = tiny("tube", seeds=2, horizon=6)
    for limit in (Log(most_steps=torch.tensor([10, 20])), Log(limit=torch.tensor([10, 20]))):
        il.BC(labels=15, training=SMALL).learn(env, il.expert(env), None, limit)
        assert limit.labels.tolist() == limit.steps.tolist() == [10, 15]


@pytest.mark.parametrize("name", ["bc", "noise", "dagger", "gated"])
def test_a_limit_on_steps_is_kept_run_by_run_and_changes_no_other_run(name):
    env = tiny("tube", seeds=3, horizon=6)
    options = {"rounds": 3} if name in ("dagger", "gated") else {}
    learner = il.learner(name, episodes=6, training=SMALL, **options)
    log = Log(most_steps=torch.tensor([30, 20, 13]))
    policy = learner.learn(env, il.expert(env), None, log)
    assert log.steps.tolist() == [30, 20, 13]
    alone = Log(most_steps=torch.tensor([20]))
    single = learner.learn(env[1], il.expert(env[1]), None, alone)
    for key, array in single.arrays().items():
        assert torch.equal(array[0], policy.arrays()[key][1]), key


def test_labels_and_steps_are_matched_together():
    env = tiny("tube", seeds=2)
    learners = {"bc": il.BC(9, SMALL), "gated": il.learner("gated", rounds=4, training=SMALL)}
    record = matched(env, il.expert(env), learners, ("labels", "steps"), episodes=2)
    budgets = record.index.budgets
    assert all(np.array(budgets["bc"].labels) <= budgets["gated"].labels)
    assert all(np.array(budgets["bc"].steps) <= budgets["gated"].steps)


def test_what_differs_is_not_called_equal():
    env = tiny("tube", seeds=2)
    learners = {"bc": il.BC(2, SMALL), "dagger": il.DAgger(2, 3, training=SMALL)}
    record = matched(env, il.expert(env), learners, match=("updates",), episodes=2)
    labels = [2 * env.horizon, 6 * env.horizon]
    assert spending(record) == [
        f"Held equal, run by run: updates. Not equal: labels (bc {labels[0]}, dagger {labels[1]}); "
        f"steps (bc {labels[0]}, dagger {labels[1]})."
    ]
    plain = il.compare(env, il.expert(env), bc=record.policies()["bc"], episodes=2)
    assert spending(plain) == []


def test_names_do_for_learners():
    env = tiny("tube")
    record = matched(env, il.expert(env), ("copy", il.BC(1, SMALL)), ("labels",), episodes=1)
    assert list(record.learners) == ["expert", "copy", "bc"]
    with pytest.raises(ValueError, match="learners: expected one of each name"):
        matched(env, il.expert(env), ("bc", "bc"))


@pytest.mark.parametrize(
    ("learners", "match", "words"),
    [
        ({"bc": il.BC(), "dagger": il.DAgger()}, ("time",), "match: expected some of labels, upd"),
        ({"bc": il.BC(), "sqil": il.learner("sqil")}, ("steps",), "sqil takes as many environment"),
        ({"bc": il.BC(), "gail": il.learner("gail")}, ("steps",), "gail takes as many environment"),
        ({"bc": il.BC(), "lols": il.learner("lols")}, ("steps",), "lols tries actions out for as"),
        ({"bc": il.BC()}, ("labels",), "match: expected several learners"),
        ({"bc": il.BC(), "zero": il.learner("zero")}, ("updates",), "zero makes no gradient"),
    ],
)
def test_what_cannot_be_matched_is_said_before_any_work(learners, match, words):
    env = tiny("tube")
    with pytest.raises(ValueError, match=words):
        matched(env, il.expert(env), learners, match)


def test_the_command_is_the_run_command_s_with_a_match():
    defaults = ["--algo", "bc", "noise", "dagger", "--match", "labels", "updates"]
    assert command.as_run(["--env", "tube"]) == ["--env", "tube", *defaults]
    given = ["--algos", "bc", "dagger", "--match", "labels,updates", "--seeds", "2"]
    expected = ["--algo", "bc", "dagger", "--match", "labels", "updates", "--seeds", "2"]
    assert command.as_run(given) == expected
    assert command.as_run(["--algos=bc", "--algos=dagger", "--match=labels"])[-1] == "labels"


def test_it_compares_and_says_what_was_equal(capsys):
    learners = ["--algos", "bc", "dagger", "--rounds", "2", "--dagger.episodes", "1"]
    sizes = ["--bc.episodes", "2", "--horizon", "20", "--updates", "4", "--seeds", "2"]
    command.main(
        ["--env", "tube", *learners, *sizes, "--rollouts", "2", "--no-video", "--out", "a"]
    )
    out = capsys.readouterr().out
    assert "Held equal, run by run: labels, updates and steps." in out
    assert il.load("a").index.match == ["labels", "updates"]


def test_the_function_of_the_same_name_stays_one():
    env = tiny("tube")
    record = il.compare(env, il.expert(env), episodes=1)
    assert np.isfinite(record.arrays["state"]).all()


class Before:
    """Stands first, and must not begin."""

    training = SMALL

    def learn(self, *_):
        raise AssertionError("begun, although the next one refuses the task")


SELECTIVE = [name for name, cls in il.LEARNERS.items() if hasattr(cls, "require_possible")]


@pytest.mark.parametrize("home", ["lane", "trap", "clock"])
@pytest.mark.parametrize("name", SELECTIVE)
def test_who_cannot_learn_a_task_says_so_before_another_has_begun(home, name):
    env = tiny(home, horizon=4)
    learner = learners()[name]
    try:
        learner.require_possible(env)
    except ValueError as refusal:
        pair = {"before": Before(), name: learner}
        with pytest.raises(ValueError, match=re.escape(str(refusal))):
            il.matched(env, il.expert(env), pair, match=("labels",))


@pytest.mark.parametrize(
    "arguments", [("bc", ("labels",)), (("bc", "dagger"), "labels")], ids=["learners", "match"]
)
def test_a_name_where_a_list_is_expected_is_a_sentence(arguments):
    env = tiny("lane")
    learners, match = arguments
    with pytest.raises(ValueError, match=r"matched: expected lists, as in \(\"bc\", \"dagger\"\)"):
        il.matched(env, il.expert(env), learners, match)


def test_names_in_a_dict_are_learners_too():
    env = tiny("lane", horizon=4)
    pair = {"one": "zero", "other": "random"}
    record = il.matched(env, il.expert(env), pair, match=("labels",), episodes=2)
    assert [who for who in record.learners if who in pair] == ["one", "other"]


@pytest.mark.parametrize("algo", ["aggrevate", "lols"])
def test_costs_of_actions_that_cannot_all_be_tried_are_a_sentence_of_the_command(algo, capsys):
    """It was a traceback of the estimate of memory."""
    with pytest.raises(SystemExit):
        run.main(["--env", "tube", "--algo", algo, "--seeds", "1"])
    said = capsys.readouterr().err
    assert f"{algo}: expected Discrete actions, got Box ones" in said
