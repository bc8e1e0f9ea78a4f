"""Rollouts on probe environments whose every number is known."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from conftest import SMALL, tiny
from gymnasium import spaces

import il_bench as il
from il_bench.core.env import Certificate, Env, Expert, RecurrentExpert, TruncatingEnv
from il_bench.core.policy import Log
from il_bench.core.rollout import (
    ask,
    by_expert,
    by_mixture,
    by_policy,
    label,
    replay,
    roll_in,
    rollout,
)
from il_bench.core.settings import Values
from il_bench.core.streams import Streams
from il_bench.fit.dataset import Dataset, concatenate, dataset
from il_bench.records import coupling
from il_bench.records.rows import NOBODY
from il_bench.stats.intervals import mean_error


@dataclass(frozen=True, kw_only=True)
class Counter(Env):
    """s' = rate s + a + sigma w; over above 100."""

    horizon: int = 8
    rate: Values = 1.0
    sigma: Values = 0.0
    states: ClassVar = {"s": ""}

    def validate(self):
        pass

    observation_space = spaces.Box(-1e3, 1e3, (1,))
    action_space = spaces.Box(-1e3, 1e3, (1,))

    def initial(self, streams, episodes):
        return torch.arange(episodes, dtype=torch.float64).expand(self.runs, -1)[..., None].clone()

    def transition(self, state, action, noise):
        return self.per_run(self.rate, 3) * state + action + self.per_run(self.sigma, 3) * noise

    def observation(self, state):
        return state

    def reward(self, state, action, next_state):
        return next_state[..., 0]

    def terminal(self, state):
        return state[..., 0] > 100

    def difference(self, state, other):
        return state - other

    def certificate(self):
        return Certificate(self.values("rate"), "absolute", "upper")

    def draw(self, state, size, ghost=None):
        return np.zeros((size[1], size[0], 3), dtype=np.uint8)


def constant(value):
    return lambda step, state, memory: (torch.full_like(state, value), memory)


def roll(env, drive, episodes=3):
    return rollout(env, drive, Streams(env.seeds), episodes)


def test_states_actions_and_rewards_are_where_they_belong():
    seen = roll(Counter(horizon=3), constant(2.0))
    assert seen.state[0, :, :, 0].tolist() == [[0, 2, 4, 6], [1, 3, 5, 7], [2, 4, 6, 8]]
    assert seen.reward[0].tolist() == [[2, 4, 6], [3, 5, 7], [4, 6, 8]]
    assert seen.returns[0].tolist() == [12, 15, 18]
    assert seen.length.tolist() == [[3, 3, 3]]


def test_a_finished_episode_is_frozen_not_dropped():
    seen = roll(Counter(), constant(40.0), 1)
    assert seen.state[0, 0, :, 0].tolist() == [0, 40, 80, 120, 120, 120, 120, 120, 120]
    assert seen.reward[0, 0].tolist() == [40, 80, 120, 0, 0, 0, 0, 0]
    assert seen.length.item() == 3
    assert seen.terminated.item()
    assert seen.alive[0, 0].tolist() == [True] * 3 + [False] * 5
    assert seen.broke.item() == -1


def test_an_episode_that_begins_finished_lives_no_step():
    seen = roll(Counter(), constant(1.0), 103)
    assert seen.length[0, 101:].tolist() == [0, 0]
    assert (seen.reward[0, 101:] == 0).all()


def test_a_run_that_leaves_the_finite_numbers_is_named_and_the_others_go_on():
    env = Counter(seed=(0, 1), rate=(1.0, -1e200))
    seen = roll(env, constant(0.0), 2)
    assert seen.broke.tolist() == [[-1, -1], [-1, 1]]  # episode 0 starts at zero and stays there
    assert seen.length.tolist() == [[8, 8], [8, 1]]
    assert seen.state.isfinite().all()
    assert seen.state[0, 1, :, 0].tolist() == [1] * 9


def test_numbers_whose_sum_alone_is_not_finite_break_nothing():
    seen = roll(Counter(seed=(0, 1)), constant(-1.2e308))
    assert (
        seen.broke == torch.tensor([1, 1, 1])
    ).all()  # the first step is finite, though its sum over episodes is not
    assert seen.length.tolist() == [[1] * 3] * 2


