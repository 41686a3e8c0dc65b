//! The one RSA key of this installation, and everything that is made from it.
//!
//! The TLS certificate, `CE`, `KH` and `KH2` of every invitation come from the same key, so an expert can tell that the
//! computer which answers is the computer that wrote the invitation. The key is made once, at the first invitation,
//! and stays for good; the certificate beside it lives half a year and is renewed only while no ticket is open, since
//! every open invitation pins it byte for byte.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ra_ticket::{KeyFingerprint, KeyHash, KeyHash2, PublicKeyBlob};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256,
};
use rsa::RsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use rsa::traits::PublicKeyParts as _;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use x509_cert::der::{Decode as _, Encode as _};
use zeroize::Zeroizing;

use crate::client_key::{self, AnyKey};
use crate::durable::{self, Pending};

/// The installation's key and its certificate, read from the state directory.
pub struct Identity {
    key: Zeroizing<Vec<u8>>,
    certificate: CertificateDer<'static>,
    blob: PublicKeyBlob,
}

/// TLS as this computer speaks it.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// The expert is not asked for a key.
    pub(crate) silent: Arc<ServerConfig>,
    /// The expert is asked for one: only where policy has a use for it, since some programs puzzle their users with it.
    pub(crate) asking: Arc<ServerConfig>,
}

#[derive(Clone, Copy)]
enum ClientKey {
    NotAsked,
    Asked,
}

/// Whether a certificate near its end may be replaced now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// No ticket is open: nobody holds an invitation that names the old one.
    WhenDue,
    /// A ticket is open: its invitation names the certificate byte for byte, so it stays.
    TicketsAreOpen,
}

impl Identity {
    /// Reads the key and the certificate of the state directory `directory`, and makes what is missing.
    ///
    /// Processes that start at the same time end with the same key. A key that is there but cannot be used is an
    /// error, never replaced: a new one would turn every open invitation into that of a stranger.
    ///
    /// Blocking: the first start of an installation looks for two primes, which takes a second or so.
    ///
    /// # Errors
    /// [`IdentityError`]; `is_full` tells that no room was left on the disk.
    pub fn open(directory: &Path, computer: &str, now: SystemTime, renewal: Renewal) -> Result<Self, IdentityError> {
        let key_file = directory.join(KEY_FILE);
        let certificate_file = directory.join(CERTIFICATE_FILE);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::File { path, source }
        };

        let lock_file = directory.join(LOCK_FILE);
        let lock = durable::open_lock(&lock_file).map_err(failed(&lock_file))?;
        lock.lock().map_err(failed(&lock_file))?;
        durable::sweep(directory, STEM).map_err(failed(directory))?;

        let (key, pkcs8) = match read_private(&key_file)? {
            Some(pkcs8) => {
                let key = RsaPrivateKey::from_pkcs8_der(&pkcs8);
                let key = key.map_err(|_| IdentityError::BadKey { path: key_file.clone() })?;
                (key, pkcs8)
            }
            None => {
                let (key, pkcs8) = generate()?;
                Pending::write(&key_file, STEM, &pkcs8).and_then(Pending::commit).map_err(failed(&key_file))?;
                tracing::info!("made the key of this installation");
                (key, pkcs8)
            }
        };
        if key.size() != KEY_BITS / 8 {
            return Err(IdentityError::BadKey { path: key_file });
        }

        let public = key.to_public_key();
        let spki = public.to_public_key_der().map_err(|_| IdentityError::BadKey { path: key_file.clone() })?;
        let kept = read_private(&certificate_file)?
            .filter(|der| usable(der, spki.as_bytes(), now, renewal))
            .map(|der| CertificateDer::from(der.to_vec()));
        let certificate = match kept {
            Some(certificate) => certificate,
            None => {
                let certificate = self_signed(&pkcs8, computer, now)?;
                let written = Pending::write(&certificate_file, STEM, &certificate).and_then(Pending::commit);
                written.map_err(failed(&certificate_file))?;
                tracing::info!("made a certificate for the key of this installation");
                certificate
            }
        };

