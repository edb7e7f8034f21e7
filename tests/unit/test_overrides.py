"""Where offices judged otherwise than the risks: what is counted, what is told of it, and who proved right."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from data.schema import EVENT_COLUMNS
from data.store import ImportRun, Store
from service.marks import Step, add_mark
from service.overrides import came_of, parts_of, read_overrides
from service.published import Figure
from tests.support.service_client import client_of
from tests.support.service_store import small_store

DAY = 86_400
BEGUN = 1_700_006_400
WITHHELD = Figure(None, withheld=True)


def test_what_is_divided_gives_no_small_count_back():
    """Of 47 cases 4 are small: with their sum they would follow, so that another count stays back with them."""
    values = pd.Series(["higher"] * 31 + ["lower"] * 12 + ["not_this_outcome"] * 4)
    shown = parts_of(values, ["higher", "lower", "not_this_outcome"], 10)
    assert shown == {"higher": Figure(30), "lower": WITHHELD, "not_this_outcome": WITHHELD}
    # One without any stays back as well, and nothing under the minimum is told.
    assert parts_of(pd.Series(["a"] * 9), ["a", "b"], 10) == {"a": WITHHELD, "b": WITHHELD}
    assert parts_of(pd.Series(["a"] * 23 + ["b"] * 12), ["a", "b"], 10) == {"a": Figure(25), "b": Figure(10)}


@pytest.mark.parametrize(
    ("choice", "failed", "told", "found"),
    [
        # 40 cases told 0.2 each: 8 expected, chance reaches 2.53 * 1.96 = 4.96 beyond.
        ("higher", 24, 0.2, (40, 25, None, 10, "office")),
        ("higher", 12, 0.2, (40, 10, None, 10, "open")),
        ("higher", 13, 0.2, (40, 15, None, 10, "office")),
        ("lower", 24, 0.2, (40, 25, None, 10, "risk")),
        ("lower", 12, 0.6, (40, 10, None, 25, "office")),
        ("not_this_outcome", 12, 0.6, (40, 10, None, 25, "office")),
        ("higher", 12, 0.6, (40, 10, None, 25, "risk")),
        ("higher", 9, 0.2, (40, None, "few", 10, None)),
        ("higher", 31, 0.2, (40, None, "all_but_few", 10, None)),
    ],
)
def test_who_proved_right_is_told_only_beyond_chance(choice, failed, told, found):
    """By hand: the sum of the risks, its standard deviation, and what came; counts to the nearest five."""
    came = np.array([1.0] * failed + [0.0] * (40 - failed))
    one = came_of(choice, "late", np.full(40, told), came, 10)
    assert (one.cases, one.failed, one.few, one.told, one.nearer) == found


def test_of_fewer_cases_than_the_minimum_nothing_is_told():
    """Nor of how many the risks made of them; and of 15 where both parts are small, not which is."""
    one = came_of("higher", "late", np.full(9, 0.9), np.ones(9), 10)
    assert (one.cases, one.failed, one.few, one.told, one.nearer) == (None, None, None, None, None)
    one = came_of("higher", "late", np.full(15, 0.5), np.array([1.0] * 8 + [0.0] * 7), 10)
    assert (one.cases, one.failed, one.few, one.nearer) == (15, None, None, None)


def history() -> pd.DataFrame:
    """60 cases with a promise of five days: 24 are closed after ten, 36 after two."""
    rows = []
    for number in range(60):
        one = {"case_id": f"{number:032x}", "category": "lamp" if number % 4 else "road", "area": "a", "office": "o"}
        opened = {"kind": "opened", "at": BEGUN, "known_at": BEGUN, "due_at": BEGUN + 5 * DAY}
        closed = BEGUN + (10 if number < 24 else 4) * DAY
        rows += [{**one, **opened}, {**one, "kind": "closed", "at": closed, "known_at": closed}]
    frame = pd.DataFrame(rows, columns=[*EVENT_COLUMNS])
    frame["due_at"] = frame["due_at"].astype("Int64")
    return frame.astype({name: "str" for name in EVENT_COLUMNS if name not in ("at", "known_at", "due_at")})


def risks(as_of: int, probability: float, band: str) -> pd.DataFrame:
    frame = pd.DataFrame({"case_id": [f"{number:032x}" for number in range(60)]})
    given = {"outcome": "late", "as_of": as_of, "probability": probability, "band": band, "reasons": "[]"}
    return frame.assign(model_version="m-1", landmark_at=as_of, lower=None, upper=None, **given)


@pytest.fixture
def store(tmp_path, monkeypatch):
    with Store.open(str(tmp_path / "x.db"), create=True) as opened:
        run = ImportRun(
            source="made",
            time_zone="UTC",
            known_at_opening=("category", "area", "office"),
            file_name="x.csv",
            file_sha256="0" * 64,
            extracted_at=BEGUN + 90 * DAY,
        )
        opened.add_events(run, history())
        opened.write_risks(risks(BEGUN + DAY, 0.2, "medium"))
        # After the marks: not what the offices saw.
        opened.write_risks(risks(BEGUN + 3 * DAY, 0.9, "high"))
        monkeypatch.setattr("service.marks.time.time", lambda: BEGUN + 2 * DAY)
        with opened.writing() as connection:
            for number in range(60):
                choice = "higher" if number < 45 else "lower"
                step = Step("overridden", choice=choice, reason="known_on_site")
                add_mark(connection, f"{number:032x}", "o", step)
            for number in range(40, 45):
                add_mark(connection, f"{number:032x}", "o", Step("overridden", is_set=False))
            add_mark(connection, f"{50:032x}", "o", Step("seen"))
        yield opened


def test_the_risk_that_stood_when_it_was_noted_is_held_against_what_came(store):
    """40 that are not taken back, told 0.2 each: 24 of them late; and 15 others, of which none was."""
    found = read_overrides(store, BEGUN + 60 * DAY)
    assert found.cases == Figure(55)
    assert found.by["choice"] == {"higher": Figure(40), "lower": WITHHELD, "not_this_outcome": WITHHELD}
    # All are of one band: shown, it would say of the others that they have none.
    assert found.by["band"] == dict.fromkeys(("high", "medium", "low", "unknown"), WITHHELD)
    assert set(found.by["category"]) == {"lamp", "road"}
    assert [(one.choice, one.outcome) for one in found.came] == [("higher", "late"), ("lower", "late")]
    higher, lower = found.came
    assert (higher.cases, higher.failed, higher.told, higher.nearer) == (40, 25, 10, "office")
    assert (lower.cases, lower.failed, lower.few, lower.told, lower.nearer) == (15, None, "few", 5, None)


def test_what_is_not_mature_is_not_told(store):
    """Four days in, no promise has passed; a case that is closed in time before is known not to be late."""
    assert read_overrides(store, BEGUN + 3 * DAY).came == ()


def test_without_any_mark_there_is_nothing_to_tell(tmp_path):
    """No error, and no nought."""
    with Store.open(str(small_store(tmp_path))) as opened:
        found = read_overrides(opened, BEGUN + 60 * DAY)
    assert found.cases == WITHHELD
    assert found.came == ()
    assert all(figure.withheld for parts in found.by.values() for figure in parts.values())


def test_the_answer_names_no_office_and_no_area_and_the_page_shows_it(tmp_path):
    """30 of the open cases, of several offices, marked: the count is told, to the nearest five, in both languages."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as opened:
        cases = opened.read_risks()["case_id"].unique()[:33]
        with opened.writing() as connection:
            for case_id in cases:
                step = Step("overridden", choice="lower", reason="record_wrong")
                add_mark(connection, str(case_id), "O-3", step)
    client = client_of(path)
    answer = client.json("/v1/overrides")
    assert answer["cases"] == {"value": 35, "withheld": False}
    text = json.dumps(answer)
    assert not re.search(r'"[OAT]-\d', text)
    assert not any(str(case_id) in text for case_id in cases)
    for language, words in (("en", "About 35 cases are judged otherwise"), ("zh", "约35件案件")):
        assert words in client.get(f"/models/overrides?lang={language}", accept="text/html").text
    assert "/models/overrides" in client.get("/models", accept="text/html").text
