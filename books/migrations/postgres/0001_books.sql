-- Types as in the SQLite text: instants are microseconds since 1970, money is minor units, days and
-- ids are text. The collation is "C", so that texts sort and fold case as in SQLite.

-- A row to hold while something is read and then written: `UPDATE` locks it in both databases.
CREATE TABLE lock_row (
    name TEXT COLLATE "C" PRIMARY KEY,
    taken BIGINT NOT NULL
);

CREATE TABLE book_version (
    version BIGINT PRIMARY KEY,
    hash TEXT COLLATE "C" NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    canonical TEXT COLLATE "C" NOT NULL,
    imported_at BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL
);
CREATE INDEX book_version_hash ON book_version (hash);

CREATE TABLE run (
    id TEXT COLLATE "C" PRIMARY KEY,
    label TEXT COLLATE "C" NOT NULL,
    as_of BIGINT NOT NULL,
    raw_version BIGINT NOT NULL,
    usage_version BIGINT NOT NULL,
    book_hash TEXT COLLATE "C" NOT NULL,
    code_version TEXT COLLATE "C" NOT NULL,
    result_hash TEXT COLLATE "C" NOT NULL,
    lines BIGINT NOT NULL,
    accounts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL
);
CREATE INDEX run_created ON run (created_at);

CREATE TABLE run_total (
    run TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    currency TEXT COLLATE "C" NOT NULL,
    numerator TEXT COLLATE "C" NOT NULL,
    denominator TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (run, currency)
);

CREATE TABLE parked (
    run TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    position BIGINT NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    seller TEXT COLLATE "C" NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (run, position)
);

CREATE TABLE unassigned (
    run TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    position BIGINT NOT NULL,
    owner TEXT COLLATE "C",
    resource TEXT COLLATE "C" NOT NULL,
    meter TEXT COLLATE "C" NOT NULL,
    first_seen BIGINT NOT NULL,
    seconds BIGINT NOT NULL,
    PRIMARY KEY (run, position)
);

CREATE TABLE invoice_draft (
    id TEXT COLLATE "C" PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL,
    account_name TEXT COLLATE "C" NOT NULL,
    seller TEXT COLLATE "C" NOT NULL,
    seller_name TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    period_start BIGINT NOT NULL,
    period_end BIGINT NOT NULL,
    period_label TEXT COLLATE "C" NOT NULL,
    run TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    net BIGINT NOT NULL,
    tax BIGINT NOT NULL,
    gross BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    canonical TEXT COLLATE "C" NOT NULL,
    UNIQUE (account, period_start, period_end, currency)
);

-- What each party receives of a draft, summed over its charges.
CREATE TABLE invoice_draft_share (
    invoice TEXT COLLATE "C" NOT NULL REFERENCES invoice_draft (id) ON DELETE CASCADE,
    party TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (invoice, party, role)
);

-- One row per run of numbers. Taking a number updates it, which locks it until the end of the
-- transaction; a rollback gives the number back, so there are no gaps.
CREATE TABLE series (
    name TEXT COLLATE "C" PRIMARY KEY,
    seller TEXT COLLATE "C" NOT NULL,
    last BIGINT NOT NULL,
    last_hash TEXT COLLATE "C" NOT NULL
);

CREATE TABLE invoice (
    id TEXT COLLATE "C" PRIMARY KEY,
    number TEXT COLLATE "C" NOT NULL UNIQUE,
    series TEXT COLLATE "C" NOT NULL REFERENCES series (name),
    sequence BIGINT NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    account_name TEXT COLLATE "C" NOT NULL,
    seller TEXT COLLATE "C" NOT NULL,
    seller_name TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    period_start BIGINT NOT NULL,
    period_end BIGINT NOT NULL,
    period_label TEXT COLLATE "C" NOT NULL,
    issue_date TEXT COLLATE "C" NOT NULL,
    due_date TEXT COLLATE "C",
    run TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    net BIGINT NOT NULL,
    tax BIGINT NOT NULL,
    gross BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    canonical TEXT COLLATE "C" NOT NULL,
    previous_hash TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    finalized_at BIGINT NOT NULL,
    UNIQUE (series, sequence),
    UNIQUE (account, period_start, period_end, currency)
);

CREATE TABLE invoice_line (
    invoice TEXT COLLATE "C" NOT NULL REFERENCES invoice (id) DEFERRABLE INITIALLY DEFERRED,
    line BIGINT NOT NULL,
    service TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    resource_kind TEXT COLLATE "C" NOT NULL,
    project TEXT COLLATE "C",
    site TEXT COLLATE "C",
    meter TEXT COLLATE "C" NOT NULL,
    tariff TEXT COLLATE "C" NOT NULL,
    tariff_version TEXT COLLATE "C" NOT NULL,
    agreement TEXT COLLATE "C",
    tax_category TEXT COLLATE "C" NOT NULL,
    net BIGINT NOT NULL,
    PRIMARY KEY (invoice, line)
);

CREATE TABLE invoice_share (
    invoice TEXT COLLATE "C" NOT NULL REFERENCES invoice (id) DEFERRABLE INITIALLY DEFERRED,
    line BIGINT NOT NULL,
    position BIGINT NOT NULL,
    party TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    weight_ppm BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (invoice, line, position)
);

CREATE TABLE invoice_tax (
    invoice TEXT COLLATE "C" NOT NULL REFERENCES invoice (id) DEFERRABLE INITIALLY DEFERRED,
    position BIGINT NOT NULL,
    category TEXT COLLATE "C" NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    rate_ppm BIGINT NOT NULL,
    base BIGINT NOT NULL,
    tax BIGINT NOT NULL,
    PRIMARY KEY (invoice, position)
);

