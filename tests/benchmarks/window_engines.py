"""One engine of the comparison, in a process of its own.

    python -m tests.benchmarks.window_engines ENGINE FOLDER OUT KEY_SET …

Each loads only what it needs itself, since start-up counts.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

# So many landmarks are answered and written at a time: what bounds the memory that the result takes.
LANDMARKS_AT_ONCE: Final = 250_000


def heed_features(folder: Path, out: Path, key_sets: Sequence[str]) -> None:
    """The features by the event index: built once, then answered part by part, a row group for each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from features.event_index import EventIndex, IndexTerms
    from features.windows import WINDOW_FEATURES, WINDOW_KEYS
    from tests.benchmarks.window_rivals import WRITING
    from tests.support.window_city import CityFacts, queries_in_parts

    chosen = {WINDOW_KEYS[word] for word in key_sets}
    quantities = {name: each for name, each in WINDOW_FEATURES.items() if each.numerator.keys in chosen}
    index = EventIndex.build(CityFacts(folder), [term for each in quantities.values() for term in each.terms()])
    schema = pa.schema([pa.field(name, pa.float64()) for name in quantities])
    with pq.ParquetWriter(out / "features.parquet", schema, **WRITING) as writer:
        for queries in queries_in_parts(folder, LANDMARKS_AT_ONCE):
            source = IndexTerms(index, queries)
            columns = [pa.array(each.value(source, queries.at)) for each in quantities.values()]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def pandas_features(folder: Path, out: Path, key_sets: Sequence[str]) -> None:
    """See `window_rivals`."""
    from tests.benchmarks import window_rivals

    window_rivals.pandas_features(folder, out, key_sets)


def polars_features(folder: Path, out: Path, key_sets: Sequence[str]) -> None:
    """See `window_rivals`."""
    from tests.benchmarks import window_rivals

    window_rivals.polars_features(folder, out, key_sets)


ENGINES: Final[dict[str, Callable[[Path, Path, Sequence[str]], None]]] = {
    "heed": heed_features,
    "pandas": pandas_features,
    "polars": polars_features,
}


def peak_mb() -> float:
    """The most memory that this process has held, mapped files included, in MB."""
    # Not getrusage: it counts what the process was before it became this program.
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


def main() -> None:
    """Run an engine; tell the most memory it held."""
    engine, folder, out, *key_sets = sys.argv[1:]
    ENGINES[engine](Path(folder), Path(out), key_sets)
    sys.stdout.write(f"{peak_mb()}\n")


if __name__ == "__main__":
    main()
