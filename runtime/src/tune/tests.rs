use std::ffi::OsString;

use super::*;
use crate::device::Device;

const TWO: [Configuration<'_>; 2] = [Configuration::new("a", "x"), Configuration::new("b", "y")];

fn a_key() -> Key {
    Key {
        device: "NVIDIA H200".to_owned(),
        driver: "12.8".to_owned(),
        hash: hash(&TWO),
        operation: "matmul".to_owned(),
        shape: "64x64".to_owned(),
    }
}

/// A path that no other test uses.
fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("firesteel-tune-{}-{name}", std::process::id()))
}

#[test]
fn the_simulator_takes_the_first_and_runs_none() {
    let device = Device::sim();
    let mut runs = 0;
    let mut run = |_: usize, _: &Stream| {
        runs += 1;
        Ok(())
    };
    let best = Tuner::new().choose(&device.stream(), "op", "8", &TWO, &mut run).unwrap();
    assert_eq!((best, runs), (0, 0));
}

#[test]
fn nothing_to_choose_from_is_an_error() {
    let mut run = |_: usize, _: &Stream| Ok(());
    let error = Tuner::new().choose(&Device::sim().stream(), "op", "8", &[], &mut run).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no configuration of `op` works for 8:\n  there is none\n\
         help: add one with smaller tiles"
    );
}

#[test]
fn a_measurement_runs_until_a_batch_is_full() {
    let stream = Device::sim().stream();
    let mut runs = 0;
    let time = measure(&stream, &mut |_| {
        runs += 1;
        std::hint::black_box((0..10_000u64).fold(0, |a, b| std::hint::black_box(a ^ b)));
        Ok(())
    });
    assert!(time.unwrap() < Duration::from_secs(1));
    assert!((2 + BATCHES..=2 + BATCHES * MOST_RUNS as usize).contains(&runs), "{runs}");
}

#[test]
fn a_changed_kernel_or_name_has_another_hash() {
    let other = [TWO[0], Configuration::new("b", "z")];
    let renamed = [TWO[0], Configuration::new("c", "y")];
    let shifted = [Configuration::new("ax", ""), TWO[1]];
    for different in [other, renamed, shifted, [TWO[1], TWO[0]]] {
        assert_ne!(hash(&TWO), hash(&different), "{different:?}");
    }
    // Of the specification's own list of results.
    let bytes = b"a".iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    assert_eq!(bytes, 0xaf63_dc4c_8601_ec8c);
}

#[test]
fn choices_are_kept_in_the_file() {
    let path = scratch("kept").join("folder").join("tune.tsv");
    let tuner = Tuner::with_cache(&path).unwrap();
    tuner.keep(a_key(), "a").unwrap();
    tuner.keep(a_key(), "b").unwrap();
    let again = Tuner::with_cache(&path).unwrap();
    assert_eq!(again.known().get(&a_key()).map(String::as_str), Some("b"));
    let other = Key { driver: "13.0".to_owned(), ..a_key() };
    assert_eq!(again.known().get(&other), None);
    std::fs::remove_dir_all(scratch("kept")).unwrap();
}

#[test]
fn torn_lines_are_passed_over() {
    let path = scratch("torn");
    let good = cache::line(&a_key(), "a");
    std::fs::write(&path, format!("\n{}{good}a\tb\tnot a hash\td\te\tf\n", &good[..20])).unwrap();
    // The torn line has swallowed the good one behind it.
    assert_eq!(Tuner::with_cache(&path).unwrap().known().len(), 0);
    std::fs::write(&path, format!("a\tb\tnot a hash\td\te\tf\n{good}\u{fffd}\n")).unwrap();
    assert_eq!(Tuner::with_cache(&path).unwrap().known().len(), 1);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = std::env::temp_dir();
    let error = Tuner::with_cache(&folder).unwrap_err();
    let Error::TuneCache { path, .. } = &error else { panic!("{error}") };
    assert_eq!(**path, *folder);
}

#[test]
#[cfg(all(unix, not(target_os = "macos")))]
fn the_folder_is_the_users() {
    let with = |pairs: &'static [(&str, &str)]| {
        cache::folder(move |name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    };
    assert_eq!(with(&[("HOME", "/h")]), Some("/h/.cache".into()));
    assert_eq!(with(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")]), Some("/c".into()));
    assert_eq!(with(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")]), Some("/h/.cache".into()));
    assert_eq!(with(&[("HOME", "")]), None);
}
