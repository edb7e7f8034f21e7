"""API keys: made once, stored as a hash, told apart in constant time, and gone when they are revoked."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import ExitStack

import pytest
from sqlalchemy import insert, select, update
from typer.testing import CliRunner

from data import tables
from data.errors import StoreError, UsageError
from data.store import Store
from service.auth import keys
from service.auth.key_ring import KeyRing
from service.auth.keys import add_key, hashed, key_id_of, list_keys, opens, revoke_key
from service.auth.start import require_someone
from service.cli import app
from service.identity import SCOPES, Role
from service.settings import Settings
from tests.support.exports import fresh_schema

NOW = 1_800_000_000
DAY = 86_400


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The address of an empty store on each engine."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = str(tmp_path / "heed.db")
        else:
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
        Store.open(url, create=True).close()
        yield url


@pytest.fixture
def store(url):
    """It, open."""
    with Store.open(url) as opened:
        yield opened


@pytest.fixture
def plain_store(tmp_path):
    """An empty store of the usual engine, where the engine does not matter."""
    with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
        yield opened


def _add(store: Store, role: Role = Role.ADMIN, **given):
    chosen = {"offices": ["O-3"] if role is Role.HANDLER else [], "purpose": "counter-2", "days": 365, **given}
    return add_key(store, role, **chosen)


def _entries(store: Store) -> list[tuple]:
    entry = tables.audit_entry.c
    with store.reading() as connection:
        return connection.execute(select(entry.action, entry.actor, entry.target, entry.detail)).fetchall()


def test_a_key_is_stored_as_a_hash_and_nowhere_as_itself(store):
    """Whoever reads the whole store, the audit trail included, cannot ask with what is there."""
    text, key = _add(store, Role.HANDLER, offices=["O-3", "O-1"], now=NOW)
    assert re.fullmatch(r"heed_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", text)
    assert key_id_of(text) == key.key_id
    with store.reading() as connection:
        row = connection.execute(select(tables.api_key)).one()
        every = repr([connection.execute(select(table)).fetchall() for table in tables.metadata.sorted_tables])
    assert row.secret_sha256 == hashed(text) == key.secret_sha256
    assert (row.offices, row.created_at, row.expires_at) == ('["O-1", "O-3"]', NOW, NOW + 365 * DAY)
    assert text.split("_", 2)[2] not in every
    assert list_keys(store) == [key]


def test_keys_differ_and_each_opens_only_for_itself(plain_store):
    """A key of one id with the secret of another is none."""
    (first, one), (second, two) = _add(plain_store, now=NOW), _add(plain_store, now=NOW)
    assert one.key_id != two.key_id
    assert opens(first, one, NOW)
    assert not opens(first, two, NOW)
    mixed = f"heed_{one.key_id}_{second.split('_', 2)[2]}"
    assert not opens(mixed, one, NOW)
    assert not opens(first, None, NOW)


@pytest.mark.parametrize(("after", "state"), [(365 * DAY - 1, "good"), (365 * DAY, "expired")])
def test_a_key_counts_until_the_second_in_which_it_expires(plain_store, after, state):
    """And one for no number of days, always."""
    text, key = _add(plain_store, now=NOW)
    assert key.state(NOW + after) == state
    assert opens(text, key, NOW + after) == (state == "good")
    endless = _add(plain_store, days=0, now=NOW)[1]
    assert endless.expires_at is None
    assert endless.state(NOW + 10_000 * DAY) == "good"


def test_a_revoked_key_stays_revoked_since_the_first_time(store):
    """Doing it again changes nothing, and leaves no second entry."""
    text, key = _add(store, now=NOW)
    revoked = revoke_key(store, key.key_id, now=NOW + 5)
    assert (revoked.revoked_at, revoked.state(NOW + 5)) == (NOW + 5, "revoked")
    assert revoke_key(store, key.key_id, now=NOW + 9).revoked_at == NOW + 5
    assert not opens(text, revoked, NOW + 6)
    assert [entry.action for entry in _entries(store)] == ["key.add", "key.revoke"]
    with pytest.raises(UsageError, match="there is none with this id"):
        revoke_key(store, "0" * 12)


def test_a_change_and_its_entry_are_stored_together_or_not_at_all(store, monkeypatch):
    """A key that the trail does not know of would be a back door."""
    _, key = _add(store, Role.HANDLER, now=NOW)
    entry = _entries(store)[0]
    assert (entry.action, entry.actor, entry.target) == ("key.add", "command", key.key_id)
    assert json.loads(entry.detail) == {
        "role": "handler",
        "offices": ["O-3"],
        "purpose": "counter-2",
        "expires_at": NOW + 365 * DAY,
    }

    def full(*_args, **_given):
        raise OSError("no space left")

    monkeypatch.setattr(keys, "append", full)
    with pytest.raises(OSError, match="no space left"):
        _add(store)
    with pytest.raises(OSError, match="no space left"):
        revoke_key(store, key.key_id)
    assert list_keys(store) == [key]


@pytest.mark.parametrize(
    ("role", "given", "expected"),
    [
        (Role.HANDLER, {"offices": []}, "--office: expected at least one office"),
        (Role.ADMIN, {"offices": ["O-1"]}, "--office: expected none, because the role admin is not bound"),
        (Role.ANALYST, {"purpose": "Wang Li"}, "--purpose: expected a word of a-z"),
        (Role.ANALYST, {"purpose": "a" * 41}, "--purpose: expected a word of a-z"),
        (Role.ANALYST, {"days": -1}, "--days: expected at most 3,650 days"),
        (Role.ANALYST, {"days": 4_000}, "--days: expected at most 3,650 days"),
    ],
)
def test_a_key_that_fits_no_role_is_refused(plain_store, role, given, expected):
    """And leaves neither a key nor an entry."""
    with pytest.raises(UsageError, match=expected):
        _add(plain_store, role, **given)
    assert (list_keys(plain_store), _entries(plain_store)) == ([], [])


def test_a_handler_is_bound_to_offices_that_the_store_knows(store):
    """Where the store knows any: a key may be made before the offices are imported."""
    assert _add(store, Role.HANDLER, offices=["O-9"])[1].offices == {"O-9"}
    with store.writing() as connection:
        connection.execute(insert(tables.office), [{"office": "O-1"}, {"office": "O-3"}])
    with pytest.raises(UsageError, match="1 of those given are not among its 2") as caught:
        _add(store, Role.HANDLER, offices=["O-3", "O-77"])
    assert "O-77" not in str(caught.value)


@pytest.mark.parametrize("role", Role)
def test_a_key_is_who_its_role_says(plain_store, role):
    """Only an administrator is not bound to offices; a role that reads no case sees none even if it came to a case."""
    identity = _add(plain_store, role)[1].identity()
    assert (identity.role, identity.scopes) == (role, SCOPES[role])
    assert identity.offices == {Role.ADMIN: None, Role.HANDLER: {"O-3"}}.get(role, frozenset())
    assert identity.sees_office("O-3") == (role in (Role.ADMIN, Role.HANDLER))
    assert identity.sees_office(None) == (role is Role.ADMIN)


@pytest.mark.parametrize("changed", [{"role": "root"}, {"offices": "O-3"}, {"offices": "7"}])
def test_a_row_that_this_version_does_not_understand_lets_nobody_in(plain_store, tmp_path, changed):
    """A later version may know more roles."""
    _, key = _add(plain_store, Role.HANDLER)
    with plain_store.writing() as connection:
        connection.execute(update(tables.api_key).values(**changed))
    ring = KeyRing(Settings(store_url=str(tmp_path / "heed.db")))
    ring.refresh()
    assert ring.get(key.key_id) is None
    assert list_keys(plain_store) == []
    ring.close()


@pytest.mark.parametrize("text", ["", "heed_", "heed_0123456789ab", f"heed_0123456789AB_{'x' * 43}", "é" * 60])
def test_what_looks_like_no_key_names_none(text):
    """Every letter counts."""
    assert key_id_of(text) is None


def test_what_is_revoked_or_made_elsewhere_is_known_after_the_next_look(store, url):
    """Two processes; each looks when what it knows has aged."""
    rings = [KeyRing(Settings(store_url=url, recheck_seconds=3_600)) for _ in range(2)]
    _, key = _add(store)
    for ring in rings:
        assert not ring.fresh
        ring.refresh()
        assert ring.fresh
        assert ring.get(key.key_id) == key
    revoke_key(store, key.key_id)
    for ring in rings:
        ring.refresh()
        assert ring.get(key.key_id) is None
        ring.close()
    eager = KeyRing(Settings(store_url=url, recheck_seconds=0))
    eager.refresh()
    assert not eager.fresh, "no answer may be given without looking"
    eager.close()


def test_two_processes_that_begin_sessions_at_once_use_one_secret(url):
    """Else a session begun here would not hold there."""
    one, two = (KeyRing(Settings(store_url=url)) for _ in range(2))
    one.refresh()
    two.refresh()
    assert one.session_secret is None
    secret = one.begin_sessions()
    assert len(secret) == 32
    assert two.begin_sessions() == secret == one.begin_sessions()
    one.close()
    two.close()


def test_a_store_that_cannot_be_read_lets_nobody_in(tmp_path):
    """What was known before does not count then; and the message tells no path."""
    path = tmp_path / "heed.db"
    with Store.open(str(path), create=True) as store:
        _add(store)
    ring = KeyRing(Settings(store_url=str(path), recheck_seconds=0))
    ring.refresh()
    path.unlink()
    with pytest.raises(StoreError, match="The keys could not be read from the store") as caught:
        ring.refresh()
    assert str(tmp_path) not in str(caught.value)
    assert not ring.fresh
    ring.close()


def test_a_store_put_in_place_of_another_brings_its_own_keys(tmp_path):
    """As after a restore: the keys of the old file are gone with it."""
    for name in ("old", "new"):
        with Store.open(str(tmp_path / name), create=True) as store:
            _add(store)
    ring = KeyRing(Settings(store_url=str(tmp_path / "old")))
    ring.refresh()
    with Store.open(str(tmp_path / "old")) as store:
        before = list_keys(store)[0].key_id
    assert ring.get(before) is not None
    for rest in ("old-wal", "old-shm"):
        (tmp_path / rest).unlink(missing_ok=True)
    shutil.move(tmp_path / "new", tmp_path / "old")
    ring.refresh()
    assert ring.get(before) is None
    ring.close()


def test_a_service_that_would_let_nobody_in_does_not_start(tmp_path):
    """It says what to do; with an identity provider, or a key that counts, it starts."""
    path = str(tmp_path / "heed.db")
    required = Settings(store_url=path, auth="required")
    with pytest.raises(StoreError, match="There is no store"):
        require_someone(required)
    with Store.open(path, create=True) as store:
        _, expired = _add(store, now=1_000_000_000)
        assert expired.state(NOW) == "expired"
        _, key = _add(store)
        revoke_key(store, key.key_id)
        with pytest.raises(UsageError, match="Make a key with `heed keys add --role admin"):
            require_someone(required)
        require_someone(Settings(store_url=path))
        require_someone(
            Settings(store_url=path, auth="required", oidc_issuer="https://id.example", oidc_audience="heed")
        )
        _add(store)
    require_someone(required)


# ---- the command ----


def _run(path, *words: str):
    return CliRunner().invoke(app, ["--store", str(path), "keys", *words])


def test_the_command_shows_a_key_once(tmp_path):
    """The key alone on stdout; the list never has it, and nobody's use of a key is counted."""
    path = tmp_path / "heed.db"
    Store.open(str(path), create=True).close()
    made = _run(path, "add", "--role", "handler", "--office", "O-3", "--purpose", "counter-2")
    assert made.exit_code == 0
    text = made.stdout.strip()
    assert key_id_of(text)
    assert "not shown again" in " ".join(made.stderr.split())
    listed = _run(path, "list")
    shown = _run(path, "list", "--json")
    for output in (listed.stdout, shown.stdout):
        assert text.split("_", 2)[2] not in output
        assert "counter-2" in output
    told = json.loads(shown.stdout)["keys"]
    assert [set(key) for key in told] == [
        {"key_id", "state", "role", "offices", "purpose", "created_at", "expires_at", "revoked_at"}
    ]
    assert (told[0]["state"], told[0]["offices"]) == ("good", ["O-3"])


def test_the_command_revokes_and_speaks_json(tmp_path):
    """What a script needs: the key, its id, and whether it still counts."""
    path = tmp_path / "heed.db"
    Store.open(str(path), create=True).close()
    assert _run(path, "list").stdout.startswith("No keys.")
    made = json.loads(_run(path, "add", "--role", "dashboard", "--purpose", "wall", "--days", "0", "--json").stdout)
    assert (made["role"], made["offices"], made["expires_at"]) == ("dashboard", None, None)
    assert key_id_of(made["key"]) == made["key_id"]
    revoked = json.loads(_run(path, "revoke", made["key_id"], "--json").stdout)
    assert revoked["state"] == "revoked"
    assert "is revoked since" in _run(path, "revoke", made["key_id"]).stdout
    assert "revoked" in _run(path, "list").stdout
    refused = _run(path, "add", "--role", "handler", "--purpose", "counter-2")
    assert isinstance(refused.exception, UsageError)
