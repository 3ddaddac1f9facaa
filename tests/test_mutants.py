"""The mutation gate on code made for it: what it changes, that the change is what runs, and what it lets pass."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
import types
from pathlib import Path

import pytest

from mutants import attack, forks, hints, inside, report, sources, survivors
from mutants.names import Names
from mutants.probes import Notes, Probes
from tree import REPO


def target_of(text: str, tmp_path: Path, name: str = "made_up") -> sources.Target:
    (tmp_path / f"{name}.py").write_text(text)
    return sources.read(tmp_path, f"{name}.py", f"package.{name}")


def changes(text: str, tmp_path: Path) -> set[str]:
    """Operator and change of every mutant of a text, without file and scope."""
    return {mutant.name.split(" ", 2)[2] for mutant in sources.mutants(target_of(text, tmp_path))}


def in_function(*lines: str, head: str = "def f(a, b, c):") -> str:
    return "\n    ".join([head, *lines]) + "\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            in_function("x = a < b", "return x"),
            {
                "compare: x = a < b -> x = a <= b",
                "compare: x = a < b -> x = a >= b",
                "return: return x -> return None",
            },
        ),
        (
            in_function("g(a == b)"),
            {"compare: g(a == b) -> g(a != b)", "statement: g(a == b) -> (deleted)"},
        ),
        (
            in_function("g(a << b & c)"),
            {
                "arithmetic: g(a << b & c) -> g(a >> b & c)",
                "arithmetic: g(a << b & c) -> g(a << b | c)",
                "statement: g(a << b & c) -> (deleted)",
            },
        ),
        (
            in_function("a.x += -b"),
            {
                "arithmetic: a.x += -b -> a.x -= -b",
                "arithmetic: a.x += -b -> a.x += b",
                "statement: a.x += -b -> (deleted)",
            },
        ),
        (
            in_function("a.x = b and not c"),
            {
                "boolean: a.x = b and (not c) -> a.x = b or not c",
                "boolean: a.x = b and (not c) -> a.x = b",
                "boolean: a.x = b and (not c) -> a.x = not c",
                "boolean: a.x = b and (not c) -> a.x = b and c",
                "statement: a.x = b and (not c) -> (deleted)",
            },
        ),
        (
            "LIMIT = 7\nON = True\nNAME = 'seven'\n",
            {"constant: LIMIT = 7 -> LIMIT = 8", "constant: ON = True -> ON = False"},
        ),
        (
            in_function("if a:", "    raise b", "while c:", "    break"),
            {
                "condition: if a -> if True",
                "condition: if a -> if False",
                "statement: raise b -> (deleted)",
                "condition: while c -> while True",
                "condition: while c -> while False",
                "statement: break -> (deleted)",
            },
        ),
        (
            in_function("return [x for x in a if x]"),
            {
                "condition: return [x for x in a if x] -> return [x for x in a if True]",
                "condition: return [x for x in a if x] -> return [x for x in a if False]",
                "return: return [x for x in a if x] -> return None",
            },
        ),
        (in_function("return a", head="def f(a) -> int:"), {"return: return a -> return 0"}),
        (
            in_function("return a", head="def f(a) -> bool:"),
            {"return: return a -> return False", "return: return a -> return True"},
        ),
        (
            "ROWS = (\n    (A, 1),\n    (B | C | D, 0),\n)\n",
            {
                "row: (A, 1) -> (deleted)",
                "row: (B | C | D, 0) -> (deleted)",
                "constant: (A, 1) -> (A, 2)",
                "constant: (B | C | D, 0) -> (B | C | D, 1)",
                "flag: (B | C | D, 0) -> (C | D, 0)",
                "flag: (B | C | D, 0) -> (B | D, 0)",
                "flag: (B | C | D, 0) -> (B | C, 0)",
            },
        ),
    ],
    ids=lambda value: None if isinstance(value, set) else " ".join(value.split()[-5:]),
)
def test_each_operator_changes_what_it_says(text: str, expected: set[str], tmp_path: Path) -> None:
    assert changes(text, tmp_path) == expected


@pytest.mark.parametrize(
    "text",
    [
        '"""Docstring 1."""\n',
        'NAMES = ("one", "two")\n',
        "import a\nfrom b import c\n",
        in_function('"""Docstring."""', head="def f(a: 'tuple[1, 2]' = None) -> 'x[1]':"),
        "x: 'int' = None\n",
        in_function("x = a", head="@decorated(1)\ndef f(a):"),  # the only assignment of a local variable
    ],
)
def test_names_annotations_and_docstrings_stay(text: str, tmp_path: Path) -> None:
    assert changes(text, tmp_path) == set()


def test_what_compiles_to_the_same_code_is_one_mutant_or_none(tmp_path: Path) -> None:
    # 1 << 0 is 1 >> 0 and 2 << 0 is 1 << 1; `while True` made false by its constant or by its condition is the same.
    assert changes("FIRST = 1 << 0\n", tmp_path) == {"constant: FIRST = 1 << 0 -> FIRST = 2 << 0"}
    assert len(changes(in_function("while True:", "    g()"), tmp_path)) == 2


def test_every_mutant_compiles_and_keeps_the_original_as_it_is(tmp_path: Path) -> None:
    target = target_of((REPO / "firmware/kernel/table.py").read_text(), tmp_path)
    before = sources.ast.dump(target.tree)
    found = sources.mutants(target)
    assert len(found) > 50
    assert len({mutant.name for mutant in found}) == len(found)
    for mutant in found:
        assert sources.ast.dump(mutant.tree()) != before
        sources.compiled(mutant.tree(), target.path)
    assert sources.ast.dump(target.tree) == before


def test_a_name_survives_edits_elsewhere_and_tells_repetitions_apart(tmp_path: Path) -> None:
    lines = ["def f(a):", "    a.x = 0", "    a.y = 1", "    a.x = 0", ""]
    before = {mutant.name for mutant in sources.mutants(target_of("\n".join(lines), tmp_path))}
    assert "made_up.py f constant: a.x = 0 -> a.x = 1" in before
    assert "made_up.py f constant: a.x = 0 -> a.x = 1 #2" in before
    edited = "import os\n\n\ndef g(b):\n    b.x = 0\n\n\n" + "\n".join(lines).replace("a.y = 1", "a.y = 5")
    after = {mutant.name for mutant in sources.mutants(target_of(edited, tmp_path))}
    assert before - after == {
        "made_up.py f constant: a.y = 1 -> a.y = 2",
        "made_up.py f statement: a.y = 1 -> (deleted)",
    }


# What the probes see.

WATCHED = """
LIMIT = 10
ROWS = ((1, 2), (3, 4))


