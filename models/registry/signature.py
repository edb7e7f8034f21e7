"""Signatures on models: Ed25519 over the manifest, so that only who holds a private key can put a model to use.

A hash says that a file is whole, and not who made it: whoever can write to the folder can write a manifest too. Where
trusted keys are given, a version without a signature by one of them is not loaded.
(Bernstein, Duif, Lange, Schwabe, Yang 2012, "High-speed high-security signatures"; RFC 8032.)
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from data.errors import ModelError, UsageError
from models.registry.files import as_json, read_json
from models.registry.names import SIGNATURES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TRUSTED_KEYS: Final = "HEED_MODEL_TRUSTED_KEYS"
SIGNING_KEY: Final = "HEED_MODEL_SIGNING_KEY"

_FORMAT: Final = 1
_ALGORITHM: Final = "ed25519"
# Says what is signed, so that a signature made for something else never fits a model.
_PURPOSE: Final = b"heed model manifest 1\n"
_LARGEST_KEY: Final = 10_000


@dataclass(frozen=True)
class TrustedKeys:
    """The public keys of a folder of `.pem` files, by fingerprint."""

    keys: Mapping[str, Ed25519PublicKey]

    @classmethod
    def read(cls, folder: Path) -> TrustedKeys:
        """Read every `.pem` file of a folder.

        Raises
        ------
        UsageError
            If there is no such folder, no key in it, or a file that is no public key of this kind: an empty list of
            trusted keys is a mistake, and not a wish to trust nobody.
        """
        files = sorted(folder.glob("*.pem")) if folder.is_dir() else []
        if not files:
            raise UsageError(
                f"{TRUSTED_KEYS}: expected a folder with public keys (.pem), and {folder.name} has none. Make a pair "
                "with `heed models keygen`, and put the public half there."
            )
        public = [_public_key(path) for path in files]
        return cls({fingerprint(key): key for key in public})

    def checked(self, folder: Path, manifest: bytes) -> str:
        """The fingerprint of the trusted key that signed the manifest of the version in a folder.

        Raises
        ------
        ModelError
            If nobody signed it, nobody who is trusted did, or a signature in a trusted name is wrong.
        """
        version = folder.name
        given = signatures_of(folder)
        if not given:
            raise ModelError(
                f"{version}: expected a signature by a trusted key, and it has none. Sign it with "
                f"`heed models sign {version} --sign-with KEY`, or train again with {SIGNING_KEY} set."
            )
        known = {key: text for key, text in given.items() if key in self.keys}
        if not known:
            raise ModelError(
                f"{version}: expected a signature by a trusted key ({', '.join(sorted(self.keys))}), and it is signed "
                f"by {', '.join(sorted(given))}. Have it signed by a trusted key, or trust that one."
            )
        for key, text in sorted(known.items()):
            if not _is_right(self.keys[key], text, _message(version, manifest)):
                raise ModelError(
                    f"{version}: the signature by {key} does not fit its manifest, so one of them was changed. Restore "
                    "the folder from a backup, or train again."
                )
        return min(known)


def trusted_from_environment() -> Path | None:
    """The folder of trusted keys that the environment names; None for none."""
    given = os.environ.get(TRUSTED_KEYS, "").strip()
    return Path(given) if given else None


def signing_key_from_environment() -> Path | None:
    """The private key that the environment names; None for none."""
    given = os.environ.get(SIGNING_KEY, "").strip()
    return Path(given) if given else None


def signatures_of(folder: Path) -> dict[str, str]:
    """Fingerprint -> signature in base64, of the version in a folder; empty where nobody signed."""
    path = folder / SIGNATURES
    if not path.exists():
        return {}
    content = read_json(path)
    listed = content.get("signatures")
    if content.get("format") != _FORMAT or content.get("algorithm") != _ALGORITHM or not isinstance(listed, dict):
        raise ModelError(
            f"{folder.name}/{SIGNATURES}: expected signatures of format {_FORMAT} ({_ALGORITHM}). Restore the file "
            "from a backup, or sign again."
        )
    return {str(key): str(text) for key, text in listed.items()}


def signed(version: str, manifest: bytes, key: Path, before: Mapping[str, str] | None = None) -> bytes:
    """What `signatures.json` holds when this key has signed, beside those who signed before.

    Raises
    ------
    UsageError
        If the file is no private key of this kind, or others than its owner may read it.
    """
    private = _private_key(key)
    text = base64.b64encode(private.sign(_message(version, manifest))).decode()
    signatures = {**(before or {}), fingerprint(private.public_key()): text}
    return as_json({"format": _FORMAT, "algorithm": _ALGORITHM, "signatures": signatures})


def fingerprint(key: Ed25519PublicKey) -> str:
    """What a public key is called: the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def fingerprint_of(key: Path) -> str:
    """What the public half of the private key in a file is called.

    Raises
    ------
    UsageError
        As `signed`.
    """
    return fingerprint(_private_key(key).public_key())


def make_pair(private: Path, public: Path) -> str:
    """Write a new pair of keys in PEM, the private half for its owner only; returns the fingerprint.

    Raises
    ------
    UsageError
        If one of the files is there already: a key is never overwritten.
    """
    _require_cryptography()
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - optional

    for path in (private, public):
        if path.exists():
            raise UsageError(f"{path.name}: expected a new file, and it is there already. A key is not overwritten.")
    made = Ed25519PrivateKey.generate()
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    _write_new(private, made.private_bytes(serialization.Encoding.PEM, *plain), 0o600)
    format_ = serialization.PublicFormat.SubjectPublicKeyInfo
    _write_new(public, made.public_key().public_bytes(serialization.Encoding.PEM, format_), 0o644)
    return fingerprint(made.public_key())


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise UsageError(
            f"{path.name}: expected a folder that is there and can be written to. Choose another."
        ) from error
    with os.fdopen(opened, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _message(version: str, manifest: bytes) -> bytes:
    return _PURPOSE + version.encode() + b"\n" + manifest


def _is_right(key: Ed25519PublicKey, text: str, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - optional

    try:
        key.verify(base64.b64decode(text, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _public_key(path: Path) -> Ed25519PublicKey:
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - optional

    key: object = None
    with contextlib.suppress(ValueError):
        key = load_pem_public_key(_key_bytes(path))
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path.name}: expected a public Ed25519 key in PEM. Make a pair with `heed models keygen`.")
    return key


def _private_key(path: Path) -> Ed25519PrivateKey:
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - optional

    if not path.is_file():
        raise UsageError(f"There is no key at {path.name}. Make a pair with `heed models keygen`.")
    if path.stat().st_mode & 0o077:
        raise UsageError(f"{path.name}: others than its owner may read this key. Run `chmod 600` on it first.")
    key: object = None
    with contextlib.suppress(ValueError, TypeError):
        key = load_pem_private_key(_key_bytes(path), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"{path.name}: expected a private Ed25519 key in PEM, without a password. Make a pair with "
            "`heed models keygen`."
        )
    return key


def _key_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST_KEY)


def _require_cryptography() -> None:
    """Refuse where the optional library is not installed.

    Raises
    ------
    UsageError
        Saying which extra to install.
    """
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401, PLC0415 - optional
    except ImportError as error:
        raise UsageError(
            "Expected the extra 'signing' for signatures on models, and it is not installed. Add it to the "
            'installation: `pip install "heed[signing]"`.'
        ) from error
