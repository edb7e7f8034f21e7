"""Weak signals over the API, the pages and the pictures: disclosed, explained, cheap to poll."""

from __future__ import annotations

import re

import pytest

from data.store import Store
from service.signal_reviews import review
from tests.support.service_client import client_of, shared_client
from tests.support.service_store import AS_OF, DAY, SMALL_AREA, small_store


@pytest.fixture
def client():
    """The service on a store with four signals, two of which are withheld."""
    return shared_client()


def of(client, area: str, category: str) -> dict:
    """One signal of the list."""
    signals = client.json("/v1/signals")["signals"]
    return next(one for one in signals if (one["area"]["code"], one["category"]["code"]) == (area, category))


def detail(client, area: str, category: str, **query: str) -> dict:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return client.json(f"/v1/signals/{of(client, area, category)['id']}?{asked}")


def test_the_list_stands_in_the_order_of_areas_and_each_has_its_own_address(client):
    """No ranking; what the list says of a signal, its own address says as well."""
    signals = client.json("/v1/signals")["signals"]
    assert [(one["area"]["code"], one["category"]["code"]) for one in signals] == [
        ("A-02", "drain"),
        ("A-02", "street_light"),
        (SMALL_AREA, "water"),
        ("A-09", "waste"),
    ]
    for one in signals:
        told = client.json(f"/v1/signals/{one['id']}")
        assert {name: told[name] for name in one} == one
        assert told["minimum_cell"] == 10


def test_a_signal_that_is_not_there_is_a_404_that_says_so(client):
    """As a problem document over the API, and as a page."""
    for address in ("/v1/signals/" + "0" * 32, "/v1/signals/x"):
        answer = client.get(address)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert "There is no signal with this id in the newest detection." in answer.text
    assert client.get("/signals/x").status_code == 404
    assert client.get("/charts/signals/x/weeks.svg").status_code == 404
    assert client.get("/v1/signals/" + "a" * 65).status_code == 422


@pytest.mark.parametrize("address", ["/v1/signals/{id}", "/signals/{id}", "/signals", "/charts/signals/{id}/weeks.svg"])
def test_polling_what_has_not_changed_costs_no_body(client, address):
    """A strong tag, asked with, answers 304; another language has another tag."""
    asked = address.format(id=of(client, "A-02", "street_light")["id"])
    first = client.get(asked)
    tag = first.headers["etag"]
    again = client.get(asked, if_none_match=tag)
    assert (first.status_code, again.status_code, again.content, again.headers["etag"]) == (200, 304, b"", tag)
    chinese = client.get(asked, if_none_match=tag, accept_language="zh")
    assert chinese.status_code == 200
    assert chinese.headers["etag"] != tag


def test_both_languages_say_the_same_figures(client):
    """Names and sentences differ, the numbers do not."""
    english, chinese = (detail(client, "A-02", "street_light", lang=language) for language in ("en", "zh"))
    assert english["area"]["name"] == "Bridge End"
    assert chinese["area"]["name"] == "桥头村"
    assert english["sentence"] != chinese["sentence"]
    assert "31" in english["sentence"]
    assert "31" in chinese["sentence"]
    for name in ("observed", "expected", "lower", "upper", "p_value", "q_value", "weeks", "week", "as_of"):
        assert english[name] == chinese[name]


def test_what_stands_behind_a_signal_is_said(client):
    """Why it was judged so, its weeks oldest first, and how earlier ones turned out."""
    told = detail(client, "A-02", "street_light")
    weeks = told["weeks"]
    assert len(weeks) == 53
    assert [week["week"] for week in weeks] == sorted(week["week"] for week in weeks)
    assert weeks[-1]["alarm"] == "rise"
    assert weeks[-1]["observed"] == {"value": 31, "withheld": False}
    assert weeks[20]["state"] == "not_recorded"
    assert weeks[20]["observed"] == {"value": None, "withheld": False}
    assert told["why"]
    assert told["earlier"] == ["Of 5 earlier rises that were signalled, 3 were still there four weeks later."]
    assert detail(client, "A-09", "waste")["earlier"] == []


def test_weeks_are_shown_withheld_or_not_recorded_and_nothing_else(client):
    """A withheld week has no figure at all, a shown one is at least the minimum."""
    states = set()
    for one in client.json("/v1/signals")["signals"]:
        for week in client.json(f"/v1/signals/{one['id']}")["weeks"]:
            states.add(week["state"])
            figures = [week[name] for name in ("observed", "expected", "lower", "upper")]
            if week["state"] == "shown":
                assert week["observed"]["value"] >= 10
                assert not any(figure["withheld"] for figure in figures)
            else:
                withheld = week["state"] == "withheld"
                assert figures == [{"value": None, "withheld": withheld}] * 4
    assert states == {"shown", "withheld", "not_recorded"}
    small = detail(client, SMALL_AREA, "water")
    assert {week["state"] for week in small["weeks"]} <= {"withheld", "not_recorded"}
    # The week of the silence holds two cases.
    assert detail(client, "A-09", "waste")["weeks"][-1]["state"] == "withheld"


def test_the_kin_of_a_signal_is_related_to_it(client):
    """Two types of one group in one area, each way round; the others have nothing nearby."""
    assert [one["category"]["code"] for one in detail(client, "A-02", "drain")["related"]] == ["street_light"]
    assert [one["category"]["code"] for one in detail(client, "A-02", "street_light")["related"]] == ["drain"]
    assert detail(client, "A-09", "waste")["related"] == []
    page = client.get(f"/signals/{of(client, 'A-02', 'drain')['id']}").text
    assert f"/signals/{of(client, 'A-02', 'street_light')['id']}" in page


