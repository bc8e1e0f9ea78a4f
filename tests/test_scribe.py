"""Learners of texts: closed forms of their optima on languages small enough to write down, and what they count."""

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import pytest
import torch

import il_bench as il
from il_bench.core.chance import bound
from il_bench.core.policy import Log
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.fit.collect import demonstrate
from il_bench.fit.costs import drive_in
from il_bench.fit.course import Course
from il_bench.fit.divergences import Divergence
from il_bench.fit.judges import ExactText, Follower, Trial
from il_bench.fit.own_episodes import LabelledEpisodes, PaidEpisodes, by_student
from il_bench.fit.roll_ins import CoinedSymbols
from il_bench.fit.sequences import Sequences
from il_bench.fit.texts import prefixes
from il_bench.stats.theory import teacher_share

SMALL = {"net": "gru", "updates": 6, "units": 8, "embedding": 4, "sequences": 4}


@dataclass(frozen=True, kw_only=True)
class Pair(il.TokenEnv):
    """Two symbols, of which the second depends on the first: a language that can be written down."""

    indicator: ClassVar = True

    first: ClassVar = torch.tensor([0.25, 0.75], dtype=torch.float64)
    second: ClassVar = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64)

    def require_language(self):
        pass

    @cached_property
    def automaton(self):
        chances = torch.cat((self.first[None], self.second))[None]
        following = torch.tensor([[1, 2]] * 3)
        start = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
        return il.Automaton(chances, following, start)

    def difference(self, state, other):
        return il.apart(state, other)

    def certificate(self):
        return il.zero_or_one(self)

    def draw(self, state, size, ghost=None, colour=None):
        raise NotImplementedError


class Oracle(il.StochasticExpert):
    """The language itself."""

    def __init__(self, env):
        self.env = env

    def distribution(self, state):
        return self.env.oracle(state)


def second_symbol(policy):
    """The chances (R, 2, V) of a policy's second symbol after each first one."""
    runs = policy.runs
    nothing = torch.full((runs, 2, 1), 2.0)
    both = torch.tensor([0.0, 1.0]).expand(runs, -1)[..., None]
    _, memory = policy.go_on(nothing, None)
    logits, _ = policy.go_on(both, memory)
    return logits.softmax(-1)


def sequences(env):
    """Four texts of the expert."""
    return Sequences.of(demonstrate(env, il.expert(env), il.Streams(env.seeds), 4, Log()))


# Scheduled sampling


def test_the_optimum_of_scheduled_sampling_is_huszars():
    """Q(x2|x1) = e P(x2|x1) + (1 - e) P(x2): the conditional at e = 1, at e = 0 the marginal whatever was written."""
    shares = (1.0, 0.5, 0.0)
    env = Pair(horizon=2, seed=(0, 1, 2))
    training = il.Training("gru", units=4, embedding=4, updates=120, lr=4e-2, sequences=64, soft=True, ema=0.95)  # fmt: skip
    learner = il.Scheduled(512, "constant", least=shares, protect=0, training=training)
    policy = learner.learn(env, Oracle(env))
    marginal = env.first @ env.second
    for share, chances in zip(shares, second_symbol(policy), strict=True):
        optimum = share * env.second + (1 - share) * marginal
        assert (chances - optimum).abs().max() < 0.03


def test_scheduled_sampling_that_replaces_nothing_is_cloning_bit_for_bit():
    env = il.make("clock", horizon=6, seeds=2)
    training = il.Training(**SMALL)
    cloned = il.BC(8, training).learn(env, il.expert(env))
    kept = (
        il.Scheduled(8, "constant", least=1.0, training=training),
        il.Scheduled(8, "linear", protect=6, training=training),
        il.Scheduled(8, "linear", half=1e12, training=training),
    )
    for learner in kept:
        policy = learner.learn(env, il.expert(env))
        for one, two in zip(policy.layers, cloned.layers, strict=True):
            assert torch.equal(one, two)
        assert torch.equal(policy.log.labels, cloned.log.labels)
    changed = il.Scheduled(8, "constant", training=training).learn(env, il.expert(env))
    assert not torch.equal(changed.layers[0], cloned.layers[0])


