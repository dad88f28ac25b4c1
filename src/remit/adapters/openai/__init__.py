"""Language models behind OpenAI-compatible endpoints, called as tools through the door."""

from remit.adapters.openai.transport import ModelEndpoint, ModelsTransport

__all__ = ["ModelEndpoint", "ModelsTransport"]
