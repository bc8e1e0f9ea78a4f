"""One session of the command: train, compare, write, tell; what `python -m il_bench.run` does once it has parsed."""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
import tyro

from ..borders import resolve
from ..cli import flags
from ..cli.options import RunOptions
from ..core import registry
from ..core.env import Env, Expert
from ..core.policy import Log, Policy
from ..core.rollout import ask
from ..core.settings import build, flatten, nested, require
from ..core.streams import Streams
from ..learners.bc import BC
from ..measures.contract import check
from ..records import record, rows
from ..records.twins import compare
from ..show import plots, report
from . import digest
from .checkpoint import Checkpoint
from .footprint import needed

if TYPE_CHECKING:
    from rich.progress import Progress


def execute(
    options: RunOptions, env: Env, learner: Any, original: record.Record | None = None
) -> record.Record:
    """Train, compare, write and tell.

    Args:
        options: what the command was asked for.
        env: the environment, R runs.
        learner: the algorithm; behaviour cloning is matched to its labels and updates.
        original: the Record that is repeated, to be compared with.

    Returns:
        The Record, written.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    began, console = time.perf_counter(), Console()
    _require_possible(options)
    torch.set_num_threads(options.threads)
    out = record.free_folder(options.out or _next_folder(options))
    expert = resolve.expert(env, options.expert, options.trust)
    _require_answers(env, expert, options)
    if not type(env).__module__.startswith("il_bench."):
        alone = dataclasses.replace(env, device="cpu")
        check(alone, resolve.expert(alone, options.expert, options.trust))
    name = registry.name_of(learner).rpartition(":")[2].lower()
    teacher = getattr(learner, "demos", "") or registry.name_of(expert)
    console.print(
        _headline(env, name, teacher, options),
        _memory(env, learner, options),
        sep="\n",
        highlight=False,
    )
    note = resolve.note(expert)
    if note:
        console.print(note, highlight=False, soft_wrap=True)
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, TextColumn("{task.fields[words]}"), console=console, transient=True
    ) as progress:
        policies = _learn(env, expert, learner, name, progress, options)
        bar = progress.add_task(
            "twins", total=1, words=f"{options.rollouts} rollouts of {env.runs} runs"
        )
        notes = {
            "options": {k: _plain(v) for k, v in vars(options).items()},
            "match": ["labels", "updates"],
        }
        found = compare(
            env, expert, policies, episodes=options.rollouts, sample=options.sample, notes=notes
        )
        progress.update(bar, completed=1)
        bar = progress.add_task("writing", total=1, words=str(out))
        left = _write(found, out, options)
        progress.update(bar, completed=1)
    for table in report.rich_tables(found, console.width):
        console.print(table, "", highlight=False)
    console.print("\n".join([report.sentence(found), *rows.broken(found)]) + "\n", highlight=False)
    for path, what in left.items():
        console.print(f"  {_shown(path)}  [dim]{what}[/dim]", highlight=False, soft_wrap=True)
    if original is not None:
        console.print(_same(original, found), highlight=False)
    console.print(f"[dim]{time.perf_counter() - began:.1f} s[/dim]", highlight=False)
    return found


def _require_answers(env: Env, expert: Expert, options: RunOptions) -> None:
    """Ask a stranger's expert once, before any work: what it raises then is about it."""
    if options.expert is None:
        return
    try:
        ask(env, expert, env.initial(Streams(env.seeds, env.device), 2))
    except Exception as error:
        raise ValueError(
            f"expert {options.expert}: asked for actions it raised {type(error).__name__} ({error})"
        ) from error


