"""The scan against the results of SaTScan, FleXScan and the R package scanstatistics, and how long it takes.

`python -m tests.benchmarks.signals_scan` prints a table by configuration: clusters compared, those with other places or
weeks, the worst difference of a statistic, the worst p-value in standard errors; then the CPU seconds of a scan of
1,000 areas (single thread: set OPENBLAS_NUM_THREADS=1). The guarantee of the same name asks that nothing differ.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from models.signals.scan import (
    ExpectationNull,
    NegativeBinomialNull,
    Null,
    PoissonNull,
    RestrictedZones,
    ScanResult,
    Windows,
    Zones,
    alive_windows,
    all_windows,
    bernoulli_null,
    circular_zones,
    flexible_zones,
    indirectly_standardised,
    largest_by_zone,
    listed_zones,
    nearest_zones,
    permutation_null,
    person_time,
    restricted_zones,
    scan,
    whole_area,
    whole_period,
)
from models.signals.scan.flexible import numbered
from models.signals.scan.scan import Overlap

FOLDER = Path(__file__).parents[2].parent / "shared" / "reference" / "weak_signals" / "scan"
# Printed to six decimals.
PRINTED = 0.5e-6 + 1e-9


@dataclass(frozen=True)
class Prepared:
    """All that a scan needs to be made as the reference made it."""

    null: Null
    zones: Zones
    windows: Windows
    places: list[str]
    times: list[str]
    overlap: Overlap = "space"

    def run(self, replicates: int, seed: int = 1) -> ScanResult:
        return scan(
            self.null,
            self.zones,
            self.windows,
            places=self.places,
            times=self.times,
            replicates=replicates,
            seed=seed,
            overlap=self.overlap,
        )


@dataclass(frozen=True)
class Agreement:
    """How one configuration agrees."""

    config: str
    clusters: int
    other: int  # clusters that we do not find, or with other places, weeks or cases
    worst: float  # difference of a statistic
    worst_p: float  # difference of a p-value, in standard errors of both
    more: int = 0  # clusters of ours with p below .99 that the reference does not list
    tolerance: float = PRINTED

    @property
    def agrees(self) -> bool:
        return self.other == 0 and self.more == 0 and self.worst <= self.tolerance and self.worst_p <= 4.0


@cache
def table(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / name, dtype=str, keep_default_na=False)


def configs() -> list[str]:
    return table("satscan_configs.csv")["config"].tolist()


def _parameters(row: pd.Series) -> dict[str, str]:
    return dict(one.split("=", 1) for one in str(row["parameters"]).split())


def prepare(config: str) -> Prepared:
    """Data and settings of one SaTScan run."""
    row = table("satscan_configs.csv").set_index("config").loc[config]
    given = _parameters(row)
    make = {"new_mexico": _new_mexico, "north_humberside": _humberside, "nyc_fever": _new_york_city}
    return make.get(str(row["dataset"]), lambda one: _weekly(str(row["dataset"]), one))(given)


def _share(given: dict[str, str]) -> float:
    return float(given.get("MaxSpatialSizeInPopulationAtRisk", 50)) / 100


def _new_mexico(given: dict[str, str]) -> Prepared:
    end = int(given.get("EndDate", "1991/12/31")[:4])
    years = list(range(1973, end + 1))
    places = table("data/new_mexico_places.csv")
    names = places["county"].tolist()
    cases = table("data/new_mexico_cases.csv")
    cases = cases[cases["year"].astype(int) <= end]
    cube = np.zeros((36, len(names), len(years)), dtype=np.int64)
    at = (_stratum(cases), cases["county"].map(names.index), cases["year"].astype(int) - 1973)
    np.add.at(cube, at, cases["cases"].astype(int))
    if given.get("ModelType") == "2":
        null: Null = permutation_null(cube)
    else:
        population = table("data/new_mexico_population.csv")
        known = np.zeros((36, len(names), 3))
        when = (population["year"].astype(int) - 1973) // 9
        known[_stratum(population), population["county"].map(names.index), when] = population["population"].astype(int)
        # A population of a year is that of the year's middle.
        dates = [_day(f"{year}-07-01") for year in (1973, 1982, 1991)]
        edges = [_day(f"{year}-01-01") for year in (*years, end + 1)]
        at_risk = person_time(np.array(dates), known, np.array(edges))
        null = PoissonNull(cube.sum(axis=0), indirectly_standardised(cube, at_risk))
    zones = circular_zones(
        _coordinates(places, "lat", "lon"), null.sizes, largest_share=_share(given), geometry="earth"
    )
    kind = given.get("AnalysisType", "3")
    n = len(years)
    windows = {
        "1": lambda: whole_period(n),
        "2": lambda: all_windows(n, n // 2),
        "3": lambda: all_windows(n, n // 2),
        "4": lambda: alive_windows(n, n // 2),
    }[kind]()
    if kind == "2":
        zones = whole_area(len(names))
    overlap = "space-time" if given.get("ModelType") == "2" else "space"
    return Prepared(null, zones, windows, names, [str(year) for year in years], overlap)


def _stratum(rows: pd.DataFrame) -> pd.Series:
    return (rows["age_group"].astype(int) - 1) * 2 + rows["sex"].astype(int) - 1


def _day(text: str) -> int:
    return (pd.Timestamp(text) - pd.Timestamp(0)).days


def _coordinates(places: pd.DataFrame, first: str, second: str) -> np.ndarray:
    return places[[first, second]].astype(float).to_numpy()


def _humberside(given: dict[str, str]) -> Prepared:
    rows = table("data/north_humberside.csv")
    cases = rows["cases"].astype(int).to_numpy()[:, None]
    null = bernoulli_null(cases, cases + rows["controls"].astype(int).to_numpy()[:, None])
    zones = circular_zones(_coordinates(rows, "x", "y"), null.sizes, largest_share=_share(given))
    return Prepared(null, zones, whole_period(1), rows["id"].tolist(), ["all"])


def _new_york_city(given: dict[str, str]) -> Prepared:
    places, cases = table("data/nyc_fever_places.csv"), table("data/nyc_fever_cases.csv")
    names = places["zip"].tolist()
    end = int(given.get("EndDate", "2001/11/24").rsplit("/", 1)[1])
    day = cases["date"].str.rsplit("/", n=1).str[1].astype(int)
    counts = np.zeros((len(names), end), dtype=np.int64)
    kept = day <= end
    np.add.at(counts, (cases["zip"][kept].map(names.index), day[kept] - 1), cases["cases"][kept].astype(int))
    null = permutation_null(counts)
    radius = float(given.get("MaxSpatialSizeInDistanceFromCenter", 3))
    zones = circular_zones(_coordinates(places, "lat", "lon"), null.sizes, largest_radius=radius, geometry="earth")
    windows = all_windows(end, 7) if given.get("AnalysisType") == "3" else alive_windows(end, 7)
    return Prepared(null, zones, windows, names, [f"2001/11/{one}" for one in range(1, end + 1)], "space-time")


def _weekly(dataset: str, given: dict[str, str]) -> Prepared:
    places, cases = table(f"data/{dataset}_areas.csv"), table(f"data/{dataset}_counts.csv")
    names = places["id"].tolist()
    start, end, longest = int(given["StartDate"]), int(given["EndDate"]), int(given["MaxTemporalSize"])
    week = cases["week"].astype(int)
    kept = (week >= start) & (week <= end)
    counts = np.zeros((len(names), end - start + 1), dtype=np.int64)
    np.add.at(counts, (cases["id"][kept].map(names.index), week[kept] - start), cases["count"][kept].astype(int))
    if given["ModelType"] == "2":
        null: Null = permutation_null(counts)
    else:
        population = places["population"].astype(float).to_numpy()
        null = PoissonNull(counts, np.repeat(population[:, None], counts.shape[1], axis=1))
    plane = given["CoordinatesType"] == "0"
    zones = circular_zones(
        _coordinates(places, *(("x", "y") if plane else ("y", "x"))),
        null.sizes,
        largest_share=_share(given),
        geometry="plane" if plane else "earth",
    )
    times = [str(one) for one in range(start, end + 1)]
    overlap = "space-time" if given["ModelType"] == "2" else "space"
    return Prepared(null, zones, alive_windows(counts.shape[1], longest), names, times, overlap)


def agreement(config: str, replicates: int) -> Agreement:
    """Scan as SaTScan did, and compare every cluster it lists."""
    row = table("satscan_configs.csv").set_index("config").loc[config]
    listed = table("satscan_clusters.csv")
    listed = listed[listed["config"] == config]
    ours = prepare(config).run(replicates)
    reference_replicates = int(_parameters(row)["MonteCarloReps"])
    expected = [
        Expected(
            frozenset(one["location_ids"].split()) if one["location_ids"] != "ALL" else None,
            _frame(one["time_frame"]),
            int(one["cases"]),
            float(one["llr_or_test_statistic"]),
            float(one["p_value"]),
        )
        for one in listed.to_dict("records")
    ]
    return compare(config, ours, expected, reference_replicates)


@dataclass(frozen=True)
class Expected:
    """One cluster that the reference lists; None: it does not say."""

    places: frozenset[str] | None
    weeks: tuple[str, str] | None
    cases: int | None
    statistic: float
    p_value: float | None


def _frame(text: str) -> tuple[str, str] | None:
    """The first and the last step, as the datasets label them."""
    if not text:
        return None
    first, last = text.split(" to ")
    if first.endswith("/1/1"):
        return first[:4], last[:4]
    return first, last


def compare(
    config: str, ours: ScanResult, expected: list[Expected], reference_replicates: int, printed: float = PRINTED
) -> Agreement:
    """Match clusters by their places and weeks: equal statistics may be listed in either order."""
    found = ours.clusters
    head = found.head(len(expected))
    by_place = {
        (frozenset(row["places"]) if one_place else None, (row["first"], row["last"]) if one_week else None): row
        for row in head.to_dict("records")
        for one_place in (True, False)
        for one_week in (True, False)
    }
    other, worst, worst_p = 0, 0.0, 0.0
    for one in expected:
        row = by_place.get((one.places, one.weeks))
        if row is None or (one.cases is not None and row["observed"] != one.cases):
            other += 1
            continue
        worst = max(worst, abs(row["statistic"] - one.statistic))
        if one.p_value is not None:
            worst_p = max(worst_p, _errors(row["p_value"], one.p_value, len(ours.maxima), reference_replicates))
    more = int((found.iloc[len(expected) :]["p_value"] < 0.99).sum())
    return Agreement(config, len(expected), other, worst, worst_p, more, printed)


def _errors(ours: float, theirs: float, n: int, m: int) -> float:
    """How many standard errors two Monte Carlo p-values differ by, beyond the step of one replication."""
    p = float(np.clip((ours + theirs) / 2, 1 / (n + 1), 1 - 1 / (n + 1)))
    error = np.sqrt(p * (1 - p) * (1 / n + 1 / m))
    return max(abs(ours - theirs) - 1 / (n + 1), 0.0) / error


def new_york() -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Names, coordinates (latitude, longitude), population and leukaemia cases of the tracts of upstate New York."""
    rows = table("data/ny_leukemia.csv")
    cases = rows["cases"].astype(float).astype(int).to_numpy()[:, None]
    population = rows["population"].astype(float).to_numpy()[:, None]
    return rows["id"].tolist(), _coordinates(rows, "lat", "lon"), population, cases


