"""The border to stable-baselines3 and MuJoCo, what a foreign environment's L is estimated to be, and whom we blame."""

import base64
import dataclasses
import importlib.util
import json
import pickle
import sys
import zipfile
from pathlib import Path
from typing import ClassVar

import cloudpickle
import gymnasium
import numpy as np
import pytest
import torch
from conftest import SMALL
from gymnasium import spaces
from test_run import QUICK, _no_figure_unless_asked_for, command, refused  # noqa: F401

import il_bench as il
from il_bench import measure, sb3, sweep
from il_bench.borders import resolve
from il_bench.borders.callables import CallablePolicy
from il_bench.borders.estimate import estimate
from il_bench.borders.sb3_zips import load, require_fit
from il_bench.core.policy import Policy
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.jobs import workers
from il_bench.measures import contract

mujoco = pytest.mark.skipif(
    importlib.util.find_spec("mujoco") is None,
    reason='MuJoCo is an extra: pip install -e ".[mujoco]"',
)
FEW = ["--seeds", "2", "--rollouts", "2", "--horizon", "8"]


@pytest.fixture(scope="module")
def zips(tmp_path_factory):
    """Models that have learned nothing, saved by stable-baselines3 itself."""
    from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3

    folder = tmp_path_factory.mktemp("zips")
    for kind in (PPO, A2C, SAC, TD3, DDPG, DQN):
        env = "CartPole-v1" if kind is DQN else "Pendulum-v1"
        small = {"policy_kwargs": {"net_arch": [4]}}
        if kind in (SAC, TD3, DDPG, DQN):
            small["buffer_size"] = 10
        kind("MlpPolicy", env, seed=3, device="cpu", **small).save(folder / kind.__name__)
    return folder


def trained(*args, env="Pendulum-v1"):
    few = ["--algo", "a2c", "--steps", 60, "--evaluations", 2, "--episodes", 2, "--hidden", 4]
    command("train", env, *few, *args, main=sb3.main)


@pytest.fixture
def brief(monkeypatch):
    """The pendulum's episodes end after 20 steps instead of 200: what training leaves is not a matter of their length."""
    spec = gymnasium.spec("Pendulum-v1")
    short = dataclasses.replace(spec, max_episode_steps=20)
    monkeypatch.setitem(gymnasium.registry, "Pendulum-v1", short)


