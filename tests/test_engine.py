"""The fast engine against its reference, run against run, block against block; and what a warm DAgger's rounds cost."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import SMALL, tiny
from gymnasium import spaces
from torch.utils._python_dispatch import TorchDispatchMode

import il_bench as il
from il_bench.core.policy import Log
from il_bench.core.streams import Streams
from il_bench.fit import loop, minibatches
from il_bench.fit.dataset import Dataset, Growing, concatenate
from il_bench.fit.fitting import fit
from il_bench.fit.training import Training
from il_bench.nets import _mlp_engine

ENGINES = {"fast": lambda obs: True, "autograd": lambda obs: False}

TASKS = {
    "box": (spaces.Box(-1.0, 1.0, (1,)), {"hidden": (16, 16), "batch": 16}),
    "odd sizes": (
        spaces.Box(-1.0, 1.0, (3,)),
        {
            "hidden": (7, 13, 5),
            "batch": 11,
            "normalise": "zscore",
            "ema": (0.0, 0.9, 0.99),
            "clip": (0.1, 0.0, 0.5),
        },
    ),
    "discrete": (spaces.Discrete(5), {"hidden": (33,), "batch": 20, "lr": (1e-3, 3e-3, 3e-3)}),
    "linear": (spaces.Box(-1.0, 1.0, (2,)), {"hidden": ()}),
    "large products": (spaces.Box(-1.0, 1.0, (1,)), {"hidden": (96, 96), "batch": 64}),
}
"""Space of actions and settings; the products of the last one are torch's, see `_small_limits`."""
UPDATES = {"odd sizes": 1000}
"""Of the task with the most settings, so that small differences would add up; 200 of the others."""


def samples(space, runs=3, count=100):
    """Observations with two coordinates that matter, actions that follow them, and weights of all sizes, some zero."""
    random = torch.Generator().manual_seed(0)
    obs = torch.randn(runs, count, 4, generator=random)
    if isinstance(space, spaces.Discrete):
        action = (2 * obs[..., :1] + obs[..., 1:2]).round().long().clamp(0, int(space.n) - 1)
    else:
        action = (
            torch.tanh(2 * obs[..., :1] + obs[..., 1:2]).expand(-1, -1, space.shape[0]).contiguous()
        )
    weight = torch.rand(runs, count, generator=random)
    return Dataset(obs, action, torch.where(weight < 0.2, 0, weight), (count,))


class Env:
    """What `fit` needs of an environment."""

    horizon = 8

    def __init__(self, space):
        self.action_space = space


def fitted(data, space, runs=slice(None), updates=30, **settings):
    training = Training(updates=updates, **settings)
    part = training.of(runs) if runs != slice(None) else training
    seeds = tuple(range(len(data.obs)))[runs]
    return fit(data.of(runs), part, Env(space), Streams(seeds), Log())


@pytest.fixture
def _small_limits(monkeypatch):
    """Products that are small enough for a test count as large ones."""
    monkeypatch.setattr(_mlp_engine, "VECTOR", 2_000)
    monkeypatch.setattr(_mlp_engine, "MATRIX", 200_000)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.usefixtures("_small_limits")
def test_many_updates_are_those_of_the_reference(monkeypatch, task):
    space, settings = TASKS[task]
    data, policies = samples(space), []
    for suits in ENGINES.values():
        monkeypatch.setattr(_mlp_engine, "suits", suits)
        policies.append(fitted(data, space, updates=UPDATES.get(task, 200), **settings))
    for key, array in policies[0].arrays().items():
        torch.testing.assert_close(array, policies[1].arrays()[key], rtol=0, atol=1e-5)
    assert not torch.equal(
        policies[0].layers[0], fitted(data, space, updates=1, **settings).layers[0]
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.usefixtures("_small_limits")
def test_a_run_is_the_same_alone_and_in_every_block(monkeypatch, name, task):
    monkeypatch.setattr(_mlp_engine, "suits", ENGINES[name])
    space, settings = TASKS[task]
    data = samples(space)
    alone = [fitted(data, space, slice(run, run + 1), **settings).arrays() for run in range(3)]
    for count in (1, 2, 3):
        monkeypatch.setattr(_mlp_engine, "runs_at_once", lambda sizes, batch, count=count: count)
        together = fitted(data, space, **settings).arrays()
        for key, array in together.items():
            assert torch.equal(array, torch.cat([one[key] for one in alone])), (key, count)


@pytest.mark.parametrize("task", TASKS)
def test_losses_are_those_of_the_reference(monkeypatch, task):
    space, settings = TASKS[task]
    losses = []
    monkeypatch.setattr(loop, "_name_broken", lambda part, log, first: losses.append(part))
    for suits in ENGINES.values():
        monkeypatch.setattr(_mlp_engine, "suits", suits)
        fitted(samples(space), space, updates=40, **settings)
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-6)