def test_an_action_that_is_not_finite_breaks_the_run_at_its_step():
    def drive(step, state, memory):
        return (
            torch.full_like(state, np.nan if step == 4 else 0.0),
            memory,
        )

    seen = roll(Counter(), drive, 1)
    assert seen.broke.item() == 4
    assert seen.length.item() == 4


def test_what_broke_is_infinitely_far_from_its_twin():
    env = il.make("tube", seeds=2, horizon=6)

    class Wild(il.Policy):
        runs, action_space = 2, env.action_space

        def act(self, obs, memory=None, draw=None):
            action = torch.zeros(*obs.shape[:2], 1, dtype=torch.float64)
            action[1] = torch.nan
            return action, memory

        def __getitem__(self, run):
            return self

    record = il.compare(env, il.expert(env), episodes=3, wild=Wild())
    drift = record.arrays["divergence"][1]
    assert np.isfinite(drift[0]).all()
    assert (drift[1, :, 1:] == np.inf).all()
    assert record.rows()[0]["broke"] == 1


def test_twins_share_start_and_noise_and_part_by_the_driver_alone():
    env = Counter(sigma=0.3, seed=(0, 1))
    one, two = roll(env, constant(0.0)), roll(env, constant(1.0))
    apart = (two.state - one.state)[..., 0]
    torch.testing.assert_close(apart, torch.arange(9.0, dtype=torch.float64).expand(2, 3, 9))


@pytest.mark.parametrize("name", list(il.ENVS))
def test_the_expert_as_learner_does_not_drift_by_a_single_bit(name):
    """Compared as he is, or as the learner that hands his doings on."""
    env = il.make(name, seeds=3, horizon=30)
    expert = il.expert(env)
    handed_on = il.learner("copy").learn(env, expert)
    record = il.compare(env, expert, episodes=4, copy=expert, learner=handed_on)
    assert (record.arrays["divergence"] == 0).all()
    assert (record.arrays["delta"] == 0).all()
    assert (record.arrays["error_on"] == 0).all()
    for learner in (1, 2):
        assert np.array_equal(record.arrays["state"][0], record.arrays["state"][learner])


def test_a_worse_expert_drifts_so_the_zero_above_means_something():
    env = il.make("tube", horizon=30)
    record = il.compare(env, il.expert(env), episodes=4, worse=Slope(0.0))
    assert (record.arrays["divergence"][1, :, :, 1:] > 0).all()
    assert (record.arrays["error_off"][1] != 0).any()


class Slope(Expert):
    def __init__(self, rate):
        self.rate = rate

    def act(self, state):
        return self.rate * state[..., :1]


def test_labels_are_counted_where_they_are_asked_for_and_frozen_states_are_not():
    env, log = Counter(), Log()
    seen = roll_in(env, constant(40.0), Streams((0,)), 2, log)
    label(env, Slope(1.0), seen, log)
    assert seen.length.tolist() == [[3, 3]]
    assert log.labels.tolist() == [6]
    assert log.steps.tolist() == [6]


def test_an_expert_that_is_not_finite_is_named_with_run_episode_and_step():
    class Wrong(Expert):
        def act(self, state):
            return torch.where(state == 2, torch.nan, 0.0 * state)

    env = Counter(seed=(0, 1))
    with pytest.raises(
        ValueError,
        match=r"expert: expected finite actions, got \[nan\] at run 0, episode 0, step 2",
    ):
        label(env, Wrong(), roll(env, constant(1.0)), Log())


def test_an_expert_of_the_wrong_shape_is_a_sentence():
    class Wrong(Expert):
        def act(self, state):
            return state[..., 0]

    with pytest.raises(
        ValueError, match=r"expert's actions: expected \(R=1, E=3, U=1\), got \(1, 3\)"
    ):
        roll(Counter(), by_expert(Counter(), Wrong()))


