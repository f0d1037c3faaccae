//! Rules read from documents and tried on events.

use super::*;
use crate::document::odcs::Odcs;
use crate::leaf::{Leaf, Leaves};
use crate::verdict::Code;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HEAD: &str = "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\nservers: [{server: d, type: kafka}]\n";

fn rules_of(object: &str) -> Result<Vec<QualityRule>, Vec<String>> {
    let text = format!("{HEAD}schema:\n{object}");
    let odcs: Odcs = crate::document::from_yaml(&text).expect("parses");
    crate::spec::derive(&odcs, &BTreeMap::new()).map(|spec| spec.rules)
}

/// The rules of a schema object of the fields `n`, `code` and `tags`, with `quality` over the whole.
fn over_events(quality: &str) -> Vec<QualityRule> {
    let object = format!(
        "- name: e\n  properties:\n  - {{name: n, logicalType: integer}}\n  - {{name: code, logicalType: string}}\n  quality:\n{quality}"
    );
    rules_of(&object).expect("reads")
}

fn over_code(quality: &str) -> Vec<QualityRule> {
    let object = format!(
        "- name: e\n  properties:\n  - name: code\n    logicalType: string\n    quality:\n{quality}"
    );
    rules_of(&object).expect("reads")
}

fn findings(rules: &[QualityRule], event: &Value) -> Findings {
    let compiled = EventRules::compile(rules).expect("compiles");
    compiled.check(
        event,
        Some(b"k1"),
        &[("trace", Some(b"t"))],
        &Mask::default(),
    )
}

fn cel(condition: &str) -> Vec<QualityRule> {
    vec![QualityRule {
        name: "r".to_owned(),
        path: String::new(),
        mode: Mode::Enforce,
        description: String::new(),
        check: Check::Cel {
            condition: condition.to_owned(),
            guard: None,
            field: None,
        },
    }]
}

/// The code and the found text of the one reason, or an empty pair.
fn outcome(condition: &str, event: &Value) -> (Option<Code>, String) {
    let mut reasons = findings(&cel(condition), event).enforced.into_iter();
    let first = reasons.next();
    assert_eq!(reasons.next(), None);
    first.map_or((None, String::new()), |reason| {
        (Some(reason.code), reason.found)
    })
}

#[test]
fn conditions_accept_refuse_and_fail() {
    let event = json!({
        "n": -500, "big": 18_446_744_073_709_551_615_u64, "x": 1.5, "code": "UA", "none": null, "ok": true,
        "at": "2026-01-02T03:04:05Z", "list": [1, 2], "inner": {"city": "Bern"}, "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "mail": "a.b@example.org",
    });
    for holds in [
        "event.n < 0",
        "message.n == -500",
        "event.x > 1 && event.x < 2.0",
        "event.big > 9",
        "event.code.matches('^[A-Z]{2}$')",
        "matches(event.code, 'U')",
        "event.code in ['UA', 'DL']",
        "event.none == null",
        "has(event.none) && !has(event.absent)",
        "!('absent' in event)",
        "timestamp(event.at) < timestamp('2027-01-01T00:00:00Z')",
        "event.list == [1, 2] && event.list.all(x, x > 0)",
        "event.inner.city.startsWith('B') && event.inner == {'city': 'Bern'}",
        "{'city': 'Bern'} == event.inner && event.inner != {'city': 'Bonn'} && event.inner == message.inner",
        "event.inner.map(k, k) == ['city'] && event.inner.all(k, k in event.inner)",
        "event['code'] == 'UA'",
        "event.id.isUuid() && event.mail.isEmail() && !event.code.isIpv4()",
        "key == 'k1' && headers.trace == 't' && !has(headers.other)",
        "size(event.code) == 2 && event.code.size() == 2",
        "event.ok ? event.n < 0 : event.n > 0",
        "event.n < 0 || event.absent > 0",
        "event.absent > 0 || event.n < 0",
        "[1].all(event, event == 1)",
        "event.list.exists(x, event.list.exists(y, x != y))",
    ] {
        assert_eq!(outcome(holds, &event), (None, String::new()), "{holds}");
    }
    for (broken, found) in [
        ("event.n >= -120", "n = -500"),
        (
            "event.code == 'DL' || event.n == 1",
            "code = \"UA\", n = -500",
        ),
        ("has(event.absent)", "absent absent"),
        ("false", "false"),
    ] {
        let expected = (Some(Code::RuleBroken), found.to_owned());
        assert_eq!(outcome(broken, &event), expected, "{broken}");
    }
    for (failing, found) in [
        (
            "event.absent > 0",
            "there is no `absent`; ask with has() before it is read",
        ),
        ("event.code > 1", "`_>_` does not take (string, int)"),
        ("event.n / 0 == 1", "a division by zero"),
        (
            "9223372036854775807 + event.list[0] > 0",
            "a number too large for its type",
        ),
        ("event.list[7] > 0", "an index beyond the end of a list"),
        ("event.n", "it gives a int, not true or false"),
        ("value > 0", "there is no `value`"),
        ("int(event.code) > 0", "`int` does not take this value"),
    ] {
        let expected = (Some(Code::RuleFailed), found.to_owned());
        assert_eq!(outcome(failing, &event), expected, "{failing}");
    }
}

