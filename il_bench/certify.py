"""`python -m il_bench.certify lane --lipschitz 1.1 1.2`: a certificate, and what was tried against it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import torch

from .borders import resolve
from .cli import flags
from .cli.told import told
from .core.env import Certificate, Env
from .core.settings import require
from .measures import lipschitz

PAIRS = 1_000_000


@told
def main(args: list[str]) -> None:
    """The command: `certify ENV`, then the environment's flags; exit code 1 when the certificate is refuted."""
    named = bool(args) and not args[0].startswith("-")
    require(
        named,
        f"certify: expected the name of an environment first, got {args[:1]}; try certify lane",
    )
    env = flags.settings_of(
        resolve.environment(args[0]), args[1:], f"python -m il_bench.certify {args[0]}"
    )
    torch.set_num_threads(1)
    certificate = env.certificate()
    print("\n".join(claims(args[0], env, certificate)))
    held = True
    for text, holds in attempts(env, certificate):
        print(f"  {text}: {'holds' if holds else 'REFUTED'}", flush=True)
        held = held and holds
    if not held:
        raise SystemExit(1)


def claims(name: str, env: Env, certificate: Certificate) -> Iterator[str]:
    """What the certificate says, a line for each claim."""
    yield f"{name}: {certificate.kind}, in the metric {certificate.metric}"
    columns = {
        "L": certificate.value,
        "diameter": certificate.diameter,
        "expert's closed loop": certificate.closed_loop,
        "spectral radius": certificate.radius,
    }
    for what, values in columns.items():
        shown = "not stated" if values is None else ", ".join(f"{v:.6g}" for v in values)
        yield f"  {what:<22} {shown}"
    if certificate.note:
        yield f"  note: {certificate.note}"


def attempts(env: Env, certificate: Certificate) -> Iterator[tuple[str, bool]]:
    """What was tried against it, in words, and whether it held."""
    if certificate.kind == "estimated":
        yield (
            "nothing is claimed beyond what those pairs have shown: there is nothing to refute",
            True,
        )
        return
    if certificate.kind == "exact":
        wrong = list(lipschitz.attained(env, certificate))
        yield (
            wrong[0] if wrong else "the attaining pair is stretched by L to one part in 10^9",
            not wrong,
        )
    searches: dict[str, Callable[[], torch.Tensor]] = {
        f"{PAIRS:,} random pairs, 1e-6 to 100 times the states' scale apart": lambda: (
            lipschitz.many_pairs(env, PAIRS)
        ),
        "gradient ascent from 100 starts": lambda: lipschitz.steepest(env),
    }
    for what, search in searches.items():
        stretch = search()
        reached = ", ".join(f"{s:.9g}" for s in stretch.tolist())
        yield f"{what} reaches {reached}", not list(lipschitz.exceeded(env, stretch))


if __name__ == "__main__":
    main(sys.argv[1:])
