from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from shapely import coverage_is_valid
from shapely.geometry import shape

from data.boundary import violations
from data.errors import UsageError
from data.event_log import NEVER, fold_cases, is_near_instant
from data.mapping import find_mapping
from data.place_shapes import square_metres
from data.places import read_places
from data.schema import EVENT_FIELDS, Channel, ClosingReason, EventKind
from data.synthetic import CityPlan, SimulatedCity, simulate_city, write_city
from data.synthetic.arrivals import due_moments
from data.synthetic.calendars import make_calendars
from data.synthetic.catalogue import ASSETS, CATEGORIES, NAME_BEGINNINGS, NAME_ENDINGS
from data.synthetic.plan import lay_out
from data.tables import metadata

SMALL = CityPlan(cases=4_000, villages=12, towns=3)
FRAMES = ("events", "areas", "offices", "categories", "inspections")
DAY = 86_400


@pytest.fixture(scope="module")
def small() -> SimulatedCity:
    return simulate_city(1, SMALL)


@pytest.fixture(scope="module")
def city() -> SimulatedCity:
    return simulate_city(1)


@pytest.fixture(scope="module")
def cases(city: SimulatedCity) -> pd.DataFrame:
    return folded(city)


def as_log(city: SimulatedCity) -> pd.DataFrame:
    """The exported events as the event log has them: moments in UTC."""
    log = city.events.rename(columns={"reference": "case_id"})
    for name in ("at", "known_at", "due_at"):
        utc = log[name].dt.tz_localize(city.time_zone).dt.tz_convert("UTC").dt.tz_localize(None)
        seconds = (utc - pd.Timestamp(0)) // pd.Timedelta(seconds=1)
        log[name] = seconds.astype("Int64" if name == "due_at" else "int64")
    return log


def folded(city: SimulatedCity) -> pd.DataFrame:
    """One row per case, with whether its office has kept the first promise; null while that is open."""
    cases = fold_cases(as_log(city))
    ended = np.minimum(cases["first_closed_at"], cases["withdrawn_known_at"])
    cases["open"] = (cases["closed_at"] == NEVER) & (cases["withdrawn_known_at"] == NEVER)
    known = (cases["due_at_opening"] < city.end) & (cases["withdrawn_known_at"] == NEVER)
    known &= cases["channel"] != Channel.STAFF
    cases["late"] = (ended > cases["due_at_opening"]).astype("Int64").where(known)
    return cases


def late_share(city: SimulatedCity) -> float:
    return float(folded(city)["late"].mean())


def daily(city: SimulatedCity, category: str) -> pd.Series:
    """Cases opened per day, the last and unfinished day left out."""
    opened = city.events[(city.events["kind"] == EventKind.OPENED) & (city.events["category"] == category)]
    last = pd.Timestamp(city.end, unit="s", tz="UTC").tz_convert(city.time_zone).tz_localize(None).floor("D")
    days = opened["at"].dt.floor("D")
    return days[days < last].value_counts().sort_index()


def test_the_same_seed_gives_the_same_city(small):
    """Simulated twice, every frame is the same to the last value, and so is what was planted."""
    again = simulate_city(1, SMALL)
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(small, name), getattr(again, name))
    assert small.truth == again.truth


def test_another_seed_gives_another_city():
    """Over a few seeds the failing office and the rising problem are not always the same."""
    truths = [simulate_city(seed, SMALL).truth for seed in range(3)]
    assert len({truth.failing_office for truth in truths}) > 1
    assert len({(truth.rising_area, truth.rising_category) for truth in truths}) > 1


def test_a_year_has_about_sixty_thousand_cases(city, cases):
    """The demonstration has the size it promises: cases, categories, offices, villages, inspections."""
    assert 57_000 < len(cases) < 63_000
    assert len(city.categories) == 24
    assert len(city.offices) == 14
    assert len(city.areas) == 1 + 6 + 36
    assert 2_500 < len(city.inspections) < 3_500


def test_every_case_begins_with_its_opening(city):
    """A case has one opening, nothing happens before it, and nothing is known before it happens."""
    log = as_log(city)
    first = log.sort_values(["at"], kind="stable").drop_duplicates("case_id")
    assert (first["kind"] == EventKind.OPENED).all()
    assert (log["kind"] == EventKind.OPENED).sum() == log["case_id"].nunique()
    assert (log["known_at"] >= log["at"]).all()
    assert (log["known_at"] < city.end).all()
    assert (log["at"] >= city.start).all()


