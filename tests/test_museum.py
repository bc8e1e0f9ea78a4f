"""Environment `museum`, and weights of samples that were seen with a known chance, for every learner."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import SMALL, learners, tiny

import il_bench as il
from il_bench.core.policy import Log
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.exposure import survival
from il_bench.fit.collect import demonstrate, demonstrate_budget
from il_bench.fit.dataset import concatenate
from il_bench.fit.minibatches import minibatches
from il_bench.fit.weighing import weighed
from il_bench.paint import lexis

CENTURY = {"births": 10, "years": 40, "rate": 0.1}
"""A museum small enough for a test."""


def small(**settings):
    return il.make("museum", **{**CENTURY, **settings})


def life_table(env, policy):
    """Survivors (R, T+1) as a policy has them."""
    path = rollout(env, by_policy(env, policy), Streams(env.seeds), 1)
    return path.state[:, 0, :, 1].numpy()


def test_the_expert_s_rollout_is_the_life_table():
    env = il.make("museum", law="geometric", q=(0.1, 0.3))
    path = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds), 1)
    ages = np.arange(env.horizon + 1)
    expected = np.array([0.9**ages, 0.7**ages])
    np.testing.assert_allclose(path.state[:, 0, :, 1], expected, rtol=1e-12)
    np.testing.assert_allclose(path.reward, 1)
    siler = il.make("museum")
    truth = rollout(siler, by_expert(siler, il.expert(siler)), Streams(siler.seeds), 1)
    known = {1: 0.721960, 5: 0.543742, 10: 0.391683, 20: 0.007707}
    for age, alive in known.items():
        assert truth.state[0, 0, age, 1].item() == pytest.approx(alive, abs=1e-6)


def test_the_error_of_a_life_table_is_a_divergence_that_fades_by_one_less_q():
    """D' = (1 - q) D + l epsilon with equality, for a constant error of q."""
    env = il.make("museum", law="geometric", q=0.1, horizon=12)
    error = 0.02
    expert = il.expert(env)

    def drive(step, state, memory):
        return expert.act(state) - 2 * error, memory

    path = rollout(env, drive, Streams(env.seeds), 1)
    own, true = path.state[0, 0, :, 1], path.state[0, 0, :, 2]
    apart = own - true
    for age in range(12):
        expected = 0.9 * apart[age] + own[age] * error
        assert apart[age + 1].item() == pytest.approx(expected.item(), abs=1e-14)
    assert env.certificate().closed_loop == pytest.approx((0.9,))
    assert "alpha = 1 - q" in env.certificate().note


def test_samples_of_the_log_are_lives_with_the_chance_to_have_been_met():
    env = small(seeds=2, horizon=8)
    log = Log()
    data = demonstrate(env, il.expert(env), Streams(env.seeds), 2, log)
    lives = data.action.reshape(2, -1, env.omega)
    alive = data.weight.reshape(2, -1, env.omega) > 0
    deaths = ((lives == 1) & alive).sum(-1)
    met = alive.any(-1)
    assert torch.equal(deaths, met.long())  # each specimen dies once, at the end of its life
    assert (data.exposure[data.weight > 0] < 1).all()
    assert torch.equal(log.labels, data.weight.sum(1).long())
    assert (torch.as_tensor(log.asked) == 0).all()
    half = demonstrate_budget(env, il.expert(env), Streams(env.seeds), 1, 50.0, Log())
    assert half.weight.sum(1).tolist() == [50, 50]


def test_a_naive_reader_overrates_survival_and_a_corrected_one_does_not():
    env = il.make("museum", seeds=3)
    truth = survival.survivors(env.mortality)[:, : env.horizon + 1]
    expert = il.expert(env)
    naive, corrected = (
        life_table(env, il.learner(name).learn(env, expert)) for name in ("naive", "corrected")
    )
    worst = (naive - truth).max(1)
    assert (np.abs(worst - 0.344) < 0.06).all()
    assert (np.abs(corrected - truth).max(1) < 0.15).all()


def test_without_survivor_bias_the_naive_reader_is_right():
    env = il.make("museum", eta=0.0, births=400, seeds=2)
    truth = survival.survivors(env.mortality)[:, : env.horizon + 1]
    naive = life_table(env, il.learner("naive").learn(env, il.expert(env)))
    assert (np.abs(naive - truth).max(1) < 0.1).all()


def test_geometric_lives_are_overrated_by_the_closed_form():
    env = il.make("museum", law="geometric", q=0.1, omega=120, rate=0.0005, births=4000, years=150)
    naive = life_table(env, il.learner("naive").learn(env, il.expert(env)))
    # Animals that die after the window closes were less easily met: the closed form is that of an open window.
    ages = np.arange(env.horizon + 1)
    expected = 0.9**ages * (1 + 0.1 * ages)
    assert np.abs(naive[0] - expected).max() < 0.06


def test_runs_of_a_museum_are_the_same_alone_and_among_others():
    env = small(seeds=3)
    expert = il.expert(env)
    for training in (SMALL, dataclasses.replace(SMALL, weights="pooled")):
        many = il.BC(2, training).learn(env, expert)
        alone = il.BC(2, training).learn(env[2], il.expert(env[2]))
        for name, array in many.arrays().items():
            assert torch.equal(array[2:3], alone.arrays()[name]), name


@pytest.mark.parametrize("how", ["ips", "pooled", "power:0.5", "clip:5"])
def test_weights_have_mean_one_and_are_counted_in_the_budget(how):
    env = small(seeds=2)
    log = Log()
    data = demonstrate(env, il.expert(env), Streams(env.seeds), 1, log)
    weights = weighed(data, how, log)
    live = data.weight > 0
    total = (weights.weight * live).sum(1)
    torch.testing.assert_close(total, live.sum(1).float())
    assert (weights.weight[~live] == 0).all()
    assert (log.effective <= log.labels * (1 + 1e-6)).all()
    assert (log.effective > 1).all()
    none = weighed(data, "none", Log())
    assert none is data


