"""What is posted later changes no answer about an earlier moment, and a repeated post changes nothing."""

from __future__ import annotations

import shutil
import tempfile
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.import_cases import import_file
from data.mapping import parse_mapping
from data.replay import Replay
from data.store import Store
from features.facts import opened_only
from service.event_payloads import NewEvents
from service.known import Known
from service.posted_events import Posting
from tests.support.exports import LOG, write_rows

HOUR = 3_600
START = 1_772_400_000  # 1 March 2026
IMPORTED = [f"R-{number:03d}" for number in range(6)]
KINDS = ("assigned", "transferred", "paused", "resumed", "replied", "closed", "reopened", "amended")


def _shown(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@cache
def _template() -> Path:
    """A store with six imported cases: looked at twice, the second look later than some of its events."""
    folder = Path(tempfile.mkdtemp(prefix="heed-posted-"))
    rows = []
    for number, reference in enumerate(IMPORTED):
        opening = START + number * 7 * HOUR
        said = {"type": "drain", "village": "North", "unit": "Works", "due": _shown(opening + 72 * HOUR)}
        rows.append({"case": reference, "what": "opened", "at": _shown(opening), **said})
        if number % 2:
            rows.append({"case": reference, "what": "assigned", "at": _shown(opening + 2 * HOUR), "unit": "Water"})
    names = ("case", "what", "at", "due", "type", "village", "unit")
    file = write_rows(folder / "log.csv", [{name: row.get(name) for name in names} for row in rows])
    with Store.open(str(folder / "log.db"), create=True) as store:
        import_file(store, file, parse_mapping(LOG.encode()), extracted_at=START + 60 * HOUR)
    return folder / "log.db"


@st.composite
def _posts(draw: st.DrawFn) -> list[tuple[int, list[dict[str, object]]]]:
    """Posts with the moment at which each comes in: events of imported and of new cases, some long past."""
    moment, posts = START + 61 * HOUR, []
    for place in range(draw(st.integers(1, 3))):
        moment += draw(st.integers(0, 48)) * HOUR
        events: list[dict[str, object]] = []
        if draw(st.booleans()):
            at = moment - draw(st.integers(0, 60)) * HOUR
            events.append({"reference": f"N-{place}", "kind": "opened", "at": _shown(at), "category": "lift"})
        for _ in range(draw(st.integers(0 if events else 1, 4))):
            reference = draw(st.sampled_from(IMPORTED))
            opening = START + IMPORTED.index(reference) * 7 * HOUR
            at = draw(st.integers(opening, moment))
            said = draw(st.sampled_from([{}, {"office": "Parks"}, {"category": "light"}]))
            events.append({"reference": reference, "kind": draw(st.sampled_from(KINDS)), "at": _shown(at), **said})
        posts.append((moment, events))
    return posts


def _post(store: Store, moment: int, events: list[dict[str, object]]) -> int:
    """Post at a moment of the clock; how many were stored."""
    asked = NewEvents.model_validate({"source": "log", "events": events})
    with pytest.MonkeyPatch.context() as patch, Posting(store, asked, most=1_000) as posting:
        patch.setattr(time, "time", lambda: float(moment))
        posting.read()
        with store.writing() as connection:
            return posting.settle(connection).told.stored


def _answers(store: Store, as_of: int) -> list[pd.DataFrame | pd.Series]:
    """All that a question about a moment is answered from."""
    replay = Replay.at(store, as_of)
    known = Known.at(store, as_of)
    return [
        opened_only(store.read_events(as_of=as_of)),
        replay.events(),
        known.events,
        known.observed_until,
        replay.observed_until(),
    ]


def _same(one: list[pd.DataFrame | pd.Series], other: list[pd.DataFrame | pd.Series]) -> None:
    for before, after in zip(one, other, strict=True):
        if isinstance(before, pd.DataFrame):
            pd.testing.assert_frame_equal(before, after)
        else:
            pd.testing.assert_series_equal(before.sort_index(), after.sort_index())


@given(posts=_posts(), asked=st.lists(st.integers(0, 60 + 2 * 48), min_size=2, max_size=3))
@settings(max_examples=12)
def test_a_later_post_changes_no_answer_about_the_past(posts, asked):
    """Every moment up to the receipt is answered as before: by what was known, and by what had been recorded."""
    with tempfile.TemporaryDirectory() as folder:
        path = shutil.copy(_template(), folder)
        with Store.open(path) as store:
            for moment, events in posts:
                moments = {min(START + hours * HOUR + 1, moment) for hours in asked} | {moment}
                before = {as_of: _answers(store, as_of) for as_of in moments}
                _post(store, moment, events)
                for as_of, answers in before.items():
                    _same(answers, _answers(store, as_of))


@given(posts=_posts(), again=st.lists(st.integers(0, 2), min_size=1, max_size=4))
@settings(max_examples=10)
def test_a_post_that_is_repeated_changes_nothing(posts, again):
    """In any order, whenever it comes again, and cut into single events."""
    with tempfile.TemporaryDirectory() as folder:
        path = shutil.copy(_template(), folder)
        with Store.open(path) as store:
            for moment, events in posts:
                _post(store, moment, events)
            before, runs = store.read_events(), len(store.imports())
            last = posts[-1][0]
            for number in again:
                _, events = posts[number % len(posts)]
                assert _post(store, last + HOUR, events) == 0
                assert _post(store, last + HOUR, events[::-1][:1]) == 0
            pd.testing.assert_frame_equal(store.read_events(), before)
            assert len(store.imports()) == runs
