//! `turnpike health`: asks a running server whether it is ready.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::app::App;
use crate::fault::{Blame as _, Kind, fault};
use crate::output;

/// Asks the server at web.listen (or web.admin_listen) whether it is ready
#[derive(Debug, Args)]
pub struct Health {
    /// Another address
    #[arg(long, value_name = "HOST:PORT")]
    at: Option<SocketAddr>,
}

/// An answer takes milliseconds; a container's health check waits for seconds at most.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Health {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let web = &app.settings.web;
        let mut address = self.at.or(web.admin_listen).unwrap_or(web.listen);
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let place = format!("the server at {address} does not answer");
        let asked = tokio::time::timeout(TIMEOUT, ask(address)).await;
        let answer = asked.blame(Kind::Dependency, &place)?.blame(Kind::Dependency, &place)?;
        let status = answer.lines().next().unwrap_or_default().to_owned();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
        if status.split(' ').nth(1) == Some("200") {
            return Ok(output::print(&format!("{body}\n"))?);
        }
        Err(fault(
            Kind::Dependency,
            format!("the server at {address} is not ready: {status} {body}"),
        ))
    }
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 << 10).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
