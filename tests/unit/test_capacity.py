"""Capacities over time: what was known of them at a moment, and the file that they come in with."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.boundary import violations
from data.capacity import CAPACITY_COLUMNS, CAPACITY_KEY, CAPACITY_SCALE, capacity_changes
from data.errors import FileFormatError, PersonalDataError, RowError
from data.import_cases import import_file
from data.places import import_places, read_places
from data.store import Store
from data.synthetic import CityPlan, simulate_city, write_city
from data.tables import office_capacity
from service import cli
from tests.support.exports import fresh_schema, town, utc, write_csv, write_rows

NOW = utc("2026-03-10 12:00")
HALVES = st.integers(0, 40).map(lambda n: n / 2)


def records(*rows: tuple[str, int, int, float]) -> pd.DataFrame:
    """Capacities written by hand."""
    frame = pd.DataFrame(list(rows), columns=[*CAPACITY_COLUMNS])
    return frame.astype({"office": "str", "from_at": "int64", "known_at": "int64", "capacity_per_day": "float64"})


@st.composite
def histories(draw: st.DrawFn) -> pd.DataFrame:
    """Capacities of a few offices, with few distinct moments: plans, late news and corrections of one another."""
    moment = st.integers(1, 6)
    key = st.tuples(st.sampled_from(["north", "south"]), moment, moment)
    told = draw(st.dictionaries(key, HALVES, max_size=14))
    return records(*((*place, capacity) for place, capacity in told.items()))


def in_force(frame: pd.DataFrame, office: str, t: int) -> float | None:
    """What was known at t to be in force then, by looking at every record; None where nothing was."""
    best = None
    for row in frame.itertuples():
        known = row.office == office and row.from_at < t and row.known_at < t
        if known and (best is None or (row.from_at, row.known_at) > (best.from_at, best.known_at)):
            best = row
    return None if best is None else float(best.capacity_per_day)


def before(changes: pd.DataFrame, t: int) -> pd.DataFrame:
    return changes[changes["at"] < t].reset_index(drop=True)


@settings(max_examples=30)
@given(frame=histories())
def test_changes_add_up_to_what_was_known_to_be_in_force(frame):
    """At every moment, for every office: the sum is the capacity, and no row means that none was known."""
    changes = capacity_changes(frame)
    for office in ("north", "south"):
        own = changes[changes["office"] == office]
        for t in range(9):
            past, expected = before(own, t), in_force(frame, office, t)
            assert past.empty == (expected is None)
            assert past["change"].sum() == round((expected or 0) * CAPACITY_SCALE)


@settings(max_examples=30)
@given(frame=histories(), t=st.integers(0, 8))
def test_the_future_changes_no_change(frame, t):
    """What comes to be known later, or begins later, leaves every earlier row as it was; so a day can be added."""
    whole = capacity_changes(frame)
    pd.testing.assert_frame_equal(capacity_changes(frame, as_of=t), before(whole, t))
    known = frame[frame["known_at"] < t]
    pd.testing.assert_frame_equal(capacity_changes(known, as_of=t), before(whole, t))


@settings(max_examples=30)
@given(frame=histories(), seed=st.integers(0, 99))
def test_the_order_of_records_changes_nothing(frame, seed):
    """Shuffled records give the same rows, sorted, at most one for an office and a moment, none that changes nothing
    but the first of an office.
    """
    changes = capacity_changes(frame)
    pd.testing.assert_frame_equal(capacity_changes(frame.sample(frac=1, random_state=seed)), changes)
    assert not changes.duplicated(["office", "at"]).any()
    pd.testing.assert_frame_equal(changes, changes.sort_values(["office", "at"], ignore_index=True))
    assert (changes.loc[changes.duplicated("office"), "change"] != 0).all()
    assert [str(dtype) for dtype in changes.dtypes] == ["str", "int64", "int64"]


def test_a_correction_of_the_past_counts_from_when_it_was_known():
    """A plan waits for its beginning, news of the past for being known, and an overtaken correction for ever."""
    frame = records(
        ("north", 100, 50, 10.0),  # a plan
        ("north", 100, 300, 8.0),  # a correction of it
        ("north", 200, 200, 4.0),  # staff left
        ("north", 400, 350, 6.5),
        ("south", 100, 100, 0.0),
    )
    changes = capacity_changes(frame)
    north = changes[changes["office"] == "north"]
    # The correction of what held from 100 on comes when 200 is in force: nothing of today changes.
    assert list(zip(north["at"], north["change"], strict=True)) == [(100, 10_000), (200, -6_000), (400, 2_500)]
    assert changes[changes["office"] == "south"].to_dict("records") == [{"office": "south", "at": 100, "change": 0}]


def test_two_truths_of_one_moment_are_refused():
    """Nobody can tell which of two figures holds that became known at once."""
    with pytest.raises(ValueError, match="Expected one capacity for each office, beginning and moment"):
        capacity_changes(records(("north", 1, 1, 2.0), ("north", 1, 1, 3.0)))


# ---- in the store ----


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request, tmp_path) -> Iterator[Store]:
    """An empty store on each engine."""
    if request.param == "sqlite":
        with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
            yield opened
    else:
        with (
            fresh_schema(request.getfixturevalue("postgres_url")) as url,
            Store.open(url, create=True) as opened,
        ):
            yield opened


@pytest.fixture
def store(empty, tmp_path) -> Store:
    """A store with cases of one time zone, New York's."""
    import_file(empty, write_csv(tmp_path / "cases.csv", [{"unit": "W"}]), town())
    return empty


