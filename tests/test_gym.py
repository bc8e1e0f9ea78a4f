"""Both sides of the border to Gymnasium, and stable-baselines3 as a guest."""

import errno
import functools
import gc
import pickle
import random
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from conftest import SMALL
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from test_run import QUICK, _no_figure_unless_asked_for, command  # noqa: F401

import il_bench as il
from il_bench.borders.gymnasium_out import GymEnv, GymVectorEnv
from il_bench.borders.gymnasium_picture import coloured
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.records import rows

IDS = {name: f"il_bench/{name.capitalize()}-v0" for name in il.ENVS}


@pytest.mark.parametrize("name", IDS)
def test_gymnasiums_checker_passes_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(IDS[name], render_mode="rgb_array")
        check_env(env.unwrapped)
        env.close()


@pytest.mark.parametrize("name", IDS)
def test_stable_baselines3s_checker_passes_without_a_warning(name):
    from stable_baselines3.common.env_checker import check_env as check

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(gymnasium.make(IDS[name]).unwrapped)


@pytest.mark.parametrize("name", IDS)
def test_evaluate_policy_returns_the_harness_s_own_returns(name):
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor

    # Actions cross the border in float32; where the dynamics are chaotic, that rounding doubles at every step.
    horizon = {"circle": 4}.get(name, 25)
    task = il.make(name, horizon=horizon, seeds=(0, 5))
    policy = il.BC(episodes=2, training=SMALL).learn(task, il.expert(task))
    harness = rollout(task, by_policy(task, policy), Streams((0, 5)).fork("gym"), 2).returns
    env = Monitor(GymEnv(name, horizon=horizon))
    env.reset(seed=5)
    env.unwrapped._episode = -1  # evaluate_policy resets once more before it begins
    returns, _ = evaluate_policy(policy[1], env, n_eval_episodes=2, return_episode_rewards=True)
    np.testing.assert_allclose(returns, harness[1], atol=1e-5)


def test_a_gym_episode_is_the_harness_s_episode_state_by_state():
    task = il.make("lane", wind=0.01, horizon=30, seeds=(3,))
    seen = rollout(task, by_expert(task, il.expert(task)), Streams((3,)).fork("gym"), 3)
    env = gymnasium.make("il_bench/Lane-v0", wind=0.01, horizon=30)
    for episode in range(3):
        _, info = env.reset(seed=3 if episode == 0 else None)
        for step in range(30):
            np.testing.assert_allclose(
                info["state"], seen.state[0, episode, step], rtol=1e-12, atol=1e-12
            )
            _, reward, _, truncated, info = env.step(seen.action[0, episode, step].numpy())
            assert reward == pytest.approx(seen.reward[0, episode, step].item(), abs=1e-12)
        assert truncated


def test_evaluation_can_be_replayed():
    task = il.make("lane", wind=0.01, horizon=10)
    record = il.compare(task, il.expert(task), episodes=2)
    env = GymEnv(task, purpose="evaluation")
    env.reset(seed=0)
    _, _, _, _, info = env.step(record.arrays["action"][0, 0, 0, 0])
    np.testing.assert_allclose(
        info["state"], record.arrays["state"][0, 0, 0, 1], rtol=1e-12, atol=1e-12
    )


def test_computed_as_the_harness_does_it_is_replayed_bit_for_bit():
    task = il.make("lane", wind=0.01, horizon=40)
    record = il.compare(task, il.expert(task), episodes=2)
    env = GymEnv("lane", wind=0.01, horizon=40, purpose="evaluation", arrays="torch")
    _, info = env.reset(seed=0, options={"episode": 1})
    states = [info["state"]]
    for action in record.arrays["action"][0, 0, 1]:
        *_, truncated, info = env.step(action)
        states.append(info["state"])
    np.testing.assert_array_equal(states, record.arrays["state"][0, 0, 1])
    assert truncated
    with pytest.raises(ValueError, match="arrays: expected any or torch, got 'jax'"):
        GymEnv("lane", arrays="jax")


def test_an_episode_can_be_asked_for():
    env = GymEnv("lane")
    first = [env.reset(seed=3 if episode == 0 else None)[0] for episode in range(4)]
    np.testing.assert_array_equal(env.reset(seed=3, options={"episode": 2})[0], first[2])
    np.testing.assert_array_equal(env.reset()[0], first[3])  # and the next follows
    np.testing.assert_array_equal(env.reset(options={"episode": 1})[0], first[1])
    np.testing.assert_array_equal(env.reset(seed=3, options={"else": 1})[0], first[0])
    for wrong in (-1, 1.5, "two", None):
        with pytest.raises(ValueError, match="episode: expected a whole number of at least 0, got"):
            env.reset(options={"episode": wrong})


