from functools import partial

import numpy as np
import pytest
import torch
from conftest import tiny
from gymnasium import spaces

import il_bench as il
from il_bench.core.policy import Log
from il_bench.core.streams import Streams
from il_bench.fit import minibatches as feed
from il_bench.fit.dataset import Dataset
from il_bench.fit.fitting import assemble, fit, restore
from il_bench.fit.optimiser import Optimiser
from il_bench.fit.scaling import scales
from il_bench.fit.training import Training
from il_bench.nets.mlp import MLPPolicy, initial_layers, mlp
from il_bench.nets.table import TablePolicy

BOX = spaces.Box(-10.0, 10.0, (1,))


def line(runs=2, count=64, slope=2.0):
    """y = slope x + 1, a dataset that a network can fit."""
    x = torch.linspace(-1, 1, count).expand(runs, -1)[..., None].contiguous()
    return Dataset(x, slope * x + 1, torch.ones(runs, count), (count,))


class Plain:
    """What `fit` needs of an environment."""

    action_space, horizon = BOX, 8
    observation_space = BOX


def fitted(data, seeds=(0, 1), start=None, space=BOX, log=None, **settings):
    hidden = {} if "net" in settings else {"hidden": (16,)}
    settings = {**hidden, "updates": 300, "batch": 32, "lr": 1e-2, **settings}
    env = Plain()
    env.action_space = space
    return fit(data, Training(**settings), env, Streams(seeds), log or Log(), start=start)


def error(policy, data):
    return (policy.act(data.obs)[0] - data.action).abs().amax((1, 2))


RULES = {
    "adam": partial(torch.optim.Adam, eps=1e-6),
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "sgd": torch.optim.SGD,
}


@pytest.mark.parametrize("rule", RULES)
def test_an_optimiser_is_torchs(rule):
    layers = initial_layers([3, 5, 2], Streams((0, 1, 2)))
    ours = Optimiser(layers, lr=3e-3, rule=rule, epsilon=1e-6)
    theirs = [p.clone().requires_grad_() for p in layers]
    optimiser = RULES[rule](theirs, lr=3e-3)
    x = torch.randn(3, 7, 3, generator=torch.Generator().manual_seed(0))
    for _ in range(100):
        loss = mlp(ours.layers, x).square().sum()
        slopes = torch.autograd.grad(loss, ours.layers)
        for place, slope in zip(ours.slopes, slopes, strict=True):
            place.copy_(slope)
        ours.step()
        optimiser.zero_grad()
        mlp(theirs, x).square().sum().backward()
        optimiser.step()
    for a, b in zip(ours.layers, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-6)


def test_layers_are_those_of_torch_linear():
    layers = initial_layers([3, 4, 2], Streams((0, 1)))
    x = torch.randn(2, 5, 3)
    for run in range(2):
        h = torch.tanh(torch.nn.functional.linear(x[run], layers[0][run].T, layers[1][run, 0]))
        torch.testing.assert_close(
            mlp(layers, x)[run], torch.nn.functional.linear(h, layers[2][run].T, layers[3][run, 0])
        )
    assert layers[0].abs().max() <= 3**-0.5


def test_it_fits_a_line():
    assert (error(fitted(line(), updates=1500), line()) < 0.05).all()


def test_runs_learn_from_their_own_data():
    data = line()
    data.action[1] *= -1
    policy = fitted(data, updates=1500)
    assert (error(policy, data) < 0.05).all()
    assert torch.equal(policy[1].act(data.obs[1:])[0], policy.act(data.obs)[0][1:])


def test_a_weight_of_zero_is_absence():
    data = line(runs=1)
    wrong = Dataset(data.obs, data.action.clone(), data.weight.clone(), data.lengths)
    wrong.action[0, 40:], wrong.weight[0, 40:] = 1e6, 0
    part = Dataset(data.obs[:, :40], data.action[:, :40], data.weight[:, :40], (40,))
    assert (error(fitted(wrong, (0,)), part) < 0.1).all()


