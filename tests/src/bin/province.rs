//! A year of one province at true scale: `cargo xtask demo --once --story province`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use tests::Fallible;
use tests::province::{Province, Scale};

/// A year of one province, through the ordinary door.
#[derive(Parser)]
struct Arguments {
    /// An empty folder for everything.
    #[arg(long)]
    dir: PathBuf,
    /// Another number gives another year.
    #[arg(long, default_value_t = Scale::TRUE.seed)]
    seed: u64,
    /// How many of the province's communes take part.
    #[arg(long, default_value_t = Scale::TRUE.communes)]
    communes: usize,
    /// How many days, from 2024-11-15 on.
    #[arg(long, default_value_t = Scale::TRUE.days)]
    days: u32,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let told = match runtime {
        Ok(runtime) => runtime.block_on(tell(&arguments)),
        Err(error) => Err(error.into()),
    };
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\n  FAILED: {error}");
            println!("  the files are in {}", arguments.dir.display());
            ExitCode::FAILURE
        }
    }
}

async fn tell(arguments: &Arguments) -> Fallible<()> {
    let scale = Scale { seed: arguments.seed, communes: arguments.communes, days: arguments.days };
    let began = Instant::now();
    let mut province = Province::begin(&arguments.dir, scale).await?;
    let [communes, villages, teams, members, households] = province.sizes();
    println!(
        "Yên Bái, 2024-11-15: {communes} communes, {villages} villages, {teams} teams, {members} members, {households} \
         households ({:.1} s)",
        began.elapsed().as_secs_f64()
    );
    province
        .play(|province, month, took| {
            let hand = &province.by_hand;
            println!(
                "  {month}: {} visits with {} activities so far, {} approved, {} sent back, {} void ({:.1} s)",
                hand.recorded,
                hand.activities,
                hand.approved,
                hand.returned,
                hand.void,
                took.as_secs_f64()
            );
        })
        .await?;
    Ok(())
}
