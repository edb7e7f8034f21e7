"""The audit trail is checked from end to end, and `heed audit` says what is wrong with it."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack

import pytest
from sqlalchemy import delete, update

from data import tables
from data.audit_log import GENESIS, Act, append, entry_hash
from data.errors import UsageError
from data.store import Store
from data.store_audit import EMPTY, SEAL, Head, Seal, cut_front, entries, head_of, verify
from service import cli
from tests.support.audit_trails import LISTED, READ, add, put, rows_of
from tests.support.exports import fresh_schema

NOON = 1_700_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    """A store on each engine, with ten entries a minute apart."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = str(tmp_path / "heed.db")
        else:
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
        opened = stack.enter_context(Store.open(url, create=True))
        add(opened, 10, now=NOON)
        yield opened


def _head(store: Store) -> Head:
    with store.reading() as connection:
        return head_of(connection)


def _fault(store: Store, head: Head | None = None) -> tuple[str, int]:
    fault = verify(store, head).fault
    assert fault is not None
    return fault.kind, fault.seq


def test_a_whole_trail_is_whole(store):
    """With every head that it ever had."""
    told: list[tuple[str, int, int]] = []
    found = verify(store, progress=lambda *step: told.append(step))
    assert (found.entries, found.fault, found.seal) == (10, None, None)
    assert found.head == _head(store) == Head(rows_of(store)[-1]["entry_hash"], 10)
    assert told[-1] == ("verify", 10, 10)
    for row in rows_of(store):
        assert verify(store, Head(row["entry_hash"], row["seq"])).fault is None
    assert verify(store, EMPTY).fault is None


def test_an_empty_trail_has_a_head_too(tmp_path):
    """Kept before the first entry, it later tells that one was the first."""
    with Store.open(str(tmp_path / "new.db"), create=True) as store:
        assert _head(store) == EMPTY == Head(GENESIS, 0)
        assert verify(store, EMPTY) == verify(store)
        assert _fault(store, Head("1" * 64, 3)) == ("end_missing", 0)


def test_the_first_bad_entry_is_named(store):
    """And what is wrong with it."""
    rows = rows_of(store)
    put(store, [row if row["seq"] != 4 else {**row, "target": "c2"} for row in rows])
    assert _fault(store) == ("altered", 4)
    put(store, [row for row in rows if row["seq"] not in (4, 5)])
    assert _fault(store) == ("missing", 6)
    assert verify(store).fault.told == "Entries from 4 to the one before 6 are missing."
    forged = {**rows[3], "target": "c2"}
    put(store, [*rows[:3], {**forged, "entry_hash": entry_hash(forged)}, *rows[4:]])
    assert _fault(store) == ("unlinked", 5)
    late = {**rows[9], "at": NOON - 1}
    put(store, [*rows[:9], {**late, "entry_hash": entry_hash(late)}])
    assert _fault(store) == ("out_of_order", 10)


def test_the_ends_are_told_by_a_head_and_a_seal(store):
    """A trail cut at its end is whole in itself; one cut at its front is not."""
    rows, head = rows_of(store), _head(store)
    put(store, rows[:7])
    assert verify(store).fault is None
    assert _fault(store, head) == ("end_missing", 7)
    put(store, rows[2:])
    assert _fault(store, head) == ("front_missing", 3)
    put(store, rows[:7])
    add(store, 5, now=NOON + 9_000)
    assert verify(store).fault is None
    assert _fault(store, head) == ("other_history", 10)


def test_a_front_that_is_cut_is_sealed(store):
    """What is left still hangs together, and says until when and to where it was cut; again and again."""
    rows, head = rows_of(store), _head(store)
    for moment, before in ((NOON + 180, 4), (NOON + 300, 6)):
        with store.writing() as connection:
            gone = cut_front(connection, moment, "command", now=NOON + 5_000)
        found = verify(store, head)
        assert found.fault is None
        assert found.seal == Seal(before, NOON + 60 * (before - 2))
        assert rows_of(store)[0]["seq"] == before
        last = rows_of(store)[-1]
        assert (last["action"], last["actor"], last["role"]) == (SEAL, "command", "command")
        assert json.loads(last["detail"])["entries"] == gone
    before_cut = Head(rows[4]["entry_hash"], 5)
    assert verify(store, before_cut).fault is None
    assert _fault(store, Head("0" * 63 + "1", 5)) == ("other_history", 6)
    assert _fault(store, Head(rows[0]["entry_hash"], 1)) == ("head_not_kept", 6)
    with store.writing() as connection:
        assert cut_front(connection, NOON, "command") == 0
    # More taken from the front than was sealed, and a seal that tells of another cut.
    with store.writing() as connection:
        connection.execute(delete(tables.audit_entry).where(tables.audit_entry.c.seq == 6))
    assert _fault(store) == ("front_missing", 7)


def test_a_trail_that_is_all_old_leaves_its_seal(store):
    """Which stands on the last of them."""
    head = _head(store)
    with store.writing() as connection:
        assert cut_front(connection, NOON + 10_000, "command", now=NOON + 20_000) == 10
    assert [row["seq"] for row in rows_of(store)] == [11]
    assert verify(store, head).fault is None
    add(store, 2, now=NOON + 30_000)
    assert verify(store, head).fault is None


