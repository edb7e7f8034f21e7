"""What the page and the terminal say of a back-test, in both languages."""

from __future__ import annotations

from typing import Final

from data.quality.check_finding import Both, Language

WORDS: Final[dict[str, Both]] = {
    "title": Both("回测", "Back-test"),
    "skip": Both("跳到正文", "Skip to the content"),
    "as_of": Both("截至{moment}已知", "as known at {moment}"),
    "tested": Both("检验{cases}件案件、{rows}个评分时点", "tested on {cases} cases, {rows} landmarks"),
    "folds": Both("{n}个切分时刻", "{n} cuts in time"),
    "one_fold": Both("1个切分时刻", "1 cut in time"),
    "summary": Both("要点", "In short"),
    "ranks": Both("能分出先后吗？", "Do the risks rank?"),
    "ranks_says": Both(
        "一件失误的案件与一件未失误的案件配成一对：100对里有{auc}对风险高低排得对（{level}区间{low}至{high}；50对等于乱猜）。",
        "Of 100 pairs, one case that was failed and one that was not, {auc} are in the right order ({level} interval "
        "{low} to {high}; 50 is guessing).",
    ),
    "means": Both("说多少就是多少吗？", "Do the risks mean what they say?"),
    "means_says": Both(
        "平均风险{said}，实际{seen}（{level}区间{low}至{high}）。分十组平均相差{ece}个百分点。",
        "The mean risk was {said}, and {seen} were failed ({level} interval {low} to {high}). Over ten groups, the "
        "mean gap is {ece} points.",
    ),
    "better": Both("比简单规则强吗？", "Are they better than simple rules?"),
    "better_all": Both("强于全部{n}条基线。", "Better than all {n} baselines."),
    "better_some": Both("确实强于{n}条基线中的{k}条。不确定的：{unclear}。更差的：{worse}。",
                        "Surely better than {k} of {n} baselines. Not sure: {unclear}. Worse: {worse}."),
    "none": Both("无", "none"),
    "worth": Both("对办理单位有多大用处？", "What are they worth to an office?"),
    "worth_says": Both(
        "按办理能力，每份当日名单平均关注{places}件（占{share}），其中{precision}后来失误，找到了全部失误的{recall}。",
        "At capacity, {places} cases of a day's list are attended on average ({share} of all); {precision} of them "
        "were failed later, which is {recall} of all failures.",
    ),
    "worth_share": Both(
        "没有给出办理能力。若每日关注名单上风险最高的一成，其中{precision}后来失误，找到了全部失误的{recall}。",
        "No capacity is given. Were a tenth of each day's list attended, the riskiest first, {precision} of them were "
        "failed later, which is {recall} of all failures.",
    ),
    "attention": Both(
        "这是多给关注，不改变期限规定的先后。",
        "This adds attention, and moves no case behind the place its deadline gives it.",
    ),
    "compared": Both("与基线相比", "Beside the baselines"),
    "compared_lead": Both(
        "同样的案件、同样的重抽样，数字下方是{level}区间。图为相对每条基线的布里尔技巧分数：大于0即更好。",
        "The same cases on the same draws; {level} intervals below each figure. The picture shows the Brier skill "
        "score against each baseline: above 0 is better.",
    ),
    "who": Both("方法", "Method"),
    "verdict": Both("heed比它", "heed is"),
    "skill": Both("技巧分数", "Skill"),
    "worse_side": Both("较差", "worse"),
    "better_side": Both("较好", "better"),
    "model": Both("heed", "heed"),
    "reliability": Both("校准", "Calibration"),
    "reliability_lead": Both(
        "每点是风险相近的一组。在虚线上：说多少就是多少。竖线是{level}区间。",
        "Each dot is a group of similar risks. On the dashed line, risks mean what they say. The bars are {level} "
        "intervals.",
    ),
    "risk": Both("风险", "risk"),
    "observed": Both("失误份额", "share that failed"),
    "n": Both("时点数", "Landmarks"),
    "parts": Both("布里尔分数由什么组成", "What the Brier score is made of"),
    "parts_lead": Both(
        "布里尔分数≈可靠性−分辨率+不确定性（分十组；组内还有很小的余项）。",
        "Brier = reliability − resolution + uncertainty, over ten groups (but for what happens within them).",
    ),
    "figure": Both("指标", "Figure"),
    "value": Both("数值", "Value"),
    "capacity": Both("办理能力", "Capacity"),
    "capacity_lead": Both(
        "横轴：每日名单上关注多大份额，风险高的先看。一件案件每日只列一次。",
        "Along the axis: how large a share of each day's list is attended, the riskiest first. A case stands on a "
        "day's list once.",
    ),
    "at_capacity": Both("按办理能力关注时", "Attended at capacity"),
    "share": Both("每日名单关注份额", "share of each day's list"),
    "recall": Both("找到的失误（召回率）", "failures found (recall)"),
    "precision": Both("关注的案件中失误的（精确率）", "of those attended, failed (precision)"),
    "over_time": Both("各时段", "Over time"),
    "over_time_lead": Both(
        "每个切分时刻重新训练，只用当时已成熟的结果；结果未成熟的案件不用于训练。",
        "At every cut a model is made anew from what was mature then; what was not mature does not teach.",
    ),
    "cut": Both("切分时刻", "Cut"),
    "until": Both("检验至{day}", "tested until {day}"),
    "trained": Both("训练案件", "Cases that taught"),
    "tested_cases": Both("检验案件", "Cases tested"),
    "open_at_cut": Both("当时未成熟", "Not mature at the cut"),
    "straddling": Both("跨越切分而不检验", "Straddling, not tested"),
    "failed": Both("失误", "failed"),
    "mean_risk": Both("平均风险", "mean risk"),
    "slices": Both("分项", "By part"),
    "slices_lead": Both(
        "按名称排列，不是办理单位的排名。少于10件、失误少于10件或未失误少于10件的不单独显示，合在“其余合计”里。",
        "In the order of their names: this is no ranking of offices. What has fewer than 10 cases, or fewer than 10 "
        "that were failed or were not, is not shown alone but in “the others together”.",
    ),
    "cases": Both("案件", "Cases"),
    "difference": Both("平均风险减实际", "Mean risk less failed"),
    "others": Both("其余合计（{n}项）", "The others together ({n})"),
    "withheld": Both("{n}项不公开：数目太小。", "{n} withheld: too few."),
    "unnamed": Both("未注明", "not given"),
    "importance": Both("什么影响风险最多", "What moved the risks most"),
    "importance_lead": Both(
        "最近一次训练的模型，平均每件变动的百分点。", "Of the newest model: percentage points on average."
    ),
    "feature": Both("特征", "Feature"),
    "points": Both("百分点", "Points"),
    "trusted": Both("只看标签可信（A、B级）的时点", "On landmarks with trusted labels (grades A and B) only"),
    "how": Both("怎样读", "How to read this"),
    "how_intervals": Both(
        "区间：整{unit}重抽样{replications}次（共{blocks}{unit}），少数几{unit}时按t分布放宽。不含换一段历史来训练的变动。",
        "Intervals: {replications} redraws of whole {unit} ({blocks} of them), widened as the t distribution asks "
        "where they are few. They do not cover another history to learn from.",
    ),
    "how_cases": Both(
        "每件案件计一次：一件案件有几个评分时点，各时点平分。用于训练过的案件，其后来的时点不检验。",
        "Every case counts once: its landmarks share its weight. If a case taught, its later landmarks do not test.",
    ),
    "how_verdict": Both(
        "“更好”：AUC、平均精确率、布里尔分数中至少一项的区间全在好的一边，没有一项全在坏的一边。",
        "“Better”: of AUC, average precision and Brier, at least one whole interval lies on the good side and none on "
        "the bad.",
    ),
    "as_table": Both("以表格看这些数字", "The figures as a table"),
    "skipped": Both("{n}个切分时刻因案件太少而略去。", "{n} cuts were left out: too few cases."),
    "near_instant": Both(
        "受理后一分钟内办结的{n}件不计：没有人等待。",
        "{n} cases that were closed within a minute of opening are left out: nobody waited for them.",
    ),
    "made_with": Both(
        "由 heed backtest 生成。没有任何一件案件被单独提及。", "Made with heed backtest. No single case is told of."
    ),
}  # fmt: skip

