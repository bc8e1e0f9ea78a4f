"""Falls per lap against data: supervised learning, SMILe and DAgger, linear in the noisy pixels of a kart's camera.

Ross, Gordon & Bagnell (2011), section 5.1: every iteration adds one lap of about 1000 labelled images, SMILe's alpha is
0.1, DAgger's first lap is the expert's and all others its own. Each iterate is measured on laps that none learned from.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
import torch
from claims import Claim, goal, mean
from il_bench.envs.kart import heading
from publish import RESULTS, figure, publish, table

import il_bench as il
from il_bench.core.policy import Policy
from il_bench.core.rollout import by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.paint.canvas import colour_of
from il_bench.stats.intervals import short

SEEDS, ITERATIONS, LAPS = 3, 20, 4
CLONED = 1, 2, 3, 5, 7, 10, 15, 20
"""Laps of data; cloning's data grow, but nothing else changes from one to the next."""
COLUMNS = 1, 2, 3, 5, 10, 15, 20
"""Laps of data that the table names."""
SHARP, BEHIND = 20, 20
"""Metres: radius of a sharp bend, and how far behind it a fall is still its doing."""
LEVEL, LOW, FROM = 2.7, 0.5, 5
"""The source: supervised learning near the first, DAgger below the second from iteration 5 on."""

Falls = dict[str, dict[int, np.ndarray]]
"""Falls per lap (R,), by learner and laps of data."""


def falls_per_lap(env: il.Env, policy: Policy) -> np.ndarray:
    """Of each run (R,), on held-out laps; a mixture chooses who acts at each step."""
    streams = Streams(env.seeds).fork("evaluation")
    driver = by_policy(env, policy, streams, LAPS)
    laps = rollout(env, driver, streams, LAPS)
    return -laps.returns.mean(1).numpy()


def learn(env: il.Env, expert: il.Expert) -> tuple[Falls, dict[str, Policy]]:
    """Falls per lap (R,) of each iterate of each learner, and the last policies."""
    training = il.Training(net="ridge", penalty=1e-3)
    began = time.perf_counter()
    falls: Falls = {"supervised": {}, "SMILe": {}, "DAgger": {}}

    def gauge(name: str) -> Callable[[int, Policy], None]:
        def measure(iteration: int, policy: Policy) -> None:
            lap = iteration + 1
            falls[name][lap] = falls_per_lap(env, policy)
            seconds = time.perf_counter() - began
            words = f"{name}, lap {lap}: {falls[name][lap].mean():.2f} falls per lap"
            print(f"{seconds:4.0f} s  {words}", flush=True)

        return measure

    last = {}
    for laps in CLONED:
        last["supervised"] = il.BC(episodes=laps, training=training).learn(env, expert)
        gauge("supervised")(laps - 1, last["supervised"])
    for name, kind in {"SMILe": il.SMILe, "DAgger": il.DAgger}.items():
        learner = kind(rounds=ITERATIONS, training=training)
        log = il.Log(iterate=gauge(name))
        last[name] = learner.learn(env, expert, log=log)
    return falls, last


def draw(falls: Falls) -> None:
    """Falls per lap against laps of data, the runs' standard errors, and the source's levels dashed."""
    dashed = {"ls": "--", "lw": 1}
    with figure("ross2011_kart") as (panel,):
        for number, (name, of_lap) in enumerate(falls.items(), 1):
            means = [mean(runs) for runs in of_lap.values()]
            middles = [one.value for one in means]
            errors = [one.error for one in means]
            style = {"marker": "o", "ms": 4, "color": colour_of(number), "label": name}
            panel.errorbar(list(of_lap), middles, errors, **style)
        panel.axhline(LEVEL, color=colour_of(1), label="supervised in the source", **dashed)
        words = "DAgger in the source: below"
        panel.hlines(LOW, FROM, ITERATIONS, color=colour_of(3), label=words, **dashed)
        panel.set(xlabel="laps of data, 1000 labels each", ylabel="falls per lap", ylim=(0, None))
        panel.set_xticks([1, 5, 10, 15, 20])
        panel.legend(frameon=False, loc="upper right")


