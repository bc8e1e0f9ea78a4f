"""Twins: learners and their expert on the same starts under the same noise, compared into a Record."""

from __future__ import annotations

import functools
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeAlias

import numpy as np
import torch

from ..borders import resolve
from ..core.chance import bound, chances_of
from ..core.env import DrawingEnv, Env, Expert
from ..core.policy import SPENT, Log, Policy
from ..core.registry import name_of
from ..core.rollout import (
    Driver,
    Rollout,
    action_error,
    by_expert,
    by_policy,
    chance_of,
    flat_ask,
    replay,
    rollout,
)
from ..core.settings import (
    as_tuple,
    flatten,
    nested,
    nested_per_run_fields,
    per_run_fields,
    plain,
    require,
    require_count,
)
from ..core.streams import Streams
from ..core.threads import few_threads
from . import conditionals, coupling
from .record import Record
from .starts import demonstrated

PACKAGES = ("il-bench", "torch", "numpy", "gymnasium", "scipy", "safetensors")


Who: TypeAlias = Policy | Expert


@few_threads
def compare(
    env: Env,
    expert: Expert,
    policies: Mapping[str, Who] | None = None,
    *,
    episodes: int = 64,
    streams: Streams | None = None,
    sample: bool = False,
    notes: dict[str, Any] | None = None,
    **named: Who,
) -> Record:
    """Roll out the expert and each policy as twins, and record how they part.

    Args:
        env: the environment, R runs.
        expert: who is imitated.
        policies: by name, each with R runs; another expert can be compared as well.
        episodes: rollouts of each run, E; on seeds that no learner has seen, though where starts are few they may be
            the demonstrations' again, see `Record.demonstrated`.
        streams: start and noise; by default "evaluation" under each run's seed.
        sample: let policies act by chance; deterministic otherwise, but for those that are there to act by chance.
        notes: what else the record should keep, as JSON.
        **named: policies by name, as well.

    Returns:
        The Record, not yet written.

    Raises:
        ValueError: for a policy of another number of runs or a name that none can bear, an expert that answers the same
            state in two ways, or an environment whose twins do not couple.
    """
    expert = resolve.expert(env, expert)
    sample = sample or env.by_chance
    sources = {**(policies or {}), **named}
    _require_names(sources)
    chosen = {name: resolve.named(env, one, who=name) for name, one in sources.items()}
    _require_runs(env, chosen)
    episodes = require_count("episodes", episodes)
    streams = streams or Streams(env.seeds, env.device).fork("evaluation")
    twins = _Twins(env, bound(env, expert, streams, episodes), streams, episodes, sample)
    lead = twins.lead()
    no_error = torch.zeros_like(lead.action)
    experts = _arrays(env, lead, lead, no_error, no_error)
    parts = [experts | twins.conditionals(expert, lead, lead)]
    parts += [twins.of(name, policy, lead) for name, policy in chosen.items()]
    arrays = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    index = _index(twins, chosen, lead) | (notes or {})
    return Record(arrays, index, _weights(chosen), known_env=env)


def _require_names(policies: Mapping[str, Any]) -> None:
    """Names are those of rows, of files' entries and of the expert, who has his already."""
    for name in policies:
        require(
            name != "expert",
            "expert: the Record calls the expert itself so; give your policy another name, such as copy",
        )
        fits = isinstance(name, str) and name != "" and "/" not in name
        require(fits, f"{name!r}: expected a name without /, such as bc; rename this policy")


def _require_runs(env: Env, policies: Mapping[str, Who]) -> None:
    for name, policy in policies.items():
        runs = policy.runs if isinstance(policy, Policy) else env.runs
        advice = "learn it in this env"
        if runs == 1:
            advice += ", compare it in one of its runs, env[0], or hand over the model that it was made from"
        require(
            runs == env.runs, f"{name}: expected a policy of {env.runs} runs, got {runs}; {advice}"
        )


