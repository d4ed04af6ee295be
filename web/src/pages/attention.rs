//! `GET /attention`: what is not billed, and why.

use actix_web::web::Data;
use askama::Template;
use turnpike_books::{ParkedRecord, RunEntry};
use turnpike_invoices::format;

use super::shell::{Place, Shell, Stamp};
use super::{Page, html};
use crate::access::Operator;
use crate::app::App;
use crate::error::WebError;

#[derive(Template)]
#[template(path = "attention.html")]
struct AttentionView {
    shell: Shell,
    run: Option<RunEntry>,
    as_of: Option<Stamp>,
    parked: Vec<ParkedRecord>,
    unassigned: Vec<UnassignedRow>,
    unassigned_total: usize,
    gaps: Vec<GapRow>,
}

/// Records that were lost before they were read, and the time of which usage may be missing.
struct GapRow {
    origin: String,
    offsets: String,
    since: Option<Stamp>,
    until: Stamp,
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

async fn gaps(app: &App) -> Result<Vec<GapRow>, WebError> {
    let found = turnpike_ingest::gaps(&app.state.lake).await;
    let found = found.map_err(|error| WebError::internal("looking for gaps", error))?;
    let row = |gap: turnpike_ingest::Gap| GapRow {
        offsets: match gap.to {
            Some(to) => format!("{} to {}", gap.from, to.saturating_sub(1)),
            None => format!("from {}", gap.from),
        },
        origin: gap.origin,
        since: gap.since.map(Stamp::utc),
        until: Stamp::utc(gap.until),
    };
    Ok(found.into_iter().map(row).collect())
}

pub async fn attention(operator: Operator, app: Data<App>) -> Page {
    let (books, scope) = (&app.state.books, &operator.scope);
    let run = books.latest_run(scope, None).await?;
    let unassigned = books.unassigned(scope, None).await?;
    html(&AttentionView {
        shell: Shell::provider(&app, &operator, Place::Attention),
        as_of: run.as_ref().map(|run| Stamp::utc(run.record.as_of)),
        run,
        gaps: gaps(&app).await?,
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
