"""docs/scale.md says what the simulation gives on the costs that were recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import scale

NODES = 10


def _line(row):
    return f"| {' | '.join(row)} |"


def test_the_costs_and_what_they_add_up_to_stand_on_the_page():
    text, costs = scale.recorded()
    page = scale.PAGE.read_text()
    assert scale.costs_table(text) in page
    assert scale.shares_table(costs) in page


@pytest.mark.parametrize("design", [scale.NOW, scale.NEXT], ids=lambda design: design.called)
def test_the_rows_of_each_design_stand_on_the_page(design):
    _, costs = scale.recorded()
    page = scale.PAGE.read_text()
    _, _, rest = page.partition(f"<!-- directory {design.called} -->")
    assert _line(scale.directory_row(NODES, design, costs)) in rest.partition("<!-- end -->")[0]
    _, _, rest = page.partition(f"<!-- leases {design.called} -->")
    assert _line(scale.lease_row(NODES, design, costs)) in rest.partition("<!-- end -->")[0]


@pytest.mark.parametrize("design", [scale.NOW, scale.NEXT], ids=lambda design: design.called)
def test_the_picture_shows_the_same(design):
    _, costs = scale.recorded()
    drawn, workers = scale.PICTURE.read_text(), NODES * scale.PER_NODE
    busy = scale.in_virtual_time(scale.directory, NODES, design, costs).used
    assert scale.point(workers, busy) in drawn
    store = scale.stores(costs)[-1]
    busy = scale.in_virtual_time(scale.leases, NODES, design, costs, store).used
    assert scale.point(workers, busy) in drawn
    assert "(pictures/scale.svg)" in scale.PAGE.read_text()


def test_a_directory_that_has_more_to_do_than_there_is_time_falls_behind():
    _, costs = scale.recorded()
    slow = {name: 1000 * seconds for name, seconds in costs.items()}
    load = scale.in_virtual_time(scale.directory, 100, scale.NOW, slow)
    assert load.used > 1
    assert load.worst > scale.SECONDS / 2
    split = replace(scale.NOW, directories=lambda nodes: nodes)
    assert scale.in_virtual_time(scale.directory, 100, split, slow).used < 0.5
