"""The reasons of a risk as they are kept and shown: a few topics, each in the words of the feature that speaks for it.

What is told is stable. The points of a topic are the sum of its members', so that near-duplicates that change places
among themselves change nothing. Topics come largest first as they are stored, to a ten-thousandth of a point, and
topics of equal points in the order of `models.reasons.topics`. Of a topic speaks the first of its members, in a fixed
order, that carries at least half of what its largest member carries in the topic's direction. The same case has the
same reasons, bit for bit, whatever other cases it is scored with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import CATALOGUE
from features.failures import FAILURES
from features.matrix import Matrix
from features.starts import share_passed as passed_at
from models.explain import Explained, grouped, row_sums
from models.reasons.numbers import share_of
from models.reasons.phrases import DEPARTURE, phrase
from models.reasons.topics import MEMBERS, PLACES, Topic, by_topic, topic_of

# The rest is shown as one part. Ten are more than anyone reads, and keep a stored risk below four kilobytes.
MOST_REASONS: Final = 10
TOP: Final = 3
_LEAST_POINTS: Final = 0.05
_DIGITS: Final = 4
# What a member must carry of the largest member's part to speak before it.
_SPEAKS_FROM: Final = 0.5

# A promise that has passed is not a risk but a fact, and needs no other reason.
OVERDUE_REASONS: Final = json.dumps([{"feature": "base", "points": 100.0}])

Floats = NDArray[np.float64]
Row = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ToldReason:
    """A topic of one case's risk, told.

    Attributes
    ----------
    topic : with its labels and family
    feature : the member that speaks for it
    text_zh, text_en : what that says of the case
    points : percentage points that all members of the topic add together
    """

    topic: Topic
    feature: str
    text_zh: str
    text_en: str
    points: float

    def as_dict(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "feature": self.feature,
            "topic": self.topic.name,
            "family": self.topic.family,
            "label_zh": self.topic.label_zh,
            "label_en": self.topic.label_en,
            "text_zh": self.text_zh,
            "text_en": self.text_en,
            "points": self.points,
        }


def stored_reasons(
    explanation: Explained,
    matrix: Matrix,
    share_passed: Floats | None = None,
    *,
    starts: Mapping[str, pd.DataFrame] | None = None,
) -> list[str]:
    """The reasons of n cases as JSON lists, in the order of the matrix.

    Each list begins with `{"feature": "base", "points": …}`, the percentage points that every case starts from, and
    goes on with the largest topics: `ToldReason.as_dict`. What the list leaves out is the probability (in percentage
    points) minus the sum of its points.

    Parameters
    ----------
    explanation : of n rows
    matrix : of the same n landmarks
    share_passed : (n,) how much of the promised time has passed; as at the landmarks when None
    starts : outcome -> (n, k) parts of its start, in log-odds (`RiskInputs.starts`), of the outcomes whose reasons
        these are; where the matrix lacks a record of failures, it is told from there
    """
    facts = facts_told(matrix, share_passed, starts=starts)
    told = told_reasons(explanation, facts)
    return [_as_json(float(base), reasons) for base, reasons in zip(explanation.base, told, strict=True)]


def stored_reasons_of_one(names: Sequence[str], base: float, points: Floats, facts: Row) -> str:
    """The reasons of one case as `stored_reasons` has them, without a table.

    Parameters
    ----------
    names : (k,) features and parts of the start
    base : probability that the case starts from
    points : (k,) what each adds, in probability
    facts : as `facts_of_one` gives them
    """
    return _as_json(base, _told(_layout(tuple(names)), points[None, :], [facts], MOST_REASONS)[0])


def _as_json(base: float, reasons: Sequence[ToldReason]) -> str:
    first = {"feature": "base", "points": round(100 * base, _DIGITS)}
    return json.dumps([first, *(reason.as_dict() for reason in reasons)], ensure_ascii=False, separators=(",", ":"))


def told_reasons(explanation: Explained, facts: pd.DataFrame, *, most: int = MOST_REASONS) -> list[list[ToldReason]]:
    """The largest topics of n risks, told; in the order of the rows.

    Parameters
    ----------
    explanation : of n rows
    facts : (n, k) what there is to tell, feature -> value, as `facts_told` gives it
    most : how many topics at most; those under a twentieth of a point are left out
    """
    layout = _layout(tuple(str(name) for name in explanation.points.columns))
    rows: list[Row] = facts.to_dict("records")  # type: ignore[assignment]
    return _told(layout, explanation.points.to_numpy(np.float64), rows, most)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What is the same for all cases with the same parts.

    Attributes
    ----------
    names : (k,) of the parts
    topics : (g,) in the order of their first member
    members : places of each topic's members, in the order of the parts
    speakers : the same places in the order in which they may speak
    """

    names: tuple[str, ...]
    topics: tuple[Topic, ...]
    members: tuple[list[int], ...]
    speakers: tuple[list[int], ...]


# One for each outcome of each version of the models, and some for what is asked by hand.
@lru_cache(maxsize=64)
def _layout(names: tuple[str, ...]) -> _Layout:
    members: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        members.setdefault(topic_of(name).name, []).append(place)
    speakers = _speakers(names, list(members))
    topics = tuple(topic_of(names[places[0]]) for places in speakers)
    return _Layout(names, topics, tuple(members.values()), tuple(speakers))


