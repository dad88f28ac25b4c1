"""Requests to others, signed as Standard Webhooks has it, by the one way out."""
