"""A trace in words: one sentence per step, in Chinese and in English, with local dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

from data.clock_count import StepKind

if TYPE_CHECKING:
    from data.clock_trace import Step, Trace

Language = Literal["zh", "en"]

_WEEKDAYS: Final = {
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

WORDS: Final[dict[Language, dict[str, str]]] = {
    "zh": {
        "first_reply": "首次答复时限",
        "resolve": "办结时限",
        "pre_mediation": "诉前调解期限",
        "opened": "受理",
        "assigned": "派单",
        "transferred": "转办",
        "handed_up": "上报上一级",
        "replied": "答复",
        "closed": "办结",
        "reopened": "重办",
        "withdrawn": "撤销",
        "duplicate": "认定为重复件",
        "village": "村（社区）",
        "town": "乡镇（街道）",
        "county": "县（区）",
        "city": "市",
        "working_hours": "个工作小时",
        "hours": "小时",
        "working_days": "个工作日",
        "calendar_days": "个自然日",
        "category": "问题类型",
        "tier": "层级",
        "channel": "受理渠道",
        "running": "计时中",
        "paused": "暂停计时中",
        "met": "按期",
        "missed": "超期",
        "fallen_away": "失效（不计入按期或超期）",
        "not_promised": "无承诺时限",
        "not_known": "时限未知",
        "not_started": "未开始计时",
    },
    "en": {
        "first_reply": "first reply",
        "resolve": "closing",
        "pre_mediation": "mediation before a suit",
        "opened": "opened",
        "assigned": "assigned",
        "transferred": "transferred",
        "handed_up": "handed up",
        "replied": "replied to",
        "closed": "closed",
        "reopened": "reopened",
        "withdrawn": "withdrawn",
        "duplicate": "found to be a duplicate",
        "village": "village",
        "town": "town",
        "county": "county",
        "city": "city",
        "working_hours": "working hours",
        "hours": "hours",
        "working_days": "working days",
        "calendar_days": "calendar days",
        "category": "category",
        "tier": "tier",
        "channel": "channel",
        "running": "the clock runs",
        "paused": "the clock is paused",
        "met": "in time",
        "missed": "late",
        "fallen_away": "fallen away, neither in time nor late",
        "not_promised": "nothing is promised",
        "not_known": "the deadline is not known",
        "not_started": "the clock has not started",
    },
}


def sentences(trace: Trace, language: Language) -> list[str]:
    """The steps of a trace in words, one sentence each."""
    teller = _Words(trace, language)
    if not trace.steps:
        return [
            teller.pick(f"{teller.word(trace.clock)}：{teller.word('not_started')}。", "The clock has not started.")
        ]
    return [teller.tell(step) for step in trace.steps]


class _Words:
    """The words of one trace in one language."""

    def __init__(self, trace: Trace, language: Language) -> None:
        self.trace, self.language = trace, language
        self.zone = ZoneInfo(trace.time_zone)
        self.units: dict[int, str] = {}
        for step in trace.steps:
            if step.kind == "standard":
                self.units[step.run] = str(step.detail["unit"])

    def tell(self, step: Step) -> str:
        """The sentence of one step."""
        return _SENTENCES[step.kind](self, step)

    def pick(self, zh: str, en: str) -> str:
        """The one of the two that is in the language."""
        return zh if self.language == "zh" else en

    def word(self, key: object) -> str:
        """The word for a key of the vocabularies; the key itself where it is a code of the office's own."""
        return WORDS[self.language].get(str(key), str(key))

    def moment(self, seconds: int, *, ends: bool = False) -> str:
        """A local moment, with seconds only where there are any; a midnight that `ends` a day is its 24:00."""
        at = datetime.fromtimestamp(seconds, self.zone)
        clock = f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
        if ends and self._is_midnight(at):
            at, clock = datetime.fromtimestamp(seconds - 1, self.zone), "24:00"
        return f"{self.date(at)}{self.pick('', ' ')}{clock}"

    def date(self, at: datetime) -> str:
        """A local date with its weekday."""
        weekday = _WEEKDAYS[self.language][at.weekday()]
        zh = f"{at.year}年{at.month}月{at.day}日（{weekday}）"
        return self.pick(zh, f"{weekday} {at.day} {_MONTHS[at.month - 1]} {at.year}")

    def span(self, step: Step) -> str:
        """From when to when; whole days by their dates alone, the last included."""
        until = step.at if step.until is None else step.until
        first, last = (datetime.fromtimestamp(one, self.zone) for one in (step.at, until))
        # A promise in days is told in days, the last of which may end before midnight.
        whole = self._is_midnight(last) or self._in_days(step)
        if step.kind != "pause" and self._is_midnight(first) and whole and until > step.at:
            last = datetime.fromtimestamp(until - 1, self.zone)
            if first.date() == last.date():
                return self.date(first)
            return self.pick(f"{self.date(first)}至{self.date(last)}", f"{self.date(first)} to {self.date(last)}")
        begin, end = self.moment(step.at), self.moment(until, ends=True)
        return self.pick(f"{begin}至{end}", f"{begin} to {end}")

    def _in_days(self, step: Step) -> bool:
        return self.units.get(step.run) in ("working_days", "calendar_days")

    @staticmethod
    def _is_midnight(at: datetime) -> bool:
        return (at - timedelta(seconds=1)).date() != at.date()

    def amount(self, step: Step, counted: int | None) -> str:
        """What a step counts, in the unit of its promise."""
        number = counted or 0
        if self._in_days(step):
            unit = self.units[step.run]
            many = self.word(unit) if number != 1 or self.language == "zh" else self.word(unit).removesuffix("s")
            return f"{number}{self.pick('', ' ')}{many}"
        return self.length(number)

    def length(self, seconds: int) -> str:
        """A length of time in hours, minutes and seconds."""
        hour, minute, second = seconds // 3600, seconds % 3600 // 60, seconds % 60
        parts = [
            f"{number}{self.pick('', ' ')}{unit}"
            for number, unit in (
                (hour, self.pick("小时", "h")),
                (minute, self.pick("分", "min")),
                (second, self.pick("秒", "s")),
            )
            if number
        ]
        return self.pick("", " ").join(parts) or self.pick("0小时", "0 h")

    def days(self, step: Step) -> str:
        """The names of the days of a step, each run of the same name once."""
        names: list[str] = []
        for day in step.detail.get("days", ()):
            name = day[self.language]
            if not names or names[-1] != name:
                names.append(name)
        return self.pick("、", "; ").join(names)


