"""Token sequences: exact occupancy and values, an oracle that acts by chance with its twin, ids, and the nets on them."""

import dataclasses

import numpy as np
import pytest
import torch

import il_bench as il
from il_bench.core import ids
from il_bench.core.automaton import Automaton
from il_bench.core.chance import bound
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.fit.dataset import Dataset
from il_bench.fit.sequences import Sequences, windows
from il_bench.measures import probes
from il_bench.measures.quantities import Reference

LANGUAGES = ("golden", "clock", "keyed", "expanding", "dyck", "recall", "noisy", "text")


def off_path(env, episodes=400):
    """Share of the expert's own texts that are off the golden path after each step (T+1,)."""
    expert = bound(env, il.expert(env), Streams(env.seeds), episodes)
    seen = rollout(env, by_expert(env, expert), Streams(env.seeds), episodes)
    return (seen.state[0, ..., 0] > env.horizon).double().mean(0)


@pytest.mark.parametrize("slip", [0.02, 0.3])
def test_the_cascade_is_the_closed_form_where_nothing_leads_back(slip):
    env = il.make("golden", horizon=40, slip=slip)
    path = env.automaton.occupancy(env.automaton.chances, 40, slip)[0]
    time = torch.arange(41, dtype=torch.float64)
    e = slip * 15 / 16
    assert path[:, 41:].sum(-1) == pytest.approx(1 - (1 - e) ** time, abs=1e-12)
    expected = path[:, 41:].sum(-1)
    margin = 4 * (expected * (1 - expected) / 400).sqrt() + 1e-9
    assert ((off_path(env) - expected).abs() <= margin).all()


def test_the_cascade_with_a_way_back_is_the_recursion():
    """e leaves the path, r leads back: off' = off (1 - r) + (1 - off) e, in closed form."""
    slip = 0.1
    env = il.make("golden", horizon=40, slip=slip, absorbing=False, recovery=0.5)
    path = env.automaton.occupancy(env.automaton.chances, 40, slip)[0]
    e, r = slip * 15 / 16, 0.5 * (1 - slip) + slip / 16
    time = torch.arange(41, dtype=torch.float64)
    closed = e / (e + r) * (1 - (1 - e - r) ** time)
    assert path[:, 41:].sum(-1) == pytest.approx(closed, abs=1e-12)


def test_values_by_dynamic_programming_are_the_returns_of_rollouts():
    env = il.make("keyed", horizon=12, slip=0.1)
    automaton = env.automaton
    smoothed = (1 - env.smooth) * automaton.chances + env.smooth / automaton.symbols
    worth = automaton.worth(automaton.chances, smoothed.log(), 12, 0.1)
    first = (automaton.chances * worth[:, 0]).sum(-1)[0] @ automaton.start
    expert = bound(env, il.expert(env), Streams((0,)), 4000)
    seen = rollout(env, by_expert(env, expert), Streams((0,)), 4000)
    returns = seen.returns[0]
    assert abs(returns.mean() - first) < 4 * returns.std() / 4000**0.5


def test_the_oracle_s_twins_write_the_same_text():
    """One uniform number a step for both: an expert beside itself never parts, though it acts by chance."""
    for name in LANGUAGES:
        env = il.make(name, horizon=10, slip=0.1, seeds=2)
        record = il.compare(env, il.expert(env), again=il.expert(env), episodes=5)
        assert (record.arrays["divergence"] == 0).all()
        assert (record.arrays["action"][1] == record.arrays["action"][0]).all()
        assert record.index.sample


def test_labels_follow_the_oracle_s_chances():
    env = il.make("clock", horizon=2)
    expert = bound(env, il.expert(env), Streams((0,)), 4000)
    state = env.initial(Streams((0,)), 4000)
    first, _ = expert.go_on(state, None)
    counts = torch.bincount(first.flatten().long(), minlength=16) / 4000
    assert counts[:4] == pytest.approx(0.25, abs=0.03)
    assert counts[4:].sum() == 0


