//! One host for each state directory.

use std::fs::File;

use super::ControlError;
use crate::durable;
use crate::settings::Paths;

/// The right to be the host of a state directory. It is taken before anything is promised to anybody, and ends when it
/// is dropped; the system lets go of it when its process dies.
#[derive(Debug)]
pub struct HostLock {
    _file: File,
}

impl HostLock {
    /// Takes it; `None` while another living process has it. The directory must exist.
    ///
    /// # Errors
    /// [`ControlError::Lock`].
    pub fn take(paths: &Paths) -> Result<Option<Self>, ControlError> {
        let file = durable::try_lock(&paths.control().with_extension("lock")).map_err(ControlError::Lock)?;
        Ok(file.map(|file| Self { _file: file }))
    }
}
