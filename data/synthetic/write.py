"""A simulated city written down as the files that a real one would hand over, and the truth beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pandas as pd

from data.synthetic.city import SimulatedCity

MAPPING: Final = "demo"  # the mapping that reads events.parquet


def write_city(city: SimulatedCity, folder: str | Path) -> dict[str, Path]:
    """Write the city's files, overwriting older ones.

    Parameters
    ----------
    city : SimulatedCity
    folder : made if it is not there

    Returns
    -------
    dict from `events` and `inspections` (Parquet), `areas`, `offices`, `categories`, `capacity` (JSON, a list of rows,
    UTF-8), `outlines` (GeoJSON, the areas once more with their boundaries) and `truth` (JSON) to the paths written.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    paths = {name: place / f"{name}.parquet" for name in ("events", "inspections")}
    for name, path in paths.items():
        getattr(city, name).to_parquet(path, index=False, compression="zstd")
    tables = {"areas": city.areas.drop(columns="boundary"), "offices": city.offices, "categories": city.categories}
    for name, frame in {**tables, "capacity": _capacity(city)}.items():
        paths[name] = place / f"{name}.json"
        rows = frame.to_json(orient="records", force_ascii=False, indent=1)
        paths[name].write_text(f"{rows}\n", encoding="utf-8")
    paths["outlines"] = place / "areas.geojson"
    paths["outlines"].write_text(f"{json.dumps(_outlines(city.areas), ensure_ascii=False)}\n", encoding="utf-8")
    paths["truth"] = place / "truth.json"
    truth = json.dumps({"seed": city.seed, **city.truth.as_dict()}, indent=1)
    paths["truth"].write_text(f"{truth}\n", encoding="utf-8")
    return paths


def _outlines(areas: pd.DataFrame) -> dict[str, object]:
    """The areas as `heed places import --areas` reads them with their boundaries."""
    rows = json.loads(areas.to_json(orient="records", force_ascii=False))
    features = [{"type": "Feature", "geometry": json.loads(row.pop("boundary")), "properties": row} for row in rows]
    return {"type": "FeatureCollection", "features": features}


def _capacity(city: SimulatedCity) -> pd.DataFrame:
    """The capacities as `heed places import --capacity` reads them."""
    times = {name: _local_text(city.capacities[f"{name}_at"], city.time_zone) for name in ("from", "known")}
    return city.capacities[["office"]].assign(**times, capacity_per_day=city.capacities["capacity_per_day"])


def _local_text(seconds: pd.Series, time_zone: str) -> pd.Series:
    local = pd.to_datetime(seconds, unit="s", utc=True).dt.tz_convert(time_zone)
    return pd.Series([at.isoformat() for at in local], index=seconds.index, dtype="str")
