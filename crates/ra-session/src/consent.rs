//! Consent is a value: it comes out of a question that was put to the novice, and from nowhere else.

use core::fmt;
use core::marker::PhantomData;

/// The novice agreed that this expert sees the desktop. Not `Clone`, not `Default`, no public constructor.
#[derive(Debug)]
pub struct ConsentToView(());

/// The novice agreed that this expert uses mouse and keyboard.
#[derive(Debug)]
pub struct ConsentToControl(());

/// One question on its way to the novice. The session makes it, the prompt consumes it.
///
/// Whoever holds a question plays the novice, so an engine hands it to the prompt and to nobody else. Dropping it
/// answers nothing; the session's own deadline then counts as no answer (R36).
#[must_use = "a question that is not put to the novice is never answered"]
pub struct Question<C> {
    id: QuestionId,
    asks_for: PhantomData<fn() -> C>,
}

/// The answer to one question, which only that question could become.
pub struct Answer<C> {
    question: QuestionId,
    verdict: Verdict<C>,
}

/// Tells one question from the next, also across the sessions of one seat, so that a late answer cannot settle a newer
/// question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuestionId(u64);

/// What a [`Question`] can ask for: [`ConsentToView`] or [`ConsentToControl`].
pub trait Consent: sealed::Sealed {
    #[doc(hidden)]
    fn mint(_: sealed::Mint) -> Self;
}

impl<C: Consent> Question<C> {
    /// The novice said yes: mints the consent.
    pub fn yes(self) -> Answer<C> {
        Answer { question: self.id, verdict: Verdict::Yes(C::mint(sealed::Mint)) }
    }

    /// The novice said no, closed the window, hung up, or typed anything that is not a yes.
    pub fn no(self) -> Answer<C> {
        Answer { question: self.id, verdict: Verdict::No }
    }

    /// Which question this is.
    #[must_use]
    pub fn id(&self) -> QuestionId {
        self.id
    }

    pub(crate) fn new(id: QuestionId) -> Self {
        Self { id, asks_for: PhantomData }
    }
}

impl<C> Answer<C> {
    /// The question that was answered.
    #[must_use]
    pub fn question(&self) -> QuestionId {
        self.question
    }

    /// The consent, if the answer was yes.
    #[must_use]
    pub fn consent(self) -> Option<C> {
        match self.verdict {
            Verdict::Yes(consent) => Some(consent),
            Verdict::No => None,
        }
    }
}

impl<C> fmt::Debug for Question<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({})", self.id.0)
    }
}

impl<C> fmt::Debug for Answer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Yes(_) => "yes",
            Verdict::No => "no",
        };
        write!(f, "Answer({}, {verdict})", self.question.0)
    }
}

impl QuestionId {
    /// Before the first.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

enum Verdict<C> {
    Yes(C),
    No,
}

impl Consent for ConsentToView {
    fn mint(_: sealed::Mint) -> Self {
        Self(())
    }
}

impl Consent for ConsentToControl {
    fn mint(_: sealed::Mint) -> Self {
        Self(())
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ConsentToView {}
    impl Sealed for super::ConsentToControl {}

    /// Proof that the caller is [`super::Question`]: nobody outside this file can name it.
    #[allow(missing_debug_implementations, unnameable_types, reason = "it must not be nameable")]
    pub struct Mint;
}
