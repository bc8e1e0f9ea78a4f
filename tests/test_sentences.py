"""Sentences of the report: whatever a Record holds, what is said follows from it."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from il_bench.records import rows
from il_bench.records.record import Record
from il_bench.records.schema import BYTES, CHANCES, DIMS
from il_bench.show.facts import facts_of
from il_bench.show.report import LONGEST, RARE, sentence, sentence_of
from il_bench.stats.intervals import FEWEST, contrast

STEPS = 4


def record_of(
    drift, fell=None, broke=None, lipschitz=None, indicator=False, diameter=10.0, **index
):
    """A Record of made-up rollouts.

    Args:
        drift: D of each learner at the horizon (K, R, E), which grows evenly from zero.
        fell: the step (K + 1, R, E) at which the environment ended each rollout, the expert's first; -1: never.
        broke: the step (K, R, E) at which each became infinite; -1: never.
        lipschitz: of each run (R,).
        indicator: whether D is 0 or 1.
        diameter: how far states come apart.
        **index: what else the index says.
    """
    drift = np.asarray(drift, dtype=float)
    copies, runs, episodes = drift.shape
    shape = (copies + 1, runs, episodes)
    fell = np.full(shape, -1) if fell is None else np.asarray(fell)
    broken = np.full(shape, -1)
    if broke is not None:
        broken[1:] = broke
    lipschitz = [1.2] * runs if lipschitz is None else list(lipschitz)
    names = ["expert", *(f"copy{k}" for k in range(copies))]
    part = np.ones(STEPS) if indicator else np.arange(1, STEPS + 1) / STEPS
    divergence = np.zeros((*shape, STEPS + 1))
    divergence[1:, ..., 1:] = drift[..., None] * part
    divergence[1:][broken[1:] >= 0, -1] = np.inf
    length = np.where(fell >= 0, fell, STEPS)
    length = np.where(broken >= 0, broken, length)
    sizes = {"learner": copies + 1, "run": runs, "episode": episodes, "time": STEPS + 1}
    sizes |= {"step": STEPS, "x": 1, "d": 1, "u": 1}
    arrays = {
        name: np.zeros([sizes[dim] for dim in dims])
        for name, (dims, _) in DIMS.items()
        if name not in CHANCES | BYTES
    }
    arrays |= {
        "divergence": divergence,
        "delta": divergence[..., None],
        "length": length,
        "terminated": (fell >= 0) & (broken < 0),
        "broke": broken,
    }
    if "truncated" in arrays:
        arrays["truncated"] = np.zeros(shape, dtype=bool)
    config = {
        "learners": names,
        "env": {"name": "made_up", "settings": {}},
        "expert": "made_up",
        "algorithms": {},
        "kinds": {},
        "versions": {},
        "budgets": {},
        "runs": {"lipschitz": lipschitz, "seed": list(range(runs))},
        "states": {"x": "m"},
        "metric": "Euclidean",
        "diameter": [diameter] * runs,
        "indicator": indicator,
        **index,
    }
    return Record(arrays, config)


def flat(values, runs=8, episodes=4):
    """The same D in every rollout of a learner, for each learner."""
    return np.broadcast_to(
        np.asarray(values, dtype=float)[:, None, None], (len(values), runs, episodes)
    )


NUMBERS = st.one_of(
    st.sampled_from([0.0, 1e-300, 1e-9, 1.0, 9.99, 10.0, np.inf]),
    st.floats(1e-6, 10.0),
)


@st.composite
def records(draw):
    """Any Record: ties, clips, some runs lost and others not, all lost, an expert that falls, NaN, several settings."""
    many, episodes = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    each = draw(st.sampled_from([1, 2, 5, 6, 8, 16, 64]))
    values = draw(st.sampled_from([1, 2]))
    runs = each * values
    chance = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shape = (many, runs, episodes)
    scale = np.array(draw(st.lists(NUMBERS, min_size=many, max_size=many)))[:, None, None]
    spread = draw(st.sampled_from([0.0, 0.1, 3.0]))
    drift = np.minimum(scale * np.exp(spread * rng.normal(size=shape)), 10.0)
    clipped = rng.random((many, runs, 1)) < draw(st.sampled_from([0.0, 0.4, 1.0]))
    drift = np.where(clipped, 10.0, drift)
    if chance:
        drift = (rng.random(shape) < np.minimum(scale, 1)).astype(float)
    drift[rng.random(shape) < draw(st.sampled_from([0.0, 0.0, 0.0, 0.3, 1.0]))] = np.nan
    ends = np.array(
        draw(st.lists(st.sampled_from([0, 0.04, 0.8, 1]), min_size=many + 1, max_size=many + 1))
    )
    fell = np.where(
        rng.random((many + 1, runs, episodes)) < ends[:, None, None],
        rng.integers(1, STEPS, (many + 1, runs, episodes)),
        -1,
    )
    broken = rng.random(shape) < draw(st.sampled_from([0.0, 0.0, 0.1, 1.0]))
    lipschitz = np.repeat([0.9, 1.2][:values], each)
    one = ["copy0", "copy1"] if draw(st.booleans()) and many > 1 else []
    diameter = draw(st.sampled_from([10.0, 1e-3, None]))
    return record_of(drift, fell, np.where(broken, 1, -1), lipschitz, chance, diameter, one=one)


def clause_of(said, name):
    """What is said of one learner, from its name to the end of its clause."""
    found = re.search(rf"(?:^|[.,] |steps? ){name} .*?(?=\. |\.$)", said)
    return found.group(0) if found else ""


def spoken_of(facts, said):
    """The learners beside the first one, those apart that are left to the table."""
    left = re.search(r"(\d+) more stand in the table", said)
    count = len(facts.others) - int(left.group(1)) if left else len(facts.others)
    assert count >= 1 or not facts.others
    return facts.others[:count]


def has_the_direction_of_the_paired_verdict(record, facts, said):
    runs = r"in \d+ of \d+ runs"
    words = {"better": f"(less|later|nearer {runs})", "worse": f"(more|sooner|farther {runs})"}
    for one in spoken_of(facts, said):
        clause = clause_of(said, one.copy.learner)
        single = one.copy.one and facts.first.one
        verdict = "" if single else one.contrast.verdict
        for kind, word in words.items():
            claim = re.search(rf"{word}( often)? than copy0", clause)
            assert bool(claim) == (verdict == kind)
        assert ("cannot tell" in clause) == (verdict == "cannot tell")


def tells_no_factor_without_its_interval(record, facts, said):
    for one in spoken_of(facts, said):
        by = one.contrast.by
        clause = clause_of(said, one.copy.learner)
        units = "(times|%|points|steps) (less|more|later|sooner)"
        for claim in re.finditer(rf"[^:]*{units}", clause):
            assert "[" in claim.group(0) or by.low == by.high


def tells_nothing_of_fewer_than_six_runs(record, facts, said):
    if facts.others and facts.first.runs < FEWEST:
        assert " than copy0" not in said
        assert not re.search("as (near|often|soon) as", said)
        assert "cannot tell" in said or facts.first.one


def names_whoever_is_lost_in_more_than_five_percent(record, facts, said):
    for copy in [facts.first, *(one.copy for one in spoken_of(facts, said))]:
        clause = clause_of(said, copy.learner)
        shares = {"became NaN or infinite": copy.broke, "is lost": copy.far}
        if not copy.as_expert:
            shares["ended early"] = copy.ended
        for words, share in shares.items():
            number = f"{100 * share:.0f} %" if share <= 0.99 else "more than 99 %"
            number = "all" if share == 1 else number
            assert share <= RARE or f"{words} in {number}" in clause


def names_the_expert_s_own_falls(record, facts, said):
    fell = record.arrays["terminated"][0]
    runs = record.groups()[tuple(facts.settings.items())]
    assert facts.expert_ended == pytest.approx(fell[runs].mean())
    assert facts.expert_ended <= RARE or "The expert itself ended early in" in said


def compares_settings_by_shares_alone(record, facts, said):
    other = {0.9: 1.2, 1.2: 0.9}[facts.settings["lipschitz"]]
    assert said.count("At L =") == 1 + (facts.elsewhere is not None)
    for tail in said.split(f"At L = {other:g} ")[1:]:
        share = r"(none|all|less than 1 %|more than 99 %|\d+ %)"
        assert re.match(rf"copy0 is (lost|apart) in {share} of its rollouts\.", tail)


def is_short(record, facts, said):
    assert len(said) <= LONGEST
    assert "nan" not in said


CLAIMS = (
    has_the_direction_of_the_paired_verdict,
    tells_no_factor_without_its_interval,
    tells_nothing_of_fewer_than_six_runs,
    names_whoever_is_lost_in_more_than_five_percent,
    names_the_expert_s_own_falls,
    compares_settings_by_shares_alone,
    is_short,
)


@given(records())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_of_any_record_the_sentence_follows(record):
    facts = facts_of(record)
    said = sentence_of(facts)
    for claim in CLAIMS:
        claim(record, facts, said)


@given(records())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_record_has_its_table(record):
    assert rows.table(record)


def test_what_broke_in_no_rollout_is_not_told():
    """It was told of a distance that is not known, which made sentences too long."""
    said = sentence(record_of(flat([10, np.nan]), diameter=100.0))
    assert "copy1 is at a distance that is not known" in said
    assert "in none" not in said


def test_of_what_shares_are_is_said_once():
    """It was said with each of them, which made sentences too long."""
    drift = np.full((1, 8, 4), 10.0)
    drift[:, :2] = np.nan
    fell = np.full((2, 8, 4), -1)
    fell[1, 2:4] = 1
    said = sentence(record_of(drift, fell, np.where(np.isnan(drift), 1, -1)))
    for share in ("became NaN or infinite in", "ended early in", "is lost in"):
        assert share in said
    assert said.count("of its rollouts") == 1


def test_a_factor_that_is_none_is_not_told():
    """10 against 9.99 was "1.0 times less"."""
    said = sentence(record_of(flat([10, 9.99]), diameter=100.0))
    assert "copy1 has drifted 10: as near as copy0, within a quarter." in said


def test_a_small_difference_is_told_in_percent():
    assert "copy1 has drifted 6.0: 40 % less than copy0" in sentence(
        record_of(flat([10, 6]), diameter=100.0)
    )


def test_the_smaller_median_may_be_worse_by_run():
    """Six of eight runs are worse by a third, and one is far better: the medians say less, the pairs say more."""
    theirs = np.array([1, 2, 3, 4, 50, 60, 70, 80.0])
    ours = theirs * 1.5
    drift = np.stack([theirs, ours])[..., None] * np.ones(4)
    said = sentence(record_of(drift, diameter=1e4))
    assert contrast(ours, theirs).verdict == "worse"
    assert re.search(r"copy1 has drifted .*: 50 .*% more than copy0", said)


def test_where_three_of_eight_copies_are_fine_that_is_said():
    drift = np.full((2, 8, 4), 10.0)
    drift[1, :3] = 0.01
    said = sentence(record_of(drift))
    assert "copy0 has drifted 10 from its expert and is lost in all of its rollouts" in said
    assert "copy1 has drifted 10 [0.010, 10] and is lost in 62 %" in said


def test_who_is_nearer_in_every_run_is_said_though_few_runs_cannot_tell_the_shares_lost():
    drift = np.full((2, 8, 4), 10.0)
    drift[0, 0] = 1.0
    drift[1] = 0.01
    said = sentence(record_of(drift))
    assert "copy1 has drifted 0.010 and is lost in none: nearer in 8 of 8 runs than copy0" in said


def test_a_loss_at_a_small_distance_is_a_loss():
    """Everybody falls at L = 0.9, at a distance of 1; at 1.2 nobody does, at 5: D would send the reader to 1.2."""
    drift = np.concatenate([flat([1.0]), flat([5.0])], axis=1)
    fell = np.full((2, 16, 4), -1)
    fell[1, :8] = 2
    said = sentence(record_of(drift, fell, lipschitz=[0.9] * 8 + [1.2] * 8, diameter=1e4))
    assert said.startswith(
        "At L = 0.9, after 4 steps, copy0 has drifted 1.0 from its expert and ended early in all"
    )
    assert "At L = 1.2 copy0 is lost in none of its rollouts." in said


def test_the_true_share_of_falls_stands_beside_the_expert_s():
    fell = np.full((2, 10, 10), -1)
    fell[0, :, :7] = 2
    fell[1, :, 1:9] = 3
    said = sentence(record_of(flat([1.0], 10, 10), fell))
    assert "copy0 has drifted 1.0 from its expert and ended early in 80 % of its rollouts." in said
    assert "The expert itself ended early in 70 %." in said


def test_episodes_that_end_for_the_expert_too_are_no_loss():
    fell = np.full((3, 8, 4), 2)
    facts = facts_of(record_of(flat([0.1, 0.2]), fell))
    assert facts.first.lost == 0
    assert "copy0 has drifted 0.10 from its expert. copy1" in sentence_of(facts)


def rewarded(record, each):
    """The record, in which each step that an episode lives earns so much."""
    lived = np.arange(STEPS) < record.arrays["length"][..., None]
    record.arrays["reward"] = each * lived.astype(float)
    return record


def test_a_goal_that_is_reached_a_step_later_is_no_loss():
    """Each step costs one; the expert is there after two, its copy after three: it was lost in all rollouts."""
    fell = np.full((2, 8, 4), 2)
    fell[1] = 3
    facts = facts_of(rewarded(record_of(flat([0.1]), fell), -1.0))
    assert facts.first.lost == 0
    assert facts.first.as_expert


def test_a_fall_at_once_is_a_loss_though_the_expert_falls_in_the_end():
    """Each step earns one: the copy lives a step, the expert three."""
    fell = np.full((2, 8, 4), 3)
    fell[1] = 1
    facts = facts_of(rewarded(record_of(flat([0.1]), fell), 1.0))
    assert facts.first.lost == 1
    assert "ended early in all" in sentence_of(facts)


@pytest.mark.parametrize("each", [-1.0, 0.0])
def test_a_fall_at_once_is_a_loss_where_steps_cost_or_earn_nothing(each):
    """It costs less than to go on: it was called an end of the expert's own."""
    fell = np.full((2, 8, 4), 3)
    fell[1] = 1
    assert facts_of(rewarded(record_of(flat([0.1]), fell), each)).first.lost == 1