@pytest.mark.parametrize("name", IDS)
def test_a_vector_of_environments_is_the_single_ones_side_by_side(name):
    vector = gymnasium.make_vec(IDS[name], num_envs=3, horizon=7)
    assert isinstance(vector, GymVectorEnv)
    singles = [gymnasium.make(IDS[name], horizon=7) for _ in range(3)]
    obs, _ = vector.reset(seed=10)
    for i, env in enumerate(singles):
        np.testing.assert_array_equal(obs[i], env.reset(seed=10 + i)[0])
    vector.action_space.seed(0)
    over = [False] * 3
    for _ in range(10):
        actions = vector.action_space.sample()
        obs, reward, terminated, truncated, _ = vector.step(actions)
        for i, env in enumerate(singles):
            one = (env.reset()[0], 0.0, False, False) if over[i] else env.step(actions[i])[:4]
            np.testing.assert_allclose(obs[i], one[0], rtol=1e-6, atol=1e-6)
            assert reward[i] == pytest.approx(one[1], abs=1e-9)
            assert (terminated[i], truncated[i]) == one[2:]
            over[i] = bool(one[2] or one[3])


def test_an_episode_that_ends_early_begins_anew_in_its_place():
    vector = GymVectorEnv(2, "lane", horizon=50)
    vector.reset(seed=0)
    steer = np.array([[1.0], [0.0]], dtype=np.float32)  # the first car turns round at once
    ends = [vector.step(steer)[2].copy() for _ in range(20)]
    assert np.array(ends)[:, 0].any()
    assert not np.array(ends)[:4, 1].any()


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (np.zeros(2), r"action: expected finite numbers of shape \(1,\)"),
        (
            np.array([np.nan]),
            r"action: expected finite numbers of shape \(1,\) for Box.*got \[nan\]",
        ),
        (np.array(["left"]), "action: expected finite numbers"),
        (None, "action: expected finite numbers"),
    ],
)
def test_a_wrong_action_is_a_sentence(action, sentence):
    env = GymEnv("lane")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=sentence):
        env.step(action)


def test_a_wrong_discrete_action_is_a_sentence():
    env = GymEnv("resetcliff")
    env.reset(seed=0)
    for action in (20, -1, 0.5):
        with pytest.raises(ValueError, match="action: expected integers from 0 to 19"):
            env.step(action)


def test_a_step_before_reset_is_a_sentence():
    with pytest.raises(ValueError, match=r"step: expected reset\(\) first"):
        GymEnv("lane").step(np.zeros(1))
    with pytest.raises(ValueError, match=r"step: expected reset\(\) first"):
        GymVectorEnv(2, "lane").step(np.zeros((2, 1)))


def test_rendering_gives_frames_and_a_window():
    env = gymnasium.make("il_bench/Lane-v0", render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (300, 400, 3)
    window = gymnasium.make(
        "il_bench/Lane-v0", render_mode="human"
    )  # SDL's dummy display, see conftest
    window.reset(seed=0)
    window.step(np.zeros(1, dtype=np.float32))
    window.close()
    with pytest.raises(ValueError, match="render_mode: expected rgb_array or human, got 'ascii'"):
        GymEnv("lane", render_mode="ascii")


def test_one_environment_at_a_time():
    with pytest.raises(ValueError, match="expected an environment of one run, got 2; pass env"):
        GymEnv(il.make("lane", seeds=2))


def pendulum(**settings):
    return il.make("Pendulum-v1", **{"horizon": 25, **settings})


def test_a_foreign_id_is_an_environment():
    env = pendulum(seeds=2)
    seen = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds), 3)
    assert seen.state.shape == (2, 3, 26, 3)
    assert (seen.reward < 0).all()
    assert env.certificate().kind == "estimated"
    assert il.make("Pendulum-v1").horizon == 200


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1"])
def test_one_copy_that_steps_itself_shows_what_the_harness_sees(name):
    quick, slow = (GymEnv(il.make(name, seeds=1, horizon=60)) for _ in range(2))
    # Through the harness's own contract instead, transition, reward, endings.
    object.__setattr__(slow.task, "step_itself", slow._advance)
    chance = np.random.default_rng(0)
    space = quick.action_space
    discrete = isinstance(space, spaces.Discrete)
    ends = 0
    for first in range(3):
        begun = [env.reset(seed=0 if first == 0 else None)[0] for env in (quick, slow)]
        np.testing.assert_array_equal(*begun)
        for _ in range(62):  # beyond the end too, where a copy stands still and pays nothing
            action = int(chance.integers(2)) if discrete else chance.uniform(-2, 2, 1)
            one, other = (env.step(action) for env in (quick, slow))
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[4]["state"], other[4]["state"])
            assert one[1:4] == other[1:4]
            ends += one[2]
    assert (ends > 0) == discrete


