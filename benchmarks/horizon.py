"""T squared against T: counting BC and DAgger on the reset cliff, recoverable and absorbing, and the closed form.

Then three chains with closed forms: an error that puts one k steps off, for k from 1 to T; a symbol that is said from
one's own last one (parity); and the trap, which attains T squared epsilon exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from claims import Claim, Mean, goal, mean
from publish import figure, publish, table
from scipy.stats import linregress

import il_bench as il
from il_bench.stats.intervals import ratio
from il_bench.stats.theory import (
    absorbing_gap,
    missing_mass,
    parity_gap,
    recover_gap,
    reset_cliff_gap,
    return_gap,
    trap_gap,
)

SEEDS, EPISODES = 64, 50
STATES, ACTIONS, LABELS, HORIZONS = 10, 200, 400, (20, 40, 80)
ROUNDS = 20
"""Of DAgger."""
LITERATURE = {"states": 10, "actions": 5, "demonstrations": 200, "horizon": 40}
"""The setting at which the closed form is checked on its own."""
KINDS = "recoverable", "absorbing"
LEARNERS = "bc", "dagger"
DRAWN = "dagger, drawn from its counts"

ERROR, LONG = 0.002, (20, 40, 80, 160)
"""Chance to err at a step of the chains, and their horizons."""
OFF = 1, 4, 16, "T"
"""Steps that an error puts one off, k."""
PROBED, TAUGHT, WATCHED = 400, 40, 200
"""Episodes of each run on the chains: of the probe, those that learners learn from, and those they are measured on."""
FAR = 3.5
"""Standard errors that one of some forty means is from its true value in 2 % of cases."""

ANSWERS = {
    "recover": ((0, 1, 0, 2), (1, 0, 1, 0)),
    "parity": ((0, 1, 0, 1, 0, 1), (1, 0, 1, 0, 1, 0)),
}
"""The right action and a wrong one for each symbol."""

Losses = dict[int, np.ndarray]
"""Loss of return of each run (R,), by horizon."""


class Erring(il.Policy):
    """Right on a chain without fog but for a chance to err at every step."""

    def __init__(self, env: il.Env, chain: str):
        self.action_space = env.action_space
        self.runs = env.runs
        right, wrong = ANSWERS[chain]
        self.right = torch.tensor(right)
        self.wrong = torch.tensor(wrong)

    def act(
        self, obs: torch.Tensor, memory: Any = None, draw: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Any]:
        """See `Policy.act`."""
        symbol = obs.argmax(-1)
        never = torch.zeros_like(symbol, dtype=torch.bool)
        errs = never if draw is None else draw < ERROR
        action = torch.where(errs, self.wrong[symbol], self.right[symbol])
        return action[..., None], memory

    def __getitem__(self, run: int) -> Erring:
        """None is ever asked for."""
        raise IndexError(run)


@dataclass(frozen=True)
class Line:
    """A learner's loss of return against the horizon, beside its closed form.

    Attributes:
        place: the cliff or the chain.
        learner: who loses.
        losses: of each run (R,), by horizon.
        theory: the closed form at each horizon; none where there is none.
    """

    place: str
    learner: str
    losses: Losses
    theory: tuple[float, ...] = ()

    @property
    def means(self) -> list[Mean]:
        """Over runs, at each horizon."""
        return [mean(losses) for losses in self.losses.values()]

    @cached_property
    def slope(self) -> Mean:
        """Slope of log mean loss on log horizon, and its bootstrap standard error over runs."""
        rng = np.random.default_rng(0)
        draws = []
        for _ in range(500):
            resamples = [rng.choice(losses, len(losses)) for losses in self.losses.values()]
            draws.append(self._slope_of([sample.mean() for sample in resamples]))
        middle = self._slope_of([one.value for one in self.means])
        return Mean(middle, float(np.std(draws)))

    @property
    def slope_of_theory(self) -> float:
        """That of the closed form."""
        return self._slope_of(self.theory)

    def _slope_of(self, losses: Any) -> float:
        horizons = np.log(list(self.losses))
        return float(linregress(horizons, np.log(losses)).slope)

    @property
    def sigmas(self) -> float:
        """Standard errors between mean and closed form, at the horizon where they are most."""
        pairs = zip(self.means, self.theory, strict=True)
        return max(measured.apart(expected) for measured, expected in pairs)

    def chain_cells(self) -> list[str]:
        """A line of the table of chains."""
        losses = [measured.text(4) for measured in self.means]
        if self.theory:
            pairs = zip(losses, self.theory, strict=True)
            losses = [f"{words} ({expected:.4f})" for words, expected in pairs]
        slope = self.slope.value
        reach = 1.96 * self.slope.error
        low = slope - reach
        high = slope + reach
        words = f"{slope:.3f} [{low:.3f}, {high:.3f}]"
        if self.theory:
            words += f" ({self.slope_of_theory:.3f})"
        return [self.place, self.learner, *losses, words]

    def cliff_cells(self) -> list[str]:
        """A line of the table of cliffs."""
        losses = [measured.text() for measured in self.means]
        theory = ", ".join(f"{expected:.2f}" for expected in self.theory)
        return [self.place, self.learner, *losses, self.slope.text(), theory]

    def entry(self) -> dict[str, Any]:
        """Its entry in the result file."""
        losses = {horizon: values.tolist() for horizon, values in self.losses.items()}
        slope = self.slope.value, self.slope.error
        names = {"place": self.place, "learner": self.learner}
        return {**names, "slope": slope, "theory": self.theory, "losses": losses}


@dataclass(frozen=True)
class Results:
    """What the claims are about.

    Attributes:
        cliffs: by kind and learner.
        literature: loss of BC in each run (n,) at the literature's setting.
        chains: all of them.
        ratios: on the trap, loss over T squared epsilon of each run, epsilon being its own error.
    """

    cliffs: dict[tuple[str, str], Line]
    literature: np.ndarray
    chains: list[Line]
    ratios: np.ndarray

    def chain(self, place: str, learner: str) -> Line:
        """One of the chains."""
        lines = (line for line in self.chains if (line.place, line.learner) == (place, learner))
        return next(lines)


def results(first: int = 0, seeds: int = SEEDS) -> Results:
    """Both cliffs at three horizons, the literature's setting, and the chains; the first seed is `first`."""
    chosen = range(first, first + seeds)
    cliffs: dict[tuple[str, str], Line] = {}
    for kind in KINDS:
        cliffs |= cliff(kind, chosen)
    many = range(first, first + 4 * seeds)
    setting = LITERATURE["horizon"], LITERATURE["actions"], LITERATURE["demonstrations"]
    literature = cliff_losses(False, *setting, many)["bc"]
    trap, ratios = trapped(chosen)
    chains = [*probed("recover", first, seeds), *fogged("recover", chosen)]
    chains += [*probed("parity", first, seeds), *fogged("parity", chosen), *trap]
    return Results(cliffs, literature, chains, ratios)


