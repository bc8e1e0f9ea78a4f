"""Policies that go out to stable-baselines3 and come in from it."""

import random
import re

import gymnasium
import numpy as np
import pytest
import torch
from conftest import SMALL, tiny
from gymnasium import spaces
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.policies import BasePolicy

import il_bench as il

SCALED = {"normalise": "zscore", "std_floor": 1e-3}
CLONES = {
    "mlp": ("lane", {"hidden": (8, 5)}),
    "mlp scaled": ("tube", {"hidden": (8,), **SCALED}),
    "mlp discrete": ("resetcliff", {"hidden": (8,)}),
    "mlp discrete scaled": ("resetcliff", {"hidden": (8,), **SCALED}),
    "ridge": ("linear", {"net": "ridge"}),
    "relu": ("arm", {"net": "relu", "hidden": (8, 5)}),
    "relu scaled": ("lane", {"net": "relu", "hidden": (8,), **SCALED}),
    "relu discrete": ("resetcliff", {"net": "relu", "hidden": (8,)}),
}


def clone(which):
    name, settings = CLONES[which]
    env = tiny(name, seeds=2)
    training = il.Training(**{"updates": 60, **settings})
    return env, il.BC(2, training).learn(env, il.expert(env))[1]


def observations(env, count=50):
    state = env.initial(il.Streams(env.seeds[:1]), count)
    return env[0].observation(state)[0].float().numpy()


@pytest.mark.parametrize("which", CLONES)
def test_a_policy_answers_the_same_there_and_again_after_their_own_save_and_load(which, tmp_path):
    env, policy = clone(which)
    obs = observations(env)
    theirs = il.to_sb3(policy, env)
    assert isinstance(theirs, BasePolicy)
    ours = policy.predict(obs)[0]
    np.testing.assert_allclose(theirs.predict(obs, deterministic=True)[0], ours, rtol=0, atol=1e-6)
    theirs.save(tmp_path / "policy.pth")
    again = type(theirs).load(tmp_path / "policy.pth", device="cpu")
    np.testing.assert_array_equal(
        again.predict(obs, deterministic=True)[0], theirs.predict(obs, deterministic=True)[0]
    )
    back = il.from_sb3(again)
    assert back.kind == policy.kind
    np.testing.assert_allclose(back.predict(obs)[0], ours, rtol=0, atol=1e-6)


def test_a_model_of_theirs_goes_on_with_a_policy_of_ours(tmp_path):
    env, policy = clone("mlp")
    small = {"n_steps": 16, "batch_size": 16, "n_epochs": 1}
    world = gymnasium.make("il_bench/Lane-v0")
    model = PPO("MlpPolicy", world, policy_kwargs={"net_arch": [8, 5]}, **small)
    model.policy.load_state_dict(il.to_sb3(policy, env).state_dict())
    model.save(tmp_path / "model")
    again = PPO.load(tmp_path / "model", env=gymnasium.make("il_bench/Lane-v0"), device="cpu")
    obs = observations(env)
    np.testing.assert_allclose(
        again.predict(obs, deterministic=True)[0], policy.predict(obs)[0], rtol=0, atol=1e-6
    )
    again.learn(16)


@pytest.mark.parametrize("kind", [PPO, A2C, SAC, TD3, DDPG, DQN])
def test_a_model_of_theirs_is_a_policy_of_ours_that_is_saved_and_measured(kind, tmp_path):
    name = "CartPole-v1" if kind is DQN else "Pendulum-v1"
    small = {"policy_kwargs": {"net_arch": [6, 4]}}
    if kind not in (PPO, A2C):
        small["buffer_size"] = 10
    model = kind("MlpPolicy", name, seed=1, device="cpu", **small)
    policy = il.from_sb3(model)
    obs = np.stack([model.observation_space.sample().clip(-2, 2) for _ in range(50)])
    theirs = model.predict(obs, deterministic=True)[0]
    np.testing.assert_allclose(policy.predict(obs)[0], theirs, rtol=0, atol=2e-6)
    again = il.load_policy(policy.save(tmp_path / "theirs.policy"))
    np.testing.assert_array_equal(again.predict(obs)[0], policy.predict(obs)[0])
    env = il.make(name, horizon=5)
    record = il.compare(env, il.expert(env, model), episodes=2, it=again)
    assert np.abs(record.arrays["divergence"]).max() < 1e-4


def test_a_model_trained_on_the_lane_is_an_expert_by_its_path(tmp_path):
    small = {"n_steps": 32, "batch_size": 32, "n_epochs": 1}
    world = gymnasium.make("il_bench/Lane-v0", horizon=20)
    model = PPO("MlpPolicy", world, seed=0, **small).learn(64)
    model.save(tmp_path / "lane.zip")
    env = tiny("lane", seeds=3)
    expert = il.expert(env, f"sb3:{tmp_path / 'lane.zip'}", trust=True)
    policy = il.BC(1, SMALL).learn(env, expert)
    record = il.compare(env, expert, episodes=2, bc=policy)
    assert record.data["divergence"].shape[-1] == 13
    obs = observations(env)
    own = il.from_sb3(model).predict(obs)[0]
    np.testing.assert_allclose(own, expert.source.predict(obs)[0], rtol=0, atol=2e-6)


def places():
    numpy = np.random.get_state()  # noqa: NPY002
    return random.getstate(), numpy[1].tolist(), numpy[2:], torch.get_rng_state().tolist()


def test_nobody_else_s_chance_is_touched():
    policy = clone("mlp")[1]
    before = places()
    one, two = il.to_sb3(policy), il.to_sb3(policy)
    assert places() == before
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])


def refused(sentence, function, *args):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        function(*args)


def test_what_cannot_go_out_or_come_in_is_a_sentence():
    env = tiny("resetcliff", seeds=2)
    table = il.BC(2, il.Training(net="table")).learn(env, il.expert(env))
    refused("to_sb3: expected the policy of one run, got 2", il.to_sb3, table)
    refused("holds, got one of table; choose --net mlp", il.to_sb3, table[0])
    own = il.make("lane")
    strange = il.expert(own, lambda obs: obs[:, :1])
    refused("got one of CallablePolicy", il.to_sb3, _callable(own))
    settings = {"policy_kwargs": {"activation_fn": torch.nn.ELU}}
    model = PPO("MlpPolicy", "Pendulum-v1", device="cpu", **settings)
    refused("give the model itself, as in il.expert(env, model)", il.from_sb3, model)
    refused("got CallableExpert", il.from_sb3, strange)
    unbounded = spaces.Box(-np.inf, np.inf, (1,))
    arrays = il.from_sb3(SAC("MlpPolicy", "Pendulum-v1", buffer_size=10)).arrays()
    refused("expected bounded actions", il.NETS["relu"]().restore, arrays, unbounded)


def _callable(env):
    from il_bench.borders.resolve import named

    return named(env, lambda obs: obs[:, :1])
