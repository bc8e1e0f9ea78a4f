"""DAgger rediscovers inverse propensity weighting: what cloning and DAgger make of log clicks and log exposure.

A linear rule for all items, score = a log clicks + b log exposure, is fitted to an expert who knows relevance. Dividing
clicks by exposure is (1, -1); sorting by clicks is (1, 0). On the expert's own lists exposure foretells relevance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from claims import Claim
from publish import publish, table

import il_bench as il
from il_bench.core.policy import Log
from il_bench.nets.itemwise import rule
from il_bench.stats.intervals import Interval, interval

ETA, VISITS, SEEDS, DAYS, AT = 2.0, 10.0, 64, 60, (1, 10, 60)
ROUNDS, ROLLOUTS = 8, 32


@dataclass(frozen=True)
class Results:
    """Rules and lists of every run.

    Attributes:
        rules: of BC and then of each round of DAgger, coefficients (rounds + 1, R, 2) of log clicks and log exposure.
        gain: nDCG by learner on the days `AT`, (R, days).
    """

    rules: np.ndarray
    gain: dict[str, np.ndarray]

    def division(self, row: int) -> Interval:
        """By which power of exposure clicks are divided: -b/a."""
        clicks, exposure = self.rules[row].T
        return interval(-exposure / clicks)


def results(first: int = 0, seeds: int = SEEDS) -> Results:
    """BC, DAgger and the two scripted readers; the first seed is `first`."""
    numbers = tuple(range(first, first + seeds))
    settings = {"eta": ETA, "visits": VISITS, "horizon": DAYS, "scale": "log"}
    env = il.make("ranked", seeds=numbers, **settings)
    expert = il.expert(env)
    training = il.Training(net="itemwise")
    bc = il.BC(ROUNDS, training).learn(env, expert)
    rules = [coefficients(bc)]
    log = Log()
    log.iterate = lambda _, policy: rules.append(coefficients(policy))
    dagger = il.DAgger(ROUNDS, 1, training=training).learn(env, expert, None, log)
    readers = {name: il.learner(name).learn(env, expert) for name in ("naive", "corrected")}
    policies = {"bc": bc, "dagger": dagger, **readers}
    record = il.compare(env, expert, **policies, episodes=ROLLOUTS)
    days = np.array(AT) - 1
    gain = {}
    for number, name in enumerate(record.learners):
        reward = record.arrays["reward"][number].mean(1)
        gain[name] = reward[:, days]
    return Results(np.stack(rules), gain)


def coefficients(policy: Any) -> np.ndarray:
    """The coefficients (R, 2) of log clicks and log exposure in the logarithm of the score."""
    from il_bench.envs.ranked import UNIT

    slopes = UNIT * rule(policy)[:, :2]
    return slopes.double().numpy()


def lines(outcome: Results) -> list[list[str]]:
    """Of the table."""
    last = len(outcome.rules) - 1
    rows = {"bc": 0, "dagger, round 1": 1, "dagger, round 2": 2, f"dagger, round {last}": last}
    shown = []
    for name, row in rows.items():
        clicks, exposure = outcome.rules[row].T
        numbers = [interval(clicks), interval(exposure), outcome.division(row)]
        learner = name if name != f"dagger, round {last}" else "dagger"
        gains = outcome.gain.get(learner)
        shown.append([name, *map(str, numbers), *gain_texts(gains)])
    for name, pair in {"corrected": ("1", "-1", "1"), "naive": ("1", "0", "0")}.items():
        shown.append([name, *pair, *gain_texts(outcome.gain[name])])
    return shown


def gain_texts(gains: np.ndarray | None) -> list[str]:
    """Mean nDCG on each day; nothing where nobody rolled it out."""
    if gains is None:
        return [""] * len(AT)
    return [f"{day:.3f}" for day in gains.mean(0)]


def claims(outcome: Results) -> list[Claim]:
    """What is said, with its conditions."""
    cloned = outcome.division(0)
    last = outcome.division(-1)
    apart = interval(np.abs(outcome.rules[0].sum(1)) - np.abs(outcome.rules[-1].sum(1)))
    first = interval(outcome.gain["dagger"][:, 0] - outcome.gain["bc"][:, 0])
    weighting = interval(outcome.gain["dagger"][:, 0] - outcome.gain["corrected"][:, 0])
    late = interval(outcome.gain["bc"][:, -1] - outcome.gain["dagger"][:, -1])
    return [
        Claim(
            f"A clone divides clicks by exposure to the power {cloned}: on the expert's own lists "
            "exposure foretells relevance, so it divides too little.",
            cloned.high < 1,
        ),
        Claim(
            f"DAgger's last round divides by exposure to the power {last}, inverse propensity "
            "weighting within a tenth, without having been told of it.",
            last.low > 0.9 and last.high < 1.1 and apart.low > 0,
        ),
        Claim(
            f"On the first day DAgger's order is better than the clone's by {first} nDCG, and "
            f"within {weighting} of that of whoever divides.",
            first.low > 0 and max(abs(weighting.low), abs(weighting.high)) < 0.01,
        ),
        Claim(
            f"After {DAYS} days, when every item was shown often, to divide too little is no longer a loss: the clone, "
            f"which is steadier, is {late} nDCG above DAgger.",
            late.low > 0,
            f"After {DAYS} days clone and DAgger differ by {late} nDCG.",
        ),
    ]


def main() -> None:
    """64 seeds; equal labels; one linear rule for all items."""
    torch.set_num_threads(1)
    outcome = results()
    days = [f"nDCG on day {day}" for day in AT]
    header = ["learner", "log clicks", "log exposure", "power of exposure", *days]
    caption = (
        f"Ten items, η = {ETA:g}, {VISITS:g} visitors a day, from the reversed list; median over "
        "runs of the coefficients [95 % interval], mean nDCG."
    )
    publish(
        "rediscovery",
        claims(outcome),
        table(header, lines(outcome)),
        caption,
        rules=outcome.rules.tolist(),
        gain={name: values.tolist() for name, values in outcome.gain.items()},
    )


if __name__ == "__main__":
    main()
