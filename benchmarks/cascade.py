"""The cascade: how many texts have left the path after t symbols, enumerated, written, and written by trained networks.

The usual formula gives the share that is off the path from the error rate e alone: 1 - (1-e)^t where nothing leads
back, e/(e+r) (1 - (1-e-r)^t) where one comes back with a rate r. `slip` sets e for any writer, and a network that was
taught by the expert's own clean texts adds nothing to it, because it never learned a key.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from claims import Claim
from publish import figure, publish, table

import il_bench as il
from il_bench.records.twins import compare

SEEDS, EPISODES, TEXTS = 5, 256, 128
TAUGHT, WRITTEN = 48, 64
"""Symbols of a text that is learned from, and of one that is judged."""
SLIP, RECOVERY = 0.02, 0.5
AT = 8, 16, 32, 47, 64
BAND, LOW = 0.03, 0.1
"""How near to the formula a network taught by clean texts must be, and below which share one that knows the keys is."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """Share of texts off the path after each symbol.

    Attributes:
        name: whose.
        share: (T + 1,), the mean over runs.
        theory: (T + 1,), by the formula, where there is one.
        sigmas: how many standard errors the two are apart at most.
    """

    name: str
    share: np.ndarray
    theory: np.ndarray | None
    sigmas: float = 0.0

    def cells(self) -> list[str]:
        """A row of the table: what was measured, and what was foretold."""
        foretold = [""] * len(AT)
        if self.theory is not None:
            foretold = [f" ({self.theory[t]:.3f})" for t in AT]
        return [
            self.name,
            *(f"{self.share[t]:.3f}{words}" for t, words in zip(AT, foretold, strict=True)),
        ]


def formula(e: float, r: float, horizon: int) -> np.ndarray:
    """The share off the path after each of so many symbols (T + 1,)."""
    time = np.arange(horizon + 1)
    left: np.ndarray = -np.expm1(time * np.log1p(-e - r))
    return e / (e + r) * left


def golden(absorbing: bool, seeds: range) -> tuple[Curve, Curve]:
    """The golden path by enumeration, and by texts of its expert."""
    env = il.make(
        "golden",
        slip=SLIP,
        absorbing=absorbing,
        recovery=RECOVERY,
        horizon=WRITTEN,
        seeds=seeds,
    )
    e = SLIP * (1 - 1 / env.vocabulary)
    r = 0.0 if absorbing else RECOVERY * (1 - SLIP) + SLIP / env.vocabulary
    theory = formula(e, r, WRITTEN)
    kind = "absorbing" if absorbing else f"way back {RECOVERY:g}"
    occupancy = env.automaton.occupancy(env.automaton.chances, WRITTEN, SLIP)
    exact = occupancy[0, :, WRITTEN + 1 :].sum(-1).numpy()
    written = off_path(compare(env, il.expert(env), episodes=TEXTS), WRITTEN + 1)[0]
    errors = np.sqrt(theory * (1 - theory) / (len(seeds) * TEXTS))
    apart = np.abs(written - theory)[1:] / errors[1:]
    return (
        Curve(f"golden, {kind}: enumerated", exact, theory),
        Curve(f"golden, {kind}: written by the expert", written, theory, float(apart.max())),
    )


def off_path(record: Any, first: int) -> np.ndarray:
    """Share of texts at a node from `first` on, of each learner (K, T + 1)."""
    nodes = record.arrays["state"][..., 0]
    share: np.ndarray = (nodes >= first).mean((1, 2))
    return share


def keyed(seeds: range) -> list[Curve]:
    """Networks that write `keyed`, under slips that none of cloning's texts had."""
    clean = il.make("keyed", horizon=TAUGHT, seeds=seeds)
    slipping = dataclasses.replace(clean, slip=SLIP)
    judged = dataclasses.replace(clean, slip=SLIP, horizon=WRITTEN)
    training = il.Training(net="gru", updates=600, lr=5e-3, units=32, embedding=16, sequences=32)
    rounds = EPISODES // 32
    policies = {
        "bc": il.BC(EPISODES, training).learn(clean, il.expert(clean)),
        "noise": il.Noise(EPISODES, chance=0.1, training=training).learn(clean, il.expert(clean)),
        "dagger": il.DAgger(rounds, 32, beta="constant", p=0.5, training=training).learn(
            slipping, il.expert(slipping)
        ),
    }
    record = compare(judged, il.expert(judged), policies, episodes=TEXTS)
    shares = off_path(record, clean.places)
    e = SLIP * (1 - 2 / clean.vocabulary)
    theories = [formula(e, 1 - e, WRITTEN), formula(e, 0.0, WRITTEN), None, None]
    names = [
        "expert",
        "gru cloned from clean texts",
        "gru cloned, noise in half of the texts",
        "gru by DAgger, beta 1/2, under slips",
    ]
    rows = zip(names, shares, theories, strict=True)
    return [Curve(f"keyed: {name}", share, theory) for name, share, theory in rows]


