"""`python -m il_bench.sweep --env tube lane --algo bc dagger --lipschitz 0.8:1.3:0.05 --seeds 64 --out results/`.

Every combination of environment, learner and values is trained and measured, batch by batch, on all cores or on a
cluster. Whatever is finished is kept, and the same command goes on where an interrupted one ended: nothing is computed
twice, and a sweep that has grown computes what is new. A run that fails costs no other, and is named.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from .cli.command import command
from .cli.console import say
from .cli.plain import lasting
from .core.settings import require
from .jobs.plan import Group, SweepOptions, asked, batched, memory, planned

if TYPE_CHECKING:
    from .jobs.store import Failure

NAMED = 20
"""Kinds of failures that are named, at most."""


@command
def main(args: list[str]) -> None:
    """The command."""
    options, settings = asked(args)
    from .jobs.workers import carry_out, processes

    pairs = list(itertools.product(options.env, options.algo))
    plan, skipped = planned(options, settings, pairs)
    failed = _failed_before(options, plan)
    done = _finished_before(options)
    side_by_side = processes(options)
    limit = options.memory * 1e9
    batches = list(batched(plan, done | failed, options.batch, side_by_side, limit))
    with lasting():
        for sentence in skipped:
            say(f"left out: {sentence}")
        say(_amount(plan, batches, len(failed)))
        if batches:
            largest = max(map(memory, batches), key=lambda takes: takes.total)
            say(f"memory: about {side_by_side} x {largest}")
        carry_out(options, plan, batches)
        _require_all(plan, options.out)
        advice = f"python -m il_bench.table {options.out} --by lipschitz,algo"
        say(f"results in {options.out}: {advice}")


def _finished_before(options: SweepOptions) -> set[str]:
    """The runs that are there already."""
    from .jobs import store

    going_on = options.resume and options.out.is_dir()
    return store.keys(options.out) if going_on else set()


def _failed_before(options: SweepOptions, plan: list[Group]) -> set[str]:
    """The runs that failed before; those to be tried again are forgotten, and those of code that has changed since."""
    from .jobs import store

    failures = store.failures(options.out)
    if not failures:
        return set()
    planned_keys = _keys(plan)
    cells = {cell for group in plan for cell in group.cells()}
    again = options.retry or not options.resume
    known = {failure.key for failure in failures if failure.key in planned_keys}
    stale = {failure.key for failure in failures if failure.cell in cells} - known
    store.forget_failures(options.out, stale | known if again else stale)
    return set() if again else known


def _keys(plan: list[Group]) -> set[str]:
    """The addresses of all runs."""
    return {key for group in plan for key in group.keys()}  # noqa: SIM118


def _amount(plan: list[Group], batches: list[Group], failed: int) -> str:
    """How much there is, and how much of it is left to do."""
    total = sum(group.runs for group in plan)
    left = sum(batch.runs for batch in batches)
    before = total - left - failed
    amounts = [f"{total:,} runs", f"{before:,} of them finished before"]
    if failed:
        amounts.append(f"{failed:,} failed before")
    amounts.append(f"{left:,} to do in {len(batches)} batches")
    return ", ".join(amounts)


def _require_all(plan: list[Group], out: Path) -> None:
    """Every run must be in the folder now, finished.

    Raises:
        ValueError: naming the runs that failed, or saying how many are missing.
    """
    from .jobs import store

    planned_keys = _keys(plan)
    failed = [failure for failure in store.failures(out) if failure.key in planned_keys]
    missing = planned_keys - store.keys(out) - {failure.key for failure in failed}
    total = len(planned_keys)
    require(
        not missing,
        f"results: {len(missing):,} of {total:,} runs are not in {out} although they were computed; was it removed, "
        "or do the workers not see it? Mend that and give the same command again",
    )
    listed = "\n".join(_named(failed))
    amount = f"{len(failed):,} of {total:,} runs failed, all others are kept in {out}"
    require(not failed, f"sweep: {amount}; --retry tries them again:\n{listed}")


def _named(failed: list[Failure]) -> list[str]:
    """A line for each setting and what went wrong there."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for failure in failed:
        cell = (failure.place, failure.words)
        seeds.setdefault(cell, []).append(failure.seed)
    lines = []
    for (place, words), own in seeds.items():
        numbers = ", ".join(map(str, sorted(own)))
        lines.append(f"  {place}, seed {numbers}: {words}")
    more = len(lines) - NAMED
    return [*lines[:NAMED], f"  and {more:,} more"] if more > 0 else lines


if __name__ == "__main__":
    main()
