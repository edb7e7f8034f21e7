"""The pictures of the page: figures of a back-test as frames, drawn by `models.plots`, each with a text alternative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from models.plots.backtest import folds_chart, skill_chart
from models.plots.capacity import capacity_chart
from models.plots.reliability import reliability_chart
from service.backtest_report.draw import svg_of
from service.backtest_report.numbers import figure, percent, points
from service.backtest_report.words import BASELINES, FIGURES

if TYPE_CHECKING:
    from service.backtest_report.page import Telling


def skill(telling: Telling) -> Markup | None:
    """The skill against every baseline; None where there is none to compare with."""
    rows = [
        {"label": _named(telling, name), **one["skill"], "told": points(one["skill"]["value"])}
        for name, one in telling.found["baselines"].items()
        if one["skill"]["value"] is not None
    ]
    if not rows:
        return None
    chart = skill_chart(pd.DataFrame(rows), worse=telling.words.worse_side, better=telling.words.better_side)
    said = "; ".join(f"{row['label']}: {row['told']}%" for row in rows)
    return svg_of(chart, name="skill", alternative=f"{telling.words.skill}: {said}")


def reliability(telling: Telling) -> Markup:
    """The reliability curve."""
    rows = [
        {"predicted": one["predicted"], "observed": one["observed"]["value"], **_ends(one["observed"])}
        for one in telling.found["reliability"]
    ]
    frame = pd.DataFrame(rows).astype("float64")
    chart = reliability_chart(frame, predicted=telling.words.risk, observed=telling.words.observed)
    said = "; ".join(f"{percent(row['predicted'])}: {percent(row['observed'])}" for row in rows)
    return svg_of(chart, name="reliability", alternative=f"{telling.words.reliability}: {said}")


def capacity(telling: Telling) -> Markup:
    """The capacity curve, with the mark of the office's capacity where it is known."""
    rows = [
        {"share": one["share"], **_named_ends("recall", one["recall"]), **_named_ends("precision", one["precision"])}
        for one in telling.found["capacity_curve"]
    ]
    found, words = telling.found["capacity"], telling.words
    chart = capacity_chart(
        pd.DataFrame(rows).astype("float64"),
        at=None if found is None else found["share"],
        share=words.share,
        recall=words.recall,
        precision=words.precision,
        capacity=words.capacity,
    )
    said = "; ".join(f"{row['share']:.0%}: {percent(row['recall'])}" for row in rows)
    return svg_of(chart, name="capacity", alternative=f"{words.recall}: {said}")


def folds(telling: Telling) -> Markup:
    """Ranking and calibration of every fold over time."""
    zone, words = telling.found["time_zone"], telling.words
    rows = []
    for fold in telling.found["folds"]:
        ends = pd.to_datetime([fold["cut"], fold["until"]], unit="s", utc=True).tz_convert(zone).tz_localize(None)
        rows.append(
            {
                "from": ends[0],
                "to": ends[1],
                "middle": ends[0] + (ends[1] - ends[0]) / 2,
                **_named_ends("auc", fold["figures"]["auc"]),
                **_named_ends("base_rate", fold["base_rate"]),
                "mean_probability": fold["mean_probability"]["value"],
            }
        )
    auc = FIGURES["auc"].in_(telling.language)
    chart = folds_chart(pd.DataFrame(rows), ranking=auc, shares=words.observed, said=words.mean_risk, seen=words.failed)
    said = "; ".join(f"{row['from']:%Y-%m-%d}: {figure('auc', row['auc'])}" for row in rows)
    return svg_of(chart, name="folds", alternative=f"{auc}: {said}")


def _named(telling: Telling, name: str) -> str:
    return BASELINES[name].in_(telling.language) if name in BASELINES else name.replace("_", " ")


def _ends(one: Any) -> dict[str, float | None]:
    return {"low": one["low"], "high": one["high"]}


def _named_ends(name: str, one: Any) -> dict[str, float | None]:
    return {name: one["value"], f"{name}_low": one["low"], f"{name}_high": one["high"]}
