//! The command line of `thonso`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use sync_protocol::access::Role;
use sync_protocol::calendar::Report;
use sync_protocol::catalogue::Lang;
use sync_protocol::ids::UserId;
use sync_protocol::indicator::Level;
use sync_protocol::phone_number;
use sync_protocol::report::ReportDocument;

use crate::accounts::AccountError;
use crate::auth::password::{Secret, check_password};
use crate::config::{Config, LogFormat};
use crate::export;
use crate::import::ImportError;
use crate::import::columns::Sort;
use crate::import::sheet;
use crate::reading::reports::ReportQuery;
use crate::reorganisation::{Assignment, NewReorganisation, PreviewQuery};
use crate::seed;
use crate::startup::{Instance, Serving, machine_clock, machine_random};
use crate::sync::RescueTaken;
use crate::work::{rebuild_projections, verify_audit, verify_digests};

/// Thôn Số: máy chủ / the server.
#[derive(Parser)]
#[command(name = "thonso", version)]
struct Arguments {
    /// A TOML file with settings.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve {
        /// Address and port to listen on, for example 127.0.0.1:8080.
        #[arg(long)]
        listen: Option<std::net::SocketAddr>,
        /// How log lines look.
        #[arg(long, value_enum)]
        log: Option<LogFormat>,
    },
    /// Fill an empty data folder with a sample commune, for trying things out.
    DemoSeed {
        /// Another number gives another sample.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Visits of each village that wait for the officer.
        #[arg(long, default_value_t = 6)]
        visits: usize,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Accounts.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Enter the official provinces, districts and communes.
    ImportUnits {
        /// Phone number of the admin in whose name it is done.
        #[arg(long)]
        admin: String,
        /// Only these province codes.
        #[arg(long, value_delimiter = ',')]
        provinces: Vec<String>,
    },
    /// Bring a list into a commune from an Excel workbook or a CSV file: all of it, or nothing. Prints JSON.
    Import {
        /// Phone number of the account in whose name it is done.
        #[arg(long)]
        by: String,
        /// `villages`, `teams`, `members` or `households`.
        #[arg(long)]
        sort: String,
        /// The commune's id.
        #[arg(long)]
        unit: uuid::Uuid,
        /// The file.
        #[arg(long)]
        file: PathBuf,
        /// Enter it. Without this it is only tried.
        #[arg(long)]
        apply: bool,
    },
    /// Reorganise communes: look first, then apply in one step; undo while nothing depends on it. Prints JSON.
    Reorganise {
        /// Phone number of the admin in whose name it is done.
        #[arg(long)]
        admin: String,
        #[command(subcommand)]
        command: ReorganiseCommand,
    },
    /// Write a verified copy of the database, also while the server runs.
    Backup {
        /// A file that does not exist yet.
        #[arg(long)]
        to: PathBuf,
    },
    /// Take in rescue files: what phones could not send. Through the same door as a sync; a second time changes nothing.
    ImportRescue {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Print one JSON object for each file instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Check audit chains and digests; say what is wrong.
    Doctor,
    /// Compute all lists and counts again from the rows.
    RebuildProjections,
    /// Write reports as spreadsheet, PDF, HTML, CSV and JSON.
    Report {
        /// Of made-up facts, labelled as such; needs no data folder.
        #[arg(long, conflicts_with_all = ["by", "kind", "unit", "month", "team"])]
        sample: bool,
        /// Phone number of the account in whose name it is read.
        #[arg(long, required_unless_present = "sample")]
        by: Option<String>,
        /// `commune_month`, `province_month`, `team_month`, `quarter`, `half_year`, `year` or `ecom_funnel`.
        #[arg(long, default_value = "commune_month")]
        kind: String,
        /// The unit's id.
        #[arg(long, required_unless_present = "sample")]
        unit: Option<uuid::Uuid>,
        /// The reporting month, YYYY-MM.
        #[arg(long, required_unless_present = "sample")]
        month: Option<String>,
        /// The team's id, for `team_month`.
        #[arg(long)]
        team: Option<uuid::Uuid>,
        /// The folder for the files; made if it is not there.
        #[arg(long)]
        out: PathBuf,
        /// In English.
        #[arg(long)]
        english: bool,
    },
}

#[derive(Subcommand)]
enum UserCommand {
    /// Enter the first admin, or another one. The password is read from standard input.
    AddAdmin {
        /// The name.
        #[arg(long)]
        name: String,
        /// The phone number, which is the sign-in name.
        #[arg(long)]
        phone: String,
    },
}

#[derive(Subcommand)]
enum ReorganiseCommand {
    /// Say what would be done, what must be assigned by hand and what stands in the way.
    Preview {
        /// First day of the new communes.
        #[arg(long)]
        effective: String,
        /// The communes that end, with commas between: official codes of the day before, or ids.
        #[arg(long)]
        communes: Option<String>,
        /// Instead: all communes here that lay in this province and are succeeded on that day.
        #[arg(long)]
        province: Option<String>,
        /// What goes where, with commas between: unit:<id>:<commune> or grant:<id>:<commune>.
        #[arg(long)]
        assign: Option<String>,
    },
    /// Apply it.
    Apply {
        /// First day of the new communes.
        #[arg(long)]
        effective: String,
        /// Number of the resolution.
        #[arg(long)]
        basis: String,
        /// The communes that end: official codes of the day before, or ids.
        #[arg(long, value_delimiter = ',', required = true)]
        communes: Vec<String>,
        /// What goes where: unit:<id>:<commune> or grant:<id>:<commune>.
        #[arg(long, value_delimiter = ',')]
        assign: Vec<Assignment>,
    },
    /// Take one back.
    Undo {
        /// Its id.
        #[arg(long)]
        id: uuid::Uuid,
    },
    /// List them, with the roles that wait for confirmation.
    List,
}

type Failure = Box<dyn std::error::Error>;

/// Runs the command line given, its first word being the program's name.
pub fn main(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    match run(Arguments::parse_from(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("thonso: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let mut config = match &arguments.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    }
    .with_variables(|name| std::env::var(name).ok())?;
    config.data = arguments.data.or(config.data);
    if let Command::Serve { listen, log } = &arguments.command {
        config.listen = listen.or(config.listen);
        config.log = log.or(config.log);
    }
    start_log(config.log.unwrap_or_default());
    let open = || Instance::open_beside(&config.data(), config.issuer(), machine_clock(), machine_random());
    match arguments.command {
        Command::Serve { .. } => {
            let _serving = Serving::begin(&config.data())?;
            let instance = Instance::open(&config.data(), config.issuer(), machine_clock(), machine_random())?;
            runtime()?.block_on(serve(Arc::new(instance), &config))?;
        }
        Command::DemoSeed { seed, visits, json } => {
            let instance = open()?;
            let seeded = runtime()?.block_on(seed::demo(&instance, seed, visits))?;
            print_sample(&seeded, json);
            instance.keep_high_water()?;
        }
        Command::User { command: UserCommand::AddAdmin { name, phone } } => {
            let phone = phone_number::normalise(&phone).map_err(|fault| format!("--phone: {}", fault.code()))?;
            let mut password = String::new();
            std::io::stdin().read_line(&mut password)?;
            let password = password.trim_end_matches(['\r', '\n']);
            check_password(password, &[&name, &phone]).map_err(|fault| fault.to_string())?;
            let instance = open()?;
            let user = instance.add_admin(&name, &phone)?;
            let set = instance.accounts.set_password_on_the_machine(user, Secret::new(password));
            runtime()?.block_on(set)?;
            instance.keep_high_water()?;
            println!("{user}");
        }
        Command::ImportUnits { admin, provinces } => {
            let instance = open()?;
            let admin = account_of(&instance, "--admin", &admin)?;
            let provinces: Vec<&str> = provinces.iter().map(String::as_str).collect();
            let entered = runtime()?.block_on(seed::import_units(&instance, admin, &provinces))?;
            instance.keep_high_water()?;
            println!("{entered} units");
        }
        Command::Import { by, sort, unit, file, apply } => {
            let sort = Sort::from_code(&sort).ok_or("--sort: villages, teams, members or households")?;
            let sheet = sheet::read(&std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?)?;
            let instance = open()?;
            let by = account_of(&instance, "--by", &by)?;
            let done = runtime()?.block_on(instance.desk.import(by, unit, sort, sheet, !apply));
            let is_taken = match done {
                Ok(view) => {
                    println!("{}", serde_json::to_string_pretty(&view)?);
                    view.faulty == 0
                }
                Err(ImportError::Faulty(view)) => {
                    println!("{}", serde_json::to_string_pretty(&*view)?);
                    false
                }
                Err(error) => return Err(error.into()),
            };
            instance.keep_high_water()?;
            return Ok(if is_taken { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Reorganise { admin, command } => {
            let instance = open()?;
            let admin = account_of(&instance, "--admin", &admin)?;
            println!("{}", runtime()?.block_on(reorganise(&instance, admin, command))?);
            instance.keep_high_water()?;
        }
        Command::Backup { to } => {
            open()?.backup(&to)?;
            println!("{}", to.display());
        }
        Command::ImportRescue { files, json } => {
            let instance = open()?;
            let runtime = runtime()?;
            let mut all_well = true;
            for path in files {
                let taken = std::fs::read(&path)
                    .map_err(Failure::from)
                    .and_then(|file| runtime.block_on(instance.sync.take_rescue(&file)).map_err(Failure::from));
                match taken {
                    Ok(taken) => {
                        all_well &= taken.problems.is_empty();
                        print_rescue(&path, &taken, json)?;
                    }
                    Err(error) => {
                        all_well = false;
                        eprintln!("thonso: {}: {error}", path.display());
                    }
                }
            }
            instance.keep_high_water()?;
            if !all_well {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Doctor => return doctor(&open()?),
        Command::RebuildProjections => {
            let instance = open()?;
            println!("{} visits", instance.store.write_blocking(rebuild_projections)?);
        }
        Command::Report { sample: true, out, english, .. } => {
            write_sample_reports(&out, if english { Lang::En } else { Lang::Vi })?;
        }
        Command::Report { by, kind, unit, month, team, out, english, .. } => {
            let (Some(by), Some(unit), Some(month)) = (by, unit, month) else {
                return Err("--by, --unit and --month are needed".into());
            };
            let instance = open()?;
            let by = account_of(&instance, "--by", &by)?;
            let lang = Some(if english { "en" } else { "vi" }.to_owned());
            let query = ReportQuery { unit, month, team, lang };
            let document = runtime()?.block_on(instance.reading.report(by, kind, query))?;
            write_report(&out, &document, "")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn account_of(instance: &Instance, option: &str, phone: &str) -> Result<UserId, Failure> {
    let phone = phone_number::normalise(phone).map_err(|fault| format!("{option}: {}", fault.code()))?;
    Ok(instance.store.read_blocking(|tx| tx.user_by_phone(&phone))?.ok_or(AccountError::NotFound)?)
}

async fn reorganise(instance: &Instance, admin: UserId, command: ReorganiseCommand) -> Result<String, Failure> {
    let desk = &instance.desk;
    let answer = match command {
        ReorganiseCommand::Preview { effective, communes, province, assign } => {
            let query = PreviewQuery { effective, communes, province, assign };
            serde_json::to_string_pretty(&desk.preview_reorganisation(admin, query).await?)
        }
        ReorganiseCommand::Apply { effective, basis, communes, assign } => {
            let body = NewReorganisation { effective, basis, communes, assignments: assign };
            serde_json::to_string_pretty(&desk.apply_reorganisation(admin, body).await?)
        }
        ReorganiseCommand::Undo { id } => serde_json::to_string_pretty(&desk.undo_reorganisation(admin, id).await?),
        ReorganiseCommand::List => serde_json::to_string_pretty(&desk.reorganisations(admin).await?),
    };
    Ok(answer?)
}

/// Writes the files of every report that has a sample: `commune-month.pdf`, `commune-month-kinds.csv`, ….
fn write_sample_reports(out: &Path, lang: Lang) -> Result<(), Failure> {
    for (report, level) in export::sample::SAMPLES {
        let document = export::sample::sample_at(report, level, lang)?;
        // Of a report that commune and province both have, the province's files say so.
        let is_second = level == Level::Province && report != Report::ProvinceMonth;
        write_report(out, &document, if is_second { "province-" } else { "" })?;
    }
    let path = out.join("certificate.pdf");
    std::fs::write(&path, export::certificate(&export::sample::certificate(lang), lang)?)?;
    say(&path.display().to_string());
    Ok(())
}

fn write_report(out: &Path, document: &ReportDocument, prefix: &str) -> Result<(), Failure> {
    std::fs::create_dir_all(out)?;
    for (file, bytes) in export::files(document)? {
        let path = out.join(format!("{prefix}{file}"));
        std::fs::write(&path, bytes)?;
        say(&path.display().to_string());
    }
    Ok(())
}

/// One thread for the command itself; the server's workers have their own.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn start_log(format: LogFormat) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("THONSO_LOG_FILTER").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

async fn serve(instance: Arc<Instance>, config: &Config) -> Result<(), Failure> {
    let listener = std::net::TcpListener::bind(config.listen())?;
    let address = listener.local_addr()?;
    let app = crate::http::app(&instance);
    let readiness = Arc::clone(&app.accepting);
    let server = crate::http::run(listener, app)?;
    let handle = server.handle();
    let keeper = tokio::spawn({
        let instance = Arc::clone(&instance);
        async move {
            let mut ticks = 0u32;
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                ticks = ticks.wrapping_add(1);
                let kept = Arc::clone(&instance);
                let result =
                    tokio::task::spawn_blocking(move || kept.keep_high_water().map_err(|error| error.to_string()));
                if let Ok(Err(error)) = result.await {
                    tracing::error!(error, "the server epoch could not be kept beside the store");
                }
                if ticks.is_multiple_of(12) {
                    instance.accounts.forget_quiet_callers();
                }
            }
        }
    });
    // The address on standard output is for scripts; everything else goes to the log.
    say(&format!("listening on http://{address}"));
    if let Some(sample) = instance.store.read_blocking(|tx| tx.meta(seed::SAMPLE_KEY))? {
        print_what_to_try(&address.to_string(), &sample);
    }
    let stop = tokio::spawn(async move {
        wait_for_stop().await;
        tracing::info!("stopping: no new requests, finishing those under way");
        readiness.store(false, std::sync::atomic::Ordering::SeqCst);
        handle.stop(true).await;
    });
    server.await?;
    stop.abort();
    keeper.abort();
    instance.keep_high_water()?;
    instance.store.0.close();
    Ok(())
}

async fn wait_for_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    drop(interrupt.await);
}

fn print_rescue(path: &Path, taken: &RescueTaken, json: bool) -> Result<(), Failure> {
    if json {
        println!("{}", serde_json::to_string(taken)?);
        return Ok(());
    }
    let RescueTaken { user, ops, known, applied, with_case, deferred, rejected, problems } = taken;
    println!(
        "{}: {user}, {ops} changes: {known} were here already, {applied} applied, {with_case} with a case, {deferred} kept \
         for later, {rejected} refused",
        path.display()
    );
    for problem in problems {
        println!("  not taken: {problem}");
    }
    Ok(())
}

fn print_sample(seeded: &seed::Seeded, json: bool) {
    let desk = |role: Role| seeded.accounts.iter().find(|account| account.role == role);
    if json {
        let accounts: Vec<serde_json::Value> = seeded
            .accounts
            .iter()
            .map(|account| {
                serde_json::json!({
                    "user": account.user, "display_name": account.display_name, "phone": account.phone,
                    "role": account.role.code(), "place": account.place,
                })
            })
            .collect();
        let object = serde_json::json!({
            "units": seeded.units, "commune": seeded.commune, "villages": seeded.villages, "teams": seeded.teams,
            "households": seeded.households, "visits": seeded.visits, "password": seed::SAMPLE_PASSWORD, "accounts": accounts,
        });
        println!("{object}");
        return;
    }
    println!("Dữ liệu mẫu / sample data");
    println!(
        "  {} đơn vị hành chính, {} thôn bản, {} hộ, {} chuyến thăm, {} tài khoản",
        seeded.units,
        seeded.villages.len(),
        seeded.households,
        seeded.visits,
        seeded.accounts.len()
    );
    println!("  (units, villages, households, visits, accounts; names and numbers are made up)");
    for role in [Role::Admin, Role::CommuneOfficer, Role::ProvinceOfficer] {
        if let Some(account) = desk(role) {
            println!("  {:<16} {}  {}", role.code(), account.phone, account.display_name);
        }
    }
    println!("  mật khẩu / password: {}", seed::SAMPLE_PASSWORD);
    println!("Thành viên / members (their phones are enrolled with a code):");
    for account in
        seeded.accounts.iter().filter(|account| matches!(account.role, Role::Member | Role::TeamLeader)).take(8)
    {
        println!(
            "  {:<12} {}  {}, {}  {}",
            account.role.code(),
            account.phone,
            account.display_name,
            account.place,
            account.user
        );
    }
}

/// What somebody can type who sees this for the first time. Every line works as it stands.
fn print_what_to_try(address: &str, sample: &[u8]) {
    let Ok(sample) = serde_json::from_slice::<serde_json::Value>(sample) else { return };
    let member = |name: &str| sample[name].as_str().unwrap_or_default().to_owned();
    let (password, base) = (seed::SAMPLE_PASSWORD, format!("http://{address}"));
    let field = std::env::current_exe().ok().and_then(|path| path.parent().map(|folder| folder.join("thonso-field")));
    let field = field.map_or_else(|| "thonso-field".to_owned(), |path| path.display().to_string());
    say(&format!(
        r#"
Dữ liệu mẫu. Tài khoản / sample accounts (mật khẩu / password: {password}):
  0530000002  cán bộ xã / commune officer
  0530000003  cán bộ tỉnh / province officer
  0530000001  quản trị / admin

Thử ngay, cán bộ xã / try it as the officer:
  TOKEN=$(curl -s {base}/api/v1/auth/sign-in -H 'content-type: application/json' -d '{{"phone":"0530000002","password":"{password}"}}' | sed -E 's/.*"access_token":"([^"]+)".*/\1/')
  curl -s {base}/api/v1/me -H "authorization: Bearer $TOKEN"
  curl -s "{base}/api/v1/visits?status=submitted&limit=3" -H "authorization: Bearer $TOKEN"
  curl -s "{base}/api/v1/counts?unit={commune}&group_by=village" -H "authorization: Bearer $TOKEN"

Một máy của thành viên {name} / a member's phone:
  CODE=$(curl -s {base}/api/v1/users/{user}/enrolment-code -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{{}}' | sed -E 's/.*"code":"([^"]+)".*/\1/')
  {field} --store phone.sqlite3 enrol --server {base} --code $CODE
  {field} --store phone.sqlite3 sync
  {field} --store phone.sqlite3 households search "nha dau suoi"
  HOUSE=$({field} --store phone.sqlite3 --json households search "nha" | grep -o '"id":"[^"]*"' | head -n 1 | cut -d'"' -f4)
  {field} --store phone.sqlite3 visit log --household $HOUSE --activity vneid_level2:step=activated,age_14_plus=true,outcome=done --submit
  {field} --store phone.sqlite3 status
  {field} --store phone.sqlite3 sync

Cả API / the whole API: {base}/openapi.json
"#,
        commune = member("commune"),
        name = member("member_name"),
        user = member("member"),
    ));
}

/// Prints a line; a server goes on when nobody listens to its output any more.
fn say(text: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stdout(), "{text}"));
}

fn doctor(instance: &Instance) -> Result<ExitCode, Failure> {
    let broken = instance.store.read_blocking(verify_audit)?;
    for (scope, seq) in &broken {
        println!("audit chain of {scope}: entry {seq} does not follow from the one before it");
    }
    let scopes = instance.store.read_blocking(|tx| tx.audited_scopes())?;
    let mut wrong = 0;
    for scope in scopes {
        for bucket in instance.store.read_blocking(|tx| verify_digests(tx, scope))? {
            wrong += 1;
            println!("bucket {bucket:?}: its counters do not match its rows");
        }
    }
    if broken.is_empty() && wrong == 0 {
        println!("ok");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
