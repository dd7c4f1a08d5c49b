"""Intervals hold the value, and two writers are compared on the same requests, towards the goal of the metric."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.bootstrap import Estimate, bootstrap, difference, gain, known_mean, mean

VALUES = st.lists(st.floats(0, 1), min_size=4, max_size=4)


def test_an_interval_holds_the_mean_and_narrows_with_more_poems():
    few, many = [0.0, 1.0] * 5, [0.0, 1.0] * 500
    low, high = bootstrap(few, mean).interval()
    assert 0 < low < 0.5 < high < 1
    assert 0.45 < bootstrap(many, mean).interval()[0] < 0.5
    again = [bootstrap(few, mean, seed=1).interval() for _ in range(2)]
    assert again[0] == again[1]


def test_poems_for_one_request_are_resampled_together_so_copies_do_not_narrow_an_interval():
    one_each = bootstrap([0.0, 1.0, 0.0, 1.0], mean)
    four_each = bootstrap([0.0, 1.0, 0.0, 1.0] * 4, mean, groups=["a", "b", "c", "d"] * 4)
    assert four_each.interval() == one_each.interval()


def test_a_difference_is_taken_resample_by_resample_over_the_same_requests():
    few, more = [0.0, 0.9, 0.1, 0.8], [0.1, 1.0, 0.2, 0.9]
    found = difference(*(bootstrap(values, mean) for values in (more, few)))
    assert found.interval() == pytest.approx((0.1, 0.1))


def test_resamples_without_any_value_are_left_out_of_the_interval():
    nan = float("nan")
    assert bootstrap([nan, 0.5, nan], known_mean).interval() == (0.5, 0.5)
    assert bootstrap([nan, nan], known_mean).interval() is None


def test_a_statistic_without_resamples_has_no_interval():
    assert Estimate(0.5).interval() is None
    assert difference(Estimate(0.5), Estimate(0.25)) == Estimate(0.25)


def test_the_gain_is_positive_where_we_are_higher_lower_or_closer_to_human_as_the_metric_wants():
    few, many, human = (bootstrap([value] * 4, mean) for value in (0.1, 0.4, 0.5))
    assert gain("higher", many, few, human).interval() == pytest.approx((0.3, 0.3))
    assert gain("lower", many, few, human).interval() == pytest.approx((-0.3, -0.3))
    assert gain("near human", many, few, human).interval() == pytest.approx((0.3, 0.3))


def test_more_than_human_is_as_far_as_less_than_human():
    less, more, human = (bootstrap([value] * 4, mean) for value in (0.4, 0.6, 0.5))
    assert gain("near human", less, more, human).value == pytest.approx(0)


def test_without_a_human_value_nothing_is_closer_to_it():
    assert gain("near human", Estimate(0.1), Estimate(0.2), None) is None
    assert gain("lower", Estimate(0.1), Estimate(0.2), None).value == pytest.approx(0.1)


@given(VALUES, VALUES, VALUES, st.sampled_from(["lower", "higher", "near human"]))
def test_what_one_writer_gains_the_other_loses(ours, theirs, human, direction):
    ours, theirs, human = (bootstrap(values, mean, resamples=20) for values in (ours, theirs, human))
    one, other = gain(direction, ours, theirs, human), gain(direction, theirs, ours, human)
    assert one.value == pytest.approx(-other.value)
    np.testing.assert_allclose(one.resamples, -other.resamples)
    assert gain(direction, ours, ours, human).interval() == (0, 0)
