"""Benchmarks: claims are conditions, results say which of them failed, and other seeds are compared claim by claim."""

import ast
import functools
import importlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parent.parent / "benchmarks"
SCRIPTS = sorted(FOLDER.glob("*.py"))
AIDS = {
    "claims",
    "publish",
    "reseed",
    "scribes",
    "tasks",
    "unbreakable_inputs",
    "unbreakable_kills",
    "verdicts",
    "vs_imitation_ours",
    "vs_imitation_peer",
    "vs_imitation_practice_peer",
}


@pytest.fixture
def load(monkeypatch):
    """A module of the folder, as a script there imports it; forgotten again."""
    monkeypatch.syspath_prepend(FOLDER)
    before = set(sys.modules)
    yield importlib.import_module
    for name in {path.stem for path in SCRIPTS} & (set(sys.modules) - before):
        del sys.modules[name]


@pytest.fixture
def pages(load, monkeypatch, tmp_path):
    """`publish`, which writes into a folder of the test's, and a page with one marker."""
    publish = load("publish")
    page = tmp_path / "results.md"
    page.write_text("before\n<!-- benchmark: toy -->\n<!-- end -->\nafter\n")
    monkeypatch.setattr(publish, "HERE", tmp_path)
    monkeypatch.setattr(publish, "PAGES", (page,))
    return publish


def test_a_claim_that_fails_says_so(load):
    claim = load("claims").Claim
    assert str(claim("It grows.", True, "It does not.")) == "It grows."
    assert str(claim("It grows.", False, "It does not.")) == "**It does not.**"
    assert str(claim("It grows.", False)) == "**Not borne out:** It grows."
    assert claim("It grows.", np.False_).entry() == {
        "holds": False,
        "sentence": "**Not borne out:** It grows.",
    }


def test_a_goal_that_is_missed_is_said_beside_the_number(load):
    goal = load("claims").goal
    assert str(goal("It takes 2 s (goal: 3)", True)) == "It takes 2 s (goal: 3)."
    assert str(goal("It takes 4 s (goal: 3)", False)) == (
        "**It takes 4 s (goal: 3); the goal is missed.**"
    )


def test_the_interval_of_a_share_is_exact(load):
    """At no and at all of n cases the ends are those of (1 - p)^n = 2.5 %."""
    share = load("claims").share
    end = 0.025 ** (1 / 64)
    none, every = share(np.zeros(64, bool)), share(np.ones(64, bool))
    assert none.ends == pytest.approx((0, 1 - end), rel=1e-9)
    assert every.ends == pytest.approx((end, 1), rel=1e-9)
    assert str(none) == "0% [0, 6]"
    assert str(every) == "100% [94, 100]"


def test_who_changes_decides_and_not_whether_single_intervals_overlap(load):
    """Six of 64 more are lost, and none fewer: single intervals, 16 [8, 27] % and 25 [15, 37] %, overlap."""
    pairs = load("claims").pairs
    runs = np.arange(64)
    pair = pairs(runs < 16, runs < 10)
    assert (pair.first, pair.second, pair.of, pair.more) == (6, 0, 64, True)
    assert not pairs(runs < 10, runs < 16).more
    assert not pairs(runs < 15, runs < 10).more  # five of five: 2 / 2^5 is .0625
    assert not pairs(runs < 10, runs < 10).more


def test_a_mean_tells_its_distance_in_standard_errors(load):
    claims = load("claims")
    one = claims.mean(np.array([1.0, 2.0, 3.0]))
    assert one.value == 2
    assert one.error == pytest.approx(1 / 3**0.5)
    assert one.apart(3) == pytest.approx(3**0.5)
    assert one.text(1) == "2.0 ± 0.6"
    exact = claims.mean(np.zeros(4))
    assert (exact.apart(0), exact.apart(1)) == (0, np.inf)


