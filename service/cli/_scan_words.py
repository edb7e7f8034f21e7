"""What `heed signals scan` tells people: each cluster in a sentence, and what its p-value is."""

from __future__ import annotations

from typing import Any, Final

from rich.markup import escape

from models.signals.scan import ScanResult
from service.cli._app import out

_PLACES_SHOWN: Final = 12
# Clusters less conspicuous than this are what every table of counts has.
_WORTH_TELLING: Final = 0.5
_OVER_DISPERSED: Final = {"poisson", "permutation", "expectation", "bernoulli"}


def tell(about: dict[str, Any], result: ScanResult) -> None:
    """Print the clusters worth a look, how the p-values are meant, and what else could make such a cluster."""
    unit = about["unit"]
    span = "" if unit == "none" else f", {about['first']} to {about['last']} by {unit}"
    out.print(
        f"{about['cases']:,} cases in {about['places']:,} places{span}; {about['zones']:,} {about['shape']} x "
        f"{about['windows']:,} stretches of time looked at.",
        soft_wrap=True,
    )
    if about["cases_outside"]:
        out.print(f"{about['cases_outside']:,} cases outside this period were not used.")
    rows = result.clusters.to_dict("records")
    if not rows:
        out.print("No places and stretch of time hold more cases than expected: nothing to tell.")
        return
    drawn = len(result.maxima)
    worth = [row for row in rows if row["rank"] == 1 or not drawn or row["p_value"] <= _WORTH_TELLING]
    for row in worth:
        out.print()
        for line in _lines(row, unit, drawn):
            out.print(line, soft_wrap=True)
    out.print()
    if len(worth) < len(rows):
        out.print(
            f"{len(rows) - len(worth)} more with p above {_WORTH_TELLING}, as chance brings anywhere; -o writes them.",
            soft_wrap=True,
        )
    out.print(_p_value_words(drawn, about["seed"]), soft_wrap=True)
    if about["model"] in _OVER_DISPERSED and drawn:
        out.print(
            "It takes counts to vary by chance alone. One address with many reports or a round of inspections looks "
            "like a cluster too: see the cases before you act.",
            soft_wrap=True,
        )


def _lines(row: dict[Any, Any], unit: str, drawn: int) -> list[str]:
    first, last = row["first"], row["last"]
    step = "step" if unit == "none" else unit
    when = f"{step} of {first}" if first == last else f"{step}s of {first} to {last}"
    if unit == "none":
        when = when.replace(" of", "")
    side = "more" if row["side"] == "high" else "fewer"
    times = f", {row['ratio']:.2f} times as many" if row["expected"] > 0.0 else ""
    p = f"; p = {row['p_value']:.3g}" if drawn else ""
    places = [escape(str(one)) for one in row["places"]]
    left = len(places) - _PLACES_SHOWN
    named = ", ".join(places[:_PLACES_SHOWN]) + (f" and {left} more" if left > 0 else "")
    return [
        f"{row['rank']}. {side} than expected in the {when}: {row['observed']:,} cases where "
        f"{row['expected']:,.1f} were expected{times}{p}",
        f"   {len(places)} place{'s' if len(places) > 1 else ''}: {named}",
    ]


def _p_value_words(drawn: int, seed: int) -> str:
    if not drawn:
        return "No p-values: give --replications 999 to learn how often chance alone brings as much."
    return (
        f"p: {drawn:,} times counts without any cluster were drawn (seed {seed}); p is the share of them, these counts "
        "included, with a cluster as strong as this one anywhere. All places and times looked at are thereby paid for."
    )