FIGURES: Final[dict[str, Both]] = {
    "auc": Both("AUC", "AUC"),
    "average_precision": Both("平均精确率", "Average precision"),
    "brier": Both("布里尔分数", "Brier score"),
    "log_loss": Both("对数损失", "Log loss"),
    "ece": Both("期望校准误差", "ECE"),
    "slope": Both("校准斜率", "Calibration slope"),
    "intercept": Both("校准截距", "Calibration intercept"),
    "reliability": Both("可靠性", "Reliability"),
    "resolution": Both("分辨率", "Resolution"),
    "uncertainty": Both("不确定性", "Uncertainty"),
    "precision_at_capacity": Both("能力内精确率", "Precision at capacity"),
    "recall_at_capacity": Both("能力内召回率", "Recall at capacity"),
}

MEANINGS: Final[dict[str, Both]] = {
    "reliability": Both(
        "各组风险与实际的差距，平方；越小越好", "gap of risk and share that failed, squared; less is better"
    ),
    "resolution": Both("各组之间拉开多少；越大越好", "how far the groups are told apart; more is better"),
    "uncertainty": Both("只知道总体比例时的分数", "the score of knowing the base rate alone"),
    "slope": Both("小于1：太极端；大于1：太保守", "under 1: too extreme; above 1: too timid"),
    "intercept": Both("大于0：总体偏低；小于0：总体偏高", "above 0: too low on the whole; below: too high"),
    "log_loss": Both("越小越好", "less is better"),
}  # fmt: skip

