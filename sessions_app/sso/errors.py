"""Why a login by single sign-on did not happen, in words for the person and in words for the log of the console."""

from __future__ import annotations


class SignOnFailed(Exception):
    """Nobody was logged in, and nothing was linked.

    `heading` and `message` can be shown to the person; `detail` is for the administrator, in the console's log output.
    Neither holds a secret or a token.
    """

    status = 403

    def __init__(self, heading: str, message: str, *, detail: str = "") -> None:
        super().__init__(heading)
        self.heading = heading
        self.message = message
        self.detail = detail


class ProviderUnavailable(SignOnFailed):
    """The provider does not answer, or not in a way that can be used. It may work again later."""

    status = 503

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(
            f"{name} cannot be reached at the moment",
            "Nobody was logged in, and nothing was changed. Try again in a minute, or log in with your password "
            "if you have one. If it lasts, tell an administrator.",
            detail=detail,
        )


class AnswerRefused(SignOnFailed):
    """The provider answered, and a check of its answer failed."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(
            f"The answer of {name} was not accepted",
            "It did not pass a check, so nobody was logged in and nothing was changed. Try again. If it happens again, "
            "tell an administrator: the reason is in the activity log.",
            detail=detail,
        )


class AnswerEncrypted(AnswerRefused):
    """The provider sent something encrypted. It was not opened."""

    status = 400

    def __init__(self, name: str) -> None:
        super().__init__(name, "it is encrypted, which the console does not read: switch encryption off there")
        self.message = (
            "The provider encrypts what it sends, which the console does not read. Nobody was logged in or out, and "
            "nothing was changed. Tell an administrator: switch encryption off at the provider. TLS protects the way."
        )


class AnswerTooLate(SignOnFailed):
    """This browser did not begin the login, or began it too long ago, or has used the answer already."""

    status = 400

    def __init__(self, name: str) -> None:
        super().__init__(
            "This login was not begun here, or is too old",
            f"An answer of {name} counts once, for ten minutes, and in the browser that asked for it. Nobody was "
            "logged in. Go to the login page and begin again.",
        )
