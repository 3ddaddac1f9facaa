"""Do again, on this interpreter, what the kernel's tests have done to it: reads a tape (kernel_tape.py) from standard input.

    micropython kernel_replay.py < TAPE

A line is one of: `T test`, `x statement`, `r expression<TAB>result`, `f number paths` (the fields of object `number`), `c number
check`, `s kernel inputs now_ms check` (one tick), and with plain values `p function result argument ...` and `m number check method
result argument ...`. A check is the CRC-32 of all fields of an object. Each result and each check must be the same as on the tape.
Ends with one line, `replayed TESTS CALLS CHECKS`, or with what differs and status 1. MicroPython subset.
"""

import sys
from array import array
from binascii import crc32

PACKAGE = "pilotwire.firmware.kernel"
MODULES = (
    "bands clearing contactor current diode duty faults heat inputs kernel lease lock monitors params proximity pulses residual "
    "signal table ticks times variants"
).split()


def getter(paths: "list[str]"):  # type: ignore[no-untyped-def]
    """A function that gives these fields of an object; a loop with getattr takes several times as long."""
    return eval("lambda k: [" + ",".join(["k." + path for path in paths]) + "]")


PLAIN = {"T": True, "F": False, "N": None}


def plain(word: str) -> "int | None":
    """A number, True, False or None."""
    return PLAIN[word] if word in PLAIN else int(word)


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
    get = {}  # a thing's number -> what gives its fields
    getters = {}  # the same by the fields' names
    functions = {}
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
            found = crc32(array("q", get[kernel](things[kernel])))
            calls += 1
            checks += 1
            if found != expected:
                wrong = f"state {found} instead of {expected}"
        elif kind == "m":
            words = rest.split(" ")
            number = int(words[0])
            value = getattr(things[number], words[2])(*[plain(word) for word in words[4:]])
            found = crc32(array("q", get[number](things[number])))
            calls += 1
            checks += 1
            if value != plain(words[3]) or found != int(words[1]):
                wrong = f"{value!r} and state {found} instead of {words[3]} and {words[1]}"
        elif kind == "p":
            words = rest.split(" ")
            if words[0] not in functions:
                functions[words[0]] = eval(words[0], space)
            value = functions[words[0]](*[plain(word) for word in words[2:]])
            calls += 1
            if value != plain(words[1]):
                wrong = f"{value!r} instead of {words[1]}"
        elif kind == "c":
            number, expected = [int(item) for item in rest.split(" ")]
            found = crc32(array("q", get[number](things[number])))
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
            if paths not in getters:
                getters[paths] = getter(paths.split(","))
            get[number] = getters[paths]
        else:
            test = rest
            if not tests:
                kept = len(things)
            for number in [number for number in things if number >= kept]:  # what the last test has made
                del things[number]
                get.pop(number, None)
            tests += 1
        if wrong:
            print(f"{test}: {rest}: {wrong}")
            return 1
    print(f"replayed {tests} {calls} {checks}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
