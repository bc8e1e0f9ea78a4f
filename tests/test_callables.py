"""Anyone's function, network or model as an expert and as a policy."""

import functools

import numpy as np
import pytest
import torch
from conftest import SMALL
from gymnasium import spaces
from test_run import QUICK, refused

import il_bench as il
from il_bench.borders.callables import CallablePolicy
from il_bench.core.rollout import by_expert, flat_ask, rollout
from il_bench.core.streams import Streams

GAIN = -0.3


def brake(obs):
    return GAIN * obs[:, 2:]


class Predicting:
    """As stable-baselines3's models answer."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        assert deterministic
        return GAIN * observation[:, 2:], None


class Plain:
    """A predict that knows of neither states nor chance, as of scikit-learn."""

    def predict(self, X):
        return GAIN * X[:, 2]


class Network(torch.nn.Module):
    def __init__(self, precision=torch.float32):
        super().__init__()
        self.dropout = torch.nn.Dropout(0.5)
        self.last = torch.nn.Linear(3, 1, bias=False, dtype=precision)
        with torch.no_grad():
            self.last.weight.copy_(torch.tensor([[0.0, 0.0, GAIN]]))

    def forward(self, obs):
        return self.dropout(self.last(obs))


class Counting:
    """Remembers how many steps it has answered in each episode, and acts by that alone."""

    def __init__(self):
        self.begun, self.calls = 0, 0

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        assert (state is None) == bool(episode_start.all())
        state = np.zeros(len(observation)) if state is None else state
        self.begun += episode_start.sum()
        self.calls += 1
        return 0.01 * state[:, None], state + 1


@functools.cache
def pendulum(**settings):
    """One for all tests: its constant is estimated once."""
    return il.make("Pendulum-v1", **{"horizon": 12, **settings})


WHOS = {
    "array": brake,
    "list": lambda obs: brake(obs).tolist(),
    "flat": lambda obs: brake(obs)[:, 0],
    "tensor": lambda obs: torch.from_numpy(brake(obs)),
    "tensors": lambda obs: list(torch.from_numpy(brake(obs))),
    "pair": lambda obs: (brake(obs), None),
    "writer": lambda obs: np.multiply(obs, GAIN, out=obs)[:, 2:],
    "predict": Predicting(),
    "plain predict": Plain(),
    "network": Network(),
    "precise network": Network(torch.float64),
}


@pytest.mark.parametrize("who", WHOS.values(), ids=WHOS)
def test_whoever_answers_is_an_expert_and_a_policy_everywhere(who):
    env = pendulum(seeds=2)
    record = il.compare(env, who, mine=who, episodes=2)
    np.testing.assert_allclose(
        record.arrays["action"][0, ..., 0], record.arrays["action"][1, ..., 0]
    )
    np.testing.assert_allclose(
        record.arrays["action"][0], GAIN * record.arrays["state"][0, :, :, :-1, 2:], atol=1e-6
    )
    assert (record.arrays["divergence"] == 0).all()
    assert il.BC(episodes=1, training=SMALL).learn(env, who).runs == 2
    assert "policy" in str(il.assess(env, who, who, episodes=2))


def test_a_network_is_left_in_training_as_it_was():
    network = Network().train()
    il.compare(pendulum(), network, mine=network, episodes=1)
    assert network.training


def test_a_network_of_another_width_is_a_sentence():
    """It was torch's own RuntimeError about mat1 and mat2."""
    env = il.make("lane", horizon=3)
    narrow = torch.nn.Linear(7, 1)
    with pytest.raises(ValueError, match=r"net: the network refuses observations \(2, 4\)"):
        il.compare(env, il.expert(env), episodes=2, net=narrow)
    assert narrow.training


