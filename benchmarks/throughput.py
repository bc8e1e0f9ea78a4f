"""Environment steps a second, one core: a single gymnasium.Env, vectors of 1,024 and 16,384, and the harness itself.

Beside them, in the same run: Gymnasium's CartPole alone, in a SyncVectorEnv and as one NumPy batch; gymnax's under jax.vmap
where both are installed; and the harness on a GPU where there is one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import gymnasium
import numpy as np
import torch
from claims import Claim, goal
from publish import publish, table

import il_bench as il
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.streams import Streams


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
    streams = Streams(env.seeds).fork("gym")
    episode = rollout(env, by_expert(env, il.expert(env)), streams, 1)
    actions = episode.action[:, 0].numpy()
    discrete = hasattr(env.action_space, "n")
    return actions[..., 0].astype(np.int64) if discrete else actions.astype(np.float32)


def single(
    identifier: str, actions: np.ndarray | None = None, steps: int = 10_000
) -> Callable[[], int]:
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


def cartpoles(count: int, mode: str, steps: int = 100) -> Callable[[], int]:
    """Gymnasium's CartPole, `count` of them: one after another ("sync"), or as one NumPy batch ("vector_entry_point")."""
    env = gymnasium.make_vec("CartPole-v1", num_envs=count, vectorization_mode=mode)
    actions = np.random.default_rng(0).integers(0, 2, (steps, count))

    def work() -> int:
        env.reset(seed=0)
        for action in actions:
            env.step(action)
        return count * steps

    return work


def compiled(count: int, steps: int = 100) -> Callable[[], int] | None:
    """CartPole of gymnax, `count` of them, a whole episode in one compiled call; None where it is not installed."""
    os.environ.setdefault(
        "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    )
    try:
        import gymnax
        import jax
    except ImportError:
        return None
    env, settings = gymnax.make("CartPole-v1")

    def episode(key: object) -> object:
        _, state = env.reset(key, settings)

        def one(state: tuple, key: object) -> tuple:
            action = env.action_space(settings).sample(key)
            _, state, reward, *_ = env.step(key, state, action, settings)
            return state, reward

        _, rewards = jax.lax.scan(one, state, jax.random.split(key, steps))
        return rewards.sum()

    many = jax.jit(jax.vmap(episode))
    keys = jax.random.split(jax.random.PRNGKey(0), count)

    def work() -> int:
        many(keys).block_until_ready()
        return count * steps

    return work


def vector(
    identifier: str, actions: np.ndarray, count: int, most: float = 4.0
) -> Callable[[], int]:
    """Many at once, resets included: the first episode of each, and the step that begins the second.

    Slow environments are timed over what they manage in `most` seconds.
    """
    env = gymnasium.make_vec(identifier, num_envs=count)
    further = (1,) * (actions.ndim - 2)
    several = np.tile(actions, (count // len(actions), 1, *further))
    columns = [several[:, t] for t in range(actions.shape[1])] + [several[:, 0]]

    def work() -> int:
        began, done = time.perf_counter(), 0
        env.reset(seed=0)
        for column in columns:
            env.step(column)
            done += count
            if time.perf_counter() - began > most:
                break
        return done

    return work


def harness(name: str, runs: int, episodes: int, device: str = "cpu") -> Callable[[], int]:
    """`rollout` with the expert driving: runs x episodes in lockstep."""
    env = il.make(name, seeds=runs, device=device)
    expert = il.expert(env)
    return lambda: int(
        rollout(env, by_expert(env, expert), Streams(env.seeds), episodes).length.sum()
    )


def cartpole() -> dict[str, float]:
    """Steps a second of Gymnasium's CartPole, and of gymnax's where that is installed."""
    rates = {
        "single": best(single("CartPole-v1")),
        "sync": best(cartpoles(64, "sync")),
        "batch_1024": best(cartpoles(1024, "vector_entry_point")),
        "batch_16384": best(cartpoles(16_384, "vector_entry_point")),
    }
    for count in (1024, 16_384):
        work = compiled(count)
        if work is not None:
            rates[f"jax_{count}"] = best(work)
    return rates


def ours(name: str) -> dict[str, float]:
    """Steps a second of one of our environments; nothing of one whose data is not on this machine."""
    identifier = f"il_bench/{name.capitalize()}-v0"
    try:
        actions = expert_actions(name, 1024)
    except ValueError as absent:
        print(f"{name} is left out: {absent}")
        return {}
    rates = {
        "single": best(single(identifier, actions)),
        "vector_1024": best(vector(identifier, actions, 1024)),
        "vector_16384": best(vector(identifier, actions, 16_384), 2),
        "harness_64x64": best(harness(name, 64, 64), 3),
    }
    if torch.cuda.is_available():
        rates["harness_64x64_cuda"] = best(harness(name, 64, 64, "cuda"), 3)
    print(name, *(f"{rate:,.0f}" for rate in rates.values()), sep="  ")
    return rates


def yardsticks(rates: dict[str, float]) -> list[list[str]]:
    """The table's lines of CartPole."""
    words = {name: f"{rate:,.0f}" for name, rate in rates.items()}
    sync = f"{words['sync']} (SyncVectorEnv of 64)"
    batches = words["batch_1024"], words["batch_16384"]
    lines = [
        ["CartPole-v1 (Gymnasium)", words["single"], sync],
        ["CartPole-v1 (Gymnasium's NumPy batch)", "", *batches],
    ]
    if "jax_1024" in words:
        lines.append(["CartPole-v1 (gymnax, jax)", "", words["jax_1024"], words["jax_16384"]])
    return lines


def claims(lane: dict[str, float], yard: dict[str, float]) -> list[Claim]:
    """What is said of the lane, beside CartPole in the same run."""
    one, many = lane["single"], lane["vector_1024"]
    part = one / yard["single"]
    times = many / yard["sync"]
    batch = many / yard["batch_1024"]
    alone = f"One `lane` takes {one:,.0f} steps a second (goal: 20,000)"
    together = f"1024 of them take {many / 1e6:.1f} million (goal: 3 million)"
    return [
        goal(alone, one >= 20_000),
        goal(together, many >= 3e6),
        Claim(
            f"That is {part:.2f} of CartPole's in the same run, {times:.0f} times SyncVectorEnv's and "
            f"{batch:.2f} of what Gymnasium's own NumPy batch of CartPoles does."
        ),
    ]


def main() -> None:
    """Our environments, with Gymnasium's CartPole as the yardstick of the same run."""
    torch.set_num_threads(1)
    yard = cartpole()
    measured = {name: ours(name) for name in il.ENVS}
    rates = {name: row for name, row in measured.items() if row}
    header = [
        "environment",
        "gymnasium.Env",
        "make_vec, 1,024",
        "make_vec, 16,384",
        "harness, 64 runs x 64 rollouts",
    ]
    if torch.cuda.is_available():
        header.append("the same on a GPU")
    lines = yardsticks(yard)
    lines += [[name, *(f"{rate:,.0f}" for rate in row.values())] for name, row in rates.items()]
    full = [line + [""] * (len(header) - len(line)) for line in lines]
    sentences = claims(rates["lane"], yard)
    caption = "One core, one thread."
    publish(
        "throughput",
        sentences,
        table(header, full),
        caption,
        steps_per_second=rates,
        cartpole=yard,
    )


if __name__ == "__main__":
    main()
