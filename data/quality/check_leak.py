"""The leak meter: how much better a column that shows the end predicts lateness than the category alone.

Both are judged out of fold, by the past rate of lateness of each word, so that neither gains by being finer. What a
last-state column adds beyond the category is, for the most part, knowledge of how the case ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any, Final

import numpy as np
import pandas as pd

from data.event_log import NEVER, is_near_instant
from data.quality.check_finding import Both, Chart, CheckFinding, Code, Point, Where
from data.quality.check_measures import Bools, auc, out_of_fold_rates
from data.quality.check_subject import Subject

CODES: Final = (
    Code(
        "leak",
        "leak",
        Both(
            "只有末态的列泄漏结局：它预测超期远好于问题类型本身，因为它写着案件是怎样收场的。",
            "A column of last states leaks the ending: it predicts lateness far better than the category, because "
            "it says "
            "how the case went.",
        ),
        Both(
            "列“{column}”泄漏结局：只看问题类型 AUC 为{auc_category:auc}，加上它为{auc_column:auc}。"
            "“{category}”中，最后在“{values[0]}”的{n_low:n}件有{late_low:%}超期，留在“{values[1]}”的{n_high:n}件有{late_high:%}超期。",
            "Column '{column}' leaks the ending: AUC {auc_category:auc} from the category alone, {auc_column:auc} "
            "with it. "
            "Of '{category}' cases, the {n_low:n} that ended in '{values[0]}' are {late_low:%} late and the "
            "{n_high:n} that "
            "ended in '{values[1]}' {late_high:%}.",
        ),
        Both(
            "映射已把它标为末态，heed 不会用它。别的工具也不要用。",
            "The mapping says that it is known at the end, and heed keeps it out. Keep it out of other tools as well.",
        ),
    ),
    Code(
        "leak_left_out",
        "leak",
        Both(
            "略去的列也会泄漏结局；略去是对的。",
            "A column that is left out would leak the ending; leaving it out is right.",
        ),
        Both(
            "略去的{values:list}会泄漏结局：只看问题类型 AUC 为{auc_category:auc}，受理时所知为{auc_opening:auc}，"
            "加上“{column}”为{auc_column:auc}。",
            "Left-out columns would leak the ending ({values:list}): AUC {auc_category:auc} from the category alone, "
            "{auc_opening:auc} with what the opening knows, {auc_column:auc} with '{column}'.",
        ),
        Both("继续略去。", "Go on leaving it out."),
    ),
)
_FORCED_DO: Final = Both(
    "映射强制把它当作受理时已知：去掉 forced，否则一切成绩都是假的。",
    "The mapping calls it known at opening by force: take `forced` out, or every figure is too good to be true.",
)
# Below two points of AUC a column says little more than its category; noise of the folds is far smaller.
_GAIN: Final = 0.02
_FEWEST: Final = 500
_FEWEST_IN_CELL: Final = 50
_MOST_WORDS: Final = 1000


def find(subject: Subject) -> Iterator[CheckFinding]:
    """One finding per column that leaks."""
    cases = subject.cases
    judged = _judged(subject)
    if judged.sum() < _FEWEST:
        return
    late = _late(cases)[judged]
    category = _codes(cases["category"])[judged]
    if late.all() or not late.any():
        return
    alone = auc(late, out_of_fold_rates(late, category))
    opening = max(alone, *(_beside(late, category, _codes(cases[key])[judged]) for key in ("area", "channel")))
    names = cases["category"].to_numpy(dtype=object)[judged]
    for field in ("office",):
        forced = subject.column(field) in subject.forced
        if (field not in subject.known_at_opening or forced) and cases[field].nunique() > 1:
            values = cases[field].to_numpy(dtype=object)[judged]
            found = _mapped(subject, field, values, names, late, alone, opening, forced=forced)
            if found is not None:
                yield found
    yield from _left_out(subject)


def _judged(subject: Subject) -> Bools:
    """Cases with a promise whose outcome is known: `late` in `features.outcomes` says the same."""
    cases = subject.cases
    due, opened = cases["due_at_opening"].to_numpy("int64"), cases["opened_at"].to_numpy("int64")
    withdrawn = (cases["withdrawn_known_at"] < NEVER) & (cases["duplicate_at"] == NEVER)
    instant = is_near_instant(opened, cases["first_closed_at"].to_numpy("int64"))
    return np.asarray((due < NEVER) & (due > opened) & (due < subject.observed_until) & ~withdrawn & ~instant)


def _late(cases: pd.DataFrame) -> Bools:
    answered = np.minimum(cases["first_closed_at"].to_numpy("int64"), cases["duplicate_at"].to_numpy("int64"))
    return np.asarray(answered > cases["due_at_opening"].to_numpy("int64"))


def _codes(values: Any) -> Any:
    """Codes from 0; a null is a word of its own."""
    return pd.factorize(pd.Series(values), use_na_sentinel=False)[0]


def _beside(late: Bools, category: Any, values: Any) -> float:
    """AUC of a column's words within each category; a column that says nothing falls back on the category."""
    pairs = np.unique(category * (int(values.max()) + 1) + values, return_inverse=True)[1]
    return auc(late, out_of_fold_rates(late, pairs, category))