def test_what_becomes_known_later_happened_no_earlier(city):
    """Within a case the order of knowing is the order of happening, late records included."""
    log = as_log(city).sort_values(["case_id", "known_at", "at"], kind="stable")
    steps = log.groupby("case_id")["at"].diff().dropna()
    assert (steps >= 0).all()


def test_some_closings_are_recorded_late(city):
    """About three closings in a hundred become known hours later, and none more than two days."""
    log = as_log(city)
    closings = log[log["kind"] == EventKind.CLOSED]
    delay = closings["known_at"] - closings["at"]
    assert 0.015 < (delay > 0).mean() < 0.045
    assert delay.max() <= 2 * DAY
    assert (log["known_at"] == log["at"])[log["kind"] == EventKind.OPENED].all()


def test_an_opening_says_what_was_promised_by_the_clock(city):
    """Every deadline is what the service standard of its category gives at the opening, or the reopening."""
    log = as_log(city)
    codes = [spec.code for spec in CATEGORIES]
    category = log[log["kind"] == EventKind.OPENED].set_index("case_id")["category"].map(codes.index)
    promised = log[log["kind"].isin([EventKind.OPENED, EventKind.REOPENED])]
    due = due_moments(
        category.loc[promised["case_id"]].to_numpy(),
        promised["at"].to_numpy(),
        make_calendars(city.plan.dates[0]),
    )
    assert promised["due_at"].tolist() == due.tolist()
    assert (promised["due_at"] > promised["at"]).all()
    assert log[~log.index.isin(promised.index)]["due_at"].isna().all()


def test_no_case_ends_more_often_than_it_began(city):
    """A case is open or closed: the backlog of an office can never fall below nothing."""
    change = {
        EventKind.OPENED.value: 1,
        EventKind.REOPENED.value: 1,
        EventKind.CLOSED.value: -1,
        EventKind.WITHDRAWN.value: -1,
        EventKind.DUPLICATE.value: -1,
    }
    log = as_log(city).sort_values(["case_id", "known_at", "at"], kind="stable")
    log["change"] = log["kind"].map(change).fillna(0)
    standing = log.groupby("case_id")["change"].cumsum()
    assert standing.isin([0, 1]).all()


def test_a_pause_is_ended_before_the_case_is(city):
    """Paused and resumed alternate, and no case is closed while it is paused."""
    log = as_log(city).sort_values(["case_id", "known_at", "at"], kind="stable")
    touched = log[log["kind"] == EventKind.PAUSED]["case_id"].unique()
    sequences = log[log["case_id"].isin(touched)].groupby("case_id")["kind"].agg(list)
    after_pause = {following for kinds in sequences for kind, following in pairwise(kinds) if kind == "paused"}
    assert after_pause <= {EventKind.RESUMED, EventKind.WITHDRAWN}


def test_offices_change_hands_as_the_events_say(city):
    """A transferred case goes to another office, and a case handed up to the parent of the office it had."""
    log = as_log(city).sort_values(["case_id", "known_at", "at"], kind="stable")
    said = log[log["office"].notna()].copy()
    said["before"] = said.groupby("case_id")["office"].shift()
    moved = said[said["kind"] == EventKind.TRANSFERRED]
    assert (moved["office"] != moved["before"]).all()
    parent = city.offices.set_index("office")["parent"]
    up = said[said["kind"] == EventKind.HANDED_UP]
    assert len(up) > 200
    assert up["office"].tolist() == up["before"].map(parent).tolist()


def test_lateness_comes_from_the_queues(small):
    """The same cases in offices that can do twice as much are hardly ever late."""
    roomy = simulate_city(1, replace(SMALL, capacity=2.0))
    opened = [frame[frame["kind"] == EventKind.OPENED] for frame in (small.events, roomy.events)]
    pd.testing.assert_frame_equal(*[frame.reset_index(drop=True) for frame in opened])
    assert late_share(small) > 0.12
    assert late_share(roomy) < 0.4 * late_share(small)


def test_lateness_is_common_but_not_the_rule(cases):
    """Between 15 and 25 cases in a hundred are late, differently by office, category and month."""
    assert 0.15 < cases["late"].mean() < 0.25
    usual = cases[cases["opened_at"] < cases["opened_at"].min() + 190 * DAY]
    month = pd.to_datetime(usual["due_at_opening"], unit="s").dt.month
    for key in (usual["office_at_opening"], usual["category"]):
        by = usual.groupby(key)["late"].agg(["mean", "size"])
        large = by[by["size"] > 300]["mean"]
        assert large.max() > 2 * large.min()
    # The desks are closed for the Spring Festival, and cases go on coming in.
    by_month = usual["late"].groupby(month).mean()
    assert by_month[2] > by_month[11]


