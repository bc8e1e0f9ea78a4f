"""Figures and tables for terminals: nothing breaks them, nothing repeats, nothing is left out; ASCII consoles too."""

import io
from pathlib import Path

import numpy as np
import pytest
import xarray
from conftest import SMALL, tiny

import il_bench as il
from il_bench import table
from il_bench.cli import complaints
from il_bench.cli.plain import forgive
from il_bench.paint.canvas import colour_of
from il_bench.records import rows
from il_bench.records.record import Record
from il_bench.show import figure, record_figure, sweep_figure, sweep_table, terminal, words


def compared(name="tube", learners=("bc",), **settings):
    """A Record of copies that learned next to nothing."""
    env = tiny(name, **{"seeds": 2, **settings})
    expert = il.expert(env)
    policy = il.BC(episodes=2, training=SMALL).learn(env, expert)
    return il.compare(env, expert, dict.fromkeys(learners, policy), episodes=3)


@pytest.fixture(scope="module")
def record():
    return compared(learners=("bc", "other"), lipschitz=(0.9, 1.1, 1.2, 1.3))


@pytest.fixture(scope="module")
def of_one_setting():
    """The same in one panel, which takes a third of the time to draw."""
    return compared(learners=("bc", "other"))


def copy_of(record, **arrays):
    return Record({**record.arrays, **arrays}, record.config, known_env=record.env)


@pytest.mark.parametrize("value", [0.0, np.inf, np.nan, 1e300, 1e-300])
def test_no_divergence_breaks_the_figure(of_one_setting, tmp_path, value):
    divergence = of_one_setting.arrays["divergence"].copy()
    divergence[1, ..., 5:] = value
    divergence[2] = value
    path = il.plot(copy_of(of_one_setting, divergence=divergence), tmp_path / "drift.png")
    assert path.read_bytes()[1:4] == b"PNG"
    assert [p.name for p in tmp_path.iterdir()] == ["drift.png"]


def test_zero_stands_at_zero_and_infinity_above_every_number(record):
    divergence = record.arrays["divergence"].copy()
    divergence[1, ..., 6:] = 0.0
    divergence[2, ..., 6:] = np.inf
    axis = il.plot(copy_of(record, divergence=divergence)).axes[0]
    zero, infinite = (line.get_ydata()[-1] for line in axis.lines[-2:])
    low, high = axis.get_ylim()
    assert low < 0 == zero
    finite = divergence[np.isfinite(divergence)].max()
    assert finite < infinite < high
    labels = [axis.yaxis.get_major_formatter()(tick, 0) for tick in axis.get_yticks()]
    assert (labels[0], labels[-1]) == ("0", "∞")


def test_panels_share_their_scale_and_one_legend_stands_outside_of_them(record):
    drawing = il.plot(record)
    shown = [axis for axis in drawing.axes if axis.get_visible()]
    assert len(shown) == 4
    assert len({axis.get_ylim() for axis in shown}) == 1
    assert all(axis.get_legend() is None for axis in shown)
    assert [text.get_text() for text in drawing.legends[0].texts][:2] == ["bc", "other"]


def test_two_settings_are_laid_out_against_each_other():
    keys = [(("a", x), ("b", y)) for x in (1, 2) for y in (1, 2, 3)]
    assert record_figure._shape(keys) == (2, 3)
    assert record_figure._shape([(("a", x),) for x in range(4)]) == (2, 2)
    assert record_figure._shape([()]) == (1, 1)


def test_a_distance_that_is_0_or_1_is_drawn_as_a_chance():
    record = compared("parity")
    assert record.indicator
    divergence = np.zeros_like(record.arrays["divergence"])
    divergence[1, 1:] = 1.0  # the first run's copies never part, all others always
    record.arrays["divergence"] = divergence
    axis = il.plot(record).axes[0]
    assert axis.get_yscale() == "linear"
    assert axis.get_ylim() == (-0.02, 1.02)
    chance = record.arrays["divergence"][1].mean(1)[..., 1:]
    assert axis.lines[0].get_ydata() == pytest.approx(chance.mean(0))  # as table and sentence say


@pytest.mark.parametrize("name", sorted(il.ENVS))
def test_an_environment_s_distance_is_0_or_1_where_it_says_so(name):
    if not il.ENVS[name].indicator:
        return
    env = tiny(name)
    streams = il.Streams(env.seeds)
    one, other = (env.initial(streams.fork(word), 64) for word in ("one", "other"))
    assert set(env.distance(one, other).unique().tolist()) <= {0.0, 1.0}


