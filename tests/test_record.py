import dataclasses
import json
import os

import numpy as np
import pytest
import xarray as xr
from conftest import SMALL, tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import il_bench as il
from il_bench.borders.resolve import named
from il_bench.core import files
from il_bench.core.streams import Streams
from il_bench.fit.fitting import restore
from il_bench.measures.assess import measures
from il_bench.records import rows
from il_bench.records.record import ARRAYS
from il_bench.records.schema import INDEX, OPTIONAL, SHAPE, Index
from il_bench.show.report import sentence
from il_bench.stats import growth


def compared(**changes):
    env = tiny("lane", **{"seeds": 2, "lipschitz": (1.1, 1.2), **changes})
    expert = il.expert(env)
    bc, dagger = il.BC(1, SMALL), il.DAgger(rounds=2, training=SMALL)
    return il.compare(
        env, expert, episodes=3, bc=bc.learn(env, expert), dagger=dagger.learn(env, expert)
    )


@pytest.fixture(scope="module")
def record():
    return compared()


@pytest.fixture
def saved(record, tmp_path):
    return record.save(tmp_path / "kept")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "la{e"},
        {"settings": {"device": "cpN"}},
        {"settings": {"lipschitz": [1e400]}},
        {"settings": {"horizon": "12"}},
    ],
)
def test_an_environment_that_cannot_be_had_is_the_record_s(saved, change):
    path = saved / INDEX
    config = json.loads(path.read_text())
    settings = config["env"]["settings"] | change.pop("settings", {})
    config["env"] |= {**change, "settings": settings}
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"^record: [^\n]+$"):
        il.load(saved).env  # noqa: B018


def test_dimensions_and_coordinates_are_labelled(record):
    data = record.data
    assert data["divergence"].dims == ("learner", "run", "episode", "time")
    assert dict(data.sizes) == {
        "learner": 3,
        "run": 4,
        "episode": 3,
        "time": 13,
        "x": 4,
        "d": 2,
        "step": 12,
        "u": 1,
    }
    assert data.learner.values.tolist() == ["expert", "bc", "dagger"]
    assert data.lipschitz.values.tolist() == [1.1, 1.1, 1.2, 1.2]
    assert data.seed.values.tolist() == [0, 1, 0, 1]
    assert data.x.values.tolist() == ["offset", "heading", "phase_1", "phase_2"]
    assert (data["divergence"].sel(learner="expert") == 0).all()
    assert (
        data["divergence"].sel(learner="bc").where(data.lipschitz == 1.2, drop=True).sizes["run"]
        == 2
    )


def test_divergence_is_the_length_of_delta(record):
    a = record.arrays
    np.testing.assert_allclose(np.linalg.norm(a["delta"], axis=-1), a["divergence"], rtol=1e-12)
    np.testing.assert_array_equal(a["delta"][1], a["state"][1][..., :2] - a["state"][0][..., :2])


def test_it_comes_back_as_it_was(record, saved):
    again = il.load(saved)
    for name in record.arrays:
        np.testing.assert_array_equal(again.arrays[name], record.arrays[name])
        assert again.arrays[name].dtype == record.arrays[name].dtype
    assert again.learners == record.learners
    assert again.table() == record.table()
    assert again.env == record.env
    bc = {k.removeprefix("bc/"): v for k, v in again.weights.items() if k.startswith("bc/")}
    import torch

    policy = restore("mlp", {k: torch.from_numpy(v) for k, v in bc.items()}, again.env.action_space)
    assert policy.runs == 4


def test_the_typed_index_is_what_the_schema_checks(saved):
    required = {f.name for f in dataclasses.fields(Index) if f.name in SHAPE}
    assert required == set(SHAPE)
    assert {f.name for f in dataclasses.fields(Index)} - required == set(OPTIONAL)
    index = il.load(saved).index
    assert index.env.settings["lipschitz"] == [1.1, 1.1, 1.2, 1.2]
    assert index.budgets["bc"].labels == [12, 12, 12, 12]
    assert index.algorithms["dagger"].name == "dagger"


def test_a_record_of_an_earlier_version_has_no_optional_entries(record, saved):
    index = json.loads((saved / INDEX).read_text())
    (saved / INDEX).write_text(
        json.dumps({name: value for name, value in index.items() if name not in OPTIONAL})
    )
    old = il.load(saved)
    assert old.table() == record.table()
    assert sentence(old)


