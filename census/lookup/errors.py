"""Define the errors of lookups. Each has a reason, a word for machines, and a message, a sentence for people."""


class LookupProblem(Exception):
    """A request that has no answer. reason: a word for machines. The message is a sentence for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RequestError(LookupProblem):
    """A parameter that cannot be read: an unknown index, a number of bands that is none, an unknown field."""


class NotFound(LookupProblem):
    """Nothing here has that code (reason unknown), or no figures of that index (index_of_another_nation)."""
