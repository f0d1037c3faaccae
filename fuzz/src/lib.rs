//! What the fuzz targets share: how a text is taken through everything that a registry does with a schema.
//!
//! Not part of the mesh: see `CONTRIBUTING.md` for how to run it. A finding is fixed in its crate and kept there as an
//! ordinary test.

use contract::{
    canonical::{self, Format},
    compat::{self, Direction, Incompatibility, Policy, Verdict},
    source::{SchemaType, Source},
};

/// Every form of one schema; what is stored must be readable again, and stay as it is.
pub fn forms(ty: SchemaType, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let source = Source::new(ty, text);
    let Ok(stored) = canonical::canonical(&source) else {
        return;
    };
    let kept = Source::new(ty, &stored);
    assert_eq!(canonical::canonical(&kept).as_deref(), Ok(stored.as_str()));
    let normal = canonical::normalized(&kept).expect("what is stored can be normalized");
    let again = canonical::normalized(&Source::new(ty, &normal));
    assert_eq!(again.as_deref(), Ok(normal.as_str()));
    for format in [
        Format::Resolved,
        Format::IgnoreExtensions,
        Format::Serialized,
    ] {
        canonical::formatted(&kept, format).ok();
    }
    for policy in [Policy::Strict, Policy::Lenient] {
        if let Ok(found) = compat::compare(&kept, &kept, policy) {
            let broken = found
                .iter()
                .find(|one| one.verdict == Verdict::Incompatible);
            assert!(broken.is_none(), "a schema follows itself: {broken:?}");
        }
    }
}

/// Two schemas against each other, in both directions and under both policies, with a search for examples.
pub fn compared(ty: SchemaType, one: &str, other: &str) {
    let (one, other) = (Source::new(ty, one), Source::new(ty, other));
    for policy in [Policy::Strict, Policy::Lenient] {
        for (reader, writer) in [(&one, &other), (&other, &one)] {
            let Ok(found) = compat::compare(reader, writer, policy) else {
                return;
            };
            for difference in found.into_iter().take(2) {
                let found = Incompatibility {
                    version: 1,
                    direction: Direction::NewReadsOld,
                    difference,
                };
                compat::witness(&found, reader, writer);
            }
        }
    }
}
