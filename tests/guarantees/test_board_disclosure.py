"""The echo board gives no small count away: not to linear programming, and not to somebody who tries every table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from service import board_counts
from service._board_proof import Known, disclosed
from service._board_table import RAISED, BoardTable, small, widen
from tests.support.board_attacker import MINIMUM, attack, random_city, released


def city(place: int, most: int):
    return random_city(np.random.default_rng([3, place]), most=most)


def audit(places: range, most: int) -> tuple[int, int]:
    n_small = shown = 0
    for place in places:
        one = city(place, most)
        board = released(one)
        here, found = attack(one, board)
        assert found == [], f"city {place}"
        n_small += here
        shown += int(board[["raised", "solved", "still_open"]].notna().sum().sum())
    return n_small, shown


def test_in_16_small_cities_no_small_count_is_known_more_closely_than_the_minimum_allows():
    """Raised, solved, still open and what is left of them, of villages, towns and the city, by type and together."""
    n_small, shown = audit(range(16), 2)
    assert n_small > 600
    assert shown > 40


@pytest.mark.slow
def test_in_600_cities_no_small_count_is_known_more_closely_than_the_minimum_allows():
    """The quick audit holds in other and larger cities."""
    n_small, shown = audit(range(100, 700), 5)
    assert n_small > 30_000
    assert shown > 3_000


def primary_only(table, minimum, known=()):
    return small(table, minimum)


def groups_only(table, minimum, known=()):
    return widen(table, small(table, minimum), minimum)


def with_nothing_from_elsewhere(table, minimum, known=()):
    return disclosed(table, minimum)


WEAKENED = {primary_only: 0, groups_only: 1, with_nothing_from_elsewhere: 13}


@pytest.mark.parametrize(("engine", "place"), WEAKENED.items())
def test_the_same_attack_catches_an_engine_with_one_part_left_out(engine, place, monkeypatch):
    """Each part is needed: without it some small count is known too closely, or shown."""
    one = city(place, 4)
    assert attack(one, released(one))[1] == []
    monkeypatch.setattr(board_counts, "disclosed", engine)
    assert attack(one, released(one))[1] != []


def test_whoever_tries_every_table_of_whole_numbers_finds_both_ends_of_each_small_count():
    """Two areas and two types, cases all still open or all neither: small enough to write every table down."""
    rng = np.random.default_rng(5)
    looked = 0
    for _ in range(12):
        raised = rng.poisson([[22, 6], [14, 9]])
        cells = np.zeros((2, 2, 3), dtype=np.int64)
        cells[..., 2] = raised
        members = np.array([[True, True], [True, False], [False, True]])
        table = BoardTable(cells, members, ((1, 2), (), ()))
        shown = ~disclosed(table, MINIMUM)[..., RAISED]
        ends = _every_table(table, shown)
        for (area, kind), value in np.ndenumerate(raised):
            if value < MINIMUM:
                looked += 1
                assert ends[area, kind][0] == 0
                assert ends[area, kind][1] >= MINIMUM - 1
    assert looked >= 8


def _every_table(table: BoardTable, shown: np.ndarray) -> dict[tuple[int, int], tuple[int, int]]:
    """The smallest and largest value of each cell, by trying all tables with cells up to 45."""
    limit = 45
    grid = np.array(list(itertools.product(range(limit + 1), repeat=2)))
    figures = table.values[..., RAISED]
    rows = {node: grid[_agrees(grid, figures[node], shown[node])] for node in (1, 2)}
    if shown[0].any():
        one, other = rows[1][:, None, :], rows[2][None, :, :]
        both = one + other
        good = np.ones(both.shape[:2], dtype=bool)
        for kind in range(2):
            if shown[0, kind]:
                good &= both[..., kind] == figures[0, kind]
        if shown[0, 2]:
            good &= both.sum(axis=2) == figures[0, 2]
        kept = {0: rows[1][good.any(axis=1)], 1: rows[2][good.any(axis=0)]}
    else:
        kept = {0: rows[1], 1: rows[2]}
    return {
        (area, kind): (int(found[:, kind].min()), int(found[:, kind].max()))
        for area, found in kept.items()
        for kind in range(2)
    }


def _agrees(grid: np.ndarray, figures: np.ndarray, shown: np.ndarray) -> np.ndarray:
    agrees = np.ones(len(grid), dtype=bool)
    for kind in range(2):
        if shown[kind]:
            agrees &= grid[:, kind] == figures[kind]
    if shown[2]:
        agrees &= grid.sum(axis=1) == figures[2]
    return agrees


def test_a_busy_city_shows_most_of_its_types_and_areas():
    """Safety by saying nothing would be no board."""
    rng = np.random.default_rng(1)
    counts = rng.poisson([3.0, 1.0, 1.0], (4, 4, 12, 3))
    one = random_city(rng)
    one.counts, one.parents, one.backlog = counts, {}, np.full(4, 500)
    board = released(one)
    assert board["raised"].notna().mean() > 0.6
    assert board["solved"].notna().sum() >= 5


def test_what_other_pages_tell_is_not_the_boards_to_hide():
    """What is left of a count beside a smaller one that is known cannot be nothing, whatever the board withholds."""
    cells = np.zeros((1, 1, 3), dtype=np.int64)
    cells[..., 2] = 40
    table = BoardTable(cells, np.array([[True]]), ((),))
    every = np.array([True])
    less_one = Known(every, every, RAISED, 1, 39)
    all_of_it = Known(every, every, RAISED, 1, 40, rest=False)
    assert disclosed(table, MINIMUM, [less_one])[..., RAISED].all()
    assert not disclosed(table, MINIMUM, [all_of_it])[..., RAISED].any()
    # The one that is left can still not be told from nine: that much is the board's to keep.
    assert disclosed(table, MINIMUM, [less_one, all_of_it])[..., RAISED].all()
