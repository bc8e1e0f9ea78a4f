"""GAIL and SQIL here and in the library `imitation`, at equal environment steps: what they reach, and what they cost.

    python benchmarks/vs_imitation_practice.py [--peer FOLDER] [--jobs N]   # the peer's environment, see vs_imitation.py

CartPole-v1 from 10 episodes of one expert, the same for both sides. Both practise by stable-baselines3, with the same settings
of PPO and DQN and as many steps, each side with its own release of it (2.9 here, 2.2 there); judges have the same widths,
rates and updates. "practice" is PPO on the task's own reward: what the engine costs alone, on each side. Density, which
only the peer has, stands beside them. Processor time of one run on one thread, imports and a first small run outside. A
seed takes two minutes of a core or more; --jobs shares seeds among processes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from claims import Claim, goal
from joblib import Parallel, delayed
from publish import RESULTS, publish, table
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv
from vs_imitation import peer_python

import il_bench as il
from il_bench.borders.contest import Contest
from il_bench.core.rollout import by_expert, by_policy, rollout

HERE = Path(__file__).parent
TASK = "CartPole-v1"
SEEDS = 8
EPISODES, JUDGED = 10, 20
"""Of the expert; and in which a policy is judged."""
STEPS = {"gail": 40_960, "sqil": 20_000}
"""Environment steps of practice."""
RATE = 1e-3
"""Of SQIL, on both sides."""
ENOUGH = 0.9
"""Of the expert's return."""
OURS, THEIRS = "il_bench", "imitation"
PEERS = "gail", "sqil", "density", "practice"
"""What the peer runs."""


class Outcome(NamedTuple):
    """Of one run: processor seconds, and the mean return of its policy."""

    spent: float
    reached: float


Outcomes = dict[tuple[str, str], list[Outcome]]
"""By side and algorithm, a run each."""


def learners() -> dict[str, Any]:
    """Ours, by name."""
    gail = il.GAIL(EPISODES)
    sqil = il.SQIL(EPISODES, il.Replay(steps=STEPS["sqil"], rate=RATE))
    assert gail.contest.practice.steps == STEPS["gail"]
    return {"gail": gail, "sqil": sqil}


def write_task(path: Path, env: il.Env) -> float:
    """What the peer is told: demonstrations and settings. The expert's mean return."""
    expert = il.expert(env)
    episodes = rollout(env, by_expert(env, expert), il.Streams(env.seeds), EPISODES)
    lengths = episodes.length[0].tolist()
    seen = env.observation(episodes.state.flatten(1, 2)).unflatten(1, episodes.state.shape[1:3])
    obs = [seen[0, number, : length + 1] for number, length in enumerate(lengths)]
    action = [episodes.action[0, number, :length, 0] for number, length in enumerate(lengths)]
    gail, sqil = learners().values()
    practice, judging = gail.contest.practice, gail.contest.judging
    np.savez(
        path,
        env=TASK,
        obs=np.concatenate(obs).astype(np.float32),
        action=np.concatenate(action).astype(np.int64),
        lengths=lengths,
        judged=JUDGED,
        gamma=practice.gamma,
        ppo_steps=practice.steps,
        ppo_rollout=practice.rollout,
        ppo_copies=practice.copies,
        ppo_epochs=practice.epochs,
        ppo_minibatch=practice.minibatch,
        ppo_rate=practice.rate,
        views=judging.views,
        view=judging.view,
        judge_rate=judging.judge_rate,
        sqil_steps=sqil.replay.steps,
        dqn_rollout=sqil.replay.rollout,
        dqn_updates=round(sqil.replay.ratio * sqil.replay.rollout),
        dqn_minibatch=sqil.replay.minibatch,
        dqn_rate=sqil.replay.rate,
        dqn_explore=sqil.replay.explore,
    )
    return float(episodes.returns.mean())


def ours(algorithm: str, seed: int) -> Outcome:
    """One run of ours."""
    env = il.make(TASK, seeds=(seed,))
    expert = il.expert(env)
    ways = {name: partial(learner.learn, env, expert) for name, learner in learners().items()}
    ways["practice"] = partial(practised, seed)
    began = time.process_time()
    policy = ways[algorithm]()
    spent = time.process_time() - began
    streams = il.Streams(env.seeds).fork("judged")
    judged = rollout(env, by_policy(env, policy), streams, JUDGED)
    return Outcome(spent, float(judged.returns.mean()))


