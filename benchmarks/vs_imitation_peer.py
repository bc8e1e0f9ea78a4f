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

PACKAGES = "imitation", "torch", "gymnasium", "stable-baselines3", "numpy", "datasets"
"""Those whose versions the result names."""


class Tracking(gymnasium.Env):
    """s' = clip(L R s + B a + sigma w, +-10), with states in float64 and observations in float32."""

    def __init__(self, task: Any, lipschitz: float):
        self.drift = lipschitz * task["rotation"]
        self.push = task["push"]
        self.clip = float(task["clip"])
        self.sigma = float(task["sigma"])
        self.horizon = int(task["horizon"])
        states, actions = self.push.shape
        limit = float(task["limit"])
        self.observation_space = gymnasium.spaces.Box(-self.clip, self.clip, (states,), np.float32)
        self.action_space = gymnasium.spaces.Box(-limit, limit, (actions,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[np.ndarray, dict]:
        """A start in the cube of half-width 1."""
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-1, 1, len(self.drift))
        self.left = self.horizon
        return self.state.astype(np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """One step; the horizon ends the episode."""
        wind = self.sigma * self.np_random.standard_normal(len(self.drift))
        ahead = self.drift @ self.state + self.push @ action + wind
        self.state = np.clip(ahead, -self.clip, self.clip)
        self.left -= 1
        reward = -float(self.state @ self.state)
        return self.state.astype(np.float32), reward, False, self.left == 0, {}


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
    abreast = 1 if small else int(task["dagger_episodes"])
    torch.manual_seed(seed)
    lipschitz = float(task["lipschitz"][which])
    env = DummyVecEnv([lambda: Tracking(task, lipschitz)] * abreast)
    env.seed(seed)
    expert = Regulator(env, task["gain"][which])
    chance = np.random.default_rng(seed)
    # The same epochs, and the same beta, are the defaults of imitation's DAgger.
    epochs = 1 if small else int(task["epochs"])
    options = {"n_epochs": epochs, "progress_bar": False, "log_rollouts_venv": None}
    settings = {"rng": chance, "custom_logger": logger.configure(scratch, format_strs=[])}
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
    clocks = Clocks()
    trainer = BC(**spaces, **settings, batch_size=int(task["batch"]), device="cpu")
    cost: dict[str, Any] = {"collecting": []}
    if algorithm == "bc":
        episodes = 1 if small else int(task["bc_episodes"])
        until = rollout.make_min_episodes(episodes)
        demonstrations = rollout.generate_trajectories(
            expert, env, until, chance, deterministic_policy=True
        )
        cost["collecting"] = clocks.read()
        cost["labels"] = sum(map(len, demonstrations))
        trainer.set_demonstrations(demonstrations)
        trainer.train(**options)
    else:
        dagger = SimpleDAggerTrainer(
            venv=env, scratch_dir=scratch, expert_policy=expert, bc_trainer=trainer, **settings
        )
        cost["labels"] = aggregate(dagger, task, options, small)
    cost["spent"] = clocks.read()
    state = next(iter(trainer.optimizer.state.values()))
    cost["updates"] = int(state["step"])
    return trainer.policy, cost


def aggregate(dagger: Any, task: Any, options: dict[str, Any], small: bool) -> int:
    """Train DAgger; how many labels it took."""
    rounds, episodes = int(task["rounds"]), int(task["dagger_episodes"])
    if small:
        rounds = episodes = 1
    dagger.train(
        rounds * episodes * int(task["horizon"]),
        rollout_round_min_episodes=episodes,
        rollout_round_min_timesteps=1,
        bc_train_kwargs=options,
    )
    return sum(map(len, dagger._all_demos))


def weights(policy: Any) -> dict[str, np.ndarray]:
    """The network of the mean action, layer after layer, as (out, in) and (out,)."""
    modules = [*policy.mlp_extractor.policy_net, policy.action_net]
    linear = [module for module in modules if isinstance(module, torch.nn.Linear)]
    arrays = {}
    for number, layer in enumerate(linear):
        arrays[f"weight{number}"] = layer.weight.detach().numpy()
        arrays[f"bias{number}"] = layer.bias.detach().numpy()
    return arrays


def main() -> None:
    """One seed of one algorithm, on every dial of the task."""
    path, algorithm, seed, out = sys.argv[1:]
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    task = dict(np.load(path))
    arrays: dict[str, Any] = {"versions": [f"{name} {version(name)}" for name in PACKAGES]}
    dials = range(len(task["lipschitz"]))
    for which, small in [(0, True), *((dial, False) for dial in dials)]:
        with tempfile.TemporaryDirectory() as scratch:
            policy, cost = learn(task, which, algorithm, int(seed), scratch, small)
        outcome = cost | weights(policy)
        arrays |= {f"{which}/{name}": value for name, value in outcome.items()}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    np.savez(out, **arrays, memory=memory)


if __name__ == "__main__":
    main()
