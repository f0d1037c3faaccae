//! The differences between two JSON Schemas by the reference's names, with the verdict on each and the sentence that
//! its clients see.
//!
//! Those that end in `_NOT_COMPARED` are ours: the reference passes over such a change in silence.

use crate::compat::{Policy, Verdict};

/// Whether a difference lets readers go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Yes,
    No,
    /// Where readers ignore properties that they do not know.
    Lenient,
    /// Nobody knows: the reference does not look.
    Overlooked,
}

/// Differences that are told by one sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Annotation,
    Looser,
    Unsaid,
    Keyword,
    More,
    Less,
    Different,
    Fewer,
    Longer,
    Type,
    AddedToOpen,
    AddedToUnopen,
    AddedUncovered,
    RemovedUncovered,
    RemovedFromClosed,
    Overlooked,
}

macro_rules! changes {
    ($($variant:ident $name:literal $reading:ident $told:ident;)*) => {
        /// A kind of difference.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Change {
            $($variant,)*
        }

        impl Change {
            /// The reference's name.
            pub(super) fn name(self) -> &'static str {
                match self { $(Change::$variant => $name,)* }
            }

            fn reading(self) -> Reading {
                match self { $(Change::$variant => Reading::$reading,)* }
            }

            fn told(self) -> Told {
                match self { $(Change::$variant => Told::$told,)* }
            }
        }
    };
}

