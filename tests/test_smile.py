"""SMILe's mixture: its shares, who drives, what each part learns from; and mixture policies."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, tiny
from gymnasium import spaces

import il_bench as il
from il_bench.core.policy import Log
from il_bench.core.rollout import by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.fit.fitting import assemble, restore
from il_bench.jobs.checkpoint import Checkpoint
from il_bench.nets.mixture import FLAGS, MixturePolicy
from il_bench.nets.table import TablePolicy

BOX = spaces.Box(-1.0, 1.0, (1,))


def smile(env, **changes):
    log = il.Log()
    return il.SMILe(**{"rounds": 3, "episodes": 2, "training": SMALL, **changes}).learn(
        env, il.expert(env), log=log
    )


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, (0.1, 0.9)])
def test_each_round_takes_alpha_of_what_is_left_of_the_expert(alpha):
    """pi_n - pi_{n-1} = alpha (1 - alpha)^(n-1) (new_n - pi_0), and every pi_n is a distribution."""
    learner = il.SMILe(alpha=alpha)
    rate = torch.tensor(alpha if isinstance(alpha, tuple) else (alpha,), dtype=torch.float64)
    assert torch.equal(learner.shares(0), torch.ones(len(rate), 1, dtype=torch.float64))
    for n in range(1, 12):
        before = torch.cat((learner.shares(n - 1), torch.zeros(len(rate), 1)), 1)
        moved = rate * (1 - rate) ** (n - 1)
        expected = torch.zeros_like(before)
        expected[:, 0], expected[:, n] = -moved, moved
        torch.testing.assert_close(learner.shares(n) - before, expected, rtol=0, atol=1e-15)
        torch.testing.assert_close(
            learner.shares(n).sum(1), torch.ones_like(rate), rtol=0, atol=1e-15
        )


def test_the_experts_share_is_removed_at_the_end():
    policy = smile(tiny("tube", seeds=2), alpha=(0.5, 0.1))
    expected = torch.tensor([[4, 2, 1], [1, 0.9, 0.81]], dtype=torch.float64)
    torch.testing.assert_close(policy.chances, expected / expected.sum(1, keepdim=True))


def collected(monkeypatch, env, **changes):
    """The rollouts that SMILe learns from, round by round, and how many samples each fit had."""
    from il_bench.fit import collect
    from il_bench.learners import smile as module

    seen, sizes, roll_in, fit = [], [], collect.roll_in, module.fit

    def recording(*rest):
        seen.append(roll_in(*rest))
        return seen[-1]

    monkeypatch.setattr(collect, "roll_in", recording)
    monkeypatch.setattr(
        module, "fit", lambda data, *rest: (sizes.append(len(data)), fit(data, *rest))[1]
    )
    smile(env, **changes)
    return seen, sizes


def test_the_expert_drives_at_the_rate_that_is_left_of_it(monkeypatch):
    env = tiny("tube", seeds=2, noise=0.3, horizon=150)
    seen, _ = collected(monkeypatch, env, alpha=(0.3, 0.7), rounds=4)
    for n, one in enumerate(seen):
        label = il.expert(env).act(one.state[:, :, :-1].flatten(1, 2)).view_as(one.action)
        same = (one.action == label).double().mean((1, 2, 3))
        assert same.tolist() == pytest.approx([0.7**n, 0.3**n], abs=0.1)


def test_every_part_learns_from_its_own_round_alone(monkeypatch):
    assert collected(monkeypatch, tiny("tube"))[1] == [24, 24, 24]


def test_the_first_part_is_daggers_first_iterate():
    env = tiny("lane", seeds=2)
    one = smile(env, rounds=1).parts[0].arrays()
    two = il.DAgger(rounds=1, episodes=2, training=SMALL).learn(env, il.expert(env)).arrays()
    assert all(torch.equal(array, two[name]) for name, array in one.items())


@pytest.mark.parametrize("kind", [il.SMILe, il.DAgger])
def test_iterates_are_shown_as_they_are_learned(kind):
    env, shown = tiny("tube", seeds=2), []
    log = il.Log(iterate=lambda i, policy: shown.append((i, policy)))
    last = kind(rounds=3, training=SMALL).learn(env, il.expert(env), log=log)
    assert [i for i, _ in shown] == [0, 1, 2]
    for name, array in last.arrays().items():
        assert torch.equal(array, shown[-1][1].arrays()[name])
    shorter = kind(rounds=2, training=dataclasses.replace(SMALL, updates=40)).learn(
        env, il.expert(env)
    )
    for name, array in shorter.arrays().items():
        assert torch.equal(array, shown[1][1].arrays()[name])


@pytest.mark.parametrize("name", ["smile", "dart"])
def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(name):
    env = tiny("tube", seeds=2)
    learner = il.learner(name, rounds=4, training=SMALL)
    whole = learner.learn(env, il.expert(env))

    def stop(i, policy):
        if i == 2:
            raise KeyboardInterrupt

    log = il.Log(checkpoint=Checkpoint(Path("kept")), iterate=stop)
    with pytest.raises(KeyboardInterrupt):
        learner.learn(env, il.expert(env), None, log)
    again = learner.learn(env, il.expert(env), None, il.Log(checkpoint=Checkpoint(Path("kept"))))
    for key, array in whole.arrays().items():
        assert torch.equal(array, again.arrays()[key]), key
    assert torch.equal(whole.log.labels, again.log.labels)


@pytest.mark.parametrize("alpha", [0.0, -0.1, 1.1, float("nan"), (0.1, 2.0)])
def test_shares_that_cannot_be_are_a_sentence(alpha):
    with pytest.raises(ValueError, match="alpha: expected a number above 0, at most 1, got"):
        il.SMILe(alpha=alpha)


def test_settings_that_smile_cannot_have_are_sentences():
    with pytest.raises(ValueError, match="rounds: expected a whole number of at least 1, got 0"):
        il.SMILe(rounds=0)
    with pytest.raises(
        ValueError, match="updates: expected at least one for each of 8 rounds, got 3"
    ):
        il.SMILe(training=il.Training(updates=3))


def constant(*values, space=BOX):
    """A policy (one run for each value) that always gives its value."""
    from il_bench.nets.mlp import MLPPolicy

    out = torch.tensor(values).reshape(len(values), 1, -1)
    one = torch.ones(len(values), 1, 1)
    scaling = {"mean": 0 * one, "std": one, "shift": 0 * out, "scale": torch.ones_like(out)}
    return MLPPolicy([0 * one.expand(-1, -1, out.shape[-1]), out], scaling, space)


def box():
    chances = torch.tensor([[0.2, 0.5, 0.3], [0.0, 0.0, 1.0]], dtype=torch.float64)
    return MixturePolicy([constant(0.1, 0.4), constant(0.2, 0.5), constant(0.3, 0.6)], chances)


def test_a_mixture_chooses_who_acts_by_its_chances():
    draws = torch.tensor([[0.1, 0.21, 0.69, 0.71, 0.99]], dtype=torch.float64).expand(2, -1)
    action, _ = box().act(torch.zeros(2, 5, 1), None, draws)
    expected = [[0.1, 0.2, 0.2, 0.3, 0.3], [0.6] * 5]
    np.testing.assert_allclose(action[..., 0].numpy(), expected, rtol=1e-6)


def test_a_mixture_without_a_draw_is_the_mean_of_its_parts():
    action, _ = box().act(torch.zeros(2, 4, 1))
    np.testing.assert_allclose(
        action[..., 0].numpy(), [[0.02 + 0.1 + 0.09] * 4, [0.6] * 4], rtol=1e-6
    )


def test_a_mixture_of_discrete_policies_votes_and_its_members_remember():
    """Tables a step: one part, outvoted by two but with 0.6 of the chances, goes from action 0 to 1 at step 1."""
    early, late = torch.zeros(1, 2, 1, 3), torch.zeros(1, 2, 1, 3)
    early[0, 0, 0, 0] = early[0, 1, 0, 1] = late[0, :, 0, 2] = 1
    fill, space = torch.zeros(1, 2, 1, dtype=torch.long), spaces.Discrete(3)
    parts = [TablePolicy(counts, fill, space) for counts in (early, late, late)]
    chances = torch.tensor([[0.6, 0.2, 0.2]], dtype=torch.float64)
    mixture, memory, actions = MixturePolicy(parts, chances), None, []
    for _ in range(3):
        action, memory = mixture.act(torch.ones(1, 2, 1), memory)
        actions.append(action[0, :, 0].tolist())
    assert actions == [[0, 0], [1, 1], [1, 1]]
    drawn, _ = mixture.act(
        torch.ones(1, 2, 1), memory, torch.tensor([[0.5, 0.7]], dtype=torch.float64)
    )
    assert drawn[0, :, 0].tolist() == [1, 2]


def test_a_mixture_comes_back_from_its_arrays_and_run_by_run():
    env = tiny("resetcliff", seeds=3)
    policy = smile(env, alpha=(0.1, 0.5, 0.9))
    again = restore(policy.kind, policy.arrays(), policy.action_space)
    streams = Streams(env.seeds)
    runs = [rollout(env, by_policy(env, one, streams, 4), streams, 4) for one in (policy, again)]
    assert torch.equal(runs[0].action, runs[1].action)
    lone = rollout(env[1], by_policy(env[1], policy[1], Streams((1,)), 4), Streams((1,)), 4)
    assert torch.equal(runs[0].action[1], lone.action[0])
    assert torch.equal(policy[1].chances[0], policy.chances[1])
    swapped = assemble([policy, smile(env, alpha=0.9)], [0, 1, 0])
    assert torch.equal(swapped.chances, policy.chances[[0, 2, 2]])
    assert repr(policy) == f"MixturePolicy(3 x {policy.parts[0]})"
    assert again.by_chance
    # One that was written before mixtures said whether they are drawn from is their mean, as it was.
    old = {key: array for key, array in policy.arrays().items() if key not in FLAGS}
    assert not restore(policy.kind, old, policy.action_space).by_chance


def test_a_record_holds_a_mixture_and_draws_from_it_by_chance(tmp_path):
    env = tiny("tube", seeds=2)
    policy = smile(env, alpha=0.5)
    record = il.compare(env, il.expert(env), episodes=3, smile=policy)
    asked = il.compare(env, il.expert(env), episodes=3, sample=True, smile=policy)
    assert np.array_equal(record.arrays["action"][1], asked.arrays["action"][1])
    mean = MixturePolicy(policy.parts, policy.chances)
    by_mean = il.compare(env, il.expert(env), episodes=3, smile=mean)
    assert not np.array_equal(record.arrays["action"][1], by_mean.arrays["action"][1])
    record.save(tmp_path / "record")
    back = il.load(tmp_path / "record").policy("smile")
    assert torch.equal(back.chances, policy.chances)
    assert back.by_chance
    assert back[1].by_chance
    assert not back.drawn_twice
    obs = env.observation(env.initial(Streams(env.seeds), 3)).float()
    assert torch.equal(back.act(obs)[0], policy.act(obs)[0])


class Drawn(il.Policy):
    """Does what it draws."""

    action_space = BOX
    runs = 2
    by_chance = True

    def act(self, obs, memory=None, draw=None):
        action = torch.zeros(*obs.shape[:2], 1) if draw is None else draw[..., None]
        return action.double(), memory

    def __getitem__(self, run):
        return self


def test_a_part_that_acts_by_chance_is_handed_what_is_left_of_the_draw():
    """It acted deterministically: mixtures of densities and of writers did not do what their parts do."""
    chances = torch.tensor([[0.2, 0.5, 0.3], [0.0, 0.4, 0.6]], dtype=torch.float64)
    mixture = MixturePolicy([Drawn(), Drawn(), Drawn()], chances)
    assert mixture.by_chance
    numbers = torch.Generator().manual_seed(0)
    draws = torch.rand(2, 4000, dtype=torch.float64, generator=numbers)
    rest = mixture.act(torch.zeros(2, 4000, 1), None, draws)[0][..., 0]
    for run, own in enumerate(rest):
        for low, high in ((0, 0.2), (0.2, 0.7), (0.7, 1)) if run == 0 else ((0, 0.4), (0.4, 1)):
            chosen = (draws[run] >= low) & (draws[run] < high)
            expected = (draws[run][chosen] - low) / (high - low)
            torch.testing.assert_close(own[chosen], expected, rtol=1e-9, atol=1e-9)


def test_a_mixture_of_writers_writes_as_often_as_its_parts_do_on_average():
    """At one place of a text: the chance of a symbol is the mean of the parts' chances."""
    env = tiny("clock", seeds=1)
    policy = smile(env, alpha=0.5, episodes=4)
    assert policy.drawn_twice
    obs = torch.ones(1, 20_000, 1)
    numbers = torch.Generator().manual_seed(0)
    draws = torch.rand(1, 20_000, dtype=torch.float64, generator=numbers)
    symbols = policy.act(obs, None, draws)[0].flatten()
    parts = zip(policy.chances[0], policy.parts, strict=True)
    chances = sum(share * part.distribution(obs[:, :1])[0].flatten() for share, part in parts)
    counted = torch.bincount(symbols, minlength=len(chances)) / len(symbols)
    assert (counted - chances).abs().max() < 4 * 0.5 / 20_000**0.5


def test_a_part_that_was_taught_nothing_never_acts():
    """Where labels end, later rounds have none: networks as they began were mixed in, and D was 69 times cloning's."""
    env = tiny("tube", seeds=2)
    learner = il.SMILe(rounds=4, episodes=1, alpha=0.5, training=SMALL)
    expert = il.expert(env)
    whole = learner.learn(env, expert)
    assert (whole.chances > 0).all()
    log = Log(limit=torch.tensor([20, 1000]))
    policy = learner.learn(env, expert, None, log)
    assert log.labels.tolist() == [20, 48]
    shares = torch.tensor([0.5, 0.25]).double() / 0.75
    torch.testing.assert_close(policy.chances[0], torch.tensor([*shares, 0, 0]).double())
    assert torch.equal(policy.chances[1], whole.chances[1])


def test_predict_draws_a_part_when_it_may():
    policy = smile(tiny("tube"))
    obs = np.zeros((50, 3), dtype=np.float32)
    mean, drawn = (policy.predict(obs, deterministic=sure)[0] for sure in (True, False))
    assert len(np.unique(mean)) == 1
    assert len(np.unique(drawn)) == 3
