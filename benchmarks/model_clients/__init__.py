"""The worker's client path: the same streams read by us, by the openai SDK and by litellm."""