def test_learners_learn_the_same_with_both(monkeypatch):
    env, policies = tiny("tube", seeds=2), []
    for suits in ENGINES.values():
        monkeypatch.setattr(_mlp_engine, "suits", suits)
        policies.append(il.DAgger(rounds=3, training=SMALL).learn(env, il.expert(env)).arrays())
    for key, array in policies[0].items():
        torch.testing.assert_close(array, policies[1][key], rtol=0, atol=1e-4)


def test_one_action_alone_leaves_nothing_to_learn():
    data, space = samples(spaces.Discrete(1)), spaces.Discrete(1)
    first, last = (fitted(data, space, updates=count, hidden=(8,)) for count in (1, 20))
    for key, array in first.arrays().items():
        torch.testing.assert_close(array, last.arrays()[key], rtol=0, atol=1e-6)


def test_only_the_cpu_suits_the_engine():
    assert _mlp_engine.suits(torch.zeros(1))
    assert not _mlp_engine.suits(torch.zeros(1, device="meta"))


def test_the_ones_beside_the_activations_are_ones():
    assert np.tanh(np.full(7, _mlp_engine.ONE, np.float32)).tolist() == [1.0] * 7


@pytest.mark.parametrize(
    "shape", [(64, 65, 64), (64, 128, 128), (64, 128, 1), (1, 64, 256), (64, 300, 1)]
)
def test_products_that_a_library_would_thread_are_torchs(monkeypatch, shape):
    rows, inner, columns = shape
    random = np.random.default_rng(0)
    a, b = (
        random.standard_normal(size, np.float32) for size in ((2, rows, inner), (2, inner, columns))
    )
    out, one_by_one = np.empty((2, rows, columns), np.float32), []
    call = _mlp_engine.product(a, b, out)
    mm = torch.mm
    monkeypatch.setattr(
        torch, "mm", lambda *rest, **more: (one_by_one.append(1), mm(*rest, **more))[1]
    )
    call()
    limit = 9_216 if 1 in (rows, columns) else 524_288
    assert len(one_by_one) == (0 if rows * inner * columns < limit else 2)
    np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("inner", [1, 2, 5])
def test_a_transposed_factor(inner):
    random = np.random.default_rng(0)
    a, b = (
        np.zeros((2, 6, max(inner, 2)), np.float32),
        random.standard_normal((2, 4, inner), np.float32),
    )
    a[..., :inner], out = (
        random.standard_normal((2, 6, inner), np.float32),
        np.empty((2, 6, 4), np.float32),
    )
    for call in _mlp_engine.times_transposed(a, b, out):
        call()
    np.testing.assert_allclose(out, a[..., :inner] @ b.transpose(0, 2, 1), rtol=1e-5, atol=1e-6)