def test_schedules_are_their_closed_forms():
    half = 300
    k = next(k / 1000 for k in range(1001, 10**6) if k / 1000 * math.log(k / 1000) >= half)
    for i in (0, 100, half, 500):
        assert teacher_share("linear", i, half) == max(0, 1 - i / 600)
        assert teacher_share("exponential", i, half) == pytest.approx(0.5 ** (i / half))
        exact = k / (k + math.exp(i / k))
        assert teacher_share("sigmoid", i, half) == pytest.approx(exact, abs=1e-4)
    for kind in ("linear", "exponential", "sigmoid"):
        assert teacher_share(kind, half, half) == pytest.approx(0.5)
        assert teacher_share(kind, 1e9, half) == 0
    with pytest.raises(ValueError, match="decay: expected linear, exponential or sigmoid"):
        teacher_share("cosine", 1, half)


def test_a_schedule_of_each_run_and_where_it_ends():
    learner = il.Scheduled(schedule="linear", half=(10.0, 20.0), least=(0.0, 0.6))
    assert learner.chances(10) == [0.5, 0.75]
    assert learner.chances(1000) == [0.0, 0.6]
    in_the_middle = il.Scheduled(training=il.Training("gru", updates=80))
    assert in_the_middle.chances(40) == [pytest.approx(0.5)]


def test_no_gradient_goes_through_what_is_written_and_the_labels_stay():
    """The student writes with the weights of the moment; what it learns from then is a fixed text."""
    env = il.make("keyed", horizon=5)
    parts = []
    source = CoinedSymbols(il.Streams((0,)), lambda i: [0.0], 1)
    given = sequences(env)
    logits = torch.zeros(1, 4, 1, 16)
    logits[..., 9] = 50.0

    def always_nine(obs, memory):
        parts.append(obs)
        return logits, memory

    seen = source.batch(given, 0, always_nine)
    assert torch.equal(seen.obs[:, :, :2], given.obs[:, :, :2])
    assert (seen.obs[:, :, 2:] == 9).all()
    assert torch.equal(seen.action, given.action)
    assert not seen.obs.requires_grad
    # It has read its own symbols, not the demonstration's.
    assert (parts[2] == 9).all()


def test_behind_the_last_symbol_stand_those_before():
    env = il.make("keyed", horizon=5, context=3)
    source = CoinedSymbols(il.Streams((0,)), lambda i: [0.0], 0)
    logits = torch.zeros(1, 4, 1, 16)
    logits[..., 9] = 50.0
    seen = source.batch(sequences(env), 0, lambda obs, memory: (logits, memory))
    assert seen.obs[0, 0].tolist() == [[16] * 3, [9, 16, 16], [9, 9, 16], [9] * 3, [9] * 3]


# Distillation


def log_chances(*rows):
    return torch.tensor([rows], dtype=torch.float64).log()


ITS = torch.tensor([[[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]]], dtype=torch.float64)
OWN = log_chances([0.25, 0.25, 0.5], [0.6, 0.3, 0.1])


def test_divergences_are_their_closed_forms():
    forward = Divergence("forward")(OWN, ITS)
    assert forward[0, 0] == pytest.approx(math.log(2))
    expected = sum(
        o * math.log(o / p) for o, p in zip((0.2, 0.3, 0.5), (0.6, 0.3, 0.1), strict=True)
    )
    assert forward[0, 1] == pytest.approx(expected)
    reverse = Divergence("reverse")(OWN, ITS)
    assert reverse[0, 0] == math.inf
    assert Divergence("reverse")(ITS.log(), OWN.exp())[0, 1] == pytest.approx(forward[0, 1])
    half = Divergence("jsd")(OWN, ITS)
    other = Divergence("jsd")(ITS.clamp_min(1e-300).log(), OWN.exp())
    assert half == pytest.approx(other)
    assert half[0, 0] == pytest.approx(4 * (math.log(2) - entropy_gap()))


def entropy_gap():
    """Of o = (1/2, 1/2, 0) and p = (1/4, 1/4, 1/2): log 2 - JSD."""
    middle = (0.375, 0.375, 0.25)
    of_middle = -sum(m * math.log(m) for m in middle)
    of_both = (math.log(2) + 1.5 * math.log(2)) / 2
    return math.log(2) - (of_middle - of_both)


