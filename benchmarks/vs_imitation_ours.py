"""il_bench's side of `vs_imitation.py`: the task as an environment, its expert, and one process that learns in it.

python benchmarks/vs_imitation_ours.py TASK.npz bc|dagger FIRST_SEED RUNS OUT.npz
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from scipy.linalg import solve_discrete_are

import il_bench as il
from il_bench.core.arrays import affine

DIALS = (0.9, 1.2, 1.5)
TASK: dict[str, Any] = {
    "lipschitz": DIALS,
    "clip": 10.0,
    "limit": 10.0,
    "sigma": 0.01,
    "horizon": 100,
    "batch": 32,
    "epochs": 4,
    "bc_episodes": 50,
    "rounds": 10,
    "dagger_episodes": 10,
}
LABELS = {"bc": 5_000, "dagger": 10_000}
UPDATES = {
    "bc": 4 * (5_000 // 32),
    "dagger": sum(4 * (1_000 * i // 32) for i in range(1, 11)),
}
"""624 and 6,860."""


def write_task(path: Path) -> None:
    """The task of both sides: a rotation, a push and the gains, from a key of their own, beside the constants."""
    streams = il.Streams((0,)).fork("vs_imitation")
    chance = streams.normal("rotation", 1, 4, 4)[0, 0].numpy()
    q, r = np.linalg.qr(chance)
    signs = np.sign(np.diag(r))
    rotation = q * signs
    push = streams.normal("push", 1, 4, 2)[0, 0].numpy()
    gains = [gain(big * rotation, push) for big in DIALS]
    np.savez(path, **TASK, rotation=rotation, push=push, gain=np.stack(gains))


def gain(drift: np.ndarray, push: np.ndarray) -> np.ndarray:
    """K of the linear-quadratic regulator with Q = I and R = 0.1 I."""
    cost = 0.1 * np.eye(2)
    ahead = solve_discrete_are(drift, push, np.eye(4), cost)
    weight = cost + push.T @ ahead @ push
    return np.linalg.solve(weight, push.T @ ahead @ drift)


@dataclass(frozen=True, kw_only=True)
class Tracking(il.Env):
    """s' = clip(L R s + B a + sigma w, +-10), R orthogonal: a rotation stretched by L, pushed by two actions."""

    horizon: int = TASK["horizon"]
    """Steps in an episode, T."""
    lipschitz: il.Values = 1.2
    """L of the transition."""
    task: str = ""
    """The file that holds the matrices."""

    states: ClassVar = {f"s{i}": "" for i in range(4)}
    noise_size: ClassVar = 4
    observation_space: ClassVar = spaces.Box(-TASK["clip"], TASK["clip"], (4,))
    action_space: ClassVar = spaces.Box(-TASK["limit"], TASK["limit"], (2,))

    def validate(self) -> None:
        """Nothing to refuse."""

    @cached_property
    def given(self) -> dict[str, np.ndarray]:
        """The arrays of the task."""
        return dict(np.load(self.task))

    @cached_property
    def weight(self) -> torch.Tensor:
        """L R and B side by side, transposed: (R, X + U, X)."""
        rotation = self.given["rotation"]
        push = self.given["push"]
        both = [np.hstack((big * rotation, push)).T for big in self.values("lipschitz")]
        return torch.from_numpy(np.stack(both))

    def initial(self, streams: il.Streams, episodes: int) -> torch.Tensor:
        """Anywhere in the cube of half-width 1."""
        return 2 * streams.uniform("initial", episodes, 4) - 1

    def transition(self, state: Any, action: Any, noise: Any) -> Any:
        """One step."""
        both = torch.cat((state, action), -1)
        pushed = affine(TASK["sigma"] * noise, both, self.weight)
        return pushed.clamp(-TASK["clip"], TASK["clip"])

    def observation(self, state: Any) -> Any:
        """The state."""
        return state

    def reward(self, state: Any, action: Any, next_state: Any) -> Any:
        """Minus the squared distance from rest."""
        return -(next_state * next_state).sum(-1)

    def terminal(self, state: Any) -> Any:
        """Never."""
        return torch.zeros(state.shape[:2], dtype=torch.bool)

    def difference(self, state: Any, other: Any) -> Any:
        """Of all coordinates."""
        return state - other

    def certificate(self) -> il.Certificate:
        """L, attained by every pair that stays off the clip."""
        zero = torch.zeros(self.runs, 1, 4, dtype=torch.float64)
        return il.Certificate(
            self.values("lipschitz"), "Euclidean", "exact", pair=(zero, zero + 0.1)
        )

    def draw(
        self, state: np.ndarray, size: tuple[int, int], ghost: np.ndarray | None = None
    ) -> np.ndarray:
        """Nothing to see."""
        return np.zeros((size[1], size[0], 3), dtype=np.uint8)


@dataclass(frozen=True)
class Regulator(il.Expert):
    """a = clip(-K s, +-10), K of the linear-quadratic regulator with Q = I and R = 0.1 I."""

    env: Tracking

    @cached_property
    def weight(self) -> torch.Tensor:
        """-K of each run, transposed: (R, X, U)."""
        gains = dict(zip(DIALS, self.env.given["gain"], strict=True))
        weights = [-gains[big].T for big in self.env.values("lipschitz")]
        return torch.from_numpy(np.stack(weights))

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        zero = state.new_zeros(1, 1, 2).expand(self.env.runs, -1, -1)
        return affine(zero, state, self.weight).clamp(-10, 10)


def learner(algorithm: str, small: bool = False) -> Any:
    """The protocol of the peer's learner in our terms; labels and updates are the same in all, the updates by data.

    `small` is the same on few episodes and updates, for what must be loaded before the clocks start.
    """
    updates = 3 if small else UPDATES[algorithm]
    # As the peer's network, in the action's own units: scaled to deviation 1, the same gains would be 8 times as steep.
    training = il.Training(hidden=(32, 32), batch=TASK["batch"], updates=updates, targets="none")
    episodes, rounds = (1, 2) if small else (TASK[f"{algorithm}_episodes"], TASK["rounds"])
    if algorithm == "bc":
        return il.BC(episodes=episodes, training=training)
    return il.DAgger(
        rounds=rounds, episodes=episodes, beta="linear", p=15.0, share="by-data", training=training
    )


def main() -> None:
    """One process: RUNS seeds of one algorithm at once, on one dial of the task after the other."""
    path, algorithm, first, runs, out = sys.argv[1:]
    torch.set_num_threads(1)
    start = int(first)
    seeds = tuple(range(start, start + int(runs)))
    env = Tracking(task=path)
    learner(algorithm, small=True).learn(env, Regulator(env))
    arrays: dict[str, Any] = {}
    for which, big in enumerate(DIALS):
        env = Tracking(task=path, lipschitz=big, seed=seeds)
        outcome = timed(env, algorithm)
        arrays |= {f"{which}/{name}": np.asarray(value) for name, value in outcome.items()}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    np.savez(out, **arrays, memory=memory)


def timed(env: Tracking, algorithm: str) -> dict[str, Any]:
    """One learning: seconds of processor and wall, labels, updates and the policy's arrays."""
    cpu = time.process_time()
    wall = time.perf_counter()
    policy = learner(algorithm).learn(env, Regulator(env))
    spent = time.process_time() - cpu, time.perf_counter() - wall
    log = policy.log
    cost = {"spent": spent, "labels": int(log.labels[0]), "updates": log.updates}
    return cost | policy.arrays()


if __name__ == "__main__":
    main()
