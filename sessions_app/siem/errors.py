"""What goes wrong with a delivery."""


class DeliveryError(Exception):
    """A message could not be delivered. The text is for an administrator and holds no secret."""
