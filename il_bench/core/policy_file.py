"""One file that holds a policy: its arrays as safetensors, and a header of plain JSON. Nothing is pickled.

The header's text `il_bench` is {"format": 1, "kind": "mlp", "runs": 64, "action_space": {"box": ...} or
{"discrete": 7}}: the net that restores the arrays, and what they act in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from .arrays import Arrays
from .files import require_solid, whole, write_arrays
from .settings import plain, require

if TYPE_CHECKING:
    from .policy import Policy

FORMAT = 1


HEADER = "il_bench"
"""The text of the file's header that says what its arrays are."""


LARGEST_HEADER = 1_000_000
"""Bytes of a header above which a file is refused unread."""


class Outdated(ValueError):
    """A policy of an earlier version, whose arrays mean something else now."""


def write(policy: Policy, path: str | Path) -> Path:
    """Write a policy as one file, whole or not at all.

    Raises:
        ValueError: for a policy that has no arrays, or where the file cannot be written.
    """
    path = Path(path)
    require(
        bool(policy.kind) and hasattr(policy, "arrays"),
        f"policy: expected one that a net of il_bench fitted, got {type(policy).__name__}; keep what it was made from",
    )
    require(not path.is_dir(), f"policy: expected a file to write, got the folder {path}")
    tensors = getattr(policy, "arrays")()  # noqa: B009
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    header = {
        "format": FORMAT,
        "kind": policy.kind,
        "runs": policy.runs,
        "action_space": space_as_json(policy.action_space),
    }
    try:
        with whole(path) as draft:
            write_arrays(draft, arrays, {HEADER: json.dumps(header)})
    except OSError as error:
        raise ValueError(
            f"policy: {path} cannot be written ({error.strerror}); name a file that can"
        ) from None
    return path


def read(path: str | Path) -> tuple[str, Arrays, spaces.Space[Any]]:
    """Kind, arrays and action space of a policy's file; nothing is executed.

    Raises:
        ValueError: for a file that is missing, damaged, or none of a policy.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    require(path.is_file(), f"policy: there is no file {path}; name one that policy.save wrote")
    try:
        require_solid(path)
        _require_small_header(path)
        header = _header(path)
        arrays = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"policy: {path} is damaged ({error}); save it again") from None
    fits = isinstance(header, dict) and isinstance(header.get("kind"), str)
    require(fits, f"policy: {path} is no policy that il_bench saved; il.load opens Records")
    form = header.get("format")
    require(form == FORMAT, f"policy: {path} is of format {form!r}, expected {FORMAT}")
    try:
        space = space_of_json(header.get("action_space"))
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError):
        raise ValueError(f"policy: {path} is damaged (its action space is none)") from None
    return header["kind"], arrays, space


def _require_small_header(path: Path) -> None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    require(length <= LARGEST_HEADER, f"it declares a header of {length:,} bytes")


def _header(path: Path) -> Any:
    """What the header says of the policy; None where it says nothing."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        text = (file.metadata() or {}).get(HEADER, "")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def space_as_json(space: spaces.Space[Any]) -> dict[str, Any]:
    """A Box or Discrete space as plain JSON; what is unbounded is None."""
    if isinstance(space, spaces.Discrete):
        return {"discrete": int(space.n)}
    if isinstance(space, spaces.Box):
        low, high = (_bounds(bound) for bound in (space.low, space.high))
        shape, dtype = list(space.shape), str(space.dtype)
        return {"box": {"low": low, "high": high, "shape": shape, "dtype": dtype}}
    raise ValueError(f"policy: expected Box or Discrete actions, got {space}")


def _bounds(bound: np.ndarray) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in plain(bound.ravel())]


def space_of_json(text: Any) -> spaces.Space[Any]:
    """The space that `space_as_json` described."""
    if "discrete" in text:
        return spaces.Discrete(text["discrete"])
    box = text["box"]
    low = _bound(box["low"], -np.inf, box)
    return spaces.Box(low, _bound(box["high"], np.inf, box), dtype=np.dtype(box["dtype"]).type)


def _bound(values: list[float | None], unbounded: float, box: dict[str, Any]) -> np.ndarray:
    numbers = [unbounded if value is None else value for value in values]
    return np.array(numbers, dtype=box["dtype"]).reshape(box["shape"])
