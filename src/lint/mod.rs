//! Rules about a whole plan: one rule a file, its doc comment its manual entry.