def over(n):
    if n >= LIMIT:
        return True
    return False


def never(n):
    return n + 1


def look(index):
    return ROWS[index][0]
"""


def test_the_probes_see_which_mutants_make_a_difference(tmp_path: Path) -> None:
    target = target_of(WATCHED, tmp_path)
    every = sources.mutants(target)
    probes = Probes([target], dict(enumerate(every)), Names([target]))
    notes = Notes(probes)
    notes.install()
    space: dict[str, types.FunctionType] = {}
    exec(sources.compiled(probes.instrumented(target), target.path), space)

    def seen() -> set[str]:
        names = {mutant.name.split(" ", 1)[1] for number, mutant in enumerate(every) if notes.differs[number]}
        notes.clear()
        return {name for name in names if "return" not in name.split(":")[0]}

    assert [space["over"](n) for n in (3, 30)] == [False, True]
    boundary = {"over compare: if n >= LIMIT -> if n > LIMIT", "LIMIT constant: LIMIT = 10 -> LIMIT = 11"}
    assert not boundary & seen()
    assert space["over"](10) is True
    assert boundary < seen()
    assert space["look"](1) == 3
    assert "look constant: return ROWS[index][0] -> return ROWS[index][1]" in seen()
    with pytest.raises(IndexError):
        space["look"](2)
    assert "look constant: return ROWS[index][0] -> return ROWS[index][1]" in seen(), (
        "where the original raises, anything may"
    )
    assert not any("never" in name for name in seen())


# The list of survivors.

EVERY = {"a", "b", "c"}


@pytest.mark.parametrize(
    ("survived", "judged", "listed", "expected"),
    [
        ({"a"}, EVERY, {"a": "equivalent"}, []),
        ({"b"}, EVERY, {}, ["survived: b"]),
        ({"a"}, EVERY, {"a": " "}, ["no reason is given for a"]),
        ({"a"}, EVERY, {"a": "equivalent", "b": "old"}, ["listed as a survivor, but killed: b"]),
        ({"a"}, EVERY, {"a": "equivalent", "gone": "old"}, ["listed as a survivor, but there is no such mutant: gone"]),
        ({"a"}, {"a"}, {"a": "equivalent", "b": "not tried"}, []),
        (EVERY, EVERY, dict.fromkeys(EVERY, "equivalent"), ["0 of 3 mutants killed, less than 50 %"]),
    ],
)
def test_the_list_of_survivors_has_exactly_the_survivors_each_with_a_reason(
    survived: set[str], judged: set[str], listed: dict[str, str], expected: list[str]
) -> None:
    assert survivors.complaints(EVERY, survived, judged, listed, least_percent=50) == expected


def test_a_line_of_the_list_can_be_read_back(tmp_path: Path) -> None:
    name = 'x.py f constant: g(\'a\\n\', "b") -> g("c") #2'
    (tmp_path / "list.toml").write_text("[survivors]\n" + survivors.line(name, 'equals "b"') + "\n")
    assert survivors.read(tmp_path / "list.toml") == {name: 'equals "b"'}
    assert survivors.read(tmp_path / "none.toml") == {}
    for damaged in ('[survivors]\n"a" = 1\n', '[survivors]\n"a" = "x"\n"a" = "y"\n', '[survivers]\n"a" = "x"\n'):
        (tmp_path / "list.toml").write_text(damaged)
        with pytest.raises(ValueError, match=r"list\.toml"):
            survivors.read(tmp_path / "list.toml")


# The whole gate, on a tree with one module and its tests.

MODULE = '''"""Made up."""

LIMIT = 10
SIZE = 4


def over(number):
    """Whether a number is too large."""
    return number > LIMIT


def count_down(number):
    """Steps to zero."""
    steps = 0
    while number > 0:
        number -= 1
        steps = steps + 1
    return steps


def unused(number):
    """Nobody tests it."""
    return number + 5
'''
TESTS = """import pytest
from pilotwire.firmware.kernel.made_up import over
from pilotwire.firmware.kernel import made_up


