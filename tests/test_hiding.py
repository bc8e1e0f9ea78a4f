"""Hiding coordinates: one mechanism for every environment, after which memory is what makes cloning possible."""

import functools

import gymnasium
import numpy as np
import pytest
import torch
from conftest import SMALL
from gymnasium import spaces

import il_bench as il
from il_bench.core.rollout import observe
from il_bench.core.streams import Streams
from il_bench.measures import contract


@pytest.mark.parametrize(
    ("name", "hide", "left"),
    [
        ("lane", ("heading",), [0, 2, 3]),
        ("quad", ("vx", "vz", "spin"), [0, 1, 4, 6, 7, 8, 9]),
        ("quad", (2, 3, "5"), [0, 1, 4, 6, 7, 8, 9]),
        ("arm", ("speed_1", "speed_2"), [0, 1, 4, 5]),
        ("tube", (0,), [1, 2]),
        ("CartPole-v1", ("o1", "o3"), [0, 2]),
    ],
)
def test_hidden_coordinates_are_gone_and_nothing_else_is(name, hide, left):
    seen = il.make(name, horizon=8, seeds=2)
    blind = il.make(name, horizon=8, seeds=2, hide=hide)
    state = seen.initial(Streams((0, 1)), 3)
    assert torch.equal(observe(blind, state), observe(seen, state)[..., left])
    space, whole = blind.observation_space, seen.observation_space
    assert np.array_equal(space.low, whole.low[left])
    assert np.array_equal(space.high, whole.high[left])
    assert blind.states == seen.states
    assert blind[1].hide == blind.hide
    assert contract.problems(blind, il.expert(blind)) == []


@pytest.mark.parametrize("name", il.ENVS)
def test_every_environment_can_hide_what_it_shows_and_is_drawn_all_the_same(name):
    env = il.make(name, horizon=4)
    size = env.observation_space.shape[0]
    assert not env.observed or len(env.observed) == size
    if size == 1:
        return
    blind = il.make(name, horizon=4, hide=(size - 1,))
    assert blind.observation_space.shape == (size - 1,)
    state = blind.initial(Streams((0,)), 2)
    assert torch.equal(observe(blind, state), observe(env, state)[..., :-1])
    frame = blind.draw(state[0, 0].numpy(), (160, 120))
    assert np.array_equal(frame, env.draw(state[0, 0].numpy(), (160, 120)))


def test_the_expert_sees_everything():
    """A scripted one goes by the state; one of observations is shown all of them, and answers alike."""
    blind = il.make("lane", horizon=6, hide=("heading",))
    state = blind.initial(Streams((0,)), 4) + 0.1
    shown = []

    def steer(obs):
        shown.append(obs.shape)
        return -obs[:, 1:2]

    il.expert(blind, steer).act(state)
    assert shown == [(4, 4)]
    assert torch.equal(il.expert(blind).act(state), il.expert(il.make("lane")).act(state))


def test_learners_and_records_go_by_what_is_shown():
    blind = il.make("lane", horizon=6, hide="heading")
    expert = il.expert(blind)
    policy = il.BC(2, SMALL).learn(blind, expert)
    assert policy.layers[0].shape[1] == 3
    record = il.compare(blind, expert, bc=policy, episodes=2)
    assert tuple(record.index.env.settings["hide"]) == ("heading",)
    assert (record.arrays["divergence"][0] == 0).all()


def test_gymnasium_shows_what_is_left():
    env = gymnasium.make("il_bench/Quad-v0", hide=("vx", "vz", "spin"))
    obs, info = env.reset(seed=0)
    assert obs.shape == env.observation_space.shape == (7,)
    assert info["state"].shape == (11,)


def test_a_space_may_be_declared_in_any_way():
    box = spaces.Box(-1.0, 1.0, (2,))
    ways = [box, property(lambda self: box), functools.cached_property(lambda self: box)]
    for way in ways:
        cls = type("Pair", (il.ENVS["pair"],), {"observation_space": way})
        assert cls(hide=("1",)).observation_space.shape == (1,)
        assert cls().observation_space == box


@pytest.mark.parametrize(
    ("name", "hide", "words"),
    [
        ("lane", ("speed",), "hide: expected offset, heading, bend, bend ahead or a number"),
        ("tube", ("q",), "hide: expected a number from 0 to 2, got 'q'"),
        ("tube", (3,), "hide: expected a number from 0 to 2, got '3'"),
        ("tube", (-1,), "hide: expected a number from 0 to 2, got '-1'"),
        ("tube", (0, 1, 2), "hide: expected at least one coordinate that can still be seen"),
    ],
)
def test_what_cannot_be_hidden_is_refused_in_a_sentence(name, hide, words):
    with pytest.raises(ValueError, match=words):
        il.make(name, hide=hide)