def practised(seed: int) -> il.Policy:
    """What the engine alone learns from the task's own reward."""
    practice = learners()["gail"].contest.practice
    world = DummyVecEnv([partial(gymnasium.make, TASK)] * practice.copies)
    world.seed(seed)
    model = practice.model("MlpPolicy", world, seed)
    model.set_logger(Logger(None, []))
    model.learn(practice.steps)
    return il.from_sb3(model)


def theirs(python: str, task: Path, algorithm: str, seed: int) -> Outcome:
    """One run of the peer's, in a process of its own."""
    script = HERE / "vs_imitation_practice_peer.py"
    out = task.with_name(f"out{seed}.npz")
    command = [python, str(script), str(task), algorithm, str(seed), str(out)]
    surroundings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    ended = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"{THEIRS}: `{' '.join(command)}` failed:\n{ended.stderr[-3000:]}")
    arrays = np.load(out)
    return Outcome(float(arrays["spent"]), float(arrays["returns"].mean()))


def measured(python: str, task: Path, seed: int) -> dict[tuple[str, str], Outcome]:
    """One seed of everything on both sides, in turn, in a process that has not learned before."""
    torch.set_num_threads(1)
    env = il.make(TASK)
    small = il.GAIL(1, Contest(practice=il.Practice(steps=1024)))
    small.learn(env, il.expert(env))
    own = {(OURS, name): ours(name, seed) for name in (*learners(), "practice")}
    others = {(THEIRS, name): theirs(python, task, name, seed) for name in PEERS}
    print(f"seed {seed} of {SEEDS}", flush=True)
    return own | others


def claims(outcomes: Outcomes, best: float) -> list[Claim]:
    """What is said of both sides."""
    said = []
    for algorithm in ("gail", "sqil"):
        own = outcomes[OURS, algorithm]
        other = outcomes[THEIRS, algorithm]
        enough = [sum(one.reached >= ENOUGH * best for one in runs) for runs in (own, other)]
        ratio = median(b.spent / a.spent for a, b in zip(own, other, strict=True))
        name = algorithm.upper()
        words = f"{name} reaches {ENOUGH:.0%} of the expert's return in {enough[0]} of {SEEDS} runs here and {enough[1]} there"
        said.append(goal(f"{words} (goal here: all)", enough[0] == SEEDS))
        said.append(Claim(f"The peer's {name} takes {ratio:.2g} × the processor time of ours."))
    return said


def line(side: str, algorithm: str, runs: list[Outcome], best: float) -> list[str]:
    """One row of the table."""
    reached = [one.reached / best for one in runs]
    spent = [one.spent for one in runs]
    steps = STEPS["sqil" if algorithm == "sqil" else "gail"]
    return [
        algorithm,
        side,
        f"{steps:,}",
        f"{median(reached):.2f} [{min(reached):.2f}, {max(reached):.2f}]",
        f"{median(spent):.3g} [{min(spent):.3g}, {max(spent):.3g}]",
    ]


def by_learner(entry: tuple[tuple[str, str], Any]) -> tuple[str, str]:
    """In which order rows stand."""
    (side, name), _ = entry
    return name, side


def main() -> None:
    """All seeds of each on both sides."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--peer", type=Path, default=RESULTS / "peer")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at a time, a process each")
    asked = parser.parse_args()
    python = peer_python(asked.peer.absolute())
    env = il.make(TASK)
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task.npz"
        best = write_task(task, env)
        each = Parallel(asked.jobs)(delayed(measured)(python, task, seed) for seed in range(SEEDS))
    outcomes: Outcomes = {key: [one[key] for one in each] for key in each[0]}
    rows = [
        line(side, name, runs, best)
        for (side, name), runs in sorted(outcomes.items(), key=by_learner)
    ]
    header = ["learner", "side", "steps", "return, of the expert's", "processor time, s"]
    caption = f"{TASK}, {EPISODES} episodes of the expert, medians and ranges of {SEEDS} seeds, {JUDGED} episodes to be judged by."
    kept = {
        f"{side}, {name}": [one._asdict() for one in runs]
        for (side, name), runs in outcomes.items()
    }
    publish(
        "vs_imitation_practice", claims(outcomes, best), table(header, rows), caption, outcomes=kept
    )


if __name__ == "__main__":
    main()