def test_what_is_published_names_the_claims_that_fail(load, pages, tmp_path):
    claim = load("claims").Claim
    claims = [claim("It grows."), claim("It ends.", False, "It goes on.")]
    pages.publish("toy", claims, "| a |", "What it is.", numbers=[1, 2])
    result = json.loads((tmp_path / "toy.json").read_text())
    assert result["claims"] == [
        {"holds": True, "sentence": "It grows."},
        {"holds": False, "sentence": "**It goes on.**"},
    ]
    assert result["numbers"] == [1, 2]
    text = (tmp_path / "results.md").read_text()
    assert text.startswith("before\n<!-- benchmark: toy -->\n`python benchmarks/toy.py`")
    assert text.endswith("What it is. It grows. **It goes on.**\n<!-- end -->\nafter\n")


@pytest.fixture
def reseed(load, pages, monkeypatch, tmp_path):
    """`reseed` over one light benchmark, whose first claim is true below seed 2000."""
    module, claim = load("reseed"), load("claims").Claim
    toy = SimpleNamespace(
        SEEDS=4,
        results=lambda first, seeds: (first, seeds),
        claims=lambda results: [
            claim(f"It begins at {results[0]}.", results[0] < 2000),
            claim("It has four.", results[1] == 4),
        ],
    )
    monkeypatch.setitem(sys.modules, "toy", toy)
    monkeypatch.setattr(module, "HERE", tmp_path)
    monkeypatch.setattr(module, "LIGHT", ("toy",))
    pages.publish("toy", toy.claims(toy.results(0, 4)), "")
    return module


def test_other_seeds_move_a_sentence_or_change_its_truth(reseed, tmp_path, capsys):
    reseed.main([])
    result = json.loads((tmp_path / "reseed.json").read_text())
    assert result["others"]["toy"]["seeds"] == [1000, 1003]
    assert result["claims"] == [{"holds": True, "sentence": "`toy`: no claim changes its truth."}]
    assert "| toy | 1000 to 1003 | 2 | 2 | 2 | 0 |" in result["readme"]
    assert "toy, moved:\n  first seeds: It begins at 0." in capsys.readouterr().out
    reseed.main(["toy", "--first", "2000", "--seeds", "3"])
    result = json.loads((tmp_path / "reseed.json").read_text())
    assert not result["claims"][0]["holds"]
    assert "2 of 2 claims change their truth" in result["claims"][0]["sentence"]
    assert "| toy | 2000 to 2002 | 2 | 2 | 0 | 2 |" in result["readme"]
    row = "| toy | It begins at 0. | Not borne out: It begins at 2000. | yes |"
    assert row in result["readme"]
    assert "toy, CHANGED:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (None, "has no result yet"),
        ({"claim": "It grows."}, "is old"),
        ({"claims": []}, "of an earlier script"),
    ],
)
def test_what_cannot_be_compared_says_why(reseed, tmp_path, contents, words):
    path = tmp_path / "toy.json"
    path.unlink()
    if contents is not None:
        path.write_text(json.dumps(contents))
    reseed.main([])
    (claim,) = json.loads((tmp_path / "reseed.json").read_text())["claims"]
    assert not claim["holds"]
    assert words in claim["sentence"]


@pytest.mark.parametrize("words", [["nobody"], ["--first", "10"]])
def test_other_seeds_are_others_and_names_are_known(reseed, words, capsys):
    with pytest.raises(SystemExit):
        reseed.main(words)
    assert "expected" in capsys.readouterr().err


@functools.cache
def parsed(path):
    """A script's statements, read once."""
    return ast.parse(path.read_text())


def functions(path):
    """Top-level functions by name."""
    body = parsed(path).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_benchmark_makes_claims_of_its_results(path):
    """Read, not run: they take minutes."""
    if path.stem in AIDS:
        return
    names = functions(path)
    assert "claims" in names
    assert ast.unparse(names["claims"].returns) == "list[Claim]"


def stored(name):
    """What a benchmark found."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def of_tube(tube, swap):
    """Cells of the tube as they were found; or clones in noise for those without, raw for scaled, and clones for DAgger's."""
    from il_bench.stats.intervals import interval

    drifts = {tuple(key.split()): np.array(drift) for key, drift in stored("tube")["drift"].items()}
    cells = {}
    for inputs, dial, noise, learner in drifts:
        taken = inputs, dial, noise, learner
        if swap:
            scaled = {"none": "zscore", "zscore": "none"}[inputs]
            other = {"0.0": "0.05", "0.05": "0.0"}[noise] if learner == "bc" else "0.0"
            taken = scaled, dial, other, "bc"
        cells[inputs, float(dial), float(noise), learner] = tube.Cell(
            drifts[taken], interval(np.ones(8))
        )
    return tube.claims(cells)


