//! The command `firesteel serve`, as a process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::json;

use super::{CHAT, chat};

fn serve(port: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
    command.args(["serve", "--port", port]).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// A server that is ended even by a test that fails.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A server, the rest of its log, and its address.
fn start() -> (Guard, impl Iterator<Item = String>, String) {
    let mut child = serve("0");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| {
        let rest = &line[line.find("127.0.0.1:")?..];
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
        Some(rest[..end.unwrap_or(rest.len())].to_owned())
    });
    (Guard(child), lines, address.expect("it says where it listens"))
}

#[cfg(unix)]
#[test]
fn a_signal_lets_it_finish_what_it_has() {
    let (mut child, log, address) = start();
    let mut stream = TcpStream::connect(address).unwrap();
    let body = chat("Tell me a story.", json!({ "stream": true, "max_tokens": 40 })).to_string();
    let length = body.len();
    write!(
        stream,
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-request-id: one\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut begin = [0; 15];
    stream.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
    let killed = Command::new("kill").arg("-TERM").arg(child.0.id().to_string()).status();
    assert!(killed.unwrap().success());
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("data: [DONE]") && !rest.contains("\"error\""), "{rest}");
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    let log: Vec<String> = log.collect();
    assert!(log.iter().any(|it| it.contains("draining")), "{log:?}");
    let answered = log.iter().find(|it| it.contains("answered")).expect("the answer is logged");
    assert!(answered.contains("one") && answered.contains("completion_tokens"), "{answered}");
}

#[test]
fn a_port_in_use_is_a_sentence() {
    let (_first, _log, address) = start();
    let port = address.split(':').nth(1).unwrap();
    let output = serve(port).wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&format!("{address} is in use")) && text.contains("--port"), "{text}");
    assert_eq!(output.status.code(), Some(8));
}
