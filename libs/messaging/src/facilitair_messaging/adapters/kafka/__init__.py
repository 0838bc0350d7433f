"""The log of a fleet: an Apache Kafka cluster, through aiokafka."""

from facilitair_messaging.adapters.kafka.log import KafkaLog
from facilitair_messaging.adapters.kafka.timing import Timing

__all__ = ["KafkaLog", "Timing"]
