"""Fetching from Socrata: every change once, whatever moves, breaks or is killed; and what a fetch is a look at."""

from __future__ import annotations

import json

import pytest

from data.errors import FileFormatError, InputError, MappingError, PersonalDataError, RowError
from data.event_log import NEVER, fold_cases
from data.import_cases import import_file
from data.observation import observed_until
from data.sources.state import read_state
from data.store import Store
from tests.support import portals
from tests.support.exports import fresh_schema
from tests.support.portals import TOWN_COLUMNS, SocrataPortal, row, stamp, status, table_mapping
from tests.support.sync_runs import DAY, HASTY, NOON, QUICK, World, events_of, open_keyed, spooled

# Most is the same for both versions of the protocol; what is not is asked of both.
both = pytest.mark.parametrize("api", [2, 3], indirect=True)
LONG_AGO = NOON - 10 * DAY


@pytest.fixture
def api(request) -> int:
    return getattr(request, "param", 2)


@pytest.fixture
def portal():
    server = SocrataPortal(rows=[row(n, changed=LONG_AGO + n) for n in range(1, 8)], columns=dict(TOWN_COLUMNS))
    with server.serving():
        yield server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "heed.db"


@pytest.fixture
def store(path):
    with open_keyed(path) as opened:
        yield opened


def town(portal: SocrataPortal, api: int, more: str = ""):
    return table_mapping(portal, more=f"api = {api}\n{more}")


def numbers(store) -> int:
    return store.read_events()["case_id"].nunique()


@both
def test_the_first_sync_brings_every_row_once(portal, store, path, api):
    """Pages of three over seven rows: all of them, as one import, and nothing left on disk."""
    report = World().sync(store, town(portal, api))
    assert (report.rows, report.pages, report.expected) == (7, 4, 7)
    assert report.imported is not None
    assert report.imported.cases == 7
    assert numbers(store) == 7
    assert len(store.imports()) == 1
    assert report.watermark == LONG_AGO + 7
    assert spooled(path) == []


@both
def test_personal_columns_are_never_asked_for(portal, store, api):
    """Only the mapped columns are named in any question; what is left out stays at the portal."""
    portal.columns["caller_phone"] = "text"
    portal.rows[0]["caller_phone"] = "138 0013 8000"
    mapping = town(portal, api, '[sync.leave_out]\ncaller_phone = "Personal."\n')
    World().sync(store, mapping)
    asked = [question for question in portal.asked if "views/abcd-1234.json" not in question]
    assert asked
    assert not any(
        "phone" in question or "zip" in question or "*" in question.replace("count(*)", "") for question in asked
    )


@both
def test_the_next_sync_asks_for_changes_only(portal, store, api):
    """From the watermark less the overlap on; a closing is known at its time, as from a whole export."""
    world = World(now=LONG_AGO + DAY)
    mapping = town(portal, api, "overlap_days = 1\n")
    world.sync(store, mapping)
    world.now = NOON
    portal.rows[2].update({"closed": "2024-03-14T10:00:00", ":updated_at": stamp(NOON - 3600)})
    for old in portal.rows[:2]:
        old[":updated_at"] = stamp(LONG_AGO - 5 * DAY)
    report = world.sync(store, mapping)
    assert report.plan["mode"] == "changes"
    assert report.rows == 5  # four within the overlap, and the one that changed
    closed = store.read_events().query("kind == 'closed'")
    assert len(closed) == 1
    assert closed["known_at"].iloc[0] == closed["at"].iloc[0]
    assert report.watermark == NOON - 3600


def test_a_fetch_of_changes_is_a_look_at_every_case(portal, store, api):
    """A case that is not in the answer has not changed: it was looked at, all the same, and so it is told."""
    world = World(now=LONG_AGO + DAY)
    mapping = town(portal, api, "overlap_days = 1\n")
    world.sync(store, mapping)
    world.now = NOON
    portal.rows[2].update({"closed": "2024-03-14T10:00:00", ":updated_at": stamp(NOON - 3600)})
    portal.rows[0]["opened"] = "2024-03-01T09:00:00"
    world.sync(store, mapping)
    assert set(observed_until(store)) == {NOON}
    world.now = NOON + 2 * DAY
    world.sync(store, mapping)
    assert set(observed_until(store)) == {NOON + 2 * DAY}


