"""The fleet on one machine: a real Kafka, and every service as processes of its own."""
