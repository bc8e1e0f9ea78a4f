"""Both sides of the border to Minari: what is written is what happened, and what comes back is what was written."""

import dataclasses
import functools
import json
import os
import sys
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from conftest import SMALL
from gymnasium import spaces
from test_run import _no_figure_unless_asked_for  # noqa: F401

import il_bench as il
from il_bench import run
from il_bench.borders import minari_out
from il_bench.borders.minari_in import demonstrations, opened
from il_bench.core.policy import Log
from il_bench.core.rollout import by_expert, by_policy, label, observe, rollout
from il_bench.core.streams import Streams
from il_bench.fit.dataset import dataset
from il_bench.jobs import repetition

minari = pytest.importorskip(
    "minari", reason="minari is not installed; pip install 'il-bench[minari]'"
)
h5py = pytest.importorskip("h5py", reason="h5py is not installed; pip install 'il-bench[minari]'")

from minari.data_collector import EpisodeBuffer  # noqa: E402

ID = "il_bench/lane/expert-v0"
MATRIX = ("power",)
"""Environments whose transition is a matrix product, which may round otherwise alone than among many."""


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    return tmp_path / "datasets"


@functools.cache
def compared(name="lane", episodes=2, purpose="evaluation", **settings):
    """A Record of the expert and of a clone that soon fails, of two seeds."""
    env = il.make(name, **{"horizon": 30, "seeds": 2, **settings})
    expert = il.expert(env)
    policy = il.BC(1, dataclasses.replace(SMALL, updates=5)).learn(env, expert)
    return il.compare(
        env, expert, episodes=episodes, bc=policy, streams=Streams(env.seeds).fork(purpose)
    )


def about(held, i):
    return next(iter(held.storage.get_episode_metadata([i])))


def demos(env, identifier=ID, episodes=2, labels=0.0):
    return demonstrations(f"minari:{identifier}", env, episodes, labels, Log())


def same(one, two):
    """Two datasets are equal, bit for bit."""
    assert one.lengths == two.lengths
    for name in ("obs", "action", "weight"):
        mine, its = getattr(one, name), getattr(two, name)
        assert mine.dtype == its.dtype
        assert torch.equal(mine, its), name


def equal(one, two):
    return all(
        torch.equal(p, q) for p, q in zip(one.arrays().values(), two.arrays().values(), strict=True)
    )


def stranger(
    identifier="theirs/task-v0", obs=None, action=None, lengths=(4, 6), dtype=np.float64, **changes
):
    """A dataset that somebody else made: no specification of an environment, float64, episodes of several lengths."""
    obs, action = (
        obs or spaces.Box(-5.0, 5.0, (4,), dtype),
        action or spaces.Box(-1.0, 1.0, (1,), np.float32),
    )
    for seed, space in enumerate((obs, action)):
        space.seed(seed)
    buffers = []
    for steps in lengths:
        seen, done = [obs.sample() for _ in range(steps + 1)], np.arange(steps) == steps - 1
        if isinstance(obs, spaces.Dict):
            seen = {key: [part[key] for part in seen] for key in obs}
        taken = np.array([action.sample() for _ in range(steps)])
        parts = {"observations": seen, "actions": taken, "rewards": np.ones(steps)}
        parts |= {"terminations": done, "truncations": ~done & False, **changes}
        buffers.append(EpisodeBuffer(**parts))
    return minari.create_dataset_from_buffers(
        identifier, buffers, observation_space=obs, action_space=action, author="a", author_email="a", code_permalink="a",
        algorithm_name="a", description="a", eval_env="CartPole-v1",
    )  # fmt: skip


@pytest.fixture
def theirs():
    with pytest.warns(UserWarning, match="env_spec is None"):
        yield stranger


