"""Fetching from CKAN: whole tables by offset, and changes by SQL."""

from __future__ import annotations

from datetime import date

import pytest

from data.errors import FileFormatError, InputError, MappingError, PersonalDataError, UsageError
from data.observation import observed_until
from tests.support import portals
from tests.support.portals import CKAN, CKAN_SQL, TOWN_COLUMNS, CkanPortal, row, status, table_mapping
from tests.support.sync_runs import DAY, NOON, World, events_of, open_keyed, spooled

LONG_AGO = NOON - 10 * DAY
COLUMNS = {name: {"calendar_date": "timestamp"}.get(kind, kind) for name, kind in TOWN_COLUMNS.items()}


def stamped(seconds: int) -> str:
    """As CKAN writes the times of a table."""
    return str(row(0, changed=seconds)["changed"])


@pytest.fixture
def portal():
    rows = [row(n, changed=LONG_AGO + n * 60) for n in range(1, 8)]
    server = CkanPortal(rows=rows, columns={**COLUMNS, "changed": "timestamp"})
    with server.serving():
        yield server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "heed.db"


@pytest.fixture
def store(path):
    with open_keyed(path) as opened:
        yield opened


def whole(portal: CkanPortal, more: str = ""):
    return table_mapping(portal, CKAN, more=f'{more}[sync.leave_out]\nchanged = "Not needed."\n')


def by_sql(portal: CkanPortal, more: str = ""):
    return table_mapping(portal, CKAN_SQL, more=f'{more}[sync.leave_out]\nchanged = "Only to ask for changes."\n')


def numbers(store) -> int:
    return store.read_events()["case_id"].nunique()


@pytest.mark.parametrize("kind", [whole, by_sql])
def test_the_first_sync_brings_every_row_once(portal, store, path, kind):
    """By offset and by SQL: all rows as one import, only mapped columns asked for, nothing left on disk."""
    report = World().sync(store, kind(portal))
    assert (report.rows, report.expected) == (7, 7)
    assert numbers(store) == 7
    assert len(store.imports()) == 1
    assert spooled(path) == []
    assert not any("zip" in question for question in portal.asked)


@pytest.mark.parametrize("kind", [whole, by_sql])
def test_a_second_sync_of_the_same_adds_no_event(portal, store, kind):
    """At-least-once fetching and an import that knows what it knows make exactly once; the look is noted."""
    world = World()
    world.sync(store, kind(portal))
    before = events_of(store)
    world.now = NOON + DAY
    world.sync(store, kind(portal))
    assert events_of(store).equals(before)
    assert set(observed_until(store)) == {NOON + DAY}


def test_changes_are_asked_for_by_sql(portal, store):
    """From the watermark less the overlap, and every case counts as looked at."""
    world = World(now=LONG_AGO + DAY)
    mapping = by_sql(portal, "overlap_days = 1\n")
    world.sync(store, mapping)
    world.now = NOON
    portal.rows[2].update({"closed": "2024-03-14 10:00:00", "changed": stamped(NOON - 3600)})
    for old in portal.rows[:2]:
        old["changed"] = stamped(LONG_AGO - 9 * DAY)
    report = world.sync(store, mapping)
    assert report.plan["mode"] == "changes"
    assert report.rows == 5
    assert (store.read_events()["kind"] == "closed").sum() == 1
    assert set(observed_until(store)) == {NOON}


def test_an_offset_that_moves_under_deletions_begins_again(portal, store):
    """A row of an earlier page is deleted: the next page would skip one, and it is noticed."""

    def change(number: int) -> None:
        if number == 3:
            del portal.rows[0]

    portal.before = change
    report = World().sync(store, whole(portal))
    assert report.rows == 6
    assert numbers(store) == 6


def test_an_offset_that_moves_under_the_same_total_begins_again(portal, store):
    """One row goes and another comes: the total says nothing, the last row of the page before does."""

    def change(number: int) -> None:
        if number == 3:
            del portal.rows[0]
            portal.rows.append(row(8))

    portal.rows[3]["kind"] = "Drain"  # the row that would be skipped
    portal.before = change
    World().sync(store, whole(portal))
    assert numbers(store) == 7
    assert "Drain" in set(store.read_events()["category"].dropna())


def test_rows_that_are_added_at_the_end_begin_the_fetch_again(portal, store):
    """The total changed between two pages: one table has one total."""

    def change(number: int) -> None:
        if number == 3:
            portal.rows.append(row(8))

    portal.before = change
    World().sync(store, whole(portal))
    assert numbers(store) == 8


def test_a_table_that_is_always_being_loaded_is_told(portal, store, path):
    """After three beginnings it says so, and nothing was imported."""
    portal.before = lambda number: portal.rows.append(row(100 + number))
    with pytest.raises(InputError, match="the table changed under every one of 3 fetches"):
        World().sync(store, whole(portal))
    assert numbers(store) == 0
    assert spooled(path) == []


def test_a_deletion_does_not_disturb_pages_by_sql(portal, store):
    """Pages after a row do not move."""

    def change(number: int) -> None:
        if number == 3:
            del portal.rows[0]

    portal.before = change
    World().sync(store, by_sql(portal))
    assert numbers(store) == 7


@pytest.mark.parametrize("kind", [whole, by_sql])
def test_a_portal_that_gives_smaller_pages_loses_nothing(portal, store, kind):
    """A portal may allow fewer rows at once than were asked for."""
    portal.most = 2
    assert World().sync(store, kind(portal)).rows == 7
    assert numbers(store) == 7


