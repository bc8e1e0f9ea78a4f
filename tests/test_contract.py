"""Every registered environment keeps the contract, and every way of breaking it is named."""

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from conftest import tiny
from gymnasium import spaces

import il_bench as il
from il_bench.cli.flags import field_docs
from il_bench.core.arrays import namespace
from il_bench.core.env import Certificate, Env
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.settings import Values
from il_bench.core.streams import Streams
from il_bench.measures import contract, lipschitz, loops

DIALS = {"lane": (1.05, 1.2, 1.7), "tube": (0.8, 1.0, 1.3), "linear": (0.7, 1.0, 1.4)}


@pytest.mark.parametrize("name", il.ENVS)
def test_a_registered_environment_keeps_its_contract(name):
    env = il.make(name, seeds=3, horizon=25)
    assert contract.problems(env, il.expert(env)) == []


@pytest.mark.parametrize(
    ("identifier", "settings", "label"),
    [("FrozenLake-v1", {}, True), ("CartPole-v1", {}, False), ("Blackjack-v1", {}, False)],
)
def test_an_environment_that_shows_one_label_is_declared_an_indicator(identifier, settings, label):
    """Two labels are the same or not; as rows of bits they would be the root of two apart."""
    env = il.make(identifier, horizon=8, **settings)
    assert env.indicator == label
    state = env.initial(Streams((0,)), 3)
    other = torch.roll(state, 1, -1)
    assert env.certificate().metric.startswith("0/1") == label
    assert (env.distance(state, other) == 1).all() == label
    assert (env.distance(state, state) == 0).all()
    env.close()


@pytest.mark.parametrize("name", il.ENVS)
def test_every_setting_of_an_environment_is_documented(name):
    cls = il.ENVS[name]
    assert {f.name for f in dataclasses.fields(cls)} <= set(field_docs(cls))


DEAR = ("ocr", "power", "quad", "kart", "arm", "ranked", "noisy")
"""Environments whose steps cost several times those of the others: they are asked about fewer pairs."""


@pytest.mark.parametrize("name", il.ENVS)
def test_a_certified_dial_survives_random_pairs_and_gradient_ascent(name):
    """The pair that attains it is exact whatever their number; `certify` tries a million."""
    dial = {"lipschitz": DIALS[name]} if name in DIALS else {}
    env = il.make(name, horizon=30, **dial)
    pairs = 10_000 if name in DEAR else 20_000
    lipschitz.assert_lipschitz(env, pairs // env.runs)


LOOPS = {"tube": 0.36, "linear": 0.5, "arm": 1.0582, "pair": 0.625, "shift": 1.2, "circle": 0.0}


@pytest.mark.parametrize("name", LOOPS)
def test_the_closed_loop_is_a_constant_that_pairs_reach_and_do_not_exceed(name):
    env = il.make(name, horizon=30)
    claimed = env.certificate().closed_loop
    assert claimed == pytest.approx([LOOPS[name]], rel=1e-4)
    assert list(lipschitz.loop_exceeded(env, None, 4_000)) == []
    less = tuple(0.99 * value - 2e-7 for value in claimed)
    smaller = dataclasses.replace(env.certificate(), closed_loop=less)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(env), "certificate", lambda self: smaller)
        assert "under the expert a pair of run 0 is stretched by" in next(
            lipschitz.loop_exceeded(env, None, 4_000)
        )


@pytest.mark.parametrize("name", ["sign", "cliff", "tube"])
def test_pairs_at_which_the_expert_is_exhausted_are_no_part_of_its_loop(name):
    """Random states are far out, where its action is at the bound and the plant's own L is left."""
    env = il.make(name, horizon=30)
    assert list(lipschitz.loop_exceeded(env, None, 4_000)) == []


def test_the_arm_s_loop_has_its_pole_twice_and_is_the_one_that_its_expert_closes():
    env = il.make("arm", horizon=20)
    expert = il.expert(env)
    certificate = env.certificate()
    poles = np.linalg.eigvals(env.loop())
    assert np.abs(poles) == pytest.approx(certificate.loop_radius * 2, rel=1e-6)
    path = rollout(env, by_expert(env, expert), Streams(env.seeds), 1)
    contraction = loops.contraction(env, expert, path, Streams(env.seeds))
    assert contraction.longest[0, 1] == pytest.approx(certificate.closed_loop[0], rel=1e-6)


