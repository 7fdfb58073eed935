"""What proves that we issued a token, a cookie or a URL? Keys made once and kept in the state."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from zooassist_plugin.errors import BadInput


@dataclass(frozen=True)
class Keys:
    """The RSA pair that signs access tokens and the secret behind cookies and signed URLs."""

    private: rsa.RSAPrivateKey = field(repr=False)
    public: rsa.RSAPublicKey = field(repr=False)
    secret: bytes = field(repr=False)

    def signature(self, method: str, path: str, expires: int) -> str:
        """Sign one method on one path until `expires` (unix seconds)."""
        text = f"{method} {path} {expires}".encode()
        return hmac.new(self.secret, text, hashlib.sha256).hexdigest()

    def signed_query(self, method: str, path: str, expires: datetime) -> str:
        """Return the query string that `verify` accepts until `expires`."""
        moment = int(expires.timestamp())
        return urlencode({"expires": moment, "signature": self.signature(method, path, moment)})

    def verify(self, method: str, path: str, expires: str, signature: str, now: datetime) -> bool:
        """Whether the signature is ours and has not expired at `now`."""
        if not expires.isascii() or not expires.isdigit():
            return False
        expected = self.signature(method, path, int(expires))
        genuine = hmac.compare_digest(expected.encode(), signature.encode())
        return genuine and int(expires) >= now.timestamp()


def _kept(path: Path, make: bytes | None = None) -> bytes:
    """Return what `path` holds; publish `make` under that name if nobody did before."""
    if not path.exists() and make is not None:
        partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(make)
        try:
            os.link(partial, path)
        except FileExistsError:
            pass  # another process of the same state was quicker: its key holds
        finally:
            partial.unlink()
    return path.read_bytes()


def load_keys(state: Path) -> Keys:
    """Return the keys of a state folder, making them the first time."""
    state.mkdir(parents=True, exist_ok=True)
    pem_path = state / "oauth_key.pem"
    pem = None
    if not pem_path.exists():
        pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    # Validating the primes of a key that we made ourselves would take most of the start-up time.
    private = serialization.load_pem_private_key(
        _kept(pem_path, pem), password=None, unsafe_skip_rsa_key_validation=True
    )
    if not isinstance(private, rsa.RSAPrivateKey):
        raise BadInput(f"{pem_path}: expected an RSA key, got another kind; delete the file")
    secret = _kept(state / "secret.key", secrets.token_bytes(32))
    return Keys(private, private.public_key(), secret)
