"""Figures, drawn from a Record or from the results of a sweep alone."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import matplotlib
from matplotlib.figure import Figure

from ..records.record import Record
from . import grid_plot, record_plot

if TYPE_CHECKING:
    import xarray

