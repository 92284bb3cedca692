//! `sidegate healthcheck`: asks the admin listener's `/readyz`.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::config;

/// Longest wait for connection and answer each.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn run(file: Option<&Path>) -> ExitCode {
    match address(file).and_then(ask) {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            super::complain(&cause);
            ExitCode::FAILURE
        }
    }
}

/// Only `[admin]` is read: a file that was broken since the start does not make a good gateway ill.
fn address(file: Option<&Path>) -> Result<SocketAddr, String> {
    let listen = config::admin_address(file, std::env::vars()).map_err(|problems| problems.to_string())?;
    let listen =
        listen.ok_or("admin.listen is empty: without an admin listener there is nobody to ask; give it an address")?;
    Ok(match listen.ip() {
        // Listening on every address is asked at this machine's own.
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listen.port()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), listen.port()),
        _ => listen,
    })
}

fn ask(admin: SocketAddr) -> Result<(), String> {
    let failed = |cause: std::io::Error| format!("{admin}: {cause}");
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n"
    )
    .map_err(failed)?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).map_err(failed)?;
    match answer.strip_prefix(b"HTTP/1.1 ") {
        Some(b"200") => Ok(()),
        Some(status) => Err(format!(
            "{admin}: not ready (status {})",
            String::from_utf8_lossy(status)
        )),
        None => Err(format!("{admin}: this is no HTTP server")),
    }
}
