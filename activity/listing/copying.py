"""Read what PostgreSQL's COPY sends, many rows at a time.

psycopg waits for each row by itself, which takes longer than all that is done with the row.
"""

from __future__ import annotations

import select
from collections.abc import Generator

import psycopg
from psycopg import errors, generators, pq


def rows_of(copy: psycopg.Copy, at_once: int) -> Generator[tuple[bytearray, int], None, None]:
    """Yield the rows of a COPY ... TO STDOUT that has begun, `at_once` of them in one piece, and their number.

    Each row has its line's end.

    Leaving the block of `copy` before the last of them stops the query. Raises what psycopg raises when it fails.
    """
    connection = copy.connection
    socket = select.poll()
    socket.register(connection.pgconn.socket, select.POLLIN)
    take, piece, count = connection.pgconn.get_copy_data, bytearray(), 0
    while True:
        size, row = take(1)
        if size > 0:
            piece += row  # at once: many rows that wait to be joined cost as much again
            count += 1
            if count == at_once:
                yield piece, count
                piece, count = bytearray(), 0
        elif size == 0:  # none is here yet
            socket.poll()
            connection.pgconn.consume_input()
        else:
            break
    (result,) = connection.wait(generators.fetch_many(connection.pgconn))
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise errors.error_from_result(result, encoding=connection.info.encoding)
    if count:
        yield piece, count
