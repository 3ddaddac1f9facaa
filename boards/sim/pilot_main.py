"""The pilot program on the simulated board: real MicroPython (or CPython) whose pins end in the world's process.

    micropython -m pilotwire.boards.sim.pilot_main WORLD_PORT [INDEX=VALUE ...]

The pairs are parameters that differ from the board's own block (parameters.py), by their index in firmware/kernel/params.py.
Standard input and output are the pilot link (a pty set up by the caller, not blocking); the world's TCP port on loopback is the
hardware: it sends the tick and the inputs, this program answers with the outputs. MicroPython subset.
"""

import os
import select
import socket
import struct
import sys

from pilotwire.boards.sim import parameters, pins, wire
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.firmware.pilot.identity import describe, hash_folders
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.pilot import PilotLink

_MICROPYTHON = sys.implementation.name == "micropython"


class Uart:
    """machine.UART on standard input and output: never blocks; what does not fit into the line is lost, as on a real UART."""

    def __init__(self) -> None:
        # CPython's own stdin and stdout are buffered, which a UART is not.
        self._in: object = sys.stdin.buffer if _MICROPYTHON else open(0, "rb", buffering=0, closefd=False)
        self._out: object = sys.stdout.buffer if _MICROPYTHON else open(1, "wb", buffering=0, closefd=False)
        self._poll = select.poll()
        self._poll.register(sys.stdin if _MICROPYTHON else 0, select.POLLIN)
        self._byte = bytearray(1)

    def read(self) -> bytes:
        """All bytes that have arrived, at most 1024."""
        data = bytearray()
        while len(data) < 1024 and self._poll.poll(0):
            if not self._in.readinto(self._byte):  # type: ignore[attr-defined]
                break
            data.extend(self._byte)
        return bytes(data)

    def write(self, data: bytes) -> None:
        """Send, or lose."""
        try:
            self._out.write(data)  # type: ignore[attr-defined]
        except OSError:
            pass


def _receive(sock: "socket.socket", size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            return b""
        data += more
    return data


def program_name() -> str:
    """Interpreter and version, for HELLO."""
    version = sys.implementation.version
    return f"pilotwire pilot on {sys.implementation.name} {version[0]}.{version[1]}.{version[2]}"


def unique_id() -> bytes:
    """The board's own number, which on a real one is in its flash: here the hexadecimal digits in PILOT_ID, or nothing."""
    digits = os.getenv("PILOT_ID") or ""
    return bytes([int(digits[at : at + 2], 16) for at in range(0, len(digits), 2)])


def firmware_hash() -> bytes:
    """Of the files that make the pilot: kernel, pilot program and link."""
    root = __file__.rsplit("/", 3)[0]
    return hash_folders([root + "/" + name for name in ("firmware/kernel", "firmware/pilot", "protocols/link")])


def main(world_port: int, changes: "list[tuple[int, int]]") -> None:
    """Run until the world goes away."""
    block = parameters.build(changes)
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", world_port)[0][-1])
    sock.setsockopt(6, 1, 1)  # IPPROTO_TCP, TCP_NODELAY: MicroPython does not name them
    wires = Wires()
    boot = int.from_bytes(os.urandom(4), "big") & 0x0FFFFFFF
    pilot = Pilot(
        FrontEnd(Machine(wires)),
        block,
        PilotLink(
            boot, describe(program_name(), block, unique_id(), firmware_hash(), reset_reason=messages.RESET_POWER)
        ),
    )
    uart = Uart()
    while True:
        record = _receive(sock, wire.TO_PILOT_SIZE)
        if not record:
            return
        fields = struct.unpack(wire.TO_PILOT, record)
        now_ms = fields[0]
        pins.put_inputs(wires, fields[1:-1], fields[-1])
        out = pilot.tick(now_ms, uart.read())
        if out:
            uart.write(out)
        duty_u16, levels = pins.take_outputs(wires)
        sock.send(struct.pack(wire.TO_WORLD, now_ms, duty_u16, levels))


if __name__ == "__main__":
    main(int(sys.argv[1]), parameters.parse(sys.argv[2:]))
