//! Messages and their fields, by the names of the messages around them, without the package; a full name is taken too.
//! A field of a oneof is known with the oneof's name and without. Groups, enums and extensions have no path.
//!
//! Tags stand in the option `confluent.message_meta` or `confluent.field_meta`. Of a part that is edited, all that this
//! option says, however it is spelled, becomes one message: `(confluent.field_meta) = {doc: "…", tags: ["…"]}`; the last
//! tag takes the option with it when nothing else is in it. Other options stay as they are, which the reference merges,
//! and the text imports `confluent/meta.proto`, which the reference leaves out and `protoc` then refuses.
//! Source: `ProtobufSchema.modifySchemaTags`, `mergeOptions` and `findMeta`, `ProtobufSchemaUtils.findMatchingElement`
//! of confluentinc/schema-registry.

use super::{Entity, Kind, Tagged, Wish, Wishes, each_once, entity, unknown};
use crate::protobuf::ast::{Custom, File, Message, Opt, Value};
use crate::protobuf::{self, Loaded, Members};
use crate::schema_error::SchemaError;
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// The file that defines the options, and its package.
const DEFINITION: &str = "confluent/meta.proto";
const PACKAGE: &str = "confluent";

/// The member of the options' message that holds the tags.
const TAGS: &str = "tags";

impl Kind {
    /// The name of the option within its package.
    fn option(self) -> &'static str {
        match self {
            Kind::Record => "message_meta",
            Kind::Field => "field_meta",
        }
    }

    fn is_held_by(self, option: &Opt) -> bool {
        let name = option.name.strip_prefix('.').unwrap_or(&option.name);
        let name = name.strip_prefix(PACKAGE).and_then(|n| n.strip_prefix('.'));
        option.custom == Custom::Yes && name == Some(self.option())
    }
}

pub(super) fn edited(source: &Source<'_>, wishes: &Wishes<'_>) -> Result<String, SchemaError> {
    let mut loaded = protobuf::load(source.text, source.imports)?;
    let wishes = by_place(loaded.main_mut(), wishes)?;
    let mut written = BTreeSet::new();
    let mut place = 0;
    walk(loaded.main_mut(), &mut |part| {
        if let Some(wish) = wishes.get(&place)
            && edit(part.kind, part.options, wish)
        {
            written.insert(part.kind);
        }
        place += 1;
    });
    if !written.iter().all(|kind| defines(&loaded, *kind)) {
        loaded.main_mut().imports.push(DEFINITION.to_owned());
    }
    Ok(protobuf::print(loaded.main()))
}

pub(super) fn list(text: &str) -> Result<Vec<Tagged>, SchemaError> {
    let mut file = protobuf::read(text)?;
    let mut found = Vec::new();
    walk(&mut file, &mut |part| {
        let metas = part.options.iter().filter(|one| part.kind.is_held_by(one));
        let tags = each_once(metas.flat_map(|meta| tags_of(&meta.value)));
        if !tags.is_empty() {
            let entity = entity(part.kind, part.path);
            found.push(Tagged { entity, tags });
        }
    });
    Ok(found)
}

/// A message or a field on the way through a file.
struct Part<'a> {
    kind: Kind,
    path: &'a str,
    /// With the oneof's name, for a field of one.
    in_oneof: Option<String>,
    options: &'a mut Vec<Opt>,
}

type Visit<'v> = dyn FnMut(Part<'_>) + 'v;

/// As deep as the parser lets messages stand.
fn walk(file: &mut File, visit: &mut Visit<'_>) {
    for message in &mut file.messages {
        let path = message.name.clone();
        walk_message(message, &path, visit);
    }
}

fn walk_message(message: &mut Message, path: &str, visit: &mut Visit<'_>) {
    visit(Part {
        kind: Kind::Record,
        path,
        in_oneof: None,
        options: &mut message.options,
    });
    for field in &mut message.fields {
        visit(Part {
            kind: Kind::Field,
            path: &format!("{path}.{}", field.name),
            in_oneof: None,
            options: &mut field.options,
        });
    }
    for oneof in &mut message.oneofs {
        for field in &mut oneof.fields {
            visit(Part {
                kind: Kind::Field,
                path: &format!("{path}.{}", field.name),
                in_oneof: Some(format!("{path}.{}.{}", oneof.name, field.name)),
                options: &mut field.options,
            });
        }
    }
    for nested in &mut message.messages {
        let path = format!("{path}.{}", nested.name);
        walk_message(nested, &path, visit);
    }
}

