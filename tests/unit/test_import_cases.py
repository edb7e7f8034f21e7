"""Importing a file, on both engines: what ends up in the store, what is told, and that it is all or
nothing.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pandas as pd
import pytest
from sqlalchemy import select

from data import tables
from data.errors import InputError, LeakError, MappingError, RowError, UsageError
from data.event_log import NEVER, fold_cases
from data.import_cases import STEPS, import_file
from data.import_intake import Sizes
from data.store import Store
from tests.support.exports import ROW, contents, fresh_schema, town, utc, write_csv
from tests.support.processes import quick_context


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path) -> Iterator[Store]:
    """An empty store in each engine."""
    if request.param == "sqlite":
        with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
            yield opened
        return
    with fresh_schema(request.getfixturevalue("postgres_url")) as url, Store.open(url, create=True) as opened:
        yield opened


def unchanged(before, store) -> bool:
    return all(was.equals(now) for was, now in zip(before, contents(store), strict=True))


def test_a_file_becomes_cases(store, tmp_path):
    """Local times become seconds in UTC, words become ours, and what is missing is null."""
    path = write_csv(tmp_path / "a.csv", [{}, {"closed": "", "due": "", "village": "town hall", "via": "Site"}])
    report = import_file(store, path, town())
    assert (report.rows, report.cases, report.events_added) == (2, 2, 5)
    cases = fold_cases(store.read_events()).sort_values("closed_at").reset_index(drop=True)
    assert cases["opened_at"].tolist() == [utc("2024-03-01 09:00")] * 2
    assert cases["closed_at"].tolist() == [utc("2024-03-05 12:00"), NEVER]
    assert cases["due_at"].tolist() == [utc("2024-03-08 09:00"), NEVER]
    assert cases["channel"].tolist() == ["phone", "web"]
    assert cases["area"].isna().tolist() == [False, True]
    assert cases["office"].tolist() == ["Works", "Works"]
    assert cases["office_at_opening"].isna().all()
    assert store.known_at_opening() == {"category", "area", "channel"}
    assert store.time_zone() == "America/New_York"
    assert store.last_known_at() == report.extracted_at == utc("2024-03-05 12:00")


def test_the_references_of_the_source_are_not_in_the_store(store, tmp_path):
    """Only keyed hashes are stored, and the report holds no contents either."""
    path = write_csv(tmp_path / "a.csv", [{"number": "CASE-4711"}])
    import_file(store, path, town())
    with store.reading() as connection:
        for table in (tables.event, tables.import_run, tables.source):
            rows = connection.execute(select(table)).fetchall()
            assert "4711" not in str(rows)
            assert "Street light" not in str(rows) or table is tables.event


def test_the_same_file_twice_changes_nothing(store, tmp_path):
    """The second import ends well, adds nothing, and says how much was known."""
    path = write_csv(tmp_path / "a.csv", [{}, {"closed": ""}])
    first = import_file(store, path, town())
    before = contents(store)
    second = import_file(store, path, town())
    assert (second.events_added, second.events_known_already) == (0, first.events_added)
    assert second.import_id is None
    assert unchanged(before, store)


def test_the_same_rows_as_csv_and_parquet_are_the_same_events(store, tmp_path):
    """The format of a file is no fact about a case."""
    path = write_csv(tmp_path / "a.csv", [{}, {"closed": ""}])
    import_file(store, path, town())
    frame = pd.read_csv(path, dtype="str")
    for name in ("opened", "due", "closed"):
        frame[name] = pd.to_datetime(frame[name])
    frame.to_parquet(tmp_path / "a.parquet")
    assert import_file(store, tmp_path / "a.parquet", town()).events_added == 0


def test_a_later_export_is_compared_with_the_store(store, tmp_path):
    """A closing since then is known when it happened, one from before then only now."""
    rows = [{"closed": ""}, {"closed": ""}, {"closed": "2024-03-02 10:00:00"}]
    first = write_csv(tmp_path / "a.csv", rows)
    import_file(store, first, town(), extracted_at=utc("2024-03-10 00:00"))
    rows[0]["closed"], rows[1]["closed"], rows[2]["closed"] = "2024-03-20 10:00:00", "2024-03-05 10:00:00", ""
    later = write_csv(tmp_path / "b.csv", [*rows, {"number": "9", "closed": "2024-03-04 10:00:00"}])
    seen = utc("2024-04-01 00:00")
    report = import_file(store, later, town(), extracted_at=seen)
    events = store.read_events()
    added = events[(events["known_at"] > utc("2024-03-10")) & events["kind"].isin(["closed", "reopened"])]
    assert sorted(zip(added["kind"], added["at"], added["known_at"], strict=True)) == [
        ("closed", utc("2024-03-05 10:00"), seen),
        ("closed", utc("2024-03-20 10:00"), utc("2024-03-20 10:00")),
        ("reopened", seen, seen),
    ]
    # The fourth case was not in the first export, so its closing is no late news.
    assert report.events_added == 3 + 3
    assert store.last_known_at() == seen


def test_an_older_export_adds_only_cases_that_are_new(store, tmp_path):
    """History that is known cannot be changed by an export from before."""
    import_file(store, write_csv(tmp_path / "b.csv", [{}]), town(), extracted_at=utc("2024-04-01"))
    older = write_csv(tmp_path / "a.csv", [{"closed": "", "unit": "Intake"}, {"closed": ""}])
    report = import_file(store, older, town(), extracted_at=utc("2024-03-03"))
    assert report.events_added == 2
    cases = fold_cases(store.read_events())
    assert sorted(cases["closed_at"] == NEVER) == [False, True]


def test_a_file_of_other_cases_is_no_look_at_these(store, tmp_path):
    """Importing the cases of another year does not make this year's closings late news."""
    row = {"opened": "2024-03-01 09:00:00", "closed": ""}
    import_file(store, write_csv(tmp_path / "a.csv", [row]), town(), extracted_at=utc("2024-03-02"))
    other = {"number": "77", "opened": "2023-01-05 09:00:00", "due": "", "closed": ""}
    import_file(store, write_csv(tmp_path / "b.csv", [other]), town(), extracted_at=utc("2024-03-20"))
    again = write_csv(tmp_path / "c.csv", [{**row, "closed": "2024-03-05 12:00:00"}])
    import_file(store, again, town(), extracted_at=utc("2024-04-01"))
    closed = store.read_events().query("kind == 'closed'")
    assert closed["known_at"].tolist() == [utc("2024-03-05 12:00")]


