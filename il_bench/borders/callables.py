"""Callables: a function, a network, or anything with `predict`, as an Expert or a Policy."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector.utils import concatenate, create_empty_array

from ..core.env import Env, Expert, LoggedEnv, RecurrentExpert, StochasticExpert
from ..core.policy import Policy, choose
from ..core.registry import name_of
from ..core.rollout import action_size, ask_on, view
from ..core.settings import require
from ..core.streams import Streams
from .gymnasium_in import Foreign

OUTSIDE = 1e-6
"""How far an action may lie outside its Box: what float32 rounds away, in units of the limit where that is above 1."""


@dataclass
class Answers:
    """What somebody says, asked run by run and deterministically.

    A network rounds differently in a larger batch, and a run's answers must not depend on its neighbours.

    Attributes:
        who: "expert", or a policy's name, for sentences.
        source: a function of observations (n, O), a `torch.nn.Module`, or an object with `predict`.
        env: whose observations are shown.
        size: numbers in one action, U.
    """

    who: str
    source: Any
    env: Env
    size: int = field(init=False)

    def __post_init__(self) -> None:
        """Ask once how long an action is: a space that is a property is built anew each time."""
        self.size = action_size(self.env)

    def to(self, obs: torch.Tensor, memory: list[Any] | None) -> tuple[torch.Tensor, Any]:
        """Actions (R, E, U) for observations (R, E, O), and what each run remembers; None where nobody does.

        Raises:
            ValueError: with the run, when an answer is not one action for each observation, or none of the space.
        """
        before = memory or [None] * len(obs)
        batches = obs.to(torch.float32).cpu().numpy()
        rows = []
        after = []
        for run, batch in enumerate(batches):
            who = f"{self.who} at run {run}"
            try:
                answer, remembered = self.asked(batch.copy(), before[run])
            except Exception as error:
                error.add_note(f"as {who}")
                raise
            actions = self._actions(who, answer, len(batch))
            self._require_possible(who, actions)
            rows.append(actions)
            after.append(remembered)
        whole = torch.from_numpy(np.stack(rows)).to(obs.device)
        if all(remembered is None for remembered in after):
            return whole, None
        return whole, after

    def asked(self, batch: np.ndarray, memory: Any) -> tuple[Any, Any]:
        """The answer for observations (n, O), which may be written into, and what is remembered."""
        predict = getattr(self.source, "predict", None)
        if predict is not None:
            begins = np.full(len(batch), memory is None)
            about = {"state": memory, "episode_start": begins, "deterministic": True}
            said = predict(shown(self.env, self.source, batch), **_accepted(predict, about))
        elif isinstance(self.source, torch.nn.Module):
            said = self._of_network(self.source, batch)
        else:
            said = self.source(batch)
        # As stable-baselines3 answers: the action, and the state to hand back.
        pair = isinstance(said, tuple) and len(said) == 2 and not self._fits(said, len(batch))
        answer, remembered = said if pair else (said, None)
        able = remembered is None or "state" in _accepted(predict, {"state": None})
        require(
            able,
            f"{self.who}: returned a state beside its actions, which only a predict(observation, state, "
            "episode_start) is handed back; give an object with one",
        )
        return answer, remembered

    def _of_network(self, network: torch.nn.Module, batch: np.ndarray) -> Any:
        """What a network says of observations (n, O), in its own precision and place, without what only training does.

        Raises:
            ValueError: when it refuses them.
        """
        first = next(network.parameters(), torch.empty(0))
        was_training = network.training
        network.train(False)
        try:
            with torch.no_grad():
                return network(torch.from_numpy(batch).to(first.device, first.dtype))
        except RuntimeError as error:
            advice = "make it for these, or give a function that prepares them"
            raise ValueError(
                f"{self.who}: the network refuses observations {batch.shape} ({error}); {advice}"
            ) from error
        finally:
            network.train(was_training)

    def _fits(self, answer: Any, count: int) -> bool:
        """Whether an answer is `count` actions of U numbers."""
        numbers = _array(answer)
        if numbers is None or numbers.shape[:1] != (count,):
            return False
        return math.prod(numbers.shape[1:]) == self.size

    def _actions(self, who: str, answer: Any, count: int) -> np.ndarray:
        """An answer as actions (n, U), float64."""
        numbers = _array(answer)
        got = type(answer).__name__ if numbers is None else f"shape {numbers.shape}"
        require(
            self._fits(answer, count),
            f"{who}: expected one action of U={self.size} for each of {count} observations, got {got}; return "
            "numbers (n, U)",
        )
        assert numbers is not None, "it fits"
        return np.array(numbers, dtype=np.float64).reshape(count, self.size)

    def _require_possible(self, who: str, actions: np.ndarray) -> None:
        """Refuse a label that there is not, and a number outside the Box; one that is not finite ends its episode."""
        space = self.env.action_space
        if isinstance(space, spaces.Discrete):
            wanted = f"labels from 0 to {space.n - 1}"
            advice = "answer with one of them"
            wrong = actions[~_are_labels(space, actions)]
        else:
            wanted = f"actions in {space}"
            advice = "clip them"
            wrong = actions[_are_outside(space, actions)]
        if wrong.size:
            became = f" ({self.env.adaptation})" if self.env.adaptation else ""
            first = f"{wrong[0]:.6g}"
            raise ValueError(f"{who}: expected {wanted}{became}, got {first}; {advice}")


def _are_labels(space: spaces.Discrete, actions: np.ndarray) -> np.ndarray:
    """Which numbers are labels of a Discrete space."""
    within = (actions >= 0) & (actions < space.n)
    whole = actions == np.floor(actions)
    return within & whole


def _are_outside(space: spaces.Box, actions: np.ndarray) -> np.ndarray:
    """Which numbers of actions (n, U) lie farther outside a Box than rounding leads."""
    low = space.low.astype(np.float64).ravel()
    high = space.high.astype(np.float64).ravel()
    lowest = low - _slack(low)
    highest = high + _slack(high)
    return (actions < lowest) | (actions > highest)


def _slack(limit: np.ndarray) -> np.ndarray:
    """How far beyond a limit of a Box rounding may lead."""
    size = np.abs(np.nan_to_num(limit, posinf=0, neginf=0))
    return OUTSIDE * np.maximum(1, size)


def _accepted(predict: Any, about: dict[str, Any]) -> dict[str, Any]:
    """Which of stable-baselines3's arguments a `predict` knows; there may be none."""
    try:
        known = inspect.signature(predict).parameters
    except (TypeError, ValueError):  # none, or written in C
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return about
    return {name: value for name, value in about.items() if name in known}


