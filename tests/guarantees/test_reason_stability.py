"""The top three reasons hold still: measured by repeated experiment on a simulated city.

Two hundred mornings of cases that the models never learned from are explained again after a change that no officer
would call one: the same morning a minute later, every number rounded to three digits, and the history without one
earlier case of the same type and office. Counted is how often the three topics that are told change, and how often
they change or trade places. The same is measured of single features, which is what topics are for.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.store import Store
from features.event_index import EventIndex, IndexTerms
from features.facts import facts_from_events
from features.landmarks import queries_at
from features.risk_inputs import RiskInputs, input_terms, possible, risk_inputs
from models.explain import grouped
from models.history import History
from models.learning import fit, lesson
from models.reasons import by_topic, top_topics
from service.known import Known

pytestmark = pytest.mark.slow

_LOG = logging.getLogger(__name__)

MORNINGS = 150
SETTINGS = {"rounds": 150, "num_leaves": 8, "linear_weight": 0.25, "evidence_strength": 100.0, "ridge": 100.0}
# Share of cases whose three topics may change, and whose three may change or trade places.
MINUTE, ROUNDED = (0.0, 0.0), (0.02, 0.04)
NEIGHBOUR = {"late": (0.06, 0.09)}
# Where failures are rare, most topics add a point or less, and one neighbour changes which of them is third: measured
# at up to 17 cases in 100 changed and 27 changed or moved. What holds for them too is that none that is clearly larger
# gives way.
OF_RARE_FAILURES = (0.20, 0.32)
CLEARLY = 0.005
CLEARLY_CHANGED = 0.04


@pytest.fixture(scope="module")
def known(small_city_url):
    with Store.open(small_city_url) as store:
        return Known.at(store), store.time_zone(), store.known_at_opening()


@pytest.fixture(scope="module")
def history(known) -> History:
    seen, zone, keys = known
    return History.build(
        seen.events, as_of=seen.as_of, time_zone=zone, known_at_opening=keys, inspections=seen.inspections,
        observed_until=seen.observed_until, capacity=seen.capacity, adjacency=seen.adjacency, calendar=seen.calendar,
    )  # fmt: skip


@pytest.fixture(scope="module")
def cut(history) -> int:
    return int(np.quantile(history.landmarks["landmark_at"], 0.8))


@pytest.fixture(scope="module")
def models(history, cut):
    return {name: fit(lesson(history, name, cut), **SETTINGS) for name in history.outcomes}


@pytest.fixture(scope="module")
def mornings(history, cut) -> pd.DataFrame:
    """Later mornings at which a promise lies ahead."""
    frame = history.landmarks
    chosen = np.flatnonzero((frame["landmark_at"] >= cut) & (frame["kind"] == "morning") & possible(frame, "late"))
    taken = np.sort(np.random.default_rng(1).choice(chosen, MORNINGS, replace=False))
    return frame.iloc[taken].reset_index(drop=True)


def _inputs(known, history: History, events: pd.DataFrame, frame: pd.DataFrame) -> RiskInputs:
    seen, zone, _keys = known
    facts = facts_from_events(
        events, seen.inspections, seen.observed_until, capacity=seen.capacity, adjacency=seen.adjacency
    )
    names = list(history.inputs.matrix.features.columns)
    index = EventIndex.build(facts, input_terms(names, history.outcomes))
    source = IndexTerms(index, queries_at(frame))
    return risk_inputs(source, frame, names, history.outcomes, time_zone=zone, calendar=seen.calendar)


def _told(models, inputs: RiskInputs) -> dict[str, dict[str, np.ndarray]]:
    """The top three topics and the top three features of each outcome."""
    found = {}
    for name, model in models.items():
        points = model.explain(inputs.table(name)).points
        order = np.argsort(-points.abs().to_numpy(), axis=1, kind="stable")[:, :3]
        found[name] = {
            "sizes": grouped(SimpleNamespace(points=points), by_topic(list(points.columns))).abs(),
            "topics": top_topics(SimpleNamespace(points=points)),
            "features": np.asarray(points.columns)[order],
        }
    return found


@pytest.fixture(scope="module")
def before(known, history, models, mornings):
    return _told(models, _inputs(known, history, history.events, mornings))


def _changed(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    sets = np.mean([set(a) != set(b) for a, b in zip(one, other, strict=True)])
    return float(sets), float((one != other).any(axis=1).mean())


def _clearly_changed(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Share of cases in which a topic gave way to one that had stood more than half a point below it."""
    sizes: pd.DataFrame = before["sizes"]
    count = 0
    for row, (one, other) in enumerate(zip(before["topics"], after["topics"], strict=True)):
        left, came = set(one) - set(other), set(other) - set(one)
        if left:
            stood = sizes.iloc[row]
            count += bool(stood[list(left)].max() - stood[list(came)].min() > CLEARLY)
    return count / len(sizes)


