//! The live bill of a server beside the invoice of a run.

use serde_json::Value;

use super::book::{ingest, install, machine, requests};
use crate::http::server::Server;

fn bill(server: &Server, account: &str) -> Value {
    let answer = server.get(&format!("/accounts/{account}/bill/json")).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn a_live_bill_is_the_draft_of_a_run_and_follows_what_arrives() {
    // The clock stands still, so that both speak of the same instant.
    let turnpike = install();
    ingest(&turnpike, "a.jsonl", &[machine("e-1", "t-1", "2026-11-03T00:00:00Z", 2)]);
    let server = Server::start(&turnpike, &[]);
    let first = bill(&server, "a1");
    assert_eq!(first["as_of"], "2026-11-20T00:00:00Z");
    // 17 days of 24 hours of 2 vCPU at 0.0416 are 33.9456.
    assert_eq!(first["invoice"]["net"]["amount"], "33.95", "{first}");
    assert_eq!(bill(&server, "a2")["invoice"], Value::Null);

    // Another process adds a late resize and more usage.
    let late = [
        machine("e-2", "t-1", "2026-11-02T00:00:00Z", 1),
        requests("e-3", "t-1", "2026-11-19T00:00:00Z", 3),
        requests("e-4", "t-2", "2026-11-19T00:00:00Z", 1),
    ];
    ingest(&turnpike, "b.jsonl", &late);
    let then = bill(&server, "a1");
    turnpike.ok(&["rate", "--period", "2026-11"]);
    turnpike.ok(&["invoice", "draft", "--period", "2026-11"]);
    let drafts = turnpike.json(&["invoice", "list", "--period", "2026-11"]);
    for draft in drafts.as_array().unwrap() {
        let id = draft["id"].as_str().unwrap();
        let invoice = turnpike.json(&["invoice", "show", id]);
        let live = bill(&server, draft["account"].as_str().unwrap());
        for sum in ["net", "tax", "gross"] {
            assert_eq!(live["invoice"][sum], invoice[sum], "{sum} of {draft}");
        }
        let exact = |invoice: &Value| -> Vec<Value> {
            let charges = invoice["charges"].as_array().unwrap().iter();
            charges.map(|charge| charge["exact"].clone()).collect()
        };
        assert_eq!(exact(&live["invoice"]), exact(&invoice), "{draft}");
    }
    assert_eq!(drafts.as_array().unwrap().len(), 2);
    assert_ne!(then["invoice"]["net"], first["invoice"]["net"]);
    // A foreign id is answered like a missing one, and a customer without a session not at all.
    assert_eq!(server.get("/accounts/nobody/bill/json").unwrap().status, 404);
    assert_eq!(server.get("/portal/bill/json").unwrap().status, 401);
    server.stop();
}
