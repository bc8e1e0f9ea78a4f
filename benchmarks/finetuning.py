"""From cloning to reinforcement learning: what the clone's weights, a warm critic and a leash are worth, on Pendulum-v1.

A clone of few episodes goes on by PPO or by SAC, with all three parts, with each of them switched off, and from nothing.
Returns are those of the deterministic policy after each round, as parts of the way from doing nothing (0) to the expert (1).
SAC seeks no entropy of its own here: the leash, while it lasts, is all that keeps it from settling. "stock" is
stable-baselines3's SAC as it comes, which seeks entropy, with the same network, rate and discount.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from claims import Claim, goal, mean
from joblib import Parallel, delayed
from publish import figure, publish, table
from stable_baselines3 import SAC
from stable_baselines3.common.logger import Logger

import il_bench as il
from il_bench.borders.gymnasium_out import GymEnv
from il_bench.core.rollout import Driver, by_expert, by_policy, rollout
from il_bench.stats.intervals import contrast, interval

TASK = "Pendulum-v1"
SEEDS = 16
EPISODES = 8
"""Of the expert, to clone."""
ROLLOUTS = 10
"""Episodes in which a policy is judged."""
ENGINES = {
    "PPO": il.FineTune(EPISODES, practice=il.Practice(20_480, gamma=0.9, rate=1e-3)),
    "SAC": il.FineTune(
        EPISODES,
        il.Training(net="relu", hidden=(64, 64)),
        warmup=1024,
        practice=il.Practice(6_144, rollout=256, gamma=0.9, rate=1e-3),
    ),
}
"""Who goes on, each with all three parts."""
VARIANTS: dict[str, dict[str, Any]] = {
    "all three": {},
    "critic not warmed up": {"warmup": 0},
    "no leash": {"leash": 0.0},
    "neither": {"warmup": 0, "leash": 0.0},
    "weights not taken": {"transfer": False},
    "from nothing": {"transfer": False, "warmup": 0, "leash": 0.0},
}
"""Settings of each that differ from those of the whole."""
STOCK = "SAC", "stock"
LONGER = 1.6
"""How many times as long practice from nothing lasts."""
ENOUGH = 0.9
"""The part of the way that counts as reached."""
START = 0.4
"""The part of practice that is called the start."""
GOAL = 0.5
"""Steps from the clone, as a part of those from nothing."""
Way = tuple[str, str]
"""Engine and variant."""
WAYS: list[Way] = [*itertools.product(ENGINES, VARIANTS), STOCK]


@dataclass(frozen=True)
class Curve:
    """How one variant went.

    Attributes:
        rollout: environment steps of a round.
        start: rounds that are called the start.
        clone: its part of the way, (R,).
        parts: the same after each round (R, rounds).
    """

    rollout: int
    start: int
    clone: np.ndarray
    parts: np.ndarray

    @property
    def falls(self) -> np.ndarray:
        """How far the return falls below the clone's at the start, (R,)."""
        lowest = self.parts[:, : self.start].min(1)
        return np.maximum(self.clone - lowest, 0)

    @property
    def steps(self) -> np.ndarray:
        """Environment steps until enough of the way is gone, (R,); inf where it never is."""
        reached = self.parts >= ENOUGH
        rounds = np.where(reached.any(1), reached.argmax(1) + 1, np.inf)
        return rounds * self.rollout


Curves = dict[Way, Curve]


def main() -> None:
    """Measure, draw, publish."""
    curves = results()
    _draw(curves)
    rows = [_row(way, curve) for way, curve in curves.items()]
    header = ["by", "from a clone", "fall at the start", "steps to 90 %", "at the end"]
    rounds = " and ".join(f"{one.practice.rollout} ({name})" for name, one in ENGINES.items())
    caption = (
        f"{TASK}, {EPISODES} cloned episodes, medians of {SEEDS} seeds with 95 % intervals; parts of the way from "
        f"doing nothing to the expert, over {ROLLOUTS} episodes, after every round of {rounds} steps; the start is the "
        f"first {START:.0%} of practice. But for stock, SAC seeks no entropy: the leash stands in its place."
    )
    numbers = {" ".join(way): curve.parts.round(4).tolist() for way, curve in curves.items()}
    publish("finetuning", claims(curves), table(header, rows), caption, parts=numbers)


def results(first: int = 0, seeds: int = SEEDS) -> Curves:
    """The curve of each engine and variant, a process for each run."""
    numbers = range(first, first + seeds)
    tasks = [delayed(measured)(way, seed) for way in WAYS for seed in numbers]
    runs = Parallel(n_jobs=-1)(tasks)
    return {way: _together(runs[k * seeds : (k + 1) * seeds]) for k, way in enumerate(WAYS)}


def _together(runs: list[Curve]) -> Curve:
    """The curve of several runs."""
    clone = np.concatenate([run.clone for run in runs])
    parts = np.concatenate([run.parts for run in runs])
    return dataclasses.replace(runs[0], clone=clone, parts=parts)


