"""`python -m il_bench.sweep --env tube lane --algo bc dagger --lipschitz 0.8:1.3:0.05 --seeds 64 --out results/`.

Every combination of environment, learner and values is trained and measured, batch by batch, on all cores or on a
cluster. Whatever is finished is kept, and the same command goes on where an interrupted one ended: nothing is computed
twice, and a sweep that has grown computes what is new.
"""

from __future__ import annotations

import itertools

from .cli.command import command
from .jobs.plan import Group, asked, batched, memory, planned


@command
def main(args: list[str]) -> None:
    """The command."""
    options, settings = asked(args)
    from .jobs import store
    from .jobs.workers import carry_out, processes

    pairs = list(itertools.product(options.env, options.algo))
    plan, skipped = planned(options, settings, pairs)
    going_on = options.resume and options.out.is_dir()
    done = store.keys(options.out) if going_on else set()
    side_by_side = processes(options)
    limit = options.memory * 1e9
    batches = list(batched(plan, done, options.batch, side_by_side, limit))
    for sentence in skipped:
        print(f"left out: {sentence}")
    print(_amount(plan, batches))
    if batches:
        largest = max(map(memory, batches), key=lambda takes: takes.total)
        print(f"memory: about {side_by_side} x {largest}")
    carry_out(options, batches)
    print(f"results in {options.out}: python -m il_bench.table {options.out} --by lipschitz,algo")


def _amount(plan: list[Group], batches: list[Group]) -> str:
    """How much there is, and how much of it is left to do."""
    total = sum(group.runs for group in plan)
    left = sum(batch.runs for batch in batches)
    before = total - left
    amounts = [
        f"{total:,} runs",
        f"{before:,} of them finished before",
        f"{left:,} to do in {len(batches)} batches",
    ]
    return ", ".join(amounts)


if __name__ == "__main__":
    main()
