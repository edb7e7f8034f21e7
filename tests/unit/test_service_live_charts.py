"""Charts that answer to a pointer: what they are made of, and that they say what the tables say."""

from __future__ import annotations

import gzip
import json
import subprocess
from typing import Any

import pytest
import vl_convert

from data.errors import StoreError
from models.plots import theme
from service.dashboard import charts, live_charts
from service.dashboard.live_charts import PATH, bundle, bundle_version
from service.language import words_of
from service.problems import BusyError
from service.reasons import Explanation, Reason
from tests.support.service_client import shared_client


def specs(value: Any, name: str) -> list[Any]:
    """Every value of that name in a description."""
    if isinstance(value, dict):
        own = [value[name]] if name in value else []
        return own + [each for item in value.values() for each in specs(item, name)]
    return [each for item in value for each in specs(item, name)] if isinstance(value, list) else []


def test_the_library_is_sent_packed_or_plain_and_never_twice():
    """The same script either way; its address holds its version, so a browser keeps it."""
    client = shared_client()
    plain = client.get(PATH, accept_encoding="identity")
    packed = client.get(PATH, accept_encoding="gzip")
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "window.heedCharts={embed:" in plain.text
    assert packed.content == plain.content  # unpacked by the client
    assert len(bundle().packed.body) < 320_000
    assert gzip.decompress(bundle().packed.body) == bundle().plain.body
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get(PATH, if_none_match=packed.headers["etag"], accept_encoding="gzip").status_code == 304
    assert plain.headers["etag"] != packed.headers["etag"]


def test_a_page_names_the_version_of_the_library_and_only_pages_with_charts_load_it():
    """Known without making it."""
    client = shared_client()
    case = client.json("/v1/cases?limit=1&deadline=ahead")["cases"][0]["id"]
    assert f'src="/static/live.js" data-charts="{PATH}?v={bundle_version()}"' in client.get(f"/cases/{case}").text
    assert "live.js" not in client.get("/cases").text
    assert len(bundle_version()) == 12


@pytest.mark.slow
def test_the_library_is_the_same_whenever_it_is_made(monkeypatch):
    """From the same installation, to the bit."""
    before = bundle().plain.etag
    monkeypatch.setattr(live_charts, "_maker", live_charts._Maker())
    assert bundle().plain.etag == before


def test_where_the_library_cannot_be_made_the_pictures_stay(monkeypatch):
    """It is told as a problem, and not tried again at once: each try takes a process and a while."""
    tries = []

    def fail(*_words: object, **_options: object) -> None:
        tries.append(1)
        raise subprocess.TimeoutExpired("python", 1)

    monkeypatch.setattr(live_charts, "_maker", live_charts._Maker())
    monkeypatch.setattr(live_charts.subprocess, "run", fail)
    with pytest.raises(StoreError, match=r"^The live charts could not be made; the pictures stay\.$"):
        bundle()
    with pytest.raises(BusyError, match=r"^The live charts are not made yet; the pictures stay\.$"):
        bundle()
    assert tries == [1]


def test_nobody_waits_beside_the_one_who_makes_the_library(monkeypatch):
    """The threads of the service would all stand there."""
    maker = live_charts._Maker()
    monkeypatch.setattr(live_charts, "_maker", maker)
    with maker._making, pytest.raises(BusyError, match="not made yet"):
        bundle()


@pytest.mark.parametrize(("theme", "ink"), [("light", "#1d2126"), ("dark", "#e8e6e1")])
def test_what_a_page_draws_itself_says_what_its_table_says(theme, ink):
    """Each week with its figures in words, in the colours of the theme, without anything to be fetched."""
    client = shared_client()
    signals = client.json("/v1/signals")["signals"]
    shown = next(signal for signal in signals if not signal["observed"]["withheld"])
    weeks = client.json(f"/v1/signals/{shown['id']}")["weeks"]
    answer = client.get(f"/charts/signals/{shown['id']}/weeks.svg?drawn=spec&theme={theme}&lang=en")
    assert answer.headers["content-type"] == "application/vnd.vega+json"
    described = answer.json()
    assert ink in answer.text
    assert described["$schema"].startswith("https://vega.github.io/schema/vega/")
    assert specs(described, "url") == []
    told = {text for text in specs(described, "told") if isinstance(text, str)}
    assert len(told) == len(weeks)
    newest = weeks[-1]
    figures = (
        f"{newest['observed']['value']} · Explained by the past: {newest['lower']['value']}–{newest['upper']['value']}"
    )
    assert any(figures in text and text.endswith("Rising") for text in told)


def test_a_live_chart_knows_no_count_that_its_table_withholds():
    """A withheld week has words and no figure, in the description too."""
    client = shared_client()
    for signal in client.json("/v1/signals")["signals"]:
        weeks = client.json(f"/v1/signals/{signal['id']}")["weeks"]
        if not weeks:
            continue
        described = client.get(f"/charts/signals/{signal['id']}/weeks.svg?drawn=spec&lang=en").json()
        rows = [row for values in specs(described, "values") if isinstance(values, list) for row in values]
        states = [row for row in rows if isinstance(row, dict) and row.get("state") == "withheld"]
        assert len(states) == sum(week["state"] == "withheld" for week in weeks)
        for row in states:
            assert row["observed"] is None
            assert "Observed: fewer than 10, or withheld" in row["told"]


def test_the_reasons_of_a_case_are_told_as_in_their_table():
    """Label and points of each bar."""
    client = shared_client()
    case = client.json("/v1/cases?limit=1&deadline=ahead")["cases"][0]["id"]
    twin = client.json(f"/v1/cases/{case}?lang=en")
    described = json.loads(client.get(f"/charts/cases/{case}/reasons.svg?drawn=spec&lang=en").text)
    told = [text for text in specs(described, "told") if isinstance(text, str)]
    assert told[0].endswith(f": {twin['base_points']:.1f}")
    assert told[-1].endswith(f": {twin['total_points']:.1f}")
    first = twin["reasons"][0]
    assert told[1] == f"{first['label']}: {first['points']:+.1f}".replace("-", "−")


@pytest.mark.parametrize("reasons", [0, 1, 10])
def test_the_drawing_made_once_is_what_each_case_would_be_drawn_as(reasons):
    """To the letter, however many rows it has."""
    parts = tuple(
        Reason(f"f{n}", "office", f"标签{n}", f"label {n}", "", "", (-1) ** n * (9 + n)) for n in range(reasons)
    )
    explanation = Explanation(240, parts, 240 + sum(part.tenths for part in parts))
    words = words_of("en")
    rows = charts._steps(explanation, words)
    whole = {**charts._waterfall_chart(), "data": {"values": rows}, "height": len(rows) * charts._ROW}
    expected = theme.lettered(vl_convert.vegalite_to_svg(theme.measured(whole)))
    assert charts.waterfall(explanation, words, "light") == charts._repainted(expected, "light")
    assert theme.FONT in expected
