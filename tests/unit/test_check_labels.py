"""What a check tells of labels: grades, the symptoms behind them, timeliness, gaps and roll-outs of the recording."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from data.quality import check_labels
from data.quality.check import CODES, check_subject
from data.quality.check_finding import sentence
from data.quality.check_labels import label_trust_of, timeliness_of
from data.quality.label_trust_findings import SENTENCES, TrustFinding
from tests.support.check_exports import healthy, subject_of


def _codes(frame: pd.DataFrame, folder) -> dict[str, list]:
    subject = subject_of(frame, folder)
    labels = label_trust_of(subject)
    found: dict[str, list] = {}
    for one in check_labels.find(subject, labels, timeliness_of(subject)):
        found.setdefault(one.code, []).append(one)
    return found


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return _codes(healthy(), tmp_path_factory.mktemp("clean"))


def test_labels_in_good_order_are_graded_and_nothing_else(clean):
    """Only the grades are told, as a note, and nearly all are good."""
    assert set(clean) == {"label_grades"}
    (grades,) = clean["label_grades"]
    assert grades.level == "note"
    assert grades.figures["share"] > 0.9


def test_closings_in_bulk_spoil_the_grades(clean, tmp_path):
    """Works closes what had lain about for months in one hour: told as a symptom, and graded down."""
    frame = healthy(4000)
    bulk = (frame["unit"] == "Works") & frame["opened"].between("2022-03-01", "2022-06-30")
    batch = pd.Series(pd.Timestamp("2022-09-05 14:03:07") + pd.to_timedelta(frame.index % 3000, "s"), frame.index)
    frame["closed"] = frame["closed"].mask(bulk, batch)
    found = _codes(frame, tmp_path)
    assert "label_mass_closing" not in clean
    (bulk_told,) = found["label_mass_closing"]
    assert bulk_told.where.office == "Works"
    assert "Works" in sentence(CODES["label_mass_closing"], bulk_told, "en")
    assert found["label_grades"][0].figures["share"] < clean["label_grades"][0].figures["share"]


def test_figures_of_timeliness_that_lie_apart_are_told(clean, tmp_path):
    """A sixth is never closed: of the closed nearly all were on time, of the due far fewer."""
    frame = healthy()
    frame.loc[frame.index % 6 == 0, "closed"] = pd.NaT
    (apart,) = _codes(frame, tmp_path)["timeliness_apart"]
    assert "timeliness_apart" not in clean
    assert apart.figures["share_closed"] - apart.figures["share_due"] > 0.05


def test_a_gap_in_one_series_is_told(clean, tmp_path):
    """Litter is not recorded for four months, while everything else goes on."""
    frame = healthy(6000)
    gone = (frame["kind"] == "Litter") & frame["opened"].between("2022-05-01", "2022-09-01")
    assert "recording_gap" in _codes(frame[~gone], tmp_path)
    assert "recording_gap" not in clean


def test_a_roll_out_over_areas_is_told(clean, tmp_path):
    """Eight villages join one after the other: the growth is one of coverage."""
    rng = np.random.default_rng(4)
    frame = healthy(6000)
    place = rng.integers(0, 8, len(frame))
    frame["village"] = [f"V{number}" for number in place]
    joined = pd.Timestamp("2021-01-01") + pd.to_timedelta(place * 90, "D")
    assert "recording_roll_out" in _codes(frame[frame["opened"] >= joined], tmp_path)
    assert "recording_roll_out" not in clean


class _Told:
    """Label trust that found just these."""

    def __init__(self, labels, findings):
        self.findings = findings
        self.grade_counts = labels.grade_counts


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    subject = subject_of(healthy(400), tmp_path_factory.mktemp("judged"))
    return subject, label_trust_of(subject), timeliness_of(subject)


def _figures(code: str, value: int) -> TrustFinding:
    """A finding of label trust with the same number in every place."""
    from string import Formatter

    names = {name for text in SENTENCES[code] for _, name, _, _ in Formatter().parse(text) if name}
    words = {"day": "2022-05-01", "slot_zh": "日", "slot_en": "day", "most_channel": "phone"}
    figures = dict.fromkeys(names - words.keys() - {"months"}, value)
    return TrustFinding(
        code=code, figures=figures, office="Works", first_month="2022-05",
        words={name: word for name, word in words.items() if name in names},
    )  # fmt: skip


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_every_symptom_of_label_trust_is_told_or_told_elsewhere(code, judged):
    """Whatever label trust finds has a code here; what other families say is not said twice."""
    subject, labels, times = judged
    found = [one.code for one in check_labels.find(subject, _Told(labels, (_figures(code, 50),)), times)]
    told = [one for one in found if one.startswith("label_") and one != "label_grades"]
    assert told == ([] if code in check_labels._ELSEWHERE else [f"label_{code}"])
    silent = [one.code for one in check_labels.find(subject, _Told(labels, ()), times)]
    assert f"label_{code}" not in silent


def test_a_symptom_without_a_code_of_its_own_is_told(judged, monkeypatch):
    """A later version of label trust may know more."""
    subject, labels, times = judged
    monkeypatch.delitem(check_labels._SYMPTOMS, "office_move")
    found = [one.code for one in check_labels.find(subject, _Told(labels, (_figures("office_move", 50),)), times)]
    assert "label_other" in found


def test_small_symptoms_are_counted_and_not_described(judged):
    """A batch of three at an office is told as one place and no more."""
    subject, labels, times = judged
    found = {one.code: one for one in check_labels.find(subject, _Told(labels, (_figures("mass_closing", 3),)), times)}
    one = found["label_mass_closing"]
    assert one.where.office is None
    assert sentence(CODES[one.code], one, "en") == "Found in 1 places, each with too few cases to be told of."


def test_days_declared_as_such_are_no_midnight_deadlines(judged):
    """Where the mapping ends a deadline with its day, label trust's warning about midnights is moot."""
    subject, labels, times = judged
    assert subject.mapping is not None
    due = subject.mapping.columns["due"].model_copy(update={"end_of_day": True})
    mapping = subject.mapping.model_copy(update={"columns": {**subject.mapping.columns, "due": due}})
    told = _Told(labels, (_figures("midnight_deadline", 50),))
    codes = [one.code for one in check_labels.find(dataclasses.replace(subject, mapping=mapping), told, times)]
    assert "label_midnight_deadline" not in codes


def test_a_check_holds_all_of_it(judged):
    """Grades, worst cells and the three figures are there for the report."""
    checked = check_subject(judged[0])
    assert checked.grades is not None
    assert sum(checked.grades.values()) == 400
    assert checked.timeliness is not None
    assert set(checked.timeliness) >= {"share_of_closed", "share_of_due", "km_share"}
    assert not checked.stops
