"""The load box's program on a PC: real MicroPython (or CPython) whose relays and samples end in a simulated circuit.

    micropython -m pilotwire.boards.loadbox_pico.sim_main CIRCUIT_PORT [STORE]

Standard input and output are the link (a pty set up by the caller, not blocking); the circuit's TCP port on loopback is the
hardware: it sends the tick and what the box sees, this program answers with its relays (sim_wire.py). STORE is where the
calibration lies. It ends when the circuit goes away. MicroPython subset.
"""

import os
import socket
import struct
import sys

from pilotwire.boards.loadbox_pico import sim_wire
from pilotwire.boards.loadbox_pico.assemble import build
from pilotwire.boards.loadbox_pico.levels import RING_SIZE
from pilotwire.boards.sim.pilot_main import Uart, unique_id
from pilotwire.protocols.link import messages


class SimFront:
    """What front.py is on a board: filled from one record, read into the other."""

    def __init__(self) -> None:
        self.clock_hz = sim_wire.CLOCK_HZ
        self.mask = 0
        self.pp_ohm = 0
        self._level = 0
        self._words: tuple[int, ...] = ()
        self._ring = bytes(RING_SIZE)

    def put(self, record: bytes) -> int:
        """Take what the circuit says; returns the tick in ms."""
        fields = struct.unpack(sim_wire.TO_BOX, record)
        self._level = fields[1]
        self._words = fields[3 : 3 + fields[2]]
        self._ring = fields[-1]
        now_ms: int = fields[0]
        return now_ms

    def drive(self, mask: int, pp_ohm: int) -> None:
        """Set the relays."""
        self.mask = mask
        self.pp_ohm = pp_ohm

    def snapshot(self) -> bytes:
        """The ADC's ring."""
        return self._ring

    def edge_words(self, take: "object") -> None:
        """Hand over the state machine's words, each once."""
        for word in self._words:
            take(word)  # type: ignore[operator]
        self._words = ()

    def level(self) -> int:
        """The comparator's output."""
        return self._level


def _receive(sock: "socket.socket", size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            return b""
        data += more
    return data


def main(circuit_port: int, store: str) -> None:
    """Run until the circuit goes away."""
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", circuit_port)[0][-1])
    sock.setsockopt(6, 1, 1)  # IPPROTO_TCP, TCP_NODELAY: MicroPython does not name them
    front = SimFront()
    boot = int.from_bytes(os.urandom(4), "big") & 0x0FFFFFFF
    box = build(front, unique_id(), boot, messages.RESET_POWER, store)
    uart = Uart()
    while True:
        record = _receive(sock, sim_wire.TO_BOX_SIZE)
        if not record:
            return
        now_ms = front.put(record)
        out = box.tick(now_ms, uart.read())
        # The relays first: a host that has the answer finds them moved.
        sock.send(struct.pack(sim_wire.TO_CIRCUIT, now_ms, front.mask, front.pp_ohm))
        if out:
            uart.write(out)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