@dataclass
class _Twins:
    """On what starts and noise, R runs of E episodes, somebody is compared with the expert.

    Attributes:
        warnings: of learners whose twins came apart by more than their actions, a sentence each.
        uncoupled: by learner, in what share of each run's rollouts (R,) they did.
    """

    env: Env
    expert: Expert
    streams: Streams
    episodes: int
    sample: bool
    warnings: list[str] = field(default_factory=list)
    uncoupled: dict[str, list[float]] = field(default_factory=dict)
    _places: np.ndarray | None = None

    def rollout(self, drive: Driver) -> tuple[Rollout, np.ndarray | None]:
        """What comes of a driver, and where the environment's own generators stood (R, E, T), if it has some."""
        if not isinstance(self.env, DrawingEnv):
            return rollout(self.env, drive, self.streams, self.episodes), None
        watch = coupling.Watch(self.env, drive)
        rolled = rollout(self.env, watch, self.streams, self.episodes)
        return rolled, watch.places(rolled)

    def lead(self) -> Rollout:
        """The expert's rollout, which all others are measured by.

        Raises:
            ValueError: when it cannot be repeated, or became NaN or infinite.
        """
        env = self.env
        lead, self._places = self.rollout(by_expert(env, self.expert))
        coupling.require_same_answers(env, self.expert, lead)
        if not coupling.repeats(env, lead, self.streams):
            again, _ = self.rollout(coupling.same_actions(lead))
            coupling.require_coupling(env, lead, again)
        _require_finite(env, lead)
        return lead

    def of(self, name: str, policy: Who, lead: Rollout) -> dict[str, np.ndarray]:
        """The arrays of a policy's twin of the lead."""
        env = self.env
        if isinstance(policy, Expert):
            policy = bound(env, policy, self.streams, self.episodes)
            own, places = self.rollout(by_expert(env, policy))
            taken = flat_ask(env, policy, lead)
        else:
            chance = chance_of(policy, self.streams, self.sample)
            own, places = self.rollout(by_policy(env, policy, chance, self.episodes))
            taken = replay(env, policy, lead, chance)
        self._note_uncoupled(name, own, lead, places)
        labels = flat_ask(env, self.expert, own)
        error_on = action_error(env, own.action, labels)
        error_off = action_error(env, taken, lead.action)
        arrays = _arrays(env, own, lead, error_on, error_off)
        return arrays | self.conditionals(policy, own, lead)

    def conditionals(self, who: Who, own: Rollout, lead: Rollout) -> dict[str, np.ndarray]:
        """Somebody's chances beside the expert's, see `conditionals.compared`; nothing where it does not act by chance."""
        oracle = conditionals.oracle_of(self.env, self.expert)
        return conditionals.compared(self.env, oracle, who, own, lead) if oracle else {}

    def _note_uncoupled(
        self, name: str, own: Rollout, lead: Rollout, places: np.ndarray | None
    ) -> None:
        """Keep where the generators of a learner's twins came apart while both lived, and a sentence that says so."""
        self.uncoupled[name] = [0.0] * self.env.runs
        if places is None or self._places is None:
            return
        both = (own.alive & lead.alive).cpu().numpy()
        parted = (places != self._places) & both
        self.uncoupled[name] = parted.any(-1).mean(-1).tolist()
        sentence = coupling.uncoupled(self.env, name, parted)
        if sentence:
            self.warnings.append(sentence)


def _require_finite(env: Env, lead: Rollout) -> None:
    broken = (lead.broke >= 0).nonzero().tolist()
    if broken:
        run, episode = broken[0]
        raise ValueError(
            f"expert: its own rollout became NaN or infinite in {name_of(env)} at run {run}, episode {episode}, step "
            f"{int(lead.broke[run, episode])}; check the expert and the environment"
        )


def _arrays(
    env: Env, own: Rollout, lead: Rollout, error_on: torch.Tensor, error_off: torch.Tensor
) -> dict[str, np.ndarray]:
    """The arrays of one rollout beside its twin's, under the names of `schema.DIMS`."""
    delta, divergence = _deviations(env, own, lead)
    arrays = {
        "state": own.state,
        "delta": delta,
        "divergence": divergence,
        "action": own.action,
        "reward": own.reward,
        "error_on": error_on,
        "error_off": error_off,
        "length": own.length,
        "terminated": own.terminated,
        "truncated": own.truncated,
        "broke": own.broke,
    }
    return {name: array.cpu().numpy() for name, array in arrays.items()}


def _deviations(env: Env, own: Rollout, lead: Rollout) -> tuple[torch.Tensor, torch.Tensor]:
    """Signed deviations (R, E, T+1, D) from the twin, and distances (R, E, T+1).

    From the first end of the two on both are what they were then: a wreck does not drift because its twin flies on.
    """
    shape = own.state.shape[:3]
    flat = own.state.flatten(1, 2)
    twin = lead.state.flatten(1, 2)
    delta = env.difference(flat, twin).reshape(*shape, -1)
    divergence = env.distance(flat, twin).reshape(shape)
    time = torch.arange(shape[2], device=flat.device)
    end = torch.minimum(own.length, lead.length)[..., None]
    lived = torch.minimum(time, end)
    places = lived[..., None].expand_as(delta)
    delta = delta.gather(2, places)
    divergence = divergence.gather(2, lived)
    # What became NaN or infinite is infinitely far from its twin, wherever its last finite state may lie.
    broke = own.broke[..., None]
    later = time > broke
    gone = later & (broke >= 0)
    return delta, divergence.masked_fill(gone, torch.inf)