def test_the_morning_after_begins_with_open_cases(city, cases):
    """The year ends in mid-work: four to eight cases in a hundred are open, most not yet due."""
    ahead = cases["open"] & (cases["due_at"] >= city.end)
    assert 0.04 < ahead.mean() < 0.08
    assert ahead.sum() > 4 * (cases["open"] & ~ahead).sum()
    as_of = pd.Timestamp(city.end, unit="s", tz="UTC").tz_convert(city.time_zone)
    assert (as_of.day_of_week, as_of.hour, as_of.minute) == (1, 8, 30)


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 9))])
def test_the_planted_office_gets_worse_than_any_other(seed, city):
    """From the day its capacity falls, lateness rises there, and nowhere else as much."""
    city = city if seed == city.seed else simulate_city(seed)
    cases, truth = folded(city), city.truth
    office = cases["office_at_opening"]
    before = cases[cases["due_at_opening"] < truth.failing_since].groupby(office)["late"].mean()
    after = cases[cases["opened_at"] >= truth.failing_since].groupby(office)["late"].mean()
    worse = (after - before).sort_values()
    assert worse.index[-1] == truth.failing_office
    assert worse.iloc[-1] > 0.2
    assert worse.iloc[-1] > 1.5 * worse.iloc[-2]
    assert 2 * before[truth.failing_office] < after[truth.failing_office] < 0.95


def test_without_the_plant_the_office_keeps_its_promises(small):
    """It is the lost capacity that makes the office late: with it, the same office is late less often."""
    sound = folded(simulate_city(1, replace(SMALL, capacity_kept=1.0)))
    failed = folded(small)
    late = {}
    for name, frame in (("sound", sound), ("failed", failed)):
        own = frame[frame["office_at_opening"] == small.truth.failing_office]
        late[name] = own[own["opened_at"] >= small.truth.failing_since]["late"].mean()
    assert late["failed"] > late["sound"] + 0.2


def test_the_planted_problem_rises_to_the_end(city):
    """The planted cell has a few cases a week, and in its last weeks more and more."""
    truth = city.truth
    cell = city.events[(city.events["area"] == truth.rising_area) & (city.events["category"] == truth.rising_category)]
    week = (as_log(city).loc[cell.index, "at"] - truth.rising_since) // (7 * DAY)
    weekly = week.value_counts().reindex(range(-44, 6), fill_value=0).sort_index()
    assert 2 < truth.rising_usual_per_week < 6
    usual = weekly.loc[:-1].mean()
    assert usual == pytest.approx(truth.rising_usual_per_week, rel=0.35)
    assert usual < weekly.loc[0:1].mean() < weekly.loc[4:5].mean()
    assert weekly.loc[4:5].mean() > 2 * usual


def test_no_other_problem_is_planted(small):
    """Without the rise every other category has the same cases on the same days."""
    calm = simulate_city(1, replace(SMALL, rise=(1.0, 1.0)))
    for spec in CATEGORIES:
        with_plant, without = daily(small, spec.code), daily(calm, spec.code)
        assert with_plant.equals(without) == (spec.code != small.truth.rising_category)


def test_the_decoy_changes_the_channel_and_not_the_number(city):
    """After the roll-out more cases of that town come by the new channel, and not more in all."""
    log, truth = as_log(city), city.truth
    opened = log[(log["kind"] == EventKind.OPENED) & log["area"].str.startswith(truth.rollout_area)]
    after = opened["at"] >= truth.rollout_since
    by_app = (opened["channel"] == truth.rollout_channel).groupby(after).mean()
    assert by_app[True] > 2 * by_app[False]
    days = (truth.rollout_since - city.start) / DAY, (city.end - truth.rollout_since) / DAY
    per_day = after.sum() / days[1] / ((~after).sum() / days[0])
    others = log[(log["kind"] == EventKind.OPENED) & ~log["area"].str.startswith(truth.rollout_area, na=True)]
    late = others["at"] >= truth.rollout_since
    assert per_day / (late.sum() / days[1] / ((~late).sum() / days[0])) == pytest.approx(1, abs=0.12)


