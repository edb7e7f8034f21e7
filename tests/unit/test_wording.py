"""Risks in natural frequencies, in both languages."""

from __future__ import annotations

import numpy as np
import pytest

from data.errors import UsageError
from models.wording import OUTCOMES, as_frequency, frequency_sentence, natural_frequency


@pytest.mark.parametrize(
    ("risk", "english", "chinese"),
    [
        (
            (0.62, 0.58, 0.66),
            "about 62 of 100 cases like this, between 58 and 66",
            "每100件类似案件中约有62件（58至66件）",
        ),
        (
            (0.62, 0.581, 0.652),
            "about 62 of 100 cases like this, between 58 and 66",
            "每100件类似案件中约有62件（58至66件）",
        ),
        ((0.02, 0.004, 0.05), "about 2 of 100 cases like this, at most 5", "每100件类似案件中约有2件（至多5件）"),
        ((0.97, 0.9, 0.999), "about 97 of 100 cases like this, at least 90", "每100件类似案件中约有97件（至少90件）"),
        (
            (0.004, 0.002, 0.008),
            "about 4 of 1,000 cases like this, between 2 and 8",
            "每1000件类似案件中约有4件（2至8件）",
        ),
        ((0.0003, 0.0001, 0.0008), "fewer than 1 of 1,000 cases like this", "每1000件类似案件中不到1件"),
        (
            (0.0003, 0.0, 0.02),
            "fewer than 1 of 1,000 cases like this, at most 20",
            "每1000件类似案件中不到1件（至多20件）",
        ),
        (
            (0.999, 0.95, 1.0),
            "more than 99 of 100 cases like this, at least 95",
            "每100件类似案件中超过99件（至少95件）",
        ),
        ((0.999, 0.995, 1.0), "more than 99 of 100 cases like this", "每100件类似案件中超过99件"),
        ((0.5, 0.5, 0.5), "about 50 of 100 cases like this", "每100件类似案件中约有50件"),
        ((1.0, 1.0, 1.0), "100 of 100 cases like this", "每100件类似案件中有100件"),
        ((0.0, 0.0, 0.03), "fewer than 1 of 100 cases like this, at most 3", "每100件类似案件中不到1件（至多3件）"),
        (
            (0.4, 0.001, 0.999),
            "about 40 of 100 cases like this, with too little known to say it more closely",
            "每100件类似案件中约有40件（所知太少，无法说得更准）",
        ),
    ],
)
def test_frequencies_in_words(risk, english, chinese):
    """The figure to the nearest case, limits outwards, and nothing told as none or all that is not certain."""
    assert natural_frequency(*risk, "en") == english
    assert natural_frequency(*risk, "zh") == chinese


def test_sentences_speak_of_the_office():
    """What happens is what the office does; nobody who asked is mentioned."""
    assert frequency_sentence(0.62, 0.58, 0.66, "late", "en") == (
        "In about 62 of 100 cases like this, between 58 and 66, the office answers after its deadline."
    )
    assert frequency_sentence(0.62, 0.58, 0.66, "late", "zh") == (
        "每100件类似案件中约有62件（58至66件）：办理单位超过时限才答复。"
    )
    for outcome in OUTCOMES:
        assert "the office" in frequency_sentence(0.2, 0.1, 0.3, outcome, "en")
        assert "办理单位" in frequency_sentence(0.2, 0.1, 0.3, outcome, "zh")
        for word in ("resident", "complainant", "people", "居民", "投诉人", "群众"):
            assert word not in frequency_sentence(0.2, 0.1, 0.3, outcome, "en")
            assert word not in frequency_sentence(0.2, 0.1, 0.3, outcome, "zh")


def test_rounding_never_narrows_and_never_makes_certain():
    """For 2,000 risks: rounded limits contain the limits, and 0 or all is never said of what is not certain."""
    rng = np.random.default_rng(1)
    for low, told, high in np.sort(rng.beta(0.4, 0.4, (2_000, 3)), axis=1).tolist():
        frequency = as_frequency(told, low, high)
        assert frequency.lower / frequency.of <= low + 1e-9
        assert frequency.upper / frequency.of >= high - 1e-9
        assert frequency.lower <= frequency.cases <= frequency.upper
        words = natural_frequency(told, low, high, "en")
        assert not words.startswith(("about 0 ", "0 of", "about 100 of 100 ", "100 of 100"))


def test_the_call_is_checked():
    """Unknown languages and outcomes, and a probability outside its limits, are refused."""
    with pytest.raises(UsageError, match="the language 'en' or 'zh', got 'fr'"):
        natural_frequency(0.5, 0.4, 0.6, "fr")
    with pytest.raises(UsageError, match="an outcome out of late, unresolved"):
        frequency_sentence(0.5, 0.4, 0.6, "lost", "en")
    for risk in ((0.5, 0.6, 0.7), (0.5, 0.4, float("nan")), (0.5, -0.1, 0.7)):
        with pytest.raises(UsageError, match="a probability between its limits"):
            natural_frequency(*risk, "en")
