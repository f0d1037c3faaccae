//! Events in Protobuf: which message they are, what is refused, and that what is written is read again.

use crate::leaf::Leaves;
use crate::protobuf::ProtobufEvents;
use crate::row::RowEncoder;
use crate::spec::Encoding;
use crate::verdict::{Code, Reason};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use std::sync::LazyLock;

const SHOP: &str = "syntax = \"proto3\"; package shop.v1; import \"google/protobuf/timestamp.proto\"; \
    message Customer { string name = 1; } \
    message OrderPlaced { string id = 1; int64 cents = 2; optional double weight = 3; repeated Line lines = 4; \
      State state = 5; google.protobuf.Timestamp at = 6; map<string, int32> tags = 7; bytes raw = 8; bool gift = 9; \
      Customer customer = 10; repeated sint32 deltas = 11; \
      message Line { string sku = 1; uint32 count = 2; } enum State { UNKNOWN = 0; OPEN = 1; } }";

const OLD: &str = "package old; enum Colour { RED = 1; BLUE = 5; } \
    message Event { required string id = 1; required int32 n = 2; optional Colour colour = 3; \
      repeated Colour many = 4 [packed = true]; optional Inner inner = 5; extensions 100 to 200; \
      message Inner { required string s = 1; } } \
    extend Event { optional string note = 100; }";

fn texts(checked: Result<(), Vec<Reason>>) -> Vec<String> {
    let reasons = checked.expect_err("refused");
    reasons.iter().map(ToString::to_string).collect()
}

fn compiled(text: &str, named: &str) -> Result<String, String> {
    ProtobufEvents::compile(text, named)
        .map(|events| events.message().to_owned())
        .map_err(|error| error.to_string())
}

#[test]
fn the_contract_says_which_message_events_are() {
    for (named, message) in [
        ("shop.v1.OrderPlaced", "shop.v1.OrderPlaced"),
        ("OrderPlaced", "shop.v1.OrderPlaced"),
        ("order_placed", "shop.v1.OrderPlaced"),
        ("customer", "shop.v1.Customer"),
        ("OrderPlaced.Line", "shop.v1.OrderPlaced.Line"),
    ] {
        assert_eq!(compiled(SHOP, named), Ok(message.to_owned()));
    }
    let error = compiled(SHOP, "order").expect_err("none of them");
    assert!(error.contains("`order` is none of them"), "{error}");
    assert!(error.contains("Customer, OrderPlaced"), "{error}");
    let one = "syntax = \"proto3\"; message A { B b = 1; message B {} }";
    assert_eq!(compiled(one, "whatever"), Ok("A".to_owned()));
    let none = compiled("syntax = \"proto3\"; enum E { Z = 0; }", "e").expect_err("no message");
    assert!(none.contains("no message"), "{none}");
    let imported = "syntax = \"proto3\"; import \"other.proto\"; message A {}";
    assert!(
        compiled(imported, "A")
            .expect_err("not given")
            .contains("other.proto")
    );
}

#[test]
fn another_message_of_the_file_is_no_event() {
    let events = ProtobufEvents::compile(SHOP, "OrderPlaced").expect("a schema");
    assert_eq!(events.check(None, &[2, 2]), Ok(()));
    assert_eq!(
        texts(events.check(None, &[0])),
        [
            "MESH-1007 (event): expected the message shop.v1.OrderPlaced, indexes [1], found the indexes [0]"
        ]
    );
    let first = ProtobufEvents::compile(SHOP, "Customer").expect("a schema");
    // The short form of the first message, and the long one.
    assert_eq!(first.check(None, &[0, 0x0a, 1, b'x']), Ok(()));
    assert_eq!(first.check(None, &[2, 0, 0x0a, 1, b'x']), Ok(()));
    // Zigzag makes 1 of 2: nested far below what the file has.
    assert!(first.check(None, &[4, 0, 0]).is_err());
}

#[test]
fn indexes_stand_in_the_header_where_the_id_does() {
    let events = ProtobufEvents::compile(SHOP, "OrderPlaced").expect("a schema");
    assert_eq!(events.check(Some(&[2, 2]), &[0x10, 5]), Ok(()));
    for header in [&[][..], &[0], &[2], &[2, 2, 0], &[0x80; 40]] {
        assert!(
            events.check(Some(header), &[0x10, 5]).is_err(),
            "{header:02x?}"
        );
    }
}

