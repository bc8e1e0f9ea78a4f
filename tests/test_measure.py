"""Probes and the table of measures, on environments whose answers are known."""

import dataclasses
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import SMALL, tiny

import il_bench as il
from il_bench import measure
from il_bench.core.rollout import by_expert, by_policy, rollout
from il_bench.core.streams import Streams
from il_bench.measures import assess, loops, probes, quantities, table, texts, words
from il_bench.measures.quantities import HEADINGS, Assessment, Reference, classes, why_not_linear
from il_bench.stats.growth import NONE, Growth
from il_bench.stats.intervals import Interval, contrast, interval


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
    found = loops.lyapunov(env, who, path(env, who), Streams(env.seeds))
    assert found.tolist() == pytest.approx([keep, keep], rel=1e-9)


def test_lane_s_lyapunov_growth_is_its_expert_s_spectral_radius():
    env = il.make("lane", seeds=2)
    expert = il.expert(env)
    loop = env.jacobians()[0] - np.array([[0.0], [0.3]]) @ expert.gain[0].numpy()
    radius = np.abs(np.linalg.eigvals(loop)).max()
    found = loops.lyapunov(env, expert, path(env, expert, 8), Streams(env.seeds))
    assert found.tolist() == pytest.approx(
        [radius] * 2, rel=0.01
    )  # 200 steps: the first direction is forgotten by then


def test_action_gain_and_sensitivity_of_the_linear_plant():
    env = linear()
    who = Proportional(env, 0.5)
    along = path(env, who)
    assert loops.action_gain(env, along).tolist() == pytest.approx([env.gain] * 2, rel=1e-6)
    slope = loops.sensitivity(env, who.act, along)
    assert slope.tolist() == pytest.approx([(1.2 - 0.5) / env.gain] * 2, rel=1e-6)


def test_the_dial_s_coordinates_leave_the_context_out():
    env = il.make("lane")
    state = env.initial(Streams((0,)), 2)
    assert probes.dial_coordinates(env, state).tolist() == [True, True, False, False]


@pytest.mark.parametrize("keep", [0.5, 0.8])
def test_a_kick_is_forgotten_after_the_steps_that_its_decay_takes(keep):
    env = linear()
    who = Proportional(env, keep)
    found = probes.kick(env, who, Streams(env.seeds), path(env, who, 6), size=1e-3, at=5)
    steps = math.floor(math.log(0.1) / math.log(keep)) + 1
    assert found.recovered.all()
    assert found.median().tolist() == [steps, steps]


def test_a_kick_that_grows_is_censored_not_missing():
    env = linear()
    who = Proportional(env, 1.05)
    found = probes.kick(env, who, Streams(env.seeds), path(env, who, 6), size=1e-3, at=5)
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
    found = probes.response(env, expert, "constant", path(env, expert), Streams(env.seeds))
    assert found.tolist() == pytest.approx([expected] * 2, rel=1e-4)


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
    assert probes.response(env, expert, "zero-mean", path(env, expert, 50), streams).item() > 0


@pytest.mark.parametrize("keep", [0.5, 1.0, 1.1])
def test_the_worst_errors_add_up_as_the_envelope_says(keep):
    """On a line of its own the worst error is always of one sign: D_T / (gain epsilon) is sum_t keep^t."""
    from il_bench.stats.theory import envelope

    env = il.make("tube", horizon=30, seeds=2, lipschitz=1.2)

    class Held(il.Expert):
        def act(self, state):
            return ((env.pull(state) - (1.2 - keep) * state[..., 0]) / env.gain)[..., None]

    lead = path(env, Held())
    found = probes.response(env, Held(), "adversarial", lead, Streams(env.seeds), size=1e-6)
    assert found.tolist() == pytest.approx([env.gain * envelope(1.0, keep, 30)[-1]] * 2, rel=1e-6)


