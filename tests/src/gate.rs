//! A way to a service that lets so many bytes through and then holds what follows, to stop a client in its midst.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A gate. What it holds stays held, and its threads end with the process.
#[derive(Debug)]
pub struct Gate {
    /// The address to send to instead of the service's.
    pub url: String,
    left: Arc<AtomicUsize>,
}

impl Gate {
    /// Opens a gate to a service for so many bytes of requests.
    pub fn open(url: &str, bytes: usize) -> Self {
        let service = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let left = Arc::new(AtomicUsize::new(bytes));
        let counted = left.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (service, counted) = (service.clone(), counted.clone());
                // a client or a service that goes away ends its connection, as it would without a gate
                std::thread::spawn(move || connect(client, &service, &counted).unwrap_or_default());
            }
        });
        Self {
            url: format!("http://{address}"),
            left,
        }
    }

    /// Whether it lets nothing more through.
    pub fn is_shut(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

fn connect(client: TcpStream, service: &str, left: &AtomicUsize) -> std::io::Result<()> {
    let service = TcpStream::connect(service)?;
    let (mut answers, mut back) = (service.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || {
        drop(std::io::copy(&mut answers, &mut back));
        drop(back.shutdown(Shutdown::Both));
    });
    requests(client, service, left)
}

/// Passes requests on while there are bytes left for all of what was read.
fn requests(mut from: TcpStream, mut to: TcpStream, left: &AtomicUsize) -> std::io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.shutdown(Shutdown::Both);
        }
        let fits = |left: usize| Some(left.saturating_sub(read));
        let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits);
        if before.is_ok_and(|before| before >= read) {
            to.write_all(&buffer[..read])?;
        }
    }
}
