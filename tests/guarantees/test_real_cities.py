"""What was promised on real exports: better than the two honest baselines published with the data, and no leak."""

from __future__ import annotations

import re

import pytest

from data.errors import LeakError
from data.import_cases import import_file
from data.mapping import SHIPPED, find_mapping
from data.store import Store
from models.training import Backtest, backtest
from service.pipeline import history_of

# The better of "past overdue rate of the category" and "LightGBM, intake" in the table that comes with the exports,
# for AUC, average precision and Brier.
CITIES = {
    "boston": ("boston_311_2011h2.parquet", 0.7, (0.802, 0.634, 0.146)),
    "stlouis": ("stlouis_csb_2018_01.parquet", 0.5, (0.685, 0.629, 0.222)),
}
PEST = "boston_311_animal_pest_2013_2023.parquet"


def _tested(url: str, file, mapping: str, share: float) -> Backtest:
    with Store.open(url, create=True) as store:
        import_file(store, file, find_mapping(mapping))
        return backtest(history_of(store), share=share)


@pytest.mark.parametrize("city", CITIES)
def test_risks_at_intake_beat_the_published_baselines(city, real_file, tmp_path):
    """No figure is worse than the better honest baseline; near-instant closings are left out and counted."""
    file, share, (auc, average_precision, brier) = CITIES[city]
    found = _tested(f"sqlite:///{tmp_path / 'x.db'}", real_file(file), city, share)
    assert found.model.auc >= auc
    assert found.model.average_precision >= average_precision
    assert found.model.brier <= brier
    assert found.near_instant > 0
    assert found.model.auc > found.baselines["category_rate"].auc
    assert found.model.brier < found.baselines["category_rate"].brier
    assert not any("office" in name for name in found.features)


def _department_at_opening(forced: str) -> str:
    """The Boston mapping with the last owner called known at opening."""
    text = (SHIPPED / "boston.toml").read_text(encoding="utf-8")
    column = f'[columns.department]\nfield = "office"\nat = "opened"\n{forced}\n'
    changed = re.sub(r"\[columns\.department\].*?(?=\n\[)", column, text, flags=re.DOTALL)
    assert changed != text
    return changed


def test_the_last_owner_is_refused_as_known_at_opening(tmp_path):
    """The message says what an export of last states holds and why a model would look too good."""
    path = tmp_path / "leaky.toml"
    path.write_text(_department_at_opening(""), encoding="utf-8")
    with pytest.raises(LeakError, match="department") as caught:
        find_mapping(str(path))
    assert caught.value.exit_code == 3
    assert "last" in str(caught.value)


def test_forcing_the_last_owner_reproduces_the_leak(real_file, tmp_path):
    """With the last owner as if known at intake, AUC leaps by more than a tenth: too good to be true, and it is not."""
    file = real_file(PEST)
    honest = _tested(f"sqlite:///{tmp_path / 'honest.db'}", file, "boston", 0.7)
    path = tmp_path / "leaky.toml"
    path.write_text(_department_at_opening('forced = "to show the leak"'), encoding="utf-8")
    leaky = _tested(f"sqlite:///{tmp_path / 'leaky.db'}", file, str(path), 0.7)
    assert honest.model.auc < 0.87
    assert leaky.model.auc > 0.93
    assert leaky.model.auc - honest.model.auc > 0.08


@pytest.mark.parametrize("seed", [1, 2])
def test_the_demo_finds_what_was_planted(seed, tmp_path):
    """The failing office and the rising problem of two different cities, and hardly anything else."""
    from data.synthetic import simulate_city, write_city
    from service.pipeline import detect

    city = simulate_city(seed)
    paths = write_city(city, tmp_path)
    with Store.open(f"sqlite:///{tmp_path / 'city.db'}", create=True) as store:
        import_file(store, paths["events"], find_mapping("demo"), extracted_at=city.end - 1)
        store.write_places(city.areas, city.offices, city.categories, city.inspections)
        found = detect(store, as_of=city.end)
    behind = found.offices.loc[found.offices["fell_behind"], "office"].tolist()
    assert city.truth.failing_office in behind
    assert len(behind) <= 2
    rises = found.signals[found.signals["direction"] == "rise"]
    cells = set(zip(rises["area"], rises["category"], strict=True))
    assert (city.truth.rising_area, city.truth.rising_category) in cells
    assert len(found.signals) <= 5