def test_ends_at_the_same_step_are_of_one_kind_whatever_they_earned():
    fell = np.full((2, 8, 4), 3)
    record = rewarded(record_of(flat([0.1]), fell), -1e-9)
    record.arrays["reward"][1] *= 1000
    assert facts_of(record).first.lost == 0


def test_no_factor_is_told_where_d_was_stopped_in_some_runs():
    """Two of eight runs are lost, a quarter of all rollouts: their D is where they were stopped, and no yardstick."""
    drift = flat([1.0, 0.1]).copy()
    drift[0, :2] = 10
    said = sentence(record_of(drift))
    assert "times less" not in said
    assert "is lost in none: nearer in 8 of 8 runs than copy0" in said


def test_where_as_many_are_lost_who_is_nearer_decides():
    """It was said that one of two is farther where as many of both are lost and it is nearer in all runs."""
    drift = flat([9.0, 8.0]).copy()
    drift[:, 3:] = [[[1.0]], [[0.1]]]
    said = sentence(record_of(drift))
    assert "nearer in 8 of 8 runs than copy0" in said


def test_who_parts_later_does_better_where_both_are_lost():
    fell = np.full((3, 8, 4), -1)
    fell[1], fell[2] = 1, 3
    said = sentence(record_of(flat([1.0, 2.0]), fell))
    assert "copy1 has drifted 2.0 and ended early in all: lost 2.0 steps later than copy0" in said