def _array(answer: Any) -> np.ndarray | None:
    """An answer as numbers, or None where it holds none: an array, a tensor, or lists of numbers."""
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu()
    try:
        array = np.asarray(answer)
    except (ValueError, TypeError, RuntimeError):  # rows of different lengths
        return None
    return array if array.dtype.kind in "biuf" else None


def shown(env: Env, source: Any, batch: np.ndarray) -> Any:
    """Observations (n, O) as a model was trained on them: in their own space, where they were flattened for us."""
    if not isinstance(env, Foreign) or _fits_into(env.observation_space, _trained_on(source)):
        return batch
    space = env.native_observation_space
    if not _fits_into(space, _trained_on(source)):
        return batch
    own = [spaces.unflatten(space, row) for row in batch]
    room: Any = create_empty_array(space, len(own))
    return concatenate(space, own, room)


def require_same_spaces(env: Env, who: str, source: Any) -> None:
    """Refuse a model whose observations or actions are not those of the environment."""
    observations: list[Any] = [env.observation_space]
    actions: list[Any] = [env.action_space]
    if isinstance(env, Foreign):
        observations.append(env.native_observation_space)
        actions.append(env.native_action_space)
    its_actions = getattr(source, "action_space", None)
    _require_one_of(f"{who}: was trained on observations", _trained_on(source), observations)
    _require_one_of(f"{who}: was trained on actions", its_actions, actions)


def _require_one_of(words: str, its: Any, wanted: list[Any]) -> None:
    """Refuse a model's space that is none of those wanted; nothing is known of who names none."""
    if not isinstance(its, spaces.Space):
        return
    fits = any(_fits_into(space, its) for space in wanted)
    here = wanted[-1]
    require(fits, f"{words} {its}, and here they are {here}; give another")


def _trained_on(source: Any) -> Any:
    """The space of observations that a model names, or the model of a zip; None where nobody names one."""
    return getattr(getattr(source, "model", source), "observation_space", None)


def _fits_into(space: spaces.Space[Any], its: Any) -> bool:
    """Whether a model's space is that of an environment; an image's channels may have been moved to the front."""
    same_kind = type(its) is type(space)
    same_count = getattr(its, "n", 0) == getattr(space, "n", 0)
    if not same_kind or not same_count:
        return False
    if its.shape == space.shape:
        return True
    *axes, channels = space.shape or (0,)
    return isinstance(space, spaces.Box) and its.shape == (channels, *axes)


def require_answering(what: str, source: Any) -> None:
    """Refuse what can be asked for no action: a class is not yet somebody who answers."""
    able = not inspect.isclass(source) and (callable(source) or hasattr(source, "predict"))
    require(
        able,
        f"{what}: expected an Expert class, a callable or an object with predict, got {source!r}; name one of them",
    )


