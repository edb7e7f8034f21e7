"""Service standards kept in a store, one file per source, and the promises they give to cases that came without one.

A promise is made once, when a case comes in, and written into the log as what was known then. It is not worked out
anew whenever somebody reads the log: a change of the standards would rewrite every promise of the past.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from sqlalchemy import Connection, delete, insert, select

from data import tables
from data.clock import Moments
from data.errors import UsageError
from data.event_log import NEVER, in_order
from data.schema import EVENT_COLUMNS, EventKind
from data.service_clock import ServiceClock
from data.service_clock_due import Pauses
from data.service_clock_file import HANDS_OVER
from data.service_clock_runs import KINDS, PAUSE_ENDS, CaseLog, Codes, Runs, find_runs, read_log
from data.store import Store
from data.store_tables import frame_of

_KEY: Final = ["case_id", "kind", "at", "known_at"]


def set_clock(store: Store, source: str, content: bytes, *, file: str = "standards") -> ServiceClock:
    """Keep service standards for a source, in place of those it had; promises that were made already stay.

    Parameters
    ----------
    store : Store
    source : name of a source that something was imported from
    content : the TOML file
    file : its name in messages

    Raises
    ------
    InputError, UsageError
        If the file is not one of service standards (see `ServiceClock.parse`), or the store has no such source.
    """
    clock = ServiceClock.parse(content, file)
    table = tables.service_clock
    with store.writing() as connection:
        known = sorted(connection.execute(select(tables.source.c.source)).scalars())
        if source not in known:
            raise UsageError(
                f"The store has no source '{source}'. It has: {', '.join(known) or 'none yet; import something first'}."
            )
        connection.execute(delete(table).where(table.c.source == source))
        connection.execute(insert(table).values(source=source, standards=clock.text, sha256=clock.sha256))
    return clock


def read_clock(store: Store, source: str) -> ServiceClock | None:
    """The service standards kept for a source; None if there are none."""
    table = tables.service_clock
    with store.reading() as connection:
        text = connection.execute(select(table.c.standards).where(table.c.source == source)).scalar()
    return None if text is None else ServiceClock.parse(text, f"standards of {source}")


def kept_clock(connection: Connection, source: str, given: ServiceClock | None) -> ServiceClock | None:
    """The service standards by which an import makes promises: those `given`, which are kept for the source in the
    transaction of `connection`, or else those kept already; None if there are none.
    """
    table = tables.service_clock
    if given is not None:
        connection.execute(delete(table).where(table.c.source == source))
        connection.execute(insert(table).values(source=source, standards=given.text, sha256=given.sha256))
        return given
    text = connection.execute(select(table.c.standards).where(table.c.source == source)).scalar()
    return None if text is None else ServiceClock.parse(text, f"standards of {source}")


def stored_clocks(store: Store) -> pd.DataFrame:
    """The sources that have service standards: source, standards (TOML), sha256; sorted by source."""
    with store.reading() as connection:
        return frame_of(connection, select(tables.service_clock)).sort_values("source", ignore_index=True)


def fill_promises(
    events: pd.DataFrame,
    clock: ServiceClock,
    offices: pd.DataFrame | None = None,
    *,
    stored: pd.DataFrame | None = None,
    source_has_deadlines: bool = False,
) -> pd.DataFrame:
    """Give cases whose source names no deadline their promise, to be stored with the events.

    The event that starts the clock `resolve` gets `due_at`. Where a pause or a hand-over moves the deadline, an event
    `amended` says so, as of the moment at which the end of the pause, or the hand-over, became known. A case with a
    deadline of its source's own is left as it is.

    Parameters
    ----------
    events : DataFrame with `data.schema.EVENT_COLUMNS`, and perhaps more columns (kept, copied to added events)
        New events; those of a case should come together.
    clock : ServiceClock
    offices : DataFrame with `office` and `tier`; None: no tier is known
    stored : DataFrame with `data.schema.EVENT_COLUMNS`
        What the store holds of these cases. A promise that is stored holds, whatever the standards say now, so that
        the same file imported twice gives the same events.
    source_has_deadlines : bool
        The source has a column of deadlines: one that is stored is taken for its own, and stays as it is.

    Returns
    -------
    DataFrame with the columns of `events`: its rows in their order, then the added ones
    """
    if "resolve" not in clock.clocks or events.empty:
        return events
    before = _rows_of(stored, events) if stored is not None else events.iloc[:0][[*EVENT_COLUMNS]]
    own = set(events.loc[events["due_at"].notna(), "case_id"])
    if source_has_deadlines:
        own |= set(before.loc[before["due_at"].notna(), "case_id"])
    mine = events[~events["case_id"].isin(own)]
    if mine.empty:
        return events
    before = before[~before["case_id"].isin(own)]
    promises = _promises(mine, before, clock, offices)
    return _with_promises(events, promises)


def _rows_of(stored: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    return stored.loc[stored["case_id"].isin(set(events["case_id"])), [*EVENT_COLUMNS]]


def _promises(
    mine: pd.DataFrame, before: pd.DataFrame, clock: ServiceClock, offices: pd.DataFrame | None
) -> pd.DataFrame:
    """Every deadline that new events bring: case_id, kind (of the event that says it), at, known_at, due_at."""
    rules = clock.rules("resolve")
    known = _told_once(mine, before)
    turns = {*rules.starts, *(HANDS_OVER if rules.hand_over != "goes_on" else ())}
    sets = known["kind"].isin([kind.value for kind in turns])
    if rules.while_paused == "stands":
        paused = known.loc[known["kind"] == EventKind.PAUSED.value, "case_id"]
        sets |= known["kind"].isin([kind.value for kind in PAUSE_ENDS]) & known["case_id"].isin(set(paused))
    # As it was known after each event that can set or move the deadline: a case of its own, with the events until then.
    new = known[known["is_new"] & sets]
    looks = new.sort_values(["known_at", "at"], kind="stable").drop_duplicates(["case_id", "known_at"], keep="last")
    looks = looks[["case_id", "at", "known_at"]].reset_index(drop=True)
    log = read_log(_as_known(looks, known), offices, NEVER)
    runs = find_runs(log, rules)
    begun = _begun(log, runs, looks)
    base = _stored_bases(begun, before)
    whole, _ = clock.deadlines(log, runs, "resolve", base)
    unmoved, _ = clock.deadlines(log, _unpaused(runs), "resolve", base)
    starts_now = pd.MultiIndex.from_frame(begun).isin(pd.MultiIndex.from_frame(new[["case_id", "kind", "at"]]))
    # A case that was stored without a promise is not given one by a later pause.
    promised = starts_now | (base < NEVER)
    found = begun.rename(columns={"kind": "started_by", "at": "started_at"}).assign(
        at=looks["at"].to_numpy()[_look(log, runs)],
        known_at=looks["known_at"].to_numpy()[_look(log, runs)],
        due=np.where(promised & ~runs.paused_now, whole, NEVER),
        first_due=unmoved,
    )
    newest = np.append(runs.case[1:] != runs.case[:-1], True)[: len(runs)]
    return _said(found[newest], new, before)


def _as_known(looks: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The events that each look knows of; `case_id` is the place of the look."""
    codes, distinct = pd.factorize(known["case_id"])
    # Small columns only: with many pauses an event is known to many looks.
    events = known[["kind", "at", "known_at"]].assign(
        case=codes, **{name: known[name].astype("category") for name in ("category", "channel", "office")}
    )
    places = pd.Index(distinct).get_indexer(pd.Index(looks["case_id"]))
    asked = pd.DataFrame({"case": places, "case_id": np.arange(len(looks)), "until": looks["known_at"].to_numpy()})
    events["kind"] = events["kind"].astype("category")
    both = asked.merge(events, on="case")
    return both[both["known_at"] <= both["until"]].drop(columns=["case", "until"])


