//! [`WebError`]: what a request can end in besides a page.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use turnpike_books::{BooksError, Fault};
use turnpike_lake::LakeError;

use crate::api::ApiFailure;

/// A cause that is logged and never shown.
type Cause = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Missing or foreign: nobody can tell which.
    #[error("nothing is there")]
    NotFound,
    #[error("nobody is signed in")]
    SignIn { next: String },
    #[error("no customer is signed in")]
    NoPortalSession,
    #[error("refused: {0}")]
    Refused(&'static str),
    /// Something this one needs does not answer; it may later.
    #[error("{what} failed")]
    Unavailable {
        what: &'static str,
        #[source]
        source: Cause,
    },
    #[error("{what} failed")]
    Internal {
        what: &'static str,
        #[source]
        source: Cause,
    },
    #[error("{0}")]
    Broken(&'static str),
    /// Of the interface for programs.
    #[error(transparent)]
    Api(#[from] ApiFailure),
}

impl WebError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::SignIn { .. } | Self::NoPortalSession => "sign-in",
            Self::Refused(_) => "refused",
            Self::Unavailable { .. } => "unavailable",
            Self::Internal { .. } | Self::Broken(_) => "internal",
            Self::Api(failure) => failure.code,
        }
    }

    pub fn internal(
        what: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Internal { what, source: Box::new(source) }
    }
}

impl From<BooksError> for WebError {
    fn from(error: BooksError) -> Self {
        let what = "reading the books";
        match error.fault() {
            Fault::External => Self::Unavailable { what, source: Box::new(error) },
            Fault::Caller | Fault::Us => Self::internal(what, error),
        }
    }
}

impl From<LakeError> for WebError {
    fn from(error: LakeError) -> Self {
        Self::Unavailable { what: "reading the lake", source: Box::new(error) }
    }
}

impl From<turnpike_invoices::InvoiceError> for WebError {
    fn from(error: turnpike_invoices::InvoiceError) -> Self {
        Self::internal("writing the document", error)
    }
}

impl From<turnpike_schemas::money::MoneyError> for WebError {
    fn from(error: turnpike_schemas::money::MoneyError) -> Self {
        Self::internal("adding money", error)
    }
}

impl From<askama::Error> for WebError {
    fn from(error: askama::Error) -> Self {
        Self::internal("writing the page", error)
    }
}

impl ResponseError for WebError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::SignIn { .. } => StatusCode::SEE_OTHER,
            Self::NoPortalSession => StatusCode::UNAUTHORIZED,
            Self::Refused(_) => StatusCode::FORBIDDEN,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal { .. } | Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Api(failure) => failure.status,
        }
    }

    /// Bodies of failures are written in one place: `envelope`.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Self::SignIn { next } = self {
            response.insert_header((header::LOCATION, crate::pages::sign_in::address(next)));
        }
        if let Self::Api(failure) = self {
            if let Some(wait) = failure.retry_after {
                response.insert_header((header::RETRY_AFTER, wait.as_secs()));
            }
            if failure.status == StatusCode::UNAUTHORIZED {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
        }
        response.finish()
    }
}