def test_the_adversary_does_worse_than_a_constant_error_where_the_loop_turns():
    env = linear(horizon=60)
    expert, streams = Proportional(env, 0.95), Streams(env.seeds)
    worst, constant = (
        probes.response(env, expert, way, path(env, expert), streams)
        for way in ("adversarial", "constant")
    )
    assert (worst > 2 * constant).all()


def test_independent_noise_parts_two_experts_by_the_spread_of_an_autoregression():
    """q' = 0.36 q + sigma w in both: their difference has variance 2 sigma^2 / (1 - 0.36^2), its length a median."""
    env = il.make("tube", horizon=40, noise=0.01, seeds=1)
    expert = il.expert(env)
    found = probes.independent(env, expert, path(env, expert, 2000), Streams(env.seeds)).item()
    expected = 0.6745 * 0.01 * (2 / (1 - 0.36**2)) ** 0.5
    assert found == pytest.approx(expected, rel=0.08)  # a median of 2000: 2.4 % standard error
    quiet = il.make("tube", horizon=10)
    expert = il.expert(quiet)
    lead = path(quiet, expert)
    with pytest.raises(probes.Unanswerable, match="nothing is random"):
        probes.independent(quiet, expert, lead, Streams(quiet.seeds))


def assessed(updates=1200, **changes):
    env = il.make("tube", **{"horizon": 40, "seeds": 3, "noise": 0.05, **changes})
    expert = il.expert(env)
    bc = il.BC(4, il.Training(hidden=(16,), updates=updates, lr=3e-3)).learn(env, expert)
    return il.compare(env, expert, episodes=12, bc=bc)


def test_everything_is_measured_on_a_record_and_stored(tmp_path, capsys):
    folder = assessed().save(tmp_path / "kept")
    measure.main([str(folder)])
    said = capsys.readouterr().out
    begun = [line.split()[0] for line in said.splitlines()[:5]]
    assert begun == ["drift", "growth", "causes", "bounds", "cost"]
    headings = [line.strip() for line in said.splitlines() if line.strip() in HEADINGS]
    assert headings == begun
    held = json.loads((folder / "measures.json").read_text())
    values = held["rows"][0]["values"]
    assert set(values) == {name for part in HEADINGS.values() for name in part}
    fitted, derived = (
        values[f"growth a step, {how}"]["value"] for how in ("fitted", "Lyapunov, learner's path")
    )
    assert fitted == pytest.approx(derived, abs=0.05)
    assert fitted == pytest.approx(0.36, abs=0.05)
    assert values["small gain rho + C L_a Lip(error), estimate"]["value"] > 0.36
    assert values["naive growth L + L_a Lip(policy), estimate"]["value"] == pytest.approx(
        1.2 + 0.84, abs=0.2
    )
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
        "needs a derivative" in values["naive growth L + L_a Lip(policy), estimate"]
        or "put into a state" in values["naive growth L + L_a Lip(policy), estimate"]
    )
    assert values["cost gap"].value == values["cost gap"].value


def test_anything_with_predict_is_assessed():
    class Lazy:
        """What stable-baselines3 calls a model."""

        def predict(self, obs, state=None, episode_start=None, deterministic=True):
            return np.zeros((len(obs), 1), dtype=np.float32), None

    env = il.make("tube", horizon=12, seeds=2)
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


def test_probes_draw_the_noise_that_the_record_was_made_with():
    env = il.make("tube", horizon=15, seeds=2, noise=0.05)
    expert = il.expert(env)
    streams = Streams((7, 9), path="/demonstrations", first=(3, 40))
    record = il.compare(env, expert, episodes=4, streams=streams, again=expert)
    lead = Reference(record, env, expert).lead
    assert torch.equal(lead.state[:, :4], torch.from_numpy(record.arrays["state"][0]))


def test_an_earlier_record_without_its_streams_was_made_on_those_of_the_evaluation():
    env = il.make("tube", horizon=15, seeds=2, noise=0.05)
    expert = il.expert(env)
    record = il.compare(env, expert, episodes=4, again=expert)
    del record.config["streams"]
    lead = Reference(record, env, expert).lead
    assert torch.equal(lead.state[:, :4], torch.from_numpy(record.arrays["state"][0]))


