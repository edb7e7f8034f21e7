"""`heed check`: what to know of an export, or of a store, before believing a figure from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from data.errors import UsageError
from data.quality.check import CODES, Checked, check_file, check_store
from data.quality.check_finding import LEVELS, Language, Level, number, period, remedy, sentence, share
from service.check_report.told import (
    ANSWER_SHAPES,
    LEVEL_PLURALS,
    LEVEL_SHAPES,
    LEVEL_WORDS,
    Report,
    codes_as_dict,
    family_told,
    span_of,
)
from service.check_report.words import WORDS
from service.check_verdict import ANSWERS, QUESTIONS, verdicts
from service.cli._app import Json, app, emit, moment, open_store, out, progress, settings

_STYLES = {"stop": "bold red", "warn": "yellow", "note": "dim"}


@app.command("check")
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A file to check before it is imported; else the store.")
    ] = None,
    mapping: Annotated[
        str | None, typer.Option("--mapping", metavar="NAME_OR_PATH", help="A shipped mapping, or a TOML file.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="One source of the store; default: all.")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="COLUMN", help="Leave a column out, openly.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="MOMENT", help="Use only what was known before.")
    ] = None,
    lang: Annotated[Literal["zh", "en"], typer.Option("--lang", help="Language: zh or en.")] = "en",
    html: Annotated[
        Path | None, typer.Option("--html", metavar="OUT.html", help="Write the report as one page, with pictures.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if anything stops training.")] = False,
    codes: Annotated[bool, typer.Option("--codes", help="List what a check can find, and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Check an export before it is imported (nothing is stored), or what a store holds.

    Example: heed check export.csv --mapping boston --html check.html
    """
    if codes:
        _tell_codes(lang, as_json=as_json)
        return
    given = None if as_of is None else moment(as_of, 0, "--as-of")
    with progress(quiet=as_json) as step:
        if file is not None:
            if mapping is None:
                raise UsageError("--mapping: a file is checked with its mapping; give the name or the path of one.")
            if source is not None:
                raise UsageError("--source: is for a store; a file is of one source.")
            checked: tuple[Checked, ...] = (
                check_file(file, mapping, drop=tuple(drop or ()), as_of=given, progress=step),
            )
        else:
            _refuse_file_options(mapping, drop)
            with open_store() as store:
                checked = check_store(store, source=source, as_of=given, progress=step)
        report = Report.of(checked, verdicts(checked), minimum=settings().minimum_cell)
        if html is not None:
            # Imported here: drawing needs a library that takes a second to load.
            from service.check_report.page import page_of  # noqa: PLC0415

            step("page", 0, 1)
            html.write_text(page_of(report, lang), "utf-8")
            step("page", 1, 1)
    if as_json:
        emit(report.to_dict())
    else:
        _tell(report, lang)
        if html is not None:
            out.print(str(html), highlight=False)
    if strict and report.stops:
        raise typer.Exit(1)


def _refuse_file_options(mapping: str | None, drop: list[str] | None) -> None:
    for name, value in (("--mapping", mapping), ("--drop", drop)):
        if value:
            raise UsageError(f"{name}: is for a file; give its path before the options, or leave {name} out.")


def _tell(report: Report, language: Language) -> None:
    for one in report.checked:
        _tell_subject(one, language)
    if report.verdicts:
        out.print(f"[bold]{WORDS['verdicts'].in_(language)}[/]")
        for verdict in report.verdicts:
            answer = f"{ANSWER_SHAPES[verdict.answer]} {ANSWERS[verdict.answer].in_(language)}"
            out.print(f"  {QUESTIONS[verdict.question].in_(language)} [bold]{answer}[/]", highlight=False)
            need = "" if verdict.need is None else f" {WORDS['needed'].in_(language)}{verdict.need.in_(language)}"
            out.print(f"    {verdict.reason.in_(language)}{need}", highlight=False)
    counts = ("，" if language == "zh" else ", ").join(_counted(report, level, language) for level in LEVELS)
    out.print(f"[bold]{counts}[/]", highlight=False)


def _counted(report: Report, level: Level, language: Language) -> str:
    count = sum(one.count(level) for one in report.checked)
    word = (LEVEL_WORDS if count == 1 else LEVEL_PLURALS)[level].in_(language)
    return f"{word}{count}" if language == "zh" else f"{count} {word.lower()}"


def _tell_subject(one: Checked, language: Language) -> None:
    subject = one.subject
    parts = [subject.title, subject.name, WORDS["rows"].in_(language).format(n=number(subject.n_rows, language))]
    span = span_of(one)
    if span is not None:
        parts.append(WORDS["cases"].in_(language).format(n=number(len(subject.cases), language)))
        parts.append(WORDS["opened"].in_(language).format(span=period(span, language)))
    out.print(
        ("，" if language == "zh" else ", ").join(part for part in parts if part),
        style="bold",
        highlight=False,
        markup=False,
    )
    if not one.findings:
        out.print(WORDS["nothing_found"].in_(language))
    else:
        out.print(_table(one, language))
    times = one.timeliness
    if times is not None and times["due"]:
        told = [
            f"{WORDS[word].in_(language)} {share(times[figure], language)} ({number(times[whole], language)})"
            for figure, whole, word in (
                ("share_of_closed", "closed", "of_closed"),
                ("share_of_due", "due", "of_due"),
                ("km_share", "km_cases", "of_promised"),
            )
            if times[figure] is not None
        ]
        out.print(f"{WORDS['timeliness'].in_(language)}: {'; '.join(told)}", highlight=False, markup=False)
    if one.grades:
        told = [f"{grade} {number(count, language)}" for grade, count in one.grades.items()]
        out.print(f"{WORDS['labels'].in_(language)}: {', '.join(told)}", highlight=False, markup=False)


def _table(one: Checked, language: Language) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_lines=False, expand=False)
    table.add_column(WORDS["level"].in_(language), no_wrap=True)
    table.add_column(WORDS["finding"].in_(language), overflow="fold")
    for finding in one.findings:
        code = CODES[finding.code]
        level = f"{LEVEL_SHAPES[finding.level]} {LEVEL_WORDS[finding.level].in_(language)}"
        said = _escaped(sentence(code, finding, language))
        do = _escaped(f"→ {remedy(code, finding, language)}")
        style = _STYLES[finding.level]
        table.add_row(f"[{style}]{level}[/]\n[dim]{family_told(finding.code, language)}[/]", f"{said}\n[dim]{do}[/]")
    return table


def _escaped(text: str) -> str:
    """Square brackets are the source's own, and no markup."""
    return text.replace("[", r"\[")


def _tell_codes(language: Language, *, as_json: bool) -> None:
    if as_json:
        emit(codes_as_dict())
        return
    table = Table(box=None, pad_edge=False)
    for name in ("code", "family", "meaning"):
        table.add_column(name)
    for code in CODES.values():
        table.add_row(code.code, family_told(code.code, language), code.meaning.in_(language))
    out.print(table)
