"""Files that were damaged, mixed up or made to harm: about seventy ways, each from a good file and a seed.

A way takes the good table and a random generator, and gives the bytes of a file, its ending, and what was put into it
on top of the table. What stands in the table or was put in must never be shown.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Good:
    """A small good table as text, and the mapping that reads it."""

    mapping: str
    names: list[str]
    rows: list[list[str]]
    # Columns by what the mapping takes them for.
    times: list[str]
    codes: list[str]
    reference: str

    def place(self, name: str) -> int:
        return self.names.index(name)

    def copy(self) -> list[list[str]]:
        return [list(row) for row in self.rows]

    def values(self) -> set[str]:
        return {value for row in self.rows for value in row}


@dataclass(frozen=True)
class Bad:
    """The bytes of a bad file, the ending of its name, and what was put in."""

    content: bytes
    ending: str
    secrets: frozenset[str] = field(default_factory=frozenset)


Way = Callable[[Good, random.Random], Bad]
WAYS: list[Way] = []


def way(make: Way) -> Way:
    """Add a way to the list; its docstring says what it does."""
    WAYS.append(make)
    return make


# ---- the good table in every format ----


def as_csv(names: list[str], rows: list[list[str]], delimiter: str = ",", ending: str = "\n") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=ending).writerows([names, *rows])
    return text.getvalue().encode("utf-8", "surrogatepass")


def as_parquet(names: list[str], rows: list[list[str]]) -> bytes:
    columns = [pa.array([row[place] or None for row in rows], pa.string()) for place in range(len(names))]
    return written(pa.table(columns, names=names))


def written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=20)
    return sink.getvalue()


def as_lines(names: list[str], rows: list[list[str]]) -> bytes:
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows).encode()


def as_array(names: list[str], rows: list[list[str]]) -> bytes:
    return json.dumps([dict(zip(names, row, strict=True)) for row in rows], ensure_ascii=False).encode()


def as_workbook(names: list[str], rows: list[list[str]], more: dict[str, list[list[str]]] | None = None) -> bytes:
    book = openpyxl.Workbook()
    for row in [names, *rows]:
        book.active.append(row)
    for name, other in (more or {}).items():
        sheet = book.create_sheet(name)
        for row in other:
            sheet.append(row)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def with_part(workbook: bytes, name: str, content: bytes | None) -> bytes:
    """A workbook with one part replaced, added, or (None) taken out."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        parts = {item: archive.read(item) for item in archive.namelist()}
    parts.pop(name, None)
    if content is not None:
        parts[name] = content
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for item, data in parts.items():
            archive.writestr(item, data)
    return sink.getvalue()