def _require_possible(options: RunOptions) -> None:
    require(options.rollouts >= 1, f"rollouts: expected at least 1, got {options.rollouts}; try 64")
    require(
        options.memory >= 0,
        f"memory: expected gigabytes, at least 0, got {options.memory}; 0 sets no limit",
    )
    rounds = options.checkpoint_every
    require(
        rounds >= 0, f"checkpoint-every: expected at least 0 rounds, got {rounds}; 0 keeps none"
    )
    require(options.threads >= 1, f"threads: expected at least 1, got {options.threads}; try 1")
    kind = options.device.partition(":")[0]
    require(kind in ("cpu", "cuda"), f"device: expected cpu or cuda, got {options.device!r}")
    zipped = str(options.expert).startswith("sb3:")
    require(
        zipped or not options.trust,
        "trust: expected --expert sb3:PATH beside it, which alone needs it; leave it out",
    )
    missing = kind == "cuda" and not torch.cuda.is_available()
    require(
        not missing,
        "device: cuda was asked for, but torch finds no GPU here; leave --device out to compute on the CPU",
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _next_folder(options: RunOptions) -> Path:
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in f"{options.env}-{options.algo}")
    taken = (
        int(p.name.rpartition("-")[2])
        for p in Path("runs").glob(f"{stem}-*")
        if p.name.rpartition("-")[2].isdigit()
    )
    return Path("runs") / f"{stem}-{max(taken, default=0) + 1:03d}"


def _headline(env: Env, name: str, imitated: str, options: RunOptions) -> str:
    certificate = env.certificate()
    dial = ", ".join(f"{v:.4g}" for v in dict.fromkeys(certificate.value))
    learners = name if name == "bc" else f"bc and {name}"
    return (
        f"[bold]{registry.name_of(env)}[/bold]  L = {dial} ({certificate.kind}, {certificate.metric}), "
        f"T = {env.horizon}, {env.runs} run{'s' * (env.runs > 1)}; {learners} imitate {imitated}; "
        f"{'sampled' if options.sample else 'deterministic'} evaluation"
    )


def _memory(env: Env, learner: Any, options: RunOptions) -> str:
    """What this will take, in words; it must be within the limit."""
    takes, limit = (
        needed(env, [learner] if isinstance(learner, BC) else [learner, learner], options.rollouts),
        options.memory,
    )
    require(
        limit == 0 or takes.total <= limit * 1e9,
        f"memory: expected at most {limit:g} GB, this takes {takes}; sweep --memory {limit:g} splits the runs",
    )
    return f"[dim]memory: about {takes}[/dim]"


def _learn(
    env: Env, expert: Expert, learner: Any, name: str, progress: Progress, options: RunOptions
) -> dict[str, Policy]:
    """The learner's policy, and beside it behaviour cloning with exactly its labels, run by run, and its updates."""
    policies = {name: _learn_one(env, expert, learner, name, progress, options)}
    log = policies[name].log
    labels = torch.as_tensor(log.labels if log else 0).expand(env.runs)
    if name == "bc" or labels.min() < 1:
        return policies
    training = getattr(learner, "training", None)
    settings = {"training": training} if training is not None else {}
    matched = BC(labels=tuple(float(n) for n in labels), **settings)
    return {"bc": _learn_one(env, expert, matched, "bc", progress, options), **policies}


def _learn_one(
    env: Env, expert: Expert, learner: Any, name: str, progress: Progress, options: RunOptions
) -> Policy:
    bar = progress.add_task(name, total=1.0, words="")
    log = Log(report=lambda done, words: progress.update(bar, completed=done, words=words))
    if options.tensorboard is not None:
        from ..show.tensorboard import watcher

        write = watcher(options.tensorboard, env, expert, name)
        log.iterate = lambda i, policy: write(policy, log)
    if options.checkpoint_every:
        log.checkpoint = Checkpoint(_kept_rounds(env, expert, learner), options.checkpoint_every)
    policy = learner.learn(env, expert, None, log)
    if log.checkpoint is not None:
        log.checkpoint.clear()
    require(
        isinstance(policy, Policy),
        f"{name}: expected a Policy from learn(), got {type(policy).__name__}; return one",
    )
    progress.update(bar, completed=1.0)
    return policy if policy.log is not None else log.close(learner, policy)


