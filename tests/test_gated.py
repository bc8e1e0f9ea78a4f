"""Gates: who acts, what is labelled and counted, and when each gate opens and closes."""

import dataclasses
from pathlib import Path

import pytest
import torch
from conftest import SMALL, tiny

import il_bench as il
from il_bench.core.gate import Moment, Takeover, switches
from il_bench.core.policy import SPENT, Log
from il_bench.core.rollout import rollout
from il_bench.core.streams import Streams
from il_bench.fit import collect, gates
from il_bench.fit.dataset import Dataset
from il_bench.jobs.checkpoint import Checkpoint
from il_bench.learners import gated
from il_bench.nets.mixture import MixturePolicy

GATES = ("safe", "ensemble", "lazy", "thrifty", "human")
BRIEF = dataclasses.replace(SMALL, updates=20)


def learned(env, log=None, **settings):
    settings = {"rounds": 3, "episodes": 2, "training": SMALL, **settings}
    return il.learner("gated", **settings).learn(env, il.expert(env), None, log)


@pytest.fixture
def visits(monkeypatch):
    """The rollouts that are learned from, in their order."""
    rollouts = []
    for name in ("roll_in", "counted"):
        real = getattr(collect, name)

        def recording(*rest, real=real):
            rollouts.append(real(*rest))
            return rollouts[-1]

        monkeypatch.setattr(collect, name, recording)
    return rollouts


@pytest.mark.parametrize("task", ["tube", "resetcliff", "golden"])
@pytest.mark.parametrize("gate", GATES)
def test_run_2_of_4_is_run_2_alone_bit_for_bit(gate, task):
    env = tiny(task, seeds=4)
    many, alone = (learned(one, gate=gate, training=BRIEF) for one in (env, env[2]))
    for key, array in many.arrays().items():
        assert torch.equal(array[2:3], alone.arrays()[key]), key
    for name in SPENT:
        counts = torch.as_tensor(getattr(many.log, name)).expand(4)
        assert counts[2] == torch.as_tensor(getattr(alone.log, name)).expand(1)[0], name


@pytest.mark.parametrize("gate", GATES)
def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(gate):
    env = tiny("tube", seeds=2)
    settings = {"gate": gate, "rounds": 4, "training": BRIEF}
    whole = learned(env, Log(), **settings)

    class Killed(Exception):
        """As if the process had ended."""

    def stop(i, policy):
        if i == 2:
            raise Killed

    with pytest.raises(Killed):
        learned(env, Log(checkpoint=Checkpoint(Path("kept")), iterate=stop), **settings)
    again = learned(env, Log(checkpoint=Checkpoint(Path("kept"))), **settings)
    for key, array in whole.arrays().items():
        assert torch.equal(array, again.arrays()[key]), key
    for name in SPENT:
        ends = [torch.as_tensor(getattr(one.log, name)) for one in (whole, again)]
        assert torch.equal(*ends), name


@pytest.mark.parametrize("gate", GATES)
def test_budgets_are_those_of_who_acted(gate, visits):
    env = tiny("tube", seeds=2, noise=0.1)
    log = learned(env, gate=gate).log
    first, *others = visits
    acted = sum((seen.action == meant(env, seen)).all(-1).sum((1, 2)) for seen in others)
    assert torch.equal(log.interventions, acted)
    assert torch.equal(log.labels, first.length.sum(1) + acted)
    handed_back = 0
    if gate in ("lazy", "thrifty"):  # who looks whether the copy does well again asks
        acts = [(seen.action == meant(env, seen)).all(-1) & seen.alive for seen in others]
        handed_back = sum((one[..., :-1] & ~one[..., 1:]).sum((1, 2)) for one in acts)
    watched = gate in ("ensemble", "human")
    assert torch.equal(log.asked, log.steps if watched else log.labels + handed_back)
    assert (log.switches <= 2 * log.interventions).all()
    assert log.updates == SMALL.updates


def meant(env, seen):
    """What the expert chooses in the states of a rollout."""
    return il.expert(env).act(seen.state[:, :, :-1].flatten(1, 2)).view_as(seen.action)


