"""The load box's program: one call of tick() does everything that is due. MicroPython subset.

It has no safety kernel, and decides nothing but this: when nobody has spoken to it for SILENCE_MS every relay opens, so that a
bench does not stay plugged in for a test that has died. It opens them as well for a new host, which shall find it so.

To the link the box is a pilot: HELLO until a host answers, then a STATE every 100 ms, which is what keeps a host's end online.
Of STATE it fills in

    pilot_ms               its clock
    pilot                  the state that the relays play, 1 A .. 5 E, 0 none of them
    cp_high_mv, cp_low_mv  as measured, corrected
    duty                   as measured
    cycles                 how often silence has opened the relays, modulo 65536

and phase, limit_ma, outputs, inputs, lease_left_ms, faults, conditions, cable_ma and bcb are 0. A LEASE is heard, and does nothing.
"""

from pilotwire.boards.loadbox_pico import commands
from pilotwire.boards.loadbox_pico.edges import Edges
from pilotwire.boards.loadbox_pico.levels import TICKS_PER_ROUND, Levels
from pilotwire.boards.loadbox_pico.relays import Relays
from pilotwire.firmware.kernel.ticks import elapsed
from pilotwire.firmware.pilot import calibration
from pilotwire.firmware.pilot.frontend import cp_mv
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.pilot import HELLO_MS, PilotLink

TICK_MS = 5
SILENCE_MS = 5000
RELAY_TICKS = 3  # until a relay has moved and stopped bouncing
# A copy of the samples may be under way when the relays have come to rest: that one is not used, the next one is.
REST_TICKS = RELAY_TICKS + 2 * TICKS_PER_ROUND
RESTLESS_TICKS = 200  # a MEASURE waits so long for the relays, and is refused