def part_of(workbook: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return archive.read(name)


SHEET = "xl/worksheets/sheet1.xml"


def flipped(content: bytes, rng: random.Random, count: int, start: int = 0) -> bytes:
    """With `count` bits turned over."""
    changed = bytearray(content)
    for _ in range(count):
        changed[rng.randrange(start, len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) // 20, len(content) - 1)]


def changed(
    good: Good, rng: random.Random, columns: list[str], values: list[str]
) -> tuple[list[list[str]], frozenset[str]]:
    """Rows in which one to five cells of the columns hold one of the values."""
    rows = good.copy()
    used = set()
    for _ in range(rng.randint(1, 5)):
        value = rng.choice(values)
        rows[rng.randrange(len(rows))][good.place(rng.choice(columns))] = value
        used.add(value)
    return rows, frozenset(used)


# ---- damage to the bytes ----


@way
def csv_bits(good: Good, rng: random.Random) -> Bad:
    """A few bits of a CSV file turned over."""
    return Bad(flipped(as_csv(good.names, good.rows), rng, rng.randint(1, 40)), ".csv")


@way
def csv_cut(good: Good, rng: random.Random) -> Bad:
    """A CSV file cut off anywhere."""
    return Bad(cut(as_csv(good.names, good.rows), rng), ".csv")


@way
def csv_hole(good: Good, rng: random.Random) -> Bad:
    """A piece in the middle of a CSV file lost, as from a broken disk."""
    content = as_csv(good.names, good.rows)
    start = rng.randrange(len(content) // 2)
    return Bad(content[:start] + content[start + rng.randint(10, 500) :], ".csv")


@way
def csv_zeros(good: Good, rng: random.Random) -> Bad:
    """A block of NUL bytes in a CSV file, as a crash of the writing machine leaves it."""
    content = as_csv(good.names, good.rows)
    start = rng.randrange(len(content))
    return Bad(content[:start] + b"\x00" * rng.choice([1, 100, 5000]) + content[start:], ".csv")


@way
def csv_twice(good: Good, rng: random.Random) -> Bad:
    """Two exports one after the other in a file, the second with its header."""
    content = as_csv(good.names, good.rows)
    return Bad(content + content, ".csv")


@way
def empty(good: Good, rng: random.Random) -> Bad:
    """No byte, a space, or a byte order mark."""
    return Bad(
        rng.choice([b"", b" \r\n", b"\xef\xbb\xbf", b"\n" * 10_000]), rng.choice([".csv", ".parquet", ".xlsx", ".xes"])
    )


@way
def noise(good: Good, rng: random.Random) -> Bad:
    """Random bytes under any name."""
    return Bad(
        rng.randbytes(5000), rng.choice([".csv", ".parquet", ".jsonl", ".json", ".xlsx", ".xes", ".xes.gz", ".dat"])
    )


@way
def wrong_ending(good: Good, rng: random.Random) -> Bad:
    """A good file under the name of another type."""
    content = rng.choice([as_csv, as_parquet, as_lines, as_array, as_workbook])(good.names, good.rows)
    return Bad(content, rng.choice([".csv", ".parquet", ".jsonl", ".json", ".xlsx", ".xes", ".xls", ".xes.gz"]))


# ---- encodings ----


@way
def utf16(good: Good, rng: random.Random) -> Bad:
    """UTF-16 or UTF-32, with and without the mark, as a spreadsheet saves "Unicode text"."""
    text = as_csv(good.names, good.rows).decode()
    return Bad(text.encode(rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32"])), ".csv")


@way
def western(good: Good, rng: random.Random) -> Bad:
    """A Western encoding, whose accents are nothing in UTF-8 and something else in GB18030."""
    rows, secrets = changed(good, rng, good.codes, ["Café Münster", "Année Ñandú", "Größe ÿ"])
    text = as_csv(good.names, rows).decode()
    return Bad(text.encode("cp1252"), ".csv", secrets)


@way
def two_encodings(good: Good, rng: random.Random) -> Bad:
    """Half of the file in UTF-8 and half in GB18030, as when two offices append to one."""
    rows, secrets = changed(good, rng, good.codes, ["东城街道办事处", "水利管理所"])
    half = len(rows) // 2
    return Bad(
        as_csv(good.names, rows[:half]) + as_csv(rows[half], rows[half + 1 :]).decode().encode("gb18030"),
        ".csv",
        secrets,
    )


@way
def marks(good: Good, rng: random.Random) -> Bad:
    """Byte order marks where none belong: twice at the beginning, or inside."""
    content = as_csv(good.names, good.rows)
    at = rng.choice([0, rng.randrange(len(content))])
    return Bad(b"\xef\xbb\xbf" + content[:at] + b"\xef\xbb\xbf" + content[at:], ".csv")


@way
def half_characters(good: Good, rng: random.Random) -> Bad:
    """Halves of surrogate pairs written as if they were characters."""
    rows, secrets = changed(good, rng, good.codes, ["half\ud83d", "\udc00half"])
    return Bad(as_csv(good.names, rows), ".csv", secrets)


@way
def odd_characters(good: Good, rng: random.Random) -> Bad:
    """Control characters, marks of direction, spaces without width, characters beyond the first plane."""
    rows, secrets = changed(
        good,
        rng,
        good.codes,
        ["a\x1b[31mred", "\u202egnp.exe", "zero\u200bwidth", "𠮷野家", "bell\x07x", "line\u2028two"],
    )
    return Bad(as_csv(good.names, rows), ".csv", secrets)


# ---- the shape of the table ----


@way
def no_header(good: Good, rng: random.Random) -> Bad:
    """The rows without their header: the first case would be taken for names."""
    return Bad(as_csv(good.rows[0], good.rows[1:]), ".csv")


@way
def header_twice(good: Good, rng: random.Random) -> Bad:
    """A name of a column stands twice."""
    names = list(good.names)
    names[rng.randrange(len(names))] = names[rng.randrange(len(names))]
    content, ending = rng.choice([(as_csv, ".csv"), (as_workbook, ".xlsx")])
    return Bad(content(names, good.rows), ending)


@way
def header_blank(good: Good, rng: random.Random) -> Bad:
    """A name of a column is missing, or is nothing but spaces."""
    names = list(good.names)
    names[rng.randrange(len(names))] = rng.choice(["", "  ", "\u3000"])
    return Bad(as_csv(names, good.rows), ".csv")


@way
def header_of_a_person(good: Good, rng: random.Random) -> Bad:
    """One column more, whose name and values are of a person."""
    name = rng.choice(["caller_phone", "诉求人", "Applicant Name", "email", "身份证号"])
    secret = rng.choice(["Ada Lovelace", "13912345678", "ada@example.org", "张伟华"])
    return Bad(as_csv([*good.names, name], [[*row, secret] for row in good.rows]), ".csv", frozenset({secret}))


@way
def header_swapped(good: Good, rng: random.Random) -> Bad:
    """Two names of columns changed places, so that each holds what the other promises."""
    names = list(good.names)
    one, other = rng.sample(range(len(names)), 2)
    names[one], names[other] = names[other], names[one]
    return Bad(as_csv(names, good.rows), ".csv")


@way
def columns_shuffled(good: Good, rng: random.Random) -> Bad:
    """The columns in another order under the old header."""
    order = rng.sample(range(len(good.names)), len(good.names))
    return Bad(as_csv(good.names, [[row[place] for place in order] for row in good.rows]), ".csv")


@way
def column_missing(good: Good, rng: random.Random) -> Bad:
    """A column is gone, with its name."""
    gone = rng.randrange(len(good.names))
    names = good.names[:gone] + good.names[gone + 1 :]
    return Bad(as_csv(names, [row[:gone] + row[gone + 1 :] for row in good.rows]), ".csv")


@way
def rows_of_other_lengths(good: Good, rng: random.Random) -> Bad:
    """Some rows are one field shorter or longer."""
    rows = good.copy()
    for _ in range(rng.randint(1, 3)):
        row = rows[rng.randrange(len(rows))]
        row[:] = row[:-1] if rng.random() < 0.5 else [*row, "loose value"]
    return Bad(as_csv(good.names, rows), ".csv", frozenset({"loose value"}))


@way
def rows_twice(good: Good, rng: random.Random) -> Bad:
    """Rows stand twice, and one of them with other times."""
    rows = good.copy()
    rows += [list(row) for row in rng.sample(rows, 5)]
    rows[-1][good.place(rng.choice(good.times))] = "2011-09-09 09:09:09"
    return Bad(as_csv(good.names, rows), ".csv")


@way
def quotes(good: Good, rng: random.Random) -> Bad:
    """A quote that nothing closes, or one in the middle of a field."""
    lines = as_csv(good.names, good.rows).split(b"\n")
    at = rng.randrange(1, len(lines) - 1)
    lines[at] = rng.choice([b'"' + lines[at], lines[at].replace(b",", b',"', 1), b'"a"b' + lines[at]])
    return Bad(b"\n".join(lines), ".csv")


@way
def delimiters(good: Good, rng: random.Random) -> Bad:
    """The header with commas and the rows with semicolons, or the other way round."""
    one, other = rng.sample([",", ";", "\t", "|"], 2)
    header = as_csv(good.names, [], one)
    return Bad(header + as_csv(good.rows[0], good.rows[1:], other), ".csv")


@way
def line_ends(good: Good, rng: random.Random) -> Bad:
    """Every line with another ending, blank lines in between."""
    lines = as_csv(good.names, good.rows).split(b"\n")
    return Bad(b"".join(line + rng.choice([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r\n"]) for line in lines), ".csv")


@way
def too_many_columns(good: Good, rng: random.Random) -> Bad:
    """A table turned on its side: thousands of columns."""
    names = good.names + [f"column {place}" for place in range(rng.choice([50, 5000]))]
    rows = [[*row, *["wide value"] * (len(names) - len(row))] for row in good.rows[:5]]
    return Bad(as_csv(names, rows), ".csv", frozenset({"wide value"}))


# ---- what stands in the cells ----

PERSONAL = [
    "13800138000",
    "+86 139 1234 5678",
    "617-555-0199",
    "ada.lovelace@example.org",
    "11010519491231002X",
    "22 Privet Drive",
    "幸福小区3幢2单元401室",
    "Mrs. Ada Lovelace of Number Ten",
    "张伟华先生",
    "POINT (-71.0612 42.3601)",
    "42.36012, -71.06123",
    "My neighbour Ada has been shouting again. Please do something about her.",
    "这位群众多次来电反映楼上邻居深夜噪音扰民，请尽快处理。",
]


@way
def personal_codes(good: Good, rng: random.Random) -> Bad:
    """Values of people in columns of codes."""
    rows, secrets = changed(good, rng, good.codes, PERSONAL)
    return Bad(as_csv(good.names, rows), ".csv", secrets)


@way
def personal_in_parquet(good: Good, rng: random.Random) -> Bad:
    """The same in Parquet."""
    rows, secrets = changed(good, rng, good.codes, PERSONAL)
    return Bad(as_parquet(good.names, rows), ".parquet", secrets)


@way
def personal_in_a_workbook(good: Good, rng: random.Random) -> Bad:
    """The same in a workbook."""
    rows, secrets = changed(good, rng, good.codes, PERSONAL)
    return Bad(as_workbook(good.names, rows), ".xlsx", secrets)


@way
def personal_references(good: Good, rng: random.Random) -> Bad:
    """Cases called after people."""
    rows, secrets = changed(good, rng, [good.reference], PERSONAL)
    return Bad(as_csv(good.names, rows), ".csv", secrets)


@way
def personal_times(good: Good, rng: random.Random) -> Bad:
    """Values of people in columns of times."""
    rows, secrets = changed(good, rng, good.times, PERSONAL)
    return Bad(as_csv(good.names, rows), ".csv", secrets)


@way
def formulas(good: Good, rng: random.Random) -> Bad:
    """Texts that a spreadsheet would run."""
    texts = [
        "=cmd|' /C calc'!A0",
        "+SUM(1+1)*cmd|' /C calc'!A0",
        "@SUM(1+9)*cmd",
        '=HYPERLINK("http://evil.example","x")',
        "-2+3+cmd|'x'!A0",
    ]
    rows, secrets = changed(good, rng, good.codes, texts)
    return Bad(as_csv(good.names, rows), ".csv", secrets)


@way
def markup(good: Good, rng: random.Random) -> Bad:
    """Texts that a page, a terminal, a template or a database would run."""
    texts = [
        "<script>alert(1)</script>",
        "[bold red]loud[/bold red]",
        "{{7*7}}",
        "'; DROP TABLE event; --",
        "%s%s%n",
        "../../etc/passwd",
        "${jndi:ldap://x}",
    ]
    rows, secrets = changed(good, rng, good.codes, texts)
    return Bad(as_csv(good.names, rows), ".csv", secrets)


TIMES = [
    "2024-13-45 99:99:99",
    "-0044-03-15 12:00:00",
    "0000-00-00 00:00:00",
    "0001-01-01 00:00:00",
    "1900-01-01 00:00:00",
    "9999-12-31 23:59:59",
    "12024-01-01 00:00:00",
    "2011-11-06 01:30:00",
    "2011-03-13 02:30:00",
    "99999999999999999999",
    "1e309",
    "NaN",
    "2011-07-01T05:00:00+99:00",
    "2011-07-01T05:00:00.123456789123456789",
    "01/02/2011 3:04 PM",
    "yesterday evening",
    "２０１１-07-01",
    "2199-01-01 00:00:00",
]


@way
def times(good: Good, rng: random.Random) -> Bad:
    """Days that never were, years before and after all calendars, other notations."""
    rows, secrets = changed(good, rng, good.times, TIMES)
    return Bad(as_csv(good.names, rows), ".csv", secrets)


@way
def times_in_a_workbook(good: Good, rng: random.Random) -> Bad:
    """The same in a workbook, as text."""
    rows, secrets = changed(good, rng, good.times, TIMES)
    return Bad(as_workbook(good.names, rows), ".xlsx", secrets)


@way
def times_exchanged(good: Good, rng: random.Random) -> Bad:
    """Opened and closed changed places in some rows."""
    rows = good.copy()
    one, other = rng.sample([good.place(name) for name in good.times], 2)
    for row in rng.sample(rows, 10):
        row[one], row[other] = row[other], row[one]
    return Bad(as_csv(good.names, rows), ".csv")


@way
def giant_field(good: Good, rng: random.Random) -> Bad:
    """One field of two or three megabytes, quoted or not."""
    rows = good.copy()
    text = rng.choice(["lorem ipsum ", "A", "长"]) * rng.choice([200_000, 3_000_000 // 12])
    rows[rng.randrange(len(rows))][good.place(rng.choice(good.codes))] = text
    content, ending = rng.choice([(as_csv, ".csv"), (as_csv, ".csv"), (as_lines, ".jsonl"), (as_workbook, ".xlsx")])
    if content is as_workbook:
        text = text[:32_000]
        rows = [[value[:32_000] for value in row] for row in rows]
    return Bad(content(good.names, rows), ending, frozenset({text[:40]}))


@way
def long_codes(good: Good, rng: random.Random) -> Bad:
    """Codes of hundreds of letters."""
    rows, secrets = changed(good, rng, good.codes, ["Q" * 130, "Z" * 400, "kind " * 60])
    return Bad(as_csv(good.names, rows), ".csv", secrets)


@way
def every_row_its_own(good: Good, rng: random.Random) -> Bad:
    """A column of codes in which every row has a value of its own."""
    at = good.place(rng.choice(good.codes))
    rows = [[*row[:at], f"Person Number {place}", *row[at + 1 :]] for place, row in enumerate(good.rows * 5)]
    return Bad(as_csv(good.names, rows), ".csv", frozenset(row[at] for row in rows))


@way
def numbers(good: Good, rng: random.Random) -> Bad:
    """Numbers beyond every type, in every column that is read."""
    rows, secrets = changed(
        good,
        rng,
        [*good.codes, *good.times, good.reference],
        ["9" * 400, "1e400", "-99999999999999999999", "0x7fffffffffffffff", "Infinity"],
    )
    return Bad(as_csv(good.names, rows), ".csv", secrets)


# ---- Parquet ----


@way
def parquet_bits(good: Good, rng: random.Random) -> Bad:
    """A few bits of a Parquet file turned over."""
    return Bad(flipped(as_parquet(good.names, good.rows), rng, rng.randint(1, 20), 4), ".parquet")


@way
def parquet_footer(good: Good, rng: random.Random) -> Bad:
    """Bits of the footer, where Parquet keeps its schema and lengths, turned over."""
    content = as_parquet(good.names, good.rows)
    return Bad(flipped(content, rng, rng.randint(1, 6), len(content) - 600), ".parquet")


@way
def parquet_cut(good: Good, rng: random.Random) -> Bad:
    """A Parquet file cut off anywhere."""
    return Bad(cut(as_parquet(good.names, good.rows), rng), ".parquet")


@way
def parquet_types(good: Good, rng: random.Random) -> Bad:
    """Columns of other types than they should have: times as numbers, codes as times, lists, bytes."""
    count = len(good.rows)
    odd = [
        pa.array([2**62] * count, pa.timestamp("us")),
        pa.array([-(2**62)] * count, pa.timestamp("us", "UTC")),
        pa.array([1] * count, pa.timestamp("s", "Mars/Phobos")),
        pa.array([2**31 - 1] * count, pa.date32()),
        pa.array([1.5e300] * count),
        pa.array([2**63] * count, pa.uint64()),
        pa.array([["nested value"]] * count),
        pa.array([{"a": "nested value"}] * count),
        pa.array([b"\xff\xfe"] * count),
        pa.array([7] * count, pa.duration("s")),
        pa.array(["dictionary value"] * count).dictionary_encode(),
        pa.nulls(count),
        pa.array([True] * count),
    ]
    columns = [pa.array([row[place] or None for row in good.rows]) for place in range(len(good.names))]
    for name in rng.sample([*good.codes, *good.times, good.reference], 2):
        columns[good.place(name)] = rng.choice(odd)
    return Bad(
        written(pa.table(columns, names=good.names)), ".parquet", frozenset({"nested value", "dictionary value"})
    )


@way
def parquet_text(good: Good, rng: random.Random) -> Bad:
    """Text that is no UTF-8, or holds NUL characters."""
    columns = [pa.array([row[place] or None for row in good.rows]) for place in range(len(good.names))]
    raw = pa.array([b"broken \xff text"] * len(good.rows))
    broken = pa.StringArray.from_buffers(len(good.rows), *raw.buffers()[1:])
    columns[good.place(rng.choice(good.codes))] = rng.choice([broken, pa.array(["nul\x00value"] * len(good.rows))])
    return Bad(written(pa.table(columns, names=good.names)), ".parquet", frozenset({"broken", "nul\x00value"}))


@way
def parquet_names(good: Good, rng: random.Random) -> Bad:
    """Columns called the same, or by a dot, or by nothing."""
    columns = [pa.array([row[place] or None for row in good.rows]) for place in range(len(good.names))]
    name = rng.choice([good.names[0], "", good.names[0] + ".inner", "x" * 1000])
    return Bad(written(pa.table([*columns, columns[0]], names=[*good.names, name])), ".parquet")


# ---- JSON ----


@way
def json_bits(good: Good, rng: random.Random) -> Bad:
    """Bits of a JSON file turned over."""
    content, ending = rng.choice([(as_lines, ".jsonl"), (as_array, ".json")])
    return Bad(flipped(content(good.names, good.rows), rng, rng.randint(1, 10)), ending)


@way
def json_cut(good: Good, rng: random.Random) -> Bad:
    """A JSON file cut off anywhere."""
    content, ending = rng.choice([(as_lines, ".jsonl"), (as_array, ".json")])
    return Bad(cut(content(good.names, good.rows), rng), ending)


@way
def json_deep(good: Good, rng: random.Random) -> Bad:
    """A value nested a hundred, or a hundred thousand times."""
    depth = rng.choice([100, 100_000])
    item = json.dumps(dict(zip(good.names, good.rows[0], strict=True)))
    value = "[" * depth + '"nested value"' + "]" * depth
    line = item[:-1] + f', "{rng.choice(good.codes)}x": {value}}}'
    content = rng.choice([line, f"[{line}]"])
    return Bad(content.encode(), ".json", frozenset({"nested value"}))


@way
def json_nested(good: Good, rng: random.Random) -> Bad:
    """Objects and lists where one value should stand."""
    items = [dict(zip(good.names, row, strict=True)) for row in good.rows]
    rng.choice(items)[rng.choice(good.codes)] = rng.choice([["nested value"], {"human_address": "nested value"}])
    return Bad("\n".join(json.dumps(item) for item in items).encode(), ".jsonl", frozenset({"nested value"}))


@way
def json_escapes(good: Good, rng: random.Random) -> Bad:
    """Halves of pairs and NULs, written as escapes."""
    rows, secrets = changed(good, rng, good.codes, ["half \ud83d value", "nul \x00 value"])
    return Bad(as_lines(good.names, rows), ".jsonl", secrets)


@way
def json_kinds(good: Good, rng: random.Random) -> Bad:
    """Numbers of four hundred digits, NaN, the same name twice, rows that are lists."""
    items = [json.dumps(dict(zip(good.names, row, strict=True))) for row in good.rows]
    at = rng.randrange(len(items))
    code = json.dumps(rng.choice(good.codes))
    items[at] = rng.choice(
        [
            items[at][:-1] + f', {code}: "value again"}}',
            items[at].replace('"', "'"),
            "[1, 2, 3]",
            '"loose value"',
            "NaN",
            items[at][:-1] + ', "extra": ' + "9" * 6000 + "}",
            items[at] + items[at],
        ]
    )
    return Bad("\n".join(items).encode(), ".jsonl", frozenset({"value again", "loose value"}))


@way
def json_personal(good: Good, rng: random.Random) -> Bad:
    """Values of people in a JSON array."""
    rows, secrets = changed(good, rng, good.codes, PERSONAL)
    return Bad(as_array(good.names, rows), ".json", secrets)


# ---- workbooks ----


@way
def xlsx_bits(good: Good, rng: random.Random) -> Bad:
    """Bits of a workbook turned over."""
    return Bad(flipped(as_workbook(good.names, good.rows), rng, rng.randint(1, 10), 4), ".xlsx")


@way
def xlsx_cut(good: Good, rng: random.Random) -> Bad:
    """A workbook cut off anywhere."""
    return Bad(cut(as_workbook(good.names, good.rows), rng), ".xlsx")


@way
def xlsx_part_damaged(good: Good, rng: random.Random) -> Bad:
    """One part of a workbook is gone, empty, cut off or noise; the archive around it is whole."""
    book = as_workbook(good.names, good.rows)
    name = rng.choice([SHEET, "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml", "xl/_rels/workbook.xml.rels"])
    part = part_of(book, name)
    return Bad(with_part(book, name, rng.choice([None, b"", cut(part, rng), b"<a/>", flipped(part, rng, 5)])), ".xlsx")


@way
def xlsx_bomb(good: Good, rng: random.Random) -> Bad:
    """A workbook that unpacks to a hundred megabytes."""
    book = as_workbook(good.names, good.rows)
    sheet = part_of(book, SHEET)
    name = rng.choice([SHEET, "xl/media/image1.png", "xl/sharedStrings.xml"])
    return Bad(with_part(book, name, (sheet if name == SHEET else b"") + b" " * (100 * 2**20)), ".xlsx")


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "laughing value"}">' for n in range(10))


@way
def xlsx_laughs(good: Good, rng: random.Random) -> Bad:
    """Entities in a part of a workbook that would expand to a billion words, or to a file of the machine."""
    book = as_workbook(good.names, good.rows)
    name = rng.choice([SHEET, "xl/workbook.xml", "xl/styles.xml"])
    text = part_of(book, name).decode()
    text = text[text.index("?>") + 2 :].lstrip() if text.startswith("<?xml") else text
    entities = rng.choice([LAUGHS, '<!ENTITY l9 SYSTEM "file:///etc/hostname">'])
    bomb = f"<!DOCTYPE x [{entities}]>" + text.replace("</", "&l9;</", 1)
    return Bad(with_part(book, name, bomb.encode()), ".xlsx", frozenset({"laughing value"}))


@way
def xlsx_shape(good: Good, rng: random.Random) -> Bad:
    """Title rows, several sheets, values beside the table, no sheet with anything."""
    book = rng.choice(
        [
            as_workbook(["Secret title of the table"], [good.names, *good.rows]),
            as_workbook(good.names, good.rows, {"Second": [good.names, *good.rows]}),
            as_workbook(good.names, [[*row, "loose value"] for row in good.rows]),
            as_workbook([], []),
            as_workbook(good.names, []),
            as_workbook(good.names, good.rows, {"ada@example.org": [["loose value", "b"]]}),
        ]
    )
    return Bad(book, ".xlsx", frozenset({"Secret title of the table", "loose value", "ada@example.org"}))


@way
def xlsx_cells(good: Good, rng: random.Random) -> Bad:
    """Cells of absurd places, types and styles."""
    book = as_workbook(good.names, good.rows)
    text = part_of(book, SHEET).decode()
    cell = rng.choice(
        [
            '<c r="ZZZZZ99999999"><v>5</v></c>',
            '<c r="A2" t="s"><v>123456</v></c>',
            '<c r="A2" s="99999999"><v>1e999</v></c>',
            '<c r="A2" t="d"><v>loose value</v></c>',
            '<c r="A2" t="b"><v>maybe</v></c>',
            '<c r="A2"><v>loose value</v></c>',
            '<c r="A2"><f>A1</f></c>',
            '<c r="A2" t="e"><v>#REF!</v></c>',
        ]
    )
    at = text.index("</row>", text.index("</row>") + 1)
    return Bad(with_part(book, SHEET, (text[:at] + cell + text[at:]).encode()), ".xlsx", frozenset({"loose value"}))


# ---- event logs ----


def as_xes(good: Good, inner: str = "", resource: str = "Desk Seven") -> str:
    """The good table's cases as a log: opened and closed, with somebody at the desk."""
    at, code = good.place(good.times[0]), good.place(good.codes[0])
    traces = "".join(
        f'<trace><string key="concept:name" value="{quoted(row[good.place(good.reference)])}"/>'
        f'<string key="category" value="{quoted(row[code])}"/>'
        f'<event><string key="concept:name" value="Register case"/>'
        f'<date key="time:timestamp" value="{quoted(row[at].replace(" ", "T"))}Z"/>'
        f'<string key="org:resource" value="{quoted(resource)}"/>{inner}</event></trace>\n'
        for row in good.rows
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<log xmlns="http://www.xes-standard.org/">\n{traces}</log>\n'


def quoted(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


@way
def xes_bits(good: Good, rng: random.Random) -> Bad:
    """Bits of an event log turned over."""
    return Bad(flipped(as_xes(good).encode(), rng, rng.randint(1, 20)), ".xes", frozenset({"Desk Seven"}))


@way
def xes_cut(good: Good, rng: random.Random) -> Bad:
    """An event log cut off anywhere, plain or packed."""
    content = as_xes(good).encode()
    packed = rng.random() < 0.5
    content = cut(gzip.compress(content) if packed else content, rng)
    return Bad(content, ".xes.gz" if packed else ".xes", frozenset({"Desk Seven"}))


@way
def xes_bombs(good: Good, rng: random.Random) -> Bad:
    """Entities, documents elsewhere, endless depth, endless texts, endless nothing."""
    text = as_xes(good)
    body = text[text.index("<log") :]
    content = rng.choice(
        [
            f"<!DOCTYPE log [{LAUGHS}]>" + body.replace("Register case", "&l9;", 1),
            '<!DOCTYPE log SYSTEM "http://evil.example/log.dtd">' + body,
            '<!DOCTYPE log [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + body.replace("Register case", "&x;", 1),
            body.replace("</event>", "<list>" * 5000 + "</list>" * 5000 + "</event>", 1),
            body.replace("Register case", "endless value " * 2_000_000, 1),
            body.replace("<event>", "<event><!--" + " " * 30_000_000 + "-->", 1),
        ]
    ).encode()
    packed = rng.random() < 0.5
    secrets = frozenset({"laughing value", "endless value endless value", "evil.example", "Desk Seven"})
    return Bad(gzip.compress(content) if packed else content, ".xes.gz" if packed else ".xes", secrets)


@way
def xes_attributes(good: Good, rng: random.Random) -> Bad:
    """Attributes that stand twice, are nested, are no attributes, or speak of people."""
    value = rng.choice(PERSONAL)
    inner = rng.choice(
        [
            '<string key="concept:name" value="value again"/>',
            f'<string key="applicant:phone" value="{value}"/>',
            f'<string key="org:group" value="{value}"/>',
            f'<string key="{value}" value="x"/>',
            '<list key="org:group"><string key="a" value="nested value"/></list>',
            '<string value="loose value"/>',
            '<date key="due" value="yesterday evening"/>',
        ]
    )
    return Bad(
        as_xes(good, inner, value).encode(), ".xes", frozenset({value, "value again", "nested value", "loose value"})
    )


@way
def xes_words(good: Good, rng: random.Random) -> Bad:
    """Activities that nobody knows, times that never were."""
    old, new = rng.choice([("Register case", "Secret step"), ("T", "T9"), ("Z", "+99:99"), ('"20', '"-20')])
    return Bad(as_xes(good).replace(old, new).encode(), ".xes", frozenset({"Secret step", "Desk Seven"}))


@way
def xes_other(good: Good, rng: random.Random) -> Bad:
    """Other XML under the name of a log: a page, a picture, a feed, an Open311 answer."""
    content = rng.choice(
        [
            "<html><body>Secret page</body></html>",
            '<svg xmlns="http://www.w3.org/2000/svg"><text>Secret page</text></svg>',
            "<service_requests><request><status>Secret page</status></request></service_requests>",
            "<log/>",
            "<log><trace/></log>",
            "<trace><event/></trace>",
        ]
    )
    return Bad(content.encode(), ".xes", frozenset({"Secret page"}))
