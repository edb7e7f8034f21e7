"""What the door must let pass, by column as a source would hold it, and what it must find: made-up people, from a seed."""

# ruff: noqa: E501, S311  (lists of words; and the numbers are to be the same for everybody, not secret)

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

# ---- names of areas, offices and types of problem ----

PASS: Final[dict[str, str]] = {
    "villages": "李家村 王家庄 张家湾 赵家屯 马家堡 刘家窑 陈家桥 杨家坪 周家渡 吴家山 徐家汇 孙家坝 胡家营 朱家角 高家园 林家岭 "
    "何家沟 郭家塘 罗家坳 梁家墩 宋家集 郑家坞 谢家湾 韩家川 唐家岭 冯家店 于家务 董家渡 萧家河 程家桥 曹家巷 袁家界 邓家湾 "
    "许家堡 傅家边 沈家门 曾家岩 彭家坡 吕家营 苏家屯 卢家嘴 蒋家坝 蔡家岗 贾家庄 丁家桥 魏家湾 薛家岛 叶家坪",
    "districts": "上城区 下城区 拱墅区 西湖区 滨江区 萧山区 余杭区 临平区 钱塘区 富阳区 临安区 桐庐县 淳安县 建德市 白云区 黄埔区 "
    "天河区 海珠区 越秀区 荔湾区 番禺区 花都区 南沙区 从化区 增城区 高新区 高新技术产业开发区 经济技术开发区",
    "districts without the word": "上城 下城 拱墅 西湖 滨江 萧山 余杭 临平 钱塘 富阳 临安 桐庐 淳安 建德 白云 黄埔 天河 海珠 越秀 荔湾 番禺 "
    "花都 南沙 从化 增城 江宁 溧水 高淳 浦口 六合 栖霞 雨花台 鼓楼 玄武 秦淮 建邺",
    "quarters": "方庄 王府井 张江镇 陆家嘴 五道口 中关村 望京 亚运村 团结湖 三里屯 国贸 双井 劲松 潘家园 十里河 宋家庄 刘家窑 蒲黄榆 "
    "马甸 北太平庄 牡丹园 知春路 金融街 什刹海 新街口 西直门 动物园 白石桥 紫竹院 万寿路 五棵松 玉泉路 八角 古城 苹果园 石景山 "
    "张家口 石家庄 秦皇岛 连云港 张家港 马鞍山 黄山 常州 常熟 江阴 高邮 金华 温岭 和平 向阳 平安 安宁",
    "streets": "黄河路 中山路街道 解放路 人民路街道 文三路 建国路 长安街 王庄路 李村河街道 延安西路 南京东路 淮海中路 四川北路 田林街道 "
    "曹杨新村街道 梅陇镇 龙华街道 徐家汇街道 虹桥路 江苏路街道 华阳路街道 周家桥街道 天山路街道 仙霞新村街道",
    "categories": "马路破损 路灯不亮 井盖缺失 占道经营 噪音扰民 油烟扰民 违章停车 违法建设 垃圾清运 垃圾分类 绿化养护 高空抛物 房屋漏水 "
    "房产纠纷 白蚁防治 安全隐患 文明养犬 公交服务 地铁运营 出租车 停车收费 物业服务 物业收费 供水 停水 供电 停电 供气 供暖 "
    "暖气不热 污水外溢 黑臭水体 河道保洁 积水内涝 道路施工 施工噪音 扬尘污染 消费维权 食品安全 药品安全 价格举报 拖欠工资 "
    "劳动争议 社会保险 医疗保险 养老保险 住房公积金 户籍办理 身份证办理 教育收费 入学咨询 校外培训 疫情防控 交通信号灯 "
    "交通拥堵 共享单车 宽带网络 电梯故障 消防通道 燃气安全 危房改造 拆迁安置 农田水利 林木砍伐 宠物管理 高铁站 金融投资 方便通道",
    "offices": "城管局 城市管理局 住建局 住房和城乡建设局 公安局交警支队 生态环境局 市场监督管理局 卫生健康委 教育局 人社局 民政局 "
    "水务局 园林绿化局 交通运输局 规划和自然资源局 应急管理局 司法局 财政局 农业农村局 文化和旅游局 体育局 审计局 统计局 "
    "信访接待室 综合执法队 张江镇政府 李村街道办事处 方庄街道办 高新区管委会 王庄村委会 杨浦大桥管理处 自来水公司 燃气集团 供电公司 "
    "公交集团 地铁1号线运营公司 万科物业 金地物业 第三网格 环卫所 环卫二队 市政设施处 路灯管理所 12345热线",
    "boston": "Charles Street|Martin Luther King|Jamaica Plain|Allston / Brighton|Dudley Square|Dorchester|Roxbury|Mattapan|"
    "Roslindale|West Roxbury|Hyde Park|South Boston|East Boston|Back Bay|Beacon Hill|Charlestown|Fenway|Mission Hill|"
    "Downtown / Financial District|South End|Chinatown|North End|Fields Corner|Uphams Corner|Grove Hall|Codman Square",
    "st louis": "Carondelet|Patch|Holly Hills|Boulevard Heights|Bevo Mill|Princeton Heights|Southampton|St. Louis Hills|"
    "Lindenwood Park|Ellendale|Clifton Heights|The Hill|Southwest Garden|North Hampton|Tower Grove South|Dutchtown|Mount Pleasant|"
    "Marine Villa|Gravois Park|Kosciusko|Soulard|Benton Park|McKinley Heights|Fox Park|Tower Grove East|Compton Heights|Shaw|"
    "Botanical Heights|Tiffany|Benton Park West|The Gate District|Lafayette Square|Peabody Darst Webbe|LaSalle Park|Downtown|"
    "Downtown West|Midtown|Central West End|Forest Park South East|Kings Oak|Cheltenham|Clayton-Tamm|Franz Park|Hi-Pointe|"
    "Wydown Skinker|Skinker DeBaliviere|DeBaliviere Place|West End|Visitation Park|Wells Goodfellow|Academy|Kingsway West|"
    "Fountain Park|Lewis Place|Kingsway East|Greater Ville|The Ville|Vandeventer|Jeff Vanderlou|St. Louis Place|Carr Square|"
    "Columbus Square|Old North St. Louis|Near North Riverfront|Hyde Park|College Hill|Fairground|O'Fallon|Penrose|Mark Twain|"
    "Walnut Park East|North Pointe|Baden|Riverview|Walnut Park West|Covenant Blu-Grand Center|Hamilton Heights|Calvary Bellefontaine",
    "new york": "Astoria|Bay Ridge|Bedford Stuyvesant|Bensonhurst|Boerum Hill|Borough Park|Brighton Beach|Brooklyn Heights|Bushwick|"
    "Canarsie|Carroll Gardens|Clinton Hill|Cobble Hill|Coney Island|Crown Heights|Cypress Hills|Douglaston|Dyker Heights|"
    "East Flatbush|Forest Hills|Fort Greene|Fresh Meadows|Howard Beach|Jackson Heights|Kew Gardens|Long Island City|Maspeth|"
    "Middle Village|Morris Park|Murray Hill|Ozone Park|Park Slope|Prospect Heights|Red Hook|Rego Park|Ridgewood|St. George|"
    "Stuyvesant Heights|Sunset Park|Todt Hill|Tottenville|Washington Heights|Williamsburg|Windsor Terrace|Woodhaven",
    "counties": "Adams|Allen|Anderson|Atchison|Barber|Barton|Bourbon|Brown|Butler|Chase|Chautauqua|Cherokee|Cheyenne|Clark|Clay|Cloud|"
    "Coffey|Comanche|Cowley|Crawford|Decatur|Dickinson|Doniphan|Douglas|Edwards|Elk|Ellis|Ellsworth|Finney|Ford|Franklin|Geary|"
    "Gove|Graham|Grant|Gray|Greeley|Greenwood|Hamilton|Harper|Harvey|Haskell|Hodgeman|Jackson|Jefferson|Jewell|Johnson|Lane|Logan|"
    "Marion|Marshall|Meade|Miami|Mitchell|Montgomery|Morris|Nemaha|Neosho|Ness|Norton|Osage|Ottawa|Pawnee|Phillips|Pratt|Reno|"
    "Rice|Riley|Rooks|Rush|Russell|Saline|Scott|Sedgwick|Seward|Shawnee|Sheridan|Sherman|Smith|Stafford|Stanton|Stevens|Thomas|"
    "Trego|Wallace|Wichita|Wilson|Woodson",
    "schools among others": "Public Works|Parks Department|Martin Luther King School|Samuel Adams Elementary|James Otis School|"
    "Washington Irving Middle School|Boston Latin School|Henry Grew|Josiah Quincy|William Monroe Trotter|Early Learning Center|"
    "Central Library|Animal Shelter|City Garage|Fire Station 12|Police District B-2|Harbor Patrol",
    "us offices": "TRAFFIC DIVISION, 511|STREET DIVISION, 514|WATER DIV|REFUSE|BUILDING DIV|OP BRIGHTSIDE|Department of Transportation|"
    "NYPD|DSNY|Bureau of Street Lighting|Office of the City Clerk|Mayor's 24 Hour Hotline|Inspectional Services|PWDx|BTDT|ISD|"
    "Boston Water & Sewer Commission|Animal Control|Code Enforcement|Neighborhood Services|Area D-4|Station 12|Unit 5|Zone 3 Crew|"
    "organizational unit 65463|Team 7, Night Shift|Grant Management Office|Rose Garden Maintenance|Dr. Martin Luther King Library",
    "us categories": "Street Light Outages|Missed Trash/Recycling/Yard Waste/Bulk Item|Heat - Excessive  Insufficient|Pick up Dead Animal|"
    "Work w/out Permit|Sidewalk Repair (Make Safe)|3-1-1 Inquiry|Graffiti Removal|Parking Enforcement|Bed Bugs|Rodent Activity|"
    "Abandoned Vehicles|Tree Emergencies|Requests for Street Cleaning|Sign Repair|Missing Sign|Traffic Signal Inspection|"
    "New Sign Crosswalk or Pavement Marking|Will Call|Bill Payment|Mark Out Request|Grace Period|May Day Litter|Art Work|Sue Notice|"
    "Christmas Tree Pickup|St. Patrick Parade Cleanup|Bicycle Lane Blocked|Noise - Loud Music/Party|HEAT/HOT WATER|"
    "2 Missed Street Cleaning|Zone 3 Missed Collection|911 Address Verification|24 Hour Shelter|Water Main Break|FH-MAINTENANCE|"
    "WTR-COMING-UP|Containr damaged|Snow/Ice - Residnl|NOWATER (due to main break, etc.)",
    "codes": "330106001202|330106001|110000|10A|10B|1C|07|D-4|E13|A88|RES-0012|2024-01-15|1.2.3.4|12.10.3|01-02-03-04-05-06|Z|n/a|0571|"
    "INC0000045|CHG000001234567|G12345|P01020304|P01020401|S20240115|02131|02131-0001|L143|Y471|cmdb_ci 31|case-10011|A1B2C3",
    "long codes": "|".join(f"33010600120{n}{n * 7 % 10}{n * 3 % 10}{n * 9 % 10}{n % 7}001" for n in range(10)),
}  # fmt: skip


