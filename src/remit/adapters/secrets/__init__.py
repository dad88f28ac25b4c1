"""Secrets by reference, read at the moment of a call; nothing keeps them, and what an answer echoes is taken out."""

from remit.adapters.secrets.scrub import MARK, Scrubber
from remit.adapters.secrets.stores import Secrets, SecretStores
from remit.adapters.secrets.vault import Vault

__all__ = ["MARK", "Scrubber", "SecretStores", "Secrets", "Vault"]
