//! Consent has no constructor, no default, no copy.
use ra_session::{Consent, ConsentToControl, ConsentToView, QuestionId};

fn forge() -> ConsentToControl {
    ConsentToControl(())
}

fn default() -> ConsentToView {
    ConsentToView::default()
}

fn twice(consent: &ConsentToControl) -> ConsentToControl {
    consent.clone()
}

fn invent_a_question() -> ra_session::Question<ConsentToControl> {
    ra_session::Question::new(QuestionId(0))
}

fn mint() -> ConsentToControl {
    ConsentToControl::mint(ra_session::consent::sealed::Mint)
}

fn main() {}
