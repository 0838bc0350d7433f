"""The log ports, their adapters, and the consumer loop built on them."""
