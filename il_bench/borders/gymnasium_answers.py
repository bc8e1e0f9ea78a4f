"""What an environment that others made answers to `reset` and `step`, in Gymnasium's form or refused."""

from __future__ import annotations

from typing import Any

import gymnasium

BEGINNING = ("observation", "info")
"""What `reset` returns."""
STEP = ("observation", "reward", "terminated", "truncated", "info")
"""What `step` returns."""


def begun(copy: gymnasium.Env, seed: int) -> Any:
    """The first observation of an episode.

    Raises:
        ValueError: when `reset` returns something else than Gymnasium says.
    """
    answer: Any = copy.reset(seed=seed)
    observation, _ = _parts(copy, "reset", answer, BEGINNING)
    return observation


def stepped(copy: gymnasium.Env, action: Any) -> tuple[Any, Any, Any, Any]:
    """Observation, reward, and whether the episode is terminated or truncated, after a step.

    Raises:
        ValueError: when `step` returns something else than Gymnasium says.
    """
    answer: Any = copy.step(action)
    observation, reward, over, cut, _ = _parts(copy, "step", answer, STEP)
    return observation, reward, over, cut


def _parts(
    copy: gymnasium.Env, method: str, answer: Any, names: tuple[str, ...]
) -> tuple[Any, ...]:
    """The parts of an answer, as many as there should be."""
    if isinstance(answer, tuple) and len(answer) == len(names):
        return answer
    kind = type(copy.unwrapped).__name__
    count = len(answer) if isinstance(answer, tuple) else type(answer).__name__
    wanted = f"({', '.join(names)})"
    raise ValueError(f"{kind}.{method}: expected {wanted}, got {count}; return a tuple of those")
