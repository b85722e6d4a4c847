//! `firesteel pull` against a hub on loopback: torn transfers, wrong checksums, the cache.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_stream::{StreamExt, iter};

use super::{fail, firesteel, folder, gguf, succeed};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// How the hub misbehaves.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Fault {
    #[default]
    None,
    /// Each answer ends after this many bytes.
    Torn(usize),
    /// As `Torn`, and ranges are ignored.
    NoRanges,
    /// No answer has anything of the file.
    Dead,
    /// The bytes are not those of the checksum.
    Garbled,
}

#[derive(Default)]
struct Hub {
    files: HashMap<&'static str, Vec<u8>>,
    fault: Mutex<Fault>,
    /// Where the requests for files began.
    requests: Mutex<Vec<usize>>,
}

impl Hub {
    fn misbehave(&self, fault: Fault) {
        *self.fault.lock().expect("no test panics with it") = fault;
    }

    fn requests(&self) -> Vec<usize> {
        std::mem::take(&mut *self.requests.lock().expect("no test panics with it"))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

async fn list(State(hub): State<Arc<Hub>>) -> Json<Value> {
    let siblings = hub.files.iter().map(|(name, content)| {
        if name.ends_with(".json") {
            let mut sha = sha1::Sha1::default();
            sha.update(format!("blob {}\0", content.len()));
            sha.update(content);
            return json!({ "rfilename": name, "size": content.len(),
                           "blobId": hex(&sha.finalize()) });
        }
        let sha256 = hex(&Sha256::digest(content));
        json!({ "rfilename": name, "size": content.len(), "blobId": COMMIT,
                "lfs": { "sha256": sha256, "size": content.len(), "pointerSize": 135 } })
    });
    Json(json!({ "sha": COMMIT, "siblings": siblings.collect::<Vec<_>>() }))
}

async fn file(
    State(hub): State<Arc<Hub>>,
    Path((_, _, commit, name)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let content = hub.files.get(&*name).filter(|_| commit == COMMIT);
    let Some(content) = content else { return StatusCode::NOT_FOUND.into_response() };
    let fault = *hub.fault.lock().expect("no test panics with it");
    let range = headers.get(header::RANGE).and_then(|it| it.to_str().ok());
    let range = range.and_then(|it| it.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let start: usize = range.filter(|_| fault != Fault::NoRanges).unwrap_or(0);
    let asked = range.unwrap_or(0);
    hub.requests.lock().expect("no test panics with it").push(asked);
    let total = content.len();
    let mut rest = content[start..].to_vec();
    if fault == Fault::Garbled {
        rest[0] ^= 1;
    }
    let sent = match fault {
        Fault::Torn(bytes) => bytes.min(rest.len()),
        Fault::NoRanges if asked == 0 => rest.len() / 2,
        Fault::Dead => 0,
        Fault::None | Fault::NoRanges | Fault::Garbled => rest.len(),
    };
    let mut parts = vec![Ok(Bytes::copy_from_slice(&rest[..sent]))];
    if sent < rest.len() {
        // The connection breaks in the middle of the body.
        parts.push(Err(std::io::Error::other("torn")));
    }
    // A pause, so that what comes before the break is on its way.
    let pause = |part| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        part
    };
    let body = Body::from_stream(iter(parts).then(pause));
    let length = [(header::CONTENT_LENGTH, rest.len().to_string())];
    match start {
        0 => (StatusCode::OK, length, body).into_response(),
        _ => {
            let range = format!("bytes {start}-{}/{total}", total - 1);
            let range = [(header::CONTENT_RANGE, range)];
            (StatusCode::PARTIAL_CONTENT, length, range, body).into_response()
        }
    }
}

/// Starts a hub; it ends with the tests.
fn start(files: &[(&'static str, Vec<u8>)]) -> (Arc<Hub>, SocketAddr) {
    let hub = Arc::new(Hub { files: files.iter().cloned().collect(), ..Hub::default() });
    let app = Router::new()
        .route("/api/models/{org}/{name}/revision/main", get(list))
        .route("/{org}/{name}/resolve/{commit}/{*file}", get(file))
        .with_state(Arc::clone(&hub));
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime starts").block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
            let listener = listener.expect("loopback has a port");
            send.send(listener.local_addr().expect("it is bound")).expect("the test waits");
            axum::serve(listener, app).await.expect("it serves");
        });
    });
    (hub, receive.recv().expect("the hub starts"))
}

/// A test's hub and cache.
struct Place {
    hub: Arc<Hub>,
    endpoint: String,
    cache: std::path::PathBuf,
}

impl Place {
    fn new(test: &str, files: &[(&'static str, Vec<u8>)]) -> Self {
        let (hub, address) = start(files);
        Self { hub, endpoint: format!("http://{address}"), cache: folder(test) }
    }

    fn firesteel(&self, args: &[&str]) -> std::process::Command {
        let mut command = firesteel(args);
        command.env("HF_ENDPOINT", &self.endpoint).env("HF_HUB_CACHE", &self.cache);
        command
    }

    /// Pulls a model that must come; gives its path.
    fn pull(&self, reference: &str) -> String {
        succeed(&mut self.firesteel(&["pull", reference])).trim_end().to_owned()
    }
}

fn noise(len: usize) -> Vec<u8> {
    (0..len as u32).map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn a_model_is_fetched_once_and_runs() {
    let place = Place::new("fetched", &[("story.gguf", gguf::story()), ("README.md", noise(9))]);
    let path = place.pull("hf:some/story");
    assert!(path.ends_with("story.gguf"), "{path}");
    assert_eq!(fs::read(&path).expect("it is there"), gguf::story());
    let commit = place.cache.join("models--some--story/refs/main");
    assert_eq!(fs::read_to_string(commit).expect("it is noted"), COMMIT);
    assert_eq!(place.hub.requests(), [0]);
    place.pull("hf:some/story");
    assert_eq!(place.hub.requests(), [0; 0], "nothing is fetched twice");
    // The cache is enough: this hub is gone.
    let args = ["run", "--raw", "Once upon a", "-n", "1", "-t", "0", "-m", "hf:some/story"];
    let told = succeed(place.firesteel(&args).env("HF_ENDPOINT", "http://127.0.0.1:1"));
    assert_eq!(told, " time\n");
}

#[test]
fn a_torn_transfer_is_taken_up() {
    let content = noise(300_000);
    let place = Place::new("torn", &[("model.gguf", content.clone())]);
    place.hub.misbehave(Fault::Torn(100_000));
    let path = place.pull("hf:some/model");
    assert_eq!(fs::read(path).expect("it is there"), content);
    assert_eq!(place.hub.requests(), [0, 100_000, 200_000]);
}

#[test]
fn a_transfer_is_taken_up_by_the_next_command() {
    let content = noise(300_000);
    let place = Place::new("next_command", &[("model.gguf", content.clone())]);
    place.hub.misbehave(Fault::Dead);
    // What an earlier command left.
    let sum = hex(&Sha256::digest(&content));
    let blobs = place.cache.join("models--some--model/blobs");
    fs::create_dir_all(&blobs).expect("it can be written");
    let left = blobs.join(format!("{sum}.incomplete"));
    fs::write(&left, &content[..123_456]).expect("it can be written");
    let said = fail(&mut place.firesteel(&["pull", "hf:some/model"]), 10);
    assert!(said.contains("123456 of 300000 bytes"), "{said}");
    place.hub.requests();
    place.hub.misbehave(Fault::None);
    let path = place.pull("hf:some/model");
    assert_eq!(fs::read(path).expect("it is there"), content);
    assert_eq!(place.hub.requests(), [123_456]);
    assert!(!left.exists());
}

#[test]
fn a_hub_without_ranges_sends_the_file_anew() {
    let content = noise(300_000);
    let place = Place::new("no_ranges", &[("model.gguf", content.clone())]);
    place.hub.misbehave(Fault::NoRanges);
    let path = place.pull("hf:some/model");
    assert_eq!(fs::read(path).expect("it is there"), content);
}

#[test]
fn a_wrong_checksum_is_refused() {
    let folder: [(&str, Vec<u8>); 2] =
        [("config.json", b"{}".to_vec()), ("model.safetensors", noise(1000))];
    for (test, files) in [("gguf", vec![("model.gguf", noise(1000))]), ("git", folder.to_vec())] {
        let place = Place::new(&format!("checksum_{test}"), &files);
        place.hub.misbehave(Fault::Garbled);
        let said = fail(&mut place.firesteel(&["pull", "hf:some/model"]), 10);
        assert!(said.contains("want checksum"), "{said}");
        let blobs = fs::read_dir(place.cache.join("models--some--model/blobs"));
        assert_eq!(blobs.expect("it was made").count(), 0, "the damaged file is gone");
        place.hub.misbehave(Fault::None);
        place.pull("hf:some/model");
    }
}

#[test]
fn a_folder_has_all_of_its_files() {
    let files = [
        ("config.json", b"{}".to_vec()),
        ("tokenizer.json", noise(50)),
        ("model.safetensors", noise(5000)),
        ("pytorch_model.bin", noise(10)),
    ];
    let place = Place::new("folder", &files);
    let path = std::path::PathBuf::from(place.pull("hf:some/model"));
    for (name, content) in &files[..3] {
        assert_eq!(&fs::read(path.join(name)).expect("it is there"), content, "{name}");
    }
    assert!(!path.join("pytorch_model.bin").exists());
}

#[test]
fn a_file_in_a_folder_is_found_again() {
    let place = Place::new("nested", &[("q8/model.gguf", noise(500)), ("q4/model.gguf", noise(9))]);
    let path = place.pull("hf:some/model/q8/model.gguf");
    assert_eq!(fs::read(path).expect("it is there"), noise(500));
    place.hub.requests();
    // Not a model, which is found out without the hub.
    let args = ["inspect", "hf:some/model/q8/model.gguf"];
    fail(place.firesteel(&args).env("HF_ENDPOINT", "http://127.0.0.1:1"), 4);
}

#[test]
fn two_programs_fetch_one_file_once() {
    let content = noise(400_000);
    let place = Place::new("two_programs", &[("model.gguf", content.clone())]);
    place.hub.misbehave(Fault::Torn(100_000));
    let pulls: Vec<_> = (0..2)
        .map(|_| {
            let mut pull = place.firesteel(&["pull", "hf:some/model"]);
            pull.stdout(std::process::Stdio::null()).spawn().expect("the binary runs")
        })
        .collect();
    for mut pull in pulls {
        assert!(pull.wait().expect("it ends").success());
    }
    assert_eq!(fs::read(place.pull("hf:some/model")).expect("it is there"), content);
    let blobs = fs::read_dir(place.cache.join("models--some--model/blobs"));
    assert_eq!(blobs.expect("it was made").count(), 1);
    assert_eq!(place.hub.requests(), [0, 100_000, 200_000, 300_000]);
}

#[test]
fn what_is_not_there_is_named() {
    let place = Place::new("not_there", &[("a-Q4_0.gguf", noise(9)), ("a-F16.gguf", noise(9))]);
    let said = fail(&mut place.firesteel(&["pull", "hf:some/model/Q5"]), 10);
    assert!(said.contains("Q5") && said.contains("a-Q4_0.gguf"), "{said}");
    let said = fail(&mut place.firesteel(&["pull", "hf:some/model@none"]), 10);
    assert!(said.contains("hf:some/model@none"), "{said}");
}
