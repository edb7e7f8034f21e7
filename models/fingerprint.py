"""What data are by their content alone: which rows there are, whatever they are called and in whatever order they came.

Cases are stored under names that only their store knows (`data.privacy.case_id`), so that the same data bear other
names in every store. Here a case is known by what happened to it. Two cases to which exactly the same happened cannot
be told apart, and which of them comes first makes no difference to anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import WorkingCalendar
from data.event_log import in_order
from data.schema import EVENT_COLUMNS, EventKind

Int64s = NDArray[np.int64]
_Words = NDArray[np.uint64]

# Raised whenever the same data get another fingerprint.
FORMAT: Final = 1
# Two independent lanes of 64 bits: with a hundred million cases, the chance that two of them meet in both is 1e-23.
_LANES: Final = (0x243F6A8885A308D3, 0x13198A2E03707344)
_NULL: Final = np.iinfo(np.int64).min
_READ_OF_INSPECTIONS: Final = ("known_at", "area", "related_category", "severity")
_CONTENT: Final = tuple(name for name in EVENT_COLUMNS if name != "case_id")


def named_by_content(
    events: pd.DataFrame, observed_until: pd.Series | None = None
) -> tuple[pd.DataFrame, pd.Series | None]:
    """The same events with cases named by their content, so that no order depends on the names of a store.

    Whatever puts cases in order, or breaks ties, by `case_id` then does so alike in every store that holds the data.
    A case is named by its opening; cases with the same opening are numbered by what happened to them afterwards. So a
    name stays as more becomes known, but for cases that nothing but their later life can tell apart.

    Parameters
    ----------
    events : DataFrame of n rows with `data.schema.EVENT_COLUMNS`, in any order
        Events of one case, one second and one kind stay in the order in which they came: the later says better.
    observed_until : int64 seconds in UTC by `case_id`, how far each case was followed; None for all alike

    Returns
    -------
    The events sorted by (known_at, at, case_id), and `observed_until` by the new names, of the cases that have events.
    """
    log = in_order(events)
    case, names = pd.factorize(log["case_id"])
    followed = _followed(observed_until, names)
    words = _as_words(log, _CONTENT)
    rows = [_row_hash(words, lane) for lane in _LANES]
    labels = _labels(
        [lane[_openings(log, case)] for lane in rows],
        [_sequence_hash(lane, case, followed, seed) for lane, seed in zip(rows, _LANES, strict=True)],
    )
    log["case_id"] = labels.array.take(case)
    until = None
    if observed_until is not None:
        known = names.isin(observed_until.index)
        until = pd.Series(followed[known], index=pd.Index(labels[known], name="case_id")).sort_index()
    return log.sort_values(["known_at", "at", "case_id"], kind="stable", ignore_index=True), until


def _openings(log: pd.DataFrame, case: NDArray[np.intp]) -> NDArray[np.int64]:
    """The row of each case's first opening, or its first row where it has none, (m,); `log` is in order."""
    opened = (log["kind"] == EventKind.OPENED.value).to_numpy()
    # Case by case, openings before others, each in their order.
    order = np.lexsort((np.arange(len(log)), ~opened, case))
    return np.asarray(order[np.unique(case[order], return_index=True)[1]], dtype=np.int64)


def _labels(openings: list[_Words], lives: list[_Words]) -> pd.Series:
    """Names of m cases: the hash of the opening, and a number among the cases that have the same."""
    order = np.lexsort((lives[1], lives[0], openings[1], openings[0]))
    first, second = (lane[order] for lane in openings)
    fresh = np.append(True, (first[1:] != first[:-1]) | (second[1:] != second[:-1])) if len(order) else order > 0
    number = np.arange(len(order)) - np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))
    told = [
        f"{a:016x}{b:016x}{n:06x}" for a, b, n in zip(first.tolist(), second.tolist(), number.tolist(), strict=True)
    ]
    labels = np.empty(len(order), dtype=object)
    labels[order] = told
    return pd.Series(labels, dtype="str")


def history_fingerprint(
    events: pd.DataFrame,
    *,
    observed_until: pd.Series | None = None,
    inspections: pd.DataFrame | None = None,
    capacity: pd.DataFrame | None = None,
    adjacency: Mapping[str, Sequence[str]] | None = None,
    calendar: WorkingCalendar | None = None,
    time_zone: str = "UTC",
    known_at_opening: Collection[str] = (),
) -> str:
    """The fingerprint of all that the features and outcomes of a history are made of, as `History.build` takes it.

    `inspections` count by what features read of them: when a result was known, where, about what, how bad.
    """
    pairs = [(area, near) for area, beside in (adjacency or {}).items() for near in beside]
    settings = [("time_zone", time_zone), *(("known_at_opening", key) for key in known_at_opening)]
    worked = None if calendar is None else {"start": calendar.intervals.starts, "end": calendar.intervals.ends}
    read = None if inspections is None else inspections[[*_READ_OF_INSPECTIONS]]
    tables = {
        "adjacency": pd.DataFrame(pairs, columns=["area", "near"], dtype="str"),
        "calendar": pd.DataFrame(worked or {}),
        "capacity": capacity,
        "inspections": read,
        "settings": pd.DataFrame(settings, columns=["name", "value"], dtype="str"),
    }
    return data_fingerprint(events, observed_until=observed_until, tables=tables)


