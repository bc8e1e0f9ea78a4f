"""Films, drawn from a Record alone: expert and copies side by side on one road, beneath them how far they are apart."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np

from ..core.env import Env
from ..core.registry import name_of
from ..core.settings import require
from ..paint.canvas import INK, PAPER, SOFT, Canvas, colour_of
from ..records.record import Record
from .axes import LogAxes
from .encode import write_gif, write_mp4

WIDE, EDGE, GAP, HEAD, CAPTION, BAR, TRACE = (
    1008,
    16,
    22,
    38,
    28,
    24,
    196,
)  # pixels: the page and its parts, all even


LONGEST = 250  # frames; of a longer episode, frames are left out evenly


GIF_BYTES, GIF_WIDTHS = 3_000_000, (640, 520, 420)


def film(
    record: Record,
    path: str | Path,
    run: int | None = None,
    episode: int | None = None,
    learners: list[str] | None = None,
    gif: str | Path | None = None,
    fps: float | None = None,
    env: Env | None = None,
) -> Path:
    """Film one rollout: a panel for each learner with the expert's twin as a ghost, beneath them the divergence.

    Args:
        record: the comparison.
        path: where the film goes, .mp4 (H.264), written whole or not at all.
        run: which run; by default the typical one, see `typical`.
        episode: which of its rollouts; likewise.
        learners: names of those to show, the expert among them; by default all.
        gif: where the same goes as a GIF of at most 3 MB, if one is wanted.
        fps: frames a second; by default 25, or fewer where the film would last less than four seconds.
        env: the environment of that run; by default the record's.

    Raises:
        ValueError: for a run, an episode or a learner that the record does not have, or a path that is not .mp4.
    """
    path = Path(path)
    right = gif is None or Path(gif).suffix == ".gif"
    require(right, f"gif: expected a name that ends in .gif, got {gif}; try rollout.gif")
    require(
        path.suffix == ".mp4",
        f"path: expected a name that ends in .mp4, got {path.name!r}; try rollout.mp4",
    )
    page = _Page(record, run, episode, learners, env)
    horizon = page.axes.horizon
    times = [*range(0, horizon, math.ceil(horizon / LONGEST)), horizon]
    fps = fps or min(max(len(times) / 4, 5), 25)
    last = itertools.repeat(page.image(horizon), round(fps))  # stands for a second
    write_mp4(path, itertools.chain(map(page.image, times), last), fps, page.size)
    if gif is not None:
        write_gif(Path(gif), path, min(fps, 12.5), GIF_WIDTHS, GIF_BYTES)
    return path


def typical(
    data: Any, learner: int, run: int | None = None, episode: int | None = None
) -> tuple[int, int]:
    """Run and episode, where not given, in which a learner's last divergence is the median.

    Raises:
        ValueError: when there is no such run or episode.
    """
    last = np.nan_to_num(
        data["divergence"].values[learner, :, :, -1], nan=np.inf, posinf=np.inf
    )  # (R, E)
    for name, given, count in zip(("run", "episode"), (run, episode), last.shape, strict=True):
        known = given is None or 0 <= given < count
        require(
            known,
            f"{name}: expected 0 to {count - 1}, got {given}; this record has {count}, counted from 0",
        )
    runs = range(last.shape[0]) if run is None else [run]
    episodes = range(last.shape[1]) if episode is None else [episode]
    pairs = sorted(itertools.product(runs, episodes), key=lambda pair: last[pair])
    return pairs[(len(pairs) - 1) // 2]


class _Page:
    """One rollout of some learners, `who`, and their expert's twin: a page for each time; arguments as in `film`."""

    def __init__(
        self, record: Record, run: int | None, episode: int | None, learners: Any, env: Env | None
    ):
        known = [str(name) for name in record.data["learner"].values]
        self.names = list(learners or known)
        wrong = ", ".join(name for name in self.names if name not in known)
        require(
            not wrong,
            f"learners: expected names among {', '.join(known)}, got {wrong}; choose some of these",
        )
        self.who = [known.index(name) for name in self.names]
        run, episode = typical(record.data, next((k for k in self.who if k), 0), run, episode)
        own = record.data.isel(run=run, episode=episode)
        self.env, self.state = env or record.env[run], own["state"].values
        self.drift = np.nan_to_num(own["divergence"].values, nan=np.inf, posinf=np.inf)  # (K, T+1)
        never = self.drift.shape[1]
        self.end = np.where(own["terminated"].values, own["length"].values, never)
        dial = [f"L = {float(own['lipschitz']):g}"] if "lipschitz" in own.coords else []
        self.title = "    ".join([name_of(self.env), *dial, f"run {run}", f"episode {episode}"])
        self.axes, threshold, self.foot = self._foot()
        apart = self.drift > threshold
        self.parted = np.where(apart.any(1), apart.argmax(1), never)
        self.columns = len(self.who) if len(self.who) <= 4 else -(-len(self.who) // 2)
        wide = min((WIDE - 2 * EDGE - (self.columns - 1) * GAP) // self.columns, 640) // 2 * 2
        self.panel = wide, round(0.36 * wide) * 2
        rows = -(-len(self.who) // self.columns)
        self.size = WIDE, HEAD + rows * (CAPTION + self.panel[1] + GAP) + TRACE

    def _foot(self) -> tuple[LogAxes, float, Canvas]:
        """The axes of the divergence, from where learners have parted, and a picture of what stays as it is."""
        diameter, shown = self.env.certificate().diameter[0], self.drift[self.who]
        near = math.isfinite(diameter)
        threshold = 0.1 * diameter if near else 1.0
        known = np.append(shown[np.isfinite(shown) & (shown > 0)], threshold)
        high = math.ceil(np.log10(known.max()).clip(-3, 12))
        low = math.floor(np.log10(np.quantile(known, 0.02)).clip(high - 9, high - 2))
        axes, canvas = (
            LogAxes((WIDE, TRACE), (50, 46, EDGE, 26), shown.shape[1] - 1, low, high),
            Canvas((WIDE, TRACE)),
        )
        axes.paint(canvas)
        canvas.text(
            "divergence D from the expert's twin over time t", (EDGE, 10), INK, 13, bold=True
        )
        words = (
            f"dashed: parted, D > {threshold:.2g}"
            + ", a tenth of the state space's diameter" * near
        )
        canvas.text(words, (WIDE - EDGE, 10), SOFT, 12, part=1)
        for dash in axes.place(np.linspace(0, axes.horizon, 161)[:-1], threshold).reshape(-1, 2, 2):
            canvas.line(dash, SOFT)
        return axes, threshold, canvas

    def image(self, t: int) -> np.ndarray:
        """The page (height, WIDE, 3) at time t."""
        page, (wide, tall) = np.full((self.size[1], WIDE, 3), 255, np.uint8), self.panel
        left = (WIDE - self.columns * (wide + GAP) + GAP) // 2
        page[:HEAD], page[-TRACE:] = self._head(t), self._trace(t)
        for i, k in enumerate(self.who):
            x, y = (
                left + i % self.columns * (wide + GAP),
                HEAD + i // self.columns * (CAPTION + tall + GAP),
            )
            page[y : y + CAPTION, x : x + wide] = self._caption(k, self.names[i], t)
            page[y + CAPTION : y + CAPTION + tall, x : x + wide] = self._picture(k, t)
        return page

    def _head(self, t: int) -> np.ndarray:
        strip, middle = Canvas((WIDE, HEAD)), HEAD / 2
        end = EDGE + strip.text(self.title, (EDGE, middle), INK, 15, bold=True)
        strip.circle((end + 34, middle), 5, colour_of(0))
        strip.text("the expert's twin: same start, same noise", (end + 46, middle), SOFT, 13)
        strip.text(f"t = {t}", (WIDE - EDGE, middle), INK, 15, bold=True, part=1)
        return strip.image()

    def _caption(self, k: int, name: str, t: int) -> np.ndarray:
        strip, middle = Canvas((self.panel[0], CAPTION)), CAPTION / 2
        strip.circle((7, middle), 6, colour_of(k))
        strip.text(
            name, (20, middle), INK, 15 if 10 * len(name) < self.panel[0] - 130 else 11, bold=True
        )
        if k:
            strip.text(f"D = {self.drift[k, t]:.2g}", (self.panel[0], middle), INK, 14, part=1)
        return strip.image()

    def _picture(self, k: int, t: int) -> np.ndarray:
        picture = self.env.draw(self.state[k, t], self.panel, self.state[0, t] if k else None)
        for since, words in ((self.parted[k], "parted"), (self.end[k], self.env.ending)):
            if t >= since:
                bar = Canvas((self.panel[0], BAR), colour_of(k))
                bar.text(
                    f"{words} at t = {since}",
                    (self.panel[0] / 2, BAR / 2),
                    PAPER,
                    13,
                    bold=True,
                    part=0.5,
                )
                picture[:BAR] = bar.image()
        return picture

    def _trace(self, t: int) -> np.ndarray:
        """The divergences so far, and where they crossed the threshold."""
        canvas, free = self.foot.copy(), 0.0
        canvas.line(self.axes.place([t, t], [0, np.inf]), SOFT)
        for k in sorted((k for k in self.who if k), key=lambda k: self.parted[k]):
            seen, moment = (
                np.flatnonzero(self.drift[k, : t + 1] > 0),
                self.parted[k],
            )  # a logarithm has no zero
            if len(seen):
                points = self.axes.place(seen, self.drift[k, seen])
                canvas.line([points[0], *points], colour_of(k), 2)
                canvas.circle(points[-1], 4, colour_of(k))
            if t >= moment:
                x, y = self.axes.place(moment, self.drift[k, moment])
                canvas.line([(x, y), (x, 42)], colour_of(k))
                canvas.circle((x, y), 5, colour_of(k))
                free = min(max(x, free), WIDE - 64)
                free += 10 + canvas.text(f"t = {moment}", (free, 34), colour_of(k), 12, bold=True)
        return canvas.image()
