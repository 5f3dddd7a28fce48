//! What brokers answer from the image about quotas, SCRAM users and ACLs.

use crate::acl::AclFilter;
use crate::image::{ClientQuotasImage, MetadataImage, QuotaEntity, QuotaMap};
use ottla_base::ErrorCode;
use ottla_wire::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use ottla_wire::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use ottla_wire::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use ottla_wire::messages::{
    DescribeAclsRequest, DescribeAclsResponse, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};
use std::collections::BTreeMap;

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;

/// By type: a name, the default (`Some(None)`), or anything of the type (`None`).
type QuotaFilter = BTreeMap<String, Option<Option<String>>>;

impl ClientQuotasImage {
    pub fn describe(&self, request: &DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
        let filter = match quota_filter(request) {
            Ok(filter) => filter,
            Err((code, message)) => {
                return DescribeClientQuotasResponse {
                    error_code: code as i16,
                    error_message: Some(message),
                    entries: None,
                    ..DescribeClientQuotasResponse::default()
                };
            }
        };
        let matches = |entity: &QuotaEntity| {
            (!request.strict || entity.0.len() == filter.len())
                && filter.iter().all(|(kind, wanted)| match (entity.0.get(kind), wanted) {
                    (Some(name), Some(wanted)) => name == wanted,
                    (name, _) => name.is_some(),
                })
        };
        let entries = self.iter().filter(|(entity, _)| matches(entity)).map(|(entity, map)| quota_entry(entity, map));
        DescribeClientQuotasResponse { entries: Some(entries.collect()), ..Default::default() }
    }
}