def test_a_record_of_an_earlier_version_counted_no_derivatives(record, saved):
    budgets = json.loads((saved / INDEX).read_text())["budgets"]
    for budget in budgets.values():
        del budget["derivatives"]
    old = il.load(edited(saved, budgets=budgets))
    assert old.table() == record.table()
    for budget in old.index.budgets.values():
        assert budget.derivatives == [0] * old.runs
    (bc, *_) = measures(old, old.env, il.expert(old.env), old.policies()).rows
    assert bc["values"]["derivatives of the expert"].value == 0


def test_a_record_of_an_earlier_version_counted_episodes_of_all_runs_at_once(record, saved):
    budgets = json.loads((saved / INDEX).read_text())["budgets"]
    for budget in budgets.values():
        budget["episodes"] = 7
    old = il.load(edited(saved, budgets=budgets))
    assert [budget.episodes for budget in old.index.budgets.values()] == [[7] * 4] * 2


def test_what_ran_is_written_down_whole(saved):
    config = json.loads((saved / INDEX).read_text())
    assert config["env"] == {"name": "lane", "settings": config["env"]["settings"]}
    assert config["env"]["settings"]["lipschitz"] == [1.1, 1.1, 1.2, 1.2]
    assert config["env"]["settings"]["yaw"] == 1.05
    assert config["algorithms"]["dagger"]["settings"]["training"]["updates"] == 60
    assert config["budgets"]["dagger"]["updates"] == 60
    assert config["budgets"]["bc"]["labels"] == [12, 12, 12, 12]
    assert {"python", "torch", "numpy", "il-bench"} <= set(config["versions"])
    assert "nan" not in (saved / INDEX).read_text().lower().replace("finance", "")


def test_netcdf_hands_it_to_anyone(record, tmp_path):
    record.to_netcdf(tmp_path / "drift.nc")
    with xr.open_dataset(tmp_path / "drift.nc", engine="scipy") as other:
        np.testing.assert_array_equal(other["divergence"].values, record.arrays["divergence"])
        assert other["divergence"].attrs["description"].startswith("distance D_t")


def test_netcdf_that_cannot_be_written_is_a_sentence(record, tmp_path):
    (tmp_path / "folder" / "file").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"path: .*folder cannot be written"):
        record.to_netcdf(tmp_path / "folder")


def test_the_same_comparison_twice_is_identical(record):
    again = compared()
    for name in record.arrays:
        np.testing.assert_array_equal(again.arrays[name], record.arrays[name])


def test_rows_are_one_a_learner_and_setting(record):
    rows = record.rows(at=(1, 12))
    assert [(r["learner"], r["settings"]["lipschitz"]) for r in rows] == [
        ("bc", 1.1), ("dagger", 1.1), ("bc", 1.2), ("dagger", 1.2),
    ]  # fmt: skip
    first = record.arrays["divergence"][1, :2, :, 12]
    assert rows[0]["drift"][12].value == pytest.approx(np.median(np.sort(first, 1)[:, 1]))
    with pytest.raises(ValueError, match="at: expected times from 0 to 12, got 13"):
        record.rows(at=(13,))


def test_the_table_fits_its_columns(record):
    lines = record.table(at=(2, 12)).splitlines()
    assert "D at t=12" in lines[0]
    assert len(lines) == 6
    assert lines[2].startswith("bc")


def test_the_return_stands_beside_the_experts(record):
    row = record.rows()[0]
    returns = record.arrays["reward"].sum(-1).mean(-1)
    own, experts = returns[1, :2], returns[0, :2]
    assert row["return"].value == pytest.approx(np.median(own))
    assert row["expert_return"].value == pytest.approx(np.median(experts))
    assert row["share"].ratio == bool((experts > 0).all() and (own > 0).all())
    assert "of expert's" in record.table().splitlines()[0]
    np.testing.assert_allclose(record.cost_gap(1), returns[0] - returns[1])


def test_a_share_is_a_ratio_of_positive_returns_and_else_a_difference():
    eight = np.full(8, 1.0)
    assert rows.share(9.0 * eight, 10.0 * eight).texts() == ("90%", "of 10.0")
    assert rows.share(-13.0 * eight, -10.0 * eight).texts() == ("-3.0", "from -10.0")
    assert rows.share(-8.0 * eight, -10.0 * eight).texts()[0] == "+2.0"
    one_broke = np.where(np.arange(8) == 0, -np.inf, 9.0)
    assert rows.share(one_broke, 10.0 * eight).part.value == 0.9
    assert rows.share(np.linspace(8, 9, 8), 10.0 * eight).texts() == ("85%", "[80, 90] of 10.0")


