//! Delegation tokens (KIP-48): made, renewed, expired. Their HMAC is derived from their id and
//! `delegation.token.secret.key`, and never written.

use super::{Controller, Outcome, tick};
use crate::features::MetadataVersion;
use crate::image::VersionedRecord;
use crate::scram::ScramMechanism;
use ottla_base::{ErrorCode, Time};
use ottla_wire::messages::{
    CreateDelegationTokenRequest, CreateDelegationTokenResponse, ExpireDelegationTokenRequest,
    ExpireDelegationTokenResponse, RenewDelegationTokenRequest, RenewDelegationTokenResponse,
};
use ottla_wire::metadata_records::{DelegationTokenRecord, RemoveDelegationTokenRecord};

const USER: &str = "User";

/// Who asks, such as `User:alice`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub principal_type: String,
    pub name: String,
}

impl Principal {
    pub fn new(principal_type: impl Into<String>, name: impl Into<String>) -> Principal {
        Principal { principal_type: principal_type.into(), name: name.into() }
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.principal_type, self.name)
    }
}

/// What proves the possession of a token.
pub fn token_hmac(secret_key: &str, token_id: &str) -> Vec<u8> {
    ScramMechanism::Sha512.hmac(secret_key.as_bytes(), &[token_id.as_bytes()])
}

impl Controller {
    fn token_secret(&self) -> Result<&str, ErrorCode> {
        let Some(secret) = self.config.password("delegation.token.secret.key") else {
            return Err(ErrorCode::DelegationTokenAuthDisabled);
        };
        if self.version() < MetadataVersion::DELEGATION_TOKENS {
            return Err(ErrorCode::UnsupportedVersion);
        }
        Ok(secret)
    }

    fn token(&self, hmac: &[u8]) -> Result<&DelegationTokenRecord, ErrorCode> {
        let secret = self.token_secret()?;
        let is_meant = |token: &&DelegationTokenRecord| token_hmac(secret, &token.token_id) == hmac;
        let token = self.working.image.delegation_tokens.values().map(|token| &**token).find(is_meant);
        token.ok_or(ErrorCode::DelegationTokenNotFound)
    }

    pub fn create_delegation_token(
        &self,
        requester: &Principal,
        request: &CreateDelegationTokenRequest,
        now: Time,
    ) -> Outcome<CreateDelegationTokenResponse> {
        let named = request.owner_principal_name.as_deref().filter(|name| !name.is_empty());
        let owner = match named {
            Some(name) => Principal::new(request.owner_principal_type.clone().unwrap_or_default(), name),
            None => requester.clone(),
        };
        let mut response = CreateDelegationTokenResponse {
            principal_type: owner.principal_type.clone(),
            principal_name: owner.name.clone(),
            token_requester_principal_type: requester.principal_type.clone(),
            token_requester_principal_name: requester.name.clone(),
            ..CreateDelegationTokenResponse::default()
        };
        match self.new_token(&owner, requester, request, now) {
            Ok((token, hmac)) => {
                response.issue_timestamp_ms = token.issue_timestamp;
                response.expiry_timestamp_ms = token.expiration_timestamp;
                response.max_timestamp_ms = token.max_timestamp;
                response.token_id = token.token_id.clone();
                response.hmac = hmac.into();
                Outcome::atomic(vec![(token.into(), 0)], response)
            }
            Err(code) => {
                response.error_code = code as i16;
                Outcome::answer(response)
            }
        }
    }

    fn new_token(
        &self,
        owner: &Principal,
        requester: &Principal,
        request: &CreateDelegationTokenRequest,
        now: Time,
    ) -> Result<(DelegationTokenRecord, Vec<u8>), ErrorCode> {
        let secret = self.token_secret()?;
        let mut renewers = Vec::new();
        for renewer in &request.renewers {
            if renewer.principal_type != USER {
                return Err(ErrorCode::InvalidPrincipalType);
            }
            renewers.push(Principal::new(USER, &renewer.principal_name).to_string());
        }
        let longest = self.config.long("delegation.token.max.lifetime.ms");
        let lifetime = if request.max_lifetime_ms > 0 { longest.min(request.max_lifetime_ms) } else { longest };
        let max_timestamp = now.wall_ms.saturating_add(lifetime);
        let expiry = now.wall_ms.saturating_add(self.config.long("delegation.token.expiry.time.ms"));
        let token_id = self.rng.next_uuid().to_string();
        let hmac = token_hmac(secret, &token_id);
        let record = DelegationTokenRecord {
            owner: owner.to_string(),
            requester: requester.to_string(),
            renewers,
            issue_timestamp: now.wall_ms,
            max_timestamp,
            expiration_timestamp: expiry.min(max_timestamp),
            token_id,
            ..DelegationTokenRecord::default()
        };
        Ok((record, hmac))
    }

