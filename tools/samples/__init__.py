"""The sample documents of the payables pack: who is in them, what they say, and how they look."""
