"""Exposure bias: what errors accumulate to in texts that a network writes itself, by the language and by the sampler.

The field's quarrel, no exposure bias to speak of (He et al. 2021) against up to quadratic (Arora et al. 2022), is one
parameter: whether a language recovers by itself. The same teacher-forced network on n-grams of a real text, on a language
that goes on by the clock and on one that only a key leads back to: their %ExAccErr lie orders of magnitude apart. The number
alone is no measure of quality: who errs as badly after the expert's texts as after its own has a small one. And it is
that of a sampler: at low temperature the same network seems to have no exposure bias.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import torch
from claims import Claim
from publish import figure, publish, table

import il_bench as il
from il_bench.core.policy import Policy, choose
from il_bench.records.rows import numbers
from il_bench.records.twins import compare
from il_bench.stats.accumulation import excess

SEEDS, EPISODES, TEXTS = 3, 512, 32
TAUGHT, WRITTEN = 48, 129
"""Symbols of a text that is learned from, and of one that is judged: 128 of them follow something."""
UPDATES = 600
PUBLISHED = {"text": 11.0, "clock": 8_500.0, "keyed": 42_000.0}
"""%ExAccErr at 128 symbols of one network of 64 units, taught by 2,000 texts."""
WITHIN = 10.0
"""Factor within which ours are expected: of half the units, and of a quarter of the texts."""
SMALL = 40.0
"""%ExAccErr, either way, up to which nothing accumulates to speak of."""
TEMPERATURES = 1.5, 1.0, 0.7, 0.5, 0.0
LEARNERS = "teacher forcing", "scheduled sampling"


class Tempered(Policy):
    """A policy that writes at a temperature, and is judged by its chances at temperature one.

    Args:
        source: whose chances.
        temperature: 0 or more; at 0 the likeliest symbol is written.
    """

    def __init__(self, source: Any, temperature: float):
        self.source, self.temperature = source, temperature
        self.action_space, self.runs = source.action_space, source.runs

    def distribution(self, obs: torch.Tensor, memory: Any = None) -> tuple[torch.Tensor, Any]:
        """Those of the source."""
        chances: tuple[torch.Tensor, Any] = self.source.distribution(obs, memory)
        return chances

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`."""
        chances, memory = self.distribution(obs, memory)
        if draw is None or self.temperature == 0:
            return chances.argmax(-1, keepdim=True), memory
        tempered = (chances.log() / self.temperature).softmax(-1)
        return choose(tempered, draw), memory

    def __getitem__(self, run: int) -> Tempered:
        """The policy of one run."""
        return Tempered(self.source[run], self.temperature)


@dataclasses.dataclass(frozen=True)
class Writer:
    """One network's texts in one language, a number for each run (R,).

    Attributes:
        language: which.
        name: how it learned, or at which temperature it writes.
        off, on: KL from the oracle's chances, nats a symbol, on the oracle's prefixes and on its own.
        outside: its chance of what the oracle never writes there.
        nll: what the oracle's text costs under it, nats a symbol.
        own: what its own text costs under the oracle, smoothed.
    """

    language: str
    name: str
    off: np.ndarray
    on: np.ndarray
    outside: np.ndarray
    nll: np.ndarray
    own: np.ndarray

    @property
    def excess(self) -> np.ndarray:
        """%ExAccErr of each run (R,)."""
        return excess(self.on, self.off)

    def cells(self) -> list[str]:
        """A row of the table: medians, and for the excess the smallest and the largest run."""
        more = self.excess
        spread = f"{np.median(more):,.0f} ({more.min():,.0f} to {more.max():,.0f})"
        errors = [f"{np.median(each):.2g}" for each in (self.off, self.on)]
        others = [f"{np.median(each):.3f}" for each in (self.outside, self.nll, self.own)]
        return [self.language, self.name, *errors, spread, *others]


def judged(env: Any, policies: dict[str, Any], language: str) -> list[Writer]:
    """What comes of networks that write longer texts than they were taught by."""
    longer = dataclasses.replace(env, horizon=WRITTEN)
    record = compare(longer, il.expert(longer), policies, episodes=TEXTS)
    return [writer(record, k, language) for k in range(1, len(record.learners))]


def writer(record: Any, learner: int, language: str) -> Writer:
    """A learner of a Record."""
    told = numbers(record, learner)
    names = ("kl_off", "kl_on", "outside", "nll_off", "nll_on")
    return Writer(language, record.learners[learner], *[told[name] for name in names])


def results(first: int = 0, seeds: int = SEEDS) -> tuple[list[Writer], list[Writer]]:
    """Writers of all languages, and those of one at several temperatures; the first seed is `first`."""
    chosen = range(first, first + seeds)
    training = il.Training(
        net="gru", updates=UPDATES, lr=5e-3, units=32, embedding=16, sequences=16
    )
    writers, tempered = [], []
    for language in PUBLISHED:
        env = il.make(language, horizon=TAUGHT, seeds=chosen)
        expert = il.expert(env)
        forced = il.BC(EPISODES, training).learn(env, expert)
        policies = {LEARNERS[0]: forced}
        if language == "keyed":
            scheduled = il.learner("scheduled", episodes=EPISODES, training=training)
            policies[LEARNERS[1]] = scheduled.learn(env, expert)
        writers += judged(env, policies, language)
        if language == "clock":
            colder = {f"temperature {t:g}": Tempered(forced, t) for t in TEMPERATURES}
            tempered = judged(env, colder, language)
    return writers, tempered


