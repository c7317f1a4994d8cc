"""Hostile ID tokens and logout tokens: each check of the token rules refuses what it is there for."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from sessions_app.sso.tokens import (
    LOGOUT_EVENT,
    InvalidToken,
    UnknownKey,
    check_id_token,
    check_logout_token,
    find_key,
    header_of,
)

ISSUER, CLIENT, NONCE = "https://id.example.com", "console", "n-0S6_WzA2Mj"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
KEYS: dict[str, Any] = {
    "keys": [
        RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True) | {"kid": "rsa", "use": "sig"},
        ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True) | {"kid": "ec", "alg": "ES256"},
        RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True) | {"kid": "enc", "use": "enc"},
    ]
}


def id_claims(**change: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": "s-1", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": NONCE} | change
    return {name: value for name, value in claims.items() if value is not None}


def logout_claims(**change: Any) -> dict[str, Any]:
    events: dict[str, Any] = {LOGOUT_EVENT: {}}
    return id_claims(**({"nonce": None, "jti": "j-1", "sid": "x", "events": events} | change))


def signed(claims: dict[str, Any], key: Any = EC_KEY, algorithm: str = "ES256", **headers: Any) -> str:
    return jwt.encode(claims, key, algorithm, headers={"kid": "ec", **headers})


def checked(token: str, **more: Any) -> dict[str, Any]:
    return check_id_token(token, KEYS, **({"issuer": ISSUER, "client_id": CLIENT, "nonce": NONCE} | more))


def logout_checked(token: str, **more: Any) -> dict[str, Any]:
    return check_logout_token(token, KEYS, issuer=ISSUER, client_id=CLIENT, **more)


@pytest.mark.parametrize(
    ("algorithm", "key", "kid"), [("RS256", RSA_KEY, "rsa"), ("PS256", RSA_KEY, "rsa"), ("ES256", EC_KEY, "ec")]
)
def test_a_good_token_passes(algorithm: str, key: Any, kid: str) -> None:
    assert checked(signed(id_claims(), key, algorithm, kid=kid))["sub"] == "s-1"


def test_clocks_may_differ_by_a_minute() -> None:
    now = int(time.time())
    assert checked(signed(id_claims(iat=now + 50, exp=now + 350)))
    assert checked(signed(id_claims(iat=now - 350, exp=now - 50)))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"iss": "https://evil.example.com"}, "another issuer"),
        ({"iss": f"{ISSUER}/"}, "another issuer"),
        ({"iss": None}, "iss is missing"),
        ({"aud": "other"}, "another client"),
        ({"aud": None}, "aud is missing"),
        ({"aud": [CLIENT, "other"]}, "not trusted"),
        ({"azp": "other"}, "azp"),
        ({"exp": 1_600_000_000}, "expired"),
        ({"exp": None}, "exp is missing"),
        ({"iat": None}, "iat is missing"),
        ({"iat": 4_000_000_000, "exp": 4_000_000_300}, "not valid yet"),
        ({"nbf": 4_000_000_000}, "not valid yet"),
        ({"nonce": "of another login"}, "nonce"),
        ({"nonce": None}, "nonce is missing"),
        ({"nonce": 7}, "nonce"),
        ({"sub": None}, "sub is missing"),
        ({"sub": ""}, "sub"),
        ({"sub": 7}, "cannot be read"),
        ({"sub": "x" * 256}, "sub"),
        ({"at_hash": "of another token"}, "at_hash"),
    ],
)
def test_a_claim_that_does_not_fit_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidToken, match=why):
        checked(signed(id_claims(**change)), access_token="a")


def test_a_trusted_audience_needs_us_as_the_party_it_was_given_to() -> None:
    several = id_claims(aud=[CLIENT, "files"])
    with pytest.raises(InvalidToken, match="azp"):
        checked(signed(several), trusted_audiences=("files",))
    assert checked(signed(several | {"azp": CLIENT}), trusted_audiences=("files",))


def test_at_hash_ties_the_access_token_to_the_id_token() -> None:
    half = base64.urlsafe_b64encode(hashlib.sha256(b"token").digest()[:16]).rstrip(b"=").decode()
    assert checked(signed(id_claims(at_hash=half)), access_token="token")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 70_000])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        checked(token)


def test_an_unsigned_token_is_refused() -> None:
    with pytest.raises(InvalidToken, match="'none' is not accepted"):
        checked(jwt.encode(id_claims(), "", "none", headers={"kid": "ec"}))


@pytest.mark.parametrize("secret", ["the client secret", ""])
def test_a_shared_secret_signs_nothing(secret: str) -> None:
    public = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "rsa"}).encode()).rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(id_claims()).encode()).rstrip(b"=")
    signature = hashlib.sha256((secret.encode() or public) + head).digest()
    forged = b".".join((head, body, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()
    with pytest.raises(InvalidToken, match="'HS256' is not accepted"):
        checked(forged)


def test_another_key_and_a_changed_token_are_refused() -> None:
    with pytest.raises(InvalidToken, match="signature"):
        checked(signed(id_claims(), OTHER_KEY))
    head, body, signature = signed(id_claims()).split(".")
    forged = base64.urlsafe_b64encode(json.dumps(id_claims(sub="admin")).encode()).rstrip(b"=").decode()
    with pytest.raises(InvalidToken, match="signature"):
        checked(f"{head}.{forged}.{signature}")
    assert body


def test_a_key_serves_only_what_it_is_for() -> None:
    for header in ({"kid": "new", "alg": "ES256"}, {"kid": "enc", "alg": "RS256"}, {"kid": "ec", "alg": "ES384"}):
        with pytest.raises(UnknownKey):
            find_key(KEYS, header)
    with pytest.raises(UnknownKey):  # an RSA key does not check an elliptic signature
        find_key(KEYS, {"kid": "rsa", "alg": "ES256"})
    assert find_key(KEYS, {"alg": "ES256"})  # without a name, and only one fits
    own = signed(id_claims(), OTHER_KEY, jwk=ECAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True))
    with pytest.raises(InvalidToken):  # a key that the token brings along counts for nothing
        checked(own)
    assert header_of(own)["jwk"]


def test_a_factor_that_was_asked_for_must_be_new() -> None:
    now = time.time()
    assert checked(signed(id_claims(auth_time=int(now))), authenticated_after=now)
    for change in ({"auth_time": int(now) - 120}, {"auth_time": None}, {"auth_time": "now"}):
        with pytest.raises(InvalidToken, match="auth_time"):
            checked(signed(id_claims(**change)), authenticated_after=now)


def test_a_good_logout_token_passes() -> None:
    assert logout_checked(signed(logout_claims(), typ="logout+jwt"))["sid"] == "x"
    assert logout_checked(signed(logout_claims(), typ="application/logout+jwt"))
    assert logout_checked(signed(logout_claims()), accepts_untyped=True)


@pytest.mark.parametrize(
    ("change", "typ", "why"),
    [
        ({}, "JWT", "typed"),
        ({}, "at+jwt", "typed"),
        ({"iss": "https://evil.example.com"}, "logout+jwt", "another issuer"),
        ({"aud": "other"}, "logout+jwt", "another client"),
        ({"aud": [CLIENT, "other"]}, "logout+jwt", "not trusted"),
        ({"nonce": NONCE}, "logout+jwt", "no nonce"),
        ({"nonce": ""}, "logout+jwt", "no nonce"),
        ({"events": {"other": {}}}, "logout+jwt", "another event"),
        ({"events": [LOGOUT_EVENT]}, "logout+jwt", "another event"),
        ({"events": None}, "logout+jwt", "events is missing"),
        ({"jti": None}, "logout+jwt", "jti is missing"),
        ({"exp": None}, "logout+jwt", "exp is missing"),
        ({"exp": 1_600_000_000}, "logout+jwt", "expired"),
        ({"iat": int(time.time()) - 4000}, "logout+jwt", "too old"),
        ({"sid": None, "sub": None}, "logout+jwt", "neither"),
        ({"sid": 7}, "logout+jwt", "sid"),
    ],
)
def test_a_bad_logout_token_is_refused(change: dict[str, Any], typ: str, why: str) -> None:
    with pytest.raises(InvalidToken, match=why):
        logout_checked(signed(logout_claims(**change), typ=typ))
    if typ == "at+jwt":
        with pytest.raises(InvalidToken, match="typed"):
            logout_checked(signed(logout_claims(), typ=typ), accepts_untyped=True)


def test_an_id_token_is_no_logout_token_and_the_other_way_round() -> None:
    with pytest.raises(InvalidToken):
        logout_checked(signed(id_claims()), accepts_untyped=True)
    with pytest.raises(InvalidToken, match="nonce"):
        checked(signed(logout_claims(), typ="logout+jwt"))
