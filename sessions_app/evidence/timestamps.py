"""RFC 3161 time-stamps: an authority outside signs that a checkpoint was there at a time.

Without one, the time of a checkpoint is what the console says. The answer is verified before it is kept: it must be
about this checkpoint, answer this request, and be signed by somebody whom EVIDENCE_TSA_CERTIFICATES trust.
"""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import requests
import rfc3161_client
from cryptography import x509
from django.conf import settings

from activity.seal.models import Checkpoint

TIMEOUT = 10.0  # seconds until the authority is connected, until the next byte, and for the whole answer
MOST_BYTES = 64 * 1024  # of an answer; they have some kilobytes


class TimestampError(Exception):
    """There is no time-stamp that holds. The text is for an administrator."""


def certificates() -> list[x509.Certificate]:
    """Return the certificates that are trusted to time-stamp. Raises TimestampError."""
    path = settings.EVIDENCE_TSA_CERTIFICATES
    try:
        found = x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise TimestampError(f"EVIDENCE_TSA_CERTIFICATES {path} cannot be read: {error}") from error
    return list(dict.fromkeys(found))


def stamp(checkpoint: Checkpoint) -> None:
    """Ask for a time-stamp of the checkpoint's note, verify it and keep it. Raises TimestampError."""
    trusted = certificates()
    request = (
        rfc3161_client.TimestampRequestBuilder()
        .data(checkpoint.note.encode())
        .hash_algorithm(rfc3161_client.HashAlgorithm.SHA256)
        .build()
    )
    answer = _asked(request.as_bytes())
    response = _response(answer)
    builder = rfc3161_client.VerifierBuilder.from_request(request)
    for one in trusted:
        builder = builder.add_root_certificate(one)
    try:
        builder.build().verify_message(response, checkpoint.note.encode())
    except (rfc3161_client.VerificationError, ValueError) as error:
        raise TimestampError(f"The time-stamp is refused: {error}") from error
    Checkpoint.objects.filter(pk=checkpoint.pk).update(timestamp=answer)


def newest() -> Checkpoint | None:
    """Return the newest checkpoint that has a time-stamp."""
    return Checkpoint.objects.exclude(timestamp=None).order_by("-pk").first()


def time_of(checkpoint: Checkpoint) -> dt.datetime:
    """Return when the authority says that it saw a checkpoint that has a time-stamp. Raises TimestampError."""
    return _response(bytes(checkpoint.timestamp or b"")).tst_info.gen_time


def _response(answer: bytes) -> rfc3161_client.TimeStampResponse:
    try:
        response = rfc3161_client.decode_timestamp_response(answer)
        if response.status != rfc3161_client.PKIStatus.GRANTED:
            said = ", ".join(response.status_string) or f"status {response.status}"
            raise TimestampError(f"The authority gives no time-stamp: {said}")
    except ValueError as error:
        raise TimestampError(f"What the authority answered is no time-stamp: {error}") from error
    return response


def _asked(query: bytes) -> bytes:
    """Return the answer of the authority. Raises TimestampError."""
    url = settings.EVIDENCE_TSA_URL
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    try:
        with requests.post(
            url, data=query, headers=headers, timeout=TIMEOUT, stream=True, allow_redirects=False
        ) as response:
            if response.status_code != 200:
                raise TimestampError(f"{url} answered {response.status_code}.")
            answer, until = bytearray(), time.monotonic() + TIMEOUT
            for byte in response.iter_content(1):  # more at once would wait for all of them, however slowly they come
                answer += byte
                if len(answer) > MOST_BYTES or time.monotonic() > until:
                    raise TimestampError(f"{url} answers too slowly, or with more than {MOST_BYTES:,} bytes.")
            return bytes(answer)
    except requests.RequestException as error:
        raise TimestampError(f"{url} cannot be reached: {error}") from error
