//! A view rebuilt from zero is the live one; a record that does not fold changes nothing.

use crate::fixture::Fixture;
use catalog::View;

#[test]
fn rebuilt_from_zero_equals_live() {
    let fixture = Fixture::full();
    let mut again = View::default();
    for value in &fixture.log {
        again.fold(value).expect("folds");
    }
    assert_eq!(again.state_hash(), fixture.view.state_hash());
    assert_eq!(again.mesh, fixture.view.mesh);
    assert_eq!(again.mesh.root(), fixture.view.mesh.root());
}

#[test]
fn a_bad_record_leaves_the_last_good_view() {
    let fixture = Fixture::full();
    let mut view = View::default();
    for (seq, value) in fixture.log.iter().enumerate() {
        let before = view.clone();
        let mut bad = value.clone();
        let last = bad.len() - 1;
        bad.truncate(last);
        for wrong in [&bad[..], b"", &fixture.log[(seq + 1) % fixture.log.len()]] {
            let error = view.fold(wrong).expect_err("does not fold");
            assert_eq!(error.seq(), seq as u64);
            assert_eq!(view.mesh, before.mesh);
            assert_eq!(view.history.entries().len(), seq);
        }
        view.fold(value).expect("folds");
    }
}

#[test]
fn a_fact_that_breaks_an_invariant_is_taken_back() {
    let fixture = Fixture::founded();
    let mut view = fixture.view.clone();
    let full = Fixture::full();
    // A domain whose team was never registered: well chained, and impossible.
    let domain = full
        .view
        .history
        .entries()
        .iter()
        .map(|entry| entry.fact().event);
    let domain = domain
        .into_iter()
        .find(|event| event.kind() == "mesh.domain.registered.v1")
        .expect("the examples register domains");
    let stamp = governance::command::Stamp {
        time_ms: view.mesh.last_time_ms,
        actor: "system:governor".to_owned(),
        authenticated_by: "none".to_owned(),
        proposal_id: "x#1".to_owned(),
        domain: None,
    };
    let fact = governance::log::next(&view.mesh, &stamp, domain);
    view.fold(&fact.encode()).expect_err("breaks GOV-1");
    assert_eq!(view.mesh, fixture.view.mesh);
}
