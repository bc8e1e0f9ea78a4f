"""Headings: what is measured, in the order of the table, by what it answers; of texts what only they have besides."""

from __future__ import annotations

from .quantities import HEADINGS, Assessment, Quantity
from .texts import TEXTS, tells

ALL: dict[str, dict[str, Quantity]] = HEADINGS | {"texts": TEXTS}
"""Every heading that a table may have."""


def of(a: Assessment) -> dict[str, dict[str, Quantity]]:
    """The headings under which something is asked about a learner: of texts where the Record tells chances."""
    return ALL if tells(a) else HEADINGS
