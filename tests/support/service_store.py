"""A small store for the service: places with two levels, open cases with events and risks, pressure and
signals.
Everything is simulated from a seed. Area `A-05` has few cases, so that disclosure has something to
withhold.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from data.schema import EVENT_COLUMNS
from data.store import ImportRun, Store
from data.synthetic.outlines import boundaries, village_outlines
from service.board_block import Block
from tests.support.made_once import made_once

AS_OF = 1_763_683_200  # 21 November 2025, 08:00 in Shanghai
DAY = 86_400
SMALL_AREA = "A-05"

AREAS = [
    ("T-1", None, "河东镇", "Hedong", 21_000),
    ("T-2", None, "柳林镇", "Liulin", 17_500),
    *(
        (f"A-{n:02d}", "T-1" if n <= 6 else "T-2", zh, en, 400 if n == 5 else 2_500 + 311 * n)
        for n, (zh, en) in enumerate(
            [
                ("东街村", "East Street"),
                ("桥头村", "Bridge End"),
                ("新塘村", "New Pond"),
                ("石桥村", "Stone Bridge"),
                ("小坞村", "Little Cove"),
                ("河湾村", "River Bend"),
                ("柳岸村", "Willow Bank"),
                ("南坡村", "South Slope"),
                ("竹园村", "Bamboo Garden"),
                ("水口村", "Water Gate"),
                ("梅岭村", "Plum Ridge"),
            ],
            start=1,
        )
    ),
]
OFFICES = [
    ("O-1", "city", "城市管理局", "City Works"),
    ("O-2", "county", "水务局", "Water Bureau"),
    ("O-3", "town", "河东镇综合服务中心", "Hedong Service Centre"),
    ("O-4", "town", "柳林镇综合服务中心", "Liulin Service Centre"),
]
CATEGORIES = [
    ("street_light", "路灯故障", "Street light out"),
    ("drain", "下水道堵塞", "Blocked drain"),
    ("water", "供水问题", "Water supply"),
    ("waste", "垃圾清运", "Waste collection"),
    ("lift", "电梯故障", "Lift out of order"),
    ("road", "道路破损", "Damaged road surface"),
    ("noise", "施工噪声", "Building site noise"),
]
# feature | family | label_zh | label_en | text_zh | text_en
_REASONS_TEXT = """
office_late | office | 单位近期超期 | late answers of the office | 每100件约41件超期 | 41 of 100 were late
office_backlog | office | 单位在办案件 | open cases of the office | 现有212件在办 | 212 cases were open
category_hours | category | 同类办理时长 | time to close of this type | 通常6天办结 | usually takes 6 days
promise_days | promise | 承诺时限 | promised time | 承诺3个工作日 | 3 working days promised
area_inflow | area | 本区域新增 | new cases in the area | 近28天新增96件 | 96 new cases in 28 days
opened_hour | calendar | 受理时间 | hour of opening | 下班后受理 | opened after office hours
transfers | office | 转办次数 | hand-overs of the office | 近13周转办17次 | 17 hand-overs in 13 weeks
channel | channel | 受理渠道 | channel | 电话受理 | received by telephone
weekday | calendar | 星期 | weekday | 周五受理 | opened on a Friday
category_inflow | category | 同类新增 | new cases of this type | 近28天310件 | 310 in 28 days
"""
REASONS = [tuple(part.strip() for part in line.split("|")) for line in _REASONS_TEXT.strip().splitlines()]


def fill_store(path: Path, *, cases: int = 400, seed: int = 7, as_of: int = AS_OF) -> Path:
    """Make a store at `path` with that many open cases, scored as of `as_of`."""
    with Store.open(str(path), create=True) as store:
        fill(store, cases=cases, seed=seed, as_of=as_of)
    return path


def fill(store: Store, *, cases: int, seed: int = 7, as_of: int = AS_OF) -> None:
    """Fill an open store with places, cases and one scoring."""
    rng = np.random.default_rng(seed)
    store.write_places(
        areas=simulated_areas(),
        offices=pd.DataFrame(OFFICES, columns=["office", "tier", "name_zh", "name_en"]),
        categories=pd.DataFrame(CATEGORIES, columns=["category", "name_zh", "name_en"]),
    )
    run = ImportRun(
        source="simulated",
        time_zone="Asia/Shanghai",
        known_at_opening=("category", "area", "channel", "office"),
        file_name="simulated.csv",
        file_sha256=f"{seed:064d}",
        extracted_at=as_of - 1,
    )
    store.add_events(run, simulated_events(rng, cases, as_of))
    # The morning before: some of the cases had not come in yet.
    before = sorted(store.read_events(as_of=as_of - DAY)["case_id"].unique())
    store.write_risks(simulated_risks(np.random.default_rng(seed + 2), before, as_of - DAY))
    score(store, as_of=as_of, seed=seed)


def score(store: Store, *, as_of: int, seed: int) -> None:
    """Write risks of every open case, and pressure and signals, as of a moment."""
    rng = np.random.default_rng(seed + 1)
    ids = sorted(store.read_events(as_of=as_of)["case_id"].unique())
    store.write_risks(simulated_risks(rng, ids, as_of))
    store.write_remaining_times(simulated_remaining_times(ids, as_of))
    store.write_pressure(simulated_pressure(rng, as_of))
    store.write_signals(simulated_signals(as_of))
    store.write_signal_weeks(simulated_signal_weeks(rng, as_of))
    store.add_outcomes(simulated_outcomes(as_of))
    store.add_board_counts(simulated_board(as_of))


@cache
def simulated_areas() -> pd.DataFrame:
    """The towns and their villages, with boundaries."""
    areas = pd.DataFrame(AREAS, columns=["area", "parent", "name_zh", "name_en", "population"])
    towns = [int(parent == "T-2") for _, parent, *_ in AREAS if parent]
    places = np.random.default_rng(5).uniform(-0.5, 0.5, (len(towns), 2)) + np.column_stack(
        (towns, np.zeros(len(towns)))
    )
    of_villages, of_towns, _of_city = boundaries(village_outlines(places), towns)
    return areas.assign(boundary=[*of_towns, *of_villages])


def simulated_events(rng: np.random.Generator, cases: int, as_of: int) -> pd.DataFrame:
    """Openings, and for some cases a hand-over, a reply or a pause, all before `as_of`."""
    areas = [code for code, parent, *_ in AREAS if parent]
    channels = ["phone", "web", "app", "counter", "mail"]
    rows: list[dict[str, object]] = []
    for number in range(cases):
        case_id = f"{rng.integers(1 << 62):016x}{number:016x}"
        opened = int(as_of - rng.integers(3600, 40 * DAY))
        office = OFFICES[rng.integers(4)][0]
        rows.append(
            {
                "case_id": case_id,
                "kind": "opened",
                "at": opened,
                "known_at": opened,
                "due_at": None if rng.random() < 0.05 else opened + int(rng.choice([3, 7, 15, 30, 45])) * DAY,
                "category": CATEGORIES[rng.integers(len(CATEGORIES))][0],
                "area": None if rng.random() < 0.02 else areas[rng.integers(len(areas))],
                "channel": channels[rng.integers(5)],
                "office": office,
            }
        )
        for kind in rng.permutation(["assigned", "transferred", "replied", "paused"])[: rng.integers(3)]:
            at = int(rng.integers(opened, as_of - 1))
            known = min(at + int(rng.choice([0, 0, 600, 2 * DAY])), as_of - 1)
            moved = kind in ("assigned", "transferred")
            rows.append(
                {
                    "case_id": case_id,
                    "kind": str(kind),
                    "at": at,
                    "known_at": known,
                    "office": OFFICES[rng.integers(4)][0] if moved else office,
                }
            )
    frame = pd.DataFrame(rows, columns=[*EVENT_COLUMNS])
    frame["due_at"] = frame["due_at"].astype("Int64")
    return frame.astype({name: "str" for name in EVENT_COLUMNS if name not in ("at", "known_at", "due_at")})


def simulated_risks(rng: np.random.Generator, ids: list[str], as_of: int) -> pd.DataFrame:
    """A calibrated-looking probability per case, with reasons that add up to it."""
    probability = np.clip(rng.beta(1.3, 3.2, len(ids)), 0.003, 0.996)
    reasons = [simulated_reasons(rng, float(p)) for p in probability]
    late = pd.DataFrame(
        {
            "case_id": ids,
            "outcome": "late",
            "as_of": as_of,
            "model_version": "failures-0123456789ab",
            "landmark_at": as_of - DAY,
            "probability": probability,
            "band": np.select([probability >= 0.5, probability >= 0.2], ["high", "medium"], "low"),
            "reasons": reasons,
            "lower": 0.9 * probability,
            "upper": np.minimum(1.1 * probability, 1.0),
        }
    )
    return pd.concat([late, late.assign(outcome="any_failure", probability=late["upper"])], ignore_index=True)


def simulated_remaining_times(ids: list[str], as_of: int) -> pd.DataFrame:
    """The same wait for all: a day or two, most likely."""
    ends = {"median": 30, "lower_80": 20, "upper_80": 50, "lower_95": 6, "upper_95": 300}
    hours = {name: 3600.0 * hours for name, hours in ends.items()}
    return pd.DataFrame({"case_id": ids, "as_of": as_of, "model_version": "failures-0123456789ab", **hours})


def simulated_reasons(rng: np.random.Generator, probability: float) -> str:
    """Reasons in percentage points, with their base last."""
    base = 24.0
    weights = np.geomspace(8, 0.4, len(REASONS))
    parts = rng.normal(0, 1, len(REASONS)) * weights
    parts += (
        (100 * probability - base - parts.sum())
        * np.geomspace(8, 0.4, len(REASONS))
        / np.geomspace(8, 0.4, len(REASONS)).sum()
    )
    names = ("feature", "family", "label_zh", "label_en", "text_zh", "text_en")
    items = [
        {**dict(zip(names, reason, strict=True)), "points": round(float(points), 3)}
        for reason, points in zip(REASONS, parts, strict=True)
    ]
    rest = 100 * probability - sum(float(item["points"]) for item in items)
    return json.dumps([*items, {"feature": "base", "points": rest}], ensure_ascii=False)


def simulated_pressure(rng: np.random.Generator, as_of: int) -> pd.DataFrame:
    """Pressure of the villages and offices; the small village holds a handful of cases."""
    rows = []
    for kind, units in (
        ("area", [area[0] for area in AREAS if area[1]]),
        ("office", [office[0] for office in OFFICES]),
    ):
        for position, unit in enumerate(units):
            backlog = 6 if unit == SMALL_AREA else int(rng.integers(30, 190))
            usual = backlog * (0.6 if position % 4 == 1 else 1.0 if position % 4 else 0.8)
            rows.append(
                {
                    "as_of": as_of,
                    "unit_kind": kind,
                    "unit": unit,
                    "backlog": backlog,
                    "inflow_28d": 7 if unit == SMALL_AREA else int(1.3 * backlog),
                    "outflow_28d": 4 if unit == SMALL_AREA else int(1.1 * backlog),
                    "overdue": 1 if unit == SMALL_AREA else int(0.3 * backlog),
                    "expected_late": round(0.36 * backlog, 2),
                    "usual_backlog": usual,
                    "usual_low": 0.8 * usual,
                    "usual_high": 1.2 * usual,
                    "due_14d": int(0.4 * backlog),
                    **_estimates("backlog_days", 0.9 * 20, usual / backlog),
                    **_estimates("flow_ratio", 1.18, usual / backlog),
                    **_estimates("late_14d", 0.3 * backlog, usual / backlog),
                    "level": "high" if position % 4 == 1 else "usual" if position % 4 else "raised",
                }
            )
    return pd.DataFrame(rows)


def _estimates(name: str, value: float, usual: float) -> dict[str, float]:
    """A figure, its interval, and what is usual of it."""
    ends = {"": 1.0, "_low": 0.8, "_high": 1.25, "_usual_low": 0.7 * usual, "_usual_high": 1.3 * usual}
    return {f"{name}{end}": round(value * factor, 3) for end, factor in ends.items()}


def simulated_signals(as_of: int) -> pd.DataFrame:
    """Three signals: one with large counts, one with small ones, one of silence."""
    week = as_of - 11 * DAY
    figures = [
        ("A-02", "street_light", "rise", 31, 13.6, 7.0, 21.0, 0.00004, 0.002, 2),
        ("A-02", "drain", "rise", 23, 11.2, 5.5, 18.1, 0.0011, 0.03, 1),
        (SMALL_AREA, "water", "rise", 5, 0.8, 0.0, 3.0, 0.0007, 0.02, 1),
        ("A-09", "waste", "silence", 2, 24.5, 14.0, 35.0, 0.00001, 0.001, 3),
    ]
    names = [
        "area",
        "category",
        "direction",
        "observed",
        "expected",
        "lower",
        "upper",
        "p_value",
        "q_value",
        "weeks_running",
    ]
    frame = pd.DataFrame(figures, columns=names)
    group = frame["category"].map({"street_light": "streets", "drain": "streets"})
    told = {"level": "series", "part_kind": "area", "n_parts": 1, "parts_rising": 1, "parts_told": 0, "told": 1}
    why = {"method_reason": "months_of_past", "weeks_of_past": 40}
    return frame.assign(
        as_of=as_of, week=week, fdr_level=0.05, method="farrington flexible", category_group=group, **told, **why
    )


def simulated_board(as_of: int) -> pd.DataFrame:
    """An echo board of the villages and towns; the small village and one beside it are withheld."""
    block = Block.newest(as_of, "Asia/Shanghai")
    villages = [(code, parent) for code, parent, *_ in AREAS if parent]
    cells = {
        (code, category): (37 * place + 11 * kind) % 50 + 12
        for place, (code, _) in enumerate(villages)
        for kind, (category, *_) in enumerate(CATEGORIES)
    }
    rows = []
    for area in ("*", *(code for code, *_ in AREAS)):
        inside = [code for code, parent in villages if area in ("*", code, parent)]
        for category in ("*", *(code for code, *_ in CATEGORIES)):
            raised = sum(n for (where, kind), n in cells.items() if where in inside and category in ("*", kind))
            figures = [raised, *(part if part >= 10 else None for part in (int(0.7 * raised), int(0.1 * raised)))]
            if area in (SMALL_AREA, "A-06"):
                figures = [None, None, None]
            rows.append((block.counted_at, area, category, block.since, 10, *figures))
    names = ["as_of", "area", "category", "since", "minimum", "raised", "solved", "still_open"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.astype(dict.fromkeys(names[-3:], "Int64"))


def simulated_signal_weeks(rng: np.random.Generator, as_of: int) -> pd.DataFrame:
    """The weeks behind those signals: some small, one not recorded, the newest flagged."""
    parts = []
    for row in simulated_signals(as_of).to_dict("records"):
        counts = rng.poisson(row["expected"], 53)
        counts[-1] = row["observed"]
        observed = pd.array(counts, dtype="Int64")
        observed[20] = None
        parts.append(
            pd.DataFrame(
                {
                    "area": row["area"],
                    "category": row["category"],
                    "week": [row["week"] - (52 - n) * 7 * DAY for n in range(53)],
                    "observed": observed,
                    "expected": row["expected"],
                    "lower": row["lower"],
                    "upper": row["upper"],
                    "alarm": pd.Series([None] * 52 + [row["direction"]], dtype="str"),
                    "area_reports": counts + (3 if row["area"] == SMALL_AREA else 60),
                }
            )
        )
    return pd.concat(parts, ignore_index=True).assign(as_of=as_of)


def simulated_outcomes(as_of: int) -> pd.DataFrame:
    """What the weeks after earlier signals showed: three of five rises lasted."""
    later = ["lasted", "faded", "lasted", "lasted", "faded"]
    ids = [f"earlier{n:025d}" for n in range(5)]
    return pd.DataFrame({"signal_id": ids, "week": as_of - 90 * DAY, "area": "A-02", "category": "drain"}).assign(
        direction="rise", later=later, known_at=as_of - 50 * DAY
    )


def small_store(folder: Path) -> Path:
    """A store of 40 open cases that a test may change; a copy, because making one anew takes a second."""
    made = made_once("small-store", lambda empty: fill_store(empty / "heed.db", cases=40))
    return Path(shutil.copy(made / "heed.db", folder / "heed.db"))


@cache
def shared_store() -> Path:
    """One filled store for all tests of this process that only read; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="heed-service-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = made_once("shared-store", lambda empty: fill_store(empty / "heed.db"))
    return Path(shutil.copy(made / "heed.db", folder / "heed.db"))
