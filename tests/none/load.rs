//! The loads themselves: each does what it says, and accounts for it.

use rajut_tests::{
    load::{Kind, Load},
    oracle, wait_for,
};

use std::time::Duration;

#[test]
fn every_kind_works_and_accounts_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        (Kind::Hogs(2), 3, vec!["hog"]),
        (Kind::Switchers(10, 100), 11, vec!["ping", "pong"]),
        (Kind::Sleepers(3), 4, vec!["sleeper"]),
        (Kind::Disk(dir.path().to_owned()), 2, vec!["writer"]),
        (Kind::Tcp(100), 3, vec!["client", "server"]),
        (Kind::Movers(2), 4, vec!["moved", "mover"]),
        (Kind::Rallies(2), 5, vec!["ping", "pong"]),
        (Kind::Memory(dir.path().to_owned(), 8, 4), 2, vec!["holder"]),
        (Kind::Faults(dir.path().to_owned(), 50), 2, vec!["faulter"]),
    ];
    for (kind, threads, roles) in cases {
        let mut load = Load::start(&kind, None).unwrap();
        // Work shows as CPU time or switches: whichever comes first.
        wait_for("work", Duration::from_secs(20), || {
            let used = oracle::process(load.pid).unwrap().since(&load.before);
            (used.cpu_ns > 50_000_000 || used.voluntary > 200).then_some(())
        })
        .unwrap();
        let account = load.stop().unwrap();
        assert_eq!(account.threads.len(), threads, "{kind:?}");
        for role in roles {
            assert!(account.operations(role) > 0, "{kind:?}: {role} did nothing");
        }
        // Idle, and still there: the kernel has no less than the threads have said.
        let kernel = oracle::process(load.pid).unwrap().since(&load.before);
        assert!(load.is_running(), "{kind:?}");
        assert!(kernel.voluntary >= account.total().voluntary, "{kind:?}: {kernel:?} {account:?}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the disk load left its file");
}

#[test]
fn a_wrong_word_is_refused() {
    let load = rajut_tests::binary("rajut-load").unwrap();
    for args in
        [vec![], vec!["sing"], vec!["hogs"], vec!["hogs", "many"], vec!["fifo", "x"], vec!["--cgroup"]]
    {
        let output = std::process::Command::new(&load).args(&args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{args:?}");
        assert!(said.starts_with("rajut-load: ") && said.lines().count() == 1, "{args:?}: {said}");
    }
}
