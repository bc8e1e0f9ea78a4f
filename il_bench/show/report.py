"""What a comparison says, in a few sentences, from a Record alone: each clause follows from a condition on the facts."""

from __future__ import annotations

import dataclasses
import math

from ..records.record import Record
from ..records.rows import NOBODY
from ..stats.intervals import FEWEST, Interval, short
from .facts import Chances, Comparison, Copy, Facts, Yardstick, facts_of
from .words import portion, settings_text

RARE = 0.05
"""Share of rollouts up to which ends and losses are not worth a word."""

GAP = 3.0
"""Factor by which errors on own states exceed those on the expert's, where that explains something."""

TIMES = 2.0
"""Factor from which on a difference is told as one; smaller ones in percent."""

AT_MOST = 3
"""How many learners are set beside the first one in words."""

LONGEST = 700
"""Characters beyond which a learner less is spoken of."""


def sentence(record: Record) -> str:
    """What a newcomer should take away: who drifted, by how much, beside whom, why, and what to try next.

    It speaks of the setting in which most is lost.
    """
    facts = facts_of(record)
    return NOBODY if facts is None else sentence_of(facts)


def sentence_of(facts: Facts) -> str:
    """The same, from the facts; of as many learners as leave it short."""
    said = ""
    for most in range(AT_MOST, 0, -1):
        said = _of_some(facts, most)
        if len(said) <= LONGEST:
            break
    return said


def _of_some(facts: Facts, most: int) -> str:
    """The same of the first learner and `most` others."""
    some = dataclasses.replace(facts, others=facts.others[:most])
    texts = [_opening(some), _others(some), _more(facts, most)]
    clauses = (_expert, _lost, _elsewhere, _starts, _chances, _why)
    texts += [clause(some) for clause in clauses]
    return " ".join(filter(None, texts))


def _copies(facts: Facts) -> list[Copy]:
    """The learners that are spoken of."""
    others = [one.copy for one in facts.others]
    return [facts.first, *others]


def _opening(facts: Facts) -> str:
    """Where and when, and what became of the first learner."""
    where = settings_text(facts.settings.items())
    steps = _counted(facts.steps, "step")
    when = f"At {where}, after {steps}," if where else f"After {steps}"
    state = _state(facts.first, facts)
    return f"{when} {state}."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


OF_ITS = " of its rollouts"
"""Of what a share is."""


def _state(copy: Copy, facts: Facts) -> str:
    """How far a learner is from its expert, and what share of its rollouts is lost."""
    clauses = (_distance, _broke, _ended, _far)
    texts = [clause(copy, facts) for clause in clauses]
    *before, last = filter(None, texts)
    said = f"{', '.join(before)} and {last}" if before else last
    once, of_its, rest = said.partition(OF_ITS)
    return f"{copy.learner} {once}{of_its}{rest.replace(OF_ITS, '')}"


def _distance(copy: Copy, facts: Facts) -> str:
    drift = copy.drift
    whose = " from its expert" if copy is facts.first else ""
    if math.isinf(drift.value):
        return ""
    if drift.texts()[0] == "n/a":
        return f"is at a distance{whose} that is not known"
    if facts.chance and drift.value > 0:
        return f"has parted{whose} in {_percent_of(drift)}{_of_its(copy, facts)}"
    if facts.chance or drift.low == drift.high == 0:
        return f"has not parted{whose}"
    return f"has drifted {drift}{whose}"


def _broke(copy: Copy, facts: Facts) -> str:
    if copy.broke == 0 and not math.isinf(copy.drift.value):
        return ""
    return f"became NaN or infinite {_in(copy.broke)}{_of_its(copy, facts)}"


def _ended(copy: Copy, facts: Facts) -> str:
    """How often it ended early: of every learner, where some did."""
    if not any(_ends(one) for one in _copies(facts)):
        return ""
    return f"ended early {_in(copy.ended)}{_of_its(copy, facts)}"


def _ends(copy: Copy) -> bool:
    """Whether its ends are worth a word; those of an environment that ends for its expert too are not."""
    return copy.ended > RARE and not copy.as_expert


