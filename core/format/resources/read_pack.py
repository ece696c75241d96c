"""Extract what Coldhaul's packs hold, without Coldhaul. The section numbers are FORMAT.md's.

Needs Python 3.9, zstandard 0.22 and, for an encrypted repository, cryptography 44, or later. Get
what is below the repository's `packs/` into a folder, under the same names. Then

    python read_pack.py FOLDER                    lists the packs: stored size and name
    python read_pack.py FOLDER OUTPUT [PACK ...]  extracts these packs, or all, into OUTPUT:

blobs under their ids, objects in metadata packs under their names. With `--secret-env NAME` that
variable has the passphrase, recovery key or, in hex, KEK (section 8). Damage ends with status 1.
"""

import argparse
import base64
import getpass
import hashlib
import hmac
import io
import itertools
import json
import os
import re
import struct
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import zstandard

ID = "[0-9a-f]{32}"
PACK = rf"packs/{ID}/({ID}|meta-{ID}(-[1-9][0-9]*)?)"
MEMBER = rf"restore-points/{ID}/[0-9TZ]+-{ID}\.json|(index|layers)/{ID}-[0-9]+\.parquet"
DAMAGE = (ValueError, TypeError, KeyError, RecursionError, OSError, zstandard.ZstdError)
Blobs = Iterator[tuple[str, bytes]]  # Ids and contents.


def require(is_met: object, problem: str) -> None:
    """Report damage unless a condition is met."""
    if not is_met:
        raise ValueError(problem)


def unseal(stored: IO[bytes], context: str, keys: list[bytes]) -> Iterator[bytes]:
    """Yield what is sealed, chunk by chunk; the newest of the keys is the last (section 6)."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, commitment = stored.read(24), stored.read(32)
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context.encode()
    for key in reversed(keys):
        derived = hmac.digest(key, info + b"\1", "sha512")
        derived += hmac.digest(key, derived + info + b"\2", "sha512")
        if hmac.compare_digest(derived[44:76], commitment):
            break
    else:
        raise ValueError("no key opens it")
    for k in itertools.count():
        nonce, chunk = int.from_bytes(derived[32:44], "big") ^ k, stored.read(16_400)
        try:
            yield AESGCM(derived[:32]).decrypt(nonce.to_bytes(12, "big"), chunk, None)
        except InvalidTag:
            raise ValueError(f"chunk {k} of its seal is damaged or missing") from None
        if len(chunk) < 16_400:
            return


def read_blobs(pack: IO[bytes]) -> Blobs:
    """Yield the blobs of a pack's content (sections 5 and 10)."""
    size = pack.seek(0, os.SEEK_END)
    pack.seek(max(size - 9, 0))
    count, descriptor, magic = struct.unpack("<IBI", pack.read().rjust(9))
    end = size - 8 * count - 17  # Of the table of contents.
    is_good = (descriptor, magic) == (0, 0x8F92EAB1) and 2 <= count <= 131_073 and end > 0
    require(is_good, "it does not end with the footer of a pack")
    pack.seek(end)
    require(struct.unpack("<2I", pack.read(8)) == (0x184D2A5E, 8 * count + 9), "no seek table")
    *frames, (size, nothing) = struct.iter_unpack("<2I", pack.read(8 * count))
    require(sum(a for a, _ in frames) + size == end and nothing == 0, "the seek table is wrong")
    require(all(0 < a <= 8_486_912 and 0 < b <= 8_388_608 for a, b in frames), "wrong frame size")
    require(80 <= size <= 8_912_908 and size % 68 == 12, "wrong size of the table of contents")
    pack.seek(end - size)
    require(struct.unpack("<3I", pack.read(12)) == (0x184D2A50, size - 8, 1), "no contents table")
    blobs = list(struct.iter_unpack("<32s32sI", pack.read(size - 12)))
    blob_ends = list(itertools.accumulate(length for _, _, length in blobs))
    frame_ends = list(itertools.accumulate(size for _, size in frames))
    is_good = frame_ends[-1] == blob_ends[-1] and set(frame_ends) <= set(blob_ends)
    require(is_good and all(blob[2] for blob in blobs), "the blobs do not fill the frames")
    pack.seek(0)
    following = iter(blobs)
    for number, (stored_size, size) in enumerate(frames):
        frame = pack.read(stored_size)
        header = zstandard.get_frame_parameters(frame)
        require(header.content_size == size and header.has_checksum, f"frame {number} is damaged")
        content = io.BytesIO(zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False))
        while content.tell() < size:
            blob_id, digest, length = next(following)
            blob = content.read(length)
            require(hashlib.sha256(blob).digest() == digest, f"blob {blob_id.hex()} is damaged")
            yield blob_id.hex(), blob