def test_an_empty_answer_is_a_look_too(portal, store, api):
    """Nothing changed: no event, and every case is known to stand as it stood."""
    world = World(now=LONG_AGO + DAY)
    mapping = town(portal, api, "overlap_days = 1\n")
    world.sync(store, mapping)
    before = events_of(store)
    for item in portal.rows:
        item[":updated_at"] = stamp(LONG_AGO - 30 * DAY)
    world.now = NOON
    report = world.sync(store, mapping)
    assert (report.rows, report.imported) == (0, None)
    assert events_of(store).equals(before)
    assert set(observed_until(store)) == {NOON}


def test_cases_that_the_first_fetch_did_not_cover_are_not_looked_at(portal, store, tmp_path, api):
    """A case of an old file, opened before `first`, is not taken as unchanged by a fetch that could not show it."""
    old = tmp_path / "old.csv"
    old.write_text("number,opened,closed,kind,village,unit\nC-900,2019-05-01 09:00:00,,Street light,North,Works\n")
    mapping = town(portal, api, "first = 2024-01-01\noverlap_days = 1\n")
    import_file(store, old, mapping, extracted_at=NOON - 300 * DAY)
    world = World(now=NOON)
    world.sync(store, mapping)
    world.now = NOON + 5 * DAY
    portal.rows[2][":updated_at"] = stamp(NOON + DAY)
    world.sync(store, mapping)
    cases = fold_cases(store.read_events()).set_index("case_id")["opened_at"]
    looked = observed_until(store)
    assert looked[cases.idxmin()] == NOON - 300 * DAY
    assert set(looked.drop(cases.idxmin())) == {NOON + 5 * DAY}


def test_a_row_of_long_ago_that_changed_is_no_look_at_its_year(portal, store, tmp_path, api):
    """The span of what changed says nothing: the look covers what the first fetch covered, and no more."""
    old = tmp_path / "old.csv"
    old.write_text("number,opened,closed,kind,village,unit\nC-900,2019-05-01 09:00:00,,Street light,North,Works\n")
    mapping = town(portal, api, "overlap_days = 1\n")
    import_file(store, old, mapping, extracted_at=NOON - 300 * DAY)
    world = World()
    world.sync(store, mapping)
    portal.rows.append(row(8, opened="2018-01-01T09:00:00", changed=NOON + DAY))
    world.now = NOON + 2 * DAY
    world.sync(store, mapping)
    looks = json.loads(store.imports()["report"].iloc[-1])["snapshots"]
    assert [look["opened_from"] for look in looks] == [1709301600]
    assert looks[0]["opened_to"] == NEVER


@both
def test_a_row_that_changes_while_paging_is_neither_lost_nor_doubled(portal, store, api):
    """It goes to the end of the order and comes again; its last state counts, and no other row is skipped."""

    def change(number: int) -> None:
        if number == 3:  # the first page is out
            portal.rows[0].update({"closed": "2024-03-10T08:00:00", ":updated_at": stamp(NOON - 60)})

    portal.before = change
    report = World().sync(store, town(portal, api))
    assert report.rows == 8
    assert numbers(store) == 7
    assert (store.read_events()["kind"] == "closed").sum() == 1


@both
def test_rows_that_come_and_go_while_paging_skip_nobody(portal, store, api):
    """Deleting rows of earlier pages moves every offset; pages after a row are immune to that."""

    def change(number: int) -> None:
        if number == 3:
            del portal.rows[0:2]
            portal.rows.append(row(90, changed=NOON - 60))

    portal.before = change
    World().sync(store, town(portal, api))
    assert numbers(store) == 8  # two that are gone since, five, and the new one


def test_a_replaced_table_gives_every_case_once(portal, store, api):
    """A portal that loads everything anew while we read: new names of all rows, and the new state counts."""

    def replace(number: int) -> None:
        if number == 3:
            for item in portal.rows:
                item[":id"] = item[":id"].replace("row", "row-new")
                item[":updated_at"] = stamp(NOON + 30)
            portal.rows[0]["closed"] = "2024-03-10T08:00:00"

    portal.before = replace
    World().sync(store, town(portal, api))
    assert numbers(store) == 7
    assert (store.read_events()["kind"] == "closed").sum() == 1


def test_a_page_that_repeats_rows_counts_them_once(portal, store, api):
    """Whatever comes twice under one name is one row."""
    real = portal._query

    def repeating(select, where, order, limit, offset=0):
        found = real(select, where, order, limit, offset)
        return [found[0], *found] if found and ":id" in found[0] else found

    portal._query = repeating
    World().sync(store, town(portal, api))
    assert numbers(store) == 7


