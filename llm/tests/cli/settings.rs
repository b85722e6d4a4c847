//! The command line is above the environment, that above the file, that above the default.

use std::fs;

use super::{fail, firesteel, folder, succeed};

/// The model that a command tried to load shows which setting won.
#[test]
fn precedence() {
    let folder = folder("precedence");
    let config = folder.join("config.toml");
    fs::write(&config, "model = 'shared'\n[run]\nmodel = 'own'\n").expect("it can be written");
    let run = || {
        let mut command = firesteel(&["run", "Hello", "--config"]);
        command.arg(&config);
        command
    };
    assert!(fail(&mut run(), 3).contains("`own`"));
    assert!(fail(run().env("FIRESTEEL_MODEL", "environment"), 3).contains("`environment`"));
    assert!(fail(run().env("FIRESTEEL_MODEL", ""), 3).contains("`own`"));
    let said = fail(run().env("FIRESTEEL_MODEL", "environment").args(["-m", "line"]), 3);
    assert!(said.contains("`line`"), "{said}");
    let said = fail(firesteel(&["tokenize", "Hello", "--config"]).arg(&config), 3);
    assert!(said.contains("`shared`"), "{said}");
}

#[test]
fn the_file_is_found_by_itself_and_by_the_environment() {
    let home = folder("found");
    fs::create_dir_all(home.join("firesteel")).expect("it can be written");
    let config = home.join("firesteel").join("config.toml");
    fs::write(&config, "model = 'found'").expect("it can be written");
    let mut command = firesteel(&["run", "Hello"]);
    if cfg!(target_os = "linux") {
        assert!(fail(command.env("XDG_CONFIG_HOME", &home), 3).contains("`found`"));
    }
    let mut command = firesteel(&["run", "Hello"]);
    assert!(fail(command.env("FIRESTEEL_CONFIG", &config), 3).contains("`found`"));
}

#[test]
fn flags_come_from_the_environment_too() {
    let json = succeed(firesteel(&["tokenize", "Hello"]).env("FIRESTEEL_JSON", "1"));
    assert!(json.starts_with('{'), "{json}");
    let plain = succeed(firesteel(&["tokenize", "Hello"]).env("FIRESTEEL_JSON", "false"));
    assert!(!plain.starts_with('{'), "{plain}");
}

#[test]
fn mistakes_in_the_file_are_named() {
    let folder = folder("mistakes");
    let config = folder.join("config.toml");
    let said = |text: &str, code: i32| {
        fs::write(&config, text).expect("it can be written");
        fail(firesteel(&["run", "Hello", "--config"]).arg(&config), code)
    };
    assert!(said("[run]\nmodle = 'x'", 2).contains("`run.modle`"));
    assert!(said("[run]\ntop-p = 3", 2).contains("config.toml"));
    assert!(said("config = 'x'", 2).contains("`config`"));
    assert!(said("[run", 2).contains("config.toml"));
    let missing = folder.join("none.toml");
    assert!(fail(firesteel(&["devices", "--config"]).arg(missing), 3).contains("none.toml"));
}

#[test]
fn help_teaches() {
    let help = succeed(&mut firesteel(&["--help"]));
    for word in ["serve", "chat", "Examples:", "Exit codes:", "FIRESTEEL_MAX_TOKENS"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    for command in ["serve", "chat", "run", "bench", "inspect", "tokenize", "pull"] {
        let help = succeed(&mut firesteel(&[command, "--help"]));
        assert!(help.contains("Examples:"), "{help}");
    }
}
