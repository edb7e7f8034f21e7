"""The boundary is code: what it refuses, what it lets pass, and that the house itself keeps to it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from data.boundary import Violation, forbidden_reason, mapping_violations, refuse, schema_violations, violations
from data.errors import BoundaryError
from data.mapping import find_mapping, shipped_mappings
from data.schema import INSPECTION_FIELDS
from features.catalogue import catalogue_violations
from service.boundary import check
from tests.support.exports import town

ROOT = Path(__file__).parents[2]
PACKAGES = ("data", "features", "models", "service")


@pytest.mark.parametrize(
    "name",
    [
        "complainant_id", "CallerPhone", "resident_group", "household", "nameOfPerson", "诉求人姓名", "身份证号",
        "street_address", "lat", "petition_count", "维稳等级", "repeat_caller", "complaint_history", "crime_type",
        "handler_score", "工号", "comments", "photo_url", "gender", "age",
    ],
)  # fmt: skip
def test_names_about_people_are_refused(name):
    """Persons, contact data, exact places, free text, conduct, histories and handlers have no place."""
    assert forbidden_reason(name) is not None


@pytest.mark.parametrize(
    "name",
    ["category", "office", "area", "opened_at", "blocked_drain", "record_category_channel", "population",
     "backlog_office", "street_light", "message", "average_precision", "latest", "household_waste"],
)  # fmt: skip
def test_names_about_the_service_pass(name):
    """The tripwire does not catch words that only look alike: 'latest' is no latitude, 'average' no age."""
    assert forbidden_reason(name) is None


def test_the_house_keeps_its_own_boundary():
    """Fields, tables, features and labels hold nothing against it."""
    assert schema_violations() == []
    assert catalogue_violations() == []
    assert check() == []


def test_a_forbidden_field_would_be_found():
    """The check can fail: a feature about a person is named with its place."""
    found = violations("feature catalogue", ["record_category", "calls_of_caller"])
    assert [str(one) for one in found] == ["feature catalogue: 'calls_of_caller' looks like a person or a household"]


def test_every_shipped_mapping_keeps_the_boundary():
    """Columns of exact places stand in [location] only, and no constant is about conduct."""
    for name in shipped_mappings():
        assert mapping_violations(find_mapping(name)) == []


def test_a_coordinate_in_columns_would_be_found():
    """In [columns] it could be stored; in [location] it becomes an area."""
    mapped = town(("[columns.village]", "[columns.latitude]"))
    assert [str(one) for one in mapping_violations(mapped)] == [
        "mapping town, [columns]: 'latitude' looks like an exact place"
    ]
    village = '[columns.village]\nfield = "area"\nat = "opened"\nmissing = ["town hall"]\n'
    placed = town(
        (village, ""), ("[leave_out]", '[location]\nlatitude = "latitude"\nlongitude = "longitude"\n[leave_out]')
    )
    assert mapping_violations(placed) == []


def test_the_fields_of_inspections_are_checked_too():
    """The second log is part of the schema that the check proves."""
    assert violations("inspection fields", INSPECTION_FIELDS) == []
    assert set(INSPECTION_FIELDS) == {
        "reference", "asset", "asset_kind", "at", "known_at", "area", "related_category", "severity",
    }  # fmt: skip


def test_a_violation_is_refused_with_exit_code_three():
    """There is no setting that lets it in."""
    with pytest.raises(BoundaryError, match="there is no setting that lets them in") as caught:
        refuse([Violation("features", "caller_age", "a person or a household")])
    assert caught.value.exit_code == 3


def test_no_pickle_is_loaded_anywhere():
    """Neither pickle nor anything that unpickles is imported or called."""
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name.split(".")[0] for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [(node.module or "").split(".")[0]]
                elif isinstance(node, ast.Attribute):
                    names = ["pickle"] if node.attr in ("read_pickle", "to_pickle") else []
                assert not forbidden & set(names), f"{path.relative_to(ROOT)} line {node.lineno}"