def every(step):
    """A gate that opens at every step of a kind."""
    return lambda moment, memory: (torch.full_like(moment.drives, moment.step % step == 0), memory)


def test_the_wheel_changes_hands_as_the_gate_says():
    env = tiny("tube", seeds=2, noise=0.1)
    expert = il.expert(env)
    policy = il.BC(1, SMALL).learn(env, expert)
    drive = Takeover(env, policy, expert, every(3))
    seen = rollout(env, drive, Streams(env.seeds), 4)
    acts = drive.expert_acts(seen)
    assert acts[..., ::3].all()
    assert acts.sum() == 2 * 4 * 4
    assert torch.equal((seen.action == meant(env, seen)).all(-1), acts)
    assert switches(acts, seen.alive).tolist() == [4 * (1 + 7)] * 2


def test_who_acted_is_kept_where_episodes_take_turns():
    env = tiny("tube", seeds=2, noise=0.1)
    expert = il.expert(env)
    policy = il.BC(1, SMALL).learn(env, expert)

    class InTurn(type(env)):
        in_turn = True

    turns = InTurn(**{f.name: getattr(env, f.name) for f in dataclasses.fields(env) if f.init})
    drives = [Takeover(one, policy, expert, every(3)) for one in (env, turns)]
    both = [
        rollout(one, drive, Streams(env.seeds), 3)
        for one, drive in zip((env, turns), drives, strict=True)
    ]
    acts = [drive.expert_acts(seen) for drive, seen in zip(drives, both, strict=True)]
    assert torch.equal(*acts)


def test_changes_after_an_episodes_end_are_none():
    acts = torch.tensor([[[0, 1, 1, 0], [1, 0, 1, 0]]]).bool()
    alive = torch.tensor([[[1, 1, 1, 1], [1, 1, 0, 0]]]).bool()
    assert switches(acts & alive, alive).tolist() == [2 + 2]


def test_where_nothing_weighs_nothing_is_learned(monkeypatch):
    """A gate that never opens leaves the first round's labels alone; one that always does is cloning."""
    env = tiny("tube", seeds=2)
    never = learned(env, gate="human", tau=1e9)
    assert never.log.labels.tolist() == [24, 24]
    assert never.log.switches.tolist() == [0, 0]
    always = learned(env, gate="human", tau=1e-12, back=0.0)
    assert always.log.labels.tolist() == [72, 72]
    assert always.log.switches.tolist() == [4, 4]  # once in each episode, at its first step


@pytest.mark.parametrize("gate", GATES)
def test_no_gate_takes_more_labels_than_there_may_be(gate):
    env = tiny("tube", seeds=2)
    log = learned(env, Log(limit=torch.tensor([10, 30])), gate=gate).log
    assert (log.labels <= torch.tensor([10, 30])).all()
    assert (log.labels >= torch.tensor([10, 24])).all()


@pytest.mark.parametrize("gate", GATES)
def test_a_limit_that_is_not_passed_changes_nothing_and_one_that_is_cuts_there(gate):
    """Steps were cut as if each were a label: a run lost labels because another had a limit."""
    env = tiny("tube", seeds=2, horizon=40)
    free = learned(env, gate=gate, tau=0.3)
    held = learned(env, Log(limit=free.log.labels), gate=gate, tau=0.3)
    assert torch.equal(held.log.steps, free.log.steps)
    for name, array in held.arrays().items():
        assert torch.equal(array, free.arrays()[name]), name
    least = int(free.log.labels[1]) - 3
    one_less = Log(limit=torch.tensor([least, 10**6]))
    assert learned(env, one_less, gate=gate, tau=0.3).log.labels[1] == free.log.labels[1]
    cut = learned(env, Log(limit=torch.tensor([10**6, least])), gate=gate, tau=0.3).log
    assert cut.labels.tolist() == [free.log.labels[0], least]


