//! OpenAI's own Python client against the server, with the model in the box. The test makes a
//! virtual environment in the target folder; where there is no Python, or no package index, it
//! says so and passes.

#[path = "../support/server.rs"]
mod server;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The client's version.
const CLIENT: &str = "openai==3.54.0";

#[test]
fn openai_client() {
    let python = match environment() {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("skipped: {reason}");
            return;
        }
    };
    let server = server::Server::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/client.py");
    let output = Command::new(python)
        .arg(script)
        .env("NO_PROXY", "127.0.0.1")
        .env("OPENAI_API_KEY", "any")
        .env("OPENAI_BASE_URL", format!("{}v1", server.url))
        .output()
        .expect("Python runs");
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("all passed"), "{stdout}\n{stderr}");
}

/// The Python of a virtual environment with the client in it, made if need be.
fn environment() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(CLIENT.replace("==", "-"));
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(python);
    }
    let run = |program: &Path, args: &[&str], what: &str| {
        let output = Command::new(program).args(args).output();
        let output = output.map_err(|error| format!("want {what}: {error}"))?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = error.trim().lines().last().unwrap_or_default();
        output.status.success().then_some(()).ok_or_else(|| format!("want {what}: {line}"))
    };
    let folder = folder.to_string_lossy();
    run(Path::new("python3"), &["-m", "venv", "--clear", &folder], "Python 3 with venv")?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", CLIENT];
    run(&python, &install, "PyPI")?;
    std::fs::write(complete, "").map_err(|error| error.to_string())?;
    Ok(python)
}
