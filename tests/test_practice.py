"""Learners that practise: fine-tuning, and those that learn what is worth doing from demonstrations."""

import dataclasses
import random
import re
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch
from conftest import SMALL, learners, tiny
from gymnasium import spaces

import il_bench as il
from il_bench.borders import discriminator
from il_bench.borders.discriminator import Judge, Judging, tower
from il_bench.borders.gymnasium_out import GymEnv
from il_bench.borders.sb3_chance import Chance
from il_bench.borders.sb3_even import Even
from il_bench.borders.sb3_practice import Stage, Student
from il_bench.borders.sb3_world import World
from il_bench.core.policy import Log
from il_bench.fit.transitions import Transitions
from il_bench.learners import airl, dac

PRACTISING = [name for name, cls in il.LEARNERS.items() if getattr(cls, "one_by_one", False)]


def places():
    numpy = np.random.get_state()  # noqa: NPY002
    return random.getstate(), numpy[1].tolist(), numpy[2:], torch.get_rng_state().tolist()


def test_runs_of_one_gymnasium_task_explore_each_by_itself():
    """They shared the generator of their action space: who was made last seeded it for all."""
    env = il.make("CartPole-v1", seeds=(0, 1), horizon=20)
    learner = il.SQIL(1, il.Replay(steps=40, rollout=10, minibatch=8, explore=0.9, hidden=(8,)))
    together = learner.learn(env, il.expert(env)).arrays()
    for run in range(2):
        alone = learner.learn(env[run], il.expert(env[run])).arrays()
        for key, array in together.items():
            assert torch.equal(array[run : run + 1], alone[key]), (run, key)