def test_several_snapshots_in_one_file_are_taken_in_order_of_time(store, tmp_path):
    """A snapshot of a day knows that whole day; what a later one shows is known then."""
    rows = [
        {"number": "1", "snapshot": "2024-03-10", "closed": "2024-03-09 10:00:00"},
        {"number": "1", "snapshot": "2024-03-06", "closed": ""},
        {"number": "2", "snapshot": "2024-03-06", "closed": ""},
        {"number": "2", "snapshot": "2024-03-10", "closed": "2024-03-06 18:00:00"},
    ]
    report = import_file(store, write_csv(tmp_path / "a.csv", rows), town())
    assert [look.seen_at for look in report.snapshots] == [utc("2024-03-07"), utc("2024-03-11")]
    closed = store.read_events().query("kind == 'closed'")
    assert closed["at"].tolist() == [utc("2024-03-09 10:00"), utc("2024-03-06 18:00")]
    # Closed on the evening of the first snapshot's day, and not in it: entered later.
    assert closed["known_at"].tolist() == [utc("2024-03-09 10:00"), utc("2024-03-11")]


def test_a_deadline_that_is_a_day_is_kept_until_that_day_is_over(store, tmp_path):
    """`end_of_day`: a promise by the 10th of March, when the clocks change, ends at midnight after it."""
    mapping = town(('field = "due_at"\nat = "opened"', 'field = "due_at"\nat = "opened"\nend_of_day = true'))
    import_file(store, write_csv(tmp_path / "a.csv", [{"due": "2024-03-10"}, {"due": "2024-03-08 09:00"}]), mapping)
    due = fold_cases(store.read_events())["due_at"]
    assert sorted(due) == [utc("2024-03-09 00:00"), utc("2024-03-11 00:00")]


