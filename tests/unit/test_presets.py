"""Every shipped mapping on a small file with the header that its portal writes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from data.errors import PersonalDataError, RowError
from data.event_log import NEVER, fold_cases
from data.import_cases import import_file
from data.mapping import find_mapping, shipped_mappings
from data.store import Store
from tests.support.exports import utc

BOSTON = (
    "case_enquiry_id,open_dt,sla_target_dt,closed_dt,on_time,case_status,closure_reason,case_title,subject,reason,type,"
    "queue,department,submitted_photo,closed_photo,location,fire_district,pwd_district,city_council_district,"
    "police_district,neighborhood,neighborhood_services_district,ward,precinct,location_street_name,location_zipcode,"
    "latitude,longitude,geom_4326,source"
)
NEW_YORK = (
    "unique_key,created_date,closed_date,agency,agency_name,complaint_type,descriptor,location_type,incident_zip,"
    "incident_address,street_name,cross_street_1,cross_street_2,intersection_street_1,intersection_street_2,"
    "address_type,city,landmark,facility_type,status,due_date,resolution_description,resolution_action_updated_date,"
    "community_board,bbl,borough,x_coordinate_state_plane,y_coordinate_state_plane,open_data_channel_type,"
    "park_facility_name,park_borough,vehicle_type,taxi_company_borough,taxi_pick_up_location,bridge_highway_name,"
    "bridge_highway_direction,road_ramp,bridge_highway_segment,latitude,longitude,location"
)
NEW_YORK_EXPORT = (
    "Unique Key,Created Date,Closed Date,Agency,Agency Name,Complaint Type,Descriptor,Location Type,Incident Zip,"
    "Incident Address,Street Name,Cross Street 1,Cross Street 2,Intersection Street 1,Intersection Street 2,"
    "Address Type,City,Landmark,Facility Type,Status,Due Date,Resolution Description,Resolution Action Updated Date,"
    "Community Board,BBL,Borough,X Coordinate (State Plane),Y Coordinate (State Plane),Open Data Channel Type,"
    "Park Facility Name,Park Borough,Vehicle Type,Taxi Company Borough,Taxi Pick Up Location,Bridge Highway Name,"
    "Bridge Highway Direction,Road Ramp,Bridge Highway Segment,Latitude,Longitude,Location"
)
CHICAGO = (
    "sr_number,sr_type,sr_short_code,created_department,owner_department,status,origin,created_date,last_modified_date,"
    "closed_date,street_address,city,state,zip_code,street_number,street_direction,street_name,street_type,duplicate,"
    "legacy_record,legacy_sr_number,parent_sr_number,community_area,ward,electrical_district,electricity_grid,"
    "police_sector,police_district,police_beat,precinct,sanitation_division_days,created_hour,created_day_of_week,"
    "created_month,x_coordinate,y_coordinate,latitude,longitude,location"
)
SAN_FRANCISCO = (
    "service_request_id,requested_datetime,closed_date,updated_datetime,status_description,status_notes,"
    "agency_responsible,service_name,service_subtype,service_details,address,street,supervisor_district,"
    "neighborhoods_sffind_boundaries,analysis_neighborhood,police_district,lat,long,point,point_geom,source,media_url,"
    "bos_2012,data_as_of,data_loaded_at"
)
SAN_FRANCISCO_EXPORT = (
    "CaseID,Opened,Closed,Updated,Status,Status Notes,Responsible Agency,Category,Request Type,Request Details,Address,"
    "Street,Supervisor District,Neighborhood,Police District,Latitude,Longitude,Point,Source,Media URL"
)
BULK = (
    "service_request_id,requested_datetime,updated_datetime,closed_date,status_description,status_notes,source,"
    "service_name,service_subtype,description,agency_responsible,address,lat,long"
)
GEOREPORT = (
    "service_request_id,status,status_notes,service_name,service_code,description,agency_responsible,service_notice,"
    "requested_datetime,updated_datetime,expected_datetime,address,address_id,zipcode,lat,long,media_url"
)
HOTLINE = (
    "工单编号,受理时间,办结时限,办结时间,工单状态,办理结果,诉求类型,事项分类,来源渠道,承办单位,所属镇街,村社区,诉求人,联系电话,"
    "诉求地址,诉求标题,诉求内容,办理情况,满意度,经办人,更新时间"
)

# What stands in the columns that no mapping reads: if any of it is stored or shown, a test fails.
SECRET = "12 Secret Street, call Ada Lovelace 617-555-0123"

# preset -> header, two rows (what they do not give is SECRET), and the first case as it must be stored.
BOSTON_ROWS = [
    {
        "case_enquiry_id": "101004113747",
        "open_dt": "2022-01-01 23:46:09",
        "sla_target_dt": "2022-01-17 08:30:00",
        "closed_dt": "2022-01-02 11:03:10",
        "case_status": "Closed",
        "type": "Street Light Outages",
        "reason": "Street Lights",
        "source": "Constituent Call",
        "neighborhood": "Roxbury",
        "department": "PWDx",
    },
    {
        "case_enquiry_id": "101004113748",
        "open_dt": "2022-01-02 08:00:00",
        "case_status": "Open",
        "type": "Needle Pickup",
    },
]
NEW_YORK_ROWS = [
    {
        "unique_key": "63582397",
        "created_date": "2024-03-01T14:27:57.000",
        "due_date": "2024-03-09T14:27:57.000",
        "closed_date": "2024-03-04T15:59:20.000",
        "agency": "DSNY",
        "complaint_type": "Graffiti",
        "community_board": "09 MANHATTAN",
        "open_data_channel_type": "PHONE",
        "status": "Closed",
    },
    {
        "unique_key": "63582398",
        "created_date": "2024-03-02T09:00:00.000",
        "complaint_type": "Noise",
        "community_board": "Unspecified BRONX",
        "open_data_channel_type": "UNKNOWN",
        "status": "Pending",
        "agency": "DEP",
    },
]
CHICAGO_ROWS = [
    {
        "sr_number": "SR24-00000001",
        "created_date": "2024-03-01T14:27:57.000",
        "closed_date": "2024-03-04T15:59:20.000",
        "status": "Completed",
        "duplicate": "false",
        "sr_type": "Pothole in Street Complaint",
        "community_area": "25",
        "origin": "Phone Call",
        "owner_department": "CDOT - Department of Transportation",
    },
    {
        "sr_number": "SR24-00000002",
        "created_date": "2024-03-02T09:00:00.000",
        "closed_date": "2024-03-02T10:00:00.000",
        "status": "Completed",
        "duplicate": "true",
        "sr_type": "Pothole in Street Complaint",
    },
]
SAN_FRANCISCO_ROWS = [
    {
        "service_request_id": "15000001",
        "requested_datetime": "2024-03-01T14:27:57.000",
        "closed_date": "2024-03-04T15:59:20.000",
        "status_description": "Closed",
        "service_name": "Graffiti",
        "service_subtype": "graffiti_on_pole",
        "neighborhoods_sffind_boundaries": "Mission",
        "source": "Mobile/Open311",
        "agency_responsible": "DPW Ops Queue",
    },
    {
        "service_request_id": "15000002",
        "requested_datetime": "2024-03-02T09:00:00.000",
        "status_description": "Open",
        "service_name": "Streetlights",
    },
]
BULK_ROWS = [
    {
        "service_request_id": "638344",
        "requested_datetime": "2024-03-01T14:27:57-05:00",
        "closed_date": "2024-03-04T15:59:20-05:00",
        "status_description": "closed",
        "source": "Phone",
        "service_name": "Sidewalk and Curb Issues",
        "service_subtype": "Curb",
        "agency_responsible": "Works",
    },
    {
        "service_request_id": "638345",
        "requested_datetime": "2024-03-02T09:00:00-05:00",
        "status_description": "Processing",
        "service_name": "Graffiti",
    },
]
GEOREPORT_ROWS = [
    {
        "service_request_id": "638344",
        "requested_datetime": "2024-03-01T14:27:57-05:00",
        "expected_datetime": "2024-03-09T14:27:57-05:00",
        "status": "open",
        "service_name": "Sidewalk and Curb Issues",
        "agency_responsible": "Works",
    },
    {
        "service_request_id": "638345",
        "requested_datetime": "2024-03-02T09:00:00-05:00",
        "status": "open",
        "service_name": "Graffiti",
    },
]
HOTLINE_ROWS = [
    {
        "工单编号": "GD2024030100001",
        "受理时间": "2024-03-01 14:27:57",
        "办结时限": "2024-03-09 14:27:57",
        "办结时间": "2024-03-04 15:59:20",
        "工单状态": "已办结",
        "办理结果": "已解决",
        "诉求类型": "求助",
        "事项分类": "路灯照明",
        "来源渠道": "12345热线",
        "承办单位": "城管分局",
        "村社区": "东塘村",
    },
    {
        "工单编号": "GD2024030100002",
        "受理时间": "2024-03-02 09:00:00",
        "工单状态": "办理中",
        "事项分类": "积水",
        "来源渠道": "网格上报",
        "承办单位": "水利所",
    },
]


def renamed(rows: list[dict[str, str]], header: str, export: str) -> list[dict[str, str]]:
    """The same rows under the names of an Export file, with American times."""
    mapping, exported = find_mapping(header), find_mapping(export)
    names = {column: exported.column_of[field] for field, column in mapping.column_of.items()}
    return [{names[name]: american(value) for name, value in row.items()} for row in rows]


def american(value: str) -> str:
    return pd.Timestamp(value).strftime("%m/%d/%Y %I:%M:%S %p") if "T" in value[10:11] else value


PRESETS = {
    "boston_portal": (BOSTON, BOSTON_ROWS, "America/New_York"),
    "new_york": (NEW_YORK, NEW_YORK_ROWS, "America/New_York"),
    "new_york_export": (NEW_YORK_EXPORT, renamed(NEW_YORK_ROWS, "new_york", "new_york_export"), "America/New_York"),
    "chicago": (CHICAGO, CHICAGO_ROWS, "America/Chicago"),
    "chicago_export": (CHICAGO.upper(), renamed(CHICAGO_ROWS, "chicago", "chicago_export"), "America/Chicago"),
    "san_francisco": (SAN_FRANCISCO, SAN_FRANCISCO_ROWS, "America/Los_Angeles"),
    "san_francisco_export": (
        SAN_FRANCISCO_EXPORT,
        renamed(SAN_FRANCISCO_ROWS, "san_francisco", "san_francisco_export"),
        "America/Los_Angeles",
    ),
    "georeport_bulk": (BULK, BULK_ROWS, "America/New_York"),
    "georeport": (GEOREPORT, GEOREPORT_ROWS, "America/New_York"),
    "hotline_12345": (HOTLINE, HOTLINE_ROWS, "Asia/Shanghai"),
}
# preset -> the first case: opened, due, closed, category, channel.
FIRST = {
    "boston_portal": (
        "2022-01-01 23:46:09",
        "2022-01-17 08:30:00",
        "2022-01-02 11:03:10",
        "Street Light Outages",
        "phone",
    ),
    "new_york": ("2024-03-01 14:27:57", "2024-03-09 14:27:57", "2024-03-04 15:59:20", "Graffiti", "phone"),
    "chicago": ("2024-03-01 14:27:57", None, "2024-03-04 15:59:20", "Pothole in Street Complaint", "phone"),
    "san_francisco": ("2024-03-01 14:27:57", None, "2024-03-04 15:59:20", "graffiti_on_pole", "app"),
    "georeport_bulk": ("2024-03-01 14:27:57", None, "2024-03-04 15:59:20", "Curb", "phone"),
    "georeport": ("2024-03-01 14:27:57", "2024-03-09 14:27:57", None, "Sidewalk and Curb Issues", None),
    "hotline_12345": ("2024-03-01 14:27:57", "2024-03-09 14:27:57", "2024-03-04 15:59:20", "路灯照明", "phone"),
}


def as_csv(preset: str) -> str:
    """A file as the portal writes it: its whole header, and SECRET in everything that the mapping does not read."""
    header, rows, _zone = PRESETS[preset]
    mapping = find_mapping(preset)
    names = header.split(",")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([row.get(name, SECRET if name in mapping.leave_out else "") for name in names] for row in rows)
    return text.getvalue()


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
        yield opened


def assert_not_stored(folder: Path, *words: str) -> None:
    """Nothing of a left-out column lies anywhere in the database, its journal included."""
    for path in folder.glob("heed.db*"):
        assert not any(word.encode() in path.read_bytes() for word in words)


def first_case(store: Store) -> dict[str, object]:
    cases = fold_cases(store.read_events())
    return cases.sort_values("opened_at").iloc[0].to_dict()


def seconds(moment: str | None, zone: str) -> int:
    return NEVER if moment is None else utc(moment, zone)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_file_with_the_portals_header_is_read(store, tmp_path, preset):
    """The whole header is spoken for, times are read in the right zone, words are translated, the rest stays out."""
    path = tmp_path / "cases.csv"
    path.write_text(as_csv(preset), encoding="utf-8")
    report = import_file(store, path, preset)
    assert (report.rows, report.cases, len(report.set_aside)) == (2, 2, 0)
    zone = PRESETS[preset][2]
    opened, due, closed, category, channel = FIRST[preset.removesuffix("_export")]
    case = first_case(store)
    assert case["opened_at"] == seconds(opened, zone)
    assert case["due_at"] == seconds(due, zone)
    assert case["closed_at"] == seconds(closed, zone)
    assert case["category"] == category
    assert (case["channel"] if isinstance(case["channel"], str) else None) == channel
    assert_not_stored(tmp_path, "Secret", "Lovelace")


def test_every_preset_is_tested_here_or_with_real_or_simulated_data():
    """A mapping that is shipped was read by somebody."""
    elsewhere = {"boston", "stlouis", "chicago_sanitation", "demo", "xes_example", "san_francisco_open311"}
    cases = {name for name in shipped_mappings() if find_mapping(name).source.shape != "inspections"}
    assert cases <= {*PRESETS, *elsewhere}


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_no_preset_takes_a_change_for_a_closing_or_keeps_what_names_a_person(preset):
    """A time of the last change is left out with the reason; so are texts, addresses and coordinates."""
    mapping = find_mapping(preset)
    assert mapping.source.name == preset
    for name in (*mapping.columns, *mapping.leave_out):
        if any(word in name.lower() for word in ("updated", "modified", "更新", "回访", "归档")):
            assert "not a closing" in mapping.leave_out[name]
        if any(word in name.lower() for word in ("lat", "lon", "address", "street", "notes", "description", "photo")):
            assert name in mapping.leave_out or name in ("status_description",)
    assert mapping.forced == {}
    assert mapping.known("office") in (None, "end")


def test_duplicates_and_cancelled_requests_fall_away(store, tmp_path):
    """Chicago marks a duplicate in a column of its own; the duty lives on in the other request."""
    path = tmp_path / "cases.csv"
    path.write_text(as_csv("chicago"), encoding="utf-8")
    import_file(store, path, "chicago")
    kinds = store.read_events()["kind"].tolist()
    assert kinds.count("duplicate") == 1
    assert kinds.count("closed") == 1


def test_closed_requests_without_a_time_of_closing_are_refused(store, tmp_path):
    """GeoReport v2 does not say when a request was closed, and the time of the last change must not stand in."""
    path = tmp_path / "requests.csv"
    path.write_text(as_csv("georeport").replace("638344,open", "638344,closed"), encoding="utf-8")
    with pytest.raises(RowError, match=r"column 'status', row 1: it contradicts"):
        import_file(store, path, "georeport")


def test_georeport_answers_are_read_as_they_come(store, tmp_path):
    """The interface answers with one JSON array; numbers, nulls and missing keys are all in it."""
    mapping = find_mapping("georeport")
    rows = [{name: row.get(name) for name in GEOREPORT.split(",") if name != "zipcode"} for row in GEOREPORT_ROWS]
    rows[0] |= {"service_request_id": 638344, "description": SECRET, "lat": 37.76, "address": SECRET}
    path = tmp_path / "requests.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    assert import_file(store, path, mapping).cases == 2
    assert first_case(store)["due_at"] == utc("2024-03-09 14:27:57")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_hotline_file_is_read_in_the_encoding_of_the_office(store, tmp_path, encoding):
    """Excel in China writes GB18030 or a byte order mark."""
    path = tmp_path / "工单.csv"
    path.write_bytes(as_csv("hotline_12345").encode(encoding))
    report = import_file(store, path, "hotline_12345")
    assert report.cases == 2
    case = first_case(store)
    assert (case["area"], case["office"], case["category_group"]) == ("东塘村", "城管分局", "求助")


def test_a_hotline_workbook_is_read_with_its_dates(store, tmp_path):
    """The same rows from a workbook in which times are times."""
    book = openpyxl.Workbook()
    names = HOTLINE.split(",")
    book.active.append(names)
    for row in HOTLINE_ROWS:
        cells = [row.get(name) for name in names]
        book.active.append(
            [pd.Timestamp(cell).to_pydatetime() if cell and cell.startswith("2024-") else cell for cell in cells]
        )
    book.save(tmp_path / "工单.xlsx")
    import_file(store, tmp_path / "工单.xlsx", "hotline_12345")
    case = first_case(store)
    assert case["closed_at"] == utc("2024-03-04 15:59:20", "Asia/Shanghai")
    assert case["due_at"] == utc("2024-03-09 14:27:57", "Asia/Shanghai")


def test_a_hotline_column_that_the_mapping_does_not_speak_of_is_refused(store, tmp_path):
    """One more column with people in it refuses the file by its name."""
    path = tmp_path / "cases.csv"
    path.write_text(as_csv("hotline_12345").replace("诉求人,", "投诉人,", 1), encoding="utf-8")
    with pytest.raises(PersonalDataError, match="'投诉人': looks like something about a person"):
        import_file(store, path, "hotline_12345")


XES = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849.2016" xmlns="http://www.xes-standard.org/">
<trace><string key="concept:name" value="A-1"/><string key="category" value="路灯照明"/>
<string key="area" value="东塘村"/>
<event><string key="concept:name" value="受理"/><date key="time:timestamp" value="2024-03-01T14:27:57.000+08:00"/>
<string key="org:resource" value="Ada Lovelace"/><string key="org:group" value="城管分局"/>
<date key="due" value="2024-03-09T14:27:57+08:00"/></event>
<event><string key="concept:name" value="Transfer"/><date key="time:timestamp" value="2024-03-02T09:00:00+08:00"/>
<string key="org:resource" value="Grace Hopper"/><string key="org:group" value="水利所"/></event>
<event><string key="concept:name" value="办结"/><date key="time:timestamp" value="2024-03-04T07:59:20Z"/></event>
</trace></log>"""


