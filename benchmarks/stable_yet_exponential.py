"""Stable, stable, still exponential: BC and DAgger on both hidden systems, and their growth foretold by the weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from publish import RESULTS, publish, table
from torch.autograd.functional import jacobian

import il_bench as il
from il_bench.stats.intervals import interval

# A hundred demonstrations for either learner. Deviations are small, and the weights' slope at the origin rules, in the
# first dozen steps; later they are of the size at which the network bends.
SEEDS, EPISODES, EARLY = 8, 100, 12


def foretold(env: il.Env, policy: il.Policy) -> np.ndarray:
    """Spectral radius (R,) of the closed loop's Jacobian at the origin, by autograd through policy and transition."""
    origin = torch.zeros(env.runs, 1, len(env.states), dtype=torch.float64)
    noise = torch.zeros(env.runs, 1, env.noise_size, dtype=torch.float64)
    size = env.difference(origin, origin).shape[-1]
    loop = jacobian(
        lambda state: env.transition(state, policy.output(env.observation(state)), noise), origin
    )
    own = [loop[run, 0, :size, run, 0, :size].numpy() for run in range(env.runs)]
    return np.array([np.abs(np.linalg.eigvals(matrix)).max() for matrix in own])


def results(name: str) -> list[dict]:
    """One row for each hidden system and learner."""
    env = il.make(name, system=(1.0, 2.0), seeds=SEEDS)
    expert = il.expert(env)
    averaged, rounds = il.Training(ema=0.99), {"rounds": 10, "episodes": EPISODES // 10}
    policies = {
        "bc": il.BC(EPISODES).learn(env, expert),
        "dagger": il.DAgger(**rounds).learn(env, expert),
        "dagger_ema": il.DAgger(**rounds, training=averaged).learn(env, expert),
    }
    whole, early = (
        il.compare(e, expert, **policies) for e in (env, dataclasses.replace(env, horizon=EARLY))
    )
    il.plot(whole, RESULTS / f"stable_yet_exponential_{name}.png")
    rows = []
    for late, soon in zip(whole.rows(at=(env.horizon,)), early.rows(at=(EARLY,)), strict=True):
        learner, system = late["learner"], late["settings"]["system"]
        runs = np.array(env.values("system")) == system
        fits = early.growth(1 + list(policies).index(learner))
        fitted, theory = (
            np.array([fit.alpha for fit in fits])[runs],
            foretold(env, policies[learner])[runs],
        )
        rows.append(
            {
                "environment": name, "system": system, "learner": learner, "foretold": theory.tolist(),
                "fitted": fitted.tolist(), "growth": soon["growth"], "late": late["growth"],
                "drift": late["drift"][env.horizon], "off": float(np.abs(fitted / theory - 1).max()),
                "gap": float(np.abs(fitted - theory).max()),
            }
        )  # fmt: skip
    return rows


def main() -> None:
    """8 seeds x 2 hidden systems x 2 environments, 64 twin rollouts each."""
    torch.set_num_threads(1)
    rows = [*results("pair"), *results("sign")]
    cells = [
        [r["environment"], f"{r['system']:g}", r["learner"], " ".join(interval(np.array(r["foretold"])).texts(3)),
         " ".join(r["growth"].texts(3)), f"{r['gap']:.4f}", " ".join(r["late"].texts(3)), str(r["drift"])]
        for r in rows
    ]  # fmt: skip
    by = {(r["environment"], r["system"], r["learner"]): r for r in rows}
    cloned, held, mean = (by["pair", 1, name] for name in ("bc", "dagger", "dagger_ema"))
    worst = max(r["off"] for r in rows if r["learner"] == "bc")
    signs = np.array([by["sign", system, "bc"]["fitted"] for system in (1, 2)])
    claim = (
        f"In the pair's system 1 the open loop contracts by 0.875 and the expert's by 0.5 a step, and cloning grows by "
        f"{cloned['growth'].value:.3f} a step at the median (source: 1.24), to D = {cloned['drift'].value:.3g} at the "
        f"clip (source: 13); DAgger ends at {held['drift'].value:.2g}, with averaged weights at "
        f"{mean['drift'].value:.2g} (source: 0.0004). The weights' Jacobian at the origin "
        f"foretells BC's growth in the first {EARLY} steps within {worst:.2%} in every run (goal: 5 %). In system 2 "
        f"the same weights, bit for bit, contract. On `sign`, {int((signs > 1).any(0).sum())} of {SEEDS} "
        f"seeds explode in one of the two systems and {int((signs > 1).all(0).sum())} in both."
    )
    header = ["environment", "hidden system", "learner", "growth foretold at the origin", f"fitted, t <= {EARLY}",
              "largest gap", "fitted, all t", "D at the end"]  # fmt: skip
    kept = [
        {k: dataclasses.asdict(v) if dataclasses.is_dataclass(v) else v for k, v in r.items()}
        for r in rows
    ]
    publish("stable_yet_exponential", claim, table(header, cells), rows=kept, largest_gap=worst)


if __name__ == "__main__":
    main()