def at_sharp_bends(state: np.ndarray) -> float:
    """Share of the falls in states (..., X) that happened in a bend of a radius below `SHARP`, or just behind it."""
    falls = state[..., 3] > 0.5
    metres = state[..., 0][falls][:, None] - np.arange(BEHIND)
    turns = np.abs(heading(metres + 1) - heading(metres))
    sharp = turns.max(1) > 1 / SHARP
    return float(sharp.mean())


def claims(falls: Falls, share: float) -> list[Claim]:
    """What of the source is so here; `share` is that of the falls at sharp bends."""
    means = {
        name: {lap: float(runs.mean()) for lap, runs in of_lap.items()}
        for name, of_lap in falls.items()
    }
    late = [level for lap, level in means["supervised"].items() if lap >= FROM]
    highest = max(level for lap, level in means["DAgger"].items() if lap >= FROM)
    low, high = min(late), max(late)
    flat = (
        f"From lap {FROM} on supervised learning stays between {short(low)} and {short(high)} falls "
        "per lap (source: flat; goal: within a fifth)"
    )
    level = f"Its level of {short(low)} to {short(high)} is the source's, near {LEVEL}, within a quarter"
    other = (
        f"Its level of {short(low)} to {short(high)} is not the source's, near {LEVEL}: it is the "
        f"track's, {share:.0%} of its falls being at bends of a radius below {SHARP} m"
    )
    dagger = (
        f"DAgger is at {short(highest)} falls per lap at most from then on (source: below {LOW})"
    )
    return [
        goal(flat, high < 1.2 * low),
        Claim(
            f"{level}.", abs(low / LEVEL - 1) < 0.25 and abs(high / LEVEL - 1) < 0.25, f"{other}."
        ),
        goal(dagger, highest < LOW),
        between(means["SMILe"], low, highest),
    ]


def between(means: dict[int, float], low: float, highest: float) -> Claim:
    """That SMILe ends between supervised learning (`low`) and DAgger (`highest`)."""
    end = means[ITERATIONS]
    above = [lap for lap, level in means.items() if level >= low]
    since = 1 + max(above, default=0)
    words = f"SMILe ends at {short(end)} falls per lap (source: between the two)"
    return Claim(
        f"{words}, and is below supervised learning from lap {since} on.",
        highest < end < low,
        f"{words}: it is not between them.",
    )


def cells(falls: Falls) -> list[list[str]]:
    """A row for each learner: mean falls per lap and its standard error over seeds."""
    return [
        [name, *(mean(of_lap[lap]).text() for lap in COLUMNS)] for name, of_lap in falls.items()
    ]


def main() -> None:
    """All three, iterate by iterate; then a figure, and a film of one lap."""
    torch.set_num_threads(1)
    env = il.make("kart", seeds=SEEDS)
    expert = il.expert(env)
    falls, last = learn(env, expert)
    draw(falls)
    record = il.compare(env, expert, last, episodes=2, sample=True)
    film = il.film(record, RESULTS / "ross2011_kart.mp4")
    print(f"film: {os.path.relpath(film)}")
    own = float(-record.arrays["reward"][0].sum(-1).mean())
    share = at_sharp_bends(record.arrays["state"][1])
    numbers = {
        name: {lap: runs.tolist() for lap, runs in of_lap.items()} for name, of_lap in falls.items()
    }
    header = ["falls per lap after", *(f"{lap} lap{'s' * (lap > 1)}" for lap in COLUMNS)]
    publish(
        "ross2011_kart",
        claims(falls, share),
        table(header, cells(falls)),
        f"Ridge regression on 1425 noisy pixels, {SEEDS} seeds, {LAPS} held-out laps each.",
        falls=numbers,
        expert=own,
        at_sharp_bends=share,
    )


if __name__ == "__main__":
    main()