def satscan96_agreement(config: str, replicates: int) -> Agreement:
    """Circles and ellipses of SaTScan 9; their p-values are partly Gumbel approximations."""
    names, points, population, cases = new_york()
    listed = table("satscan96_ny_clusters.csv")
    listed = listed[listed["config"] == config]
    first = listed.iloc[0]
    penalty = {"none": 0.0, "medium": 0.5, "strong": 1.0}.get(first["penalty"], 0.0)
    elliptic = first["window"] == "elliptic"
    zones = circular_zones(
        points,
        population[:, 0],
        largest_share=float(first["max_percent_population"]) / 100,
        geometry="earth" if first["coordinates"] == "latlong" else "plane",
        ellipses=elliptic,
        penalty=penalty,
    )
    ours = scan(PoissonNull(cases, population), zones, whole_period(1), places=names, times=[""], replicates=replicates)
    expected = [
        Expected(
            frozenset(one["location_ids"].split()),
            ("", ""),
            int(one["cases"]),
            float(one["test_statistic" if elliptic else "llr"]),
            float(one["p_value"]),
        )
        for one in listed.to_dict("records")
    ]
    return compare(config, ours, expected, int(first["replications"]))


def flexscan_agreement(config: str, replicates: int) -> Agreement:
    """Connected groups, restricted or not, and circles of FleXScan; its statistics have six digits."""
    names, points, population, cases = new_york()
    listed = table("flexscan_ny_clusters.csv")
    listed = listed[listed["config"] == config]
    k = int(listed.iloc[0]["K"])
    if config.startswith("scan"):
        zones: Zones | RestrictedZones = nearest_zones(points, k, geometry="earth")
    else:
        beside = table("data/ny_leukemia_neighbours.csv")
        links = numbered(names, dict(zip(beside["id"], beside["neighbours"].str.split(), strict=True)))
        restricted = config.startswith("rflex")
        zones = (restricted_zones if restricted else flexible_zones)(links, k, coordinates=points)
    people = population.round().astype(int)
    null: Null = bernoulli_null(cases, people) if "binomial" in config else PoissonNull(cases, population)
    ours = scan(null, zones, whole_period(1), places=names, times=[""], replicates=replicates)
    expected = [
        Expected(
            frozenset(one["location_ids"].split()),
            ("", ""),
            int(one["cases"]),
            float(one["statistic"]),
            float(one["p_value"]),
        )
        for one in listed.to_dict("records")
    ]
    # Six significant digits of statistics from 1 to 99.
    return compare(config, ours, expected, 999, printed=0.5e-4 if expected[0].statistic >= 10 else 0.5e-5)