def test_a_portal_that_skips_rows_is_found_out_by_its_own_count(portal, store, path, api):
    """Fewer rows than the portal counts: nothing is imported, and the next sync begins anew."""
    real = portal._query

    def skipping(select, where, order, limit, offset=0):
        return [item for item in real(select, where, order, limit, offset) if item.get("number") != "C-4"]

    portal._query = skipping
    with pytest.raises(InputError, match="rows would be missing"):
        World().sync(store, town(portal, api))
    assert len(store.imports()) == 0
    assert spooled(path) == []
    portal._query = real
    World().sync(store, town(portal, api))
    assert numbers(store) == 7


@both
def test_a_portal_that_gives_smaller_pages_than_asked_for_loses_nothing(portal, store, api):
    """A short page is not the end: only an empty one is."""
    real = portal._query
    portal._query = lambda select, where, order, limit, offset=0: real(select, where, order, min(limit, 2), offset)
    report = World().sync(store, town(portal, api))
    assert (report.rows, report.pages) == (7, 5)


@both
def test_a_portal_that_gives_one_page_for_ever_is_found_out(portal, store, api):
    """A server that does not heed conditions would be read without end."""
    real = portal._query
    portal._query = lambda select, where, order, limit, offset=0: real(select, None, order, limit, offset)
    with pytest.raises(FileFormatError, match="the portal gives the same page again and again"):
        World().sync(store, town(portal, api))
    assert len(store.read_events()) == 0


@pytest.mark.parametrize(
    "fault",
    [
        portals.half,
        portals.half_that_claims_to_be_whole,
        portals.page_of_html,
        portals.drip,
        portals.gzip_bomb,
        status(503),
    ],
)
def test_a_fetch_that_fails_goes_on_where_it_was(portal, store, path, api, fault):
    """Two pages, then trouble without end: the store is untouched, and the next sync fetches only the rest."""
    mapping = town(portal, api)
    portal.faults.extend([None, None, None])
    portal.always = fault
    with pytest.raises(InputError):
        World(limits=HASTY if fault is portals.drip else QUICK).sync(store, mapping)
    assert len(store.read_events()) == 0
    assert spooled(path) == ["town.part"]
    portal.always = None
    asked = len(portal.asked)
    world = World(now=NOON + DAY)
    report = world.sync(store, mapping)
    assert report.resumed
    assert (report.rows, report.pages) == (7, 4)
    assert len(portal.asked) - asked == 4  # the columns, one page, the empty one, the count
    assert numbers(store) == 7
    # All of it is as it stood at the last page, however old the first one is.
    assert set(observed_until(store)) == {NOON + DAY}


def test_what_changed_while_a_fetch_lay_unfinished_comes_with_it(portal, store, api):
    """A row of the first page is closed before the fetch goes on: it comes again at the end."""
    mapping = town(portal, api)
    portal.faults.extend([None, None, status(503), status(503), status(503)])
    with pytest.raises(InputError):
        World().sync(store, mapping)
    portal.rows[0].update({"closed": "2024-03-15T10:00:00", ":updated_at": stamp(NOON + 3600)})
    World(now=NOON + DAY).sync(store, mapping)
    assert (store.read_events()["kind"] == "closed").sum() == 1


def test_the_spool_holds_mapped_columns_and_is_for_its_owner(portal, store, path, api):
    """What the door would refuse is not on disk either."""
    portal.rows[0]["zip"] = "98765"
    portal.faults.extend([None, None, status(503), status(503), status(503)])
    with pytest.raises(InputError):
        World().sync(store, town(portal, api))
    part = path.with_suffix(".sync") / "town.part"
    assert "98765" not in part.read_text()
    assert part.stat().st_mode & 0o077 == 0
    assert part.parent.stat().st_mode & 0o077 == 0


def test_a_spool_of_another_question_is_thrown_away(portal, store, api):
    """With another mapping, the pages of before would not fit together with the new ones."""
    portal.faults.extend([None, None, status(503), status(503), status(503)])
    with pytest.raises(InputError):
        World().sync(store, town(portal, api))
    report = World().sync(store, town(portal, api, "overlap_days = 7\n"))
    assert not report.resumed
    assert numbers(store) == 7


def test_a_column_that_is_gone_is_told_with_what_is_new(portal, store, api):
    """Renamed at the portal: both names, no content; the watermark stays and nothing is lost."""
    mapping = town(portal, api)
    World().sync(store, mapping)
    before = read_state(store, "town")
    portal.columns = {("kind_2" if name == "kind" else name): kind for name, kind in portal.columns.items()}
    for item in portal.rows:
        item["kind_2"] = item.pop("kind")
    with pytest.raises(MappingError) as info:
        World(now=NOON + DAY).sync(store, mapping)
    assert "the mapping expects 'kind', which the portal does not have" in str(info.value)
    assert "Not known to the mapping: 'kind_2'" in str(info.value)
    assert "Street light" not in str(info.value)
    assert read_state(store, "town") == before


