//! The pin: what the invitation says about the novice's key, and the judgement over a certificate that somebody shows.
//!
//! A session id and the proof of a password are worth something to whoever gets them, so the key is judged first:
//! while TLS is still shaking hands, before a byte of RDP has been said. Source: lifecycle R41, invitation-file 6.4.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ra_ticket::{KeyFingerprint, PinVerdict, Pins, PublicKeyBlob};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::asn1::UintRef;
use x509_cert::der::{Decode, Reader, SliceReader};

use crate::identity::fingerprint;

/// Compares the certificate that somebody shows with what the ticket says about the novice's key.
///
/// `CE` is compared byte for byte; without it `KH2`, else `KH`, with the certificate's RSA key. A key of another kind
/// cannot be the pinned one: it is wrong, and never a matter for a question.
pub(crate) fn judge(pin: &Pin, certificate: &[u8]) -> Judgement {
    match pin {
        Pin::Ticket(pins) if is_usable(pins) => match pins.compare(certificate, rsa_key(certificate).as_ref()) {
            PinVerdict::Same => Judgement::Right,
            PinVerdict::Different | PinVerdict::Unpinned => Judgement::Wrong,
        },
        Pin::Computer(Some(key)) if fingerprint(certificate) == Some(*key) => Judgement::Right,
        Pin::Computer(Some(_)) => Judgement::Wrong,
        Pin::Ticket(_) | Pin::Computer(None) => Judgement::Unknown,
    }
}

fn is_usable(pins: &Pins) -> bool {
    pins.certificate.is_some() || pins.key_hash2.is_some() || pins.key_hash.is_some()
}

/// By what the novice's computer is recognised.
#[derive(Clone, Debug)]
pub(crate) enum Pin {
    /// By what the invitation says.
    Ticket(Pins),
    /// Without an invitation: by the key that this computer had before; none at the first visit.
    Computer(Option<KeyFingerprint>),
}

impl Pin {
    /// It can tell by itself whether a key is the right one.
    pub(crate) fn tells(&self) -> bool {
        match self {
            Self::Ticket(pins) => is_usable(pins),
            Self::Computer(key) => key.is_some(),
        }
    }
}

/// What the pin says about a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Judgement {
    /// The computer that made the invitation.
    Right,
    /// Another computer.
    Wrong,
    /// The ticket cannot tell.
    Unknown,
}

/// The SHA-256 hash of a certificate, as one person reads it out to another.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The verifier that TLS asks: it judges by the pin, and still demands that the handshake is signed by that key.
///
/// The certificate's names, dates and issuer mean nothing here: it is self-signed, and the invitation is its authority.
#[derive(Debug)]
pub(crate) struct Pinned {
    pin: Pin,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Seen>>,
}

/// What a handshake showed.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) judgement: Judgement,
    pub(crate) fingerprint: Fingerprint,
    /// The key in the certificate, for a list of known computers.
    pub(crate) key: Option<KeyFingerprint>,
}

impl Pinned {
    pub(crate) fn new(pin: Pin, provider: Arc<CryptoProvider>) -> Self {
        Self { pin, provider, seen: Mutex::new(None) }
    }

    /// The judgement over the certificate of this handshake; `None` when it did not come that far.
    pub(crate) fn seen(&self) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judgement = judge(&self.pin, end_entity);
        let seen = Seen { judgement, fingerprint: Fingerprint::of(end_entity), key: fingerprint(end_entity) };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        match judgement {
            Judgement::Right | Judgement::Unknown => Ok(ServerCertVerified::assertion()),
            Judgement::Wrong => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The RSA key of a certificate, in the form that `KH` and `KH2` are hashes of; `None` for any other kind of key.
fn rsa_key(certificate: &[u8]) -> Option<PublicKeyBlob> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let key = certificate.tbs_certificate().subject_public_key_info();
    if key.algorithm.oid.to_string() != RSA_ENCRYPTION {
        return None;
    }
    // RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }. Source: RFC 8017 A.1.1.
    let mut reader = SliceReader::new(key.subject_public_key.as_bytes()?).ok()?;
    let (modulus, exponent) = reader
        .sequence(|reader| {
            let modulus = UintRef::decode(reader)?;
            let exponent = UintRef::decode(reader)?;
            Ok::<_, x509_cert::der::Error>((modulus.as_bytes(), exponent.as_bytes()))
        })
        .ok()?;
    let exponent = exponent.iter().try_fold(0_u32, |sum, &byte| sum.checked_mul(256)?.checked_add(byte.into()))?;
    Some(PublicKeyBlob::from_rsa(modulus, exponent))
}

/// rsaEncryption. Source: RFC 8017 A.1.
const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
