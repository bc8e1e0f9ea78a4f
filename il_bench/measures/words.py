"""Words: the table of measures in five lines, for who has ten seconds. Each clause follows from a condition on the rows.

The lines speak of the setting in which most rollouts are lost, since D is not comparable between settings, and of who is
lost most and least in it; where nobody is, of who drifted furthest and least.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..stats.intervals import FEWEST, Interval, short
from .quantities import ENDED, EXPERT_ENDED, LOST

Row: TypeAlias = "dict[str, Any]"
"""One learner in one setting: "learner", "settings", "classes" of growth, "values", each an Interval or a reason, whether
action errors are "counted" as 0 or 1 and rewards lie in an interval of length 1, so that the bounds on the loss hold, and
"contrasts" with the learner that "reference" names, and whether their D was "stopped" in more than a few runs."""


CLEAR = 1.5
"""An exposure gap is told where errors differ by more than this factor, and surely differ."""


FAR = 0.5
"""As far as two unrelated states: from this part of their distance on."""


RARE = 0.05
"""Share of rollouts up to which ends and losses are not worth a word."""


ATTAINED = 1 + 1e-6
"""A bound is exceeded above this part of it: one that is attained is so but for rounding."""


@dataclass(frozen=True)
class Circumstances:
    """What the lines need to know of a Record besides its rows.

    Attributes:
        horizon: steps of a rollout, T.
        indicator: whether D is 0 or 1, so that its mean is the chance to be apart.
    """

    horizon: int
    indicator: bool


OFF = "action error off (expert's states)"
"""The name of the error on the expert's own states."""


def five_lines(rows: Sequence[Row], known: Circumstances) -> dict[str, str]:
    """A line for each heading of the table: drift, growth, causes, bounds, cost."""
    chosen = _furthest_and_least(rows, known)
    clauses: dict[str, Callable[[Row, Circumstances], str]] = {
        "drift": _drift,
        "growth": _growth,
        "causes": _causes,
        "bounds": _bounds,
        "cost": _cost,
    }
    lines = {}
    for heading, clause in clauses.items():
        said = [f"{row['learner']} {clause(row, known)}" for row in chosen]
        lines[heading] = "; ".join(said) + "."
    opening = _opening(chosen[0], known)
    lines["drift"] = f"{opening} {lines['drift']}"
    return lines


def _furthest_and_least(rows: Sequence[Row], known: Circumstances) -> list[Row]:
    """Who fared worst, and who best in the same setting, if there was anybody else."""
    worst = max(rows, key=lambda row: _ill_anywhere(row, known))
    settings = worst["settings"]
    beside = [row for row in rows if row["settings"] == settings]
    beside.sort(key=lambda row: _ill(row, known))
    best, *_, furthest = beside * 2
    return [furthest] if len(beside) == 1 else [furthest, best]


def _ill(row: Row, known: Circumstances) -> tuple[float, float]:
    """How badly somebody fared in a setting: the share lost, then D; what is unknown counts as none."""
    distance = _distance(row, known).value
    return _none_if_unknown(row["values"][LOST]), _none_if_unknown(distance)


def _ill_anywhere(row: Row, known: Circumstances) -> tuple[float, float]:
    """The same among settings, where a length counts in parts of its ceiling."""
    lost, distance = _ill(row, known)
    part = distance if known.indicator else _none_if_unknown(row["values"]["D / ceiling"])
    return lost, part


def _none_if_unknown(value: Interval | str | float) -> float:
    """A number, or 0 where there is none."""
    number = value if isinstance(value, float) else _number(value)
    return 0.0 if math.isnan(number) else number


def _distance(row: Row, known: Circumstances) -> Interval:
    """The drift that the lines speak of: of an indicator the mean, else the median."""
    kind = "arithmetic mean" if known.indicator else "median"
    drift: Interval = row["values"][f"D at the horizon, {kind}"]
    return drift


