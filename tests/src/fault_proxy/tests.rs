//! The proxy between a client and a broker of a few lines.

use super::*;
use frame::{correlation, read, with_length};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const LONG: Duration = Duration::from_secs(20);

/// Answers each request with its correlation id, and tells of it.
async fn broker() -> (u16, mpsc::UnboundedReceiver<Head>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (sender, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                while let Ok(Some(frame)) = read(&mut client).await {
                    let head = Head::parse(&frame).expect("a request");
                    let answer = with_length(&head.correlation.to_be_bytes());
                    drop(sender.send(head));
                    client.write_all(&answer).await.expect("writes");
                }
            });
        }
    });
    (port, seen)
}

struct Client(TcpStream);

impl Client {
    async fn connect(proxy: &FaultProxy) -> Self {
        let address = (Ipv4Addr::LOCALHOST, proxy.port());
        Self(TcpStream::connect(address).await.expect("connects"))
    }

    /// Asks, and gives the answer's correlation id; `None` when the connection ends instead.
    async fn ask(&mut self, api: Api, id: i32) -> Option<i32> {
        let head = [api.0.to_be_bytes(), 1_i16.to_be_bytes()].concat();
        let request = [&head[..], &id.to_be_bytes(), b"\x00\x00\x00\x01t"].concat();
        self.0.write_all(&with_length(&request)).await.ok()?;
        correlation(&read(&mut self.0).await.ok()??)
    }
}

#[tokio::test]
async fn without_rules_it_is_not_noticed() {
    let (port, _seen) = broker().await;
    let proxy = FaultProxy::start(port).await.expect("a port");
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.ask(Api(3), 1).await, Some(1));
    assert_eq!(client.ask(Api::PRODUCE, 2).await, Some(2));
}

#[tokio::test]
async fn a_lost_response_was_asked_for_and_breaks_the_connection() {
    let (port, mut seen) = broker().await;
    let proxy = FaultProxy::start(port).await.expect("a port");
    proxy.add(Rule::next(Api::END_TXN, "t", Action::LoseResponse));
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.ask(Api::END_TXN, 1).await, None);
    assert_eq!(seen.recv().await.expect("a request").correlation, 1);
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.ask(Api::END_TXN, 2).await, Some(2));
}

#[tokio::test]
async fn a_held_request_comes_late_and_before_the_response_it_waited_for() {
    let (port, mut seen) = broker().await;
    let proxy = FaultProxy::start(port).await.expect("a port");
    let release = Release {
        api: Api::PRODUCE,
        count: 1,
        then: Then::GoOn,
    };
    proxy.add(Rule::next(Api::END_TXN, "t", Action::Hold(release)));
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.ask(Api::END_TXN, 1).await, None);
    assert_eq!(proxy.held(), 1);
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.ask(Api::END_TXN, 2).await, Some(2));
    assert_eq!(client.ask(Api::PRODUCE, 3).await, Some(3));
    let mut order = Vec::new();
    for _ in 0..3 {
        order.push(seen.recv().await.expect("a request").correlation);
    }
    assert_eq!(order, [2, 3, 1], "{:?}", proxy.said());
}

#[tokio::test]
async fn a_refused_request_is_answered_and_never_arrives() {
    let (port, mut seen) = broker().await;
    let proxy = FaultProxy::start(port).await.expect("a port");
    proxy.add(Rule::next(Api::ADD_OFFSETS_TO_TXN, "t", Action::Refuse(30)));
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.ask(Api::ADD_OFFSETS_TO_TXN, 1).await, Some(1));
    assert_eq!(client.ask(Api::PRODUCE, 2).await, Some(2));
    assert_eq!(seen.recv().await.expect("a request").correlation, 2);
}

#[tokio::test]
async fn frozen_nothing_passes_and_a_reset_ends_all() {
    let (port, _seen) = broker().await;
    let proxy = FaultProxy::start(port).await.expect("a port");
    let mut client = Client::connect(&proxy).await;
    proxy.freeze();
    let asked = tokio::spawn(async move { (client.ask(Api::PRODUCE, 1).await, client) });
    tokio::task::yield_now().await;
    assert!(!asked.is_finished());
    proxy.thaw();
    let (answer, mut client) = asked.await.expect("ends");
    assert_eq!(answer, Some(1));
    proxy.reset();
    assert_eq!(client.ask(Api::PRODUCE, 2).await, None);
    assert!(proxy.reaches(LONG, |proxy| proxy.held() == 0).await);
}
