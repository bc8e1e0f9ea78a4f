import numpy as np
import pytest
import torch

from il_bench.core.streams import Streams


def test_a_run_draws_the_same_alone_and_among_others():
    many = Streams((3, 1, 4)).normal("noise", 5, 7, 2)
    alone = Streams((4,)).normal("noise", 5, 7, 2)
    assert torch.equal(many[2], alone[0])


def test_more_episodes_or_a_longer_horizon_only_append():
    short, long = Streams((0,)).normal("noise", 2, 5, 3), Streams((0,)).normal("noise", 4, 9, 3)
    assert torch.equal(short, long[:, :2, :5])


def test_an_episode_can_be_drawn_by_its_number():
    assert torch.equal(
        Streams((9,)).from_episode(3).uniform("u", 1, 4), Streams((9,)).uniform("u", 5, 4)[:, 3:4]
    )


def test_purposes_seeds_and_forks_are_independent():
    s = Streams((0, 1))
    draws = [
        s.normal("a", 1, 4000),
        s.normal("b", 1, 4000),
        s.fork("a").normal("a", 1, 4000),
        s.fork("a", 1).normal("a", 1, 4000),
    ]
    rows = torch.cat([d.reshape(2, -1) for d in draws]).numpy()
    off = np.corrcoef(rows) - np.eye(8)
    assert np.abs(off).max() < 0.08  # five standard errors of 1/sqrt(4000)


def test_normal_numbers_are_standard():
    draw = Streams((0,)).normal("noise", 10, 10_000)
    assert abs(draw.mean()) < 0.01
    assert abs(draw.std() - 1) < 0.01


def test_drawing_for_one_purpose_leaves_another_as_it_was():
    quiet, busy = Streams((5,)), Streams((5,))
    busy.permutation("shuffle", 0, 100)
    busy.uniform("policy", 3, 50)
    assert torch.equal(quiet.normal("noise", 2, 8), busy.normal("noise", 2, 8))


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**63])
def test_a_wrong_seed_is_a_sentence(seed):
    with pytest.raises(ValueError, match="seed: expected integers from 0"):
        Streams((seed,))
