"""OIDC client credentials as far as Kafka asks: signed tokens by name and secret, and the keys to check them."""

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from clickwatch_servers.ports import HOST, free_port

ISSUER = "clickwatch-tests"
AUDIENCE = "clickwatch-kafka"
_LIFE_SECONDS = 300
_KEY_ID = "clickwatch"


@contextmanager
def token_server(users: Mapping[str, str]) -> Iterator[str]:
    """Yield the address of a server: `/token` gives a token for a user's name and secret, `/keys` the keys (JWKS)."""
    server = _Server((HOST, free_port()), users)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], users: Mapping[str, str]) -> None:
        self._users = users
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        super().__init__(address, _Request)

    def knows(self, user: str, secret: str) -> bool:
        return self._users.get(user) == secret

    def token(self, user: str, scope: str) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + _LIFE_SECONDS, "scope": scope}
        signed = f"{_json({'alg': 'RS256', 'typ': 'JWT', 'kid': _KEY_ID})}.{_json(claims)}"
        return f"{signed}.{_base64(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def keys(self) -> object:
        public = self._key.public_key().public_numbers()
        modulus, exponent = (_base64(one.to_bytes((one.bit_length() + 7) // 8)) for one in (public.n, public.e))
        return {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": _KEY_ID, "n": modulus, "e": exponent}]}


class _Request(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer(200, self.server.keys())

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        kind, _, word = self.headers.get("Authorization", "").partition(" ")
        user, _, secret = base64.b64decode(word).decode().partition(":") if kind == "Basic" else ("", "", "")
        if not self.server.knows(user, secret) or body.get("grant_type") != ["client_credentials"]:
            self._answer(401, {"error": "invalid_client"})
            return
        token = self.server.token(user, body.get("scope", ["kafka"])[0])
        self._answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": _LIFE_SECONDS})

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def _json(document: object) -> str:
    return _base64(json.dumps(document).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