def resaved(old, new, **settings):
    """The same zip with other settings."""
    with zipfile.ZipFile(old) as source, zipfile.ZipFile(new, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "data":
                content = json.dumps(json.loads(content) | settings).encode()
            target.writestr(name, content)


def serialized(pickled):
    """A setting as stable-baselines3 stores what JSON cannot hold."""
    return {":type:": "x", ":serialized:": base64.b64encode(pickled).decode()}


def of_the_gym_era(thing):
    """A pickle that names gym where ours name gymnasium."""
    pickled = pickle.dumps(thing, protocol=0)  # in which names stand as plain lines
    assert b"cgymnasium.spaces" in pickled
    return pickled.replace(b"cgymnasium.", b"cgym.")


def statistics(mean, env="Pendulum-v1"):
    """A VecNormalize that subtracts a mean."""
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    made = VecNormalize(DummyVecEnv([lambda: gymnasium.make(env)]))
    made.obs_rms.mean[:] = mean
    return made


LEARNED = {"num_timesteps": 100, "_last_original_obs": None}
NORMALISED = {"num_timesteps": 100, "_last_original_obs": {":type:": "x", ":serialized:": "x"}}
NAMES = [
    "agent_20_steps.vecnormalize.pkl",
    "agent_20_steps/vecnormalize.pkl",
    "agent_vecnormalize_20_steps.pkl",
    "Pendulum-v1/vecnormalize.pkl",
    "Pendulum-v0/vecnormalize.pkl",
    "vec_normalize.pkl",
    "vecnormalize.pkl",
]


@pytest.mark.parametrize("name", NAMES)
def test_statistics_are_found_under_the_names_in_use(zips, name):
    resaved(zips / "PPO.zip", "agent_20_steps.zip", **NORMALISED)
    Path(name).parent.mkdir(exist_ok=True)
    statistics(3.0).save(name)
    agent = il.expert(il.make("Pendulum-v1"), "sb3:agent_20_steps.zip", trust=True).source
    assert (agent.statistics.obs_rms.mean == 3.0).all()
    assert agent.note.endswith(f"observations are normalised by the statistics in {name}")
    obs = np.ones((2, 3), np.float32)
    raw = agent.model.predict(agent.statistics.normalize_obs(obs), deterministic=True)[0]
    np.testing.assert_array_equal(agent.predict(obs)[0], raw)


def test_the_name_that_tells_most_is_taken_and_others_are_left_alone(zips):
    resaved(zips / "PPO.zip", "agent_20_steps.zip", **NORMALISED)
    for name in reversed(NAMES):
        Path(name).parent.mkdir(exist_ok=True)
        statistics(1.0 + NAMES.index(name)).save(name)
        agent = load("sb3:agent_20_steps.zip", trust=True, env="Pendulum-v1")
        assert (agent.statistics.obs_rms.mean == 1.0 + NAMES.index(name)).all()
    other = Path("CartPole-v1")
    other.mkdir()
    statistics(9.0, "CartPole-v1").save(str(other / "vecnormalize.pkl"))
    assert load("sb3:agent_20_steps.zip", trust=True, env="Pendulum-v1").statistics is not None


def test_the_absence_of_statistics_is_said_and_is_a_warning_where_there_were_some(zips):
    plain = load(f"sb3:{zips / 'PPO'}.zip", trust=True)
    assert plain.note.endswith("no statistics found beside it: observations are taken as they are")
    resaved(zips / "PPO.zip", "scaled.zip", **NORMALISED)
    with pytest.warns(
        UserWarning, match=r"scaled.zip: no statistics .* but it learned under a Vec"
    ):
        assert load("sb3:scaled.zip", trust=True).statistics is None
    resaved(zips / "PPO.zip", "raw.zip", **LEARNED)
    statistics(3.0).save("vecnormalize.pkl")  # those of scaled.zip
    assert load("sb3:raw.zip", trust=True).statistics is None
    assert load("sb3:scaled.zip", trust=True).statistics is not None
    resaved(zips / "SAC.zip", "off_policy.zip", **NORMALISED)  # keeps a raw observation always
    Path("vecnormalize.pkl").unlink()
    assert "no statistics found" in load("sb3:off_policy.zip", trust=True).note


def test_statistics_that_do_not_fit_are_a_sentence(zips):
    resaved(zips / "PPO.zip", "agent.zip", **NORMALISED)
    statistics(0.0, "CartPole-v1").save("vecnormalize.pkl")
    with pytest.raises(ValueError, match=r"expected statistics of observations \(3,\), .* \(4,\)"):
        load("sb3:agent.zip", trust=True)
    Path("vecnormalize.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(ValueError, match="expected the statistics of a VecNormalize, got list"):
        load("sb3:agent.zip", trust=True)
    Path("vecnormalize.pkl").write_bytes(b"no pickle")
    with pytest.raises(ValueError, match="its statistics could not be read"):
        load("sb3:agent.zip", trust=True)


@pytest.mark.parametrize("name", ["PPO", "SAC", "DQN"])
def test_zips_of_the_gym_era_open_with_their_own_spaces(zips, name):
    today = load(f"sb3:{zips / name}.zip", trust=True)
    spaces_of_gym = {
        space: serialized(of_the_gym_era(getattr(today.model, space)))
        for space in ("observation_space", "action_space")
    }
    resaved(zips / f"{name}.zip", "old.zip", **spaces_of_gym)
    Path("old.vecnormalize.pkl").write_bytes(
        of_the_gym_era(statistics(0.5, "CartPole-v1" if name == "DQN" else "Pendulum-v1"))
    )
    old = load("sb3:old.zip", trust=True)
    assert old.model.action_space == today.model.action_space
    assert (old.statistics.obs_rms.mean == 0.5).all()
    obs = np.linspace(-1, 1, 5 * len(old.statistics.obs_rms.mean), dtype=np.float32).reshape(5, -1)
    scaled = old.statistics.normalize_obs(obs)
    np.testing.assert_array_equal(old.predict(obs)[0], today.predict(scaled)[0])


@pytest.mark.parametrize("name", ["PPO", "A2C", "SAC", "TD3", "DDPG", "DQN"])
def test_the_algorithm_is_told_by_the_zip_and_its_answers_are_the_model_s_own(zips, name):
    import stable_baselines3

    held = load(f"sb3:{zips / name}.zip", trust=True)
    model = getattr(stable_baselines3, name).load(zips / name, device="cpu")
    told = "TD3" if name == "DDPG" else name  # one class of policies; they answer alike
    assert type(held.model).__name__ == told
    obs = (
        np.random.default_rng(0).normal(size=(5, *model.observation_space.shape)).astype(np.float32)
    )
    np.testing.assert_array_equal(held.predict(obs)[0], model.predict(obs, deterministic=True)[0])
    named = load(f"sb3:{name}:{zips / name}.zip", trust=True)
    assert type(named.model).__name__ == name


def test_a_zip_that_is_not_trusted_is_not_opened(zips, monkeypatch):
    def opened(*args, **kwargs):
        raise AssertionError("opened")

    monkeypatch.setattr(zipfile, "ZipFile", opened)
    with pytest.raises(
        ValueError, match=r"runs whatever code .*; if you trust its author, add --trust"
    ) as stop:
        il.expert(il.make("Pendulum-v1"), f"sb3:{zips / 'PPO'}.zip")
    assert len(str(stop.value).splitlines()) == 1


def test_code_in_a_zip_runs_only_when_it_is_trusted(zips):
    """The refusal is about something: settings whose reading creates a file."""

    class Hostile:
        def __reduce__(self):
            return (Path("owned").touch, ())

    resaved(zips / "PPO.zip", "hostile.zip", extra=serialized(cloudpickle.dumps(Hostile())))
    with pytest.raises(ValueError, match="add --trust"):
        load("sb3:hostile.zip")
    assert not Path("owned").exists()
    load("sb3:hostile.zip", trust=True)
    assert Path("owned").exists()


def test_what_is_no_such_zip_is_a_sentence(zips):
    Path("text.zip").write_text("no")
    with zipfile.ZipFile("other.zip", "w") as other:
        other.writestr("data", json.dumps({"policy_class": {"__module__": "their.policies"}}))
    with zipfile.ZipFile("empty.zip", "w") as empty:
        empty.writestr("data", "[]")
    pendulum = il.make("Pendulum-v1")
    for spelling, sentence in (
        ("sb3:text.zip", "expected a zip that stable-baselines3 saved"),
        ("sb3:empty.zip", "expected a zip that stable-baselines3 saved"),
        ("sb3:none.zip", "there is no file none.zip"),
        (
            "sb3:other.zip",
            "policy class of their.policies tells no algorithm; name it, as in sb3:PPO:other.zip",
        ),
        (f"sb3:Nothing:{zips / 'PPO'}.zip", "no algorithm named 'Nothing'"),
        (f"sb3:SAC:{zips / 'PPO'}.zip", "SAC could not load it"),
        (f"sb3:{zips / 'DQN'}.zip", "was trained on observations Box"),
    ):
        with pytest.raises(ValueError, match=sentence):
            il.expert(pendulum, spelling, trust=True)
    fitting = il.expert(il.make("CartPole-v1"), f"sb3:{zips / 'DQN'}.zip", trust=True)
    fitting.source.model.action_space = spaces.Discrete(3)
    with pytest.raises(ValueError, match="was trained on actions Discrete"):
        require_fit(il.make("CartPole-v1"), fitting.source)


def test_evaluate_policy_returns_the_harness_s_returns_for_a_foreign_id(zips):
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor

    task = il.make("Pendulum-v1", horizon=40)
    held = load(f"sb3:{zips / 'PPO'}.zip", trust=True)
    seen = rollout(task, by_policy(task, CallablePolicy(task, held)), Streams((0,)), 3)
    own = Monitor(gymnasium.make("Pendulum-v1", max_episode_steps=40))
    for episode in range(3):
        seed = int(Streams((0,)).generator(0, "initial", episode).integers(2**31))
        own.reset = lambda s=seed, **_: Monitor.reset(own, seed=s)
        returns, _ = evaluate_policy(
            held.model, own, n_eval_episodes=1, return_episode_rewards=True
        )
        assert returns == pytest.approx([seen.returns[0, episode].item()], abs=1e-5)


def test_a_network_answers_a_run_the_same_alone_and_among_others(zips):
    env = il.make("Pendulum-v1", horizon=8, seeds=5)
    many = rollout(
        env,
        by_expert(env, il.expert(env, f"sb3:{zips / 'SAC'}.zip", trust=True)),
        Streams(env.seeds),
        3,
    )
    one = env[4]
    alone = rollout(
        one,
        by_expert(one, il.expert(one, f"sb3:{zips / 'SAC'}.zip", trust=True)),
        Streams(one.seeds),
        3,
    )
    assert torch.equal(many.state[4], alone.state[0])
    assert torch.equal(many.action[4], alone.action[0])


def test_run_with_a_zip_as_the_expert_and_again(zips, capsys):
    spelling = f"sb3:{zips / 'PPO'}.zip"
    where = ["--env", "Pendulum-v1", "--expert", spelling]
    quick = ["--algo", "bc", "--hidden", 4, "--updates", 5, "--no-video", *FEW]
    assert "add --trust" in refused(capsys, *where, *quick)
    command(*where, "--trust", *quick, "--out", "a")
    assert f"{spelling}: no statistics found beside it" in capsys.readouterr().out
    assert il.load("a").config["expert"] == spelling
    assert f"name it, as in --expert {spelling}" in refused(capsys, "--from", "a")
    assert "add --trust" in refused(capsys, "--from", "a", "--expert", spelling)
    command("--from", "a", "--expert", spelling, "--trust", "--no-video", "--out", "b")
    assert "Every array is identical" in capsys.readouterr().out.replace("\n", " ")
    command("a", "--expert", spelling, "--trust", main=measure.main)
    assert "action error of i (rows)" in capsys.readouterr().out
    assert "trust: expected --expert sb3:PATH beside it" in refused(capsys, "--trust", *QUICK)


def test_a_sweep_s_cells_open_a_zip_that_is_trusted(zips, capsys, monkeypatch):
    spelling = f"sb3:{zips / 'PPO'}.zip"
    sweeping = ["--env", "Pendulum-v1", "--algo", "bc", "--expert", spelling, "--seeds", 2]
    sweeping += ["--rollouts", 2, "--horizon", 8, "--updates", 5, "--hidden", 4, "--episodes", 1]
    assert "add --trust" in refused(capsys, *sweeping, "--jobs", 1, main=sweep.main)
    # What a worker of its own is sent is all that it knows.
    compute = workers.compute
    monkeypatch.setattr(
        workers,
        "compute",
        lambda folder, batch, *rest: compute(
            folder, cloudpickle.loads(cloudpickle.dumps(batch)), *rest
        ),
    )
    command(*sweeping, "--trust", "--jobs", 1, main=sweep.main)
    assert "2 runs, 0 of them finished before, 2 to do" in capsys.readouterr().out
    assert il.open("results").sizes["run"] == 2
    command(*sweeping, "--trust", "--jobs", 1, main=sweep.main)
    assert "2 runs, 2 of them finished before" in capsys.readouterr().out
    needless = ["--env", "tube", "--algo", "bc", "--trust", "--seeds", 1]
    assert "trust: expected --expert sb3:PATH" in refused(capsys, *needless, main=sweep.main)


def test_measure_takes_any_agent_without_a_record(zips, capsys):
    args = ["--policy", f"sb3:{zips / 'PPO'}.zip", "--env", "Pendulum-v1", *FEW]
    assert "add --trust" in refused(capsys, *args, main=measure.main)
    command(*args, "--trust", "--out", "table.json", main=measure.main)
    said = capsys.readouterr().out
    assert f"sb3:{zips / 'PPO'}.zip: no statistics found beside it" in said
    assert "growth a step, fitted" in said
    assert "stored in table.json" in said
    values = json.loads(Path("table.json").read_text())["rows"][0]["values"]
    assert values["cost gap"]["runs"] == 2
    assert "already exists" in refused(
        capsys, *args, "--trust", "--out", "table.json", main=measure.main
    )
    assert "trust: expected sb3:PATH beside it" in refused(
        capsys, "--policy", "tube", "--trust", main=measure.main
    )
    assert "see python -m il_bench.measure --help" in refused(capsys, "--policy", main=measure.main)


def test_measure_takes_anything_importable(capsys, monkeypatch):
    Path("agents_here.py").write_text(
        "import numpy as np\n"
        "def still(obs): return np.zeros((len(obs), 1))\n"
        "class Lazy:\n"
        "    def predict(self, obs, state=None, episode_start=None, deterministic=True):\n"
        "        assert deterministic\n"
        "        return still(obs), None\n"
        "lazy = Lazy()\n"
    )
    tables = []
    for name in ("still", "lazy"):
        out = Path(f"{name}.json")
        command(
            "--policy",
            f"agents_here:{name}",
            "--env",
            "tube",
            "--lipschitz",
            0.9,
            1.2,
            *FEW,
            "--out",
            out,
            main=measure.main,
        )
        tables.append(json.loads(out.read_text()))
    assert tables[0] == tables[1]
    assert [row["settings"]["lipschitz"] for row in tables[0]["rows"]] == [0.9, 1.2]
    command("--policy", "tube", "--env", "tube", *FEW, main=measure.main)
    assert "needs a policy; an expert has no such row" in capsys.readouterr().out
    for wrong in ("agents_here:Lazy", "agents_here:np"):
        assert "policy: expected an Expert class, a callable" in refused(
            capsys, "--policy", wrong, main=measure.main
        )


def test_an_agent_s_chance_cannot_be_repeated_and_is_refused():
    env = il.make("tube", horizon=5)
    policy = CallablePolicy(env, lambda obs: np.zeros((len(obs), 1)))
    with pytest.raises(ValueError, match="step 0: policy: its chance is its own"):
        il.compare(env, il.expert(env), episodes=2, sample=True, mine=policy)


def test_a_module_s_id_is_trained_as_gymnasium_spells_it(capsys):
    Path("desk_sb3.py").write_text(
        "import gymnasium\n"
        "from gymnasium.envs.classic_control import PendulumEnv\n"
        "class Own(PendulumEnv): pass\n"
        "gymnasium.register('TestDesk-v0', entry_point=Own, max_episode_steps=20)\n"
    )
    trained(env="desk_sb3:TestDesk-v0")
    assert Path("TestDesk-v0-A2C.zip").is_file()
    assert "desk_sb3" in sys.modules
    sentence = "expected a Gymnasium id or a registered name, got 'desk_sb3:Own'; register it first"
    assert sentence in refused(capsys, "train", "desk_sb3:Own", main=sb3.main)
    del gymnasium.registry["TestDesk-v0"]


def test_training_leaves_a_zip_with_its_statistics_and_overwrites_nothing(
    capsys, brief, monkeypatch
):
    monkeypatch.setenv("SB3_LOGDIR", "logs")  # where its own logger would make a folder
    trained("--out", "one.zip")
    said = capsys.readouterr().out
    assert "over 2 episodes; wrote one.zip and one.vecnormalize.pkl, which scales its obs" in said
    assert "--expert sb3:one.zip --trust" in said
    assert {p.name for p in Path().iterdir()} == {"one.zip", "one.vecnormalize.pkl"}
    held = load("sb3:one.zip", trust=True)
    raw = np.ones((2, 3), dtype=np.float32)
    scaled = np.clip(
        (1 - held.statistics.obs_rms.mean) / np.sqrt(held.statistics.obs_rms.var + 1e-8), -10, 10
    )
    expected = held.model.predict(np.tile(scaled, (2, 1)).astype(np.float32), deterministic=True)[0]
    np.testing.assert_allclose(held.predict(raw)[0], expected, rtol=1e-6)
    before = Path("one.zip").read_bytes()
    assert "one.zip already exists" in refused(
        capsys, "train", "Pendulum-v1", "--out", "one.zip", main=sb3.main
    )
    assert Path("one.zip").read_bytes() == before


def test_training_twice_gives_the_same_expert(capsys, brief):
    trained("--out", "one.zip")
    trained("--out", "two.zip")
    obs = np.eye(3, dtype=np.float32)
    one, two = (load(f"sb3:{name}.zip", trust=True) for name in ("one", "two"))
    assert [p.shape[0] for p in one.model.policy.mlp_extractor.policy_net.parameters()] == [4, 4]
    np.testing.assert_array_equal(one.predict(obs)[0], two.predict(obs)[0])


def test_an_interrupted_training_leaves_nothing(monkeypatch, capsys):
    from stable_baselines3 import A2C

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(A2C, "learn", interrupted)
    with pytest.raises(SystemExit) as stop:
        trained()
    assert stop.value.code == 130
    assert not list(Path().iterdir())


def test_an_interrupt_after_an_evaluation_keeps_the_best_so_far(monkeypatch, capsys, brief):
    from stable_baselines3 import A2C

    learn = A2C.learn

    def interrupted(self, steps, callback):
        learn(self, steps // 2, callback=callback)
        raise KeyboardInterrupt

    monkeypatch.setattr(A2C, "learn", interrupted)
    trained("--out", "half.zip")
    assert "step 30: stopped; the best policy so far is kept" in capsys.readouterr().out
    assert load("sb3:half.zip", trust=True).model.num_timesteps == 30


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ([], "sb3: expected train first, got nothing"),
        (["train", "Pendulm-v1"], "did you mean 'Pendulum-v1'?"),
        (["train", "Pendulum-v1", "--algo", "dqn"], "DQN: The algorithm only supports"),
        (
            ["train", "Pendulum-v1", "--out", "a.txt"],
            "out: expected a name that ends in .zip, got a.txt",
        ),
        (["train", "Pendulum-v1", "--out", "no/a.zip"], "out: there is no folder"),
        (
            ["train", "Pendulum-v1", "--steps", "0"],
            "steps: expected a whole number of at least 1, got 0",
        ),
        (["train", "my:Env"], "no module named 'my'"),
    ],
)
def test_what_cannot_be_trained_is_a_sentence(capsys, args, sentence):
    assert sentence in refused(capsys, *args, main=sb3.main)


def test_one_of_our_own_is_trained_by_its_short_name(capsys):
    command(
        "train",
        "resetcliff",
        "--algo",
        "dqn",
        "--steps",
        40,
        "--evaluations",
        1,
        "--episodes",
        1,
        main=sb3.main,
    )
    assert Path("il_bench-Resetcliff-v0-DQN.zip").is_file()
    env = il.make("resetcliff", horizon=4)
    agent = resolve.named(env, "sb3:il_bench-Resetcliff-v0-DQN.zip", trust=True)
    assert il.compare(env, il.expert(env), episodes=2, dqn=agent).learners == ["expert", "dqn"]


# Who is to blame, and where.


class _Late:
    """Answers zeros, and from its 8th call for few observations on something else."""

    def __init__(self, spoil, calls=8):
        self.spoil, self.calls = spoil, calls

    def predict(self, obs, state=None, episode_start=None, deterministic=True):
        out = np.zeros((len(obs), 1))
        self.calls -= 1
        return (self.spoil(out) if self.calls < 0 else out), None


def test_a_wrong_shape_in_the_middle_names_run_and_step():
    env = il.make("tube", horizon=12)
    for spoil, got in ((lambda out: out[:1], r"shape \(1, 1\)"), (lambda out: None, "NoneType")):
        policy = CallablePolicy(env, _Late(spoil))
        sentence = f"^step 8: policy at run 0: expected one action of U=1 for each of 3 observations, got {got}"
        with pytest.raises(ValueError, match=sentence):
            il.compare(env, il.expert(env), episodes=3, mine=policy)


def test_a_policy_of_ours_with_a_wrong_shape_in_the_middle_names_the_step():
    class Shrinking(Policy):
        runs = 1

        def act(self, obs, memory=None, draw=None):
            step = 0 if memory is None else memory
            return torch.zeros(*obs.shape[:2], 1 if step < 7 else 2), step + 1

        def __getitem__(self, run):
            return self

    env = il.make("tube", horizon=12)
    with pytest.raises(
        ValueError, match=r"^step 7: actions: expected \(R=1, E=3, U=1\), got \(1, 3, 2\)"
    ):
        il.compare(env, il.expert(env), episodes=3, mine=Shrinking())


def test_the_commands_name_run_and_step_of_what_left_the_finite_numbers(capsys):
    Path("gone.py").write_text(
        "import numpy as np\ndef nan(obs): return np.where(abs(obs[:, :1]) > 0.5, np.nan, 0.0)\n"
    )
    some = ["--seeds", 2, "--rollouts", 3, "--horizon", 12]
    command("--policy", "gone:nan", "--env", "tube", *some, main=measure.main)
    said = capsys.readouterr().out
    env = il.make("tube", horizon=12, seeds=2)
    import gone

    record = il.compare(env, il.expert(env), episodes=3, policy=CallablePolicy(env, gone.nan))
    step, episode = min(
        (s, e) for e, s in enumerate(record.arrays["broke"][1, 0].tolist()) if s >= 0
    )
    assert (
        f"policy became NaN or infinite in run 0 (episode {episode}, step {step}), run 1 (episode"
        in said
    )
    with np.errstate(invalid="raise"):
        assert np.isinf(record.arrays["divergence"][1, 0, episode, step + 1])


def test_run_names_them_too():
    from il_bench.records.rows import broken

    env = il.make("tube", horizon=4, seeds=2)
    expert = il.expert(env)
    policies = {
        "bc": il.BC(1, SMALL).learn(env, expert),
        "dagger": il.DAgger(rounds=2, training=SMALL).learn(env, expert),
    }
    record = il.compare(env, expert, policies, episodes=2)
    record.arrays["broke"][1, :, 1] = 5
    record.config["budgets"]["dagger"]["broke"] = {"1": 30}
    assert broken(record) == [
        "bc became NaN or infinite in run 0 (episode 1, step 5), run 1 (episode 1, step 5) and is frozen there, with D "
        "infinite.",
        "dagger became NaN or infinite in run 1 (update 30) in training, and learned no more.",
    ]
    assert broken(record, most=1)[0].startswith(
        "bc became NaN or infinite in run 0 (episode 1, step 5) and 1 more and"
    )


# Foreign environments: whether their twins couple, and how far a step stretches.


class _Stateful(gymnasium.Env):
    """s' = A s + (a, a): its Lipschitz constant is the norm of A, and everything is float64."""

    matrix: ClassVar = np.array([[1.1, 0.4], [-0.2, 0.7]])
    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float64)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.state = self.np_random.normal(size=2)
        return self.state.copy(), {}

    def step(self, action):
        self.state = self.matrix @ self.state + action
        return self.state.copy(), 1.0, False, False, {}


