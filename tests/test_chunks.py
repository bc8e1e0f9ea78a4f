"""Plans of several actions: their labels, their execution, their mean, and the net and the learner that make them."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, tiny
from gymnasium import spaces

import il_bench as il
from il_bench import run
from il_bench.core.policy import Log
from il_bench.core.rollout import by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.fit.chunks import MISSING, average, chunked, execute
from il_bench.fit.dataset import Dataset
from il_bench.fit.fitting import fit
from il_bench.jobs.checkpoint import Checkpoint
from il_bench.nets import _mlp_engine
from il_bench.nets.mlp import initial_layers

GAP = math.inf
BOX = spaces.Box(-1.0, 1.0, (1,))


def data_of(labels, weight=None, lengths=None):
    """One run of samples whose labels are given (N, U)."""
    action = torch.as_tensor(labels)[None]
    count = action.shape[1]
    weight = torch.ones(1, count) if weight is None else torch.tensor([weight])
    obs = torch.linspace(-1, 1, 2 * count).reshape(1, count, 2)
    return Dataset(obs, action, weight, lengths or (count,))


def chunk_net(**settings):
    return dataclasses.replace(SMALL, net=il.net("chunk", hidden=(16,), **settings))


def cloned(env, training, episodes=2):
    return il.BC(episodes, training).learn(env, il.expert(env))


def test_a_label_is_the_next_actions_of_its_own_episode():
    data = data_of([[1.0], [2.0], [3.0], [4.0], [5.0]], lengths=(3, 2))
    plans = chunked(data, 3)
    wanted = [[1, 2, 3], [2, 3, GAP], [3, GAP, GAP], [4, 5, GAP], [5, GAP, GAP]]
    assert plans.action[0].tolist() == wanted
    assert plans.lengths == data.lengths
    assert plans.live == data.live


def test_what_weighs_nothing_is_missing_from_every_plan():
    data = data_of([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]], weight=[1.0, 0.5, 0.0])
    assert chunked(data, 2).action[0, :2].tolist() == [[1, 10, 2, 20], [2, 20, GAP, GAP]]


def test_discrete_actions_are_missing_as_cross_entropy_ignores_them():
    data = data_of([[1], [0]])
    assert chunked(data, 2).action[0].tolist() == [[1, 0], [0, MISSING]]


def test_a_plan_is_scaled_by_the_moments_of_the_actions_at_each_step():
    data = data_of([[1.0, 5.0], [2.0, 7.0], [3.0, 9.0]])
    plans = chunked(data, 3)
    size = data.obs.shape[2]
    own, repeated = data.moments, plans.moments
    assert torch.equal(repeated.mean[..., :size], own.mean[..., :size])
    assert torch.equal(repeated.scatter[..., size:], own.scatter[..., size:].repeat(1, 1, 3))


@pytest.mark.parametrize("task", ["lane", "resetcliff"])
def test_plans_of_one_action_are_the_mlp_bit_for_bit(task):
    env = tiny(task, seeds=2)
    plain = cloned(env, SMALL)
    plans = cloned(env, chunk_net(chunk=1))
    for name, array in plain.arrays().items():
        assert torch.equal(array, plans.arrays()[name]), name
    streams = Streams(env.seeds).fork("evaluation")
    one, other = (rollout(env, by_policy(env, p, streams, 3), streams, 3) for p in (plain, plans))
    assert torch.equal(one.action, other.action)


def targets_with_gaps():
    random = torch.Generator().manual_seed(0)
    obs = torch.randn(2, 40, 4, generator=random)
    action = torch.tanh(obs[..., :1] + obs[..., 1:2])
    weight = (torch.rand(2, 40, generator=random) > 0.1).float()
    return Dataset(obs, action, weight, (20, 20))


class Env:
    """What a fit needs of an environment."""

    horizon = 20
    action_space = BOX


def fitted(data, **settings):
    training = il.Training("chunk", updates=60, hidden=(16,), batch=16, **settings)
    return fit(data, training, Env(), Streams(range(len(data.obs))), Log())


def test_the_fast_engine_leaves_out_what_is_missing_as_autograd_does(monkeypatch):
    data = targets_with_gaps()
    fast = fitted(data, chunk=6)
    monkeypatch.setattr(_mlp_engine, "suits", lambda obs: False)
    slow = fitted(data, chunk=6)
    for name, array in fast.arrays().items():
        torch.testing.assert_close(array, slow.arrays()[name], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fast.network.output(data.obs), slow.network.output(data.obs))


@pytest.mark.parametrize("suits", [True, False])
def test_what_lies_beyond_an_episode_weighs_nothing(monkeypatch, suits):
    """In episodes of one step all but the first action are missing: what answers for them stays as it began."""
    monkeypatch.setattr(_mlp_engine, "suits", lambda obs: suits)
    data = targets_with_gaps()
    short = dataclasses.replace(data, lengths=(1,) * 40)
    last = fitted(short, chunk=3).network.layers[-2]
    first = initial_layers([4, 16, 3], Streams(range(2)))[-2]
    assert torch.equal(last[..., 1:], first[..., 1:])
    assert not torch.equal(last[..., 0], first[..., 0])


def test_a_run_with_an_infinite_label_is_named_and_its_label_not_taken_for_a_missing_one():
    data = targets_with_gaps()
    data.action[0, 5] = math.inf
    log = Log()
    training = il.Training("chunk", updates=20, hidden=(16,), batch=16, chunk=4)
    fit(data, training, Env(), Streams((0, 1)), log)
    assert list(log.broke) == [0]


class Counting:
    """A planner that counts upwards: plan k begins with 10 k."""

    def __init__(self, length):
        self.asked = 0
        self.length = length

    def __call__(self):
        self.asked += 1
        steps = torch.arange(self.length, dtype=torch.float64) + 10 * self.asked
        return steps[None, None, :, None].expand(1, 2, -1, -1)


def executed(planner, steps, count, memory=None):
    actions = []
    for _ in range(count):
        action, memory = execute(memory, planner, steps)
        actions.append(action[0, 0, 0].item())
    return actions, memory


def test_a_plan_is_executed_without_asking_again():
    planner = Counting(3)
    actions, _ = executed(planner, 3, 7)
    assert actions == [10, 11, 12, 20, 21, 22, 30]
    assert planner.asked == 3


def test_a_receding_horizon_executes_the_first_part_of_each_plan():
    planner = Counting(5)
    actions, _ = executed(planner, 2, 5)
    assert actions == [10, 11, 20, 21, 30]
    assert planner.asked == 3


def test_who_plans_anew_at_each_step_remembers_nothing():
    planner = Counting(5)
    actions, memory = executed(planner, 1, 3)
    assert actions == [10, 20, 30]
    assert memory is None


def test_zeros_begin_an_episode_and_the_others_go_on():
    planner = Counting(3)
    _, memory = executed(planner, 3, 1)
    memory[:, 1] = 0
    action, memory = execute(memory, planner, 3)
    assert action[0, :, 0].tolist() == [11, 20]
    action, _ = execute(memory, planner, 3)
    assert action[0, :, 0].tolist() == [12, 21]


@pytest.mark.parametrize("decay", [0.0, 0.01, 0.7])
def test_an_ensemble_weighs_the_oldest_plan_most_and_its_weights_sum_to_one(decay):
    length = 4
    plans = torch.randn(7, length, 2, generator=torch.Generator().manual_seed(0)).double()
    memory = None
    for now, plan in enumerate(plans):
        action, memory = average(memory, plan[None, None], decay)
        first = max(0, now - length + 1)
        weights = np.exp(-decay * np.arange(now - first + 1))
        each = [plans[made, now - made] for made in range(first, now + 1)]
        share = weights / weights.sum()
        wanted = sum(part * one for part, one in zip(share, each, strict=True))
        torch.testing.assert_close(action[0, 0], wanted)
        assert share.sum() == pytest.approx(1)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_the_mean_of_plans_that_agree_is_what_they_agree_on(decay):
    memory = None
    for _ in range(6):
        action, memory = average(memory, torch.full((1, 1, 3, 1), 0.25).double(), decay)
        assert action.item() == pytest.approx(0.25, abs=1e-15)


def test_an_ensemble_of_plans_of_one_action_is_the_mlp():
    env = tiny("lane", seeds=2)
    plain = cloned(env, SMALL)
    mean = cloned(env, chunk_net(chunk=1, ensemble=True))
    streams = Streams(env.seeds).fork("evaluation")
    one, other = (rollout(env, by_policy(env, p), streams, 3) for p in (plain, mean))
    torch.testing.assert_close(one.action, other.action)


def test_predict_begins_a_plan_where_an_episode_begins():
    policy = cloned(tiny("lane"), chunk_net(chunk=3))
    here, there = np.zeros((2, 4), np.float32), np.full((2, 4), 0.3, np.float32)
    _, state = policy.predict(here)
    blind, _ = policy.predict(there, state)
    reset, _ = policy.predict(there, state, episode_start=np.array([False, True]))
    fresh, _ = policy.predict(there)
    assert np.array_equal(reset[0], blind[0])
    assert np.array_equal(reset[1], fresh[1])
    assert not np.array_equal(blind[1], fresh[1])


def test_planning_anew_acts_by_the_first_action_and_is_a_function_of_the_state():
    env = tiny("lane", seeds=2)
    whole, first = (cloned(env, chunk_net(chunk=4, execute=count)) for count in (0, 1))
    obs = env.observation(env.initial(Streams(env.seeds), 3)).float()
    action, memory = first.act(obs)
    assert memory is None
    assert torch.equal(action, whole.plan(obs)[:, :, 0])


def test_discrete_plans_are_drawn_from_their_logits():
    env = tiny("resetcliff", seeds=2)
    policy = cloned(env, chunk_net(chunk=3))
    obs = env.observation(env.initial(Streams(env.seeds), 4)).float()
    action, memory = policy.act(obs)
    assert action.dtype == torch.int64
    assert memory.shape == (2, 4, 1 + 3)
    draw = torch.full((2, 4), 1 - 1e-12, dtype=torch.float64)
    assert (policy.act(obs, None, draw)[0] == env.action_space.n - 1).all()


def test_the_learner_is_cloning_with_the_net():
    env = tiny("lane", seeds=2)
    own = il.Chunk(episodes=2, chunk=3, training=SMALL).learn(env, il.expert(env))
    net = cloned(env, chunk_net(chunk=3))
    for name, array in own.arrays().items():
        assert torch.equal(array, net.arrays()[name]), name
    assert own.log.labels.tolist() == [24, 24]
    few = il.Chunk(chunk=3, training=SMALL, labels=17.0).learn(env, il.expert(env))
    assert few.log.labels.tolist() == [17, 17]


def test_cloning_beside_it_takes_one_action_at_a_time(no_figures):
    run.main(["--algo", "chunk", "--chunk", "3", "--updates", "20", "--seeds", "2", "--rollouts",
              "3", "--horizon", "12", "--no-video", "--out", "a"])  # fmt: skip
    record = il.load("a")
    assert record.config["kinds"] == {"bc": "mlp", "chunk": "chunk"}
    assert record.policy("chunk").steps == 3


def test_rounds_of_plans_are_kept_and_resumed():
    env = tiny("lane", seeds=2)
    learner = il.DAgger(rounds=3, training=chunk_net(chunk=3))
    whole = learner.learn(env, il.expert(env))
    log = Log(checkpoint=Checkpoint(Path("rounds")))
    learner.learn(env, il.expert(env), None, log)
    last = sorted(Path("rounds").iterdir())[-1]
    last.unlink()
    resumed = learner.learn(env, il.expert(env), None, Log(checkpoint=Checkpoint(Path("rounds"))))
    for name, array in whole.arrays().items():
        assert torch.equal(array, resumed.arrays()[name]), name


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"chunk": 0}, "chunk: expected a whole number of at least 1, got 0"),
        ({"chunk": 4, "execute": 5}, r"execute: expected 0 \(all\) to 4, the chunk, got 5"),
        ({"execute": 2, "ensemble": True}, "execute: an ensemble plans anew at each step, got 2"),
        ({"decay": -1.0}, "decay: expected a number of at least 0, got -1.0"),
    ],
)
def test_plans_that_nobody_can_execute_are_sentences(settings, sentence):
    for make in (il.Chunk, lambda **own: il.net("chunk", **own)):
        with pytest.raises(ValueError, match=sentence):
            make(**settings)


def test_a_chunk_longer_than_the_horizon_is_a_sentence_before_anybody_drives(capsys, monkeypatch):
    env = tiny("lane")
    sentence = r"net chunk: chunk: expected at most the horizon, T = 12, got 13; plan fewer steps"
    with pytest.raises(ValueError, match=sentence):
        il.Chunk(chunk=13, training=SMALL).learn(env, None)
    with pytest.raises(ValueError, match=sentence):
        cloned(env, chunk_net(chunk=13))
    for flags in (["--algo", "chunk"], ["--algo", "bc", "--net", "chunk"]):
        monkeypatch.setattr(il.BC, "learn", lambda *args: pytest.fail("drove"))
        with pytest.raises(SystemExit):
            run.main([*flags, "--chunk", "13", "--horizon", "12", "--out", "a"])
        assert "expected at most the horizon, T = 12, got 13" in capsys.readouterr().err


def test_an_ensemble_of_discrete_actions_is_a_sentence():
    with pytest.raises(ValueError, match="net chunk: ensemble: Discrete actions have no mean"):
        cloned(tiny("resetcliff"), chunk_net(chunk=2, ensemble=True))


def test_another_net_is_a_sentence():
    with pytest.raises(ValueError, match=r"chunk: expected net mlp, got ridge; use"):
        il.Chunk(training=il.Training("ridge")).learn(tiny("lane"), None)
