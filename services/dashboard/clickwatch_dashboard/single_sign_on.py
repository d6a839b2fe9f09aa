"""A login at an OpenID Connect provider: authorization code with PKCE, and what its token says of a user.

The provider's addresses and keys come from its discovery document. Keys are asked for again where a token is
signed by one that is not known.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import structlog
from clickwatch_service import UserError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from clickwatch_dashboard.users import Role, User

log = structlog.get_logger()

_SECONDS = 10.0
_LEEWAY_SECONDS = 60
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
_PATH = "/login/sso/done"


class LoginFailed(Exception):
    """The provider does not answer, or does not vouch for the user; the text is for the page."""


@dataclass(frozen=True)
class Provider:
    """Who vouches for users, and which of them may do what.

    Attributes:
        issuer: the provider's address.
        client_id: what the provider calls this dashboard.
        client_secret_file: holds the secret that the provider gave it.
        our_address: where browsers reach this dashboard.
        name_claim: the claim of the token that names the user.
        groups_claim: the claim that lists the user's groups.
        look_groups: who may look; everyone whom the provider lets in, where it is empty.
        act_groups: who may act; nobody, where it is empty.
    """

    issuer: str
    client_id: str
    client_secret_file: Path
    our_address: str
    name_claim: str
    groups_claim: str
    look_groups: frozenset[str]
    act_groups: frozenset[str]

    def secret(self) -> str:
        """Return the secret, as the file holds it now.

        Raises:
            UserError: the file cannot be read, or is empty.
        """
        try:
            secret = self.client_secret_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"DASHBOARD_OIDC_CLIENT_SECRET_FILE={str(self.client_secret_file)!r}: cannot be read ({error})"
            ) from None
        if not secret:
            raise UserError(f"DASHBOARD_OIDC_CLIENT_SECRET_FILE={str(self.client_secret_file)!r}: is empty")
        return secret


@dataclass(frozen=True)
class Begun:
    """A login on its way.

    Attributes:
        address: where the browser goes.
        state: comes back with the browser.
        nonce: comes back in the token.
        verifier: shows that who began the login ends it (PKCE).
    """

    address: str
    state: str
    nonce: str
    verifier: str


class SingleSignOn:
    """Logins at one provider."""

    def __init__(self, provider: Provider) -> None:
        """Nothing is asked of the provider yet.

        Raises:
            UserError: the client's secret cannot be read.
        """
        provider.secret()
        self._provider = provider
        self._found: Mapping[str, Any] | None = None
        self._keys: KeySet | None = None

    async def begin(self) -> Begun:
        """Return where a browser goes to log in.

        Raises:
            LoginFailed: the provider does not answer.
        """
        found = await self._discovered()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": self._redirect,
            "scope": "openid profile email",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return Begun(f"{found['authorization_endpoint']}?{urlencode(query)}", state, nonce, verifier)

    async def finish(self, came_back: Mapping[str, str], nonce: str, verifier: str, now: float) -> User:
        """Return who has logged in.

        Args:
            came_back: the query that the browser came back with.
            nonce: that of the login.
            verifier: that of the login.
            now: the time, in epoch seconds.

        Raises:
            LoginFailed: the provider does not vouch for the user, or the user may not look.
        """
        if "code" not in came_back:
            raise LoginFailed(f"The login was refused there: {came_back.get('error', 'no reason was given')}.")
        found = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": came_back["code"],
            "redirect_uri": self._redirect,
            "code_verifier": verifier,
        }
        async with httpx2.AsyncClient(timeout=_SECONDS) as client:
            answer = await self._asked(
                client.post(
                    found["token_endpoint"], data=form, auth=(self._provider.client_id, self._provider.secret())
                )
            )
        claims = await self._verified(str(answer.get("id_token", "")), nonce, now)
        return self._user(claims)

    @property
    def _redirect(self) -> str:
        return self._provider.our_address.rstrip("/") + _PATH

    async def _discovered(self) -> Mapping[str, Any]:
        if self._found is None:
            address = f"{self._provider.issuer.rstrip('/')}/.well-known/openid-configuration"
            async with httpx2.AsyncClient(timeout=_SECONDS) as client:
                found = await self._asked(client.get(address))
            if found.get("issuer") != self._provider.issuer:
                log.warning("provider_is_another", asked=self._provider.issuer, said=found.get("issuer"))
                raise LoginFailed("The provider says that it is another one. See DASHBOARD_OIDC_ISSUER.")
            self._found = found
        return self._found

    async def _asked(self, request: Any) -> Mapping[str, Any]:
        try:
            response = await request
            response.raise_for_status()
            answer = response.json()
        except (httpx2.HTTPError, ValueError) as error:
            log.warning("provider_not_answering", issuer=self._provider.issuer, reason=" ".join(str(error).split()))
            raise LoginFailed("The provider of logins does not answer as it should. Try again later.") from None
        if not isinstance(answer, dict):
            raise LoginFailed("The provider of logins does not answer as it should. Try again later.")
        return answer

    async def _verified(self, token: str, nonce: str, now: float) -> Mapping[str, Any]:
        claims: Mapping[str, Any] | None = None
        for known in (self._keys, None):
            if claims is None:
                try:
                    claims = jwt.decode(token, known or await self._asked_keys(), algorithms=_ALGORITHMS).claims
                except (JoseError, ValueError) as error:
                    log.info("token_not_read", reason=str(error))
        if claims is None:
            raise LoginFailed("What the provider says of you is not signed by it.")
        audience = claims.get("aud")
        wrong = [
            name
            for name, is_right in (
                ("iss", claims.get("iss") == self._provider.issuer),
                ("aud", self._provider.client_id in (audience if isinstance(audience, list) else [audience])),
                ("exp", isinstance(claims.get("exp"), int | float) and claims["exp"] + _LEEWAY_SECONDS > now),
                ("nonce", secrets.compare_digest(str(claims.get("nonce", "")), nonce)),
            )
            if not is_right
        ]
        if wrong:
            log.warning("token_refused", claims=wrong)
            raise LoginFailed(f"What the provider says of you is not for here or not of now ({', '.join(wrong)}).")
        return claims

    async def _asked_keys(self) -> KeySet:
        found = await self._discovered()
        async with httpx2.AsyncClient(timeout=_SECONDS) as client:
            answer = await self._asked(client.get(found["jwks_uri"]))
        self._keys = KeySet.import_key_set(answer)  # type: ignore[arg-type]  # checked by the library
        return self._keys

    def _user(self, claims: Mapping[str, Any]) -> User:
        provider = self._provider
        name = str(claims.get(provider.name_claim) or claims.get("sub") or "")
        told = claims.get(provider.groups_claim) or []
        groups = {str(group) for group in (told if isinstance(told, list) else [told])}
        if groups & provider.act_groups:
            return User(name, Role.ACT)
        if not provider.look_groups or groups & provider.look_groups:
            return User(name, Role.LOOK)
        raise LoginFailed(f"{name} is in none of the groups that may look. Ask for one of them.")
