"""The style of a report that opens from disk: what all reports share, then a report's own parts, as one sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from markupsafe import Markup

_SHARED: Final = Path(__file__).parent / "report.css"


def report_style(own: Path) -> Markup:
    """One style sheet, to stand inside a page: the shared sheet, then the report's own at this path.

    Raises
    ------
    FileNotFoundError
        when there is no style sheet at that path
    """
    return Markup("\n".join(sheet.read_text("utf-8") for sheet in (_SHARED, own)))  # noqa: S704 - our own files
