"""Rollouts: the only place where policies meet environments.

A driver decides each step's action; three are here: the expert, a policy, and a mixture of both. Two rollouts of the
same environment under the same streams are twins: same start, same noise, so that whatever parts them is the driver.

An episode ends when the environment says so (terminated), when the environment cuts it off by a clock of its own
(truncated), or at the horizon. What comes after is not lived: nobody is asked about it. The arrays stay rectangular:
where others of a batch go on, a finished episode is shown to drivers as it was at its last step, and their answer is
thrown away.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from gymnasium import spaces

from .env import Env, Expert, RecurrentExpert, TruncatingEnv
from .policy import Log, Policy
from .streams import Streams
from .threads import few_threads

Answer: TypeAlias = "tuple[torch.Tensor, Any]"
"""Actions (R, E, U), and the memory to hand back at the next step."""


Driver: TypeAlias = "Callable[[int, torch.Tensor, Any], Answer]"
"""(step, state (R, E, X), memory) -> (action (R, E, U), memory)."""


@dataclass(frozen=True)
class Rollout:
    """What happened: R runs of E episodes.

    Attributes:
        state: (R, E, T+1, X); a finished episode stays in its last state.
        action: (R, E, T, U) as the driver gave them, float64; zero once an episode is finished.
        reward: (R, E, T); zero once an episode is finished.
        length: (R, E) steps lived, at most T.
        terminated: (R, E) bool, the environment ended the episode.
        truncated: (R, E) bool, the environment cut the episode off by a clock of its own.
        broke: (R, E) the step whose action or next state was not finite, -1 where all were; such an episode is frozen
            in its last finite state.
    """

    state: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    length: torch.Tensor
    terminated: torch.Tensor
    truncated: torch.Tensor
    broke: torch.Tensor

    @property
    def alive(self) -> torch.Tensor:
        """(R, E, T) bool: the step was taken by a living episode."""
        steps = torch.arange(self.action.shape[2], device=self.length.device)
        return steps < self.length[..., None]

    @property
    def questions(self) -> torch.Tensor:
        """(R, E) steps at which the driver was asked: those lived, and the one at which an episode broke."""
        return self.length + (self.broke >= 0)

    @property
    def returns(self) -> torch.Tensor:
        """Undiscounted return of each episode (R, E)."""
        return self.reward.sum(-1)

    @property
    def lived(self) -> torch.Tensor:
        """(R, E, T, X): the state before each step; after an episode's end that of its last step, see the module."""
        states = self.state[:, :, :-1]
        horizon, size = states.shape[2:]
        if bool((self.length == horizon).all()):
            return states
        time = torch.arange(horizon, device=states.device)
        last = (self.length - 1).clamp_min(0)
        place = time.minimum(last[..., None])
        places = place[..., None].expand(-1, -1, -1, size)
        shown = states.gather(2, places)
        never = self.length == 0
        starts = _stand_ins(states[:, :, 0], never)
        nowhere = never[..., None, None]
        return torch.where(nowhere, starts[:, :, None], shown)


@dataclass(frozen=True)
class Archive:
    """What was kept of what somebody did, each rollout with a chance.

    Attributes:
        visits: those that were kept, R runs of E; what was not kept, or only fills up, has length 0.
        exposure: (R, E) the chance with which each was kept; anything where the length is 0.
        pooled: (R, E) the mean of that chance over all who could have kept the like; None where it is not known.
    """

    visits: Rollout
    exposure: torch.Tensor
    pooled: torch.Tensor | None = None


def observe(env: Env, state: torch.Tensor) -> torch.Tensor:
    """Observations (R, E, O) as networks receive them, float32."""
    return env.observation(state).to(torch.float32)


def view(env: Env, policy: Policy, state: torch.Tensor) -> torch.Tensor:
    """What a policy is shown of states (R, E, X): observations, unless it sees states."""
    return state if policy.sees_state else observe(env, state)


def endings(env: Env, state: Any) -> tuple[Any, Any]:
    """Whether the environment ended the episode at `state`, and whether it cut it off by a clock of its own, (R, E) bool."""
    over = env.terminal(state)
    cut = ~over & env.truncated(state) if isinstance(env, TruncatingEnv) else over & False
    return over, cut


def ended(env: Env, state: Any) -> Any:
    """The same, in whichever way, (R, E) bool."""
    over = env.terminal(state)
    return over | env.truncated(state) if isinstance(env, TruncatingEnv) else over