def test_weights_shift_the_answer_to_the_weighted_mean():
    obs = torch.zeros(1, 30, 1)
    action = torch.cat((torch.zeros(1, 15, 1), torch.ones(1, 15, 1)), 1)
    weight = torch.cat((torch.full((1, 15), 3.0), torch.ones(1, 15)), 1)
    policy = fitted(Dataset(obs, action, weight, (30,)), (0,), batch=30)
    assert policy.act(obs[:, :1])[0].item() == pytest.approx(0.25, abs=1e-3)


def test_cross_entropy_learns_the_chances_and_draws_from_them():
    obs, space = torch.ones(1, 400, 1), spaces.Discrete(3)
    action = torch.tensor([0] * 100 + [2] * 300)[None, :, None]
    policy = fitted(Dataset(obs, action, torch.ones(1, 400), (400,)), (0,), space=space, batch=400)
    assert policy.act(obs[:, :1])[0].item() == 2
    draws = torch.rand(1, 4000, generator=torch.Generator().manual_seed(0))
    chosen, _ = policy.act(obs[:, :1].expand(1, 4000, 1), draw=draws)
    shares = torch.bincount(chosen.flatten(), minlength=3) / 4000
    assert shares.tolist() == pytest.approx([0.25, 0, 0.75], abs=0.03)