def results(first: int = 0, seeds: int = SEEDS) -> list[Curve]:
    """All curves; the first seed is `first`."""
    chosen = range(first, first + seeds)
    both = [curve for absorbing in (True, False) for curve in golden(absorbing, chosen)]
    return both + keyed(chosen)


def claims(curves: list[Curve]) -> list[Claim]:
    """What the formula says, and what is so."""
    enumerated = [curve for curve in curves if curve.name.endswith("enumerated")]
    exact = max(float(np.abs(curve.share - curve.theory).max()) for curve in enumerated)
    sigmas = max(curve.sigmas for curve in curves)
    cloned, noised, dagger = curves[-3:]
    places = list(AT)
    apart = float(np.abs(cloned.share - cloned.theory)[places].max())
    most = max(float(one.share[places].max()) for one in (noised, dagger))
    return [
        Claim(f"By enumeration the formula holds to {exact:.0e} (goal: 1e-9).", exact < 1e-9),
        Claim(
            f"Texts are within {sigmas:.1f} standard errors of it (goal: 4, at {2 * WRITTEN} times).",
            sigmas < 4,
        ),
        Claim(
            f"A network taught by clean texts is within {apart:.3f} of what slips alone foretell "
            f"(goal: {BAND:g}), without a free parameter.",
            apart < BAND,
            f"A network taught by clean texts is up to {apart:.3f} from what slips alone foretell "
            f"(goal: {BAND:g}).",
        ),
        Claim(
            f"Those who saw errors and what the expert does about them stay below {most:.3f} "
            f"(goal: {LOW:g}).",
            most < LOW,
            f"Those who saw errors reach {most:.3f} (goal: {LOW:g}).",
        ),
    ]


def draw(curves: list[Curve]) -> None:
    """Dots for what was measured, lines for the formula."""
    with figure("cascade") as (panel,):
        for number, curve in enumerate(curves):
            panel.plot(curve.share, color=f"C{number}", label=curve.name)
            if curve.theory is not None:
                panel.plot(curve.theory, "--", color=f"C{number}", lw=1)
        panel.set_xlabel("symbols written")
        panel.set_ylabel("share of texts off the path")
        panel.legend(frameon=False, fontsize=7)


def main() -> None:
    """5 seeds, 256 texts to learn from, 128 to be judged by."""
    torch.set_num_threads(1)
    curves = results()
    draw(curves)
    header = ["texts", *(f"off the path at t={t}" for t in AT)]
    publish(
        "cascade",
        claims(curves),
        table(header, [curve.cells() for curve in curves]),
        f"Slip {SLIP:g}; in brackets the formula; {SEEDS} seeds, {TEXTS} texts each.",
        shares={curve.name: curve.share.tolist() for curve in curves},
    )


if __name__ == "__main__":
    main()