def test_a_policy_of_the_wrong_shape_is_a_sentence():
    with pytest.raises(ValueError, match=r"actions: expected \(R=1, E=3, U=1\), got \(1, 3, 2\)"):
        roll(Counter(), lambda step, state, memory: (torch.zeros(1, 3, 2), memory))


class Remembering(il.Policy):
    """Acts by how often it was asked: memory counts."""

    runs, action_space = 1, Counter.action_space

    def act(self, obs, memory=None, draw=None):
        memory = torch.zeros(obs.shape[:2]) if memory is None else memory
        return memory[..., None].clone(), memory + 1

    def __getitem__(self, run):
        return self


def test_memory_is_handed_on_and_begins_anew():
    env = Counter(horizon=4)
    for _ in range(2):
        assert roll(env, by_policy(env, Remembering()), 1).action[0, 0, :, 0].tolist() == [
            0,
            1,
            2,
            3,
        ]
    assert replay(env, Remembering(), roll(env, constant(0.0), 1))[0, 0, :, 0].tolist() == [
        0,
        1,
        2,
        3,
    ]


def test_predict_hands_memory_on_and_clears_it_where_episodes_begin():
    policy, state = Remembering(), None
    obs = np.zeros((2, 1), dtype=np.float32)
    for _ in range(3):
        action, state = policy.predict(obs, state)
    assert action[:, 0].tolist() == [2, 2]
    action, _ = policy.predict(obs, state, episode_start=np.array([True, False]))
    assert action[:, 0].tolist() == [0, 3]


class Fixed(il.Policy):
    runs, action_space = 1, Counter.action_space

    def act(self, obs, memory=None, draw=None):
        return torch.full((*obs.shape[:2], 1), -1.0, dtype=torch.float64), memory

    def __getitem__(self, run):
        return self


def test_a_mixture_chooses_anew_at_each_step_and_beta_is_its_rate():
    env = Counter(horizon=200, rate=0.5)
    drive = by_mixture(env, Slope(0.0), Fixed(), torch.tensor([[0.3]]), Streams((0,)), 50)
    seen = rollout(env, drive, Streams((0,)), 50)
    assert set(seen.action.flatten().tolist()) == {0.0, -1.0}
    assert (seen.action == 0).double().mean() == pytest.approx(
        0.3, abs=0.02
    )  # four standard errors
    same = (seen.action[:, :, 1:] == seen.action[:, :, :-1]).double().mean()
    assert same == pytest.approx(0.3**2 + 0.7**2, abs=0.03)


def test_a_mixture_can_average_instead():
    env = Counter(horizon=3)
    drive = by_mixture(
        env, Slope(0.0), Fixed(), torch.tensor([[0.25]]), Streams((0,)), 2, average=True
    )
    assert (rollout(env, drive, Streams((0,)), 2).action == -0.75).all()


@pytest.mark.parametrize(("beta", "who"), [(1.0, 0.0), (0.0, -1.0)])
def test_the_ends_of_a_mixture_are_exactly_expert_and_policy(beta, who):
    env = Counter(horizon=3)
    drive = by_mixture(env, Slope(0.0), Fixed(), torch.tensor([[beta]]), Streams((0,)), 2)
    assert (rollout(env, drive, Streams((0,)), 2).action == who).all()


def test_a_dataset_hides_frozen_steps_even_when_their_labels_are_not_numbers():
    env = Counter()
    seen = roll(env, constant(40.0), 1)
    labels = torch.full((1, 1, 8, 1), torch.nan, dtype=torch.float64)
    labels[:, :, :3] = 7.0
    data = dataset(env, seen, labels)
    assert data.weight.tolist() == [[1, 1, 1, 0, 0, 0, 0, 0]]
    assert data.action.isfinite().all()
    both = concatenate([data, data])
    assert len(both) == 16
    assert both.time.tolist() == list(range(8)) * 2
    assert both.obs.dtype == torch.float32


def test_a_dataset_whose_parts_do_not_fit_is_a_sentence():
    env = Counter()
    data = dataset(env, roll(env, constant(0.0), 1), torch.zeros(1, 1, 8, 1))
    with pytest.raises(ValueError, match=r"weight: expected \(R, N\) = \(1, 8\)"):
        Dataset(data.obs, data.action, data.weight[:, :3], data.lengths)
    with pytest.raises(ValueError, match="lengths: expected a sum of N = 8, got 5"):
        Dataset(data.obs, data.action, data.weight, (5,))


