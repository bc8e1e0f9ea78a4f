"""Room exposure: weights, estimators, life tables and ranked lists against closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from il_bench.exposure import weights
from il_bench.exposure.weights import correction, weigh

CHANCES = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=12).map(np.array)
FORMS = ("none", "ips", "power:0.3", "clip:2")


@pytest.mark.parametrize("how", FORMS)
@given(chance=CHANCES, scale=st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_weights_have_mean_one_and_forget_the_scale_of_exposure(how, chance, scale):
    got = weigh(chance, how)
    np.testing.assert_allclose(got.mean(), 1)
    np.testing.assert_allclose(weigh(scale * chance, how), got)


@pytest.mark.parametrize("how", FORMS)
@given(chance=CHANCES, seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_whole_weights_are_repeated_rows(how, chance, seed):
    times = np.random.default_rng(seed).integers(0, 4, len(chance))
    times[0] = 2
    repeated = weigh(np.repeat(chance, times), how)
    got = weigh(chance, how, of=times)
    np.testing.assert_allclose(np.repeat(got, times), repeated)
    assert not got[times == 0].any()


@given(chance=CHANCES)
@settings(deadline=None)
def test_power_zero_is_naive_bit_for_bit(chance):
    assert np.array_equal(weigh(chance, "power:0"), np.ones(len(chance)))
    assert np.array_equal(weigh(chance, "power:0"), weigh(chance, "none"))
    np.testing.assert_allclose(weigh(chance, "power:1"), weigh(chance, "ips"))


def test_weights_are_of_the_kind_of_exposure_run_by_run():
    chance = torch.tensor([[0.5, 1.0], [0.1, 0.1]])
    got = weigh(chance)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, torch.tensor([[4 / 3, 2 / 3], [1.0, 1.0]]))
    assert torch.equal(weigh(chance[1:]), got[1:])


def test_what_weighs_nothing_is_not_looked_at():
    got = weigh(np.array([np.nan, 0.5, 0.25]), of=np.array([0.0, 1.0, 1.0]))
    np.testing.assert_allclose(got, [0, 2 / 3, 4 / 3])


def test_pooled_weights_are_one_over_the_mean_of_all_loggers():
    table = np.array([[0.2, 0.4], [0.6, 0.4]])  # logger, thing
    logger, thing = np.array([0, 1, 1]), np.array([0, 0, 1])
    mean = table.mean(0)[thing]
    np.testing.assert_allclose(weigh(table[logger, thing], "pooled", pooled=mean), 1)
    # From the samples that were seen, by each as often as it sees: the same mean.
    often = np.repeat([0.2, 0.6], [2, 6])
    np.testing.assert_allclose(weights.mean_exposure(often, np.zeros(8, int)), 0.4)


def test_a_clipped_weight_is_at_most_so_many_medians():
    got = weigh(np.array([1.0, 1.0, 1.0, 0.01]), "clip:5")
    np.testing.assert_allclose(got, np.array([1, 1, 1, 5]) / 2)


def test_the_effective_size_and_its_limit():
    assert weights.effective_size(np.ones(7)) == 7
    assert weights.effective_size(np.array([1.0, 0, 0])) == 1
    rng = np.random.default_rng(0)
    chance = np.array([0.1, 0.9])
    ratio = weights.exact_ratio(chance)
    np.testing.assert_allclose(ratio, 0.18 / 0.5)
    everyone = np.repeat(chance, 200_000)
    kept = everyone[rng.random(len(everyone)) < everyone]
    got = weights.effective_size(1 / kept) / len(kept)
    np.testing.assert_allclose(got, ratio, rtol=0.01)


@pytest.mark.parametrize("text", ["none", "ips", "pooled", "power:0.5", "clip:5"])
def test_a_correction_is_written_as_it_is_read(text):
    assert str(correction(text)) == text


@pytest.mark.parametrize(
    "text", ["", "ipw", "power", "power:", "power:2", "clip:0", "ips:1", "clip:nan"]
)
def test_an_unknown_correction_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match=r"^weights: expected .*, got '.*'"):
        correction(text)


def test_bad_exposure_is_refused_with_its_place():
    with pytest.raises(ValueError, match=r"exposure: expected finite .* above 0, got 0 at 1;"):
        weigh(np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"got nan at \(1, 0\);"):
        weigh(torch.tensor([[1.0], [np.nan]]))
    with pytest.raises(
        ValueError, match=r"of: expected shape \(2,\), that of exposure, got \(3,\)"
    ):
        weigh(np.ones(2), of=np.ones(3))
    with pytest.raises(ValueError, match=r"pooled: expected the mean exposure .* got none"):
        weigh(np.ones(2), "pooled")
    with pytest.raises(ValueError, match=r"exposure: expected shape \(3,\), that of samples, got"):
        weights.checked(np.ones(2), np.ones(3))
