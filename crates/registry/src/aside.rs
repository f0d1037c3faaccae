//! Work that may take seconds, away from the threads that answer requests: reading and comparing schemas.
//!
//! It looks at an excerpt of the state ([`crate::state::State::excerpt`]), so that reads go on beside it, and so does the
//! view.

use crate::{defect, refusal::Refusal};
use std::sync::Arc;
use tokio::{sync::Semaphore, task};

/// Most pieces of work at a time. More than most machines have cores, so that a short one need not wait for a long one
/// to end; few enough for the memory that the largest take, some 100 MB each.
const AT_ONCE: usize = 8;

/// Places at which such work is done. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Aside {
    places: Arc<Semaphore>,
}

impl Aside {
    /// All places are free.
    pub(crate) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Have work done once a place is free. Work that was begun is done to its end and keeps its place until then, also
    /// when whoever asked has gone.
    ///
    /// # Errors
    /// What the work says; 50001 when it panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = self.places.clone().acquire_owned().await;
        let place = place.expect("nobody closes it");
        let done = task::spawn_blocking(move || {
            let answer = work();
            drop(place);
            answer
        });
        done.await
            .unwrap_or_else(|ended| match ended.try_into_panic() {
                Ok(panic) => Err(defect::refuse("work on schemas", &*panic)),
                Err(_cancelled) => Err(Refusal::store("The registry is stopping")),
            })
    }

    /// Take every place, so that no work begins until they are given back.
    #[cfg(test)]
    pub(crate) async fn occupy(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(AT_ONCE).expect("few");
        let places = self.places.clone().acquire_many_owned(all).await;
        places.expect("nobody closes it")
    }
}
