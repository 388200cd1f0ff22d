//! Alerts that wait for Slack: paces, orders, merges and retries.
