"""The configuration file: what is right is read, what is wrong is refused with file, key and what would be right."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotwire.firmware.config import SECTIONS, Settings, load, parse
from pilotwire.firmware.toml_file import ConfigError
from tree import REPO

GOOD = """
[station]
name = "demo-1"
data_dir = "data"

[pilot]
port = "/dev/ttyACM0"

[meter]
driver = "sdm630"
transport = "rtu"
port = "/dev/ttyUSB0"

[authorisation]
mode = "list"
id_tags = ["04A1B2C3", "guest"]

[limits]
board_ma = 32000
cable_ma = 20000
phases = 3

[ocpp]
url = "ws://127.0.0.1:9000/CP1"

[status]
socket = "status.sock"
"""


def read(text: str) -> Settings:
    return parse(text, source="station.toml", folder=Path("/etc/pilotwire"))


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value).startswith("station.toml: ")
    for problem in caught.value.problems:
        assert problem in str(caught.value)
    return caught.value.problems


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, f"the test's own {old!r} must stand once in GOOD"
    return GOOD.replace(old, new)


def test_a_pilot_may_be_named_by_its_unique_id_and_looked_for_at_several_devices() -> None:
    more = '"/dev/ttyACM0"\nunique_id = "E6614103e7452b2f"\nports = ["/dev/ttyACM1", "/dev/ttyACM2"]'
    settings = read(GOOD.replace('"/dev/ttyACM0"', more))
    assert settings.pilot.unique_id == bytes.fromhex("e6614103e7452b2f")
    assert settings.pilot.ports == ("/dev/ttyACM1", "/dev/ttyACM2")


def test_a_good_file_is_read_with_its_defaults() -> None:
    settings = read(GOOD)
    assert settings.station.data_dir == Path("/etc/pilotwire/data")
    assert (settings.pilot.baud, settings.pilot.lease_ttl_ms) == (115200, 1000)
    assert (settings.pilot.unique_id, settings.pilot.ports) == (None, ())
    assert (settings.meter.baud, settings.meter.unit) == (9600, 1)
    assert (settings.meter.poll_ms, settings.meter.timeout_ms) == (1000, 500)
    assert settings.authorisation.id_tags == ("04A1B2C3", "guest")
    assert (settings.limits.board_ma, settings.limits.cable_ma, settings.limits.phases) == (32000, 20000, 3)
    assert settings.ocpp is not None
    assert (settings.ocpp.heartbeat_s, settings.ocpp.meter_values_s) == (300, 60)
    assert settings.status is not None
    assert settings.status.socket == Path("/etc/pilotwire/status.sock")


def test_without_ocpp_and_status_the_station_stands_alone() -> None:
    settings = read(GOOD[: GOOD.index("[ocpp]")])
    assert settings.ocpp is None
    assert settings.status is None


def test_a_meter_over_tcp_needs_a_host_and_no_serial_port() -> None:
    meter = read(changed('"rtu"\nport = "/dev/ttyUSB0"', '"tcp"\nhost = "10.0.0.7"\ntcp_port = 1502')).meter
    assert (meter.transport, meter.host, meter.tcp_port, meter.port) == ("tcp", "10.0.0.7", 1502, "")


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = read(GOOD)
    for part in (settings, settings.limits, settings.ocpp):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, dataclasses.fields(part)[0].name, None)  # type: ignore[arg-type]


IDENTITY = "must be a URL ws://HOST[:PORT]/.../IDENTITY or wss://..."

# (old text in GOOD, what stands there instead, the whole problem)
WRONG = [
    # unknown section, unknown key
    ("[limits]", "[limit]", "[limit]: unknown section, did you mean limits?"),
    ("[station]\n", "colour = 1\n[station]\n", "[colour]: unknown section; allowed: station, pilot, meter"),
    ("board_ma = 32000", "board_ma = 32000\nbored_ma = 1", "limits.bored_ma: unknown key, did you mean board_ma? allowed: "),
    ('port = "/dev/ttyACM0"', 'port = "/dev/ttyACM0"\nxyz = 1', "pilot.xyz: unknown key; allowed: port, baud, lease_ttl_ms"),
    ('CP1"', 'CP1"\npassword = "hunter2hunter2"', "ocpp.password: unknown key, did you mean password_file?"),
    # wrong type
    ('"demo-1"', "1", "station.name: must be a text of 1..48 printable characters, not 1"),
    ("board_ma = 32000", 'board_ma = "32000"', "limits.board_ma: must be a whole number 6000..80000 mA, not '32000'"),
    ("board_ma = 32000", "board_ma = 32000.0", "limits.board_ma: must be a whole number 6000..80000 mA, not 32000.0"),
    ("board_ma = 32000", "board_ma = true", "limits.board_ma: must be a whole number 6000..80000 mA, not True"),
    ("phases = 3", "phases = true", "limits.phases: must be one of 1, 3, not True"),
    ('"/dev/ttyACM0"', '"/dev/ttyACM0"\nbaud = 9600.0', "pilot.baud: must be one of 1200, 2400"),
    ('["04A1B2C3", "guest"]', '"guest"', "authorisation.id_tags: must be a list of texts, not 'guest'"),
    ('"guest"]', "7]", "authorisation.id_tags: entry 2 must be a text of 1..20 printable characters, not 7"),
    ('CP1"', 'CP1"\nallow_plaintext = 1', "ocpp.allow_plaintext: must be true or false, not 1"),
    ('"data"', "1979-05-27", "station.data_dir: must be a text of 1..4096 printable characters"),
    ('[status]\nsocket = "status.sock"', "[[status]]", "status: must be a section [status] with keys, not [{}]"),
    # out of range
    ("phases = 3", "phases = 2", "limits.phases: must be one of 1, 3, not 2"),
    ("cable_ma = 20000", "cable_ma = 5999", "limits.cable_ma: 5999 is out of range, must be a whole number 6000..80000 mA"),
    ("cable_ma = 20000", "cable_ma = 80001", "limits.cable_ma: 80001 is out of range, must be a whole number 6000..80000 mA"),
    ('"/dev/ttyACM0"', '"/dev/ttyACM0"\nlease_ttl_ms = 499', "pilot.lease_ttl_ms: 499 is out of range, must be a whole number"),
    ('"/dev/ttyACM0"', '"/dev/ttyACM0"\nunique_id = "e66"', "pilot.unique_id: must be 2..32 hexadecimal digits"),
    ('"/dev/ttyACM0"', '"/dev/ttyACM0"\nunique_id = "' + "00" * 17 + '"', "pilot.unique_id: must be 2..32 hexadecimal digits"),
    ('"/dev/ttyACM0"', '"/dev/ttyACM0"\nunique_id = 12', "pilot.unique_id: must be 2..32 hexadecimal digits"),
    ('"/dev/ttyACM0"', '"/dev/ttyACM0"\nports = "/dev/ttyACM1"', "pilot.ports: must be a list of device names, not '/dev/ttyACM1'"),
    ('"/dev/ttyACM0"', '"/dev/ttyACM0"\nports = ["/dev/ttyACM1"]', "pilot.unique_id: this key is missing; with ports"),
    ('"/dev/ttyACM0"', '"/dev/ttyACM0"\nlease_ttl_ms = 5001', "pilot.lease_ttl_ms: 5001 is out of range"),
    ('"/dev/ttyACM0"', '"/dev/ttyACM0"\nbaud = 9601', "pilot.baud: must be one of 1200, 2400"),
    ('"/dev/ttyUSB0"', '"/dev/ttyUSB0"\nunit = 0', "meter.unit: 0 is out of range, must be a whole number 1..247"),
    ('"/dev/ttyUSB0"', '"/dev/ttyUSB0"\npoll_ms = 99', "meter.poll_ms: 99 is out of range, must be a whole number 100..60000 ms"),
    ('CP1"', 'CP1"\nheartbeat_s = 9', "ocpp.heartbeat_s: 9 is out of range, must be a whole number 10..86400 s"),
    ('"sdm630"', '"sdm631"', "meter.driver: must be one of \"sdm630\", not 'sdm631' (did you mean \"sdm630\"?)"),
    ('"guest"', '"123456789012345678901"', "authorisation.id_tags: entry 2 must be a text of 1..20 printable characters"),
    ('"guest"', '""', "authorisation.id_tags: entry 2 must be a text of 1..20 printable characters, not ''"),
    ('"guest"', '"04a1b2c3"', "authorisation.id_tags: entry 2 '04a1b2c3' is there twice (upper and lower case are the same tag)"),
    ('"demo-1"', '"a\\nb"', "station.name: must be a text of 1..48 printable characters, not 'a\\nb'"),
    ('"status.sock"', f'"{"s" * 100}"', "bytes, a unix socket's path must have 1..107"),
    # missing
    ('name = "demo-1"\n', "", "station.name: this key is missing and has no default; it must be a text of 1..48 printable"),
    ("board_ma = 32000\n", "", "limits.board_ma: this key is missing and has no default; it must be a whole number 6000..80000 mA"),
    ('mode = "list"\n', "", 'authorisation.mode: this key is missing and has no default; it must be one of "free", "list"'),
    ('port = "/dev/ttyUSB0"\n', "", 'meter.port: this key is missing; transport = "rtu" needs it'),
    ('"rtu"', '"tcp"', 'meter.host: this key is missing; transport = "tcp" needs it'),
    # contradictions
    ('"rtu"', '"tcp"\nhost = "m"', 'meter.port: is not used with transport = "tcp"; remove it'),
    ('"/dev/ttyUSB0"', '"/dev/ttyUSB0"\nhost = "m"', 'meter.host: is not used with transport = "rtu"; remove it'),
    ('"list"', '"free"', 'authorisation.id_tags: is not used with mode = "free"'),
    # the central system's address
    ("ws://127.0.0.1:9000/CP1", "http://127.0.0.1/CP1", f"ocpp.url: {IDENTITY}, not 'http://127.0.0.1/CP1'"),
    ("ws://127.0.0.1:9000/CP1", "ws:///CP1", f"ocpp.url: {IDENTITY}, not 'ws:///CP1'"),
    ("ws://127.0.0.1:9000/CP1", "wss://h:99999/CP1", f"ocpp.url: {IDENTITY}"),
    ("ws://127.0.0.1:9000/CP1", "wss://[::1/CP1", f"ocpp.url: {IDENTITY}"),
    ("ws://127.0.0.1:9000/CP1", "wss://host/", "ocpp.url: 'wss://host/' does not end in the charge point's identity"),
    ("ws://127.0.0.1:9000/CP1", "wss://u:p@host/CP1", "without user or password; name a password_file instead"),
    ("ws://127.0.0.1:9000/CP1", "ws://example.org/CP1", "ocpp.url: ws:// to example.org is neither secret nor authentic; use wss://"),
    # not TOML at all
    ("[station]", "[station", "is not valid TOML: "),
    ("phases = 3", "phases = 3\nphases = 3", "is not valid TOML: "),
    ("phases = 3", f"phases = {'9' * 5000}", "is not valid TOML: "),
    ("phases = 3", f"phases = {'[' * 20000}", "is not valid TOML: "),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "problem"), WRONG, ids=[row[2][:60].replace("/", "_") for row in WRONG])
def test_a_mistake_is_refused_with_its_key_and_what_would_be_right(old: str, new: str, problem: str) -> None:
    assert any(problem in each for each in problems_of(changed(old, new)))


@pytest.mark.parametrize("section", ["station", "pilot", "meter", "authorisation", "limits"])
def test_a_missing_section_is_named_with_the_keys_it_needs(section: str) -> None:
    start = GOOD.index(f"[{section}]")
    (problem,) = problems_of(GOOD[:start] + GOOD[GOOD.index("[", GOOD.index("\n\n", start)) :])
    assert problem.startswith(f"[{section}]: this section is missing; it needs ")


def test_all_mistakes_of_a_file_are_reported_together() -> None:
    text = GOOD.replace("phases = 3", "phases = 2").replace("[station]", "[statoin]").replace('"sdm630"', "0")
    assert [each.split(":")[0] for each in problems_of(text)] == [
        "[statoin]",
        "[station]",
        "meter.driver",
        "limits.phases",
    ]


def test_a_list_without_tags_is_refused_unless_a_central_system_knows_more() -> None:
    text = changed('["04A1B2C3", "guest"]', "[]")
    assert read(text).authorisation.id_tags == ()
    (problem,) = problems_of(text[: text.index("[ocpp]")])
    assert problem.startswith("authorisation.id_tags: is empty and there is no [ocpp], so nobody could charge")


@pytest.mark.parametrize("url", ["ws://localhost/CP1", "ws://[::1]:9/a/CP1", "wss://csms.example.org/ocpp/CP1"])
def test_tls_anywhere_and_plain_text_to_this_machine_are_accepted(url: str) -> None:
    settings = read(changed("ws://127.0.0.1:9000/CP1", url))
    assert settings.ocpp is not None
    assert settings.ocpp.url == url


def test_plain_text_to_another_machine_must_be_asked_for() -> None:
    text = changed('"ws://127.0.0.1:9000/CP1"', '"ws://10.0.0.2/CP1"\nallow_plaintext = true')
    settings = read(text)
    assert settings.ocpp is not None
    assert settings.ocpp.url == "ws://10.0.0.2/CP1"


def with_password(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "secret").write_bytes(content)
    path = tmp_path / "station.toml"
    path.write_text(changed('CP1"', 'CP1"\npassword_file = "secret"'))
    return path


def test_the_password_comes_from_its_file_and_is_never_shown(tmp_path: Path) -> None:
    settings = load(with_password(tmp_path, b"correct horse\n"))
    assert settings.ocpp is not None
    assert settings.ocpp.password == "correct horse"
    assert "horse" not in repr(settings)


@pytest.mark.parametrize("content", [b"short", b"two of them\nlines of it", b"\xff" * 20, b"x" * 65, b""])
def test_a_password_that_cannot_be_one_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"ocpp\.password_file: ") as caught:
        load(with_password(tmp_path, content))
    shown = str(caught.value)
    assert "8..64 printable characters" in shown or "cannot read the password" in shown
    assert "short" not in shown
    assert "lines of it" not in shown


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    path = with_password(tmp_path, b"")
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigError, match=r"password_file: cannot read the password from .*secret: No such file"):
        load(path)


def test_relative_paths_start_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "station.toml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    assert load("etc/station.toml").station.data_dir == tmp_path / "etc" / "data"


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load(path).station.name == "demo-1"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file or directory"):
        load(tmp_path / "nowhere.toml")


def test_a_folder_is_not_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="/dev/zero: more than 1000000 bytes"):
        load("/dev/zero")


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(b'[station]\nname = "\xff"\n')
    with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 18\)"):
        load(path)


def test_a_path_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be read: embedded null byte"):
        load("a\0b")


KEYS = {section: [field.name for field in dataclasses.fields(kind)] for section, kind in SECTIONS.items()}

scalars = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(
        ["rtu", "tcp", "free", "list", "sdm630", "ws://h/x", "wss://[", "ws://a:b/", "\0", "wss://h\n/x", "ws:"]
    ),
    st.datetimes().map(lambda moment: moment.isoformat()),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner), max_leaves=5
)


def as_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # A basic string: everything but letters and digits as \\UXXXXXXXX.
        return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(key)} = {as_toml(each)}" for key, each in value.items()) + "}"
    return str(value)


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines = []
    for section in draw(st.lists(st.sampled_from([*KEYS, "other"]), unique=True)):
        lines.append(f"[{section}]")
        for key in draw(st.lists(st.sampled_from([*KEYS.get(section, []), "other", "password_file"]), unique=True)):
            lines.append(f"{key} = {as_toml(draw(values))}")
    return "\n".join(lines)


def read_or_refuse(text: str) -> None:
    problems: tuple[str, ...] = ("read",)
    try:
        read(text)
    except ConfigError as error:
        problems = error.problems
    assert problems
    assert all(problem.strip() for problem in problems)


@given(documents())
def test_valid_toml_with_any_values_is_read_or_refused(text: str) -> None:
    read_or_refuse(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    read_or_refuse(text)


@given(st.integers(0, len(GOOD)), st.text(max_size=4), st.integers(0, 8))
def test_a_good_file_with_a_slip_of_the_keyboard_is_read_or_refused(place: int, typed: str, lost: int) -> None:
    read_or_refuse(GOOD[:place] + typed + GOOD[place + lost :])


@given(st.binary())
def test_a_file_of_any_bytes_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        load(path)


def test_the_example_in_the_documentation_is_a_valid_configuration() -> None:
    settings = load(REPO / "docs" / "station.example.toml")
    assert settings.authorisation.mode == "list"
    assert settings.ocpp is not None
