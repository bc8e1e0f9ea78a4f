"""Whose code failed, where and when: a stranger's error is a sentence, our own stays loud."""

import sys
from pathlib import Path

import pytest
from conftest import tiny

import il_bench as il
from il_bench import run
from il_bench.cli.command import command, complaint
from il_bench.core import strangers
from il_bench.jobs import session

QUICK = ["--seeds", "1", "--rollouts", "2", "--horizon", "8", "--hidden", "4", "--updates", "8"]
"""What makes a run small."""

MINE = """
from dataclasses import dataclass

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

import il_bench as il


class Moving(gymnasium.Env):
    observation_space = spaces.Box(-9, 9, (2,))
    action_space = spaces.Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(2), {}

    def step(self, action):
        self.time += 1
        return np.full(2, 0.1), 1.0, False, False, {}


class Failing(Moving):
    def step(self, action):
        if self.time == 3 and action == 0:
            raise IndexError("nothing\\nleft")
        return super().step(action)


class Leaving(Moving):
    def step(self, action):
        raise SystemExit(0)


class Torn(Moving):
    def step(self, action):
        return torch.ones(2) + torch.ones(3), 1.0, False, False, {}


class Four(Moving):
    def step(self, action):
        return np.zeros(2), 1.0, False, {}


class Bare(Moving):
    def reset(self, *, seed=None, options=None):
        return np.zeros(2)


asked = []


def still(observation):
    return np.zeros((len(observation), 1))


def tires(observation):
    asked.append(1)
    if len(asked) > 4:
        raise AssertionError
    return still(observation)


def counts(observation):
    asked.append(1)
    return still(observation) + 0.001 * len(asked)


class Nobody(il.Expert):
    def act(self, state):
        return state


class Missing(il.Expert):
    def __init__(self, env):
        pass

    def act(self, state):
        return {}["answer"]


@dataclass(frozen=True)
class Lost:
    \"\"\"Learns nothing.\"\"\"

    def learn(self, env, expert, streams=None, log=None):
        return [][0]
"""


def line_of(words):
    return 1 + [words in line for line in MINE.splitlines()].index(True)


def said(capsys, *flags):
    """What the command says where it cannot go on, on one line."""
    Path("mine.py").write_text(MINE)
    sys.modules.pop("mine", None)
    with pytest.raises(SystemExit) as stop:
        run.main([*flags, *QUICK, "--no-video", "--out", "a"])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def of(name, expert="still"):
    return ["--algo", "bc", "--env", f"mine:{name}", "--expert", f"mine:{expert}"]


def of_expert(name):
    return ["--algo", "bc", "--env", "tube", "--expert", f"mine:{name}"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            of("Failing"),
            f"environment Failing: step in mine.py, line {line_of('IndexError')}, raised IndexError (nothing left), in "
            "copy 1 of 8, at step 3; mend it there (IL_BENCH_TRACEBACK=1 shows its traceback)",
        ),
        (of("Leaving"), "environment Leaving: step in mine.py, line "),
        (of("Torn"), f"step in mine.py, line {line_of('torch.ones')}, raised RuntimeError (The size of"),
        (of("Four"), "Four.step: expected (observation, reward, terminated, truncated, info), got 4"),
        (of("Bare"), "Bare.reset: expected (observation, info), got ndarray; return a tuple of those"),
        (of_expert("tires"), "raised AssertionError, as expert at run 0, at step 3; mend it there"),
        (of_expert("counts"), "let it act without a chance or a memory of its own"),
        (of_expert("Nobody"), "expert: Nobody(env) cannot be made"),
        (of_expert("Missing"), "expert Missing: act in mine.py, line "),
        (["--env", "tube", "--algo", "bc", "mine:Lost"], "learner Lost: learn in mine.py, line "),
    ],
)  # fmt: skip
def test_who_failed_where_and_when_is_a_sentence(capsys, flags, sentence):
    assert sentence in said(capsys, *flags)
    assert not Path("a").exists()


def test_their_traceback_is_there_for_who_asks(monkeypatch):
    monkeypatch.setenv("IL_BENCH_TRACEBACK", "1")
    Path("mine.py").write_text(MINE)
    with pytest.raises(IndexError):
        run.main([*of("Failing"), *QUICK, "--no-video", "--out", "a"])


@pytest.mark.parametrize("error", [RuntimeError, AttributeError, RecursionError, OverflowError])
def test_an_error_of_our_own_stays_loud(monkeypatch, error):
    monkeypatch.setattr(session, "compare", lambda *rest, **named: raising_as_ours(error))
    with pytest.raises(error, match="ours"):
        run.main([*QUICK, "--no-video", "--out", "a"])


def raising_as_ours(error):
    """Raise within a frame that is ours."""
    exec("raise error('ours')", {"__name__": "il_bench.core.made_up", "error": error})


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")]
)
def test_too_little_memory_is_a_sentence(error):
    assert complaint(error).startswith("memory: there is not enough here, ")


def test_what_a_stranger_cannot_say_is_not_asked_twice():
    class Silent(Exception):
        def __str__(self):
            raise RuntimeError

    assert strangers.in_words(Silent()) == "Silent (it cannot say more)"
    assert strangers.in_words(ValueError("a\n\x1b[31mb")) == "ValueError (a ?[31mb)"
    assert len(strangers.in_words(ValueError("x" * 10_000))) < 400


def test_a_refusal_of_settings_is_told_in_its_own_words(capsys):
    @command
    def refuses(args):
        il.make("lane", lipschitz=0)

    with pytest.raises(SystemExit):
        refuses([])
    said = capsys.readouterr().err
    assert said.startswith("il_bench: lipschitz: lane needs L >= ")


@pytest.mark.parametrize(
    ("method", "answer", "sentence"),
    [
        ("transition", lambda real: real[..., 0], r"Tube.transition: expected shape \(1, 2, "),
        ("transition", lambda real: real[:, :1], r"got \(1, 1, "),
        ("observation", lambda real: real.sum(-1), "Tube.observation: expected shape"),
        ("reward", lambda real: None, r"Tube.reward: expected shape \(1, 2\), got None"),
        ("reward", lambda real: real[..., None], r"Tube.reward: .* got \(1, 2, 1\)"),
        ("terminal", lambda real: real.any(), "Tube.terminal: expected shape"),
        ("initial", lambda real: real[0], "Tube.initial: expected shape"),
    ],
)
def test_an_array_that_is_not_as_declared_is_never_broadcast(monkeypatch, method, answer, sentence):
    env = tiny("tube")
    expert = il.expert(env)
    real = getattr(type(env), method)
    monkeypatch.setattr(type(env), method, lambda self, *rest: answer(real(self, *rest)))
    with pytest.raises(ValueError, match=sentence):
        il.compare(env, expert, episodes=2)