def flexscan_configs() -> list[str]:
    """Circles, connected groups, and those of the restricted statistic."""
    return table("flexscan_ny_clusters.csv")["config"].unique().tolist()


def scanstatistics_agreement(config: str) -> Agreement:
    """Scores of every zone and duration listed, and that no other is larger."""
    listed = table("scanstatistics_nm_top10.csv")
    listed = listed[listed["config"] == config]
    about = table("scanstatistics_nm_mlc.csv").set_index("config").loc[config]
    # The example of the package's own documentation is the window that ends in 1989.
    end = int(config[-4:]) if config[-4:].isdigit() else 1989
    rows = table("data/scanstatistics_nm_popcas.csv")
    rows = rows[rows["year"].astype(int).between(end - 3, end)]
    wide = {name: rows.pivot(index="county", columns="year", values=name) for name in ("population", "count")}
    names = wide["count"].index.tolist()
    counts = wide["count"].to_numpy().astype(int)
    zones = listed_zones(
        len(names),
        [[names.index(one) for one in text.split()] for text in table("data/scanstatistics_nm_zones.csv")["locations"]],
    )
    windows = alive_windows(4, int(about["max_duration"]))
    found = largest_by_zone(_scanstatistics_null(config, end, names, counts, wide), zones, windows, most=10**6)
    ours = {(row.places, 4 - row.first): row.statistic for row in found.itertuples()}
    other, worst = 0, 0.0
    for one in listed.to_dict("records"):
        key = (tuple(sorted(names.index(name) for name in one["locations"].split())), int(one["duration"]))
        if key not in ours:
            other += 1
            continue
        worst = max(worst, abs(ours[key] - float(one["score"])))
    lowest = float(listed.iloc[-1]["score"])
    more = int((found["statistic"] > lowest + 1e-9).sum()) - int((listed["score"].astype(float) > lowest + 1e-9).sum())
    return Agreement(config, len(listed), other, worst, 0.0, abs(more), 1e-9)


