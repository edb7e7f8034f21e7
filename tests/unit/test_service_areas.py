"""Areas over the API and the pages: disclosed, unranked, cheap to poll."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pandas as pd
import pytest

from data.store import Store
from service import published
from tests.support.service_client import client_of, shared_client
from tests.support.service_store import AREAS, AS_OF, DAY, SMALL_AREA, score, small_store

REPOSITORY = Path(__file__).parents[2]
VILLAGES = sorted(code for code, parent, *_ in AREAS if parent)


@pytest.fixture
def client():
    """The service on a store where one village has a handful of cases."""
    return shared_client()


@pytest.mark.parametrize("address", ["/v1/areas", f"/v1/areas/{VILLAGES[1]}", "/v1/signals", "/v1/offices"])
def test_polling_what_has_not_changed_costs_no_body(client, address):
    """A strong tag, asked with, answers 304 with the same tag and nothing else."""
    first = client.get(address)
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{24}"', tag)
    assert first.headers["cache-control"] == "no-cache"
    for asked in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = client.get(address, if_none_match=asked)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(address, if_none_match='"other"').status_code == 200


def test_the_tag_changes_with_the_figures_and_with_the_language(tmp_path):
    """A tag stands for the bytes: another scoring and another language have another one."""
    path = small_store(tmp_path)
    client = client_of(path)
    english = client.get("/v1/areas").headers["etag"]
    assert client.get("/v1/areas?lang=zh").headers["etag"] != english
    with Store.open(str(path)) as store:
        score(store, as_of=AS_OF + DAY, seed=11)
    answer = client.get("/v1/areas", if_none_match=english)
    assert answer.status_code == 200
    assert answer.headers["etag"] != english
    client.close()


def test_areas_and_offices_carry_no_rank_and_stand_in_the_order_of_codes(client):
    """There is no league table, in no field and by no order."""
    areas = client.json("/v1/areas")["areas"]
    assert [area["area"]["code"] for area in areas] == VILLAGES
    offices = [office["office"]["code"] for office in client.json("/v1/offices")["offices"]]
    assert offices == sorted(offices)
    assert "rank" not in client.get("/v1/areas").text


def test_one_area_says_the_same_as_the_list(client):
    """Two addresses, one figure."""
    listed = {area["area"]["code"]: area for area in client.json("/v1/areas")["areas"]}
    for code in VILLAGES:
        one = client.json(f"/v1/areas/{code}")
        assert {name: one[name] for name in listed[code]} == listed[code]


def _figures(value: object) -> list[dict]:
    """Every disclosed figure anywhere in an answer."""
    if isinstance(value, dict):
        own = [value] if set(value) == {"value", "withheld"} else []
        return own + [figure for part in value.values() for figure in _figures(part)]
    return [figure for part in value for figure in _figures(part)] if isinstance(value, list) else []


@pytest.mark.parametrize("address", ["/v1/areas", f"/v1/areas/{SMALL_AREA}", "/v1/signals", "/v1/offices"])
def test_a_withheld_figure_has_no_value(client, address):
    """Withheld is null, so that no program takes it for a number, and least of all for zero."""
    figures = _figures(client.json(address))
    assert figures
    assert all(figure["value"] is None for figure in figures if figure["withheld"])


def test_the_small_village_and_one_that_would_give_it_away_are_withheld(client):
    """A single withheld cell would be the total less the others."""
    areas = {area["area"]["code"]: area["pressure"] for area in client.json("/v1/areas")["areas"]}
    hidden = {code for code, pressure in areas.items() if pressure["backlog"]["withheld"]}
    assert SMALL_AREA in hidden
    assert len(hidden) >= 2
    assert all(areas[code]["level"] is None for code in hidden)


def test_no_count_below_the_minimum_leaves_in_any_answer_about_areas(client):
    """Whatever the address, a count of cases is at least the minimum or it is not there."""
    counts = ("backlog", "inflow_28d", "outflow_28d", "overdue", "observed")
    for address in ("/v1/areas", "/v1/signals", "/v1/offices", *(f"/v1/areas/{code}" for code in VILLAGES)):
        text = client.get(address).text
        for name in counts:
            shown = re.findall(rf'"{name}":{{"value":([^,]+),', text)
            assert all(value == "null" or float(value) >= 10 for value in shown), (address, name)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_small_cell_leaves_on_a_page_about_areas(client, language):
    """Where the figures of the small village would stand there is no number but the minimum, and never a zero."""
    name = {"en": "Little Cove", "zh": "小坞村"}[language]
    rows = re.findall(r"<tr\b.*?</tr>", client.get(f"/areas?lang={language}").text, re.DOTALL)
    row = next(row for row in rows if name in row)
    figures = row.split("</th>")[1].rsplit("<td", 1)[0]  # between the name and the number of signals
    page = client.get(f"/areas/{SMALL_AREA}?lang={language}").text
    pressure = re.search(r"<section class=\"card pressure.*?</section>", page, re.DOTALL)
    for part in (figures, pressure.group()):
        said = re.sub(r"<[^>]+>", " ", part)
        assert set(re.findall(r"\d+", said)) == {"10"}, said
        assert {"en": "fewer than 10", "zh": "少于10"}[language] in said
        assert '<svg class="range' not in part
    signals = page.split('id="signals"')[1].split('id="around"')[0]
    assert "<img" not in signals


def test_a_signal_of_few_cases_is_told_without_its_counts(client):
    """That something rose is always said; how much only where it gives nobody away."""
    signals = {
        (signal["area"]["code"], signal["category"]["code"]): signal for signal in client.json("/v1/signals")["signals"]
    }
    small = signals[SMALL_AREA, "water"]
    assert small["direction"] == "rise"
    for name in ("observed", "expected", "lower", "upper", "p_value", "q_value"):
        assert small[name] == {"value": None, "withheld": True}
    large = signals["A-02", "street_light"]
    assert large["observed"] == {"value": 31, "withheld": False}


def test_only_one_module_reads_the_figures_of_areas_and_it_discloses_them():
    """Routes and pages cannot pass disclosure by: nothing else of the service reads pressure or signals."""
    readers = {}
    for path in (REPOSITORY / "service").rglob("*.py"):
        if "cli" in path.parts or path.name in ("pipeline.py", "disclosure.py"):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        readers[path.name] = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {
            "read_pressure",
            "read_signals",
            "read_signal_weeks",
        }
    assert {name for name, found in readers.items() if found} == {"reads.py", "signal_record.py"}
    text = (REPOSITORY / "service" / "reads.py").read_text("utf-8")
    assert text.count("pressure, signals") == 1
    assert "publish(pressure, signals, places, minimum=minimum, record=record)" in text


def test_every_area_figure_passes_the_disclosure_function(tmp_path, monkeypatch):
    """Take the function away and nothing about an area comes out any more."""
    monkeypatch.setattr(published, "disclose_pressure", _refuse)
    client = client_of(small_store(tmp_path))
    assert client.get("/v1/areas").status_code == 500
    assert client.get("/areas", accept="text/html").status_code == 500
    client.close()


def _refuse(*_args: object, **_kwargs: object) -> pd.DataFrame:
    raise RuntimeError


def test_figures_that_contradict_each_other_are_not_published(tmp_path, caplog):
    """A count below nothing would make any statement about disclosure void."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        pressure = store.read_pressure()
        store.write_pressure(pressure.assign(backlog=pressure["backlog"].where(pressure["unit"] != "A-02", -1)))
    client = client_of(path)
    answer = client.get("/v1/areas")
    assert answer.status_code == 503
    assert "The figures of areas cannot be published" in caplog.text
    assert "A-02" not in answer.text
    client.close()


