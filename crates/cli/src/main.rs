//! `ottla`: the broker and every tool of Kafka in one binary. See the library for all of it.

fn main() -> std::process::ExitCode {
    ottla_cli::run(std::env::args().collect())
}
