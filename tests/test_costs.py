"""AggreVaTe and LOLS: what actions cost is exact on chains, and who learns from it can surpass his expert."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from conftest import SMALL, tiny
from gymnasium import spaces
from test_chains import agrees, losses

import il_bench as il
from il_bench.core.policy import SPENT, Log
from il_bench.core.rollout import ask, by_expert, rollout
from il_bench.fit.costs import costs, visits_of
from il_bench.fit.course import Course
from il_bench.fit.judges import Exact, Follower, Trial
from il_bench.fit.tables import choices, tables
from il_bench.jobs.checkpoint import Checkpoint
from il_bench.stats import theory

TABLE = il.Training(net="table")
FINITE = [name for name, cls in il.ENVS.items() if issubclass(cls, il.FiniteEnv)]
LEARNERS = {"aggrevate": il.AggreVaTe, "lols": il.LOLS}


def at_random(env, seen):
    """Random actions at every state of some rollouts, and what followed."""
    states = seen.state[:, :, :-1].flatten(1, 2)
    streams = il.Streams(env.seeds).fork("random")
    draw = streams.uniform("action", states.shape[1], 1)
    action = (draw * env.action_space.n).floor()
    noise = streams.normal("noise", states.shape[1], env.noise_size)
    return states, action, noise


# Tables


@pytest.mark.parametrize("name", FINITE)
def test_what_happens_is_in_the_tables_as_often_as_they_say(name):
    env = tiny(name, seeds=2)
    table = tables(env)
    seen = rollout(env, by_expert(env, il.expert(env)), il.Streams(env.seeds), 300)
    states, action, noise = at_random(env, seen)
    after = env.transition(states, action, noise)
    run = torch.arange(2)[:, None]
    before, place = table.numbers(states), table.numbers(after)
    act = action[..., 0].long()
    same = table.following[run, before, act] == place[..., None]
    chance = torch.where(same, table.chance[:, None], 0.0).sum(-1)
    assert (chance > 0).all()
    torch.testing.assert_close(table.chance.sum(1), torch.ones(2, dtype=torch.float64))
    # E[1 / chance of what happened] is the number of places that may follow.
    follow = table.following[run, before, act].sort(-1).values
    may = 1 + (follow.diff(dim=-1) != 0).sum(-1)
    assert agrees((1 / chance - may).numpy(), 0) or torch.equal(1 / chance, may.double())


@pytest.mark.parametrize("name", FINITE)
def test_exact_worth_is_that_of_the_tabular_recursion(name):
    """Of somebody who acts otherwise at every step."""
    env = tiny(name, seeds=2)
    table = tables(env)
    draw = il.Streams(env.seeds).uniform("action", 12, table.state.shape[1])
    action = (draw * env.action_space.n).long()
    worth = table.worth(action)
    runs, states, actions, outcomes = table.following.shape
    for run in range(runs):
        dense = np.zeros((states, actions, states))
        for outcome in range(outcomes):
            place = table.following[run, ..., outcome].numpy()
            each = np.arange(states)[:, None], np.arange(actions), place
            np.add.at(dense, each, float(table.chance[run, outcome]))
        policy = np.eye(actions)[action[run].numpy()]
        q, _ = theory.state_action_values(dense, table.reward[run].numpy(), policy, 12)
        np.testing.assert_allclose(worth[run], q, rtol=0, atol=1e-12)


def test_an_error_in_recover_costs_k_steps_or_what_is_left():
    """On the path min(k, n); j steps off it min(k, n) - min(j - 1, n), n being the steps that are left."""
    env = il.make("recover", horizon=9, k=(1.0, 4.0, 12.0))
    table = tables(env)
    right = ask(env, il.expert(env), table.state)[..., 0].long()
    worth = table.worth(right[:, None].expand(-1, 9, -1))
    off = table.state[..., 0].numpy()
    for run, k in enumerate((1, 4, 12)):
        here = np.flatnonzero(off[run] <= k)
        for t in range(9):
            n = 9 - t
            at_best = np.minimum(k, n) - np.minimum(np.maximum(off[run, here] - 1, 0), n)
            for action in range(3):
                lost = worth[run, t, here, right[run, here]] - worth[run, t, here, action]
                wrong = (right[run, here] != action).numpy()
                np.testing.assert_allclose(lost, at_best * wrong, rtol=0, atol=1e-12)


def test_an_error_in_the_trap_costs_all_that_is_left_and_nothing_once_one_is_in_it():
    env = il.make("trap", horizon=7)
    table = tables(env)
    right = ask(env, il.expert(env), table.state)[..., 0].long()
    worth = table.worth(right[:, None].expand(-1, 7, -1))[0]
    lost = worth.max(-1).values - worth.min(-1).values
    place = table.state[0, :, 0]
    for t in range(7):
        assert (lost[t, place < 2] == 7 - t).all()
        assert (lost[t, place == 2] == 0).all()


def test_a_list_of_states_that_lacks_one_is_a_sentence():
    class Short(il.ENVS["trap"]):
        def all_states(self):
            return il.ENVS["trap"].all_states(self)[:, :-1]

    with pytest.raises(ValueError, match=r"all_states: .* \[2.0, 1.0, 1.0\] is none of them; list"):
        tables(Short())


# Trying out


def judged(env, follower, points=0, episodes=3, driver=None):
    course = Course.begun(env, il.expert(env), None, None)
    streams = course.streams.fork("round", 0)
    seen = rollout(env, driver or by_expert(env, course.expert), streams, episodes)
    visits = visits_of(seen, streams, points)
    return [judge.worth(visits, follower) for judge in (Exact(course, env), Trial(course))], course


def reference(env):
    return Follower(None, torch.ones(env.runs, dtype=torch.float64))


@pytest.mark.parametrize("name", ["trap", "recover", "resetcliff"])
def test_trying_an_action_out_costs_what_the_tables_say(name):
    """Whatever chance does, the expert earns the same after it: one trial is enough."""
    env = tiny(name, seeds=2)
    (exact, tried), _ = judged(env, reference(env))
    best = exact.max(-1, keepdim=True).values, tried.max(-1, keepdim=True).values
    torch.testing.assert_close(best[1] - tried, best[0] - exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize("net", ["table", "table_per_step"])
def test_trying_out_under_a_learner_agrees_on_average(net):
    """One that knows no way back, so that its errors cost what chance makes of them; with a memory of the step, too."""
    env = il.make("recover", horizon=8, k=3.0, fog=0.6)
    policy = il.BC(6, il.Training(net=net)).learn(env, il.expert(env))
    half = Follower(policy, torch.tensor([0.5], dtype=torch.float64))
    (exact, tried), _ = judged(env, half, episodes=1500)
    assert torch.equal(tried[:, :, 7], exact[:, :, 7])  # of the last step nothing is left to chance
    for step in (0, 4):
        apart = (tried - exact)[0, :, step].numpy()
        assert np.abs(apart).max() > 0.5
        assert all(agrees(column, 0) for column in apart.T if column.any())


def test_a_trial_counts_its_steps_and_the_experts_answers():
    env = il.make("trap", horizon=5, seeds=2)
    _, course = judged(env, reference(env), episodes=3)
    trials = 3 * 2 * np.arange(1, 6)  # episodes, actions, steps to the end from each of five visits
    states = 12
    assert course.log.steps.tolist() == [trials.sum()] * 2
    assert course.log.asked.tolist() == [states + trials.sum() - 3 * 2 * 5] * 2


def test_who_is_asked_for_driving_is_counted_by_run():
    """A run whose expert never drives was charged for its neighbour's."""
    env = tiny("recover", seeds=2)
    settings = {"rounds": 3, "episodes": 2, "training": TABLE}
    log = il.AggreVaTe(p=(0.0, 0.5), **settings).learn(env, il.expert(env)).log
    for run, p in enumerate((0.0, 0.5)):
        alone = il.AggreVaTe(p=p, **settings).learn(env[run], il.expert(env[run])).log
        assert log.asked[run] == alone.asked.item()
    assert log.asked[0] < log.asked[1]