def test_without_computed_figures_there_are_no_areas_and_the_page_says_what_to_do(tmp_path):
    """A store that was only scored shows its cases."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        store.write_pressure(store.read_pressure().head(0), as_of=AS_OF)
        store.write_signals(store.read_signals().head(0), as_of=AS_OF)
    client = client_of(path)
    told = client.json("/v1/areas")
    assert set(told.pop("levels").values()) == {0}
    assert told == {"as_of": None, "minimum_cell": 10, "areas": []}
    assert "Run <code>heed signals</code>" in client.get("/areas").text
    assert client.json("/v1/cases")["total"] == 40
    client.close()


def test_a_signal_is_told_in_a_sentence_with_its_numbers_where_they_may_be_shown(client):
    """The sentence is that of the detection, over the weeks that its figures are summed over."""
    signals = {signal["category"]["code"]: signal for signal in client.json("/v1/signals")["signals"]}
    assert signals["street_light"]["sentence"].startswith(
        "31 reports of “Street light out” in Bridge End in the week of 10 November; 7 to 21 would be usual."
    )


@pytest.mark.parametrize(
    ("language", "water", "waste"),
    [
        (
            "en",
            "More reports of “Water supply” in Little Cove in the week of 10 Nov 2025 than its past explains. "
            "How many is withheld.",
            "Fewer reports of “Waste collection” in Bamboo Garden in the week of 10 Nov 2025 than its past lets "
            "expect. How many is withheld.",
        ),
        (
            "zh",
            "小坞村自2025年11月10日起1周内的“供水问题”报告多于以往情况所能解释；件数不公开。",
            "竹园村自2025年11月10日起1周内的“垃圾清运”报告少于按以往情况的预期；件数不公开。",
        ),
    ],
)
def test_a_withheld_signal_is_told_without_a_number(client, language, water, waste):
    """That something rose or fell silent is said, and when; not how much, and silence is not told as zero."""
    found = client.json(f"/v1/signals?lang={language}")["signals"]
    signals = {signal["category"]["code"]: signal["sentence"] for signal in found}
    assert (signals["water"], signals["waste"]) == (water, waste)


def test_a_signal_over_several_weeks_names_the_first_of_them(tmp_path):
    """Figures summed over four weeks are not told as those of one."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        store.write_signals(store.read_signals().assign(method="short_past_4w"))
    client = client_of(path)
    sentences = {signal["category"]["code"]: signal["sentence"] for signal in client.json("/v1/signals")["signals"]}
    assert "in the 4 weeks from 20 October" in sentences["street_light"]
    assert "in the 4 weeks from 20 Oct 2025" in sentences["water"]
    client.close()


