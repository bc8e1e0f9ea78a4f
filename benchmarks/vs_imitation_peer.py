"""The peer's side of `vs_imitation.py`: runs in the environment that holds `imitation`, and imports nothing of il_bench.

    python benchmarks/vs_imitation_peer.py TASK.npz bc|dagger SEED OUT.npz

The task is the one that `vs_imitation.py` wrote: matrices, gains and dials. As a user of `imitation` would write it, and
then with everything off that is not learning: no progress bar, no log, no rollouts for the log; one environment for each
episode of a round, so that the expert and the network answer for ten at a time.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from importlib.metadata import version
from typing import Any

import datasets
import gymnasium
import numpy as np
import torch
from imitation.algorithms.bc import BC
from imitation.algorithms.dagger import SimpleDAggerTrainer
from imitation.data import rollout
from imitation.util import logger
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import DummyVecEnv


class Tracking(gymnasium.Env):
    """s' = clip(L R s + B a + sigma w, +-10), with states in float64 and observations in float32."""

    def __init__(self, task: Any, lipschitz: float):
        self.task, self.drift, self.push = task, lipschitz * task["rotation"], task["push"]
        clip, limit = float(task["clip"]), float(task["limit"])
        self.observation_space = gymnasium.spaces.Box(-clip, clip, (len(self.drift),), np.float32)
        self.action_space = gymnasium.spaces.Box(-limit, limit, (self.push.shape[1],), np.float32)
        self.clip, self.sigma, self.horizon = clip, float(task["sigma"]), int(task["horizon"])

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[np.ndarray, dict]:
        """A start in the cube of half-width 1."""
        super().reset(seed=seed)
        self.state, self.left = self.np_random.uniform(-1, 1, len(self.drift)), self.horizon
        return self.state.astype(np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """One step; the horizon ends the episode."""
        wind = self.sigma * self.np_random.standard_normal(len(self.drift))
        self.state = np.clip(
            self.drift @ self.state + self.push @ action + wind, -self.clip, self.clip
        )
        self.left -= 1
        return (
            self.state.astype(np.float32),
            -float(self.state @ self.state),
            False,
            self.left == 0,
            {},
        )


class Regulator(BasePolicy):
    """a = clip(-K s): the expert, for all environments in one product."""

    def __init__(self, env: DummyVecEnv, gain: np.ndarray):
        super().__init__(env.observation_space, env.action_space)
        self.gain = torch.as_tensor(gain, dtype=torch.float32)

    def _predict(self, observation: torch.Tensor, deterministic: bool = False) -> torch.Tensor:
        limit = float(self.action_space.high[0])
        return (-observation @ self.gain.T).clamp(-limit, limit)


class Clocks:
    """Processor and wall seconds since its beginning."""

    def __init__(self) -> None:
        self.began = time.process_time(), time.perf_counter()

    def read(self) -> list[float]:
        """(processor, wall) seconds so far."""
        return [time.process_time() - self.began[0], time.perf_counter() - self.began[1]]


def learn(
    task: Any, which: int, algorithm: str, seed: int, scratch: str, small: bool = False
) -> tuple[Any, dict[str, Any]]:
    """One run on the task's dial number `which`; the clocks hold the rollouts, the labels and the training.

    `small` is the same with one round, one episode and one epoch, for what must be loaded before the clocks start.
    """
    episodes = 1 if small else int(task[f"{algorithm}_episodes"])
    rounds, abreast = (1, 1) if small else (int(task["rounds"]), int(task["dagger_episodes"]))
    torch.manual_seed(seed)
    env = DummyVecEnv([lambda: Tracking(task, float(task["lipschitz"][which]))] * abreast)
    env.seed(seed)
    expert, chance = Regulator(env, task["gain"][which]), np.random.default_rng(seed)
    # The same epochs, and the same beta, are the defaults of imitation's DAgger.
    options = {
        "n_epochs": 1 if small else int(task["epochs"]),
        "progress_bar": False,
        "log_rollouts_venv": None,
    }
    settings = {"rng": chance, "custom_logger": logger.configure(scratch, format_strs=[])}
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
    clocks = Clocks()
    trainer = BC(**spaces, **settings, batch_size=int(task["batch"]), device="cpu")
    if algorithm == "bc":
        until = rollout.make_min_episodes(episodes)
        demonstrations = rollout.generate_trajectories(
            expert, env, until, chance, deterministic_policy=True
        )
        collecting, labels = clocks.read(), sum(map(len, demonstrations))
        trainer.set_demonstrations(demonstrations)
        trainer.train(**options)
    else:
        dagger = SimpleDAggerTrainer(
            venv=env, scratch_dir=scratch, expert_policy=expert, bc_trainer=trainer, **settings
        )
        dagger.train(
            rounds * episodes * int(task["horizon"]),
            rollout_round_min_episodes=episodes,
            rollout_round_min_timesteps=1,
            bc_train_kwargs=options,
        )
        collecting, labels = [], sum(map(len, dagger._all_demos))
    spent, updates = clocks.read(), int(next(iter(trainer.optimizer.state.values()))["step"])
    return trainer.policy, {
        "spent": spent,
        "collecting": collecting,
        "labels": labels,
        "updates": updates,
    }


def weights(policy: Any) -> dict[str, np.ndarray]:
    """The network of the mean action, layer after layer, as (out, in) and (out,)."""
    linear = [
        m
        for m in [*policy.mlp_extractor.policy_net, policy.action_net]
        if isinstance(m, torch.nn.Linear)
    ]
    return {
        f"{name}{i}": value.detach().numpy()
        for i, layer in enumerate(linear)
        for name, value in (("weight", layer.weight), ("bias", layer.bias))
    }


def main() -> None:
    """One seed of one algorithm, on every dial of the task."""
    path, algorithm, seed, out = sys.argv[1:]
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    task, packages = (
        dict(np.load(path)),
        ("imitation", "torch", "gymnasium", "stable-baselines3", "numpy", "datasets"),
    )
    found: dict[str, Any] = {"versions": [f"{name} {version(name)}" for name in packages]}
    for which, small in [(0, True), *((i, False) for i in range(len(task["lipschitz"])))]:
        with tempfile.TemporaryDirectory() as scratch:
            policy, cost = learn(task, which, algorithm, int(seed), scratch, small)
        found |= {f"{which}/{name}": value for name, value in (cost | weights(policy)).items()}
    np.savez(out, **found, memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    main()
