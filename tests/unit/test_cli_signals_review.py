"""`heed signals review` as a user meets it: a step is written down, and what is none is refused."""

from __future__ import annotations

import json
import sys

import pytest

from data.store import Store
from service import cli
from tests.support.service_store import AS_OF, DAY, simulated_signals, small_store

HINT = "`heed signals --json` lists the ids."


@pytest.fixture
def path(tmp_path):
    return small_store(tmp_path)


@pytest.fixture
def review(monkeypatch, capsys, path):
    """Run `heed signals review`; exit code, stdout, stderr, with lines joined."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["heed", "--store", str(path), "signals", "review", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        told = capsys.readouterr()
        return code, " ".join(told.out.split()), " ".join(told.err.split())

    return run


def ids(path) -> list[str]:
    with Store.open(str(path)) as store:
        return store.read_all_signals()["signal_id"].tolist()


def reviews(path):
    with Store.open(str(path)) as store:
        return store.read_reviews()


def unlike(signal_ids: list[str]) -> str:
    """A beginning that no id has."""
    return next(one for one in "0123456789abcdefz" if not any(known.startswith(one) for known in signal_ids))


def test_the_beginning_of_an_id_is_enough(review, path):
    """Said in words: what, where, from which status to which; written under the whole id."""
    known = ids(path)[0]
    code, out, err = review(known[:12], "--status", "checked")
    assert (code, err) == (0, "")
    with Store.open(str(path)) as store:
        row = store.read_all_signals().iloc[0]
    assert out == f"{row['category']} in {row['area']}, {row['direction']}: new → checked."
    kept = reviews(path)
    assert kept[["signal_id", "status"]].to_dict("records") == [{"signal_id": known, "status": "checked"}]
    assert kept["reason"].isna().all()


def test_every_step_is_kept_and_the_newest_counts(review, path):
    """Checked, then dismissed with its reason in words: both rows stay."""
    known = ids(path)[1]
    review(known, "--status", "checked")
    code, out, _ = review(known, "--status", "dismissed", "--reason", "season")
    assert code == 0
    assert out.endswith("checked → dismissed (the usual course of the season).")
    assert reviews(path)["status"].tolist() == ["checked", "dismissed"]
    assert "who" not in reviews(path).columns


def test_json_says_the_step(review, path):
    """Plain values, with the status until then."""
    known = ids(path)[2]
    code, out, _ = review(known, "--status", "acted", "--json")
    told = json.loads(out)
    assert code == 0
    assert set(told) == {"signal_id", "area", "category", "direction", "status", "reason", "before"}
    assert (told["signal_id"], told["before"], told["status"], told["reason"]) == (known, "new", "acted", None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--status", "closed"), "Expected a status out of checked, confirmed, dismissed, acted."),
        (("--status", "new"), "Expected a status out of checked, confirmed, dismissed, acted."),
        (("--status", "dismissed"), "A dismissal needs a reason out of known_event, season, counted_otherwise,"),
        (("--status", "dismissed", "--reason", "a text"), "A dismissal needs a reason out of known_event,"),
        (
            ("--status", "confirmed", "--reason", "season"),
            "Only a dismissal has a reason; leave it out for 'confirmed'",
        ),
    ],
)
def test_what_is_no_step_is_refused(review, path, options, message):
    """The message says what was expected; exit code 2, and nothing is written."""
    code, out, err = review(ids(path)[0], *options)
    assert (code, out) == (2, "")
    assert message in err
    assert reviews(path).empty


def test_an_id_that_fits_no_signal_is_refused(review, path):
    """An unknown beginning, and an empty one, which would fit all."""
    for unknown in (unlike(ids(path)), ""):
        code, _, err = review(unknown, "--status", "checked")
        assert code == 2
        assert f"Expected an id that one stored signal begins with; none does. {HINT}" in err
    assert reviews(path).empty


def test_an_id_that_fits_several_is_refused(review, path):
    """More signals than letters: some letter begins two ids."""
    with Store.open(str(path)) as store:
        for days in range(1, 6):
            store.write_signals(simulated_signals(AS_OF + days * DAY))
    letters = [one[0] for one in ids(path)]
    shared = max(letters, key=letters.count)
    code, _, err = review(shared, "--status", "checked")
    assert code == 2
    assert f"Expected an id that one stored signal begins with; {letters.count(shared)} do. {HINT}" in err
