"""The OCPP messages come from the official schemas and from nowhere else."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from pilotwire.protocols.ocpp._generated import v16
from pilotwire.protocols.ocpp.errors import CallErrorCode, LocalProtocolError, PayloadError
from pilotwire.tools.codegen import ocpp as codegen

needs_schemas = pytest.mark.skipif(
    importlib.util.find_spec("ocpp") is None,
    reason="the development-only package `ocpp`, which carries the JSON Schemas, is not installed",
)


@needs_schemas
def test_the_checked_in_messages_are_what_the_schemas_give() -> None:
    for path, text in codegen.outputs().items():
        assert path.read_text("utf-8") == text, f"{path.name} is stale: python -m pilotwire.tools.codegen.ocpp"
    assert codegen.main(["--check"]) == 0


@needs_schemas
def test_a_changed_file_is_noticed_and_not_overwritten_by_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(codegen, "TARGET", tmp_path)
    assert codegen.main([]) == 0
    assert codegen.main(["--check"]) == 0
    (tmp_path / "v16.py").write_text("changed")
    assert codegen.main(["--check"]) == 1
    assert (tmp_path / "v16.py").read_text() == "changed"
    assert "v16.py differs" in capsys.readouterr().err


@needs_schemas
def test_the_package_with_the_schemas_is_never_imported() -> None:
    script = "import sys; from pilotwire.tools.codegen import ocpp; ocpp.outputs(); sys.exit('ocpp.v16' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_without_the_package_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert codegen.main(["--check"]) == 2
    assert "pip install ocpp" in capsys.readouterr().err


def test_the_stub_and_the_table_name_the_same_types() -> None:
    stub = Path(codegen.TARGET / "v16.pyi").read_text("utf-8")
    named = {line.split()[1].split("(")[0] for line in stub.splitlines() if line.startswith("class ")}
    assert named == set(v16.TYPES)


def test_every_action_has_a_request_and_a_response() -> None:
    assert {"BootNotification", "SetChargingProfile", "StopTransaction"} <= set(v16.ACTIONS)
    for action in v16.ACTIONS:
        assert issubclass(v16.MESSAGES.struct(action), msgspec.Struct)
        assert issubclass(v16.MESSAGES.struct(f"{action}Response"), msgspec.Struct)


def test_importing_the_messages_builds_no_class() -> None:
    script = (
        "from pilotwire.protocols.ocpp._generated import v16\n"
        "assert not v16.MESSAGES._structs\n"
        "v16.Authorize\n"
        "assert len(v16.MESSAGES._structs) == 1\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_unknown_type_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = v16.Nonsense  # type: ignore[attr-defined]


OCCURRENCE, TYPE = CallErrorCode.OCCURRENCE, CallErrorCode.TYPE
PROPERTY, FORMATION = CallErrorCode.PROPERTY, CallErrorCode.FORMATION


@pytest.mark.parametrize(
    ("name", "payload", "code"),
    [
        ("Authorize", "{}", OCCURRENCE),
        ("Authorize", '{"idTag": 1}', TYPE),
        ("Authorize", '{"idTag": null}', TYPE),
        ("Authorize", '{"idTag": "123456789012345678901"}', PROPERTY),
        ("Authorize", '{"idTag": "a", "more": 1}', FORMATION),
        ("Authorize", "[]", FORMATION),
        ("Authorize", "null", FORMATION),
        ("Authorize", '"a"', FORMATION),
        ("Authorize", '{"idTag": "a"', FORMATION),
        ("Reset", '{"type": "Lukewarm"}', PROPERTY),
        ("ReserveNow", '{"connectorId":1,"expiryDate":"tomorrow","idTag":"a","reservationId":1}', PROPERTY),
        ("ReserveNow", '{"connectorId":1.5,"expiryDate":"2024-01-01T00:00:00Z","idTag":"a","reservationId":1}', TYPE),
        ("ReserveNow", '{"connectorId":true,"expiryDate":"2024-01-01T00:00:00Z","idTag":"a","reservationId":1}', TYPE),
        ("MeterValues", '{"connectorId":1,"meterValue":[]}', OCCURRENCE),
        ("MeterValues", '{"connectorId":1,"meterValue":{}}', TYPE),
        ("MeterValues", '{"connectorId":1,"meterValue":[{"timestamp":"2024-01-01T00:00:00Z","sampledValue":[{}]}]}', OCCURRENCE),
    ],
)  # fmt: skip
def test_a_payload_that_breaks_its_schema_gets_the_code_that_fits(name: str, payload: str, code: str) -> None:
    with pytest.raises(PayloadError) as caught:
        v16.MESSAGES.decode(name, payload)
    assert caught.value.code == code


def test_a_time_may_come_in_every_rfc_3339_form() -> None:
    for text in (
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00.123Z",
        "2024-01-01T00:00:00+01:00",
        "2024-01-01T00:00:00",
    ):
        payload = f'{{"connectorId":1,"expiryDate":"{text}","idTag":"a","reservationId":1}}'
        assert v16.MESSAGES.decode("ReserveNow", payload).expiryDate == text


def test_an_answer_to_us_may_carry_more_than_the_schema_says() -> None:
    payload = '{"idTagInfo":{"status":"Accepted","parentIdTag":"%s","new":1},"transactionId":5,"x":null}' % ("p" * 40)
    answer = v16.MESSAGES.decode("StartTransactionResponse", payload, strict=False)
    assert answer.transactionId == 5
    with pytest.raises(PayloadError):
        v16.MESSAGES.decode("StartTransactionResponse", payload)


def test_what_we_say_ourselves_is_checked_before_it_is_sent() -> None:
    assert v16.MESSAGES.encode(v16.Authorize(idTag="abc")) == b'{"idTag":"abc"}'
    with pytest.raises(LocalProtocolError, match="length <= 20"):
        v16.MESSAGES.encode(v16.Authorize(idTag="x" * 21))
    with pytest.raises(LocalProtocolError, match="enum"):
        v16.MESSAGES.encode(v16.StatusNotification(connectorId=1, errorCode="NoError", status="Bored"))


def test_the_figures_for_the_start_up_budget_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    script = (
        "import time, msgspec; t = time.perf_counter();"
        "from pilotwire.protocols.ocpp._generated import v16; u = time.perf_counter();"
        "[v16.MESSAGES.struct(name) for name in v16.TYPES]; w = time.perf_counter();"
        "print(f'v16 import {1000 * (u - t):.1f} ms, all {len(v16.TYPES)} classes {1000 * (w - u):.1f} ms')"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    with capsys.disabled():
        print(f"\n{done.stdout.strip()} (process {time.perf_counter() - began:.2f} s)")
    assert "v16 import" in done.stdout
