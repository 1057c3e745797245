"""The verb `trace`: function calls in the target, streamed to the client as they happen."""