@pytest.mark.parametrize("name", [*il.ENVS, "Pendulum-v1", "CartPole-v1"])
def test_the_recovered_environment_repeats_every_episode_bit_for_bit(name):
    compared(name, horizon=12).to_minari(ID, "bc")
    held = minari.load_dataset(ID)
    env, compare = (
        held.recover_environment(),
        np.testing.assert_allclose if name in MATRIX else np.testing.assert_array_equal,
    )
    for i, episode in enumerate(held):
        meta = about(held, i)
        seen = [env.reset(seed=meta["seed"], options=meta.get("options"))[0]]
        told = []
        for action in episode.actions:
            obs, *rest = env.step(action)
            seen.append(obs)
            told.append(rest[:3])
        compare(np.array(seen, dtype=np.float32), episode.observations)
        compare([row[0] for row in told], episode.rewards)
        np.testing.assert_array_equal(
            [row[1:] for row in told], np.stack([episode.terminations, episode.truncations], 1)
        )
        assert held.observation_space.contains(episode.observations[0])
        assert held.action_space.contains(episode.actions[0])


def test_what_is_written_is_what_was_measured():
    record = compared(horizon=60)
    held = record.to_minari(ID, "bc", author="somebody")
    a = {name: array[1] for name, array in record.arrays.items()}
    assert held.total_episodes == 4
    assert held.total_steps == a["length"].sum() < a["reward"].size  # frozen steps are not there
    for i, episode in enumerate(held):
        meta = about(held, i)
        r, e = meta["run"], meta["episode"]
        steps = a["length"][r, e]
        assert (i, meta["seed"], len(episode)) == (2 * r + e, r, steps)
        obs = observe(record.env, torch.from_numpy(a["state"][:, e, : steps + 1]))[r]
        np.testing.assert_array_equal(episode.observations, obs)
        np.testing.assert_array_equal(episode.actions, a["action"][r, e, :steps])
        np.testing.assert_array_equal(episode.rewards, a["reward"][r, e, :steps])
        np.testing.assert_array_equal(episode.infos["state"], a["state"][r, e, : steps + 1])
        assert episode.observations.dtype == np.float32
        assert episode.terminations.tolist() == [False] * (steps - 1) + [a["terminated"][r, e]]
        assert episode.truncations.tolist() == [False] * (steps - 1) + [steps == 60]
    assert held.storage.metadata["author"] == {"somebody"}
    assert held.storage.metadata["algorithm_name"] == "bc"


def test_the_specification_is_strings_and_settings_and_the_evaluation_begins_other_episodes():
    record = compared(lipschitz=1.1, wind=0.01)
    record.to_minari(ID)
    held = minari.load_dataset(ID)
    spec = json.loads(held.env_spec.to_json())
    assert (spec["id"], spec["entry_point"]) == ("il_bench/Lane-v0", "il_bench.gym:GymEnv")
    assert dataclasses.replace(held.recover_environment().unwrapped.task, seed=0) == record.env[0]
    other = held.recover_environment(eval_env=True)
    assert not np.array_equal(other.reset(seed=0)[0], held[0].observations[0])
    vector = gymnasium.make_vec(held.env_spec, num_envs=2)
    np.testing.assert_array_equal(
        vector.reset(seed=0)[0], [held[0].observations[0], held[2].observations[0]]
    )


def test_one_dataset_holds_one_setting():
    record = compared(lipschitz=(1.1, 1.2))
    with pytest.raises(
        ValueError,
        match=r"expected runs of one setting.*got lipschitz = 1.1, 1.2; choose with runs=",
    ):
        record.to_minari(ID)
    for number, (key, runs) in enumerate(record.groups().items()):
        held = record.to_minari(f"il_bench/lane/expert-v{number}", runs=runs)
        assert held.recover_environment().unwrapped.task.values("lipschitz") == (
            dict(key)["lipschitz"],
        )
        assert [about(held, i)["run"] for i in range(4)] == np.repeat(runs, 2).tolist()


@pytest.mark.parametrize("name", ["lane", "resetcliff"])
def test_a_rollout_comes_back_as_the_dataset_it_makes_bit_for_bit(name):
    env = il.make(name, horizon=40)
    policy = il.BC(1, dataclasses.replace(SMALL, updates=5)).learn(env, il.expert(env))
    streams = Streams(env.seeds).fork("demonstrations")
    seen = rollout(env, by_policy(env, policy), streams, 5)
    assert name != "lane" or (seen.length < 40).any()  # some end early
    minari_out.write(ID, env, seen, streams)
    same(dataset(env, seen, seen.action), demos(env, episodes=5))


