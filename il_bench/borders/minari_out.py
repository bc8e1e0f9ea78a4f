"""The border to Minari, Farama's format of offline datasets, outwards: rollouts as datasets that anyone can load.

`il.compare(env, expert).to_minari("il_bench/lane/expert-v0")` writes what the expert did; inwards the border is crossed
in minari_in.py, `il.BC(demos="minari:ID")`.
"""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from ..core.env import Env
from ..core.registry import gymnasium_identifier, name_of
from ..core.rollout import Rollout, observe
from ..core.settings import as_tuple, one_of, per_run_fields, require
from ..core.streams import Streams
from .gymnasium_in import Foreign
from .minari_in import folder, package

DISTRIBUTION = "il-bench"
"""What pip calls this library."""


def write_arrays(
    identifier: str,
    env: Env,
    arrays: dict[str, np.ndarray],
    drawn: Any,
    runs: Sequence[int] | None = None,
    **metadata: Any,
) -> Any:
    """The same as `write`, from the arrays of a rollout and a Record's word on its streams: path, seeds, first.

    Where a Record says nothing they are those that `il.compare` takes by default.
    """
    names = [field.name for field in dataclasses.fields(Rollout)]
    rollout = Rollout(**{name: torch.from_numpy(arrays[name]) for name in names})
    return write(identifier, env, rollout, _streams(env, drawn), runs, **metadata)


def _streams(env: Env, drawn: Any) -> Streams:
    """The streams that a Record names; those of `il.compare` where it names none."""
    if drawn is None:
        return Streams(env.seeds, path="/evaluation", first=[0] * env.runs)
    entries = drawn if isinstance(drawn, dict) else {}
    path, seeds, first = (entries.get(name) for name in ("path", "seeds", "first"))
    lists = all(isinstance(part, list | tuple) and len(part) == env.runs for part in (seeds, first))
    require(
        isinstance(path, str) and lists,
        f"record: its streams are not those of {env.runs} runs; write it again",
    )
    return Streams(seeds, path=path, first=first)  # type: ignore[arg-type]


def write(
    identifier: str,
    env: Env,
    rollout: Rollout,
    streams: Streams,
    runs: Sequence[int] | None = None,
    **metadata: Any,
) -> Any:
    """Write the episodes of a rollout as a Minari dataset, whole or not at all.

    One dataset holds runs of one setting, for it has one environment to recover; their seeds may differ. Observations
    are float32, as policies see them. Actions are float64, as the dynamics took them (a foreign environment took them
    in its own type). Frozen steps are not written, nor is an episode without a single step. One that became NaN or
    infinite is truncated before it did.

    The recovered environment repeats the stored episodes: `reset(seed=..., options=...)` with those of
    `dataset.storage.get_episode_metadata([i])`, which also has the run and the episode. A transition with matrix
    products may round differently alone than among many; all others agree bit for bit on the CPU. With `eval_env=True`
    it begins episodes that the dataset does not hold.

    Args:
        identifier: such as il_bench/lane/expert-v0; it must be free.
        env: the environment, R runs.
        rollout: rollouts of it.
        streams: from which they took start and noise.
        runs: which runs; all unless given.
        **metadata: what `minari.create_dataset_from_buffers` takes besides: description, author, data_format, ...

    Returns:
        The `minari.MinariDataset`.

    Raises:
        ValueError: for runs of several settings, an id that is malformed or taken, or no step to write.
    """
    path = folder(identifier)
    require(
        not path.exists(), f"minari: {identifier} already exists in {path}; name another version"
    )
    wanted = range(env.runs) if runs is None else as_tuple(runs)
    chosen = [one_of(run, env.runs).start for run in wanted]
    _require_one_setting(env, chosen)
    pairs = itertools.product(chosen, range(rollout.length.shape[1]))
    kept = [pair for pair in pairs if rollout.length[pair]]
    require(
        len(kept) > 0,
        f"minari: expected an episode of at least one step in runs {chosen}, got none",
    )
    try:
        return _create(identifier, env, rollout, streams, kept, metadata)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _require_one_setting(env: Env, chosen: list[int]) -> None:
    several = []
    for name in per_run_fields(env):
        values = dict.fromkeys(env.values(name)[run] for run in chosen)
        if len(values) > 1:
            several.append(f"{name} = {', '.join(f'{value:g}' for value in values)}")
    require(
        not several,
        f"minari: expected runs of one setting, for a dataset has one environment, got {'; '.join(several)}; "
        "choose with runs=, as record.groups() has them",
    )


