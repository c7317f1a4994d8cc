"""Send the mails that wait, about new devices and break-glass accounts.

This has a thread of its own, because a mail server that does not answer takes EMAIL_TIMEOUT for each mail, and no
session may wait for that.
"""

from __future__ import annotations

from sessions_app.not_me import mail
from sessions_app.repeating import RepeatingThread
from sessions_app.sso import break_glass


class Mailer(RepeatingThread):
    """The thread of a worker that sends mails. Any number of workers may do it at once; nobody gets a mail twice."""

    name = "mailer"
    every = 5.0
    problem = "The mails that wait could not be read"

    def look(self) -> None:
        """Send the mails about break-glass accounts and new devices that have not been sent yet."""
        break_glass.send_waiting()
        mail.send_waiting()
