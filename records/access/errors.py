"""How the gate says no. Each refusal has a stable `code` and a sentence for whoever asked."""


class AccessRefusal(Exception):
    """A read or write that the gate does not let through; `status` is the HTTP status of the answer."""

    code = "access-refused"
    status = 403

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotAuthenticated(AccessRefusal):
    """No valid credentials came with the request."""

    code = "not-authenticated"
    status = 401


class NotPermitted(AccessRefusal):
    """The asker may not do this to any resource of the type, whichever it is: saying so reveals nothing."""

    code = "not-permitted"
    status = 403


class NotVisible(AccessRefusal):
    """There is no such record, or the asker may not know of it. Both answers are the same on purpose."""

    code = "not-found"
    status = 404


class Gone(AccessRefusal):
    """The record was deleted, and the asker might have read it. `version` is that of the deletion."""

    code = "deleted"
    status = 410

    def __init__(self, sentence: str, *, version: int) -> None:
        super().__init__(sentence)
        self.version = version


class Busy(AccessRefusal):
    """Nothing was written, because others write the same records. Worth another try after `retry_after` seconds."""

    code = "busy"
    status = 503
    retry_after = 1
