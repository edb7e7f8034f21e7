"""The description of the API: valid, committed, and true.

After a change on purpose, write the file anew: `python tests/unit/test_service_openapi.py`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema.validators import Draft202012Validator
from openapi_spec_validator import validate

from service.app import create_app
from service.settings import Settings

COMMITTED = Path(__file__).parents[2] / "service" / "openapi.json"
OPERATIONS = {
    "listCases": "/v1/cases",
    "getCase": "/v1/cases/{case_id}",
    "getWhatIf": "/v1/cases/{case_id}/what-if",
    "askWhatIf": "/v1/cases/{case_id}/what-if",
    "getBoundary": "/v1/boundary",
    "listAreas": "/v1/areas",
    "getArea": "/v1/areas/{area}",
    "mapAreas": "/v1/areas.geojson",
    "listSignals": "/v1/signals",
    "getSignal": "/v1/signals/{signal_id}",
    "listOffices": "/v1/offices",
    "getBoard": "/v1/board",
    "getBoardTable": "/v1/board.csv",
    "getBoardSchema": "/v1/board/schema.json",
    "getOverrides": "/v1/overrides",
    "exportCases": "/v1/cases.csv",
    "getCaseMarks": "/v1/cases/{case_id}/marks",
    "markCase": "/v1/cases/{case_id}/marks",
    "listViews": "/v1/views",
    "saveView": "/v1/views",
    "deleteView": "/v1/views/{view_id}",
    "reviewSignal": "/v1/signals/{signal_id}",
    "appendEvents": "/v1/events",
    "scoreRisk": "/v1/risk",
    "listModels": "/v1/models",
    "getModel": "/v1/models/{version}",
    "getModelDrift": "/v1/models/drift",
    "promoteModel": "/v1/models/{version}/promote",
    "rollbackModels": "/v1/models/rollback",
    "addJob": "/v1/jobs",
    "listJobs": "/v1/jobs",
    "getJob": "/v1/jobs/{job_id}",
    "cancelJob": "/v1/jobs/{job_id}/cancel",
    "readMetrics": "/metrics",
    "isLive": "/health/live",
    "isReady": "/health/ready",
}


@cache
def _described() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def _text(described: dict[str, Any]) -> str:
    return json.dumps(described, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def test_the_description_is_valid_openapi_3_1():
    """Other programs can read it."""
    described = _described()
    assert described["openapi"].startswith("3.1")
    validate(described)


def test_the_committed_description_is_what_the_service_says():
    """A change of the API is seen in review."""
    assert COMMITTED.read_text("utf-8") == _text(_described()), (
        "write it anew: python tests/unit/test_service_openapi.py"
    )


def test_operation_ids_and_addresses_are_stable():
    """Generated clients are named after them."""
    found = {
        operation["operationId"]: path for path, item in _described()["paths"].items() for operation in item.values()
    }
    assert found == OPERATIONS


def test_every_operation_says_how_it_fails():
    """A problem for each, and no error of the framework's own shape."""
    described = _described()
    assert "HTTPValidationError" not in described["components"]["schemas"]
    for item in described["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    schema = answer["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}
            assert {"422", "500"} <= set(operation["responses"])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_the_service_answers_fits_its_description(language):
    """Every answer, its errors included, is of the described type."""
    from tests.support.service_client import shared_client

    client = shared_client()
    case_id = client.json("/v1/cases?limit=1")["cases"][0]["id"]
    signal_id = client.json("/v1/signals")["signals"][0]["id"]
    asked = {
        "listCases": "/v1/cases?limit=200",
        "getCase": f"/v1/cases/{case_id}",
        "getCaseMarks": f"/v1/cases/{case_id}/marks",
        "listViews": "/v1/views",
        "getWhatIf": f"/v1/cases/{case_id}/what-if",
        "getBoundary": "/v1/boundary",
        "listAreas": "/v1/areas",
        "getArea": "/v1/areas/A-02",
        "listSignals": "/v1/signals",
        "getSignal": f"/v1/signals/{signal_id}",
        "listOffices": "/v1/offices",
        "getBoard": "/v1/board",
        "getBoardSchema": "/v1/board/schema.json",
        "getOverrides": "/v1/overrides",
        "listModels": "/v1/models",
        "listJobs": "/v1/jobs",
        "isLive": "/health/live",
        "isReady": "/health/ready",
    }
    assert set(asked) == _read() - {
        "getModel",
        "getModelDrift",
        "getJob",
        "readMetrics",
    }  # there are no models and jobs here
    for name, address in asked.items():
        answer = client.get(address, accept_language=language)
        assert answer.status_code == 200
        _check(OPERATIONS[name], "200", "application/json", answer.json())
    _check(OPERATIONS["mapAreas"], "200", "application/geo+json", client.json("/v1/areas.geojson"))
    for name, address, status in (
        ("getCase", "/v1/cases/none", "404"),
        ("getSignal", "/v1/signals/none", "404"),
        ("listCases", "/v1/cases?limit=0", "422"),
        ("listCases", "/v1/cases?cursor=x", "400"),
    ):
        _check(OPERATIONS[name], status, "application/problem+json", client.get(address).json())


def _read() -> set[str]:
    """The operations that change nothing and answer in JSON."""
    read = {item["get"]["operationId"] for item in _described()["paths"].values() if "get" in item}
    return read - {"exportCases", "getBoardTable", "mapAreas"}


def _check(path: str, status: str, media_type: str, body: Any) -> None:
    described = _described()
    schema = described["paths"][path]["get"]["responses"][status]["content"][media_type]["schema"]
    Draft202012Validator({**schema, "components": described["components"]}).validate(body)


def test_the_examples_fit_their_types():
    """An example that could not be answered would mislead."""
    described = _described()
    for schema in described["components"]["schemas"].values():
        for example in schema.get("examples", []):
            Draft202012Validator({**schema, "components": described["components"]}).validate(example)


if __name__ == "__main__":
    COMMITTED.write_text(_text(_described()), "utf-8")