def test_a_sweep_keeps_and_shows_what_a_record_shows(record):
    numbers = rows.numbers(record, 2)
    told = {name: one for name, one in rows.VARIABLES.items() if rows.is_told(record, one)}
    assert set(numbers) == set(told)
    for name, variable in told.items():
        shape = (4,) if variable.dims == ("run",) else (4, 13)
        assert numbers[name].shape == shape
    pooled = rows.line({name: array[2:] for name, array in numbers.items()})
    row = record.rows()[3]
    assert {name: row[name] for name in pooled} == pooled
    shown = rows.cell_texts(row)
    assert shown | rows.line_texts(pooled) == shown


def test_learners_are_compared_by_a_measure_that_is_named_and_by_falls_where_there_are_some():
    record = compared(lipschitz=1.1, seeds=6)
    ended = np.zeros_like(record.arrays["terminated"])

    def cells():
        arrays = record.arrays | {"terminated": ended}
        changed = dataclasses.replace(record, arrays=arrays)
        return [rows.cell_texts(row) for row in changed.rows(at=(3, 5))]

    first, second = cells()
    assert first["D at t=5, against bc"] == ("", "")
    assert second["D at t=5, against bc"] != ("", "")
    assert "falls, against bc" not in second
    ended[1] = True
    first, second = cells()
    assert first["falls, against bc"] == ("", "")
    assert second["falls, against bc"] == ("-1.0", "better")


def test_growth_is_fitted_once_for_each_learner_and_run(monkeypatch, tmp_path):
    fits, fit = [], growth.fit

    def counted(*arguments):
        fits.append(arguments)
        return fit(*arguments)

    monkeypatch.setattr(growth, "fit", counted)
    record = compared()
    record.rows()
    record.table()
    sentence(record)
    il.plot(record, tmp_path / "drift.png")
    rows.numbers(record, 1)
    assert len(fits) == 2 * 4


def test_groups_are_found_in_one_pass(record):
    assert [(dict(key), runs.tolist()) for key, runs in record.groups().items()] == [
        ({"lipschitz": 1.1}, [0, 1]),
        ({"lipschitz": 1.2}, [2, 3]),
    ]


def test_policies_come_back(record, saved):
    again = il.load(saved)
    policies = again.policies()
    assert list(policies) == ["bc", "dagger"]
    state = again.env.initial(Streams(again.env.seeds), 2)
    drift = il.compare(again.env, il.expert(again.env), policies, episodes=3)
    np.testing.assert_array_equal(drift.arrays["state"], record.arrays["state"])
    one = again.policy("dagger")[3]
    action, _ = one.predict(again.env.observation(state)[3, 0].numpy())
    assert action.shape == (1,)
    with pytest.raises(ValueError, match="learner: expected expert or bc or dagger, got 'pd'"):
        again.policy("pd")
    with pytest.raises(ValueError, match="this Record keeps no weights of 'expert'"):
        again.policy("expert")


def test_numpys_numbers_are_numbers(tmp_path):
    plain = il.make("lane", seeds=3, horizon=10, lipschitz=(1.1, 1.2))
    env = il.make("lane", seeds=np.arange(3), horizon=np.int64(10), lipschitz=np.array([1.1, 1.2]))
    assert env == plain
    expert = il.expert(env)
    training = il.Training(hidden=(np.int64(4),), updates=np.int32(8), lr=np.float32(1e-3))
    dagger = il.DAgger(
        rounds=np.int64(2), episodes=np.int16(1), p=np.float64(0.5), training=training
    )
    assert type(dagger.rounds) is int
    record = il.compare(
        env,
        expert,
        {"dagger": dagger.learn(env, expert)},
        episodes=np.int64(2),
        notes={"tried": np.int64(3), "rates": np.arange(2)},
    )
    folder = record.save(tmp_path / "kept")
    index = json.loads((folder / INDEX).read_text())
    assert index["episodes"] == 2
    assert index["tried"] == 3
    assert index["rates"] == [0, 1]
    assert index["algorithms"]["dagger"]["settings"]["training"]["hidden"] == [4]
    assert index["runs"]["seed"] == [0, 1, 2] * 2


