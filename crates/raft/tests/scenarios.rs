mod support;
#[test]
fn t() {}
