//! A whole connection, from the greeting to its end.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    storno_wire::fuzzing::converse(input);
});