@pytest.mark.parametrize(("balance", "end"), [(1e-6, "forward"), (1 - 1e-6, "reverse")])
def test_jensen_and_shannon_s_scale_does_not_jump_at_the_ends(balance, end):
    own, its = OWN[:, 1:], ITS[:, 1:]
    near = Divergence("jsd", balance)(own, its)
    assert near == pytest.approx(Divergence(end)(own, its), rel=1e-4)


def test_the_temperature_is_of_both():
    own, its = OWN[:, 1:], ITS[:, 1:]
    warm = Divergence("forward", temperature=2.0)(own, its)
    roots = ITS[0, 1].sqrt() / ITS[0, 1].sqrt().sum()
    student = OWN[0, 1].exp().sqrt() / OWN[0, 1].exp().sqrt().sum()
    assert warm[0, 0] == pytest.approx((roots * (roots / student).log()).sum())


@pytest.mark.parametrize("kind", ["forward", "reverse", "jsd"])
def test_what_is_never_done_has_a_gradient(kind):
    logits = torch.tensor([[[-200.0, 0.0, 200.0]]], requires_grad=True)
    chances = torch.tensor([[[1.0, 0.0, 0.0]]])
    smoothing = 1e-3 if kind == "reverse" else 0.0
    Divergence(kind, smoothing=smoothing)(logits, chances).sum().backward()
    assert logits.grad.isfinite().all()


def test_by_default_distillation_does_not_pull_where_all_is_wrong():
    """The forward divergence does, with all its force p - o, and unlearns on the way what was nearly right."""
    usual = il.Distil()
    pulls = {}
    for kind in (usual.divergence, "forward"):
        logits = torch.tensor([[[0.0, 0.0, 20.0]]], requires_grad=True)
        chances = torch.tensor([[[1.0, 0.0, 0.0]]])
        Divergence(kind, usual.balance)(logits, chances).sum().backward()
        pulls[kind] = logits.grad.abs().max().item()
    assert pulls["forward"] == pytest.approx(1.0)
    assert pulls[usual.divergence] < 1e-6


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("forward", {}), ("reverse", {"own": 0.5}), ("jsd", {"balance": 0.3})],
)
def test_every_divergence_ends_at_the_expert_s_chances(kind, settings):
    env = Pair(horizon=2)
    training = il.Training("gru", units=4, embedding=4, updates=100, lr=4e-2, sequences=16, ema=0.9)
    learner = il.Distil(64, divergence=kind, training=training, **settings)
    (chances,) = second_symbol(learner.learn(env, Oracle(env)))
    assert (chances - env.second).abs().max() < 0.03


def test_every_question_of_distillation_is_counted():
    """Of 5 updates 3 clone; in the others two texts of four are the student's own."""
    env = il.make("clock", horizon=7, seeds=2)
    training = il.Training(**{**SMALL, "updates": 5})
    learner = il.Distil(6, own=0.5, forced=0.6, training=training)
    log = learner.learn(env, il.expert(env)).log
    own = 2 * 2
    assert log.labels.tolist() == [(6 + own) * 7] * 2
    assert torch.equal(log.asked, log.labels)
    assert torch.equal(log.steps, log.labels)
    assert log.updates == 5


def test_the_share_of_own_texts_is_exact_over_all_updates():
    env = il.make("clock", horizon=2)
    course = Course.begun(env, il.expert(env), None, None)
    source = LabelledEpisodes(course, il.Streams((0,)), 0.3, 1.0, None)
    for update in range(10):
        source.batch(sequences(env), update, lambda obs, memory: (torch.zeros(1, obs.shape[1], 1, 16), None))  # fmt: skip
    assert course.log.episodes == 12  # of 10 times 4


def test_a_low_temperature_writes_what_is_likeliest():
    env = il.make("clock", horizon=3)
    logits = torch.zeros(1, 4, 1, 16)
    logits[..., 5] = 1.0
    drive = by_student(env, lambda obs, memory: (logits, memory), il.Streams((0,)), 4, 0.01)
    seen = rollout(env, drive, il.Streams((0,)), 4)
    assert (seen.action == 5).all()


