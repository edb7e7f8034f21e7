"""The mapping file: what it may say, and what it is told when it says something else."""

from __future__ import annotations

import pytest

from data.errors import BoundaryError, LeakError, MappingError, UsageError
from data.mapping import find_mapping, shipped_mappings
from tests.support.exports import TOWN, changed, log, town


@pytest.mark.parametrize("name", ["boston", "stlouis", "chicago_sanitation"])
def test_shipped_mappings_are_found_by_name_and_say_when_every_column_became_known(name):
    """The three shipped mappings parse, and none calls the office known at opening."""
    mapping = find_mapping(name)
    assert mapping.source.name == name
    assert all(column.at for column in mapping.columns.values())
    assert mapping.known("office") in (None, "end")
    assert mapping.forced == {}


def test_an_unknown_name_lists_the_shipped_mappings():
    """A name that is neither shipped nor a file gets the list of what is."""
    with pytest.raises(UsageError, match=r"There is no mapping 'bostn'. Shipped with heed: .*boston.*stlouis"):
        find_mapping("bostn")
    assert "boston" in shipped_mappings()


def test_a_mapping_of_ones_own_is_found_by_its_path(tmp_path):
    """A path works like a name, and the hash follows the content."""
    path = tmp_path / "mine.toml"
    path.write_text(TOWN)
    assert find_mapping(path).source.name == "town"
    assert find_mapping(path).sha256 != find_mapping("boston").sha256


def test_an_office_known_at_opening_is_refused_with_the_reason():
    """A last-state export shows the last owner, so calling it known at opening is a leak, exit code 3."""
    with pytest.raises(LeakError, match=r"\[columns.unit\] says at = 'opened'.*last state.*Say at = 'end'") as info:
        town(('field = "office"\nat = "end"', 'field = "office"\nat = "opened"'))
    assert info.value.exit_code == 3
    assert "intake queue" in str(info.value)


@pytest.mark.parametrize("field", ["closed_at", "withdrawn_at", "closing_reason"])
def test_no_outcome_can_be_called_known_at_opening(field):
    """What an office does later is never known at opening, whichever column it is."""
    with pytest.raises(LeakError, match=f"'{field}' changes during its life"):
        town((f'field = "{field}"\nat = "end"', f'field = "{field}"\nat = "opened"'))


def test_a_leak_can_be_forced_only_with_a_reason():
    """`forced` with words overrides the refusal and stays visible; without words it is an error."""
    old = 'field = "office"\nat = "end"'
    mapping = town((old, 'field = "office"\nat = "opened"\nforced = "to show the leak"'))
    assert mapping.forced == {"unit": "to show the leak"}
    assert mapping.known("office") == "opened"
    with pytest.raises(MappingError, match=r"\[columns.unit\] forced: string should have at least 1 character"):
        town((old, 'field = "office"\nat = "opened"\nforced = " "'))
    with pytest.raises(MappingError, match=r"\[columns.unit\] forced: only for a column that at = 'opened' would"):
        town((old, old + '\nforced = "just in case"'))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'time_zone = "America/New_York"',
            'time_zone = "Boston"',
            r"\[source\] time_zone: expected an IANA time zone",
        ),
        ('shape = "cases"', 'shape = "rows"', r"\[source\] shape: input should be 'cases', 'events' or 'inspections'"),
        (
            'shape = "cases"',
            'shape = "cases"\nzone = "x"',
            r"\[source\] zone: there is no such setting. Allowed: name",
        ),
        ('name = "town"', 'name = "Town 1"', r"\[source\] name: string should match pattern"),
        (
            'field = "area"',
            'field = "complainant"',
            r"\[columns.village\] field: 'complainant' is no field of heed",
        ),
        ('field = "area"\nat = "opened"', 'field = "area"', r"\[columns.village\] at: is required"),
        (
            'field = "area"\nat = "opened"',
            'field = "area"\nat = "intake"',
            r"\[columns.village\] at: input should be",
        ),
        (
            'field = "area"',
            'field = "category"',
            r"\[columns.village\] field: column 'kind' gives 'category' already",
        ),
        ('vocabulary = "via"', 'vocabulary = "door"', r"there is no \[vocabulary.door\] in this mapping"),
        (
            '"Call" = "phone"',
            '"Call" = "telephone"',
            r"\[vocabulary.via\]: 'telephone' is no value of 'channel'",
        ),
        (
            "[leave_out]",
            '[leave_out]\nkind = "x"',
            r"\[leave_out\] 'kind': the column is mapped in \[columns.kind\]",
        ),
        (
            'zip = "Finer than an area."',
            'zip = ""',
            r"\[leave_out\] zip: string should have at least 1 character",
        ),
        (
            'field = "opened_at"\nat = "opened"',
            'field = "due_at"\nat = "opened"',
            "no column has field = 'opened_at'",
        ),
        (
            'field = "area"\nat = "opened"',
            'field = "area"\nat = "opened"\nend_of_day = true',
            "only for field = 'due_at'",
        ),
        (
            "[closing]",
            '[rules]\nset_aside = ["naive_time"]\n[closing]',
            "'naive_time' is not one of missing_reference",
        ),
        (
            "[closing]",
            "[closings]\nx = []\n[closing]",
            r"\[closings\]: there is no such setting. Allowed: source",
        ),
        ("[source]", "[source", "town.toml: this is not TOML"),
    ],
)
def test_a_wrong_mapping_is_told_where_and_what_is_allowed(old, new, message):
    """Every mistake names its place inside the file and what may stand there."""
    with pytest.raises(MappingError, match=message):
        town((old, new))


