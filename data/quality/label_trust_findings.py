"""What label trust finds, in figures and in plain words. The words say what cannot be relied on, and never why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Number = float | int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFinding:
    """One thing that makes labels unreliable, or a record hard to read.

    Attributes
    ----------
    code : its name, one of `SENTENCES`
    office, category, channel : where; None for all
    first_month, last_month : the months concerned ("2013-05"); None where it is the whole record
    figures : plain numbers; shares lie between 0 and 1
    words : what the sentences name besides, such as a day
    """

    code: str
    figures: Mapping[str, Number]
    office: str | None = None
    category: str | None = None
    channel: str | None = None
    first_month: str | None = None
    last_month: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def zh(self) -> str:
        """The finding in one Chinese sentence."""
        place = "，".join(part for part in (self.office, self.category, self.channel) if part)
        return f"{place}：{self._filled(0)}" if place else self._filled(0)

    @property
    def en(self) -> str:
        """The finding in one English sentence."""
        place = ", ".join(part for part in (self.office, self.category, self.channel) if part)
        return f"{place}: {self._filled(1)}" if place else self._filled(1)

    def _filled(self, language: int) -> str:
        months = self.first_month or ""
        if self.last_month and self.last_month != self.first_month:
            months += ("至", " to ")[language] + self.last_month
        return SENTENCES[self.code][language].format(months=months, **self.words, **self.figures)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "code": self.code,
            "office": self.office,
            "category": self.category,
            "channel": self.channel,
            "first_month": self.first_month,
            "last_month": self.last_month,
            "figures": dict(self.figures),
            **self.words,
            "zh": self.zh,
            "en": self.en,
        }


# Chinese, English.
SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "mass_closing": (
        "{day}集中办结了{batch}件积存较久的案件，平常一个工作{slot_zh}约{usual:.1f}件；"
        "这些办结时刻说明何时整理了记录，不说明每件何时办好（共{batches}次，{cases}件）。",
        "on {day}, {batch} cases that had been open for long were closed within one {slot_en}; about {usual:.1f} are "
        "usual. Such a date says when the books were put in order, not when each case was answered "
        "({batches} such batches in all, {cases} cases).",
    ),
    "update_date": (
        "{months}受理的{cohort}件案件中有{batch}件在{day}同一天办结；这像是记录更新的日期，不是办结的日期。",
        "of {cohort} cases opened in {months} and closed since, {batch} bear the same closing day, {day}. It looks "
        "like the day of an update of the record and not the day on which each case was answered.",
    ),
    "last_day_closing": (
        "记录的最后一天（{day}）有{batch}件办结，平常约{usual:.1f}件；这像是导出时补记的日期。",
        "{batch} closings bear the last day of the record, {day}, where about {usual:.1f} are usual. It looks like a "
        "date filled in at the export.",
    ),
    "deadline_heap": (
        "{months}承诺时限最后5%的时段内有{count}件办结，按前后走势约应有{expected:.0f}件；"
        "多出的部分使“按时”更像是登记时刻而不是办好的时刻。",
        "{count} closings ({months}) stand in the last twentieth of the promised time, where their neighbours "
        "on either side make {expected:.0f} likely. For what exceeds them, 'in time' tells when the case was "
        "booked rather than when it was answered.",
    ),
    "quick_closing": (
        "{months}有{quick}件（共{closed}件办结的{share:.0%}）在受理后10分钟内办结，其中{instant}件在一分钟内，"
        "多数经由“{most_channel}”；这是已完成工作的登记，不说明等待多久。",
        "in {months}, {quick} of {closed} closings ({share:.0%}) came within ten minutes of the opening, {instant} of "
        "them within a minute, most of them through '{most_channel}'. They record work already done and say nothing of "
        "waiting.",
    ),
    "quick_shift": (
        "自{months}起，10分钟内办结的占比由{before:.0%}变为{after:.0%}；登记方式可能改变了。",
        "from {months} on, the share closed within ten minutes went from {before:.0%} to {after:.0%}: the way of "
        "recording may have changed.",
    ),
    "reopen_shift": (
        "自{months}起，办结后30天内重办的占比由{before:.1%}变为{after:.1%}；重办可能从那时才开始（或停止）登记。",
        "from {months} on, the share reopened within 30 days of closing went from {before:.1%} to {after:.1%}: "
        "reopenings may be recorded only from then on, or no longer.",
    ),
    "never_closed": (
        "自{months}起，受理{days}天后仍未正式办结的占比由{before:.0%}变为{after:.0%}；"
        "变化之突然更像是登记方式改变，不是服务改变。“在办”不等于“未解决”。",
        "from {months} on, the share not formally closed {days} days after opening went from {before:.0%} to "
        "{after:.0%}. So sudden a change is one of record keeping rather than of service: 'open' is not 'unresolved'.",
    ),
    "pace_shift": (
        "自{months}起，办结用时中位数由{median_before:.1f}天变为{median_after:.1f}天。"
        "以前后合计训练的模型会落在两者之间。",
        "from {months} on, the median time to close went from {median_before:.1f} to {median_after:.1f} days. A model "
        "taught on both sides lies in between.",
    ),
    "pace_by_year": (
        "办结用时中位数由{year_before:.0f}年的{median_before:.1f}天变为{year_after:.0f}年的{median_after:.1f}天。",
        "the median time to close went from {median_before:.1f} days in {year_before:.0f} to {median_after:.1f} in "
        "{year_after:.0f}.",
    ),
    "import_spike": (
        "{day}受理{batch}件，平常约{usual:.1f}件，其中{of_channel}件经由“{most_channel}”；这像是批量导入，"
        "受理时刻不可靠（共{batches}次，{cases}件）。",
        "{batch} cases were opened on {day}, where about {usual:.1f} are usual, {of_channel} of them through "
        "'{most_channel}'. It looks like an import in bulk, whose opening times say little ({batches} such in all, "
        "{cases} cases).",
    ),
    "office_move": (
        "{day}有{batch}件一次转入，平常约{usual:.1f}件；此前的办理记录属于别的单位（共{batches}次，{cases}件）。",
        "{batch} cases were moved here on {day}, where about {usual:.1f} are usual. What was done with them before "
        "belongs to another office ({batches} such in all, {cases} cases).",
    ),
    "impossible_dates": (
        "{cases}件的日期自相矛盾（办结早于受理，或期限早于受理）。",
        "{cases} cases bear dates that contradict each other (closed, or due, before they were opened).",
    ),
    "set_aside": (
        "导入时因日期自相矛盾或无法读取搁置了{rows}行。",
        "{rows} rows were set aside at import because their dates contradict each other or cannot be read.",
    ),
    "no_deadline": (
        "{cases}件中有{without}件（{share:.0%}）没有承诺期限；它们没有“按时”可言。",
        "{without} of {cases} cases ({share:.0%}) were promised nothing: 'in time' means nothing for them.",
    ),
    "midnight_deadline": (
        "{due}个期限中有{midnight}个（{share:.0%}）落在当日零点；"
        "若期限指当天结束，则当天办结的{same_day}件会被误记为超期。",
        "{midnight} of {due} deadlines ({share:.0%}) fall on 00:00 of a day. If the end of that day is meant, "
        "{same_day} cases closed during it count as late and were not.",
    ),
    "duplicates": (
        "{cases}件中有{duplicates}件（{share:.1%}）被判为重复件。",
        "{duplicates} of {cases} cases ({share:.1%}) were called duplicates of others.",
    ),
    "followed_short": (
        "{cases}件有期限的案件中有{short}件（{share:.0%}）在期限之前就不再有后续记录；它们是否按时无从知道。",
        "{short} of {cases} cases with a deadline ({share:.0%}) were last looked at, open, before it: whether they "
        "were answered in time is not known.",
    ),
    "left_open": (
        "{months}受理的案件最后一次查看于受理后约{days:.0f}天，当时{open}/{cases}件（{share:.0%}）仍在办；此后情况未知。",
        "cases opened in {months} were last looked at about {days:.0f} days after their opening, when {open} of "
        "{cases} ({share:.0%}) were open. What became of them since is not known.",
    ),
}
