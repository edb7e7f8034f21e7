"""What personal data look like: in the name of a column, and in a value. In English and in Chinese.

Patterns cannot prove that a column is harmless. They catch the honest mistake; what protects is the
allow-list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

# ---- names of columns ----

# What the name promises, English words that a name of a column may be made of, Chinese parts of one. The
# first group that fits is named.
_NAME_WORDS: Final = (
    (
        "a telephone number",
        "phone phones telephone tel mobile cell cellphone fax whatsapp",
        "电话|手机|联系方式|联系号码|来电号码|主叫",
    ),
    ("an e-mail address or account", "email mail wechat weixin qq openid", "邮箱|邮件|微信|[Qq][Qq]"),
    (
        "an identity number",
        "ssn passport idcard nationalid nin licence license plate",
        "身份证|证件|护照|社保号|车牌",
    ),
    (
        "an address or an exact place",
        "address addr street house apartment apt flat unit building postcode zip zipcode lat lon lng "
        "latitude longitude coordinates coordinate coords geo geom geometry wkt gps x y parcel",
        "地址|住址|门牌|楼栋|房号|经度|纬度|坐标|定位|位置",
    ),
    (
        "something about a person",
        "person citizen resident complainant caller requester requestor reporter submitter applicant "
        "customer client contact household owner tenant user username nickname birth birthday dob age "
        "gender sex race "
        "ethnicity religion nationality income disability",
        "诉求人|投诉人|申请人|举报人|反映人|来电人|来访人|信访人|当事人|联系人|市民|群众|居民|户主|户籍|家庭|"
        "性别|年龄|出生|民族|宗教|昵称|用户",
    ),
    (
        "a free text",
        "text comment comments description desc note notes remark remarks message details content body "
        "subject title summary reply answer",
        "内容|描述|备注|详情|正文|标题|摘要|回复|答复|意见",
    ),
    (
        "a photo, a file or a link",
        "photo image picture media attachment attachments file url link",
        "照片|图片|附件|链接|录音|视频",
    ),
    ("a name", "name fullname firstname lastname surname forename", "姓名|名字|名称"),
)
# Words and pairs of words that no column of codes has in its name: mapping such a column is refused.
_STRONG: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("a telephone number", re.compile(r"\b(tele)?phone\b|\bmobile\b|电话|手机|联系方式")),
    ("an e-mail address", re.compile(r"\be ?mail\b(?! channel)|邮箱|微信号")),
    (
        "an identity number",
        re.compile(r"\bssn\b|\bpassport\b|\bid ?card\b|\bnational id\b|身份证|证件号|护照"),
    ),
    ("an address", re.compile(r"\baddress\b|\bstreet name\b|\bhouse (no|number)\b|地址|住址|门牌")),
    (
        "something about a person",
        re.compile(
            r"\b(complainant|caller|requester|requestor|resident|citizen|customer|person|contact|applicant) ?"
            r"(name|id|no|number|age|sex|gender)\b|\b(first|last|full|sur|fore) ?name\b"
            r"|\b(dob|birthday|birth date|complainant|gender|ethnicity)\b"
            r"|姓名|诉求人|投诉人|申请人|举报人|反映人|来电人|信访人|联系人|户主|性别|出生|民族"
        ),
    ),
)


def looks_personal(column: str) -> str | None:
    """What a column called so usually holds, if that is personal, free text or an exact place; else None.

    Examples
    --------
    >>> looks_personal("caller_phone"), looks_personal("诉求人"), looks_personal("queue")
    ('a telephone number', 'something about a person', None)
    """
    words = set(_words(column).split())
    for kind, english, chinese in _NAME_WORDS:
        if words & set(english.split()) or re.search(chinese, column):
            return kind
    return None


def names_a_person(column: str) -> str | None:
    """The kind of personal data that the name of a column leaves no doubt about; else None."""
    words = _words(column)
    return next((kind for kind, pattern in _STRONG if pattern.search(words)), None)


def _words(column: str) -> str:
    """`CallerPhone_No` -> `caller phone no`."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", column)
    return re.sub(r"[\W_]+", " ", split).strip().lower()


# ---- values ----

# Longer than any code; the store holds 160.
LONGEST_CODE: Final = 120
# From so many rows on, a column where most rows have a value of their own is no list of codes.
_ROWS_TO_JUDGE: Final = 200

