"""Zips of stable-baselines3 as experts and policies, opened only where the caller says that their author is trusted.

A zip's weights are read as plain tensors, but its settings are serialised Python objects, and reading those runs
whatever code they hold.
"""

from __future__ import annotations

import importlib
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.settings import require
from .callables import CallableExpert, require_same_spaces

if TYPE_CHECKING:
    from ..core.env import Env

PREFIX, STATISTICS = "sb3:", ".vecnormalize.pkl"


LARGEST = 1 << 26
"""Bytes of a zip's settings beyond which they are not read."""


IDLE: dict[str, Any] = {
    "buffer_size": 1, "learning_rate": 0.0, "lr_schedule": lambda _: 0.0, "clip_range": lambda _: 0.0,
    "clip_range_vf": None, "exploration_schedule": lambda _: 0.0, "action_noise": None, "_last_obs": None,
    "_last_original_obs": None, "_last_episode_starts": None, "ep_info_buffer": None, "ep_success_buffer": None,
}  # fmt: skip
"""What only training needs: it is replaced, not deserialised, and no replay buffer is laid out for an expert."""


@dataclass(frozen=True)
class Zip:
    """A model of stable-baselines3, with the statistics that its observations were normalised by.

    Attributes:
        spelling: how it was asked for, "sb3:hopper.zip".
        model: stable-baselines3's own.
        statistics: its VecNormalize, where a file of them lies beside the zip.
    """

    spelling: str
    model: Any
    statistics: Any = None

    def predict(
        self,
        observation: np.ndarray,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, Any]:
        """Actions for observations (n, O), deterministic unless told otherwise."""
        if self.statistics is not None:
            observation = self.statistics.normalize_obs(observation)
        return self.model.predict(observation, state, episode_start, deterministic)


def load(spelling: str, trust: bool = False) -> Zip:
    """Open a zip of stable-baselines3.

    Args:
        spelling: `sb3:PATH`, or `sb3:ALGORITHM:PATH` where the zip does not tell its algorithm. Statistics of a
            VecNormalize are found in `STEM.vecnormalize.pkl` or `STEM/vecnormalize.pkl` beside the zip.
        trust: its author is trusted; without it nothing is opened.

    Returns:
        Something with `predict`.

    Raises:
        ValueError: when it is not trusted, is no such zip, or cannot be told.
    """
    name, path = _named(spelling)
    require(
        path.is_file(),
        f"{spelling}: there is no file {path}; name a zip that stable-baselines3 saved",
    )
    require(
        trust,
        f"{spelling}: opening a stable-baselines3 zip runs whatever code was serialised into it; if you trust its "
        "author, add --trust (in Python trust=True)",
    )
    kind = algorithm(name or _told_by(spelling, path))
    try:
        model = kind.load(path, device="cpu", custom_objects=IDLE)
    except Exception as error:  # a stranger's objects may raise anything
        raise ValueError(
            f"{spelling}: {kind.__name__} could not load it ({type(error).__name__}: {error})"
        ) from error
    memory = hasattr(model.policy, "lstm_actor")
    require(
        not memory,
        f"{spelling}: its policy has a memory, which the border does not carry; give one without",
    )
    return Zip(spelling, model, _statistics(path))


def _named(spelling: str) -> tuple[str, Path]:
    """The algorithm, where one is named, and the path; a drive's single letter is no algorithm."""
    rest = spelling.removeprefix(PREFIX)
    named = re.fullmatch(r"([A-Za-z]\w+):(.+)", rest)
    name, path = named.groups() if named else ("", rest)
    return name, Path(path).expanduser()


def _told_by(spelling: str, path: Path) -> str:
    """The algorithm that saved a zip, from the module of its policy and its settings, nothing deserialised."""
    try:
        with zipfile.ZipFile(path) as archive:
            small = archive.getinfo("data").file_size <= LARGEST
            require(
                small,
                f"{spelling}: its settings are larger than {LARGEST} bytes; it is no zip to open",
            )
            data = json.loads(archive.read("data"))
        module = data["policy_class"]["__module__"].split(".")
    except (
        zipfile.BadZipFile,
        KeyError,
        TypeError,
        AttributeError,
        UnicodeDecodeError,
        json.JSONDecodeError,
    ):
        raise ValueError(
            f"{spelling}: expected a zip that stable-baselines3 saved, with its settings in 'data'; save it with "
            "model.save()"
        ) from None
    if module[:3] == ["stable_baselines3", "common", "policies"]:  # shared by two; one clips
        return "PPO" if {"clip_range", "n_epochs"} <= set(data) else "A2C"
    known = (
        module[0] in ("stable_baselines3", "sb3_contrib")
        and len(module) == 3
        and module[1] != "common"
    )
    require(
        known,
        f"{spelling}: policy class of {'.'.join(module)} tells no algorithm; name it, as in sb3:PPO:{path.name}",
    )
    return module[1]


def algorithm(name: str) -> Any:
    """A class of stable-baselines3, or of sb3_contrib where that is installed, whatever the case of its name."""
    for package in ("stable_baselines3", "sb3_contrib"):
        try:
            found = vars(importlib.import_module(package))
        except ImportError:
            continue
        for key, value in found.items():
            if key.lower() == name.replace("_", "").lower() and hasattr(value, "load"):
                return value
    raise ValueError(
        f"sb3: no algorithm named {name!r} in stable_baselines3 or sb3_contrib; install sb3-contrib or name another"
    )


def _statistics(path: Path) -> Any:
    """The VecNormalize saved beside a zip, or None; trusted as the zip is."""
    for beside in (path.with_suffix(STATISTICS), path.with_suffix("") / "vecnormalize.pkl"):
        if beside.is_file():
            from stable_baselines3.common.save_util import load_from_pkl

            found = load_from_pkl(beside)
            fits = hasattr(found, "normalize_obs")
            require(
                fits,
                f"{beside}: expected the statistics of a VecNormalize, got {type(found).__name__}; move it",
            )
            return found
    return None


def expert(env: Env, spelling: str, trust: bool = False) -> CallableExpert:
    """A zip as the expert of an environment; see `load`.

    Raises:
        ValueError: when it was trained on other observations or actions.
    """
    held = load(spelling, trust)
    require_fit(env, held)
    return CallableExpert(env, held)


def require_fit(env: Env, held: Zip) -> None:
    """Refuse a model whose observations or actions are not those of the environment."""
    require_same_spaces(env, held.spelling, held.model)
