"""Make, change and remove a user as an identity provider says."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from scim2_models import InvalidValueException, UniquenessException

from activity.retries import retry_while_unavailable
from sessions_app.logins.models import EndReason
from sessions_app.privileged.flows.disable import disable_account
from sessions_app.scim import guard
from sessions_app.scim.models import ScimAccount
from sessions_app.scim.resources import main_email, person, visible_groups
from sessions_app.scim.schemas import User
from sessions_app.sso.arrival import link_identity
from sessions_app.sso.linking import take_away
from sessions_app.sso.models import Identity
from sessions_app.sso.providers import Provider

WHY = "its identity provider says so by SCIM"
MOST_EMAILS = 20


@retry_while_unavailable
def create_user(resource: User, provider: Provider | None = None) -> Any:
    """Make an account without a usable password, and return it. At `provider` its subject is the `externalId`.

    An account that SCIM removed comes back if it is for the same person, which the same `externalId` says. Another
    person never gets it: keys, factors and policies of the account are those of its owner. Raise UniquenessException if
    the name is taken, and Forbidden for an account that is out of reach.
    """
    with transaction.atomic():
        account = _account_named(resource.user_name)
        if account is None:
            account = get_user_model()(password=make_password(None))
        else:
            said = ScimAccount.objects.filter(user=account.pk, is_removed=True).first()
            if account.is_active or said is None or not said.external_id or said.external_id != resource.external_id:
                raise UniquenessException(detail=_taken(resource, said))
            guard.require_reachable(account)
        if resource.active is None:
            resource.active = True
        is_new = account.pk is None
        saved = _write(account, resource)
        if is_new and provider is not None and resource.external_id:
            _link(saved, provider, resource.external_id)
        return saved


@retry_while_unavailable
def change_user(account: Any, resource: User, provider: Provider | None = None) -> Any:
    """Make the account what the resource says, and return it. A link to `provider` that SCIM made follows `externalId`.

    To be called with the row of the account locked. An `active` that is missing changes nothing. Raise Forbidden for an
    account that is out of reach, and the exceptions of scim2-models for values that are wrong.
    """
    with transaction.atomic():
        guard.require_reachable(account)
        other = _account_named(resource.user_name)
        if other is not None and other.pk != account.pk:
            raise UniquenessException(detail=f"Another account has the name {resource.user_name}.")
        before = ScimAccount.objects.filter(user=account.pk).values_list("external_id", flat=True).first()
        saved = _write(account, resource)
        if provider is not None and before and before != resource.external_id:
            _move_link(saved, provider, before, resource.external_id)
        return saved


@retry_while_unavailable
def remove_user(account: Any) -> None:
    """Disable the account, take it out of the groups that SCIM sees, and do not show it by SCIM any more.

    It is not deleted, because the log and the history of sessions name it.
    """
    with transaction.atomic(), guard.keeping_an_administrator():
        guard.require_reachable(account)
        account.groups.remove(*visible_groups().filter(user=account.pk))
        ScimAccount.objects.update_or_create(user_id=account.pk, defaults={"is_removed": True})
        disable_account(person(account), why=WHY)


def _link(account: Any, provider: Provider, subject: str) -> None:
    """Let the subject log in to the account. Raise UniquenessException if it logs in to another one."""
    if Identity.objects.filter(issuer=provider.issuer, subject=subject).exists():
        raise UniquenessException(detail=f"The externalId {subject} is the subject of another account.")
    entry = f"Linked {account.username} to “{subject}” of {provider.name}, because its provider made it by SCIM"
    link_identity(person(account), provider, provider.issuer, subject, entry, actor=None)


def _move_link(account: Any, provider: Provider, before: str, after: str | None) -> None:
    """Replace the link that SCIM made. Links that a person made stay."""
    made = Identity.objects.filter(user=account.pk, issuer=provider.issuer, subject=before, linked_by=None)
    for identity in made.select_related("user"):
        take_away(identity, actor=None, reason=EndReason.PROVIDER)
        if after:
            _link(account, provider, after)


def _account_named(name: str | None) -> Any:
    """Return the account that has this name, in whichever case it is written; None if nobody has it."""
    accounts = get_user_model()._default_manager.select_for_update(no_key=True, of=("self",))
    return accounts.filter(username__folded_exact=(name or "").replace("\x00", "\ufffd")).order_by("pk").first()


def _taken(resource: User, said: ScimAccount | None) -> str:
    if said is None:
        return f"An account has the name {resource.user_name} already."
    return (
        f"The name {resource.user_name} belongs to an account that was removed. It comes back by itself only for the "
        "same externalId; for the same person an administrator of the console enables it again."
    )


def _write(account: Any, resource: User) -> Any:
    """Write the resource into the account and into what SCIM keeps of it. Nothing is written that stays the same."""
    emails = [each for each in resource.emails or [] if each.value]
    if len(emails) > MOST_EMAILS:
        raise InvalidValueException(detail=f"A user has at most {MOST_EMAILS} e-mail addresses here.")
    wanted = {
        "username": resource.user_name or "",
        "first_name": (resource.name.given_name if resource.name else None) or "",
        "last_name": (resource.name.family_name if resource.name else None) or "",
        "email": main_email(emails),
    }
    changed = [name for name, value in wanted.items() if getattr(account, name) != value]
    for name in changed:
        setattr(account, name, wanted[name])
    if account.pk is None or (resource.active and not account.is_active):
        account.is_active = resource.active is not False
        changed.append("is_active")
    said = ScimAccount.objects.filter(user=account.pk).first() if account.pk else None
    said = said or ScimAccount(user=account)
    said.external_id = resource.external_id or ""
    said.display_name = resource.display_name or ""
    said.emails = [each.model_dump() for each in emails]
    said.is_removed = False
    _check(account, said)
    try:
        if account.pk is None:
            account.save()
        elif changed:
            account.save(update_fields=changed)
        said.user = account
        said.save()
    except IntegrityError as error:  # somebody else took the name at this moment
        raise UniquenessException(detail=f"Another account has the name {account.username}.") from error
    if resource.active is False and account.is_active:
        with guard.keeping_an_administrator():
            disable_account(person(account), why=WHY)
        account.is_active = False
    return account


def _check(account: Any, said: ScimAccount) -> None:
    """Raise InvalidValueException for values that the models do not take."""
    try:
        account.full_clean(exclude=["password"], validate_unique=False, validate_constraints=False)
        said.full_clean(exclude=["user"], validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        known = {"username": "userName", "first_name": "name.givenName", "last_name": "name.familyName"}
        known |= {"email": "emails", "external_id": "externalId", "display_name": "displayName"}
        parts = [f"{known.get(name, name)}: {' '.join(texts)}" for name, texts in error.message_dict.items()]
        raise InvalidValueException(detail=" ".join(parts)) from error
