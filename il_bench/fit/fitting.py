"""Fitting: a dataset becomes a policy by the net that its training names, and safe arrays become the policy again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..core import policy_file
from ..core.arrays import Arrays
from ..core.env import Env
from ..core.policy import Log, Policy
from ..core.registry import NETS
from ..core.streams import Streams
from ..core.threads import few_threads
from .dataset import Dataset
from .sequences import Source
from .training import Lesson, Training, Watch, unwatched
from .weighing import weighed

RENAMED = {"vote": "svm"}
"""Kinds of policies in Records of earlier versions, and what they are called now."""


@few_threads
def fit(
    data: Dataset,
    training: Training,
    env: Env,
    streams: Streams,
    log: Log,
    updates: int | None = None,
    start: Policy | None = None,
    source: Source | None = None,
    watch: Watch = unwatched,
) -> Policy:
    """R policies fitted to a dataset by the net that `training` names.

    Args:
        data: samples of R runs.
        training: the settings.
        env: for its spaces and its horizon.
        streams: first weights and shuffling; fork it for each fit.
        log: updates are counted here.
        updates: gradient updates of this fit; `training.updates` unless given.
        start: a policy whose weights to begin with; new ones otherwise. They are kept as they are while the scales of
            observations and actions follow the data (benchmarks/NOTES.md says what keeping the function costs).
        source: whence the sequences of an update come; None takes the data as they are.
        watch: who looks on while the net trains, where it learns along sequences.

    Returns:
        The net's policy. A net that is solved for, not descended to, counts as one update.
    """
    training.require_runs(len(data.obs))
    net = training.net
    count = updates or training.updates
    weighted = weighed(data, training.weights, log)
    lesson = Lesson(weighted, training, env, streams, log, count, start, source, watch)
    policy = net.fit(lesson)
    if not net.descends:
        log.updates += 1
        log.report(1.0, "solved")
    return policy


def restore(kind: str, arrays: Arrays, action_space: Any) -> Policy:
    """The policy that `arrays()` described.

    Args:
        kind: the name of its net; one of a file must have been named by the user before, for nothing is imported here.
        arrays: what the policy consists of.
        action_space: Gymnasium's space of one action.

    Raises:
        ValueError: when the kind is unknown, an array is missing, or they are those of an earlier version.
    """
    names = sorted(arrays)
    net = NETS.known(RENAMED.get(kind, kind))
    if net is None:
        raise ValueError(
            f"policy: its net {kind!r} is not at hand; expected {', '.join(NETS)}, or a file's that was named before, as "
            f"in --net {kind if ':' in kind else 'module:Class'}"
        )
    try:
        return net().restore(arrays, action_space)
    except policy_file.Outdated:
        raise
    except (KeyError, ValueError, IndexError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"policy: expected the arrays of kind {kind}, got {names} ({error}); save it again"
        ) from None


def load_policy(path: str | Path) -> Policy:
    """The policy that `policy.save(path)` wrote; nothing is executed.

    Args:
        path: the file.

    Raises:
        ValueError: for a file that is missing, damaged or none of a policy, or whose net is not at hand.
    """
    return restore(*policy_file.read(path))


def joined(policies: list[Any], device: str) -> Policy:
    """One policy of all the runs of several policies of one kind, in order, on a device."""
    first, *_ = policies
    parts = [policy.arrays() for policy in policies]
    arrays = {}
    for name in parts[0]:
        whole = torch.cat([part[name] for part in parts])
        arrays[name] = whole.to(device)
    return restore(first.kind, arrays, first.action_space)


def assemble(policies: list[Any], choice: list[int]) -> Policy:
    """One policy of R runs that takes run r from `policies[choice[r]]`."""
    first, *_ = policies
    parts = [policies[pick].arrays() for pick in choice]
    arrays = {}
    for name in parts[0]:
        rows = [part[name][run] for run, part in enumerate(parts)]
        arrays[name] = torch.stack(rows)
    return restore(first.kind, arrays, first.action_space)