class _Hidden(_Stateful):
    """The same, of which nobody sees where the state is held."""

    def reset(self, seed=None, options=None):
        first = super().reset(seed=seed)
        self._kept, self.state = self.state, None
        return first

    def step(self, action):
        self._kept = self.matrix @ self._kept + action
        return self._kept.copy(), 1.0, False, False, {}


class _Misleading(_Stateful):
    """An attribute called state, which is not what steps on."""

    def step(self, action):
        self.inner = self.matrix @ getattr(self, "inner", np.ones(2)) + action
        return self.inner.copy(), 1.0, False, False, {}


class _Leaky(_Stateful):
    """Takes random numbers that no seed commands, from the third step on."""

    chance: ClassVar = np.random.default_rng()

    def reset(self, seed=None, options=None):
        self.asked = 0
        return super().reset(seed=seed)

    def step(self, action):
        self.asked += 1
        obs, *rest = super().step(action)
        return obs + (self.asked > 2) * self.chance.normal(size=2), *rest


class _Short(_Stateful):
    """Cuts its own episodes after the fifth step, which is no end."""

    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, seed=None, options=None):
        self.asked = 0
        return super().reset(seed=seed)

    def step(self, action):
        self.asked += 1
        obs, reward, over, _, info = super().step(action)
        return obs, reward, over, self.asked == 5, info


