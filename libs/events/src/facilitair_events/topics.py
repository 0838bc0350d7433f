"""The names of the topics; ``schemas/topics/*.yaml`` say everything else about them."""

from typing import Final

COLLABORATION_INBOX: Final = "collaboration-inbox"
COLLABORATION_EVENTS: Final = "collaboration-events"
COLLABORATION_STREAM: Final = "collaboration-stream"
COLLABORATION_STATE: Final = "collaboration-state"
AGENT_TASKS: Final = "agent-tasks"
AGENT_TASKS_BATCH: Final = "agent-tasks-batch"
LLM_CALLS: Final = "llm-calls"
WORKER_CONTROL: Final = "worker-control"
QUERY_REPLIES: Final = "query-replies"
CATALOG: Final = "catalog"
TENANTS: Final = "tenants"
CREDENTIALS: Final = "credentials"
ACCOUNT_REQUESTS: Final = "account-requests"
ACCOUNT_EVENTS: Final = "account-events"
ACCOUNT_STATE: Final = "account-state"

TOPICS: Final = (
    COLLABORATION_INBOX,
    COLLABORATION_EVENTS,
    COLLABORATION_STREAM,
    COLLABORATION_STATE,
    AGENT_TASKS,
    AGENT_TASKS_BATCH,
    LLM_CALLS,
    WORKER_CONTROL,
    QUERY_REPLIES,
    CATALOG,
    TENANTS,
    CREDENTIALS,
    ACCOUNT_REQUESTS,
    ACCOUNT_EVENTS,
    ACCOUNT_STATE,
)

SERVICES: Final = frozenset({"accounts", "agent-worker", "gateway", "orchestrator"})
"""Who may write and read them: the folders under ``services/``."""
