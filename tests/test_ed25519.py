"""The pilot's own Ed25519 and SHA-512, against RFC 8032, against another implementation, and on MicroPython."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pilotwire.firmware.pilot.ed25519 import verify
from pilotwire.firmware.pilot.sha512 import sha512
from pilotwire.tools.rig.rig import PACKAGE_ROOT, find_micropython

ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19

# RFC 8032, section 7.1, tests 1, 2, 3 and SHA(abc): public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


def signed(rng: random.Random, length: int) -> tuple[bytes, bytes, bytes]:
    key = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
    message = rng.randbytes(length)
    return key.public_key().public_bytes_raw(), message, key.sign(message)


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032_are_good_and_each_flipped_bit_is_not(key: str, message: str, signature: str) -> None:
    one, two, three = (bytes.fromhex(text) for text in (key, message, signature))
    assert verify(one, two, three)
    rng = random.Random(8032)
    for place in rng.sample(range(512), 12):
        flipped = bytearray(three)
        flipped[place >> 3] ^= 1 << (place & 7)
        assert not verify(one, two, bytes(flipped))
    assert not verify(one, two + b"\0", three)


@pytest.mark.parametrize("seed", range(8))
def test_what_another_implementation_signs_is_good_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    key, message, signature = signed(rng, rng.choice([0, 1, 63, 64, 111, 112, 127, 128, 1000]))
    other, _, _ = signed(rng, 0)
    assert verify(key, message, signature)
    assert not verify(other, message, signature)
    assert not verify(key, message[::-1] + b"x", signature)


def test_a_second_spelling_of_a_good_signature_is_refused() -> None:
    key, message, signature = signed(random.Random(1), 50)
    s = int.from_bytes(signature[32:], "little")
    for more in (ORDER, 2 * ORDER):
        assert not verify(key, message, signature[:32] + (s + more).to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 31, 33, 63, 65, 128])
def test_lengths_that_are_none_are_refused_without_an_exception(length: int) -> None:
    key, message, signature = signed(random.Random(2), 5)
    assert not verify(os.urandom(length), message, signature)
    assert not verify(key, message, bytes(length))


# Points of small order: with such a key every message, or every eighth, would have a signature that anybody can write.
SMALL = [
    bytes([1] + [0] * 31),
    (PRIME - 1).to_bytes(32, "little"),
    bytes(32),
    bytes([0] * 31 + [0x80]),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]
NO_POINTS = [
    bytes([2] + [0] * 31),  # no x belongs to y = 2
    PRIME.to_bytes(32, "little"),  # 0 spelt as p
    (PRIME + 1).to_bytes(32, "little"),
    bytes([1] + [0] * 30 + [0x80]),  # x = 0 called odd
    b"\xff" * 32,
]


@pytest.mark.parametrize("key", SMALL + NO_POINTS, ids=bytes.hex)
def test_a_key_that_fits_many_messages_or_is_no_point_is_refused(key: bytes) -> None:
    identity = bytes([1] + [0] * 31)
    for r in (identity, key):
        for message in (b"", b"a", b"b", b"c"):
            assert not verify(key, message, r + bytes(32))


def test_a_signature_that_fits_because_r_has_a_small_order_is_refused() -> None:
    rng = random.Random(3)
    key = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32)).public_key().public_bytes_raw()
    for r in SMALL:
        assert not verify(key, b"anything", r + bytes(32))


@pytest.mark.parametrize("length", [0, 1, 3, 55, 56, 111, 112, 113, 127, 128, 129, 239, 240, 256, 1000])
def test_sha512_is_that_of_hashlib(length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert sha512(data) == hashlib.sha512(data).digest()


def test_micropython_finds_the_same_and_says_how_long_it_takes() -> None:
    interpreter = find_micropython()
    if interpreter is None:
        pytest.skip("there is no MicroPython wheel for this machine")
    rng = random.Random(4)
    cases = [(bytes.fromhex(k), bytes.fromhex(m), bytes.fromhex(s), True) for k, m, s in RFC_8032]
    key, message, signature = signed(rng, 3000)
    cases += [
        (key, message, signature, True),
        (key, message + b"x", signature, False),
        (SMALL[0], b"", signature, False),
    ]
    script = (
        "import time\n"
        "from pilotwire.firmware.pilot.ed25519 import verify\n"
        f"for key, message, signature, good in {cases!r}:\n"
        "    begun = time.ticks_us()\n"
        "    assert verify(key, message, signature) == good\n"
        "    print(len(message), time.ticks_diff(time.ticks_us(), begun))\n"
    )
    done = subprocess.run(
        [str(interpreter), "-c", script],
        env={**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert len(rows) == len(cases)
    print("MicroPython on this machine:", ", ".join(f"{size} bytes in {int(us) / 1000:.1f} ms" for size, us in rows))
