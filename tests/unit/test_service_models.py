"""Models through the service: told whole, put to use by one at a time, and each change told before it is made."""

from __future__ import annotations

import json
import threading

import pytest

from data import tables
from data.store import Store
from models.registry import Registry
from service import promotions
from service.gating import require_gates
from service.identity import LOCAL, SCOPES, Identity, Role
from service.problems import ForbiddenError
from tests.support.judgements import drift_frame, judge_all, judgement
from tests.support.service_writes import Writer, acts, filled_store, left_in, writer_of
from tests.unit.test_cli_models import NAMES, bundle


class Kept:
    """A service on a store with three versions of one model."""

    def __init__(self, writer: Writer, store: Store, registry: Registry) -> None:
        self.writer, self.store, self.registry = writer, store, registry
        self.versions = [registry.save("failures", bundle(number)) for number in range(3)]
        judge_all(registry, self.versions[1:], beside=self.versions[0])

    def etag(self) -> str:
        """The tag of the list."""
        return self.writer.ask("GET", "/v1/models").headers["etag"]

    def promote(self, version: str, etag: str | None = None, body: dict | None = None, **headers: str):
        """Put a version to use."""
        sent = {"if_match": self.etag() if etag is None else etag, **headers}
        return self.writer.ask("POST", f"/v1/models/{version}/promote", body or {}, **sent)

    def rollback(self, etag: str | None = None, body: dict | None = None, **headers: str):
        """Put the earlier one back."""
        sent = {"if_match": self.etag() if etag is None else etag, **headers}
        return self.writer.ask("POST", "/v1/models/rollback", body or {}, **sent)


@pytest.fixture
def kept(tmp_path):
    """Three versions, none in use."""
    with filled_store("sqlite", tmp_path, None) as url:
        folder = tmp_path / "models"
        writer = writer_of(url, model_dir=folder)
        with Store.open(url) as store:
            yield Kept(writer, store, Registry(folder))
        writer.close()


def test_the_list_tells_every_version(kept):
    """What it is in use as, whether it can be used, and the numbers of its card."""
    kept.registry.promote("failures", kept.versions[0])
    kept.registry.promote("failures", kept.versions[1])
    answer = kept.writer.ask("GET", "/v1/models")
    told = {one["version"]: one for one in answer.json()["models"]}
    assert list(told) == sorted(kept.versions)
    assert [told[version]["aliases"] for version in kept.versions] == [["previous"], ["champion"], []]
    first = told[kept.versions[0]]
    assert (first["model"], first["state"], first["signed_by"]) == ("failures", "usable", None)
    assert (first["outcomes"], first["features"]) == (["late"], len(NAMES))
    assert first["trained_before"] == "2023-11-14T22:13:20Z"
    assert first["figures"] == {"backtest.auc": 0.8, "backtest.brier": 0.125}
    assert kept.writer.ask("GET", "/v1/models", if_none_match=answer.headers["etag"]).status_code == 304


def test_a_store_without_models_lists_none(tmp_path):
    """An empty list, not an error."""
    with filled_store("sqlite", tmp_path, None) as url:
        writer = writer_of(url)
        assert writer.ask("GET", "/v1/models").json() == {"models": [], "history": []}
        writer.close()


@pytest.mark.parametrize("number", [0, 1])
def test_one_version_is_told_with_its_lineage_and_beside_the_champion(kept, number):
    """The card, of what it was made, and the comparison; the champion is compared with nothing."""
    kept.registry.promote("failures", kept.versions[0])
    version = kept.versions[number]
    answer = kept.writer.ask("GET", f"/v1/models/{version}")
    told = answer.json()
    assert told["card"] == {"backtest": {"auc": 0.8, "brier": 0.125 * (1 + number)}}
    assert told["lineage"]["seeds"] == {"late": 1}
    assert "features" not in told["lineage"]
    assert told["columns"] == sorted(NAMES)
    if number == 0:
        assert told["comparison"] is None
    else:
        assert told["comparison"]["champion"] == kept.versions[0]
        assert told["comparison"]["figures"]["backtest.brier"] == [0.125, 0.25]
        assert told["comparison"]["settings"] == {"late.rounds": [100, 101]}
        assert told["comparison"]["columns"] == {"added": [], "removed": []}
        assert told["comparison"]["lineage"]["trained_before"] == [1_700_000_000, 1_700_000_001]
    assert kept.writer.ask("GET", f"/v1/models/{version}", if_none_match=answer.headers["etag"]).status_code == 304


