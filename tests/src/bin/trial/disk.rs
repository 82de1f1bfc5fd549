//! Small disks that fill up: a file system in memory, mounted where a folder was.
//!
//! The trial runs in a mount namespace of its own, so that nothing it mounts outlives it, however it ends.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::Fallible;

/// Set in the environment of a trial that is apart already.
const APART: &str = "THONSO_TRIAL_APART";
const FILLER: &str = "somebody-elses-photos";

/// Starts this program again in a mount namespace of its own, where the system can do that; comes back where not.
#[cfg(unix)]
pub(crate) fn go_apart() {
    use std::os::unix::process::CommandExt;
    if std::env::var_os(APART).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    for flags in [&["--mount"][..], &["--user", "--map-root-user", "--mount"]] {
        if quiet(Command::new("unshare").args(flags).args(["--", "true"])) {
            let mut again = Command::new("unshare");
            again.args(flags).arg("--").arg(&program).args(std::env::args_os().skip(1)).env(APART, "1");
            eprintln!("trial: {}", again.exec());
        }
    }
}

/// Only Unix has mounts as they are used here.
#[cfg(not(unix))]
pub(crate) fn go_apart() {}

fn quiet(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A file system of a few megabytes. Taken away when dropped; its files stay.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    at: PathBuf,
    is_gone: bool,
}

impl SmallDisk {
    /// Mounts one over a folder, with what the folder holds.
    pub(crate) fn over(folder: &Path, megabytes: u64) -> Fallible<Self> {
        if std::env::var_os(APART).is_none() {
            return Err("mounting takes a mount namespace (`unshare`), which this system does not give".into());
        }
        let kept = beside(folder, "before");
        std::fs::rename(folder, &kept)?;
        std::fs::create_dir(folder)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=0700"), "tmpfs"]).arg(folder);
        let output = mount.output();
        let mounted = output.as_ref().is_ok_and(|output| output.status.success());
        if !mounted {
            std::fs::remove_dir(folder)?;
            std::fs::rename(&kept, folder)?;
            let why =
                output.map_or_else(|error| error.to_string(), |o| String::from_utf8_lossy(&o.stderr).into_owned());
            return Err(format!("a small disk cannot be mounted: {}", why.trim()).into());
        }
        let disk = Self { at: folder.to_owned(), is_gone: false };
        copy(&kept, folder)?;
        std::fs::remove_dir_all(&kept)?;
        Ok(disk)
    }

    /// Fills what is left, to the last page. Gives how many bytes that took.
    pub(crate) fn fill(&self) -> Fallible<u64> {
        let mut file = OpenOptions::new().create(true).append(true).open(self.at.join(FILLER))?;
        let block = [7; 64 * 1024];
        let mut taken = 0;
        for size in [block.len(), 4096, 512] {
            while let Ok(written @ 1..) = file.write(&block[..size]) {
                taken += written as u64;
            }
        }
        Ok(taken)
    }

    /// Gives the space back.
    pub(crate) fn give_back(&self) -> Fallible<()> {
        Ok(std::fs::remove_file(self.at.join(FILLER))?)
    }

    /// Takes the disk away and leaves what it held in a folder of the same name.
    pub(crate) fn take_away(mut self) -> Fallible<()> {
        self.leave()
    }

    fn leave(&mut self) -> Fallible<()> {
        if std::mem::replace(&mut self.is_gone, true) {
            return Ok(());
        }
        drop(std::fs::remove_file(self.at.join(FILLER)));
        let kept = beside(&self.at, "after");
        let copied = copy(&self.at, &kept);
        if !quiet(Command::new("umount").arg(&self.at)) {
            quiet(Command::new("umount").arg("--lazy").arg(&self.at));
        }
        copied?;
        std::fs::remove_dir(&self.at)?;
        Ok(std::fs::rename(&kept, &self.at)?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

fn beside(folder: &Path, ending: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Copies a folder with all it holds, rights included.
fn copy(from: &Path, to: &Path) -> Fallible<()> {
    std::fs::create_dir_all(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let (entry, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name())))?;
        if entry.is_dir() {
            copy(&entry, &target)?;
        } else {
            std::fs::copy(&entry, &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    Ok(())
}