def _scanstatistics_null(
    config: str, end: int, names: list[str], counts: np.ndarray, wide: dict[str, pd.DataFrame]
) -> Null:
    if "permutation" in config:
        return permutation_null(counts)
    if "pb_poisson" in config:
        # Every year expects the same, shared by that year's population.
        population = wide["population"].to_numpy().astype(float)
        return PoissonNull(counts, population / population.sum(axis=0))
    baseline = table(f"data/scanstatistics_nm_baseline_end{end}.csv")[names].astype(float).to_numpy().T
    if "negbin" in config:
        return NegativeBinomialNull(counts, baseline, size=2.0)
    return ExpectationNull(counts, baseline)


def agreements(replicates: int) -> Iterator[Agreement]:
    """Every configuration of every file."""
    for config in configs():
        yield agreement(config, replicates)
    for config in table("satscan96_ny_clusters.csv")["config"].unique():
        yield satscan96_agreement(config, replicates)
    for config in flexscan_configs():
        yield flexscan_agreement(config, replicates)
    for config in table("scanstatistics_nm_mlc.csv")["config"]:
        yield scanstatistics_agreement(config)


def speed(kind: str, cases_per_week: float, longest: int, replicates: int) -> tuple[float, int]:
    """CPU seconds, and zones: 1,000 areas x 52 weeks, circles of up to half of what is expected, windows until now."""
    rng = np.random.default_rng(0)
    points, people = rng.random((1000, 2)), rng.lognormal(0.0, 0.7, 1000)
    at_risk = np.outer(people, np.ones(52))
    counts = rng.poisson(at_risk * cases_per_week / 1000 / people.mean())
    begin = time.process_time()
    null: Null = PoissonNull(counts, at_risk) if kind == "poisson" else permutation_null(counts)
    zones = circular_zones(points, null.sizes)
    scan(null, zones, alive_windows(52, longest), replicates=replicates)
    return time.process_time() - begin, zones.n_zones


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=999)
    parser.add_argument("--only", choices=["agreement", "speed"])
    asked = parser.parse_args()
    say = sys.stdout.write
    if asked.only != "speed" and FOLDER.exists():
        for one in agreements(asked.replications):
            say(
                f"{one.config:38} {one.clusters:3} clusters, {one.other} other, {one.more} more, "
                f"worst {one.worst:.1e}, p {one.worst_p:.1f} errors{'' if one.agrees else '  DIFFERS'}\n"
            )
            sys.stdout.flush()
    if asked.only != "agreement":
        for kind, cases, longest in (
            ("permutation", 100.0, 4),
            ("poisson", 100.0, 4),
            ("permutation", 1000.0, 4),
            ("poisson", 1000.0, 4),
            ("permutation", 10_000.0, 4),
            ("poisson", 10_000.0, 4),
            ("poisson", 100.0, 26),
        ):
            taken, zones = speed(kind, cases, longest, asked.replications)
            say(
                f"1,000 areas x 52 weeks, {cases:,.0f} cases a week, {kind}, up to {longest} weeks: {zones:,} circles, "
                f"{asked.replications} replications: {taken:.2f} CPU s, {taken / 4.0:.2f} of the 4 s aimed at "
                "(SaTScan 4.4)\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
