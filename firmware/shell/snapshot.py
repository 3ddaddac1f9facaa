"""The station at one instant as plain data, for panels and people. Stale data carries its age."""

from __future__ import annotations

from typing import Any

from pilotwire.firmware.kernel import faults, table
from pilotwire.firmware.session.waiting import waiting_for
from pilotwire.firmware.station import CONNECTOR, PILOT_LETTERS, Station


def snapshot(station: Station, name: str, now_ms: int, unix_ms: int) -> dict[str, Any]:
    """Everything there is to know now, ready for JSON; keys as documented in docs/one-session.md."""
    return {
        "now_ms": now_ms,
        "unix_ms": unix_ms,
        "station": name,
        "connector": CONNECTOR,
        "pilot": _pilot(station, now_ms),
        "session": _session(station),
        "allocation": _allocation(station),
        "meter": _meter(station, now_ms),
        "ocpp": _ocpp(station),
    }


def _pilot(station: Station, now_ms: int) -> dict[str, Any]:
    state = station.pilot
    if state is None:
        return {"online": False, "state": "?", "program": station.pilot_program, "faults": []}
    return {
        "online": True,
        "age_ms": now_ms - state.at_ms,
        "state": PILOT_LETTERS.get(state.pilot, "?"),
        "cp_high_mv": state.cp_high_mv,
        "cp_low_mv": state.cp_low_mv,
        "duty_percent": state.duty / 100,
        "contactor": "closed" if state.contacts_closed else "open",
        "faults": faults.names(state.faults),
        "phase": table.PHASE_NAMES[state.phase] if 0 <= state.phase < len(table.PHASE_NAMES) else "?",
        "waiting_for": waiting_for(state.phase, state.conditions, state.pilot),
        "cable_ma": state.cable_ma,
        "limit_ma": state.limit_ma,
        "lease_left_ms": state.lease_left_ms,
        "cycles": state.cycles,
        "program": station.pilot_program,
    }


def _session(station: Station) -> dict[str, Any]:
    session = station.session
    transaction = None
    if station.transaction is not None:
        energy_wh = 0.0
        if session.reading is not None:
            energy_wh = max(0.0, session.reading.energy_import_wh - station.transaction.meter_start_wh)
        ocpp_id = None
        if station.charge_point is not None:
            running = station.charge_point.running_on(CONNECTOR)
            ocpp_id = running.transaction_id if running is not None else None
        transaction = {
            "ref": station.transaction.ref,
            "ocpp_id": ocpp_id,
            "id_tag": station.transaction.id_tag,
            "energy_wh": round(energy_wh, 1),
        }
    return {"state": session.status, "step": session.state, "transaction": transaction, "why": _why(station)}


def _why(station: Station) -> str:
    """Why the current is what it is; what the pilot waits for comes before what the station would allow."""
    session, state = station.session, station.pilot
    waiting = (
        waiting_for(state.phase, state.conditions, state.pilot) if state is not None and session.granted_ma else []
    )
    return f"the pilot waits for: {'; '.join(waiting)}" if waiting else session.why


def _allocation(station: Station) -> dict[str, Any] | None:
    allocation = station.session.allocation
    if allocation is None:
        return None
    return {
        "limit_ma": allocation.limit_ma,
        "granted_ma": station.session.granted_ma,
        "binding": allocation.why,
        "reasons": [
            {"source": limit.source, "id": limit.id, "value_ma": limit.value_ma, "valid_until_ms": limit.valid_until_ms}
            for limit in allocation.reasons
        ],
    }


def _meter(station: Station, now_ms: int) -> dict[str, Any] | None:
    reading = station.session.reading
    if reading is None:
        return None
    return {
        "online": station.session.meter_error is None,
        "age_ms": now_ms - reading.at_ms,
        "power_w": reading.power_w,
        "current_a": list(reading.current_a),
        "voltage_v": list(reading.voltage_v),
        "energy_import_wh": reading.energy_import_wh,
    }


def _ocpp(station: Station) -> dict[str, Any] | None:
    charge_point = station.charge_point
    if charge_point is None:
        return None
    return {
        "connected": charge_point.connected_now,
        "registered": charge_point.registered,
        "queue": charge_point.queue_length,
        "traffic": list(station.traffic),
    }