@pytest.mark.parametrize(
    ("name", "net"), [("lane", "mlp"), ("tube", "ridge"), ("resetcliff", "table-per-step")]
)
def test_cloning_what_the_expert_wrote_is_cloning_the_expert(name, net):
    env = il.make(name, horizon=12)
    expert, training = il.expert(env), dataclasses.replace(SMALL, net=net)
    il.compare(
        env, expert, episodes=4, streams=Streams(env.seeds).fork("demonstrations")
    ).to_minari(ID)
    asked, read = (
        il.BC(3, training).learn(env, expert),
        il.BC(3, training, demos=f"minari:{ID}").learn(env, expert),
    )
    assert equal(asked, read)
    assert torch.equal(asked.log.labels, read.log.labels)
    assert (read.log.steps, read.log.updates) == (0, asked.log.updates)


def test_every_run_reads_the_same_file_and_is_the_same_alone():
    compared(purpose="demonstrations").to_minari(ID)
    env = il.make("lane", horizon=30, lipschitz=(1.1, 1.2), seeds=2)
    data = demos(env)
    assert (data.obs == data.obs[:1]).all()
    assert (data.action == data.action[:1]).all()
    learner = il.BC(3, SMALL, demos=f"minari:{ID}")
    many, alone = learner.learn(env, il.expert(env)), learner.learn(env[2], il.expert(env[2]))
    assert equal(many[2], alone)
    assert not equal(many[2], many[3])


def test_labels_are_a_budget_of_each_run():
    env = il.make("lane", horizon=12, seeds=2)
    expert, streams = il.expert(env[0]), Streams((0,)).fork("demonstrations")
    seen = rollout(env[0], by_expert(env[0], expert), streams, 3)
    minari_out.write(ID, env[0], seen, streams)
    log = Log()
    data = demonstrations(f"minari:{ID}", env, 1, (5.0, 17.0), log)
    assert log.labels.tolist() == [5, 17]
    assert data.lengths == (12, 12)  # as many episodes as hold them
    assert data.weight.nonzero()[:, 1].tolist() == [*range(5), *range(17)]
    whole = dataset(env[0], seen, label(env[0], expert, seen, Log()))
    assert torch.equal(data.action[0], whole.action[0, :24])


def test_what_left_the_finite_numbers_is_truncated_and_what_took_no_step_is_not_there():
    env = il.make("lane", horizon=12)
    streams = Streams(env.seeds).fork("evaluation")
    seen = rollout(env, by_expert(env, il.expert(env)), streams, 3)
    broken = torch.tensor([[0, 4, -1]])
    seen = dataclasses.replace(seen, length=torch.tensor([[0, 4, 12]]), broke=broken)
    seen.action[0, 1, 4:] = torch.nan
    held = minari_out.write(ID, env, seen, streams)
    assert [len(episode) for episode in held] == [4, 12]
    assert [about(held, i)["episode"] for i in range(2)] == [1, 2]
    assert held[0].truncations.tolist() == [False, False, False, True]
    assert not held[0].terminations.any()
    with pytest.raises(ValueError, match="expected an episode of at least one step"):
        minari_out.write(
            "il_bench/lane/expert-v1", env, dataclasses.replace(seen, length=0 * broken), streams
        )


