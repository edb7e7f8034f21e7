"""Numbers that belong to a person: identity papers, telephones, bank cards, plates, devices, accounts.

Some have a check digit or a form of their own and are told one by one. Others look like any case number or grid code
and are told only in a crowd: most values of a column would have to be valid, or be spread as such numbers are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

E_MAIL: Final = "an e-mail address"
CHINESE_ID: Final = "a Chinese identity number"
IDENTITY: Final = "an identity number"
PHONE: Final = "a telephone number"
CARD: Final = "a bank card number"
DEVICE: Final = "a device number"
PLATE: Final = "a number plate"
ACCOUNT: Final = "an account"
NETWORK: Final = "a network address"

# ---- told one by one ----

_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_ID_CARD: Final = re.compile(r"(?<!\d)\d{17}[\dXx](?![\dXx])")
_MOBILE: Final = re.compile(r"(?<!\d)(?:\+?86)?1[3-9]\d{9}(?!\d)")
_PHONE: Final = re.compile(
    r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)"  # Chinese mobile
    r"|(?<!\d)\(?0\d{2,3}\)?[- ]\d{7,8}(?!\d)"  # Chinese landline with its area code
    r"|(?<!\d)\(?0(?:10|2\d)\)?[- ]?[2-8]\d{3}[- ]?\d{4}(?!\d)"  # the same, bare or in groups
    r"|(?<!\d)\(?0[3-9]\d{2}\)?[- ]?[2-8]\d{2,3}[- ]?\d{4}(?!\d)"
    r"|(?<!\d)(?:\+?1[-. ]?)?\(?[2-9]\d{2}\)?[-. ]{1,2}\d{3}[-. ]\d{4}(?!\d)"  # North America, written in groups
    r"|\A(?:\+?1)?[2-9]\d{2}[2-9]\d{6}\Z"  # North America, bare, and nothing else
    r"|(?<![\d+])\+\d{1,3}[- ]?(?:\(0\))?\d(?:[- ]?\d){6,12}(?!\d)"  # any country, with its plus sign
    r"|(?:电话|手机|座机|联系方式|(?<![a-z])(?:tel|phone|mobile|cell|fax))(?:号码?|[ .]?no\.?)?\s*[::]?\s*"
    r"\d(?:[- ]?\d){6,}",
    re.IGNORECASE,
)
_PLATE: Final = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领][A-HJ-Z][·•.\- ]?"
    r"(?:(?=[A-Z]{0,4}\d)[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳]"
    r"|[A-HJ-NP-Z][A-HJ-NP-Z0-9]\d{4}|\d{5}[A-HJ-NP-Z])(?![A-Za-z0-9])"
)
_SSN: Final = re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_HONG_KONG: Final = re.compile(r"(?<![A-Za-z0-9])([A-Z]{1,2})(\d{6})\(([0-9A])\)")
_MACAU: Final = re.compile(r"(?<!\d)[157]\d{6}\(\d\)|(?<!\d)[157]/\d{6}/\d(?!\d)")
# Of foreigners: country, place of issue, day of birth, order, check (until 2023).
_PERMIT: Final = re.compile(r"(?<![A-Za-z])[A-Z]{3}(\d{2})\d{2}(\d{2})(\d{2})(\d{2})\d{2}(?!\d)")
_PAPER: Final = re.compile(
    r"(?:护照|通行证|台胞证|回乡证|身份证|居住证|居留证|驾驶证|驾照|社保号?|证件|passport|(?:id|identity) card"
    r"|driver'?s? licen[cs]e|social security|ssn)"
    r"(?:号码?|\s?(?:no\.?|number|#))?\s*[:#]?\s*(?=[A-Z]{0,3}\d{5})[A-Z0-9]{6,20}",
    re.IGNORECASE,
)
_ACCOUNT: Final = re.compile(
    r"(?:微信|wechat|weixin|(?<![a-z])(?:wx|vx)|[vV]信|抖音|支付宝|alipay|(?<![a-z])qq)\s*(?:号码?|id|群)?\s*"
    r"(?::\s*[\w-]{5,}|(?=[A-Za-z_-]*\d)[A-Za-z0-9][A-Za-z0-9_-]{4,}|wxid_\w+)",
    re.IGNORECASE | re.ASCII,
)
_IPV4: Final = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])")
_IPV6: Final = re.compile(r"(?<![0-9a-f:])(?:[0-9a-f]{1,4}:){3,7}(?::|[0-9a-f]{1,4})(?::?[0-9a-f]{1,4}){0,4}", re.I)
_MAC: Final = re.compile(
    r"(?<![0-9a-f:-])(?:(?:[0-9a-f]{2}:){5}|(?=[\d-]*[a-f])(?:[0-9a-f]{2}-){5})[0-9a-f]{2}(?![0-9a-f:-])", re.I
)
_CARD_GROUPS: Final = re.compile(
    r"(?<!\d)[3-6]\d{3}([ -])\d{4}\1\d{4}\1\d{2,4}(?:\1?\d{1,3})?(?!\d)|(?<!\d)3[47]\d{2}[ -]\d{6}[ -]\d{5}(?!\d)"
)
_CARD: Final = re.compile(
    r"(?<!\d)(?:62\d{14,17}|4\d{15}|5[1-5]\d{14}|2[2-7]\d{14}|35\d{14}|6(?:011|5\d\d)\d{12}|9558\d{15}"
    r"|60\d{14,17}|36\d{12})(?!\d)"
)
_IMEI: Final = re.compile(r"\bimei\b\W*\d{15}", re.IGNORECASE)

_DIGIT: Final = re.compile(r"\d")
_DECIMAL: Final = re.compile(r"-?\d+\.\d+")

# Between digits that were written apart to be read more easily, or not to be found.
_APART: Final = re.compile(r"(?<=[\dXx])[ \t.·_–—-]{1,2}(?=[\dXx])")
_NUMERALS: Final = "零〇○一幺壹二贰两三叁四肆五伍六陆七柒八捌九玖"
_AS_DIGITS: Final = str.maketrans(_NUMERALS, "00011122233445566778899"[: len(_NUMERALS)])
_NUMERAL_RUN: Final = re.compile(rf"(?=[\d \-]*[{_NUMERALS}])[{_NUMERALS}\d](?:[ \-]?[{_NUMERALS}\d]){{6,}}")


def digits_of(text: str) -> str:
    """`text` with Chinese numerals in longer runs written as digits: 一三八零零一三八零零零 -> 13800138000."""
    return _NUMERAL_RUN.sub(lambda found: found[0].translate(_AS_DIGITS), text)


def number_kind(text: str) -> str | None:
    """The kind of number of a person that `text` (NFKC) holds; None if there is none."""
    if "@" in text and _EMAIL.search(text):
        return E_MAIL
    # How many digits there are says cheaply what there cannot be.
    digits = len(text) - len(_DIGIT.sub("", text))
    if _is_marked(text, digits):
        return ACCOUNT
    if text.count(":") + text.count("-") + text.count(".") >= 3 and _is_network(text):
        return NETWORK
    if digits < 4 or _DECIMAL.fullmatch(text):
        return PLATE if digits and not text.isascii() and _PLATE.search(text) else None
    return _long_number_kind(text, digits)


def _is_marked(text: str, digits: int) -> bool:
    return (digits > 0 or ":" in text) and _ACCOUNT.search(text) is not None


def _long_number_kind(text: str, digits: int) -> str | None:
    compact = _APART.sub("", text)
    if digits >= 17 and any(is_id_card(found) for found in _ID_CARD.findall(compact)):
        return CHINESE_ID
    if digits >= 5 and (_PAPER.search(text) or _SSN.search(text) or _MACAU.search(text) or _is_paper(text)):
        return IDENTITY
    if digits >= 14 and _has_card(text, compact):
        return CARD
    return next((kind for kind, least, found in _FORMS if digits >= least and found(text, compact)), None)


def _has_card(text: str, compact: str) -> bool:
    grouped = _CARD_GROUPS.search(text)
    return (grouped is not None and luhn(grouped[0])) or any(luhn(found) for found in _CARD.findall(compact))


def _is_paper(text: str) -> bool:
    found = _HONG_KONG.search(text)
    if found is not None and hong_kong_check(found[1], found[2]) == found[3]:
        return True
    permit = _PERMIT.search(text)
    return permit is not None and _PROVINCES.match(permit[1]) is not None and _is_day("19", *permit.groups()[1:])


def _is_network(text: str) -> bool:
    if _MAC.search(text):
        return True
    found = _IPV4.search(text)
    # A numbered heading such as 1.2.10.3 has the same form and smaller numbers.
    if found is not None and (len(found[0]) >= 10 or max(map(int, found[0].split("."))) > 60):
        return True
    six = _IPV6.search(text)
    return six is not None and len(six[0]) >= 12 and re.search(r"[a-f]|::", six[0], re.IGNORECASE) is not None


# Kind, how many digits it has at least, and what finds it.
_FORMS: Final[tuple[tuple[str, int, Callable[[str, str], object]], ...]] = (
    (PLATE, 1, lambda text, _compact: not text.isascii() and _PLATE.search(text)),
    (DEVICE, 15, lambda text, _compact: _IMEI.search(text)),
    (PHONE, 7, lambda text, compact: _PHONE.search(text) or _MOBILE.search(compact)),
)


# ---- check digits ----

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_PROVINCES: Final = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")


def is_id_card(text: str) -> bool:
    """Whether 18 characters are a Chinese identity number: place, day of birth and check digit (GB 11643).

    Residence permits of Hong Kong, Macau and Taiwan (81 to 83) and of foreigners (9, then the place) count.
    """
    if not has_id_form(text):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text[:17], strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


def has_id_form(text: str) -> bool:
    """Whether 18 characters are one but for the check digit."""
    if not _ID_CARD.fullmatch(text) or not _PROVINCES.match(text[1:] if text[0] == "9" else text):
        return False
    return _is_day(text[6:8], text[8:10], text[10:12], text[12:14])


def _is_day(century: str, year: str, month: str, day: str) -> bool:
    try:
        return 1900 <= date(int(century + year), int(month), int(day)).year <= 2099
    except ValueError:
        return False


def luhn(text: str) -> bool:
    """Whether the digits in `text` end in their Luhn check digit."""
    digits = [int(letter) for letter in text if letter.isdigit()]
    doubled = (digit if place % 2 == 0 else (digit * 2 - 9 if digit > 4 else digit * 2)
               for place, digit in enumerate(reversed(digits)))  # fmt: skip
    # Of noughts only, or one digit over and over, the sum is right and the number is none.
    return len(set(digits)) > 2 and sum(doubled) % 10 == 0


def hong_kong_check(letters: str, digits: str) -> str:
    """The check character of a Hong Kong identity card."""
    values = [36] if len(letters) == 1 else []
    values += [ord(letter) - 55 for letter in letters] + [int(digit) for digit in digits]
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return "0123456789A"[-total % 11]


_TAIWAN: Final = "ABCDEFGHJKLMNPQRSTUVXYWZIO"


def taiwan_valid(text: str) -> bool:
    """Whether a letter and nine digits are an identity number of Taiwan, with its check digit."""
    place = _TAIWAN.index(text[0]) + 10
    digits = [place // 10, place % 10, *(int(digit) for digit in text[1:])]
    return (
        sum(digit * weight for digit, weight in zip(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)) % 10 == 0
    )


# ---- told in a crowd ----


def spread(values: Sequence[str], places: int, kinds: int) -> bool:
    """Whether the first `places` digits of numbers take at least `kinds` values, as those of people do.

    The numbers of one register count up: they agree in all but their last digits.
    """
    firsts = {re.sub(r"\D", "", value)[:places] for value in values}
    return len(firsts) >= min(kinds, max(2, len(values) // 2))


def dated(values: Sequence[str], start: int = 0, *, full_year: bool = False) -> bool:
    """Whether nearly all values hold a day (YYMMDD, or YYYYMMDD) from the digit `start` on, as case numbers do."""
    width = 4 if full_year else 2
    good = 0
    for value in values:
        digits = re.sub(r"\D", "", value)[start:]
        century = "" if full_year else "20"
        good += _is_day(*((digits[:2], digits[2:4]) if full_year else (century, digits[:2])),
                        digits[width : width + 2], digits[width + 2 : width + 4])  # fmt: skip
    return good >= 0.9 * len(values)


@dataclass(frozen=True, slots=True)
class Crowd:
    """A kind of number told by many.

    `form` is the pattern of one, `like` that of what it could be confused with (both for the whole value, and for
    `re` and RE2 alike). `valid` judges one value, `people` all of them together; at least `least` are needed.
    """

    kind: str
    form: str
    like: str
    least: int
    valid: Callable[[str], bool] | None = None
    people: Callable[[Sequence[str]], bool] | None = None

    def judge(self, values: Sequence[str], like: int) -> bool:
        """Whether `values`, which have the form, are such numbers, where `like` values could be."""
        good = [value for value in values if self.valid is None or self.valid(value)]
        # One number in ten or eleven ends in the right check digit by chance.
        if len(good) < self.least or len(good) < 0.5 * like:
            return False
        return self.people is None or self.people(good)


def _old_id(values: Sequence[str]) -> bool:
    good = [
        value for value in values if _PROVINCES.match(value) and _is_day("19", value[6:8], value[8:10], value[10:12])
    ]
    return len(good) >= 0.95 * len(values) and len({value[6:8] for value in good}) >= 5


def _papers(values: Sequence[str]) -> bool:
    # The codes of a catalogue end in small numbers, whatever they begin with.
    small = sum(value[-3:] < "100" for value in values)
    return spread(values, 3, 5) and small <= 0.4 * len(values) and not dated(values, full_year=True)


def _mobiles(values: Sequence[str]) -> bool:
    return spread(values, 3, 4) and not dated(values)


def _american(values: Sequence[str]) -> bool:
    return spread(values, 3, 3) and not dated(values)


CROWDS: Final = (
    Crowd(IDENTITY, r"[A-Z]{1,2}[0-9]{6}[0-9A]", r"[A-Z]{1,2}[0-9]{6}[0-9A]", 5,
          lambda v: hong_kong_check(v[:-7], v[-7:-1]) == v[-1]),
    Crowd(IDENTITY, r"[A-Z][1289][0-9]{8}", r"[A-Z][0-9]{9}", 5, taiwan_valid),
    Crowd(IDENTITY, r"(?:[EGDSP]|E[A-Z])[0-9]{7,8}|[HM][0-9]{8}(?:[0-9]{2})?", r"[A-Z]{1,2}[0-9]{7,10}", 5,
          people=_papers),
    Crowd(CHINESE_ID, r"[1-8][0-9]{14}", r"[0-9]{15}", 5, people=_old_id),
    Crowd(DEVICE, r"(?:35|86|01|99)[0-9]{13}", r"[0-9]{15}", 5, luhn),
    Crowd(CARD, r"3[47][0-9]{13}", r"[0-9]{15}", 5, luhn),
)  # fmt: skip
# What is told one by one in a column of codes, and is too common a form for that among case numbers.
REFERENCE_CROWDS: Final = (
    *CROWDS,
    Crowd(CHINESE_ID, r"[1-9][0-9]{16}[0-9Xx]", r"[0-9]{17}[0-9Xx]", 1, is_id_card),
    Crowd(PHONE, r"(?:86)?1[3-9][0-9]{9}", r"(?:86)?[0-9]{11}", 2, people=_mobiles),
    Crowd(PHONE, r"0(?:10[2-8]|2[0-9][2-8]|[3-9][0-9]{2}[2-8]?)[0-9]{7}", r"[0-9]{11,12}", 2,
          people=lambda values: spread(values, 6, 3)),
    Crowd(PHONE, r"1?[2-9][0-9]{2}[2-9][0-9]{6}", r"[0-9]{10,11}", 5, people=_american),
    Crowd(CARD, r"(?:62|60|9558)[0-9]{14,17}|4[0-9]{15}|5[1-5][0-9]{14}", r"[0-9]{16,19}", 2, luhn),
)  # fmt: skip
