"""Chances beside chances: sums over the vocabulary on the expert's prefixes and on one's own, and what they come to."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from conftest import tiny
from safetensors.numpy import load_file, save_file

import il_bench as il
from il_bench.core.policy import Policy, StochasticPolicy, choose
from il_bench.jobs import store
from il_bench.records import conditionals, rows
from il_bench.records.record import ARRAYS, Record
from il_bench.records.schema import BYTES, CHANCES, DIMS
from il_bench.show import report
from il_bench.stats import accumulation, theory

SMALL = {"net": "gru", "updates": 20, "units": 8, "embedding": 4, "sequences": 4}


class Fixed(Policy):
    """Writes by the same chances after every prefix."""

    def __init__(self, env, chances):
        self.action_space, self.runs = env.action_space, env.runs
        self.chances = chances

    def distribution(self, obs, memory=None):
        return self.chances.expand(*obs.shape[:2], -1), memory

    def act(self, obs, memory=None, draw=None):
        chances, memory = self.distribution(obs)
        below = chances.cumsum(-1) < draw[..., None]
        return below.sum(-1, keepdim=True), memory

    def __getitem__(self, run):
        return self


class Silent(Policy):
    """Writes by chance, and does not say by which."""

    def __init__(self, env):
        self.action_space, self.runs = env.action_space, env.runs

    def act(self, obs, memory=None, draw=None):
        return (16 * draw[..., None]).floor(), memory

    def __getitem__(self, run):
        return self


def uniform(env):
    symbols = env.automaton.symbols
    return Fixed(env, torch.full((symbols,), 1 / symbols, dtype=torch.float64))


def entropy(chances):
    return -torch.xlogy(chances, chances).sum(-1)


@pytest.fixture(scope="module")
def learned():
    """A network on the keyed language under slips, beside its expert again and a function that tells no chances."""
    env = il.make("keyed", horizon=8, slip=0.1, seeds=2)
    expert = il.expert(env)
    policy = il.BC(8, il.Training(**SMALL)).learn(env, expert)
    silent = Silent(env)
    return il.compare(env, expert, bc=policy, again=expert, silent=silent, episodes=6)


def test_the_sums_are_those_of_the_definition():
    random = np.random.default_rng(0)
    its, own = torch.from_numpy(random.dirichlet(np.ones(5), (2, 3, 4)))[:2]
    its[0, 0] = torch.tensor([0.5, 0.5, 0, 0, 0])
    step = conditionals.apart(its[None], own[None], 0.01)
    smoothed = 0.99 * its + 0.01 / 5
    expected = torch.where(its > 0, its * (its / own).log(), 0.0).sum(-1)
    assert step.kl[0].numpy() == pytest.approx(expected.numpy(), abs=1e-14)
    expected = (own * (own / smoothed).log()).sum(-1)
    assert step.reverse[0].numpy() == pytest.approx(expected.numpy(), abs=1e-14)
    assert step.outside[0, 0, 0] == pytest.approx(own[0, 0, 2:].sum().item())
    assert torch.equal(step.outside[0, 1:], torch.zeros(2, 4, dtype=torch.float64))


def test_who_rules_out_what_its_expert_writes_is_infinitely_far():
    its = torch.tensor([[[0.5, 0.5]]], dtype=torch.float64)
    own = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    assert conditionals.apart(its, own, 0.1).kl.item() == math.inf
    assert conditionals.apart(own, its, 0.1).kl.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", ["golden", "clock", "keyed"])
def test_of_who_writes_anything_alike_they_are_the_oracle_s_entropy(name):
    env = il.make(name, horizon=6, slip=0.2, seeds=2)
    record = il.compare(env, il.expert(env), anything=uniform(env), episodes=4)
    symbols = math.log(env.automaton.symbols)
    for where, array in ((0, "kl_off"), (1, "kl_on")):
        states = torch.from_numpy(record.arrays["state"][where]).flatten(1, 2)
        known = entropy(env.oracle(states)).unflatten(1, (4, 7))[..., :-1]
        expected = symbols - known.numpy()
        assert record.arrays[array][1] == pytest.approx(expected, abs=1e-12)
    assert (record.arrays["kl_off"][0] == 0).all()
    assert record.arrays["nll_off"][1] == pytest.approx(symbols, abs=1e-12)


def test_the_average_over_texts_is_the_exact_one():
    """E KL over the prefixes of a writer whose chances are known, by the automaton's own occupancy."""
    env = il.make("keyed", horizon=5, slip=0.1)
    record = il.compare(env, il.expert(env), anything=uniform(env), episodes=2000)
    automaton = env.automaton
    each = math.log(16) - entropy(automaton.chances[0])
    alike = torch.full_like(automaton.chances, 1 / 16)
    for writer, array in ((automaton.chances, "kl_off"), (alike, "kl_on")):
        exact = automaton.occupancy(writer, 5, 0.1)[0, :-1] @ each
        shown = record.arrays[array][1, 0]
        error = 4 * shown.std(0) / 2000**0.5
        assert (np.abs(shown.mean(0) - exact.numpy()) <= error + 1e-9).all()


