"""Statistics that a VecNormalize keeps of observations: where they lie beside a zip, under every name in use."""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from typing import Any

from ..core.settings import require

SUFFIX = ".vecnormalize.pkl"
"""What `sb3 train` appends to a zip's stem."""


FILE = "vecnormalize.pkl"
"""What rl-baselines3-zoo calls them, in a folder named after the environment."""


LOOSE = ("vec_normalize.pkl", FILE)
"""Names in common use that tell no model: whatever lies in the zip's own folder is taken to belong to it."""


class Reader(pickle.Unpickler):
    """Reads what was pickled in the days of gym, whose spaces gymnasium has under the same names."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the pickle."""
        package, dot, rest = module.partition(".")
        today = "gymnasium" if package == "gym" else package
        return super().find_class(today + dot + rest, name)


def unpickled(content: bytes) -> Any:
    """An object of a stranger whom the caller trusts, its gym spaces as gymnasium's."""
    return Reader(io.BytesIO(content)).load()


def places(path: Path, env: str = "", loose: bool = True) -> list[Path]:
    """Where the statistics of a zip may lie, the name that tells most first.

    Args:
        path: the zip.
        env: the name of its environment, where it is known; another version's folder is its own too.
        loose: whether files that name no model count.
    """
    folder, stem = path.parent, path.stem
    names = [path.with_suffix(SUFFIX), folder / stem / FILE]
    checkpoint = re.fullmatch(r"(.+)_(\d+_steps)", stem)
    if checkpoint is not None:
        prefix, steps = checkpoint.groups()
        names.append(folder / f"{prefix}_vecnormalize_{steps}.pkl")
    if env:
        names += _of_environment(folder, env)
    if loose:
        names += [folder / name for name in LOOSE]
    return names


def _of_environment(folder: Path, env: str) -> list[Path]:
    """Statistics in folders that bear the environment's name, in whatever version."""
    wanted = _without_version(env.replace("/", "-"))
    files = sorted(folder.glob(f"*/{FILE}"), key=lambda file: (file.parent.name != env, file))
    return [file for file in files if _without_version(file.parent.name) == wanted]


def _without_version(name: str) -> str:
    return re.sub(r"-v\d+$", "", name)


def read(path: Path, shape: tuple[int, ...]) -> Any:
    """The VecNormalize in a file; trusted as the zip is.

    Args:
        path: the file.
        shape: of the model's observations, which the statistics must fit.

    Raises:
        ValueError: when it is none, or of other observations.
    """
    try:
        statistics = unpickled(path.read_bytes())
    except Exception as error:  # a stranger's objects may raise anything
        raise ValueError(
            f"{path}: its statistics could not be read ({type(error).__name__}: {error}); save them again with "
            "VecNormalize.save, or move the file to take observations as they are"
        ) from None
    kind = type(statistics).__name__
    require(
        hasattr(statistics, "normalize_obs"),
        f"{path}: expected the statistics of a VecNormalize, got {kind}; move it",
    )
    mean = getattr(getattr(statistics, "obs_rms", None), "mean", None)
    size = shape if mean is None else mean.shape  # without them only rewards were scaled
    require(
        size == shape,
        f"{path}: expected statistics of observations {shape}, as the zip's, got {size}; move it",
    )
    return statistics
