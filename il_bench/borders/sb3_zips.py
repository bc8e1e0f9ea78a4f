"""Zips of stable-baselines3 as experts and policies, opened only where the caller says that their author is trusted.

A zip's weights are read as plain tensors, but its settings are serialised Python objects, and reading those runs
whatever code they hold.
"""

from __future__ import annotations

import base64
import importlib
import json
import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.registry import name_of
from ..core.settings import require
from . import sb3_statistics
from .callables import CallableExpert, require_same_spaces

if TYPE_CHECKING:
    from ..core.env import Env

PREFIX = "sb3:"


LARGEST = 1 << 26
"""Bytes of a zip's settings beyond which they are not read."""


IDLE: dict[str, Any] = {
    "buffer_size": 1, "learning_rate": 0.0, "lr_schedule": lambda _: 0.0, "clip_range": lambda _: 0.0,
    "clip_range_vf": None, "exploration_schedule": lambda _: 0.0, "action_noise": None, "_last_obs": None,
    "_last_original_obs": None, "_last_episode_starts": None, "ep_info_buffer": None, "ep_success_buffer": None,
}  # fmt: skip
"""What only training needs: it is replaced, not deserialised, and no replay buffer is laid out for an expert."""


SHARED_MODULE = "stable_baselines3.common.policies"
"""Where policies lie that PPO and A2C share."""


NO_ZIP = (
    zipfile.BadZipFile,
    KeyError,
    TypeError,
    AttributeError,
    UnicodeDecodeError,
    json.JSONDecodeError,
)
"""What reading something else as a zip of stable-baselines3 raises."""


@dataclass(frozen=True)
class Zip:
    """A model of stable-baselines3, with the statistics that its observations were normalised by.

    Attributes:
        spelling: how it was asked for, "sb3:hopper.zip".
        model: stable-baselines3's own.
        statistics: its VecNormalize, where a file of them lies beside the zip.
        note: one line on these statistics, or on their absence.
    """

    spelling: str
    model: Any
    statistics: Any = None
    note: str = ""

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


def load(spelling: str, trust: bool = False, env: str = "") -> Zip:
    """Open a zip of stable-baselines3, or of the years when it was built on gym.

    Args:
        spelling: `sb3:PATH`, or `sb3:ALGORITHM:PATH` where the zip does not tell its algorithm.
        trust: its author is trusted; without it nothing is opened.
        env: the name of its environment, where it is known. Statistics of a VecNormalize are found beside the zip, as
            STEM.vecnormalize.pkl, STEM/vecnormalize.pkl, ENV/vecnormalize.pkl, vec_normalize.pkl, vecnormalize.pkl, or
            NAME_vecnormalize_N_steps.pkl for the checkpoint NAME_N_steps.zip.

    Returns:
        Something with `predict`.

    Warns:
        UserWarning: when it learned from normalised observations, and no statistics lie beside it.

    Raises:
        ValueError: when it is not trusted, is no such zip, or cannot be told.
    """
    name, path = algorithm_and_path(spelling)
    require(
        path.is_file(),
        f"{spelling}: there is no file {path}; name a zip that stable-baselines3 saved",
    )
    require(
        trust,
        f"{spelling}: opening a stable-baselines3 zip runs whatever code was serialised into it; if you trust its "
        "author, add --trust (in Python trust=True)",
    )
    settings = _settings(spelling, path)
    kind = algorithm(name or _algorithm_of(spelling, path, settings))
    model = _model(spelling, kind, path, settings)
    file = _statistics_file(path, env, settings)
    if file is None:
        note = _absence(spelling, settings)
        return Zip(spelling, model, None, note)
    statistics = sb3_statistics.read(file, model.observation_space.shape)
    note = f"{spelling}: observations are normalised by the statistics in {file}"
    return Zip(spelling, model, statistics, note)


def algorithm_and_path(spelling: str) -> tuple[str, Path]:
    """The algorithm, where one is named, and the path; a drive's single letter is no algorithm."""
    rest = spelling.removeprefix(PREFIX)
    pair = re.fullmatch(r"([A-Za-z]\w+):(.+)", rest)
    name, path = pair.groups() if pair else ("", rest)
    return name, Path(path).expanduser()


