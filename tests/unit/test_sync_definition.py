"""What [sync] may say, and what follows from it for a fetch."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from data.errors import MappingError, UsageError
from data.mapping import find_mapping, parse_mapping
from data.sources.definition import GeoReportDefinition, definition_of, effective_mapping, syncable
from data.sources.plan import DAY, Plan, plan_of
from data.sources.portal import Columns
from tests.support.portals import CKAN, CKAN_SQL, SOCRATA, TABLE
from tests.support.sync_runs import NOON

ZONE = ZoneInfo("America/New_York")
HTTPS = TABLE.replace("URL", "https://portal.example")


def definition(kind: str):
    return definition_of(parse_mapping((HTTPS + kind).encode(), "town.toml"))


def geo(more: str = "") -> GeoReportDefinition:
    return definition(f'kind = "georeport"\n{more}')


def test_every_shipped_definition_fits_its_mapping():
    """Those that can be fetched: https, no user in the address, and every name a column."""
    assert {"boston_portal", "new_york", "chicago", "san_francisco", "san_francisco_open311"} <= set(syncable())
    for name in syncable():
        mapping = find_mapping(name)
        found = definition_of(mapping)
        assert found.url.startswith("https://")
        columns = Columns.of(mapping, found)
        assert columns.theirs("reference") is not None
        assert columns.theirs("opened_at") is not None


def test_a_mapping_without_sync_says_which_have_one():
    """A file has nothing to fetch."""
    with pytest.raises(UsageError, match=r"does not say how to fetch its source.*Shipped with one: .*boston_portal"):
        definition_of(find_mapping("demo"))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ('kind = "ftp"\n', r"\[sync\] kind: expected one of socrata, ckan, georeport"),
        (SOCRATA + "colour = 1\n", r"\[sync\] colour: there is no such setting for kind 'socrata'. Allowed: url"),
        ('kind = "socrata"\n', r"\[sync\] dataset: is required"),
        (SOCRATA.replace("abcd-1234", "../../etc"), r"\[sync\] dataset: string should match pattern"),
        (SOCRATA + 'updated_field = "a; DROP"\n', r"\[sync\] updated_field: string should match"),
        (SOCRATA + "[sync.fields]\nnothing = 'x'\n", r"\[sync.fields\] 'nothing': is no column of the mapping"),
        (SOCRATA + '[sync.fields]\nkind = "a b"\n', "'a b' is no name that Socrata gives to a column"),
        (SOCRATA + '[sync.fields]\nkind = "unit"\n', r"\[sync.fields\]: 'unit' is given twice"),
        (SOCRATA + '[sync.without]\nnumber = "x"\n', r"\[sync.without\] 'number': without it no case can be told"),
        (CKAN + 'updated_field = "changed"\n', "updated_field: only with sql = true"),
        (CKAN_SQL + 'filters = { a = "b" }\n', "filters: only without sql"),
        (CKAN.replace('"res-1"', '["a", "a"]'), "expected every table once"),
        ('kind = "georeport"\nwindow_days = 91\n', "window_days: input should be less than or equal to 90"),
    ],
)
def test_a_wrong_definition_is_told_with_its_place(kind, said):
    """What is wrong, where, and what is allowed."""
    with pytest.raises(MappingError, match=said):
        definition(kind)


@pytest.mark.parametrize(
    "url",
    [
        "http://portal.example",
        "ftp://portal.example",
        "https://me:secret@portal.example",
        "https://p.example/?key=1",
        "x",
    ],
)
def test_an_unsafe_address_is_refused(url):
    """Only https, and no secret in a mapping; the message does not repeat one."""
    with pytest.raises(MappingError) as info:
        definition_of(parse_mapping((TABLE.replace("URL", url) + SOCRATA).encode(), "town.toml"))
    assert "expected an address" in str(info.value)
    assert "secret" not in str(info.value)


def test_the_mapping_is_fitted_to_the_portal():
    """Columns that the portal does not have are gone, and what it leaves out besides is said."""
    content = HTTPS + SOCRATA + '[sync.without]\nunit = "Not published."\n[sync.leave_out]\nphoto = "A link."\n'
    mapping = parse_mapping(content.encode(), "town.toml")
    fit = effective_mapping(mapping, definition_of(mapping))
    assert "unit" in mapping.columns
    assert "unit" not in fit.columns
    assert fit.column_of["area"] == "village"
    assert "office" not in fit.column_of
    assert {"zip", "photo"} <= fit.leave_out.keys()


def test_what_no_case_can_do_without_cannot_be_dropped():
    """The number and the opening, by either name."""
    mapping = parse_mapping((HTTPS + SOCRATA + '[sync.fields]\nnumber = "nr"\n').encode(), "town.toml")
    for name in ("nr", "number", "opened"):
        with pytest.raises(UsageError, match=f"--drop {'nr' if name != 'opened' else 'opened'}: without"):
            Columns.of(mapping, definition_of(mapping), [name])


def plan(found, **given) -> Plan:
    return plan_of(found, ZONE, **{"watermark": None, "covered_from": None, "now": NOON, **given})


def test_changes_are_followed_from_the_watermark_less_the_overlap():
    """The first fetch takes all openings since `first`; the next, what changed."""
    found = definition(SOCRATA + "first = 2024-01-01\noverlap_days = 3\n")
    assert plan(found) == Plan(mode="openings", opened_from=date(2024, 1, 1))
    later = plan(found, watermark=NOON, covered_from=date(2024, 1, 1))
    assert later == Plan(mode="changes", opened_from=date(2024, 1, 1), changed_from=NOON - 3 * DAY)


@pytest.mark.parametrize(("first", "covered", "anew"), [
    (date(2023, 1, 1), date(2024, 1, 1), True),
    (None, date(2024, 1, 1), True),
    (date(2024, 6, 1), date(2024, 1, 1), False),
    (date(2024, 1, 1), None, False),
])  # fmt: skip
def test_a_first_day_that_moves_back_asks_for_everything(first, covered, anew):
    """The watermark rests on a fetch that did not go back so far."""
    found = definition(SOCRATA).model_copy(update={"first": first})
    assert (plan(found, watermark=NOON, covered_from=covered).mode == "openings") is anew


def test_openings_are_looked_at_again_for_the_overlap():
    """GeoReport: from the watermark less the overlap, and never before `first`."""
    found = geo("first = 2024-01-01\noverlap_days = 30\n")
    assert plan(found).opened_from == date(2024, 1, 1)
    assert plan(found, watermark=NOON, covered_from=date(2024, 1, 1)).opened_from == date(2024, 2, 14)
    early = plan(found, watermark=NOON - 60 * DAY, covered_from=date(2024, 1, 1))
    assert early.opened_from == date(2024, 1, 1)
    assert plan(geo()).opened_from == date(2023, 12, 16)


def test_only_a_fetch_without_a_gap_moves_the_watermark():
    """Days chosen by hand move it only where nothing before them is left out."""
    found = geo("first = 2024-01-01\noverlap_days = 30\n")
    known = {"watermark": NOON, "covered_from": date(2024, 1, 1)}
    assert plan(found, **known, since=date(2024, 2, 1)).moves
    assert not plan(found, **known, since=date(2024, 3, 1)).moves
    assert not plan(found, **known, until=date(2024, 3, 1)).moves
    assert not plan(found, since=date(2024, 2, 1)).moves
    followed = definition(SOCRATA)
    assert not plan(followed, since=date(2024, 2, 1)).moves
    assert not plan(followed, watermark=NOON, since=date(2020, 2, 1)).moves


def test_a_whole_table_knows_no_days():
    """CKAN without SQL."""
    assert plan(definition(CKAN)) == Plan(mode="whole")
    with pytest.raises(UsageError, match="read whole each time"):
        plan(definition(CKAN), until=date(2024, 1, 1))


def test_days_the_wrong_way_round():
    """An empty span is a mistake."""
    with pytest.raises(UsageError, match="Expected --since before --until"):
        plan(definition(SOCRATA), since=date(2024, 3, 2), until=date(2024, 3, 2))


def test_a_plan_is_a_value():
    """Plans are compared by what they ask for."""
    assert replace(Plan(mode="whole"), moves=False) != Plan(mode="whole")