changes! {
    IdChanged "ID_CHANGED" Yes Annotation;
    TitleChanged "TITLE_CHANGED" Yes Annotation;
    DescriptionChanged "DESCRIPTION_CHANGED" Yes Annotation;
    DefaultChanged "DEFAULT_CHANGED" Yes Annotation;
    SchemaAdded "SCHEMA_ADDED" No Unsaid;
    SchemaRemoved "SCHEMA_REMOVED" Yes Looser;
    TypeExtended "TYPE_EXTENDED" Yes Looser;
    TypeNarrowed "TYPE_NARROWED" No Type;
    TypeChanged "TYPE_CHANGED" No Type;
    MaxLengthAdded "MAX_LENGTH_ADDED" No Keyword;
    MaxLengthRemoved "MAX_LENGTH_REMOVED" Yes Looser;
    MaxLengthIncreased "MAX_LENGTH_INCREASED" Yes Looser;
    MaxLengthDecreased "MAX_LENGTH_DECREASED" No Less;
    MaximumAdded "MAXIMUM_ADDED" No Keyword;
    MaximumRemoved "MAXIMUM_REMOVED" Yes Looser;
    MaximumIncreased "MAXIMUM_INCREASED" Yes Looser;
    MaximumDecreased "MAXIMUM_DECREASED" No Less;
    ExclusiveMaximumAdded "EXCLUSIVE_MAXIMUM_ADDED" No Keyword;
    ExclusiveMaximumRemoved "EXCLUSIVE_MAXIMUM_REMOVED" Yes Looser;
    ExclusiveMaximumIncreased "EXCLUSIVE_MAXIMUM_INCREASED" Yes Looser;
    ExclusiveMaximumDecreased "EXCLUSIVE_MAXIMUM_DECREASED" No Less;
    MaxPropertiesAdded "MAX_PROPERTIES_ADDED" No Keyword;
    MaxPropertiesRemoved "MAX_PROPERTIES_REMOVED" Yes Looser;
    MaxPropertiesIncreased "MAX_PROPERTIES_INCREASED" Yes Looser;
    MaxPropertiesDecreased "MAX_PROPERTIES_DECREASED" No Less;
    MaxItemsAdded "MAX_ITEMS_ADDED" No Keyword;
    MaxItemsRemoved "MAX_ITEMS_REMOVED" Yes Looser;
    MaxItemsIncreased "MAX_ITEMS_INCREASED" Yes Looser;
    MaxItemsDecreased "MAX_ITEMS_DECREASED" No Less;
    MaxContainsAdded "MAX_CONTAINS_ADDED" No Keyword;
    MaxContainsRemoved "MAX_CONTAINS_REMOVED" Yes Looser;
    MaxContainsIncreased "MAX_CONTAINS_INCREASED" Yes Looser;
    MaxContainsDecreased "MAX_CONTAINS_DECREASED" No Less;
    MinLengthAdded "MIN_LENGTH_ADDED" No Keyword;
    MinLengthRemoved "MIN_LENGTH_REMOVED" Yes Looser;
    MinLengthIncreased "MIN_LENGTH_INCREASED" No More;
    MinLengthDecreased "MIN_LENGTH_DECREASED" Yes Looser;
    MinimumAdded "MINIMUM_ADDED" No Keyword;
    MinimumRemoved "MINIMUM_REMOVED" Yes Looser;
    MinimumIncreased "MINIMUM_INCREASED" No More;
    MinimumDecreased "MINIMUM_DECREASED" Yes Looser;
    ExclusiveMinimumAdded "EXCLUSIVE_MINIMUM_ADDED" No Keyword;
    ExclusiveMinimumRemoved "EXCLUSIVE_MINIMUM_REMOVED" Yes Looser;
    ExclusiveMinimumIncreased "EXCLUSIVE_MINIMUM_INCREASED" No More;
    ExclusiveMinimumDecreased "EXCLUSIVE_MINIMUM_DECREASED" Yes Looser;
    MinPropertiesAdded "MIN_PROPERTIES_ADDED" No Keyword;
    MinPropertiesRemoved "MIN_PROPERTIES_REMOVED" Yes Looser;
    MinPropertiesIncreased "MIN_PROPERTIES_INCREASED" No More;
    MinPropertiesDecreased "MIN_PROPERTIES_DECREASED" Yes Looser;
    MinItemsAdded "MIN_ITEMS_ADDED" No Keyword;
    MinItemsRemoved "MIN_ITEMS_REMOVED" Yes Looser;
    MinItemsIncreased "MIN_ITEMS_INCREASED" No More;
    MinItemsDecreased "MIN_ITEMS_DECREASED" Yes Looser;
    MinContainsAdded "MIN_CONTAINS_ADDED" No Keyword;
    MinContainsRemoved "MIN_CONTAINS_REMOVED" Yes Looser;
    MinContainsIncreased "MIN_CONTAINS_INCREASED" No More;
    MinContainsDecreased "MIN_CONTAINS_DECREASED" Yes Looser;
    PatternAdded "PATTERN_ADDED" No Keyword;
    PatternRemoved "PATTERN_REMOVED" Yes Looser;
    PatternChanged "PATTERN_CHANGED" No Different;
    MultipleOfAdded "MULTIPLE_OF_ADDED" No Keyword;
    MultipleOfRemoved "MULTIPLE_OF_REMOVED" Yes Looser;
    MultipleOfReduced "MULTIPLE_OF_REDUCED" Yes Looser;
    MultipleOfExpanded "MULTIPLE_OF_EXPANDED" No More;
    MultipleOfChanged "MULTIPLE_OF_CHANGED" No Different;
    RequiredAttributeAdded "REQUIRED_ATTRIBUTE_ADDED" No Keyword;
    RequiredAttributeWithDefaultAdded "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED" Yes Looser;
    RequiredAttributeRemoved "REQUIRED_ATTRIBUTE_REMOVED" Yes Looser;
    AdditionalPropertiesAdded "ADDITIONAL_PROPERTIES_ADDED" Yes Looser;
    AdditionalPropertiesExtended "ADDITIONAL_PROPERTIES_EXTENDED" Yes Looser;
    AdditionalPropertiesRemoved "ADDITIONAL_PROPERTIES_REMOVED" Lenient Keyword;
    AdditionalPropertiesNarrowed "ADDITIONAL_PROPERTIES_NARROWED" Lenient Fewer;
    UnevaluatedPropertiesAdded "UNEVALUATED_PROPERTIES_ADDED" Yes Looser;
    UnevaluatedPropertiesExtended "UNEVALUATED_PROPERTIES_EXTENDED" Yes Looser;
    UnevaluatedPropertiesRemoved "UNEVALUATED_PROPERTIES_REMOVED" Lenient Keyword;
    UnevaluatedPropertiesNarrowed "UNEVALUATED_PROPERTIES_NARROWED" Lenient Fewer;
    AdditionalItemsAdded "ADDITIONAL_ITEMS_ADDED" Yes Looser;
    AdditionalItemsExtended "ADDITIONAL_ITEMS_EXTENDED" Yes Looser;
    AdditionalItemsRemoved "ADDITIONAL_ITEMS_REMOVED" No Keyword;
    AdditionalItemsNarrowed "ADDITIONAL_ITEMS_NARROWED" No Fewer;
    UnevaluatedItemsAdded "UNEVALUATED_ITEMS_ADDED" Yes Looser;
    UnevaluatedItemsExtended "UNEVALUATED_ITEMS_EXTENDED" Yes Looser;
    UnevaluatedItemsRemoved "UNEVALUATED_ITEMS_REMOVED" No Keyword;
    UnevaluatedItemsNarrowed "UNEVALUATED_ITEMS_NARROWED" No Fewer;
    DependencyArrayAdded "DEPENDENCY_ARRAY_ADDED" No Keyword;
    DependencySchemaAdded "DEPENDENCY_SCHEMA_ADDED" No Keyword;
    DependencyArrayRemoved "DEPENDENCY_ARRAY_REMOVED" Yes Looser;
    DependencyArrayNarrowed "DEPENDENCY_ARRAY_NARROWED" Yes Looser;
    DependencySchemaRemoved "DEPENDENCY_SCHEMA_REMOVED" Yes Looser;
    DependencyArrayExtended "DEPENDENCY_ARRAY_EXTENDED" No Longer;
    DependencyArrayChanged "DEPENDENCY_ARRAY_CHANGED" No Different;
    PropertyWithEmptySchemaAddedToOpenContentModel "PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL" Yes Looser;
    PropertyAddedToOpenContentModel "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL" Lenient AddedToOpen;
    RequiredPropertyWithDefaultAddedToOpenContentModel "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL" Lenient AddedToOpen;
    RequiredPropertyAddedToOpenContentModel "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL" No AddedToOpen;
    OptionalPropertyAddedToUnopenContentModel "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL" Yes Looser;
    RequiredPropertyWithDefaultAddedToUnopenContentModel "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL" Yes Looser;
    RequiredPropertyAddedToUnopenContentModel "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL" No AddedToUnopen;
    PropertyAddedIsCoveredByPartiallyOpenContentModel "PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL" Yes Looser;
    PropertyRemovedIsCoveredByPartiallyOpenContentModel "PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL" Yes Looser;
    PropertyRemovedFromOpenContentModel "PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL" Yes Looser;
    PropertyWithFalseRemovedFromClosedContentModel "PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL" Yes Looser;
    PropertyAddedNotCoveredByPartiallyOpenContentModel "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL" Lenient AddedUncovered;
    PropertyRemovedNotCoveredByPartiallyOpenContentModel "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL" Lenient RemovedUncovered;
    PropertyRemovedFromClosedContentModel "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL" Lenient RemovedFromClosed;
    UniqueItemsAdded "UNIQUE_ITEMS_ADDED" No Keyword;
    UniqueItemsRemoved "UNIQUE_ITEMS_REMOVED" Yes Looser;
    ItemWithEmptySchemaAddedToOpenContentModel "ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL" Yes Looser;
    ItemAddedToClosedContentModel "ITEM_ADDED_TO_CLOSED_CONTENT_MODEL" Yes Looser;
    ItemAddedIsCoveredByPartiallyOpenContentModel "ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL" Yes Looser;
    ItemRemovedFromOpenContentModel "ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL" Yes Looser;
    ItemWithFalseRemovedFromClosedContentModel "ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL" Yes Looser;
    ItemRemovedIsCoveredByPartiallyOpenContentModel "ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL" Yes Looser;
    ItemAddedToOpenContentModel "ITEM_ADDED_TO_OPEN_CONTENT_MODEL" No AddedToOpen;
    ItemAddedNotCoveredByPartiallyOpenContentModel "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL" No AddedUncovered;
    ItemRemovedFromClosedContentModel "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL" No RemovedFromClosed;
    ItemRemovedNotCoveredByPartiallyOpenContentModel "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL" No RemovedUncovered;
    EnumArrayExtended "ENUM_ARRAY_EXTENDED" Yes Looser;
    EnumArrayNarrowed "ENUM_ARRAY_NARROWED" No Fewer;
    EnumArrayChanged "ENUM_ARRAY_CHANGED" No Type;
    CombinedTypeExtended "COMBINED_TYPE_EXTENDED" Yes Looser;
    ProductTypeNarrowed "PRODUCT_TYPE_NARROWED" Yes Looser;
    SumTypeExtended "SUM_TYPE_EXTENDED" Yes Looser;
    NotTypeNarrowed "NOT_TYPE_NARROWED" Yes Looser;
    CombinedTypeChanged "COMBINED_TYPE_CHANGED" No Type;
    CombinedTypeSubschemasChanged "COMBINED_TYPE_SUBSCHEMAS_CHANGED" No Type;
    ProductTypeExtended "PRODUCT_TYPE_EXTENDED" No Longer;
    NotTypeExtended "NOT_TYPE_EXTENDED" No Longer;
    SumTypeNarrowed "SUM_TYPE_NARROWED" No Fewer;
    TypeNotCompared "TYPE_NOT_COMPARED" Overlooked Overlooked;
    FormatNotCompared "FORMAT_NOT_COMPARED" Overlooked Overlooked;
    ContentNotCompared "CONTENT_NOT_COMPARED" Overlooked Overlooked;
    KeywordNotCompared "KEYWORD_NOT_COMPARED" Overlooked Overlooked;
    RequiredNotCompared "REQUIRED_NOT_COMPARED" Overlooked Overlooked;
    DefaultNotCompared "DEFAULT_NOT_COMPARED" Overlooked Overlooked;
    PatternPropertiesNotCompared "PATTERN_PROPERTIES_NOT_COMPARED" Overlooked Overlooked;
    PropertyNamesNotCompared "PROPERTY_NAMES_NOT_COMPARED" Overlooked Overlooked;
    UnevaluatedPropertiesNotCompared "UNEVALUATED_PROPERTIES_NOT_COMPARED" Overlooked Overlooked;
    ContainsNotCompared "CONTAINS_NOT_COMPARED" Overlooked Overlooked;
    ItemsNotCompared "ITEMS_NOT_COMPARED" Overlooked Overlooked;
    UnevaluatedItemsNotCompared "UNEVALUATED_ITEMS_NOT_COMPARED" Overlooked Overlooked;
    ConditionalNotCompared "CONDITIONAL_NOT_COMPARED" Overlooked Overlooked;
    ExclusiveMaximumNotCompared "EXCLUSIVE_MAXIMUM_NOT_COMPARED" Overlooked Overlooked;
    ExclusiveMinimumNotCompared "EXCLUSIVE_MINIMUM_NOT_COMPARED" Overlooked Overlooked;
    MultipleOfNotCompared "MULTIPLE_OF_NOT_COMPARED" Overlooked Overlooked;
    OneOfNotCompared "ONE_OF_NOT_COMPARED" Overlooked Overlooked;
    BytesNotCompared "BYTES_NOT_COMPARED" Overlooked Overlooked;
}