def test_exposure_survives_where_all_parts_know_it():
    env = Counter()
    data = dataset(env, roll(env, constant(0.0), 1), torch.zeros(1, 1, 8, 1))
    seen = Dataset(data.obs, data.action, data.weight, data.lengths, exposure=0.5 * data.weight)
    assert concatenate([seen, seen]).exposure.shape == (1, 16)
    assert concatenate([seen, data]).exposure is None


def test_privileged_experts_see_what_observations_hide():
    env = tiny("resetcliff")
    state = env.initial(Streams((0,)), 2)
    assert state.shape[-1] == 1
    assert env.observation(state).shape[-1] == 10
    assert ask(env, il.expert(env), state).shape == (1, 2, 1)


def test_twins_that_do_not_couple_are_named():
    class Leaky(Counter):
        def transition(self, state, action, noise):
            return state + torch.randn(state.shape, dtype=torch.float64)

    env = Leaky(rate=1.0)
    with pytest.raises(
        ValueError,
        match=r"two rollouts of the expert in .*Leaky with the same seed part at run 0, episode 0, step 1",
    ):
        il.compare(env, Slope(0.0), episodes=2)


class Leaky(Counter):
    """Draws a number of its own in some steps, tiny as it may be."""

    def transition(self, state, action, noise):
        following = super().transition(state, action, noise)
        return following + 1e-9 * (state == 5) * torch.rand(state.shape, dtype=torch.float64)


def test_a_rare_and_tiny_number_of_ones_own_is_caught_too():
    """Only in the state 5, which one episode of nine reaches, at its fifth step."""
    with pytest.raises(ValueError, match="with the same seed part at run 0, episode 5, step 1"):
        il.compare(Leaky(rate=1.0), Slope(0.0), episodes=9)
    assert il.compare(Leaky(rate=1.0), Slope(0.0), episodes=5)  # nobody comes there


def test_a_start_of_ones_own_is_caught_too():
    class Leaky(Counter):
        def initial(self, streams, episodes):
            return torch.rand(self.runs, episodes, 1, dtype=torch.float64)

    with pytest.raises(ValueError, match="same seed part at run 0, episode 0, step 0"):
        il.compare(Leaky(), Slope(0.0), episodes=2)


def test_who_rounds_otherwise_in_another_company_still_couples():
    class Sociable(Counter):
        def transition(self, state, action, noise):
            return super().transition(state, action, noise) + 1e-12 * state.shape[1]

    record = il.compare(Sociable(), Slope(0.0), episodes=2, copy=Slope(0.0))
    assert (record.arrays["divergence"] == 0).all()


def test_an_expert_with_a_chance_of_its_own_is_a_sentence():
    class Dice(Expert):
        def act(self, state):
            return torch.rand(state.shape, dtype=torch.float64)

    with pytest.raises(
        ValueError,
        match=r"expert: expected one answer to one state, got .* at run 0, episode 0, step 0",
    ):
        il.compare(Counter(), Dice(), episodes=2)


class Tiring(Slope):
    """It counts the steps of an episode, and answers otherwise from some step on."""

    def __init__(self, pull, from_step, horizon):
        Slope.__init__(self, pull)
        self._from, self._horizon, self._asked = from_step, horizon, 0

    def act(self, state):
        step = self._asked % self._horizon
        self._asked += 1
        return super().act(state) + (step >= self._from)


@pytest.mark.parametrize("from_step", [8, 9, 20, 39])
def test_an_expert_that_answers_otherwise_late_in_an_episode_is_to_blame(from_step):
    with pytest.raises(ValueError, match=r"expert: expected one answer to one state, got .*, step"):
        il.compare(Counter(horizon=40), Tiring(0.0, from_step, 40), episodes=2)


