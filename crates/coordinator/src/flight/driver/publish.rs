//! The publications of a flight.

use solekey_core::{
    Generation, Moment, Verdict,
    flight::{Knowledge, Notice, Source},
};

use super::perform::{Performed, Performer};
use crate::{fleet::LocalPublication, process::LocalToken};

impl Performer {
    pub(super) async fn publish(&mut self, notice: Notice, knowledge: &Knowledge) -> Performed {
        let Some(publication) = self.publication_of(notice, knowledge) else { return Performed::Done };
        if self.engine.fleet.publish(&self.account, publication).await {
            self.pending_notification = None;
        }
        Performed::Done
    }

    fn publication_of(&self, notice: Notice, knowledge: &Knowledge) -> Option<LocalPublication> {
        Some(match notice {
            Notice::Token { generation, source } => {
                let token = self.payloads.token(source, generation)?;
                self.serve(Some(token), knowledge);
                self.publication(generation, Some(token), None)
            }
            Notice::Verdict(verdict) => {
                let generation = verdict.generation;
                self.publication(generation, self.payloads.token(Source::Row, generation), Some(verdict))
            }
            Notice::Gone(generation) => {
                self.engine.process.entries().remove_older(self.account.key(), generation);
                LocalPublication::gone(generation)
            }
        })
    }

    fn publication(
        &self,
        generation: Generation,
        token: Option<&LocalToken>,
        verdict: Option<Verdict<Moment>>,
    ) -> LocalPublication {
        let replaces = self.payloads.is_login(generation);
        LocalPublication { generation, token: token.cloned(), verdict, gone: false, replaces }
    }
}
