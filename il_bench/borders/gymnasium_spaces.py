"""Spaces of Gymnasium on both sides of the border: rows of numbers in, numbers or labels out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium import spaces

Space = spaces.Space[Any]


def is_flat(space: Space) -> bool:
    """Whether observations are arrays of one axis as they are."""
    return isinstance(space, spaces.Box) and len(space.shape) == 1


def is_label(space: Space) -> bool:
    """Whether observations are one label or one switch: two of them are the same or not, and nothing between."""
    if isinstance(space, spaces.MultiBinary):
        return math.prod(space.shape) == 1
    return isinstance(space, spaces.Discrete)


def is_image(space: Space) -> bool:
    """Whether observations are pictures: bytes in one, three or four channels, or in none."""
    if not isinstance(space, spaces.Box) or space.dtype != np.uint8:
        return False
    return len(space.shape) == 2 or (len(space.shape) == 3 and space.shape[2] in (1, 3, 4))


def row_of_numbers(space: Space) -> spaces.Box | None:
    """The space of flat observations (O,), as they are or flattened; None where they cannot be."""
    if is_flat(space):
        return space  # type: ignore[return-value]
    try:
        flat = spaces.flatten_space(space)
    except (NotImplementedError, ValueError):  # of Gymnasium's spaces some have no fixed size
        return None
    if not isinstance(flat, spaces.Box):
        return None
    low, high = flat.low.astype(np.float32), flat.high.astype(np.float32)
    return spaces.Box(low, high, dtype=np.float32)


def numbers_or_labels(space: Space) -> spaces.Box | spaces.Discrete | None:
    """The space in which policies here act: labels from 0, or a Box of numbers; None where there is no such space."""
    if isinstance(space, spaces.Box):
        return space
    if isinstance(space, spaces.Discrete):
        return space if space.start == 0 else spaces.Discrete(int(space.n))
    limits = _limits(space)
    if limits is None:
        return None
    low, high = (limit.astype(np.float32) for limit in limits)
    return spaces.Box(low, high, dtype=np.float32)


def _limits(space: Space) -> tuple[np.ndarray, np.ndarray] | None:
    """The smallest and the largest whole number of each component; None where actions are not whole numbers."""
    if isinstance(space, spaces.Box):
        whole = space.dtype.kind in "iu"
        return (space.low, space.high) if whole else None
    if isinstance(space, spaces.MultiDiscrete):
        last = space.start + space.nvec - 1
        return space.start, last
    if isinstance(space, spaces.MultiBinary):
        off = np.zeros(space.shape, np.int8)
        return off, off + 1
    return None


def native(space: Space, actions: np.ndarray) -> Any:
    """Actions (n, U) as the environment takes them, n in a row; whole numbers are rounded and clipped.

    An action that is not finite belongs to an episode that has stopped: it is made a number, and never taken.
    """
    if isinstance(space, spaces.Discrete):
        label = actions[:, 0]
        labels = np.where(np.isfinite(label), label, 0).astype(np.int64)
        return (labels + int(space.start)).tolist()
    shape = space.shape or ()
    rows = actions.reshape(-1, *shape)
    limits = _limits(space)
    if limits is not None:
        rows = np.nan_to_num(rows).round()
        rows = rows.clip(*limits)
    return rows.astype(space.dtype)


def adaptation(observations: Space, actions: Space) -> str:
    """What became of an environment's observations and actions on this side of the border; "" where nothing did."""
    words = [_observations_became(observations), _actions_became(actions)]
    return "; ".join(filter(None, words))


def _observations_became(space: Space) -> str:
    flat = row_of_numbers(space)
    if is_flat(space) or flat is None:
        return ""
    kind = "images" if is_image(space) else "observations"
    return f"{kind} {space} are flattened into {flat.shape[0]} numbers (gymnasium.spaces.flatten)"


def _actions_became(space: Space) -> str:
    if isinstance(space, spaces.Discrete):
        shifted = f"actions {space} are labels from 0 here, {-space.start:+d} from its own"
        return shifted if space.start != 0 else ""
    if _limits(space) is None:
        return ""
    return f"actions {space} are numbers here, one a component, rounded to the nearest"
