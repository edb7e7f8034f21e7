"""What-ifs of an open case over the API, on its page and by command: the library's own answer, and nothing of later."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from data import tables
from data.errors import FileFormatError
from data.event_log import known_before
from data.store import Store
from models.what_if import ACTIONS, SupportCounts, World, what_ifs
from service import cli
from service.app import create_app
from service.dependencies import identify
from service.identity import SCOPES, Identity, Role
from service.known import Known
from service.language import words_of
from service.past_cases import FILE, PastCases, read_past_cases, support_of
from service.what_if_payloads import what_if_item
from service.what_ifs import Question, ask, end_of
from tests.support.online_city import online_city, shared_city
from tests.support.page_figures import differences
from tests.support.page_tree import page_tree
from tests.support.service_client import Client

DAY = 86_400
ENDS = ("before", "after", "seen_share")


@pytest.fixture(scope="module")
def city():
    return shared_city()


@pytest.fixture(scope="module")
def client(city):
    made = create_app(city.settings)
    made.state.models.wait()
    yield Client(made)
    for close in reversed(made.state.closers):
        close()


@pytest.fixture(scope="module")
def scorer(city):
    return city.scorer()


@pytest.fixture(scope="module")
def home(city, scorer):
    return city.settings.index_folder() / scorer.saved.name


@pytest.fixture(scope="module")
def store(city):
    with Store.open(city.settings.store_url) as store:
        yield store


@pytest.fixture(scope="module")
def known(city, store) -> Known:
    return Known.at(store, city.as_of)


@pytest.fixture(scope="module")
def batch(city, store, known, scorer):
    """The library's way: an index over everything that was known, and the landmarks of the whole history."""
    models = scorer.models
    world = World.build(
        known.events, as_of=city.as_of, names=models.features, outcomes=models.outcomes, time_zone=store.time_zone(),
        calendar=known.calendar, inspections=known.inspections, observed_until=known.observed_until,
        capacity=known.capacity, adjacency=known.adjacency,
    )  # fmt: skip
    return world, support_of(known, time_zone=store.time_zone(), before=models.trained_before)


@pytest.fixture(scope="module")
def open_cases(city) -> list[str]:
    risks = city.risks()
    late = risks[(risks["outcome"] == "late") & (risks["probability"] < 1)]
    return late.sort_values("probability", ascending=False)["case_id"].tolist()


def questions(city, zone: ZoneInfo) -> list[Question]:
    by = (datetime.fromtimestamp(city.as_of, zone) + timedelta(days=3)).date()
    return [Question("reply"), Question("hand_over", office="T-01"), Question("resume"), Question("answer_by", by=by)]


def post(client: Client, case_id: str, body: object, **headers: str):
    sent = {"content_type": "application/json", **headers}
    return client.request("POST", f"/v1/cases/{case_id}/what-if", content=json.dumps(body), **sent)


def test_the_answer_is_that_of_the_library_over_the_whole_history(city, store, scorer, home, batch, open_cases):
    """To 1e-12, in every figure and every word: from one case's events, the saved index and the saved counts."""
    world, support = batch
    zone, answered = ZoneInfo(store.time_zone()), 0
    with store.reading() as connection:
        for case_id in open_cases[:4]:
            for question in questions(city, zone):
                by = None if question.by is None else end_of(question.by, zone)
                found = ask(connection, scorer.models, scorer.saved, home, case_id, question)
                expected = what_ifs(
                    scorer.models, world, support, case_id, question.action, office=question.office, by=by
                )
                for one, other in zip(found, expected, strict=True):
                    for name in ENDS:
                        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-12, nan_ok=True)
                    assert one.interval == pytest.approx(other.interval, abs=1e-12, nan_ok=True)
                    assert (one.support_n, one.refused, one.text_zh, one.text_en) == (
                        other.support_n, other.refused, other.text_zh, other.text_en,
                    )  # fmt: skip
                    answered += one.refused is None
    assert answered > 4, "the small city answers next to nothing"