def _started(words: _Words, step: Step) -> str:
    kind, at = words.word(step.detail["by"]), words.moment(step.at)
    clock = words.word(words.trace.clock)
    again = words.pick(f"第{step.run}次计时：", f"Run {step.run}: ") if step.run > 1 else ""
    return words.pick(
        f"{again}{at}{kind}，{clock}开始计时。", f"{again}{kind.capitalize()} on {at}; the clock for {clock} starts."
    )


def _standard(words: _Words, step: Step) -> str:
    said: dict[str, Any] = dict(step.detail)
    if said["standard"] is None:
        return words.pick("没有适用的服务标准，未作承诺。", "No service standard holds, so nothing is promised.")
    chosen = [f"{words.word(name)} {words.word(said[name])}" for name in said["chosen_by"]]
    why = words.pick("、", ", ").join(chosen) or words.pick("对所有案件", "for all cases")
    if said["unit"] == "none":
        return words.pick(
            f"适用第{said['standard']}条标准（{why}）：不作承诺。",
            f"Standard {said['standard']} holds ({why}): nothing is promised.",
        )
    promised = f"{said['amount']}{words.pick('', ' ')}{words.word(said['unit'])}"
    if said["amount"] == 1:
        promised = promised if words.language == "zh" else promised.removesuffix("s")
    return words.pick(
        f"适用第{said['standard']}条标准（{why}）：{promised}，按日历“{said['calendar']}”计算。",
        f"Standard {said['standard']} holds ({why}): {promised}, counted in the calendar '{said['calendar']}'.",
    )


def _hand_over(words: _Words, step: Step) -> str:
    kind, at, effect = words.word(step.detail["by"]), words.moment(step.at), step.detail["effect"]
    tier = words.word(step.detail["tier"] or words.pick("未知层级", "an unknown tier"))
    told = {
        "goes_on": words.pick("时限不变", "the deadline stays as it is"),
        "takes_tier": words.pick(
            "改按该层级的标准，自同一起点计算", "its standard holds from now on, counted from the same start"
        ),
        "too_late": words.pick("此时已超期，时限不变", "the deadline had passed by then and stays"),
    }[effect]
    return words.pick(f"{at}{kind}（{tier}）：{told}。", f"{kind.capitalize()} ({tier}) on {at}: {told}.")