def test_a_record_keeps_interventions_and_switches_and_an_old_one_opens_without(tmp_path):
    env = tiny("tube", seeds=2)
    expert = il.expert(env)
    policy = learned(env, gate="human")
    record = il.compare(env, expert, episodes=2, gated=policy)
    record.save(tmp_path / "new")
    budget = il.load(tmp_path / "new").index.budgets["gated"]
    assert budget.interventions == policy.log.interventions.tolist()
    assert budget.switches == policy.log.switches.tolist()
    for name in ("interventions", "switches"):
        del record.config["budgets"]["gated"][name]
    record.save(tmp_path / "old")
    old = il.load(tmp_path / "old").index.budgets["gated"]
    assert (old.interventions, old.switches) == ([0, 0], [0, 0])


# Gates by themselves


def moment(own, label=0.0, drives=False, step=0, members=(0.0,)):
    """One moment of one run and as many episodes as there are actions; members are so far from what they do together."""
    actions = torch.tensor(own).double().reshape(1, -1, 1)
    labels = torch.full_like(actions, label)
    drives = torch.full(actions.shape[:2], drives)
    away = torch.tensor(members).double()[:, None]
    parts = actions[:, :, None] + away
    return Moment(step, actions.float(), actions, parts, drives, lambda: labels)


def column(value):
    return torch.tensor([[value]]).double()


def ruler(unit=1.0):
    return gates.Ruler(column(unit), discrete=False)


def test_a_human_takes_over_above_tau_and_hands_back_below_its_share():
    human = gates.Human(ruler(2.0), column(0.1), column(0.05))
    assert human(moment([0.09, 0.15, 0.21]), None)[0].tolist() == [[False, False, True]]
    driving = moment([0.09, 0.15, 0.21], drives=True)
    assert human(driving, None)[0].tolist() == [[False, True, True]]


def risk(tau=0.1):
    """Of a policy that says 0: right on the left, where the label is 0, wrong on the right, where it is 1."""
    obs = torch.linspace(-1, 1, 41).reshape(1, -1, 1)
    label = (obs > 0).float()
    data = Dataset(obs, label, torch.ones(1, 41), (41,))
    return gates.Risk(label[..., 0].double(), data, column(tau))


def test_risk_is_low_where_it_was_right_high_where_it_was_wrong_and_one_where_nothing_is_known():
    chances = risk()(torch.tensor([-1.0, 1.0, 50.0]).reshape(1, 3, 1))[0]
    assert chances[0] < 0.2
    assert chances[1] > 0.8
    assert chances[2] == 1
    assert (risk(tau=2.0)(torch.tensor([[[1.0]]])) < 0.1).all()


def test_safe_opens_at_risk_and_lazy_stays_until_the_error_is_small():
    here = moment([-1.0, 1.0], label=-1.0)
    assert gates.Safe(risk())(here, None)[0].tolist() == [[False, True]]
    lazy = gates.Lazy(ruler(), risk(), column(0.05))
    assert lazy(here, None)[0].tolist() == [[False, True]]
    assert lazy(dataclasses.replace(here, drives=~here.drives), None)[0].tolist() == [[False, True]]
    close = moment([1.0], label=1.01, drives=True)
    assert lazy(close, None)[0].tolist() == [[False]]


def test_a_classifier_thinks_of_many_states_in_parts(monkeypatch):
    obs = torch.linspace(-2, 2, 101).reshape(1, -1, 1)
    together = risk()(obs)
    monkeypatch.setattr(gates, "MOST", 41 * 7)
    assert torch.equal(risk()(obs), together)


def test_doubt_is_the_standard_deviation_of_the_members():
    values = torch.tensor([0.1, 0.4, 0.3]).double()
    parts = values.reshape(1, 1, 3, 1).expand(1, 2, 3, 1)
    expected = (values.std() / 2).expand(1, 2)
    torch.testing.assert_close(gates.doubt(ruler(2.0), parts), expected, rtol=1e-12, atol=0)