def test_a_record_from_disk_writes_the_same_and_an_old_one_was_of_the_evaluation(tmp_path):
    record = compared(purpose="evaluation")
    loaded = il.load(record.save(tmp_path / "kept"))
    held = loaded.to_minari(ID)
    old = il.load(tmp_path / "kept")
    assert old.config.pop("streams") == {"path": "/evaluation", "seeds": [0, 1], "first": [0, 0]}
    other = old.to_minari("il_bench/lane/expert-v1")
    for one, two, three in zip(
        held, other, record.arrays["action"][0].reshape(4, 30, 1), strict=True
    ):
        np.testing.assert_array_equal(one.observations, two.observations)
        np.testing.assert_array_equal(one.actions, three)
    assert held.env_spec == other.env_spec
    old.config["streams"] = {"path": "/evaluation", "seeds": [0]}
    with pytest.raises(ValueError, match="record: its streams are not those of 2 runs"):
        old.to_minari("il_bench/lane/expert-v2")


def test_streams_that_begin_later_are_repeated_too():
    env = il.make("lane", horizon=12, seeds=2)
    record = il.compare(
        env, il.expert(env), episodes=1, streams=Streams(env.seeds, path="").from_episode((3, 5))
    )
    held = record.to_minari(ID)
    again = held.recover_environment()
    for i, episode in enumerate(held):
        obs, _ = again.reset(seed=about(held, i)["seed"], options=about(held, i)["options"])
        np.testing.assert_array_equal(obs, episode.observations[0])
    assert [about(held, i)["episode"] for i in range(2)] == [3, 5]


def test_a_stranger_s_dataset_teaches(theirs):
    held = theirs(lengths=(4, 60, 6))
    env = il.make("lane", horizon=12)
    data = demos(env, "theirs/task-v0", episodes=3)
    assert data.lengths == (60,) * 3
    assert data.weight.sum() == 70
    np.testing.assert_array_equal(data.obs[0, 60:120], held[1].observations[:60].astype(np.float32))
    np.testing.assert_array_equal(
        data.obs[0, 5:60], np.repeat(held[0].observations[4:].astype(np.float32), 55, 0)
    )
    policy = il.BC(3, SMALL, demos="minari:theirs/task-v0").learn(env, il.expert(env))
    assert policy.log.labels.tolist() == [70]


def test_a_stranger_s_discrete_dataset_teaches(theirs):
    theirs(action=spaces.Discrete(2))
    env = il.make("CartPole-v1", horizon=12)
    policy = il.BC(2, SMALL, demos="minari:theirs/task-v0").learn(
        env, il.expert(env, lambda obs: obs[:, 2] > 0)
    )
    assert policy.predict(np.zeros(4))[0] in (0, 1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"obs": spaces.Dict(a=spaces.Box(0, 1, (2,)), b=spaces.Box(0, 1, (2,)))}, r"a flat Box of 4, got Dict\(a, b\)"),
        ({"obs": spaces.Box(0, 255, (8, 8, 3), np.uint8)}, r"a flat Box of 4, got Box\(8, 8, 3\)"),
        ({"obs": spaces.Box(0, 1, (17,))}, r"observations of lane, a flat Box of 4, got Box\(17,\) from theirs/task-v0"),
        ({"action": spaces.Discrete(2)}, r"actions of lane, a Box of \(1,\), got Discrete\(2\)"),
        ({"action": spaces.Box(-1, 1, (2,))}, r"actions of lane, a Box of \(1,\), got Box\(2,\)"),
        ({"action": spaces.MultiDiscrete([2, 2])}, r"a Box of \(1,\), got MultiDiscrete"),
        ({"lengths": (4,)}, "expected 2 episodes, theirs/task-v0 holds 1; ask for at most those"),
        ({"actions": np.full((4, 1), np.nan), "lengths": (4,)}, "episode 0 holds numbers that are not finite"),
        ({"actions": np.zeros((3, 1)), "lengths": (4,)}, r"episode 0 of 4 steps has observations \(5, 4\) and actions \(3, 1\)"),
    ],
)  # fmt: skip
def test_a_dataset_that_does_not_fit_is_a_sentence(theirs, changes, sentence):
    theirs(**changes)
    with pytest.raises(ValueError, match=sentence):
        demos(il.make("lane", horizon=12), "theirs/task-v0")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"action": spaces.Discrete(2, start=1)}, r"Discrete of 2, got Discrete\(2, start=1\)"),
        ({"action": spaces.Discrete(3)}, r"Discrete of 2, got Discrete\(3\)"),
        ({"action": spaces.Box(-1, 1, (1,))}, r"Discrete of 2, got Box\(1,\)"),
        ({"action": spaces.Discrete(2), "actions": [0, 1, 2, 1], "lengths": (4,)}, r"episode 0 has actions that are not of"),
        ({"action": spaces.Discrete(2), "actions": [0, 0.5], "lengths": (2,)}, r"episode 0 has actions that are not of"),
    ],
)  # fmt: skip
def test_discrete_actions_that_do_not_fit_are_a_sentence(theirs, changes, sentence):
    theirs(**changes)
    with pytest.raises(ValueError, match=sentence):
        demos(il.make("CartPole-v1", horizon=12), "theirs/task-v0")


