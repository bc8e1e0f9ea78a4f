"""Environment steps a second, one core: a single gymnasium.Env, a vector of 1024, and the harness itself."""

from __future__ import annotations

import time
from collections.abc import Callable

import gymnasium
import numpy as np
import torch
from publish import publish, table

import il_bench as il
from il_bench.rollout import by_expert, rollout
from il_bench.streams import Streams


def best(work: Callable[[], int], repeats: int = 5) -> float:
    """Steps a second, the best of a few repeats: what the machine can do when nothing else does."""
    rates = []
    for _ in range(repeats):
        began = time.perf_counter()
        steps = work()
        rates.append(steps / (time.perf_counter() - began))
    return max(rates)


def expert_actions(name: str, seeds: int) -> np.ndarray:
    """What the expert does on the first episode of each seed (n, T, ...), to be played back: full-length episodes."""
    env = il.make(name, seeds=seeds)
    actions = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds).fork("gym"), 1).action[:, 0].numpy()
    discrete = hasattr(env.action_space, "n")
    return actions[..., 0].astype(np.int64) if discrete else actions.astype(np.float32)


def single(identifier: str, actions: np.ndarray | None = None, steps: int = 10_000) -> Callable[[], int]:
    """One environment, as a user steps it; the same action throughout where none are given."""
    env = gymnasium.make(identifier)
    chosen = [env.action_space.sample()] if actions is None else list(actions[0])

    def work() -> int:
        env.reset(seed=0)
        at = 0
        for _ in range(steps):
            _, _, terminated, truncated, _ = env.step(chosen[at % len(chosen)])
            at += 1
            if terminated or truncated:
                env.reset(seed=0)
                at = 0
        return steps

    return work


def vector(identifier: str, actions: np.ndarray) -> Callable[[], int]:
    """Many at once, resets included: the first episode of each, and the step that begins the second."""
    count, horizon = actions.shape[:2]
    env = gymnasium.make_vec(identifier, num_envs=count)
    columns = [actions[:, t] for t in range(horizon)] + [actions[:, 0]]

    def work() -> int:
        env.reset(seed=0)
        for column in columns:
            env.step(column)
        return count * len(columns)

    return work


def harness(name: str, runs: int, episodes: int) -> Callable[[], int]:
    """`rollout` with the expert driving: runs x episodes in lockstep."""
    env = il.make(name, seeds=runs)
    expert = il.expert(env)
    return lambda: int(rollout(env, by_expert(env, expert), Streams(env.seeds), episodes).length.sum())


def main() -> None:
    """Our environments, with Gymnasium's CartPole as the yardstick of the same run."""
    torch.set_num_threads(1)
    yard_single = best(single("CartPole-v1"))
    sync = gymnasium.make_vec("CartPole-v1", num_envs=64, vectorization_mode="sync")
    yard_vector = best(
        lambda: (sync.reset(seed=0), [sync.step(sync.action_space.sample()) for _ in range(100)], 6400)[-1]
    )
    cells, found = (
        [["CartPole-v1 (Gymnasium)", f"{yard_single:,.0f}", f"{yard_vector:,.0f} (SyncVectorEnv of 64)", ""]],
        {},
    )
    for name in il.ENVS:
        identifier = f"il_bench/{name.capitalize()}-v0"
        try:
            actions = expert_actions(name, 1024)
        except ValueError as absent:  # an environment of data that is not on this machine
            print(f"{name} is left out: {absent}")
            continue
        one, many = best(single(identifier, actions)), best(vector(identifier, actions))
        found[name] = {"single": one, "vector_1024": many, "harness_64x64": best(harness(name, 64, 64), 3)}
        cells.append([name, f"{one:,.0f}", f"{many:,.0f}", f"{found[name]['harness_64x64']:,.0f}"])
    lane = found["lane"]
    claim = (
        f"One `lane` takes {lane['single']:,.0f} steps a second ({lane['single'] / yard_single:.2f} of CartPole's in "
        f"the same run; goal: 20,000), 1024 of them {lane['vector_1024'] / 1e6:.1f} million (goal: 3 million), "
        f"{lane['vector_1024'] / yard_vector:.0f} times SyncVectorEnv. One core, one thread."
    )
    header = ["environment", "gymnasium.Env", "make_vec, 1024", "twin harness, 64 runs x 64 rollouts"]
    publish("throughput", claim, table(header, cells), steps_per_second=found, cartpole=[yard_single, yard_vector])


if __name__ == "__main__":
    main()
