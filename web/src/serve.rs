//! [`serve`]: the pages on a listener, until told to stop.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};

use thiserror::Error;

use crate::WebState;

#[derive(Debug, Error)]
pub enum ServeError {
    #[error(
        "pages on {0} need an operator token (web.operator_token): without one everybody who \
         reaches that address could read all invoices"
    )]
    OperatorToken(SocketAddr),
    #[error("serve pages")]
    Io(#[source] std::io::Error),
}

/// Serves the pages until `stop` is ready, then ends running requests within the drain time.
///
/// With `admin`, `/healthz`, `/readyz` and `/metrics` are there alone, else they are with the
/// pages, `/metrics` for loopback clients only. Installs no signal handlers; runs on any tokio
/// runtime with several threads.
pub async fn serve(
    _state: WebState,
    _listener: TcpListener,
    _admin: Option<TcpListener>,
    _stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    unimplemented!()
}
