"""`heed check` as people and machines meet it: exit codes, JSON, terminal, and a page that stands by itself."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from data.errors import UsageError
from data.quality.check import CODES, check_file, check_store
from data.store import Store
from service.check_report.page import page_of
from service.check_report.told import Report
from service.check_verdict import verdicts
from tests.support.check_exports import healthy
from tests.support.exports import TOWN, changed, town
from tests.unit.test_cli import run


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An export with one stop, some warnings and notes, and its mapping, as files."""
    folder = tmp_path_factory.mktemp("check")
    frame = healthy()
    frame.loc[frame.index % 9 == 0, "village"] = None
    frame.loc[frame["kind"] == "Road", "due"] = None
    instant = (frame["via"] == "Site") & (frame.index % 5 == 0)
    frame.loc[instant, "closed"] = frame["opened"]
    frame = frame[(frame["kind"] != "Litter") | (frame["opened"] < "2023-01-01")]
    frame.loc[frame.index[:3], "closed"] = "2019-01-01 10:00:00"
    frame.assign(zip="02121").to_csv(folder / "export.csv", index=False)
    (folder / "town.toml").write_text(TOWN, "utf-8")
    return folder


@pytest.fixture(scope="module")
def report(files):
    checked = (check_file(files / "export.csv", files / "town.toml"),)
    return Report.of(checked, verdicts(checked))


def _arguments(files, *more):
    return ("check", str(files / "export.csv"), "--mapping", str(files / "town.toml"), *more)


# ---- the command ----