def of_lane(lane, swap):
    found = stored("lane")
    names = "ratio", "quiet", "windy", "leaves"
    ratio, quiet, windy, leaves = (np.array(found[name]) for name in names)
    if swap:
        ratio, quiet, windy = 1 / ratio, quiet[[0, 2, 1]], quiet
    return lane.claims(lane.Results(found["cells"], found["safe"], ratio, quiet, windy, leaves))


def of_phase_diagram(phase_diagram, swap):
    drift = {name: np.array(each) for name, each in stored("phase_diagram")["drift"].items()}
    if swap:
        drift = {"bc": drift["bc"][::-1, ::-1], "dagger": drift["bc"]}
    return phase_diagram.claims(drift)


def of_power_plants(power_plants, swap):
    """The claim that compares clones."""
    found = SimpleNamespace(drifts=np.array(stored("power_plants")["drifts"]))
    found.steady = found.closed = {name: np.ones((5, 2)) for name in power_plants.DIRECTIONS}
    found.exponents = {name: np.ones(5) for name in power_plants.DIRECTIONS}
    found.drifts = found.drifts[::-1] if swap else found.drifts
    return power_plants.claims(found)[-1:]


def of_growth_coverage(growth_coverage, swap):
    """Rows as they are; or with intervals that hold half as often, and are given as often."""
    rows = stored("growth_coverage")["rows"]
    part = 0.5 if swap else 1.0
    return growth_coverage.claims([{**row, "holds": part * row["holds"]} for row in rows])


def of_collecting(collecting, swap):
    """The claims on gates that learn where their copy errs; or with all thresholds the other way round."""
    found = {}
    for place, points in stored("collecting")["points"].items():
        made = []
        for entry in points:
            numbers = {
                name: np.array(one) if isinstance(one, list) else one for name, one in entry.items()
            }
            if swap and numbers["learner"] in collecting.CLASSIFIED:
                place_of = collecting.TAUS.index(numbers["dial"])
                numbers["dial"] = collecting.TAUS[::-1][place_of]
            made.append(collecting.Point(**numbers))
        found[place] = made
    return [*collecting._dials(found), collecting._all_hands(found[collecting.ROAD])]


CONTRARY = {
    "tube": of_tube,
    "lane": of_lane,
    "phase_diagram": of_phase_diagram,
    "power_plants": of_power_plants,
    "growth_coverage": of_growth_coverage,
    "collecting": of_collecting,
}


@pytest.mark.parametrize("name", CONTRARY)
def test_of_contrary_data_a_benchmark_says_the_contrary(load, name):
    """Claims that no data could refute would be none: with the learners swapped all of them fail, and say so."""
    benchmark = load(name)
    assert all(claim.holds for claim in CONTRARY[name](benchmark, swap=False))
    contrary = CONTRARY[name](benchmark, swap=True)
    assert [str(claim) for claim in contrary if claim.holds] == []
    assert all(str(claim).startswith("**") for claim in contrary)


def test_what_is_repeated_on_other_seeds_takes_them(load):
    """`results(first, seeds)`, of as many seeds as the constant says."""
    reseed = load("reseed")
    for name in (*reseed.LIGHT, *reseed.ON_DEMAND):
        arguments = functions(FOLDER / f"{name}.py")["results"].args
        assert [one.arg for one in arguments.args] == ["first", "seeds"], name
        assert [ast.unparse(one) for one in arguments.defaults] == ["0", "SEEDS"], name


@pytest.fixture
def finding(load):
    """Makes what was measured of a sign, on a task that is judged by its drift."""
    signs = load("signs")

    def make(way, ours, theirs, task="tube, L = 1.2"):
        sign = signs.Sign(task, "noise", way, "")
        return signs.Finding(sign, np.asarray(ours), np.asarray(theirs), 1, "")

    return make


THEIRS = np.arange(1.0, 9.0)


