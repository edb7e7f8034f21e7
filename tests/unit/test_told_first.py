"""Limits for the signals that are told first: the rest is counted, listed and never dropped."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from data.store import Store
from models.signals import more_sentence
from service.cli.signals import _tell_signals
from service.places import read_places
from service.published import publish
from service.signal_record import NO_RECORD
from tests.support.service_client import client_of
from tests.support.service_store import AS_OF, SMALL_AREA, simulated_signals, small_store
from tests.unit.test_cli import run
from tests.unit.test_detection_store import FIRST_END, a_city_that_rises, filled, reports

REST = ("A-02", "drain")
WITHHELD = (SMALL_AREA, "water")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A store where a signal with figures and one without them are beyond the limits."""
    path = small_store(tmp_path_factory.mktemp("told"))
    signals = simulated_signals(AS_OF)
    beyond = [key in (REST, WITHHELD) for key in zip(signals["area"], signals["category"], strict=True)]
    with Store.open(str(path)) as store:
        store.write_signals(signals.assign(told=[0 if one else 1 for one in beyond]), as_of=AS_OF)
    return path


@pytest.fixture(scope="module")
def client(path):
    return client_of(path)


def test_the_api_says_which_are_told_first(client):
    """All are listed. One whose figures are withheld is told whatever the limits: that it is not would say of it that
    others are clearer.
    """
    signals = client.json("/v1/signals")["signals"]
    assert len(signals) == 4
    assert [(one["area"]["code"], one["category"]["code"]) for one in signals if not one["told"]] == [REST]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_counts_the_rest_and_lists_it_below(client, language):
    """In the words of the language, behind a fold that needs no script; the heading counts all."""
    ids = {(one["area"]["code"], one["category"]["code"]): one["id"] for one in client.json("/v1/signals")["signals"]}
    page = client.get(f"/signals?lang={language}").text
    first, rest = page.split('<details class="more" id="more">')
    assert re.search(r"<summary[^>]*>(.*?)</summary>", rest)[1] == more_sentence(1, language=language)
    listed = [key for key, one in ids.items() if f"/signals/{one}" in rest]
    assert listed == [REST]
    assert all(f"/signals/{one}" in first for key, one in ids.items() if key != REST)


def test_without_limits_nothing_is_said_of_a_rest(tmp_path):
    """Nor is there a fold."""
    page = client_of(small_store(tmp_path)).get("/signals?lang=en").text
    assert "see all signals" not in page
    assert 'id="more"' not in page


def test_a_detection_with_limits_keeps_all_and_tells_some(monkeypatch, capsys, tmp_path):
    """`heed signals --most-per-week 1`: stored with every signal, counted in words, listed in JSON."""
    path = str(tmp_path / "city.db")
    with Store.open(path, create=True) as store:
        filled(store, reports(a_city_that_rises()))
    asked = ("--store", path, "signals", "--as-of", _iso(FIRST_END), "--weeks", "1", "--most-per-week", "1")
    code, out, err = run(monkeypatch, capsys, *asked, "--json")
    assert (code, err) == (0, "")
    signals = json.loads(out)["signals"]
    with Store.open(path) as store:
        stored, weeks = store.read_signals(FIRST_END), store.read_signal_weeks(FIRST_END)
    assert len(signals) == len(stored)
    assert stored["told"].sum() == 1
    assert len(stored) > 1
    assert weeks["week"].nunique() == 1
    rest = sum(not one["told"] for one in signals)
    assert rest == sum(
        told == 0 and "observed" not in one["withheld"]
        for told, one in zip(
            stored.sort_values(["area", "category", "week", "direction"])["told"], signals, strict=True
        )
    )


def test_the_list_of_the_command_ends_with_how_many_more(path, capsys):
    """The one that has figures; those without are in the list."""
    with Store.open(str(path)) as store:
        published = publish(
            store.read_pressure(AS_OF), store.read_signals(AS_OF), read_places(store), minimum=10, record=NO_RECORD
        )
    _tell_signals(published)
    told = " ".join(capsys.readouterr().out.split())
    assert "And 1 more: see all signals." in told
    assert "drain" not in told
    assert told.count(" rise ") + told.count(" silence ") == 3


def test_a_limit_below_one_is_wrong_use(monkeypatch, capsys, tmp_path):
    """Said before anything is opened."""
    for option in ("--most-per-area", "--most-per-week", "--weeks"):
        code, _, err = run(monkeypatch, capsys, "--store", str(tmp_path / "none.db"), "signals", option, "0")
        assert code == 2
        assert option in err


def _iso(seconds: int) -> str:
    return pd.Timestamp(seconds, unit="s", tz="UTC").isoformat()
