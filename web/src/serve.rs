//! [`serve`]: the pages on a listener, until told to stop.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};

use actix_web::HttpServer;
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use futures::future::{Either, select, try_join};
use thiserror::Error;

use crate::app::{self, App};
use crate::envelope::{answer, harden};
use crate::{WebSettings, WebState};

#[derive(Debug, Error)]
pub enum ServeError {
    #[error(
        "pages on {0} need an operator token (web.operator_token): without one everybody who \
         reaches that address could read all invoices"
    )]
    OperatorToken(SocketAddr),
    #[error("serving the pages failed")]
    Io(#[from] std::io::Error),
}

/// Whether health and metrics have a listener of their own, which is kept from the public.
pub struct OwnListener(pub bool);

/// Which addresses a listener has.
#[derive(Clone, Copy)]
enum Part {
    Pages,
    Admin,
    Both,
}

/// Serves the pages until `stop` is ready, then ends running requests within the drain time.
///
/// With `admin`, `/healthz`, `/readyz` and `/metrics` are there alone, else they are with the
/// pages, `/metrics` for loopback clients only. Installs no signal handlers; runs on any tokio
/// runtime with several threads.
pub async fn serve(
    state: WebState,
    listener: TcpListener,
    admin: Option<TcpListener>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    check(&state.settings, listener.local_addr()?)?;
    let app = Data::new(App::new(state));
    let pages = start(&app, listener, if admin.is_some() { Part::Pages } else { Part::Both })?;
    let mut handles = vec![pages.handle()];
    let servers = match admin {
        Some(admin) => {
            let admin = start(&app, admin, Part::Admin)?;
            handles.push(admin.handle());
            Either::Left(async { try_join(pages, admin).await.map(|_| ()) })
        }
        None => Either::Right(pages),
    };
    match select(Box::pin(servers), Box::pin(stop)).await {
        Either::Left((ended, _)) => Ok(ended?),
        Either::Right(((), servers)) => {
            let (ended, _) = futures::join!(servers, stop_all(&handles));
            Ok(ended?)
        }
    }
}

/// Serves `/healthz`, `/readyz` and `/metrics` alone, for a process that has no pages, until `stop`
/// is ready. Nobody is asked who they are: the address is to be kept from the public.
pub async fn serve_admin(
    state: WebState,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let app = Data::new(App::new(state));
    let server = start(&app, listener, Part::Admin)?;
    let handle = server.handle();
    match select(Box::pin(server), Box::pin(stop)).await {
        Either::Left((ended, _)) => Ok(ended?),
        Either::Right(((), server)) => {
            let (ended, ()) = futures::join!(server, handle.stop(true));
            Ok(ended?)
        }
    }
}

/// Whoever reaches a loopback address is trusted; anybody else must sign in.
fn check(settings: &WebSettings, address: SocketAddr) -> Result<(), ServeError> {
    match settings.operator_token.is_some() || address.ip().to_canonical().is_loopback() {
        true => Ok(()),
        false => Err(ServeError::OperatorToken(address)),
    }
}

async fn stop_all(handles: &[ServerHandle]) {
    futures::future::join_all(handles.iter().map(|handle| handle.stop(true))).await;
}

fn start(app: &Data<App>, listener: TcpListener, part: Part) -> std::io::Result<Server> {
    let settings = &app.state.settings;
    let (workers, drain) = (settings.workers.max(1), settings.drain_seconds);
    let app = app.clone();
    let server = HttpServer::new(move || {
        let app = app.clone();
        actix_web::App::new()
            .app_data(app.clone())
            .configure(|config| {
                app::common(config, &app);
                config.app_data(Data::new(OwnListener(matches!(part, Part::Admin))));
                if matches!(part, Part::Admin | Part::Both) {
                    app::admin(config);
                }
                if matches!(part, Part::Pages | Part::Both) {
                    app::pages(config);
                    app::api(config);
                }
            })
            .wrap(from_fn(answer))
            .wrap(Compress::default())
            .wrap(from_fn(harden))
    });
    let server = server.workers(workers).shutdown_timeout(drain).disable_signals();
    Ok(server.listen(listener)?.run())
}