def test_the_moving_average_trails_the_weights_by_its_decay():
    adam = Optimiser([torch.zeros(1, 1, 1)], lr=1.0, ema=0.9)
    mean = 0.0
    for step in range(1, 8):
        adam.slopes[0].fill_(1.0)
        adam.step()
        decay = min(0.9, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * adam.layers[0].item()
    assert adam.average()[0].item() == pytest.approx(mean, rel=1e-5)
    assert adam.last()[0].item() == adam.layers[0].item()


def test_an_average_of_many_weights_is_not_worse_than_the_last_ones():
    data = line()
    last, average = fitted(data, updates=1500), fitted(data, updates=1500, ema=0.999)
    assert (error(average, data) < 2 * error(last, data) + 0.02).all()


def test_a_warm_start_goes_on_with_the_weights_and_not_with_their_average():
    first = fitted(line(), ema=0.9, updates=20)
    assert not torch.equal(first.trained[0], first.layers[0])
    moved = fitted(line(), start=first, updates=1, lr=1e-12)
    torch.testing.assert_close(moved.layers[0], first.trained[0])


def test_what_weighs_nothing_does_not_change_a_runs_minibatches():
    data = line(1)
    padded = Dataset(
        torch.cat((data.obs, torch.full((1, 36, 1), torch.nan)), 1),
        torch.cat((data.action, torch.zeros(1, 36, 1)), 1),
        torch.cat((data.weight, torch.zeros(1, 36)), 1),
        (64, 36),
    )
    for one, two in zip(minibatches(data, 16, 10), minibatches(padded, 16, 10), strict=True):
        assert torch.equal(one, two)


def minibatches(data, batch, updates, seeds=(0,), zscore=False):
    """All minibatches of a fit: observations (R, updates, B, O), actions and shares."""
    scaling = scales(data, (1e-3,), zscore, None)
    return [
        torch.cat(p, 1)
        for p in zip(*feed.minibatches(data, batch, updates, Streams(seeds), scaling), strict=True)
    ]


@pytest.mark.parametrize("batch", [1, 4, 7, 100])
def test_every_sample_comes_once_an_epoch(batch):
    data, updates = line(1, count=10), -(-35 // batch)
    x, _, _ = minibatches(data, batch, updates)
    assert x.shape == (1, updates, batch, 1)
    order = x.flatten().tolist()
    for epoch in range(len(order) // 10):
        assert sorted(order[10 * epoch : 10 * epoch + 10]) == data.obs[0, :, 0].tolist()
    rest = order[len(order) // 10 * 10 :]
    assert len(set(rest)) == len(
        rest
    )  # the last epoch stops in the middle, and repeats nothing either
    assert (
        len({tuple(order[10 * e : 10 * e + 10]) for e in range(len(order) // 10)})
        == len(order) // 10
    )


def test_the_last_epoch_favours_no_sample():
    data = line(1, count=10)
    first = torch.stack([minibatches(data, 3, 1, (seed,))[0].flatten() for seed in range(600)])
    counts = torch.bincount(((first.flatten() + 1) * 4.5).round().long(), minlength=10)
    assert counts.min() > 120  # 180 expected of each, standard deviation 11
    assert counts.max() < 240


def test_minibatches_are_scaled_and_their_shares_sum_to_one(monkeypatch):
    data = line(2)
    data.weight[0], data.weight[1] = torch.rand(64, generator=torch.Generator().manual_seed(0)), 0.0
    x, y, share = minibatches(data, 16, 70, (0, 1), zscore=True)
    scaling = scales(data, (1e-3,), True, None)
    torch.testing.assert_close(
        y * scaling["scale"][:, None] + scaling["shift"][:, None], 2 * _raw(x, scaling) + 1
    )
    torch.testing.assert_close(share[0].sum(-1), torch.ones(70))
    assert (share[1] == 0).all()  # a run without samples learns from none
    monkeypatch.setattr(feed, "CACHE", 1)  # one minibatch at a time
    for whole, piecewise in zip(
        (x, y, share), minibatches(data, 16, 70, (0, 1), zscore=True), strict=True
    ):
        assert torch.equal(whole, piecewise)


def _raw(x, scaling):
    return x * scaling["std"][:, None] + scaling["mean"][:, None]


def test_clipping_does_not_make_runs_depend_on_one_another():
    data = line(5)
    many = fitted(data, range(5), hidden=(16, 16), clip=0.01, updates=40)
    for run in range(5):
        alone = fitted(line(1), (run,), hidden=(16, 16), clip=0.01, updates=40)
        for name, array in many.arrays().items():
            assert torch.equal(array[run : run + 1], alone.arrays()[name])


def test_settings_of_another_number_of_runs_are_a_sentence():
    with pytest.raises(ValueError, match="lr: expected one value or one for each of 2 runs, got 3"):
        fitted(line(), lr=(1e-3, 1e-2, 1e-1))


EACH = [
    {"lr": (1e-2, 3e-3), "ema": (0.0, 0.9), "clip": (0.0, 0.5), "epsilon": (1e-8, 1e-3)},
    {"lr": (1e-2, 3e-3), "optimiser": "momentum"},
]


@pytest.mark.parametrize("settings", EACH)
def test_settings_of_each_run_are_that_runs_alone(settings):
    second = {k: v[1] if isinstance(v, tuple) else v for k, v in settings.items()}
    both = fitted(line(), (0, 1), **settings, updates=40)
    alone = fitted(line(1), (1,), **second, updates=40)
    for name, array in both.arrays().items():
        assert torch.equal(array[1:], alone.arrays()[name]), name


def test_clipping_bounds_each_runs_gradient_by_itself():
    adam = Optimiser([torch.zeros(2, 1, 3), torch.zeros(2, 1, 1)], lr=1e-3, clip=1.0)
    adam.slopes[0].copy_(torch.tensor([[[3.0, 0, 4]], [[0.1, 0, 0]]]))
    adam.step()
    assert adam.slopes[0][:, 0].tolist() == [
        pytest.approx([0.6, 0, 0.8]),
        pytest.approx([0.1, 0, 0]),
    ]


def test_a_run_that_leaves_the_finite_numbers_in_training_is_named_and_the_other_is_not_touched():
    data, log = line(), Log()
    data.action[0, 5] = torch.inf
    policy = fitted(data, log=log, updates=50)
    assert list(log.broke) == [0]
    assert 0 <= log.broke[0] < 50
    alone = fitted(line(1), (1,), updates=50)
    assert torch.equal(policy[1].layers[0], alone.layers[0])


def test_a_warm_start_keeps_its_weights_while_its_scales_follow_the_data():
    first = fitted(line(), normalise="zscore")
    wider = Dataset(3 * line().obs + 1, 5 * line().action, torch.ones(2, 64), (64,))
    moved = fitted(wider, start=first, updates=1, lr=1e-12, normalise="zscore")
    for one, two in zip(moved.layers, first.layers, strict=True):
        torch.testing.assert_close(one, two)
    torch.testing.assert_close(moved.scaling["std"], 3 * first.scaling["std"])
    torch.testing.assert_close(moved.scaling["scale"], 5 * first.scaling["scale"])


def test_zscore_has_a_floor_and_frozen_samples_do_not_count():
    data = line(1)
    data.obs[:] = 4.0
    data.obs[0, 50:], data.weight[0, 50:] = 1e6, 0
    scaling = fitted(data, (0,), normalise="zscore", std_floor=0.5, updates=1).scaling
    assert scaling["mean"].item() == pytest.approx(4)
    assert scaling["std"].item() == 0.5


def test_targets_as_they_are_leave_the_actions_scale_alone():
    scaling = fitted(line(), targets="none", updates=1).scaling
    assert (scaling["shift"] == 0).all()
    assert (scaling["scale"] == 1).all()
    assert error(fitted(line(), targets="none", updates=600), line()).max() < 0.1


def test_actions_are_clipped_to_the_box():
    small = spaces.Box(-0.5, 0.5, (1,))
    assert fitted(line(), space=small).act(line().obs)[0].abs().max() == 0.5


def test_observations_of_the_wrong_shape_are_a_sentence():
    with pytest.raises(
        ValueError, match=r"observations: expected \(R=2, E, O=1\), got \(2, 5, 3\)"
    ):
        fitted(line(), updates=1).act(torch.zeros(2, 5, 3))
    with pytest.raises(
        ValueError, match="predict: expected the policy of one run, got 2; pick one"
    ):
        fitted(line(), updates=1).predict(np.zeros(1))


def test_predict_takes_one_observation_or_many():
    policy = fitted(line())[0]
    one, many = policy.predict(np.zeros(1))[0], policy.predict(np.zeros((3, 1)))[0]
    assert one.shape == (1,)
    assert many.shape == (3, 1)
    assert one.dtype == np.float32
    assert one[0] == many[0, 0]


def table(samples, space=None, states=3, **settings):
    """A policy counted from (time, state, action) of two-step sequences."""
    obs = torch.nn.functional.one_hot(torch.tensor([s for s, _ in samples]), states).float()[None]
    action = torch.tensor([a for _, a in samples])[None, :, None]
    data = Dataset(obs, action, torch.ones(1, len(samples)), (2,) * (len(samples) // 2))
    return fitted(data, (0,), space=space or spaces.Discrete(4), **settings)


def test_a_shared_table_counts_over_time_and_one_a_step_does_not():
    samples = [(0, 1), (0, 2), (0, 1), (0, 2)]
    shared, per_step = (table(samples, net=net) for net in ("table", "table-per-step"))
    assert shared.counts[0, 0, 0].tolist() == [0, 2, 2, 0]
    assert per_step.counts[0, 0, 0].tolist() == [0, 2, 0, 0]
    assert per_step.counts[0, 1, 0].tolist() == [0, 0, 2, 0]
    obs, memory, actions = torch.eye(3)[None, :1], None, []
    for _ in range(2):
        action, memory = per_step.act(obs, memory)
        actions.append(action.item())
    assert actions == [1, 2]


def test_an_unseen_cell_is_uniform_by_chance_and_fixed_when_deterministic():
    policy = table([(0, 1), (0, 1)], net="table")
    unseen = torch.eye(3)[None, 2:].expand(1, 4000, 3)
    draws = torch.rand(1, 4000, generator=torch.Generator().manual_seed(0))
    shares = torch.bincount(policy.act(unseen, draw=draws)[0].flatten(), minlength=4) / 4000
    assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.03)
    assert len(set(policy.act(unseen)[0].flatten().tolist())) == 1


def test_the_fixed_guess_favours_no_action():
    fill = torch.cat(
        [table([(0, 1), (0, 1)], net="table-per-step", states=200).fill for _ in range(1)]
    )
    assert torch.bincount(fill.flatten(), minlength=4).min() > 300  # of 1600, 400 expected


def test_tables_are_for_one_hot_observations_and_discrete_actions():
    with pytest.raises(
        ValueError, match="net table: expected one-hot observations and Discrete actions"
    ):
        fitted(line(), net="table")


@pytest.mark.parametrize(
    "count", [5000, 50, 3]
)  # blocks, one block, fewer samples than observations
def test_ridge_is_the_penalised_least_squares_solution(count):
    generator = torch.Generator().manual_seed(0)
    x, y = (
        torch.randn(2, count, 5, generator=generator),
        torch.randn(2, count, 2, generator=generator),
    )
    weight = torch.rand(2, count, generator=generator)
    space = spaces.Box(-10.0, 10.0, (2,))
    policy = fitted(Dataset(x, y, weight, (count,)), net="ridge", penalty=(0.3, 2.0), space=space)
    w, c = (p.double() for p in policy.layers)
    for run, penalty in enumerate((0.3, 2.0)):
        # The gradient of sum w |x b + c - y|^2 + penalty |b|^2 vanishes in b and in c.
        rest = weight[run][:, None] * (x[run].double() @ w[run] + c[run] - y[run])
        assert (x[run].T.double() @ rest + penalty * w[run]).abs().max() < 1e-5
        assert rest.sum(0).abs().max() < 1e-5


def test_ridge_chooses_among_discrete_actions():
    obs = torch.eye(3)[None].repeat(1, 10, 1)
    action = torch.tensor([2, 0, 1] * 10)[None, :, None]
    policy = fitted(
        Dataset(obs, action, torch.ones(1, 30), (30,)), (0,), net="ridge", space=spaces.Discrete(3)
    )
    assert policy.act(torch.eye(3)[None])[0].flatten().tolist() == [2, 0, 1]


def test_policies_come_back_from_their_arrays():
    for policy in (fitted(line(), updates=5), table([(0, 1), (0, 1)], net="table")):
        again = restore(policy.kind, policy.arrays(), policy.action_space)
        obs = (
            torch.eye(policy.counts.shape[2])[None]
            if isinstance(policy, TablePolicy)
            else line().obs
        )
        assert torch.equal(again.act(obs)[0], policy.act(obs)[0])
    with pytest.raises(ValueError, match="policy: expected the arrays of kind mlp, got"):
        restore("mlp", {"counts": torch.zeros(1)}, BOX)


def test_assemble_takes_each_run_from_the_chosen_policy():
    one, two = fitted(line(), updates=5), fitted(line(), seeds=(2, 3), updates=5)
    mixed = assemble([one, two], [1, 0])
    assert isinstance(mixed, MLPPolicy)
    assert torch.equal(mixed.layers[0][0], two.layers[0][0])
    assert torch.equal(mixed.layers[0][1], one.layers[0][1])


def test_a_single_observation_gives_the_action_of_the_batch():
    env = tiny("lane", seeds=2)
    policy = il.BC(episodes=1, training=Training(updates=30)).learn(env, il.expert(env))
    obs = torch.randn(2, 64, 4, generator=torch.Generator().manual_seed(0))
    batch, _ = policy.act(obs)
    alone = torch.cat([policy.act(obs[:, i : i + 1])[0] for i in range(64)], 1)
    torch.testing.assert_close(alone, batch, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"updates": 0}, "updates: expected a whole number of at least 1, got 0"),
        ({"batch": 0}, "batch: expected a whole number of at least 1, got 0"),
        ({"hidden": (8, 0)}, "hidden: expected a whole number of at least 1"),
        ({"lr": -1.0}, "lr: expected a number above 0"),
        ({"epsilon": 0.0}, "epsilon: expected a number above 0"),
        ({"lr": float("nan")}, "lr: expected a number above 0"),
        ({"ema": (0.5, 1.0)}, "ema: expected a decay below 1"),
    ],
)
def test_settings_that_no_training_can_have_are_sentences(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        Training(**setting)
