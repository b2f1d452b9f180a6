//! Framing, handshake, commands and parameters of EXECUTE.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| storno_wire::fuzzing::decode(input));
