"""Copies of an environment that others made: how they are made, reset, stepped and closed again."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, OrderEnforcing

from ..core.settings import require
from . import generators
from .estimate import estimate
from .gymnasium_answers import begun, stepped
from .gymnasium_spaces import is_flat, row_of_numbers

_OPEN: weakref.WeakSet[Copies] = weakref.WeakSet()
"""All that are in use: where only one simulator can exist, the next one waits for none of them."""


class _Lent(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Somebody's own object: closing it is left to its owner."""

    def close(self) -> None:
        """Leave it open."""


@dataclass(frozen=True)
class Origin:
    """Where copies of one environment come from.

    Attributes:
        name: what it is called in sentences and Records.
        thing: a Gymnasium id, a callable that returns a `gymnasium.Env`, or one such object.
        keywords: the settings that it is made with.
    """

    name: str
    thing: Any
    keywords: Mapping[str, Any]

    @property
    def lent(self) -> bool:
        """Whether it is one object, which somebody else made and will close."""
        return isinstance(self.thing, gymnasium.Env)

    def make(self, **more: Any) -> gymnasium.Env:
        """One copy, without a limit on its time where Gymnasium set one.

        Raises:
            ValueError: when it cannot be made; TypeError when it does not have such settings.
        """
        with self.sentences():
            try:
                return self._made({**self.keywords, **more})
            except (TypeError, ImportError, gymnasium.error.Error):
                raise
            except Exception:
                if not close_all(self.name):
                    raise
                return self._made({**self.keywords, **more})

    def _made(self, settings: dict[str, Any]) -> gymnasium.Env:
        if self.lent:
            require(not settings, f"{self.name}: it is made already, without {', '.join(settings)}")
            return _Lent(self.thing)
        if callable(self.thing):
            copy = self.thing(**settings)
            right = isinstance(copy, gymnasium.Env)
            kind = type(copy).__name__
            require(right, f"{self.name}: expected it to return a gymnasium.Env, got {kind}")
            return copy
        limit = settings.get("max_episode_steps")
        said = f"{self.name}: expected horizon={limit}, got max_episode_steps={limit}"
        require(limit is None, f"{said}; the end of time is counted here, for both twins")
        free: dict[str, Any] = {"max_episode_steps": -1, "disable_env_checker": True}
        copy = gymnasium.make(self.thing, **free, **settings)
        # That wrapper only asks at every step whether there was a reset.
        return copy.env if type(copy) is OrderEnforcing else copy

    def flat(self) -> gymnasium.Env:
        """One copy whose observations are flat boxes."""
        copy = self.make()
        return copy if is_flat(copy.observation_space) else FlattenObservation(copy)

    @contextlib.contextmanager
    def sentences(self, made: int = 0, needed: int = 1) -> Iterator[None]:
        """Within, whatever keeps a copy from being made is told in one sentence."""
        try:
            yield
        except Exception as error:
            if _too_many_files(error):
                raise ValueError(
                    f"{self.name}: {needed} copies were needed and the system allows no more open files after "
                    f"{made}; ask for fewer episodes or runs, or raise the limit (ulimit -n)"
                ) from error
            if isinstance(error, TypeError):
                raise TypeError(
                    f"{self.name}: it cannot be made with {dict(self.keywords) or 'no settings'} ({error})"
                ) from error
            if isinstance(error, ValueError) and str(error).startswith(f"{self.name}: "):
                raise
            words = f"{type(error).__name__}: {error}"
            raise ValueError(f"{self.name}: Gymnasium cannot make it ({words})") from error

    @cached_property
    def facts(self) -> Facts:
        """What a first copy tells, closed again."""
        probe = self.make()
        try:
            steps = getattr(probe.spec, "max_episode_steps", None)
            return Facts(probe.observation_space, probe.action_space, steps)
        finally:
            probe.close()

    @cached_property
    def alone(self) -> bool:
        """Whether only one can exist at a time, tried out: a second one could not be made beside the first."""
        if self.lent:
            return True
        first = self.make()
        second = None
        try:
            second = self._made(dict(self.keywords))
        except Exception as error:  # a simulator may refuse in any words
            if _too_many_files(error):
                raise
        finally:
            for copy in (first, second):
                if copy is not None:
                    copy.close()
        return second is None or second is first

    @cached_property
    def estimate(self) -> tuple[float, str]:
        """The largest stretch of a step that pairs have shown, and how it was looked for."""
        return estimate(self.flat)


@dataclass(frozen=True)
class Facts:
    """What is known of an environment without a step.

    Attributes:
        observation_space: its own.
        action_space: its own.
        steps: Gymnasium's limit on an episode's time, or None.
    """

    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    steps: int | None


