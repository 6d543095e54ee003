//! The server: its socket, its bounds, and clients that mean it ill.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use pb::watch_response::Event;
use rajut_proto::v1 as pb;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    task::JoinHandle,
};
use tonic::{Code, Request, codegen::http};
use tower::ServiceExt as _;

use super::{Rig, entity};
use crate::{
    client::{Address, Client, ConnectError, channel},
    probes::sched,
    sinks::{Config, ServeError, bind},
};

/// A server that runs, on a socket in a directory of its own.
pub(super) struct Served {
    pub(super) rig: Rig,
    dir: TempDir,
    tcp: Option<SocketAddr>,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Served {
    pub(super) async fn start(mut rig: Rig) -> Served {
        let dir = tempfile::tempdir().unwrap();
        rig.config.socket = dir.path().join("rajut.sock");
        let listener = bind(&rig.config).await.unwrap();
        rig.counts = listener.counts();
        let tcp = listener.tcp();
        let task = tokio::spawn(listener.serve(rig.view.clone(), rig.stop.subscribe()));
        Served { rig, dir, tcp, task }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("rajut.sock")
    }

    pub(super) async fn client(&self) -> Client {
        Client::connect(&Address::Socket(self.socket())).await.unwrap()
    }

    pub(super) async fn answers(&self) {
        let request = Request::new(pb::GetStatusRequest {});
        assert_eq!(self.client().await.query.get_status(request).await.unwrap().into_inner().node, "n1");
    }

    pub(super) async fn stop(self) -> TempDir {
        self.rig.stop.send_replace(true);
        self.task.await.unwrap().unwrap();
        self.dir
    }
}

fn config(socket: PathBuf) -> Config {
    Config { socket, ..Config::default() }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_socket_has_its_mode_and_goes_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/rajut/rajut.sock");
    let listener = bind(&config(socket.clone())).await.unwrap();
    assert_eq!(listener.socket(), socket);
    let group = fs::read_to_string("/etc/group").unwrap().lines().any(|line| line.starts_with("rajut:"));
    assert_eq!(mode(&socket), if group { 0o660 } else { 0o600 });
    assert_eq!(mode(socket.parent().unwrap()), 0o755);
    let left: Vec<_> = fs::read_dir(socket.parent().unwrap()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(left, std::slice::from_ref(&socket), "nothing else is left there");
    drop(listener);
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_dead_agents_socket_is_replaced_a_living_ones_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("rajut.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists(), "a dead agent leaves its socket");
    let first = bind(&config(socket.clone())).await.unwrap();
    let error = bind(&config(socket.clone())).await.unwrap_err();
    assert!(matches!(&error, ServeError::InUse(path) if *path == socket), "{error}");
    // The refused one has not taken the socket with it.
    UnixStream::connect(&socket).await.unwrap();
    drop(first);
    bind(&config(socket)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_start_at_once_one_serves() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("rajut.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let starts: Vec<_> = (0..16)
        .map(|_| {
            let config = config(socket.clone());
            tokio::spawn(async move { bind(&config).await })
        })
        .collect();
    let mut won = Vec::new();
    for start in starts {
        match start.await.unwrap() {
            Ok(listener) => won.push(listener),
            Err(ServeError::InUse(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won.len(), 1);
    UnixStream::connect(&socket).await.unwrap();
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("precious");
    fs::write(&file, "text").unwrap();
    let error = bind(&config(file.clone())).await.unwrap_err();
    assert!(matches!(error, ServeError::Bind { .. }), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");

    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(matches!(bind(&config(link)).await, Err(ServeError::Bind { .. })));
    assert!(matches!(bind(&config(file.join("below"))).await, Err(ServeError::Bind { .. })));
    assert!(matches!(bind(&config(PathBuf::from("/"))).await, Err(ServeError::Bind { .. })));
}

#[tokio::test]
async fn a_successors_socket_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("rajut.sock");
    let first = bind(&config(socket.clone())).await.unwrap();
    fs::remove_file(&socket).unwrap();
    let _second = bind(&config(socket.clone())).await.unwrap();
    drop(first);
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
}

#[tokio::test]
async fn tcp_is_loopback_or_loud() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path().join("rajut.sock"));
    config.listen = Some((Ipv4Addr::UNSPECIFIED, 0).into());
    assert!(matches!(bind(&config).await, Err(ServeError::Insecure(_))));
    config.insecure = true;
    drop(bind(&config).await.unwrap());
    config.insecure = false;
    for loopback in ["127.0.0.1:0", "[::ffff:127.0.0.1]:0"] {
        config.listen = Some(loopback.parse().unwrap());
        match bind(&config).await {
            Ok(listener) => assert_ne!(listener.tcp().unwrap().port(), 0),
            // A host without IPv6.
            Err(error) => assert!(matches!(error, ServeError::Bind { .. }), "{error}"),
        }
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    config.listen = Some(taken.local_addr().unwrap());
    assert!(matches!(bind(&config).await, Err(ServeError::Bind { .. })));
    assert!(!config.socket.exists(), "a failed start leaves no socket");
}

#[tokio::test]
async fn both_listeners_serve_and_the_end_is_clean() {
    let mut rig = Rig::new(300);
    rig.config.listen = Some((Ipv4Addr::LOCALHOST, 0).into());
    let served = Served::start(rig).await;
    served.answers().await;
    let address = Address::Tcp(served.tcp.unwrap().to_string());
    let mut client = Client::connect(&address).await.unwrap();
    client.query.list_metrics(Request::new(pb::ListMetricsRequest {})).await.unwrap();
    let dir = served.stop().await;
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(matches!(Client::connect(&address).await, Err(ConnectError::NoAgent(_))));
}

#[tokio::test]
async fn health_and_reflection_know_the_services() {
    use tonic_health::pb::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    };
    use tonic_reflection::pb::{v1, v1alpha};

    let served = Served::start(Rig::new(300)).await;
    let channel = channel(&Address::Socket(served.socket())).await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "rajut.v1.QueryService", "rajut.v1.WatchService"] {
        let request = HealthCheckRequest { service: service.into() };
        assert_eq!(
            health.check(request).await.unwrap().into_inner().status(),
            ServingStatus::Serving,
            "{service}"
        );
    }

    macro_rules! reflects {
        ($v:ident) => {{
            use $v::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
            };
            let mut client = ServerReflectionClient::new(channel.clone());
            let ask =
                |message| ServerReflectionRequest { host: String::new(), message_request: Some(message) };
            let requests = tokio_stream::iter([
                ask(MessageRequest::ListServices(String::new())),
                ask(MessageRequest::FileContainingSymbol("rajut.v1.QueryService".into())),
                ask(MessageRequest::FileByFilename("google/protobuf/timestamp.proto".into())),
            ]);
            let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
            let mut next = async || answers.message().await.unwrap().unwrap().message_response.unwrap();
            match next().await {
                MessageResponse::ListServicesResponse(list) => {
                    let names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
                    for name in ["rajut.v1.QueryService", "rajut.v1.WatchService", "grpc.health.v1.Health"] {
                        assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
                    }
                }
                other => panic!("services, not {other:?}"),
            }
            for _ in 0..2 {
                assert!(matches!(next().await, MessageResponse::FileDescriptorResponse(_)));
            }
        }};
    }
    reflects!(v1);
    reflects!(v1alpha);
    served.stop().await;
}

#[tokio::test]
async fn hostile_clients_leave_it_serving() {
    let served = Served::start(Rig::new(300)).await;

    // Larger than a request may be.
    let huge = pb::QueryRequest { metric: "m".repeat(2 << 20), ..Default::default() };
    let status = served.client().await.query.query(Request::new(huge)).await.unwrap_err();
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status}");
    served.answers().await;

    // No HTTP/2 at all; the connection is closed on it.
    for garbage in [
        &[0xff; 4096][..],
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff",
    ] {
        let mut stream = UnixStream::connect(served.socket()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut answer = Vec::new();
        // Closed or reset, either way it ends.
        let _ = stream.read_to_end(&mut answer).await;
        served.answers().await;
    }

    // Frames that are no message: a field of the wrong type, a length that never comes, a compression nobody offered.
    let channel = channel(&Address::Socket(served.socket())).await.unwrap();
    for frame in ["\0\0\0\0\x02\x08\x05", "\0\x7f\x7f\x7f\x7f", "\x01\0\0\0\x01a", "\x05", ""] {
        let request = http::Request::post("http://localhost/rajut.v1.QueryService/Query")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(tonic::body::Body::new(frame.to_owned()))
            .unwrap();
        let answer = channel.clone().oneshot(request).await.unwrap();
        let status = tonic::Status::from_header_map(answer.headers()).map(|status| status.code());
        assert!(!matches!(status, None | Some(Code::Ok)), "{frame:?}: {status:?}");
        served.answers().await;
    }
    served.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_cut_off() {
    let served = Served::start(Rig::new(300)).await;
    let mut silent = UnixStream::connect(served.socket()).await.unwrap();
    silent.write_all(b"PRI * HTTP/2").await.unwrap();
    let mut answer = Vec::new();
    // The paused clock runs on by itself while everyone waits; without the bound it would run past this one.
    let ended = tokio::time::timeout(Duration::from_secs(3600), silent.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "still connected after an hour");
    served.stop().await;
}

#[tokio::test]
async fn connections_are_bounded_and_a_place_comes_free() {
    let mut rig = Rig::new(300);
    rig.config.connections = 2;
    let served = Served::start(rig).await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(UnixStream::connect(served.socket()).await.unwrap());
    }
    // Accepted in order: the first two are in, the others are closed at once.
    let mut answer = Vec::new();
    for beyond in &mut all[2..] {
        beyond.read_to_end(&mut answer).await.unwrap();
    }
    let ledger = served.rig.counts.ledger();
    let row = ledger.iter().find(|row| row.source == "grpc.connections").unwrap();
    assert_eq!((row.applied, row.dropped.get("too_many")), (2, Some(&3)));
    all.clear();
    loop {
        if let Ok(mut client) = Client::connect(&Address::Socket(served.socket())).await
            && client.query.get_status(Request::new(pb::GetStatusRequest {})).await.is_ok()
        {
            break;
        }
        tokio::task::yield_now().await;
    }
    served.stop().await;
}

#[tokio::test]
async fn a_whole_conversation() {
    let served = Served::start(Rig::new(300)).await;
    let mut client = served.client().await;
    let a = entity(10, 1, "a");
    served.rig.second(&[(&a, 1)], &[&a]);

    let mut stream =
        client.watch.watch(Request::new(pb::WatchRequest::default())).await.unwrap().into_inner();
    let event = async |stream: &mut tonic::Streaming<pb::WatchResponse>| {
        stream.message().await.unwrap().unwrap().event.unwrap()
    };
    assert!(matches!(event(&mut stream).await, Event::Snapshot(s) if s.entities.len() == 1));
    served.rig.second(&[(&a, 2)], &[]);
    assert!(matches!(event(&mut stream).await, Event::Delta(d) if d.rows.len() == 1));

    let request =
        pb::QueryRequest { metric: sched::TIME.into(), by: vec!["pod".into()], ..Default::default() };
    let answer = client.query.query(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(answer.rows.len(), 1);
    let request = pb::QueryRequest { metric: "cpu.tme".into(), ..Default::default() };
    let status = client.query.query(Request::new(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let answer = client.query.summarize(Request::new(pb::SummarizeRequest::default())).await.unwrap();
    assert_eq!(answer.into_inner().rows.len(), 1);

    // The end comes with a word, and does not wait for the client.
    served.rig.stop.send_replace(true);
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    served.task.await.unwrap().unwrap();
}
