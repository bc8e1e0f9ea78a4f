"""The peer's side of `vs_imitation_practice.py`: runs in the environment that holds `imitation`, and imports nothing of il_bench.

    python benchmarks/vs_imitation_practice_peer.py TASK.npz gail|sqil|density|practice SEED OUT.npz

Demonstrations, engines' settings and environment steps are those that the task names; what is not named there is as
`imitation` has it. "practice" is stable-baselines3's PPO on the task's own reward: what its engine costs alone.
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import torch
from imitation.algorithms.adversarial.gail import GAIL
from imitation.algorithms.density import DensityAlgorithm
from imitation.algorithms.sqil import SQIL
from imitation.data.types import Trajectory
from imitation.rewards.reward_nets import BasicRewardNet
from imitation.util import logger
from imitation.util.networks import RunningNorm
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv

SMALL = 2048
"""Environment steps of a first, untimed run, which loads what is loaded late."""


def demonstrations(task: dict[str, Any]) -> list[Trajectory]:
    """The expert's episodes."""
    shown = []
    ends = np.cumsum(task["lengths"])
    for number, end in enumerate(ends):
        first = end - task["lengths"][number]
        # Each episode has one observation more than actions.
        obs = task["obs"][first + number : end + number + 1]
        shown.append(Trajectory(obs, task["action"][first:end], infos=None, terminal=False))
    return shown


def world(task: dict[str, Any], copies: int, seed: int) -> DummyVecEnv:
    """Copies of the task's environment, without a monitor, as on the other side."""
    make = partial(gymnasium.make, str(task["env"]))
    venv = DummyVecEnv([make] * copies)
    venv.seed(seed)
    return venv


def ppo(task: dict[str, Any], venv: DummyVecEnv, seed: int) -> PPO:
    """The engine, with the other side's settings."""
    return PPO(
        "MlpPolicy",
        venv,
        learning_rate=float(task["ppo_rate"]),
        n_steps=int(task["ppo_rollout"]) // venv.num_envs,
        batch_size=int(task["ppo_minibatch"]),
        n_epochs=int(task["ppo_epochs"]),
        gamma=float(task["gamma"]),
        policy_kwargs={"net_arch": [64, 64]},
        seed=seed,
        device="cpu",
    )


def dqn(task: dict[str, Any]) -> dict[str, Any]:
    """Settings of the engine of SQIL."""
    rollout = int(task["dqn_rollout"])
    chance = float(task["dqn_explore"])
    return {
        "learning_rate": float(task["dqn_rate"]),
        "learning_starts": 0,
        "buffer_size": int(task["sqil_steps"]),
        "batch_size": int(task["dqn_minibatch"]),
        "gamma": float(task["gamma"]),
        "train_freq": rollout,
        "gradient_steps": int(task["dqn_updates"]),
        "target_update_interval": rollout,
        "exploration_initial_eps": chance,
        "exploration_final_eps": chance,
        "policy_kwargs": {"net_arch": [64, 64]},
        "device": "cpu",
    }


def learn(task: dict[str, Any], algorithm: str, seed: int, steps: int, scratch: str) -> Any:
    """What has been learned after so many environment steps."""
    quiet = logger.configure(scratch, format_strs=[])
    shown = demonstrations(task)
    if algorithm == "sqil":
        venv = world(task, 1, seed)
        settings = dqn(task) | {"seed": seed}
        trainer = SQIL(
            venv=venv,
            demonstrations=shown,
            policy="MlpPolicy",
            custom_logger=quiet,
            rl_algo_class=DQN,
            rl_kwargs=settings,
        )
        trainer.train(total_timesteps=steps)
        return trainer.policy
    venv = world(task, int(task["ppo_copies"]), seed)
    engine = ppo(task, venv, seed)
    common = {"demonstrations": shown, "venv": venv, "custom_logger": quiet}
    if algorithm == "gail":
        judge = BasicRewardNet(
            venv.observation_space,
            venv.action_space,
            hid_sizes=(64, 64),
            normalize_input_layer=RunningNorm,
        )
        trainer = GAIL(
            demo_batch_size=int(task["view"]),
            gen_algo=engine,
            reward_net=judge,
            n_disc_updates_per_round=int(task["views"]),
            disc_opt_kwargs={"lr": float(task["judge_rate"])},
            gen_train_timesteps=int(task["ppo_rollout"]),
            allow_variable_horizon=True,
            **common,
        )
        trainer.train(total_timesteps=steps)
    elif algorithm == "density":
        chance = np.random.default_rng(seed)
        trainer = DensityAlgorithm(
            rl_algo=engine, rng=chance, allow_variable_horizon=True, **common
        )
        trainer.train()
        trainer.train_policy(n_timesteps=steps)
    else:
        engine.learn(steps)
    return engine.policy


def main() -> None:
    """One seed of one algorithm."""
    path, algorithm, seed, out = sys.argv[1:]
    torch.set_num_threads(1)
    task = dict(np.load(path))
    number = int(seed)
    kind = "sqil" if algorithm == "sqil" else "ppo"
    with tempfile.TemporaryDirectory() as scratch:
        learn(task, algorithm, number, SMALL, scratch)
        torch.manual_seed(number)
        began = time.process_time()
        policy = learn(task, algorithm, number, int(task[f"{kind}_steps"]), scratch)
        spent = time.process_time() - began
    judged = world(task, 1, 10_000 + number)
    returns, _ = evaluate_policy(
        policy, judged, int(task["judged"]), return_episode_rewards=True, warn=False
    )
    np.savez(out, spent=spent, returns=returns)


if __name__ == "__main__":
    main()
