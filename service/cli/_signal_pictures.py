"""Pictures of counts that somebody brought: the series with alarms, each against its band.

These are the reader's own counts, straight from the reader's own file: nothing is withheld. What comes from a store
goes another way (`service.published`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pandas as pd

from data.errors import NotEnoughDataError, UsageError
from models.signals.count_table import CountTable

# More than these cannot be looked at on one picture.
SERIES_DRAWN: Final = 8
# Weeks before the first one judged, for the eye.
_BEFORE: Final = 52
_DRAWN: Final = {".svg", ".png"}


def check_picture(path: Path | None) -> None:
    """Refuse another kind of file, or a folder that is not there, before anything is worked out."""
    if path is None:
        return
    if path.suffix.lower() not in _DRAWN:
        raise UsageError(f"--picture: expected a file that ends in .svg or .png; this one ends in {path.suffix!r}.")
    if not path.parent.is_dir():
        raise UsageError(f"--picture: {path} cannot be written: there is no such folder. Give another path.")


def write_picture(chart: Any, path: Path) -> None:
    """Draw a chart into a file that ends in .svg or .png; UsageError where it cannot be written."""
    from models.plots import theme  # noqa: PLC0415 (a second to load, and few draw)

    drawn = theme.svg(chart) if path.suffix.lower() == ".svg" else theme.png(chart)
    try:
        path.write_bytes(drawn)
    except OSError as error:
        raise UsageError(f"--picture: {path} cannot be written: {error.strerror}. Give another path.") from None


def draw(judged: pd.DataFrame, tables: list[CountTable], path: Path) -> list[str]:
    """Draw the series with the latest and clearest alarms (all series, where none has one) and write the file.

    Parameters
    ----------
    judged : as `Detector.detect` gives it
    tables : the counts, for the weeks before those judged; dated by weeks, days or months
    path : ends in .svg or .png

    Returns
    -------
    The names of the series drawn, in the order drawn.
    """
    from models.plots import signal_weeks  # noqa: PLC0415 (a second to load, and few draw)

    histories = {name: table.counts[name] for table in tables for name in table.counts.columns}
    dated = {name: one for name, one in histories.items() if isinstance(one.index, pd.DatetimeIndex)}
    if not dated:
        raise NotEnoughDataError("--picture needs a column date; this table tells its weeks by number.")
    chosen = [name for name in _chosen(judged) if name in dated][:SERIES_DRAWN]
    frames = {str(name): _frame(judged[judged["series"] == name], dated[name]) for name in chosen}
    write_picture(signal_weeks.many_weeks_chart(frames), path)
    return list(frames)


def _chosen(judged: pd.DataFrame) -> list[Any]:
    """Series by their latest alarm, and then by how far it reaches; in the table's order where there is none."""
    alarms = judged[judged["alarm"].fillna(value=False)]
    if alarms.empty:
        return list(judged["series"].unique())
    best = alarms.groupby("series", sort=False).agg(week=("week", "max"), score=("score", "max"))
    return list(best.sort_values(["week", "score"], ascending=False, kind="stable").index)


def _frame(judged: pd.DataFrame, history: pd.Series) -> pd.DataFrame:
    told = judged.assign(week=pd.to_datetime(judged["week"])).set_index("week")
    first = history.index.get_indexer(told.index[:1])[0]
    weeks = history.iloc[max(int(first) - _BEFORE, 0) :]
    band = told.reindex(weeks.index)
    alarm = band["alarm"].fillna(value=False).astype(bool)
    return pd.DataFrame(
        {
            "week": weeks.index,
            "observed": weeks.to_numpy(dtype=float),
            "lower": band["lower"].fillna(0.0).where(band["upper"].notna()).to_numpy(dtype=float),
            "upper": band["upper"].to_numpy(dtype=float),
            "alarm": alarm.map({True: "rise", False: None}).astype(object).to_numpy(),
            "state": weeks.isna().map({True: "not_recorded", False: "shown"}).to_numpy(),
        }
    )