def test_nine_learners_have_nine_looks_and_no_crowd_of_bands():
    drawing = il.plot(compared(learners=[f"copy{i}" for i in range(9)]))
    lines = [line for line in drawing.axes[0].lines if line.get_linewidth() == 2.0]
    assert len({(line.get_color(), str(line._unscaled_dash_pattern)) for line in lines}) == 9
    assert not drawing.axes[0].collections


def test_what_only_tells_how_to_set_a_formula_takes_no_room_in_the_legend():
    formula = r"small gain: $y' = \mathrm{growth}\cdot y + D_1$"
    assert figure._visible(formula) == "small gain: y' = growth y + D1"
    plain = figure._legend_width(["small gain: y' = growth y + D1"], 1)
    assert figure._legend_width([formula], 1) == plain


def test_a_notebook_shows_a_figure_that_no_file_holds(record):
    assert il.plot(record)._repr_png_()[1:4] == b"PNG"


def test_an_ending_that_no_format_has_is_a_sentence(record, tmp_path):
    with pytest.raises(ValueError, match=r"path: expected an ending among .*, got 'drift\.xyz'"):
        il.plot(record, tmp_path / "drift.xyz")


def grid(**axes):
    """Results of a sweep: every combination of env, algo, seed and some settings."""
    axes = {"env": ["tube"], "algo": ["bc", "dagger"], **axes}
    axes["seed"] = axes.pop("seed", [0, 1])
    cells = np.stack(np.meshgrid(*axes.values(), indexing="ij"), -1).reshape(-1, len(axes))
    coords = {
        name: ("run", np.array([type(axes[name][0])(v) for v in column]))
        for name, column in zip(axes, cells.T, strict=True)
    }
    drift = np.random.default_rng(0).random((len(cells), 5))
    variables = {"drift": (("run", "time"), drift), "ended": ("run", np.zeros(len(cells)))}
    return xarray.Dataset(variables, coords)


def test_a_sweep_over_two_settings_is_a_map_for_each_learner():
    data = grid(lipschitz=[0.9, 1.0, 1.1], noise=[0.0, 0.1])
    data["drift"][0] = np.nan
    data["drift"][1, 2:] = np.nan
    data["drift"][2:4] = 0.0
    data["drift"][4:6] = np.inf
    maps = [axis for axis in il.plot(data).axes if axis.images]
    assert [axis.get_title("left") for axis in maps] == ["bc", "dagger"]
    assert maps[0].get_xlabel() == "L"
    said = [text.get_text() for text in maps[0].texts]
    assert {"0", "∞"} <= set(said)
    last = data["drift"].values[-2:, -1]
    layout = sweep_figure.grid_of(data)
    assert layout.axes == ("lipschitz", "noise")
    summary = layout.summary(algo="dagger", lipschitz=1.1, noise=0.1)
    assert summary.value == pytest.approx(np.median(last))


def test_a_sweep_over_one_setting_is_a_curve_for_each_learner_and_the_rest_are_panels():
    drawing = il.plot(grid(lipschitz=[0.9, 1.0, 1.1], noise=[0.0, 0.1]), by=("lipschitz",))
    assert [axis.get_title("left") for axis in drawing.axes] == ["noise = 0", "noise = 0.1"]
    assert [line.get_color() for line in drawing.axes[0].lines] == [colour_of(1), colour_of(2)]
    said = [text.get_text() for text in drawing.legends[0].texts]
    assert said == ["bc", "dagger", "interval of the median over runs"]
    assert il.plot(grid()).axes[0].get_xticklabels()[1].get_text() == "dagger"


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 1e300, 1e-300])
@pytest.mark.parametrize("by", [("lipschitz",), ("lipschitz", "noise")])
def test_no_divergence_breaks_the_picture_of_a_sweep(value, by):
    data = grid(algo=["bc"], lipschitz=[0.9, 1.0], noise=[0.0, 0.1])
    data["drift"][:] = value
    assert il.plot(data, by=by)._repr_png_()[1:4] == b"PNG"


def test_a_sweep_of_chances_is_drawn_as_chances():
    assert il.plot(grid(env=["parity"], fog=[0.1, 0.2])).axes[0].get_ylim() == (-0.02, 1.02)


def test_what_no_one_picture_holds_is_a_sentence():
    many = grid(lipschitz=[0.9, 1.0], noise=[0.0, 0.1], wind=[float(i) for i in range(30)])
    with pytest.raises(ValueError, match="plot: expected at most 36 panels, these results need"):
        il.plot(many, by=("lipschitz", "noise"))
    with pytest.raises(ValueError, match=r"by: expected settings .* \(lipschitz\), got algo2"):
        il.plot(grid(lipschitz=[0.9, 1.0]), by=("algo2",))