def test_a_foreign_rollout_is_gymnasiums_own():
    env = pendulum()
    seen = rollout(env, by_expert(env, il.expert(env)), Streams((0,)), 2)
    own = gymnasium.make("Pendulum-v1")
    seed = int(Streams((0,)).generator(0, "initial", 1).integers(2**31))
    obs, _ = own.reset(seed=seed)
    for step in range(25):
        np.testing.assert_allclose(obs, seen.state[0, 1, step], atol=1e-6)
        obs, reward, *_ = own.step(seen.action[0, 1, step].numpy().astype(np.float32))
        assert reward == pytest.approx(seen.reward[0, 1, step].item(), abs=1e-6)


def test_the_energy_pump_swings_the_pendulum_up_and_holds_it():
    env = il.make("Pendulum-v1", seeds=2)
    record = il.compare(env, il.expert(env), episodes=8)
    upright = record.arrays["state"][0, :, :, 150:, 0]
    assert (upright > 0.99).all(-1).mean() > 0.9


def test_a_run_of_a_foreign_environment_is_the_same_alone():
    env = pendulum(seeds=3)
    many = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds), 2)
    alone = rollout(env[2], by_expert(env[2], il.expert(env[2])), Streams(env[2].seeds), 2)
    assert torch.equal(many.state[2], alone.state[0])


def test_cloning_a_foreign_environment_with_a_callable_expert():
    env = pendulum(seeds=2)
    expert = il.expert(env, lambda obs: -2 * obs[:, 2:].clip(-1, 1))
    policy = il.BC(episodes=4, training=il.Training(hidden=(16,), updates=500, lr=1e-2)).learn(
        env, expert
    )
    record = il.compare(env, expert, episodes=3, bc=policy)
    assert record.rows()[0]["error_off"].value < 0.3
    assert record.env.draw(record.arrays["state"][0, 0, 0, 0], (64, 48)).shape == (48, 64, 3)


def test_a_stable_baselines3_model_is_an_expert():
    from stable_baselines3 import PPO

    env = pendulum()
    model = PPO("MlpPolicy", "Pendulum-v1", n_steps=16, batch_size=16, seed=0, device="cpu")
    action = il.expert(env, model).act(env.initial(Streams((0,)), 3))
    assert action.shape == (1, 3, 1)


def test_foreign_discrete_actions():
    env = il.make("CartPole-v1", horizon=30)
    expert = il.expert(env, lambda obs: (obs[:, 2] + obs[:, 3] > 0).astype(int))
    policy = il.BC(episodes=2, training=SMALL).learn(env, expert)
    record = il.compare(env, expert, episodes=3, bc=policy)
    assert set(np.unique(record.arrays["action"][1])) <= {0, 1}
    assert record.arrays["length"][0].min() > 20


def test_a_foreign_environment_steps_in_order_and_says_so():
    env = pendulum()
    state = env.initial(Streams((0,)), 1)
    with pytest.raises(ValueError, match="transition: expected the states of the last step"):
        env.transition(state + 1, torch.zeros(1, 1, 1), torch.zeros(1, 1, 0))


class Linear(gymnasium.Env):
    """s' = A s + (a, a), for ever."""

    matrix: ClassVar = np.array([[0.9, 0.2], [-0.1, 0.7]])
    observation_space: ClassVar = spaces.Box(-100.0, 100.0, (2,), np.float32)
    action_space: ClassVar = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self._state = self.np_random.normal(size=2)
        return self._state.astype(np.float32), {}

    def step(self, action):
        self._state = self.matrix @ self._state + action
        return self._state.astype(np.float32), float(self._state[0]), False, False, {}


class Counted(Linear):
    """The same, and how many of them are open."""

    open: ClassVar = 0
    made: ClassVar = 0

    def __init__(self):
        Counted.open += 1
        Counted.made += 1

    def close(self):
        Counted.open -= 1


