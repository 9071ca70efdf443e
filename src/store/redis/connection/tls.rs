//! TLS by rustls on ring, always verified: Mozilla's roots, or the caller's own.

use std::io;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use super::endpoint::{Secret, TlsOptions};

pub fn client_config(options: &TlsOptions) -> io::Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots(options.ca.as_deref())?);
    let config = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => with_identity(builder, cert, key)?,
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

pub fn server_name(options: &TlsOptions, host: &str) -> io::Result<ServerName<'static>> {
    let name = options.servername.as_deref().unwrap_or(host);
    ServerName::try_from(name.to_owned()).map_err(|_| invalid("tls.servername is not a host name"))
}

fn roots(ca: Option<&str>) -> io::Result<RootCertStore> {
    let Some(pem) = ca else {
        return Ok(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        });
    };
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, "tls.ca is not a PEM certificate")? {
        store
            .add(certificate)
            .map_err(|_| invalid("tls.ca holds a certificate that cannot be a root"))?;
    }
    Ok(store)
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    cert: &str,
    key: &Secret,
) -> io::Result<ClientConfig> {
    let chain = certificates(cert, "tls.cert is not a PEM certificate")?;
    let key = PrivateKeyDer::from_pem_slice(key.0.as_bytes())
        .map_err(|_| invalid("tls.key is not a PEM private key"))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|_| invalid("tls.key does not belong to tls.cert"))
}

fn certificates(pem: &str, otherwise: &'static str) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(invalid(otherwise)),
    }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
