"""Errors as AWS words them, for the services that moto speaks for."""

from moto.core.exceptions import ServiceException


class Refused(ServiceException):
    """A request that AWS refuses, told with the code and the words that AWS uses."""

    def __init__(self, code, message):
        super().__init__(code, message)


def require(condition, code, message):
    """Refuses unless the condition holds."""
    if not condition:
        raise Refused(code, message)


class Tokens:
    """Client tokens: a repeated request with the same token gets the first one's answer."""

    def __init__(self):
        self.seen = {}

    def once(self, scope, token, parameters, act):
        """What `act` returned the first time; another request under a used token is refused."""
        if not token:
            return act()
        fingerprint = repr(sorted((key, repr(value)) for key, value in parameters.items()))
        known = self.seen.get((scope, token))
        if known is None:
            answer = act()
            self.seen[(scope, token)] = (fingerprint, answer)
            return answer
        require(
            known[0] == fingerprint,
            "IdempotentParameterMismatch",
            "The client token you have provided has already been used with different parameters.",
        )
        return known[1]


tokens = Tokens()
