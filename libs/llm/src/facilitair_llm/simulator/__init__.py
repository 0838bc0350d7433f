"""A model provider without a model: the OpenAI dialect over HTTP, answers made from the prompt."""