def test_a_town_with_cases_of_its_own_has_a_row_beside_its_villages(tmp_path):
    """Cases whose village is not known are placed on the town: its row is theirs, and all else still comes out."""
    store = small_store(tmp_path)
    with Store.open(str(store)) as opened:
        rows = opened.read_pressure()
        village = rows[rows["unit"] == "A-01"]
        opened.write_pressure(pd.concat([rows, village.assign(unit="T-1")], ignore_index=True))
    client = client_of(store)
    areas = {area["area"]["code"]: area for area in client.json("/v1/areas")["areas"]}
    assert areas["T-1"]["pressure"]["backlog"] == areas["A-01"]["pressure"]["backlog"]
    assert areas["A-02"]["pressure"]["backlog"]["value"] is not None
    client.close()


def test_the_record_of_an_office_tells_no_small_number_of_promises():
    """9 of 60 broken is withheld with the test made of it, and so is 9 of 60 kept; 15 of 60 is told."""
    rows = {"n_recent": 60, "n_before": 200, "late_before": 0.25, "p_value": 0.01, "q_value": 0.02, "fell_behind": True}
    records = pd.DataFrame(
        [{"office": name, "late_recent": late / 60, **rows} for name, late in (("a", 9), ("b", 51), ("c", 15))]
    )
    told = {one["office"]: one for one in published.publish_office_records(records, minimum=10)}
    for office in ("a", "b"):
        assert told[office]["withheld"] == ["late_recent", "p_value", "q_value"]
        assert told[office]["late_recent"] is told[office]["p_value"] is None
        assert told[office]["late_before"] == 0.25
        assert told[office]["fell_behind"]
    assert told["c"]["withheld"] == []
    assert told["c"]["late_recent"] == 0.25
