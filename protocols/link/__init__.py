"""The pilot link: COBS frames, CRC-32, CBOR arrays. The same files run on both sides (MicroPython subset)."""