_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_PHONE: Final = re.compile(
    r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)"  # Chinese mobile
    r"|(?<!\d)\(?0\d{2,3}\)?[- ]\d{7,8}(?!\d)"  # Chinese landline with its area code
    r"|(?<!\d)(?:\+?1[-. ]?)?\(?[2-9]\d{2}\)?[-. ]\d{3}[-. ]\d{4}(?!\d)"  # North America, written in groups
    r"|\A(?:\+?1)?[2-9]\d{2}[2-9]\d{6}\Z"  # North America, bare, and nothing else
)
_COORDINATES: Final = re.compile(
    r"-?\d{1,3}\.\d{3,}\s*[°NSEW]?\s*[,;/ ]\s*-?\d{1,3}\.\d{3,}|\APOINT\s*\(|\A-?\d{1,3}\.\d{3,}\Z",
    re.IGNORECASE,
)
_STREETS: Final = (
    r"street|st|avenue|ave|av|road|rd|boulevard|blvd|drive|dr|lane|ln|court|ct|place|pl|terrace|ter|way|parkway|pkwy|"
    r"square|sq|circle|cir|highway|hwy|alley|row"
)
_ADDRESS: Final = re.compile(
    rf"(?<![\w.])\d{{1,5}}[a-z]?(?:-\d{{1,5}})?,?\s+(?:[nsew]\.?\s+)?(?:[\w.'’-]+\s+){{1,3}}?(?:{_STREETS})\b\.?"
    r"|\b(?:apt|apartment|suite|unit)\.?\s*#?\s*\d+[a-z]?\b",
    re.IGNORECASE,
)
_ADDRESS_ZH: Final = re.compile(
    r"[路街巷弄道村里区园苑]\D{0,6}\d+\s*(?:号(?!线)|弄|幢|栋|室|单元|座)"
    r"|\d+\s*(?:号楼|幢|栋|单元)\D{0,3}\d*|\d{2,4}室"
)
_SENTENCE_END: Final = re.compile(r"[a-z]{2}[.!?](?:\s|\Z)", re.IGNORECASE)
_ZH: Final = re.compile(r"[\u4e00-\u9fff]")
_ID_CARD: Final = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)")


def scan_values(values: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    """The kinds of personal data or free text found in a column of codes, each with the rows that hold it.

    Every distinct value is looked at once, so that a million rows of a few hundred codes take no time.
    """
    codes, distinct = pd.factorize(values)
    kinds = np.array([personal_kind(value) or "" for value in distinct.tolist()], dtype=object)
    for kind in dict.fromkeys(kind for kind in kinds if kind):
        yield kind, np.isin(codes, np.flatnonzero(kinds == kind))
    filled = int((codes >= 0).sum())
    if filled >= _ROWS_TO_JUDGE and len(distinct) > filled // 2:
        yield "names, numbers or texts and not codes: most rows have a value of their own", codes >= 0


def scan_references(values: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    """As `scan_values`, for case numbers: they are hashed, but a person's number would tie cases to the
    person.
    """
    filled = values.fillna("")
    emails = filled.str.contains("@", regex=False).to_numpy(dtype=bool)
    cards = np.zeros(len(filled), dtype=bool)
    long_ones = (filled.str.len() == 18).to_numpy(dtype=bool)
    cards[long_ones] = [_is_id_card(value) for value in filled[long_ones].tolist()]
    for kind, mask in (("an e-mail address", emails), ("a Chinese identity number", cards)):
        if mask.any():
            yield kind, mask


def personal_kind(value: str) -> str | None:
    """What a value looks like, if it should not be in a column of codes; else None.

    Examples
    --------
    >>> personal_kind("请拨打 138 0013 8000"), personal_kind("12 Elm Street"), personal_kind("Street Lights")
    ('a telephone number', 'a street address', None)
    """
    if _EMAIL.search(value):
        return "an e-mail address"
    if any(_is_id_card(found) for found in _ID_CARD.findall(value)):
        return "a Chinese identity number"
    if _PHONE.search(value):
        return "a telephone number"
    if _COORDINATES.search(value):
        return "coordinates"
    if _ADDRESS.search(value) or _ADDRESS_ZH.search(value):
        return "a street address"
    return "a free text" if _is_sentence(value) else None


def _is_sentence(value: str) -> bool:
    if len(value) > LONGEST_CODE or "\n" in value or re.search(r"[。！？]", value):
        return True
    chinese = len(_ZH.findall(value))
    if chinese > 40 or (chinese > 15 and "，" in value):
        return True
    words = len(value.split())
    return words > 14 or (words > 5 and _SENTENCE_END.search(value) is not None)


_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_PROVINCES: Final = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")


def _is_id_card(text: str) -> bool:
    """Whether 18 characters are a Chinese identity number: province, day of birth and check digit (GB
    11643).
    """
    if not _ID_CARD.fullmatch(text) or not _PROVINCES.match(text):
        return False
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text[:17], strict=True))
    return born.year >= 1900 and "10X98765432"[total % 11] == text[17].upper()
