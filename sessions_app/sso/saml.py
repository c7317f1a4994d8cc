"""SAML 2.0 for logins: the request, and every check of the answer. python3-saml does XML, signatures and most checks.

What is looked at before that package may read a message is in saml_messages.py.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import functools
from typing import Any
from xml.sax.saxutils import escape

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from sessions_app.sso.errors import AnswerRefused, ProviderUnavailable
from sessions_app.sso.providers import SamlProvider
from sessions_app.sso.saml_keys import key_pair
from sessions_app.sso.saml_messages import require_self_contained, seconds_of, use_once
from sessions_app.sso.saml_package import toolkit

PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What a provider has said in an answer that passed all checks. Times are seconds since 1970."""

    subject: str
    claims: dict[str, Any] = dataclasses.field(repr=False)
    request_id: str  # of the request that it answers; empty for a login that began at the provider
    session_id: str
    authenticated_at: float | None
    has_second_factor: bool


def console_id(request: HttpRequest, provider: SamlProvider) -> str:
    """Return the entity id of the console at this provider."""
    return provider.entity_id or request.build_absolute_uri(reverse("sso_saml_metadata", args=[provider.slug]))


def acs_address(request: HttpRequest, provider: SamlProvider) -> str:
    """Return the address of the console that answers are for."""
    return request.build_absolute_uri(reverse("sso_saml_acs", args=[provider.slug]))


@sensitive_variables()
def saml_settings(
    request: HttpRequest,
    provider: SamlProvider,
    idp: dict[str, Any] | None,
    *,
    for_logout: bool = False,
    with_key: bool = True,
) -> Any:
    """Return the settings of python3-saml; without `idp` those for the console's own metadata.

    Raise ProviderUnavailable if they cannot be used. A logout is signed as a message, a login as an assertion. What the
    console sends is signed where it has a key. Nothing is decrypted with it: what only reads goes `with_key` False.
    """
    tools, pair = toolkit(provider), key_pair() if with_key else None
    signs = pair is not None and provider.signs_requests
    data: dict[str, Any] = {
        "strict": True,
        "sp": {
            "entityId": console_id(request, provider),
            "assertionConsumerService": {"url": acs_address(request, provider)},
            "singleLogoutService": {
                "url": request.build_absolute_uri(reverse("sso_saml_logout", args=[provider.slug]))
            },
            "NameIDFormat": PERSISTENT,
            **({"x509cert": pair.certificate, "privateKey": pair.private_key} if pair is not None else {}),
        },
        "security": {
            "wantAssertionsSigned": True,
            "wantMessagesSigned": for_logout,
            "authnRequestsSigned": signs,
            "logoutRequestSigned": signs,
            "logoutResponseSigned": signs,
            "wantAttributeStatement": False,
            "requestedAuthnContext": False,
            "rejectDeprecatedAlgorithm": True,
            "allowRepeatAttributeName": True,
            "allowSingleLabelDomains": True,
            "metadataValidUntil": "",
            "metadataCacheDuration": "",
        },
    }
    try:
        if idp is None:
            return tools.OneLogin_Saml2_Settings(data, sp_validation_only=True)
        return tools.OneLogin_Saml2_Settings({**data, "idp": idp})
    except tools.OneLogin_Saml2_Error as error:
        raise ProviderUnavailable(provider.name, f"its settings cannot be used: {error}") from None


def request_data(request: HttpRequest) -> dict[str, Any]:
    """Return what python3-saml reads of a request."""
    return {
        "https": "on" if request.is_secure() else "off",
        "http_host": request.get_host(),
        "script_name": "",
        "path_info": request.path,
        "get_data": request.GET.dict(),
        "post_data": {},
    }


def login_request(
    request: HttpRequest, provider: SamlProvider, idp: dict[str, Any], *, must_authenticate: bool = False
) -> tuple[str, str]:
    """Return the id of a new request for a login, and the address at the provider to go to (ForceAuthn if it must)."""
    tools = toolkit(provider)
    exchange = tools.OneLogin_Saml2_Auth(request_data(request), saml_settings(request, provider, idp))
    address: str = exchange.login(return_to="", force_authn=must_authenticate)
    return exchange.get_last_request_id(), address


