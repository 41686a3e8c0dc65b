//! The helper's own key, by which a novice's computer knows who offers help.

use core::fmt;

use ra_ticket::KeyFingerprint;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_cert::der::{Decode as _, Encode as _};
use zeroize::Zeroizing;

/// An Ed25519 key and the self-signed certificate that TLS shows it in. Wipes itself, does not print.
///
/// The certificate says nothing but the key. It is shown to a computer that proved its own key first, and only if that
/// computer asks for one.
#[derive(Clone)]
pub struct HelperIdentity {
    key: Zeroizing<Vec<u8>>,
    certificate: CertificateDer<'static>,
    fingerprint: KeyFingerprint,
}

/// Bytes that are not an Ed25519 key, or a system without random numbers.
#[derive(Debug, thiserror::Error)]
#[error("no usable Ed25519 key")]
pub struct IdentityError;

impl HelperIdentity {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, IdentityError> {
        let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(|_| IdentityError)?;
        Self::from_pkcs8(&Zeroizing::new(pair.serialize_der()))
    }

    /// The key that [`HelperIdentity::pkcs8`] gave.
    ///
    /// # Errors
    /// When the bytes are not such a key.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, IdentityError> {
        let der = PrivatePkcs8KeyDer::from(pkcs8);
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).map_err(|_| IdentityError)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "expert");
        let certificate: CertificateDer<'static> = parameters.self_signed(&pair).map_err(|_| IdentityError)?.into();
        let fingerprint = fingerprint(&certificate).ok_or(IdentityError)?;
        Ok(Self { key: Zeroizing::new(pkcs8.to_vec()), certificate, fingerprint })
    }

    /// The key as PKCS#8 DER, for a private file.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.key
    }

    /// By what a list of helpers names it.
    #[must_use]
    pub fn fingerprint(&self) -> KeyFingerprint {
        self.fingerprint
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.to_vec()))
    }
}

/// The fingerprint of the key in a certificate.
pub(crate) fn fingerprint(certificate: &[u8]) -> Option<KeyFingerprint> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let spki = certificate.tbs_certificate().subject_public_key_info().to_der().ok()?;
    Some(KeyFingerprint::of_spki(&spki))
}

impl fmt::Debug for HelperIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HelperIdentity({})", self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_kept_is_the_same_key_and_another_is_another() {
        let identity = HelperIdentity::generate().unwrap();
        let again = HelperIdentity::from_pkcs8(identity.pkcs8()).unwrap();
        assert_eq!(identity.fingerprint(), again.fingerprint());
        assert_ne!(identity.fingerprint(), HelperIdentity::generate().unwrap().fingerprint());
        assert!(HelperIdentity::from_pkcs8(b"nonsense").is_err());
    }
}