def columns() -> dict[str, list[str]]:
    """The names above as columns of distinct values."""
    return {name: text.split("|" if "|" in text else " ") for name, text in PASS.items()}


# ---- made-up people ----

_ZH_SURNAMES: Final = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段房路管"
_ZH_COMPOUND: Final = ("欧阳", "司马", "上官", "诸葛", "皇甫", "尉迟", "公孙", "慕容", "司徒", "夏侯")
_ZH_GIVEN: Final = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲芬燕彩兰凤洁梅琳素云莲真雪荣爱妹香月莺媛瑞凡佳嘉琼勤珍贞莉"
    "欣怡婷倩雯颖露瑶婉娴瑾柔薇菁梦岚馨琪晶妍茜秋珊莎锦黛青轩清子涵萱梓雨泽宇浩然博文俊豪志鹏飞龙虎辉建国民生庆春福贵才"
    "成德光亮宏兴旺海山川仁义信忠良善诚学友朋礼智贤达康宁顺昌盛永健世广立新卫东晓大长金银铁根生水木土火石头宝栓柱喜旦"
)
# Half of them are in no list of the door: it has to go by the others of the column.
_EN_FIRST: Final = ["James", "Mary", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "David", "Elizabeth", "William", "Barbara", "Richard", "Susan", "Joseph", "Jessica", "Thomas", "Karen", "Christopher", "Sarah", "Charles", "Lisa", "Daniel", "Nancy", "Matthew", "Sandra", "Anthony", "Betty", "Mark", "Ashley", "Donald", "Emily", "Steven", "Kimberly", "Andrew", "Margaret", "Paul", "Donna", "Joshua", "Michelle", "Kenneth", "Carol", "Kevin", "Amanda", "Brian", "Melissa", "George", "Deborah", "Timothy", "Stephanie", "Latoya", "Tyrell", "Keisha", "DeShawn", "Xiomara", "Yolanda", "Nguyen", "Thuy", "Aditya", "Kwame", "Oluwaseun", "Marguerite", "Thaddeus", "Cordelia", "Zbigniew"]  # fmt: skip
_EN_LAST: Final = ["Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez", "Hernandez", "Lopez", "Gonzalez", "Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Martin", "Lee", "Perez", "Thompson", "White", "Harris", "Sanchez", "Clark", "Ramirez", "Lewis", "Robinson", "Walker", "Young", "Allen", "King", "Wright", "Scott", "Torres", "Nguyen", "Flores", "Adams", "Nelson", "Baker", "Rivera", "Campbell", "Mitchell", "Carter", "Roberts", "O'Brien", "McDonald", "Dyke"]  # fmt: skip


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def _luhn(body: str) -> str:
    for digit in "0123456789":
        total = 0
        for place, letter in enumerate(reversed(body + digit)):
            number = int(letter) * (1 + place % 2)
            total += number - 9 if number > 9 else number
        if total % 10 == 0:
            return body + digit
    raise AssertionError(body)


