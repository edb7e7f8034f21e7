"""Laws of the log of inspections: nothing is known early, nothing known is taken back, and order does not matter."""

from __future__ import annotations

from itertools import count, permutations
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.import_report import ImportReport
from data.inspections import import_inspections
from data.store import Store
from tests.support.exports import fresh_schema, utc
from tests.support.inspected import drains, write_visits

DAY = 86_400
START = utc("2024-03-01", "Asia/Shanghai")

visits = st.dictionaries(st.sampled_from("123"), st.tuples(st.integers(0, 9), st.sampled_from("1235")), max_size=3)
# Looks of one source, oldest first; a visit may change in each, be missing, or come back.
exports = st.lists(visits.filter(bool), min_size=1, max_size=4)


_COUNT = count()


class Log:
    """A source of its own in a store that all examples share: making a store takes longer than all the rest."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder, self.name = store, folder, f"drains_{next(_COUNT)}"

    def add(self, place: int, export: dict[str, tuple[int, str]]) -> ImportReport:
        """Import the export number `place`."""
        rows = [
            {"no": number, "day": str(pd.Timestamp("2024-03-01") + pd.Timedelta(days=day))[:10], "state": state}
            for number, (day, state) in export.items()
        ]
        # The village says which visit it is, in every store and source alike.
        rows = [{**row, "village": f"V{row['no']}"} for row in rows]
        file = write_visits(self.folder / f"{self.name}_{place}.csv", *rows)
        mapping = drains(('name = "drains"', f'name = "{self.name}"'))
        return import_inspections(self.store, file, mapping, extracted_at=look(place))

    def answer(self, moment: int | None) -> list[tuple[object, ...]]:
        """What is known at a moment: (village, at, known_at, severity) of each visit."""
        frame = self.store.read_inspections(moment)
        frame = frame[frame["source"] == self.name]
        return sorted(frame[["area", "at", "known_at", "severity"]].itertuples(index=False, name=None))


def look(place: int) -> int:
    """The moment of an export: all of them after the last visit."""
    return START + (20 + 10 * place) * DAY


def moments() -> list[int]:
    return [START + days * DAY + 1 for days in (1, 6, 11, 20, 30, 35, 40)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store.open(str(tmp_path_factory.mktemp("log") / "heed.db"), create=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@settings(max_examples=7)
@given(listed=exports)
def test_nothing_is_known_before_it_was_and_corrections_change_no_earlier_answer(store, folder, listed):
    """After a further import, answers to moments before its look are what they were for visits known by then."""
    log = Log(store, folder)
    for place, export in enumerate(listed):
        before = {moment: log.answer(moment) for moment in moments() if moment <= look(place)}
        log.add(place, export)
        for moment, known in before.items():
            now = log.answer(moment)
            assert set(known) <= set(now)
            assert all(at <= known_at < moment for _, at, known_at, _ in now)
            # A new row of the past can only be a visit that no look had shown before.
            assert not {row[0] for row in set(now) - set(known)} & {row[0] for row in known}


def without_return(listed: list[dict[str, tuple[int, str]]]) -> bool:
    """Whether no visit changes and later changes back: that alone cannot be told from looks out of order."""
    for number in "123":
        seen = [export[number] for export in listed if number in export]
        runs = [one for place, one in enumerate(seen) if place == 0 or one != seen[place - 1]]
        if len(runs) != len(set(runs)):
            return False
    return True


@example(listed=[{"1": (0, "5")}, {"1": (0, "1"), "2": (1, "1")}, {"1": (2, "2"), "2": (1, "5")}])
@settings(max_examples=4)
@given(listed=st.lists(visits.filter(bool), min_size=2, max_size=3).filter(without_return))
def test_the_order_of_importing_does_not_matter(store, folder, listed):
    """Whatever order the exports come in, every moment has the same answer."""
    answers = []
    for order in permutations(range(len(listed))):
        log = Log(store, folder)
        for place in order:
            log.add(place, listed[place])
        answers.append([log.answer(moment) for moment in (*moments(), None)])
    assert all(one == answers[0] for one in answers[1:])


@settings(max_examples=4)
@given(listed=exports)
def test_importing_again_changes_nothing(store, folder, listed):
    """All exports once more, the last one first: no row is added."""
    log = Log(store, folder)
    for place, export in enumerate(listed):
        log.add(place, export)
    before = log.answer(None)
    for place, export in reversed(list(enumerate(listed))):
        assert log.add(place, export).events_added == 0
    assert log.answer(None) == before


def test_both_stores_answer_alike(store, folder, postgres_url):
    """The same exports, the same answers at every moment."""
    listed = [{"1": (0, "5"), "2": (3, "1")}, {"1": (0, "1"), "3": (5, "2")}, {"1": (0, "5"), "2": (3, "3")}]
    with fresh_schema(postgres_url) as url, Store.open(url, create=True) as other:
        logs = [Log(store, folder), Log(other, folder)]
        for place, export in enumerate(listed):
            for log in logs:
                log.add(place, export)
        for moment in (*moments(), None):
            assert logs[0].answer(moment) == logs[1].answer(moment)
