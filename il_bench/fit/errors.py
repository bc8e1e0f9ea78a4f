"""Errors of a policy on data that it may have been fitted to: how far it is from the labels, sample by sample."""

from __future__ import annotations

import torch

from ..core.env import Env
from ..core.policy import Policy
from ..core.rollout import action_error
from ..core.threads import few_threads
from .dataset import Dataset


@few_threads
def errors(env: Env, policy: Policy, data: Dataset) -> torch.Tensor:
    """Signed errors (R, N, U) of a policy's actions, float64; 0 or 1 where actions are Discrete, 0 where nothing weighs.

    A policy with a memory goes along each sequence.
    """
    with torch.no_grad():
        action, memory = policy.act(data.obs)
        if memory is not None:
            action = _along(policy, data)
    error = action_error(env, action.double(), data.action.double())
    hidden = data.weight[..., None] == 0
    return error.masked_fill(hidden, 0.0)


def _along(policy: Policy, data: Dataset) -> torch.Tensor:
    """Actions (R, N, U) of a policy with a memory, sequence by sequence."""
    parts = []
    for sequence in data.obs.split(list(data.lengths), 1):
        memory = None
        for obs in sequence.split(1, 1):
            action, memory = policy.act(obs, memory)
            parts.append(action)
    return torch.cat(parts, 1)


def covariance(error: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Second moment (R, U, U) of errors (R, N, U) under weights (R, N): the mean of their outer products."""
    rows = error[..., :, None]
    columns = error[..., None, :]
    total = weight.double().sum(1).clamp_min(1)
    outer = weight[..., None, None] * rows * columns
    return outer.sum(1) / total[:, None, None]


def root(covariances: torch.Tensor) -> torch.Tensor:
    """A square root (R, U, U) of covariances (R, U, U), singular ones included, run by run."""
    roots = [_root(one) for one in covariances]
    return torch.stack(roots)


def _root(covariance: torch.Tensor) -> torch.Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    lengths = values.clamp_min(0).sqrt()
    return vectors * lengths
