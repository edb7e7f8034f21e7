"""Every way by which a figure can leave, and what it passes on the way: a new one fails here until somebody says which.

Three walks: over all addresses that the service answers, over the numbers in what the API answers about areas, offices
and signals, and over all commands. Whoever reads cases can count them: what is kept from small counts by the scope
`cases:read` alone is named so.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import typer
from fastapi.routing import APIRoute
from pydantic import BaseModel
from typer.testing import CliRunner

import models.reasons.phrases as reasons
from data.quality.check_finding import MINIMUM as IN_CHECKS
from data.quality.check_finding import Both, Chart, CheckFinding, Point, Where
from features.catalogue import CATALOGUE
from models.reasons.phrases import phrase
from models.validation.slices import MINIMUM as IN_SLICES
from service import published
from service._disclosed_slices import disclose_slices
from service.app import create_app
from service.area_payloads import MAPPED, LevelCounts
from service.check_report.told import disclosed
from service.cli import app as commands
from service.disclosure import AREA_PRESSURE, MINIMUM, SIGNAL_FIGURES
from service.payload_parts import FigureItem
from service.payloads import PressureItem
from service.published import PRESSURE_FIGURES, Pressure, Signal, SignalWeek
from service.settings import Settings
from tests.support.service_store import small_store

# What a way out passes, or why nothing about an area is on it.
PUBLISHED = "service.published.publish"
SLICES = "service._disclosed_slices.disclose_slices, after models.validation.slices"
CHECKED = "service.check_report.told.disclosed"
OVERRIDDEN = "service.overrides: counts of the whole city through service.disclosure.disclose, then to the nearest five"
BOARD = "service.board_counts.board_of, when it was counted"
CASES = "single cases, for the scope cases:read"
WHOLE = "counts of the whole store, no area or office among them"
OWN = "figures of a table that the asker brought"
NONE = "no figure of cases"

ADDRESSES = {
    "GET /": NONE,
    "GET /areas": PUBLISHED,
    "GET /areas/{area:path}": PUBLISHED,
    "GET /cases": CASES,
    "GET /cases/{case_id}": CASES,
    "GET /charts/areas/map.svg": PUBLISHED,
    "GET /charts/areas/{area:path}/signals.svg": PUBLISHED,
    "GET /charts/cases/{case_id}/life.svg": CASES,
    "GET /charts/cases/{case_id}/reasons.svg": CASES,
    "GET /charts/signals/{signal_id}/weeks.svg": PUBLISHED,
    "GET /health/live": NONE,
    "GET /health/ready": NONE,
    "GET /metrics": WHOLE,
    "GET /signals": PUBLISHED,
    "GET /signals/{signal_id}": PUBLISHED,
    "GET /v1/areas": PUBLISHED,
    "GET /v1/areas.geojson": PUBLISHED,
    "GET /v1/areas/{area:path}": PUBLISHED,
    "GET /v1/cases": CASES,
    "GET /v1/cases/{case_id}": CASES,
    "GET /board": BOARD,
    "GET /charts/board.svg": BOARD,
    "GET /v1/board": BOARD,
    "GET /v1/board.csv": BOARD,
    "GET /v1/board/schema.json": NONE,
    "GET /v1/offices": PUBLISHED,
    "GET /v1/overrides": OVERRIDDEN,
    "GET /v1/signals": PUBLISHED,
    "GET /v1/signals/{signal_id}": PUBLISHED,
    "PATCH /v1/signals/{signal_id}": PUBLISHED,
    "POST /signals/{signal_id}/review": PUBLISHED,
    "POST /v1/events": WHOLE,
    "POST /v1/risk": CASES,
    "GET /v1/jobs": WHOLE,
    "GET /v1/jobs/{job_id}": WHOLE,
    "POST /v1/jobs": WHOLE,
    "POST /v1/jobs/{job_id}/cancel": WHOLE,
    "GET /boundary": NONE,
    "GET /v1/boundary": NONE,
    "GET /static/areas-labels.css": NONE,
    "GET /static/charts.js": NONE,
    "GET /charts/models/{version}/{outcome}/{kind}.svg": WHOLE,
    "GET /charts/models/drift.svg": WHOLE,
    "GET /cases/{case_id}/what-if": CASES,
    "GET /v1/cases/{case_id}/what-if": CASES,
    "POST /v1/cases/{case_id}/what-if": CASES,
    "GET /v1/cases.csv": CASES,
    "GET /v1/cases/{case_id}/marks": CASES,
    "PATCH /v1/cases/{case_id}/marks": CASES,
    "POST /cases/{case_id}/marks": CASES,
    "GET /v1/views": NONE,
    "POST /v1/views": NONE,
    "DELETE /v1/views/{view_id}": NONE,
    "POST /views": NONE,
}

COMMANDS = {
    "as-of": PUBLISHED,
    "audit head": NONE,
    "audit show": NONE,
    "audit verify": NONE,
    "backtest": SLICES,
    "backup": NONE,
    "backup verify": NONE,
    "board show": NONE,
    "board withdraw": NONE,
    "boundary check": NONE,
    "check": CHECKED,
    "clock case": CASES,
    "clock check": NONE,
    "clock explain": NONE,
    "clock set": NONE,
    "config check": NONE,
    "config show": NONE,
    "demo": WHOLE,
    "features": NONE,
    "features describe": NONE,
    "features export": CASES,
    "features list": NONE,
    "import": WHOLE,
    "imports": WHOLE,
    "jobs add": WHOLE,
    "jobs cancel": WHOLE,
    "jobs list": WHOLE,
    "jobs show": WHOLE,
    "keys add": NONE,
    "keys list": NONE,
    "keys revoke": NONE,
    "models compare": WHOLE,
    "models drift": WHOLE,
    "models gates": WHOLE,
    "models history": NONE,
    "models judge": WHOLE,
    "models keygen": NONE,
    "models list": WHOLE,
    "models promote": NONE,
    "models prune": NONE,
    "models rollback": NONE,
    "models show": WHOLE,
    "models sign": NONE,
    "models verify": NONE,
    "places import": NONE,
    "places show": NONE,
    "restore": NONE,
    "retain": WHOLE,
    "score": WHOLE,
    "serve": NONE,
    "signals": PUBLISHED,
    "signals detect": OWN,
    "signals nowcast": OWN,
    "signals plan": OWN,
    "signals review": NONE,
    "signals scan": OWN,
    "sync": WHOLE,
    "train": WHOLE,
    "what-if": CASES,
    "worker": NONE,
}

# Numbers about an area, an office or a signal that are no counts of cases, and what they are.
NUMBERS = {
    **{f"levels.{name}": "areas whose level is told" for name in LevelCounts.model_fields},
    # The value of a disclosed figure each, beside which `withheld` names it; null where it is withheld.
    **{f"features.properties.{name}": "a disclosed figure" for name in MAPPED},
    "features.properties.signals": "signals, which are always told",
    "minimum_cell": "the minimum itself",
    "fdr_level": "a setting of the detection",
    "weeks_running": "weeks",
    "parts.number": "areas or types of problem",
    "parts.rising": "areas or types of problem",
    "parts.told": "signals",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The application, on a store that nobody opens."""
    return create_app(Settings(store_url=str(tmp_path_factory.mktemp("outlets") / "none.db")))


