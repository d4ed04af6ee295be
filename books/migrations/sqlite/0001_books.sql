-- Types: INTEGER holds 64 bits. Instants are microseconds since 1970, money is minor units, days and
-- ids are text. Tables are STRICT, so that a column never holds another type than it says.

-- A row to hold while something is read and then written: `UPDATE` locks it in both databases.
CREATE TABLE lock_row (
    name TEXT PRIMARY KEY,
    taken INTEGER NOT NULL
) STRICT;

CREATE TABLE book_version (
    version INTEGER PRIMARY KEY,
    hash TEXT NOT NULL,
    text TEXT NOT NULL,
    canonical TEXT NOT NULL,
    imported_at INTEGER NOT NULL,
    actor TEXT NOT NULL
) STRICT;
CREATE INDEX book_version_hash ON book_version (hash);

CREATE TABLE run (
    id TEXT PRIMARY KEY,
    label TEXT NOT NULL,
    as_of INTEGER NOT NULL,
    raw_version INTEGER NOT NULL,
    usage_version INTEGER NOT NULL,
    book_hash TEXT NOT NULL,
    code_version TEXT NOT NULL,
    result_hash TEXT NOT NULL,
    lines INTEGER NOT NULL,
    accounts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL
) STRICT;
CREATE INDEX run_created ON run (created_at);

CREATE TABLE run_total (
    run TEXT NOT NULL REFERENCES run (id),
    currency TEXT NOT NULL,
    numerator TEXT NOT NULL,
    denominator TEXT NOT NULL,
    PRIMARY KEY (run, currency)
) STRICT;

CREATE TABLE parked (
    run TEXT NOT NULL REFERENCES run (id),
    position INTEGER NOT NULL,
    account TEXT NOT NULL,
    seller TEXT NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run, position)
) STRICT;

CREATE TABLE unassigned (
    run TEXT NOT NULL REFERENCES run (id),
    position INTEGER NOT NULL,
    owner TEXT,
    resource TEXT NOT NULL,
    meter TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    PRIMARY KEY (run, position)
) STRICT;

CREATE TABLE invoice_draft (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    account_name TEXT NOT NULL,
    seller TEXT NOT NULL,
    seller_name TEXT NOT NULL,
    currency TEXT NOT NULL,
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    period_label TEXT NOT NULL,
    run TEXT NOT NULL REFERENCES run (id),
    net INTEGER NOT NULL,
    tax INTEGER NOT NULL,
    gross INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    canonical TEXT NOT NULL,
    UNIQUE (account, period_start, period_end, currency)
) STRICT;

-- What each party receives of a draft, summed over its charges.
CREATE TABLE invoice_draft_share (
    invoice TEXT NOT NULL REFERENCES invoice_draft (id) ON DELETE CASCADE,
    party TEXT NOT NULL,
    role TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (invoice, party, role)
) STRICT;

-- One row per run of numbers. Taking a number updates it, which locks it until the end of the
-- transaction; a rollback gives the number back, so there are no gaps.
CREATE TABLE series (
    name TEXT PRIMARY KEY,
    seller TEXT NOT NULL,
    last INTEGER NOT NULL,
    last_hash TEXT NOT NULL
) STRICT;

CREATE TABLE invoice (
    id TEXT PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    series TEXT NOT NULL REFERENCES series (name),
    sequence INTEGER NOT NULL,
    account TEXT NOT NULL,
    account_name TEXT NOT NULL,
    seller TEXT NOT NULL,
    seller_name TEXT NOT NULL,
    currency TEXT NOT NULL,
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    period_label TEXT NOT NULL,
    issue_date TEXT NOT NULL,
    due_date TEXT,
    run TEXT NOT NULL REFERENCES run (id),
    net INTEGER NOT NULL,
    tax INTEGER NOT NULL,
    gross INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    canonical TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    finalized_at INTEGER NOT NULL,
    UNIQUE (series, sequence),
    UNIQUE (account, period_start, period_end, currency)
) STRICT;

CREATE TABLE invoice_line (
    invoice TEXT NOT NULL REFERENCES invoice (id) DEFERRABLE INITIALLY DEFERRED,
    line INTEGER NOT NULL,
    service TEXT NOT NULL,
    resource TEXT NOT NULL,
    resource_kind TEXT NOT NULL,
    project TEXT,
    site TEXT,
    meter TEXT NOT NULL,
    tariff TEXT NOT NULL,
    tariff_version TEXT NOT NULL,
    agreement TEXT,
    tax_category TEXT NOT NULL,
    net INTEGER NOT NULL,
    PRIMARY KEY (invoice, line)
) STRICT;