#[test]
fn fields_that_the_message_does_not_have_are_refused() {
    let events = ProtobufEvents::compile(SHOP, "OrderPlaced").expect("a schema");
    assert_eq!(
        texts(events.check(None, &[2, 2, 0x22, 2, 0x18, 1, 0x78, 1, 0x52, 2, 0x38, 1])),
        [
            "MESH-1009 /lines/0: expected only fields of shop.v1.OrderPlaced.Line, found a field of number 3",
            "MESH-1009 (event): expected only fields of shop.v1.OrderPlaced, found a field of number 15",
            "MESH-1009 /customer: expected only fields of shop.v1.Customer, found a field of number 7",
        ]
    );
}

#[test]
fn required_fields_text_and_closed_enumerations_of_proto2_are_checked() {
    let events = ProtobufEvents::compile(OLD, "Event").expect("a schema");
    let good = [
        0, 0x0a, 1, b'x', 0x10, 1, 0x18, 5, 0x22, 2, 1, 5, 0xa2, 6, 1, b'n',
    ];
    assert_eq!(events.check(None, &good), Ok(()));
    assert_eq!(
        texts(events.check(None, &[0, 0x18, 7, 0x22, 2, 1, 2, 0x2a, 0])),
        [
            "MESH-1008 /colour: expected a value of old.Colour, found 7",
            "MESH-1008 /many/0: expected a value of old.Colour, found 2",
            "MESH-1006 /inner/s: expected a value, found nothing",
            "MESH-1006 /id: expected a value, found nothing",
            "MESH-1006 /n: expected a value, found nothing",
        ]
    );
    assert_eq!(
        texts(events.check(None, &[0, 0x0a, 1, 0xff, 0x10, 1, 0xaa, 6, 0])),
        [
            "MESH-1003 /id: expected string, found text that is not UTF-8",
            "MESH-1009 (event): expected only fields of old.Event, found a field of number 101",
        ]
    );
    // proto3 keeps what it does not know.
    let open = ProtobufEvents::compile(SHOP, "OrderPlaced").expect("a schema");
    assert_eq!(open.check(None, &[2, 2, 0x28, 9]), Ok(()));
}

#[test]
fn hostile_events_are_bounded() {
    let text = "syntax = \"proto3\"; message M { M m = 1; repeated M many = 2; }";
    let events = ProtobufEvents::compile(text, "M").expect("a schema");
    let mut deep = Vec::new();
    for _ in 0..5_000 {
        let mut outer = vec![0x0a];
        prost::encoding::encode_varint(deep.len() as u64, &mut outer);
        outer.append(&mut deep);
        deep = outer;
    }
    deep.insert(0, 0);
    let reasons = events.check(None, &deep).expect_err("too deep");
    assert_eq!(
        reasons.last().map(|reason| reason.code),
        Some(Code::TooComplex)
    );
    assert!(events.decode_json(None, &deep).is_err());
    // A million unknown fields are told as a few.
    let many = [vec![0], [0x78, 1].repeat(1_000_000)].concat();
    let reasons = events.check(None, &many).expect_err("unknown");
    assert_eq!(reasons.len(), crate::verdict::MAX_REASONS);
    let long = [
        0, 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
    ];
    assert!(events.check(None, &long).is_err());
}

#[test]
fn fields_are_listed_with_those_within() {
    let events = ProtobufEvents::compile(SHOP, "OrderPlaced").expect("a schema");
    let fields: Vec<String> = events
        .fields()
        .into_iter()
        .map(|field| format!("{}: {}", field.path, field.kind))
        .collect();
    assert_eq!(fields[3], "lines: repeated shop.v1.OrderPlaced.Line");
    assert_eq!(fields[4], "lines[].sku: string");
    assert!(
        fields.contains(&"at: google.protobuf.Timestamp".to_owned()),
        "{fields:?}"
    );
    assert!(
        fields.contains(&"tags: map<string, int32>".to_owned()),
        "{fields:?}"
    );
    assert!(
        fields.contains(&"customer.name: string".to_owned()),
        "{fields:?}"
    );
    let own = ProtobufEvents::compile("syntax = \"proto3\"; message M { M m = 1; }", "M");
    assert_eq!(own.expect("a schema").fields().len(), 1);
}