def given_rows(tmp_path, *rows: dict[str, object]):
    """A file of capacities."""
    return write_rows(tmp_path / "capacity.csv", list(rows))


def imported(store: Store, path, now: int = NOW, **options):
    report = import_places(store, capacity=path, imported_at=now, **options)
    assert report.capacity is not None
    return report.capacity


def stored(store: Store) -> list[tuple[str, int, int, float]]:
    return list(store.read_capacity().itertuples(index=False, name=None))


def test_a_figure_is_known_from_its_import_on_unless_somebody_vouches_for_it(store, tmp_path):
    """A day begins at its local midnight; what the file does not say is not taken to have been known before."""
    path = given_rows(tmp_path, {"office": "W", "from": "2025-03-01", "capacity_per_day": "12.5"})
    told = imported(store, path)
    begins = utc("2025-03-01")
    assert stored(store) == [("W", begins, NOW, 12.5)]
    assert (told.stored, told.known_already, told.corrections, told.known_from_import) == (1, 0, 0, 1)
    assert told.warnings()[0].startswith("Known from this import on, because the file does not say since when: 1.")
    told = imported(store, path, NOW + 5, capacity_known="from")
    assert stored(store) == [("W", begins, begins, 12.5), ("W", begins, NOW, 12.5)]
    assert told.known_from_import == 0
    assert capacity_changes(store.read_capacity()).to_dict("records") == [
        {"office": "W", "at": begins, "change": 12_500}
    ]


@pytest.mark.parametrize("known", ["import", "from"])
def test_a_plan_is_known_when_it_comes_in(store, tmp_path, known):
    """Nothing that is told today was known later than today, and it does not count before it begins."""
    path = given_rows(tmp_path, {"office": "W", "from": "2026-06-01T08:00+02:00", "capacity_per_day": "3"})
    imported(store, path, capacity_known=known)
    assert stored(store) == [("W", utc("2026-06-01 06:00", "UTC"), NOW, 3.0)]
    assert capacity_changes(store.read_capacity())["at"].tolist() == [utc("2026-06-01 06:00", "UTC")]


@pytest.mark.parametrize("known", ["import", "from"])
def test_the_same_file_twice_changes_nothing(store, tmp_path, known):
    """On another day too, with and without a column that says since when."""
    silent = {"office": "W", "from": "2025-03-01", "capacity_per_day": "12.5", "known": None}
    dated = {"office": "V", "from": "2026-01-01", "capacity_per_day": "2", "known": "2026-03-10"}
    path = given_rows(tmp_path, silent, dated)
    assert imported(store, path, capacity_known=known).stored == 2
    before = stored(store)
    # Known today, which is not over yet: known by now.
    assert ("V", utc("2026-01-01"), NOW, 2.0) in before
    told = imported(store, path, NOW + 200_000, capacity_known=known)
    assert (told.stored, told.known_already, told.known_from_import) == (0, 2, 0)
    assert stored(store) == before


