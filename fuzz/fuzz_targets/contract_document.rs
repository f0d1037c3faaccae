//! A text as documents, and each contract in it as something a port enforces.

#![no_main]

use contract::document::{Document, parse};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for sourced in parse("fuzz", text).unwrap_or_default() {
        if let Document::Contract(odcs) = &sourced.document {
            // Refused or derived; a refusal says why.
            if let Err(errors) = contract::spec::derive(odcs, &Default::default()) {
                assert!(!errors.is_empty());
            }
        }
    }
});
