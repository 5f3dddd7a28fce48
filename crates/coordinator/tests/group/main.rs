//! Scenarios of the group coordinator, as text: events, and under each what came of it.
//!
//! [`check`] runs one and then replays the log that it wrote into a fresh shard, which must come to the same state.

mod admin;
mod batches;
mod commit;
mod failures;
mod join;
mod leave;
mod load;
mod print;
mod random;
mod rebalance;
mod requests;
mod statics;
mod sync;
mod transactions;
mod world;

use expect_test::Expect;

fn check(scenario: &str, expected: Expect) {
    let mut world = world::World::new();
    for line in scenario.lines().map(str::trim).filter(|line| !line.is_empty()) {
        world.event(line);
    }
    expected.assert_eq(&world.output);
    world.check_replay();
}
