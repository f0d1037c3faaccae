//! Two schemas of one language against each other. Input: a letter for the language, two texts with NUL between.

#![no_main]

use contract::source::SchemaType;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut rest = text.chars();
    let ty = match rest.next() {
        Some('a') => SchemaType::Avro,
        Some('j') => SchemaType::Json,
        Some('p') => SchemaType::Protobuf,
        _ => return,
    };
    if let Some((one, other)) = rest.as_str().split_once('\0') {
        meshlog_fuzz::compared(ty, one, other);
    }
});
