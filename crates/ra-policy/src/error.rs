//! Why a policy cannot be used.

use core::ops::Range;

/// Why a policy file cannot be used, and where in it.
///
/// Whoever reads the file turns this into [`Content::Unusable`](crate::Content::Unusable): a policy that was meant but
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
    /// The file is longer than [`registry::MAX_REGISTRY_BYTES`](crate::registry::MAX_REGISTRY_BYTES).
    #[error("the registry policy file is larger than {} MiB", crate::registry::MAX_REGISTRY_BYTES / 1024 / 1024)]
    RegistryTooLarge,
    /// Not a `Registry.pol`, or one that is damaged.
    #[error("not a registry policy file: {message} (byte {offset})")]
    Registry {
        /// What is wrong.
        message: &'static str,
        /// Where, counted in bytes from the beginning.
        offset: usize,
    },
}

impl PolicyError {
    /// Byte range in the text that the error is about, for a source label.
    #[must_use]
    pub fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::Text { span, .. } => span.clone(),
            Self::TooLarge | Self::RegistryTooLarge | Self::Registry { .. } => None,
        }
    }
}