def test_the_risk_before_is_the_one_that_the_scoring_stored(city, store, scorer, home, open_cases):
    """So that the page of the case and the answer never disagree."""
    stored = city.risks().set_index(["case_id", "outcome"])["probability"]
    with store.reading() as connection:
        for case_id in open_cases[:6]:
            for told in ask(connection, scorer.models, scorer.saved, home, case_id, Question("reply")):
                assert told.before == pytest.approx(stored[case_id, told.outcome], abs=1e-12)


def test_counts_and_landmarks_say_the_same(batch, known, open_cases):
    """At every point, for every action, outcome and office; and a file changes nothing."""
    world, support = batch
    counts = SupportCounts.from_plain(json.loads(json.dumps(SupportCounts.of(support).to_plain())))
    offices = [None, *sorted(known.events["office"].dropna().unique())[:6]]
    seen = 0
    for case_id in open_cases[::25]:
        now = world.now(case_id)
        for action in ACTIONS.values():
            for outcome in (*support.values, "none_such"):
                for office in offices if action.needs_office else [None]:
                    found = counts.like(now, action.kind, outcome, office=office)
                    assert found == support.like(now, action.kind, outcome, office=office)
                    seen += found.done
    assert seen > 300


def test_nothing_that_became_known_later_is_counted(city, store, known, scorer):
    """The log of the store goes on after the scoring: with all of it in hand, the counts are those of the scoring."""
    later = Known.at(store)
    assert len(later.events) > len(known.events)
    zone, before = store.time_zone(), scorer.models.trained_before
    cut = replace(known, events=known_before(later.events, city.as_of))
    counts = [PastCases.count(one, time_zone=zone, trained_before=before) for one in (known, cut)]
    assert counts[0] == counts[1]


def test_the_api_answers_with_before_after_and_words(client, scorer, open_cases):
    """Rounded as risks are, in the language of the asker, with what it means and does not."""
    answer = post(client, open_cases[0], {"action": "reply", "outcomes": ["late"]})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told["model_version"] == scorer.version
    assert (told["action"], told["office"], told["by"]) == ("reply", None, None)
    assert "it does not say that doing so is the cause" in told["note"]
    (late,) = told["answers"]
    assert late["before_per_100"] == client.json(f"/v1/cases/{open_cases[0]}")["risk"]["per_100"]
    assert (late["refused"] is None) == (late["after"] is not None)
    chinese = post(client, open_cases[0], {"action": "reply", "outcomes": ["late"]}, accept_language="zh").json()
    assert "不能说明结果由此而来" in chinese["note"]
    assert chinese["answers"][0]["before"] == late["before"]
    every = post(client, open_cases[0], {"action": "reply"}).json()["answers"]
    assert [one["outcome"] for one in every] == [*scorer.models.outcomes, "any_failure"]


def test_what_the_data_never_saw_is_refused(client, open_cases):
    """With the reason, and without a figure that could be taken for an answer."""
    offices = sorted(client.app.state.reads.current().places.offices)
    refused = [
        one
        for office in offices
        for one in post(client, open_cases[0], {"action": "hand_over", "office": office}).json()["answers"]
        if one["refused"]
    ]
    assert refused
    for one in refused:
        assert (
            one["after"] is one["lower"] is one["upper"] is one["cases"] is one["failed_share"] is one["seen"] is None
        )
        assert one["text"] == one["refused"]
    said = {one["refused"] for one in refused}
    assert "The case is at that office already." in said
    assert any("too few to compare" in text for text in said)
    unseen = post(client, open_cases[0], {"action": "hand_over", "office": "Z-99"}).json()["answers"]
    assert {one["refused"] for one in unseen} == {"No case was ever at that office, so nothing can be compared."}


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"action": "escalate"}, 422, "action: one of 'reply', 'hand_over', 'resume', 'answer_by'"),
        ({"action": "handed_up"}, 422, "action: one of 'reply', 'hand_over', 'resume', 'answer_by'"),
        ({}, 422, "action"),
        ({"action": "reply", "caller": "x"}, 422, "only parameters that this address knows"),
        ({"action": "reply", "outcomes": ["arrested"]}, 422, "outcomes[0]"),
        ({"action": "hand_over"}, 400, "Expected the code of another office with `hand_over`, and with nothing else."),
        ({"action": "reply", "office": "T-01"}, 400, "Expected the code of another office with `hand_over`"),
        ({"action": "answer_by"}, 400, "Expected a day with `answer_by`, within two weeks of the scoring"),
        ({"action": "answer_by", "by": "2040-01-01"}, 400, "Expected a day with `answer_by`, within two weeks"),
        ({"action": "reply", "by": "2025-01-01"}, 400, "Expected a day with `answer_by`, within two weeks"),
    ],
)
def test_only_what_an_office_does_can_be_asked(client, open_cases, body, status, expected):
    """Everything else is refused by what was expected."""
    answer = post(client, open_cases[0], body)
    assert answer.status_code == status
    assert expected in answer.text