impl Change {
    /// What it means for readers under `policy`.
    pub(super) fn verdict(self, policy: Policy) -> Verdict {
        match (self.reading(), policy) {
            (Reading::Yes, _) | (Reading::Lenient, Policy::Lenient) => Verdict::Compatible,
            (Reading::No, _) | (Reading::Lenient, Policy::Strict) => Verdict::Incompatible,
            (Reading::Overlooked, _) => Verdict::Unjudged,
        }
    }

    /// The sentence about it, of the `reader`'s and the `writer`'s schema: `new` and `old`, or the other way round.
    pub(super) fn message(self, path: &str, reader: &str, writer: &str) -> String {
        match self.told() {
            Told::Annotation => format!(
                "The annotation at path '{path}' is different between the {reader} and {writer} schema"
            ),
            Told::Looser => format!(
                "The {reader} schema allows at path '{path}' whatever the {writer} schema allows"
            ),
            Told::Unsaid => format!(
                "The {reader} schema has a schema at path '{path}' which is missing in the {writer} schema"
            ),
            Told::Keyword => format!(
                "The keyword at path '{path}' in the {reader} schema is not present in the {writer} schema"
            ),
            Told::More => format!(
                "The value at path '{path}' in the {reader} schema is more than its value in the {writer} schema"
            ),
            Told::Less => format!(
                "The value at path '{path}' in the {reader} schema is less than its value in the {writer} schema"
            ),
            Told::Different => format!(
                "The value at path '{path}' is different between the {reader} and {writer} schema"
            ),
            Told::Fewer => format!(
                "An array or combined type at path '{path}' has fewer elements in the {reader} schema than the {writer} schema"
            ),
            Told::Longer => format!(
                "An array or combined type at path '{path}' has more elements in the {reader} schema than the {writer} schema"
            ),
            Told::Type => format!(
                "A type at path '{path}' is different between the {reader} schema and the {writer} schema"
            ),
            Told::AddedToOpen
            | Told::AddedToUnopen
            | Told::AddedUncovered
            | Told::RemovedUncovered
            | Told::RemovedFromClosed
            | Told::Overlooked => self.message_of_content(path, reader, writer),
        }
    }

