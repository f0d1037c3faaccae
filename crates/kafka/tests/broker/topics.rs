//! Topics exactly as they must be, and where they end.

use kafka::{Admin, AdminError, TopicOutcome};

use crate::support::{cluster, spec, stranger, topic, transaction, unique};

#[tokio::test]
async fn a_topic_that_is_not_as_it_must_be_is_refused() {
    let admin = Admin::new(&cluster()).expect("an administrator");
    let name = unique("governance");
    let wanted = spec(
        &name,
        &[("cleanup.policy", "delete"), ("retention.ms", "-1")],
    );
    let outcomes = admin
        .ensure_topics(std::slice::from_ref(&wanted))
        .await
        .expect("created");
    assert_eq!(outcomes, [TopicOutcome::Created]);
    let outcomes = admin
        .ensure_topics(std::slice::from_ref(&wanted))
        .await
        .expect("as it must be");
    assert_eq!(outcomes, [TopicOutcome::Existed]);

    let other = unique("never-made");
    let mut wrong = wanted.clone();
    wrong
        .configs
        .insert("cleanup.policy".into(), "compact".into());
    let error = admin
        .ensure_topics(&[spec(&other, &[]), wrong])
        .await
        .expect_err("another policy");
    let expected = format!("topic {name} has cleanup.policy=delete, expected compact");
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!(
        admin.describe_topic(&other).await.expect("answers"),
        None,
        "nothing was created"
    );

    let mut wrong = wanted;
    wrong.partitions = 2;
    let error = admin
        .ensure_topics(&[wrong])
        .await
        .expect_err("another number of partitions");
    assert!(matches!(error, AdminError::TopicMismatch { .. }), "{error}");
}

#[tokio::test]
async fn ends_are_those_of_committed_reading() {
    let admin = Admin::new(&cluster()).expect("an administrator");
    let name = topic("ends").await;
    let producer = stranger(&unique("tx"));
    transaction(&producer, &name, &["a", "b"], true);
    let ends = admin.end_offsets(&name).await.expect("ends");
    assert_eq!(
        (ends[0].low, ends[0].end),
        (0, 3),
        "two records and a marker"
    );
    let missing = admin
        .end_offsets("no-such-topic")
        .await
        .expect_err("there is none");
    assert!(matches!(missing, AdminError::NoTopic { .. }), "{missing}");
    assert!(
        admin
            .committed("nobody", &name)
            .await
            .expect("answers")
            .is_empty()
    );
}
