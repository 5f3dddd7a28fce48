//! CreateAcls and DeleteAcls.

use super::error::{ApiError, ApiResult, fields};
use super::{Controller, MAX_RECORDS_PER_BATCH, Outcome};
use crate::acl::{AclFilter, check_new};
use crate::image::VersionedRecord;
use ottla_base::{ErrorCode, Uuid};
use ottla_wire::messages::create_acls_response::AclCreationResult;
use ottla_wire::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use ottla_wire::messages::{CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse};
use ottla_wire::metadata_records::{AccessControlEntryRecord, RemoveAccessControlEntryRecord};
use std::collections::BTreeSet;

const CLUSTER: i8 = 4;
const CLUSTER_NAME: &str = "kafka-cluster";

/// Two ACLs that differ only in their id are one.
type Content = (i8, String, i8, String, String, i8, i8);

fn content(acl: &AccessControlEntryRecord) -> Content {
    (
        acl.resource_type,
        acl.resource_name.clone(),
        acl.pattern_type,
        acl.principal.clone(),
        acl.host.clone(),
        acl.operation,
        acl.permission_type,
    )
}

impl Controller {
    fn check_authorizer(&self) -> ApiResult<()> {
        match self.config.optional_string("authorizer.class.name") {
            None | Some("") => Err(ApiError::new(ErrorCode::SecurityDisabled, "No Authorizer is configured.")),
            Some(_) => Ok(()),
        }
    }

    pub fn create_acls(&self, request: &CreateAclsRequest) -> Outcome<CreateAclsResponse> {
        let mut known: BTreeSet<Content> = self.working.image.acls.values().map(|acl| content(acl)).collect();
        let mut records: Vec<VersionedRecord> = Vec::new();
        let mut create = |acl: AccessControlEntryRecord| {
            self.check_authorizer()?;
            check_resource(&acl)?;
            check_new(&acl).map_err(|message| ApiError::new(ErrorCode::InvalidRequest, message))?;
            if known.insert(content(&acl)) {
                records.push((AccessControlEntryRecord { id: self.rng.next_uuid(), ..acl }.into(), 0));
            }
            Ok(())
        };
        let mut results = Vec::new();
        for creation in &request.creations {
            let created = create(AccessControlEntryRecord {
                id: Uuid::ZERO,
                resource_type: creation.resource_type,
                resource_name: creation.resource_name.clone(),
                pattern_type: creation.resource_pattern_type,
                principal: creation.principal.clone(),
                host: creation.host.clone(),
                operation: creation.operation,
                permission_type: creation.permission_type,
                ..AccessControlEntryRecord::default()
            });
            results.push(match fields(&created) {
                // The text of success is an empty one here.
                (0, _) => AclCreationResult::default(),
                (error_code, error_message) => AclCreationResult { error_code, error_message, ..Default::default() },
            });
        }
        if records.len() > MAX_RECORDS_PER_BATCH {
            let (error_code, error_message) = fields(&Err(ApiError::too_large()));
            let result = AclCreationResult { error_code, error_message, ..Default::default() };
            results = vec![result; request.creations.len()];
            records.clear();
        }
        Outcome::atomic(records, CreateAclsResponse { results, ..Default::default() })
    }

    pub fn delete_acls(&self, request: &DeleteAclsRequest) -> Outcome<DeleteAclsResponse> {
        let mut doomed: BTreeSet<Uuid> = BTreeSet::new();
        let mut results = Vec::new();
        for filter in &request.filters {
            let matched = self.matching_acls(&AclFilter::from(filter));
            let (error_code, error_message) = fields(&matched.as_ref().map(|_| ()).map_err(Clone::clone));
            let matched = matched.unwrap_or_default();
            doomed.extend(matched.iter().map(|acl| acl.id));
            let matching_acls = matched.into_iter().map(matching).collect();
            results.push(DeleteAclsFilterResult { error_code, error_message, matching_acls, ..Default::default() });
        }
        if doomed.len() > MAX_RECORDS_PER_BATCH {
            let message = format!("Cannot remove more than {MAX_RECORDS_PER_BATCH} acls in a single delete operation.");
            let (error_code, error_message) = fields(&Err(ApiError::new(ErrorCode::InvalidRequest, message)));
            let result = DeleteAclsFilterResult { error_code, error_message, ..Default::default() };
            results = vec![result; request.filters.len()];
            doomed.clear();
        }
        let remove = |id| (RemoveAccessControlEntryRecord { id, ..Default::default() }.into(), 0);
        let records = doomed.into_iter().map(remove).collect();
        Outcome::atomic(records, DeleteAclsResponse { filter_results: results, ..Default::default() })
    }

    fn matching_acls(&self, filter: &AclFilter) -> ApiResult<Vec<&AccessControlEntryRecord>> {
        self.check_authorizer()?;
        filter.check().map_err(|message| ApiError::new(ErrorCode::InvalidRequest, message))?;
        Ok(self.working.image.acls.values().map(|acl| &**acl).filter(|acl| filter.matches(acl)).collect())
    }
}

fn check_resource(acl: &AccessControlEntryRecord) -> ApiResult<()> {
    let refused = |message: String| Err(ApiError::new(ErrorCode::InvalidRequest, message));
    if acl.resource_type == CLUSTER && acl.resource_name != CLUSTER_NAME {
        return refused(format!("The only valid name for the CLUSTER resource is {CLUSTER_NAME}"));
    }
    if acl.resource_name.is_empty() {
        return refused("Invalid empty resource name".to_owned());
    }
    Ok(())
}

fn matching(acl: &AccessControlEntryRecord) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl {
        error_message: None,
        resource_type: acl.resource_type,
        resource_name: acl.resource_name.clone(),
        pattern_type: acl.pattern_type,
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: acl.operation,
        permission_type: acl.permission_type,
        ..DeleteAclsMatchingAcl::default()
    }
}
