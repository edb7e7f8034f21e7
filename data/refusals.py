"""A refusal as a report to hand on: what was refused, where, of what kind, how often, and what to do. Never content."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from data.errors import (
    Finding,
    HeedError,
    InputError,
    LeakError,
    PersonalDataError,
    RowError,
    UsageError,
)
from data.findings import EFFECTS

FORMATS: Final = (".json", ".html", ".txt")
# A file that does not fit its mapping, rows that contradict themselves, a column known too late, personal data.
_REPORTED: Final = (PersonalDataError, LeakError, InputError)
_COLUMN_CODES: Final = ("unknown_column", "personal_column", "personal_value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refusal. `error` is the class of the error, `title` and `detail` are what the terminal shows.

    `at` is when it was refused, seconds in UTC. `findings` name columns, kinds, counts and first rows; for an error in
    the mapping there are none. `again` is a command that leaves out openly what was refused; None where nothing but
    mending the file or the mapping helps, and then `same` is the one to run after that.
    """

    error: str
    title: str
    file: str
    mapping: str
    at: int
    detail: str
    findings: tuple[Finding, ...]
    todo: tuple[str, ...]
    again: str | None
    same: str

    def to_dict(self) -> dict[str, Any]:
        """The refusal as plain values."""
        return {**asdict(self), "at": _shown(self.at)}

    def to_text(self) -> str:
        """The refusal as plain text."""
        lines = [self.title, f"{self.file}, with the mapping {self.mapping}, {_shown(self.at)}", ""]
        lines += [f"- {_told(finding)}" for finding in self.findings] or [self.detail]
        lines += ["", "What to do:", *(f"- {line}" for line in self.todo)]
        if self.again is not None:
            lines += ["", "To leave out openly what was refused:", f"  {self.again}"]
        return "\n".join([*lines, "", "To run it again when it is mended:", f"  {self.same}", ""])

    def to_html(self) -> str:
        """The refusal as a page of its own."""
        rows = "".join(
            f"<tr><td>{html.escape(one.column)}</td><td>{html.escape(one.expected)}</td>"
            f"<td>{one.count or '–'}</td><td>{', '.join(map(str, one.rows)) or '–'}</td></tr>"
            for one in self.findings
        )
        head = (
            "<tr><th scope=col>column</th><th scope=col>what</th><th scope=col>rows</th><th scope=col>first</th></tr>"
        )
        table = f"<table>{head}{rows}</table>" if rows else f"<pre>{html.escape(self.detail)}</pre>"
        todo = "".join(f"<li>{html.escape(line)}</li>" for line in self.todo)
        commands = [self.same] if self.again is None else [self.again, self.same]
        shown = "".join(f"<pre>{html.escape(command)}</pre>" for command in commands)
        return (
            "<!doctype html><html lang=en><meta charset=utf-8>"
            f"<title>{html.escape(self.title)}</title>"
            "<style>body{font-family:sans-serif;max-width:60em;margin:2em auto}"
            "td,th{text-align:left;padding:.3em .8em;border-bottom:1px solid #ccc}pre{white-space:pre-wrap}</style>"
            f"<h1>{html.escape(self.title)}</h1><p>{html.escape(self.file)}, mapping {html.escape(self.mapping)}, "
            f"{_shown(self.at)}</p>{table}<h2>What to do</h2><ul>{todo}</ul><h2>Run it again</h2>{shown}</html>\n"
        )

    def write(self, path: Path) -> None:
        """Write the report; the name says in which format."""
        text = {".json": lambda: json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n",
                ".html": self.to_html, ".txt": self.to_text}[format_of(path)]()  # fmt: skip
        path.write_text(text, encoding="utf-8")


def format_of(path: Path) -> str:
    """The format that the name of a report asks for.

    Raises
    ------
    UsageError
        If it is none of `FORMATS`, or the folder is not there.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"--report: expected a name that ends in {', '.join(FORMATS)}, got '{path.name}'.")
    if not path.parent.is_dir():
        raise UsageError(f"--report: there is no folder {path.parent}. Make it first.")
    return suffix


def refusal_of(error: HeedError, *, file: str, mapping: str, command: Sequence[str], at: int) -> Refusal:
    """The report of an error that refused `file`; `command` are the words that were given on the command line."""
    findings: tuple[Finding, ...] = ()
    if isinstance(error, PersonalDataError | RowError):
        findings = error.findings
    return Refusal(
        error=type(error).__name__,
        title=error.title,
        file=file,
        mapping=mapping,
        at=at,
        detail=str(error),
        findings=findings,
        todo=tuple(dict.fromkeys(finding.remedy for finding in findings)) or _todo(error),
        again=_again(command, findings),
        same=shlex.join(command_of(command)),
    )


def _todo(error: HeedError) -> tuple[str, ...]:
    if isinstance(error, LeakError):
        return ("Say at = 'end' for the column in the mapping, or map one that was frozen at intake.",)
    return ("Mend what the message names, in the mapping or in the file.",)


def _again(command: Sequence[str], findings: Sequence[Finding]) -> str | None:
    """The same command with everything that was refused left out openly; None where that is not allowed."""
    words: list[str] = []
    for finding in findings:
        if finding.code in _COLUMN_CODES:
            words += ["--drop", finding.column]
        elif EFFECTS.get(finding.code, "none") != "none":
            words += ["--set-aside", finding.code]
        else:
            return None
    pairs = dict.fromkeys(zip(words[::2], words[1::2], strict=True))
    return shlex.join([*command_of(command), *(word for pair in pairs for word in pair)]) if pairs else None


def command_of(words: Sequence[str]) -> list[str]:
    """The words of a command line as they may stand in a report: without a password in the address of a store."""
    return [re.sub(r"://[^/@]*@", "://…@", word) for word in words]


def _told(finding: Finding) -> str:
    if finding.count:
        return str(finding)
    return f"column '{finding.column}': {finding.expected} {finding.remedy}"


def _shown(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


@contextmanager
def reported(path: Path | None, *, file: str, mapping: str, command: Sequence[str], at: int) -> Iterator[None]:
    """Write a report to `path` if what stands in the block is refused; the error goes on its way all the same.

    An old report at `path` is removed first: after an import that went well, there is none.

    Raises
    ------
    UsageError
        If `path` has no format, before anything is done.
    """
    if path is None:
        yield
        return
    format_of(path)
    path.unlink(missing_ok=True)
    try:
        yield
    except _REPORTED as error:
        refusal_of(error, file=file, mapping=mapping, command=command, at=at).write(path)
        raise