def _settings(spelling: str, path: Path) -> dict[str, Any]:
    """A zip's settings as JSON, nothing deserialised."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo("data").file_size
            require(
                size <= LARGEST,
                f"{spelling}: its settings are larger than {LARGEST} bytes; it is no zip to open",
            )
            settings = json.loads(archive.read("data"))
        settings["policy_class"]["__module__"].split(".")
    except NO_ZIP:
        raise ValueError(
            f"{spelling}: expected a zip that stable-baselines3 saved, with its settings in 'data'; save it with "
            "model.save()"
        ) from None
    return settings


def _algorithm_of(spelling: str, path: Path, settings: dict[str, Any]) -> str:
    """The algorithm that saved a zip, from the module of its policy and its settings."""
    module = settings["policy_class"]["__module__"]
    if module == SHARED_MODULE:
        clips = {"clip_range", "n_epochs"} <= set(settings)
        return "PPO" if clips else "A2C"
    own = re.fullmatch(r"(?:stable_baselines3|sb3_contrib)\.(?!common\.)(\w+)\.\w+", module)
    if own is None:
        raise ValueError(
            f"{spelling}: policy class of {module} tells no algorithm; name it, as in sb3:PPO:{path.name}"
        )
    return own[1]


def _model(spelling: str, kind: Any, path: Path, settings: dict[str, Any]) -> Any:
    """The model itself, without what only training needs."""
    try:
        replaced = IDLE | _spaces(settings)
        with warnings.catch_warnings():
            # Of optimisers that older versions saved, which nobody needs here.
            warnings.filterwarnings("ignore", "You are probably loading")
            model = kind.load(path, device="cpu", custom_objects=replaced)
    except Exception as error:  # a stranger's objects may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{spelling}: {kind.__name__} could not load it ({reason}); save it again where it opens, with "
            f"stable-baselines3 of today, or name its algorithm, as in {PREFIX}PPO:{path.name}"
        ) from error
    require(
        not hasattr(model.policy, "lstm_actor"),
        f"{spelling}: its policy has a memory, and zips of such are not opened here; load it with sb3_contrib and give "
        "the model itself, as in il.expert(env, model), whose memory is carried",
    )
    return model


def _spaces(settings: dict[str, Any]) -> dict[str, Any]:
    """Spaces of observations and actions, which in the days of gym were gym's."""
    names = ("observation_space", "action_space")
    contents = {name: base64.b64decode(settings[name][":serialized:"]) for name in names}
    return {name: sb3_statistics.unpickled(content) for name, content in contents.items()}


def algorithm(name: str) -> Any:
    """A class of stable-baselines3, or of sb3_contrib where that is installed, whatever the case of its name."""
    wanted = name.replace("_", "").lower()
    for package in ("stable_baselines3", "sb3_contrib"):
        try:
            members = vars(importlib.import_module(package))
        except ImportError:
            continue
        for key, value in members.items():
            if key.lower() == wanted and hasattr(value, "load"):
                return value
    raise ValueError(
        f"sb3: no algorithm named {name!r} in stable_baselines3 or sb3_contrib; install sb3-contrib or name another"
    )


def _statistics_file(path: Path, env: str, settings: dict[str, Any]) -> Path | None:
    """The file of statistics that belongs to a zip; one that names no model, unless the zip knows of none."""
    places = sb3_statistics.places(path, env, loose=_normalised(settings) is not False)
    return next((place for place in places if place.is_file()), None)


def _normalised(settings: dict[str, Any]) -> bool | None:
    """Whether a model learned under a VecNormalize, which leaves it the last raw observation; None: it cannot be told."""
    off_policy = "train_freq" in settings  # these keep that observation in any case
    if off_policy or "_last_original_obs" not in settings:
        return None
    if settings["_last_original_obs"] is not None:
        return True
    return False if settings.get("num_timesteps", 0) > 0 else None


def _absence(spelling: str, settings: dict[str, Any]) -> str:
    """The line that says that no statistics were found; a warning where there should have been some."""
    note = f"{spelling}: no statistics found beside it: observations are taken as they are"
    if _normalised(settings):
        warnings.warn(
            f"{note}, but it learned under a VecNormalize; put what VecNormalize.save wrote beside it, as "
            f"{sb3_statistics.LOOSE[0]}",
            stacklevel=4,
        )
    return note


def expert(env: Env, spelling: str, trust: bool = False) -> CallableExpert:
    """A zip as the expert of an environment; see `load`.

    Raises:
        ValueError: when it was trained on other observations or actions.
    """
    return CallableExpert(env, fitting(env, spelling, trust))


def fitting(env: Env, spelling: str, trust: bool = False) -> Zip:
    """A zip whose observations and actions are those of an environment; see `load`.

    Raises:
        ValueError: when it was trained on others.
    """
    agent = load(spelling, trust, name_of(env))
    require_fit(env, agent)
    return agent


def require_fit(env: Env, agent: Zip) -> None:
    """Refuse a model whose observations or actions are not those of the environment."""
    require_same_spaces(env, agent.spelling, agent.model)