def _opening(row: Row, known: Circumstances) -> str:
    """Of which setting and which time the lines speak."""
    where = place(row["settings"])
    steps = _counted(known.horizon, "step")
    return f"At {where}, after {steps}" if where else f"After {steps}"


def place(settings: dict[str, float]) -> str:
    """A setting in words, such as "L = 1.2, noise = 0.05"."""
    titles = {"lipschitz": "L"}
    parts = []
    for name, value in settings.items():
        title = titles.get(name, name)
        parts.append(f"{title} = {value:g}")
    return ", ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _number(value: Interval | str) -> float:
    """The number of a row; NaN where there is a reason instead, or too few runs have one."""
    if isinstance(value, str) or value.texts()[0] == "n/a":
        return math.nan
    return value.value


def _reason(value: Interval | str) -> str:
    """Why a row holds no number."""
    return value.removeprefix("n/a: ") if isinstance(value, str) else "too few runs have one"


def _percent(part: float) -> str:
    """A share to read in passing; neither nearly nothing nor nearly all is rounded away."""
    if 0 < part < 0.01:
        return "less than 1 %"
    if 0.99 < part < 1:
        return "more than 99 %"
    return f"{100 * part:.0f} %"


def _times(factor: float) -> str:
    return f"{short(factor)} times"


def _drift(row: Row, known: Circumstances) -> str:
    return f"{_from_expert(row, known)}{_fates(row)}{_beside(row)}"


def _fates(row: Row) -> str:
    """What share of its rollouts is lost, and what share ended early beside its expert's, where that is worth a word."""
    lost, ended, experts = (_number(row["values"][name]) for name in (LOST, ENDED, EXPERT_ENDED))
    texts = []
    if lost > RARE:
        texts.append(f"lost in {_percent(lost)} of its rollouts")
    if ended > RARE and not lost <= RARE:
        its_expert = "never did" if experts == 0 else f"did in {_percent(experts)}"
        texts.append(f"ended early in {_percent(ended)} (its expert {its_expert})")
    return "".join(f", {text}" for text in texts)


DISTANCE = "D at the horizon"
"""The contrast of two learners' distances from their experts."""


SAID = {
    LOST: {
        "better": "lost less often than",
        "worse": "lost more often than",
        "same": "lost as often as",
        "cannot tell": "these runs cannot tell whether lost more or less often than",
    },
    DISTANCE: {
        "better": "nearer than",
        "worse": "farther than",
        "same": "as near as",
        "cannot tell": "these runs cannot tell whether nearer or farther than",
    },
}
"""What a verdict says of a learner beside another one, by the contrast that it is of."""


def _beside(row: Row) -> str:
    """How it stands to the first learner, by run: by the rollouts lost where D was stopped in some runs, else by D."""
    pairs = row["contrasts"]
    if not pairs:
        return ""
    by = LOST if row["stopped"] else DISTANCE
    pair = pairs[by]
    return f", {SAID[by][pair.verdict]} {row['reference']} ({pair} by run)"


def _from_expert(row: Row, known: Circumstances) -> str:
    """How far it is from its expert."""
    distance = _distance(row, known)
    if distance.texts()[0] == "n/a":
        return "is at a distance from its expert that is not known"
    if distance.value == 0:
        return "is where its expert is (D = 0)"
    if known.indicator:
        return f"has parted from its expert in {_percent(distance.value)} of the rollouts"
    if math.isinf(distance.value):
        return "became NaN or infinite (D is infinite)"
    return f"is {distance} from its expert{_how_far(row)}"


def _how_far(row: Row) -> str:
    """The distance by a yardstick: how far two unrelated states are apart, or what noise alone does."""
    noise = _number(row["values"]["D / that"])
    share = _number(row["values"]["D / ceiling"])
    unrelated = f" ({_percent(share)} of the distance between unrelated states)"
    if share >= FAR:
        return unrelated
    if noise <= 1:
        return " (no more than noise alone parts two experts)"
    if math.isfinite(noise):
        return f" ({_times(noise)} what noise alone parts two experts by)"
    return unrelated if share > 0 else ""


