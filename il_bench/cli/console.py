"""Console: where commands say what they have to say; nobody's name moves its cursor, colours it or hides a line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..core.printable import harmless

if TYPE_CHECKING:
    from rich.console import Console


def say(text: object = "") -> None:
    """Print a text on the standard output."""
    print(harmless(str(text)), flush=True)


def complain(text: object) -> None:
    """Print a text on the standard error, after the name of whoever says it."""
    print(harmless(f"il_bench: {text}"), file=sys.stderr, flush=True)


def console() -> Console:
    """Rich's console on the standard output, whose texts are harmless; its own colours and movements are kept."""
    from rich.console import Console
    from rich.segment import Segment

    class Harmless(Console):
        """A console that spells out what would act in a text."""

        def render(self, renderable: Any, options: Any = None) -> Any:
            """The segments of whatever is printed."""
            for segment in super().render(renderable, options):
                text, style, control = segment
                yield segment if control else Segment(harmless(text), style)

    return Harmless()