def remembers(env: Env, source: Any) -> bool:
    """Whether somebody with `predict` hands back a state, found out by one question of its own."""
    predict = getattr(source, "predict", None)
    if predict is None or "state" not in _accepted(predict, {"state": None}):
        return False
    nothing = np.zeros((1, *env.observation_space.shape), dtype=np.float32)
    try:
        return Answers("expert", source, env).asked(nothing, None)[1] is not None
    except Exception:  # whatever it cannot answer is told where it is asked in earnest
        return False


class CallableExpert(Expert):
    """Any callable, or anything with `predict`, as an expert; it sees observations (n, O) and returns actions (n, U).

    Args:
        env: whose observations it sees.
        source: the callable, or an object with stable-baselines3's `predict`.
    """

    def __init__(self, env: Env, source: Any):
        self.env, self.source = env, source
        self._answers = Answers("expert", source, env)

    def act(self, state: torch.Tensor) -> torch.Tensor:
        """See `Expert.act`."""
        return self._answers.to(self.env.observation(state), None)[0]


class RememberingExpert(RecurrentExpert):
    """Anything with a `predict` that hands back a state, as an expert; one call for each run and step.

    Args:
        env: whose observations it sees.
        source: the object with stable-baselines3's `predict`.
    """

    def __init__(self, env: Env, source: Any):
        self.env, self.source = env, source
        self._answers = Answers("expert", source, env)

    def go_on(self, state: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `RecurrentExpert.go_on`."""
        return self._answers.to(self.env.observation(state), memory)


class PolicyExpert(RecurrentExpert):
    """R policies, learned or restored, as the expert of R runs.

    Args:
        env: whose observations they see.
        source: the policies.
    """

    def __init__(self, env: Env, source: Policy):
        require(
            source.runs == env.runs,
            f"expert: expected a policy of {env.runs} runs, got {source.runs}; learn it in this env",
        )
        self.env, self.source = env, source

    def go_on(self, state: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
        """See `RecurrentExpert.go_on`."""
        return self.source.act(view(self.env, self.source, state), memory)


class ExpertPolicy(Policy):
    """An expert as the policy of R runs, which is shown the states that the expert is shown, to the last bit.

    Args:
        env: in which it is one.
        source: the expert.
        shared: whether it is one in all the runs, see `Policy`.
    """

    sees_state = True

    def __init__(self, env: Env, source: Expert, shared: bool = True):
        self.env, self.source, self.runs, self.shared = env, source, env.runs, shared
        self.action_space, self.device = env.action_space, env.device

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; `obs` are states (R, E, X). Without a draw an expert that acts by chance takes the likeliest."""
        if draw is not None and isinstance(self.source, StochasticExpert):
            chances = self.source.distribution(obs)
            return choose(chances, draw).to(torch.float64), memory
        return ask_on(self.env, self.source, obs, memory)

    def __getitem__(self, run: int) -> ExpertPolicy:
        """There is none of one run alone: the expert is one of all of them.

        Raises:
            TypeError: always.
        """
        raise TypeError("policy: an expert's cannot be taken apart; learn it in env[run]")


def reader_policy(env: Env, streams: Streams | None, corrected: bool) -> ExpertPolicy:
    """Whoever believes an environment's log, see `LoggedEnv.reader`.

    Raises:
        ValueError: for an environment that keeps none.
    """
    if not isinstance(env, LoggedEnv):
        wanted = "expected one with a log to be read, such as ranked or museum"
        raise ValueError(f"env: {wanted}, got {name_of(env)}; use bc there")
    drawn = (streams or Streams(env.seeds, env.device)).fork("reader")
    return ExpertPolicy(env, env.reader(drawn, corrected), shared=False)


def callable_expert(env: Env, source: Any) -> CallableExpert | RememberingExpert:
    """A callable, or anything with `predict`, as the expert that it is: with a memory or without."""
    return (RememberingExpert if remembers(env, source) else CallableExpert)(env, source)


class CallablePolicy(Policy):
    """The same as the policy of every run, to be measured as a learner's is.

    Args:
        env: whose observations it sees.
        source: the callable, or an object with stable-baselines3's `predict`.
        who: what it is called in sentences.
    """

    shared = True

    def __init__(self, env: Env, source: Any, who: str = "policy"):
        self.env, self.source, self.runs = env, source, env.runs
        self.action_space, self.device = env.action_space, env.device
        self._answers = Answers(who, source, env)

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`; deterministic only."""
        require(
            draw is None,
            f"{self._answers.who}: its chance is its own and cannot be repeated; evaluate it deterministically",
        )
        return self._answers.to(obs, memory)

    def __getitem__(self, run: int) -> CallablePolicy:
        """The same for one run."""
        return CallablePolicy(self.env[run], self.source, self._answers.who)
