"""Access control of a real cluster: who may do what, given and taken away by a super user."""

from typing import Any, Final, Literal

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from msgspec import Struct

Resource = Literal["topic", "group", "cluster"]
Operation = Literal["READ", "WRITE", "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"]

SETTINGS: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    # The listener without passwords is for the broker itself, and for who gives permissions.
    "super.users": "User:ANONYMOUS",
}
"""Broker settings under which nobody may do what is not permitted."""

CLUSTER: Final = "kafka-cluster"
ALL: Final = "*"

_RESOURCES: Final = {"topic": 2, "group": 3, "cluster": 4}
_OPERATIONS: Final = {"READ": 3, "WRITE": 4, "CREATE": 5, "DESCRIBE": 8, "DESCRIBE_CONFIGS": 10}
_LITERAL: Final = 3
_ALLOW: Final = 3


class Permission(Struct, frozen=True, kw_only=True):
    """One user may do one thing to one resource."""

    user: str
    operation: Operation
    resource: Resource
    name: str

    def arguments(self) -> tuple[Any, ...]:
        """As the requests of aiokafka take it."""
        return (
            _RESOURCES[self.resource],
            self.name,
            _LITERAL,
            f"User:{self.user}",
            ALL,
            _OPERATIONS[self.operation],
            _ALLOW,
        )


class Authority:
    """Gives and takes permissions at a listener where everybody is a super user."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def permit(self, *permissions: Permission) -> None:
        """Give permissions; they hold when this returns."""
        answers = await self._send([CreateAclsRequest(*p.arguments()) for p in permissions])
        assert all(code == 0 for answer in answers for code, _ in answer.creation_responses)

    async def forbid(self, *permissions: Permission) -> None:
        """Take permissions away again."""
        answers = await self._send([DeleteAclsRequest(*p.arguments()) for p in permissions])
        assert all(code == 0 for answer in answers for code, *_ in answer.filter_responses)

    async def _send(self, requests: list[Any]) -> list[Any]:
        admin: Any = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        try:
            return [await admin._send_request(request) for request in requests]  # noqa: SLF001 - it has no method for it
        finally:
            await admin.close()