@pytest.mark.parametrize("name", DIALS)
def test_gradient_ascent_finds_the_dial_from_below(name):
    """The search is worth something only if it comes near the constant that it fails to exceed."""
    env = il.make(name, horizon=30, lipschitz=DIALS[name])
    found = torch.maximum(lipschitz.steepest(env), lipschitz.largest_stretch(env, 20_000))
    assert (found > 0.98 * torch.tensor(env.values("lipschitz"))).all()


def test_lane_attains_its_constant_by_its_formula():
    env = il.make("lane", lipschitz=(1.05, 1.2, 2.0), yaw=1.05)
    for jacobian, big, g in zip(
        env.jacobians(), env.values("lipschitz"), env.values("yaw"), strict=True
    ):
        assert np.linalg.svd(jacobian)[1] == pytest.approx([big, g / big], abs=1e-12)
    assert env.jacobians()[0][0, 1] == pytest.approx(0, abs=1e-7)  # L = g: the car does not advance


def test_lane_proves_its_constant_on_a_grid():
    """dJ/dpsi is bounded by h, so a grid of width w bounds the largest singular value everywhere to h w."""
    env = il.make("lane")
    h, g = env.jacobians()[0][0, 1], env.jacobians()[0][1, 1]
    psi = np.linspace(-math.pi, math.pi, 20_001)
    width = psi[1] - psi[0]
    top = max(np.linalg.norm(np.array([[1, h * math.cos(p)], [0, g]]), 2) for p in psi[::20])
    assert top <= 1.2 * (1 + 1e-12)
    assert top + h * 20 * width < 1.2 + 0.003


@pytest.mark.parametrize(("name", "expected"), [("tube", 0.3 * 1.2), ("linear", 0.5)])
def test_the_closed_loop_is_what_the_certificate_says(name, expected):
    env = tiny(name)
    certificate, expert = env.certificate(), il.expert(env)
    one, two = certificate.pair
    noise = torch.zeros(1, 1, env.noise_size, dtype=torch.float64)
    after = [env.transition(s, expert.act(s), noise) for s in (one, two)]
    assert certificate.closed_loop == pytest.approx([expected])
    assert (env.distance(*after) / env.distance(one, two)).item() == pytest.approx(
        expected, rel=1e-9
    )


def test_lane_expert_is_the_optimal_regulator():
    """No gain near K has a smaller cost: the cost of u = -K x, from the discrete Lyapunov equation, has no gradient."""
    from scipy.linalg import solve_discrete_lyapunov

    env = il.make("lane")
    a, b, k = env.jacobians()[0], np.array([[0.0], [0.3]]), il.expert(env).gain[0].numpy()

    def cost(gain):
        loop = a - b @ gain
        return np.trace(solve_discrete_lyapunov(loop.T, np.eye(2) + 0.1 * gain.T @ gain))

    for step in (np.array([[1e-4, 0]]), np.array([[0, 1e-4]])):
        slope = (cost(k + step) - cost(k - step)) / 2e-4
        assert abs(slope) < 1e-4 * cost(k)


def test_lane_expert_keeps_the_car_on_the_road_at_every_dial():
    env = il.make("lane", lipschitz=(1.05, 1.1, 1.2, 1.5), wind=(0.0, 0.01))
    record = il.compare(env, il.expert(env), episodes=8)
    assert (
        il.expert(env).gain[:2, 0, 0] == 0
    ).all()  # L = yaw: the car does not advance, its offset cannot be steered
    assert not record.arrays["terminated"].any()
    assert np.abs(record.arrays["state"][..., 0]).max() < 1


