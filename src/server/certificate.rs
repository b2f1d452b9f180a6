//! A certificate of the server's own, for clients that encrypt and ask for no more.
//!
//! Made at the first start, kept below the data directory. Nobody has signed it: it keeps listeners
//! out, and clients that know it can tell this server from others. Who wants to be checked by name
//! gives a certificate in the settings.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::TlsFiles;
use crate::error::{Error, Result};

/// Folder of the data directory.
const FOLDER: &str = "tls";

/// The files of the server's own certificate, made if they are missing.
pub(crate) fn own(data_dir: &Path, required: bool) -> Result<TlsFiles> {
    let folder = data_dir.join(FOLDER);
    let files = TlsFiles {
        certificate: folder.join("server-cert.pem"),
        key: folder.join("server-key.pem"),
        required,
    };
    if !(files.certificate.is_file() && files.key.is_file()) {
        make(&folder, &files).map_err(|why| {
            let folder = folder.display();
            Error::Server(format!("cannot make a certificate in {folder}: {why}"))
        })?;
        tracing::info!("made a certificate: {}", files.certificate.display());
    }
    Ok(files)
}

fn make(folder: &Path, files: &TlsFiles) -> std::io::Result<()> {
    let made = rcgen::CertificateParams::new(["localhost".to_owned()]).and_then(|mut params| {
        let name = &mut params.distinguished_name;
        name.push(rcgen::DnType::CommonName, "Storno server, self-signed");
        let key = rcgen::KeyPair::generate()?;
        Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
    });
    let (certificate, key) = made.map_err(std::io::Error::other)?;
    fs::create_dir_all(folder)?;
    // The certificate comes last: with it the pair is whole.
    write(&files.key, key.as_bytes(), true)?;
    write(&files.certificate, certificate.as_bytes(), false)
}

fn write(path: &Path, bytes: &[u8], secret: bool) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if secret { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = secret;
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_can_be_used() {
        let dir = tempfile::tempdir().unwrap();
        let files = own(dir.path(), true).unwrap();
        files.read().unwrap();
        let certificate = fs::read(&files.certificate).unwrap();
        assert_eq!(
            own(dir.path(), false).unwrap().certificate,
            files.certificate
        );
        assert_eq!(fs::read(&files.certificate).unwrap(), certificate);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&files.key).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn half_a_pair_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let files = own(dir.path(), true).unwrap();
        fs::remove_file(&files.certificate).unwrap();
        own(dir.path(), true).unwrap().read().unwrap();
    }
}