def test_what_expert_and_plant_answer_is_asked_once_for_all_learners(monkeypatch):
    env = il.make("tube", horizon=15, seeds=2)
    expert = il.expert(env)
    record = il.compare(env, expert, episodes=4, one=expert, two=expert)
    begun = []
    initial = type(env).initial
    monkeypatch.setattr(type(env), "initial", lambda *given: begun.append(1) or initial(*given))
    assess.measures(record, env, expert, {"one": expert, "two": expert})
    # The expert alone, with a constant error and with zero-mean ones; and each of the two before its kick.
    assert len(begun) == 3 + 2


class Opening(il.Policy):
    """Pushes during its first four steps and rests from then on: it must remember how many steps it took."""

    def __init__(self, env):
        self.env, self.runs, self.action_space = env, env.runs, env.action_space

    def act(self, obs, memory=None, draw=None):
        steps = 0 if memory is None else memory
        push = 0.5 if steps < 4 else 0.0
        return torch.full((*obs.shape[:2], 2), push), steps + 1

    def __getitem__(self, run):
        return Opening(self.env[run])


def test_whoever_is_kicked_goes_on_with_what_it_remembers():
    env = linear(lipschitz=0.5)
    who, streams = Opening(env), Streams(env.seeds)
    calm = rollout(env, by_policy(env, who), streams, 6)
    found = probes.kick(env, who, streams, calm, size=1e-3, at=10)
    assert found.median().tolist() == [
        4,
        4,
    ]  # 0.5^4 < 0.1: pushed again, it would not have forgotten


def test_a_policy_that_remembers_is_no_function_of_the_state():
    env = linear()
    expert = Proportional(env, 0.5)
    along = path(env, expert)
    with pytest.raises(probes.Unanswerable, match="one without memory"):
        loops.lyapunov(env, Opening(env), along, Streams(env.seeds))


def test_errors_of_policies_that_act_by_chance_are_those_of_the_record():
    env = il.make("resetcliff", horizon=12, seeds=3)
    expert = il.expert(env)
    training = il.Training(hidden=(4,), updates=20)
    policies = {name: il.BC(1, training).learn(env, expert) for name in ("bc", "same")}
    record = il.compare(env, expert, policies, episodes=16, sample=True)
    found = assess.measures(record, env, expert, policies)
    for row in found.rows:
        off, on = (row["values"][f"action error {states}"].value for states in STATES)
        errors = found.errors[row["learner"]]
        assert errors["expert"].value == off
        assert errors["bc"].value == errors["same"].value == on
        assert on > 0


STATES = "off (expert's states)", "on (own states)"


def test_where_d_is_zero_or_one_its_quantities_are_chances():
    """A copy that is right half of the time: no median is shown, and what is compared are chances."""
    env = il.make("resetcliff", horizon=4, seeds=2, recoverable=False)
    expert = il.expert(env)

    class Bold(il.Expert):
        """Right in the states with even numbers."""

        def act(self, state):
            return state % 2

    record = il.compare(env, expert, episodes=20, bold=Bold())
    apart = record.arrays["divergence"][1, :, :, -1].mean(1)
    assert ((apart > 0) & (apart < 0.5)).all()
    values = assess.measures(record, env, expert, {"bold": Bold()}).rows[0]["values"]
    assert "its arithmetic mean is the chance to be apart" in values["D at the horizon, median"]
    assert "chance to be apart" in values["growth a step, fitted"]
    assert values["D at the horizon, arithmetic mean"].value == pytest.approx(apart.mean())
    assert values["D / ceiling"].value == pytest.approx(apart.mean())
    noise = values["D of two experts under independent noise"].value
    assert 0 < noise < 1
    assert "a little apart" in values["kick forgotten after, expert"]


