"""The boundary as code: words that no field, table, key, feature or label of heed may be made of.

heed watches the service, never the people it serves. The check reads names, because a name is how a thing gets in: a
column, a feature or a category has to be called something before it can be stored, learned from or shown. It is a
tripwire in front of the real protection, which is that the allow-list in `data.schema` has no place for any of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from data.errors import BoundaryError
from data.schema import CASE_FIELDS, EVENT_FIELDS, INSPECTION_FIELDS
from data.tables import metadata

if TYPE_CHECKING:
    from data.mapping_parts import Mapping

CONDUCT: Final = "petitioning, protest, stability, crime or conduct"
EXACT_PLACE: Final = "an exact place"

# reason -> what it looks like in a name. English words are matched whole after splitting at separators and capitals;
# Chinese ones anywhere.
_FORBIDDEN: Final[dict[str, tuple[frozenset[str], tuple[str, ...]]]] = {
    "a person or a household": (
        frozenset(
            [
                "person",
                "persons",
                "people",
                "citizen",
                "citizens",
                "resident",
                "residents",
                "household",
                "households",
                "complainant",
                "complainants",
                "caller",
                "callers",
                "applicant",
                "applicants",
                "requester",
                "requestor",
                "claimant",
                "petitioner",
                "petitioners",
                "customer",
                "customers",
                "client",
                "clients",
                "victim",
                "suspect",
                "individual",
                "family",
                "gender",
                "sex",
                "age",
                "birthday",
                "birthdate",
                "ethnicity",
                "ethnic",
                "race",
                "religion",
                "nationality",
                "income",
                "disability",
                "marital",
            ]
        ),
        (
            "姓名",
            "居民",
            "住户",
            "家庭",
            "投诉人",
            "诉求人",
            "来电人",
            "申请人",
            "当事人",
            "户主",
            "性别",
            "年龄",
            "民族",
        ),
    ),
    "contact data or a number of a person": (
        frozenset(
            ["phone", "telephone", "mobile", "email", "mail_address", "ssn", "passport", "idcard", "account", "plate"]
        ),
        ("电话", "手机", "邮箱", "身份证", "护照", "账号", "车牌"),
    ),
    EXACT_PLACE: (
        frozenset(
            [
                "address",
                "street_address",
                "house",
                "latitude",
                "longitude",
                "lat",
                "lon",
                "lng",
                "coordinates",
                "geocode",
            ]
        ),
        ("地址", "门牌", "经度", "纬度", "坐标"),
    ),
    "free text or a picture": (
        frozenset(
            ["description", "comment", "comments", "note_text", "narrative", "photo", "photos", "image", "attachment"]
        ),
        ("描述", "备注", "照片", "正文"),
    ),
    CONDUCT: (
        frozenset(
            [
                "petition",
                "petitions",
                "petitioning",
                "protest",
                "protests",
                "dissent",
                "stability",
                "unrest",
                "crime",
                "crimes",
                "criminal",
                "offender",
                "offence",
                "conduct",
                "loyalty",
                "extremism",
                "agitator",
                "sensitive_person",
            ]
        ),
        ("信访", "上访", "维稳", "稳控", "抗议", "犯罪", "重点人", "缠访", "闹访"),
    ),
    "a complaint history": (
        frozenset(
            ["repeat_caller", "repeat_complainant", "complaint_history", "previous_complaints", "prior_complaints"]
        ),
        ("投诉历史", "重复来电", "重复投诉"),
    ),
    "a score or name of a handler": (
        frozenset(
            ["handler", "handlers", "employee_id", "officer_id", "agent_id", "operator_id", "worker_id", "staff_id"]
        ),
        ("经办人", "承办人", "坐席", "工号"),
    ),
}

# What no name may be about, as `Violation.reason` says it, with how many words stand for each.
FORBIDDEN_KINDS: Final = {reason: len(english) + len(chinese) for reason, (english, chinese) in _FORBIDDEN.items()}

# Words that contain a forbidden one but mean the service's own time or machinery.
_ALLOWED_NAMES: Final = frozenset({"household_waste"})


@dataclass(frozen=True, slots=True)
class Violation:
    """A name that the boundary refuses: where it stands, and what it would be."""

    where: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: '{self.name}' looks like {self.reason}"


def violations(where: str, names: Iterable[str]) -> list[Violation]:
    """The names that the boundary refuses, in the order given."""
    found = []
    for name in names:
        reason = forbidden_reason(name)
        if reason is not None:
            found.append(Violation(where, name, reason))
    return found


def forbidden_reason(name: str) -> str | None:
    """Why a name is refused, or None where it is not."""
    words = _words(name)
    if "_".join(words) in _ALLOWED_NAMES:
        return None
    pairs = {"_".join(pair) for pair in pairwise(words)}
    for reason, (english, chinese) in _FORBIDDEN.items():
        if english & ({*words} | pairs) or any(term in name for term in chinese):
            return reason
    return None


def schema_violations() -> list[Violation]:
    """What the allow-list and the tables of a store hold against the boundary. Empty, or the build is wrong."""
    found = violations("case fields", CASE_FIELDS) + violations("event fields", EVENT_FIELDS)
    found += violations("inspection fields", INSPECTION_FIELDS)
    for table in metadata.sorted_tables:
        found += violations(f"table {table.name}", [table.name, *(column.name for column in table.columns)])
    return found


def mapping_violations(mapping: Mapping) -> list[Violation]:
    """What a mapping holds against the boundary.

    A column that names an exact place may stand in [location], from which only an area comes out, and not in [columns].
    No constant, and no word that a vocabulary turns a value into, may be about conduct: those words are stored.
    """
    where = f"mapping {mapping.source.name}"
    named = [name for name in mapping.columns if forbidden_reason(name) == EXACT_PLACE]
    found = [Violation(f"{where}, [columns]", name, EXACT_PLACE) for name in named]
    words = {field: [value] for field, value in mapping.constants.items()}
    words |= {name: [*table.values.values(), table.other or ""] for name, table in mapping.vocabulary.items()}
    for name, values in words.items():
        found += [Violation(f"{where}, [{name}]", value, CONDUCT) for value in values if _is_conduct(value)]
    return found


def _is_conduct(value: str) -> bool:
    return forbidden_reason(value) == CONDUCT


def refuse(found: list[Violation]) -> None:
    """Raise if anything was found.

    Raises
    ------
    BoundaryError
        Listing every violation.
    """
    if found:
        lines = "\n".join(f"  - {violation}" for violation in found)
        raise BoundaryError(
            "The boundary refuses names that speak of people instead of the service:\n"
            f"{lines}\nRemove them; there is no setting that lets them in."
        )


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^A-Za-z0-9]+", spaced.lower()) if word]
