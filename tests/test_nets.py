"""Nets are a plug: one of a file on one's desk trains, saves, loads, sweeps and resumes, and no other file knows it."""

import sys
from pathlib import Path

import pytest
import torch
from conftest import tiny
from test_gpu import FITTED

import il_bench as il
from il_bench import run, sweep
from il_bench.core.policy import Log
from il_bench.core.registry import NETS, name_of
from il_bench.fit.fitting import restore
from il_bench.jobs.checkpoint import Checkpoint

pytestmark = pytest.mark.usefixtures("no_figures")

CONSTANT = '''
from dataclasses import dataclass
from typing import ClassVar

import torch

from il_bench import Policy, Values


class ConstantPolicy(Policy):
    """The same action always."""

    def __init__(self, action, action_space):
        self.action, self.action_space, self.runs = action, action_space, len(action)

    def act(self, obs, memory=None, draw=None):
        return self.action.expand(-1, obs.shape[1], -1).double(), memory

    def __getitem__(self, run):
        return ConstantPolicy(self.action[run : run + 1], self.action_space)

    def arrays(self, resume=False):
        return {"action": self.action}


@dataclass(frozen=True)
class Constant:
    """The weighted mean of the labels, shrunk."""

    shrink: Values = 0.0
    """How much of the mean is left out."""
    descends: ClassVar[bool] = False

    def fit(self, lesson):
        data = lesson.data
        weight = data.weight[..., None]
        mean = (weight * data.action).sum(1, keepdim=True) / weight.sum(1, keepdim=True)
        left = 1 - torch.tensor(self.shrink).reshape(-1, 1, 1)
        return ConstantPolicy(mean * left, lesson.env.action_space)

    def restore(self, arrays, action_space):
        return ConstantPolicy(arrays["action"], action_space)

    def footprint(self, observation, outputs, horizon):
        return outputs
'''
SMALL = ["--seeds", "2", "--rollouts", "3", "--horizon", "12", "--no-video"]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A file with a net in the working directory."""
    Path("desk.py").write_text(CONSTANT)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "desk", raising=False)
    monkeypatch.setattr(NETS, "_loaded", {})
    return "desk:Constant"


def test_a_net_of_a_file_trains_and_comes_back(desk):
    env = tiny("lane", seeds=2)
    expert = il.expert(env)
    policy = il.BC(2, il.Training(net=desk, shrink=(0.0, 1.0))).learn(env, expert)
    assert policy.action[1].item() == 0
    assert policy.kind == desk
    again = restore(policy.kind, policy.arrays(), env.action_space)
    assert torch.equal(again.action, policy.action)
    assert il.net(desk, shrink=0.5).shrink == 0.5


def test_a_net_of_a_file_is_a_flag_and_so_are_its_settings(desk):
    run.main(["--algo", "bc", "--net", desk, "--shrink", "0.5", *SMALL, "--out", "a"])
    record = il.load("a")
    assert record.config["kinds"] == {"bc": desk}
    training = record.config["algorithms"]["bc"]["settings"]["training"]
    assert (training["net"], training["shrink"]) == (desk, 0.5)


def test_what_a_record_names_is_not_imported(desk):
    run.main(["--algo", "bc", "--net", desk, *SMALL, "--out", "a"])
    arrays = {"action": torch.zeros(2, 1, 1)}
    NETS._loaded.clear()
    with pytest.raises(ValueError, match=r"its net 'desk:Constant' is not at hand"):
        restore(desk, arrays, il.make("lane").action_space)


def test_a_net_of_a_file_is_swept_beside_others(desk):
    flags = ["--env", "lane", "--algo", "bc", "--net", desk, "ridge", "--shrink", "0", "1", "--penalty", "0.1", "1",
             *SMALL[:-1], "--jobs", "1", "--out", "a"]  # fmt: skip
    sweep.main(flags)
    data = il.open("a")
    assert len(data.run) == 2 * 2 + 2 * 2
    assert set(data["net"].values) == {desk, "ridge"}


def test_rounds_of_a_net_of_a_file_are_kept_and_resumed(desk):
    env = tiny("lane", seeds=2)
    learner = il.DAgger(rounds=3, training=il.Training(net=desk))
    whole = learner.learn(env, il.expert(env))

    class Interrupting(il.Expert):
        """Stops the training in its second round."""

        def act(self, state, asked=[]):  # noqa: B006
            asked.append(1)
            if len(asked) > env.horizon + 1:
                raise KeyboardInterrupt
            return il.expert(env).act(state)

    log = Log(checkpoint=Checkpoint(Path("rounds")))
    with pytest.raises(KeyboardInterrupt):
        learner.learn(env, Interrupting(), None, log)
    assert len(list(Path("rounds").iterdir())) in (1, 2)
    log = Log(checkpoint=Checkpoint(Path("rounds")))
    resumed = learner.learn(env, il.expert(env), None, log)
    assert torch.equal(resumed.action, whole.action)


def test_a_net_in_the_folder_is_found_by_its_file_alone(tmp_path, monkeypatch):
    import il_bench.nets

    (tmp_path / "constant.py").write_text(CONSTANT)
    monkeypatch.setattr(il_bench.nets, "__path__", [*il_bench.nets.__path__, str(tmp_path)])
    monkeypatch.delitem(vars(NETS), "_sources", raising=False)
    try:
        assert "constant" in NETS
        assert il.Constant is NETS["constant"]
        env = tiny("lane")
        policy = il.BC(1, il.Training(net="constant")).learn(env, il.expert(env))
        assert policy.kind == "constant"
    finally:
        vars(NETS).pop("_sources", None)
        NETS._loaded.pop("constant", None)
        vars(il).pop("Constant", None)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"net": "mpl"}, KeyError, "no net named 'mpl'; did you mean 'mlp'?"),
        ({"net": "ridge", "hidden": (4,)}, TypeError, "neither training nor net ridge has setting 'hidden'"),
        ({"hiden": (4,)}, TypeError, "neither training nor net mlp has setting 'hiden'; did you mean 'hidden'?"),
        ({"hidden": (0,)}, ValueError, "hidden: expected a whole number of at least 1, got 0"),
        ({"net": "mixture"}, None, ""),
    ],
)  # fmt: skip
def test_settings_of_nobody_are_sentences(arguments, error, sentence):
    if error is None:
        env = tiny("lane")
        with pytest.raises(ValueError, match="net mixture: a learner such as smile mixes"):
            il.BC(1, il.Training(**arguments)).learn(env, il.expert(env))
        return
    with pytest.raises(error) as refusal:
        il.Training(**arguments)
    assert sentence in str(refusal.value)


def test_every_net_that_is_fitted_is_tried_on_a_gpu():
    fitted = {name_of(training.net) for _, training in FITTED.values()}
    # What smile and gates make of others.
    assert set(NETS) - fitted == {"mixture"}
