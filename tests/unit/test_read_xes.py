"""Event logs in XES: one row per event, and nothing that XML can hide."""

from __future__ import annotations

import gzip

import pytest

from data.errors import FileFormatError
from data.read import open_file

START = '<?xml version="1.0" encoding="UTF-8"?>\n<log xes.version="1849.2016" xmlns="http://www.xes-standard.org/">'
PREAMBLE = """
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<global scope="trace"><string key="concept:name" value="unknown"/></global>
<global scope="event"><string key="concept:name" value="unknown"/></global>
<classifier name="Activity" keys="concept:name"/>
<string key="concept:name" value="the whole log"/>
<!-- a comment -->
"""


def event(name: str, at: str = "2024-03-01T09:00:00.000+08:00", more: str = "") -> str:
    return f'<event><string key="concept:name" value="{name}"/><date key="time:timestamp" value="{at}"/>{more}</event>'


def trace(case: str, *events: str, more: str = "") -> str:
    return f'<trace><string key="concept:name" value="{case}"/>{more}{"".join(events)}</trace>'


def log(*traces: str) -> str:
    return f"{START}{PREAMBLE}{''.join(traces)}</log>"


def written(path, text: str | bytes):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_one_row_per_event_with_the_attributes_of_its_case(tmp_path):
    """Attributes of the trace come before the key `case:`; of the log and nested, none."""
    resource = '<string key="org:resource" value="p1"><string key="inner" value="x"/></string><int key="n" value="7"/>'
    text = log(trace("c1", event("opened", more=resource), event("closed")), trace("c2", event("opened")))
    file = open_file(written(tmp_path / "a.xes", text))
    assert file.columns == ("case:concept:name", "concept:name", "time:timestamp", "org:resource", "n")
    found = file.read(file.columns)
    assert found["case:concept:name"].tolist() == ["c1", "c1", "c2"]
    assert found["concept:name"].tolist() == ["opened", "closed", "opened"]
    assert found["time:timestamp"].tolist() == ["2024-03-01T09:00:00.000+08:00"] * 3
    assert found["n"].tolist()[0] == "7"
    assert found["n"].isna().tolist() == [False, True, True]
    assert file.notes == ()


def test_packed_and_with_prefixes_it_is_the_same_log(tmp_path):
    """A log packed with gzip, and one whose elements carry a prefix, give the same rows."""
    text = log(trace("c1", event("opened"), event("closed")))
    plain = open_file(written(tmp_path / "a.xes", text))
    packed = open_file(written(tmp_path / "a.xes.gz", gzip.compress(text.encode())))
    named = text.replace("xmlns=", "xmlns:x=").replace("</", "</x:").replace("<", "<x:").replace("<x:/x:", "</x:")
    named = named.replace("<x:?", "<?").replace("<x:!", "<!")
    prefixed = open_file(written(tmp_path / "b.xes", named))
    for other in (packed, prefixed):
        assert other.read(plain.columns).equals(plain.read(plain.columns))


def test_traces_without_events_are_noted(tmp_path):
    """A case without an event has no row; the note says how many."""
    file = open_file(written(tmp_path / "a.xes", log(trace("c1"), trace("c2", event("opened")), trace("c3"))))
    assert file.rows == 1
    assert file.notes == ("2 traces of the log hold no event, and so give no row.",)


def test_a_list_is_refused_only_where_it_is_wanted(tmp_path):
    """A list has no place in a table; a column that is left out is not looked at."""
    listed = '<list key="parts"><values><string key="a" value="secret"/></values></list>'
    file = open_file(written(tmp_path / "a.xes", log(trace("c1", event("opened"), event("closed", more=listed)))))
    assert len(file.read(["concept:name"])) == 2
    with pytest.raises(FileFormatError, match=r"column 'parts', row 2: expected one value, got a list") as info:
        file.read(["parts"])
    assert "secret" not in str(info.value)


