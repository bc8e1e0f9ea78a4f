"""Checkpoints and TensorBoard: what is kept of a training on its way."""

from pathlib import Path

import faults
import numpy as np
import pytest
import torch
from conftest import SMALL, tiny
from safetensors.numpy import save_file

import il_bench as il
from il_bench.core.policy import SPENT, Log
from il_bench.fit.training import Training
from il_bench.jobs import checkpoint
from il_bench.jobs.checkpoint import TEXTS, Checkpoint
from il_bench.jobs.sealed import CHECKSUM, opened

pytestmark = pytest.mark.usefixtures("no_figures")

EMA = Training(hidden=(8,), updates=60, batch=16, ema=0.9)


class Killed(Exception):
    """As if the process had ended."""


def learned(env, learner, log):
    return learner.learn(env, il.expert(env), None, log)


def interrupted(env, learner, after, every=1):
    """Train until a round is over, then be killed."""

    def stop(i, policy):
        if i == after:
            raise Killed

    log = Log(checkpoint=Checkpoint(Path("kept"), every), iterate=stop)
    with pytest.raises(Killed):
        learned(env, learner, log)


@pytest.mark.parametrize("name", ["tube", "lane", "resetcliff"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"aggregate": "window", "window": 2},
        {"pick": "best", "validation": 2},
        {"start": "scratch"},
    ],
)
def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(name, settings):
    env = tiny(name, seeds=2)
    learner = il.DAgger(rounds=5, training=EMA, **settings)
    whole, spent = Log(), Log(checkpoint=Checkpoint(Path("kept")))
    expected = learned(env, learner, whole)
    interrupted(env, learner, after=2)
    policy = learned(env, learner, spent)
    assert all(torch.equal(value, policy.arrays()[key]) for key, value in expected.arrays().items())
    assert (spent.updates, spent.broke) == (whole.updates, whole.broke)
    assert spent.episodes == whole.episodes > 0
    assert all(
        torch.equal(torch.as_tensor(getattr(spent, n)), torch.as_tensor(getattr(whole, n)))
        for n in SPENT
    )


def test_rounds_are_not_computed_again_and_are_written_together():
    env, learner = tiny("tube"), il.DAgger(rounds=5, training=SMALL)
    interrupted(env, learner, after=3, every=3)
    assert sorted(p.name for p in Path("kept").iterdir()) == [
        f"round-000{i}.safetensors" for i in range(3)
    ]
    fits = []
    log = Log(checkpoint=Checkpoint(Path("kept")), report=lambda done, words: fits.append(done))
    learned(env, learner, log)
    assert min(fits) > 3 / 5


def test_a_damaged_round_is_a_sentence():
    env, learner = tiny("tube"), il.DAgger(rounds=4, training=SMALL)
    interrupted(env, learner, after=2)
    path = Path("kept/round-0001.safetensors")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(
        ValueError,
        match=r"checkpoint: kept/round-0001.safetensors is damaged .*; delete kept and begin",
    ):
        learned(env, learner, Log(checkpoint=Checkpoint(Path("kept"))))


def test_a_flipped_bit_of_a_kept_round_is_noticed():
    env, learner = tiny("tube"), il.DAgger(rounds=3, training=SMALL)
    interrupted(env, learner, after=1)
    path = Path("kept/round-0000.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged \(its checksum is another"):
        learned(env, learner, Log(checkpoint=Checkpoint(Path("kept"))))


def test_a_training_goes_on_after_rounds_of_a_version_without_checksums():
    env, learner = tiny("tube"), il.DAgger(rounds=3, training=SMALL)
    whole = learned(env, learner, Log())
    interrupted(env, learner, after=1)
    for path in Path("kept").iterdir():
        texts, arrays = opened(path, TEXTS)
        del texts[CHECKSUM]
        save_file(arrays, path, texts)
    policy = learned(env, learner, Log(checkpoint=Checkpoint(Path("kept"))))
    assert all(torch.equal(value, policy.arrays()[key]) for key, value in whole.arrays().items())


