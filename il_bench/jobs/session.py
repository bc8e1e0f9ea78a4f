"""One session of the command: train, compare, write, tell; what `python -m il_bench.run` does once it has parsed."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..borders import resolve
from ..cli.command import complaint
from ..cli.console import complain
from ..cli.console import console as plain_console
from ..cli.options import RunOptions
from ..cli.progress import Report, progress
from ..core import registry, strangers
from ..core.env import Env, Expert
from ..core.files import next_reservation, reservation
from ..core.policy import Policy
from ..core.printable import harmless
from ..core.rollout import ask
from ..core.settings import nested, require, require_count
from ..core.streams import Streams
from ..core.threads import threads
from ..core.usual import taken
from ..measures.contract import check
from ..records import record, rows
from ..records.twins import compare
from ..show import plots, report, terminal
from . import digest
from .checkpoint import Checkpoint
from .footprint import needed
from .matched import (
    MATCHED,
    Limits,
    is_matched,
    learn_matched,
    log_within,
    require_matchable,
    require_possible,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def execute(
    options: RunOptions,
    env: Env,
    learners: dict[str, Any],
    original: record.Record | None = None,
) -> record.Record:
    """Train, compare, write and tell.

    The folder of the Record is reserved before the work, and the Record is written before its pictures: what fails at
    the end costs no more than itself.

    Args:
        options: what the command was asked for.
        env: the environment, R runs.
        learners: the algorithms by name; behaviour cloning is matched to a single one's labels and updates.
        original: the Record that is repeated, to be compared with.

    Returns:
        The Record, written.
    """
    began, console = time.perf_counter(), plain_console()
    _require_possible(options, learners)
    require_possible(learners, env)
    expert = _expert(env, options)
    headline = _headline(env, learners, expert, options)
    memory = _memory(env, learners, options)
    with _reserved(options) as out, threads(options.threads):
        console.print(headline, memory, sep="\n", highlight=False)
        if note := resolve.note(expert):
            console.print(note, highlight=False, markup=False, soft_wrap=True)
        comparison = _compared(env, expert, learners, options, out, console)
    with _interrupted_late(comparison):
        pictures = _draw(comparison, options, console)
        _tell(comparison, pictures, original, console)
    console.print(f"[dim]{time.perf_counter() - began:.1f} s[/dim]", highlight=False)
    return comparison


@contextlib.contextmanager
def _interrupted_late(comparison: record.Record) -> Iterator[None]:
    """Whoever interrupts the pictures is told that the Record is there."""
    try:
        yield
    except KeyboardInterrupt:
        folder = comparison.path or Path()
        raise KeyboardInterrupt(f"the Record is kept in {_shown(folder)}") from None


def _expert(env: Env, options: RunOptions) -> Expert:
    """Who is imitated; a stranger's environment and expert are tried before any work."""
    expert = resolve.expert(env, options.expert, options.trust)
    _require_answers(env, expert, options)
    if not type(env).__module__.startswith("il_bench."):
        alone = dataclasses.replace(env, device="cpu")
        check(alone, resolve.expert(alone, options.expert, options.trust))
    return expert


def _compared(
    env: Env,
    expert: Expert,
    learners: dict[str, Any],
    options: RunOptions,
    out: Path,
    console: Console,
) -> record.Record:
    """The learners trained and compared, and the Record written; only then are kept rounds forgotten."""
    rounds = _rounds(env, expert, learners, options)
    with progress(console) as add, _keeping(rounds):

        def learn(name: str, learner: Any, limits: Limits) -> Policy:
            if limits:
                title = f"{name}, within {' and '.join(limits)}"
                return _learn(env, expert, learner, name, add(title, 1.0), None, options, limits)
            if name not in rounds and options.checkpoint_every:
                rounds[name] = _checkpoint(env, expert, learner, options)
            checkpoint = rounds.get(name)
            if checkpoint is not None and checkpoint.count:
                words = f"{name} goes on after round {checkpoint.count}, which was kept"
                console.print(words, highlight=False, markup=False)
            return _learn(env, expert, learner, name, add(name, 1.0), checkpoint, options)

        policies = learn_matched(learners, env, learn, options.match)
        report = add("twins", 1.0)
        report(0, f"{options.rollouts} rollouts of {env.runs} runs")
        comparison = compare(
            env,
            expert,
            policies,
            episodes=options.rollouts,
            sample=options.sample,
            notes=_notes(learners, options),
        )
        report(1, "")
        _save(comparison, out)
    for checkpoint in rounds.values():
        checkpoint.clear()
    return comparison


def _notes(learners: dict[str, Any], options: RunOptions) -> dict[str, Any]:
    """What the Record keeps of the command: its options, and what learners had the same of."""
    plain = {name: _plain(value) for name, value in vars(options).items()}
    match = MATCHED if is_matched(learners) else options.match
    return {"options": plain, "match": list(match)}


