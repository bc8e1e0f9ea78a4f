"""Languages, each by what is known of it in closed form."""

import hashlib
import itertools

import numpy as np
import pytest
import torch

import il_bench as il
from il_bench.core.chance import bound
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.streams import Streams
from il_bench.jobs.digest import code_of


def texts(env, episodes=200):
    """What the expert writes: states (E, T+1, X) of the first run, and its symbols (E, T)."""
    streams = Streams(env.seeds)
    expert = bound(env, il.expert(env), streams, episodes)
    state = rollout(env, by_expert(env, expert), streams, episodes).state[0]
    return state, state[:, 1:, 2].long()


def write(env, state, symbols):
    """States after each of some symbols (n,), without a slip, beginning at a state (R, E, X)."""
    runs, episodes, _ = state.shape
    still = torch.zeros(runs, episodes, 4, dtype=torch.float64)
    path = []
    for symbol in symbols:
        action = torch.as_tensor(symbol, dtype=torch.float64).expand(runs, episodes)[..., None]
        state = env.transition(state, action, still)
        path.append(state)
    return path


@pytest.mark.parametrize("big", [0, 1, 2, 3])
def test_a_unit_error_grows_to_the_power_of_its_age(big):
    """After one symbol too many by one, the same symbols as without it: L^t places apart, by the shorter way round."""
    env = il.make("expanding", lipschitz=big)
    start = env.initial(Streams((0,)), 1)
    symbols = np.random.default_rng(0).integers(0, 61, 12)
    wrong = (symbols[0] + 1) % 61
    right_path = write(env, start, symbols)
    path = write(env, start, [wrong, *symbols[1:]])
    apart = [env.distance(*pair).item() for pair in zip(path, right_path, strict=True)]
    grown = [big**t % 61 for t in range(12)]
    assert apart == [min(one, 61 - one) for one in grown]
    powers = [big**t for t in range(12) if big**t <= 30]
    assert apart[: len(powers)] == powers


