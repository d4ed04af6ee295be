//! [`InvoiceError`]: why an invoice could not be made, finalized or written.

use turnpike_schemas::agreement::AgreementError;
use turnpike_schemas::allocate::AllocateError;
use turnpike_schemas::amount::AmountError;
use turnpike_schemas::money::MoneyError;
use turnpike_schemas::{
    AccountId, AgreementId, Currency, InvoiceId, PartyId, RunId, TariffId, TaxCategoryId,
};

#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    #[error("the book has no account `{0}`")]
    UnknownAccount(AccountId),
    #[error("the book has no party `{party}`, the seller to account `{account}`")]
    UnknownSeller { account: AccountId, party: PartyId },
    #[error("the book has no tariff `{tariff}`, named by rated line {line}")]
    UnknownTariff { line: String, tariff: TariffId },
    #[error("the book has no tax category `{category}`, needed for account `{account}`")]
    UnknownTaxCategory { account: AccountId, category: TaxCategoryId },
    #[error("the book has no agreement `{agreement}`, named by rated line {line}")]
    UnknownAgreement { line: String, agreement: AgreementId },
    #[error(
        "agreement `{agreement}` of rated line {line} is with `{franchisee}`, not with the seller \
         `{seller}`"
    )]
    ForeignAgreement { line: String, agreement: AgreementId, franchisee: PartyId, seller: PartyId },
    #[error(
        "franchisee `{seller}` sells to account `{account}` without an agreement: rated line \
         {line} cannot be split"
    )]
    NoAgreement { line: String, account: AccountId, seller: PartyId },
    #[error("account `{account}` has no rated lines for {label}: there is nothing to invoice")]
    NoLines { account: AccountId, label: String },
    #[error("rated line {line} belongs to account `{found}`, not to `{account}`")]
    ForeignLine { line: String, account: AccountId, found: AccountId },
    #[error("rated line {line} is sold by `{found}`, but account `{account}` buys from `{seller}`")]
    ForeignSeller { line: String, account: AccountId, seller: PartyId, found: PartyId },
    #[error("rated line {line} comes from run `{found}`, not from `{run}`")]
    ForeignRun { line: String, run: RunId, found: RunId },
    #[error("rated line {line} is in {found}, others of account `{account}` in {currency}")]
    MixedCurrencies { line: String, account: AccountId, currency: Currency, found: Currency },
    #[error("rated line {0} is listed twice")]
    DuplicateLine(String),
    #[error("the {what} of account `{account}` does not fit its integer")]
    Overflow { what: &'static str, account: AccountId },
    #[error("the rated lines of charge `{charge}` cannot be summed and rounded")]
    Amount {
        charge: String,
        #[source]
        source: AmountError,
    },
    #[error("charge `{charge}` cannot be split")]
    Split {
        charge: String,
        #[source]
        source: AllocateError,
    },
    #[error("agreement `{agreement}` cannot split charge `{charge}`")]
    Agreement {
        agreement: AgreementId,
        charge: String,
        #[source]
        source: AgreementError,
    },
    #[error("the tax of category `{category}` cannot be computed")]
    Tax {
        category: TaxCategoryId,
        #[source]
        source: AmountError,
    },
    #[error("the {what} of account `{account}` cannot be summed")]
    Total {
        what: &'static str,
        account: AccountId,
        #[source]
        source: MoneyError,
    },
    #[error("invoice `{id}` is finalized already, as {number}")]
    AlreadyFinalized { id: InvoiceId, number: String },
    #[error("`{number}` is no invoice number for `{id}`: it needs 1 to 64 visible characters")]
    Number { id: InvoiceId, number: String },
    #[error(
        "invoice `{id}` holds estimated usage on {lines} of its lines (first: line {first}); \
         finalize it only by accepting the estimate"
    )]
    Estimated { id: InvoiceId, lines: usize, first: u32 },
    #[error("invoice `{id}` has no due date: {payment_days} days after its issue is out of range")]
    DueDate { id: InvoiceId, payment_days: u32 },
    #[error("invoice `{id}` does not add up: {}", findings.join(" "))]
    Inconsistent { id: InvoiceId, findings: Vec<String> },
    #[error("the document of invoice `{id}` cannot be written")]
    Document {
        id: InvoiceId,
        #[source]
        source: askama::Error,
    },
}
