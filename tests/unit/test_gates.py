"""Gates: each open and each closed, kept judgements that are refused when damaged, and what goes over a closed one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from data import tables
from data.errors import ModelError
from data.store import Store
from models.gates import HARD, Facts, failed, gates
from models.registry import Registry
from models.registry.names import JUDGED
from models.registry.verify import verify
from service.gating import GATES, gates_of
from tests.support.judgements import judgement
from tests.support.service_store import small_store
from tests.unit.test_cli_models import bundle, run

OPEN = Facts(
    violations=0,
    fits=True,
    signed=None,
    outcomes=frozenset({"late", "reopened"}),
    champion="failures-000000000000",
    champion_outcomes=frozenset({"late"}),
    judged=judgement("failures-000000000000"),
)


def test_a_version_that_did_well_passes_all():
    """With what was found, and of which outcome."""
    found = gates(OPEN)
    assert failed(found) == []
    told = {gate.name: (gate.figure, gate.limit, gate.outcome) for gate in found}
    assert told["cases"] == (450.0, 200.0, "late")
    assert told["calibration"] == (0.02, 0.05, "late")
    assert told["brier"][0] == pytest.approx(-0.015 / 0.145)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("boundary", {"violations": 1}),
        ("fit", {"fits": False}),
        ("signature", {"signed": False}),
        ("outcomes", {"outcomes": frozenset({"reopened"})}),
        ("cases", {"judged": judgement(str(OPEN.champion), cases=199)}),
        ("cases", {"judged": judgement(str(OPEN.champion), failed=19)}),
        (
            "brier",
            {"judged": judgement(str(OPEN.champion), differences__brier={"value": 0.01, "low": 0.002, "high": 0.02})},
        ),
        ("calibration", {"judged": judgement(str(OPEN.champion), challenger__figures__ece={"value": 0.051})}),
        (
            "slices",
            {"judged": judgement(str(OPEN.champion), slices__worst={"value": 0.05, "low": 0.021, "high": 0.08})},
        ),
    ],
)
def test_each_gate_closes_alone(name, change):
    """And says so by its own name and words."""
    closed = failed(gates(replace(OPEN, **change)))
    assert [(gate.name, gate.passed) for gate in closed] == [(name, False)]
    assert closed[0].words == GATES[name]


@pytest.mark.parametrize("beside", [None, "failures-111111111111"])
def test_a_version_that_was_not_judged_beside_the_one_in_use_cannot_be_told(beside):
    """Nor one that was judged beside another: nothing of it counts, and nothing is called a pass."""
    judged = None if beside is None else judgement(beside)
    told = {gate.name: gate.passed for gate in gates(replace(OPEN, judged=judged))}
    assert told["judged"] is False
    assert {name for name, passed in told.items() if passed is None} == {"cases", "brier", "calibration", "slices"}


def test_the_first_version_needs_only_what_is_never_gone_over():
    """There is nothing to compare it with."""
    found = gates(replace(OPEN, champion=None, judged=None))
    assert {gate.name for gate in found} == HARD


def test_a_difference_too_small_to_matter_closes_nothing():
    """With many cases a ten-thousandth is sure."""
    sure = {"value": 0.0002, "low": 0.0001, "high": 0.0003}
    assert failed(gates(replace(OPEN, judged=judgement(str(OPEN.champion), differences__brier=sure)))) == []


@pytest.fixture
def registry(tmp_path):
    """Two versions, the first in use."""
    found = Registry(tmp_path / "models")
    for number in range(2):
        found.save("failures", bundle(number))
    found.promote("failures", found.save("failures", bundle(0)))
    return found


def _two(registry: Registry) -> tuple[str, str]:
    champion = str(registry.champion("failures"))
    (other,) = set(registry.versions()) - {champion}
    return champion, other


def test_a_judgement_is_kept_beside_a_version_and_changes_no_hash(registry):
    """Read as it was written, replaced by the next, taken away with the version."""
    champion, other = _two(registry)
    assert registry.judged(other) is None
    registry.keep_judged(other, judgement(champion))
    assert registry.judged(other) == judgement(champion)
    assert registry.load(other).version == other
    assert failed(gates_of(registry, other)) == []
    assert [one.problem for one in verify(registry)] == [None] * 4
    registry.keep_judged(other, judgement(champion, cases=10))
    assert [gate.name for gate in failed(gates_of(registry, other))] == ["cases"]
    registry.prune(keep=0)
    assert not (registry.folder / other).exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("450", "451"), "expected the contents of its hash, and they differ"),
        (lambda text: text[:-20], "cannot be read as JSON"),
        (lambda text: text.replace('"version": "failures', '"version": "other'), "expected what was found out about"),
    ],
)
def test_a_damaged_judgement_is_refused(registry, spoil, message):
    """It opens no gate, and `heed models verify` names it."""
    champion, other = _two(registry)
    registry.keep_judged(other, judgement(champion))
    path = registry.folder / other / JUDGED
    path.write_text(spoil(path.read_text("utf-8")), "utf-8")
    with pytest.raises(ModelError, match=message):
        registry.judged(other)
    assert "judged" in {gate.name for gate in failed(gates_of(registry, other))}
    (problem,) = [one.problem for one in verify(registry) if one.problem]
    assert message in problem


def test_a_judgement_holds_finite_numbers(registry):
    """JSON has no others."""
    _champion, other = _two(registry)
    with pytest.raises(ModelError, match="expected plain values with finite numbers"):
        registry.keep_judged(other, {"brier": float("nan")})
    assert registry.judged(other) is None


def test_a_damaged_version_is_not_judged(registry):
    """Nothing is said of what is not what it was."""
    champion, other = _two(registry)
    path = registry.folder / other / "late" / "booster.txt"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ModelError, match=r"booster\.txt"):
        registry.keep_judged(other, judgement(champion))


@pytest.fixture
def asked(monkeypatch, capsys, tmp_path):
    """`heed models` on a store with two versions beside it."""
    store = small_store(tmp_path)
    found = Registry(store.with_suffix(".models"))
    versions = [found.save("failures", bundle(number)) for number in range(2)]
    found.promote("failures", versions[0])

    def ask(*arguments: str) -> tuple[int, str, str]:
        return run(monkeypatch, capsys, "--store", str(store), "models", *arguments)

    return ask, found, versions, store


def test_the_command_names_the_gates_that_are_closed(asked):
    """Exit code 1, what to do, and nothing changed."""
    ask, found, versions, _store = asked
    code, _, error = ask("promote", versions[1])
    assert code == 1
    assert "expected its gates to be passed, and these are not: judged" in error
    assert f"heed models judge {versions[1]}" in error
    assert found.champion("failures") == versions[0]
    told = json.loads(ask("gates", versions[1], "--json")[1])
    assert {gate["name"]: gate["passed"] for gate in told["gates"]}["judged"] is False
    assert "NOT passed" in ask("gates", versions[1])[1]
    found.keep_judged(versions[1], judgement(versions[0]))
    assert ask("promote", versions[1])[0] == 0
    assert found.champion("failures") == versions[1]


def test_gates_are_gone_over_with_a_reason_that_the_trail_keeps(asked):
    """A code, told before it is done; no sentence."""
    ask, found, versions, path = asked
    code, _, error = ask("promote", versions[1], "--override", "Mr Wang wants it")
    assert code == 2
    assert "--override: expected a short code" in error
    assert ask("promote", versions[1], "--override", "agreed-trial")[0] == 0
    assert found.champion("failures") == versions[1]
    with Store.open(str(path)) as store, store.reading() as connection:
        rows = connection.execute(
            tables.audit_entry.select().where(tables.audit_entry.c.action == "model.promote")
        ).all()
    (detail,) = [json.loads(row.detail) for row in rows]
    assert detail["override"] == "agreed-trial"
    assert detail["gates"] == ["judged", "cases", "brier", "calibration", "slices"]


def test_the_drift_of_no_scoring_is_said(asked):
    """With the remedy."""
    ask, _found, _versions, _store = asked
    code, _, error = ask("drift")
    assert code == 2
    assert "Run `heed score`" in error
