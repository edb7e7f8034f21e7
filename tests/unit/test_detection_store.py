"""Detection on a store: what is found, stored and later said of it, from events to tables."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import numpy as np
import pandas as pd
import pytest

from data.errors import NotEnoughDataError
from data.schema import EVENT_COLUMNS
from data.store import ImportRun, Store
from service import detection
from service.detection import groups_of
from tests.support.exports import fresh_schema
from tests.support.weekly import MONDAY, WEEK

AREAS = ("a1", "a2", "a3", "b1")
KINDS = ("lamp", "road", "water")
GROUPS = {"lamp": "streets", "road": "streets"}
FIRST_END = MONDAY + 21 * WEEK  # the end of the first week that is judged

# Three weeks behind each signal instead of a year of them, each of which is a detection of its own; and one where they
# are not looked at.
detect = partial(detection.detect, weeks=3)
detect_alone = partial(detection.detect, weeks=1)


def reports(matrix: np.ndarray, *, late: float = 0.0) -> pd.DataFrame:
    """Openings for counts of shape (weeks, areas, kinds); of the first area's, a share becomes known a week late."""
    rng = np.random.default_rng(1)
    rows = []
    for (week, area, kind), n in np.ndenumerate(matrix):
        for number in range(n):
            at = int(MONDAY + week * WEEK + rng.integers(WEEK))
            rows.append(
                {
                    "case_id": f"{week}-{area}-{kind}-{number}",
                    "kind": "opened",
                    "at": at,
                    "known_at": at + (WEEK if area == 0 and rng.random() < late else 0),
                    "category": KINDS[kind],
                    "category_group": GROUPS.get(KINDS[kind]),
                    "area": AREAS[area],
                    "channel": "phone",
                    "office": "works",
                }
            )
    frame = pd.DataFrame(rows, columns=[*EVENT_COLUMNS])
    frame["due_at"] = frame["due_at"].astype("Int64")
    return frame.astype({name: "str" for name in EVENT_COLUMNS if name not in ("at", "known_at", "due_at")})


def filled(store: Store, events: pd.DataFrame) -> Store:
    """A store with a town of three villages, another area, and those events."""
    areas = pd.DataFrame({"area": ["T", *AREAS], "parent": [None, "T", "T", "T", None]})
    store.write_places(areas=areas.assign(name_zh=None, name_en=None, population=None))
    run = ImportRun(
        source="made",
        time_zone="UTC",
        known_at_opening=("category", "category_group", "area", "channel", "office"),
        file_name="made.csv",
        file_sha256="0" * 64,
        extracted_at=int(events["known_at"].max()) + 1,
    )
    store.add_events(run, events)
    return store


def a_city_that_rises() -> np.ndarray:
    """26 calm weeks; from the 21st on lamps of a1, and roads of all villages, rise for good; water of b1 only then."""
    matrix = np.random.default_rng(3).poisson(6.0, size=(26, 4, 3))
    matrix[20:, 0, 0] = 26
    matrix[20:, :3, 1] = 22
    matrix[20, 3, 2] = 26
    return matrix


@pytest.fixture(scope="module")
def events():
    return reports(a_city_that_rises())


@pytest.fixture
def store(tmp_path, events):
    with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
        yield filled(opened, events)


def keys(frame: pd.DataFrame) -> set[tuple[str, str, str]]:
    return set(zip(frame["area"], frame["category"], frame["direction"], strict=True))


def test_signals_and_the_weeks_behind_them_are_stored(store):
    """What was found is what can be read, and every signal has its three weeks with counts that were reported."""
    found = detect(store, as_of=FIRST_END)
    signals, weeks = store.read_signals(FIRST_END), store.read_signal_weeks(FIRST_END)
    assert keys(signals) == keys(found.signals)
    assert {("a1", "lamp", "rise"), ("b1", "water", "rise")} <= keys(signals)
    assert signals["week"].eq(FIRST_END - WEEK).all()
    assert len(weeks) == 3 * len(signals[["area", "category"]].drop_duplicates())
    newest = weeks.set_index(["area", "category", "week"]).xs(FIRST_END - WEEK, level="week")
    assert newest.loc[("a1", "lamp"), "observed"] == 26
    assert newest.loc[("a1", "lamp"), "area_reports"] == a_city_that_rises()[20, 0].sum()
    assert newest.loc[("b1", "water"), "alarm"] == "rise"
    assert not store.read_pressure(FIRST_END).empty