@pytest.mark.parametrize(
    ("ours", "less", "more", "no_less"),
    [
        (THEIRS / 2, "agree", "disagree", "disagree"),
        (THEIRS * 2, "disagree", "agree", "agree"),
        (THEIRS * 1.01, "disagree", "agree", "agree"),
        (THEIRS, "disagree", "disagree", "agree"),
        (THEIRS * np.resize([0.2, 5.0], 8), "underpowered", "underpowered", "underpowered"),
        (THEIRS * np.resize([0.9, 5.0], 8), "disagree", "underpowered", "agree"),
    ],
)
def test_a_sign_is_judged_by_its_interval(finding, ours, less, more, no_less):
    verdicts = [finding(way, ours, THEIRS).verdict for way in ("less", "more", "no less")]
    assert verdicts == [less, more, no_less]


@pytest.mark.parametrize(("asked", "holds"), [(0.5, True), (0.01, False)])
def test_that_asking_wrecks_a_clone_is_withdrawn_where_it_does_not(load, asked, holds):
    signs = load("signs")
    rows = [sign for sign in signs.SIGNS if sign.why == signs.HIDDEN]
    clone = np.full(8, 0.01)
    ours = np.full(8, asked)
    findings = [signs.Finding(sign, ours, clone, 1, "") for sign in rows]
    claim = signs.claims(findings)[-1]
    assert claim.holds == holds
    assert f"mdn from 1.0% to {asked:.1%}, flow from 1.0% to {asked:.1%}" in str(claim)
    assert ("not surely more" in str(claim)) != holds


def test_falls_are_judged_by_their_difference(finding):
    """Of shares of a half a tenth less is still no less, surely less though it be."""
    half = np.full(8, 0.5)
    assert finding("no less", half - 0.09, half, "quad").verdict == "agree"
    assert finding("no less", half - 0.11, half, "quad").verdict == "disagree"
    assert finding("less", half - 0.09, half, "quad").verdict == "agree"
    assert finding("more", half + 0.05, half, "quad").verdict == "agree"
    tossed = half + np.resize([-0.09, 0.3], 8)
    assert finding("no less", tossed, half, "quad").verdict == "agree"
    assert (
        finding("no less", half - np.resize([0.2, -0.2], 8), half, "quad").verdict == "underpowered"
    )


def test_signs_and_boards_name_tasks_and_learners_that_there_are(load):
    """And every learner is given a task's demonstrations, whether it has rounds or not."""
    tasks, signs, board = load("tasks"), load("signs"), load("leaderboard")
    for task, learners in signs.learners_of().items():
        assert learners[0] == "bc"
        for name in learners:
            learner, whole = tasks.TASKS[task].learner(name), tasks.TASKS[task].demonstrations
            assert learner.episodes * getattr(learner, "rounds", 1) == whole, (task, name)
            assert learner.training.updates == tasks.TASKS[task].training.updates
    assert set(board.LEARNERS) <= set(tasks.LEARNERS)
    assert {task.measure for task in board.PLAN.values()} <= set(tasks.MEASURES)


def test_the_board_says_who_is_worse_than_cloning_and_who_is_tied(load):
    board, tasks = load("leaderboard"), load("tasks")
    task = tasks.TASKS["tube, L = 1.2"]
    numbers = {"bc": THEIRS, "noise": THEIRS / 8, "dagger": THEIRS / 8.1, "chunk": THEIRS * 9}
    row = {
        who: board.Cell(own, task.beside(own, THEIRS) if who != "bc" else None, own[0] < 1, 0.0, 1)
        for who, own in numbers.items()
    }
    results = {
        "tube, L = 1.2": row | {who: row["noise"] for who in board.LEARNERS if who not in row}
    }
    said = {str(claim).partition(":")[0].strip("*"): claim for claim in board.claims(results)}
    assert said["noise"].holds
    assert not said["chunk"].holds
    assert str(said["chunk"]).endswith("surely worse on tube, L = 1.2.**")
    assert "noise 1 of 1" in board.headline(results)
    assert "bc 0 of 1" in board.headline(results)


