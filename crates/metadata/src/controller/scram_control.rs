//! AlterUserScramCredentials (KIP-554, in KRaft by KIP-900).

use super::error::{ApiError, ApiResult, fields};
use super::{Controller, Outcome};
use crate::features::MetadataVersion;
use crate::image::VersionedRecord;
use crate::scram::{MAX_ITERATIONS, MIN_ITERATIONS, ScramMechanism};
use ottla_base::ErrorCode;
use ottla_wire::messages::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use ottla_wire::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use ottla_wire::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use ottla_wire::metadata_records::RemoveUserScramCredentialRecord;
use std::collections::BTreeMap;

impl Controller {
    pub fn alter_user_scram_credentials(
        &self,
        request: &AlterUserScramCredentialsRequest,
    ) -> Outcome<AlterUserScramCredentialsResponse> {
        let mut results: BTreeMap<&str, ApiResult<VersionedRecord>> = BTreeMap::new();
        let mut put = |user, result: ApiResult<VersionedRecord>| match results.get_mut(user) {
            // The first error stays.
            Some(Err(_)) => {}
            Some(done) => {
                let message = "A user credential cannot be altered twice in the same request";
                *done = Err(ApiError::new(ErrorCode::DuplicateResource, message));
            }
            None => drop(results.insert(user, result)),
        };
        for deletion in &request.deletions {
            put(&deletion.name, self.delete_credential(deletion));
        }
        for upsertion in &request.upsertions {
            put(&upsertion.name, self.upsert_credential(upsertion));
        }
        let mut records = Vec::new();
        let mut answers = Vec::new();
        for (user, result) in results {
            let (error_code, error_message) = fields(&result.as_ref().map(|_| ()).map_err(Clone::clone));
            answers.push(AlterUserScramCredentialsResult {
                user: user.to_owned(),
                error_code,
                error_message,
                ..Default::default()
            });
            records.extend(result);
        }
        if records.len() > super::MAX_RECORDS_PER_BATCH {
            records.clear();
            (answers.iter_mut()).for_each(|a| (a.error_code, a.error_message) = fields(&Err(ApiError::too_large())));
        }
        Outcome::atomic(records, AlterUserScramCredentialsResponse { results: answers, ..Default::default() })
    }

    fn check_scram(&self, user: &str, mechanism: i8) -> ApiResult<ScramMechanism> {
        if self.version() < MetadataVersion::SCRAM {
            let message = "The current metadata.version does not support SCRAM";
            return Err(ApiError::new(ErrorCode::UnsupportedVersion, message));
        }
        if user.is_empty() {
            return Err(ApiError::new(ErrorCode::UnacceptableCredential, "Username must not be empty"));
        }
        ScramMechanism::from_code(mechanism)
            .ok_or_else(|| ApiError::new(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism"))
    }

    fn delete_credential(&self, deletion: &ScramCredentialDeletion) -> ApiResult<VersionedRecord> {
        let mechanism = self.check_scram(&deletion.name, deletion.mechanism)?.code();
        if !self.working.image.scram.contains_key(&(mechanism, deletion.name.clone())) {
            let message = "Attempt to delete a user credential that does not exist";
            return Err(ApiError::new(ErrorCode::ResourceNotFound, message));
        }
        let name = deletion.name.clone();
        Ok((RemoveUserScramCredentialRecord { name, mechanism, ..Default::default() }.into(), 0))
    }

    fn upsert_credential(&self, upsertion: &ScramCredentialUpsertion) -> ApiResult<VersionedRecord> {
        let mechanism = self.check_scram(&upsertion.name, upsertion.mechanism)?;
        let refused = |message: &str| Err(ApiError::new(ErrorCode::UnacceptableCredential, message));
        if upsertion.iterations < MIN_ITERATIONS {
            return refused("Too few iterations");
        }
        if upsertion.iterations > MAX_ITERATIONS {
            return refused("Too many iterations");
        }
        if upsertion.salted_password.is_empty() {
            // Java has no HMAC with an empty key.
            return Err(ApiError::bare(ErrorCode::UnknownServerError));
        }
        let record =
            mechanism.credential(&upsertion.name, &upsertion.salt, &upsertion.salted_password, upsertion.iterations);
        Ok((record.into(), 0))
    }
}
