"""What the door sees in a value and in a column: made-up people of every family, and names of places that must pass.

The rates stated here are measured on lists written by hand (`tests.support.door_words`) and on the real exports.
"""

# ruff: noqa: S311  (drawn from a seed to be the same for everybody)

from __future__ import annotations

import random
import time

import numpy as np
import pandas as pd
import pytest

from data.errors import PersonalDataError
from data.personal import kinds_of, personal_kind, plain, scan_references, scan_values
from data.personal_names import A_NAME
from data.privacy import check_values
from tests.support.door_words import PEOPLE, columns, people

# What is looked for one value at a time and has a form of its own is always found.
_RATES = {"Chinese names": 0.95, "names with a title": 0.97}


@pytest.mark.parametrize("column", list(columns()))
def test_no_column_of_places_offices_or_problems_is_refused(column):
    """665 Chinese and English names and codes, in columns as sources hold them: none is taken for personal."""
    values = columns()[column]
    assert [(value, kind) for value, kind in zip(values, kinds_of(values), strict=True) if kind] == []


def test_no_part_of_such_a_column_is_refused_either():
    """A share says little of few values: no column of one to twelve of them is refused (800 drawn)."""
    rng = random.Random(11)
    for values in columns().values():
        for _ in range(40):
            part = rng.sample(values, rng.randint(1, min(12, len(values))))
            assert [value for value, kind in zip(part, kinds_of(part), strict=True) if kind] == []


def test_there_are_as_many_names_as_is_said():
    """The lists are long enough for a rate to mean something."""
    assert sum(map(len, columns().values())) >= 600


@pytest.mark.parametrize("family", list(PEOPLE))
def test_made_up_people_are_found(family):
    """Of 400 made-up values of each family all are found; of names, 95 in 100 (the column is refused all the same)."""
    values = people(family, 400)
    assert len(values) >= 100
    found = sum(kind is not None for kind in kinds_of(values))
    assert found >= _RATES.get(family, 1.0) * len(values)


@pytest.mark.parametrize(
    "file",
    [
        "boston_311_2011h2.parquet",
        "boston_311_animal_pest_2013_2023.parquet",
        "chicago_sanitation_2011_2014.parquet",
        "chicago_food_inspections_2011_2014.parquet",
        "stlouis_csb_2018_01.parquet",
        "syracuse_road_ratings_2000_2015.parquet",
        "syracuse_pothole_fills_2016.parquet",
        "event_logs/bpic2015_1.parquet",
        pytest.param("event_logs/bpic2015_2.parquet", marks=pytest.mark.slow),
        "event_logs/bpic2020_prepaid.parquet",
        "event_logs/coselog_receipt.parquet",
        "event_logs/helpdesk_it.parquet",
        pytest.param("event_logs/traffic_fines.parquet", marks=pytest.mark.slow),
        pytest.param("event_logs/uci_servicenow_incidents.parquet", marks=pytest.mark.slow),
    ],
)
def test_no_coded_column_of_a_real_export_is_refused(real_file, file):
    """Every column of codes and every column of case numbers of the real exports passes: no false alarm."""
    frame = pd.read_parquet(real_file(file))
    for name in frame.columns:
        distinct = frame[name].dropna().astype("object").unique().tolist()
        if pd.api.types.is_datetime64_any_dtype(frame[name].dtype) or any(
            isinstance(one, float) for one in distinct[:5]
        ):
            continue
        values = pd.Series([str(one) for one in distinct], dtype="str")
        assert list(scan_references(values)) == [], name
        if str(name).endswith(("case_id", "inspection_id")):
            continue
        assert [kind for kind in kinds_of(values.tolist()) if kind] == [], name


@pytest.mark.parametrize(
    ("family", "least"),
    [("Chinese names", 0.2), ("Chinese names", 0.5), ("English names", 0.5), ("English names", 0.9)],
)
def test_names_among_places_are_told_by_their_share(family, least):
    """A column that is partly names is refused, and only the names in it are marked."""
    places = columns()["villages" if family == "Chinese names" else "st louis"]
    named = people(family, round(len(places) * least / (1 - least)), seed=5)
    mixed = [*places, *named]
    random.Random(1).shuffle(mixed)
    found = {value for value, kind in zip(mixed, kinds_of(mixed), strict=True) if kind == A_NAME}
    assert found
    assert len(found & set(places)) <= 2
    assert len(found & set(named)) >= 0.7 * len(named)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("张先生", "a person's name"),
        ("欧阳女士", "a person's name"),
        ("李小明同志", "a person's name"),
        ("王某某", "a person's name"),
        ("Mr. Smith", "a person's name"),
        ("SMITH, JOHN", "a person's name"),
        ("鲁迅先生纪念馆", None),
        ("高级教师", None),
        ("Austin, Texas", None),
        ("St. Louis, Missouri", None),
        ("MS 51 William Alexander", None),
        ("１３８００１３８０００", "a telephone number"),
        ("一三八 零零一三 八零零零", "a telephone number"),
        ("1 3 8 0 0 1 3 8 0 0 0", "a telephone number"),
        ("110105 19491231 002X", "a Chinese identity number"),
        ("粤B·D12345", "a number plate"),
        ("A123456(3)", "an identity number"),
        ("A123456(7)", None),
        ("192.168.10.254", "a network address"),
        ("1.2.3.4", None),
        ("0x1F", None),
        ("建国路八十八号", "a street address"),
        ("地铁十号线", None),
        ("人民路2号泵站", None),
        ("李家村3组", None),
        ("8Q7XMQ5X+2G", "coordinates"),
        ("organizational unit 65463", None),
        ("enter enddate suspension art. 33 WABO", None),
        ("微信公众号", None),
        ("微信号：zhangsan88", "an account"),
    ],
)
def test_single_values(value, kind):
    """Forms that nothing else has are told by themselves, and their look-alikes pass."""
    assert personal_kind(value) == kind


