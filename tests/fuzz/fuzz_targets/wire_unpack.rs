//! Compressed packets.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| storno_wire::fuzzing::unpack(input));
