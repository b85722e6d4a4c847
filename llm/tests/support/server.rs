//! The server under test.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// A server with the model in the box. It ends when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_firesteel"))
            .args(["serve", "--port", "0", "--log", "info"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let at = line.find("address=")?;
            line[at..].split(['=', ' ']).nth(1).map(str::to_owned)
        });
        // A full pipe would stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://{}/", address.expect("the server says where it listens"));
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
