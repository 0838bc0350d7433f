"""The naive build's topic, with as many partitions as ours."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

NAIVE_TOPIC = "naive-stream"


async def create_naive_topic(bootstrap: str, *, partitions: int) -> None:
    """Create it unless it is there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(NAIVE_TOPIC, partitions, 1)])
    except TopicAlreadyExistsError:
        return
    finally:
        await admin.close()
