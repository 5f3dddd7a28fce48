//! Which ACLs a filter means.

use ottla_wire::messages::delete_acls_request::DeleteAclsFilter;
use ottla_wire::metadata_records::AccessControlEntryRecord;

const ANY: i8 = 1;
const MATCH: i8 = 2;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
/// The highest code of each kind that Kafka 4.3 knows.
const LAST_RESOURCE_TYPE: i8 = 7;
const LAST_OPERATION: i8 = 15;
const LAST_PERMISSION: i8 = 3;

/// Of a DescribeAcls or DeleteAcls request; codes are the protocol's, `None` means "any".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclFilter {
    pub resource_type: i8,
    pub resource_name: Option<String>,
    pub pattern_type: i8,
    pub principal: Option<String>,
    pub host: Option<String>,
    pub operation: i8,
    pub permission_type: i8,
}

impl AclFilter {
    /// Why the filter cannot be used.
    pub fn check(&self) -> Result<(), &'static str> {
        let known = |code: i8, last: i8| (ANY..=last).contains(&code);
        if !known(self.resource_type, LAST_RESOURCE_TYPE) || !known(self.pattern_type, PREFIXED) {
            return Err("Unknown patternFilter.");
        }
        if !known(self.operation, LAST_OPERATION) || !known(self.permission_type, LAST_PERMISSION) {
            return Err("Unknown entryFilter.");
        }
        Ok(())
    }

    pub fn matches(&self, acl: &AccessControlEntryRecord) -> bool {
        let code = |filter: i8, value: i8| filter == ANY || filter == value;
        let text = |filter: &Option<String>, value: &String| filter.as_ref().is_none_or(|filter| filter == value);
        code(self.resource_type, acl.resource_type)
            && self.matches_name(acl)
            && text(&self.principal, &acl.principal)
            && text(&self.host, &acl.host)
            && code(self.operation, acl.operation)
            && code(self.permission_type, acl.permission_type)
    }

    fn matches_name(&self, acl: &AccessControlEntryRecord) -> bool {
        if self.pattern_type != ANY && self.pattern_type != MATCH && self.pattern_type != acl.pattern_type {
            return false;
        }
        let Some(name) = &self.resource_name else { return true };
        match (self.pattern_type, acl.pattern_type) {
            // MATCH asks for whatever applies to a resource of this name.
            (MATCH, LITERAL) => *name == acl.resource_name || acl.resource_name == "*",
            (MATCH, PREFIXED) => name.starts_with(&acl.resource_name),
            _ => *name == acl.resource_name,
        }
    }
}

impl From<&DeleteAclsFilter> for AclFilter {
    fn from(filter: &DeleteAclsFilter) -> AclFilter {
        AclFilter {
            resource_type: filter.resource_type_filter,
            resource_name: filter.resource_name_filter.clone(),
            pattern_type: filter.pattern_type_filter,
            principal: filter.principal_filter.clone(),
            host: filter.host_filter.clone(),
            operation: filter.operation,
            permission_type: filter.permission_type,
        }
    }
}

/// What is wrong with a new ACL.
pub(crate) fn check_new(acl: &AccessControlEntryRecord) -> Result<(), String> {
    let shown = |code: i8| if code == ANY { "ANY" } else { "UNKNOWN" };
    if !(2..=LAST_RESOURCE_TYPE).contains(&acl.resource_type) {
        return Err(format!("Invalid resourceType {}", shown(acl.resource_type)));
    }
    if !matches!(acl.pattern_type, LITERAL | PREFIXED) {
        let shown = if acl.pattern_type == MATCH { "MATCH" } else { shown(acl.pattern_type) };
        return Err(format!("Invalid patternType {shown}"));
    }
    if !(2..=LAST_OPERATION).contains(&acl.operation) {
        return Err(format!("Invalid operation {}", shown(acl.operation)));
    }
    if !(2..=LAST_PERMISSION).contains(&acl.permission_type) {
        return Err(format!("Invalid permissionType {}", shown(acl.permission_type)));
    }
    if acl.resource_name.is_empty() {
        return Err("Resource name should not be empty".to_owned());
    }
    if !acl.principal.contains(':') {
        return Err(format!(
            "Could not parse principal from `{}` (no colon is present separating the principal type from the principal name)",
            acl.principal
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: Option<&str>, pattern_type: i8, acl: (&str, i8), expect: bool) {
        let filter = AclFilter {
            resource_type: 2,
            resource_name: name.map(str::to_owned),
            pattern_type,
            operation: ANY,
            permission_type: ANY,
            ..AclFilter::default()
        };
        assert_eq!(filter.check(), Ok(()));
        let acl = AccessControlEntryRecord {
            resource_type: 2,
            resource_name: acl.0.to_owned(),
            pattern_type: acl.1,
            operation: 3,
            permission_type: 3,
            ..AccessControlEntryRecord::default()
        };
        assert_eq!(filter.matches(&acl), expect, "{filter:?} {acl:?}");
    }

    #[test]
    fn names_and_patterns() {
        check(None, LITERAL, ("a", LITERAL), true);
        check(None, LITERAL, ("a", PREFIXED), false);
        check(Some("ab"), ANY, ("ab", PREFIXED), true);
        check(Some("ab"), ANY, ("a", PREFIXED), false);
        check(Some("ab"), MATCH, ("a", PREFIXED), true);
        check(Some("ab"), MATCH, ("abc", PREFIXED), false);
        check(Some("ab"), MATCH, ("*", LITERAL), true);
        check(Some("ab"), LITERAL, ("*", LITERAL), false);
        check(Some("ab"), MATCH, ("a", LITERAL), false);
    }
}
