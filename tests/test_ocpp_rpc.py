"""OCPP-J framing survives whatever arrives, and answers each call once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotwire.protocols.ocpp._generated import v16
from pilotwire.protocols.ocpp.errors import LocalProtocolError
from pilotwire.protocols.ocpp.rpc import (
    MAX_FRAME_CHARS,
    CallReceived,
    CallRefused,
    CallTimedOut,
    ErrorReceived,
    FrameIgnored,
    ResultReceived,
    Rpc,
)

SUPPORTED = frozenset({"GetConfiguration", "RemoteStartTransaction", "SetChargingProfile", "TriggerMessage"})


def rpc() -> Rpc:
    return Rpc(v16.MESSAGES, SUPPORTED, call_timeout_ms=1000)


def profile_call(limit: object) -> str:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    return json.dumps([2, "m", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}])


# (what arrives, code of the CALLERROR for id "m", or None when nothing can be answered)
MALFORMED = [
    ("", None),
    ("nonsense", None),
    ("{}", None),
    ("null", None),
    ("[]", None),
    ("[2]", None),
    ("[2,5,\"Reset\",{}]", None),
    ("[2,null,\"Reset\",{}]", None),
    ("[2,\"\",\"Reset\",{}]", None),
    ("[2,[\"m\"],\"Reset\",{}]", None),
    ("[\"2\",\"m\",\"Reset\",{}]", None),
    ("[true,\"m\",\"Reset\",{}]", None),
    ("[2.0,\"m\",\"Reset\",{}]", None),
    ("[9,\"m\",\"Reset\",{}]", None),
    ("[1e999,\"m\",\"Reset\",{}]", None),
    ("[" * 100_000, None),
    ("[2,\"m\"]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\"]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",{},{}]", "FormationViolation"),
    ("[2,\"m\",7,{}]", "FormationViolation"),
    ("[2,\"m\",1e999,{}]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",[]]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",null]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",\"x\"]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",{\"key\":}]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",{\"key\":[\"a\"]}", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",{\"key\":NaN}]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",{\"key\":[\"\\ud800\"]}]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",{\"key\":[\"\ud800\"]}]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",{\"key\":" + "[" * 50_000 + "]" * 50_000 + "}]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",{\"key\":[\"" + "x" * 1_000_000 + "\"]}]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",{\"unknown\":1}]", "FormationViolation"),
    ("[2,\"m\",\"GetConfiguration\",{\"key\":\"a\"}]", "TypeConstraintViolation"),
    ("[2,\"m\",\"GetConfiguration\",{\"key\":[1]}]", "TypeConstraintViolation"),
    ("[2,\"m\",\"GetConfiguration\",{\"key\":[\"" + "x" * 51 + "\"]}]", "PropertyConstraintViolation"),
    ("[2,\"m\",\"RemoteStartTransaction\",{}]", "OccurenceConstraintViolation"),
    ("[2,\"m\",\"RemoteStartTransaction\",{\"idTag\":\"" + "x" * 21 + "\"}]", "PropertyConstraintViolation"),
    ("[2,\"m\",\"RemoteStartTransaction\",{\"idTag\":\"a\",\"connectorId\":\"1\"}]", "TypeConstraintViolation"),
    ("[2,\"m\",\"TriggerMessage\",{\"requestedMessage\":\"Gossip\"}]", "PropertyConstraintViolation"),
    (profile_call("16"), "TypeConstraintViolation"),
    (profile_call(None), "TypeConstraintViolation"),
    (profile_call(16).replace("16", "1e400"), "PropertyConstraintViolation"),
    (profile_call(16).replace('"startPeriod": 0, ', ""), "OccurenceConstraintViolation"),
    ("[2,\"m\",\"Reset\",{\"type\":\"Soft\"}]", "NotSupported"),
    ("[2,\"m\",\"BootNotification\",{}]", "NotSupported"),
    ("[2,\"m\",\"Levitate\",{}]", "NotImplemented"),
    ("[2,\"m\",\"\",{}]", "NotImplemented"),
    ("[2,\"m\",\"reset\",{}]", "NotImplemented"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code"), MALFORMED, ids=[f"{n}:{t[:40]!a}" for n, (t, _) in enumerate(MALFORMED)])
def test_a_malformed_frame_gets_the_error_that_fits_and_the_next_call_is_served(text: str, code: str | None) -> None:
    side = rpc()
    event = side.receive(text)
    answers = [json.loads(answer) for answer in side.data_to_send()]
    if code is None:
        assert isinstance(event, FrameIgnored)
        assert answers == []
    else:
        assert isinstance(event, CallRefused)
        assert [(a[0], a[1], a[2]) for a in answers] == [(4, "m", code)]
        assert len(answers[0]) == 5
        assert isinstance(answers[0][3], str)
        assert len(answers[0][3]) <= 255
        assert answers[0][4] == {}
    assert isinstance(side.receive('[2,"n","GetConfiguration",{}]'), CallReceived)


def test_a_well_formed_call_is_answered_once() -> None:
    side = rpc()
    event = side.receive('[2,"m","RemoteStartTransaction",{"idTag":"a"}]')
    assert isinstance(event, CallReceived)
    assert (event.action, event.payload.idTag, event.payload.connectorId) == ("RemoteStartTransaction", "a", None)
    assert side.result("m", v16.RemoteStartTransactionResponse(status="Accepted"))
    assert not side.result("m", v16.RemoteStartTransactionResponse(status="Rejected"))
    assert not side.error("m", "InternalError", "")
    assert side.data_to_send() == ['[3,"m",{"status":"Accepted"}]']
    assert side.data_to_send() == []


def test_a_repeated_id_of_a_call_still_being_worked_on_is_not_acted_on_twice() -> None:
    side = rpc()
    side.receive('[2,"m","GetConfiguration",{}]')
    assert isinstance(side.receive('[2,"m","GetConfiguration",{}]'), FrameIgnored)
    side.receive('[2,"m","Levitate",{}]')
    assert side.data_to_send() == []


def test_only_one_call_is_outstanding() -> None:
    side = rpc()
    frame = side.frame("a", v16.Heartbeat())
    assert frame == '[2,"a","Heartbeat",{}]'
    side.call("a", "Heartbeat", frame, 0)
    with pytest.raises(LocalProtocolError, match="Heartbeat is still outstanding"):
        side.call("b", "Heartbeat", side.frame("b", v16.Heartbeat()), 0)
    assert side.outstanding
    assert isinstance(side.receive('[3,"a",{"currentTime":"x"}]'), ResultReceived)
    assert not side.outstanding
    side.call("b", "Heartbeat", side.frame("b", v16.Heartbeat()), 0)


def test_a_call_is_given_up_at_its_deadline_and_a_late_answer_is_marked() -> None:
    side = rpc()
    assert side.deadline() is None
    side.call("a", "Heartbeat", "[]", 500)
    assert side.deadline() == 1500
    assert side.tick(1499) is None
    assert side.tick(1500) == CallTimedOut("a", "Heartbeat")
    assert side.tick(1501) is None
    late = side.receive('[3,"a",{}]')
    assert isinstance(late, ResultReceived)
    assert late.late


def test_an_answer_to_something_else_does_not_end_the_call() -> None:
    side = rpc()
    side.call("a", "Heartbeat", "[]", 0)
    late = side.receive('[3,"z",{}]')
    assert isinstance(late, ResultReceived)
    assert late.late
    assert isinstance(side.receive('[4,"z","InternalError","",{}]'), FrameIgnored)
    assert side.outstanding


@pytest.mark.parametrize(
    ("text", "code", "description"),
    [
        ('[4,"a","InternalError","broken",{}]', "InternalError", "broken"),
        ('[4,"a","InternalError"]', "InternalError", ""),
        ('[4,"a"]', "GenericError", ""),
        ('[4,"a",5,{},[]]', "GenericError", ""),
        ('[4,"a",1e999,1e999]', "GenericError", ""),
    ],
)
def test_a_call_error_ends_the_call_even_when_parts_are_missing(text: str, code: str, description: str) -> None:
    side = rpc()
    side.call("a", "Heartbeat", "[]", 0)
    assert side.receive(text) == ErrorReceived("a", "Heartbeat", code, description)
    assert not side.outstanding


def test_an_answer_too_large_to_read_ends_the_call_as_an_error() -> None:
    side = rpc()
    side.call("a", "Heartbeat", "[]", 0)
    event = side.receive('[3,"a",{"currentTime":"' + "x" * MAX_FRAME_CHARS + '"}]')
    assert isinstance(event, ErrorReceived)
    assert not side.outstanding
    assert isinstance(side.receive('[3,"a",{"currentTime":"' + "x" * MAX_FRAME_CHARS + '"}]'), FrameIgnored)


def test_reset_forgets_the_call_and_what_was_not_sent() -> None:
    side = rpc()
    side.receive('[2,"m","GetConfiguration",{}]')
    side.call("a", "Heartbeat", "[]", 0)
    side.reset()
    assert side.data_to_send() == []
    assert not side.outstanding
    assert not side.result("m", v16.GetConfigurationResponse())


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    rpc().receive(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=6), st.sampled_from([2, 3, 4, 5]), st.booleans())
def test_no_json_array_raises(parts: list[object], kind: int, outstanding: bool) -> None:
    side = rpc()
    if outstanding:
        side.call("a", "Heartbeat", "[]", 0)
    side.receive(json.dumps([kind, *parts]))
    side.receive(json.dumps([kind, "a", *parts]))
    for text in side.data_to_send():
        json.loads(text)