@contextlib.contextmanager
def _keeping(rounds: dict[str, Checkpoint]) -> Iterator[None]:
    """When the work is interrupted or fails its rounds are kept, and it is said how to go on.

    Raises:
        KeyboardInterrupt: with what was kept, in words; ValueError with the failure and what was kept.
    """
    try:
        yield
    except KeyboardInterrupt:
        advice = "--checkpoint-every 1 keeps the rounds of a learner that has rounds"
        kept = _kept(rounds) or f"nothing was kept ({advice})"
        raise KeyboardInterrupt(kept) from None
    except Exception as error:
        reason = complaint(error)
        kept = _kept(rounds)
        if not kept or not reason:
            raise
        raise ValueError(f"{reason}; {kept}") from error


def _kept(rounds: dict[str, Checkpoint]) -> str:
    """Which rounds are kept, those that were waiting to be written included; "" where none are."""
    for checkpoint in rounds.values():
        with contextlib.suppress(ValueError):  # a full disk has been complained of
            checkpoint.flush()
    counts = [f"{one.count} of {name}" for name, one in rounds.items() if one.count]
    if not counts:
        return ""
    return f"rounds are kept ({', '.join(counts)}); the same command goes on with the next one"


def _draw(
    comparison: record.Record, options: RunOptions, console: Console
) -> dict[str, str | ValueError]:
    """Figure and film in the Record's folder: what each shows, or why it is not there."""
    folder = comparison.path or Path()
    pictures: dict[str, str | ValueError] = {}
    with progress(console) as add:
        report = add("pictures", 1.0)
        report(0, "drift.png")
        pictures["drift.png"] = _tried(
            lambda: plots.plot(comparison, folder / "drift.png"),
            "divergence over time, theory dashed",
        )
        if options.video:
            report(0.2, "rollout.mp4")
            shown = _tried(lambda: _film(comparison, folder), "expert and copies side by side")
            pictures["rollout.mp4"] = shown
            if isinstance(shown, str) or (folder / "rollout.gif").exists():
                pictures["rollout.gif"] = "the same as a GIF"
        report(1, "")
    return pictures


def _film(comparison: record.Record, folder: Path) -> None:
    from ..show import video

    video.film(comparison, folder / "rollout.mp4", gif=folder / "rollout.gif")


def _tried(draw: Callable[[], object], words: str) -> str | ValueError:
    """The words, or what kept a picture from being drawn: a stranger's code may raise anything, and costs no Record."""
    try:
        draw()
    except Exception as error:
        if os.environ.get(strangers.TRACEBACK):
            raise
        reason = str(error) if isinstance(error, ValueError) else strangers.sentence(error)
        words = reason or strangers.in_words(error)
        return ValueError(" ".join(words.split()))
    return words


def _tell(
    comparison: record.Record,
    pictures: dict[str, str | ValueError],
    original: record.Record | None,
    console: Console,
) -> None:
    """Tables, sentences, and what lies where."""
    for table in terminal.rich_tables(comparison, console.width):
        console.print(table, "", highlight=False)
    sentences = [report.sentence(comparison), *rows.remarks(comparison)]
    console.print("\n".join(sentences) + "\n", highlight=False, markup=False)
    folder = comparison.path or Path()
    _tell_path(console, folder, "the Record: il.load(folder)")
    env = comparison.index.env.name
    stranger = f" --env {env}" if ":" in env else ""
    again = f"python -m il_bench.render {_shown(folder)}{stranger}"
    advice = f"{again} draws a film again; --no-video makes none"
    for name, words in pictures.items():
        if isinstance(words, str):
            _tell_path(console, folder / name, words)
            continue
        sentence = f"{name} is missing: {words}; the Record is kept ({advice})"
        console.print(sentence, highlight=False, markup=False)
    if original is not None:
        console.print(_same(original, comparison), highlight=False, markup=False)


def _tell_path(console: Console, path: Path, words: str) -> None:
    from rich.text import Text

    line = Text.assemble("  ", _shown(path), "  ", (words, "dim"))
    console.print(line, highlight=False, soft_wrap=True)


def _require_answers(env: Env, expert: Expert, options: RunOptions) -> None:
    """Ask a stranger's expert once, before any work: what it raises then is about it."""
    if options.expert is None:
        return
    try:
        ask(env, expert, env.initial(Streams(env.seeds, env.device), 2))
    except Exception as error:
        words = strangers.sentence(error) or f"it raised {strangers.in_words(error)}"
        raise ValueError(f"expert {options.expert}: asked for actions, {words}") from error


def _require_possible(options: RunOptions, learners: dict[str, Any]) -> None:
    require_matchable(learners, options.match)
    require_count("rollouts", options.rollouts)
    require(
        0 <= options.memory < math.inf,
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


def _reserved(options: RunOptions) -> AbstractContextManager[Path]:
    """The folder of the Record, made before the work: the one that was named, or the next free one."""
    if options.out is not None:
        return reservation(options.out)
    words = f"{options.env}-{'-'.join(options.algo)}"
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in words)
    return next_reservation(Path("runs"), stem)


