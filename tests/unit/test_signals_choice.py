"""Which detector a series gets, and why."""

from __future__ import annotations

import numpy as np
import pytest

from models.signals.choice import RULES, choose
from models.signals.detectors import make_detector

RNG = np.random.default_rng(2)


@pytest.mark.parametrize(
    ("past", "rule", "method"),
    [
        (RNG.poisson(5.0, 300), "years_of_past", "farrington_flexible"),
        (RNG.poisson(0.2, 300), "thin_counts", "bayes"),
        (RNG.negative_binomial(4.0, 0.2, 60), "restless_months", "ears"),
        (RNG.poisson(16.0, 60), "months_of_past", "bayes"),
        (RNG.poisson(3.0, 9), "too_short", None),
        (np.zeros(0), "too_short", None),
    ],
)
def test_the_first_rule_that_fits_is_taken(past, rule, method):
    """Years, months or too little; thick, thin or restless: each with a reason that names its figures."""
    made = choose(past.astype(float))
    assert (made.code, made.method) == (rule, method)
    assert str(len(past)) in made.reason or "years" in made.reason
    if method:
        make_detector(method, made.params)


def test_weeks_before_the_first_count_are_no_past():
    """A series that began late has the past since then; years are whole ones, five at most."""
    past = np.concatenate([np.full(300, np.nan), RNG.poisson(5.0, 12)])
    assert choose(past).code == "months_of_past"
    assert choose(RNG.poisson(5.0, 108).astype(float)).params["years_back"] == 2
    assert choose(RNG.poisson(5.0, 600).astype(float)).params["years_back"] == 5


def test_the_last_rule_fits_everything():
    """No series is left without an answer."""
    assert (RULES[-1].least_weeks, RULES[-1].least_years, RULES[-1].least_mean) == (0, 0, 0.0)
