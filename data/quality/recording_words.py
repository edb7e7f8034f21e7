"""The findings about recording in words."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

# Chinese, English; days are those of the offices' calendar.
_SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "start": (
        "{place}：自{first}当周起才有完整记录，此前{weeks}周一件也没有（平常每周约{usual:.1f}件）。此前的空白不是“没有问题”。",
        "{place}: recorded in full only from the week of {first} on; the {weeks} weeks before hold none, where about "
        "{usual:.1f} a week are usual. Those weeks do not say that nothing happened.",
    ),
    "stop": (
        "{place}：自{first}当周起连续{weeks}周没有记录（平常每周约{usual:.1f}件）。这是停止登记，不要读作下降。",
        "{place}: nothing recorded from the week of {first} on, for {weeks} weeks, where about {usual:.1f} a week are "
        "usual. The recording stopped; do not read it as a decline.",
    ),
    "gap": (
        "{place}：{first}至{last}的{weeks}周没有记录（平常每周约{usual:.1f}件）。这几周不作比较之用。",
        "{place}: nothing recorded in the {weeks} weeks from that of {first} to that of {last}, where about "
        "{usual:.1f} a week are usual. Nothing is compared with these weeks.",
    ),
    "roll_out": (
        "{place}：{reports}个{joining_zh}在{first}至{last}期间先后加入记录；总数的上升含有覆盖面的扩大。",
        "{place}: {reports} {joining_en} joined the record between the weeks of {first} and {last}. Part of any "
        "rise of the sum is growing coverage.",
    ),
    "rename": (
        "“{place}”在{first}当周之后停止，“{other}”从{last}当周开始，数量与构成相近（{similarity:.0%}）：可能只是改了名称。",
        "'{place}' stops after the week of {first} and '{other}' starts in that of {last}, with about the same volume "
        "and a mix that is {similarity:.0%} alike: it may only have been renamed.",
    ),
}
_JOINING: Final = {"area": ("区域", "areas"), "channel": ("渠道", "channels"), "office": ("办理单位", "offices")}


def sentences(row: dict[str, Any]) -> tuple[str, str]:
    """A finding in Chinese and in English."""
    named = [str(row[name]) for name in ("category", "area", "channel", "office") if isinstance(row[name], str)]
    joining = _JOINING.get(str(row["other"]), ("", ""))
    values = {
        "first": _day(row["first_week"]),
        "last": _day(row["last_week"]),
        "weeks": row["weeks"],
        "reports": row["reports"],
        "usual": row["usual_per_week"],
        "similarity": row["similarity"],
        "other": row["other"],
        "joining_zh": joining[0],
        "joining_en": joining[1],
    }
    zh, en = _SENTENCES[str(row["code"])]
    return (
        zh.format(place="、".join(named) or "整个记录", **values),
        en.format(place=", ".join(named) or "the whole record", **values),
    )


def _day(moment: int) -> str:
    # A local Monday 00:00 is Sunday or Monday in UTC; noon of it is Monday in every zone that offices are in.
    return str(np.datetime64(int(moment) + 43_200, "s").astype("datetime64[D]"))