def test_in_the_linear_case_the_drift_does_not_depend_on_the_noise_drawn():
    env = il.make("linear", horizon=30, noise=0.01, seeds=3)

    class Off(il.Expert):
        """A linear controller with another gain."""

        def act(self, state):
            return il.expert(env).act(state) - 0.0001

    drift = il.compare(env, il.expert(env), episodes=6, off=Off()).arrays["divergence"][1]
    assert drift[..., -1].min() > 1e-4
    # One start and one law: every rollout differs from its twin by the same amount, whatever wind both felt.
    assert np.ptp(drift.reshape(-1, 31), axis=0).max() < 1e-13


def test_the_reset_cliff_draws_its_states_from_rho():
    env = il.make("resetcliff", rarity=9.0, size=5)
    states = env.initial(Streams((0,)), 20_000)[0, :, 0]
    shares = torch.bincount(states.long(), minlength=5) / 20_000
    assert shares.tolist() == pytest.approx([0.1, 0.1, 0.1, 0.7, 0], abs=0.011)


@pytest.mark.parametrize(("recoverable", "dial"), [(True, 0.0), (False, 1.0)])
def test_the_cliffs_dial_is_whether_one_can_come_back(recoverable, dial):
    """Over all pairs of states, actions and a grid of noise: computed, not searched."""
    env = il.make("resetcliff", size=4, actions=3, rarity=5.0, recoverable=recoverable)
    pairs = torch.cartesian_prod(*[torch.arange(4.0, dtype=torch.float64)] * 2)
    apart = pairs[pairs[:, 0] != pairs[:, 1]]
    one, two = apart.T[:, None, :, None]
    stretches = []
    for action in range(3):
        for noise in torch.linspace(-3, 3, 25, dtype=torch.float64):
            step = torch.full_like(one, action), noise.expand_as(one)
            ends = env.transition(one, *step), env.transition(two, *step)
            stretches.append((env.distance(*ends) / env.distance(one, two)).max().item())
    assert max(stretches) == dial
    certificate = env.certificate()
    assert certificate.value == certificate.closed_loop == (dial,)
    assert certificate.kind == "exact"


@pytest.mark.parametrize(("recoverable", "returns"), [(True, 10.0), (False, 0.0)])
def test_the_bad_state_is_left_by_the_experts_action_or_never(recoverable, returns):
    env = il.make("resetcliff", horizon=11, recoverable=recoverable)
    bad = torch.full((1, 1, 1), 9.0, dtype=torch.float64)
    right, wrong, noise = (
        torch.zeros(1, 1, 1),
        torch.ones(1, 1, 1),
        torch.zeros(1, 1, 1, dtype=torch.float64),
    )
    assert env.transition(bad, wrong, noise).item() == 9
    assert (env.transition(bad, right, noise).item() != 9) == recoverable
    assert env.reward(bad, right, bad).item() == 0


@dataclass(frozen=True, kw_only=True)
class Good(Env):
    """s' = L s + a, a minimal environment that keeps the contract."""

    horizon: int = 10
    lipschitz: Values = 1.1
    """L."""
    states: ClassVar = {"s": ""}
    arrays: ClassVar = "any"
    observation_space = spaces.Box(-100.0, 100.0, (1,))
    action_space = spaces.Box(-1.0, 1.0, (1,))

    def validate(self):
        pass

    def initial(self, streams, episodes):
        return streams.uniform("initial", episodes, 1)

    def transition(self, state, action, noise):
        return self.per_run(self.lipschitz, 3) * state + action

    def observation(self, state):
        return state

    def reward(self, state, action, next_state):
        return -abs(next_state[..., 0])

    def terminal(self, state):
        return abs(state[..., 0]) > 50

    def difference(self, state, other):
        return state - other

    def certificate(self):
        one = torch.zeros(self.runs, 1, 1, dtype=torch.float64)
        return Certificate(self.values("lipschitz"), "absolute", "exact", pair=(one, one + 1))

    def draw(self, state, size, ghost=None):
        return np.zeros((size[1], size[0], 3), dtype=np.uint8)


def broken(**methods):
    return type("Broken", (Good,), methods)


def drift_in_secret(self, state, action, noise):
    return state + torch.rand(state.shape, dtype=torch.float64)


def forget_the_runs(self, state, action, noise):
    return self.values("lipschitz")[0] * state + action


