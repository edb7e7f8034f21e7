"""What personal data look like: in the name of a column, and in a value. In English and in Chinese.

Patterns cannot prove that a column is harmless. They catch the honest mistake; what protects is the
allow-list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import pandas as pd

from data.personal_names import A_NAME, names_among, person_kind
from data.personal_numbers import (
    CARD,
    CHINESE_ID,
    CROWDS,
    E_MAIL,
    PLATE,
    REFERENCE_CROWDS,
    Crowd,
    digits_of,
    has_id_form,
    is_id_card,
    luhn,
    number_kind,
)
from data.personal_places import place_kind

# ---- names of columns ----

# What the name promises, English words that a name of a column may be made of, Chinese parts of one. The
# first group that fits is named.
EXACT_PLACE: Final = "an address or an exact place"
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
        EXACT_PLACE,
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
    ("an exact place", re.compile(r"\b(?:lat|lon|lng|latitude|longitude|coord(?:inate)?s?)\d?\b|经度|纬度|坐标")),
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

# Longer than any code, and than any list of codes; the store holds 160.
LONGEST_CODE: Final = 120
LONGEST_LIST: Final = 160
_LISTED: Final = re.compile(r"[,;/|](?! )")
# From so many rows on, a column where most rows have a value of their own is no list of codes.
_ROWS_TO_JUDGE: Final = 200
# So many values of a form tell what the form is used for; more would only take longer.
_ENOUGH: Final = 4000
# Of so many numbers one passes a check digit by chance, so that a few of many codes mean nothing.
_CHANCE: Final = 5

OWN_VALUES: Final = "names, numbers or texts and not codes: most rows have a value of their own"
FREE_TEXT: Final = "a free text"
_SENTENCE_END: Final = re.compile(r"[A-Za-z]{3}[.!?](?:\s+[A-Z]|\Z)")
_ZH: Final = re.compile(r"[\u4e00-\u9fff]")
_STOP_ZH: Final = re.compile(r"[。！？!?]")


def scan_values(values: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    """The kinds of personal data or free text found in a column of codes, each with the rows that hold it.

    Every distinct value is looked at once, so that a million rows of a few hundred codes take no time.
    """
    codes, found = pd.factorize(values)
    distinct: list[str] = found.tolist()
    alone = has_own_values(int((codes >= 0).sum()), len(distinct))
    # A long column in which nearly every row has a value of its own is refused anyway: a part shows of what kind.
    looked = distinct[: _ENOUGH * 5] if alone else distinct
    kinds = np.array([kind or "" for kind in kinds_of(looked)] + [""] * (len(distinct) - len(looked)), dtype=object)
    for kind in dict.fromkeys(kind for kind in kinds if kind):
        yield kind, np.isin(codes, np.flatnonzero(kinds == kind))
    if alone:
        yield OWN_VALUES, codes >= 0


def has_own_values(filled: int, distinct: int) -> bool:
    """Whether a column of so many filled rows has too many distinct values to be a list of codes."""
    return filled >= _ROWS_TO_JUDGE and distinct > filled // 2


def kinds_of(distinct: Sequence[str], kinds: Sequence[str | None] | None = None) -> list[str | None]:
    """The kind of each of the distinct values of a column, None for none: by itself, and beside the others.

    `kinds` gives what `personal_kind` says of each, where that has been asked already.
    """
    texts = [plain(value) for value in distinct]
    found = [_kind(text) for text in texts] if kinds is None else list(kinds)
    _pardon_chance(texts, found)
    for crowd in CROWDS:
        form, like = re.compile(crowd.form), re.compile(crowd.like)
        places = [place for place, text in enumerate(texts) if form.fullmatch(text)]
        if len(places) >= crowd.least and crowd.judge(
            [texts[place] for place in places], sum(like.fullmatch(text) is not None for text in texts)
        ):
            _fill(found, places, crowd.kind)
    _fill(found, [place for place, named in enumerate(names_among(texts)) if named], A_NAME)
    return found


def _fill(kinds: list[str | None], places: Iterable[int], kind: str) -> None:
    for place in places:
        kinds[place] = kinds[place] or kind


def _pardon_chance(texts: list[str], kinds: list[str | None]) -> None:
    """Let long codes pass of which a few happen to end in the right check digit."""
    for kind, form, valid in ((CHINESE_ID, has_id_form, is_id_card), (CARD, _has_card_form, luhn)):
        places = [place for place, text in enumerate(texts) if form(text)]
        good = sum(valid(texts[place]) for place in places)
        if len(places) >= _CHANCE and good < 0.5 * len(places):
            for place in places:
                kinds[place] = None if kinds[place] == kind else kinds[place]


def _has_card_form(text: str) -> bool:
    return text.isascii() and text.isdigit() and 16 <= len(text) <= 19


def _plain_references(values: pd.Series) -> tuple[pd.Series, list[tuple[str, np.ndarray]]]:
    """Case numbers as they are searched, and what is told one by one: e-mail addresses and number plates.

    Full-width digits are made narrow, and groups (138 0013 8000) joined. Null becomes "".
    """
    text = values.fillna("").astype("str")
    alone = [(E_MAIL, text.str.contains(r"\w@\w", regex=True).to_numpy(dtype=bool))]
    odd = text.str.contains(r"[^ -~]", regex=True).to_numpy(dtype=bool)
    if odd.any():
        written = [plain(one) for one in text[odd].tolist()]
        text = text.mask(odd, pd.Series(written, index=text.index[odd], dtype="str"))
        plates = np.zeros(len(text), dtype=bool)
        plates[odd] = [number_kind(one) == PLATE for one in written]
        alone.append((PLATE, plates))
    if text.str.contains(r"[ .\-]", regex=True).any():
        text = text.str.replace(r"[ .\-]", "", regex=True)
    return text, [(kind, mask) for kind, mask in alone if mask.any()]


def scan_references(values: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    """As `scan_values`, for case numbers: they are hashed, but a person's number would tie cases to the person.

    Case numbers look like anything: eleven digits that begin with 13 may be a mobile telephone or the first cases of
    2013. So such a form is refused only where it makes up half of the numbers that it could be confused with, and where
    they are spread as the numbers of people are: their first digits differ (a register counts up, and agrees in them)
    and they hold no day (YYMMDD); or where they end in the right check digit, which chance gives to one in ten.
    """
    bare, alone = _plain_references(values)
    yield from alone
    told = np.zeros(len(bare), dtype=bool)
    for crowd in REFERENCE_CROWDS:
        mask = _crowd_mask(bare, crowd) & ~told
        if mask.any():
            told |= mask
            yield crowd.kind, mask


def _crowd_mask(bare: pd.Series, crowd: Crowd) -> np.ndarray:
    mask = bare.str.fullmatch(crowd.form).to_numpy(dtype=bool)
    # Spread over the file: so many show what they are.
    sample = bare[mask].iloc[:: max(1, int(mask.sum()) // _ENOUGH)].unique().tolist()
    if len(sample) < crowd.least:
        return np.zeros(len(bare), dtype=bool)
    like = bare.str.fullmatch(crowd.like).to_numpy(dtype=bool)
    if not crowd.judge(sample, round(len(sample) * int(like.sum()) / int(mask.sum()))):
        return np.zeros(len(bare), dtype=bool)
    return mask


def personal_kind(value: str) -> str | None:
    """What a value looks like, if it should not be in a column of codes; else None.

    Examples
    --------
    >>> personal_kind("请拨打 138 0013 8000"), personal_kind("12 Elm Street"), personal_kind("Street Lights")
    ('a telephone number', 'a street address', None)
    """
    return _kind(plain(value))


def plain(value: str) -> str:
    """`value` as it is searched: full-width letters and digits made narrow (NFKC), Chinese numerals as digits."""
    return value if value.isascii() else digits_of(unicodedata.normalize("NFKC", value))


def _kind(text: str) -> str | None:
    return number_kind(text) or place_kind(text) or person_kind(text) or (FREE_TEXT if _is_sentence(text) else None)


def _is_list(value: str) -> bool:
    """Several codes in one, none of them long."""
    parts = _LISTED.split(value)
    return len(value) <= LONGEST_LIST and len(parts) > 2 and max(map(len, parts)) <= LONGEST_CODE // 2


def _is_sentence(value: str) -> bool:
    if "\n" in value or "\r" in value or (len(value) > LONGEST_CODE and not _is_list(value)):
        return True
    chinese = 0 if value.isascii() else len(_ZH.findall(value))
    if chinese and (_STOP_ZH.search(value) or chinese > 40 or (chinese > 15 and ("，" in value or "," in value))):
        return True
    words = len(value.split())
    return words > 14 or (words > 5 and _SENTENCE_END.search(value) is not None)