    pub fn renew_delegation_token(
        &self,
        requester: &Principal,
        request: &RenewDelegationTokenRequest,
        now: Time,
    ) -> Outcome<RenewDelegationTokenResponse> {
        let renewed = self.token(&request.hmac).and_then(|token| {
            check_live(token, now)?;
            check_owner(token, requester)?;
            let longest = self.config.long("delegation.token.expiry.time.ms");
            let period = if request.renew_period_ms > 0 { longest.min(request.renew_period_ms) } else { longest };
            let expiration_timestamp = token.max_timestamp.min(now.wall_ms.saturating_add(period));
            Ok(DelegationTokenRecord { expiration_timestamp, ..token.clone() })
        });
        match renewed {
            Ok(token) => {
                let expiry_timestamp_ms = token.expiration_timestamp;
                let response = RenewDelegationTokenResponse { expiry_timestamp_ms, ..Default::default() };
                Outcome::atomic(vec![(token.into(), 0)], response)
            }
            Err(code) => {
                Outcome::answer(RenewDelegationTokenResponse { error_code: code as i16, ..Default::default() })
            }
        }
    }

    pub fn expire_delegation_token(
        &self,
        requester: &Principal,
        request: &ExpireDelegationTokenRequest,
        now: Time,
    ) -> Outcome<ExpireDelegationTokenResponse> {
        let expired: Result<(VersionedRecord, i64), ErrorCode> = self.token(&request.hmac).and_then(|token| {
            check_owner(token, requester)?;
            if request.expiry_time_period_ms < 0 {
                let token_id = token.token_id.clone();
                let record = RemoveDelegationTokenRecord { token_id, ..Default::default() };
                return Ok(((record.into(), 0), now.wall_ms));
            }
            check_live(token, now)?;
            let expiry = token.max_timestamp.min(now.wall_ms.saturating_add(request.expiry_time_period_ms));
            let record = DelegationTokenRecord { expiration_timestamp: expiry, ..token.clone() };
            Ok(((record.into(), 0), expiry))
        });
        match expired {
            Ok((record, expiry_timestamp_ms)) => {
                let response = ExpireDelegationTokenResponse { expiry_timestamp_ms, ..Default::default() };
                Outcome::atomic(vec![record], response)
            }
            Err(code) => {
                Outcome::answer(ExpireDelegationTokenResponse { error_code: code as i16, ..Default::default() })
            }
        }
    }

    pub(super) fn expire_tokens(&self, now: Time) -> (Vec<VersionedRecord>, bool) {
        let tokens = self.working.image.delegation_tokens.values().filter(|token| is_expired(token, now));
        let remove = |token: &std::sync::Arc<DelegationTokenRecord>| {
            let token_id = token.token_id.clone();
            (RemoveDelegationTokenRecord { token_id, ..Default::default() }.into(), 0)
        };
        let records: Vec<VersionedRecord> = tokens.take(tick::MAX_STEP).map(remove).collect();
        let more = records.len() == tick::MAX_STEP;
        (records, more)
    }
}

fn is_expired(token: &DelegationTokenRecord, now: Time) -> bool {
    token.max_timestamp < now.wall_ms || token.expiration_timestamp < now.wall_ms
}

fn check_live(token: &DelegationTokenRecord, now: Time) -> Result<(), ErrorCode> {
    if is_expired(token, now) { Err(ErrorCode::DelegationTokenExpired) } else { Ok(()) }
}

fn check_owner(token: &DelegationTokenRecord, requester: &Principal) -> Result<(), ErrorCode> {
    let requester = requester.to_string();
    if token.owner == requester || token.renewers.contains(&requester) {
        return Ok(());
    }
    Err(ErrorCode::DelegationTokenOwnerMismatch)
}
