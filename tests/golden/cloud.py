"""A keyset that a key in KMS opens, from which docs/format.md takes its example of such a slot.

Its bytes are in ``data/cloud`` and were written once. The emulator lets a test choose a key's id
and material, so that the slot still opens. ``python -m tests.golden.cloud ENDPOINT`` writes another
one, by an emulator that answers there; with ``--show`` in its place it only prints the slot.
"""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from core.format import names
from core.format.keyset import KeyRing, Keyset, decode_keyset, encode_keyset, seal_key_ring
from core.format.slots import CloudSlot
from core.format.wrapping import new_kek, wrap_recovery
from core.sources.unlocking import wrap_cloud
from core.stores.aws_kms import KmsKey
from core.stores.settings import StoreSettings
from tests.emulators.programs import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.emulators.services import AmazonService
from tests.golden import example

FOLDER = Path(__file__).parent / "data" / "cloud"
REGION = "us-east-1"
KEY_ID = "5c0ffee0-5c0f-4fee-8c0f-fee05c0ffee0"
ARN = f"arn:aws:kms:{REGION}:000000000000:key/{KEY_ID}"
# 32 bytes, in base64; the emulator wants no less.
MATERIAL = "Y29sZGhhdWwncyBnb2xkZW4gS01TIGtleSwgMzIgYnk="
RING = KeyRing(epochs=(bytes(range(32)),), id_key=bytes(range(32, 64)))


def stored_keyset() -> Keyset:
    """Return the keyset."""
    return decode_keyset((FOLDER / "keys-1.json").read_bytes(), 1)


def slot() -> CloudSlot:
    """Return its slot of the KMS key."""
    found = stored_keyset().slots[1]
    assert isinstance(found, CloudSlot)
    return found


def show_slot() -> str:
    """Return the slot as it is stored, its wrapped bytes cut off."""
    value = json.loads((FOLDER / "keys-1.json").read_bytes())["slots"][1]
    return json.dumps({**value, "wrapped": value["wrapped"][:72] + "..."}, indent=2)


def put_key(service: AmazonService) -> KmsKey:
    """Make the emulator have the key; return it."""
    client = service.client("kms")
    tags = {"_custom_id_": KEY_ID, "_custom_key_material_": MATERIAL}
    with suppress(client.exceptions.AlreadyExistsException):
        service.new_key(Tags=[{"TagKey": key, "TagValue": tags[key]} for key in tags])
    return KmsKey(ARN, StoreSettings())


def write(service: AmazonService) -> None:
    """Write another one."""
    kek, key = new_kek(), put_key(service)
    made = Keyset(
        version=1,
        slots=(
            wrap_recovery(kek, example.RECOVERY_KEY, "paper"),
            wrap_cloud(kek, key, "kms", example.IDENTITY.id),
        ),
        sealed_keys=seal_key_ring(kek, RING, example.IDENTITY.id, 1),
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / Path(names.packed_keyset(1)).name).write_bytes(encode_keyset(made))


if __name__ == "__main__":
    if "--show" not in sys.argv[1:]:
        os.environ |= {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_ENDPOINT_URL_KMS": sys.argv[1],
        }
        write(AmazonService(endpoint=sys.argv[1], region=REGION))
    print(show_slot())