def test_a_case_of_another_office_is_not_told_of(client, open_cases):
    """Neither over the API nor on its page: as if it were not there."""
    risks = client.json(f"/v1/cases/{open_cases[0]}")
    own = risks["office"]["code"]
    for office, status in ((own, 200), ("elsewhere", 404)):
        identity = Identity("key:test", Role.HANDLER, frozenset({office}), SCOPES[Role.HANDLER])
        client.app.dependency_overrides[identify] = lambda identity=identity: identity
        try:
            assert post(client, open_cases[0], {"action": "reply"}).status_code == status
            assert client.get(f"/cases/{open_cases[0]}/what-if?action=reply").status_code == status
        finally:
            client.app.dependency_overrides.clear()


def test_each_question_is_in_the_audit_trail(client, store, open_cases):
    """As a read of the case, before the answer leaves; a refused call is none."""
    entry = tables.audit_entry.c
    asked = select(entry.target, entry.action).where(entry.detail.like("%what-if%"))

    def recorded() -> list:
        with store.reading() as connection:
            return [tuple(row) for row in connection.execute(asked)]

    before = len(recorded())
    assert post(client, open_cases[1], {"action": "reply"}).status_code == 200
    assert client.get(f"/cases/{open_cases[1]}/what-if").status_code == 200
    assert post(client, open_cases[1], {"action": "hand_over"}).status_code == 400
    assert recorded()[before:] == [(open_cases[1], "case.read")] * 2


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_says_what_its_twin_does(client, open_cases, language):
    """The answer, the refusal and the questions; and the page of the case leads there without a script."""
    case = open_cases[0]
    of_case = page_tree(client.get(f"/cases/{case}?lang={language}", accept="text/html").text)
    forms = [form for form in of_case.all("form") if form.attributes.get("action", "").endswith("/what-if")]
    names = {
        field.attributes["value"]
        for form in forms
        for field in form.all("input")
        if field.attributes["name"] == "action"
    }
    assert {"reply", "hand_over", "answer_by"} <= names <= set(ACTIONS)
    day = client.json(f"/v1/cases/{case}/what-if")["days"][4]
    for query in (
        "",
        "action=reply&",
        "action=hand_over&office=T-01&",
        "action=resume&",
        f"action=answer_by&by={day}&",
    ):
        address = f"/cases/{case}/what-if?{query}lang={language}"
        page = client.get(address, accept="text/html")
        assert page.status_code == 200, page.text
        main = page_tree(page.text).find("main")
        twin = client.json(f"/v1{address}")
        assert differences(main, twin, client.json, minimum=10) == []
        for item in twin["answers"][1:]:
            assert (item["refused"] or item["seen"] or "") in main.text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_of_a_case_says_what_its_twin_does(client, open_cases, language):
    """With what became of cases like it, in the very words of the twin."""
    told = 0
    for case in open_cases[:6]:
        address = f"/cases/{case}?lang={language}"
        main = page_tree(client.get(address, accept="text/html").text).find("main")
        twin = client.json(f"/v1{address}")
        assert differences(main, twin, client.json, minimum=10) == []
        told += twin["similar"] is not None
        total = twin["base_points"] + sum(reason["points"] for reason in twin["reasons"])
        assert total == pytest.approx(twin["total_points"], abs=1e-9)
        assert twin["total_points"] == pytest.approx(twin["risk"]["per_100"], abs=0.5)
    assert told


