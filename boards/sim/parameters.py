"""The parameters of the simulated board: it has everything that the kernel knows. MicroPython subset."""

from pilotwire.firmware.kernel import params, variants

EVERYTHING = (
    params.SOCKET
    | params.LOCK
    | params.SECOND
    | params.RCD_DC
    | params.RCD_AC
    | params.RCD_TEST
    | params.EARTH
    | params.PEN
    | params.STOP_BUTTON
    | params.CURRENT
    | params.PLUG_TEMP
    | params.BOARD_TEMP
)

SIM = params.changed(variants.IEC, params.FITTED, EVERYTHING)


def values(changes: "tuple[tuple[int, int], ...] | list[tuple[int, int]]") -> "tuple[int, ...]":
    """The block of the simulated board with these (index, value) pairs in it; ValueError where the kernel would refuse it."""
    block = SIM
    for index, value in changes:
        if not 0 <= index < len(SIM):
            raise ValueError(f"there is no parameter {index}; they are 0..{len(SIM) - 1}")
        low, high, _ = params.LIMITS[index]
        if not low <= value <= high:
            raise ValueError(f"parameter {index} is {low}..{high}, not {value}")
        block = params.changed(block, index, value)
    if not params.in_range(block):
        raise ValueError("phases are 1 or 3, and derating begins below the temperature that stops")
    return block


def build(changes: "tuple[tuple[int, int], ...] | list[tuple[int, int]]") -> params.Parameters:
    """The same, sealed, for the kernel."""
    block = values(changes)
    return params.Parameters(block, params.seal(block))


def parse(arguments: "list[str]") -> "list[tuple[int, int]]":
    """Changes from a command line: INDEX=VALUE, indices as in kernel/params.py."""
    changes = []
    for argument in arguments:
        index, equals, value = argument.partition("=")
        if not equals:
            raise ValueError(f"a parameter is INDEX=VALUE, not {argument}")
        changes.append((int(index), int(value)))
    return changes
