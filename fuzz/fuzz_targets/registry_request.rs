//! What stands on the topics of requests and replies: read, written again, decided one after the other.

#![no_main]

use registry::{
    decide::decide,
    request::{Reply, Request},
    state::State,
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut state = State::default();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(reply) = Reply::decode(line) {
            assert_eq!(Reply::decode(&reply.encode()).ok(), Some(reply));
        }
        let Ok(request) = Request::decode(line) else {
            continue;
        };
        assert_eq!(
            Request::decode(&request.encode()).ok(),
            Some(request.clone())
        );
        let Ok(decision) = decide(&state, &request.command) else {
            continue;
        };
        for write in decision.writes {
            state
                .fold(&write.key, write.value.as_deref(), None)
                .expect("what was decided folds");
        }
    }
});