def read_packs(paths: dict[str, Path], prefix: str, keys: "list[bytes] | None") -> Blobs:
    """Yield the blobs of packs, which are sealed if there are keys."""
    for name, path in paths.items():
        with path.open("rb") as stored, tempfile.TemporaryFile() as content:
            content.writelines(unseal(stored, prefix + name, keys) if keys else ())
            yield from read_blobs(content if keys else stored)


def write_members(blobs: Blobs, output: Path) -> None:
    """Write the objects that a metadata pack holds, all or none, under their names (section 14)."""
    members = json.loads(next(blobs)[1])
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, length) in enumerate(members):
            require(re.fullmatch(MEMBER, name) and 0 < length <= 268_435_456, f"it lists {name!r}")
            with Path(folder, str(number)).open("wb") as file:
                while file.tell() < length:
                    blob = next(blobs, ("", b""))[1]
                    require(0 < len(blob) <= length - file.tell(), f"{name} in it is not whole")
                    file.write(blob)
        require(next(blobs, None) is None, "it holds more than it lists")
        for number, (name, _) in enumerate(members):
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, str(number)).replace(output / name)


def open_keys(path: Path, prefix: str, secret: str) -> "list[bytes]":
    """Return the content keys, oldest first, if the secret opens a keyset (section 8)."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

    text = secret.upper().translate(str.maketrans("018", "OIB", "- "))
    recovery_key = base64.b32decode(text)[:32] if re.fullmatch("[A-Z2-7]{56}", text) else bytes(32)
    keks = [bytes.fromhex(secret)] if re.fullmatch("[0-9a-fA-F]{64}", secret) else []
    keyset, n = json.loads(path.read_bytes()), int(path.stem[5:])
    require(keyset["format_version"] == 1 and keyset["version"] == n, "wrong version")
    for slot in (slot for slot in keyset["slots"] if slot["kind"] in ("passphrase", "recovery")):
        key = recovery_key
        if slot["kind"] == "passphrase":
            t, p, m = slot["iterations"], slot["lanes"], slot["memory_kib"]
            require(t <= 64 and p <= 64 and 8 * p <= m <= 1_048_576, "Argon2id costs too much")
            salt = bytes.fromhex(slot["salt"])
            argon2 = Argon2id(salt=salt, length=32, iterations=t, lanes=p, memory_cost=m)
            key = argon2.derive(unicodedata.normalize("NFC", secret).encode())
        with suppress(InvalidUnwrap):
            keks.append(aes_key_unwrap_with_padding(key, bytes.fromhex(slot["wrapped"])))
    sealed = io.BytesIO(bytes.fromhex(keyset["sealed_keys"]))
    opened = b"".join(unseal(sealed, f"{prefix}keys/{n}.json", keks)) if keks else b'{"epochs":[]}'
    return [bytes.fromhex(epoch) for epoch in json.loads(opened)["epochs"]]


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("packs", nargs="*")
    parser.add_argument("--secret-env", dest="secret", type=os.getenv)
    given, keys, status = parser.parse_intermixed_args(), None, 0
    sys.excepthook = lambda kind, error, _: print(f"{kind.__name__}: {error}", file=sys.stderr)
    found = {f"packs/{path.parent.name}/{path.name}": path for path in given.folder.glob("*/*")}
    packs = {name: path for name, path in sorted(found.items()) if re.fullmatch(PACK, name)}
    if given.output is None:
        print(*(f"{path.stat().st_size:12} {name}" for name, path in packs.items()), sep="\n")
        return 0
    identity = json.loads((given.folder / "repository.json").read_bytes())
    require(identity["format"] == "coldhaul" and identity["format_version"] == 1, "unknown format")
    prefix = f"coldhaul/v1/{identity['id']}/"
    if identity["is_encrypted"]:
        secret = given.secret or getpass.getpass("Passphrase or recovery key: ")
        for path in sorted(given.folder.glob("keys-*.json"), key=lambda path: path.name.rjust(99)):
            try:
                keys = open_keys(path, prefix, secret) or keys
            except DAMAGE as error:
                print(f"{path}: {error}", file=sys.stderr)
                status = 1
        require(keys, "the passphrase or recovery key is wrong")
    given.output.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(given.output)  # Where there is room for a pack.
    for name in given.packs or [name for name in packs if name.count("-") < 2]:
        further = itertools.takewhile(packs.get, (f"{name}-{k}" for k in itertools.count(1)))
        try:
            blobs = read_packs({p: given.folder / p[6:] for p in [name, *further]}, prefix, keys)
            if "/meta-" in name:
                write_members(blobs, given.output)
            for blob_id, blob in blobs:
                (given.output / blob_id).write_bytes(blob)
        except DAMAGE as error:
            print(f"{name}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
