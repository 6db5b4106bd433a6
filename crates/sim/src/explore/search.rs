//! Breadth first, so that a violation is shown by a shortest execution.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use super::{
    action::Action,
    canon::{Found, GivenKeys},
    checks::Log,
    heal::Healer,
    scene::Scene,
    world::World,
};

/// The step by which a state was reached first.
#[derive(Clone, Copy)]
struct Step {
    from: u32,
    action: Action,
}

/// Visits every state of the scene; returns how many there are.
///
/// # Panics
/// Shows the shortest execution of the first violation found, or that there are more states than the scene's cap.
pub fn explore(name: &str, scene: &Scene) -> usize {
    let began = Instant::now();
    match catch_unwind(AssertUnwindSafe(|| Search::new(scene).run())) {
        Ok(Ok(states)) => {
            println!("{name}: {states} states in {:.0} s", began.elapsed().as_secs_f64());
            states
        }
        Ok(Err(story)) => panic!("{name}: {story}"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

struct Search<'a> {
    scene: &'a Scene,
    steps: Vec<Option<Step>>,
    seen: HashSet<u128, GivenKeys>,
    healer: Healer,
    found: Found,
}

impl<'a> Search<'a> {
    fn new(scene: &'a Scene) -> Self {
        Self {
            scene,
            steps: Vec::new(),
            seen: HashSet::default(),
            healer: Healer::default(),
            found: Found::default(),
        }
    }

    fn run(mut self) -> Result<usize, String> {
        let first = self.scene.first();
        self.seen.insert(first.key(self.scene, &mut self.found));
        self.steps.push(None);
        let mut layer = vec![(0, first)];
        while !layer.is_empty() {
            let mut next = Vec::new();
            for (index, world) in layer {
                self.expand(index, &world, &mut next)?;
            }
            layer = next;
        }
        Ok(self.steps.len())
    }

    fn expand(&mut self, from: u32, world: &World, next: &mut Vec<(u32, World)>) -> Result<(), String> {
        for action in world.actions(self.scene) {
            let step = Step { from, action };
            let mut log = Log::new(self.scene);
            let mut reached = world.clone();
            let done = catch_unwind(AssertUnwindSafe(|| reached.apply(self.scene, action, &mut log)));
            if done.is_err() || log.violation.is_some() {
                return Err(self.story_of(step, false));
            }
            let key = reached.key(self.scene, &mut self.found);
            if !self.seen.insert(key) {
                continue;
            }
            let index = u32::try_from(self.steps.len()).map_err(|_| "too many states".to_owned())?;
            self.steps.push(Some(step));
            if self.steps.len() > self.scene.cap {
                return Err(format!("more than {} states", self.scene.cap));
            }
            if key.is_multiple_of(u128::from(self.scene.healed)) {
                self.healer.heal(self.scene, &reached, &mut log);
            }
            if log.violation.is_some() {
                return Err(self.story_of(step, true));
            }
            next.push((index, reached));
        }
        Ok(())
    }

    /// Returns the story of the whole execution that ends with this step, and of the healing after it.
    fn story_of(&self, last: Step, healed: bool) -> String {
        let mut steps = vec![last];
        while let Some(step) = self.steps[steps[steps.len() - 1].from as usize] {
            steps.push(step);
        }
        let mut log = Log::with_story(self.scene);
        let mut world = self.scene.first();
        let done = catch_unwind(AssertUnwindSafe(|| {
            for (index, Step { action, .. }) in steps.iter().rev().enumerate() {
                log.line(|| format!("{:>4} s  {:>2}. {action:?}", world.tick, index + 1));
                world.apply(self.scene, *action, &mut log);
            }
            if healed {
                Healer::default().heal(self.scene, &world, &mut log);
            }
        }));
        let what = log.violation.unwrap_or(if done.is_err() {
            "the machine panicked"
        } else {
            "nothing seen again"
        });
        let story = log
            .story
            .unwrap_or_default()
            .replace(&"0".repeat(28), "")
            .replace("a0a0", "")
            .replace("b0b0", "");
        format!("{what}\n{story}")
    }
}
