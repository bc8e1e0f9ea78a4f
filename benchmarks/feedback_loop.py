"""A list that is sorted by its own clicks: alpha and fate against position bias, with and without the correction.

Two items have closed forms: the growth of a preference for nothing, and where the wrong order is a stable fate. Ten
items begin the wrong way round; exploring is a day in random order, and a cutoff hides what stands below it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from claims import Claim, Share, share
from publish import figure, publish, table
from scipy.optimize import brentq

import il_bench as il
from il_bench.core.rollout import by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.exposure.feedback import Pair

READERS = "naive", "corrected"
SEEDS, DAYS, AT = 200, 100, (1, 10, 100)
"""Independent lists of each setting; days that they are followed, and days that are shown."""
BETTER, WORSE, TEMPERATURE, VISITS = 0.5, 0.4, 0.02, 2000.0
"""Of the two items."""
ETAS = 0.25, 0.5, 0.75, 1.0, 1.5, 2.0
NUDGE, DRAWS = 0.002, 400_000
"""Half the difference of clicks whose growth in a day is measured, and over how many lists."""
MARGIN = 0.1
"""Within so much of the critical power nothing is said of fates."""


@dataclass(frozen=True)
class Fates:
    """Two items, by position bias.

    Attributes:
        alpha: of the closed form, and as measured, (etas,) each.
        stuck: how many lists end in the wrong order, by reader and eta.
        critical: the power of rank from which on the wrong order is a stable fate.
    """

    alpha: np.ndarray
    measured: np.ndarray
    stuck: dict[str, list[Share]]
    critical: float


@dataclass(frozen=True)
class Row:
    """Ten items under one setting.

    Attributes:
        eta, cutoff, explore: the setting.
        gain: mean nDCG of each reader on the days `AT`.
        stuck: how many of its lists do not have the best item first at the end.
    """

    eta: float
    cutoff: int
    explore: float
    gain: dict[str, np.ndarray]
    stuck: dict[str, Share]


@dataclass(frozen=True)
class Results:
    """Both parts."""

    fates: Fates
    rows: list[Row]


def results(first: int = 0, seeds: int = SEEDS) -> Results:
    """All settings; the first seed is `first`."""
    settings = [(eta, 0, explore) for eta in (1.0, 2.0) for explore in (0.0, 0.05, 0.1)]
    settings += [(1.0, 4, explore) for explore in (0.0, 0.05, 0.1)]
    rows = [row(*setting, first, seeds) for setting in settings]
    return Results(fates(first, seeds), rows)


def pair(eta: float) -> Pair:
    """The two items, in closed form."""
    return Pair(BETTER, WORSE, 1.0, 2.0**-eta, 0.1, TEMPERATURE)


def two(eta: float, better: float = BETTER, worse: float = WORSE) -> il.Env:
    """The same as an environment."""
    settings = {"items": 2, "temperature": TEMPERATURE, "visits": VISITS, "horizon": 2 * DAYS}
    return il.make("ranked", eta=eta, best=better, worst=worse, **settings)


def fates(first: int, seeds: int) -> Fates:
    """Alpha and the wrong order's share, at each position bias."""
    stuck = {}
    for name in READERS:
        stuck[name] = [share(wrong(two(eta), name, first, seeds)) for eta in ETAS]
    alpha = [pair(eta).loop.amplification for eta in ETAS]
    measured = [growth(eta, first) for eta in ETAS]
    return Fates(np.array(alpha), np.array(measured), stuck, critical())


def critical() -> float:
    """The least power of rank at which the wrong order is a stable fate."""
    return float(brentq(lambda eta: pair(eta).locks_in - 0.5, 0.01, 5.0, xtol=1e-6))


