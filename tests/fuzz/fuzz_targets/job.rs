#![doc = "See `bodies/job.rs`."]
#![no_main]

#[path = "../bodies/job.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