def stretch(self, state, action, noise):
    xp = namespace(state)
    return self.per_run(self.lipschitz, 3) * state + 0.3 * xp.sin(5 * state) + action


BREAKS = {
    "initial: expected (R=2, E=3, X=1)": {
        "initial": lambda self, streams, episodes: torch.zeros(2, 3, 4)
    },
    "initial: expected float64, got torch.float32": {
        "initial": lambda self, s, e: s.uniform("i", e, 1).float()
    },
    "reward: expected shape (2, 3), got (2, 3, 1)": {"reward": lambda self, s, a, n: n},
    "terminal: expected bool": {"terminal": lambda self, s: s[..., 0]},
    "take every random number from `noise`": {"transition": drift_in_secret},
    "declared an indicator, but": {"indicator": True},
    "is 0 or 1 wherever random actions lead; say so": {
        "difference": lambda self, one, other: (one != other) * (1 + 0 * one)
    },
    "left observation_space": {"observation_space": spaces.Box(-0.1, 0.1, (1,))},
    "run 1 alone differs from run 1 of 2": {"transition": forget_the_runs},
    "the attaining pair of run 0 is stretched by 1.1": {
        "certificate": lambda self: dataclasses.replace(
            Good.certificate(self), value=(1.3, 1.3), kind="exact"
        )
    },
    "a pair of run 0 is stretched": {"transition": stretch, "arrays": "torch"},
    "says exact without a pair": {
        "certificate": lambda self: dataclasses.replace(Good.certificate(self), pair=None)
    },
    "expected one value for each of 2 runs": {
        "certificate": lambda self: Certificate((1.1,), "absolute", "upper")
    },
    "numpy_twin: environment Broken: ": {
        "transition": lambda self, s, a, n: torch.add(1.1 * s, a) if True else s
    },
    "draw: expected a uint8 frame (120, 160, 3)": {
        "draw": lambda self, s, size, ghost=None: np.zeros((120, 160))
    },
    "raised RuntimeError (out of gas); mend it there": {
        "observation": lambda self, s: (_ for _ in ()).throw(RuntimeError("out of gas"))
    },
}


def test_the_good_one_is_good():
    il.check(Good(seed=(0, 1), lipschitz=(1.1, 1.2)))


@pytest.mark.parametrize("sentence", BREAKS)
def test_a_broken_contract_is_named(sentence):
    dial = (1.1, 1.3) if "alone differs" in sentence else 1.1
    env = broken(**BREAKS[sentence])(seed=(0, 1), lipschitz=dial)
    if "attaining pair" in sentence:
        assert sentence in next(lipschitz.attained(env, env.certificate()))
        return
    with pytest.raises(ValueError, match="Broken breaks its contract") as caught:
        il.check(env)
    assert sentence in str(caught.value)


def test_a_certificate_that_disagrees_with_the_dial_is_named():
    env = broken(certificate=lambda self: Certificate((1.0,), "absolute", "upper"))()
    assert "declares (1.0,) where the setting says (1.1,)" in contract.problems(env)[0]


def test_an_unbounded_action_box_hides_nothing():
    env = broken(transition=stretch, action_space=spaces.Box(-np.inf, np.inf, (1,)))()
    with pytest.raises(AssertionError, match="a pair of run 0 is stretched by"):
        lipschitz.assert_lipschitz(env, pairs=20_000)


@pytest.mark.parametrize("name", ["tube", "linear"])
def test_certificates_hold_far_from_the_defaults(name):
    env = il.make(name, lipschitz=(0.5, 1.7, 3.0), horizon=20)
    lipschitz.assert_lipschitz(env, pairs=40_000)
    one, two = env.certificate().pair
    # Near the clip the expert is not saturated either: the closed loop is what the certificate says everywhere.
    for size in (0.01, 0.9):
        near = [
            torch.cat((torch.full_like(s[..., :-1], size * 10), s[..., -1:]), -1)
            for s in (one, two)
        ]
        near[1][..., 0] -= 1e-3
        after = [
            env.transition(
                s, il.expert(env).act(s), torch.zeros(3, 1, env.noise_size, dtype=torch.float64)
            )
            for s in near
        ]
        loop = env.distance(*after) / env.distance(*near)
        assert loop[:, 0].tolist() == pytest.approx(env.certificate().closed_loop, rel=1e-6)


