//! The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): who is connected to the balancer in front of us.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use pingora::protocols::l4::socket::SocketAddr as PeerAddr;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{GetSocketDigest, SocketDigest};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::config::Server;

/// §2.2
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// §2.1, with its line end.
const V1_LONGEST: usize = 107;
/// Addresses and extensions of a version 2 header; more than any balancer sends.
const V2_LONGEST: usize = 4096;

/// Reads the header that every connection begins with, and lets the connection be its source's from then on.
///
/// # Errors
/// Where the peer is not trusted, or what it sent is no header: then the connection is closed.
pub(super) async fn accept(stream: &mut L4Stream, server: &Server) -> io::Result<()> {
    let peer = stream.get_socket_digest();
    let peer = peer.as_ref().and_then(|digest| digest.peer_addr());
    if !trusted(peer, server) {
        return Err(invalid("it is not from a trusted peer"));
    }
    if let Some(source) = read(stream).await? {
        let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
        // A fresh cell takes its first value.
        drop(digest.peer_addr.set(Some(PeerAddr::Inet(source))));
        stream.set_socket_digest(digest);
    }
    Ok(())
}

fn trusted(peer: Option<&PeerAddr>, server: &Server) -> bool {
    match peer {
        Some(PeerAddr::Inet(address)) => {
            let ip = address.ip().to_canonical();
            server.trusted_proxies.iter().any(|net| net.contains(&ip))
        }
        Some(PeerAddr::Unix(_)) => server.trust_unix,
        None => false,
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The source that a header names; `None` where it speaks for itself (`UNKNOWN`, `LOCAL`: a balancer's health check).
/// Not one byte more than the header is taken.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    // The shortest header of either version is longer.
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if start == *V2_SIGNATURE {
        read_v2(stream).await
    } else if start.starts_with(b"PROXY ") {
        read_v1(stream, &start).await
    } else {
        Err(invalid("it does not begin with a PROXY header"))
    }
}

async fn read_v1(stream: &mut (impl AsyncRead + Unpin), start: &[u8]) -> io::Result<Option<SocketAddr>> {
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == V1_LONGEST {
            return Err(invalid("its PROXY line does not end"));
        }
        line.push(stream.read_u8().await?);
    }
    let line = std::str::from_utf8(&line[..line.len() - 2]).map_err(|_| invalid("its PROXY line is no text"))?;
    parse_v1(line).ok_or_else(|| invalid("its PROXY line is malformed"))
}

/// `PROXY TCP4 SOURCE DESTINATION SOURCE_PORT DESTINATION_PORT`
fn parse_v1(line: &str) -> Option<Option<SocketAddr>> {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Some(None),
        ["PROXY", family, source, destination, source_port, destination_port] => {
            let (source, destination): (IpAddr, IpAddr) = (source.parse().ok()?, destination.parse().ok()?);
            let port: u16 = source_port.parse().ok()?;
            destination_port.parse::<u16>().ok()?;
            let fits = match family {
                "TCP4" => source.is_ipv4() && destination.is_ipv4(),
                "TCP6" => source.is_ipv6() && destination.is_ipv6(),
                _ => false,
            };
            fits.then(|| Some(SocketAddr::new(source, port)))
        }
        _ => None,
    }
}

async fn read_v2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let (command, family) = (stream.read_u8().await?, stream.read_u8().await?);
    let length = usize::from(stream.read_u16().await?);
    if length > V2_LONGEST {
        return Err(invalid("its PROXY header is too long"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match (command, family) {
        // LOCAL: what follows is not looked at.
        (0x20, _) => Ok(None),
        (0x21, 0x11) => match rest.first_chunk::<12>() {
            Some(&[a, b, c, d, _, _, _, _, high, low, _, _]) => {
                let port = u16::from_be_bytes([high, low]);
                Ok(Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port)))
            }
            None => Err(invalid("its PROXY header is too short")),
        },
        (0x21, 0x21) => match (rest.first_chunk::<16>(), rest.get(32..34), rest.len() >= 36) {
            (Some(source), Some(&[high, low]), true) => {
                let port = u16::from_be_bytes([high, low]);
                Ok(Some(SocketAddr::new(Ipv6Addr::from(*source).into(), port)))
            }
            _ => Err(invalid("its PROXY header is too short")),
        },
        // A transport without an address that we could use: the connection stays the balancer's.
        (0x21, _) => Ok(None),
        _ => Err(invalid("its PROXY header is of no known version or command")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parsed(bytes: &[u8]) -> Result<Option<String>, ()> {
        let mut whole = [bytes, b"GET /"].concat();
        let mut left = whole.as_slice();
        let source = read(&mut left).await.map_err(|_| ())?;
        assert_eq!(left, b"GET /", "exactly the header is taken");
        whole.clear();
        Ok(source.map(|source| source.to_string()))
    }

    #[tokio::test]
    async fn names_the_source_or_nobody_and_refuses_the_rest() {
        let v2 = |tail: &[u8]| [V2_SIGNATURE.as_slice(), tail].concat();
        let v4 = [
            &[0x21, 0x11, 0, 12][..],
            &[192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 80],
        ]
        .concat();
        let mut v6 = vec![0x21, 0x21, 0, 39];
        v6.extend(Ipv6Addr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 9]).octets());
        v6.extend([0; 16]);
        v6.extend([0x30, 0x39, 0, 80, 3, 0, 0]);
        for (bytes, expected) in [
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n".to_vec(),
                Ok(Some("192.0.2.7:12345")),
            ),
            (
                b"PROXY TCP6 2001:db8::9 ::1 12345 80\r\n".to_vec(),
                Ok(Some("[2001:db8::9]:12345")),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), Ok(None)),
            (b"PROXY UNKNOWN a b c d\r\n".to_vec(), Ok(None)),
            (v2(&v4), Ok(Some("192.0.2.7:12345"))),
            (v2(&v6), Ok(Some("[2001:db8::9]:12345"))),
            (v2(&[0x20, 0, 0, 0]), Ok(None)),
            (v2(&[0x21, 0x31, 0, 1, 0]), Ok(None)),
            (v2(&[0x21, 0x11, 0, 4, 1, 2, 3, 4]), Err(())),
            (v2(&[0x31, 0x11, 0, 0]), Err(())),
            (v2(&[0x22, 0x11, 0, 0]), Err(())),
            (v2(&[0x21, 0x11, 0xff, 0xff]), Err(())),
            (b"PROXY TCP4 2001:db8::9 ::1 12345 80\r\n".to_vec(), Err(())),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 99999 80\r\n".to_vec(), Err(())),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80 81\r\n".to_vec(), Err(())),
            ([b"PROXY TCP4 ".as_slice(), &[b'1'; 200], b"\r\n"].concat(), Err(())),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), Err(())),
            (b"\r\n\r\n\0\r\nQUIT".to_vec(), Err(())),
        ] {
            let expected = expected.map(|source| source.map(str::to_owned));
            assert_eq!(parsed(&bytes).await, expected, "{}", bytes.escape_ascii());
        }
    }
}