def test_a_limit_counts_the_points_that_are_judged_and_not_the_steps():
    env = tiny("recover", seeds=2, horizon=20)
    settings = {"rounds": 3, "episodes": 4, "points": 3, "training": TABLE}
    free = il.AggreVaTe(**settings).learn(env, il.expert(env)).log
    assert free.labels.tolist() == [36, 36]
    expert = il.expert(env)
    held = il.AggreVaTe(**settings).learn(env, expert, None, Log(limit=free.labels)).log
    assert torch.equal(held.steps, free.steps)
    limit = torch.tensor([36, 29])
    cut = il.AggreVaTe(**settings).learn(env, expert, None, Log(limit=limit)).log
    assert cut.labels.tolist() == [36, 29]
    assert cut.steps[0] == free.steps[0]


def test_points_are_different_steps_of_each_episode():
    env = il.make("trap", horizon=20, seeds=2)
    streams = il.Streams(env.seeds)
    seen = rollout(env, by_expert(env, il.expert(env)), streams, 6)
    visits = visits_of(seen, streams, 4)
    assert visits.time.shape == (2, 6, 4)
    assert all(len(set(row)) == 4 for row in visits.time.flatten(0, 1).tolist())
    for learner in (il.AggreVaTe, il.LOLS):
        log = learner(3, 2, points=4, training=TABLE).learn(env, il.expert(env)).log
        assert log.labels.tolist() == [3 * 2 * 4] * 2