def test_the_oracle_is_on_the_target_after_a_symbol_from_anywhere():
    env = il.make("expanding", slip=0.3, horizon=20, lipschitz=(2.0, 5.0))
    expert = il.expert(env)
    node = torch.arange(8 * 61, dtype=torch.float64)
    zero = torch.zeros_like(node)
    state = torch.stack((node, zero, zero), -1).expand(2, -1, -1)
    still = torch.zeros(2, len(node), 4, dtype=torch.float64)
    after = env.transition(state, expert.act(state), still)
    phase = (node.long() // 61 + 1) % 8
    assert torch.equal(env.place(after)[0].long(), env.targets[phase])
    assert torch.equal(env.place(after)[1].long(), env.targets[phase])


def test_runs_of_other_dials_have_tables_of_their_own():
    """Occupancy and values of L = 2 among others are those of L = 2 alone."""
    both = il.make("expanding", lipschitz=(3.0, 2.0), vocabulary=7, period=3).automaton
    alone = il.make("expanding", lipschitz=2.0, vocabulary=7, period=3).automaton
    among = both.occupancy(both.chances, 5, 0.1)[1]
    assert torch.equal(among, alone.occupancy(alone.chances, 5, 0.1)[0])
    reward = both.chances
    worth = both.worth(both.chances, reward, 5, 0.1)[1]
    assert torch.equal(worth, alone.worth(alone.chances, alone.chances, 5, 0.1)[0])


def depths(kinds, depth, opening, slip, mismatch):
    """The chain of Dyck's depth, right and wrong, from its definition: (2 (depth + 1),) squared."""
    size = depth + 1
    symbols = 2 * kinds + 1
    step = np.zeros((2 * size, 2 * size))
    for now in range(size):
        opens = 1.0 if now == 0 else (0.0 if now == depth else opening)
        up = (1 - slip) * opens + slip * kinds / symbols * (now < depth)
        down = (1 - slip) * (1 - opens) + slip / symbols * (now > 0)
        if now < depth:
            step[now, now + 1] = up
        if now > 0:
            step[now, now - 1] = down
        lost = 1 - step[now].sum()
        back = {"recovered": 1 - slip + slip / symbols, "absorbing": 0.0, "ignored": 1.0}[mismatch]
        if mismatch == "ignored":
            step[now, now] = lost
        else:
            step[now, size + now] = lost
        step[size + now, now] = back
        step[size + now, size + now] = 1 - back
    return step


@pytest.mark.parametrize("mismatch", ["ignored", "recovered", "absorbing"])
def test_brackets_are_a_walk_between_none_and_the_most(mismatch):
    """Whatever kinds are open, depth is a birth-death chain, and slips part it from the language by known chances."""
    settings = {"kinds": 2, "depth": 3, "opening": 0.6, "mismatch": mismatch}
    env = il.make("dyck", horizon=15, slip=0.1, **settings)
    automaton = env.automaton
    path = automaton.occupancy(automaton.chances, 15, 0.1)[0]
    step = depths(2, 3, 0.6, 0.1, mismatch)
    share = np.eye(8)[0]
    count = len(env.stacks)
    depth = torch.tensor([len(stack) for stack in env.stacks])
    for now in path:
        own = [now[:count][depth == open].sum().item() for open in range(4)]
        assert own == pytest.approx(share[:4], abs=1e-12)
        assert now[count:].sum().item() == pytest.approx(share[4:].sum(), abs=1e-12)
        share = share @ step


def test_every_bracket_of_a_clean_text_closes_the_last_one_of_its_kind():
    env = il.make("dyck", horizon=30, kinds=3)
    state, symbols = texts(env, 30)
    assert (state[..., 1] == 0).all()
    for row in symbols.tolist():
        opened = []
        for symbol in row:
            if symbol < 3:
                opened.append(symbol)
            else:
                assert symbol - 3 == opened.pop()
            assert len(opened) <= 4


def test_after_a_mismatch_the_mark_leads_back_to_what_was_open():
    env = il.make("dyck")
    open_round, close_square, mark, close_round = 0, 3, 4, 2
    start = env.initial(Streams((0,)), 1)
    states = write(env, start, [open_round, close_square, mark, close_round])
    assert [state[0, 0, 1].item() for state in states] == [0, 1, 0, 0]
    assert states[2][0, 0, 0] == states[0][0, 0, 0]
    assert states[3][0, 0, 0] == start[0, 0, 0]
    assert env.oracle(states[1])[0, 0, mark] == 1


@pytest.mark.parametrize("slip", [0.0, 0.2])
def test_the_mark_is_asked_for_d_symbols_later_whatever_was_written_between(slip):
    env = il.make("recall", delay=5, horizon=6, slip=slip)
    state, symbols = texts(env)
    mark = symbols[:, 0] % 4
    chances = env.oracle(state[None, :, 5])[0]
    assert torch.equal(chances.argmax(-1), mark)
    assert (chances.amax(-1) == 1).all()
    if slip == 0:
        assert torch.equal(symbols[:, 5], symbols[:, 0])
        assert (symbols[:, 4] == 15).all()
        between = symbols[:, 1:4]
        assert ((between >= 4) & (between < 15)).all()
    occupancy = env.automaton.occupancy(env.automaton.chances, 6, slip)[0]
    at_answer = occupancy[5].reshape(-1)[5::5]
    assert at_answer == pytest.approx(0.25, abs=1e-12)
    assert occupancy[6, 0] == pytest.approx(1, abs=1e-12)


def hidden_paths(env, text):
    """The chances of the next symbol by summing over every path of the hidden chain, one by one."""
    filter = env.automaton
    weight = np.zeros(filter.symbols)
    states = range(len(filter.start))
    for path in itertools.product(states, repeat=len(text) + 1):
        chance = filter.start[path[0]].item()
        for step, symbol in enumerate(text):
            here, there = path[step : step + 2]
            says = (1 - env.eta) * filter.emission[here, symbol].item() + env.eta / filter.symbols
            chance *= says * filter.motion[here, there].item()
        weight += chance * filter.emission[path[-1]].numpy()
    return weight / weight.sum()


def test_the_filter_is_the_sum_over_all_hidden_paths():
    """On a prefix that no clean text holds as well."""
    env = il.make("noisy", hidden_states=4, vocabulary=6, eta=0.2)
    for text in ([1, 3, 3], [0, 5, 2]):
        (*_, state) = write(env, env.initial(Streams((0,)), 1), text)
        assert env.oracle(state)[0, 0] == pytest.approx(hidden_paths(env, text), abs=1e-14)


def test_the_more_the_oracle_forgives_the_less_a_wrong_symbol_changes():
    """Total variation of what it says next, after its own texts with the last symbol replaced by each other one."""
    etas = (0.01, 0.05, 0.2, 0.5, 1.0)
    env = il.make("noisy", eta=etas, horizon=12)
    streams = Streams((0,) * len(etas))
    state = env.initial(streams, 16)
    for symbol in np.random.default_rng(0).integers(0, 16, 6):
        (state,) = write(env, state, [symbol])
    after = torch.stack([write(env, state, [symbol])[0] for symbol in range(16)])
    said = torch.stack([env.oracle(one) for one in after])
    apart = (said[:, None] - said).abs().sum(-1) / 2
    means = apart.mean((0, 1, 3)).tolist()
    assert means == sorted(means, reverse=True)
    assert means[0] > 0.4
    assert means[-1] == pytest.approx(0, abs=1e-15)
    bounds = list(env.certificate().value)
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] == pytest.approx(0.8)


def text_of(folder, words, **settings):
    """A language of a file that says so."""
    path = folder / "own.txt"
    path.write_text(words, encoding="utf-8")
    return il.make("text", text_file=str(path), **settings)


def test_chances_of_what_follows_are_witten_and_bell_s(tmp_path):
    """By hand: aabab; p(a) = (3 + 2/2) / (5 + 2), p(a|b) = (1 + p(a)) / (1 + 1)."""
    automaton = text_of(tmp_path, "aabab", order=2).automaton
    expected = [[4 / 7, 3 / 7], [3 / 7, 4 / 7], [11 / 14, 3 / 14]]
    assert automaton.chances[0].numpy() == pytest.approx(np.array(expected), abs=1e-15)
    assert automaton.following.tolist() == [[1, 2]] * 3


