"""The chains attain their closed forms: trap T**2 epsilon, recover(k) from T to T**2, parity its exposure bias."""

import numpy as np
import pytest
import torch

import il_bench as il
from il_bench.core.streams import Streams
from il_bench.stats import theory

TABLE = il.Training(net="table")
BACK = 2  # the action of recover that leads back


class Erring(il.Policy):
    """A policy that knows the right action from the observation and errs by chance.

    Args:
        env: for its spaces and runs.
        right: the right action for each symbol seen (O,).
        wrong: the wrong one (O,).
        chance: to err at each symbol, (R, O) or (O,).
    """

    def __init__(self, env, right, wrong, chance):
        self.action_space, self.runs = env.action_space, env.runs
        self.right, self.wrong = torch.tensor(right), torch.tensor(wrong)
        self.chance = torch.as_tensor(chance, dtype=torch.float64).expand(self.runs, -1)

    def act(self, obs, memory=None, draw=None):
        seen = obs.argmax(-1)
        draw = torch.ones(seen.shape, dtype=torch.float64) if draw is None else draw
        err = draw < self.chance.gather(1, seen)
        return torch.where(err, self.wrong[seen], self.right[seen])[..., None], memory

    def __getitem__(self, run):
        raise NotImplementedError


def walker(env, chance):
    """Of the trap: the safe side where it can be read."""
    return Erring(env, [0, 1, 0, 0, 1, 0], [1, 0, 1, 1, 0, 1], chance)


def follower(env, chance):
    """Of recover: the turn where it can be read, and the way back."""
    return Erring(env, [0, 1, 0, BACK], [1, 0, 1, 0], chance)


def speaker(env, chance):
    """Of parity: y xor bit where it can be read."""
    return Erring(env, [0, 1, 0, 1, 0, 0], [1, 0, 1, 0, 1, 1], chance)


def losses(env, episodes, sample=False, **policies):
    """Loss of return (K, R, E), and what else a record holds."""
    arrays = il.compare(env, il.expert(env), episodes=episodes, sample=sample, **policies).arrays
    assert (arrays["reward"][0] == 1).all()  # the expert never errs
    return (arrays["reward"][0] - arrays["reward"][1:]).sum(-1), arrays


def agrees(found, expected):
    """A mean over everything within three standard errors of a number."""
    return abs(found.mean() - expected) < 3 * found.std() / found.size**0.5


# The trap


def test_the_trap_costs_every_step_to_whoever_errs_at_the_fork():
    env = il.make("trap", horizon=25, fog=0.0, seeds=2)
    lost, arrays = losses(env, 3000, sample=True, probe=walker(env, [0.2, 0.2, 0, 0, 0, 0]))
    erred = arrays["error_on"][1, ..., 0, 0]
    assert np.array_equal(
        lost[0], 25 * erred
    )  # T for an error at the fork, nothing otherwise, in every episode
    assert agrees(erred, 25 * 0.008)
    assert agrees(lost, theory.trap_gap(0.008, 25))


@pytest.mark.parametrize("horizon", [5, 20, 80])
def test_every_learner_attains_the_quadratic_bound_exactly(horizon):
    """In fog the error is the task's own: it is on the expert's path, and T**2 times it is what is lost."""
    env = il.make("trap", horizon=horizon, fog=0.4, seeds=3)
    expert = il.expert(env)
    bc = il.BC(40, TABLE).learn(env, expert)
    dagger = il.DAgger(rounds=8, episodes=5, training=TABLE).learn(env, expert)
    lost, arrays = losses(env, 400, bc=bc, dagger=dagger)
    error = arrays["error_off"][1:].mean(
        (2, 3, 4)
    )  # epsilon of each learner and run, teacher-forced
    assert (error > 0.5 * 0.2 / horizon).all()
    np.testing.assert_allclose(lost.mean(2), horizon**2 * error, rtol=1e-12)
    for found in lost:
        assert agrees(found, theory.trap_gap(0.2 / horizon, horizon))


def test_in_the_trap_labels_from_the_pit_buy_nothing():
    env = il.make("trap", fog=0.4, seeds=16)
    expert = il.expert(env)
    bc = il.BC(40, TABLE).learn(env, expert)
    dagger = il.DAgger(rounds=8, episodes=5, training=TABLE).learn(env, expert)
    lost, _ = losses(env, 200, bc=bc, dagger=dagger)
    assert agrees(lost[1] - lost[0], 0)