@pytest.mark.parametrize("known", ["import", "from"])
def test_another_figure_of_the_same_beginning_is_a_correction(store, tmp_path, known):
    """It is known from its own import on, whatever is vouched for: another figure was known before."""
    first = given_rows(tmp_path, {"office": "W", "from": "2025-03-01", "capacity_per_day": "10"})
    imported(store, first, capacity_known=known)
    begins = utc("2025-03-01")
    second = given_rows(tmp_path, {"office": "W", "from": "2025-03-01", "capacity_per_day": "8"})
    told = imported(store, second, NOW + 60, capacity_known=known)
    assert (told.stored, told.corrections, told.known_from_import) == (1, 1, 1)
    assert stored(store)[-1] == ("W", begins, NOW + 60, 8.0)
    # Back to the first figure: that too is news. At the same second as the last one, it comes after it.
    told = imported(store, given_rows(tmp_path, {"office": "W", "from": "2025-03-01", "capacity_per_day": "10"}),
                    NOW + 60, capacity_known=known)  # fmt: skip
    assert stored(store)[-1] == ("W", begins, NOW + 61, 10.0)
    assert capacity_changes(store.read_capacity())["change"].tolist() == [10_000, -2_000, 2_000]


def test_since_when_it_was_known_is_taken_as_written(store, tmp_path):
    """A time is that time; a day is known at its end, and today as far as it went. A correction is a later row."""
    rows = [
        {"office": "W", "from": "2025-03-01", "known": "2025-02-10 09:30", "capacity_per_day": "10"},
        {"office": "W", "from": "2025-03-01", "known": "2025-04-01", "capacity_per_day": "9"},
        {"office": "W", "from": "2025-06-01", "known": "2026-03-10", "capacity_per_day": "7"},
        {"office": "W", "from": "2025-06-01", "known": "2025-05-01T00:00Z", "capacity_per_day": "7"},
    ]
    told = imported(store, given_rows(tmp_path, *rows))
    march, june = utc("2025-03-01"), utc("2025-06-01")
    assert stored(store) == [
        ("W", march, utc("2025-02-10 09:30"), 10.0),
        ("W", march, utc("2025-04-02"), 9.0),
        # Known in May already: that it was known in March of the next year says nothing more.
        ("W", june, utc("2025-05-01", "UTC"), 7.0),
    ]
    assert (told.stored, told.known_already, told.corrections, told.known_from_import) == (3, 1, 1, 0)
    assert told.warnings() == []


def test_nobody_vouches_for_a_figure_before_which_another_was_known(store, tmp_path):
    """Of two figures of one beginning the newest cannot have been known from the beginning on: nothing is added."""
    beginning = {"office": "W", "from": "2025-03-01"}
    first = {**beginning, "known": "2025-04-01", "capacity_per_day": "10"}
    second = {**beginning, "known": "2025-05-01", "capacity_per_day": "9"}
    imported(store, given_rows(tmp_path, first, second))
    told = imported(store, given_rows(tmp_path, {**beginning, "capacity_per_day": "9"}), capacity_known="from")
    assert (told.stored, told.known_already) == (0, 1)
    assert len(stored(store)) == 2


def test_what_was_known_at_a_moment_does_not_change(store, tmp_path):
    """Read strictly before the as-of; and without what only a later import brought, for a replay."""
    imported(store, given_rows(tmp_path, {"office": "W", "from": "2025-03-01", "known": "2025-02-01T00:00Z",
                                          "capacity_per_day": "10"}))  # fmt: skip
    known = utc("2025-02-01", "UTC")
    assert store.read_capacity(known).empty
    assert store.read_capacity(known + 1)["capacity_per_day"].tolist() == [10.0]
    late = {"office": "W", "from": "2025-03-01", "known": "2025-02-02T00:00Z", "capacity_per_day": "4"}
    imported(store, given_rows(tmp_path, late), NOW + 9)
    # Of a moment before anything had come in, what the first file told is all there ever is.
    for recorded_by in (NOW, known + 1):
        assert store.read_capacity(recorded_by=recorded_by)["capacity_per_day"].tolist() == [10.0]
    assert store.read_capacity(known, recorded_by=known).empty
    assert len(store.read_capacity(recorded_by=NOW + 9)) == 2