def test_a_value_is_searched_as_a_person_reads_it():
    """Full-width letters, and Chinese numerals in a run, are digits; a few numerals are words."""
    assert plain("电话：１３８ 一二三四 五六七八") == "电话:138 1234 5678"
    assert plain("十三一四路") == "十三一四路"


def test_grid_codes_that_happen_to_end_in_a_check_digit_pass():
    """One long code in ten passes the check of a bank card or an identity number; a tenth of a column means nothing."""
    grids = [f"62010200300{n:05d}" for n in range(300)]
    dated = [f"3301062024{1 + n % 12:02d}{1 + n % 28:02d}{n:04d}" for n in range(300)]
    assert any(personal_kind(value) for value in grids)
    assert any(personal_kind(value) for value in dated)
    assert [value for value, kind in zip(grids + dated, kinds_of(grids + dated), strict=True) if kind] == []


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ([f"{13_000_000_000 + n * 37}" for n in range(3000)], "a register that counts up"),
        (
            [f"{y}{m:02d}{d:02d}{n:05d}" for y in (14, 15, 18) for m in (1, 12) for d in (1, 28) for n in range(99)],
            "days",
        ),
        (
            [
                f"330106{y}{m:02d}{d:02d}{n:04d}"
                for y in (2023, 2024)
                for m in (1, 11)
                for d in (3, 27)
                for n in range(99)
            ],
            "a place, a day and a number",
        ),
        ([f"{101_000_295_613 + n}" for n in range(500)], "twelve digits"),
        ([f"{6_170_000_000 + n}" for n in range(500)], "ten digits that begin like Boston's telephones"),
        ([f"G{20_240_000 + n}" for n in range(500)], "a letter and eight digits"),
        ([f"11-{n:08d}" for n in range(500)], "Chicago"),
        ([f"62{n:014d}" for n in range(500)], "sixteen digits that begin like a bank card"),
    ],
)
def test_case_numbers_that_look_like_something_else_pass(numbers, why):
    """A register counts up or holds a day; numbers of people do not."""
    assert list(scan_references(pd.Series(numbers, dtype="str"))) == [], why


@pytest.mark.parametrize(
    "family",
    ["Chinese mobile telephones", "Chinese identity numbers", "American telephones", "bank cards", "passports",
     "number plates", "e-mail addresses", "Taiwan identity cards", "telephones' IMEI"],
)  # fmt: skip
def test_references_that_are_peoples_numbers_are_refused(family):
    """A case must not be called after a person, whichever number is used."""
    values = pd.Series(people(family, 300), dtype="str")
    if "telephones" in family:
        values = values.str.replace(r"[^\d]", "", regex=True)
        values = values[values.str.len() >= 10]
    found = np.zeros(len(values), dtype=bool)
    for _, mask in scan_references(values):
        found |= mask
    assert found.mean() >= 0.95


def test_a_few_references_are_judged_too():
    """Two telephones are enough; two numbers of a register are none."""
    assert [kind for kind, _ in scan_references(pd.Series(["13800138000", "18657112345"], dtype="str"))] == [
        "a telephone number"
    ]
    assert list(scan_references(pd.Series(["13800138000", "13800138001"], dtype="str"))) == []


def test_a_refusal_carries_what_a_report_needs():
    """Column, kind, count and first rows, as data; never the value."""
    values = pd.Series(["North", "13800138000", "South", "13800138000"], dtype="str")
    with pytest.raises(PersonalDataError) as caught:
        check_values("cases.csv", [("village", values)], pd.Series(range(1, 5)))
    (finding,) = caught.value.findings
    assert (finding.code, finding.column, finding.count, finding.rows) == ("personal_value", "village", 2, (2, 4))
    assert "138" not in str(caught.value)
    assert "138" not in repr(finding)


def test_a_column_of_texts_is_refused_quickly():
    """A free text in every row is found by a part of it: 200,000 rows in well under ten seconds."""
    texts = pd.Series([f"The lamp at number {n} is broken since {n % 31} days. Please come." for n in range(200_000)])
    start = time.perf_counter()
    kinds = [kind for kind, _ in scan_values(texts.astype("str"))]
    assert time.perf_counter() - start < 10
    assert kinds[-1].startswith("names, numbers or texts")


@pytest.mark.benchmark
@pytest.mark.parametrize("start", ["13", "330106202401", "6222"])
def test_a_million_references_take_at_most_three_seconds(start):
    """The forms are looked for by column, and only a sample of what has one is judged value by value."""
    rng = np.random.default_rng(3)
    width = {"13": 9, "330106202401": 6, "6222": 12}[start]
    tails = rng.integers(0, 10**width, 1_000_000)
    numbers = pd.Series([f"{start}{tail:0{width}d}" for tail in tails], dtype="str")
    began = time.perf_counter()
    list(scan_references(numbers))
    assert time.perf_counter() - began < 3