def test_bad_findings_go_before_cases(city):
    """After a serious finding an area has more of the related cases than after none."""
    log = as_log(city)
    opened = log[log["kind"] == EventKind.OPENED]
    found = city.inspections[city.inspections["at"] < city.end - 21 * DAY]
    rows = []
    for (area, category), visits in found.groupby(["area", "related_category"]):
        at = np.sort(opened[(opened["area"] == area) & (opened["category"] == category)]["at"].to_numpy())
        soon = np.searchsorted(at, visits["at"] + 21 * DAY) - np.searchsorted(at, visits["at"])
        rows.append(pd.DataFrame({"bad": visits["severity"] >= 2, "soon": soon, "usual": len(at) / 365 * 21}))
    ratio = pd.concat(rows).groupby("bad")[["soon", "usual"]].sum()
    ratio = ratio["soon"] / ratio["usual"]
    assert ratio[True] > 1.08 * ratio[False]


def test_inspections_are_about_places(city):
    """Every inspection is of a known asset in a known village, with a severity from 0 to 3."""
    found = city.inspections
    assert found["inspection_id"].is_unique
    assert set(found["asset_kind"]) == set(ASSETS)
    assert set(found["related_category"]) == set(ASSETS.values())
    assert set(found["severity"]) == {0, 1, 2, 3}
    assert set(found["area"]) <= set(city.areas["area"])
    assert (found["known_at"] >= found["at"]).all()
    assert (found["known_at"] < city.end).all()


def test_staff_notes_are_closed_at_once(cases):
    """A few cases are notes of work already done: closed within a minute, and by nobody else."""
    instant = is_near_instant(cases["opened_at"].to_numpy(), cases["first_closed_at"].to_numpy())
    assert 0.01 < instant.mean() < 0.05
    assert instant.tolist() == (cases["channel"] == Channel.STAFF).tolist()


def test_areas_form_a_tree_with_neighbours(city):
    """Every area but the city has a parent, populations add up, and neighbours are neighbours both ways."""
    areas = city.areas.set_index("area")
    top = areas["parent"].isna()
    assert areas.index[top].tolist() == ["A"]
    assert set(areas["parent"].dropna()) <= set(areas.index)
    for parent, children in areas[~top].groupby("parent"):
        assert children["population"].sum() == areas.loc[parent, "population"]
    assert all(
        here in areas.loc[other, "neighbours"] for here in areas.index for other in areas.loc[here, "neighbours"]
    )
    assert areas["name_zh"].is_unique
    assert areas["name_en"].is_unique


def test_every_area_has_its_ground(city):
    """Villages cover the city without overlapping, towns are their villages, and neighbours mostly touch."""
    areas = city.areas.set_index("area")
    shapes = {code: shape(json.loads(text)) for code, text in areas["boundary"].items()}
    villages = areas.index[areas["parent"].notna() & ~areas.index.isin(areas["parent"])]
    assert all(outline.is_valid and not outline.is_empty for outline in shapes.values())
    assert coverage_is_valid([shapes[code] for code in villages])
    for parent, children in areas.groupby("parent").groups.items():
        assert sum(shapes[code].area for code in children) == pytest.approx(shapes[parent].area, rel=1e-4)
    beside = [shapes[here].touches(shapes[other]) for here in villages for other in areas.loc[here, "neighbours"]]
    assert sum(beside) > 0.8 * len(beside)
    assert all(0.2e6 < square_metres(shapes[code]) < 400e6 for code in villages)


