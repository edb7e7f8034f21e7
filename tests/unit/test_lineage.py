"""Lineage: where a model comes from, and that one which does not fit here is refused, each misfit by its own words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from data.errors import ModelError
from features.catalogue import CATALOGUE
from features.facts import facts_contract
from models import contract, lineage
from models.contract import feature_contract
from models.lineage import Lineage, code_version, lineage_differences, require_usable
from models.registry import Registry
from models.registry.compare import compare

NAMES = ("record_category", "backlog_office", "promised_hours")


@pytest.fixture
def made():
    return Lineage.of(
        data="d" * 64,
        features=NAMES,
        seeds={"trees": 1},
        parameters={"rounds": 300, "start": "record"},
        trained_before=1_700_000_000,
        counts={"late": {"n": 10, "failed": 3}},
        label_trust={"late": {"A": 9, "D": 1}},
    )


def stored(tmp_path, card):
    """A model with this card, as the registry gives it back."""
    registry = Registry(tmp_path)
    files = {"model.json": json.dumps({"features": list(NAMES), "card": card}).encode(), "booster.txt": b"tree"}
    return registry.load(registry.save("late", files))


def test_a_lineage_says_all_that_a_model_was_made_of(made):
    """Data, contracts, code, libraries, seeds, parameters, moment, counts, trust, boundary."""
    told = made.as_dict()
    assert told["facts_contract"] == facts_contract()
    assert told["feature_contract"] == feature_contract(NAMES)
    assert told["boundary"] == {"clean": True, "checked": 3}
    assert set(told["libraries"]) == {"lightgbm", "numpy", "pandas", "scikit-learn", "scipy"}
    assert all(version[0].isdigit() for version in told["libraries"].values())
    assert len(told["code"]["sources"]) == 64
    assert json.loads(json.dumps(told)) == told


def test_how_many_threads_there_were_is_no_part_of_a_lineage(made):
    """The same model grown by two hands is the same version."""
    given = {"late": {"rounds": 300, "n_jobs": 2}, "threads": 2}
    found = Lineage.of(data="", features=NAMES, seeds={}, parameters=given, trained_before=0)
    assert found.parameters == {"late": {"rounds": 300}}


def test_a_lineage_comes_back_from_a_card_as_it_was(tmp_path, made):
    """What is read is what was written, and it fits the house that wrote it."""
    found = require_usable(stored(tmp_path, {"lineage": made.as_dict()}))
    assert found == made


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "expected a lineage of format 1, got 2"),
        ({"facts_contract": "0" * 64}, r"made of the facts of this version .* learned from others \(000000000000\)"),
        ({"feature_contract": "0" * 64}, "features of the same names that meant something else"),
        ({"features": ("record_category", "moon_phase")}, "and it learned from moon_phase"),
        ({"libraries": {"lightgbm": "3.3.5"}}, r"expected trees of LightGBM 4, as installed, and they were grown by 3"),
        ({"libraries": {}}, "grown by none"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_by_what_does_not(tmp_path, made, change, told):
    """Expected, came, what to do: one message for each."""
    model = stored(tmp_path, {"lineage": replace(made, **change).as_dict()})
    with pytest.raises(ModelError, match=told) as caught:
        require_usable(model)
    assert model.version in str(caught.value)
    assert "heed train" in str(caught.value)
    with pytest.raises(ModelError, match=told):
        Registry(tmp_path).promote("late", model.version)


def test_a_minor_release_of_a_library_is_no_reason_to_refuse(tmp_path, made):
    """Trees are read across minor versions; the card says which grew them."""
    other = replace(made, libraries={**made.libraries, "lightgbm": "4.0.0", "numpy": "1.0"})
    assert require_usable(stored(tmp_path, {"lineage": other.as_dict()})) == other


@pytest.mark.parametrize("card", [{}, {"lineage": []}, {"lineage": {"format": 1, "data": "x"}}])
def test_a_card_without_a_whole_lineage_is_refused(tmp_path, card):
    """A model of unknown origin fits nowhere."""
    with pytest.raises(ModelError, match=r"says where the model comes from|its lineage is not complete"):
        require_usable(stored(tmp_path, card))


def test_a_contract_is_of_meaning_and_not_of_wording(monkeypatch):
    """A label may be reworded; a window, a unit, a name or an order may not."""
    before = feature_contract(NAMES)
    reworded = replace(CATALOGUE["backlog_office"], label_en="another wording", null="said otherwise")
    monkeypatch.setitem(contract.CATALOGUE, "backlog_office", reworded)
    assert feature_contract(NAMES) == before
    assert feature_contract(NAMES[::-1]) != before
    for change in ({"unit": "share"}, {"window_days": 7}, {"keys": ("area",)}, {"known": "after_opening"}):
        monkeypatch.setitem(contract.CATALOGUE, "backlog_office", replace(CATALOGUE["backlog_office"], **change))
        assert feature_contract(NAMES) != before


def test_a_contract_sees_a_changed_formula(monkeypatch):
    """A prior that weighs more, a window that is longer: the names say nothing of it, the answers do."""
    from features import records

    before = feature_contract(NAMES)
    contract._answers.cache_clear()
    monkeypatch.setattr(records, "_PRIOR_SHARE", 0.2501)
    changed = feature_contract(NAMES)
    monkeypatch.undo()
    contract._answers.cache_clear()
    assert feature_contract(NAMES) == before
    assert changed != before


def test_every_feature_answers_the_fixed_question_otherwise():
    """A feature that answered nothing, or the same as another, could change unseen."""
    answers = contract._answers()
    assert set(answers) == {*CATALOGUE, "start"}
    assert len(set(answers.values())) == len(answers)


def test_the_code_is_known_by_its_source(monkeypatch, tmp_path):
    """A changed line is other code; other ends of lines are not."""
    (tmp_path / "room").mkdir()
    source = tmp_path / "room" / "__init__.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(lineage, "_ROOMS", ("room",))
    found = []
    for text in (b"x = 1\ny = 2\n", b"x = 1\r\ny = 2\r\n", b"x = 1\ny = 3\n"):
        source.write_bytes(text)
        code_version.cache_clear()
        found.append(code_version()["sources"])
    code_version.cache_clear()
    assert found[0] == found[1] != found[2]


def test_differences_are_told_by_name(made):
    """Added and removed features, and every value that differs."""
    other = replace(made, features=("record_category", "hour"), seeds={"trees": 2}, data="e" * 64)
    assert lineage_differences(made.as_dict(), other.as_dict()) == {
        "features added": (None, ["hour"]),
        "features removed": (["backlog_office", "promised_hours"], None),
        "data": ("d" * 64, "e" * 64),
        "seeds.trees": (1, 2),
    }
    assert lineage_differences(made.as_dict(), made.as_dict()) == {}


def test_two_versions_are_compared_by_figures_settings_features_and_lineage(tmp_path, made):
    """Figures stand side by side, equal ones too; of the rest, what differs."""
    registry = Registry(tmp_path)

    def saved(brier, rounds, names, data):
        card = {"lineage": replace(made, data=data).as_dict(), "backtest": {"brier": brier, "auc": 0.8, "ok": True}}
        described = {"features": names, "rounds": rounds, "outcome": "late", "card": card}
        return registry.load(registry.save("late", {"model.json": json.dumps(described).encode(), "b.txt": b"tree"}))

    found = compare(saved(0.12, 300, ["hour"], "a"), saved(0.11, 200, ["hour", "weekday"], "b"))
    assert found["figures"] == {"backtest.auc": [0.8, 0.8], "backtest.brier": [0.12, 0.11]}
    assert found["settings"] == {"rounds": [300, 200]}
    assert found["features"] == {"added": ["weekday"], "removed": []}
    assert found["lineage"] == {"data": ["a", "b"]}
