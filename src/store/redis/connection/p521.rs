//! Signatures of the curve P-521, which ring does not verify: of certificates and of handshakes.

use std::sync::OnceLock;

use p521::ecdsa::signature::hazmat::PrehashVerifier;
use p521::ecdsa::{Signature, VerifyingKey};
use ring::digest::{self, SHA256, SHA384, SHA512};
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

/// Bytes of a number of the curve.
const FIELD_BYTES: usize = 66;

type SignatureAlgorithm = &'static dyn SignatureVerificationAlgorithm;

/// An authority may sign with any digest; `openssl req` uses SHA-256.
static ALGORITHMS: [SignatureAlgorithm; 3] = [
    &P521 {
        digest: &SHA512,
        signature: alg_id::ECDSA_SHA512,
    },
    &P521 {
        digest: &SHA384,
        signature: alg_id::ECDSA_SHA384,
    },
    &P521 {
        digest: &SHA256,
        signature: alg_id::ECDSA_SHA256,
    },
];

/// The algorithms of ring and these. Created once, permanently.
pub fn beside(ring: WebPkiSupportedAlgorithms) -> WebPkiSupportedAlgorithms {
    static BOTH: OnceLock<WebPkiSupportedAlgorithms> = OnceLock::new();
    *BOTH.get_or_init(|| {
        let handshake = (SignatureScheme::ECDSA_NISTP521_SHA512, &ALGORITHMS[..1]);
        WebPkiSupportedAlgorithms {
            all: [ring.all, &ALGORITHMS].concat().leak(),
            mapping: [ring.mapping, &[handshake]].concat().leak(),
        }
    })
}

#[derive(Debug)]
struct P521 {
    digest: &'static digest::Algorithm,
    signature: AlgorithmIdentifier,
}

impl SignatureVerificationAlgorithm for P521 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        // A shorter digest is a number with leading zeros.
        let digest = digest::digest(self.digest, message);
        let mut number = [0; FIELD_BYTES];
        number[FIELD_BYTES - digest.as_ref().len()..].copy_from_slice(digest.as_ref());
        key.verify_prehash(&number, &signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}