@pytest.mark.parametrize("version", ["failures-000000000000", "nothing", "..", "aliases.json", "%2e%2e%2f"])
def test_a_version_that_is_not_there_is_not_found(kept, version):
    """Whatever the name leads to on the disk."""
    for method, path, body in (("GET", "", None), ("POST", "/promote", {})):
        answer = kept.writer.ask(method, f"/v1/models/{version}{path}", body, if_match=kept.etag())
        assert answer.status_code in (404, 405), answer.text
        assert str(kept.registry.folder) not in answer.text


def test_a_version_is_put_to_use(kept):
    """The answer says what was before; its tag is that of the list from now on."""
    first = kept.promote(kept.versions[0], body={"reason": "first-of-all"})
    assert first.status_code == 200, first.text
    assert first.json() == {"model": "failures", "version": kept.versions[0], "alias": "champion", "before": None}
    assert first.headers["etag"] == kept.etag()
    second = kept.promote(kept.versions[1], first.headers["etag"])
    assert second.json()["before"] == kept.versions[0]
    assert kept.registry.champion("failures") == kept.versions[1]
    shadow = kept.promote(kept.versions[2], body={"alias": "shadow"})
    assert shadow.json()["alias"] == "shadow"
    assert kept.registry.alias("failures", "shadow") == kept.versions[2]
    back = kept.rollback(body={"reason": "worse"})
    assert back.json() == {
        "model": "failures", "version": kept.versions[0], "alias": "champion", "before": kept.versions[1]
    }  # fmt: skip
    assert back.headers["etag"] == kept.etag()
    assert kept.registry.champion("failures") == kept.versions[0]


def test_the_trail_tells_of_a_change_before_it_is_made(kept, monkeypatch):
    """An entry with what is to be done, then the change with its number, then an entry that ends it."""
    seen = []
    real = Registry.promote
    monkeypatch.setattr(
        Registry, "promote", lambda *a, **k: (seen.append(acts(kept.store, "model.promote")), real(*a, **k))[1]
    )
    kept.promote(kept.versions[0], body={"reason": "better"})
    assert [one["stage"] for one in seen[0]] == ["begun"]
    begun, done = acts(kept.store, "model.promote")
    assert begun == {"stage": "begun", "alias": "champion", "before": None, "reason": "better"}
    assert done == {**begun, "stage": "done", "begun": done["begun"]}
    assert kept.registry.history()[-1].reason == f"better (audit {done['begun']})"
    assert kept.rollback().status_code == 409
    assert acts(kept.store, "model.rollback") == []


@pytest.mark.parametrize("way", ["promote", "rollback"])
def test_a_change_is_decided_on_the_list_that_was_read(kept, way):
    """428 without a tag, 412 with one that is no longer that of the list; nothing changes."""
    kept.promote(kept.versions[0])
    kept.promote(kept.versions[1])
    old = kept.etag()
    kept.registry.promote("failures", kept.versions[2])
    before = left_in(kept.store)
    ask = kept.rollback if way == "rollback" else lambda etag: kept.promote(kept.versions[1], etag)
    assert ask("*").status_code == 428
    answer = ask(old)
    assert (answer.status_code, answer.json()["type"]) == (412, "urn:heed:problem:precondition-failed")
    assert kept.registry.champion("failures") == kept.versions[2]
    assert left_in(kept.store) == before


def test_a_change_at_the_command_in_between_is_noticed(kept, monkeypatch):
    """Between the look at the list and the change, somebody promotes at the machine: 412, and the trail says so."""
    kept.promote(kept.versions[0])
    real = promotions.check

    def meanwhile():
        kept.registry.promote("failures", kept.versions[2])
        return real()

    monkeypatch.setattr(promotions, "check", meanwhile)
    answer = kept.promote(kept.versions[1])
    assert answer.status_code == 412
    assert "put to use meanwhile" in answer.json()["detail"]
    assert kept.registry.champion("failures") == kept.versions[2]
    assert [one["stage"] for one in acts(kept.store, "model.promote")] == ["begun", "done", "begun", "refused"]