def by_expert(env: Env, expert: Expert) -> Driver:
    """The expert drives."""
    size = action_size(env)  # asked once: a space that is a property is built anew each time
    return lambda step, state, memory: ask_on(env, expert, state, memory, size)


def by_policy(
    env: Env, policy: Policy, streams: Streams | None = None, episodes: int = 0
) -> Driver:
    """A policy drives: deterministic without `streams`, by chance with them."""
    draws = None if streams is None else streams.uniform("policy", episodes, env.horizon)

    def drive(step: int, state: torch.Tensor, memory: Any) -> Answer:
        draw = None if draws is None else draws[..., step]
        sight = view(env, policy, state)
        return policy.act(sight, memory, draw)

    return drive


def chance_of(policy: Policy, streams: Streams, sample: bool = False) -> Streams | None:
    """The streams by which a policy acts, where it is asked to act by chance or is there to; None where it does not."""
    return streams if sample or policy.by_chance else None


def by_learner(env: Env, policy: Policy, streams: Streams, episodes: int) -> Driver:
    """A policy drives while it learns: by chance where that is the environment's nature or its own."""
    chance = chance_of(policy, streams, env.by_chance)
    return by_policy(env, policy, chance, episodes)


def by_mixture(
    env: Env,
    expert: Expert,
    policy: Policy,
    beta: torch.Tensor,
    streams: Streams,
    episodes: int,
    average: bool = False,
) -> Driver:
    """Expert with chance `beta` (R, 1), policy otherwise, chosen anew at each step; or their average.

    Ross, Gordon & Bagnell (2011) mean the choice by beta * expert + (1 - beta) * policy; many codes average instead.
    """
    coin = streams.uniform("beta", episodes, env.horizon)
    heads = (coin < beta[..., None])[..., None].unbind(2)
    size = action_size(env)
    by_own = by_learner(env, policy, streams, episodes)

    def drive(step: int, state: torch.Tensor, memory: Any) -> Answer:
        own_memory, its_memory = memory or (None, None)
        own, own_memory = by_own(step, state, own_memory)
        label, its_memory = ask_on(env, expert, state, its_memory, size)
        memory = own_memory, its_memory
        if average:
            return _average(label, own, beta[..., None]), memory
        return torch.where(heads[step], label, own), memory

    return drive


