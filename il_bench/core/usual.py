"""Usual: with which settings learners are tried on an environment's tasks where nobody names others."""

from __future__ import annotations

from typing import Any

from .settings import build, flatten


def usual(env: type, name: str, learner: type) -> dict[str, Any]:
    """The settings of a learner that suit an environment's tasks, by name; those that it does not have are among them.

    Args:
        env: whose `usual` names settings as flags do: whoever's they are, or "dagger.beta" of one learner alone.
        name: of the learner.
        learner: whose `nets`, where it lists some, are the only ones that it is given.
    """
    suiting: dict[str, Any] = {}
    for key, value in getattr(env, "usual", {}).items():
        owner, _, setting = key.rpartition(".")
        if owner in ("", name):
            suiting[setting] = value
    nets = getattr(learner, "nets", ())
    if nets and suiting.get("net", nets[0]) not in nets:
        suiting["net"] = nets[0]
    return suiting


def taken(env: Any, name: str, learner: Any) -> dict[str, Any]:
    """The settings of a learner that are usual on an environment's tasks, and would be others elsewhere."""
    cls = type(learner)
    suiting = usual(type(env), name, cls)
    here = flatten(build(cls, suiting))
    elsewhere = flatten(build(cls, {}))
    settings = flatten(learner)
    taken = {}
    for setting in suiting:
        value = settings.get(setting)
        if value == here.get(setting) != elsewhere.get(setting):
            taken[setting] = value
    return taken
