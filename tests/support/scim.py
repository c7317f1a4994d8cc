"""A token and a client for the API of SCIM."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from sessions_app.scim.models import ScimToken
from sessions_app.scim.tokens import new_token
from tests.support.pages import ClientResponse


def make_token(admin: User, name: str = "Directory", **values: Any) -> str:
    """Return a token that was just made."""
    token, hashed = new_token()
    ScimToken.objects.create(name=name, token_hash=hashed, created_by=admin, **values)
    return token


class ScimClient:
    """Sends requests as an identity provider does, with its token."""

    def __init__(self, token: str) -> None:
        self.client = Client()
        self.token = token

    def send(self, method: str, path: str, content: Any = None, **headers: str) -> ClientResponse:
        """Send a request to a path below /scim/v2/. `headers` are written with an underscore: if_match="*"."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = content if isinstance(content, str | bytes) else json.dumps(content) if content is not None else ""
        return self.client.generic(
            method,
            f"/scim/v2/{path}",
            body,
            content_type="application/scim+json",
            headers={"authorization": f"Bearer {self.token}", **named},
        )

    def get(self, path: str, **headers: str) -> ClientResponse:
        return self.send("GET", path, **headers)

    def make_user(self, user_name: str, **values: Any) -> dict[str, Any]:
        """Make a user, and return the resource."""
        answer = self.send("POST", "Users", {"schemas": [USER], "userName": user_name, **values})
        assert answer.status_code == 201, answer.content
        made: dict[str, Any] = answer.json()
        return made

    def make_group(self, name: str, *members: str) -> dict[str, Any]:
        """Make a group of the users with these ids, and return the resource."""
        listed = [{"value": member} for member in members]
        answer = self.send("POST", "Groups", {"schemas": [GROUP], "displayName": name, "members": listed})
        assert answer.status_code == 201, answer.content
        made: dict[str, Any] = answer.json()
        return made

    def patch(self, path: str, *operations: dict[str, Any], **headers: str) -> ClientResponse:
        return self.send("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **headers)


USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