def test_a_total_that_is_too_high_is_found_out(portal, store):
    """Fewer rows than the portal counts: nothing is imported."""
    portal.lie_about_total = 2
    with pytest.raises(InputError, match="rows would be missing"):
        World().sync(store, whole(portal))
    assert numbers(store) == 0


@pytest.mark.parametrize("kind", [whole, by_sql])
def test_a_fetch_that_fails_goes_on_where_it_was(portal, store, path, kind):
    """One page, then a portal that is down: the next sync fetches the rest."""
    portal.faults.extend([None, None, status(503), status(503), status(503)])
    with pytest.raises(InputError, match="HTTP 503"):
        World().sync(store, kind(portal))
    assert numbers(store) == 0
    assert spooled(path) == ["town.part"]
    report = World(now=NOON + 600).sync(store, kind(portal))
    assert report.resumed
    assert numbers(store) == 7


def test_a_whole_table_is_not_put_together_from_two_days(portal, store):
    """Read by offset, the first half of yesterday says nothing of today: it is fetched again."""
    portal.faults.extend([None, None, status(503), status(503), status(503)])
    with pytest.raises(InputError):
        World().sync(store, whole(portal))
    report = World(now=NOON + DAY).sync(store, whole(portal))
    assert not report.resumed
    assert report.rows == 7


def test_filters_are_passed_on(portal, store):
    """Only the rows that fit are fetched and counted."""
    portal.rows[0]["kind"] = portal.rows[1]["kind"] = "Drain"
    report = World().sync(store, whole(portal, 'filters = { kind = "Drain" }\n'))
    assert (report.rows, report.expected) == (2, 2)


def test_days_need_sql(portal, store):
    """`datastore_search` cannot ask for days; by SQL they are fetched again and move no watermark."""
    with pytest.raises(UsageError, match="This portal is read whole each time"):
        World().sync(store, whole(portal), since=date(2024, 3, 1))
    first = World().sync(store, by_sql(portal))
    portal.rows[0]["opened"] = "2024-03-05 08:00:00"
    again = World().sync(store, by_sql(portal), since=date(2024, 3, 5), until=date(2024, 3, 6))
    assert (again.rows, again.watermark) == (1, first.watermark)


def test_a_portal_that_gives_one_page_for_ever_is_found_out(portal, store):
    """The condition of the next page is not heeded."""
    from data.sources import ckan

    real = ckan._after
    ckan._after = lambda stamp, cursor: '"_id" > 0'
    try:
        with pytest.raises(FileFormatError, match="the portal gives the same page again and again"):
            World().sync(store, by_sql(portal))
    finally:
        ckan._after = real


def test_sql_that_is_not_allowed_is_told(portal, store):
    """Many portals switch it off."""
    portal.sql_allowed = False
    with pytest.raises(InputError, match="the portal refuses"):
        World().sync(store, by_sql(portal))


def test_a_changed_schema_is_told_by_names(portal, store):
    """A new column, and one that is gone."""
    portal.columns["complainant_name"] = "text"
    with pytest.raises(PersonalDataError, match="'complainant_name': looks like something about a person"):
        World().sync(store, whole(portal))
    del portal.columns["complainant_name"], portal.columns["unit"]
    with pytest.raises(MappingError, match="the mapping expects 'unit', which the portal does not have"):
        World().sync(store, whole(portal))


def test_an_error_inside_an_answer_is_an_error(portal, store):
    """`success` false with status 200."""

    def failed(handler, _reply) -> None:
        portals.write(handler, 200, {"Content-Type": portals.TYPES}, b'{"success": false, "error": {}}', 31)

    portal.always = failed
    with pytest.raises(FileFormatError, match="the portal says that it could not do it"):
        World().sync(store, whole(portal))


def test_a_table_that_is_not_there(portal, store):
    """A wrong dataset is told with the place to mend."""
    mapping = table_mapping(portal, CKAN.replace("res-1", "res-3"))
    with pytest.raises(InputError, match=r"there is nothing there \(HTTP 404\). Mend url and dataset in \[sync\]"):
        World().sync(store, mapping)


def test_several_tables_are_one_source(portal, store):
    """A portal with a table per year: one after the other, in one import; also where a fetch went on."""
    portal.other = [row(n) for n in range(1, 5)]
    for item in portal.other:
        item["number"] = f"D-{item['number']}"
    kind = CKAN.replace('"res-1"', '["res-1", "res-2"]')
    mapping = table_mapping(portal, kind, more='[sync.leave_out]\nchanged = "Not needed."\n')
    portal.faults.extend([None] * 6 + [status(503)] * 3)
    with pytest.raises(InputError, match="HTTP 503"):
        World().sync(store, mapping)
    report = World(now=NOON + 600).sync(store, mapping)
    assert (report.resumed, report.rows, report.expected) == (True, 11, 11)
    assert numbers(store) == 11


def test_tables_of_other_columns_are_no_one_source(portal, store):
    """They would need a mapping of their own."""
    real = portal.answer

    def answer(method, path, query, body):
        if query.get("resource_id") == "res-2":
            portal.columns, kept = {n: t for n, t in portal.columns.items() if n != "unit"}, portal.columns
            try:
                return real(method, path, query, body)
            finally:
                portal.columns = kept
        return real(method, path, query, body)

    portal.answer = answer
    mapping = table_mapping(portal, CKAN.replace('"res-1"', '["res-1", "res-2"]'))
    with pytest.raises(MappingError, match="table 2 of dataset in"):
        World().sync(store, mapping)