def test_an_expert_with_a_memory_beside_the_one_that_it_hands_back_is_to_blame():
    class Late:
        asked = 0

        def predict(self, observation, state=None, episode_start=None, deterministic=True):
            step = 0 if state is None else int(state[0])
            self.asked += 1
            late = 0.1 * (self.asked > 60) * (step > 20)
            return np.full((len(observation), 1), late), np.full(len(observation), step + 1)

    env = Counter(horizon=40)
    with pytest.raises(ValueError, match=r"expected one answer to one state, got .*, step 21;"):
        il.compare(env, il.expert(env, Late()), episodes=2)


class Counting(Slope):
    """How many states it was asked about."""

    asked = 0

    def act(self, state):
        self.asked += state.shape[0] * state.shape[1]
        return super().act(state)


def test_the_expert_is_asked_once_for_its_rollout_and_once_for_each_policy():
    env, expert = Counter(horizon=40, seed=(0, 1)), Counting(0.0)
    il.compare(env, expert, episodes=3, worse=Slope(-0.1), other=Slope(-0.2))
    states = 2 * 3 * 40
    again = 2 * 3 * (2 * coupling.ASKED_AGAIN + 1)
    assert expert.asked == 3 * states + again


@dataclass(frozen=True, kw_only=True)
class Clocked(Counter, TruncatingEnv):
    """The same, cut off by a clock of its own above 50, and terminal above 100."""

    def truncated(self, state):
        return state[..., 0] > 50


def test_an_episode_that_the_environment_cuts_off_lives_no_longer():
    seen = roll(Clocked(horizon=8), constant(20.0), 2)
    assert seen.length.tolist() == [[3, 3]]
    assert seen.truncated.tolist() == [[True, True]]
    assert seen.terminated.tolist() == [[False, False]]
    assert seen.state[0, 0, :, 0].tolist() == [0, 20, 40, 60, 60, 60, 60, 60, 60]
    assert seen.returns[0, 0] == 20 + 40 + 60
    assert (seen.action[:, :, 3:] == 0).all()


def test_terminated_and_truncated_at_once_is_terminated():
    seen = roll(Clocked(horizon=8), constant(60.0), 1)
    assert seen.length.item() == 1
    assert seen.truncated.item()
    seen = roll(Clocked(horizon=8), constant(120.0), 1)
    assert (seen.terminated.item(), seen.truncated.item()) == (True, False)


class Shy(Expert):
    """Acts by a constant, and raises where it is asked after the end."""

    def __init__(self, env, rate):
        self.env, self.rate, self.asked = env, rate, 0

    def act(self, state):
        self.asked += state.shape[0] * state.shape[1]
        if (state[..., 0] > 50).any():
            raise RuntimeError("asked after the end")
        return torch.full_like(state, self.rate)


class Forgetful(RecurrentExpert):
    """The same, with a memory."""

    def __init__(self, env, rate):
        self.plain = Shy(env, rate)

    def go_on(self, state, memory):
        return self.plain.act(state), (memory or 0) + 1


LEARNERS = [
    il.BC(2, SMALL),
    il.BC(labels=17.0, training=SMALL),
    il.DAgger(rounds=3, episodes=2, beta="constant", p=0.5, training=SMALL),
    il.DAgger(rounds=2, pick="best", validation=2, training=SMALL),
    il.SMILe(rounds=3, episodes=2, training=SMALL),
]


@pytest.mark.parametrize("kind", [Shy, Forgetful])
@pytest.mark.parametrize("learner", LEARNERS, ids=lambda one: type(one).__name__)
def test_nobody_is_asked_about_a_state_after_the_end(learner, kind):
    env = Clocked(horizon=12, rate=(1.0, 1.1), seed=(0, 1))
    expert = kind(env, 10.0)
    policy = learner.learn(env, expert)
    record = il.compare(env, expert, episodes=3, it=policy, other=kind(env, 12.0))
    assert (record.arrays["length"] < 12).all()
    assert record.arrays["truncated"].all()
    assert (policy.log.labels <= policy.log.asked).all()


