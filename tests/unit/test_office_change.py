"""The change of an office is believed by how far it goes, and belongs to the office and not to the city."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.office_change import believed_change, office_change
from features.records import Records
from features.terms import KnownTerms, traced


def answered(**counts: dict[str, int]) -> Records:
    """Records of one landmark: what the terms of the office and of the city answer, by fact table and measure."""
    answers = {}
    for term in traced(lambda source: office_change(Records(source))):
        whose = "office" if term.keys else "city"
        window = "recent" if term.window is not None else "ever"
        answers[term.name] = np.array([counts.get(f"{whose}_{window}", {}).get(term.measure, 0)])
    return Records(KnownTerms(answers, 1))


@given(st.floats(-20, 20))
def test_a_change_is_never_believed_beyond_what_was_seen(change):
    """And it keeps its sign."""
    told = believed_change(np.array([change]))[0]
    assert abs(told) <= abs(change)
    assert told * change >= 0


def test_small_changes_are_hardly_believed_and_large_ones_nearly_in_full():
    """Half a unit of log-odds is what calm offices do; two units no spell explains. The more, the more is believed."""
    seen = np.linspace(0.05, 6.0, 200)
    share = believed_change(seen) / seen
    assert believed_change(np.array([0.45]))[0] < 0.05
    assert believed_change(np.array([2.0]))[0] > 1.7
    assert (np.diff(share) > -1e-12).all()
    assert (np.diff(share[seen < 2]) > 0).all()
    assert np.isfinite(believed_change(np.array([-60.0, 60.0]))).all()


def test_it_is_the_posterior_mean_of_a_mixture():
    """Drawn from the model itself: calm nine times of ten, else lasting; the mean of what lasts is told."""
    rng = np.random.default_rng(3)
    lasting = np.where(rng.random(2_000_000) < 0.1, rng.normal(0, 1.2, 2_000_000), 0.0)
    seen = lasting + rng.normal(0, 0.45, len(lasting))
    for at in (0.5, 1.0, 1.5, 2.5):
        near = np.abs(seen - at) < 0.02
        assert abs(lasting[near].mean() - believed_change(np.array([at]))[0]) < 0.03


def test_an_office_that_fails_while_the_city_does_not_is_told_so():
    """Nearly all its promises of a month were broken, and hardly any before; the other way round it falls."""
    calm = {"n": 4000, "late": 800}
    month = {"n": 400, "late": 80}
    worse = office_change(
        answered(
            city_ever=calm, city_recent=month, office_ever={"n": 400, "late": 80}, office_recent={"n": 40, "late": 39}
        )
    )
    better = office_change(
        answered(
            city_ever=calm, city_recent=month, office_ever={"n": 400, "late": 350}, office_recent={"n": 40, "late": 1}
        )
    )
    assert worse[0] > 0.5
    assert better[0] < -0.5


def test_a_bad_month_of_the_whole_city_is_no_doing_of_an_office():
    """An office of which nothing is known goes with the city, and has not changed."""
    ever, month = {"n": 4000, "late": 400}, {"n": 400, "late": 390}
    assert abs(office_change(answered(city_ever=ever, city_recent=month))[0]) < 1e-12
