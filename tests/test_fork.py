"""The fork: nobody can see which way the expert will take, both are taken, and the mean of both hits the island."""

import numpy as np
import pytest
import torch
from il_bench.envs.fork import BERTH, FORK, ISLAND

import il_bench as il
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.streams import Streams


def demonstrations(episodes=400, **settings):
    env = il.make("fork", **settings)
    expert = il.expert(env)
    return env, rollout(env, by_expert(env, expert), Streams(env.seeds), episodes)


@pytest.mark.parametrize("lipschitz", [0.5, 1.0, 1.5])
def test_the_expert_takes_either_way_and_never_hits(lipschitz):
    _, path = demonstrations(lipschitz=lipschitz)
    assert not path.terminated.any()
    at_the_island = path.state[..., 1] == 0
    aside = path.state[..., 0][at_the_island]
    assert (aside.abs() > BERTH - 0.2).all()
    assert 0.4 < (aside > 0).double().mean() < 0.6


def test_until_the_fork_nothing_tells_the_side():
    env, path = demonstrations()
    side = path.state[:, :, 0, 2]
    before = path.state[0, 0, :, 1] <= FORK
    seen = env.observation(path.state[:, :, before].flatten(1, 2))
    seen = seen.unflatten(1, (-1, int(before.sum())))
    offsets = [seen[side == one][..., 0] for one in (1, -1)]
    means = [offset.mean(0) for offset in offsets]
    assert (means[0] - means[1]).abs().max() < 0.05
    at_the_fork = path.state[0, 0, :-1, 1] == FORK
    actions = path.action[:, :, at_the_fork, 0][..., 0]
    assert torch.equal(actions.sign(), side)
    assert actions.mean().abs() < 0.15


def test_who_goes_straight_hits_the_island_where_it_begins():
    env = il.make("fork", noise=0.0, spread=0.0)
    straight = rollout(env, lambda step, state, memory: (0 * state[..., :1], memory),
                       Streams(env.seeds), 3)  # fmt: skip
    assert straight.terminated.all()
    ends = straight.state[:, :, -1, :2]
    assert (ends.norm(dim=-1) < ISLAND).all()
    assert (straight.returns == straight.length - 1).all()


def test_the_picture_shows_the_boat_where_it_is():
    env = il.make("fork")
    here, there = (np.array([offset, -2.0, 1.0]) for offset in (1.5, -1.5))
    changed = np.abs(env.draw(here, (320, 240)).astype(int) - env.draw(there, (320, 240))).sum(-1)
    rows = np.flatnonzero(changed.sum(1))
    assert rows.min() < 120 < rows.max()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lipschitz": 2.0}, "lipschitz: expected 0 < L < 2, where the expert keeps its way"),
        ({"noise": -0.1}, "noise: expected sigma >= 0"),
        ({"spread": 5.0}, "spread: expected 0 to 4, the banks, got 5.0"),
    ],
)
def test_rivers_that_there_are_not_are_sentences(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        il.make("fork", **settings)