def test_a_symbol_that_slips_is_uniform_and_its_twin_s_too():
    env = il.make("golden", horizon=4, slip=1.0)
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 8000, 4)))
    written = env.written(torch.full((1, 8000), 3.0, dtype=torch.float64), noise)
    shares = torch.bincount(written.flatten().long(), minlength=16) / 8000
    assert shares == pytest.approx(1 / 16, abs=0.011)
    other = env.written(torch.full((1, 8000), 5.0, dtype=torch.float64), noise)
    assert torch.equal(written, other)


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_table_of_demonstrations_is_their_counts(name):
    env = il.make(name, horizon=8, seeds=2, context=2)
    policy = il.BC(20, il.Training(net="table")).learn(env, il.expert(env))
    symbols = env.automaton.symbols
    assert policy.counts.shape == (2, 1, (symbols + 1) ** 2, symbols)
    assert policy.counts.sum() == 2 * 20 * 8
    again = il.Training(net="table").net.restore(policy.arrays(), env.action_space)
    obs = env.observation(env.initial(Streams(env.seeds), 3)).float()
    assert torch.equal(policy.act(obs)[0], again.act(obs)[0])


def test_numbers_have_places_and_vectors():
    numbers = torch.tensor([[[2.0, 1.0], [0.0, 3.0]]])
    assert ids.place(numbers, (3, 4)).tolist() == [[9, 3]]
    assert ids.one_hot(numbers, (3, 4)).tolist() == [[[0, 0, 1, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0, 1]]]


def test_what_is_no_automaton_is_refused():
    half = torch.full((1, 2, 2), 0.5, dtype=torch.float64)
    to = torch.zeros(2, 2, dtype=torch.long)
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    with pytest.raises(ValueError, match="chances: expected rows of chances that sum to 1"):
        Automaton(0.9 * half, to, start)
    with pytest.raises(ValueError, match="following: expected nodes from 0 to 1"):
        Automaton(half, to + 2, start)
    with pytest.raises(ValueError, match=r"following: expected \(N, V\) = \(2, 2\)"):
        Automaton(half, to[:1], start)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("golden", {"slip": 1.5}, "slip: expected a chance"),
        ("golden", {"vocabulary": 2}, "vocabulary: expected at least 3"),
        ("golden", {"recovery": -1}, "recovery: expected a chance"),
        ("clock", {"patterns": 17}, "patterns: expected from 1 to 16"),
        ("keyed", {"vocabulary": 4}, "vocabulary: expected at least 5"),
        ("clock", {"context": 0}, "context: expected"),
    ],
)
def test_impossible_languages_are_refused_in_a_sentence(name, settings, words):
    with pytest.raises(ValueError, match=words):
        il.make(name, **settings)


SMALL = {"net": "gru", "updates": 6, "units": 8, "embedding": 4, "sequences": 4}


def samples(lengths=(5, 3), runs=2):
    """A dataset of sequences of some lengths, numbered."""
    count = sum(lengths)
    numbers = torch.arange(count, dtype=torch.float32).expand(runs, -1)
    return Dataset(
        numbers[..., None], numbers[..., None].long(), torch.ones(runs, count), tuple(lengths)
    )


def test_sequences_keep_the_order_of_time_and_hide_what_is_filled_up():
    whole = Sequences.of(samples())
    assert whole.obs[0, :, :, 0].tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 7, 7]]
    assert whole.weight[0].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]


def test_windows_go_through_their_sequences_and_begin_them_anew():
    parts = list(windows(Sequences.of(samples()), 2, 2, 7, Streams((0, 1))))
    assert [part.begins for part in parts] == [True, False, False, True, False, False, True]
    assert [part.part.obs.shape[2] for part in parts] == [2, 2, 1, 2, 2, 1, 2]


