//! `GET /attention`: what is not billed, and why.

use actix_web::web::Data;
use askama::Template;
use turnpike_books::{ParkedRecord, RunEntry};
use turnpike_invoices::format;

use super::shell::{Place, Shell, Stamp};
use super::{Page, html};
use crate::access::Operator;
use crate::app::App;

#[derive(Template)]
#[template(path = "attention.html")]
struct AttentionView {
    shell: Shell,
    run: Option<RunEntry>,
    as_of: Option<Stamp>,
    parked: Vec<ParkedRecord>,
    unassigned: Vec<UnassignedRow>,
    unassigned_total: usize,
}

struct UnassignedRow {
    owner: Option<String>,
    resource: String,
    meter: String,
    first_seen: Stamp,
    held: String,
}

/// Beyond this many, somebody should look at the owners and not at the list.
const UNASSIGNED_ROWS: usize = 500;

pub async fn attention(operator: Operator, app: Data<App>) -> Page {
    let (books, scope) = (&app.state.books, &operator.scope);
    let run = books.latest_run(scope, None).await?;
    let unassigned = books.unassigned(scope, None).await?;
    html(&AttentionView {
        shell: Shell::provider(&app, &operator, Place::Attention),
        as_of: run.as_ref().map(|run| Stamp::utc(run.record.as_of)),
        run,
        parked: books.parked(scope, None).await?,
        unassigned_total: unassigned.len(),
        unassigned: unassigned
            .into_iter()
            .take(UNASSIGNED_ROWS)
            .map(|one| UnassignedRow {
                owner: one.owner.map(|owner| owner.to_string()),
                resource: one.resource.to_string(),
                meter: one.meter,
                first_seen: Stamp::utc(one.first_seen),
                held: format::duration(one.seconds),
            })
            .collect(),
    })
}
