"""The comparison of HIL runs notices what it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil_tests.same import main

PASS = '<testcase classname="t" name="{0}"/>'
FAIL = '<testcase classname="t" name="{0}"><failure message="no"/></testcase>'
SKIP = '<testcase classname="t" name="{0}"><skipped message="rig lacks it"/></testcase>'


def run(tmp_path: Path, name: str, *cases: str) -> str:
    file = tmp_path / f"{name}.xml"
    body = "".join(case.format(number) for number, case in enumerate(cases))
    file.write_text(f"<testsuites><testsuite>{body}</testsuite></testsuites>")
    return str(file)


def test_equal_runs_are_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([run(tmp_path, "a", PASS, PASS), run(tmp_path, "b", PASS, PASS)]) == 0
    assert "the same results" in capsys.readouterr().out


def test_a_skip_is_no_difference_but_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([run(tmp_path, "a", PASS), run(tmp_path, "b", SKIP)]) == 0
    assert "rig lacks it" in capsys.readouterr().out


def test_a_test_that_fails_on_one_bench_only_is_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([run(tmp_path, "a", PASS, PASS), run(tmp_path, "b", PASS, FAIL)]) == 1
    assert "t::1: passed on a, failed on b" in capsys.readouterr().out


def test_a_test_that_one_bench_never_ran_is_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([run(tmp_path, "a", PASS, PASS), run(tmp_path, "b", PASS)]) == 1
    assert "not run on b" in capsys.readouterr().out


def test_failing_everywhere_is_not_success(tmp_path: Path) -> None:
    assert main([run(tmp_path, "a", FAIL), run(tmp_path, "b", FAIL)]) == 1


def test_a_file_that_is_no_junit_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.xml"
    broken.write_text("<testsuites>")
    assert main([str(broken)]) == 2
    assert "--junitxml" in capsys.readouterr().err
