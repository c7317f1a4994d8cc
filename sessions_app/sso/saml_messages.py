"""What holds for every SAML message that comes in: it is short, refers to nothing outside, is new, and counts once."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import zlib
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from sessions_app.sso.errors import AnswerEncrypted, AnswerRefused
from sessions_app.sso.models import SamlMessage
from sessions_app.sso.providers import SamlProvider
from sessions_app.sso.saml_package import toolkit
from sessions_app.sso.tokens import SKEW

# What is encrypted, in a message that can be brought by anybody. The names of algorithms are of that namespace too.
ENCRYPTED = (
    "//xenc:* | //@xenc:* | //*[local-name()='EncryptedAssertion' or local-name()='EncryptedID'"
    " or local-name()='EncryptedAttribute']"
)
# What a signature may not do: refer to something outside the message, or transform what it signs other than by one of
# TRANSFORMS (SAML core 5.4.4). Objects in signatures are forbidden (erratum 91): they can hold more references.
REACHES_OUT = (
    "//ds:Object | //ds:RetrievalMethod | //ds:Reference[not(@URI) or (@URI != '' and not(starts-with(@URI, '#')))]"
)
TRANSFORMS = {
    "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
    "http://www.w3.org/2001/10/xml-exc-c14n#",
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
}
LONGEST_MESSAGE = 256 * 1024  # bytes of a message in an address, which is compressed there
OLDEST_LOGOUT = 5 * 60  # seconds since a logout request was made


def require_self_contained(provider: SamlProvider, xml: bytes) -> None:
    """Raise AnswerRefused for a message that is encrypted or refers to anything outside, and one of UNREADABLE.

    python3-saml decrypts before it checks a signature, and xmlsec reads what a message refers to before it knows who
    signed it: files of this machine, for any stranger. So this comes first, for each message.
    """
    tools = toolkit(provider)
    document = tools.OneLogin_Saml2_XML.to_etree(xml)
    if tools.OneLogin_Saml2_XML.query(document, ENCRYPTED):
        raise AnswerEncrypted(provider.name)
    transforms = {one.get("Algorithm") for one in tools.OneLogin_Saml2_XML.query(document, "//ds:Transform")}
    if tools.OneLogin_Saml2_XML.query(document, REACHES_OUT) or not transforms <= TRANSFORMS:
        raise AnswerRefused(provider.name, "its signature is about something outside the message, or transforms it")


def require_safe_logout(provider: SamlProvider, encoded: str) -> None:
    """Raise AnswerRefused for a message in an address that must not be read further: see the two checks."""
    tools = toolkit(provider)
    _require_short(provider, encoded)
    try:
        require_self_contained(provider, tools.OneLogin_Saml2_Utils.decode_base64_and_inflate(encoded, ignore_zip=True))
    except tools.UNREADABLE as error:
        raise AnswerRefused(provider.name, f"no logout message: {type(error).__name__}") from None


def _require_short(provider: SamlProvider, encoded: str) -> None:
    """Raise AnswerRefused for a compressed message that is too long, which python3-saml would unpack whole."""
    try:
        unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(base64.b64decode(encoded), LONGEST_MESSAGE + 1)
    except (ValueError, zlib.error):
        return  # python3-saml says what is wrong with it
    if len(unpacked) > LONGEST_MESSAGE:
        raise AnswerRefused(provider.name, "the message is too long")


def require_new(provider: SamlProvider, xml: str) -> None:
    """Raise AnswerRefused for a signed request that was made too long ago or at no time, and one of UNREADABLE."""
    tools = toolkit(provider)
    made = tools.OneLogin_Saml2_XML.to_etree(xml).get("IssueInstant")
    age = timezone.now().timestamp() - (seconds_of(tools, made) if made else 0)
    if not -SKEW <= age <= OLDEST_LOGOUT + SKEW:
        raise AnswerRefused(provider.name, "the logout request is too old (IssueInstant)")


def use_once(provider: SamlProvider, message_id: str, until: dt.datetime) -> bool:
    """Note that a message was used. Return False if it was used before. After `until` it counts no more anyway."""
    digest = hashlib.sha256(json.dumps([provider.issuer, message_id]).encode()).hexdigest()
    with transaction.atomic():
        SamlMessage.objects.filter(expires_at__lt=timezone.now() - dt.timedelta(minutes=10)).delete()
        try:
            with transaction.atomic():
                SamlMessage.objects.create(digest=digest, expires_at=until)
        except IntegrityError:
            return False
    return True


def seconds_of(tools: Any, at: str) -> float:
    """Return a time in seconds since 1970. Raise ValueError; python3-saml raises nothing narrower than Exception."""
    try:
        return float(tools.OneLogin_Saml2_Utils.parse_SAML_to_time(at))
    except Exception as error:
        raise ValueError("no time in UTC") from error