def test_blocks_are_smaller_where_networks_are_larger():
    counts = [_mlp_engine.runs_at_once([4, width, width, 1], 64) for width in (16, 64, 256, 4096)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 1
    assert len(set(counts)) > 2


def test_progress_runs_from_zero_to_one_whatever_the_blocks(monkeypatch):
    monkeypatch.setattr(_mlp_engine, "runs_at_once", lambda sizes, batch: 2)
    space, settings = TASKS["box"]
    seen = []
    log = Log(report=lambda share, words: seen.append(share))
    fit(samples(space), Training(updates=300, **settings), Env(space), Streams((0, 1, 2)), log)
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.5
    assert seen[-1] == 1
    assert log.updates == 300


def test_a_run_that_breaks_in_a_later_block_is_named_by_its_number(monkeypatch):
    monkeypatch.setattr(_mlp_engine, "runs_at_once", lambda sizes, batch: 2)
    space, settings = TASKS["box"]
    data, log = samples(space), Log()
    data.action[2, data.live[2][0]] = torch.inf
    fit(data, Training(updates=30, **settings), Env(space), Streams((0, 1, 2)), log)
    assert list(log.broke) == [2]


def parts(space, numbers=(20, 1, 30, 20)):
    """Datasets of several lengths, with other samples and other weights."""
    whole, at = samples(space, count=sum(numbers)), 0
    for number in numbers:
        part = slice(at, at := at + number)
        yield Dataset(whole.obs[:, part], whole.action[:, part], whole.weight[:, part], (number,))


@pytest.mark.parametrize("space", [spaces.Box(-1.0, 1.0, (2,)), spaces.Discrete(4)])
def test_a_growing_dataset_is_the_concatenation_of_its_parts(space):
    growing, seen = Growing(), []
    for part in parts(space):
        seen.append(part)
        grown, whole = growing.add(part), concatenate(seen)
        assert grown.lengths == whole.lengths
        assert grown.arrays.keys() == whole.arrays.keys()
        for name, array in grown.arrays.items():
            assert torch.equal(array, whole.arrays[name])
        for one, two in zip(
            vars(grown.moments).values(), vars(whole.moments).values(), strict=True
        ):
            torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)
        for one, two in zip(grown.live, whole.live, strict=True):
            assert one.tolist() == two.tolist()


def test_what_was_returned_before_does_not_change_when_more_comes():
    growing, all_parts = Growing(), list(parts(spaces.Discrete(4)))
    before = [growing.add(part) for part in all_parts]
    for count, grown in enumerate(before, 1):
        assert torch.equal(grown.obs, concatenate(all_parts[:count]).obs)
        assert [len(live) for live in grown.live] == [int((row > 0).sum()) for row in grown.weight]


def test_another_weight_has_other_moments_and_other_live_samples():
    growing = Growing()
    for part in parts(spaces.Discrete(4)):
        grown = growing.add(part)
    changed = dataclasses.replace(grown, weight=torch.zeros_like(grown.weight))
    assert [len(live) for live in changed.live] == [0, 0, 0]
    assert (changed.moments.weight == 0).all()
    assert torch.equal(changed.of(slice(1, 2)).obs, grown.obs[1:2])


def test_exposure_goes_where_not_all_parts_know_it():
    first, second, third, _ = parts(spaces.Discrete(4))
    growing, knows = Growing(), lambda part: dataclasses.replace(part, exposure=part.weight)
    assert growing.add(knows(first)).exposure is not None
    assert growing.add(knows(second)).exposure.shape == (3, 21)
    assert growing.add(third).exposure is None


class Counting(TorchDispatchMode):
    """Counts the numbers that torch writes."""

    written = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if not function.is_view:
            self.written += sum(
                t.numel()
                for t in torch.utils._pytree.tree_leaves(out)
                if isinstance(t, torch.Tensor)
            )
        return out


def cost(monkeypatch, rounds):
    """Numbers written by torch, random numbers drawn for shuffling, and updates of a warm DAgger."""
    drawn, epochs = [], minibatches._epochs

    def counted(samples, draws, streams, run):
        for part in epochs(samples, draws, streams, run):
            drawn.append(len(part))
            yield part

    monkeypatch.setattr(minibatches, "_epochs", counted)
    env = tiny("tube", horizon=5)
    training = dataclasses.replace(SMALL, updates=2 * rounds, batch=8, normalise="zscore")
    with Counting() as count:
        policy = il.DAgger(rounds=rounds, training=training).learn(env, il.expert(env))
    monkeypatch.undo()
    assert policy.log.labels.item() == 5 * rounds
    return np.array([count.written, sum(drawn), policy.log.updates])


def test_a_warm_daggers_cost_is_linear_in_its_rounds(monkeypatch):
    few, more, many = (cost(monkeypatch, rounds) for rounds in (2, 8, 32))
    assert many[2] == 64
    assert many[1] == 8 * many[2]  # no more than the minibatches need, of however many samples
    # Quadratic costs would grow towards 16-fold from 8 rounds to 32; linear ones grow 4-fold, less what is fixed.
    assert (more <= 4.2 * few).all()
    assert (many <= 4.2 * more).all()