def _far(copy: Copy, facts: Facts) -> str:
    """How often it is lost without an end: of every learner, where some are."""
    if not any(one.far > RARE for one in _copies(facts)):
        return ""
    return f"is lost {_in(copy.far)}{_of_its(copy, facts)}"


def _of_its(copy: Copy, facts: Facts) -> str:
    """Of what a share is: of the first learner's, and said once, see `_state`."""
    return OF_ITS if copy is facts.first else ""


def _in(share: float) -> str:
    """Such as "in 43 %"."""
    return f"in {portion(share)}"


def _percent_of(part: Interval) -> str:
    """A part of one with its interval, such as 41 [31, 62] %."""
    hundredths = part.scaled(100)
    return f"{hundredths} %"


def _others(facts: Facts) -> str:
    """What became of the other learners; how many runs it takes to tell is said once."""
    said = " ".join(_beside(one, facts) for one in facts.others)
    once, takes, rest = said.partition(IT_TAKES)
    return f"{once}{takes}{rest.replace(IT_TAKES, '')}"


def _beside(one: Comparison, facts: Facts) -> str:
    """What became of another learner, and how it stands to the first one."""
    copy, first = one.copy, facts.first
    state = _state(copy, facts)
    if copy.one and first.one:
        return f"{state}."
    return f"{state}: {_verdict(one, facts)}."


def _verdict(one: Comparison, facts: Facts) -> str:
    first = facts.first
    if one.contrast.verdict == "cannot tell":
        return _too_little(one)
    if one.contrast.verdict == "same":
        return _alike(one, first)
    budget = _budget(one.copy, first)
    return f"{_difference(one, facts)} than {first.learner}{budget}"


def _alike(one: Comparison, first: Copy) -> str:
    """That two learners are the same by a yardstick."""
    nearly = ", within a quarter" if one.contrast.ratio else ""
    how = {"drift": "as near as", "lost": "lost as often as", "time": "lost as soon as"}
    return f"{how[one.yardstick]} {first.learner}{nearly}"


QUESTION: dict[Yardstick, str] = {
    "drift": "which is nearer",
    "lost": "which is lost more often",
    "time": "which is lost sooner",
}
"""What cannot be told of two learners by a yardstick."""


IT_TAKES = f" (it takes {FEWEST})"
"""From how many runs on a comparison can be told."""


def _too_little(one: Comparison) -> str:
    """What cannot be told, and by how many runs."""
    known = one.contrast.by.known
    runs = _counted(known, "run")
    question = QUESTION[one.yardstick]
    needs = IT_TAKES if known < FEWEST else ""
    return f"{runs} cannot tell {question}{needs}"


def _difference(one: Comparison, facts: Facts) -> str:
    """By how much a learner is nearer or farther, lost more or less often, sooner or later."""
    contrast = one.contrast
    better = contrast.verdict == "better"
    if one.yardstick == "order":
        return _order(one, better)
    if contrast.ratio:
        return _factor(contrast.by, better)
    sign = -1 if better else 1
    apart = contrast.by.scaled(sign)
    if one.yardstick == "time":
        return f"lost {apart} steps {'later' if better else 'sooner'}"
    word = "less" if better else "more"
    if one.yardstick == "drift" and not facts.chance:
        return f"{apart} {word}"
    what = "lost" if one.yardstick == "lost" else "apart"
    points = apart.scaled(100)
    return f"{what} {points} points {word} often"


def _order(one: Comparison, better: bool) -> str:
    """In how many runs a learner is nearer, or farther; by how much, a D that was stopped does not tell."""
    word = "nearer" if better else "farther"
    return f"{word} in {one.agreeing} of {one.copy.runs} runs"


def _factor(ratio: Interval, better: bool) -> str:
    """A ratio in words: a factor where that is large, else in percent."""
    if not better:
        more = ratio.changed(lambda times: times - 1)
        return f"{ratio} times more" if ratio.value >= TIMES else f"{_percent_of(more)} more"
    factor = ratio.changed(_inverse)
    less = ratio.changed(lambda times: 1 - times)
    return f"{factor} times less" if factor.value >= TIMES else f"{_percent_of(less)} less"