@pytest.mark.parametrize("size", [made_up.SIZE])
def test_a_size_is_even(size):
    assert size % 2 == 0


def test_the_limit_is_not_over():
    assert not over(10)


def test_more_is_over():
    assert over(11)


def test_it_counts():
    assert made_up.count_down(3) == 3
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "src" / "pilotwire").mkdir(parents=True)
    (tmp_path / "src" / "pilotwire" / "__init__.py").touch()
    (tmp_path / "src" / "pilotwire" / "firmware").symlink_to("../../firmware")
    kernel = tmp_path / "firmware" / "kernel"
    kernel.mkdir(parents=True)
    for folder in (kernel, kernel.parent):
        (folder / "__init__.py").touch()
    (kernel / "made_up.py").write_text(MODULE)
    (tmp_path / "tests" / "mutants").mkdir(parents=True)
    (tmp_path / "tests" / "test_kernel_made_up.py").write_text(TESTS)
    return tmp_path


def gate(tree: Path, *arguments: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """The gate as a program; it must not share a process with tests that have imported the package."""
    program = f"import sys; sys.path.insert(0, {str(REPO / 'tests')!r}); {before}"
    program += "; from mutants.command import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, "--root", str(tree), "--json", str(tree / "results.json"), *arguments],
        env={**os.environ, "PYTHONPATH": str(tree / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def results(tree: Path) -> dict[str, tuple[str, str]]:
    prefix = "firmware/kernel/made_up.py "
    rows = json.loads((tree / "results.json").read_text())
    return {row["mutant"].removeprefix(prefix): (row["kind"], row["by"].rpartition("::")[2]) for row in rows}


SURVIVOR = "unused arithmetic: return number + 5 -> return number - 5"
LOOP = "count_down statement: number -= 1 -> (deleted)"
NO_IMPORT = "over compare: return number > LIMIT -> return number >= LIMIT"


def test_the_gate_finds_the_survivors_and_kills_the_rest(tree: Path) -> None:
    # A file of compiled code that is as new as its source must not stand in for a mutant.
    py_compile.compile(str(tree / "src/pilotwire/firmware/kernel/made_up.py"), doraise=True)
    entries = {SURVIVOR: "nobody calls it", NO_IMPORT: "so it was once"}
    lines = [survivors.line(f"firmware/kernel/made_up.py {name}", reason) for name, reason in entries.items()]
    (tree / "tests/mutants/survivors_kernel.toml").write_text("\n".join(["[survivors]", *lines]) + "\n")
    done = gate(tree, "--only", "over ", "--only", "SIZE ", "--only", "unused ", "--only", LOOP)
    found = results(tree)
    alive = {name for name, (kind, _) in found.items() if kind == attack.SURVIVED}
    assert alive == {name for name in found if name.startswith("unused ")}, done.stdout + done.stderr
    assert len(alive) == 3
    assert found[LOOP] == (attack.TIMEOUT, "test_it_counts")
    assert found[NO_IMPORT] == (attack.FAILURE, "test_the_limit_is_not_over")
    # The baseline knows this test by another name; it runs all the same.
    assert found["SIZE constant: SIZE = 4 -> SIZE = 5"] == (attack.FAILURE, "test_a_size_is_even[5]")
    assert found["over return: return number > LIMIT -> return False"] == (attack.FAILURE, "test_more_is_over")

    assert done.returncode == 1
    complaints = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    prefix = "firmware/kernel/made_up.py "
    assert f"FAILED listed as a survivor, but killed: {prefix}{NO_IMPORT}" in complaints
    assert {f"FAILED survived: {prefix}{name}" for name in alive if name != SURVIVOR} < set(complaints)
    assert "-    return number + 5\n+    return number + 6\n" in done.stdout
    assert "# is not reached by any test" in done.stdout


def test_the_gate_passes_when_nothing_survives_the_first_tests_or_else_the_others(tree: Path) -> None:
    done = gate(tree, "--only", "over ", "--only", "LIMIT ", "--budget", "0.0001")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "are alive and not listed" in done.stdout, "one test is not enough for all of them"
    assert "mutants 5, killed 5 (failure 5, timeout 0, error 0), survived 0" in done.stdout


def test_the_killer_of_last_time_is_tried_first_and_what_is_wrong_in_that_file_does_not_matter(tree: Path) -> None:
    options = ("--only", "over ", "--only", "LIMIT ", "--budget", "0.0001")
    assert gate(tree, *options).returncode == 0
    rows = json.loads((tree / "results.json").read_text())
    killers = {row["mutant"]: row["by"] for row in rows}
    wrong = dict.fromkeys(killers, "tests/test_kernel_made_up.py::test_long_gone")
    for entries, helps in ((killers, True), (wrong, False)):
        lines = [survivors.line(*entry) for entry in entries.items()]
        (tree / "tests/mutants/killers_kernel.toml").write_text("\n".join(["[killers]", *lines]) + "\n")
        done = gate(tree, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("are alive and not listed" not in done.stdout) == helps
    (tree / "tests/mutants/killers_kernel.toml").write_text("no TOML")
    assert gate(tree, *options).returncode == 0


def test_what_is_learned_is_what_took_long_and_what_was_right(tmp_path: Path) -> None:
    target = target_of("A = 1\nB = 2\nC = 3\nD = 4\n", tmp_path)
    cheap, dear, right, alive = sources.mutants(target)
    rows = [
        report.Row(cheap, attack.Result(attack.FAILURE, "t.py::cheap", 0.1), ""),
        report.Row(dear, attack.Result(attack.FAILURE, "t.py::dear[a-'1']", 2.0), ""),
        report.Row(right, attack.Result(attack.FAILURE, "t.py::right", 0.1), ""),
        report.Row(alive, attack.Result(attack.SURVIVED, "", 9.0), ""),
    ]
    file = tmp_path / "killers.toml"
    hints.write(rows, {right.name: "t.py::right", cheap.name: "t.py::other"}, file)
    assert hints.read(file) == {dear.name: "t.py::dear[a-'1']", right.name: "t.py::right"}


def test_a_test_that_fails_without_any_mutant_is_no_killer(tree: Path) -> None:
    (tree / "tests" / "test_kernel_red.py").write_text("def test_red():\n    assert False\n")
    done = gate(tree)
    assert done.returncode == 1
    assert "test_kernel_red.py::test_red fails without any mutant" in done.stdout
    assert not (tree / "results.json").exists()


def test_a_package_imported_before_the_change_is_refused(tree: Path) -> None:
    done = gate(tree, before="import pilotwire.firmware.kernel.made_up")
    assert done.returncode == 1
    assert "imported before the change: pilotwire, pilotwire.firmware" in done.stdout
    assert not (tree / "results.json").exists()


def test_a_module_that_comes_past_the_change_is_noticed() -> None:
    replacement = inside.Replacement({"tree": compile("", "tree.py", "exec")})
    with pytest.raises(RuntimeError, match="tree has been imported past the change"):
        replacement.check()


# Ends of children.


def end_of(work: str) -> attack.Result:
    """What is made of a process that does this instead of running tests."""
    actions = {
        "cpu": lambda send: inside.bound_cpu(0.0) or spin(),
        "sleep": lambda send: inside.signal.pause(),
        "crash": lambda send: os.kill(os.getpid(), inside.signal.SIGTERM),
        "silence": lambda send: None,
    }
    wall_s = 0.2 if work == "sleep" else 60
    (ended,) = forks.run(iter([forks.Task(1, actions[work], wall_s)]), 1)
    return attack.result(ended)


def spin() -> None:
    while True:
        pass


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_whatever_never_ends_or_crashes_is_killed_and_silence_is_a_fault_of_the_gate() -> None:
    assert end_of("cpu").kind == attack.TIMEOUT
    assert end_of("sleep").kind == attack.TIMEOUT
    assert end_of("crash")[:2] == (attack.ERROR, "SIGTERM")
    assert end_of("silence").kind == attack.BROKEN
