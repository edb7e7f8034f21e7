"""When an echo board is made, on both engines; when it waits for an import; how one is taken back for good."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack

import pandas as pd
import pytest

from data.replay import Replay
from data.schema import EVENT_COLUMNS
from data.sources.state import begin
from data.store import ImportRun, Store
from data.store_audit import entries
from service import cli
from service.board_block import Block
from service.board_counts import keep_board
from service.board_cover import Gap
from service.detection import detect
from service.published_board import read_board
from tests.support.exports import fresh_schema
from tests.support.service_client import client_of
from tests.support.service_store import small_store

BLOCK = Block.newest(1_763_683_200, "UTC")
WEEK = 7 * 86_400
AREAS = ("a1", "a2", "a3")
KINDS = ("lamp", "road")


def history(first: int, last: int, *, per_week: int = 9) -> pd.DataFrame:
    """Cases of the weeks `first` to `last` of the block (those before it are negative); of nine cases six are
    solved within a day, one is closed in another way, and two stay open.
    """
    rows = []
    for week in range(first, last):
        for area in AREAS:
            for kind in KINDS:
                for number in range(per_week):
                    at = BLOCK.since + week * WEEK + (number + 1) * 3_600
                    one = {"case_id": f"{week}-{area}-{kind}-{number}", "category": kind, "area": area, "office": "o"}
                    rows.append({**one, "kind": "opened", "at": at, "known_at": at})
                    if number % 9 not in (0, 6):
                        closed = {"kind": "closed", "at": at + 86_400, "known_at": at + 86_400}
                        rows.append({**one, **closed, "closing_reason": "resolved" if number % 3 else "noted"})
    frame = pd.DataFrame(rows, columns=[*EVENT_COLUMNS])
    frame["due_at"] = frame["due_at"].astype("Int64")
    return frame.astype({name: "str" for name in EVENT_COLUMNS if name not in ("at", "known_at", "due_at")})


def add(store: Store, events: pd.DataFrame, seen_at: int, *, source: str = "made", posted: bool = False) -> None:
    """An import of those events: a file that was looked at then, or a post that speaks of its own cases only."""
    opened = events.loc[events["kind"] == "opened", "at"]
    ends = (int(opened.min()), int(opened.max()))
    look = {"seen_at": seen_at, "opened_from": ends[posted], "opened_to": ends[1 - posted], "cases": len(opened)}
    run = ImportRun(
        source=source,
        time_zone="UTC",
        known_at_opening=("category", "area", "office"),
        file_name=f"{seen_at}.csv",
        file_sha256=f"{ends[0] + seen_at:064x}",
        extracted_at=seen_at,
        report={"snapshots": [look]},
    )
    store.add_events(run, events.assign(case_id=source + "-" + events["case_id"]))


def made(store: Store, as_of: int) -> tuple[Gap, ...]:
    """What a board lacks, or none where it was made; as a detection asks."""
    replay = Replay.at(store, as_of, everything=True)
    return keep_board(
        store,
        replay.events(),
        as_of=as_of,
        time_zone="UTC",
        parents={},
        observed_until=replay.observed_until(),
        last_import=replay.last_import,
    )


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
        yield opened


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_detection_makes_the_board_of_the_newest_block_on_both_engines(kind, tmp_path, request):
    """12 weeks of three areas and two types, nine cases a week in each; the same on either."""
    with ExitStack() as stack:
        url = str(tmp_path / "x.db")
        if kind == "postgresql":
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
        store = stack.enter_context(Store.open(url, create=True))
        add(store, history(-6, 15), BLOCK.counted_at + 3_600)
        assert detect(store, as_of=BLOCK.counted_at + 3_600, weeks=1).board_gaps == ()
        board = store.read_board_counts().set_index(["area", "category"])
        assert board.index.tolist() == [(a, c) for a in ("*", *AREAS) for c in ("*", *KINDS)]
        assert board["as_of"].eq(BLOCK.counted_at).all()
        assert board["since"].eq(BLOCK.since).all()
        assert board.loc[("*", "*"), ["raised", "solved", "still_open"]].tolist() == [648, 432, 144]
        assert board.loc[("a1", "lamp"), ["raised", "solved", "still_open"]].tolist() == [108, 72, 24]


def test_no_board_is_made_of_weeks_that_a_source_lacks(store):
    """Files of weeks, looked at on one day: without the second half there is no board; with it there is."""
    add(store, history(-6, 6), BLOCK.counted_at + 3_600)
    as_of = BLOCK.counted_at + 3_600
    assert made(store, as_of) == (Gap("made", "missing_weeks"),)
    assert store.read_board_counts().empty
    add(store, history(6, 15), BLOCK.counted_at + 3_601)
    assert made(store, as_of) == ()
    assert store.has_board(BLOCK.counted_at)


def test_no_board_is_made_before_what_became_of_its_cases_was_looked_at(store):
    """A look at the end of the weeks does not know who was answered since; one of the last second does."""
    as_of = BLOCK.counted_at + 3_600
    add(store, history(-6, 12), BLOCK.until)
    add(store, history(13, 16), as_of)
    assert made(store, as_of) == (Gap("made", "not_looked_at"),)
    add(store, history(-6, 12), BLOCK.counted_at - 1)
    assert made(store, as_of) == ()


def test_a_source_that_posts_its_events_must_have_posted_since(store):
    """Its posts speak of their own cases only; the newest of any case says how far the source is told."""
    as_of = BLOCK.counted_at + WEEK
    add(store, history(-6, 15), BLOCK.counted_at - 2 * 86_400, posted=True)
    assert made(store, as_of) == (Gap("made", "not_looked_at"),)
    add(store, history(16, 17), as_of, posted=True)
    assert made(store, as_of) == ()


def test_a_second_source_has_to_be_whole_too_and_one_that_ended_long_ago_does_not(store):
    """It is asked of those that had cases in these weeks, or in every week before them."""
    as_of = BLOCK.counted_at + 3_600
    add(store, history(-6, 15), as_of)
    add(store, history(-30, -13), BLOCK.since - 12 * WEEK, source="old")
    add(store, history(-6, 1), BLOCK.since + WEEK, source="second")
    assert made(store, as_of) == (Gap("second", "missing_weeks"), Gap("second", "not_looked_at"))


def test_no_board_is_made_while_a_fetch_is_unfinished(store):
    """Its pages lie in the spool, and not in the store."""
    as_of = BLOCK.counted_at + 3_600
    add(store, history(-6, 15), as_of)
    begin(store, "portal", {"page": 1}, as_of)
    assert made(store, as_of) == (Gap("portal", "unfinished_fetch"),)


def test_no_board_is_kept_where_an_import_came_in_while_it_was_counted(store):
    """What was counted may be half of it. A post of a source that posts all the time holds nothing up."""
    as_of = BLOCK.counted_at + 3_600
    add(store, history(-6, 15), as_of)
    replay = Replay.at(store, as_of, everything=True)
    given = {"as_of": as_of, "time_zone": "UTC", "parents": {}, "observed_until": replay.observed_until()}
    add(store, history(2, 3, per_week=20), as_of + 1, source="late")
    assert keep_board(store, replay.events(), last_import=replay.last_import, **given) == ()
    assert store.read_board_counts().empty
    add(store, history(15, 16), as_of + 2, source="late", posted=True)
    assert keep_board(store, replay.events(), last_import=replay.last_import, **given) == ()
    assert store.has_board(BLOCK.counted_at)


@pytest.fixture
def heed(monkeypatch, capsys):
    def run(store: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["heed", "--store", store, *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_a_board_that_is_withdrawn_is_gone_for_good_and_the_trail_says_so(store, heed):
    """No figure is left in the store, and no detection makes another of the same weeks, however much came in since."""
    as_of = BLOCK.counted_at + 3_600
    add(store, history(-6, 15), as_of)
    url = str(store.engine.url.database)
    assert "`heed signals` makes it" in heed(url, "board", "show")[1]
    made(store, as_of)
    since = pd.Timestamp(BLOCK.since, unit="s").date().isoformat()
    assert json.loads(heed(url, "board", "show", "--json")[1])["newest"]["first_day"] == since
    code, said = heed(url, "board", "withdraw", "2001-01-01", "--reason", "half-an-import")
    assert (code, "Expected the first day of the newest board" in said) == (2, True)
    assert heed(url, "board", "withdraw", since, "--reason", "Mr Wang")[0] == 2
    assert heed(url, "board", "withdraw", since, "--reason", "half-an-import")[0] == 0
    counts = store.read_board_counts()
    assert counts[["area", "category"]].to_numpy().tolist() == [["*", "*"]]
    assert counts[["raised", "solved", "still_open"]].isna().all(axis=None)
    with store.reading() as connection:
        (entry,) = entries(connection, action="board.withdraw")
    assert entry["detail"] == {"reason": "half-an-import", "rows": 11, "since": since}
    add(store, history(0, 3, per_week=30), as_of + 5)
    assert made(store, as_of + 10) == ()
    assert store.read_board_counts()["raised"].isna().all()
    assert "withdrawn" in heed(url, "board", "show")[1]
    assert heed(url, "board", "withdraw", since, "--reason", "half-an-import")[0] == 2


@pytest.mark.parametrize(("language", "words"), [("en", "was withdrawn"), ("zh", "已撤回")])
def test_page_and_answer_say_that_a_board_was_withdrawn(tmp_path, language, words):
    """They tell of which weeks it was, and no figure."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        board = read_board(store, minimum=10, time_zone="Asia/Shanghai")
        with store.writing() as connection:
            store.withdraw_board(connection, board.counted_at)
    client = client_of(path)
    page = client.get(f"/board?lang={language}", accept="text/html").text
    assert words in page
    assert "<table" not in page
    answer = client.json("/v1/board")
    assert answer["withdrawn"] is True
    assert answer["areas"] == answer["acted_on"] == answer["city"]["types"] == []
    assert answer["city"]["total"]["raised"] == {"value": None, "withheld": True}
    assert len(client.get("/v1/board.csv").text.splitlines()) == 2
    assert client.get("/charts/board.svg").status_code == 200
