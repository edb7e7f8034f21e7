"""The traps that are known to lie in real exports are found by name, with their figures."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest

from data.event_log import fold_cases
from data.import_cases import import_file
from data.mapping import find_mapping
from data.observation import observed_until
from data.quality.label_trust import LabelTrust, trust
from data.quality.label_trust_findings import TrustFinding
from data.quality.recording import recording
from data.quality.timeliness import timeliness
from data.store import Store


@dataclass(frozen=True)
class Record:
    """A real export with what label trust says of it."""

    cases: pd.DataFrame
    found: LabelTrust
    as_of: int
    time_zone: str
    followed: pd.Series

    def only(self, code: str, category: str | None = None) -> list[TrustFinding]:
        return [f for f in self.found.findings if f.code == code and (category is None or f.category == category)]


@pytest.fixture
def read(real_file, tmp_path):
    """Import an export by name and judge it."""

    def judge(name: str, mapping: str) -> Record:
        file = real_file(name)
        with Store.open(f"sqlite:///{tmp_path / 'x.db'}", create=True) as store:
            import_file(store, file, find_mapping(mapping))
            as_of, zone = store.last_known_at() + 1, store.time_zone()
            events, followed = store.read_events(as_of=as_of), observed_until(store)
        cases = fold_cases(events)
        return Record(cases, trust(cases, events, as_of, zone, followed), as_of, zone, followed)

    return judge


@pytest.mark.slow
def test_boston_2011(read):
    """Warnings 3 and 4: a fifth without a deadline; thousands of closings within a minute, through the staff's door."""
    boston = read("boston_311_2011h2.parquet", "boston")
    (without,) = boston.only("no_deadline")
    assert without.figures["share"] == pytest.approx(0.19, abs=0.005)
    (pothole,) = boston.only("quick_closing", "Pothole Repair (Internal)")
    assert pothole.figures["share"] == 1.0
    assert pothole.words["most_channel"] == "staff"
    instant = boston.found.cells["near_instant"].sum() / len(boston.cases)
    assert instant == pytest.approx(0.16, abs=0.01)
    assert boston.only("mass_closing")
    found = recording(boston.cases, int(boston.cases["opened_at"].max()) + 1, boston.time_zone)
    assert set(found.loc[(found["code"] == "stop") & (found["unit"] == "category"), "category"]) == {
        "Request for Recycling Cart"
    }


@pytest.mark.slow
def test_boston_animal_and_pest(read):
    """Warnings 2 and 7: the share never closed drops around 2021 in record keeping; three types stop with 2019."""
    pest = read("boston_311_animal_pest_2013_2023.parquet", "boston")
    drops = [
        one
        for category in ("Animal Generic Request", "Animal Found")
        for one in pest.only("never_closed", category)
        if one.figures["before"] > 0.8 and one.figures["after"] < 0.4 and "2020-09" <= str(one.first_month) <= "2021-03"
    ]
    assert len(drops) == 2
    assert pest.only("no_deadline")[0].figures["share"] == pytest.approx(0.55, abs=0.005)
    (batch,) = [one for one in pest.only("mass_closing") if one.office == "INFO"]
    assert batch.words["day"] == "2022-09-15"
    found = recording(pest.cases, int(pest.cases["opened_at"].max()) + 1, pest.time_zone)
    whole = found[found["unit"] == "category"]
    assert set(whole.loc[whole["code"] == "stop", "category"]) == {
        "Pick up Dead Animal",
        "Pest Infestation - Residential",
        "Bed Bugs",
    }
    assert {"Animal Found", "Animal Lost", "Animal Noise Disturbances"} <= set(
        whole.loc[whole["code"] == "start", "category"]
    )


@pytest.mark.slow
def test_st_louis(read):
    """Warning 8: deadlines are dates; a third of what the first snapshot alone shows was still open."""
    louis = read("stlouis_csb_2018_01.parquet", "stlouis")
    (midnight,) = louis.only("midnight_deadline")
    assert midnight.figures["share"] > 0.99
    assert midnight.figures["same_day"] > 200
    (left,) = louis.only("left_open")
    assert left.figures["share"] == pytest.approx(0.33, abs=0.02)
    assert louis.only("followed_short")
    told = timeliness(louis.cases, louis.as_of, louis.followed).iloc[0]
    assert told["share_of_closed"] > told["share_of_due"] + 0.15
    assert told["km_lower"] < told["km_share"] < told["km_upper"]
    assert told["km_censored"] > 1000


@pytest.mark.slow
def test_chicago(read):
    """Warning 9: one case in twenty is a duplicate, and the median time to close doubles in 2013."""
    chicago = read("chicago_sanitation_2011_2014.parquet", "chicago_sanitation")
    assert chicago.only("duplicates")[0].figures["share"] == pytest.approx(0.05, abs=0.005)
    (year,) = chicago.only("pace_by_year")
    assert (year.figures["year_after"], year.figures["median_before"], year.figures["median_after"]) == (2013, 2, 4)
    assert chicago.only("pace_shift", "Garbage in yard")
    assert not chicago.only("quick_closing")