def test_who_costs_less_and_drifts_less_leaves_the_front(load):
    collecting = load("collecting")
    zero = np.zeros(8)

    def point(name, drift, lost):
        drift, lost = drift * THEIRS, lost + 0.01 * THEIRS
        return collecting.Point(name, 8, drift, lost, zero, zero, zero, zero, zero)

    points = [point("bc", 9, 0), point("dart", 1, 1), point("dagger", 2, 5), point("noise", 1, 9)]
    assert collecting.best(points) == ["bc", "dart"]
    names = {name for name, _ in collecting.dialled()}
    assert names == set(collecting.NAMES)


def _published(path):
    """The calls of `publish` in a script: how many arguments by place, and the names of the others."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "publish":
            yield len(node.args), {keyword.arg for keyword in node.keywords}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_what_is_published_is_given_once(path):
    """A number of a script may not bear the name of an argument: that shows hours later, when it is published."""
    arguments = "name", "claims", "lines", "caption"
    for places, names in _published(path):
        assert not names & set(arguments[:places])


def test_damaged_files_and_flags_at_random_are_read_or_refused_in_a_sentence(load, tmp_path):
    """A few of those that `unbreakable.py` tries by the ten thousand, under a seed of their own."""
    inputs = load("unbreakable_inputs")
    rng = np.random.default_rng(1)
    outcomes, slowest = inputs.fuzz(tmp_path, rng, 16)
    assert slowest > 0
    outcomes["flags"] = inputs.flag_sets(tmp_path, rng, 4)
    counts = load("unbreakable").survived(outcomes)
    assert {"Record", "results", "policy", "checkpoint", "flags"} <= set(counts)
    for kind, count in counts.items():
        assert count["tried"] == count["survived"] > 0, (kind, outcomes[kind])


def test_the_page_of_verdicts_is_what_the_results_say(load):
    verdicts = load("verdicts")
    assert verdicts.PAGE.read_text() == verdicts.page()


def test_a_verdict_is_withdrawn_with_a_claim_that_it_rests_on(load, monkeypatch, tmp_path):
    verdicts = load("verdicts")
    monkeypatch.setattr(verdicts, "HERE", tmp_path)
    saying = verdicts.Saying("Copies drift.", "drift", ("It drifts",), "so")
    assert saying.row()[2:] == ["not measured yet", "open"]
    for holds, verdict in ((True, "so"), (False, "**withdrawn**")):
        claim = {"holds": holds, "sentence": "It drifts by 3."}
        (tmp_path / "drift.json").write_text(json.dumps({"claims": [claim]}))
        assert saying.row()[2:] == ["It drifts by 3.", verdict]
    (tmp_path / "drift.json").write_text(json.dumps({"claims": [claim, claim]}))
    with pytest.raises(ValueError, match="expected one claim with the words 'It drifts', got 2"):
        saying.row()


def test_a_part_is_kept_for_the_sources_that_it_was_tried_on(load, monkeypatch, tmp_path):
    attacks = load("unbreakable")
    monkeypatch.setattr(attacks, "KEPT", tmp_path / "kept")
    part = attacks.Part(
        "coin", lambda folder, rng: {"inputs": {"coin": {"read": int(rng.integers(9))}}}
    )
    part.keep("these")
    assert part.kept("others") is None
    kept = part.kept("these")
    assert kept["inputs"] == part.outcome()["inputs"]
    twice = attacks.classes_of([kept, kept])["damaged inputs: coin"]
    assert twice["tried"] == twice["survived"] == 2 * kept["inputs"]["coin"]["read"]


@pytest.fixture
def pairs(load):
    """A model of pairs of tokens, of which 4 never came before another."""
    tokens = np.array([0, 1, 0, 2, 0, 1, 3, 0, 0, 4])
    return load("tokens").Pairs(tokens, 6)


def test_chances_of_pairs_sum_to_one_and_are_witten_and_bell_s(pairs):
    every = np.arange(6)
    for before in every:
        chances = pairs.chance(np.full(6, before), every)
        assert chances.sum() == pytest.approx(1)
    # 0 came five times before another: 1 twice, 2, 0 and 4 once, four kinds.
    expected = (2 + 4 * pairs.alone[1]) / (5 + 4)
    assert pairs.chance(np.array([0]), np.array([1])) == pytest.approx(expected)
    assert pairs.chance(np.array([4]), np.array([1])) == pytest.approx(pairs.alone[1])


def test_tokens_are_drawn_by_these_chances(pairs):
    random = np.random.default_rng(0)
    for before in (0, 3, 4):
        drawn = pairs.draw(np.full(20_000, before), random)
        shares = np.bincount(drawn, minlength=6) / 20_000
        chances = pairs.chance(np.full(6, before), np.arange(6))
        margin = 4 * np.sqrt(chances * (1 - chances) / 20_000)
        assert (np.abs(shares - chances) <= margin).all()


def test_a_vocabulary_costs_what_the_formula_says(load):
    pytest.importorskip("tokenizers", reason='needs pip install -e ".[tokens]"')
    tokens = load("tokens")
    text = "the queen and the king saw the ring; " * 400
    row = tokens.measured(text, 270, range(2))
    assert row.foretold == pytest.approx(row.cost, rel=0.5)


def test_set_constants_bound_every_cell(load):
    cell = load("hidden_state").cell
    assert cell(0.6, 3).exceeds == 0
    assert cell(0.6, 3).alpha == pytest.approx(0.85)


def test_a_temperature_changes_what_is_written_and_not_what_is_told(load):
    bias = load("exposure_bias")
    chances = torch.tensor([[[0.7, 0.2, 0.1]]], dtype=torch.float64)
    source = SimpleNamespace(
        action_space=None, runs=1, distribution=lambda obs, memory=None: (chances, memory)
    )
    draw = torch.tensor([[0.75]])
    for temperature, symbol in ((1.0, 1), (0.25, 0), (0.0, 0)):
        policy = bias.Tempered(source, temperature)
        assert policy.distribution(None)[0] is chances
        assert policy.act(None, None, draw)[0].item() == symbol


def test_a_window_that_does_not_reach_the_mark_has_no_slope_in_it(load):
    """And the control learns nothing but its read-out."""
    truncation = load("truncation")
    for length in range(1, 5):
        one = truncation.slope(3, length)
        assert (one.value > 0) == one.reaches == (length == 4)
    env = truncation.language(2, range(2))
    net = truncation.GRU(units=4, embedding=3, sequences=4)
    policies = []
    for batches in (1, 3):
        truncation.BATCHES = batches
        reservoir = truncation.Reservoir(net)
        policies.append(truncation.trained(env, reservoir, truncation.FROZEN))
    same = [bool((a == b).all()) for a, b in zip(*(one.layers for one in policies), strict=True)]
    assert same == [True] * 5 + [False] * 2


def test_a_dip_ends_where_it_is_as_good_again(load):
    curricula = load("curricula")
    updates = np.arange(1, 6) * 10
    passing = curricula.dip(updates, np.array([3.0, 2.0, 4.0, 2.0, 1.0]))
    assert (passing.depth, passing.best, passing.length, passing.loss) == (2.0, 20, 20, 1.0)
    lasting = curricula.dip(updates, np.array([3.0, 2.0, 2.5, 4.0, 3.0]))
    assert (lasting.depth, lasting.best, lasting.length, lasting.loss) == (2.0, 20, None, -1.0)
    assert str(curricula.dip(updates, np.array([5.0, 4.0, 3.0, 2.0, 1.0]))) == "none"
    both = curricula.Dips((passing, lasting))
    assert str(both) == "2.00 (1 pass, in 20; 1 last)"


def test_early_stopping_inside_a_dip_goes_back_before_it(load):
    """Three looks in vain are enough to stop, and what comes later is never seen."""
    curricula = load("curricula")
    cost = np.array([3.0, 2.0, 4.0, 5.0, 4.0, 1.0])
    assert curricula.PATIENCE == 3
    assert curricula.stop(cost) == 1
    assert curricula.stop(cost[[0, 1, 2, 3, 5]]) == 4
    assert curricula.stopped(cost) == 1.0


def test_curricula_look_at_every_learner_on_the_way(load, small_scribes, monkeypatch):
    curricula = load("curricula")
    monkeypatch.setattr(curricula, "EVERY", 2)
    for name in ("distillation", "DAgger, beta 0.5"):
        one = curricula.student("clock", name, range(2))
        assert one.own.shape == one.expert.shape == (2,)
        assert one.way_own.shape == (2, 2)
        assert one.updates.tolist() == [2, 4]
        last = one.way_own[-1]
        assert np.isfinite(last).all()
    assert one.questions == 4 * 4 / 1000


@pytest.fixture
def small_scribes(load, monkeypatch):
    """Few and short texts, and 4 updates."""
    scribes = load("scribes")
    sizes = {"UPDATES": 4, "ROUNDS": 2, "TAUGHT": 4, "WRITTEN": 6, "EPISODES": 4, "TEXTS": 2}
    for name, size in sizes.items():
        monkeypatch.setattr(scribes, name, size)
    return scribes


def test_a_look_changes_nothing_of_what_is_learned(small_scribes):
    looks = []
    watched = small_scribes.training(lambda made, policy: looks.append(made), 2)
    for name in small_scribes.ways(watched):
        policies = []
        for lessons in (watched, small_scribes.training()):
            learner = small_scribes.ways(lessons)[name]
            policy, _ = small_scribes.learned("keyed", learner, range(1))
            policies.append(policy)
        pairs = zip(*(policy.layers for policy in policies), strict=True)
        assert all(torch.equal(one, two) for one, two in pairs), name
    assert looks == [2, 4] * len(small_scribes.ways(watched))


def test_symbols_beyond_the_length_that_was_taught_are_told_apart(small_scribes):
    each = np.array([[1.0, 1.0, 4.0, 2.0, 6.0]])
    assert small_scribes.taught(each) == [2.0]
    assert small_scribes.beyond(each) == [4.0]


def writers_of(scribes, languages, names, level=1.0):
    """Made up: every number of every writer is one and the same."""
    each = np.full((2, 5), level)
    return [scribes.Writer(language, name, *[each] * 5) for language in languages for name in names]


def test_what_is_said_of_curricula_follows_from_the_curves(load, small_scribes, monkeypatch, tmp_path):  # fmt: skip
    """Own texts that cost .7 are within all bands but teacher forcing's; a dip that passes is none that lasts."""
    publish = load("publish")
    monkeypatch.setattr(publish, "RESULTS", tmp_path)
    curricula = load("curricula")
    updates = np.arange(1, 6) * 10
    way = np.repeat([[1.0], [0.8], [1.5], [0.8], [0.7]], 2, axis=1)
    students = []
    for language in curricula.LANGUAGES:
        names = curricula.ways(language, small_scribes.training())
        ends = writers_of(small_scribes, [language], names, 0.7)
        students += [curricula.Student(end, 1.0, updates, way, way) for end in ends]
    claims = curricula.claims(students)
    assert [claim.holds for claim in claims] == [False, *[True] * 6, *[False] * 3, True, False]
    assert "0 of 2 runs are above 1.2" in str(claims[0])
    assert "dip and come back in every run, 0.70 (2 pass, in 20)" in str(claims[-2])
    assert len({len(one.cells()) for one in students}) == 1
    curricula.draw(students)
    assert (tmp_path / "curricula.png").exists()
    assert json.dumps(curricula.kept(students[0]))