def test_independent_errors_in_the_trap_lose_half_of_the_bound():
    env = il.make("trap", horizon=30, fog=0.0)
    lost, _ = losses(env, 6000, sample=True, probe=walker(env, [0.01] * 6))
    assert agrees(lost, theory.absorbing_gap(0.01, 30))
    assert theory.absorbing_gap(0.01, 30) == pytest.approx(theory.trap_gap(0.01, 30) / 2, rel=0.1)


def test_the_pit_is_left_by_no_action():
    env = il.make("trap")
    pit = torch.tensor([[[2.0, 1.0, 0.0]]], dtype=torch.float64)
    for action in (0.0, 1.0):
        after = env.transition(pit, torch.full((1, 1, 1), action), torch.zeros(1, 1, 1))
        assert after[..., 0] == 2
        assert env.reward(pit, torch.full((1, 1, 1), action), after) == 0


def test_fog_hides_the_side_at_the_fork_and_nowhere_else():
    env = il.make("trap")
    states = torch.tensor(
        [[0, 0, 1], [0, 1, 1], [0, 0, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1], [2, 0, 1], [2, 1, 0]]
    )
    seen = env.observation(states[None].double())[0].argmax(-1)
    assert seen.tolist() == [2, 2, 0, 1, 3, 4, 5, 5]


# Recover


@pytest.mark.parametrize("horizon", [12, 40])
def test_recover_goes_from_the_linear_loss_to_the_quadratic_one(horizon):
    """Errors of chance e at every step; k = 1, in between, T, and more than T."""
    env = il.make("recover", horizon=horizon, k=(1.0, 4.0, float(horizon), 2.0 * horizon), fog=0.0)
    lost, _ = losses(env, 3000, sample=True, probe=follower(env, [0.02] * 4))
    for found, k in zip(lost[0], env.k, strict=True):
        assert agrees(found, theory.recover_gap(0.02, int(k), horizon))
    assert theory.recover_gap(0.02, horizon, horizon) > 4 * theory.recover_gap(0.02, 1, horizon)


def test_who_errs_on_the_path_alone_is_back_after_k_steps():
    env = il.make("recover", horizon=40, k=(1.0, 5.0, 60.0), fog=0.0)
    lost, arrays = losses(env, 3000, sample=True, probe=follower(env, [0.05, 0.05, 0.05, 0.0]))
    for found, k in zip(lost[0], env.k, strict=True):
        assert agrees(found, theory.return_gap(0.05, int(k), 40))
    off = arrays["divergence"][1, 1]
    for before, after in ((5, 4), (4, 3), (1, 0)):
        assert (off[:, 1:][off[:, :-1] == before] == after).all()


def test_one_error_costs_k_steps_or_what_is_left_of_the_episode():
    env = il.make("recover", horizon=20, k=6.0, fog=0.0)

    state, expert = env.initial(Streams((0,)), 1), il.expert(env)
    noise = Streams((0,)).normal("noise", 1, 20, 3)
    for moment, cost in ((0, 6), (10, 6), (17, 3), (19, 1)):
        at, lost = state, 0.0
        for step in range(20):
            action = expert.act(at)
            action = 1 - action if step == moment else action
            after = env.transition(at, action, noise[:, :, step])
            lost += 1 - env.reward(at, action, after).item()
            at = after
        assert lost == cost


def test_cloning_never_learns_the_way_back_and_dagger_does():
    """BC's error is absorbing whatever k is, DAgger's is made good in k steps; both err in half of the fog."""
    env = il.make("recover", horizon=40, k=(2.0, 8.0), fog=0.1)
    expert = il.expert(env)
    bc = il.BC(64, il.Training(hidden=(16,), updates=300, lr=1e-2)).learn(env, expert)
    dagger = il.DAgger(rounds=16, episodes=4, training=TABLE).learn(env, expert)
    lost, _ = losses(env, 2500, bc=bc, dagger=dagger)
    for run, k in enumerate((2, 8)):
        assert agrees(lost[0, run], theory.absorbing_gap(0.05, 40))
        assert agrees(lost[1, run], theory.return_gap(0.05, k, 40))


def test_recover_stretches_a_step_off_the_path_to_k():
    env = il.make("recover", k=(1.0, 3.0, 40.0))
    certificate = env.certificate()
    assert certificate.value == (1, 3, 40)
    il.assert_lipschitz(env, pairs=20_000)
    states = torch.zeros(3, 5, 3, dtype=torch.float64)
    states[..., 0] = torch.tensor([0, 1, 2, 3, 7])
    for action in (0.0, 1.0, 2.0):
        after = env.transition(
            states, torch.full((3, 5, 1), action), torch.zeros(3, 5, 3, dtype=torch.float64)
        )
        for i in range(5):
            near, far = (s[:, i : i + 1].expand_as(s) for s in (states, after))
            assert (
                env.distance(after, far)
                <= env.distance(states, near) * torch.tensor([[1.0], [3], [40]])
            ).all()