def test_a_policy_of_one_run_in_several_is_told_what_can_be_done():
    env = il.make("lane", horizon=3, seeds=2)
    alone = il.BC(1, il.Training(updates=2)).learn(env[0], il.expert(env[0]))
    with pytest.raises(
        ValueError, match=r"expected a policy of 2 runs, got 1; .*env\[0\], or hand"
    ):
        il.compare(env, il.expert(env), episodes=2, alone=alone)


def test_booleans_are_labels():
    env = il.make("CartPole-v1", horizon=5)
    record = il.compare(
        env, lambda obs: obs[:, 2] > 0, episodes=2, mine=lambda obs: [True] * len(obs)
    )
    assert (record.arrays["action"][1] == 1).all()


def test_a_learned_policy_is_an_expert():
    env = pendulum(seeds=2)
    policy = il.BC(episodes=1, training=SMALL).learn(env, brake)
    record = il.compare(env, policy, episodes=2, same=policy)
    assert (record.arrays["divergence"] == 0).all()
    assert il.DAgger(rounds=2, episodes=1, training=SMALL).learn(env, policy).runs == 2


def test_memory_is_carried_step_by_step_for_experts_and_policies():
    env = pendulum(seeds=2)
    expert = il.expert(env, Counting())
    record = il.compare(env, expert, mine=Counting(), other=expert, episodes=3)
    steps = 0.01 * np.arange(12)
    for who in range(3):
        np.testing.assert_allclose(
            record.arrays["action"][who, :, :, :, 0], np.tile(steps, (2, 3, 1))
        )
    assert (record.arrays["error_on"] == 0).all()
    assert (record.arrays["error_off"] == 0).all()


@pytest.mark.parametrize("learner", [il.BC, il.DAgger, il.SMILe])
def test_an_expert_with_a_memory_labels_in_the_order_of_time(learner):
    env = pendulum()
    source = Counting()
    expert = il.expert(env, source)
    few = {"rounds": 3, "episodes": 2} if learner is not il.BC else {"episodes": 2}
    learner(training=SMALL, **few).learn(env, expert)
    assert source.calls >= 12
    assert source.begun * 6 <= source.calls * 2  # an episode of 12 steps is begun once
    seen = rollout(env, by_expert(env, expert), Streams((0,)), 2)
    labels = flat_ask(env, expert, seen)
    np.testing.assert_allclose(labels[0, :, :, 0], np.tile(0.01 * np.arange(12), (2, 1)))


def test_what_needs_an_expert_without_memory_says_so():
    env = il.make("lane", horizon=12)
    words = str(il.assess(env, Counting(), lambda obs: 0 * obs[:, :1], episodes=2))
    assert "needs an expert without a memory" in words


def test_a_function_that_returns_a_state_is_refused():
    with pytest.raises(ValueError, match="expert: returned a state beside its actions"):
        il.compare(pendulum(), lambda obs: (brake(obs), 3), episodes=1)


def nowhere(obs):
    return np.full(len(obs), np.nan)


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("CartPole-v1", -1, "expected labels from 0 to 1, got -1"),
        ("CartPole-v1", 2, "expected labels from 0 to 1, got 2"),
        ("CartPole-v1", 0.7, "expected labels from 0 to 1, got 0.7"),
        ("CartPole-v1", np.nan, "expected labels from 0 to 1, got nan"),
        (
            "Pendulum-v1",
            2.1,
            r"expected actions in Box\(-2.0, 2.0, \(1,\), float32\), got 2.1; clip them",
        ),
        ("Pendulum-v1", (1.0, 2.0), r"expected one action of U=1 .*got shape \(2, 2\)"),
        ("Pendulum-v1", None, "expected one action of U=1 .* got list"),
        ("Pendulum-v1", "left", "expected one action of U=1 .* got list"),
    ],
)
def test_a_wrong_answer_names_who_answered_what_and_what_was_expected(name, answer, sentence):
    env = il.make(name, horizon=5)

    def wrong(obs):
        return [answer] * len(obs)

    class Model:
        def predict(self, observation, deterministic=True):
            return wrong(observation)

    def right(obs):
        return np.zeros(len(obs))

    for who in (wrong, Model()):
        with pytest.raises(ValueError, match=f"expert at run 0: {sentence}"):
            il.compare(env, who, episodes=2)
        with pytest.raises(ValueError, match=f"mine at run 0: {sentence}"):
            il.compare(env, right, mine=who, episodes=2)


