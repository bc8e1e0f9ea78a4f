"""Room exposure: weights, estimators, life tables and ranked lists against closed forms."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from il_bench import exposure
from il_bench.exposure import survival, weights
from il_bench.exposure.weights import correction, weigh

CHANCES = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=12).map(np.array)
FORMS = ("none", "ips", "power:0.3", "clip:2")


@pytest.mark.parametrize("how", FORMS)
@given(chance=CHANCES, scale=st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_weights_have_mean_one_and_forget_the_scale_of_exposure(how, chance, scale):
    got = weigh(chance, how)
    np.testing.assert_allclose(got.mean(), 1)
    np.testing.assert_allclose(weigh(scale * chance, how), got)


@pytest.mark.parametrize("how", FORMS)
@given(chance=CHANCES, seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_whole_weights_are_repeated_rows(how, chance, seed):
    times = np.random.default_rng(seed).integers(0, 4, len(chance))
    times[0] = 2
    repeated = weigh(np.repeat(chance, times), how)
    got = weigh(chance, how, of=times)
    np.testing.assert_allclose(np.repeat(got, times), repeated)
    assert not got[times == 0].any()


@given(chance=CHANCES)
@settings(max_examples=20, deadline=None)
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


# --- Survival -------------------------------------------------------------------------------------


def test_siler_s_law_to_the_printed_digits():
    q = survival.siler()
    printed = [0.278040, 0.116449, 0.062460, 0.047484, 0.045477, 0.048239]
    np.testing.assert_array_equal(q[:6].round(6), printed)
    reach = survival.survivors(q)[[1, 5, 10, 20]]
    np.testing.assert_array_equal(reach.round(6), [0.721960, 0.543742, 0.391683, 0.007707])


def test_laws_broadcast_over_runs():
    c = np.array([0.03, 0.1])[:, None]
    both = survival.siler(c=c)
    assert np.array_equal(both[0], survival.siler())
    assert survival.survivors(both).shape == (2, 26)
    np.testing.assert_allclose(survival.deaths(both).sum(-1), 1)


def test_gompertz_is_siler_of_age_alone():
    old = survival.siler(a0=1e-300, c=1e-300, b0=0.02, b1=0.2)
    np.testing.assert_allclose(survival.gompertz(), old)


def collected(rate, eta=1.0):
    """The shares (ω,) of deaths in the museum, those of all, and the share collected."""
    q = survival.siler()
    table = survival.exposures(survival.effort(), survival.visibility(eta=eta), rate)
    died = survival.deaths(q)
    kept = table.mean(0) * died
    return kept / kept.sum(), died, kept.sum()


def off(shares, died):
    """Largest error of l_x."""
    return np.abs(np.cumsum(shares - died)).max()


def test_the_naive_table_is_off_by_what_visibility_says():
    errors = [off(*collected(0.02, eta)[:2]) for eta in (0, 0.5, 1, 1.5, 2)]
    np.testing.assert_array_equal(np.round(errors, 4), [0, 0.2193, 0.3444, 0.3897, 0.3845])


def test_one_over_effort_is_right_only_while_collecting_is_rare():
    """With three quarters collected it is worse than doing nothing; 1/(1 - exp(-rate·effort)) never errs."""
    shares, naive, ruled = [], [], []
    for rate in (0.005, 0.02, 0.1, 0.5):
        kept, died, share = collected(rate)
        effort, visible = survival.effort(), survival.visibility()
        work = survival.meetings(effort, visible, rate)[:, 1:]
        chance = survival.exposures(effort, visible, rate)
        by_effort = died * (chance / work).mean(0)
        assert np.allclose(died * (chance / chance).mean(0), died)
        shares.append(share)
        naive.append(off(kept, died))
        ruled.append(off(by_effort / by_effort.sum(), died))
    np.testing.assert_array_equal(np.round(shares, 3), [0.037, 0.132, 0.411, 0.734])
    np.testing.assert_array_equal(np.round(naive, 3), [0.357, 0.344, 0.290, 0.165])
    np.testing.assert_array_equal(np.round(ruled, 3), [0.007, 0.026, 0.104, 0.265])


def test_of_geometric_lifetimes_all_is_known():
    q, omega = 0.1, 400
    age = np.arange(omega)
    died = survival.deaths(survival.geometric(omega, q))
    exposure = np.cumsum(survival.visibility(omega))
    share = died * exposure / (died * exposure).sum()
    np.testing.assert_allclose(share @ age + 1, (2 - q) / q)  # 19 years begun, where 10 is true
    reach = 1 - np.cumsum(share)
    np.testing.assert_allclose(reach, (1 - q) ** (age + 1) * (1 + q * (age + 1)), atol=1e-12)
    assert reach[4].round(5) == 0.88574
    ratio = weights.exact_ratio(exposure, died)
    np.testing.assert_allclose(ratio, (1 - q) / np.log(1 / q))  # of n, so many are as good
    assert round(ratio, 4) == 0.3909


def test_animals_live_and_are_met_as_foretold():
    q = survival.siler()
    effort, visible = survival.effort(), survival.visibility()
    uniform = np.random.default_rng(0).random((100 * 400, 2))
    got = survival.animals(q, effort, visible, 0.1, 400, uniform)
    died = np.bincount(got.age, minlength=25) / len(got)
    np.testing.assert_allclose(died, survival.deaths(q), atol=0.01)
    assert (got.met <= got.age).all()
    museum = got.museum
    np.testing.assert_allclose(len(museum) / len(got), got.exposure.mean(), atol=0.01)
    # First met at age 0: one minus the chance to escape for a year.
    escape = np.exp(-0.1 * effort)
    np.testing.assert_allclose((got.met == 0).mean(), 1 - escape.mean(), atol=0.01)


def test_visibility_hides_nobody():
    np.testing.assert_array_equal(survival.visibility(4, 0.0), [1, 0, 0, 0])
    np.testing.assert_array_equal(survival.visibility(4, 2.0), [1, 3, 5, 7])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: survival.siler(b2=1.0), "b2: expected one of the rates a0, a1, c, b0, b1"),
        (lambda: survival.siler(c=-1.0), "c: expected a rate above 0, got -1; try 0.03"),
        (lambda: survival.geometric(q=1.0), "q: expected a chance between 0 and 1"),
        (lambda: survival.siler(0), "omega: expected at least one age"),
        (lambda: survival.visibility(eta=-1.0), "eta: expected 0 or more"),
        (lambda: survival.exposures(np.ones(3), np.ones(2), 0.0), "rate: expected meetings"),
    ],
)
def test_a_law_that_is_none_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_the_room_is_public_and_does_not_wait_for_torch():
    code = (
        "import sys, il_bench as il; il.exposure.hajek([1.0, 0.0], [0.5, 0.1]);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert all(hasattr(exposure, name) for name in exposure.__all__)
