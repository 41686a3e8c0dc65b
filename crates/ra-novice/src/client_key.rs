//! The key that an expert shows in the TLS handshake, by which offers of help are known.
//!
//! Any self-signed certificate is taken: what counts is that the handshake is signed by the key in it. Whose key it is
//! is for [`crate::helpers`] to say. Experts without one are not turned away here; most come with an invitation.

use std::sync::Arc;

use ra_ticket::KeyFingerprint;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};
use x509_cert::der::{Decode as _, Encode as _};

/// Takes whatever key an expert can sign with.
#[derive(Debug)]
pub(crate) struct AnyKey {
    provider: Arc<CryptoProvider>,
}

impl AnyKey {
    pub(crate) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider }
    }
}

/// The fingerprint of the key in a certificate that the handshake was signed with.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> Option<KeyFingerprint> {
    if certificate.len() > LARGEST {
        return None;
    }
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let spki = certificate.tbs_certificate().subject_public_key_info().to_der().ok()?;
    Some(KeyFingerprint::of_spki(&spki))
}

impl ClientCertVerifier for AnyKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match fingerprint(certificate) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A certificate with one key and nothing else has a few hundred bytes.
const LARGEST: usize = 4096;
