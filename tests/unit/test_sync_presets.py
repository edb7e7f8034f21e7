"""The shipped definitions, fetched from portals on this machine that have the columns of the real ones."""

from __future__ import annotations

from typing import Any

import pytest

from data.errors import PersonalDataError
from data.event_log import fold_cases
from data.mapping import Mapping, find_mapping
from data.sources.definition import syncable
from tests.support.portals import CkanPortal, GeoReportPortal, Portal, SocrataPortal, request, stamp
from tests.support.sync_runs import DAY, NOON, World, open_keyed

OPENED = "2024-03-10T09:30:00.000"


def rows_of(mapping: Mapping, count: int) -> list[dict[str, Any]]:
    """Open cases in the words of the source, with something in every column that is left out."""
    rows = []
    for number in range(1, count + 1):
        row: dict[str, Any] = dict.fromkeys(mapping.leave_out, "Secret")
        for name, column in mapping.columns.items():
            row[name] = value_of(mapping, column, number)
        rows.append({**row, "_id": number, ":id": f"row-{number}", ":updated_at": stamp(NOON - DAY + number)})
    return rows


def value_of(mapping: Mapping, column: Any, number: int) -> str | None:
    if column.field == "reference":
        return str(24_000_000 + number)
    if column.field == "opened_at":
        return OPENED
    if column.field == "status":
        words = mapping.vocabulary[str(column.vocabulary)].values
        return next(word for word, ours in words.items() if ours == "open")
    if column.vocabulary is not None:
        return next(iter(mapping.vocabulary[column.vocabulary].values))
    if mapping.fields[column.field].type != "code":
        return None
    return f"{column.field} A"


def portal_of(mapping: Mapping) -> Portal:
    assert mapping.sync is not None
    names = [*mapping.columns, *mapping.leave_out]
    if mapping.sync["kind"] == "socrata":
        return SocrataPortal(rows=rows_of(mapping, 5), columns={n: "text" for n in names if not n.startswith(":")})
    if mapping.sync["kind"] == "ckan":
        return CkanPortal(rows=rows_of(mapping, 5), columns={name: "text" for name in names if name != "_id"})
    rows = [request(number, opened="2024-03-10T09:30:00-07:00") for number in range(1, 6)]
    return GeoReportPortal(rows=rows, jurisdiction=mapping.sync.get("jurisdiction_id"))


def at(mapping: Mapping, portal: Portal) -> Mapping:
    """The mapping with this portal, and its data set, in place of the real one."""
    dataset = {"socrata": "abcd-1234", "ckan": ["res-1", "res-2"]}
    assert mapping.sync is not None
    changed = {"url": portal.url, **({"dataset": dataset[k]} if (k := mapping.sync["kind"]) in dataset else {})}
    return mapping.model_copy(update={"sync": {**mapping.sync, **changed}})


@pytest.mark.parametrize("name", syncable())
def test_a_preset_fetches_what_the_real_portal_would_give(tmp_path, name):
    """All columns are spoken for, the cases come in, nothing else does, and a second sync adds no event."""
    mapping = find_mapping(name)
    portal = portal_of(mapping)
    with portal.serving(), open_keyed(tmp_path / "heed.db") as store:
        world = World()
        fitted = at(mapping, portal)
        report = world.sync(store, fitted)
        assert report.rows == 5
        assert report.imported is not None
        assert report.imported.set_aside == ()
        cases = fold_cases(store.read_events())
        assert len(cases) == 5
        assert cases["category"].notna().all()
        world.now = NOON + DAY
        again = world.sync(store, fitted)
        assert again.imported is None or again.imported.events_added == 0
    content = (tmp_path / "heed.db").read_bytes()
    assert b"Secret" not in content
    assert b"24000001" not in content


@pytest.mark.parametrize("name", syncable())
def test_a_preset_refuses_a_column_that_appears(tmp_path, name):
    """Whatever the portal adds is refused by name until somebody has looked at it."""
    mapping = find_mapping(name)
    portal = portal_of(mapping)
    if isinstance(portal, SocrataPortal | CkanPortal):
        portal.columns["complainant_email"] = "text"
    else:
        portal.rows[2]["complainant_email"] = "ada@lovelace.example"
    with portal.serving(), open_keyed(tmp_path / "heed.db") as store:
        with pytest.raises(PersonalDataError, match="'complainant_email': looks like an e-mail address"):
            World().sync(store, at(mapping, portal))
        assert len(store.read_events()) == 0