def test_an_expert_is_not_asked_where_every_episode_begins_finished():
    class Over(Clocked):
        def truncated(self, state):
            return state[..., 0] > -1

    env = Over(horizon=4)
    seen = roll(env, by_expert(env, Shy(env, -1e9)))
    assert seen.length.tolist() == [[0, 0, 0]]
    assert seen.state.shape == (1, 3, 5, 1)
    expert = Shy(env, 0.0)
    assert label(env, expert, seen, Log()).tolist() == [[[[0.0]] * 4] * 3]
    assert expert.asked == 0


def test_labels_are_the_answers_that_were_lived():
    """40 steps to the horizon, of which an episode lives six."""
    env = Clocked(horizon=40)
    policy = il.DAgger(rounds=3, episodes=1, beta="constant", p=1.0, training=SMALL).learn(
        env, Shy(env, 10.0)
    )
    assert policy.log.labels.tolist() == [18]
    assert policy.log.steps.tolist() == [18]
    assert policy.log.falls.tolist() == [0]


def test_an_expert_that_drives_is_asked_once_and_its_answer_is_the_label():
    env = Counter(horizon=10, seed=(0, 1))
    expert = Counting(-0.5)
    learner = il.DAgger(rounds=3, episodes=2, beta="constant", p=0.5, training=SMALL)
    log = learner.learn(env, expert).log
    assert log.labels.tolist() == log.asked.tolist() == [60, 60]
    assert expert.asked == 120


def test_questions_whose_answers_are_not_used_are_counted_beside_the_labels():
    env = Clocked(horizon=20)
    expert = Shy(env, 10.0)
    log = il.BC(labels=13.0, training=SMALL).learn(env, expert).log
    assert log.labels.tolist() == [13]  # of episodes of 6, 5, 5 and 5 steps
    assert log.asked.item() > 13
    assert il.compare(env, expert, it=expert, episodes=2).index.budgets == {}


class Still(Expert):
    """Stays where it is; says something quite different after the end."""

    def act(self, state):
        return torch.where(state > 100, 1e3, 0.0)


class Falling(Fixed):
    """Errs by 50 everywhere, and falls at its third step."""

    def act(self, obs, memory=None, draw=None):
        return torch.full((*obs.shape[:2], 1), 50.0, dtype=torch.float64), memory


@pytest.mark.parametrize("horizon", [10, 100, 1000])
def test_the_exposure_ratio_is_of_the_steps_lived(horizon):
    env = Counter(horizon=horizon)
    record = il.compare(env, Still(), episodes=2, it=Falling())
    row = record.rows()[0]
    assert record.arrays["length"][:, 0].tolist() == [[horizon] * 2, [3, 2]]
    assert (row["error_on"].value, row["error_off"].value) == (50, 50)
    assert row["exposure"].value == 1


def test_every_episode_counts_alike_in_an_error_however_soon_it_ended():
    error = np.array([[[3.0, 9.0, 9.0], [1.0, 1.0, 1.0]]])[..., None]
    never = np.array([[-1, -1]])
    assert mean_error(error, never, np.array([[1, 3]])) == [2.0]
    assert mean_error(error, never, np.array([[0, 3]])) == [1.0]
    assert np.isnan(mean_error(error, never, np.array([[0, 0]])))
    assert mean_error(error, np.array([[1, -1]]), np.array([[1, 3]])) == [np.inf]


def test_a_record_of_an_earlier_version_opens_without_what_it_did_not_know(tmp_path):
    env = Counter(horizon=6)
    policy = il.BC(2, SMALL).learn(env, Slope(0.1))
    record = il.compare(env, Slope(0.1), episodes=2, bc=policy)
    assert record.index.budgets["bc"].asked == [12]
    del record.arrays["truncated"], record.config["budgets"]["bc"]["asked"]
    old = il.load(record.save(tmp_path / "old"), env=env)
    assert not old.arrays["truncated"].any()
    assert old.index.budgets["bc"].asked == [12]
    assert old.index.warnings == []


def test_a_record_of_the_expert_alone_opens(tmp_path):
    record = il.compare(tiny("tube"), il.expert(tiny("tube")), episodes=2)
    assert il.load(record.save(tmp_path / "alone")).learners == ["expert"]
    assert record.table() == NOBODY
