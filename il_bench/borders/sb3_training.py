"""Training by stable-baselines3: an expert for an environment that has none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import gymnasium
import numpy as np
import torch
import tyro
from gymnasium import spaces

from ..core.files import whole
from ..core.registry import ENVS
from ..core.settings import require, require_choice, require_counts
from . import sb3_statistics
from .resolve import environment
from .sb3_zips import Zip, algorithm

Report: TypeAlias = Callable[[int, str], None]
"""Is called with the steps that are done and what there is to say of them, which may be nothing."""


@dataclass(frozen=True)
class Recipe:
    """Train an expert with stable-baselines3, and leave it as a zip."""

    env: Annotated[str, tyro.conf.Positional]
    """A Gymnasium id such as Hopper-v5, MODULE:ID where a module registers it, or a registered environment."""
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
        require_counts(self, "steps", "evaluations", "episodes", "threads")
        if self.hidden:
            require_counts(self, "hidden")


@dataclass(frozen=True)
class Trained:
    """What training has left.

    Attributes:
        zip: the model.
        statistics: of its VecNormalize, beside the zip; None where observations are taken as they are.
        mean: of the deterministic policy's return over the last evaluation's episodes.
        deviation: of these returns.
    """

    zip: Path
    statistics: Path | None
    mean: float
    deviation: float


def train(recipe: Recipe, report: Report = lambda done, words: None) -> Trained:
    """Train, keep the best policy met on the way, write it whole or not at all.

    An interrupt ends the training early: the best policy so far is kept, if one was evaluated.

    PPO and A2C learn from observations and rewards that a VecNormalize scales, whose statistics are left beside the
    zip, where `load` finds them.

    Args:
        recipe: what to train, and how.
        report: is told how far training is.
    """
    from stable_baselines3.common.monitor import Monitor

    torch.set_num_threads(recipe.threads)
    name = _gymnasium_id(recipe.env)
    stage = Monitor(gymnasium.make(name))
    judge = Monitor(gymnasium.make(name))
    kind = _algorithm(recipe, stage)
    stem = name.replace("/", "-")
    out = _free(recipe.out or Path(f"{stem}-{kind.__name__}.zip"))
    agent = _beginner(kind, stage, recipe)
    _fit(agent, judge, recipe, report)
    mean, deviation = _return(agent, judge, recipe.seed + 2, recipe.episodes)
    statistics = _write(agent, out)
    return Trained(out, statistics, mean, deviation)


def _algorithm(recipe: Recipe, stage: Any) -> Any:
    """The class of the algorithm, for auto the usual one for the actions."""
    if recipe.algo != "auto":
        return algorithm(recipe.algo)
    box = isinstance(stage.action_space, spaces.Box)
    return algorithm("sac" if box else "ppo")


def _beginner(kind: Any, stage: Any, recipe: Recipe) -> Zip:
    """An untrained model, and the statistics that its observations are normalised by as it learns."""
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    normalises = kind.__name__ in ("PPO", "A2C")
    world = VecNormalize(DummyVecEnv([lambda: stage])) if normalises else stage
    settings: dict[str, Any] = {}
    if recipe.hidden:
        settings["policy_kwargs"] = {"net_arch": list(recipe.hidden)}
    try:
        model = kind("MlpPolicy", world, seed=recipe.seed, device="cpu", **settings)
    except AssertionError as error:  # how stable-baselines3 refuses an action space
        reason = " ".join(str(error).split())
        raise ValueError(f"{kind.__name__}: {reason}; choose another --algo") from None
    # Its own would leave an empty folder among the temporary files, a new one each time.
    model.set_logger(Logger(None, []))
    return Zip(recipe.env, model, world if normalises else None)


def _gymnasium_id(name: str) -> str:
    """What Gymnasium calls an environment; a registered short name is one of ours."""
    if name in ENVS:
        return f"il_bench/{name.capitalize()}-v0"
    environment(name)  # a miss is told with what may have been meant; a module registers its ids
    identifier = name.rpartition(":")[2]
    require(
        identifier in gymnasium.registry,
        f"env: expected a Gymnasium id or a registered name, got {name!r}; register it first",
    )
    return identifier


def _free(out: Path) -> Path:
    """The path of the zip, if nothing lies there or where its statistics would."""
    require(
        out.suffix == ".zip",
        f"out: expected a name that ends in .zip, got {out}; try {out.with_suffix('.zip')}",
    )
    for path in (out, out.with_suffix(sb3_statistics.SUFFIX)):
        require(not path.exists(), f"out: {path} already exists; name another file")
    folder = out.absolute().parent
    require(folder.is_dir(), f"out: there is no folder {folder}; make it first")
    return out


@dataclass
class _Watch:
    """Evaluates a model as it learns, and keeps the parameters that did best.

    Attributes:
        agent: the model, and its statistics.
        judge: the environment of the evaluations.
        recipe: how often, over how many episodes.
        report: is told how far training is.
        best: the largest mean return so far.
        parameters: of the model, as they were then.
        scales: running mean and variance of the observations, as they were then, where there are any.
    """

    agent: Zip
    judge: Any
    recipe: Recipe
    report: Report
    best: float = -np.inf
    parameters: dict[str, Any] = field(default_factory=dict)
    scales: Any = None

    def __call__(self, local: dict[str, Any], _global: dict[str, Any]) -> bool:
        """What stable-baselines3 calls after every step; True goes on."""
        done, steps = local["self"].num_timesteps, self.recipe.steps
        every = max(1, steps // self.recipe.evaluations)
        if done % every == 0 and done < steps:
            self.evaluate()
        elif done % 100 == 0:
            self.report(min(done, steps), "")
        return True

    def evaluate(self) -> None:
        """Evaluate the model as it is; keep it if it is the best so far."""
        episodes = max(1, self.recipe.episodes // 2)
        mean, _ = _return(self.agent, self.judge, self.recipe.seed + 1, episodes)
        if mean > self.best:
            self.best = mean
            self.parameters = copy.deepcopy(self.agent.model.policy.state_dict())
            self.scales = copy.deepcopy(getattr(self.agent.statistics, "obs_rms", None))
        done = self.agent.model.num_timesteps
        self.report(done, f"return {mean:,.1f}, best {self.best:,.1f}")

    def restore(self) -> None:
        """Put the best parameters back."""
        self.agent.model.policy.load_state_dict(self.parameters)
        if self.agent.statistics is not None:
            self.agent.statistics.obs_rms = self.scales


def _fit(agent: Zip, judge: Any, recipe: Recipe, report: Report) -> None:
    """Train the model, and leave in it the parameters that did best in the evaluations on the way and at the end."""
    watch = _Watch(agent, judge, recipe, report)
    try:
        agent.model.learn(recipe.steps, callback=watch)  # may go on to the end of a batch
        watch.evaluate()
    except KeyboardInterrupt:
        if not watch.parameters:
            raise
        report(agent.model.num_timesteps, "stopped; the best policy so far is kept")
    watch.restore()


def _return(agent: Zip, judge: Any, seed: int, episodes: int) -> tuple[float, float]:
    """Mean and standard deviation of the deterministic policy's return."""
    from stable_baselines3.common.evaluation import evaluate_policy

    judge.reset(seed=seed)
    mean, deviation = evaluate_policy(agent, judge, episodes)  # type: ignore[arg-type]
    return float(mean), float(deviation)  # type: ignore[arg-type]


def _write(agent: Zip, out: Path) -> Path | None:
    """The zip, and the statistics beside it, each written in a folder of its own first; the zip comes last.

    Returns:
        Where the statistics lie, if there are any.
    """
    beside = None if agent.statistics is None else out.with_suffix(sb3_statistics.SUFFIX)
    with whole(out) as model:
        agent.model.save(model)
        _free(out)
        if beside is not None:
            with whole(beside) as statistics:
                agent.statistics.save(str(statistics))
    return beside
