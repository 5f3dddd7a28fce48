//! Writes the tables of settings alone: `cargo run -p xtask --example configs`.

#[path = "../src/configs.rs"]
mod configs;

fn main() -> Result<(), String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask has no parent folder")?;
    configs::generate(root, std::env::args().any(|argument| argument == "--check"))
}
