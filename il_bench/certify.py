"""`python -m il_bench.certify lane --lipschitz 1.1 1.2`: a certificate, and what was tried against it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .borders import resolve
from .cli import flags, light
from .cli.command import command
from .cli.console import say
from .core.settings import require

if TYPE_CHECKING:
    import torch

    from .core.env import Certificate, Env

PAIRS = 1_000_000

ABOUT = """A certificate of an environment's Lipschitz constant, and what was tried against it.

usage: python -m il_bench.certify ENV [--flags of the environment]; see python -m il_bench.certify lane --help"""


@command
def main(args: list[str]) -> None:
    """The command: `certify ENV`, then the environment's flags; exit code 1 when the certificate is refuted."""
    if args in (["-h"], ["--help"]):
        say(ABOUT)
        return
    named = bool(args) and not args[0].startswith("-")
    require(
        named,
        f"certify: expected the name of an environment first, got {args[:1]}; try certify lane",
    )
    name, settings = args[0], args[1:]
    with light.for_help(settings):
        env_class = resolve.environment(name)
    env = flags.settings_of(env_class, settings, f"python -m il_bench.certify {name}")
    if not _withstands(name, env):
        raise SystemExit(1)


def _withstands(name: str, env: Env) -> bool:
    """Show the certificate and each attempt to refute it; whether it withstood them all."""
    certificate = env.certificate()
    say("\n".join(claims(name, env, certificate)))
    withstood = True
    for text, holds in attempts(env, certificate):
        say(f"  {text}: {'holds' if holds else 'REFUTED'}")
        withstood = withstood and holds
    return withstood


def claims(name: str, env: Env, certificate: Certificate) -> Iterator[str]:
    """What the certificate says, a line for each claim."""
    yield f"{name}: {certificate.kind}, in the metric {certificate.metric}"
    columns = {
        "L": certificate.value,
        "diameter": certificate.diameter,
        "expert's closed loop": certificate.closed_loop,
        "spectral radius": certificate.radius,
        "that of the loop": certificate.loop_radius,
    }
    for what, values in columns.items():
        shown = "not stated" if values is None else ", ".join(f"{v:.6g}" for v in values)
        yield f"  {what:<22} {shown}"
    if certificate.note:
        yield f"  note: {certificate.note}"


def attempts(env: Env, certificate: Certificate) -> Iterator[tuple[str, bool]]:
    """What was tried against it, in words, and whether it held."""
    from .measures import lipschitz

    if certificate.kind == "estimated":
        nothing = (
            "nothing is claimed beyond what those pairs have shown: there is nothing to refute"
        )
        yield nothing, True
        return
    if certificate.kind == "exact":
        wrong = list(lipschitz.attained(env, certificate))
        fine = "the attaining pair is stretched by L to one part in 10^9"
        yield (wrong[0] if wrong else fine), not wrong
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
    if certificate.closed_loop is not None:
        wrong = list(lipschitz.loop_exceeded(env, None, PAIRS))
        fine = f"{PAIRS:,} random pairs under the expert stay within its closed loop"
        yield (wrong[0] if wrong else fine), not wrong


if __name__ == "__main__":
    main(sys.argv[1:])