def test_exposure_bias_is_drawn_by_language(load, small_scribes, monkeypatch, tmp_path):
    publish = load("publish")
    monkeypatch.setattr(publish, "RESULTS", tmp_path)
    bias = load("exposure_bias")
    bias.draw((writers_of(small_scribes, bias.PUBLISHED, ["teacher forcing"]), []))
    assert (tmp_path / "exposure_bias.png").exists()


def test_exposure_bias_has_a_row_for_every_way_in_every_language(load, small_scribes, monkeypatch):
    bias = load("exposure_bias")
    monkeypatch.setattr(small_scribes, "UPDATES", 2)
    writers, tempered = results = bias.results(seeds=2)
    names = list(small_scribes.ways(small_scribes.training()))
    expected = [(language, name) for language in bias.PUBLISHED for name in names]
    assert [(one.language, one.name) for one in writers] == expected
    assert len(tempered) == len(bias.TEMPERATURES)
    assert len({len(bias.cells(one)) for one in [*writers, *tempered]}) == 1
    assert len(bias.claims(results)) == 10


def test_a_symbol_costs_something_by_both_ways(load, monkeypatch):
    speed = load("sequence_speed")
    monkeypatch.setattr(speed, "UPDATES", {1: 1, 2: 1})
    monkeypatch.setattr(speed, "BATCH", 2)
    monkeypatch.setattr(speed, "STEPS", 3)
    monkeypatch.setattr(speed, "REPEATS", 1)
    # torch's optimiser would import a compiler.
    monkeypatch.setattr(speed, "plain", lambda: lambda updates: sum(range(10_000)))
    one = speed.cost(2)
    assert one.ours > 0
    assert one.times == one.plain / one.ours
    assert len(speed.claims([one, one], 1e6)) == 3


