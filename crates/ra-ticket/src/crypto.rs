//! The ciphers of 2001 and 2006, as the invitation fixes them.
//!
//! None of this is good cryptography today: one round of MD5 or SHA-1 over a password, RC4 whose keystream repeats
//! for a password, CBC with a zero vector and no integrity. It is what other programs read and write. What protects
//! the novice is elsewhere: the proof travels inside TLS, wrong proofs are counted, and a person says yes.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use md5::Md5;
use rc4::{KeyInit, Rc4, StreamCipher};
use sha1::{Digest, Sha1};
use zeroize::{Zeroize, Zeroizing};

/// RC4 of the length-prefixed stub under the MD5 of the password: the proof that its writer knows the password.
///
/// Source: invitation-file.md 5.2.
pub(crate) fn proof(password: &str, stub: &str) -> Zeroizing<Vec<u8>> {
    let stub = utf16le(stub);
    let mut proof = Zeroizing::new(Vec::with_capacity(4 + stub.len()));
    // A stub has at most 64 characters, so the length always fits.
    proof.extend_from_slice(&u32::try_from(stub.len()).unwrap_or(u32::MAX).to_le_bytes());
    proof.extend_from_slice(&stub);
    let mut key = Md5::digest(&*utf16le(password));
    if let Ok(mut cipher) = Rc4::new_from_slice(&key) {
        cipher.apply_keystream(&mut proof);
    }
    key.as_mut_slice().zeroize();
    proof
}

/// The AES key of an encrypted connection string, as Windows derives one from a SHA-1 hash.
///
/// Source: invitation-file.md 6.1 (CryptDeriveKey).
pub(crate) fn ticket_key(password: &str) -> Zeroizing<[u8; 16]> {
    let mut hash = Sha1::digest(&*utf16le(password));
    let mut pad = Zeroizing::new([0x36_u8; 64]);
    for (byte, hash) in pad.iter_mut().zip(&hash) {
        *byte ^= hash;
    }
    hash.as_mut_slice().zeroize();
    // The second pad (0x5C) would give bytes 20 to 39; a 128-bit key ends before them.
    let mut first = Sha1::digest(*pad);
    let mut key = Zeroizing::new([0; 16]);
    key.copy_from_slice(&first[..16]);
    first.as_mut_slice().zeroize();
    key
}

/// AES-128-CBC with a zero vector and PKCS#7 padding.
pub(crate) fn encrypt(key: &[u8; 16], plain: &[u8]) -> Vec<u8> {
    cbc::Encryptor::<Aes128>::new(key.into(), &[0; 16].into()).encrypt_padded_vec::<Pkcs7>(plain)
}

/// Undoes [`encrypt`]; nothing if the length or any byte of the padding is wrong.
pub(crate) fn decrypt(key: &[u8; 16], cipher: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(cipher.to_vec());
    let plain = cbc::Decryptor::<Aes128>::new(key.into(), &[0; 16].into()).decrypt_padded::<Pkcs7>(&mut buffer);
    let length = plain.ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}

/// The bytes of a text as Windows hashes and encrypts it: UTF-16, little end first, no terminator.
pub(crate) fn utf16le(text: &str) -> Zeroizing<Vec<u8>> {
    // Allocated once: growing would leave copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 2));
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn vectors(key: &str) -> Vec<Value> {
        let all: Value = serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap();
        all[key].as_array().unwrap().clone()
    }

    fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
        vector[key].as_str().unwrap()
    }

    #[test]
    fn pass_stub_vectors() {
        for vector in vectors("pass_stub") {
            let (password, stub) = (text(&vector, "password"), text(&vector, "pass_stub"));
            assert_eq!(hex::encode(&*utf16le(password)), text(&vector, "password_utf16le"));
            assert_eq!(hex::encode(&*proof(password, stub)), text(&vector, "ciphertext"));
        }
    }

    #[test]
    fn key_derivation_vectors() {
        for vector in vectors("key_derivation") {
            assert_eq!(hex::encode(*ticket_key(text(&vector, "password"))), text(&vector, "aes128_key"));
        }
    }

    #[test]
    fn lhticket_vectors() {
        for vector in vectors("lhticket") {
            let key = ticket_key(text(&vector, "password"));
            assert_eq!(hex::encode(*key), text(&vector, "aes128_key"));
            let plain = utf16le(text(&vector, "xml"));
            let cipher = encrypt(&key, &plain);
            assert_eq!(hex::encode_upper(&cipher), text(&vector, "lhticket"));
            assert_eq!(decrypt(&key, &cipher).unwrap(), plain);
        }
    }

    #[test]
    fn each_byte_of_the_padding_is_checked() {
        let key = [3; 16];
        let whole = |plain: &[u8; 32]| {
            // Encrypted with a block of padding behind it, which is cut off: the plain text brings its own.
            let mut cipher = encrypt(&key, plain);
            cipher.truncate(32);
            decrypt(&key, &cipher).map(|plain| plain.len())
        };
        let mut plain = [7; 32];
        plain[28..].fill(4);
        assert_eq!(whole(&plain), Some(28));
        for broken in 28..32 {
            let mut plain = plain;
            plain[broken] = 9;
            assert_eq!(whole(&plain), None, "{broken}");
        }
        for last in [0, 17, 255] {
            plain[31] = last;
            assert_eq!(whole(&plain), None);
        }
        assert_eq!(decrypt(&key, &[]), None);
        assert_eq!(decrypt(&key, &[0; 15]), None);
    }
}