class Box:
    """Front end and link of one load box.

    `front` has clock_hz, drive(mask, pp_ohm), snapshot() -> bytes of the ADC's ring (levels.py), edge_words(take), which calls take
    with every word that has come (edges.py), and level(), of the wire now. `correction` has correct(channel, u16) as in
    calibration.py. Each of `services` has handle(code, number, data) as in firmware/pilot/program.py.
    """

    def __init__(
        self, front: "object", link: PilotLink, correction: "object", services: "tuple[object, ...]" = ()
    ) -> None:
        self.relays = Relays()
        self.link = link
        self.levels = Levels()
        self.edges = Edges(front.clock_hz)  # type: ignore[attr-defined]
        self.silences = 0
        self._front = front
        self._correct = correction.correct  # type: ignore[attr-defined]
        self._services = services
        self._session = 0
        self._last_ms = -1
        self._sent_ms = -1
        self._rest_ticks = 0  # since a relay has moved
        self._waited_ticks = -1  # of a MEASURE that waits for the relays; -1: none
        self._driven = -1

    def tick(self, now_ms: int, received: "bytes | bytearray") -> bytes:
        """One tick at now_ms (modular): take the link's bytes, move relays, measure; returns bytes for the link."""
        link = self.link
        passed_ms = max(0, elapsed(now_ms, self._last_ms)) if self._last_ms >= 0 else 0
        self._last_ms = now_ms
        link.pass_time(passed_ms)
        link.receive(received)
        link.take_lease()
        link.take_narrowings()
        self._guard()
        self.relays.tick(now_ms)
        self._obey(now_ms)
        self._drive()
        front = self._front
        front.edge_words(self.edges.take)  # type: ignore[attr-defined]
        self.edges.tick(passed_ms, front.level())  # type: ignore[attr-defined]
        self.levels.tick(front)
        self._answer_measure()
        self._report(now_ms)
        return link.data_to_send()

    def read_u16(self, channel: int) -> int:
        """The last reading, not corrected, for the calibration service; the box has the pilot wire and no other channel."""
        return self.levels.high_u16 if channel == calibration.CP else 0

    def is_open(self) -> bool:
        """True while no relay is closed and no script runs."""
        relays = self.relays
        return relays.mask == 0 and relays.pp_ohm == 0 and relays.steps_left == 0

    def _guard(self) -> None:
        link = self.link
        if link.session != self._session:
            self._session = link.session
            self._waited_ticks = -1
            self.relays.open_all()
        elif (not link.peer_ok or link.quiet_ms >= SILENCE_MS) and self.relays.open_all():
            self.silences = self.silences + 1 & 0xFFFF

    def _drive(self) -> None:
        relays = self.relays
        driven = relays.mask << 16 | relays.pp_ohm
        if driven != self._driven:
            self._driven = driven
            self._rest_ticks = 0
        elif self._rest_ticks < REST_TICKS:
            self._rest_ticks += 1
        self._front.drive(relays.mask, relays.pp_ohm)  # type: ignore[attr-defined]

    def _obey(self, now_ms: int) -> None:
        command = self.link.take_command()
        if command is None:
            return
        code, number, data = command
        if code != commands.MEASURE or number:
            self._waited_ticks = -1  # its host has given that one up
        answer: tuple[int, int, bytes] | None = None
        if code == commands.MEASURE:
            # The same one said again while it waits goes on waiting; another one begins anew, which is only ever later.
            answer = self._measure(number, data)
            if answer is None:
                return
        elif code in (commands.SET_RELAYS, commands.SET_PP):
            answer = self._set(code, number, data)
        elif code in (commands.SCRIPT, commands.SCRIPT_START, commands.SCRIPT_STOP):
            answer = self._script(code, number, data, now_ms)
        elif code == messages.PING:
            answer = (messages.OK, number, data)
        else:
            for service in self._services:
                answer = service.handle(code, number, data)  # type: ignore[attr-defined]
                if answer is not None:
                    break
        if answer is None:
            answer = (messages.UNKNOWN, 0, b"")
        self.link.answer(answer[0], answer[1], answer[2])

    def _set(self, code: int, number: int, data: bytes) -> "tuple[int, int, bytes]":
        relays = self.relays
        if code == commands.SET_PP:
            if data:
                return _bad("this command has no data")
            if number not in commands.PP_OHM:
                return _bad(f"no resistor of {number} ohms; there are {commands.PP_OHM}, 0 is open")
            relays.pp_ohm = number
            return messages.OK, number, b""
        reason = commands.why_no_mask(number)
        if reason:
            return _bad(reason)
        if relays.steps_left:
            return _refused("a script is running; stop it first (45)")
        other = self._why_not_known(data)
        if other is not None:
            return other
        relays.mask = number
        return messages.OK, number, b""

    def _script(self, code: int, number: int, data: bytes, now_ms: int) -> "tuple[int, int, bytes]":
        relays = self.relays
        if number:
            return _bad(f"the number of this command is 0, not {number}")
        if code == commands.SCRIPT_STOP:
            return messages.OK, relays.stop(), b""
        if relays.steps_left:
            return _refused("a script is running; stop it first (45)")
        if code == commands.SCRIPT_START:
            other = self._why_not_known(data)
            if other is not None:
                return other
            length_ms = relays.start(now_ms)
            return (
                (messages.OK, length_ms, b"") if length_ms else _refused("no script is loaded; upload one first (43)")
            )
        try:
            steps = commands.unpack_steps(data)
        except ValueError as error:
            return _bad(str(error))
        relays.load(steps)
        return messages.OK, len(steps), b""

    def _why_not_known(self, data: bytes) -> "tuple[int, int, bytes] | None":
        """A refusal when the host believes in relays that silence has opened; data is the count of silences that it knows of."""
        if not data:
            return None
        if len(data) != 2:
            return _bad("data is nothing, or the known count of silences in two bytes")
        if data[0] << 8 | data[1] != self.silences:
            return _refused(
                "every relay has been opened meanwhile, because nobody spoke to the box for 5 s; plug again"
            )
        return None

    def _measure(self, number: int, data: bytes) -> "tuple[int, int, bytes] | None":
        if data or number not in (0, commands.NOW):
            return _bad("the number of MEASURE is 0 or 1, and it has no data")
        if number == commands.NOW:
            return self._measured()
        self._waited_ticks = max(self._waited_ticks, 0)
        return None

    def _answer_measure(self) -> None:
        if self._waited_ticks < 0:
            return
        self._waited_ticks += 1
        if self._rest_ticks >= REST_TICKS:
            answer = self._measured()
        elif self._waited_ticks >= RESTLESS_TICKS:
            answer = _refused("the relays do not come to rest: a script is running; ask with number 1")
        else:
            return
        self._waited_ticks = -1
        self.link.answer(answer[0], answer[1], answer[2])

    def _measured(self) -> "tuple[int, int, bytes]":
        relays = self.relays
        edges = self.edges
        high_mv, low_mv = self._levels_mv()
        values = [
            high_mv,
            low_mv,
            edges.duty_permyriad,
            edges.frequency_mhz,
            relays.mask,
            relays.pp_ohm,
            relays.steps_left,
            self.silences,
        ]
        return messages.OK, 0, commands.pack_measurement(values)

    def _levels_mv(self) -> "tuple[int, int]":
        high_u16 = self._correct(calibration.CP, self.levels.high_u16)
        low_u16 = self._correct(calibration.CP, self.levels.low_u16)
        return cp_mv(high_u16), cp_mv(low_u16)

    def _report(self, now_ms: int) -> None:
        link = self.link
        period = messages.PERIOD_MS if link.peer_ok else HELLO_MS
        if self._sent_ms >= 0 and elapsed(now_ms, self._sent_ms) < period:
            return
        self._sent_ms = now_ms
        if not link.peer_ok:
            link.send_hello()
            return
        high_mv, low_mv = self._levels_mv()
        duty = self.edges.duty_permyriad
        link.send_state([now_ms, self.relays.state(), 0, high_mv, low_mv, duty, 0, 0, 0, 0, 0, 0, self.silences, 0, 0])


def _bad(reason: str) -> "tuple[int, int, bytes]":
    return messages.BAD, 0, reason.encode()[: messages.DATA_MAX]


def _refused(reason: str) -> "tuple[int, int, bytes]":
    return messages.REFUSED, 0, reason.encode()[: messages.DATA_MAX]
