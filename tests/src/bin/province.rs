//! A year of one province at true scale: `cargo xtask demo --once --story province`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use sync_protocol::catalogue::Lang;
use sync_protocol::decide::reporting_month;
use sync_protocol::ids::{Day, Month};
use sync_protocol::report::{Item, ReportDocument};
use tests::Fallible;
use tests::province::{Province, Scale, first_day};

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

/// The reporting months whose reports are made: the last whole one before the reform of 2025-07-01, and the first after.
const SHOWN: [Month; 2] = [Month(2025 * 12 + 5), Month(2025 * 12 + 7)];

/// On which date of the month the last one is reported here.
const REPORT_DATE: u32 = 28;

async fn tell(arguments: &Arguments) -> Fallible<()> {
    let scale = Scale { seed: arguments.seed, communes: arguments.communes, days: arguments.days };
    let (began, store) = (Instant::now(), arguments.dir.join("store"));
    let mut province = Province::begin(&store, scale).await?;
    let [communes, villages, teams, members, households] = province.sizes();
    println!(
        "Yên Bái, {}: {communes} communes, {villages} villages, {teams} teams, {members} members, {households} households \
         ({:.1} s)",
        first_day(),
        began.elapsed().as_secs_f64()
    );
    let last = Day(first_day().0 + scale.days);
    let mut day = first_day();
    while day < last {
        let month = reporting_month(day);
        let took = Instant::now();
        while day < last && reporting_month(day) == month {
            province.play_day(day).await?;
            // Reviewed and closed, and nothing has happened since that would change it.
            let reported = Month(reporting_month(day).0 - 1);
            if day.civil().2 == REPORT_DATE && SHOWN.contains(&reported) {
                show(&province, reported, &arguments.dir).await?;
            }
            day = Day(day.0 + 1);
        }
        let hand = &province.by_hand;
        println!(
            "  {month}: so far {} visits with {} activities, {} approved, {} sent back, {} void ({:.1} s)",
            hand.recorded,
            hand.activities,
            hand.approved,
            hand.returned,
            hand.void,
            took.elapsed().as_secs_f64()
        );
    }
    let took = Instant::now();
    let checked = province.reconcile().await?;
    println!(
        "\n  ✓ every number agrees with what was counted by hand, {checked} of them ({:.1} s)",
        took.elapsed().as_secs_f64()
    );
    println!(
        "  the store has {} MB; everything took {:.0} s",
        size_of(&store)? / 1_000_000,
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Makes and prints the reports of a month: of one commune, and of the province.
async fn show(province: &Province, month: Month, dir: &Path) -> Fallible<()> {
    let (commune, officer) = province.largest_commune();
    let of_commune = (officer, "commune_month", commune);
    for (by, code, unit) in [of_commune, (province.officer, "province_month", province.unit)] {
        let took = Instant::now();
        let folder = dir.join("reports").join(month.to_string());
        let document = province.report(by, code, unit, month, &folder).await?;
        println!(
            "\n{}\n  made in {:.1} s; the files are in {}",
            text_of(&document),
            took.elapsed().as_secs_f64(),
            folder.display()
        );
    }
    Ok(())
}

/// A report as plain text: titles, paragraphs, and the first lines of each table.
fn text_of(document: &ReportDocument) -> String {
    const LINES: usize = 14;
    let head = &document.head;
    let mut text = format!("── {} · {} · {} ──\n  {}", head.body, head.title, head.subject, head.lines.join("\n  "));
    for section in &document.sections {
        text += &format!("\n  {}", section.title);
        for item in &section.items {
            match item {
                Item::Paragraph { text: words, .. } => text += &format!("\n    {words}"),
                Item::Table(table) => {
                    let heads: Vec<&str> = table.columns.iter().map(|column| column.title.as_str()).collect();
                    text += &format!("\n    {}", heads.join(" | "));
                    for row in table.rows.iter().take(LINES) {
                        let cells: Vec<String> = row.cells.iter().map(|cell| cell.shown(Lang::Vi)).collect();
                        text += &format!("\n    {}", cells.join(" | "));
                    }
                    if let Some(more) = table.rows.len().checked_sub(LINES).filter(|more| *more > 0) {
                        text += &format!("\n    … and {more} more lines");
                    }
                }
            }
        }
    }
    text
}

fn size_of(folder: &Path) -> Fallible<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let metadata = entry?.metadata()?;
        size += if metadata.is_file() { metadata.len() } else { 0 };
    }
    Ok(size)
}
