//! The differences between two JSON Schemas by Confluent's names, with the verdict on each.

use crate::compat::{Policy, Verdict};

/// Whether a difference lets readers go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Yes,
    No,
    /// Where readers ignore properties that they do not know.
    Lenient,
}

macro_rules! changes {
    ($($variant:ident = $name:literal, $reading:ident, $text:literal;)*) => {
        /// A kind of difference.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Change {
            $($variant,)*
        }

        impl Change {
            /// Confluent's name.
            pub(super) fn name(self) -> &'static str {
                match self { $(Change::$variant => $name,)* }
            }

            /// What happened, as the middle of a sentence about the new schema at a path.
            pub(super) fn text(self) -> &'static str {
                match self { $(Change::$variant => $text,)* }
            }

            fn reading(self) -> Reading {
                match self { $(Change::$variant => Reading::$reading,)* }
            }
        }
    };
}

changes! {
    IdChanged = "ID_CHANGED", Yes, "has another $id";
    TitleChanged = "TITLE_CHANGED", Yes, "has another title";
    DescriptionChanged = "DESCRIPTION_CHANGED", Yes, "has another description";
    DefaultChanged = "DEFAULT_CHANGED", Yes, "has another default";
    SchemaAdded = "SCHEMA_ADDED", No, "has a schema where there was none";
    SchemaRemoved = "SCHEMA_REMOVED", Yes, "has no schema where there was one";
    TypeExtended = "TYPE_EXTENDED", Yes, "has a wider type";
    TypeNarrowed = "TYPE_NARROWED", No, "has a narrower type";
    TypeChanged = "TYPE_CHANGED", No, "has another type";
    SumTypeExtended = "SUM_TYPE_EXTENDED", Yes, "has more types to choose from";
    SumTypeNarrowed = "SUM_TYPE_NARROWED", No, "has fewer types to choose from";
    CombinedTypeSubschemasChanged = "COMBINED_TYPE_SUBSCHEMAS_CHANGED", No,
        "has other types to choose from";
    RequiredAttributeAdded = "REQUIRED_ATTRIBUTE_ADDED", No,
        "requires a property that was optional";
    RequiredAttributeWithDefaultAdded = "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED", Yes,
        "requires a property that was optional and has a default";
    RequiredAttributeRemoved = "REQUIRED_ATTRIBUTE_REMOVED", Yes,
        "no longer requires a property";
    AdditionalPropertiesAdded = "ADDITIONAL_PROPERTIES_ADDED", Yes,
        "allows additional properties";
    AdditionalPropertiesRemoved = "ADDITIONAL_PROPERTIES_REMOVED", Lenient,
        "no longer allows additional properties";
    AdditionalPropertiesExtended = "ADDITIONAL_PROPERTIES_EXTENDED", Yes,
        "allows any additional properties";
    AdditionalPropertiesNarrowed = "ADDITIONAL_PROPERTIES_NARROWED", Lenient,
        "bounds additional properties";
    PropertyWithEmptySchemaAddedToOpen = "PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL",
        Yes, "declares a property that may hold anything";
    PropertyAddedToOpen = "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", Lenient,
        "bounds a property that may have held anything, since the other schema has an open content model";
    RequiredPropertyWithDefaultAddedToOpen =
        "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL", Lenient,
        "requires a property, with a default, that may have held anything";
    RequiredPropertyAddedToOpen = "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", No,
        "requires a property that may have been absent";
    OptionalPropertyAddedToUnopen = "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", Yes,
        "has one more optional property";
    RequiredPropertyWithDefaultAddedToUnopen =
        "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL", Yes,
        "has one more required property, with a default";
    RequiredPropertyAddedToUnopen = "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", No,
        "has one more required property";
    PropertyAddedCovered = "PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", Yes,
        "declares a property within what additional properties were allowed to be";
    PropertyAddedNotCovered = "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
        Lenient, "declares a property otherwise than additional properties were allowed to be";
    PropertyRemovedFromOpen = "PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL", Yes,
        "no longer declares a property, which may still be there";
    PropertyRemovedCovered = "PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", Yes,
        "no longer declares a property, which its additional properties allow";
    PropertyRemovedNotCovered = "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
        Lenient, "no longer declares a property, which its additional properties do not allow";
    PropertyWithFalseRemovedFromClosed =
        "PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL", Yes,
        "no longer declares a property that could not be there";
    PropertyRemovedFromClosed = "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", Lenient,
        "no longer allows a property";
    // Not one of Confluent's: it passes over these in silence.
    KeywordNotCompared = "KEYWORD_NOT_COMPARED", No,
        "has a keyword changed that is not compared yet, so the change counts as incompatible:";
}

impl Change {
    /// What it means for readers under `policy`.
    pub(super) fn verdict(self, policy: Policy) -> Verdict {
        match (self.reading(), policy) {
            (Reading::Yes, _) | (Reading::Lenient, Policy::Lenient) => Verdict::Compatible,
            (Reading::No, _) | (Reading::Lenient, Policy::Strict) => Verdict::Incompatible,
        }
    }
}