def cliff(kind: str, seeds: range) -> dict[tuple[str, str], Line]:
    """Both learners on one kind of cliff."""
    print(f"{kind} cliff ...", flush=True)
    of_horizon = {
        horizon: cliff_losses(kind == "recoverable", horizon, ACTIONS, LABELS, seeds)
        for horizon in HORIZONS
    }
    lines = {}
    for learner in LEARNERS:
        losses = {horizon: both[learner] for horizon, both in of_horizon.items()}
        has_theory = (kind, learner) == ("absorbing", "bc")
        theory = [reset_cliff_gap(STATES, ACTIONS, LABELS, horizon) for horizon in HORIZONS]
        lines[kind, learner] = Line(kind, learner, losses, tuple(theory) if has_theory else ())
    return lines


def cliff_losses(
    recoverable: bool, horizon: int, actions: int, episodes: int, seeds: range
) -> dict[str, np.ndarray]:
    """Mean loss of return of each run (R,) for both learners, with `episodes` demonstrations."""
    env = il.make(
        "resetcliff",
        horizon=horizon,
        size=STATES,
        actions=actions,
        rarity=float(episodes),
        recoverable=recoverable,
        seeds=seeds,
    )
    policies = taught(env, "table-per-step", episodes)
    return mean_losses(env, EPISODES, policies)