@pytest.mark.parametrize("name", ["gail", "airl", "finetune"])
def test_what_is_practised_does_not_depend_on_the_caller_s_threads(name, monkeypatch):
    """Networks were made, and judges taught, with as many as there were: other bits on other machines."""
    threads = []
    for holder, work in ((il.Practice, "model"), (discriminator, "error")):
        real = getattr(holder, work)

        def heard(*rest, real=real, **more):
            threads.append(torch.get_num_threads())
            return real(*rest, **more)

        monkeypatch.setattr(holder, work, heard)
    env = tiny("resetcliff", seeds=1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        learners()[name].learn(env, il.expert(env))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(threads) == {1}


@pytest.mark.parametrize("name", PRACTISING)
def test_nothing_global_is_left_changed(name):
    env = tiny("resetcliff", seeds=2)
    learner = learners()[name]
    learner.learn(env, il.expert(env))  # imports are no matter
    before = places(), torch.get_num_threads()
    learner.learn(env, il.expert(env))
    assert (places(), torch.get_num_threads()) == before


@pytest.mark.parametrize("name", PRACTISING)
def test_what_practised_is_saved_and_told_round_by_round(name, tmp_path):
    env = tiny("lane", seeds=2)
    rounds = []
    log = Log(iterate=lambda i, policy: rounds.append((i, policy)))
    policy = learners()[name].learn(env, il.expert(env), None, log)
    assert [i for i, _ in rounds] == [0, 1, 2]
    for key, array in policy.arrays().items():
        assert torch.equal(array, rounds[-1][1].arrays()[key])
    again = il.load_policy(policy.save(tmp_path / "practised.policy"))
    record = il.compare(env, il.expert(env), episodes=2, it=policy, again=again)
    assert np.array_equal(record.arrays["state"][1], record.arrays["state"][2])


@pytest.mark.parametrize("name", PRACTISING)
def test_a_foreign_environment_is_practised_in_too(name):
    env = il.make("CartPole-v1", seeds=2, horizon=12)
    many = learners()[name].learn(env, il.expert(env))
    alone = learners()[name].learn(env[1], il.expert(env[1]))
    for key, array in many.arrays().items():
        assert torch.equal(array[1:2], alone.arrays()[key]), key


def test_what_all_copies_did_is_paid_at_once_and_an_end_is_no_beginning():
    seen = []

    def pay(steps, rewards):
        seen.append((steps, rewards))
        return np.arange(len(rewards), dtype=np.float32)

    stages = [Stage(GymEnv(il.make("CartPole-v1", seeds=1, horizon=12))) for _ in range(2)]
    world = World(stages, pay)
    world.seed(0)
    before = world.reset()
    for step in range(40):
        shown, paid, dones, _ = world.step(np.array([0, step % 2]))  # the first one falls
        assert paid.tolist() == [0, 1]
        steps, rewards = seen[-1]
        assert rewards.tolist() == [1, 1]
        np.testing.assert_array_equal(steps.action, [[0], [step % 2]])
        np.testing.assert_array_equal(steps.following[~dones], shown[~dones])
        assert not (steps.following[dones] == shown[dones]).all(-1).any()
        assert not steps.over[~dones].any()
        np.testing.assert_array_equal(steps.obs, before)
        before = shown
    assert sum(steps.over for steps, _ in seen).tolist() == [stages[0].falls, 0]
    assert stages[0].falls > 0 < stages[1].episodes
    assert [stage.steps for stage in stages] == [40, 40]


@pytest.mark.parametrize("name", PRACTISING)
def test_numbers_of_a_vocabulary_are_refused_in_a_sentence(name):
    """stable-baselines3 reads them one-hot, our networks as numbers: that ended in a traceback."""
    env = tiny("clock", horizon=6)
    log = Log()
    with pytest.raises(
        ValueError, match="practice: expected observations in a Box, got numbers of"
    ):
        learners()[name].learn(env, il.expert(env), None, log)
    assert log.asked == 0, "before any work"


def trainings():
    """A training of each net that an engine goes on with: PPO with the one, SAC with the other."""
    relu = dataclasses.replace(
        SMALL, net=dataclasses.replace(il.Training(net="relu").net, hidden=(6,))
    )
    return {"ppo": SMALL, "sac": relu}


ENGINES = pytest.mark.parametrize("engine", ["ppo", "sac"])


def rounds_of(env, engine="ppo", **changes):
    """The policy after each round of fine-tuning."""
    policies = []
    log = Log(iterate=lambda i, policy: policies.append(policy))
    learner = dataclasses.replace(learners()["finetune"], training=trainings()[engine])
    own = {key: changes.pop(key) for key in ("steps",) if key in changes}
    practice = dataclasses.replace(learner.practice, **own)
    learner = dataclasses.replace(learner, practice=practice, **changes)
    learner.learn(env, il.expert(env), None, log)
    return policies


def close(one, other):
    return all(
        torch.allclose(a, b, rtol=1e-5, atol=1e-6)
        for a, b in zip(one.layers, other.layers, strict=True)
    )


@ENGINES
def test_fine_tuning_begins_as_the_clone_and_stands_still_while_the_critic_warms_up(engine):
    env = tiny("lane", seeds=2)
    expert = il.expert(env)
    clone = il.BC(2, trainings()[engine]).learn(env, expert)
    one, two, three = rounds_of(env, engine, warmup=12)
    state = env.initial(il.Streams(env.seeds), 20)
    obs = env.observation(state).float()
    torch.testing.assert_close(one.act(obs)[0], clone.act(obs)[0], rtol=0, atol=1e-6)
    assert close(one, two)
    assert not close(two, three)
    assert not close(rounds_of(env, engine, warmup=0)[0], one)
    assert not close(rounds_of(env, engine, transfer=False)[0], one)


@ENGINES
def test_a_run_is_fine_tuned_alone_as_among_others(engine):
    env = tiny("lane", seeds=2)
    many = rounds_of(env, engine)[-1]
    alone = rounds_of(env[1], engine)[-1]
    for together, single in zip(many.layers, alone.layers, strict=True):
        assert torch.equal(together[1:], single)


def test_a_short_leash_keeps_sac_near_the_clone():
    env = tiny("lane")
    clone = il.BC(2, trainings()["sac"]).learn(env, il.expert(env))
    apart = []
    for leash in (0.0, 100.0):
        end = rounds_of(env, "sac", warmup=0, leash=leash, steps=60)[-1]
        obs = torch.rand(1, 50, 4) - 0.5
        apart.append((end.act(obs)[0] - clone.act(obs)[0]).abs().mean())
    loose, tied = apart
    assert tied < loose / 2


def test_sac_cannot_go_on_with_discrete_actions():
    env = tiny("resetcliff")
    learner = il.FineTune(training=il.Training(net="relu"))
    sentence = (
        "finetune: expected net mlp, got relu, whose SAC has no Discrete actions; use --net mlp"
    )
    refused(sentence, lambda: learner.learn(env, il.expert(env)))


def test_the_leash_of_sac_is_the_divergence_of_the_clone():
    from gymnasium import spaces

    from il_bench.borders.sb3_leash import LeashedSACPolicy

    space, seen = spaces.Box(-1, 1, (2,)), spaces.Box(-1, 1, (4,))
    own, its = (LeashedSACPolicy(seen, space, lambda left: 0.0) for _ in range(2))
    obs = torch.rand(5, 4)
    assert not own.actor.action_log_prob(obs)[1].any()
    own.actor.clone = its
    told = own.actor.action_log_prob(obs)[1]
    ours, theirs = (policy.actor.get_action_dist_params(obs)[:2] for policy in (own, its))
    # KL of N(m, s) from N(n, t): log(t / s) + (s**2 + (m - n)**2) / (2 t**2) - 1 / 2.
    means = (theirs[0] - ours[0]).square()
    ratio = (2 * (theirs[1] - ours[1])).exp()
    apart = ours[1] - theirs[1] + (ratio + means * (-2 * ours[1]).exp() - 1) / 2
    torch.testing.assert_close(told, apart.sum(1))


@pytest.mark.parametrize("discrete", [False, True])
def test_the_leash_is_the_divergence_of_the_clone(discrete):
    from gymnasium import spaces

    from il_bench.borders.sb3_leash import LeashedPolicy

    space = spaces.Discrete(3) if discrete else spaces.Box(-1, 1, (2,))
    seen = spaces.Box(-1, 1, (4,))
    own, its = (LeashedPolicy(seen, space, lambda left: 0.0, log_std_init=-1.0) for _ in range(2))
    obs = torch.rand(5, 4)
    action = torch.tensor([0, 1, 2, 0, 1]) if discrete else torch.rand(5, 2)
    own.clone = its
    told = own.evaluate_actions(obs, action)[2]
    ours, theirs = own.get_distribution(obs).distribution, its.get_distribution(obs).distribution
    if discrete:
        chance = theirs.probs
        apart = (chance * (chance.log() - ours.probs.log())).sum(1)
    else:
        apart = ((ours.mean - theirs.mean) / ours.stddev).square().sum(1) / 2
    torch.testing.assert_close(-told, apart)


@ENGINES
def test_the_leash_is_let_out_evenly_after_the_warm_up(engine, monkeypatch):

    pulls = []
    real = Student.practise
    name = {"ppo": "ent_coef", "sac": "ent_coef_tensor"}[engine]

    def practise(self, steps):
        pulls.append(float(getattr(self.model, name)))
        return real(self, steps)

    monkeypatch.setattr(Student, "practise", practise)
    rounds_of(tiny("lane"), engine, steps=30, warmup=6, leash=2.0)
    assert pulls == [2.0, 2.0, 1.5, 1.0, 0.5]


@ENGINES
def test_fine_tuning_goes_on_from_a_file_and_asks_no_expert(engine, tmp_path):
    env = tiny("lane", seeds=2)
    training = trainings()[engine]
    clone = il.BC(2, training).learn(env, il.expert(env))
    path = clone.save(tmp_path / "clone.policy")
    # What the file holds decides who practises, whatever net is named beside it.
    learner = dataclasses.replace(learners()["finetune"], clone=str(path))
    log = Log()
    learner.learn(env, None, None, log)
    assert log.labels == log.asked == 0
    assert log.steps.tolist() == [18, 18]
    assert log.updates == learner.own_updates


def refused(sentence, make):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        make()


def test_airl_pays_for_what_was_done_where_an_action_was_cut_off():
    """The logarithm of the chance was that of the action drawn, which the judge never saw."""
    from stable_baselines3 import PPO

    model = PPO("MlpPolicy", GymEnv(tiny("lane")), device="cpu", n_steps=2, batch_size=2)
    obs = np.zeros((2, *model.observation_space.shape), np.float32)
    bound = float(model.action_space.high[0])
    done = np.array([[bound], [0.1 * bound]], np.float32)
    with torch.no_grad():
        seen = torch.from_numpy(obs), torch.from_numpy(done)
        _, chances, _ = model.policy.evaluate_actions(*seen)
    steps = Transitions(obs, done, obs + 1, np.array([False, True]))
    env = SimpleNamespace(action_space=model.action_space)
    trial = airl._Trial(steps, env, il.AIRL(evened=False), seed=0)
    paid = trial.pay(steps, model.policy)
    np.testing.assert_allclose(paid, trial.worth(steps) - chances.numpy(), rtol=1e-6)


def test_pay_is_divided_by_the_deviation_of_its_discounted_sums():
    rng = np.random.default_rng(0)
    even = Even(0.5)
    paid = 1000 * rng.normal(size=(4000, 2))
    nobody = np.zeros(2, bool)
    out = np.array([even(step, nobody) for step in paid])
    # Of independent pay the sums have the variance v / (1 - gamma^2).
    np.testing.assert_allclose(out[-1], paid[-1] / (1000 / np.sqrt(0.75)), rtol=0.05)
    # What an episode was paid is forgotten at its end, and pay keeps its sign.
    fresh = Even(0.5)
    fresh(np.array([4.0, 4.0]), np.array([True, False]))
    np.testing.assert_array_equal(fresh._sums, [0, 4])
    assert (np.sign(out) == np.sign(paid)).all()


class Uniform:
    """As stable-baselines3's policies tell the chances of actions: one half each."""

    def evaluate_actions(self, obs, action):
        return None, torch.full((len(obs),), -np.log(2.0)), None


def judged(ends, rounds=150):
    """A judge that has seen its expert go on for ever, or end as often, and a student that ends every tenth step."""
    rng = np.random.default_rng(0)

    def steps(over):
        obs, following = rng.normal(size=(2, 400, 2)).astype(np.float32)
        return Transitions(obs, rng.integers(0, 2, (400, 1)), following, over)

    every_tenth = np.arange(400) % 10 == 0
    shown = steps(every_tenth & ends)
    env = SimpleNamespace(action_space=spaces.Discrete(2))
    trial = airl._Trial(shown, env, il.AIRL(), seed=0)
    for _ in range(rounds // 10):
        trial.pay(steps(every_tenth), Uniform())
        trial.go_on(Uniform())
    return trial, steps(every_tenth)


def test_airl_s_student_cannot_escape_a_reward_below_zero_by_an_end():
    """What came after an end was worth 0, more than steps that the judge finds out: on CartPole it fell at once, always."""
    trial, steps = judged(ends=False)
    going_on = dataclasses.replace(steps, over=np.zeros(400, bool))
    ended = trial.worth(steps)[steps.over]
    alive = trial.worth(going_on)[steps.over]
    assert ended.max() < alive.min() - 1
    after = trial._network.value(airl._after(torch.zeros(1, 5 + 4 + 2), trial._step)).item()
    potential = trial._network._potential(trial._eye.states(steps.following))[:, 0].detach().numpy()
    gamma = il.AIRL().contest.practice.gamma
    shaped = alive - gamma * potential[steps.over] + gamma / (1 - gamma) * after
    np.testing.assert_allclose(ended, shaped, rtol=1e-4, atol=1e-4)


def test_airl_s_judge_tells_what_comes_after_an_end_from_its_first_round_on():
    """As near as 1, beside its expert's mean, it took it for the expert's, and quadrotors fell on purpose."""
    trial, steps = judged(ends=False, rounds=10)
    going_on = dataclasses.replace(steps, over=np.zeros(400, bool))
    after = trial._network.value(airl._after(torch.zeros(1, 5 + 4 + 2), trial._step)).item()
    assert after < trial.worth(going_on).mean() - 0.5


def test_an_end_that_is_the_expert_s_own_costs_airl_s_student_little():
    costs = []
    for ends in (False, True):
        trial, steps = judged(ends)
        costs.append(-trial.worth(steps)[steps.over].mean())
    assert costs[1] < 0.2 * costs[0]


def paid_by_dac(ends):
    """A judge's pay for steps that end and go on, its expert going on for ever or ending as often as the student."""
    rng = np.random.default_rng(0)
    every_tenth = np.arange(400) % 10 == 0

    def steps(over, away=0.0):
        obs, following = rng.normal(away, size=(2, 400, 2)).astype(np.float32)
        return Transitions(obs, rng.uniform(-1, 1, (400, 1)).astype(np.float32), following, over)

    env = SimpleNamespace(action_space=spaces.Box(-1, 1, (1,)))
    much = il.DAC(judging=Judging(views=600, penalty=10.0))
    trial = dac._Trial(steps(every_tenth & ends), env, much, seed=0)
    trial.note(steps(every_tenth, away=3.0), np.zeros(400))
    trial.go_on()
    own = steps(every_tenth, away=3.0)
    on = dataclasses.replace(own, over=np.zeros(400, bool))
    return trial, trial.pay(own)[every_tenth], trial.pay(on)[every_tenth]


def test_dac_pays_at_an_end_what_comes_after_it_for_ever():
    """-log(1 - D) of the step, and gamma / (1 - gamma) times that of what comes after."""
    trial, ended, alive = paid_by_dac(ends=False)
    after = torch.zeros(1, 4)
    after[0, -1] = discriminator.AFTER
    with torch.no_grad():
        chance = torch.sigmoid(trial._network(after)).item()
    gamma = il.DAC().replay.gamma
    worth = -gamma / (1 - gamma) * np.log(1 - chance)
    np.testing.assert_allclose(ended - alive, worth, rtol=1e-3, atol=1e-4)
    # The judge is shown it as often as it lasts: of 400 steps 40 end.
    shown = trial._with_ends(trial._done, trial._ends)
    marked = shown[:, -1] == discriminator.AFTER
    assert len(shown) - 400 == int(marked.sum()) == round(40 * gamma / (1 - gamma))


def test_dac_s_student_is_paid_nothing_for_an_end_unless_it_is_the_expert_s():
    """Shown once, and as near as 1, the judge took what comes after an end for the expert's: quadrotors fell on purpose."""
    added = []
    for ends in (False, True):
        _, ended, alive = paid_by_dac(ends)
        added.append((ended - alive).mean())
    gamma = il.DAC().replay.gamma
    a_coin = gamma / (1 - gamma) * np.log(2)  # both end as often: nobody could tell whose end it is
    assert added[0] < 0.1 * a_coin
    np.testing.assert_allclose(added[1], a_coin, rtol=0.3)


def test_what_lies_in_a_replay_is_paid_anew_each_time_and_as_it_was_done():
    """Actions of a Box lie there from -1 to 1; a judge sees them as the environment did, an end that a clock made as none."""
    from il_bench.borders.sb3_replay import Paid

    seen = []

    def pay(steps):
        seen.append(steps)
        return np.full(len(steps), len(seen), np.float64)

    space = spaces.Box(np.float32(-1), np.float32(3), (1,))
    buffer = Paid(8, spaces.Box(-1, 1, (2,)), space, "cpu", pay=pay)
    for step in range(8):
        obs = np.full((1, 2), step / 8, np.float32)
        ended, cut = step in (2, 5), step == 5
        action = np.array([[step / 4 - 1]])
        info = {"TimeLimit.truncated": cut}
        buffer.add(obs, obs + 1, action, np.zeros(1), np.array([ended]), [info])
    for times in (1, 2):
        rewards = buffer.sample(64).rewards
        assert rewards.dtype == torch.float32
        assert rewards.shape == (64, 1)
        assert (rewards == times).all()
    steps = seen[-1]
    step = 8 * steps.obs[:, 0]
    np.testing.assert_allclose(steps.action[:, 0], step / 2 - 1)
    np.testing.assert_array_equal(steps.over, step == 2)
    np.testing.assert_array_equal(steps.following, steps.obs + 1)


def test_a_judge_s_slope_is_kept_from_growing_above_one():
    """Steps that lie apart in one number are told by a slope that grows for ever; with the penalty it stays at 1."""
    slopes = []
    for penalty in (0.0, 100.0):
        chance = Chance(0)
        with chance.lent():
            network = tower(1, (16,))
        judge = Judge(
            network, Judging(views=300, view=32, judge_rate=1e-2, penalty=penalty), chance
        )
        judge.learn(torch.full((8, 1), -0.1), torch.full((8, 1), 0.1))
        at = torch.linspace(-0.1, 0.1, 50)[:, None].requires_grad_()
        (slope,) = torch.autograd.grad(network(at).sum(), at)
        slopes.append(slope.mean().item())
    assert slopes[0] > 10
    assert 0.8 < slopes[1] < 1.1


def test_a_clone_of_another_task_is_refused(tmp_path):
    env = tiny("lane")
    path = str(il.BC(1, SMALL).learn(env, il.expert(env)).save(tmp_path / "lane.policy"))
    learner = il.FineTune(clone=path)
    other = il.make("Pendulum-v1", seeds=1, horizon=8)
    refused("clone: expected actions Box(-2.0, 2.0", lambda: learner.learn(other, None))
    tube = dataclasses.replace(env, hide=(next(iter(env.observed)),))
    refused("observations, got", lambda: learner.learn(tube, None))


class Endless(gymnasium.Env):
    """Actions without a bound."""

    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Box(-np.inf, np.inf, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 0.0, False, False, {}


@pytest.mark.parametrize("name", PRACTISING)
def test_actions_without_bounds_are_refused_before_anybody_is_asked(name):
    env = il.make(Endless, seeds=1, horizon=4)
    log = Log()

    def still(obs):
        return np.zeros((len(obs), 1))

    sentence = "practice: expected Box actions with bounds, got Box(-inf"
    refused(sentence, lambda: learners()[name].learn(env, il.expert(env, still), None, log))
    assert np.sum(log.asked) == 0


def test_a_policy_that_no_network_holds_is_refused_before_any_work(tmp_path):
    sentence = "finetune: expected net mlp, got table; use --net mlp"
    env = tiny("resetcliff")
    learner = il.FineTune(training=il.Training(net="table"))
    refused(sentence, lambda: learner.learn(env, il.expert(env)))
    table = il.BC(1, il.Training(net="table")).learn(env, il.expert(env))
    path = str(table.save(tmp_path / "table.policy"))
    refused(sentence, lambda: il.FineTune(clone=path).learn(env, il.expert(env)))
    clone = il.BC(1, SMALL).learn(tiny("lane", seeds=2), il.expert(tiny("lane", seeds=2)))
    path = str(clone.save(tmp_path / "clone.policy"))
    refused(
        "clone: expected 1 runs, got 2",
        lambda: il.FineTune(clone=path).learn(tiny("lane"), None),
    )


@pytest.mark.parametrize(
    ("algo", "settings", "sentence"),
    [
        ("finetune", {"warmup": 50_000}, "warmup: expected from 0 to fewer than the 40960 steps"),
        ("finetune", {"leash": -1.0}, "leash: expected a number of at least 0, got -1.0"),
        ("finetune", {"ratio": 0.0}, "ratio: expected a number above 0, got 0.0"),
        ("sqil", {"replay": il.Replay(minibatch=1)}, "minibatch: expected two halves, at least 2"),
        ("iqlearn", {"alpha": 0.0}, "alpha: expected a number above 0, got 0.0"),
    ],
)
def test_impossible_settings_are_sentences(algo, settings, sentence):
    refused(sentence, lambda: il.learner(algo, **settings))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"minibatch": 1}, "minibatch: expected at least 2 and at most the 1024"),
        ({"copies": 7}, "copies: expected a number that the 1024 steps of a round"),
        ({"gamma": 1.0}, "gamma: expected from 0 to below 1, got 1.0"),
        ({"deviation": 0.0}, "deviation: expected a number above 0, got 0.0"),
        ({"steps": 0}, "steps: expected a whole number of at least 1, got 0"),
    ],
)
def test_impossible_practice_is_a_sentence(settings, sentence):
    refused(sentence, lambda: il.Practice(**settings))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"explore": 2.0}, "explore: expected from 0 to 1, got 2.0"),
        ({"ratio": 0.0}, "ratio: expected a number above 0, got 0.0"),
        ({"gamma": 1.0}, "gamma: expected from 0 to below 1, got 1.0"),
        ({"steps": 0}, "steps: expected a whole number of at least 1, got 0"),
        ({"engine": "ppo"}, "engine: expected auto, dqn or sac, got 'ppo'"),
    ],
)
def test_an_impossible_replay_is_a_sentence(settings, sentence):
    refused(sentence, lambda: il.Replay(**settings))