def test_doubt_where_actions_are_right_or_wrong_is_of_the_pairs_that_differ():
    votes = torch.tensor([[2, 2, 0], [1, 1, 1], [0, 1, 2]]).reshape(1, 3, 3, 1)
    wrong = gates.Ruler(column(1.0), discrete=True)
    amount = gates.doubt(wrong, votes)[0] ** 2
    torch.testing.assert_close(amount, torch.tensor([2 / 3, 0, 1]).double() / 2)


def test_an_ensemble_opens_at_error_or_at_doubt():
    gate = gates.Ensemble(ruler(), column(0.1), column(0.1))
    actions = [0.05, 0.2]
    sure = moment(actions, members=(0.0, 0.0))
    unsure = moment(actions, members=(-0.15, 0.15))
    assert gate(sure, None)[0].tolist() == [[False, True]]
    assert gate(unsure, None)[0].tolist() == [[True, True]]


def test_quantiles_have_as_much_above_them_as_the_level_says():
    numbers = torch.arange(10).double()[None]
    levels = torch.tensor([[-0.1, 0.0, 0.2, 0.5, 1.0, 1.5]]).double()
    limits = gates.Ordered.of(numbers, numbers >= 0).quantile(levels)
    above = [(numbers[0] > limit).sum().item() for limit in limits[0]]
    assert above == [0, 0, 2, 5, 10, 10]


def test_what_nobody_lived_is_in_no_quantile_and_in_no_deviation():
    """A finished episode stands still to the end of its round: there were more such rows than lived ones on `quad`."""
    numbers = torch.arange(10).double()[None].repeat(2, 1)
    lived = torch.ones(2, 10, dtype=torch.bool)
    lived[1, :6] = False
    few = gates.Ordered.of(numbers, lived)
    levels = torch.full((2, 1), 0.5).double()
    assert few.quantile(levels).flatten().tolist() == [4, 7]
    assert few.quantile(torch.ones(2, 1).double()).flatten().tolist() == [-torch.inf] * 2
    obs = torch.randn(2, 10, 3).double()
    frozen = obs.masked_fill(~lived[..., None], 100.0)
    deviation = gates._deviation(frozen, lived)
    torch.testing.assert_close(deviation[1, 0], obs[1, 6:].std(0))
    torch.testing.assert_close(deviation[0, 0], obs[0].std(0))


@pytest.mark.parametrize("size", [1, 2])
def test_a_deviation_does_not_depend_on_the_runs_beside_it(size):
    obs = torch.randn(4, 777, size).double()
    lived = torch.ones(4, 777, dtype=torch.bool)
    together = gates._deviation(obs, lived)
    for run in range(4):
        assert torch.equal(gates._deviation(obs[run : run + 1], lived[:1])[0], together[run])


def test_rounds_in_which_episodes_end_early_are_told_from_what_was_lived():
    env = tiny("quad", seeds=2, horizon=60)
    seen = []

    class Watched(il.Gated):
        def _last(self, data):
            seen.append(il.Gated._last(self, data))
            return seen[-1]

    learner = Watched("thrifty", rounds=3, episodes=2, training=SMALL)
    learner.learn(env, il.expert(env))
    obs, lived = seen[-1]
    still = (obs[:, :, 1:] == obs[:, :, :-1]).all(-1)
    over = ~lived[:, :, :-1]
    assert over.any()
    assert torch.equal(still, over)


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_a_thrifty_gate_keeps_its_rate_where_everything_is_novel(rate):
    """Whatever it meets: the level sinks by what was spent (the bound of Gibbs & Candes, 2021)."""
    zeros = torch.zeros(1, 50).double()
    known = gates.Ordered.of(zeros, zeros == 0)
    gate = gates.Thrifty(ruler(), risk(), known, known, column(rate), column(0.05))
    memory, spent = None, 0
    for step in range(400):
        acts, memory = gate(moment([1.0], step=step, members=(0.1, 0.4)), memory)
        spent += int(acts)
    assert spent / 400 == pytest.approx(rate, abs=1 / (gates.GAIN * 400))


