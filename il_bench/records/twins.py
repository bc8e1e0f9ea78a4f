"""Twins: learners and their expert on the same starts under the same noise, compared into a Record."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
import torch

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import SPENT, Log, Policy
from ..core.registry import name_of
from ..core.rollout import (
    Driver,
    Rollout,
    action_error,
    by_expert,
    by_policy,
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
        sample: let policies act by chance; deterministic otherwise.
        notes: what else the record should keep, as JSON.
        **named: policies by name, as well.

    Returns:
        The Record, not yet written.

    Raises:
        ValueError: for a policy of another number of runs or a name that none can bear, an expert that answers the same
            state in two ways, or an environment whose twins do not couple.
    """
    expert = resolve.expert(env, expert)
    sources = {**(policies or {}), **named}
    _require_names(sources)
    chosen = {name: resolve.named(env, one, who=name) for name, one in sources.items()}
    _require_runs(env, chosen)
    episodes = require_count("episodes", episodes)
    streams = streams or Streams(env.seeds, env.device).fork("evaluation")
    twins = _Twins(env, expert, streams, episodes, sample)
    lead = twins.lead()
    no_error = torch.zeros_like(lead.action)
    parts = [_arrays(env, lead, lead, no_error, no_error)]
    parts += [twins.of(policy, lead) for policy in chosen.values()]
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
        require(
            runs == env.runs,
            f"{name}: expected a policy of {env.runs} runs, got {runs}; learn it in this env",
        )


@dataclass(frozen=True)
class _Twins:
    """On what starts and noise, R runs of E episodes, somebody is compared with the expert."""

    env: Env
    expert: Expert
    streams: Streams
    episodes: int
    sample: bool

    def rollout(self, drive: Driver) -> Rollout:
        """What comes of a driver."""
        return rollout(self.env, drive, self.streams, self.episodes)

    def lead(self) -> Rollout:
        """The expert's rollout, which all others are measured by.

        Raises:
            ValueError: when it cannot be repeated, or became NaN or infinite.
        """
        lead = self.rollout(by_expert(self.env, self.expert))
        _require_same_answers(self.env, self.expert, lead)
        if not _repeats(self.env, lead, self.streams):
            _require_coupling(self.env, lead, self.rollout(_same_actions(lead)))
        _require_finite(self.env, lead)
        return lead

    def of(self, policy: Who, lead: Rollout) -> dict[str, np.ndarray]:
        """The arrays of a policy's twin of the lead."""
        env = self.env
        if isinstance(policy, Expert):
            own = self.rollout(by_expert(env, policy))
            taken = flat_ask(env, policy, lead.state[:, :, :-1])
        else:
            chance = self.streams if self.sample else None
            own = self.rollout(by_policy(env, policy, chance, self.episodes))
            taken = replay(env, policy, lead, chance)
        labels = flat_ask(env, self.expert, own.state[:, :, :-1])
        error_on = action_error(env, own.action, labels)
        return _arrays(env, own, lead, error_on, action_error(env, taken, lead.action))


ASKED_AGAIN = 8
"""Steps at which the expert is asked a second time: whoever answers by a chance of his own is caught at the first."""


AT_ONCE = 65_536
"""States whose transitions are computed in one call: more of them would not be faster, and take memory."""


def _require_same_answers(env: Env, expert: Expert, lead: Rollout) -> None:
    """Ask the expert again in the first states of his own rollout, in their order: the same answers, or no twins."""
    drive, memory = by_expert(env, expert), None
    for step, state in enumerate(lead.state[:, :, :ASKED_AGAIN].unbind(2)[: env.horizon]):
        with torch.no_grad():
            answer, memory = drive(step, state, memory)
        given = lead.action[:, :, step]
        apart = _apart(given, answer).nonzero().tolist()
        if apart:
            run, episode = apart[0]
            one, two = given[run, episode].tolist(), answer[run, episode].tolist()
            raise ValueError(
                f"expert: expected one answer to one state, got {one} and {two} at run {run}, episode {episode}, "
                f"step {step}; let it act without a chance of its own"
            )


def _repeats(env: Env, lead: Rollout, streams: Streams) -> bool:
    """Whether starts and transitions of a rollout are the same bits when they are asked for once more.

    Many steps at once, which costs a fraction of a second rollout. False proves nothing: an environment may only step
    on, or round otherwise in another company; then the second rollout decides.
    """
    runs, episodes, steps, _ = lead.action.shape
    noise = streams.normal("noise", episodes, steps, env.noise_size).to(lead.state.device)
    span = max(1, AT_ONCE // (runs * episodes))
    parts = [slice(first, first + span) for first in range(0, steps, span)]
    try:
        with torch.no_grad():
            steady = all(_same_steps(env, lead, noise, part) for part in parts)
            return steady and not _apart(env.initial(streams, episodes), lead.state[:, :, 0]).any()
    except (ValueError, RuntimeError):
        return False


def _same_steps(env: Env, lead: Rollout, noise: torch.Tensor, part: slice) -> bool:
    """Whether some steps of all episodes lead to the same states again, as far as these were alive."""
    before = lead.state[:, :, :-1][:, :, part]
    after = lead.state[:, :, 1:][:, :, part]
    again = env.transition(
        before.flatten(1, 2),
        lead.action[:, :, part].flatten(1, 2),
        noise[:, :, part].flatten(1, 2),
    )
    apart = _apart(again.reshape(after.shape), after)
    return not (apart & lead.alive[:, :, part]).any()


def _same_actions(lead: Rollout) -> Driver:
    """The actions of a rollout once more."""
    return lambda step, state, memory: (lead.action[:, :, step], memory)


def _apart(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Where two arrays (..., X) differ, (...); NaN equals NaN."""
    return ((one != two) & ~(one.isnan() & two.isnan())).any(-1)


def _require_coupling(env: Env, one: Rollout, two: Rollout) -> None:
    """Two rollouts of the same actions under one noise are equal, or nothing measured here means anything."""
    apart = _apart(one.state, two.state).nonzero().tolist()
    if apart:
        run, episode, step = min(apart, key=itemgetter(2))
        raise ValueError(
            f"twins: two rollouts of the expert in {name_of(env)} with the same seed part at run {run}, episode "
            f"{episode}, step {step}; the environment draws random numbers of its own: take them all from "
            "reset(seed=...) or from `noise`"
        )


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
    delta = delta.gather(2, lived[..., None].expand_as(delta))
    divergence = divergence.gather(2, lived)
    # What became NaN or infinite is infinitely far from its twin, wherever its last finite state may lie.
    broke = own.broke[..., None]
    gone = (time > broke) & (broke >= 0)
    return delta, divergence.masked_fill(gone, torch.inf)


def _index(twins: _Twins, policies: Mapping[str, Who], lead: Rollout) -> dict[str, Any]:
    """What was compared, as JSON holds it."""
    env = twins.env
    logs = _logs(policies)
    certificate = env.certificate()
    return {
        "learners": ["expert", *policies],
        "env": {"name": name_of(env), "settings": nested(env)},
        "expert": name_of(twins.expert),
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
        "streams": _drawn(twins.streams),
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
        "episodes": plain(log.episodes),
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


def _version(package: str) -> str:
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
