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


@pytest.mark.parametrize(("yields", "goes_on"), [(False, False), (True, True)])
def test_an_expert_on_the_other_side_crosses_or_yields(yields, goes_on):
    """At the fork its coin decides; past it the coin, or where it is; past the island nobody's."""
    env = il.make("fork", yields=yields)
    act = il.expert(env).act
    other, own = torch.tensor([[[-BERTH, -1.0, 1.0]]]), torch.tensor([[[BERTH, -1.0, 1.0]]])
    assert act(own).item() == 0
    assert act(other).item() == (0 if goes_on else 1)
    at_the_fork = torch.tensor([[[-0.1, FORK, 1.0], [0.0, FORK + 1, 1.0]]])
    assert (act(at_the_fork) > 0).all()
    assert act(torch.tensor([[[-BERTH, 2.0, 1.0]]])).item() == 1


def test_on_its_own_path_an_expert_never_has_to_yield():
    (_, keeps), (_, yields) = (demonstrations(100, yields=one) for one in (False, True))
    assert torch.equal(keeps.state, yields.state)


def test_labels_on_a_learners_path_contradict_each_other_where_the_coin_is_hidden():
    """Boats that passed the fork on the left: half of their experts say go on, half say across, whatever is observed."""
    env = il.make("fork")
    coin = torch.tensor([1.0, -1.0]).repeat(50)
    offset = torch.full_like(coin, BERTH)
    states = torch.stack((offset, -torch.ones_like(coin), coin), -1)[None]
    labels = il.expert(env).act(states)[0, :, 0]
    assert len(env.observation(states).unique(dim=1)) == 1
    assert labels.unique().tolist() == [-1, 0]
    assert labels.mean() == -0.5


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
