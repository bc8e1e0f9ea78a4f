"""TaSIL: the expert's Jacobian is recovered, matched, and counted; who has none is refused before any work."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import SMALL, tiny
from torch.autograd.functional import jacobian

import il_bench as il
from il_bench.core.policy import Log
from il_bench.fit.collect import expert_rollouts
from il_bench.fit.course import Course
from il_bench.fit.dataset import dataset
from il_bench.fit.loop import squared_error
from il_bench.fit.slopes import slopes
from il_bench.jobs.footprint import needed
from il_bench.nets._mlp_slopes import _packed, along, sobolev
from il_bench.nets.mlp import initial_layers, mlp
from il_bench.show.report import _budget


def along_the_path(env, expert, step=0.0):
    course = Course.begun(env, expert, None, None)
    visits = expert_rollouts(env, expert, course.streams, 2, course.log)
    return visits, slopes(course, visits, step)


@dataclass(frozen=True)
class Gain(il.Expert):
    """a = s K, a matrix for each run."""

    gain: torch.Tensor

    def act(self, state):
        return state @ self.gain


@pytest.mark.parametrize("step", [0.0, 1e-4])
def test_the_jacobian_of_a_linear_expert_is_recovered_exactly(step):
    env = tiny("power", seeds=2)
    gain = 0.1 * il.Streams(env.seeds).normal("gain", 10, 10)
    _, found = along_the_path(env, Gain(gain), step)
    wanted = gain[:, None].float().expand_as(found.action)
    torch.testing.assert_close(found.action, wanted, rtol=0, atol=0 if step == 0 else 1e-6)
    eye = torch.eye(10).expand_as(found.way)
    torch.testing.assert_close(found.way, eye, rtol=0, atol=0 if step == 0 else 1e-6)


def test_what_is_observed_of_a_state_is_differentiated_with_it():
    """Of the tube, whose phase is seen as its sine and cosine."""
    env = tiny("tube")
    visits, found = along_the_path(env, il.expert(env))
    state = visits.state[:, :, :-1].flatten(1, 2)
    for at, way in zip(state[0], found.way[0], strict=True):
        wanted = jacobian(lambda s: env.observation(s[None, None])[0, 0], at)
        torch.testing.assert_close(way.T.double(), wanted, rtol=1e-6, atol=1e-6)


def test_differences_agree_with_derivatives():
    env = tiny("power", p=3.0)
    exact = along_the_path(env, il.expert(env))[1]
    near = along_the_path(env, il.expert(env), 1e-4)[1]
    torch.testing.assert_close(near.action, exact.action, rtol=1e-5, atol=1e-6)


def test_steps_through_a_network_are_its_derivatives():
    layers = initial_layers([3, 7, 5, 2], il.Streams((4, 5)))
    x = il.Streams((4, 5)).normal("x", 6, 3).float()
    steps = il.Streams((4, 5)).normal("steps", 6, 4, 3).float()
    out, moves = along(layers, x, steps)
    torch.testing.assert_close(out, mlp(layers, x))
    for number in range(4):
        way = 1e-3 * steps[:, :, number].double()
        exact = [layer.double() for layer in layers]
        wanted = (mlp(exact, x + way) - mlp(exact, x - way)) / 2e-3
        torch.testing.assert_close(moves[:, :, number].double(), wanted, rtol=1e-4, atol=1e-5)


def test_a_weight_of_nothing_is_the_squared_error_and_more_is_sobolevs():
    streams = il.Streams((4, 5))
    layers = initial_layers([3, 7, 2], streams)
    x, y = streams.normal("x", 6, 3 + 4 * 3).float(), streams.normal("y", 6, 2 + 4 * 2).float()
    share = torch.full((2, 6), 1 / 6)
    weight = torch.tensor([0.0, 0.5])
    found = sobolev(3, 2, weight)(layers, x, y, share)
    out, moves = along(layers, x[..., :3], x[..., 3:].unflatten(-1, (4, 3)))
    off = squared_error(out, y[..., :2], share)
    bent = (moves.flatten(2) - y[..., 2:]).square().sum(-1).mean(1)
    torch.testing.assert_close(found, off + weight * bent)
    torch.testing.assert_close(found[0], off[0], rtol=0, atol=0)


def test_the_jacobian_is_learned_where_cloning_learns_the_actions_alone():
    env = tiny("power", p=3.0, seeds=2, horizon=30)
    expert = il.expert(env)
    training = il.Training(updates=300, hidden=(32,), lr=3e-3)
    visits, found = along_the_path(env, expert)
    obs = visits.state[:, :, :-1].flatten(1, 2)
    wrong = []
    for learner in (il.BC(2, training=training), il.TaSIL(2, training=training)):
        policy = learner.learn(env, expert)
        for number in range(10):
            way = torch.zeros_like(obs)
            way[..., number] = 1
            slope = (policy.output(obs + 1e-4 * way) - policy.output(obs - 1e-4 * way)) / 2e-4
            wrong.append((slope - found.action[:, :, number]).norm(dim=-1).mean(1))
    bc, tasil = torch.stack(wrong).reshape(2, 10, 2).mean(1)
    assert (tasil < 0.5 * bc).all()


def test_derivatives_are_a_budget_of_their_own():
    env = tiny("lane", seeds=3)
    policy = il.TaSIL(episodes=2, training=SMALL).learn(env, il.expert(env))
    log = policy.log
    size = env.initial(il.Streams(env.seeds), 1).shape[2]
    assert torch.equal(log.derivatives, size * log.labels)
    assert torch.equal(log.asked, log.labels)
    record = il.compare(env, il.expert(env), episodes=2, tasil=policy)
    record.save("kept")
    kept = il.load("kept").index.budgets["tasil"]
    assert kept.derivatives == log.derivatives.tolist()
    log = il.TaSIL(2, differences=1e-3, training=SMALL).learn(env, il.expert(env)).log
    assert torch.equal(log.asked, (1 + 2 * size) * log.labels)


def test_its_samples_are_as_large_as_it_says():
    env = tiny("tube", seeds=2)
    visits, found = along_the_path(env, il.expert(env))
    data = _packed(dataset(env, visits, visits.action), found)
    held = data.obs[0, 0].numel() + data.action[0, 0].numel()
    assert held == il.TaSIL().sample_size(env, visits.state.shape[-1])
    one, other = (needed(env, [learner], 8) for learner in (il.BC(), il.TaSIL()))
    assert other.learning > one.learning


def test_states_after_an_end_are_not_asked_about():
    env = il.make("lane", horizon=60, lipschitz=1.2, wind=0.5, seeds=3)
    asked = []

    class Watch(il.Expert):
        def act(self, state):
            asked.append(env.terminal(state).any())
            return il.expert(env).act(state)

    visits, found = along_the_path(env, Watch())
    assert visits.terminated.any()
    assert not any(asked)
    over = ~visits.alive.flatten(1, 2)
    assert (found.action[over] == 0).all()


class Blind(il.Expert):
    """Its action moves, and torch sees it not."""

    def act(self, state):
        return 0.1 * state[..., :1].detach()


def network() -> torch.nn.Module:
    """A linear one whose actions on a short lane stay in the Box, with derivatives that TaSIL cannot use."""
    linear = torch.nn.Linear(4, 1, bias=False)
    torch.nn.init.constant_(linear.weight, -0.05)
    return linear


EXPERTS = {
    "numpy": lambda obs: np.tanh(obs[:, :1]),
    "network": network(),
    "torn": Blind(),
}


@pytest.mark.parametrize("name", EXPERTS)
def test_an_expert_without_derivatives_is_refused_before_any_work(name, monkeypatch):
    env = tiny("lane", seeds=2)
    log = Log()
    with pytest.raises(ValueError, match=r"^expert: .* derivatives|differentiate.*use bc$"):
        il.TaSIL(training=SMALL).learn(env, EXPERTS[name], None, log)
    assert log == Log(began=log.began)


@pytest.mark.parametrize("name", EXPERTS)
def test_differences_ask_for_none(name):
    env = tiny("lane", seeds=2)
    il.TaSIL(1, differences=1e-3, training=SMALL).learn(env, EXPERTS[name])


def test_a_learner_of_derivatives_refuses_actions_and_nets_that_have_none():
    trap = tiny("trap")
    with pytest.raises(ValueError, match="tasil: expected Box actions, got Discrete ones"):
        il.TaSIL(training=SMALL).learn(trap, il.expert(trap))
    lane = tiny("lane")
    with pytest.raises(ValueError, match="tasil: expected net mlp, got ridge; use --net mlp"):
        il.TaSIL(training=il.Training(net="ridge")).learn(lane, il.expert(lane))
    with pytest.raises(ValueError, match="jacobian: expected a number of at least 0, got -1"):
        il.TaSIL(jacobian=-1)


def test_each_run_has_its_own_weight():
    env = tiny("tube", seeds=2)
    many = il.TaSIL(1, jacobian=(0.0, 2.0), training=SMALL).learn(env, il.expert(env))
    for run, weight in enumerate((0.0, 2.0)):
        alone = il.TaSIL(1, jacobian=weight, training=SMALL).learn(env[run], il.expert(env[run]))
        for key, array in many.arrays().items():
            assert torch.equal(array[run : run + 1], alone.arrays()[key]), key


def test_a_sentence_of_equal_budgets_says_who_was_given_derivatives():
    first, copy = (SimpleNamespace(labels=24, updates=60, derivatives=n) for n in (0, 96))
    assert (
        _budget(copy, first) == ", on the same labels and updates and with 96 derivatives besides"
    )
    assert _budget(first, copy) == ", on the same labels and updates and without 96 derivatives"
    assert _budget(first, first) == ", on the same labels and updates"
