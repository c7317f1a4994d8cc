"""Note that the connections of a dead gateway are lost, so that their sessions can go on."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from sessions_app.gateway.flows.disconnect import Ending, disconnected
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection, GatewayHeartbeat
from sessions_app.gateway.recordings.models import Recording

REASON = "Lost: its gateway {gateway} is gone"


def lose_connections(gateway: str, seen_at: dt.datetime | None) -> int:
    """End every open connection of a dead gateway. Return how many there were.

    `seen_at` is its last heartbeat; None when it has none. Nothing is changed when the gateway has sent another
    heartbeat: the heartbeat is compared, and locked, in the same transaction. The worker then checks each session. What
    was recorded is kept as incomplete.
    """
    with transaction.atomic():
        heartbeat = GatewayHeartbeat.objects.select_for_update().filter(owner=gateway).first()
        if (heartbeat.seen_at if heartbeat else None) != seen_at:
            return 0
        ids = list(GatewayConnection.objects.open().filter(gateway=gateway).order_by("pk").values_list("pk", flat=True))
        Recording.objects.filter(connection__in=ids, ended_at=None).update(is_complete=False)
        return disconnected([Ending(pk, ConnectionEnd.LOST, REASON.format(gateway=gateway)) for pk in ids])