def test_a_renamed_column_is_mended_in_the_mapping(portal, store, api):
    """[sync.fields] says how the portal calls it now."""
    portal.columns = {("kind_2" if name == "kind" else name): kind for name, kind in portal.columns.items()}
    for item in portal.rows:
        item["kind_2"] = item.pop("kind")
    World().sync(store, town(portal, api, '[sync.fields]\nkind = "kind_2"\n'))
    assert set(store.read_events()["category"].dropna()) == {"Street light"}


def test_a_new_column_is_refused_by_name(portal, store, api):
    """A personal column that appears is refused as in a file, before a row is asked for."""
    portal.columns["caller_phone"] = "text"
    with pytest.raises(PersonalDataError) as info:
        World().sync(store, town(portal, api))
    assert "'caller_phone': looks like a telephone number, by its name" in str(info.value)
    assert len(portal.asked) == 1
    World().sync(store, town(portal, api), drop=["caller_phone"])
    assert numbers(store) == 7


def test_a_changed_type_has_to_be_accepted(portal, store, api):
    """A text that became a number may mean something else: someone has to look."""
    mapping = town(portal, api)
    World().sync(store, mapping)
    portal.columns["unit"] = "number"
    with pytest.raises(MappingError, match=r"the type of 'unit' \(text, now number\) has changed"):
        World(now=NOON + DAY).sync(store, mapping)
    World(now=NOON + DAY).sync(store, mapping, accept_types=True)
    World(now=NOON + 2 * DAY).sync(store, mapping)


def test_a_mapped_column_that_becomes_a_place_is_refused(portal, store, api):
    """Points, files and links are never read, whatever the mapping says."""
    portal.columns["village"] = "point"
    with pytest.raises(PersonalDataError, match="column 'village' is of type 'point', which holds exact places"):
        World().sync(store, town(portal, api))


def test_personal_values_are_refused_before_they_are_kept(portal, store, path, api):
    """A telephone number among the codes: refused by row, and not on disk."""
    portal.rows[4]["unit"] = "Miller 617-555-0123"
    with pytest.raises(
        PersonalDataError, match="column 'unit', row 5 of the fetch: looks like a telephone number"
    ) as info:
        World().sync(store, town(portal, api))
    assert "617" not in str(info.value)
    assert spooled(path) == []
    assert len(store.read_events()) == 0


def test_rows_that_contradict_themselves_refuse_all_and_come_again(portal, store, path, api):
    """Closed before it was opened: nothing is imported, the watermark stays; once mended, all rows are there."""
    portal.rows[3]["closed"] = "2023-01-01T00:00:00"
    mapping = town(portal, api)
    with pytest.raises(RowError, match="it lies before 'opened'"):
        World().sync(store, mapping)
    assert len(store.read_events()) == 0
    assert read_state(store, "town").watermark is None
    assert spooled(path) == []
    portal.rows[3].update({"closed": "2024-03-09T00:00:00", ":updated_at": stamp(NOON - 60)})
    World().sync(store, mapping)
    assert numbers(store) == 7


def test_a_stamp_of_the_future_does_not_hide_what_comes(portal, store, api):
    """A row stamped in the year 2059 must not push the watermark there."""
    portal.rows[6][":updated_at"] = stamp(NOON + 35 * 365 * DAY)
    report = World().sync(store, town(portal, api))
    assert report.watermark == LONG_AGO + 6


def test_a_portal_whose_clock_is_ahead_does_not_stop_the_sync(portal, store, api):
    """A row that was opened after our now is set aside, told, and comes with the next sync."""
    portal.rows.append(row(8, opened="2024-03-15T08:30:00", changed=NOON + 1800))
    world = World()
    mapping = town(portal, api)
    report = world.sync(store, mapping)
    assert report.imported is not None
    assert [finding.code for finding in report.imported.set_aside] == ["after_extraction"]
    assert numbers(store) == 7
    world.now = NOON + DAY
    world.sync(store, mapping)
    assert numbers(store) == 8