def test_a_rise_spread_over_villages_is_told_of_their_sum_and_of_the_group(store):
    """With parents and groups the sums are judged as well; a sum says how many parts it has."""
    detect(store, as_of=FIRST_END)
    signals = store.read_signals(FIRST_END)
    sums = signals[signals["level"] == "sum"]
    assert sums["area"].isin(["T", "*", *AREAS]).all()
    assert sums["n_parts"].ge(2).all()
    series = signals[signals["level"] == "series"]
    assert series["category_group"].fillna("").tolist() == [GROUPS.get(one, "") for one in series["category"]]
    roads = signals[signals["category"].isin(["road", "streets"])]
    assert set(roads["area"]) & {"T", "*"} or {"a1", "a2", "a3"} <= set(roads["area"])


@pytest.mark.slow
def test_what_is_detected_twice_is_stored_once(store):
    """The same moment again replaces, and changes nothing."""
    detect(store, as_of=FIRST_END)
    first = store.read_all_signals(), store.read_signal_weeks(FIRST_END)
    detect(store, as_of=FIRST_END)
    pd.testing.assert_frame_equal(store.read_all_signals(), first[0])
    pd.testing.assert_frame_equal(store.read_signal_weeks(FIRST_END), first[1])


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_four_weeks_later_it_is_known_what_lasted(kind, tmp_path, events, request):
    """Lamps of a1 stay up and have lasted, water of b1 has faded; said once, and no later detection says it again."""
    with ExitStack() as stack:
        url = str(tmp_path / "later.db")
        if kind == "postgresql":
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
        store = filled(stack.enter_context(Store.open(url, create=True)), events)
        detect_alone(store, as_of=FIRST_END)
        told = store.read_signals(FIRST_END)
        assert store.read_outcomes().empty
        detect_alone(store, as_of=FIRST_END + 3 * WEEK)
        assert store.read_outcomes().empty
        detect_alone(store, as_of=FIRST_END + 4 * WEEK)
        outcomes = store.read_outcomes()
        later = outcomes.set_index(["area", "category"])["later"]
        assert later[("a1", "lamp")] == "lasted"
        assert later[("b1", "water")] == "faded"
        assert set(outcomes["signal_id"]) <= set(told["signal_id"])
        assert outcomes["known_at"].eq(FIRST_END + 4 * WEEK).all()
        detect_alone(store, as_of=FIRST_END + 5 * WEEK)
        again = store.read_outcomes()
        pd.testing.assert_frame_equal(
            again[again["signal_id"].isin(outcomes["signal_id"])].reset_index(drop=True), outcomes
        )


@pytest.mark.slow
def test_later_events_change_no_earlier_detection(tmp_path, events):
    """Signals as of a moment are the same in a store that knows no more and in one that knows what came after."""
    known = events[events["known_at"] < FIRST_END]
    with Store.open(str(tmp_path / "short.db"), create=True) as store:
        short = detect(filled(store, known), as_of=FIRST_END).signals
    with Store.open(str(tmp_path / "long.db"), create=True) as store:
        long = detect(filled(store, events), as_of=FIRST_END).signals
    assert len(short) > 0
    pd.testing.assert_frame_equal(short, long)


def test_reports_that_come_in_late_raise_no_silence(tmp_path, monkeypatch):
    """Half of the reports of an area become known a week late: its newest week is taken for half, and nothing fell
    silent; other areas are taken for whole.
    """
    matrix = np.random.default_rng(5).poisson(12.0, size=(24, 4, 3))
    seen = []
    completed = detection._completed
    monkeypatch.setattr(detection, "_completed", lambda *given: seen.append(completed(*given)) or seen[-1])
    with Store.open(str(tmp_path / "late.db"), create=True) as store:
        found = detect(filled(store, reports(matrix, late=0.5)), as_of=MONDAY + 24 * WEEK)
    assert not found.signals["direction"].eq("silence").any()
    newest = seen[0].complete[-1]
    late = seen[0].series["area"].eq("a1").to_numpy()
    assert ((newest[late] > 0.35) & (newest[late] < 0.75)).all()
    assert (newest[~late] > 0.8).all()


def test_a_store_without_cases_says_what_to_do(tmp_path, events):
    """An import is asked for, and nothing is written."""
    with Store.open(str(tmp_path / "empty.db"), create=True) as store:
        filled(store, events)
        with pytest.raises(NotEnoughDataError, match=r"^No case was known at that moment\. Import a file first"):
            detect(store, as_of=MONDAY - WEEK)
        assert store.read_all_signals().empty


def test_a_category_belongs_to_the_group_that_most_of_its_cases_have():
    """Of two groups the commoner; a category without one, and a group named like a category, are left out."""
    cases = pd.DataFrame(
        {
            "category": ["lamp", "lamp", "lamp", "road", "water", None, "drain"],
            "category_group": ["streets", "streets", "night", "streets", None, "streets", "lamp"],
        }
    )
    assert groups_of(cases) == {"lamp": "streets", "road": "streets"}
