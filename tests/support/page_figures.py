"""Whether the figures of a page are those of its JSON twin.

An element says in `data-is` where its figures stand in the twin: paths with a blank between. `data-at` on an element
above is a prefix for all that it holds; a path that begins with `/` goes without.

A step of a path is a key, an index, or `[key=value]`, which picks one of a list. A path may end in one of `SHOWN`,
which says how the value is told (`risk.probability:100`), or in one of `SEVERAL`, for figures that are told together
(`backlog_days:ends`); `a~b` is a difference, `=12` a number of the sentence itself,
`@path` a path in the twin of the page that the element links to, and `fixed` alone: numbers that are no data.

`data-each` on a list says it of all its items: the first is that of index 0, and so on.

Three things are held. Every number that the element shows is one of the values, rounded to the digits that are shown;
every value is shown, a text word for word; and no number stands on the page outside such elements.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tests.support.page_tree import Element

NUMBER: Final = re.compile(r"(?<![A-Za-z0-9_.,])(?:(?<![A-Za-z0-9])[+−-])?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_PART: Final = re.compile(r"\d+")
_DAY: Final = 86_400
_HOUR: Final = 3_600
# What says of what a figure is, and holds none; and what is told word for word, codes and commands.
_WITHOUT: Final = frozenset(
    {"caption", "figcaption", "label", "option", "code", "pre", "dt", "title", "style", "script"}
)
_QUIET_CLASSES: Final = frozenset({"id", "paging", "back"})

# Texts and numbers that must be shown, numbers that may be, and whether the figure is withheld.
Expected = tuple[list[str], list[float], list[float], bool]
Fetch = Callable[[str], Any]  # the twin of the page at an address, as JSON


@dataclass(frozen=True)
class Difference:
    """Something on a page that its twin does not say: where, what it shows, and what was expected."""

    where: str
    shown: str
    expected: str


@dataclass(frozen=True)
class _Value:
    """A value of the twin and how it is told."""

    path: str
    value: Any
    shown_as: str
    twin: Any


def differences(main: Element, twin: Any, fetch: Fetch, *, minimum: int) -> list[Difference]:
    """What a page shows otherwise than its twin.

    Parameters
    ----------
    main : the part of the page to look at
    twin : its JSON
    fetch : gives the twin of another page by its address
    minimum : the smallest figure that is disclosed; the words of a withheld one name it
    """
    _spread(main)
    found: list[Difference] = []
    for element in main.walk():
        if "data-is" in element.attributes:
            found += _of_element(element, twin, fetch, minimum)
        if element.tag == "time":
            found += _of_moment(element)
    return found + list(_unaccounted(main))


def told_figures(main: Element) -> int:
    """How many numbers of a page say where they stand in its twin."""
    _spread(main)
    return sum(len(NUMBER.findall(_seen(element))) for element in main.walk() if _says(element))


def _spread(main: Element) -> None:
    """What is said of a list holds for each of its items: `data-each="reasons:told"` is `reasons.0:told`, and so on."""
    for element in main.walk():
        if "data-each" in element.attributes:
            path, mark, shown_as = element.attributes["data-each"].partition(":")
            items = [child for child in element.children if isinstance(child, Element)]
            for place, item in enumerate(items):
                item.attributes["data-is"] = f"{path}.{place}{mark}{shown_as}"


def _says(element: Element) -> bool:
    return element.attributes.get("data-is", "fixed") != "fixed"


def _of_element(element: Element, twin: Any, fetch: Fetch, minimum: int) -> Iterator[Difference]:
    if not _says(element):
        return
    told = element.attributes["data-is"]
    seen = _seen(element)
    try:
        values = [_value(path, element, twin, fetch) for each in told.split() for path in _paths(each)]
    except (LookupError, TypeError, ValueError) as error:
        yield Difference(told, seen, f"a path of the twin, got {error!r}")
        return
    yield from _compared(told, seen, values, minimum)


def _compared(told: str, seen: str, values: list[_Value], minimum: int) -> Iterator[Difference]:
    rest, wanted, allowed = seen, [], []
    for each in values:
        texts, numbers, moments, withheld = _expected(each)
        for text in texts:
            place = rest.casefold().find(text.casefold())
            if place < 0:
                yield Difference(told, seen, repr(text))
            else:
                rest = f"{rest[:place]}·{rest[place + len(text) :]}"
        wanted += numbers
        allowed += moments
        if withheld:
            allowed.append(float(minimum))
    if any(each.shown_as in (":100", ":floor100", ":ceil100", ":told", ":risk") for each in values):
        allowed.append(100.0)
    shown = NUMBER.findall(rest)
    for number in shown:
        if not any(_equal(number, value) for value in (*wanted, *allowed)):
            yield Difference(told, seen, f"{number} is none of {[*wanted, *allowed]}")
    for value in wanted:
        if not any(_equal(number, value) for number in shown):
            yield Difference(told, seen, f"{value} to be shown")


def _expected(each: _Value) -> Expected:
    """What a value says that its element must and may show."""
    value = each.value
    if isinstance(value, dict) and "withheld" in value:
        if value["withheld"]:
            return [], [], [], True
        value = value["value"]
    return ([], [], [], False) if value is None else _of_value(each, value)


def _of_value(each: _Value, value: Any) -> Expected:
    if each.shown_as.startswith(":rest"):
        after = int(each.shown_as.removeprefix(":rest"))
        return [], [sum(reason["points"] for reason in value[after:])], [], False
    if each.shown_as:
        return SHOWN[each.shown_as](value, each.twin)
    if isinstance(value, list):
        return [" ".join(text.split()) for text in value], [], [], False
    if isinstance(value, str):
        moment = _moment(value)
        return ([], [], _parts(moment), False) if moment else ([" ".join(value.split())], [], [], False)
    return [], [float(value)], [], False


def _per_100(value: float, _twin: Any) -> Expected:
    # People are told "fewer than 1" and "more than 99" at the ends, and of what is certain no figure.
    if value >= 1:
        return [], [], [], False
    if 0 < value < 0.005:
        return [], [1.0], [], False
    return [], [min(float(round(100 * value)), 99.0)], [], False


def _number(of: Callable[[Any], float]) -> Callable[[Any, Any], Expected]:
    return lambda value, _twin: ([], [float(of(value))], [], False)


def _apart(value: str, twin: Any) -> Expected:
    """Days from two days on, hours below, from the moment of the twin; within the hour it is told in words."""
    seconds = abs((datetime.fromisoformat(value) - datetime.fromisoformat(twin["as_of"])).total_seconds())
    if seconds < _HOUR:
        return [], [], [0.0], False
    return [], [float(seconds // _DAY if seconds >= 2 * _DAY else seconds // _HOUR)], [], False


def _day(value: str, _twin: Any) -> Expected:
    return [], [], _parts(datetime.fromisoformat(value)), False


def _some(of: Callable[[Any], float]) -> Callable[[Any, Any], Expected]:
    """As `_number`; none, and one week, may be told in words."""

    def expected(value: Any, _twin: Any) -> Expected:
        number = float(of(value))
        return ([], [], [number], False) if number <= 1 else ([], [number], [], False)

    return expected


def _weeks(test: Callable[[dict[str, Any]], object]) -> Callable[[Any], float]:
    return lambda weeks: sum(bool(test(week)) for week in weeks)


def _above(week: dict[str, Any]) -> bool:
    observed, upper = week["observed"]["value"], week["upper"]["value"]
    return week["state"] == "shown" and upper is not None and observed > upper


def _due_soon(twin_of_link: Any, _twin: Any) -> Expected:
    """Cases due within two days of the list that the link leads to, which is sorted by deadline."""
    as_of = datetime.fromisoformat(twin_of_link["as_of"])
    left = [
        (datetime.fromisoformat(case["due_at"]) - as_of).total_seconds()
        for case in twin_of_link["cases"]
        if case["due_at"]
    ]
    return [], [float(sum(0 <= seconds < 2 * _DAY for seconds in left))], [], False


def _told(value: dict[str, Any], _twin: Any) -> Expected:
    """A risk as cases of 100 with its range; a reason as its text and its points."""
    if "points" in value:
        return [" ".join(value["text"].split())], [float(value["points"])], [], False
    texts, numbers, moments, withheld = _per_100(value["probability"], _twin)
    if value["probability"] < 1 and value["lower"] is not None and value["upper"] is not None:
        numbers = [*numbers, math.floor(100 * value["lower"] + 1e-9), math.ceil(100 * value["upper"] - 1e-9)]
    return texts, numbers, moments, withheld


def _named(value: dict[str, Any], _twin: Any) -> Expected:
    """The name of an area, and of the one that it lies in."""
    return [value[each]["name"] for each in ("area", "parent") if value.get(each)], [], [], False


# A path with one of these stands for several: those of its name with these endings, told in this way.
SEVERAL: Final = {":ends": (("", "_low", "_high"), ""), ":range": (("_low", "_high"), ":round")}

SHOWN: Final = {
    ":100": _per_100,
    ":floor100": _number(lambda value: math.floor(100 * value + 1e-9)),
    ":ceil100": _number(lambda value: math.ceil(100 * value - 1e-9)),
    ":percent": _number(lambda value: 100 * value),
    ":count": _some(len),
    ":round": _number(round),
    ":weeks": _some(float),
    ":told": _told,
    ":risk": lambda risk, twin: _per_100(risk["probability"], twin),
    ":named": _named,
    ":kept": _some(lambda types: sum(each["raised"]["withheld"] for each in types)),
    ":untold": _some(lambda signals: sum(not signal["told"] for signal in signals)),
    ":above": _some(_weeks(_above)),
    ":shown": _number(_weeks(lambda week: week["state"] == "shown")),
    ":withheld": _number(_weeks(lambda week: week["state"] == "withheld")),
    ":flagged": _number(_weeks(lambda week: week["alarm"])),
    ":soon": _due_soon,
    ":day": _day,
    ":left": _apart,
    ":age": _apart,
}


def _paths(told: str) -> list[str]:
    name, mark, several = told.rpartition(":")
    if f"{mark}{several}" not in SEVERAL:
        return [told]
    ends, shown_as = SEVERAL[f"{mark}{several}"]
    return [f"{name}{end}{shown_as}" for end in ends]


def _value(path: str, element: Element, twin: Any, fetch: Fetch) -> _Value:
    if path.startswith("="):
        return _Value(path, float(path[1:]), "", twin)
    if path.startswith("@"):
        twin = fetch(element.attributes["href"])
        path = f"/{path[1:].removeprefix('/')}"
    path, shown_as = re.fullmatch(r"(.*?)(:[a-z0-9]+)?", path).groups()
    first, _, second = path.partition("~")
    values = [_at(each, element, twin) for each in (first, second) if each]
    value = values[0] if len(values) == 1 else None if None in values else values[0] - values[1]
    return _Value(path, value, shown_as or "", twin)


def _at(path: str, element: Element, twin: Any) -> Any:
    steps = [path]
    if not path.startswith("/"):
        for holder in element.above():
            if "data-at" in holder.attributes:
                steps.insert(0, holder.attributes["data-at"])
                if steps[0].startswith("/"):
                    break
    at = twin
    for step in _STEP.findall(".".join(steps)):
        at = _down(at, step)
    return at


_STEP: Final = re.compile(r"\[[^\]]*\]|[^./\[\]]+")


def _down(at: Any, step: str) -> Any:
    if step.startswith("["):
        key, _, wanted = step[1:-1].partition("=")
        if not key:
            return at[wanted]
        keys = key.split(".")
        for item in at:
            found = item
            for name in keys:
                found = found[name]
            if str(found) == wanted:
                return item
        raise LookupError(step)
    return at[int(step)] if isinstance(at, list) else at[step]


def _of_moment(element: Element) -> Iterator[Difference]:
    machine = element.attributes.get("datetime", "")
    moment = _moment(machine)
    if moment is None:
        yield Difference("time", element.text, f"a moment, got {machine!r}")
        return
    wrong = [part for part in _PART.findall(element.text) if float(part) not in _parts(moment)]
    if wrong:
        yield Difference("time", element.text, f"parts of {machine}")
    if "data-is" in element.attributes:
        return


def _unaccounted(main: Element) -> Iterator[Difference]:
    for holder, text in main.texts():
        if NUMBER.search(text) and not any(_accounts(element) for element in holder.above()):
            yield Difference(holder.tag, " ".join(text.split()), "an element with data-is around it")


def _accounts(element: Element) -> bool:
    head = element.tag == "th" and element.attributes.get("scope") == "col"
    quiet = element.tag in _WITHOUT or element.tag == "time" or bool(element.classes & _QUIET_CLASSES)
    return head or quiet or "data-is" in element.attributes


def _seen(element: Element) -> str:
    drawn = [element.attributes[name] for name in ("alt", "aria-label") if name in element.attributes]
    return element.text or " ".join(drawn)


def _equal(shown: str, value: float) -> bool:
    plain = shown.replace(",", "").replace("−", "-")
    digits = len(plain.partition(".")[2])
    signed = plain.startswith(("-", "+"))
    number = float(plain)
    # A sign may be told in words ("2 days overdue"); one that is shown has to be right.
    return math.isclose(
        number if signed else abs(number), value if signed else abs(value), rel_tol=0, abs_tol=0.5 * 10**-digits + 1e-9
    )


def _moment(text: str) -> datetime | None:
    if not re.match(r"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _parts(moment: datetime) -> list[float]:
    return [float(part) for part in (moment.year, moment.month, moment.day, moment.hour, moment.minute)]