def test_a_file_is_checked_and_nothing_is_stored(monkeypatch, capsys, files, tmp_path):
    """Findings and verdicts come in sentences with what to do; no store appears."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEED_STORE_URL", raising=False)
    code, text, err = run(monkeypatch, capsys, *_arguments(files))
    flat = re.sub(r"\s+", " ", text)
    assert (code, err) == (0, "")
    assert "■ Stop" in text
    assert "▲ Warning" in text
    assert "In 3 rows, the closing lies before the opening" in flat
    assert "--set-aside closed_before_opened" in flat
    assert "Enough to train a model of lateness?" in text
    assert list(tmp_path.iterdir()) == []


def test_strict_fails_on_a_stop_and_on_nothing_less(monkeypatch, capsys, files, tmp_path):
    """Exit 1 with --strict where something stops; 0 without, and 0 on an export in good order."""
    assert run(monkeypatch, capsys, *_arguments(files, "--strict"))[0] == 1
    assert run(monkeypatch, capsys, *_arguments(files))[0] == 0
    good = tmp_path / "good.csv"
    healthy(800).to_csv(good, index=False)
    assert run(monkeypatch, capsys, "check", str(good), "--mapping", str(files / "town.toml"), "--strict")[0] == 0


def test_personal_columns_are_refused_with_three_and_unreadable_files_with_one(monkeypatch, capsys, files, tmp_path):
    """The door stands before the check, too."""
    personal = tmp_path / "personal.csv"
    healthy(300).assign(caller_phone="6175550100").to_csv(personal, index=False)
    code, out, err = run(monkeypatch, capsys, "check", str(personal), "--mapping", str(files / "town.toml"))
    assert (code, out) == (3, "")
    assert "caller_phone" in err
    assert "6175550100" not in err
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    assert run(monkeypatch, capsys, "check", str(empty), "--mapping", str(files / "town.toml"))[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "export.csv"), "--mapping: a file is checked with its mapping"),
        (("check", "export.csv", "--mapping", "boston", "--source", "boston"), "--source: is for a store"),
        (("check", "--mapping", "boston"), "--mapping: is for a file"),
    ],
)
def test_wrong_use_says_what_to_do(monkeypatch, capsys, arguments, message):
    """Exit 2 and the remedy."""
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert message in err


def test_a_store_is_checked_source_by_source(monkeypatch, capsys, small_city_url):
    """The demo city, imported, speaks Chinese on request; an unknown source is wrong use."""
    code, text, _ = run(monkeypatch, capsys, "--store", small_city_url, "check", "--lang", "zh")
    assert code == 0
    assert "够不够？" in text
    code, text, _ = run(monkeypatch, capsys, "--store", small_city_url, "check", "--source", "demo", "--json")
    assert [subject["source"] for subject in json.loads(text)["subjects"]] == ["demo"]
    code, _, err = run(monkeypatch, capsys, "--store", small_city_url, "check", "--source", "elsewhere")
    assert code == 2
    assert "It holds: demo" in err


def test_an_as_of_sees_only_what_was_known(small_city_url):
    """Half a year earlier there are fewer cases, and none opened later."""
    with Store.open(small_city_url) as store:
        (now,) = check_store(store)
        middle = (now.subject.cases["opened_at"].min() + now.subject.cases["opened_at"].max()) // 2
        (then,) = check_store(store, as_of=int(middle))
    assert 0 < len(then.subject.cases) < len(now.subject.cases)
    assert then.subject.cases["opened_at"].max() < middle


def test_the_catalogue_is_listed(monkeypatch, capsys):
    """`--codes` needs no file and no store, and lists every code."""
    code, text, _ = run(monkeypatch, capsys, "check", "--codes", "--json")
    assert code == 0
    assert [one["code"] for one in json.loads(text)["codes"]] == list(CODES)
    _, text, _ = run(monkeypatch, capsys, "check", "--codes", "--lang", "zh")
    assert "zone_converted_twice" in text


def test_a_file_and_the_store_it_is_imported_into_agree(files, tmp_path):
    """What is said of cases before the import is said of them after it, by the same figures."""
    from data.import_cases import import_file

    mapping = changed((files / "town.toml").read_text("utf-8") + '\n[rules]\nset_aside = ["closed_before_opened"]\n')
    before = {one.code: one.figures for one in check_file(files / "export.csv", mapping).findings}
    with Store.open(str(tmp_path / "x.db"), create=True) as store:
        import_file(store, files / "export.csv", mapping)
        (checked,) = check_store(store)
    after = {one.code: one.figures for one in checked.findings}
    for code in ("no_area", "no_deadline", "words_stop", "closed_before_opened"):
        assert after[code] == before[code], code


# ---- JSON ----

FINDING = {"code", "family", "level", "where", "figures", "zh", "en", "do_zh", "do_en", "chart"}
SUBJECT = {
    *("source", "title", "origin", "name", "time_zone", "as_of", "rows", "cases", "opened"),
    *("levels", "timeliness", "grades", "worst", "findings"),
}
VERDICT = {
    *("question", "answer", "asks_zh", "asks_en", "answers_zh", "answers_en"),
    *("reason_zh", "reason_en", "need_zh", "need_en", "figures"),
}


def test_the_json_keeps_its_shape(report):
    """Names that programs rely on: change them only together with `schema`."""
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert set(told) == {"schema", "minimum_cell", "levels", "subjects", "verdicts"}
    assert told["schema"] == 1
    (subject,) = told["subjects"]
    assert set(subject) == SUBJECT
    assert sum(subject["levels"].values()) == len(subject["findings"]) > 3
    for finding in subject["findings"]:
        assert set(finding) == FINDING
        assert set(finding["where"]) == {"column", "category", "office", "area", "channel", "period", "values"}
        if finding["chart"]:
            assert set(finding["chart"]) == {"kind", "unit", "label", "value", "mark", "points"}
    assert [one["question"] for one in told["verdicts"]] == ["train", "calibrate", "backtest", "detect"]
    assert all(set(one) == VERDICT for one in told["verdicts"])
    assert all(one["need_en"] for one in told["verdicts"] if one["answer"] == "no")


def test_no_small_count_of_a_place_is_in_the_json(report):
    """Cells of offices hold ten cases or more, and no finding names an area."""
    told = report.to_dict()["subjects"][0]
    assert all(one["in_doubt"] >= 10 for one in told["worst"])
    assert all(one["where"]["area"] is None for one in told["findings"])
    assert not {"North", "South", "East", "West"} & set(re.findall(r"\w+", json.dumps(told)))


# ---- enough? ----


def test_verdicts_follow_the_thresholds_of_training(tmp_path, files):
    """199 cases whose outcome is known are not enough, and a few hundred are; training says the same."""
    answers = {}
    for cases in (120, 900):
        path = tmp_path / f"{cases}.csv"
        healthy(cases).to_csv(path, index=False)
        checked = (check_file(path, town()),)
        answers[cases] = {one.question: one for one in verdicts(checked)}
    assert answers[120]["train"].answer == "no"
    assert answers[120]["train"].figures["more"] == 200 - answers[120]["train"].figures["known"]
    assert answers[900]["train"].answer == "yes"
    assert answers[900]["backtest"].answer in ("yes", "partly")
    assert answers[900]["calibrate"].answer == "no"
    assert answers[900]["detect"].figures["series"] == 16


def test_no_deadline_and_no_area_are_no_with_the_reason(tmp_path):
    """Without promises nothing is trained; without areas nothing is detected."""
    path = tmp_path / "bare.csv"
    healthy(600).assign(due=None, village=None).to_csv(path, index=False)
    told = {one.question: one for one in verdicts((check_file(path, town()),))}
    assert [told[name].answer for name in ("train", "calibrate", "backtest", "detect")] == ["no"] * 4
    assert "promised anything" in told["train"].reason.en


def test_nothing_to_judge_gives_no_verdict():
    """A log of inspections alone is asked nothing."""
    assert verdicts(()) == ()


# ---- the page ----


class _Page(HTMLParser):
    """Tags in order, with what an accessibility check asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br", "img", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def named(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module", params=["en", "zh"])
