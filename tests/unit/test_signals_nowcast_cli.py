"""`heed signals nowcast` and the tables it reads, as a user meets them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from data.errors import FileFormatError, InputError, NotEnoughDataError, UsageError
from models.signals.nowcast import chain_ladder, lawless, read_reports
from service.cli.signals_nowcast import nowcast as command

# A command of its own, so that these tests do not depend on what else is registered.
alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
alone.command()(command)


def run(*arguments: str):
    """The command with these arguments; errors come out as they are."""
    return CliRunner().invoke(alone, [str(one) for one in arguments], catch_exceptions=False)


def rows(seed: int = 1) -> pd.DataFrame:
    """Sixty days with about five reports each, up to four days late, one row per day and delay."""
    rng = np.random.default_rng(seed)
    day, delay = np.divmod(np.arange(300), 5)
    start = np.datetime64("2024-03-01")
    return pd.DataFrame({"event_date": start + day, "report_date": start + day + delay, "n": rng.poisson(1.0, 300)})


@pytest.fixture
def reports(tmp_path):
    """The rows as a file."""
    path = tmp_path / "reports.csv"
    rows().to_csv(path, index=False)
    return path


def write(tmp_path, text: str):
    """A file of this text."""
    path = tmp_path / "given.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_list_and_its_triangle_say_the_same(reports, tmp_path):
    """The same reports as rows or as a triangle give the same nowcasts, in the library and from the command."""
    wide = rows().assign(delay=lambda f: (f["report_date"] - f["event_date"]).dt.days)
    wide = wide.pivot(index="event_date", columns="delay", values="n").add_prefix("X")
    wide.index.name = "reference_date"
    path = tmp_path / "triangle.csv"
    wide.to_csv(path)
    one, other = (read_reports(name, now="2024-04-20", longest=4)["all"] for name in (reports, path))
    assert np.array_equal(one.counts, other.counts)
    expected = chain_ladder(one)
    for name in (reports, path):
        told = json.loads(run(name, "--now", "2024-04-20", "--max-delay", "4", "--json").output)
        (series,) = told["series"]
        assert [row["nowcast"] for row in series["nowcasts"]] == expected["nowcast"].tolist()
        assert [row["date"] for row in series["nowcasts"]] == expected["date"].dt.strftime("%Y-%m-%d").tolist()
        assert sum(series["delay_pmf"]) == pytest.approx(1.0)


def test_methods_and_options_reach_the_method(reports):
    """Lawless in both forms, fewer periods to learn from, another alpha."""
    one = read_reports(reports, now="2024-04-20", longest=4)["all"].newest(20)
    common = [reports, "--now", "2024-04-20", "--max-delay", "4", "--learn", "20", "--alpha", "0.2", "--json"]
    for extra, compatible in (([], False), (["--compatible"], True)):
        told = json.loads(run(*common, "--method", "lawless", *extra).output)
        expected = lawless(one, alpha=0.2, compatible=compatible)
        found = told["series"][0]
        assert found["periods_learnt_from"] == 20
        for name in ("reported", "nowcast", "lower", "upper"):
            assert [row[name] for row in found["nowcasts"]] == expected[name].tolist()


def test_people_get_a_table(reports):
    """Without --json: a sentence and a row per period."""
    told = run(reports, "--now", "2024-04-20", "--max-delay", "4").output
    assert "become known in their own period" in told
    assert "2024-04-20" in told
    assert "expected in the end" in told


def test_series_and_weeks(tmp_path):
    """Several series in one file; days gathered into weeks from the first event on."""
    both = pd.concat([rows(1).assign(series="a"), rows(2).assign(series="b")])
    path = tmp_path / "both.csv"
    both.to_csv(path, index=False)
    found = read_reports(path, period=7, longest=1)
    assert list(found) == ["a", "b"]
    for name, triangle in found.items():
        assert len(triangle.dates) == 10
        assert triangle.reported.sum() == both.loc[both["series"] == name, "n"].sum()


def test_the_newest_week_is_as_long_as_every_other(tmp_path):
    """Asked on any weekday, weeks end there: each is seven days, and its delays are those seen over whole weeks."""
    path = tmp_path / "reports.csv"
    days = np.repeat(np.arange("2024-03-04", "2024-05-13", dtype="datetime64[D]"), 10)
    late = np.tile(np.arange(10) % 2 * 7, len(days) // 10)  # of ten reports a day, half come in a week later
    pd.DataFrame({"event_date": days, "report_date": days + late}).to_csv(path, index=False)
    for now in pd.date_range("2024-04-22", "2024-04-28"):
        triangle = read_reports(path, now=f"{now:%Y-%m-%d}", longest=1, period=7)["all"]
        assert triangle.dates[-1] == (now - pd.Timedelta(days=6)).to_datetime64()
        assert triangle.counts[1:-1].tolist() == [[35.0, 35.0]] * (len(triangle.dates) - 2)
        assert triangle.counts[-1].tolist() == [35.0, 0.0]


def test_a_name_with_brackets_is_told_as_it_is(tmp_path):
    """Brackets in the name of a series are no commands to the terminal."""
    path = tmp_path / "reports.csv"
    rows().assign(series="[/drains]").to_csv(path, index=False)
    assert run(path).output.startswith("[/drains]: ")


def test_one_report_a_row_where_n_is_missing(tmp_path):
    """A list of single reports is counted; what was taken back is taken off."""
    single = write(tmp_path, "event_date,report_date\n2024-03-01,2024-03-01\n2024-03-01,2024-03-02\n")
    assert read_reports(single, longest=1)["all"].counts.tolist() == [[1.0, 1.0], [0.0, 0.0]]
    taken = write(tmp_path, "event_date,report_date,n\n2024-03-01,2024-03-01,5\n2024-03-01,2024-03-02,-2\n")
    assert read_reports(taken, longest=1)["all"].reported.tolist() == [3.0, 0.0]


def test_rows_of_a_triangle_that_were_not_recorded_are_left_out(tmp_path):
    """An empty entry that should be known is not zero; one that cannot be known yet does not matter."""
    text = "reference_date,0,1\n2024-01-01,5,1\n2024-01-08,,2\n2024-01-15,4,\n"
    found = read_reports(write(tmp_path, text))["all"]
    assert found.dates.astype(str).tolist() == ["2024-01-01", "2024-01-15"]
    assert found.age.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("a,b\n1,2\n", InputError, "event_date, report_date and n, or a triangle"),
        ("event_date,report_date,n\n", InputError, "there are none"),
        ("event_date,report_date\n2024-01-02,2024-01-03,2024-01-09\n", FileFormatError, "as many fields in every row"),
        ("event_date,report_date,n\nx,2024-01-01,1\n", InputError, "'event_date', row 1: expected a date"),
        ("event_date,report_date,n\n2024-01-02,2024-01-01,1\n", InputError, "row 1: expected a date not before"),
        ("event_date,report_date,n\n2024-01-02,2024-01-03,1.5\n", InputError, "'n', row 1: expected a whole number"),
        ("event_date,report_date,n\n2024-01-02,2024-01-03,\n", InputError, "'n', row 1: expected a whole number"),
        ("event_date,report_date,n\n1024-01-02,2024-01-03,1\n", InputError, "mistyped dates"),
        ("reference_date,X0,X2\n2024-01-01,1,2\n", InputError, "every delay from X0 on"),
        ("reference_date,X0,X1\n2024-01-01,1,2\n2024-01-01,1,2\n", InputError, "row 2: the same series has a row"),
        (
            "reference_date,X0,X1\n2024-01-01,1,2\n2024-01-08,1,2\n2024-01-15,1,2\n2024-01-18,1,2\n",
            InputError,
            "a regular step apart",
        ),
    ],
)
def test_bad_tables_are_refused_with_the_row(tmp_path, text, error, message):
    """What was expected, in which column and row, and no content."""
    with pytest.raises(error, match=message):
        read_reports(write(tmp_path, text))


def test_wrong_options_are_refused(reports, tmp_path):
    """A date that is none, a method unknown, nothing known by then, no such file."""
    with pytest.raises(UsageError, match="--now: expected a date"):
        run(reports, "--now", "yesterday")
    with pytest.raises(UsageError, match="--method is one of chain-ladder, lawless"):
        run(reports, "--method", "magic")
    with pytest.raises(UsageError, match="--compatible goes with --method lawless"):
        run(reports, "--compatible")
    with pytest.raises(NotEnoughDataError, match="all rows are later"):
        run(reports, "--now", "2020-01-01")
    with pytest.raises(FileFormatError, match="there is no such file"):
        run(tmp_path / "none.csv")


def test_the_help_has_an_example():
    """Like every command."""
    assert "heed signals nowcast reports.csv" in run("--help").output