def test_nothing_to_go_back_to_is_said(kept):
    """409, without an entry of the trail."""
    answer = kept.rollback()
    assert answer.status_code == 409
    assert "no earlier model" in answer.json()["detail"]
    assert left_in(kept.store)["audit_entry"] == 0


def test_a_damaged_version_is_not_put_to_use(kept):
    """Nor told as usable; nothing of the machine is in the answer."""
    path = kept.registry.folder / kept.versions[0] / "late" / "booster.txt"
    path.write_bytes(path.read_bytes() + b"x")
    told = {one["version"]: one["state"] for one in kept.writer.ask("GET", "/v1/models").json()["models"]}
    assert told[kept.versions[0]] == "damaged"
    for answer in (kept.promote(kept.versions[0]), kept.writer.ask("GET", f"/v1/models/{kept.versions[0]}")):
        assert answer.status_code == 409
        assert "damaged" in answer.json()["detail"]
        assert str(kept.registry.folder) not in answer.text
        assert "booster" not in answer.text
    assert kept.registry.champion("failures") is None


def test_a_version_that_does_not_fit_is_not_put_to_use(kept):
    """Made of other facts: refused by the check of the registry, and the trail says that it was."""
    files = bundle(7)
    card = json.loads(files["card.json"])
    card["lineage"]["facts_contract"] = "0" * 64
    version = kept.registry.save("failures", {**files, "card.json": json.dumps(card).encode()})
    told = {one["version"]: one["state"] for one in kept.writer.ask("GET", "/v1/models").json()["models"]}
    assert told[version] == "misfit"
    answer = kept.promote(version)
    assert answer.status_code == 409
    assert "made for other features" in answer.json()["detail"]
    assert [one["stage"] for one in acts(kept.store, "model.promote")] == ["begun", "refused"]
    assert kept.registry.champion("failures") is None


def test_a_version_that_learned_of_people_is_refused(kept):
    """403, by the boundary."""
    version = kept.registry.save("failures", bundle(8, (*NAMES, "complainant_age")))
    told = {one["version"]: one["state"] for one in kept.writer.ask("GET", "/v1/models").json()["models"]}
    assert told[version] == "refused"
    answer = kept.promote(version)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:heed:problem:boundary")
    assert kept.registry.champion("failures") is None


def test_a_version_that_is_worse_is_not_put_to_use_without_a_reason(kept):
    """409 with the way out; an administrator's reason goes over the gates, and the trail names them."""
    first, second, _third = kept.versions
    kept.promote(first)
    worse = judgement(first, differences__brier={"value": 0.02, "low": 0.01, "high": 0.03})
    kept.registry.keep_judged(second, worse)
    shown = {gate["name"]: gate["passed"] for gate in kept.writer.ask("GET", f"/v1/models/{second}").json()["gates"]}
    assert shown["brier"] is False
    assert shown["slices"] is True
    answer = kept.promote(second)
    assert answer.status_code == 409
    assert "Some gates of this version are not passed" in answer.json()["detail"]
    assert kept.registry.champion("failures") == first
    assert kept.promote(second, body={"override": "A sentence."}).status_code == 422
    # In line, and beside, gates are not asked.
    assert kept.promote(second, body={"alias": "shadow"}).status_code == 200
    assert kept.promote(second, body={"override": "agreed-trial"}).status_code == 200
    assert kept.registry.champion("failures") == second
    done = acts(kept.store, "model.promote")[-1]
    assert (done["override"], done["gates"]) == ("agreed-trial", ["brier"])
    # The way back asks no gate.
    assert kept.rollback().json()["version"] == first


def test_only_an_administrator_goes_over_gates(kept):
    """Whoever may promote may not do that."""
    kept.promote(kept.versions[0])
    analyst = Identity("key:analyst", Role.ANALYST, None, SCOPES[Role.ANALYST])
    kept.registry.keep_judged(kept.versions[1], judgement(kept.versions[0], cases=3))
    with pytest.raises(ForbiddenError, match="Only an administrator"):
        require_gates(kept.registry, kept.versions[1], kept.versions[0], "agreed-trial", analyst)
    assert require_gates(kept.registry, kept.versions[1], kept.versions[0], "agreed-trial", LOCAL) == ["cases"]


