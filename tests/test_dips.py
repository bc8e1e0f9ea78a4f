"""Dips of curves that were drawn by hand."""

import math

import numpy as np
import pytest

from il_bench.measures.dips import Dip, dip

UPDATES = np.arange(1, 7) * 10


def test_a_dip_that_passes_has_a_length():
    fall = dip(UPDATES, np.array([3.0, 1.0, 2.5, 1.5, 1.0, 0.25]))
    assert fall == Dip(depth=1.5, best=20, length=30, loss=0.75)
    assert str(fall) == "1.50 after 20, for 30"


def test_one_that_lasts_has_none_and_stopping_early_is_a_gain():
    fall = dip(UPDATES, np.array([3.0, 1.0, 2.0, 4.0, 3.0, 3.0]))
    assert fall == Dip(depth=3.0, best=20, length=None, loss=-2.0)
    assert str(fall) == "3.00 after 20, for good"


def test_the_deepest_of_several_is_told():
    fall = dip(UPDATES, np.array([2.0, 2.5, 1.0, 1.25, 3.0, 0.5]))
    assert (fall.depth, fall.best, fall.length) == (2.0, 30, 30)


def test_what_only_sinks_has_none():
    fall = dip(UPDATES, np.linspace(2, 1, 6))
    assert (fall.depth, str(fall)) == (0.0, "none")


def test_what_became_nan_has_fallen_for_good():
    fall = dip(UPDATES[:3], np.array([2.0, 1.0, math.nan]))
    assert (fall.depth, fall.best, fall.length) == (math.inf, 20, None)
    assert dip(UPDATES[:2], np.full(2, math.nan)).depth == 0


@pytest.mark.parametrize(("updates", "costs"), [(0, 0), (2, 3)])
def test_a_curve_that_is_none_is_refused(updates, costs):
    with pytest.raises(ValueError, match="as many updates as costs, at least one, got"):
        dip(np.arange(updates), np.zeros(costs))
