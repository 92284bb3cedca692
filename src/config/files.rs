//! What stands outside the configuration file: secrets, certificates, keys.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use toml::{Table, Value};
use zeroize::Zeroizing;

use super::reader::{Reader, Source};
use super::values::{Parsed, string};
use crate::secret::Secret;

const SECRET: &str = "is not a secret; write a string, { file = \"path\" } or { env = \"NAME\" }";

impl Reader<'_> {
    /// A secret that may be absent; `""` is absent too.
    pub(super) fn secret(&mut self, key: &str) -> Option<Secret> {
        let source = self.source;
        self.optional(key, |value| secret(source, value))
    }

    /// A file of the operator's that may be absent, relative to the configuration's directory.
    pub(super) fn file(&mut self, key: &str) -> Option<PathBuf> {
        let source = self.source;
        self.optional(key, |value| Ok(source.file(&string(value)?)))
    }

    /// `ca_file`: one certificate or more, each usable as a root.
    pub(super) fn ca_file(&mut self, key: &str) -> Option<PathBuf> {
        let path = self.file(key)?;
        if let Err(text) = roots(&path) {
            self.problem(key, text);
        }
        Some(path)
    }
}

/// A string, `{ file = … }` or `{ env = … }`.
pub(super) fn secret(source: &Source, value: &Value) -> Parsed<Secret> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Table(table) => elsewhere(source, table)?,
        _ => return Err(SECRET.to_owned()),
    };
    if text.is_empty() {
        return Err("is empty; put the secret there".to_owned());
    }
    Ok(Secret::new(text))
}

fn elsewhere(source: &Source, table: &Table) -> Parsed<String> {
    let mut entries = table.iter();
    match (entries.next(), entries.next()) {
        (Some((key, Value::String(name))), None) if key == "file" => {
            let path = source.file(name);
            let bytes = Zeroizing::new(read(&path)?);
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| format!("{} is not text; put the secret there as text", path.display()))?;
            let line = text
                .strip_suffix('\n')
                .map(|line| line.strip_suffix('\r').unwrap_or(line));
            Ok(line.unwrap_or(text).to_owned())
        }
        (Some((key, Value::String(name))), None) if key == "env" => {
            source.variable(name).map(str::to_owned).ok_or_else(|| {
                // Somebody may have written the secret itself here: only what looks like a name is shown.
                let is_name = name
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
                let shown = if is_name { format!(" {name}") } else { String::new() };
                format!("the environment variable{shown} is not set; set it or name another")
            })
        }
        _ => Err(SECRET.to_owned()),
    }
}

/// The bytes of a file, or why there are none.
pub(super) fn read(path: &Path) -> Parsed<Vec<u8>> {
    std::fs::read(path).map_err(|error| unreadable(path, &error))
}

/// What to say of a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> String {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist; create it or name another",
        std::io::ErrorKind::PermissionDenied => "may not be read; let the user who runs sidegate read it",
        std::io::ErrorKind::IsADirectory => "is a directory; name a file",
        _ => "cannot be read; name a file that can",
    };
    format!("{} {why}", path.display())
}

/// Checks that the file holds certificates.
fn roots(path: &Path) -> Parsed<()> {
    let wrong = || {
        format!(
            "{} holds no usable certificate; name a PEM file of CA certificates",
            path.display()
        )
    };
    let certificates = certificates(path)?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|_| wrong())?;
    }
    if roots.is_empty() { Err(wrong()) } else { Ok(()) }
}

fn certificates(path: &Path) -> Parsed<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|_| {
            format!(
                "{} is not PEM; write it as \"-----BEGIN CERTIFICATE-----\" …",
                path.display()
            )
        })
}

/// What is wrong with a certificate and its key: the key of the configuration that is at fault, and the words.
pub(super) fn key_pair(certificate: &Path, key: &Path) -> Vec<(&'static str, String)> {
    let chain = certificates(certificate).and_then(|chain| match chain.is_empty() {
        true => Err(format!(
            "{} holds no certificate; name a PEM file with one",
            certificate.display()
        )),
        false => Ok(chain),
    });
    let private = read(key).map(Zeroizing::new).and_then(|pem| {
        PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| format!("{} holds no private key; name a PEM file with one", key.display()))
    });
    let (chain, private) = match (chain, private) {
        (Ok(chain), Ok(private)) => (chain, private),
        (chain, private) => {
            let chain = chain.err().map(|text| ("certificate", text));
            return chain
                .into_iter()
                .chain(private.err().map(|text| ("key", text)))
                .collect();
        }
    };
    let provider = rustls::crypto::ring::default_provider();
    let Ok(signer) = provider.key_provider.load_private_key(private) else {
        return vec![(
            "key",
            format!(
                "{} holds a key of no use to TLS; write an RSA or ECDSA key",
                key.display()
            ),
        )];
    };
    match CertifiedKey::new(chain, signer).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Vec::new(),
        Err(rustls::Error::InconsistentKeys(_)) => {
            vec![(
                "key",
                format!(
                    "does not belong to {}; name the certificate's own key",
                    certificate.display()
                ),
            )]
        }
        Err(_) => {
            vec![(
                "certificate",
                format!("{} holds no usable certificate; make it anew", certificate.display()),
            )]
        }
    }
}
