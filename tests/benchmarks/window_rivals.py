"""The 65 plain window features as one would write them with pandas and with Polars, to be timed beside the event index.

Both are written as their handbooks advise: the rows that are asked about are put among the facts of a table, all are
sorted by time once, and windows roll over them within each key. Neither knows anything of `features`; what the
features mean is said here once more. An asked row counts nothing and stands before the facts of the same second, so a
window that ends with it, itself excluded, holds what is strictly before: `[t - w, t)`.

Each reads the files of `tests.support.window_city` and writes Parquet files of feature columns, one row per landmark,
in their order. What differs between the engines is only the way from one to the other: all files are written by
`write_features`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    from pandas.api.typing import DataFrameGroupBy

    Groups = DataFrameGroupBy[Any, Any]

Column = NDArray[Any]

# The key sets, by the word that ends the names of their features.
KEY_SETS: Final[dict[str, list[str]]] = {
    "office": ["office"],
    "category": ["category"],
    "area": ["area"],
    "category_office": ["category", "office"],
    "category_area": ["category", "area"],
}
_KEYS: Final = ["category", "area", "office"]
_MEASURES: Final[dict[str, list[str]]] = {
    "arrivals": ["n"],
    "balance": ["open"],
    "closures": ["n", "log_hours"],
    "matured": ["n", "late"],
    "moves": ["n"],
}
_DAY: Final = 86_400
_SCALES: Final = {"log_time_to_close": 1000, "hours_since_arrival": 3600}
# Not what makes the smallest files but what takes the least time to write, so that the engines make the difference.
WRITING: Final[dict[str, Any]] = {"use_dictionary": False, "use_byte_stream_split": True, "compression": "lz4"}


def write_features(path: Path, columns: Mapping[str, Column]) -> None:
    """Write feature columns, as every engine of the comparison does."""
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path, **WRITING)


def read_feature(folder: Path, name: str) -> NDArray[np.float64]:
    """A feature that an engine wrote, from whichever file of its folder has it; shape (landmarks,), float64.

    Raises
    ------
    KeyError
        If no file has it.
    """
    for path in sorted(folder.glob("*.parquet")):
        if name in pq.read_schema(path).names:
            return np.asarray(pq.read_table(path, columns=[name]).column(name).to_numpy(), dtype=np.float64)
    raise KeyError(name)


def pandas_features(folder: Path, out: Path, key_sets: Sequence[str]) -> None:
    """`groupby.rolling` over time with `closed="left"`, a file for each fact table."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    queries = pd.read_parquet(folder / "queries.parquet", columns=["landmark", "at", *_KEYS])
    for table, measures in _MEASURES.items():
        facts = pd.read_parquet(folder / f"{table}.parquet", columns=["at", *_KEYS, *measures])
        rows = pd.concat([queries.assign(**dict.fromkeys(measures, 0)).drop(columns=_KEYS), facts.drop(columns=_KEYS)])
        for key in _KEYS:
            rows[key] = union_categoricals([queries[key], facts[key]])
        del facts
        rows = rows.sort_values(["at", "landmark"], ignore_index=True)  # nulls last: facts after what is asked then
        rows["time"] = pd.to_datetime(rows["at"], unit="s")
        asked = rows["landmark"].notna().to_numpy()
        columns = {}
        for word in key_sets:
            groups = rows.groupby(KEY_SETS[word], observed=True, sort=False)
            for name, values in _PANDAS[table](rows, groups).items():
                columns[f"{name}_{word}"] = np.asarray(values)[asked]
        write_features(out / f"{table}.parquet", columns)


def _rolled(groups: Groups, measures: list[str], days: int) -> dict[str, Column]:
    found = groups.rolling(f"{days}D", on="time", closed="left", min_periods=0)[measures].sum()
    # They come group by group; put them back where the rows are.
    order = np.concatenate(list(groups.indices.values()))
    placed = {name: np.empty(len(order)) for name in measures}
    for name in measures:
        placed[name][order] = found[name].to_numpy()
    return placed


def _pandas_arrivals(rows: pd.DataFrame, groups: Groups) -> dict[str, Column]:
    found = {f"arrivals_{days}d": _rolled(groups, ["n"], days)["n"] for days in (1, 7, 28, 91)}
    newest = rows["at"].where(rows["landmark"].isna()).groupby(groups.ngroup(), sort=False).ffill()
    return {**found, "hours_since_arrival": ((rows["at"] - newest) / 3600).to_numpy()}