def _growth(row: Row, known: Circumstances) -> str:
    alpha = row["values"]["growth a step, fitted"]
    kind, frequency = next(iter(row["classes"].items()))
    runs = sum(row["classes"].values())
    if _distance(row, known).value == 0:
        return "shows no deviation that could grow"
    if known.indicator:
        return "is apart from its expert or is not: nothing in between could grow"
    if math.isnan(_number(alpha)):
        return "moves too little from its expert to fit a growth"
    value = " ".join(alpha.texts(3)).strip()
    if 2 * frequency <= runs:
        return f"multiplies a deviation by {value} a step: the runs differ ({row['class']})"
    share = f"{kind} in {frequency} of {_counted(runs, 'run')}"
    return f"multiplies a deviation by {value} a step: {_meaning(kind, alpha.value)} ({share})"


def _meaning(kind: str, alpha: float) -> str:
    """What becomes of errors in a class of growth."""
    meanings = {
        "explosive": f"errors explode{_doubling(alpha)}",
        "saturating": f"errors are forgotten{_halving(alpha)}",
        "linear": "errors add up",
        "diffusive": "errors add up like a random walk",
        "polynomial": "errors grow or shrink like a power of time",
        "marginal": "errors neither explode nor are forgotten within the horizon",
        "underpowered": "too little to say what becomes of errors",
        "not linear": "no linear recursion foretells the deviations",
        "none": "there is little that could grow",
    }
    return meanings[kind]


def _doubling(alpha: float) -> str:
    """In how many steps a deviation doubles, where that takes more than one."""
    if not 1 < alpha < 2:
        return ""
    time = math.log(2) / math.log(alpha)
    return f", doubled every {_steps(time)}"


def _halving(alpha: float) -> str:
    """In how many steps half of a deviation is forgotten, where that takes more than one."""
    if not 0.5 < alpha < 1:
        return ""
    time = math.log(0.5) / math.log(alpha)
    return f", by half every {_steps(time)}"


def _steps(time: float) -> str:
    return "step" if round(time) <= 1 else f"{round(time)} steps"


def _causes(row: Row, known: Circumstances) -> str:
    """Whether it errs more where it drives itself than where the expert did."""
    values = row["values"]
    off = values[OFF]
    on = values["action error on (own states)"]
    if off.value == 0 and on.value == 0:
        return "acts as its expert does wherever it was compared with it"
    if off.value == 0:
        return f"errs on states of its own alone, by {on}"
    if math.isinf(on.value):
        return f"errs by {off} on its expert's states and without limit on its own"
    places = f"its own states ({short(on.value)}) as on its expert's ({short(off.value)})"
    gap = values["exposure gap on / off"]
    if gap.known < FEWEST:
        return f"errs {_times(gap.value)} as much on {places}{_too_few(gap)}"
    if gap.value > CLEAR and gap.low > 1:
        return f"errs {_times(gap.value)} as much on {places}: it meets what it did not learn on"
    if gap.value < 1 / CLEAR and gap.high < 1:
        return f"errs {_times(gap.value)} as much on {places}: it drifts to where it errs less"
    return (
        f"errs {_times(gap.value)} as much on {places}: no clear exposure gap{_disagreement(row)}"
    )


def _too_few(value: Interval) -> str:
    """That so few runs are no evidence."""
    return f": of {_counted(value.known, 'run')}, too few to tell (it takes {FEWEST})"


def _disagreement(row: Row) -> str:
    """When it first acts otherwise than its expert does, on the expert's own path."""
    never = _number(row["values"]["no disagreement until the horizon"])
    first = _number(row["values"]["first disagreement, median step"])
    if never >= 0.5:
        return f", and on {_percent(never)} of its expert's paths it never disagrees"
    if math.isfinite(first):
        return f", and on its expert's paths it disagrees by step {first:.0f}"
    return ""


