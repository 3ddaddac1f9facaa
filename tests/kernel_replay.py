"""Do again, on this interpreter, what the kernel's tests have done to it: reads a tape (kernel_tape.py) from standard input.

    micropython kernel_replay.py < TAPE

A line is one of: `T test`, `x statement`, `r expression<TAB>result`, `f number paths` (what the state of object `number` is),
`c number check`, `s kernel inputs now_ms check` (one tick), `m number check method result argument ...` (plain values). Every
result and every check must be the same as on the tape. Ends with one line, `replayed TESTS CALLS CHECKS`, or with what differs
and status 1. MicroPython subset.
"""

import sys

PACKAGE = "pilotwire.firmware.kernel"
MODULES = (
    "bands clearing contactor current diode duty faults heat inputs kernel lease lock monitors params proximity pulses residual "
    "signal table ticks times variants"
).split()


def check(fields: "list[tuple[object, str | int]]") -> int:
    """A number that depends on every field of an object, in their order."""
    found = 0
    for parent, name in fields:
        value = parent[name] if type(name) is int else getattr(parent, name)  # type: ignore[index, call-overload]
        found = found * 33 + value & 0xFFFFF
    return found


def plain(word: str) -> "int | None":
    """A number, True, False or None."""
    if word == "T":
        return True
    if word == "F":
        return False
    return None if word == "N" else int(word)


def resolve(thing: object, path: str) -> "tuple[object, str | int]":
    """The object or list that holds a field, and the field's name or index in it."""
    names = path.split(".")
    for name in names[:-1]:
        thing = getattr(thing, name)
    last = names[-1]
    if last.endswith("]"):
        name, index = last[:-1].split("[")
        return getattr(thing, name), int(index)
    return thing, last


def lines(file):  # type: ignore[no-untyped-def]
    """The lines of a file, read in large pieces: MicroPython's own stream asks for each byte."""
    rest = b""
    while True:
        data = file.read(65536)  # type: ignore[attr-defined]
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield str(line, "utf-8")


def main() -> int:
    """Exit status."""
    things: dict[int, object] = {}
    fields: dict[int, list[tuple[object, str | int]]] = {}
    space: dict[str, object] = {"o": things}
    for name in MODULES:
        __import__(PACKAGE + "." + name)
        space[name] = sys.modules[PACKAGE + "." + name]
    test = ""
    tests = calls = checks = kept = 0
    for line in lines(sys.stdin.buffer):
        kind, rest = line[0], line[2:]
        wrong = ""
        if kind == "s":
            kernel, inputs, now_ms, expected = [int(item) for item in rest.split(" ")]
            things[kernel].step(now_ms, things[inputs])  # type: ignore[attr-defined]
            found = check(fields[kernel])
            calls += 1
            checks += 1
            if found != expected:
                wrong = f"state {found} instead of {expected}"
        elif kind == "m":
            words = rest.split(" ")
            number, expected = int(words[0]), int(words[1])
            value = getattr(things[number], words[2])(*[plain(word) for word in words[4:]])
            found = check(fields[number])
            calls += 1
            checks += 1
            if value != plain(words[3]) or found != expected:
                wrong = f"{value!r} and state {found} instead of {words[3]} and {expected}"
        elif kind == "c":
            number, expected = [int(item) for item in rest.split(" ")]
            found = check(fields[number])
            checks += 1
            if found != expected:
                wrong = f"state {found} instead of {expected}"
        elif kind == "x":
            exec(rest, space)
            calls += 1
        elif kind == "r":
            expression, result = rest.split("\t")
            value = eval(expression, space)
            calls += 1
            if value != eval(result):
                wrong = f"{value!r} instead of {result}"
        elif kind == "f":
            text, paths = rest.split(" ")
            number = int(text)
            fields[number] = [resolve(things[number], path) for path in paths.split(",")]
        else:
            test = rest
            if not tests:
                kept = len(things)
            for number in [number for number in things if number >= kept]:  # what the last test has made
                del things[number]
                fields.pop(number, None)
            tests += 1
        if wrong:
            print(f"{test}: {rest}: {wrong}")
            return 1
    print(f"replayed {tests} {calls} {checks}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
