//! A browser's part of HTTP: one request per connection, cookies by hand.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The cookies set, as a browser sends them back.
    pub fn cookies(&self) -> String {
        let set = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        let pairs = set.filter_map(|(_, value)| value.split(';').next());
        pairs.collect::<Vec<_>>().join("; ")
    }
}

/// A request with its own headers on top.
pub async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    parse(&answer)
}

/// As a program sends it: a body of bytes, and no header of ours but the length.
pub async fn send(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    // Who is refused early may see the connection close before the whole body is sent.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let mut part = vec![0; 64 << 10];
    while let Ok(read) = stream.read(&mut part).await {
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&part[..read]);
    }
    parse(&answer)
}

pub async fn get(address: SocketAddr, path: &str, cookie: &str) -> Response {
    let cookie = [("Cookie", cookie)];
    ask(address, "GET", path, if cookie[0].1.is_empty() { &[] } else { &cookie }, "").await
}

/// As a form of our own page sends it.
pub async fn post(address: SocketAddr, path: &str, cookie: &str, body: &str) -> Response {
    let headers = [("Sec-Fetch-Site", "same-origin"), ("Cookie", cookie)];
    ask(address, "POST", path, &headers, body).await
}

fn parse(answer: &[u8]) -> Response {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&answer[..end]).expect("a head is text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let status = status.parse().expect("a number");
    let mut response = Response { status, headers, body: String::new() };
    let coding = response.header("transfer-encoding");
    let chunked = coding.is_some_and(|coding| coding.contains("chunked"));
    let body = &answer[end + 4..];
    let body = if chunked { unchunk(body) } else { body.to_vec() };
    response.body = String::from_utf8_lossy(&body).into_owned();
    response
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").expect("a chunk's head");
        let size = std::str::from_utf8(&body[..end]).expect("a chunk's size");
        let size = usize::from_str_radix(size.trim(), 16).expect("a number");
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
}
