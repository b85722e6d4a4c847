//! Where the values of options come from.
//!
//! The configuration file and the environment are laid under the command line as clap's own
//! defaults, so that they are parsed, checked and shown as what a user types would be:
//!
//! ```toml
//! model = "hf:Qwen/Qwen3-0.6B-GGUF"  # for every command that has --model
//!
//! [serve]
//! port = 9000
//! ```

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{ArgAction, CommandFactory, FromArgMatches, builder::FalseyValueParser};
use toml::{Table, Value};

use super::failure::Failure;

/// Parses a command line with the environment and the configuration file beneath it.
pub(super) fn parse<C: CommandFactory + FromArgMatches>(line: Vec<OsString>) -> Result<C, Failure> {
    // The command line says where the file is, so it is read twice.
    let bare = layered::<C>(&Table::new()).try_get_matches_from(&line)?;
    let named = bare.get_one::<PathBuf>("config").cloned();
    let Some((path, file)) = read(named)? else { return Ok(C::from_arg_matches(&bare)?) };
    check::<C>(&path, &file)?;
    let matches = layered::<C>(&file).try_get_matches_from(&line);
    // The command line alone was fine.
    let blame = |error: clap::Error| {
        let error = error.to_string();
        Failure::Usage(format!("{}: {}", path.display(), error.trim_start_matches("error: ")))
    };
    C::from_arg_matches(&matches.map_err(blame)?).map_err(blame)
}

/// The command line of `C`, with `file` as its defaults.
fn layered<C: CommandFactory>(file: &Table) -> clap::Command {
    let mut command = C::command().mut_args(|arg| layer(arg, file, &Table::new()));
    let names: Vec<_> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    for name in names {
        let none = Table::new();
        let own = file.get(&name).and_then(Value::as_table).unwrap_or(&none);
        command = command.mut_subcommand(name, |it| it.mut_args(|arg| layer(arg, own, file)));
    }
    command
}

/// Lets an option have its value from the environment, else from the first table that has it.
fn layer(arg: clap::Arg, own: &Table, shared: &Table) -> clap::Arg {
    let Some(long) = arg.get_long().map(str::to_owned) else { return arg };
    let variable = format!("FIRESTEEL_{}", long.to_uppercase().replace('-', "_"));
    // Empty is how a shell's user unsets a variable for one command.
    let empty = env::var_os(&variable).is_some_and(|it| it.is_empty());
    let mut arg = if empty { arg } else { arg.env(variable).hide_env(true) };
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        // `FIRESTEEL_LENIENT=1` as well as `=true`.
        arg = arg.value_parser(FalseyValueParser::new());
    }
    match own.get(&long).or_else(|| shared.get(&long)) {
        Some(value) => arg.default_values(words(value)),
        None => arg,
    }
}

/// A value as a user would type it.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(words).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Integer(number) => vec![number.to_string()],
        Value::Float(number) => vec![number.to_string()],
        Value::Boolean(value) => vec![value.to_string()],
        // No option takes these: clap says so, with the option's name.
        Value::Datetime(date) => vec![date.to_string()],
        Value::Table(_) => vec!["[table]".to_owned()],
    }
}

/// The configuration file, if there is one, and where it is.
fn read(named: Option<PathBuf>) -> Result<Option<(PathBuf, Table)>, Failure> {
    let required = named.is_some();
    let Some(path) = named.or_else(default_path) else { return Ok(None) };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => return Ok(None),
        Err(source) => return Err(Failure::File { path, source }),
    };
    match text.parse() {
        Ok(file) => Ok(Some((path, file))),
        Err(error) => Err(Failure::Usage(format!("{}: {error}", path.display()))),
    }
}

/// `firesteel/config.toml` in the platform's folder for configuration.
fn default_path() -> Option<PathBuf> {
    let folder = if cfg!(windows) {
        PathBuf::from(env::var_os("APPDATA")?)
    } else if cfg!(target_os = "macos") {
        env::home_dir()?.join("Library/Application Support")
    } else {
        match env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|it| it.is_absolute()) {
            Some(folder) => folder,
            None => env::home_dir()?.join(".config"),
        }
    };
    Some(folder.join("firesteel").join("config.toml"))
}

/// Fails on a key that no command knows: a setting that does nothing deceives.
fn check<C: CommandFactory>(path: &Path, file: &Table) -> Result<(), Failure> {
    let root = C::command();
    let options = |command: &clap::Command| -> Vec<String> {
        command.get_arguments().filter_map(|it| it.get_long().map(str::to_owned)).collect()
    };
    let mut everywhere = options(&root);
    everywhere.extend(root.get_subcommands().flat_map(options));
    // The file does not say where the file is.
    everywhere.retain(|it| it != "config");
    for (key, value) in file {
        let command = root.get_subcommands().find(|it| it.get_name() == key);
        match (command, value) {
            (Some(command), Value::Table(own)) => {
                let known = options(command);
                if let Some(key) = own.keys().find(|it| !known.contains(it)) {
                    return Err(unknown(path, &format!("{}.{key}", command.get_name()), known));
                }
            }
            _ if everywhere.contains(key) => {}
            _ => return Err(unknown(path, key, everywhere)),
        }
    }
    Ok(())
}

fn unknown(path: &Path, key: &str, mut known: Vec<String>) -> Failure {
    known.sort();
    known.dedup();
    let (path, known) = (path.display(), known.join(", "));
    Failure::Usage(format!("{path}: unknown key `{key}`\nhelp: known are {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[arg(long, global = true)]
        config: Option<PathBuf>,
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Command {
        Serve {
            #[arg(long, default_value_t = 1)]
            port: u16,
            #[arg(long)]
            lenient: bool,
            #[arg(long)]
            stop: Vec<String>,
        },
    }

    fn serve(file: &str, line: &[&str]) -> Result<(u16, bool, Vec<String>), String> {
        let file: Table = file.parse().map_err(|it: toml::de::Error| it.to_string())?;
        check::<Line>(Path::new("f"), &file).map_err(|it| it.to_string())?;
        let matches = layered::<Line>(&file).try_get_matches_from(line);
        let line = Line::from_arg_matches(&matches.map_err(|it| it.to_string())?);
        let Command::Serve { port, lenient, stop } = line.map_err(|it| it.to_string())?.command;
        Ok((port, lenient, stop))
    }

    #[test]
    fn the_command_line_is_above_the_file_and_the_file_above_the_default() {
        let file = "port = 2\n[serve]\nlenient = true\nstop = ['a', 'b']";
        let stop = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(serve("", &["x", "serve"]), Ok((1, false, Vec::new())));
        assert_eq!(serve(file, &["x", "serve"]), Ok((2, true, stop.clone())));
        assert_eq!(serve(file, &["x", "serve", "--port", "3"]), Ok((3, true, stop)));
        let own = "port = 2\n[serve]\nport = 4";
        assert_eq!(serve(own, &["x", "serve"]), Ok((4, false, Vec::new())));
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_named() {
        let error = serve("[serve]\nprot = 2", &["x", "serve"]).unwrap_err();
        assert!(error.contains("`serve.prot`") && error.contains("port"), "{error}");
        let error = serve("sevre = 2", &["x", "serve"]).unwrap_err();
        assert!(error.contains("`sevre`"), "{error}");
        let error = serve("port = 'high'", &["x", "serve"]).unwrap_err();
        assert!(error.contains("high") && error.contains("--port"), "{error}");
    }
}
