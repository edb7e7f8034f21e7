"""A simulated city written down as the files that a real one would hand over, and the truth beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from data.synthetic.city import SimulatedCity

MAPPING: Final = "demo"  # the mapping that reads events.parquet


def write_city(city: SimulatedCity, folder: str | Path) -> dict[str, Path]:
    """Write the city's files, overwriting older ones.

    Parameters
    ----------
    city : SimulatedCity
    folder : made if it is not there

    Returns ------- dict from `events` and `inspections` (Parquet), `areas`, `offices`, `categories` (JSON,
    a list of rows, UTF-8)
        and `truth` (JSON) to the paths written.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    paths = {name: place / f"{name}.parquet" for name in ("events", "inspections")}
    for name, path in paths.items():
        getattr(city, name).to_parquet(path, index=False, compression="zstd")
    for name in ("areas", "offices", "categories"):
        paths[name] = place / f"{name}.json"
        rows = getattr(city, name).to_json(orient="records", force_ascii=False, indent=1)
        paths[name].write_text(f"{rows}\n", encoding="utf-8")
    paths["truth"] = place / "truth.json"
    truth = json.dumps({"seed": city.seed, **city.truth.as_dict()}, indent=1)
    paths["truth"].write_text(f"{truth}\n", encoding="utf-8")
    return paths