def claims(results: tuple[list[Writer], list[Writer]]) -> list[Claim]:
    """What is said of exposure bias, and what is so."""
    writers, tempered = results
    forced = {one.language: one for one in writers if one.name == LEARNERS[0]}
    ruined = next(one for one in writers if one.name == LEARNERS[1])
    said = [published(forced[language]) for language in PUBLISHED]
    return [*said, order(forced), gamed(ruined, forced["keyed"]), sampler(tempered)]


def published(one: Writer) -> Claim:
    """Whether the number is that which was published, by its size."""
    known = PUBLISHED[one.language]
    more = float(np.median(one.excess))
    goal = f"published: {known:,.0f}"
    if known < SMALL:
        limit = f"goal: at most {SMALL:g} either way"
        words = f"On `{one.language}`, which recovers by itself, %ExAccErr is {more:,.0f} ({goal}; {limit})."
        return Claim(words, abs(more) <= SMALL)
    words = f"On `{one.language}` it is {more:,.0f} ({goal}; goal: within a factor of {WITHIN:g})."
    return Claim(words, known / WITHIN <= more <= known * WITHIN)


def order(forced: dict[str, Writer]) -> Claim:
    """Whether in every run errors accumulate most where only a key leads back, and least where nothing is needed."""
    text, clock, keyed = (forced[language].excess for language in PUBLISHED)
    rising = (text < clock) & (text < keyed)
    words = f"In {rising.sum()} of {len(rising)} seeds both are above that of `text`: the quarrel is one of languages."
    return Claim(words, bool(rising.all()))


def gamed(ruined: Writer, forced: Writer) -> Claim:
    """Whether a network that is worse at everything has the smaller number."""
    theirs, ours = np.median(forced.excess), np.median(ruined.excess)
    worse = np.median(ruined.off) / np.median(forced.off)
    words = (
        f"Scheduled sampling brings it to {ours:,.0f} on `keyed` by erring {worse:,.0f} times as much after the expert's "
        f"own texts ({np.median(ruined.off):.2g} against {np.median(forced.off):.2g} nats a symbol), and writes "
        f"texts that cost {np.median(ruined.own):.1f} nats a symbol (teacher forcing {np.median(forced.own):.1f}): the ratio "
        "alone is no measure of quality."
    )
    instead = f"Scheduled sampling has a %ExAccErr of {ours:,.0f} on `keyed` (teacher forcing {theirs:,.0f})."
    return Claim(words, bool(ours < theirs / 10 and worse > 10), instead)


def sampler(tempered: list[Writer]) -> Claim:
    """Whether a lower temperature hides exposure bias, step by step."""
    errors = [float(np.median(one.on)) for one in tempered]
    falls = all(high > low for high, low in itertools.pairwise(errors))
    shown = ", ".join(
        f"{error:.2g} at {t:g}" for error, t in zip(errors, TEMPERATURES, strict=True)
    )
    words = f"Written at a lower temperature the same network's KL on its own texts falls, {shown}: it hides exposure bias."
    return Claim(
        words, falls, f"KL on own texts by temperature: {shown}; it does not fall at each step."
    )


def draw(results: tuple[list[Writer], list[Writer]]) -> None:
    """Errors after the expert's texts and after one's own, run by run."""
    with figure("exposure_bias") as (panel,):
        for number, one in enumerate(results[0]):
            label = f"{one.language}, {one.name}"
            panel.loglog(one.off, one.on, "o", color=f"C{number}", label=label)
        ends = np.array(panel.get_xlim())
        panel.loglog(ends, ends, color="0.6", lw=1)
        panel.set_xlabel("KL on the expert's prefixes, nats a symbol")
        panel.set_ylabel("KL on own prefixes")
        panel.legend(frameon=False, fontsize=7)


def main() -> None:
    """3 seeds, 512 texts to learn from, 32 to be judged by."""
    torch.set_num_threads(1)
    told = results()
    draw(told)
    header = ["language", "network", "KL off", "KL on", "%ExAccErr (all runs)"]
    header += ["chance off support", "NLL of expert's text", "NLL of own text"]
    rows = [one.cells() for part in told for one in part]
    numbers_of = {
        f"{one.language}, {one.name}": {"off": one.off.tolist(), "on": one.on.tolist()}
        for part in told
        for one in part
    }
    publish(
        "exposure_bias",
        claims(told),
        table(header, rows),
        f"Medians of {SEEDS} seeds, {WRITTEN - 1} symbols after the first; nats a symbol.",
        errors=numbers_of,
    )


if __name__ == "__main__":
    main()
