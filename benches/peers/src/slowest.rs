//! The slowest operations of an engine: compilations, first masks, masks and advances, with the
//! engine's counters.

use crate::maskbench::{Plan, Results, measure};
use crate::statistics::{Table, shown};
use crate::worker::Followed;
use crate::{Processes, Selection};
use anyhow::Result;

/// The `slowest` command.
pub fn run(selection: &Selection, processes: Processes, engine: String, top: usize) -> Result<()> {
    let plan = Plan { engines: vec![engine], turn: usize::MAX, processes };
    print(&measure(selection, &plan)?, top);
    Ok(())
}

/// Prints the `top` slowest operations of each kind; nothing for 0.
pub fn print(results: &Results, top: usize) {
    if top == 0 {
        return;
    }
    schemas(results, "compile", top, |of| of.compile);
    schemas(results, "first mask", top, |of| of.first_mask);
    schemas(results, "all masks", top, |of| of.masks.iter().sum());
    schemas(results, "all advances", top, |of| of.commits.iter().sum());
    steps(results, "mask", top, |of| &of.masks);
    steps(results, "advance", top, |of| &of.commits);
}

fn schemas(results: &Results, what: &str, top: usize, time: impl Fn(&Followed) -> u64) {
    for run in &results.runs {
        let mut slowest: Vec<(u64, usize, &Followed)> =
            run.compiled().map(|(case, followed)| (time(followed), case, followed)).collect();
        slowest.sort_by_key(|&(time, ..)| std::cmp::Reverse(time));
        let total: u64 = slowest.iter().map(|&(time, ..)| time).sum();
        println!("\n{}: {what}, {} µs in all; slowest schemas", run.engine, shown(total as f64 / 1e3));
        let mut table = Table::new(["schema", "µs", "share %", "KiB", "masks", "stats"]);
        for (time, case, followed) in slowest.into_iter().take(top) {
            let case = &results.cases[case];
            table.row([
                case.id.clone(),
                shown(time as f64 / 1e3),
                shown(100.0 * time as f64 / total.max(1) as f64),
                shown(case.schema.len() as f64 / 1024.0),
                followed.masks.len().to_string(),
                followed.stats.clone(),
            ]);
        }
        table.print();
    }
}

fn steps(results: &Results, what: &str, top: usize, times: impl Fn(&Followed) -> &Vec<u64>) {
    for run in &results.runs {
        let mut all: Vec<(u64, usize, usize)> = Vec::new();
        for (case, followed) in run.compiled() {
            all.extend(times(followed).iter().enumerate().map(|(step, &time)| (time, case, step)));
        }
        all.sort_unstable_by_key(|&(time, ..)| std::cmp::Reverse(time));
        let total: u64 = all.iter().map(|&(time, ..)| time).sum();
        println!("\n{}: slowest {what} calls", run.engine);
        let mut covered = 0;
        for (i, &(time, ..)) in all.iter().enumerate() {
            covered += time;
            if [1, 10, 100, 1_000, 10_000, 100_000].contains(&(i + 1)) {
                println!(
                    "  the slowest {} of {} take {:.1} %",
                    i + 1,
                    all.len(),
                    100.0 * covered as f64 / total as f64
                );
            }
        }
        let mut table = Table::new(["schema", "µs", "test", "token", "place"]);
        for (time, case, step) in all.into_iter().take(top) {
            let crate::worker::Outcome::Compiled(followed) = &run.outcomes[case] else { continue };
            let (test, token) = followed.locate(step);
            table.row([
                results.cases[case].id.clone(),
                shown(time as f64 / 1e3),
                test.to_string(),
                token.to_string(),
                results.place(case, test, token),
            ]);
        }
        table.print();
    }
}