def _save(comparison: record.Record, out: Path) -> None:
    """Write the Record; where its folder can no longer be written, beside it or in a temporary one, and say so."""
    try:
        comparison.save(out)
    except ValueError as error:
        if not _saved_elsewhere(comparison, out):
            raise
        complain(f"{error}; the Record is in {comparison.path} instead")


def _saved_elsewhere(comparison: record.Record, out: Path) -> bool:
    """Whether the Record could be written under the next free number, or else where temporary files go."""
    for parent in (out.parent, Path(tempfile.gettempdir())):
        with (
            contextlib.suppress(ValueError, OSError),
            next_reservation(parent, out.name) as place,
        ):
            comparison.save(place)
            return True
    return False


def _headline(env: Env, learners: dict[str, Any], expert: Expert, options: RunOptions) -> Text:
    from rich.text import Text

    certificate = env.certificate()
    dial = ", ".join(f"{value:.4g}" for value in dict.fromkeys(certificate.value))
    names = (["bc"] if is_matched(learners) else []) + list(learners)
    demos = [demos for learner in learners.values() if (demos := getattr(learner, "demos", ""))]
    imitated = demos[0] if demos else registry.name_of(expert)
    verb = "imitates" if len(names) == 1 else "imitate"
    runs = f"{env.runs} run{'s' * (env.runs > 1)}"
    chance = "sampled" if options.sample or env.by_chance else "deterministic"
    rest = (
        f"  L = {dial} ({certificate.kind}, {certificate.metric}), T = {env.horizon}, {runs}; "
        f"{' and '.join(names)} {verb} {imitated}; {chance} evaluation"
    )
    became = f"\n{env.adaptation}" if env.adaptation else ""
    name = registry.name_of(env)
    suited = [_suited(env, who, learner) for who, learner in learners.items()]
    return Text.assemble((name, "bold"), rest, became, *suited)


def _suited(env: Env, name: str, learner: Any) -> str:
    """A line on the settings of a learner that it has because of the task; "" where it has none."""
    settings = taken(env, name, learner)
    if not settings:
        return ""
    words = ", ".join(f"{setting} {value}" for setting, value in settings.items())
    task = registry.name_of(env)
    return f"\n{name}, as suits {task} where no flag says otherwise: {words}"


def _memory(env: Env, learners: dict[str, Any], options: RunOptions) -> str:
    """What this will take, in words; it must be within the limit."""
    trained = list(learners.values()) * (2 if is_matched(learners) else 1)
    takes, limit = needed(env, trained, options.rollouts), options.memory
    require(
        limit == 0 or takes.total <= limit * 1e9,
        f"memory: expected at most {limit:g} GB, this takes {takes}; sweep --memory {limit:g} splits the runs",
    )
    return f"[dim]memory: about {takes}[/dim]"


def _learn(
    env: Env,
    expert: Expert,
    learner: Any,
    name: str,
    report: Report,
    checkpoint: Checkpoint | None,
    options: RunOptions,
    limits: Limits | None = None,
) -> Policy:
    """One learner's policy, signed with what it cost, within its limits."""
    log = log_within(limits or {})
    log.report, log.checkpoint = report, checkpoint
    if options.tensorboard is not None:
        from ..show.tensorboard import watcher

        write = watcher(options.tensorboard, env, expert, name)
        log.iterate = lambda i, policy: write(policy, log)
    policy = learner.learn(env, expert, None, log)
    require(
        isinstance(policy, Policy),
        f"{name}: expected a Policy from learn(), got {type(policy).__name__}; return one",
    )
    report(1.0, "")
    return policy if policy.log is not None else log.close(learner, policy)


def _rounds(
    env: Env, expert: Expert, learners: dict[str, Any], options: RunOptions
) -> dict[str, Checkpoint]:
    """Where each learner's rounds are kept, if they are."""
    if not options.checkpoint_every:
        return {}
    return {name: _checkpoint(env, expert, one, options) for name, one in learners.items()}


def _checkpoint(env: Env, expert: Expert, learner: Any, options: RunOptions) -> Checkpoint:
    """Where the rounds of exactly this training are kept until it is over: its sources and settings are its name."""
    things = {"env": env, "learner": learner}
    settings = {k: {"name": registry.name_of(v), **nested(v)} for k, v in things.items()}
    code = digest.code_of(env, learner, expert).address
    identity = {**settings, "expert": registry.name_of(expert), "code": code}
    folder = Path("runs") / ".rounds" / digest.key(identity)
    return Checkpoint(folder, options.checkpoint_every)


def _shown(path: Path) -> str:
    shown = os.path.relpath(path)
    return harmless(str(path) if shown.startswith("..") else shown, breaks="")


def _same(original: record.Record, repetition: record.Record) -> str:
    apart = [
        k
        for k, a in original.arrays.items()
        if not np.array_equal(a, repetition.arrays[k], equal_nan=True)
    ]
    if not apart:
        return f"Every array is identical to those of {original.path}."
    own = repetition.index.versions
    theirs = {k: v for k, v in original.index.versions.items() if own.get(k) != v}
    return f"Not identical to {original.path}: {', '.join(apart)} differ; versions there: {theirs or 'the same'}."
