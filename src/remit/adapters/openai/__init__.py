"""Language models behind OpenAI-compatible endpoints, called as tools through the door."""