def witten_bell(text, context, symbol, size):
    """The chance of a symbol after a context, straight from the definition."""
    if context is None:
        return 1 / size
    k = len(context)
    nexts = [text[i + k] for i in range(len(text) - k) if text[i : i + k] == context]
    shorter = witten_bell(text, context[1:] if k else None, symbol, size)
    kinds = len(set(nexts))
    if not nexts:
        return shorter
    return (nexts.count(symbol) + kinds * shorter) / (len(nexts) + kinds)


def test_the_text_s_oracle_is_right_on_prefixes_that_never_occur(tmp_path):
    random = np.random.default_rng(1)
    words = "".join(random.choice(list("abcdef"), 60, p=[0.4, 0.3, 0.15, 0.1, 0.03, 0.02]))
    env = text_of(tmp_path, words, order=4, vocabulary=5)
    alphabet = env._text.alphabet
    assert len(alphabet) == 5
    shown = "".join(one if one in alphabet else alphabet[-1] for one in words)
    prefix = random.integers(0, 5, 12)
    assert env.automaton.chances.sum(-1) == pytest.approx(1, abs=1e-14)
    start = env.initial(Streams((0,)), 1)
    for step, state in enumerate([start, *write(env, start, prefix)]):
        context = "".join(alphabet[one] for one in prefix[max(0, step - 3) : step])
        expected = [witten_bell(shown, context, symbol, 5) for symbol in alphabet]
        assert env.oracle(state)[0, 0] == pytest.approx(expected, abs=1e-14)


def test_an_error_in_a_text_is_forgotten_when_it_is_out_of_sight():
    env = il.make("text", order=3)
    start = env.initial(Streams((0,)), 1)
    one, two = write(env, start, [5, 1, 2, 3]), write(env, start, [9, 1, 2, 3])
    apart = [env.distance(*pair).item() for pair in zip(one, two, strict=True)]
    assert apart == [1, 1, 0, 0]
    assert env.automaton.chances.min() > 0


def test_a_record_names_its_text_and_another_one_is_refused(tmp_path):
    env = text_of(tmp_path, "to be or not to be", horizon=4)
    record = il.compare(env, il.expert(env), copy=il.expert(env), episodes=2)
    settings = record.index.env.settings
    assert settings["sha256"] == hashlib.sha256(b"to be or not to be").hexdigest()
    again = il.make("text", text_file=env.text_file, sha256=settings["sha256"])
    assert again[0].sha256 == settings["sha256"]
    (tmp_path / "own.txt").write_text("that is the question")
    with pytest.raises(ValueError, match=f"sha256: expected a text of {settings['sha256']}, got"):
        il.make("text", text_file=env.text_file, sha256=settings["sha256"])


def test_a_sweep_s_address_is_that_of_the_text(tmp_path):
    codes = []
    for words in ("to be or not to be", "that is the question"):
        env = text_of(tmp_path, words)
        codes.append(code_of(env, il.BC(), il.expert(env)).address)
    assert codes[0] != codes[1]


@pytest.mark.parametrize(
    ("content", "settings", "words"),
    [
        (b"", {}, "text_file: expected more than 3 characters, of 2 kinds at least, got 0"),
        (b"abc", {}, "text_file: expected more than 3 characters"),
        (b"aaaaaaaa", {}, "of 2 kinds at least, got 8 of 1"),
        (b"abc\xff\xfe", {}, "is no UTF-8 at byte 3; save it as UTF-8"),
        (b"abcdef", {"vocabulary": 1}, "vocabulary: expected at least 2 characters"),
        (b"abcdef", {"order": 6}, "order: expected from 1 to 5"),
    ],
)
def test_texts_that_are_none_are_refused_in_a_sentence(tmp_path, content, settings, words):
    path = tmp_path / "own.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        il.make("text", text_file=str(path), **settings)
    with pytest.raises(ValueError, match="text_file: there is no file nowhere"):
        il.make("text", text_file="nowhere.txt")


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("expanding", {"lipschitz": 1.5}, "lipschitz: expanding needs a whole number"),
        ("expanding", {"lipschitz": 31}, "lipschitz: expanding needs a whole number"),
        ("expanding", {"period": 62}, "period: expected from 1 to 61"),
        ("dyck", {"kinds": 5}, "kinds: expected from 1 to 4"),
        ("dyck", {"depth": 12}, "depth: expected at most 2000 stacks"),
        ("dyck", {"opening": 1.0}, "opening: expected a chance above 0"),
        ("dyck", {"mismatch": "healed"}, "mismatch: expected ignored, recovered or absorbing"),
        ("noisy", {"eta": 0.0}, "eta: expected a chance above 0"),
        ("noisy", {"hidden_states": 1}, "hidden_states: expected at least 2 states"),
        ("recall", {"delay": 1}, "delay: expected at least 2 symbols"),
        ("recall", {"marks": 15}, "vocabulary: expected at least 17"),
    ],
)
def test_impossible_languages_are_refused_in_a_sentence(name, settings, words):
    with pytest.raises(ValueError, match=words):
        il.make(name, **settings)
