"""Twins: learners and their expert on the same starts under the same noise, compared into a Record."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import SPENT, Policy
from ..core.registry import name_of
from ..core.rollout import Rollout, action_error, by_expert, by_policy, flat_ask, replay, rollout
from ..core.settings import (
    as_tuple,
    flatten,
    nested,
    nested_per_run_fields,
    per_run_fields,
    require,
)
from ..core.streams import Streams
from .record import Record

PACKAGES = ("il-bench", "torch", "numpy", "gymnasium", "scipy", "safetensors")


def compare(
    env: Env,
    expert: Expert,
    policies: Mapping[str, Policy | Expert] | None = None,
    *,
    episodes: int = 64,
    streams: Streams | None = None,
    sample: bool = False,
    notes: dict[str, Any] | None = None,
    **named: Policy | Expert,
) -> Record:
    """Roll out the expert and each policy as twins, and record how they part.

    Args:
        env: the environment, R runs.
        expert: who is imitated.
        policies: by name, each with R runs; another expert can be compared as well.
        episodes: rollouts of each run, E; on seeds that no learner has seen.
        streams: start and noise; by default "evaluation" under each run's seed.
        sample: let policies act by chance; deterministic otherwise.
        notes: what else the record should keep, as JSON.
        **named: policies by name, as well.

    Returns:
        The Record, not yet written.

    Raises:
        ValueError: for a policy of another number of runs, or an environment whose twins do not couple.
    """
    require(episodes >= 1, f"episodes: expected at least 1, got {episodes}; try 64")
    expert = resolve.expert(env, expert)
    given = {**(policies or {}), **named}
    policies = {name: resolve.named(env, source, who=name) for name, source in given.items()}
    for name, policy in policies.items():
        runs = env.runs if isinstance(policy, Expert) else policy.runs
        require(
            runs == env.runs,
            f"{name}: expected a policy of {env.runs} runs, got {runs}; learn it in this env",
        )
    streams = streams or Streams(env.seeds, env.device).fork("evaluation")
    lead = rollout(env, by_expert(env, expert), streams, episodes)
    _require_coupling(env, lead, rollout(env, by_expert(env, expert), streams, episodes))
    if (lead.broke >= 0).any():
        run, episode = (lead.broke >= 0).nonzero()[0].tolist()
        raise ValueError(
            f"expert: its own rollout left the finite numbers in {name_of(env)} at run {run}, episode {episode}, step "
            f"{int(lead.broke[run, episode])}; check the expert and the environment"
        )
    parts = [_arrays(env, lead, lead, torch.zeros_like(lead.action), torch.zeros_like(lead.action))]
    labels = flat_ask(env, expert, lead.state[:, :, :-1])
    for policy in policies.values():
        if isinstance(policy, Expert):
            seen = rollout(env, by_expert(env, policy), streams, episodes)
            taken = flat_ask(env, policy, lead.state[:, :, :-1])
        else:
            chance = streams if sample else None
            seen = rollout(env, by_policy(env, policy, chance, episodes), streams, episodes)
            taken = replay(env, policy, lead, chance)
        on = action_error(env, seen.action, flat_ask(env, expert, seen.state[:, :, :-1]))
        parts.append(_arrays(env, seen, lead, on, action_error(env, taken, labels)))
    arrays = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    config = (
        _config(env, expert, episodes, sample, policies)
        | {"streams": _drawn(streams)}
        | (notes or {})
    )
    return Record(arrays, config, _weights(policies), known_env=env)


def _require_coupling(env: Env, one: Rollout, two: Rollout) -> None:
    """Two rollouts of one deterministic driver under one noise are equal, or nothing measured here means anything."""
    apart = ((one.state != two.state) & ~(one.state.isnan() & two.state.isnan())).any(-1)
    if apart.any():
        run, episode, step = min(apart.nonzero().tolist(), key=lambda where: where[2])
        raise ValueError(
            f"twins: two rollouts of the expert in {name_of(env)} with the same seed part at run {run}, episode "
            f"{episode}, step {step}; the environment draws random numbers of its own: take them all from "
            "reset(seed=...) or from `noise`"
        )


def _arrays(
    env: Env, seen: Rollout, lead: Rollout, on: torch.Tensor, off: torch.Tensor
) -> dict[str, np.ndarray]:
    runs, episodes, times, size = seen.state.shape
    flat = [r.state.reshape(runs, episodes * times, size) for r in (seen, lead)]
    delta = env.difference(*flat).reshape(runs, episodes, times, -1)
    divergence = env.distance(*flat).reshape(runs, episodes, times)
    # What left the finite numbers is infinitely far from its twin, wherever its last finite state may lie.
    after = torch.arange(times, device=divergence.device) > seen.broke[..., None]
    divergence = divergence.masked_fill(after & (seen.broke[..., None] >= 0), torch.inf)
    found = {
        "state": seen.state, "delta": delta, "divergence": divergence, "action": seen.action, "reward": seen.reward,
        "error_on": on, "error_off": off, "length": seen.length, "terminated": seen.terminated, "broke": seen.broke,
    }  # fmt: skip
    return {name: array.cpu().numpy() for name, array in found.items()}


def _config(
    env: Env, expert: Expert, episodes: int, sample: bool, policies: dict[str, Any]
) -> dict[str, Any]:
    logs = {
        name: policy.log
        for name, policy in policies.items()
        if getattr(policy, "log", None) is not None
    }
    finite = [d if np.isfinite(d) else None for d in _diameter(env)]
    return {
        "learners": ["expert", *policies],
        "env": {"name": name_of(env), "settings": nested(env)},
        "expert": name_of(expert),
        "algorithms": {
            n: {"name": name_of(log.learner), "settings": nested(log.learner)}
            for n, log in logs.items()
        },
        "kinds": {name: getattr(policy, "kind", "") for name, policy in policies.items()},
        "runs": _runs(env, logs),
        "states": env.states,
        "diameter": finite,
        "certificate": env.certificate().kind,
        "metric": env.certificate().metric,
        "excitation": env.excitation,
        "episodes": episodes,
        "sample": sample,
        "budgets": {name: _budget(log, env.runs) for name, log in logs.items()},
        "versions": {"python": platform.python_version()}
        | {name: _version(name) for name in PACKAGES},
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
    }


def _drawn(streams: Streams) -> dict[str, Any]:
    """From which streams start and noise were taken, as JSON holds it."""
    seeds, first = (
        [int(seed) for seed in streams.seeds],
        [int(number) for number in as_tuple(streams.first)],
    )
    return {
        "path": streams.path,
        "seeds": seeds,
        "first": first * len(seeds) if len(first) == 1 else first,
    }


def _runs(env: Env, logs: dict[str, Any]) -> dict[str, Any]:
    """Each run's settings (R,) by name: the environment's, and those of the learners that differ between runs."""
    found: dict[str, Any] = {name: env.values(name) for name in per_run_fields(env)}
    for learner, log in logs.items():
        for name, value in flatten(log.learner).items():
            if (
                isinstance(value, tuple)
                and len(value) == env.runs > 1
                and name in nested_per_run_fields(type(log.learner), flatten(log.learner))
            ):
                if name == "labels":  # a budget, not a setting
                    continue
                found[name if found.get(name, value) == value else f"{learner}.{name}"] = value
    return found | {"seed": env.seeds}


def _diameter(env: Env) -> tuple[float, ...]:
    given = env.certificate().diameter
    return given * env.runs if len(given) == 1 else given


def _budget(log: Any, runs: int) -> dict[str, Any]:
    spent: dict[str, Any] = {
        name: torch.as_tensor(getattr(log, name)).expand(runs).tolist() for name in SPENT
    }
    broke = {str(run): update for run, update in log.broke.items()}
    return spent | {
        "episodes": log.episodes,
        "updates": log.updates,
        "seconds": log.seconds,
        "broke": broke,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _weights(policies: dict[str, Any]) -> dict[str, np.ndarray]:
    arrays = {n: p.arrays() for n, p in policies.items() if hasattr(p, "arrays")}
    return {
        f"{name}/{key}": array.cpu().numpy()
        for name, part in arrays.items()
        for key, array in part.items()
    }