def measured(way: Way, seed: int) -> Curve:
    """One run's returns, round by round."""
    torch.set_num_threads(1)
    engine, variant = way
    env = il.make(TASK, seeds=(seed,))
    expert = il.expert(env)
    judge = _Way(env, expert)
    whole = ENGINES[engine]
    practice = whole.practice
    clone = il.BC(EPISODES, whole.training).learn(env, expert)
    learner = dataclasses.replace(whole, **VARIANTS.get(variant, {}))
    if variant == "from nothing":
        learner = dataclasses.replace(learner, practice=_longer(practice))
    policies = _stock(practice, env) if way == STOCK else _iterates(learner, env, expert)
    parts = [judge.part(policy) for policy in policies]
    start = round(START * practice.rounds)
    return Curve(practice.rollout, start, judge.part(clone), np.stack(parts, 1))


def _iterates(learner: il.FineTune, env: il.Env, expert: il.Expert) -> list[il.Policy]:
    """The policy after each round of a learner's practice."""
    policies: list[il.Policy] = []
    log = il.Log(iterate=lambda i, policy: policies.append(policy))
    learner.learn(env, expert, None, log)
    return policies


def _longer(practice: il.Practice) -> il.Practice:
    """As long as practice from nothing lasts."""
    return dataclasses.replace(practice, steps=round(LONGER * practice.steps))


def _stock(practice: il.Practice, env: il.Env) -> list[il.Policy]:
    """The policy of stable-baselines3's own SAC after each round."""
    model = SAC(
        "MlpPolicy",
        GymEnv(env),
        learning_rate=practice.rate,
        batch_size=practice.minibatch,
        gamma=practice.gamma,
        policy_kwargs={"net_arch": list(ENGINES["SAC"].training.net.hidden)},
        seed=env.seeds[0],
        device="cpu",
    )
    model.set_logger(Logger(None, []))
    policies = []
    for _ in range(_longer(practice).rounds):
        model.learn(practice.rollout, reset_num_timesteps=False)
        policies.append(il.from_sb3(model))
    return policies


class _Way:
    """From doing nothing to the expert."""

    def __init__(self, env: il.Env, expert: il.Expert):
        self._env = env
        idle = torch.zeros(1, dtype=torch.float64)

        def nothing(step: int, state: torch.Tensor, memory: object) -> tuple[torch.Tensor, object]:
            return idle.expand(*state.shape[:2], 1), memory

        self._best = self._returns(by_expert(env, expert))
        self._least = self._returns(nothing)

    def part(self, policy: il.Policy) -> np.ndarray:
        """How much of it a policy has gone, (R,)."""
        reached = self._returns(by_policy(self._env, policy))
        return (reached - self._least) / (self._best - self._least)

    def _returns(self, drive: Driver) -> np.ndarray:
        """Mean returns (R,), in the same episodes for all."""
        streams = il.Streams(self._env.seeds).fork("judged")
        return rollout(self._env, drive, streams, ROLLOUTS).returns.mean(1).numpy()


def _row(way: Way, curve: Curve) -> list[str]:
    """A variant's line."""
    cells = (curve.falls, curve.steps, curve.parts[:, -1])
    return [*way, *(str(interval(values)) for values in cells)]


def claims(curves: Curves) -> list[Claim]:
    """What the parts are worth to each engine, paired by seed."""
    said = []
    for engine in ENGINES:
        own = {variant: curves[engine, variant] for variant in VARIANTS}
        nothing = curves.get((engine, "stock"), own["from nothing"])
        said.append(_shortened(engine, own["all three"], nothing))
        said += [_worth(engine, own, part) for part in _PARTS]
    return said


_PARTS = "critic not warmed up", "no leash", "neither"
"""Variants that begin as the clone."""
_AS_IT_COMES = {"SAC": " by stock SAC"}
"""With whom practice from nothing is fair: SAC without its entropy explores little."""


def _shortened(engine: str, whole: Curve, nothing: Curve) -> Claim:
    """How much of the way from nothing a clone spares."""
    share = contrast(whole.steps, nothing.steps, ratio=True)
    words = (
        f"{engine}: 90 % of the way takes {interval(whole.steps)} steps from the clone and "
        f"{interval(nothing.steps)} from nothing{_AS_IT_COMES.get(engine, '')}, {share} of them by seed (goal: at most {GOAL})"
    )
    return goal(words, share.by.value <= GOAL)


def _worth(engine: str, curves: dict[str, Curve], part: str) -> Claim:
    """That the return falls farther without a part."""
    more = mean(curves[part].falls - curves["all three"].falls)
    said = f"{engine}, {part}: the fall at the start is larger by {more.text(3)} of the way"
    instead = f"{engine}, {part}: the fall at the start differs by {more.text(3)} of the way, which tells nothing."
    return Claim(f"{said}.", more.value > 2 * more.error, instead)


def _draw(curves: Curves) -> None:
    """The median part of the way over environment steps, a panel for each engine."""
    with figure("finetuning", len(ENGINES), sharey=True) as panels:
        by_engine = dict(zip(ENGINES, panels, strict=True))
        for (engine, variant), curve in curves.items():
            median = np.median(curve.parts, 0)
            steps = curve.rollout * np.arange(1, len(median) + 1)
            by_engine[engine].plot(steps, median, label=variant)
        for engine, panel in by_engine.items():
            panel.axhline(ENOUGH, color="grey", dashes=(4, 4))
            panel.set(title=engine, xlabel="environment steps")
            panel.legend()
        panels[0].set(ylabel="part of the way to the expert")


if __name__ == "__main__":
    main()