def _bounds(row: Row, known: Circumstances) -> str:
    """What is foretold: of the growth where actions can be wrong by a little, of the loss where errors are counted."""
    if row["counted"]:
        return _loss_bounds(row)
    naive = row["values"]["naive growth L + L_a Lip(policy), estimate"]
    if math.isnan(_number(naive)):
        return f"has no bound on its growth ({_reason(naive)})"
    text = f"may grow by {short(naive.value, 3)} a step by the naive estimate"
    return f"{text}{_against_the_fit(row)}{_small_gain(row)}"


def _against_the_fit(row: Row) -> str:
    """How the naive estimate compares with the growth that was fitted."""
    looser = row["values"]["naive / fitted growth"]
    times = _number(looser)
    if not math.isfinite(times):
        return ""
    text = f", {_times(times)} the growth fitted"
    return f"{text}, which refutes it" if looser.high < 1 else text


def _small_gain(row: Row) -> str:
    small = _number(row["values"]["small gain rho + C L_a Lip(error), estimate"])
    excess = _number(row["values"]["largest D / limit by the small gain"])
    if math.isnan(small):
        return ""
    text = f", and by {short(small, 3)} by the small gain"
    if excess > ATTAINED:
        return f"{text}: its drift refutes that, it reached {_times(excess)} the limit"
    promise = "errors stay small" if small < 1 else "an explosion is not ruled out"
    return f"{text}: {promise}"


def _loss_bounds(row: Row) -> str:
    """What was lost, as a part of the bounds on it."""
    values = row["values"]
    nothing = [_number(values[name]) == 0 for name in ("cost gap", OFF)]
    if all(nothing):
        return "has no error on its expert's states, and no loss to bound"
    any_task = _number(values["cost gap / (T^2 error off)"])
    recoverable = _number(values["cost gap / (u T error on)"])
    if not math.isfinite(any_task):
        return "has no finite bound on its loss"
    text = f"loses {short(any_task)} of the bound T^2 error"
    if any_task > ATTAINED:
        text = f"loses {_times(any_task)} T^2 error, more than that bound allows"
    if not math.isfinite(recoverable):
        return text
    return f"{text} and {short(recoverable)} of u T error, which counts on recovery"


def _cost(row: Row, known: Circumstances) -> str:
    return f"{_loss(row)}, {_spent(row)}"


def _loss(row: Row) -> str:
    gap = row["values"]["cost gap"]
    whole = row["values"]["expert's return"].value
    experts = f"its expert's return {short(whole, 3)}"
    if math.isinf(gap.value):
        return f"loses without limit of {experts}"
    if math.isfinite(gap.value) and gap.known < FEWEST:
        return f"loses {gap} of {experts}{_too_few(gap)}"
    if gap.low <= 0 <= gap.high:
        return f"loses nothing that these runs can tell of {experts} (cost gap {gap})"
    if gap.value < 0:
        return f"earns {short(-gap.value)} more than {experts}"
    share = f" ({_percent(gap.value / whole)})" if gap.value <= whole else ""
    return f"loses {gap} of {experts}{share}{_law(row)}"


def _law(row: Row) -> str:
    exponent = _number(row["values"]["horizon exponent of the cost gap"])
    return f", growing like T^{exponent:.1f}" if math.isfinite(exponent) else ""


def _spent(row: Row) -> str:
    """What it took to learn."""
    values = row["values"]
    if isinstance(values["labels"], str):
        return "and was trained elsewhere"
    labels = _whole(values["labels"], "label")
    updates = _whole(values["updates"], "update")
    seconds = short(values["seconds"].value)
    return f"and took {labels}, {updates} and {seconds} s to learn{_early_ends(row)}"


def _whole(value: Interval, noun: str) -> str:
    count = round(value.value)
    return _counted(count, noun)


def _early_ends(row: Row) -> str:
    ends = _number(row["values"]["episodes ended early while collecting"])
    if not ends >= 1:
        return ""
    count = _counted(round(ends), "early end")
    return f" ({count} on the way)"
