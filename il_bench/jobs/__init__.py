"""Jobs: a session, a sweep, their plan, workers, store and memory."""
