"""Clusters in heed's own weekly counts: a problem that rises in neighbouring areas at once, none of them conspicuous.

Each category is scanned by itself, over the newest weeks and all windows that last until now, against what a detector
expected of each area. Casework varies more than Poisson and expectations are estimates; both are drawn into the
replications, so that a p-value means what it says. Clusters of different categories still form one family: control
their false discoveries together.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import NotEnoughDataError, UsageError
from models.signals.counts import WeeklyCounts
from models.signals.scan.flexible import flexible_zones, numbered
from models.signals.scan.nulls import NegativeBinomialNull
from models.signals.scan.scan import Sides, scan
from models.signals.scan.windows import alive_windows
from models.signals.scan.zones import Geometry, Zones, circular_zones

Floats = NDArray[np.float64]

WEEKLY_COLUMNS: Final = (
    "category",
    "side",
    "areas",
    "first_week",
    "last_week",
    "weeks",
    "observed",
    "expected",
    "ratio",
    "statistic",
    "p_value",
)
# Where nobody says how large zones may be: flexible ones are chosen from so many areas, circles hold half of them.
_NEAREST: Final = 10
# Streams of one scan end long before this many replications; categories thus never share one.
_STREAMS: Final = 1_000_003


def scan_counts(
    counts: WeeklyCounts,
    expected: Floats,
    *,
    dispersion: Floats | float = 1.0,
    level_variance: Floats | float = 0.0,
    neighbours: Mapping[str, Sequence[str]] | None = None,
    coordinates: Mapping[str, tuple[float, float]] | None = None,
    geometry: Geometry = "plane",
    nearest: int = _NEAREST,
    largest_share: float = 0.5,
    sides: Sides = "high",
    replicates: int = 999,
    seed: int = 1,
    least_cases: int = 3,
    most_clusters: int = 3,
) -> pd.DataFrame:
    """Find clusters of areas in the newest weeks of every category.

    Parameters
    ----------
    counts : WeeklyCounts
    expected : (n_weeks_scanned, n_series)
        What was expected in each of the newest weeks, oldest first, made without these weeks. NaN: nothing can be said
        of the series in that week; an area is left out of a category's scan if one of its weeks has none.
    dispersion : number, (n_series,) or (n_weeks_scanned, n_series)
        Variance over mean of a week's count; 1 is Poisson.
    level_variance : number or (n_series,)
        Relative variance of the expectation itself, shared by all weeks of a series: 1/m over the cases that it
        rests on, times the dispersion, for a plain mean.
    neighbours, coordinates : mapping by area
        One of them at least. With neighbours, zones are connected groups of the `nearest` areas (by coordinates where
        there are any); else circles of up to `largest_share` of the areas.
    sides : "high", "low" or "both"
        Rises, silences, or both.
    most_clusters : int
        Per category.

    Returns
    -------
    DataFrame with WEEKLY_COLUMNS, by p-value within category order. `areas` is a tuple of names, the centre first;
    `first_week` and `last_week` are starts of weeks (UTC seconds). Nothing about who reported.

    Raises
    ------
    UsageError
        If shapes do not fit, or neither neighbours nor coordinates are given.
    NotEnoughDataError
        If there are expectations for no two areas of any category.
    """
    weeks = _checked(counts, expected)
    spread = np.broadcast_to(np.asarray(dispersion, dtype=np.float64), expected.shape)
    level = np.broadcast_to(np.asarray(level_variance, dtype=np.float64), expected.shape[1:])
    if not (spread[np.isfinite(expected)] >= 1.0).all():
        raise UsageError("Expected dispersions (variance over mean) of at least 1.")
    known = np.isfinite(expected).all(axis=0) & np.isfinite(level)
    if counts.recorded is not None:
        known &= counts.recorded[-weeks:].all(axis=0)
    found: list[dict[str, Any]] = []
    made: dict[tuple[str, ...], Zones] = {}
    scanned = 0
    for number, (category, part) in enumerate(counts.series.groupby("category", sort=True)):
        series = part.index.to_numpy()[known[part.index]]
        areas = tuple(counts.series.loc[series, "area"])
        if len(areas) < 2:
            continue
        scanned += 1
        if areas not in made:
            made[areas] = _zones(areas, neighbours, coordinates, geometry, nearest, largest_share)
        result = scan(
            _null(counts.matrix[-weeks:, series].T, expected[:, series].T, spread[:, series].T, level[series]),
            made[areas],
            alive_windows(weeks, weeks),
            places=areas,
            times=counts.weeks[-weeks:].tolist(),
            sides=sides,
            replicates=replicates,
            seed=seed + _STREAMS * number,
            least_cases=least_cases,
            most_clusters=most_clusters,
        )
        found += [_row(str(category), cluster, counts.weeks) for cluster in result.clusters.to_dict("records")]
    if not scanned:
        raise NotEnoughDataError("Expected expectations for two or more areas of a category; there are none.")
    return pd.DataFrame(found, columns=list(WEEKLY_COLUMNS))


def _checked(counts: WeeklyCounts, expected: Floats) -> int:
    weeks = len(expected)
    if expected.ndim != 2 or expected.shape[1] != len(counts.series) or not 1 <= weeks <= len(counts.weeks):
        raise UsageError(
            f"Expected expectations of shape (newest weeks, {len(counts.series)} series), at most {len(counts.weeks)} "
            f"weeks; got {expected.shape}."
        )
    return weeks


def _null(observed: NDArray[np.int64], mean: Floats, spread: Floats, level_variance: Floats) -> NegativeBinomialNull:
    """Counts of one category as they come without a cluster; (n_areas, n_weeks), `level_variance` (n_areas,)."""
    with np.errstate(divide="ignore"):
        size = np.where(spread > 1.0, mean / np.maximum(spread - 1.0, 0.0), np.inf)
    # Where nothing is expected nothing is drawn, whatever the size.
    size = np.where(mean > 0.0, size, np.inf)
    return NegativeBinomialNull(observed, mean, size=size, level_variance=level_variance, by_score=False)


def _zones(
    areas: tuple[str, ...],
    neighbours: Mapping[str, Sequence[str]] | None,
    coordinates: Mapping[str, tuple[float, float]] | None,
    geometry: Geometry,
    nearest: int,
    largest_share: float,
) -> Zones:
    points = None
    if coordinates is not None:
        missing = [area for area in areas if area not in coordinates]
        if missing:
            raise UsageError(f"Expected coordinates for every area; {len(missing)} areas have none.")
        points = np.array([coordinates[area] for area in areas], dtype=np.float64)
    if neighbours is not None:
        here = set(areas)
        links = {one: [other for other in neighbours[one] if other in here] for one in areas if one in neighbours}
        return flexible_zones(numbered(areas, links), nearest, coordinates=points, geometry=geometry)
    if points is None:
        raise UsageError("Expected neighbours or coordinates of the areas; give one of them.")
    return circular_zones(points, largest_share=largest_share, geometry=geometry)


def _row(category: str, cluster: Mapping[Hashable, Any], weeks: NDArray[np.int64]) -> dict[str, Any]:
    last, first = int(cluster["last"]), int(cluster["first"])
    return {
        "category": category,
        "side": cluster["side"],
        "areas": cluster["places"],
        "first_week": first,
        "last_week": last,
        "weeks": int(((weeks >= first) & (weeks <= last)).sum()),
        **{name: cluster[name] for name in ("observed", "expected", "ratio", "statistic", "p_value")},
    }