type Judge = (ProtobufEvents, RowEncoder);

static JUDGE: LazyLock<Judge> = LazyLock::new(|| {
    let events = ProtobufEvents::compile(SHOP, "OrderPlaced").expect("a schema");
    let rows = RowEncoder::new(Encoding::Protobuf, SHOP, events.message()).expect("rows");
    (events, rows)
});

fn event() -> impl Strategy<Value = Value> {
    let line =
        ("[a-z]{0,4}", any::<u32>()).prop_map(|(sku, count)| json!({"sku": sku, "count": count}));
    let first = (
        ".{0,8}",
        any::<i64>(),
        prop::option::of(-1000i32..1000),
        prop::collection::vec(line, 0..3),
        prop::sample::select(vec!["UNKNOWN", "OPEN"]),
    );
    let second = (
        prop::collection::btree_map("[a-z]{1,3}", any::<i32>(), 0..3),
        any::<bool>(),
        prop::option::of("[a-z]{0,4}"),
        prop::collection::vec(any::<i32>(), 0..4),
    );
    (first, second).prop_map(
        |((id, cents, weight, lines, state), (tags, gift, name, deltas))| {
            let mut event = json!({"id": id, "cents": cents, "lines": lines, "state": state,
            "tags": tags, "gift": gift, "raw": "aGk=", "deltas": deltas});
            if let Some(weight) = weight {
                event["weight"] = json!(f64::from(weight) / 4.0);
            }
            if let Some(name) = name {
                event["customer"] = json!({ "name": name });
            }
            event
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_accepted_and_read_again(event in event()) {
        let (events, rows) = &*JUDGE;
        let mut body = Vec::new();
        rows.encode_json(&event, &mut body).expect("typed");
        prop_assert_eq!(events.check(None, &body), Ok(()));
        prop_assert_eq!(events.decode_json(None, &body), Ok(event));
    }

    /// Cut anywhere, a message is refused, or what is left is a whole one: then it ends where a field does.
    #[test]
    fn truncated_and_extended_events_are_refused(event in event(), cut in any::<prop::sample::Index>(), more in 1u8..) {
        let (events, rows) = &*JUDGE;
        let mut body = Vec::new();
        rows.encode_json(&event, &mut body).expect("typed");
        let starts = field_ends(&body[2..]);
        let at = 2 + cut.index(body.len() - 2);
        prop_assert_eq!(events.check(None, &body[..at]).is_ok(), starts.contains(&(at - 2)), "{:02x?} at {}", body, at);
        // One more byte is a tag without a value, or no tag.
        body.push(more);
        prop_assert!(events.check(None, &body).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(header in prop::option::of(prop::collection::vec(any::<u8>(), 0..8)), body: Vec<u8>) {
        let (events, _) = &*JUDGE;
        let checked = events.check(header.as_deref(), &body);
        prop_assert!(checked.as_ref().err().is_none_or(|reasons| !reasons.is_empty()));
        prop_assert_eq!(checked.is_ok(), events.decode_json(header.as_deref(), &body).is_ok());
    }
}

/// Where a message may be cut: read by hand, apart from what is tested.
fn field_ends(message: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    let mut rest = message;
    while !rest.is_empty() {
        let mut varint = || prost::encoding::decode_varint(&mut rest).expect("a varint");
        let form = varint() & 7;
        let length = match form {
            0 => {
                varint();
                0
            }
            1 => 8,
            2 => varint(),
            _ => 4,
        };
        rest = &rest[usize::try_from(length).expect("short")..];
        ends.push(message.len() - rest.len());
    }
    ends
}

const MANY: &str = "syntax = \"proto3\"; package m; message Outer { message Event { string a = 1; optional int64 b = 2; \
    oneof u { string c = 3; int32 d = 4; In e = 5; } repeated string f = 6; map<string, int32> g = 7; double h = 8; \
    St s = 9; oneof v { bool w = 10; } In i = 11; } message In { string x = 1; } enum St { Z = 0; ONE = 1; } }";

/// One field of `m.Outer.Event` as it is written.
fn written() -> impl Strategy<Value = Vec<u8>> {
    let text = |tag: u8| {
        "[a-c]{0,2}".prop_map(move |text| {
            let length = u8::try_from(text.len()).expect("short");
            [&[tag, length], text.as_bytes()].concat()
        })
    };
    let number = |tag: u8| (0..100_u8).prop_map(move |number| vec![tag, number]);
    let inner = |tag: u8| {
        text(10).prop_map(move |field| {
            let length = u8::try_from(field.len()).expect("short");
            [&[tag, length], field.as_slice()].concat()
        })
    };
    let entry = (text(10), number(16)).prop_map(|(key, value)| {
        let length = u8::try_from(key.len() + value.len()).expect("short");
        [&[58, length], key.as_slice(), value.as_slice()].concat()
    });
    prop_oneof![
        text(10),
        number(16),
        text(26),
        number(32),
        inner(42),
        text(50),
        entry,
        any::<f64>().prop_map(|double| [&[65][..], &double.to_le_bytes()].concat()),
        (0..2_u8).prop_map(|symbol| vec![72, symbol]),
        (0..2_u8).prop_map(|truth| vec![80, truth]),
        inner(90),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, rng_seed: RngSeed::Fixed(11), ..ProptestConfig::default() })]
    #[test]
    fn a_selection_of_fields_is_shown_as_in_the_whole(
        fields in prop::collection::vec(written(), 0..12),
        names in prop::collection::btree_set("[a-iswz]", 0..5),
    ) {
        let events = ProtobufEvents::compile(MANY, "m.Outer.Event").expect("compiles");
        let selected = events.select(Some(&names)).expect("has a smaller message");
        // The indexes of the message within the file's first.
        let body = [&[4, 0, 0][..], &fields.concat()].concat();
        let mut whole = events.decode_json(None, &body).expect("an event");
        let part = events.decode_selected(None, &body, Some(&selected)).expect("an event");
        let shares = |name: &str| ["c", "d", "e"].contains(&name) && ["c", "d", "e"].iter().any(|one| names.contains(*one));
        whole.as_object_mut().expect("an object").retain(|name, _| names.contains(name) || shares(name));
        prop_assert_eq!(whole, part);
    }
}

const SCALARS: &str = "syntax = \"proto3\"; package m; message Event { int32 a = 1; optional int64 b = 2; uint32 c = 3; \
    uint64 d = 4; sint32 e = 5; optional sint64 f = 6; fixed32 g = 7; fixed64 h = 8; sfixed32 i = 9; sfixed64 j = 10; \
    float k = 11; optional double l = 12; bool m = 13; string n = 14; St o = 15; repeated string p = 16; } \
    enum St { Z = 0; ONE = 1; BELOW = -1; }";

/// One field of `m.Event` as it is written, numbers now and then longer than their type.
fn scalar() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![
        any::<u64>(),
        0..4_u64,
        any::<u32>().prop_map(u64::from),
        Just(u64::MAX)
    ];
    let varint = (
        prop::sample::select(vec![1_u8, 2, 3, 4, 5, 6, 13, 15]),
        number,
    );
    let varint = varint.prop_map(|(field, mut number)| {
        let mut bytes = vec![field << 3];
        while number >= 0x80 {
            bytes.push(0x80 | u8::try_from(number & 0x7f).expect("seven bits"));
            number >>= 7;
        }
        bytes.push(u8::try_from(number).expect("seven bits"));
        bytes
    });
    let four = (prop::sample::select(vec![7_u8, 9, 11]), any::<[u8; 4]>());
    let eight = (prop::sample::select(vec![8_u8, 10, 12]), any::<[u8; 8]>());
    prop_oneof![
        6 => varint,
        2 => four.prop_map(|(field, bytes)| [&[field << 3 | 5][..], &bytes].concat()),
        2 => eight.prop_map(|(field, bytes)| [&[field << 3 | 1][..], &bytes].concat()),
        1 => any::<f32>().prop_map(|float| [&[93][..], &float.to_le_bytes()].concat()),
        1 => "[a-cé]{0,2}".prop_map(|text| {
            let length = u8::try_from(text.len()).expect("short");
            [&[114, length], text.as_bytes()].concat()
        }),
        1 => Just(vec![130, 1, 1, b'p']),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, rng_seed: RngSeed::Fixed(12), ..ProptestConfig::default() })]
    #[test]
    fn scalars_are_read_as_the_whole_shows_them(
        fields in prop::collection::vec(scalar(), 0..12),
        names in prop::collection::btree_set("[a-o]", 0..6),
    ) {
        let events = ProtobufEvents::compile(SCALARS, "m.Event").expect("compiles");
        let scalars = events.scalars(Some(&names)).expect("they are scalars");
        let body = [&[0][..], &fields.concat()].concat();
        let mut whole = events.decode_json(None, &body).expect("an event");
        whole.as_object_mut().expect("an object").retain(|name, _| names.contains(name));
        let leaves = events.leaves(None, &body, &scalars).map(Leaves::into_value);
        let has_form = |value: &Value| !value.is_u64() || value.is_i64();
        let is_number = |name: &str| !["k", "l"].contains(&name);
        let whole_has_form = whole.as_object().expect("an object").iter()
            .all(|(name, value)| has_form(value) && (is_number(name) || value.is_number()));
        match leaves {
            None => prop_assert!(!whole_has_form || fields.len() > 1, "{whole}"),
            Some(leaves) => prop_assert_eq!(sorted(leaves), sorted(whole)),
        }
    }
}