def test_the_table_of_a_sweep_has_its_picture(monkeypatch, capsys):
    monkeypatch.setattr("il_bench.jobs.store.open", lambda path: grid(lipschitz=[0.9, 1.0]))
    monkeypatch.setattr(sweep_table, "_line", lambda *args: {"algo": ("bc", ""), "D at": ("1", "")})
    table.main(["results", "--plot", "grid.png"])
    assert Path("grid.png").stat().st_size > 1000
    assert str(Path("grid.png").absolute()) in capsys.readouterr().out
    Path("grid.png").write_text("another's")
    with pytest.raises(SystemExit):
        table.main(["results", "--plot", "grid.png"])
    assert "plot: grid.png already exists; name another file" in capsys.readouterr().err
    assert Path("grid.png").read_text() == "another's"


def of_several_noises(**axes):
    """Results in which dagger's twins did not always share their noise."""
    data = grid(lipschitz=[0.9, 1.0], **axes)
    share = np.where(data["algo"].values == "dagger", 0.25, 0.0)
    return data.assign(uncoupled=("run", share))


@pytest.mark.parametrize("noise", [[0.0], [0.0, 0.1]])
def test_the_picture_of_a_sweep_says_whose_twins_shared_no_noise(noise):
    drawing = il.plot(of_several_noises(noise=noise))
    note = drawing.legends[0].get_title().get_text()
    assert note.startswith("dagger: same seed, not same noise, in 25% of its rollouts: tube draws")
    assert "bc:" not in note
    assert drawing._repr_png_()


def test_the_table_of_a_sweep_says_whose_twins_shared_no_noise(monkeypatch, capsys):
    monkeypatch.setattr("il_bench.jobs.store.open", lambda path: of_several_noises())
    monkeypatch.setattr(sweep_table, "_line", lambda *args: {"algo": ("bc", ""), "D at": ("1", "")})
    table.main(["results"])
    assert "dagger: same seed, not same noise, in 25%" in capsys.readouterr().out
    assert sweep_table.remarks(grid()) == []
    assert "in less than 1% of" in rows.not_same_noise("tube", "bc", 0.001)


def test_of_many_remarks_a_picture_says_how_many_are_left_out():
    note = figure._note([f"learner {i}: is odd" for i in range(5)], 8.0)
    assert note.splitlines()[2:] == [
        "learner 2: is odd",
        "2 more of these stand beneath the table.",
    ]


def test_a_strangers_environment_is_not_opened_to_ask_for_its_metric():
    names = ["gymnasium.envs.classic_control:PendulumEnv", "parity", "tube", "trap"]
    assert rows.are_indicators(names, None).tolist() == [False, True, False, True]


def test_what_a_sweep_was_told_of_its_metric_decides():
    """A stranger's D of 0 or 1 was taken for a length, in table and picture: the median of a yes or no."""
    told = np.array([1.0, np.nan, np.nan])
    names = ["FrozenLake-v1", "parity", "FrozenLake-v1"]
    assert rows.are_indicators(names, told).tolist() == [True, True, False]
    lake = grid(env=["FrozenLake-v1"], fog=[0.1, 0.2])
    lake = lake.assign(indicator=("run", np.ones(lake.sizes["run"])))
    assert il.plot(lake).axes[0].get_ylim() == (-0.02, 1.02)
    chance = lake["drift"].values[:2, -1].mean()
    cells = sweep_table._drift(lake.isel(run=[0, 1]), ())["D at the end"]
    assert rows.drift_of(cells, bool(sweep_table.indicators(lake).all())).value == chance


def test_in_one_picture_each_environment_is_pooled_as_its_own_metric_says():
    """A tube beside a lake made a length of the lake's chance."""
    data = grid(env=["tube", "lake"], algo=["bc"], seed=[0, 1, 2])
    data["drift"][3:, -1] = [0.0, 0.0, 1.0]
    data = data.assign(indicator=("run", (data["env"].values == "lake").astype(float)))
    laid = sweep_figure.grid_of(data)
    assert laid.summary(env="lake").value == pytest.approx(1 / 3)
    assert laid.summary(env="tube").value == np.median(data["drift"].values[:3, -1])
    assert "a chance where it is 0 or 1" in sweep_figure._quantity(laid)


def test_a_sweep_says_whose_rollouts_a_clock_of_the_environment_s_own_cut_off():
    data = grid(algo=["bc"])
    data = data.assign(cut=("run", np.array([0.5, 1.0])), expert_cut=("run", np.ones(2)))
    (said,) = sweep_table.remarks(data)
    assert said.startswith("tube cut rollouts off before the horizon by a clock of its own")
    assert "(expert 100%, bc 75%)" in said