# Parity


def test_parity_errs_rarely_when_taught_and_half_of_the_time_alone():
    env = il.make("parity", fog=0.0, seeds=4)
    lost, _ = losses(env, 500, sample=True, probe=speaker(env, [0.01] * 6))
    assert theory.parity_gap(0.01, 100) == pytest.approx(28.749, abs=5e-4)
    assert agrees(lost, theory.parity_gap(0.01, 100))


def test_a_learner_of_parity_has_the_teacher_forced_error_of_the_fog_and_the_free_running_one_of_the_formula():
    env = il.make("parity", horizon=100, fog=0.02, seeds=3)
    bc = il.BC(40, TABLE).learn(env, il.expert(env))
    lost, arrays = losses(env, 700, bc=bc)
    assert agrees(arrays["error_off"][1].mean((2, 3)), 0.01)
    assert agrees(lost, theory.parity_gap(0.01, 100))
    wrong = 1 - arrays["reward"][1]
    assert wrong[..., 0].mean() < 0.03
    for t in (10, 50, 100):
        assert agrees(wrong[..., t - 1], (1 - 0.98**t) / 2)


def test_one_wrong_symbol_makes_every_later_one_wrong_and_two_none():
    env = il.make("parity", horizon=30, fog=0.0)
    _, arrays = losses(env, 400, sample=True, probe=speaker(env, [0.03] * 6))
    before = arrays["state"][1][..., :-1, :]
    slips = arrays["action"][1, ..., 0] != np.abs(before[..., 0] - before[..., 2])
    assert np.array_equal(slips.cumsum(-1) % 2, 1 - arrays["reward"][1])
    assert np.array_equal(arrays["divergence"][1][..., 1:], 1 - arrays["reward"][1])


def test_dagger_is_worse_than_cloning_at_parity():
    """After a wrong symbol the expert's labels contradict those after a right one, and no symbol seen tells which."""
    env = il.make("parity", horizon=100, fog=0.02, seeds=4)
    expert = il.expert(env)
    bc = il.BC(32, TABLE).learn(env, expert)
    dagger = il.DAgger(rounds=16, episodes=2, training=TABLE).learn(env, expert)
    lost, _ = losses(env, 200, sample=True, bc=bc, dagger=dagger)
    assert agrees(lost[0], theory.parity_gap(0.01, 100))
    assert (
        lost[1].mean() > 45
    )  # a mixture of xor and its opposite says nothing: half of the symbols are wrong


def test_the_expert_of_parity_says_the_truth_after_a_wrong_symbol_and_in_fog():
    env = il.make("parity")
    states = torch.tensor(
        [[[o, t, b, f] for o in (0, 1) for t in (0, 1) for b in (0, 1) for f in (0, 1)]]
    ).double()
    assert torch.equal(
        il.expert(env).act(states)[..., 0], (states[..., 1] != states[..., 2]).double()
    )
    seen = env.observation(states)[0].argmax(-1)
    assert seen.tolist() == [0, 2, 1, 2] * 2 + [3, 5, 4, 5] * 2


# All three


@pytest.mark.parametrize("name", ["recover", "parity"])
def test_turns_bits_and_fog_come_as_often_as_they_should(name):
    env = il.make(name, horizon=50, fog=(0.0, 0.2, 1.0))
    seen = il.compare(env, il.expert(env), episodes=400, copy=il.expert(env)).arrays["state"][0]
    fog, sign = seen[..., -1], seen[..., -2]
    assert (fog[0] == 0).all()
    assert (fog[2] == 1).all()
    assert agrees(fog[1], 0.2)
    assert agrees(sign, 0.5)


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("trap", {"fog": 1.2}, "fog: expected a chance from 0 to 1, got 1.2"),
        ("recover", {"fog": -0.1}, "fog: expected a chance from 0 to 1, got -0.1"),
        ("recover", {"k": 0.0}, "k: expected a whole number of steps, at least 1, got 0.0; try 8"),
        ("recover", {"k": (2.0, 2.5)}, "k: expected a whole number of steps, at least 1"),
        ("parity", {"fog": 2.0}, "fog: expected a chance from 0 to 1, got 2.0"),
    ],
)
def test_settings_that_describe_no_chain_are_a_sentence(name, settings, sentence):
    with pytest.raises(ValueError, match=sentence.replace(".", r"\.")):
        il.make(name, **settings)
