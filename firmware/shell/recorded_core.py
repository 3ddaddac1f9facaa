"""The OCPP core with everything that its shell does to it written down."""

from __future__ import annotations

from pilotwire.firmware.shell.recorder import CONNECTED, DISCONNECTED, RECEIVED, TICKED, Recorder
from pilotwire.protocols.ocpp.charge_point_16 import ChargePoint16
from pilotwire.protocols.ocpp.events import Event


class RecordedCore:
    """Stands between OcppPort and a ChargePoint16."""

    def __init__(self, core: ChargePoint16, recorder: Recorder) -> None:
        self._core = core
        self._recorder = recorder

    @property
    def outstanding(self) -> bool:
        """As the core's."""
        return self._core.outstanding

    @property
    def registered(self) -> bool:
        """As the core's."""
        return self._core.registered

    def connected(self, now_ms: int) -> None:
        """As the core's."""
        self._core.connected(now_ms)
        self._recorder.core(CONNECTED, now_ms, 0)

    def disconnected(self, now_ms: int) -> None:
        """As the core's."""
        self._core.disconnected(now_ms)
        self._recorder.core(DISCONNECTED, now_ms, 0)

    def receive(self, text: str, now_ms: int, unix_ms: int) -> None:
        """As the core's."""
        self._core.receive(text, now_ms, unix_ms)
        self._recorder.core(RECEIVED, now_ms, unix_ms, text)

    def tick(self, now_ms: int, unix_ms: int) -> None:
        """As the core's."""
        self._core.tick(now_ms, unix_ms)
        self._recorder.core(TICKED, now_ms, unix_ms)

    def deadline(self) -> int | None:
        """As the core's."""
        return self._core.deadline()

    def data_to_send(self) -> list[str]:
        """As the core's."""
        texts = self._core.data_to_send()
        if texts:
            self._recorder.sent(texts)
        return texts

    def next_event(self) -> Event | None:
        """As the core's."""
        event = self._core.next_event()
        if event is not None:
            self._recorder.told(event)
        return event
