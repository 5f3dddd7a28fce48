//! Random events, appends that fail and a high watermark that lags. Whatever happens, readers see what the log says
//! up to the high watermark, the state is what the log says, and everybody is answered once.

use crate::world::World;
use ottla_base::{Rng, SeededRng};

const SEEDS: u64 = 100;
const EVENTS: usize = 150;

struct Dice(SeededRng);

impl Dice {
    fn below(&self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }

    fn pick<'a>(&self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

fn event(dice: &Dice, world: &World) -> String {
    let group = dice.pick(&["g", "g", "h"]);
    let mut names = world.members(group);
    if names.is_empty() || dice.below(5) == 0 {
        names = world.names.all();
        names.push("stranger".to_owned());
    }
    let name = |dice: &Dice| names[dice.below(names.len())].clone();
    let generation = world.generation(group) - i32::from(dice.below(10) == 0);
    let member = name(dice);
    let who = format!("{group} member={member} gen={generation}");
    let topic = dice.pick(&["t1/0", "t1/1", "t2/0"]);
    match dice.below(24) {
        0 => format!("r: join {group} v=3 proto={}", dice.pick(&["range:t1", "range:t1,sticky:t2", "sticky:t2"])),
        1 => format!("r: join {group} v=9 instance={} proto=range", dice.pick(&["i", "j"])),
        2 => format!("r: join {group} v=9 proto=range"),
        3..6 => format!("r: join {group} member={member} v=9 proto={}", dice.pick(&["range", "range:t3"])),
        6 if world.leader(group).is_some() => {
            let leader = world.leader(group).unwrap_or_default();
            format!("r: sync {group} gen={generation} member={leader} assign={member}:{}", dice.below(9))
        }
        6..9 => format!("r: sync {who} assign={member}:{},{}:z", dice.below(9), name(dice)),
        9 => format!("r: heartbeat {who}"),
        10 => format!("r: leave {group} member={member}"),
        11 => format!("r: commit {who} {topic}={}", dice.below(100)),
        12..14 => format!("r: commit {group} {topic}={}", dice.below(100)),
        14 => format!("r: txn-commit {group} pid={} {topic}={}", dice.below(3), dice.below(100)),
        15 => format!("r: end-txn {} pid={}", dice.pick(&["commit", "abort"]), dice.below(3)),
        16 => format!("r: fetch {group} stable=yes"),
        17 => match dice.below(3) {
            0 => format!("r: delete {group}"),
            1 => format!("r: offset-delete {group} {topic}"),
            _ => "topics-deleted t2".to_owned(),
        },
        18 => format!("wait {}", dice.pick(&["10", "3000", "6000", "11000", "40000"])),
        19 => "hold-hw".to_owned(),
        20 => "release-hw".to_owned(),
        21 => "hold-appends".to_owned(),
        22 => "release-appends".to_owned(),
        _ => format!("fail {}", dice.pick(&["NOT_ENOUGH_REPLICAS", "MESSAGE_TOO_LARGE", "NOT_LEADER_OR_FOLLOWER"])),
    }
}

fn run(seed: u64) {
    let dice = Dice(SeededRng::new(seed));
    let mut world = World::new();
    let mut config = format!("config initial-delay={}", dice.pick(&["0", "3000"]));
    config += &format!(" append-max={} max-size={}", dice.pick(&["100", "100000"]), dice.pick(&["2", "100"]));
    config += " retention=60000 check-interval=20000";
    world.event(&config);
    for _ in 0..EVENTS {
        let event = event(&dice, &world);
        if event.starts_with("fail") && seed.is_multiple_of(2) {
            continue;
        }
        world.event(&event);
        world.check_committed();
    }
    world.event("release-appends");
    world.event("release-hw");
    world.check_committed();
    world.check_replay();
    world.event("resign");
    assert_eq!(world.unanswered(), 0, "everybody is answered");
}

#[test]
fn the_state_is_what_the_log_says() {
    for seed in 0..SEEDS {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "seed {seed} failed");
    }
}