def test_closing_words_can_mean_that_a_case_fell_away(store, tmp_path):
    """[closing] turns a source's word for the closing into a duplicate or a withdrawal."""
    rows = [
        {"outcome": "Double"},
        {"outcome": "Taken back"},
        {"outcome": "Done"},
        {"outcome": "Seen", "closed": ""},
    ]
    import_file(store, write_csv(tmp_path / "a.csv", rows), town())
    kinds = store.read_events()["kind"].value_counts()
    assert (kinds["duplicate"], kinds["withdrawn"], kinds["closed"]) == (1, 1, 1)


def test_offsets_in_the_file_win_over_the_declared_zone(store, tmp_path):
    """A time that says where it is from is taken at its word."""
    import_file(store, write_csv(tmp_path / "a.csv", [{"opened": "2024-03-01T14:00:00Z"}]), town())
    assert fold_cases(store.read_events())["opened_at"].tolist() == [utc("2024-03-01 09:00")]


def test_offsets_alone_do_not_say_what_a_day_is(store, tmp_path):
    """Without a declared zone the moments are clear and the weeks are not."""
    rows = [{name: f"{ROW[name]}Z" for name in ("opened", "due", "closed")}]
    path = write_csv(tmp_path / "a.csv", rows)
    with pytest.raises(MappingError, match=r"declares no time zone.*days and weeks are cut on the wall clock"):
        import_file(store, path, town(('time_zone = "America/New_York"\n', "")))


def test_what_is_set_aside_is_reported_with_its_rows(store, tmp_path):
    """The mapping, or the caller, may accept a kind of bad row; it is counted and never silent."""
    rows = [
        {},
        {"closed": "2024-02-01 00:00:00"},
        {"due": "2059-12-31 19:00:00"},
        {"due": "2024-02-01 00:00:00"},
    ]
    path = write_csv(tmp_path / "a.csv", rows)
    report = import_file(store, path, town(), set_aside=["closed_before_opened", "due_too_far", "due_before_opened"])
    assert {(found.code, found.rows) for found in report.set_aside} == {
        ("closed_before_opened", (2,)),
        ("due_too_far", (3,)),
        ("due_before_opened", (4,)),
    }
    assert (report.rows, report.cases) == (4, 3)
    assert sorted(fold_cases(store.read_events())["due_at"] == NEVER) == [False, True, True]
    assert any("column 'closed': 1 row left out (row 2)" in line for line in report.warnings())
    assert any("column 'due': 1 row imported without it (row 3)" in line for line in report.warnings())


def test_strict_refuses_what_the_mapping_sets_aside(store, tmp_path):
    """`strict` turns every finding into a refusal."""
    mapping = town(("[closing]", '[rules]\nset_aside = ["closed_before_opened"]\n[closing]'))
    path = write_csv(tmp_path / "a.csv", [{}, {"closed": "2024-02-01 00:00:00"}])
    with pytest.raises(RowError, match="column 'closed', row 2: it lies before 'opened'"):
        import_file(store, path, mapping, strict=True)
    assert import_file(store, path, mapping).cases == 1


def test_an_open_vocabulary_is_reported_and_refused_only_when_strict(store, tmp_path):
    """`other` says what becomes of unknown words, and the report says that there were some."""
    mapping = town(("[vocabulary.via.values]", '[vocabulary.via]\nother = "other"\n[vocabulary.via.values]'))
    path = write_csv(tmp_path / "a.csv", [{}, {"via": "Pigeon"}])
    report = import_file(store, path, mapping)
    assert sorted(fold_cases(store.read_events())["channel"]) == ["other", "phone"]
    assert "column 'via': 1 row imported as they are (row 2)" in report.warnings()[0]
    assert "Pigeon" not in report.to_json()
    with pytest.raises(RowError, match="column 'via', row 2"):
        import_file(store, path, mapping, strict=True)


def test_wrong_options_are_a_wrong_call(store, tmp_path):
    """Codes are checked before the file is opened."""
    with pytest.raises(UsageError, match=r"got odd. Allowed: missing_reference, duplicate_reference"):
        import_file(store, "nowhere.csv", town(), set_aside=["odd"])
    with pytest.raises(UsageError, match="give one of the two"):
        import_file(store, "nowhere.csv", town(), set_aside=["due_too_far"], strict=True)