@pytest.mark.parametrize("name", ["lane", "golden"])
def test_the_network_unrolled_is_torch_s_own(name):
    """The same weights in torch.nn.GRU and Linear give the same answers, step by step."""
    env = il.make(name, horizon=6)
    training = il.Training(**SMALL, targets="none")
    policy = il.BC(4, training).learn(env, il.expert(env))
    *table, w_in, b_in, w_state, b_state, w_out, b_out = (layer[0] for layer in policy.layers)
    own = torch.nn.GRU(len(w_in), 8, batch_first=True)
    with torch.no_grad():
        for parameter, value in zip(
            own.parameters(), (w_in.T, w_state.T, b_in[0], b_state[0]), strict=True
        ):
            parameter.copy_(value)
    expert = bound(env, il.expert(env), Streams((0,)), 3)
    seen = rollout(env, by_expert(env, expert), Streams((0,)), 3)
    obs = env.observation(seen.lived.flatten(1, 2)).float().unflatten(1, (3, 6))[0]
    entering = table[0][obs[..., 0].long()] if table else obs
    expected = own(entering)[0] @ w_out + b_out
    memory, answers = None, []
    for now in obs.unbind(1):
        answer, memory = policy.go_on(now[None], memory)
        answers.append(answer[0])
    torch.testing.assert_close(
        torch.stack(answers, 1).float(), expected.detach(), rtol=0, atol=1e-5
    )


def test_its_gradient_is_autograd_s_through_the_same_windows():
    """A state that is carried makes a window's loss depend on what came before; one that is reset does not."""
    env = il.make("clock", horizon=6)
    policies = {}
    for between in ("carry", "reset"):
        training = il.Training(**SMALL, truncate=3, between=between)
        policies[between] = il.BC(4, training).learn(env, il.expert(env))
    one, two = (policies[name].layers[3] for name in policies)
    assert not torch.equal(one, two)


@pytest.mark.parametrize("name", ["lane", "keyed"])
def test_a_recurrent_run_is_the_same_alone_and_among_others(name):
    env = il.make(name, horizon=5, seeds=3)
    learner = il.BC(4, il.Training(**SMALL))
    among = learner.learn(env, il.expert(env))
    alone = learner.learn(env[1], il.expert(env[1]))
    for one, all_of_them in zip(alone.layers, among.layers, strict=True):
        assert torch.equal(one[0], all_of_them[1])


def test_memory_is_the_episode_s_own(tmp_path):
    env = il.make("keyed", horizon=6)
    policy = il.BC(4, il.Training(**SMALL)).learn(env, il.expert(env))
    path = policy.save(tmp_path / "policy")
    again = il.load_policy(path)
    streams = Streams((3,))
    whole = rollout(env, by_policy(env, policy, streams, 2), streams, 2)
    same = rollout(env, by_policy(env, again, streams, 2), streams, 2)
    assert torch.equal(whole.state, same.state)
    first, state = policy.predict(np.array([16]))
    _, state = policy.predict(np.array([3]), state)
    begun, _ = policy.predict(np.array([[16]]), state, np.array([True]))
    assert begun[0] == first


def test_dagger_goes_on_from_the_last_round_s_network():
    env = il.make("clock", horizon=5)
    training = il.Training(**SMALL)
    policy = il.DAgger(rounds=3, episodes=2, training=training).learn(env, il.expert(env))
    assert policy.log.labels.item() == 3 * 2 * 5
    assert policy.log.updates == 6


def test_soft_labels_are_the_chances_and_lower_the_variance():
    env = il.make("clock", horizon=8)
    hard = il.Training(**{**SMALL, "updates": 40})
    soft = dataclasses.replace(hard, soft=True)
    losses = [il.BC(8, training).learn(env, il.expert(env)).log.loss for training in (hard, soft)]
    assert torch.isfinite(torch.stack(losses)).all()
    assert losses[0] != losses[1]


def test_measures_drive_the_expert_by_its_chances():
    """Its likeliest symbols were driven instead: a path that no Record holds, and two experts that never parted."""
    env = il.make("clock", horizon=6, seeds=8)
    expert = il.expert(env)
    record = il.compare(env, expert, copy=expert, episodes=16)
    reference = Reference(record, env, expert)
    lead = reference.lead
    episodes = lead.state.shape[1]
    assert np.array_equal(lead.state.numpy(), record.arrays["state"][0][:, :episodes])
    apart = probes.independent(env, expert, lead, reference.streams)
    assert apart.mean() == pytest.approx(0.75, abs=0.1)  # four patterns, each alike