def _id_card(rng: random.Random) -> str:
    body = rng.choice(("110105", "330106", "440305", "510107", "620102", "810000", "830000"))
    body += f"{rng.randint(1940, 2012)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}{_digits(rng, 3)}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def _mobile(rng: random.Random) -> str:
    number = (
        f"1{rng.choice(('30', '35', '38', '39', '50', '52', '58', '59', '66', '77', '86', '87', '88', '98', '99'))}"
    )
    number += _digits(rng, 8)
    wide = number.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    chinese = number.translate(str.maketrans("0123456789", "零一二三四五六七八九"))
    groups = f"{number[:3]} {number[3:7]} {number[7:]}"
    return rng.choice(
        (
            number,
            f"+86{number}",
            f"+86 {groups}",
            groups,
            groups.replace(" ", "-"),
            " ".join(number),
            wide,
            chinese,
            f"电话{number}",
            f"联系{number}张",
        )
    )


def _landline(rng: random.Random) -> str:
    area = rng.choice(("010", "021", "0571", "0755", "028", "0931"))
    number = f"{rng.randint(2, 8)}{_digits(rng, 7)}"
    return rng.choice((f"{area}-{number}", f"({area}){number}", f"{area}{number}", f"{area} {number[:4]} {number[4:]}"))


def _american_phone(rng: random.Random) -> str:
    area, exchange, line = f"{rng.choice((617, 857, 312, 314, 415, 508))}", f"{rng.randint(200, 999)}", _digits(rng, 4)
    return rng.choice(
        (
            f"{area}-{exchange}-{line}",
            f"({area}) {exchange}-{line}",
            f"{area}.{exchange}.{line}",
            f"{area}{exchange}{line}",
            f"+1 {area} {exchange} {line}",
            f"1-{area}-{exchange}-{line}",
        )
    )