CREATE TABLE invoice_share (
    invoice TEXT NOT NULL REFERENCES invoice (id) DEFERRABLE INITIALLY DEFERRED,
    line INTEGER NOT NULL,
    position INTEGER NOT NULL,
    party TEXT NOT NULL,
    role TEXT NOT NULL,
    weight_ppm INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (invoice, line, position)
) STRICT;

CREATE TABLE invoice_tax (
    invoice TEXT NOT NULL REFERENCES invoice (id) DEFERRABLE INITIALLY DEFERRED,
    position INTEGER NOT NULL,
    category TEXT NOT NULL,
    code TEXT NOT NULL,
    rate_ppm INTEGER NOT NULL,
    base INTEGER NOT NULL,
    tax INTEGER NOT NULL,
    PRIMARY KEY (invoice, position)
) STRICT;

CREATE TABLE invoice_document (
    invoice TEXT NOT NULL REFERENCES invoice (id) DEFERRABLE INITIALLY DEFERRED,
    audience TEXT NOT NULL,
    html TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (invoice, audience)
) STRICT;

-- Tariff versions and agreements that an invoice was made from, by the hash of their terms: a later
-- book may not say otherwise.
CREATE TABLE invoice_terms (
    invoice TEXT NOT NULL REFERENCES invoice (id) DEFERRABLE INITIALLY DEFERRED,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    hash TEXT NOT NULL,
    used_to INTEGER NOT NULL,
    PRIMARY KEY (invoice, kind, id)
) STRICT;
CREATE INDEX invoice_terms_id ON invoice_terms (kind, id);

CREATE TABLE ledger_transaction (
    id TEXT PRIMARY KEY,
    source_kind TEXT NOT NULL,
    source_id TEXT NOT NULL,
    party TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (source_kind, source_id)
) STRICT;

CREATE TABLE posting (
    ledger_transaction TEXT NOT NULL
        REFERENCES ledger_transaction (id) DEFERRABLE INITIALLY DEFERRED,
    leg INTEGER NOT NULL,
    party TEXT NOT NULL,
    ledger_account TEXT NOT NULL,
    counterpart TEXT NOT NULL,
    currency TEXT NOT NULL,
    -- Debits are positive, credits negative.
    amount INTEGER NOT NULL,
    PRIMARY KEY (ledger_transaction, leg)
) STRICT;
CREATE INDEX posting_account ON posting (party, ledger_account, counterpart, currency);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE VIEW invoice_entry AS
SELECT id, 'draft' AS status, NULL AS number, account, account_name, seller, seller_name,
    currency, period_start, period_end, period_label, NULL AS issue_date,
    NULL AS due_date, run, net, tax, gross, estimated, NULL AS finalized_at, canonical
FROM invoice_draft
UNION ALL
SELECT id, 'finalized', number, account, account_name, seller, seller_name,
    currency, period_start, period_end, period_label, issue_date,
    due_date, run, net, tax, gross, estimated, finalized_at, canonical
FROM invoice;

CREATE VIEW share_entry AS
SELECT share.invoice, entry.seller, entry.account, entry.period_label, entry.currency,
    share.party, share.role, share.amount
FROM invoice_draft_share AS share
JOIN invoice_draft AS entry ON entry.id = share.invoice
UNION ALL
SELECT share.invoice, entry.seller, entry.account, entry.period_label, entry.currency,
    share.party, share.role, share.amount
FROM invoice_share AS share
JOIN invoice AS entry ON entry.id = share.invoice;