def test_both_texts_begin_with_the_same_prefix(learned):
    arrays = learned.arrays
    assert (arrays["kl_on"][1, ..., 0] == arrays["kl_off"][1, ..., 0]).all()
    assert (arrays["kl_on"][1] != arrays["kl_off"][1]).any()


def test_an_expert_is_its_own_oracle_and_who_tells_nothing_is_unknown(learned):
    for name in ("kl_off", "kl_on", "outside_off", "outside_on"):
        assert (learned.arrays[name][[0, 2]] == 0).all()
        assert np.isnan(learned.arrays[name][3]).all()
    row = learned.rows()[2]
    assert row["learner"] == "silent"
    assert row["kl_on"].texts()[0] == "n/a"


def test_a_run_s_chances_are_the_same_alone(learned):
    env = learned.env[1]
    policy = learned.policy("bc")[1]
    alone = il.compare(env, il.expert(env), bc=policy, episodes=6)
    for name in CHANCES:
        assert np.array_equal(alone.arrays[name][1, 0], learned.arrays[name][1, 1])


def test_what_nobody_writes_by_chance_has_no_such_arrays():
    env = tiny("lane")
    record = il.compare(env, il.expert(env), copy=il.expert(env), episodes=2)
    assert set(record.arrays) == set(DIMS) - {*CHANCES, *BYTES}
    (row,) = record.rows()
    assert "kl_on" not in row
    assert "KL" not in record.table()


def test_they_are_stored_and_earlier_records_open_without(learned, tmp_path):
    folder = learned.save(tmp_path / "new")
    again = il.load(folder)
    for name in CHANCES:
        assert np.array_equal(again.arrays[name], learned.arrays[name], equal_nan=True)
    learned.to_netcdf(tmp_path / "data.nc")
    arrays = load_file(folder / ARRAYS)
    kept = {name: array for name, array in arrays.items() if name not in CHANCES}
    save_file(kept, folder / ARRAYS)
    earlier = il.load(folder)
    assert "kl_on" not in earlier.rows()[0]
    assert earlier.rows()[0]["drift"].keys() == again.rows()[0]["drift"].keys()


def test_an_array_of_the_wrong_shape_is_named(learned, tmp_path):
    folder = learned.save(tmp_path / "new")
    arrays = load_file(folder / ARRAYS)
    save_file(arrays | {"kl_on": arrays["kl_on"][..., :-1].copy()}, folder / ARRAYS)
    with pytest.raises(ValueError, match=r"of step in \w+, expected"):
        il.load(folder)


def test_the_table_never_shows_the_ratio_without_both_errors(learned):
    heading = learned.table().splitlines()[0]
    columns = ["KL off", "KL on", "%ExAccErr", "% off support", "own NLL"]
    assert [heading.index(title) for title in columns] == sorted(map(heading.index, columns))
    row = learned.rows()[0]
    on, off = row["kl_on"].value, row["kl_off"].value
    assert on > 0
    assert off > 0
    assert row["excess"].runs == 2


