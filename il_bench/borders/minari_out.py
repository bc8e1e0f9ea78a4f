"""The border to Minari, Farama's format of offline datasets, outwards: rollouts as datasets that anyone can load.

`il.compare(env, expert).to_minari("il_bench/lane/expert-v0")` writes what the expert did; inwards the border is crossed
in minari.py, `il.BC(demos="minari:ID")`.
"""

from __future__ import annotations

import dataclasses
import shutil
import warnings
from collections.abc import Iterator, Sequence
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
    drawn = (
        {"path": "/evaluation", "seeds": env.seeds, "first": [0] * env.runs}
        if drawn is None
        else drawn
    )
    parts = (
        [drawn.get(name) for name in ("path", "seeds", "first")]
        if isinstance(drawn, dict)
        else [None]
    )
    fits = isinstance(parts[0], str) and all(
        isinstance(p, list | tuple) and len(p) == env.runs for p in parts[1:]
    )
    require(fits, f"record: its streams are not those of {env.runs} runs; write it again")
    seen = Rollout(
        **{f.name: torch.from_numpy(arrays[f.name]) for f in dataclasses.fields(Rollout)}
    )
    streams = Streams(drawn["seeds"], path=drawn["path"], first=drawn["first"])
    return write(identifier, env, seen, streams, runs, **metadata)


def write(
    identifier: str,
    env: Env,
    seen: Rollout,
    streams: Streams,
    runs: Sequence[int] | None = None,
    **metadata: Any,
) -> Any:
    """Write the episodes of a rollout as a Minari dataset, whole or not at all.

    One dataset holds runs of one setting, for it has one environment to recover; their seeds may differ. Observations
    are float32, as policies see them. Actions are float64, as the dynamics took them (a foreign environment took them
    in its own type). Frozen steps are not written, nor is an episode without a single step. One that left the finite
    numbers is truncated before it did.

    The recovered environment repeats the stored episodes: `reset(seed=..., options=...)` with those of
    `dataset.storage.get_episode_metadata([i])`, which also has the run and the episode. A transition with matrix
    products may round differently alone than among many; all others agree bit for bit on the CPU. With `eval_env=True`
    it begins episodes that the dataset does not hold.

    Args:
        identifier: such as il_bench/lane/expert-v0; it must be free.
        env: the environment, R runs.
        seen: rollouts of it.
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
    chosen = (
        list(range(env.runs))
        if runs is None
        else [one_of(run, env.runs).start for run in as_tuple(runs)]
    )
    _require_one_setting(env, chosen)
    kept = [
        (run, episode)
        for run in chosen
        for episode in range(seen.length.shape[1])
        if seen.length[run, episode]
    ]
    require(
        len(kept) > 0,
        f"minari: expected an episode of at least one step in runs {chosen}, got none",
    )
    try:
        return _create(identifier, env, seen, streams, kept, metadata)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _require_one_setting(env: Env, chosen: list[int]) -> None:
    values = {
        name: list(dict.fromkeys(env.values(name)[run] for run in chosen))
        for name in per_run_fields(env)
    }
    several = "; ".join(
        f"{k} = {', '.join(f'{v:g}' for v in found)}"
        for k, found in values.items()
        if len(found) > 1
    )
    require(
        not several,
        f"minari: expected runs of one setting, for a dataset has one environment, got {several}; "
        "choose with runs=, as record.groups() has them",
    )


def _create(
    identifier: str,
    env: Env,
    seen: Rollout,
    streams: Streams,
    kept: list[tuple[int, int]],
    metadata: dict[str, Any],
) -> Any:
    from minari.data_collector import EpisodeBuffer

    purpose, name, one = streams.path.removeprefix("/"), name_of(env), env[kept[0][0]]
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
            (EpisodeBuffer(**buffer) for buffer in _buffers(env, seen, streams, kept)),
            env=specification(one, purpose=purpose, arrays="torch"),
            eval_env=specification(one),
            observation_space=_observation_space(env),
            action_space=_action_space(env),
            **about,
        )
    dataset.storage.update_episode_metadata(
        [{"run": r, "episode": _number(streams, r, e)} for r, e in kept]
    )
    seeds = list(dict.fromkeys(int(streams.seeds[run]) for run, _ in kept))
    dataset.storage.update_metadata({"il_bench": {"env": name, "purpose": purpose, "seeds": seeds}})
    return dataset


def _requirements(env: Env) -> list[str]:
    from .. import __version__

    return [] if env.foreign else [f"il-bench>={__version__}"]


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


def _observation_space(env: Env) -> spaces.Box:
    space = env.observation_space
    return spaces.Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)


def _action_space(env: Env) -> spaces.Space:
    space = env.action_space
    if isinstance(env, Foreign):
        return env.native_action_space
    if isinstance(space, spaces.Discrete):
        return space
    return spaces.Box(space.low.astype(np.float64), space.high.astype(np.float64), dtype=np.float64)


def _buffers(
    env: Env, seen: Rollout, streams: Streams, kept: list[tuple[int, int]]
) -> Iterator[dict[str, Any]]:
    """What Minari keeps of each episode (run, episode) in `kept`, one after the other."""
    state, action, reward = (part.cpu().numpy() for part in (seen.state, seen.action, seen.reward))
    horizon, space, alone = action.shape[2], _action_space(env), {}
    foreign = getattr(env, "reset_seeds", None)
    seeds = (
        foreign(streams, action.shape[1])
        if foreign
        else [[seed] * action.shape[1] for seed in streams.seeds]
    )
    for run, episode in kept:
        if run not in alone:
            alone = {run: dataclasses.replace(env[run], device="cpu")}
        steps = int(seen.length[run, episode])
        last, cut = (
            np.arange(steps) == steps - 1,
            steps == horizon or int(seen.broke[run, episode]) >= 0,
        )
        lived = state[run : run + 1, episode, : steps + 1]
        yield {
            "seed": int(seeds[run][episode]),
            "options": None if foreign else {"episode": _number(streams, run, episode)},
            "observations": observe(alone[run], torch.from_numpy(lived))[0].numpy(),
            "actions": _as_taken(env, action[run, episode, :steps], space),
            "rewards": reward[run, episode, :steps],
            "terminations": last & bool(seen.terminated[run, episode]),
            "truncations": last & cut,
            "infos": None if foreign else {"state": lived[0]},
        }


def _as_taken(env: Env, actions: np.ndarray, space: spaces.Space) -> np.ndarray:
    """Actions (T, U) as the environment took them."""
    if isinstance(env, Foreign):
        return np.asarray(env.native(actions), dtype=space.dtype)
    return actions.astype(space.dtype).reshape(len(actions), *(space.shape or ()))


def _number(streams: Streams, run: int, episode: int) -> int:
    """Which episode of its run it is."""
    first = as_tuple(streams.first)
    return int(first[run if len(first) > 1 else 0]) + episode
