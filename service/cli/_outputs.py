"""Tables that a command writes to a file of the reader's choice (`-o`)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from data.errors import UsageError


def check_output(path: Path | None) -> None:
    """Refuse a place where no file can be, before anything is worked out; None is no file and always right.

    Raises
    ------
    UsageError
        If the folder is not there, or the path is itself a folder.
    """
    if path is None:
        return
    if not path.parent.is_dir():
        raise UsageError(f"--output: {path} cannot be written: there is no such folder. Give another path.")
    if path.is_dir():
        raise UsageError(f"--output: {path} cannot be written: it is a folder. Give the path of a file.")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV without its index; UsageError where it cannot be written."""
    try:
        frame.to_csv(path, index=False)
    except OSError as error:
        raise UsageError(f"--output: {path} cannot be written: {error.strerror}. Give another path.") from None
