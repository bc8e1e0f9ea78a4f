"""Matched comparisons: learners that spent the same, so that what parts them is not what they were given.

Labels and environment steps are matched run by run: each learner is trained, and whoever took more in some run than
another learner is trained once more, up to the number that all of them have. Learners whose own doing decides how many
labels they take, such as those behind a gate, may stay below; then the Record says that labels were not held equal.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch

from ..borders import resolve
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.registry import LEARNERS, name_of
from ..core.registry import learner as learner_of
from ..core.settings import require
from ..records.record import Record
from ..records.twins import compare

MATCHED = ("labels", "updates")
"""What behaviour cloning has the same of as the learner beside which it is trained; what is held equal unless told."""

MATCHABLE = (*MATCHED, "steps")
"""What can be held equal."""

LIMITED = ("labels", "steps")
"""What is held equal by a limit for each run."""

Limits: TypeAlias = "dict[str, torch.Tensor]"
"""What each run may take at most (R,), by the name of the budget."""

Learn: TypeAlias = "Callable[[str, Any, Limits], Policy]"
"""(name, learner, limits) -> what it learned."""


def matched(
    env: Env,
    expert: Expert,
    learners: Sequence[Any] | dict[str, Any],
    match: Sequence[str] = MATCHED,
    episodes: int = 64,
) -> Record:
    """Learners compared at equal budgets.

    Args:
        env: the environment, R runs.
        expert: who is imitated.
        learners: by name, or names and learners, such as ("bc", "dagger", il.BC(4)); the first is the reference. Those
            that are named are made as `il.learner(name, env)` makes them.
        match: what they have the same of: some of "labels", "updates" and "steps".
        episodes: twin rollouts of each run.

    Returns:
        The Record, whose remarks say what was held equal and what was not.

    Raises:
        ValueError: for a budget that cannot be matched.
    """
    listed = not isinstance(learners, str) and not isinstance(match, str)
    got = f"got {learners!r} and match {match!r}"
    require(listed, f'matched: expected lists, as in ("bc", "dagger") and match=("labels",), {got}')
    chosen = _by_name(learners, env)
    expert = resolve.expert(env, expert)

    def learn(name: str, learner: Any, limits: Limits) -> Policy:
        log = log_within(limits)
        policy = learner.learn(env, expert, None, log)
        return policy if policy.log is not None else log.close(learner, policy)

    policies = learn_matched(chosen, env, learn, tuple(match))
    return compare(env, expert, policies, episodes=episodes, notes={"match": list(match)})


def _by_name(learners: Sequence[Any] | dict[str, Any], env: Env) -> dict[str, Any]:
    """Learners by their names; one that is named has what suits the environment."""
    if isinstance(learners, dict):
        return {name: _made(one, env) for name, one in learners.items()}
    built = [_made(one, env) for one in learners]
    named = {name_of(one): one for one in built}
    names = list(map(name_of, built))
    different = f"learners: expected one of each name, got {names}; name them in a dict"
    require(len(named) == len(built), different)
    return named


def _made(one: Any, env: Env) -> Any:
    """A learner, by its name or as it is."""
    return learner_of(one, env) if isinstance(one, str) else one


def learn_matched(
    learners: dict[str, Any], env: Env, learn: Learn, match: Sequence[str] = ()
) -> dict[str, Policy]:
    """The learners' policies by name, at equal budgets where that is asked for.

    A single learner that is no cloning gets behaviour cloning beside it, matched to it.

    Args:
        learners: by name.
        env: of R runs.
        learn: trains one under its name.
        match: what they are to have the same of.

    Raises:
        ValueError: for a budget that cannot be matched.
    """
    require_matchable(learners, match)
    require_possible(learners, env)
    if "updates" in match:
        learners = _with_updates(learners)
    policies = {name: learn(name, learner, {}) for name, learner in learners.items()}
    limits: Limits = {}
    for budget in LIMITED:
        if budget in match:
            policies = _within(budget, limits, policies, learners, env, learn)
    if not is_matched(learners):
        return policies
    ((name, learner),) = learners.items()
    cloning = cloning_beside(learner, policies[name], env)
    return policies if cloning is None else {"bc": learn("bc", cloning, {}), **policies}


def require_possible(learners: dict[str, Any], env: Env) -> None:
    """Refuse an environment that some learner cannot learn, before another has begun."""
    for learner in learners.values():
        refuse = getattr(learner, "require_possible", None)
        if refuse is not None:
            refuse(env)


def require_matchable(learners: dict[str, Any], match: Sequence[str]) -> None:
    """Refuse budgets that cannot be held equal, before any work."""
    for name in match:
        known = name in MATCHABLE
        wanted = f"match: expected some of {', '.join(MATCHABLE)}"
        require(known, f"{wanted}, got {name!r}; the table shows what else was spent")
    several = len(learners) > 1 or not match
    require(several, "match: expected several learners to match; name another")
    if "steps" in match:
        _require_steps(learners)
    if "updates" not in match:
        return
    for name, learner in learners.items():
        trained = hasattr(learner, "training")
        advice = "use --match labels, or leave it out"
        require(trained, f"match: {name} makes no gradient updates that could be set; {advice}")


def _with_updates(learners: dict[str, Any]) -> dict[str, Any]:
    """The learners with as many updates as the first one has."""
    first = next(iter(learners.values()))
    updates = first.training.updates
    changed = {}
    for name, learner in learners.items():
        training = dataclasses.replace(learner.training, updates=updates)
        changed[name] = dataclasses.replace(learner, training=training)
    return changed


def _require_steps(learners: dict[str, Any]) -> None:
    """Refuse learners that practise, whose steps are a setting for all runs alike, and those that try actions out."""
    for name, learner in learners.items():
        tries = hasattr(learner, "costs")
        words = "tries actions out for as many environment steps as that takes"
        require(not tries, f"match: {name} {words}; leave steps out of --match")
        own = getattr(learner, "one_by_one", False)
        advice = "set that, and leave steps out of --match"
        require(not own, f"match: {name} takes as many environment steps as it is set to; {advice}")


def _within(
    budget: str,
    limits: Limits,
    policies: dict[str, Policy],
    learners: dict[str, Any],
    env: Env,
    learn: Learn,
) -> dict[str, Policy]:
    """The policies with no more of a budget, run by run, than each of those has that take any; its limit joins the others."""
    taken = {name: spent(budget, policy, env.runs) for name, policy in policies.items()}
    those = [counts for counts in taken.values() if counts.max() > 0]
    if not those:
        return policies
    limits[budget] = torch.stack(those).amin(0)
    out = {}
    for name, policy in policies.items():
        enough = bool((taken[name] <= limits[budget]).all())
        out[name] = policy if enough else learn(name, learners[name], dict(limits))
    return out


def log_within(limits: Limits) -> Log:
    """A log that cuts off whoever reaches these limits."""
    return Log(limit=limits.get("labels"), most_steps=limits.get("steps"))


def spent(budget: str, policy: Policy, runs: int) -> torch.Tensor:
    """What each run took of a budget (R,)."""
    counts = getattr(policy.log, budget) if policy.log else 0
    return torch.as_tensor(counts).expand(runs)


def cloning_beside(learner: Any, policy: Policy, env: Env) -> Any:
    """Behaviour cloning with exactly a learner's labels, run by run, and its updates; None where it took no labels.

    Args:
        learner: the algorithm; its `training` is cloning's too.
        policy: what it learned, whose log counts the labels.
        env: of R runs.
    """
    labels = spent("labels", policy, env.runs)
    if labels.min() < 1:
        return None
    training = getattr(learner, "training", None)
    settings = {} if training is None else {"training": training}
    return LEARNERS["bc"](labels=tuple(float(count) for count in labels), **settings)


def is_matched(learners: dict[str, Any]) -> bool:
    """Whether cloning is trained beside: where there is one learner, and that is another."""
    return len(learners) == 1 and name_of(next(iter(learners.values()))) != "bc"
