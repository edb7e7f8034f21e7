"""However a file is cut up on its way in, and in whatever engine it ends: the same events, the same report."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.event_log import fold_cases
from data.import_cases import import_file
from data.import_intake import Sizes
from data.observation import observed_until
from data.store import ImportRun, Store
from tests.support.examples import examples
from tests.support.exports import fresh_schema, log, town, write_rows
from tests.support.logs import event_logs, moments

WHOLE = Sizes(chunk=1_000_000, at_once=1_000_000, buckets=1)
CUTS = st.builds(Sizes, chunk=st.integers(1, 12), at_once=st.integers(1, 8), buckets=st.integers(1, 16))
ASIDE = (
    "missing_reference",
    "duplicate_reference",
    "missing_time",
    "unreadable_time",
    "closed_before_opened",
    "due_too_far",
    "unknown_value",
    "missing_value",
    "no_opening",
    "second_opening",
    "before_opening",
)
# An example is two stores and several imports: making a failing one smaller would take minutes.
QUICK = {
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
}
DAYS = st.integers(1, 28).map(lambda day: f"2024-03-{day:02d} 10:00:00")


def _mostly(*usual: str) -> st.SearchStrategy[str]:
    """One of these, and now and then nothing or nonsense."""
    return st.sampled_from([*usual * 4, "", "?"])


@st.composite
def cases(draw) -> list[dict[str, str]]:
    """A few looks at a few cases, with every kind of fault."""
    with_snapshots = draw(st.booleans())
    return [
        {
            "number": draw(st.sampled_from(["1", "2", "3", "4", "5", "6", ""])),
            "opened": draw(st.one_of(DAYS, st.sampled_from(["", "soon"]))),
            "due": draw(st.sampled_from(["", "2024-04-15 09:00:00", "2059-01-01 00:00:00"])),
            "closed": draw(st.one_of(st.just(""), DAYS)),
            "kind": draw(st.sampled_from(["Light", "Drain"])),
            "village": draw(st.sampled_from(["North", "South", "town hall"])),
            "via": draw(_mostly("Call", "Site")),
            "unit": draw(st.sampled_from(["Works", "Parks", ""])),
            "outcome": draw(st.sampled_from(["", "Done", "Seen", "Double"])),
            **({"snapshot": draw(_mostly("2024-04-01", "2024-05-01"))} if with_snapshots else {}),
        }
        for _ in range(draw(st.integers(1, 14)))
    ]


@st.composite
def lives(draw) -> list[dict[str, str]]:
    """Events of a few cases in any order, some without an opening, some with two."""
    return [
        {
            "case": draw(st.sampled_from(["1", "2", "3", "4", "5", ""])),
            "what": draw(_mostly("opened", "opened", "assigned", "closed")),
            "at": draw(DAYS),
            "known": draw(st.sampled_from(["", "2024-04-02 10:00:00"])),
            "due": draw(st.sampled_from(["", "2024-04-15 09:00:00"])),
            "type": draw(st.sampled_from(["路灯", ""])),
            "village": draw(st.sampled_from(["北街", "南街", ""])),
            "unit": draw(st.sampled_from(["城管", ""])),
        }
        for _ in range(draw(st.integers(1, 16)))
    ]


def _outcome(store: Store, files, mapping, sizes: Sizes, aside) -> list[object]:
    """What each import told or raised, and what the store then knows."""
    told: list[object] = []
    for file in files:
        try:
            report = import_file(store, file, mapping, set_aside=aside, sizes=sizes, extracted_at=1_720_000_000)
        except InputError as error:
            told.append((type(error).__name__, str(error)))
        else:
            told.append(replace(report, import_id=None))
    return told


def _known(store: Store) -> list[pd.DataFrame]:
    events = store.read_events()
    # When it was imported is the one thing that differs from run to run.
    imports = store.imports().drop(columns="imported_at")
    return [events, fold_cases(events), observed_until(store).sort_index().to_frame(), imports, store.sources()]


def _assert_same(one: Store, other: Store) -> None:
    for left, right in zip(_known(one), _known(other), strict=True):
        pd.testing.assert_frame_equal(left, right)


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """A store without anything in it, to copy: making one takes longer than an import into it."""
    path = tmp_path_factory.mktemp("empty") / "heed.db"
    Store.open(str(path), create=True).close()
    return path


def _copied(stack: ExitStack, empty: Path, path: str) -> Store:
    shutil.copy(empty, path)
    return _open(stack, path)


def _open(stack: ExitStack, url: str) -> Store:
    store = stack.enter_context(Store.open(url, create=True))
    store.case_key = lambda: b"k" * 32  # type: ignore[method-assign]
    return store


def _written(folder: str, exports: list[list[dict[str, str]]]) -> list[Path]:
    return [write_rows(Path(folder) / f"{place}.csv", rows) for place, rows in enumerate(exports)]


@pytest.mark.parametrize(("shape", "mapping"), [(cases, town()), (lives, log())], ids=["cases", "events"])
def test_however_a_file_is_cut_up_the_same_comes_out(shape, mapping, empty):
    """Any size of the parts and any number of buckets gives what the whole file at once gives, refusals too."""

    @given(
        exports=st.lists(shape(), min_size=1, max_size=2),
        sizes=CUTS,
        aside=st.one_of(st.just(ASIDE), st.lists(st.sampled_from(ASIDE), unique=True)),
    )
    @settings(max_examples=examples(10), **QUICK)
    def law(exports, sizes, aside):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            files = _written(folder, exports)
            whole, parts = (_copied(stack, empty, f"{folder}/{name}.db") for name in ("whole", "parts"))
            assert _outcome(parts, files, mapping, sizes, aside) == _outcome(whole, files, mapping, WHOLE, aside)
            _assert_same(parts, whole)

    law()


@pytest.mark.parametrize(("shape", "mapping"), [(cases, town()), (lives, log())], ids=["cases", "events"])
def test_two_engines_one_answer(shape, mapping, empty, postgres_url):
    """Imports of the same files give SQLite and PostgreSQL the same events, cases, looks, sources and reports."""

    @given(exports=st.lists(shape(), min_size=1, max_size=3), sizes=CUTS)
    @settings(max_examples=4, **QUICK)
    def law(exports, sizes):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            files = _written(folder, exports)
            one = _copied(stack, empty, f"{folder}/one.db")
            other = _open(stack, stack.enter_context(fresh_schema(postgres_url)))
            assert _outcome(one, files, mapping, sizes, ASIDE) == _outcome(other, files, mapping, WHOLE, ASIDE)
            _assert_same(one, other)

    law()


def _run(number: int) -> ImportRun:
    return ImportRun(
        source="log",
        time_zone="Asia/Shanghai",
        known_at_opening=("area",),
        file_name="a.csv",
        file_sha256=str(number),
        extracted_at=1_702_000_000 + number,
    )


def test_two_engines_one_log(empty, postgres_url):
    """Any log with heavy ties, in two imports that overlap, is read, folded and looked at alike, as of any moment."""

    @given(events=event_logs(), share=st.floats(0.1, 1), as_of=moments())
    @settings(max_examples=examples(6), **QUICK)
    def law(events, share, as_of):
        part = events.iloc[: max(1, int(len(events) * share))]
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            one = _copied(stack, empty, f"{folder}/one.db")
            other = _open(stack, stack.enter_context(fresh_schema(postgres_url)))
            for store in (one, other):
                store.add_events(_run(1), part)
                store.add_events(_run(2), events)
            pd.testing.assert_frame_equal(one.read_events(as_of=as_of), other.read_events(as_of=as_of))
            assert one.last_known_at() == other.last_known_at()
            _assert_same(one, other)
            # Each once, and what is equal in time as it was written down.
            assert len(one.read_events()) == len(events.drop_duplicates())

    law()