@pytest.mark.parametrize("net", ["mlp", "gru"])
def test_members_are_asked_once_and_say_what_they_say_alone(net):
    """Along an episode, with a memory and without one; a gate that doubted asked each of them twice."""
    env = tiny("tube", seeds=2)
    training = dataclasses.replace(SMALL, net=il.net(net), updates=12)
    policy = learned(env, gate="ensemble", members=3, rounds=2, training=training)
    obs = torch.randn(2, 4, 5, env.observation_space.shape[0])
    memory, memories = None, [None] * 3
    for now in obs.unbind(2):
        action, parts, memory = policy.act_in_parts(now, memory)
        alone = [part.act(now, own) for part, own in zip(policy.parts, memories, strict=True)]
        memories = [own for _, own in alone]
        assert torch.equal(parts, torch.stack([one for one, _ in alone], 2))
        torch.testing.assert_close(action, parts.mean(2), check_dtype=False)


@pytest.mark.parametrize("gate", ["safe", "lazy", "thrifty"])
def test_who_does_not_watch_is_asked_only_where_somebody_looks(gate):
    env = tiny("tube", seeds=1, horizon=60)

    class Asked(il.Expert):
        steps = 0

        def act(self, state):
            self.steps += state.shape[1] * state.shape[0]
            return il.expert(env).act(state)

    expert = Asked()
    log = Log()
    il.Gated(gate=gate, tau=1.0, training=SMALL, rounds=3).learn(env, expert, None, log)
    assert expert.steps == log.asked.item() < log.steps.item()


def test_a_thrifty_learner_keeps_its_rate():
    env = tiny("tube", seeds=4, horizon=150)
    log = learned(env, gate="thrifty", rate=(0.1, 0.2, 0.3, 0.4), rounds=4).log
    share = log.interventions / (log.steps - 300)
    wanted = torch.tensor([0.1, 0.2, 0.3, 0.4])
    torch.testing.assert_close(share.float(), wanted, rtol=0.2, atol=0)


def test_a_copy_that_is_there_to_act_by_chance_does_so_at_the_wheel(monkeypatch):
    """Gates drove with the deterministic action of nets that are judged by chance."""
    handed = []

    class Heard(Takeover):
        def __init__(self, env, policy, expert, gate, draws=None):
            handed.append((policy.by_chance, draws is not None))
            Takeover.__init__(self, env, policy, expert, gate, draws)

    monkeypatch.setattr(gated, "Takeover", Heard)
    env = tiny("tube", seeds=1)
    for net in ("mlp", "mdn"):
        for gate in ("lazy", "thrifty"):
            training = dataclasses.replace(BRIEF, net=il.net(net))
            learned(env, gate=gate, rounds=2, training=training)
    assert handed == [(False, False)] * 2 + [(True, True)] * 2


def test_an_ensemble_is_a_mixture_whose_members_share_the_updates():
    env = tiny("tube", seeds=2)
    policy = learned(env, gate="ensemble", members=4)
    assert isinstance(policy, MixturePolicy)
    assert len(policy.parts) == 4
    assert policy.log.updates == SMALL.updates
    assert not torch.equal(policy.parts[0].layers[0], policy.parts[1].layers[0])


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"gate": "open"}, "gate: expected safe, ensemble, lazy, thrifty or human, got 'open'"),
        ({"tau": 0.0}, "tau: expected a number above 0, got 0"),
        ({"doubt": -1.0}, "doubt: expected a number above 0, got -1"),
        ({"back": 1.5}, "back: expected a share of tau from 0 to 1, got 1.5; try 0.5"),
        ({"rate": 1.0}, "rate: expected a share between 0 and 1, got 1.0; try 0.2"),
        ({"members": 1, "gate": "ensemble"}, "members: gate ensemble asks at least 2 members"),
        (
            {"gate": "thrifty", "training": il.Training(updates=9)},
            "updates: expected at least one for each of 8 rounds, 24 in all, got 9",
        ),
    ],
)
def test_settings_that_a_gate_cannot_have_are_sentences(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        il.learner("gated", **setting)
