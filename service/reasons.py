"""The stored reasons of a risk, rounded once so that they add up on every page and in every answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

from models.explain import apportion_points
from service.language import Words, marked
from service.open_case import OpenCase, Risk

BASE: Final = "base"
OTHER: Final = "other"

_OTHER_LABELS: Final = {"label_en": marked("Everything else together"), "label_zh": "其他各项合计"}


@dataclass(frozen=True, slots=True)
class Reason:
    """What one feature adds to a risk, in tenths of a percentage point."""

    feature: str
    family: str
    label_zh: str
    label_en: str
    text_zh: str
    text_en: str
    tenths: int

    def label(self, words: Words) -> str:
        """What the feature is called."""
        return words.pick(zh=self.label_zh, en=self.label_en, code=self.feature)

    def text(self, words: Words) -> str:
        """What the feature says of this case."""
        return words.pick(zh=self.text_zh, en=self.text_en, code="") or self.label(words)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A risk taken apart: `base + sum of reasons = total`, exactly, in tenths of a percentage point.

    The reasons are sorted by size, the largest first, whether they raise or lower; a remainder comes last.
    A case that is late already has none: that is a fact and no risk.
    """

    base: int
    reasons: tuple[Reason, ...]
    total: int

    def split(self, shown: int) -> tuple[tuple[Reason, ...], int]:
        """The largest reasons, and what all others add together."""
        return self.reasons[:shown], sum(reason.tenths for reason in self.reasons[shown:])


def explain(case: OpenCase | Risk) -> Explanation:
    """Read the reasons of a case, or of one of its risks.

    What the stored parts leave unexplained, because only the largest were stored, is one more part called
    "other".
    """
    return _explain(case.reasons_json, case.probability)


@lru_cache(maxsize=10_000)
def _explain(reasons_json: str, probability: float) -> Explanation:
    stored: list[dict[str, Any]] = json.loads(reasons_json)
    total = round(1000 * probability)
    base = next((10 * float(item["points"]) for item in stored if item["feature"] == BASE), None)
    parts = [item for item in stored if item["feature"] != BASE]
    values = [10 * float(item["points"]) for item in parts]
    if base is None:
        base = 1000 * probability - sum(values)
    rest = 1000 * probability - base - sum(values)
    if abs(rest) >= 0.5:
        parts, values = [*parts, {"feature": OTHER, "family": OTHER, **_OTHER_LABELS}], [*values, rest]
    else:
        base += rest
    tenths = [int(value) for value in apportion_points(np.array([base, *values]), total)]
    reasons = [_reason(item, part) for item, part in zip(parts, tenths[1:], strict=True)]
    return Explanation(tenths[0], tuple(sorted(reasons, key=_by_size)), total)


def _by_size(reason: Reason) -> tuple[bool, int]:
    # What is only a remainder explains nothing and comes last, however large.
    return reason.feature == OTHER, -abs(reason.tenths)


def _reason(item: Mapping[str, Any], tenths: int) -> Reason:
    texts = {name: str(item.get(name) or "") for name in ("label_zh", "label_en", "text_zh", "text_en")}
    return Reason(feature=str(item["feature"]), family=str(item.get("family", "")), tenths=tenths, **texts)
