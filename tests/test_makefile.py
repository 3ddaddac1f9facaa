"""`make` alone teaches: every target a person may call stands in its help, and every target in its help exists."""

from __future__ import annotations

import os
import re
import subprocess

from tree import REPO


def make(*arguments: str) -> str:
    # These tests run under `make test` themselves; what that one was given is not for this one.
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(
        ["make", *arguments], cwd=REPO, env=env, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_help_is_the_default_and_names_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (REPO / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    explained = set(re.findall(r"^make ([\w-]+)", make(), re.MULTILINE))
    assert explained == set(phony.group(1).split()) - {"help"}


def test_the_demo_is_set_up_without_anything_from_the_development_groups() -> None:
    # -W: as if pyproject.toml had just changed, so that every installing step is planned again.
    plan = make("-n", "-W", "pyproject.toml", "demo")
    assert "'.[demo]'" in plan
    assert "--group csms" in plan
    assert "--group dev" not in plan


def test_the_tests_are_the_last_thing_that_make_test_does() -> None:
    assert make("-n", "test").rstrip().splitlines()[-1].split()[1:3] == ["-m", "pytest"]