def test_coverage_counts_the_states_that_were_lived():
    """Where an expert's episode ended, its state stands still: that is no demonstration of it."""
    env = il.make("tube", horizon=10, noise=0.05)
    expert = il.expert(env)
    record = il.compare(env, expert, episodes=3, copy=expert)
    lived = record.arrays["state"][0, 0, :, :5, 0].copy()
    record.arrays["length"][:] = 4
    record.arrays["state"][0, :, :, 5:, 0] = 9.0
    spreads = Reference(record, env, expert).spreads
    assert spreads[0].tolist() == pytest.approx([lived.std()], rel=1e-9)


def test_the_bounds_on_the_loss_are_held_against_it_where_they_are_bounds():
    known = words.Circumstances(horizon=10, indicator=True)
    row = row_with(counted=True, **{"cost gap / (T^2 error off)": 1.3})
    line = words.five_lines([row], known)["bounds"]
    assert "loses 1.3 times T^2 error, more than that bound allows" in line
    env = il.make("resetcliff", horizon=4)
    record = il.compare(env, il.expert(env), episodes=2, copy=il.expert(env))
    assert assess.measures(record, env, il.expert(env), {}).rows[0]["counted"]
    record.arrays["reward"] *= 5
    assert not assess.measures(record, env, il.expert(env), {}).rows[0]["counted"]


def test_whether_the_loss_is_bounded_is_asked_of_the_own_setting_alone():
    """Large rewards at one L took the bounds from all others."""
    env = il.make("resetcliff", horizon=4, rarity=(8.0, 9.0))
    record = il.compare(env, il.expert(env), episodes=2, copy=il.expert(env))
    record.arrays["reward"][:, 1] *= 5
    rows = assess.measures(record, env, il.expert(env), {}).rows
    assert [row["counted"] for row in rows] == [True, False]


def test_a_kick_that_is_too_large_in_one_run_is_no_reason_in_another(monkeypatch):
    env = dataclasses.replace(il.make("linear", horizon=20), seed=(0, 1))
    expert = il.expert(env)
    distance = type(env).distance
    far = torch.tensor([[0.0], [9.0]], dtype=torch.float64)
    streams = Streams(env.seeds)
    calm = rollout(env, by_expert(env, expert), streams, 3)
    kicked = {}
    for name, added in {"both": 0 * far, "one": far}.items():
        monkeypatch.setattr(type(env), "distance", lambda e, s, o, a=added: distance(e, s, o) + a)
        recovery = probes.kick(env, expert, streams, calm, np.full(2, 1e-3), 5)
        kicked[name] = recovery.median()
    assert kicked["one"][0] == kicked["both"][0]
    assert np.isnan(kicked["one"][1])


def test_who_drove_in_one_run_alone_is_told_of_that_one():
    """Runs without episodes of their own took the answer from all."""
    budget = SimpleNamespace(episodes=[0, 5], collected=[0.0, 10.0], falls=[0, 2])
    index = SimpleNamespace(budgets={"bc": budget})
    compared = SimpleNamespace(learners=["expert", "bc"], index=index)
    compared.returns = lambda learner: np.array([3.0, 3.0])
    a = SimpleNamespace(record=compared, learner=1, gap=np.zeros(2))
    lost = quantities.COST["return lost an episode while collecting"](a)
    assert np.isnan(lost[0])
    assert lost[1] == 1.0
    np.testing.assert_array_equal(
        quantities.COST["episodes ended early while collecting"](a), [np.nan, 2]
    )


def test_a_text_that_stays_on_its_path_is_no_number_of_its_own_run_alone():
    off = np.zeros((2, 2, 3, 5), dtype=bool)
    off[1, 1, :, 3:] = True
    compared = SimpleNamespace(arrays={"off_path": off})
    a = SimpleNamespace(record=compared, array=lambda name: off[1])
    np.testing.assert_array_equal(texts.TOLD["off the path at the end"](a), [np.nan, 1.0])


def test_the_trajectory_bound_holds_where_rewards_are_costs():
    """R is how far returns can be apart: of an expert that pays nothing it is not zero."""
    record = assessed(updates=1, horizon=10)
    record.arrays["reward"] -= 1
    a = Assessment(Reference(record, record.env, ""), 1, "")
    shown = HEADINGS["bounds"]["cost gap / (R first disagreement)"](a)
    assert ((shown > 0) & (shown <= 1)).all()