#[test]
fn what_cannot_be_run_is_refused_when_it_is_read() {
    let deep = format!("event{}", ".a".repeat(300));
    let long = format!("event.n in [{}]", "1,".repeat(2100));
    let large = format!("event.n in [{}1]", "1,".repeat(1500));
    for (condition, problem) in [
        ("event.n >", "is no CEL expression"),
        ("evnt.n > 1", "there is no variable `evnt`; known are event"),
        ("event.n.foo() > 1", "there is no function `foo`"),
        ("event.code.matches(event.n)", "must be a literal text"),
        ("event.code.matches('(')", "is not a regular expression"),
        ("Event{n: 1} == event", "builds a message `Event`"),
        (
            "event.l.all(x, event.l.all(y, event.l.all(z, x == y + z)))",
            "nests more than 2 of all",
        ),
        (deep.as_str(), "nests more than"),
        (long.as_str(), "at most 4096"),
        (large.as_str(), "more than 1000 parts"),
    ] {
        let error = EventRules::compile(&cel(condition)).expect_err("cannot be run");
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[test]
fn a_condition_that_would_take_too_long_is_not_begun() {
    let rule = cel("event.l.all(x, event.l.all(y, x <= y || y <= x))");
    let list = |size: i64| json!({"l": (0..size).collect::<Vec<_>>()});
    assert_eq!(findings(&rule, &list(100)), Findings::default());
    let reasons = findings(&rule, &list(10_000)).enforced;
    assert_eq!(reasons[0].code, Code::RuleFailed);
    assert!(
        reasons[0].found.starts_with("it could take "),
        "{reasons:?}"
    );
}

#[test]
fn metrics_of_the_library_judge_an_event_where_none_may_break_them() {
    let null = over_code("    - {metric: nullValues, mustBe: 0}");
    assert_eq!(findings(&null, &json!({"code": "x"})), Findings::default());
    for event in [json!({}), json!({"code": null})] {
        let reasons = findings(&null, &event).enforced;
        assert_eq!(reasons[0].code, Code::RuleBroken);
        assert_eq!(reasons[0].path, "/code");
        assert_eq!(reasons[0].rule.as_deref(), Some("nullValues of code"));
    }
    let valid = over_code(
        "    - {metric: invalidValues, mustBeLessThan: 1, arguments: {validValues: [UA, DL], pattern: '^[A-Z]+$'}}",
    );
    assert_eq!(
        findings(&valid, &json!({"code": "UA"})),
        Findings::default()
    );
    assert_eq!(
        findings(&valid, &json!({"code": null})),
        Findings::default()
    );
    assert_eq!(findings(&valid, &json!({"code": "QQ"})).enforced.len(), 1);
    let missing = over_code(
        "    - {metric: missingValues, mustBeLessOrEqualTo: 0, arguments: {missingValues: [null, '', N/A]}}",
    );
    for (value, broken) in [
        (json!("N/A"), 1),
        (json!(""), 1),
        (json!(null), 1),
        (json!("x"), 0),
    ] {
        assert_eq!(
            findings(&missing, &json!({"code": value})).enforced.len(),
            broken
        );
    }
}

#[test]
fn rules_over_many_events_are_kept_and_refuse_nothing() {
    let rules = over_events(
        "  - {metric: rowCount, mustBeGreaterThan: 10}\n  - {metric: duplicateValues, unit: percent, mustBeLessThan: 1, arguments: {properties: [n, code]}}\n",
    );
    let demands: Vec<String> = rules.iter().map(QualityRule::demand).collect();
    assert_eq!(
        demands,
        [
            "rowCount > 10",
            "duplicateValues < 1 %, of: \"n\", \"code\""
        ]
    );
    assert!(rules.iter().all(|rule| rule.scope() == Scope::Window));
    assert!(EventRules::compile(&rules).expect("compiles").is_empty());
    for share in [
        "    - {metric: nullValues, unit: percent, mustBeLessThan: 5}",
        "    - {metric: nullValues, mustBeBetween: [0, 3]}",
        "    - {metric: nullValues, mustNotBe: 4}",
        "    - {metric: nullValues, mustBeGreaterOrEqualTo: 0}",
    ] {
        assert_eq!(over_code(share)[0].scope(), Scope::Window, "{share}");
    }
}

#[test]
fn every_operator_admits_what_it_says() {
    for (operator, admitted) in [
        ("mustBe: 2", [false, false, true, false]),
        ("mustNotBe: 2", [true, true, false, true]),
        ("mustBeGreaterThan: 1", [false, false, true, true]),
        ("mustBeGreaterOrEqualTo: 1", [false, true, true, true]),
        ("mustBeLessThan: 2", [true, true, false, false]),
        ("mustBeLessOrEqualTo: 2", [true, true, true, false]),
        ("mustBeBetween: [1, 2]", [false, true, true, false]),
        ("mustNotBeBetween: [1, 2]", [true, false, false, true]),
    ] {
        let rules = over_events(&format!("  - {{metric: rowCount, {operator}}}\n"));
        let Check::Library(library) = &rules[0].check else {
            unreachable!("a metric was read");
        };
        let admits = [0.0, 1.0, 2.0, 3.0].map(|count| library.operator.admits(count));
        assert_eq!(admits, admitted, "{operator}");
    }
}

#[test]
fn mistakes_in_rules_say_what_would_be_right() {
    for (quality, problem) in [
        (
            "  - {metric: rowCounts, mustBe: 1}\n",
            "`metric` is `rowCounts`; expected nullValues",
        ),
        (
            "  - {metric: rowCount}\n",
            "has no operator; expected one of mustBe",
        ),
        (
            "  - {metric: rowCount, mustBe: 1, mustNotBe: 2}\n",
            "more than one operator",
        ),
        (
            "  - {metric: rowCount, mustBe: many}\n",
            "expected a number",
        ),
        (
            "  - {metric: rowCount, mustBeBetween: [3, 1]}\n",
            "the smaller one first",
        ),
        (
            "  - {metric: nullValues, mustBe: 0}\n",
            "put the rule under that property",
        ),
        (
            "  - {metric: rowCount, unit: share, mustBe: 1}\n",
            "expected rows or percent",
        ),
        ("  - {type: library}\n", "has no `metric`"),
        ("  - {type: magic}\n", "`type` is `magic`"),
        (
            "  - {type: custom, engine: cel, implementation: 'true'}\n",
            "needs a `name`",
        ),
        (
            "  - {name: a, type: custom, engine: cel, implementation: {a: 1}}\n",
            "must be a text",
        ),
        (
            "  - {name: a, type: custom, engine: cel, implementation: evnt.n > 1}\n",
            "no variable `evnt`",
        ),
        (
            "  - {name: a, type: custom, engine: cel, implementation: 'true', customProperties: [{property: meshlog.mode, value: off}]}\n",
            "expected enforce or shadow",
        ),
        (
            "  - {name: a, metric: rowCount, mustBe: 1}\n  - {name: a, metric: rowCount, mustBe: 2}\n",
            "two quality rules are called `a`",
        ),
    ] {
        let object = format!(
            "- name: e\n  properties:\n  - {{name: n, logicalType: integer}}\n  quality:\n{quality}"
        );
        let errors = rules_of(&object).expect_err("wrong").join("; ");
        assert!(errors.contains(problem), "{quality}: {errors}");
    }
}

#[test]
fn rules_of_others_and_prose_are_left_alone() {
    let rules = over_events(
        "  - {type: sql, query: select 1, mustBe: 1}\n  - {type: custom, engine: soda, implementation: x}\n  - {type: text, description: be good}\n  - {description: be better}\n",
    );
    assert_eq!(rules, []);
}

#[test]
fn a_rule_in_shadow_says_what_it_would_refuse() {
    let shadow = "  - {name: s, type: custom, engine: cel, implementation: event.n > 0, customProperties: [{property: meshlog.mode, value: shadow}]}\n";
    let warning = "  - {name: s, type: custom, engine: cel, severity: warning, implementation: event.n > 0}\n";
    for quality in [shadow, warning] {
        let found = findings(&over_events(quality), &json!({"n": -1}));
        assert_eq!(found.enforced, []);
        assert_eq!(found.shadowed[0].rule.as_deref(), Some("s"));
    }
}

const RULE_SET: &str = "customProperties:\n- property: meshlog.ruleSet\n  value:\n    domainRules:\n    - {name: positive, kind: CONDITION, type: CEL, mode: WRITE, expr: message.n > 0, onFailure: DLQ}\n    - {name: mails, kind: CONDITION, type: CEL_FIELD, mode: WRITEREAD, tags: [PII], expr: \"typeName == 'STRING' ; value.isEmail()\", onFailure: 'NONE,NONE'}\n    - {name: read, kind: CONDITION, type: CEL, mode: READ, expr: 'false'}\n    - {name: off, kind: CONDITION, type: CEL, mode: WRITE, expr: 'false', disabled: true}\n    - {name: change, kind: TRANSFORM, type: CEL, mode: WRITE, expr: message}\n";

#[test]
fn confluents_conditions_are_run_for_every_client() {
    let object = format!(
        "- name: e\n  properties:\n  - {{name: n, logicalType: integer, tags: [PII]}}\n  - {{name: mail, logicalType: string, tags: [PII]}}\n  - {{name: free, logicalType: string}}\n{RULE_SET}"
    );
    let rules = rules_of(&object).expect("reads");
    let named: Vec<(&str, &str)> = rules
        .iter()
        .map(|rule| (rule.name.as_str(), rule.path.as_str()))
        .collect();
    assert_eq!(named, [("positive", ""), ("mails", "n"), ("mails", "mail")]);
    let found = findings(&rules, &json!({"n": -1, "mail": "nobody", "free": "x"}));
    assert_eq!(found.enforced[0].rule.as_deref(), Some("positive"));
    let shadowed: Vec<&str> = found
        .shadowed
        .iter()
        .map(|reason| reason.path.as_str())
        .collect();
    assert_eq!(shadowed, ["/mail"], "the guard leaves numbers out");
    let untagged = object.replace("tags: [PII]}", "tags: [X]}");
    let errors = rules_of(&untagged)
        .expect_err("nothing to judge")
        .join("; ");
    assert!(
        errors.contains("rule `mails`: a CEL_FIELD rule for tags [PII] is about no field"),
        "{errors}"
    );
}

#[test]
fn classified_values_stand_in_no_reason() {
    let secret = "4111-1111";
    let event = json!({"card": secret, "n": 1});
    let mask = Mask::new(&["card".to_owned()], &[]);
    let compiled = EventRules::compile(
        &[
            cel("event.card == 'x' && event.n == 2"),
            vec![QualityRule {
                path: "card".to_owned(),
                ..cel("value == 'x'").remove(0)
            }],
            cel("event.card > 1"),
        ]
        .concat(),
    )
    .expect("compiles");
    let mut reasons = compiled.check(&event, None, &[], &mask).enforced;
    mask.apply(&mut reasons);
    assert_eq!(reasons.len(), 3);
    let text = serde_json::to_string(&reasons).expect("JSON");
    assert!(!text.contains(secret), "{text}");
    assert!(text.contains("card = (masked"), "{text}");
}

#[test]
fn stored_rules_read_back() {
    let rules = over_events(
        "  - {metric: rowCount, mustBeBetween: [1, 2.5]}\n  - {name: a, type: custom, engine: cel, implementation: event.n > 0}\n",
    );
    let text = serde_json::to_string(&rules).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Vec<QualityRule>>(&text).expect("reads"),
        rules
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn leaves(event: &Value) -> Option<Leaves<'_>> {
    let members = event.as_object()?;
    let mut leaves = Leaves::with_capacity(members.len());
    for (name, value) in members {
        leaves.add(name, Leaf::of(value.clone())?);
    }
    Some(leaves)
}

/// Rules of every kind that scalars can decide, and some that they cannot.
fn rules_of_all_kinds() -> Vec<QualityRule> {
    let mut rules = Vec::new();
    for condition in [
        "event.a > 1",
        "event.a == event.b || event.c != null",
        "has(event.a) && event.a < 1.5",
        "event.c in ['x', 'y']",
        "event.c.matches('^[a-z]*$')",
        "size(event.c) < 3",
        "event.a + 1 > 0",
    ] {
        rules.extend(cel(condition));
    }
    let mut guarded = cel("event.b >= 0");
    if let Check::Cel { guard, .. } = &mut guarded[0].check {
        *guard = Some("event.a == 1".to_owned());
    }
    let mut field = cel("value != 'x' && value != 1");
    field[0].path = "c".to_owned();
    let mut nested = field.clone();
    nested[0].path = "c.d".to_owned();
    rules.extend([guarded, field, nested].concat());
    let library = |metric, values: Value, pattern: Option<&str>| QualityRule {
        name: "l".to_owned(),
        path: "a".to_owned(),
        mode: Mode::Enforce,
        description: String::new(),
        check: Check::Library(Library {
            metric,
            operator: Operator::MustBe(0.into()),
            unit: Unit::Rows,
            values: values.as_array().cloned().expect("a list"),
            pattern: pattern.map(str::to_owned),
        }),
    };
    rules.extend([
        library(Metric::NullValues, json!([]), None),
        library(Metric::MissingValues, json!([null, "", 0, 1.0]), None),
        library(Metric::InvalidValues, json!([1, "x", 1.5]), None),
        library(Metric::InvalidValues, json!([]), Some("^[x1]")),
    ]);
    rules
}

fn small_event() -> impl Strategy<Value = Value> {
    let value = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(-3),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("xyz"),
        json!("9"),
        json!({"d": 1}),
    ]);
    let members = prop::collection::vec(prop::option::weighted(0.8, value), 3);
    members.prop_map(|members| {
        let named = ["a", "b", "c"].into_iter().zip(members);
        let some = named.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(some.collect())
    })
}