def test_more_labels_than_a_file_holds_is_a_sentence(theirs):
    theirs()
    with pytest.raises(
        ValueError, match="expected 11 labels, theirs/task-v0 holds 10; ask for fewer"
    ):
        demos(il.make("lane", horizon=12), "theirs/task-v0", labels=11.0)


def test_a_missing_dataset_says_how_to_get_it(root):
    env = il.make("lane", horizon=12)
    with pytest.raises(
        ValueError,
        match=r"no dataset 'mujoco/hopper/expert-v0' in .*datasets; .*minari download mujoco/h",
    ):
        demos(env, "mujoco/hopper/expert-v0")
    for wrong in ("lane", "../lane-v0", "/etc/lane-v0", "lane/v0", "a/../b-v0", ""):
        with pytest.raises(
            ValueError, match=r"expected an id such as il_bench/lane/expert-v0, got"
        ):
            demos(env, wrong)
    with pytest.raises(ValueError, match=r"demos: expected minari:ID, got 'hopper\.hdf5'"):
        il.BC(demos="hopper.hdf5")


def test_loading_builds_no_environment(root, tmp_path):
    compared().to_minari(ID)
    target = tmp_path / "made by the specification"
    description = root / ID / "data" / "metadata.json"
    held = json.loads(description.read_text())
    call = {
        "id": "X-v0",
        "entry_point": "os:mkdir",
        "kwargs": {"path": str(target)},
        "additional_wrappers": [],
    }
    held["env_spec"] = held["eval_env_spec"] = json.dumps(call)
    description.write_text(json.dumps(held))
    env = il.make("lane", horizon=12, seeds=(7,))
    assert len(demos(env)) == 60
    for lacking in ({}, {"action_space": None}):
        description.write_text(
            json.dumps({k: v for k, v in held.items() if k != "action_space"} | lacking)
        )
        with pytest.raises(
            ValueError,
            match=r"lacks action_space, and building its environment .* a stranger's code",
        ):
            demos(env)
    assert not target.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: (data / "metadata.json").unlink(),
        lambda data: (data / "metadata.json").write_text("[]"),
        lambda data: (data / "metadata.json").write_text("{" * 10_000),
        lambda data: (data / "main_data.hdf5").unlink(),
        lambda data: (data / "main_data.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)),
        lambda data: (data / "main_data.hdf5").write_bytes(
            (data / "main_data.hdf5").read_bytes()[:-3000]
        ),
    ],
)
def test_a_damaged_dataset_is_a_sentence(root, damage):
    compared().to_minari(ID)
    damage(root / ID / "data")
    with pytest.raises(
        ValueError, match=f"minari: {ID} cannot be read .*; fetch or write it again"
    ) as told:
        demos(il.make("lane", horizon=12, seeds=(7,)))
    assert "\n" not in str(told.value)


