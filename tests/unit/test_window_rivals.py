"""The benchmark of the event index is a fair one: all engines, and an oracle, agree on what the features are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.event_index import Queries
from features.facts import KEY_COLUMNS, Facts
from features.windows import WINDOW_FEATURES, WINDOW_KEYS
from tests.benchmarks.event_index import Run, against_oracle, compare, ratio, run, usual
from tests.benchmarks.window_engines import ENGINES
from tests.benchmarks.window_rivals import read_feature, write_features
from tests.support.window_city import (
    BEGINS,
    DAY,
    ENDS,
    NEXT_DAY,
    CityFacts,
    WindowCity,
    queries_in_parts,
    read_facts,
    read_queries,
    ready_city,
    write_city,
)
from tests.support.window_oracle import brute_force

# Moments cut to six hours: about half of all facts share theirs, and windows begin and end on them.
CITY = WindowCity(cases=3000, categories=8, areas=6, offices=4, part=700, grain=6 * 3600)


@pytest.fixture(scope="module")
def city(tmp_path_factory) -> Path:
    return ready_city(CITY, tmp_path_factory.mktemp("window_city"))


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_what_looking_at_every_fact_gives(city, tmp_path, engine):
    """All features of 150 landmarks, to the bit, in a history full of ties."""
    if engine == "polars":
        pytest.importorskip("polars", reason="Polars is not installed: `make engines`")
    ENGINES[engine](city, tmp_path, list(WINDOW_KEYS))
    assert against_oracle(city, tmp_path, list(WINDOW_FEATURES), 150) == (150 * 65, 0)


def test_an_engine_leaves_out_key_sets_that_it_was_not_asked_for(city, tmp_path):
    """Only the thirteen features of the office are written."""
    ENGINES["heed"](city, tmp_path, ["office"])
    assert len(read_feature(tmp_path, "open_office")) == len(read_queries(city).at)
    with pytest.raises(KeyError, match="open_category_office"):
        read_feature(tmp_path, "open_category_office")


def test_the_oracle_counts_what_lies_in_the_window_and_nothing_else():
    """Edges of windows, other keys, and the moment itself, worked out by hand."""
    t = 1_700_000_000
    seven = t - 7 * DAY
    keys = _keys(["a", "a", "a", "b", "a"])
    facts = {
        # In the week: its first second and the last before t; not before, not at t, not of another key.
        "arrivals": Facts(np.array([seven - 1, seven, t - 1, t - 2, t]), keys, {"n": np.ones(5, dtype=np.int64)}),
        "balance": Facts(np.array([5, 6, t - 1, 7, t]), keys, {"open": np.array([1, 1, -1, 1, 1])}),
        "closures": Facts(
            np.array([seven, t - 1, t - 91 * DAY, t - 1, t]),
            keys,
            {"n": np.ones(5, dtype=np.int64), "log_hours": np.array([100, 201, 5, 7000, 9000])},
        ),
        "matured": Facts(
            np.array([t - 91 * DAY - 1, t - 1, t - 2, t - 1, t]),
            keys,
            {"n": np.ones(5, dtype=np.int64), "late": np.array([1, 1, 0, 1, 1])},
        ),
        "moves": Facts(np.array([t - 28 * DAY, t, t, t, t]), keys, {"n": np.ones(5, dtype=np.int64)}),
    }
    queries = Queries(np.array([t, t]), _keys(["a", None]))
    found = brute_force(facts, queries, np.array([0, 1]))
    expected = {
        "open_area": 1,
        "arrivals_1d_area": 1,
        "arrivals_7d_area": 2,
        "arrivals_28d_area": 3,
        "arrivals_91d_area": 3,
        "closures_7d_area": 2,
        "closures_28d_area": 2,
        "late_share_91d_area": 0.5,
        "late_share_365d_area": 2 / 3,
        "log_time_to_close_91d_area": 0.102,
        "log_time_to_close_365d_area": 0.102,
        "moves_28d_area": 1,
        "hours_since_arrival_area": 1 / 3600,
    }
    assert found.iloc[0][list(expected)].to_dict() == expected
    nothing = found.iloc[1][list(expected)]
    assert nothing.isna().sum() == 5
    assert nothing.sum() == 0


def test_a_city_is_the_same_every_time_and_whole_in_its_parts(city, tmp_path):
    """The same files from the same plan; landmarks in the order of time; nothing is open that was not opened."""
    write_city(CITY, tmp_path)
    for path in city.glob("**/*.parquet"):
        again = tmp_path / path.relative_to(city)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(again.read_bytes()).digest()
    facts, queries = read_facts(city), read_queries(city)
    assert (np.diff(queries.at) >= 0).all()
    assert [len(part.at) for part in queries_in_parts(city, 1000)] == [1000, 1000, len(queries.at) - 2000]
    n_open = len(facts["arrivals"].at) - len(facts["closures"].at)
    assert facts["balance"].measures["open"].sum() == n_open
    assert min(table.at.min() for table in facts.values()) >= BEGINS
    assert max(table.at.max() for table in facts.values()) < ENDS


def test_the_day_after_begins_where_the_history_ends(city):
    """What a day adds is all of that day, and history and day together are both."""
    added = read_facts(city / NEXT_DAY)
    assert all(table.at.min() >= ENDS and table.at.max() < ENDS + DAY for table in added.values() if len(table.at))
    both = CityFacts(city, city / NEXT_DAY)
    for name, table in CityFacts(city).items():
        assert len(both[name].at) == len(table.at) + len(added[name].at)
        last = both[name].keys["area"].astype("str").tail(len(added[name].at))
        assert last.tolist() == added[name].keys["area"].astype("str").tolist()


def test_a_city_is_made_again_when_another_is_asked_for(tmp_path):
    """A folder that holds another city is written anew; one that holds this city is left as it is."""
    ready_city(WindowCity(40), tmp_path)
    before = (tmp_path / "queries.parquet").stat().st_mtime_ns
    ready_city(WindowCity(40), tmp_path)
    assert (tmp_path / "queries.parquet").stat().st_mtime_ns == before
    ready_city(WindowCity(41), tmp_path)
    assert len(read_queries(tmp_path).at) == 41


def test_one_cell_that_differs_in_its_last_bit_is_told(tmp_path):
    """Results are compared to the bit; NaN equals NaN."""
    values = np.array([0.1, np.nan, 3.0])
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        write_features(tmp_path / name / "features.parquet", {"a": values, "b": values})
    assert compare(tmp_path / "ours", tmp_path / "theirs", ["a", "b"]) == (6, 0)
    off = np.array([np.nextafter(0.1, 1), np.nan, 3.0])
    write_features(tmp_path / "theirs" / "features.parquet", {"a": values, "b": off})
    assert compare(tmp_path / "ours", tmp_path / "theirs", ["a", "b"]) == (6, 1)


def test_an_engine_that_cannot_do_it_is_told_and_has_no_ratio(city, tmp_path):
    """A run that fails gives its reason and no figures."""
    (tmp_path / "city").mkdir()
    (tmp_path / "city" / "queries.parquet").write_bytes((city / "queries.parquet").read_bytes())
    failed = run("heed", tmp_path / "city", tmp_path / "out", ["office"])
    assert "arrivals.parquet" in str(failed.failed)
    fine = Run("pandas", failed.cases, cpu=8.0, wall=9.0, peak_mb=10.0, load=0.0)
    assert usual([failed, fine], "heed", failed.cases) is None
    assert ratio([failed, fine], failed.cases, "pandas") is None
    assert ratio([Run("heed", failed.cases, 1.0, 2.0, 3.0, 0.0), fine], failed.cases, "pandas") == 0.125


def _keys(areas: list[str | None]) -> pd.DataFrame:
    n = len(areas)
    frame = {name: pd.Series([None] * n, dtype="str") for name in KEY_COLUMNS}
    frame |= {"area": pd.Series(areas, dtype="str"), "category": pd.Series(["c"] * n, dtype="str")}
    return pd.DataFrame(frame)
