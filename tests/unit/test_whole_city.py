"""Sums over all areas are told of the whole city, in both languages, and their area has no page of its own."""

from __future__ import annotations

import json
import re
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from data.store import Store
from models.signals.counts import ALL
from service.language import Words
from service.places import Name, read_places
from service.published import Figure, Signal
from service.sentences import signal_sentence
from tests.support.service_client import client_of
from tests.support.service_store import AS_OF, simulated_signals, small_store
from tests.unit.test_cli import run

CITY = {"zh": "全市", "en": "the whole city"}


def with_city(signals: pd.DataFrame) -> pd.DataFrame:
    """The signals with two over all areas: one large, one whose counts are withheld."""
    large, small = signals.iloc[[0]], signals.iloc[[2]]
    over_all = {"area": ALL, "level": "sum", "part_kind": "area", "n_parts": 11, "parts_rising": 9, "parts_told": 0}
    sums = [large.assign(**over_all, category="road"), small.assign(**over_all, category="noise")]
    return pd.concat([signals, *sums], ignore_index=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A store whose newest detection has signals of the whole city."""
    path = small_store(tmp_path_factory.mktemp("whole"))
    with Store.open(str(path)) as store:
        store.write_signals(with_city(simulated_signals(AS_OF)), as_of=AS_OF)
    return path


@pytest.fixture(scope="module")
def client(path):
    return client_of(path)


def test_the_whole_city_has_a_name_unless_the_store_gives_another(path):
    """Only as an area: an office or a type of problem that is called so is its own code."""
    with Store.open(str(path)) as store:
        places = read_places(store)
    assert places.name("area", ALL) == Name(ALL, "全市", "the whole city")
    assert places.name("office", ALL) == Name(ALL)
    assert places.name("area", "nowhere") == Name("nowhere")
    listed = type(places)({ALL: Name(ALL, "本县", "the county")}, {}, {}, {}, {})
    assert listed.name("area", ALL).en == "the county"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_api_names_it_beside_its_code(client, language):
    """Also in the sentence, with its counts and where they are withheld."""
    signals = client.json(f"/v1/signals?lang={language}")["signals"]
    found = [one for one in signals if one["area"]["code"] == ALL]
    assert [one["area"]["name"] for one in found] == [CITY[language]] * 2
    assert all(CITY[language] in one["sentence"] and ALL not in one["sentence"] for one in found)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_withheld_or_not_the_sentence_says_where(path, language):
    """With its counts, that of a sum; without, one that says no number."""
    with Store.open(str(path)) as store:
        places = read_places(store)
    told = {name: Figure(12.0) for name in ("observed", "expected", "lower", "upper", "p_value", "q_value")}
    row = {"week": AS_OF, "area": ALL, "category": "road", "direction": "rise", "fdr_level": 0.1, "weeks_running": 1}
    for figures in (told, dict.fromkeys(told, Figure(None, withheld=True))):
        signal = Signal(signal_id="s", method="short_past_1w", **row, **figures)
        sentence = signal_sentence(Words(language), places, signal, ZoneInfo("UTC"))
        assert CITY[language] in sentence
        assert ALL not in sentence


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pages_name_it_and_lead_to_no_page_of_it(client, language):
    """The list, and the page of a signal, with every link that they have."""
    listed = client.get(f"/signals?lang={language}").text
    ids = [one["id"] for one in client.json("/v1/signals")["signals"] if one["area"]["code"] == ALL]
    for page in (listed, *(client.get(f"/signals/{one}?lang={language}").text for one in ids)):
        assert f'<span class="within">{CITY[language]}</span>' in page
        links = re.findall(r'(?:href|src|srcset)="([^"]+)"', page)
        assert len(links) > 3
        assert not [link for link in links if "/areas/*" in link or "/areas/%2A" in link.upper()]
    assert client.get(f"/areas/%2A?lang={language}").status_code == 404


def test_commands_say_it_in_words(monkeypatch, capsys, path):
    """A review of such a signal names the city and not its code."""
    with Store.open(str(path)) as store:
        stored = store.read_signals(AS_OF)
    signal = stored.loc[stored["area"] == ALL, "signal_id"].iloc[0]
    asked = ("--store", str(path), "signals", "review", signal, "--status")
    _, out, _ = run(monkeypatch, capsys, *asked, "checked")
    assert " in the whole city, rise: new → checked." in " ".join(out.split())
    _, out, _ = run(monkeypatch, capsys, *asked, "confirmed", "--json")
    assert json.loads(out)["area"] == ALL
