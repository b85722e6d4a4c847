//! Servers on sockets, and a client that can hang up.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use firesteel_llm::http::{Server, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) server: Arc<Server>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<bool>>,
}

impl Running {
    pub(crate) async fn start(server: Arc<Server>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let signal = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(listener, Arc::clone(&server), signal));
        Self { address, server, stop: Some(stop), task }
    }

    /// Signals it to stop.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Whether it finished everything.
    pub(crate) async fn ended(self) -> bool {
        timeout(Duration::from_secs(20), self.task).await.expect("it ends").unwrap().unwrap()
    }

    /// Sends a request and leaves the connection open.
    pub(crate) async fn open(&self, path: &str, body: &str) -> Connection {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        Connection { stream, read: Vec::new() }
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn post(&self, path: &str, body: &str) -> String {
        self.open(path, body).await.finish().await
    }
}

/// The client's end of a request.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }

    /// Reads until `text` has come.
    pub(crate) async fn wait_for(&mut self, text: &str) {
        let wait = async {
            while !self.text().contains(text) {
                let n = self.stream.read_buf(&mut self.read).await.unwrap();
                assert!(n > 0, "the connection ended after {}", self.text());
            }
        };
        let come = timeout(Duration::from_secs(20), wait).await;
        assert!(come.is_ok(), "waited for `{text}`, got {}", self.text());
    }

    /// Reads to the end: head and body, chunked or not.
    pub(crate) async fn finish(mut self) -> String {
        let read = self.stream.read_to_end(&mut self.read);
        timeout(Duration::from_secs(20), read).await.expect("it ends").unwrap();
        self.text()
    }
}