@pytest.mark.parametrize("wrong", [0, 2.5, "many", True, np.float64(1.5)])
def test_a_number_of_episodes_that_is_none_is_a_sentence(wrong):
    env = tiny("tube")
    with pytest.raises(ValueError, match="episodes: expected a whole number of at least 1, got"):
        il.compare(env, il.expert(env), episodes=wrong, copy=il.expert(env))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("expert", "expert: the Record calls the expert itself so"),
        ("a/b", "'a/b': expected a name without /"),
        ("", "'': expected a name without /"),
        (3, "3: expected a name without /"),
    ],
)
def test_a_name_that_no_policy_can_bear_is_refused_before_anything_is_computed(name, sentence):
    class Unasked(il.Expert):
        def act(self, state):
            raise AssertionError("asked")

    with pytest.raises(ValueError, match=sentence):
        il.compare(tiny("tube"), Unasked(), {name: Unasked()})


def test_one_policy_in_all_runs_has_no_interval_over_runs(tmp_path):
    env = tiny("lane", seeds=8)
    expert = il.expert(env)
    function = named(env, lambda obs: (-obs[:, :1]).clip(-1, 1))
    bc = il.BC(1, SMALL).learn(env, expert)
    record = il.compare(env, expert, episodes=2, function=function, bc=bc, copy=Slower())
    assert record.config["one"] == ["function", "copy"]
    record = il.load(record.save(tmp_path / "kept"))
    one, many, copy = record.rows()
    assert many["drift"][12].low < many["drift"][12].high
    for row in (one, copy):
        assert row["drift"][12].low == row["drift"][12].value == row["drift"][12].high
        assert "[" not in " ".join(text for cell in rows.cell_texts(row).values() for text in cell)


class Slower(il.Expert):
    """Another expert."""

    def act(self, state):
        return -0.1 * state[..., :1]


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_an_interrupted_save_leaves_nothing(record, tmp_path, monkeypatch, moved):
    """Whether it stops while the draft is written or while its files are moved."""
    real, calls = files.os.replace, []

    def stops(source, target):
        calls.append(target)
        if len(calls) > moved:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(files.os, "replace", stops)
    with pytest.raises(KeyboardInterrupt):
        record.save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["link", "empty", "n" * 248, "[b]x[/b]"])
def test_a_record_goes_where_it_can(record, tmp_path, place):
    """Into a link to an empty folder, an empty folder as a mount point is one, and under any name."""
    (tmp_path / "there").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert il.load(record.save(tmp_path / place)).learners == record.learners
    assert (tmp_path / "link").is_symlink()
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(files.DRAFT)]


def test_a_link_to_nothing_gets_what_it_names(record, tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "new" / "place")
    record.save(tmp_path / "out")
    assert il.load(tmp_path / "new" / "place").learners == record.learners


def test_a_link_to_itself_is_a_sentence(record, tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "out")
    with pytest.raises(ValueError, match=r"out: .*(is no folder|cannot be written)"):
        record.save(tmp_path / "out")


