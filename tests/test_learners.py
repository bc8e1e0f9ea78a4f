"""Contract tests over every registered learner, and what is particular to the two first ones."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from conftest import SMALL, learners, tiny

import il_bench as il
from il_bench.borders.sb3_practice import Student
from il_bench.core import rollout as rolling
from il_bench.core.policy import Log
from il_bench.core.registry import name_of
from il_bench.core.rollout import by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.fit import collect, costs
from il_bench.fit.collect import demonstrate
from il_bench.fit.dataset import dataset
from il_bench.measures.assess import measures
from il_bench.nets.mlp import MLPPolicy

BRIEF = dataclasses.replace(SMALL, updates=15)
"""Five updates a round, over two epochs: what a run is does not depend on how long it learns."""
TEXT = il.Training("gru", units=8, embedding=4, updates=6, sequences=4)
"""The same for texts."""

TASKS = {
    "box": ("lane", BRIEF),
    "odd sizes": (
        "linear",
        dataclasses.replace(BRIEF, hidden=(7, 13), batch=11, normalise="zscore"),
    ),
    "discrete": ("resetcliff", BRIEF),
    "ridge": ("lane", dataclasses.replace(BRIEF, net="ridge")),
    "table": ("resetcliff", dataclasses.replace(BRIEF, net="table-per-step")),
    "chunk": ("lane", dataclasses.replace(BRIEF, net="chunk", hidden=(16,), chunk=3)),
    "chunk of discrete": ("resetcliff", dataclasses.replace(BRIEF, net="chunk", chunk=3)),
    "mdn": ("lane", dataclasses.replace(BRIEF, net="mdn", hidden=(16,), chunk=3)),
    "flow": ("lane", dataclasses.replace(BRIEF, net="flow", hidden=(16,), chunk=3)),
    "text": ("clock", TEXT),
    "svm": ("recover", dataclasses.replace(BRIEF, net="svm", normalise="zscore", std_floor=0.1)),
    "letters": ("ocr", dataclasses.replace(BRIEF, net="svm", normalise="zscore", std_floor=0.1)),
}
DEAR = {"letters": ("bc",)}
"""Who learns the tasks of 325 machines; those of three machines everybody does."""

REFUSAL = r"\w+: expected (Box actions|Discrete actions|net \w+|observations in a Box|a text|an expert that).*; use "
"""How a learner says that it is not for such actions, or for such a net: contract enough for that task."""


THOSE_WHO_LEARN = [
    name
    for name, one in learners().items()
    if hasattr(one, "training") or hasattr(one, "own_updates")
]
"""All but the probes, of which tests/test_probes.py speaks."""


HOMES = {
    "Box": ("lane", BRIEF),
    "Discrete": ("resetcliff", BRIEF),
    "symbols": ("clock", TEXT),
}


def home(name):
    """An environment whose actions a learner can learn, and a training for it."""
    return HOMES[getattr(il.LEARNERS[name], "actions", "Box")]


def learn(name, env, training, **changes):
    learner = learners()[name]
    if hasattr(learner, "training"):
        learner = dataclasses.replace(learner, training=training, **changes)
    log = Log()
    try:
        return learner.learn(env, il.expert(env), None, log), log
    except ValueError as refusal:
        if not re.match(REFUSAL, str(refusal)):
            raise
        pytest.skip(str(refusal))


@pytest.mark.parametrize(
    ("name", "task"),
    [(name, task) for task in TASKS for name in DEAR.get(task, THOSE_WHO_LEARN)],
)
def test_run_2_of_4_is_run_2_alone_bit_for_bit(name, task):
    env_name, training = TASKS[task]
    if name_of(training.net) != "mlp" and not hasattr(learners()[name], "training"):
        pytest.skip("it chooses no net")
    if training.net == il.net("svm"):
        pytest.importorskip(
            "sklearn", reason="net svm is scikit-learn's: pip install il-bench[bench]"
        )
    env = tiny(env_name, seeds=4)
    # What is earned by who remembers more than the step can only be tried out.
    remembers = task in ("text", "chunk of discrete")
    changes = {"costs": "rollouts"} if name == "lols" and remembers else {}
    many = learn(name, env, training, **changes)[0]
    alone = learn(name, env[2], training, **changes)[0]
    for key, array in many.arrays().items():
        assert torch.equal(array[2:3], alone.arrays()[key]), key
    streams = [Streams(e.seeds).fork("evaluation") for e in (env, env[2])]
    seen = rollout(env, by_policy(env, many), streams[0], 5)
    lone = rollout(env[2], by_policy(env[2], alone), streams[1], 5)
    assert torch.equal(seen.state[2], lone.state[0])
    assert torch.equal(seen.action[2], lone.action[0])


@pytest.mark.parametrize("name", THOSE_WHO_LEARN)
def test_the_number_of_runs_beside_it_does_not_matter_either(name):
    if getattr(il.LEARNERS[name], "one_by_one", False):
        pytest.skip("its runs never stand side by side")
    env = tiny("tube", seeds=9, lipschitz=(0.9, 1.2))
    alike = il.make("tube", horizon=12, lipschitz=1.2, seeds=3)
    training = BRIEF
    if home(name)[0] == "clock":
        env, training = tiny("clock", seeds=9, slip=(0.0, 0.1)), TEXT
        alike = tiny("clock", seeds=3, slip=0.1)
    many = learn(name, env, training)[0]
    few = learn(name, alike, training)[0]
    for key, array in many.arrays().items():
        assert torch.equal(array[9:12], few.arrays()[key]), key


@pytest.mark.parametrize("name", THOSE_WHO_LEARN)
def test_a_learner_signs_its_policy_with_what_it_cost_and_with_what_was_driven(name, monkeypatch):
    driven = []
    real = rolling.rollout
    for module in (rolling, collect, costs):
        monkeypatch.setattr(
            module, "rollout", lambda *args: driven.append(real(*args)) or driven[-1]
        )
    students = []
    monkeypatch.setattr(Student, "close", lambda student: students.append(student))
    task, training = home(name)
    env = il.make(task, horizon=60, seeds=3)
    policy, log = learn(name, env, training)
    assert policy.log is log
    assert policy.runs == 3
    learner = learners()[name]
    taught = training.updates if hasattr(learner, "training") else 0
    assert log.updates == taught + getattr(learner, "own_updates", 0)
    assert log.seconds > 0
    assert (torch.as_tensor(log.labels) > 0).all()
    assert (torch.as_tensor(log.steps) >= torch.as_tensor(log.labels)).all()

    def practised(what):
        return torch.tensor([student.spent(what) for student in students] or [0, 0, 0])

    episodes = sum(seen.length.shape[1] for seen in driven)
    assert (torch.as_tensor(log.episodes) == episodes + practised("episodes")).all()
    own = {"steps": lambda seen: seen.length.sum(1), "falls": lambda seen: seen.terminated.sum(1)}
    own["collected"] = lambda seen: seen.reward.sum((1, 2))
    for what, count in own.items():
        assert torch.equal(getattr(log, what), sum(map(count, driven)) + practised(what))


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("name", THOSE_WHO_LEARN)
def test_what_a_learner_has_cost_opens_again(name, runs, tmp_path):
    """Episodes of practice were counted for each run, and read as one number: Records of those who practise did not open."""
    task, training = home(name)
    env = tiny(task, seeds=runs)
    policy, log = learn(name, env, training)
    record = il.compare(env, il.expert(env), {name: policy}, episodes=2)
    again = il.load(record.save(tmp_path / "record"))
    assert again.index.budgets == record.index.budgets
    spent = again.index.budgets[name]
    assert len(spent.episodes) == runs
    assert (torch.tensor(spent.episodes) == torch.as_tensor(log.episodes)).all()
    assert again.table()


def test_collecting_costs_a_learner_that_drives_and_not_the_expert():
    env = il.make("lane", horizon=60, seeds=6)
    expert, training = il.expert(env), il.Training(updates=40)
    policies = {"bc": il.BC(episodes=4, training=training).learn(env, expert)}
    policies["dagger"] = il.DAgger(rounds=4, training=training).learn(env, expert)
    found = il.compare(env, expert, episodes=4, **policies)
    bc, dagger = (row["values"] for row in measures(found, env, expert, policies).rows)
    assert (
        bc["episodes ended early while collecting"].value
        == 0
        < dagger["episodes ended early while collecting"].value
    )
    best = found.arrays["reward"][0].sum(-1).mean(-1)
    lost = [np.median(best - policy.log.collected.numpy() / 4) for policy in policies.values()]
    shown = [row["return lost an episode while collecting"].value for row in (bc, dagger)]
    assert shown == pytest.approx(lost)
    assert shown[0] == pytest.approx(0, abs=0.1)  # other roads, the same driver
    assert shown[1] > 1


@pytest.mark.parametrize("name", il.LEARNERS)
def test_every_setting_of_a_learner_is_documented(name):
    from il_bench.cli.flags import field_docs

    cls = il.LEARNERS[name]
    assert {f.name for f in dataclasses.fields(cls)} <= set(field_docs(cls))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", THOSE_WHO_LEARN)
def test_cuda_learns_what_the_cpu_learns(name):
    results = []
    for device in ("cpu", "cuda"):
        env = tiny("tube", seeds=2, device=device)
        record = il.compare(env, il.expert(env), episodes=4, it=learn(name, env, SMALL)[0])
        results.append(torch.from_numpy(record.arrays["state"]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=1e-3)


def test_bc_learns_the_experts_actions():
    env = il.make("tube", seeds=2, horizon=50, noise=0.05)
    policy = il.BC(episodes=4, training=il.Training(updates=600, lr=3e-3)).learn(
        env, il.expert(env)
    )
    record = il.compare(env, il.expert(env), episodes=8, bc=policy)
    assert record.rows()[0]["error_off"].value < 0.01


def test_bc_with_more_labels_is_better():
    env = il.make("resetcliff", seeds=8, horizon=10, size=10, rarity=40.0)
    gaps = []
    for episodes in (5, 200):
        policy = il.BC(episodes, il.Training(net="table-per-step")).learn(env, il.expert(env))
        gaps.append(
            il.compare(env, il.expert(env), episodes=50, sample=True, bc=policy)
            .rows()[0]["cost_gap"]
            .value
        )
    assert gaps[1] < 0.5 * gaps[0]


def dagger(env, **changes):
    settings = {"rounds": 3, "episodes": 2, "training": SMALL, **changes}
    log = Log()
    return il.DAgger(**settings).learn(env, il.expert(env), None, log), log


def test_daggers_first_round_is_bc():
    """The same rollouts and the same fit, up to the names of the streams they are drawn from."""
    env = tiny("lane", seeds=2)

    class Renamed(Streams):
        """BC's streams, under the names that DAgger's first round has."""

        def fork(self, *labels):
            names = {("demonstrations",): ("round", 0), ("fit",): ("fit", 0)}
            return Streams.fork(self, *names.get(labels, labels))

    one = dagger(env, rounds=1)[0]
    two = il.BC(2, SMALL).learn(env, il.expert(env), Renamed(env.seeds))
    for name, array in one.arrays().items():
        assert torch.equal(array, two.arrays()[name])


def test_labels_stop_a_demonstration_in_the_middle():
    env = tiny("tube", seeds=3)
    policy = il.BC(training=SMALL, labels=(5.0, 17.0, 24.0)).learn(env, il.expert(env))
    assert policy.log.labels.tolist() == [5, 17, 24]
    alone = il.BC(training=SMALL, labels=17.0).learn(env[1], il.expert(env[1]))
    for name, array in policy.arrays().items():
        assert torch.equal(array[1:2], alone.arrays()[name])


def test_dagger_recovers_what_cloning_cannot():
    env = il.make("resetcliff", seeds=8, horizon=20, actions=50, rarity=40.0)
    training = il.Training(net="table-per-step")
    bc = il.BC(40, training).learn(env, il.expert(env))
    da = il.DAgger(rounds=20, episodes=2, training=training).learn(env, il.expert(env))
    rows = il.compare(env, il.expert(env), episodes=100, sample=True, bc=bc, dagger=da).rows()
    assert rows[1]["cost_gap"].value < 0.5 * rows[0]["cost_gap"].value
    assert rows[0]["labels"] == rows[1]["labels"] == 40 * 20


@pytest.mark.parametrize("mix", ["choose", "average"])
@pytest.mark.parametrize("beta", ["indicator", "constant", "linear", "exponential", "sigmoid"])
def test_every_schedule_and_mixture_learns(beta, mix):
    policy, log = dagger(tiny("tube", seeds=2), beta=beta, mix=mix)
    assert isinstance(policy, MLPPolicy)
    assert log.labels.tolist() == [72, 72]


def test_schedules_differ_and_begin_with_the_expert():
    chances = {
        name: [il.DAgger(beta=name, rounds=8).chances(i)[0] for i in range(8)]
        for name in ("indicator", "constant", "linear", "exponential", "sigmoid")
    }
    assert len({tuple(c) for c in chances.values()}) == 5
    assert chances["indicator"] == [1] + [0] * 7
    assert chances["linear"] == [1, 0.75, 0.5, 0.25, 0, 0, 0, 0]
    assert chances["exponential"][:3] == [1, 0.5, 0.25]
    assert chances["constant"] == [0.5] * 8


def collected(monkeypatch, env, **changes):
    """The rollouts that DAgger learns from, round by round."""
    from il_bench.fit import collect
    from il_bench.learners import dagger as module

    seen, roll_in = [], module.roll_in

    def recording(*rest):
        seen.append(roll_in(*rest))
        return seen[-1]

    for place in (module, collect):
        monkeypatch.setattr(place, "roll_in", recording)
    dagger(env, **changes)
    monkeypatch.undo()
    return seen


@pytest.mark.parametrize(("p", "expert_share"), [(1.0, 1.0), (0.5, 0.5), (1e-300, 0.0)])
def test_who_drives_is_the_expert_at_the_rate_beta(monkeypatch, p, expert_share):
    env = tiny("tube", seeds=2, noise=0.3, horizon=60)
    for seen in collected(monkeypatch, env, beta="constant", p=p)[1:]:
        runs, episodes, steps, size = seen.action.shape
        label = (
            il.expert(env)
            .act(seen.state[:, :, :-1].flatten(1, 2))
            .view(runs, episodes, steps, size)
        )
        assert (seen.action == label).double().mean().item() == pytest.approx(
            expert_share, abs=0.12
        )


def test_the_first_round_is_the_expert_s_and_the_second_is_not(monkeypatch):
    env = tiny("tube", seeds=2, noise=0.3)
    first, second, _ = collected(monkeypatch, env)
    for seen, same in ((first, True), (second, False)):
        label = il.expert(env).act(seen.state[:, :, :-1].flatten(1, 2)).view_as(seen.action)
        assert torch.equal(seen.action, label) == same


def test_the_best_is_chosen_on_rollouts_that_no_round_has_learned_from(monkeypatch):
    seen = collected(monkeypatch, tiny("lane", wind=0.01), pick="best", validation=2)
    rounds, validation = seen[:3], seen[3:]
    assert len(validation) == 3
    for v in validation:
        assert torch.equal(v.state[:, :, 0], validation[0].state[:, :, 0])
        for r in rounds:
            assert not torch.equal(v.state[:, :, 0, 2:], r.state[:, :, 0, 2:])


class Counting(il.Expert):
    """Counts the states about which it is asked."""

    def __init__(self, expert):
        self.expert, self.states = expert, 0

    def act(self, state):
        self.states += state.shape[0] * state.shape[1]
        return self.expert.act(state)


@pytest.mark.parametrize(
    "learner", [il.BC(2, SMALL), il.SMILe(rounds=1, episodes=2, training=SMALL)]
)
def test_an_expert_that_drives_is_asked_once(learner):
    env = tiny("tube", seeds=2)
    expert = Counting(il.expert(env))
    policy = learner.learn(env, expert)
    labels = int(policy.log.labels.sum())
    assert (labels, expert.states) == (48, 48)


@pytest.mark.parametrize("name", ["lane", "tube", "power", "quad", "arm", "resetcliff"])
def test_what_the_driving_expert_did_is_its_label(name):
    """Asking again about all states at once gives the same labels, as float32."""
    env = tiny(name, seeds=2)
    expert, log = il.expert(env), il.Log()
    streams = Streams(env.seeds)
    data = demonstrate(env, expert, streams, 3, log)
    visits = rolling.rollout(env, rolling.by_expert(env, expert), streams, 3)
    again = dataset(env, visits, rolling.label(env, expert, visits, il.Log()))
    assert torch.equal(data.obs, again.obs)
    torch.testing.assert_close(data.action, again.action, rtol=1e-6, atol=1e-7)


def test_updates_must_reach_every_round():
    with pytest.raises(
        ValueError, match="updates: expected at least one for each of 8 rounds, got 3"
    ):
        il.DAgger(training=il.Training(updates=3))


def test_each_run_can_have_its_own_beta():
    env = tiny("tube", seeds=(0, 1))
    mixed = dagger(env, beta="constant", p=(1.0, 1e-300))[0]
    assert torch.equal(mixed.layers[0][0], dagger(env[0], beta="constant", p=1.0)[0].layers[0][0])
    assert torch.equal(
        mixed.layers[0][1], dagger(env[1], beta="constant", p=1e-300)[0].layers[0][0]
    )


@pytest.mark.parametrize(
    ("aggregate", "samples"),
    [("all", [24, 48, 72, 96]), ("last", [24] * 4), ("window", [24, 48, 48, 48])],
)
def test_what_is_aggregated(aggregate, samples, monkeypatch):
    from il_bench.fit import rounds as module

    seen, fit = [], module.fit
    monkeypatch.setattr(
        module, "fit", lambda data, *rest: (seen.append(len(data)), fit(data, *rest))[1]
    )
    dagger(tiny("tube"), rounds=4, aggregate=aggregate, window=2)
    assert seen == samples


def test_updates_are_shared_by_the_rounds_to_the_last_one():
    training = dataclasses.replace(SMALL, updates=100)
    assert dagger(tiny("tube"), rounds=7, training=training)[1].updates == 100


@pytest.mark.parametrize(
    ("aggregate", "each"),
    [("all", [10, 20, 30, 40]), ("window", [14, 28, 29, 29]), ("last", [25, 25, 25, 25])],
)
def test_updates_by_data_are_the_same_epochs_in_each_round(aggregate, each):
    training = dataclasses.replace(SMALL, updates=100)
    learner = il.DAgger(rounds=4, window=2, share="by-data", aggregate=aggregate, training=training)
    assert [learner.updates(i) for i in range(4)] == each
    assert dagger(tiny("tube"), rounds=4, share="by-data", training=training)[1].updates == 100
    assert [il.DAgger(rounds=4, training=training).updates(i) for i in range(4)] == [25] * 4


def test_updates_by_data_must_reach_the_first_round():
    with pytest.raises(
        ValueError, match="updates: expected at least one for each of 4 rounds, 10 in all, got 9"
    ):
        il.DAgger(rounds=4, share="by-data", training=il.Training(updates=9))


def test_scratch_differs_from_warm():
    env = tiny("tube")
    assert not torch.equal(
        dagger(env, start="warm")[0].layers[0], dagger(env, start="scratch")[0].layers[0]
    )


def test_the_best_iterate_is_no_worse_on_its_validation_and_its_labels_are_counted():
    env = tiny("lane", seeds=3, horizon=40)
    training = dataclasses.replace(SMALL, lr=0.3)  # so large that iterates go up and down
    (best, log), (last, _) = (
        dagger(env, rounds=5, pick=pick, training=training) for pick in ("best", "last")
    )
    assert (log.labels > last.log.labels).all()
    streams, errors = Streams(env.seeds).fork("validation"), []
    for policy in (best, last):
        seen = rollout(env, by_policy(env, policy), streams, 4)
        wrong = (
            seen.action
            - il.expert(env).act(seen.state[:, :, :-1].flatten(1, 2)).view_as(seen.action)
        ).norm(dim=-1)
        errors.append(torch.where(seen.alive, wrong, 0).sum((1, 2)) / seen.length.sum(1))
    assert (errors[0] <= errors[1] + 1e-12).all()


def test_averaging_discrete_actions_is_refused():
    with pytest.raises(ValueError, match="mix average: expected Box actions"):
        dagger(tiny("resetcliff"), mix="average")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"rounds": 0}, "rounds: expected a whole number of at least 1, got 0"),
        ({"episodes": 0}, "episodes: expected a whole number of at least 1, got 0"),
        ({"p": -0.1}, "p: expected a number from 0"),
        ({"p": 1.5, "beta": "constant"}, "p: expected a number from 0 to 1, got 1.5"),
    ],
)
def test_settings_that_dagger_cannot_have_are_sentences(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        il.DAgger(**setting)


def test_bc_needs_an_episode():
    with pytest.raises(ValueError, match="episodes: expected a whole number of at least 1, got 0"):
        il.BC(episodes=0)
