//! A text as a condition, and what follows the first zero byte as the event: refused, judged, or a reason.

#![no_main]

use contract::quality::{Check, EventRules, Mask, QualityRule};
use contract::settings::Mode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let cut = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (Ok(condition), event) = (std::str::from_utf8(&data[..cut]), &data[cut..]) else {
        return;
    };
    let rule = QualityRule {
        name: "r".to_owned(),
        path: String::new(),
        mode: Mode::Enforce,
        description: String::new(),
        check: Check::Cel { condition: condition.to_owned(), guard: None, field: None },
    };
    let Ok(rules) = EventRules::compile(&[rule]) else {
        return;
    };
    let fallback = serde_json::json!({"a": 1, "b": [1, "x", null, {"c": 2.5}], "s": "text"});
    let event = serde_json::from_slice(event.get(1..).unwrap_or_default()).unwrap_or(fallback);
    let mask = Mask::default();
    let first = rules.check(&event, Some(b"k"), &[], &mask);
    assert_eq!(first, rules.check(&event, Some(b"k"), &[], &mask), "the same event, the same verdict");
});