def test_samples_weigh_what_an_action_is_better_than_the_worst():
    env = il.make("recover", horizon=6, k=4.0, seeds=2)
    (exact, _), course = judged(env, reference(env), episodes=2)
    seen = rollout(env, by_expert(env, course.expert), course.streams.fork("round", 0), 2)
    visits = visits_of(seen, course.streams.fork("round", 0), 0)
    data = costs(course, visits, exact)
    weight = data.weight.unflatten(1, (2, 3, 6)).transpose(2, 3)
    wanted = exact - exact.min(-1, keepdim=True).values
    torch.testing.assert_close(weight.double(), wanted)
    assert torch.equal(data.time.reshape(2, 3, 6)[1, 2], torch.arange(6))
    held = data.obs[0].numel() + data.action[0].numel()
    assert (
        held == 2 * 6 * il.LOLS().sample_size(env, 3) == 2 * 6 * il.AggreVaTe().sample_size(env, 3)
    )
    assert torch.equal(data.action[0, :, 0], torch.arange(3).repeat_interleave(6).repeat(2))


# Who learns from costs


def test_in_the_trap_costs_buy_no_more_than_labels():
    env = il.make("trap", fog=0.4, seeds=16)
    expert = il.expert(env)
    bc = il.BC(40, TABLE).learn(env, expert)
    others = {name: cls(8, 5, training=TABLE).learn(env, expert) for name, cls in LEARNERS.items()}
    lost, _ = losses(env, 200, bc=bc, **others)
    for found in lost[1:]:
        assert agrees(found, theory.trap_gap(0.2 / env.horizon, env.horizon))
        assert agrees(found - lost[0], 0)


@pytest.mark.parametrize("name", LEARNERS)
def test_costs_teach_the_way_back(name):
    """As labels do: errors are made good in k steps, and half of the fog is erred in."""
    env = il.make("recover", horizon=40, k=(2.0, 8.0), fog=0.1)
    expert = il.expert(env)
    policy = LEARNERS[name](16, 4, training=TABLE).learn(env, expert)
    lost, _ = losses(env, 2500, it=policy)
    for run, k in enumerate((2, 8)):
        assert agrees(lost[0, run], theory.return_gap(0.05, k, 40))


@dataclass(frozen=True, kw_only=True)
class Ladder(il.FiniteEnv):
    """s' = s + 1 or s - 1, within 0 to 4: a step at the top pays 1, one at the bottom .2; all starts are alike."""

    horizon: int = 12
    states: ClassVar = {"rung": ""}
    observation_space = spaces.Box(0.0, 1.0, (5,))
    action_space = spaces.Discrete(2)

    def validate(self):
        pass

    def all_states(self):
        rungs = torch.arange(5.0, dtype=torch.float64)
        return rungs[:, None].expand(self.runs, -1, -1)

    def all_noise(self):
        nothing = torch.zeros(self.runs, 1, 1, dtype=torch.float64)
        return nothing, nothing[..., 0] + 1

    def initial(self, streams, episodes):
        return (5 * streams.uniform("initial", episodes, 1)).floor()

    def transition(self, state, action, noise):
        return (state + 2 * action - 1).clamp(0, 4)

    def observation(self, state):
        return (state == torch.arange(5)).double()

    def reward(self, state, action, next_state):
        rung = next_state[..., 0]
        return (rung == 4) + 0.2 * (rung == 0)

    def terminal(self, state):
        return state[..., 0] < 0

    def difference(self, state, other):
        return state - other

    def certificate(self):
        return il.Certificate((1.0,) * self.runs, "rungs", "upper")

    def draw(self, state, size, ghost=None, colour=None):
        return np.zeros((size[1], size[0], 3), dtype=np.uint8)


@dataclass(frozen=True)
class Timid(il.Expert):
    """Down, but for the top itself, where it stays."""

    env: Ladder

    def act(self, state):
        return (state == 4).double()


def climbs(env, policy):
    """The action on each rung."""
    return choices(env, policy, env.all_states())[0, 0].tolist()


