"""What the simulated city is made of: its types of problem, its offices, the syllables of its place names.

All of it is invented. The shares, standards and seasons are chosen to be plausible for the hotline of a small
city in the south of China; none is an estimate of a real one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from data.clock import Unit
from data.schema import Tier


@dataclass(frozen=True, slots=True)
class CategorySpec:
    """A type of problem: how often it comes, when, how much work it is, and what is promised.

    `share` is relative to the others. `peak` is the day of the year around which the season swings by
    `swing`; `rain` is how much a wet day adds; `weekend` is the factor of Saturdays and Sundays. `work` is
    the mean hours of one crew, `spread` the sigma of its lognormal. `waits` is the chance of having to wait
    for another party, `astray` of being sent to the wrong office first. `at_once` is the share that crews
    note down when it is already done. `office` is the department; `local` sends a case to the office of its
    town instead, "outer" only outside the centre.
    """

    code: str
    group: str
    name_zh: str
    name_en: str
    share: float
    amount: int
    unit: Unit
    office: str
    local: str = "no"  # no · outer · all
    peak: int = 200
    swing: float = 0.1
    rain: float = 0.0
    weekend: float = 0.8
    work: float = 4.0
    spread: float = 0.9
    waits: float = 0.06
    astray: float = 0.05
    at_once: float = 0.0


@dataclass(frozen=True, slots=True)
class OfficeSpec:
    """An office: its tier, its parent, and whether its crews are on duty every day of the year."""

    code: str
    tier: Tier
    parent: str | None
    name_zh: str
    name_en: str
    on_duty: bool = False


_DAYS: Final = "working_days"
_HOURS: Final = "hours"

CATEGORIES: Final = (
    CategorySpec("rubbish_not_collected", "waste", "垃圾未清运", "Rubbish not collected", 9.0, 12, _DAYS,
                 "K-SAN", local="outer", peak=205, swing=0.18, work=2.2, at_once=0.05),
    CategorySpec("bulky_waste", "waste", "大件废弃物清运", "Bulky waste to collect", 5.0, 20, _DAYS,
                 "K-SAN", weekend=1.1, work=3.0, at_once=0.06),
    CategorySpec("street_dirty", "waste", "道路保洁不到位", "Street not swept", 6.0, 12, _DAYS,
                 "K-SAN", local="outer", swing=0.12, work=1.8, at_once=0.08),
    CategorySpec("blocked_drain", "water", "下水道堵塞", "Blocked drain", 7.0, 15, _DAYS,
                 "K-WAT", local="outer", peak=175, swing=0.28, rain=0.5, work=4.5, spread=1.0),
    CategorySpec("low_water_pressure", "water", "水压不足", "Low water pressure", 3.0, 12, _DAYS,
                 "K-WAT", peak=210, swing=0.25, work=3.5),
    CategorySpec("water_leak", "water", "供水管道漏水", "Leaking water main", 4.0, 36, _HOURS,
                 "K-WAT", peak=20, swing=0.12, weekend=0.95, work=4.0, spread=1.0, at_once=0.02),
    CategorySpec("water_bill_query", "water", "水费查询", "Water bill query", 3.5, 5, _DAYS,
                 "K-00", weekend=0.4, work=1.2, spread=0.6, waits=0.03),
    CategorySpec("manhole_cover", "roads", "井盖缺损", "Manhole cover missing or loose", 2.0, 24, _HOURS,
                 "K-ROA", weekend=0.95, work=2.2, spread=0.7, astray=0.12, at_once=0.04),
    CategorySpec("pothole", "roads", "路面坑洼", "Pothole", 6.5, 30, _DAYS,
                 "K-ROA", local="outer", peak=60, swing=0.35, rain=0.15, work=5.5, at_once=0.05),
    CategorySpec("pavement_damaged", "roads", "人行道破损", "Pavement damaged", 5.0, 30, _DAYS,
                 "K-ROA", local="outer", peak=80, swing=0.15, work=7.0, spread=1.0, waits=0.12),
    CategorySpec("street_light_out", "lighting", "路灯不亮", "Street light out", 6.5, 20, _DAYS,
                 "K-ROA", peak=355, swing=0.28, work=3.0, at_once=0.04),
    CategorySpec("traffic_signal_fault", "transport", "信号灯故障", "Traffic signal fault", 1.5, 24, _HOURS,
                 "K-TRA", weekend=0.9, rain=0.3, work=2.5, spread=0.7),
    CategorySpec("road_sign_damaged", "transport", "交通标志破损", "Road sign damaged", 2.5, 20, _DAYS,
                 "K-TRA", work=3.0, astray=0.12),
    CategorySpec("bus_stop_damaged", "transport", "公交站亭损坏", "Bus stop damaged", 2.2, 20, _DAYS,
                 "K-TRA", work=4.0, waits=0.1),
    CategorySpec("lift_out_of_order", "housing", "电梯停运", "Lift out of order", 3.2, 48, _HOURS,
                 "K-HOU", peak=200, swing=0.15, weekend=1.0, work=4.5, spread=1.0, waits=0.1),
    CategorySpec("roof_leak", "housing", "屋面渗漏", "Leaking roof", 4.0, 30, _DAYS,
                 "K-HOU", peak=170, swing=0.35, rain=0.5, work=8.0, spread=1.0, waits=0.14),
    CategorySpec("heating_fault", "housing", "供热故障", "Heating fault", 3.0, 5, _DAYS,
                 "K-HOU", peak=18, swing=0.9, weekend=1.0, work=3.5),
    CategorySpec("shared_area_repair", "housing", "公共部位维修", "Repair of a shared area", 5.5, 30, _DAYS,
                 "K-HOU", local="outer", work=6.5, spread=1.0, waits=0.15, astray=0.09),
    CategorySpec("construction_noise", "surroundings", "工地噪声", "Noise from a building site", 6.0, 12,
                 _DAYS, "K-MKT", peak=190, swing=0.25, weekend=1.15, work=3.0, astray=0.08),
    CategorySpec("construction_dust", "surroundings", "工地扬尘", "Dust from a building site", 3.0, 20,
                 _DAYS, "K-MKT", peak=120, swing=0.25, rain=-0.4, work=3.5),
    CategorySpec("market_hygiene", "surroundings", "农贸市场环境卫生", "Market not kept clean", 3.0, 25,
                 _DAYS, "K-MKT", peak=200, swing=0.15, work=4.0),
    CategorySpec("mosquito_site", "surroundings", "蚊虫孳生地", "Mosquito breeding site", 2.8, 20, _DAYS,
                 "K-SAN", local="all", peak=195, swing=0.85, rain=0.2, work=2.5),
    CategorySpec("tree_trimming", "green", "树木修剪", "Tree to trim", 4.0, 25, _DAYS,
                 "K-00", local="all", peak=180, swing=0.3, rain=0.2, work=4.0, waits=0.08),
    CategorySpec("park_equipment", "green", "公园设施损坏", "Park equipment broken", 2.8, 25, _DAYS,
                 "K-00", local="all", peak=150, swing=0.12, weekend=1.2, work=4.0, astray=0.09),
)  # fmt: skip

# The towns' own offices, T-01 and so on, are added for as many towns as the plan has; K-00 is their parent.
DEPARTMENTS: Final = (
    OfficeSpec("C-00", Tier.CITY, None, "市协调中心", "City coordination centre"),
    OfficeSpec("K-00", Tier.COUNTY, "C-00", "县政务服务中心", "County service centre"),
    OfficeSpec("K-WAT", Tier.COUNTY, "C-00", "县水务处", "Water and drainage", on_duty=True),
    OfficeSpec("K-ROA", Tier.COUNTY, "C-00", "县道路照明处", "Roads and lighting", on_duty=True),
    OfficeSpec("K-SAN", Tier.COUNTY, "C-00", "县环境卫生处", "Sanitation", on_duty=True),
    OfficeSpec("K-HOU", Tier.COUNTY, "C-00", "县房屋修缮处", "Housing repairs"),
    OfficeSpec("K-MKT", Tier.COUNTY, "C-00", "县市场与工地管理处", "Markets and building sites"),
    OfficeSpec("K-TRA", Tier.COUNTY, "C-00", "县交通设施处", "Transport facilities"),
)

# What is inspected, and the type of problem that a bad finding goes before.
ASSETS: Final[dict[str, str]] = {
    "drain": "blocked_drain",
    "lift": "lift_out_of_order",
    "street_light": "street_light_out",
    "road_segment": "pothole",
    "refuse_point": "rubbish_not_collected",
}

CITY_NAME: Final = ("云上市（模拟）", "Yunshang (simulated)")
TOWN_NAMES: Final = (
    ("青禾镇", "Qinghe Town"),
    ("石桥镇", "Shiqiao Town"),
    ("松岭镇", "Songling Town"),
    ("荷塘镇", "Hetang Town"),
    ("竹溪镇", "Zhuxi Town"),
    ("枫浦镇", "Fengpu Town"),
)
NAME_BEGINNINGS: Final = (
    ("柳", "Liu"), ("白", "Bai"), ("梅", "Mei"), ("云", "Yun"), ("泉", "Quan"), ("桃", "Tao"),
    ("杏", "Xing"), ("枣", "Zao"), ("桂", "Gui"), ("茶", "Cha"), ("兰", "Lan"), ("榆", "Yu"),
)  # fmt: skip
NAME_ENDINGS: Final = (
    ("湾", "wan"), ("坪", "ping"), ("坡", "po"), ("洲", "zhou"), ("坞", "wu"), ("墩", "dun"), ("畈", "fan"),
    ("垄", "long"),
)  # fmt: skip