def page(request, report):
    return request.param, page_of(report, request.param)


def test_the_page_stands_by_itself(page):
    """No script, nothing fetched, small, in its language, readable from disk under its own policy."""
    language, text = page
    parsed = _Page(text)
    assert len(text.encode()) < 600_000
    assert not parsed.named("script")
    assert not parsed.named("link")
    assert not re.search(r"""(?:src|href)=["'](?!#)""", text)
    assert "@import" not in text
    assert parsed.named("html")[0]["lang"] == {"en": "en", "zh": "zh-Hans"}[language]
    assert any("default-src 'none'" in (meta.get("content") or "") for meta in parsed.named("meta"))
    assert "#00000" not in text, "a marker colour was not painted"


def test_the_page_is_accessible(page):
    """Headings in order, every picture with a text and a table, tables with captions and scopes, ids once."""
    _, text = page
    parsed = _Page(text)
    assert parsed.crossed == []
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in parsed.named("svg"))
    assert len(parsed.named("table")) == text.count("<caption>")
    assert all("scope" in cell for cell in parsed.named("th"))
    figures = text.split("<figure>")[1:]
    with_table = [one.split("</figure>")[0] for one in figures if "<figcaption>" in one.split("</figure>")[0]]
    assert with_table
    assert all("<table>" in one for one in with_table)
    ids = [attrs["id"] for _, attrs in parsed.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    for _, attrs in parsed.tags:
        if "aria-labelledby" in attrs:
            assert attrs["aria-labelledby"] in ids
    assert parsed.named("a") == [{"class": "skip", "href": "#main"}]


def test_the_page_says_what_the_json_says(page, report):
    """Every finding and every verdict stands on the page, in its language."""
    import html

    language, text = page
    told = report.to_dict()
    plain = html.unescape(re.sub(r"<[^>]+>", "", text)).replace("`", "")
    for finding in told["subjects"][0]["findings"]:
        assert finding[language].replace("`", "") in plain
        assert finding[f"do_{language}"].replace("`", "") in plain
    for verdict in told["verdicts"]:
        assert verdict[f"reason_{language}"] in plain


def test_what_a_source_writes_cannot_become_markup(tmp_path, files):
    """A category that looks like a tag is text on the page, in the picture and on the terminal."""
    frame = healthy(900)
    frame["kind"] = frame["kind"].replace("Road", "<b>Road</b> [red]&")
    frame.loc[frame["kind"].str.contains("<b>"), "due"] = None
    path = tmp_path / "odd.csv"
    frame.to_csv(path, index=False)
    checked = (check_file(path, town()),)
    text = page_of(Report.of(checked, verdicts(checked)), "en")
    assert "<b>Road" not in text
    assert "&lt;b&gt;Road" in text
    assert _Page(text).crossed == []


def test_an_unknown_source_is_wrong_use(small_city_url):
    """The message lists the sources there are."""
    with Store.open(small_city_url) as store, pytest.raises(UsageError, match=r"has no source 'x'\. It holds: demo"):
        check_store(store, source="x")