def hostile(file, how):
    """A first observation array that is not what it seems."""
    del file["episode_0/observations"]
    if how == "huge":
        file.create_dataset(
            "episode_0/observations", (10**9, 4), "f8", chunks=(1000, 4), compression="gzip"
        )
    elif how == "link":
        file["episode_0/observations"] = h5py.ExternalLink("elsewhere.hdf5", "/secret")
    elif how == "external":
        file.create_dataset(
            "episode_0/observations", (13, 4), "f4", external=[("elsewhere.bin", 0, 208)]
        )
    elif how == "chunk":
        shape = {"shape": (31, 4), "maxshape": (None, 4), "chunks": (10**7, 4)}
        file.create_dataset("episode_0/observations", dtype="f4", **shape)
    elif how == "references":
        numbers = h5py.vlen_dtype("f4")
        file.create_dataset("episode_0/observations", (31,), numbers)
    elif how == "twice packed":
        packing = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        packing.set_chunk((31, 4))
        packing.set_deflate(9)
        packing.set_deflate(9)
        place = file["episode_0"].id
        space = h5py.h5s.create_simple((31, 4))
        h5py.h5d.create(place, b"observations", h5py.h5t.IEEE_F32LE, space, packing)
    elif how == "group":
        file.create_group("episode_0/observations")
    else:
        layout = h5py.VirtualLayout((13, 4), "f4")
        layout[:] = h5py.VirtualSource("elsewhere.hdf5", "secret", (13, 4))
        file.create_virtual_dataset("episode_0/observations", layout)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("huge", r"declares 32,000,000,000 bytes, of which 0 are stored"),
        ("link", "is a link; only arrays that the file itself holds are read"),
        ("external", "is stored in another file"),
        ("virtual", "is stored in another file"),
        ("chunk", "declares chunks of 160,000,000 bytes"),
        ("references", "holds object, expected numbers"),
        ("twice packed", r"is packed by filters \[1, 1\], expected deflate"),
        ("group", "is no array"),
    ],
)
def test_an_array_that_is_elsewhere_or_nowhere_is_refused_unread(root, how, sentence):
    compared().to_minari(ID)
    with h5py.File(root / ID / "data" / "main_data.hdf5", "a") as file:
        hostile(file, how)
    with pytest.raises(ValueError, match=f"minari: {ID} cannot be read .*{sentence}"):
        demos(il.make("lane", horizon=12, seeds=(7,)))


def bombs(file):
    """A group that has 2^40 names, one that holds itself, and something huge: all beside the episodes."""
    group = file.create_group("bomb")
    for _ in range(40):
        inner = group.create_group("a")
        group["b"] = inner
        group = inner
    group["again"] = file["bomb"]
    file["episode_0/infos/bomb"] = file["bomb"]
    file.create_dataset("huge", (10**12,), "f8")


def test_what_is_not_read_is_not_looked_at(root):
    compared().to_minari(ID)
    env = il.make("lane", horizon=12, seeds=(7,))
    before = demos(env)
    with h5py.File(root / ID / "data" / "main_data.hdf5", "a") as file:
        bombs(file)
    same(before, demos(env))


@pytest.mark.parametrize("count", [300_000_000, -1, 1e9, 10**30, None, True])
def test_episodes_that_are_not_there_are_refused_before_room_is_made_for_them(root, count):
    compared().to_minari(ID)
    description = root / ID / "data" / "metadata.json"
    about = json.loads(description.read_text())
    description.write_text(json.dumps({**about, "total_episodes": count}))
    with pytest.raises(ValueError, match=r"its metadata.json counts .* episodes where 4 may be"):
        opened(ID)


@pytest.mark.parametrize("name", ["main_data.hdf5", "metadata.json"])
def test_a_pipe_in_place_of_a_file_is_refused_at_once(root, name):
    compared().to_minari(ID)
    file = root / ID / "data" / name
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ValueError, match=f"minari: {ID} cannot be read .*{name}"):
        opened(ID)


def test_an_old_pyarrow_is_refused(root, monkeypatch):
    compared().to_minari(ID)
    description = root / ID / "data" / "metadata.json"
    description.write_text(description.read_text().replace('"hdf5"', '"arrow"'))
    from importlib import metadata

    monkeypatch.setattr(metadata, "version", lambda name: "14.0.0")
    with pytest.raises(ValueError, match=r"pyarrow 14\.0\.0 unpickles what a file holds"):
        opened(ID)


