"""Learners that learn nothing: their answers are known. That a copy does not drift: tests/test_rollout.py."""

import numpy as np
import pytest
import torch
from conftest import tiny

import il_bench as il
from il_bench.core.rollout import by_policy, rollout
from il_bench.core.streams import Streams

PROBES = ("copy", "zero", "random", "biased")


def drift(env, learner, episodes=6):
    """D (R, E, T+1) of what a learner learned."""
    expert = il.expert(env)
    policy = learner.learn(env, expert)
    return il.compare(env, expert, episodes=episodes, it=policy).arrays["divergence"][1]


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("task", ["tube", "resetcliff", "quad"])
def test_a_probe_costs_nothing_and_is_the_same_again_and_alone(name, task):
    env = tiny(task, seeds=(5, 6, 7))
    policy = il.learner(name).learn(env, il.expert(env))
    log = policy.log
    assert (log.labels, log.asked, log.steps, log.updates) == (0, 0, 0, 0)
    alone = il.learner(name).learn(env[2], il.expert(env[2]))
    seen = rollout(env, by_policy(env, policy), Streams(env.seeds), 3)
    again = rollout(env, by_policy(env, policy), Streams(env.seeds), 3)
    lone = rollout(env[2], by_policy(env[2], alone), Streams((7,)), 3)
    assert torch.equal(seen.action, again.action)
    assert torch.equal(seen.action[2], lone.action[0])


def test_left_alone_the_tubes_ball_obeys_its_open_loop():
    """q' = L q - g(z): the expert's q is 0, so that D is |q|."""
    env = tiny("tube", seeds=2, horizon=8, lipschitz=1.1)
    expert = il.expert(env)
    record = il.compare(env, expert, episodes=3, zero=il.learner("zero").learn(env, expert))
    state = torch.from_numpy(record.arrays["state"][0])
    q = torch.zeros(2, 3, dtype=torch.float64)
    for t in range(8):
        q = 1.1 * q - env.pull(state[:, :, t])
        np.testing.assert_allclose(record.arrays["divergence"][1, :, :, t + 1], q.abs(), rtol=1e-9)


@pytest.mark.parametrize("epsilon", [0.001, (0.001, 0.01)])
def test_a_constant_error_leaves_its_geometric_sum(epsilon):
    """D_t = b epsilon (1 - alpha^t) / (1 - alpha), alpha = 0.3 L."""
    env = tiny("tube", seeds=2, horizon=20, lipschitz=1.2)
    found = drift(env, il.learner("biased", epsilon=epsilon))
    alpha = 0.3 * 1.2
    step = np.arange(21)
    sums = env.gain * (1 - alpha**step) / (1 - alpha)
    size = np.broadcast_to(epsilon, (2,))
    expected = size[:, None, None] * sums
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-9, atol=1e-14)


def test_errors_of_no_mean_are_smaller_and_differ_between_rollouts():
    env = tiny("tube", seeds=2, horizon=30)
    constant = drift(env, il.learner("biased"))[..., -1]
    zero_mean = drift(env, il.learner("biased", way="zero-mean"))[..., -1]
    assert (zero_mean < constant).all()
    assert len(np.unique(zero_mean)) > 1


def test_independent_errors_on_the_trap_lose_what_ross_and_bagnell_say():
    """T - (1 - e)(1 - (1 - e)^T) / e, where one error ends all reward; within five standard errors of 800 rollouts."""
    env = il.make("trap", horizon=20, seeds=4)
    expert = il.expert(env)
    rate = 0.05
    policy = il.learner("biased", epsilon=rate).learn(env, expert)
    record = il.compare(env, expert, episodes=200, it=policy)
    reward = record.arrays["reward"].sum(-1)
    lost = (reward[0] - reward[1]).ravel()
    expected = 20 - (1 - rate) * (1 - (1 - rate) ** 20) / rate
    assert lost.mean() == pytest.approx(expected, abs=5 * lost.std() / len(lost) ** 0.5)


def test_an_error_of_an_expert_that_acts_by_chance_blurs_its_chances():
    env = tiny("golden", seeds=2)
    expert = il.expert(env)
    state = env.initial(Streams(env.seeds), 3)
    chances = expert.distribution(state)
    blurred = il.learner("biased", epsilon=0.1).learn(env, expert).source.distribution(state)
    count = chances.shape[-1]
    torch.testing.assert_close(blurred.sum(-1), chances.sum(-1))
    torch.testing.assert_close(blurred, 0.9 * chances + 0.1 * (1 - chances) / (count - 1))


@pytest.mark.parametrize("task", ["tube", "resetcliff"])
def test_anybody_takes_every_action_alike(task):
    env = il.make(task, seeds=2, horizon=60)
    policy = il.learner("random").learn(env, il.expert(env))
    action = rollout(env, by_policy(env, policy), Streams(env.seeds), 40).action
    count = getattr(env.action_space, "n", 0)
    place = (action + 0.5) / count if count else (action + 1) / 2
    assert place.min() >= 0
    assert place.max() <= 1
    assert place.mean().item() == pytest.approx(0.5, abs=0.03)
    assert place.std().item() == pytest.approx(12**-0.5, abs=0.03)


def test_what_a_probe_cannot_do_is_a_sentence(tmp_path):
    env = tiny("tube")
    policy = il.learner("copy").learn(env, il.expert(env))
    with pytest.raises(ValueError, match="predict: this policy is shown states, not observations"):
        policy.predict(np.zeros(3))
    with pytest.raises(ValueError, match="policy: expected one that a net of il_bench fitted"):
        policy.save(tmp_path / "policy")
    with pytest.raises(ValueError, match="epsilon: is a chance where actions are Discrete"):
        il.learner("biased", epsilon=2.0).learn(tiny("trap"), il.expert(tiny("trap")))
    with pytest.raises(ValueError, match="epsilon: expected a number of at least 0, got -1"):
        il.learner("biased", epsilon=-1.0)
