//! A text as a schema: read, stored, normalized, resolved, compared with itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    meshlog_fuzz::forms(contract::source::SchemaType::Avro, data);
});
