"""`heed signals scan`: clusters among neighbouring places, in any table of counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from data.errors import UsageError
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
    nearest_zones,
    permutation_null,
    restricted_zones,
    scan,
    whole_area,
    whole_period,
)
from models.signals.scan.flexible import numbered
from models.signals.scan.scan import Overlap
from models.signals.scan.table import (
    CaseTable,
    PlaceTable,
    Unit,
    read_cases,
    read_neighbours,
    read_places,
    read_populations,
)
from service.cli._app import Json, emit, err, progress
from service.cli._outputs import check_output, write_table
from service.cli._scan_options import (
    CasesFile,
    From,
    LargestRadius,
    LargestShare,
    LeastCases,
    Longest,
    Model,
    Nearest,
    NeighboursFile,
    Output,
    PlacesFile,
    PopulationsFile,
    Rates,
    Replications,
    RestrictedBelow,
    Seed,
    Shortest,
    SizeParameter,
    Step,
    StepLength,
    StopAfter,
    Until,
    When,
    WhichModel,
    WhichRates,
    WhichTime,
)
from service.cli._scan_words import tell

_FLEXIBLE: Final = 10
_RESTRICTED: Final = 50


def scan_table(
    cases: CasesFile,
    places: PlacesFile,
    neighbours: NeighboursFile = None,
    populations: PopulationsFile = None,
    model: WhichModel = Model.POISSON,
    when: WhichTime = When.PROSPECTIVE,
    unit: StepLength = Step.AUTO,
    begin: From = None,
    end: Until = None,
    longest: Longest = None,
    shortest: Shortest = 1,
    share: LargestShare = 0.5,
    radius: LargestRadius = None,
    nearest: Nearest = None,
    restricted: RestrictedBelow = None,
    rates: WhichRates = Rates.HIGH,
    size: SizeParameter = None,
    least_cases: LeastCases = 2,
    replicates: Replications = 999,
    seed: Seed = 1,
    stop_after: StopAfter = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Find clusters of cases among neighbouring places: where, since when, how many, and how often chance brings that.

    Models. permutation: needs the cases alone; finds where and when a share of all cases is larger than elsewhere at
    that time. poisson: cases in proportion to a population. expectation, negative-binomial: against a column expected
    of the cases. bernoulli: against a column controls.

    Example: heed signals scan cases.csv --places places.csv --model permutation --longest 4 --replications 999 --seed 1
    """
    check_output(output)
    where = read_places(places)
    table = read_cases(cases, where.names, unit=_unit(unit), begin=begin, end=end)
    null = _null(model, table, where, populations, size)
    zones = _zones(when, where, neighbours, null, share, radius, nearest, restricted)
    windows = _windows(when, len(table.times), longest, shortest)
    # Of permutations, clusters of one place at two times are two clusters.
    overlap: Overlap = "space-time" if model is Model.PERMUTATION else "space"
    watched = err.is_terminal and not as_json
    with progress(quiet=not watched) as step:
        result = scan(
            null,
            zones,
            windows,
            places=where.names,
            times=table.times,
            sides=rates.value,
            replicates=replicates,
            seed=seed,
            least_cases=least_cases,
            stop_after=stop_after,
            overlap=overlap,
            drawn=(lambda done: step("counts without a cluster", done, replicates)) if watched else None,
        )
    if output is not None:
        write_table(result.clusters.assign(places=result.clusters["places"].map(" ".join)), output)
    asked = {"file": cases.name, "model": model.value, "time": when.value, "unit": table.unit}
    shape = _shape(when, neighbours, restricted, nearest)
    about = {**asked, **_looked_at(table, where, null, result), "shape": shape, "seed": seed}
    if as_json:
        emit({**about, "clusters": [_plain(row) for row in result.clusters.to_dict("records")]})
    else:
        tell(about, result)


def _looked_at(table: CaseTable, where: PlaceTable, null: Null, result: ScanResult) -> dict[str, Any]:
    return {
        "first": table.times[0],
        "last": table.times[-1],
        "places": len(where.names),
        "cases": int(null.counts.sum()),
        "cases_outside": table.outside,
        "zones": result.n_zones,
        "windows": result.n_windows,
        "replications": len(result.maxima),
    }


