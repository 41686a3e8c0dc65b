//! What makes mappings ours at gateways that ask for a proof of it (PCP): random bytes in the state directory.

use std::fs;
use std::io;

use zeroize::Zeroizing;

use crate::durable;
use crate::settings::Paths;

/// The secret of this state directory, made at the first call.
///
/// A run after a crash needs it to remove what the one before has mapped. Where it cannot be kept the caller takes one for this
/// run, and what is mapped with that ends with its lease.
///
/// # Errors
/// When it can be neither read nor made.
pub fn secret(paths: &Paths) -> io::Result<Zeroizing<[u8; 32]>> {
    let path = paths.state().join(FILE);
    for _ in 0..3 {
        match fs::read(&path).map(Zeroizing::new) {
            Ok(bytes) => {
                if let Ok(secret) = <[u8; 32]>::try_from(&bytes[..]) {
                    return Ok(Zeroizing::new(secret));
                }
                // Cut off, or somebody wrote into it: what was mapped with it ends with its lease.
                fs::remove_file(&path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // It is read back: of two processes that do this at once the later one's is the secret.
        durable::Pending::write(&path, FILE, &random()?[..])?.commit()?;
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// A secret for one run.
///
/// # Errors
/// When the system gives no random bytes.
pub fn random() -> io::Result<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut secret[..]).map_err(io::Error::other)?;
    Ok(secret)
}

const FILE: &str = "gateways.secret";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn r062_the_secret_stays_the_same_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().as_os_str().to_owned();
        let variable = |name: &str| matches!(name, "RA_STATE_DIR" | "RA_CONFIG_DIR").then(|| state.clone());
        let paths = Paths::resolve(variable, false).unwrap();
        let first = secret(&paths).unwrap();
        assert_eq!(secret(&paths).unwrap(), first);
        let path = directory.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, b"cut off").unwrap();
        let second = secret(&paths).unwrap();
        assert_ne!(second, first);
        assert_eq!(secret(&paths).unwrap(), second);
    }
}
