#![doc = "See `bodies/env_file.rs`."]
#![no_main]

#[path = "../bodies/env_file.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
