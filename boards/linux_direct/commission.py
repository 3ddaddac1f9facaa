"""The commissioning test of a watchdog device: let it reset the board once, and keep the record that the pilot asks for.

    python -m pilotwire.boards.linux_direct.commission --config FILE arm      # the board is reset; no car, no pilot running
    python -m pilotwire.boards.linux_direct.commission --config FILE confirm  # after the reset

`arm` writes down which board, which watchdog and which boot this is, starts the watchdog and does not feed it. `confirm` makes that
the proof when another boot runs and the watchdog's driver reports that it caused the reset. A driver that cannot report this
cannot be proven this way; use a supervisor on digital lines then.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pilotwire.boards.linux_direct import refusal, watchdog
from pilotwire.boards.linux_direct.config import Config, Watchdog, load
from pilotwire.boards.linux_direct.pilot_main import check_owner, own_hardware, say
from pilotwire.boards.linux_direct.refusal import RefusedError
from pilotwire.firmware.toml_file import ConfigError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ARMED = "armed"
GRACE_S = 10.0


def arm(config: Config, boot_id: Path = BOOT_ID, sleep: Callable[[float], None] = time.sleep) -> None:
    """Start the watchdog and do not feed it. Returns never, where it works; raises RefusedError where nothing happened."""
    settings = _device(config)
    assert settings.device is not None
    assert settings.proof is not None
    lock = own_hardware(config.lock_file)
    try:
        timeout_ms, record = _facts(config, settings, boot_id)
        watchdog.write_record(settings.proof, {**record, "state": ARMED})
        say(f"armed: this board must be reset within {timeout_ms} ms; then run confirm", 2)
        try:
            descriptor = os.open(settings.device, os.O_WRONLY)
        except OSError as error:
            raise RefusedError(refusal.WATCHDOG_MISSING, f"the watchdog cannot be started: {error}") from None
        try:
            sleep(timeout_ms / 1000 + GRACE_S)
        finally:
            os.close(descriptor)
        raise RefusedError(
            refusal.WATCHDOG_DEAD,
            f"the watchdog was not fed for {timeout_ms / 1000 + GRACE_S:g} s and this board still runs",
        )
    finally:
        os.close(lock)


def confirm(config: Config, boot_id: Path = BOOT_ID) -> None:
    """Make the record of arm() the proof; raises RefusedError where the reset was not the watchdog's."""
    settings = _device(config)
    assert settings.sysfs is not None
    assert settings.proof is not None
    _, record = _facts(config, settings, boot_id)
    armed = watchdog.read_record(settings.proof)
    if armed is None or armed.get("state") != ARMED:
        raise RefusedError(
            refusal.WATCHDOG_UNPROVEN, f"{settings.proof} is not that of an armed watchdog; run arm first"
        )
    if armed["boot"] == record["boot"]:
        raise RefusedError(refusal.WATCHDOG_UNPROVEN, "this is the boot in which it was armed: there has been no reset")
    for name in ("board", "watchdog", "timeout_ms"):
        if armed[name] != record[name]:
            raise RefusedError(
                refusal.WATCHDOG_UNPROVEN,
                f"{name} was {armed[name]} when it was armed and is {record[name]} now; run arm again",
            )
    status = int(watchdog.attribute(settings.sysfs, "bootstatus"))
    if not status & watchdog.CARD_RESET:
        raise RefusedError(
            refusal.WATCHDOG_UNPROVEN,
            f"the driver does not report that the watchdog caused the reset (bootstatus is {status}, "
            f"{watchdog.CARD_RESET} is the bit): somebody else reset the board, or this driver cannot tell",
        )
    watchdog.write_record(settings.proof, {**armed, "state": watchdog.PROVED, "boot_after": record["boot"]})
    say(f"proved: {settings.proof}", 2)


def _device(config: Config) -> Watchdog:
    settings = config.watchdog
    if settings is None or settings.kind != "device":
        raise RefusedError(
            refusal.WATCHDOG_UNDECLARED,
            'only a watchdog of kind "device" is commissioned; a supervisor is tried at each start',
        )
    return settings


def _facts(config: Config, settings: Watchdog, boot_id: Path) -> tuple[int, dict[str, object]]:
    assert settings.sysfs is not None
    try:
        timeout_ms = int(watchdog.attribute(settings.sysfs, "timeout")) * 1000
        identity = watchdog.attribute(settings.sysfs, "identity")
        boot = boot_id.read_text().strip()
    except (OSError, ValueError) as error:
        raise RefusedError(refusal.WATCHDOG_MISSING, f"the watchdog cannot be examined: {error}") from None
    facts = {"board": config.unique_id.hex(), "watchdog": identity, "timeout_ms": timeout_ms, "boot": boot}
    return timeout_ms, facts


def main(argv: list[str] | None = None) -> int:
    """Parse arguments and do one of the two steps; returns the exit code."""
    parser = argparse.ArgumentParser(prog="commission", description="the commissioning test of a watchdog device")
    parser.add_argument("--config", required=True, type=Path, help="the board's TOML file")
    parser.add_argument("step", choices=("arm", "confirm"))
    args = parser.parse_args(argv)
    try:
        config = load(args.config)
        check_owner(config.source)
        (arm if args.step == "arm" else confirm)(config)
    except ConfigError as error:
        refused = RefusedError(refusal.CONFIG, str(error))
    except RefusedError as error:
        refused = error
    else:
        return 0
    say(f"commissioning refuses: {refused.sentence}", 2)
    say(refused.as_json())
    return refused.exit_code


if __name__ == "__main__":
    sys.exit(main())