def test_a_limit_of_a_file_s_size_is_a_sentence_and_leaves_nothing(record, tmp_path):
    """The library of the arrays has an error of its own for it."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, before[1]))
    try:
        with pytest.raises(ValueError, match=r"out: .* cannot be written \(File too large\)"):
            record.save(tmp_path / "new" / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_not_touched(record, saved):
    before = {p.name: p.read_bytes() for p in saved.iterdir()}
    with pytest.raises(ValueError, match=r"out: .* already holds files; name a new folder"):
        record.save(saved)
    assert before == {p.name: p.read_bytes() for p in saved.iterdir()}


def test_a_folder_that_cannot_be_written_is_a_sentence(record, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"out: .* cannot be written"):
        record.save(tmp_path / "file" / "out")


def test_what_is_no_record_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"is not a Record \(it has no record.json\)"):
        il.load(tmp_path)
    with pytest.raises(ValueError, match="is not a Record"):
        il.load(tmp_path / "nowhere")


@pytest.mark.parametrize("keep", [0, 5, 100, 5000])
@pytest.mark.parametrize("name", [ARRAYS, INDEX, "policy.safetensors"])
def test_a_truncated_record_is_a_sentence(saved, name, keep):
    whole = (saved / name).read_bytes()
    (saved / name).write_bytes(whole[: min(keep, len(whole) - 2)])
    with pytest.raises(ValueError, match=r"is truncated or damaged|lacks"):
        il.load(saved)


def test_a_missing_file_is_a_sentence(saved):
    (saved / ARRAYS).unlink()
    with pytest.raises(ValueError, match="is truncated or damaged"):
        il.load(saved)


def edited(saved, **changes):
    config = json.loads((saved / INDEX).read_text()) | changes
    (saved / INDEX).write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    return saved


def test_another_version_is_a_sentence(saved):
    with pytest.raises(ValueError, match="is of format 99, expected 2"):
        il.load(edited(saved, format=99))


@pytest.mark.parametrize("missing", SHAPE)
def test_a_record_that_lacks_something_names_it(saved, missing):
    with pytest.raises(ValueError, match=f"lacks {missing}"):
        il.load(edited(saved, **{missing: None}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"episodes": "many"},
        {"collected": "much"},
        {"collected": [1.0]},
        {"falls": None},
        {"steps": []},
    ],
)
def test_a_budget_that_is_none_is_a_sentence(saved, wrong):
    budgets = json.loads((saved / INDEX).read_text())["budgets"]
    name = next(iter(budgets))
    with pytest.raises(
        ValueError, match=f"has budgets of the wrong kind|has . of .* of {name} for 4 runs"
    ):
        il.load(edited(saved, budgets=budgets | {name: budgets[name] | wrong}))


def test_arrays_that_contradict_the_index_are_a_sentence(saved):
    with pytest.raises(ValueError, match="has 3 of learner in state, expected 2"):
        il.load(edited(saved, learners=["expert", "bc"]))


def test_loading_runs_no_strangers_code(saved, tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise SystemExit('executed')\n")
    monkeypatch.syspath_prepend(tmp_path)
    record = il.load(edited(saved, env={"name": "trap:Env", "settings": {}}))
    assert record.table()
    with pytest.raises(ValueError, match="its environment 'trap:Env' is a file's; name it"):
        _ = record.env


@given(st.binary(max_size=300))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_index_makes_the_reader_fail_without_a_sentence(saved, content):
    (saved / INDEX).write_bytes(content)
    with pytest.raises(ValueError, match="record: "):
        il.load(saved)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(["format", *SHAPE, *OPTIONAL]), json_values)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_entry_of_the_index_does_either(saved, key, value):
    whole = (saved / INDEX).read_text()
    config = json.loads(whole)
    (saved / INDEX).write_text(json.dumps(config | {key: value}))
    try:
        record = il.load(saved)  # an entry that happens to be valid must serve as well
        assert record.table()
        assert sentence(record)
        rows.broken(record)
    except ValueError as refusal:
        assert "record: " in str(refusal)
    finally:
        (saved / INDEX).write_text(whole)


@pytest.mark.parametrize("name", [ARRAYS, INDEX])
def test_a_link_in_place_of_a_file_is_refused(saved, tmp_path, name):
    (saved / name).rename(tmp_path / "elsewhere")
    (saved / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is a link; copy the file itself there"):
        il.load(saved)


def test_a_header_that_declares_ten_gigabytes_is_refused_at_once(saved):
    header = b'{"state":{"dtype":"F64","shape":[1250000000],"data_offsets":[0,10000000000]}}'
    (saved / ARRAYS).write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 900)
    with pytest.raises(ValueError, match="truncated or damaged"):
        il.load(saved)


def test_an_index_too_large_to_be_one_is_refused_unread(saved, monkeypatch):
    monkeypatch.setattr("il_bench.records.record.LARGEST_INDEX", 10)
    with pytest.raises(ValueError, match="more than any Record's"):
        il.load(saved)


def rewritten(saved, change):
    """The Record with other arrays."""
    arrays = load_file(saved / ARRAYS)
    save_file({k: np.ascontiguousarray(v) for k, v in change(arrays).items()}, saved / ARRAYS)
    return saved


def shorter(*names):
    """A change that takes the last step from arrays (learner, run, episode, step, ...)."""
    return lambda arrays: {k: v[:, :, :, :-1] if k in names else v for k, v in arrays.items()}


STEPWISE = ("action", "reward", "error_on", "error_off")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: {k: v[:, :, :0] for k, v in a.items()}, "has no episode"),
        (shorter(*STEPWISE), "has 13 times for 11 steps"),
        (lambda a: a | {"state": a["state"].astype("int32")}, "has state of int32"),
        (lambda a: a | {"length": a["length"].astype("float64")}, "has length of float64"),
        (lambda a: a | {"terminated": a["broke"]}, "has terminated of int64"),
        (lambda a: a | {"length": a["length"] + 1}, "has length outside 0 to 12"),
        (lambda a: a | {"length": a["length"] - 99}, "has length outside 0 to 12"),
        (lambda a: a | {"broke": a["broke"] + 99}, "has broke outside -1 to 11"),
        (lambda a: {k: v for k, v in a.items() if k != "reward"}, "lacks reward"),
    ],
)
def test_arrays_that_are_none_of_a_record_are_a_sentence(saved, change, sentence):
    edited(saved, reward="a word of this name in the index is no array")
    with pytest.raises(ValueError, match=f"record: .* {sentence}; write it again"):
        il.load(rewritten(saved, change))


HUGE = "1" + "0" * 400
"""A number that no floating point holds, as JSON writes it."""


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("diameter", f"[{HUGE}, 1, 1, 1]"),
        ("diameter", "[NaN, 1, 1, 1]"),
        ("diameter", "[-1, 1, 1, 1]"),
        ("runs", '{"seed": [], "lipschitz": []}'),
        ("runs", '{"seed": [0.5, 1, 2, 3]}'),
        ("runs", '{"seed": [true, 1, 2, 3]}'),
        ("runs", f'{{"seed": [{HUGE}, 1, 2, 3]}}'),
        ("runs", '{"seed": [0, 1, 2, 3], "lipschitz": [NaN, 1, 1, 1]}'),
        ("demonstrated", f'{{"bc": [{HUGE}, 1, 1, 1]}}'),
    ],
)
def test_numbers_that_are_none_are_a_sentence(saved, entry, text):
    edited(saved, **{entry: "@"})
    index = saved / INDEX
    index.write_text(index.read_text().replace('"@"', text))
    with pytest.raises(ValueError, match=f"record: .* has {entry} of the wrong kind"):
        il.load(saved)


@pytest.mark.parametrize("name", ["labels", "steps", "updates", "seconds"])
@pytest.mark.parametrize("text", ["NaN", "-1", HUGE, "Infinity"])
def test_a_budget_of_numbers_that_are_none_is_a_sentence(saved, name, text):
    budgets = json.loads((saved / INDEX).read_text())["budgets"]
    several = isinstance(budgets["bc"][name], list)
    budgets["bc"][name] = ["@"] * 4 if several else "@"
    edited(saved, budgets=budgets)
    index = saved / INDEX
    index.write_text(index.read_text().replace('"@"', text))
    with pytest.raises(ValueError, match=r"record: .* has budgets of the wrong kind"):
        il.load(saved)


@pytest.mark.parametrize("name", [ARRAYS, INDEX, "policy.safetensors"])
def test_a_pipe_in_place_of_a_file_is_refused_at_once(saved, name):
    (saved / name).unlink()
    os.mkfifo(saved / name)
    with pytest.raises(ValueError, match=r"is no file; write it again|is not a Record"):
        il.load(saved)


def stretch(path, name, shape, size):
    """Let a file declare another shape of an array, and be a hole from the end of its header on, of `size` bytes."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header[name]["shape"] = shape
    header[name]["data_offsets"] = [0, size]
    text = json.dumps({name: header[name]}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + size)


