//! Why the controller refuses something, as Kafka's `ApiError`.

use ottla_base::ErrorCode;
use ottla_config::{ConfigError, ErrorKind};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub code: ErrorCode,
    /// `None` where Kafka leaves the client with its own text for the code.
    pub message: Option<String>,
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError { code, message: Some(message.into()) }
    }

    /// Without a text.
    pub fn bare(code: ErrorCode) -> ApiError {
        ApiError { code, message: None }
    }

    /// More than one batch of the log would hold.
    pub fn too_large() -> ApiError {
        ApiError::new(ErrorCode::PolicyViolation, "Unable to perform excessively large batch operation.")
    }
}

impl From<ConfigError> for ApiError {
    fn from(error: ConfigError) -> ApiError {
        let code = error.controller_error_code();
        match error.kind {
            ErrorKind::IllegalArgument => ApiError::bare(code),
            _ => ApiError::new(code, error.message),
        }
    }
}

/// The two fields of a response.
pub(crate) fn fields(result: &ApiResult<()>) -> (i16, Option<String>) {
    match result {
        Ok(()) => (ErrorCode::None as i16, None),
        Err(error) => (error.code as i16, error.message.clone()),
    }
}