class _Plain(_Stateful):
    """The linear one with actions that a network can give."""

    observation_space = spaces.Box(-100.0, 100.0, (2,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)


@pytest.fixture(autouse=True)
def _registered():
    for cls in (_Stateful, _Hidden, _Misleading, _Leaky, _Short, _Plain):
        gymnasium.register(
            f"Test{cls.__name__.strip('_')}-v0", entry_point=cls, max_episode_steps=20
        )
    yield
    for name in [n for n in gymnasium.registry if n.startswith("Test")]:
        del gymnasium.registry[name]


def test_a_linear_environment_s_estimate_is_the_norm_of_its_matrix():
    value, note = estimate(lambda: gymnasium.make("TestStateful-v0"))
    assert value == pytest.approx(np.linalg.norm(_Stateful.matrix, 2), rel=1e-6)
    assert "unwrapped.state moved by 0.001 of its spread" in note
    assert "a lower bound" in note


def test_without_its_state_a_pair_of_resets_finds_no_more_than_the_norm():
    value, note = estimate(lambda: gymnasium.make("TestHidden-v0"))
    norm, radius = (
        np.linalg.norm(_Stateful.matrix, 2),
        np.abs(np.linalg.eigvals(_Stateful.matrix)).max(),
    )
    assert radius * 0.99 <= value <= norm * (1 + 1e-6)
    assert "its state cannot be set" in note


def test_a_state_that_does_not_step_on_is_not_believed():
    assert "its state cannot be set" in estimate(lambda: gymnasium.make("TestMisleading-v0"))[1]


def test_cartpole_s_estimate_lies_below_the_largest_jacobian_and_near_it(capsys):
    """Finite differences of Gymnasium's equations over its whole box say 1.2134; about upright it is 1.1788."""
    value, note = estimate(lambda: gymnasium.make("CartPole-v1"))
    assert 1.1788 < value < 1.2134 * (1 + 1e-3)  # observations are float32
    from il_bench import certify

    certify.main(["CartPole-v1"])
    said = capsys.readouterr().out
    assert "CartPole-v1: estimated" in said
    assert note in said
    assert "nothing is claimed beyond what those pairs have shown" in said


def test_an_environment_that_does_not_couple_is_named_with_run_and_step():
    env = il.make("TestLeaky-v0", seeds=2)
    with pytest.raises(
        ValueError,
        match=r"expert in TestLeaky-v0 with the same seed part at run 0, episode 0, step 3;",
    ):
        il.compare(env, il.expert(env, lambda obs: -0.1 * obs[:, :1]), episodes=2)


def test_an_environment_that_cuts_its_own_episode_stops_and_does_not_end():
    env = il.make("TestShort-v0", horizon=8)
    seen = rollout(
        env, by_expert(env, il.expert(env, lambda obs: 0 * obs[:, :1])), Streams((0,)), 2
    )
    assert not seen.terminated.any()
    assert seen.truncated.all()
    assert (seen.length == 5).all()
    assert (seen.reward[0, 0] == torch.tensor([1.0] * 5 + [0.0] * 3)).all()
    assert (seen.state[0, 0, 5] == seen.state[0, 0, 8]).all()


def test_an_expert_that_leaves_the_finite_numbers_is_named_with_run_and_step():
    env = il.make("TestPlain-v0", seeds=2)
    lost = il.expert(env, lambda obs: np.where(abs(obs[:, :1]) < 1e-3, np.nan, np.nan * obs[:, :1]))
    with pytest.raises(
        ValueError,
        match=r"became NaN or infinite in TestPlain-v0 at run 0, episode 0, step 0; check",
    ):
        il.compare(env, lost, episodes=2)


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "TestPlain-v0"])
def test_a_foreign_environment_keeps_the_contract_with_its_expert(name):
    env = il.make(name, seeds=3, horizon=12)
    source = (lambda obs: -0.1 * obs[:, :1]) if name.startswith("Test") else None
    assert contract.problems(env, il.expert(env, source)) == []


def test_cartpole_is_held_for_all_its_500_steps_and_the_pendulum_upright():
    env = il.make("CartPole-v1", seeds=2)
    seen = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds), 4)
    assert (seen.returns == 500).all()
    env = il.make("Pendulum-v1", seeds=2)
    seen = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds), 8)
    assert (seen.state[:, :, 150:, 0] > 0.999).all()


def test_an_id_whose_package_is_missing_is_a_sentence():
    gymnasium.register("TestMissing-v0", entry_point="no_such_package:Env")
    with pytest.raises(ValueError, match="TestMissing-v0: Gymnasium cannot make it"):
        il.make("TestMissing-v0")


@mujoco
def test_hopper_is_an_environment_whose_copies_can_be_put_into_a_state():
    env = il.make("Hopper-v5", seeds=2, horizon=20)
    expert = il.expert(env, lambda obs: np.zeros((len(obs), 3)))
    policy = il.BC(episodes=1, training=SMALL).learn(env, expert)
    record = il.compare(env, expert, episodes=2, bc=policy)
    assert record.arrays["state"].shape[-1] == 11
    certificate = env.certificate()
    assert certificate.kind == "estimated"
    assert certificate.value[0] > 1
    assert "qpos and qvel moved" in certificate.note
