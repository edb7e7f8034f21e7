"""`heed models judge | gates | drift`: how a version did, what must hold before it is used, how far it has drifted."""

from __future__ import annotations

from typing import Any

from features.catalogue import CATALOGUE
from models.gates import Gate
from models.registry.names import model_name_of
from service.cli._app import Json, emit, open_registry, open_store, out, progress, shown
from service.cli._models_shown import print_table
from service.cli.models import Version, group, resolved
from service.drift import read_drift
from service.gate_payloads import DriftShown
from service.gating import gates_of, judge_version
from service.problems import NotFoundError
from service.training import FAILURES

_STATES = {True: "passed", False: "NOT passed", None: "cannot be told"}


@group.command("judge")
def judge(version: Version, as_json: Json = False) -> None:
    """Judge a version on later cases, beside the version in use, and keep what was found with it.

    Its way of learning is made anew at a cut and tested on the cases after it; the version in use is asked about the
    same cases.

    Example: heed --store heed.db models judge failures:challenger
    """
    registry = open_registry()
    chosen = resolved(registry, version)
    with open_store() as store, progress(quiet=as_json) as step:
        found = judge_version(store, registry, chosen, progress=step)
    told = registry.judged(chosen) or {}
    if as_json:
        emit({"version": chosen, "gates": [gate.as_dict() for gate in found], "judged": told})
        return
    _tell_judged(told)
    _tell_gates(found)


@group.command("gates")
def gates(version: Version, as_json: Json = False) -> None:
    """Say what must hold before a version takes the place of the one in use, and whether it does.

    Example: heed --store heed.db models gates failures:challenger
    """
    registry = open_registry()
    chosen = resolved(registry, version)
    registry.load(chosen)
    found = gates_of(registry, chosen)
    if as_json:
        beside = registry.champion(str(model_name_of(chosen)))
        emit({"version": chosen, "champion": beside, "gates": [gate.as_dict() for gate in found]})
    else:
        _tell_gates(found)


@group.command("drift")
def drift(as_json: Json = False) -> None:
    """Say how far the models in use have drifted, as the newest scoring with them found it.

    Example: heed --store heed.db models drift
    """
    version = open_registry().champion(FAILURES)
    with open_store() as store:
        found = None if version is None else read_drift(store, version)
    if version is None or found is None:
        raise NotFoundError("No scoring with the models in use says how far they have drifted. Run `heed score`.")
    told = DriftShown.of(version, found)
    if as_json:
        emit(told.model_dump(mode="json"))
        return
    out.print(f"{version} at {shown(found.as_of)}:", highlight=False)
    rows = [
        (one.outcome, f"{one.cases:,}", _share(one.told), _interval(one.came, one.lower, one.upper), _holds(one.holds))
        for one in told.outcomes
    ]
    print_table(("outcome", "cases", "told", "came", ""), rows)
    if told.inputs is None:
        out.print("What they learned from is not kept by these models; train anew to compare with it.")
        return
    moves = [(one.outcome + " risk", one.risk) for one in told.outcomes if one.risk is not None]
    moves += [(_label(one.measure), one) for one in told.inputs]
    listed = [
        (name, one.level.replace("_", " "), _plain(one.index), _plain(one.by_chance), _plain(one.limit))
        for name, one in moves[: len(told.outcomes) + 15]
    ]
    print_table(("measure", "", "index", "by chance", "limit"), listed)


def _label(measure: str) -> str:
    return CATALOGUE[measure].label_en if measure in CATALOGUE else measure


def _tell_judged(told: dict[str, Any]) -> None:
    out.print(f"Beside {told.get('beside') or 'nothing'}, on cases after the cut:", highlight=False)
    rows = []
    for name, one in told.get("outcomes", {}).items():
        if one.get("too_little"):
            rows.append((name, f"{one['cases']:,}", "too few", "–", "–"))
            continue
        other = one["champion"]
        rows.append(
            (
                name,
                f"{one['cases']:,}",
                _plain(one["challenger"]["figures"]["brier"]["value"]),
                "–" if other is None else _plain(other["figures"]["brier"]["value"]),
                "–" if other is None else _signed(one["differences"]["brier"]),
            )
        )
    print_table(("outcome", "cases", "Brier", "in use", "difference"), rows)


def _tell_gates(found: list[Gate]) -> None:
    rows = [
        (gate.words, _STATES[gate.passed], _plain(gate.figure), _plain(gate.limit), gate.outcome or "–")
        for gate in found
    ]
    print_table(("gate", "", "found", "limit", "outcome"), rows)


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _signed(one: dict[str, float | None]) -> str:
    value, low, high = one["value"], one["low"], one["high"]
    if value is None:
        return "–"
    return f"{value:+.4f}" if low is None or high is None else f"{value:+.4f} ({low:+.4f} to {high:+.4f})"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _interval(value: float | None, lower: float | None, upper: float | None) -> str:
    if value is None or lower is None or upper is None:
        return "too few cases are mature"
    return f"{value:.1%} ({lower:.1%} to {upper:.1%})"


def _holds(value: bool | None) -> str:
    return {True: "as told", False: "NOT as told", None: ""}[value]
