"""The formula for memory, against what a process takes."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SMALL, tiny

import il_bench as il
from il_bench.jobs.footprint import LIBRARIES, Memory, needed

SCRIPT = """
import il_bench as il, torch
from pathlib import Path
from il_bench.jobs.footprint import needed

def peak(name, runs, rollouts, learner):
    env = il.make(name, seeds=runs, horizon=50)
    expert = il.expert(env)
    il.compare(env, expert, episodes=rollouts, it=learner.learn(env, expert))
    # Of this program alone: getrusage tells the largest size of whoever started it, if that was larger.
    held = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(held.split()[1]), needed(env, [learner], rollouts)

torch.set_num_threads(1)
training = il.Training(updates=8)
base, _ = peak("lane", 1, 2, il.BC(1, training))
for rollouts, learner in (30, il.BC(2, training)), (2, il.DAgger(rounds=3, episodes=80, training=training)):
    most, memory = peak("lane", 32, rollouts, learner)
    print(32 * memory.one / (most - base))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count the peak in other units")
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells a program's largest size so"
)
def test_a_process_takes_what_the_formula_says():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    recording, learning = (float(line) for line in done.stdout.split())
    assert 0.75 < recording < 1.5  # an upper bound, give or take what the allocator keeps
    assert 0.75 < learning < 1.5


def test_it_is_linear_in_the_runs_and_in_the_rollouts():
    few, many = (needed(tiny("lane", seeds=seeds), [il.BC()], 8) for seeds in (2, 50))
    assert few.one == many.one
    assert many.total - few.total == 48 * few.one
    once, twice = (needed(tiny("lane", seeds=2), [il.BC()], count).recording for count in (8, 16))
    assert twice == 2 * once


def test_more_labels_rounds_learners_and_larger_networks_take_more():
    env = tiny("lane", seeds=2)
    base = needed(env, [il.BC(training=SMALL)], 8)
    wide = il.BC(training=dataclasses.replace(SMALL, hidden=(256, 256)))
    assert needed(env, [il.BC(episodes=80, training=SMALL)], 8).learning > 5 * base.learning
    assert (
        needed(env, [il.BC(labels=(5.0, 12 * 80.0), training=SMALL)], 8).learning
        > 5 * base.learning
    )
    assert (
        needed(env, [il.DAgger(rounds=60, episodes=1, training=SMALL)], 8).learning
        > 2 * base.learning
    )
    assert needed(env, [wide], 8).networks > 50 * base.networks
    assert (
        needed(env, [il.DAgger(rounds=60, pick="best", training=SMALL)], 8).networks
        > 40 * base.networks
    )
    assert needed(env, [il.BC(training=SMALL)] * 3, 8).recording > 1.5 * base.recording


def test_a_limit_tells_how_many_runs_fit():
    memory = Memory(runs=40, learning=3_000_000, networks=500_000, recording=9_500_000)
    assert memory.one == 10_000_000
    assert memory.runs_within(2 * memory.total) == 40
    for count in (1, 7, 40):
        limit = dataclasses.replace(memory, runs=count).total
        assert memory.runs_within(limit) == count
        assert count == 1 or memory.runs_within(limit - 1) == count - 1
    with pytest.raises(
        ValueError, match=r"memory: expected at least 0.33 GB, which one run takes, got 0.3; fewer"
    ):
        memory.runs_within(LIBRARIES - 20_000_000)


def test_it_reads_as_a_sentence():
    text = str(Memory(runs=40, learning=3_000_000, networks=500_000, recording=9_500_000))
    assert text == "0.72 GB for 40 runs (of each: learning 3 MB, networks 0.5 MB, recording 9.5 MB)"


@pytest.mark.parametrize("net", ["table", "table-per-step", "svm", "ridge"])
def test_policies_without_hidden_layers_take_what_they_hold(net):
    env = tiny("resetcliff", seeds=2)
    training = dataclasses.replace(SMALL, net=net)
    policy = il.BC(2, training).learn(env, il.expert(env))
    held = sum(
        array[0].numel()
        for name, array in policy.arrays().items()
        if not name.startswith(("scaling", "fill"))
    )
    assert needed(env, [il.BC(2, training)], 8).networks == 16 * held + 4 * training.updates