def growth(eta: float, first: int) -> float:
    """What a day makes of a small difference of clicks between items that are equally good, where nothing is preferred."""
    mean = (BETTER + WORSE) / 2
    env = two(eta, mean, mean)
    noise = Streams((first,)).normal("noise", 1, DRAWS, env.noise_size)[:, 0]
    ends = []
    for sign in (1, -1):
        state = torch.zeros(1, DRAWS, len(env.states), dtype=torch.float64)
        state[..., 0] = sign * NUDGE
        state[..., 4:6] = mean
        after = env.transition(state, state[..., :2], noise)
        ends.append((after[..., 0] - after[..., 1]).mean().item())
    return (ends[0] - ends[1]) / (2 * NUDGE)


def lists(env: il.Env, name: str, first: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """What a reader makes of lists that begin the wrong way round: nDCG (E, T), and who has not the best first, (E,)."""
    policy = il.learner(name).learn(env, il.expert(env))
    streams = Streams(env.seeds).fork("evaluation").from_episode(first)
    path = rollout(env, by_policy(env, policy), streams, seeds)
    last = path.state[:, :, -1]
    relevance = env.parts(last)[2]
    first_now = policy.act(last)[0].argmax(-1)
    stuck = first_now != relevance.argmax(-1)
    return path.reward[0].numpy(), stuck[0].numpy()


def wrong(env: il.Env, name: str, first: int, seeds: int) -> np.ndarray:
    """Which lists (E,) do not have the best item first at the end."""
    return lists(env, name, first, seeds)[1]


def row(eta: float, cutoff: int, explore: float, first: int, seeds: int) -> Row:
    """Ten items under one setting."""
    env = il.make("ranked", eta=eta, cutoff=cutoff, explore=explore, temperature=0.0, horizon=DAYS)
    gain = {}
    stuck = {}
    days = np.array(AT) - 1
    for name in READERS:
        reward, fate = lists(env, name, first, seeds)
        gain[name] = reward.mean(0)[days]
        stuck[name] = share(fate)
    return Row(eta, cutoff, explore, gain, stuck)


def tables(outcome: Results) -> str:
    """Two items, then ten."""
    of_two = outcome.fates
    rows = []
    for number, eta in enumerate(ETAS):
        alphas = [f"{of_two.alpha[number]:.3f}", f"{of_two.measured[number]:.3f}"]
        fate = "wrong order stays" if pair(eta).locks_in else "right order alone"
        shares = [str(of_two.stuck[name][number]) for name in READERS]
        rows.append([f"{eta:g}", *alphas, fate, *shares])
    header = ["η", "α", "α measured", "theory", "naive ends wrong", "corrected ends wrong"]
    first = table(header, rows)
    rows = []
    for one in outcome.rows:
        setting = [f"{one.eta:g}", f"{one.cutoff or 10}", f"{one.explore:.0%}"]
        for name in READERS:
            gains = [f"{value:.3f}" for value in one.gain[name]]
            rows.append([*setting, name, *gains, str(one.stuck[name])])
    days = [f"nDCG on day {day}" for day in AT]
    header = ["η", "ranks shown", "explored", "reader", *days, "best item not first"]
    return f"{first}\n\n{table(header, rows)}"


def claims(outcome: Results) -> list[Claim]:
    """What is said, with its conditions."""
    return [*claims_of_two(outcome.fates), *claims_of_ten(outcome.rows)]


def claims_of_two(fates: Fates) -> list[Claim]:
    """Of the closed forms."""
    largest = np.abs(fates.measured / fates.alpha - 1).max()
    etas = np.array(ETAS)
    below, above = etas < fates.critical - MARGIN, etas > fates.critical + MARGIN
    naive = np.array([one.value for one in fates.stuck["naive"]])
    corrected = max(one.value for one in fates.stuck["corrected"])
    grows = etas[(fates.alpha > 1) & below]
    return [
        Claim(
            f"Two items: α = L_h + L_x·L_fb in closed form is what a day makes of a small preference, within {largest:.1%}.",
            largest < 0.03,
        ),
        Claim(
            f"The wrong order is a fate from η = {fates.critical:.2f} on: above it {naive[above].min():.0%} of the naive "
            f"lists or more end wrong, below it {naive[below].max(initial=0):.0%} or fewer; of the corrected ones at most "
            f"{corrected:.0%}.",
            naive[above].min() > 0.9 and naive[below].max(initial=0) < 0.1 and corrected < 0.05,
        ),
        Claim(
            f"α > 1 is necessary and not sufficient: at η = {', '.join(f'{eta:g}' for eta in grows)} it is above 1, and the "
            "right order wins all the same.",
            len(grows) > 0 and naive[below].max(initial=0) < 0.1,
        ),
    ]


def claims_of_ten(rows: list[Row]) -> list[Claim]:
    """Of lists that begin the wrong way round."""
    by_setting = {(one.eta, one.cutoff, one.explore): one for one in rows}
    mild, strong = by_setting[1.0, 0, 0.0], by_setting[2.0, 0, 0.0]
    cut, audited = by_setting[1.0, 4, 0.0], by_setting[1.0, 4, 0.05]
    explored = by_setting[2.0, 0, 0.1]
    ends = {name: (mild.gain[name][-1], strong.gain[name][-1]) for name in READERS}
    fixed = max(one.stuck["corrected"].value for one in (mild, strong))
    return [
        Claim(
            f"Ten items from the reversed list: after {DAYS} days the naive list is at {ends['naive'][0]:.3f} and "
            f"{ends['naive'][1]:.3f} (η = 1, 2), and {mild.stuck['naive']} and {strong.stuck['naive']} have not found the "
            f"best item; the corrected list is at {ends['corrected'][0]:.3f} and {ends['corrected'][1]:.3f}, {fixed:.0%} "
            "have not at most.",
            min(mild.stuck["naive"].ends[0], strong.stuck["naive"].ends[0]) > 0.4 and fixed < 0.1,
        ),
        Claim(
            f"Exploring every tenth day is no cure at η = 2: {explored.stuck['naive']} stay wrong.",
            explored.stuck["naive"].ends[0] > 0.4,
        ),
        Claim(
            f"What is never shown cannot be weighted: with four ranks shown the corrected list is at "
            f"{cut.gain['corrected'][-1]:.3f}, the naive at {cut.gain['naive'][-1]:.3f}; a random list on one day in twenty "
            f"brings them to {audited.gain['corrected'][-1]:.3f} and {audited.gain['naive'][-1]:.3f}.",
            cut.gain["corrected"][-1] < 0.5 and audited.gain["corrected"][-1] > 0.9,
        ),
    ]


def draw(fates: Fates) -> None:
    """Alpha with the theory's line, and the share that ends wrong with the critical power."""
    etas = np.linspace(0.05, max(ETAS), 100)
    with figure("feedback_loop", 2) as (left, right):
        left.plot(etas, [pair(eta).loop.amplification for eta in etas], color="#0072B2")
        left.plot(ETAS, fates.measured, "o", color="#D55E00")
        left.axhline(1, color="#999999", linestyle="--")
        left.set(xlabel="position bias η", ylabel="α: line in theory, dots measured")
        for name, colour in zip(READERS, ("#D55E00", "#009E73"), strict=True):
            shares = [one.value for one in fates.stuck[name]]
            right.plot(ETAS, shares, "o-", color=colour, label=name)
        right.axvline(fates.critical, color="#999999", linestyle="--", label="theory")
        right.set(xlabel="position bias η", ylabel="share of lists that end in the wrong order")
        right.legend(frameon=False)


def main() -> None:
    """200 lists of each setting."""
    torch.set_num_threads(1)
    outcome = results()
    two_items = outcome.fates
    draw(two_items)
    caption = (
        f"Above: two items of relevance {BETTER:g} and {WORSE:g}, τ = {TEMPERATURE:g}, {SEEDS} lists that begin the wrong way "
        "round, share [exact 95 % interval]. Below: ten items of relevance .5 to .05, sorted without noise."
    )
    publish(
        "feedback_loop",
        claims(outcome),
        tables(outcome),
        caption,
        alpha=two_items.alpha.tolist(),
        measured=two_items.measured.tolist(),
        critical=two_items.critical,
        stuck={name: [one.value for one in shares] for name, shares in two_items.stuck.items()},
    )


if __name__ == "__main__":
    main()