def test_classes_of_growth_that_are_as_frequent_stand_in_the_order_of_the_runs(monkeypatch):
    record = assessed(updates=1, horizon=10, seeds=4)
    a = Assessment(Reference(record, "", ""), 1, "")
    kinds = ["linear", "explosive", "explosive", "linear"]
    fits = [dataclasses.replace(NONE, kind=kind) for kind in kinds]
    monkeypatch.setattr(type(record), "growth", lambda self, *given, **named: fits)
    assert list(classes(a, np.arange(4))) == ["linear", "explosive"]
    assert list(classes(a, np.arange(1, 4))) == ["explosive", "linear"]


def test_one_policy_in_all_runs_is_said_to_be_one_and_has_no_interval_over_runs():
    env = il.make("tube", horizon=8, seeds=8)
    found = il.assess(env, il.expert(env), lambda obs: 0 * obs[:, :1], episodes=4)
    assert "policy is one policy in all 8 runs" in str(found)
    gap = found.rows[0]["values"]["cost gap"]
    assert gap.low == gap.value == gap.high


def test_policies_of_each_run_s_own_have_their_interval():
    record = assessed(updates=20, seeds=8, horizon=10)
    found = assess.measures(record, record.env, il.expert(record.env), {})
    assert found.notes == []
    assert found.rows[0]["values"]["cost gap"].low < found.rows[0]["values"]["cost gap"].high


def test_a_policy_whose_net_is_not_at_hand_says_so_and_the_rest_is_measured():
    record = assessed(updates=20, horizon=10)
    record.config["kinds"]["bc"] = "mine:Net"
    values = assess.of_record(record).rows[0]["values"]
    assert (
        "its net 'mine:Net' is not at hand" in values["naive growth L + L_a Lip(policy), estimate"]
    )
    assert values["recoverability u, 95 % quantile"].value > 0


def test_certificates_and_logs_show_themselves():
    env = il.make("tube", horizon=10, seeds=2, lipschitz=(0.9, 1.2))
    shown = dict(env.certificate().__rich_repr__())
    assert shown["L"] == (0.9, 0.9, 1.2, 1.2)
    assert "radius" in shown
    assert "pair" not in shown
    assert "<td" in env.certificate()._repr_html_()
    log = il.BC(2, SMALL).learn(env, il.expert(env)).log
    spent = dict(log.__rich_repr__())
    assert (spent["labels"], spent["updates"]) == (20, 60)
    low, high = spent["loss"]
    assert 0 <= low < high
    assert "BC(episodes=2" in log._repr_html_()
    assert dict(il.Log().__rich_repr__())["labels"] == 0


def test_a_folder_that_is_no_record_is_a_sentence(capsys):
    with pytest.raises(SystemExit) as stop:
        measure.main(["nowhere"])
    assert stop.value.code == 2
    assert "is not a Record" in capsys.readouterr().err


def test_learners_are_compared_run_by_run():
    env = il.make("tube", horizon=12, seeds=6, noise=0.05)
    expert = il.expert(env)
    policies = {name: il.BC(n, SMALL).learn(env, expert) for name, n in (("few", 1), ("more", 2))}
    record = il.compare(env, expert, policies, episodes=4)
    measured = assess.measures(record, env, expert, policies)
    first, second = measured.rows
    assert first["contrasts"] == {}
    pairs = second["contrasts"]
    assert pairs["D at the horizon"] == contrast(record.drift(2, 12), record.drift(1, 12))
    lost = record.cost_gap(2) - record.cost_gap(1)
    assert pairs["cost gap"].by == interval(lost)
    assert "against few, run by run" in str(measured)
    assert (
        " than few " in measured.summary["drift"] or "as near as few" in measured.summary["drift"]
    )
    json.dumps(measured.as_json())


