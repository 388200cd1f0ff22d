#![doc = "See `bodies/crontab.rs`."]
#![no_main]

#[path = "../bodies/crontab.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
