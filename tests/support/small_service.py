"""A service with one write, to try keys on."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from sqlalchemy import update

from data import tables
from data.audit_log import Act, append
from data.store import Store
from service import problems
from service.idempotency import TAKES_JSON, TAKES_JSON_ONCE, Written, idempotent
from service.identity import LOCAL, Identity
from service.settings import Settings
from tests.support.service_writes import Writer, counted


class Thing(BaseModel):
    """What the small service of these tests takes and answers."""

    number: int


class Small:
    """A service with one write, an entry of the trail; `while_preparing` and `in_effect` are called then."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls = self.prepared = 0
        self.while_preparing = self.in_effect = lambda: None
        self.actor = LOCAL.actor
        app = FastAPI()
        app.state.settings = Settings()
        problems.install(app)
        app.post("/things", dependencies=[TAKES_JSON])(self.add)
        app.post("/once", dependencies=[TAKES_JSON_ONCE])(self.add)
        self.writer = Writer(app)

    def add(self, request: Request, thing: Thing) -> Response:
        """Add an entry."""
        asker = Identity(self.actor, LOCAL.role, None, LOCAL.scopes)

        def prepare() -> None:
            self.prepared += 1
            self.while_preparing()

        def effect(connection):
            self.calls += 1
            append(connection, [Act(self.actor, "admin", "thing.add", str(thing.number))])
            self.in_effect()
            return Written.of(Thing(number=self.calls), status=201, headers={"Location": "/things/1"})

        return idempotent(request, asker, self.store, effect, prepare=prepare)

    def post(self, number: int = 1, path: str = "/things", **headers: str):
        """Ask for an entry."""
        return self.writer.ask("POST", path, {"number": number}, **headers)

    @property
    def entries(self) -> int:
        """How many entries there are."""
        with self.store.reading() as connection:
            return counted(connection, tables.audit_entry)

    @property
    def keys(self) -> int:
        """How many keys are remembered."""
        with self.store.reading() as connection:
            return counted(connection, tables.idempotent_request)

    def set(self, **values: object) -> None:
        """Change the rows of the keys."""
        with self.store.writing() as connection:
            connection.execute(update(tables.idempotent_request).values(**values))
