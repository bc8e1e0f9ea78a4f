"""Matched comparisons: learners that spent the same, so that what parts them is not what they were given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..core.env import Env
from ..core.policy import Policy
from ..core.registry import LEARNERS, name_of

MATCHED = ("labels", "updates")
"""What behaviour cloning has the same of as the learner beside which it is trained."""


def cloning_beside(learner: Any, policy: Policy, env: Env) -> Any:
    """Behaviour cloning with exactly a learner's labels, run by run, and its updates; None where it took no labels.

    Args:
        learner: the algorithm; its `training` is cloning's too.
        policy: what it learned, whose log counts the labels.
        env: of R runs.
    """
    log = policy.log
    labels = torch.as_tensor(log.labels if log else 0).expand(env.runs)
    if labels.min() < 1:
        return None
    training = getattr(learner, "training", None)
    settings = {} if training is None else {"training": training}
    return LEARNERS["bc"](labels=tuple(float(count) for count in labels), **settings)


def learn_matched(
    learners: dict[str, Any], env: Env, learn: Callable[[str, Any], Policy]
) -> dict[str, Policy]:
    """The learners' policies by name; a single one that is no cloning gets behaviour cloning beside it, matched to it.

    Args:
        learners: by name.
        env: of R runs.
        learn: trains one under its name.
    """
    policies = {name: learn(name, learner) for name, learner in learners.items()}
    if not is_matched(learners):
        return policies
    ((name, learner),) = learners.items()
    cloning = cloning_beside(learner, policies[name], env)
    return policies if cloning is None else {"bc": learn("bc", cloning), **policies}


def is_matched(learners: dict[str, Any]) -> bool:
    """Whether cloning is trained beside: where there is one learner, and that is another."""
    return len(learners) == 1 and name_of(next(iter(learners.values()))) != "bc"