def _told_once(mine: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Stored and new events together, each once; `is_new` marks those that are not stored yet."""
    new = mine[[*EVENT_COLUMNS]].assign(is_new=True)
    both = pd.concat([before.assign(is_new=False), new], ignore_index=True) if len(before) else new
    return in_order(both.drop_duplicates(_KEY, keep="first"))


def _unpaused(runs: Runs) -> Runs:
    fields = {name: getattr(runs, name) for name in runs.__dataclass_fields__}
    return Runs(**{**fields, "pauses": Pauses.none()})


def _look(log: CaseLog, runs: Runs) -> Codes:
    """The place of the look that each run belongs to."""
    return np.asarray(log.case_ids[runs.case], dtype=np.int64)


def _begun(log: CaseLog, runs: Runs, looks: pd.DataFrame) -> pd.DataFrame:
    """The event that began each run: case_id, kind, at."""
    kinds = np.array([kind.value for kind in KINDS], dtype=object)[runs.start_kind]
    cases = looks["case_id"].to_numpy()[_look(log, runs)]
    return pd.DataFrame({"case_id": cases, "kind": kinds, "at": runs.started_at})


def _stored_bases(begun: pd.DataFrame, before: pd.DataFrame) -> Moments:
    """The deadline that is stored with the event that began each run, NEVER where none is."""
    said = before[before["due_at"].notna()].sort_values("known_at", kind="stable")
    first = said.drop_duplicates(["case_id", "kind", "at"]).set_index(["case_id", "kind", "at"])["due_at"]
    if first.empty:
        return np.full(len(begun), NEVER, dtype=np.int64)
    due = first.reindex(pd.MultiIndex.from_frame(begun.assign(kind=begun["kind"].map(_carrier))))
    return np.asarray(due.fillna(NEVER).astype("int64").to_numpy(), dtype=np.int64)


def _carrier(kind: str) -> str:
    """The kind of event that says the deadline of a run begun by `kind`: a hand-over says nothing of it itself."""
    return EventKind.AMENDED.value if kind in {one.value for one in HANDS_OVER} else kind


def _said(found: pd.DataFrame, new: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Who says each deadline: the event that started the run, or an `amended` beside the one that moved it."""
    starts = new[_KEY].rename(columns={"at": "started_at"})
    first = found.assign(kind=found["started_by"]).drop(columns=["at", "known_at"])
    first = first.merge(starts, on=["case_id", "kind", "started_at"])
    first = first.assign(kind=first["kind"].map(_carrier), at=first["started_at"], due_at=first["first_due"])
    moved = found.assign(kind=EventKind.AMENDED.value, due_at=found["due"])
    # The looks are in the order of what was known: the first to tell of a start tells it as it was known then, also if
    # that is that nothing was promised.
    told = pd.concat([part[[*_KEY, "due_at"]] for part in (first, moved)], ignore_index=True).drop_duplicates(_KEY)
    told = told[told["due_at"] < NEVER]
    held = before.loc[before["due_at"].notna(), [*_KEY, "due_at"]]
    parts = [part for part in (held.assign(is_held=True), told.assign(is_held=False)) if len(part)]
    both = pd.concat(parts or [told.assign(is_held=False)], ignore_index=True).drop_duplicates(_KEY)
    both["due_at"] = both["due_at"].astype("Int64")
    # Not what repeats the last word, where the pause or the hand-over moved nothing.
    both["again"] = both["kind"] == EventKind.AMENDED.value
    both = both.sort_values(["case_id", "known_at", "again", "at"], kind="stable", ignore_index=True)
    repeats = both["again"] & (both["due_at"] == both.groupby("case_id")["due_at"].shift()).fillna(value=False)
    return both[~(both["again"] & both["is_held"]) & ~repeats]


def _with_promises(events: pd.DataFrame, promises: pd.DataFrame) -> pd.DataFrame:
    """The events with the deadlines in them, and the added events behind."""
    amends = promises["kind"] == EventKind.AMENDED.value
    said = promises[~amends].set_index(_KEY)["due_at"]
    promised = said.reindex(pd.MultiIndex.from_frame(events[_KEY])).set_axis(events.index)
    filled = events.assign(due_at=events["due_at"].astype("Int64").fillna(promised))
    added = promises[amends]
    if added.empty:
        return filled
    beside = filled.drop_duplicates(["case_id", "known_at"], keep="last").set_index(["case_id", "known_at"])
    rows = beside.reindex(pd.MultiIndex.from_frame(added[["case_id", "known_at"]])).reset_index()
    due = added["due_at"].set_axis(rows.index)
    rows = rows.assign(kind=EventKind.AMENDED.value, at=added["at"].to_numpy(), due_at=due)
    for name in EVENT_COLUMNS:
        if name not in (*_KEY, "due_at"):
            rows[name] = None
    return pd.concat([filled, rows[filled.columns].astype(filled.dtypes.to_dict())], ignore_index=True)
