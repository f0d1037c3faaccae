//! A few subjects of the state, to be looked at for long while the state goes on.
//!
//! Reading and comparing schemas may take seconds, and whoever looks at the state itself holds up all that is folded
//! meanwhile. An excerpt shares the versions, so that making one costs next to nothing.

use super::{State, set};
use crate::{name, record::Reference, settings};

/// What a version of a subject, or a schema that may become one, refers to.
type Open<'s> = (String, &'s [Reference]);

impl State {
    /// Some subjects with all their versions, with what these refer to and `references`, as each of the subjects names
    /// them, and with what is set for the subjects. Of all this the excerpt says what the state says; it knows neither
    /// ids nor any other subject.
    pub fn excerpt(&self, subjects: &[String], references: &[Reference]) -> State {
        let mut excerpt = State::default();
        let mut open = Vec::new();
        for subject in subjects {
            excerpt.take_settings(self, subject);
            excerpt.share_subject(self, subject);
            open.push((subject.clone(), references));
            let versions = self.versions(subject, super::Deleted::Shown);
            open.extend(versions.map(|(_, v)| (subject.clone(), v.content.references.as_slice())));
        }
        excerpt.take_referenced(self, open);
        excerpt
    }

    fn take_settings(&mut self, whole: &State, subject: &str) {
        let scopes = settings::scopes(subject).chain([None]);
        for scope in scopes.map(|scope| scope.map(std::borrow::Cow::into_owned)) {
            let config = whole.config(scope.as_deref()).cloned();
            let mode = whole.mode(scope.as_deref()).map(str::to_owned);
            set(&mut self.configs, scope.clone(), config);
            set(&mut self.modes, scope, mode);
        }
    }

    fn share_subject(&mut self, whole: &State, subject: &str) {
        let context = name::context_of(subject);
        if context != name::DEFAULT && whole.made.contains(context) {
            self.made.insert(context.to_owned());
        }
        let held = whole.contexts.get(context);
        if let Some(versions) = held.and_then(|held| held.versions(subject)) {
            self.context_mut(context).share(subject, versions);
        }
    }

    fn take_referenced<'s>(&mut self, whole: &'s State, mut open: Vec<Open<'s>>) {
        while let Some((subject, references)) = open.pop() {
            for reference in references {
                let holder = name::beside(&subject, &reference.subject);
                let Some((number, version)) = whole.referenced(&holder, reference.version) else {
                    continue;
                };
                if self.version(&holder, number).is_some() {
                    continue;
                }
                let context = self.context_mut(name::context_of(&holder));
                context.place(&holder, number, version.clone());
                open.push((holder, &version.content.references));
            }
        }
    }
}

#[cfg(test)]
mod tests;