def test_an_axis_has_few_labels_whatever_it_spans():
    for values in ([1e-9, 1e11], [1e-300], [0.0], [np.inf], [3.0], []):
        floor, head = figure.decades(np.array(values), np.inf)
        assert 0 < floor < head < np.inf
        assert len(figure._powers(floor, head)) <= 10


def test_settings_read_the_same_everywhere():
    assert words.settings_text({"lipschitz": 1.10, "net": "mlp"}.items()) == "L = 1.1, net = mlp"


def test_a_table_fits_its_terminal_and_learners_have_their_colour(record):
    from rich.console import Console

    console = Console(width=100, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for part in terminal.rich_tables(record, 100):
        console.print(part, highlight=False)
    said = console.file.getvalue()
    red, green, blue = bytes.fromhex(colour_of(1)[1:])
    assert f"38;2;{red};{green};{blue}mbc" in said
    plain = Console(width=100, file=io.StringIO())
    for part in terminal.rich_tables(record, 100):
        plain.print(part, highlight=False)
    assert max(map(len, plain.file.getvalue().splitlines())) <= 100


def test_what_is_said_after_an_interval_stands_beside_the_value():
    assert terminal._lines(("94%", "[91, 96] of 13.0"), beside=False) == ["94% of 13.0", "[91, 96]"]
    assert terminal._lines(("94%", "[91, 96] of 13.0"), beside=True) == ["94% [91, 96] of 13.0"]
    assert terminal._lines(("n/a", "(1 of 2)"), beside=False) == ["n/a (1 of 2)"]
    assert terminal._lines(("3", ""), beside=False) == ["3"]


def test_a_sweep_s_learners_are_compared_by_run():
    """Each of 8 runs is three times better, which single intervals cannot show."""
    data = grid(lipschitz=[0.9, 1.1], seed=list(range(8)))
    spread = np.exp(np.random.default_rng(0).normal(size=16))
    bc = data["algo"].values == "bc"
    data["drift"][bc, -1] = spread
    data["drift"][~bc, -1] = spread / 3
    pairs = sweep_table._pairs(data, ())
    first, second = (pairs.cells(np.flatnonzero(who), False) for who in (bc, ~bc))
    assert first == {"D at the end, against bc": ("", "")}
    assert list(second) == list(first)
    value, spread = second["D at the end, against bc"]
    assert value == "× 0.33"
    assert spread.endswith("better")
    assert list(sweep_table._pairs(data, (1, 3)).measures) == ["D at t=3"]


def test_where_rollouts_ended_a_sweep_s_learners_are_compared_by_their_share():
    """D is the same in all runs, where they were stopped; dagger is stopped less often in each of 8."""
    data = grid(seed=list(range(8)))
    bc = data["algo"].values == "bc"
    data["drift"][:] = 12.0
    data["ended"][:] = np.where(bc, 0.9, 0.4)
    cells = sweep_table._pairs(data, ()).cells(np.flatnonzero(~bc), False)
    assert cells["D at the end, against bc"][1].endswith("same")
    assert cells["falls, against bc"] == ("-0.50", "better")
    data["ended"][:] = np.nan  # results of earlier versions
    assert list(sweep_table._pairs(data, ()).measures) == ["D at the end"]


def test_a_run_that_became_infinite_ends_at_infinity():
    data = grid()
    data["drift"][0, 2:] = np.inf
    data["drift"][1, 3:] = np.nan
    last = sweep_table._drift(data, ())["D at the end"]
    assert last[0] == np.inf
    assert last[1] == data["drift"].values[1, 2]


def test_an_ascii_console_is_spelled_out():
    console = io.TextIOWrapper(io.BytesIO(), "ascii")
    forgive(console)
    console.write("1.0 ± 0.2 │ ━━ é λ")
    console.flush()
    assert console.buffer.getvalue() == b"1.0 +- 0.2 | -- e ?"


ASCII_BOX = """ Unrecognized options
 ------------------------------------------------
  Unrecognized options: --sed, 3
  ------------------------------------------------
  Perhaps you meant:
      --seeds INT
          (default: 8)
  ------------------------------------------------
  For full helptext, run mine.py --help
"""


def test_a_complaint_in_an_ascii_console_is_the_same_sentence():
    sentence = "Unrecognized options: --sed, 3; did you mean --seeds?"
    assert complaints.sentence(ASCII_BOX) == sentence