def _create(
    identifier: str,
    env: Env,
    rollout: Rollout,
    streams: Streams,
    kept: list[tuple[int, int]],
    metadata: dict[str, Any],
) -> Any:
    from minari.data_collector import EpisodeBuffer

    purpose, name = streams.path.removeprefix("/"), name_of(env)
    first_run, _ = kept[0]
    one = env[first_run]
    about = {
        "description": f"Rollouts in {name}, written by il_bench.",
        "requirements": _requirements(env),
        **metadata,
    }
    with warnings.catch_warnings():  # an author is a matter of taste
        warnings.filterwarnings(
            "ignore", "`(author|author_email|code_permalink|algorithm_name)` is set to None"
        )
        dataset = package().create_dataset_from_buffers(
            identifier,
            (EpisodeBuffer(**buffer) for buffer in _buffers(env, rollout, streams, kept)),
            env=specification(one, purpose=purpose, arrays="torch"),
            eval_env=specification(one),
            observation_space=_observation_space(env),
            action_space=_action_space(env),
            **about,
        )
    origins = [{"run": run, "episode": _number(streams, run, episode)} for run, episode in kept]
    dataset.storage.update_episode_metadata(origins)
    seeds = list(dict.fromkeys(int(streams.seeds[run]) for run, _ in kept))
    made = {"env": name, "purpose": purpose, "seeds": seeds}
    dataset.storage.update_metadata({"il_bench": made})
    return dataset


def _requirements(env: Env) -> list[str]:
    """What to install for the environment to be recovered, as pip spells it."""
    if env.foreign:
        return []
    try:
        return [f"{DISTRIBUTION}>={version(DISTRIBUTION)}"]
    except PackageNotFoundError:  # a folder on the path, installed by nobody
        return [DISTRIBUTION]


def specification(env: Env, **repeating: str) -> EnvSpec:
    """What Gymnasium makes an environment of one run from: its id, string entry points, its settings.

    Args:
        env: one run.
        **repeating: purpose and arrays of `gym.GymEnv`, with which an environment of ours repeats what was seen.
    """
    if isinstance(env, Foreign):
        return env.specification
    name = name_of(env)
    settings = {
        f.name: getattr(env, f.name)
        for f in dataclasses.fields(env)
        if f.name not in ("seed", "device")
    }
    return EnvSpec(
        gymnasium_identifier(name),
        entry_point="il_bench.gym:GymEnv",
        vector_entry_point="il_bench.gym:GymVectorEnv",
        kwargs={"env": name, **repeating, **settings},
    )


def _observation_space(env: Env) -> spaces.Box | spaces.MultiDiscrete:
    space = env.observation_space
    if isinstance(space, spaces.MultiDiscrete):
        return space
    return spaces.Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)


def _action_space(env: Env) -> spaces.Space:
    space = env.action_space
    if isinstance(env, Foreign):
        return env.native_action_space
    if isinstance(space, spaces.Discrete):
        return space
    return spaces.Box(space.low.astype(np.float64), space.high.astype(np.float64), dtype=np.float64)


def _buffers(
    env: Env, rollout: Rollout, streams: Streams, kept: list[tuple[int, int]]
) -> Iterator[dict[str, Any]]:
    """What Minari keeps of each episode (run, episode) in `kept`, one after the other."""
    episodes, horizon = rollout.reward.shape[1:]
    space = _action_space(env)
    seen = _observation_space(env)
    begins = _beginnings(env, streams, episodes)
    alone: dict[int, Env] = {}
    for run, episode in kept:
        if run not in alone:  # one at a time: a foreign environment holds copies
            alone = {run: dataclasses.replace(env[run], device="cpu")}
        steps = int(rollout.length[run, episode])
        last = np.arange(steps) == steps - 1
        fell = bool(rollout.terminated[run, episode])
        broke = int(rollout.broke[run, episode]) >= 0
        cut = broke or bool(rollout.truncated[run, episode])
        states = rollout.state[run, episode, : steps + 1].cpu()
        actions = rollout.action[run, episode, :steps].cpu().numpy()
        rewards = rollout.reward[run, episode, :steps].cpu().numpy()
        obs = observe(alone[run], states[None])[0]
        yield {
            **begins(run, episode),
            "observations": obs.numpy().astype(seen.dtype),
            "actions": _as_taken(env, actions, space),
            "rewards": rewards,
            "terminations": last & fell,
            "truncations": last & (steps == horizon or cut),
            "infos": None if isinstance(env, Foreign) else {"state": states.numpy()},
        }


def _beginnings(env: Env, streams: Streams, episodes: int) -> Callable[[int, int], dict[str, Any]]:
    """What the recovered environment is reset with to repeat an episode of a run: seed and options."""
    if isinstance(env, Foreign):
        seeds = env.reset_seeds(streams, episodes)
        return lambda run, episode: {"seed": seeds[run][episode], "options": None}

    def ours(run: int, episode: int) -> dict[str, Any]:
        number = _number(streams, run, episode)
        return {"seed": int(streams.seeds[run]), "options": {"episode": number}}

    return ours


def _as_taken(env: Env, actions: np.ndarray, space: spaces.Space) -> np.ndarray:
    """Actions (T, U) as the environment took them."""
    if isinstance(env, Foreign):
        return np.asarray(env.native(actions), dtype=space.dtype)
    shape = space.shape or ()
    rows = actions.reshape(len(actions), *shape)
    return rows.astype(space.dtype)


def _number(streams: Streams, run: int, episode: int) -> int:
    """Which episode of its run it is."""
    first = as_tuple(streams.first)
    return int(first[run if len(first) > 1 else 0]) + episode
