//! A segment, its checksums taken for right.

#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| storno_storage::fuzzing::segment(file));
