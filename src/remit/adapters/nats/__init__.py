"""Streams of NATS JetStream. Needs the extra `remit[nats]`."""