def test_a_file_of_which_nothing_is_left_is_refused(store, tmp_path):
    """Setting every row aside is not importing."""
    path = write_csv(tmp_path / "a.csv", [{"closed": "2024-02-01 00:00:00"}])
    with pytest.raises(InputError, match=r"every row was set aside"):
        import_file(store, path, town(), set_aside=["closed_before_opened"])


def test_a_dropped_column_is_reported(store, tmp_path):
    """What was left out openly stands in the report, by the column and without content."""
    path = write_csv(tmp_path / "a.csv", [{"phone": "617-555-0123", "zip": "02124"}])
    report = import_file(store, path, town(), drop=["phone", "not there"])
    assert report.dropped == ("phone",)
    assert report.left_out == ("zip",)
    assert "555" not in report.to_json()


def test_dropping_a_column_that_is_needed_says_so(store, tmp_path):
    """Whoever drops a mapped column is told that it was they."""
    with pytest.raises(MappingError, match=r"expects 'kind' \(field category\).*dropped with --drop"):
        import_file(store, write_csv(tmp_path / "a.csv", [{}]), town(), drop=["kind"])


def test_a_forced_column_stays_visible(store, tmp_path):
    """Forcing the office to be known at opening works, for experiments, and is written on everything."""
    old = 'field = "office"\nat = "end"'
    with pytest.raises(LeakError):
        town((old, 'field = "office"\nat = "opened"'))
    mapping = town((old, 'field = "office"\nat = "opened"\nforced = "to show the leak"'))
    report = import_file(store, write_csv(tmp_path / "a.csv", [{}]), mapping)
    assert report.forced == {"unit": "to show the leak"}
    assert "by force: 'unit' (to show the leak)" in report.warnings()[0]
    assert json.loads(store.imports()["report"].iloc[0])["forced"] == {"unit": "to show the leak"}
    assert "office" in store.known_at_opening()
    assert fold_cases(store.read_events())["office_at_opening"].tolist() == ["Works"]


def test_near_instant_closings_are_counted_and_stored(store, tmp_path):
    """Records of work already done are cases like others; who learns from them must know how many they
    are.
    """
    rows = [{"closed": "2024-03-01 09:01:00"}, {"closed": "2024-03-01 09:01:01"}]
    report = import_file(store, write_csv(tmp_path / "a.csv", rows), town())
    assert (report.near_instant, report.cases) == (1, 2)


def test_progress_is_told_for_every_step(store, tmp_path):
    """Each step begins and ends, and never goes back."""
    told = []
    import_file(store, write_csv(tmp_path / "a.csv", [{}]), town(), progress=lambda *step: told.append(step))
    assert list(dict.fromkeys(step for step, _, _ in told)) == list(STEPS)
    for step in STEPS:
        done = [(done, total) for name, done, total in told if name == step]
        assert done[0][0] == 0
        assert done[-1][0] == done[-1][1] > 0
        assert done == sorted(done)


def test_progress_counts_the_rows_of_the_file(store, tmp_path):
    """Whatever lies in memory at once, every step goes from none to all rows; how many there are is known when read."""
    told: dict[str, list[tuple[int, int]]] = {}
    path = write_csv(tmp_path / "a.csv", [{} for _ in range(9)])
    import_file(
        store,
        path,
        town(),
        sizes=Sizes(chunk=4, at_once=3, buckets=16),
        progress=lambda step, done, total: told.setdefault(step, []).append((done, total)),
    )
    assert told["read"] == [(0, 0), (4, 0), (8, 0), (9, 0), (9, 9)]
    for step in ("check", "compare", "store"):
        assert told[step][0] == (0, 9)
        assert told[step][-1] == (9, 9)
        assert told[step] == sorted(told[step])
        assert len(told[step]) > 3


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_at_any_step_leaves_nothing(store, tmp_path, step):
    """Whatever breaks, and wherever, the store is what it was."""
    import_file(store, write_csv(tmp_path / "a.csv", [{}]), town())
    before = contents(store)

    def fail(name: str, done: int, _total: int) -> None:
        if name == step and done:
            raise RuntimeError("the light went out")

    with pytest.raises(RuntimeError, match="the light went out"):
        import_file(store, write_csv(tmp_path / "b.csv", [{"closed": ""}, {}, {}]), town(), progress=fail)
    assert unchanged(before, store)