def test_the_drift_of_the_models_in_use_is_told(kept):
    """What the newest scoring with them found; 404 where none did."""
    assert kept.writer.ask("GET", "/v1/models/drift").status_code == 404
    kept.promote(kept.versions[0])
    kept.store.write_drift(drift_frame(kept.versions[0], 1_763_683_200), as_of=1_763_683_200)
    answer = kept.writer.ask("GET", "/v1/models/drift")
    told = answer.json()
    assert (told["as_of"], told["model_version"]) == ("2025-11-21T00:00:00Z", kept.versions[0])
    outcomes = {one["outcome"]: one for one in told["outcomes"]}
    assert [outcomes[name]["holds"] for name in ("late", "handed_up_28d", "reopened_28d")] == [True, False, None]
    assert outcomes["late"]["risk"]["level"] == "stable"
    assert [(move["measure"], move["level"]) for move in told["inputs"]] == [
        ("backlog_office", "moved_much"),
        ("time_waited", "stable"),
    ]
    assert kept.writer.ask("GET", "/v1/models/drift", if_none_match=answer.headers["etag"]).status_code == 304


@pytest.mark.parametrize("body", [{"reason": "Mr Wang asked for it"}, {"alias": "previous"}, {"why": "x"}])
def test_a_reason_is_a_code(kept, body):
    """No sentence goes into a history that is kept."""
    for answer in (kept.promote(kept.versions[0], body=body), kept.rollback(body=body)):
        assert answer.status_code == 422
        assert "Wang" not in answer.text
    assert left_in(kept.store)["audit_entry"] == 0


def test_a_repeated_promotion_with_a_key_is_one(kept):
    """The same answer, though the list has changed by it."""
    etag = kept.etag()
    first, again = (kept.promote(kept.versions[0], etag, idempotency_key="k") for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    assert [one["stage"] for one in acts(kept.store, "model.promote")] == ["begun", "done"]


def test_a_promotion_whose_process_died_is_ended_by_its_repetition(kept, monkeypatch):
    """The registry had changed and the database had not: the same call with the same key finds it done, and says so."""
    etag = kept.etag()

    class Died(BaseException):
        """As if the process had ended."""

    def dying(*_given, **_named):
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr("service.routers.models.Changing.finish", _dies_after(promotions.Changing.finish, Died))
        patch.setattr("service.idempotency._Once.give_back", dying)
        with pytest.raises(Died):
            kept.promote(kept.versions[0], etag, idempotency_key="k")
    assert kept.registry.champion("failures") == kept.versions[0]
    assert [one["stage"] for one in acts(kept.store, "model.promote")] == ["begun"]
    with kept.store.writing() as connection:
        connection.execute(tables.idempotent_request.update().values(lease_until=0))
    answer = kept.promote(kept.versions[0], etag, idempotency_key="k")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"model": "failures", "version": kept.versions[0], "alias": "champion", "before": None}
    assert [one["stage"] for one in acts(kept.store, "model.promote")] == ["begun", "done"]
    assert len([entry for entry in kept.registry.history() if entry.action == "promoted"]) == 1
    # Without the key it is another call, and decided on a state that is gone.
    assert kept.promote(kept.versions[0], etag, idempotency_key="other").status_code == 412


def _dies_after(real, error):
    def finish(self, connection):
        real(self, connection)
        raise error

    return finish


def test_of_two_promotions_at_once_one_wins(kept):
    """Whatever each wants: the others are told that they decided on what is no more."""
    etag = kept.etag()
    answers = []
    ready = threading.Barrier(3)

    def send(version: str) -> None:
        ready.wait(10)
        answers.append(kept.promote(version, etag))

    threads = [threading.Thread(target=send, args=(version,)) for version in kept.versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]
    won = next(answer.json() for answer in answers if answer.status_code == 200)
    assert kept.registry.champion("failures") == won["version"]
    assert len([entry for entry in kept.registry.history() if entry.action == "promoted"]) == 1


def test_a_registry_that_cannot_be_read_is_told_without_a_path(kept):
    """409, with what to do."""
    kept.promote(kept.versions[0])
    etag = kept.etag()
    (kept.registry.folder / "aliases.json").write_text("{")
    for answer in (kept.writer.ask("GET", "/v1/models"), kept.promote(kept.versions[1], etag)):
        assert answer.status_code == 409
        assert "heed models verify" in answer.json()["detail"]
        assert str(kept.registry.folder) not in answer.text
