"""Laws of label trust and timeliness that hold for any event log, however odd."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings

from data.event_log import fold_cases, known_before
from data.quality.label_trust import GRADES, trust
from data.quality.recording import recording
from data.quality.timeliness import timeliness
from tests.support.logs import event_logs, moments

# A dozen tables are made for every log: fewer logs than usual.
few = settings(max_examples=15)


@few
@given(event_logs(), moments())
def test_what_comes_later_changes_nothing_said_of_before(events, as_of):
    """Trust, timeliness and recording at a moment are the same with and without what was known from it on."""
    known = known_before(events, as_of)
    if not (known["kind"] == "opened").any() or known.empty:
        return
    cases = fold_cases(known)
    alone = trust(cases, known, as_of, "America/New_York")
    beside = trust(cases, events, as_of, "America/New_York")
    pd.testing.assert_frame_equal(alone.cells, beside.cells)
    assert alone.findings == beside.findings
    assert set(alone.cells["grade"]) <= set(GRADES)
    assert recording(cases, as_of, "America/New_York").empty


@given(event_logs(), moments())
def test_parts_and_wholes_of_timeliness(events, as_of):
    """No part exceeds its whole, shares lie in [0, 1] or are null, and groups add up."""
    known = known_before(events, as_of)
    if known.empty:
        return
    cases = fold_cases(known)
    whole = timeliness(cases, as_of).iloc[0]
    for part, base in (("closed_on_time", "closed"), ("on_time", "due"), ("closed", "promised"), ("due", "promised")):
        assert whole[part] <= whole[base]
    for share, base in (("share_of_closed", "closed"), ("share_of_due", "due"), ("km_share", "km_cases")):
        assert np.isnan(whole[share]) == (whole[base] == 0)
        assert np.isnan(whole[share]) or 0 <= whole[share] <= 1
    groups = timeliness(cases, as_of, by="office")
    for name in ("closed", "due", "km_cases", "without_promise"):
        assert groups[name].sum() == whole[name]


@few
@given(event_logs(), moments())
def test_cells_count_every_case_once_opened_and_once_closed(events, as_of):
    """Sums over the cells are those of the record, and a doubt is never more than its cell."""
    known = known_before(events, as_of)
    if known.empty:
        return
    cases = fold_cases(known)
    found = trust(cases, known, as_of, "Asia/Shanghai")
    assert found.cells["opened"].sum() == len(cases)
    assert found.cells["closed"].sum() == (cases["first_closed_at"] < as_of).sum()
    assert found.cells["share_in_doubt"].between(0, 1).all()
    weight = found.weight_of(cases)
    assert list(weight.index) == list(cases["case_id"])
    assert weight.between(0, 1).all()
