"""What can be asked of `heed signals scan`: its arguments and options."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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


CasesFile = Annotated[
    Path,
    typer.Argument(
        metavar="CASES.csv",
        help="Columns place, date (or k: a number) and n; controls, expected or stratum where a model uses them.",
    ),
]
PlacesFile = Annotated[
    Path, typer.Option("--places", metavar="FILE", help="Columns place, lat and lon (or x and y); population.")
]
NeighboursFile = Annotated[
    Path | None,
    typer.Option(
        "--neighbours",
        metavar="FILE",
        help="Columns place, neighbour: clusters of any shape along borders in place of circles.",
    ),
]
PopulationsFile = Annotated[
    Path | None,
    typer.Option("--populations", metavar="FILE", help="Columns place, population; date and stratum if they differ."),
]
WhichModel = Annotated[Model, typer.Option("--model", help="What cases are compared with, see above.")]
WhichTime = Annotated[
    When,
    typer.Option(
        "--time",
        help="Clusters that last until now, of any time, of the whole period, or of all places.",
    ),
]
StepLength = Annotated[Step, typer.Option("--unit", help="What one step of dated cases is.")]
From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First step; a number with k.")]
Until = Annotated[str | None, typer.Option("--until", metavar="DATE", help="Newest step; later cases are not seen.")]
Longest = Annotated[
    int | None, typer.Option("--longest", min=1, help="Steps of the longest cluster; default half of the period.")
]
Shortest = Annotated[int, typer.Option("--shortest", min=1, help="Steps of the shortest cluster.")]
LargestShare = Annotated[
    float, typer.Option("--share", help="Largest circle, as a share of what is expected over the whole period.")
]
LargestRadius = Annotated[float | None, typer.Option("--radius", help="Largest circle, in km or units of x and y.")]
Nearest = Annotated[
    int | None,
    typer.Option(
        "--nearest",
        min=1,
        help="Clusters among so many nearest places (with --neighbours 10, with --restricted 50 unless given).",
    ),
]
RestrictedBelow = Annotated[
    float | None,
    typer.Option(
        "--restricted",
        metavar="P",
        help="With --neighbours: only places that are each high with p below this, 0.2 for one (Tango 2008).",
    ),
]
WhichRates = Annotated[Rates, typer.Option("--rates", help="More than expected, less (silence), or both.")]
SizeParameter = Annotated[
    float | None, typer.Option("--size", help="negative-binomial: variance is mean x (1 + mean / size).")
]
LeastCases = Annotated[int, typer.Option("--least-cases", min=0, help="Fewest cases of a high cluster.")]
Replications = Annotated[
    int, typer.Option("--replications", min=0, help="How often counts without a cluster are drawn, for p-values.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the replications.")]
StopAfter = Annotated[
    int | None,
    typer.Option("--stop-after", min=1, help="Draw no more once so many reached the first cluster: it is nothing."),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE.csv", help="Write the clusters.")]
