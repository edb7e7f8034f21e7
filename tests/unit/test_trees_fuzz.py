"""Two thousand damaged models: each is read or refused, with nothing but a ModelError. See also the guarantees."""

from __future__ import annotations

import random

import pytest

from data.errors import ModelError
from models.trees import TreeEnsemble
from tests.support.hostile_models import damaged, harmful, small_model


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [small_model(seed) for seed in range(3)]


def test_a_damaged_model_is_read_or_refused(texts):
    """No damage ends in another error, and most of it is refused."""
    rng = random.Random(1)  # noqa: S311
    refused = 0
    for turn in range(2000):
        text = damaged(texts[turn % 3], rng)
        try:
            TreeEnsemble.parse(text)
        except ModelError:
            refused += 1
    assert 1000 < refused < 1990


def test_what_harms_a_reader_without_checks_is_refused(texts):
    """Wild indices, circles, wrong sizes and lists, and kinds of models that are not read: refused before LightGBM."""
    accepted = []
    for name, text in harmful(texts[0]).items():
        assert text != texts[0], name
        try:
            TreeEnsemble.parse(text)
            accepted.append(name)
        except ModelError:
            pass
    assert accepted == []
