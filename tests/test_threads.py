"""Torch's threads: one while fitting and rolling out, unless more are asked for; what was set before comes back."""

import pytest
import torch
from conftest import SMALL, tiny

import il_bench as il
from il_bench.core.threads import few_threads, threads


@pytest.fixture(autouse=True)
def _three_threads():
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(1)


def watched(monkeypatch, cls, name):
    """The numbers of threads with which a method runs."""
    numbers, real = [], getattr(cls, name)

    def method(*args, **kwargs):
        numbers.append(torch.get_num_threads())
        return real(*args, **kwargs)

    monkeypatch.setattr(cls, name, method)
    return numbers


def test_learning_and_comparing_use_one_thread_and_give_back_the_others(monkeypatch):
    env = tiny("tube", seeds=2)
    expert = il.expert(env)
    steps = watched(monkeypatch, type(env), "transition")
    answers = watched(monkeypatch, type(expert), "act")
    fits = watched(monkeypatch, type(SMALL.net), "fit")
    policy = il.DAgger(rounds=2, training=SMALL).learn(env, expert)
    il.compare(env, expert, dagger=policy, episodes=3)
    assert set(steps + answers + fits) == {1}
    assert torch.get_num_threads() == 3


def test_more_threads_are_used_where_they_are_asked_for():
    count = few_threads(torch.get_num_threads)
    with threads(2):
        assert count() == 2
    assert count() == 1
    assert torch.get_num_threads() == 3


def test_threads_come_back_after_an_error():
    def fails():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        few_threads(fails)()
    assert torch.get_num_threads() == 3
