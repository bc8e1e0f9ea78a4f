"""Starts: which share of an evaluation's episodes begins where a learner's own began."""

import numpy as np
import pytest
import torch

import il_bench as il
from il_bench.core.policy import Log
from il_bench.core.streams import Streams
from il_bench.fit.collect import demonstrate_labels
from il_bench.records.starts import demonstrated

QUICK = il.Training(hidden=(4,), updates=4, batch=4)


def recorded(name, **named):
    env = il.make(name, horizon=6, seeds=3)
    expert = il.expert(env)
    policies = {key: one.learn(env, expert) for key, one in named.items()}
    return il.compare(env, expert, episodes=40, **policies)


def test_equal_rows_are_counted_and_near_ones_are_not():
    learned = torch.tensor([[[0.0, 1.0], [2.0, 3.0]], [[5.0, 5.0], [torch.nan, 0.0]]])
    asked = torch.tensor([[[-0.0, 1.0], [2.0, 3.1]], [[torch.nan, 0.0], [5.0, 5.0]]])
    assert demonstrated([learned], asked) == [0.5, 0.5]
    assert demonstrated([learned[:, :1], learned[:, 1:]], asked) == [0.5, 0.5]


def test_where_starts_are_few_the_evaluation_repeats_them_and_the_record_says_so():
    """Trap has four starts, lane a continuum of them."""
    few = recorded(
        "trap", bc=il.BC(1, QUICK), dagger=il.DAgger(rounds=4, episodes=1, training=QUICK)
    )
    cloned, queried = few.demonstrated(1), few.demonstrated(2)
    assert cloned.shape == (3,)
    assert (cloned > 0).all()
    assert cloned.mean() < queried.mean() <= 1
    assert np.isnan(few.demonstrated(0)).all()
    assert (recorded("lane", bc=il.BC(2, QUICK)).demonstrated(1) == 0).all()


def test_the_share_is_that_of_the_starts_the_learner_was_given():
    env = il.make("modular", horizon=3, seeds=2, size=5)
    expert = il.expert(env)
    policy = il.BC(2, QUICK).learn(env, expert)
    record = il.compare(env, expert, episodes=50, bc=policy)
    (starts,) = policy.log.starts
    assert starts.shape == (2, 2, 2)
    for run, share in enumerate(record.demonstrated(1)):
        known = {tuple(row) for row in starts[run].tolist()}
        asked = [tuple(row) for row in record.arrays["state"][0, run, :, 0].tolist()]
        assert share == np.mean([row in known for row in asked])


def test_a_demonstration_of_which_no_label_was_used_is_none():
    env = il.make("trap", horizon=4, seeds=2)
    log = Log()
    demonstrate_labels(env, il.expert(env), Streams(env.seeds), torch.tensor([4, 8]), log)
    (starts,) = log.starts
    assert starts[0, 1].isnan().all()
    assert starts[1].isfinite().all()


def test_the_share_is_kept_with_the_record_and_earlier_records_open_without_it(tmp_path):
    record = recorded("trap", bc=il.BC(2, QUICK))
    again = il.load(record.save(tmp_path / "kept"))
    assert again.demonstrated(1).tolist() == record.demonstrated(1).tolist()
    del record.config["demonstrated"]
    earlier = il.load(record.save(tmp_path / "earlier"))
    assert np.isnan(earlier.demonstrated(1)).all()
    record.config["demonstrated"] = {"bc": [0.5]}
    with pytest.raises(ValueError, match="has 1 of demonstrated of bc for 3 runs"):
        il.load(record.save(tmp_path / "uneven"))