def test_what_accumulates_is_counted_in_steps_of_the_expert_s_error():
    on, off = np.array([2.0, 1.0, 3.0, np.inf]), np.array([1.0, 1.0, 1e-7, np.inf])
    assert accumulation.accumulated(on, off, 10)[:2].tolist() == [20, 10]
    assert accumulation.excess(on, off)[:2].tolist() == [100, 0]
    assert np.isnan(accumulation.excess(on, off)[2:]).all()


def test_the_mean_leaves_out_the_first_step_and_what_was_not_lived():
    each = np.array([[[9.0, 1, 2, 0], [9, 3, 4, 5]]])
    assert accumulation.mean_step(each, np.array([[3, 4]])).tolist() == [3.0]
    assert np.isnan(accumulation.mean_step(each, np.array([[1, 1]]))).all()


@pytest.mark.parametrize(("e", "r"), [(0.02, 0.5), (0.3, 0.0), (1e-9, 1e-9), (0.7, 0.9), (0, 0.4)])
def test_the_share_off_the_path_is_its_recursion(e, r):
    share = theory.off_path(e, r, 50)
    before, after = share[:-1], share[1:]
    assert after == pytest.approx(before * (1 - r) + (1 - before) * e, rel=1e-12, abs=1e-24)
    # One's extra loss over T steps is the sum of the chances before each.
    assert theory.cascade(e, 51, 1.0, r) == pytest.approx(share.sum(), rel=1e-9)


def test_rates_and_misfit_of_a_chain_are_its_own():
    random = np.random.default_rng(0)
    coin = random.random((2, 4000, 60))
    off = np.zeros((2, 4000, 61), dtype=bool)
    for t in range(60):
        off[..., t + 1] = np.where(off[..., t], coin[..., t] > 0.4, coin[..., t] < 0.05)
    e, r = accumulation.rates(off)
    assert e == pytest.approx(0.05, abs=0.002)
    assert r == pytest.approx(0.4, abs=0.01)
    assert (accumulation.misfit(off) < 4 * (0.11 * 0.89 / 4000) ** 0.5).all()
    # One that leaves at once and only late is no chain with constant rates.
    late = np.zeros((1, 2, 11), dtype=bool)
    late[..., 6:] = True
    assert accumulation.misfit(late).item() > 0.4


def test_off_the_path_is_where_no_clean_text_comes():
    env = il.make("keyed")
    nodes = torch.arange(13.0)[None, :, None].expand(1, 13, 3)
    assert env.off_path(nodes).tolist() == [[False] * 10 + [True] * 3]
    env = il.make("golden", horizon=3, slip=0.5)
    nodes = torch.arange(8.0)[None, :, None].expand(1, 8, 3)
    assert env.off_path(nodes).tolist() == [[False] * 4 + [True] * 4]


def test_the_first_symbol_that_differs_is_the_first_disagreement(learned):
    """Until then both have written the same text, so that the learner is asked after the expert's."""
    for learner in (1, 2, 3):
        apart = learned.arrays["action"][learner] != learned.arrays["action"][0]
        errs = learned.arrays["error_off"][learner] != 0
        assert (apart.any(-2).argmax(-1) == errs.any(-2).argmax(-1)).all()


def test_a_sweep_keeps_them_where_there_are_some(learned, tmp_path):
    env = tiny("lane")
    control = il.compare(env, il.expert(env), copy=il.expert(env), episodes=2)
    for number, record in enumerate((learned, control)):
        folder = tmp_path / str(number)
        seeds = range(record.runs)
        runs = [
            {"env": "e", "algo": "a", "settings": {}, "seed": seed, "n": number} for seed in seeds
        ]
        store.write(folder, runs, rows.numbers(record))
    assert "kl_on" in store.open(tmp_path / "0")
    assert "kl_on" not in store.open(tmp_path / "1")


