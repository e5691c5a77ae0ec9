//! A site that knows keys and patients' mail crashes where its user may leave core files: it leaves
//! none, and none could be asked of it.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::territory::EHPAD;

#[test]
fn a_crashed_site_leaves_no_core() {
    let territory = Territory::build();
    let _directory = territory.start_site("dac");
    let config = territory.config("ehpad");
    let site = territory.start_process_by(&config, |serve| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "ulimit -c unlimited || ulimit -c; exec \"$@\"", "sh"])
            .arg(serve.get_program())
            .args(serve.get_args());
        shell
    });
    territory.imap(EHPAD).messages();
    let limits = fs::read_to_string(format!("/proc/{}/limits", site.id())).unwrap();
    let core: Vec<_> = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .unwrap()
        .split_whitespace()
        .take(2)
        .collect();
    assert_eq!(core, ["0", "0"], "{limits}");

    let crashed = Command::new("kill")
        .args(["-ABRT", &site.id().to_string()])
        .status()
        .unwrap();
    assert!(crashed.success());
    let ended = site.stop();
    assert!(!ended.core_dumped(), "{ended}");
}