def test_capacities_written_directly_are_kept_as_they_are(empty):
    """A row whose key is stored is left as it is stored; nothing is ever replaced."""
    frame = records(("V", 5, 5, 2.0), ("W", 5, 5, 1.0))
    empty.write_places(capacities=frame)
    empty.write_places(capacities=frame.assign(capacity_per_day=9.0))
    pd.testing.assert_frame_equal(empty.read_capacity(), frame)
    assert empty.read_capacity(recorded_by=0)["capacity_per_day"].tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"office": None}, r"column 'office', row 2: every row needs the code of its office"),
        ({"from": None}, r"column 'from', row 2: every row needs the moment it holds from"),
        ({"from": "next spring"}, r"column 'from', row 2: expected a day or a time since 1970, in ISO 8601"),
        ({"from": "1960-01-01"}, r"column 'from', row 2: expected a day or a time since 1970"),
        ({"known": "then"}, r"column 'known', row 2: expected a day or a time since 1970"),
        ({"known": "2026-03-11"}, r"column 'known', row 2: nothing that comes in today became known later than now"),
        ({"capacity_per_day": None}, r"column 'capacity_per_day', row 2: expected a number from 0 to 100,000"),
        ({"capacity_per_day": "-1"}, r"column 'capacity_per_day', row 2: expected a number from 0"),
        ({"capacity_per_day": "many"}, r"column 'capacity_per_day', row 2: expected a number from 0"),
        ({"capacity_per_day": "inf"}, r"column 'capacity_per_day', row 2: expected a number from 0"),
        ({"capacity_per_day": "100001"}, r"column 'capacity_per_day', row 2: expected a number from 0"),
        ({"from": "2025-01-01"}, r"column 'from', row 2: other rows are of the same office and beginning"),
        (
            {"from": "2025-01-01", "known": "2024-12-01T00:00Z"},
            r"column 'known', row 2: the same office, beginning and moment it was known stand in an earlier row",
        ),
    ],
)
def test_wrong_rows_are_told_by_number_and_nothing_is_stored(store, tmp_path, change, message):
    """Neither of this file nor of any other of the call."""
    first = {"office": "W", "from": "2025-01-01", "known": "2024-12-01T00:00Z", "capacity_per_day": "5"}
    second = {"office": "W", "from": "2025-02-01", "known": None, "capacity_per_day": "5", **change}
    offices = write_rows(tmp_path / "offices.csv", [{"office": "W", "tier": "town"}])
    with pytest.raises(RowError, match=message) as info:
        import_places(store, offices=offices, capacity=given_rows(tmp_path, first, second), imported_at=NOW)
    assert "spring" not in str(info.value)
    assert store.read_capacity().empty
    assert store.read_offices().empty


def test_another_figure_of_the_very_moment_is_refused(store, tmp_path):
    """Found in the store, when the offices of the same call are written already: they are not stored either."""
    row = {"office": "W", "from": "2025-01-01", "known": "2024-12-01T00:00Z", "capacity_per_day": "5"}
    imported(store, given_rows(tmp_path, row))
    offices = write_rows(tmp_path / "offices.csv", [{"office": "W", "tier": "town"}])
    path = given_rows(tmp_path, {**row, "office": "V"}, {**row, "capacity_per_day": "6"})
    with pytest.raises(RowError, match=r"column 'known', row 2: the store has another figure as known at that very"):
        import_places(store, offices=offices, capacity=path, imported_at=NOW)
    assert len(stored(store)) == 1
    assert store.read_offices().empty


def test_a_day_needs_a_time_zone(empty, tmp_path):
    """A store without cases has none: an offset does it."""
    with pytest.raises(RowError, match=r"row 1: the time carries no offset\. Write it with an offset, as 2025-03-01T"):
        imported(empty, given_rows(tmp_path, {"office": "W", "from": "2025-03-01", "capacity_per_day": "1"}))
    imported(empty, given_rows(tmp_path, {"office": "W", "from": "2025-03-01T00:00-05:00", "capacity_per_day": "1"}))
    assert stored(empty) == [("W", utc("2025-03-01"), NOW, 1.0)]


def test_a_file_that_knows_its_times_is_read_by_them(store, tmp_path):
    """Parquet: a midnight is a day, and known at its end; a time with a zone is that moment, midnight or not."""
    days = pd.DataFrame({"office": ["W", "W"], "from": pd.to_datetime(["2025-03-01 00:00", "2025-06-01 08:00"]),
                         "known": pd.to_datetime(["2025-02-01 00:00", "2025-02-01 10:00"]),
                         "capacity_per_day": [4.25, 3.0]})  # fmt: skip
    days.to_parquet(tmp_path / "days.parquet")
    imported(store, tmp_path / "days.parquet")
    assert stored(store) == [
        ("W", utc("2025-03-01"), utc("2025-02-02"), 4.25),
        ("W", utc("2025-06-01 08:00"), utc("2025-02-01 10:00"), 3.0),
    ]
    aware = days.assign(office="V", known=days["known"].dt.tz_localize("America/New_York"))
    aware.to_parquet(tmp_path / "aware.parquet")
    imported(store, tmp_path / "aware.parquet")
    assert stored(store)[0] == ("V", utc("2025-03-01"), utc("2025-02-01"), 4.25)


