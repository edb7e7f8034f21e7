"""Laws of a sync over random changes at a portal and random moments of syncing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data.import_cases import import_file
from data.observation import observed_until
from tests.support.exports import write_rows
from tests.support.portals import CKAN, SOCRATA, TOWN_COLUMNS, CkanPortal, SocrataPortal, row, stamp, table_mapping
from tests.support.sync_runs import DAY, NOON, World, events_of, open_keyed

HOUR = 3600
MAPPED = ("number", "opened", "closed", "kind", "village", "unit")


@st.composite
def stories(draw) -> list[tuple[str, int, dict]]:
    """What happens at a portal, hour by hour: a row comes or changes, or somebody syncs."""
    steps: list[tuple[str, int, dict]] = [("change", 1, {}), ("sync", 0, {})]
    for _ in range(draw(st.integers(2, 9))):
        kind = draw(st.sampled_from(["change", "change", "sync", "wait"]))
        values = draw(
            st.fixed_dictionaries(
                {
                    "closed": st.sampled_from([None, "before", "now"]),
                    "unit": st.sampled_from(["Works", "Parks"]),
                    "village": st.sampled_from(["North", "South", None]),
                }
            )
        )
        steps.append((kind, draw(st.integers(1, 4)), values))
    return [*steps, ("sync", 0, {})]


def local(seconds: int) -> str:
    return pd.Timestamp(seconds, unit="s", tz="UTC").tz_convert("America/New_York").strftime("%Y-%m-%dT%H:%M:%S")


def change(rows: list[dict], number: int, values: dict, now: int) -> None:
    """Row `number` comes, or changes; the portal stamps it."""
    place = next((place for place, item in enumerate(rows) if item["_id"] == number), None)
    if place is None:
        rows.append(row(number, opened=local(NOON - (10 - number) * HOUR), changed=now))
        return
    closed = {"before": local(now - HOUR), "now": local(now)}.get(values.get("closed") or "")
    stamped = {":updated_at": stamp(now), "changed": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S")}
    rows[place] = {**rows[place], **values, **stamped, "closed": closed}


@contextmanager
def two_stores() -> Iterator[tuple[Path, object, object]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open_keyed(folder / "synced.db") as synced, open_keyed(folder / "files.db") as files:
            yield folder, synced, files


def tell(portal, mapping, story) -> None:
    """Live through a story; after each sync the store must be that of whole exports taken at the same moments."""
    now = NOON
    with two_stores() as (folder, synced, files):
        for place, (kind, number, values) in enumerate(story):
            now += HOUR
            if kind == "change":
                change(portal.rows, number, values, now)
            if kind != "sync":
                continue
            World(now=now).sync(synced, mapping)
            export = write_rows(
                folder / f"{place}.csv", [{name: item[name] for name in MAPPED} for item in portal.rows]
            )
            import_file(files, export, mapping, extracted_at=now)
            pd.testing.assert_frame_equal(events_of(synced), events_of(files))
            pd.testing.assert_series_equal(observed_until(synced).sort_index(), observed_until(files).sort_index())


@given(story=stories())
@settings(max_examples=4)
def test_syncs_of_changes_tell_what_whole_exports_tell(story):
    """Events, the moments they became known, and the last look at each case: all as from full snapshots."""
    portal = SocrataPortal(columns=dict(TOWN_COLUMNS))
    with portal.serving():
        tell(portal, table_mapping(portal, SOCRATA), story)


@given(story=stories())
@settings(max_examples=3)
def test_syncs_of_whole_tables_tell_what_whole_exports_tell(story):
    """The same for a portal that is read whole each time."""
    portal = CkanPortal(columns=dict.fromkeys(TOWN_COLUMNS, "text"))
    with portal.serving():
        tell(portal, table_mapping(portal, CKAN), story)


@given(changes=st.lists(st.tuples(st.integers(2, 12), st.integers(1, 9)), max_size=6), size=st.integers(1, 4))
@settings(max_examples=5)
def test_whatever_changes_while_paging_the_last_state_of_every_row_is_there(changes, size):
    """At any request any row may change: the sync ends with what the portal held when the last page was asked for."""
    portal = SocrataPortal(
        rows=[row(n, opened=local(NOON - DAY + n), changed=NOON - 9 * DAY + n) for n in range(1, 8)],
        columns=dict(TOWN_COLUMNS),
    )
    asked = dict(changes)

    def meanwhile(number: int) -> None:
        if number in asked:
            change(portal.rows, asked[number], {"unit": f"Crew {number}"}, NOON + number)

    portal.before = meanwhile
    with portal.serving(), two_stores() as (folder, synced, files):
        mapping = table_mapping(portal, SOCRATA.replace("page_size = 3", f"page_size = {size}"))
        World(now=NOON + HOUR).sync(synced, mapping)
        # What came after the last page was asked for comes with the next sync.
        portal.before = None
        World(now=NOON + 2 * HOUR).sync(synced, mapping)
        export = write_rows(folder / "all.csv", [{name: item[name] for name in MAPPED} for item in portal.rows])
        import_file(files, export, mapping, extracted_at=NOON + 2 * HOUR)
        last = events_of(synced).query("office.notna()").drop_duplicates("case_id", keep="last")
        expected = events_of(files).query("office.notna()").drop_duplicates("case_id", keep="last")
        pd.testing.assert_series_equal(
            last.set_index("case_id")["office"].sort_index(), expected.set_index("case_id")["office"].sort_index()
        )
        assert synced.read_events()["case_id"].nunique() == len(portal.rows)
