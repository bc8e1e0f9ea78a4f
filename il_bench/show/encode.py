"""Encode: pictures become a film (H.264, which every browser plays) or a GIF, written whole or not at all."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np

from ..core.files import whole

RAW = "-f rawvideo -vcodec rawvideo -pix_fmt rgb24"

CODED = "-an -vcodec libx264 -pix_fmt yuv420p"

QUALITY = "-crf 22 -preset superfast -x264-params mbtree=1:rc-lookahead=10 -movflags +faststart"  # mbtree: half the size


COLOURS = (
    "-vf scale=out_color_matrix=bt709 -colorspace bt709 -color_primaries bt709 -color_trc bt709"
)


PALETTE = "split[a][b];[a]select='not(mod(n,8))',palettegen=256[p];[b][p]paletteuse=dither=none:diff_mode=rectangle"


def write_mp4(path: Path, frames: Iterable[np.ndarray], fps: float, size: tuple[int, int]) -> None:
    """Write RGB frames (height, width, 3), uint8, as a film; width and height must be even.

    Raises:
        ValueError: in one sentence, when it cannot be written or the encoder failed.
    """
    width, height = size
    rate = Fraction(fps).limit_denominator()
    pictures = f"{RAW} -s {width}x{height} -r {rate} -i -"
    options = f"{pictures} {CODED} {QUALITY} {COLOURS}"
    with _whole(path) as draft, _encoder([*options.split(), str(draft)]) as pipe:
        for frame in frames:
            pipe.write(np.ascontiguousarray(frame).data)


def write_gif(path: Path, film: Path, fps: float, widths: tuple[int, ...], limit: int) -> None:
    """Write a film as a GIF, in the first of some widths (pixels) that needs at most `limit` bytes, or the last.

    Raises:
        ValueError: in one sentence, when it cannot be written or the encoder failed.
    """
    source = str(film.absolute())  # the encoder takes what stands before a colon for a protocol
    with _whole(path) as draft:
        for width in widths:
            graph = f"fps={fps},scale='min({width},iw)':-2:flags=area,{PALETTE}"
            with _encoder(["-i", source, "-vf", graph, str(draft)]):
                pass
            if draft.stat().st_size <= limit:
                break


@contextlib.contextmanager
def _encoder(arguments: list[str]) -> Iterator[IO[bytes]]:
    """The encoder at work, and what it reads from; the block ends well only when the encoder does.

    Raises:
        ValueError: with its own last words, when it cannot be started, or ended early or with an error.
    """
    # What it says goes into a file: a pipe that nobody empties would stop it.
    with tempfile.TemporaryFile() as words:
        process = _started(arguments, words)
        pipe = process.stdin
        assert pipe is not None, "asked for"
        broken = False
        try:
            with pipe:
                yield pipe
        except BrokenPipeError:  # it has died: what it left behind says why
            broken = True
        except BaseException:
            process.kill()
            raise
        finally:
            status = process.wait()
        if broken or status:
            reason = _last_words(words) or _status_text(status)
            raise ValueError(
                f"film: the encoder failed ({reason}); mend that, or name another in IMAGEIO_FFMPEG_EXE"
            )


def _started(arguments: list[str], words: IO[bytes]) -> subprocess.Popen[bytes]:
    """The encoder's process, in a session of its own: whoever interrupts us does not interrupt it."""
    import imageio_ffmpeg

    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        command = [program, "-y", "-v", "error", *arguments]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=words,
            start_new_session=True,
        )
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"film: the encoder cannot be started ({error}); name another in IMAGEIO_FFMPEG_EXE"
        ) from None


def _last_words(words: IO[bytes]) -> str:
    """The last line that the encoder said."""
    words.seek(0)
    lines = words.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _status_text(status: int) -> str:
    """How a process ended: by a signal, whose number is then negative, or by itself."""
    name = signal.strsignal(-status) if status < 0 else None
    return name or f"exit status {status}"


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file that takes the place of `path` when everything went well, and goes away otherwise.

    Raises:
        ValueError: in one sentence, when it cannot be written.
    """
    try:
        with whole(path) as draft:
            yield draft
    except OSError as error:
        raise ValueError(
            f"film: {path} cannot be written ({error.strerror}); name another place"
        ) from None