def _unit(unit: Step) -> Unit:
    return unit.value


def _null(model: Model, table: CaseTable, where: PlaceTable, populations: Path | None, size: float | None) -> Null:
    if (size is None) == (model is Model.NEGATIVE_BINOMIAL):
        raise UsageError("--size belongs to --model negative-binomial, and that model needs it.")
    counts = table.counts.sum(axis=0)
    if model is Model.PERMUTATION:
        return permutation_null(table.counts)
    if model is Model.BERNOULLI:
        if table.controls is None:
            raise UsageError("--model bernoulli needs a column controls (or trials) in the table of cases.")
        return bernoulli_null(counts, counts + table.controls.sum(axis=0))
    if model is Model.POISSON:
        return PoissonNull(counts, _at_risk(table, where, populations))
    if table.expected is None:
        raise UsageError(f"--model {model.value} needs a column expected in the table of cases.")
    expected = table.expected.sum(axis=0)
    if size is not None:
        return NegativeBinomialNull(counts, expected, size=size)
    return ExpectationNull(counts, expected)


def _at_risk(table: CaseTable, where: PlaceTable, populations: Path | None) -> Any:
    """What cases are expected in proportion to, from the best there is."""
    if table.expected is not None:
        return table.expected.sum(axis=0)
    if populations is not None:
        return indirectly_standardised(table.counts, read_populations(populations, where.names, table))
    if table.population is not None:
        return indirectly_standardised(table.counts, table.population)
    if where.population is None:
        raise UsageError(
            "--model poisson needs populations (--populations, or a column population in the places) or a column "
            "expected in the cases; --model permutation does without."
        )
    if len(table.strata) > 1:
        raise UsageError("Cases by stratum need populations by stratum: give --populations with a column stratum.")
    width = np.ones(len(table.times)) if table.edges is None else np.diff(table.edges)
    return np.outer(where.population, width)


def _zones(
    when: When,
    where: PlaceTable,
    neighbours: Path | None,
    null: Null,
    share: float,
    radius: float | None,
    nearest: int | None,
    restricted: float | None,
) -> Zones | RestrictedZones:
    if restricted is not None and (neighbours is None or when is When.TIME):
        raise UsageError("--restricted goes along borders: give --neighbours, and another --time than time.")
    if when is When.TIME:
        return whole_area(len(where.names))
    if neighbours is not None:
        links = numbered(where.names, read_neighbours(neighbours))
        around: dict[str, Any] = {"coordinates": where.coordinates, "geometry": where.geometry}
        if restricted is not None:
            return restricted_zones(links, nearest or _RESTRICTED, alpha=restricted, **around)
        return flexible_zones(links, nearest or _FLEXIBLE, **around)
    if where.coordinates is None:
        raise UsageError("The table of places needs lat and lon, or x and y; without them give --neighbours.")
    if nearest is not None:
        return nearest_zones(where.coordinates, nearest, geometry=where.geometry)
    return circular_zones(
        where.coordinates, null.sizes, largest_share=share, largest_radius=radius, geometry=where.geometry
    )


def _shape(when: When, neighbours: Path | None, restricted: float | None, nearest: int | None) -> str:
    """What the zones are, and for restricted ones what their number counts."""
    if when is When.TIME:
        return "group of all places"
    if restricted is not None:
        return f"centres of groups among {nearest or _RESTRICTED} nearest places"
    return "circles" if neighbours is None else "connected groups of places"


def _windows(when: When, n_times: int, longest: int | None, shortest: int) -> Windows:
    if when is When.SPACE:
        return whole_period(n_times)
    most = max(n_times // 2, 1) if longest is None else longest
    return (alive_windows if when is When.PROSPECTIVE else all_windows)(n_times, most, shortest)


def _plain(row: Any) -> dict[str, Any]:
    def value(one: Any) -> Any:
        if isinstance(one, float | np.floating):
            return None if np.isnan(one) else ("inf" if one > 0 else "-inf") if np.isinf(one) else float(one)
        return list(one) if isinstance(one, tuple) else int(one) if isinstance(one, np.integer) else one

    return {str(name): value(one) for name, one in row.items()}
