"""Probes and the table of measures, on environments whose answers are known."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL

import il_bench as il
from il_bench import measure
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.streams import Streams
from il_bench.measures import assess, probes


class Proportional(il.Expert):
    """a = -k s on the linear plant, its pull cancelled: the closed loop is known."""

    def __init__(self, env, keep):
        self.env, self.keep = env, keep

    def act(self, state):
        return (
            self.env.pull(state)
            - (self.env.lipschitz - self.keep) * self.env.rotated(state[..., :-1])
        ) / self.env.gain


def linear(**settings):
    return il.make("linear", **{"horizon": 40, "seeds": 2, **settings})


def path(env, expert, episodes=4):
    return rollout(env, by_expert(env, expert), Streams(env.seeds), episodes)


@pytest.mark.parametrize("keep", [0.3, 0.9, 1.1])
def test_the_lyapunov_growth_of_a_linear_loop_is_its_closed_loop(keep):
    env = linear()
    who = Proportional(env, keep)
    found = probes.lyapunov(env, who, path(env, who), Streams(env.seeds))
    assert found.tolist() == pytest.approx([keep, keep], rel=1e-9)


def test_lane_s_lyapunov_growth_is_its_expert_s_spectral_radius():
    env = il.make("lane", seeds=2)
    expert = il.expert(env)
    loop = env.jacobians()[0] - np.array([[0.0], [0.3]]) @ expert.gain[0].numpy()
    radius = np.abs(np.linalg.eigvals(loop)).max()
    found = probes.lyapunov(env, expert, path(env, expert, 8), Streams(env.seeds))
    assert found.tolist() == pytest.approx(
        [radius] * 2, rel=0.01
    )  # 200 steps: the first direction is forgotten by then


def test_action_gain_and_sensitivity_of_the_linear_plant():
    env = linear()
    who = Proportional(env, 0.5)
    along = path(env, who)
    assert probes.action_gain(env, along, Streams(env.seeds)).tolist() == pytest.approx(
        [env.gain] * 2, rel=1e-6
    )
    slope = probes.sensitivity(env, who.act, along)
    assert slope.tolist() == pytest.approx([(1.2 - 0.5) / env.gain] * 2, rel=1e-6)


def test_the_dial_s_coordinates_leave_the_context_out():
    env = il.make("lane")
    state = env.initial(Streams((0,)), 2)
    assert probes.dial_coordinates(env, state).tolist() == [True, True, False, False]


@pytest.mark.parametrize("keep", [0.5, 0.8])
def test_a_kick_is_forgotten_after_the_steps_that_its_decay_takes(keep):
    env = linear()
    found = probes.kick(env, Proportional(env, keep), Streams(env.seeds), 6, size=1e-3, at=5)
    steps = math.floor(math.log(0.1) / math.log(keep)) + 1
    assert found.recovered.all()
    assert found.median().tolist() == [steps, steps]


def test_a_kick_that_grows_is_censored_not_missing():
    env = linear()
    found = probes.kick(env, Proportional(env, 1.05), Streams(env.seeds), 6, size=1e-3, at=5)
    assert not found.recovered.any()
    assert (found.steps == 35).all()
    assert found.median().tolist() == [math.inf, math.inf]


def test_kaplan_meier_on_a_case_worked_by_hand():
    # Events at 1 and 3, censored at 2 and 4: S(1) = 3/4, S(3) = 3/4 * 1/2 = 3/8, so half are reached at 3.
    times, happened = np.array([1, 2, 3, 4]), np.array([True, False, True, False])
    assert probes.kaplan_meier_median(times, happened) == 3
    assert probes.kaplan_meier_median(times, np.array([True, False, False, False])) == math.inf
    assert probes.kaplan_meier_median(times, np.zeros(4, dtype=bool)) == math.inf


def test_one_wrong_action_costs_one_step_where_one_can_come_back():
    """Falling loses the reward of the wrong step and of the step that climbs back; never coming back loses the rest."""
    for recoverable, low, high in ((True, 2, 2), (False, 15, 20)):
        env = il.make("resetcliff", horizon=20, seeds=2, recoverable=recoverable, actions=50)
        expert = il.expert(env)
        found = probes.recoverability(env, expert, path(env, expert, 16), Streams(env.seeds))
        assert ((found >= low) & (found <= high)).all()


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_the_plant_answers_a_constant_error_with_its_plateau(keep):
    """delta' = keep Q delta + v settles at |(1 - keep Q)^{-1} v|."""
    from il_bench.envs.linear import ANGLE

    env = linear(horizon=150)
    expert = Proportional(env, keep)
    turn = np.array([[math.cos(ANGLE), -math.sin(ANGLE)], [math.sin(ANGLE), math.cos(ANGLE)]])
    push = env.gain * np.ones(2) / math.sqrt(2)
    expected = np.linalg.norm(np.linalg.solve(np.eye(2) - keep * turn, push))
    assert probes.response(
        env, expert, "constant", Streams(env.seeds), 4
    ).tolist() == pytest.approx([expected] * 2, rel=1e-4)


