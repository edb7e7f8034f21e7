"""Charts, pages and reports have one set of colours, and each of its marks and letters can be seen."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Final

import pytest

from models.plots import theme

SERVICE = Path(__file__).parents[2] / "service"
PAGES = SERVICE / "dashboard" / "static" / "heed.css"
REPORTS = SERVICE / "report.css"
# What a chart's colour is called in the style sheet of the pages.
OF_THE_PAGES: Final = {
    theme.INK: "--ink",
    theme.QUIET: "--muted",
    theme.RAISES: "--up",
    theme.LOWERS: "--down",
    theme.OCHRE: "--medium",
    theme.TINTS["usual"]: "--low-soft",
    theme.TINTS["raised"]: "--medium-soft",
    theme.TINTS["high"]: "--high-soft",
    theme.BACKGROUND["light"]: "--surface",
}
OF_THE_REPORTS: Final = {
    theme.INK: "--ink",
    theme.QUIET: "--quiet",
    theme.RAISES: "--raises",
    theme.LOWERS: "--lowers",
    theme.OCHRE: "--second",
    theme.BAND: "--band",
    theme.EDGE: "--edge",
    theme.RULE: "--rule",
    theme.BACKGROUND["light"]: "--surface",
}
MARKS: Final = {*theme.SERIES, *theme.STEPS, theme.EDGE}
TEXT: Final = ("--ink", "--muted", "--accent", "--high", "--medium", "--low", "--up", "--down")
GROUNDS: Final = ("--paper", "--surface")
SOFT: Final = {"--high": "--high-soft", "--medium": "--medium-soft", "--low": "--low-soft", "--accent": "--accent-soft"}


def tokens(sheet: Path) -> dict[str, dict[str, str]]:
    """The colours of a style sheet by name: those of a light page, and of a dark one."""
    text = sheet.read_text()
    blocks = re.findall(r":root \{(.*?)\n?\s*\}", text, re.DOTALL)[:2]
    light, dark = (dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", block)) for block in blocks)
    return {"light": light, "dark": dark}


def contrast(one: str, other: str) -> float:
    """Contrast of two colours as WCAG 2.2 defines it, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_is_that_of_wcag():
    """Black on white is 21, a colour on itself 1; #767676 is the known grey of 4.54 on white."""
    assert contrast("#000000", "#ffffff") == 21
    assert contrast("#123456", "#123456") == 1
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54


@pytest.mark.parametrize(("sheet", "names"), [(PAGES, OF_THE_PAGES), (REPORTS, OF_THE_REPORTS)])
def test_charts_have_the_colours_of_their_pages(sheet, names):
    """What has one meaning has one colour, whoever draws it, in light and dark."""
    told = tokens(sheet)
    assert {colour: told["light"][name] for colour, name in names.items()} == {colour: colour for colour in names}
    dark = {colour: theme.DARK[colour] for colour in names}
    assert {colour: told["dark"][name] for colour, name in names.items()} == dark


def test_reports_have_the_colours_of_the_pages():
    """The names that reports share with the pages mean the same colours."""
    pages, report = tokens(PAGES), tokens(REPORTS)
    for scheme in ("light", "dark"):
        shared = pages[scheme].keys() & report[scheme].keys()
        assert {"--paper", "--surface", "--ink", "--muted", "--accent"} <= shared
        assert {name: report[scheme][name] for name in shared} == {name: pages[scheme][name] for name in shared}


def test_every_colour_of_a_chart_has_its_dark_one():
    """None would stay as it is on a dark page."""
    named = {
        value for name, value in vars(theme).items() if name.isupper() and re.fullmatch(r"#[0-9a-f]{6}", str(value))
    }
    assert {*named, *theme.SERIES, *theme.STEPS, *theme.TINTS.values()} <= theme.DARK.keys()
    assert len(set(theme.DARK)) == len(theme.DARK)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_of_charts_stand_out_from_cards_and_paper(scheme):
    """3 to 1, as WCAG 2.2 asks of what is no text."""
    grounds = [tokens(PAGES)[scheme][name] for name in GROUNDS]
    drawn = {colour: theme.DARK[colour] if scheme == "dark" else colour for colour in MARKS}
    weak = {(colour, ground): contrast(drawn[colour], ground) for colour, ground in product(drawn, grounds)}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 3} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_can_be_read_on_what_they_stand_on(scheme):
    """4.5 to 1: on paper, on a card, and on the tint of their own kind."""
    told = tokens(PAGES)[scheme]
    pairs = [*product(TEXT, GROUNDS), *SOFT.items(), ("--on-accent", "--accent"), ("--ink", "--accent-soft")]
    weak = {(one, other): contrast(told[one], told[other]) for one, other in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}
    assert contrast(told["--line-strong"], told["--surface"]) >= 3


@pytest.mark.parametrize("own", sorted(SERVICE.glob("*_report/templates/*.css")), ids=lambda path: path.stem)
def test_a_report_uses_only_tokens_that_the_shared_sheet_has(own):
    """A name that nobody gave a value would be no colour at all; and none sets its own beside the shared ones."""
    text = own.read_text()
    assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= set(re.findall(r"(--[\w-]+):", REPORTS.read_text()))
    assert re.findall(r"(--[\w-]+):", text) == []
