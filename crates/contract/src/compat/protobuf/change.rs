//! The kinds of differences: the reference's by its names and in its words, then those that it passes over.

use super::super::Verdict;

macro_rules! changes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $verdict:ident, $sentence:literal;)*) => {
        /// A kind of difference.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Change {
            $($(#[$doc])* $name,)*
        }

        impl Change {
            pub(super) fn as_str(self) -> &'static str {
                match self { $(Change::$name => $text,)* }
            }

            pub(super) fn verdict(self) -> Verdict {
                match self { $(Change::$name => Verdict::$verdict,)* }
            }

            /// The sentence, with `{p}` for the path, `{r}` and `{w}` for what reader's and writer's schema are called.
            fn sentence(self) -> &'static str {
                match self { $(Change::$name => $sentence,)* }
            }
        }
    };
}

changes! {
    PackageChanged = "PACKAGE_CHANGED", Incompatible,
        "The package at '{p}' in the {r} schema does not match the package in the {w} schema";
    MessageAdded = "MESSAGE_ADDED", Compatible,
        "The {w} schema has no MESSAGE type at path '{p}' of the {r} schema";
    MessageRemoved = "MESSAGE_REMOVED", Incompatible,
        "The {r} schema is missing a MESSAGE type at path '{p}' in the {w} schema";
    MessageMoved = "MESSAGE_MOVED", Compatible,
        "The MESSAGE type at path '{p}' has another place in the {r} schema";
    EnumAdded = "ENUM_ADDED", Compatible,
        "The {w} schema has no ENUM type at path '{p}' of the {r} schema";
    EnumRemoved = "ENUM_REMOVED", Compatible,
        "The {r} schema is missing an ENUM type at path '{p}' in the {w} schema";
    EnumConstAdded = "ENUM_CONST_ADDED", Compatible,
        "The {w} schema has no enum value at path '{p}' of the {r} schema";
    EnumConstChanged = "ENUM_CONST_CHANGED", Compatible,
        "The enum value at path '{p}' has another name in the {r} schema";
    EnumConstRemoved = "ENUM_CONST_REMOVED", Compatible,
        "The {r} schema is missing an enum value at path '{p}' in the {w} schema";
    FieldAdded = "FIELD_ADDED", Compatible,
        "The {w} schema has no field at path '{p}' of the {r} schema";
    FieldRemoved = "FIELD_REMOVED", Compatible,
        "The {r} schema is missing a field at path '{p}' in the {w} schema";
    FieldNameChanged = "FIELD_NAME_CHANGED", Compatible,
        "The field at path '{p}' has another name in the {r} schema";
    FieldKindChanged = "FIELD_KIND_CHANGED", Incompatible,
        "The type of a field at path '{p}' in the {r} schema does not match the {w} schema";
    FieldScalarKindChanged = "FIELD_SCALAR_KIND_CHANGED", Incompatible,
        "The kind of a SCALAR field at path '{p}' in the {r} schema does not match its kind in the {w} schema";
    FieldNamedTypeChanged = "FIELD_NAMED_TYPE_CHANGED", Incompatible,
        "The type of a MESSAGE field at path '{p}' in the {r} schema does not match its type in the {w} schema";
    FieldNumericLabelChanged = "FIELD_NUMERIC_LABEL_CHANGED", Incompatible,
        "The label for a NUMERIC field at path '{p}' in the {r} schema does not match its label in the {w} schema";
    FieldTextLabelChanged = "FIELD_STRING_OR_BYTES_LABEL_CHANGED", Compatible,
        "The label for a STRING or BYTES field at path '{p}' in the {r} schema does not match its label in the {w} schema";
    RequiredFieldAdded = "REQUIRED_FIELD_ADDED", Incompatible,
        "A required field  at path '{p}' in the {r} schema is missing in the {w} schema";
    RequiredFieldRemoved = "REQUIRED_FIELD_REMOVED", Incompatible,
        "The {r} schema is missing a required field at path: '{p}' in the {w} schema";
    OneofAdded = "ONEOF_ADDED", Compatible,
        "The {w} schema has no oneof at path '{p}' of the {r} schema";
    OneofRemoved = "ONEOF_REMOVED", Compatible,
        "The {r} schema is missing a oneof at path '{p}' in the {w} schema";
    OneofFieldAdded = "ONEOF_FIELD_ADDED", Compatible,
        "The {w} schema has no oneof field at path '{p}' of the {r} schema";
    OneofFieldRemoved = "ONEOF_FIELD_REMOVED", Incompatible,
        "The {r} schema is missing a oneof field at path '{p}' in the {w} schema";
    MultipleFieldsMovedToOneof = "MULTIPLE_FIELDS_MOVED_TO_ONEOF", Incompatible,
        "Multiple fields in the oneof at path '{p}' in the {r} schema are outside a oneof in the {w} schema";
    FieldMovedToExistingOneof = "FIELD_MOVED_TO_EXISTING_ONEOF", Incompatible,
        "A field in the oneof at path '{p}' in the {r} schema is outside an existing oneof in the {w} schema";

    // What follows is ours: the reference says nothing about any of it.
    SyntaxChanged = "SYNTAX_CHANGED", Unjudged,
        "The syntax of the {r} schema is not that of the {w} schema: what it means that a field is absent, or an enum value unknown, differs";
    FieldNumberChanged = "FIELD_NUMBER_CHANGED", Unjudged,
        "The field at path '{p}' in the {r} schema has another number in the {w} schema, so its values are lost";
    FieldNumberReused = "FIELD_NUMBER_REUSED", Unjudged,
        "The number of the field at path '{p}' in the {r} schema belongs to a field of another name in the {w} schema";
    FieldCardinalityChanged = "FIELD_CARDINALITY_CHANGED", Unjudged,
        "The field at path '{p}' is repeated in one of the {r} and the {w} schema only";
    FieldBecameRequired = "FIELD_BECAME_REQUIRED", Unjudged,
        "The field at path '{p}' is required in the {r} schema only: what lacks it cannot be read";
    FieldTypeNarrowed = "FIELD_TYPE_NARROWED", Unjudged,
        "The type of the field at path '{p}' in the {r} schema does not hold every value of its type in the {w} schema";
    FieldDefaultChanged = "FIELD_DEFAULT_CHANGED", Unjudged,
        "The default of the field at path '{p}' in the {r} schema is not that of the {w} schema: where it is absent, readers see another value";
    FieldJsonNameChanged = "FIELD_JSON_NAME_CHANGED", Unjudged,
        "The field at path '{p}' has another name in JSON in the {r} schema";
    FieldMovedAndChanged = "FIELD_MOVED_AND_CHANGED", Unjudged,
        "The field at path '{p}' was moved into or out of a oneof in the {r} schema, and its type is not that of the {w} schema";
    OneofsMerged = "ONEOFS_MERGED", Unjudged,
        "Fields in the oneof at path '{p}' in the {r} schema may be set together in the {w} schema; all but the last are lost";
    ReservedNumberUsed = "RESERVED_NUMBER_USED", Unjudged,
        "The number of the field at path '{p}' in the {r} schema is reserved in the {w} schema";
    ReservedNameUsed = "RESERVED_NAME_USED", Unjudged,
        "The name of the field at path '{p}' in the {r} schema is reserved in the {w} schema";
    EnumValueUnknown = "ENUM_VALUE_UNKNOWN", Unjudged,
        "The {r} schema does not know the enum value at path '{p}' of the {w} schema";
    EnumValueReused = "ENUM_VALUE_REUSED", Unjudged,
        "The number of the enum value at path '{p}' in the {r} schema has another name in the {w} schema";
    EnumValueRenumbered = "ENUM_VALUE_RENUMBERED", Unjudged,
        "The enum value at path '{p}' in the {r} schema has another number in the {w} schema";
    GroupChanged = "GROUP_CHANGED", Unjudged,
        "The group at path '{p}' is not the same in the {r} and the {w} schema";
    ExtensionChanged = "EXTENSION_CHANGED", Unjudged,
        "The extension at path '{p}' in the {r} schema does not have its type of the {w} schema";
}

impl Change {
    /// The whole sentence.
    pub(super) fn message(self, path: &str, words: (&str, &str)) -> String {
        let (reader, writer) = words;
        let sentence = self
            .sentence()
            .replace("{r}", reader)
            .replace("{w}", writer);
        sentence.replace("{p}", path)
    }
}
