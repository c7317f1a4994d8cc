"""What all addresses of SCIM share: the token, the forms of answers and errors, entity tags."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import parse_etags
from django.views.generic import View
from pydantic import ValidationError
from scim2_models import (
    Context,
    Error,
    ForbiddenException,
    InvalidSyntaxException,
    InvalidValueException,
    PayloadTooLargeException,
    PreconditionFailedException,
    Resource,
    ResponseParameters,
    SCIMException,
)

from activity import log
from activity.models import Level
from activity.typed import LONGEST_IN_ADDRESS, Unreadable, typed
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.scim.authentication import TooManyRequests, authenticate
from sessions_app.scim.models import ScimToken
from sessions_app.scim.resources import storable_text, version_of
from sessions_app.scim.schemas import PROVIDER

MEDIA_TYPE = "application/scim+json"
ROOT = "/scim/v2/"


class ScimView(View):
    """One kind of address of SCIM."""

    token: ScimToken  # of this request
    parameters_of: Any = None  # reads which attributes of a resource a client wants; None: always all

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer the request if its token is good. Entries of the log name the token as their origin."""
        try:
            self.token = token = authenticate(request)
            with log.caused_by(f"SCIM token “{token.name}”"), PROVIDER:
                return self._answer(request, *args, **kwargs)
        except SCIMException as error:
            return error_response(error)

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except ValidationError as error:
            details = Error.from_validation_errors(error)
            first = details[0]
            texts = " ".join(str(each.detail) for each in details[:5])
            return _response(
                Error(status=first.status, scim_type=first.scim_type, detail=texts).model_dump(), first.status or 400
            )
        except Unreadable as error:
            raise InvalidValueException(detail=str(error)) from error
        except RequestDataTooBig:
            most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            raise PayloadTooLargeException(detail=f"The request is larger than {most:,} bytes.") from None
        except Refused as refused:
            log.record(Verb.SCIM_REFUSED, f"SCIM {request.method} refused: {refused.message}", level=Level.WARNING)
            raise ForbiddenException(detail=f"{refused.message} Nothing was changed.") from refused

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return the error 405 in the form of SCIM."""
        allowed = [name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(self, name)]
        detail = f"{request.method} is not for this address, but {', '.join(allowed) or 'nothing'}."
        response = _response(Error(status=405, detail=detail).model_dump(), 405)
        response["Allow"] = ", ".join(allowed)
        return response

    def address(self, path: str) -> str:
        """Return the absolute address of a path below /scim/v2/."""
        return self.request.build_absolute_uri(ROOT + path)

    def payload(self) -> Any:
        """Return the JSON of the request. Raise InvalidSyntaxException if it is none."""
        if self.request.content_type not in (MEDIA_TYPE, "application/json"):
            raise InvalidSyntaxException(detail=f"Send the content type {MEDIA_TYPE}.")
        try:
            found = _storable(json.loads(self.request.body))
        except (ValueError, RecursionError) as error:
            raise InvalidSyntaxException(detail="The body is not JSON, or is nested too deeply.") from error
        if not isinstance(found, dict):
            raise InvalidSyntaxException(detail="The body is not a JSON object.")
        return found

    def parameters(self) -> ResponseParameters[Any] | None:
        """Return which attributes the client wants (RFC 7644, 3.9)."""
        names = ("attributes", "excludedAttributes")
        wanted = {name: text for name in names if (text := typed(self.request.GET, name, LONGEST_IN_ADDRESS))}
        return self.parameters_of.model_validate(wanted) if wanted and self.parameters_of else None

    def check_version(self, resource: Resource[Any]) -> None:
        """Raise PreconditionFailedException if the client wants to change another version than there is (If-Match)."""
        header = self.request.headers.get("If-Match", "")
        tags = parse_etags(header) if header else []
        if tags and "*" not in tags and version_of(resource) not in tags:
            raise PreconditionFailedException(
                detail="The resource has changed since. Nothing was changed; read it again."
            )

    def resource_response(self, resource: Resource[Any], status: int = 200) -> HttpResponse:
        """Return a resource, or 304 if the client has this version (If-None-Match)."""
        version = version_of(resource)
        tags = parse_etags(self.request.headers.get("If-None-Match", ""))
        if self.request.method in ("GET", "HEAD") and version and (version in tags or "*" in tags):
            response = HttpResponse(status=304)
        else:
            content = resource.model_dump(
                scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=self.parameters()
            )
            response = _response(content, status)
        if version:
            response["ETag"] = version
        if resource.meta and resource.meta.location:
            response["Content-Location" if status != 201 else "Location"] = resource.meta.location
        return response

    def page_response(self, found: list[dict[str, Any]], total: int, start: int = 1) -> HttpResponse:
        """Return one page of resources."""
        content = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": len(found),
            "Resources": found,
        }
        return _response(content)


def error_response(error: SCIMException) -> HttpResponse:
    """Return an error as RFC 7644 (3.12) wants it."""
    response = _response(error.to_error().model_dump(), error.status)
    if error.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="SCIM"'
    if isinstance(error, TooManyRequests):
        response["Retry-After"] = str(error.retry_after)
    return response


def _response(content: Any, status: int = 200) -> HttpResponse:
    response = HttpResponse(json.dumps(content), content_type=MEDIA_TYPE, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _storable(value: Any) -> Any:
    """Return JSON without what no database stores: NUL characters, and halves of characters (lone surrogates)."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {_storable(key): _storable(each) for key, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value
