"""On a GPU the same comes out as on the CPU, for everything registered; skipped, and said so, where there is none."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import SMALL, learners, tiny
from test_learners import TASKS, THOSE_WHO_LEARN, learn

import il_bench as il
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.streams import Streams
from il_bench.run import main

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

HOMES = "trap", "lane", "tube"
"""Tasks on which each learner that takes their actions is compared."""
DEVICES = "cpu", "cuda"


def both(measure):
    """What it returns for each device, as NumPy arrays."""
    answers = [measure(device) for device in DEVICES]
    return [np.asarray(torch.as_tensor(answer).cpu()) for answer in answers]


@pytest.mark.parametrize("name", il.ENVS)
def test_an_expert_drives_there_as_it_does_here(name):
    def path(device):
        env = tiny(name, seeds=2, device=device)
        expert = il.expert(env)
        streams = Streams(env.seeds, device).fork("evaluation")
        return rollout(env, by_expert(env, expert), streams, 3).state

    here, there = both(path)
    np.testing.assert_allclose(here, there, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", il.ENVS)
def test_twins_part_there_as_they_do_here(name):
    def drift(device):
        env = tiny(name, seeds=2, device=device)
        policy = il.learner("zero").learn(env, il.expert(env))
        return il.compare(env, il.expert(env), episodes=3, zero=policy).arrays["divergence"]

    try:
        here = drift("cpu")
    except ValueError as refusal:  # here as well: it is no matter of the device
        pytest.skip(str(refusal))
    np.testing.assert_allclose(here, drift("cuda"), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("name", THOSE_WHO_LEARN)
def test_a_learner_learns_there_what_it_learns_here(name, home):
    def states(device):
        env = tiny(home, seeds=2, device=device)
        policy = learn(name, env, SMALL)[0]
        assert device in {array.device.type for array in policy.arrays().values()}
        return il.compare(env, il.expert(env), episodes=4, it=policy).arrays["state"]

    here, there = both(states)
    np.testing.assert_allclose(here, there, rtol=1e-3, atol=1e-3)


LOOKING_BACK = replace(SMALL, net="transformer", width=8, heads=2, blocks=1, span=6, sequences=4)
FITTED = TASKS | {
    "transformer": ("lane", LOOKING_BACK),
    "transformer of a text": ("clock", LOOKING_BACK),
    "itemwise": ("ranked", replace(SMALL, net="itemwise")),
    "one table": ("resetcliff", replace(SMALL, net="table")),
    "relu": ("lane", replace(SMALL, net="relu", hidden=(16,))),
}
"""Every net that is fitted, by a task that it can learn."""


@pytest.mark.parametrize("task", FITTED)
def test_a_net_is_fitted_there_as_it_is_here(task):
    name, training = FITTED[task]
    if training.net == "svm":
        pytest.importorskip("sklearn", reason="net svm is scikit-learn's")

    def states(device):
        env = tiny(name, seeds=2, device=device)
        policy = il.BC(episodes=2, training=training).learn(env, il.expert(env))
        return il.compare(env, il.expert(env), episodes=4, it=policy).arrays["state"]

    here, there = both(states)
    np.testing.assert_allclose(here, there, rtol=1e-3, atol=1e-3)


LANGUAGES = [name for name, env in il.ENVS.items() if env.by_chance]


WRITERS = {
    "gru": {"units": 16, "embedding": 8},
    "transformer": {"width": 16, "heads": 2, "blocks": 1},
}


@pytest.mark.parametrize("name", LANGUAGES)
@pytest.mark.parametrize("learner", ["bc", "dagger"])
@pytest.mark.parametrize("net", WRITERS)
def test_a_text_is_learned_there(name, learner, net):
    """Texts part at one uniform that falls between two chances which differ in the last digit: their costs are compared."""
    training = il.Training(net, updates=60, sequences=4, **WRITERS[net])

    def cost(device):
        env = tiny(name, seeds=2, slip=0.1, device=device)
        policy = replace(learners()[learner], training=training).learn(env, il.expert(env))
        record = il.compare(env, il.expert(env), episodes=64, it=policy)
        return record.arrays["divergence"].mean()

    here, there = both(cost)
    assert there == pytest.approx(here, abs=0.05)


def test_a_policy_of_a_gpu_is_used_where_there_is_none(tmp_path):
    env = tiny("lane", seeds=2, device="cuda")
    policy = il.BC(episodes=2, training=SMALL).learn(env, il.expert(env))
    back = il.load_policy(policy.save(tmp_path / "lane.policy"))
    observation = env.observation(env.initial(Streams(env.seeds, "cuda"), 1))[0, 0].cpu().numpy()
    np.testing.assert_allclose(
        back[0].predict(observation)[0], policy[0].predict(observation)[0], rtol=1e-4, atol=1e-5
    )


def test_the_commands_compute_there(tmp_path, no_figures):
    flags = "--env tube --horizon 12 --updates 20 --rollouts 4 --device cuda --no-video"
    main([*flags.split(), "--algo", "bc", "dagger", "--out", "there"])
    written = json.loads((tmp_path / "there" / "record.json").read_text())
    assert "cuda" in json.dumps(written)