def taught(env: il.Env, net: str, episodes: int) -> dict[str, il.Policy]:
    """BC and DAgger that count, with as many labels."""
    expert = il.expert(env)
    training = il.Training(net=net)
    bc = il.BC(episodes, training)
    dagger = il.DAgger(rounds=ROUNDS, episodes=episodes // ROUNDS, training=training)
    return {"bc": bc.learn(env, expert), "dagger": dagger.learn(env, expert)}


def probed(chain: str, first: int, seeds: int) -> list[Line]:
    """A chain with the probe that errs at every step: on `recover` for each k, on seeds of its own."""
    print(f"{chain}, probe ...", flush=True)
    lines = []
    for number, off in enumerate(OFF if chain == "recover" else ("",)):
        start = first + 200 * number
        chosen = range(start, start + 2 * seeds)
        losses, theory = {}, []
        for horizon in LONG:
            k = horizon if off == "T" else off
            dial = {"k": float(k)} if off else {}
            env = il.make(chain, horizon=horizon, fog=0.0, seeds=chosen, **dial)
            losses[horizon] = probe_losses(env, chain)
            expected = recover_gap(ERROR, k, horizon) if off else parity_gap(ERROR, horizon)
            theory.append(expected)
        place = f"{chain}, k = {off}" if off else chain
        lines.append(Line(place, f"errs at {ERROR}", losses, tuple(theory)))
    return lines


def probe_losses(env: il.Env, chain: str) -> np.ndarray:
    """Those of the probe, (R,)."""
    policies = {"probe": Erring(env, chain)}
    return mean_losses(env, PROBED, policies)["probe"]


def mean_losses(
    env: il.Env, episodes: int, policies: Mapping[str, il.Policy], sample: bool = True
) -> dict[str, np.ndarray]:
    """Mean loss of return of each run (R,) by policy; actions are drawn unless `sample` is False."""
    expert = il.expert(env)
    record = il.compare(env, expert, episodes=episodes, sample=sample, **policies)
    return losses_of(record)


def losses_of(record: il.Record) -> dict[str, np.ndarray]:
    """Mean loss of return of each run (R,) by learner; the expert is the first and loses nothing."""
    _, *learners = record.learners
    return {name: record.cost_gap(number) for number, name in enumerate(learners, 1)}


FORMS: dict[tuple[str, str], Callable[[int], float]] = {
    ("recover", "bc"): lambda horizon: absorbing_gap(ERROR, horizon),
    ("recover", "dagger"): lambda horizon: return_gap(ERROR, 16, horizon),
    ("parity", "bc"): lambda horizon: parity_gap(ERROR, horizon),
    ("parity", "dagger"): lambda horizon: parity_gap(ERROR, horizon),
}
"""Closed forms of what learners lose in fog."""


def fogged(chain: str, seeds: range) -> list[Line]:
    """A chain with learners that err in fog alone, beside their closed forms.

    On `recover` all draw their actions from the counts, for a guess to be a chance; on `parity` a bit that nobody sees
    makes any guess one, and DAgger is measured in both ways.
    """
    print(f"{chain}, learners ...", flush=True)
    dial = {"k": 16.0} if chain == "recover" else {}
    of_horizon = {}
    for horizon in LONG:
        env = il.make(chain, horizon=horizon, fog=2 * ERROR, seeds=seeds, **dial)
        policies = taught(env, "table", TAUGHT)
        losses = mean_losses(env, WATCHED, policies, sample=chain == "recover")
        if chain == "parity":
            drawn = mean_losses(env, WATCHED, policies)
            losses[DRAWN] = drawn["dagger"]
        of_horizon[horizon] = losses
    place = f"{chain}, k = 16" if dial else chain
    lines = []
    for learner in of_horizon[LONG[0]]:
        losses = {horizon: several[learner] for horizon, several in of_horizon.items()}
        form = FORMS.get((chain, learner))
        theory = tuple(map(form, LONG)) if form else ()
        lines.append(Line(place, learner, losses, theory))
    return lines


def trapped(seeds: range) -> tuple[list[Line], np.ndarray]:
    """The trap with both learners, and their loss over T squared epsilon, each run by its own error."""
    print("trap ...", flush=True)
    losses: dict[str, Losses] = {learner: {} for learner in LEARNERS}
    ratios = []
    for horizon in LONG:
        env = il.make("trap", horizon=horizon, fog=2 * ERROR * horizon, seeds=seeds)
        policies = taught(env, "table", TAUGHT)
        record = il.compare(env, il.expert(env), episodes=WATCHED, **policies)
        for number, learner in enumerate(LEARNERS, 1):
            lost = record.cost_gap(number)
            error = record.arrays["error_off"][number].mean((1, 2, 3))
            losses[learner][horizon] = lost
            ratios.append(ratio(lost, horizon**2 * error))
    theory = tuple(trap_gap(ERROR, horizon) for horizon in LONG)
    lines = [Line("trap", learner, losses[learner], theory) for learner in LEARNERS]
    return lines, np.concatenate(ratios)


def claims(results: Results) -> list[Claim]:
    """What is said of both tables, with its conditions."""
    return [*cliff_claims(results), *chain_claims(results)]


def cliff_claims(results: Results) -> list[Claim]:
    """Of the cliffs."""
    cloned, dagger = (results.cliffs["recoverable", learner] for learner in LEARNERS)
    fallen, helpless = (results.cliffs["absorbing", learner] for learner in LEARNERS)
    last = HORIZONS[-1]
    more = mean(helpless.losses[last] - fallen.losses[last])
    expected = reset_cliff_gap(**LITERATURE)
    measured = mean(results.literature)
    setting = f"S = 10, A = 5, T = 40, N = {LITERATURE['demonstrations']}"
    return [
        slope_claim("Where one can come back, BC's", cloned, 1.8),
        slope_claim("There DAgger's", dagger, 1.0),
        Claim(
            f"Where one cannot, DAgger is not better: at T = {last} it loses {more.text()} more "
            "(mean of the differences by seed, standard error).",
            more.value > 2 * more.error,
            f"Where one cannot, it does not show that DAgger is worse: at T = {last} it loses "
            f"{more.text()} more (mean of the differences by seed, standard error).",
        ),
        goal(
            f"BC's loss there is the closed form's within {fallen.sigmas:.1f} standard errors "
            "(goal: 3)",
            fallen.sigmas < 3,
        ),
        goal(
            f"The closed form at {setting} says {expected:.3f}; measured {measured.text(3)} "
            "(goal: 3 standard errors)",
            measured.apart(expected) < 3,
        ),
    ]


def slope_claim(whose: str, line: Line, power: float) -> Claim:
    """That a loss grows with the horizon by the power that the source has."""
    slope = line.slope.value
    words = f"{whose} loss grows as T^{slope:.2f} (goal: {power} ± .15)"
    return goal(words, abs(slope - power) <= 0.15)


def chain_claims(results: Results) -> list[Claim]:
    """Of the chains."""
    probe = f"errs at {ERROR}"
    once, forever = (results.chain(f"recover, k = {off}", probe) for off in (1, "T"))
    exact = [line for line in results.chains if line.theory]
    furthest = max(exact, key=lambda line: line.sigmas)
    slopes = [line.slope_of_theory for line in (once, forever)]
    gaps = [line.slope.value - line.slope_of_theory for line in (once, forever)]
    inexact = np.abs(results.ratios - 1).max()
    count = len(exact)
    return [
        goal(
            f"On `recover` an error of {ERROR} at every step loses T^{once.slope.value:.2f} at "
            f"k = 1 and T^{forever.slope.value:.2f} at k = T (closed forms: {slopes[0]:.2f}, "
            f"{slopes[1]:.2f}; goal: ± .15)",
            float(np.abs(gaps).max()) <= 0.15,
        ),
        Claim(
            f"Every mean of the {count} lines with a closed form is within {furthest.sigmas:.1f} standard errors of "
            f"it (goal: {FAR} of {count * len(LONG)} means).",
            furthest.sigmas < FAR,
            f"`{furthest.place}`, {furthest.learner}, is {furthest.sigmas:.1f} standard errors off "
            f"its closed form (goal: {FAR} of {count * len(LONG)} means).",
        ),
        fog_claim(results),
        parity_claim(results.chain("parity", "bc")),
        contradiction(results.chain("parity", "dagger"), results.chain("parity", DRAWN)),
        goal(
            "In the trap both lose T^2 epsilon, epsilon being each run's teacher-forced error: the "
            f"ratio is 1 to {inexact:.0e} in all {results.ratios.size} runs (goal: 1e-12)",
            bool(inexact < 1e-12),
        ),
    ]


def fog_claim(results: Results) -> Claim:
    """What a lesson about the way back is worth."""
    cloned, dagger = (results.chain("recover, k = 16", learner) for learner in LEARNERS)
    last = LONG[-1]
    saved = mean(cloned.losses[last] - dagger.losses[last])
    exact = max(cloned.sigmas, dagger.sigmas) < FAR
    return Claim(
        "In fog BC, which was not taught the way back, pays as if there were none, and DAgger k "
        f"for an error: {saved.text(1)} less at T = {last} (by seed, standard error).",
        exact and saved.value > 2 * saved.error,
    )


def parity_claim(line: Line) -> Claim:
    """What an error on true symbols becomes on one's own."""
    last = LONG[-1]
    wrong = mean(line.losses[last] / last)
    expected = line.theory[-1] / last
    return goal(
        f"On `parity` a clone that errs in {ERROR:.1%} of the steps with true symbols before it is "
        f"wrong in {100 * wrong.value:.1f} ± {100 * wrong.error:.1f} % of {last} with its own "
        f"(closed form: {expected:.1%}; goal: {FAR} standard errors)",
        wrong.apart(expected) < FAR,
    )


def contradiction(majority: Line, drawn: Line) -> Claim:
    """What labels after wrong symbols do to whoever draws from all of them."""
    last = LONG[-1]
    wrong = mean(drawn.losses[last] / last)
    other = parity_gap(ERROR, last) / last
    part = f"{100 * wrong.value:.1f} ± {100 * wrong.error:.1f} %"
    return Claim(
        "DAgger's labels after a wrong symbol contradict those after a right one: its majority is "
        f"the closed form's too, but drawn from its counts it is wrong in {part} of {last} steps.",
        majority.sigmas < FAR and wrong.value > other + 2 * wrong.error,
        f"Drawn from its counts DAgger is wrong on `parity` in {part} of {last} steps (closed form "
        f"of its majority: {other:.1%}, {majority.sigmas:.1f} standard errors off at most).",
    )


def draw(cliffs: dict[tuple[str, str], Line]) -> None:
    """Loss against the horizon on both cliffs, standard errors as bars, the closed form dashed."""
    with figure("horizon", len(KINDS), sharey=True) as panels:
        for panel, kind in zip(panels, KINDS, strict=True):
            for learner in LEARNERS:
                draw_line(panel, cliffs[kind, learner])
            panel.set(title=kind, xscale="log", yscale="log", xlabel="horizon T")
            panel.set_xticks(HORIZONS, map(str, HORIZONS), minor=False)
            panel.legend(frameon=False, fontsize=8)
        panels[0].set_ylabel("loss of return")


def draw_line(panel: Any, line: Line) -> None:
    """One learner's on one cliff."""
    middles = [one.value for one in line.means]
    errors = [one.error for one in line.means]
    colour = f"C{LEARNERS.index(line.learner)}"
    horizons = list(line.losses)
    panel.errorbar(horizons, middles, errors, marker="o", color=colour, label=line.learner)
    if line.theory:
        wide = np.geomspace(HORIZONS[0], HORIZONS[-1], 30).astype(int)
        missing = missing_mass(STATES, ACTIONS, LABELS)
        losses = [absorbing_gap(missing, horizon) for horizon in wide.tolist()]
        panel.plot(wide, losses, "k--", lw=1, label="closed form, BC")


def main() -> None:
    """64 seeds on the cliffs and for the learners on the chains, 128 for the probe."""
    torch.set_num_threads(1)
    outcome = results()
    draw(outcome.cliffs)
    losses = [f"loss at T={horizon}" for horizon in HORIZONS]
    long_losses = [f"loss at T={horizon}" for horizon in LONG]
    cliffs = table(
        ["cliff", "learner", *losses, "slope", "closed form"],
        [line.cliff_cells() for line in outcome.cliffs.values()],
    )
    chains = table(
        ["chain", "learner", *long_losses, "slope"],
        [line.chain_cells() for line in outcome.chains],
    )
    publish(
        "horizon",
        claims(outcome),
        f"{cliffs}\n\n{chains}",
        "Means over runs ± standard errors; in brackets closed forms, in square ones 95 % intervals.",
        cliffs=[line.entry() for line in outcome.cliffs.values()],
        chains=[line.entry() for line in outcome.chains],
        literature=outcome.literature.tolist(),
    )


if __name__ == "__main__":
    main()
