"""Exact places in a value: street addresses in English and Chinese, coordinates, plus codes."""

from __future__ import annotations

import re
from typing import Final

COORDINATES: Final = "coordinates"
ADDRESS: Final = "a street address"

_COORDINATES: Final = re.compile(
    r"-?\d{1,3}\.\d{3,}\s*[°NSEW]?\s*[,;/ ]\s*[NSEW]?\s*-?\d{1,3}\.\d{3,}|\APOINT\s*\(|\A-?\d{1,3}\.\d{3,}\Z"
    r"|\d{1,3}\s*°\s*\d{1,2}\s*['′]"
    # Plus codes, whole or short.
    r"|(?<![0-9A-Z])[23456789CFGHJMPQRVWX]{4,8}\+[23456789CFGHJMPQRVWX]{2,4}(?![0-9A-Z])",
    re.IGNORECASE,
)
_STREETS: Final = (
    r"street|st|avenue|ave|av|road|rd|boulevard|blvd|drive|dr|lane|ln|court|ct|place|pl|terrace|ter|way|parkway|pkwy|"
    r"square|sq|circle|cir|highway|hwy|alley|row|crescent|cres|gardens|mews|trail|trl|turnpike|tpke|plaza|wharf"
)
_ADDRESS: Final = re.compile(
    rf"(?<![\w.])\d{{1,5}}[a-z]?(?:-\d{{1,5}})?,?\s+(?:[nsew]\.?\s+)?"
    rf"(?:[\w.'’-]+\s+){{1,3}}?(?:{_STREETS})\b\.?"
    # "2 Missed Street Cleaning" is a type of problem.
    r"(?!\s+(?:light|lamp|clean|sweep|sign|tree|div|dep|repair|maint|works|crew|team))"
    r"|(?:\b(?:apt|apartment|suite)\b|[,\d]\s*unit)\.?\s*#?\s*\d+[a-z]?\b|\bp\.?\s?o\.?\s?box\s+\d+",
    re.IGNORECASE,
)
# "District 5 North Highway" is the fifth district, and no house of the highway.
_NUMBERED: Final = frozenset(
    ("district", "zone", "ward", "area", "region", "sector", "section", "precinct", "team", "route", "no", "no.", "#")
)
# A thing with a number that is no house: a line, a bridge, a pumping station.
_THINGS: Final = "(?!线|桥|泵|地块|门岗|井|闸|窗口|岗|网格|工地|通道|出口|入口|口|渠|河|机组|公路|公交|台|文件|令)"
_WRITTEN: Final = "[一二三四五六七八九十百零〇]"
_ADDRESS_ZH: Final = re.compile(
    rf"[路街巷弄道村里区园苑庄]\D{{0,6}}\d+(?:[-之]\d+)?\s*(?:号{_THINGS}|弄|幢|栋|室|单元|座)"
    rf"|[路街巷弄道]\D{{0,4}}{_WRITTEN}{{1,7}}号{_THINGS}"
    r"|(?:村|社区|队)\D{0,4}\d+组\s*\d+号|(?:大厦|公寓|广场|花园|家园|大楼)[A-Za-z]?\d{1,4}(?:室|号|单元|-\d)"
    rf"|\d+\s*(?:号楼|幢|栋|单元)\D{{0,3}}\d*|\d{{2,4}}室|{_WRITTEN}{{1,4}}(?:号楼|幢|栋|单元){_WRITTEN}"
)


def place_kind(text: str) -> str | None:
    """The kind of exact place that `text` (NFKC) holds; None if there is none."""
    if any(mark in text for mark in ".+°(") and _COORDINATES.search(text):
        return COORDINATES
    if not text.isascii() and _ADDRESS_ZH.search(text):
        return ADDRESS
    return ADDRESS if any(_is_house(text, found) for found in _ADDRESS.finditer(text)) else None


def _is_house(text: str, found: re.Match[str]) -> bool:
    before = text[: found.start()].lower().split()
    return not before or before[-1] not in _NUMBERED
