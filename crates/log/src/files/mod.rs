//! The small files beside the segments.

pub mod checkpoint;
pub mod clean_shutdown;
pub mod meta_properties;
pub mod partition_metadata;
