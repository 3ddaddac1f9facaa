"""The wheel is whole: what is imported through the spine of symlinks lies in it as plain folders."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tree import LAYERS, REPO, copy_project, module_name, python_files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = copy_project(tmp_path_factory.mktemp("source"))
    target = tmp_path_factory.mktemp("wheel")
    # Without build isolation: setuptools comes from the development environment, so this asks no network.
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "-q",
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            str(target),
            str(source),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = target.glob("pilotwire-*.whl")
    return path


def test_the_wheel_holds_every_module_of_the_tree_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.endswith(".py")}
    expected = {
        path.relative_to(REPO / "src" if path.is_relative_to(REPO / "src") else REPO).as_posix()
        for path in python_files()
    }
    expected = {name if name.startswith("pilotwire/") else f"pilotwire/{name}" for name in expected}
    assert packed == expected
    for layer in LAYERS:
        assert f"pilotwire/{layer}/__init__.py" in packed


def test_the_wheel_says_that_it_is_typed_and_under_which_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert "pilotwire/py.typed" in names
        assert any(name.endswith("licenses/LICENSE") for name in names)
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        assert "License-Expression: Apache-2.0" in archive.read(metadata).decode()


def test_the_wheel_works_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    # -S: without site-packages, so that the editable installation of this tree cannot help.
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import pilotwire.tools.cli as c; print(c.__file__)"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == str(tmp_path / "pilotwire" / "tools" / "cli.py"), done.stderr


def test_no_two_files_become_the_same_module() -> None:
    names = [module_name(path) for path in python_files()]
    assert len(names) == len(set(names))
