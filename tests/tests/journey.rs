//! The main job, end to end, with real processes and real files.

use std::process::Command;

/// Three phones, a server that is killed in mid-sync, a restored phone, a member who moves: see `src/bin/journey.rs`.
#[test]
fn a_visit_logged_with_no_signal_reaches_the_officer_is_judged_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for seed in ["1", "2"] {
        let dir = folder.path().join(seed);
        let output =
            Command::new(env!("CARGO_BIN_EXE_journey")).args(["--seed", seed, "--dir"]).arg(&dir).output().unwrap();
        let story = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{story}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(story.ends_with("All of it holds.\n"), "{story}");
    }
}
