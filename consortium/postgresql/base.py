"""ENGINE `consortium.postgresql`."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Asks the socket, not the server, whether a kept connection is still good.

    Django asks the server before the first statement of every request, which costs each read a round trip.
    A server that stopped or was killed has closed the socket, and a closed socket is readable; so is one
    with a message that nobody asked for, such as a termination notice. Only then the server is asked.
    """

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        poller = select.poll()
        poller.register(self.connection.fileno(), select.POLLIN | select.POLLPRI)
        return super().is_usable() if poller.poll(0) else True