@pytest.mark.parametrize("data_format", ["arrow", "parquet"])
def test_the_other_formats_are_the_same(data_format):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; pip install 'minari[arrow]'")
    record = compared(purpose="demonstrations")
    record.to_minari(ID)
    record.to_minari("il_bench/lane/expert-v1", data_format=data_format)
    env = il.make("lane", horizon=30)
    same(demos(env, episodes=4), demos(env, "il_bench/lane/expert-v1", episodes=4))


def test_the_evaluation_s_own_episodes_are_named():
    compared().to_minari(ID)
    env = il.make("lane", horizon=30, seeds=(1, 2))
    with pytest.warns(
        UserWarning, match=r"holds the episodes that il.compare measures under seeds \[1\]"
    ):
        il.BC(2, SMALL, demos=f"minari:{ID}").learn(env, il.expert(env))


def test_a_dataset_is_written_whole_or_not_at_all_and_never_over_another(root, monkeypatch):
    record = compared()
    record.to_minari(ID)
    with pytest.raises(ValueError, match=f"minari: {ID} already exists"):
        record.to_minari(ID)
    with pytest.raises(ValueError, match="learner: expected expert or bc, got 'dagger'"):
        record.to_minari("il_bench/lane/dagger-v0", "dagger")
    with pytest.raises(IndexError, match="run: expected 0 to 1, got 2"):
        record.to_minari("il_bench/lane/expert-v1", runs=[2])
    with pytest.raises(TypeError, match="autor"):
        record.to_minari("il_bench/lane/expert-v1", autor="somebody")
    monkeypatch.setattr(minari_out, "_number", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        record.to_minari("il_bench/lane/expert-v1")
    assert [p.name for p in (root / "il_bench" / "lane").iterdir() if p.is_dir()] == ["expert-v0"]


def test_without_minari_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(ImportError, match=r"minari is not installed; pip install 'minari\[hdf5\]'"):
        il.BC(demos=f"minari:{ID}").learn(il.make("lane"), il.expert(il.make("lane")))


def test_the_command_learns_from_a_file_and_can_repeat_it(capsys):
    compared(purpose="demonstrations").to_minari(ID)
    quick = [
        "--seeds",
        "2",
        "--rollouts",
        "2",
        "--horizon",
        "12",
        "--hidden",
        "8",
        "--updates",
        "20",
        "--no-video",
    ]
    run.main(["--algo", "bc", "--demos", f"minari:{ID}", "--episodes", "3", *quick, "--out", "a"])
    assert f"imitates minari:{ID}" in "".join(capsys.readouterr().out.split("\n"))
    budget = il.load("a").config["budgets"]["bc"]
    assert (budget["labels"], budget["steps"]) == ([90, 90], [0, 0])
    _, _, learners, _ = repetition.repeated(["--from", "a"])
    learner = learners["bc"]
    assert (learner.demos, learner.episodes) == (f"minari:{ID}", 3)
    with pytest.raises(SystemExit):
        run.main(["--algo", "bc", "--demos", "minari:theirs/task-v0", *quick])
    said = capsys.readouterr().err
    assert said.startswith("il_bench: minari: no dataset 'theirs/task-v0'")
    assert said.count("\n") == 1


class Clocked(gymnasium.Env):
    """Ends itself after five steps."""

    observation_space: ClassVar = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space: ClassVar = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self._step = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self._step += 1
        return np.full(2, self._step / 9, np.float32), 1.0, False, self._step == 5, {}


def test_an_environment_that_ends_itself_is_written_without_a_step_more():
    gymnasium.register("TestClocked-v0", entry_point=f"{__name__}:Clocked")
    record = il.compare(
        il.make("TestClocked-v0", horizon=20), lambda obs: 0 * obs[:, :1], episodes=2
    )
    held = record.to_minari("test/clocked-v0")
    for episode in held:
        assert len(episode) == 5
        assert episode.truncations.tolist() == [False] * 4 + [True]
        assert not episode.terminations.any()
    del gymnasium.registry["TestClocked-v0"]