def _plate(rng: random.Random) -> str:
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    start = rng.choice("京沪浙苏粤川鲁豫") + rng.choice("ABCDEFG")
    tail = rng.choice((
        _digits(rng, 5), f"{rng.choice(letters)}{_digits(rng, 4)}", f"{rng.choice('DF')}{rng.choice(letters)}{_digits(rng, 4)}",
        f"{_digits(rng, 5)}D", f"{_digits(rng, 2)}{rng.choice(letters)}{_digits(rng, 2)}",
    ))  # fmt: skip
    return start + rng.choice(("", "·", " ")) + tail


def _hong_kong(rng: random.Random) -> str:
    letters = rng.choice("ABCDEGHKPRVYZ") if rng.random() < 0.8 else "WX"
    digits = _digits(rng, 6)
    values = (
        ([36] if len(letters) == 1 else [])
        + [ord(letter) - 55 for letter in letters]
        + [int(digit) for digit in digits]
    )
    rest = -sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True)) % 11
    return f"{letters}{digits}({'0123456789A'[rest]})"


def _taiwan(rng: random.Random) -> str:
    letter = rng.choice("ABCDEFGHJKLMNPQRSTUVXYWZIO")
    place = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(letter) + 10
    body = f"{rng.choice('12')}{_digits(rng, 7)}"
    total = place // 10 + place % 10 * 9 + sum(int(d) * w for d, w in zip(body, (8, 7, 6, 5, 4, 3, 2, 1), strict=True))
    return f"{letter}{body}{-total % 10}"


