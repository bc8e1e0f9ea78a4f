"""The two commands for a user's own data: a museum's specimens, and a log of clicks."""

import csv
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from il_bench import museum, ranking
from il_bench.datasets import columns
from il_bench.exposure import survival
from il_bench.exposure.ranking import clicks, examination, plackett_luce

RATE = 0.1


def write(path, header, *lists):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(zip(*lists, strict=True))
    return path


@pytest.fixture
def collection(tmp_path, monkeypatch):
    """A museum's two files, of which the truth is known, in the working folder."""
    monkeypatch.chdir(tmp_path)
    effort = survival.effort()
    uniform = np.random.default_rng(3).random((100 * 40, 2))
    q, visible = survival.siler(), survival.visibility()
    got = survival.animals(q, effort, visible, RATE, 40, uniform).museum
    year = 1900 + got.born + got.age
    write(tmp_path / "specimens.csv", "age,year,first_seen", got.age, year, got.met)
    write(tmp_path / "effort.csv", "year,effort", 1900 + np.arange(100), effort)
    return tmp_path


def answer(path):
    """A CSV that a command wrote, by column."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def numbers(table, name):
    return np.array(table[name], dtype=float)


def test_a_museum_s_life_table_covers_the_truth(collection, capsys):
    files = ["specimens.csv", "--age", "age", "--collected", "year", "--effort", "effort.csv"]
    museum.main([*files, "--rate", "0.1", "--entry", "first_seen", "--csv", "t.csv"])
    said = capsys.readouterr().out
    assert "As collected, 8" in said
    assert "points too high" in said
    table = answer(collection / "t.csv")
    truth = survival.survivors(survival.siler())[: len(table["age"])]
    for name in ("corrected", "delayed"):
        low, high = numbers(table, f"{name}_low"), numbers(table, f"{name}_high")
        assert (low[1:8] <= truth[1:8]).all()
        assert (truth[1:8] <= high[1:8]).all()
    assert (numbers(table, "collected_low")[2:8] > truth[2:8]).all()


def test_what_is_taken_for_granted_is_said(collection, capsys):
    museum.main(["specimens.csv"])
    said = capsys.readouterr().out
    assert "no --effort: every year is taken for alike" in said
    assert "no --rate: collecting is taken for rare" in said


def test_weights_of_a_museum(collection, capsys):
    """Without effort a life counts by its length alone: 1/(age + 1), which the geometric closed form rests on."""
    museum.main(["specimens.csv", "--weights", "none", "--csv", "none.csv"])
    table = answer(collection / "none.csv")
    assert table["corrected"] == table["collected"]
    assert "0 points" in capsys.readouterr().out
    museum.main(["specimens.csv", "--csv", "own.csv"])
    age = numbers(answer(collection / "specimens.csv"), "age")
    share = np.average(age >= 1, weights=1 / (age + 1))
    got = numbers(answer(collection / "own.csv"), "corrected")[1]
    np.testing.assert_allclose(got, share)


def test_figures_are_new_files(collection, capsys):
    files = ["specimens.csv", "--collected", "year", "--effort", "effort.csv"]
    museum.main([*files, "--plot", "lives.png"])
    size = (collection / "lives.png").stat().st_size
    assert size > 10_000
    assert said_by(museum, [*files, "--plot", "lives.png"], capsys).startswith(
        "il_bench: plot: lives.png already exists"
    )
    assert (collection / "lives.png").stat().st_size == size


def said_by(command, args, capsys):
    """What a command says that cannot do what it should."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        command.main(args)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    ("text", "args", "words"),
    [
        ("age\n3\n-1\n\n-2\n", [], "age: expected years, 0 or more, got -1 on lines 3 and 5 of s"),
        ("age\n3\nold\n", [], "age: expected a number, got 'old' on line 3"),
        ("age\n3\n''\n", [], "age: expected a number"),
        ("age,b\n3,1\n,1\n", [], "age: expected a number, got nothing on line 3"),
        ("age\nnan\n", [], "age: expected a number, got 'nan' on line 2"),
        ("years\n3\n", [], "expected a column age, its header has years"),
        ("age,age\n3,4\n", [], "the header has age more than once"),
        ("age\n", [], "expected lines below the header"),
        ("", [], "its header has nothing"),
        ("age,b\n3\n", [], "expected 2 fields as in the header, got 1 on line 2"),
        (
            "age,in\n3,4\n",
            ["--entry", "in"],
            "in: expected an age before that at death, got 4 on li",
        ),
        ("age\n3\n30\n", ["--omega", "25"], "age: expected ages below ω = 25, got 30 on line 3"),
        ("age\n3\n", ["--effort", "e.csv"], "collected: expected the column of the year"),
        ("age,y\n3,1910.5\n", ["--collected", "y"], "y: expected a whole year, got 1910.5"),
        ("age\n3\n", ["--rate", "-1"], "rate: expected meetings above 0"),
        ("age\n3\n", ["--weights", "ipw"], "weights: expected none, ips"),
        (
            "age,y\n3,1890\n",
            ["--collected", "y", "--effort", "e.csv"],
            "life with collectors in it",
        ),
        ("age,y\n3,1910\n", ["--collected", "y", "--effort", "gap.csv"], "got none for 1902"),
        (
            "age,y\n3,1910\n",
            ["--collected", "y", "--effort", "two.csv"],
            "year: expected each year",
        ),
        ("age,y\n3,1910\n", ["--collected", "y", "--effort", "no.csv"], "no.csv cannot be read"),
        ("age,y\n3,1910\n", ["--collected", "y", "--effort", "neg.csv"], "effort: expected 0 or m"),
    ],
)
def test_bad_specimens_are_named_with_their_lines(text, args, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.csv").write_text(text)
    efforts = {
        "e.csv": "1900,1\n1901,1",
        "gap.csv": "1900,1\n1901,1\n1903,1",
        "two.csv": "1900,1\n1900,2\n1901,1",
        "neg.csv": "1900,-1",
    }
    for name, lines in efforts.items():
        (tmp_path / name).write_text(f"year,effort\n{lines}\n")
    assert words in said_by(museum, ["s.csv", *args], capsys)


# --- Clicks ---------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path, monkeypatch):
    """A log of lists, the worst items mostly above, in the working folder; and the items' relevance."""
    monkeypatch.chdir(tmp_path)
    visits, relevance = 2000, np.array([0.6, 0.45, 0.3, 0.15])
    random = np.random.default_rng(0)
    order = plackett_luce(np.tile([0.0, 0.1, 0.2, 0.3], (visits, 1)), random, 0.2)
    click = clicks(relevance[order], examination(4), random)
    visit, rank = np.repeat(np.arange(visits), 4), np.tile([1, 2, 3, 4], visits)
    item = np.array([*"abcd"])[order.ravel()]
    lists = visit, item, rank, click.ravel().astype(int)
    write(tmp_path / "clicks.csv", "visit,item,rank,clicked", *lists)
    return dict(zip("abcd", relevance, strict=True))


FLAGS = ["clicks.csv", "--item", "item", "--rank", "rank", "--click", "clicked"]


@pytest.mark.parametrize("bias", ["pairs", "em", "power:1"])
def test_items_come_in_the_order_of_their_relevance(log, bias, capsys, tmp_path):
    ranking.main([*FLAGS, "--unit", "visit", "--bias", bias, "--csv", "t.csv", "--plot", "t.png"])
    said = capsys.readouterr().out
    assert "The naive rate is off by a factor of up to" in said
    table = answer(tmp_path / "t.csv")
    assert table["item"] == list("abcd")
    truth = np.array([log[item] for item in table["item"]])
    assert (numbers(table, "low") <= truth).all()
    assert (truth <= numbers(table, "high")).all()
    assert (tmp_path / "t.png").stat().st_size > 10_000


def test_what_is_uncertain_in_the_bias_is_uncertain_in_the_items(log, tmp_path, capsys):
    widths = {}
    for bias in ("pairs", "power:1"):
        ranking.main([*FLAGS, "--unit", "visit", "--bias", bias, "--csv", f"{bias}.csv"])
        table = answer(tmp_path / f"{bias}.csv")
        widths[bias] = numbers(table, "high") - numbers(table, "low")
    assert widths["pairs"].mean() > 1.1 * widths["power:1"].mean()


def test_an_order_that_never_changed_tells_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.csv").write_text("item,rank,click\na,1,1\nb,2,1\na,1,0\nb,2,0\n")
    said = said_by(ranking, ["c.csv"], capsys)
    assert "shown at two ranks, got nothing, so that relevance and position cannot be told" in said
    ranking.main(["c.csv", "--bias", "power:1"])
    assert "off by a factor of up to 2.0 (b: 0.500, where 1.000" in capsys.readouterr().out


def test_a_query_keeps_its_own_relevance(tmp_path, monkeypatch, capsys):
    """The same item under another query is another thing: at rank 2 it is worse, not less looked at."""
    monkeypatch.chdir(tmp_path)
    rows = ["a,1,x,1", "a,1,x,0", "a,2,y,1", "a,2,y,0", "b,1,y,1", "b,2,y,1", "b,1,y,0"]
    (tmp_path / "c.csv").write_text("item,rank,query,click\n" + "\n".join(rows) + "\n")
    ranking.main(["c.csv", "--query", "query", "--unit", "click"])
    assert "By clicks" in (said := capsys.readouterr().out) or "comes first" in said


def test_what_is_known_in_part_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = ["a,1,1", "a,2,1", "a,1,0", "b,2,1", "b,1,1", "c,3,1", "c,3,0"]
    (tmp_path / "c.csv").write_text("item,rank,click\n" + "\n".join(rows) + "\n")
    ranking.main(["c.csv"])
    said = capsys.readouterr().out
    assert "not identified at rank 3" in said
    assert "n/a: 1 items were shown only where nothing is known of who looks" in said


@pytest.mark.parametrize(
    ("text", "args", "words"),
    [
        ("item,rank,click\na,1,2\n", [], "click: expected 0 or 1, got 2 on line 2 of c.csv"),
        (
            "item,rank,click\na,1,1\na,0,1\n",
            [],
            "rank: expected a whole number from 1, got 0 on lin",
        ),
        ("item,rank,click\na,1.5,1\n", [], "rank: expected a whole number from 1, got 1.5"),
        ("item,rank,click\n,1,1\n", [], "item: expected a name, got nothing on line 2"),
        ("item,rank\na,1\n", [], "expected a column click, its header has item, rank"),
        ("item,rank,click\na,1,yes\n", [], "click: expected a number, got 'yes'"),
        ("item,rank,click\na,1,1\n", ["--bias", "guess"], "bias: expected pairs, em"),
        ("item,rank,click\na,1,1\n", ["--bias", "power:x"], "bias: expected power: and a number"),
        ("item,rank,click\na,11,1\n", ["--bias", "eyes"], "eye tracking knows 10, got 11"),
    ],
)
def test_bad_clicks_are_named_with_their_lines(text, args, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.csv").write_text(text)
    assert words in said_by(ranking, ["c.csv", *args], capsys)


def test_many_bad_lines_are_counted(tmp_path):
    path = write(tmp_path / "t.csv", "age", [-1] * 1200)
    table = columns.read(path, ["age"])
    everywhere = np.ones(1200, bool)
    with pytest.raises(ValueError, match=r"on lines 2, 3, 4, 5, 6, \.\.\. \(1,200 in all\)"):
        table.refuse(everywhere, "age: expected years", table.numbers("age"))


def test_parquet_needs_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match="pyarrow is not installed, which Parquet needs"):
        columns.read(tmp_path / "t.parquet", ["age"])


def test_parquet_is_read_as_csv_is(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"age": [1, 2, None], "item": ["a", "b", "c"]})
    parquet.write_table(table, tmp_path / "t.parquet")
    got = columns.read(tmp_path / "t.parquet", ["age", "item"])
    assert list(got.labels("item")) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="age: expected a number, got nothing on row 3"):
        got.numbers("age")


def test_the_guide_s_examples_say_what_it_shows(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[1] / "docs" / "guide.md").read_text()
    part = page.partition("## Your own data")[2].partition("## The Record")[0]
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(r"`(\w+\.csv)`.*?:\n\n```csv\n(.*?)```", part, re.S):
        (tmp_path / name).write_text(text)
    commands = re.findall(r"python -m il_bench\.(\w+) (.*)", part)
    shown = re.findall(r"\n\n```\n(.*?)```", part, re.S)
    shown = [block for block in shown if "effective" in block]
    assert len(commands) == len(shown) == 2
    for (name, args), block in zip(commands, shown, strict=True):
        {"museum": museum, "ranking": ranking}[name].main(args.split())
        said = capsys.readouterr().out
        for line in block.splitlines():
            assert line.strip() in said or line.strip() == "..."
