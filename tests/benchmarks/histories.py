"""The histories that benchmarks are made on: three public exports, and the simulated city."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from data.import_cases import import_file
from data.mapping import find_mapping
from data.store import Store
from data.synthetic import simulate_city, write_city

REAL_DATA: Final = Path(__file__).parents[2].parent / "shared" / "data"
SEED: Final = 1


@dataclass(frozen=True)
class Source:
    """A history to compare on.

    Attributes
    ----------
    title, mapping : what it is, and the shipped mapping that reads it
    share : of the promised cases that were opened before the cut
    file : its name; None for the simulated city
    state : whose public holidays the offices keep
    """

    title: str
    mapping: str
    share: float
    file: str | None = None
    state: str | None = None


SOURCES: Final[dict[str, Source]] = {
    "boston": Source("Boston, July to December 2011", "boston", 0.7, "boston_311_2011h2.parquet", "MA"),
    "stlouis": Source("St. Louis, January 2018", "stlouis", 0.5, "stlouis_csb_2018_01.parquet", "MO"),
    "animal_pest": Source(
        "Boston, animals and pests, 2013 to 2023", "boston", 0.7, "boston_311_animal_pest_2013_2023.parquet", "MA"
    ),
    "demo": Source("the simulated city, seed 1", "demo", 0.7),
}


@contextmanager
def opened(source: Source) -> Iterator[tuple[Store, int | None]]:
    """A store that holds the history, and the as-of that belongs to it (None: just after the last thing known)."""
    with TemporaryDirectory() as folder, Store.open(f"sqlite:///{folder}/store.db", create=True) as store:
        if source.file is not None:
            import_file(store, REAL_DATA / source.file, find_mapping(source.mapping))
            yield store, None
            return
        city = simulate_city(SEED)
        paths = write_city(city, Path(folder))
        import_file(store, paths["events"], find_mapping(source.mapping), extracted_at=city.end - 1)
        store.write_places(city.areas, city.offices, city.categories, city.inspections, city.capacities)
        yield store, city.end