def _zh_name(rng: random.Random) -> str:
    if rng.random() < 0.03:
        return rng.choice(_ZH_COMPOUND) + "".join(rng.sample(_ZH_GIVEN, rng.choice((1, 2))))
    weights = [10 if place < 10 else 5 if place < 30 else 1 for place in range(len(_ZH_SURNAMES))]
    given = 1 if rng.random() < 0.2 else 2
    return rng.choices(_ZH_SURNAMES, weights)[0] + "".join(rng.choice(_ZH_GIVEN) for _ in range(given))


def _en_name(rng: random.Random) -> str:
    first, last = rng.choice(_EN_FIRST), rng.choice(_EN_LAST)
    middle = f" {rng.choice('ABCDEFGHJKLMNPRSTW')}." if rng.random() < 0.2 else ""
    name = f"{first}{middle} {last}"
    return name.upper() if rng.random() < 0.2 else name


def _zh_address(rng: random.Random) -> str:
    number = rng.randint(1, 999)
    return rng.choice((
        f"文三路{number}号", f"翠苑小区{number % 40 + 1}幢{number % 4 + 1}单元{number}室", f"李家村{number % 9 + 1}组{number}号",
        f"解放东路 {number} 号", f"幸福花园{number % 30 + 1}栋", f"中山北路{number}弄{number % 60 + 1}号", f"阳光大厦{number + 100}室",
        f"建国路八十八号{number}室", f"人民街{number}号".translate(str.maketrans("0123456789", "０１２３４５６７８９")),
    ))  # fmt: skip


def _en_address(rng: random.Random) -> str:
    number, street = (
        rng.randint(1, 4999),
        rng.choice(("Elm", "Main", "Blue Hill", "Washington", "Dr. King", "Oak Grove")),
    )
    kind = rng.choice(("Street", "St", "Ave", "Road", "Blvd", "Ct", "Lane", "Way", "Terrace", "Parkway"))
    return rng.choice((f"{number} {street} {kind}", f"{number}-{number + 2} {street} {kind}", f"{number} {street} {kind}, Apt 4",
                       f"{number} n {street} {kind}.".lower(), f"PO Box {number}"))  # fmt: skip


def _titled(rng: random.Random) -> str:
    name = rng.choice(_ZH_SURNAMES[:90])
    last, first = rng.choice(_EN_LAST[:40]), rng.choice(_EN_FIRST[:28])
    return rng.choice((
        f"{name}先生", f"{name}女士", f"{name}伟先生", f"{name}某某", f"{name}**", f"{name}同志", f"诉求人{name}女士", f"Mr. {last}",
        f"Mrs {last}", f"Ms. {last}", f"{last.upper()}, {first.upper()}", f"{last}, {first} J.",
    ))  # fmt: skip