def logout_address(
    request: HttpRequest, provider: SamlProvider, idp: dict[str, Any], *, subject: str, session_id: str
) -> str:
    """Return the address at the provider that ends the person's session there.

    It is empty where the provider has none, or the console cannot sign the request: nobody would accept it.
    """
    settings = saml_settings(request, provider, idp)
    if not settings.get_idp_slo_url() or not settings.get_security_data()["logoutRequestSigned"]:
        return ""
    exchange = toolkit(provider).OneLogin_Saml2_Auth(request_data(request), settings)
    address: str = exchange.logout(return_to="", name_id=subject, session_index=escape(session_id))
    return address


def check_answer(request: HttpRequest, provider: SamlProvider, idp: dict[str, Any], encoded: str) -> Answer:
    """Return what an answer says. It counts once. Raise AnswerRefused.

    python3-saml checks the signature of the assertion, its issuer and times, and reads only what is signed. Checked
    here as well, because it lets them be missing: the audience, and who, until when and for which request may bring it.
    """
    tools = toolkit(provider)
    refused = functools.partial(AnswerRefused, provider.name)
    settings = saml_settings(request, provider, idp, with_key=False)
    try:
        require_self_contained(provider, base64.b64decode(encoded))
        response = tools.OneLogin_Saml2_Response(settings, encoded)
        is_valid = response.is_valid(request_data(request))
    except tools.UNREADABLE as error:
        raise refused(f"the answer is no SAML response: {type(error).__name__}") from None
    if not is_valid:
        raise refused(str(response.get_error())[:300])
    try:
        if console_id(request, provider) not in response.get_audiences():
            raise refused("the assertion is for nobody, or for somebody else (Audience)")
        confirmed, until = _confirmation(tools, response, acs_address(request, provider))
        if confirmed is None or confirmed != (response.get_in_response_to() or ""):
            raise refused("nobody may bring this assertion here (SubjectConfirmation)")
        name = response.get_nameid_data()
        if name.get("Format") != PERSISTENT:
            raise refused("the subject is not persistent (NameID), so it may be somebody else tomorrow")
        if len(name["Value"]) > 255:
            raise refused("the subject is too long (NameID)")
        answer = Answer(
            subject=name["Value"],
            claims=_claims(provider, response),
            request_id=confirmed,
            session_id=(response.get_session_index() or "")[:255],
            authenticated_at=_authenticated_at(tools, response),
            has_second_factor=bool(provider.second_factor_contexts & set(response.get_authn_contexts())),
        )
        assertion_id = response.get_assertion_id()
    except tools.OneLogin_Saml2_ValidationError as error:
        raise refused(str(error)[:300]) from None
    except tools.UNREADABLE as error:
        raise refused(f"the assertion cannot be read: {type(error).__name__}") from None
    if not use_once(provider, assertion_id, until):
        raise refused("the assertion was used before")
    return answer


def _confirmation(tools: Any, response: Any, address: str) -> tuple[str | None, dt.datetime]:
    """Return the request that the signed assertion answers, and until when it may be brought to this address.

    The request is empty for a login that began at the provider, and None if nobody may bring the assertion here.
    """
    now = timezone.now()
    # No public method of the library gives these elements of the signed assertion.
    for element in response._query_assertion("/saml:Subject/saml:SubjectConfirmation"):
        data = element.find("saml:SubjectConfirmationData", namespaces=tools.OneLogin_Saml2_Constants.NSMAP)
        if element.get("Method") != BEARER or data is None or data.get("Recipient") != address:
            continue
        if not data.get("NotOnOrAfter") or data.get("NotBefore"):
            continue
        until = dt.datetime.fromtimestamp(seconds_of(tools, data.get("NotOnOrAfter")), dt.UTC)
        if until > now:
            return data.get("InResponseTo", ""), until
    return None, now


def _authenticated_at(tools: Any, response: Any) -> float | None:
    (statement, *_) = response._query_assertion("/saml:AuthnStatement")
    at = statement.get("AuthnInstant")
    return seconds_of(tools, at) if at else None


def _claims(provider: SamlProvider, response: Any) -> dict[str, Any]:
    """Return the attributes by name: a text where there is one value, else a list of texts."""
    found: dict[str, Any] = {}
    for name, values in {**response.get_friendlyname_attributes(), **response.get_attributes()}.items():
        texts = [value for value in values if isinstance(value, str)]
        if texts:
            found[name] = texts[0] if len(texts) == 1 else texts
    names = {
        "given_name": provider.given_name_claim,
        "family_name": provider.family_name_claim,
        "email": provider.email_claim,
    }
    return found | {ours: found[theirs] for ours, theirs in names.items() if isinstance(found.get(theirs), str)}
