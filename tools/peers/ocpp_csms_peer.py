"""An OCPP 1.6 central system that is not ours, as a process driven by JSON lines.

`ocpp_csms` is AGPL-3.0. It lives in an environment of its own and is only ever run as a separate process; nothing of
it is imported by, linked with or shipped in Pilotwire. This script in turn imports nothing of Pilotwire and runs on
that environment's interpreter: `python ocpp_csms_peer.py --port 0`.

Out (stdout, one JSON object a line, in the order things happened):
  {"ready": true, "port": N}
  {"frame": "in"|"out", "cp": ID, "text": ...}      every OCPP text, before it is acted on or sent
  {"event": "Connected|Disconnected|Boot|Status|MeterValues|TransactionStarted|TransactionStopped|...", ...fields}
  {"reply": CMD, "id": ..., "status": ..., ...}     one for each command

In (stdin): {"cmd": CMD, "id": any, "cp": ID, ...}
  remote_start  id_tag, connector; profile_amps optional: a TxProfile comes with it
  remote_stop   transaction_id (default: the running one)
  set_limit     amps, purpose (default ChargePointMaxProfile), connector, profile_id, stack_level, transaction_id, phases
  clear_limit   profile_id optional
  trigger       message, connector optional
  configuration keys optional
  raw           text: sent as it is
  die_on        action: SIGKILL itself when the next such frame has arrived, before answering it
  quit
The end of stdin or SIGTERM end the process.

Two habits of this central system to know: transaction ids count up from the unix time of its start, and a
StopTransaction for a transaction of an earlier process is answered but emits no event; then only its frame shows.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import logging
import os
import signal
import sys
from datetime import datetime
from typing import Any

import ocpp_csms
import ocpp_csms.charge_point
from ocpp.v16 import call  # type: ignore[import-untyped]

LONGEST_LINE = 64 * 1024 * 1024


def say(**fields: Any) -> None:
    """Write one line now; whoever reads must see it even if this process dies the next moment."""
    sys.stdout.write(json.dumps(fields, default=_plain) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


class FrameTap(logging.Handler):
    """Takes the raw texts from the central system's own wire log, in the order it handles them."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.die_on = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Report a record of the wire log that carries a text."""
        message = record.msg if isinstance(record.msg, str) else ""
        if not isinstance(record.args, tuple) or len(record.args) != 2:
            return
        charge_point_id, text = record.args
        if message.endswith("receive message %s"):
            say(frame="in", cp=charge_point_id, text=text)
            if self.die_on and f'"{self.die_on}"' in str(text)[:200]:
                os.kill(os.getpid(), signal.SIGKILL)
        elif message.endswith("send %s"):
            say(frame="out", cp=charge_point_id, text=text)


