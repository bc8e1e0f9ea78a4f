"""Bounds on the loss, on chains so small that every start, every noise and every policy is enumerated."""

import itertools

import numpy as np
import pytest
import torch

import il_bench as il
from il_bench.core.streams import Streams
from il_bench.measures import quantities
from il_bench.measures.quantities import Assessment, Reference

HORIZON = 4


class Enumerated(Streams):
    """Every start with every sequence of noise, one an episode: a mean over episodes is an expectation, exactly.

    Args:
        starts: uniform numbers (n, k), each as likely as any other.
        noise: what a step may be disturbed by, (m, W), each as likely as any other.
    """

    def __init__(self, starts, noise):
        super().__init__((0,))
        sequences = itertools.product(range(len(noise)), repeat=HORIZON)
        cases = list(itertools.product(range(len(starts)), sequences))
        self.starts = torch.tensor([[starts[start] for start, _ in cases]], dtype=torch.float64)
        self.steps = torch.tensor(
            [[[noise[k] for k in ks] for _, ks in cases]], dtype=torch.float64
        )
        self.episodes = len(cases)

    def uniform(self, purpose, episodes, *shape):
        return self.starts[:, :episodes]

    def normal(self, purpose, episodes, *shape):
        return self.steps[:, :episodes]


class Tabular(il.Policy):
    """One action for each symbol that is seen."""

    def __init__(self, env, actions):
        self.action_space, self.runs = env.action_space, 1
        self.actions = torch.tensor(actions)

    def act(self, obs, memory=None, draw=None):
        return self.actions[obs.argmax(-1)][..., None], memory

    def __getitem__(self, run):
        return self


HALVES = (0.25, 0.75)
FAR = 9.0  # a normal number behind which no fog lies
TURNS = [(sign, FAR, FAR) for sign in (-1.0, 1.0)]


def chain(name):
    """An environment, all that can befall it, what one wrong action costs at most, and how many symbols are seen."""
    if name == "trap":
        starts = list(itertools.product(HALVES, (0.1, 0.9)))
        env = il.make("trap", horizon=HORIZON, fog=0.5)
        return env, Enumerated(starts, [(0.0,)]), HORIZON, 6
    if name == "recover":
        starts = [(half, FAR) for half in HALVES]
        return il.make("recover", horizon=HORIZON, k=2, fog=0.0), Enumerated(starts, TURNS), 2, 4
    if name == "parity":
        starts = [(first, bit, FAR) for first in HALVES for bit in HALVES]
        return il.make("parity", horizon=HORIZON, fog=0.0), Enumerated(starts, TURNS), 1, 6
    absorbing = name == "absorbing"
    env = il.make(
        "resetcliff", horizon=HORIZON, size=4, actions=2, rarity=3.0, recoverable=not absorbing
    )
    quarters = [[(k + 0.5) / 4] for k in range(4)]
    # The environment makes uniform numbers of normal ones; so these come back.
    normal = torch.special.ndtri(torch.tensor(quarters, dtype=torch.float64)).tolist()
    return env, Enumerated(quarters, normal), HORIZON if absorbing else 2, 4


def policies(env, symbols, most=32):
    """Every table there is, or so many of them, all different."""
    actions = int(env.action_space.n)
    tables = list(itertools.product(range(actions), repeat=symbols))
    every = max(1, len(tables) // most)
    return {f"p{k}": Tabular(env, table) for k, table in enumerate(tables[::every])}


@pytest.mark.parametrize("name", ["trap", "recover", "parity", "absorbing", "recoverable"])
def test_what_is_called_a_bound_on_the_loss_is_one(name):
    env, streams, u, symbols = chain(name)
    expert = il.expert(env)
    record = il.compare(
        env, expert, policies(env, symbols), episodes=streams.episodes, streams=streams
    )
    reference = Reference(record, env, expert)
    tightest = dict.fromkeys(("T^2 error", "u T error", "R first disagreement"), 0.0)
    for number in range(1, len(record.learners)):
        a = Assessment(reference, number, "not asked")
        bounds = {
            "T^2 error": HORIZON**2 * a.error_off,
            "u T error": u * HORIZON * a.error_on,
            "R first disagreement": HORIZON * a.ever_disagrees.mean(-1),
        }
        for title, bound in bounds.items():
            assert a.gap[0] <= bound[0] + 1e-12, title
            if bound[0] > 0:
                tightest[title] = max(tightest[title], a.gap[0] / bound[0])
        shown = quantities.ratio(a.gap, bounds["R first disagreement"])
        assert quantities.BOUNDS["cost gap / (R first disagreement)"](a) == shown
    # None is so loose that it says nothing.
    assert min(tightest.values()) > 0.2
    if name == "trap":
        assert tightest["T^2 error"] == pytest.approx(1)


def test_labels_of_many_values_disagree_wherever_they_differ():
    """A tenth of the spread of 64 labels is more than the error of any, which is 1: nobody ever disagreed."""
    env = il.make("modular", size=64, seeds=6, horizon=8)
    expert = il.expert(env)
    record = il.compare(env, expert, episodes=4, random=il.learner("random").learn(env, expert))
    a = Assessment(Reference(record, env, expert), 1, "not asked")
    differs = (a.array("error_off")[..., 0] > 0) & a.lead_alive
    assert differs.any((1, 2)).all()
    assert np.array_equal(a.disagrees, differs)


def test_what_counts_as_a_disagreement_is_a_matter_of_a_run_alone():
    scale = (0.01, 1.0)  # of the expert's actions, run by run

    def disagreements(runs):
        env = il.make("tube", noise=0.0, seeds=2, horizon=6)
        env = env[runs[0]] if len(runs) == 1 else env
        expert = il.expert(env)
        record = il.compare(env, expert, episodes=2, zero=il.learner("zero").learn(env, expert))
        for name in ("action", "error_off"):
            values = record.arrays[name]
            values *= np.array([scale[run] for run in runs]).reshape(
                1, -1, *[1] * (values.ndim - 2)
            )
        return Assessment(Reference(record, env, expert), 1, "not asked").disagrees

    many = disagreements((0, 1))
    assert np.array_equal(many[:1], disagreements((0,)))
    assert many[0].any()


def test_errors_of_one_in_a_box_are_measured_by_the_spread_in_company_too():
    """A run whose errors are all 1 was read as one of labels only where no other run stood beside it."""
    env = il.make("tube", noise=0.0, seeds=2, horizon=6)
    expert = il.expert(env)
    record = il.compare(env, expert, episodes=2, zero=il.learner("zero").learn(env, expert))
    record.arrays["error_off"][1, 0] = 1.0
    record.arrays["action"][0, 0] *= 1e4 / np.abs(record.arrays["action"][0, 0]).max()
    record.arrays["error_off"][1, 1] = 0.3
    apart = Assessment(Reference(record, env, expert), 1, "not asked").disagrees
    assert apart[0].any()  # as alone, whatever the other run does