def test_the_policy_of_the_moment_is_shown_evenly():
    env = il.make("clock", horizon=3)
    training = il.Training(**{**SMALL, "updates": 10})
    for cls, settings in ((il.Distil, {"forced": 0.3}), (il.Scheduled, {})):
        moments = []
        log = Log(iterate=lambda i, policy, moments=moments: moments.append((i, policy)))
        learner = cls(4, iterates=4, training=training, **settings)
        policy = learner.learn(env, il.expert(env), None, log)
        assert [i for i, _ in moments] == [0, 1, 2, 3]
        last = moments[-1][1]
        assert torch.equal(last.layers[0], policy.layers[0])
        assert not torch.equal(moments[0][1].layers[0], policy.layers[0])


# Costs


def enumerated(env, chances, place, symbol, steps):
    """What a symbol earns at a node, by every symbol that may slip in and every continuation."""
    table, reward = env.automaton, math.log
    slip = env.slip[0] if isinstance(env.slip, tuple) else env.slip
    total = 0.0
    for other in range(table.symbols):
        written = (1 - slip) * (other == symbol) + slip / table.symbols
        node = int(table.following[place, other])
        likelihood = (1 - env.smooth) * float(table.chances[0, place, other])
        value = reward(likelihood + env.smooth / table.symbols)
        if steps > 1:
            later = enumerate(chances[node].tolist())
            value += sum(c * enumerated(env, chances, node, s, steps - 1) for s, c in later)
        total += written * value
    return total


def exact(env, expert, policy, beta):
    """The exact judge, and visits of the expert's own texts."""
    course = Course.begun(env, expert, None, None)
    visits = drive_in(course, None, torch.ones(1, 1), il.Streams(env.seeds), 6, 0)
    follower = Follower(policy, torch.full((env.runs,), beta, dtype=torch.float64))
    return course, visits, follower


@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_what_a_symbol_earns_is_enumerated(slip):
    """Of a mixture of the expert and a table that knows the last symbol, which is the node here."""
    env = Pair(horizon=3, slip=slip)
    table = il.BC(20, il.Training("table")).learn(env, Oracle(env))
    course, visits, follower = exact(env, Oracle(env), table, 0.25)
    worth = ExactText(course, env).worth(visits, follower)
    its = env.automaton.chances[0]
    shown = torch.tensor([[[2.0], [0.0], [1.0]]])
    own = table.distribution(shown)[0][0]
    for time in range(3):
        node = int(visits.state[0, 0, time, 0])
        for symbol in (0, 1):
            of_expert = enumerated(env, its, node, symbol, 3 - time)
            of_table = enumerated(env, own, node, symbol, 3 - time)
            mixed = 0.25 * of_expert + 0.75 * of_table
            assert worth[0, 0, time, symbol] == pytest.approx(mixed, abs=1e-12)


@pytest.mark.parametrize("beta", [1.0, 0.0, 0.5])
def test_trying_symbols_out_agrees_with_what_they_earn(beta):
    env = il.make("keyed", horizon=5, slip=0.1)
    table = il.BC(20, il.Training("table")).learn(env, il.expert(env))
    course = Course.begun(env, il.expert(env), None, None)
    streams = il.Streams((0,))
    visits = drive_in(course, table, torch.zeros(1, 1), streams, 400, 1)
    follower = Follower(table, torch.tensor([beta], dtype=torch.float64))
    apart = Trial(course).worth(visits, follower) - ExactText(course, env).worth(visits, follower)
    symbols = apart[0, :, 0]
    errors = symbols.std(0) / 400**0.5
    # Sixteen symbols that share their noise: no mean is more than 4 standard errors from 0.
    assert (symbols.mean(0).abs() <= 4 * errors + 1e-12).all()


def test_every_place_of_a_text_has_its_own_number():
    env = il.make("keyed", horizon=3, context=2)
    places = prefixes(env)
    count = places.automaton.nodes
    assert count == 13 * 17 * 17
    assert torch.equal(places.numbers(places.state)[0], torch.arange(count))
    expert = bound(env, il.expert(env), il.Streams((0,)), 5)
    seen = rollout(env, by_expert(env, expert), il.Streams((0,)), 5)
    now, after = seen.state[:, :, 1], seen.state[:, :, 2]
    symbol = env.observation(after)[..., :1]
    reached = places.automaton.after(places.numbers(now)[..., None].double(), symbol[..., 0])
    assert torch.equal(reached[..., 0].long(), places.numbers(after))