def test_a_review_changes_the_status_and_a_fifth_one_is_a_figure(tmp_path):
    """New, then what was written last; five decided signals of earlier weeks say how their kind held up."""
    path = small_store(tmp_path)
    client = client_of(path)
    assert of(client, "A-02", "drain")["status"] == "new"
    with Store.open(str(path)) as store:
        known = of(client, "A-02", "drain")["id"]
        review(store, known, "checked", now=AS_OF + 1)
        review(store, known, "confirmed", now=AS_OF + 2)
        row = store.read_all_signals().iloc[[0]][["week", "area", "category"]]
        row["week"] -= 7 * DAY
        for number, status in enumerate(["acted", "confirmed", "acted", "dismissed", "dismissed"]):
            reason = "season" if status == "dismissed" else None
            more = {"signal_id": f"other{number:027d}", "status": status, "reason": reason, "recorded_at": AS_OF}
            store.add_review(row.assign(direction="rise", **more))
    assert of(client, "A-02", "drain")["status"] == "confirmed"
    assert of(client, "A-02", "street_light")["status"] == "new"
    told = detail(client, "A-02", "street_light")["earlier"]
    assert any(re.search(r"Of 5 earlier signals .* that were looked into, 3 were a real problem", one) for one in told)
    page = client.get(f"/signals/{known}").text
    assert 'class="status confirmed"' in page
    client.close()


_ROW = re.compile(r'<tr[^>]*><th scope="row"><time[^>]* datetime="([^"]+)">.*?</th>(.*?)</tr>', re.DOTALL)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_holds_the_figures_of_its_json_twin(client, language):
    """Week by week: the same counts, the same bands, and hatching where the answer says withheld."""
    known = of(client, "A-02", "street_light")["id"]
    weeks = client.json(f"/v1/signals/{known}")["weeks"]
    rows = dict(_ROW.findall(client.get(f"/signals/{known}?lang={language}").text))
    assert len(rows) == len(weeks)
    for week in weeks:
        cells = rows[week["week"]]
        figures = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r'<td class="num"[^>]*>(.*?)</td>', cells)]
        assert ("hatched" in cells) == (week["state"] == "withheld")
        if week["state"] == "shown":
            lower, upper = week["lower"]["value"], week["upper"]["value"]
            assert figures == [str(week["observed"]["value"]), f"{lower}–{upper}"]
        else:
            assert figures == []


def _addresses(client) -> list[str]:
    ids = [one["id"] for one in client.json("/v1/signals")["signals"] if one["observed"]["withheld"]]
    per_signal = ("/v1/signals/{}", "/signals/{}", "/charts/signals/{}/weeks.svg")
    areas = [f"{kind}/{SMALL_AREA}" for kind in ("/v1/areas", "/areas", "/charts/areas")]
    areas[-1] += "/signals.svg"
    return ["/v1/signals", "/signals", "/areas", *areas, *(one.format(known) for known in ids for one in per_signal)]


def test_withheld_figures_are_in_no_page_answer_or_picture(tmp_path):
    """Two stores that differ in withheld figures alone are served byte for byte the same."""
    (tmp_path / "other").mkdir()
    one, other = small_store(tmp_path), small_store(tmp_path / "other")
    with Store.open(str(other)) as store:
        _write_other_small_figures(store)
    first, second = client_of(one), client_of(other)
    addresses = _addresses(first)
    assert addresses == _addresses(second)
    for address in [*addresses, "/signals?lang=zh", "/v1/signals?lang=zh"]:
        answers = [client.get(address) for client in (first, second)]
        assert answers[0].status_code == 200, address
        assert answers[0].content == answers[1].content, address
    first.close()
    second.close()


def _write_other_small_figures(store: Store) -> None:
    """Every withheld count and band of the two signals that show no figures, changed to another one under ten."""
    signals, weeks = store.read_signals(AS_OF), store.read_signal_weeks(AS_OF)
    withheld = signals["observed"] < 10
    assert withheld.sum() == 2
    signals.loc[withheld, "observed"] = 9 - signals.loc[withheld, "observed"]
    for name in ("expected", "lower", "upper", "p_value", "q_value"):
        signals.loc[withheld, name] = signals.loc[withheld, name] * 0.73 + 0.0001
    small = weeks["observed"].lt(10).fillna(value=False).astype(bool)
    assert small.sum() > 50
    weeks.loc[small, "observed"] = 9 - weeks.loc[small, "observed"]
    for name in ("expected", "lower", "upper"):
        weeks.loc[small, name] = weeks.loc[small, name] * 0.73 + 0.1
    weeks["area_reports"] = weeks["area_reports"] + 9
    store.write_signals(signals, as_of=AS_OF)
    store.write_signal_weeks(weeks, as_of=AS_OF)


def test_a_picture_of_weeks_needs_weeks(tmp_path):
    """Where none are stored, the picture is a 404 that says what to run, and the page stands without it."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        store.write_signal_weeks(store.read_signal_weeks(AS_OF).iloc[:0], as_of=AS_OF)
    client = client_of(path)
    known = of(client, "A-02", "drain")["id"]
    answer = client.get(f"/charts/signals/{known}/weeks.svg")
    assert answer.status_code == 404
    assert "No weeks are stored behind this signal." in answer.text
    page = client.get(f"/signals/{known}")
    assert page.status_code == 200
    assert "weeks.svg" not in page.text
    assert client.json(f"/v1/signals/{known}")["weeks"] == []
    client.close()
