"""Training by stable-baselines3: an expert for an environment that has none."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import gymnasium
import numpy as np
import torch
import tyro
from gymnasium import spaces

from ..core.registry import ENVS
from ..core.settings import require, require_choice, require_counts
from .resolve import environment
from .sb3_zips import STATISTICS, Zip, algorithm

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@dataclass(frozen=True)
class Recipe:
    """Train an expert with stable-baselines3, and leave it as a zip."""

    env: Annotated[str, tyro.conf.Positional]
    """A Gymnasium id such as Hopper-v5, or a registered environment."""
    out: Path | None = None
    """The zip; by default ENV-ALGORITHM.zip. A file that exists is not touched."""
    algo: Literal["auto", "sac", "td3", "ddpg", "ppo", "a2c", "dqn"] = "auto"
    """Algorithm; auto is sac where actions are a Box, and ppo where they are Discrete."""
    steps: int = 100_000
    """Environment steps to train for."""
    hidden: tuple[int, ...] = ()
    """Width of each hidden layer, as in --hidden 256 256; by default the algorithm's own."""
    seed: int = 0
    """Of everything."""
    evaluations: int = 20
    """How often it is evaluated on the way; the best policy is kept."""
    episodes: int = 10
    """Episodes of the last evaluation, whose return is printed; those on the way have half as many."""
    threads: int = 1
    """Threads of torch."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        require_choice(self)
        require_counts(
            self,
            "steps",
            "evaluations",
            "episodes",
            "threads",
            *(("hidden",) if self.hidden else ()),
        )


def train(recipe: Recipe) -> tuple[Path, float, float]:
    """Train, keep the best policy met on the way, write it whole or not at all.

    An interrupt ends the training early: the best policy so far is kept, if one was evaluated.

    PPO and A2C learn from observations and rewards that a VecNormalize scales, whose statistics are left beside the
    zip, where `load` finds them.

    Returns:
        Where the zip lies; mean and standard deviation of the deterministic policy's return over `recipe.episodes`.
    """
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor

    torch.set_num_threads(recipe.threads)
    name = _gymnasium_id(recipe.env)
    stage, judge = (Monitor(gymnasium.make(name)) for _ in range(2))
    usual = "sac" if isinstance(stage.action_space, spaces.Box) else "ppo"
    kind = algorithm(usual if recipe.algo == "auto" else recipe.algo)
    out = _free(recipe.out or Path(f"{name.replace('/', '-')}-{kind.__name__}.zip"))
    agent = _beginner(kind, stage, recipe)
    _fit(agent, judge, recipe)
    judge.reset(seed=recipe.seed + 2)
    mean, spread = evaluate_policy(agent, judge, recipe.episodes)  # type: ignore[arg-type]
    _written(agent, out)
    return out, float(mean), float(spread)  # type: ignore[arg-type]


def _beginner(kind: Any, stage: Any, recipe: Recipe) -> Zip:
    """An untrained model, and the statistics that its observations are normalised by as it learns."""
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    scaled = recipe.algo in ("ppo", "a2c") or kind.__name__ == "PPO"
    world = VecNormalize(DummyVecEnv([lambda: stage])) if scaled else stage
    settings = {"policy_kwargs": {"net_arch": list(recipe.hidden)}} if recipe.hidden else {}
    try:
        model = kind("MlpPolicy", world, seed=recipe.seed, device="cpu", **settings)
    except AssertionError as error:  # how stable-baselines3 refuses an action space
        raise ValueError(
            f"{kind.__name__}: {' '.join(str(error).split())}; choose another --algo"
        ) from None
    return Zip(recipe.env, model, world if scaled else None)


def _gymnasium_id(name: str) -> str:
    """What Gymnasium calls an environment; a registered short name is one of ours."""
    if name in ENVS:
        return f"il_bench/{name.capitalize()}-v0"
    environment(name)  # a miss is told with what may have been meant
    require(
        ":" not in name,
        f"env: expected a Gymnasium id or a registered name, got {name!r}; register it first",
    )
    return name


def _free(out: Path) -> Path:
    require(
        out.suffix == ".zip",
        f"out: expected a name that ends in .zip, got {out}; try {out.with_suffix('.zip')}",
    )
    for taken in (out, out.with_suffix(STATISTICS)):
        require(not taken.exists(), f"out: {taken} already exists; name another file")
    require(
        out.absolute().parent.is_dir(),
        f"out: there is no folder {out.absolute().parent}; make it first",
    )
    return out


def _fit(agent: Zip, judge: Any, recipe: Recipe) -> None:
    """Train the model, and leave in it the parameters that did best in the evaluations on the way and at the end."""
    from stable_baselines3.common.evaluation import evaluate_policy

    best: list[Any] = [-np.inf, {}, {}]
    every = max(1, recipe.steps // recipe.evaluations)
    with _bar(recipe) as (progress, bar):

        def look(done: int) -> None:
            judge.reset(seed=recipe.seed + 1)
            mean, _spread = evaluate_policy(agent, judge, max(1, recipe.episodes // 2))  # type: ignore[arg-type]
            if mean > best[0]:
                best[:] = mean, *copy.deepcopy((agent.model.policy.state_dict(), _scales(agent)))
            words = f"return {mean:,.1f}, best {best[0]:,.1f}"
            progress.update(bar, words=words)
            if not progress.console.is_terminal:  # where a bar that moves cannot be seen
                print(f"step {done:,}: {words}", flush=True)

        def go_on(held: dict[str, Any], _: dict[str, Any]) -> bool:
            done = held["self"].num_timesteps
            if done % every == 0 and done < recipe.steps:
                look(done)
            if done % 100 == 0:
                progress.update(bar, completed=min(done, recipe.steps))
            return True

        try:
            agent.model.learn(recipe.steps, callback=go_on)  # may go on to the end of a batch
            look(agent.model.num_timesteps)
            progress.update(bar, completed=recipe.steps)
        except KeyboardInterrupt:
            if not best[1]:
                raise
            print(
                f"stopped at step {agent.model.num_timesteps:,}; the best policy so far is kept",
                flush=True,
            )
    agent.model.policy.load_state_dict(best[1])
    vars(agent.statistics or agent.model).update(best[2])


def _scales(agent: Zip) -> dict[str, Any]:
    """The running mean and variance of the observations, where there are any."""
    return {} if agent.statistics is None else {"obs_rms": agent.statistics.obs_rms}


@contextmanager
def _bar(recipe: Recipe) -> Iterator[tuple[Progress, TaskID]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[words]}")
    ) as progress:
        yield progress, progress.add_task(recipe.env, total=recipe.steps, words="")


def _written(agent: Zip, out: Path) -> None:
    """The zip, and the statistics beside it, each written in a folder of its own first; the zip comes last."""
    with tempfile.TemporaryDirectory(prefix=f".{out.stem}-", dir=out.absolute().parent) as draft:
        agent.model.save(Path(draft) / out.name)
        _free(out)
        if agent.statistics is not None:
            agent.statistics.save(str(Path(draft) / "statistics"))
            os.replace(Path(draft) / "statistics", out.with_suffix(STATISTICS))
        os.replace(Path(draft) / out.name, out)