    fn message_of_content(self, path: &str, reader: &str, writer: &str) -> String {
        let told = self.told();
        match told {
            Told::AddedToOpen => format!(
                "The {reader} schema has an open content model and has a property or item at path '{path}' which is missing in the {writer} schema"
            ),
            Told::AddedToUnopen => format!(
                "The {reader} schema has an unopen content model and has a required property at path '{path}' which is missing in the {writer} schema"
            ),
            Told::AddedUncovered => format!(
                "The {reader} schema has a property or item at path '{path}' which is missing in the {writer} schema and is not covered by its partially open content model"
            ),
            Told::RemovedUncovered => format!(
                "A property or item is missing in the {reader} schema but present at path '{path}' in the {writer} schema and is not covered by its partially open content model"
            ),
            Told::RemovedFromClosed => format!(
                "The {reader} schema has a closed content model and is missing a property or item present at path '{path}' in the {writer} schema"
            ),
            Told::Overlooked
            | Told::Annotation
            | Told::Looser
            | Told::Unsaid
            | Told::Keyword
            | Told::More
            | Told::Less
            | Told::Different
            | Told::Fewer
            | Told::Longer
            | Told::Type => format!(
                "The {reader} schema may refuse at path '{path}' what the {writer} schema allows; the rules of compatibility do not look there"
            ),
        }
    }
}