def _in_groups(number: str, *sizes: int) -> str:
    parts, start = [], 0
    for size in sizes:
        parts.append(number[start : start + size])
        start += size
    return " ".join(parts)


PEOPLE: Final[dict[str, Callable[[random.Random], str]]] = {
    "Chinese identity numbers": _id_card,
    "Chinese identity numbers in groups": lambda rng: _in_groups(_id_card(rng), 6, 8, 4),
    "Chinese mobile telephones": _mobile,
    "Chinese landlines": _landline,
    "American telephones": _american_phone,
    "e-mail addresses": lambda rng: f"{rng.choice(_EN_FIRST).lower()}.{_digits(rng, 3)}@example.{rng.choice(('org', 'com.cn'))}",
    "bank cards": lambda rng: _luhn(rng.choice(("622202", "621700", "436742", "552801")) + _digits(rng, 9)),
    "bank cards in groups": lambda rng: _in_groups(_luhn("62" + _digits(rng, 13)), 4, 4, 4, 4),
    "number plates": _plate,
    "Hong Kong identity cards": _hong_kong,
    "Hong Kong identity cards, bare": lambda rng: _hong_kong(rng).replace("(", "").replace(")", ""),
    "Taiwan identity cards": _taiwan,
    "Macau identity cards": lambda rng: f"{rng.choice('157')}{_digits(rng, 6)}({_digits(rng, 1)})",
    "passports": lambda rng: rng.choice("EGDSP") + f"{rng.randint(10_000_000, 99_999_999)}",
    "passports with a label": lambda rng: f"护照号 {rng.choice('EG')}{_digits(rng, 8)}",
    "home return permits": lambda rng: f"{rng.choice('HM')}{rng.randint(10_000_000, 99_999_999)}",
    "foreigners' permits": lambda rng: f"USA{rng.choice(('1101', '3301', '4403'))}"
    f"{rng.randint(50, 99)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}{_digits(rng, 2)}",
    "WeChat and QQ": lambda rng: rng.choice(("微信wx_", "微信号:zhang", "QQ:", "qq ", "WeChat: li_")) + _digits(rng, 8),
    "telephones' IMEI": lambda rng: _luhn(rng.choice(("35", "86")) + _digits(rng, 12)),
    "social security numbers": lambda rng: f"{rng.randint(1, 665):03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}",
    "IP addresses": lambda rng: f"{rng.randint(61, 223)}.{_digits(rng, 2).lstrip('0') or '7'}.{rng.randint(0, 255)}.{rng.randint(1, 254)}",
    "MAC addresses": lambda rng: ":".join(f"{rng.randint(0, 255):02X}" for _ in range(6)),
    "plus codes": lambda rng: "".join(rng.choice("23456789CFGHJMPQRVWX") for _ in range(8)) + "+2G",
    "coordinates": lambda rng: f"{30 + rng.random():.6f}, {120 + rng.random():.5f}",
    "Chinese addresses": _zh_address,
    "English addresses": _en_address,
    "Chinese names": _zh_name,
    "English names": _en_name,
    "names with a title": _titled,
    "sentences": lambda rng: rng.choice((
        f"楼下的路灯坏了{rng.randint(2, 9)}天没有人来修,打了好几次电话都没有用", f"The light in front of house {rng.randint(2, 99)} is out again. Please fix it.",
        f"已经投诉{rng.randint(2, 9)}次了!",
    )),
}  # fmt: skip


def people(family: str, count: int, seed: int = 20240501) -> list[str]:
    """`count` made-up distinct values of a family, the same at every call."""
    rng = random.Random(f"{seed}{family}")
    found: dict[str, None] = {}
    tries = 0
    while len(found) < count and tries < 50 * count:
        tries += 1
        found[PEOPLE[family](rng)] = None
    # Some families have few values (a title and a surname): repeats are fine, each counts once.
    return list(found)