def _average(label: torch.Tensor, own: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The weighted mean of two actions (R, E, U), which at weight 0 and 1 is one of them to the last bit."""
    expert = weight * label
    policy = (1 - weight) * own
    mean = torch.where(weight == 0, own, expert + policy)
    return torch.where(weight == 1, label, mean)


def ask(env: Env, expert: Expert, state: torch.Tensor, size: int = 0) -> torch.Tensor:
    """The expert's actions (R, E, U) in states (R, E, X), float64, with their shape checked; `size` is U, if known."""
    return _labels(env, expert.act(state), state, size)


def _labels(env: Env, label: Any, state: torch.Tensor, size: int) -> torch.Tensor:
    """What an expert answered in states (R, E, X), as (R, E, U) float64."""
    label = torch.as_tensor(label, device=state.device)
    shape = (*state.shape[:2], size or action_size(env))
    _check_shape("expert's actions", label, shape)
    return label.to(torch.float64)


def ask_on(env: Env, expert: Expert, state: torch.Tensor, memory: Any, size: int = 0) -> Answer:
    """The same along episodes, of an expert that may have a memory: its actions, and what it remembers."""
    if not isinstance(expert, RecurrentExpert):
        return ask(env, expert, state, size), memory
    label, memory = expert.go_on(state, memory)
    return _labels(env, label, state, size), memory


class Witness(RecurrentExpert):
    """An expert whose answers along one rollout are kept: who drives with it need not ask again to label.

    Args:
        expert: who answers.
    """

    def __init__(self, expert: Expert):
        self.expert = expert
        self._answers: list[Any] = []

    def go_on(self, state: torch.Tensor, memory: Any) -> Answer:
        """See `RecurrentExpert.go_on`."""
        if isinstance(self.expert, RecurrentExpert):
            answer, memory = self.expert.go_on(state, memory)
        else:
            answer = self.expert.act(state)
        self._answers.append(answer)
        return answer, memory

    def answers(self, seen: Rollout) -> torch.Tensor | None:
        """What it answered along a rollout (R, E, T, U); None where it was not asked at every step, all at once."""
        action = seen.action
        asked = int(seen.questions.max())
        if len(self._answers) != asked or asked == 0:
            return None
        rows = [torch.as_tensor(answer, device=action.device) for answer in self._answers]
        if any(row.shape[:2] != action.shape[:2] for row in rows):
            return None
        labels = torch.zeros_like(action)
        labels[:, :, :asked] = torch.stack(rows, 2)
        return labels


def action_size(env: Env) -> int:
    """Numbers in one action, U; a Discrete action is one integer."""
    space = env.action_space
    return 1 if isinstance(space, spaces.Discrete) else math.prod(space.shape)


def _check_shape(what: str, array: torch.Tensor, shape: tuple[int, ...]) -> None:
    got = tuple(array.shape)
    if got != shape:
        sizes = zip("REU", shape, strict=True)
        expected = ", ".join(f"{letter}={size}" for letter, size in sizes)
        raise ValueError(
            f"{what}: expected ({expected}), got {got}; return one action for each state"
        )


def _driven(drive: Driver, step: int, state: torch.Tensor, memory: Any, size: int) -> Answer:
    """A driver's actions (R, E, U), float64, with their shape checked; what it refuses names the step."""
    shape = (*state.shape[:2], size)
    try:
        action, memory = drive(step, state, memory)
        _check_shape("actions", action, shape)
    except ValueError as error:
        raise ValueError(f"step {step}: {error}") from error
    return action.to(torch.float64), memory


class _Walk:
    """R x E episodes under way.

    Attributes:
        over: (R, E) bool, which are finished.
        shown: (R, E, X) the present states; of a finished episode the last one in which it acted.
    """

    def __init__(self, env: Env, state: torch.Tensor):
        self.env = env
        self.over = ended(env, state)
        self.shown = _stand_ins(state, self.over)
        self._states = [state]
        self._actions: list[torch.Tensor] = []
        self._rewards: list[torch.Tensor] = []
        self._broke = torch.full(state.shape[:2], -1, device=state.device)
        self._length = torch.zeros_like(self._broke)

    def goes_on(self) -> bool:
        """Whether an episode is alive; a GPU is not made to wait for the answer."""
        return self.over.is_cuda or not bool(self.over.all())

    def step(self, action: torch.Tensor, noise: torch.Tensor) -> None:
        """Every living episode takes its action (R, E, U), float64."""
        env, state = self.env, self._states[-1]
        following = _declared(env, "transition", env.transition(state, action, noise), state.shape)
        paid = env.reward(state, action, following)
        reward = _declared(env, "reward", paid, self.over.shape)
        if not self._is_calm(action, following):
            action, following, reward = self._frozen(action, following, reward)
        self._states.append(following)
        self._actions.append(action)
        self._rewards.append(reward)
        self._length += ~self.over
        self.over = self.over | ended(env, following)
        self._show(following)

    def _is_calm(self, action: torch.Tensor, following: torch.Tensor) -> bool:
        """Whether nothing is to be frozen, at a third of the cost of freezing; never known on a GPU."""
        if self.over.is_cuda or self.over.any():
            return False
        # A sum is finite only if its terms are.
        total = following.sum() + action.sum()
        return math.isfinite(total)

    def _frozen(
        self, action: torch.Tensor, following: torch.Tensor, reward: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The step without what finished episodes did, and without the numbers of those that break at it."""
        there = following.isfinite().all(-1)
        finite = there & action.isfinite().all(-1)
        bad = ~finite & ~self.over
        self._broke[bad] = len(self._actions)
        action = action.masked_fill(self.over[..., None], 0.0)
        self.over = self.over | bad
        stays = self.over[..., None]
        following = torch.where(stays, self._states[-1], following)
        reward = reward.masked_fill(self.over, 0.0)
        return action, following, reward

    def _show(self, state: torch.Tensor) -> None:
        """Let drivers see the present states of those that go on."""
        if self.over.is_cuda or self.over.any():
            state = torch.where(self.over[..., None], self.shown, state)
        self.shown = state

    def rollout(self, size: int) -> Rollout:
        """What happened; the steps that nobody lived are filled up. `size` is U."""
        env, state = self.env, self._states[-1]
        left = env.horizon - len(self._actions)
        if left:
            self._states += [state] * left
            self._actions += [state.new_zeros((*self.over.shape, size))] * left
            self._rewards += [state.new_zeros(self.over.shape)] * left
        terminated, truncated = endings(env, state)
        return Rollout(
            state=torch.stack(self._states, 2),
            action=torch.stack(self._actions, 2),
            reward=torch.stack(self._rewards, 2),
            length=self._length,
            terminated=terminated,
            truncated=truncated,
            broke=self._broke,
        )


def _stand_ins(state: torch.Tensor, over: torch.Tensor) -> torch.Tensor:
    """States (R, E, X) in which a living episode stands in for each finished one: of the same run, if one lives there."""
    alive = ~over
    first = alive.int().argmax(1)
    runs = torch.arange(len(state), device=state.device)
    borrowed = state[runs, first]
    lives = alive.any(1)
    other = borrowed[lives.int().argmax()]
    borrowed = torch.where(lives[:, None], borrowed, other)
    return torch.where(over[..., None], borrowed[:, None], state)


@few_threads
def rollout(env: Env, drive: Driver, streams: Streams, episodes: int) -> Rollout:
    """Roll out E episodes of every run.

    Args:
        env: the environment, R runs.
        drive: who decides the actions.
        streams: start and noise; the same streams make twins.
        episodes: episodes of each run, E.

    Raises:
        ValueError: with the step, when the driver's actions have the wrong shape.
    """
    if env.in_turn and len(streams.seeds) * episodes > 1:
        return _in_turn(env, drive, streams, episodes)
    size, memory = action_size(env), None
    with torch.no_grad():
        state = _start(env, streams, episodes)
        drawn = streams.normal("noise", episodes, env.horizon, env.noise_size)
        noise = drawn.to(state.device).unbind(2)
        walk = _Walk(env, state)
        for step in range(env.horizon):
            if not walk.goes_on():
                break
            try:
                action, memory = _driven(drive, step, walk.shown, memory, size)
                walk.step(action, noise[step])
            # Of a stranger's code it is good to know when.
            except Exception as error:
                error.add_note(f"at step {step}")
                raise
        return walk.rollout(size)


def _start(env: Env, streams: Streams, episodes: int) -> torch.Tensor:
    """First states (R, E, X), whose shape is as declared, and that of their observations.

    Raises:
        ValueError: where it is not; broadcasting would repeat the numbers until they fit.
    """
    each = (len(streams.seeds), episodes)
    state = _declared(env, "initial", env.initial(streams, episodes), (*each, len(env.states)))
    space = env.observation_space
    _declared(env, "observation", env.observation(state), (*each, *space.shape))
    _declared(env, "terminal", env.terminal(state), each)
    return state


def _declared(env: Env, method: str, answer: Any, shape: Sequence[int]) -> torch.Tensor:
    """What a method of an environment returned, which must be an array of this shape.

    Raises:
        ValueError: when it is not.
    """
    if isinstance(answer, torch.Tensor) and answer.shape == shape:
        return answer
    expected = tuple(shape)
    given = tuple(answer.shape) if isinstance(answer, torch.Tensor) else repr(answer)[:80]
    name = type(env).__name__
    raise ValueError(f"{name}.{method}: expected shape {expected}, got {given}; return a tensor so")


def _in_turn(env: Env, drive: Driver, streams: Streams, episodes: int) -> Rollout:
    """One episode after the other, where only one can be under way; the driver is asked as if all of them were."""
    runs = len(streams.seeds)
    rows = []
    for run in range(runs):
        own = streams.of([run])
        for episode in range(episodes):
            alone = _of_one(drive, run, episode, (runs, episodes))
            rows.append(rollout(env, alone, own.later(episode), 1))
    return _in_rows(rows, (runs, episodes))


def _of_one(drive: Driver, run: int, episode: int, shape: tuple[int, int]) -> Driver:
    """A driver of R x E episodes as that of one of them."""
    own = slice(run, run + 1), slice(episode, episode + 1)

    def alone(step: int, state: torch.Tensor, memory: Any) -> Answer:
        everywhere = state.expand(*shape, -1)
        actions, memory = drive(step, everywhere, memory)
        return actions[own], memory

    return alone


def _in_rows(episodes: list[Rollout], shape: tuple[int, int]) -> Rollout:
    """Rollouts of one episode each, run after run, as one of R x E."""
    parts = {}
    for name, pieces in _by_name(episodes).items():
        part = torch.cat(pieces)
        parts[name] = part.reshape(*shape, *part.shape[2:])
    return Rollout(**parts)


def _by_name(rollouts: list[Rollout]) -> dict[str, list[torch.Tensor]]:
    """The parts of several rollouts, by their names."""
    names = [field.name for field in dataclasses.fields(Rollout)]
    return {name: [getattr(one, name) for one in rollouts] for name in names}


@few_threads
def rest(
    env: Env,
    drive: Driver,
    state: torch.Tensor,
    left: torch.Tensor,
    noise: Iterable[torch.Tensor],
    opening: torch.Tensor | None = None,
    memory: Any = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """What is still earned from given states on, (R, n), and in how many steps, (R, n).

    Args:
        env: one that can be put into a state.
        drive: who acts.
        state: where n episodes of each run go on, (R, n, X).
        left: steps until the horizon, (R, n).
        noise: (R, n, W) of each step to come.
        opening: the first action (R, n, U), where the driver does not choose it.
        memory: what the driver remembers.
    """
    # Not as a decorator: that would need torch itself as soon as this file is read.
    with torch.no_grad():
        return _rest(env, drive, state, left, noise, opening, memory)


def _rest(
    env: Env,
    drive: Driver,
    state: torch.Tensor,
    left: torch.Tensor,
    noise: Iterable[torch.Tensor],
    opening: torch.Tensor | None,
    memory: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `rest`."""
    over = ended(env, state)
    total = torch.zeros_like(over, dtype=torch.float64)
    nothing = torch.zeros_like(total)
    steps = torch.zeros_like(left)
    shown = state
    longest = int(left.max())
    for t, disturbance in zip(range(longest), noise, strict=False):
        if t == 0 and opening is not None:
            action = opening
        else:
            action, memory = drive(t, shown, memory)
        exact = action.to(torch.float64)
        following = env.transition(state, exact, disturbance)
        live = ~over & (t < left)
        reward = env.reward(state, exact, following)
        total += torch.where(live, reward, nothing)
        steps += live
        state = torch.where(live[..., None], following, state)
        over = over | ended(env, state)
        shown = torch.where(over[..., None], shown, state)
    return total, steps


def both(one: Rollout, two: Rollout) -> Rollout:
    """The episodes of two rollouts of the same runs, side by side."""
    pairs = _by_name([one, two])
    parts = {name: torch.cat(pair, 1) for name, pair in pairs.items()}
    return Rollout(**parts)


def roll_in(env: Env, drive: Driver, streams: Streams, episodes: int, log: Log) -> Rollout:
    """A rollout whose steps, returns and early ends are counted in the learner's budget, and which that may cut off."""
    whole = rollout(env, drive, streams, episodes)
    return counted(whole, log)


def counted(whole: Rollout, log: Log, labelled: torch.Tensor | None = None) -> Rollout:
    """A rollout as far as a learner may take it, counted in its budget.

    Args:
        whole: all of it.
        log: what the learner has taken, and may take.
        labelled: (R, E, T) bool, which steps give a label; None where all do.
    """
    seen = _within(whole, log, labelled)
    episodes = seen.length.shape[1]
    lived = seen.reward.masked_fill(~seen.alive, 0.0)
    returns = lived.sum((1, 2))
    falls = seen.terminated.sum(1)
    log.steps = log.steps + seen.length.sum(1)
    log.episodes += episodes
    log.collected = log.collected + returns
    log.falls = log.falls + falls
    return seen


def _within(seen: Rollout, log: Log, labelled: torch.Tensor | None) -> Rollout:
    """A rollout up to the label, or the step, that would be one too many.

    What is cut off has not been terminated.
    """
    limits = ((log.limit, log.labels, labelled), (log.most_steps, log.steps, None))
    used = seen
    for most, taken, these in limits:
        if most is not None:
            left = torch.as_tensor(most - taken, device=seen.length.device)
            wanted = left.clamp_min(0).expand(len(seen.length))
            used = first_steps(used, wanted, these)
    if used is seen:
        return seen
    whole = used.length == seen.length
    return dataclasses.replace(
        used, terminated=seen.terminated & whole, truncated=seen.truncated & whole
    )


def first_steps(seen: Rollout, wanted: torch.Tensor, these: torch.Tensor | None = None) -> Rollout:
    """A rollout of which each run's first `wanted` (R,) steps are kept, episode after episode; the rest is over.

    Args:
        seen: the rollout.
        wanted: how many of each run.
        these: (R, E, T) bool, the steps that are counted; None counts all. It ends before the first that is too many.
    """
    alive = seen.alive
    count = alive if these is None else these & alive
    through = count.flatten(1).cumsum(1).reshape(alive.shape)
    kept = alive & (through <= wanted[:, None, None])
    return dataclasses.replace(seen, length=kept.sum(-1))


def label(env: Env, expert: Expert, seen: Rollout, log: Log) -> torch.Tensor:
    """The expert's actions (R, E, T, U) in the states of a rollout, counted; a frozen state is not asked about.

    A `Witness` that drove the rollout has answered already, and is not asked again.

    Raises:
        ValueError: when the expert returns a number that is not finite where the episode lives.
    """
    labels = None
    if isinstance(expert, Witness):
        log.asked = log.asked + seen.questions.sum(1)
        labels = expert.answers(seen)
        expert = expert.expert
    if labels is None:
        log.asked = log.asked + seen.length.sum(1)
        labels = flat_ask(env, expert, seen)
    _require_finite(labels, seen)
    count_labels(seen, log)
    return labels


def _require_finite(labels: torch.Tensor, seen: Rollout) -> None:
    """Refuse labels (R, E, T, U) that are not finite where the episode lives."""
    finite = labels.isfinite().all(-1)
    wrong = (~finite & seen.alive).nonzero()
    if len(wrong):
        run, episode, step = wrong[0].tolist()
        label = labels[run, episode, step].tolist()
        raise ValueError(
            f"expert: expected finite actions, got {label} at run {run}, episode {episode}, step {step}; let it answer "
            "in every state that a learner can reach"
        )


def count_labels(seen: Rollout, log: Log, labels: torch.Tensor | None = None) -> None:
    """Count the labels of a rollout, and keep where its episodes begin; one without a label begins nowhere.

    Args:
        seen: the rollout.
        log: where they are counted.
        labels: of each episode (R, E), where not every step has one.
    """
    count = seen.length if labels is None else labels
    log.labels = log.labels + count.sum(1)
    never = count == 0
    first = seen.state[:, :, 0]
    log.starts.append(first.masked_fill(never[..., None], torch.nan))


@few_threads
def flat_ask(env: Env, expert: Expert, seen: Rollout) -> torch.Tensor:
    """The expert's actions (R, E, T, U) along a rollout, uncounted; zero after an episode's end.

    In one call, or step by step where it has a memory.
    """
    if not seen.alive.any():
        return torch.zeros_like(seen.action)
    state = seen.lived
    runs, episodes, steps, size = state.shape
    with torch.no_grad():
        if isinstance(expert, RecurrentExpert):
            labels = _ask_along(env, expert, state)
        else:
            flat = ask(env, expert, state.reshape(runs, -1, size))
            labels = flat.reshape(runs, episodes, steps, -1)
    return _while_alive(labels, seen)


def _while_alive(actions: torch.Tensor, seen: Rollout) -> torch.Tensor:
    """Actions (R, E, T, U) along a rollout, zero after an episode's end."""
    return actions.masked_fill(~seen.alive[..., None], 0.0)


def _ask_along(env: Env, expert: RecurrentExpert, state: torch.Tensor) -> torch.Tensor:
    """The actions (R, E, T, U) of an expert with a memory in states (R, E, T, X), in the order of time."""
    memory, labels = None, []
    for now in state.unbind(2):
        label, memory = ask_on(env, expert, now, memory)
        labels.append(label)
    return torch.stack(labels, 2)


@few_threads
def replay(env: Env, policy: Policy, seen: Rollout, streams: Streams | None = None) -> torch.Tensor:
    """The policy's actions (R, E, T, U) along somebody else's path: teacher forcing; by chance with `streams`.

    Zero after an episode's end.
    """
    if not seen.alive.any():
        return torch.zeros_like(seen.action)
    episodes = seen.action.shape[1]
    drive = by_policy(env, policy, streams, episodes)
    path = seen.lived.unbind(2)
    memory, actions = None, []
    with torch.no_grad():
        for step, state in enumerate(path):
            action, memory = drive(step, state, memory)
            actions.append(action.to(torch.float64))
    whole = torch.stack(actions, 2)
    return _while_alive(whole, seen)


def action_error(env: Env, action: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Signed action errors (R, E, T, U) of actions (R, E, T, U); 0 or 1 where actions are Discrete."""
    if isinstance(env.action_space, spaces.Discrete):
        return (action != label).to(torch.float64)
    return action - label