def test_a_judge_s_penalty_is_none_or_above():
    refused("penalty: expected a number of at least 0, got -1", lambda: Judging(penalty=-1.0))


@pytest.mark.parametrize("name", ["sqil", "dac"])
def test_an_engine_for_other_actions_is_refused_before_any_work(name):
    for engine, task, wanted in (("dqn", "lane", "sac"), ("sac", "resetcliff", "dqn")):
        env = tiny(task)
        has, needs = ("Box", "Discrete") if engine == "dqn" else ("Discrete", "Box")
        sentence = f"{name}: expected {needs} actions, got {has} ones, which {engine} cannot choose"
        learner = il.learner(name, replay=il.Replay(engine))
        log = Log()

        def learn(learner=learner, env=env, log=log):
            learner.learn(env, il.expert(env), None, log)

        refused(f"{sentence}; use --engine {wanted}", learn)
        assert log.asked == 0


def test_continuous_actions_are_refused_by_a_learner_of_discrete_ones():
    lane = tiny("lane")
    wanted = (
        "iqlearn: expected Discrete actions, got Box ones, which have no soft maximum; use sqil"
    )
    refused(wanted, lambda: il.IQLearn().learn(lane, il.expert(lane)))


def test_iqlearn_is_cloning_where_rewards_may_be_as_large_as_they_like():
    env = tiny("resetcliff", seeds=2)
    expert = il.expert(env)
    clone = il.BC(2, SMALL).learn(env, expert)
    free = il.IQLearn(episodes=2, training=SMALL, alpha=1e12).learn(env, expert)
    bound = il.IQLearn(episodes=2, training=SMALL).learn(env, expert)
    for own, its, third in zip(free.layers, clone.layers, bound.layers, strict=True):
        torch.testing.assert_close(own, its, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(third, its, rtol=1e-3, atol=1e-4)


def test_half_of_every_batch_is_the_expert_s_and_pays():
    from stable_baselines3 import DQN

    from il_bench.borders.sb3_replay import HalfExpert
    from il_bench.fit.course import Course
    from il_bench.fit.transitions import demonstrated

    env = il.make("CartPole-v1", horizon=9)
    (shown,) = demonstrated(Course.begun(env, il.expert(env), None, None), 2)
    assert len(shown) == 18
    assert np.array_equal(shown.following[:8], shown.obs[1:9])
    assert not shown.over.any()
    settings = {"replay_buffer_kwargs": {"shown": shown}, "buffer_size": 8, "learning_starts": 99}
    model = DQN("MlpPolicy", "CartPole-v1", replay_buffer_class=HalfExpert, **settings)
    model.learn(8)
    model.replay_buffer.rewards[:] = 0
    batch = model.replay_buffer.sample(10)
    assert batch.rewards[:, 0].tolist() == [0] * 5 + [1] * 5
    rows = {tuple(row) for row in shown.obs.tolist()}
    assert all(tuple(row) in rows for row in batch.observations[5:].tolist())
    assert not any(tuple(row) in rows for row in batch.observations[:5].tolist())