def test_an_event_log_is_read_without_the_people_at_the_desks(store, tmp_path):
    """Activities become our kinds of event, times their moments, and org:resource stays out."""
    path = tmp_path / "log.xes"
    path.write_text(XES, encoding="utf-8")
    report = import_file(store, path, "xes_example")
    assert (report.rows, report.cases) == (3, 1)
    assert "org:resource" in report.left_out
    events = store.read_events()
    assert events["kind"].tolist() == ["opened", "transferred", "closed"]
    assert events["office"].tolist()[:2] == ["城管分局", "水利所"]
    case = first_case(store)
    assert (case["opened_at"], case["closed_at"]) == (
        utc("2024-03-01 14:27:57", "Asia/Shanghai"),
        utc("2024-03-04 15:59:20", "Asia/Shanghai"),
    )
    assert_not_stored(tmp_path, "Lovelace", "Hopper")


def test_an_activity_that_the_mapping_does_not_know_is_refused(store, tmp_path):
    """What happened is never guessed; the word is not shown."""
    path = tmp_path / "log.xes"
    path.write_text(XES.replace("Transfer", "Secret step"), encoding="utf-8")
    with pytest.raises(RowError, match=r"column 'concept:name', row 2: the value is not in") as info:
        import_file(store, path, "xes_example")
    assert "Secret" not in str(info.value)