def test_the_peer_is_told_whole_episodes_and_every_setting(load, tmp_path):
    """As many observations as actions and one more for each episode; what it reads is what was written."""
    practice = load("vs_imitation_practice")
    practice.EPISODES = 2
    practice.write_task(tmp_path / "task.npz", practice.il.make(practice.TASK, horizon=9))
    task = np.load(tmp_path / "task.npz")
    assert len(task["obs"]) == len(task["action"]) + 2 == task["lengths"].sum() + 2
    peer = (FOLDER / "vs_imitation_practice_peer.py").read_text()
    asked = set(re.findall(r'task\["(\w+)"\]', peer))
    assert asked | {"ppo_steps", "sqil_steps"} == set(task)


@pytest.mark.parametrize(("reached", "holds"), [(500.0, True), (400.0, False)])
def test_a_learner_that_does_not_reach_the_expert_is_said_to_miss_its_goal(load, reached, holds):
    practice = load("vs_imitation_practice")
    runs = [practice.Outcome(2.0, 500.0)] * (practice.SEEDS - 1) + [practice.Outcome(2.0, reached)]
    sides = practice.OURS, practice.THEIRS
    outcomes = {(side, name): runs for side in sides for name in ("gail", "sqil")}
    goal, ratio, *_ = practice.claims(outcomes, 500.0)
    assert goal.holds == holds
    assert "takes 1 × the processor time" in str(ratio)