def test_the_report_names_both_errors_and_of_control_none(learned):
    sentence = report.sentence(learned)
    assert "Nats a step from the expert's chances" in sentence
    assert "(%ExAccErr " in sentence
    assert "silent" not in sentence.partition("Nats a step")[2]
    env = tiny("lane")
    control = il.compare(env, il.expert(env), copy=il.expert(env), episodes=2)
    assert "Nats" not in report.sentence(control)


@pytest.mark.parametrize("net", ["gru", "table", "mlp", "transformer"])
def test_a_policy_tells_the_chances_by_which_it_writes(net):
    env = il.make("keyed", horizon=5, seeds=2)
    training = il.Training(net=net, updates=3)
    policy = il.BC(4, training).learn(env, il.expert(env))
    assert isinstance(policy, StochasticPolicy)
    random = np.random.default_rng(0)
    memory = own = None
    for _ in range(3):
        obs = torch.from_numpy(random.integers(0, 16, (2, 30, 1))).float()
        draw = torch.from_numpy(random.random((2, 30)))
        chances, memory = policy.distribution(obs, memory)
        action, own = policy.act(obs, own, draw)
        assert chances.dtype == torch.float64
        assert chances.sum(-1).numpy() == pytest.approx(1)
        assert torch.equal(choose(chances, draw), action)


@dataclass(frozen=True, kw_only=True)
class Wide(il.ENVS["golden"]):
    """A path whose last symbols stand for three bytes, as tokens do."""

    @property
    def symbol_bytes(self):
        return (1.0,) * 8 + (3.0,) * 8


def test_costs_over_bytes_are_those_of_symbols_over_what_symbols_stand_for(tmp_path):
    env = Wide(horizon=6, slip=0.1, seed=(0, 1))
    expert = il.EXPERTS["golden"](env)
    record = il.compare(env, expert, anything=uniform(env), episodes=4)
    assert record.arrays["bytes_on"][1] == pytest.approx(2.0)
    gold = np.where(env.gold.numpy() < 8, 1.0, 3.0)
    path = record.arrays["state"][0, ..., :-1, 0] <= 6
    sizes = np.where(path, gold, 2.0)
    assert record.arrays["bytes_off"][0] == pytest.approx(sizes)
    told = rows.numbers(record)
    assert told["nll_on_byte"] == pytest.approx(told["nll_on"] / 2)
    later = record.arrays["bytes_off"][1, ..., 1:].mean((1, 2))
    assert told["nll_off_byte"] == pytest.approx(math.log(16) / later)
    assert "own NLL/byte" in record.table()
    again = il.load(record.save(tmp_path / "wide"), env)
    assert np.array_equal(again.arrays["bytes_on"], record.arrays["bytes_on"])


def test_a_text_has_the_bytes_of_its_characters(tmp_path):
    path = tmp_path / "text"
    path.write_text("aaaa" + "bbb" + "é" * 2 + "€" + "xü", encoding="utf-8")
    env = il.make("text", text_file=str(path), vocabulary=4, order=1, horizon=4)
    rare = (3 + 1 + 2) / 3
    assert env.symbol_bytes == (1.0, 1.0, 2.0, rare)
    record = il.compare(env, il.expert(env), anything=uniform(env), episodes=2)
    assert record.arrays["bytes_on"][1] == pytest.approx((4 + rare) / 4)
    assert "NLL off/byte" in record.table()


def test_bytes_without_costs_tell_nothing(learned):
    """A Record may come from anyone."""
    sizes = {name: np.ones_like(learned.arrays["kl_on"]) for name in BYTES}
    kept = {name: array for name, array in learned.arrays.items() if not name.startswith("nll")}
    strange = Record(kept | sizes, learned.config)
    assert "nll_on_byte" not in rows.numbers(strange)
    assert "byte" not in strange.table()


def test_a_language_without_bytes_has_no_such_columns(learned):
    assert not set(BYTES) & set(learned.arrays)
    assert "byte" not in learned.table()
    assert "nll_on_byte" not in rows.numbers(learned)
