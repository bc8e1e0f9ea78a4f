"""Encode: pictures become a film (H.264, which every browser plays) or a GIF, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..core.files import whole

QUALITY = "-crf 22 -preset superfast -x264-params mbtree=1:rc-lookahead=10 -movflags +faststart"  # mbtree: half the size


COLOURS = (
    "-vf scale=out_color_matrix=bt709 -colorspace bt709 -color_primaries bt709 -color_trc bt709"
)


PALETTE = "split[a][b];[a]select='not(mod(n,8))',palettegen=256[p];[b][p]paletteuse=dither=none:diff_mode=rectangle"


def write_mp4(path: Path, frames: Iterable[np.ndarray], fps: float, size: tuple[int, int]) -> None:
    """Write RGB frames (height, width, 3), uint8, as a film; width and height must be even."""
    import imageio_ffmpeg

    options = {"codec": "libx264", "quality": None, "macro_block_size": 2, "fps": fps}
    with _whole(path) as draft:
        ffmpeg = imageio_ffmpeg.write_frames(
            draft, size, output_params=QUALITY.split() + COLOURS.split(), **options
        )
        with contextlib.closing(ffmpeg) as writer:
            writer.send(None)
            for frame in frames:
                writer.send(np.ascontiguousarray(frame))


def write_gif(path: Path, film: Path, fps: float, widths: tuple[int, ...], limit: int) -> None:
    """Write a film as a GIF, in the first of some widths (pixels) that needs at most `limit` bytes, or the last."""
    import imageio_ffmpeg

    with _whole(path) as draft:
        for width in widths:
            graph = f"fps={fps},scale='min({width},iw)':-2:flags=area,{PALETTE}"
            command = [
                imageio_ffmpeg.get_ffmpeg_exe(),
                "-y",
                "-v",
                "error",
                "-i",
                str(film),
                "-vf",
                graph,
                draft,
            ]
            subprocess.run(command, check=True, capture_output=True)
            if os.path.getsize(draft) <= limit:
                break


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[str]:
    """A file that takes the place of `path` when everything went well, and goes away otherwise.

    Raises:
        ValueError: in one sentence, when it cannot be written or the encoder failed.
    """
    try:
        with whole(path) as draft:
            yield str(draft)
    except OSError as error:
        if error.strerror is None:  # the encoder's library repeats its whole command here
            raise ValueError(
                "film: the encoder ended before the film did; IMAGEIO_FFMPEG_EXE names another"
            ) from None
        raise ValueError(
            f"film: {path} cannot be written ({error.strerror}); name another place"
        ) from None
    except subprocess.CalledProcessError as error:
        words = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        reason = words[-1] if words else f"exit status {error.returncode}"
        raise ValueError(
            f"film: the encoder failed ({reason}); IMAGEIO_FFMPEG_EXE names another"
        ) from None
