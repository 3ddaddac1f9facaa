"""PWM and analogue inputs as Linux shows them: small text files that are kept open and read and written at offset 0.

A value is written with a closing newline and read up to the first one, so that a plain file, which keeps the rest of a longer
value, serves as a stand-in. Every OSError names its file.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

PERIOD_NS = 1_000_000  # 1 kHz
PERIOD_TOLERANCE_NS = 5_000  # 0.5 %
EXPORT_WAIT_S = 2.0


class Attribute:
    """One sysfs attribute, opened once."""

    def __init__(self, path: Path, writable: bool = False) -> None:
        self.path = path
        self._descriptor = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)

    def text(self) -> str:
        """Its first line; raises OSError."""
        return os.pread(self._descriptor, 64, 0).split(b"\n", 1)[0].decode("ascii", "replace")

    def number(self) -> int:
        """Its value as a whole number; raises OSError where it is none."""
        text = self.text()
        try:
            return int(text)
        except ValueError:
            raise OSError(f"{self.path} reads {text!r}, which is no whole number") from None

    def write(self, value: int | str) -> None:
        """Set it; raises OSError."""
        try:
            os.pwrite(self._descriptor, f"{value}\n".encode(), 0)
        except OSError as error:
            raise OSError(error.errno, f"{self.path} does not take {value}: {error.strerror}") from None

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


class Pwm:
    """The control pilot's source: one channel of a PWM chip at 1 kHz. Opening it shows X1 (constantly high)."""

    def __init__(self, chip: Path, channel: int) -> None:
        folder = chip / f"pwm{channel}"
        if not folder.is_dir():
            export = Attribute(chip / "export", writable=True)
            export.write(channel)
            export.close()
            until = time.monotonic() + EXPORT_WAIT_S
            while not (folder / "duty_cycle").exists():  # udev may still be setting the owner of the files
                if time.monotonic() > until:
                    raise OSError(f"{folder} has not appeared {EXPORT_WAIT_S:g} s after the export")
                time.sleep(0.01)
        self._period = Attribute(folder / "period", writable=True)
        self._duty = Attribute(folder / "duty_cycle", writable=True)
        self._enable = Attribute(folder / "enable", writable=True)
        polarity = folder / "polarity"
        self._polarity = Attribute(polarity, writable=True) if polarity.exists() else None
        self._shown = -1
        self._start()

    def _start(self) -> None:
        if self._period.text() != str(PERIOD_NS):
            # The duty must never be longer than the period, whichever of the two is the old one.
            self._duty.write(0)
            self._period.write(PERIOD_NS)
        if self._polarity is not None and self._polarity.text() != "normal":
            self._enable.write(0)  # the polarity can only be changed while the output is off
            self._polarity.write("normal")
        self._duty.write(PERIOD_NS)
        self._enable.write(1)

    def show(self, permyriad: int) -> None:
        """Put a duty on the wire, never above the one asked for, and read it back; raises OSError."""
        if permyriad == self._shown:
            return
        duty_ns = permyriad * (PERIOD_NS // 10_000)
        self._duty.write(duty_ns)
        seen_ns = self._duty.number()
        if seen_ns != duty_ns:
            raise OSError(f"{self._duty.path} reads back {seen_ns} after {duty_ns} was written")
        self._shown = permyriad

    def silence(self) -> None:
        """X1, whatever was shown before; raises OSError."""
        self._shown = -1
        self._duty.write(PERIOD_NS)
        self._enable.write(1)

    def check(self) -> str | None:
        """What is wrong with the signal as the driver reports it, or None."""
        try:
            period_ns, enabled = self._period.number(), self._enable.number()
            duty_ns = self._duty.number()
            polarity = "normal" if self._polarity is None else self._polarity.text()
        except OSError as error:
            return f"the PWM cannot be read back: {error}"
        if abs(period_ns - PERIOD_NS) > PERIOD_TOLERANCE_NS:
            return f"the PWM period is {period_ns} ns, 1 kHz is {PERIOD_NS} ns within {PERIOD_TOLERANCE_NS}"
        if enabled != 1:
            return f"the PWM reads back as disabled (enable is {enabled})"
        if polarity != "normal":
            return f"the PWM polarity reads back as {polarity!r}, it must be 'normal'"
        expected_ns = PERIOD_NS if self._shown < 0 else self._shown * (PERIOD_NS // 10_000)
        if duty_ns != expected_ns:
            return f"the PWM duty reads back as {duty_ns} ns, {expected_ns} ns were written"
        return None


class Channel:
    """One input of an IIO device: (raw + offset) * scale gives millivolts at the ADC, times `multiply` plus `add` the quantity."""

    def __init__(self, device: Path, name: str, multiply: float, add: float) -> None:
        self._raw = Attribute(device / f"{name}_raw")
        kind = name.rstrip("0123456789")
        scale = self._constant(device, name, kind, "scale")
        offset = self._constant(device, name, kind, "offset")
        self._factor = (1.0 if scale is None else scale) * multiply
        self._add = (0.0 if offset is None else offset) * self._factor + add
        self.read()  # an input that cannot be read is missing now, not in the first tick

    @staticmethod
    def _constant(device: Path, name: str, kind: str, what: str) -> float | None:
        """The scale or offset of this channel, or the one that all of its kind share."""
        for path in (device / f"{name}_{what}", device / f"{kind}_{what}"):
            if path.exists():
                attribute = Attribute(path)
                text = attribute.text()
                attribute.close()
                try:
                    return float(text)
                except ValueError:
                    raise OSError(f"{path} reads {text!r}, which is no number") from None
        return None

    def read(self) -> int:
        """The quantity now, rounded; raises OSError."""
        return round(self._raw.number() * self._factor + self._add)
