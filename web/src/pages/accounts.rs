//! `GET /accounts`: all accounts, searched and paged in the address.

use crate::filters;
use actix_web::web::{Data, Query};
use askama::Template;
use serde::Deserialize;
use turnpike_books::AccountSummary;

use super::shell::{Place, Shell};
use super::{Page, html};
use crate::access::Operator;
use crate::app::App;
use crate::paging::{PAGE_ROWS, Paging, address};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountsQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    show: Show,
    #[serde(default)]
    page: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Show {
    #[default]
    All,
    Parked,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsView {
    shell: Shell,
    q: String,
    parked_only: bool,
    all_address: String,
    parked_address: String,
    /// Before the search.
    known: usize,
    parked: usize,
    accounts: Vec<AccountSummary>,
    paging: Paging,
}

pub async fn accounts(operator: Operator, app: Data<App>, query: Query<AccountsQuery>) -> Page {
    let query = query.into_inner();
    let all = app.state.books.accounts(&operator.scope).await?;
    let (known, parked) = (all.len(), all.iter().filter(|one| one.parked.is_some()).count());
    let parked_only = query.show == Show::Parked;
    let wanted = query.q.trim().to_lowercase();
    let found: Vec<AccountSummary> = all
        .into_iter()
        .filter(|one| !parked_only || one.parked.is_some())
        .filter(|one| matches(one, &wanted))
        .collect();
    let of = |show: &str| address("/accounts", &[("q", &query.q), ("show", show)]);
    let here = of(if parked_only { "parked" } else { "" });
    let paging = Paging::new(query.page, found.len(), &here);
    html(&AccountsView {
        shell: Shell::provider(&app, &operator, Place::Accounts),
        parked_only,
        all_address: of(""),
        parked_address: of("parked"),
        known,
        parked,
        accounts: found.into_iter().skip(Paging::offset(paging.page)).take(PAGE_ROWS).collect(),
        paging,
        q: query.q,
    })
}

fn matches(account: &AccountSummary, wanted: &str) -> bool {
    account.id.as_str().contains(wanted)
        || account.name.to_lowercase().contains(wanted)
        || account.seller.as_str().contains(wanted)
}