-- What is final stays. UPDATE and DELETE are refused row by row; `recursive_triggers` makes REPLACE
-- count as a DELETE.
CREATE TRIGGER book_version_no_update BEFORE UPDATE ON book_version
BEGIN SELECT RAISE(ABORT, 'book_version is immutable'); END;
CREATE TRIGGER book_version_no_delete BEFORE DELETE ON book_version
BEGIN SELECT RAISE(ABORT, 'book_version is immutable'); END;
CREATE TRIGGER invoice_no_update BEFORE UPDATE ON invoice
BEGIN SELECT RAISE(ABORT, 'invoice is immutable'); END;
CREATE TRIGGER invoice_no_delete BEFORE DELETE ON invoice
BEGIN SELECT RAISE(ABORT, 'invoice is immutable'); END;
CREATE TRIGGER invoice_line_no_update BEFORE UPDATE ON invoice_line
BEGIN SELECT RAISE(ABORT, 'invoice_line is immutable'); END;
CREATE TRIGGER invoice_line_no_delete BEFORE DELETE ON invoice_line
BEGIN SELECT RAISE(ABORT, 'invoice_line is immutable'); END;
CREATE TRIGGER invoice_share_no_update BEFORE UPDATE ON invoice_share
BEGIN SELECT RAISE(ABORT, 'invoice_share is immutable'); END;
CREATE TRIGGER invoice_share_no_delete BEFORE DELETE ON invoice_share
BEGIN SELECT RAISE(ABORT, 'invoice_share is immutable'); END;
CREATE TRIGGER invoice_tax_no_update BEFORE UPDATE ON invoice_tax
BEGIN SELECT RAISE(ABORT, 'invoice_tax is immutable'); END;
CREATE TRIGGER invoice_tax_no_delete BEFORE DELETE ON invoice_tax
BEGIN SELECT RAISE(ABORT, 'invoice_tax is immutable'); END;
CREATE TRIGGER invoice_document_no_update BEFORE UPDATE ON invoice_document
BEGIN SELECT RAISE(ABORT, 'invoice_document is immutable'); END;
CREATE TRIGGER invoice_document_no_delete BEFORE DELETE ON invoice_document
BEGIN SELECT RAISE(ABORT, 'invoice_document is immutable'); END;
CREATE TRIGGER invoice_terms_no_update BEFORE UPDATE ON invoice_terms
BEGIN SELECT RAISE(ABORT, 'invoice_terms is immutable'); END;
CREATE TRIGGER invoice_terms_no_delete BEFORE DELETE ON invoice_terms
BEGIN SELECT RAISE(ABORT, 'invoice_terms is immutable'); END;
CREATE TRIGGER ledger_transaction_no_update BEFORE UPDATE ON ledger_transaction
BEGIN SELECT RAISE(ABORT, 'ledger_transaction is immutable'); END;
CREATE TRIGGER ledger_transaction_no_delete BEFORE DELETE ON ledger_transaction
BEGIN SELECT RAISE(ABORT, 'ledger_transaction is immutable'); END;
CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting
BEGIN SELECT RAISE(ABORT, 'posting is immutable'); END;
CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting
BEGIN SELECT RAISE(ABORT, 'posting is immutable'); END;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit is immutable'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit is immutable'); END;

-- The row of an invoice or transaction is written last and seals what was written before it.
CREATE TRIGGER invoice_line_sealed BEFORE INSERT ON invoice_line
WHEN EXISTS (SELECT 1 FROM invoice WHERE id = NEW.invoice)
BEGIN SELECT RAISE(ABORT, 'invoice_line is sealed'); END;
CREATE TRIGGER invoice_share_sealed BEFORE INSERT ON invoice_share
WHEN EXISTS (SELECT 1 FROM invoice WHERE id = NEW.invoice)
BEGIN SELECT RAISE(ABORT, 'invoice_share is sealed'); END;
CREATE TRIGGER invoice_tax_sealed BEFORE INSERT ON invoice_tax
WHEN EXISTS (SELECT 1 FROM invoice WHERE id = NEW.invoice)
BEGIN SELECT RAISE(ABORT, 'invoice_tax is sealed'); END;
CREATE TRIGGER invoice_document_sealed BEFORE INSERT ON invoice_document
WHEN EXISTS (SELECT 1 FROM invoice WHERE id = NEW.invoice)
BEGIN SELECT RAISE(ABORT, 'invoice_document is sealed'); END;
CREATE TRIGGER invoice_terms_sealed BEFORE INSERT ON invoice_terms
WHEN EXISTS (SELECT 1 FROM invoice WHERE id = NEW.invoice)
BEGIN SELECT RAISE(ABORT, 'invoice_terms is sealed'); END;
CREATE TRIGGER posting_sealed BEFORE INSERT ON posting
WHEN EXISTS (SELECT 1 FROM ledger_transaction WHERE id = NEW.ledger_transaction)
BEGIN SELECT RAISE(ABORT, 'posting is sealed'); END;