def _told(layout: _Layout, points: Floats, rows: Sequence[Row], most: int) -> list[list[ToldReason]]:
    """The largest topics of n risks, told, from (n, k) points in probability."""
    members = points * 100
    sums = np.round(np.column_stack([row_sums(points[:, places]) for places in layout.members]) * 100, _DIGITS)
    order = _largest_first(sums, [topic.name for topic in layout.topics])
    result = []
    for i, row in enumerate(rows):
        chosen = [j for j in order[i, :most].tolist() if abs(sums[i, j]) >= _LEAST_POINTS]
        reasons = []
        for j in chosen:
            name = layout.names[_speaker(members[i], layout.speakers[j], sums[i, j])]
            text_zh, text_en = phrase(name, row)
            reasons.append(ToldReason(layout.topics[j], name, text_zh, text_en, float(sums[i, j])))
        result.append(reasons)
    return result


def top_topics(explanation: Explained, most: int = TOP) -> NDArray[np.object_]:
    """Names of the largest topics of n risks, (n, most), the largest first."""
    topics = grouped(explanation, by_topic([str(name) for name in explanation.points.columns]))
    names = [str(name) for name in topics.columns]
    order = _largest_first(np.round(topics.to_numpy(np.float64) * 100, _DIGITS), names)[:, :most]
    return np.asarray(np.array(names, dtype=object)[order])


def facts_told(
    matrix: Matrix, share_passed: Floats | None = None, *, starts: Mapping[str, pd.DataFrame] | None = None
) -> pd.DataFrame:
    """What there is to tell of n landmarks: feature -> value, and `city`, the city's own level in log-odds.

    A share of failures that the matrix does not hold is put together from the parts of the start.
    """
    passed = passed_at(matrix.landmarks) if share_passed is None else share_passed
    told = {str(name): column.to_numpy(np.float64) for name, column in matrix.features.items()}
    told |= {"city": matrix.offset_parts["city"].to_numpy(np.float64), "time_waited": passed}
    for start in (starts or {}).values():
        for name, values in _from_start(start).items():
            told.setdefault(name, values)
    return pd.DataFrame(told, index=range(len(matrix)))


def facts_of_one(
    features: Mapping[str, float], city: float, share_passed: float, starts: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """What there is to tell of one landmark, as `facts_told` has it.

    Parameters
    ----------
    features : the values of the matrix
    city : the city's own level in log-odds
    share_passed : of the promised time
    starts : parts of the start of each outcome whose reasons are told, in log-odds
    """
    told = {**features, "city": city, "time_waited": share_passed}
    for start in starts:
        columns = {name: np.array([value]) for name, value in start.items()}
        for name, values in _shares_told(columns).items():
            told.setdefault(name, float(values[0]))
    return told


def _from_start(start: pd.DataFrame) -> dict[str, Floats]:
    """Shares of failures from the parts of a start; of a part that is no whole departure only the direction."""
    return _shares_told({str(name): column.to_numpy(np.float64) for name, column in start.items()})


def _shares_told(parts: Mapping[str, Floats]) -> dict[str, Floats]:
    found = {f"{DEPARTURE}{name}": values for name, values in parts.items()}
    for failure in FAILURES:
        share = f"{failure.name}_share"
        if f"{share}_category" in parts:
            level = parts["city"] + parts[f"{share}_category"]
            found[f"{share}_category"] = _shares(level)
            found[f"{share}_category_office"] = _shares(level + parts[f"{share}_category_office"])
    return found


def _shares(log_odds: Floats) -> Floats:
    return np.array([share_of(float(value)) for value in log_odds])


def _largest_first(sums: Floats, names: Sequence[str]) -> NDArray[np.int64]:
    """Places of the topics of each row by their points, ties by the order of topics; (n, g)."""
    ranks = np.array([PLACES.get(name, len(PLACES)) for name in names])
    fixed = np.argsort(ranks, kind="stable")
    largest = np.argsort(-np.abs(sums[:, fixed]), axis=1, kind="stable")
    return np.asarray(fixed[largest], dtype=np.int64)


def _speakers(names: Sequence[str], topics: Sequence[str]) -> list[list[int]]:
    """Places of each topic's members in the order in which they may speak."""
    order = _speaking_order()
    members: dict[str, list[int]] = {topic: [] for topic in topics}
    for place in sorted(range(len(names)), key=lambda place: order.get(names[place], len(order))):
        members[topic_of(names[place]).name].append(place)
    return list(members.values())


@cache
def _speaking_order() -> dict[str, int]:
    """What is easiest to check speaks first: as the topic lists its members, else by the catalogue."""
    order = {name: place for place, name in enumerate(CATALOGUE)}
    return order | {name: place for names in MEMBERS.values() for place, name in enumerate(names)}


def _speaker(members: Floats, places: Sequence[int], total: float) -> int:
    """The first member that carries at least half of what the largest carries in the topic's direction."""
    towards = [members[place] * np.sign(total) for place in places]
    least = _SPEAKS_FROM * max(towards)
    return next(place for place, carried in zip(places, towards, strict=True) if carried >= least)
