"""`pilotwire firmware ...`: keys and bundles for pilot programs."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path

import pilotwire
from pilotwire.tools.firmware import board_files, bundle, keys
from pilotwire.tools.firmware.problem import FirmwareError

EPILOG = """\
from nothing to a board that can be updated
  pilotwire firmware keygen release.key                      once; keep it offline, copy release.key.pub anywhere
  pilotwire firmware build --board B --entry M --program 'NAME 1.0' --release 1 --out first.pwb
  pilotwire firmware sign --key release.key first.pwb
  pilotwire firmware prepare --trust release.key.pub --out files first.pwb     then copy `files` to the board, by wire
  pilotwire pilot-update --port DEV second.pwb               every later program, over the link

release numbers
  A pilot refuses a bundle whose release is lower than one that has run on it, whoever has signed it: an old program with a
  known fault cannot be put back. The same number again is allowed. To go back on purpose, build the old sources with a new
  number.
"""


def main(argv: list[str] | None = None) -> int:
    """Run one of the commands; exit status 0, or 1 with the reason on standard error."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except FirmwareError as error:
        print(f"pilotwire firmware {args.command}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pilotwire firmware",
        description="Keys and bundles for pilot programs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    keygen = commands.add_parser("keygen", help="make a key pair: FILE (0600) and FILE.pub; never overwrites")
    keygen.add_argument("file", type=Path)
    keygen.set_defaults(run=_keygen)
    build = commands.add_parser("build", help="compile a program and all it imports into one bundle")
    build.add_argument(
        "--entry", required=True, metavar="MODULE", help="module with make(context), see firmware/pilot/loader.py"
    )
    build.add_argument("--board", required=True, metavar="NAME", help="the name that the board's loader was given")
    build.add_argument("--program", required=True, metavar="TEXT", help="version for people, up to 60 characters")
    build.add_argument(
        "--release", required=True, type=int, metavar="N", help="never lower than before; see pilotwire firmware --help"
    )
    build.add_argument(
        "--root",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="folder with sources, besides pilotwire's own",
    )
    build.add_argument("--key", type=Path, metavar="FILE", help="private key: sign at once")
    build.add_argument("--out", required=True, type=Path, metavar="FILE")
    build.set_defaults(run=_build)
    sign = commands.add_parser("sign", help="sign a bundle, in place or to another file")
    sign.add_argument("--key", required=True, type=Path, metavar="FILE", help="private key")
    sign.add_argument("--out", type=Path, metavar="FILE", help="default: the bundle itself")
    sign.add_argument("bundle", type=Path)
    sign.set_defaults(run=_sign)
    show = commands.add_parser("show", help="say what is in a bundle")
    show.add_argument("--trust", type=Path, metavar="FILE.pub", help="public key to judge the signature with")
    show.add_argument("--files", action="store_true", help="list the files too")
    show.add_argument("bundle", type=Path)
    show.set_defaults(run=_show)
    prepare = commands.add_parser("prepare", help="write the first files of a board: loader, trusted keys, a bundle")
    prepare.add_argument(
        "--trust", required=True, action="append", type=Path, metavar="FILE.pub", help="may be given several times"
    )
    prepare.add_argument("--out", required=True, type=Path, metavar="DIR", help="a new folder")
    prepare.add_argument("bundle", type=Path)
    prepare.set_defaults(run=_prepare)
    return parser


def _keygen(args: argparse.Namespace) -> int:
    public = keys.generate(args.file)
    print(f"private key: {args.file} (only you can read it; without it no board that trusts it can be updated)")
    print(f"public key:  {keys.public_path(args.file)} {public.hex()}")
    return 0


def _build(args: argparse.Namespace) -> int:
    manifest = bundle.Manifest(args.board, args.program, args.entry, args.release)
    data = bundle.build(manifest, [*args.root, Path(pilotwire.__file__).parents[1]])
    if args.key is not None:
        data = bundle.sign(data, keys.load_private(args.key))
    _write(args.out, data)
    print(f"{args.out}: {len(data)} bytes, {len(bundle.parse(data, str(args.out)).files)} files")
    if args.key is None:
        print(f"not signed yet; say: pilotwire firmware sign --key KEY {args.out}")
    return 0


def _sign(args: argparse.Namespace) -> int:
    data = bundle.sign(_read(args.bundle), keys.load_private(args.key), str(args.bundle))
    out = args.out or args.bundle
    _write(out, data)
    print(f"{out}: signed, SHA-256 {hashlib.sha256(data).hexdigest()}")
    return 0


def _show(args: argparse.Namespace) -> int:
    data = _read(args.bundle)
    found = bundle.parse(data, str(args.bundle))
    print(f"program    {found.program}")
    print(f"release    {found.release}")
    print(f"board      {found.board}")
    print(f"entry      {found.entry}")
    print(f"mpy        version {found.mpy}, byte code")
    print(f"size       {len(data)} bytes, {len(found.files)} files")
    print(f"SHA-256    {hashlib.sha256(data).hexdigest()}")
    good = True
    if not bundle.is_signed(found):
        print("signature  none")
        good = args.trust is None
    elif args.trust is None:
        print(f"signature  by the key {found.key_hint.hex()}...; --trust FILE.pub judges it")
    else:
        good = keys.is_signed_by(keys.load_public(args.trust), found.signed, found.signature)
        print(f"signature  {'good' if good else 'NOT of this key, or wrong'}: {args.trust}")
    if args.files:
        for name, (_, length) in found.files.items():
            print(f"{length:8}  {name}")
    return 0 if good else 1


def _prepare(args: argparse.Namespace) -> int:
    first = _read(args.bundle)
    found = bundle.parse(first, str(args.bundle))
    trusted = [keys.load_public(path) for path in args.trust]
    if not any(keys.is_signed_by(key, found.signed, found.signature) for key in trusted):
        raise FirmwareError(
            f"{args.bundle} is not signed by any of these keys: a board with these files would run nothing"
        )
    for name in board_files.prepare(args.out, first, trusted):
        print(args.out / name)
    if found.board not in board_files.EDGES:
        print(
            f"the board {found.board!r} is none of ours: its main.py, which starts the loader, is for you to write "
            "(firmware/pilot/loader.py says what it gives the loader)",
            file=sys.stderr,
        )
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FirmwareError(f"cannot read {path}: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing: a bundle half written over the last good one helps nobody."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise FirmwareError(f"cannot write {path}: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