def _index(twins: _Twins, policies: Mapping[str, Who], lead: Rollout) -> dict[str, Any]:
    """What was compared, as JSON holds it."""
    env = twins.env
    logs = _logs(policies)
    certificate = env.certificate()
    return {
        "learners": ["expert", *policies],
        "env": {"name": name_of(env), "settings": nested(env)},
        "expert": name_of(chances_of(twins.expert) or twins.expert),
        "algorithms": {name: _named_settings(log.learner) for name, log in logs.items()},
        "kinds": {name: getattr(policy, "kind", "") for name, policy in policies.items()},
        "one": [name for name, policy in policies.items() if _is_one(policy)],
        "runs": _runs(env, logs),
        "states": env.states,
        "diameter": _diameters(env),
        "certificate": certificate.kind,
        "metric": certificate.metric,
        "indicator": bool(env.indicator),
        "excitation": env.excitation,
        "episodes": twins.episodes,
        "sample": bool(twins.sample),
        "budgets": {name: _budget(log, env.runs) for name, log in logs.items()},
        "demonstrated": {
            name: demonstrated(log.starts, lead.state[:, :, 0])
            for name, log in logs.items()
            if log.starts
        },
        "uncoupled": twins.uncoupled,
        "streams": _drawn(twins.streams),
        "warnings": twins.warnings,
        "versions": _versions(),
        "machine": _machine(),
    }


def _logs(policies: Mapping[str, Who]) -> dict[str, Log]:
    logs = {name: getattr(policy, "log", None) for name, policy in policies.items()}
    return {name: log for name, log in logs.items() if log is not None}


def _is_one(policy: Who) -> bool:
    """Whether the same policy acts in every run."""
    return isinstance(policy, Expert) or policy.shared


def _named_settings(learner: Any) -> dict[str, Any]:
    return {"name": name_of(learner), "settings": nested(learner)}


def _runs(env: Env, logs: Mapping[str, Log]) -> dict[str, Any]:
    """Each run's settings (R,) by name: the environment's, and those of the learners that differ between runs."""
    settings: dict[str, Any] = {name: env.values(name) for name in per_run_fields(env)}
    for learner, log in logs.items():
        for name, values in _varying(log.learner, env.runs).items():
            same = settings.get(name, values) == values
            title = name if same else f"{learner}.{name}"
            settings[title] = values
    return settings | {"seed": env.seeds}


def _varying(learner: Any, runs: int) -> dict[str, tuple[float, ...]]:
    """A learner's settings that hold a number for each run; `labels` is a budget, not a setting."""
    settings = flatten(learner)
    names = set(nested_per_run_fields(type(learner), settings))
    varying = {}
    for name in settings:
        values = settings[name]
        several = isinstance(values, tuple) and len(values) == runs > 1
        if several and name in names and name != "labels":
            varying[name] = values
    return varying


def _diameters(env: Env) -> list[float | None]:
    """How far two states can come apart, one for each run (R,); None where nothing bounds them."""
    diameter = env.certificate().diameter
    each = diameter * env.runs if len(diameter) == 1 else diameter
    return [d if math.isfinite(d) else None for d in each]


def _budget(log: Log, runs: int) -> dict[str, Any]:
    spent = {name: torch.as_tensor(getattr(log, name)).expand(runs).tolist() for name in SPENT}
    return {
        **spent,
        "updates": plain(log.updates),
        "seconds": log.seconds,
        "broke": {str(run): update for run, update in log.broke.items()},
    }


def _drawn(streams: Streams) -> dict[str, Any]:
    """From which streams start and noise were taken, as JSON holds it."""
    seeds = [int(seed) for seed in streams.seeds]
    first = [int(number) for number in as_tuple(streams.first)]
    if len(first) == 1:
        first = first * len(seeds)
    return {"path": streams.path, "seeds": seeds, "first": first}


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


@functools.cache
def _version(package: str) -> str:
    """Read once: it takes longer than a small comparison, and what is imported does not change any more."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _machine() -> dict[str, Any]:
    system, processor = platform.platform(), platform.machine()
    return {"system": system, "processor": processor, "cores": os.cpu_count()}


def _weights(policies: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of all policies that have some, under "learner/array"."""
    known = {
        name: policy.arrays() for name, policy in policies.items() if hasattr(policy, "arrays")
    }
    return {
        f"{name}/{key}": array.cpu().numpy()
        for name, arrays in known.items()
        for key, array in arrays.items()
    }
