//! `cargo xtask bench`: the benchmarks, then the budgets measured end to end. docs/BENCHMARKS.md holds the results.

use crate::needs::{self, Wanted};
use crate::run::{Elapsed, Failure, cargo, step};

pub(crate) fn run() -> Result<(), Failure> {
    needs::check(Wanted::default())?;
    let benchmarks = step(&mut cargo(["bench", "--workspace"]))?;
    let budgets = step(&mut cargo(["run", "--release", "--package", "tests", "--bin", "measure"]))?;
    println!("xtask: benchmarks {}, budgets {}", Elapsed(benchmarks), Elapsed(budgets));
    Ok(())
}
