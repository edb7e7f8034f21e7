"""The privacy door: columns by allow-list, values by what they look like, references only as keyed hashes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import PersonalDataError
from data.mapping import find_mapping
from data.personal import looks_personal, names_a_person, personal_kind, scan_references, scan_values
from data.privacy import case_id, case_ids, check_columns, check_values
from tests.support.exports import COLUMNS, town


def test_a_column_that_the_mapping_does_not_speak_of_refuses_the_file():
    """Nothing is ignored in silence: all extra columns are named, with what they look like and the remedy."""
    with pytest.raises(PersonalDataError) as info:
        check_columns("cases.csv", [*COLUMNS, "caller_phone", "诉求人姓名", "queue"], town())
    message = str(info.value)
    assert info.value.exit_code == 3
    assert "does not speak of 3 columns" in message
    assert "'caller_phone': looks like a telephone number, by its name" in message
    assert "'诉求人姓名': looks like something about a person, by its name" in message
    assert "'queue': not known to the mapping" in message
    assert "--drop caller_phone --drop 诉求人姓名 --drop queue" in message


def test_a_dropped_or_left_out_column_passes():
    """`--drop` and [leave_out] are the two open ways past the door."""
    check_columns("cases.csv", [*COLUMNS, "zip", "phone"], town(), drop=["phone"])


def test_the_refusal_doubts_the_mapping_when_columns_are_missing_too():
    """The commonest cause of unknown columns is the mapping of another file."""
    with pytest.raises(PersonalDataError, match=r"also expects 'due', 'closed'.*is it the mapping of this file"):
        check_columns("cases.csv", ["number", "opened", "kind", "village", "via", "unit", "status"], town())


@pytest.mark.parametrize("column", ["phone", "ComplainantName", "e_mail", "home address", "身份证号", "联系人"])
def test_a_personal_column_cannot_be_mapped_either(column):
    """Giving a phone number the field of an area does not make it an area."""
    mapping = town(("[columns.village]", f'[columns."{column}"]'))
    with pytest.raises(PersonalDataError, match="is mapped to 'area', but its name says that it holds"):
        check_columns("cases.csv", [name for name in COLUMNS if name != "village"] + [column], mapping)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("Phone_No", "a telephone number"),
        ("callerEmail", "an e-mail address or account"),
        ("lat2", None),
        ("latitude", "an address or an exact place"),
        ("详细地址", "an address or an exact place"),
        ("投诉内容", "a free text"),
        ("手机号码", "a telephone number"),
        ("承办单位", None),
        ("ward", None),
    ],
)
def test_names_of_columns_are_read_in_both_languages(column, kind):
    """The hint in the refusal names the kind of thing that such a column usually holds."""
    assert looks_personal(column) == kind


def test_ordinary_names_are_no_persons():
    """No column of the shipped mappings is taken for personal by its name."""
    for name in ("boston", "stlouis", "chicago_sanitation"):
        assert [column for column in find_mapping(name).columns if names_a_person(column)] == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("jane.doe@example.org", "an e-mail address"),
        ("call 617-555-0123", "a telephone number"),
        ("(617) 555-0123", "a telephone number"),
        ("6175550123", "a telephone number"),
        ("13800138000", "a telephone number"),
        ("+86 138 0013 8000", "a telephone number"),
        ("0571-87654321", "a telephone number"),
        ("11010519491231002X", "a Chinese identity number"),
        ("12 Elm Street", "a street address"),
        ("1435-1437 Blue Hill Ave", "a street address"),
        ("City Hall, Suite 201", "a street address"),
        ("文三路138号", "a street address"),
        ("翠苑小区12幢3单元", "a street address"),
        ("42.3601, -71.0589", "coordinates"),
        ("30.274085", "coordinates"),
        ("POINT (120.1 30.2)", "coordinates"),
        ("The light in front of my house is out again.", "a free text"),
        ("楼下的路灯坏了三天没有人修，打了好几次电话", "a free text"),
        ("路灯不亮。", "a free text"),
        ("x" * 121, "a free text"),
    ],
)
def test_values_that_look_personal_are_recognised(value, kind):
    """Each kind of personal data, free text and exact place has a pattern that finds a plain example."""
    assert personal_kind(value) == kind


@pytest.mark.parametrize(
    "value",
    [
        "Missed Trash/Recycling/Yard Waste/Bulk Item",
        "Fenway / Kenmore / Audubon Circle / Longwood",
        "TRAFFIC DIVISION, 511",
        "Heat - Excessive  Insufficient",
        "WTR-COMING-UP",
        "10B",
        "311 calls",
        "3-1-1 Inquiry",
        "110000",
        "330106001",
        "330106001202",
        "城乡建设-住房保障-物业服务",
        "地铁1号线",
        "中山路街道",
        "12345热线",
        "第3网格",
        "Work w/out Permit",
        "St. Louis Hills",
        "Sidewalk Repair (Make Safe)",
        "7.0",
    ],
)
def test_codes_and_names_of_places_pass(value):
    """Categories, areas, offices and administrative codes are not personal data."""
    assert personal_kind(value) is None


def test_an_identity_number_needs_its_check_digit():
    """Eighteen digits that are no identity number are a code."""
    assert personal_kind("110105194912310021") is None
    assert personal_kind("202401150001234567") is None


def test_values_are_refused_with_rows_and_never_shown():
    """The message names column, kind, count and rows; the value itself appears nowhere."""
    values = pd.Series(["North", "jane@example.org", None, "South", "joe@example.org"], dtype="str")
    with pytest.raises(PersonalDataError, match="column 'village', 2 rows: 2, 5: looks like an e-mail") as info:
        check_values("cases.csv", [("village", values)], pd.Series(range(1, 6)))
    assert "example.org" not in str(info.value)


def test_a_column_where_most_rows_have_a_value_of_their_own_is_no_code():
    """Names cannot be told by their letters; that nearly every row has another one can."""
    names = pd.Series([f"Person {chr(65 + n % 26)}{chr(65 + n // 26)}" for n in range(300)], dtype="str")
    assert [kind for kind, _ in scan_values(names)] == [
        "names, numbers or texts and not codes: most rows have a value of their own"
    ]
    assert list(scan_values(names[:100])) == []
    assert list(scan_values(pd.Series(np.resize(names[:50], 300), dtype="str"))) == []


def test_a_reference_that_is_a_persons_number_is_found():
    """A case called after a person would tie all cases of that person together."""
    references = pd.Series(["101000295613", "a@b.org", "11010519491231002X", None], dtype="str")
    assert [(kind, mask.tolist()) for kind, mask in scan_references(references)] == [
        ("an e-mail address", [False, True, False, False]),
        ("a Chinese identity number", [False, False, True, False]),
    ]


def test_case_ids_are_keyed_and_differ_by_store_and_source():
    """The same number has the same id in one store and source, and another one anywhere else."""
    key = b"k" * 32
    references = pd.Series(["1", "2", "1"], dtype="str")
    ids = case_ids(key, "town", references)
    assert ids.tolist() == [case_id(key, "town", reference) for reference in references]
    assert ids[0] == ids[2] != ids[1]
    assert len(ids[0]) == 32
    assert case_id(key, "village", "1") != ids[0] != case_id(b"l" * 32, "town", "1")
