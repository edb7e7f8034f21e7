"""The page of a back-test: it stands by itself, says what the JSON says, and lets no small cell out."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from models.validation.rows import Rows
from models.validation.run import backtest_folds
from service.backtest_report.numbers import figure, percent, points, spread
from service.backtest_report.page import page_of
from service.backtest_report.words import BASELINES, DIMENSIONS, FIGURES, MEANINGS, VERDICTS, WORDS, outcome_told

DAY = 86_400
LANGUAGES = ("zh", "en")


def _rows(n: int = 1200, capacity: bool = True) -> Rows:
    rng = np.random.default_rng(6)
    at = 1_600_041_600 + DAY * np.sort(rng.integers(0, 200, n))
    table = pd.DataFrame(rng.normal(size=(n, 2)), columns=["p", "promised_hours"])
    y = (rng.random(n) < 1 / (1 + np.exp(1 - table["p"]))).astype(float)
    office = rng.choice(["North <b>", "South <b>", "East <b>"], n).astype(object)
    office[:7] = "Tiny & few"
    office[-3:] = "Tiny & few"
    keys = pd.DataFrame({"office": office, "category": rng.choice(["x", "y"], n)})
    return Rows(
        table,
        y,
        at,
        at + DAY,
        np.arange(n),
        keys,
        int(at[-1]) + 9 * DAY,
        trusted=np.ones(n, dtype=bool),
        capacity=np.full(n, 2.0) if capacity else None,
        outcome="reopened_28d",
        time_zone="Asia/Shanghai",
    )


@pytest.fixture(scope="module")
def found() -> dict:
    rows = _rows()
    return json.loads(json.dumps(backtest_folds(LogisticRegression, rows, n_folds=3, replications=60).as_dict()))


@pytest.fixture(scope="module", params=LANGUAGES)
def page(request, found) -> tuple[str, str]:
    return request.param, page_of(found, request.param, near_instant=41)


class _Parts(HTMLParser):
    """Tags with what they hold."""

    void = frozenset(("meta", "link", "br", "img", "hr"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_fetches_nothing_and_runs_nothing(page):
    """No script, no address outside; the policy of the page forbids both; every tag is closed."""
    _language, text = page
    parts = _Parts(text)
    assert parts.open == []
    assert not {"script", "iframe", "link", "object", "img"} & {tag for tag, _ in parts.tags}
    without_names = text.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "")
    assert not re.search(r"https?://|@import|url\((?!#)", without_names)
    assert "default-src 'none'" in text


def test_every_picture_says_what_it_shows_and_has_its_figures_in_a_table(page, found):
    """Four pictures with a text alternative, painted by the page for light and dark; ids are not shared."""
    _language, text = page
    parts = _Parts(text)
    pictures = [attrs for tag, attrs in parts.tags if tag == "svg"]
    assert [one["role"] for one in pictures] == ["img"] * 4
    assert all(len(one["aria-label"]) > 30 for one in pictures)
    ids = [attrs["id"] for _, attrs in parts.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert "prefers-color-scheme: dark" in text
    svg = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert set(re.findall(r"#[0-9a-fA-F]{6}", svg)) == set()
    assert percent(found["reliability"][0]["observed"]["value"]) in text


def test_tables_have_captions_and_headings_in_order(page):
    """Every table a caption and scoped heads; levels of headings without a gap; one main, and a way to it."""
    _language, text = page
    tags = [tag for tag, _ in _Parts(text).tags]
    assert tags.count("table") == tags.count("caption") > 6
    assert all("scope" in attrs for tag, attrs in _Parts(text).tags if tag == "th")
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert (tags.count("main"), tags.count("h1")) == (1, 1)
    assert 'href="#main"' in text


def test_page_and_json_say_the_same(page, found):
    """Figures with their intervals, baselines with verdicts, folds, capacity, and what was left out."""
    language, text = page
    for name in ("auc", "average_precision", "brier", "ece"):
        told = found["figures"][name]
        assert figure(name, told["value"]) in text
        assert spread(told, lambda value, name=name: figure(name, value)) in text
    for name, one in found["baselines"].items():
        assert BASELINES[name].in_(language) in text
        assert VERDICTS[one["verdict"]].in_(language) in text
    assert percent(found["figures"]["recall_at_capacity"]["value"]) in text
    assert "41" in text
    assert outcome_told("reopened_28d", language) in text
    assert ("zh-Hans" if language == "zh" else 'lang="en"') in text


def test_names_of_a_source_stay_text(page):
    """A name with an angle bracket is no tag."""
    assert "South &lt;b&gt;" in page[1] or "East &lt;b&gt;" in page[1]
    assert "<b>" not in page[1]


def test_a_small_office_is_not_named(page, found):
    """Ten cases of which few were tested: neither the page nor the JSON has a row for it."""
    told = json.dumps(found["slices"]["office"])
    assert found["slices"]["office"]["withheld"] >= 2
    assert "Tiny" not in told
    assert "Tiny" not in page[1]


def test_without_a_capacity_a_tenth_of_the_list_is_told():
    """Nobody said what an office can do: the page says so, and draws the curve all the same."""
    rows = _rows(capacity=False)
    told = backtest_folds(LogisticRegression, rows, n_folds=2, replications=20).as_dict()
    text = page_of(told, "en")
    assert "No capacity is given" in text
    assert "Precision at capacity" not in text


@pytest.mark.parametrize("texts", [WORDS, FIGURES, MEANINGS, BASELINES, VERDICTS, DIMENSIONS])
def test_words_are_in_both_languages(texts):
    """Chinese is Chinese, English is English, and both have the same places to fill."""
    names = {"AUC", "heed", "p"}
    for name, one in texts.items():
        assert re.search("[\u4e00-\u9fff]", one.zh) or one.zh in names, name
        assert not re.search("[\u4e00-\u9fff]", one.en), name
        if name != "how_intervals":
            assert set(re.findall(r"{\w+}", one.zh)) == set(re.findall(r"{\w+}", one.en)), name


def test_numbers_are_told_with_signs_that_cannot_be_mistaken():
    """A minus and not a hyphen, none before nothing, a dash for what is not there."""
    assert (figure("auc", 0.75), figure("brier", 0.17), figure("slope", -0.5)) == ("0.750", "0.1700", "−0.500")
    assert (percent(0.123), percent(-0.0001), percent(None)) == ("12.3%", "0.0%", "–")
    assert (points(0.05), points(-0.05), points(0.0001)) == ("+5.0", "−5.0", "0.0")
    assert spread({"low": 0.1, "high": 0.2}, percent) == "10.0–20.0%"
    assert spread({"low": -0.1, "high": 0.2}, percent) == "−10.0 … 20.0%"
    assert spread({"low": None, "high": None}, percent) == ""


@pytest.mark.parametrize(
    ("outcome", "zh", "en"),
    [
        ("late", "超期答复", "Answered late"),
        ("handed_up_28d", "28天内被上报", "Handed up within 28 days"),
        ("sla_breach", "sla_breach", "sla_breach"),
    ],
)
def test_outcomes_are_told_with_their_horizon(outcome, zh, en):
    """Names of the design in words; what is no outcome of heed keeps its name."""
    assert (outcome_told(outcome, "zh"), outcome_told(outcome, "en")) == (zh, en)