def _pandas_balance(_rows: pd.DataFrame, groups: Groups) -> dict[str, Column]:
    return {"open": groups["open"].cumsum().to_numpy()}


def _pandas_closures(_rows: pd.DataFrame, groups: Groups) -> dict[str, Column]:
    found = {f"closures_{days}d": _rolled(groups, ["n"], days)["n"] for days in (7, 28)}
    for days in (91, 365):
        closed = _rolled(groups, ["n", "log_hours"], days)
        found[f"log_time_to_close_{days}d"] = _share(closed["log_hours"], closed["n"]) / 1000
    return found


def _pandas_matured(_rows: pd.DataFrame, groups: Groups) -> dict[str, Column]:
    due = {days: _rolled(groups, ["n", "late"], days) for days in (91, 365)}
    return {f"late_share_{days}d": _share(found["late"], found["n"]) for days, found in due.items()}


def _pandas_moves(_rows: pd.DataFrame, groups: Groups) -> dict[str, Column]:
    return {"moves_28d": _rolled(groups, ["n"], 28)["n"]}


def _share(part: Column, whole: Column) -> Column:
    with np.errstate(invalid="ignore"):
        return part / whole


_PANDAS: Final[dict[str, Callable[[pd.DataFrame, Groups], dict[str, Column]]]] = {
    "arrivals": _pandas_arrivals,
    "balance": _pandas_balance,
    "closures": _pandas_closures,
    "matured": _pandas_matured,
    "moves": _pandas_moves,
}


def polars_features(folder: Path, out: Path, key_sets: Sequence[str]) -> None:
    """`rolling_sum_by(…, closed="left").over(keys)` on integer seconds, a file for each fact table."""
    import polars as pl

    queries = pl.read_parquet(folder / "queries.parquet", columns=["landmark", "at", *_KEYS])
    for table, measures in _MEASURES.items():
        facts = pl.read_parquet(folder / f"{table}.parquet", columns=["at", *_KEYS, *measures])
        asked = queries.with_columns(pl.lit(0, pl.Int64).alias(name) for name in measures)
        # Sorted by time alone: windows over a key need no more, and sorting by keys as well takes three times as long.
        # The numbers behind the names are quicker to group by than the names.
        numbers = [pl.col(key).to_physical() for key in _KEYS]
        rows = pl.concat([asked, facts], how="diagonal").with_columns(numbers).sort("at", "landmark", nulls_last=True)
        del facts, asked
        found = rows.select(
            "landmark",
            *(
                expression.over(KEY_SETS[word]).alias(f"{name}_{word}")
                for word in key_sets
                for name, expression in _polars_expressions(table).items()
            ),
        )
        found = found.filter(pl.col("landmark").is_not_null()).drop("landmark")
        write_features(
            out / f"{table}.parquet", {name: _scaled(name, found[name].to_numpy()) for name in found.columns}
        )


def _scaled(name: str, values: Column) -> Column:
    # Polars divides by a constant by multiplying with its reciprocal, which is the last bit off for one value in ten.
    scale = next((scale for prefix, scale in _SCALES.items() if name.startswith(prefix)), None)
    return values if scale is None else values / scale


def _polars_expressions(table: str) -> dict[str, Any]:
    import polars as pl

    def over(measure: str, days: int) -> pl.Expr:
        return pl.col(measure).rolling_sum_by("at", f"{days * _DAY}i", closed="left")

    if table == "balance":
        return {"open": pl.col("open").cum_sum()}
    if table == "moves":
        return {"moves_28d": over("n", 28)}
    if table == "matured":
        return {f"late_share_{days}d": over("late", days) / over("n", days) for days in (91, 365)}
    if table == "closures":
        means = {f"log_time_to_close_{days}d": over("log_hours", days) / over("n", days) for days in (91, 365)}
        return {**{f"closures_{days}d": over("n", days) for days in (7, 28)}, **means}
    newest = pl.when(pl.col("landmark").is_null()).then("at").forward_fill()
    since = {"hours_since_arrival": (pl.col("at") - newest).cast(pl.Float64).fill_null(float("nan"))}
    return {**{f"arrivals_{days}d": over("n", days) for days in (1, 7, 28, 91)}, **since}