def test_assert_lipschitz_can_fail():
    with pytest.raises(AssertionError, match="a pair of run 0 is stretched by"):
        lipschitz.assert_lipschitz(broken(transition=stretch)(), pairs=20_000)


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda self, s: s[..., 0], r"expert: expected actions \(1, 30, 1\), got \(1, 30\)"),
        (lambda self, s: s * torch.nan, "expert: gave actions that are not finite"),
        (lambda self, s: 7 + 0 * s, "expert: gave actions outside action_space"),
    ],
)
def test_a_wrong_expert_is_named(act, sentence):
    expert = type("Wrong", (il.Expert,), {"act": act})()
    with pytest.raises(ValueError, match=sentence):
        il.check(Good(), expert)


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        (
            "lane",
            {"lipschitz": 0.0},
            r"lipschitz: lane needs L >= max\(1, yaw\) = 1.05, got 0; raise L or lower --yaw",
        ),
        ("lane", {"lipschitz": -1.0}, "lipschitz: lane needs L >= "),
        ("lane", {"lipschitz": float("nan")}, "lipschitz: expected finite numbers, got nan"),
        ("lane", {"lipschitz": float("inf")}, "lipschitz: expected finite numbers, got inf"),
        ("lane", {"lipschitz": 1.04}, "lane needs L >= "),
        ("lane", {"lipschitz": "fast"}, "lipschitz: expected numbers, got 'fast'"),
        ("lane", {"wind": -0.1}, "wind: expected a number of at least 0"),
        ("lane", {"horizon": 0}, "horizon: expected a whole number of at least 1, got 0"),
        (
            "tube",
            {"lipschitz": 0.0},
            "lipschitz: expected 0 < L < 3.33, where the expert holds, got 0",
        ),
        ("linear", {"size": 3}, "size: expected 2, 4, 6 or 8 coordinates, got 3"),
        ("resetcliff", {"actions": 1}, "actions: expected at least 2, got 1"),
        ("resetcliff", {"rarity": 2.0}, "rarity: expected more than 7 for 10 states"),
        ("lane", {"seeds": 0}, "seeds: expected at least 1, got 0"),
        ("lane", {"seeds": ()}, "seeds: expected at least 1, got none"),
    ],
)
def test_settings_that_no_environment_can_have_are_sentences(name, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        il.make(name, **settings)


def test_a_setting_that_does_not_exist_is_a_sentence():
    with pytest.raises(TypeError, match="lane has no setting 'lipshitz'; did you mean 'lipschitz'"):
        il.make("lane", lipshitz=1.2)


def test_settings_of_unequal_length_are_a_sentence():
    with pytest.raises(
        ValueError, match=r"settings: expected one value or one for each run, got lengths \[2, 3\]"
    ):
        il.ENVS["lane"](lipschitz=(1.1, 1.2), seed=(0, 1, 2))


def test_make_combines_settings_and_seeds():
    env = il.make("lane", lipschitz=(1.1, 1.2), wind=(0.0, 0.1), seeds=(7, 9))
    assert env.runs == 8
    assert env.values("lipschitz") == (1.1,) * 4 + (1.2,) * 4
    assert env.values("wind") == (0, 0, 0.1, 0.1) * 2
    assert env.seeds == (7, 9) * 4
    assert env[5].lipschitz == 1.2
    assert env[5].seeds == (9,)


def test_a_run_is_picked_by_its_number_and_a_wrong_one_is_a_sentence():
    env = il.make("tube", lipschitz=(0.8, 1.2), seeds=2)
    assert [one.lipschitz for one in env] == [0.8, 0.8, 1.2, 1.2]
    assert env[-1] == env[3]
    policy = il.BC(1, il.Training(hidden=(4,), updates=1)).learn(env, il.expert(env))
    assert torch.equal(policy[-1].layers[0], policy[3].layers[0])
    for thing in (env, policy):
        with pytest.raises(
            IndexError, match="run: expected 0 to 3, got 4; choose one of the 4 runs"
        ):
            thing[4]
