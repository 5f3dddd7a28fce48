//! `ottla`: the broker and every tool of Kafka in one binary. See the library for all of it.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ottla_cli::run(std::env::args().collect())
}