def test_zero_mean_errors_leave_the_spread_of_an_autoregression():
    """delta' = keep Q delta + v with E|v|^2 = gain^2 settles at E|delta|^2 = gain^2 / (1 - keep^2)."""
    env = linear(horizon=40, seeds=1)
    expert, streams = Proportional(env, 0.5), Streams(env.seeds)
    shifted = probes.Shifted(env, expert, 1e-3, "zero-mean", streams.fork("probe"))
    ends = [
        rollout(env, by_expert(env, who), streams, 1000).state[:, :, -1]
        for who in (expert, shifted)
    ]
    square = (env.distance(*ends) / 1e-3 / env.gain) ** 2
    assert square.mean().item() == pytest.approx(1 / 0.75, abs=3 * square.std().item() / 1000**0.5)
    assert probes.response(env, expert, "zero-mean", streams, 50).item() > 0


@pytest.mark.parametrize("keep", [0.5, 1.0, 1.1])
def test_the_worst_errors_add_up_as_the_envelope_says(keep):
    """On a line of its own the worst error is always of one sign: D_T / (gain epsilon) is sum_t keep^t."""
    from il_bench.stats.theory import envelope

    env = il.make("tube", horizon=30, seeds=2, lipschitz=1.2)

    class Held(il.Expert):
        def act(self, state):
            return ((env.pull(state) - (1.2 - keep) * state[..., 0]) / env.gain)[..., None]

    found = probes.response(env, Held(), "adversarial", Streams(env.seeds), 4, size=1e-6)
    assert found.tolist() == pytest.approx([env.gain * envelope(1.0, keep, 30)[-1]] * 2, rel=1e-6)


def test_the_adversary_does_worse_than_a_constant_error_where_the_loop_turns():
    env = linear(horizon=60)
    expert, streams = Proportional(env, 0.95), Streams(env.seeds)
    worst, constant = (
        probes.response(env, expert, way, streams, 4) for way in ("adversarial", "constant")
    )
    assert (worst > 2 * constant).all()


def test_independent_noise_parts_two_experts_by_the_spread_of_an_autoregression():
    """q' = 0.36 q + sigma w in both: their difference has variance 2 sigma^2 / (1 - 0.36^2), its length a median."""
    env = il.make("tube", horizon=40, noise=0.01, seeds=1)
    found = probes.independent(env, il.expert(env), Streams(env.seeds), 2000).item()
    expected = 0.6745 * 0.01 * (2 / (1 - 0.36**2)) ** 0.5
    assert found == pytest.approx(expected, rel=0.08)  # a median of 2000: 2.4 % standard error
    quiet = il.make("tube", horizon=10)
    with pytest.raises(probes.Unanswerable, match="nothing is random"):
        probes.independent(quiet, il.expert(quiet), Streams(quiet.seeds), 4)


def assessed(**changes):
    env = il.make("tube", **{"horizon": 60, "seeds": 3, "noise": 0.05, **changes})
    expert = il.expert(env)
    bc = il.BC(4, il.Training(hidden=(16,), updates=1200, lr=3e-3)).learn(env, expert)
    return il.compare(env, expert, episodes=12, bc=bc)


def test_everything_is_measured_on_a_record_and_stored(tmp_path, capsys):
    folder = assessed().save(tmp_path / "kept")
    measure.main([str(folder)])
    said = capsys.readouterr().out
    held = json.loads((folder / "measures.json").read_text())
    values = held["rows"][0]["values"]
    assert set(values) == set(measure.QUANTITIES)
    fitted, derived = (
        values[f"growth a step, {how}"]["value"] for how in ("fitted", "Lyapunov, learner's path")
    )
    assert fitted == pytest.approx(derived, abs=0.05)
    assert fitted == pytest.approx(0.36, abs=0.05)
    assert values["small gain rho + L_a Lip(error)"]["value"] > 0.36
    assert values["naive bound L + L_a Lip(policy)"]["value"] == pytest.approx(1.2 + 0.84, abs=0.2)
    assert values["exposure gap on / off"]["value"] == pytest.approx(1, abs=0.3)
    assert "saturating 3" in said
    assert "action error of i (rows) on the states of j (columns)" in said
    assert held["action_error_matrix"]["bc"]["expert"]["value"] == pytest.approx(
        values["action error off (expert's states)"]["value"], rel=1e-6
    )