def test_the_first_page_says_of_the_leaderboard_what_its_results_say():
    """Those sentences are prose; the numbers in them are the files'."""
    page = " ".join((FOLDER.parent / "README.md").read_text().split())
    board = " ".join(said_by("leaderboard"))
    counts = dict(re.findall(r"(\w+): surely better than bc in (\d+ of \d+)", board))
    assert counts == {
        "noise": "6 of 8",
        "dart": "6 of 8",
        "dagger": "6 of 8",
        "smile": "2 of 7",
        "gated": "7 of 7",
        "chunk": "1 of 8",
        "tasil": "6 of 6",
        "mdn": "1 of 1",
        "flow": "1 of 1",
    }
    worse = dict(re.findall(r"(\w+): surely better [^.]*?, surely worse on ([^.]*)\.", board))
    assert worse == {"smile": "arm, by position", "chunk": "recover, k = 8"}
    said = "noise, DART and DAgger are surely better than cloning on six, a gate on all seven that it learned, and TaSIL"
    assert said in page
    assert (
        "Chunks are better on one and worse on one, SMILe is better on two and worse on one."
        in page
    )
    signs = re.search(r"Of (\d+) foretold signs (\d+) agree", " ".join(said_by("signs")))
    assert f"Of {signs[1]} signs that theory foretells, {signs[2]} agree" in page
    assert "disagree: chunk on arm, by position." in " ".join(said_by("signs"))
    asked = re.search(
        r"flow from (\S+%) to (\S+%); with flow and an expert that yields to (\S+%)\.",
        " ".join(said_by("signs")),
    )
    clone, dagger, yielding = asked.groups()
    assert f"hits the island in {clone} of its rollouts, and in {dagger} after DAgger" in page
    assert f"(`--yields`) DAgger ends at {yielding}." in page


def said_by(name):
    """The sentences of a benchmark's claims."""
    claims = json.loads((FOLDER / f"{name}.json").read_text())["claims"]
    return [claim["sentence"] for claim in claims]