def test_power_zero_is_no_weight_at_all():
    env = small()
    data = demonstrate(env, il.expert(env), Streams(env.seeds), 1, Log())
    assert torch.equal(weighed(data, "power:0", Log()).weight, data.weight)


WEIGHING = [
    name
    for name, one in learners().items()
    if hasattr(one, "training") and getattr(one, "actions", "Box") == "Box"
]


@pytest.mark.parametrize("name", WEIGHING)
def test_weights_without_exposure_are_refused_in_one_sentence(name):
    env = tiny("lane")
    learner = learners()[name]
    learner = dataclasses.replace(learner, training=dataclasses.replace(SMALL, weights="ips"))
    sentence = "weights ips: expected demonstrations that were seen with a known chance, got others"
    with pytest.raises(ValueError, match=sentence):
        learner.learn(env, il.expert(env))


def test_unknown_weights_are_a_sentence():
    with pytest.raises(ValueError, match="weights: expected none, ips, pooled"):
        il.Training(weights="heavy")


def test_weights_mend_a_clone_of_the_museum_and_dagger_asks_for_certain():
    env = small(seeds=2, rate=0.05, births=60)
    expert = il.expert(env)
    settings = {"net": "ridge", "normalise": "zscore"}
    errors = {}
    for how in ("none", "pooled"):
        policy = il.BC(2, il.Training(**settings, weights=how)).learn(env, expert)
        first = life_table(env, policy)[:, 1] - survival.survivors(env.mortality)[:, 1]
        errors[how] = np.abs(first)
    assert (errors["pooled"] < errors["none"]).all()
    dagger = il.DAgger(rounds=2, training=il.Training(**settings, weights="ips"))
    log = dagger.learn(env, expert).log
    assert (log.effective > 0).all()


def test_who_is_asked_is_seen_for_certain_and_a_mixture_knows_its_exposure():
    env = small()
    expert = il.expert(env)
    kept = demonstrate(env, expert, Streams(env.seeds), 1, Log())
    from il_bench.fit.collect import collect

    asked = collect(env, expert, by_expert(env, expert), Streams(env.seeds), 1, Log())
    assert (asked.exposure == 1).all()
    both = concatenate([kept, asked])
    assert both.exposure is not None
    assert both.pooled is not None


def test_minibatches_of_weights_with_mean_one_keep_their_sizes():
    env = small()
    data = weighed(demonstrate(env, il.expert(env), Streams(env.seeds), 1, Log()), "ips", Log())
    ones = {"mean": 0, "std": 1, "shift": 0, "scale": 1}
    scaling = {name: torch.full((1, 1, 1), float(value)) for name, value in ones.items()}
    shares = [share for _, _, share in minibatches(data, 16, 40, Streams((0,)), scaling, True)]
    totals = torch.cat([share.sum(-1) for share in shares], 1)
    assert totals.std() > 0.01
    assert totals.mean().item() == pytest.approx(1, abs=0.1)


def test_a_record_tells_the_effective_size_where_something_was_weighed():
    env = small(seeds=2)
    expert = il.expert(env)
    training = il.Training(net="ridge")
    plain = il.BC(1, training).learn(env, expert)
    ips = il.BC(1, dataclasses.replace(training, weights="ips")).learn(env, expert)
    without = il.compare(env, expert, bc=plain, episodes=1)
    assert "effective" not in without.rows()[0]
    record = il.compare(env, expert, bc=plain, ips=ips, episodes=1)
    first, second = record.rows()
    assert first["effective"] == first["labels"]
    assert 0 < second["effective"] < second["labels"]
    assert "effective" in str(record.table())
    record.save("weighed")
    again = il.load("weighed")
    assert again.rows()[1]["effective"] == second["effective"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"q": 1.0}, "q: expected a chance between 0 and 1, got 1"),
        (
            {"eta": -0.5},
            "eta: expected a number of at least 0, which is no survivor bias, got -0.5",
        ),
        ({"rate": 0.0}, "rate: expected meetings above 0, got 0"),
        ({"births": 0}, "births: expected at least 1, got 0"),
    ],
)
def test_museums_that_cannot_be_are_sentences(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        il.make("museum", **settings)


def test_the_picture_grows_with_age_and_shows_the_truth_beside_it():
    env = small()
    path = rollout(env, by_expert(env, il.expert(env)), Streams(env.seeds), 1).state[0, 0].numpy()
    young, old = env.draw(path[:2], (320, 240)), env.draw(path, (320, 240))
    assert not np.array_equal(young, old)
    assert not np.array_equal(old, env.draw(path, (320, 240), ghost=path * [1, 0.5, 1]))
    assert env.draw(path[3], (320, 240)).shape == (240, 320, 3)


@pytest.mark.parametrize("height", [140, 164, 336, 460, 720])
def test_words_plots_and_numbers_of_the_diagram_stand_beneath_each_other(height):
    """Small words are 9 pixels high: none lies upon a curve, in a film of four panes as in one alone."""
    rows = lexis._rows(height)
    assert rows.top < rows.foot < rows.band < rows.years - 4.5
    assert rows.years + 4.5 < rows.words - 4.5
    assert rows.words + 4.5 < rows.head < rows.base < rows.ages - 4.5
    assert rows.ages + 4.5 < height
    assert rows.foot - rows.top > 20
    assert rows.base - rows.head > 30
