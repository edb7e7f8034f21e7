"""From the states that exports show to the events that must have happened in between.

An export that keeps one row per case shows a state, and heed keeps events. The first time a case is seen,
its row gives the opening and, if it is over, the end. Every later time, the row is compared with what is
known, and each difference becomes an event that was known when the later export was made: nothing is known
before its time.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import pandas as pd

from data.event_log import NEVER, empty_events
from data.mapping import Mapping
from data.moments import Mask, Seconds
from data.schema import EVENT_COLUMNS, EventKind

_ATTRIBUTES: Final = ("category", "category_group", "area", "channel")
_TEXT: Final = (*_ATTRIBUTES, "office", "closing_reason")
# Before every export: a case that was never seen.
_NOT_YET: Final = -1

Covers = dict[int, tuple[int, int]]


def no_state() -> pd.DataFrame:
    """What is known of the cases of a new source: nothing."""
    times: dict[str, Any] = {name: pd.Series(dtype="int64") for name in ("opened_at", "due_at", "closed_at", "seen_at")}
    text = {name: pd.Series(dtype="str") for name in _TEXT}
    state = pd.DataFrame({**text, **times, "ended": pd.Series(dtype="bool")})
    state.index = pd.Index([], name="case_id", dtype="str")
    return state


def state_of(cases: pd.DataFrame, seen_at: Seconds) -> pd.DataFrame:
    """What is known of the cases in the store: `data.event_log.fold_cases`, and when each was last seen."""
    state = cases.set_index("case_id")[[*_TEXT, "opened_at", "due_at", "closed_at"]].copy()
    state["ended"] = (cases["withdrawn_known_at"] != NEVER).to_numpy()
    state["seen_at"] = seen_at
    return state


def diff_snapshots(
    rows: pd.DataFrame, state: pd.DataFrame, mapping: Mapping, covers: Covers | None = None
) -> pd.DataFrame:
    """The events that lead from `state` through every snapshot in `rows`, oldest first.

    Parameters
    ----------
    rows : DataFrame
        As `data.rows.Rows.frame` of shape "cases", with `case_id` and `seen_at`, the moment (int64 seconds
        in UTC) at which the snapshot of the row was made; one row per case and snapshot.
    state : DataFrame
        From `no_state` or `state_of`.
    covers : dict of (int, int) by int, seconds in UTC
        For each snapshot of the file, the first and the last opening in it. None: `rows` are the whole file.

    Returns
    -------
    DataFrame with `data.schema.EVENT_COLUMNS` and `recorded_at`, the snapshot that showed the event; in no order.
        Of a case that was already seen at a later moment, an older snapshot adds nothing: what followed from
        it is known, and when it was known cannot be changed.
    """
    snapshots = {int(str(seen_at)): snapshot for seen_at, snapshot in rows.groupby("seen_at")}
    if covers is None:
        covers = {
            seen_at: (int(shown["opened_at"].min()), int(shown["opened_at"].max()))
            for seen_at, shown in snapshots.items()
        }
    found = []
    for seen_at in sorted(covers):
        if seen_at not in snapshots:
            # It shows other cases; these were looked for all the same.
            state = _looked_for(state, covers[seen_at], seen_at)
            continue
        step = _Step(snapshots[seen_at].set_index("case_id"), state, mapping, seen_at)
        found += [events.assign(recorded_at=np.int64(seen_at)) for events in step.events() if len(events)]
        state = step.state_after(covers[seen_at])
    return _joined(found)


def _looked_for(state: pd.DataFrame, covers: tuple[int, int], seen: int) -> pd.DataFrame:
    """A case that a snapshot should hold and does not was looked for: as when it comes in a file of its own."""
    state = state.copy()
    should = state["opened_at"].between(*covers)
    state.loc[should, "seen_at"] = np.maximum(state.loc[should, "seen_at"], seen)
    return state


class _Step:
    """One snapshot against what was known before it."""

    def __init__(self, rows: pd.DataFrame, state: pd.DataFrame, mapping: Mapping, seen: int) -> None:
        before = state.reindex(rows.index)
        last_seen = before["seen_at"].fillna(_NOT_YET).astype("int64").to_numpy()
        kept = last_seen <= seen
        self.rows, self.before, self.last_seen = rows[kept], before[kept], last_seen[kept]
        self.state, self.mapping, self.seen = state, mapping, seen
        self.new: Mask = self.last_seen == _NOT_YET
        self.ended_before: Mask = self.before["ended"].astype("boolean").fillna(False).to_numpy(dtype=bool)
        self._read_ends()

    def _read_ends(self) -> None:
        """How each row says that its case ended (`fallen`, `closed`, or neither), when, and when known."""
        rows = self.rows
        closed, withdrawn = rows["closed_at"].to_numpy(), rows["withdrawn_at"].to_numpy()
        self.fallen: Mask = rows["falls"].notna().to_numpy() | (withdrawn != NEVER)
        self.closed: Mask = ~self.fallen & (closed != NEVER)
        at = np.where(self.fallen & (withdrawn != NEVER), withdrawn, closed)
        known = np.where(
            self.fallen & (withdrawn != NEVER), rows["withdrawn_at_known"], rows["closed_at_known"].to_numpy()
        )
        self.end_at: Seconds = np.where(at == NEVER, self.seen, at)
        # Known at the end of its day at the latest, unless the export was made before that.
        known = np.maximum(np.minimum(known, self.seen), self.end_at)
        # What had happened by the time of the last look and was not there to see became known only now.
        self.end_known: Seconds = np.where(self.end_at > self.last_seen, known, self.seen)

    def events(self) -> list[pd.DataFrame]:
        return [
            self._openings(),
            self._said_at_the_end(),
            self._amendments(),
            *self._offices(),
            self._endings(),
            *self._taken_back(),
            *self._closings(),
        ]

    def _known_at(self, field: str, when: str) -> bool:
        return self.mapping.known(field) == when

    def _openings(self) -> pd.DataFrame:
        rows = self.rows[self.new]
        fields = [name for name in (*_ATTRIBUTES, "office", "due_at") if self._known_at(name, "opened")]
        at = rows["opened_at"].to_numpy()
        known = np.maximum(np.minimum(rows["opened_at_known"].to_numpy(), self.seen), at)
        return _events(rows, EventKind.OPENED, at, known, rows[fields])

    def _said_at_the_end(self) -> pd.DataFrame:
        """Attributes of a new case that the export shows only as they ended."""
        fields = [name for name in (*_ATTRIBUTES, "due_at") if self._known_at(name, "end")]
        said = _said(self.rows[fields]).any(axis=1).to_numpy(dtype=bool) & self.new
        return self._at_the_end(said, EventKind.AMENDED, fields)

    def _amendments(self) -> pd.DataFrame:
        """Attributes that an export shows otherwise than the last did; a value that is gone says nothing."""
        fields = [name for name in (*_ATTRIBUTES, "due_at") if self.mapping.known(name) is not None]
        now, was = self.rows[fields], self.before[fields]
        changed = _said(now) & (now != was).fillna(True) & ~self.new[:, None]
        any_changed = changed.any(axis=1).to_numpy(dtype=bool)
        values = now.where(changed)
        if "due_at" in fields:
            values["due_at"] = now["due_at"].astype("Int64").where(changed["due_at"])
        return self._now(any_changed, EventKind.AMENDED, values)

    def _offices(self) -> list[pd.DataFrame]:
        now, was = self.rows["office"], self.before["office"]
        said = now.notna().to_numpy()
        office = self.rows[["office"]]
        first = self._at_the_end(said & self.new & self._known_at("office", "end"), EventKind.ASSIGNED, ["office"])
        fresh = said & ~self.new & was.isna().to_numpy()
        other = said & ~self.new & was.notna().to_numpy() & (now != was).fillna(True).to_numpy(dtype=bool)
        return [
            first,
            self._now(fresh, EventKind.ASSIGNED, office),
            self._now(other, EventKind.TRANSFERRED, office),
        ]

    def _endings(self) -> pd.DataFrame:
        """Cases that are withdrawn or duplicates, and were not known to be."""
        mask = self.fallen & ~self.ended_before
        kinds = self.rows["falls"].fillna(EventKind.WITHDRAWN.value)[mask].to_numpy()
        return self._at_the_end(mask, kinds, ["closing_reason"])

    def _taken_back(self) -> list[pd.DataFrame]:
        """Cases that had fallen away, and that this look shows as live again: reopened, and perhaps closed since."""
        back = self.ended_before & ~self.fallen
        rows, closed = self.rows, back & self.closed
        opened, ended = rows["opened_at"].to_numpy(), rows["closed_at"].to_numpy()
        # Before the closing that the same look shows, so that the case ends closed.
        at = np.maximum(opened, np.minimum(self.last_seen, ended - 1))
        return [
            _events(rows[back], EventKind.REOPENED, at[back], self._seen(back)),
            _events(
                rows[closed], EventKind.CLOSED, ended[closed], self._seen(closed), rows[["closing_reason"]][closed]
            ),
        ]

    def _closings(self) -> list[pd.DataFrame]:
        """Cases that are closed, closed otherwise, or no longer closed."""
        rows, live = self.rows, ~self.ended_before
        was = self.before["closed_at"].fillna(NEVER).astype("int64").to_numpy()
        was_closed = (was != NEVER) & live
        first = self.closed & live & (was == NEVER)
        at = rows["closed_at"].to_numpy()
        again = self.closed & was_closed & (at > was) & (at > self.last_seen)
        reason = rows["closing_reason"]
        other_reason = reason.notna().to_numpy() & (reason != self.before["closing_reason"]).to_numpy(dtype=bool)
        corrected = self.closed & was_closed & ~again & ((at != was) | other_reason)
        gone = was_closed & ~self.closed & ~self.fallen
        reasons = rows[["closing_reason"]]
        # Closed anew after the last look: in between it was open, since that look at the latest.
        reopened_at = np.maximum(self.last_seen, was)
        return [
            self._at_the_end(first, EventKind.CLOSED, ["closing_reason"]),
            _events(rows[again], EventKind.REOPENED, reopened_at[again], self._seen(again)),
            _events(rows[again], EventKind.CLOSED, at[again], self._seen(again), reasons[again]),
            _events(rows[corrected], EventKind.CLOSED, at[corrected], self._seen(corrected), reasons[corrected]),
            _events(rows[gone], EventKind.REOPENED, self._seen(gone), self._seen(gone)),
        ]

    def _at_the_end(self, mask: Mask, kind: str | np.ndarray, fields: list[str]) -> pd.DataFrame:
        return _events(self.rows[mask], kind, self.end_at[mask], self.end_known[mask], self.rows.loc[mask, fields])

    def _now(self, mask: Mask, kind: str, values: pd.DataFrame) -> pd.DataFrame:
        return _events(self.rows[mask], kind, self._seen(mask), self._seen(mask), values[mask])

    def _seen(self, mask: Mask) -> Seconds:
        return np.full(int(mask.sum()), self.seen, dtype=np.int64)

    def state_after(self, covers: tuple[int, int]) -> pd.DataFrame:
        rows = self.rows
        now = pd.DataFrame({name: rows[name].fillna(self.before[name]) for name in _TEXT})
        old_due = self.before["due_at"].fillna(NEVER).astype("int64")
        now["due_at"] = rows["due_at"].where(rows["due_at"] != NEVER, old_due)
        now["closed_at"] = np.where(self.closed, rows["closed_at"].to_numpy(), NEVER)
        now["ended"] = self.fallen
        now["opened_at"], now["seen_at"] = rows["opened_at"], np.int64(self.seen)
        rest = self.state[now.index.get_indexer(self.state.index) < 0]
        if rest.empty:
            return now
        return pd.concat([_looked_for(rest, covers, self.seen), now[rest.columns]])


def _said(values: pd.DataFrame) -> pd.DataFrame:
    said = values.notna()
    if "due_at" in values:
        said["due_at"] = values["due_at"] != NEVER
    return said


def _events(
    rows: pd.DataFrame,
    kind: str | np.ndarray,
    at: Seconds,
    known_at: Seconds,
    fields: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One event of `kind` per row, saying what `fields` holds and nothing else."""
    if rows.empty:
        return _no_events()
    events = pd.DataFrame({"case_id": pd.Series(rows.index.to_numpy(), dtype="str")})
    events["kind"] = kind if isinstance(kind, np.ndarray) else str(kind)
    events["at"], events["known_at"] = at, known_at
    due = pd.Series(pd.NA, index=events.index, dtype="Int64")
    if fields is not None and "due_at" in fields:
        due = fields["due_at"].reset_index(drop=True).astype("Int64")
        due = due.mask(due == NEVER)
    events["due_at"] = due
    for name in _TEXT:
        given = fields is not None and name in fields
        value = fields[name].reset_index(drop=True) if given and fields is not None else None
        events[name] = pd.Series(value, index=events.index, dtype="str")
    return events[[*EVENT_COLUMNS]]


@cache
def _no_events() -> pd.DataFrame:
    """Most steps find nothing, and an empty frame costs as much to make as a full one. Never handed out."""
    return empty_events()


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    if not filled:
        return empty_events().assign(recorded_at=pd.Series(dtype="int64"))
    joined = pd.concat(filled, ignore_index=True)
    joined["kind"] = joined["kind"].astype("str")
    return joined
