"""Figures, drawn from a Record alone, or from the results of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, overload

from ..core.files import whole
from ..records.record import Record

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure


@overload
def plot(
    source: Record | xarray.Dataset, path: None = None, by: tuple[str, ...] = ()
) -> Figure: ...
@overload
def plot(source: Record | xarray.Dataset, path: str | Path, by: tuple[str, ...] = ()) -> Path: ...
def plot(
    source: Record | xarray.Dataset, path: str | Path | None = None, by: tuple[str, ...] = ()
) -> Figure | Path:
    """Draw a comparison, or the results of a sweep.

    A Record becomes its divergence over time: medians over rollouts with 10-90 % bands, one panel for each setting.
    Dashed: the small-gain recursion y' = growth * y + epsilon with the fitted growth and the deviation of the first
    step as epsilon, up to the ceiling. Where a band leaves its dashed line, a constant growth does not explain it.

    What `il.open` gives becomes its last divergence over its settings: curves over one setting, or a map over two.

    Args:
        source: a Record, or the dataset of a sweep.
        path: where the picture goes; its ending chooses the format. Without one the figure is given back, which a
            notebook shows.
        by: of a sweep, the one or two settings along the axes; those with the most values unless given.

    Returns:
        The path, or the figure where none was given.

    Raises:
        ValueError: for a path whose ending no format has, or that cannot be written; for results that no one picture
            can hold.
    """
    if isinstance(source, Record):
        from .record_figure import drawn

        figure = drawn(source)
    else:
        from .sweep_figure import drawn as drawn_sweep

        figure = drawn_sweep(source, by)
    return figure if path is None else write(figure, Path(path))


def write(figure: Figure, path: Path) -> Path:
    """Write a figure, whole or not at all.

    Raises:
        ValueError: for a path whose ending no format has, or that cannot be written.
    """
    kinds = figure.canvas.get_supported_filetypes()
    kind = path.suffix.lstrip(".").lower() or "png"
    if kind not in kinds:
        raise ValueError(f"path: expected an ending among {', '.join(kinds)}, got {path.name!r}")
    try:
        with whole(path) as draft:
            figure.savefig(draft, format=kind)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"path: {path} cannot be written ({reason}); name another") from None
    return path
