"""Facts about a process, read from outside: nothing here touches the target."""
