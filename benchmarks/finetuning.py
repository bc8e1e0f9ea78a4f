"""From cloning to reinforcement learning: what the clone's weights, a warm critic and a leash are worth, on Pendulum-v1.

A clone of few episodes goes on by PPO, with all three parts, with each of them switched off, and from nothing. Returns are
those of the deterministic policy after each round, as parts of the way from doing nothing (0) to the expert (1).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from claims import Claim, goal, mean
from joblib import Parallel, delayed
from publish import figure, publish, table

import il_bench as il
from il_bench.core.rollout import Driver, by_expert, by_policy, rollout
from il_bench.stats.intervals import contrast, interval

SEEDS = 6
EPISODES = 8
"""Of the expert, to clone."""
ROLLOUTS = 10
"""Episodes in which a policy is judged."""
PRACTICE = il.Practice(steps=20_480, gamma=0.9, rate=1e-3)
LONG = dataclasses.replace(PRACTICE, steps=32_768)
WHOLE = il.FineTune(episodes=EPISODES, practice=PRACTICE)
VARIANTS = {
    "all three": {},
    "critic not warmed up": {"warmup": 0},
    "no leash": {"leash": 0.0},
    "neither": {"warmup": 0, "leash": 0.0},
    "weights not taken": {"transfer": False},
    "from nothing": {"transfer": False, "warmup": 0, "leash": 0.0, "practice": LONG},
}
"""Settings of each that differ from those of the whole."""
ENOUGH = 0.9
"""The part of the way that counts as reached."""
START = 8
"""Rounds that are called the start."""
GOAL = 0.5
"""Steps from the clone, as a part of those from nothing."""


@dataclass(frozen=True)
class Curve:
    """How one variant went.

    Attributes:
        clone: its part of the way, (R,).
        parts: the same after each round (R, rounds).
    """

    clone: np.ndarray
    parts: np.ndarray

    @property
    def falls(self) -> np.ndarray:
        """How far the return falls below the clone's at the start, (R,)."""
        lowest = self.parts[:, :START].min(1)
        return np.maximum(self.clone - lowest, 0)

    @property
    def steps(self) -> np.ndarray:
        """Environment steps until enough of the way is gone, (R,); inf where it never is."""
        reached = self.parts >= ENOUGH
        rounds = np.where(reached.any(1), reached.argmax(1) + 1, np.inf)
        return rounds * PRACTICE.rollout


def main() -> None:
    """Measure, draw, publish."""
    curves = results()
    _draw(curves)
    rows = [_row(name, curve) for name, curve in curves.items()]
    header = ["from a clone", "fall at the start", "steps to 90 %", "at the end"]
    caption = (
        f"Pendulum-v1, {EPISODES} cloned episodes, medians of {SEEDS} seeds with 95 % intervals; parts of the way from "
        f"doing nothing to the expert, over {ROLLOUTS} episodes; the start is {START} rounds of {PRACTICE.rollout} steps."
    )
    numbers = {name: curve.parts.round(4).tolist() for name, curve in curves.items()}
    publish("finetuning", claims(curves), table(header, rows), caption, parts=numbers)


def results(first: int = 0, seeds: int = SEEDS) -> dict[str, Curve]:
    """The curve of each variant, a process each."""
    tasks = [delayed(measured)(name, first, seeds) for name in VARIANTS]
    curves = Parallel(n_jobs=-1)(tasks)
    return dict(zip(VARIANTS, curves, strict=True))


def measured(name: str, first: int, seeds: int) -> Curve:
    """One variant's returns, round by round."""
    torch.set_num_threads(1)
    numbers = tuple(range(first, first + seeds))
    env = il.make("Pendulum-v1", seeds=numbers)
    expert = il.expert(env)
    learner = dataclasses.replace(WHOLE, **VARIANTS[name])
    clone = il.BC(EPISODES, learner.training).learn(env, expert)
    policies: list[il.Policy] = []
    log = il.Log(iterate=lambda i, policy: policies.append(policy))
    learner.learn(env, expert, None, log)
    way = _Way(env, expert)
    parts = [way.part(policy) for policy in policies]
    return Curve(way.part(clone), np.stack(parts, 1))


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


def _row(name: str, curve: Curve) -> list[str]:
    """A variant's line."""
    cells = (curve.falls, curve.steps, curve.parts[:, -1])
    return [name, *(str(interval(values)) for values in cells)]


def claims(curves: dict[str, Curve]) -> list[Claim]:
    """What the parts are worth, paired by seed."""
    whole = curves["all three"]
    nothing = curves["from nothing"]
    own = interval(whole.steps)
    other = interval(nothing.steps)
    share = contrast(whole.steps, nothing.steps, ratio=True)
    words = (
        f"90 % of the way takes {own} steps from the clone and {other} from nothing, {share} of them by seed "
        f"(goal: at most {GOAL})"
    )
    parts = [_worth(name, whole, curve) for name, curve in curves.items()]
    return [goal(words, share.by.value <= GOAL), *filter(None, parts)]


def _worth(name: str, whole: Curve, without: Curve) -> Claim | None:
    """That the return falls farther without a part of it; nothing is said of what begins as no clone."""
    if not {"warmup", "leash"} & set(VARIANTS[name]) or "transfer" in VARIANTS[name]:
        return None
    more = mean(without.falls - whole.falls)
    said = f"{name}: the fall at the start is larger by {more.text(3)} of the way"
    instead = (
        f"{name}: the fall at the start differs by {more.text(3)} of the way, which tells nothing."
    )
    return Claim(f"{said}.", more.value > 2 * more.error, instead)


def _draw(curves: dict[str, Curve]) -> None:
    """The median part of the way over environment steps."""
    with figure("finetuning") as (panel,):
        for name, curve in curves.items():
            median = np.median(curve.parts, 0)
            steps = PRACTICE.rollout * np.arange(1, len(median) + 1)
            panel.plot(steps, median, label=name)
        panel.axhline(ENOUGH, color="grey", dashes=(4, 4))
        panel.set(xlabel="environment steps", ylabel="part of the way to the expert")
        panel.legend()


if __name__ == "__main__":
    main()
