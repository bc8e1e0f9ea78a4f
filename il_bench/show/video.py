"""Films, drawn from a Record alone: expert and copies side by side, beneath them how far they are apart."""

from __future__ import annotations

import base64
import itertools
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.env import Env
from ..core.files import write_whole
from ..core.settings import require
from ..records.record import Record
from .encode import write_gif, write_mp4
from .sheet import Sheet
from .take import film_title, takes_by, typical_take

LONGEST = 250  # frames; of a longer episode, frames are left out evenly
GIF_BYTES, GIF_WIDTHS = 3_000_000, (640, 520, 420)


@dataclass(frozen=True)
class Clip:
    """A film that no file holds yet; a notebook plays it."""

    mp4: bytes = field(repr=False)
    """The film, H.264."""

    def save(self, path: str | Path) -> Path:
        """Write it, whole or not at all.

        Raises:
            ValueError: when it cannot be written there.
        """
        place = Path(path)
        try:
            write_whole(place, self.mp4)
        except OSError as error:
            raise ValueError(
                f"film: {place} cannot be written ({error.strerror}); name another place"
            ) from None
        return place

    def _repr_html_(self) -> str:
        text = base64.b64encode(self.mp4).decode()
        source = f'src="data:video/mp4;base64,{text}"'
        return f"<video controls loop autoplay muted playsinline {source}></video>"


def film(
    record: Record,
    path: str | Path | None = None,
    run: int | None = None,
    episode: int | None = None,
    learners: Sequence[str] | None = None,
    gif: str | Path | None = None,
    fps: float | None = None,
    env: Env | None = None,
    by: str | None = None,
) -> Path | Clip:
    """Film one rollout: a panel for each learner with the expert's twin as a ghost, beneath them the divergence.

    Args:
        record: the comparison.
        path: where the film goes, .mp4 (H.264), written whole or not at all; without one it is given back.
        run: which run; by default the typical one, see `take.typical`.
        episode: which of its rollouts; likewise.
        learners: names of those to show, the expert among them; by default all.
        gif: where the same goes as a GIF of at most 3 MB, if one is wanted.
        fps: frames a second; by default 25, or fewer where the film would last less than four seconds.
        env: the environment of that run; by default the record's.
        by: a setting whose values stand side by side, a typical rollout of each; the expert is then left out unless
            it is among `learners`, because every panel shows its twin.

    Returns:
        The path; or, where none was given, a `Clip`, which a notebook plays.

    Raises:
        ValueError: for a run, an episode, a learner or a setting that the record does not have, or a path that is not
            .mp4.
    """
    sheet = sheet_of(record, run, episode, learners, env, by)
    if path is None:
        return _clip(sheet, fps, gif)
    return _write(sheet, Path(path), fps, gif)


def _clip(sheet: Sheet, fps: float | None, gif: str | Path | None) -> Clip:
    with tempfile.TemporaryDirectory() as folder:
        path = _write(sheet, Path(folder, "film.mp4"), fps, gif)
        return Clip(path.read_bytes())


def _write(sheet: Sheet, path: Path, fps: float | None, gif: str | Path | None) -> Path:
    _require_endings(path, gif)
    times = _times(sheet.horizon)
    fps = fps or min(max(len(times) / 4, 5), 25)
    last = itertools.repeat(sheet.image(sheet.horizon), round(fps))  # stands for a second
    frames = itertools.chain(map(sheet.image, times), last)
    write_mp4(path, frames, fps, sheet.size)
    if gif is not None:
        write_gif(Path(gif), path, min(fps, 12.5), GIF_WIDTHS, GIF_BYTES)
    return path


def _require_endings(path: Path, gif: str | Path | None) -> None:
    right = gif is None or Path(gif).suffix == ".gif"
    require(right, f"gif: expected a name that ends in .gif, got {gif}; try rollout.gif")
    require(
        path.suffix == ".mp4",
        f"path: expected a name that ends in .mp4, got {path.name!r}; try rollout.mp4",
    )


def _times(horizon: int) -> list[int]:
    return [*range(0, horizon, math.ceil(horizon / LONGEST)), horizon]


def sheet_of(
    record: Record,
    run: int | None = None,
    episode: int | None = None,
    learners: Sequence[str] | None = None,
    env: Env | None = None,
    by: str | None = None,
) -> Sheet:
    """The pages of a film; arguments as in `film`."""
    who = _who(record, learners, by)
    main = next((k for k in who if k), 0)
    if by is None:
        takes = [typical_take(record, main, run, episode, env)]
    else:
        require(
            run is None and env is None,
            f"by: expected no run beside it, got {run}; a typical run of each value of {by} is shown",
        )
        takes = takes_by(record, by, main, episode)
    return Sheet(takes, who, film_title(takes, by))


def _who(record: Record, learners: Sequence[str] | None, by: str | None) -> list[int]:
    """Places in the record of those to show."""
    known = [str(name) for name in record.data["learner"].values]
    names = list(learners or (known[1:] if by else known))
    wrong = ", ".join(name for name in names if name not in known)
    require(
        not wrong,
        f"learners: expected names among {', '.join(known)}, got {wrong}; choose some of these",
    )
    return [known.index(name) for name in names]