class Peer:
    """The central system and its commands."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.refusals_left = args.boots if args.registration != "Accepted" else 0
        self.tap = FrameTap()
        self.done = asyncio.Event()
        tags = set(args.authorize.split(",")) if args.authorize is not None else None

        async def registration(_charge_point: Any, _info: Any) -> ocpp_csms.RegistrationStatus:
            if self.refusals_left <= 0:
                return ocpp_csms.RegistrationStatus.ACCEPTED
            self.refusals_left -= 1
            return ocpp_csms.RegistrationStatus(args.registration)

        async def authorize(_charge_point: Any, id_tag: str) -> ocpp_csms.AuthorizationStatus:
            known = tags is None or id_tag in tags
            return ocpp_csms.AuthorizationStatus.ACCEPTED if known else ocpp_csms.AuthorizationStatus.INVALID

        async def authenticate(_charge_point_id: str, password: str | None) -> bool:
            return bool(password == args.password)

        # Imported by name there, and the only way to a retry interval that a test can wait for.
        ocpp_csms.charge_point.DEFAULT_BOOT_RETRY_INTERVAL = args.boot_retry_s
        wire = logging.getLogger("ocpp_csms.wire")
        wire.setLevel(logging.DEBUG)
        wire.propagate = False
        wire.addHandler(self.tap)
        self.system = ocpp_csms.CentralSystem(
            host="127.0.0.1",
            port=args.port,
            heartbeat_interval=args.heartbeat_s,
            registration=registration,
            authorize=authorize,
            authenticate=authenticate if args.password is not None else None,
        )
        self.system.add_listener(self.report)

    def report(self, event: Any) -> None:
        """One event of the central system as a line."""
        say(event=type(event).__name__.removesuffix("Event"), **dataclasses.asdict(event))

    async def run(self) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.done.set)
        async with self.system:
            say(ready=True, port=self.system.port)
            commands = asyncio.ensure_future(self.read_commands())
            await self.done.wait()
            commands.cancel()

    async def read_commands(self) -> None:
        """Obey stdin until it ends."""
        reader = asyncio.StreamReader(limit=LONGEST_LINE)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        running = set()
        while line := await reader.readline():
            task = asyncio.ensure_future(self.obey(json.loads(line)))
            running.add(task)
            task.add_done_callback(running.discard)
        self.done.set()

    async def obey(self, command: dict[str, Any]) -> None:
        """Do one command and report how it went."""
        name = command["cmd"]
        reply: dict[str, Any] = {"reply": name, "id": command.get("id")}
        try:
            if name == "quit":
                reply["status"] = "Accepted"
                self.done.set()
            elif name == "die_on":
                self.tap.die_on = command["action"]
                reply["status"] = "Accepted"
            else:
                reply.update(await self.ask(name, command))
        except ocpp_csms.CsmsError as error:
            reply.update(status="error", error=f"{type(error).__name__}: {error}")
        except (KeyError, ValueError, TypeError, StopIteration) as error:
            reply.update(status="error", error=f"bad command: {error!r}")
        say(**reply)

    async def ask(self, name: str, command: dict[str, Any]) -> dict[str, Any]:
        """One request to a charge point."""
        charge_point = self.system.charge_points[command["cp"]]
        if name == "remote_start":
            profile = _profile({"purpose": "TxProfile", **command}) if "profile_amps" in command else None
            request = call.RemoteStartTransaction(
                id_tag=command["id_tag"], connector_id=command.get("connector"), charging_profile=profile
            )
            return {"status": (await charge_point.async_call(request)).status}
        if name == "remote_stop":
            number = command.get("transaction_id") or next(iter(charge_point.transactions))
            result = await charge_point.async_call(call.RemoteStopTransaction(transaction_id=number))
            return {"status": result.status}
        if name == "set_limit":
            request = call.SetChargingProfile(
                connector_id=command.get("connector", 0), cs_charging_profiles=_profile(command)
            )
            return {"status": (await charge_point.async_call(request)).status}
        if name == "clear_limit":
            result = await charge_point.async_call(call.ClearChargingProfile(id=command.get("profile_id")))
            return {"status": result.status}
        if name == "trigger":
            request = call.TriggerMessage(requested_message=command["message"], connector_id=command.get("connector"))
            return {"status": (await charge_point.async_call(request)).status}
        if name == "configuration":
            found = await charge_point.async_get_configuration(command.get("keys"))
            values = {key: value.value for key, value in found.values.items()}
            return {"status": "Accepted", "values": values, "unknown": found.unknown_keys}
        if name == "raw":
            # There is no public way to send nonsense.
            session = charge_point._session
            if session is None:
                return {"status": "error", "error": "not connected"}
            await session.ws.send_str(command["text"])
            return {"status": "sent"}
        raise ValueError(f"unknown command {name}")


def _profile(command: dict[str, Any]) -> dict[str, Any]:
    period: dict[str, Any] = {"start_period": 0, "limit": command.get("profile_amps", command.get("amps"))}
    if "phases" in command:
        period["number_phases"] = command["phases"]
    profile = {
        "charging_profile_id": command.get("profile_id", 1),
        "stack_level": command.get("stack_level", 0),
        "charging_profile_purpose": command.get("purpose", "ChargePointMaxProfile"),
        "charging_profile_kind": "Relative" if command.get("purpose") == "TxProfile" else "Absolute",
        "charging_schedule": {"charging_rate_unit": "A", "charging_schedule_period": [period]},
    }
    if profile["charging_profile_kind"] == "Absolute":
        profile["charging_schedule"]["start_schedule"] = "2020-01-01T00:00:00Z"
    if "transaction_id" in command:
        profile["transaction_id"] = command["transaction_id"]
    return profile


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description="An independent OCPP 1.6 central system driven by JSON lines")
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--authorize", help="comma-separated id tags that may charge; default: all")
    parser.add_argument("--registration", choices=("Accepted", "Pending", "Rejected"), default="Accepted")
    parser.add_argument("--boots", type=int, default=1, help="how many boots get --registration before Accepted")
    parser.add_argument("--boot-retry-s", type=int, default=1, help="interval told to a charge point not accepted")
    parser.add_argument("--heartbeat-s", type=int, default=300)
    parser.add_argument("--password", help="HTTP Basic password every charge point must show")
    asyncio.run(Peer(parser.parse_args()).run())


if __name__ == "__main__":
    main()
