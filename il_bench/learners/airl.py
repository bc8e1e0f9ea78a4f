"""AIRL: reinforcement learning for a reward that is learned by telling the learner's steps from the expert's.

Fu, Luo & Levine (2018), "Learning robust rewards with adversarial inverse reinforcement learning". The judge takes a
step for the expert's with odds exp f / pi(a|s), where f = g(s, a) + gamma h(s') - h(s) is a reward g and a potential h
that shapes it; the learner, stable-baselines3's PPO, is paid log D - log(1 - D) = f - log pi(a|s). The source's reward
that carries over to other dynamics is one of states alone, g(s); here, as in its first part, it knows the action. Not to be
confused with GAIL, whose judge has no reward in it.

A reward that may be negative makes whoever can end its episode end it. So an end leads into a state that is never left, which
the judge knows as it knows all others, and whose reward for ever is paid at the end (Kostrikov et al. 2019,
"Discriminator-actor-critic"): an end that the expert never comes to is worth less than any step. For the judge it lies far
from all steps. What is paid so grows to hundreds while the judge learns; in units of its own spread (`evened`) a critic can
follow it.

Runs practise one after the other, not side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from ..borders import resolve
from ..borders.contest import Contest
from ..borders.discriminator import AFTER, Book, Eye, Judge, tower
from ..borders.sb3_chance import Chance
from ..borders.sb3_even import Even
from ..borders.sb3_ppo import Practice
from ..borders.sb3_practice import begun, require_practice
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import require_counts
from ..core.streams import Streams
from ..fit.transitions import Transitions, demonstrated


def _contest() -> Contest:
    """The usual one, with four times the updates: a student is to keep up with a reward that moves."""
    return Contest(practice=Practice(minibatch=64))


@dataclass(frozen=True)
class AIRL:
    """Adversarial inverse reinforcement learning: PPO on a reward that a judge is made of."""

    episodes: int = 10
    """Expert episodes that the judge knows."""
    contest: Contest = field(default_factory=_contest)
    """How learner and judge learn."""
    evened: bool = True
    """Whether pay is divided by the deviation of its discounted sums, which a critic can follow."""

    one_by_one: ClassVar[bool] = True
    """Runs practise one after the other."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes")

    @property
    def own_updates(self) -> int:
        """Gradient updates of practice, the judge's among them."""
        return self.contest.updates

    def require_possible(self, env: Env) -> None:
        """Refuse environments in which nobody can practise."""
        require_practice(env)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives once; then the learner does, by chance, paid by the reward so far."""
        course = begun(env, resolve.expert(env, expert), streams, log)
        shown = demonstrated(course, self.episodes)

        def open_trial(run: int, seed: int) -> _Trial:
            return _Trial(shown[run], env, self, seed)

        policy = self.contest.hold(course, open_trial)
        return course.log.close(self, policy)


class _Reward(torch.nn.Module):
    """f = g(s, a) + gamma h(s') - h(s), of steps shown as (s, a) beside s, s', whether they go on, and log pi(a|s).

    What comes after an end is a state of its own, without potential, that is never left: its steps are shown as nothing but
    a mark, `AFTER` as the last number of (s, a), and are worth g of that.
    """

    def __init__(self, sizes: tuple[int, int], hidden: tuple[int, ...], gamma: float):
        torch.nn.Module.__init__(self)
        step, state = sizes
        self._widths = [step, state, state, 1, 1]
        self._reward = tower(step, hidden)
        self._potential = tower(state, hidden)
        self._gamma = gamma

    def value(self, shown: torch.Tensor) -> torch.Tensor:
        """F (n, 1)."""
        step, state, following, on, _ = shown.split(self._widths, 1)
        ended = step[:, -1:] / AFTER
        later = self._gamma * on * self._potential(following)
        before = (1 - ended) * self._potential(state)
        return self._reward(step) + later - before

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        """Logits (n, 1): f - log pi(a|s)."""
        return self.value(shown) - shown[:, -1:]


class _Trial:
    """A judge at work: one run's student is paid by its reward, and it learns from what that student did."""

    def __init__(self, shown: Transitions, env: Env, airl: AIRL, seed: int):
        judging = airl.contest.judging
        chance = Chance(seed)
        self._shown = shown
        self._eye = Eye(shown, env.action_space)
        step = self._eye.steps(shown.obs[:1], shown.action[:1])
        self._step = step.shape[1] + 1
        sizes = self._step, shown.obs.shape[1]
        gamma = airl.contest.practice.gamma
        self._for_ever = gamma / (1 - gamma)
        with chance.lent():
            self._network = _Reward(sizes, judging.judge_hidden, gamma)
        self._judge = Judge(self._network, judging, chance)
        self._book = Book()
        self._even = Even(gamma) if airl.evened else None

    def pay(self, steps: Transitions, policy: Any) -> np.ndarray:
        """What steps are paid (n,): f - log pi(a|s)."""
        self._book.add(steps)
        paid = self.worth(steps) - _chances(policy, steps).numpy()
        return paid if self._even is None else self._even(paid, steps.over)

    def worth(self, steps: Transitions) -> np.ndarray:
        """What steps are worth (n,), their chances apart; one that ends the episode with all that comes after."""
        shown = self._show(steps, torch.zeros(len(steps)))
        with torch.no_grad():
            now = self._network.value(shown)[:, 0]
            after = self._network.value(_after(shown[:1], self._step))[0, 0]
        over = torch.from_numpy(steps.over).float()
        return (now + self._for_ever * over * after).numpy()

    def go_on(self, policy: Any) -> None:
        """Learn from what was done since the last time, under the chances that the student's policy gives."""
        own = self._book.close()
        student, expert = (self._with_ends(some, policy) for some in (own, self._shown))
        self._judge.learn(student, expert)

    def _with_ends(self, steps: Transitions, policy: Any) -> torch.Tensor:
        """Steps as the network sees them under the chances of a policy, with one after each end."""
        shown = self._show(steps, _chances(policy, steps))
        over = torch.from_numpy(steps.over)
        return torch.cat((shown, _after(shown[over], self._step)))

    def _show(self, steps: Transitions, chances: torch.Tensor) -> torch.Tensor:
        """Steps as the network sees them (n, F); `chances` (n,) are logarithms."""
        on = torch.from_numpy(~steps.over).float()
        parts = [
            self._eye.steps(steps.obs, steps.action),
            torch.zeros(len(steps), 1),
            self._eye.states(steps.obs),
            self._eye.states(steps.following),
            on[:, None],
            chances[:, None],
        ]
        return torch.cat(parts, 1)


def _after(shown: torch.Tensor, step: int) -> torch.Tensor:
    """As many steps (n, F) in what comes after an end, where `step` numbers show (s, a): one action, taken for certain."""
    after = torch.zeros_like(shown)
    after[:, step - 1] = AFTER
    return after


def _chances(policy: Any, steps: Transitions) -> torch.Tensor:
    """The logarithm of the chance (n,) that a policy takes each step's action.

    Of what was done, not of what was drawn: an action beyond its Box was cut off, and the judge sees it so.
    """
    action = torch.from_numpy(np.asarray(steps.action))
    if not action.is_floating_point():
        action = action[:, 0]
    with torch.no_grad():
        return policy.evaluate_actions(torch.from_numpy(steps.obs), action)[1]
