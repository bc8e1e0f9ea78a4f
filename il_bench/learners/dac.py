"""DAC: adversarial imitation that learns from all it has ever done, paid anew by its judge each time it looks back.

Kostrikov, Agrawal, Dwibedi, Levine & Tompson (2019), "Discriminator-actor-critic: addressing sample inefficiency and reward
bias in adversarial imitation learning". A judge learns to tell steps (s, a) of a replay buffer from the expert's; the learner,
stable-baselines3's SAC (the source has TD3), or DQN where actions are Discrete, is paid for what the judge takes for the
expert's with chance D, as the judge has it when the step is learned from. An end leads into a state that is never left, which
the judge knows as it knows all others and whose reward for ever is paid at the end: neither to end an episode nor to go on
with it is worth anything by itself.

Three things are not the source's, each measured (`benchmarks/NOTES.md`). The pay is GAIL's, -log(1 - D), instead of
log D - log(1 - D), of which what an end costs grows to hundreds, more than a critic follows. What comes after an end
lies far from all steps, and is shown as often as it lasts; else the judge takes it for the expert's. And the judge's
slope is kept from growing above 1 instead of at 1, which would have its logits grow with the distance to the expert.

Not to be confused with GAIL and AIRL, whose PPO forgets a step when it has learned from it and takes many times as many; nor
with SQIL, which learns from all it has done, too, for a reward that is fixed.

Runs practise one after the other, not side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch

from ..borders import resolve
from ..borders.discriminator import AFTER, Book, Eye, Judge, Judging, tower
from ..borders.sb3_chance import Chance
from ..borders.sb3_off_policy import Replay
from ..borders.sb3_practice import Student, begun, enrolled, practised, require_practice
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.settings import require_counts
from ..core.streams import Streams
from ..fit.transitions import Transitions, demonstrated


@dataclass(frozen=True)
class DAC:
    """Discriminator-actor-critic: adversarial imitation off policy."""

    episodes: int = 10
    """Expert episodes that the judge knows."""
    replay: Replay = field(default_factory=partial(Replay, gamma=0.97))
    """How it practises."""
    judging: Judging = field(default_factory=partial(Judging, penalty=10.0))
    """How the judge learns."""

    one_by_one: ClassVar[bool] = True
    """Runs practise one after the other."""

    def __post_init__(self) -> None:
        """Refuse settings that no learner can have."""
        require_counts(self, "episodes")

    @property
    def own_updates(self) -> int:
        """Gradient updates of practice, the judge's among them."""
        return self.replay.rounds * (self.replay.updates + self.judging.views)

    def require_possible(self, env: Env) -> None:
        """Refuse environments in which nobody can practise, or not with this engine."""
        require_practice(env)
        self.replay.require_possible("dac", env)

    def learn(
        self, env: Env, expert: Expert, streams: Streams | None = None, log: Log | None = None
    ) -> Policy:
        """See `Learner.learn`. The expert drives once; then the learner does, by chance, paid by the judge."""
        self.require_possible(env)
        course = begun(env, resolve.expert(env, expert), streams, log)
        shown = demonstrated(course, self.episodes)
        trials: dict[Student, _Trial] = {}

        def enrol(run: int, seed: int) -> Student:
            trial = _Trial(shown[run], env, self, seed)
            make = partial(self._model, trial)
            student = Student(env[run], seed, make, trial.note)
            trials[student] = trial
            return student

        def one(student: Student, i: int) -> None:
            student.practise(self.replay.rollout)
            trials[student].go_on()

        students = enrolled(course, enrol)
        policy = practised(course, students, self.replay.rounds, one)
        course.log.updates += self.own_updates
        return course.log.close(self, policy)

    def _model(self, trial: _Trial, world: Any, seed: int) -> Any:
        """Who practises."""
        from ..borders.sb3_replay import Paid

        return self.replay.model(world, seed, Paid, pay=trial.pay)


class _Trial:
    """A judge at work: it pays one run's student, and learns from all that the student did.

    What comes after an end is shown as nothing but a mark, the last number of a step.
    """

    def __init__(self, shown: Transitions, env: Env, dac: DAC, seed: int):
        gamma = dac.replay.gamma
        chance = Chance(seed)
        self._eye = Eye(shown, env.action_space)
        self._for_ever = gamma / (1 - gamma)
        steps = self._show(shown)
        size = steps.shape[1]
        self._expert = self._with_ends(steps, int(shown.over.sum()))
        self._end = _after(1, size)
        with chance.lent():
            self._network = tower(size, dac.judging.judge_hidden)
        self._judge = Judge(self._network, dac.judging, chance)
        self._book = Book()
        self._done = steps[:0]
        self._ends = 0

    def note(self, steps: Transitions, rewards: np.ndarray) -> np.ndarray:
        """Write down what the student does; it is paid (n,) when it learns from it."""
        self._book.add(steps)
        return np.zeros_like(rewards)

    def pay(self, steps: Transitions) -> np.ndarray:
        """What steps are worth (n,): -log(1 - D), and where one ends its episode all that comes after."""
        shown = torch.cat((self._show(steps), self._end))
        with torch.no_grad():
            logits = self._network(shown)
        worth = torch.nn.functional.softplus(logits)[:, 0].numpy()
        return worth[:-1] + self._for_ever * steps.over * worth[-1]

    def go_on(self) -> None:
        """Learn from all that was done so far."""
        lately = self._book.close()
        self._done = torch.cat((self._done, self._show(lately)))
        self._ends += int(lately.over.sum())
        self._judge.learn(self._with_ends(self._done, self._ends), self._expert)

    def _with_ends(self, shown: torch.Tensor, ends: int) -> torch.Tensor:
        """Steps (n, F), so many of which end, and what comes after each end as often as it lasts, discounted."""
        often = round(self._for_ever * ends)
        return torch.cat((shown, _after(often, shown.shape[1])))

    def _show(self, steps: Transitions) -> torch.Tensor:
        """Steps as the network sees them (n, F)."""
        unmarked = torch.zeros(len(steps), 1)
        return torch.cat((self._eye.steps(steps.obs, steps.action), unmarked), 1)


def _after(count: int, size: int) -> torch.Tensor:
    """So many steps (n, F) in what comes after an end."""
    after = torch.zeros(count, size)
    after[:, -1] = AFTER
    return after