def routes(router: Any) -> Iterator[APIRoute]:
    """All routes of a router and of those in it."""
    for route in router.routes:
        inside = getattr(route, "original_router", None)
        if inside is not None:
            yield from routes(inside)
        elif isinstance(route, APIRoute):
            yield route


# Addresses with nothing of the kind below them: signing in, models and their files, the description of the API.
_ELSEWHERE = ("/v1/models", "/models", "/sign-in", "/sign-out", "/session", "/openapi", "/v1/openapi", "/v1/session")


def test_every_address_that_answers_figures_is_named_with_what_it_passes(service):
    """A new address about cases, areas, offices, signals or jobs is no outlet until this table says what it passes."""
    found = {
        f"{method} {route.path}"
        for route in routes(service)
        for method in route.methods - {"HEAD", "OPTIONS"}
        if not route.path.startswith(_ELSEWHERE)
    }
    assert sorted(found - ADDRESSES.keys()) == []


def numbers(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Where in what is answered numbers stand, but for those that are figures."""
    for name, field in model.model_fields.items():
        here = f"{path}{name}"
        for kind in leaves(field.annotation):
            if kind is FigureItem:
                continue
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from numbers(kind, f"{here}.")
            elif kind in (int, float):
                yield here


def leaves(annotation: Any) -> Iterator[Any]:
    """The types inside of lists, options and mappings."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType, list, tuple, dict, typing.Annotated):
        for inner in typing.get_args(annotation):
            yield from leaves(inner)
    else:
        yield annotation


def published_answers(service) -> dict[str, type[BaseModel]]:
    answers = {f"{method} {route.path}": route.response_model for route in routes(service) for method in route.methods}
    return {
        address: answers[address]
        for address, way in ADDRESSES.items()
        if way == PUBLISHED and address.split()[1].startswith("/v1") and answers.get(address) is not None
    }


def test_every_number_that_the_api_answers_about_areas_is_a_disclosed_figure_or_named(service):
    """A number beside the figures, which can be withheld, is one that says nothing of how many cases there are."""
    answers = published_answers(service)
    assert len(answers) >= 5
    for address, model in answers.items():
        for where in numbers(model):
            name = where.removeprefix("areas.").removeprefix("offices.").removeprefix("signals.")
            assert name.removeprefix("signals.").removeprefix("related.") in NUMBERS, f"{address}: {where}"


def test_every_figure_of_the_pressure_is_under_a_rule_and_in_the_answer():
    """What is published of a unit, what the rules speak of and what is answered are the same columns."""
    ruled = {*AREA_PRESSURE.counts, *AREA_PRESSURE.derived} - {"level"}
    assert set(PRESSURE_FIGURES) == ruled
    assert {name for name in PressureItem.model_fields if name != "level"} == ruled
    assert {name for name in Pressure.__dataclass_fields__ if name not in ("unit", "level")} == ruled


def test_every_figure_of_a_signal_is_under_a_rule():
    """No field of a signal or of its weeks is a plain number, but for what is named here."""
    plain = {"signal_id", "area", "category", "direction", "method", "status", "method_reason"}
    named = {"week", "fdr_level", "weeks_running", "parts", "told", "weeks_of_past", "held", "lasted", "weeks"}
    assert set(Signal.__dataclass_fields__) == {*SIGNAL_FIGURES, *plain, *named}
    figures = {"observed", "expected", "lower", "upper"}
    assert set(SignalWeek.__dataclass_fields__) == {"week", "state", "alarm", *figures}


def leaf_commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command that does something."""
    inside = getattr(command, "commands", None)
    if inside is not None:
        if path and command.invoke_without_command:
            yield " ".join(path)
        for name, inner in inside.items():
            yield from leaf_commands(inner, (*path, name))
    else:
        yield " ".join(path)


def test_every_command_is_named_with_what_its_figures_pass():
    """A new command is no outlet until this table says what it passes."""
    assert sorted(set(leaf_commands(typer.main.get_command(commands))) - COMMANDS.keys()) == []


def test_a_command_whose_figures_are_published_has_none_without_it(tmp_path, monkeypatch):
    """Take the function away and the command comes to nothing."""
    path = small_store(tmp_path)
    asked = ["--store", str(path), "as-of", "2030-01-01", "--json"]
    assert CliRunner().invoke(commands, asked).exit_code == 0
    monkeypatch.setattr(published, "disclose_pressure", _refuse)
    assert isinstance(CliRunner().invoke(commands, asked).exception, NotImplementedError)


def _refuse(*_args: object, **_kwargs: object) -> pd.DataFrame:
    raise NotImplementedError


# -- back-tests


def one_slice(name: str | None, rows: int, failed: int, cases: int | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "together": 1,
        "cases": rows if cases is None else cases,
        "rows": rows,
        "base_rate": {"value": failed / rows, "low": 0.0, "high": 1.0},
    }


def sliced(told: list[dict[str, Any]], pooled: dict[str, Any] | None = None, withheld: int = 0) -> dict[str, Any]:
    return {"slices": {"area": {"told": told, "pooled": pooled, "withheld": withheld}}}


def test_the_minimum_of_the_service_holds_for_slices_too():
    """18 failed at dock: shown at a minimum of 10; at 20 withheld, and hill with it, since the whole is known."""
    found = sliced([one_slice("dock", 90, 18), one_slice("hill", 90, 40), one_slice("lake", 90, 40)])
    assert disclose_slices(found, minimum=10) == found
    told = disclose_slices(found, minimum=20)["slices"]["area"]
    assert [one["name"] for one in told["told"]] == ["lake"]
    assert told["withheld"] == 2


def test_a_slice_of_few_cases_with_many_landmarks_is_withheld():
    """A case is judged on many mornings: 90 landmarks of 9 cases are 9 cases. The rest would give them back."""
    found = sliced([one_slice("dock", 90, 40, cases=9), one_slice("hill", 90, 40)], one_slice(None, 60, 30), 3)
    told = disclose_slices(found, minimum=10)["slices"]["area"]
    assert [one["name"] for one in told["told"]] == ["hill"]
    assert told["pooled"] is None
    assert told["withheld"] == 4


def test_the_minima_of_the_layers_below_are_that_of_the_service():
    """They cannot see the one of the service; where it is raised, the service withholds the rest."""
    assert IN_SLICES == IN_CHECKS == reasons._FEWEST == MINIMUM


# -- checks, and reasons of a risk


def finding(n: int, **where: str) -> CheckFinding:
    chart = Chart(
        "lines", "count", Both("月", "month"), Both("件", "cases"), (Point("2024-01", 3), Point("2024-02", 40))
    )
    return CheckFinding(
        code="words_change", level="note", weight=0.1, figures={"cases": n}, where=Where(**where), chart=chart
    )


def test_a_check_tells_no_small_count_of_an_office_and_draws_no_months_of_it():
    """An office may serve one area only; of a type of problem in the whole city all may be told."""
    assert disclosed(finding(40, office="dock")).chart is None
    assert disclosed(finding(40, office="dock")).figures == {"cases": 40}
    assert disclosed(finding(15, area="dock"), 20).figures == {"cases": None}
    assert disclosed(finding(15, category="lamp"), 20).chart is not None


@pytest.mark.parametrize(
    "name", [name for name, one in CATALOGUE.items() if one.unit == "count" and "area" in one.keys]
)
def test_a_reason_tells_no_small_count_of_an_area(name):
    """Whoever reads a case learns what moved its risk, and not how few cases its area has."""
    for value in (0.0, 9.0):
        assert not {"0 ", "9"} & set(phrase(name, {name: value})[1].split(": ", 1)[1:])
        assert "fewer than 10" in phrase(name, {name: value})[1]
        assert "不足10" in phrase(name, {name: value})[0]
    assert "fewer" not in phrase(name, {name: 12.0})[1]
