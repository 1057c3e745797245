"""Facts about a process, read from the outside: nothing here touches the target."""
