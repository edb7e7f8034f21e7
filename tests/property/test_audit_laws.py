"""Any single thing done to an audit trail shows, and four processes at once make one trail."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.audit_log import append, entry_hash
from data.store import Store
from data.store_audit import EMPTY, Head, cut_front, verify
from tests.support.audit_trails import READ, add, append_many, put, rows_of
from tests.support.exports import fresh_schema
from tests.support.processes import quick_context

NOON = 1_700_000_000
LENGTH = 8
COLUMNS = ("seq", "at", "actor", "role", "action", "target", "detail", "previous_hash", "entry_hash")

where = st.integers(0, LENGTH - 1)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
values = {
    "seq": st.integers(-3, 30),
    "at": st.integers(0, 2**40),
    "target": st.none() | texts,
    "previous_hash": hashes,
    "entry_hash": hashes,
}


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    """A store with a trail, its rows as they were written, and its head."""
    with Store.open(str(tmp_path_factory.mktemp("trail") / "heed.db"), create=True) as store:
        add(store, LENGTH, now=NOON)
        rows = rows_of(store)
        yield store, rows, Head(rows[-1]["entry_hash"], LENGTH)


def _kind(trail, rows) -> str | None:
    store, whole, head = trail
    put(store, rows)
    fault = verify(store, head).fault
    put(store, whole)
    assert verify(store, head).fault is None
    return None if fault is None else fault.kind


@settings(max_examples=200)
@given(place=where, column=st.sampled_from(COLUMNS), careful=st.booleans(), data=st.data())
def test_no_column_of_any_entry_can_be_altered(trail, place, column, careful, data):
    """Nor by one who works the hash of the entry out anew."""
    _, rows, _ = trail
    taken = {row["seq"] for row in rows} if column == "seq" else {rows[place][column]}
    value = data.draw(values.get(column, texts).filter(lambda drawn: drawn not in taken))
    altered = {**rows[place], column: value}
    if careful and column != "entry_hash":
        altered["entry_hash"] = entry_hash(altered)
    assert _kind(trail, [*rows[:place], altered, *rows[place + 1 :]]) is not None


@given(gone=st.sets(where, min_size=1))
def test_no_entry_can_be_taken_out(trail, gone):
    """One or several, at the front, in the middle or at the end."""
    _, rows, _ = trail
    kind = _kind(trail, [row for place, row in enumerate(rows) if place not in gone])
    assert kind in ("front_missing", "missing", "end_missing")


@given(place=where, careful=st.integers(0, 2), forged=st.sampled_from(["case.read", "model.promote"]))
def test_no_entry_can_be_put_in(trail, place, careful, forged):
    """The later ones would have to be numbered anew, and linked anew, and the last one is known."""
    _, rows, _ = trail
    extra = {**rows[place], "action": forged, "target": "put in"}
    later = [{**row, "seq": row["seq"] + 1} for row in rows[place:]]
    written = [*rows[:place], extra, *later]
    if careful == 1:
        extra["entry_hash"] = entry_hash(extra)
    if careful == 2:
        written = _chained(written)
    assert _kind(trail, written) is not None


@given(one=where, other=where)
def test_no_two_entries_can_be_exchanged(trail, one, other):
    """What they say, each at the place of the other."""
    _, rows, _ = trail
    exchanged = list(rows)
    exchanged[one] = {**rows[other], "seq": rows[one]["seq"]}
    exchanged[other] = {**rows[one], "seq": rows[other]["seq"]}
    assert (_kind(trail, exchanged) is not None) == (one != other)


@given(left=st.integers(0, LENGTH - 1), new=st.integers(0, LENGTH + 3))
def test_an_older_copy_of_the_store_shows(trail, left, new):
    """However many entries were written since it was put back."""
    store, rows, head = trail
    put(store, rows[:left])
    add(store, new, now=NOON + 7)
    fault = verify(store, head).fault
    assert verify(store).fault is None
    put(store, rows)
    assert fault is not None
    assert fault.kind == ("end_missing" if left + new < LENGTH else "other_history")


@given(place=where)
def test_an_end_written_anew_with_hashes_that_fit_shows(trail, place):
    """Against the head, which is what it is kept for."""
    _, rows, _ = trail
    rest = [{**rows[place], "target": "another"}, *rows[place + 1 :]]
    assert _kind(trail, _chained([*rows[:place], *rest])) == "other_history"


@given(nows=st.lists(st.integers(NOON - 10**6, NOON + 10**6), min_size=1, max_size=12))
@settings(max_examples=30)
def test_a_clock_that_jumps_makes_no_entry_older_than_the_one_before(trail, nows):
    """Set back or forth, as often as you like."""
    store, rows, _ = trail
    put(store, [])
    for now in nows:
        with store.writing() as connection:
            append(connection, [READ], now=now)
    moments = [row["at"] for row in rows_of(store)]
    assert moments == sorted(moments)
    assert all(moment >= now for moment, now in zip(moments, nows, strict=True))
    assert verify(store, EMPTY).fault is None
    put(store, rows)


@given(
    cuts=st.lists(st.integers(NOON - 60, NOON + 60 * LENGTH + 60), min_size=1, max_size=4),
    more=st.integers(0, 3),
    stolen=st.integers(1, LENGTH + 3),
)
@settings(max_examples=60)
def test_a_front_may_go_with_a_seal_and_not_without(trail, cuts, more, stolen):
    """After any number of cuts the trail is whole; take one entry more from its front, and it is not."""
    store, rows, head = trail
    put(store, rows)
    for cut in cuts:
        with store.writing() as connection:
            cut_front(connection, cut, "command", now=NOON + 60 * LENGTH)
        assert verify(store, head).fault is None
        add(store, more, now=NOON + 60 * LENGTH)
        head = verify(store).head
    left = rows_of(store)
    found = verify(store, Head(left[-1]["entry_hash"], left[-1]["seq"]))
    assert found.fault is None
    assert (found.seal is None) == (left[0]["seq"] == 1)
    if len(left) > stolen:
        put(store, left[stolen:])
        assert verify(store).fault is not None
    put(store, rows)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_four_processes_make_one_trail(engine, tmp_path, request):
    """Every entry of each of them, in its order, and every one on the one before it."""
    with ExitStack() as stack:
        if engine == "sqlite":
            url = str(tmp_path / "heed.db")
        else:
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
        store = stack.enter_context(Store.open(url, create=True))
        context = quick_context()
        processes = [context.Process(target=append_many, args=(url, name, 25)) for name in "abcd"]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0] * 4
        found = verify(store, EMPTY)
        assert (found.entries, found.fault) == (100, None)
        targets = [row["target"] for row in rows_of(store)]
        for name in "abcd":
            assert [target for target in targets if target[0] == name] == [f"{name}-{n}" for n in range(25)]


def _chained(rows):
    """The rows with numbers and hashes that fit, from the first on."""
    written = []
    for number, row in enumerate(rows, start=1):
        linked = {**row, "seq": number, "previous_hash": written[-1]["entry_hash"] if written else row["previous_hash"]}
        written.append({**linked, "entry_hash": entry_hash(linked)})
    return written
