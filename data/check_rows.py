"""Rows that contradict themselves: found all at once, and either refused or openly set aside."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import numpy as np
import pandas as pd

from data.errors import Finding, RowError
from data.event_log import NEVER
from data.findings import EFFECTS, BadRows, Effect, as_findings, found_only, looked_at
from data.mapping import Mapping
from data.moments import Mask
from data.schema import EventKind

_DAY: Final = 86_400
_SOURCE: Final = "Ask the source to mend it, or set such rows aside with `--set-aside {code}`."


class _Checker:
    """Collects what was looked for in one frame, found or not; names columns as the file does."""

    def __init__(self, frame: pd.DataFrame, mapping: Mapping) -> None:
        self.frame = frame
        self.mapping = mapping
        self.looked: list[BadRows] = []

    def add(self, code: str, field: str, mask: pd.Series | Mask, expected: str, remedy: str = _SOURCE) -> None:
        column = self.mapping.column_of.get(field, field)
        self.looked.append(
            looked_at(code, column, mask, self.frame["row"], expected=expected, remedy=remedy.format(code=code))
        )

    def column(self, field: str) -> str:
        return self.mapping.column_of.get(field, field)


def check_cases(frame: pd.DataFrame, mapping: Mapping, latest: int) -> list[BadRows]:
    """What is impossible about rows of cases, looked at together.

    Parameters
    ----------
    frame : DataFrame, as `data.rows.Rows.frame` of shape "cases"
    mapping : Mapping
    latest : int
        Seconds in UTC; nothing in a row without a snapshot of its own can be later.
    """
    looked = look_at_cases(frame, mapping, latest)
    looked[1:1] = [look_for_repeats(frame, mapping, "reference")]
    if (frame["snapshot_at"] == NEVER).all():
        looked = [bad for bad in looked if (bad.finding.code, bad.finding.column) != without_snapshot(mapping)]
    return found_only(looked)


def check_events(frame: pd.DataFrame, mapping: Mapping, latest: int) -> list[BadRows]:
    """What is impossible about rows of events, each by itself; `check_openings` looks at the cases."""
    return found_only(look_at_events(frame, mapping, latest))


def check_openings(frame: pd.DataFrame, mapping: Mapping, opened_before: pd.Series) -> list[BadRows]:
    """That every case begins with one opening.

    Parameters
    ----------
    frame : DataFrame, as `data.rows.Rows.frame` of shape "events", with `case_id`
        All rows of every case in it.
    mapping : Mapping
    opened_before : Series of int64 seconds by case_id
        When the cases in the store were opened.
    """
    return found_only(look_at_openings(frame, mapping, opened_before))


def look_at_cases(frame: pd.DataFrame, mapping: Mapping, latest: int) -> list[BadRows]:
    """As `check_cases`, of a part of the rows, and also what was not found.

    Whether a number stands twice is left to `look_for_repeats`, which needs all rows of a case. A row without a
    snapshot is only wrong where other rows have one, which a part cannot know: see `without_snapshot`.
    """
    check = _Checker(frame, mapping)
    _check_references(check)
    _missing(check, "opened_at", frame["opened_at"] == NEVER, "missing_time", "every case needs a time of opening.")
    if "snapshot_at" in mapping.column_of:
        nothing = frame["snapshot_at"] == NEVER
        _missing(check, "snapshot_at", nothing, "missing_value", "every row needs its snapshot.")
    opened = frame["opened_at"]
    dated = opened != NEVER
    for field, code in (("closed_at", "closed_before_opened"), ("withdrawn_at", "withdrawn_before_opened")):
        check.add(code, field, dated & (frame[field] < opened), f"it lies before '{check.column('opened_at')}'.")
    _check_deadlines(check, opened, dated)
    _check_status(check)
    snapshot = frame["snapshot_at"].to_numpy()
    limit = np.where(snapshot == NEVER, latest, snapshot)
    for field in ("opened_at", "closed_at", "withdrawn_at"):
        _check_latest(check, field, limit)
    return check.looked


def without_snapshot(mapping: Mapping) -> tuple[str, str]:
    """Code and column of the finding that a row has no snapshot: none at all in a file without any."""
    return "missing_value", mapping.column_of.get("snapshot_at", "snapshot_at")


def look_for_repeats(frame: pd.DataFrame, mapping: Mapping, key: str) -> BadRows:
    """Rows of a case and snapshot that an earlier row has shown; `key` is the column that tells cases apart."""
    check = _Checker(frame, mapping)
    check.add(
        "duplicate_reference",
        "reference",
        frame[key].notna() & frame.duplicated([key, "snapshot_at"], keep="first"),
        "the number of the case stands in an earlier row too, and a case has one row per snapshot.",
        "Export one row per case, or keep the first and set the others aside with `--set-aside {code}`.",
    )
    return check.looked[0]


def look_at_events(frame: pd.DataFrame, mapping: Mapping, latest: int) -> list[BadRows]:
    """As `check_events`, and also what was not found."""
    check = _Checker(frame, mapping)
    _check_references(check)
    _missing(check, "kind", frame["kind"].isna(), "missing_value", "every event needs its kind.")
    _missing(check, "at", frame["at"] == NEVER, "missing_time", "every event needs its time.")
    check.add(
        "known_before_it_happened",
        "known_at",
        (frame["at"] != NEVER) & (frame["known_at"] < frame["at"]),
        f"nothing is known before it happens, but the time lies before '{check.column('at')}'.",
    )
    opening = frame["kind"] == EventKind.OPENED.value
    _check_deadlines(check, frame["at"], frame["at"] != NEVER, only=opening)
    limit = np.full(len(frame), latest)
    for field in ("at", "known_at"):
        _check_latest(check, field, limit)
    return check.looked


def look_at_openings(frame: pd.DataFrame, mapping: Mapping, opened_before: pd.Series) -> list[BadRows]:
    """As `check_openings`, and also what was not found."""
    check = _Checker(frame, mapping)
    opening = frame["kind"] == EventKind.OPENED.value
    openings = frame[opening].drop_duplicates(["case_id", "at"])
    twice = opening & frame["case_id"].isin(openings["case_id"][openings["case_id"].duplicated()])
    first = openings.drop_duplicates("case_id").set_index("case_id")["at"]
    known = opened_before.reindex(frame["case_id"]).to_numpy(dtype="float64")
    twice |= opening & ~np.isnan(known) & (frame["at"].to_numpy() != known)
    check.add("second_opening", "kind", twice, "a case has one event 'opened', and these have several.")
    opened_at = first.reindex(frame["case_id"]).to_numpy(dtype="float64")
    opened_at = np.where(np.isnan(known), opened_at, known)
    missing = np.isnan(opened_at) & frame["case_id"].notna().to_numpy()
    check.add(
        "no_opening",
        "kind",
        missing,
        "the case has no event 'opened', here or in the store.",
        "Import the file that holds the opening first, or set such rows aside with `--set-aside {code}`.",
    )
    early = frame["at"].to_numpy() < np.nan_to_num(opened_at, nan=-1.0)
    check.add("before_opening", "at", early, "it lies before the opening of the case.")
    return check.looked


def settle(
    file: str, frame: pd.DataFrame, found: Iterable[BadRows], mapping: Mapping, allowed: Collection[str]
) -> tuple[pd.DataFrame, list[Finding]]:
    """Refuse the file, or set aside what may be set aside.

    Parameters
    ----------
    allowed : collection of str
        Codes of `data.findings.EFFECTS` that are set aside: the row is left out, or keeps all but the one
        field.

    Returns
    -------
    (DataFrame, list of Finding)
        The rows that stay, and what was set aside.

    Raises
    ------
    RowError
        With every finding that may not be set aside; nothing has been stored.
    """
    listed = found_only(found)
    refuse(file, as_findings(listed), mapping, allowed)
    frame, stays = apart(frame, listed, mapping)
    return frame[stays].reset_index(drop=True), as_findings(listed)


def refuse(file: str, findings: Iterable[Finding], mapping: Mapping, allowed: Collection[str]) -> None:
    """Raise RowError with those findings that may not be set aside, if there are any."""
    refused = [finding for finding in findings if refuses(finding, mapping, allowed)]
    if refused:
        raise RowError(file, refused)


def refuses(finding: Finding, mapping: Mapping, allowed: Collection[str]) -> bool:
    """Whether a finding may not be set aside."""
    return finding.count > 0 and (finding.code not in allowed or _effect(finding, mapping) == "none")


def apart(frame: pd.DataFrame, found: Iterable[BadRows], mapping: Mapping) -> tuple[pd.DataFrame, Mask]:
    """`frame` without the fields that are set aside, and which of its rows stay: shape (n,), bool."""
    stays = np.ones(len(frame), dtype=bool)
    frame = frame.copy(deep=False)
    for bad in found_only(found):
        effect = _effect(bad.finding, mapping)
        if effect == "row":
            stays &= ~bad.mask
        elif effect == "field":
            field = mapping.columns[bad.finding.column].field
            frame[field] = frame[field].mask(bad.mask, NEVER if mapping.fields[field].type == "time" else None)
    return frame, stays


def _effect(finding: Finding, mapping: Mapping) -> Effect:
    # An event without a kind is no event, and an inspection without a result none: losing the value is losing the row.
    needed = (mapping.column_of.get("kind"), mapping.column_of.get("severity"))
    if finding.code == "unknown_value" and finding.column in needed:
        return "row"
    return EFFECTS[finding.code]


def _check_references(check: _Checker) -> None:
    missing = check.frame["reference"].isna()
    _missing(check, "reference", missing, "missing_reference", "every row needs the number of its case.")


def _missing(check: _Checker, field: str, mask: pd.Series, code: str, expected: str) -> None:
    check.add(code, field, mask & ~_marked(check, field), expected)


def _marked(check: _Checker, field: str) -> Mask:
    """Rows whose value could not be read are reported as that, and not as missing too."""
    unreadable = check.frame.get(f"{field}_unread")
    return np.zeros(len(check.frame), dtype=bool) if unreadable is None else unreadable.to_numpy(dtype=bool)


def _check_deadlines(check: _Checker, opened: pd.Series, dated: pd.Series, only: pd.Series | None = None) -> None:
    due = check.frame["due_at"]
    promised = dated & (due != NEVER)
    before = promised & (due < opened)
    column = check.column("opened_at" if "opened_at" in check.frame else "at")
    check.add(
        "due_before_opened",
        "due_at",
        before if only is None else before & only,
        f"it lies before '{column}'.",
    )
    days = check.mapping.rules.latest_due_days
    check.add(
        "due_too_far",
        "due_at",
        promised & (due - opened > days * _DAY),
        f"it lies more than {days:,} days after '{column}', which no office promises.",
        "Ask the source to mend it, import these rows without a deadline with `--set-aside {code}`, or raise "
        "latest_due_days in [rules] of the mapping.",
    )


def _check_status(check: _Checker) -> None:
    frame = check.frame
    ended = (frame["closed_at"] != NEVER) | (frame["withdrawn_at"] != NEVER)
    contradicts = ((frame["status"] == "closed") & ~ended) | (
        (frame["status"] == "open") & (frame["closed_at"] != NEVER)
    )
    check.add(
        "status_contradicts",
        "status",
        contradicts.fillna(False),
        f"it contradicts '{check.column('closed_at')}'.",
        "Ask the source which is right, or go by the dates with `--set-aside {code}`.",
    )


def _check_latest(check: _Checker, field: str, limit: np.ndarray) -> None:
    times = check.frame[field].to_numpy()
    check.add(
        "after_extraction",
        field,
        (times != NEVER) & (times > limit),
        "it lies after the moment at which the export was made.",
        "Check time_zone in [source] of the mapping and the moment of the export, or set such rows aside "
        "with "
        "`--set-aside {code}`.",
    )