@pytest.mark.parametrize("name", ["aggrevate", "lols"])
@pytest.mark.parametrize("costs", ["exact", "rollouts"])
def test_costs_teach_the_right_symbols(name, costs):
    """An oracle, and for `lols` somebody who writes anything: what is right is what the oracle would write."""
    env = il.make("golden", horizon=4, absorbing=False, seeds=2)
    training = il.Training("table_per_step")
    learner = il.learner(name, rounds=2, episodes=16, costs=costs, training=training)
    expert = Anything(16) if name == "lols" and costs == "exact" else il.expert(env)
    policy = learner.learn(env, expert)
    state = env.initial(il.Streams(env.seeds), 1)
    memory = None
    for gold in env.gold[:2]:
        action, memory = policy.act(env.observation(state).float(), memory)
        assert (action == gold).all()
        state = env.transition(state, action, torch.ones(2, 1, 4, dtype=torch.float64))


class Anything(il.StochasticExpert):
    """Any symbol, each alike."""

    def __init__(self, symbols):
        self.symbols = symbols

    def distribution(self, state):
        shape = (*state.shape[:2], self.symbols)
        return torch.full(shape, 1 / self.symbols, dtype=torch.float64)


def test_exact_costs_ask_once_and_drive_only_to_visit():
    env = il.make("clock", horizon=4)
    learner = il.AggreVaTe(rounds=2, episodes=3, training=il.Training("table"))
    log = learner.learn(env, il.expert(env)).log
    assert log.steps.item() == log.labels.item() == 2 * 3 * 4
    places = 33 * 17
    assert log.asked.item() == places + 3 * 4


# Reinforcement


def fixed(logits):
    """A student that answers the same everywhere."""
    return lambda obs, memory: (logits.expand(*obs.shape[:3], -1), memory)


def paid(env, forced=0):
    """The source of `reinforce`, and demonstrations under the streams that it knows."""
    course = Course.begun(env, il.expert(env), None, None)
    shown = il.Streams(env.seeds).fork("demonstrations")
    data = demonstrate(env, il.expert(env), shown, 6, Log())
    source = PaidEpisodes(course, shown, il.Streams(env.seeds), lambda update: forced)
    return source, Sequences.of(data)


def test_the_expected_gradient_is_that_of_the_return():
    """Of one step: p (r - mean r), for every symbol."""
    env = il.make("clock", horizon=1, patterns=2, vocabulary=3)
    logits = torch.tensor([0.3, 0.0, -0.5], dtype=torch.float64)
    source, data = paid(env)
    order = np.arange(4000)[None] % 6
    seen = source.batch(data.pick(order), 0, fixed(logits))
    chances = logits.softmax(-1)
    done = torch.nn.functional.one_hot(seen.action[0, :, 0, 0], 3)
    slopes = seen.gain[0] * (done - chances)
    likelihood = (1 - env.smooth) * torch.tensor([0.5, 0.5, 0.0]) + env.smooth / 3
    reward = likelihood.double().log()
    exact = chances * (reward - (chances * reward).sum())
    errors = slopes.std(0) / 4000**0.5
    assert ((slopes.mean(0) - exact).abs() < 4 * errors).all()


def test_the_usual_is_what_the_others_earned():
    """Each episode beside the mean of the others: of two, one's loss is the other's gain."""
    env = il.make("clock", horizon=5, seeds=2)
    source, data = paid(env)
    seen = source.batch(data.pick(np.zeros((2, 2), np.int64)), 0, fixed(torch.zeros(16)))
    assert (seen.gain.sum(1).abs() < 1e-5).all()
    assert seen.gain.abs().max() > 1
    assert source.course.log.steps.tolist() == [10, 10]
    assert source.course.log.labels == 0


def test_the_first_steps_repeat_a_demonstration_and_its_slips():
    env = il.make("keyed", horizon=6, slip=0.4, seeds=2)
    source, data = paid(env, forced=4)
    order = np.array([[5, 0, 3], [2, 2, 1]])
    given = data.pick(order)
    seen = source.batch(given, 0, fixed(torch.zeros(16)))
    assert torch.equal(seen.obs[:, :, :5], given.obs[:, :, :5])
    assert torch.equal(seen.action[:, :, :4], given.action[:, :, :4])
    assert (seen.gain[:, :, :4] == 1).all()
    assert not torch.equal(seen.action[:, :, 4:], given.action[:, :, 4:])