def test_a_chance_is_a_mean_over_runs_and_rollouts():
    """Of a yes or no the median said 0 where 43 % were apart."""
    drift = np.zeros((1, 8, 100))
    drift[..., :43] = 1
    said = sentence(record_of(drift, indicator=True))
    assert "copy0 has parted from its expert in 43 % of its rollouts" in said


def test_rollouts_that_a_clock_of_the_environment_s_own_cut_off_are_told():
    """Nothing said so: neither table nor remarks; one that is cut off at the horizon is whole."""
    record = record_of(flat([1.0]))
    record.arrays["truncated"][:] = True
    assert "by a clock of its own" not in record.table()
    record.arrays["length"][0, :, :2] = 2
    record.arrays["length"][1] = 2
    said = (
        "made_up cut rollouts off before the horizon by a clock of its own (expert 50%, copy0 100%)"
    )
    assert said in record.table()
    assert any(line.startswith(said) for line in rows.remarks(record))


def test_starts_that_were_demonstrated_are_told():
    record = record_of(flat([1.0]), demonstrated={"copy0": [0.98] * 8})
    assert "Of these rollouts 98 % began where copy0's demonstrations did." in sentence(record)
    assert "demonstrations" not in sentence(record_of(flat([1.0])))


def test_a_run_whose_numbers_overflow_has_its_table_and_its_sentence():
    record = record_of(
        flat([np.inf, 1.0]),
        broke=np.where(np.arange(2)[:, None, None] == 0, 1, -1) * np.ones((2, 8, 4), int),
    )
    record.arrays["error_on"][1] = 1e200
    assert "copy0 became NaN or infinite in all of its rollouts" in sentence(record)
    assert "inf" in record.table()


def test_nobody_to_compare_is_said():
    alone = record_of(np.zeros((0, 2, 3)))
    assert sentence(alone) == alone.table() == "Nobody is compared with the expert."


def test_facts_are_plain():
    facts = facts_of(record_of(flat([1.0, 2.0])))
    assert dataclasses.asdict(facts)["steps"] == STEPS
