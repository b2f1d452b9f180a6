//! A run of event keys, its checksums taken for right.

#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| storno_storage::fuzzing::events(file));