@pytest.mark.parametrize("name", [ARRAYS, "policy.safetensors"])
def test_a_file_that_is_a_hole_is_not_read(saved, name):
    size = 2**36
    array = "state" if name == ARRAYS else "bc/layer.00"
    stretch(saved / name, array, [1, size // 4], size)
    size = (saved / name).stat().st_size
    with pytest.raises(ValueError, match=f"it declares {size:,} bytes, of which"):
        il.load(saved)


def test_shapes_are_held_against_the_index_before_a_number_is_read(saved, monkeypatch):
    arrays = load_file(saved / ARRAYS)
    save_file(arrays | {"reward": np.zeros((3, 4, 3, 1000))}, saved / ARRAYS)
    monkeypatch.setattr("il_bench.records.record._read", lambda *rest: pytest.fail("read"))
    with pytest.raises(ValueError, match=r"record: .* has 1000 of step in reward, expected 12"):
        il.load(saved)


def test_what_the_schema_does_not_name_is_not_read(record, saved):
    more = np.zeros(1)
    arrays = load_file(saved / ARRAYS)
    save_file(arrays | {"zeros": more}, saved / ARRAYS)
    weights = load_file(saved / "policy.safetensors")
    save_file(weights | {"nobody/zeros": more}, saved / "policy.safetensors")
    again = il.load(saved)
    assert set(again.arrays) == set(record.arrays)
    assert set(again.weights) == set(record.weights)