        let exponent = public.e_bytes().iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        let blob = PublicKeyBlob::from_rsa(&public.n_bytes(), exponent);
        Ok(Self { key: pkcs8, certificate, blob })
    }

    /// The certificate that the host presents, DER; what an invitation carries as `CE`.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// By what experts who offer help know this computer.
    #[must_use]
    pub fn fingerprint(&self) -> Option<KeyFingerprint> {
        client_key::fingerprint(&self.certificate)
    }

    /// SHA-1 of the public key blob: `KH`, and field 8 of a type 1 ticket.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        self.blob.key_hash()
    }

    /// SHA-256 of the public key blob: `KH2`.
    #[must_use]
    pub fn key_hash2(&self) -> KeyHash2 {
        self.blob.key_hash2()
    }

    /// What the host needs to speak TLS 1.2 and 1.3 with this identity, and how it treats keys of experts.
    ///
    /// Sessions cannot be resumed: each connection proves the key anew, and nothing outlives it.
    ///
    /// # Errors
    /// [`IdentityError::Tls`] when rustls does not take the key; it takes every key that [`Identity::open`] made.
    pub fn server_config(&self) -> Result<ServerTls, IdentityError> {
        Ok(ServerTls { silent: self.config(ClientKey::NotAsked)?, asking: self.config(ClientKey::Asked)? })
    }

    fn config(&self, client: ClientKey) -> Result<Arc<ServerConfig>, IdentityError> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.to_vec()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])?;
        let builder = match client {
            ClientKey::NotAsked => builder.with_no_client_auth(),
            ClientKey::Asked => builder.with_client_cert_verifier(Arc::new(AnyKey::new(provider))),
        };
        let mut config = builder.with_single_cert(vec![self.certificate.clone()], key)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// Why the identity of this installation could not be read or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key file holds no RSA key of 2048 bits.
    #[error("{path} does not hold a usable key; move it away and a new one is made, but open invitations stop working")]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read or change a file that must be private.
    #[error("{path} is open to others (mode {mode:o}); it must be the user's own, with mode 600")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Entropy(#[source] getrandom::Error),
    /// No key could be made.
    #[error("cannot make an RSA key")]
    Generate(#[source] rsa::Error),
    /// No certificate could be made.
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// TLS does not take the key.
    #[error("cannot use the key for TLS")]
    Tls(#[from] rustls::Error),
}

impl IdentityError {
    /// True when the disk is full; nothing that was there before has changed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::File { source, .. } if durable::is_full(source))
    }
}

/// Reads a file that only this user (or root) owns and nobody else can read; `None` when there is none.
fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, IdentityError> {
    let failed = |source| IdentityError::File { path: path.to_owned(), source };
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(no_follow).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    let own = metadata.uid() == rustix::process::geteuid().as_raw() || metadata.uid() == 0;
    if !own || metadata.mode() & 0o077 != 0 {
        return Err(IdentityError::Exposed { path: path.to_owned(), mode: metadata.mode() & 0o777 });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST_FILE as usize));
    file.take(LARGEST_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

fn generate() -> Result<(RsaPrivateKey, Zeroizing<Vec<u8>>), IdentityError> {
    // The generator below cannot report that the system has no entropy; this asks first.
    getrandom::fill(&mut [0_u8; 32]).map_err(IdentityError::Entropy)?;
    let mut random = rsa::rand_core::UnwrapErr(getrandom::SysRng);
    let key = RsaPrivateKey::new(&mut random, KEY_BITS).map_err(IdentityError::Generate)?;
    let pkcs8 = key.to_pkcs8_der().map_err(|error| IdentityError::Generate(error.into()))?;
    Ok((key, Zeroizing::new(pkcs8.as_bytes().to_vec())))
}

/// A certificate as Windows writes it (invitation-file.md 6.4), plus `digitalSignature`, without which a strict TLS
/// client refuses every cipher suite that is left today.
fn self_signed(pkcs8: &[u8], computer: &str, now: SystemTime) -> Result<CertificateDer<'static>, IdentityError> {
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_RSA_SHA256)
        .map_err(IdentityError::Certificate)?;
    // The writer knows days; certificates of the original begin at one, too.
    let midnight = |time: SystemTime| {
        let date = jiff::Timestamp::try_from(time).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name(computer));
    parameters.not_before = midnight(now.checked_sub(DAY).unwrap_or(UNIX_EPOCH));
    parameters.not_after = midnight(now + LIFE);
    parameters.is_ca = IsCa::NoCa;
    parameters.key_usages =
        vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DataEncipherment];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = parameters.self_signed(&pair).map_err(IdentityError::Certificate)?;
    Ok(certificate.into())
}

/// A computer name that fits a certificate: at most 64 characters (X.520 `ub-common-name`), never empty.
fn common_name(computer: &str) -> String {
    let name: String = computer.chars().filter(|c| !c.is_control()).take(64).collect();
    if name.is_empty() { "novice".to_owned() } else { name }
}

/// True when a stored certificate is for this key and need not, or must not, be replaced now.
fn usable(der: &[u8], spki: &[u8], now: SystemTime, renewal: Renewal) -> bool {
    let Ok(certificate) = x509_cert::Certificate::from_der(der) else { return false };
    let tbs = certificate.tbs_certificate();
    if tbs.subject_public_key_info().to_der().ok().as_deref() != Some(spki) {
        return false;
    }
    let ends = tbs.validity().not_after.to_system_time();
    renewal == Renewal::TicketsAreOpen || now + RENEW_BEFORE < ends
}

const KEY_FILE: &str = "host.key";
const CERTIFICATE_FILE: &str = "host.crt";
const LOCK_FILE: &str = "host.lock";
const STEM: &str = ".host-";
const KEY_BITS: usize = 2048;
/// A PKCS#8 key of 2048 bits has about 1200 bytes.
const LARGEST_FILE: u64 = 16 * 1024;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// About six months, as in the samples.
const LIFE: Duration = Duration::from_secs(183 * 24 * 60 * 60);
/// The longest ticket that any policy allows lives 99 days: its certificate must not end before it does.
const RENEW_BEFORE: Duration = Duration::from_secs(100 * 24 * 60 * 60);

#[cfg(test)]
mod tests;
