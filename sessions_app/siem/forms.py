"""The form of a destination. It asks for what the chosen transport needs, and seals what is secret."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from activity.filter_choices import GROUPS
from activity.models import Outcome
from activity.verbs import Verb
from sessions_app.configuration.fields import DurationField
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.hosts.forms import WriteOnlyTextarea
from sessions_app.sealing import SealingError, seal, unseal
from sessions_app.siem.flows.begin import begin
from sessions_app.siem.models import FORMATS_OF_WEBHOOKS, Destination, Format, Transport
from sessions_app.siem.syslog import LARGEST_DATAGRAM
from sessions_app.siem.tls import BadCertificates, make_context
from sessions_app.siem.webhook import secret_bytes

NOW, FROM_ENTRY, FROM_DATE = "now", "entry", "date"
STARTS = ((NOW, "From now on"), (FROM_DATE, "From a date on"), (FROM_ENTRY, "From an entry on"))
OF_SYSLOG = ("host", "port")
OF_TLS = ("server_name",)
OF_CERTIFICATES = ("authorities", "client_certificate", "new_client_key")
OF_WEBHOOK = ("url", "allows_private", "new_secret", "forgets_former_secret")
OF_START = ("start", "start_date", "start_entry")
PEM = {"rows": 4, "autocomplete": "off", "spellcheck": "false"}


def groups_of_verbs() -> list[tuple[str, str]]:
    """Return the first parts of all verbs as the choices of a field, by the names that the filter of the log has."""
    names = {str(verb).partition(".")[0] for verb in Verb}
    return sorted(((name, GROUPS.get(name, name.capitalize())) for name in names), key=lambda choice: choice[1])


class DestinationForm(ConfigurationForm):
    """The form for a destination on the console's page."""

    groups = forms.MultipleChoiceField(
        label="Kinds of entries",
        required=False,
        choices=groups_of_verbs,
        widget=forms.CheckboxSelectMultiple,
        help_text="Choose none to send every kind.",
    )
    outcomes = forms.MultipleChoiceField(
        required=False,
        choices=Outcome.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="Choose none to send every outcome.",
    )
    silence = DurationField(
        label="Report silence after", help_text="When entries wait and none was delivered for so long, Health says so."
    )
    heartbeat = DurationField(
        required=False,
        help_text="Send a message when nothing else was sent for so long, so that the SIEM notices a dead console. "
        "Leave it empty to send none.",
    )
    url = forms.URLField(
        label="Address", max_length=500, assume_scheme="https", help_text="https:// only. No redirect is followed."
    )
    new_client_key = forms.CharField(
        label="Client key",
        required=False,
        max_length=20_000,
        widget=WriteOnlyTextarea(attrs=PEM),
        help_text="Private key in PEM format without a passphrase. It is encrypted when you save it, and never shown.",
    )
    new_secret = forms.CharField(
        label="Secret",
        required=False,
        max_length=200,
        widget=WriteOnlyTextarea(attrs={**PEM, "rows": 1}),
        help_text="whsec_ and 24 to 64 bytes in base64. It is encrypted when you save it, and never shown. A new "
        "secret signs beside the old one until you let the console forget the old one.",
    )
    forgets_former_secret = forms.BooleanField(
        label="Forget the old secret", required=False, help_text="Choose it when the receiver knows the new one."
    )
    start = forms.ChoiceField(label="Begin", choices=STARTS, initial=NOW)
    start_date = forms.DateTimeField(
        label="First date and time",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    start_entry = forms.IntegerField(label="First entry", required=False, min_value=1)

    sections = (
        ("Where", (*OF_SYSLOG, "url", "allows_private")),
        ("Certificates", (*OF_TLS, *OF_CERTIFICATES)),
        ("Signature", ("new_secret", "forgets_former_secret")),
        ("What", (*OF_START, "minimum_level", "groups", "outcomes", "has_checkpoints", "largest")),
        ("When nothing arrives", ("silence", "heartbeat")),
    )
    help = ("evidence", "to-the-siem", "How to connect a SIEM")
    choices_that_ask = ("transport", "start")
    write_only = ("new_client_key", "new_secret")

    class Meta:
        model = Destination
        fields = (
            "name",
            "transport",
            "format",
            "host",
            "port",
            "url",
            "allows_private",
            "server_name",
            "authorities",
            "client_certificate",
            "largest",
            "minimum_level",
            "groups",
            "outcomes",
            "has_checkpoints",
            "silence",
            "heartbeat",
        )
        widgets = {"authorities": forms.Textarea(attrs=PEM), "client_certificate": forms.Textarea(attrs=PEM)}
        help_texts = {
            "server_name": "The name that must be in the server's certificate. Leave it empty for the host name above.",
            "authorities": "In PEM format. Leave it empty to trust the authorities that this machine trusts.",
            "client_certificate": "In PEM format, with its chain. Leave it empty if the receiver asks for none.",
            "allows_private": "Also addresses of private networks. Without it a webhook goes to public addresses only.",
            "largest": "Bytes. A longer message loses its details and the ends of its texts, and says so.",
        }

    def add_fields(self) -> None:
        """Offer the formats that the transport can carry."""
        self.fields["host"].required = True  # where it is shown
        is_webhook = self.value("transport") == Transport.WEBHOOK
        offered = [one for one in Format.choices if (one[0] in FORMATS_OF_WEBHOOKS) == is_webhook or one[0] == "ocsf"]
        field = self.fields["format"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = offered[::-1] if is_webhook else offered  # the one to recommend comes first
        if not self.instance.pk:
            field.initial = Format.JSON if is_webhook else Format.RFC5424

    def unneeded(self) -> Collection[str]:
        """Return the fields that the transport, or the choice of the beginning, does not need."""
        transport, start = self.value("transport"), self.value("start")
        names: set[str] = set()
        if transport == Transport.WEBHOOK:
            names |= {*OF_SYSLOG, *OF_TLS}  # the name in the certificate is that of the address
        else:
            names |= set(OF_WEBHOOK)
        if transport in (Transport.TCP, Transport.UDP):
            names |= {*OF_TLS, *OF_CERTIFICATES}
        if not self.instance.former_secret:
            names.add("forgets_former_secret")
        if self.instance.pk:
            names |= set(OF_START)
        names |= {name for name, choice in (("start_date", FROM_DATE), ("start_entry", FROM_ENTRY)) if start != choice}
        return names

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValidationError("Enter an address that begins with https://.")
        if parts.username or parts.password or parts.fragment:
            raise ValidationError("Enter the address without a user name, a password and a fragment (#).")
        return url

    def clean_host(self) -> str:
        host: str = self.cleaned_data["host"].strip().strip("[]")
        if not host or any(one.isspace() or one in "/@#?" for one in host):
            raise ValidationError("Enter a host name or an address, such as siem.example.com or 192.0.2.7.")
        return host

    def clean_silence(self) -> Any:
        silence = self.cleaned_data["silence"]
        if silence.total_seconds() < 60:
            raise ValidationError("Enter at least one minute.")
        return silence

    def clean_heartbeat(self) -> Any:
        heartbeat = self.cleaned_data["heartbeat"]
        if heartbeat is not None and heartbeat.total_seconds() < 60:
            raise ValidationError("Enter at least one minute, or nothing.")
        return heartbeat

    @sensitive_variables()
    def clean(self) -> dict[str, Any] | None:
        """Check what depends on several fields, and seal what is secret. Raise ValidationError."""
        values = super().clean() or {}
        if values.get("transport") == Transport.UDP and values.get("largest", 0) > LARGEST_DATAGRAM:
            self.add_error("largest", f"A message over UDP has at most {LARGEST_DATAGRAM:,} bytes.")
        for name, choice in (("start_date", FROM_DATE), ("start_entry", FROM_ENTRY)):
            if (
                name in self.fields
                and values.get("start") == choice
                and not values.get(name)
                and name not in self.errors
            ):
                self.add_error(name, "Say where to begin.")
        if (date := values.get("start_date")) and "start_date" in self.fields and date > timezone.now():
            self.add_error("start_date", "Enter a time that is over.")
        if self.errors:
            return values
        self._seal_key(values)
        self._seal_secret(values)
        return values

    @sensitive_variables()
    def _seal_key(self, values: dict[str, Any]) -> None:
        """Seal the key that belongs to the client certificate, and check that both and the authorities can be used."""
        certificate = values.get("client_certificate", "").strip() if "client_certificate" in self.fields else ""
        key = values.get("new_client_key", "").strip()
        if not certificate:
            if key and "new_client_key" in self.fields:
                self.add_error("client_certificate", "Enter the certificate that belongs to the key.")
            self.instance.client_key = ""
            authorities = values.get("authorities", "") if "authorities" in self.fields else ""
            self._check_certificates(authorities, "", "", "authorities")
            return
        try:
            stored = key or (unseal(self.instance.client_key).decode() if self.instance.client_key else "")
            if not stored:
                self.add_error("new_client_key", "Enter the key that belongs to the client certificate.")
                return
            if (
                self._check_certificates(values.get("authorities", ""), certificate, stored, "client_certificate")
                and key
            ):
                self.instance.client_key = seal(key.encode())
        except SealingError as problem:
            self.add_error("new_client_key", str(problem))

    @sensitive_variables()
    def _check_certificates(self, authorities: str, certificate: str, key: str, field: str) -> bool:
        try:
            make_context(authorities, "", "")
        except BadCertificates as problem:
            self.add_error("authorities", str(problem))
            return False
        try:
            make_context("", certificate, key)
        except BadCertificates as problem:
            self.add_error(field, str(problem))
            return False
        return True

    @sensitive_variables()
    def _seal_secret(self, values: dict[str, Any]) -> None:
        """Seal a new secret; the one before goes on signing until it is forgotten."""
        if "new_secret" not in self.fields:
            self.instance.secret = self.instance.former_secret = ""
            return
        secret = values.get("new_secret", "").strip()
        if not secret:
            if not self.instance.secret:
                self.add_error("new_secret", "Enter the secret by which the receiver checks the signature.")
            elif values.get("forgets_former_secret"):
                self.instance.former_secret = ""
            return
        try:
            secret_bytes(secret)
            sealed = seal(secret.encode())
        except (ValueError, SealingError) as problem:
            self.add_error("new_secret", str(problem))
            return
        self.instance.former_secret, self.instance.secret = self.instance.secret, sealed

    def save_for(self, actor: Any) -> Destination:
        """Save the destination. A new one gets its state, which says from which entry on it is sent."""
        is_new = self.instance.pk is None
        saved: Destination = self.save()
        if is_new:
            values = self.cleaned_data
            begins = values.get("start")
            begin(
                saved,
                entry=values.get("start_entry") if begins == FROM_ENTRY else None,
                at=values.get("start_date") if begins == FROM_DATE else None,
            )
        return saved
