//! A frame as it comes from a socket: the header, then the body that the header names.
#![no_main]

use bytes::Bytes;
use ottla_broker::request::read_header;
use ottla_fuzz::checks::{MEMORY, bounded};
use ottla_wire::ApiKey;
use ottla_wire::schema::Schema;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let frame = Bytes::copy_from_slice(input);
    let _shared = frame.clone();
    let Ok((key, version, _header, mut body)) = bounded(input.len(), MEMORY, || read_header(frame.clone())) else {
        return;
    };
    let api = ApiKey::from_code(key).expect("only a known key has a header");
    let schema = Schema::by_name(&format!("{}Request", api.name())).expect("every API has a request");
    let _ = bounded(input.len(), MEMORY, || (schema.decode)(&mut body, version));
});
