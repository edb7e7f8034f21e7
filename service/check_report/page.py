"""A check as one page: everything inside, no script, nothing fetched; opens from disk, prints, in light and dark."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from data.quality.check import CODES, Checked
from data.quality.check_finding import (
    LEVELS,
    Both,
    Chart,
    CheckFinding,
    Language,
    Point,
    number,
    period,
    remedy,
    sentence,
    share,
)
from service.check_report.draw import svg_of
from service.check_report.told import (
    ANSWER_SHAPES,
    LEVEL_MEANINGS,
    LEVEL_PLURALS,
    LEVEL_SHAPES,
    LEVEL_WORDS,
    Report,
    family_told,
    label_told,
    span_of,
    value_told,
)
from service.check_report.words import SYMPTOMS, WORDS
from service.check_verdict import ANSWERS, QUESTIONS
from service.report_style import report_style

_HERE: Final = Path(__file__).parent
# More rows than anyone reads; the JSON has them all.
_MOST_ROWS: Final = 150


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = _coded
    return environment


def _coded(text: str) -> Markup:
    """Text in which `what is typed` becomes code; everything else is escaped."""
    parts = [str(escape(part)) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return escape(text)
    marked = [f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)]
    return Markup("".join(marked))  # noqa: S704 - every part was escaped above


def page_of(report: Report, language: Language) -> str:
    """The report as an HTML document in one language."""
    template = _environment().get_template("check.html")
    return template.render(
        t=_Words(language),
        language={"zh": "zh-Hans", "en": "en"}[language],
        style=report_style(_HERE / "templates" / "check.css"),
        subjects=[_subject(place, one, language) for place, one in enumerate(report.checked)],
        verdicts=[
            {
                "asks": QUESTIONS[one.question].in_(language),
                "answer": one.answer,
                "shape": ANSWER_SHAPES[one.answer],
                "word": ANSWERS[one.answer].in_(language),
                "reason": one.reason.in_(language),
                "need": None if one.need is None else one.need.in_(language),
            }
            for one in report.verdicts
        ],
        levels=[
            {
                "level": level,
                "shape": LEVEL_SHAPES[level],
                "word": LEVEL_PLURALS[level].in_(language),
                "meaning": LEVEL_MEANINGS[level].in_(language),
                "count": sum(one.count(level) for one in report.checked),
            }
            for level in LEVELS
        ],
    )


class _Words:
    """What a template says: `t.name`, or `t("name", n=3)`."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def __call__(self, name: str, **values: Any) -> str:
        return WORDS[name].in_(self.language).format(**values)

    def __getattr__(self, name: str) -> str:
        if name in WORDS:
            return WORDS[name].in_(self.language)
        raise AttributeError(name)


def _subject(place: int, one: Checked, language: Language) -> dict[str, Any]:
    subject = one.subject
    span = span_of(one)
    findings = [_finding(f"s{place}f{index}", finding, language) for index, finding in enumerate(one.findings)]
    return {
        "title": subject.title,
        "name": subject.name,
        "origin": subject.origin,
        "rows": number(subject.n_rows, language),
        "cases": number(len(subject.cases), language),
        "has_cases": len(subject.cases) > 0,
        "span": None if span is None else period(span, language),
        "time_zone": subject.time_zone,
        "groups": [
            {
                "level": level,
                "word": LEVEL_PLURALS[level].in_(language),
                "shape": LEVEL_SHAPES[level],
                "findings": [finding for finding in findings if finding["level"] == level],
            }
            for level in LEVELS
        ],
        "timeliness": _timeliness(one, language),
        "timeliness_chart": _timeliness_chart(place, one, language),
        "grades": _grades(one.grades or {}, language),
        "worst": [
            {
                "office": row["office"] or "–",
                "category": row["category"] or "–",
                "in_doubt": number(row["in_doubt"], language),
                "share": share(row["share"], language),
                "symptoms": "、".join(SYMPTOMS[name].in_(language) for name in row["symptoms"])
                if language == "zh"
                else ", ".join(SYMPTOMS[name].in_(language) for name in row["symptoms"]),
            }
            for row in one.worst
        ],
    }  # fmt: skip


def _grades(grades: dict[str, int], language: Language) -> list[dict[str, str]]:
    total = max(sum(grades.values()), 1)
    return [
        {"grade": grade, "n": number(count, language), "share": share(count / total, language, short=True)}
        for grade, count in grades.items()
    ]


def _finding(name: str, finding: CheckFinding, language: Language) -> dict[str, Any]:
    code = CODES[finding.code]
    said = sentence(code, finding, language)
    return {
        "id": name,
        "code": finding.code,
        "level": finding.level,
        "shape": LEVEL_SHAPES[finding.level],
        "word": LEVEL_WORDS[finding.level].in_(language),
        "family": family_told(finding.code, language),
        "says": said,
        "do": remedy(code, finding, language),
        "meaning": code.meaning.in_(language),
        "chart": None if finding.chart is None else _drawn(name, finding.chart, said, language),
    }


def _drawn(name: str, chart: Chart, said: str, language: Language) -> dict[str, Any]:
    series = list(dict.fromkeys(point.series for point in chart.points))
    labels = list(dict.fromkeys(_key(point) for point in chart.points))
    values = {(_key(point), point.series): point.value for point in chart.points}
    told = {_key(point): label_told(point.label, chart, language) for point in chart.points}
    head = [chart.label.in_(language)]
    head += [_text(one, language) for one in series] if series != [None] else [chart.value.in_(language)]
    rows = [
        [
            told[label],
            *(
                value_told(values[(label, one)], chart.unit, language) if (label, one) in values else "–"
                for one in series
            ),
        ]
        for label in labels
    ]
    return {
        "svg": Markup(svg_of(chart, language, name=name, alternative=said)),  # noqa: S704
        "caption": chart.value.in_(language),
        "head": head,
        "rows": rows[:_MOST_ROWS],
    }


def _key(point: Point) -> str:
    return point.label.en if isinstance(point.label, Both) else point.label


def _text(name: str | Both | None, language: Language) -> str:
    return "" if name is None else name.in_(language) if isinstance(name, Both) else name


_TIMELINESS: Final = (
    ("share_of_closed", "closed_on_time", "closed", "of_closed"),
    ("share_of_due", "on_time", "due", "of_due"),
    ("km_share", None, "km_cases", "of_promised"),
)


def _timeliness(one: Checked, language: Language) -> list[dict[str, str]]:
    times = one.timeliness
    if times is None or not times["promised"]:
        return []
    return [
        {
            "word": WORDS[word].in_(language),
            "why": WORDS[f"{word}_why"].in_(language),
            "share": "–" if times[figure] is None else share(times[figure], language),
            "part": "–" if part is None else number(times[part], language),
            "whole": number(times[whole], language),
        }
        for figure, part, whole, word in _TIMELINESS
    ]


def _timeliness_chart(place: int, one: Checked, language: Language) -> Markup | None:
    times = one.timeliness
    if times is None or not times["promised"] or any(times[figure] is None for figure, *_ in _TIMELINESS):
        return None
    points = tuple(Point(WORDS[word], times[figure]) for figure, _, _, word in _TIMELINESS)
    chart = Chart("bars", "share", WORDS["how_counted"], WORDS["share_on_time"], points)
    said = "; ".join(
        f"{WORDS[word].in_(language)}: {share(times[figure], language)}" for figure, _, _, word in _TIMELINESS
    )
    return Markup(svg_of(chart, language, name=f"s{place}t", alternative=said))  # noqa: S704
