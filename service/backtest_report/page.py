"""A back-test as one page: everything inside, no script, nothing fetched; opens from disk, prints, in light and dark.

The page is made of the same plain values that the JSON holds, so both say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from data.quality.check_finding import Language, number
from features.catalogue import CATALOGUE
from service.backtest_report import pictures
from service.backtest_report.numbers import NOTHING, Estimated, figure, percent, points, spread
from service.backtest_report.words import (
    BASELINES,
    DIMENSIONS,
    FIGURES,
    KINDS,
    MEANINGS,
    UNITS,
    VERDICT_SHAPES,
    VERDICTS,
    WORDS,
    outcome_told,
)
from service.report_style import report_style

_HERE: Final = Path(__file__).parent
_SHOWN: Final = ("auc", "average_precision", "brier", "ece")
_AT_CAPACITY: Final = ("precision_at_capacity", "recall_at_capacity")
_PARTS: Final = ("reliability", "resolution", "uncertainty", "log_loss", "slope", "intercept")
_MOST_FEATURES: Final = 12
_TENTH: Final = 0.1

Cell = dict[str, str]


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_of(found: Mapping[str, Any], language: Language, *, near_instant: int = 0) -> str:
    """A back-test as an HTML document in one language.

    Parameters
    ----------
    found : what `models.validation.result.Validation.as_dict` gives
    language : zh or en
    near_instant : cases that were left out because they were closed within a minute of opening
    """
    telling = Telling(found, language)
    return (
        _environment()
        .get_template("backtest.html")
        .render(
            t=telling.words,
            language={"zh": "zh-Hans", "en": "en"}[language],
            style=report_style(_HERE / "templates" / "backtest.css"),
            outcome=outcome_told(found["outcome"], language),
            about=telling.about(),
            summary=telling.summary(),
            compared=telling.compared(),
            reliability=telling.reliability(),
            parts=telling.parts(),
            capacity=telling.capacity(),
            at_capacity=telling.at_capacity(),
            folds=telling.folds(),
            slices=telling.slices(),
            importance=telling.importance(),
            trusted=telling.trusted(),
            notes=telling.notes(near_instant),
        )
    )


class Words:
    """What a template says: `t.name`, or `t("name", n=3)`."""

    def __init__(self, language: Language, level: str) -> None:
        self.language: Language = language
        self._level = level

    def __call__(self, name: str, **values: Any) -> str:
        """A text with its values filled in."""
        return WORDS[name].in_(self.language).format(level=self._level, **values)

    def __getattr__(self, name: str) -> str:
        if name in WORDS:
            return self(name)
        raise AttributeError(name)


class Telling:
    """The parts of a back-test as a template takes them: text, tables of text, and pictures."""

    def __init__(self, found: Mapping[str, Any], language: Language) -> None:
        self.found = found
        self.language = language
        self.words = Words(language, f"{found['intervals']['level']:.0%}")
        self.figures: Mapping[str, Estimated] = found["figures"]

    def about(self) -> list[str]:
        """What was tested, in a few phrases."""
        folds = len(self.found["folds"])
        return [
            self.words("tested", cases=self._number(self.found["cases"]), rows=self._number(self.found["n"])),
            self.words("one_fold") if folds == 1 else self.words("folds", n=folds),
            self.words("as_of", moment=self._day(self.found["as_of"])),
            self.found["time_zone"],
        ]

    def summary(self) -> list[dict[str, str]]:
        """Four questions, each answered in a figure and a sentence."""
        auc, ece, base = self.figures["auc"], self.figures["ece"], self.found["base_rate"]
        hundred = partial(_hundred, "{:.0f}")
        ranks = self.words("ranks_says", auc=hundred(auc["value"]), low=hundred(auc["low"]), high=hundred(auc["high"]))
        means = self.words(
            "means_says",
            said=percent(self.found["mean_probability"]["value"]),
            seen=percent(base["value"]),
            low=percent(base["low"]),
            high=percent(base["high"]),
            ece=_hundred("{:.1f}", ece["value"]),
        )
        better, says = self._better()
        worth, precision = self._worth()
        return [
            {"asks": self.words.ranks, "answer": f"AUC {figure('auc', auc['value'])}", "says": ranks},
            {"asks": self.words.means, "answer": f"ECE {figure('ece', ece['value'])}", "says": means},
            {"asks": self.words.better, "answer": better, "says": says},
            {"asks": self.words.worth, "answer": precision, "says": f"{worth}{self._join}{self.words.attention}"},
        ]

    def compared(self) -> dict[str, Any]:
        """The model and every baseline: verdicts, figures with intervals, and the picture of the skill."""
        head = [self.words.who, self.words.verdict, self.words.skill, *(self._of(FIGURES, name) for name in _SHOWN)]
        nothing = {"main": NOTHING, "small": ""}
        own = [nothing, nothing, *(self._cell(name, self.figures[name]) for name in _SHOWN)]
        rows: list[dict[str, Any]] = [{"who": self.words.model, "cells": own}]
        for name, one in self.found["baselines"].items():
            shape, word = VERDICT_SHAPES[one["verdict"]], self._of(VERDICTS, one["verdict"])
            cells = [{"main": f"{shape} {word}", "small": ""}, self._cell("skill", one["skill"])]
            cells += [self._cell(each, one["figures"][each]) for each in _SHOWN]
            rows.append({"who": self._of(BASELINES, name), "cells": cells})
        return {"head": head, "rows": rows, "picture": pictures.skill(self)}

    def reliability(self) -> dict[str, Any]:
        """The reliability curve as picture and table."""
        rows = [
            [percent(one["predicted"]), self._both(percent, one["observed"]), self._number(one["n"])]
            for one in self.found["reliability"]
        ]
        head = [self.words.risk, self.words.observed, self.words.n]
        return {"head": head, "rows": rows, "picture": pictures.reliability(self)}

    def parts(self) -> list[dict[str, str]]:
        """What the Brier score is made of, and the line of calibration."""
        rows = []
        for name in _PARTS:
            cell = self._cell(name, self.figures[name])
            meaning = self._of(MEANINGS, name)
            rows.append({"who": self._of(FIGURES, name), "meaning": meaning, **cell})
        return rows

    def capacity(self) -> dict[str, Any]:
        """The capacity curve as picture and table."""
        rows = [
            [f"{one['share']:.0%}", self._both(percent, one["recall"]), self._both(percent, one["precision"])]
            for one in self.found["capacity_curve"]
        ]
        head = [self.words.share, self.words.recall, self.words.precision]
        return {"head": head, "rows": rows, "picture": pictures.capacity(self)}

    def at_capacity(self) -> dict[str, Any] | None:
        """Precision and recall at the office's capacity, beside those of the baselines; None where it is not known."""
        if self.found["capacity"] is None:
            return None
        compared = {name: one["figures"] for name, one in self.found["baselines"].items()}
        rows = [
            {"who": self._of(BASELINES, name), "cells": [self._cell(each, own[each]) for each in _AT_CAPACITY]}
            for name, own in {self.words.model: self.figures, **compared}.items()
        ]
        return {"head": [self.words.who, *(self._of(FIGURES, name) for name in _AT_CAPACITY)], "rows": rows}

    def folds(self) -> dict[str, Any]:
        """Every fold as a row, and the picture over time."""
        names = ("cut", "trained", "tested_cases", "open_at_cut", "straddling")
        head = [*(getattr(self.words, name) for name in names), self._of(FIGURES, "auc"), self._of(FIGURES, "brier")]
        head += [self.words.mean_risk, self.words.failed]
        rows = []
        for fold in self.found["folds"]:
            counts = (fold[name] for name in ("cases_train", "cases_test", "open_at_cut", "straddling"))
            cells = [{"main": self._number(count), "small": ""} for count in counts]
            cells += [self._cell(name, fold["figures"][name]) for name in ("auc", "brier")]
            cells += [self._cell("share", fold[name]) for name in ("mean_probability", "base_rate")]
            until = self.words("until", day=self._day(fold["until"]))
            rows.append({"who": self._day(fold["cut"]), "who_small": until, "cells": cells})
        skipped = self.found["folds_skipped"]
        return {
            "head": head,
            "rows": rows,
            "picture": pictures.folds(self),
            "skipped": self.words("skipped", n=skipped) if skipped else "",
        }

    def slices(self) -> list[dict[str, Any]]:
        """A table for every dimension."""
        head = [self.words.cases, self.words.failed, self.words.mean_risk, self.words.difference]
        head += [self._of(FIGURES, "auc")]
        tables = []
        for dimension, found in self.found["slices"].items():
            rows = [{"who": self._value(dimension, one["name"]), "cells": self._slice(one)} for one in found["told"]]
            pooled, withheld = found["pooled"], found["withheld"]
            if pooled is not None:
                rows.append({"who": self.words("others", n=withheld), "cells": self._slice(pooled)})
            hidden = self.words("withheld", n=withheld) if withheld and pooled is None else ""
            word = self._of(DIMENSIONS, dimension)
            tables.append({"title": word, "head": [word, *head], "rows": rows, "withheld": hidden})
        return tables

    def importance(self) -> list[list[str]]:
        """Features and percentage points, the largest first."""
        shown = list(self.found["importance_points"].items())[:_MOST_FEATURES]
        return [[self._feature(name), f"{value:.1f}"] for name, value in shown]

    def trusted(self) -> list[dict[str, str]]:
        """The figures on landmarks with trusted labels; empty where nobody judged."""
        if self.found["trusted"] is None:
            return []
        figures = self.found["trusted"]["figures"]
        return [{"who": self._of(FIGURES, name), **self._cell(name, figures[name])} for name in _SHOWN]

    def notes(self, near_instant: int) -> list[str]:
        """How to read the figures."""
        drawn = self.found["intervals"]
        unit = self._of(UNITS, drawn["unit"])
        told = [
            self.words("how_intervals", unit=unit, blocks=drawn["blocks"], replications=drawn["replications"]),
            self.words.how_cases,
            self.words.how_verdict,
        ]
        if near_instant:
            told.append(self.words("near_instant", n=self._number(near_instant)))
        return told

    @property
    def _join(self) -> str:
        return "" if self.language == "zh" else " "

    def _of(self, words: Mapping[str, Any], name: str) -> str:
        return str(words[name].in_(self.language)) if name in words else name.replace("_", " ")

    def _number(self, value: int) -> str:
        return number(value, self.language)

    def _day(self, moment: int) -> str:
        local = datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo(self.found["time_zone"]))
        return local.strftime("%Y-%m-%d")

    def _cell(self, name: str, one: Estimated) -> Cell:
        told = partial(figure, name)
        return {"main": told(one["value"]), "small": spread(one, told)}

    def _both(self, told: Callable[[float | None], str], one: Estimated) -> str:
        ends = spread(one, told)
        brackets = "（{}）" if self.language == "zh" else " ({})"
        return told(one["value"]) + (brackets.format(ends) if ends else "")

    def _slice(self, one: Mapping[str, Any]) -> list[Cell]:
        difference = one["difference"]
        return [
            {"main": self._number(one["cases"]), "small": ""},
            self._cell("share", one["base_rate"]),
            self._cell("share", one["mean_probability"]),
            {"main": points(difference["value"]), "small": spread(difference, points)},
            self._cell("auc", one["auc"]),
        ]

    def _value(self, dimension: str, name: str | None) -> str:
        if name is None:
            return self.words.unnamed
        return self._of(KINDS, name) if dimension == "kind" and name in KINDS else name

    def _feature(self, name: str) -> str:
        if name not in CATALOGUE:
            return name
        told = CATALOGUE[name]
        return told.label_zh if self.language == "zh" else told.label_en

    def _better(self) -> tuple[str, str]:
        by: dict[str, list[str]] = {"beats": [], "loses": [], "both": [], "unclear": []}
        for name, one in self.found["baselines"].items():
            by[one["verdict"]].append(self._of(BASELINES, name))
        total, won = len(self.found["baselines"]), len(by["beats"])
        if won == total:
            says = self.words("better_all", n=total)
        else:
            unclear, worse = (self._listed(part) for part in ([*by["unclear"], *by["both"]], by["loses"]))
            says = self.words("better_some", n=total, k=won, unclear=unclear, worse=worse)
        return f"{won} / {total}", says

    def _listed(self, words: Sequence[str]) -> str:
        return ("、" if self.language == "zh" else ", ").join(words) or self.words.none

    def _worth(self) -> tuple[str, str]:
        found = self.found["capacity"]
        if found is not None:
            precision, recall = (self.figures[name]["value"] for name in _AT_CAPACITY)
            told = {"places": f"{found['places']:.1f}", "share": percent(found["share"])}
            says = self.words("worth_says", precision=percent(precision), recall=percent(recall), **told)
        else:
            tenth = next(one for one in self.found["capacity_curve"] if one["share"] == _TENTH)
            precision, recall = (tenth[name]["value"] for name in ("precision", "recall"))
            says = self.words("worth_share", precision=percent(precision), recall=percent(recall))
        return says, percent(recall)


def _hundred(form: str, value: float | None) -> str:
    return NOTHING if value is None else form.format(value * 100)