def _pause(words: _Words, step: Step) -> str:
    span = words.span(step)
    return words.pick(
        f"{span}暂停计时；某日结束时仍在暂停的，该日不计。",
        f"Paused {span}: days that ended during the pause do not count.",
    )


def _first_day(words: _Words, step: Step) -> str:
    day = words.date(datetime.fromtimestamp(step.at, words.zone))
    return words.pick(f"{day}为起算当日，不计。", f"{day}: the day of the start does not count.")


def _counted(words: _Words, step: Step) -> str:
    name = words.days(step)
    named = words.pick(f"，{name}", f" ({name})") if name else ""
    amount, total = words.amount(step, step.counted), words.amount(step, step.total)
    return words.pick(
        f"{words.span(step)}{named}：计{amount}，累计{total}。",
        f"{words.span(step)}{named}: {amount} counted, {total} in all.",
    )


def _closed(words: _Words, step: Step) -> str:
    return words.pick(
        f"{words.span(step)}：非工作时间，不计。", f"{words.span(step)}: outside opening hours, not counted."
    )


def _rest(words: _Words, step: Step) -> str:
    return words.pick(
        f"{words.span(step)}：{words.days(step)}，不计。", f"{words.span(step)}: not counted ({words.days(step)})."
    )


def _paused(words: _Words, step: Step) -> str:
    lost = step.detail.get("lost")
    if lost:
        amount = words.amount(step, lost)
        return words.pick(
            f"{words.span(step)}：暂停计时，{amount}不计。", f"{words.span(step)}: paused, {amount} not counted."
        )
    return words.pick(f"{words.span(step)}：暂停计时，不计。", f"{words.span(step)}: paused, not counted.")


def _moved(words: _Words, step: Step) -> str:
    return words.pick(
        f"期满之日为休息日或暂停，顺延：{words.span(step)}。",
        f"The limit would end on a day of rest or in a pause and moves on: {words.span(step)}.",
    )


def _due(words: _Words, step: Step) -> str:
    at = words.moment(step.at, ends=True)
    return words.pick(f"因此，时限为{at}。", f"Therefore due on {at}.")


def _not_known(words: _Words, step: Step) -> str:
    last = step.detail["calendar_ends"]
    return words.pick(
        f"日历只到{last}，其后的节假日和调休尚不知晓，时限未知，不作猜测。",
        f"The calendar ends on {last}; holidays after it are not known, so the deadline is not known either.",
    )


def _stopped(words: _Words, step: Step) -> str:
    kind, state = words.word(step.detail["by"]), words.word(step.detail["state"])
    at = words.moment(step.at)
    return words.pick(f"{at}{kind}：{state}。", f"{kind.capitalize()} on {at}: {state}.")


def _now(words: _Words, step: Step) -> str:
    state, used, left = words.word(step.detail["state"]), step.detail["used_seconds"], step.detail["left_seconds"]
    begun = words.pick(f"截至{words.moment(step.at)}：{state}", f"As of {words.moment(step.at)}: {state}")
    if used is None or left is None:
        return begun + words.pick("。", ".")
    rest = words.pick(f"剩余{words.length(left)}", f"{words.length(left)} left")
    if left < 0:
        rest = words.pick(f"已超{words.length(-left)}", f"{words.length(-left)} over")
    return begun + words.pick(f"；已用{words.length(used)}，{rest}。", f"; {words.length(used)} used, {rest}.")


_SENTENCES: Final[dict[StepKind, Callable[[_Words, Step], str]]] = {
    "started": _started,
    "standard": _standard,
    "hand_over": _hand_over,
    "pause": _pause,
    "first_day": _first_day,
    "counted": _counted,
    "make_up": _counted,
    "closed": _closed,
    "rest": _rest,
    "paused": _paused,
    "last_day_moved": _moved,
    "due": _due,
    "not_known": _not_known,
    "stopped": _stopped,
    "now": _now,
}
