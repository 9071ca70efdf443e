//! TLS by rustls on ring, always verified: Mozilla's roots, or the caller's own.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{
    CryptoProvider, KeyProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature,
    verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer,
    UnixTime,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::p521;

/// Certificates as DER.
pub struct TlsOptions {
    pub roots: Vec<Vec<u8>>,
    /// No others are trusted; otherwise Mozilla's roots are trusted, too.
    pub only: bool,
    pub own: Vec<OwnCertificate>,
    pub identity: Option<ClientCertificate>,
    /// The name that the server's certificate must contain; default: the host.
    pub servername: Option<String>,
}

/// A certificate that the server itself may present, whoever signed it.
pub struct OwnCertificate {
    pub certificate: Vec<u8>,
    pub public_key: Vec<u8>,
    /// Both since 1970.
    pub not_before: Duration,
    pub not_after: Duration,
    /// The hosts that it contains.
    pub names: Vec<String>,
}

/// The client's chain, and the key of its first certificate as PKCS #8.
pub struct ClientCertificate {
    pub chain: Vec<Vec<u8>>,
    pub key: Vec<u8>,
}

#[derive(Clone)]
pub struct Tls {
    pub config: Arc<ClientConfig>,
    servername: Option<String>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// An error is for humans and contains no secret.
    pub fn new(options: TlsOptions) -> Result<Self, &'static str> {
        let provider = provider();
        let verifier = PinningVerifier::new(&options, &provider)?;
        let keys = provider.key_provider;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| "there is no version of TLS to speak")?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match options.identity {
            Some(identity) => builder.with_client_cert_resolver(resolver(identity, keys)?),
            None => builder.with_no_client_auth(),
        };
        // Each connection verifies all of it again.
        config.resumption = Resumption::disabled();
        if let Some(name) = &options.servername {
            parse(name).ok_or("tls.servername is not a host name")?;
        }
        Ok(Self {
            config: Arc::new(config),
            servername: options.servername,
        })
    }

    pub fn server_name(&self, host: &str) -> io::Result<ServerName<'static>> {
        let name = parse(self.servername.as_deref().unwrap_or(host));
        name.ok_or_else(|| io::Error::other("the host's name cannot stand in a certificate"))
    }
}

const UNUSABLE_KEY: &str =
    "tls.key cannot be used: it must be RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519";

/// The chain is not checked: it may be of version 1, and it is known whether the key belongs to it.
fn resolver(
    ClientCertificate { chain, key }: ClientCertificate,
    keys: &dyn KeyProvider,
) -> Result<Arc<SingleCertAndKey>, &'static str> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let key = keys.load_private_key(key).map_err(|_| UNUSABLE_KEY)?;
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    Ok(Arc::new(SingleCertAndKey::from(CertifiedKey::new(
        chain, key,
    ))))
}

fn parse(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).ok()
}

/// ring, and the curve that it does not know.
fn provider() -> Arc<CryptoProvider> {
    let ring = ring::default_provider();
    Arc::new(CryptoProvider {
        signature_verification_algorithms: p521::beside(ring.signature_verification_algorithms),
        ..ring
    })
}

/// Verifies as usual; in addition, it trusts the exact certificates that the caller has named as
/// the server's own, for their names and in their period. Without that, a self-signed authority
/// that is also the server is refused.
struct PinningVerifier {
    /// `None`: there is no authority.
    usual: Option<Arc<WebPkiServerVerifier>>,
    own: Vec<PinnedCertificate>,
    algorithms: WebPkiSupportedAlgorithms,
}

struct PinnedCertificate {
    of: OwnCertificate,
    names: Vec<ServerName<'static>>,
}

impl fmt::Debug for PinningVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinningVerifier")
    }
}

impl PinningVerifier {
    fn new(options: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<Self, &'static str> {
        let mut roots = RootCertStore::empty();
        if !options.only {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for root in &options.roots {
            roots
                .add(CertificateDer::from(root.clone()))
                .map_err(|_| "tls.ca holds a certificate that cannot be a root")?;
        }
        let usual = match roots.is_empty() {
            true => None,
            false => {
                let builder =
                    WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
                Some(builder.build().map_err(|_| "tls.ca cannot be used")?)
            }
        };
        Ok(Self {
            usual,
            own: options.own.iter().map(PinnedCertificate::new).collect(),
            algorithms: provider.signature_verification_algorithms,
        })
    }

    fn own(&self, certificate: &CertificateDer<'_>) -> Option<&PinnedCertificate> {
        self.own.iter().find(|own| own.is(certificate))
    }
}

impl PinnedCertificate {
    fn new(of: &OwnCertificate) -> Self {
        Self {
            names: of.names.iter().filter_map(|name| parse(name)).collect(),
            of: OwnCertificate {
                certificate: of.certificate.clone(),
                public_key: of.public_key.clone(),
                names: Vec::new(),
                ..*of
            },
        }
    }

    fn is(&self, certificate: &CertificateDer<'_>) -> bool {
        self.of.certificate == **certificate
    }

    fn serves(&self, name: &ServerName<'_>, now: UnixTime) -> bool {
        let now = Duration::from_secs(now.as_secs());
        let is_valid = self.of.not_before <= now && now <= self.of.not_after;
        is_valid && self.names.iter().any(|own| own == name)
    }
}

impl ServerCertVerifier for PinningVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let own = self.own(certificate);
        if own.is_some_and(|own| own.serves(name, now)) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.usual {
            Some(usual) => {
                usual.verify_server_cert(certificate, intermediates, name, ocsp_response, now)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Some(own) = self.own(certificate) else {
            return verify_tls13_signature(message, certificate, signed, &self.algorithms);
        };
        // So that one of version 1 is parsed, too.
        let key = SubjectPublicKeyInfoDer::from(&own.of.public_key[..]);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