def test_the_command_adds_capacities_and_shows_them(store, monkeypatch, capsys, tmp_path):
    """`heed places import --capacity` and `show`: in words, as JSON, and what is vouched for."""
    url = store.engine.url.render_as_string(hide_password=False)

    def told(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["heed", "--store", url, "places", *arguments])
        with contextlib.suppress(SystemExit):
            cli.main()
        return " ".join(capsys.readouterr().out.split())

    path = str(given_rows(tmp_path, {"office": "W", "from": "2025-03-01", "capacity_per_day": "12.5"}))
    assert told("import", "--capacity", path, "--capacity-known", "from") == "1 capacities added, 0 known already."
    path = str(given_rows(tmp_path, {"office": "W", "from": "2025-03-01", "capacity_per_day": "9"}))
    text = told("import", "--capacity", path)
    assert text.startswith("1 capacities added, 0 known already, 1 of those added correct an earlier figure.")
    assert "`--capacity-known from`" in text
    again = json.loads(told("import", "--capacity", path, "--json"))
    assert (again["counts"], again["capacity"]["known_already"]) == ({}, 1)
    assert json.loads(told("show", "--json"))["capacities"][0] == {
        "office": "W",
        "from_at": "2025-03-01T00:00:00-05:00",
        "known_at": "2025-03-01T00:00:00-05:00",
        "capacity_per_day": 12.5,
    }
    assert "2 capacities" in told("show")


def test_only_a_figure_of_an_office_comes_in(tmp_path):
    """No list of staff, no person in place of an office, no file without its columns."""
    staff = given_rows(tmp_path, {"office": "W", "from": "2025-03-01", "capacity_per_day": "1", "staff_names": "x"})
    with pytest.raises(PersonalDataError, match="a file of capacity holds office, from, known, capacity_per_day and"):
        read_places(capacity=staff)
    person = given_rows(tmp_path, {"office": "张先生", "from": "2025-03-01", "capacity_per_day": "1"})
    with pytest.raises(PersonalDataError, match="column 'office', row 1: looks like a person's name"):
        read_places(capacity=person)
    with pytest.raises(FileFormatError, match="expected a column 'from'"):
        read_places(capacity=given_rows(tmp_path, {"office": "W", "capacity_per_day": "1"}))
    assert violations("table", [office_capacity.name, *(column.name for column in office_capacity.columns)]) == []
    assert tuple(column.name for column in office_capacity.primary_key.columns) == CAPACITY_KEY


def test_offices_that_nobody_knows_are_counted(store, tmp_path):
    """An office is known from the file of offices of the same call, from the store, or from a case."""
    rows = [{"office": code, "from": "2025-03-01", "capacity_per_day": "1"} for code in ("W", "V", "U")]
    path = given_rows(tmp_path, *rows)
    offices = write_rows(tmp_path / "offices.csv", [{"office": "V", "tier": "town"}])
    report = import_places(store, offices=offices, capacity=path, imported_at=NOW)
    assert report.capacity is not None
    assert report.capacity.unknown_offices == 1
    assert report.counts == {"offices": 1}
    assert report.to_dict()["capacity"]["stored"] == 3
    assert report.warnings()[-1] == (
        "The file of capacities names 1 offices that neither the store nor any case has; they are kept by their code."
    )
    assert len(stored(store)) == 3


def test_a_simulated_city_writes_capacities_that_come_in_again(empty, tmp_path):
    """From the file as from memory: every office from the beginning on, and the failing one once more."""
    city = simulate_city(1, CityPlan(cases=300, villages=4, towns=2, warm_up_days=20))
    path = write_city(city, tmp_path)["capacity"]
    import_places(empty, capacity=path, imported_at=NOW)
    pd.testing.assert_frame_equal(
        empty.read_capacity(), city.capacities.sort_values([*CAPACITY_KEY], ignore_index=True)
    )
    twice = city.capacities[city.capacities["office"].duplicated()]
    assert twice["office"].tolist() == [city.truth.failing_office]
    assert twice["from_at"].tolist() == [city.truth.failing_since]
    changes = capacity_changes(city.capacities)
    own = changes[changes["office"] == city.truth.failing_office]["change"].to_numpy()
    assert np.isclose(1 + own[1] / own[0], city.truth.failing_capacity_kept, atol=0.02)
