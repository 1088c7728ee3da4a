"""The issuer's signing keys, kept in a file only its owner can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey

from local.sandbox.state import read_private, write_private

_BITS = 2048
ALGORITHM = "RS256"


class SigningKeys:
    """RSA keys, newest first: the newest signs, all of them are published."""

    def __init__(self, path: Path) -> None:
        self._path = path
        kept = read_private(path)
        self._keys = [RSAKey.import_key(item) for item in orjson.loads(kept)] if kept else []
        if not self._keys:
            self.rotate(keep_old=False)

    def rotate(self, *, keep_old: bool) -> str:
        """Sign with a new key from now on; return its id. Old ones are published if kept."""
        parameters: Any = {"use": "sig", "alg": ALGORITHM}
        key = RSAKey.generate_key(_BITS, parameters, auto_kid=True)
        self._keys = [key, *(self._keys if keep_old else [])]
        write_private(self._path, orjson.dumps([k.as_dict(private=True) for k in self._keys]))
        return self._keys[0].kid or ""

    def public(self) -> dict[str, Any]:
        """Return the JSON Web Key Set (RFC 7517)."""
        return {"keys": [key.as_dict(private=False) for key in self._keys]}

    def sign(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        """Return a JWT of `claims`; `header` adds to alg, kid and typ or replaces them."""
        key = self._keys[0]
        full = {"alg": ALGORITHM, "kid": key.kid, "typ": "JWT", **header}
        return jwt.encode(full, claims, key)