CREATE TABLE invoice_document (
    invoice TEXT COLLATE "C" NOT NULL REFERENCES invoice (id) DEFERRABLE INITIALLY DEFERRED,
    audience TEXT COLLATE "C" NOT NULL,
    html TEXT COLLATE "C" NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (invoice, audience)
);

-- Tariff versions and agreements that an invoice was made from, by the hash of their terms: a later
-- book may not say otherwise.
CREATE TABLE invoice_terms (
    invoice TEXT COLLATE "C" NOT NULL REFERENCES invoice (id) DEFERRABLE INITIALLY DEFERRED,
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    used_to BIGINT NOT NULL,
    PRIMARY KEY (invoice, kind, id)
);
CREATE INDEX invoice_terms_id ON invoice_terms (kind, id);

CREATE TABLE ledger_transaction (
    id TEXT COLLATE "C" PRIMARY KEY,
    source_kind TEXT COLLATE "C" NOT NULL,
    source_id TEXT COLLATE "C" NOT NULL,
    party TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    UNIQUE (source_kind, source_id)
);

CREATE TABLE posting (
    ledger_transaction TEXT COLLATE "C" NOT NULL
        REFERENCES ledger_transaction (id) DEFERRABLE INITIALLY DEFERRED,
    leg BIGINT NOT NULL,
    party TEXT COLLATE "C" NOT NULL,
    ledger_account TEXT COLLATE "C" NOT NULL,
    counterpart TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    -- Debits are positive, credits negative.
    amount BIGINT NOT NULL,
    PRIMARY KEY (ledger_transaction, leg)
);
CREATE INDEX posting_account ON posting (party, ledger_account, counterpart, currency);

CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    object TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL
);

CREATE VIEW invoice_entry AS
SELECT id, 'draft' AS status, CAST(NULL AS TEXT) AS number, account, account_name, seller, seller_name,
    currency, period_start, period_end, period_label, CAST(NULL AS TEXT) AS issue_date,
    CAST(NULL AS TEXT) AS due_date, run, net, tax, gross, estimated, CAST(NULL AS BIGINT) AS finalized_at, canonical
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

-- What is final stays: UPDATE, DELETE and TRUNCATE are refused.
CREATE FUNCTION turnpike_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is immutable', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER book_version_no_update BEFORE UPDATE ON book_version
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER book_version_no_delete BEFORE DELETE ON book_version
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER book_version_no_truncate BEFORE TRUNCATE ON book_version
    FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_no_update BEFORE UPDATE ON invoice
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_no_delete BEFORE DELETE ON invoice
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_no_truncate BEFORE TRUNCATE ON invoice
    FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_line_no_update BEFORE UPDATE ON invoice_line
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_line_no_delete BEFORE DELETE ON invoice_line
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_line_no_truncate BEFORE TRUNCATE ON invoice_line
    FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_share_no_update BEFORE UPDATE ON invoice_share
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_share_no_delete BEFORE DELETE ON invoice_share
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_share_no_truncate BEFORE TRUNCATE ON invoice_share
    FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_tax_no_update BEFORE UPDATE ON invoice_tax
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_tax_no_delete BEFORE DELETE ON invoice_tax
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_tax_no_truncate BEFORE TRUNCATE ON invoice_tax
    FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_document_no_update BEFORE UPDATE ON invoice_document
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_document_no_delete BEFORE DELETE ON invoice_document
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_document_no_truncate BEFORE TRUNCATE ON invoice_document
    FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_terms_no_update BEFORE UPDATE ON invoice_terms
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_terms_no_delete BEFORE DELETE ON invoice_terms
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER invoice_terms_no_truncate BEFORE TRUNCATE ON invoice_terms
    FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER ledger_transaction_no_update BEFORE UPDATE ON ledger_transaction
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER ledger_transaction_no_delete BEFORE DELETE ON ledger_transaction
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER ledger_transaction_no_truncate BEFORE TRUNCATE ON ledger_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER posting_no_truncate BEFORE TRUNCATE ON posting
    FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION turnpike_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION turnpike_refuse();

-- The row of an invoice or transaction is written last and seals what was written before it.
CREATE FUNCTION turnpike_sealed_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM invoice WHERE id = NEW.invoice) THEN
        RAISE EXCEPTION '% is sealed', TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION turnpike_sealed_posting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM ledger_transaction WHERE id = NEW.ledger_transaction) THEN
        RAISE EXCEPTION 'posting is sealed';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER invoice_line_sealed BEFORE INSERT ON invoice_line
    FOR EACH ROW EXECUTE FUNCTION turnpike_sealed_invoice();
CREATE TRIGGER invoice_share_sealed BEFORE INSERT ON invoice_share
    FOR EACH ROW EXECUTE FUNCTION turnpike_sealed_invoice();
CREATE TRIGGER invoice_tax_sealed BEFORE INSERT ON invoice_tax
    FOR EACH ROW EXECUTE FUNCTION turnpike_sealed_invoice();
CREATE TRIGGER invoice_document_sealed BEFORE INSERT ON invoice_document
    FOR EACH ROW EXECUTE FUNCTION turnpike_sealed_invoice();
CREATE TRIGGER invoice_terms_sealed BEFORE INSERT ON invoice_terms
    FOR EACH ROW EXECUTE FUNCTION turnpike_sealed_invoice();
CREATE TRIGGER posting_sealed BEFORE INSERT ON posting
    FOR EACH ROW EXECUTE FUNCTION turnpike_sealed_posting();