def test_what_cannot_be_measured_says_why():
    env = il.make("CartPole-v1", horizon=25, seeds=2)
    expert = il.expert(env, lambda obs: (obs[:, 2] + obs[:, 3] > 0).astype(int))
    policy = il.BC(2, SMALL).learn(env, expert)
    table = str(il.assess(env, expert, policy, episodes=4))
    assert "needs an environment that can be put into a state; this one only steps on" in table
    values = il.assess(env, expert, policy, episodes=4).rows[0]["values"]
    assert (
        "needs a derivative" in values["naive bound L + L_a Lip(policy)"]
        or "put into a state" in values["naive bound L + L_a Lip(policy)"]
    )
    assert values["cost gap"].value == values["cost gap"].value


def test_anything_with_predict_is_assessed():
    class Lazy:
        """What stable-baselines3 calls a model."""

        def predict(self, obs, state=None, episode_start=None, deterministic=True):
            return np.zeros((len(obs), 1), dtype=np.float32), None

    env = il.make("tube", horizon=30, seeds=2)
    found = il.assess(env, il.expert(env), Lazy(), episodes=10)
    assert found.rows[0]["values"]["growth a step, fitted"].value == pytest.approx(1.2, abs=0.02)


def test_the_expert_assessed_against_itself_has_nothing_to_report():
    env = il.make("tube", horizon=20, seeds=2)
    row = il.assess(env, il.expert(env), il.expert(env), episodes=8).rows[0]
    assert row["class"] == "none 2"
    assert row["values"]["D at the horizon, median"].value == 0
    assert row["values"]["exposure gap on / off"].value == 1


def test_a_record_of_a_strangers_file_is_measured_as_far_as_its_arrays_go(tmp_path):
    record = assessed()
    record.config["env"]["name"] = "their:Env"
    record.known_env = None
    table = assess.of_record(il.load(record.save(tmp_path / "kept")))
    values = table.rows[0]["values"]
    assert "is a file's; name it" in values["growth a step, Lyapunov, learner's path"]
    assert values["growth a step, fitted"].value == pytest.approx(0.36, abs=0.05)
    assert "is a file's" in table.errors


def test_a_folder_that_is_no_record_is_a_sentence(capsys):
    with pytest.raises(SystemExit) as stop:
        measure.main(["nowhere"])
    assert stop.value.code == 2
    assert "is not a Record" in capsys.readouterr().err


def test_the_horizon_law_tells_a_power_from_an_exponential():
    from il_bench.measures.quantities import Assessment, horizon_law

    record = assessed(horizon=100)
    steps = np.arange(1, 101.0)
    for losses, power in ((steps, True), (np.exp(0.1 * steps), False)):
        record.arrays["reward"] = np.zeros_like(record.arrays["reward"])
        record.arrays["reward"][1] = -losses
        slope, wins = horizon_law(Assessment(record, 1, "", "", ""))
        assert wins.tolist() == [power] * 3
        if power:
            assert slope.tolist() == pytest.approx(
                [2] * 3, abs=0.1
            )  # sums of t grow as T^2 / 2 + T / 2


def certified(capsys, *args):
    from il_bench import certify

    code = 0
    try:
        certify.main(list(args))
    except SystemExit as stop:
        code = stop.code
    return code, capsys.readouterr()


def test_certify_prints_the_certificate_and_what_was_tried(capsys, monkeypatch):
    monkeypatch.setattr("il_bench.certify.PAIRS", 20_000)
    code, said = certified(capsys, "lane", "--lipschitz", "1.1", "1.2")
    assert code == 0
    assert "lane: exact, in the metric Euclidean over (offset, heading)" in said.out
    assert said.out.count(": holds") == 3


def test_certify_refutes_a_wrong_claim(capsys, monkeypatch):
    import dataclasses

    tube = il.ENVS["tube"]
    honest = tube.certificate
    monkeypatch.setattr("il_bench.certify.PAIRS", 20_000)
    monkeypatch.setattr(
        tube, "certificate", lambda self: dataclasses.replace(honest(self), value=(1.1,))
    )
    code, said = certified(capsys, "tube", "--lipschitz", "1.2")
    assert code == 1
    assert "REFUTED" in said.out


def test_certify_needs_a_name(capsys):
    code, said = certified(capsys, "--lipschitz", "1.2")
    assert code == 2
    assert "certify: expected the name of an environment first" in said.err


def test_torch_is_left_as_it_was():
    assert torch.get_num_threads() == 1
    assert Path().exists()