def test_a_seal_put_in_by_hand_does_not_help(store):
    """It would have to be written over, and then it does not fit its own hash."""
    with store.writing() as connection:
        cut_front(connection, NOON + 180, "command")
    rows = rows_of(store)
    detail = json.loads(rows[-1]["detail"])
    moved = {**rows[-1], "detail": json.dumps({**detail, "before": 5, "hash": rows[0]["entry_hash"]})}
    put(store, [*rows[1:-1], moved])
    assert _fault(store) == ("altered", rows[-1]["seq"])
    for odd in ("[]", '{"before": null}', "{}"):
        other = {**moved, "detail": odd}
        put(store, [*rows[1:-1], {**other, "entry_hash": entry_hash(other)}])
        assert _fault(store) == ("front_missing", 5)


def test_bytes_where_text_belongs_are_no_entry(tmp_path):
    """SQLite takes anything into any column."""
    with Store.open(str(tmp_path / "heed.db"), create=True) as store:
        add(store, 2, now=NOON)
        with store.writing() as connection:
            connection.exec_driver_sql("UPDATE audit_entry SET actor = CAST(actor AS BLOB) WHERE seq = 2")
        assert _fault(store) == ("altered", 2)


def test_entries_are_chosen_and_shown_oldest_first(store):
    """By moment, by action, and the newest so many."""
    with store.reading() as connection:
        assert [entry["seq"] for entry in entries(connection, limit=3)] == [8, 9, 10]
        assert [entry["seq"] for entry in entries(connection, since=NOON + 420)] == [8, 9, 10]
        listed = entries(connection, action="case.list", limit=2)
    assert [entry["seq"] for entry in listed] == [7, 9]
    assert listed[0]["detail"] == dict(LISTED.detail)


def test_what_does_not_fit_is_refused_before_it_is_stored():
    """On SQLite too, which would take it."""
    with pytest.raises(UsageError, match=r"Expected at most 32 characters as action .* got 33\. Use a code\."):
        Act("local", "admin", "x" * 33)
    with pytest.raises(UsageError, match=r"at most 160 characters as target"):
        Act("local", "admin", "case.read", "x" * 161)


@pytest.mark.parametrize("text", ["", "12", "0" * 64, "@4", "0" * 63 + "@4", "G" * 64 + "@4", "0" * 64 + "@-4"])
def test_a_head_is_read_strictly(text):
    """Half a head compares with nothing."""
    with pytest.raises(UsageError, match="Expected a head as `heed audit head` prints it"):
        Head.parse(text)


def _heed(monkeypatch, capsys, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["heed", *arguments])
    code = 0
    try:
        cli.main()
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    return code, capsys.readouterr().out


def test_the_commands_tell_it_to_people_and_to_machines(tmp_path, monkeypatch, capsys):
    """Exit code 0 for a trail that is whole, 1 for one that is not."""
    path = str(tmp_path / "heed.db")
    with Store.open(path, create=True) as store:
        add(store, 10, now=NOON)
        rows, head = rows_of(store), str(_head(store))
        base = ("--store", path, "audit")
        assert _heed(monkeypatch, capsys, *base, "head") == (0, head + "\n")
        code, told = _heed(monkeypatch, capsys, *base, "verify", "--head", head)
        assert (code, "10 entries, and every one stands" in told, "holds the head" in told) == (0, True, True)
        code, told = _heed(monkeypatch, capsys, *base, "verify")
        assert (code, "its end is not proven" in told) == (0, True)
        code, told = _heed(
            monkeypatch, capsys, *base, "show", "--since", "2023-11-14T22:20:20Z", "--limit", "2", "--json"
        )
        assert [entry["seq"] for entry in json.loads(told)["entries"]] == [9, 10]
        code, told = _heed(monkeypatch, capsys, *base, "show", "--action", "case.read")
        assert (told.count("case.read"), told.count("key:1f")) == (5, 5)
        put(store, rows[:4])
        code, told = _heed(monkeypatch, capsys, *base, "verify", "--head", head, "--json")
        assert code == 1
        assert json.loads(told)["fault"]["kind"] == "end_missing"
        put(store, [row if row["seq"] != 4 else {**row, "actor": "key:2e"} for row in rows])
        code, told = _heed(monkeypatch, capsys, *base, "verify")
        assert (code, "not whole. Entry 4 was altered" in told) == (1, True)
        put(store, rows)
        with store.writing() as connection:
            cut_front(connection, NOON + 180, "command")
        code, told = _heed(monkeypatch, capsys, *base, "verify", "--json")
        assert (code, json.loads(told)["sealed_before"]) == (0, 4)


def test_entries_come_one_transaction_at_a_time(store):
    """What another writer has begun is waited for, and stood on."""
    with store.writing() as connection:
        append(connection, [READ, READ], now=NOON)
        connection.execute(update(tables.source).values(mapping_sha256=""))
    assert verify(store).entries == 12
    assert verify(store).fault is None