def _inverse(number: float) -> float:
    return 1 / number if number > 0 else math.inf


def _budget(copy: Copy, first: Copy) -> str:
    """Whether the two were given the same to learn from."""
    besides = _besides(copy, first)
    if copy.labels == first.labels and copy.updates == first.updates:
        return f", on the same labels and updates{besides}"
    ours, theirs = _given(copy), _given(first)
    return f", on {ours} against {theirs}{besides}"


def _besides(copy: Copy, first: Copy) -> str:
    """How many derivatives one of the two was given besides."""
    more = copy.derivatives - first.derivatives
    count = _counted(abs(more), "derivative")
    if more > 0:
        return f" and with {count} besides"
    return f" and without {count}" if more < 0 else ""


def _given(copy: Copy) -> str:
    labels = _counted(copy.labels, "label")
    updates = _counted(copy.updates, "update")
    return f"{labels} and {updates}"


def _more(facts: Facts, most: int) -> str:
    """How many learners are left to the table, where `most` others are spoken of."""
    rest = len(facts.others) - most
    return f"{rest} more stand in the table." if rest > 0 else ""


def _expert(facts: Facts) -> str:
    """How often the expert's own rollouts end early: where some do, and where learners' do."""
    asked = any(_ends(copy) for copy in _copies(facts))
    if not asked and facts.expert_ended <= RARE:
        return ""
    if facts.expert_ended == 0:
        return "The expert itself never ended early."
    return f"The expert itself ended early {_in(facts.expert_ended)}."


def _lost(facts: Facts) -> str:
    """What lost means, where the word fell."""
    if not any(copy.far > RARE for copy in _copies(facts)):
        return ""
    return "(Lost: at least half as far as two unrelated states.)"


def _elsewhere(facts: Facts) -> str:
    """Where the first learner is hardly lost; D itself is not comparable between settings."""
    there = facts.elsewhere
    if there is None:
        return ""
    what = "apart" if facts.chance else "lost"
    where = settings_text(there.settings.items())
    return f"At {where} {facts.first.learner} is {what} {_in(there.lost)} of its rollouts."


def _starts(facts: Facts) -> str:
    """That rollouts begin where demonstrations began, so that less is said of what was never seen."""
    if not facts.demonstrated > 0:
        return ""
    share = portion(facts.demonstrated)
    return f"Of these rollouts {share} began where {facts.first.learner}'s demonstrations did."


def _chances(facts: Facts) -> str:
    """How far chances are from the expert's where it wrote and where they did themselves, never as a ratio alone."""
    texts = []
    for copy in _copies(facts):
        if copy.chances is not None:
            texts.append(f"{copy.learner} {_nats(copy.chances)}")
    if not texts:
        return ""
    words = "Nats a step from the expert's chances, where it drove and where they did"
    return f"{words}: {'; '.join(texts)}."


def _nats(chances: Chances) -> str:
    """Such as "0.012 and 1.9 (%ExAccErr 15800 [9000, 21000]), 31 % of its chances there are on ..."."""
    off = chances.off.texts()[0]
    on = chances.on.texts()[0]
    share = portion(chances.outside)
    outside = f"{share} of its chances there are on what the expert never does"
    return f"{off} and {on} (%ExAccErr {chances.excess}), {outside}"


def _why(facts: Facts) -> str:
    """The reason that the numbers point to, and the flag that would test it; of the first learner."""
    copy = facts.first
    gap = copy.exposure.by
    if not (copy.exposure.ratio and gap.value > GAP and gap.low > 1 and math.isfinite(copy.on)):
        return ""
    off, on = short(copy.off), short(copy.on)
    errs = f"{copy.learner} errs by {off} on the expert's states but by {on} on its own"
    if facts.excitation is None or copy.drove:
        return f"{errs}: the states it meets are not those it learned on."
    name, strength = facts.excitation
    hint = "" if name in facts.settings else f" Push them: try --{name} {strength:g}."
    reason = "nothing pushed its demonstrations off the expert's path"
    return f"{errs}: {reason}, so they never showed the way back.{hint}"
