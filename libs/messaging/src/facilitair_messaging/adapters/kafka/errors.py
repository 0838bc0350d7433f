"""What only the Kafka adapter raises, and what errors of aiokafka mean to callers."""

import ssl
from typing import Final

from aiokafka import errors as kafka

from facilitair_messaging.errors import LogAccessError, LogUnavailableError, MessagingError

# Answers that no waiting changes: somebody has to change a setting.
ACCESS_ERRORS: Final = (
    kafka.AuthenticationFailedError,
    kafka.AuthenticationMethodNotSupported,
    kafka.SaslAuthenticationFailed,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
    kafka.SecurityDisabled,
    kafka.TopicAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.ClusterAuthorizationFailedError,
    ssl.SSLError,
)

TOO_LARGE: Final = (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError)
# Refused for good: sending such a record again gives the same answer.
REFUSALS: Final = (
    *TOO_LARGE,
    kafka.InvalidTimestampError,
    kafka.InvalidTopicError,
    kafka.TopicAuthorizationFailedError,
    kafka.PolicyViolationError,
)


class KafkaClosedError(MessagingError):
    """Something was used after its context was left."""

    def __init__(self, *, what: str) -> None:
        super().__init__(f"the {what} is closed")


class KafkaRefusedError(MessagingError):
    """The cluster refuses a change, e.g. a setting of a topic that it does not know."""

    def __init__(self, *, wanted: str, reason: str) -> None:
        super().__init__(f"the log refuses {wanted}: {reason}")


def as_log_error(error: Exception, *, address: str, wanted: str) -> MessagingError:
    """The error of this package for one of the client library, of TLS or of the network."""
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    kind = LogAccessError if isinstance(error, ACCESS_ERRORS) else LogUnavailableError
    return kind(address=address, wanted=wanted, reason=reason)