def test_rounding_does_not_lead_out_of_a_box():
    record = il.compare(
        pendulum(), lambda obs: np.full(len(obs), np.float32(2) * (1 + 1e-7)), episodes=1
    )
    assert record.arrays["length"][0, 0, 0] == 12


def test_a_number_that_is_not_finite_ends_a_policy_s_episode_and_is_named_for_an_expert():
    record = il.compare(pendulum(), brake, mine=nowhere, episodes=1)
    assert (record.arrays["broke"][1] == 0).all()
    with pytest.raises(ValueError, match=r"expert: its own rollout .* at run 0, episode 0, step 0"):
        il.compare(pendulum(), nowhere, episodes=1)


@pytest.mark.parametrize("who", [3, int, None, object()])
def test_who_answers_nothing_is_a_sentence(who):
    env = pendulum()
    with pytest.raises(ValueError, match="mine: expected an Expert class, a callable or an object"):
        il.compare(env, brake, mine=who, episodes=1)
    if who is not None:
        with pytest.raises(ValueError, match="expert: expected an Expert class, a callable or"):
            il.compare(env, who, episodes=1)


@pytest.mark.parametrize("env", [None, "lane", 3])
def test_an_expert_needs_an_environment(env):
    with pytest.raises(TypeError, match=r"expert: expected an environment first, got .*il.make"):
        il.expert(env)


def test_a_model_of_other_spaces_is_refused_as_its_zip_is():
    from stable_baselines3 import PPO

    model = PPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=16, device="cpu")
    for ask in (
        lambda: il.compare(pendulum(), model),
        lambda: il.compare(pendulum(), brake, a=model),
    ):
        with pytest.raises(ValueError, match=r"PPO: was trained on observations Box.*give another"):
            ask()


@pytest.mark.parametrize(
    ("space", "kind"),
    [
        (spaces.Discrete(5), "MlpPolicy"),
        (spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Box(-1, 1, (2,))}), "MultiInputPolicy"),
        (spaces.Box(0, 255, (36, 36, 3), np.uint8), "CnnPolicy"),
    ],
)
def test_a_model_sees_what_it_was_trained_on_where_observations_are_flattened(space, kind):
    from stable_baselines3 import PPO
    from test_gym import Odd

    model = PPO(kind, Odd(space), n_steps=8, batch_size=8, device="cpu", seed=0)
    env = il.make(lambda: Odd(space), horizon=4)
    seen = rollout(env, by_expert(env, il.expert(env, model)), Streams((0,)), 1)
    own = [spaces.unflatten(space, row.numpy()) for row in seen.state[0, 0, :-1]]
    expected = [int(model.predict(observation, deterministic=True)[0]) for observation in own]
    assert seen.action[0, 0, :, 0].tolist() == expected


def test_a_function_with_a_wrong_label_is_a_sentence_on_the_command_line(capsys, tmp_path):
    (tmp_path / "deskfn.py").write_text("def wrong(obs):\n    return [-1] * len(obs)\n")
    said = refused(capsys, "--env", "CartPole-v1", "--expert", "deskfn:wrong", *QUICK)
    assert "expected labels from 0 to 1, got -1" in said


def test_one_run_of_a_callable_policy_is_called_the_same():
    policy = CallablePolicy(pendulum(seeds=2), lambda obs: np.full(len(obs), 9), "mine")
    with pytest.raises(ValueError, match="mine at run 0"):
        policy[1].act(torch.zeros(1, 1, 3))
