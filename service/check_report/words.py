"""What the page and the terminal say around the findings."""

from __future__ import annotations

from typing import Final

from data.quality.check_finding import Both

WORDS: Final[dict[str, Both]] = {
    "title": Both("数据检查", "Data check"),
    "store": Both("数据库", "store"),
    "file": Both("文件", "file"),
    "source": Both("来源", "Source"),
    "rows": Both("{n}行", "{n} rows"),
    "cases": Both("{n}件案件", "{n} cases"),
    "opened": Both("受理于{span}", "opened {span}"),
    "nothing_stored": Both("检查不存储任何内容。", "A check stores nothing."),
    "verdicts": Both("够不够？", "Is it enough?"),
    "needed": Both("还需要：", "What would be needed: "),
    "timeliness": Both("及时率：三种算法", "Timeliness, counted in three ways"),
    "timeliness_lead": Both(
        "同样的案件，分母不同，结果不同。只看已办结的案件，不办结就不算超期。",
        "The same cases, three denominators. Counting closed cases only, a case that is never closed is never late.",
    ),
    "how_counted": Both("算法", "How it is counted"),
    "share_on_time": Both("按时份额", "share on time"),
    "on_time": Both("按时", "On time"),
    "of": Both("分母", "Out of"),
    "of_closed": Both("已办结案件中按时办结", "On time, of the closed"),
    "of_closed_why": Both("未办结的超期案件不在内，偏高", "leaves out what is still open, and flatters"),
    "of_due": Both("到期案件中按时办结", "On time, of those due"),
    "of_due_why": Both("到期仍未办结算超期", "open past its deadline counts as late"),
    "of_promised": Both("Kaplan-Meier：期限前办结", "Kaplan-Meier: closed by the deadline"),
    "of_promised_why": Both("未到期的案件按已看到的时间计入", "cases not yet due count for as long as they were seen"),
    "labels": Both("标签可信度", "Label trust"),
    "labels_lead": Both(
        "办结时刻能说明案件何时办好吗？A、B级可信，C级存疑但仍用于训练，D级不用于训练。最小的评级单位是办理单位。",
        "Do closing times say when cases were answered? Grades A and B do, C is in doubt and still teaches, D does "
        "not teach. The smallest unit graded is an office.",
    ),
    "grade": Both("等级", "Grade"),
    "n_cases": Both("案件", "Cases"),
    "share": Both("份额", "Share"),
    "worst": Both("存疑最多之处（少于10件的不列）", "Where most is in doubt (nothing under 10 cases is listed)"),
    "office": Both("办理单位", "Office"),
    "category": Both("问题类型", "Category"),
    "in_doubt": Both("存疑案件", "In doubt"),
    "symptoms": Both("症状", "Symptoms"),
    "findings": Both("检出的问题", "What was found"),
    "finding": Both("问题", "Finding"),
    "nothing_found": Both("没有检出问题。", "Nothing was found."),
    "do": Both("怎么办：", "What to do: "),
    "as_table": Both("以表格看这些数字", "The figures as a table"),
    "level": Both("级别", "Level"),
    "how_to_read": Both("怎样读", "How to read this"),
    "small": Both(
        "少于10件的区域或单位数字不显示。检查只看服务，不看人：没有任何一件案件被单独提及。",
        "Figures of areas and offices under 10 are not shown. The check looks at the service and never at people: no "
        "single case is told of.",
    ),
    "skip": Both("跳到正文", "Skip to the content"),
    "made_with": Both("由 heed check 生成", "Made with heed check"),
    "contents": Both("目录", "Contents"),
}

# What label trust calls its symptoms, in a word or two.
SYMPTOMS: Final[dict[str, Both]] = {
    "mass_closing": Both("成批办结", "closed in bulk"),
    "update_date": Both("更新日期", "update dates"),
    "deadline_heap": Both("堆在期限前", "heaped before the deadline"),
    "quick_closing": Both("瞬间办结", "closed within minutes"),
    "never_closed": Both("从未办结", "never closed"),
    "import_spike": Both("成批受理", "opened in bulk"),
    "impossible_dates": Both("时刻矛盾", "impossible dates"),
    "reopen_shift": Both("重办突变", "reopening shifts"),
    "office_move": Both("成批转办", "moved in bulk"),
    "pace_shift": Both("用时突变", "pace shifts"),
}
