//! What survives a restart: outbox, history and job state in SQLite. The only SQL.