def test_a_chance_is_its_mean_over_runs():
    env = tiny("parity", seeds=6)
    expert = il.expert(env)
    record = il.compare(env, expert, episodes=4, bc=il.BC(1, SMALL).learn(env, expert))
    values = assess.measures(record, env, expert, {}).rows[0]["values"]
    apart = record.arrays["divergence"][1, ..., -1].mean()
    assert values["D at the horizon, arithmetic mean"].value == pytest.approx(apart)
    assert record.rows()[0]["drift"][12].value == pytest.approx(apart)


KNOWN = words.Circumstances(horizon=100, indicator=False)


def test_the_table_says_why_a_run_is_not_linear():
    linear = Growth("saturating", 0.9, 0.8, 0.95, 0.1, 1.0, 0.0)
    bent = dataclasses.replace(linear, kind="not linear", reason="its errors persist")
    fits = SimpleNamespace(growth=[linear, bent, linear])
    row = row_with({"saturating": 2, "not linear": 1})
    row["why_not_linear"] = why_not_linear(fits, np.arange(3))
    printed = str(table.Measures([row], "none", [], KNOWN))
    assert re.search(r"not linear, because +its errors persist \(run 1\)\n", printed)
    row["why_not_linear"] = why_not_linear(fits, np.array([0, 2]))
    assert "because" not in str(table.Measures([row], "none", [], KNOWN))


def row_with(classes=None, settings=None, learner="bc", counted=False, **changes):
    """A row of the table in which everything is as it should be, but for the changes: numbers of eight runs."""
    values = dict.fromkeys((name for part in HEADINGS.values() for name in part), 1.0)
    values |= dict.fromkeys((quantities.LOST, quantities.ENDED, quantities.EXPERT_ENDED), 0.0)
    values |= {"D at the horizon, median": 0.5, "growth a step, fitted": 0.9} | changes
    pooled = {
        name: value if isinstance(value, str | Interval) else interval(np.full(8, value))
        for name, value in values.items()
    }
    classes = classes or {"saturating": 8}
    return {
        "learner": learner,
        "settings": settings or {},
        "class": table.class_text(classes),
        "classes": classes,
        "why_not_linear": "",
        "values": pooled,
        "counted": counted,
        "reference": "",
        "contrasts": {},
        "stopped": False,
    }