@both
def test_a_look_again_at_days_leaves_the_watermark(portal, store, api):
    """--since and --until fetch those openings, whatever was fetched, and move nothing."""
    mapping = town(portal, api)
    first = World().sync(store, mapping)
    from datetime import date

    portal.rows[1]["opened"] = "2024-03-05T09:00:00"
    again = World(now=NOON + DAY).sync(store, mapping, since=date(2024, 3, 5), until=date(2024, 3, 6))
    assert again.rows == 1
    assert again.watermark == first.watermark == read_state(store, "town").watermark


@both
def test_a_dry_run_changes_nothing(portal, store, path, api):
    """It tells the count, and neither the store nor the disk knows of it."""
    report = World().sync(store, town(portal, api), dry_run=True)
    assert (report.expected, report.rows, report.imported) == (7, 0, None)
    assert len(store.imports()) == 0
    assert read_state(store, "town").updated_at == 0
    assert spooled(path) == []


@both
def test_the_key_comes_from_the_environment(portal, store, api, monkeypatch):
    """As the portal wants it, in its header; without it, the message names the variable."""
    portal.token = "very-secret"
    with pytest.raises(InputError, match="None was given: set HEED_SOCRATA_TOKEN in the environment"):
        World().sync(store, town(portal, api))
    monkeypatch.setenv("HEED_SOCRATA_TOKEN", "very-secret")
    World().sync(store, town(portal, api))
    assert numbers(store) == 7


def test_two_syncs_of_one_source_do_not_mix(portal, store, path, api):
    """The second is told to wait, and the first goes on."""
    from data.errors import StoreError
    from data.sources.spool import Spool

    with Spool(path.with_suffix(".sync"), "town"), pytest.raises(StoreError, match="Another sync of 'town' is running"):
        World().sync(store, town(portal, api))


@both
def test_a_row_without_its_name_is_no_row(portal, store, api):
    """Pages cannot go on after a row that has no ':id': told, and nothing is imported."""
    portal.rows[0][":id"] = None
    with pytest.raises(FileFormatError, match="a row has no ':id'"):
        World().sync(store, town(portal, api))


def test_a_kill_between_the_import_and_the_end_of_the_spool_changes_nothing(portal, store, path, api, monkeypatch):
    """The rows and the watermark are in; the spool that was left is found out and thrown away."""
    from data.sources import spool

    mapping = town(portal, api)
    discard = spool.Spool.discard

    def killed(self) -> None:
        if self.progress.done:
            raise KeyboardInterrupt
        discard(self)

    with monkeypatch.context() as patch:
        patch.setattr(spool.Spool, "discard", killed)
        with pytest.raises(KeyboardInterrupt):
            World().sync(store, mapping)
    assert read_state(store, "town").watermark == LONG_AGO + 7
    before = events_of(store)
    report = World(now=NOON + DAY).sync(store, mapping)
    assert not report.resumed
    assert events_of(store).equals(before)
    assert spooled(path) == []


def test_a_failure_in_the_transaction_of_the_watermark_takes_the_rows_back(portal, store, path, api, monkeypatch):
    """Rows and watermark are one: if the second cannot be written, the first is not there either."""
    from data.sources import state

    mapping = town(portal, api)
    with monkeypatch.context() as patch:
        patch.setattr(state, "end", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            World().sync(store, mapping)
    assert len(store.read_events()) == 0
    assert read_state(store, "town").watermark is None
    asked = len(portal.asked)
    report = World(now=NOON + DAY).sync(store, mapping)
    assert report.resumed
    assert len(portal.asked) - asked == 1  # the columns: all pages were there
    assert numbers(store) == 7
    # The look is that of the pages, not of the day on which they were imported.
    assert report.looked_at == NOON


def test_on_postgresql(portal, tmp_path, postgres_url, api):
    """Rows and watermark in one transaction there too; the spool lies where it is told to."""
    with fresh_schema(postgres_url) as url, Store.open(url, create=True) as store:
        world = World(folder=tmp_path / "spool")
        mapping = town(portal, api)
        portal.faults.extend([None, None, status(503), status(503), status(503)])
        with pytest.raises(InputError):
            world.sync(store, mapping)
        assert read_state(store, "town").unfinished
        world.now = NOON + DAY
        assert world.sync(store, mapping).resumed
        assert numbers(store) == 7
        assert read_state(store, "town").watermark == LONG_AGO + 7
        world.now = NOON + 5 * DAY
        portal.rows[0].update({"closed": "2024-03-17T10:00:00", ":updated_at": stamp(NOON + 4 * DAY)})
        world.sync(store, mapping)
        assert (store.read_events()["kind"] == "closed").sum() == 1
        assert set(observed_until(store)) == {NOON + 5 * DAY}
