"""What goes wrong with a delivery."""

from __future__ import annotations

import ssl


class DeliveryError(Exception):
    """A message could not be delivered. The text is for an administrator and holds no secret."""


def certificate_refused(place: str, error: ssl.SSLCertVerificationError) -> DeliveryError:
    """Return the error for a receiver at `place` whose certificate is not accepted."""
    return DeliveryError(f"The certificate of {place} is refused: {error.verify_message.rstrip('.')}.")