class Alone(Linear):
    """The same, of which only one can exist, as of a simulator that listens at a port."""

    open: ClassVar = 0

    def __init__(self):
        if Alone.open:
            raise RuntimeError("address already in use")
        Alone.open += 1

    def close(self):
        Alone.open -= 1


class Odd(gymnasium.Env):
    """Any spaces: the observation is a sample, the last action is kept in the class."""

    taken: ClassVar = []

    def __init__(self, obs=None, act=None):
        self.observation_space = obs or spaces.Discrete(3)
        self.action_space = act or spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        Odd.taken.append(action)
        return self.observation_space.sample(), 0.0, False, False, {}


@pytest.fixture(autouse=True)
def _nothing_open():
    Counted.open = Counted.made = Alone.open = 0
    Odd.taken.clear()


def brake(obs):
    return -0.1 * obs[:, :1]


def alike(one, two):
    return all(np.array_equal(one.arrays[name], two.arrays[name]) for name in one.arrays)


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (spaces.Discrete(3), 3),
        (spaces.Discrete(3, start=5), 3),
        (spaces.MultiDiscrete([2, 3]), 5),
        (spaces.MultiBinary(4), 4),
        (spaces.Tuple((spaces.Discrete(2), spaces.Box(-1, 1, (2,)))), 4),
        (spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Box(-1, 1, (2, 2))}), 6),
        (spaces.Box(0, 255, (4, 5, 3), np.uint8), 60),
        (spaces.Box(-1, 1, ()), 1),
    ],
)
def test_observations_of_every_kind_are_flattened_and_one_line_says_so(space, size):
    env = il.make(lambda: Odd(space), horizon=4)
    record = il.compare(env, lambda obs: np.zeros(len(obs)), episodes=2)
    assert record.arrays["state"].shape == (1, 1, 2, 5, size)
    assert f"are flattened into {size} numbers" in env.adaptation
    assert env.adaptation in env.certificate().note
    assert env.draw(record.arrays["state"][0, 0, 0, 0], (40, 30)).shape == (30, 40, 3)
    first = Odd(space).reset(seed=env.reset_seeds(Streams((0,)).fork("evaluation"), 1)[0][0])[0]
    np.testing.assert_array_equal(record.arrays["state"][0, 0, 0, 0], spaces.flatten(space, first))


def test_the_headline_says_what_became_of_observations_and_actions(capsys):
    Path("desk_ice.py").write_text("def down(obs):\n    return [1] * len(obs)\n")
    command("--env", "FrozenLake-v1", "--expert", "desk_ice:down", *QUICK, "--out", "kept")
    said = " ".join(capsys.readouterr().out.split())
    assert "observations Discrete(16) are flattened into 16 numbers" in said


def test_a_row_of_numbers_is_not_said_to_be_flattened():
    assert pendulum().adaptation == ""
    assert "flattened" not in pendulum().certificate().note


def test_observations_that_are_images_are_shown_as_images():
    env = il.make(lambda: Odd(spaces.Box(0, 255, (30, 40, 3), np.uint8)))
    pixels = np.zeros((30, 40, 3))
    pixels[..., 1] = 200
    frame = env.draw(pixels.ravel(), (40, 30))
    assert (frame == (0, 200, 0)).all()


@pytest.mark.parametrize(
    ("space", "answer", "taken"),
    [
        (spaces.Box(-3, 3, (2,), np.int8), [2.99, -2.6], [3, -3]),
        (spaces.MultiDiscrete([3, 4]), [1.7, 0.2], [2, 0]),
        (spaces.MultiDiscrete([3, 4], start=[1, -1]), [1.7, -0.6], [2, -1]),
        (spaces.MultiBinary(2), [0.9, 0.1], [1, 0]),
        (spaces.Discrete(3, start=-1), [2], 1),
    ],
)
def test_actions_of_whole_numbers_are_rounded_and_labels_shifted(space, answer, taken):
    env = il.make(lambda: Odd(act=space), horizon=2)
    rollout(env, by_expert(env, il.expert(env, lambda obs: [answer] * len(obs))), Streams((0,)), 1)
    assert len(Odd.taken) == 2
    np.testing.assert_array_equal(Odd.taken[0], taken)
    assert "actions" in env.adaptation


def test_a_network_learns_several_labels_at_once():
    env = il.make(lambda: Odd(spaces.Box(0, 1, (2,)), spaces.MultiDiscrete([3, 4])), horizon=5)
    policy = il.BC(episodes=2, training=SMALL).learn(env, lambda obs: np.round(obs * (2, 3)))
    assert il.compare(env, brake2, episodes=2, bc=policy).arrays["action"].shape[-1] == 2


