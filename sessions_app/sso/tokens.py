"""Checks the signed tokens of a provider: ID tokens (OpenID Connect Core 1.0) and logout tokens (Back-Channel Logout).

This module is pure: it is given the token, the keys and what is expected, and does no input or output. Whatever is
wrong raises InvalidToken, whose text names the check and never shows the token.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Collection, Mapping
from typing import Any

import jwt
from django.views.decorators.debug import sensitive_variables

# Signed with a private key. A shared secret (HS256) would make a public key, or the client secret, a signing key.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
SKEW = 60  # seconds by which the clocks of provider and console may differ
OLDEST_LOGOUT = 5 * 60  # seconds since a logout token was made
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TYPE = "logout+jwt"
LONGEST_TOKEN = 64 * 1024  # characters
LONGEST_SUBJECT = 255


class InvalidToken(Exception):
    """A token failed a check."""


class UnknownKey(InvalidToken):
    """None of the known keys has signed the token; the provider may have a new one."""


def header_of(token: str) -> dict[str, Any]:
    """Return the header of a token, whose algorithm is one of those that are accepted. Raise InvalidToken."""
    if not token or len(token) > LONGEST_TOKEN:
        raise InvalidToken("the token is empty or too long")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise InvalidToken("the token is not a signed one") from error
    if header.get("alg") not in ALGORITHMS:
        raise InvalidToken(f"the signature algorithm {str(header.get('alg'))[:20]!r} is not accepted")
    return header


def find_key(keys: Mapping[str, Any], header: Mapping[str, Any]) -> Any:
    """Return the public key of the provider that the header of a token names.

    A header without a name fits if exactly one key is of its kind. Raise UnknownKey, or InvalidToken for a key that
    cannot be used.
    """
    algorithm = str(header["alg"])
    of_kind = [
        key
        for key in keys.get("keys", [])
        if isinstance(key, Mapping)
        and key.get("kty") == KEY_TYPES[algorithm[:2]]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
    ]
    named = [key for key in of_kind if key.get("kid") == header["kid"]] if "kid" in header else of_kind
    if len(named) != 1:
        raise UnknownKey("no key of the provider fits the token")
    try:
        return jwt.get_algorithm_by_name(algorithm).from_jwk(json.dumps(dict(named[0])))
    except (jwt.PyJWTError, ValueError, KeyError) as error:
        raise InvalidToken("the key of the provider cannot be used") from error


@sensitive_variables("token", "access_token", "nonce")
def check_id_token(
    token: str,
    keys: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str = "",
    trusted_audiences: Collection[str] = (),
    authenticated_after: float | None = None,
) -> dict[str, Any]:
    """Return the claims of an ID token after all checks of OpenID Connect Core 1.0, 3.1.3.7. Raise InvalidToken.

    `authenticated_after`, in seconds since 1970, is given where the person had to give a factor anew.
    """
    header = header_of(token)
    claims = _decode(token, keys, header, issuer=issuer, client_id=client_id, required=("sub", "exp", "nonce"))
    _check_audience(claims, client_id, trusted_audiences)
    if not isinstance(claims["nonce"], str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise InvalidToken("the nonce is not that of this login")
    if claims.get("at_hash") is not None and access_token:
        expected = _half_hash(access_token, str(header["alg"]))
        if not hmac.compare_digest(str(claims["at_hash"]).encode(), expected.encode()):
            raise InvalidToken("at_hash does not fit the access token")
    if authenticated_after is not None:
        at = claims.get("auth_time")
        if not isinstance(at, int | float) or at < authenticated_after - SKEW:
            raise InvalidToken("the provider did not ask for a factor anew (auth_time)")
    return claims


@sensitive_variables("token")
def check_logout_token(
    token: str, keys: Mapping[str, Any], *, issuer: str, client_id: str, accepts_untyped: bool = False
) -> dict[str, Any]:
    """Return the claims of a logout token after all checks of Back-Channel Logout 1.0, 2.6, but for its `jti`.

    It must be typed logout+jwt (OWASP ASVS 5, 10.5.5), unless `accepts_untyped`. Raise InvalidToken.
    """
    header = header_of(token)
    kind = str(header.get("typ", "JWT")).lower().removeprefix("application/")
    if kind != LOGOUT_TYPE and not (accepts_untyped and kind == "jwt"):
        raise InvalidToken(f"the token is not typed {LOGOUT_TYPE}")
    claims = _decode(token, keys, header, issuer=issuer, client_id=client_id, required=("jti", "exp", "events"))
    _check_audience(claims, client_id, ())
    if not isinstance(claims["events"], Mapping) or not isinstance(claims["events"].get(LOGOUT_EVENT), Mapping):
        raise InvalidToken("the token is about another event")
    if "nonce" in claims:
        raise InvalidToken("a logout token has no nonce")
    if claims["iat"] < time.time() - OLDEST_LOGOUT - SKEW:
        raise InvalidToken("the token is too old")
    if not claims.get("sid") and not claims.get("sub"):
        raise InvalidToken("the token names neither a person nor a session")
    if not isinstance(claims.get("sid", ""), str) or len(claims.get("sid", "")) > LONGEST_SUBJECT:
        raise InvalidToken("sid is not a text of at most 255 characters")
    return claims


def _decode(
    token: str,
    keys: Mapping[str, Any],
    header: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    required: tuple[str, ...],
) -> dict[str, Any]:
    """Return the claims after the checks of signature, issuer, audience and times."""
    key = find_key(keys, header)
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[str(header["alg"])],
            audience=client_id,
            issuer=issuer,
            leeway=dt.timedelta(seconds=SKEW),
            options={"require": ["iss", "aud", "iat", *required]},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise InvalidToken(_reason(error)) from error
    if not _is_number(claims["iat"]):
        raise InvalidToken("iat is not a time")
    subject = claims.get("sub", "")
    if not isinstance(subject, str) or len(subject) > LONGEST_SUBJECT or ("sub" in claims and not subject.strip()):
        raise InvalidToken("sub is not a text of at most 255 characters")
    return claims


def _reason(error: Exception) -> str:
    """Return which check failed, without any value of the token."""
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"the claim {error.claim} is missing"
    known: dict[type[Exception], str] = {
        jwt.ExpiredSignatureError: "the token has expired",
        jwt.ImmatureSignatureError: "the token is not valid yet",
        jwt.InvalidIssuerError: "the token is of another issuer",
        jwt.InvalidAudienceError: "the token is for another client",
        jwt.InvalidSignatureError: "the signature does not fit",
    }
    return known.get(type(error), f"the token cannot be read ({type(error).__name__})")


def _check_audience(claims: Mapping[str, Any], client_id: str, trusted: Collection[str]) -> None:
    """Raise InvalidToken if the token is also for somebody who is not trusted, or was given to another client."""
    audience = claims["aud"]
    others = [one for one in audience if one != client_id] if isinstance(audience, list) else []
    if not set(others) <= set(trusted):
        raise InvalidToken("the token is also for clients that are not trusted")
    if (others or "azp" in claims) and claims.get("azp") != client_id:
        raise InvalidToken("the token was given to another client (azp)")


def _half_hash(text: str, algorithm: str) -> str:
    """Return the left half of the hash of `text` as at_hash has it (OpenID Connect Core 1.0, 3.1.3.6)."""
    digest = hashlib.new("sha512" if algorithm == "EdDSA" else f"sha{algorithm[2:]}", text.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
