"""Several pilots on several serial lines: which device carries which pilot is found out by their unique ids, not by their order.

Device names change when adapters are replugged or the system starts in another order. Each connector's port asks here for a line;
when the pilot that answers is not its own, the line is given back and the next one is tried. What has been seen is remembered,
so that the connector whose pilot was met by another goes straight there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pilotwire.firmware.shell.pilot_port import Line, open_serial


class PilotLines:
    """The devices that may have pilots, shared by all connectors of one station."""

    def __init__(self, devices: Iterable[str], open_device: Callable[[str], Line]) -> None:
        """`open_device` opens one of them; raises OSError."""
        self._devices = list(dict.fromkeys(devices))
        self._open_device = open_device
        self._seen: dict[str, bytes] = {}
        """Unique id last heard at a device."""
        self._taken: dict[str, bytes] = {}
        """Connector, by the id of its pilot, that has the device open now."""
        self._tried: dict[bytes, int] = {}
        """Where each connector goes on looking."""

    def open(self, unique_id: bytes) -> Line:
        """A free line for the connector of this pilot: where it was last seen, or else the next one; raises OSError."""
        self._release(unique_id)
        device = self._choose(unique_id)
        if device is None:
            taken = ", ".join(f"{name} by {owner.hex()}" for name, owner in sorted(self._taken.items())) or "none"
            raise OSError(f"no free line for pilot {unique_id.hex()}; of {', '.join(self._devices)} are taken: {taken}")
        self._tried[unique_id] = self._devices.index(device) + 1
        line = self._open_device(device)
        self._taken[device] = unique_id
        return line

    def met(self, connector_id: bytes, found_id: bytes) -> None:
        """At the line of this connector there is the pilot found_id."""
        device = self.device(connector_id)
        if device is None:
            return
        self._seen[device] = found_id
        if found_id != connector_id:
            del self._taken[device]  # its port closes it

    def device(self, unique_id: bytes) -> str | None:
        """The device that the connector of this pilot has open, or None."""
        return next((device for device, owner in self._taken.items() if owner == unique_id), None)

    def _release(self, unique_id: bytes) -> None:
        device = self.device(unique_id)
        if device is None:
            return
        del self._taken[device]
        if self._seen.get(device) == unique_id:
            del self._seen[
                device
            ]  # it is not there any more, or the line has been lost: wherever it is, it will be met

    def _choose(self, unique_id: bytes) -> str | None:
        """A free device: its own if that is known, or else those whose pilot is not known before those that belonged to others."""
        first = self._tried.get(unique_id, 0) % len(self._devices)
        in_turn = self._devices[first:] + self._devices[:first]
        own = [device for device in in_turn if self._seen.get(device) == unique_id]
        free = [device for device in own or in_turn if device not in self._taken]
        return min(free, key=lambda device: device in self._seen, default=None)


def serial_lines(devices: Iterable[str], baud: int) -> PilotLines:
    """PilotLines over serial devices."""
    return PilotLines(devices, lambda device: open_serial(device, baud))