def _import_and_die(url: str, path: str, after: int) -> None:
    def die(step: str, done: int, _total: int) -> None:
        if step == "store" and done >= after:
            os.kill(os.getpid(), signal.SIGKILL)

    with Store.open(url) as store:
        import_file(store, path, town(), progress=die)


@pytest.mark.parametrize(
    "after", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(500, marks=pytest.mark.slow)]
)
def test_a_process_that_is_killed_in_the_middle_leaves_nothing(tmp_path, after):
    """Killed before, while and after rows are written; the store is what it was and the next import works."""
    url = str(tmp_path / "heed.db")
    path = write_csv(tmp_path / "b.csv", [{"closed": "2024-03-02 10:00:00"} for _ in range(500)])
    with Store.open(url, create=True) as store:
        import_file(store, write_csv(tmp_path / "a.csv", [{"number": "first"}]), town())
        before = contents(store)
    worker = quick_context().Process(target=_import_and_die, args=(url, str(path), after))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    with Store.open(url) as store:
        assert unchanged(before, store)
        assert import_file(store, path, town()).events_added == 1500


REAL = {
    "boston_311_2011h2.parquet": ("boston", 58_251, 58_251, {"due_before_opened": 3, "due_too_far": 26}),
    "boston_311_animal_pest_2013_2023.parquet": ("boston", 62_165, 62_155, {"closed_before_opened": 10}),
    "stlouis_csb_2018_01.parquet": ("stlouis", 11_912, 8_723, {"closed_before_opened": 1}),
    "chicago_sanitation_2011_2014.parquet": (
        "chicago_sanitation",
        74_197,
        73_825,
        {"duplicate_reference": 372},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_exports_import_with_the_shipped_mappings(real_file, tmp_path, name):
    """Every shipped mapping takes its files whole, says what it set aside, and takes them twice."""
    mapping, rows, cases, aside = REAL[name]
    path = real_file(name)
    with Store.open(str(tmp_path / "heed.db"), create=True) as store:
        report = import_file(store, path, mapping)
        assert (report.rows, report.cases) == (rows, cases)
        assert {found.code: found.count for found in report.set_aside} == aside
        assert import_file(store, path, mapping).events_added == 0
        events = store.read_events()
        assert (events["known_at"] >= events["at"]).all()
        assert "office" not in store.known_at_opening()


@pytest.mark.slow
def test_a_snapshot_of_st_louis_follows_its_cases(real_file, tmp_path):
    """Three looks at the same cases: fewer are open at each, and the first look does not know the second."""
    with Store.open(str(tmp_path / "heed.db"), create=True) as store:
        report = import_file(store, real_file("stlouis_csb_2018_01.parquet"), "stlouis")
        week = [look.opened_to for look in report.snapshots][1]
        shares = []
        for look in report.snapshots:
            cases = fold_cases(store.read_events(as_of=look.seen_at + 1))
            cases = cases[(cases["opened_at"] <= week) & (cases["withdrawn_known_at"] == NEVER)]
            shares.append((cases["closed_at"] == NEVER).mean())
        assert 0.30 > shares[0] > shares[1] > shares[2] > 0.03


def test_a_case_taken_back_from_withdrawal_lives_on(tmp_path):
    """Withdrawn in one export, closed late in the next: reopened and closed, and late as it is."""
    first = {"number": "1", "closed": "", "cancelled": "2024-03-20 10:00:00", "snapshot": "2024-04-01"}
    later = {"number": "1", "closed": "2024-03-25 10:00:00", "cancelled": "", "snapshot": "2024-05-01"}
    with Store.open(str(tmp_path / "heed.db"), create=True) as store:
        import_file(store, write_csv(tmp_path / "a.csv", [first]), town())
        assert fold_cases(store.read_events())["withdrawn_known_at"].item() < NEVER
        import_file(store, write_csv(tmp_path / "b.csv", [later]), town())
        events = store.read_events()
        case = fold_cases(events).iloc[0]
        assert case["withdrawn_known_at"] == NEVER
        assert case["closed_at"] == utc("2024-03-25 10:00:00")
        assert events["kind"].tolist()[-2:] == ["reopened", "closed"]
        assert import_file(store, tmp_path / "b.csv", town()).events_added == 0