def test_events_without_a_trace_have_no_case(tmp_path):
    """The standard allows them; their case is null, which the import refuses."""
    file = open_file(written(tmp_path / "a.xes", log(trace("c1", event("opened")), event("lost"))))
    assert file.read(["case:concept:name"])["case:concept:name"].isna().tolist() == [False, True]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f'<?xml version="1.0"?><!DOCTYPE log [{LAUGHS}]>' + START[39:] + trace("&l9;", event("x")) + "</log>",
            "a document type",
        ),
        (
            '<!DOCTYPE log SYSTEM "file:///etc/passwd">' + START[39:] + trace("c", event("x")) + "</log>",
            "a document type",
        ),
        (START + trace("&secret;", event("x")) + "</log>", "line 2: the XML is cut off or damaged"),
        (START + "<a>" * 100_000 + "</a>" * 100_000 + "</log>", "elements nested more than 64 deep"),
        (
            START + trace("c1", event("x")) + "<!--" + "x" * (5 * 2**20) + "--></log>",
            "an element longer than anything",
        ),
        (START + trace("c1", event("x" * (5 * 2**20))) + "</log>", "an element longer than anything"),
        (log(trace("c1", event("opened"), event("clo")))[:-30], "the XML is cut off or damaged there"),
        (log(trace("c1", event("opened"))) + "<log/>", "the XML is cut off or damaged there"),
        (log(), "the log holds no events"),
        ("<html><body><p>Not found</p></body></html>", "expected an event log in XES, whose first element is <log>"),
        (
            log(trace("c1", event("x", more='<string key="concept:name" value="secret"/>'))),
            "row 1: 'concept:name' stands twice",
        ),
        (log("<trace>" + event("x") + '<string key="concept:name" value="c1"/></trace>'), "stands after its events"),
        (
            log(trace("c1", event("x", more='<string key="jane@example.org" value="1"/>'))),
            "texts in the place of name 4",
        ),
        ("", "the file is empty"),
        ('<?xml version="1.0" encoding="secret-9"?><log/>', "names an encoding that cannot be read. Save it as UTF-8"),
        ('<?xml version="1.0" encoding="GB18030"?><log/>', "names an encoding that cannot be read. Save it as UTF-8"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path, text, message):
    """Bombs, other XML, cut-off logs: each with the place and the remedy, and without its content."""
    with pytest.raises(FileFormatError, match=message) as info:
        open_file(written(tmp_path / "a.xes", text))
    assert "secret" not in str(info.value)
    assert "passwd" not in str(info.value)
    assert len(str(info.value)) < 400


def test_a_packed_log_that_bursts_or_is_cut_off_is_refused(tmp_path):
    """What unpacks to more than three hundred times its size is no log; a cut shows at the end."""
    bomb = gzip.compress((START + " " * (70 * 2**20) + "</log>").encode())
    assert len(bomb) < 150_000
    with pytest.raises(FileFormatError, match=r"an element longer than anything|unpacks to more than 300 times"):
        open_file(written(tmp_path / "a.xes.gz", bomb))
    quiet = gzip.compress((START + ("<x/>" + " " * 1000) * (66 * 2**10) + "</log>").encode())
    with pytest.raises(FileFormatError, match=r"unpacks to more than 300 times its size"):
        open_file(written(tmp_path / "b.xes.gz", quiet))
    whole = gzip.compress(log(*(trace(f"c{n}", event("x")) for n in range(2000))).encode())
    for cut in (whole[: len(whole) // 2], whole[:-20] + b"\x00" * 20):
        with pytest.raises(FileFormatError, match=r"the compressed file is cut off or damaged"):
            open_file(written(tmp_path / "c.xes.gz", cut))


def test_xml_that_is_called_something_else_is_still_told_as_that(tmp_path):
    """A web page called CSV is a failed download; a log called CSV is a log."""
    with pytest.raises(FileFormatError, match=r"this is XML or a web page"):
        open_file(written(tmp_path / "a.csv", "<html></html>"))
    with pytest.raises(FileFormatError, match=r"the name says CSV, but the content is XML"):
        open_file(written(tmp_path / "a.csv", log(trace("c1", event("x")))))
