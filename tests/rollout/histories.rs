//! Thousands of histories made by chance, each shrunk to its shortest form when it goes wrong.

use crate::history::histories;
use immutable::rollout::decide;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::time::{Duration, Instant};

/// Histories of one run of the tests. `IMMUTABLE_MINUTES=30` plays as many such runs, each with a seed
/// of its own, as there is time for.
const HISTORIES: u32 = 1500;

/// The first seed; `IMMUTABLE_SEED` sets another one.
const SEED: u64 = 20_260_501;

#[test]
fn every_history_is_safe_and_ends_at_its_last_goal() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = number("IMMUTABLE_SEED").unwrap_or(SEED);
    let time = Duration::from_secs(60 * number("IMMUTABLE_MINUTES").unwrap_or(0));
    let start = Instant::now();
    let mut seed = first;
    loop {
        println!("seed {seed}: {HISTORIES} histories");
        play(seed);
        seed += 1;
        if start.elapsed() >= time {
            break;
        }
    }
    println!(
        "{} histories, seeds {first} to {}",
        u64::from(HISTORIES) * (seed - first),
        seed - 1
    );
}

fn play(seed: u64) {
    let config = Config {
        cases: HISTORIES,
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let played = TestRunner::new_with_rng(config, rng).run(&histories(), |history| {
        let played = history.play(decide).map(drop);
        played.map_err(proptest::test_runner::TestCaseError::fail)
    });
    if let Err(failure) = played {
        panic!("seed {seed}: {failure}");
    }
}
