"""Policies and environments come back: from a file, from a Record, from pickle."""

import json
import os
import pickle

import numpy as np
import pytest
import torch
from conftest import SMALL, tiny
from gymnasium import spaces
from safetensors import safe_open
from safetensors.torch import save_file

import il_bench as il
from il_bench.core import files, policy_file
from il_bench.core.registry import NETS
from il_bench.core.streams import Streams

TASKS = ("lane", "resetcliff")
"""A task with Box actions, and one with Discrete ones."""


def fitted(net, task):
    """A policy of two runs, or None where the net cannot be had for these actions."""
    env = tiny(task, seeds=2)
    learner = il.SMILe if net == "mixture" else il.BC
    settings = {"rounds": 2} if net == "mixture" else {}
    training = il.Training(net="mlp" if net == "mixture" else net, updates=20)
    try:
        return env, learner(episodes=2, training=training, **settings).learn(env, il.expert(env))
    except ValueError as sentence:
        assert str(sentence).startswith("net ")
        return env, None


def same_actions(env, one, other):
    state = env.initial(Streams(env.seeds), 5)
    obs = env.observation(state).to(torch.float32)
    return torch.equal(one.act(obs)[0], other.act(obs)[0])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("net", list(NETS))
def test_a_policy_of_every_net_comes_back_from_its_file_and_from_pickle(net, task, tmp_path):
    env, policy = fitted(net, task)
    if policy is None:
        return
    again = il.load_policy(policy.save(tmp_path / "policy.safetensors"))
    assert (again.runs, again.kind, again.action_space) == (2, policy.kind, env.action_space)
    assert same_actions(env, policy, again)
    pickled = pickle.loads(pickle.dumps(policy))
    assert same_actions(env, policy, pickled)
    assert pickled.log.updates == policy.log.updates


@pytest.mark.parametrize("name", list(il.ENVS))
def test_environments_and_their_experts_pickle(name):
    env = tiny(name, seeds=2)
    expert = il.expert(env)
    state = env.initial(Streams(env.seeds), 3)
    label = expert.act(state)  # whatever is kept from a first use must not be in the way
    env.certificate()
    again = pickle.loads(pickle.dumps(env))
    assert again == env
    assert torch.equal(again.initial(Streams(env.seeds), 3), state)
    assert torch.equal(pickle.loads(pickle.dumps(expert)).act(state), label)


def test_a_log_pickles_without_those_who_listened():
    env, heard = tiny("tube"), []
    log = il.Log(report=lambda done, words: heard.append(words))
    policy = il.BC(1, SMALL).learn(env, il.expert(env), None, log)
    again = pickle.loads(pickle.dumps(policy))
    again.log.report(1.0, "nobody")
    assert heard
    assert "nobody" not in heard
    assert again.log.learner == policy.log.learner


@pytest.fixture(scope="module")
def policy():
    env = tiny("tube", seeds=2)
    return il.BC(1, SMALL).learn(env, il.expert(env))


def test_the_header_is_plain_json_and_other_files_stay(policy, tmp_path):
    path = policy.save(tmp_path / "deep" / "policy.safetensors")
    with safe_open(path, "np") as file:
        header = json.loads(file.metadata()["il_bench"])
    assert header["kind"] == "mlp"
    assert header["runs"] == 2
    assert header["action_space"]["box"]["shape"] == [1]
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o044  # readable as any new file


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-np.inf, 3, (2, 3)),
        spaces.Box(np.array([0, -1], np.float64), np.array([np.inf, 1]), dtype=np.float64),
        spaces.Discrete(7),
    ],
)
def test_spaces_are_plain_json(space):
    text = json.dumps(policy_file.space_as_json(space), allow_nan=False)
    assert policy_file.space_of_json(json.loads(text)) == space


def test_an_interrupted_save_leaves_what_was_there(policy, tmp_path, monkeypatch):
    path = policy.save(tmp_path / "policy.safetensors")
    before = path.read_bytes()

    def fails(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", fails)
    with pytest.raises(KeyboardInterrupt):
        policy[0].save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_no_net_fitted_is_a_sentence(tmp_path):
    env = tiny("tube")
    function = il.borders.resolve.named(env, lambda obs: np.zeros((len(obs), 1)))
    with pytest.raises(ValueError, match="policy: expected one that a net of il_bench fitted"):
        function.save(tmp_path / "policy.safetensors")


def test_a_file_that_cannot_be_written_is_a_sentence(policy, tmp_path):
    with pytest.raises(ValueError, match=r"expected a file to write, got the folder"):
        policy.save(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"policy: .* cannot be written"):
        policy.save(tmp_path / "file" / "policy")


@pytest.mark.parametrize("keep", [0, 4, 20, 400, -4])
def test_a_truncated_file_is_a_sentence(policy, tmp_path, keep):
    path = policy.save(tmp_path / "policy.safetensors")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"policy: .* is damaged"):
        il.load_policy(path)


def test_a_foreign_file_is_a_sentence(policy, tmp_path):
    with pytest.raises(ValueError, match="policy: there is no file"):
        il.load_policy(tmp_path / "nowhere")
    save_file({"a": torch.zeros(3)}, tmp_path / "other")
    with pytest.raises(ValueError, match="is no policy that il_bench saved"):
        il.load_policy(tmp_path / "other")
    (tmp_path / "text").write_text("a policy, if you will" * 10)
    with pytest.raises(ValueError, match="is damaged"):
        il.load_policy(tmp_path / "text")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": 9}, "is of format 9, expected 1"),
        ({"kind": "nobody:Net"}, "its net 'nobody:Net' is not at hand"),
        ({"kind": "table"}, "expected the arrays of kind table"),
        ({"action_space": {"box": {"low": [1]}}}, "its action space is none"),
        ({"action_space": {"discrete": "many"}}, "its action space is none"),
        ({"action_space": None}, "its action space is none"),
    ],
)
def test_a_header_that_says_something_else_is_a_sentence(policy, tmp_path, changes, sentence):
    path = policy.save(tmp_path / "policy.safetensors")
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["il_bench"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(arrays, path, {"il_bench": json.dumps(header | changes)})
    with pytest.raises(ValueError, match=sentence):
        il.load_policy(path)


def test_the_mask_of_new_files_is_never_touched(tmp_path, monkeypatch):
    """Setting it, even to ask for it, is for all threads at once: another's file would be anyone's to write."""
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("touched"))
    files.write_whole(tmp_path / "a", b"1")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_policy_s_file_that_is_a_hole_is_not_read(tmp_path):
    path = tmp_path / "hole.safetensors"
    path.touch()
    os.truncate(path, 2**36)
    with pytest.raises(
        ValueError, match=r"policy: .* \(it declares 68,719,476,736 bytes, of which"
    ):
        il.load_policy(path)