def brake2(obs):
    return 0 * obs


@pytest.mark.parametrize(
    ("obs", "act", "sentence"),
    [
        (
            spaces.Sequence(spaces.Discrete(2)),
            spaces.Discrete(2),
            "that can be flattened into a Box",
        ),
        (spaces.Discrete(2), spaces.Tuple((spaces.Discrete(2),)), "MultiDiscrete or MultiBinary"),
    ],
)
def test_what_cannot_cross_the_border_is_a_sentence(obs, act, sentence):
    with pytest.raises(ValueError, match=sentence):
        il.make(lambda: Odd(obs, act))


def test_settings_of_an_id_are_handed_to_gymnasium():
    env, light = pendulum(), pendulum(g=1.0)

    def still(obs):
        return 0 * obs[:, :1]

    one, two = (il.compare(e, still, episodes=2, mine=still) for e in (env, light))
    assert not alike(one, two)
    assert two.config["env"]["settings"]["g"] == 1.0
    assert light[0].g == 1.0
    assert pickle.loads(pickle.dumps(light)).g == 1.0
    two.save("kept")
    assert il.load("kept").env.g == 1.0
    with pytest.raises(TypeError, match=r"Pendulum-v1: it cannot be made with {'gg': 1} \(.*'gg'"):
        pendulum(gg=1)
    limit = "Pendulum-v1: expected horizon=50, got max_episode_steps=50; the end of time is counted"
    with pytest.raises(ValueError, match=limit):
        pendulum(max_episode_steps=50)
    with pytest.raises(
        TypeError, match="its setting 'reward' would hide an environment's own reward"
    ):
        pendulum(reward=1)


def test_factories_classes_and_objects_are_environments():
    def factory(g=10.0):
        return gymnasium.make("Pendulum-v1", g=g)

    things = (factory, gymnasium.make("Pendulum-v1", g=1.0))
    own = pendulum(g=1.0, seeds=2)
    expected = il.compare(own, lambda obs: obs[:, :1], episodes=2)
    for thing, settings in zip(things, ({"g": 1.0}, {}), strict=True):
        env = il.make(thing, horizon=25, seeds=2, **settings)
        assert alike(il.compare(env, lambda obs: obs[:, :1], episodes=2), expected)
    assert il.make(Linear).horizon == 200
    assert il.make(il.ENVS["lane"], seeds=2).runs == 2


def test_an_object_s_episodes_take_turns_and_its_owner_closes_it():
    object_ = Counted()
    env = il.make(object_, horizon=6, seeds=2)
    record = il.compare(env, brake, episodes=3)
    assert alike(record, il.compare(il.make(Linear, horizon=6, seeds=2), brake, episodes=3))
    env.close()
    del env
    gc.collect()
    assert Counted.open == Counted.made == 1


def test_one_simulator_suffices_where_there_can_be_no_second(monkeypatch):
    env = il.make(Alone, horizon=6, seeds=2)
    learner = il.DAgger(rounds=2, episodes=2, training=SMALL)
    policy = learner.learn(env, brake)
    record = il.compare(env, brake, episodes=3, dagger=policy)
    many = il.make(Linear, horizon=6, seeds=2)
    expected = il.compare(many, brake, episodes=3, dagger=learner.learn(many, brake))
    assert alike(record, expected)
    assert env.certificate().value == many.certificate().value
    assert Alone.open <= 1
    assert il.make(Alone, horizon=6).initial(Streams((0,)), 1).shape == (
        1,
        1,
        2,
    )  # the other makes room


def test_copies_are_closed_when_the_environment_is_dropped_and_after_errors():
    env = il.make(Counted, horizon=4)
    assert Counted.open == 0  # the probe
    il.compare(env, brake, episodes=3)
    assert Counted.open == 3
    del env
    gc.collect()
    assert Counted.open == 0

    class Failing(Counted):
        def step(self, action):
            raise RuntimeError("lost")

    env = il.make(Failing, horizon=4)
    with pytest.raises(RuntimeError, match="lost"):
        il.compare(env, brake, episodes=3)
    assert Counted.open == 0


