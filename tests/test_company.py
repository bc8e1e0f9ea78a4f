"""Company: a run is the same alone and among others, bit for bit, in everything that is registered and measured."""

import dataclasses

import numpy as np
import pytest
import torch

import il_bench as il
from il_bench.core.settings import per_run_fields
from il_bench.jobs import digest, plan, workers
from il_bench.measures import headings, quantities
from il_bench.measures.assess import _asked
from il_bench.measures.quantities import Assessment, Reference
from il_bench.records import rows

CLAIMS = ("value", "closed_loop", "radius", "loop_radius", "diameter")
TRAINING = il.Training(hidden=(4,), updates=4, batch=8)


def others(env):
    """Another legal value of each setting that may differ between runs, as far as they fit together."""
    values = {}
    for name in per_run_fields(env):
        value = getattr(env, name)
        for other in (1.5 * value, value + 0.1, value + 1, 0.5 * value):
            trial = values | {name: other}
            if other != value and is_legal(env, trial):
                values = trial
                break
        else:
            pytest.fail(f"{name}: no other value than {value} is legal beside {values}")
    return values


def is_legal(env, values):
    try:
        dataclasses.replace(env, **values)
    except ValueError:
        return False
    return True


def in_company(name, **settings):
    """Three runs, the second of which differs from its neighbours in every setting that it can."""
    env = il.make(name, **settings)
    both = {field: (getattr(env, field), value) for field, value in others(env).items()}
    mixed = {field: (one, other, one) for field, (one, other) in both.items()}
    return dataclasses.replace(env, seed=(0, 1, 2), **mixed)


def experiment(env):
    expert = il.expert(env)
    policy = il.BC(2, TRAINING).learn(env, expert)
    return il.compare(env, expert, episodes=9, bc=policy), policy


def alike(one, two):
    return np.array_equal(one, two, equal_nan=True)


@pytest.fixture(scope="module", params=il.ENVS)
def company(request):
    """An environment of three runs and its experiment, and one of its runs alone with the same; and which it is."""
    env = in_company(request.param, horizon=8)
    return env, experiment(env), env[1], experiment(env[1]), 1


def test_a_runs_arrays_and_what_is_said_of_it_do_not_depend_on_the_others(company):
    _, (among, _), _, (alone, _), run = company
    for name, array in among.arrays.items():
        assert alike(array[:, run], alone.arrays[name][:, 0]), name
    both = rows.numbers(among), rows.numbers(alone)
    for name in both[0].keys() - {"seconds"}:
        assert alike(both[0][name][run], both[1][name][0]), name
    fits = among.growth(1, 20)[run], alone.growth(1, 20)[0]
    assert repr(fits[0]) == repr(fits[1])
    assert among.ceiling(run) == alone.ceiling(0)


def test_a_runs_certificate_does_not_depend_on_the_others(company):
    """All but its kind, which is one word for all runs: the weakest of their claims."""
    among, alone = company[0].certificate(), company[2].certificate()
    run = company[-1]
    for name in CLAIMS:
        one, other = getattr(among, name), getattr(alone, name)
        assert (one is None) == (other is None), name
        assert one is None or one[run % len(one)] == other[0], name
    assert among.note == alone.note
    assert among.metric == alone.metric
    for one, other in zip(among.pair or (), alone.pair or (), strict=True):
        assert torch.equal(one[run], other[0])


def test_a_runs_measures_do_not_depend_on_the_others(company, monkeypatch):
    """A reason stands for no number; where it is the reason of some runs alone, these have none among others too."""
    monkeypatch.setattr(quantities, "PROBED", 2)
    env, among, env_alone, alone, run = company
    if env.observation_space.shape[0] > 1000:
        pytest.skip("images make a minute of it")
    one, other = measured(env, *among), measured(env_alone, *alone)
    for title in one.keys() - {"seconds"}:
        assert alike(of_run(one[title], run), of_run(other[title], 0)), title


def measured(env, record, policy):
    assessment = Assessment(Reference(record, env, il.expert(env)), 1, policy)
    asked = {title: ask for part in headings.of(assessment).values() for title, ask in part.items()}
    return {title: _asked(ask, assessment) for title, ask in asked.items()}


def of_run(answer, run):
    return np.nan if isinstance(answer, str) else answer[run]


SIZES = {"horizon": 6, "episodes": 1, "hidden": 4, "updates": 2}


@pytest.mark.parametrize("name", il.ENVS)
def test_a_sweep_that_grew_is_one_made_at_once(name):
    """One run first, then those of another value and another seed beside it."""
    env = il.make(name)
    setting, other = next(iter(others(env).items()))
    flags = {f"--{key}": [str(size)] for key, size in SIZES.items()}
    flags[f"--{setting}"] = [str(getattr(env, setting)), str(other)]
    common = {"expert": None, "rollouts": 3, "sample": False}
    (group,) = plan.groups(name, "bc", flags, 2, common)
    group = dataclasses.replace(group, code=digest.Code((("all", "the same"),)))
    for folder, parts in {"grown": ([0], [1, 2, 3]), "once": ([0, 1, 2, 3],)}.items():
        for chosen in parts:
            workers.compute(folder, group.part(chosen))
    grown, once = (il.open(folder).drop_vars("seconds") for folder in ("grown", "once"))
    assert grown.sizes["run"] == 4
    assert grown.identical(once)
