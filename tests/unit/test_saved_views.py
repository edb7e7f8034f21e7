"""Whose a saved view is: a key's, or that of all tokens with one role and the same offices; never an account's."""

from __future__ import annotations

import json

from data.store import Store
from service.auth.tokens import identity_of
from service.identity import LOCAL
from service.saved_views import add_view, read_views
from service.settings import Settings

SETTINGS = Settings(store_url="x.db")


def token(sub: str, role: str = "handler", offices: tuple[str, ...] = ("O-1", "O-2")):
    claims = {"iss": "https://id.example", "sub": sub}
    given = {SETTINGS.oidc_role_claim: role, SETTINGS.oidc_offices_claim: list(offices)}
    return identity_of({**claims, **given}, SETTINGS)


def test_accounts_of_one_role_and_the_same_offices_are_one_desk():
    """Two people at one counter share it, in whatever order their offices come; another office or role is another."""
    one, other = token("a"), token("b", offices=("O-2", "O-1"))
    assert one.actor != other.actor
    assert one.desk == other.desk
    assert len({one.desk, token("a", offices=("O-1",)).desk, token("a", role="admin").desk, LOCAL.desk}) == 4
    assert one.desk.startswith("desk:")


def test_a_view_is_kept_under_the_desk_and_nothing_of_the_account_is_stored(tmp_path):
    """Whoever has the same role and offices finds it; nobody else does."""
    one = token("desk-7")
    with Store.open(str(tmp_path / "x.db"), create=True) as store:
        with store.writing() as connection:
            view = add_view(connection, one, {"band": "high"})
        with store.reading() as connection:
            assert read_views(connection, token("desk-8")) == (view,)
            assert read_views(connection, token("desk-7", offices=("O-3",))) == ()
            rows = connection.exec_driver_sql("SELECT * FROM saved_view").mappings().all()
    assert one.actor.removeprefix("token:") not in json.dumps([dict(row) for row in rows])