BASELINES: Final[dict[str, Both]] = {
    "city_rate": Both("全市比例", "city rate"),
    "category_rate": Both("问题类型的比例", "category rate"),
    "age": Both("时限已过份额", "age against deadline"),
    "queue_length": Both("在办件多少", "queue length"),
    "record": Both("履约记录（不学习）", "record, not learned"),
    "logistic_regression": Both("逻辑回归", "logistic regression"),
}

VERDICTS: Final[dict[str, Both]] = {
    "beats": Both("更好", "better"),
    "loses": Both("更差", "worse"),
    "both": Both("有好有坏", "better and worse"),
    "unclear": Both("不确定", "not sure"),
}
VERDICT_SHAPES: Final = {"beats": "▲", "loses": "▼", "both": "◆", "unclear": "○"}

DIMENSIONS: Final[dict[str, Both]] = {
    "office": Both("办理单位", "Office"),
    "category": Both("问题类型", "Category"),
    "area": Both("区域", "Area"),
    "channel": Both("渠道", "Channel"),
    "kind": Both("评分时点", "Landmark"),
    "month": Both("月份", "Month"),
}
KINDS: Final[dict[str, Both]] = {
    "opening": Both("受理时", "at opening"),
    "event": Both("办理中", "after an event"),
    "morning": Both("每日清晨", "of a morning"),
}
UNITS: Final[dict[str, Both]] = {"week": Both("周", "weeks"), "day": Both("天", "days")}

_OUTCOMES: Final[dict[str, Both]] = {
    "late": Both("超期答复", "Answered late"),
    "unresolved": Both("未解决", "Unresolved"),
    "reopened": Both("被重办", "Reopened"),
    "handed_up": Both("被上报", "Handed up"),
    "any_failure": Both("任一失误", "Any failure"),
}


def outcome_told(outcome: str, language: Language) -> str:
    """The name of an outcome, such as `reopened_28d`, in words."""
    for name, words in _OUTCOMES.items():
        if outcome == name:
            return words.in_(language)
        rest = outcome.removeprefix(f"{name}_")
        if rest != outcome and rest.endswith("d") and rest[:-1].isdigit():
            days = rest[:-1]
            return f"{days}天内{words.zh}" if language == "zh" else f"{words.en} within {days} days"
    return outcome
