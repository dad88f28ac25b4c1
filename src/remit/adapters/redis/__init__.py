"""Streams of Redis. Needs the extra `remit[redis]`."""
