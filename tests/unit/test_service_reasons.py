"""Reasons that add up as they are shown."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.language import words_of
from service.open_case import OpenCase
from service.reasons import OTHER, explain


def _case(probability: float, reasons: list[dict[str, object]]) -> OpenCase:
    told = json.dumps(reasons)
    times = {"opened_at": 0, "due_at": 9, "reopened": 0, "transfers": 0}
    keys = dict.fromkeys(("category", "category_group", "office", "area", "channel"))
    return OpenCase(
        case_id="c", outcome="late", probability=probability, band="low", model_version="m", reasons_json=told,
        risks=(), remaining=None, **times, **keys,
    )  # fmt: skip


def _part(feature: str, points: float) -> dict[str, object]:
    return {"feature": feature, "family": "office", "label_zh": "标", "label_en": "label", "points": points}


@given(
    parts=st.lists(st.floats(-20, 20), max_size=12),
    base=st.floats(0, 100),
    left_out=st.floats(-15, 15),
)
def test_base_and_reasons_sum_to_the_total_exactly(parts, base, left_out):
    """What is shown adds up to the last digit, whatever was stored and whatever was left out."""
    probability = float(np.clip((base + sum(parts) + left_out) / 100, 0, 1))
    stored = [_part(f"f{n}", points) for n, points in enumerate(parts)]
    explanation = explain(_case(probability, [{"feature": "base", "points": base}, *stored]))
    assert explanation.base + sum(reason.tenths for reason in explanation.reasons) == explanation.total
    assert explanation.total == round(1000 * probability)
    known = [reason.tenths for reason in explanation.reasons if reason.feature != OTHER]
    assert len(known) == len(parts)


def test_no_shown_part_is_off_by_more_than_a_tenth():
    """Rounding so that it adds up moves no part to another figure."""
    stored = [_part("a", 12.34), _part("b", -3.21), _part("c", 0.07)]
    explanation = explain(_case(0.332, [*stored, {"feature": "base", "points": 24.0}]))
    assert [(reason.feature, reason.tenths) for reason in explanation.reasons] == [("a", 123), ("b", -32), ("c", 1)]
    assert (explanation.base, explanation.total) == (240, 332)


def test_what_was_left_out_is_one_part_and_comes_last():
    """A remainder explains nothing, so it never stands among the top reasons."""
    explanation = explain(_case(0.5, [{"feature": "base", "points": 20.0}, _part("a", 5.0)]))
    assert [(reason.feature, reason.tenths) for reason in explanation.reasons] == [("a", 50), (OTHER, 250)]
    assert explanation.reasons[-1].label(words_of("zh")) == "其他各项合计"


def test_without_a_stored_base_the_base_is_what_the_reasons_leave():
    """An older scoring without its base still adds up."""
    explanation = explain(_case(0.5, [_part("a", 5.0)]))
    assert (explanation.base, explanation.total) == (450, 500)


def test_a_case_that_is_late_already_has_no_reasons():
    """A broken promise is a fact; there is nothing to explain as risk."""
    explanation = explain(_case(1.0, [{"feature": "base", "points": 100.0}]))
    assert (explanation.base, explanation.reasons, explanation.total) == (1000, (), 1000)


@pytest.mark.parametrize(("language", "said"), [("en", "label"), ("zh", "标")])
def test_a_reason_without_a_text_is_told_by_its_label(language, said):
    """A feature that says nothing of the case still has its name."""
    reason = explain(_case(0.5, [_part("a", 5.0)])).reasons[0]
    assert reason.text(words_of(language)) == said
