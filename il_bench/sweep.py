"""`python -m il_bench.sweep --env tube lane --algo bc dagger --lipschitz 0.8:1.3:0.05 --seeds 64 --out results/`.

Every combination of environment, learner and values is trained and measured, batch by batch, on all cores or on a
cluster. Whatever is finished is kept, and the same command goes on where an interrupted one ended: nothing is computed
twice, and a sweep that has grown computes what is new.
"""

from __future__ import annotations

from .cli.told import told
from .jobs.plan import asked, batched, memory, planned


@told
def main(args: list[str]) -> None:
    """The command."""
    options, settings = asked(args)
    from .jobs import store
    from .jobs.workers import carry_out, processes

    pairs = [(env, algo) for env in options.env for algo in options.algo]
    plan, skipped = planned(options, settings, pairs)
    done = store.keys(options.out) if options.resume and options.out.is_dir() else set()
    batches = list(batched(plan, done, options.batch, processes(options), options.memory * 1e9))
    total, left = sum(g.runs for g in plan), sum(g.runs for g in batches)
    for sentence in skipped:
        print(f"left out: {sentence}")
    print(
        f"{total:,} runs, {total - left:,} of them finished before, {left:,} to do in {len(batches)} batches"
    )
    if batches:
        largest = max((memory(batch) for batch in batches), key=lambda takes: takes.total)
        print(f"memory: about {processes(options)} x {largest}")
    carry_out(options, batches)
    print(f"results in {options.out}: python -m il_bench.table {options.out} --by lipschitz,algo")


if __name__ == "__main__":
    main()