def test_other_models_than_those_of_the_scoring_are_not_asked(tmp_path):
    """The risk before would be another than the page shows; and without counts nothing can be told."""
    city = online_city(tmp_path / "city")
    client = Client(create_app(city.settings))
    case = next(case["id"] for case in client.json("/v1/cases?deadline=ahead&limit=1")["cases"])
    city.registry().promote("failures", city.versions[1])
    answer = post(client, case, {"action": "reply"})
    assert answer.status_code == 409
    assert "are not those of the scoring that is shown" in answer.text
    client.close()


def test_a_scoring_that_counted_nothing_says_so(tmp_path):
    """As one by an older version of heed: with what to do, and the page of the case without its counts."""
    assert read_past_cases(tmp_path) is None
    (tmp_path / FILE).write_text('{"format": 99}')
    with pytest.raises(FileFormatError, match=r"Expected counts of past cases of format 1\. Run `heed score`"):
        read_past_cases(tmp_path)
    with pytest.raises(FileFormatError, match="Expected counts of past cases, and they are damaged"):
        PastCases.from_bytes(b"{")


def test_an_overdue_case_is_failed_already(store, scorer, home, city):
    """Of any failure no question is answered, and its risk is told as the fact that it is."""
    risks = city.risks()
    overdue = risks[(risks["outcome"] == "any_failure") & (risks["probability"] == 1)]["case_id"].iloc[0]
    with store.reading() as connection:
        found = {
            one.outcome: one for one in ask(connection, scorer.models, scorer.saved, home, overdue, Question("reply"))
        }
    assert found["any_failure"].before == 1
    assert (
        found["any_failure"].refused[1]
        == "The case is late already: that it was failed is a fact, whatever is done now."
    )
    assert math.isnan(found["late"].before)
    item = what_if_item(words_of("zh"), found["any_failure"])
    assert (item.after, item.refused) == (None, "案件已超期，失误已成事实，怎样办都不会改变。")


@pytest.fixture
def command(monkeypatch, capsys, city):
    """Run `heed what-if`; exit code, stdout, stderr, with lines joined."""

    def run(*arguments: str) -> tuple[int, str, str]:
        url = city.settings.store_url
        monkeypatch.setattr(sys, "argv", ["heed", "--store", url, "what-if", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        told = capsys.readouterr()
        return code, " ".join(told.out.split()), " ".join(told.err.split())

    return run


def test_the_command_tells_what_the_api_does(command, client, open_cases):
    """In words, and as JSON for machines."""
    code, printed, _ = command(open_cases[0], "--action", "reply", "--outcome", "late", "--json")
    assert code == 0
    told = json.loads(printed)
    (item,) = post(client, open_cases[0], {"action": "reply", "outcomes": ["late"]}).json()["answers"]
    assert round(told["answers"][0]["before"], 4) == item["before"]
    assert told["answers"][0]["text_en"] == item["text"]
    code, printed, _ = command(open_cases[0], "--action", "reply")
    assert code == 0
    assert item["text"] in printed
    assert "it does not say that doing so is the cause" in printed


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("--action", "handed_up"),
            "--action: expected something that an office can do, reply, hand_over, resume, answer_by",
        ),
        (("--action", "answer_by", "--by", "soon"), "--by: expected a day such as 2026-03-02."),
        (("--action", "hand_over"), "Expected the code of another office with `hand_over`, and with nothing else."),
        (("--action", "reply", "--outcome", "arrested"), "Expected an outcome that the models tell, late,"),
    ],
)
def test_the_command_refuses_by_what_was_expected(command, open_cases, arguments, expected):
    """With exit code 2."""
    code, _, said = command(open_cases[0], *arguments)
    assert code == 2
    assert expected in said


def test_the_command_knows_no_case_by_another_name(command):
    """A number that no case has."""
    code, _, said = command("0" * 32, "--action", "reply")
    assert code == 2
    assert "Expected a case that is known at that moment, and this one is not. Check its name." in said
