"""What a command takes where no flag says otherwise, by the tasks of its environment; flags always win."""

import dataclasses

import pytest
from conftest import tiny

import il_bench as il
from il_bench import run
from il_bench.cli.flags import flags_of, flat
from il_bench.core.settings import Times, build, combinations, flatten, nested_per_run_fields
from il_bench.core.usual import taken, usual
from il_bench.jobs import matched
from il_bench.jobs.plan import groups

LANGUAGES = [name for name, env in il.ENVS.items() if env.by_chance]
SMALL = {"updates": 16, "units": 8, "embedding": 4, "sequences": 4, "rounds": 2, "episodes": 2}


def parsed(*args):
    """The learners of a command line, by name."""
    return run.parse(list(args))[2]


def settings_of(*args):
    (learner,) = parsed(*args).values()
    return flatten(learner)


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_bare_command_on_a_text_has_a_net_that_remembers_and_many_texts(name):
    dagger = settings_of("--env", name)
    assert (dagger["net"], dagger["beta"]) == ("gru", "constant")
    bc = settings_of("--env", name, "--algo", "bc")
    assert bc["episodes"] == dagger["episodes"] * dagger["rounds"] == 512


def test_flags_win():
    flags = ["--net", "table", "--updates", "5", "--episodes", "3", "--beta", "linear"]
    chosen = settings_of("--env", "clock", *flags)
    assert (chosen["net"], chosen["updates"], chosen["episodes"]) == ("table", 5, 3)
    assert chosen["beta"] == "linear"
    apart = ["--bc.episodes", "7", "--dagger.net", "mlp"]
    both = parsed("--env", "clock", "--algo", "bc", "dagger", *apart)
    assert (both["bc"].episodes, both["dagger"].episodes) == (7, 64)
    assert flatten(both["bc"])["net"] == "gru"
    assert flatten(both["dagger"])["net"] == "mlp"


@pytest.mark.parametrize("learner", il.LEARNERS)
def test_elsewhere_defaults_are_the_learner_s_own(learner):
    assert parsed("--env", "lane", "--algo", learner) == {learner: il.LEARNERS[learner]()}
    assert taken(tiny("lane"), learner, il.LEARNERS[learner]()) == {}


@pytest.mark.parametrize("learner", ["bc", "dagger", "scheduled", "distil", "reinforce"])
def test_a_sweep_takes_the_same(learner):
    (group,) = groups("clock", learner, {}, 1, {"expert": None, "rollouts": 2})
    _, swept = group.things()
    assert {learner: swept} == parsed("--env", "clock", "--algo", learner)


def test_in_python_a_learner_is_made_for_an_environment():
    env = tiny("clock")
    made = il.learner("dagger", env, rounds=4)
    (bare,) = parsed("--env", "clock").values()
    assert made == dataclasses.replace(bare, rounds=4)
    assert il.learner("dagger", tiny("lane")) == il.learner("dagger") == il.DAgger()
    named = matched._by_name(["dagger"], env)
    assert named == {"dagger": bare}


def test_a_sweep_over_nets_takes_what_suits_each():
    both = {"--net": ["gru", "table"]}
    nets = [flatten(group.things()[1]) for group in groups("clock", "bc", both, 1, {})]
    assert [net["net"] for net in nets] == ["gru", "table"]
    assert nets[0]["units"] == 32
    assert "units" not in nets[1]


@pytest.mark.parametrize(("learner", "net"), [("lols", "table"), ("iqlearn", "mlp")])
def test_who_goes_with_some_nets_alone_gets_its_best(learner, net):
    chosen = settings_of("--env", "clock", "--algo", learner)
    assert (chosen["net"], chosen["updates"]) == (net, 320)


LEARNING = [name for name, cls in il.LEARNERS.items() if hasattr(cls(), "training")]


@pytest.mark.parametrize("name", LEARNING)
def test_everyone_for_whom_texts_are_learns_with_what_suits_them(name):
    cls = il.LEARNERS[name]
    if getattr(cls, "actions", "") == "Box" or name == "finetune":
        pytest.skip("not for texts")
    env = tiny("clock", horizon=8)
    learner = build(cls, usual(type(env), name, cls) | SMALL)
    policy = learner.learn(env, il.expert(env))
    il.compare(env, il.expert(env), episodes=2, it=policy)


def test_a_setting_may_be_one_learner_s_alone():
    suiting = usual(il.ENVS["clock"], "lols", il.LEARNERS["lols"])
    assert "beta" not in suiting
    assert suiting["episodes"] == Times(64)


def test_it_is_said_what_was_taken_and_only_that(no_figures, capsys):
    flags = "--env clock --algo bc --updates 8 --horizon 6 --seeds 1 --rollouts 2 --no-video"
    run.main([*flags.split(), "--out", "a"])
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "bc, as suits clock where no flag says otherwise: net gru, units 32, embedding 16, sequences 32, lr 0.01"
        in said
    )
    assert "updates" not in said.partition("otherwise:")[2].partition("memory")[0]
    record = il.load("a")
    assert record.config["algorithms"]["bc"]["settings"]["episodes"] == 512
    run.main(["--algo", "zero", "--seeds", "1", "--rollouts", "2", "--no-video"])
    assert "as suits" not in capsys.readouterr().out


@dataclasses.dataclass(frozen=True)
class Holder:
    count: int = 3
    inner: il.Training = dataclasses.field(default_factory=il.Training)


def test_defaults_are_multiplied_and_what_is_within_is_built_of_its_own():
    assert build(Holder, {"count": Times(4)}).count == 12
    assert build(Holder, {"count": 5, "inner": "nonsense"}).inner == il.Training()


@dataclasses.dataclass(frozen=True)
class Brisk:
    """A learner whose nested settings are others than their class's."""

    inner: il.Training = dataclasses.field(
        default_factory=lambda: il.Training(il.net("mlp", hidden=(5,)), updates=7)
    )


def test_nested_defaults_of_a_learner_s_own_are_kept_where_nothing_else_is_said():
    """Commands and `il.learner` built the nested class's own ones."""
    assert build(Brisk, {}) == Brisk()
    batched = build(Brisk, {"batch": 9}).inner
    assert batched == dataclasses.replace(Brisk().inner, batch=9)
    assert build(Brisk, {"updates": Times(3)}).inner.updates == 21
    assert build(Brisk, {"net": "relu"}).inner.net == il.net("relu")
    assert build(Brisk, {"hidden": (6,)}).inner.net == il.net("mlp", hidden=(6,))


def of_flags(cls, chosen=None):
    """What a command without flags gives a class, apart from its seeds."""
    flags = flat(flags_of(cls, chosen=chosen)())
    values = combinations(flags, nested_per_run_fields(cls), seeds=1)
    del values["seed"]
    return values


def test_flags_show_nested_defaults_of_a_learner_s_own():
    flags = of_flags(Brisk)
    assert flags["updates"] == 7
    assert flags["hidden"] == (5,)
    assert build(Brisk, flags) == Brisk()
    assert build(Brisk, of_flags(Brisk, {"net": "relu"})).inner.net == il.net("relu")


@pytest.mark.parametrize("name", il.LEARNERS)
def test_a_learner_of_flags_alone_is_the_one_of_its_class(name):
    cls = il.LEARNERS[name]
    assert build(cls, of_flags(cls)) == build(cls, {}) == cls()


@pytest.mark.parametrize("learner", il.LEARNERS)
def test_nets_that_a_learner_lists_are_nets_that_there_are(learner):
    assert set(getattr(il.LEARNERS[learner], "nets", ())) <= set(il.NETS)