def test_annealing_leaves_the_student_more_and_more():
    learner = il.Reinforce(annealing=3, forced=0.5, training=il.Training("gru", updates=20))
    assert [learner.repeated(8, update) for update in range(10)] == [5] * 4 + [2] * 3 + [0] * 3
    assert il.Reinforce().repeated(8, 0) == 0


def own_cost(env, policy):
    """Nats a symbol that the oracle gives to a policy's own texts, the mean of all runs."""
    streams = il.Streams(env.seeds).fork("evaluation")
    own = rollout(env, by_policy(env, policy, streams, 24), streams, 24)
    return -own.reward.mean()


def test_reinforcement_mends_a_clone_and_from_nothing_gets_nowhere():
    """From nothing it learns to go back for ever, which is right every second time, and never the path."""
    env = il.make("golden", horizon=4, absorbing=False, vocabulary=8)
    training = il.Training("gru", updates=50, lr=2e-2, units=8, embedding=4, sequences=12)
    costs = {}
    for forced in (0.4, 0.0):
        policy = il.Reinforce(32, forced=forced, training=training).learn(env, il.expert(env))
        costs[forced] = own_cost(env, policy)
    cloning = dataclasses.replace(training, updates=20)
    clone = own_cost(env, il.BC(32, cloning).learn(env, il.expert(env)))
    assert costs[0.4] < clone - 2
    assert costs[0.4] < costs[0.0] - 2


# What is refused


def test_exact_costs_of_who_remembers_texts_are_refused_in_a_sentence():
    env = il.make("clock", horizon=3)
    learner = il.LOLS(rounds=2, training=il.Training(**SMALL))
    with pytest.raises(ValueError, match="memory is the number of its steps, got GRUPolicy"):
        learner.learn(env, il.expert(env))
    tried = dataclasses.replace(learner, costs="rollouts", episodes=2)
    assert tried.learn(env, il.expert(env)).runs == 1
    many = il.make("clock", horizon=3, context=6)
    with pytest.raises(ValueError, match=r"costs exact: expected at most .* numbers in tables"):
        il.AggreVaTe(rounds=2, training=il.Training("table")).learn(many, il.expert(many))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: il.Scheduled(least=1.5), "least: expected a chance from 0 to 1, got 1.5"),
        (lambda: il.Scheduled(half=-1.0), "half: expected a number of at least 0"),
        (lambda: il.Scheduled(protect=-1), "protect: expected at least 0 symbols, got -1"),
        (lambda: il.Scheduled(schedule="cosine"), "schedule: expected"),
        (lambda: il.Reinforce(annealing=-1), "annealing: expected at least 0 steps, got -1"),
        (lambda: il.Reinforce(forced=2), "forced: expected a share from 0 to 1, got 2"),
        (lambda: il.Distil(own=1.5), "own: expected a share from 0 to 1, got 1.5"),
        (lambda: il.Distil(loss_temperature=0.0), "loss_temperature: expected a number above 0"),
        (lambda: il.Distil(balance=1.0), "balance: expected above 0 and below 1, got 1"),
        (lambda: il.Distil(divergence="reverse", smoothing=0.0), "smoothing: expected above 0"),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("name", ["scheduled", "distil", "reinforce"])
def test_a_net_that_does_not_write_is_refused(name):
    env = il.make("clock", horizon=3)
    learner = il.learner(name, training=il.Training())
    with pytest.raises(ValueError, match=f"{name}: expected net gru or transformer, got mlp"):
        learner.learn(env, il.expert(env))


def test_who_writes_no_text_is_refused_before_anybody_drives():
    env = il.make("resetcliff", horizon=3)
    training = il.Training(**SMALL)
    with pytest.raises(ValueError, match="scheduled: expected a text"):
        il.Scheduled(training=training).learn(env, il.expert(env))
    with pytest.raises(ValueError, match="distil: expected an expert that tells the chances"):
        il.Distil(training=training).learn(env, il.expert(env))
    lane = il.make("lane", horizon=3)
    with pytest.raises(ValueError, match="reinforce: expected Discrete actions, got Box ones"):
        il.Reinforce(training=training).learn(lane, il.expert(lane))
    paid = il.Reinforce(2, training=training).learn(env, il.expert(env))
    assert paid.log.labels.item() <= 6
