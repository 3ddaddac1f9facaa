"""One connector's charging session: events in, effects out. Pure."""