/// What is asked, by the number of the part on the way through the file.
fn by_place<'a>(
    file: &mut File,
    wishes: &'a Wishes<'a>,
) -> Result<BTreeMap<usize, Wish<'a>>, SchemaError> {
    let package = file.package().to_owned();
    let within = |wished: &Entity| {
        let path = wished.path.strip_prefix(&*package)?.strip_prefix('.')?;
        (!package.is_empty()).then(|| entity(wished.kind, path))
    };
    let mut places: BTreeMap<Entity, Option<usize>> = BTreeMap::new();
    for wished in wishes.keys() {
        places.insert(wished.clone(), None);
        places.extend(within(wished).map(|wished| (wished, None)));
    }
    let mut place = 0;
    walk(file, &mut |part| {
        let paths = [Some(part.path), part.in_oneof.as_deref()];
        for path in paths.into_iter().flatten() {
            if let Some(known) = places.get_mut(&entity(part.kind, path)) {
                known.get_or_insert(place);
            }
        }
        place += 1;
    });
    let place_of = |wished: &Entity| places.get(wished).copied().flatten();
    let mut found: BTreeMap<usize, Wish<'a>> = BTreeMap::new();
    for (wished, wish) in wishes {
        let place = place_of(wished)
            .or_else(|| place_of(&within(wished)?))
            .ok_or_else(|| unknown(wished))?;
        let known = found.entry(place).or_default();
        known.add.extend(&wish.add);
        known.remove.extend(&wish.remove);
    }
    Ok(found)
}

/// Make all that the options of a part say of it one option, with its tags changed; `false` where nothing is left to say.
fn edit(kind: Kind, options: &mut Vec<Opt>, wish: &Wish<'_>) -> bool {
    let mut first = None;
    let mut members = Members::default();
    let mut kept = Vec::with_capacity(options.len() + 1);
    for option in std::mem::take(options) {
        if !kind.is_held_by(&option) {
            kept.push(option);
            continue;
        }
        match protobuf::as_map(option.value) {
            Value::Map(map) => {
                first.get_or_insert(kept.len());
                map.into_iter()
                    .for_each(|(key, value)| members.add(key, value));
            }
            // No message: the check of the whole says so.
            value @ (Value::Text(_)
            | Value::Word(_)
            | Value::Number(_)
            | Value::List(_)
            | Value::Part(_)) => kept.push(Opt { value, ..option }),
        }
    }
    let mut members = members.list;
    let place = members.iter().position(|(key, _)| key == TAGS);
    let known = place.map_or_else(Vec::new, |place| members[place].1.clone().into_list());
    let tags = changed(known, wish);
    match place {
        Some(place) if tags.is_empty() => drop(members.remove(place)),
        Some(place) => members[place].1 = Value::List(tags),
        None if tags.is_empty() => {}
        None => members.push((TAGS.to_owned(), Value::List(tags))),
    }
    let says = !members.is_empty();
    if says {
        let option = Opt {
            name: format!("{PACKAGE}.{}", kind.option()),
            custom: Custom::Yes,
            value: Value::Map(members),
        };
        kept.insert(first.unwrap_or(kept.len()), option);
    }
    *options = kept;
    says
}

/// Each tag once, those that are there first.
fn changed(mut tags: Vec<Value>, wish: &Wish<'_>) -> Vec<Value> {
    tags.extend(wish.add.iter().map(|tag| Value::Text((*tag).into())));
    let mut seen = BTreeSet::new();
    tags.retain(|tag| {
        let Value::Text(text) = tag else { return true };
        let gone = std::str::from_utf8(text).is_ok_and(|text| wish.remove.contains(text));
        !gone && seen.insert(text.clone())
    });
    tags
}

/// The tags that the value of an option holds.
fn tags_of(meta: &Value) -> Vec<String> {
    let tags = match meta {
        Value::Map(members) => members
            .iter()
            .find(|(key, _)| key == TAGS)
            .map(|one| &one.1),
        Value::Part(part) if part.custom == Custom::No && part.name == TAGS => Some(&part.value),
        Value::Text(_) | Value::Word(_) | Value::Number(_) | Value::List(_) | Value::Part(_) => {
            None
        }
    };
    let tags = tags.cloned().map_or_else(Vec::new, Value::into_list);
    let text = |tag| match tag {
        Value::Text(text) => String::from_utf8(text).ok(),
        Value::Word(_) | Value::Number(_) | Value::Map(_) | Value::List(_) | Value::Part(_) => None,
    };
    tags.into_iter().filter_map(text).collect()
}

/// Whether the schema sees the definition of the option: in itself, in what it imports, or in what that passes on.
fn defines(loaded: &Loaded<'_>, kind: Kind) -> bool {
    let files = loaded
        .files
        .iter()
        .map(|one| (one.name.as_str(), &one.file));
    let files: BTreeMap<&str, &File> = files.collect();
    let main = loaded.main();
    let mut open = vec![main];
    open.extend(main.all_imports().filter_map(|name| files.get(&**name)));
    let mut seen = BTreeSet::new();
    while let Some(file) = open.pop() {
        let mut fields = file.extends.iter().flat_map(|extend| &extend.fields);
        if file.package() == PACKAGE && fields.any(|field| field.name == kind.option()) {
            return true;
        }
        for name in &file.public_imports {
            if seen.insert(name) {
                open.extend(files.get(&**name));
            }
        }
    }
    false
}
