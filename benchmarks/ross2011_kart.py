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
from il_bench.envs.kart import heading
from publish import RESULTS, figure, publish, table

import il_bench as il
from il_bench.core.policy import Policy
from il_bench.core.rollout import by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.paint.canvas import colour_of
from il_bench.stats.intervals import short

SEEDS, ITERATIONS, LAPS = 3, 20, 4
CLONED = (
    1,
    2,
    3,
    5,
    7,
    10,
    15,
    20,
)  # laps; cloning's data grow, but nothing else changes from one to the next
SHOWN = (1, 2, 3, 5, 10, 15, 20)
SHARP, BEHIND = (
    20,
    20,
)  # metres: radius of a sharp bend, and how far behind it a fall is still its doing
LEVEL, LOW, FROM = (
    2.7,
    0.5,
    5,
)  # the source: supervised learning near 2.7, DAgger below 0.5 from iteration 5 on
Falls = dict[str, dict[int, np.ndarray]]


def falls_per_lap(env: il.Env, policy: Policy) -> np.ndarray:
    """Of each run (R,), on held-out laps; a mixture chooses who acts at each step."""
    streams = Streams(env.seeds).fork("evaluation")
    seen = rollout(env, by_policy(env, policy, streams, LAPS), streams, LAPS)
    return -seen.returns.mean(1).numpy()


def learn(env: il.Env, expert: il.Expert) -> tuple[Falls, dict[str, Policy]]:
    """Falls per lap (R,) of each iterate of each learner, and the last policies."""
    training, began = il.Training(net="ridge", penalty=1e-3), time.perf_counter()
    found: Falls = {"supervised": {}, "SMILe": {}, "DAgger": {}}

    def measured(name: str) -> Callable[[int, Policy], None]:
        def measure(i: int, policy: Policy) -> None:
            falls = found[name][i + 1] = falls_per_lap(env, policy)
            seconds = time.perf_counter() - began
            print(
                f"{seconds:4.0f} s  {name}, lap {i + 1}: {falls.mean():.2f} falls per lap",
                flush=True,
            )

        return measure

    last = {}
    for laps in CLONED:
        last["supervised"] = il.BC(episodes=laps, training=training).learn(env, expert)
        measured("supervised")(laps - 1, last["supervised"])
    for name, kind in {"SMILe": il.SMILe, "DAgger": il.DAgger}.items():
        learner = kind(rounds=ITERATIONS, training=training)
        last[name] = learner.learn(env, expert, log=il.Log(iterate=measured(name)))
    return found, last


def draw(found: Falls) -> None:
    """Falls per lap against laps of data, the runs' standard errors, and the source's levels dashed."""
    with figure("ross2011_kart") as (panel,):
        for i, (name, falls) in enumerate(found.items(), 1):
            runs = np.stack(list(falls.values()))
            error = runs.std(1, ddof=1) / runs.shape[1] ** 0.5
            panel.errorbar(
                list(falls), runs.mean(1), error, marker="o", ms=4, color=colour_of(i), label=name
            )
        panel.axhline(LEVEL, color=colour_of(1), ls="--", lw=1, label="supervised in the source")
        panel.hlines(
            LOW,
            FROM,
            ITERATIONS,
            color=colour_of(3),
            ls="--",
            lw=1,
            label="DAgger in the source: below",
        )
        panel.set(xlabel="laps of data, 1000 labels each", ylabel="falls per lap", ylim=(0, None))
        panel.set_xticks([1, 5, 10, 15, 20])
        panel.legend(frameon=False, loc="upper right")


def at_sharp_bends(state: np.ndarray) -> float:
    """Share of the falls in states (..., X) that happened in a bend of a radius below `SHARP`, or just behind it."""
    metres = state[..., 0][state[..., 3] > 0.5][:, None] - np.arange(BEHIND)
    return float((np.abs(heading(metres + 1) - heading(metres)).max(1) > 1 / SHARP).mean())


def sentence(found: Falls, share: float) -> str:
    """What was found, and whether the source says so too."""
    mean = {
        name: {i: float(falls.mean()) for i, falls in each.items()} for name, each in found.items()
    }
    late = [falls for i, falls in mean["supervised"].items() if i >= FROM]
    low, high, end = min(late), max(late), mean["SMILe"][ITERATIONS]
    highest = max(falls for i, falls in mean["DAgger"].items() if i >= FROM)
    since = 1 + max((i for i, falls in mean["SMILe"].items() if falls >= low), default=0)
    agrees = {
        f"from lap {FROM} on supervised learning stays between {short(low)} and {short(high)} falls per lap (source: "
        "flat)": high < 1.2 * low,
        f"its level (source: near {LEVEL}), which is the track's, {100 * share:.0f} % of its falls being at bends of a "
        f"radius below {SHARP} m": abs(low / LEVEL - 1) < 0.25,
        f"DAgger is at {short(highest)} at most (source: below {LOW})": highest < LOW,
        f"SMILe is below supervised learning from lap {since} on and ends at {short(end)} (source: between the two)": (
            highest < end < low
        ),
    }
    verdicts = "; ".join(
        f"{words}: {'agrees' if right else 'does not agree'}" for words, right in agrees.items()
    )
    return f"Ridge regression on 1425 noisy pixels, {SEEDS} seeds, {LAPS} held-out laps each: {verdicts}."


def cells(found: Falls) -> list[list[str]]:
    """A row for each learner: mean falls per lap and its standard error over seeds."""
    rows = []
    for name, falls in found.items():
        shown = (falls[i] for i in SHOWN)
        rows.append(
            [name, *(f"{f.mean():.2f} ± {f.std(ddof=1) / len(f) ** 0.5:.2f}" for f in shown)]
        )
    return rows


def main() -> None:
    """All three, iterate by iterate; then a figure, and a film of one lap."""
    torch.set_num_threads(1)
    env = il.make("kart", seeds=SEEDS)
    expert = il.expert(env)
    found, last = learn(env, expert)
    draw(found)
    record = il.compare(env, expert, last, episodes=2, sample=True)
    print(f"film: {os.path.relpath(il.film(record, RESULTS / 'ross2011_kart.mp4'))}")
    expert_falls, share = (
        float(-record.arrays["reward"][0].sum(-1).mean()),
        at_sharp_bends(record.arrays["state"][1]),
    )
    kept = {name: {i: falls.tolist() for i, falls in each.items()} for name, each in found.items()}
    header = ["falls per lap after", *(f"{i} lap{'s' * (i > 1)}" for i in SHOWN)]
    claim, lines = sentence(found, share), table(header, cells(found))
    publish("ross2011_kart", claim, lines, falls=kept, expert=expert_falls, at_sharp_bends=share)


if __name__ == "__main__":
    main()
