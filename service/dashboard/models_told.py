"""What the pages of models say: figures with their intervals, gates, drift, and what the pictures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pandas as pd
from babel.numbers import format_decimal, format_percent

from features.catalogue import CATALOGUE
from models.plots import theme as house
from models.plots.beside import SIZE, capacity_beside, reliability_beside
from service import display
from service.dashboard.charts import Drawn
from service.dashboard.models_words import ALIASES, FIGURES, LEVELS, MARK_OF_LEVEL, STATES, WHY
from service.gate_payloads import GateShown, MoveShown
from service.gating import GATES
from service.language import Words
from service.model_payloads import ModelItem

# Where the capacity curve is read off in words: a fifth of every list.
READ_AT: Final = 0.2
CHART_SIZE: Final = SIZE
Estimate = Mapping[str, float | None]


class Tell:
    """What the templates of models say."""

    def __init__(self, words: Words) -> None:
        self.words = words

    # ---- a version ----

    def state(self, item: ModelItem) -> str:
        """Whether a version can be used here."""
        return display.word(self.words, STATES, item.state)

    def mark(self, item: ModelItem) -> str:
        """The shape and colour beside it."""
        return "low" if item.state == "usable" else "medium" if item.state == "misfit" else "high"

    def alias(self, alias: str) -> str:
        """What a version is in use as."""
        return display.word(self.words, ALIASES, alias)

    def why(self, code: str) -> str:
        """A reason for the history."""
        return display.word(self.words, WHY, code)

    def outcome(self, outcome: str) -> str:
        """An outcome as what the office does or leaves undone."""
        return display.outcome(self.words, outcome)

    def moment(self, item: Any, name: str) -> str:
        """A moment in UTC; a version is not of one city's clock."""
        found = getattr(item, name)
        return self.words.gettext("not known") if found is None else f"{found:%Y-%m-%d %H:%M} UTC"

    def number(self, value: float | None) -> str:
        """A figure of a card, with up to four digits behind the point."""
        return "–" if value is None else display.four_decimals(self.words, value)

    # ---- figures with intervals ----

    def figure(self, name: str) -> str:
        """The name of a figure."""
        return display.word(self.words, FIGURES, name)

    def three(self, value: float | None) -> str:
        """A figure with three digits."""
        return "–" if value is None else format_decimal(value, format="0.000", locale=self.words.locale)

    def signed(self, value: float | None) -> str:
        """A difference with its sign."""
        if value is None:
            return "–"
        told = format_decimal(abs(value), format="0.0000", locale=self.words.locale)
        return ("+" if value > 0 else "−" if value < 0 else "") + told

    def percent(self, value: float | None) -> str:
        """A share, as percent with one digit."""
        return "–" if value is None else format_percent(value, format="0.0%", locale=self.words.locale)

    def verdict(self, name: str, difference: Estimate) -> tuple[str, str]:
        """What a difference says of this version, with the code of its mark."""
        side = self._side(difference) * (1 if name in ("auc", "average_precision") or "capacity" in name else -1)
        if side > 0:
            return "low", self.words.gettext("better")
        if side < 0:
            return "high", self.words.gettext("worse")
        return "unknown", self.words.gettext("not told apart")

    def finding(self, one: Mapping[str, Any]) -> str:
        """The heading over one outcome, by the Brier score."""
        told = self.outcome(str(one["name"]))
        if one.get("too_little"):
            return self.words.gettext("%(outcome)s: too few mature cases to judge by", outcome=_capital(told))
        if not one["differences"]:
            return self.words.gettext("%(outcome)s: nothing in use to compare with", outcome=_capital(told))
        side = self._side(one["differences"]["brier"])
        if side < 0:
            return self.words.gettext("%(outcome)s: better than the one in use", outcome=_capital(told))
        if side > 0:
            return self.words.gettext("%(outcome)s: worse than the one in use", outcome=_capital(told))
        return self.words.gettext("%(outcome)s: no difference that could be told from chance", outcome=_capital(told))

    def how(self, code: str | None) -> str:
        """How the one in use was asked."""
        if code == "as_stored":
            return self.words.gettext(
                "The one in use was asked as it is stored: it had learned of none of these cases."
            )
        if code == "made_alike":
            return self.words.gettext("Both are made in the same way, and differ only in the cases that they know.")
        return self.words.gettext(
            "The one in use has learned of some of these cases, so both ways of learning were made anew at the cut."
        )

    def at_share(self, side: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The point of a capacity curve that is read off in words."""
        return next((point for point in side["capacity"] if abs(point["share"] - READ_AT) < 1e-9), None)

    def place_at_share(self, side: Mapping[str, Any]) -> int:
        """Where it stands in the curve."""
        return [abs(point["share"] - READ_AT) < 1e-9 for point in side["capacity"]].index(True)

    # ---- gates and drift ----

    def gate(self, gate: GateShown) -> str:
        """What must hold."""
        return display.word(self.words, GATES, gate.name)

    def gate_state(self, gate: GateShown) -> tuple[str, str]:
        """Whether it does, with the code of its mark."""
        if gate.passed is None:
            return "unknown", self.words.gettext("cannot be told")
        return ("low", self.words.gettext("fulfilled")) if gate.passed else ("high", self.words.gettext("not passed"))

    def gates_finding(self, found: list[GateShown]) -> str:
        """The heading over the gates."""
        closed = sum(gate.passed is not True for gate in found)
        if not closed:
            return self.words.gettext("All gates are passed")
        return self.words.ngettext("%(n)d gate is not passed", "%(n)d gates are not passed", closed)

    def level(self, move: MoveShown) -> str:
        """How far a measure has moved, in a word."""
        return display.word(self.words, LEVELS, move.level)

    def level_mark(self, move: MoveShown) -> str:
        """The mark beside it."""
        return MARK_OF_LEVEL[move.level]

    def measure(self, name: str) -> str:
        """A feature in the words of the catalogue."""
        if name not in CATALOGUE:
            return name
        label = CATALOGUE[name].label_zh if self.words.language == "zh" else CATALOGUE[name].label_en
        return _capital(label)

    @staticmethod
    def _side(one: Estimate) -> int:
        low, high = one["low"], one["high"]
        return 0 if low is None or high is None else int(low > 0) - int(high < 0)


def judged_outcomes(judged: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The outcomes of a judgement in their order, each with its name; lateness first."""
    told = {} if judged is None else judged["outcomes"]
    return [{"name": name, **told[name]} for name in sorted(told, key=lambda each: (each != "late", each))]


def reliability_curves(one: Mapping[str, Any], words: Words, theme: house.Theme, drawn: Drawn = "svg") -> bytes:
    """The reliability curves of one outcome; SVG, or what a page draws itself."""
    tell, rows = Tell(words), []
    axes = words.gettext("risk told"), words.gettext("share that was failed")
    series = _series(one, words)
    for side, name in series.items():
        for point in one[side]["reliability"]:
            seen = point["observed"]
            rows.append(
                {
                    "series": name,
                    "predicted": point["predicted"],
                    "observed": seen["value"],
                    "low": seen["low"],
                    "high": seen["high"],
                    "told": _point(
                        name, zip(axes, map(tell.percent, (point["predicted"], seen["value"])), strict=True)
                    ),
                }
            )
    frame = pd.DataFrame(rows).astype(dict.fromkeys(("predicted", "observed", "low", "high"), "float64"))
    chart = reliability_beside(
        frame if drawn == "spec" else frame.drop(columns="told"),
        series=list(series.values()),
        predicted=axes[0],
        observed=axes[1],
    )
    return house.spec(chart, theme) if drawn == "spec" else house.svg(chart, theme)


def capacity_curves(one: Mapping[str, Any], words: Words, theme: house.Theme, drawn: Drawn = "svg") -> bytes:
    """The capacity curves of one outcome; SVG, or what a page draws itself."""
    tell, series = Tell(words), _series(one, words)
    axes = words.gettext("Attended"), words.gettext("Failures found")
    rows = [
        {
            "series": name,
            "share": point["share"],
            "recall": point["recall"]["value"],
            "told": _point(name, zip(axes, map(tell.percent, (point["share"], point["recall"]["value"])), strict=True)),
        }
        for side, name in series.items()
        for point in one[side]["capacity"]
    ]
    frame = pd.DataFrame(rows).astype({"share": "float64", "recall": "float64"})
    chart = capacity_beside(
        frame if drawn == "spec" else frame.drop(columns="told"),
        series=list(series.values()),
        share=words.gettext("share of each day's list attended"),
        found=words.gettext("failures found"),
        chance=words.gettext("by chance"),
    )
    return house.spec(chart, theme) if drawn == "spec" else house.svg(chart, theme)


def _point(series: str, figures: Iterable[tuple[str, str]]) -> str:
    """What a live chart says of a point, with the figures of the table."""
    return " · ".join([_capital(series), *(f"{_capital(name)}: {figure}" for name, figure in figures)])


def _series(one: Mapping[str, Any], words: Words) -> dict[str, str]:
    names = {"challenger": words.gettext("this version"), "champion": words.gettext("the one in use")}
    return {side: name for side, name in names.items() if one.get(side)}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
