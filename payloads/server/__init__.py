"""The session's socket: protocol, listener, clients."""
