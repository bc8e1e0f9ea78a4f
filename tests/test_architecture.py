"""The road, the budgets and the manner, read from the source."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"il_bench": ROOT / "il_bench", "envs": ROOT / "envs", "experts": ROOT / "experts"}

ROAD = [
    "settings", "streams", "core", "registry", "theory", "rollout", "data", "minibatches", "policies", "solve", "adam",
    "engine", "train", "checkpoint", "memory", "canvas", "scenery", "letters", "envs", "experts", "minari", "learners",
    "intervals", "growth", "flags", "trajectories", "schema", "record", "results", "twins", "probes", "quantities", "estimate",
    "foreign", "zips", "gym", "plots", "encode", "video", "report", "tensorboard", "lipschitz", "contract", "options",
    "sb3", "agents", "measure", "session", "run", "render", "certify", "cells", "sweep", "table", "fetch",
]  # fmt: skip
"""Modules in the order in which they may import one another, each only from earlier ones."""

FORWARD = {
    ("registry", "core"),  # for its classes, when something is loaded: names alone need no torch
    ("registry", "zips"),  # zips of stable-baselines3, when one is asked for
    ("registry", "foreign"),  # foreign ids and callables, when one is asked for
}

BUDGET = {
    "core": 175,
    "registry": 170,
    "rollout": 135,
    "data": 150,
    "train": 180,
    "record": 250,
    "run": 100,
    "lane": 155,
    "kart": 160,
}
"""Code lines (neither blank, comment nor docstring) of the files on the road that have a budget."""


def sources():
    for folder in FOLDERS.values():
        yield from sorted(folder.rglob("*.py"))


def stop(path):
    """The stop of the road at which a file stands."""
    if path.parent.name in ("envs", "experts", "learners"):
        return path.parent.name
    return path.stem


def imported(path):
    """Stops of this library that a file imports, and whether each import waits inside a function."""
    tree = ast.parse(path.read_text())
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    typing = {
        id(n)
        for i in ast.walk(tree)
        if isinstance(i, ast.If) and "TYPE_CHECKING" in ast.unparse(i.test)
        for n in ast.walk(i)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in typing:
            names = [node.module or ""] if node.module else [alias.name for alias in node.names]
            if node.level or names[0].startswith("il_bench"):
                for name in names:
                    parts = [p for p in name.split(".") if p != "il_bench"]
                    if parts and parts[0] in ROAD:
                        yield parts[0], id(node) in inside


@pytest.mark.parametrize("path", list(sources()), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_module_imports_only_from_earlier_stops(path):
    here = stop(path)
    if path.name.startswith("__"):
        return
    for there, _ in imported(path):
        same = here == there and here in (
            "envs",
            "experts",
        )  # an expert knows its environment's constants
        backwards = ROAD.index(there) < ROAD.index(here)
        assert backwards or same or (here, there) in FORWARD, (
            f"{here} imports {there}, a later stop"
        )


def test_contributors_read_the_same_road():
    written = (ROOT / "CONTRIBUTING.md").read_text().partition("settings, streams")
    assert re.findall(r"\w+", (written[1] + written[2]).partition("```")[0]) == ROAD


def test_every_module_stands_on_the_road():
    assert {stop(p) for p in sources() if not p.name.startswith("__")} == set(ROAD)


def test_no_learner_imports_a_learner_or_a_record_and_no_environment_a_learner():
    for path in FOLDERS["il_bench"].glob("learners/*.py"):
        assert not {"learners", "record", "results", "twins", "report"} & {
            there for there, _ in imported(path)
        }
    for name in ("plots", "video", "report"):
        text = (FOLDERS["il_bench"] / f"{name}.py").read_text()
        assert not re.search(r"import .*\bPolicy\b", text)


def code_lines(path):
    """Lines that are neither blank, comment nor docstring."""
    text = path.read_text()
    docs = set()
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            docs |= set(range(node.lineno, node.end_lineno + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(
        1
        for i, line in lines
        if i not in docs and line.strip() and not line.strip().startswith("#")
    )


def budget(path):
    defaults = {"learners": 120, "envs": 150, "experts": 100}
    special = path.parent == ROOT / "envs" or path.parent.name == "il_bench"
    return BUDGET.get(path.stem if special else "", defaults.get(path.parent.name, 240))


def test_files_keep_to_their_line_budgets(capsys):
    over = []
    for path in sources():
        count, limit = code_lines(path), budget(path)
        print(f"{count:4d} of {limit:4d}  {path.relative_to(ROOT)}")
        if count > limit:
            over.append(f"{path.relative_to(ROOT)}: {count} code lines, budget {limit}")
    assert not over


def functions():
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                first = node.body[0]
                doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
                start = node.body[1].lineno if doc and len(node.body) > 1 else first.lineno
                yield path, node, node.end_lineno - start + 1


def test_functions_are_short():
    sizes = [size for _, _, size in functions()]
    assert sorted(sizes)[len(sizes) // 2] < 10
    long = [f"{path.name}:{node.name} {size}" for path, node, size in functions() if size > 40]
    assert not long


def test_super_is_for_other_peoples_base_classes():
    for path in sources():
        if path.name != "gym.py":
            assert "super()" not in path.read_text(), path


def test_no_global_generator_and_no_global_state_of_torch():
    banned = r"np\.random\.(seed|rand|normal|uniform|choice|permutation)|torch\.manual_seed|random\.seed|set_default_dtype"
    for path in sources():
        assert not re.search(banned, path.read_text()), path


def test_nothing_is_pickled_or_executed():
    # fetch.py alone reads a pickle: the real letters are published as one. It checks their hash, and its reader makes
    # arrays and refuses every other name (test_ocr.py).
    for path in (path for path in sources() if path.name != "fetch.py"):
        assert not re.search(
            r"\bpickle\b(?!d)|torch\.(save|load)\(|\beval\(|\bexec\(",
            path.read_text().replace("Nothing is pickled", ""),
        ), path


def test_envs_and_experts_are_imported_through_the_package():
    for path in [*sources(), *(ROOT / "tests").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            assert not {"envs", "experts"} & {(n or "").split(".")[0] for n in names}, path


def test_a_public_function_never_bears_a_modules_name():
    import il_bench as il

    modules = {p.stem for p in FOLDERS["il_bench"].glob("*.py")}
    assert not modules & {name for name in il.__all__ if name[0].islower()}


def test_the_repository_holds_no_generated_file_but_the_film_and_the_results():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not listed:
        pytest.skip("not a git checkout")
    generated = [
        f
        for f in listed
        if f.endswith((".gif", ".mp4", ".png", ".json", ".safetensors", ".nc", ".zip"))
    ]
    assert all(
        f == "docs/rollout.gif" or (f.startswith("benchmarks/") and f.endswith(".json"))
        for f in generated
    )
    film = ROOT / "docs" / "rollout.gif"
    assert film.stat().st_size <= 3_000_000