@dataclass(frozen=True)
class Standing:
    """Where n copies stand after a step.

    Attributes:
        obs: (n, O) float64.
        reward: (n,) what the step paid.
        terminated: (n,) bool, the environment ended the episode.
        truncated: (n,) bool, the environment cut the episode off by a clock of its own.
        stopped: (n,) bool, it is stepped no more: terminated, truncated by the environment, or no longer finite.
    """

    obs: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    stopped: np.ndarray


class Copies:
    """Copies of one environment, each within an episode of its own; they are closed when this is dropped.

    Args:
        origin: where they come from.
        **more: settings beside the origin's, such as a render mode.
    """

    def __init__(self, origin: Origin, **more: Any):
        self.origin, self._more = origin, more
        self._open: list[gymnasium.Env] = []
        self._generators: list[list[Any]] = []
        self._shared: list[Any] = []
        self._common, self._watched = 0, False
        self.standing: Standing | None = None
        weakref.finalize(self, _close, self._open)
        _OPEN.add(self)

    def close(self) -> None:
        """Close them; the next reset makes new ones."""
        _close(self._open)

    def one(self) -> gymnasium.Env:
        """The only one, made where there is none."""
        self._fill(1)
        return self._open[0]

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """First observations (n, O) of n episodes, each begun with its own seed."""
        with self._closed_on_errors(len(seeds)):
            rows = [self._row(observation) for observation in self._first(seeds)]
        self._generators = []
        self._common = 0
        obs = np.array(rows, dtype=np.float64).reshape(len(seeds), -1)
        nothing = np.zeros(len(seeds))
        never = np.zeros(len(seeds), dtype=bool)
        self.standing = Standing(obs, nothing, never, never, never)
        return obs

    def _first(self, seeds: Sequence[int]) -> Iterator[Any]:
        """What each reset shows; where there is only one copy, it is reset again and again."""
        alone = self.origin.alone
        self._fill(1 if alone else len(seeds))
        line = self._open * len(seeds) if alone else self._open
        for copy, seed in zip(line, seeds, strict=True):
            yield begun(copy, seed)

    def drawn(self) -> np.ndarray:
        """Where the generators of each open copy stand (n,), as a number that differs when they do.

        Those that others may draw from as well, the process's or a module's, count as moved where a step that follows this
        question moves them.
        """
        self._watched = True
        if not self._generators:
            self._generators = [generators.within(copy) for copy in self._open]
            self._shared = [one for copy in self._open[:1] for one in generators.shared(copy)]
        known = zip(self._open, self._generators, strict=True)
        places = [generators.place([*generators.direct(one), *own]) for one, own in known]
        return np.array(places, dtype=np.int64) ^ self._common

    @contextlib.contextmanager
    def _noting_draws(self) -> Iterator[None]:
        """Within, the copies step; where somebody watches it is noted how they move the generators that others share."""
        if not self._watched:
            yield
            return
        before = generators.common(), generators.place(self._shared)
        yield
        after = generators.common(), generators.place(self._shared)
        if after != before:
            self._common = hash((self._common, after))
        self._watched = False

    def stopped(self, actions: np.ndarray) -> np.ndarray:
        """Which of n copies (n,) take no further step, given actions (n, U): those no longer finite among them."""
        now, count = self.standing, len(actions)
        if now is None or len(now.obs) != count:
            return np.zeros(count, dtype=bool)
        stands = np.isfinite(now.obs).all(1)
        acts = np.isfinite(actions).all(1)
        return now.stopped | ~(stands & acts)

    def stand_in(self, obs: np.ndarray, stopped: np.ndarray) -> bool:
        """Whether all copies that go on stand where the observations (n, O) say."""
        now = self.standing
        if now is None or not self._open or now.obs.shape != obs.shape:
            return False
        same = now.obs == obs
        return bool(same[~stopped].all())

    def step(self, obs: np.ndarray, actions: Sequence[Any], stopped: np.ndarray) -> Standing:
        """Every copy that has not stopped takes its action, from observations (n, O) on."""
        each = len(self._open) == len(actions)
        require(each, f"{self.origin.name}: only one of it can exist; let its episodes take turns")
        assert self.standing is not None, "stepped before a reset"
        obs = obs.copy()
        reward = np.zeros(len(obs))
        terminated = self.standing.terminated.copy()
        truncated = self.standing.truncated.copy()
        with self._closed_on_errors(len(actions)), self._noting_draws():
            for i in np.flatnonzero(~stopped).tolist():
                observation, paid, over, cut = self._stepped(i, actions[i])
                obs[i] = self._row(observation)
                reward[i] = self._number(paid)
                if over or cut:
                    terminated[i] = over
                    truncated[i] = cut and not over
        stop = stopped | terminated | truncated
        self.standing = Standing(obs, reward, terminated, truncated, stop)
        return self.standing

    def step_one(self, action: Any) -> Standing:
        """The same where there is one copy, which goes on unless it has stopped."""
        before = self.standing
        assert before is not None, "stepped before a reset"
        if before.stopped[0]:
            return dataclasses.replace(before, reward=np.zeros(1))
        with self._closed_on_errors(1), self._noting_draws():
            observation, paid, over, cut = self._stepped(0, action)
            row = self._row(observation).astype(np.float64)
            reward = self._number(paid)
        stop = bool(over or cut) or not np.isfinite(row).all()
        flags = [np.array([flag]) for flag in (bool(over), bool(cut and not over), stop)]
        self.standing = Standing(row[None], np.array([reward]), *flags)
        return self.standing

    def _stepped(self, number: int, action: Any) -> tuple[Any, Any, Any, Any]:
        """What one copy shows, pays and says of its end, after an action."""
        try:
            return stepped(self._open[number], action)
        except Exception as error:
            error.add_note(f"in copy {number + 1} of {len(self._open)}")
            raise

    def _row(self, observation: Any) -> np.ndarray:
        """An observation as a flat array (O,), as long as the environment's space says.

        Raises:
            ValueError: for one of another shape, which NumPy would repeat until it fits.
        """
        row = self.flattened(observation)
        require(
            row.shape == self._shape,
            f"{self.origin.name}: expected observations of shape {self._shape}, as its observation_space says, got "
            f"{row.shape}; declare the space that it shows",
        )
        return row

    def _number(self, paid: Any) -> float:
        """What a step paid.

        Raises:
            ValueError: when it is no number.
        """
        try:
            return float(paid)
        except (TypeError, ValueError):
            raise ValueError(
                f"{self.origin.name}: expected a number as a step's reward, got {paid!r}; let step return one"
            ) from None

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        """Of a flat observation."""
        space = row_of_numbers(self.origin.facts.observation_space)
        assert space is not None, "validated"
        return space.shape

    @cached_property
    def flattened(self) -> Callable[[Any], np.ndarray]:
        """An observation of the environment's as a flat array (O,)."""
        space = self.origin.facts.observation_space
        if is_flat(space):
            return np.asarray
        flatten: Any = partial(spaces.flatten, space)
        return flatten

    def _fill(self, count: int) -> None:
        """Make what is missing of `count` copies; too many are closed first, that none is kept for nothing."""
        if len(self._open) == count:
            return
        self.close()
        with self.origin.sentences(0, count):
            self._open.append(self.origin.make(**self._more))
        while len(self._open) < count:
            try:
                self._open.append(self.origin._made({**self.origin.keywords, **self._more}))
            except Exception as error:
                raise self._too_few(error, count) from error

    def _too_few(self, error: Exception, count: int) -> Exception:
        """What to say where some copies could be made and others not; those that were made are closed."""
        made = len(self._open)
        self.close()
        try:
            with self.origin.sentences(made, count):
                raise error
        except (ValueError, TypeError) as sentence:
            if _too_many_files(error):
                return sentence
        return ValueError(
            f"{self.origin.name}: {count} copies were needed, one for each episode of each run, and after {made} no "
            f"more could be made ({type(error).__name__}: {error}); ask for fewer episodes or runs"
        )

    @contextlib.contextmanager
    def _closed_on_errors(self, needed: int) -> Iterator[None]:
        """Within, an error closes all copies before it goes on its way."""
        try:
            yield
        except BaseException as error:
            made = len(self._open)
            self.close()
            if _too_many_files(error):
                with self.origin.sentences(made, needed):
                    raise
            raise


def close_all(name: str) -> bool:
    """Close every open copy of an environment, by its name; whether there was one."""
    theirs = [copies for copies in _OPEN if copies.origin.name == name and copies._open]
    for copies in theirs:
        copies.close()
    return bool(theirs)


def _close(copies: list[gymnasium.Env]) -> None:
    """Close copies and forget them; one that cannot be closed is in nobody's way."""
    while copies:
        with contextlib.suppress(Exception):
            copies.pop().close()


def _too_many_files(error: BaseException | None) -> bool:
    """Whether this, or what it came from, is the system's limit on open files."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return True
        error = error.__cause__ or error.__context__
    return False