def _kept_rounds(env: Env, expert: Expert, learner: Any) -> Path:
    """Where the rounds of exactly this training are kept until it is over: its sources and settings are its name."""
    things = {"env": env, "learner": learner}
    settings = {k: {"name": registry.name_of(v), **nested(v)} for k, v in things.items()}
    sources = digest.code_of(env, learner, expert)
    return (
        Path("runs")
        / ".rounds"
        / digest.key({**settings, "expert": registry.name_of(expert), "code": sources})
    )


def _write(found: record.Record, out: Path, options: RunOptions) -> dict[Path, str]:
    """The Record with its figure and its film, whole or not at all; what lies where."""

    def pictures(folder: Path) -> None:
        plots.plot(found, folder / "drift.png")
        if options.video:
            from ..show import video

            video.film(found, folder / "rollout.mp4", gif=folder / "rollout.gif")

    folder = found.save(out, pictures)
    left = {
        folder: "the Record: il.load(folder)",
        folder / "drift.png": "divergence over time, theory dashed",
    }
    if options.video:
        left |= {
            folder / "rollout.mp4": "expert and copies side by side",
            folder / "rollout.gif": "the same as a GIF",
        }
    return left


def _shown(path: Path) -> str:
    shown = os.path.relpath(path)
    return str(path) if shown.startswith("..") else shown


@dataclass(frozen=True)
class Again:
    """Run again what a Record says was run."""

    source: Annotated[Path, tyro.conf.arg(name="from")]
    """Folder of the Record."""
    env: str | None = None
    """module:Class, where the environment is a file's: a Record alone runs no stranger's code."""
    expert: str | None = None
    """module:name or sb3:PATH, where the expert is a file's."""
    trust: bool = False
    """The author of the zip in --expert sb3:PATH is trusted."""
    out: Path | None = None
    """Folder for the new Record; by default the next free runs/ENV-ALGO-NUMBER."""
    device: str = "cpu"
    """Where to compute: cpu or cuda."""
    threads: int = 1
    """Threads of torch."""
    video: bool = True
    """Make the film."""


def repeated(args: list[str]) -> tuple[RunOptions, Env, Any, record.Record]:
    """What a Record says was run, ready to be run again."""
    again = flags.parsed(Again, args, "python -m il_bench.run")
    original = record.load(again.source)
    options = original.config.get("options")
    require(
        isinstance(options, dict),
        f"record: {again.source} was not written by the run command; repeat it in Python",
    )
    held = options.get("expert") if isinstance(options, dict) else None
    stranger = held is not None and ":" in str(held) and again.expert is None
    require(
        not stranger, f"record: its expert {held!r} is a file's; name it, as in --expert {held}"
    )
    chosen = {k: getattr(again, k) for k in ("out", "device", "threads", "video", "trust")} | {
        "expert": again.expert or held
    }
    original.known_env = record.environment_of(original.config, again.env)
    env = dataclasses.replace(original.env, device=again.device)
    require(
        bool(original.config["algorithms"]),
        f"record: {again.source} names no learner; repeat it in Python",
    )
    name = list(original.config["algorithms"])[-1]
    algorithm = original.config["algorithms"][name]
    require(
        ":" not in algorithm["name"],
        f"record: its learner {algorithm['name']!r} is a file's; run it with --algo instead",
    )
    values = {
        k: tuple(v) if isinstance(v, list) else v for k, v in flatten(algorithm["settings"]).items()
    }
    learner = build(registry.LEARNERS[algorithm["name"]], values)
    return RunOptions(**{**(options or {}), **chosen}), env, learner, original


def _same(original: record.Record, found: record.Record) -> str:
    apart = [
        k
        for k, a in original.arrays.items()
        if not np.array_equal(a, found.arrays[k], equal_nan=True)
    ]
    if not apart:
        return f"Every array is identical to those of {original.path}."
    theirs = {
        k: v for k, v in original.config["versions"].items() if found.config["versions"].get(k) != v
    }
    return f"Not identical to {original.path}: {', '.join(apart)} differ; versions there: {theirs or 'the same'}."