@pytest.mark.parametrize(
    ("heading", "row", "sentence"),
    [
        ("drift", row_with(**{"D at the horizon, median": 0}), "where its expert is (D = 0)"),
        ("drift", row_with(**{"D at the horizon, median": np.inf}), "became NaN or infinite"),
        ("drift", row_with(**{"D / ceiling": 0.7}), "(70 % of the distance between unrelated"),
        (
            "drift",
            row_with(**{"D / ceiling": 0.1, "D / that": 0.9}),
            "(no more than noise alone parts two experts)",
        ),
        ("drift", row_with(**{"D / ceiling": 0.1, "D / that": 20}), "(20 times what noise alone"),
        ("drift", row_with(**{"D / ceiling": 0.004, "D / that": "n/a: quiet"}), "(less than 1 %"),
        ("growth", row_with(), "errors are forgotten, by half every 7 steps (saturating in 8 of 8"),
        (
            "growth",
            row_with({"explosive": 5, "marginal": 3}, **{"growth a step, fitted": 1.1}),
            "a deviation by 1.10 a step: errors explode, doubled every 7 steps (explosive in 5 of 8",
        ),
        (
            "growth",
            row_with({"explosive": 4, "marginal": 4}, **{"growth a step, fitted": 1.0}),
            "the runs differ (explosive 4, marginal 4)",
        ),
        ("growth", row_with(**{"growth a step, fitted": np.nan}), "too little"),
        ("growth", row_with(**{"D at the horizon, median": 0}), "no deviation that could grow"),
        (
            "causes",
            row_with(**{"exposure gap on / off": 3}),
            "errs 3.0 times as much on its own states (1.0) as on its expert's (1.0): it meets what",
        ),
        ("causes", row_with(**{"exposure gap on / off": 0.3}), "drifts to where it errs less"),
        (
            "causes",
            row_with(**{"exposure gap on / off": Interval(3, 0.5, 9, 8, 8)}),
            "no clear exposure gap",
        ),
        ("causes", row_with(**{"action error off (expert's states)": 0}), "own alone, by 1.0"),
        ("causes", row_with(**{"action error on (own states)": np.inf}), "without limit"),
        (
            "bounds",
            row_with(
                **{
                    "naive growth L + L_a Lip(policy), estimate": 2,
                    "small gain rho + C L_a Lip(error), estimate": 0.7,
                }
            ),
            "grow by 2.00 a step by the naive estimate, 1.0 times the growth fitted, and by 0.700 by the "
            "small gain: errors stay small",
        ),
        ("bounds", row_with(), "an explosion is not ruled out"),
        (
            "bounds",
            row_with(**{"naive growth L + L_a Lip(policy), estimate": "n/a: needs a derivative"}),
            "no bound on its growth (needs a derivative)",
        ),
        (
            "cost",
            row_with(**{"cost gap": 3, "expert's return": 12, "seconds": 0.5, "labels": 1200}),
            "loses 3.0 of its expert's return 12.0 (25 %), growing like T^1.0, and took 1,200 labels, "
            "1 update and 0.50 s to learn (1 early end on the way)",
        ),
        (
            "cost",
            row_with(**{"cost gap": Interval(1, -1, 2, 8, 8), "labels": "n/a: elsewhere"}),
            "loses nothing that these runs can tell of its expert's return 1.00 (cost gap 1.0 [-1.0, "
            "2.0]), and was trained elsewhere",
        ),
        ("cost", row_with(**{"cost gap": -2}), "earns 2.0 more than its expert's return"),
        ("cost", row_with(**{"cost gap": np.inf}), "loses without limit"),
    ],
)
def test_each_line_in_words_follows_from_the_numbers(heading, row, sentence):
    assert sentence in words.five_lines([row], KNOWN)[heading]


def test_where_d_is_zero_or_one_the_words_speak_of_chances_and_bounds_on_the_loss():
    known = words.Circumstances(horizon=1, indicator=True)
    chance = {"D at the horizon, arithmetic mean": 0.25, "cost gap / (T^2 error off)": 0.1}
    row = row_with(counted=True, **chance)
    lines = words.five_lines([row], known)
    assert lines["drift"] == "After 1 step bc has parted from its expert in 25 % of the rollouts."
    assert "loses 0.10 of the bound T^2 error and 1.0 of u T error" in lines["bounds"]
    assert "nothing in between could grow" in lines["growth"]


def test_who_never_errs_and_loses_nothing_has_no_bound_to_be_a_part_of():
    """0 of 0 was called 1.0 of the bound, a line above `loses nothing`."""
    known = words.Circumstances(horizon=1, indicator=True)
    perfect = {"cost gap": 0.0, "action error off (expert's states)": 0.0}
    perfect["cost gap / (T^2 error off)"] = 1.0
    lines = words.five_lines([row_with(counted=True, **perfect)], known)
    assert "has no error on its expert's states, and no loss to bound" in lines["bounds"]
    assert "of the bound" not in lines["bounds"]


def rows_of(fates):
    """Rows by L and learner, of D at the horizon, D in parts of its ceiling, and the share of rollouts lost."""
    titles = "D at the horizon, median", "D / ceiling", quantities.LOST
    return [
        row_with(None, {"lipschitz": at}, name, **dict(zip(titles, numbers, strict=True)))
        for (at, name), numbers in fates.items()
    ]


def test_the_words_speak_of_the_worst_setting_and_of_who_did_best_in_it():
    """D is not comparable between settings: they spoke of where it was largest, in whatever parts of its ceiling."""
    fates = {(1.0, "bc"): (900, 0.4, 0.0), (1.2, "bc"): (70, 0.7, 0.9)}
    fates |= {(1.2, "dagger"): (5, 0.1, 0.0), (1.2, "smile"): (6, 0.1, 0.0)}
    line = words.five_lines(rows_of(fates), KNOWN)["drift"]
    assert line.startswith("At L = 1.2, after 100 steps bc is 70 from its expert")
    assert "(70 % of the distance between unrelated states), lost in 90 % of its rollouts" in line
    assert "; dagger is 5.0 from" in line
    assert "smile" not in line


