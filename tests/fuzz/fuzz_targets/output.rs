#![doc = "See `bodies/output.rs`."]
#![no_main]

#[path = "../bodies/output.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