def _mapped(
    subject: Subject, field: str, values: Any, names: Any, late: Bools, alone: float, opening: float, *, forced: bool
) -> CheckFinding | None:
    category = _codes(names)
    with_it = _beside(late, category, _codes(values))
    example = _example(names, values, late)
    if with_it - opening < _GAIN or example is None:
        return None
    column = subject.column(field)
    chart = Chart(
        "bars", "share", Both("最后的单位", "where it ended"), Both("超期份额", "share late"),
        tuple(Point(str(word), float(share)) for word, share in example["shares"]),
    )  # fmt: skip
    return CheckFinding(
        code="leak",
        level="stop" if forced else "note",
        weight=with_it - alone + 1.0,
        figures={
            "auc_category": alone,
            "auc_opening": opening,
            "auc_column": with_it,
            **{name: example[name] for name in ("n_low", "late_low", "n_high", "late_high")},
            "n": len(late),
        },
        where=Where(column=column, category=example["category"], values=(example["low"], example["high"])),
        chart=chart,
        do=_FORCED_DO if forced else None,
    )


def _example(names: Any, values: Any, late: Bools) -> dict[str, Any] | None:
    """The category in which the last words lie furthest apart, weighed by the cases on the thinner side."""
    frame = pd.DataFrame({"category": names, "word": values, "late": late}).dropna()
    cells = frame.groupby(["category", "word"])["late"].agg(["size", "mean"]).reset_index()
    cells = cells[cells["size"] >= _FEWEST_IN_CELL]
    best: tuple[float, pd.DataFrame, pd.Series, pd.Series] | None = None
    for _, part in cells.groupby("category"):
        ordered = part.sort_values("mean")
        for low, high in combinations(range(len(ordered)), 2):
            first, second = ordered.iloc[low], ordered.iloc[high]
            score = float((second["mean"] - first["mean"]) * np.sqrt(min(first["size"], second["size"])))
            if best is None or score > best[0]:
                best = score, ordered, first, second
    if best is None:
        return None
    _, ordered, low_row, high_row = best
    shown = ordered.sort_values("size", ascending=False).head(8).sort_values("mean")
    return {
        "category": str(high_row["category"]),
        "low": str(low_row["word"]),
        "high": str(high_row["word"]),
        "n_low": int(low_row["size"]),
        "n_high": int(high_row["size"]),
        "late_low": float(low_row["mean"]),
        "late_high": float(high_row["mean"]),
        "shares": list(zip(shown["word"], shown["mean"], strict=True)),
    }


def _left_out(subject: Subject) -> Iterator[CheckFinding]:
    """Columns that the mapping leaves out: only their name and their gain are told."""
    view = subject.file
    if view is None or subject.looks is not None or subject.mapping is None or subject.mapping.source.shape != "cases":
        return
    rows = view.rows[view.kept]
    due, opened = rows["due_at"].to_numpy(), rows["opened_at"].to_numpy()
    closed = np.where(rows["falls"].eq("withdrawn"), NEVER, rows["closed_at"].to_numpy())
    known = (due < NEVER) & (due > opened) & (due < subject.as_of) & rows["falls"].ne("withdrawn").to_numpy()
    known &= (rows["withdrawn_at"] == NEVER).to_numpy() & ~is_near_instant(opened, closed)
    late = (closed > due)[known]
    if known.sum() < _FEWEST or late.all() or not late.any():
        return
    category = _codes(rows["category"].to_numpy(dtype=object)[known])
    alone = auc(late, out_of_fold_rates(late, category))
    keys = [_codes(rows[key].to_numpy(dtype=object)[known]) for key in ("area", "channel")]
    opening = max(alone, *(_beside(late, category, codes) for codes in keys))
    found = []
    for name in view.looked_at:
        values = view.raw.loc[view.kept, name]
        if pd.api.types.is_datetime64_any_dtype(values.dtype) or not 1 < values.nunique() <= _MOST_WORDS:
            continue
        with_it = _beside(late, category, _codes(values.to_numpy(dtype=object)[known]))
        if with_it - opening >= _GAIN:
            found.append((with_it, name))
    if not found:
        return
    found.sort(reverse=True)
    yield CheckFinding(
        code="leak_left_out",
        level="note",
        weight=found[0][0] - opening,
        figures={"auc_category": alone, "auc_opening": opening, "auc_column": found[0][0], "n": int(known.sum())},
        where=Where(column=found[0][1], values=tuple(name for _, name in found)),
        chart=Chart(
            "bars", "auc", Both("依据", "judged by"), Both("AUC", "AUC"),
            (
                Point(Both("只看问题类型", "category alone"), alone),
                Point(Both("加上受理时所知", "with what the opening knows"), opening),
                *(Point(name, value) for value, name in found),
            ),
        ),
    )  # fmt: skip
