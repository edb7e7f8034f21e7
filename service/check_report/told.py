"""A check in words and plain values; nothing leaves it that speaks of few cases in an area or at an office."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from data.event_log import NEVER
from data.quality.check import CODES, FAMILIES, Checked
from data.quality.check_finding import (
    LEVELS,
    MINIMUM,
    Both,
    Chart,
    CheckFinding,
    Language,
    Level,
    Number,
    decimal,
    number,
    period,
    remedy,
    sentence,
    share,
)
from service.check_verdict import ANSWERS, QUESTIONS, Verdict

SCHEMA: Final = 1

LEVEL_WORDS: Final[dict[Level, Both]] = {
    "stop": Both("阻断", "Stop"),
    "warn": Both("警告", "Warning"),
    "note": Both("提示", "Note"),
}
# At the head of a list of them.
LEVEL_PLURALS: Final[dict[Level, Both]] = {
    "stop": Both("阻断", "Stops"),
    "warn": Both("警告", "Warnings"),
    "note": Both("提示", "Notes"),
}
LEVEL_MEANINGS: Final[dict[Level, Both]] = {
    "stop": Both(
        "改正之前无法导入、训练或检出，或结果一定是错的。",
        "Until mended, an import, training or detection fails, or is wrong.",
    ),
    "warn": Both("不顾及它，数字会误导。", "Figures mislead unless this is kept in mind."),
    "note": Both("已妥善处理，或知道即可。", "Taken care of already, or good to know."),
}
# Told apart by shape as well as by colour, on paper too.
LEVEL_SHAPES: Final[dict[Level, str]] = {"stop": "■", "warn": "▲", "note": "○"}
ANSWER_SHAPES: Final = {"yes": "●", "partly": "◐", "no": "○"}


@dataclass(frozen=True)
class Report:
    """Everything a check tells: of each source, and the verdicts of all together."""

    checked: tuple[Checked, ...]
    verdicts: tuple[Verdict, ...]
    minimum: int = MINIMUM

    @classmethod
    def of(cls, checked: Sequence[Checked], verdicts: Sequence[Verdict], *, minimum: int = MINIMUM) -> Report:
        """Withhold what is small, and keep the rest."""
        told = (replace(one, findings=tuple(disclosed(each, minimum) for each in one.findings)) for one in checked)
        return cls(tuple(told), tuple(verdicts), minimum)

    @property
    def stops(self) -> bool:
        """Whether anything stops an import, training or detection."""
        return any(one.stops for one in self.checked)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, the same names in every version of `schema`; sentences in both languages."""
        return {
            "schema": SCHEMA,
            "minimum_cell": self.minimum,
            "levels": {level: sum(one.count(level) for one in self.checked) for level in LEVELS},
            "subjects": [_subject(one) for one in self.checked],
            "verdicts": [_verdict(one) for one in self.verdicts],
        }


def disclosed(finding: CheckFinding, minimum: int = MINIMUM) -> CheckFinding:
    """The finding without small counts where it is about an area, or about an office, which may serve one area only."""
    if finding.where.area is None and finding.where.office is None:
        return finding
    if finding.chart is not None and finding.chart.unit == "count":
        # A month's bar beside the others and their sum: too much to weigh for a picture.
        finding = replace(finding, chart=None)
    counts = {name: value for name, value in finding.figures.items() if isinstance(value, int)}
    small = {name for name, value in counts.items() if 0 <= value < minimum} - _NO_COUNTS
    if not small:
        return finding
    figures: dict[str, Number] = {name: None if name in small else value for name, value in finding.figures.items()}
    # A share beside a withheld count would give it back, and so would a sentence made with it.
    figures = {name: None if isinstance(value, float) else value for name, value in figures.items()}
    return replace(finding, figures=figures, chart=None, says=None)


# Figures that count something else than cases.
_NO_COUNTS: Final = frozenset(("n", "batches", "days", "weeks", "hour", "minute"))


def codes_as_dict() -> dict[str, Any]:
    """The catalogue of codes as plain values."""
    return {
        "codes": [
            {
                "code": code.code,
                "family": code.family,
                "meaning_zh": code.meaning.zh,
                "meaning_en": code.meaning.en,
            }
            for code in CODES.values()
        ]
    }


def iso(seconds: int) -> str:
    """Seconds in UTC as ISO text."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def value_told(value: Number, unit: str, language: Language) -> str:
    """A value of a chart in words."""
    if value is None:
        return number(None, language)
    if unit == "share":
        return share(value, language, short=True)
    if unit == "auc":
        return f"{value:.2f}"
    if unit == "days":
        return decimal(value, language) + (" 天" if language == "zh" else " day" if value == 1 else " days")
    return number(value, language)


def label_told(label: str | Both, chart: Chart, language: Language) -> str:
    """A label of a chart in words."""
    if isinstance(label, Both):
        return label.in_(language)
    return f"{int(label):02d}:00" if chart.kind == "clock" else period(label, language)


def span_of(checked: Checked) -> str | None:
    """The first and the last day of the openings, ISO, joined by "/"; None without cases."""
    opened = checked.subject.cases["opened_at"]
    if opened.empty:
        return None
    days = checked.subject.local(opened.agg(["min", "max"])).dt.strftime("%Y-%m-%d")
    return f"{days.iloc[0]}/{days.iloc[1]}"


def _subject(one: Checked) -> dict[str, Any]:
    subject = one.subject
    return {
        "source": subject.source,
        "title": subject.title,
        "origin": subject.origin,
        "name": subject.name,
        "time_zone": subject.time_zone,
        "as_of": iso(subject.as_of) if subject.as_of < NEVER else None,
        "rows": subject.n_rows,
        "cases": len(subject.cases),
        "opened": span_of(one),
        "levels": {level: one.count(level) for level in LEVELS},
        "timeliness": one.timeliness,
        "grades": one.grades,
        "worst": list(one.worst),
        "findings": [_finding(finding) for finding in one.findings],
    }


def _finding(finding: CheckFinding) -> dict[str, Any]:
    code = CODES[finding.code]
    return {
        "code": finding.code,
        "family": code.family,
        "level": finding.level,
        "where": {**asdict(finding.where), "values": list(finding.where.values)},
        "figures": dict(finding.figures),
        "zh": sentence(code, finding, "zh"),
        "en": sentence(code, finding, "en"),
        "do_zh": remedy(code, finding, "zh"),
        "do_en": remedy(code, finding, "en"),
        "chart": None if finding.chart is None else _chart(finding.chart),
    }


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "kind": chart.kind,
        "unit": chart.unit,
        "label": _plain(chart.label),
        "value": _plain(chart.value),
        "mark": chart.mark,
        "points": [
            {"label": _plain(point.label), "series": _plain(point.series), "value": point.value}
            for point in chart.points
        ],
    }


def _plain(text: str | Both | None) -> Any:
    return {"zh": text.zh, "en": text.en} if isinstance(text, Both) else text


def _verdict(one: Verdict) -> dict[str, Any]:
    return {
        "question": one.question,
        "answer": one.answer,
        "asks_zh": QUESTIONS[one.question].zh,
        "asks_en": QUESTIONS[one.question].en,
        "answers_zh": ANSWERS[one.answer].zh,
        "answers_en": ANSWERS[one.answer].en,
        "reason_zh": one.reason.zh,
        "reason_en": one.reason.en,
        "need_zh": None if one.need is None else one.need.zh,
        "need_en": None if one.need is None else one.need.en,
        "figures": one.figures,
    }


def family_told(code: str, language: Language) -> str:
    """The family of a code in words."""
    return FAMILIES[CODES[code].family].in_(language)
