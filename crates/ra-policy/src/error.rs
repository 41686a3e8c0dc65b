//! Why a policy text cannot be used.

use core::ops::Range;

/// Why a policy text cannot be used, and where in it.
///
/// Whoever reads the file turns this into [`Policy::no_help`](crate::Policy::no_help): a policy that was meant but
/// cannot be understood must not be treated as absent (P10).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The text is longer than [`MAX_POLICY_BYTES`](crate::MAX_POLICY_BYTES).
    #[error("the policy is larger than {} KiB", crate::MAX_POLICY_BYTES / 1024)]
    TooLarge,
    /// Not TOML, a key that is not known, or a value of the wrong type.
    #[error("{message}")]
    Text {
        /// One sentence.
        message: String,
        /// Byte range in the text.
        span: Option<Range<usize>>,
    },
}

impl PolicyError {
    /// Byte range in the text that the error is about, for a source label.
    #[must_use]
    pub fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::TooLarge => None,
            Self::Text { span, .. } => span.clone(),
        }
    }
}
