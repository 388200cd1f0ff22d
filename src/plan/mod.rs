//! The configuration, put together: defaults, references, templates compiled. Nothing is left to fail.
