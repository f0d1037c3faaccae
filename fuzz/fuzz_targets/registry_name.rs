//! Names of subjects and contexts, in their one spelling.

#![no_main]

use registry::name;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (full, other) = text.split_once('\n').unwrap_or((text, "s"));
    let normal = name::normalize(full);
    assert_eq!(name::normalize(&normal), normal);
    let (context, subject) = name::split(&normal);
    assert_eq!(
        name::split(&name::join(context, subject)),
        (context, subject)
    );
    let beside = name::beside(full, other);
    assert_eq!(name::normalize(&beside), beside);
    name::is_subject(full);
    name::is_setting(full);
    if let Some(context) = name::context(full) {
        assert_eq!(name::context(&context).as_ref(), Some(&context));
        assert_eq!(name::context_of(&name::join(&context, "s")), context);
    }
});
