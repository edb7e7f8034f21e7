"""`heed signals scan`: clusters among neighbouring places, in any table of counts."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from data.errors import UsageError
from models.signals.scan import (
    ExpectationNull,
    NegativeBinomialNull,
    Null,
    PoissonNull,
    RestrictedZones,
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
from service.cli._scan_words import tell

_FLEXIBLE: Final = 10
_RESTRICTED: Final = 50


class Model(StrEnum):
    """What the counts are compared with."""

    POISSON = "poisson"
    PERMUTATION = "permutation"
    BERNOULLI = "bernoulli"
    EXPECTATION = "expectation"
    NEGATIVE_BINOMIAL = "negative-binomial"


class When(StrEnum):
    """Which windows of time are looked at."""

    PROSPECTIVE = "prospective"
    RETROSPECTIVE = "retrospective"
    SPACE = "space"
    TIME = "time"


class Rates(StrEnum):
    """Which side of what is expected."""

    HIGH = "high"
    LOW = "low"
    BOTH = "both"


class Step(StrEnum):
    """What one step of time is."""

    AUTO = "auto"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


def scan_table(
    cases: Annotated[
        Path,
        typer.Argument(
            metavar="CASES.csv",
            help="Columns place, date (or k: a number) and n; controls, expected or stratum where a model uses them.",
        ),
    ],
    places: Annotated[
        Path, typer.Option("--places", metavar="FILE", help="Columns place, lat and lon (or x and y); population.")
    ],
    neighbours: Annotated[
        Path | None,
        typer.Option(
            "--neighbours",
            metavar="FILE",
            help="Columns place, neighbour: clusters of any shape along borders in place of circles.",
        ),
    ] = None,
    populations: Annotated[
        Path | None,
        typer.Option(
            "--populations", metavar="FILE", help="Columns place, population; date and stratum if they differ."
        ),
    ] = None,
    model: Annotated[Model, typer.Option("--model", help="What cases are compared with, see above.")] = Model.POISSON,
    when: Annotated[
        When,
        typer.Option(
            "--time",
            help="Clusters that last until now, of any time, of the whole period, or of all places.",
        ),
    ] = When.PROSPECTIVE,
    unit: Annotated[Step, typer.Option("--unit", help="What one step of dated cases is.")] = Step.AUTO,
    begin: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First step; a number with k.")] = None,
    end: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="Newest step; later cases are not seen.")
    ] = None,
    longest: Annotated[
        int | None, typer.Option("--longest", min=1, help="Steps of the longest cluster; default half of the period.")
    ] = None,
    shortest: Annotated[int, typer.Option("--shortest", min=1, help="Steps of the shortest cluster.")] = 1,
    share: Annotated[
        float, typer.Option("--share", help="Largest circle, as a share of what is expected over the whole period.")
    ] = 0.5,
    radius: Annotated[float | None, typer.Option("--radius", help="Largest circle, in km or units of x and y.")] = None,
    nearest: Annotated[
        int | None,
        typer.Option(
            "--nearest",
            min=1,
            help="Clusters among so many nearest places (with --neighbours 10, with --restricted 50 unless given).",
        ),
    ] = None,
    restricted: Annotated[
        float | None,
        typer.Option(
            "--restricted",
            metavar="P",
            help="With --neighbours: only places that are each high with p below this, 0.2 for one (Tango 2008).",
        ),
    ] = None,
    rates: Annotated[Rates, typer.Option("--rates", help="More than expected, less (silence), or both.")] = Rates.HIGH,
    size: Annotated[
        float | None, typer.Option("--size", help="negative-binomial: variance is mean x (1 + mean / size).")
    ] = None,
    least_cases: Annotated[int, typer.Option("--least-cases", min=0, help="Fewest cases of a high cluster.")] = 2,
    replicates: Annotated[
        int, typer.Option("--replications", min=0, help="How often counts without a cluster are drawn, for p-values.")
    ] = 999,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the replications.")] = 1,
    stop_after: Annotated[
        int | None,
        typer.Option("--stop-after", min=1, help="Draw no more once so many reached the first cluster: it is nothing."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.csv", help="Write the clusters.")
    ] = None,
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
    about = {
        "file": cases.name,
        "model": model.value,
        "time": when.value,
        "unit": table.unit,
        "first": table.times[0],
        "last": table.times[-1],
        "places": len(where.names),
        "cases": int(null.counts.sum()),
        "cases_outside": table.outside,
        "zones": result.n_zones,
        "shape": _shape(when, neighbours, restricted, nearest),
        "windows": result.n_windows,
        "replications": len(result.maxima),
        "seed": seed,
    }
    if as_json:
        emit({**about, "clusters": [_plain(row) for row in result.clusters.to_dict("records")]})
    else:
        tell(about, result)


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
