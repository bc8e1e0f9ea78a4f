"""The fast way through gated recurrent cells is the slow one; who is computed with whom changes nothing."""

import pytest
import torch

import il_bench as il
from il_bench.fit import unrolling
from il_bench.nets import _gru_engine, gru


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def arguments(runs, steps, batch, units):
    """What enters (R, L, B, 3H), a state (R, B, H), weights and biases."""
    torch.manual_seed(0)
    wide = 3 * units
    entering = drawn(runs, steps, batch, wide)
    return entering, drawn(runs, batch, units), drawn(runs, units, wide), drawn(runs, 1, wide)


@pytest.mark.parametrize(("runs", "steps", "batch", "units"), [(1, 3, 2, 3), (3, 2, 4, 1)])
def test_the_way_back_is_the_gradient(runs, steps, batch, units):
    """By finite differences, in all four arguments."""
    values = arguments(runs, steps, batch, units)
    assert torch.autograd.gradcheck(_gru_engine.Unroll.apply, values)


@pytest.mark.parametrize("runs", [1, 3])
def test_many_steps_are_the_cell_many_times(runs):
    entering, state, weight, bias = arguments(runs, 5, 4, 6)
    fast = _gru_engine.Unroll.apply(entering, state, weight, bias)
    layers = [weight, bias, weight, bias]
    states = []
    for step in entering.unbind(1):
        state = gru.cell(layers, step, state)
        states.append(state)
    slow = torch.stack(states, 1)
    assert (fast - slow).abs().max() < 1e-14
    ways = [torch.autograd.grad(way.sin().sum(), (entering, weight, bias)) for way in (fast, slow)]
    for one, other in zip(*ways, strict=True):
        assert (one - other).abs().max() < 1e-13


@pytest.mark.parametrize("net", ["gru", "transformer"])
@pytest.mark.parametrize("name", ["keyed", "lane"])
def test_runs_learn_the_same_in_whatever_groups(name, net, monkeypatch):
    """Five runs at once, in groups of two and three, and each by itself: bit for bit."""
    sizes = {"width": 8, "heads": 2} if net == "transformer" else {"units": 6}
    training = il.Training(net, updates=4, sequences=3, truncate=5, **sizes)
    env = il.make(name, horizon=8, seeds=5)
    outputs = env.action_space.n if name == "keyed" else 1
    of_a_run = training.net.footprint(len(env.observation_space.shape), outputs, 5)
    layers = []
    for most in (1 << 24, 3 * of_a_run, 1):
        monkeypatch.setattr(unrolling, "CROWD", most)
        policy = il.BC(4, training).learn(env, il.expert(env))
        layers.append(policy.layers)
    for whole, grouped, alone in zip(*layers, strict=True):
        assert torch.equal(whole, grouped)
        assert torch.equal(whole, alone)
