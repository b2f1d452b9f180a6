//! Random workloads against the model, without faults: every answer and every state is compared.

use crate::states::Step;
use crate::workload::{rounds, workload};
use crate::world::World;

#[test]
fn every_answer_and_state_is_the_models() {
    for seed in 0..rounds("STORNO_MODEL_SEEDS", 60) {
        let mut world = World::new(seed);
        world.open().unwrap();
        for (number, step) in workload(seed, 120).iter().enumerate() {
            world
                .step(step)
                .unwrap_or_else(|e| panic!("seed {seed}, step {number} {step:?}: {e}"));
            let found = world.observe().unwrap();
            assert_eq!(
                &found,
                world.current(),
                "seed {seed}, step {number} {step:?}"
            );
        }
        world.step(&Step::Reopen).unwrap();
        assert_eq!(
            &world.observe().unwrap(),
            world.current(),
            "seed {seed}, at the end"
        );
    }
}