fn quota_filter(request: &DescribeClientQuotasRequest) -> Result<QuotaFilter, (ErrorCode, String)> {
    let invalid = |message: &str| Err((ErrorCode::InvalidRequest, message.to_owned()));
    let mut filter = QuotaFilter::new();
    for component in &request.components {
        let kind = component.entity_type.as_str();
        if kind.is_empty() {
            return invalid("Invalid empty entity type.");
        }
        if filter.contains_key(kind) {
            return invalid(&format!("Entity type {kind} cannot appear more than once in the filter."));
        }
        if !matches!(kind, "user" | "client-id" | "ip") {
            return Err((ErrorCode::UnsupportedVersion, format!("Unsupported entity type {kind}")));
        }
        let wanted = match (component.match_type, &component.match_) {
            (EXACT, Some(name)) => Some(Some(name.clone())),
            (EXACT, None) => return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null."),
            (DEFAULT, None) => Some(None),
            (DEFAULT, Some(_)) => {
                return invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
            }
            (SPECIFIED, None) => None,
            (SPECIFIED, Some(_)) => {
                return invalid("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
            }
            (other, _) => return invalid(&format!("Unknown match type {other}")),
        };
        filter.insert(kind.to_owned(), wanted);
    }
    if filter.contains_key("ip") && filter.len() > 1 {
        return invalid(
            "Invalid entity filter component combination. IP filter component should not be used with user or clientId \
             filter component.",
        );
    }
    Ok(filter)
}

fn quota_entry(entity: &QuotaEntity, map: &QuotaMap) -> EntryData {
    let data = |(entity_type, entity_name): (&String, &Option<String>)| EntityData {
        entity_type: entity_type.clone(),
        entity_name: entity_name.clone(),
        ..EntityData::default()
    };
    let value = |(key, value): (&String, &f64)| ValueData { key: key.clone(), value: *value, ..ValueData::default() };
    EntryData {
        entity: entity.0.iter().map(data).collect(),
        values: map.iter().map(value).collect(),
        ..EntryData::default()
    }
}

impl MetadataImage {
    pub fn describe_scram_users(
        &self,
        request: &DescribeUserScramCredentialsRequest,
    ) -> DescribeUserScramCredentialsResponse {
        // How often each is asked for.
        let mut users: BTreeMap<&str, u32> = BTreeMap::new();
        match request.users.as_deref() {
            None | Some([]) => users.extend(self.scram.keys().map(|(_, user)| (user.as_str(), 1))),
            Some(named) => named.iter().for_each(|user| *users.entry(&user.name).or_default() += 1),
        }
        let results = users.into_iter().map(|(user, times)| self.describe_scram_user(user, times > 1)).collect();
        DescribeUserScramCredentialsResponse { results, ..Default::default() }
    }

    fn describe_scram_user(&self, user: &str, twice: bool) -> DescribeUserScramCredentialsResult {
        let info = |mechanism: i8| {
            let record = self.scram.get(&(mechanism, user.to_owned()))?;
            Some(CredentialInfo { mechanism, iterations: record.iterations, ..CredentialInfo::default() })
        };
        let credential_infos: Vec<CredentialInfo> = [1, 2].into_iter().filter_map(info).collect();
        let error = if twice {
            Some((
                ErrorCode::DuplicateResource,
                format!("Cannot describe SCRAM credentials for the same user twice in a single request: {user}"),
            ))
        } else if credential_infos.is_empty() {
            let message = format!("Attempt to describe a user credential that does not exist: {user}");
            Some((ErrorCode::ResourceNotFound, message))
        } else {
            None
        };
        DescribeUserScramCredentialsResult {
            user: user.to_owned(),
            error_code: error.as_ref().map_or(0, |(code, _)| *code as i16),
            // Empty, not absent, where there is none.
            error_message: Some(error.as_ref().map(|(_, message)| message.clone()).unwrap_or_default()),
            credential_infos: if error.is_none() { credential_infos } else { Vec::new() },
            ..DescribeUserScramCredentialsResult::default()
        }
    }

    /// With an authorizer configured; otherwise the answer is SECURITY_DISABLED, which is for the caller to give.
    pub fn describe_acls(&self, request: &DescribeAclsRequest) -> DescribeAclsResponse {
        let filter = AclFilter {
            resource_type: request.resource_type_filter,
            resource_name: request.resource_name_filter.clone(),
            pattern_type: request.pattern_type_filter,
            principal: request.principal_filter.clone(),
            host: request.host_filter.clone(),
            operation: request.operation,
            permission_type: request.permission_type,
        };
        let mut resources: BTreeMap<(i8, &str, i8), Vec<AclDescription>> = BTreeMap::new();
        for acl in self.acls.values().filter(|acl| filter.matches(acl)) {
            let description = AclDescription {
                principal: acl.principal.clone(),
                host: acl.host.clone(),
                operation: acl.operation,
                permission_type: acl.permission_type,
                ..AclDescription::default()
            };
            let acls = resources.entry((acl.resource_type, &acl.resource_name, acl.pattern_type)).or_default();
            if !acls.contains(&description) {
                acls.push(description);
            }
        }
        let resource = |((resource_type, name, pattern_type), acls): ((i8, &str, i8), _)| DescribeAclsResource {
            resource_type,
            resource_name: name.to_owned(),
            pattern_type,
            acls,
            ..DescribeAclsResource::default()
        };
        let resources = resources.into_iter().map(resource).collect();
        DescribeAclsResponse { resources, ..Default::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{BatchInfo, MetadataLoader};
    use ottla_wire::messages::describe_client_quotas_request::ComponentData;
    use ottla_wire::messages::describe_user_scram_credentials_request::UserName;
    use ottla_wire::metadata_records::client_quota_record::EntityData as RecordEntity;
    use ottla_wire::metadata_records::*;
    use std::sync::Arc;

    fn image(records: Vec<MetadataRecord>) -> Arc<MetadataImage> {
        let mut loader = MetadataLoader::default();
        loader.load_batch(BatchInfo { last_offset: 9, epoch: 1, timestamp: 0 }, records).unwrap();
        loader.flush().unwrap().image
    }

    fn quota(entity: &[(&str, Option<&str>)]) -> MetadataRecord {
        let data = |(kind, name): &(&str, Option<&str>)| RecordEntity {
            entity_type: kind.to_string(),
            entity_name: name.map(str::to_owned),
            ..Default::default()
        };
        let entity = entity.iter().map(data).collect();
        ClientQuotaRecord { entity, key: "producer_byte_rate".to_owned(), value: 5.0, ..Default::default() }.into()
    }

    /// How many entries match, or the error.
    fn check(components: &[(&str, i8, Option<&str>)], strict: bool, expect: &str) {
        let image = image(vec![
            quota(&[("user", Some("a"))]),
            quota(&[("user", None)]),
            quota(&[("user", Some("a")), ("client-id", None)]),
            quota(&[("ip", Some("1.2.3.4"))]),
        ]);
        let component = |(kind, match_type, name): &(&str, i8, Option<&str>)| ComponentData {
            entity_type: kind.to_string(),
            match_type: *match_type,
            match_: name.map(str::to_owned),
            ..Default::default()
        };
        let components = components.iter().map(component).collect();
        let request = DescribeClientQuotasRequest { components, strict, ..Default::default() };
        let response = image.client_quotas.describe(&request);
        let count = response.entries.as_ref().map(|entries| entries.len().to_string());
        assert_eq!(count.or(response.error_message).as_deref(), Some(expect));
    }

    #[test]
    fn quotas() {
        check(&[], false, "4");
        check(&[], true, "0");
        check(&[("user", EXACT, Some("a"))], false, "2");
        check(&[("user", EXACT, Some("a"))], true, "1");
        check(&[("user", DEFAULT, None)], false, "1");
        check(&[("user", SPECIFIED, None)], false, "3");
        check(&[("user", SPECIFIED, None), ("client-id", DEFAULT, None)], true, "1");
        check(&[("user", EXACT, None)], true, "Request specified MATCH_TYPE_EXACT, but set match string to null.");
        check(&[("x", EXACT, None)], true, "Unsupported entity type x");
        check(&[("user", 9, None)], true, "Unknown match type 9");
    }

    #[test]
    fn scram_users() {
        let user = |name: &str, mechanism| {
            let name = name.to_owned();
            UserScramCredentialRecord { name, mechanism, iterations: 4096, ..Default::default() }.into()
        };
        let image = image(vec![user("a", 1), user("a", 2), user("b", 2)]);
        let ask = |names: &[&str]| {
            let name = |name: &&str| UserName { name: name.to_string(), ..Default::default() };
            let users = Some(names.iter().map(name).collect());
            let response =
                image.describe_scram_users(&DescribeUserScramCredentialsRequest { users, ..Default::default() });
            let result = |r: &DescribeUserScramCredentialsResult| {
                format!("{} {} {}", r.user, ErrorCode::from_code(r.error_code).name(), r.credential_infos.len())
            };
            response.results.iter().map(result).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(ask(&[]), "a NONE 2, b NONE 1");
        assert_eq!(ask(&["b", "b", "c"]), "b DUPLICATE_RESOURCE 0, c RESOURCE_NOT_FOUND 0");
    }

    #[test]
    fn acls() {
        let acl = |n: u8, name: &str| {
            let record = AccessControlEntryRecord {
                id: ottla_base::Uuid([n; 16]),
                resource_type: 2,
                resource_name: name.to_owned(),
                pattern_type: 3,
                principal: format!("User:{n}"),
                host: "*".to_owned(),
                operation: 3,
                permission_type: 3,
                ..Default::default()
            };
            record.into()
        };
        let image = image(vec![acl(1, "a"), acl(2, "a"), acl(3, "b")]);
        let request = DescribeAclsRequest {
            resource_type_filter: 1,
            resource_name_filter: None,
            pattern_type_filter: 1,
            principal_filter: None,
            host_filter: None,
            operation: 1,
            permission_type: 1,
            ..Default::default()
        };
        let found = image.describe_acls(&request).resources;
        let shown: Vec<_> = found.iter().map(|r| (r.resource_name.as_str(), r.acls.len())).collect();
        assert_eq!(shown, [("a", 2), ("b", 1)]);
    }
}