def test_a_disk_that_is_full_is_a_sentence(monkeypatch):
    faults.fill_disk(monkeypatch)
    with pytest.raises(ValueError, match="checkpoint: kept cannot be written"):
        learned(
            tiny("tube"),
            il.DAgger(rounds=2, training=SMALL),
            Log(checkpoint=Checkpoint(Path("kept"))),
        )


def test_the_command_goes_on_where_it_was_interrupted(capsys, monkeypatch):
    from il_bench import run
    from il_bench.jobs import checkpoint

    args = [
        "--seeds",
        "2",
        "--rollouts",
        "3",
        "--horizon",
        "12",
        "--hidden",
        "8",
        "--updates",
        "40",
        "--no-video",
    ]
    run.main([*args, "--out", "whole"])
    keep, seen = checkpoint.Checkpoint.keep, []

    def stop(self, i, *rest):
        keep(self, i, *rest)
        seen.append(i)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "keep", stop)
        with pytest.raises(SystemExit):
            run.main([*args, "--out", "a", "--checkpoint-every", "1"])
    assert "interrupted" in capsys.readouterr().err
    run.main([*args, "--out", "a", "--checkpoint-every", "1"])
    one, two = il.load("whole"), il.load("a")
    for name in one.arrays:
        np.testing.assert_array_equal(one.arrays[name], two.arrays[name])
    assert not list(Path("runs/.rounds").iterdir())


def test_tensorboard_shows_drift_loss_and_gap_round_by_round():
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from il_bench import run

    run.main(["--lipschitz", "1.1", "1.2", "--seeds", "2", "--rollouts", "3", "--horizon", "12", "--hidden", "8", "--updates",
              "40", "--rounds", "4", "--no-video", "--out", "a", "--tensorboard", "logs"])  # fmt: skip
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logs = EventAccumulator("logs/dagger").Reload()
    for tag in ("drift/L = 1.1", "exposure gap/L = 1.2", "loss/L = 1.2"):
        points = logs.Scalars(tag)
        assert [point.step for point in points] == [10, 20, 30, 40]
        assert all(np.isfinite(point.value) for point in points)
    assert len(EventAccumulator("logs/bc").Reload().Scalars("drift/L = 1.1")) == 1


def test_tensorboard_s_logs_are_where_they_began_wherever_the_process_goes(monkeypatch, tmp_path):
    """Its thread wrote into a folder of that name beneath wherever the process was, or died of there being none."""
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from il_bench.show.tensorboard import watcher

    env = il.make("tube", horizon=4)
    expert = il.expert(env)
    policy = il.BC(1, il.Training(hidden=(4,), updates=4)).learn(env, expert)
    write = watcher(Path("logs"), env, expert, "bc")
    begun = Path("logs").absolute()
    before = sum(path.stat().st_size for path in begun.rglob("events*"))
    monkeypatch.chdir(tmp_path.parent)
    write(policy, policy.log)
    assert sum(path.stat().st_size for path in begun.rglob("events*")) > before


def test_a_disk_that_is_full_of_tensorboard_s_logs_costs_no_training(monkeypatch):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from torch.utils.tensorboard.writer import SummaryWriter

    from il_bench.show.tensorboard import watcher

    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SummaryWriter, "flush", full)
    env = il.make("tube", horizon=4)
    expert = il.expert(env)
    policy = il.BC(1, il.Training(hidden=(4,), updates=4)).learn(env, expert)
    write = watcher(Path("logs"), env, expert, "bc")
    with pytest.warns(UserWarning, match="tensorboard: logs cannot be written .No space left"):
        write(policy, policy.log)


def test_a_round_of_an_earlier_version_counted_no_derivatives(monkeypatch):
    env, learner = tiny("tube"), il.DAgger(rounds=4, training=SMALL)
    counted = tuple(name for name in SPENT if name != "derivatives")
    with monkeypatch.context() as earlier:
        earlier.setattr(checkpoint, "SPENT", counted)
        interrupted(env, learner, after=2)
    policy = learned(env, learner, Log(checkpoint=Checkpoint(Path("kept"))))
    assert policy.log.labels.tolist() == [4 * 12]
    assert int(policy.log.derivatives) == 0