/// The members by name: the whole has them in the file's order, the leaves as they come.
fn sorted(value: Value) -> std::collections::BTreeMap<String, Value> {
    serde_json::from_value(value).expect("an object")
}

#[test]
fn fields_that_are_no_scalars_are_read_in_the_whole() {
    let events = ProtobufEvents::compile(MANY, "m.Outer.Event").expect("compiles");
    let are_scalars = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        events.scalars(Some(&names)).is_some()
    };
    assert!(are_scalars(&["a", "b", "h", "s", "w", "absent"]));
    for name in ["c", "d", "f", "g", "i"] {
        assert!(!are_scalars(&["a", name]), "{name}");
    }
    assert!(events.scalars(None).is_none());
    let scalars = events
        .scalars(Some(&["a".to_owned()].into()))
        .expect("a scalar");
    // Of what is not well nothing is read: a field that there is not, and a cut one.
    for body in [&[4, 0, 0, 0x7a, 0][..], &[4, 0, 0, 10, 2, b'x']] {
        assert_eq!(events.leaves(None, body, &scalars), None);
    }
}

#[test]
fn what_may_have_no_form_in_json_is_decoded_though_nobody_reads_it() {
    let names = ["n".to_owned()].into();
    for (inner, is_selected) in [
        ("google.protobuf.Timestamp at = 2;", false),
        ("repeated In in = 2;", false),
        ("map<string, In> in = 2;", false),
        ("string s = 2; M m = 3;", true),
    ] {
        let text = format!(
            "syntax = \"proto3\"; import \"google/protobuf/timestamp.proto\"; message M {{ int32 n = 1; {inner} }} \
             message In {{ google.protobuf.Timestamp at = 1; }}"
        );
        let events = ProtobufEvents::compile(&text, "M").expect("compiles");
        assert_eq!(
            events.select(Some(&names)).is_some(),
            is_selected,
            "{inner}"
        );
    }
}

#[test]
fn a_selection_is_checked_as_the_whole() {
    let events = ProtobufEvents::compile(OLD, "old.Event").expect("compiles");
    let names = ["n".to_owned()].into();
    let selected = events.select(Some(&names)).expect("has a smaller message");
    let missing = [0, 16, 5];
    let reasons = events.check(None, &missing);
    assert!(reasons.is_err());
    assert_eq!(
        events
            .decode_selected(None, &missing, Some(&selected))
            .map(drop),
        reasons
    );
    let whole = [0, 10, 1, b'x', 16, 5, 42, 3, 10, 1, b'y'];
    assert_eq!(
        events.decode_selected(None, &whole, Some(&selected)),
        Ok(json!({"n": 5}))
    );
    // Extensions stand under other names than fields.
    assert!(
        events
            .select(Some(&["[old.note]".to_owned()].into()))
            .is_none()
    );
}