def test_who_fell_close_by_is_worse_off_than_who_goes_on_far_away():
    fates = {(1.2, "bc"): (70, 0.4, 0.0), (1.2, "dagger"): (5, 0.1, 1.0)}
    rows = rows_of(fates)
    rows[1]["values"][quantities.ENDED] = interval(np.ones(8))
    rows[1]["values"][quantities.EXPERT_ENDED] = interval(np.full(8, 0.2))
    line = words.five_lines(rows, KNOWN)["drift"]
    fall = "lost in 100 % of its rollouts, ended early in 100 % (its expert did in 20 %); bc"
    assert fall in line


def test_a_distance_that_is_not_known_is_not_the_furthest():
    fates = {(1.0, "bc"): (np.nan, np.nan, 0.0), (1.2, "bc"): (1.0, 0.1, 0.0)}
    assert (
        "At L = 1.2, after 100 steps bc is 1.0" in words.five_lines(rows_of(fates), KNOWN)["drift"]
    )
    alone = words.five_lines(rows_of(fates)[:1], KNOWN)["drift"]
    assert "bc is at a distance from its expert that is not known" in alone


def test_where_rollouts_are_lost_no_factor_of_d_is_told():
    """A D that was stopped in the ditch was "farther, x 4017 by run"."""
    row = rows_of({(1.2, "bc"): (70, 0.7, 0.9)})[0]
    far = contrast(np.full(8, 70.0), np.ones(8))
    row["reference"] = "dagger"
    row["contrasts"] = {quantities.LOST: contrast(np.full(8, 0.9), np.zeros(8), ratio=False)}
    row["contrasts"]["D at the horizon"] = far
    row["stopped"] = True
    line = words.five_lines([row], KNOWN)["drift"]
    assert "lost more often than dagger (+0.90 by run)" in line
    assert "×" not in line
    row["values"][quantities.LOST] = interval(np.zeros(8))
    row["stopped"] = False
    assert "farther than dagger (× 70 by run)" in words.five_lines([row], KNOWN)["drift"]


@pytest.mark.parametrize(
    ("heading", "title", "words_of_it"),
    [
        ("causes", "exposure gap on / off", "errs 3.0 times as much"),
        ("cost", "cost gap", "loses 3.0 of its expert's return"),
    ],
)
def test_of_one_run_no_line_draws_a_conclusion(heading, title, words_of_it):
    row = row_with(**{title: interval(np.array([3.0]))})
    line = words.five_lines([row], KNOWN)[heading]
    assert words_of_it in line
    assert "of 1 run, too few to tell (it takes 6)" in line
    assert "did not learn on" not in line


def test_measures_are_short_in_a_console_and_a_table_in_a_notebook():
    env = il.make("tube", horizon=20, seeds=2)
    found = il.assess(env, il.expert(env), il.expert(env), episodes=8)
    assert repr(found) == "Measures(policy; 53 quantities in 1 rows; print it)"
    assert [name for name, _ in found.__rich_repr__()] == list(HEADINGS)
    html = found._repr_html_()
    assert "D at the horizon, median" in html
    assert "(expert&#x27;s states)" in html


def test_the_horizon_law_tells_a_power_from_an_exponential():
    from il_bench.measures.quantities import horizon_law

    record = assessed(updates=1, horizon=100)
    steps = np.arange(1, 101.0)
    for losses, power in ((steps, True), (np.exp(0.1 * steps), False)):
        record.arrays["reward"] = np.zeros_like(record.arrays["reward"])
        record.arrays["reward"][1] = -losses
        slope, wins = horizon_law(Assessment(Reference(record, "", ""), 1, ""))
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
