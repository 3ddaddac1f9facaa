"""What every TOML configuration of ours has in common: rules for values, words for mistakes, and reading the file.

A rule takes the TOML value and the folder of the file, and returns the setting or raises ValueError(sentence). Rules refuse None:
that is how what they allow can be put into words (wanted).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import MISSING, field, fields
from pathlib import Path
from typing import Any, TypeVar

MAX_FILE_BYTES = 1_000_000
"""A larger configuration file is a mistake (a device, a log); it is refused rather than read to the end."""

S = TypeVar("S")


class ConfigError(Exception):
    """A configuration that cannot be used: `source` is the file, `problems` one sentence per mistake."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        if len(problems) == 1:
            super().__init__(f"{source}: {problems[0]}")
        else:
            super().__init__("\n  ".join([f"{source}: {len(problems)} problems", *problems]))


Rule = Callable[[Any, Path], Any]


def key(rule: Rule, default: Any = MISSING) -> Any:
    """One key of a section: its rule, and its default when there is one that is safe to assume."""
    return field(default=default, metadata={"rule": rule})


def shown(value: object) -> str:
    """A value for a sentence, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def whole(low: int, high: int, unit: str = "") -> Rule:
    """A whole number of this range."""
    range_of = f"a whole number {low}..{high}{' ' + unit if unit else ''}"

    def rule(value: Any, _folder: Path) -> int:
        # bool is an int to Python; `baud = true` is still a mistake.
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"must be {range_of}, not {shown(value)}")
        if not low <= value <= high:
            raise ValueError(f"{shown(value)} is out of range, must be {range_of}")
        return value

    return rule


def one_of(*allowed: str | int) -> Rule:
    """One of these."""
    choices = "one of " + ", ".join(repr(choice).replace("'", '"') for choice in allowed)

    def rule(value: Any, _folder: Path) -> str | int:
        for choice in allowed:
            if type(value) is type(choice) and value == choice:
                return choice
        hint = ""
        if isinstance(value, str):
            near = nearest(value, [choice for choice in allowed if isinstance(choice, str)])
            hint = f' (did you mean "{near}"?)' if near else ""
        raise ValueError(f"must be {choices}, not {shown(value)}{hint}")

    return rule


def text_of(low: int, high: int) -> Rule:
    """A text of so many characters, all printable."""

    def rule(value: Any, _folder: Path) -> str:
        if not isinstance(value, str) or not low <= len(value) <= high or not value.isprintable() or not value.strip():
            raise ValueError(f"must be a text of {low}..{high} printable characters, not {shown(value)}")
        return value

    return rule


def flag(value: Any, _folder: Path) -> bool:
    """Rule: true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {shown(value)}")
    return value


def path_of(value: Any, folder: Path) -> Path:
    """Rule: a path, relative ones from the folder of the file."""
    text: str = text_of(1, 4096)(value, folder)
    return folder / text


def wanted(rule: Rule) -> str:
    """What a rule allows, in its own words: ask it about a value that nothing allows."""
    try:
        rule(None, Path())
    except ValueError as error:
        return str(error).removesuffix(", not None")
    raise AssertionError("a rule must refuse None")


def unknown(where: str, word: str, known: Iterable[str]) -> str:
    """The sentence for a key that nobody reads; `where` is what stands before it, with its dot."""
    return f"{where}{shown(word)[1:-1]}: unknown key{did_you_mean(word, known)}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What may have been meant by a word that is unknown, and what is allowed."""
    known = list(known)
    near = nearest(word, known)
    return f"{f', did you mean {near}?' if near else ';'} allowed: {', '.join(known)}"


def nearest(word: str, known: list[str]) -> str | None:
    """The known word that is spelt most like this one, if any is."""
    # Late: only a file with a mistake pays for it, and the start of the station counts in milliseconds.
    import difflib  # noqa: PLC0415

    near = difflib.get_close_matches(word, known, n=1)
    return near[0] if near else None


def reason(error: Exception) -> str:
    """What the operating system says, without the number and the path."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def read(path: Path) -> str:
    """The text of a configuration file; raises ConfigError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise ConfigError(str(path), [f"more than {MAX_FILE_BYTES} bytes: this is not a configuration file"])
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [f"is not UTF-8 text (byte {error.start})"]) from None
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), [f"cannot be read: {reason(error)}"]) from None


def document(text: str, source: str) -> dict[str, Any]:
    """The tables in TOML `text`; raises ConfigError that names `source`."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError; so is an integer without end
        raise ConfigError(source, [f"is not valid TOML: {str(error)[:200]}"]) from None


def section(where: str, kind: type[S], table: Any, folder: Path, problems: list[str]) -> S | None:
    """One section as its dataclass, or None when it is missing (None) or wrong; what is wrong goes to `problems`."""
    known = {each.metadata.get("toml", each.name): each for each in fields(kind)}  # type: ignore[arg-type]
    if table is None:
        needed = ", ".join(toml for toml, each in known.items() if each.default is MISSING)
        problems.append(f"[{where}]: this section is missing; it needs {needed}")
        return None
    if not isinstance(table, dict):
        problems.append(f"{where}: must be a section [{where}] with keys, not {shown(table)}")
        return None
    before = len(problems)
    values: dict[str, Any] = {}
    for toml, value in table.items():
        if toml not in known:
            problems.append(unknown(f"{where}.", toml, known))
            continue
        try:
            values[known[toml].name] = known[toml].metadata["rule"](value, folder)
        except ValueError as error:
            problems.append(f"{where}.{toml}: {error}")
    for toml, each in known.items():
        if toml not in table and each.default is MISSING:
            problems.append(missing(f"{where}.{toml}", each.metadata["rule"]))
    return kind(**values) if len(problems) == before else None


def missing(name: str, rule: Rule) -> str:
    """The sentence for a key that must be there."""
    return f"{name}: this key is missing and has no default; it {wanted(rule)}"