def test_lols_surpasses_a_poor_expert_and_dagger_does_not():
    env = Ladder(seed=tuple(range(4)))
    poor = Timid(env)
    dagger = il.DAgger(rounds=8, episodes=32, training=TABLE).learn(env, poor)
    one_step = il.AggreVaTe(8, 32, training=TABLE).learn(env, poor)
    lols = il.LOLS(8, 32, training=TABLE).learn(env, poor)
    for run in range(4):
        assert climbs(env[run], dagger[run]) == [0, 0, 0, 0, 1]
        assert climbs(env[run], one_step[run]) == [0, 0, 0, 1, 1]
        assert climbs(env[run], lols[run]) == [1, 1, 1, 1, 1]
    earned = [il.compare(env, poor, episodes=64, it=it) for it in (dagger, one_step, lols)]
    returns = [one.arrays["reward"].sum(-1).mean((1, 2)) for one in earned]
    assert returns[0][1] == returns[0][0] < returns[1][1] < returns[2][1]


def test_lols_with_exact_costs_comes_to_the_optimal_policy():
    """The value of going up from everywhere, by hand: 12 steps less the rungs to climb, each start as likely."""
    env = Ladder(seed=(0, 1))
    lols = il.LOLS(8, 32, beta=0.0, training=TABLE).learn(env, Timid(env))
    table = tables(env)
    worth = table.worth(choices(env, lols, table.state))
    best = worth.max(-1).values[:, 0].mean(1)
    own = worth.gather(-1, choices(env, lols, table.state)[..., None])[:, 0, :, 0].mean(1)
    climb = np.mean([12 - max(4 - rung - 1, 0) for rung in range(5)])
    assert own.tolist() == best.tolist() == pytest.approx([climb] * 2)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("source", ["exact", "rollouts"])
def test_a_training_of_costs_that_was_interrupted_ends_as_if_it_had_not_been(name, source):
    env = tiny("recover", seeds=2)
    learner = LEARNERS[name](4, 1, costs=source, training=SMALL)
    whole = Log()
    expected = learner.learn(env, il.expert(env), None, whole)

    class Killed(Exception):
        pass

    def stop(i, policy):
        if i == 1:
            raise Killed

    with pytest.raises(Killed):
        learner.learn(
            env, il.expert(env), None, Log(checkpoint=Checkpoint(Path("kept")), iterate=stop)
        )
    spent = Log(checkpoint=Checkpoint(Path("kept")))
    policy = learner.learn(env, il.expert(env), None, spent)
    assert all(torch.equal(value, policy.arrays()[key]) for key, value in expected.arrays().items())
    for count in SPENT:
        assert torch.equal(*(torch.as_tensor(getattr(log, count)) for log in (spent, whole)))


@pytest.mark.parametrize("name", LEARNERS)
def test_run_2_of_4_is_run_2_alone_by_trial_too(name):
    env = tiny("recover", seeds=4)
    learner = LEARNERS[name](3, 2, costs="rollouts", points=5, training=SMALL)
    many, alone = (learner.learn(one, il.expert(one)) for one in (env, env[2]))
    for key, array in many.arrays().items():
        assert torch.equal(array[2:3], alone.arrays()[key]), key


@pytest.mark.parametrize("name", LEARNERS)
def test_what_cannot_be_judged_is_refused_before_any_work(name):
    cls, log = LEARNERS[name], Log()
    lane = tiny("lane")
    with pytest.raises(
        ValueError, match=f"{name}: expected Discrete actions, got Box .*use dagger"
    ):
        cls(training=SMALL).learn(lane, il.expert(lane), None, log)
    pole = il.make("CartPole-v1", horizon=8)
    with pytest.raises(
        ValueError, match=r"costs: expected .* got CartPole-v1, which only steps on"
    ):
        cls(training=SMALL).learn(pole, il.expert(pole), None, log)
    assert log == Log(began=log.began)
    with pytest.raises(ValueError, match="points: expected at least 0, got -1"):
        cls(points=-1)
    with pytest.raises(ValueError, match="costs: expected exact or rollouts, got 'both'"):
        cls(costs="both")
    with pytest.raises(
        ValueError, match="updates: expected at least one for each of 8 rounds, got"
    ):
        cls(training=il.Training(updates=3))


def test_a_chance_is_none_above_one():
    with pytest.raises(ValueError, match=r"beta: expected a chance from 0 to 1, got 1\.5; try"):
        il.LOLS(beta=1.5)
    with pytest.raises(ValueError, match="p: expected a number from 0 to 1, got -1"):
        il.AggreVaTe(p=-1)