def at_most(count, error):
    def factory():
        if Counted.open >= count:
            raise error
        return Counted()

    return factory


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.EMFILE, "Too many open files"),
            "8 copies were needed and the system allows",
        ),
        (RuntimeError("no licence"), r"8 copies were needed.* after 5 no more .*no licence"),
    ],
)
def test_too_few_copies_are_a_sentence_that_says_how_many_were_needed(error, sentence):
    env = il.make(at_most(5, error), horizon=4)
    with pytest.raises(ValueError, match=sentence):
        il.compare(env, brake, episodes=8)
    assert Counted.open == 0


DESK = """
import gymnasium, numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control import PendulumEnv
class Desk(PendulumEnv):
    pass
def made():
    return gymnasium.make("Pendulum-v1")
def still(obs):
    return 0 * obs[:, :1]
gymnasium.register("TestDesk-v0", entry_point=Desk, max_episode_steps=30)
"""


@pytest.mark.parametrize("name", ["desk_gym:TestDesk-v0", "desk_gym:Desk", "desk_gym:made"])
def test_a_module_s_id_class_or_factory_is_an_environment_on_the_command_line(name):
    Path("desk_gym.py").write_text(DESK)
    sys.modules.pop("desk_gym", None)
    command("--env", name, "--expert", "desk_gym:still", *QUICK, "--out", "kept")
    record = il.load("kept", env=il.make(name, seeds=2, horizon=12))
    assert record.config["env"]["name"] == name
    assert il.make("desk_gym:TestDesk-v0").horizon == 30
    with pytest.raises(
        KeyError, match=r"'desk_gym' registers no 'TestDesc-v0' .* mean 'TestDesk-v0'"
    ):
        il.make("desk_gym:TestDesc-v0")
    del gymnasium.registry["TestDesk-v0"]


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        (
            None,
            "make: expected the name of an environment, a gymnasium.Env or a function.*got None",
        ),
        (3, "make: expected the name of an environment.*got 3"),
        (int, "builtins:int: expected it to return a gymnasium.Env, got int"),
        (il.Env, "make: Env is the contract itself"),
        (il.make("lane"), "make: Lane is an environment already"),
    ],
)
def test_what_is_no_environment_is_a_sentence(thing, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        il.make(thing)


@pytest.mark.parametrize("frame", [None, np.zeros(3), "raises"])
def test_a_renderer_that_shows_nothing_leaves_bars(frame):
    class Blind(Linear):
        metadata: ClassVar = {"render_modes": ["rgb_array"]}
        state = np.zeros(2)

        def __init__(self, render_mode=None):
            self.render_mode = render_mode

        def render(self):
            if isinstance(frame, str):
                raise RuntimeError(frame)
            return frame

    assert il.make(Blind).draw(np.zeros(2), (40, 30)).shape == (30, 40, 3)


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_grey_and_transparent_frames_are_frames(channels):
    assert (coloured(np.full((3, 4, *channels), 7)) == np.full((3, 4, 3), 7)).all()


def test_an_expert_that_returns_too_few_actions_is_a_sentence():
    env = pendulum()
    with pytest.raises(
        ValueError,
        match=r"run 0: expected one action of U=1 for each of 3 observations, got shape \(1, 3\)",
    ):
        il.expert(env, lambda obs: obs[:1]).act(env.initial(Streams((0,)), 3))


def test_entry_points_are_strings():
    for identifier in IDS.values():
        spec = gymnasium.spec(identifier)
        assert isinstance(spec.entry_point, str)
        assert isinstance(spec.vector_entry_point, str)
        assert gymnasium.envs.registration.EnvSpec.from_json(spec.to_json()) == spec


class Clocked(Linear):
    """The same, which ends itself after five steps, or at a fall."""

    def reset(self, seed=None, options=None):
        self._step = 0
        return super().reset(seed=seed)

    def step(self, action):
        assert self._step < 5, "stepped after the end"
        self._step += 1
        obs, reward, *_ = super().step(action)
        return obs, reward, bool(abs(obs[0]) > 50), self._step == 5, {}


def test_an_environment_that_ends_itself_has_ended():
    env = il.make(Clocked, horizon=40)
    learner = il.DAgger(rounds=4, episodes=2, beta="constant", p=0.5, training=SMALL)
    policy = learner.learn(env, brake)
    assert policy.log.labels.tolist() == policy.log.steps.tolist() == [4 * 2 * 5]
    record = il.compare(env, brake, episodes=3, dagger=policy)
    arrays = record.arrays
    assert (arrays["length"] == 5).all()
    assert arrays["truncated"].all()
    assert not arrays["terminated"].any()
    assert (arrays["reward"][..., 5:] == 0).all()
    assert record.rows()[0]["falls"].own == 0


def test_a_fall_of_an_environment_that_ends_itself_is_no_truncation():
    env = il.make(Clocked, horizon=8)
    record = il.compare(env, brake, episodes=2, wild=lambda obs: np.where(obs[:, :1] > -9, 1, 1))
    assert not record.arrays["terminated"].any()

    class Falling(Clocked):
        def step(self, action):
            obs, reward, _, late, info = super().step(action)
            return obs, reward, self._step == 5, late, info

    record = il.compare(il.make(Falling, horizon=8), brake, episodes=2)
    assert record.arrays["terminated"].all()
    assert not record.arrays["truncated"].any()


def test_the_estimate_of_l_stops_where_the_environment_does():
    assert il.make(Clocked).certificate().value[0] == pytest.approx(
        il.make(Linear).certificate().value[0], rel=0.2
    )


class Restless(Linear):
    """Noise, of which a large action takes one number more."""

    matrix: ClassVar = 0.5 * np.eye(2)

    def step(self, action):
        self._state = self.matrix @ self._state + action + 0.3 * self.draw()
        if abs(action[0]) > 0.3:
            self.draw()
        return self._state.astype(np.float32), 0.0, False, False, {}

    def draw(self):
        return self.np_random.normal()


class Own(Restless):
    """The same by a generator of its own."""

    kind: ClassVar = np.random.RandomState

    def reset(self, seed=None, options=None):
        self.dice = self.kind(seed)
        return super().reset(seed=seed)

    def draw(self):
        return self.dice.normal(0, 1)


class Older(Own):
    """The same by the standard library's."""

    kind: ClassVar = random.Random

    def draw(self):
        return self.dice.gauss(0, 1)


class Deep(Own):
    """The same by one that stands two objects deep, in a list."""

    def reset(self, seed=None, options=None):
        self.world = SimpleNamespace(dice=[SimpleNamespace(first=np.random.default_rng(seed))])
        return Linear.reset(self, seed=seed)

    def draw(self):
        return self.world.dice[0].first.normal()


class Slotted(Own):
    """The same by one in an object without a dictionary."""

    class Cup:
        __slots__ = ("bits", "dice")

    def reset(self, seed=None, options=None):
        self.cup = Slotted.Cup()
        self.cup.bits = np.random.PCG64(seed)
        return Linear.reset(self, seed=seed)

    def draw(self):
        return (self.cup.bits.random_raw() % 1000) / 1000 - 0.5


class Torchs(Own):
    """The same by one of torch's."""

    def reset(self, seed=None, options=None):
        self.dice = torch.Generator().manual_seed(seed)
        return Linear.reset(self, seed=seed)

    def draw(self):
        return torch.randn((), generator=self.dice).item()


class Called(Own):
    """The same by an object that is called, as noises of actions are, which keeps a method of a generator's."""

    class Noise:
        __slots__ = ("__draw",)

        def __init__(self, seed):
            self.__draw = functools.partial(np.random.default_rng(seed).normal, 0)

        def __call__(self):
            return self.__draw(1)

    def reset(self, seed=None, options=None):
        self.noise = Called.Noise(seed)
        return Linear.reset(self, seed=seed)

    def draw(self):
        return self.noise()


class Shared(Own):
    """The same by one of its class, placed anew at each reset; one copy only."""

    dice: ClassVar = np.random.RandomState(0)

    def reset(self, seed=None, options=None):
        Shared.dice.seed(seed % 2**32)
        return Linear.reset(self, seed=seed)

    def draw(self):
        return Shared.dice.normal(0, 1)


class Common(Shared):
    """The same by NumPy's own of the process."""

    def reset(self, seed=None, options=None):
        np.random.seed(seed % 2**32)  # noqa: NPY002
        return Linear.reset(self, seed=seed)

    def draw(self):
        return np.random.normal()  # noqa: NPY002


DICE = np.random.default_rng(0)
"""A generator of this module, which no environment of it draws from."""


def lively(obs):
    return np.clip(-obs[:, :1], -1, 0.9)


def livelier(obs):
    return lively(obs) + 0.1


@pytest.mark.parametrize("kind", [Restless, Own, Older])
def test_twins_of_one_seed_and_not_of_one_noise_are_named(kind):
    env = il.make(kind, horizon=30, seeds=2)
    record = il.compare(env, lively, episodes=4, livelier=livelier, same=lively)
    (warning,) = record.index.warnings
    assert "livelier: same seed, not same noise, in " in warning
    assert "(first at run" in warning
    assert warning in record.table()
    assert "same seed, not same noise" in il.plot(record).legends[0].get_title().get_text()
    shared = il.compare(env, lively, episodes=2, same=lively)
    assert il.plot(shared).legends[0].get_title().get_text() == ""


def test_a_sweep_keeps_in_what_share_of_each_run_the_noise_was_not_the_same(tmp_path):
    env = il.make(Restless, horizon=30, seeds=2)
    record = il.compare(env, lively, episodes=4, livelier=livelier, same=lively)
    mine, same = (rows.numbers(record, k)["uncoupled"] for k in (1, 2))
    (warning,) = record.index.warnings
    assert f"in {mine.mean():.0%} of its rollouts" in warning
    assert (mine > 0).all()
    assert same.tolist() == [0, 0]
    again = il.load(record.save(tmp_path / "kept"), env=env)
    assert again.uncoupled(1).tolist() == mine.tolist()
    del record.config["uncoupled"]
    assert np.isnan(record.uncoupled(1)).all()


def test_measures_name_such_twins_too():
    env = il.make(Restless, horizon=30, seeds=2)
    measures = il.assess(env, lively, livelier, episodes=4)
    assert "policy: same seed, not same noise, in " in str(measures)


def test_twins_that_share_their_noise_are_not_warned_of():
    class Steady(Restless):
        def step(self, action):
            return super().step(0.2 * action)

    record = il.compare(il.make(Steady, horizon=20), lively, episodes=4, livelier=livelier)
    assert record.index.warnings == []
    assert 0 < record.arrays["divergence"][1].max() < 0.1


def test_twins_that_take_turns_are_compared_too():
    record = il.compare(il.make(Restless(), horizon=20), lively, episodes=3, livelier=livelier)
    whole = il.compare(il.make(Restless, horizon=20), lively, episodes=3, livelier=livelier)
    (one,), (other,) = record.index.warnings, whole.index.warnings
    assert one == other


@pytest.mark.parametrize(
    ("shown", "paid", "sentence"),
    [
        (np.float32(0.79), 0.0, r"Broken: expected observations of shape \(2,\), .* got \(\)"),
        (np.zeros(3), 0.0, r"Broken: expected observations of shape \(2,\), .* got \(3,\)"),
        (np.zeros(2), None, "Broken: expected a number as a step's reward, got None"),
    ],
)
def test_a_step_that_is_not_as_declared_is_a_sentence(shown, paid, sentence):
    class Broken(Linear):
        def step(self, action):
            return shown, paid, False, False, {}

    with pytest.raises(ValueError, match=sentence):
        il.compare(il.make(Broken, horizon=4), brake, episodes=2)


@pytest.mark.parametrize("kind", [Deep, Slotted, Called, Torchs, Shared, Common])
def test_generators_are_found_wherever_an_environment_keeps_them(kind):
    """In lists and objects, without a dictionary, in a class, or the process's own: nobody said that twins came apart."""
    record = il.compare(il.make(kind(), horizon=20), lively, episodes=2, livelier=livelier)
    (warning,) = record.index.warnings
    assert "livelier: same seed, not same noise" in warning


def test_a_policy_that_draws_from_the_process_is_not_the_environments_doing():
    def nervous(obs):
        np.random.normal()  # noqa: NPY002
        return lively(obs)

    def of_the_module(obs):
        DICE.normal()
        return lively(obs)

    policies = {"nervous": nervous, "of_the_module": of_the_module}
    record = il.compare(il.make(Restless(), horizon=20), lively, policies, episodes=2)
    assert record.index.warnings == []


def test_an_environment_whose_module_nobody_knows_is_watched_as_others_are():
    stray = type("Stray", (Restless,), {"__module__": "nowhere"})
    record = il.compare(il.make(stray(), horizon=20), lively, episodes=2, livelier=livelier)
    assert "not same noise" in record.index.warnings[0]


@pytest.mark.parametrize("kind", ["RandomState", "MT19937", "PCG64"])
def test_generators_that_stand_at_one_place_in_other_numbers_are_told_apart(kind):
    """The place in a long array alone would not do: it is the same after as many draws."""
    from il_bench.borders import generators

    def world(seed):
        copy = gymnasium.Env()
        bits = getattr(np.random, kind)(seed)
        copy.chance = bits if kind == "RandomState" else np.random.Generator(bits)
        return copy

    def place(seed):
        return generators.place(generators.within(world(seed)))

    assert place(0) == place(0)
    assert place(0) != place(1)