def test_all_mistakes_of_a_mapping_are_listed_together():
    """One run shows every mistake, not the first."""
    with pytest.raises(MappingError) as info:
        town(('field = "area"', 'field = "ward"'), ('field = "category"', 'field = "type"'))
    assert "'ward' is no field" in str(info.value)
    assert "'type' is no field" in str(info.value)


def test_closing_words_need_a_column_that_could_hold_them():
    """[closing] without a column for closing_reason or status could never apply."""
    with pytest.raises(MappingError, match=r"\[closing\]: no column has field = 'closing_reason' or 'status'"):
        town(('[columns.outcome]\nfield = "closing_reason"', '[columns.outcome]\nfield = "category_group"'))


def test_an_event_file_needs_no_word_on_when_columns_became_known():
    """In an event file every row carries its own time."""
    assert log().columns["village"].at is None


def test_a_mapping_in_another_encoding_is_refused(tmp_path):
    """A mapping is UTF-8, so that its vocabulary means the same everywhere."""
    path = tmp_path / "gbk.toml"
    path.write_bytes('[source]\nname = "城"'.encode("gbk"))
    with pytest.raises(MappingError, match=r"gbk.toml: expected TOML in UTF-8"):
        find_mapping(path)


def test_a_scalar_where_a_table_belongs_is_explained():
    """`source = 1` gets a sentence, not a traceback."""
    with pytest.raises(MappingError, match=r"\[source\]: input should be"):
        changed("source = 1\n[columns]\n")


def test_a_constant_stands_for_a_column_and_is_known_at_opening():
    """A source whose every case came by telephone from one town needs no column to say so."""
    mapping = town(
        ('[columns.via]\nfield = "channel"\nat = "opened"\nvocabulary = "via"\n', ""),
        ("[leave_out]", '[constants]\nchannel = "phone"\n[leave_out]'),
    )
    assert mapping.known("channel") == "opened"
    assert mapping.gives("channel")
    assert mapping.known("category_group") is None


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ('channel = "phone"', r"\[constants\] channel: column 'via' gives 'channel' already"),
        ('category_group = "13800138000"', r"\[constants\] category_group: looks like a telephone number"),
        ('status = "open"', r"\[constants\] status: no field that can be the same for every row. Allowed: category"),
        ('complainant = "x"', r"\[constants\] complainant: no field that can be the same"),
        ('category_group = " "', "string should have at least 1 character"),
    ],
)
def test_a_wrong_constant_is_told(constants, message):
    """A constant is a known field, given once, in its vocabulary, and passes the door."""
    with pytest.raises(MappingError, match=message):
        town(("[leave_out]", f"[constants]\n{constants}\n[leave_out]"))


@pytest.mark.parametrize(
    "change",
    [
        ("[leave_out]", '[constants]\ncategory_group = "越级上访"\n[leave_out]'),
        ("[leave_out]", '[vocabulary.kind.values]\n"x" = "Protests"\n[leave_out]'),
    ],
)
def test_words_about_conduct_are_refused(change):
    """No constant, and no word that a value is translated to, speaks of petitioning, protest or crime."""
    with pytest.raises(BoundaryError, match="looks like petitioning, protest, stability, crime or conduct"):
        town(change)


def test_a_vocabulary_of_codes_passes_the_door_too():
    """What a value is translated to is stored, so it is looked at; the message does not read it out."""
    with pytest.raises(MappingError, match="one of its values looks like personal data") as info:
        town(
            ('field = "category"\nat = "opened"', 'field = "category"\nat = "opened"\nvocabulary = "kind"'),
            ("[leave_out]", '[vocabulary.kind.values]\n"x" = "13800138000"\n[leave_out]'),
        )
    assert "13800138000" not in str(info.value)


def test_how_to_fetch_a_source_may_stand_in_its_mapping():
    """[sync] is kept as it is; `data.sources` checks it."""
    assert town(("[leave_out]", '[sync]\nkind = "soda"\n[leave_out]')).sync == {"kind": "soda"}
    assert town().sync is None
