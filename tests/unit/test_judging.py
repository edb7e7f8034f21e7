"""A version beside the one in use on the same later cases, and drift that knows nothing of the future."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data import tables
from data.store import Store
from features.landmarks import landmarks_now
from models.drift import Material
from models.drift.material import compared
from models.failures import FailureModels
from models.gates import Facts, gates
from models.judging import Contender, judged
from models.learning import train
from models.lineage import Lineage
from service.drift import drift_rows, matured, read_drift
from service.known import Known
from service.training import lineage_of
from tests.support.service_store import small_store

QUICK = {"rounds": 20, "num_leaves": 8, "calibration": "identity", "linear_weight": 0.25, "evidence_strength": 1000.0}
DAY = 86_400


@pytest.fixture(scope="module")
def models(little_history) -> FailureModels:
    """Models of lateness alone."""
    return train(little_history, outcomes=["late"], **QUICK, ridge=1.0)


@pytest.fixture(scope="module")
def lineage(little_history, models) -> Lineage:
    """Where they come from."""
    return lineage_of(little_history, models)


def test_two_that_are_made_alike_do_not_differ(little_history, lineage):
    """The difference is nothing, to the bit, and no gate of a difference closes."""
    found = judged(little_history, Contender("failures-b", lineage), Contender("failures-a", lineage))
    late = found["outcomes"]["late"]
    assert (found["beside"], late["how"]) == ("failures-a", "made_alike")
    assert {one["value"] for one in late["differences"].values()} == {0.0}
    assert late["cases"] >= late["failed"] > 0
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    told = gates(Facts(0, fits=True, signed=None, outcomes=frozenset({"late"}), champion="failures-a", judged=found))
    assert {gate.name: gate.passed for gate in told}["brier"] is True


@pytest.mark.slow
def test_one_that_knows_less_is_found_worse(little_history, lineage):
    """Beside a constant that was made of no feature that tells anything."""
    poor = replace(lineage, parameters={"late": {**lineage.parameters["late"], "start": None, "rounds": 1}})
    found = judged(little_history, Contender("failures-b", poor), Contender("failures-a", lineage))
    late = found["outcomes"]["late"]
    assert late["how"] == "fitted_anew"
    assert late["differences"]["brier"]["value"] > 0
    # Nothing is named that could be a small cell: parts are counted, and the dimension of the worst is told.
    assert set(late["slices"]) == {"judged", "dimension", "worst"}
    assert all(one["n"] >= 10 for side in ("challenger", "champion") for one in late[side]["reliability"])


@pytest.mark.slow
def test_one_in_use_that_learned_of_nothing_after_the_cut_is_asked_as_it_is(little_history, lineage):
    """No refit: what the offices had."""
    cut = int(np.quantile(little_history.cases["opened_at"], 0.5))
    old = train(little_history, cut=cut, outcomes=["late"], **QUICK, ridge=1.0)
    champion = Contender("failures-a", replace(lineage, trained_before=cut), old)
    found = judged(little_history, Contender("failures-b", lineage), champion)
    assert found["outcomes"]["late"]["how"] == "as_stored"
    assert found["outcomes"]["late"]["champion"]["figures"]["auc"]["value"] > 0.5


def test_what_they_learned_from_is_kept_in_bins(models, little_history):
    """With the models, without a case or a feature of the calendar, and the same when read back."""
    material = models.material
    assert material is not None
    assert material.cases >= 50
    assert compared(["backlog_office", "landmark_weekday", "due_hour"]) == ["backlog_office"]
    assert set(material.features) <= set(compared(models.features))
    assert set(material.risks) == {"late"}
    assert all(min(bins.counts) >= 10 for bins in material.features.values())
    assert FailureModels.from_files(models.to_files()).material == material
    assert Material.from_file(material.to_file()) == material
    names = set(little_history.cases["case_id"])
    assert not any(name in material.to_file().decode() for name in list(names)[:50])


def test_old_bundles_without_it_are_read(models):
    """They keep none, and say so."""
    files = {name: data for name, data in models.to_files().items() if name != "material.json"}
    assert FailureModels.from_files(files).material is None


def _known(history, as_of: int, later: pd.DataFrame | None = None) -> Known:
    events = history.events if later is None else pd.concat([history.events, later], ignore_index=True)
    none = pd.DataFrame()
    followed = pd.Series(dtype="int64")
    return Known(as_of, events, followed, none, none, {}, None)


def _came(told: pd.DataFrame, known: Known) -> pd.DataFrame:
    return matured(told, known.events, known.as_of, known.observed_until, ("late",))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_no_outcome_counts_that_was_known_later(little_history, share):
    """What became known at the scoring or after changes nothing: cut off, or turned into its opposite."""
    events = little_history.events
    as_of = int(np.quantile(events["known_at"], share))
    earlier = as_of - 40 * DAY
    open_then = landmarks_now(events[events["known_at"] < earlier], earlier)["case_id"]
    told = pd.DataFrame({"case_id": open_then, "outcome": "late", "as_of": earlier, "probability": 0.3})
    whole = _came(told, _known(little_history, as_of))
    past = replace(_known(little_history, as_of), events=events[events["known_at"] < as_of])
    pd.testing.assert_frame_equal(_came(told, past), whole)
    closing = events[events["kind"] == "closed"].assign(known_at=as_of + DAY, at=as_of - 30 * DAY)
    pd.testing.assert_frame_equal(_came(told, _known(little_history, as_of, closing)), whole)
    assert len(whole)
    assert set(whole["came"]) <= {0.0, 1.0}


def test_drift_is_stored_with_the_scoring_and_read_back(little_history, models, tmp_path):
    """In place of that of the same moment; of a version that kept nothing, only what came is told."""
    inputs = little_history.inputs.rows(np.flatnonzero(little_history.landmarks["kind"] == "morning")[-300:])
    told = {"late": np.full(len(inputs), 0.9)}
    known = _known(little_history, little_history.as_of)
    with Store.open(str(small_store(tmp_path))) as store:
        for kept in (models, replace(models, material=None)):
            rows = drift_rows(store, kept, "failures-0123456789ab", known, inputs, told)
            risks = store.read_risks()
            store.write_risks(risks.assign(as_of=known.as_of), as_of=known.as_of, drift=rows)
            found = read_drift(store, "failures-0123456789ab")
            assert found is not None
            assert found.as_of == known.as_of
            assert found.told["late"].cases == 0
            assert found.told["late"].told is None
            if kept.material is None:
                assert (found.risks, found.inputs) == ({}, ())
            else:
                assert found.risks["late"].level == "moved_much"
                assert len(found.inputs) == len(models.material.features)
        assert read_drift(store, "failures-000000000000") is None
        with store.reading() as connection:
            count = connection.execute(tables.model_drift.select()).all()
        assert len(count) == 2
