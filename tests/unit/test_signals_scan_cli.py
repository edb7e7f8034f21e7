"""`heed signals scan` over files, as a user meets it, and the reading of its tables."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from data.errors import FileFormatError, HeedError, InputError, NotEnoughDataError, UsageError
from models.signals.scan.table import read_cases, read_neighbours, read_places, read_populations
from service.cli.signals_scan import scan_table

RUNNER = CliRunner()
PLACES = ["a", "b", "c", "d", "e", "f"]


@pytest.fixture
def heed():
    app = typer.Typer()
    app.command()(scan_table)

    def run(*arguments: object) -> str:
        result = RUNNER.invoke(app, [str(one) for one in arguments])
        if isinstance(result.exception, HeedError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


@pytest.fixture
def city(tmp_path):
    """Six places in a row, ten weeks with 2 cases each, and 8 more in b and c in the last two."""
    rows = [("2024-01-01", week, place, 2) for week in range(10) for place in PLACES]
    rows += [("2024-01-01", week, place, 8) for week in (8, 9) for place in ("b", "c")]
    cases = pd.DataFrame(rows, columns=["date", "week", "place", "n"])
    cases["date"] = (pd.to_datetime(cases["date"]) + pd.to_timedelta(7 * cases.pop("week"), unit="D")).dt.strftime("%F")
    cases.sample(frac=1, random_state=1).to_csv(tmp_path / "cases.csv", index=False)
    places = pd.DataFrame({"place": PLACES, "x": [0.0, 2.0, 3.0, 5.5, 8.0, 12.0], "y": 0, "population": 100})
    places.to_csv(tmp_path / "places.csv", index=False)
    beside = pd.DataFrame({"place": PLACES[:-1], "neighbour": PLACES[1:]})
    beside.to_csv(tmp_path / "beside.csv", index=False)
    return tmp_path


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "options",
    [
        ("--model", "poisson"),
        ("--model", "permutation"),
        ("--model", "poisson", "--nearest", 3),
        ("--model", "poisson", "--neighbours", "beside.csv"),
        ("--model", "permutation", "--neighbours", "beside.csv", "--restricted", 0.2),
        ("--model", "poisson", "--time", "retrospective"),
        ("--model", "poisson", "--rates", "both", "--stop-after", 20),
    ],
)
def test_the_planted_cluster_is_told(heed, city, options):
    """Whatever the zones: b and c, since the ninth week, twenty cases."""
    options = [city / one if str(one).endswith(".csv") else one for one in options]
    found = json.loads(
        heed(city / "cases.csv", "--places", city / "places.csv", *options, "--replications", 199, "--json")
    )
    first = found["clusters"][0]
    assert set(first["places"]) == {"b", "c"}
    assert (first["first"], first["last"], first["observed"]) == ("2024-02-26", "2024-03-04", 40)
    assert first["p_value"] == 1 / 200
    assert (found["unit"], found["cases"], found["places"]) == ("week", 152, 6)


def test_the_table_for_people(heed, city):
    """Places, weeks, observed, expected and p, and what a p-value is; a file where one is asked for."""
    told = heed(
        city / "cases.csv", "--places", city / "places.csv", "--replications", 99, "-o", city / "found.csv", "--seed", 7
    )
    assert "152 cases in 6 places, 2024-01-01 to 2024-03-04 by week; " in told
    assert "1. more than expected in the weeks of 2024-02-26 to 2024-03-04: 40 cases where 10.1 were expected" in told
    assert "3.95 times as many; p = 0.01" in told
    assert "2 places: " in told
    assert "99 times counts without any cluster were drawn (seed 7)" in told
    assert "see the cases before you act" in told
    assert set(pd.read_csv(city / "found.csv").loc[0, "places"].split()) == {"b", "c"}


def test_places_that_look_like_markup_are_told_as_they_are(heed, city):
    """Brackets in the name of a place neither end the command nor get lost."""
    for file in ("cases.csv", "places.csv"):
        frame = pd.read_csv(city / file)
        frame["place"] = frame["place"].replace({"b": "[/b]", "c": "[bold]c"})
        frame.to_csv(city / file, index=False)
    text = heed(city / "cases.csv", "--places", city / "places.csv", "--replications", 19)
    assert "2 places: [/b], [bold]c" in text


def test_where_no_file_can_be_is_said_before_any_work(heed, city):
    """A folder that is not there, before even the tables are read."""
    with pytest.raises(
        UsageError, match=r"--output: /no/such/x\.csv cannot be written: there is no such folder"
    ) as told:
        heed(city / "nothing.csv", "--places", city / "nothing.csv", "-o", "/no/such/x.csv")
    assert told.value.exit_code == 2


def test_without_replications_no_p_value_is_told(heed, city):
    """A number that would be 1 for lack of draws is left out, and how to get one is said."""
    told = heed(city / "cases.csv", "--places", city / "places.csv", "--replications", 0)
    assert "p =" not in told
    assert "No p-values: give --replications 999" in told


def test_until_hides_what_came_later(heed, city):
    """As of the eighth week there is nothing to see yet, and the later cases are counted as outside."""
    asked = ("--places", city / "places.csv", "--until", "2024-02-25", "--replications", 19, "--json")
    found = json.loads(heed(city / "cases.csv", *asked))
    assert found["last"] == "2024-02-19"
    assert found["cases_outside"] == 56
    assert found["clusters"] == []


def test_expectations_and_controls(heed, city):
    """The models that compare with a column of the cases."""
    rows = pd.read_csv(city / "cases.csv")
    rows = rows.groupby(["date", "place"], as_index=False)["n"].sum()
    rows.assign(expected=2.0, controls=5).to_csv(city / "more.csv", index=False)
    for options in (("expectation",), ("negative-binomial", "--size", 3), ("bernoulli",)):
        asked = ("--places", city / "places.csv", "--model", *options, "--replications", 99, "--json")
        found = json.loads(heed(city / "more.csv", *asked))
        assert set(found["clusters"][0]["places"]) == {"b", "c"}


def test_what_is_missing_is_said(heed, city):
    """Each model says what it needs."""
    bare = write(city / "bare.csv", "place\n" + "\n".join(PLACES) + "\n")
    cases, full = city / "cases.csv", city / "places.csv"
    for arguments, message in (
        ((cases, "--places", bare, "--model", "permutation"), "without them give --neighbours"),
        ((cases, "--places", bare, "--neighbours", city / "beside.csv"), "--model permutation does without"),
        ((cases, "--places", full, "--model", "bernoulli"), "needs a column controls"),
        ((cases, "--places", full, "--model", "expectation"), "needs a column expected"),
        ((cases, "--places", full, "--model", "negative-binomial"), "that model needs it"),
        ((cases, "--places", full, "--longest", 99), "got 1 to 99"),
    ):
        with pytest.raises(UsageError, match=message):
            heed(*arguments)


def test_steps_of_dates(tmp_path):
    """Years, months, weeks from the day they begin on, and days; slashes are understood."""
    for dates, unit, times in (
        (("2020", "2022"), "year", ["2020", "2021", "2022"]),
        (("2020-01", "2020-03"), "month", ["2020-01", "2020-02", "2020-03"]),
        (("2024-01-03", "2024-01-17"), "week", ["2024-01-03", "2024-01-10", "2024-01-17"]),
        (("2001/11/1", "2001/11/3"), "day", ["2001-11-01", "2001-11-02", "2001-11-03"]),
    ):
        path = write(tmp_path / "c.csv", "place,date,n\n" + "".join(f"a,{date},1\n" for date in dates))
        found = read_cases(path, ["a"])
        assert (found.unit, found.times) == (unit, times)
        assert found.counts.tolist() == [[[1, 0, 1]]]


def test_populations_lie_on_lines_between_their_dates(tmp_path):
    """Known for two years, by stratum: halfway between their middles it is halfway between; a year has its days."""
    cases = write(tmp_path / "c.csv", "place,date,n,stratum\na,2001,1,x\nb,2003,2,y\n")
    table = read_cases(cases, ["a", "b"])
    text = "place,date,stratum,population\n"
    text += "".join(f"{p},{y},{s},{100 if y == 2001 else 300}\n" for p in "ab" for s in "xy" for y in (2001, 2003))
    found = read_populations(write(tmp_path / "p.csv", text), ["a", "b"], table)
    assert found.shape == (2, 2, 3)
    np.testing.assert_allclose(found[0, 0, 1] / 365, 200.0, rtol=1e-2)
    assert found[0, 0, 0] / 365 < found[0, 0, 1] / 365 < found[0, 0, 2] / 365


def test_neighbours_in_either_form(tmp_path):
    """One a row, or several divided by spaces."""
    assert read_neighbours(write(tmp_path / "n.csv", "place,neighbours\na,b c\nb,\n")) == {"a": ["b", "c"], "b": []}
    assert read_neighbours(write(tmp_path / "m.csv", "place,neighbour\na,b\na,c\n")) == {"a": ["b", "c"]}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("place,k\na,1\n", InputError, "expected a column n or cases or count"),
        ("k,n\n1,1\n", InputError, "expected a column place or area"),
        ("place,k,n\nz,1,1\n", InputError, "column 'place', row 1: expected one of the places"),
        ("place,k,n\na,1,x\na,2,-1\n", InputError, "2 rows: 1, 2: expected a whole number from 0 on"),
        ("place,k,n\na,1.5,1\n", InputError, "column 'k', row 1: expected a whole number"),
        ("place,date,n\na,yesterday,1\n", InputError, "expected a date as YYYY"),
        ("place,k,n\na,1,0\n", NotEnoughDataError, "at least one case"),
        ("place,k,n,trials\na,1,3,2\n", InputError, "as many trials as cases"),
        ("place,k,n\n", InputError, "expected rows"),
        ("", FileFormatError, "the file is empty"),
    ],
)
def test_bad_cases_are_refused_by_row(tmp_path, text, error, message):
    """Rows are named, their content is not."""
    with pytest.raises(error, match=message):
        read_cases(write(tmp_path / "c.csv", text), ["a"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("place,x,y\na,1,2\na,2,2\n", "the place has a row already"),
        ("place,x,y\na,1,\n", "column 'y', row 1: expected a number for every place"),
        ("place,population\n,1\n", "expected the name of a place"),
        ("place,population\na,-1\n", "column 'population', row 1"),
    ],
)
def test_bad_places_are_refused_by_row(tmp_path, text, message):
    """Rows are named, their content is not."""
    with pytest.raises(InputError, match=message):
        read_places(write(tmp_path / "p.csv", text))