def _report(what: str, before, after) -> dict[str, tuple[float, float]]:
    for name in before:
        told = [_changed(before[name][kind], after[name][kind]) for kind in ("topics", "features")]
        clearly = _clearly_changed(before[name], after[name])
        _LOG.info("%s, %s: topics %s, features %s (changed; changed or moved); clearly %s", what, name, *told, clearly)
        assert clearly <= CLEARLY_CHANGED, f"{what}, {name}: {clearly}"
    return {name: _changed(before[name]["topics"], after[name]["topics"]) for name in before}


def _hold(found: dict[str, tuple[float, float]], most: tuple[float, float]) -> None:
    for name, shares in found.items():
        assert np.all(np.array(shares) <= most), f"{name}: {shares}, at most {most}"


def test_a_minute_later_the_same_reasons(known, history, models, mornings, before):
    """Nothing was learned in the minute, and no case's three reasons change or move."""
    later = mornings.assign(landmark_at=mornings["landmark_at"] + 60, seen_until=mornings["seen_until"] + 60)
    after = _told(models, _inputs(known, history, history.events, later))
    _hold(_report("a minute", before, after), MINUTE)


def _three_digits(values: pd.Series) -> pd.Series:
    return values.map(lambda value: float(f"{value:.3g}") if np.isfinite(value) else value)


def test_rounding_does_not_reshuffle_the_reasons(known, history, models, mornings, before):
    """Every feature and every part of the start to three digits."""
    exact = _inputs(known, history, history.events, mornings)
    matrix = replace(exact.matrix, features=exact.matrix.features.apply(_three_digits))
    rounded = RiskInputs(matrix, {name: parts.apply(_three_digits) for name, parts in exact.starts.items()})
    _hold(_report("rounded", before, _told(models, rounded)), ROUNDED)


def test_one_neighbour_more_or_less_does_not_reshuffle_the_reasons(known, history, models, mornings, before):
    """Each morning again, in a history without one earlier case of its type and, where there is one, of its office."""
    rng = np.random.default_rng(2)
    tables = []
    for row in range(len(mornings)):
        one = mornings.iloc[[row]].reset_index(drop=True)
        left_out = _neighbour(history.cases, one.iloc[0], rng)
        events = history.events[history.events["case_id"] != left_out]
        tables.append(_told(models, _inputs(known, history, events, one)))
    after = {
        name: {kind: np.concatenate([told[name][kind] for told in tables]) for kind in ("topics", "features")}
        for name in before
    }
    found = _report("one neighbour less", before, after)
    for name, shares in found.items():
        _hold({name: shares}, NEIGHBOUR.get(name, OF_RARE_FAILURES))


def _neighbour(cases: pd.DataFrame, row: pd.Series, rng: np.random.Generator) -> str:
    earlier = cases[(cases["opened_known_at"] < row["landmark_at"]) & (cases["case_id"] != row["case_id"])]
    of_type = earlier[earlier["category"] == row["category"]]
    of_office = of_type[of_type["office_at_opening"] == row["office"]]
    for found in (of_office, of_type, earlier):
        if len(found):
            return str(rng.choice(found["case_id"].to_numpy()))
    raise AssertionError("a city with one case has no neighbours")


def test_a_case_has_the_same_reasons_in_any_batch(known, history, models, mornings):
    """Bit for bit the same points for one case alone as among two hundred."""
    inputs = _inputs(known, history, history.events, mornings)
    for name, model in models.items():
        together = model.explain(inputs.table(name)).points
        for row in range(0, MORNINGS, 20):
            alone = model.explain(inputs.rows(np.array([row])).table(name)).points
            assert (alone.to_numpy()[0] == together.to_numpy()[row]).all(), name
