//! The part of a message that rules read: its other fields are stepped over, not decoded.
//!
//! The library decodes and shows a smaller message, made of the same file without the other fields, from the bytes of
//! the fields that are left: what it says of them is what it would say of them in the whole.

use super::wire::picked;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor};
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};
use std::collections::{BTreeMap, BTreeSet};

/// A message without the fields that are not read.
#[derive(Debug, Clone)]
pub struct Selected {
    message: MessageDescriptor,
    numbers: Vec<u32>,
}

/// A nested message, and a file's message, in a descriptor's path.
const NESTED: i32 = 3;
const TOP: i32 = 4;

impl Selected {
    /// The message `whole` with its fields of these names, and whatever shares a `oneof` with one of them: the last of
    /// those that is written is the one that counts. `None` where the library does not take the smaller message.
    pub(super) fn of(whole: &MessageDescriptor, names: &BTreeSet<String>) -> Option<Self> {
        if !is_separable(whole, names) {
            return None;
        }
        let file = whole.parent_file();
        let mut files: Vec<FileDescriptorProto> = whole
            .parent_pool()
            .file_descriptor_protos()
            .cloned()
            .collect();
        let own = files.iter_mut().find(|proto| proto.name() == file.name())?;
        let proto = at(own, whole.path())?;
        reduce(proto, names);
        let numbers = proto
            .field
            .iter()
            .map(|field| field.number().unsigned_abs());
        let numbers = numbers.collect();
        let pool = DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file: files });
        let message = pool.ok()?.get_message_by_name(whole.full_name())?;
        Some(Self { message, numbers })
    }

    /// Decode the selected fields of a message that has been checked.
    pub(super) fn decode(&self, message: &[u8]) -> Result<DynamicMessage, String> {
        let bytes = picked(message, &self.numbers).map_err(|fault| format!("{fault:?}"))?;
        DynamicMessage::decode(self.message.clone(), bytes.as_slice())
            .map_err(|error| error.to_string())
    }
}

/// Whether the fields of these names can be read and the others be passed over: an event is refused for nothing in those.
pub(super) fn is_separable(whole: &MessageDescriptor, names: &BTreeSet<String>) -> bool {
    // Extensions stand under such names, and are no fields of the message.
    if names.iter().any(|name| name.starts_with('[')) {
        return false;
    }
    let mut seen = BTreeSet::new();
    let unread = whole.fields().filter(|field| !names.contains(field.name()));
    let mut kinds = unread
        .map(|field| field.kind())
        .chain(whole.extensions().map(|extension| extension.kind()));
    !kinds.any(|kind| may_not_show(&kind, &mut seen))
}

/// The messages of which some values have no form in JSON, for which the whole event is refused.
const WITHOUT_FORM: [&str; 7] = [
    "Timestamp",
    "Duration",
    "FieldMask",
    "Any",
    "Value",
    "Struct",
    "ListValue",
];

/// Whether a value that is well encoded may be refused because it cannot be shown; it must be decoded then, though
/// nobody reads it.
fn may_not_show(kind: &Kind, seen: &mut BTreeSet<String>) -> bool {
    let Kind::Message(message) = kind else {
        return false;
    };
    let known = message.full_name().strip_prefix("google.protobuf.");
    if known.is_some_and(|name| WITHOUT_FORM.contains(&name)) {
        return true;
    }
    seen.insert(message.full_name().to_owned())
        && (message
            .fields()
            .any(|field| may_not_show(&field.kind(), seen))
            || message
                .extensions()
                .any(|extension| may_not_show(&extension.kind(), seen)))
}

/// The message at a path, as `[4, 0, 3, 1]`: the second message within the file's first.
fn at<'a>(file: &'a mut FileDescriptorProto, path: &[i32]) -> Option<&'a mut DescriptorProto> {
    let [TOP, first, rest @ ..] = path else {
        return None;
    };
    let mut message = file.message_type.get_mut(usize::try_from(*first).ok()?)?;
    for step in rest.chunks(2) {
        let [NESTED, index] = step else {
            return None;
        };
        message = message.nested_type.get_mut(usize::try_from(*index).ok()?)?;
    }
    Some(message)
}

fn reduce(message: &mut DescriptorProto, names: &BTreeSet<String>) {
    let read = |name: &str| names.contains(name);
    let unions: BTreeSet<i32> = message
        .field
        .iter()
        .filter(|field| read(field.name()))
        .filter_map(|field| field.oneof_index)
        .collect();
    message.field.retain(|field| {
        let shared = field
            .oneof_index
            .is_some_and(|union| unions.contains(&union));
        read(field.name()) || shared
    });
    // A `oneof` without fields is none; the others are numbered anew.
    let mut places = BTreeMap::new();
    let mut kept = Vec::new();
    for (index, union) in (0..).zip(std::mem::take(&mut message.oneof_decl)) {
        if unions.contains(&index) {
            places.insert(index, i32::try_from(kept.len()).unwrap_or(i32::MAX));
            kept.push(union);
        }
    }
    message.oneof_decl = kept;
    for field in &mut message.field {
        field.oneof_index = field
            .oneof_index
            .and_then(|index| places.get(&index).copied());
    }
}