/// What one event decides without a tree, and how often.
#[test]
fn common_rules_are_decided_by_scalars() {
    let event = json!({"a": 1, "b": 2.5, "c": "x", "none": null});
    let leaves = leaves(&event).expect("scalars");
    let mut rules = cel("event.a < event.b && event.none == null");
    rules.extend(over_code(
        "    - {metric: nullValues, mustBe: 0}\n    - {metric: invalidValues, mustBe: 0, arguments: {pattern: '^x$'}}\n",
    ));
    for rule in &mut rules[1..] {
        rule.path = "c".to_owned();
    }
    let compiled = EventRules::compile(&rules).expect("compiles");
    assert!(compiled.is_direct() && compiled.hold(&leaves));
    let all = EventRules::compile(&rules_of_all_kinds()).expect("compiles");
    assert!(!all.is_direct());
}

#[test]
fn scalars_decide_no_rule_that_would_cost_too_much() {
    let dear = "event.c != '".to_owned() + &"x".repeat(40) + "'";
    let rules = cel(&vec![dear; 60].join(" && "));
    let compiled = EventRules::compile(&rules).expect("compiles");
    let short = json!({"c": "y"});
    assert!(compiled.hold(&leaves(&short).expect("scalars")));
    let long = json!({"c": "y".repeat(1 << 20)});
    assert!(!compiled.hold(&leaves(&long).expect("scalars")));
    assert_eq!(findings(&rules, &long).enforced[0].code, Code::RuleFailed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    /// Where an event's scalars say that it is fine, the rules find nothing.
    #[test]
    fn what_holds_by_scalars_holds(event in small_event()) {
        if let Some(leaves) = leaves(&event) {
            for rule in rules_of_all_kinds() {
                let rules = [rule];
                let compiled = EventRules::compile(&rules).expect("compiles");
                if compiled.hold(&leaves) {
                    let found = findings(&rules, &event);
                    prop_assert_eq!(found, Findings::default(), "{:?}", rules);
                    prop_assert!(compiled.is_direct());
                }
            }
        }
    }
}

proptest! {
    /// Whatever an event holds, a rule accepts, refuses or says why it cannot: it never panics.
    #[test]
    fn rules_answer_on_any_event(event in any_json()) {
        for condition in [
            "event.a > 1", "event.a == event.b", "event.a.all(x, x.c > 0)", "event.a.b.c in event.b",
            "event.a.matches('a+b')", "size(event.a) + size(event.b) > 1", "timestamp(event.a) > timestamp(event.b)",
            "int(event.a) * int(event.b) - int(event.c) != 0", "event.a.map(x, x + event.b).size() > 0",
            "duration(event.a) > duration('1s')", "string(event.a) + event.b == ''", "double(event.a) / event.b < 1.0",
        ] {
            let reasons = findings(&cel(condition), &event).enforced;
            prop_assert!(reasons.len() <= 1);
        }
    }
}
