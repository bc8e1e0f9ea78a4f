"""Memory: what learning and comparing take, by a formula that is linear in the runs, so that a limit splits them.

With E rollouts of T steps, states of X numbers, differences of D, actions of U, and N labels of O + U numbers a run takes

    recording   16 (L + 1) E ((T + 1) (X + D + 1) + T (3 U + 1))            L learners and the expert, then stacked
                + 16 E ((T + 1) X + T (U + 1)) + 8 E T W                    a rollout, step by step and stacked
    learning    16 E' ((T + 1) X + T (U + 1)) + 8 E' T W                    the rollout of a round, E' episodes
                + 8 E' T (X + 2 O + 2 U)                                    its labels and observations
                + 4 N (O + U + 1) + 16 N                                    the dataset; 12 where rounds double its room
    networks    L (16 P + 4 updates)                                        P parameters or counts (of all rounds that are kept)

bytes, of which learning and recording do not come together; a learner that has a `sample_size` holds so many numbers of
a label instead of O + U. What trains side by side fits a cache (`engine.CACHE`). Runs are independent, so that some of
them now and the others later are bit for bit what all at once would be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gymnasium import spaces

from ..core.env import Env
from ..core.rollout import action_size
from ..core.settings import as_tuple, require
from ..core.streams import Streams
from ..fit.training import Training
from ..nets import _mlp_engine
from ..records.schema import BYTES, CHANCES

LIBRARIES = 320_000_000
"""Bytes of Python with the libraries that a comparison imports, measured on Linux."""


@dataclass(frozen=True)
class Memory:
    """What learning and comparing take, in bytes.

    Attributes:
        runs: R.
        learning: of one run, while a learner learns.
        networks: of one run, all learners' policies.
        recording: of one run, while learners and expert are compared.
    """

    runs: int
    learning: int
    networks: int
    recording: int

    @property
    def one(self) -> int:
        """What each run adds."""
        return self.networks + max(self.learning, self.recording)

    @property
    def total(self) -> int:
        """What all runs take together, Python and its libraries included."""
        return LIBRARIES + _mlp_engine.CACHE + self.runs * self.one

    def __str__(self) -> str:
        """In gigabytes, and of what."""
        parts = {"learning": self.learning, "networks": self.networks, "recording": self.recording}
        sizes = {name: value / 1e6 for name, value in parts.items()}
        words = ", ".join(f"{name} {size:.2g} MB" for name, size in sizes.items())
        plural = "" if self.runs == 1 else "s"
        total = self.total / 1e9
        return f"{total:.2g} GB for {self.runs} run{plural} (of each: {words})"

    def runs_within(self, limit: float) -> int:
        """How many of the runs fit into `limit` bytes at a time.

        Raises:
            ValueError: when not even one does.
        """
        always = LIBRARIES + _mlp_engine.CACHE
        least = always + self.one
        expected = f"expected at least {least / 1e9:.2g} GB, which one run takes"
        advice = "fewer rollouts, episodes or rounds take less"
        require(limit >= least, f"memory: {expected}, got {limit / 1e9:.2g}; {advice}")
        fitting = (limit - always) // self.one
        return min(self.runs, int(fitting))


def needed(env: Env, learners: Sequence[Any], rollouts: int) -> Memory:
    """What learning and comparing will take.

    Args:
        env: the environment, R runs.
        learners: the algorithms, whose `rounds`, `episodes`, `labels` and `training`, and `sample_size(env, states)`
            where they have one, tell what they hold.
        rollouts: twin rollouts of each run, E.
    """
    state = env.initial(Streams(env.seeds, env.device), 1)
    states = state.shape[-1]
    differences = env.difference(state, state).shape[-1]
    of_states = (env.horizon + 1) * (states + differences + 1)
    of_actions = env.horizon * (3 * action_size(env) + 1)
    told = len(CHANCES) + len(BYTES) if env.by_chance else 0
    of_chances = env.horizon * told
    drivers = len(learners) + 1
    recording = 16 * drivers * rollouts * (of_states + of_actions + of_chances)
    recording += _rollout(env, states, rollouts)
    learning = [_learning(env, states, learner) for learner in learners]
    networks = [_networks(env, learner) for learner in learners]
    return Memory(env.runs, max(learning, default=0), sum(networks), recording)


def _rollout(env: Env, states: int, episodes: int) -> int:
    """A rollout of one run: each step's arrays, the stack of them, and the noise."""
    of_states = (env.horizon + 1) * states
    of_actions = env.horizon * (action_size(env) + 1)
    of_noise = env.horizon * env.noise_size
    return episodes * (16 * (of_states + of_actions) + 8 * of_noise)


def _learning(env: Env, states: int, learner: Any) -> int:
    """What one run of a learner holds: the rollout of a round, its labels and observations, and all rounds' dataset."""
    rounds = getattr(learner, "rounds", 1)
    labels = getattr(learner, "labels", 0)
    most = max(as_tuple(labels))
    episodes = math.ceil(most / env.horizon) or getattr(learner, "episodes", 1)
    steps = episodes * env.horizon
    observations = math.prod(env.observation_space.shape)
    numbers = observations + action_size(env)
    if hasattr(learner, "sample_size"):
        numbers = learner.sample_size(env, states)
    fresh = 16 * steps * (states + numbers)
    copies = 3 if rounds > 1 else 1
    dataset = rounds * steps * (4 * copies * (numbers + 1) + 16)
    return _rollout(env, states, episodes) + fresh + dataset


def _networks(env: Env, learner: Any) -> int:
    """What is left of one run: the policy, or one of each round where the learner keeps them, and the losses."""
    training = getattr(learner, "training", Training())
    space = env.action_space
    observation = math.prod(env.observation_space.shape)
    outputs = int(space.n) if isinstance(space, spaces.Discrete) else action_size(env)
    rounds = getattr(learner, "rounds", 1)
    policies = 1 if getattr(learner, "pick", "") == "last" else rounds
    # A learner may fit another net than its training names.
    net = learner.net() if hasattr(learner, "net") else training.net
    numbers = net.footprint(observation, outputs, env.horizon)
    return 16 * policies * numbers + 4 * training.updates