def data_fingerprint(
    events: pd.DataFrame,
    *,
    observed_until: pd.Series | None = None,
    tables: Mapping[str, pd.DataFrame | None] | None = None,
) -> str:
    """A SHA-256 of what the data say; the same for the same rows in any order, from any store.

    Parameters
    ----------
    events : DataFrame with `data.schema.EVENT_COLUMNS`, in any order
        `case_id` counts only for which events are of one case.
    observed_until : int64 seconds in UTC by `case_id`; None for all alike
    tables : name -> further rows that the training used (capacities, inspections), whose columns hold integers and
        text that mean the same in every store; leave out columns that are names of a store's own. None for no such
        rows.

    Notes
    -----
    Cases are put into an order by two 64-bit hashes of their content; what is then hashed is the content itself, whole
    and in that order, so that the strength is that of SHA-256.
    """
    log = events.reset_index(drop=True)
    case, names = pd.factorize(log["case_id"])
    followed = _followed(observed_until, names)
    digest = hashlib.sha256(f"heed data {FORMAT}\n".encode())
    _add(digest, "events", log, _CONTENT, case.astype(np.int64), followed)
    for name, frame in sorted((tables or {}).items()):
        if frame is not None and len(frame):
            columns = sorted(str(column) for column in frame.columns)
            alone = np.arange(len(frame), dtype=np.int64)
            _add(digest, name, frame.reset_index(drop=True), columns, alone, np.zeros(len(frame), dtype=np.int64))
    return digest.hexdigest()


def _add(
    digest: hashlib._Hash, name: str, frame: pd.DataFrame, columns: Sequence[str], group: Int64s, extra: Int64s
) -> None:
    """Add rows to a digest, group by group and row by row in an order that only content decides."""
    numbers, words = _as_integers(frame, columns)
    hashed = _as_words(frame, columns)
    lanes = [_set_hash(_row_hash(hashed, lane), group, extra, lane) for lane in _LANES]
    order = np.lexsort((*numbers.T[::-1], group, lanes[1][group], lanes[0][group]))
    starts = np.flatnonzero(np.append(True, group[order][1:] != group[order][:-1])) if len(group) else group
    head = {"table": name, "columns": list(columns), "rows": len(frame), "groups": len(starts), "words": words}
    digest.update(json.dumps(head, sort_keys=True, ensure_ascii=False).encode() + b"\n")
    for part in (numbers[order], starts, extra[group[order][starts]]):
        digest.update(np.ascontiguousarray(part, dtype="<i8").tobytes())


def _as_integers(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[NDArray[np.int64], dict[str, list[str]]]:
    """The rows as integers, (n, k), and the sorted words that stand behind those of a text column."""
    numbers = np.empty((len(frame), len(columns)), dtype=np.int64)
    words: dict[str, list[str]] = {}
    for place, name in enumerate(columns):
        column = frame[name]
        if pd.api.types.is_integer_dtype(column.dtype):
            numbers[:, place] = column.fillna(_NULL).to_numpy(np.int64) if column.hasnans else column.to_numpy(np.int64)
        elif pd.api.types.is_float_dtype(column.dtype):
            numbers[:, place] = (column.to_numpy(np.float64) + 0.0).view(np.int64)
        else:
            codes, known = pd.factorize(column)
            listed = [str(word) for word in known]
            words[name] = sorted(listed)
            rank = np.empty(len(listed) + 1, dtype=np.int64)
            rank[np.argsort(np.array(listed, dtype=object), kind="stable")] = np.arange(len(listed))
            rank[-1] = -1
            numbers[:, place] = rank[codes]
    return numbers, words


def _as_words(frame: pd.DataFrame, columns: Sequence[str]) -> list[_Words]:
    """The columns as 64-bit words, each (n,), that mean the same whatever else is in the frame."""
    numbers, words = _as_integers(frame, columns)
    found = []
    for place, name in enumerate(columns):
        column = numbers[:, place]
        if name in words:
            hashed = [hashlib.blake2b(word.encode(), digest_size=8).digest() for word in words[name]]
            # One more for null, which is the place -1.
            known = np.append(np.frombuffer(b"".join(hashed), dtype="<u8").astype(np.uint64), np.uint64(0))
            found.append(known[column])
        else:
            found.append(column.astype(np.uint64))
    return found


def _followed(observed_until: pd.Series | None, names: pd.Index) -> Int64s:
    """How far each case was followed, (m,); the smallest integer where that is not said."""
    if observed_until is None:
        return np.full(len(names), _NULL, dtype=np.int64)
    found = pd.Series(observed_until.reindex(names).to_numpy(), dtype="Int64")
    return found.fillna(_NULL).to_numpy(np.int64)


def _row_hash(columns: list[_Words], seed: int) -> _Words:
    """A 64-bit hash of each row, (n,)."""
    mixed = np.full(len(columns[0]), np.uint64(seed))
    for column in columns:
        mixed = _mix(mixed ^ column)
    return mixed


def _sequence_hash(rows: _Words, case: NDArray[np.intp], extra: Int64s, seed: int) -> _Words:
    """A hash of each case's rows in their order, (m,); the rows of a case stand together."""
    place = np.arange(len(case)) - np.searchsorted(case, case)
    return _set_hash(_mix(rows + place.astype(np.uint64)), case.astype(np.int64), extra, seed)


def _set_hash(rows: _Words, group: Int64s, extra: Int64s, seed: int) -> _Words:
    """A hash of each group's rows in any order, (m,): their sum, mixed with the group's own number."""
    total = np.zeros(len(extra), dtype=np.uint64)
    np.add.at(total, group, _mix(rows ^ np.uint64(seed)))
    return _mix(total + _mix(extra.astype(np.uint64)))


def _mix(value: _Words) -> _Words:
    """The mixing function of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators")."""
    with np.errstate(over="ignore"):
        value = value + np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)))
