//! What blocks weigh together against Slack's limit. Pure.

use serde_json::Value;

use super::escape::{escape, units};

/// What blocks weigh against [`ALL_BLOCKS`](super::limits::ALL_BLOCKS): their JSON, literal texts counted as if they were escaped.
pub fn weight(blocks: &[Value]) -> usize {
    blocks.iter().map(weight_of).sum()
}

/// What one block weighs.
pub fn weight_of(block: &Value) -> usize {
    units(&block.to_string()) + literal_surplus(block) + 1
}

fn literal_surplus(value: &Value) -> usize {
    match value {
        Value::Object(map) => {
            let literal = matches!(map.get("type").and_then(Value::as_str), Some("text" | "plain_text"));
            let own = match map.get("text").and_then(Value::as_str) {
                Some(text) if literal => units(&escape(text)).saturating_sub(units(text)),
                _ => 0,
            };
            own + map.values().map(literal_surplus).sum::<usize>()
        }
        Value::Array(list) => list.iter().map(literal_surplus).sum(),
        _ => 0,
    }
}
