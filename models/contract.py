"""What a model's features mean, as a hash: declared meaning, and what their formulas answer to a fixed question.

A model is only worth asking about features that mean what it learned. A version number says so if somebody remembered
to raise it; so the formulas are asked. A small made-up history, always the same, goes the whole way (facts, index,
landmarks, formulas), and what comes out is hashed, rounded to six digits, so that the last bit of a machine's logarithm
is no difference. Rewording a label or a comment changes nothing; changing a window, a prior or a formula does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd

from data.clock import WorkingCalendar
from data.schema import EVENT_COLUMNS, EventKind
from features.catalogue import CATALOGUE
from features.event_index import EventIndex, IndexTerms
from features.facts import facts_from_events
from features.feature import Feature
from features.landmarks import landmarks, queries_at
from features.matrix import matrix_at
from features.outcomes import LANDMARK_OUTCOMES
from features.records import Floats
from features.risk_inputs import input_terms
from features.starts import share_passed, start_parts

_START: Final = 1_700_000_000
_DAY: Final = 86_400
_CASES: Final = 80
_AS_OF: Final = _START + 500 * _DAY
_MORNINGS: Final = 150
_TIME_ZONE: Final = "Asia/Shanghai"
_ADJACENCY: Final = {"A0": ("A1",), "A1": ("A0", "A2"), "A2": ("A1",)}
_AFTER: Final = (
    (EventKind.CLOSED,),
    (EventKind.ASSIGNED, EventKind.CLOSED, EventKind.REOPENED),
    (EventKind.TRANSFERRED, EventKind.REPLIED, EventKind.REPLIED, EventKind.CLOSED),
    (EventKind.PAUSED, EventKind.RESUMED, EventKind.HANDED_UP),
    (EventKind.AMENDED, EventKind.CLOSED, EventKind.REOPENED, EventKind.CLOSED),
    (EventKind.TRANSFERRED, EventKind.TRANSFERRED, EventKind.TRANSFERRED),
    (EventKind.PAUSED, EventKind.REPLIED),
    (EventKind.CLOSED, EventKind.REOPENED, EventKind.REPLIED),
    (EventKind.HANDED_UP, EventKind.REPLIED),
    (EventKind.WITHDRAWN,),
    (),
)


def feature_contract(names: Sequence[str]) -> str:
    """The SHA-256 of what these features mean, in this order.

    Parameters
    ----------
    names : of the catalogue

    Raises
    ------
    KeyError
        If the catalogue has no such feature.
    """
    declared = [_meaning(CATALOGUE[name]) for name in names]
    answers = _answers()
    told = [[answers["start"]], *([answers[name]] for name in names)]
    return hashlib.sha256(json.dumps([declared, told], ensure_ascii=False).encode()).hexdigest()


def _meaning(feature: Feature) -> dict[str, Any]:
    """What is declared of a feature, without the words that only people read."""
    return {
        "name": feature.name,
        "unit": feature.unit,
        "keys": list(feature.keys),
        "window_days": feature.window_days,
        "known": feature.known,
    }


@lru_cache(maxsize=1)
def _answers() -> dict[str, str]:
    """What each feature, and the start of a risk, answers to the fixed question: a hash by name."""
    events = _events()
    facts = facts_from_events(events, _inspections(), capacity=_capacity(), adjacency=_ADJACENCY)
    rows = landmarks(events, time_zone=_TIME_ZONE, as_of=_AS_OF)
    # All openings and events, and a few mornings of the many.
    chosen = np.array(rows["kind"] != "morning")
    chosen[:: max(1, len(rows) // _MORNINGS)] = True
    rows = rows[chosen].reset_index(drop=True)
    source = IndexTerms(EventIndex.build(facts, input_terms(CATALOGUE, LANDMARK_OUTCOMES)), queries_at(rows))
    matrix = matrix_at(source, rows, list(CATALOGUE), time_zone=_TIME_ZONE, calendar=_calendar())
    found = {str(name): _hash(column.to_numpy(np.float64)) for name, column in matrix.features.items()}
    starts = [start_parts(outcome, source, share_passed(rows)) for outcome in LANDMARK_OUTCOMES]
    return {**found, "start": _hash(np.concatenate([part for start in starts for part in start.values()]))}


def _hash(values: Floats) -> str:
    # A zero has no sign here: which one comes out is up to the machine.
    text = "\n".join(f"{value:.6e}" for value in (values + 0.0).tolist())
    return hashlib.sha256(text.encode()).hexdigest()


def _pick(number: int, salt: int, choices: int) -> int:
    """A number below `choices` that looks like chance and is the same everywhere."""
    digest = hashlib.sha256(f"{number}:{salt}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % choices


def _events() -> pd.DataFrame:
    rows = [row for number in range(_CASES) for row in _case(number)]
    frame = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    times = {"at": "int64", "known_at": "int64", "due_at": "Int64"}
    return frame.astype({name: times.get(name, "str") for name in EVENT_COLUMNS})


def _case(number: int) -> list[dict[str, Any]]:
    opened = _START + number * 4 * _DAY + _pick(number, 0, 4 * _DAY)
    promised = (12, 24, 72, 240, 480)[_pick(number, 1, 5)] * 3600
    category = _pick(number, 2, 4)
    first = {
        "case_id": f"c{number:03d}",
        "kind": EventKind.OPENED.value,
        "at": opened,
        "known_at": opened + _pick(number, 3, 2) * 3600,
        "due_at": None if _pick(number, 4, 12) == 0 else opened + promised,
        "category": f"K{category}",
        "category_group": f"G{category // 2}",
        "area": f"A{_pick(number, 5, 3)}",
        "channel": ("phone", "web")[_pick(number, 6, 2)],
        "office": f"O{_pick(number, 7, 3)}",
    }
    at, rows = opened, [first]
    for place, kind in enumerate(_AFTER[_pick(number, 8, len(_AFTER))]):
        at += 30 + _pick(number, 10 + place, 2 * promised)
        rows.append(_step(number, place, kind, at, promised))
    return rows


def _step(number: int, place: int, kind: EventKind, at: int, promised: int) -> dict[str, Any]:
    moved = kind in (EventKind.ASSIGNED, EventKind.TRANSFERRED, EventKind.HANDED_UP)
    reasons = ("resolved", "noted", "no_access", "other")
    return {
        "case_id": f"c{number:03d}",
        "kind": kind.value,
        "at": at,
        "known_at": at,
        "due_at": at + promised if kind in (EventKind.AMENDED, EventKind.REOPENED) else None,
        "office": f"O{_pick(number, 20 + place, 3)}" if moved else None,
        "closing_reason": reasons[_pick(number, 30 + place, 4)] if kind is EventKind.CLOSED else None,
    }


def _inspections() -> pd.DataFrame:
    at = [_START + 6 * _DAY * n for n in range(40)]
    return pd.DataFrame(
        {
            "area": [f"A{_pick(n, 40, 3)}" for n in range(40)],
            "related_category": [f"K{_pick(n, 41, 4)}" for n in range(40)],
            "severity": [_pick(n, 42, 4) for n in range(40)],
            "at": at,
            "known_at": at,
        }
    )


def _capacity() -> pd.DataFrame:
    rows = [(f"O{n}", _START - _DAY + 90 * _DAY * step, 2000 - 900 * step) for n in range(3) for step in range(2)]
    return pd.DataFrame(rows, columns=["office", "at", "change"])


def _calendar() -> WorkingCalendar:
    day = ((9 * 60, 12 * 60), (14 * 60, 18 * 60))
    return WorkingCalendar(
        time_zone=_TIME_ZONE, first=date(2023, 1, 1), last=date(2027, 12, 31), weekly=[day] * 5 + [()] * 2
    )