def test_the_outlines_move_nothing_else():
    """They follow from where the villages lie; the first numbers drawn are what they were without outlines."""
    areas = lay_out(CityPlan(), np.random.default_rng(2)).areas
    drawn = np.random.default_rng(2)
    drawn.normal(0, 0.75, 36)
    places = drawn.uniform(-0.5, 0.5, (36, 2))
    names = drawn.permutation(len(NAME_BEGINNINGS) * len(NAME_ENDINGS))[:36]
    begin, end = NAME_BEGINNINGS[names[0] // len(NAME_ENDINGS)], NAME_ENDINGS[names[0] % len(NAME_ENDINGS)]
    assert areas["name_zh"].iloc[7] == f"{begin[0]}{end[0]}村"
    first = shape(json.loads(areas["boundary"].iloc[7]))
    west, _south, east, _north = first.bounds
    # The first village lies in the first town, left in its row or right, as it was drawn.
    assert (west + east) / 2 == pytest.approx(124.0 + 0.115 * places[0, 0], abs=0.05)


def test_frames_have_the_columns_of_their_tables(city):
    """What is simulated fits the store: tables for places, the event fields for the export."""
    for name in ("area", "office", "category", "inspection"):
        columns = {column.name: column.nullable for column in metadata.tables[name].columns}
        frame = getattr(city, {"category": "categories"}.get(name, f"{name}s"))
        # What may be null need not be simulated: its inspections came by no import.
        assert set(frame.columns) <= set(columns)
        assert {column for column, nullable in columns.items() if not nullable} <= set(frame.columns)
    assert sorted(city.events.columns) == sorted(EVENT_FIELDS)


def test_words_are_those_of_the_schema(city):
    """Kinds, channels and closing reasons are from the closed lists, and references are running numbers."""
    events = city.events
    assert set(events["kind"]) <= {kind.value for kind in EventKind}
    assert set(events["channel"].dropna()) <= {channel.value for channel in Channel}
    assert set(events["closing_reason"].dropna()) <= {reason.value for reason in ClosingReason}
    assert events["reference"].str.fullmatch(r"20\d\d-\d{6}").all()
    opened = events[events["kind"] == EventKind.OPENED]
    assert 0 < opened["area"].isna().mean() < 0.02
    assert opened[["category", "category_group", "channel", "office", "due_at"]].notna().all().all()


def test_nothing_in_the_city_speaks_of_people(city):
    """No column, code or name of the simulated city is one that the boundary refuses."""
    names = [*city.events.columns, *ASSETS, *[spec.group for spec in CATEGORIES]]
    for frame, columns in (
        (city.categories, ["category", "name_zh", "name_en"]),
        (city.offices, ["office", "name_zh", "name_en"]),
        (city.areas, ["name_zh", "name_en"]),
    ):
        names += [*frame.columns, *(value for column in columns for value in frame[column])]
    assert violations("simulated city", names) == []


def test_a_city_is_written_as_files(small, tmp_path):
    """The files hold what the frames hold, local times without a zone, and the truth stands beside them."""
    paths = write_city(small, tmp_path / "new" / "folder")
    read = pd.read_parquet(paths["events"])
    assert read["at"].dt.tz is None
    pd.testing.assert_frame_equal(read.astype(small.events.dtypes), small.events)
    areas = json.loads(paths["areas"].read_text(encoding="utf-8"))
    assert areas[0]["parent"] is None
    assert areas[1]["neighbours"] == small.areas["neighbours"].iloc[1]
    found = read_places(paths["outlines"]).areas
    assert found["area"].tolist() == small.areas["area"].tolist()
    assert found["neighbours"].tolist() == small.areas["neighbours"].tolist()
    assert found["boundary"].notna().all()
    truth = json.loads(paths["truth"].read_text(encoding="utf-8"))
    assert truth["failing_office"] == small.truth.failing_office
    assert truth["seed"] == 1


def test_the_demo_mapping_reads_every_column(small):
    """The shipped mapping speaks of each column of the export, as history and not as a last state."""
    mapping = find_mapping("demo")
    assert mapping.source.shape == "events"
    assert mapping.source.time_zone == small.time_zone
    assert {name: column.field for name, column in mapping.columns.items()} == {
        name: name for name in small.events.columns
    }
    assert mapping.known("office") == "opened"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"towns": 7}, "Expected 1 to 6 towns"),
        ({"villages": 2}, "with 1 to 12 villages each, got 3 and 2"),
        ({"cases": 0}, "Expected at least one case"),
        ({"capacity": 0.0}, "some capacity"),
        ({"rise_days": 400}, "a rise shorter than the year"),
    ],
)
def test_an_impossible_plan_is_refused(change, message):
    """A plan that no city could follow is named at once."""
    with pytest.raises(UsageError, match=message):
        replace(SMALL, **change)


def test_a_year_without_known_holidays_is_refused():
    """The simulation does not invent the holidays of other years."""
    with pytest.raises(UsageError, match="The built-in holidays cover 2024-07-01"):
        simulate_city(1, replace(SMALL, first_day=pd.Timestamp("2023-09-16").date()))


def test_a_negative_seed_is_refused():
    """A seed is a whole number from 0."""
    with pytest.raises(UsageError, match="seed of 0 or more, got -1"):
        simulate_city(-1, SMALL)
