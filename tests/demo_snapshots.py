"""Status snapshots of a made-up station, for the tests of what shows them."""

from __future__ import annotations

import copy
from typing import Any

WORLD = {"t_ms": 31_000, "closed": 0, "power_w": 11_041.0, "energy_wh": 124.2}
"""The circuit's own row for the full snapshot."""


def message(number: int, direction: str, action: str, kind: str = "call") -> dict[str, Any]:
    return {"unix_ms": 1_760_000_000_000 + number, "dir": direction, "action": action, "kind": kind}


def limit(source: str, ident: str, value_ma: int, until_ms: int | None = None) -> dict[str, Any]:
    return {"source": source, "id": ident, "value_ma": value_ma, "valid_until_ms": until_ms}


def full() -> dict[str, Any]:
    """A station in the middle of a session, after the central system lowered the limit."""
    return {
        "now_ms": 31_000,
        "unix_ms": 1_760_000_031_000,
        "station": "demo-1",
        "connector": 1,
        "pilot": {
            "online": True,
            "age_ms": 40,
            "state": "C",
            "cp_high_mv": 5990,
            "cp_low_mv": -11_950,
            "duty_percent": 26.66,
            "contactor": "closed",
            "faults": [],
            "limit_ma": 16_000,
            "lease_left_ms": 880,
            "program": "pilotwire pilot on micropython 1.28.0",
        },
        "session": {
            "state": "Charging",
            "step": "Active",
            "transaction": {"ref": 1, "ocpp_id": 17, "id_tag": "TAG-1", "energy_wh": 123.4},
            "why": "ocpp profile 7 allows 16 A",
        },
        "allocation": {
            "limit_ma": 16_000,
            "granted_ma": 16_000,
            "binding": "ocpp profile 7 allows 16 A",
            "reasons": [
                limit("ocpp", "profile 7", 16_000, until_ms=91_000),
                limit("ocpp", "profile 77", 20_000),
                limit("cable", "limits.cable_ma", 32_000),
                limit("board", "limits.board_ma", 40_000),
            ],
        },
        "meter": {
            "online": True,
            "age_ms": 400,
            "power_w": 11_040.0,
            "current_a": [16.01, 15.52, 16.13],
            "voltage_v": [230.0, 230.0, 230.0],
            "energy_import_wh": 12_345.6,
        },
        "ocpp": {
            "connected": True,
            "registered": True,
            "queue": 2,
            "traffic": [
                message(1, "out", "StartTransaction"),
                message(2, "in", "StartTransaction", "result"),
                message(3, "in", "SetChargingProfile"),
                message(4, "out", "SetChargingProfile", "result"),
            ],
        },
    }


def changed(**sections: Any) -> dict[str, Any]:
    """The full snapshot with keys of some sections replaced; a section that is no dict replaces the whole of it."""
    snapshot = copy.deepcopy(full())
    for name, new in sections.items():
        if isinstance(new, dict):
            snapshot[name].update(new)
        else:
            snapshot[name] = new
    return snapshot
