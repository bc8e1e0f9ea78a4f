"""Callables: a function, or anything with `predict`, as an Expert or a Policy."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import torch

from ..core.env import Env, Expert
from ..core.policy import Policy
from ..core.rollout import action_size
from ..core.settings import require


def answers(who: str, source: Any, obs: torch.Tensor, size: int) -> torch.Tensor:
    """Actions (R, E, U) of a callable, or of anything with `predict`, for observations (R, E, O); deterministic.

    It is asked run by run: a network rounds differently in a larger batch, and a run's answers must not depend on its
    neighbours.

    Raises:
        ValueError: with the run, when it does not return one action of U = `size` numbers for each observation.
    """
    rows = []
    for run, batch in enumerate(obs.to(torch.float32).cpu().numpy()):
        seen = batch.copy()  # whoever writes into it hurts nobody
        out = (
            source.predict(seen, deterministic=True)[0]
            if hasattr(source, "predict")
            else source(seen)
        )
        out = out.detach().cpu() if isinstance(out, torch.Tensor) else out
        shape, kind = np.shape(out), np.asarray(out).dtype.kind
        fits = kind in "biuf" and shape[:1] == batch.shape[:1] and math.prod(shape[1:]) == size
        require(
            fits,
            f"{who} at run {run}: expected one action of U={size} for each of {len(batch)} observations, got "
            f"{f'shape {shape}' if kind in 'biuf' else type(out).__name__}; return numbers (n, U)",
        )
        rows.append(np.array(out, dtype=np.float64).reshape(len(batch), size))
    return torch.from_numpy(np.stack(rows)).to(obs.device)


def require_answering(what: str, source: Any) -> None:
    """Refuse what can be asked for no action: a class is not yet somebody who answers."""
    able = not inspect.isclass(source) and (callable(source) or hasattr(source, "predict"))
    require(
        able,
        f"{what}: expected an Expert class, a callable or an object with predict, got {source!r}; name one of them",
    )


class CallableExpert(Expert):
    """Any callable, or anything with `predict`, as an expert; it sees observations (n, O) and returns actions (n, U).

    Args:
        env: whose observations it sees.
        source: the callable, or an object with stable-baselines3's `predict`.
    """

    def __init__(self, env: Env, source: Any):
        self.env, self.source = env, source

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        return answers("expert", self.source, self.env.observation(state), action_size(self.env))


class CallablePolicy(Policy):
    """The same as the policy of every run, to be measured as a learner's is.

    Args:
        env: whose observations it sees.
        source: the callable, or an object with stable-baselines3's `predict`.
    """

    shared = True

    def __init__(self, env: Env, source: Any):
        self.env, self.source, self.runs = env, source, env.runs
        self.action_space, self.device = env.action_space, env.device

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; deterministic only."""
        require(
            draw is None,
            "policy: its chance is its own and cannot be repeated; evaluate it deterministically",
        )
        return answers("policy", self.source, obs, action_size(self.env)), memory

    def __getitem__(self, run: int) -> CallablePolicy:
        """The same for one run."""
        return CallablePolicy(self.env[run], self.source)
